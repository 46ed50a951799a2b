-- What the platforms tell by themselves: events of connected accounts, and what follows from them.
--
-- The sidecar checks who sent a delivery and takes it apart; here each event is stored once in every workspace that has
-- connected the account, together with the jobs it leads to, in one transaction. So nothing happens because of an event that
-- is not stored, and an event that is stored does not get lost.

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('event_retention', 'interval', '90 days', '1 day', '3650 days', 'monthly partitions of events that ended longer ago than this are dropped'),
  -- TikTok delivers again for 72 hours, the longest of all.
  ('event_memory', 'interval', '7 days', '4 days', '60 days', 'how long it is remembered that an event was delivered; one that says that it is older is dropped. Made longer, what was captured before the former memory can be delivered once more'),
  ('event_pull_pause', 'interval', '5 minutes', '1 minute', '1 day', 'an event makes a pull of its account due, this long after the last one at the earliest; insight_cadences.event_pause goes before it'),
  ('event_merge_time', 'interval', '20 seconds', '0 seconds', '10 minutes', 'how long a pull that an event asks for waits for more of its kind')
on conflict (name) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- Tables

create table if not exists analytics.events (
  workspace_id uuid not null,
  id uuid not null,
  social_account_id uuid not null,
  platform varchar(32) not null,
  type varchar(64) not null,
  payload jsonb not null,
  occurred_at timestamptz,
  received_at timestamptz not null default clock_timestamp(),
  constraint events_pkey primary key (workspace_id, received_at, id)
) partition by range (received_at);
alter table analytics.events alter column id set default analytics.uuidv7();
create index if not exists events_type on analytics.events (workspace_id, type, received_at desc);
create index if not exists events_account on analytics.events (workspace_id, social_account_id, received_at desc);
alter table analytics.events enable row level security;
comment on table analytics.events is 'what platforms told of the accounts of a workspace, each event once, as it was told. Partitioned by month of received_at';
comment on column analytics.events.platform is 'of the account';
comment on column analytics.events.type is 'the platform''s own name for it';
comment on column analytics.events.payload is 'of a delivery with several events the part that is about this one; characters that jsonb cannot hold (NUL, half a surrogate) are replaced by U+FFFD';
comment on column analytics.events.occurred_at is 'when the platform says that it happened, or that it told of it; null: it does not say';

-- Catches events of a month whose partition nobody made yet; ensure_partition() moves them out.
create table if not exists analytics_private.events_default partition of analytics.events default;
alter table analytics_private.events_default enable row level security;
select analytics_private.ensure_partitions();

drop policy if exists "members read the events of their workspaces" on analytics.events;
create policy "members read the events of their workspaces" on analytics.events for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

-- In place of a foreign key, which would make the dropping of an old month wait for everybody who uses accounts: events are
-- written only by a function that holds the accounts' rows, and go with them here.
create or replace function analytics_private.delete_events() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from analytics.events e using gone g where e.workspace_id = g.workspace_id and e.social_account_id = g.id;
  return null;
end
$$;
comment on function analytics_private.delete_events() is 'events go with their account; definer, since nobody else may delete them';
create or replace trigger social_accounts_events after delete on analytics.social_accounts
  referencing old table as gone for each statement execute function analytics_private.delete_events();

-- Apart from the events, since a unique key of a partitioned table must hold the month: the same event of the last minute of one
-- month and the first of the next would be two.
create table if not exists analytics_private.event_digests (
  workspace_id uuid not null,
  social_account_id uuid not null,
  digest bytea not null,
  received_at timestamptz not null default clock_timestamp(),
  constraint event_digests_pkey primary key (workspace_id, social_account_id, digest),
  constraint event_digests_account_fkey foreign key (workspace_id, social_account_id) references analytics.social_accounts (workspace_id, id) on delete cascade,
  constraint event_digests_digest check (octet_length(digest) = 32)
);
create index if not exists event_digests_received_at on analytics_private.event_digests (received_at);
alter table analytics_private.event_digests enable row level security;
comment on table analytics_private.event_digests is 'events delivered lately, so that each is stored once';
comment on column analytics_private.event_digests.digest is 'SHA-256 of the platform''s id of the event, or of its content where it has none';

