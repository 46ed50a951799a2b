-- What can be said about a creator from what was captured of him: rhythm, engagement by type of post, growth, what a post would
-- cost as advertising, how sound the audience looks, who stands near. All are estimates from public data or say what they rest on.

-- ---------------------------------------------------------------------------------------------------------------------
-- Rates of media value: data with source and date, not constants in code

create table if not exists analytics.media_value_rates (
  id uuid not null,
  platform varchar(32) not null,
  format varchar(16) not null,
  country varchar(2),
  cpm numeric not null,
  currency varchar(3) not null,
  views_per_interaction numeric,
  views_per_follower numeric,
  minimum_value numeric,
  maximum_value numeric,
  band numeric not null,
  source text not null,
  note text,
  valid_from date not null,
  constraint media_value_rates_pkey primary key (id),
  constraint media_value_rates_format_known check (format in ('video', 'still', 'story')),
  constraint media_value_rates_country_form check (country ~ '^[A-Z]{2}$'),
  constraint media_value_rates_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint media_value_rates_cpm check (cpm between 0 and 10000),
  constraint media_value_rates_multipliers check (views_per_interaction between 0 and 1000 and views_per_follower between 0 and 1),
  constraint media_value_rates_bounds check (minimum_value >= 0 and maximum_value > 0 and maximum_value <= 100000000 and minimum_value <= maximum_value),
  constraint media_value_rates_band check (band between 0 and 0.9)
);
alter table analytics.media_value_rates alter column id set default analytics.uuidv7();
create unique index if not exists media_value_rates_once on analytics.media_value_rates (platform, format, coalesce(country, '--'), valid_from);
alter table analytics.media_value_rates enable row level security;
comment on table analytics.media_value_rates is 'what a thousand views cost as advertising, by platform, format and country; of several rows the newest that is valid counts';
comment on column analytics.media_value_rates.country is 'ISO 3166-1; null: everywhere else';
comment on column analytics.media_value_rates.cpm is 'price of a thousand views, in currency';
comment on column analytics.media_value_rates.views_per_interaction is 'views that one like, comment or share stands for where views are unknown; null: nothing stands for them';
comment on column analytics.media_value_rates.views_per_follower is 'views that one follower stands for where nothing else is known; null: nothing';
comment on column analytics.media_value_rates.minimum_value is 'a post is worth at least this; null: no floor';
comment on column analytics.media_value_rates.band is 'low and high are the value less and plus this share of it';

drop policy if exists "everyone who is signed in reads the rates" on analytics.media_value_rates;
create policy "everyone who is signed in reads the rates" on analytics.media_value_rates for select to authenticated
  using ((select analytics_private.user_id()) is not null);

-- MightyScout also lifts every post to 25 USD, so that none is worth nothing. That invents value: no floor here.
insert into analytics.media_value_rates (platform, format, cpm, currency, views_per_interaction, views_per_follower, maximum_value, band, source, note, valid_from)
select r.platform, r.format, r.cpm, 'USD', case when r.format <> 'story' then 8.7 end, case when r.format = 'story' then 0.03 end, 10000000, 0.15,
  'MightyScout, https://mightyscout.com/blog/earned-media-value-rebuilt; band: Keepface, https://help.keepface.com/shared/concepts/emv-detail',
  case when r.format = 'video' then 'that interactions stand for unknown views of a video is ours' end, date '2026-06-24'
from (values ('instagram', 'video', 10), ('instagram', 'still', 10), ('instagram', 'story', 10), ('facebook', 'video', 10), ('facebook', 'still', 10), ('facebook', 'story', 10),
  ('tiktok', 'video', 5), ('youtube', 'video', 20)) as r (platform, format, cpm)
on conflict do nothing;

-- The formula, once. Counts of a post; null counts are unknown. No bonus for credibility, no price for a comment.
create or replace function analytics_private.media_value(
  rate analytics.media_value_rates, views bigint, interactions bigint, followers bigint, out value numeric, out basis text
) language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  if rate.format = 'video' and views >= 0 then
    basis := 'views';
    value := views * rate.cpm / 1000;
  elsif rate.format <> 'story' and interactions >= 0 and rate.views_per_interaction is not null then
    basis := 'interactions';
    value := interactions * rate.views_per_interaction * rate.cpm / 1000;
  elsif rate.format = 'story' and followers >= 0 and rate.views_per_follower is not null then
    basis := 'followers';
    value := followers * rate.views_per_follower * rate.cpm / 1000;
  else
    return;
  end if;
  value := least(greatest(value, coalesce(rate.minimum_value, 0)), coalesce(rate.maximum_value, 100000000));
end
$$;
comment on function analytics_private.media_value(analytics.media_value_rates, bigint, bigint, bigint) is 'what one post would cost as advertising, and from which count; null when none is known';

create or replace function analytics.estimated_media_value(
  platform text, format text, views bigint default null, interactions bigint default null, followers bigint default null, country text default null
) returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  rate analytics.media_value_rates;
  v record;
begin
  perform analytics_private.require_user();
  if estimated_media_value.format is null or estimated_media_value.format not in ('video', 'still', 'story') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'format is video, still or story', null, '{"field": "format"}');
  elsif least(estimated_media_value.views, estimated_media_value.interactions, estimated_media_value.followers) < 0 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'counts are not negative', 'leave out what is unknown');
  end if;
  select r.* into rate from analytics.media_value_rates r
  where r.platform = lower(estimated_media_value.platform) and r.format = estimated_media_value.format
    and (r.country is null or r.country = upper(estimated_media_value.country)) and r.valid_from <= (statement_timestamp() at time zone 'UTC')::date
  order by r.country nulls last, r.valid_from desc limit 1;
  if rate.id is null then
    return jsonb_build_object('kind', 'estimate', 'low', null, 'mid', null, 'high', null, 'reason', 'no rate is known for this platform and format');
  end if;
  v := analytics_private.media_value(rate, views, interactions, followers);
  return jsonb_build_object('kind', 'estimate', 'low', round(v.value * (1 - rate.band), 2), 'mid', round(v.value, 2), 'high', round(v.value * (1 + rate.band), 2),
    'currency', rate.currency, 'basis', v.basis, 'cpm', rate.cpm, 'country', rate.country, 'source', rate.source, 'valid_from', rate.valid_from,
    'reason', case when v.value is null then 'no count that this format is valued by is known' end);
