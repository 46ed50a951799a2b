-- What is derived of creators: rhythm, engagement by type, growth, media value, audience quality; related profiles; sentiment.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob \gset
select pg_temp.act_as_superuser();

create function pg_temp.creator(name text, followers bigint, following bigint default 100, seen timestamptz default '2026-05-01') returns uuid language sql as $$
  insert into analytics.profiles (username, followers_count, following_count, captured_at, posts_captured_at) values (name, followers, following, seen, seen) returning id
$$;
create function pg_temp.put_post(owner uuid, number integer, posted timestamptz, likes bigint, comments bigint, extra jsonb default '{}') returns uuid language sql as $$
  insert into analytics.profile_posts (profile_id, instagram_post_id, shortcode, media_type, product_type, likes_count, comments_count, engagement_rate_by_followers, posted_at, captured_at, hashtags, is_pinned, video_view_count, video_play_count, coauthor_producers)
  select p.id, p.username || number, p.username || number, coalesce(extra ->> 'type', 'GraphImage'), extra ->> 'product', likes, comments, analytics.engagement_rate_by_followers(likes, comments, p.followers_count), posted,
    coalesce((extra ->> 'captured_at')::timestamptz, p.captured_at), array(select jsonb_array_elements_text(coalesce(extra -> 'hashtags', '[]'))), (extra ->> 'pinned')::boolean, (extra ->> 'views')::bigint, (extra ->> 'plays')::bigint, extra -> 'coauthors'
  from analytics.profiles p where p.id = owner returning id
$$;
create function pg_temp.derived(owner uuid) returns analytics.creator_metadata language sql as $$ select m from analytics.creator_metadata m where m.profile_id = owner $$;
delete from analytics_private.creators_due;

-- Media value: the vectors of the published formula ------------------------------------------------------------------------

select pg_temp.act_as(:'ada');
select is(analytics.estimated_media_value('instagram', 'video', views => 250000) - 'source', '{"kind": "estimate", "low": 2125.00, "mid": 2500.00, "high": 2875.00, "currency": "USD", "basis": "views", "cpm": 10, "country": null, "valid_from": "2026-06-24", "reason": null}'::jsonb,
  '250 000 views at CPM 10 are 2500, 15 % up and down');
select is((analytics.estimated_media_value('instagram', 'still', interactions => 1000) ->> 'mid')::numeric, 87.0, '1000 interactions at CPM 10 are 87');
select is((analytics.estimated_media_value('Instagram', 'story', followers => 50000) ->> 'mid')::numeric, 15.0, 'a story of 50 000 followers is 15: no floor');
select is((analytics.estimated_media_value('tiktok', 'video', views => 1000) ->> 'mid')::numeric, 5.0, 'TikTok''s CPM');
select is((analytics.estimated_media_value('youtube', 'video', views => 1000) ->> 'mid')::numeric, 20.0, 'YouTube''s CPM');
select is(analytics.estimated_media_value('instagram', 'video', interactions => 1000) ->> 'basis', 'interactions', 'unknown views of a video: by its interactions');
select is((analytics.estimated_media_value('instagram', 'video', views => 0, interactions => 1000) ->> 'mid')::numeric, 0.0, 'no views are not unknown views');
select is(analytics.estimated_media_value('instagram', 'still', views => 5000) ->> 'reason', 'no count that this format is valued by is known', 'unknown counts: no value, and why');
select is(analytics.estimated_media_value('instagram', 'still') -> 'mid', 'null'::jsonb, 'which is not 0');
select is(analytics.estimated_media_value('linkedin', 'video', views => 1) ->> 'reason', 'no rate is known for this platform and format', 'a platform without a rate');
select is((analytics.estimated_media_value('instagram', 'video', views => 9223372036854775807) ->> 'mid')::numeric, 10000000.0, 'the published cap');
select throws_ok(q, 'PT400', null, 'refused: ' || q) from unnest(array['select analytics.estimated_media_value(''instagram'', ''reel'')', 'select analytics.estimated_media_value(''instagram'', null)', 'select analytics.estimated_media_value(''instagram'', ''still'', interactions => -1)']) q;
select throws_ok('insert into analytics.media_value_rates (platform, format, cpm, currency, band, source, valid_from) values (''x'', ''video'', 1, ''USD'', 0.1, ''me'', now())', '42501', null, 'users change no rates');
select throws_ok('update analytics.score_weights set weight = 1', '42501', null, 'nor weights');
select pg_temp.act_with('{"role": "service_role"}', 'service_role');
insert into analytics.media_value_rates (platform, format, country, cpm, currency, views_per_follower, minimum_value, band, source, valid_from) values ('instagram', 'story', 'DE', 10, 'EUR', 0.03, 25, 0.2, 'test', '2026-01-01'), ('instagram', 'story', 'DE', 99, 'EUR', 0.03, null, 0.2, 'test', '2999-01-01');
select pg_temp.act_as(:'ada');
select is(analytics.estimated_media_value('instagram', 'story', followers => 50000, country => 'de') - 'kind' - 'valid_from' - 'reason', '{"low": 20.00, "mid": 25.00, "high": 30.00, "currency": "EUR", "basis": "followers", "cpm": 10, "country": "DE", "source": "test"}'::jsonb,
  'a country''s own rate goes first, its floor lifts 15 to 25; a rate of the future does not count');