create table if not exists analytics_private.event_effects (
  platform varchar(32) not null,
  type varchar(64) not null,
  effect varchar(16) not null,
  constraint event_effects_pkey primary key (platform, type),
  constraint event_effects_known check (effect in ('account', 'audience', 'posts', 'end_access'))
);
alter table analytics_private.event_effects enable row level security;
comment on table analytics_private.event_effects is 'what follows from an event; one that is not here is only stored. An operator may change it';
comment on column analytics_private.event_effects.effect is 'account, audience, posts: that pull of the account is due; end_access: the person has taken the access back';

insert into analytics_private.event_effects (platform, type, effect) values
  ('instagram', 'comments', 'posts'), ('instagram', 'live_comments', 'posts'), ('instagram', 'story_insights', 'posts'), ('instagram', 'mentions', 'account'),
  ('instagram', 'deauthorize', 'end_access'),
  ('facebook', 'feed', 'posts'), ('facebook', 'mention', 'account'), ('facebook', 'deauthorize', 'end_access'),
  ('tiktok', 'authorization.removed', 'end_access'), ('tiktok', 'video.publish.completed', 'posts'), ('tiktok', 'post.publish.complete', 'posts'),
  ('tiktok', 'post.publish.publicly_available', 'posts'), ('tiktok', 'post.publish.no_longer_publicaly_available', 'posts'),
  ('x', 'tweet_create_events', 'posts'), ('x', 'tweet_delete_events', 'posts'), ('x', 'favorite_events', 'posts'), ('x', 'follow_events', 'account'),
  ('x', 'unfollow_events', 'account'), ('x', 'user_event.revoke', 'end_access'),
  ('linkedin', 'COMMENT', 'posts'), ('linkedin', 'ADMIN_COMMENT', 'posts'), ('linkedin', 'LIKE', 'posts'), ('linkedin', 'SHARE', 'posts'), ('linkedin', 'SHARE_MENTION', 'account'),
  ('youtube', 'video', 'posts'), ('youtube', 'video.deleted', 'posts')
on conflict (platform, type) do nothing;

create table if not exists analytics_private.deletion_requests (
  code varchar(64) not null,
  provider varchar(32) not null,
  consent_key varchar(255),
  request_digest bytea not null,
  issued_at timestamptz not null,
  requested_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  accounts integer,
  constraint deletion_requests_pkey primary key (code),
  constraint deletion_requests_once unique (request_digest),
  constraint deletion_requests_end check ((finished_at is null) = (consent_key is not null) and (finished_at is null) = (accounts is null))
);
alter table analytics_private.deletion_requests enable row level security;
comment on table analytics_private.deletion_requests is 'people who asked their platform to have us delete what came by their consent; kept, as the platforms want to be shown what became of it';
comment on column analytics_private.deletion_requests.code is 'what the person asks with how far it is';
comment on column analytics_private.deletion_requests.issued_at is 'when the person asked, in whole seconds; what was consented to since is not meant';
comment on column analytics_private.deletion_requests.consent_key is 'who, as the provider names him; wiped when it is done';
comment on column analytics_private.deletion_requests.request_digest is 'of the signed request: the same one again is the same request';
comment on column analytics_private.deletion_requests.accounts is 'how many there were';

-- For people who ask how far theirs is.
create index if not exists jobs_dead on analytics_private.jobs (kind, key) where state = 'dead';
-- For deliveries, which name an account and no workspace.
create index if not exists social_accounts_told on analytics.social_accounts (platform, platform_user_id) where status in ('active', 'expiring');

-- ---------------------------------------------------------------------------------------------------------------------
-- Storing

-- Definer, as all that the sidecar calls: it has no right on any table.
create or replace function analytics_private.sidecar_store_events(events json) returns jsonb
-- Not long: the platform delivers again, and others' deliveries wait for the connection.
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  at constant timestamptz := clock_timestamp();
  oldest constant timestamptz := at - analytics_private.setting_interval('event_memory');
  -- Nobody's clock is an hour ahead; what is remembered outlives that.
  newest constant timestamptz := at + interval '1 hour';
  told integer;
  outdated integer;
  unconnected integer;
  removed bigint[] := array[]::bigint[];
  numbers integer[];
  places uuid[];
  accounts uuid[];
  meant integer;
  more record;
  stored integer := 0;
  effect record;
