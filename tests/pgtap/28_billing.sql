-- Billing events: each applied once, in any order to the same end, to the right workspace and plan or not at all.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob, pg_temp.sign_up('eve@example.com') as eve \gset
select pg_temp.personal_workspace(:'ada') as adas, pg_temp.personal_workspace(:'bob') as bobs, pg_temp.personal_workspace(:'eve') as eves \gset
select analytics_private.set_plan_price('price_std', 'standard'), analytics_private.set_plan_price('price_pre', 'premium') \g /dev/null

-- Seconds after 2026-01-31 12:00 UTC.
create function pg_temp.at(seconds bigint) returns bigint language sql immutable as $$ select 1769860800 + seconds $$;
create function pg_temp.event(id text, kind text, at bigint, object jsonb) returns json language sql immutable as $$
  select jsonb_build_object('id', id, 'object', 'event', 'api_version', '2025-03-31.basil', 'type', kind, 'created', pg_temp.at(at), 'livemode', true,
    'data', jsonb_build_object('object', object))::json
$$;
create function pg_temp.subscription(id text, customer text, status text, price text, extra jsonb default '{}') returns jsonb language sql immutable as $$
  select jsonb_build_object('id', id, 'object', 'subscription', 'customer', customer, 'status', status, 'created', pg_temp.at(0), 'billing_cycle_anchor', pg_temp.at(0),
    'cancel_at_period_end', false, 'metadata', '{}'::jsonb,
    'items', jsonb_build_object('data', jsonb_build_array(jsonb_build_object('price', jsonb_build_object('id', price),
      'current_period_start', pg_temp.at(0), 'current_period_end', pg_temp.at(2419200))))) || extra
$$;
create function pg_temp.owned(workspace uuid) returns jsonb language sql immutable as $$ select jsonb_build_object('metadata', jsonb_build_object('workspace_id', workspace)) $$;
create function pg_temp.apply(id text, kind text, at bigint, object jsonb) returns text language sql as $$
  select analytics_private.apply_billing_event(pg_temp.event(id, kind, at, object), 't=1,v1=00') ->> 'status'
$$;
create function pg_temp.state(workspace uuid) returns text language sql volatile as $$
  select plan_name || ' ' || status || case when cancel_at_period_end then ' to the end' else '' end from analytics.subscriptions where workspace_id = workspace
$$;

-- One subscription's life --------------------------------------------------------------------------------------------------

select is(pg_temp.apply('evt_1', 'customer.subscription.created', 0, pg_temp.subscription('sub_1', 'cus_1', 'incomplete', 'price_std', pg_temp.owned(:'adas'))), 'applied', 'a subscription that names its workspace is applied');
select is((analytics_private.plan_of(:'adas')).name::text, 'free', 'an incomplete one gives no plan');
select is(pg_temp.apply('evt_2', 'customer.subscription.updated', 0, pg_temp.subscription('sub_1', 'cus_1', 'active', 'price_std', pg_temp.owned(:'adas'))), 'applied', 'a change in the same second comes after the creation');
select is((analytics_private.plan_of(:'adas')).name::text, 'standard', 'and gives the plan');
select results_eq(format('select stripe_subscription_id::text, anchor_at, current_period_start, current_period_end from analytics.subscriptions where workspace_id = %L', :'adas'),
  $$values ('sub_1', timestamptz '2026-01-31 12:00Z', timestamptz '2026-01-31 12:00Z', timestamptz '2026-02-28 12:00Z')$$, 'with its anchor and period');
select is(analytics_private.apply_billing_event(pg_temp.event('evt_2', 'customer.subscription.updated', 0, pg_temp.subscription('sub_1', 'cus_1', 'canceled', 'price_std'))),
  '{"event_id": "evt_2", "status": "applied", "note": null, "duplicate": true}'::jsonb, 'an event delivered again changes nothing, whatever it says now');
