-- What a user did with observed profiles: windows, favourites, searches.

-- ---------------------------------------------------------------------------------------------------------------------
-- user_profile_access: the windows; only analytics_private.unlock_profile writes them

create table if not exists analytics.user_profile_access (
  id uuid not null,
  user_id uuid not null,
  profile_id uuid not null,
  workspace_id uuid not null,
  granted_at timestamptz not null,
  expires_at timestamptz not null,
  payment varchar(10),
  payment_period timestamptz,
  credit_transaction_id uuid,
  created_at timestamptz not null default now(),
  constraint user_profile_access_pkey primary key (id),
  -- The policy of every observed table probes this key; granted_at and expires_at ride along so that it reads no heap page.
  constraint user_profile_access_once unique (user_id, profile_id) include (granted_at, expires_at),
  constraint user_profile_access_user_fkey foreign key (user_id) references analytics.users (id),
  constraint user_profile_access_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete cascade,
  constraint user_profile_access_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint user_profile_access_credits_fkey foreign key (workspace_id, credit_transaction_id) references analytics.credit_transactions (workspace_id, id),
  constraint user_profile_access_window check (granted_at < expires_at),
  constraint user_profile_access_payment check (
    (payment_period is not null, credit_transaction_id is not null)
      = (coalesce(payment = 'quota', false), coalesce(payment = 'credits', false)) and payment in ('quota', 'credits'))
);
alter table analytics.user_profile_access alter column id set default analytics.uuidv7();
create index if not exists user_profile_access_profile on analytics.user_profile_access (profile_id);
create index if not exists user_profile_access_workspace on analytics.user_profile_access (workspace_id, credit_transaction_id);
create index if not exists user_profile_access_expires_at on analytics.user_profile_access (expires_at);
alter table analytics.user_profile_access enable row level security;
comment on table analytics.user_profile_access is 'windows [granted_at, expires_at) in which a user may read a profile';
comment on column analytics.user_profile_access.workspace_id is 'the workspace that paid; the window itself is the user''s alone';
comment on column analytics.user_profile_access.payment is 'quota: a unit of profile_unlocks; credits: the price of unlock_profile; null: nothing was taken';
comment on column analytics.user_profile_access.payment_period is 'start of the quota period that was charged';

drop policy if exists "users read their own windows" on analytics.user_profile_access;
create policy "users read their own windows" on analytics.user_profile_access for select to authenticated
  using (user_id = (select analytics_private.user_id()));

-- ---------------------------------------------------------------------------------------------------------------------
-- user_favorites

create table if not exists analytics.user_favorites (
  id uuid not null,
  user_id uuid not null,
  profile_id uuid not null,
  added_at timestamptz not null default now(),
  notes text,
  tags text[] not null default '{}',
  constraint user_favorites_pkey primary key (id),
  constraint user_favorites_once unique (user_id, profile_id),
  constraint user_favorites_user_fkey foreign key (user_id) references analytics.users (id),
  constraint user_favorites_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete cascade,
  constraint user_favorites_notes_length check (length(notes) <= 5000),
  constraint user_favorites_tags_bound check (cardinality(tags) <= 50)
);
alter table analytics.user_favorites alter column id set default analytics.uuidv7();
create index if not exists user_favorites_profile on analytics.user_favorites (profile_id);
create index if not exists user_favorites_added_at on analytics.user_favorites (user_id, added_at desc);
alter table analytics.user_favorites enable row level security;
comment on table analytics.user_favorites is 'profiles a user saved; the mark outlives the window, the data behind it does not';

drop policy if exists "users read their own favourites" on analytics.user_favorites;
create policy "users read their own favourites" on analytics.user_favorites for select to authenticated
  using (user_id = (select analytics_private.user_id()));

-- ---------------------------------------------------------------------------------------------------------------------
-- user_searches: monthly partitions in the private schema

create table if not exists analytics.user_searches (
  id uuid not null,
  user_id uuid not null,
  search_timestamp timestamptz not null default now(),
  instagram_username varchar(255),
  search_query text,
  analysis_type varchar(50) not null,
  search_metadata jsonb not null default '{}',
  search_duration_ms integer,
  data_source text,
  success boolean not null default true,
  error_message text,
  profile_id uuid,
  results_count integer,
  ip_address inet,
  user_agent text,
  constraint user_searches_pkey primary key (user_id, search_timestamp, id),
  constraint user_searches_user_fkey foreign key (user_id) references analytics.users (id),
  constraint user_searches_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete set null (profile_id),
  constraint user_searches_type_known check (analysis_type in
    ('unlock', 'search', 'refresh', 'basic', 'comprehensive', 'detailed', 'quick', 'full', 'force_refresh')),
  constraint user_searches_source_known check (data_source in ('fresh_fetch', 'database_cache', 'api_fallback'))
) partition by range (search_timestamp);
alter table analytics.user_searches alter column id set default analytics.uuidv7();
create index if not exists user_searches_profile on analytics.user_searches (profile_id);
alter table analytics.user_searches enable row level security;
comment on table analytics.user_searches is 'what a user looked for: unlocks, refreshes and searches; partitioned by month of search_timestamp';
comment on column analytics.user_searches.search_duration_ms is 'milliseconds spent in the database';

