-- Who follows: people, lists of them as they were imported, and what changed from list to list. Sets of people are stored as
-- the bytes of analytics.follower_set (docs/follower_set.md); null is the empty set, but for keyframe.

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('follower_list_complete_permille', 'integer', '995', '1', '1000', 'a list whose source does not say whether it is complete counts as complete with this many in a thousand of those the platform claims'),
  ('follower_page_people', 'integer', '50000', '1', '200000', 'people in one page of a follower list'),
  ('follower_list_people', 'integer', '20000000', '1', '200000000', 'people in one follower list'),
  ('followers_per_workspace', 'integer', '100000000', '1', '2000000000', 'people of one platform in the follower lists of one workspace'),
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
  -- In this order: with the platform second the planner, while the table has no statistics, takes this index for as good as the one
  -- below when it looks for a handle, and reads all of it for each.
  constraint platform_users_pkey primary key (workspace_id, number, platform)
);
-- The platform last, too: it is the same for nearly all, and would be compared at each step down.
create unique index if not exists platform_users_handle on analytics.platform_users (workspace_id, handle, platform) where handle is not null;
create unique index if not exists platform_users_platform_user_id on analytics.platform_users (workspace_id, platform_user_id, platform) where platform_user_id is not null;
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
  followed_at bytea,
  constraint follower_import_pages_pkey primary key (workspace_id, import_id, page),
  constraint follower_import_pages_import_fkey foreign key (workspace_id, import_id)
    references analytics_private.follower_imports (workspace_id, id) on delete cascade,
  constraint follower_import_pages_page_not_negative check (page >= 0)
);
alter table analytics_private.follower_import_pages alter column members set storage external, alter column gone set storage external, alter column followed_at set storage external;
alter table analytics_private.follower_import_pages enable row level security;
comment on column analytics_private.follower_import_pages.gone is 'whom the source names as deactivated or deleted';
comment on column analytics_private.follower_import_pages.person_count is 'how many people the page named';
comment on column analytics_private.follower_import_pages.removed_count is 'how many of them were removed on request, and are in neither set';
comment on column analytics_private.follower_import_pages.followed_at is 'since when each of members follows, packed by analytics_private.pack_times(); null where the source does not say';

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
comment on column analytics.follower_snapshots.followed_at is 'since when each of gained (or found) follows, by ascending number, where the source says it and the list has at most five million people; null otherwise';
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
-- From names to numbers