select is(pg_temp.apply('evt_4', 'customer.subscription.updated', 20, pg_temp.subscription('sub_1', 'cus_1', 'active', 'price_pre', '{"cancel_at_period_end": true}')), 'applied', 'a later event without metadata is for the same workspace');
select is(pg_temp.state(:'adas'), 'premium active to the end', 'plan and intention change');
select is(pg_temp.apply('evt_3', 'customer.subscription.updated', 10, pg_temp.subscription('sub_1', 'cus_1', 'past_due', 'price_std')), 'outdated', 'an older event that comes later');
select is(pg_temp.state(:'adas'), 'premium active to the end', 'changes nothing');
select is(pg_temp.apply('evt_5', 'customer.subscription.deleted', 30, pg_temp.subscription('sub_1', 'cus_1', 'canceled', 'price_gone', jsonb_build_object('ended_at', pg_temp.at(30)))), 'applied', 'the end needs no known price');
select is(pg_temp.state(:'adas'), 'premium canceled', 'and is the end');
select is(pg_temp.apply('evt_6', 'customer.subscription.updated', 40, pg_temp.subscription('sub_1', 'cus_1', 'active', 'price_pre')), 'outdated', 'of this subscription');
select is(pg_temp.apply('evt_7', 'customer.subscription.created', 50, pg_temp.subscription('sub_2', 'cus_1', 'active', 'price_std', jsonb_build_object('created', pg_temp.at(50)))), 'applied', 'a new one may follow, known by its customer');
select is(pg_temp.state(:'adas'), 'standard active', 'and gives its plan');
select is(pg_temp.apply('evt_8', 'customer.subscription.created', 45, pg_temp.subscription('sub_0', 'cus_1', 'canceled', 'price_pre', jsonb_build_object('created', pg_temp.at(60)))), 'applied', 'one that has ended');
select is(pg_temp.state(:'adas'), 'standard active', 'takes nothing from one in force');
select is((select count(*) from analytics.subscriptions), 1::bigint, 'nobody else is touched');

-- Any order, the same end ----------------------------------------------------------------------------------------------------

create temp table story as select * from (values
  (1, 'customer.subscription.created', 0::bigint, pg_temp.subscription('sub_o', 'cus_o', 'incomplete', 'price_std')),
  (2, 'customer.subscription.updated', 0, pg_temp.subscription('sub_o', 'cus_o', 'active', 'price_std')),
  (3, 'customer.subscription.updated', 5, pg_temp.subscription('sub_o', 'cus_o', 'past_due', 'price_std')),
  (4, 'customer.subscription.updated', 6, pg_temp.subscription('sub_o', 'cus_o', 'active', 'price_pre')),
  (5, 'checkout.session.completed', 1, jsonb_build_object('id', 'cs_o', 'object', 'checkout.session', 'mode', 'subscription', 'customer', 'cus_o', 'subscription', 'sub_o',
    'payment_status', 'paid', 'client_reference_id', :'bobs'))) as v (n, kind, at, object);
create function pg_temp.permutations(items integer[]) returns setof integer[] language sql immutable as $$
  with recursive p (done, rest) as (
    select '{}'::integer[], items
    union all
    select p.done || i, array_remove(p.rest, i) from p cross join lateral unnest(p.rest) i
  ) select done from p where rest = '{}'
$$;
create function pg_temp.told_as(items integer[], workspace uuid) returns text language plpgsql as $$
declare
  item integer;
  told text;
begin
  begin
    foreach item in array items loop
      perform pg_temp.apply('evt_o' || s.n, s.kind, s.at, s.object) from story s where s.n = item;
    end loop;
    told := pg_temp.state(workspace) || ', ' || (select count(*) from analytics_private.billing_events e where e.status = 'waiting');
    raise sqlstate 'NOERR';
  exception when sqlstate 'NOERR' then
    return told;
  end;
end
$$;
select is((select string_agg(distinct pg_temp.told_as(p, :'bobs'), '; ') from pg_temp.permutations('{1,2,3,4,5}') p), 'premium active, 0', 'five events in all 120 orders come to the same, and none is left waiting');
select is((select count(*) from pg_temp.permutations('{1,2,3,4,5}')), 120::bigint, 'of 120');

