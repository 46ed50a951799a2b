-- Billing: from Stripe's events to what a workspace pays for. Events come at least once and in any order; each is applied
-- once, and the end state does not depend on the order. Reading an event is Rust (domain/src/billing.rs).

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('billing_test_events', 'integer', '0', '0', '1', '1: events of Stripe''s test mode count like real ones; 0: they are noted and ignored')
on conflict (name) do nothing;
insert into analytics_private.locks (name) values ('billing') on conflict (name) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- What is known of Stripe's objects

create table if not exists analytics_private.billing_events (
  event_id varchar(255) not null,
  event_type varchar(255) not null,
  created_at timestamptz not null,
  received_at timestamptz not null default clock_timestamp(),
  status varchar(20) not null,
  note text,
  event jsonb not null,
  signature text,
  constraint billing_events_pkey primary key (event_id),
  constraint billing_events_status_known check (status in ('applied', 'waiting', 'outdated', 'ignored'))
);
create index if not exists billing_events_waiting on analytics_private.billing_events (created_at, event_id) where status = 'waiting';
create index if not exists billing_events_received_at on analytics_private.billing_events (received_at);
alter table analytics_private.billing_events enable row level security;
comment on table analytics_private.billing_events is 'every event once; without the payload itself, which holds names and addresses and can be had again from Stripe';
comment on column analytics_private.billing_events.status is
  'applied; waiting for a workspace or a price to become known; outdated: something newer was applied before; ignored: nothing follows from it';
comment on column analytics_private.billing_events.event is 'what analytics_private.parse_billing_event made of the payload';
comment on column analytics_private.billing_events.signature is 'the header that the sidecar verified; null: applied by an operator';

-- A customer may pay for several workspaces: then the subscription's own link decides.
create table if not exists analytics_private.billing_links (
  stripe_id varchar(255) not null,
  workspace_id uuid not null,
  created_at timestamptz not null default now(),
  constraint billing_links_pkey primary key (stripe_id),
  constraint billing_links_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id)
);
create index if not exists billing_links_workspace on analytics_private.billing_links (workspace_id);
alter table analytics_private.billing_links enable row level security;
comment on table analytics_private.billing_links is 'which workspace a customer (cus_…) or subscription (sub_…) of Stripe pays for';

create table if not exists analytics_private.plan_prices (
  stripe_price_id varchar(255) not null,
  plan_name varchar(50) not null,
  created_at timestamptz not null default now(),
  constraint plan_prices_pkey primary key (stripe_price_id),
  constraint plan_prices_plan_fkey foreign key (plan_name) references analytics.plans (name)
);
create index if not exists plan_prices_plan on analytics_private.plan_prices (plan_name);
alter table analytics_private.plan_prices enable row level security;
comment on table analytics_private.plan_prices is 'which plan a price of Stripe buys; a price that is not here is never guessed';

create table if not exists analytics_private.billing_subscriptions (
  stripe_subscription_id varchar(255) not null,
  workspace_id uuid not null,
  stripe_customer_id varchar(255),
  plan_name varchar(50) not null,
  status varchar(20) not null,
  is_final boolean not null,
  anchor_at timestamptz not null,
  period_start timestamptz,
  period_end timestamptz,
  cancel_at_period_end boolean not null,
  ended_at timestamptz,
  started_at timestamptz not null,
  seen_at timestamptz not null,
  seen_order bigint not null,
  seen_event varchar(255) not null,
  constraint billing_subscriptions_pkey primary key (stripe_subscription_id),
  constraint billing_subscriptions_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint billing_subscriptions_plan_fkey foreign key (plan_name) references analytics.plans (name)
);
create index if not exists billing_subscriptions_workspace on analytics_private.billing_subscriptions (workspace_id);
create index if not exists billing_subscriptions_plan on analytics_private.billing_subscriptions (plan_name);
alter table analytics_private.billing_subscriptions enable row level security;
comment on table analytics_private.billing_subscriptions is
  'the newest known state of every subscription; analytics.subscriptions is derived from these, so that it does not matter in which order they became known';