-- Waits for whoever else adds people on this platform or changes their names, until the transaction ends. Written, not only locked:
-- a REPEATABLE READ transaction that waited would else decide by its old snapshot; so it fails with 40001.
create or replace function analytics_private.lock_people(workspace_id uuid, platform text, out version bigint, out last_number bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  insert into analytics_private.platform_user_counters as c (workspace_id, platform, version) values (lock_people.workspace_id, lock_people.platform, 1)
  on conflict on constraint platform_user_counters_pkey do update set version = c.version + 1
  returning c.version, c.last_number into lock_people.version, lock_people.last_number;
end
$$;

create or replace function analytics_private.person_hash(platform text, kind text, value text) returns bytea
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  -- Those of Instagram as erase_person() has always hashed them.
  select analytics_private.subject_hash(case person_hash.platform when 'instagram' then kind else person_hash.platform || ' ' || kind end, value)
$$;

create or replace function analytics_private.is_removed(platform text, handle text, platform_user_id text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from analytics_private.erased_people e where e.subject_hash in (
    analytics_private.person_hash(is_removed.platform, 'username', is_removed.handle), analytics_private.person_hash(is_removed.platform, 'id', is_removed.platform_user_id)));
end
$$;

-- Every look-up below is by a key, in the order of its index, which read_people() gives. Where a page is a good part of the table, or
-- the table has no statistics yet, the planner would rather scan it; and a plan made while it was empty must not be kept while it
-- grows: hence the settings of these two functions. Where the statistics are of a workspace that was small until now, the primary
-- key's first two columns cost it no more than the index of the handle, and each look-up would read the whole workspace: hence
-- "between", "order by" and no sorting, which only that index can serve.

-- For people whose number is not plain, under the lock. By id first, else the present holder of the handle. Who comes with an id
-- and a handle takes the handle, unless a list newer than this one gave it to its holder, or him another, or the list is late: then
-- it is a former handle of his. A row known by that handle alone gets the id, or becomes an alias where the id has a row. Gives the numbers that
-- are there now; whoever has none is new. Of the new, former_of (where they stand) and former say who has only a former handle.
create or replace function analytics_private.settle_people(
  workspace_id uuid, platform text, captured_at timestamptz, is_late boolean, platform_user_ids text[], inout handles text[], inout numbers bigint[],
  out former_of bigint[], out former text[]
) language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off set enable_memoize = off set plan_cache_mode = force_custom_plan set jit = off as $$
#variable_conflict use_column
declare
  place constant uuid := settle_people.workspace_id;
  known record;
  denied bigint;
begin
  -- o: where he stands; id_…: the row with the id; name_…: the row with the handle; was_number: whose the handle was then.
  select array_agg(n.o order by n.o) as o, array_agg(n.handle order by n.o) as handle, array_agg(n.id order by n.o) as id,
    array_agg(i.number order by n.o) as id_number, array_agg(i.handle order by n.o) as id_handle,
    array_agg(h.number order by n.o) as name_number, array_agg(h.platform_user_id order by n.o) as name_id, array_agg(w.number order by n.o) as was_number,
    array_agg(n.id is not null and n.handle is not null
      and (i.handle is null or not settle_people.is_late and coalesce(i.named_at, i.first_seen_at) <= settle_people.captured_at)
      and (h.platform_user_id is null or not settle_people.is_late and coalesce(h.named_at, h.first_seen_at) <= settle_people.captured_at) order by n.o) as takes
  into known
  from unnest(settle_people.handles, settle_people.platform_user_ids, settle_people.numbers) with ordinality n (handle, id, number, o)
    left join lateral (select x.* from analytics.platform_users x where x.workspace_id = place and x.platform_user_id between n.id and n.id
          and x.platform = settle_people.platform order by x.workspace_id, x.platform_user_id, x.platform limit 1) i on true
    left join lateral (select x.* from analytics.platform_users x where x.workspace_id = place and x.handle between n.handle and n.handle
          and x.platform = settle_people.platform order by x.workspace_id, x.handle, x.platform limit 1) h on true
    left join lateral (
      select f.number from analytics.platform_user_handles f
      where f.workspace_id = place and f.platform = settle_people.platform and f.handle = n.handle and f.seen_until >= settle_people.captured_at
      order by f.seen_until limit 1) w on n.id is null
  where n.number is null;

  -- Who stands in this page by a handle that its holder gives up in it is somebody else.
  settle_people.numbers := array(
    select case when n.id is null and n.number in (
        select x.number from unnest(known.id_number, known.id_handle, known.takes) as x (number, handle, takes) where x.takes and x.handle is not null) then null else n.number end
    from unnest(settle_people.numbers, settle_people.platform_user_ids) with ordinality n (number, id, o) order by n.o);

  -- First everybody lets go of his handle: two may have changed theirs for each other's.
  insert into analytics.platform_user_handles as f (workspace_id, platform, number, handle, seen_until)
  select distinct place, settle_people.platform, x.number, x.handle, settle_people.captured_at
  from unnest(known.handle, known.id, known.id_number, known.id_handle, known.name_number, known.name_id, known.takes)
      as n (handle, id, id_number, id_handle, name_number, name_id, takes),
    lateral (values (n.id_number, n.id_handle, n.takes), (n.name_number, n.handle, n.takes and n.name_id is not null),
                    (n.id_number, n.handle, not n.takes and n.id is not null)) x (number, handle, is_former)
  where x.is_former and x.number is not null and x.handle is not null
  on conflict on constraint platform_user_handles_pkey do update set seen_until = greatest(f.seen_until, excluded.seen_until);
  update analytics.platform_users u set handle = null, alias_of = n.alias_of
  from (
    select n.id_number as number, null::bigint as alias_of from unnest(known.id_number, known.id_handle, known.takes) as n (id_number, id_handle, takes)
    where n.takes and n.id_handle is not null
    union
    select n.name_number, case when n.name_id is null then n.id_number end
    from unnest(known.id_number, known.name_number, known.name_id, known.takes) as n (id_number, name_number, name_id, takes)
    where n.takes and n.name_number is not null and (n.name_id is not null or n.id_number is not null)
  ) n
  where u.workspace_id = place and u.platform = settle_people.platform and u.number = n.number;

  update analytics.platform_users u set handle = n.handle, named_at = settle_people.captured_at
  from unnest(known.handle, known.id_number, known.takes) as n (handle, number, takes)
  where u.workspace_id = place and u.platform = settle_people.platform and u.number = n.number and n.takes;
  delete from analytics.platform_user_handles f
  using unnest(known.handle, known.id_number, known.takes) as n (handle, number, takes)
  where f.workspace_id = place and f.platform = settle_people.platform and f.number = n.number and f.handle = n.handle and n.takes;
  update analytics.platform_users u set platform_user_id = n.id
  from unnest(known.id, known.id_number, known.name_number, known.name_id, known.takes) as n (id, id_number, number, name_id, takes)
  where u.workspace_id = place and u.platform = settle_people.platform and u.number = n.number and n.takes and n.id_number is null and n.name_id is null;

  for denied in
    select n.place from unnest(known.handle, known.id, known.id_number, known.takes) with ordinality n (handle, id, id_number, takes, place)
    where not n.takes and n.id is not null and n.handle is not null and n.id_number is null
  loop
    former_of := former_of || known.o[denied];
    former := former || known.handle[denied];
    handles[known.o[denied]] := null;
  end loop;
  settle_people.numbers := (
    select array_agg(r.number order by r.o) from (
      select x.o, max(x.number) as number from (
        select n.o, n.number from unnest(settle_people.numbers) with ordinality n (number, o)
        union all
        select n.o, case when n.id is null then coalesce(n.was_number, n.name_number) when n.takes and n.name_id is null then coalesce(n.id_number, n.name_number) else n.id_number end
        from unnest(known.o, known.id, known.id_number, known.name_number, known.name_id, known.was_number, known.takes)
          as n (o, id, id_number, name_number, name_id, was_number, takes)
      ) x group by x.o) r);
end
$$;

create or replace function analytics_private.newest_list(workspace_id uuid, social_account_id uuid, relation text) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return (select s.confirmed_at from analytics.follower_snapshots s
          where s.workspace_id = newest_list.workspace_id and s.social_account_id = newest_list.social_account_id and s.relation = newest_list.relation and s.in_chain
          order by s.captured_at desc limit 1);
end
$$;
comment on function analytics_private.newest_list(uuid, uuid, text) is 'when the newest list of an account was captured last; null before the first. What is older is late';

-- Stores a page of a list: the people of read_people(), each once. Looks them up without a lock; only when somebody is new or has
-- another name it takes the lock, and looks again if others had it in between.
create or replace function analytics_private.store_people(
  import analytics_private.follower_imports, platform text, page integer, handles text[], platform_user_ids text[], followed_at timestamptz[],
  is_gone boolean[], full_names text[], profile_pic_urls text[], verified boolean[], follower_counts bigint[], extra_data text[]
) returns integer language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off set enable_memoize = off set plan_cache_mode = force_custom_plan set jit = off as $$
#variable_conflict use_column
declare
  place constant uuid := import.workspace_id;
  at constant timestamptz := import.captured_at;
  -- Where a newer list has come already, a handle may have been another's then.
  is_late constant boolean := coalesce(at < analytics_private.newest_list(place, import.social_account_id, import.relation), false);
  people constant integer := coalesce(cardinality(handles), cardinality(platform_user_ids), 0);
  removed bigint[];
  seen_version bigint;
  counter record;
  -- Where each stands in handles and platform_user_ids, 0 of whom was removed.
  numbers bigint[];
  unknown bigint := 0;
  former_of bigint[];
  former text[];
  present analytics.follower_set;
begin
  -- Reading this table is also the lock that erase_person() waits for, and holds against everybody once it has it.
  if exists (select from analytics_private.erased_people) then
    removed := array(select n.o from unnest(store_people.handles, store_people.platform_user_ids) with ordinality n (handle, id, o)
      where analytics_private.is_removed(store_people.platform, n.handle, n.id));
    for i in 1 .. cardinality(removed) loop
      if handles is not null then
        handles[removed[i]] := null;
      end if;
      if platform_user_ids is not null then
        platform_user_ids[removed[i]] := null;
      end if;
    end loop;
  end if;

  select c.version into seen_version from analytics_private.platform_user_counters c where c.workspace_id = place and c.platform = store_people.platform;
  for look in 1..2 loop
    exit when people = 0;
    if platform_user_ids is null then
      select array_agg(case when n.handle is null then 0 else u.number end order by n.o), count(*) filter (where u.number is null and n.handle is not null) into numbers, unknown
      from unnest(store_people.handles) with ordinality n (handle, o)
        left join lateral (select x.* from analytics.platform_users x where x.workspace_id = place and x.handle between n.handle and n.handle
          and x.platform = store_people.platform order by x.workspace_id, x.handle, x.platform limit 1) u
          on not is_late or coalesce(u.named_at, u.first_seen_at) <= at;
    else
      select array_agg(case when n.handle is null and n.id is null then 0 else coalesce(i.number, u.number) end order by n.o),
        count(*) filter (where i.number is null and u.number is null and (n.handle is not null or n.id is not null)) into numbers, unknown
      from unnest(store_people.handles, store_people.platform_user_ids) with ordinality n (handle, id, o)
        left join lateral (select x.* from analytics.platform_users x where x.workspace_id = place and x.platform_user_id between n.id and n.id
          and x.platform = store_people.platform order by x.workspace_id, x.platform_user_id, x.platform limit 1) i
          on n.handle is null or i.handle = n.handle
        left join lateral (select x.* from analytics.platform_users x where x.workspace_id = place and x.handle between case when n.id is null then n.handle end and case when n.id is null then n.handle end
          and x.platform = store_people.platform order by x.workspace_id, x.handle, x.platform limit 1) u
          on not is_late or coalesce(u.named_at, u.first_seen_at) <= at;
    end if;
    exit when unknown = 0 or look = 2;
    select * into counter from analytics_private.lock_people(place, store_people.platform);
    exit when counter.version = coalesce(seen_version, 0) + 1;
  end loop;

  if unknown > 0 then
    if platform_user_ids is not null or is_late then
      select s.handles, s.numbers, s.former_of, s.former into handles, numbers, former_of, former
      from analytics_private.settle_people(place, store_people.platform, at, is_late, platform_user_ids, handles, numbers) s;
    end if;
    numbers := analytics_private.number_new(numbers, counter.last_number);
    -- People of pages that were replaced or dropped stay; without an end they would be room for anything.
    if (select max(n.number) from unnest(numbers) n (number)) > greatest(counter.last_number, analytics_private.setting_integer('followers_per_workspace')) then
      perform analytics_private.raise_error('VALIDATION_ERROR', format('the workspace has met more than %s people on this platform', analytics_private.setting_integer('followers_per_workspace')),
        'an operator can raise the setting followers_per_workspace', '{"field": "people"}');
    end if;
    if num_nonnulls(full_names, profile_pic_urls, verified, follower_counts, extra_data) = 0 then
      insert into analytics.platform_users (workspace_id, platform, number, handle, platform_user_id, first_seen_at)
      select place, store_people.platform, n.number, n.handle, n.id, at
      from unnest(numbers, store_people.handles, store_people.platform_user_ids) as n (number, handle, id) where n.number > counter.last_number;
    else
      insert into analytics.platform_users (workspace_id, platform, number, handle, platform_user_id, first_seen_at,
        full_name, profile_pic_url, is_verified, follower_count, extra_data, details_at)
      select place, store_people.platform, n.number, n.handle, n.id, at, n.full_name, n.profile_pic_url, n.is_verified, n.follower_count, n.extra_data::jsonb,
        case when num_nonnulls(n.full_name, n.profile_pic_url, n.is_verified, n.follower_count, n.extra_data) > 0 then at end
      from unnest(numbers, store_people.handles, store_people.platform_user_ids, store_people.full_names, store_people.profile_pic_urls, store_people.verified,
          store_people.follower_counts, store_people.extra_data) as n (number, handle, id, full_name, profile_pic_url, is_verified, follower_count, extra_data)
      where n.number > counter.last_number;
    end if;
    get diagnostics unknown = row_count;
    update analytics_private.platform_user_counters c set last_number = c.last_number + unknown
    where c.workspace_id = place and c.platform = store_people.platform;
    if former_of is not null then
      insert into analytics.platform_user_handles (workspace_id, platform, number, handle, seen_until)
      select place, store_people.platform, numbers[f.o], f.handle, at from unnest(former_of, former) as f (o, handle)
      on conflict on constraint platform_user_handles_pkey do nothing;
    end if;
  end if;

  -- Details of those who have none, and anew of those who were not following before this list: a row written for every follower
  -- and list would cost more than all the rest.
  if num_nonnulls(full_names, profile_pic_urls, verified, follower_counts, extra_data) > 0 then
    present := coalesce(analytics_private.believed_set(place, import.social_account_id, import.relation, 'infinity'), '{}');
    if exists (
      select from unnest(numbers) as n (number)
        join analytics.platform_users p on p.workspace_id = place and p.platform = store_people.platform and p.number = n.number
      where p.details_at is null or p.details_at < at and not analytics.contains(present, p.number))
    then
      perform analytics_private.lock_people(place, store_people.platform);
      update analytics.platform_users p set
        full_name = coalesce(n.full_name, p.full_name), profile_pic_url = coalesce(n.profile_pic_url, p.profile_pic_url),
        is_verified = coalesce(n.is_verified, p.is_verified), follower_count = coalesce(n.follower_count, p.follower_count),
        extra_data = coalesce(n.extra_data::jsonb, p.extra_data), details_at = at
      from unnest(numbers, store_people.full_names, store_people.profile_pic_urls, store_people.verified, store_people.follower_counts, store_people.extra_data)
        as n (number, full_name, profile_pic_url, is_verified, follower_count, extra_data)
      where p.workspace_id = place and p.platform = store_people.platform and p.number = n.number
        and num_nonnulls(n.full_name, n.profile_pic_url, n.is_verified, n.follower_count, n.extra_data) > 0
        and (p.details_at is null or p.details_at < at and not analytics.contains(present, p.number));
    end if;
  end if;

  insert into analytics_private.follower_import_pages as p (workspace_id, import_id, page, person_count, removed_count, members, gone, followed_at)
  select place, import.id, store_people.page, people, coalesce(cardinality(removed), 0),
    analytics.follower_set_agg(n.number) filter (where n.is_gone is not true)::bytea, analytics.follower_set_agg(n.number) filter (where n.is_gone)::bytea,
    analytics_private.pack_times(numbers, store_people.is_gone, store_people.followed_at)
  from unnest(numbers, store_people.is_gone) as n (number, is_gone) where n.number > 0
  on conflict on constraint follower_import_pages_pkey do update set
    person_count = excluded.person_count, removed_count = excluded.removed_count, members = excluded.members, gone = excluded.gone, followed_at = excluded.followed_at;
  if (select sum(p.person_count) from analytics_private.follower_import_pages p where p.workspace_id = place and p.import_id = import.id)
     > analytics_private.setting_integer('follower_list_people') then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('the list is longer than %s people', analytics_private.setting_integer('follower_list_people')),
      'an operator can raise the setting follower_list_people');
  end if;
  return people;
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Lists under way