-- Not known yet ------------------------------------------------------------------------------------------------------------

select is(analytics_private.apply_billing_event(pg_temp.event('evt_w1', 'customer.subscription.created', 0, pg_temp.subscription('sub_w', 'cus_w', 'active', 'price_new'))) - 'event_id',
  '{"status": "waiting", "note": "no workspace is known for cus_w", "duplicate": false}'::jsonb, 'an event of an unknown customer waits');
select is(pg_temp.apply('evt_w2', 'checkout.session.completed', 1, jsonb_build_object('id', 'cs_w', 'object', 'checkout.session', 'mode', 'subscription', 'customer', 'cus_w', 'client_reference_id', :'bobs')), 'applied', 'until its checkout tells the workspace');
select is((select note from analytics_private.list_billing_events('waiting')), 'no plan is known for price_new', 'an unknown price is not guessed');
select is((analytics_private.plan_of(:'bobs')).name::text, 'free', 'and gives nothing');
select is(analytics_private.set_plan_price('price_new', 'premium'), 1, 'until an operator says what it buys');
select is(pg_temp.state(:'bobs'), 'premium active', 'then it is applied');
select is(pg_temp.apply('evt_w3', 'customer.subscription.updated', 5, jsonb_set(pg_temp.subscription('sub_w', 'cus_w', 'active', 'price_new'), '{items,data}', '[{"price": "price_std"}, {"price": "price_pre"}]')), 'waiting', 'prices of two plans are not guessed either');
select is(pg_temp.apply('evt_w4', 'customer.subscription.updated', 6, jsonb_set(pg_temp.subscription('sub_w', 'cus_w', 'active', 'price_new'), '{items,data}', '[{"price": "price_addon"}, {"price": "price_std"}]')), 'applied', 'a price beside the plan''s is none of it');
select is(pg_temp.state(:'bobs'), 'standard active', 'the plan is the one that is known');
select is(pg_temp.apply('evt_l1', 'customer.subscription.created', 0, pg_temp.subscription('sub_l', 'cus_l', 'trialing', 'price_std')), 'waiting', 'an event that no checkout explains waits');
select is(analytics_private.link_billing_customer('cus_l', :'eves'), 1, 'until an operator does');
select is(pg_temp.state(:'eves'), 'standard trialing', 'a trial gives the plan');
select is(pg_temp.apply('evt_l2', 'customer.subscription.created', 1, pg_temp.subscription('sub_x', 'cus_x', 'active', 'price_std', pg_temp.owned(gen_random_uuid()))), 'waiting', 'a workspace that does not exist is none');
select is(pg_temp.apply('evt_l3', 'customer.subscription.created', 1, pg_temp.subscription('sub_y', 'cus_y', 'active', 'price_std', '{"metadata": {"workspace_id": "1 or 1=1"}}')), 'waiting', 'nor is what is no id');

-- A customer with two workspaces: the second subscription is first taken for the first's, until its checkout tells.
select is(pg_temp.apply('evt_m1', 'customer.subscription.created', 100, pg_temp.subscription('sub_m', 'cus_l', 'active', 'price_pre', jsonb_build_object('created', pg_temp.at(100)))), 'applied', 'a second subscription of a customer');
select is(pg_temp.state(:'eves'), 'premium active', 'counts for the customer''s workspace');
select pg_temp.apply('evt_m2', 'checkout.session.completed', 100, jsonb_build_object('id', 'cs_m', 'object', 'checkout.session', 'mode', 'subscription', 'customer', 'cus_l', 'subscription', 'sub_m', 'metadata', jsonb_build_object('workspace_id', :'adas'))) as status \gset
select is(pg_temp.state(:'eves') || ', ' || pg_temp.state(:'adas'), 'standard trialing, premium active', 'until its checkout names another');
select is((select string_agg(distinct workspace_id::text, ' ') from analytics.subscription_history where stripe_subscription_id = 'sub_m'), :'adas', 'its history goes along');

-- Invoices and history -----------------------------------------------------------------------------------------------------

