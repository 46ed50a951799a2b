-- Real answers of 2020 to 2025, asserted by their numbers. They are not part of the project: ANALYTICS_FIXTURES says where
-- they are, or ../shared/fixtures beside the repository.
begin;
\ir helpers.psql
select no_plan();

\set present `test -d "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram" && echo true || echo false`
\if :present

create function pg_temp.totals(profile uuid) returns text language sql stable as $$
  select format('%s posts, %s likes, %s hidden, %s comments, %s views', count(*), sum(likes_count), count(*) - count(likes_count), sum(comments_count), sum(video_view_count))
  from analytics.profile_posts where profile_id = profile
$$;
create function pg_temp.counts(profile uuid) returns text language sql stable as $$
  select format('%s %s: %s followers, %s following, %s posts, %s highlights', instagram_user_id, username, followers_count, following_count, posts_count, highlight_reel_count)
  from analytics.profiles where id = profile
$$;
create function pg_temp.numbers_of(code text) returns text language sql stable as $$
  select format('%s %s likes %s comments %s views %s', instagram_post_id, media_type, likes_count, comments_count, video_view_count) from analytics.profile_posts where shortcode = code
$$;
create function pg_temp.comments_of(profile uuid) returns bigint language sql stable as $$
  select sum(comments_analyzed) from analytics.comment_sentiment where profile_id = profile
$$;

\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/decodo_user_posts_2024_nba.json"`
select pg_temp.ingest(:'payload') as nba \gset
select is((select instagram_user_id || ' ' || username from analytics.profiles where id = :'nba'), '20824486 nba', 'nba 2024: the account');
select is(pg_temp.totals(:'nba'), '12 posts, 648785 likes, 0 hidden, 4428 comments, 1454810 views', 'nba 2024: sums over its posts');
select is(pg_temp.numbers_of('C3gmbjMrTuT'), '3305811145476881299 GraphVideo likes 195866 comments 995 views 760228', 'nba 2024: a video');
select is((select posted_at from analytics.profile_posts where shortcode = 'C3gmbjMrTuT'), '2024-02-19 00:45:44+00'::timestamptz, 'nba 2024: when it was posted');
select is((select carousel_media_count from analytics.profile_posts where shortcode = 'C39j5fQL-d3'), 8::bigint, 'nba 2024: an album of 8');
select results_eq($$select owner_username::text from analytics.profile_posts where shortcode in ('C39eM0lAFAs', 'C39Z9BOLP47', 'C39Rp3MM9zD') order by shortcode$$, array['nba', 'lakers', 'nuggets'], 'nba 2024: collaborations say whose they are');
select is((select count(distinct profile_id) from analytics.profile_posts), 1::bigint, 'nba 2024: and stay on the page they were seen on');
select is(pg_temp.comments_of(:'nba'), 45::numeric::bigint, 'nba 2024: the comments shown under the posts are judged');
select ok(exists (select from analytics.mentions m join analytics.profile_posts p on p.id = m.post_id where p.shortcode = 'C3gmbjMrTuT' and m.mention_type = 'tag' and m.mentioned_username = 'nbaontnt'), 'nba 2024: a tagged account is a mention');

\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/profile_user_2025_instagram.json"`
select pg_temp.ingest(:'payload', '2025-09-01') as instagram \gset
select is(pg_temp.counts(:'instagram'), '25025320 instagram: 694670062 followers, 243 following,  posts, 15 highlights', 'instagram 2025: counts');
select results_eq(format('select category::text, is_verified, is_business_account, posts_captured_at from analytics.profiles where id = %L', :'instagram'),
  $$values ('Digital creator', true, false, null::timestamptz)$$, 'instagram 2025: what else is said, and that no posts were seen');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/profile_page_2020_instagram.json"`
select is(pg_temp.ingest(:'payload', '2020-04-18'), :'instagram'::uuid, 'instagram 2020: the same account');
select is(pg_temp.counts(:'instagram'), '25025320 instagram: 694670062 followers, 243 following,  posts, 15 highlights', 'instagram 2020: an older capture does not overwrite a newer one');
select results_eq(format('select captured_at::date, followers_count, posts_count from analytics.profile_history where profile_id = %L order by 1', :'instagram'),
  $$values ('2020-04-18'::date, 344415438::bigint, 6309::bigint), ('2025-09-01', 694670062, null)$$, 'instagram 2020: both are in the history');
