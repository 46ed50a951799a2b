-- What an account's own posts say: when they did best, which kinds, which hashtags, in what rhythm. Everything here is counted from
-- analytics.top_content with the caller's rights. Posts are not experiments: nothing here says that one thing caused another.

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('content_prior_posts', 'integer', '5', '0', '1000', 'an hour or hashtag counts as if this many more posts of the account''s mean had been there'),
  ('content_minimum_posts', 'integer', '10', '1', '1000', 'with fewer posts of known rate no hour or hashtag is scored')
on conflict (name) do nothing;

-- Definer, below: a member has no right on the settings.
create or replace function analytics_private.content_settings(out prior_posts integer, out minimum_posts integer)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.require_user();
  prior_posts := analytics_private.setting_integer('content_prior_posts');
  minimum_posts := analytics_private.setting_integer('content_minimum_posts');
end
$$;
comment on function analytics_private.content_settings() is 'the settings that analyses of posts use; definer, since members may not read settings';

create or replace function analytics_private.content_period(since timestamptz, until timestamptz, out first timestamptz, out last timestamptz)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  last := coalesce(content_period.until, now());
  first := coalesce(content_period.since, last - interval '112 days');
  perform analytics_private.check_period(first, last);
end
$$;
comment on function analytics_private.content_period(timestamptz, timestamptz) is 'the period asked for; default the 16 weeks up to now, as Sprout Social takes them';

create or replace function analytics.best_posting_times(
  account_id uuid, timezone text default 'UTC', since timestamptz default null, until timestamptz default null, by text default 'reach', prior_posts integer default null
) returns table (
  weekday integer, hour integer, posts bigint, mean_rate double precision, score double precision, place bigint, mean_of_all double precision, posts_of_all bigint, prior integer,
  last_captured_at timestamptz, reason text
) language plpgsql stable rows 168 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(best_posting_times.account_id);
  zone constant text := analytics_private.check_timezone(best_posting_times.timezone);
  period record;
  rules record;
  weight integer;
begin
  select * into period from analytics_private.content_period(best_posting_times.since, best_posting_times.until);
  select * into rules from analytics_private.content_settings();
  weight := coalesce(best_posting_times.prior_posts, rules.prior_posts);
  if best_posting_times.by is null or best_posting_times.by not in ('reach', 'followers', 'views') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such denominator', 'by is reach, followers or views', '{"field": "by"}');
  elsif weight not between 0 and 1000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'prior_posts is not valid', 'from 0 to 1000', '{"field": "prior_posts"}');
  end if;
  return query
    with rated as (
      select t.posted_at at time zone zone as local_time, t.captured_at,
        case best_posting_times.by when 'reach' then t.engagement_rate when 'followers' then t.engagement_rate_by_followers else t.engagement_rate_by_views end as rate
      from analytics.top_content t
      where t.workspace_id = account.workspace_id and t.social_account_id = account.id and t.posted_at >= period.first and t.posted_at < period.last
    ), cells as (
      select extract(isodow from r.local_time)::integer as weekday, extract(hour from r.local_time)::integer as hour, count(*) as posts, sum(r.rate) as total, avg(r.rate) as mean
      from rated r where r.rate is not null group by 1, 2
    ), everything as (
      select count(r.rate) as posts, avg(r.rate) as mean, max(r.captured_at) as captured_at from rated r
    ), scored as (
      select d as weekday, h as hour, coalesce(c.posts, 0) as posts, c.mean, e.mean as mean_of_all, e.posts as posts_of_all, e.captured_at,
        case when c.posts > 0 and e.posts >= rules.minimum_posts then (c.total + weight * e.mean) / (c.posts + weight) end as score
      from everything e cross join generate_series(1, 7) as d cross join generate_series(0, 23) as h left join cells c on c.weekday = d and c.hour = h
    )
    select s.weekday, s.hour, s.posts, s.mean, s.score, case when s.score is not null then rank() over (order by s.score desc nulls last) end, s.mean_of_all, s.posts_of_all, weight, s.captured_at,
      case when s.posts_of_all < rules.minimum_posts then format('%s posts of this time have a known rate by %s; at least %s are needed', s.posts_of_all, best_posting_times.by, rules.minimum_posts)
        when s.posts = 0 then 'no post of known rate at this hour' end
    from scored s order by s.weekday, s.hour;