comment on column analytics_private.billing_subscriptions.seen_order is 'tells events of one second apart, see domain/src/billing.rs';

-- ---------------------------------------------------------------------------------------------------------------------
-- subscription_history: a row an invoice that was paid, and a row a change of plan or status

create table if not exists analytics.subscription_history (
  workspace_id uuid not null,
  id uuid not null,
  user_id uuid,
  user_email varchar(255),
  stripe_subscription_id varchar(255),
  plan_name varchar(50),
  status varchar(50),
  amount_paid bigint,
  currency varchar(3) not null default 'usd',
  period_start timestamptz,
  period_end timestamptz,
  stripe_customer_id varchar(255),
  stripe_invoice_id varchar(255),
  created_at timestamptz not null default now(),
  constraint subscription_history_pkey primary key (workspace_id, id),
  constraint subscription_history_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint subscription_history_user_fkey foreign key (user_id) references analytics.users (id),
  constraint subscription_history_invoice_key unique (stripe_invoice_id),
  constraint subscription_history_amount_not_negative check (amount_paid >= 0)
);
alter table analytics.subscription_history alter column id set default analytics.uuidv7();
create index if not exists subscription_history_created_at on analytics.subscription_history (workspace_id, created_at desc);
create index if not exists subscription_history_user on analytics.subscription_history (user_id);
create index if not exists subscription_history_stripe_subscription on analytics.subscription_history (stripe_subscription_id);
alter table analytics.subscription_history enable row level security;
comment on table analytics.subscription_history is 'what a workspace paid, and when its plan or status changed; written by billing events only';
comment on column analytics.subscription_history.user_id is 'who owned the workspace then';
comment on column analytics.subscription_history.user_email is 'the owner''s address then; null once the account is deleted';
comment on column analytics.subscription_history.status is 'paid in the row of an invoice, else the subscription''s status from then on';
comment on column analytics.subscription_history.amount_paid is 'in minor units of the currency (cents); null where nothing was paid';
comment on column analytics.subscription_history.created_at is 'when it happened at Stripe';

drop policy if exists "admins read what their workspaces paid" on analytics.subscription_history;
create policy "admins read what their workspaces paid" on analytics.subscription_history for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('admin'))::uuid[]));

create or replace function analytics_private.note_subscription(
  subscription analytics_private.billing_subscriptions, status text, happened_at timestamptz,
  amount_paid bigint default null, currency text default 'usd', invoice text default null
) returns void language sql set search_path = pg_catalog, pg_temp as $$
  insert into analytics.subscription_history (workspace_id, user_id, user_email, stripe_subscription_id, plan_name, status, amount_paid, currency,
    period_start, period_end, stripe_customer_id, stripe_invoice_id, created_at)
  select w.id, u.id, u.email, note_subscription.subscription.stripe_subscription_id, note_subscription.subscription.plan_name, note_subscription.status,
         note_subscription.amount_paid, note_subscription.currency, note_subscription.subscription.period_start, note_subscription.subscription.period_end,
         note_subscription.subscription.stripe_customer_id, note_subscription.invoice, note_subscription.happened_at
  from analytics.workspaces w join analytics.users u on u.id = w.owner_id
  where w.id = note_subscription.subscription.workspace_id
  on conflict on constraint subscription_history_invoice_key do nothing
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Applying

