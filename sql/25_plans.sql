-- Plans and subscriptions: what a workspace may use.

-- ---------------------------------------------------------------------------------------------------------------------
-- plans: rows, so that an operator changes them without a release

create table if not exists analytics.plans (
  name varchar(50) not null,
  title varchar(100) not null,
  posts_per_month bigint,
  profile_unlocks bigint,
  ai_generations bigint,
  seats bigint,
  connected_accounts bigint,
  price_cents bigint not null,
  currency varchar(3) not null default 'usd',
  is_offered boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint plans_pkey primary key (name),
  constraint plans_limits_not_negative check (
    least(posts_per_month, profile_unlocks, ai_generations, seats, connected_accounts) >= 0),
  constraint plans_price_not_negative check (price_cents >= 0),
  constraint plans_currency_form check (currency ~ '^[a-z]{3}$')
);
alter table analytics.plans enable row level security;
comment on table analytics.plans is 'what can be subscribed to; a null limit is no limit';
comment on column analytics.plans.price_cents is 'a month, in minor units of the currency';
comment on column analytics.plans.seats is 'members and open invitations together';

-- The free plan's ten posts and the paid prices are those of the documents; docs/plans.md says where they disagree.
insert into analytics.plans (name, title, posts_per_month, profile_unlocks, ai_generations, seats, connected_accounts, price_cents) values
  ('free', 'Free', 10, 5, 10, 1, 2, 0),
  ('standard', 'Standard', 125, 500, 200, 2, 10, 19900),
  ('premium', 'Premium', 300, 2000, 1000, 5, 50, 49900)
on conflict (name) do nothing;

select analytics_private.audit_changes('analytics.plans', 'plan', id_column => 'name', workspace_column => null);

drop policy if exists "everyone reads the plans" on analytics.plans;
create policy "everyone reads the plans" on analytics.plans for select to anon, authenticated using (true);

-- ---------------------------------------------------------------------------------------------------------------------
-- subscriptions: one row a workspace that ever had one; none is the free plan

create table if not exists analytics.subscriptions (
  workspace_id uuid not null,
  plan_name varchar(50) not null,
  status varchar(20) not null,
  is_in_force boolean not null generated always as (status in ('trialing', 'active', 'past_due')) stored,
  stripe_subscription_id varchar(255),
  anchor_at timestamptz not null,
  current_period_start timestamptz,
  current_period_end timestamptz,
  cancel_at_period_end boolean not null default false,
  ended_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint subscriptions_pkey primary key (workspace_id),
  constraint subscriptions_stripe_key unique (stripe_subscription_id),
  constraint subscriptions_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint subscriptions_plan_fkey foreign key (plan_name) references analytics.plans (name),
  constraint subscriptions_status_known check (status in
    ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused'))
);
create index if not exists subscriptions_plan on analytics.subscriptions (plan_name);
alter table analytics.subscriptions enable row level security;
comment on table analytics.subscriptions is 'which plan a workspace pays for; only billing functions write it';
comment on column analytics.subscriptions.status is 'Stripe''s words; trialing, active and past_due (Stripe is still trying to collect) give the plan, the others the free one';
comment on column analytics.subscriptions.is_in_force is 'whether it gives its plan and its quota periods now';
comment on column analytics.subscriptions.anchor_at is 'quota periods begin on its day and time of each month, in UTC, or on the last day of a month that is too short';

create or replace trigger subscriptions_touch before update on analytics.subscriptions
  for each row execute function analytics_private.touch_updated_at();
create or replace trigger plans_touch before update on analytics.plans
  for each row execute function analytics_private.touch_updated_at();

drop policy if exists "members read the subscription of their workspaces" on analytics.subscriptions;
create policy "members read the subscription of their workspaces" on analytics.subscriptions for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

create or replace function analytics_private.plan_of(workspace_id uuid) returns analytics.plans
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  plan analytics.plans;
begin
  select p.* into plan from analytics.subscriptions s join analytics.plans p on p.name = s.plan_name
  where s.workspace_id = plan_of.workspace_id and s.is_in_force;
  if not found then
    select p.* into plan from analytics.plans p where p.name = 'free';
  end if;
  return plan;
end
$$;
comment on function analytics_private.plan_of(uuid) is 'the plan whose limits hold for a workspace';

-- plan_of in one query.
create or replace function analytics_private.plan_limit(workspace_id uuid, resource text) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select case plan_limit.resource
      when 'posts' then p.posts_per_month
      when 'profile_unlocks' then p.profile_unlocks
      when 'ai_generations' then p.ai_generations
      when 'seats' then p.seats
      when 'connected_accounts' then p.connected_accounts
    end
    from (values (plan_limit.workspace_id)) as w (id)
    left join analytics.subscriptions s on s.workspace_id = w.id and s.is_in_force
    join analytics.plans p on p.name = coalesce(s.plan_name, 'free'));