end
$$;
comment on function analytics.best_posting_times(uuid, text, timestamptz, timestamptz, text, integer) is
$$how an account's posts did by weekday and hour of publishing, small numbers drawn towards the account's mean
timezone: whose clock; daylight saving is followed, so that an hour is the hour people saw. since, until: when the posts were published, [since, until); default the last 16 weeks. by: the rate's denominator, reach, followers or views. prior_posts (k): how many posts of the account's mean each hour is mixed with; default the setting content_prior_posts, 5.
Returns 168 rows, weekday 1 (Monday) to 7 and hour 0 to 23: posts (n, of known rate), mean_rate (percent), score = (n x mean_rate + k x mean_of_all) / (n + k) in percent, place (1 is best), mean_of_all, posts_of_all, prior (k), last_captured_at. score is null, with the reason, where no post is known and everywhere when fewer than 10 posts (setting content_minimum_posts) have a known rate.
What did well is not what made it do well. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select count(*) = 168 from analytics.best_posting_times('0195c3a0-0000-7000-8000-0000000000c0', 'Europe/Berlin')$$;

create or replace function analytics.content_mix(account_id uuid, since timestamptz default null, until timestamptz default null)
returns table (
  media_type text, posts bigint, share double precision, posts_with_rate bigint, ratio_of_sums double precision, mean_of_ratios double precision, posts_with_reach bigint, median_reach double precision,
  first_posted_at timestamptz, last_posted_at timestamptz, last_captured_at timestamptz, reason text
) language plpgsql stable rows 5 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(content_mix.account_id);
  period record;
begin
  select * into period from analytics_private.content_period(content_mix.since, content_mix.until);
  return query
    select coalesce(t.media_type, 'unknown')::text, count(*), count(*) / (sum(count(*)) over ())::double precision, count(t.engagement_rate),
      100 * (sum(t.likes_count::numeric + t.comments_count + t.shares_count + t.saves_count) filter (where t.engagement_rate is not null))::double precision
        / nullif(sum(t.reach) filter (where t.engagement_rate is not null), 0)::double precision,
      avg(t.engagement_rate), count(t.reach), percentile_cont(0.5) within group (order by t.reach), min(t.posted_at), max(t.posted_at), max(t.captured_at),
      case when count(t.engagement_rate) = 0 then 'no post of this kind shows all its counts and its reach' end
    from analytics.top_content t
    where t.workspace_id = account.workspace_id and t.social_account_id = account.id and t.posted_at >= period.first and t.posted_at < period.last
    group by coalesce(t.media_type, 'unknown')
    order by count(*) desc, 1;
end
$$;
comment on function analytics.content_mix(uuid, timestamptz, timestamptz) is
$$what an account publishes and how each kind does
since, until: when the posts were published, [since, until); default the last 16 weeks.
Returns a row a kind (photo, video, carousel, reel, story, text, link, unknown): posts, share (0 to 1), and by reach in percent ratio_of_sums (each person reached weighs alike) and mean_of_ratios (each post weighs alike), both over posts_with_rate; median_reach over posts_with_reach; first_posted_at, last_posted_at, last_captured_at, and the reason when there is no rate. No rows: no posts.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select count(*) from analytics.content_mix('0195c3a0-0000-7000-8000-0000000000c0')$$;

create or replace function analytics.hashtag_performance(
  account_id uuid, since timestamptz default null, until timestamptz default null, minimum_posts integer default 3, by text default 'reach', prior_posts integer default null
) returns table (
  hashtag text, posts bigint, mean_rate double precision, posts_without bigint, mean_rate_without double precision, lift double precision, prior integer, last_captured_at timestamptz, reason text
) language plpgsql stable rows 30 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(hashtag_performance.account_id);
  period record;
  rules record;
  weight integer;
begin
  select * into period from analytics_private.content_period(hashtag_performance.since, hashtag_performance.until);
  select * into rules from analytics_private.content_settings();
  weight := coalesce(hashtag_performance.prior_posts, rules.prior_posts);
  if hashtag_performance.by is null or hashtag_performance.by not in ('reach', 'followers', 'views') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such denominator', 'by is reach, followers or views', '{"field": "by"}');
  elsif hashtag_performance.minimum_posts is null or hashtag_performance.minimum_posts < 1 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'minimum_posts is not valid', 'at least 1', '{"field": "minimum_posts"}');
  elsif weight not between 0 and 1000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'prior_posts is not valid', 'from 0 to 1000', '{"field": "prior_posts"}');
  end if;
  return query
    with rated as materialized (
      select t.hashtags, t.captured_at,
        case hashtag_performance.by when 'reach' then t.engagement_rate when 'followers' then t.engagement_rate_by_followers else t.engagement_rate_by_views end as rate
      from analytics.top_content t
      where t.workspace_id = account.workspace_id and t.social_account_id = account.id and t.posted_at >= period.first and t.posted_at < period.last
    ), everything as (
      select count(r.rate) as posts, sum(r.rate) as total, max(r.captured_at) as captured_at from rated r
    ), tags as (
      select u.tag, count(*) as posts, sum(r.rate) as total, avg(r.rate) as mean
      from rated r cross join lateral (select distinct lower(h) as tag from unnest(r.hashtags) as h) u
      where r.rate is not null group by u.tag having count(*) >= hashtag_performance.minimum_posts
    ), compared as (
      select g.tag, g.posts, g.mean, e.posts - g.posts as posts_without, (e.total - g.total) / nullif(e.posts - g.posts, 0) as mean_without, e.posts as posts_of_all, e.captured_at
      from tags g cross join everything e
    )
    select c.tag, c.posts, c.mean, c.posts_without, c.mean_without,
      case when c.posts_of_all >= rules.minimum_posts then 100 * (c.mean / nullif(greatest(c.mean_without, 0), 0) - 1) * c.posts / nullif(c.posts + weight, 0) end, weight, c.captured_at,
      case when c.posts_of_all < rules.minimum_posts then format('%s posts of this time have a known rate by %s; at least %s are needed', c.posts_of_all, hashtag_performance.by, rules.minimum_posts)
        when c.posts_without = 0 then 'every post has it: there is nothing to compare with'
        when c.mean_without <= 0 then 'the posts without it have no engagement' end
    from compared c order by 6 desc nulls last, c.posts desc, c.tag;