end
$$;
comment on function analytics.estimated_media_value(text, text, bigint, bigint, bigint, text) is
$$what a post would have cost as advertising: an estimate from published prices, not revenue
platform: instagram, facebook, tiktok, youtube. format: video (views x CPM / 1000; unknown views: as a still), still (interactions x 8.7 x CPM / 1000), story (followers x 3 % x CPM / 1000). views, interactions (likes + comments + shares), followers: counts, null unknown. country: ISO code; rates for it go before the general ones.
Returns {kind: "estimate", low, mid, high, currency, basis: views|interactions|followers, cpm, country, source, valid_from, reason}; low and high are 15 % off unless the rate says otherwise; null with the reason when there is no rate or no count. Errors: VALIDATION_ERROR.
Example: select analytics.estimated_media_value('instagram', 'video', views => 250000) ->> 'mid'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Weights of scores: published, and changed by changing rows

create table if not exists analytics.score_weights (
  score varchar(32) not null,
  part varchar(32) not null,
  weight double precision not null,
  zero_at double precision not null,
  full_at double precision not null,
  minimum_sample integer not null,
  unit text not null,
  description text not null,
  source text not null,
  valid_from date not null,
  constraint score_weights_pkey primary key (score, part),
  constraint score_weights_score_known check (score in ('audience_quality', 'related_profiles')),
  constraint score_weights_weight check (weight between 0 and 100),
  constraint score_weights_line check (zero_at <> full_at and zero_at between -1e9 and 1e9 and full_at between -1e9 and 1e9),
  constraint score_weights_sample check (minimum_sample >= 0)
);
alter table analytics.score_weights enable row level security;
comment on table analytics.score_weights is 'what the scores of creators are made of: a part counts 0 at zero_at, 1 at full_at, in between by a straight line, times its weight';
comment on column analytics.score_weights.minimum_sample is 'with fewer of what it is measured on, a part is unknown';

drop policy if exists "everyone who is signed in reads the weights" on analytics.score_weights;
create policy "everyone who is signed in reads the weights" on analytics.score_weights for select to authenticated
  using ((select analytics_private.user_id()) is not null);

insert into analytics.score_weights (score, part, weight, zero_at, full_at, minimum_sample, unit, description, source, valid_from) values
  ('audience_quality', 'engagement_for_size', 0.35, 0, 0.5, 30, 'quantile', 'where the engagement rate by followers stands among known accounts of similar size; sample: those accounts', 'ours', '2026-11-21'),
  ('audience_quality', 'comments_per_like', 0.2, 0, 0.005, 6, 'ratio', 'comments / likes, sums over posts that show both; bought likes bring no comments; sample: posts', 'ours', '2026-11-21'),
  ('audience_quality', 'following_per_follower', 0.15, 2, 0.5, 1, 'ratio', 'accounts followed / followers; high where followers were won by following; sample: the account', 'ours', '2026-11-21'),
  ('audience_quality', 'growth_spike', 0.2, 10, 1, 3, 'percent a day', 'largest rise of followers between two captures of 90 days, a day; sample: pairs of captures', 'ours', '2026-11-21'),
  ('audience_quality', 'likes_variation', 0.1, 0, 0.3, 6, 'ratio', 'standard deviation / mean of likes; bought likes come in equal portions; sample: posts with visible likes', 'ours', '2026-11-21'),
  ('related_profiles', 'suggested', 0.3, 0, 1, 1, 'share', '(suggestions - rank + 1) / suggestions of Instagram', 'ours', '2026-11-21'),
  ('related_profiles', 'coauthor', 0.2, 0, 3, 0, 'posts', 'posts written together', 'ours', '2026-11-21'),
  ('related_profiles', 'mentioned', 0.15, 0, 5, 0, 'posts', 'posts of this profile that mention or tag it', 'ours', '2026-11-21'),
  ('related_profiles', 'mentions_back', 0.1, 0, 5, 0, 'posts', 'its posts that mention or tag this profile; only where its window is open', 'ours', '2026-11-21'),
  ('related_profiles', 'shared_hashtags', 0.15, 0, 0.3, 1, 'Jaccard', 'hashtags of both / hashtags of either; only where its window is open', 'ours', '2026-11-21'),
  ('related_profiles', 'similar_size', 0.1, 1, 0, 1, 'powers of ten', 'distance of the followers of both: 1 is ten times as many', 'ours', '2026-11-21')
on conflict (score, part) do nothing;

-- Sizes of accounts, and the rates of known accounts of that size. A rate is compared with this table, not with other people's
-- rows: deriving one profile would otherwise read all.
create table if not exists analytics.size_tiers (
  tier smallint not null,
  followers_from bigint not null,
  followers_to bigint,
  profiles bigint,
  rates double precision[],
  computed_at timestamptz,
  constraint size_tiers_pkey primary key (tier)
);
alter table analytics.size_tiers enable row level security;
comment on table analytics.size_tiers is 'tiers of accounts by followers [followers_from, followers_to) and how engagement spreads in them';
comment on column analytics.size_tiers.rates is 'percent by followers: quantiles 5, 10, … 95 % of the accounts of the tier whose rate is known; null below 30 of them';

drop policy if exists "everyone who is signed in reads the tiers" on analytics.size_tiers;
create policy "everyone who is signed in reads the tiers" on analytics.size_tiers for select to authenticated
  using ((select analytics_private.user_id()) is not null);

-- The tiers that HypeAuditor named for its first score, and one below.
insert into analytics.size_tiers (tier, followers_from, followers_to) values
  (0, 0, 1000), (1, 1000, 5000), (2, 5000, 20000), (3, 20000, 100000), (4, 100000, 1000000), (5, 1000000, null)
on conflict (tier) do nothing;