end
$$;
comment on function analytics_private.plan_limit(uuid, text) is
  'how much of a resource the workspace''s plan allows, null without limit: posts, profile_unlocks, ai_generations (a period), seats, connected_accounts (at a time)';

-- ---------------------------------------------------------------------------------------------------------------------
-- Quotas: what a workspace has used of its plan in the running period. No job resets them: a counter belongs to the period
-- in its row, and counts nothing once that is over.

create table if not exists analytics.quota_counters (
  workspace_id uuid not null,
  resource varchar(32) not null,
  period_start timestamptz not null,
  used bigint not null,
  constraint quota_counters_pkey primary key (workspace_id, resource),
  -- No checks: each would cost a tenth of taking a unit, and only the functions below write here.
  constraint quota_counters_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id)
) with (fillfactor = 50);
alter table analytics.quota_counters enable row level security;
comment on table analytics.quota_counters is 'units used in a period; a row of a period that is over counts as nothing. Only functions write it; analytics.quotas() reads it right';
comment on column analytics.quota_counters.period_start is 'start of the period in which the units were used; never goes back';

drop policy if exists "members read what their workspaces have used" on analytics.quota_counters;
create policy "members read what their workspaces have used" on analytics.quota_counters for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

create or replace function analytics_private.quota_anchor(workspace_id uuid) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select s.anchor_at from analytics.subscriptions s where s.workspace_id = quota_anchor.workspace_id and s.is_in_force);
end
$$;
comment on function analytics_private.quota_anchor(uuid) is 'what the quota periods of a workspace are counted from; null for calendar months in UTC';

-- One query, as this runs for every post that is scheduled.
create or replace function analytics_private.counted_period(workspace_id uuid, resource text) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- The clock, not the transaction's start: a long transaction must not charge a period that is over.
  return (
    select greatest(analytics_private.period_start(s.anchor_at, clock_timestamp()), q.period_start)
    from (values (counted_period.workspace_id)) as w (id)
    left join analytics.subscriptions s on s.workspace_id = w.id and s.is_in_force
    left join analytics.quota_counters q on q.workspace_id = w.id and q.resource = counted_period.resource);
end
$$;
comment on function analytics_private.counted_period(uuid, text) is 'start of the period that a unit taken now is charged to';

-- What is left at a moment. A row of a period that is over counts as nothing.
create or replace function analytics_private.quota_state(
  workspace_id uuid, resource text, moment timestamptz,
  out allowed bigint, out used bigint, out remaining bigint, out period_start timestamptz, out resets_at timestamptz
) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  anchor constant timestamptz := analytics_private.quota_anchor(quota_state.workspace_id);
  counter record;
begin
  quota_state.allowed := analytics_private.plan_limit(quota_state.workspace_id, quota_state.resource);
  quota_state.period_start := analytics_private.period_start(anchor, quota_state.moment);
  quota_state.resets_at := analytics_private.period_end(anchor, quota_state.moment);
  quota_state.used := 0;
  select q.used, q.period_start into counter from analytics.quota_counters q
  where q.workspace_id = quota_state.workspace_id and q.resource = quota_state.resource;
  if counter.period_start >= quota_state.period_start then
    quota_state.used := counter.used;
    quota_state.period_start := counter.period_start;
  end if;
  if quota_state.allowed is not null then
    quota_state.remaining := greatest(quota_state.allowed - quota_state.used, 0);
  end if;
end
$$;
comment on function analytics_private.quota_state(uuid, text, timestamptz) is
  'limit, use and rest of a metered resource at a moment; limit and rest are null without limit';

