-- Who follows: people, lists of them as they were imported, and what changed from list to list. Sets of people are stored as
-- the bytes of analytics.follower_set (docs/follower_set.md); null is the empty set, but for keyframe.

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('follower_list_complete_permille', 'integer', '995', '1', '1000', 'a list whose source does not say whether it is complete counts as complete with this many in a thousand of those the platform claims'),
  ('follower_page_people', 'integer', '50000', '1', '200000', 'people in one page of a follower list'),
  ('follower_list_people', 'integer', '20000000', '1', '200000000', 'people in one follower list'),
  ('follower_import_expiry', 'interval', '1 day', '1 minute', '365 days', 'a follower list that was begun longer ago and is not finished is dropped'),
  ('open_follower_imports', 'integer', '20', '1', '10000', 'an account with this many follower lists under way is told RATE_LIMITED')
on conflict (name) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- People

-- The numbers of a workspace's people on a platform. Its row is also the lock of whoever adds people or changes their names.
create table if not exists analytics_private.platform_user_counters (
  workspace_id uuid not null,
  platform varchar(32) not null,
  last_number bigint not null default 0,
  version bigint not null default 0,
  constraint platform_user_counters_pkey primary key (workspace_id, platform),
  constraint platform_user_counters_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id)
);
alter table analytics_private.platform_user_counters enable row level security;
comment on column analytics_private.platform_user_counters.version is 'one more each time the lock is taken: whoever finds it as it was need not look again';

-- No foreign key, check or trigger: each would cost a tenth or more of an import, and only the functions below write here.
create table if not exists analytics.platform_users (
  workspace_id uuid not null,
  number bigint not null,
  alias_of bigint,
  follower_count bigint,
  first_seen_at timestamptz not null,
  named_at timestamptz,
  details_at timestamptz,
  is_verified boolean,
  platform varchar(32) collate "C" not null,
  handle varchar(255) collate "C",
  platform_user_id varchar(255) collate "C",
  full_name varchar(500),
  profile_pic_url text,
  extra_data jsonb,
  constraint platform_users_pkey primary key (workspace_id, platform, number)
);
create unique index if not exists platform_users_handle on analytics.platform_users (workspace_id, platform, handle) where handle is not null;
create unique index if not exists platform_users_platform_user_id on analytics.platform_users (workspace_id, platform, platform_user_id) where platform_user_id is not null;
-- Aliases, and people who were removed on request: every comparison of lists asks for them.
create index if not exists platform_users_nameless on analytics.platform_users (workspace_id, platform, number) where handle is null and platform_user_id is null;
alter table analytics.platform_users enable row level security;
comment on table analytics.platform_users is 'people in imported lists, one row for each (platform, id or handle) a workspace met; the sets of followers hold their numbers';
comment on column analytics.platform_users.number is 'of this workspace and platform, never reused';
comment on column analytics.platform_users.alias_of is 'the number of the same person''s row with his id; then handle and platform_user_id are null here. Stored sets are not rewritten: whoever reads them puts the one number for the other';
comment on column analytics.platform_users.handle is 'the newest known, lower case, without @; null where none is known, somebody else has it now, or the person was removed on request';
comment on column analytics.platform_users.platform_user_id is 'the platform''s id of the person; null when only his handle is known';
comment on column analytics.platform_users.first_seen_at is 'capture time of the list that brought him first';
comment on column analytics.platform_users.named_at is 'capture time of the list that brought the present handle; null: the first list';
comment on column analytics.platform_users.details_at is 'when name, picture, badge and follower count were captured; null: never';
comment on column analytics.platform_users.follower_count is 'his followers at details_at; null when unknown';
comment on column analytics.platform_users.is_verified is 'null when unknown';

drop policy if exists "members read the people of their workspaces" on analytics.platform_users;
create policy "members read the people of their workspaces" on analytics.platform_users for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

create table if not exists analytics.platform_user_handles (
  workspace_id uuid not null,
  number bigint not null,
  seen_until timestamptz not null,
  platform varchar(32) collate "C" not null,
  handle varchar(255) collate "C" not null,
  constraint platform_user_handles_pkey primary key (workspace_id, platform, number, handle),
  constraint platform_user_handles_person_fkey foreign key (workspace_id, platform, number)
    references analytics.platform_users (workspace_id, platform, number) on delete cascade
);
create index if not exists platform_user_handles_handle on analytics.platform_user_handles (workspace_id, platform, handle);
alter table analytics.platform_user_handles enable row level security;
comment on table analytics.platform_user_handles is 'former handles of people';
comment on column analytics.platform_user_handles.seen_until is 'capture time of the first list that showed him with another handle, or the handle with somebody else; of a list that came late: its own';