begin
  select count(*), count(*) filter (where e.occurred_at not between oldest and newest) into told, outdated
  from json_to_recordset(sidecar_store_events.events) e (occurred_at timestamptz);
  -- Reading this table is also the lock that erase_person() waits for, and holds against everybody once it has it.
  if exists (select from analytics_private.erased_people) then
    removed := array(
      select e.n from rows from (json_to_recordset(sidecar_store_events.events) as (platform text, occurred_at timestamptz, payload json)) with ordinality e (platform, occurred_at, payload, n)
      where (e.occurred_at between oldest and newest) is not false and analytics_private.names_removed(e.platform, e.payload::jsonb::text));
  end if;
  -- Only accounts that were connected by a consent which still holds: whoever adds a foreign account by hand hears nothing of it.
  -- Held, so that none is deleted before its events are there; in one order, so that two at once cannot wait for each other.
  select array_agg(h.n), array_agg(h.workspace_id), array_agg(h.id) into numbers, places, accounts from (
    select e.n::integer, a.workspace_id, a.id
    from rows from (json_to_recordset(sidecar_store_events.events) as (platform text, account text, occurred_at timestamptz)) with ordinality e (platform, account, occurred_at, n)
      join analytics.social_accounts a on a.platform = e.platform and a.platform_user_id = e.account and a.status in ('active', 'expiring')
      join analytics_private.oauth_tokens t on t.workspace_id = a.workspace_id and t.social_account_id = a.id
    where (e.occurred_at between oldest and newest) is not false and e.n <> all (removed)
    order by a.workspace_id, a.id, e.n for key share of a) h;
  -- Of a person: all accounts that came by his consent.
  select array_agg(h.n) as numbers, array_agg(h.workspace_id) as places, array_agg(h.id) as accounts into more from (
    select e.n::integer, a.workspace_id, a.id
    from rows from (json_to_recordset(sidecar_store_events.events) as (provider text, consent text, occurred_at timestamptz)) with ordinality e (provider, consent, occurred_at, n)
      join analytics_private.oauth_tokens t on t.provider = e.provider and t.consent_key = e.consent
      join analytics.social_accounts a on a.workspace_id = t.workspace_id and a.id = t.social_account_id and a.status in ('active', 'expiring')
    where (e.occurred_at between oldest and newest) is not false and e.n <> all (removed)
    order by a.workspace_id, a.id, e.n for key share of a) h;
  numbers := numbers || more.numbers;
  places := places || more.places;
  accounts := accounts || more.accounts;
  meant := coalesce(cardinality(numbers), 0);
  unconnected := told - outdated - cardinality(removed) - (select count(distinct n) from unnest(numbers) n);

  for effect in
    with given as (
      select e.*, p.workspace_id, p.account_id, a.platform as of
      from rows from (json_to_recordset(sidecar_store_events.events) as (type text, provider text, consent text, occurred_at timestamptz, digest text, post text, payload json))
          with ordinality e (type, provider, consent, occurred_at, digest, post, payload, n)
        join unnest(numbers, places, accounts) p (n, workspace_id, account_id) on p.n = e.n
        join analytics.social_accounts a on a.workspace_id = p.workspace_id and a.id = p.account_id
    ), fresh as (
      insert into analytics_private.event_digests (workspace_id, social_account_id, digest, received_at)
      select distinct g.workspace_id, g.account_id, decode(g.digest, 'hex'), at from given g order by 1, 2, 3
      on conflict (workspace_id, social_account_id, digest) do nothing
      returning workspace_id, social_account_id, digest
    ), kept as (
      select distinct on (g.workspace_id, g.account_id, g.digest) g.* from given g
        join fresh f on f.workspace_id = g.workspace_id and f.social_account_id = g.account_id and f.digest = decode(g.digest, 'hex')
      order by g.workspace_id, g.account_id, g.digest, g.n
    ), put as (
      insert into analytics.events (workspace_id, social_account_id, platform, type, payload, occurred_at, received_at)
      select k.workspace_id, k.account_id, k.of, left(k.type, 64), k.payload::jsonb, k.occurred_at, at from kept k order by k.n
      returning 1
    )
    select c.rows, j.* from (select count(*)::integer as rows from put) c left join (
      select x.effect, k.workspace_id, k.account_id, t.provider::text, t.consent_key::text, case when x.effect = 'posts' then p.platform_post_id::text end as post,
        max(k.occurred_at) as occurred_at,
        (array_agg(analytics_private.why_access_ended(k.of, k.payload) order by k.occurred_at desc) filter (where x.effect = 'end_access'))[1] as reason
      from kept k join analytics_private.event_effects x on x.platform = k.of and x.type = k.type
        join analytics_private.oauth_tokens t on t.workspace_id = k.workspace_id and t.social_account_id = k.account_id
        -- Somebody else's posts, and those that are measured no more, would each be a job for nothing.
        left join analytics_private.post_schedules p on p.workspace_id = k.workspace_id and p.social_account_id = k.account_id and p.platform_post_id = k.post
          and p.next_at is not null and p.gone_at is null
      group by 1, 2, 3, 4, 5, 6 order by 2, 3, 1, 6 nulls first) j on true
  loop
    stored := effect.rows;
    -- Not the workspace's: a stream of comments must not use up what it may have waiting of fetches.
    if effect.effect = 'end_access' then
      perform analytics_private.enqueue_job('end_access', format('%s %s %s', effect.account_id, effect.occurred_at, effect.consent_key), jsonb_build_object('workspace_id', effect.workspace_id, 'account_id', effect.account_id,
        'provider', effect.provider, 'consent_key', effect.consent_key, 'occurred_at', effect.occurred_at, 'reason', effect.reason), 10, bounded => false);
    elsif effect.effect is not null then
      perform analytics_private.enqueue_job('pull_sooner', concat_ws(' ', effect.account_id, effect.effect, effect.post), jsonb_build_object('workspace_id', effect.workspace_id,
        'account_id', effect.account_id, 'pull', effect.effect, 'post', effect.post), run_at => at + analytics_private.setting_interval('event_merge_time'), bounded => false);
    end if;
  end loop;
  return jsonb_build_object('stored', stored, 'duplicate', meant - stored, 'unconnected', unconnected, 'outdated', outdated, 'removed', cardinality(removed));
