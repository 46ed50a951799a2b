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
  constraint metric_registry_platform_known check (platform in ('instagram', 'facebook', 'tiktok', 'linkedin', 'x')),
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
create policy "signed-in users read the registry of metrics" on analytics.metric_registry for select to authenticated using (true);

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
create policy "signed-in users read the formulas" on analytics.number_formulas for select to authenticated using (true);
