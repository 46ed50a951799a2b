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

-- Dates and names: Meta's documentation of insights (v22: metrics removed for all versions on 2025-04-21; impressions and fans of pages
-- removed on 2025-11-15, unique impressions on 2026-06-15), the platforms' API references for the rest.
insert into analytics.metric_registry
  (platform, scope, metric, api_name, kind, unit, is_summable, available_from, available_until, api_version_until, replaced_by, minimum_followers, delay, description, source)
select t.platform, t.scope, t.metric, t.api_name, t.kind, t.unit, t.kind in ('flow', 'total') and t.unit = 'count', t.available_from::date, t.available_until::date,
  t.api_version_until, t.replaced_by, t.minimum_followers, t.delay::interval, t.description,
  case t.platform when 'instagram' then 'Instagram Platform, API reference: IG User and IG Media insights'
    when 'facebook' then 'Graph API, Page insights and their deprecated metrics' when 'tiktok' then 'TikTok API, user info and video list'
    when 'linkedin' then 'LinkedIn Community Management API, organization share and follower statistics' when 'youtube' then 'YouTube Data API v3, channels and videos; YouTube Analytics API, channel reports'
    else 'X API v2, metrics' end
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
  ('facebook', 'account', 'fans', 'page_fans', 'level', 'people', null, '2025-11-15', null, 'followers', null, null, 'people who like the page'),
  ('facebook', 'account', 'impressions', 'page_impressions', 'flow', 'count', null, '2025-11-15', null, 'views', null, '48 hours', 'times that something of the page was on a screen in the day'),
  ('facebook', 'account', 'reach', 'page_total_media_view_unique', 'flow', 'people', null, null, null, null, 100, '48 hours', 'different people who saw something of the page in the day; until 2026-06-15 called page_impressions_unique'),
  ('facebook', 'account', 'views', 'page_media_view', 'flow', 'count', '2025-06-01', null, null, null, 100, '48 hours', 'times that something of the page was played or shown in the day'),
  ('facebook', 'account', 'engagement', 'page_post_engagements', 'flow', 'count', null, null, null, null, 100, '48 hours', 'interactions with posts of the page in the day'),
  ('facebook', 'account', 'profile_views', 'page_views_total', 'flow', 'count', null, null, null, null, 100, '48 hours', 'visits of the page in the day'),
  ('facebook', 'account', 'follows', 'page_daily_follows_unique', 'flow', 'count', null, null, null, null, 100, '48 hours', 'people who began to follow in the day'),
  ('facebook', 'account', 'unfollows', 'page_daily_unfollows_unique', 'flow', 'count', null, null, null, null, 100, '48 hours', 'people who left in the day'),
  ('facebook', 'post', 'likes', 'post_reactions_by_type_total', 'total', 'count', null, null, null, null, null, '48 hours', 'reactions of all kinds so far'),
  ('facebook', 'post', 'comments', 'post_activity_by_action_type', 'total', 'count', null, null, null, null, null, '48 hours', 'comments so far'),
  ('facebook', 'post', 'shares', 'post_activity_by_action_type', 'total', 'count', null, null, null, null, null, '48 hours', 'shares so far'),
  ('facebook', 'post', 'reach', 'post_total_media_view_unique', 'total', 'people', null, null, null, null, null, '48 hours', 'different people who saw it so far; until 2026-06-15 called post_impressions_unique'),
  ('facebook', 'post', 'views', 'post_media_view', 'total', 'count', '2025-06-01', null, null, null, null, '48 hours', 'times that it was played or shown so far'),
  ('facebook', 'post', 'clicks', 'post_clicks', 'total', 'count', null, null, null, null, null, '48 hours', 'clicks anywhere in it so far'),
  ('facebook', 'post', 'impressions', 'post_impressions', 'total', 'count', null, '2025-11-15', null, 'views', null, '48 hours', 'times that it was on a screen so far'),
  ('facebook', 'post', 'saves', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API'),
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
  ('linkedin', 'account', 'new_followers', 'followerGains', 'flow', 'count', null, null, null, null, null, '48 hours', 'new followers of the day, organic and paid'),
  ('linkedin', 'account', 'saves', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API'),
  ('linkedin', 'post', 'likes', 'likeCount', 'total', 'count', null, null, null, null, null, '48 hours', 'reactions so far, without ads'),
  ('linkedin', 'post', 'comments', 'commentCount', 'total', 'count', null, null, null, null, null, '48 hours', 'comments so far, without ads'),
  ('linkedin', 'post', 'shares', 'shareCount', 'total', 'count', null, null, null, null, null, '48 hours', 'shares so far, without ads'),
  ('linkedin', 'post', 'reach', 'uniqueImpressionsCount', 'total', 'people', null, null, null, null, null, '48 hours', 'different members who saw it so far, without ads'),
  ('linkedin', 'post', 'views', 'impressionCount', 'total', 'count', null, null, null, null, null, '48 hours', 'times that it was shown so far, without ads'),
  ('linkedin', 'post', 'link_clicks', 'clickCount', 'total', 'count', null, null, null, null, null, '48 hours', 'clicks so far, without ads'),
  ('linkedin', 'post', 'saves', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API for organisations'),
  ('youtube', 'account', 'followers', 'subscriberCount', 'level', 'people', null, null, null, null, null, null, 'subscribers, which the platform rounds to three digits'),
  ('youtube', 'account', 'posts', 'videoCount', 'level', 'count', null, null, null, null, null, null, 'public videos'),
  ('youtube', 'account', 'views_received', 'viewCount', 'level', 'count', null, null, null, null, null, null, 'views of all its videos so far'),
  ('youtube', 'account', 'views', 'views', 'flow', 'count', null, null, null, null, null, '72 hours', 'views of the day'),
  ('youtube', 'account', 'likes', 'likes', 'flow', 'count', null, null, null, null, null, '72 hours', 'likes of the day, less those taken back'),
  ('youtube', 'account', 'comments', 'comments', 'flow', 'count', null, null, null, null, null, '72 hours', 'comments of the day'),
  ('youtube', 'account', 'shares', 'shares', 'flow', 'count', null, null, null, null, null, '72 hours', 'shares of the day'),
  ('youtube', 'account', 'follows', 'subscribersGained', 'flow', 'count', null, null, null, null, null, '72 hours', 'subscribers gained in the day'),
  ('youtube', 'account', 'unfollows', 'subscribersLost', 'flow', 'count', null, null, null, null, null, '72 hours', 'subscribers lost in the day'),
  ('youtube', 'account', 'reach', null, 'none', 'people', null, null, null, null, null, null, 'not offered by the API'),
  ('youtube', 'post', 'views', 'viewCount', 'total', 'count', null, null, null, null, null, null, 'views so far'),
  ('youtube', 'post', 'likes', 'likeCount', 'total', 'count', null, null, null, null, null, null, 'likes so far'),
  ('youtube', 'post', 'comments', 'commentCount', 'total', 'count', null, null, null, null, null, null, 'comments so far'),
  ('youtube', 'post', 'saves', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API'),
  ('youtube', 'post', 'reach', null, 'none', 'people', null, null, null, null, null, null, 'not offered by the API'),
  ('x', 'account', 'followers', 'followers_count', 'level', 'people', null, null, null, null, null, null, 'accounts that follow'),
  ('x', 'account', 'following', 'following_count', 'level', 'people', null, null, null, null, null, null, 'accounts that it follows'),
  ('x', 'account', 'posts', 'tweet_count', 'level', 'count', null, null, null, null, null, null, 'posts, reposts included'),
  ('x', 'account', 'lists', 'listed_count', 'level', 'count', null, null, null, null, null, null, 'public lists that it is on'),
  ('x', 'account', 'reach', null, 'none', 'people', null, null, null, null, null, null, 'not offered by the API'),
  ('x', 'account', 'impressions', null, 'none', 'count', null, null, null, null, null, null, 'offered for posts only'),
  ('x', 'account', 'profile_views', null, 'none', 'count', null, null, null, null, null, null, 'not offered by the API for accounts'),
  ('x', 'post', 'views', 'impression_count', 'total', 'count', null, null, null, null, null, null, 'times that it was on a screen so far'),
  ('x', 'post', 'likes', 'like_count', 'total', 'count', null, null, null, null, null, null, 'likes so far'),
  ('x', 'post', 'comments', 'reply_count', 'total', 'count', null, null, null, null, null, null, 'replies so far'),
  ('x', 'post', 'shares', 'retweet_count', 'total', 'count', null, null, null, null, null, null, 'reposts so far'),
  ('x', 'post', 'saves', 'bookmark_count', 'total', 'count', null, null, null, null, null, null, 'bookmarks so far'),
  ('x', 'post', 'quotes', 'quote_count', 'total', 'count', null, null, null, null, null, null, 'reposts with words of their own so far'),
  ('x', 'post', 'engagement', 'non_public_metrics.engagements', 'total', 'count', null, null, null, null, null, null, 'interactions of any kind so far; told for 30 days'),
  ('x', 'post', 'link_clicks', 'non_public_metrics.url_link_clicks', 'total', 'count', null, null, null, null, null, null, 'clicks on its links so far; told for 30 days'),
  ('x', 'post', 'profile_visits', 'non_public_metrics.user_profile_clicks', 'total', 'count', null, null, null, null, null, null, 'visits of the profile from it so far; told for 30 days'),
  ('x', 'post', 'organic_views', 'organic_metrics.impression_count', 'total', 'count', null, null, null, null, null, null, 'times that it was on a screen so far, without ads; told for 30 days'),
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
  constraint metrics_snapshots_reason_of_unknown check (value is null or reason is null),
  -- No platform counts that far; sums of it fit.
  constraint metrics_snapshots_value check (value between 0 and 1000000000000000)
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
  if current_setting('transaction_isolation') <> 'read committed' and exists (select from gone) then
    -- Captures that came after this transaction's snapshot would not be seen, and stay without an account.
    perform analytics_private.raise_error('CONFLICT', 'an account is deleted in a READ COMMITTED transaction', 'delete it without setting an isolation level');
  end if;
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
  constraint top_content_counts check (least(likes_count, comments_count, shares_count, saves_count, reach, views, followers_count) >= 0
    and greatest(likes_count, comments_count, shares_count, saves_count, reach, views, followers_count) <= 1000000000000000),
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
  constraint post_analytics_counts check (least(likes_count, comments_count, shares_count, saves_count, reach, views) >= 0
    and greatest(likes_count, comments_count, shares_count, saves_count, reach, views) <= 1000000000000000)
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
  facets jsonb,
  source varchar(32) not null,
  constraint audience_insights_pkey primary key (workspace_id, social_account_id, audience, captured_at),
  constraint audience_insights_account_fkey foreign key (workspace_id, social_account_id) references analytics.social_accounts (workspace_id, id) on delete cascade,
  constraint audience_insights_audience_known check (audience in ('followers', 'engaged', 'reached')),
  constraint audience_insights_base check (base between 0 and 1000000000000000),
  constraint audience_insights_facets_object check (facets is null or jsonb_typeof(facets) = 'object'),
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
comment on column analytics.audience_insights.facets is 'what else the platform divides it by, with its own names: {"Function": [{"function": "urn:li:function:8", "count": 12}, …], "GeoCountry": [{"geo": "urn:li:geo:103644278", "count": 9}], …}';

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
  ('account_snapshots.engagement_count', 'count', 'likes + comments + shares of the day', null, '{metrics_snapshots}', null, 'null unless all three are known; saves do not count'),
  ('metrics.captures', 'captures', 'captures of the metric for that moment, known by then', null, '{metrics_snapshots}', null, null),
  ('metrics.value', 'as in metric_registry', 'the newest capture of the metric for that moment, known by then', null, '{metrics_snapshots}', null, null),
  ('metric_series.value', 'as in metric_registry', 'of each bucket the last known capture; of a summable flow over more than a day the sum of its days, if all are known', null, '{metrics_snapshots}', null, null),
  ('metric_totals.value', 'as in metric_registry', 'sum of the days'' last captures, if all days are known', null, '{metrics_snapshots}', null, 'people (reach) are never added up'),
  ('metric_totals.previous_value', 'as in metric_registry', 'value of the equal period before', null, '{metrics_snapshots}', null, null),
  ('metric_totals.days', 'days', 'whole days of the zone within the period', null, '{}', null, null),
  ('metric_totals.days_known', 'days', 'those with a known value', null, '{metrics_snapshots}', null, null),
  ('metric_totals.mean_per_day', 'as in metric_registry', 'sum of the known days / number of known days', 'known days', '{metrics_snapshots}', null, null),
  ('metric_totals.change_rate', 'percent', '(value - previous_value) / previous_value * 100', 'the sum of the equal period before', '{metrics_snapshots}', null, null),
  ('growth.start_value', 'people', 'the last capture up to 36 hours before since, else the first one after it', null, '{metrics_snapshots}', null, null),
  ('growth.end_value', 'people', 'the last capture up to until', null, '{metrics_snapshots}', null, null),
  ('growth.days', 'days', 'days of the zone that touch the period', null, '{}', null, null),
  ('growth.days_with_captures', 'days', 'those with a known value', null, '{metrics_snapshots}', null, null),
  ('growth.net', 'people', 'end_value - start_value', null, '{metrics_snapshots}', 'onlinemarketingmetrics.com/follower-growth-rate-calculator', 'start: the last capture up to 36 hours before since, else the first one after it'),
  ('growth.net_rate', 'percent', '(end_value - start_value) / start_value * 100', 'start_value', '{metrics_snapshots}', 'onlinemarketingmetrics.com/follower-growth-rate-calculator', null),
  ('growth.gained', 'people', 'sum of follows of all days, else of those new in complete follower lists', null, '{metrics_snapshots,follower_snapshots}', null, 'null unless every day, or a complete list at both ends, is known'),
  ('growth.gross_rate', 'percent', 'gained / start_value * 100', 'start_value', '{metrics_snapshots,follower_snapshots}', 'keyhole.co/blog/how-do-i-calculate-follower-growth-rate', null),
  ('growth.lost', 'people', 'sum of unfollows of all days, else of those lost or gone in complete follower lists', null, '{metrics_snapshots,follower_snapshots}', null, 'as gained'),
  ('growth.churn_rate', 'percent', 'lost / start_value * 100', 'start_value', '{metrics_snapshots,follower_snapshots}', null, null),
  ('growth.weekly_rate', 'percent', '((end_value / start_value) ^ (1 / weeks) - 1) * 100', 'start_value; weeks between the two captures', '{metrics_snapshots}', 'academy.fanpagekarma.com/en/instagram-metrics', 'compound: 500 to 2000 in two weeks is 100'),
  ('growth.previous_net', 'people', 'start_value - value at the start of the equal period before', null, '{metrics_snapshots}', null, null),
  ('growth.change', 'people', 'net - previous_net', null, '{metrics_snapshots}', null, null),
  ('anomalies.value', 'as in metric_registry', 'the last known capture of the day', null, '{metrics_snapshots}', null, null),
  ('anomalies.expected', 'as in metric_registry', 'median of the same weekday in the 56 days before, of all days while there are fewer than four', null, '{metrics_snapshots}', null, 'of levels the daily change'),
  ('anomalies.score', 'robust standard deviations', '0.6745 * (value - expected) / MAD', 'median distance of the 56 days before from their weekday''s median', '{metrics_snapshots}', 'Iglewicz and Hoaglin, How to detect and handle outliers, 1993', 'of levels the daily change is judged; at least 14 known days'),
  ('top_content.engagement_rate', 'percent', '(likes + comments + shares + saves) / reach * 100', 'reach of the post', '{top_content,post_analytics}', null, 'null when a part is unknown'),
  ('top_content.engagement_rate_by_followers', 'percent', '(likes + comments) / followers_count * 100', 'followers on the day of publishing', '{top_content,metrics_snapshots}', 'NapoleonCat, brain.napoleoncat.com/en/articles/1096078', null),
  ('top_content.engagement_rate_by_views', 'percent', '(likes + comments + shares + saves) / views * 100', 'views of the post', '{top_content,post_analytics}', null, null),
  -- Of aggregates, which know no account: formula and denominator only.
  ('audience.share', '0 to 1', '(sum of counts of the key + sum of share * base of the key) / sum of bases', 'people of all distributions with a base; where none has one each distribution weighs the same', '{}', null, 'base: the weight, else the distribution''s own, else the sum of its counts'),
  ('audience.base', 'people', 'sum of the bases of the distributions', null, '{}', null, 'who is in several audiences counts in each'),
  ('audience.documents', 'distributions', 'number of distributions that the shares are made of', null, '{}', null, null),
  ('audience_top.count', 'people', 'sum of the counts of the key over distributions that count and list it', null, '{}', null, 'null where only shares list it'),
  ('affinity.affinity', 'ratio', 'share of the key here / share of the key in the baseline', 'share in the baseline', '{}', 'Google Ads, AudienceCompositionMetrics (0 there when undefined)', '1 is as frequent'),
  ('engagement_stats.ratio_of_sums', 'percent', 'sum of interactions / sum of denominators * 100', 'reach, followers or views of the posts with a rate', '{}', null, null),
  ('engagement_stats.mean_of_ratios', 'percent', 'mean of the posts'' rates', 'reach, followers or views of each post', '{}', null, null),
  ('engagement_stats.standard_deviation', 'percentage points', 'of the posts'' rates, as a sample', null, '{}', null, 'null of fewer than two'),
  ('engagement_stats.quantile', 'percent', 'the smallest rate that at least this fraction of the posts does not exceed', null, '{}', null, 'off by at most quantile_error() of itself'),
  -- Of lists of followers (76_audiences.sql).
  ('followers_at.completeness', '0 to 1', 'people in the list / people that the platform says there are', 'claimed_count of the list', '{follower_snapshots}', null, 'at most 1; null when nothing was claimed'),
  ('followers_at.follower_count', 'people', 'members of the set believed after the newest list', null, '{follower_snapshots}', null, null),
  ('followers_between.start_completeness', '0 to 1', 'completeness of the newest list at the start', 'claimed_count', '{follower_snapshots}', null, null),
  ('followers_between.end_completeness', '0 to 1', 'completeness of the newest list at the end', 'claimed_count', '{follower_snapshots}', null, null),
  ('followers_between.lists', 'lists', 'lists between the two', null, '{follower_snapshots}', null, null),
  ('followers_between.start_count', 'people', 'members of the set at the start', null, '{follower_snapshots}', null, null),
  ('followers_between.end_count', 'people', 'members of the set at the end', null, '{follower_snapshots}', null, null),
  ('followers_between.gained_count', 'people', 'in the set at the end and not at the start, seen to come', null, '{follower_snapshots}', null, null),
  ('followers_between.lost_count', 'people', 'in the set at the start and not at the end, missing from a complete list', null, '{follower_snapshots}', null, null),
  ('followers_between.gone_count', 'people', 'in the set at the start, named deactivated or deleted since', null, '{follower_snapshots}', null, null),
  ('followers_between.came_and_left_count', 'people', 'in neither set and in a list between', null, '{follower_snapshots}', null, null),
  ('followers_between.left_and_returned_count', 'people', 'in both sets and missing from a complete list between', null, '{follower_snapshots}', null, null),
  ('followers_between.found_count', 'people', 'known at the end, of whom no list can say that they are new', null, '{follower_snapshots}', null, null),
  ('followers_between.not_seen_count', 'people', 'known at the start and missing from lists that were not complete', null, '{follower_snapshots}', null, null),
  ('follower_history.completeness', '0 to 1', 'completeness of the list that shows it', 'claimed_count', '{follower_snapshots}', null, null),
  ('retention.lists', 'lists', 'lists of the bucket', null, '{follower_snapshots}', null, null),
  ('retention.complete_lists', 'lists', 'complete ones of them', null, '{follower_snapshots}', null, null),
  ('retention.came', 'people', 'who came with the lists of the bucket', null, '{follower_snapshots}', null, null),
  ('retention.still_7_days', 'people', 'those of them who were there 7 days later', null, '{follower_snapshots}', null, 'null before that day, and without a complete list after it'),
  ('retention.still_30_days', 'people', 'those of them who were there 30 days later', null, '{follower_snapshots}', null, 'as after 7 days'),
  ('retention.still_60_days', 'people', 'those of them who were there 60 days later', null, '{follower_snapshots}', null, 'as after 7 days'),
  ('retention.still_90_days', 'people', 'those of them who were there 90 days later', null, '{follower_snapshots}', null, 'as after 7 days'),
  ('retention.retention_7_days', '0 to 1', 'still_7_days / came', 'came', '{follower_snapshots}', null, null),
  ('retention.retention_30_days', '0 to 1', 'still_30_days / came', 'came', '{follower_snapshots}', null, null),
  ('retention.retention_60_days', '0 to 1', 'still_60_days / came', 'came', '{follower_snapshots}', null, null),
  ('retention.retention_90_days', '0 to 1', 'still_90_days / came', 'came', '{follower_snapshots}', null, null),
  ('mutuals.followers_completeness', '0 to 1', 'completeness of the newest list of followers', 'claimed_count', '{follower_snapshots}', null, null),
  ('mutuals.following_completeness', '0 to 1', 'completeness of the newest list of whom it follows', 'claimed_count', '{follower_snapshots}', null, null),
  ('mutuals.people_count', 'people', 'in both sets', null, '{follower_snapshots}', null, null),
  ('not_following_back.followers_completeness', '0 to 1', 'completeness of the newest list of followers', 'claimed_count', '{follower_snapshots}', null, null),
  ('not_following_back.following_completeness', '0 to 1', 'completeness of the newest list of whom it follows', 'claimed_count', '{follower_snapshots}', null, null),
  ('not_following_back.people_count', 'people', 'whom it follows, less its followers', null, '{follower_snapshots}', null, null),
  ('audience_overlap.jaccard', '0 to 1', '|A and B| / |A or B|', 'people in either', '{follower_snapshots}', 'dev.to/olams', null),
  ('audience_overlap.share_of_smaller', '0 to 1', '|A and B| / min(|A|, |B|)', 'people in the smaller', '{follower_snapshots}', 'influData', null),
  ('audience_overlap.exclusive_share', '0 to 1', 'people in no other set / |A|', 'people in the set', '{follower_snapshots}', 'Stellar/Kolsquare', null),
  ('audience_overlap.shared_share', '0 to 1', 'people in two sets or more / people in any', 'people in any', '{follower_snapshots}', 'influData', null),
  ('unique_reach.reach', 'people', 'people in any of the sets, a platform at a time', null, '{follower_snapshots}', null, null),
  ('best_additions.completeness', '0 to 1', 'completeness of the list that the account was judged by', 'claimed_count', '{follower_snapshots}', null, null),
  ('best_additions.follower_count', 'people', 'members of the account''s set', null, '{follower_snapshots}', null, null),
  ('best_additions.added', 'people', 'members that no account chosen before has', null, '{follower_snapshots}', null, 'greedy: the one that adds most comes first'),
  ('best_additions.reach', 'people', 'people in any of the sets chosen so far', null, '{follower_snapshots}', null, null),
  -- Of observed profiles (75_reading.sql).
  ('my_profiles.followers_count', 'people', 'as captured', null, '{profile_history}', null, null),
  ('my_profiles.engagement_rate_by_followers', 'percent', 'mean of (likes + comments) / followers * 100 over the 12 newest posts whose rate is known', 'followers at the capture of each post', '{profile_posts,profile_history}', 'HypeAuditor, help.hypeauditor.com/en/articles/2771955', null),
  ('profile_overview.engagement_rate_by_followers', 'percent', 'mean of (likes + comments) / followers * 100 over the 12 newest posts whose rate is known', 'followers at the capture of each post', '{profile_posts,profile_history}', 'HypeAuditor, help.hypeauditor.com/en/articles/2771955', null)
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

-- A long list is compared with what is there in one join: half the work of asking the index for each row. Nobody else writes for this
-- account, so only a list that names a capture twice fails: null then, and nothing is stored.
create or replace function analytics_private.insert_captures(
  account analytics.social_accounts, metrics text[], measured_at timestamptz[], captured_at timestamptz[], metric_values bigint[], reasons text[], source text,
  first_measured_at timestamptz, last_measured_at timestamptz
) returns bigint language plpgsql volatile set search_path = pg_catalog, pg_temp
-- What is there is found by its key, and joined by hash: the planner cannot know how many a list has. What is off is only costed
-- high, which would have the plan compiled.
set enable_seqscan = off set enable_nestloop = off set jit = off as $$
#variable_conflict use_column
declare
  n bigint;
begin
  insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, reason, source)
  select account.workspace_id, account.id, u.metric, u.measured_at, u.captured_at, u.value, case when u.value is null then u.reason end, insert_captures.source
  from unnest(insert_captures.metrics, insert_captures.measured_at, insert_captures.captured_at, insert_captures.metric_values, insert_captures.reasons)
    as u (metric, measured_at, captured_at, value, reason)
  where not exists (
    select from analytics.metrics_snapshots m
    where m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.metric = u.metric and m.measured_at = u.measured_at and m.captured_at = u.captured_at
      and m.measured_at >= insert_captures.first_measured_at and m.measured_at <= insert_captures.last_measured_at);
  get diagnostics n = row_count;
  return n;
exception when unique_violation then
  return null;
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
  select * into span from analytics_private.check_captures(store_metrics.measured_at, store_metrics.captured_at, store_metrics.metric_values,
    clock_timestamp() + interval '5 minutes');
  if span.bad_time is not null then
    perform analytics_private.refuse_captures(format('entry %s: captured before it was measured, in the future, or at no time', span.bad_time),
      'measured_at is not after captured_at, and neither in the future', array[span.bad_time]);
  elsif span.impossible is not null then
    perform analytics_private.refuse_captures(format('entry %s: value is negative or beyond 10^15', span.impossible), 'a hidden count is null', array[span.impossible]);
  end if;

  if given >= 1000 then
    n := analytics_private.insert_captures(account, store_metrics.metrics, store_metrics.measured_at, store_metrics.captured_at, store_metrics.metric_values, store_metrics.reasons,
      store_metrics.source, span.first_measured_at, span.last_measured_at);
  end if;
  if n is null then
    insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, reason, source)
    select account.workspace_id, account.id, u.metric, u.measured_at, u.captured_at, u.value, case when u.value is null then u.reason end, store_metrics.source
    from unnest(store_metrics.metrics, store_metrics.measured_at, store_metrics.captured_at, store_metrics.metric_values, store_metrics.reasons)
      as u (metric, measured_at, captured_at, value, reason)
    on conflict do nothing;
    get diagnostics n = row_count;
  end if;
  if n < given then
    select u.metric, u.measured_at, u.captured_at, u.place into other
    from unnest(store_metrics.metrics, store_metrics.measured_at, store_metrics.captured_at, store_metrics.metric_values) with ordinality as u (metric, measured_at, captured_at, value, place)
      join analytics.metrics_snapshots m on m.workspace_id = account.workspace_id and m.social_account_id = account.id and m.metric = u.metric
        and m.measured_at = u.measured_at and m.captured_at = u.captured_at
    -- What other captures the account has, years of them, is not read.
    where m.measured_at >= span.first_measured_at and m.measured_at <= span.last_measured_at and m.value is distinct from u.value order by u.place limit 1;
    if found then
      perform analytics_private.raise_error('CONFLICT', format('entry %s: another value of %s was captured at that moment', other.place, other.metric),
        'a value that the platform restated has a captured_at of its own', jsonb_build_object('positions', array[other.place], 'metric', other.metric, 'measured_at', other.measured_at, 'captured_at', other.captured_at));
    end if;
  end if;
  if n > 0 then
    perform analytics_private.write_audit('metrics.recorded', 'social_account', account.id, jsonb_build_object('recorded', n, 'first_measured_at', span.first_measured_at,
      'last_measured_at', span.last_measured_at, 'source', store_metrics.source), account.workspace_id);
  end if;
  return jsonb_build_object('account_id', account.id, 'recorded', n, 'repeated', given - n, 'first_measured_at', span.first_measured_at, 'last_measured_at', span.last_measured_at,
    'first_captured_at', span.first_captured_at, 'last_captured_at', span.last_captured_at);
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
  select * into read from analytics_private.read_captures(record_metrics.captures, record_metrics.captured_at);
  if read.problem is not null then
    perform analytics_private.refuse_captures(read.problem, read.hint, read.positions);
  end if;
  return analytics_private.store_metrics(account, read.metrics, read.measured_at, read.captured_at, read.metric_values, read.reasons, record_metrics.source);
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

-- A post as read_posts() reads it, once.
do $type$
begin
  create type analytics_private.post_capture as (
    place bigint, id text, url text, caption text, media_type text, posted_at timestamptz, captured_at timestamptz, hashtags text[], likes bigint, comments bigint, shares bigint, saves bigint,
    reach bigint, views bigint, extra_data jsonb, problem text, hint text, positions integer[]);
exception when duplicate_object then
  null;
end
$type$;

create or replace function analytics_private.post_captures(posts text, captured_at timestamptz) returns analytics_private.post_capture[]
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select array_agg(row(r.place, r.id, r.url, r.caption, r.media_type, r.posted_at, coalesce(r.captured_at, post_captures.captured_at), r.hashtags, r.likes, r.comments, r.shares, r.saves, r.reach, r.views,
    r.extra_data::jsonb, r.problem, r.hint, r.positions)::analytics_private.post_capture order by r.place)
  from analytics_private.read_posts(post_captures.posts) with ordinality
    as r (id, url, caption, media_type, posted_at, captured_at, hashtags, likes, comments, shares, saves, reach, views, extra_data, problem, hint, positions, place)
$$;

create or replace function analytics_private.store_posts(account analytics.social_accounts, posts text, captured_at timestamptz, source text) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  captures analytics_private.post_capture[];
  removed text[];
  wrong bigint;
  given bigint;
  n_new bigint;
  n_captures bigint;
begin
  captures := analytics_private.post_captures(store_posts.posts, store_posts.captured_at);
  if captures[1].problem is not null then
    perform analytics_private.refuse_captures(captures[1].problem, captures[1].hint, captures[1].positions);
  end if;
  select min(c.place) into wrong from unnest(captures) c where (c.captured_at between c.posted_at and clock_timestamp() + interval '5 minutes') is not true;
  if wrong is not null then
    perform analytics_private.refuse_captures(format('entry %s: captured before it was posted, or in the future', wrong), 'posted_at is not after captured_at, and neither in the future', array[wrong::integer]);
  end if;
  -- Reading this table is also the lock that erase_person() waits for, and holds against everybody once it has it.
  if exists (select from analytics_private.erased_people) then
    removed := array(select distinct n.name from unnest(captures) c, unnest(analytics.extract_mentions(c.caption) || c.hashtags) as n (name)
      where analytics_private.is_removed(account.platform, n.name, null));
    if removed <> '{}' then
      captures := analytics_private.post_captures(analytics_private.redact_people(store_posts.posts, removed), store_posts.captured_at);
    end if;
  end if;

  -- What describes a post is taken from the newest of its captures in the list, as its counts are.
  with newest as (
    select distinct on (c.id) c.* from unnest(captures) c order by c.id, c.captured_at desc, c.place desc
  ), written as (
    insert into analytics.top_content as t (workspace_id, social_account_id, platform_post_id, post_url, caption, media_type, posted_at, hashtags, mentions, likes_count, comments_count,
      shares_count, saves_count, reach, views, followers_count, engagement_rate, engagement_rate_by_followers, engagement_rate_by_views, captured_at, last_updated, extra_data)
    select account.workspace_id, account.id, r.id, r.url, r.caption, r.media_type, r.posted_at, coalesce(r.hashtags, '{}'), coalesce(analytics.extract_mentions(r.caption), '{}'), r.likes, r.comments,
      r.shares, r.saves, r.reach, r.views, f.value, analytics.engagement_rate(r.likes, r.comments, r.shares, r.saves, r.reach),
      analytics.engagement_rate_by_followers(r.likes, r.comments, f.value), analytics.engagement_rate_by_views(r.likes, r.comments, r.shares, r.saves, r.views),
      r.captured_at, now(), coalesce(r.extra_data, '{}')
    from newest r left join lateral (
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
  select (select count(*) from newest), count(*) filter (where w.is_new) into given, n_new from written w;

  insert into analytics.post_analytics (workspace_id, social_account_id, platform_post_id, captured_at, likes_count, comments_count, shares_count, saves_count, reach, views, source)
  select account.workspace_id, account.id, c.id, c.captured_at, c.likes, c.comments, c.shares, c.saves, c.reach, c.views, store_posts.source from unnest(captures) c
  on conflict do nothing;
  get diagnostics n_captures = row_count;
  if n_captures < coalesce(cardinality(captures), 0) then
    select min(c.place) into wrong
    from unnest(captures) c join analytics.post_analytics p on p.workspace_id = account.workspace_id and p.social_account_id = account.id and p.platform_post_id = c.id and p.captured_at = c.captured_at
    where (p.likes_count, p.comments_count, p.shares_count, p.saves_count, p.reach, p.views) is distinct from (c.likes, c.comments, c.shares, c.saves, c.reach, c.views);
    if wrong is not null then
      perform analytics_private.raise_error('CONFLICT', format('entry %s: other counts of this post were captured at that moment', wrong), 'counts that the platform restated have a captured_at of their own',
        jsonb_build_object('positions', array[wrong]));
    end if;
  end if;
  if n_captures > 0 then
    perform analytics_private.write_audit('posts.recorded', 'social_account', account.id, jsonb_build_object('posts', given, 'new', n_new, 'recorded', n_captures,
      'source', store_posts.source), account.workspace_id);
  end if;
  return jsonb_build_object('account_id', account.id, 'posts', given, 'new', n_new, 'recorded', n_captures, 'repeated', coalesce(cardinality(captures), 0) - n_captures);
end
$$;
comment on function analytics_private.store_posts(analytics.social_accounts, text, timestamptz, text) is
  'stores posts of an account whose row the caller holds; errors: VALIDATION_ERROR, CONFLICT';

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

-- Takes people who were removed on request out of the posts of accounts on a platform.
create or replace function analytics_private.erase_from_posts(platform text, names text[]) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  n bigint;
begin
  update analytics.top_content t set caption = analytics_private.redact_people(t.caption, names), extra_data = analytics_private.redact_people(t.extra_data::text, names)::jsonb,
    mentions = array(select x from unnest(t.mentions) with ordinality as u (x, o) where x <> all (names) order by o),
    hashtags = array(select x from unnest(t.hashtags) with ordinality as u (x, o) where x <> all (names) order by o)
  from analytics.social_accounts a
  where a.workspace_id = t.workspace_id and a.id = t.social_account_id and a.platform = erase_from_posts.platform
    and (t.mentions && names or t.hashtags && names or analytics_private.names_people(t.caption, names) or analytics_private.names_people(t.extra_data::text, names));
  get diagnostics n = row_count;
  return n;
end
$$;
comment on function analytics_private.erase_from_posts(text, text[]) is 'the posts of our accounts without people who were removed on request; returns how many named them';

create or replace function analytics.record_posts(account_id uuid, posts text, captured_at timestamptz default clock_timestamp(), source text default 'manual') returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.record_posts(record_posts.account_id, record_posts.posts, record_posts.captured_at, record_posts.source);
end
$$;
comment on function analytics.record_posts(uuid, text, timestamptz, text) is
$$stores an account's posts and a capture of their counts
posts: a JSON array of {id, posted_at, url, caption, media_type, hashtags, likes, comments, shares, saves, reach, views, captured_at, extra_data}; the names of Meta's API (permalink, timestamp, like_count, saved, media_product_type) are understood too. id and posted_at are needed. media_type: photo, video, carousel, reel, story, text or link. A count that is missing, null or -1 (hidden) is unknown. hashtags: default those of the caption. A post may be in the list more than once, captured at several moments. top_content shows the newest capture of each post, post_analytics all of them. At most a million posts and 128 MiB.
Returns {account_id, posts, new, recorded (captures), repeated (captures of a post and moment that are there already)}. Needs the role editor.
Errors: VALIDATION_ERROR (details positions; nothing is stored then), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces), CONFLICT (account disconnected; other counts for the same post and moment).
Example: select analytics.record_posts('0195c3a0-0000-7000-8000-0000000000c0', '[{"id": "17", "posted_at": "2026-05-03T10:00:00Z", "likes": 40, "comments": 5, "shares": 4, "saves": 1, "reach": 1000}]') ->> 'new' = '1'$$;

-- A distribution in S4's form, largest first. Null when the platform had no answer; refused when it cannot be read.
create or replace function analytics_private.insight_list(key_name text, field text, distribution jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  merged jsonb;
  measure text;
begin
  if coalesce(insight_list.distribution, 'null') = 'null' then
    return null;
  end if;
  select analytics.audience_to_jsonb(analytics.audience_merge(insight_list.distribution)) into merged;
  if merged -> 'unreadable' <> '{}' then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('%s is not a distribution that can be read', insight_list.field),
      (select string_agg(k, '; ') from jsonb_object_keys(merged -> 'unreadable') k), jsonb_build_object('field', insight_list.field));
  elsif merged ->> 'documents' = '0' then
    return null;
  end if;
  measure := case when merged ->> 'measure' = 'activity' then 'activity' when merged -> 'kinds' ? 'counts' then 'count' else 'share' end;
  return (
    select jsonb_agg(jsonb_build_object(insight_list.key_name, case insight_list.key_name
        when 'gender' then case t.key when 'F' then 'female' when 'M' then 'male' when 'U' then 'unknown' else t.key end
        else t.key end, measure, case measure when 'count' then to_jsonb(t.count) else to_jsonb(t.share) end) order by t.place)
    from analytics.audience_top(merged::analytics.audience, null) t);
end
$$;

create or replace function analytics_private.record_audience(
  account_id uuid, insights text, audience text, snapshot_date date, base bigint, captured_at timestamptz, source text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account analytics.social_accounts;
  given jsonb;
  row analytics.audience_insights;
  unknown text[];
begin
  perform analytics_private.require_user();
  account := analytics_private.account_to_record(record_audience.account_id, record_audience.captured_at, record_audience.source);
  if octet_length(record_audience.insights) <= 1048576 then
    begin
      given := record_audience.insights::jsonb;
    exception when data_exception or program_limit_exceeded then
      given := null;
    end;
  end if;
  if given is null or jsonb_typeof(given) <> 'object' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'insights cannot be read as a JSON object', 'give an object of at most 1 MiB with age_ranges, genders, countries, cities, active_hours, active_days',
      '{"field": "insights"}');
  elsif record_audience.audience is null or record_audience.audience not in ('followers', 'engaged', 'reached') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such audience', 'followers, engaged or reached', '{"field": "audience"}');
  elsif record_audience.base not between 0 and 1000000000000000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'base is not valid', 'give the number of people of the audience, or null', '{"field": "base"}');
  elsif record_audience.snapshot_date not between '2000-01-01' and record_audience.captured_at + interval '1 day' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'snapshot_date is not valid', 'a day since 2000 that is not after captured_at', '{"field": "snapshot_date"}');
  end if;
  unknown := array(select k from jsonb_object_keys(given) k where k not in ('age_ranges', 'genders', 'countries', 'cities', 'active_hours', 'active_days') order by k);
  if unknown <> '{}' then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('%s is no part of insights', unknown[1]), 'age_ranges, genders, countries, cities, active_hours, active_days', '{"field": "insights"}');
  end if;
  row.workspace_id := account.workspace_id;
  row.social_account_id := account.id;
  row.audience := record_audience.audience;
  row.captured_at := record_audience.captured_at;
  row.snapshot_date := coalesce(record_audience.snapshot_date, (record_audience.captured_at at time zone 'UTC')::date);
  row.base := record_audience.base;
  row.age_ranges := analytics_private.insight_list('range', 'age_ranges', given -> 'age_ranges');
  row.genders := analytics_private.insight_list('gender', 'genders', given -> 'genders');
  row.countries := analytics_private.insight_list('country', 'countries', given -> 'countries');
  row.cities := analytics_private.insight_list('city', 'cities', given -> 'cities');
  row.active_hours := analytics_private.insight_list('hour', 'active_hours', given -> 'active_hours');
  row.active_days := analytics_private.insight_list('day', 'active_days', given -> 'active_days');
  row.source := record_audience.source;
  return analytics_private.store_audience(account, row);
