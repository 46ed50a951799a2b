-- Credits: what is booked balances, is booked once, and never takes a wallet below zero.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob, pg_temp.sign_up('eve@example.com') as eve \gset
select pg_temp.personal_workspace(:'ada') as adas, pg_temp.personal_workspace(:'eve') as eves \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'adas', :'bob', 'editor');
create function pg_temp.balance(workspace uuid) returns bigint language sql stable as $$ select balance from analytics.credit_balances where workspace_id = workspace $$;
-- Volatile, so that it sees what its own argument has booked.
create function pg_temp.entries(id uuid) returns text language sql volatile as $$
  select string_agg(account || ' ' || amount, ', ' order by account) from analytics.credit_entries where transaction_id = id
$$;

-- Giving and taking ------------------------------------------------------------------------------------------------------

select analytics_private.grant_credits(:'adas', 100, 'purchase', 'order 1', 'starter') as bought \gset
select is(pg_temp.entries(:'bought'), 'purchases -100, wallet 100', 'a purchase moves credits from purchases to the wallet');
select is(analytics_private.grant_credits(:'adas', 100, 'purchase', 'order 1'), :'bought', 'the same key answers the same transaction');
select is(pg_temp.balance(:'adas'), 100::bigint, 'and books once');
select is(pg_temp.error_of(format('select analytics_private.grant_credits(%L, %s, %L, ''order 1'')', :'adas', amount, kind)) ->> 'state', 'PT409', 'the same key for ' || what || ' is refused')
from (values (200, 'purchase', 'another amount'), (100, 'grant', 'another kind')) as v (amount, kind, what);
select isnt(analytics_private.grant_credits(:'adas', 10), analytics_private.grant_credits(:'adas', 10), 'without a key each grant is its own');
select is(pg_temp.entries(analytics_private.grant_credits(:'adas', -15, 'expire')), 'expiries 15, wallet -15', 'credits expire');
select is(pg_temp.entries(analytics_private.grant_credits(:'adas', -5, 'adjust')), 'adjustments 5, wallet -5', 'and are adjusted');
select is(pg_temp.balance(:'adas'), 100::bigint, 'the balance is the sum');
select is((pg_temp.error_of(format('select analytics_private.grant_credits(%L, -101, ''adjust'')', :'adas')) ->> 'detail')::jsonb ->> 'balance', '100', 'no more is taken than is there');
select is(pg_temp.error_of(format('select analytics_private.grant_credits(%L, %s, %L)', :'adas', amount, kind)) ->> 'state', 'PT400', format('%s as %s is refused', amount, kind))
from (values ('0', 'grant'), ('-1', 'grant'), ('-1', 'purchase'), ('1', 'expire'), ('0', 'adjust'), ('null', 'grant'), ('1000000000001', 'grant'), ('-9223372036854775807', 'adjust'), ('1', 'spend'), ('1', 'refund'), ('1', 'gift'), ('1', null)) as v (amount, kind);
select is(pg_temp.error_of(format('select analytics_private.grant_credits(%L, 1)', gen_random_uuid())) ->> 'state', 'PT404', 'there must be such a workspace');
select is(pg_temp.error_of(format('select analytics_private.grant_credits(%L, 1, ''grant'', %L)', :'adas', key)) ->> 'state', 'PT400', 'a key has 1 to 200 characters')
from (values (''), (repeat('k', 201))) as v (key);

-- Charging ---------------------------------------------------------------------------------------------------------------

select gen_random_uuid() as thing \gset
select analytics_private.charge_credits(:'adas', 'unlock_profile', :'thing', 'k1') as spent \gset
select is(pg_temp.entries(:'spent'), 'usage 25, wallet -25', 'a charge moves the price from the wallet to usage');
select is(analytics_private.charge_credits(:'adas', 'unlock_profile', :'thing', 'k1'), :'spent', 'the same key is charged once');
select is(pg_temp.balance(:'adas'), 75::bigint, 'and costs once');
select is(pg_temp.error_of(format('select analytics_private.charge_credits(%L, %L, %s, ''k1'')', :'adas', action, reference)) ->> 'state', 'PT409', 'the same key for ' || what || ' is refused')
from (values ('unlock_profile', quote_literal(gen_random_uuid()), 'another thing'), ('unlock_profile', 'null', 'nothing'), ('export', quote_literal(:'thing'), 'another action')) as v (action, reference, what);
select is(pg_temp.error_of(format('select analytics_private.charge_credits(%L, ''unlock_profile'', null, ''order 1'')', :'adas')) ->> 'state', 'PT409', 'a key of a purchase is not a key of a charge');
select is(analytics_private.charge_credits(:'adas', 'no_such_action', null, 'k2'), null, 'an action without a price costs nothing');
select analytics_private.set_credit_price('unlock_profile', 26) \g /dev/null
select is(analytics_private.charge_credits(:'adas', 'unlock_profile', :'thing', 'k1'), :'spent', 'a key charged at an earlier price stays what it was');
select is(pg_temp.entries(analytics_private.charge_credits(:'adas', 'unlock_profile', :'thing', 'k3')), 'usage 26, wallet -26', 'prices are rows');
select analytics_private.charge_credits(:'adas', 'unlock_profile', :'thing', 'k4') \g /dev/null
select is((pg_temp.error_of(format('select analytics_private.charge_credits(%L, ''unlock_profile'', null, ''k5'')', :'adas')) ->> 'detail')::jsonb - 'request_id',
  '{"code": "PAYMENT_REQUIRED", "action": "unlock_profile", "price": 26, "balance": 23}'::jsonb, 'what the balance does not cover is refused, with both figures');