end
$$;
comment on function analytics.hashtag_performance(uuid, timestamptz, timestamptz, integer, text, integer) is
$$how an account's posts with a hashtag did beside those without it
since, until: when the posts were published, [since, until); default the last 16 weeks. minimum_posts: tags on fewer posts of known rate are left out. by: the rate's denominator, reach, followers or views. prior_posts (k): default the setting content_prior_posts, 5.
Returns a row a hashtag, highest lift first: posts (n, with it), mean_rate (percent), posts_without, mean_rate_without, lift = (mean_rate / mean_rate_without - 1) x n / (n + k) in percent (few posts are drawn towards 0), prior (k), last_captured_at, and the reason when lift is null (fewer than 10 posts of known rate, no post without it).
This is an observation, not an effect: posts with a hashtag differ in more than the hashtag. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select count(*) from analytics.hashtag_performance('0195c3a0-0000-7000-8000-0000000000c0')$$;

create or replace function analytics.posting_cadence(account_id uuid, since timestamptz default null, until timestamptz default null, timezone text default 'UTC')
returns table (
  posts bigint, posts_per_week double precision, median_gap_days double precision, longest_gap_days double precision, longest_gap_from timestamptz, consistency double precision,
  posts_by_weekday bigint[], days_with_posts bigint, first_posted_at timestamptz, last_posted_at timestamptz, last_captured_at timestamptz, reason text
) language plpgsql stable rows 1 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  account constant analytics.social_accounts := analytics_private.audience_account(posting_cadence.account_id);
  zone constant text := analytics_private.check_timezone(posting_cadence.timezone);
  period record;
begin
  select * into period from analytics_private.content_period(posting_cadence.since, posting_cadence.until);
  return query
    with line as (
      select t.posted_at, t.captured_at, (t.posted_at at time zone zone) as local_time, lag(t.posted_at) over (order by t.posted_at) as previous_at,
        (extract(epoch from t.posted_at - lag(t.posted_at) over (order by t.posted_at)) / 86400)::double precision as gap
      from analytics.top_content t
      where t.workspace_id = account.workspace_id and t.social_account_id = account.id and t.posted_at >= period.first and t.posted_at < period.last
    )
    select count(*), case when count(l.gap) >= 2 then 7 * count(l.gap) / nullif(sum(l.gap), 0) end,
      percentile_cont(0.5) within group (order by l.gap), max(l.gap), (array_agg(l.previous_at order by l.gap desc nulls last, l.previous_at) filter (where l.gap is not null))[1],
      case when count(l.gap) >= 5 and avg(l.gap) > 0 then greatest(0, 1 - stddev_samp(l.gap) / avg(l.gap)) end,
      array[count(*) filter (where extract(isodow from l.local_time) = 1), count(*) filter (where extract(isodow from l.local_time) = 2), count(*) filter (where extract(isodow from l.local_time) = 3),
        count(*) filter (where extract(isodow from l.local_time) = 4), count(*) filter (where extract(isodow from l.local_time) = 5), count(*) filter (where extract(isodow from l.local_time) = 6),
        count(*) filter (where extract(isodow from l.local_time) = 7)],
      count(distinct l.local_time::date), min(l.posted_at), max(l.posted_at), max(l.captured_at),
      case when count(*) = 0 then 'no post of this time is known' when count(l.gap) < 2 then 'fewer than three posts are known' when count(l.gap) < 5 then 'consistency needs six posts' when sum(l.gap) = 0 then 'all posts are of one moment' end
    from line l;