end
$$;

create or replace function analytics.record_audience(
  account_id uuid, insights text, audience text default 'followers', snapshot_date date default null, base bigint default null, captured_at timestamptz default clock_timestamp(),
  source text default 'manual'
) returns jsonb language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.record_audience(record_audience.account_id, record_audience.insights, record_audience.audience, record_audience.snapshot_date, record_audience.base,
    record_audience.captured_at, record_audience.source);
end
$$;
comment on function analytics.record_audience(uuid, text, text, date, bigint, timestamptz, text) is
$$stores who an account's audience is, as captured at a moment
insights: a JSON object of at most 1 MiB with any of age_ranges, genders, countries, cities, active_hours, active_days, each in a form that audience_merge() reads: [{"country": "US", "count": 12}], {"US": 12}, {"US": 0.4}, Meta's breakdowns, 'Nigeria: 60.1%, India: 4.2%'. Null, [] and an empty answer: the platform had none, which is not zero. audience: followers, engaged or reached. snapshot_date: the day it is about; default that of captured_at. base: how many people the audience has, where it is known.
Returns {account_id, recorded (false: that capture is there already), snapshot_date}. Needs the role editor. One audit record a capture.
Errors: VALIDATION_ERROR (details field), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces), CONFLICT (account disconnected; other insights of that moment).
Example: select analytics.record_audience('0195c3a0-0000-7000-8000-0000000000c0', '{"genders": {"F": 30, "M": 10}}', base => 40) ->> 'recorded' = 'true'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Reading

