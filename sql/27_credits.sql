-- Credits: a double-entry ledger. Every transaction moves credits between a workspace's wallet and one account beside it;
-- its entries sum to zero. Rows are only ever added; the balance is kept beside them, never below zero.

-- ---------------------------------------------------------------------------------------------------------------------
-- Prices: rows, so that an operator changes them without a release

create table if not exists analytics.credit_prices (
  action varchar(64) not null,
  credits bigint not null,
  updated_at timestamptz not null default now(),
  constraint credit_prices_pkey primary key (action),
  constraint credit_prices_action_form check (action ~ '^[a-z][a-z0-9_]*$'),
  constraint credit_prices_bound check (credits between 1 and 1000000000)
);
alter table analytics.credit_prices enable row level security;
comment on table analytics.credit_prices is 'what an action costs in credits; an action without a row is not sold for credits';

insert into analytics.credit_prices (action, credits) values ('unlock_profile', 25) on conflict (action) do nothing;

create or replace trigger credit_prices_touch before update on analytics.credit_prices
  for each row execute function analytics_private.touch_updated_at();

-- ---------------------------------------------------------------------------------------------------------------------
-- The ledger

create table if not exists analytics.credit_balances (
  workspace_id uuid not null,
  balance bigint not null,
  constraint credit_balances_pkey primary key (workspace_id),
  constraint credit_balances_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint credit_balances_not_negative check (balance >= 0)
);
alter table analytics.credit_balances enable row level security;
-- Room on the page for the next version of a row that changes often.
alter table analytics.credit_balances set (fillfactor = 70);
comment on table analytics.credit_balances is 'credits a workspace has; always the sum of its wallet entries. The row is the lock under which a wallet changes';

create table if not exists analytics.credit_transactions (
  workspace_id uuid not null,
  id uuid not null,
  kind varchar(20) not null,
  action varchar(64),
  reference uuid,
  idempotency_key varchar(200) not null,
  refunds_id uuid,
  description varchar(500),
  created_by uuid,
  created_at timestamptz not null default now(),
  constraint credit_transactions_pkey primary key (workspace_id, id),
  constraint credit_transactions_once unique (workspace_id, idempotency_key),
  constraint credit_transactions_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint credit_transactions_refunds_fkey foreign key (workspace_id, refunds_id) references analytics.credit_transactions (workspace_id, id),
  constraint credit_transactions_kind_known check (kind in ('purchase', 'grant', 'spend', 'refund', 'expire', 'adjust')),
  constraint credit_transactions_spend_action check ((kind = 'spend') = (action is not null)),
  constraint credit_transactions_refund_target check ((kind = 'refund') = (refunds_id is not null))
);
alter table analytics.credit_transactions alter column id set default analytics.uuidv7();
create unique index if not exists credit_transactions_refunded_once on analytics.credit_transactions (workspace_id, refunds_id);
create index if not exists credit_transactions_created_at on analytics.credit_transactions (workspace_id, created_at desc, id desc);
alter table analytics.credit_transactions enable row level security;
comment on table analytics.credit_transactions is 'why credits moved; rows are only ever added';
comment on column analytics.credit_transactions.reference is 'what was paid for: the row of another table';
comment on column analytics.credit_transactions.idempotency_key is 'the same key books once in a workspace';
comment on column analytics.credit_transactions.refunds_id is 'the spend that this takes back, whole; a spend is taken back at most once';
comment on column analytics.credit_transactions.created_by is 'the user whose call it was; null for operators and billing events';

create table if not exists analytics.credit_entries (
  workspace_id uuid not null,
  transaction_id uuid not null,
  account varchar(20) not null,
  amount bigint not null,
  constraint credit_entries_pkey primary key (workspace_id, transaction_id, account),
  constraint credit_entries_transaction_fkey foreign key (workspace_id, transaction_id) references analytics.credit_transactions (workspace_id, id),
  constraint credit_entries_account_known check (account in ('wallet', 'purchases', 'grants', 'usage', 'expiries', 'adjustments')),
  constraint credit_entries_not_zero check (amount <> 0)
);
alter table analytics.credit_entries enable row level security;
comment on table analytics.credit_entries is 'what a transaction did to which account; its amounts sum to zero';
comment on column analytics.credit_entries.amount is 'credits; positive in wallet: the workspace has more';

