-- Numbers of accounts over time: which metrics exist, what was captured, and what follows from it. Every capture is kept, so that
-- what was known at a moment can be asked later; what is unknown is null, with the reason.

-- ---------------------------------------------------------------------------------------------------------------------
-- metric_registry: what exists where

create table if not exists analytics.metric_registry (
  platform varchar(32) not null,
  scope varchar(16) not null,
  metric varchar(40) not null,
  api_name varchar(80),
  kind varchar(8) not null,
  unit varchar(16) not null default 'count',
  is_summable boolean not null,
  available_from date,
  available_until date,
  api_version_from varchar(16),
  api_version_until varchar(16),
  replaced_by varchar(40),
  minimum_followers integer,
  delay interval,
  description text not null,
  source text not null,
  constraint metric_registry_pkey primary key (platform, scope, metric),
  constraint metric_registry_platform_known check (platform in ('instagram', 'facebook', 'tiktok', 'linkedin', 'x', 'youtube')),
  constraint metric_registry_scope_known check (scope in ('account', 'post')),
  constraint metric_registry_metric_form check (metric ~ '^[a-z][a-z0-9_]*$'),
  constraint metric_registry_kind_known check (kind in ('level', 'flow', 'total', 'none')),
  constraint metric_registry_unit_known check (unit in ('count', 'people', 'milliseconds')),
  constraint metric_registry_order check (available_until >= available_from),
  -- A level is a state at a moment and cannot be added up.
  constraint metric_registry_summable check (not is_summable or kind in ('flow', 'total'))
);
alter table analytics.metric_registry enable row level security;
comment on table analytics.metric_registry is 'the metrics of each platform: since when, until when, replaced by what, and whether values may be added up';
comment on column analytics.metric_registry.scope is 'of an account, or of a post';
comment on column analytics.metric_registry.metric is 'our name, the same on every platform that counts the same';
comment on column analytics.metric_registry.api_name is 'the platform''s name for it; null: derived here, or not offered';
comment on column analytics.metric_registry.kind is 'level: a state at a moment; flow: counted over a day; total: counted since a post was published; none: the platform does not offer it';
comment on column analytics.metric_registry.is_summable is 'false where people would be counted twice (reach) and for levels';
comment on column analytics.metric_registry.available_until is 'the platform answered it until before this day; null: still';
comment on column analytics.metric_registry.minimum_followers is 'below this the platform answers nothing, which is not zero';
comment on column analytics.metric_registry.delay is 'values may be late, or still change, for this long';

drop policy if exists "signed-in users read the registry of metrics" on analytics.metric_registry;
create policy "signed-in users read the registry of metrics" on analytics.metric_registry for select to authenticated
  using ((select analytics_private.user_id()) is not null);

-- Dates and names: Meta's documentation of insights (v22: metrics removed for all versions on 2025-04-21; page impressions removed in
-- June, page fans in November 2025), the platforms' API references for the rest.
insert into analytics.metric_registry
  (platform, scope, metric, api_name, kind, unit, is_summable, available_from, available_until, api_version_until, replaced_by, minimum_followers, delay, description, source)
select t.platform, t.scope, t.metric, t.api_name, t.kind, t.unit, t.kind in ('flow', 'total') and t.unit = 'count', t.available_from::date, t.available_until::date,
  t.api_version_until, t.replaced_by, t.minimum_followers, t.delay::interval, t.description,
  case t.platform when 'instagram' then 'Instagram Platform, API reference: IG User and IG Media insights'
    when 'facebook' then 'Graph API, Page insights' when 'tiktok' then 'TikTok API, user info and video list'
    when 'linkedin' then 'LinkedIn Community Management API' else 'X API v2, metrics' end