select is(pg_temp.totals(:'instagram'), (select format('12 posts, 8521185 likes, 0 hidden, 137903 comments, %s views', sum(video_view_count)) from analytics.profile_posts where profile_id = :'instagram'), 'instagram 2020: sums over its posts');
select is(pg_temp.numbers_of('B_GL_qPgo2B'), (select instagram_post_id || ' GraphImage likes 1543694 comments 21335 views ' from analytics.profile_posts where shortcode = 'B_GL_qPgo2B'), 'instagram 2020: an image');
select results_eq($$select location_name::text, hashtags, mentions from analytics.profile_posts where shortcode = 'B_GL_qPgo2B'$$, $$values ('Cologne, Germany', array['weeklyfluff'], array['mayapolarbear'])$$, 'instagram 2020: place, hashtag and mention');
select is((select video_view_count from analytics.profile_posts where shortcode = 'B-0KFHjAnhy'), 7390478::bigint, 'instagram 2020: views of a video');
-- Followers of 2020, not of today.
select is((select engagement_rate_by_followers from analytics.profile_posts where shortcode = 'B_GL_qPgo2B'), analytics.engagement_rate_by_followers(1543694, 21335, 344415438), 'instagram 2020: the rate is by the followers of the capture');

\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/profile_2024_starthackclub_business.json"`
select pg_temp.ingest(:'payload') as club \gset
select is(pg_temp.counts(:'club'), '5987427958 starthackclub: 75011 followers, 413 following, 367 posts, 13 highlights', 'starthackclub 2024: counts');
select results_eq(format('select category::text, is_verified, is_business_account, posts_captured_at from analytics.profiles where id = %L', :'club'), $$values ('Nonprofit organization', false, true, null::timestamptz)$$, 'starthackclub 2024: posts that exist and are not shown are unknown');

\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/profile_2023_robertdowneyjr.json"`
select pg_temp.ingest(:'payload', '2023-06-01') as robert \gset
select is(pg_temp.counts(:'robert'), '1518284433 robertdowneyjr: 52979346 followers, 5 following, 419 posts, 18 highlights', 'robertdowneyjr 2023: counts');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/user_posts_2020_robertdowneyjr.json"`
select is(pg_temp.ingest(:'payload', '2020-02-01'), :'robert'::uuid, 'robertdowneyjr 2020: posts of the same account');
select is(pg_temp.totals(:'robert'), (select format('12 posts, 17780067 likes, 0 hidden, 39896 comments, %s views', sum(video_view_count)) from analytics.profile_posts where profile_id = :'robert'), 'robertdowneyjr 2020: sums over his posts');
select is(pg_temp.counts(:'robert'), '1518284433 robertdowneyjr: 52979346 followers, 5 following, 419 posts, 18 highlights', 'robertdowneyjr 2020: older posts do not touch the account');
select is((select jsonb_array_length(sidecar_children) || ' ' || jsonb_array_length(tagged_users) || ' ' || location_id from analytics.profile_posts where shortcode = 'B7XDCBNlds_'), '5 6 1026735962', 'robertdowneyjr 2020: an album with tags and a place');
select is((select video_view_count from analytics.profile_posts where shortcode = 'B7cWmQcB3RE'), 5144388::bigint, 'robertdowneyjr 2020: views of a video');

\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/user_timeline_xdt_2025.json"`
select pg_temp.ingest(:'payload') as ondrej \gset
select is((select instagram_user_id || ' ' || username || ' ' || is_verified from analytics.profiles where id = :'ondrej'), '1493623214 ondrejpycha_photography true', 'xdt 2025: the account');
select is(pg_temp.totals(:'ondrej'), '12 posts, 6966 likes, 2 hidden, 120 comments,  views', 'xdt 2025: sums over its posts, hidden likes left out');
select is((select array_agg(shortcode order by shortcode) from analytics.profile_posts where profile_id = :'ondrej' and likes_count is null), array['CxdQFpgNPWx', 'CyQ3LvAMNYU'], 'xdt 2025: hidden likes are null, whatever number stands there');
select is(pg_temp.numbers_of('C0t2k04sIqF'), '3255498130857167493 GraphImage likes 825 comments 4 views ', 'xdt 2025: an image');
select is((select width || ' ' || height from analytics.profile_posts where shortcode = 'C0t2k04sIqF'), '1440 1715', 'xdt 2025: its size');
select is((select owner_username from analytics.profile_posts where shortcode = 'Cx8aRvOLSoj')::text, 'terka_petrzilkova', 'xdt 2025: a collaboration says whose it is');
select is((select carousel_media_count from analytics.profile_posts where shortcode = 'Cyvv8psLoJf'), 2::bigint, 'xdt 2025: an album of 2');