-- Rhythm, engagement, value ------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
select pg_temp.creator('baker', 1000) as baker, pg_temp.creator('single', 1000) as single, pg_temp.creator('empty', 1000) as empty_one, pg_temp.creator('hidden', 1000) as hidden \gset
insert into analytics.profile_history (profile_id, captured_at, followers_count) values (:'baker', '2025-12-01', 1), (:'baker', '2026-04-10', 500), (:'baker', '2026-04-17', 1000), (:'baker', '2026-04-24', 1000), (:'baker', '2026-05-01', 1000);
-- Every three days, six of them, then one after six days; a pinned one from years ago.
select pg_temp.put_post(:'baker', n, timestamptz '2026-04-01 12:00Z' + n * interval '3 days', 90, 10, '{"hashtags": ["bread", "rye"]}') from generate_series(0, 5) n \g /dev/null
select pg_temp.put_post(:'baker', 6, timestamptz '2026-04-22 12:00Z', 190, 10, '{"type": "GraphVideo", "product": "clips", "views": 5000, "hashtags": ["bread"]}') as reel,
  pg_temp.put_post(:'baker', 7, timestamptz '2020-01-01', null, 10, '{"pinned": true, "type": "GraphSidecar"}') as pinned \gset
select pg_temp.put_post(:'single', 1, '2026-04-01', 5, 5), pg_temp.put_post(:'hidden', 1, '2026-04-01', null, 5), pg_temp.put_post(:'hidden', 2, '2026-04-02', null, 5) \g /dev/null
insert into analytics.mentions (profile_id, post_id, mentioned_username, mention_type, mentioned_at) select p.profile_id, p.id, v.name, v.type, p.posted_at from analytics.profile_posts p, (values ('mill', 'tag'), ('mill', 'caption')) v (name, type) where p.shortcode in ('baker1', 'baker2');
insert into analytics.mentions (profile_id, post_id, mentioned_username, mention_type, mentioned_at) values (:'baker', :'reel', 'near', 'tag', now());
insert into analytics.creator_metadata (profile_id, primary_language) values (:'baker', 'de');
insert into analytics.profiles (username) values ('waiting');