create or replace function analytics_private.refresh_size_tiers() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n bigint;
begin
  with seen as (
    select t.tier, count(p.id) as profiles,
      percentile_cont(array[0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]) within group (order by p.engagement_rate_by_followers) as rates
    from analytics.size_tiers t left join analytics.profiles p
      on p.followers_count >= t.followers_from and (t.followers_to is null or p.followers_count < t.followers_to) and p.engagement_rate_by_followers is not null
    group by t.tier
  )
  update analytics.size_tiers t set profiles = s.profiles, rates = case when s.profiles >= 30 then s.rates end, computed_at = now() from seen s where s.tier = t.tier;
  get diagnostics n = row_count;
  return n;
end
$$;
-- Definer: reads all observed accounts, whosever windows are open. What is told of them is quantiles of 30 or more.
comment on function analytics_private.refresh_size_tiers() is 'how engagement spreads among known accounts of each size; called by maintain() once a day';

-- ---------------------------------------------------------------------------------------------------------------------
-- Deriving

-- Every look-up is by a key; the rest are joins of what was read, which nested loops would do in the square of the profiles.
-- Definer: reads and writes whole tables for whoever keeps the house.
create or replace function analytics_private.derive_creator_metadata(profile_ids uuid[] default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_nestloop = off set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  targets constant uuid[] := coalesce(derive_creator_metadata.profile_ids, array(select p.id from analytics.profiles p));
  begun_at constant timestamptz := clock_timestamp();
  n bigint;
begin
  with chosen as materialized (
    select p.id, p.followers_count, p.following_count, p.engagement_rate_by_followers, p.captured_at from analytics.profiles p
    where p.id = any (targets) and (p.captured_at is not null or p.posts_captured_at is not null)
  ), posts as materialized (
    select c.id as profile_id, x.id, x.posted_at, x.captured_at, x.likes_count, x.comments_count, x.engagement_rate_by_followers, x.hashtags,
      case when x.product_type = 'clips' then 'reel'
        when x.media_type = 'GraphSidecar' or x.is_carousel then 'carousel'
        when x.media_type = 'GraphVideo' or x.is_video then 'video'
        when x.media_type = 'GraphImage' or not x.is_video then 'photo'
        else 'unknown' end as type,
      coalesce(x.video_view_count, x.video_play_count) as views,
      -- Counts are whatever a capture said, up to the largest: one absurd post must not keep the others from being derived.
      case when num_nulls(x.likes_count, x.comments_count) = 0 then least(x.likes_count::numeric + x.comments_count, 9223372036854775807)::bigint end as interactions,
      -- What is pinned stands above the page, however old it is.
      x.is_pinned is not true or x.posted_at >= min(x.posted_at) filter (where x.is_pinned is not true) over (partition by c.id) as in_rhythm
    from chosen c cross join lateral (
      select o.id, o.posted_at, o.captured_at, o.likes_count, o.comments_count, o.engagement_rate_by_followers, o.hashtags, o.product_type, o.media_type, o.is_carousel,
        o.is_video, o.video_view_count, o.video_play_count, o.is_pinned
      from analytics.profile_posts o where o.profile_id = c.id order by o.posted_at desc, o.id desc limit 100) x
  ), followers as materialized (
    -- The followers that a capture's rates were reckoned with.
    select k.profile_id, k.captured_at, coalesce(
      (select h.followers_count from analytics.profile_history h
       where h.profile_id = k.profile_id and h.captured_at <= k.captured_at and h.followers_count is not null order by h.captured_at desc limit 1),
      (select h.followers_count from analytics.profile_history h
       where h.profile_id = k.profile_id and h.captured_at > k.captured_at and h.followers_count is not null order by h.captured_at limit 1)) as followers_count
    from (select distinct p.profile_id, p.captured_at from posts p where p.engagement_rate_by_followers is not null) k
  ), totals as (
    select p.profile_id, count(*)::integer as posts, min(p.posted_at) as first_posted_at, max(p.posted_at) as last_posted_at, max(p.captured_at) as captured_at,
      count(*) filter (where p.interactions is not null) as with_both,
      sum(p.comments_count) filter (where p.interactions is not null)::double precision / nullif(sum(p.likes_count) filter (where p.interactions is not null), 0)::double precision as comments_per_like,
      count(p.likes_count) as with_likes, (stddev_samp(p.likes_count) / nullif(avg(p.likes_count), 0))::double precision as likes_variation
    from posts p group by p.profile_id
  ), rhythm as (
    select g.profile_id, count(g.gap)::integer as gaps, sum(g.gap) / 7 as weeks, percentile_cont(0.5) within group (order by g.gap) as median_gap,
      stddev_samp(g.gap) / nullif(avg(g.gap), 0) as variation
    from (
      select p.profile_id, (extract(epoch from p.posted_at - lag(p.posted_at) over (partition by p.profile_id order by p.posted_at)) / 86400)::double precision as gap
      from posts p where p.in_rhythm is not false) g
    group by g.profile_id
  ), types as (
    select t.profile_id, jsonb_object_agg(t.type, jsonb_build_object('posts', t.posts, 'posts_with_rate', t.with_rate, 'mean_rate', t.mean_rate, 'median_rate', t.median_rate,
      'ratio_of_sums', t.ratio_of_sums)) as by_type
    from (
      select p.profile_id, p.type, count(*) as posts, count(p.engagement_rate_by_followers) as with_rate, avg(p.engagement_rate_by_followers) as mean_rate,
        percentile_cont(0.5) within group (order by p.engagement_rate_by_followers) as median_rate,
        100 * (sum(p.interactions) filter (where f.followers_count > 0))::double precision / nullif(sum(f.followers_count) filter (where p.interactions is not null), 0)::double precision as ratio_of_sums
      from posts p left join followers f on f.profile_id = p.profile_id and f.captured_at = p.captured_at and p.engagement_rate_by_followers is not null
      group by p.profile_id, p.type) t
    group by t.profile_id
  ), tags as (
    select t.profile_id, jsonb_agg(jsonb_build_object('hashtag', t.tag, 'posts', t.posts) order by t.posts desc, t.tag) as top
    from (
      select h.profile_id, h.tag, count(*) as posts, row_number() over (partition by h.profile_id order by count(*) desc, h.tag) as place
      from (select distinct x.profile_id, x.id, u.tag from posts x cross join lateral unnest(x.hashtags) as u (tag)) h
      group by h.profile_id, h.tag) t
    where t.place <= 10 group by t.profile_id
  ), mentioned as materialized (
    select c.id as profile_id, g.post_id, g.mentioned_username from chosen c cross join lateral (
      select o.post_id, o.mentioned_username from analytics.mentions o where o.profile_id = c.id group by o.post_id, o.mentioned_username) g
  ), named as (
    select t.profile_id, jsonb_agg(jsonb_build_object('username', t.mentioned_username, 'posts', t.posts) order by t.posts desc, t.mentioned_username) as top
    from (
      select p.profile_id, m.mentioned_username, count(*) as posts, row_number() over (partition by p.profile_id order by count(*) desc, m.mentioned_username) as place
      from posts p join mentioned m on m.profile_id = p.profile_id and m.post_id = p.id
      group by p.profile_id, m.mentioned_username) t
    where t.place <= 10 group by t.profile_id
  ), captures as (
    select s.profile_id, count(*) as captures, count(s.previous_count) as pairs, min(s.captured_at) as first_at, max(s.captured_at) as last_at,
      (array_agg(s.followers_count order by s.captured_at))[1] as first_count, (array_agg(s.followers_count order by s.captured_at desc))[1] as last_count,
      max(s.days) as largest_gap, max(100.0::double precision * (s.followers_count - s.previous_count) / nullif(s.previous_count, 0) / greatest(s.days, 1)) as spike
    from (
      select h.profile_id, h.captured_at, h.followers_count, lag(h.followers_count) over of_profile as previous_count,
        (extract(epoch from h.captured_at - lag(h.captured_at) over of_profile) / 86400)::double precision as days
      from chosen c cross join lateral (
        select o.profile_id, o.captured_at, o.followers_count from analytics.profile_history o
        where o.profile_id = c.id and o.followers_count is not null
          and o.captured_at >= (select max(l.captured_at) from analytics.profile_history l where l.profile_id = c.id) - interval '90 days'
        -- Keeps this a look-up by key.
        offset 0) h
      window of_profile as (partition by h.profile_id order by h.captured_at)) s
    group by s.profile_id
  ), grown as (
    select g.*, extract(epoch from g.last_at - g.first_at)::double precision / 604800 as weeks from captures g
  ), rates as materialized (
    select distinct on (r.format) r.format, r as rate from analytics.media_value_rates r
    where r.platform = 'instagram' and r.country is null and r.valid_from <= (statement_timestamp() at time zone 'UTC')::date
    order by r.format, r.valid_from desc
  ), valued as (
    select p.profile_id, count((p.v).value) as posts, count(*) as posts_seen, count(*) filter (where (p.v).basis = 'views') as from_views, count(*) filter (where (p.v).basis = 'interactions') as from_interactions,
      avg((p.v).value * (1 - (p.rate).band)) as low, avg((p.v).value) as mid, avg((p.v).value * (1 + (p.rate).band)) as high,
      count(distinct (p.rate).currency) filter (where (p.v).value is not null) as currencies, min((p.rate).currency) filter (where (p.v).value is not null) as currency,
      array_agg(distinct p.format) filter (where (p.v).value is not null) as formats
    from (
      select o.profile_id, r.format, r.rate, analytics_private.media_value(r.rate, o.views, o.interactions, null) as v
      from posts o left join rates r on r.format = case when o.type in ('video', 'reel') then 'video' when o.type in ('photo', 'carousel') then 'still' end
      -- Once a post, not once a column.
      offset 0) p
    group by p.profile_id
  ), signals as (
    select c.id as profile_id, s.part, s.value, coalesce(s.sample, 0) as sample
    from chosen c left join totals t on t.profile_id = c.id left join grown g on g.profile_id = c.id
      left join lateral (
        select z.profiles, z.rates from analytics.size_tiers z
        where c.followers_count >= z.followers_from and (z.followers_to is null or c.followers_count < z.followers_to) limit 1) z on true
      cross join lateral (values
        ('engagement_for_size', width_bucket(c.engagement_rate_by_followers, z.rates) / 20.0::double precision, z.profiles),
        ('comments_per_like', t.comments_per_like, t.with_both),
        ('following_per_follower', c.following_count / nullif(c.followers_count, 0)::double precision, (num_nonnulls(c.following_count, c.followers_count) = 2)::integer::bigint),
        ('growth_spike', g.spike, g.pairs),
        ('likes_variation', t.likes_variation, t.with_likes)) as s (part, value, sample)
  ), quality as (
    select j.profile_id, count(j.score) as known, sum(j.weight * j.score) / nullif(sum(j.weight) filter (where j.score is not null), 0) as score,
      jsonb_object_agg(j.part, jsonb_build_object('value', j.value, 'score', j.score, 'weight', j.weight, 'sample', j.sample, 'unit', j.unit,
        'reason', case when j.score is null then case when j.sample < j.minimum_sample then format('a sample of %s; at least %s are needed', j.sample, j.minimum_sample) else 'not known' end end)) as parts,
      max(j.valid_from) as valid_from, string_agg(distinct j.source, ', ') as source
    from (
      select s.profile_id, s.part, s.value, s.sample, w.weight, w.unit, w.minimum_sample, w.valid_from, w.source,
        case when s.sample >= w.minimum_sample and s.value is not null then least(1, greatest(0, (s.value - w.zero_at) / (w.full_at - w.zero_at))) end as score
      from signals s join analytics.score_weights w on w.score = 'audience_quality' and w.part = s.part) j
    group by j.profile_id
  )
  insert into analytics.creator_metadata as m (profile_id, posts_analyzed, first_posted_at, last_posted_at, posts_per_week, median_gap_days, gaps_counted, posting_consistency,
    engagement_by_type, top_hashtags, top_mentions, weekly_growth_rate, follower_growth, media_value_low, media_value_mid, media_value_high, media_value_currency, media_value,
    audience_quality_score, audience_quality, reasons, captured_at, derived_at, last_updated)
  select c.id, coalesce(t.posts, 0), t.first_posted_at, t.last_posted_at,
    case when r.gaps >= 2 then r.gaps / nullif(r.weeks, 0) end, r.median_gap, coalesce(r.gaps, 0), case when r.gaps >= 5 and r.variation is not null then greatest(0, 1 - r.variation) end,
    y.by_type, case when t.posts > 0 then coalesce(h.top, '[]') end, case when t.posts > 0 then coalesce(n.top, '[]') end,
    case when g.weeks >= 1 and g.first_count > 0 then 100 * (power(g.last_count / g.first_count::double precision, 1 / g.weeks) - 1) end,
    jsonb_build_object('from', g.first_at, 'to', g.last_at, 'start', g.first_count, 'end', g.last_count, 'captures', coalesce(g.captures, 0), 'weeks', g.weeks, 'largest_gap_days', g.largest_gap),
    round(e.low, 2), round(e.mid, 2), round(e.high, 2), e.currency,
    jsonb_build_object('kind', 'estimate', 'per', 'post', 'posts', coalesce(v.posts, 0), 'posts_without_value', coalesce(v.posts_seen - v.posts, 0),
      'from_views', coalesce(v.from_views, 0), 'from_interactions', coalesce(v.from_interactions, 0), 'rates', (
        select coalesce(jsonb_agg(jsonb_build_object('format', k.format, 'cpm', (k.rate).cpm, 'currency', (k.rate).currency, 'band', (k.rate).band, 'source', (k.rate).source,
          'valid_from', (k.rate).valid_from) order by k.format), '[]') from rates k where k.format = any (v.formats))),
    case when q.known >= 3 then q.score end,
    jsonb_build_object('kind', 'estimate', 'score', case when q.known >= 3 then q.score end, 'signals_known', q.known, 'signals', q.parts,
      'posts', coalesce(t.posts, 0), 'captures', coalesce(g.captures, 0), 'weights', jsonb_build_object('source', q.source, 'valid_from', q.valid_from)),
    jsonb_strip_nulls(jsonb_build_object(
      'posts_per_week', case when (r.gaps >= 2 and r.weeks > 0) is not true then 'fewer than three posts at different times are known' end,
      'posting_consistency', case when (r.gaps >= 5 and r.variation is not null) is not true then 'fewer than six posts are known' end,
      'engagement_by_type', case when t.posts is null then 'no post is known' end,
      'weekly_growth_rate', case when g.captures is null then 'followers were never captured' when g.captures < 2 then 'followers were captured once'
        when g.weeks < 1 then 'the captures lie within less than a week' when g.first_count = 0 then 'there were no followers at the start' end,
      'media_value_mid', case when e.mid is null then case when t.posts is null then 'no post is known' when v.currencies > 1 then 'the rates are in several currencies' else 'no post shows the counts that it could be valued by' end end,
      'audience_quality_score', case when (q.known >= 3 and q.score is not null) is not true then format('%s of %s signals are known; at least 3 are needed', coalesce(q.known, 0), (select count(*) from analytics.score_weights w where w.score = 'audience_quality')) end)),
    greatest(c.captured_at, t.captured_at, g.last_at), begun_at, begun_at
  from chosen c left join totals t on t.profile_id = c.id left join rhythm r on r.profile_id = c.id left join types y on y.profile_id = c.id
    left join tags h on h.profile_id = c.id left join named n on n.profile_id = c.id left join grown g on g.profile_id = c.id
    left join valued v on v.profile_id = c.id left join quality q on q.profile_id = c.id
    left join lateral (select v.low, v.mid, v.high, v.currency where v.currencies = 1) e on true
  order by c.id
  on conflict on constraint creator_metadata_profile_key do update set
    posts_analyzed = excluded.posts_analyzed, first_posted_at = excluded.first_posted_at, last_posted_at = excluded.last_posted_at, posts_per_week = excluded.posts_per_week,
    median_gap_days = excluded.median_gap_days, gaps_counted = excluded.gaps_counted, posting_consistency = excluded.posting_consistency,
    engagement_by_type = excluded.engagement_by_type, top_hashtags = excluded.top_hashtags, top_mentions = excluded.top_mentions,
    weekly_growth_rate = excluded.weekly_growth_rate, follower_growth = excluded.follower_growth, media_value_low = excluded.media_value_low,
    media_value_mid = excluded.media_value_mid, media_value_high = excluded.media_value_high, media_value_currency = excluded.media_value_currency,
    media_value = excluded.media_value, audience_quality_score = excluded.audience_quality_score, audience_quality = excluded.audience_quality,
    reasons = excluded.reasons, captured_at = excluded.captured_at, derived_at = excluded.derived_at, last_updated = excluded.last_updated
  -- A run that began later has seen more.
  where m.derived_at is null or m.derived_at <= excluded.derived_at;
  get diagnostics n = row_count;
  return n;
end
$$;
comment on function analytics_private.derive_creator_metadata(uuid[]) is
$$derives creator_metadata of these profiles, or of all, in one statement; what the application wrote beside it stays (operators)
docs/creators.md has the formulas. Profiles that were never captured are passed over. Returns how many were derived.
Example: select analytics_private.derive_creator_metadata()$$;

insert into analytics_private.locks (name) values ('creators') on conflict (name) do nothing;

-- Definer: the queue is nobody's to read.
create or replace function analytics_private.derive_due_creators(max_count integer default 1000) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  due uuid[];
  n bigint;
begin
  -- One at a time; a second caller has nothing to do.
  perform from analytics_private.locks l where l.name = 'creators' for update skip locked;
  if not found then
    return 0;
  end if;
  with taken as (
    delete from analytics_private.creators_due d where d.ctid = any (array(
      select o.ctid from analytics_private.creators_due o limit least(greatest(max_count, 0), 10000) for update skip locked))
    returning d.profile_id
  )
  select array_agg(distinct t.profile_id), count(*) into due, n from taken t;
  if due is not null then
    perform analytics_private.derive_creator_metadata(due);
  end if;
  return n;
end
$$;
comment on function analytics_private.derive_due_creators(integer) is
  'derives creator_metadata of profiles of which something new was stored; called by the sidecar every few seconds and by maintain(). Returns how many entries of the list it took: as many as it may mean that there are more';

-- ---------------------------------------------------------------------------------------------------------------------
-- Related profiles

-- With the caller's rights: what is said of another profile comes from rows of the open one, or from rows of that profile if the
-- caller's window on it is open too. So a score tells nothing that he could not look up.
create or replace function analytics.related_profiles_ranked(username text, page_size integer default 20)
returns table (
  related_username text, related_full_name text, place bigint, score double precision, reasons text[], parts jsonb, is_open boolean, followers_count bigint, captured_at timestamptz
) language plpgsql stable rows 20 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  target constant uuid := analytics_private.open_profile(related_profiles_ranked.username);
  size constant integer := analytics_private.check_page_size(related_profiles_ranked.page_size, 100);
  me record;
  my_tags text[];
begin
  select p.username::text as username, p.former_usernames, p.followers_count into me from analytics.profiles p where p.id = target;
  my_tags := array(select distinct t.tag from (
    select x.hashtags from analytics.profile_posts x where x.profile_id = target order by x.posted_at desc, x.id desc limit 100) x, unnest(x.hashtags) as t (tag));
  return query
    with suggested as (
      select r.related_username::text as name, r.related_full_name, r.rank, r.related_followers_count, r.discovered_at, count(*) over () as suggestions
      from analytics.related_profiles r where r.profile_id = target
    ), mentioned as (
      select m.mentioned_username::text as name, count(distinct m.post_id) as posts, max(m.mentioned_at) as last_at from analytics.mentions m where m.profile_id = target group by m.mentioned_username
    ), written_together as (
      select lower(e.author ->> 'username') as name, count(distinct x.id) as posts, max(x.captured_at) as captured_at
      from analytics.profile_posts x cross join lateral jsonb_array_elements(case when jsonb_typeof(x.coauthor_producers) = 'array' then x.coauthor_producers end) as e (author)
      where x.profile_id = target and e.author ->> 'username' is not null group by 1
    ), candidates as (
      select n.name from (select s.name from suggested s union select m.name from mentioned m union select w.name from written_together w) n
      where n.name is distinct from me.username and n.name <> all (me.former_usernames)
    ), known as materialized (
      -- Only what row-level security shows: profiles with an open window of the caller.
      select c.name, p.id, p.full_name, p.followers_count, greatest(p.captured_at, p.posts_captured_at) as captured_at from candidates c join analytics.profiles p on p.username = c.name
    ), seen as materialized (
      select k.*,
        (select count(distinct m.post_id) from analytics.mentions m where m.profile_id = k.id and m.mentioned_username = me.username) as mentions_back,
        array(select distinct t.tag from (select x.hashtags from analytics.profile_posts x where x.profile_id = k.id order by x.posted_at desc, x.id desc limit 100) x, unnest(x.hashtags) as t (tag)) as tags
      from known k
    ), facts as (
      select c.name, coalesce(k.full_name, s.related_full_name) as full_name, s.rank, s.suggestions, coalesce(m.posts, 0) as mentioned, coalesce(w.posts, 0) as together, k.id is not null as is_open,
        k.mentions_back, coalesce(k.followers_count, s.related_followers_count) as followers,
        cardinality(array(select t from unnest(k.tags) t where t = any (my_tags))) as shared, cardinality(k.tags) as theirs,
        greatest(s.discovered_at, m.last_at, w.captured_at, k.captured_at) as captured_at
      from candidates c left join suggested s on s.name = c.name left join mentioned m on m.name = c.name left join written_together w on w.name = c.name left join seen k on k.name = c.name
    ), measured as (
      select f.*, v.part, v.value, v.sample, v.reason
      from facts f cross join lateral (values
        ('suggested', coalesce((f.suggestions - f.rank + 1) / f.suggestions::double precision, 0), 1, case when f.rank is not null then format('suggested by Instagram at rank %s of %s', f.rank, f.suggestions) end),
        ('coauthor', f.together, 1, case when f.together > 0 then format('wrote %s of the stored posts together', f.together) end),
        ('mentioned', f.mentioned, 1, case when f.mentioned > 0 then format('mentioned in %s of the stored posts', f.mentioned) end),
        ('mentions_back', f.mentions_back, 1, case when f.mentions_back > 0 then format('mentions this profile in %s of its stored posts', f.mentions_back) end),
        ('shared_hashtags', case when f.is_open then f.shared / nullif(f.theirs + cardinality(my_tags) - f.shared, 0)::double precision end, f.theirs,
          case when f.shared > 0 then format('shares %s of %s hashtags', f.shared, f.theirs + cardinality(my_tags) - f.shared) end),
        ('similar_size', abs(log((nullif(f.followers, 0))::double precision / nullif(me.followers_count, 0))), 1,
          case when abs(log(nullif(f.followers, 0)::double precision / nullif(me.followers_count, 0))) < 0.3 then format('of similar size: %s and %s followers', f.followers, me.followers_count) end)
        ) as v (part, value, sample, reason)
    ), scored as (
      select m.*, w.weight, case when m.sample >= w.minimum_sample and m.value is not null then least(1, greatest(0, (m.value - w.zero_at) / (w.full_at - w.zero_at))) end as part_score
      from measured m join analytics.score_weights w on w.score = 'related_profiles' and w.part = m.part
    ), ranked as (
      select s.name, s.full_name, coalesce(sum(s.weight * s.part_score) / nullif(sum(s.weight), 0), 0) as total,
        array_agg(s.reason order by s.weight * s.part_score desc nulls last, s.part) filter (where s.reason is not null) as reasons,
        jsonb_object_agg(s.part, jsonb_build_object('value', s.value, 'score', s.part_score, 'weight', s.weight,
          'reason', case when s.part_score is null then case when s.is_open or s.part = 'similar_size' then 'not known' else 'its window is not open' end end)) as parts,
        s.is_open, s.followers, s.captured_at
      from scored s group by s.name, s.full_name, s.is_open, s.followers, s.captured_at
    )
    select r.name, r.full_name::text, row_number() over (order by r.total desc, r.name), r.total, coalesce(r.reasons, '{}'), r.parts, r.is_open, r.followers, r.captured_at
    from ranked r order by r.total desc, r.name limit size;
end
$$;
comment on function analytics.related_profiles_ranked(text, integer) is
$$profiles that stand near an unlocked one, best first, each with the reasons in words
Candidates: whom Instagram suggests beside it, whom its stored posts mention or tag, who wrote posts with it. page_size: 1 to 100. Parts and weights are rows of score_weights: suggested, coauthor, mentioned, mentions_back, shared_hashtags, similar_size; score = sum of weight x part / sum of all weights, 0 to 1; a part that is unknown counts nothing. What the candidate's own posts say (mentions_back, shared_hashtags) is used only while the caller's window on it is open.
Returns rows of related_username, related_full_name, place, score, reasons, parts ({part: {value, score, weight, reason}}), is_open, followers_count (null: unknown), captured_at (of the newest it rests on). Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (not unlocked).
Example: select count(*) from analytics.related_profiles_ranked('natgeo')$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Sentiment

create or replace view analytics.post_sentiment with (security_invoker = true) as
  select s.profile_id, s.post_id, p.shortcode, p.posted_at, s.compound_score, s.positive_score, s.negative_score, s.neutral_score, s.overall_sentiment, s.comments_analyzed, p.comments_count,
    s.analysis_timestamp as analyzed_at, p.captured_at
  from analytics.comment_sentiment s join analytics.profile_posts p on p.id = s.post_id;
comment on view analytics.post_sentiment is 'sentiment of the comments of each post, with how many of them were seen (comments_analyzed) and how many there were at its capture (comments_count)';

create or replace function analytics.profile_sentiment(username text, since timestamptz default null, until timestamptz default null) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  target constant uuid := analytics_private.open_profile(profile_sentiment.username);
  first constant timestamptz := coalesce(profile_sentiment.since, '-infinity');
  last constant timestamptz := coalesce(profile_sentiment.until, 'infinity');
begin
  if first >= last then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'since and until are two times, the earlier one first', null, '{"field": "since"}');
  end if;
  return (
    select jsonb_build_object('since', profile_sentiment.since, 'until', profile_sentiment.until,
      'compound_score', r.compound, 'positive_score', r.positive, 'negative_score', r.negative, 'neutral_score', r.neutral,
      'overall_sentiment', case when r.compound is not null then analytics.sentiment_label(r.compound) end,
      'comments_analyzed', r.comments, 'comments_counted', r.counted, 'posts_analyzed', r.analyzed, 'posts_stored', r.stored,
      'positive_posts', r.positive_posts, 'neutral_posts', r.neutral_posts, 'negative_posts', r.negative_posts,
      'first_posted_at', r.first_posted_at, 'last_posted_at', r.last_posted_at, 'analyzed_at', r.analyzed_at, 'captured_at', r.captured_at,
      'reason', case when r.stored = 0 then 'no post of this time is known' when r.compound is null then 'no comment of these posts was seen' end)
    from (
      select count(*) as stored, count(s.post_id) filter (where s.comments_analyzed > 0) as analyzed, coalesce(sum(s.comments_analyzed), 0) as comments, sum(p.comments_count) as counted,
        sum(s.compound_score * s.comments_analyzed) / nullif(sum(s.comments_analyzed) filter (where s.compound_score is not null), 0) as compound,
        sum(s.positive_score * s.comments_analyzed) / nullif(sum(s.comments_analyzed) filter (where s.positive_score is not null), 0) as positive,
        sum(s.negative_score * s.comments_analyzed) / nullif(sum(s.comments_analyzed) filter (where s.negative_score is not null), 0) as negative,
        sum(s.neutral_score * s.comments_analyzed) / nullif(sum(s.comments_analyzed) filter (where s.neutral_score is not null), 0) as neutral,
        count(*) filter (where s.overall_sentiment = 'positive') as positive_posts, count(*) filter (where s.overall_sentiment = 'neutral') as neutral_posts,
        count(*) filter (where s.overall_sentiment = 'negative') as negative_posts,
        min(p.posted_at) filter (where s.comments_analyzed > 0) as first_posted_at, max(p.posted_at) filter (where s.comments_analyzed > 0) as last_posted_at,
        max(s.analysis_timestamp) as analyzed_at, max(p.captured_at) as captured_at
      from analytics.profile_posts p left join analytics.comment_sentiment s on s.post_id = p.id and s.profile_id = p.profile_id
      where p.profile_id = target and p.posted_at >= first and p.posted_at < last) r);