\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/post_2025_instagram.json"`
select pg_temp.ingest(:'payload') as owner \gset
select is((select instagram_user_id from analytics.profiles where id = :'owner'), '6397722910', 'post 2025: it belongs to its owner');
select is(pg_temp.numbers_of('DOo9lJeDE-d'), (select '3722495925647331229 ' || media_type || ' likes 545942 comments 2398 views ' || coalesce(video_view_count::text, '') from analytics.profile_posts where shortcode = 'DOo9lJeDE-d'), 'post 2025: its numbers');
select is(pg_temp.comments_of(:'owner'), 10::bigint, 'post 2025: the comments beside it are judged');

\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/comments_2021_shortcode.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'comments 2021: refused as long as it is not said whose');
select is(analytics_private.ingest_instagram(:'payload', subject => 'B7XDCBNlds_'), :'robert'::uuid, 'comments 2021: stored for the post that is named');
select is((select c.comment_ids @> array['17919937453497598'] from analytics.comment_sentiment c join analytics.profile_posts p on p.id = c.post_id
  where p.shortcode = 'B7XDCBNlds_'), true, 'comments 2021: one of them');

\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/hashtag_2021_paris.json"`
select is(pg_temp.ingest(:'payload', '2021-01-31'), null, 'paris 2021: a hashtag page is about no single account');
select is((select count(*) from analytics.profile_posts where captured_at = '2021-01-31'), 43::bigint, 'paris 2021: all its posts');
select is((select count(*) from analytics.profile_posts p join analytics.profiles o on o.id = p.profile_id and o.instagram_user_id = p.owner_id where p.captured_at = '2021-01-31'), 43::bigint, 'paris 2021: with their owners');
select is(pg_temp.numbers_of('CKrfLPHM4a7'), (select instagram_post_id || ' ' || coalesce(media_type, '') || ' likes 178 comments 9 views ' || coalesce(video_view_count::text, '') from analytics.profile_posts where shortcode = 'CKrfLPHM4a7'), 'paris 2021: the numbers of one');
select is((select video_view_count from analytics.profile_posts where shortcode = 'CKsCopzFQH5'), 0::bigint, 'paris 2021: nought views are nought, not unknown');

select is_empty($$select shortcode from analytics.profile_posts where likes_count < 0 or comments_count < 0 or video_view_count < 0$$, 'no count is negative');
select is((select count(*) from analytics_private.raw_payloads), 10::bigint, 'every payload is kept');

-- Errors and exports ---------------------------------------------------------------------------------------------------

create temp table stored as select t as line from pg_temp.contents(array(select pg_temp.tables()), '{}') t;
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/error_challenge_required.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT502', null, 'a checkpoint is EXTERNAL_API_ERROR');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/error_profile_id_invalid.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT502', null, 'an account that is not there is EXTERNAL_API_ERROR');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/error_medias_not_json.txt"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), '22P02', null, 'a body that is not JSON is none to PostgreSQL either');
select throws_ok(format('select analytics_private.ingest_instagram(%L)', to_json(:'payload'::text)), 'PT400', null, 'and as a JSON text it is a VALIDATION_ERROR');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/export_a_followers_1.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'a follower list of 2025 is none of the shapes');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/export_a_following.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'nor a following list');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/export_a_recently_unfollowed_profiles.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'nor a list of those who were unfollowed');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/export_b_following_title_format.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'nor a following list of 2026');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/export_b_followers_1.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'nor a follower list of 2026');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/export_b_audience_insights.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'nor audience insights');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/export_b_content_interactions.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'nor interactions');
\set payload `cat "${ANALYTICS_FIXTURES:-../shared/fixtures}/instagram/export_b_profiles_reached.json"`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'payload'), 'PT400', null, 'nor reach');
select bag_eq('select t from pg_temp.contents(array(select pg_temp.tables()), ''{}'') t', 'select line from stored', 'and nothing of them is stored');

\else
select skip('skipped: no recorded fixtures', 1);
\endif

select * from finish();
rollback;