-- Who is believed to follow after the newest list of the chain at that moment, in the numbers as they are stored; null before the first.
create or replace function analytics_private.believed_set(workspace_id uuid, social_account_id uuid, relation text, moment timestamptz) returns analytics.follower_set
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  base record;
begin
  select s.captured_at, s.keyframe::analytics.follower_set as keyframe into base from analytics.follower_snapshots s
  where s.workspace_id = believed_set.workspace_id and s.social_account_id = believed_set.social_account_id and s.relation = believed_set.relation
    and s.captured_at <= believed_set.moment and s.in_chain and s.keyframe is not null
  order by s.captured_at desc limit 1;
  if not found then
    return null;
  end if;
  -- Of gained and found, one at most is there. Who is lost or gone is not in the list, so in neither of them.
  return coalesce((
    select analytics_private.replay_deltas(base.keyframe, array_agg(coalesce(s.gained, s.found) order by s.captured_at),
      array_agg(case when s.lost is null or s.gone is null then coalesce(s.lost, s.gone)
                else analytics.set_union(s.lost::analytics.follower_set, s.gone::analytics.follower_set)::bytea end order by s.captured_at))
    from analytics.follower_snapshots s
    where s.workspace_id = believed_set.workspace_id and s.social_account_id = believed_set.social_account_id and s.relation = believed_set.relation
      and s.captured_at > base.captured_at and s.captured_at <= believed_set.moment and s.in_chain
    having count(*) > 0), base.keyframe);
end
$$;

-- Numbers that stand for somebody who has another number too, and those of people who were removed on request.
create or replace function analytics_private.aliases(workspace_id uuid, platform text, out from_numbers bigint[], out to_numbers bigint[], out removed analytics.follower_set)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  select coalesce(array_agg(u.number order by u.number) filter (where u.alias_of is not null), '{}'),
    coalesce(array_agg(u.alias_of order by u.number) filter (where u.alias_of is not null), '{}'),
    coalesce(analytics.follower_set_agg(u.number) filter (where u.alias_of is null), '{}')
  into aliases.from_numbers, aliases.to_numbers, aliases.removed
  from analytics.platform_users u
  where u.workspace_id = aliases.workspace_id and u.platform = aliases.platform and u.handle is null and u.platform_user_id is null;
end
$$;

create or replace function analytics_private.abandon_imports(workspace_id uuid, social_account_id uuid) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  n bigint;
begin
  update analytics_private.follower_imports i set status = 'abandoned', ended_at = now()
  where i.workspace_id = abandon_imports.workspace_id and i.social_account_id = abandon_imports.social_account_id and i.status = 'open';
  get diagnostics n = row_count;
  delete from analytics_private.follower_import_pages p using analytics_private.follower_imports i
  where i.workspace_id = abandon_imports.workspace_id and i.social_account_id = abandon_imports.social_account_id and i.status = 'abandoned'
    and p.workspace_id = i.workspace_id and p.import_id = i.id;
  return n;
end
$$;
comment on function analytics_private.abandon_imports(uuid, uuid) is 'drops the lists of an account that are under way';

-- Upkeep: what was begun and left, what ended long ago, and people whom no account refers to any more.
create or replace function analytics_private.purge_followers(max_people integer) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  abandoned bigint;
  people bigint := 0;
  n bigint;
  place record;
begin
  with expired as materialized (
    select i.workspace_id, i.id from analytics_private.follower_imports i
    where i.status = 'open' and i.begun_at < now() - analytics_private.setting_interval('follower_import_expiry') limit 1000 for update skip locked
  ), pages as (
    delete from analytics_private.follower_import_pages p using expired e where p.workspace_id = e.workspace_id and p.import_id = e.id
  )
  update analytics_private.follower_imports i set status = 'abandoned', ended_at = now() from expired e where i.workspace_id = e.workspace_id and i.id = e.id;
  get diagnostics abandoned = row_count;
  delete from analytics_private.follower_imports i using (
    select o.workspace_id, o.id from analytics_private.follower_imports o
    where o.status in ('finished', 'abandoned') and o.ended_at < now() - analytics_private.setting_interval('job_retention') limit 10000 for update skip locked) old
  where i.workspace_id = old.workspace_id and i.id = old.id;

  for place in
    select c.workspace_id, c.platform from analytics_private.platform_user_counters c
    where not exists (select from analytics.social_accounts a where a.workspace_id = c.workspace_id and a.platform = c.platform)
  loop
    exit when people >= max_people;
    -- Who adds an account writes the workspace's row first.
    perform from analytics.workspaces w where w.id = place.workspace_id for no key update skip locked;
    continue when not found or exists (select from analytics.social_accounts a where a.workspace_id = place.workspace_id and a.platform = place.platform);
    perform analytics_private.lock_people(place.workspace_id, place.platform);
    delete from analytics.platform_users u using (
      select o.number from analytics.platform_users o where o.workspace_id = place.workspace_id and o.platform = place.platform limit max_people - people) old
    where u.workspace_id = place.workspace_id and u.platform = place.platform and u.number = old.number;
    get diagnostics n = row_count;
    people := people + n;
    if n = 0 then
      delete from analytics_private.platform_user_counters c where c.workspace_id = place.workspace_id and c.platform = place.platform;
    end if;
  end loop;
  return jsonb_build_object('follower_imports_abandoned', abandoned, 'platform_users', people);