create function pg_temp.invoice(id text, subscription text, extra jsonb) returns jsonb language sql immutable as $$
  select jsonb_build_object('id', id, 'object', 'invoice', 'customer', 'cus_w', 'customer_email', 'payer@example.com', 'amount_paid', 19900, 'currency', 'usd',
    'lines', jsonb_build_object('data', jsonb_build_array(jsonb_build_object('period', jsonb_build_object('start', pg_temp.at(0), 'end', pg_temp.at(2419200)), 'price', '{"id": "price_std"}'::jsonb)))) || extra
$$;
select is(pg_temp.apply('evt_i1', 'invoice.paid', 7, pg_temp.invoice('in_1', 'sub_w', '{"subscription": "sub_w"}')), 'applied', 'a paid invoice');
select is(pg_temp.apply('evt_i2', 'invoice.payment_succeeded', 7, pg_temp.invoice('in_1', 'sub_w', '{"parent": {"subscription_details": {"subscription": "sub_w"}}}')), 'applied', 'told twice, in the form of two API versions');
select results_eq(format('select user_id, user_email::text, stripe_subscription_id::text, plan_name::text, status::text, amount_paid, currency::text, period_start, period_end, stripe_customer_id::text, created_at from analytics.subscription_history where amount_paid is not null'),
  format($$values (%L::uuid, 'bob@example.com', 'sub_w', 'standard', 'paid', 19900::bigint, 'usd', timestamptz '2026-01-31 12:00Z', timestamptz '2026-02-28 12:00Z', 'cus_w', timestamptz '2026-01-31 12:00:07Z')$$, :'bob'),
  'is one row of the history, with the owner''s address');
select results_eq(format($$select plan_name::text, status::text from analytics.subscription_history where workspace_id = %L and stripe_subscription_id = 'sub_1' order by id$$, :'adas'),
  $$values ('standard', 'incomplete'), ('standard', 'active'), ('premium', 'active'), ('premium', 'canceled')$$, 'every change of plan or status is a row');
select is_empty($$select from analytics_private.billing_events e where to_jsonb(e)::text ~ 'payer@'$$, 'no customer''s address is kept');
select is_empty($$select from analytics.audit_logs a where a.metadata::text ~ '@'$$, 'nor audited');
select results_eq(format($$select metadata from analytics.audit_logs where workspace_id = %L and action = 'subscription.changed' order by id limit 3$$, :'adas'),
  $$values ('{"plan": "standard", "status": "incomplete", "cancel_at_period_end": false, "from": {}}'::jsonb), ('{"plan": "standard", "status": "active", "cancel_at_period_end": false, "from": {"plan": "standard", "status": "incomplete"}}'),
    ('{"plan": "premium", "status": "active", "cancel_at_period_end": true, "from": {"plan": "standard", "status": "active"}}')$$, 'changes are audited');

-- Credits ------------------------------------------------------------------------------------------------------------------

create function pg_temp.sale(paid text) returns jsonb language sql immutable as $$
  select jsonb_build_object('id', 'cs_c', 'object', 'checkout.session', 'mode', 'payment', 'payment_status', paid, 'customer', 'cus_w', 'metadata', '{"credits": "1000"}'::jsonb)
$$;
select is(pg_temp.apply('evt_c1', 'checkout.session.completed', 8, pg_temp.sale('unpaid')), 'applied', 'a sale that is not paid yet');
select is_empty('select from analytics.credit_balances', 'brings no credits');
select is(pg_temp.apply('evt_c2', 'checkout.session.async_payment_succeeded', 9, pg_temp.sale('paid')), 'applied', 'once it is paid');
select is(pg_temp.apply('evt_c3', 'checkout.session.completed', 9, pg_temp.sale('paid')), 'applied', 'however often that is told');
select results_eq('select workspace_id, balance from analytics.credit_balances', format('values (%L::uuid, 1000::bigint)', :'bobs'), 'it brings its credits once');
select is(pg_temp.apply('evt_c4', 'checkout.session.completed', 9, pg_temp.sale('paid') || '{"id": "cs_d", "customer": null}'), 'waiting', 'credits for nobody known wait');

