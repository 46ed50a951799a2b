-- Insights: what is due of each connected account, who is served next, what came back and what a refusal means.
--
-- The sidecar asks the platforms; here it is decided what to ask for and when. An account has a schedule for each kind of
-- pull (its numbers, its audience, its posts), a post one of its own. A pull: sidecar_take_insights() claims it →
-- the platform is asked → sidecar_store_insights() stores what came, whole or not, together with what it means for the
-- schedule, through the same functions as record_metrics() and its like.

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('insight_days', 'integer', '30', '1', '30', 'how many days back the platforms are asked for numbers that are not known yet'),
  ('posts_per_pull', 'integer', '100', '1', '1000', 'posts measured in one pull of an account; the rest comes with the next'),
  ('refusal_memory', 'interval', '7 days', '1 minute', '365 days', 'how long a metric that a platform refused is left out before it is asked for again')
on conflict (name) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- How often

create table if not exists analytics_private.insight_cadences (
  platform varchar(32) not null,
  kind varchar(16) not null,
  older_than interval not null default '0',
  every interval,
  event_pause interval,
  constraint insight_cadences_pkey primary key (platform, kind, older_than),
  constraint insight_cadences_kind_known check (kind in ('account', 'audience', 'posts', 'post')),
  constraint insight_cadences_age check (older_than = '0' or kind = 'post'),
  constraint insight_cadences_every check (every >= '1 minute')
);
alter table analytics_private.insight_cadences enable row level security;
comment on table analytics_private.insight_cadences is 'how often a platform is asked for what; a platform without rows is not asked. An operator may change it';
comment on column analytics_private.insight_cadences.kind is 'account: its numbers; audience: who follows it; posts: what is new; post: the numbers of one post';
comment on column analytics_private.insight_cadences.older_than is 'of a post: the row with the greatest age that it has reached holds';
comment on column analytics_private.insight_cadences.every is 'null: no longer; of all kinds but posts, from the next pull of an account on';
-- Anybody can comment, and each pull is taken from a quota that the whole app shares: where it is small or paid for, strangers must not use it up.
comment on column analytics_private.insight_cadences.event_pause is 'an event makes this pull due, this long after the last one at the earliest; null: the setting event_pull_pause';

-- Half of a post's reach comes within its first day. Stories are gone after a day.
insert into analytics_private.insight_cadences (platform, kind, older_than, every)
select p, c.kind, c.older_than::interval, c.every::interval
from unnest(array['instagram']) p, (values ('account', '0', '12 hours'), ('audience', '0', '1 day'), ('posts', '0', '1 hour'),
  ('post', '0', '1 hour'), ('post', '1 day', '4 hours'), ('post', '3 days', '12 hours'), ('post', '7 days', '1 day'), ('post', '30 days', '7 days'), ('post', '180 days', '30 days')) c (kind, older_than, every)
on conflict (platform, kind, older_than) do nothing;

-- A page's figures are renewed once a day, the counts of its posts at once.
insert into analytics_private.insight_cadences (platform, kind, older_than, every)
select 'facebook', c.kind, c.older_than::interval, c.every::interval
from (values ('account', '0', '12 hours'), ('audience', '0', '1 day'), ('posts', '0', '1 hour'),
  ('post', '0', '1 hour'), ('post', '1 day', '4 hours'), ('post', '3 days', '12 hours'), ('post', '7 days', '1 day'), ('post', '30 days', '7 days'), ('post', '180 days', '30 days')) c (kind, older_than, every)
on conflict (platform, kind, older_than) do nothing;
-- LinkedIn's quotas are by day and small (an app in development has 100 calls a member and 500 in all), and it tells nothing of
-- posts older than a year.
insert into analytics_private.insight_cadences (platform, kind, older_than, every, event_pause)
select 'linkedin', c.kind, c.older_than::interval, c.every::interval, case when c.kind <> 'post' then interval '2 hours' end
from (values ('account', '0', '12 hours'), ('audience', '0', '1 day'), ('posts', '0', '4 hours'),
  ('post', '0', '4 hours'), ('post', '3 days', '1 day'), ('post', '30 days', '7 days'), ('post', '180 days', '30 days'), ('post', '365 days', null)) c (kind, older_than, every)
on conflict (platform, kind, older_than) do nothing;

-- TikTok tells no audience. Its limit, 600 calls a minute and kind of call, is far away.
insert into analytics_private.insight_cadences (platform, kind, older_than, every)
select 'tiktok', c.kind, c.older_than::interval, c.every::interval
from (values ('account', '0', '12 hours'), ('posts', '0', '1 hour'),
  ('post', '0', '1 hour'), ('post', '1 day', '4 hours'), ('post', '3 days', '12 hours'), ('post', '7 days', '1 day'), ('post', '30 days', '7 days'), ('post', '180 days', '30 days')) c (kind, older_than, every)
on conflict (platform, kind, older_than) do nothing;