create or replace function analytics_private.refuse_ledger_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.raise_error('FORBIDDEN', 'what is booked cannot be changed or removed', 'book a refund or an adjustment');
  return null;
end
$$;
create or replace trigger credit_transactions_only_grow before update or delete or truncate on analytics.credit_transactions
  for each statement execute function analytics_private.refuse_ledger_change();
alter table analytics.credit_transactions enable always trigger credit_transactions_only_grow;
create or replace trigger credit_entries_only_grow before update or delete or truncate on analytics.credit_entries
  for each statement execute function analytics_private.refuse_ledger_change();
alter table analytics.credit_entries enable always trigger credit_entries_only_grow;

-- ---------------------------------------------------------------------------------------------------------------------
-- Row-level security: a balance is for everybody who may spend it, the ledger for who answers for it

drop policy if exists "everyone reads the prices" on analytics.credit_prices;
create policy "everyone reads the prices" on analytics.credit_prices for select to anon, authenticated using (true);
drop policy if exists "members read the balance of their workspaces" on analytics.credit_balances;
create policy "members read the balance of their workspaces" on analytics.credit_balances for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));
drop policy if exists "admins read the ledger of their workspaces" on analytics.credit_transactions;
create policy "admins read the ledger of their workspaces" on analytics.credit_transactions for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('admin'))::uuid[]));
drop policy if exists "admins read the entries of their workspaces" on analytics.credit_entries;
create policy "admins read the entries of their workspaces" on analytics.credit_entries for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('admin'))::uuid[]));

-- ---------------------------------------------------------------------------------------------------------------------
-- Booking

-- The only writer of the ledger, so that entries sum to zero by construction. The caller holds the wallet and has looked
-- for the key. Null, and nothing booked, when the wallet would fall below zero.
create or replace function analytics_private.book_credits(
  workspace_id uuid, kind text, account text, amount bigint, idempotency_key text,
  action text default null, reference uuid default null, refunds_id uuid default null, description text default null
) returns uuid language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  booked uuid;
begin
  with moved as (
    update analytics.credit_balances b set balance = b.balance + book_credits.amount
    where b.workspace_id = book_credits.workspace_id and b.balance + book_credits.amount >= 0
    returning b.workspace_id
  ), noted as (
    insert into analytics.credit_transactions as t (workspace_id, kind, action, reference, idempotency_key, refunds_id, description, created_by)
    select m.workspace_id, book_credits.kind, book_credits.action, book_credits.reference, book_credits.idempotency_key, book_credits.refunds_id,
           book_credits.description, analytics_private.user_id()
    from moved m
    returning t.workspace_id, t.id
  ), entered as (
    insert into analytics.credit_entries (workspace_id, transaction_id, account, amount)
    select n.workspace_id, n.id, e.account, e.amount
    from noted n, (values ('wallet', book_credits.amount), (book_credits.account, -book_credits.amount)) as e (account, amount)
  )
  select n.id into booked from noted n;
  return booked;
end
$$;

-- Held to the end of the transaction; null when the workspace has never had credits.
create or replace function analytics_private.lock_wallet(workspace_id uuid) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  held bigint;
begin
  select b.balance into held from analytics.credit_balances b where b.workspace_id = lock_wallet.workspace_id for update;
  return held;
end
$$;
comment on function analytics_private.lock_wallet(uuid) is 'the balance, locked: who comes second waits and then sees what the first one booked';

create or replace function analytics_private.check_credit_key(idempotency_key text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (length(check_credit_key.idempotency_key) between 1 and 200) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'an idempotency key has 1 to 200 characters', null, '{"field": "idempotency_key"}');
  end if;
end
$$;