-- What is not applied --------------------------------------------------------------------------------------------------------

select is(analytics_private.apply_billing_event(e) ->> 'status', 'ignored', what || ' is noted') from (values
  (pg_temp.event('evt_n1', 'customer.created', 1, '{"id": "cus_1", "object": "customer"}'), 'an event of another type'),
  ('{"id": "evt_n2", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found", "created": "2026-01-01T00:00:00Z"}', 'a thin event'),
  ((pg_temp.event('evt_n3', 'customer.subscription.deleted', 99, pg_temp.subscription('sub_m', 'cus_l', 'canceled', 'price_std'))::jsonb || '{"livemode": false}')::json, 'an event of test mode'),
  (pg_temp.event('evt_n4', 'checkout.session.completed', 1, '{"id": "cs_n", "object": "checkout.session", "mode": "subscription"}'), 'a checkout that says nothing')) as v (e, what);
select is(pg_temp.state(:'adas'), 'premium active', 'and changes nothing');
select analytics_private.set_setting('billing_test_events', '1') \g /dev/null
select is(analytics_private.apply_billing_event((pg_temp.event('evt_n5', 'customer.subscription.deleted', 999, pg_temp.subscription('sub_m', 'cus_l', 'canceled', 'price_std'))::jsonb || '{"livemode": false}')::json) ->> 'status', 'applied', 'unless a setting lets test events count');
create temp table before_malformed as select t as line from pg_temp.contents(array(select pg_temp.tables()), '{}') t;
select is(pg_temp.error_of(format('select analytics_private.apply_billing_event(%L)', e)) ->> 'state', 'PT400', 'refused: ' || coalesce(left(e, 60), 'null'))
from unnest(array[null, 'null', '[]', '{}', '{"id": "evt_b", "object": "event", "type": "invoice.paid", "created": 1, "livemode": true, "data": {"object": {}}}',
  '{"id": "evt_b", "object": "event", "type": "customer.subscription.updated", "created": 1, "livemode": true, "data": {"object": {"object": "subscription", "id": "sub_1", "status": "sleeping"}}}']) e;
select bag_eq('select t from pg_temp.contents(array(select pg_temp.tables()), ''{}'') t', 'select line from before_malformed', 'and nothing of it is stored');
select is(pg_temp.error_of(format('select analytics_private.%s', call)) ->> 'state', state, call) from (values ('set_plan_price(''price 1'', ''standard'')', 'PT400'), ('set_plan_price(null, null)', 'PT400'), ('set_plan_price(''price_1'', ''gold'')', 'PT404'),
  ('link_billing_customer(''cus_1'', gen_random_uuid())', 'PT404'), ('link_billing_customer(null, null)', 'PT400'), ('set_plan(gen_random_uuid(), ''premium'')', 'PT404'), ('set_plan(''' || :'adas' || ''', ''gold'')', 'PT404')) as v (call, state);

-- A plan given by an operator --------------------------------------------------------------------------------------------------

select pg_temp.sign_up('gus@example.com') as gus \gset
select pg_temp.personal_workspace(:'gus') as guss \gset
select analytics_private.set_plan(:'guss', 'premium'), analytics_private.set_plan(:'guss', 'premium') \g /dev/null
select is(pg_temp.state(:'guss'), 'premium active', 'an operator gives a plan');
select is((select stripe_subscription_id from analytics.subscriptions where workspace_id = :'guss'), null, 'without Stripe');
select is((select count(*) from analytics.subscription_history where workspace_id = :'guss'), 1::bigint, 'given twice it is one');
select analytics_private.set_plan(:'guss', null) \g /dev/null
select is((analytics_private.plan_of(:'guss')).name::text, 'free', 'and takes it away');
select analytics_private.set_plan(:'guss', 'standard') \g /dev/null
select is(pg_temp.state(:'guss'), 'standard active', 'and gives it again');
select pg_temp.apply('evt_g1', 'customer.subscription.deleted', 1, pg_temp.subscription('sub_g', 'cus_g', 'canceled', 'price_std', pg_temp.owned(:'guss'))) as status \gset
select is(pg_temp.state(:'guss'), 'standard active', 'the end of another subscription does not take it');

-- Who may ------------------------------------------------------------------------------------------------------------------

insert into analytics.workspace_members (workspace_id, user_id, role) values (:'bobs', :'eve', 'editor');
select pg_temp.act_as(:'bob');
select ok((select count(*) from analytics.subscription_history) > 2, 'an owner reads what his workspace paid');
select pg_temp.act_as(:'eve');
select is((select count(*) from analytics.subscription_history where workspace_id = :'bobs'), 0::bigint, 'an editor does not');
select ok((select count(*) from analytics.subscriptions where workspace_id = :'bobs') = 1, 'but sees the plan');
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
select is(pg_temp.as_role('analytics_sidecar', 'select analytics_private.apply_billing_event(''{}'')'), 'PT400', 'the sidecar delivers events');
select is(pg_temp.as_role(r, 'select analytics_private.' || f), '42501', format('%s may not %s', r, f)) from unnest(array['anon', 'authenticated', 'analytics_sidecar']) r,
  unnest(array['set_plan_price(null, null)', 'link_billing_customer(null, null)', 'set_plan(null, null)', 'list_billing_events()']) f;
select is(pg_temp.as_role(r, s), '42501', format('%s: %s', r, s)) from unnest(array['anon', 'authenticated', 'service_role', 'analytics_sidecar']) r, unnest(array[
  'update analytics.subscriptions set plan_name = ''premium''', 'delete from analytics.subscription_history', 'select * from analytics_private.billing_events', 'select * from analytics_private.plan_prices']) s;