end
$$;
comment on function analytics_private.sidecar_store_events(json) is
  'stores the events of a delivery whose signature was checked: [{platform, account (its platform_user_id), or provider and consent (a person), type, occurred_at, digest (hex), post, payload}], each once in every workspace that has connected the account, with the jobs that follow. {stored, duplicate (rows), unconnected, outdated, removed (events; of people who were removed on request)}; SQLSTATE 22… when a payload cannot be stored, and then none is';

-- Whatever stands where a name or an id may: names_people() asked the other way round, since the list holds hashes.
create or replace function analytics_private.names_removed(platform text, content text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- Words by the thousand: hashed here, as person_hash() would each of them.
  return exists (
    select from (
      select rtrim(m[1], '.') as word from regexp_matches(names_removed.content, '[@/"]([A-Za-z0-9_.]+)', 'g') m
      union select m[1] from regexp_matches(names_removed.content, '"([^"\\]+)"', 'g') m) w cross join unnest(array['username', 'id']) k
      join analytics_private.erased_people e on e.subject_hash = sha256(convert_to('analytics ' || case names_removed.platform when 'instagram' then k else names_removed.platform || ' ' || k end || ':' || lower(w.word), 'UTF8')));
end
$$;
comment on function analytics_private.names_removed(text, text) is 'whether a document names somebody who was removed on request';

-- The end of an access in words.
create or replace function analytics_private.why_access_ended(platform text, payload json) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  -- The content of TikTok's events is a text that holds JSON; one digit is all that is read of it.
  reason constant text := case when why_access_ended.platform = 'tiktok' then substring(why_access_ended.payload ->> 'content' from '"reason"\s*:\s*"?([0-9])') end;
begin
  return case reason
    when '1' then 'the person has disconnected this service in the TikTok app'
    when '2' then 'the TikTok account was deleted'
    when '3' then 'the age of the TikTok account''s owner was changed'
    when '4' then 'the TikTok account was banned'
    when '5' then 'the access was given back to TikTok'
    else format('the person has removed this service from the account on %s', analytics_private.platform_in_words(why_access_ended.platform))
  end;
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What follows, as jobs

-- False: a pull is under way, which may have asked before the event; ask again later.
create or replace function analytics_private.pull_sooner(workspace_id uuid, account_id uuid, pull text, post text) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  at constant timestamptz := clock_timestamp();
  on_platform text;
  pause interval;
  schedule analytics_private.account_schedules;
  due timestamptz;
  post_due timestamptz;
begin
  -- The account first, as whoever deletes it: its schedules and posts go with it.
  select a.platform into on_platform from analytics.social_accounts a where a.workspace_id = pull_sooner.workspace_id and a.id = pull_sooner.account_id for key share;
  select s.* into schedule from analytics_private.account_schedules s
  where s.workspace_id = pull_sooner.workspace_id and s.social_account_id = pull_sooner.account_id and s.kind = pull_sooner.pull for no key update;
  -- After a failure it is the back-off that says when.
  if not found or schedule.failures > 0 then
    return true;
  elsif schedule.claimed_until > at then
    return false;
  end if;
  pause := coalesce((select c.event_pause from analytics_private.insight_cadences c where c.platform = on_platform and c.kind = pull_sooner.pull and c.older_than = '0'),
    analytics_private.setting_interval('event_pull_pause'));
  due := greatest(at, schedule.succeeded_at + pause);
  if pull_sooner.post is not null then
    update analytics_private.post_schedules p set next_at = least(p.next_at, greatest(at, c.captured_at + pause))
    from analytics.top_content c
    where p.workspace_id = pull_sooner.workspace_id and p.social_account_id = pull_sooner.account_id and p.platform_post_id = pull_sooner.post
      and p.gone_at is null and p.next_at is not null
      and c.workspace_id = p.workspace_id and c.social_account_id = p.social_account_id and c.platform_post_id = p.platform_post_id
    returning p.next_at into post_due;
    due := greatest(due, post_due);
  end if;
  update analytics_private.account_schedules s set next_at = due
  where s.workspace_id = schedule.workspace_id and s.social_account_id = schedule.social_account_id and s.kind = schedule.kind and s.next_at > due and s.next_at < 'infinity';
  return true;
end
$$;
comment on function analytics_private.pull_sooner(uuid, uuid, text, text) is
  'makes a pull of an account due, and a post in it, the platform''s event_pause after the last one at the earliest';

-- Of the person who took his consent back, this account; the others have jobs of their own.
create or replace function analytics_private.end_access_as_told(wish jsonb) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
  tokens analytics_private.oauth_tokens;
begin
  -- The account before its tokens, as where they are stored and wiped.
  select a.* into account from analytics.social_accounts a where a.workspace_id = (wish ->> 'workspace_id')::uuid and a.id = (wish ->> 'account_id')::uuid for no key update;
  select t.* into tokens from analytics_private.oauth_tokens t where t.workspace_id = account.workspace_id and t.social_account_id = account.id for update;
  -- Told late: a consent that was given after that one was taken back is another one. Times of the platforms are whole seconds.
  if tokens.provider is distinct from wish ->> 'provider' or tokens.consent_key is distinct from wish ->> 'consent_key'
    or account.status not in ('active', 'expiring') or date_trunc('second', tokens.first_consent_at) > (wish ->> 'occurred_at')::timestamptz then
    return;
  end if;
  perform analytics_private.end_access(account, tokens.provider, 'told', wish ->> 'reason');
end
$$;

-- What came by a person's consent that held when he asked for deletion, as far as it is known.
create or replace function analytics_private.accounts_to_delete(request analytics_private.deletion_requests) returns table (workspace_id uuid, account_id uuid)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return query
    -- Times of the platforms are whole seconds.
    select t.workspace_id, t.social_account_id from analytics_private.oauth_tokens t
      where t.provider = request.provider and t.consent_key = request.consent_key and date_trunc('second', t.first_consent_at) <= request.issued_at
    -- Disconnected, and the consent not given back yet; not if another consent, perhaps another person's, has connected it since.
    union select a.workspace_id, a.id from analytics_private.oauth_revocations r join analytics.social_accounts a on a.workspace_id = r.workspace_id and a.id = r.social_account_id
      where r.provider = request.provider and r.consent_key = request.consent_key
        and not exists (select from analytics_private.oauth_tokens t where t.workspace_id = a.workspace_id and t.social_account_id = a.id)
    -- Disconnected before: with Instagram Login the person is the account.
    union select a.workspace_id, a.id from analytics.social_accounts a
      where request.provider = 'instagram' and a.platform = 'instagram' and a.platform_user_id = request.consent_key and a.status = 'disconnected'
    order by 1, 2;
end
$$;

create or replace function analytics_private.erase_account_from_audit(account_id uuid, reason text) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  n bigint;
begin
  insert into analytics_private.audit_removals (removed_at, transaction, kind, reason)
  values (transaction_timestamp(), pg_current_xact_id()::text, 'erasure', erase_account_from_audit.reason) on conflict do nothing;
  delete from analytics.audit_personal p using analytics.audit_logs l
  where l.entity_type = 'social_account' and l.entity_id = erase_account_from_audit.account_id
    and p.workspace_id = l.workspace_id and p."timestamp" = l."timestamp" and p.record_id = l.id;
  get diagnostics n = row_count;
  perform analytics_private.write_audit('audit.erased', 'social_account', erase_account_from_audit.account_id, jsonb_build_object('reason', erase_account_from_audit.reason, 'records', n));
  return n;
end
$$;
comment on function analytics_private.erase_account_from_audit(uuid, text) is 'erases name and ids of an account from the audit; the records stay and verify. Returns of how many';

-- One step of a deletion, in a transaction of its own: a step that is cut off costs no other. The next step, or null at the end. An account
-- is disconnected first, so that deliveries do not wait for its history to go.
create or replace function analytics_private.delete_as_asked(step jsonb) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  request analytics_private.deletion_requests;
  place uuid;
  target record;
  account analytics.social_accounts;
  waiting analytics.connections;
  n constant integer := coalesce((step ->> 'accounts')::integer, 0);
begin
  select r.* into request from analytics_private.deletion_requests r where r.code = step ->> 'code' and r.finished_at is null for update;
  if not found then
    return null;
  end if;

  if step ? 'account_id' then
    perform analytics_private.lock_workspace((step ->> 'workspace_id')::uuid);
    select a.* into account from analytics.social_accounts a where a.workspace_id = (step ->> 'workspace_id')::uuid and a.id = (step ->> 'account_id')::uuid for update;
    -- Not if it was connected anew meanwhile.
    if account.status is distinct from 'disconnected' then
      return step - '{workspace_id,account_id}'::text[];
    end if;
    delete from analytics.social_accounts a where a.workspace_id = account.workspace_id and a.id = account.id;
    update analytics.connections c set found = '[]' where c.workspace_id = account.workspace_id and c.finished_at is not null
      and c.found @> jsonb_build_array(jsonb_build_object('platform', account.platform, 'platform_user_id', account.platform_user_id));
    perform analytics_private.erase_account_from_audit(account.id, 'deletion request ' || request.code);
    perform analytics_private.write_audit('account.deleted_on_request', 'social_account', account.id, jsonb_build_object('platform', account.platform, 'request', request.code), account.workspace_id);
    return step - '{workspace_id,account_id}'::text[] || jsonb_build_object('accounts', n + 1);
  end if;

  -- What waits for a member's choice, before the accounts: one that is chosen meanwhile is found among them.
  select f.workspace_id into place from analytics_private.connection_finds f join analytics.connections c on c.workspace_id = f.workspace_id and c.id = f.connection_id
  where c.provider = request.provider and c.status = 'choosing' and f.consent_key = request.consent_key and date_trunc('second', f.issued_at) <= request.issued_at order by 1 limit 1;
  if found then
    perform analytics_private.lock_workspace(place);
    for waiting in
      select c.* from analytics.connections c where c.workspace_id = place and c.provider = request.provider and c.status = 'choosing' and exists (
        select from analytics_private.connection_finds f where f.workspace_id = c.workspace_id and f.connection_id = c.id and f.consent_key = request.consent_key
          and date_trunc('second', f.issued_at) <= request.issued_at)
      order by c.id for update
    loop
      delete from analytics_private.connection_finds f where f.workspace_id = waiting.workspace_id and f.connection_id = waiting.id;
      update analytics.connections c set status = 'failed', finished_at = clock_timestamp(), found = '[]', error_code = 'FORBIDDEN',
        error_message = 'the person who gave this consent has asked for deletion'
      where c.workspace_id = waiting.workspace_id and c.id = waiting.id;
      perform analytics_private.write_audit('connection.failed', 'connection', waiting.id,
        jsonb_build_object('reason', 'deletion_requested', 'platform', waiting.platform, 'code', 'FORBIDDEN'), waiting.workspace_id);
    end loop;
    return step;
  end if;

  select t.* into target from analytics_private.accounts_to_delete(request) t limit 1;
  if found then
    perform analytics_private.lock_workspace(target.workspace_id);
    select a.* into account from analytics.social_accounts a where a.workspace_id = target.workspace_id and a.id = target.account_id for update;
    -- Looked at again, now that nobody else changes it.
    if not exists (select from analytics_private.accounts_to_delete(request) t where t.workspace_id = account.workspace_id and t.account_id = account.id) then
      return step;
    end if;
    if account.status <> 'disconnected' then
      delete from analytics_private.oauth_tokens t where t.workspace_id = account.workspace_id and t.social_account_id = account.id;
      update analytics.social_accounts a set status = 'disconnected', disconnected_at = now(), is_primary = false, status_reason = null, status_remedy = null
      where a.workspace_id = account.workspace_id and a.id = account.id;
      if account.is_primary then
        perform analytics_private.pass_primary_on(account);
      end if;
    end if;
    return step || jsonb_build_object('workspace_id', account.workspace_id, 'account_id', account.id);
  end if;

  -- Whoever holds one of these deletes it himself.
  delete from analytics_private.jobs j where j.id in (
    select o.id from analytics_private.jobs o where o.kind = 'end_access' and o.payload ->> 'provider' = request.provider and o.payload ->> 'consent_key' = request.consent_key for update skip locked);
  update analytics_private.deletion_requests r set finished_at = clock_timestamp(), consent_key = null, accounts = n where r.code = request.code;
  perform analytics_private.write_audit('deletion.done', 'deletion_request', null, jsonb_build_object('request', request.code, 'provider', request.provider, 'accounts', n));
  return null;
end
$$;
comment on function analytics_private.delete_as_asked(jsonb) is
  'deletes one of the accounts that came by the consent of a person who asked for it, with all that hangs on it; {code, and from step to step what it knows}, null when none is left';

create or replace function analytics_private.sidecar_handle_event(lease_token uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
  job constant analytics_private.jobs := analytics_private.held_job(sidecar_handle_event.lease_token);
  again timestamptz;
  next_step jsonb;
begin
  case job.kind
    when 'pull_sooner' then
      if not analytics_private.pull_sooner((job.payload ->> 'workspace_id')::uuid, (job.payload ->> 'account_id')::uuid, job.payload ->> 'pull', job.payload ->> 'post') then
        -- No attempt: nothing has failed, and the pull's claim ends.
        again := clock_timestamp() + interval '15 seconds';
        update analytics_private.jobs j set state = 'queued', attempt = j.attempt - 1, lease_token = null, lease_expires_at = null, worker = null, run_at = again where j.id = job.id;
        return jsonb_build_object('state', 'queued', 'job_id', job.id, 'run_at', again);
      end if;
    when 'end_access' then
      perform analytics_private.end_access_as_told(job.payload);
    when 'delete_on_request' then
      next_step := analytics_private.delete_as_asked(job.payload);
      -- The job's row is held since before: that its lease has ended meanwhile changes nothing.
      again := clock_timestamp();
      update analytics_private.jobs j set state = case when next_step is null then 'done' else 'queued' end, payload = coalesce(next_step, j.payload), attempt = case when next_step is null then j.attempt else 0 end,
        lease_token = null, lease_expires_at = null, worker = null, run_at = again, finished_at = case when next_step is null then again end, error_code = null, error_message = null, error_streak = 0
      where j.id = job.id;
      return jsonb_build_object('state', case when next_step is null then 'done' else 'queued' end, 'job_id', job.id, 'run_at', again);
    else
      perform analytics_private.raise_error('VALIDATION_ERROR', 'this is no job that follows from an event');
  end case;
  -- Not kept as done: strangers decide how many there are, and they name whose consent it was.
  delete from analytics_private.jobs j where j.id = job.id;
  return jsonb_build_object('state', 'done', 'job_id', job.id);
end
$$;
comment on function analytics_private.sidecar_handle_event(uuid) is
  'does what follows from an event (kinds pull_sooner, end_access, delete_on_request) and finishes the job, in one transaction; a deletion does one account and puts itself back until none is left: {state: done|queued, job_id}; errors: CONFLICT (lease ended), VALIDATION_ERROR';

-- ---------------------------------------------------------------------------------------------------------------------
-- People who ask for deletion

create or replace function analytics_private.sidecar_request_deletion(provider text, consent_key text, digest bytea, issued_at timestamptz) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
#variable_conflict use_column
declare
  request analytics_private.deletion_requests;
begin
  select r.* into request from analytics_private.deletion_requests r where r.request_digest = sidecar_request_deletion.digest;
  if not found and sidecar_request_deletion.issued_at not between clock_timestamp() - analytics_private.setting_interval('event_memory') and clock_timestamp() + interval '1 hour' then
    return jsonb_build_object('code', null);
  elsif not found then
    insert into analytics_private.deletion_requests (code, provider, consent_key, request_digest, issued_at)
    values (translate(gen_random_uuid()::text, '-', ''), sidecar_request_deletion.provider, sidecar_request_deletion.consent_key, sidecar_request_deletion.digest, sidecar_request_deletion.issued_at)
    on conflict (request_digest) do nothing returning * into request;
    if request.code is not null then
      perform analytics_private.enqueue_job('delete_on_request', request.code, jsonb_build_object('code', request.code), 10, bounded => false);
      perform analytics_private.write_audit('deletion.requested', 'deletion_request', null, jsonb_build_object('request', request.code, 'provider', request.provider));
    else
      -- Another delivery of the same has just come first.
      select r.* into request from analytics_private.deletion_requests r where r.request_digest = sidecar_request_deletion.digest;
    end if;
  elsif request.finished_at is null then
    -- Asked again: what was given up is begun anew.
    delete from analytics_private.jobs j where j.kind = 'delete_on_request' and j.key = request.code and j.state = 'dead';
    perform analytics_private.enqueue_job('delete_on_request', request.code, jsonb_build_object('code', request.code), 10, bounded => false);
  end if;
  return jsonb_build_object('code', request.code);
end
$$;
comment on function analytics_private.sidecar_request_deletion(text, text, bytea, timestamptz) is
  'takes down that a person asks for deletion of what came by his consent, once for each signed request: {code}, null when the request is too old';

create or replace function analytics_private.sidecar_deletion_status(code text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select jsonb_build_object('status', case when r.finished_at is not null then 'done'
      when exists (select from analytics_private.jobs j where j.kind = 'delete_on_request' and j.key = r.code and j.state = 'dead') then 'failed' else 'received' end, 'requested_at', r.requested_at, 'finished_at', r.finished_at)
    from analytics_private.deletion_requests r where r.code = sidecar_deletion_status.code);
end
$$;
comment on function analytics_private.sidecar_deletion_status(text) is 'how far a deletion is, for whoever has its code: {status: received|done|failed (given up; the same request begins anew), requested_at, finished_at}, or null';

-- Of people who were removed on request (sql/80_operations.sql, sql/74_followers.sql).
create or replace function analytics_private.erase_from_events(platform text, names text[]) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  n bigint;
begin
  delete from analytics.events e where e.platform = erase_from_events.platform and analytics_private.names_people(e.payload::text, names);
  get diagnostics n = row_count;
  return n;
end
$$;
comment on function analytics_private.erase_from_events(text, text[]) is 'deletes events that name people who were removed on request; returns how many. Reads all of a platform';

-- ---------------------------------------------------------------------------------------------------------------------
-- Upkeep

create or replace function analytics_private.purge_events(max_count integer) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  n bigint;
begin
  delete from analytics_private.event_digests d where (d.workspace_id, d.social_account_id, d.digest) in (
    select o.workspace_id, o.social_account_id, o.digest from analytics_private.event_digests o
    -- An event may say that it is of an hour from now.
    where o.received_at < now() - analytics_private.setting_interval('event_memory') - interval '2 hours' order by o.received_at limit max_count for update skip locked);
  get diagnostics n = row_count;
  return n;
end
$$;
comment on function analytics_private.purge_events(integer) is 'forgets which events were delivered, some time after they would be too old to be taken; the events themselves go by the month';