end
$$;
comment on function analytics.profile_sentiment(text, timestamptz, timestamptz) is
$$how the comments below an unlocked profile's posts sound, and on how many of them that rests
since, until: when the posts were published, [since, until); default all stored posts. Every comment weighs the same. post_sentiment has the posts one by one.
Returns {compound_score (-1 to 1), positive_score, negative_score, neutral_score (0 to 1), overall_sentiment, comments_analyzed (seen), comments_counted (what the posts showed at their capture), posts_analyzed, posts_stored, positive_posts, neutral_posts, negative_posts, first_posted_at, last_posted_at, analyzed_at, captured_at, reason}; scores are null with the reason when no comment was seen. VADER knows English; other languages lean to neutral. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (not unlocked).
Example: select analytics.profile_sentiment('natgeo') ->> 'comments_analyzed'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Formulas

insert into analytics.number_formulas (number, unit, formula, denominator, tables, source, note) values
  ('creator_metadata.posts_per_week', 'posts a week', '(posts - 1) / weeks from the first to the last', 'weeks between the first and the last post', '{profile_posts}', 'ours', 'of the newest 100 stored posts; pinned posts from before the others are left out; at least three posts'),
  ('creator_metadata.median_gap_days', 'days', 'median time between a post and the next', null, '{profile_posts}', 'ours', 'posts that were never captured make gaps longer'),
  ('creator_metadata.posting_consistency', '0 to 1', '1 - standard deviation / mean of the gaps, 0 at least', 'mean gap', '{profile_posts}', 'ours', 'sample standard deviation; at least five gaps'),
  ('creator_metadata.engagement_by_type', 'percent', 'mean and median of the posts'' rates by followers; ratio_of_sums = sum(likes + comments) / sum(followers at capture) * 100', 'followers at the capture of each post', '{profile_posts,profile_history}', 'HypeAuditor, help.hypeauditor.com/en/articles/2771955', 'posts with hidden likes have no rate and are counted in posts only'),
  ('creator_metadata.weekly_growth_rate', 'percent a week', '((end / start) ^ (1 / weeks) - 1) * 100', 'followers at the first capture', '{profile_history}', 'academy.fanpagekarma.com/en/instagram-metrics', 'captures of 90 days up to the newest, a week apart at least; follower_growth has the largest gap'),
  ('creator_metadata.media_value_mid', 'currency units a post', 'mean over posts: video views * CPM / 1000; else (likes + comments) * 8.7 * CPM / 1000', 'posts that show the counts', '{profile_posts,media_value_rates}', 'mightyscout.com/blog/earned-media-value-rebuilt', 'estimate; shares are not public'),
  ('creator_metadata.media_value_low', 'currency units a post', 'mean over posts: value * (1 - band)', 'posts that show the counts', '{profile_posts,media_value_rates}', 'help.keepface.com/shared/concepts/emv-detail', 'estimate; band: of the rate, 0.15'),
  ('creator_metadata.media_value_high', 'currency units a post', 'mean over posts: value * (1 + band)', 'posts that show the counts', '{profile_posts,media_value_rates}', 'help.keepface.com/shared/concepts/emv-detail', 'estimate; band: of the rate, 0.15'),
  ('creator_metadata.posts_analyzed', 'posts', 'stored posts that the numbers rest on', null, '{profile_posts}', null, 'the newest 100 at most'),
  ('creator_metadata.gaps_counted', 'gaps', 'times between a post and the next, among the posts analyzed', null, '{profile_posts}', null, 'pinned posts from before the others are left out'),
  ('creator_metadata.analysis_confidence', '0 to 1', 'as the application wrote it', null, '{profile_posts}', null, 'not derived here'),
  ('creator_metadata.audience_quality_score', '0 to 1', 'sum(weight * signal) / sum(weight) over the known signals', 'weights of the known signals', '{profile_posts,profile_history,score_weights,size_tiers}', 'ours', 'estimate; null below three signals; says nothing about any one person'),
  ('related_profiles_ranked.followers_count', 'people', 'as the source that suggests the profile says', null, '{related_profiles}', null, null),
  ('related_profiles_ranked.score', '0 to 1', 'sum(weight * part) / sum(weight), unknown parts counting nothing', 'all weights', '{related_profiles,mentions,profile_posts,score_weights}', 'ours', null),
  ('profile_sentiment.compound_score', '-1 to 1', 'sum(mean of a post * its comments) / sum(comments)', 'comments seen', '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', 'positive from 0.05, negative to -0.05'),
  ('profile_sentiment.positive_score', '0 to 1', 'sum(mean of a post * its comments) / sum(comments)', 'comments seen', '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', 'share of the words that sound positive'),
  ('profile_sentiment.negative_score', '0 to 1', 'sum(mean of a post * its comments) / sum(comments)', 'comments seen', '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', 'share of the words that sound negative'),
  ('profile_sentiment.neutral_score', '0 to 1', 'sum(mean of a post * its comments) / sum(comments)', 'comments seen', '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', 'share of the words that sound neutral'),
  ('profile_sentiment.comments_analyzed', 'comments', 'sum of the comments seen below the posts of the time', null, '{comment_sentiment}', null, null),
  ('profile_sentiment.comments_counted', 'comments', 'sum of the comment counts that the posts showed at their capture', null, '{profile_posts}', null, null),
  ('profile_sentiment.posts_analyzed', 'posts', 'posts of which a comment was seen', null, '{profile_posts,comment_sentiment}', null, null),
  ('profile_sentiment.posts_stored', 'posts', 'stored posts of the time', null, '{profile_posts}', null, null),
  ('profile_sentiment.positive_posts', 'posts', 'posts whose compound_score is at least 0.05', null, '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', null),
  ('profile_sentiment.neutral_posts', 'posts', 'posts whose compound_score is between -0.05 and 0.05', null, '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', null),
  ('profile_sentiment.negative_posts', 'posts', 'posts whose compound_score is at most -0.05', null, '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', null),
  ('post_sentiment.compound_score', '-1 to 1', 'mean of the compound scores of the comments', 'comments seen', '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', 'positive from 0.05, negative to -0.05'),
  ('post_sentiment.positive_score', '0 to 1', 'mean of the comments'' shares of words that sound positive', 'comments seen', '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', null),
  ('post_sentiment.negative_score', '0 to 1', 'mean of the comments'' shares of words that sound negative', 'comments seen', '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', null),
  ('post_sentiment.neutral_score', '0 to 1', 'mean of the comments'' shares of words that sound neutral', 'comments seen', '{comment_sentiment}', 'VADER, Hutto and Gilbert 2014', null),
  ('post_sentiment.comments_analyzed', 'comments', 'comments seen', null, '{comment_sentiment}', null, 'each once, however often it arrived'),
  ('post_sentiment.comments_count', 'comments', 'as the post showed at its capture', null, '{profile_posts}', null, null),
  ('estimated_media_value.mid', 'currency units', 'video: views * CPM / 1000; still, or views unknown: interactions * 8.7 * CPM / 1000; story: followers * 0.03 * CPM / 1000', 'a thousand views', '{}', 'mightyscout.com/blog/earned-media-value-rebuilt', 'estimate; CPM, multipliers and bounds are rows of media_value_rates'),
  ('estimated_media_value.low', 'currency units', 'mid * (1 - band)', null, '{}', 'help.keepface.com/shared/concepts/emv-detail', 'estimate; band: of media_value_rates, 0.15'),
  ('estimated_media_value.high', 'currency units', 'mid * (1 + band)', null, '{}', 'help.keepface.com/shared/concepts/emv-detail', 'estimate; band: of media_value_rates, 0.15'),
  ('estimated_media_value.cpm', 'currency units', 'price of a thousand views, of the newest row of media_value_rates that is valid', 'a thousand views', '{}', 'mightyscout.com/blog/earned-media-value-rebuilt', null)
on conflict (number) do update set unit = excluded.unit, formula = excluded.formula, denominator = excluded.denominator, tables = excluded.tables,
  source = excluded.source, note = excluded.note;