-- X is paid for by what is read: half a cent a post, a cent an account, the second time on a day of UTC for nothing. What only the author
-- may see of a post ends with its thirtieth day.
insert into analytics_private.insight_cadences (platform, kind, older_than, every, event_pause)
select 'x', c.kind, c.older_than::interval, c.every::interval, case when c.kind <> 'post' then interval '6 hours' end
from (values ('account', '0', '1 day'), ('posts', '0', '12 hours'),
  ('post', '0', '12 hours'), ('post', '3 days', '1 day'), ('post', '7 days', '7 days'), ('post', '30 days', null)) c (kind, older_than, every)
on conflict (platform, kind, older_than) do nothing;

-- 10 000 units a day for our whole app, and a unit a call: the numbers take one, the posts three, so a channel 20 a day.
insert into analytics_private.insight_cadences (platform, kind, older_than, every, event_pause)
select 'youtube', c.kind, c.older_than::interval, c.every::interval, case when c.kind <> 'post' then interval '1 hour' end
from (values ('account', '0', '12 hours'), ('audience', '0', '1 day'), ('posts', '0', '4 hours'),
  ('post', '0', '4 hours'), ('post', '3 days', '12 hours'), ('post', '7 days', '1 day'), ('post', '30 days', '7 days'), ('post', '180 days', '30 days')) c (kind, older_than, every)
on conflict (platform, kind, older_than) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- Tables

create table if not exists analytics_private.account_schedules (
  workspace_id uuid not null,
  social_account_id uuid not null,
  kind varchar(16) not null,
  provider varchar(32) not null,
  next_at timestamptz not null default now(),
  reads_all boolean not null default true,
  claim uuid,
  claimed_by text,
  claimed_at timestamptz,
  claimed_until timestamptz,
  failures integer not null default 0,
  stale_version bigint,
  last_error varchar(500),
  succeeded_at timestamptz,
  constraint account_schedules_pkey primary key (workspace_id, social_account_id, kind),
  constraint account_schedules_token_fkey foreign key (workspace_id, social_account_id) references analytics_private.oauth_tokens (workspace_id, social_account_id) on delete cascade,
  constraint account_schedules_kind_known check (kind in ('account', 'audience', 'posts')),
  constraint account_schedules_claim check ((claim is null) = (claimed_until is null))
);
create index if not exists account_schedules_turn on analytics_private.account_schedules (workspace_id, provider, next_at);
create index if not exists account_schedules_due on analytics_private.account_schedules (provider, next_at);
create unique index if not exists account_schedules_claim_key on analytics_private.account_schedules (claim) where claim is not null;
alter table analytics_private.account_schedules enable row level security;
alter table analytics_private.account_schedules set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
comment on table analytics_private.account_schedules is 'when a connected account is asked for what; goes with its tokens';
comment on column analytics_private.account_schedules.reads_all is 'of posts: their list was never read to its end yet, or as far as any list is read';
comment on column analytics_private.account_schedules.stale_version is 'the version of the access token that was not accepted; refused again in a later version, the access is over';

create table if not exists analytics_private.post_schedules (
  workspace_id uuid not null,
  social_account_id uuid not null,
  platform_post_id varchar(255) not null,
  next_at timestamptz,
  gone_at timestamptz,
  constraint post_schedules_pkey primary key (workspace_id, social_account_id, platform_post_id),
  constraint post_schedules_post_fkey foreign key (workspace_id, social_account_id, platform_post_id)
    references analytics.top_content (workspace_id, social_account_id, platform_post_id) on delete cascade
);
alter table analytics_private.post_schedules enable row level security;
comment on table analytics_private.post_schedules is 'when a post of a connected account is measured again';
comment on column analytics_private.post_schedules.next_at is 'null: no more';
comment on column analytics_private.post_schedules.gone_at is 'when the platform listed it no longer, as far as its list is read; listed again, it is measured again';

create table if not exists analytics_private.metric_refusals (
  workspace_id uuid not null,
  social_account_id uuid not null,
  subject varchar(16) not null,
  api_name varchar(80) not null,
  code varchar(64) not null,
  since timestamptz not null default clock_timestamp(),
  until timestamptz not null,
  constraint metric_refusals_pkey primary key (workspace_id, social_account_id, subject, api_name),
  constraint metric_refusals_account_fkey foreign key (workspace_id, social_account_id) references analytics.social_accounts (workspace_id, id) on delete cascade
);
alter table analytics_private.metric_refusals enable row level security;
comment on table analytics_private.metric_refusals is 'metrics that a platform refuses for an account; left out of its requests until then';
comment on column analytics_private.metric_refusals.subject is 'account, audience, or a kind of post: the same name may be served for one and not for another';
comment on column analytics_private.metric_refusals.code is 'what the platform said, as a number or one of our words';

create table if not exists analytics_private.app_metric_refusals (
  provider varchar(32) not null,
  platform varchar(32) not null,
  subject varchar(16) not null,
  api_name varchar(80) not null,
  code varchar(64) not null,
  since timestamptz not null default clock_timestamp(),
  until timestamptz not null,
  constraint app_metric_refusals_pkey primary key (provider, platform, subject, api_name)
);
alter table analytics_private.app_metric_refusals enable row level security;
comment on table analytics_private.app_metric_refusals is 'metrics that a platform does not know, or serves our app no longer; left out of all requests until then';