select is(analytics_private.derive_creator_metadata(), 4::bigint, 'all profiles that were ever captured are derived');
select is((m).primary_language, 'de', 'what the application wrote stays') from pg_temp.derived(:'baker') m;
select is((m).posts_analyzed || ' ' || (m).gaps_counted || ' ' || (m).median_gap_days, '8 6 3', 'a pinned post of old is no gap') from pg_temp.derived(:'baker') m;
select is(round((m).posts_per_week::numeric, 6), round(6 * 7 / 21.0, 6), 'posts a week: gaps by weeks') from pg_temp.derived(:'baker') m;
select is(round((m).posting_consistency::numeric, 6), (select round((1 - stddev_samp(g) / avg(g))::numeric, 6) from unnest(array[3, 3, 3, 3, 3, 6]) g), 'consistency') from pg_temp.derived(:'baker') m;
select is((m).engagement_by_type, '{"photo": {"posts": 6, "posts_with_rate": 6, "mean_rate": 10, "median_rate": 10, "ratio_of_sums": 10}, "reel": {"posts": 1, "posts_with_rate": 1, "mean_rate": 20, "median_rate": 20, "ratio_of_sums": 20},
  "carousel": {"posts": 1, "posts_with_rate": 0, "mean_rate": null, "median_rate": null, "ratio_of_sums": null}}'::jsonb, 'engagement by type; hidden likes are counted, not rated') from pg_temp.derived(:'baker') m;
select is((m).top_hashtags, '[{"hashtag": "bread", "posts": 7}, {"hashtag": "rye", "posts": 6}]'::jsonb, 'hashtags by posts') from pg_temp.derived(:'baker') m;
select is((m).top_mentions, '[{"username": "mill", "posts": 2}, {"username": "near", "posts": 1}]'::jsonb, 'mentions by posts, each post once') from pg_temp.derived(:'baker') m;
select is(round((m).weekly_growth_rate::numeric, 4), round(100 * (2 ^ (1 / 3.0) - 1)::numeric, 4), 'growth is compound over three weeks') from pg_temp.derived(:'baker') m;
select is((m).follower_growth - 'from' - 'to', '{"start": 500, "end": 1000, "captures": 4, "weeks": 3, "largest_gap_days": 7}'::jsonb, 'over the captures of 90 days, with the largest gap') from pg_temp.derived(:'baker') m;
-- Six stills of 100 interactions at 0.087 each, a reel of 5000 views at 0.01; the one with hidden likes has no value.
select is((m).media_value_mid || ' ' || (m).media_value_low || ' ' || (m).media_value_high || ' ' || (m).media_value_currency, round((6 * 8.7 + 50) / 7, 2) || ' ' || round((6 * 8.7 + 50) / 7 * 0.85, 2) || ' ' || round((6 * 8.7 + 50) / 7 * 1.15, 2) || ' USD', 'the mean value of a post with its band') from pg_temp.derived(:'baker') m;
select is((m).media_value - 'rates', '{"kind": "estimate", "per": "post", "posts": 7, "posts_without_value": 1, "from_views": 1, "from_interactions": 6}'::jsonb, 'says it is an estimate and of how many posts') from pg_temp.derived(:'baker') m;
select is((select jsonb_agg(r -> 'format') from jsonb_array_elements((m).media_value -> 'rates') r where r ? 'source' and r ? 'valid_from'), '["still", "video"]'::jsonb, 'and by which rates of which date') from pg_temp.derived(:'baker') m;
select is((m).captured_at, '2026-05-01'::timestamptz, 'says when the newest input was captured') from pg_temp.derived(:'baker') m;
select is((m).reasons, '{}'::jsonb, 'nothing is unknown without a reason, and nothing known has one') from pg_temp.derived(:'baker') m;

-- What is unknown.
select is((m).reasons - 'audience_quality_score', '{"posts_per_week": "fewer than three posts at different times are known", "posting_consistency": "fewer than six posts are known", "engagement_by_type": "no post is known",
  "weekly_growth_rate": "followers were never captured", "media_value_mid": "no post is known"}'::jsonb, 'without posts and captures nothing is known, each with its reason') from pg_temp.derived(:'empty_one') m;