select is((select (transaction_id, price, balance)::text from analytics_private.try_charge_credits(:'eves', 'unlock_profile', null, 'k')), '(,26,0)', 'a workspace that never had credits has none');
select is(pg_temp.balance(:'adas'), 23::bigint, 'a refused charge takes nothing');
select analytics_private.set_credit_price('unlock_profile', 23) \g /dev/null
select ok(analytics_private.charge_credits(:'adas', 'unlock_profile', null, 'k6') is not null, 'the last credit can be spent');
select is(pg_temp.balance(:'adas'), 0::bigint, 'down to zero');
select analytics_private.set_credit_price('unlock_profile', null) \g /dev/null
select is(analytics_private.charge_credits(:'adas', 'unlock_profile', null, 'k7'), null, 'an action can be taken off the list');
select is(pg_temp.error_of(format('select analytics_private.set_credit_price(%s)', v)) ->> 'state', 'PT400', v || ' is no price')
from unnest(array['''unlock_profile'', 0', '''unlock_profile'', -1', '''Unlock'', 1', 'null, 1', '''a b'', null', '''x'', 1000000001']) v;

-- Refunding --------------------------------------------------------------------------------------------------------------

select analytics_private.refund_credits(:'adas', :'spent', 'it failed') as refund \gset
select is(pg_temp.entries(:'refund'), 'usage -25, wallet 25', 'a refund is the counter-entry of its spend, at the price that was paid');
select is(analytics_private.refund_credits(:'adas', :'spent'), :'refund', 'a spend is refunded once');
select is(pg_temp.balance(:'adas'), 25::bigint, 'and comes back once');
select is(pg_temp.error_of(format('select analytics_private.refund_credits(%L, %L)', :'adas', id)) ->> 'state', 'PT409', 'a ' || what || ' is not refunded')
from (values (:'bought', 'purchase'), (:'refund', 'refund')) as v (id, what);
select is(pg_temp.error_of(format('select analytics_private.refund_credits(%L, %L)', :'eves', :'spent')) ->> 'state', 'PT404', 'nor another workspace''s spend');

-- The ledger only grows, and can be checked --------------------------------------------------------------------------------

select is_empty('select * from analytics_private.check_ledger()', 'everything balances');
select is(pg_temp.error_of(s) ->> 'state', 'PT403', 'a superuser too is refused: ' || s) from unnest(array[
  'update analytics.credit_entries set amount = amount + 1', 'delete from analytics.credit_entries', 'truncate analytics.credit_entries',
  'update analytics.credit_transactions set description = null', 'delete from analytics.credit_transactions', 'truncate analytics.credit_transactions cascade']) s;
select is(pg_temp.error_of(format('insert into analytics.credit_balances values (%L, -1)', :'eves')) ->> 'state', '23514', 'no balance is below zero');
set local session_replication_role = replica;
select is(pg_temp.error_of('delete from analytics.credit_entries') ->> 'state', 'PT403', 'replication mode does not switch that off');
set local session_replication_role = origin;
savepoint tampered;
insert into analytics.credit_entries values (:'adas', :'spent', 'grants', 1);
select is((select problem from analytics_private.check_ledger() where transaction_id = :'spent'), 'its entries do not sum to zero', 'an entry too many is found');
rollback to tampered;
update analytics.credit_balances set balance = balance + 1;
select is((select problem from analytics_private.check_ledger()), 'the balance is not the sum of the wallet entries', 'a balance that was changed is found');
rollback to tampered;
insert into analytics.credit_transactions (workspace_id, kind, idempotency_key) values (:'eves', 'grant', 'x');
select is((select problem from analytics_private.check_ledger()), 'has no entries', 'a transaction without entries is found');
rollback to tampered;
select set_eq($$select action from analytics.audit_logs where entity_type like 'credit%'$$, $$values ('credits.purchased'), ('credits.granted'), ('credits.expired'), ('credits.adjusted'), ('credits.spent'), ('credits.refunded'), ('credits.priced')$$,
  'everything leaves an audit record');

-- Who sees what ------------------------------------------------------------------------------------------------------------

select analytics_private.set_credit_price('unlock_profile', 25) \g /dev/null
select pg_temp.act_as(:'ada');
select is(analytics.credit_balance() - 'workspace_id', '{"balance": 25, "prices": {"unlock_profile": 25}}'::jsonb, 'the balance, and what it buys');
select analytics.credit_history(page_size => 3) as page \gset
select is((select string_agg(i ->> 'kind', ' ' order by n) from jsonb_array_elements(:'page'::jsonb -> 'items') with ordinality as x (i, n)), 'refund spend spend', 'the newest first');
select is((:'page'::jsonb #> '{items,0}') - '{id,created_at}'::text[], jsonb_build_object('kind', 'refund', 'amount', 25, 'action', null, 'reference', :'thing'::uuid, 'refunds_id', :'spent'::uuid, 'description', 'it failed', 'created_by', null), 'with all there is to know');
create function pg_temp.all_pages(size integer) returns text language plpgsql as $$
declare
  page jsonb := '{"next_cursor": null}';
  seen text := '';
begin
  loop
    page := analytics.credit_history(page_size => size, after => page ->> 'next_cursor');
    seen := seen || coalesce((select string_agg(i ->> 'id', ' ' order by n) || ' ' from jsonb_array_elements(page -> 'items') with ordinality as x (i, n)), '');
    exit when page ->> 'next_cursor' is null;
  end loop;
  return seen;
end
$$;
select is(pg_temp.all_pages(size), pg_temp.all_pages(100), format('pages of %s hold all, once', size)) from unnest(array[1, 3, 10]) size;
select is(pg_temp.error_of('select analytics.credit_history(' || arguments || ')') ->> 'state', 'PT400', arguments || ' is refused') from unnest(array['page_size => 0', 'page_size => 101', 'after => ''x''']) arguments;
select pg_temp.act_as(:'bob');
select is(analytics.credit_balance(:'adas') -> 'balance', '25'::jsonb, 'a member reads the balance');
select is(pg_temp.error_of(format('select analytics.credit_history(%L)', :'adas')) ->> 'state', 'PT403', 'but not the ledger');
select is((select count(*) from analytics.credit_transactions) + (select count(*) from analytics.credit_entries), 0::bigint, 'nor its tables');
select pg_temp.act_as(:'eve');
select is(pg_temp.error_of(format('select analytics.%s(%L)', f, w)) ->> 'state', 'PT404', format('%s of a workspace that is not hers', f))
from unnest(array['credit_balance', 'credit_history']) f, unnest(array[:'adas'::uuid, gen_random_uuid()]) w;
select is(analytics.credit_balance() -> 'balance', '0'::jsonb, 'who never had credits has none');
select is((select count(*) from analytics.credit_balances), 0::bigint, 'and sees no others''');
select pg_temp.act_with('', 'anon');
select is(pg_temp.error_of('select analytics.credit_balance()') ->> 'state', 'PT401', 'nobody has none');
select pg_temp.act_as_superuser();
create function pg_temp.as_role(role_name text, statement text) returns text language plpgsql as $$
declare
  outcome text;
begin
  perform pg_temp.act_with('', role_name);
  outcome := pg_temp.error_of(statement) ->> 'state';
  perform pg_temp.act_as_superuser();
  return outcome;
end
$$;
select is(pg_temp.as_role(r, s), '42501', format('%s: %s', r, left(s, 50))) from unnest(array['anon', 'authenticated', 'service_role', 'analytics_sidecar']) r, unnest(array[
  'update analytics.credit_balances set balance = 1', 'insert into analytics.credit_transactions (workspace_id, kind, idempotency_key) values (gen_random_uuid(), ''grant'', ''x'')',
  'insert into analytics.credit_entries values (gen_random_uuid(), gen_random_uuid(), ''wallet'', 1)', 'update analytics.credit_prices set credits = 1',
  'select analytics_private.book_credits(null, null, null, 1, null)']) s;
select is(pg_temp.as_role(r, 'select analytics_private.' || f), '42501', format('%s may not %s', r, f)) from unnest(array['anon', 'authenticated', 'analytics_sidecar']) r,
  unnest(array['grant_credits(null, 1)', 'charge_credits(null, null, null, null)', 'refund_credits(null, null)', 'set_credit_price(null, 1)', 'check_ledger()']) f;

select * from finish();
rollback;