create or replace view analytics.account_snapshots with (security_invoker = true) as
select c.workspace_id, c.social_account_id, c.measured_at as "timestamp",
  max(c.value) filter (where c.metric = 'followers') as followers_count, max(c.value) filter (where c.metric = 'following') as following_count,
  max(c.value) filter (where c.metric = 'posts') as posts_count, max(c.value) filter (where c.metric = 'reach') as reach,
  max(c.value) filter (where c.metric = 'impressions') as impressions, max(c.value) filter (where c.metric = 'likes') + max(c.value) filter (where c.metric = 'comments') + max(c.value) filter (where c.metric = 'shares') as engagement_count,
  max(c.value) filter (where c.metric = 'profile_views') as profile_views,
  coalesce(jsonb_object_agg(c.metric, c.value) filter (where c.metric not in ('followers', 'following', 'posts', 'reach', 'impressions', 'profile_views')), '{}') as extra_data,
  max(c.captured_at) as captured_at
from (
  select distinct on (m.workspace_id, m.social_account_id, m.measured_at, m.metric) m.workspace_id, m.social_account_id, m.measured_at, m.metric, m.value, m.captured_at
  from analytics.metrics_snapshots m
  order by m.workspace_id, m.social_account_id, m.measured_at, m.metric, m.captured_at desc
) c
group by c.workspace_id, c.social_account_id, c.measured_at;
comment on view analytics.account_snapshots is 'metrics_snapshots with a column for each of the usual metrics: the newest capture of each, one row an account and moment';
comment on column analytics.account_snapshots.engagement_count is 'likes + comments + shares of the day; null unless all three are known. Saves do not count here, other than in engagement_rate';
comment on column analytics.account_snapshots.extra_data is 'all other metrics by name';

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
    -- What other platforms have is unknown here, and no mistake.
    select r.* into known from analytics.metric_registry r where r.scope = known_metric.scope and r.metric = known_metric.metric order by r.platform limit 1;
    if found then
      known.platform := known_metric.platform;
      known.kind := 'none';
      known.is_summable := false;
      known.description := format('not offered by %s', known_metric.platform);
      return known;
    end if;
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
  kinds analytics.metric_registry[] := array(select analytics_private.known_metric(account.platform, n) from (select distinct unnest(metrics.metrics)) as u (n));