select is(pg_temp.as_role(r, 'select analytics_private.apply_billing_event(''{}'')'), '42501', r || ' may not apply an event') from unnest(array['anon', 'authenticated']) r;

-- Of two subscriptions in force the dearer counts: nobody's small one displaces a workspace's own.
select is(pg_temp.apply('evt_own', 'customer.subscription.created', 900, pg_temp.subscription('sub_own', 'cus_own', 'active', 'price_pre', pg_temp.owned(:'eves'))), 'applied', 'a workspace pays for a large plan');
select is(pg_temp.apply('evt_alien', 'customer.subscription.created', 901, pg_temp.subscription('sub_alien', 'cus_alien', 'active', 'price_std', pg_temp.owned(:'eves') || jsonb_build_object('created', pg_temp.at(901)))), 'applied', 'somebody else pays for a small one later');
select is(pg_temp.state(:'eves'), 'premium active', 'and changes nothing');

-- One waiting event that cannot be applied keeps nobody back.
select is(pg_temp.apply('evt_stuck', 'checkout.session.completed', 902, jsonb_build_object('id', 'cs_stuck', 'object', 'checkout.session', 'mode', 'payment', 'customer', 'cus_stuck',
  'payment_status', 'paid', 'metadata', jsonb_build_object('credits', '50'))), 'waiting', 'credits for nobody wait');
select analytics_private.grant_credits(:'eves', 10, 'grant', 'checkout cs_stuck') \g /dev/null
select lives_ok(format('select analytics_private.link_billing_customer(%L, %L)', 'cus_stuck', :'eves'), 'linking does not fail for them');
select is((select status || ': ' || note from analytics_private.billing_events where event_id = 'evt_stuck'), 'waiting: cannot be applied: this idempotency key was used for something else', 'they say why they wait on');
select is(pg_temp.apply('evt_after', 'customer.subscription.updated', 903, pg_temp.subscription('sub_own', 'cus_own', 'past_due', 'price_pre')), 'applied', 'others are applied');

-- Deleting an account leaves its payments, without the address.
delete from auth.users where id = :'bob';
select is((select count(*) || ' ' || count(user_email) from analytics.subscription_history where user_id = :'bob'), (select count(*) || ' 0' from analytics.subscription_history where user_id = :'bob'), 'a deleted account''s address goes from the history');

select * from finish();
rollback;