drop policy if exists "users read their own searches" on analytics.user_searches;
create policy "users read their own searches" on analytics.user_searches for select to authenticated
  using (user_id = (select analytics_private.user_id()));

-- Catches rows of a month whose partition nobody made yet; ensure_partition() moves them out.
create table if not exists analytics_private.user_searches_default partition of analytics.user_searches default;
alter table analytics_private.user_searches_default enable row level security;

create or replace function analytics_private.ensure_partition(parent regclass, moment timestamptz) returns regclass
-- A maker who waits for a long transaction makes everybody behind him wait: better to come back later.
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  -- Months are UTC months, whatever the session's time zone.
  first_day constant timestamp := date_trunc('month', moment at time zone 'UTC');
  from_moment constant timestamptz := first_day at time zone 'UTC';
  to_moment constant timestamptz := (first_day + interval '1 month') at time zone 'UTC';
  parent_name constant name := (select c.relname from pg_catalog.pg_class c where c.oid = parent);
  partition_name constant text := parent_name || to_char(first_day, '_YYYY_MM');
  key_column name;
  made regclass;
begin
  if moment is null or moment < '2000-01-01' or moment >= '2200-01-01' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a partition is made for a month from 2000 to 2199');
  elsif parent is distinct from 'analytics.user_searches'::regclass then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'only analytics.user_searches has partitions');
  end if;
  -- One maker at a time; the second finds the partition made. Not with to_regclass(), which may remember that there was none.
  for attempt in 1..2 loop
    select c.oid::regclass into made from pg_catalog.pg_class c where c.relname = partition_name and c.relnamespace = 'analytics_private'::regnamespace;
    if found then
      return made;
    end if;
    perform analytics_private.take_lock('partitions');
  end loop;
  select a.attname into strict key_column
  from pg_catalog.pg_partitioned_table p join pg_catalog.pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
  where p.partrelid = parent;

  -- Attaching takes this lock anyway; taken now, no row can enter the default partition between moving and attaching.
  execute format('lock table analytics_private.%I in access exclusive mode', parent_name || '_default');
  execute format('create table analytics_private.%I (like %s including defaults including constraints)', partition_name, parent);
  execute format('alter table analytics_private.%I enable row level security', partition_name);
  execute format('with moved as (delete from analytics_private.%I where %I >= $1 and %2$I < $2 returning *) insert into analytics_private.%3$I select * from moved',
    parent_name || '_default', key_column, partition_name) using from_moment, to_moment;
  execute format('alter table %s attach partition analytics_private.%I for values from (%L) to (%L)', parent, partition_name, from_moment, to_moment);
  return format('analytics_private.%I', partition_name)::regclass;
end
$$;
comment on function analytics_private.ensure_partition(regclass, timestamptz) is
  'the monthly partition of a table for a moment, made now if missing; rows waiting in the default partition move into it. Gives up with 55P03 after two seconds of waiting for a lock';

create or replace function analytics_private.ensure_partitions() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  before constant bigint := (select count(*) from pg_catalog.pg_inherits);
begin
  -- Counted without a zone: a month added in the session's zone may end in the wrong month of UTC.
  perform analytics_private.ensure_partition('analytics.user_searches', m at time zone 'UTC')
  from generate_series(date_trunc('month', now() at time zone 'UTC'),
    (now() at time zone 'UTC') + make_interval(months => analytics_private.setting_integer('partitions_ahead')), interval '1 month') as m;
  -- Months that already have rows in the default partition, from before or after the ones made ahead.
  perform analytics_private.ensure_partition('analytics.user_searches', m)
  from (select distinct date_trunc('month', d.search_timestamp at time zone 'UTC') at time zone 'UTC' as m
        from analytics_private.user_searches_default d
        where d.search_timestamp >= '2000-01-01' and d.search_timestamp < '2200-01-01') waiting;
  return ((select count(*) from pg_catalog.pg_inherits) - before)::integer;
end
$$;

select analytics_private.ensure_partitions();

create or replace function analytics_private.record_search(
  user_id uuid, analysis_type text, instagram_username text default null, search_query text default null, profile_id uuid default null,
  data_source text default null, results_count integer default null, success boolean default true, error_message text default null
) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into analytics.user_searches (user_id, analysis_type, instagram_username, search_query, profile_id, data_source, results_count,
    success, error_message, search_duration_ms, ip_address, user_agent)
  values (record_search.user_id, record_search.analysis_type, record_search.instagram_username, record_search.search_query,
    record_search.profile_id, record_search.data_source, record_search.results_count, record_search.success, record_search.error_message,
    extract(epoch from clock_timestamp() - statement_timestamp()) * 1000, analytics_private.request_ip()::inet,
    analytics_private.request_user_agent());
end
$$;

create or replace view analytics.search_history with (security_invoker = true) as
  select s.id, s.profile_id, coalesce(s.search_query, s.instagram_username) as search_query, s.search_timestamp, s.user_agent,
         host(s.ip_address) as ip_address, 'profile'::varchar(50) as search_type, s.results_count, s.search_duration_ms, s.user_id
  from analytics.user_searches s
  where s.profile_id is not null;
comment on view analytics.search_history is 'the rows of user_searches that concern one profile';