begin
  perform analytics_private.check_period(first, last);
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
    from unnest(kinds) r
    where not exists (
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

-- The whole days of a zone within a period; none is no array.
create or replace function analytics_private.whole_days(since timestamptz, until timestamptz, zone text, out starts timestamptz[], out ends timestamptz[])
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  line constant record := analytics_private.days_of(whole_days.since, whole_days.until, whole_days.zone);
begin
  select array_agg(d.starts_at order by d.starts_at), array_agg(d.ends_at order by d.starts_at) into whole_days.starts, whole_days.ends
  from unnest(line.starts, line.ends) as d (starts_at, ends_at) where d.starts_at >= whole_days.since and d.ends_at <= whole_days.until;
end
$$;

-- Where a flow's days begin and end. A flow belongs to a date of its platform, told by the moment that the day begins there: midnight
-- UTC, or of California, or of the account. So a date has what begins from 13 hours before its midnight UTC to 11 hours after it: every
-- zone from UTC-10 to UTC+13 is right, whatever zone a report is in.
create or replace function analytics_private.flow_days(days timestamptz[], zone text, out starts timestamptz[], out ends timestamptz[])
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  select array_agg(f.began order by f.o), array_agg(f.began + interval '24 hours' order by f.o) into flow_days.starts, flow_days.ends
  from (select (d at time zone flow_days.zone)::date::timestamp at time zone 'UTC' - interval '13 hours', o from unnest(flow_days.days) with ordinality as u (d, o)) f (began, o);
end
$$;

-- The start of the period before, of the same length by the clock on the wall.
create or replace function analytics_private.start_before(since timestamptz, until timestamptz, zone text) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return ((start_before.since at time zone start_before.zone)
    - ((start_before.until at time zone start_before.zone) - (start_before.since at time zone start_before.zone))) at time zone start_before.zone;
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
    select s.place, m.value, coalesce(m.measured_at, u.measured_at), coalesce(m.captured_at, u.captured_at), case when m.value is null then coalesce(u.reason, 'asked for and not answered') end
    from unnest(step_values.starts, step_values.ends) with ordinality as s (starts_at, ends_at, place)
      left join lateral (
        select c.value, c.measured_at, c.captured_at from analytics.metrics_snapshots c
        where c.workspace_id = account.workspace_id and c.social_account_id = account.id and c.metric = step_values.metric
          and c.measured_at >= s.starts_at and c.measured_at < s.ends_at and c.captured_at <= step_values.known and c.value is not null
        order by c.measured_at desc, c.captured_at desc limit 1) m on true
      -- Asked for in vain, and nothing else.
      left join lateral (
        select c.measured_at, c.captured_at, c.reason::text as reason from analytics.metrics_snapshots c
        where m.value is null and c.workspace_id = account.workspace_id and c.social_account_id = account.id and c.metric = step_values.metric
          and c.measured_at >= s.starts_at and c.measured_at < s.ends_at and c.captured_at <= step_values.known
        order by c.measured_at desc, c.captured_at desc limit 1) u on true
    where m.value is not null or u.measured_at is not null;
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
  line_starts timestamptz[];
  line_ends timestamptz[];
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
    line_starts := starts;
    line_ends := ends;
  else
    -- Whole buckets, so that the last week is not four days that look like a week.
    select d.starts, d.ends into starts, ends from analytics_private.days_of(date_trunc(metric_series.bucket, first, zone),
      (date_trunc(metric_series.bucket, (last - interval '1 microsecond') at time zone zone) + ('1 ' || metric_series.bucket)::interval) at time zone zone, zone) d;
    if kind.kind = 'flow' then
      select f.starts, f.ends into line_starts, line_ends from analytics_private.flow_days(starts, zone) f;
    else
      line_starts := starts;
      line_ends := ends;
    end if;
  end if;
  return query
    with steps as (
      select s.starts_at, date_trunc(metric_series.bucket, s.starts_at, zone) as bucket_at, v.value, v.measured_at, v.captured_at, v.reason
      from unnest(starts) with ordinality as s (starts_at, place)
        left join analytics_private.step_values(account, metric_series.metric, line_starts, line_ends, known) v on v.place = s.place
    ), buckets as (
      -- A level is that of the bucket's end. Days of a flow are added up when all are known and nobody counts twice.
      select s.bucket_at, count(*) as steps, count(s.value) as steps_known, max(s.captured_at) as captured_at, max(s.reason) as reason,
        case when metric_series.bucket in ('hour', 'day') then max(s.value)
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
        when metric_series.bucket in ('week', 'month') and f.steps_known > 0 and not kind.is_summable then 'people of several days cannot be added up'
        when f.steps > 1 and f.steps_known > 0 then format('%s of %s days are known', f.steps_known, f.steps)
        else coalesce(f.reason, analytics_private.unknown_reason(kind, f.bucket_at, f.bucket_at + step)) end end
    from filled f left join filled p on metric_series.fill = 'previous' and f.value is null and p.stretch = f.stretch and p.value is not null
    order by f.bucket_at;
end
$$;
comment on function analytics.metric_series(uuid, text, timestamptz, timestamptz, text, text, timestamptz, text) is
$$a metric of an account as a time line of equal steps; a step without a capture is a gap
bucket: hour, day, week (from Monday) or month, of the time zone given. A level (followers) is the last known one of the bucket; a flow (views) of a day is its last capture, of a week or month the sum of its days, if all are known and it may be added up: reach never is. as_known_at: as in metrics(). fill: none, or previous: gaps repeat the value before and are marked. At most 10 000 hours or days.
Buckets are whole: the first and the last may reach beyond the period, and a week of which days are still to come is not known yet. The days of a flow are the platform's dates, whatever the zone.
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

-- Sum of a flow's whole days in a period, and how many of them are known.
create or replace function analytics_private.flow_sum(
  account analytics.social_accounts, metric text, since timestamptz, until timestamptz, zone text, known timestamptz,
  out total bigint, out days bigint, out days_known bigint, out captured_at timestamptz
) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  whole constant record := analytics_private.whole_days(flow_sum.since, flow_sum.until, flow_sum.zone);
  line constant record := analytics_private.flow_days(whole.starts, flow_sum.zone);
begin
  select sum(v.value)::bigint, coalesce(cardinality(whole.starts), 0), count(v.value), max(v.captured_at)
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
  last constant timestamptz := coalesce(growth.until, date_trunc('day', now(), zone));
  first constant timestamptz := coalesce(growth.since, (last at time zone zone - interval '30 days') at time zone zone);
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
  previous_start := analytics_private.start_before(first, last, zone);
  started := analytics_private.level_at(account, growth.metric, first, known);
  before := analytics_private.level_at(account, growth.metric, previous_start, known);
  line := analytics_private.days_of(first, last, zone);
  days := cardinality(line.starts);
  line.starts[1] := greatest(line.starts[1], first);
  -- What was captured at the very end is the end, as what was captured at the very start is the start: periods that follow each other
  -- leave nothing out and count nothing twice.
  line.ends[days] := least(line.ends[days], last) + interval '1 microsecond';
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
    -- By days, so only of a period of whole days.
    if date_trunc('day', first, zone) = first and date_trunc('day', last, zone) = last then
      flow := analytics_private.flow_sum(account, 'follows', first, last, zone, known);
      gained := case when flow.days_known = flow.days then flow.total end;
      flow := analytics_private.flow_sum(account, 'unfollows', first, last, zone, known);
      lost := case when flow.days_known = flow.days then flow.total end;
    end if;
    if gained is null or lost is null then
      -- From lists: those after a complete one at the start, up to a complete one at the end.
      select bool_and(s.is_complete) filter (where s.captured_at = e.first) as first_is_complete, bool_and(s.is_complete) filter (where s.captured_at = e.last) as last_is_complete,
        sum(s.gained_count) filter (where s.captured_at > e.first)::bigint as gained, sum(s.lost_count + s.gone_count) filter (where s.captured_at > e.first)::bigint as lost
      into lists
      from (
        select (select max(l.captured_at) from analytics.follower_snapshots l where l.workspace_id = account.workspace_id and l.social_account_id = account.id and l.relation = 'followers' and l.in_chain
            and l.is_complete and l.captured_at > first - interval '36 hours' and l.captured_at <= least(first, known)) as first,
          (select max(l.captured_at) from analytics.follower_snapshots l where l.workspace_id = account.workspace_id and l.social_account_id = account.id and l.relation = 'followers' and l.in_chain
            and l.is_complete and l.captured_at > last - interval '36 hours' and l.captured_at <= least(last, known)) as last) e
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
since, until: default the last 30 whole days of the zone. as_known_at: as in metrics().
Returns one row: start_value (the last capture up to 36 hours before since, else the first after it) and end_value (the last up to until) with the moments they held; net = end - start; net_rate in percent of the start; gained and lost (from the platform's daily follows and unfollows when the period is of whole days and every one is known, else from complete follower lists at both ends; else null) with gross_rate and churn_rate in percent of the start; weekly_rate: percent a week, compound; previous_net: the net of the equal period before, change = net - previous_net; days, days_with_captures; reason: in words what is missing. Nothing is carried over gaps, nothing unknown is 0.
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
  last constant timestamptz := coalesce(metric_totals.until, date_trunc('day', now(), zone));
  first constant timestamptz := coalesce(metric_totals.since, (last at time zone zone - interval '30 days') at time zone zone);
  whole constant record := analytics_private.whole_days(first, last, zone);
  first_day constant timestamptz := whole.starts[1];
  last_day constant timestamptz := whole.ends[cardinality(whole.ends)];
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
    metric := name;
    unit := kind.unit;
    days := this.days;
    days_known := this.days_known;
    last_captured_at := this.captured_at;
    value := case when kind.is_summable and this.days_known = this.days then this.total end;
    mean_per_day := this.total / nullif(this.days_known, 0)::double precision;
    previous_value := null;
    if first_day is not null then
      before := analytics_private.flow_sum(account, name, analytics_private.start_before(first_day, last_day, zone), first_day, zone, known);
      previous_value := case when kind.is_summable and before.days_known = before.days then before.total end;
    end if;
    change_rate := (value - previous_value) * 100.0::double precision / nullif(previous_value, 0);
    reason := case when value is null then case
      when days = 0 then 'the period has no whole day'
      when days_known = 0 then analytics_private.unknown_reason(kind, first, last)
      when not kind.is_summable then 'people of several days cannot be added up'
      else format('%s of %s days are known', days_known, days) end end;
    return next;
  end loop;
end
$$;
comment on function analytics.metric_totals(uuid, timestamptz, timestamptz, text[], text, timestamptz) is
$$what is counted by day (views, likes, link clicks), added up over a period
since, until: the whole days of the zone within them; default the last 30. metrics: default all flows of the platform. as_known_at: as in metrics().
Returns a row a metric: value (the sum, if every day is known and it may be added up; people reached never may), mean_per_day over the known days, days, days_known, previous_value of the equal period before, change_rate in percent of it (as many days before these), unit, last_captured_at, and the reason when value is null.
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
  zone constant text := analytics_private.check_timezone(anomalies.timezone);
  -- A day that is not over is not judged.
  last constant timestamptz := least(anomalies.until, date_trunc('day', now(), zone));
  first constant timestamptz := coalesce(anomalies.since, last - interval '30 days');
  judged record;
begin
  perform analytics_private.check_period(first, coalesce(anomalies.until, now()));
  if anomalies.threshold is null or anomalies.threshold not between 1 and 1000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the threshold is not valid', 'from 1 to 1000 robust standard deviations; 3.5 is usual', '{"field": "threshold"}');
  elsif first >= last then
    return;
  end if;
  for judged in
    with days as (
      select s.bucket_start, s.value, row_number() over (order by s.bucket_start) as place,
        -- Of a level the change is judged, where both days are known.
        case when kind.kind = 'level' then s.value - lag(s.value) over (order by s.bucket_start) else s.value end as step
      from analytics.metric_series(anomalies.account_id, anomalies.metric, least(first, last) - interval '57 days', last, 'day', zone) s
    ), line as (
      select array_agg(d.step::double precision order by d.place) as steps, coalesce(min(d.place) filter (where d.bucket_start >= first and d.bucket_start < last), count(*) + 1)::integer as first_place,
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
        case when kind.kind = 'level' then case when judged.step > 0 then '+' else '' end || judged.step || ' in a day' else judged.step::text end, to_char(judged.bucket_start at time zone zone, 'YYYY-MM-DD'),
        judged.known, round(judged.expected::numeric, 1),
        case when judged.score in ('Infinity', '-Infinity') then 'it had never been anything else' else format('%s robust standard deviations away', round(abs(judged.score)::numeric, 1)) end);
      return next;
    end if;
  end loop;
end
$$;
comment on function analytics.anomalies(uuid, text, timestamptz, timestamptz, double precision, text) is
$$days on which a metric of an account stood out from the days before it
metric: a flow is judged by its value, a level (followers) by its change from the day before. A day is judged by the eight weeks before it, never by what came later: distance from the median of its weekday (of all days while a weekday has fewer than four), in robust standard deviations (modified z-score of Iglewicz and Hoaglin: 0.6745 * distance / MAD). threshold: from how many on a day is told; default 3.5. Gaps are neither judged nor filled, and a day that is not over neither.
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
  number text, account_id uuid default null, since timestamptz default null, until timestamptz default null, metric text default null, username text default null, timezone text default 'UTC'
) returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  known analytics.number_formulas;
  account analytics.social_accounts;
  profile uuid;
  zone constant text := analytics_private.check_timezone(explain.timezone);
  last constant timestamptz := coalesce(explain.until, date_trunc('day', now(), zone));
  first constant timestamptz := coalesce(explain.since, (last at time zone zone - interval '30 days') at time zone zone);
  field constant text := split_part(explain.number, '.', 2);
  name constant text := coalesce(explain.metric, case when explain.number like 'metric_totals.%' then 'views' else 'followers' end);
  computed jsonb;
  names text[] := array[name];
  evidence_from timestamptz := first;
  evidence_until timestamptz := last;
  whole record;
begin
  perform analytics_private.require_user();
  perform analytics_private.check_period(first, last);
  select f.* into known from analytics.number_formulas f where f.number = explain.number;
  if not found then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such number', 'analytics.number_formulas lists them', '{"field": "number"}');
  end if;
  if known.tables && '{profile_posts,profile_history,comment_sentiment,related_profiles,mentions}' then
    profile := analytics_private.open_profile(explain.username);
  elsif known.tables <> '{}' or explain.account_id is not null then
    account := analytics_private.audience_account(explain.account_id);
  end if;
  case split_part(explain.number, '.', 1)
    when 'growth' then
      select to_jsonb(g) into computed from analytics.growth(explain.account_id, first, last, name, zone) g;
      names := names || case when field in ('gained', 'gross_rate', 'lost', 'churn_rate') then array['follows', 'unfollows'] else '{}' end;
      evidence_from := case when field in ('previous_net', 'change') then analytics_private.start_before(first, last, zone) else first end - interval '36 hours';
      -- With the capture at the very end.
      evidence_until := last + interval '1 microsecond';
    when 'metric_totals' then
      select to_jsonb(t) into computed from analytics.metric_totals(explain.account_id, first, last, array[name], zone) t;
      whole := analytics_private.whole_days(case when field in ('previous_value', 'change_rate') then analytics_private.start_before(first, last, zone) else first end, last, zone);
      whole := analytics_private.flow_days(whole.starts, zone);
      evidence_from := coalesce(whole.starts[1], first);
      evidence_until := coalesce(whole.ends[cardinality(whole.ends)], last);
    when 'metric_series' then
      -- A flow's day may begin before it does in the zone.
      evidence_from := first - interval '1 day';
    when 'anomalies' then
      evidence_from := first - interval '58 days';
    when 'posting_cadence' then
      select to_jsonb(c) into computed from analytics.posting_cadence(explain.account_id, first, last, zone) c;
    when 'followers_at' then
      select to_jsonb(f) - 'followers' into computed from analytics.followers_at(explain.account_id, last) f;
    when 'creator_metadata' then
      select to_jsonb(m) - 'id' - 'profile_id' into computed from analytics.creator_metadata m where m.profile_id = profile;
      -- Derived from what there is, not from a period.
      evidence_from := '-infinity';
      evidence_until := 'infinity';
    else null;
  end case;
  return jsonb_build_object('number', known.number, 'unit', known.unit, 'formula', known.formula, 'denominator', known.denominator, 'source', known.source, 'note', known.note,
    'since', first, 'until', last, 'value', computed -> field, 'reason', coalesce(computed -> 'reasons' -> field, computed -> 'reason'), 'inputs', computed - field - 'reason' - 'reasons',
    'rows', (select coalesce(jsonb_object_agg(t.name, e.found) filter (where e.found is not null), '{}') from unnest(known.tables) as t (name)
      cross join lateral (select analytics_private.evidence(t.name, account, profile, names, evidence_from, evidence_until) as found) e));
end
$$;
comment on function analytics.explain(text, uuid, timestamptz, timestamptz, text, text, text) is
$$where a number comes from: its formula, denominator, source, and the stored rows with their capture times
number: as in number_formulas, the function and the field: growth.net_rate. account_id, or username of an unlocked profile for numbers of creators; neither for what aggregates say. since, until: the period the number was asked for; default the last 30 whole days of the zone. metric: which one, where the function has a metric; default followers, of totals views.
Returns {number, unit, formula, denominator, source, note, since, until, value (where the function has one answer), reason, inputs, rows: {table: {rows, first_captured_at, last_captured_at, shown (the newest hundred)}}}. number_formulas lists every number.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces, profile not unlocked).
Example: select analytics.explain('growth.net_rate', '0195c3a0-0000-7000-8000-0000000000c0') ->> 'denominator' = 'start_value'$$;
