-- What an account's own posts say: best times, kinds, hashtags, rhythm.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('eve@example.com') as eve \gset
select pg_temp.act_as(:'ada');
select analytics.add_account(platform => 'instagram', handle => 'ada.bakes') ->> 'id' as bakes \gset
select analytics.add_account(platform => 'instagram', handle => 'ada.travels') ->> 'id' as travels \gset
select pg_temp.act_as(:'eve');
select analytics.add_account(platform => 'instagram', handle => 'eve') ->> 'id' as eves \gset
select pg_temp.act_as_superuser();
select a.workspace_id as ws from analytics.social_accounts a where a.id = :'bakes' \gset

-- A post of an account, past the functions that record.
create function pg_temp.post_of(account uuid, number integer, posted timestamptz, likes bigint, reach bigint, kind text default 'photo', tags text[] default '{}', comments bigint default 0)
returns void language sql as $$
  insert into analytics.top_content (workspace_id, social_account_id, platform_post_id, media_type, posted_at, hashtags, likes_count, comments_count, shares_count, saves_count, reach, engagement_rate,
    engagement_rate_by_views, captured_at)
  select a.workspace_id, a.id, 'p' || number, kind, posted, tags, likes, comments, 0, 0, reach, analytics.engagement_rate(likes, comments, 0, 0, reach), analytics.engagement_rate_by_views(likes, comments, 0, 0, reach * 2), posted + interval '2 days'
  from analytics.social_accounts a where a.id = account
$$;

-- Best posting times: 10 posts of 2 % on Mondays at 9, 2 of 6 % on Tuesdays at 18, one of unknown reach; another account's do not count.
select pg_temp.post_of(:'bakes', n, timestamptz '2026-01-05 09:30Z' + n * interval '7 days', 20, 1000, 'photo', array['Bread']) from generate_series(0, 9) n \g /dev/null
select pg_temp.post_of(:'bakes', 100 + n, timestamptz '2026-01-06 18:00Z' + n * interval '7 days', 60, 1000, 'reel', array['bread', 'rye', 'rye']) from generate_series(0, 1) n \g /dev/null
select pg_temp.post_of(:'bakes', 200, '2026-01-07 12:00Z', 60, null, 'reel', array['rye']);
select pg_temp.post_of(:'eves', n, timestamptz '2026-01-05 09:30Z' + n * interval '1 hour', 900, 1000) from generate_series(0, 50) n \g /dev/null
\set period '''2026-01-01'', ''2026-04-01'''

select pg_temp.act_as(:'ada');
select results_eq(format('select weekday, hour, posts, round(mean_rate::numeric, 6), round(score::numeric, 6), place from analytics.best_posting_times(%L, ''UTC'', ''2026-01-01'', ''2026-04-01'') where posts > 0', :'bakes'),
  -- mean of all = (10 * 2 + 2 * 6) / 12 = 2.666667; (20 + 5 * 2.666667) / 15; (12 + 5 * 2.666667) / 7
  $$values (1, 9, 10::bigint, 2.000000, 2.222222, 2::bigint), (2, 18, 2::bigint, 6.000000, 3.619048, 1::bigint)$$, 'scores are drawn towards the mean of the account, as the formula says');
select is((select count(*) || ' ' || count(score) || ' ' || min(posts_of_all) || ' ' || min(prior) from analytics.best_posting_times(:'bakes', 'UTC', :period)), '168 2 12 5', 'all 168 hours have a row; those without posts have no score');
select is((select reason from analytics.best_posting_times(:'bakes', 'UTC', :period) where weekday = 3 and hour = 12), 'no post of known rate at this hour', 'a post of unknown reach counts for nothing, and the hour says why');
select is((select distinct last_captured_at from analytics.best_posting_times(:'bakes', 'UTC', :period)), '2026-03-11 09:30Z'::timestamptz, 'the newest capture is told');
select is((select score from analytics.best_posting_times(:'bakes', 'UTC', :period, prior_posts => 0) where weekday = 2 and hour = 18), (select mean_rate from analytics.best_posting_times(:'bakes', 'UTC', :period) where weekday = 2 and hour = 18),
  'without prior posts the score is the mean');
