-- From the wish to the analytics, as the SQL behind the client: ask, work, deliver, read.
\pset null (null)
insert into auth.users (id, email) values ('00000000-0000-4000-8000-00000000d001', 'demo@example.com'), ('00000000-0000-4000-8000-00000000d002', 'other@example.com');
create temp table work (token uuid);
select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000d001", "role": "authenticated"}', false) is not null as signed_in;
set role authenticated;
select a ->> 'username' as username, a ->> 'state' as state, a ->> 'opened' as opened, a ->> 'stale' as stale from analytics.unlock_profile('https://www.instagram.com/Mira.Bakes/') a;
select username, state, followers_count from analytics.my_profiles();
reset role;
insert into work select lease_token from analytics_private.claim_jobs('regress', array['instagram_profile'], 10, 60);
\set answer `cat domain/tests/samples/profile.json`
select analytics_private.complete_job((select token from work), :'answer') ->> 'state' as job;
set role authenticated;
select a ->> 'state' as state, a ->> 'opened' as opened, a ->> 'stale' as stale from analytics.unlock_profile('mira.bakes') a;
select username, state, followers_count, is_verified, round(engagement_rate_by_followers::numeric, 9) as engagement from analytics.my_profiles();
select shortcode, media_type, likes_count, comments_count, video_view_count, posted_at at time zone 'UTC' as posted_at, hashtags from analytics.profile_posts order by posted_at desc;
select mentioned_username, mention_type, mention_context from analytics.mentions order by 1, 2;
select related_username, rank, related_followers_count from analytics.related_profiles order by rank;
select o #>> '{engagement,posts_counted}' as counted, o #>> '{engagement,posts_seen}' as seen, o #>> '{top_posts,0,shortcode}' as top, jsonb_object_keys(o) as part
from analytics.profile_overview('mira.bakes') o order by part;
-- A stranger.
reset role;
select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000d002", "role": "authenticated"}', false) is not null as signed_in;
set role authenticated;
select count(*) from analytics.profiles;
select count(*) from analytics.profile_posts;
select count(*) from analytics.my_profiles();
reset role;
select set_config('request.jwt.claims', '', false) is not null as signed_out;