-- Null in transaction_id: not booked, because the action has no price (then price is null too) or the balance does not cover it.
-- Definer: the application's backend charges for what it does itself, without a right on the ledger.
create or replace function analytics_private.try_charge_credits(
  workspace_id uuid, action text, reference uuid, idempotency_key text, out transaction_id uuid, out price bigint, out balance bigint
) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  known analytics.credit_transactions;
begin
  perform analytics_private.check_credit_key(try_charge_credits.idempotency_key);
  select p.credits into price from analytics.credit_prices p where p.action = try_charge_credits.action;
  balance := coalesce(analytics_private.lock_wallet(try_charge_credits.workspace_id), 0);
  select t.* into known from analytics.credit_transactions t
  where t.workspace_id = try_charge_credits.workspace_id and t.idempotency_key = try_charge_credits.idempotency_key;
  if found then
    if (known.kind, known.action, known.reference) is distinct from ('spend', try_charge_credits.action, try_charge_credits.reference) then
      perform analytics_private.raise_error('CONFLICT', 'this idempotency key was used for something else', 'use a new key for a new charge');
    end if;
    transaction_id := known.id;
  elsif price <= balance then
    transaction_id := analytics_private.book_credits(try_charge_credits.workspace_id, 'spend', 'usage', -price, try_charge_credits.idempotency_key,
      try_charge_credits.action, try_charge_credits.reference);
    balance := balance - price;
    perform analytics_private.write_audit('credits.spent', 'credit_transaction', transaction_id,
      jsonb_build_object('action', try_charge_credits.action, 'credits', price), try_charge_credits.workspace_id);
  end if;
end
$$;
comment on function analytics_private.try_charge_credits(uuid, text, uuid, text) is
  'as charge_credits, but answers null in transaction_id instead of raising PAYMENT_REQUIRED; tells price and balance';

create or replace function analytics_private.charge_credits(workspace_id uuid, action text, reference uuid, idempotency_key text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  charge record;
begin
  select * into charge from analytics_private.try_charge_credits(charge_credits.workspace_id, charge_credits.action, charge_credits.reference,
    charge_credits.idempotency_key);
  if charge.transaction_id is null and charge.price is not null then
    perform analytics_private.raise_error('PAYMENT_REQUIRED', 'the credits of this workspace do not cover this', 'buy credits',
      jsonb_build_object('action', charge_credits.action, 'price', charge.price, 'balance', charge.balance));
  end if;
  return charge.transaction_id;
end
$$;
comment on function analytics_private.charge_credits(uuid, text, uuid, text) is
$$takes the price of an action from a workspace's credits (operators, and the functions that act)
reference: what is paid for. idempotency_key: the same key is charged once and answers the same transaction. Returns the transaction, null for an action without a price. Errors: PAYMENT_REQUIRED (details: action, price, balance), CONFLICT (the key was used for something else), VALIDATION_ERROR.
Example: select analytics_private.charge_credits('0195c3a0-0000-7000-8000-000000000001', 'no_such_action', null, 'export 17') is null$$;

-- Definer: as above.
create or replace function analytics_private.refund_credits(workspace_id uuid, transaction_id uuid, reason text default null) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  spend analytics.credit_transactions;
  refund uuid;
  taken bigint;
begin
  perform analytics_private.lock_wallet(refund_credits.workspace_id);
  select t.* into spend from analytics.credit_transactions t
  where t.workspace_id = refund_credits.workspace_id and t.id = refund_credits.transaction_id;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such transaction');
  elsif spend.kind <> 'spend' then
    perform analytics_private.raise_error('CONFLICT', format('a %s is not refunded', spend.kind), 'book an adjustment with grant_credits');
  end if;
  select t.id into refund from analytics.credit_transactions t
  where t.workspace_id = refund_credits.workspace_id and t.refunds_id = refund_credits.transaction_id;
  if not found then
    select e.amount into strict taken from analytics.credit_entries e
    where e.workspace_id = spend.workspace_id and e.transaction_id = spend.id and e.account = 'usage';
    refund := analytics_private.book_credits(spend.workspace_id, 'refund', 'usage', taken, 'refund ' || spend.id, null, spend.reference, spend.id,
      left(refund_credits.reason, 500));
    perform analytics_private.write_audit('credits.refunded', 'credit_transaction', refund,
      jsonb_build_object('refunds', spend.id, 'credits', taken), spend.workspace_id);
  end if;
  return refund;
end
$$;
comment on function analytics_private.refund_credits(uuid, uuid, text) is
$$takes a spend back by a counter-entry, whole and at most once: a second call answers the same refund (operators, and the functions that act)
Errors: NOT_FOUND (no such transaction in the workspace), CONFLICT (it is no spend).$$;

-- Definer: operators have no right on the ledger, so that nothing enters unbalanced.
create or replace function analytics_private.grant_credits(
  workspace_id uuid, amount bigint, kind text default 'grant', idempotency_key text default null, description text default null
) returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  key constant text := coalesce(grant_credits.idempotency_key, gen_random_uuid()::text);
  account constant text := case grant_credits.kind when 'purchase' then 'purchases' when 'grant' then 'grants' when 'expire' then 'expiries'
    when 'adjust' then 'adjustments' end;
  known record;
  booked uuid;
begin
  perform analytics_private.check_credit_key(key);
  if account is null then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'credits are given or taken as purchase, grant, expire or adjust', null, '{"field": "kind"}');
  elsif (abs(grant_credits.amount) between 1 and 1000000000000
         and case grant_credits.kind when 'expire' then grant_credits.amount < 0 when 'adjust' then true else grant_credits.amount > 0 end) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('this is no amount of credits for kind %s', grant_credits.kind),
      'purchase and grant are positive, expire is negative, adjust is either, up to a million million', '{"field": "amount"}');
  elsif not exists (select from analytics.workspaces w where w.id = grant_credits.workspace_id) then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such workspace');
  end if;
  insert into analytics.credit_balances (workspace_id, balance) values (grant_credits.workspace_id, 0) on conflict on constraint credit_balances_pkey do nothing;
  perform analytics_private.lock_wallet(grant_credits.workspace_id);
  select t.id, t.kind, e.amount into known
  from analytics.credit_transactions t
    join analytics.credit_entries e on e.workspace_id = t.workspace_id and e.transaction_id = t.id and e.account = 'wallet'
  where t.workspace_id = grant_credits.workspace_id and t.idempotency_key = key;
  if found then
    if (known.kind, known.amount) is distinct from (grant_credits.kind, grant_credits.amount) then
      perform analytics_private.raise_error('CONFLICT', 'this idempotency key was used for something else', 'use a new key');
    end if;
    return known.id;
  end if;
  booked := analytics_private.book_credits(grant_credits.workspace_id, grant_credits.kind, account, grant_credits.amount, key,
    description => left(grant_credits.description, 500));
  if booked is null then
    perform analytics_private.raise_error('CONFLICT', 'the workspace does not have that many credits', 'take at most its balance',
      jsonb_build_object('balance', (select b.balance from analytics.credit_balances b where b.workspace_id = grant_credits.workspace_id)));
  end if;
  perform analytics_private.write_audit('credits.' || case grant_credits.kind when 'purchase' then 'purchased' when 'grant' then 'granted'
    when 'expire' then 'expired' else 'adjusted' end, 'credit_transaction', booked, jsonb_build_object('credits', grant_credits.amount), grant_credits.workspace_id);
  return booked;