select is((select posts from analytics.best_posting_times(:'bakes', 'Asia/Tokyo', :period) where weekday = 1 and hour = 18), 10::bigint, 'hours are those of the zone');
select is((select count(score) || ' ' || count(mean_rate) from analytics.best_posting_times(:'bakes', 'UTC', '2026-01-01', '2026-02-01')), '0 2', 'with fewer than ten posts nothing is scored');
select is((select distinct reason from analytics.best_posting_times(:'bakes', 'UTC', '2026-01-01', '2026-02-01') where posts > 0), '6 posts of this time have a known rate by reach; at least 10 are needed', 'and it says so');
select is((select distinct posts_of_all from analytics.best_posting_times(:'bakes', 'UTC', :period, by => 'views')) || ' ' || (select distinct posts_of_all from analytics.best_posting_times(:'bakes', 'UTC', :period, by => 'followers')), '12 0',
  'the denominator is the one asked for');
select is((select sum(posts) from analytics.best_posting_times(:'travels')), 0::numeric, 'an account without posts has 168 hours of nothing');
select is((select count(distinct reason) from analytics.best_posting_times(:'travels')), 1::bigint, 'and the reason');

-- Daylight saving: 12:00 local each day around all four changes.
select pg_temp.act_as_superuser();
create temp table changes (zone text, first timestamp);
insert into changes values ('Europe/Berlin', '2025-03-20'), ('Europe/Berlin', '2025-10-17'), ('America/New_York', '2025-03-01'), ('America/New_York', '2025-10-24');
grant select on changes to public;
select pg_temp.post_of(:'travels', 1000 + d, (c.first + interval '12 hours' + d * interval '1 day') at time zone c.zone, 10, 1000)
from changes c, generate_series(0, 19) d where c.first = '2025-03-20' \g /dev/null
select pg_temp.act_as(:'ada');
select is((select sum(posts) || ' ' || min(hour) || ' ' || max(hour) from analytics.best_posting_times(:'travels', 'Europe/Berlin', '2025-03-20', '2025-04-09') where posts > 0), '20 12 12', 'Berlin, March: noon stays noon');
select is((select sum(posts) || ' ' || min(hour) || ' ' || max(hour) from analytics.best_posting_times(:'travels', 'UTC', '2025-03-20', '2025-04-09') where posts > 0), '20 10 11', 'which in UTC are two hours');
select pg_temp.act_as_superuser();
select pg_temp.post_of(:'travels', 2000 + d + 100 * o::integer, (c.first + interval '12 hours' + d * interval '1 day') at time zone c.zone, 10, 1000)
from (select *, row_number() over () as o from changes) c, generate_series(0, 19) d where c.first <> '2025-03-20' \g /dev/null
-- The hour that comes twice and the one that is left out.
select pg_temp.post_of(:'bakes', 301, '2025-10-26 00:30Z', 10, 1000), pg_temp.post_of(:'bakes', 302, '2025-10-26 01:30Z', 10, 1000), pg_temp.post_of(:'bakes', 303, '2025-03-30 00:30Z', 10, 1000), pg_temp.post_of(:'bakes', 304, '2025-03-30 01:30Z', 10, 1000) \g /dev/null
select pg_temp.act_as(:'ada');
select is((select sum(posts) || ' ' || min(hour) || ' ' || max(hour) from analytics.best_posting_times(:'travels', c.zone, c.first at time zone c.zone, (c.first + interval '20 days') at time zone c.zone) where posts > 0 and hour = 12), '20 12 12',
  format('%s from %s: noon stays noon', c.zone, c.first::date)) from changes c where c.zone = 'America/New_York' or c.first = '2025-10-17';
select results_eq(format('select hour, posts from analytics.best_posting_times(%L, ''Europe/Berlin'', ''2025-10-25'', ''2025-10-27'') where posts > 0', :'bakes'), 'values (2, 2::bigint)', 'the hour that comes twice is one hour of the day');
select results_eq(format('select hour, posts from analytics.best_posting_times(%L, ''Europe/Berlin'', ''2025-03-29'', ''2025-03-31'') where posts > 0', :'bakes'), 'values (1, 1::bigint), (3, 1::bigint)', 'and the one that is left out stays empty');