create or replace function analytics_private.refuse_units(workspace_id uuid, resource text, units bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  state constant record := analytics_private.quota_state(refuse_units.workspace_id, refuse_units.resource, clock_timestamp());
begin
  perform analytics_private.raise_error('PAYMENT_REQUIRED',
    format('the plan allows %s %s a period: %s used, %s asked for', state.allowed, replace(refuse_units.resource, '_', ' '), state.used, refuse_units.units),
    format('wait until %s, or take a larger plan', to_char(state.resets_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')),
    jsonb_build_object('resource', refuse_units.resource, 'limit', state.allowed, 'used', state.used, 'requested', refuse_units.units,
      'resets_at', state.resets_at));
end
$$;

-- One statement takes the units or does not: whoever comes second waits for the row and is judged by what it then holds, or
-- fails with a serialization error where its snapshot may not see that. A row whose period began later than period_start
-- stays in force: a plan that is cancelled hands out no second quota in the same month.
create or replace function analytics_private.charge_units(workspace_id uuid, resource text, units bigint, period_start timestamptz default null, refuse boolean default true) returns timestamptz
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  allowed bigint;
  current_start timestamptz;
  charged timestamptz;
begin
  if charge_units.units is null or charge_units.units < 1
     or charge_units.resource is null or charge_units.resource not in ('posts', 'profile_unlocks', 'ai_generations') then
    perform analytics_private.raise_error('INTERNAL', 'one or more units of posts, profile_unlocks or ai_generations can be taken');
  end if;
  -- This runs for every unlock and every post that is scheduled: one statement for what plan_limit() and counted_period() say and
  -- for the unit, where the counter is there and enough is left.
  update analytics.quota_counters q
  set used = case when q.period_start < w.period_start then 0 else q.used end + charge_units.units, period_start = greatest(q.period_start, w.period_start)
  from (
    select case charge_units.resource when 'posts' then p.posts_per_month when 'profile_unlocks' then p.profile_unlocks else p.ai_generations end,
      coalesce(charge_units.period_start, analytics_private.period_start(s.anchor_at, clock_timestamp()))
    from (values (charge_units.workspace_id)) as w (id)
    left join analytics.subscriptions s on s.workspace_id = w.id and s.is_in_force
    join analytics.plans p on p.name = coalesce(s.plan_name, 'free')) w (allowed, period_start)
  where q.workspace_id = charge_units.workspace_id and q.resource = charge_units.resource
    and (w.allowed is null or case when q.period_start < w.period_start then 0 else q.used end + charge_units.units <= w.allowed)
  returning q.period_start into charged;
  if charged is not null then
    return charged;
  end if;
  allowed := analytics_private.plan_limit(charge_units.workspace_id, charge_units.resource);
  current_start := coalesce(charge_units.period_start, analytics_private.counted_period(charge_units.workspace_id, charge_units.resource));
  insert into analytics.quota_counters as q (workspace_id, resource, period_start, used)
  select charge_units.workspace_id, charge_units.resource, current_start, charge_units.units
  where charge_units.units <= allowed is not false
  on conflict on constraint quota_counters_pkey do update set
    used = case when q.period_start < excluded.period_start then excluded.used else q.used + excluded.used end,
    period_start = greatest(q.period_start, excluded.period_start)
  where allowed is null or q.period_start < excluded.period_start or q.used <= allowed - excluded.used
  returning q.period_start into charged;
  if charged is null and refuse then
    perform analytics_private.refuse_units(charge_units.workspace_id, charge_units.resource, charge_units.units);
  end if;
  return charged;
end
$$;
comment on function analytics_private.charge_units(uuid, text, bigint, timestamptz, boolean) is
  'takes units of the period that begins then (null: the one that runs now), or of a later one that is counted already; the start of the period charged. When too few are left, PAYMENT_REQUIRED, or null without refuse';

create or replace function analytics_private.try_take_units(workspace_id uuid, resource text, units bigint default 1) returns timestamptz
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.charge_units(try_take_units.workspace_id, try_take_units.resource, try_take_units.units, refuse => false);
end
$$;
comment on function analytics_private.try_take_units(uuid, text, bigint) is
  'takes units of a workspace''s quota: posts, profile_unlocks or ai_generations. The start of the period they are charged to, for giving them back; null, and nothing taken, when too few are left';

create or replace function analytics_private.take_units(workspace_id uuid, resource text, units bigint default 1) returns timestamptz
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.charge_units(take_units.workspace_id, take_units.resource, take_units.units);
end
$$;
comment on function analytics_private.take_units(uuid, text, bigint) is
  'as try_take_units, and raises PAYMENT_REQUIRED {resource, limit, used, requested, resets_at} when too few are left';

create or replace function analytics_private.give_back_units(workspace_id uuid, resource text, units bigint, period_start timestamptz) returns timestamptz
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  credited timestamptz;
begin
  update analytics.quota_counters q set used = greatest(q.used - give_back_units.units, 0)
  where q.workspace_id = give_back_units.workspace_id and q.resource = give_back_units.resource
    and q.period_start = give_back_units.period_start
    -- As quota_anchor() says; a call less for each post that is cancelled.
    and q.period_start >= analytics_private.period_start(
      (select s.anchor_at from analytics.subscriptions s where s.workspace_id = give_back_units.workspace_id and s.is_in_force), clock_timestamp())
  returning q.period_start into credited;
  return credited;
end
$$;
comment on function analytics_private.give_back_units(uuid, text, bigint, timestamptz) is
  'gives units back that were taken in the period that began then, and returns it; null, and nothing happens, when it is over';

-- ---------------------------------------------------------------------------------------------------------------------
-- Reading

-- Definer: seats and accounts are counted whatever of them the caller may see; it checks the caller itself.
create or replace function analytics_private.quotas(workspace_id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  asked constant uuid := analytics_private.paying_workspace(analytics_private.require_user(), quotas.workspace_id);
  moment constant timestamptz := clock_timestamp();
  plan constant analytics.plans := analytics_private.plan_of(asked);
  anchor constant timestamptz := analytics_private.quota_anchor(asked);
begin
  return jsonb_build_object(
    'workspace_id', asked,
    'plan', plan.name,
    'status', (select s.status from analytics.subscriptions s where s.workspace_id = asked),
    'period', jsonb_build_object('from', analytics_private.period_start(anchor, moment), 'to', analytics_private.period_end(anchor, moment)),
    'seats', jsonb_build_object('limit', plan.seats,
      'used', analytics_private.seats_used(asked)),
    'connected_accounts', jsonb_build_object('limit', plan.connected_accounts, 'used', analytics_private.accounts_used(asked))
  ) || (
    select jsonb_object_agg(r.resource, jsonb_build_object('limit', q.allowed, 'used', q.used, 'remaining', q.remaining, 'resets_at', q.resets_at))
    from unnest(array['posts', 'profile_unlocks', 'ai_generations']) r (resource),
      lateral analytics_private.quota_state(asked, r.resource, moment) q);
end
$$;

create or replace function analytics.quotas(workspace_id uuid default null) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.quotas(quotas.workspace_id);
end
$$;
comment on function analytics.quotas(uuid) is
$$what a workspace may use, has used, and when that begins anew
workspace_id: one of the caller's; default: his own. A limit of null is no limit, and then remaining is null too.
Returns {workspace_id, plan, status (of the subscription, null without one), period: {from, to}, posts, profile_unlocks, ai_generations: {limit, used, remaining, resets_at}, seats, connected_accounts: {limit, used}}.
Errors: UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such workspace among the caller's).
Example: select analytics.quotas() -> 'posts' ->> 'remaining'$$;

-- The same truth in the columns the documents name. A user's plan is that of his default workspace.
create or replace view analytics.user_info with (security_invoker = true) as
  select u.id as user_id, p.name as plan_type, p.posts_per_month as monthly_post_quota,
    -- Not greatest(): that makes 0 of a null.
    case when q.period_start < t.period_start or q.used is null then p.posts_per_month
         when q.used > p.posts_per_month then 0 else p.posts_per_month - q.used end as remaining_posts,
    s.stripe_subscription_id as subscription_id, s.status as subscription_status,
    coalesce(s.ended_at, s.current_period_end) as subscription_end_date,
    greatest(t.period_start, q.period_start) as last_quota_reset, u.preferences, u.created_at, u.updated_at
  from analytics.users u
  left join analytics.subscriptions s on s.workspace_id = u.default_workspace_id
  join analytics.plans p on p.name = case when s.is_in_force then s.plan_name else 'free' end
  cross join lateral analytics_private.period_start(case when s.is_in_force then s.anchor_at end, statement_timestamp()) as t (period_start)
  left join analytics.quota_counters q on q.workspace_id = u.default_workspace_id and q.resource = 'posts'
  where u.status <> 'deleted';
comment on view analytics.user_info is 'plan, post quota and preferences of a user, as of his default workspace; nobody writes it';
comment on column analytics.user_info.monthly_post_quota is 'null without limit, and then remaining_posts is null too';
comment on column analytics.user_info.subscription_end_date is 'when the subscription ended; while it runs, to when it is paid';
comment on column analytics.user_info.last_quota_reset is 'start of the running quota period';

-- Definer: operators have no right on the counters.
create or replace function analytics_private.reset_quotas() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  moment constant timestamptz := clock_timestamp();
  calendar_month constant timestamptz := analytics_private.period_start(null, moment);
  written bigint;
begin
  -- Waits for nobody: a counter that is just being charged is brought up to date by that.
  with stale as materialized (
    select q.workspace_id, q.resource, case when s.is_in_force then analytics_private.period_start(s.anchor_at, moment) else calendar_month end as period_start
    from analytics.quota_counters q left join analytics.subscriptions s on s.workspace_id = q.workspace_id
    where q.period_start < case when s.is_in_force then analytics_private.period_start(s.anchor_at, moment) else calendar_month end
    for no key update of q skip locked
  )
  update analytics.quota_counters q set period_start = s.period_start, used = 0
  from stale s where q.workspace_id = s.workspace_id and q.resource = s.resource;
  get diagnostics written = row_count;
  return written;
end
$$;
comment on function analytics_private.reset_quotas() is
  'brings counters of periods that are over up to date, for whoever reports from the table (operators); the number of rows written. Nobody''s quota depends on it';