drop policy if exists "members read former handles in their workspaces" on analytics.platform_user_handles;
create policy "members read former handles in their workspaces" on analytics.platform_user_handles for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

-- ---------------------------------------------------------------------------------------------------------------------
-- Lists under way

create table if not exists analytics_private.follower_imports (
  workspace_id uuid not null,
  id uuid not null,
  social_account_id uuid not null,
  relation varchar(16) not null,
  source varchar(50) not null,
  captured_at timestamptz not null,
  claimed_count bigint,
  is_complete boolean,
  status varchar(16) not null default 'open',
  summary jsonb,
  begun_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint follower_imports_pkey primary key (workspace_id, id),
  constraint follower_imports_account_fkey foreign key (workspace_id, social_account_id)
    references analytics.social_accounts (workspace_id, id) on delete cascade,
  constraint follower_imports_relation_known check (relation in ('followers', 'following')),
  constraint follower_imports_claimed_not_negative check (claimed_count >= 0),
  constraint follower_imports_status_known check (status in ('open', 'finished', 'abandoned')),
  constraint follower_imports_end check ((status = 'open') = (ended_at is null)),
  constraint follower_imports_summary check ((status = 'finished') = (summary is not null))
);
alter table analytics_private.follower_imports alter column id set default analytics.uuidv7();
create index if not exists follower_imports_account on analytics_private.follower_imports (workspace_id, social_account_id);
create index if not exists follower_imports_id on analytics_private.follower_imports (id);
create index if not exists follower_imports_status on analytics_private.follower_imports (status, begun_at);
alter table analytics_private.follower_imports enable row level security;
comment on table analytics_private.follower_imports is 'lists that arrive in pages';
comment on column analytics_private.follower_imports.is_complete is 'what the source said; null: judged by claimed_count';
comment on column analytics_private.follower_imports.summary is 'what finishing it answered, and answers again';

create table if not exists analytics_private.follower_import_pages (
  workspace_id uuid not null,
  import_id uuid not null,
  page integer not null,
  members bytea,
  gone bytea,
  person_count bigint not null,
  removed_count bigint not null default 0,
  followed_at timestamptz[],
  constraint follower_import_pages_pkey primary key (workspace_id, import_id, page),
  constraint follower_import_pages_import_fkey foreign key (workspace_id, import_id)
    references analytics_private.follower_imports (workspace_id, id) on delete cascade,
  constraint follower_import_pages_page_not_negative check (page >= 0)
);
alter table analytics_private.follower_import_pages alter column members set storage external, alter column gone set storage external;
alter table analytics_private.follower_import_pages enable row level security;
comment on column analytics_private.follower_import_pages.gone is 'whom the source names as deactivated or deleted';
comment on column analytics_private.follower_import_pages.person_count is 'how many people the page named';
comment on column analytics_private.follower_import_pages.removed_count is 'how many of them were removed on request, and are in neither set';
comment on column analytics_private.follower_import_pages.followed_at is 'since when each of members follows, in their order; null where the source does not say';

-- ---------------------------------------------------------------------------------------------------------------------
-- Lists as they are kept

create table if not exists analytics.follower_snapshots (
  workspace_id uuid not null,
  social_account_id uuid not null,
  captured_at timestamptz not null,
  confirmed_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  claimed_count bigint,
  fetched_count bigint not null,
  member_count bigint not null,
  gained_count bigint not null default 0,
  found_count bigint not null default 0,
  lost_count bigint not null default 0,
  gone_count bigint not null default 0,
  not_seen_count bigint not null default 0,
  returned_count bigint not null default 0,
  is_complete boolean not null,
  in_chain boolean not null,
  completeness numeric,
  relation varchar(16) collate "C" not null,
  source varchar(50) not null,
  list_digest bytea not null,
  gained bytea,
  found bytea,
  lost bytea,
  gone bytea,
  not_seen bytea,
  returned bytea,
  keyframe bytea,
  followed_at timestamptz[],
  constraint follower_snapshots_pkey primary key (workspace_id, social_account_id, relation, captured_at),
  constraint follower_snapshots_account_fkey foreign key (workspace_id, social_account_id)
    references analytics.social_accounts (workspace_id, id) on delete cascade,
  constraint follower_snapshots_relation_known check (relation in ('followers', 'following')),
  constraint follower_snapshots_completeness_share check (completeness between 0 and 1),
  constraint follower_snapshots_confirmed_later check (confirmed_at >= captured_at),
  constraint follower_snapshots_history_whole check (in_chain or keyframe is not null)
);
alter table analytics.follower_snapshots
  alter column gained set storage external, alter column found set storage external, alter column lost set storage external,
  alter column gone set storage external, alter column not_seen set storage external, alter column returned set storage external,
  alter column keyframe set storage external;