end
$$;
comment on function analytics_private.purge_followers(integer) is
  'abandons follower lists older than follower_import_expiry, forgets ended ones after job_retention, deletes people of platforms on which their workspace has no account any more; maintain() calls it';

-- Two lists of one account are compared one after the other. Written, not only locked: a REPEATABLE READ transaction that waited would
-- compare with an old list; so it fails with 40001. Taken when a list is begun too, as it comes before the lock of people: a transaction
-- that begins, fills and finishes a list would else take the two in the other order.
create or replace function analytics_private.lock_account(workspace_id uuid, account_id uuid) returns analytics.social_accounts
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account analytics.social_accounts;
begin
  update analytics.social_accounts a set updated_at = now() where a.workspace_id = lock_account.workspace_id and a.id = lock_account.account_id returning a.* into account;
  return account;
end
$$;

create or replace function analytics_private.begin_list(
  account analytics.social_accounts, captured_at timestamptz, relation text, source text, claimed_count bigint, is_complete boolean
) returns analytics_private.follower_imports
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  seen_at timestamptz;
  made analytics_private.follower_imports;
begin
  account := analytics_private.lock_account(account.workspace_id, account.id);
  seen_at := coalesce(begin_list.captured_at, clock_timestamp());
  if account.id is null then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such account');
  elsif account.status = 'disconnected' then
    perform analytics_private.raise_error('CONFLICT', 'this account is disconnected', 'add it again with analytics.add_account()');
  elsif begin_list.relation is null or begin_list.relation not in ('followers', 'following') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a list is of followers or following', null, '{"field": "relation"}');
  elsif (begin_list.source ~ '^[a-z][a-z0-9_]{0,49}$') is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the source of a list is a word', 'for example api, instagram_export or manual: up to 50 small letters, digits and underscores', '{"field": "source"}');
  elsif seen_at > clock_timestamp() + interval '5 minutes' or seen_at < '2000-01-01 00:00+00' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a list is captured after 1999 and not in the future', null, '{"field": "captured_at"}');
  elsif begin_list.claimed_count not between 0 and 100000000000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the claimed number is not valid', 'give how many the platform says there are, or null', '{"field": "claimed_count"}');
  end if;
  insert into analytics_private.follower_imports (workspace_id, social_account_id, relation, source, captured_at, claimed_count, is_complete)
  values (account.workspace_id, account.id, begin_list.relation, begin_list.source, seen_at, begin_list.claimed_count, begin_list.is_complete)
  returning * into made;
  return made;
end
$$;

create or replace function analytics_private.check_open_imports(account analytics.social_accounts) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  is_open constant bigint := (select count(*) from analytics_private.follower_imports i
    where i.workspace_id = account.workspace_id and i.social_account_id = account.id and i.status = 'open');
begin
  if is_open >= analytics_private.setting_integer('open_follower_imports') then
    perform analytics_private.raise_error('RATE_LIMITED', format('this account has %s lists under way', is_open), 'finish or abandon them first', '{}', 60);
  end if;
end
$$;