end
$$;
comment on function analytics.posting_cadence(uuid, timestamptz, timestamptz, text) is
$$in what rhythm an account publishes
since, until: [since, until); default the last 16 weeks. timezone: whose days; gaps are real time.
Returns one row: posts, posts_per_week = (posts - 1) / weeks from the first to the last post, median_gap_days, longest_gap_days and longest_gap_from, consistency = 1 - standard deviation / mean of the gaps (0 at least; 1 is a clock; null below six posts), posts_by_weekday (Monday first), days_with_posts, first_posted_at, last_posted_at, last_captured_at, and the reason where something is null. Posts that were never captured make gaps longer.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select posts from analytics.posting_cadence('0195c3a0-0000-7000-8000-0000000000c0')$$;

insert into analytics.number_formulas (number, unit, formula, denominator, tables, source, note) values
  ('best_posting_times.mean_rate', 'percent', 'mean of the rates of the posts published at that weekday and hour', 'as asked for: reach, followers or views of each post', '{top_content}', null, 'local time of the zone asked for'),
  ('best_posting_times.score', 'percent', '(posts * mean_rate + prior * mean_of_all) / (posts + prior)', 'posts + prior', '{top_content}', 'ours; 16 weeks: Sprout Social, support.sproutsocial.com', 'null without posts at that hour, and below content_minimum_posts in all; neighbouring hours are not mixed'),
  ('best_posting_times.posts', 'posts', 'posts of the period published at that weekday and hour whose rate is known', null, '{top_content}', null, null),
  ('best_posting_times.mean_of_all', 'percent', 'mean of the rates of all posts of the period', 'as asked for: reach, followers or views of each post', '{top_content}', null, null),
  ('best_posting_times.posts_of_all', 'posts', 'posts of the period whose rate is known', null, '{top_content}', null, null),
  ('best_posting_times.prior', 'posts', 'setting content_prior_posts, or as asked for', null, '{}', 'ours', 'how many posts the mean of all counts as'),
  ('content_mix.posts', 'posts', 'posts of the kind in the period', null, '{top_content}', null, null),
  ('content_mix.posts_with_rate', 'posts', 'those whose rate by reach is known', null, '{top_content}', null, null),
  ('content_mix.posts_with_reach', 'posts', 'those whose reach is known', null, '{top_content}', null, null),
  ('content_mix.share', '0 to 1', 'posts of the kind / posts', 'posts of the period', '{top_content}', null, null),
  ('content_mix.ratio_of_sums', 'percent', 'sum(likes + comments + shares + saves) / sum(reach) * 100', 'reach of the posts whose rate is known, added up: people may be counted twice', '{top_content}', null, null),
  ('content_mix.mean_of_ratios', 'percent', 'mean of (likes + comments + shares + saves) / reach * 100', 'reach of each post', '{top_content}', null, null),
  ('content_mix.median_reach', 'people', 'median reach of the posts whose reach is known', null, '{top_content}', null, null),
  ('hashtag_performance.posts', 'posts', 'posts with the tag whose rate is known', null, '{top_content}', null, null),
  ('hashtag_performance.posts_without', 'posts', 'posts without the tag whose rate is known', null, '{top_content}', null, null),
  ('hashtag_performance.mean_rate', 'percent', 'mean of the rates of the posts with the tag', 'as asked for: reach, followers or views of each post', '{top_content}', null, null),
  ('hashtag_performance.mean_rate_without', 'percent', 'mean of the rates of the posts without it', 'as asked for: reach, followers or views of each post', '{top_content}', null, null),
  ('hashtag_performance.prior', 'posts', 'setting content_prior_posts, or as asked for', null, '{}', 'ours', 'how many posts without an effect are added'),
  ('hashtag_performance.lift', 'percent', '(mean_rate / mean_rate_without - 1) * posts / (posts + prior) * 100', 'mean rate of the posts without it', '{top_content}', 'ours', 'an observation, not an effect'),
  ('posting_cadence.posts', 'posts', 'posts of the period', null, '{top_content}', null, null),
  ('posting_cadence.days_with_posts', 'days', 'days of the zone with a post', null, '{top_content}', null, null),
  ('posting_cadence.longest_gap_days', 'days', 'longest time between a post and the next', null, '{top_content}', null, null),
  ('posting_cadence.posts_per_week', 'posts a week', '(posts - 1) / weeks from the first to the last', 'weeks between the first and the last post', '{top_content}', 'ours', 'at least three posts'),
  ('posting_cadence.median_gap_days', 'days', 'median time between a post and the next', null, '{top_content}', 'ours', null),
  ('posting_cadence.consistency', '0 to 1', '1 - standard deviation / mean of the gaps, 0 at least', 'mean gap', '{top_content}', 'ours', 'sample standard deviation; at least five gaps')
on conflict (number) do update set unit = excluded.unit, formula = excluded.formula, denominator = excluded.denominator, tables = excluded.tables,
  source = excluded.source, note = excluded.note;