alter table analytics.follower_snapshots enable row level security;
comment on table analytics.follower_snapshots is
  'imported lists: what each changed, and now and then all who are believed to follow after it. After a list that is in the chain that is (all before | gained | found) - lost - gone, beginning with the newest keyframe';
comment on column analytics.follower_snapshots.relation is 'followers: who follows the account; following: whom it follows';
comment on column analytics.follower_snapshots.captured_at is 'when the list was true';
comment on column analytics.follower_snapshots.confirmed_at is 'when the same list was captured last; captured_at if it came once';
comment on column analytics.follower_snapshots.claimed_count is 'how many the platform said there are; null when it did not';
comment on column analytics.follower_snapshots.fetched_count is 'how many people the list names, those who were removed on request included';
comment on column analytics.follower_snapshots.completeness is 'fetched_count / claimed_count, at most 1; null when that is unknown';
comment on column analytics.follower_snapshots.is_complete is 'whether who is not in the list no longer follows';
comment on column analytics.follower_snapshots.in_chain is 'false: older than the newest list when it came; kept whole in keyframe, changes nothing after it';
comment on column analytics.follower_snapshots.member_count is 'how many are believed to follow after this list';
comment on column analytics.follower_snapshots.gained is 'in this list and not known as following, after a complete list: new followers';
comment on column analytics.follower_snapshots.found is 'in this list and not known as following, before any complete list had come: nobody can say since when';
comment on column analytics.follower_snapshots.lost is 'known as following, and not in this complete list: unfollowers';
comment on column analytics.follower_snapshots.gone is 'known as following, and deactivated or deleted as the source says, or removed here on request';
comment on column analytics.follower_snapshots.not_seen is 'known as following, and not in this incomplete list; they stay';
comment on column analytics.follower_snapshots.returned is 'those of gained who had been lost or gone before';
comment on column analytics.follower_snapshots.keyframe is
  'all who are believed to follow after this list; null where the newest one before and the deltas since say it. A list of the chain has one if it is the first, if the deltas since the last weigh as much as it, and if somebody before it has become an alias';
comment on column analytics.follower_snapshots.followed_at is 'since when each of gained (or found) follows, by ascending number, where the source says it; null otherwise';
comment on column analytics.follower_snapshots.list_digest is 'SHA-256 of the list: the same list again is the same snapshot';

drop policy if exists "members read the follower lists of their workspaces" on analytics.follower_snapshots;
create policy "members read the follower lists of their workspaces" on analytics.follower_snapshots for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

-- What else an account's export brings, kept as it came.
create table if not exists analytics_private.account_documents (
  workspace_id uuid not null,
  id uuid not null,
  social_account_id uuid not null,
  name varchar(255) not null,
  digest bytea not null,
  captured_at timestamptz not null,
  received_at timestamptz not null default now(),
  document json not null,
  constraint account_documents_pkey primary key (workspace_id, id),
  constraint account_documents_once unique (workspace_id, social_account_id, digest),
  constraint account_documents_account_fkey foreign key (workspace_id, social_account_id)
    references analytics.social_accounts (workspace_id, id) on delete cascade
);
alter table analytics_private.account_documents alter column id set default analytics.uuidv7();
alter table analytics_private.account_documents enable row level security;
comment on column analytics_private.account_documents.digest is 'SHA-256 of the document''s text';

-- ---------------------------------------------------------------------------------------------------------------------
-- People who were removed on request

create or replace function analytics_private.person_hash(platform text, kind text, value text) returns bytea
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  -- Of Instagram as erase_person() knows them.
  select analytics_private.subject_hash(case person_hash.platform when 'instagram' then kind else person_hash.platform || ' ' || kind end, value)
$$;

create or replace function analytics_private.is_removed(platform text, handle text, platform_user_id text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from analytics_private.erased_people e where e.subject_hash in (
    analytics_private.person_hash(is_removed.platform, 'username', is_removed.handle), analytics_private.person_hash(is_removed.platform, 'id', is_removed.platform_user_id)));
end
$$;

-- The caller holds the lock on erased_people: a page that is just being stored is there already, and the next meets the list.
create or replace function analytics_private.erase_followers(platform text, handles text[], platform_user_ids text[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  n bigint;
begin
  create temporary table if not exists erased_numbers () on commit drop;
  return n;
end
$$;