-- Kinds.
select results_eq(format('select media_type, posts, round(share::numeric, 4), posts_with_rate, round(ratio_of_sums::numeric, 4), round(mean_of_ratios::numeric, 4), posts_with_reach, median_reach, reason from analytics.content_mix(%L, ''2026-01-01'', ''2026-04-01'')', :'bakes'),
  $$values ('photo', 10::bigint, 0.7692, 10::bigint, 2.0000, 2.0000, 10::bigint, 1000::double precision, null), ('reel', 3, 0.2308, 2, 6.0000, 6.0000, 2, 1000, null)$$, 'kinds with number, share and rates; unknown reach is no zero');
select pg_temp.act_as_superuser();
select pg_temp.post_of(:'travels', 9001, '2024-01-01 12:00Z', 100, 1000), pg_temp.post_of(:'travels', 9002, '2024-01-02 12:00Z', 50, 10000), pg_temp.post_of(:'travels', 9003, '2024-01-03 12:00Z', null, 10000, 'story') \g /dev/null
select pg_temp.post_of(:'travels', 9004, '2024-01-03 12:00Z', 1, 0, null);
select pg_temp.act_as(:'ada');
select is((select round(ratio_of_sums::numeric, 4) || ' ' || round(mean_of_ratios::numeric, 4) from analytics.content_mix(:'travels', '2024-01-01', '2024-02-01') where media_type = 'photo'), '1.3636 5.2500', 'ratio of sums and mean of ratios are two numbers');
select results_eq(format('select media_type, ratio_of_sums, mean_of_ratios, reason from analytics.content_mix(%L, ''2024-01-01'', ''2024-02-01'') where media_type <> ''photo'' order by 1', :'travels'),
  $$values ('story', null::double precision, null::double precision, 'no post of this kind shows all its counts and its reach'), ('unknown', null, null, 'no post of this kind shows all its counts and its reach')$$, 'hidden likes and a reach of zero give no rate, and the reason');
select is_empty(format('select * from analytics.content_mix(%L, ''2020-01-01'', ''2020-02-01'')', :'travels'), 'no posts, no rows');

-- Hashtags.
select results_eq(format('select hashtag, posts, round(mean_rate::numeric, 4), posts_without, round(mean_rate_without::numeric, 4), round(lift::numeric, 4), prior, reason from analytics.hashtag_performance(%L, ''2026-01-01'', ''2026-04-01'', 2)', :'bakes'),
  -- (6 / 2 - 1) * 2 / 7
  $$values ('rye', 2::bigint, 6.0000, 10::bigint, 2.0000, 57.1429, 5, null), ('bread', 12, 2.6667, 0, null, null, 5, 'every post has it: there is nothing to compare with')$$,
  'lift is shrunk by n / (n + k); a tag counts once a post, in small letters; what all posts have is compared with nothing');
select is((select count(*) from analytics.hashtag_performance(:'bakes', :period)), 1::bigint, 'rare tags are left out');
select is((select lift from analytics.hashtag_performance(:'bakes', :period, 2, prior_posts => 0) where hashtag = 'rye'), 200::double precision, 'without prior posts it is the plain ratio');
select is((select reason from analytics.hashtag_performance(:'bakes', '2026-01-01', '2026-01-20', 1) where hashtag = 'rye'), '5 posts of this time have a known rate by reach; at least 10 are needed', 'too few posts, and the reason');

-- Rhythm.
select results_eq(format('select posts, round(posts_per_week::numeric, 4), median_gap_days, longest_gap_days, longest_gap_from, consistency, posts_by_weekday, days_with_posts, reason from analytics.posting_cadence(%L, ''2026-01-20'', ''2026-04-01'')', :'bakes'),
  $$values (7::bigint, 1.0000, 7::double precision, 7::double precision, '2026-01-26 09:30Z'::timestamptz, 1::double precision, '{7,0,0,0,0,0,0}'::bigint[], 7::bigint, null)$$, 'a clock has consistency 1');
