-- A year of captures: a million of one account, whose levels were captured every hundred seconds, and those of 39 others beside it
-- in the same partitions, with levels every hour; the flows of a day were captured three times.
insert into auth.users (id, email) values ('00000000-0000-4000-8000-000000000001', 'ada@example.org');;
select analytics_private.set_plan(w.id, 'premium') from analytics.workspaces w;;
select analytics_private.ensure_partition('analytics.metrics_snapshots', m) from generate_series(date_trunc('month', now()) - interval '26 months', now(), interval '1 month') m;;
insert into analytics.social_accounts (workspace_id, id, platform, handle, created_by)
select w.id, ('0195c3a0-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'instagram', 'account' || n, w.owner_id from analytics.workspaces w, generate_series(1, 40) n;;

insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
select a.workspace_id, a.id, m, t, t, 1000 + (extract(epoch from t) / 3600)::bigint % 100000, 'bench'
from analytics.social_accounts a, unnest(array['followers', 'following', 'posts']) m, generate_series(now() - interval '365 days', now(), interval '1 hour') t where a.handle <> 'account1';;
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
select a.workspace_id, a.id, m, t, t, 1000 + (extract(epoch from t) / 3600)::bigint % 100000, 'bench'
from analytics.social_accounts a, unnest(array['followers', 'following', 'posts']) m, generate_series(now() - interval '365 days', now(), interval '100 seconds') t where a.handle = 'account1';;
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
select a.workspace_id, a.id, m, d, d + c * interval '1 day', 500 + extract(doy from d)::bigint * 7 % 90 + c, 'bench'
from analytics.social_accounts a, unnest(array['reach', 'views', 'engagement', 'likes', 'comments', 'follows', 'unfollows', 'link_clicks']) m,
  generate_series(date_trunc('day', now()) - interval '365 days', date_trunc('day', now()) - interval '3 days', interval '1 day') d, generate_series(1, 3) c;;
insert into analytics.top_content (workspace_id, social_account_id, platform_post_id, media_type, posted_at, likes_count, comments_count, shares_count, saves_count, reach, views, followers_count,
  engagement_rate, captured_at, hashtags)
select a.workspace_id, a.id, n::text, (array['photo', 'reel', 'carousel'])[1 + n % 3], now() - n * interval '17 hours', n % 400, n % 31, n % 7, n % 11, 5000 + n % 900, 8000 + n % 900, 10000,
  analytics.engagement_rate(n % 400, n % 31, n % 7, n % 11, 5000 + n % 900), now(), array['tag' || n % 9]
from analytics.social_accounts a, generate_series(1, 500) n;;
vacuum analyze;;