from (values
  ('instagram', 'account', 'followers', 'followers_count', 'level', 'people', null, null, null, null, null, null, 'accounts that follow'),
  ('instagram', 'account', 'following', 'follows_count', 'level', 'people', null, null, null, null, null, null, 'accounts that it follows'),
  ('instagram', 'account', 'posts', 'media_count', 'level', 'count', null, null, null, null, null, null, 'posts on the profile'),
  ('instagram', 'account', 'reach', 'reach', 'flow', 'people', null, null, null, null, null, '48 hours', 'different accounts that saw something of it in the day'),
  ('instagram', 'account', 'views', 'views', 'flow', 'count', '2025-04-21', null, null, null, null, '48 hours', 'times that something of it was played or shown in the day'),
  ('instagram', 'account', 'impressions', 'impressions', 'flow', 'count', null, '2025-04-21', 'v21.0', 'views', null, '48 hours', 'times that something of it was on a screen in the day'),
  ('instagram', 'account', 'profile_views', 'profile_views', 'flow', 'count', null, '2025-04-21', 'v21.0', null, null, '48 hours', 'visits of the profile in the day'),
  ('instagram', 'account', 'website_clicks', 'website_clicks', 'flow', 'count', null, '2025-04-21', 'v21.0', 'link_clicks', null, '48 hours', 'taps on the website of the profile in the day'),
  ('instagram', 'account', 'link_clicks', 'profile_links_taps', 'flow', 'count', null, null, null, null, null, '48 hours', 'taps on links of the profile in the day'),
  ('instagram', 'account', 'accounts_engaged', 'accounts_engaged', 'flow', 'people', null, null, null, null, null, '48 hours', 'different accounts that interacted in the day'),
  ('instagram', 'account', 'engagement', 'total_interactions', 'flow', 'count', null, null, null, null, null, '48 hours', 'likes, comments, shares, saves and replies of the day, less those taken back'),
  ('instagram', 'account', 'likes', 'likes', 'flow', 'count', null, null, null, null, null, '48 hours', 'likes of the day'),
  ('instagram', 'account', 'comments', 'comments', 'flow', 'count', null, null, null, null, null, '48 hours', 'comments of the day'),
  ('instagram', 'account', 'shares', 'shares', 'flow', 'count', null, null, null, null, null, '48 hours', 'shares of the day'),
  ('instagram', 'account', 'saves', 'saves', 'flow', 'count', null, null, null, null, null, '48 hours', 'saves of the day'),
  ('instagram', 'account', 'replies', 'replies', 'flow', 'count', null, null, null, null, null, '48 hours', 'replies to stories of the day'),
  ('instagram', 'account', 'reposts', 'reposts', 'flow', 'count', null, null, null, null, null, '48 hours', 'reposts of the day'),
  ('instagram', 'account', 'follows', 'follows_and_unfollows', 'flow', 'count', null, null, null, null, 100, '48 hours', 'accounts that began to follow in the day'),
  ('instagram', 'account', 'unfollows', 'follows_and_unfollows', 'flow', 'count', null, null, null, null, 100, '48 hours', 'accounts that left in the day'),
  ('instagram', 'account', 'new_followers', 'follower_count', 'flow', 'count', null, null, null, null, 100, '48 hours', 'new followers of the day, as the platform counts them'),
  ('instagram', 'post', 'likes', 'likes', 'total', 'count', null, null, null, null, null, '48 hours', 'likes so far, without ads'),
  ('instagram', 'post', 'comments', 'comments', 'total', 'count', null, null, null, null, null, '48 hours', 'comments so far, without ads'),
  ('instagram', 'post', 'shares', 'shares', 'total', 'count', null, null, null, null, null, '48 hours', 'shares so far'),
  ('instagram', 'post', 'saves', 'saved', 'total', 'count', null, null, null, null, null, '48 hours', 'saves so far'),
  ('instagram', 'post', 'reach', 'reach', 'total', 'people', null, null, null, null, null, '48 hours', 'different accounts that saw it so far'),
  ('instagram', 'post', 'views', 'views', 'total', 'count', '2025-04-21', null, null, null, null, '48 hours', 'times that it was played or shown so far'),
  ('instagram', 'post', 'impressions', 'impressions', 'total', 'count', null, '2025-04-21', 'v21.0', 'views', null, '48 hours', 'times that it was on a screen so far'),
  ('instagram', 'post', 'watch_time', 'ig_reels_video_view_total_time', 'total', 'milliseconds', null, null, null, null, null, '48 hours', 'time that a reel was played, replays included'),
  ('facebook', 'account', 'followers', 'followers_count', 'level', 'people', null, null, null, null, null, null, 'people who follow the page'),
  ('facebook', 'account', 'fans', 'page_fans', 'level', 'people', null, '2025-11-01', null, 'followers', null, null, 'people who like the page'),
  ('facebook', 'account', 'impressions', 'page_impressions', 'flow', 'count', null, '2025-06-01', null, 'views', null, '48 hours', 'times that something of the page was on a screen in the day'),
  ('facebook', 'account', 'reach', 'page_impressions_unique', 'flow', 'people', null, null, null, null, 100, '48 hours', 'different people who saw something of the page in the day'),
  ('facebook', 'account', 'views', 'page_media_view', 'flow', 'count', '2025-06-01', null, null, null, 100, '48 hours', 'times that something of the page was played or shown in the day'),
  ('facebook', 'account', 'engagement', 'page_post_engagements', 'flow', 'count', null, null, null, null, 100, '48 hours', 'interactions with posts of the page in the day'),
  ('facebook', 'account', 'profile_views', 'page_views_total', 'flow', 'count', null, null, null, null, 100, '48 hours', 'visits of the page in the day'),
  ('tiktok', 'account', 'followers', 'follower_count', 'level', 'people', null, null, null, null, null, null, 'accounts that follow'),
  ('tiktok', 'account', 'following', 'following_count', 'level', 'people', null, null, null, null, null, null, 'accounts that it follows'),
  ('tiktok', 'account', 'posts', 'video_count', 'level', 'count', null, null, null, null, null, null, 'public videos'),
  ('tiktok', 'account', 'likes_received', 'likes_count', 'level', 'count', null, null, null, null, null, null, 'likes of all its videos so far'),
  ('tiktok', 'account', 'reach', null, 'none', 'people', null, null, null, null, null, null, 'not offered by the API for accounts'),
  ('tiktok', 'account', 'impressions', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API for accounts'),
  ('tiktok', 'account', 'profile_views', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API for accounts'),
  ('tiktok', 'post', 'views', 'view_count', 'total', 'count', null, null, null, null, null, null, 'times that the video was played so far'),
  ('tiktok', 'post', 'likes', 'like_count', 'total', 'count', null, null, null, null, null, null, 'likes so far'),
  ('tiktok', 'post', 'comments', 'comment_count', 'total', 'count', null, null, null, null, null, null, 'comments so far'),
  ('tiktok', 'post', 'shares', 'share_count', 'total', 'count', null, null, null, null, null, null, 'shares so far'),
  ('tiktok', 'post', 'saves', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API'),
  ('tiktok', 'post', 'reach', null, 'none', 'people', null, null, null, null, null, null, 'not offered by the API'),
  ('linkedin', 'account', 'followers', 'networkSizes', 'level', 'people', null, null, null, null, null, null, 'members who follow the organisation'),
  ('linkedin', 'account', 'impressions', 'impressionCount', 'flow', 'count', null, null, null, null, null, '48 hours', 'times that its posts were shown in the day'),
  ('linkedin', 'account', 'reach', 'uniqueImpressionsCount', 'flow', 'people', null, null, null, null, null, '48 hours', 'different members who saw a post in the day'),
  ('linkedin', 'account', 'engagement', null, 'flow', 'count', null, null, null, null, null, '48 hours', 'likes, comments, shares and clicks of the day, added up here'),
  ('linkedin', 'account', 'likes', 'likeCount', 'flow', 'count', null, null, null, null, null, '48 hours', 'reactions of the day'),
  ('linkedin', 'account', 'comments', 'commentCount', 'flow', 'count', null, null, null, null, null, '48 hours', 'comments of the day'),
  ('linkedin', 'account', 'shares', 'shareCount', 'flow', 'count', null, null, null, null, null, '48 hours', 'shares of the day'),
  ('linkedin', 'account', 'link_clicks', 'clickCount', 'flow', 'count', null, null, null, null, null, '48 hours', 'clicks of the day'),
  ('linkedin', 'account', 'saves', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API'),
  ('x', 'account', 'followers', 'followers_count', 'level', 'people', null, null, null, null, null, null, 'accounts that follow'),
  ('x', 'account', 'following', 'following_count', 'level', 'people', null, null, null, null, null, null, 'accounts that it follows'),
  ('x', 'account', 'posts', 'tweet_count', 'level', 'count', null, null, null, null, null, null, 'posts, reposts included'),
  ('x', 'account', 'reach', null, 'none', 'people', null, null, null, null, null, null, 'not offered by the API'),
  ('x', 'account', 'impressions', null, 'none', 'count', null, null, null, null, null, null, 'offered for posts only'),
  ('x', 'account', 'profile_views', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API for accounts'),
  ('x', 'post', 'views', 'impression_count', 'total', 'count', null, null, null, null, null, null, 'times that it was on a screen so far'),
  ('x', 'post', 'likes', 'like_count', 'total', 'count', null, null, null, null, null, null, 'likes so far'),
  ('x', 'post', 'comments', 'reply_count', 'total', 'count', null, null, null, null, null, null, 'replies so far'),
  ('x', 'post', 'shares', 'retweet_count', 'total', 'count', null, null, null, null, null, null, 'reposts so far'),
  ('x', 'post', 'saves', 'bookmark_count', 'total', 'count', null, null, null, null, null, null, 'bookmarks so far'),
  ('x', 'post', 'reach', null, 'none', 'people', null, null, null, null, null, null, 'not offered by the API')
) as t (platform, scope, metric, api_name, kind, unit, available_from, available_until, api_version_until, replaced_by, minimum_followers, delay, description)
on conflict (platform, scope, metric) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- metrics_snapshots

create table if not exists analytics.metrics_snapshots (
  workspace_id uuid not null,
  social_account_id uuid not null,
  metric varchar(40) collate "C" not null,
  measured_at timestamptz not null,
  captured_at timestamptz not null,
  value bigint,
  reason varchar(255),
  source varchar(32) not null,
  constraint metrics_snapshots_pkey primary key (workspace_id, social_account_id, metric, measured_at, captured_at),
  constraint metrics_snapshots_reason_of_unknown check (value is null or reason is null)
) partition by range (measured_at);
alter table analytics.metrics_snapshots enable row level security;
comment on table analytics.metrics_snapshots is 'every capture of a metric of an account; a value restated later is another row. Partitioned by month of measured_at';
comment on column analytics.metrics_snapshots.metric is 'as in metric_registry';
comment on column analytics.metrics_snapshots.measured_at is 'of a level: when it held; of a flow: where the day begins that was counted';
comment on column analytics.metrics_snapshots.captured_at is 'when the platform said so';
comment on column analytics.metrics_snapshots.value is 'null: asked for and not answered';
comment on column analytics.metrics_snapshots.reason is 'why the value is unknown';

-- Catches captures of a month whose partition nobody made yet; ensure_partition() moves them out.
create table if not exists analytics_private.metrics_snapshots_default partition of analytics.metrics_snapshots default;
alter table analytics_private.metrics_snapshots_default enable row level security;
select analytics_private.ensure_partitions();

drop policy if exists "members read the metrics of their workspaces" on analytics.metrics_snapshots;
create policy "members read the metrics of their workspaces" on analytics.metrics_snapshots for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

-- In place of a foreign key, whose check would cost as much as the row itself: captures are written only by functions that hold the
-- account's row, and go with it here.
create or replace function analytics_private.delete_captures() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from analytics.metrics_snapshots m using gone g where m.workspace_id = g.workspace_id and m.social_account_id = g.id;
  return null;
end
$$;
comment on function analytics_private.delete_captures() is 'captures go with their account; definer, since nobody else may delete them';
create or replace trigger social_accounts_captures after delete on analytics.social_accounts
  referencing old table as gone for each statement execute function analytics_private.delete_captures();

-- ---------------------------------------------------------------------------------------------------------------------
-- Posts of an account: as they are now, and every capture of their counts

create table if not exists analytics.top_content (
  workspace_id uuid not null,
  social_account_id uuid not null,
  platform_post_id varchar(255) not null,
  post_url text,
  caption text,
  media_type varchar(32),
  posted_at timestamptz not null,
  hashtags text[] not null default '{}',
  mentions text[] not null default '{}',
  likes_count bigint,
  comments_count bigint,
  shares_count bigint,
  saves_count bigint,
  reach bigint,
  views bigint,
  followers_count bigint,
  engagement_rate double precision,
  engagement_rate_by_followers double precision,
  engagement_rate_by_views double precision,
  captured_at timestamptz not null,
  last_updated timestamptz not null default now(),
  extra_data jsonb not null default '{}',
  constraint top_content_pkey primary key (workspace_id, social_account_id, platform_post_id),
  constraint top_content_account_fkey foreign key (workspace_id, social_account_id) references analytics.social_accounts (workspace_id, id) on delete cascade,
  constraint top_content_media_type_known check (media_type in ('photo', 'video', 'carousel', 'reel', 'story', 'text', 'link')),
  constraint top_content_counts check (least(likes_count, comments_count, shares_count, saves_count, reach, views, followers_count) >= 0),
  constraint top_content_extra_data_object check (jsonb_typeof(extra_data) = 'object')
);
create index if not exists top_content_best on analytics.top_content (workspace_id, social_account_id, engagement_rate desc nulls last);
create index if not exists top_content_newest on analytics.top_content (workspace_id, social_account_id, posted_at desc);
alter table analytics.top_content enable row level security;
comment on table analytics.top_content is 'posts of an account as last captured, to be ranked; their history is in post_analytics';
comment on column analytics.top_content.likes_count is 'so far; null when hidden or unknown, as all counts here';
comment on column analytics.top_content.reach is 'different people who saw it so far';
comment on column analytics.top_content.followers_count is 'of the account on the day of publishing; null when no capture says';
comment on column analytics.top_content.engagement_rate is 'percent by reach: engagement_rate(likes, comments, shares, saves, reach); null when a part is unknown';
comment on column analytics.top_content.engagement_rate_by_followers is 'percent: engagement_rate_by_followers(likes, comments, followers_count)';
comment on column analytics.top_content.engagement_rate_by_views is 'percent: engagement_rate_by_views(likes, comments, shares, saves, views)';
comment on column analytics.top_content.media_type is 'photo, video, carousel, reel, story, text or link';
comment on column analytics.top_content.captured_at is 'when the counts were captured';

drop policy if exists "members read the posts of their workspaces' accounts" on analytics.top_content;
create policy "members read the posts of their workspaces' accounts" on analytics.top_content for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

create table if not exists analytics.post_analytics (
  workspace_id uuid not null,
  social_account_id uuid not null,
  platform_post_id varchar(255) not null,
  captured_at timestamptz not null,
  likes_count bigint,
  comments_count bigint,
  shares_count bigint,
  saves_count bigint,
  reach bigint,
  views bigint,
  source varchar(32) not null,
  constraint post_analytics_pkey primary key (workspace_id, social_account_id, platform_post_id, captured_at),
  constraint post_analytics_post_fkey foreign key (workspace_id, social_account_id, platform_post_id)
    references analytics.top_content (workspace_id, social_account_id, platform_post_id) on delete cascade,
  constraint post_analytics_counts check (least(likes_count, comments_count, shares_count, saves_count, reach, views) >= 0)
);
create index if not exists post_analytics_captured_at on analytics.post_analytics (workspace_id, social_account_id, captured_at desc);
alter table analytics.post_analytics enable row level security;
comment on table analytics.post_analytics is 'every capture of the counts of an account''s posts; null: not answered or hidden';

drop policy if exists "members read the captures of their workspaces' posts" on analytics.post_analytics;
create policy "members read the captures of their workspaces' posts" on analytics.post_analytics for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

-- ---------------------------------------------------------------------------------------------------------------------
-- audience_insights

create table if not exists analytics.audience_insights (
  workspace_id uuid not null,
  social_account_id uuid not null,
  audience varchar(16) not null,
  captured_at timestamptz not null,
  snapshot_date date not null,
  base bigint,
  age_ranges jsonb,
  genders jsonb,
  countries jsonb,
  cities jsonb,
  active_hours jsonb,
  active_days jsonb,
  source varchar(32) not null,
  constraint audience_insights_pkey primary key (workspace_id, social_account_id, audience, captured_at),
  constraint audience_insights_account_fkey foreign key (workspace_id, social_account_id) references analytics.social_accounts (workspace_id, id) on delete cascade,
  constraint audience_insights_audience_known check (audience in ('followers', 'engaged', 'reached')),
  constraint audience_insights_base check (base >= 0),
  constraint audience_insights_lists check (
    (age_ranges is null or jsonb_typeof(age_ranges) = 'array') and (genders is null or jsonb_typeof(genders) = 'array') and (countries is null or jsonb_typeof(countries) = 'array')
    and (cities is null or jsonb_typeof(cities) = 'array') and (active_hours is null or jsonb_typeof(active_hours) = 'array') and (active_days is null or jsonb_typeof(active_days) = 'array'))
);
create index if not exists audience_insights_date on analytics.audience_insights (workspace_id, social_account_id, snapshot_date desc);
alter table analytics.audience_insights enable row level security;
comment on table analytics.audience_insights is 'who follows, engages with or is reached by an account, at every capture; null: not answered, as for small accounts';
comment on column analytics.audience_insights.audience is 'followers, engaged or reached';
comment on column analytics.audience_insights.snapshot_date is 'the day that it is about';
comment on column analytics.audience_insights.base is 'how many people the audience has; null: not said';
comment on column analytics.audience_insights.age_ranges is '[{"range": "18-24", "count": 12}, …], largest first; share (0 to 1) in place of count where only that is known';
comment on column analytics.audience_insights.genders is '[{"gender": "female", "count": 12}, …]';
comment on column analytics.audience_insights.countries is '[{"country": "US", "count": 12}, …]';
comment on column analytics.audience_insights.cities is '[{"city": "London, England", "count": 12}, …]';
comment on column analytics.audience_insights.active_hours is '[{"hour": 14, "activity": 0.85}, …], hours of UTC, activity 0 to 1';
comment on column analytics.audience_insights.active_days is '[{"day": "monday", "activity": 0.92}, …]';

drop policy if exists "members read the audiences of their workspaces" on analytics.audience_insights;
create policy "members read the audiences of their workspaces" on analytics.audience_insights for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

-- ---------------------------------------------------------------------------------------------------------------------
-- number_formulas: what explain() says of each number

create table if not exists analytics.number_formulas (
  number varchar(80) not null,
  unit text not null,
  formula text not null,
  denominator text,
  tables text[] not null,
  source text,
  note text,
  constraint number_formulas_pkey primary key (number)
);
alter table analytics.number_formulas enable row level security;
comment on table analytics.number_formulas is 'unit, formula, denominator and source of each number that functions return; explain() adds the rows that it came from';
comment on column analytics.number_formulas.number is 'function or table, a dot, and the field';

drop policy if exists "signed-in users read the formulas" on analytics.number_formulas;
create policy "signed-in users read the formulas" on analytics.number_formulas for select to authenticated
  using ((select analytics_private.user_id()) is not null);

insert into analytics.number_formulas (number, unit, formula, denominator, tables, source, note) values
  ('metrics.value', 'as in metric_registry', 'the newest capture of the metric for that moment, known by then', null, '{metrics_snapshots}', null, null),
  ('metric_series.value', 'as in metric_registry', 'of each bucket the last known capture; of a summable flow over more than a day the sum of its days, if all are known', null, '{metrics_snapshots}', null, null),
  ('metric_totals.value', 'as in metric_registry', 'sum of the days'' last captures, if all days are known', null, '{metrics_snapshots}', null, 'people (reach) are never added up'),
  ('metric_totals.mean_per_day', 'as in metric_registry', 'sum of the known days / number of known days', 'known days', '{metrics_snapshots}', null, null),
  ('metric_totals.change_rate', 'percent', '(value - previous_value) / previous_value * 100', 'the sum of the equal period before', '{metrics_snapshots}', null, null),
  ('growth.net', 'people', 'end_value - start_value', null, '{metrics_snapshots}', 'onlinemarketingmetrics.com/follower-growth-rate-calculator', 'start: the last capture up to 36 hours before since, else the first one after it'),
  ('growth.net_rate', 'percent', '(end_value - start_value) / start_value * 100', 'start_value', '{metrics_snapshots}', 'onlinemarketingmetrics.com/follower-growth-rate-calculator', null),
  ('growth.gained', 'people', 'sum of follows of all days, else of those new in complete follower lists', null, '{metrics_snapshots,follower_snapshots}', null, 'null unless every day, or a complete list at both ends, is known'),
  ('growth.gross_rate', 'percent', 'gained / start_value * 100', 'start_value', '{metrics_snapshots,follower_snapshots}', 'keyhole.co/blog/how-do-i-calculate-follower-growth-rate', null),
  ('growth.lost', 'people', 'sum of unfollows of all days, else of those lost or gone in complete follower lists', null, '{metrics_snapshots,follower_snapshots}', null, 'as gained'),
  ('growth.churn_rate', 'percent', 'lost / start_value * 100', 'start_value', '{metrics_snapshots,follower_snapshots}', null, null),
  ('growth.weekly_rate', 'percent', '((end_value / start_value) ^ (1 / weeks) - 1) * 100', 'start_value; weeks between the two captures', '{metrics_snapshots}', 'academy.fanpagekarma.com/en/instagram-metrics', 'compound: 500 to 2000 in two weeks is 100'),
  ('growth.previous_net', 'people', 'start_value - value at the start of the equal period before', null, '{metrics_snapshots}', null, null),
  ('growth.change', 'people', 'net - previous_net', null, '{metrics_snapshots}', null, null),
  ('anomalies.score', 'robust standard deviations', '0.6745 * (value - expected) / MAD', 'median distance of the 56 days before from their weekday''s median', '{metrics_snapshots}', 'Iglewicz and Hoaglin, How to detect and handle outliers, 1993', 'of levels the daily change is judged; at least 14 known days'),
  ('top_content.engagement_rate', 'percent', '(likes + comments + shares + saves) / reach * 100', 'reach of the post', '{top_content,post_analytics}', null, 'null when a part is unknown'),
  ('top_content.engagement_rate_by_followers', 'percent', '(likes + comments) / followers_count * 100', 'followers on the day of publishing', '{top_content,metrics_snapshots}', 'NapoleonCat, brain.napoleoncat.com/en/articles/1096078', null),
  ('top_content.engagement_rate_by_views', 'percent', '(likes + comments + shares + saves) / views * 100', 'views of the post', '{top_content,post_analytics}', null, null)
on conflict (number) do update set unit = excluded.unit, formula = excluded.formula, denominator = excluded.denominator, tables = excluded.tables,
  source = excluded.source, note = excluded.note;

-- ---------------------------------------------------------------------------------------------------------------------
-- Recording

-- The account of a member who may record, its row held until the end: calls for one account run one after the other.
create or replace function analytics_private.account_to_record(account_id uuid, captured_at timestamptz, source text) returns analytics.social_accounts
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
begin
  account := analytics_private.own_account(account_to_record.account_id, 'editor');
  select a.* into account from analytics.social_accounts a where a.workspace_id = account.workspace_id and a.id = account.id for no key update;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such account in your workspaces', 'analytics.social_accounts lists them');
  elsif account.status = 'disconnected' then
    perform analytics_private.raise_error('CONFLICT', 'this account is disconnected', 'analytics.add_account() connects it again');
  elsif account_to_record.captured_at is null or account_to_record.captured_at > clock_timestamp() + interval '5 minutes' or account_to_record.captured_at < '2000-01-01' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'captured_at is not valid', 'give a moment since 2000 that is not in the future', '{"field": "captured_at"}');
  elsif account_to_record.source is null or account_to_record.source !~ '^[a-z][a-z0-9_.-]{0,31}$' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'source is not valid', 'give a word of at most 32 small letters, digits, dots, hyphens and underscores', '{"field": "source"}');
  end if;
  return account;
end
$$;

create or replace function analytics_private.refuse_captures(problem text, hint text, positions integer[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.raise_error('VALIDATION_ERROR', refuse_captures.problem, refuse_captures.hint,
    jsonb_strip_nulls(jsonb_build_object('positions', refuse_captures.positions)));
end
$$;

create or replace function analytics_private.store_metrics(
  account analytics.social_accounts, metrics text[], measured_at timestamptz[], captured_at timestamptz[], metric_values bigint[], reasons text[], source text
) returns jsonb language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  given constant integer := coalesce(cardinality(store_metrics.metrics), 0);
  unknown text[];
  span record;
  n bigint;
  other record;
begin
  select array_agg(d.metric order by d.metric) into unknown from (select distinct u.metric from unnest(store_metrics.metrics) as u (metric)) d
  where not exists (
    select from analytics.metric_registry r where r.platform = account.platform and r.scope = 'account' and r.metric = d.metric and r.kind <> 'none');
  if unknown is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('%s has no metric %s', account.platform, coalesce(unknown[1], 'without a name')), 'analytics.metric_registry lists them',
      jsonb_build_object('field', 'metric', 'unknown', to_jsonb(unknown[1:20])));
  end if;
  select min(u.measured_at) as first, max(u.measured_at) as last, max(u.captured_at) as newest, min(u.captured_at) as oldest,
    min(u.place) filter (where u.measured_at is null or u.measured_at < '2000-01-01' or u.measured_at > u.captured_at or u.captured_at is null or u.captured_at > clock_timestamp() + interval '5 minutes') as bad_time,
    min(u.place) filter (where u.value < 0) as negative
  into span
  from unnest(store_metrics.measured_at, store_metrics.captured_at, store_metrics.metric_values) with ordinality as u (measured_at, captured_at, value, place);
  if span.bad_time is not null then
    perform analytics_private.refuse_captures(format('entry %s: captured before it was measured, in the future, or at no time', span.bad_time),
      'measured_at is not after captured_at, and neither in the future', array[span.bad_time::integer]);
  elsif span.negative is not null then
    perform analytics_private.refuse_captures(format('entry %s: value is negative', span.negative), 'a hidden count is null', array[span.negative::integer]);
  end if;

  insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, reason, source)
  select account.workspace_id, account.id, u.metric, u.measured_at, u.captured_at, u.value, case when u.value is null then u.reason end, store_metrics.source
  from unnest(store_metrics.metrics, store_metrics.measured_at, store_metrics.captured_at, store_metrics.metric_values, store_metrics.reasons)
    as u (metric, measured_at, captured_at, value, reason)
  on conflict do nothing;
  get diagnostics n = row_count;
  if n < given then
    select u.metric, u.measured_at, u.captured_at, u.place into other
    from unnest(store_metrics.metrics, store_metrics.measured_at, store_metrics.captured_at, store_metrics.metric_values) with ordinality as u (metric, measured_at, captured_at, value, place)
      join analytics.metrics_snapshots m on m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.metric = u.metric
        and m.measured_at = u.measured_at and m.captured_at = u.captured_at
    where m.value is distinct from u.value order by u.place limit 1;
    if found then
      perform analytics_private.raise_error('CONFLICT', format('entry %s: another value of %s was captured at that moment', other.place, other.metric),
        'a value that the platform restated has a captured_at of its own', jsonb_build_object('positions', array[other.place], 'metric', other.metric, 'measured_at', other.measured_at, 'captured_at', other.captured_at));
    end if;
  end if;
  if n > 0 then
    perform analytics_private.write_audit('metrics.recorded', 'social_account', account.id, jsonb_build_object('recorded', n, 'first_measured_at', span.first,
      'last_measured_at', span.last, 'source', store_metrics.source), account.workspace_id);
  end if;
  return jsonb_build_object('account_id', account.id, 'recorded', n, 'repeated', given - n, 'first_measured_at', span.first, 'last_measured_at', span.last,
    'first_captured_at', span.oldest, 'last_captured_at', span.newest);
end
$$;
comment on function analytics_private.store_metrics(analytics.social_accounts, text[], timestamptz[], timestamptz[], bigint[], text[], text) is
  'stores captures of an account whose row the caller holds; all columns of one length; errors: VALIDATION_ERROR, CONFLICT';

-- Definer, here and below: nobody writes captures but these functions; each checks the caller itself.
create or replace function analytics_private.record_metrics(
  account_id uuid, captures text, metrics text[], measured_at timestamptz[], metric_values bigint[], captured_at timestamptz, source text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
  given constant integer := coalesce(cardinality(record_metrics.metrics), 0);
  read record;
begin
  perform analytics_private.require_user();
  account := analytics_private.account_to_record(record_metrics.account_id, record_metrics.captured_at, record_metrics.source);
  if (record_metrics.captures is null) = (record_metrics.metrics is null) then
    perform analytics_private.refuse_captures('there are no captures, or they are given twice', 'give captures as JSON, or the arrays metrics, measured_at and metric_values', null);
  elsif record_metrics.captures is null then
    if given > 1000000 or given is distinct from coalesce(cardinality(record_metrics.measured_at), 0) or given is distinct from coalesce(cardinality(record_metrics.metric_values), 0)
       or coalesce(greatest(array_ndims(record_metrics.metrics), array_ndims(record_metrics.measured_at), array_ndims(record_metrics.metric_values)), 1) > 1 then
      perform analytics_private.refuse_captures('the arrays are not of one length', 'metrics, measured_at and metric_values have one element for each capture, at most a million', null);
    end if;
    return analytics_private.store_metrics(account, record_metrics.metrics, record_metrics.measured_at, array_fill(record_metrics.captured_at, array[given]), record_metrics.metric_values,
      null, record_metrics.source);
  end if;
  select * into read from analytics_private.read_captures(record_metrics.captures);
  if read.problem is not null then
    perform analytics_private.refuse_captures(read.problem, read.hint, read.positions);
  end if;
  return analytics_private.store_metrics(account, read.metrics, read.measured_at, (
      select array_agg(coalesce(u.at, record_metrics.captured_at) order by u.place) from unnest(read.captured_at) with ordinality as u (at, place)),
    read.metric_values, read.reasons, record_metrics.source);
end
$$;

create or replace function analytics.record_metrics(
  account_id uuid, captures text default null, metrics text[] default null, measured_at timestamptz[] default null, metric_values bigint[] default null,
  captured_at timestamptz default clock_timestamp(), source text default 'manual'
) returns jsonb language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.record_metrics(record_metrics.account_id, record_metrics.captures, record_metrics.metrics, record_metrics.measured_at,
    record_metrics.metric_values, record_metrics.captured_at, record_metrics.source);
end
$$;
comment on function analytics.record_metrics(uuid, text, text[], timestamptz[], bigint[], timestamptz, text) is
$$stores captures of an account's metrics; a capture that is there already is not stored again
captures: a JSON array of {metric, measured_at, value, captured_at, reason}; or the arrays metrics, measured_at and metric_values of one length. measured_at: of a level (followers) when it held, of a flow (reach, views) where the day begins that was counted; a time, a day (midnight UTC) or seconds since 1970. value: a whole number, durations in milliseconds; null: asked for and not answered, with the reason. captured_at: when the platform said so, for all captures that do not say it themselves. A value that the platform restates is another capture with a later captured_at; both are kept. source: a word for where it is from. At most a million captures and 128 MiB.
Returns {account_id, recorded, repeated, first_measured_at, last_measured_at, first_captured_at, last_captured_at}. Needs the role editor. One audit record a call that stored something.
Errors: VALIDATION_ERROR (details positions, or unknown metrics; nothing is stored then), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces), CONFLICT (account disconnected; another value for the same metric, measured_at and captured_at).
Example: select analytics.record_metrics('0195c3a0-0000-7000-8000-0000000000c0', '[{"metric": "followers", "measured_at": "2026-05-03T10:00:00Z", "value": 1200}]') ->> 'recorded' = '1'$$;

create or replace function analytics_private.store_posts(account analytics.social_accounts, posts text, captured_at timestamptz, source text) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  refused record;
  given bigint;
  n_new bigint;
  n_captures bigint;
begin
  select r.problem, r.hint, r.positions into refused from analytics_private.read_posts(store_posts.posts) r where r.problem is not null;
  if found then
    perform analytics_private.refuse_captures(refused.problem, refused.hint, refused.positions);
  end if;
  select min(r.place) as late, count(*) as posts into refused
  from analytics_private.read_posts(store_posts.posts) with ordinality as r (id, url, caption, media_type, posted_at, captured_at, hashtags, likes, comments, shares, saves, reach, views, extra_data, problem, hint, positions, place)
  where coalesce(r.captured_at, store_posts.captured_at) not between r.posted_at and clock_timestamp() + interval '5 minutes';
  if refused.posts > 0 then
    perform analytics_private.refuse_captures(format('entry %s: captured before it was posted, or in the future', refused.late), 'posted_at is not after captured_at, and neither in the future',
      array[refused.late::integer]);
  end if;

  with read as (
    select distinct on (r.id) r.id, r.url, r.caption, r.media_type, r.posted_at, coalesce(r.captured_at, store_posts.captured_at) as captured_at, r.hashtags, r.likes, r.comments, r.shares,
      r.saves, r.reach, r.views, r.extra_data
    from analytics_private.read_posts(store_posts.posts) with ordinality as r (id, url, caption, media_type, posted_at, captured_at, hashtags, likes, comments, shares, saves, reach, views, extra_data, problem, hint, positions, place)
    order by r.id, r.place desc
  ), written as (
    insert into analytics.top_content as t (workspace_id, social_account_id, platform_post_id, post_url, caption, media_type, posted_at, hashtags, mentions, likes_count, comments_count,
      shares_count, saves_count, reach, views, followers_count, engagement_rate, engagement_rate_by_followers, engagement_rate_by_views, captured_at, last_updated, extra_data)
    select account.workspace_id, account.id, r.id, r.url, r.caption, r.media_type, r.posted_at, coalesce(r.hashtags, '{}'), coalesce(analytics.extract_mentions(r.caption), '{}'), r.likes, r.comments,
      r.shares, r.saves, r.reach, r.views, f.value, analytics.engagement_rate(r.likes, r.comments, r.shares, r.saves, r.reach),
      analytics.engagement_rate_by_followers(r.likes, r.comments, f.value), analytics.engagement_rate_by_views(r.likes, r.comments, r.shares, r.saves, r.views),
      r.captured_at, now(), coalesce(r.extra_data::jsonb, '{}')
    from read r left join lateral (
      select m.value from analytics.metrics_snapshots m
      where m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.metric = 'followers' and m.value is not null
        and m.measured_at <= r.posted_at and m.measured_at > r.posted_at - interval '36 hours'
      order by m.measured_at desc, m.captured_at desc limit 1) f on true
    on conflict (workspace_id, social_account_id, platform_post_id) do update set
      -- What describes the post stays when a capture does not say it; the counts are those of the newest capture, all of them.
      post_url = coalesce(excluded.post_url, t.post_url), caption = coalesce(excluded.caption, t.caption), media_type = coalesce(excluded.media_type, t.media_type),
      posted_at = excluded.posted_at, hashtags = case when excluded.caption is null and excluded.hashtags = '{}' then t.hashtags else excluded.hashtags end,
      mentions = case when excluded.caption is null then t.mentions else excluded.mentions end,
      likes_count = excluded.likes_count, comments_count = excluded.comments_count, shares_count = excluded.shares_count, saves_count = excluded.saves_count,
      reach = excluded.reach, views = excluded.views, followers_count = coalesce(excluded.followers_count, t.followers_count), engagement_rate = excluded.engagement_rate,
      engagement_rate_by_followers = analytics.engagement_rate_by_followers(excluded.likes_count, excluded.comments_count, coalesce(excluded.followers_count, t.followers_count)),
      engagement_rate_by_views = excluded.engagement_rate_by_views, captured_at = excluded.captured_at, last_updated = now(), extra_data = t.extra_data || excluded.extra_data
      where excluded.captured_at > t.captured_at
    returning t.platform_post_id, xmax = 0 as is_new
  )
  select (select count(*) from read), count(*) filter (where w.is_new) into given, n_new from written w;

  with read as (
    select distinct on (r.id) r.id, coalesce(r.captured_at, store_posts.captured_at) as captured_at, r.likes, r.comments, r.shares, r.saves, r.reach, r.views
    from analytics_private.read_posts(store_posts.posts) with ordinality as r (id, url, caption, media_type, posted_at, captured_at, hashtags, likes, comments, shares, saves, reach, views, extra_data, problem, hint, positions, place)
    order by r.id, r.place desc
  )
  insert into analytics.post_analytics (workspace_id, social_account_id, platform_post_id, captured_at, likes_count, comments_count, shares_count, saves_count, reach, views, source)
  select account.workspace_id, account.id, r.id, r.captured_at, r.likes, r.comments, r.shares, r.saves, r.reach, r.views, store_posts.source from read r
  on conflict do nothing;
  get diagnostics n_captures = row_count;
  if n_captures > 0 then
    perform analytics_private.write_audit('posts.recorded', 'social_account', account.id, jsonb_build_object('posts', given, 'new', n_new, 'recorded', n_captures,
      'source', store_posts.source), account.workspace_id);
  end if;
  return jsonb_build_object('account_id', account.id, 'posts', given, 'new', n_new, 'recorded', n_captures, 'repeated', given - n_captures);
end
$$;
comment on function analytics_private.store_posts(analytics.social_accounts, text, timestamptz, text) is
  'stores posts of an account whose row the caller holds; errors: VALIDATION_ERROR';

create or replace function analytics_private.record_posts(account_id uuid, posts text, captured_at timestamptz, source text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
begin
  perform analytics_private.require_user();
  account := analytics_private.account_to_record(record_posts.account_id, record_posts.captured_at, record_posts.source);
  if record_posts.posts is null then
    perform analytics_private.refuse_captures('the list is null', 'an empty list is []', null);
  end if;
  return analytics_private.store_posts(account, record_posts.posts, record_posts.captured_at, record_posts.source);
end
$$;

-- An audience of an account whose row the caller holds.
create or replace function analytics_private.store_audience(account analytics.social_accounts, insights analytics.audience_insights) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  stored analytics.audience_insights;
begin
  insert into analytics.audience_insights values (insights.*) on conflict do nothing;
  if not found then
    select i.* into stored from analytics.audience_insights i
    where i.workspace_id = insights.workspace_id and i.social_account_id = insights.social_account_id and i.audience = insights.audience and i.captured_at = insights.captured_at;
    if to_jsonb(stored) - 'source' <> to_jsonb(insights) - 'source' then
      perform analytics_private.raise_error('CONFLICT', 'other insights of this audience were captured at that moment', 'what the platform restated has a captured_at of its own');
    end if;
    return jsonb_build_object('account_id', account.id, 'recorded', false, 'snapshot_date', insights.snapshot_date);
  end if;
  perform analytics_private.write_audit('audience.recorded', 'social_account', account.id, jsonb_build_object('audience', insights.audience, 'snapshot_date', insights.snapshot_date,
    'source', insights.source), account.workspace_id);
  return jsonb_build_object('account_id', account.id, 'recorded', true, 'snapshot_date', insights.snapshot_date);
end
$$;
comment on function analytics_private.store_audience(analytics.social_accounts, analytics.audience_insights) is
  'stores a capture of an audience; one that is there already is not stored again; errors: CONFLICT';

create or replace function analytics.record_posts(account_id uuid, posts text, captured_at timestamptz default clock_timestamp(), source text default 'manual') returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.record_posts(record_posts.account_id, record_posts.posts, record_posts.captured_at, record_posts.source);
end
$$;
comment on function analytics.record_posts(uuid, text, timestamptz, text) is
$$stores an account's posts and a capture of their counts
posts: a JSON array of {id, posted_at, url, caption, media_type, hashtags, likes, comments, shares, saves, reach, views, captured_at, extra_data}; the names of Meta's API (permalink, timestamp, like_count, saved, media_product_type) are understood too. id and posted_at are needed. media_type: photo, video, carousel, reel, story, text or link. A count that is missing, null or -1 (hidden) is unknown. hashtags: default those of the caption. top_content shows the newest capture of each post, post_analytics all of them. At most a million posts and 128 MiB.
Returns {account_id, posts, new, recorded (captures), repeated (captures of a post and moment that are there already)}. Needs the role editor.
Errors: VALIDATION_ERROR (details positions; nothing is stored then), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces), CONFLICT (account disconnected).
Example: select analytics.record_posts('0195c3a0-0000-7000-8000-0000000000c0', '[{"id": "17", "posted_at": "2026-05-03T10:00:00Z", "likes": 40, "comments": 5, "shares": 4, "saves": 1, "reach": 1000}]') ->> 'new' = '1'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Reading

create or replace view analytics.account_snapshots with (security_invoker = true) as
select c.workspace_id, c.social_account_id, c.measured_at as "timestamp",
  max(c.value) filter (where c.metric = 'followers') as followers_count, max(c.value) filter (where c.metric = 'following') as following_count,
  max(c.value) filter (where c.metric = 'posts') as posts_count, max(c.value) filter (where c.metric = 'reach') as reach,
  max(c.value) filter (where c.metric = 'impressions') as impressions, max(c.value) filter (where c.metric = 'engagement') as engagement_count,
  max(c.value) filter (where c.metric = 'profile_views') as profile_views,
  coalesce(jsonb_object_agg(c.metric, c.value) filter (where c.metric not in ('followers', 'following', 'posts', 'reach', 'impressions', 'engagement', 'profile_views')), '{}') as extra_data,
  max(c.captured_at) as captured_at
from (
  select distinct on (m.workspace_id, m.social_account_id, m.measured_at, m.metric) m.workspace_id, m.social_account_id, m.measured_at, m.metric, m.value, m.captured_at
  from analytics.metrics_snapshots m
  order by m.workspace_id, m.social_account_id, m.measured_at, m.metric, m.captured_at desc
) c
group by c.workspace_id, c.social_account_id, c.measured_at;
comment on view analytics.account_snapshots is 'metrics_snapshots with a column for each of the usual metrics: the newest capture of each, one row an account and moment';

create or replace function analytics_private.check_timezone(timezone text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if check_timezone.timezone !~ '^[A-Za-z]+(/[A-Za-z0-9_+-]+)*$' then
    raise invalid_parameter_value;
  end if;
  perform now() at time zone check_timezone.timezone;
  if check_timezone.timezone is null then
    raise invalid_parameter_value;
  end if;
  return check_timezone.timezone;
exception when invalid_parameter_value then
  perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such time zone', 'give a name such as Europe/Berlin or UTC', '{"field": "timezone"}');
  return null;
end
$$;

create or replace function analytics_private.known_metric(platform text, metric text, scope text default 'account') returns analytics.metric_registry
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  known analytics.metric_registry;
begin
  select r.* into known from analytics.metric_registry r where r.platform = known_metric.platform and r.scope = known_metric.scope and r.metric = known_metric.metric;
  if not found then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('%s has no metric %s', known_metric.platform, coalesce(known_metric.metric, 'without a name')),
      'analytics.metric_registry lists them', '{"field": "metric"}');
  end if;
  return known;
end
$$;

-- Why a metric has no value in a period, in words.
create or replace function analytics_private.unknown_reason(metric analytics.metric_registry, since timestamptz, until timestamptz) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case
    when (metric).kind = 'none' then (metric).description
    when (metric).available_until <= (since at time zone 'UTC')::date then
      format('withdrawn by the platform on %s', (metric).available_until) || coalesce('; use ' || (metric).replaced_by, '')
    when (metric).available_from >= (until at time zone 'UTC')::date then format('offered by the platform since %s', (metric).available_from)
    else 'not captured in this period'
      || coalesce('; withdrawn by the platform on ' || (metric).available_until || coalesce(', use ' || (metric).replaced_by, ''), '')
      || coalesce('; the platform answers nothing below ' || (metric).minimum_followers || ' followers', '')
  end
$$;

create or replace function analytics.metrics(
  account_id uuid, since timestamptz default null, until timestamptz default null, as_known_at timestamptz default null, metrics text[] default null
) returns table (metric text, measured_at timestamptz, value bigint, captured_at timestamptz, captures bigint, unit text, reason text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(metrics.account_id);
  last constant timestamptz := coalesce(metrics.until, now());
  first constant timestamptz := coalesce(metrics.since, last - interval '30 days');
  known constant timestamptz := coalesce(metrics.as_known_at, 'infinity');
  name text;
begin
  perform analytics_private.check_period(first, last);
  foreach name in array coalesce(metrics.metrics, '{}') loop
    perform analytics_private.known_metric(account.platform, name);
  end loop;
  return query
    select c.metric::text, c.measured_at, c.value, c.captured_at, c.captures, r.unit::text,
      case when c.value is null then coalesce(c.reason, 'asked for and not answered') end
    from (
      select distinct on (m.metric, m.measured_at) m.metric, m.measured_at, m.value, m.captured_at, m.reason::text as reason,
        count(*) over (partition by m.metric, m.measured_at) as captures
      from analytics.metrics_snapshots m
      where m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.measured_at >= first and m.measured_at < last and m.captured_at <= known
        and (metrics.metrics is null or m.metric = any (metrics.metrics))
      order by m.metric, m.measured_at, m.captured_at desc) c
      left join analytics.metric_registry r on r.platform = account.platform and r.scope = 'account' and r.metric = c.metric
    order by c.metric, c.measured_at;
  return query
    select r.metric::text, null::timestamptz, null::bigint, null::timestamptz, 0::bigint, r.unit::text, analytics_private.unknown_reason(r, first, last)
    from analytics.metric_registry r
    where r.platform = account.platform and r.scope = 'account' and r.metric = any (metrics.metrics) and not exists (
      select from analytics.metrics_snapshots m
      where m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.metric = r.metric and m.measured_at >= first and m.measured_at < last and m.captured_at <= known)
    order by r.metric;
end
$$;
comment on function analytics.metrics(uuid, timestamptz, timestamptz, timestamptz, text[]) is
$$the captured values of an account's metrics, each as it was known at a moment
since, until: which moments or days, [since, until); default the last 30 days. as_known_at: only what was captured until then counts, so that a value restated later shows what it was; default everything. metrics: names from metric_registry; default whatever was captured.
Returns rows by metric and measured_at: value (null: not answered), captured_at of the capture shown, captures (how many there are by then), unit, and the reason when the value is null. A metric that was asked for by name and has no capture has one row without a moment, with the reason: withdrawn (and what replaced it), not offered, not captured.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select count(*) from analytics.metrics('0195c3a0-0000-7000-8000-0000000000c0', '2026-05-01', '2026-06-01', metrics => '{impressions}')$$;

-- The days of a zone that touch a period: 23 or 25 hours long where the clock changes.
create or replace function analytics_private.days_of(since timestamptz, until timestamptz, zone text, out starts timestamptz[], out ends timestamptz[])
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  select array_agg(d at time zone days_of.zone order by d), array_agg((d + interval '1 day') at time zone days_of.zone order by d) into days_of.starts, days_of.ends
  from generate_series(date_trunc('day', days_of.since at time zone days_of.zone), (days_of.until - interval '1 microsecond') at time zone days_of.zone, interval '1 day') as d;
end
$$;

-- The last known value of each step of a time line, and for a step without one why. One probe of the key a step.
create or replace function analytics_private.step_values(
  account analytics.social_accounts, metric text, starts timestamptz[], ends timestamptz[], known timestamptz
) returns table (place bigint, value bigint, measured_at timestamptz, captured_at timestamptz, reason text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select s.place, m.value, m.measured_at, m.captured_at, case when m.value is null then coalesce(m.reason, 'asked for and not answered') end
    from unnest(step_values.starts, step_values.ends) with ordinality as s (starts_at, ends_at, place) cross join lateral (
      select c.value, c.measured_at, c.captured_at, c.reason::text as reason from analytics.metrics_snapshots c
      where c.workspace_id = account.workspace_id and c.social_account_id = account.id and c.metric = step_values.metric
        and c.measured_at >= s.starts_at and c.measured_at < s.ends_at and c.captured_at <= step_values.known
      order by c.measured_at desc, c.captured_at desc limit 1) m;
end
$$;

create or replace function analytics.metric_series(
  account_id uuid, metric text default 'followers', since timestamptz default null, until timestamptz default null, bucket text default 'day', timezone text default 'UTC',
  as_known_at timestamptz default null, fill text default 'none'
) returns table (bucket_start timestamptz, value bigint, measured_at timestamptz, captured_at timestamptz, is_filled boolean, reason text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(metric_series.account_id);
  kind constant analytics.metric_registry := analytics_private.known_metric(account.platform, metric_series.metric);
  zone constant text := analytics_private.check_timezone(metric_series.timezone);
  last constant timestamptz := coalesce(metric_series.until, now());
  first constant timestamptz := coalesce(metric_series.since, last - interval '30 days');
  known constant timestamptz := coalesce(metric_series.as_known_at, 'infinity');
  step constant interval := case metric_series.bucket when 'hour' then interval '1 hour' else interval '1 day' end;
  starts timestamptz[];
  ends timestamptz[];
begin
  perform analytics_private.check_period(first, last);
  if metric_series.bucket is null or metric_series.bucket not in ('hour', 'day', 'week', 'month') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such bucket', 'hour, day, week or month', '{"field": "bucket"}');
  elsif metric_series.fill is null or metric_series.fill not in ('none', 'previous') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such way to fill gaps', 'none leaves them, previous repeats the value before', '{"field": "fill"}');
  elsif last - first > step * 10000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the period is too long for this bucket', 'at most 10 000 hours or days', '{"field": "since"}');
  end if;
  if metric_series.bucket = 'hour' then
    select array_agg(h order by h), array_agg(h + interval '1 hour' order by h) into starts, ends
    from generate_series(date_trunc('hour', first, zone), last - interval '1 microsecond', interval '1 hour') as h;
  else
    select d.starts, d.ends into starts, ends from analytics_private.days_of(date_trunc(metric_series.bucket, first, zone), last, zone) d;
  end if;
  return query
    with steps as (
      select s.starts_at, date_trunc(metric_series.bucket, s.starts_at, zone) as bucket_at, v.value, v.measured_at, v.captured_at, v.reason
      from unnest(starts) with ordinality as s (starts_at, place)
        left join analytics_private.step_values(account, metric_series.metric, starts, ends, known) v on v.place = s.place
    ), buckets as (
      -- A level is that of the bucket's end. Days of a flow are added up when all are known and nobody counts twice.
      select s.bucket_at, count(*) as steps, count(s.value) as steps_known, max(s.captured_at) as captured_at, max(s.reason) as reason,
        case when count(*) = 1 then max(s.value)
          when kind.kind = 'level' then (array_agg(s.value order by s.starts_at desc) filter (where s.value is not null))[1]
          when kind.is_summable and count(s.value) = count(*) then sum(s.value)::bigint end as value,
        max(s.measured_at) filter (where s.value is not null) as measured_at
      from steps s group by s.bucket_at
    ), filled as (
      select b.*, count(b.value) over (order by b.bucket_at) as stretch from buckets b
    )
    select f.bucket_at, coalesce(f.value, p.value), case when f.value is not null then f.measured_at else p.measured_at end, case when f.value is not null then f.captured_at else p.captured_at end,
      f.value is null and p.value is not null,
      case when f.value is null and p.value is null then case
        when f.steps > 1 and f.steps_known > 0 and not kind.is_summable then 'people of several days cannot be added up'
        when f.steps > 1 and f.steps_known > 0 then format('%s of %s days are known', f.steps_known, f.steps)
        else coalesce(f.reason, analytics_private.unknown_reason(kind, f.bucket_at, f.bucket_at + step)) end end
    from filled f left join filled p on metric_series.fill = 'previous' and f.value is null and p.stretch = f.stretch and p.value is not null
    order by f.bucket_at;
end
$$;
comment on function analytics.metric_series(uuid, text, timestamptz, timestamptz, text, text, timestamptz, text) is
$$a metric of an account as a time line of equal steps; a step without a capture is a gap
bucket: hour, day, week (from Monday) or month, of the time zone given. A level (followers) is the last known one of the bucket; a flow (views) of a day is its last capture, of a week or month the sum of its days, if all are known and it may be added up: reach never is. as_known_at: as in metrics(). fill: none, or previous: gaps repeat the value before and are marked. At most 10 000 hours or days.
Returns one row a bucket, from the one of since to the one of until: bucket_start, value (null: a gap), measured_at and captured_at of the last capture in it, is_filled, and the reason of a gap.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select count(*) = 31 from analytics.metric_series('0195c3a0-0000-7000-8000-0000000000c0', 'followers', '2026-05-01', '2026-06-01')$$;

-- The value of a level at a moment: the last capture up to 36 hours before it (a capture a day, with room for a late one).
create or replace function analytics_private.level_at(
  account analytics.social_accounts, metric text, moment timestamptz, known timestamptz, out value bigint, out measured_at timestamptz, out captured_at timestamptz
) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  select m.value, m.measured_at, m.captured_at into level_at.value, level_at.measured_at, level_at.captured_at
  from analytics.metrics_snapshots m
  where m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.metric = level_at.metric
    and m.measured_at > level_at.moment - interval '36 hours' and m.measured_at <= level_at.moment and m.captured_at <= level_at.known and m.value is not null
  order by m.measured_at desc, m.captured_at desc limit 1;
end
$$;

-- Sum of a flow's days in a period, and how many of them are known.
create or replace function analytics_private.flow_sum(
  account analytics.social_accounts, metric text, since timestamptz, until timestamptz, zone text, known timestamptz,
  out total bigint, out days bigint, out days_known bigint, out captured_at timestamptz
) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  line constant record := analytics_private.days_of(flow_sum.since, flow_sum.until, flow_sum.zone);
begin
  select sum(v.value)::bigint, cardinality(line.starts), count(v.value), max(v.captured_at)
  into flow_sum.total, flow_sum.days, flow_sum.days_known, flow_sum.captured_at
  from analytics_private.step_values(account, flow_sum.metric, line.starts, line.ends, flow_sum.known) v;
end
$$;

create or replace function analytics.growth(
  account_id uuid, since timestamptz default null, until timestamptz default null, metric text default 'followers', timezone text default 'UTC', as_known_at timestamptz default null
) returns table (
  start_value bigint, start_measured_at timestamptz, end_value bigint, end_measured_at timestamptz, net bigint, net_rate double precision,
  gained bigint, gross_rate double precision, lost bigint, churn_rate double precision, weekly_rate double precision,
  previous_start timestamptz, previous_net bigint, change bigint, days integer, days_with_captures integer, last_captured_at timestamptz, reason text
) language plpgsql stable rows 1 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(growth.account_id);
  kind constant analytics.metric_registry := analytics_private.known_metric(account.platform, growth.metric);
  zone constant text := analytics_private.check_timezone(growth.timezone);
  last constant timestamptz := coalesce(growth.until, now());
  first constant timestamptz := coalesce(growth.since, last - interval '30 days');
  known constant timestamptz := coalesce(growth.as_known_at, 'infinity');
  line record;
  started record;
  ended record;
  before record;
  flow record;
  lists record;
  weeks double precision;
  reasons text[] := array[]::text[];
begin
  perform analytics_private.check_period(first, last);
  if kind.kind <> 'level' then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('%s is not a level that grows', growth.metric), 'metric_totals() adds up what is counted by day', '{"field": "metric"}');
  elsif last - first > interval '10000 days' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the period is too long', 'at most 10 000 days', '{"field": "since"}');
  end if;
  previous_start := first - (last - first);
  started := analytics_private.level_at(account, growth.metric, first, known);
  before := analytics_private.level_at(account, growth.metric, previous_start, known);
  line := analytics_private.days_of(first, last, zone);
  days := cardinality(line.starts);
  line.starts[1] := greatest(line.starts[1], first);
  line.ends[days] := least(line.ends[days], last);
  select count(v.value), max(v.captured_at), (array_agg(v.value order by v.place desc))[1] as value, max(v.measured_at) as measured_at,
    (array_agg(v.value order by v.place))[1] as first_value, min(v.measured_at) as first_measured_at
  into ended
  from analytics_private.step_values(account, growth.metric, line.starts, line.ends, known) v where v.value is not null;
  days_with_captures := ended.count;
  last_captured_at := coalesce(ended.max, started.captured_at);
  start_value := started.value;
  start_measured_at := started.measured_at;
  if start_value is null and ended.first_value is not null then
    start_value := ended.first_value;
    start_measured_at := ended.first_measured_at;
    reasons := reasons || format('not known at the start; counted from %s', to_char(start_measured_at at time zone zone, 'YYYY-MM-DD HH24:MI'));
  end if;
  end_value := ended.value;
  end_measured_at := ended.measured_at;
  if end_value is null then
    reasons := reasons || analytics_private.unknown_reason(kind, first, last);
  elsif end_measured_at < last - interval '36 hours' then
    reasons := reasons || format('last known on %s', to_char(end_measured_at at time zone zone, 'YYYY-MM-DD HH24:MI'));
  end if;
  if days_with_captures between 1 and days - 1 then
    reasons := reasons || format('%s of %s days have a capture', days_with_captures, days);
  end if;
  net := case when end_measured_at > start_measured_at then end_value - start_value end;
  net_rate := net * 100.0::double precision / nullif(start_value, 0);
  weeks := extract(epoch from end_measured_at - start_measured_at) / 604800;
  if net is not null and start_value > 0 and end_value > 0 and weeks >= 1.0 / 7 then
    weekly_rate := (power(end_value::double precision / start_value, 1 / weeks) - 1) * 100;
  end if;
  if started.value is null or before.value is null then
    reasons := reasons || array['the period before is not known'];
  else
    previous_net := started.value - before.value;
    change := net - previous_net;
  end if;
  if growth.metric = 'followers' then
    flow := analytics_private.flow_sum(account, 'follows', first, last, zone, known);
    if flow.days_known = flow.days then
      gained := flow.total;
    end if;
    flow := analytics_private.flow_sum(account, 'unfollows', first, last, zone, known);
    if flow.days_known = flow.days then
      lost := flow.total;
    end if;
    if gained is null or lost is null then
      -- From lists: those after a complete one at the start, up to a complete one at the end.
      select bool_and(s.is_complete) filter (where s.captured_at = e.first) as first_is_complete, bool_and(s.is_complete) filter (where s.captured_at = e.last) as last_is_complete,
        sum(s.gained_count) filter (where s.captured_at > e.first)::bigint as gained, sum(s.lost_count + s.gone_count) filter (where s.captured_at > e.first)::bigint as lost
      into lists
      from (
        select (select max(l.captured_at) from analytics.follower_snapshots l where l.workspace_id = account.workspace_id and l.social_account_id = account.id and l.relation = 'followers' and l.in_chain
            and l.is_complete and l.captured_at > first - interval '36 hours' and l.captured_at <= first) as first,
          (select max(l.captured_at) from analytics.follower_snapshots l where l.workspace_id = account.workspace_id and l.social_account_id = account.id and l.relation = 'followers' and l.in_chain
            and l.is_complete and l.captured_at > last - interval '36 hours' and l.captured_at <= last) as last) e
        join analytics.follower_snapshots s on s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = 'followers' and s.in_chain
          and s.captured_at >= e.first and s.captured_at <= e.last
      where e.first < e.last;
      if lists.first_is_complete and lists.last_is_complete and lists.gained is not null then
        gained := coalesce(gained, lists.gained);
        lost := coalesce(lost, lists.lost);
      else
        reasons := reasons || array['who came and who left is not known for every day, and no complete follower lists cover the period'];
      end if;
    end if;
    gross_rate := gained * 100.0::double precision / nullif(start_value, 0);
    churn_rate := lost * 100.0::double precision / nullif(start_value, 0);
  end if;
  reason := nullif(array_to_string(reasons, '; '), '');
  return next;
end
$$;
comment on function analytics.growth(uuid, timestamptz, timestamptz, text, text, timestamptz) is
$$how a level of an account (followers, following, posts) changed over a period
since, until: default the last 30 days. timezone: whose days are counted. as_known_at: as in metrics().
Returns one row: start_value (the last capture up to 36 hours before since, else the first after it) and end_value (the last before until) with the moments they held; net = end - start; net_rate in percent of the start; gained and lost (from the platform's daily follows and unfollows when every day is known, else from complete follower lists at both ends; else null) with gross_rate and churn_rate in percent of the start; weekly_rate: percent a week, compound; previous_net: the net of the equal period before, change = net - previous_net; days, days_with_captures; reason: in words what is missing. Nothing is carried over gaps, nothing unknown is 0.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select net is null from analytics.growth('0195c3a0-0000-7000-8000-0000000000c0', '2020-01-01', '2020-02-01')$$;

create or replace function analytics.metric_totals(
  account_id uuid, since timestamptz default null, until timestamptz default null, metrics text[] default null, timezone text default 'UTC', as_known_at timestamptz default null
) returns table (
  metric text, value bigint, mean_per_day double precision, days integer, days_known integer, previous_value bigint, change_rate double precision, unit text, last_captured_at timestamptz, reason text
) language plpgsql stable rows 10 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(metric_totals.account_id);
  zone constant text := analytics_private.check_timezone(metric_totals.timezone);
  last constant timestamptz := coalesce(metric_totals.until, now());
  first constant timestamptz := coalesce(metric_totals.since, last - interval '30 days');
  known constant timestamptz := coalesce(metric_totals.as_known_at, 'infinity');
  kind analytics.metric_registry;
  name text;
  this record;
  before record;
begin
  perform analytics_private.check_period(first, last);
  if last - first > interval '10000 days' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the period is too long', 'at most 10 000 days', '{"field": "since"}');
  end if;
  foreach name in array coalesce(metric_totals.metrics, array(
    select r.metric::text from analytics.metric_registry r where r.platform = account.platform and r.scope = 'account' and r.kind = 'flow' order by r.metric)) loop
    kind := analytics_private.known_metric(account.platform, name);
    if kind.kind = 'level' then
      perform analytics_private.raise_error('VALIDATION_ERROR', format('%s is a level, which is not added up', name), 'growth() is about levels', '{"field": "metrics"}');
    end if;
    this := analytics_private.flow_sum(account, name, first, last, zone, known);
    before := analytics_private.flow_sum(account, name, first - (last - first), first, zone, known);
    metric := name;
    unit := kind.unit;
    days := this.days;
    days_known := this.days_known;
    last_captured_at := this.captured_at;
    value := case when kind.is_summable and this.days_known = this.days then this.total end;
    mean_per_day := this.total / nullif(this.days_known, 0)::double precision;
    previous_value := case when kind.is_summable and before.days_known = before.days then before.total end;
    change_rate := (value - previous_value) * 100.0::double precision / nullif(previous_value, 0);
    reason := case when value is null then case
      when days_known = 0 then analytics_private.unknown_reason(kind, first, last)
      when not kind.is_summable then 'people of several days cannot be added up'
      else format('%s of %s days are known', days_known, days) end end;
    return next;
  end loop;
end
$$;
comment on function analytics.metric_totals(uuid, timestamptz, timestamptz, text[], text, timestamptz) is
$$what is counted by day (views, likes, link clicks), added up over a period
since, until: default the last 30 days, by days of the time zone. metrics: default all flows of the platform. as_known_at: as in metrics().
Returns a row a metric: value (the sum, if every day is known and it may be added up; people reached never may), mean_per_day over the known days, days, days_known, previous_value of the equal period before, change_rate in percent of it, unit, last_captured_at, and the reason when value is null.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select reason is not null from analytics.metric_totals('0195c3a0-0000-7000-8000-0000000000c0', '2026-05-01', '2026-05-08', '{reach}')$$;

create or replace function analytics.anomalies(
  account_id uuid, metric text default 'followers', since timestamptz default null, until timestamptz default null, threshold double precision default 3.5, timezone text default 'UTC'
) returns table (bucket_start timestamptz, value bigint, expected double precision, score double precision, reason text)
language plpgsql stable rows 5 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(anomalies.account_id);
  kind constant analytics.metric_registry := analytics_private.known_metric(account.platform, anomalies.metric);
  last constant timestamptz := coalesce(anomalies.until, now());
  first constant timestamptz := coalesce(anomalies.since, last - interval '30 days');
  judged record;
begin
  perform analytics_private.check_period(first, last);
  if anomalies.threshold is null or anomalies.threshold not between 1 and 1000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the threshold is not valid', 'from 1 to 1000 robust standard deviations; 3.5 is usual', '{"field": "threshold"}');
  end if;
  for judged in
    with days as (
      select s.bucket_start, s.value, row_number() over (order by s.bucket_start) as place,
        -- Of a level the change is judged, where both days are known.
        case when kind.kind = 'level' then s.value - lag(s.value) over (order by s.bucket_start) else s.value end as step
      from analytics.metric_series(anomalies.account_id, anomalies.metric, first - interval '57 days', last, 'day', anomalies.timezone) s
    ), line as (
      select array_agg(d.step::double precision order by d.place) as steps, coalesce(min(d.place) filter (where d.bucket_start >= first), 1)::integer as first_place,
        count(d.step) as known from days d
    )
    select d.bucket_start, d.value, d.step, j.expected, j.score, j.known, l.known as all_known, count(*) over () as judged_days
    from line l left join analytics_private.judge_series(l.steps, l.first_place) j on true left join days d on d.place = j.place
    order by d.bucket_start
  loop
    if judged.bucket_start is null then
      reason := format('too little is known to judge: %s days of the eight weeks before and the period, at least 14 before a day are needed', judged.all_known);
      return next;
    elsif abs(judged.score) >= anomalies.threshold then
      bucket_start := judged.bucket_start;
      value := judged.value;
      expected := judged.expected;
      score := judged.score;
      reason := format('%s %s: %s on %s, where the %s known days before it let expect %s; %s', anomalies.metric,
        case when judged.score > 0 then 'stood out above' else 'stood out below' end,
        case when kind.kind = 'level' then case when judged.step > 0 then '+' else '' end || judged.step || ' in a day' else judged.step::text end, to_char(judged.bucket_start at time zone anomalies.timezone, 'YYYY-MM-DD'),
        judged.known, round(judged.expected::numeric, 1),
        case when judged.score in ('Infinity', '-Infinity') then 'it had never been anything else' else format('%s robust standard deviations away', round(abs(judged.score)::numeric, 1)) end);
      return next;
    end if;
  end loop;
end
$$;
comment on function analytics.anomalies(uuid, text, timestamptz, timestamptz, double precision, text) is
$$days on which a metric of an account stood out from the days before it
metric: a flow is judged by its value, a level (followers) by its change from the day before. A day is judged by the eight weeks before it, never by what came later: distance from the median of its weekday (of all days while a weekday has fewer than four), in robust standard deviations (modified z-score of Iglewicz and Hoaglin: 0.6745 * distance / MAD). threshold: from how many on a day is told; default 3.5. Gaps are neither judged nor filled.
Returns a row a day: bucket_start, value, expected (median; of a level the expected change), score (positive above; infinite where nothing had ever varied), and the reason in words. When no day can be judged (14 known days before it are needed), one row with only the reason.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select reason like 'too little is known%' from analytics.anomalies('0195c3a0-0000-7000-8000-0000000000c0', 'followers', '2020-01-01', '2020-02-01')$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- explain

-- The rows of one table that numbers of a period came from: how many, when they were captured, and the newest hundred of them.
create or replace function analytics_private.evidence(
  table_name text, account analytics.social_accounts, profile_id uuid, metrics text[], since timestamptz, until timestamptz
) returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  found jsonb;
begin
  case evidence.table_name
    when 'metrics_snapshots' then
      with r as materialized (
        select m.metric, m.measured_at, m.captured_at, m.value, m.reason, m.source from analytics.metrics_snapshots m
        where m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.metric = any (evidence.metrics) and m.measured_at >= evidence.since and m.measured_at < evidence.until
      )
      select jsonb_build_object('rows', count(*), 'first_captured_at', min(r.captured_at), 'last_captured_at', max(r.captured_at), 'shown', coalesce(
        (select jsonb_agg(to_jsonb(s)) from (select n.* from r n order by n.measured_at desc, n.captured_at desc, n.metric limit 100) s), '[]')) into found from r;
    when 'top_content' then
      with r as materialized (
        select t.platform_post_id, t.posted_at, t.captured_at, t.media_type, t.likes_count, t.comments_count, t.shares_count, t.saves_count, t.reach, t.views, t.followers_count
        from analytics.top_content t
        where t.workspace_id = account.workspace_id and t.social_account_id = account.id and t.posted_at >= evidence.since and t.posted_at < evidence.until
      )
      select jsonb_build_object('rows', count(*), 'first_captured_at', min(r.captured_at), 'last_captured_at', max(r.captured_at), 'shown', coalesce(
        (select jsonb_agg(to_jsonb(s)) from (select n.* from r n order by n.posted_at desc, n.platform_post_id limit 100) s), '[]')) into found from r;
    when 'audience_insights' then
      with r as materialized (
        select i.audience, i.snapshot_date, i.captured_at, i.base, i.source from analytics.audience_insights i
        where i.workspace_id = account.workspace_id and i.social_account_id = account.id and i.captured_at >= evidence.since and i.captured_at < evidence.until
      )
      select jsonb_build_object('rows', count(*), 'first_captured_at', min(r.captured_at), 'last_captured_at', max(r.captured_at), 'shown', coalesce(
        (select jsonb_agg(to_jsonb(s)) from (select n.* from r n order by n.captured_at desc, n.audience limit 100) s), '[]')) into found from r;
    when 'follower_snapshots' then
      with r as materialized (
        select f.relation, f.captured_at, f.is_complete, f.completeness, f.member_count, f.gained_count, f.lost_count, f.gone_count, f.source from analytics.follower_snapshots f
        where f.workspace_id = account.workspace_id and f.social_account_id = account.id and f.in_chain and f.captured_at >= evidence.since and f.captured_at < evidence.until
      )
      select jsonb_build_object('rows', count(*), 'first_captured_at', min(r.captured_at), 'last_captured_at', max(r.captured_at), 'shown', coalesce(
        (select jsonb_agg(to_jsonb(s)) from (select n.* from r n order by n.captured_at desc, n.relation limit 100) s), '[]')) into found from r;
    when 'profile_history' then
      with r as materialized (
        select h.captured_at, h.followers_count, h.following_count, h.posts_count from analytics.profile_history h
        where h.profile_id = evidence.profile_id and h.captured_at >= evidence.since and h.captured_at < evidence.until
      )
      select jsonb_build_object('rows', count(*), 'first_captured_at', min(r.captured_at), 'last_captured_at', max(r.captured_at), 'shown', coalesce(
        (select jsonb_agg(to_jsonb(s)) from (select n.* from r n order by n.captured_at desc limit 100) s), '[]')) into found from r;
    when 'profile_posts' then
      with r as materialized (
        select y.shortcode, y.posted_at, y.captured_at, y.media_type, y.likes_count, y.comments_count, y.video_view_count, y.engagement_rate_by_followers from analytics.profile_posts y
        where y.profile_id = evidence.profile_id and y.posted_at >= evidence.since and y.posted_at < evidence.until
      )
      select jsonb_build_object('rows', count(*), 'first_captured_at', min(r.captured_at), 'last_captured_at', max(r.captured_at), 'shown', coalesce(
        (select jsonb_agg(to_jsonb(s)) from (select n.* from r n order by n.posted_at desc, n.shortcode limit 100) s), '[]')) into found from r;
    when 'comment_sentiment' then
      with r as materialized (
        select c.post_id, c.analysis_timestamp as captured_at, c.comments_analyzed, c.compound_score, c.overall_sentiment from analytics.comment_sentiment c
        where c.profile_id = evidence.profile_id and c.analysis_timestamp >= evidence.since and c.analysis_timestamp < evidence.until
      )
      select jsonb_build_object('rows', count(*), 'first_captured_at', min(r.captured_at), 'last_captured_at', max(r.captured_at), 'shown', coalesce(
        (select jsonb_agg(to_jsonb(s)) from (select n.* from r n order by n.captured_at desc, n.post_id limit 100) s), '[]')) into found from r;
    else
      -- Reference data and what is derived from the tables above: the formula names it.
      found := null;
  end case;
  return found;
end
$$;

create or replace function analytics.explain(
  number text, account_id uuid default null, since timestamptz default null, until timestamptz default null, metric text default 'followers', username text default null, timezone text default 'UTC'
) returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  known analytics.number_formulas;
  account analytics.social_accounts;
  profile uuid;
  last constant timestamptz := coalesce(explain.until, now());
  first constant timestamptz := coalesce(explain.since, last - interval '30 days');
  field constant text := split_part(explain.number, '.', 2);
  computed jsonb;
  names text[] := array[explain.metric];
  evidence_from timestamptz := first;
begin
  perform analytics_private.require_user();
  perform analytics_private.check_period(first, last);
  select f.* into known from analytics.number_formulas f where f.number = explain.number;
  if not found then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such number', 'analytics.number_formulas lists them', '{"field": "number"}');
  end if;
  if known.tables && '{profile_posts,profile_history,comment_sentiment,related_profiles,mentions}' then
    profile := analytics_private.open_profile(explain.username);
  else
    account := analytics_private.audience_account(explain.account_id);
  end if;
  case split_part(explain.number, '.', 1)
    when 'growth' then
      select to_jsonb(g) into computed from analytics.growth(explain.account_id, first, last, explain.metric, explain.timezone) g;
      names := names || case when field in ('gained', 'gross_rate', 'lost', 'churn_rate') then array['follows', 'unfollows'] else '{}' end;
      evidence_from := case when field in ('previous_net', 'change') then first - (last - first) else first end - interval '36 hours';
    when 'metric_totals' then
      select to_jsonb(t) into computed from analytics.metric_totals(explain.account_id, first, last, array[explain.metric], explain.timezone) t;
      evidence_from := case when field = 'change_rate' then first - (last - first) else first end;
    when 'anomalies' then
      evidence_from := first - interval '57 days';
    else null;
  end case;
  return jsonb_build_object('number', known.number, 'unit', known.unit, 'formula', known.formula, 'denominator', known.denominator, 'source', known.source, 'note', known.note,
    'since', first, 'until', last, 'value', computed -> field, 'reason', computed -> 'reason', 'inputs', computed - field - 'reason',
    'rows', (select coalesce(jsonb_object_agg(t.name, e.found) filter (where e.found is not null), '{}') from unnest(known.tables) as t (name)
      cross join lateral (select analytics_private.evidence(t.name, account, profile, names, evidence_from, last) as found) e));
end
$$;
comment on function analytics.explain(text, uuid, timestamptz, timestamptz, text, text, text) is
$$where a number comes from: its formula, denominator, source, and the stored rows with their capture times
number: as in number_formulas, the function and the field: growth.net_rate. account_id, or username of an unlocked profile for numbers of creators. since, until: the period the number was asked for; default the last 30 days. metric: which one, where the function has a metric.
Returns {number, unit, formula, denominator, source, note, since, until, value (where the function has one answer), reason, inputs, rows: {table: {rows, first_captured_at, last_captured_at, shown (the newest hundred)}}}. number_formulas lists every number.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces, profile not unlocked).
Example: select analytics.explain('growth.net_rate', '0195c3a0-0000-7000-8000-0000000000c0') ->> 'denominator' = 'start_value'$$;