select is(num_nonnulls((m).posts_per_week, (m).median_gap_days, (m).posting_consistency, (m).engagement_by_type, (m).top_hashtags, (m).top_mentions, (m).weekly_growth_rate, (m).media_value_mid, (m).media_value_currency, (m).audience_quality_score), 0, 'and no zero stands for it')
  from pg_temp.derived(:'empty_one') m;
select is((m).top_hashtags::text || ' ' || (m).posts_analyzed, '[] 1', 'a post without hashtags is known to have none') from pg_temp.derived(:'single') m;
select is((m).media_value_mid, null, 'hidden likes are never 0') from pg_temp.derived(:'hidden') m;
select is((m).reasons ->> 'media_value_mid', 'no post shows the counts that it could be valued by', 'and it says so') from pg_temp.derived(:'hidden') m;
select is_empty($$select profile_id from analytics.creator_metadata m cross join unnest(array['posts_per_week', 'posting_consistency', 'engagement_by_type', 'weekly_growth_rate', 'media_value_mid', 'audience_quality_score']) c
  where (to_jsonb(m) -> c = 'null') <> (m.reasons ? c)$$, 'a column is null where it has a reason, and only there');

-- Audience quality ---------------------------------------------------------------------------------------------------------

select pg_temp.creator('crowd' || n, 2000 + n) from generate_series(1, 40) n \g /dev/null
update analytics.profiles p set engagement_rate_by_followers = substring(p.username from 6)::integer / 10.0 where p.username like 'crowd%';
select is(analytics_private.refresh_size_tiers(), 6::bigint, 'tiers are measured');
select results_eq('select tier::integer, profiles, rates is not null from analytics.size_tiers order by tier', $$values (0, 0::bigint, false), (1, 40, true), (2, 0, false), (3, 0, false), (4, 0, false), (5, 0, false)$$, 'a tier of fewer than thirty tells nothing');
select pg_temp.creator('judged', 2000, 2500) as judged \gset
update analytics.profiles p set engagement_rate_by_followers = 1.0 where p.id = :'judged';
select pg_temp.put_post(:'judged', n, timestamptz '2026-04-01' + n * interval '1 day', case when n % 2 = 0 then 900 else 1100 end, 2) from generate_series(1, 6) n \g /dev/null
insert into analytics.profile_history (profile_id, captured_at, followers_count) values (:'judged', '2026-04-01', 1000), (:'judged', '2026-04-02', 1060), (:'judged', '2026-04-12', 1900), (:'judged', '2026-05-01', 2000);
select analytics_private.derive_creator_metadata(array[:'judged'::uuid]);
select pg_temp.derived(:'judged') as m \gset
-- 0.2 comments a thousand likes / 5; 1.25 followed a follower between 2 and 0.5; 7.9 % a day; the 10th of 40 in the lower quarter.
select is((:'m'::analytics.creator_metadata).audience_quality #> '{signals,comments_per_like}', '{"value": 0.002, "score": 0.4, "weight": 0.2, "sample": 6, "unit": "ratio", "reason": null}'::jsonb, 'comments for likes');
select is((:'m'::analytics.creator_metadata).audience_quality #>> '{signals,following_per_follower,score}', '0.5', 'followed for followers');
select is(round(((:'m'::analytics.creator_metadata).audience_quality #>> '{signals,growth_spike,value}')::numeric, 4), round(100 * 840 / 1060.0 / 10, 4), 'the steepest rise, a day');
select is((:'m'::analytics.creator_metadata).audience_quality #>> '{signals,engagement_for_size,value}', '0.2', 'the place among accounts of its size');
select is(round(((:'m'::analytics.creator_metadata).audience_quality #>> '{signals,likes_variation,value}')::numeric, 6), (select round((stddev_samp(l) / 1000)::numeric, 6) from unnest(array[900, 1100, 900, 1100, 900, 1100]) l), 'how likes vary');
select is(round((:'m'::analytics.creator_metadata).audience_quality_score::numeric, 10), (
  select round((sum((s.value ->> 'weight')::numeric * (s.value ->> 'score')::numeric) / sum((s.value ->> 'weight')::numeric)), 10) from jsonb_each((:'m'::analytics.creator_metadata).audience_quality -> 'signals') s), 'the score is the weighted mean of the signals');
select is((select jsonb_object_agg(w.part, w.weight) from analytics.score_weights w where w.score = 'audience_quality'), (select jsonb_object_agg(s.key, s.value -> 'weight') from jsonb_each((:'m'::analytics.creator_metadata).audience_quality -> 'signals') s), 'by the published weights');
select is((:'m'::analytics.creator_metadata).audience_quality - 'signals' - 'score' - 'weights', '{"kind": "estimate", "signals_known": 5, "posts": 6, "captures": 4}'::jsonb, 'with its sample, and called an estimate');
update analytics.score_weights w set weight = 0 where w.part = 'engagement_for_size';
select analytics_private.derive_creator_metadata(array[:'judged'::uuid]);
select isnt((m).audience_quality_score, (:'m'::analytics.creator_metadata).audience_quality_score, 'weights are data') from pg_temp.derived(:'judged') m;
select is((m).audience_quality_score, null, 'below three signals there is no score') from pg_temp.derived(:'single') m;
select is((m).reasons ->> 'audience_quality_score', '1 of 5 signals are known; at least 3 are needed', 'and it says why') from pg_temp.derived(:'single') m;
select is((m).audience_quality #>> '{signals,likes_variation,reason}', 'a sample of 1; at least 6 are needed', 'as does each signal') from pg_temp.derived(:'single') m;
-- Likes that are all 0 have no ratio of comments to likes; that is no score of 0.
select pg_temp.creator('liked.by.none', 0, 0) as nobody \gset
select pg_temp.put_post(:'nobody', n, timestamptz '2026-04-01' + n * interval '1 day', 0, 0) from generate_series(1, 8) n \g /dev/null
insert into analytics.profile_history (profile_id, captured_at, followers_count) select :'nobody', timestamptz '2026-04-01' + n * interval '5 days', 0 from generate_series(0, 5) n;
select lives_ok(format('select analytics_private.derive_creator_metadata(array[%L::uuid])', :'nobody'), 'nothing divides by nothing');
select is((select count(*) from jsonb_each((m).audience_quality -> 'signals') s where s.value -> 'score' <> 'null'), 0::bigint, 'undefined signals are unknown, not 0') from pg_temp.derived(:'nobody') m;
select is((m).reasons ->> 'weekly_growth_rate', 'there were no followers at the start', 'nor does growth begin at nothing') from pg_temp.derived(:'nobody') m;

-- Absurd counts.
select pg_temp.creator('absurd', 9223372036854775807, 9223372036854775807) as absurd \gset
select pg_temp.put_post(:'absurd', n, timestamptz '2026-04-01' + n * interval '1 day', 9223372036854775807, 9223372036854775807, '{"views": 9223372036854775807}') from generate_series(1, 8) n \g /dev/null
insert into analytics.profile_history (profile_id, captured_at, followers_count) select :'absurd', timestamptz '2026-04-01' + n * interval '5 days', case when n % 2 = 0 then 9223372036854775807 else 1 end from generate_series(0, 5) n;
select lives_ok(format('select analytics_private.derive_creator_metadata(array[%L::uuid])', :'absurd'), 'the largest counts keep nobody from being derived');
select is((m).media_value_mid, 10000000.00, 'and are worth the ceiling') from pg_temp.derived(:'absurd') m;

-- One statement for many is the same as one by one.
create temp table together as select m.profile_id, to_jsonb(m) - 'derived_at' - 'last_updated' as content from analytics.creator_metadata m where false;
select analytics_private.derive_creator_metadata() \g /dev/null
insert into together select m.profile_id, to_jsonb(m) - 'derived_at' - 'last_updated' from analytics.creator_metadata m;
select analytics_private.derive_creator_metadata(array[p.id]) from analytics.profiles p \g /dev/null
select results_eq('select m.profile_id, to_jsonb(m) - ''derived_at'' - ''last_updated'' from analytics.creator_metadata m order by 1', 'select * from together order by 1', 'one by one and all together are the same');
select is(analytics_private.derive_creator_metadata('{}'), 0::bigint, 'none of none');
select is(analytics_private.derive_creator_metadata(array[null, gen_random_uuid()]), 0::bigint, 'unknown profiles are passed over');

-- The queue: an ingest adds to it, whoever keeps the house takes from it.
select pg_temp.ingest(pg_temp.account('77', 'fresh', 500, array[pg_temp.post(1, '77', 'fresh', now() - interval '1 day', 10, 1, '#bread with @mill')])) as fresh \gset
select pg_temp.ingest(pg_temp.account('77', 'fresh', 510, array[pg_temp.post(1, '77', 'fresh', now() - interval '1 day', 11, 1, '#bread with @mill')])) \g /dev/null
select is((select count(*) from analytics_private.creators_due), 2::bigint, 'a capture puts its profile on the list');
select is(analytics_private.derive_due_creators(), 2::bigint, 'from which it is taken');
select is((m).top_hashtags || (m).top_mentions, '[{"hashtag": "bread", "posts": 1}, {"username": "mill", "posts": 1}]'::jsonb, 'from what was stored') from pg_temp.derived(:'fresh') m;
select is(analytics_private.derive_due_creators(), 0::bigint, 'and then the list is empty');
select pg_temp.ingest(pg_temp.account('77', 'fresh', 520)) \g /dev/null
select is(analytics_private.maintain() ->> 'creators', '1', 'upkeep derives as well');
select analytics_private.erase_person('mill', 'case 1') \g /dev/null
select is_empty($$select profile_id from analytics.creator_metadata m where m.top_mentions::text ~ 'mill'$$, 'who was removed on request is in no creator''s mentions');
select is((m).top_mentions, '[{"username": "near", "posts": 1}]'::jsonb, 'the others stay') from pg_temp.derived(:'baker') m;
select pg_temp.act_as(:'ada');
select throws_ok('select analytics_private.derive_creator_metadata()', '42501', null, 'users derive nothing');
select is((select count(*) from analytics.creator_metadata), 0::bigint, 'and see nothing without a window');

-- Related profiles ---------------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
select pg_temp.creator('shown', 1000) as shown, pg_temp.creator('friend', 1200) as friend, pg_temp.creator('locked', 1100) as locked \gset
insert into analytics.related_profiles (profile_id, related_username, related_full_name, related_followers_count, rank, discovered_at) values (:'shown', 'friend', 'Friend', 1200, 2, '2026-05-01'), (:'shown', 'locked', 'Locked', null, 1, '2026-05-01');
select pg_temp.put_post(:'shown', 1, '2026-04-01', 5, 5, '{"hashtags": ["a", "b", "c"], "coauthors": [{"id": "5", "username": "friend"}, {"username": "shown"}]}') as post \gset
insert into analytics.mentions (profile_id, post_id, mentioned_username, mention_type, mentioned_at) values (:'shown', :'post', 'friend', 'tag', now()), (:'shown', :'post', 'stranger', 'caption', now());
select pg_temp.put_post(:'friend', 1, '2026-04-01', 5, 5, '{"hashtags": ["b", "c", "d"]}') as friends, pg_temp.put_post(:'locked', 1, '2026-04-01', 5, 5, '{"hashtags": ["a", "b", "c"]}') as lockeds \gset
insert into analytics.mentions (profile_id, post_id, mentioned_username, mention_type, mentioned_at) values (:'friend', :'friends', 'shown', 'tag', now()), (:'locked', :'lockeds', 'shown', 'tag', now());
select pg_temp.put_window(:'ada', :'shown', '-1 day', '1 day'), pg_temp.put_window(:'ada', :'friend', '-1 day', '1 day'), pg_temp.put_window(:'bob', :'shown', '-1 day', '1 day'), pg_temp.put_window(:'bob', :'locked', '-2 days', '-1 day') \g /dev/null
update analytics.score_weights w set weight = 0.35 where w.part = 'engagement_for_size';
select pg_temp.act_as(:'ada');
select results_eq('select related_username, place, is_open, followers_count, reasons from analytics.related_profiles_ranked(''@Shown'')', $$values
  ('friend', 1::bigint, true, 1200::bigint, array['shares 2 of 4 hashtags', 'suggested by Instagram at rank 2 of 2', 'of similar size: 1200 and 1000 followers', 'wrote 1 of the stored posts together', 'mentioned in 1 of the stored posts', 'mentions this profile in 1 of its stored posts']),
  ('locked', 2, false, null, array['suggested by Instagram at rank 1 of 2']), ('stranger', 3, false, null, array['mentioned in 1 of the stored posts'])$$, 'related profiles come with the reasons in words, the weightiest first');
select is((select round(score::numeric, 6) from analytics.related_profiles_ranked('shown') where related_username = 'friend'),
  round(0.3 * 0.5 + 0.2 / 3 + 0.15 / 5 + 0.1 / 5 + 0.15 + 0.1 * (1 - log(1.2)), 6), 'the score is the sum of weights and parts');
select is((select parts -> 'shared_hashtags' from analytics.related_profiles_ranked('shown') where related_username = 'locked'), '{"value": null, "score": null, "weight": 0.15, "reason": "its window is not open"}'::jsonb, 'what a closed profile posts is unknown');
select is((select count(*) from analytics.related_profiles_ranked('shown', 2)), 2::bigint, 'page_size bounds');
select pg_temp.act_as(:'bob');
select results_eq('select related_username, is_open, parts #>> ''{mentions_back,score}'', parts #>> ''{shared_hashtags,score}'', parts #>> ''{similar_size,score}'', followers_count from analytics.related_profiles_ranked(''shown'') order by 1', $$values
  ('friend', false, null, null, (1 - abs(log(1200::double precision / 1000)))::text, 1200::bigint), ('locked', false, null, null, null, null), ('stranger', false, null, null, null, null)$$, 'nothing of a profile whose window is closed, not even when its row is there; only what stands beside the open one');
select throws_ok('select * from analytics.related_profiles_ranked(''locked'')', 'PT404', null, 'a window that has ended is NOT_FOUND');
select throws_ok('select * from analytics.related_profiles_ranked(''shown'', 0)', 'PT400', null, 'a page of nothing is refused');

-- Sentiment ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
select pg_temp.creator('heard', 1000) as heard \gset
select pg_temp.put_post(:'heard', n, timestamptz '2026-04-01' + n * interval '1 day', 5, 50) from generate_series(1, 4) n \g /dev/null
insert into analytics.comment_sentiment (post_id, profile_id, compound_score, positive_score, negative_score, neutral_score, overall_sentiment, comments_analyzed)
select p.id, p.profile_id, v.compound, v.positive, v.negative, 1 - v.positive - v.negative, v.word, v.n from analytics.profile_posts p
  join (values ('heard1', 0.75, 0.5, 0.0, 'positive', 1), ('heard2', -0.125, 0.0, 0.5, 'negative', 3), ('heard3', null, null, null, null, 0)) v (code, compound, positive, negative, word, n) on v.code = p.shortcode;
select pg_temp.put_window(:'ada', :'heard', '-1 day', '1 day') \g /dev/null
select pg_temp.act_as(:'ada');
select is(analytics.profile_sentiment('heard') - 'analyzed_at' - 'captured_at', '{"since": null, "until": null, "compound_score": 0.09375, "positive_score": 0.125, "negative_score": 0.375, "neutral_score": 0.5, "overall_sentiment": "positive",
  "comments_analyzed": 4, "comments_counted": 200, "posts_analyzed": 2, "posts_stored": 4, "positive_posts": 1, "neutral_posts": 0, "negative_posts": 1,
  "first_posted_at": "2026-04-02T00:00:00+00:00", "last_posted_at": "2026-04-03T00:00:00+00:00", "reason": null}'::jsonb, 'comments weigh alike, and it says how many were seen');
select is(analytics.profile_sentiment('heard', '2026-04-03', '2026-04-04') ->> 'compound_score', '-0.125', 'of a time: the posts of that time');
select is((select count(*) from jsonb_each(analytics.profile_sentiment('heard', '2026-04-04')) e where e.key ~ '_score$|^overall' and e.value = 'null'), 5::bigint, 'no comment seen: no score');
select is(analytics.profile_sentiment('heard', '2026-04-04') ->> 'reason', 'no comment of these posts was seen', 'and the reason');
select is(analytics.profile_sentiment('heard', '2027-01-01') ->> 'reason', 'no post of this time is known', 'of a time without posts, too');
select results_eq('select shortcode, comments_analyzed, comments_count, overall_sentiment::text from analytics.post_sentiment where shortcode like ''heard%'' order by 1', $$values ('heard1', 1, 50::bigint, 'positive'), ('heard2', 3, 50, 'negative'), ('heard3', 0, 50, null)$$, 'post_sentiment has them one by one');
select throws_ok('select analytics.profile_sentiment(''heard'', now(), now())', 'PT400', null, 'an empty time is refused');
select pg_temp.act_as(:'bob');
select throws_ok('select analytics.profile_sentiment(''heard'')', 'PT404', null, 'without a window: NOT_FOUND');
select is((select count(*) from analytics.post_sentiment), 0::bigint, 'and no row of the view');
select pg_temp.act_with('', 'anon');
select throws_ok(q, 'PT401', null, 'anon: ' || q) from unnest(array['select analytics.profile_sentiment(''heard'')', 'select analytics.related_profiles_ranked(''shown'')', 'select analytics.estimated_media_value(''instagram'', ''still'')']) q;

-- Explained.
select pg_temp.act_as(:'ada');
select is(analytics.explain('profile_sentiment.compound_score', username => 'heard', since => '2020-01-01', until => now() + interval '1 day') #>> '{rows,comment_sentiment,rows}', '3', 'explain() shows the rows behind a number');
select is_empty($$select number from analytics.number_formulas where number like 'creator_metadata.%' and not exists (
  select from pg_attribute a where a.attrelid = 'analytics.creator_metadata'::regclass and a.attname = split_part(number, '.', 2))$$, 'each formula is of a column that is there');
-- Whatever is told as a number has a formula.
select is_empty($$select c.relname || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
  where c.oid in ('analytics.creator_metadata'::regclass, 'analytics.post_sentiment'::regclass) and a.attnum > 0 and not a.attisdropped
    and a.atttypid in ('integer'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'double precision'::regtype)
    and not exists (select from analytics.number_formulas f where f.number = c.relname || '.' || a.attname)$$, 'every number of creator_metadata and post_sentiment has a formula');
select is_empty($$select v.name || '.' || e.key from (values ('profile_sentiment', analytics.profile_sentiment('heard')), ('estimated_media_value', analytics.estimated_media_value('instagram', 'video', views => 1000))) v (name, told),
    jsonb_each(v.told) e where jsonb_typeof(e.value) = 'number' and not exists (select from analytics.number_formulas f where f.number = v.name || '.' || e.key)$$, 'every number of profile_sentiment and estimated_media_value, too');
select ok(analytics.explain('estimated_media_value.low') ->> 'formula' = 'mid * (1 - band)', 'a formula of no account is told without one');

select * from finish();
rollback;