create table if not exists analytics_private.provider_limits (
  provider varchar(32) not null,
  percent integer,
  paused_until timestamptz not null,
  noted_at timestamptz not null default clock_timestamp(),
  constraint provider_limits_pkey primary key (provider)
);
alter table analytics_private.provider_limits enable row level security;
comment on table analytics_private.provider_limits is 'the limit of our app with a provider, which all its accounts share: nobody is asked for before it is over';
comment on column analytics_private.provider_limits.percent is 'how much of it was used, where the provider says';

create table if not exists analytics_private.insight_turns (
  workspace_id uuid not null,
  provider varchar(32) not null,
  served_at timestamptz not null default '-infinity',
  constraint insight_turns_pkey primary key (workspace_id, provider),
  constraint insight_turns_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id) on delete cascade
);
create index if not exists insight_turns_order on analytics_private.insight_turns (provider, served_at);
alter table analytics_private.insight_turns enable row level security;
alter table analytics_private.insight_turns set (fillfactor = 50);
comment on table analytics_private.insight_turns is 'when a workspace was served last: the one that waits longest is next, however many accounts the others have';

-- ---------------------------------------------------------------------------------------------------------------------
-- What is due

-- Connecting, for the first time or anew, makes everything due.
create or replace function analytics_private.schedule_insights() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  insert into analytics_private.account_schedules (workspace_id, social_account_id, kind, provider)
  select new.workspace_id, new.social_account_id, c.kind, new.provider
  from analytics.social_accounts a join analytics_private.insight_cadences c on c.platform = a.platform
  where a.workspace_id = new.workspace_id and a.id = new.social_account_id and c.kind <> 'post' and c.every is not null
  on conflict (workspace_id, social_account_id, kind) do update set provider = excluded.provider, next_at = now(), claim = null, claimed_by = null, claimed_until = null,
    failures = 0, stale_version = null, last_error = null;
  insert into analytics_private.insight_turns (workspace_id, provider) values (new.workspace_id, new.provider) on conflict do nothing;
  -- Other permissions, other answers.
  delete from analytics_private.metric_refusals r where r.workspace_id = new.workspace_id and r.social_account_id = new.social_account_id;
  return null;
end
$$;
-- A refresh does not set the day of the consent.
create or replace trigger oauth_tokens_insights after insert or update of first_consent_at on analytics_private.oauth_tokens
  for each row execute function analytics_private.schedule_insights();

-- A cadence that is new, or there again: its platform's accounts are asked, from now on. Definer: whoever changes a cadence has no
-- right on the schedules.
create or replace function analytics_private.resume_insights() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into analytics_private.account_schedules (workspace_id, social_account_id, kind, provider)
  select t.workspace_id, t.social_account_id, c.kind, t.provider
  from cadences c join analytics.social_accounts a on a.platform = c.platform and a.status in ('active', 'expiring')
    join analytics_private.oauth_tokens t on t.workspace_id = a.workspace_id and t.social_account_id = a.id
  where c.kind <> 'post' and c.every is not null
  order by t.workspace_id, t.social_account_id, c.kind
  on conflict (workspace_id, social_account_id, kind) do update set next_at = now() where account_schedules.next_at = 'infinity';
  return null;
end
$$;
create or replace trigger insight_cadences_added after insert on analytics_private.insight_cadences
  referencing new table as cadences for each statement execute function analytics_private.resume_insights();
create or replace trigger insight_cadences_changed after update on analytics_private.insight_cadences
  referencing new table as cadences for each statement execute function analytics_private.resume_insights();

create or replace function analytics_private.post_due_at(platform text, posted_at timestamptz, captured_at timestamptz) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return post_due_at.captured_at + (select c.every from analytics_private.insight_cadences c
    where c.platform = post_due_at.platform and c.kind = 'post' and post_due_at.posted_at + c.older_than <= post_due_at.captured_at order by c.older_than desc limit 1);
end
$$;
comment on function analytics_private.post_due_at(text, timestamptz, timestamptz) is 'when a post that was measured is measured again, by its age; null: no more';

create or replace function analytics_private.insight_metrics(platform text) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select coalesce(jsonb_agg(jsonb_build_object('scope', r.scope, 'metric', r.metric, 'api_name', r.api_name, 'kind', r.kind, 'minimum_followers', r.minimum_followers) order by r.scope, r.metric), '[]')
    from analytics.metric_registry r
    where r.platform = insight_metrics.platform and r.api_name is not null and r.kind <> 'none'
      and (r.available_from is null or r.available_from <= current_date) and (r.available_until is null or r.available_until > current_date));
end
$$;
comment on function analytics_private.insight_metrics(text) is 'what a platform is asked for: the registry''s metrics that it serves today, by its names';