select results_eq(format('select posts, posts_per_week, consistency, reason from analytics.posting_cadence(%L, ''2019-01-01'', ''2019-02-01'')', :'bakes'), $$values (0::bigint, null::double precision, null::double precision, 'no post of this time is known')$$, 'no posts: one row that says so');
select is((select round(consistency::numeric, 6) || ' ' || posts || ' ' || posts_by_weekday::text from analytics.posting_cadence(:'bakes', '2026-01-01', '2026-01-20')),
  -- Gaps of 32.5, 18, 117.5, 32.5 and 135.5 hours.
  (select round((1 - stddev_samp(h) / avg(h))::numeric, 6) from unnest(array[32.5, 18, 117.5, 32.5, 135.5]) h) || ' 6 {3,2,1,0,0,0,0}', 'consistency is 1 - standard deviation / mean of the gaps');
select is((select posts || ' ' || (posts_per_week is not null) || ' ' || reason from analytics.posting_cadence(:'bakes', '2026-01-01', '2026-01-15')), '5 true consistency needs six posts', 'five posts are too few for a consistency');
select is((select posts_per_week from analytics.posting_cadence(:'bakes', '2026-01-05', '2026-01-07')), null, 'two for a number a week');
select is((select posts_by_weekday from analytics.posting_cadence(:'bakes', '2026-01-01', '2026-01-20', 'Pacific/Kiritimati')), '{3,0,2,1,0,0,0}'::bigint[], 'weekdays are those of the zone');

-- Refusals.
select throws_ok(format(q, :'bakes'), 'PT400', null, 'refused: ' || q) from unnest(array[
  'select analytics.best_posting_times(%L, ''Mars/Olympus'')', 'select analytics.best_posting_times(%L, null)', 'select analytics.best_posting_times(%L, ''UTC+3; drop'')', 'select analytics.best_posting_times(%L, by => ''likes'')',
  'select analytics.best_posting_times(%L, by => null)', 'select analytics.best_posting_times(%L, prior_posts => -1)', 'select analytics.best_posting_times(%L, since => now(), until => now())',
  'select analytics.content_mix(%L, ''2026-02-01'', ''2026-01-01'')', 'select analytics.content_mix(%L, ''-infinity'')', 'select analytics.hashtag_performance(%L, minimum_posts => 0)', 'select analytics.hashtag_performance(%L, by => '''')',
  'select analytics.hashtag_performance(%L, prior_posts => 1001)', 'select analytics.posting_cadence(%L, timezone => ''nowhere'')']) q;
select throws_ok(format('select * from analytics.%s(%L)', f, a), 'PT404', null, format('%s of %s is NOT_FOUND', f, w))
from unnest(array['best_posting_times', 'content_mix', 'hashtag_performance', 'posting_cadence']) f, (values (:'eves', 'another tenant''s account'), ('0195c3a0-0000-7000-8000-00000000dead', 'no account')) v (a, w);
select pg_temp.act_with('', 'anon');
select throws_ok(format('select * from analytics.%s(%L)', f, :'bakes'), 'PT401', null, format('%s needs a user', f)) from unnest(array['best_posting_times', 'content_mix', 'hashtag_performance', 'posting_cadence']) f;

-- Explained.
select pg_temp.act_as(:'ada');
select is(array(select distinct denominator from analytics.number_formulas where number ~ '^(best_posting_times|hashtag_performance)\.mean_'), array['as asked for: reach, followers or views of each post'], 'rates are by what was asked for');
select is(analytics.explain('best_posting_times.score', :'bakes', '2026-01-01', '2026-04-01') #>> '{rows,top_content,rows}', '13', 'explain() shows the posts behind a score');
select is_empty($$select number from analytics.number_formulas where split_part(number, '.', 1) in ('best_posting_times', 'content_mix', 'hashtag_performance', 'posting_cadence') and not exists (
  select from pg_proc p where p.pronamespace = 'analytics'::regnamespace and p.proname = split_part(number, '.', 1) and split_part(number, '.', 2) = any (p.proargnames))$$, 'each formula is of a column that is there');

select * from finish();
rollback;
