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
    payment is not distinct from case when payment_period is not null then 'quota' when credit_transaction_id is not null then 'credits' end
    and (payment_period is null or credit_transaction_id is null))
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

-- Notes and tags may name observed people, whom erase_person() must be able to remove.
select analytics_private.audit_changes('analytics.user_favorites', 'user_favorite', id_column => 'user_id', workspace_column => null, masked => '{notes,tags}');

drop policy if exists "users read their own favourites" on analytics.user_favorites;
create policy "users read their own favourites" on analytics.user_favorites for select to authenticated
  using (user_id = (select analytics_private.user_id()));

-- ---------------------------------------------------------------------------------------------------------------------
-- user_searches: monthly partitions in the private schema

-- Lists as arrays: PostgreSQL reads the expression of a check anew at each statement, and this one is of every unlock.
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
  constraint user_searches_type_known check (analysis_type = any
    ('{unlock,search,refresh,basic,comprehensive,detailed,quick,full,force_refresh}'::text[])),
  constraint user_searches_source_known check (data_source = any ('{fresh_fetch,database_cache,api_fallback}'::text[]))
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
