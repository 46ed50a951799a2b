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

drop policy if exists "everyone reads the plans" on analytics.plans;
create policy "everyone reads the plans" on analytics.plans for select to anon, authenticated using (true);

-- ---------------------------------------------------------------------------------------------------------------------
-- subscriptions: one row a workspace that ever had one; none is the free plan

create table if not exists analytics.subscriptions (
  workspace_id uuid not null,
  plan_name varchar(50) not null,
  status varchar(20) not null,
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
  where s.workspace_id = plan_of.workspace_id and s.status in ('trialing', 'active', 'past_due');
  if not found then
    select p.* into plan from analytics.plans p where p.name = 'free';
  end if;
  return plan;
end
$$;
comment on function analytics_private.plan_of(uuid) is 'the plan whose limits hold for a workspace';

create or replace function analytics_private.plan_limit(workspace_id uuid, resource text) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  plan constant analytics.plans := analytics_private.plan_of(plan_limit.workspace_id);
begin
  return case resource
    when 'posts' then plan.posts_per_month
    when 'profile_unlocks' then plan.profile_unlocks
    when 'ai_generations' then plan.ai_generations
    when 'seats' then plan.seats
    when 'connected_accounts' then plan.connected_accounts
  end;
end
$$;
comment on function analytics_private.plan_limit(uuid, text) is
  'how much of a resource the workspace''s plan allows, null without limit: posts, profile_unlocks, ai_generations (a period), seats, connected_accounts (at a time)';