create or replace function analytics_private.refuse_list(problem text, hint text, positions integer[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.raise_error('VALIDATION_ERROR', problem, hint, jsonb_strip_nulls(jsonb_build_object('field', 'people', 'positions', to_jsonb(positions))));
end
$$;

-- The import, locked against being finished meanwhile, if it is open.
create or replace function analytics_private.open_list(workspace_id uuid, import_id uuid, is_last boolean) returns analytics_private.follower_imports
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  list analytics_private.follower_imports;
begin
  if is_last then
    select i.* into list from analytics_private.follower_imports i where i.workspace_id = open_list.workspace_id and i.id = open_list.import_id for no key update;
  else
    select i.* into list from analytics_private.follower_imports i where i.workspace_id = open_list.workspace_id and i.id = open_list.import_id for share;
  end if;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such import in your workspaces', 'begin one with analytics.begin_follower_import()');
  elsif list.status = 'abandoned' or list.status = 'finished' and not is_last then
    perform analytics_private.raise_error('CONFLICT', format('this import is %s', list.status), 'begin a new one with analytics.begin_follower_import()');
  end if;
  return list;
end
$$;

create or replace function analytics_private.add_page(
  list analytics_private.follower_imports, page integer, people text, handles text[], platform_user_ids text[], followed_at timestamptz[]
) returns jsonb language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  platform constant text := (select a.platform from analytics.social_accounts a where a.workspace_id = list.workspace_id and a.id = list.social_account_id);
  read record;
  stored integer;
begin
  if page is null or page not between 0 and 1000000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'pages are counted from 0 or 1', null, '{"field": "page"}');
  elsif num_nonnulls(people, handles, platform_user_ids) = 0 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the page is null', 'an empty page is []', '{"field": "people"}');
  end if;
  select * into read from analytics_private.read_people(platform, analytics_private.setting_integer('follower_page_people'), people, add_page.handles,
    add_page.platform_user_ids, add_page.followed_at);
  if read.problem is not null then
    perform analytics_private.refuse_list(read.problem, read.hint, read.positions);
  end if;
  stored := analytics_private.store_people(list, platform, page, read.handles, read.platform_user_ids, read.followed_at, read.is_gone, read.full_names,
    read.profile_pic_urls, read.verified, read.follower_counts, read.extra_data);
  return jsonb_build_object('import_id', list.id, 'page', page, 'people', stored);
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Comparing

create or replace function analytics_private.snapshot_summary(snapshot analytics.follower_snapshots, is_new boolean) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return jsonb_build_object(
    'account_id', snapshot.social_account_id,
    'snapshot', jsonb_build_object('captured_at', snapshot.captured_at, 'confirmed_at', snapshot.confirmed_at, 'relation', snapshot.relation, 'source', snapshot.source,
      'claimed_count', snapshot.claimed_count, 'fetched_count', snapshot.fetched_count),
    'since', case when snapshot.in_chain then (
      select s.confirmed_at from analytics.follower_snapshots s
      where s.workspace_id = snapshot.workspace_id and s.social_account_id = snapshot.social_account_id and s.relation = snapshot.relation
        and s.captured_at < snapshot.captured_at and s.in_chain order by s.captured_at desc limit 1) end,
    'gained', snapshot.gained_count, 'found', snapshot.found_count, 'lost', snapshot.lost_count, 'gone', snapshot.gone_count, 'not_seen', snapshot.not_seen_count,
    'returned', snapshot.returned_count, 'member_count', snapshot.member_count, 'completeness', snapshot.completeness, 'is_complete', snapshot.is_complete,
    'in_chain', snapshot.in_chain, 'is_new', snapshot_summary.is_new);
end
$$;

create or replace function analytics_private.stored_set(ids analytics.follower_set) returns bytea
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return case when analytics.cardinality(ids) > 0 then ids::bytea end;
end
$$;
comment on function analytics_private.stored_set(analytics.follower_set) is 'a set as follower_snapshots keeps it: null when it is empty';

-- The whole comparison, in one transaction.
create or replace function analytics_private.finish_list(workspace_id uuid, import_id uuid) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  list analytics_private.follower_imports;
  account analytics.social_accounts;
  pages record;
  numbers record;
  newest timestamptz;
  base record;
  same analytics.follower_snapshots;
  made analytics.follower_snapshots;
  is_new boolean := true;
  answer jsonb;
  stored analytics.follower_set;
  before analytics.follower_set;
  listed analytics.follower_set;
  fresh analytics.follower_set;
  gone analytics.follower_set;
  absent analytics.follower_set;
begin
  select i.* into list from analytics_private.follower_imports i where i.workspace_id = finish_list.workspace_id and i.id = finish_list.import_id;
  account := analytics_private.lock_account(list.workspace_id, list.social_account_id);
  list := analytics_private.open_list(finish_list.workspace_id, finish_list.import_id, true);
  if list.status = 'finished' then
    return list.summary;
  elsif account.status = 'disconnected' then
    perform analytics_private.raise_error('CONFLICT', 'this account is disconnected', 'add it again with analytics.add_account()');
  elsif current_setting('transaction_isolation') <> 'read committed' and list.begun_at <> now() then
    -- Begun in another transaction: pages that came after this one's snapshot are not seen, and whom they name would be unfollowers.
    perform analytics_private.raise_error('CONFLICT', 'a list that came in pages is finished in a READ COMMITTED transaction', 'finish it without setting an isolation level');
  end if;

  select count(*) as page_count, min(p.page) as first_page, max(p.page) as last_page, coalesce(sum(p.removed_count), 0) as removed,
    coalesce(analytics.union_agg(p.members::analytics.follower_set), '{}') as members, coalesce(analytics.union_agg(p.gone::analytics.follower_set), '{}') as gone,
    sum(p.person_count) as people, case when bool_or(p.followed_at is not null) then array_agg(p.members) end as sets,
    case when bool_or(p.followed_at is not null) then array_agg(p.followed_at) end as times
  into pages from analytics_private.follower_import_pages p where p.workspace_id = list.workspace_id and p.import_id = list.id;
  if pages.page_count = 0 then
    perform analytics_private.raise_error('CONFLICT', 'no page of this list has come', 'send its pages first; an empty list is one empty page');
  elsif pages.first_page > 1 or pages.last_page - pages.first_page + 1 <> pages.page_count then
    perform analytics_private.raise_error('CONFLICT', 'a page of this list is missing', 'send every page from the first to the last',
      jsonb_build_object('missing', (select jsonb_agg(x.page) from (
        select m.page from generate_series(least(pages.first_page, 1), pages.last_page) m (page)
        where not exists (select from analytics_private.follower_import_pages p where p.workspace_id = list.workspace_id and p.import_id = list.id and p.page = m.page)
        limit 5) x)));
  end if;

  -- One number each; and those who were removed on request are gone, as nobody can say any more whether they follow.
  select * into numbers from analytics_private.aliases(list.workspace_id, account.platform);
  gone := analytics.set_union(analytics_private.remap(pages.gone, numbers.from_numbers, numbers.to_numbers), numbers.removed);
  listed := analytics_private.remap(pages.members, numbers.from_numbers, numbers.to_numbers);
  made.fetched_count := analytics.difference_count(listed, gone) + analytics.intersect_count(listed, numbers.removed) + pages.removed;
  listed := analytics.set_difference(listed, gone);
  made.workspace_id := list.workspace_id;
  made.social_account_id := account.id;
  made.relation := list.relation;
  made.source := list.source;
  made.captured_at := list.captured_at;
  made.confirmed_at := list.captured_at;
  made.recorded_at := clock_timestamp();
  made.claimed_count := list.claimed_count;
  made.completeness := case when list.claimed_count > 0 then least(1, round(made.fetched_count / list.claimed_count::numeric, 4)) end;
  made.is_complete := coalesce(list.is_complete,
    -- Some platforms say 0 for a number that they hide.
    (list.claimed_count > 0 or made.fetched_count = 0) and made.fetched_count * 1000 >= list.claimed_count * analytics_private.setting_integer('follower_list_complete_permille'), false);
  made.list_digest := sha256(listed::bytea);

  newest := analytics_private.newest_list(list.workspace_id, account.id, list.relation);
  made.in_chain := newest is null or list.captured_at > newest;
  stored := analytics_private.believed_set(list.workspace_id, account.id, list.relation, case when made.in_chain then 'infinity' else list.captured_at end);
  before := coalesce(analytics_private.remap(stored, numbers.from_numbers, numbers.to_numbers), '{}');
  gone := analytics.set_intersect(before, gone);

  -- The same list again: that of this very moment, or the last one that was seen before, which is confirmed by that.
  select s.* into same from analytics.follower_snapshots s
  where s.workspace_id = list.workspace_id and s.social_account_id = account.id and s.relation = list.relation and s.captured_at = (
    select o.captured_at from analytics.follower_snapshots o
    where o.workspace_id = list.workspace_id and o.social_account_id = account.id and o.relation = list.relation and o.captured_at <= list.captured_at
    order by case when o.confirmed_at <= list.captured_at then o.confirmed_at else o.captured_at end desc limit 1);
  if list.captured_at in (same.captured_at, same.confirmed_at) then
    is_new := false;
    if made.is_complete and not same.is_complete
       -- By their members too: somebody in it may have become an alias, or been removed.
       or made.list_digest <> same.list_digest and analytics.set_ne(listed, analytics.set_difference(
         case when same.in_chain then analytics.set_difference(before, analytics_private.remap(coalesce(same.not_seen::analytics.follower_set, '{}'), numbers.from_numbers, numbers.to_numbers))
              else analytics_private.remap(same.keyframe::analytics.follower_set, numbers.from_numbers, numbers.to_numbers) end, numbers.removed))
    then
      perform analytics_private.raise_error('CONFLICT', case when made.list_digest = same.list_digest then 'this list is recorded as an incomplete one'
        else 'another list of that moment is recorded' end, 'give the time at which this list was captured', jsonb_build_object('field', 'captured_at', 'captured_at', list.captured_at));
    end if;
  -- An incomplete list does not confirm a complete one: who is not in it may follow by now.
  elsif made.list_digest = same.list_digest and made.is_complete = same.is_complete and (analytics.cardinality(gone) = 0 or not made.in_chain) then
    is_new := false;
    update analytics.follower_snapshots s set confirmed_at = greatest(s.confirmed_at, list.captured_at)
    where s.workspace_id = same.workspace_id and s.social_account_id = same.social_account_id and s.relation = same.relation and s.captured_at = same.captured_at
    returning s.* into same;
  end if;

  if is_new then
    made.member_count := analytics.cardinality(listed);
    made.gained_count := 0;
    made.found_count := 0;
    made.lost_count := 0;
    made.gone_count := 0;
    made.not_seen_count := 0;
    made.returned_count := 0;
    if not made.in_chain then
      made.keyframe := listed::bytea;
    else
      fresh := analytics.set_difference(listed, before);
      absent := analytics.set_difference(analytics.set_difference(before, listed), gone);
      if exists (select from analytics.follower_snapshots s where s.workspace_id = list.workspace_id and s.social_account_id = account.id
                   and s.relation = list.relation and s.in_chain and s.is_complete) then
        made.gained := analytics_private.stored_set(fresh);
        made.gained_count := analytics.cardinality(fresh);
      else
        made.found := analytics_private.stored_set(fresh);
        made.found_count := analytics.cardinality(fresh);
      end if;
      made.gone := analytics_private.stored_set(gone);
      made.gone_count := analytics.cardinality(gone);
      if made.is_complete then
        made.lost := analytics_private.stored_set(absent);
        made.lost_count := analytics.cardinality(absent);
      else
        made.not_seen := analytics_private.stored_set(absent);
        made.not_seen_count := analytics.cardinality(absent);
      end if;
      if made.gained is not null then
        made.returned := (
          select analytics_private.stored_set(analytics.set_intersect(fresh,
            analytics_private.remap(analytics.union_agg(x.ids::analytics.follower_set), numbers.from_numbers, numbers.to_numbers)))
          from analytics.follower_snapshots s, lateral (values (s.lost), (s.gone)) x (ids)
          where s.workspace_id = list.workspace_id and s.social_account_id = account.id and s.relation = list.relation and s.in_chain and x.ids is not null);
        made.returned_count := coalesce(analytics.cardinality(made.returned::analytics.follower_set), 0);
      end if;
      made.member_count := analytics.cardinality(before) + made.gained_count + made.found_count - made.lost_count - made.gone_count;

      -- After an alias the numbers before and after are not the same people's: from here on they are counted anew.
      select s.captured_at, octet_length(s.keyframe) as weight into base from analytics.follower_snapshots s
      where s.workspace_id = list.workspace_id and s.social_account_id = account.id and s.relation = list.relation and s.in_chain and s.keyframe is not null
      order by s.captured_at desc limit 1;
      if stored is null or analytics.set_ne(stored, before) or base.weight <= (
        select coalesce(octet_length(made.gained), 0) + coalesce(octet_length(made.found), 0) + coalesce(octet_length(made.lost), 0) + coalesce(octet_length(made.gone), 0)
          + coalesce(sum(coalesce(octet_length(s.gained), 0) + coalesce(octet_length(s.found), 0) + coalesce(octet_length(s.lost), 0) + coalesce(octet_length(s.gone), 0)), 0)
        from analytics.follower_snapshots s
        where s.workspace_id = list.workspace_id and s.social_account_id = account.id and s.relation = list.relation and s.in_chain and s.captured_at > base.captured_at)
      then
        made.keyframe := case when made.is_complete then listed else analytics.set_union(listed, absent) end::bytea;
      end if;
      if pages.times is not null and pages.people <= 5000000 then
        made.followed_at := analytics_private.times_of(pages.sets, pages.times, fresh::bytea);
        -- Somebody became an alias after his page was stored: rather none than another's.
        if cardinality(made.followed_at) <> analytics.cardinality(fresh) then
          made.followed_at := null;
        end if;
      end if;
    end if;
    insert into analytics.follower_snapshots values (made.*);
    same := made;
  end if;

  answer := jsonb_build_object('import_id', list.id) || analytics_private.snapshot_summary(same, is_new);
  update analytics_private.follower_imports i set status = 'finished', ended_at = clock_timestamp(), summary = answer
  where i.workspace_id = list.workspace_id and i.id = list.id;
  delete from analytics_private.follower_import_pages p where p.workspace_id = list.workspace_id and p.import_id = list.id;
  if is_new then
    perform analytics_private.write_audit('followers.imported', 'social_account', account.id, answer - 'account_id', account.workspace_id);
  end if;
  return answer;
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What clients call. Definer, these: nobody writes lists but they; each checks the caller itself.

create or replace function analytics_private.own_list(import_id uuid, minimum text) returns analytics_private.follower_imports
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  list analytics_private.follower_imports;
begin
  select i.* into list from analytics_private.follower_imports i
  where i.workspace_id = any (analytics_private.workspace_ids('analyst')) and i.id = own_list.import_id;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such import in your workspaces', 'begin one with analytics.begin_follower_import()');
  end if;
  perform analytics.require_role(list.workspace_id, own_list.minimum);
  return list;
end
$$;

create or replace function analytics_private.begun_list(list analytics_private.follower_imports) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return jsonb_build_object('import_id', list.id, 'account_id', list.social_account_id, 'captured_at', list.captured_at, 'relation', list.relation, 'source', list.source,
    'status', list.status, 'page_people', analytics_private.setting_integer('follower_page_people'),
    'expires_at', case list.status when 'open' then list.begun_at + analytics_private.setting_interval('follower_import_expiry') end,
    'pages', (select coalesce(jsonb_agg(p.page order by p.page), '[]') from analytics_private.follower_import_pages p where p.workspace_id = list.workspace_id and p.import_id = list.id),
    'summary', list.summary);
end
$$;

create or replace function analytics_private.record_followers(
  account_id uuid, people text, captured_at timestamptz, relation text, source text, claimed_count bigint, is_complete boolean
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
  list analytics_private.follower_imports;
  read record;
  page_people constant integer := analytics_private.setting_integer('follower_page_people');
  first integer := 1;
  last integer;
begin
  perform analytics_private.require_user();
  account := analytics_private.own_account(record_followers.account_id, 'editor');
  list := analytics_private.begin_list(account, record_followers.captured_at, record_followers.relation, record_followers.source, record_followers.claimed_count,
    record_followers.is_complete);
  if people is null then
    perform analytics_private.refuse_list('the list is null', 'an empty list is []', null);
  end if;
  select * into read from analytics_private.read_people(account.platform, least(analytics_private.setting_integer('follower_list_people'), 1000000), people, null, null, null);
  if read.problem is not null then
    perform analytics_private.refuse_list(read.problem, read.hint, read.positions);
  end if;
  for page in 0 .. greatest(coalesce(cardinality(read.handles), cardinality(read.platform_user_ids), 0) - 1, 0) / page_people loop
    first := page * page_people + 1;
    last := first + page_people - 1;
    perform analytics_private.store_people(list, account.platform, page, read.handles[first:last], read.platform_user_ids[first:last], read.followed_at[first:last],
      read.is_gone[first:last], read.full_names[first:last], read.profile_pic_urls[first:last], read.verified[first:last], read.follower_counts[first:last],
      read.extra_data[first:last]);
  end loop;
  return analytics_private.finish_list(list.workspace_id, list.id);
end
$$;

create or replace function analytics.record_followers(
  account_id uuid, people text, captured_at timestamptz default clock_timestamp(), relation text default 'followers', source text default 'api',
  claimed_count bigint default null, is_complete boolean default null
) returns jsonb language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.record_followers(record_followers.account_id, record_followers.people, record_followers.captured_at, record_followers.relation,
    record_followers.source, record_followers.claimed_count, record_followers.is_complete);
end
$$;
comment on function analytics.record_followers(uuid, text, timestamptz, text, text, bigint, boolean) is
$$stores a list of an account's followers and says who came and who went since the one before
people: a JSON array of handles, or of objects {id, username, full_name, profile_pic_url, is_verified, follower_count, followed_at, gone, extra_data} with an id or a username; gone true: the platform says that the account is deactivated or deleted. captured_at: when the list was true. relation: followers, or following (whom the account follows). source: a word for where it is from. claimed_count: how many the platform says there are. is_complete: whether the list is all of them; null: judged by claimed_count (setting follower_list_complete_permille), and not complete without one. Nobody is called an unfollower by a list that is not complete. At most 128 MiB and a million people; for longer lists begin_follower_import().
Returns {import_id, account_id, snapshot: {captured_at, confirmed_at, relation, source, claimed_count, fetched_count}, since (when the list before was captured last; null without one), gained, found, lost, gone, not_seen, returned (numbers of people), member_count, completeness, is_complete, in_chain (false: older than a list that is there, changes nothing), is_new (false: the same list again, the answer is about the one that is there)}. Needs the role editor.
Errors: VALIDATION_ERROR (details positions: the first entries that are wrong; nothing is stored then), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces), CONFLICT (account disconnected, another list of that moment).
Example: select analytics.record_followers('0195c3a0-0000-7000-8000-0000000000c0', '["ada", "grace", {"username": "joan", "id": "7"}]', is_complete => true) ->> 'lost' = '1'$$;

create or replace function analytics_private.begin_follower_import(
  account_id uuid, captured_at timestamptz, relation text, source text, claimed_count bigint, is_complete boolean
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
begin
  perform analytics_private.require_user();
  account := analytics_private.own_account(begin_follower_import.account_id, 'editor');
  perform analytics_private.check_open_imports(account);
  return analytics_private.begun_list(analytics_private.begin_list(account, begin_follower_import.captured_at, begin_follower_import.relation,
    begin_follower_import.source, begin_follower_import.claimed_count, begin_follower_import.is_complete));
end
$$;

create or replace function analytics.begin_follower_import(
  account_id uuid, captured_at timestamptz default clock_timestamp(), relation text default 'followers', source text default 'api',
  claimed_count bigint default null, is_complete boolean default null
) returns jsonb language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.begin_follower_import(begin_follower_import.account_id, begin_follower_import.captured_at, begin_follower_import.relation,
    begin_follower_import.source, begin_follower_import.claimed_count, begin_follower_import.is_complete);
end
$$;
comment on function analytics.begin_follower_import(uuid, timestamptz, text, text, bigint, boolean) is
$$begins a list of followers that comes in pages; see record_followers() for the parameters
Nothing is compared before finish_follower_import(). What is not finished is dropped after a day (setting follower_import_expiry).
Returns {import_id, account_id, captured_at, relation, source, status, page_people (most people in a page), expires_at, pages (those that are there), summary}. Needs the role editor.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces), CONFLICT (account disconnected), RATE_LIMITED (setting open_follower_imports).
Example: select analytics.begin_follower_import('0195c3a0-0000-7000-8000-0000000000c0', source => 'api', claimed_count => 120000) ->> 'import_id'$$;

create or replace function analytics_private.add_follower_page(import_id uuid, page integer, people text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  list analytics_private.follower_imports;
begin
  perform analytics_private.require_user();
  list := analytics_private.own_list(add_follower_page.import_id, 'editor');
  return analytics_private.add_page(analytics_private.open_list(list.workspace_id, list.id, false), add_follower_page.page, add_follower_page.people, null, null, null);
end
$$;

create or replace function analytics.add_follower_page(import_id uuid, page integer, people text) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.add_follower_page(add_follower_page.import_id, add_follower_page.page, add_follower_page.people);
end
$$;
comment on function analytics.add_follower_page(uuid, integer, text) is
$$brings a page of a list of followers; the same page again replaces it
page: counted from 0 or 1, without gaps; in any order, several at once. people: as for record_followers(), at most 50000 (setting follower_page_people).
Returns {import_id, page, people (how many it named)}. Needs the role editor.
Errors: VALIDATION_ERROR (details positions: the first entries that are wrong; nothing of the page is stored then), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such import in the caller's workspaces), CONFLICT (finished or abandoned).
Example: select analytics.add_follower_page('0195c3a0-0000-7000-8000-0000000000c1', 1, '["ada", "grace"]') ->> 'people' = '2'$$;

create or replace function analytics_private.finish_follower_import(import_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  list analytics_private.follower_imports;
begin
  perform analytics_private.require_user();
  list := analytics_private.own_list(finish_follower_import.import_id, 'editor');
  return analytics_private.finish_list(list.workspace_id, list.id);
end
$$;

create or replace function analytics.finish_follower_import(import_id uuid) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.finish_follower_import(finish_follower_import.import_id);
end
$$;
comment on function analytics.finish_follower_import(uuid) is
$$compares the list that came in pages with what was known, and stores it
Returns what record_followers() returns; finishing again answers the same. Needs the role editor.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such import in the caller's workspaces), CONFLICT (no page, a page missing (details missing), abandoned, account disconnected, another list of that moment).
Example: select analytics.finish_follower_import('0195c3a0-0000-7000-8000-0000000000c1') ->> 'gained' = '1'$$;

create or replace function analytics_private.abandon_follower_import(import_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  list analytics_private.follower_imports;
begin
  perform analytics_private.require_user();
  list := analytics_private.own_list(abandon_follower_import.import_id, 'editor');
  return analytics_private.drop_list(list.workspace_id, list.id);
end
$$;

create or replace function analytics_private.drop_list(workspace_id uuid, import_id uuid) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  update analytics_private.follower_imports i set status = 'abandoned', ended_at = now()
  where i.workspace_id = drop_list.workspace_id and i.id = drop_list.import_id and i.status = 'open';
  if not found then
    return false;
  end if;
  delete from analytics_private.follower_import_pages p where p.workspace_id = drop_list.workspace_id and p.import_id = drop_list.import_id;
  return true;
end
$$;

create or replace function analytics.abandon_follower_import(import_id uuid) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.abandon_follower_import(abandon_follower_import.import_id);
end
$$;
comment on function analytics.abandon_follower_import(uuid) is
$$drops a list that came in pages and is not finished; false if it is finished or dropped already
Needs the role editor.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such import in the caller's workspaces).
Example: select analytics.abandon_follower_import('0195c3a0-0000-7000-8000-0000000000c1')$$;

create or replace function analytics_private.follower_import(import_id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.require_user();
  return analytics_private.begun_list(analytics_private.own_list(follower_import.import_id, 'analyst'));
end
$$;

create or replace function analytics.follower_import(import_id uuid) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.follower_import(follower_import.import_id);
end
$$;
comment on function analytics.follower_import(uuid) is
$$how far a list is that comes in pages, to go on with it after an interruption
Returns what begin_follower_import() returns: status is open, finished or abandoned, pages those that are there, summary what finishing answered. Needs the role analyst.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such import in the caller's workspaces).
Example: select analytics.follower_import('0195c3a0-0000-7000-8000-0000000000c1') ->> 'status' = 'open'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What the sidecar calls. Definer, these: it has no right on any table. There is no user behind it: it imports what an operator gave it.

create or replace function analytics_private.sidecar_find_account(account text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  asked constant text := btrim(sidecar_find_account.account);
  named record;
  candidates jsonb;
begin
  if asked ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    select jsonb_agg(c.row) into candidates from (
      select jsonb_build_object('account_id', a.id, 'workspace_id', a.workspace_id, 'workspace', w.name, 'platform', a.platform, 'handle', a.handle, 'status', a.status) as row
      from analytics.social_accounts a join analytics.workspaces w on w.id = a.workspace_id where a.id = asked::uuid and w.status <> 'deleted' limit 2) c;
  elsif asked ~ '^[A-Za-z]+:.' then
    select p.*, analytics_private.known_platform(split_part(asked, ':', 1)) as platform into named
    from analytics_private.read_people(analytics_private.known_platform(split_part(asked, ':', 1)), 1, null, array[substr(asked, strpos(asked, ':') + 1)], null, null) p;
    if named.problem is not null then
      perform analytics_private.raise_error('VALIDATION_ERROR', replace(named.problem, 'entry 1: ', ''), named.hint);
    end if;
    select jsonb_agg(c.row) into candidates from (
      select jsonb_build_object('account_id', a.id, 'workspace_id', a.workspace_id, 'workspace', w.name, 'platform', a.platform, 'handle', a.handle, 'status', a.status) as row
      from analytics.social_accounts a join analytics.workspaces w on w.id = a.workspace_id
      where a.platform = named.platform and a.handle = named.handles[1] and a.status <> 'disconnected' and w.status = 'active' order by a.created_at, a.id limit 11) c;
  else
    perform analytics_private.raise_error('VALIDATION_ERROR', 'an account is named by its id or as platform:handle', 'for example instagram:natgeo');
  end if;
  if candidates is null then
    perform analytics_private.raise_error('NOT_FOUND', format('no workspace has the account %s', left(asked, 64)), 'an admin of the workspace adds it: select analytics.add_account(workspace_id, ''instagram'', ''natgeo'')');
  elsif jsonb_array_length(candidates) > 1 then
    perform analytics_private.raise_error('CONFLICT', format('several workspaces have the account %s', left(asked, 64)), 'name it by its id, one of account_id in the details', jsonb_build_object('accounts', candidates));
  end if;
  return candidates -> 0;
end
$$;
comment on function analytics_private.sidecar_find_account(text) is
  'the account that an operator names by its id, or as platform:handle where only one workspace has it: {account_id, workspace_id, workspace, platform, handle, status}; errors: VALIDATION_ERROR, NOT_FOUND, CONFLICT (several; details accounts)';

create or replace function analytics_private.sidecar_begin_import(
  account_id uuid, captured_at timestamptz default clock_timestamp(), relation text default 'followers', source text default 'api',
  claimed_count bigint default null, is_complete boolean default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
begin
  select a.* into account from analytics.social_accounts a where a.id = sidecar_begin_import.account_id;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such account', 'analytics_private.sidecar_find_account() finds one');
  end if;
  perform analytics_private.check_open_imports(account);
  return analytics_private.begun_list(analytics_private.begin_list(account, sidecar_begin_import.captured_at, sidecar_begin_import.relation,
    sidecar_begin_import.source, sidecar_begin_import.claimed_count, sidecar_begin_import.is_complete));
end
$$;
comment on function analytics_private.sidecar_begin_import(uuid, timestamptz, text, text, bigint, boolean) is 'as analytics.begin_follower_import(), for the sidecar';

create or replace function analytics_private.sidecar_add_page(
  import_id uuid, page integer, handles text[], platform_user_ids text[] default null, followed_at timestamptz[] default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  place constant uuid := (select i.workspace_id from analytics_private.follower_imports i where i.id = sidecar_add_page.import_id);
begin
  return analytics_private.add_page(analytics_private.open_list(place, sidecar_add_page.import_id, false), sidecar_add_page.page, null, sidecar_add_page.handles,
    sidecar_add_page.platform_user_ids, sidecar_add_page.followed_at);
end
$$;
comment on function analytics_private.sidecar_add_page(uuid, integer, text[], text[], timestamptz[]) is
  'as analytics.add_follower_page(), for the sidecar, in columns of one length; sorted names are stored twice as fast';

create or replace function analytics_private.sidecar_finish_import(import_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.finish_list((select i.workspace_id from analytics_private.follower_imports i where i.id = sidecar_finish_import.import_id), sidecar_finish_import.import_id);
end
$$;
comment on function analytics_private.sidecar_finish_import(uuid) is 'as analytics.finish_follower_import(), for the sidecar';

create or replace function analytics_private.sidecar_abandon_import(import_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.drop_list((select i.workspace_id from analytics_private.follower_imports i where i.id = sidecar_abandon_import.import_id), sidecar_abandon_import.import_id);
end
$$;
comment on function analytics_private.sidecar_abandon_import(uuid) is 'as analytics.abandon_follower_import(), for the sidecar';

create or replace function analytics_private.sidecar_store_document(account_id uuid, name text, captured_at timestamptz, document json) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account analytics.social_accounts;
begin
  select a.* into account from analytics.social_accounts a where a.id = sidecar_store_document.account_id;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such account', 'analytics_private.sidecar_find_account() finds one');
  elsif sidecar_store_document.document is null or octet_length(sidecar_store_document.document::text) > 33554432 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a document is JSON of at most 32 MiB', null, '{"field": "document"}');
  elsif (length(sidecar_store_document.name) between 1 and 255) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a document has a name of 1 to 255 characters', null, '{"field": "name"}');
  elsif (sidecar_store_document.captured_at between '2000-01-01 00:00+00' and clock_timestamp() + interval '5 minutes') is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a document is captured after 1999 and not in the future', null, '{"field": "captured_at"}');
  end if;
  insert into analytics_private.account_documents (workspace_id, social_account_id, name, digest, captured_at, document)
  values (account.workspace_id, account.id, sidecar_store_document.name, sha256(convert_to(sidecar_store_document.document::text, 'UTF8')),
    sidecar_store_document.captured_at, sidecar_store_document.document)
  on conflict on constraint account_documents_once do nothing;
  return found;
end
$$;
comment on function analytics_private.sidecar_store_document(uuid, text, timestamptz, json) is
  'keeps a file of an account''s export as it is; false if the same is there already; errors: VALIDATION_ERROR, NOT_FOUND';

-- ---------------------------------------------------------------------------------------------------------------------
-- Removing a person on request

-- The caller holds the lock on erased_people: a page that is being stored is there already, and the next one meets the list.
create or replace function analytics_private.erase_followers(platform text, handles text[], platform_user_ids text[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  place uuid;
  doomed bigint[];
  n bigint := 0;
begin
  insert into analytics_private.erased_people (subject_hash)
  select analytics_private.person_hash(erase_followers.platform, 'username', h) from unnest(erase_followers.handles) h
  union select analytics_private.person_hash(erase_followers.platform, 'id', i) from unnest(erase_followers.platform_user_ids) i
  on conflict do nothing;
  for place in select c.workspace_id from analytics_private.platform_user_counters c where c.platform = erase_followers.platform order by c.workspace_id loop
    perform analytics_private.lock_people(place, erase_followers.platform);
    -- Known by a former handle alone he counts as the one who is meant only while he has no other.
    doomed := array(
      select u.number from analytics.platform_users u where u.workspace_id = place and u.platform = erase_followers.platform and u.handle = any (erase_followers.handles)
      union
      select u.number from analytics.platform_users u where u.workspace_id = place and u.platform = erase_followers.platform and u.platform_user_id = any (erase_followers.platform_user_ids)
      union
      select u.number from analytics.platform_user_handles f join analytics.platform_users u using (workspace_id, platform, number)
      where f.workspace_id = place and f.platform = erase_followers.platform and f.handle = any (erase_followers.handles) and u.handle is null);
    -- Under none of his names he comes back; one that somebody else has now is that one's.
    insert into analytics_private.erased_people (subject_hash)
    select analytics_private.person_hash(erase_followers.platform, x.kind, x.name) from (
      select 'username', u.handle from analytics.platform_users u where u.workspace_id = place and u.platform = erase_followers.platform and u.number = any (doomed)
      union
      select 'id', u.platform_user_id from analytics.platform_users u where u.workspace_id = place and u.platform = erase_followers.platform and u.number = any (doomed)
      union
      select 'username', f.handle from analytics.platform_user_handles f
      where f.workspace_id = place and f.platform = erase_followers.platform and f.number = any (doomed) and not exists (
        select from analytics.platform_users o where o.workspace_id = place and o.platform = erase_followers.platform and o.handle = f.handle and o.number <> all (doomed))
    ) x (kind, name) where x.name is not null
    on conflict do nothing;
    delete from analytics.platform_user_handles f
    where f.workspace_id = place and f.platform = erase_followers.platform and (f.number = any (doomed) or f.handle = any (erase_followers.handles));
    update analytics.platform_users u set handle = null, platform_user_id = null, full_name = null, profile_pic_url = null, is_verified = null,
      follower_count = null, extra_data = null, details_at = null, named_at = null
    where u.workspace_id = place and u.platform = erase_followers.platform and u.number = any (doomed);
    n := n + cardinality(doomed);
  end loop;
  return n;
end
$$;
comment on function analytics_private.erase_followers(text, text[], text[]) is
  'takes names and details of people out of every workspace''s lists and keeps them out; their numbers stay in the sets and count as gone at the next list. The number of rows';

create or replace function analytics_private.erase_follower(platform text, handle text, reason text, platform_user_id text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
  on_platform constant text := analytics_private.known_platform(erase_follower.platform);
  asked record;
  removed jsonb;
begin
  if on_platform = 'instagram' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'people on Instagram are removed everywhere', 'call analytics_private.erase_person()', '{"field": "platform"}');
  elsif reason is null or btrim(reason) = '' or length(reason) > 500 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'give the reason in 1 to 500 characters', 'a case number, not a name: the audit keeps it');
  end if;
  select * into asked from analytics_private.read_people(on_platform, 1, null, array[erase_follower.handle], array[erase_follower.platform_user_id], null);
  if asked.problem is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', replace(asked.problem, 'entry 1: ', ''), asked.hint);
  end if;
  lock table analytics_private.erased_people in access exclusive mode;
  removed := jsonb_build_object('platform_users', analytics_private.erase_followers(on_platform, coalesce(asked.handles, '{}'), coalesce(asked.platform_user_ids, '{}')),
    'account_posts', analytics_private.erase_from_posts(on_platform, array_remove(asked.handles, null)),
    'events', analytics_private.erase_from_events(on_platform, array_remove(asked.handles || asked.platform_user_ids, null)));
  perform analytics_private.write_audit('person.erased', 'platform_user', null, jsonb_build_object('reason', reason, 'platform', on_platform, 'removed', removed));
  return removed;
end
$$;
comment on function analytics_private.erase_follower(text, text, text, text) is
$$removes a person from all lists of followers and posts of accounts on a platform other than Instagram, for good (operators); handle or platform_user_id may be null, not both
His number stays in the sets, without a name; the next list counts him as gone, and later lists do not bring him back. Returns {platform_users, account_posts, events}: rows. Errors: VALIDATION_ERROR.
Example: select analytics_private.erase_follower('tiktok', 'someone', 'case 4711') ->> 'platform_users' = '0'$$;