end
$$;
comment on function analytics_private.grant_credits(uuid, bigint, text, text, text) is
$$gives a workspace credits, or takes some away with kind expire or adjust and a negative amount (operators)
kind: purchase, grant, expire, adjust. idempotency_key: the same key books once and answers the same transaction; default: a new one.
Returns the transaction. Errors: VALIDATION_ERROR, NOT_FOUND (no such workspace), CONFLICT (the key was used for something else; the balance would fall below zero).$$;

-- Definer: operators change prices only here, where it is audited.
create or replace function analytics_private.set_credit_price(action text, credits bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  before bigint;
begin
  if (set_credit_price.action ~ '^[a-z][a-z0-9_]{0,63}$' and coalesce(set_credit_price.credits, 1) between 1 and 1000000000) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'an action is a word of small letters, a price 1 to 1000000000 credits or null');
  end if;
  select p.credits into before from analytics.credit_prices p where p.action = set_credit_price.action for update;
  if set_credit_price.credits is null then
    delete from analytics.credit_prices p where p.action = set_credit_price.action;
  else
    insert into analytics.credit_prices (action, credits) values (set_credit_price.action, set_credit_price.credits)
    on conflict on constraint credit_prices_pkey do update set credits = excluded.credits;
  end if;
  perform analytics_private.write_audit('credits.priced', 'credit_price', null,
    jsonb_build_object('action', set_credit_price.action, 'from', before, 'to', set_credit_price.credits));
end
$$;
comment on function analytics_private.set_credit_price(text, bigint) is
  'sets what an action costs, or takes it off the price list when credits is null (operators); error: VALIDATION_ERROR';

