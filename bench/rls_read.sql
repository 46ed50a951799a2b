-- 1 M posts of 20 k profiles, 50 each, one every three days, stored ten at a time as captures bring them; captions of about
-- 300 bytes, addresses of about 400. Callers with 10 to 10000 open windows; the ten profiles 0, 2 … 18 are open to all.
set session_replication_role = replica;
insert into analytics.profiles (username, instagram_user_id, full_name, followers_count, captured_at)
select 'bench' || n, n::text, 'Creator ' || n, 1000 + n, now() from generate_series(0, 19999) as n;
insert into analytics.profile_posts (profile_id, instagram_post_id, shortcode, owner_id, owner_username, media_type, product_type, is_video,
  is_carousel, display_url, thumbnail_src, video_url, video_view_count, width, height, caption, likes_count, comments_count,
  engagement_rate_by_followers, comments_disabled, location_name, taken_at_timestamp, posted_at, tagged_users, hashtags, mentions, captured_at)
select p.id, (3000000000000000000 + n)::text, lpad(to_hex(n), 11, 'C'), p.instagram_user_id, p.username, 'GraphImage', 'feed', n % 3 = 0,
  false, address || '&d=' || n, address || '&t=' || n, case when n % 3 = 0 then address || '&v=' || n end, case when n % 3 = 0 then n * 7 % 1000000 end,
  1080, 1350, left(repeat(md5(n::text) || ' morning light over the harbour #sea @friend ', 5), 280 + n % 40), n * 13 % 100000, n * 3 % 1000,
  3.2, false, 'Harbour ' || n % 500, extract(epoch from t.posted_at), t.posted_at, '[{"id": "17", "username": "friend", "full_name": "A Friend", "is_verified": false}]',
  '{sea,light}', '{friend}', now()
from generate_series(0, 999999) as n
  cross join lateral (select now() - make_interval(days => 3 * (49 - n / 200000 * 10 - n % 10), secs => hashint4(n) & 131071) as posted_at) t
  cross join lateral (select 'https://cdn.example/v/t51.2885-15/' || repeat(md5(n::text), 11) as address) a
  join analytics.profiles p on p.username = 'bench' || n % 200000 / 10;
reset session_replication_role;
insert into auth.users (id, email)
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n || '@example.org' from unnest(array[10, 100, 1000, 10000]) as n;
insert into analytics.user_profile_access (user_id, profile_id, workspace_id, granted_at, expires_at)
select u.id, p.id, u.default_workspace_id, now(), now() + interval '30 days'
from unnest(array[10, 100, 1000, 10000]) as n
  join analytics.users u on u.id = ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid
  cross join generate_series(0, n - 1) as k
  join analytics.profiles p on p.username = 'bench' || 2 * k;
-- For the comparison: the same tables, row-level security off.
grant usage on schema analytics to bench_reference;
grant select on analytics.profile_posts to bench_reference;;
vacuum analyze