-- Which of its subscriptions counts for a workspace: one that gives a plan before one that does not, then the youngest.
create or replace function analytics_private.settle_subscription(workspace_id uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  best analytics_private.billing_subscriptions;
  before analytics.subscriptions;
  settled analytics.subscriptions;
begin
  perform from analytics.workspaces w where w.id = settle_subscription.workspace_id for no key update;
  select s.* into before from analytics.subscriptions s where s.workspace_id = settle_subscription.workspace_id;
  -- Of several the largest: whoever pays names the workspace, so a small one of somebody else must not take the place of its own.
  select s.* into best from analytics_private.billing_subscriptions s join analytics.plans p on p.name = s.plan_name
  where s.workspace_id = settle_subscription.workspace_id
  order by s.status in ('trialing', 'active', 'past_due') desc, p.price_cents desc, s.started_at desc, s.stripe_subscription_id desc
  limit 1;
  if best.stripe_subscription_id is null then
    delete from analytics.subscriptions s where s.workspace_id = settle_subscription.workspace_id;
  else
    insert into analytics.subscriptions as s (workspace_id, plan_name, status, stripe_subscription_id, anchor_at, current_period_start,
      current_period_end, cancel_at_period_end, ended_at)
    values (best.workspace_id, best.plan_name, best.status, case when best.stripe_subscription_id not like 'given %' then best.stripe_subscription_id end,
      best.anchor_at, best.period_start, best.period_end, best.cancel_at_period_end, best.ended_at)
    on conflict on constraint subscriptions_pkey do update set
      plan_name = excluded.plan_name, status = excluded.status, stripe_subscription_id = excluded.stripe_subscription_id,
      anchor_at = excluded.anchor_at, current_period_start = excluded.current_period_start, current_period_end = excluded.current_period_end,
      cancel_at_period_end = excluded.cancel_at_period_end, ended_at = excluded.ended_at
    where (s.plan_name, s.status, s.stripe_subscription_id, s.anchor_at, s.current_period_start, s.current_period_end, s.cancel_at_period_end, s.ended_at)
      is distinct from (excluded.plan_name, excluded.status, excluded.stripe_subscription_id, excluded.anchor_at, excluded.current_period_start,
        excluded.current_period_end, excluded.cancel_at_period_end, excluded.ended_at)
    returning * into settled;
  end if;
  if (settled.plan_name, settled.status, settled.cancel_at_period_end) is distinct from (before.plan_name, before.status, before.cancel_at_period_end)
     and (settled.workspace_id is not null or best.stripe_subscription_id is null) then
    perform analytics_private.write_audit('subscription.changed', 'subscription', null, jsonb_strip_nulls(jsonb_build_object(
      'plan', settled.plan_name, 'status', settled.status, 'cancel_at_period_end', settled.cancel_at_period_end,
      'from', jsonb_build_object('plan', before.plan_name, 'status', before.status))), settle_subscription.workspace_id);
  end if;
end
$$;
comment on function analytics_private.settle_subscription(uuid) is 'derives analytics.subscriptions of one workspace from all that is known of its subscriptions';

create or replace function analytics_private.billed_workspace(told text, subscription text, customer text) returns uuid
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(
    (select w.id from analytics.workspaces w where w.id = billed_workspace.told::uuid),
    (select l.workspace_id from analytics_private.billing_links l where l.stripe_id = billed_workspace.subscription),
    (select l.workspace_id from analytics_private.billing_links l where l.stripe_id = billed_workspace.customer))
$$;
comment on function analytics_private.billed_workspace(text, text, text) is 'by what the object itself tells, by its subscription, by its customer; null while none is known';

-- The plan that these prices buy, or why that cannot be told.
create or replace function analytics_private.priced_plan(prices jsonb, out plan_name text, out problem text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  plans text[];
begin
  select array_agg(distinct p.plan_name::text) into plans
  from analytics_private.plan_prices p where p.stripe_price_id in (select jsonb_array_elements_text(prices));
  if plans is null then
    problem := 'no plan is known for ' || coalesce((select string_agg(p, ', ') from jsonb_array_elements_text(prices) p), 'a subscription without a price');
  elsif cardinality(plans) > 1 then
    problem := 'its prices belong to several plans: ' || array_to_string(plans, ', ');
  else
    plan_name := plans[1];
  end if;
end
$$;

-- A customer's second subscription may be for another workspace, which only its checkout tells.
create or replace function analytics_private.move_subscription(stripe_subscription_id text, into_workspace uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known analytics_private.billing_subscriptions;
begin
  select s.* into known from analytics_private.billing_subscriptions s where s.stripe_subscription_id = move_subscription.stripe_subscription_id;
  if known.workspace_id <> into_workspace then
    update analytics_private.billing_subscriptions s set workspace_id = into_workspace where s.stripe_subscription_id = known.stripe_subscription_id;
    update analytics.subscription_history h set workspace_id = w.id, user_id = u.id, user_email = u.email
    from analytics.workspaces w join analytics.users u on u.id = w.owner_id
    where h.stripe_subscription_id = known.stripe_subscription_id and w.id = into_workspace;
    -- The one that loses it first: a subscription is one workspace's at a time.
    perform analytics_private.settle_subscription(known.workspace_id);
    perform analytics_private.settle_subscription(into_workspace);
  end if;
end
$$;

create or replace function analytics_private.link_billing(stripe_id text, workspace_id uuid) returns void
language sql set search_path = pg_catalog, pg_temp as $$
  insert into analytics_private.billing_links (stripe_id, workspace_id)
  select link_billing.stripe_id, link_billing.workspace_id where link_billing.stripe_id is not null
  on conflict on constraint billing_links_pkey do nothing
$$;

create or replace function analytics_private.apply_subscription(event analytics_private.billing_events, out status text, out note text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  told constant jsonb := event.event -> 'subscription';
  workspace constant uuid := analytics_private.billed_workspace(told ->> 'workspace_id', told ->> 'id', told ->> 'customer');
  plan record;
  known analytics_private.billing_subscriptions;
  now_known analytics_private.billing_subscriptions;
begin
  select s.* into known from analytics_private.billing_subscriptions s where s.stripe_subscription_id = told ->> 'id';
  if known.is_final or (known.seen_at, known.seen_order, coalesce(known.period_end, '-infinity'), known.seen_event)
     >= (event.created_at, (told ->> 'order')::bigint, coalesce(to_timestamp((told ->> 'period_end')::bigint), '-infinity'), event.event_id) then
    -- The end is the end, even told by an event that was overtaken.
    if known.is_final or not (told ->> 'is_final')::boolean then
      status := 'outdated';
      return;
    end if;
  end if;
  if workspace is null then
    status := 'waiting';
    note := 'no workspace is known for ' || coalesce(told ->> 'customer', told ->> 'id');
    return;
  end if;
  select * into plan from analytics_private.priced_plan(told -> 'prices');
  if plan.plan_name is null and told ->> 'status' not in ('trialing', 'active', 'past_due') then
    -- Gives no plan, so it need not be known which one.
    plan.plan_name := known.plan_name;
  end if;
  if plan.plan_name is null then
    status := 'waiting';
    note := plan.problem;
    return;
  end if;

  perform analytics_private.link_billing(told ->> 'customer', workspace);
  perform analytics_private.move_subscription(told ->> 'id', workspace);
  insert into analytics_private.billing_subscriptions as s (stripe_subscription_id, workspace_id, stripe_customer_id, plan_name, status, is_final, anchor_at,
    period_start, period_end, cancel_at_period_end, ended_at, started_at, seen_at, seen_order, seen_event)
  values (told ->> 'id', workspace, told ->> 'customer', plan.plan_name, told ->> 'status', (told ->> 'is_final')::boolean,
    coalesce(to_timestamp((told ->> 'anchor')::bigint), to_timestamp((told ->> 'period_start')::bigint), event.created_at),
    to_timestamp((told ->> 'period_start')::bigint), to_timestamp((told ->> 'period_end')::bigint), (told ->> 'cancel_at_period_end')::boolean,
    to_timestamp((told ->> 'ended_at')::bigint), coalesce(to_timestamp((told ->> 'created')::bigint), event.created_at),
    event.created_at, (told ->> 'order')::bigint, event.event_id)
  on conflict on constraint billing_subscriptions_pkey do update set
    workspace_id = excluded.workspace_id, stripe_customer_id = excluded.stripe_customer_id, plan_name = excluded.plan_name, status = excluded.status,
    is_final = excluded.is_final, anchor_at = excluded.anchor_at, period_start = excluded.period_start, period_end = excluded.period_end,
    cancel_at_period_end = excluded.cancel_at_period_end, ended_at = excluded.ended_at, started_at = excluded.started_at,
    seen_at = excluded.seen_at, seen_order = excluded.seen_order, seen_event = excluded.seen_event
  returning s.* into now_known;
  if (known.plan_name, known.status) is distinct from (now_known.plan_name, now_known.status) then
    perform analytics_private.note_subscription(now_known, now_known.status, event.created_at);
  end if;
  perform analytics_private.settle_subscription(workspace);
  status := 'applied';
end
$$;

create or replace function analytics_private.apply_invoice(event analytics_private.billing_events, out status text, out note text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  told constant jsonb := event.event -> 'invoice';
  workspace constant uuid := analytics_private.billed_workspace(told ->> 'workspace_id', told ->> 'subscription', told ->> 'customer');
  plan record;
  subscription analytics_private.billing_subscriptions;
begin
  if workspace is null then
    status := 'waiting';
    note := 'no workspace is known for ' || coalesce(told ->> 'customer', told ->> 'subscription');
    return;
  end if;
  select s.* into subscription from analytics_private.billing_subscriptions s where s.stripe_subscription_id = told ->> 'subscription';
  select * into plan from analytics_private.priced_plan(told -> 'prices');
  -- The invoice of a change of plan names both.
  subscription.plan_name := coalesce(plan.plan_name, subscription.plan_name);
  if subscription.plan_name is null then
    status := 'waiting';
    note := plan.problem;
    return;
  end if;
  subscription.workspace_id := workspace;
  subscription.stripe_subscription_id := told ->> 'subscription';
  subscription.stripe_customer_id := told ->> 'customer';
  subscription.period_start := to_timestamp((told ->> 'period_start')::bigint);
  subscription.period_end := to_timestamp((told ->> 'period_end')::bigint);
  perform analytics_private.note_subscription(subscription, 'paid', event.created_at, (told ->> 'amount_paid')::bigint, told ->> 'currency', told ->> 'id');
  status := 'applied';
end
$$;

create or replace function analytics_private.apply_checkout(event analytics_private.billing_events, out status text, out note text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  told constant jsonb := event.event -> 'checkout';
  workspace constant uuid := analytics_private.billed_workspace(told ->> 'workspace_id', told ->> 'subscription', told ->> 'customer');
begin
  if workspace is null then
    -- It may still become known whom it was for; a checkout that sold no credits then has nothing to add.
    status := case when told ->> 'credits' is null and told ->> 'workspace_id' is null then 'ignored' else 'waiting' end;
    note := 'no workspace is known for this checkout';
    return;
  end if;
  perform analytics_private.link_billing(told ->> 'subscription', workspace);
  perform analytics_private.link_billing(told ->> 'customer', workspace);
  perform analytics_private.move_subscription(told ->> 'subscription', workspace);
  if told ->> 'credits' is not null then
    -- By the session, not by the event: a payment that clears later is told by a second event.
    perform analytics_private.grant_credits(workspace, (told ->> 'credits')::bigint, 'purchase', 'checkout ' || (told ->> 'id'));
  end if;
  status := 'applied';
end
$$;

create or replace function analytics_private.settle_billing_event(event analytics_private.billing_events, out status text, out note text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if event.event ->> 'note' is not null then
    status := 'ignored';
    note := event.event ->> 'note';
  elsif not (event.event ->> 'livemode')::boolean and analytics_private.setting_integer('billing_test_events') = 0 then
    status := 'ignored';
    note := 'an event of Stripe''s test mode; see setting billing_test_events';
  elsif event.event -> 'subscription' <> 'null' then
    select * into status, note from analytics_private.apply_subscription(event);
  elsif event.event -> 'invoice' <> 'null' then
    select * into status, note from analytics_private.apply_invoice(event);
  else
    select * into status, note from analytics_private.apply_checkout(event);
  end if;
  update analytics_private.billing_events e set status = settle_billing_event.status, note = settle_billing_event.note
  where e.event_id = event.event_id
    and (e.status, e.note) is distinct from (settle_billing_event.status::varchar, settle_billing_event.note);
end
$$;

-- An event that was applied may be what others waited for.
create or replace function analytics_private.settle_waiting_billing_events() returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  waiting analytics_private.billing_events;
  outcome record;
  settled integer := 0;
  before integer;
begin
  loop
    before := settled;
    for waiting in select e.* from analytics_private.billing_events e where e.status = 'waiting' order by e.created_at, e.event_id loop
      -- One that cannot be applied must not keep back the others.
      begin
        select * into outcome from analytics_private.settle_billing_event(waiting);
        settled := settled + (outcome.status <> 'waiting')::integer;
      exception when others then
        update analytics_private.billing_events e set note = 'cannot be applied: ' || sqlerrm where e.event_id = waiting.event_id;
      end;
    end loop;
    exit when settled = before;
  end loop;
  return settled;
end
$$;

-- Definer: the sidecar has no right on any table.
create or replace function analytics_private.apply_billing_event(payload json, signature text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '3s' as $$
declare
  document constant jsonb := analytics_private.parse_billing_event(coalesce(payload, 'null'));
  event analytics_private.billing_events;
  outcome record;
begin
  if document ? 'refusal' then
    perform analytics_private.raise_error('VALIDATION_ERROR', document -> 'refusal' ->> 'message', document -> 'refusal' ->> 'hint');
  end if;
  -- One event at a time. They are few and take milliseconds, and what one leaves waiting another may be about to bring.
  perform analytics_private.take_lock('billing');
  select e.* into event from analytics_private.billing_events e where e.event_id = document ->> 'event_id';
  if found then
    return jsonb_build_object('event_id', event.event_id, 'status', event.status, 'note', event.note, 'duplicate', true);
  end if;
  insert into analytics_private.billing_events (event_id, event_type, created_at, status, event, signature)
  values (document ->> 'event_id', document ->> 'event_type', to_timestamp((document ->> 'created')::bigint), 'waiting', document,
    left(apply_billing_event.signature, 1000))
  returning * into event;
  select * into outcome from analytics_private.settle_billing_event(event);
  if outcome.status = 'applied' then
    perform analytics_private.settle_waiting_billing_events();
  end if;
  return jsonb_build_object('event_id', event.event_id, 'status', outcome.status, 'note', outcome.note, 'duplicate', false);
end
$$;
comment on function analytics_private.apply_billing_event(json, text) is
$$applies one of Stripe's events, once however often it is delivered (the sidecar's webhook; operators)
payload: the event as Stripe sent it. signature: the Stripe-Signature header, verified by the caller. Events may come in any order.
Returns {event_id, status: applied|waiting|outdated|ignored, note, duplicate}. Error: VALIDATION_ERROR (not an event; nothing is stored).
Example: select analytics_private.apply_billing_event('{"id": "evt_1", "object": "event", "type": "customer.created", "created": 1700000000, "livemode": true, "data": {"object": {}}}') ->> 'status'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- For operators

create or replace function analytics_private.set_plan_price(stripe_price_id text, plan_name text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if set_plan_price.stripe_price_id is null or set_plan_price.stripe_price_id !~ '^[A-Za-z0-9_]{1,255}$' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a price of Stripe is called price_…', null, '{"field": "stripe_price_id"}');
  elsif set_plan_price.plan_name is not null and not exists (select from analytics.plans p where p.name = set_plan_price.plan_name) then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such plan', 'select name from analytics.plans');
  end if;
  perform analytics_private.take_lock('billing');
  if set_plan_price.plan_name is null then
    delete from analytics_private.plan_prices p where p.stripe_price_id = set_plan_price.stripe_price_id;
  else
    insert into analytics_private.plan_prices (stripe_price_id, plan_name) values (set_plan_price.stripe_price_id, set_plan_price.plan_name)
    on conflict on constraint plan_prices_pkey do update set plan_name = excluded.plan_name;
  end if;
  perform analytics_private.write_audit('plan.priced', 'plan', null,
    jsonb_build_object('price', set_plan_price.stripe_price_id, 'plan', set_plan_price.plan_name));
  return analytics_private.settle_waiting_billing_events();
end
$$;
comment on function analytics_private.set_plan_price(text, text) is
  'says which plan a price of Stripe buys from now on, null for none, and applies the events that waited for it; returns how many (operators); errors: VALIDATION_ERROR, NOT_FOUND';

create or replace function analytics_private.link_billing_customer(stripe_customer_id text, workspace_id uuid) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if link_billing_customer.stripe_customer_id is null or link_billing_customer.stripe_customer_id !~ '^[A-Za-z0-9_]{1,255}$' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a customer of Stripe is called cus_…', null, '{"field": "stripe_customer_id"}');
  elsif not exists (select from analytics.workspaces w where w.id = link_billing_customer.workspace_id) then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such workspace');
  end if;
  perform analytics_private.take_lock('billing');
  insert into analytics_private.billing_links (stripe_id, workspace_id) values (link_billing_customer.stripe_customer_id, link_billing_customer.workspace_id)
  on conflict on constraint billing_links_pkey do update set workspace_id = excluded.workspace_id;
  perform analytics_private.write_audit('billing.linked', 'workspace', link_billing_customer.workspace_id, '{}', link_billing_customer.workspace_id,
    new_values => jsonb_build_object('customer', link_billing_customer.stripe_customer_id));
  return analytics_private.settle_waiting_billing_events();
end
$$;
comment on function analytics_private.link_billing_customer(text, uuid) is
  'says which workspace a customer of Stripe pays for, and applies the events that waited for it; returns how many (operators). Subscriptions already applied stay where they are. Errors: VALIDATION_ERROR, NOT_FOUND';

-- A plan without Stripe is a subscription like others, called by the workspace; a younger one of Stripe's goes before it.
create or replace function analytics_private.set_plan(workspace_id uuid, plan_name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  called constant text := 'given ' || set_plan.workspace_id;
  known analytics_private.billing_subscriptions;
begin
  if not exists (select from analytics.workspaces w where w.id = set_plan.workspace_id) then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such workspace');
  elsif set_plan.plan_name is not null and not exists (select from analytics.plans p where p.name = set_plan.plan_name) then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such plan', 'select name from analytics.plans');
  end if;
  perform analytics_private.take_lock('billing');
  if set_plan.plan_name is null then
    update analytics_private.billing_subscriptions s set status = 'canceled', is_final = true, ended_at = now(), seen_at = now()
    where s.stripe_subscription_id = called and not s.is_final returning s.* into known;
  else
    insert into analytics_private.billing_subscriptions as s (stripe_subscription_id, workspace_id, plan_name, status, is_final, anchor_at,
      cancel_at_period_end, started_at, seen_at, seen_order, seen_event)
    values (called, set_plan.workspace_id, set_plan.plan_name, 'active', false, now(), false, now(), now(), 0, 'set_plan')
    on conflict on constraint billing_subscriptions_pkey do update set plan_name = excluded.plan_name, status = excluded.status,
      is_final = false, ended_at = null, started_at = excluded.started_at, seen_at = excluded.seen_at,
      anchor_at = case when s.is_final then excluded.anchor_at else s.anchor_at end
    where (s.plan_name, s.is_final) is distinct from (excluded.plan_name, false)
    returning s.* into known;
  end if;
  if known.stripe_subscription_id is not null then
    known.stripe_subscription_id := null;
    perform analytics_private.note_subscription(known, known.status, now());
    perform analytics_private.settle_subscription(set_plan.workspace_id);
  end if;
end
$$;
comment on function analytics_private.set_plan(uuid, text) is
  'gives a workspace a plan that is not paid through Stripe, or takes it away again when plan_name is null (operators); error: NOT_FOUND (no such workspace or plan)';

create or replace function analytics_private.list_billing_events(status text default null, page_size integer default 100)
returns table (event_id text, event_type text, created_at timestamptz, received_at timestamptz, status text, note text, is_signed boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select e.event_id, e.event_type, e.created_at, e.received_at, e.status, e.note, e.signature is not null
  from analytics_private.billing_events e
  where list_billing_events.status is null or e.status = list_billing_events.status
  order by e.received_at desc, e.event_id
  limit least(greatest(list_billing_events.page_size, 0), 10000)
$$;
comment on function analytics_private.list_billing_events(text, integer) is
  'the events received last, those that wait with what they wait for (operators)';