-- Definer: operators do not read the ledger itself.
create or replace function analytics_private.check_ledger() returns table (workspace_id uuid, transaction_id uuid, problem text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select t.workspace_id, t.id, case when s.entries is null then 'has no entries' when s.total <> 0 then 'its entries do not sum to zero'
      else 'does not move the wallet against one other account' end
  from analytics.credit_transactions t
    left join lateral (
      select count(*) as entries, count(*) filter (where e.account = 'wallet') as wallets, sum(e.amount) as total
      from analytics.credit_entries e where e.workspace_id = t.workspace_id and e.transaction_id = t.id
      having count(*) > 0
    ) s on true
  where s.entries is null or s.total <> 0 or (s.entries, s.wallets) <> (2, 1)
  union all
  select t.workspace_id, t.id, 'is not the opposite of the spend it refunds'
  from analytics.credit_transactions t
    join analytics.credit_entries e on e.workspace_id = t.workspace_id and e.transaction_id = t.id and e.account = 'wallet'
    left join analytics.credit_entries o on o.workspace_id = t.workspace_id and o.transaction_id = t.refunds_id and o.account = 'wallet'
  where t.kind = 'refund' and o.amount is distinct from -e.amount
  union all
  select coalesce(b.workspace_id, w.workspace_id), null, 'the balance is not the sum of the wallet entries'
  from analytics.credit_balances b
    full join (select e.workspace_id, sum(e.amount) as total from analytics.credit_entries e where e.account = 'wallet' group by e.workspace_id) w
      on w.workspace_id = b.workspace_id
  where coalesce(b.balance, 0) <> coalesce(w.total, 0)
$$;
comment on function analytics_private.check_ledger() is 'what is wrong in the ledger; no rows when every transaction balances and every balance is right (operators)';

-- ---------------------------------------------------------------------------------------------------------------------
-- Reading

create or replace function analytics.credit_balance(workspace_id uuid default null) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  target constant uuid := analytics.require_role(coalesce(credit_balance.workspace_id,
    (select u.default_workspace_id from analytics.users u where u.id = caller)), 'analyst');
begin
  return jsonb_build_object('workspace_id', target,
    'balance', coalesce((select b.balance from analytics.credit_balances b where b.workspace_id = target), 0),
    'prices', (select coalesce(jsonb_object_agg(p.action, p.credits), '{}') from analytics.credit_prices p));
end
$$;
comment on function analytics.credit_balance(uuid) is
$$the credits of a workspace and what they buy
workspace_id: one of the caller's workspaces; default: the caller's own. Returns {workspace_id, balance, prices: {action: credits}}.
Errors: UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such workspace among the caller's).
Example: select analytics.credit_balance() -> 'balance'$$;

create or replace function analytics.credit_history(workspace_id uuid default null, page_size integer default 50, after text default null) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  target constant uuid := analytics.require_role(coalesce(credit_history.workspace_id,
    (select u.default_workspace_id from analytics.users u where u.id = caller)), 'admin');
  size constant integer := analytics_private.check_page_size(credit_history.page_size, 100);
  start record;
begin
  select * into start from analytics_private.decode_cursor(credit_history.after);
  return (
    with page as materialized (
      select t.*, row_number() over (order by t.created_at desc, t.id desc) as position
      from analytics.credit_transactions t
      where t.workspace_id = target
        and (t.created_at, t.id) < (coalesce(start.moment, 'infinity'), coalesce(start.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
      order by t.created_at desc, t.id desc
      limit size + 1
    )
    select jsonb_build_object(
      'items', coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'kind', p.kind, 'amount', e.amount, 'action', p.action, 'reference', p.reference,
        'refunds_id', p.refunds_id, 'description', p.description, 'created_by', p.created_by, 'created_at', p.created_at)
        order by p.position) filter (where p.position <= size), '[]'),
      'next_cursor', case when count(*) > size then (
        select analytics_private.encode_cursor(last.created_at, last.id) from page last where last.position = size) end)
    from page p join analytics.credit_entries e on e.workspace_id = p.workspace_id and e.transaction_id = p.id and e.account = 'wallet');
end
$$;
comment on function analytics.credit_history(uuid, integer, text) is
$$what moved the credits of a workspace, newest first; for its admins
page_size: 1 to 100. after: next_cursor of the page before. Returns {items: [{id, kind, amount, action, reference, refunds_id, description, created_by, created_at}], next_cursor}; amount is negative where credits were taken.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (below admin, user not active), NOT_FOUND (no such workspace among the caller's).
Example: select jsonb_array_length(analytics.credit_history() -> 'items')$$;