create or replace function analytics_private.refused_metrics(provider text, platform text, workspace_id uuid, account_id uuid) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select coalesce(jsonb_agg(distinct jsonb_build_object('subject', f.subject, 'api_name', f.api_name)), '[]') from (
    select r.subject, r.api_name from analytics_private.metric_refusals r
    where r.workspace_id = refused_metrics.workspace_id and r.social_account_id = refused_metrics.account_id and r.until > clock_timestamp()
    union all
    select r.subject, r.api_name from analytics_private.app_metric_refusals r
    where r.provider = refused_metrics.provider and r.platform = refused_metrics.platform and r.until > clock_timestamp()) f);
end
$$;

-- The days, newest first, whose numbers are not known, or were asked for before they were sure to be final.
create or replace function analytics_private.insight_days(platform text, workspace_id uuid, account_id uuid, refused jsonb) returns date[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  today constant date := (clock_timestamp() at time zone 'UTC')::date;
  span constant integer := analytics_private.setting_integer('insight_days');
begin
  return (
    with wanted as (
      select r.metric, coalesce(r.delay, '0') as delay from analytics.metric_registry r
      where r.platform = insight_days.platform and r.scope = 'account' and r.kind = 'flow' and r.api_name is not null
        and (r.available_from is null or r.available_from <= today) and (r.available_until is null or r.available_until > today)
        and not insight_days.refused @> jsonb_build_array(jsonb_build_object('subject', 'account', 'api_name', r.api_name))
    ), known as materialized (
      select m.metric, (m.measured_at at time zone 'UTC')::date as day, max(m.measured_at) as measured_at, max(m.captured_at) as captured_at, bool_or(m.value is not null) as is_known from analytics.metrics_snapshots m
      where m.workspace_id = insight_days.workspace_id and m.social_account_id = insight_days.account_id and m.source = 'api'
        and m.metric = any (array(select w.metric from wanted w))
        and m.measured_at >= (today - span)::timestamp at time zone 'UTC'
      group by 1, 2
    ), final as (
      -- A value says when its day begins. Of a day without one only the date is known, and California's ends eight hours after UTC's.
      select k.day, count(*) as metrics from known k join wanted w on w.metric = k.metric
      where k.captured_at >= k.measured_at + case when k.is_known then interval '1 day' else interval '32 hours' end + w.delay
      group by k.day
    )
    select coalesce(array_agg(d.day order by d.day desc), '{}') from (select today - n as day from generate_series(1, span) n) d left join final f on f.day = d.day
    where coalesce(f.metrics, 0) < (select count(*) from wanted));
end
$$;
comment on function analytics_private.insight_days(text, uuid, uuid, jsonb) is 'the days that an account''s platform is asked for: unknown ones, and those that were captured before the platform''s delay was over';

-- Definer, as all that the sidecar calls: it has no right on any table.
create or replace function analytics_private.sidecar_take_insights(worker text, provider text, batch integer, lease_seconds integer)
returns table (workspace_id uuid, account_id uuid, claim uuid, kind text, platform text, platform_user_id text, version bigint, access_token text, metrics jsonb, refused jsonb,
  days date[], fresh_posts text[], newest_fresh timestamptz, oldest_due timestamptz, reads_all boolean, most_posts integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  depth integer;
  taken_now integer;
  wanted integer := sidecar_take_insights.batch;
begin
  if (batch between 1 and 1000 and lease_seconds between 1 and 3600) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'batch is 1 to 1000, lease_seconds 1 to 3600');
  elsif exists (select from analytics_private.provider_limits l where l.provider = sidecar_take_insights.provider and l.paused_until > clock_timestamp())
    or not exists (select from analytics_private.account_schedules s where s.provider = sidecar_take_insights.provider and s.next_at <= clock_timestamp()) then
    return;
  end if;
  -- One of each workspace, whoever was served longest ago first: that ends as soon as there are enough. Only when there are not
  -- is it looked how much more each of them has.
  foreach depth in array array[1, batch] loop
    return query
      with chosen as (
        select d.workspace_id, d.social_account_id, d.kind, d.place, x.served_at, d.next_at
        from (select i.workspace_id, i.served_at from analytics_private.insight_turns i join analytics.workspaces w on w.id = i.workspace_id and w.status = 'active'
            where i.provider = sidecar_take_insights.provider order by i.served_at) x
          cross join lateral (
            select s.workspace_id, s.social_account_id, s.kind, s.next_at, row_number() over (order by s.next_at, s.social_account_id, s.kind) as place
            from analytics_private.account_schedules s
              join analytics_private.oauth_tokens t on t.workspace_id = s.workspace_id and t.social_account_id = s.social_account_id
              join analytics.social_accounts a on a.workspace_id = s.workspace_id and a.id = s.social_account_id
            where s.workspace_id = x.workspace_id and s.provider = sidecar_take_insights.provider and s.next_at <= clock_timestamp()
              and (s.claimed_until is null or s.claimed_until <= clock_timestamp())
              -- With an access that has run out the refresh comes first; then this is still due.
              and a.status in ('active', 'expiring') and a.platform_user_id is not null and (t.expires_at is null or t.expires_at > clock_timestamp())
            order by s.next_at, s.social_account_id, s.kind limit depth) d
        -- Twice as many as wanted: another sidecar may be taking some of them at this moment.
        limit case when depth = 1 then 2 * wanted end
      ), ordered as (
        select c.*, row_number() over (order by c.place, c.served_at, c.next_at, c.workspace_id) as turn from chosen c
      ), locked as (
        select s.workspace_id, s.social_account_id, s.kind, c.turn
        from ordered c join analytics_private.account_schedules s on s.workspace_id = c.workspace_id and s.social_account_id = c.social_account_id and s.kind = c.kind
        where s.next_at <= clock_timestamp() and (s.claimed_until is null or s.claimed_until <= clock_timestamp())
        order by c.turn limit wanted for update of s skip locked
      ), served as (
        -- In one order, so that two at once cannot wait for each other.
        insert into analytics_private.insight_turns (workspace_id, provider, served_at)
        select l.workspace_id, sidecar_take_insights.provider, clock_timestamp() from (select distinct k.workspace_id from locked k) l order by l.workspace_id
        on conflict (workspace_id, provider) do update set served_at = excluded.served_at
      ), taken as (
        update analytics_private.account_schedules s set claim = gen_random_uuid(), claimed_by = left(sidecar_take_insights.worker, 200),
          claimed_at = clock_timestamp(), claimed_until = clock_timestamp() + make_interval(secs => sidecar_take_insights.lease_seconds)
        from locked l where s.workspace_id = l.workspace_id and s.social_account_id = l.social_account_id and s.kind = l.kind
        returning s.workspace_id, s.social_account_id, s.claim, s.kind, s.reads_all, l.turn
      )
      select k.workspace_id, k.social_account_id, k.claim, k.kind::text, a.platform::text, a.platform_user_id::text, t.version, t.access_token,
        analytics_private.insight_metrics(a.platform), r.refused,
        case when k.kind = 'account' then analytics_private.insight_days(a.platform, k.workspace_id, k.social_account_id, r.refused) else '{}' end,
        p.fresh_posts, p.newest_fresh, p.oldest_due, k.reads_all, analytics_private.setting_integer('posts_per_pull')
      from taken k join analytics.social_accounts a on a.workspace_id = k.workspace_id and a.id = k.social_account_id
        join analytics_private.oauth_tokens t on t.workspace_id = k.workspace_id and t.social_account_id = k.social_account_id
        cross join lateral (select analytics_private.refused_metrics(sidecar_take_insights.provider, a.platform, k.workspace_id, k.social_account_id) as refused) r
        cross join lateral (
          select coalesce(array_agg(y.platform_post_id::text) filter (where y.gone_at is null and (y.next_at is null or y.next_at > clock_timestamp())), '{}') as fresh_posts,
            max(c.posted_at) filter (where y.gone_at is null and (y.next_at is null or y.next_at > clock_timestamp())) as newest_fresh,
            min(c.posted_at) filter (where y.next_at <= clock_timestamp()) as oldest_due
          from analytics_private.post_schedules y join analytics.top_content c on c.workspace_id = y.workspace_id and c.social_account_id = y.social_account_id and c.platform_post_id = y.platform_post_id
          where k.kind = 'posts' and y.workspace_id = k.workspace_id and y.social_account_id = k.social_account_id) p
      order by k.turn;
    get diagnostics taken_now = row_count;
    wanted := wanted - taken_now;
    exit when wanted <= 0;
  end loop;
end
$$;
comment on function analytics_private.sidecar_take_insights(text, text, integer, integer) is
  'claims pulls of a provider''s accounts that are due, the workspaces in turn; none while the limit of our app is used up. Each with the sealed access token, the metrics to ask for, those refused, the days that are not final, the posts that need no measuring yet (fresh_posts), when the newest of them was posted and when the oldest that does was; errors: VALIDATION_ERROR';

create or replace function analytics_private.sidecar_note_limit(provider text, percent integer, wait_seconds double precision) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  insert into analytics_private.provider_limits as l (provider, percent, paused_until)
  values (left(sidecar_note_limit.provider, 32), sidecar_note_limit.percent, clock_timestamp() + make_interval(secs => least(greatest(coalesce(sidecar_note_limit.wait_seconds, 60), 1), 86400)))
  on conflict (provider) do update set percent = coalesce(excluded.percent, l.percent), paused_until = greatest(l.paused_until, excluded.paused_until), noted_at = excluded.noted_at;
end
$$;
comment on function analytics_private.sidecar_note_limit(text, integer, double precision) is
  'notes that the limit of our app with a provider is used up, or nearly: no pull of any account is given out for so many seconds, 60 if the provider does not say';

-- ---------------------------------------------------------------------------------------------------------------------
-- What came back

-- Why a value that was asked for did not come, in words. A day of 32 hours: as in insight_days.
create or replace function analytics_private.missing_reason(metric analytics.metric_registry, measured_at timestamptz, captured_at timestamptz, followers bigint) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case
    when followers < (metric).minimum_followers then format('the platform answers nothing below %s followers', (metric).minimum_followers)
    when (metric).kind = 'flow' and captured_at < measured_at + interval '32 hours' + (metric).delay
      then format('not answered yet; the platform may be %s hours late', round(extract(epoch from (metric).delay) / 3600))
    else 'asked for, and not answered' end
$$;

create or replace function analytics_private.store_insights(account analytics.social_accounts, result json, captured_at timestamptz) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  read record;
  given record;
  insights analytics.audience_insights;
  posts bigint := 0;
  stored bigint := 0;
  followers bigint;
begin
  followers := coalesce(
    (select m.value from json_to_recordset(coalesce(store_insights.result -> 'metrics', '[]')) m (metric text, value bigint) where m.metric = 'followers' and m.value is not null limit 1),
    (select m.value from analytics.metrics_snapshots m where m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.metric = 'followers' and m.value is not null
      order by m.measured_at desc, m.captured_at desc limit 1));
  select array_agg(e.metric) as metrics, array_agg(e.measured_at) as measured_at, array_agg(e.value) as metric_values, array_agg(e.reason) as reasons into read
  from (
    select distinct on (m.metric, m.at) m.metric, m.at as measured_at, case when m.value >= 0 then m.value end as value,
      -- Likes that were taken back can make a day's sum negative.
      case when m.value < 0 then format('the platform said %s', m.value)
        when m.value is null then coalesce(left(m.reason, 255), analytics_private.missing_reason(r, m.at, store_insights.captured_at, followers)) end as reason
    from (select j.metric, coalesce(j.measured_at, store_insights.captured_at) as at, j.value, j.reason
        from json_to_recordset(coalesce(store_insights.result -> 'metrics', '[]')) j (metric text, measured_at timestamptz, value bigint, reason text)) m
      join analytics.metric_registry r on r.platform = account.platform and r.scope = 'account' and r.metric = m.metric and r.kind <> 'none'
    order by m.metric, m.at, m.value is null) e;
  if read.metrics is not null then
    stored := (analytics_private.store_metrics(account, read.metrics, read.measured_at, array_fill(store_insights.captured_at, array[cardinality(read.metrics)]), read.metric_values,
      read.reasons, 'api') ->> 'recorded')::bigint;
  end if;
  for given in
    select j.audience, j.age_ranges, j.genders, j.countries, j.cities, j.facets
    from json_to_recordset(coalesce(store_insights.result -> 'audiences', '[]')) j (audience text, age_ranges jsonb, genders jsonb, countries jsonb, cities jsonb, facets jsonb)
  loop
    insights := null;
    insights.workspace_id := account.workspace_id;
    insights.social_account_id := account.id;
    insights.audience := given.audience;
    insights.captured_at := store_insights.captured_at;
    insights.snapshot_date := (store_insights.captured_at at time zone 'UTC')::date;
    insights.age_ranges := given.age_ranges;
    insights.genders := given.genders;
    insights.countries := given.countries;
    insights.cities := given.cities;
    insights.facets := given.facets;
    insights.source := 'api';
    perform analytics_private.store_audience(account, insights);
  end loop;
  if json_array_length(coalesce(store_insights.result -> 'posts', '[]')) > 0 then
    posts := (analytics_private.store_posts(account, store_insights.result ->> 'posts', store_insights.captured_at, 'api') ->> 'posts')::bigint;
    insert into analytics_private.post_schedules (workspace_id, social_account_id, platform_post_id, next_at)
    select distinct on (c.platform_post_id) c.workspace_id, c.social_account_id, c.platform_post_id, analytics_private.post_due_at(account.platform, c.posted_at, store_insights.captured_at)
    from json_to_recordset(store_insights.result -> 'posts') j (id text) join analytics.top_content c
      on c.workspace_id = account.workspace_id and c.social_account_id = account.id and c.platform_post_id = j.id
    on conflict (workspace_id, social_account_id, platform_post_id) do update set next_at = excluded.next_at, gone_at = null;
  end if;
  return jsonb_build_object('metrics', stored, 'audiences', json_array_length(coalesce(store_insights.result -> 'audiences', '[]')), 'posts', posts);
end
$$;
comment on function analytics_private.store_insights(analytics.social_accounts, json, timestamptz) is 'stores what a platform said of an account whose row the caller holds; errors: VALIDATION_ERROR, CONFLICT';

create or replace function analytics_private.note_refusals(account analytics.social_accounts, provider text, refused json) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  until constant timestamptz := clock_timestamp() + analytics_private.setting_interval('refusal_memory');
begin
  insert into analytics_private.metric_refusals (workspace_id, social_account_id, subject, api_name, code, until)
  select distinct on (r.subject, r.api_name) account.workspace_id, account.id, r.subject, r.api_name, r.code, until
  from json_to_recordset(note_refusals.refused) r (subject text, api_name text, code text, of_app boolean) where r.of_app is not true
  on conflict (workspace_id, social_account_id, subject, api_name) do update set code = excluded.code, until = excluded.until;
  insert into analytics_private.app_metric_refusals (provider, platform, subject, api_name, code, until)
  select distinct on (r.subject, r.api_name) note_refusals.provider, account.platform, r.subject, r.api_name, r.code, until
  from json_to_recordset(note_refusals.refused) r (subject text, api_name text, code text, of_app boolean) where r.of_app order by r.subject, r.api_name
  on conflict (provider, platform, subject, api_name) do update set code = excluded.code, until = excluded.until;
end
$$;

create or replace function analytics_private.sidecar_store_insights(
  claim uuid, result json, failure text default null, message text default null, retry_after_seconds double precision default null, version bigint default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  held analytics_private.account_schedules;
  account analytics.social_accounts;
  tokens analytics_private.oauth_tokens;
  at constant timestamptz := clock_timestamp();
  captured constant timestamptz := least((sidecar_store_insights.result ->> 'captured_at')::timestamptz, at);
  stored jsonb := jsonb_build_object();
  n_posts bigint := 0;
  reads_on boolean;
  every interval;
  wait interval;
  due_at timestamptz;
  is_portion constant boolean := coalesce(sidecar_store_insights.failure = 'unfinished' and sidecar_store_insights.result is not null, false);
  is_over boolean := false;
begin
  if sidecar_store_insights.failure not in ('stale', 'final', 'denied', 'refused', 'configuration', 'throttled', 'throttled_account', 'temporary', 'malformed', 'sealed', 'unfinished') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such kind of failure',
      'stale, final, denied, refused, configuration, throttled, throttled_account, temporary, malformed, sealed or unfinished', '{"field": "failure"}');
  elsif sidecar_store_insights.result is not null and sidecar_store_insights.result ->> 'captured_at' is null then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'captured_at is missing', null, '{"field": "result"}');
  end if;
  select s.* into held from analytics_private.account_schedules s where s.claim = sidecar_store_insights.claim;
  -- The account before its tokens and its schedule, as where they are stored and wiped.
  select a.* into account from analytics.social_accounts a where a.workspace_id = held.workspace_id and a.id = held.social_account_id for no key update;
  select t.* into tokens from analytics_private.oauth_tokens t where t.workspace_id = held.workspace_id and t.social_account_id = held.social_account_id for update;
  select s.* into held from analytics_private.account_schedules s where s.claim = sidecar_store_insights.claim for update;
  if held.claim is null or account.status = 'disconnected' then
    return jsonb_build_object('state', 'superseded');
  end if;

  if sidecar_store_insights.result is not null then
    stored := analytics_private.store_insights(account, sidecar_store_insights.result, captured);
    if sidecar_store_insights.failure is null then
      -- Due when the list was asked for, and not where it should have it.
      update analytics_private.post_schedules p set next_at = null, gone_at = captured
      from analytics.top_content c
      where p.workspace_id = held.workspace_id and p.social_account_id = held.social_account_id and p.next_at <= held.claimed_at
        and c.workspace_id = p.workspace_id and c.social_account_id = p.social_account_id and c.platform_post_id = p.platform_post_id
        and ((sidecar_store_insights.result #>> '{listing,is_whole}')::boolean or c.posted_at > (sidecar_store_insights.result #>> '{listing,back_to}')::timestamptz);
    end if;
  end if;
  if json_array_length(sidecar_store_insights.result -> 'refused') > 0 then
    perform analytics_private.note_refusals(account, held.provider, sidecar_store_insights.result -> 'refused');
  end if;

  reads_on := held.reads_all;
  if held.kind = 'posts' then
    n_posts := coalesce((stored ->> 'posts')::bigint, 0);
    reads_on := case
      when (sidecar_store_insights.result #>> '{listing,is_whole}')::boolean then false
      -- Read as far as was meant. A first reading that finds nothing more to measure is over, whatever its end.
      when sidecar_store_insights.failure is null or sidecar_store_insights.result #>> '{listing,is_whole}' is not null then held.reads_all and n_posts > 0
      -- Of a list that broke off the newer part is stored: only reading all of it again finds what is new in the rest.
      else held.reads_all or n_posts > 0 end;
  end if;

  every := (select c.every from analytics_private.insight_cadences c where c.platform = account.platform and c.kind = held.kind and c.older_than = '0');
  case
    when sidecar_store_insights.failure is null then
      wait := case when reads_on and n_posts > 0 then interval '1 minute'
        -- Spread, so that accounts which were connected together drift apart.
        else every * (0.95 + random() * 0.1) end;
    -- Something came: the next pull goes on behind it.
    when is_portion then
      wait := '1 second';
    when sidecar_store_insights.failure = 'throttled' then
      wait := make_interval(secs => least(greatest(coalesce(sidecar_store_insights.retry_after_seconds, 60), 1), 86400));
      perform analytics_private.sidecar_note_limit(held.provider, null, extract(epoch from wait)::double precision);
    when sidecar_store_insights.failure = 'final'
      -- Not accepted, renewed, and still not accepted; or nothing to renew it with.
      or sidecar_store_insights.failure = 'stale' and tokens.version is not distinct from sidecar_store_insights.version
        and (held.stale_version < tokens.version or tokens.refresh_at is null) then
      -- What is known of an older token says nothing about the one that is stored.
      is_over := tokens.version is not distinct from sidecar_store_insights.version;
      wait := '1 minute';
    -- Once a token: one that cannot be renewed is not shown again and again.
    when sidecar_store_insights.failure = 'stale' and (tokens.version is distinct from sidecar_store_insights.version or held.stale_version is distinct from tokens.version) then
      if tokens.version is not distinct from sidecar_store_insights.version then
        update analytics_private.oauth_tokens t set refresh_at = least(t.refresh_at, at) where t.workspace_id = held.workspace_id and t.social_account_id = held.social_account_id;
        held.stale_version := tokens.version;
      end if;
      wait := '10 seconds';
    else
      wait := make_interval(secs => analytics_private.job_backoff(least(held.failures + 1, 30), extract(epoch from analytics_private.setting_interval('job_backoff_base'))::double precision,
        extract(epoch from analytics_private.setting_interval('job_backoff_cap'))::double precision, analytics_private.at_most_a_day(sidecar_store_insights.retry_after_seconds)));
      -- The same question gets the same answer until somebody changes something.
      if sidecar_store_insights.failure in ('denied', 'refused', 'configuration', 'sealed') then
        wait := greatest(wait, least(every, '6 hours'));
      elsif sidecar_store_insights.failure = 'throttled_account' then
        wait := greatest(wait, '1 minute');
      end if;
  end case;
  -- Nobody is asked whose access is over, nor where an operator has ended the cadence.
  due_at := case when is_over or every is null or account.status = 'reconnect_required' then 'infinity' else at + greatest(wait, '10 milliseconds') end;
  if is_over then
    perform analytics_private.end_access(account, held.provider, 'insights', coalesce(nullif(left(sidecar_store_insights.message, 400), ''), format('%s has ended the access', analytics_private.platform_in_words(held.provider))));
  end if;
  -- The access lives, and brings less than it should: that is for the member to see.
  if sidecar_store_insights.failure = 'denied' and account.status = 'active' then
    update analytics.social_accounts a set status_reason = format('%s does not let us read its %s: a permission is missing', analytics_private.platform_in_words(account.platform),
        case held.kind when 'account' then 'numbers' else held.kind end), status_remedy = 'connect the account again, and leave all permissions on'
    where a.workspace_id = account.workspace_id and a.id = account.id and a.status_reason is null;
  elsif sidecar_store_insights.failure is null and account.status = 'active' and account.status_reason is not null
    and not exists (select from analytics_private.account_schedules s where s.workspace_id = held.workspace_id and s.social_account_id = held.social_account_id
      and s.kind <> held.kind and s.failures > 0) then
    update analytics.social_accounts a set status_reason = null, status_remedy = null where a.workspace_id = account.workspace_id and a.id = account.id;
  end if;
  update analytics_private.account_schedules s set claim = null, claimed_by = null, claimed_until = null, next_at = due_at,
    reads_all = reads_on,
    failures = case when sidecar_store_insights.failure is null then 0 when sidecar_store_insights.failure = 'throttled' or is_portion then s.failures else s.failures + 1 end,
    stale_version = case when sidecar_store_insights.failure is null then null else held.stale_version end,
    last_error = case when not is_portion then left(coalesce(sidecar_store_insights.message, sidecar_store_insights.failure), 500) end,
    succeeded_at = case when sidecar_store_insights.failure is null then at else s.succeeded_at end
  where s.workspace_id = held.workspace_id and s.social_account_id = held.social_account_id and s.kind = held.kind;
  return jsonb_build_object('state', case when is_over then 'reconnect_required' when sidecar_store_insights.failure is null then 'stored' else 'later' end, 'next_at', due_at) || stored;
end
$$;
comment on function analytics_private.sidecar_store_insights(uuid, json, text, text, double precision, bigint) is
  'ends a pull, in one transaction: stores what came (metrics, audiences, posts, with refused metrics noted), whole or up to a failure, and says when the next one is. final ends the access, stale renews it first and ends it when that changed nothing, throttled makes all accounts of the provider wait, throttled_account this one, all else is tried again. {state: stored|later|reconnect_required|superseded, next_at, metrics, audiences, posts}; errors: VALIDATION_ERROR, CONFLICT';

create or replace function analytics_private.sidecar_release_insights(claim uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update analytics_private.account_schedules s set claim = null, claimed_by = null, claimed_until = null where s.claim = sidecar_release_insights.claim;
  return found;
end
$$;
comment on function analytics_private.sidecar_release_insights(uuid) is 'gives a pull back for which nobody was asked';
