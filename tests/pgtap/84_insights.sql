-- Insights: what is due, whose turn it is, what is stored of an answer, and what a refusal means.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('sam@example.com') as other \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'other') as shop \gset
create function pg_temp.state_of(statement text) returns text language sql as $$ select coalesce(pg_temp.error_of(statement) ->> 'state', 'fine') $$;
-- Rows of a query, each as text.
create function pg_temp.lines(query text) returns text language plpgsql as $$
declare
  found text;
begin
  execute format('select string_agg(q::text, '' '') from (%s) q', query) into found;
  return found;
end
$$;
create function pg_temp.acc(n integer) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-0000000000' || lpad(n::text, 2, '0'))::uuid $$;
create function pg_temp.connect(place uuid, who uuid, n integer, platform text default 'instagram', provider text default 'instagram') returns void language sql as $$
  insert into analytics.social_accounts (workspace_id, id, platform, platform_user_id, handle, status, created_by) values (place, pg_temp.acc(n), platform, '1784' || n, 'account' || n, 'active', who);
  insert into analytics_private.oauth_tokens (workspace_id, social_account_id, provider, purpose, consent_key, access_token, token_type, scopes, issued_at, expires_at, first_consent_at, refresh_at)
  values (place, pg_temp.acc(n), provider, 'insights', 'consent' || n, 'gAAAAA', 'bearer', '{}', now(), now() + interval '60 days', now(), now() + interval '50 days');
$$;
create temp table pulls (n serial, account_id uuid, claim uuid, kind text, metrics jsonb, refused jsonb, days date[], fresh_posts text[], newest_fresh timestamptz, oldest_due timestamptz, reads_all boolean, version bigint);
-- Claims so many; which accounts and kinds, in the order of claiming.
create function pg_temp.take(batch integer, provider text default 'instagram') returns text language sql as $$
  with t as (insert into pulls (account_id, claim, kind, metrics, refused, days, fresh_posts, newest_fresh, oldest_due, reads_all, version)
    select t.account_id, t.claim, t.kind, t.metrics, t.refused, t.days, t.fresh_posts, t.newest_fresh, t.oldest_due, t.reads_all, t.version
    from analytics_private.sidecar_take_insights('a test', provider, batch, 60) with ordinality t (workspace_id, account_id, claim, kind, platform, platform_user_id, version, access_token, metrics, refused, days, fresh_posts, newest_fresh, oldest_due, reads_all, most_posts, o) order by t.o
    returning n, account_id, kind)
  select string_agg(right(t.account_id::text, 2)::integer || ' ' || t.kind, ', ' order by t.n) from t
$$;
create function pg_temp.claim_of(account integer, pull text) returns uuid language sql stable as $$
  select s.claim from analytics_private.account_schedules s where s.social_account_id = pg_temp.acc(account) and s.kind = pull
$$;
create function pg_temp.state(account integer, pull text) returns analytics_private.account_schedules language sql stable as $$
  select s from analytics_private.account_schedules s where s.social_account_id = pg_temp.acc(account) and s.kind = pull
$$;
-- Makes one pull due and nothing else, claims it, and ends it.
create function pg_temp.only(account integer, pull text) returns uuid language plpgsql as $$
begin
  update analytics_private.account_schedules set next_at = case when social_account_id = pg_temp.acc(account) and kind = pull then clock_timestamp() else now() + interval '1 day' end, claim = null, claimed_until = null, claimed_by = null;
  perform pg_temp.take(1);
  return pg_temp.claim_of(account, pull);
end
$$;
create function pg_temp.finish(account integer, pull text, result jsonb, failure text default null, message text default null, retry_after double precision default null) returns jsonb language sql as $$
  select analytics_private.sidecar_store_insights(pg_temp.only(account, pull), result::json, failure, message, retry_after,
    (select t.version from analytics_private.oauth_tokens t where t.social_account_id = pg_temp.acc(account)))
$$;
create function pg_temp.day(back integer) returns timestamptz language sql stable as $$ select ((now() at time zone 'UTC')::date - back)::timestamp at time zone 'UTC' $$;

-- What is due ------------------------------------------------------------------------------------------------------------

select is(analytics_private.post_due_at('linkedin', now() - a, now()) - now(), e, 'an organisation''s post of ' || a) from (values (interval '1 hour', interval '4 hours'), ('4 days', '1 day'), ('200 days', '30 days'), ('366 days', null)) v (a, e);
select is(analytics_private.post_due_at('facebook', now() - interval '2 hours', now()) - now(), interval '1 hour', 'a page''s post is measured as often as one on Instagram');
create function pg_temp.served(platform text, scope text) returns text language sql stable as $$
  select string_agg(distinct m ->> 'api_name', ' ' order by m ->> 'api_name') from jsonb_array_elements(analytics_private.insight_metrics(platform)) m where m ->> 'scope' = scope
$$;
select is(pg_temp.served('facebook', 'account'), 'followers_count page_daily_follows_unique page_daily_unfollows_unique page_media_view page_post_engagements page_total_media_view_unique page_views_total', 'of pages what was not withdrawn is asked for');
select is(pg_temp.served('facebook', 'post'), 'post_activity_by_action_type post_clicks post_media_view post_reactions_by_type_total post_total_media_view_unique', 'and of their posts');
select is(pg_temp.served('linkedin', 'account'), 'clickCount commentCount followerGains impressionCount likeCount networkSizes shareCount uniqueImpressionsCount', 'of organisations what LinkedIn tells, not what is added up here');
delete from analytics_private.insight_cadences where platform = 'linkedin';
select pg_temp.connect(:'studio', :'owner', 1), pg_temp.connect(:'studio', :'owner', 9, 'linkedin', 'linkedin') \g /dev/null
select is(pg_temp.lines($$select kind from analytics_private.account_schedules where social_account_id = pg_temp.acc(1) order by 1$$), '(account) (audience) (posts)', 'what is connected is due');
select is((select count(*) from analytics_private.account_schedules where social_account_id = pg_temp.acc(9)), 0::bigint, 'a platform without cadences is not asked');
select is(pg_temp.take(10, 'facebook'), null, 'each provider has its own');
select is(pg_temp.take(10), '1 account, 1 audience, 1 posts', 'all of it is taken');
select is(pg_temp.take(10), null, 'once');
select is((select array_length(days, 1) from pulls where kind = 'account'), 30, 'a month of days that are not known');
select is((select days[1] from pulls where kind = 'account'), (now() at time zone 'UTC')::date - 1, 'up to yesterday, newest first');
select is((select array_length(days, 1) from pulls where kind = 'posts'), null, 'none for posts');
select ok((select metrics @> '[{"scope": "account", "metric": "link_clicks", "api_name": "profile_links_taps", "kind": "flow"}, {"scope": "post", "metric": "saves", "api_name": "saved", "kind": "total"}]' from pulls limit 1), 'the list of metrics is the registry''s');
select ok((select not metrics @> '[{"metric": "impressions"}]' and not metrics @> '[{"metric": "website_clicks"}]' from pulls limit 1), 'without those that were withdrawn');
select ok((select metrics @> '[{"metric": "follows", "minimum_followers": 100}]' from pulls limit 1), 'with the size an account must have');
update analytics_private.account_schedules set claimed_until = clock_timestamp() - interval '1 second' where kind = 'posts' and social_account_id = pg_temp.acc(1);
select is(pg_temp.take(10), '1 posts', 'a claim ends by itself');
select is(analytics_private.sidecar_release_insights(pg_temp.claim_of(1, 'posts')), true, 'or is given back');
select is(pg_temp.take(10), '1 posts', 'and is due as before');
select is(pg_temp.state_of('select analytics_private.sidecar_take_insights(''a'', ''x'', 0, 1)'), 'PT400', 'a batch of none is refused');

-- Storing ----------------------------------------------------------------------------------------------------------------

select is(pg_temp.finish(1, 'account', jsonb_build_object('captured_at', now(), 'metrics', jsonb_build_array(
  jsonb_build_object('metric', 'followers', 'measured_at', null, 'value', 12480), jsonb_build_object('metric', 'views', 'measured_at', pg_temp.day(5), 'value', 40),
  jsonb_build_object('metric', 'reach', 'measured_at', pg_temp.day(5), 'value', 0), jsonb_build_object('metric', 'likes', 'measured_at', pg_temp.day(1), 'value', null),
  jsonb_build_object('metric', 'comments', 'measured_at', pg_temp.day(5), 'value', null), jsonb_build_object('metric', 'engagement', 'measured_at', pg_temp.day(5), 'value', -3),
  jsonb_build_object('metric', 'invented', 'measured_at', pg_temp.day(5), 'value', 1)))) - 'next_at', '{"state": "stored", "metrics": 6, "audiences": 0, "posts": 0}', 'what the registry knows is stored');
select is(pg_temp.lines($$select metric, value, reason from analytics.metrics_snapshots where social_account_id = pg_temp.acc(1) order by metric collate "C"$$),
  '(comments,,"asked for, and not answered") (engagement,,"the platform said -3") (followers,12480,) (likes,,"not answered yet; the platform may be 48 hours late") (reach,0,) (views,40,)', 'a zero is a zero, and what did not come is unknown, with the reason');
select is((select array_agg(distinct source)::text from analytics.metrics_snapshots where social_account_id = pg_temp.acc(1)), '{api}', 'from the API');
select ok((pg_temp.state(1, 'account')).next_at between clock_timestamp() + interval '11 hours' and clock_timestamp() + interval '13 hours', 'the next in half a day');
select is((select count(*) from analytics.audit_logs where action = 'metrics.recorded' and entity_id = pg_temp.acc(1)), 1::bigint, 'with an audit record');
select is(analytics_private.sidecar_store_insights(gen_random_uuid(), '{"captured_at": "2026-01-01"}')::text, '{"state": "superseded"}', 'of a claim that is somebody else''s nothing is stored');

-- The last days again: whatever was captured before the delay was over.
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
select :'studio', pg_temp.acc(1), r.metric, pg_temp.day(b), now() - interval '1 second', 1, 'api' from analytics.metric_registry r, generate_series(1, 30) b
where r.platform = 'instagram' and r.scope = 'account' and r.kind = 'flow' and r.available_until is null;
select is(analytics_private.insight_days('instagram', :'studio', pg_temp.acc(1), '[]'), array[(now() at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date - 2], 'days are asked for again until 48 hours after their end');
delete from analytics.metrics_snapshots where metric = 'saves' and measured_at = pg_temp.day(7) and social_account_id = pg_temp.acc(1);
select is((analytics_private.insight_days('instagram', :'studio', pg_temp.acc(1), '[]'))[3], (now() at time zone 'UTC')::date - 7, 'and a day with a gap');
select is(array_length(analytics_private.insight_days('instagram', :'studio', pg_temp.acc(1), '[{"subject": "account", "api_name": "saves"}]'), 1), 2, 'but not for a metric that is refused');
select is(array_length(analytics_private.insight_days('instagram', :'studio', pg_temp.acc(1), '[{"subject": "feed", "api_name": "saves"}]'), 1), 3, 'of an account');
-- Of a day without a value only the date is known: it may be California's, which ends eight hours after UTC's.
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, reason, source)
select :'studio', pg_temp.acc(1), 'saves', pg_temp.day(b), pg_temp.day(b) + h * interval '1 hour', 'asked for', 'api' from (values (7, 79), (8, 79), (9, 80)) v (b, h);
delete from analytics.metrics_snapshots where metric = 'saves' and measured_at in (pg_temp.day(8), pg_temp.day(9)) and value is not null and social_account_id = pg_temp.acc(1);
select is((analytics_private.insight_days('instagram', :'studio', pg_temp.acc(1), '[]'))[3:], array[(now() at time zone 'UTC')::date - 7, (now() at time zone 'UTC')::date - 8], 'such a day is asked for again until 48 hours after that');
select is(array(select analytics_private.missing_reason(r, pg_temp.day(9), pg_temp.day(9) + h * interval '1 hour', 500) like 'not answered yet%' from analytics.metric_registry r cross join unnest(array[79, 80]) h
  where r.platform = 'instagram' and r.scope = 'account' and r.metric = 'saves' order by h), array[true, false], 'and is late as long');

-- A small account.
select pg_temp.connect(:'studio', :'owner', 2) \g /dev/null
select is(pg_temp.finish(2, 'account', jsonb_build_object('captured_at', now(), 'metrics', jsonb_build_array(jsonb_build_object('metric', 'followers', 'value', 80),
  jsonb_build_object('metric', 'follows', 'measured_at', pg_temp.day(5), 'value', null)))) ->> 'metrics', '2', 'a small account');
select is((select reason::text from analytics.metrics_snapshots where social_account_id = pg_temp.acc(2) and metric = 'follows' and value is null), 'the platform answers nothing below 100 followers', 'is too small for some, which is said');
select is(pg_temp.finish(2, 'audience', '{"captured_at": "2026-06-01", "audiences": [{"audience": "followers", "age_ranges": null, "genders": null, "countries": null, "cities": null}]}') ->> 'audiences', '1', 'its audience');
select is(pg_temp.lines($$select base, age_ranges, countries, snapshot_date from analytics.audience_insights where social_account_id = pg_temp.acc(2)$$), '(,,,2026-06-01)', 'is unknown, not empty');
select is(pg_temp.finish(1, 'audience', '{"captured_at": "2026-06-01", "audiences": [{"audience": "followers", "countries": [{"country": "DE", "count": 9}]}, {"audience": "engaged", "genders": [{"gender": "female", "count": 4}]}]}') ->> 'audiences', '2', 'that of a larger one');
select is((select countries from analytics.audience_insights where social_account_id = pg_temp.acc(1) and audience = 'followers'), '[{"country": "DE", "count": 9}]', 'is stored');

select is(pg_temp.finish(1, 'audience', '{"captured_at": "2026-06-02", "audiences": [{"audience": "followers", "facets": {"Function": [{"function": "urn:li:function:8", "count": 12}]}}]}') ->> 'audiences', '1', 'what else a platform divides an audience by');
select is(pg_temp.lines($$select countries, facets from analytics.audience_insights where social_account_id = pg_temp.acc(1) and captured_at = '2026-06-02'$$), '(,"{""Function"": [{""count"": 12, ""function"": ""urn:li:function:8""}]}")', 'is kept with its names, and is no country');
select is(pg_temp.state_of($$select pg_temp.finish(1, 'audience', '{"captured_at": "2026-06-03", "audiences": [{"audience": "followers", "facets": [1]}]}')$$), '23514', 'but not in another form');
select is(pg_temp.finish(1, 'account', jsonb_build_object('captured_at', now(), 'metrics', jsonb_build_array(jsonb_build_object('metric', 'replies', 'measured_at', pg_temp.day(6), 'value', null, 'reason', 'not told')))) ->> 'metrics', '1', 'a value that is unknown for a reason of its own');
select is((select reason::text from analytics.metrics_snapshots where social_account_id = pg_temp.acc(1) and metric = 'replies' and measured_at = pg_temp.day(6) and captured_at = now()), 'not told', 'keeps it');

-- Posts: often when new, rarely when old.
select is(analytics_private.post_due_at('instagram', now() - a, now()) - now(), e, 'a post of ' || a) from (values (interval '0', interval '1 hour'), ('23 hours', '1 hour'), ('1 day', '4 hours'), ('4 days', '12 hours'), ('8 days', '1 day'),
  ('40 days', '7 days'), ('200 days', '30 days')) v (a, e);
select is(pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', now(), 'posts', jsonb_build_array(
    jsonb_build_object('id', '901', 'posted_at', now() - interval '2 hours', 'likes', 4, 'reach', null, 'media_type', 'reel', 'caption', 'new #one', 'extra_data', '{"watch_time": 7}'::jsonb),
    jsonb_build_object('id', '902', 'posted_at', now() - interval '40 days', 'likes', 5, 'comments', 1, 'shares', 1, 'saves', 1, 'reach', 100, 'views', 300))) || '{"listing": {"is_whole": false, "back_to": null}}') ->> 'posts', '2', 'posts are stored');
select is(pg_temp.lines($$select platform_post_id, likes_count, reach, round(engagement_rate::numeric, 1) from analytics.top_content where social_account_id = pg_temp.acc(1) order by 1$$),
  '(901,4,,) (902,5,100,8.0)', 'with their numbers, unknown where unknown');
select is((select array_agg(source)::text from analytics.post_analytics where social_account_id = pg_temp.acc(1)), '{api,api}', 'and their captures');
select ok((pg_temp.state(1, 'posts')).next_at < clock_timestamp() + interval '2 minutes', 'a list that was cut short goes on soon');
select pg_temp.only(1, 'posts') \g /dev/null
select is(pg_temp.lines($$select fresh_posts, newest_fresh = now() - interval '2 hours', oldest_due, reads_all from pulls order by n desc limit 1$$), '("{901,902}",t,,t)', 'what was just measured is not measured again');
update analytics_private.post_schedules set next_at = now() - interval '1 second' where platform_post_id = '902';
select pg_temp.only(1, 'posts') \g /dev/null
select is(pg_temp.lines($$select fresh_posts, oldest_due = now() - interval '40 days' from pulls order by n desc limit 1$$), '({901},t)', 'until it is due');
select is(pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', jsonb_build_object('is_whole', false, 'back_to', now() - interval '30 days'))) ->> 'state', 'stored', 'a list that ends before it');
select is((select gone_at from analytics_private.post_schedules where platform_post_id = '902'), null, 'does not say that it is gone');
select is(pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": true}'::jsonb), 'unfinished') ->> 'state', 'later', 'nor does a pull that did not end');
select is((select gone_at from analytics_private.post_schedules where platform_post_id = '902'), null, 'as it might have come');
select pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": true}'::jsonb)) \g /dev/null
select ok((select gone_at is not null and next_at is null from analytics_private.post_schedules where platform_post_id = '902'), 'a whole list without it does');
select is((select next_at is not null and gone_at is null from analytics_private.post_schedules where platform_post_id = '901'), true, 'of those that were due');
select is((pg_temp.state(1, 'posts')).reads_all, false, 'from now on the news are read only');
select pg_temp.only(1, 'posts') \g /dev/null
select is(pg_temp.lines($$select fresh_posts from pulls order by n desc limit 1$$), '({901})', 'a post that was missing once is measured when it is there again');
select analytics_private.sidecar_release_insights(pg_temp.claim_of(1, 'posts')) \g /dev/null
select is(pg_temp.state_of($$select pg_temp.finish(1, 'posts', '{"captured_at": "2026-06-01", "posts": [{"id": "", "posted_at": "x"}]}')$$), 'PT400', 'what cannot be read is refused');
select is((pg_temp.state(1, 'posts')).claim is null, true, 'and changes nothing');

-- A first reading goes on as long as it finds something to measure.
update analytics_private.account_schedules set reads_all = true where social_account_id = pg_temp.acc(1) and kind = 'posts';
select pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": false}'::jsonb, 'posts', jsonb_build_array(jsonb_build_object('id', '906', 'posted_at', now() - interval '1 hour')))) \g /dev/null
select is(pg_temp.lines($$select (s).reads_all, (s).next_at < clock_timestamp() + interval '2 minutes' from pg_temp.state(1, 'posts') s$$), '(t,t)', 'a portion is followed by the next');
select pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": false}'::jsonb)) \g /dev/null
select is(pg_temp.lines($$select (s).reads_all, (s).next_at > clock_timestamp() + interval '50 minutes' from pg_temp.state(1, 'posts') s$$), '(f,t)', 'one that finds nothing is the last, though the list has no end');
select pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": false}'::jsonb, 'posts', jsonb_build_array(jsonb_build_object('id', '907', 'posted_at', now() - interval '1 hour'))), 'denied') \g /dev/null
select is((pg_temp.state(1, 'posts')).reads_all, false, 'a list that was read as far as was meant is not read again because something in it is denied');

-- A list that moves while it is read.
select is(pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": true}'::jsonb, 'posts', (select jsonb_agg(jsonb_build_object('id', '905', 'posted_at', now() - interval '1 hour', 'likes', 4)) from generate_series(1, 2)))) ->> 'state',
  'stored', 'a post that is twice in an answer keeps nothing away');
select is((select count(*) from analytics_private.post_schedules where platform_post_id = '905'), 1::bigint, 'and is there once');

-- A post that becomes due while its list is read is not missing from it.
insert into analytics.top_content (workspace_id, social_account_id, platform_post_id, posted_at, captured_at) values (:'studio', pg_temp.acc(1), '903', now() - interval '3 hours', now()) \g /dev/null
insert into analytics_private.post_schedules (workspace_id, social_account_id, platform_post_id, next_at) values (:'studio', pg_temp.acc(1), '903', clock_timestamp() + interval '1 hour') \g /dev/null
select pg_temp.only(1, 'posts') as claim \gset
update analytics_private.post_schedules set next_at = clock_timestamp() where platform_post_id = '903';
select analytics_private.sidecar_store_insights(:'claim', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": true}'::jsonb)::json) \g /dev/null
select is((select gone_at from analytics_private.post_schedules where platform_post_id = '903'), null, 'what became due later is not missing');
select is((pg_temp.state(1, 'posts')).reads_all, false, 'a whole list is enough');
select pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', now() + interval '1 millisecond', 'posts', jsonb_build_array(jsonb_build_object('id', '904', 'posted_at', now() - interval '1 hour'))), 'temporary') \g /dev/null
select is((pg_temp.state(1, 'posts')).reads_all, true, 'after one that broke off with its newest posts stored the rest is looked for in all of it');
select pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": true}'::jsonb)) \g /dev/null
select is((pg_temp.state(1, 'posts')).reads_all, false, 'once');
select is(pg_temp.finish(1, 'posts', null, 'temporary') ->> 'state', 'later', 'one that brought nothing');
select is((pg_temp.state(1, 'posts')).reads_all, false, 'left no gap');
select pg_temp.finish(1, 'posts', jsonb_build_object('captured_at', clock_timestamp(), 'listing', '{"is_whole": true}'::jsonb)) \g /dev/null

-- Other platforms ---------------------------------------------------------------------------------------------------------

select pg_temp.connect(:'studio', :'owner', 21, 'tiktok', 'tiktok'), pg_temp.connect(:'studio', :'owner', 22, 'x', 'x'), pg_temp.connect(:'studio', :'owner', 23, 'youtube', 'google') \g /dev/null
select is(pg_temp.lines($$select right(s.social_account_id::text, 2), s.provider, s.kind from analytics_private.account_schedules s where s.social_account_id between pg_temp.acc(21) and pg_temp.acc(23) order by 1, 3$$),
  '(21,tiktok,account) (21,tiktok,posts) (22,x,account) (22,x,posts) (23,google,account) (23,google,audience) (23,google,posts)', 'TikTok and X tell no audience, and are not asked for one');
select is(pg_temp.take(10, 'google'), '23 account, 23 audience, 23 posts', 'a channel hangs on Google');
select is((select array_length(days, 1) from pulls where account_id = pg_temp.acc(23) and kind = 'account'), 30, 'and has days');
select is(pg_temp.take(10, 'x'), '22 account, 22 posts', 'X');
select is((select days from pulls where account_id = pg_temp.acc(22) and kind = 'account'), '{}', 'has none');
select ok((select metrics @> '[{"scope": "post", "metric": "link_clicks", "api_name": "non_public_metrics.url_link_clicks"}, {"metric": "posts", "api_name": "tweet_count"}]' from pulls where account_id = pg_temp.acc(22) limit 1), 'of its posts what the author may see');
select is(analytics_private.post_due_at('x', now() - interval '29 days', now()) - now(), interval '7 days', 'for a month');
select is(analytics_private.post_due_at('x', now() - interval '30 days', now()), null, 'and no longer, as each reading is paid for');
-- A channel's 20 units a day.
select is((select sum(86400 / extract(epoch from c.every) * case c.kind when 'account' then 1 when 'posts' then 3 else 0 end)::int from analytics_private.insight_cadences c where c.platform = 'youtube' and c.kind <> 'post'), 20, 'YouTube: 20 of the 10 000 units a day');
-- A day that begins later than ours ends later, too.
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
select :'studio', pg_temp.acc(23), r.metric, pg_temp.day(b) + interval '8 hours', pg_temp.day(b) + interval '104 hours' - interval '1 minute' * (b % 2), 1, 'api' from analytics.metric_registry r, generate_series(10, 30) b
where r.platform = 'youtube' and r.scope = 'account' and r.kind = 'flow';
select is((select array_agg((now() at time zone 'UTC')::date - d) from unnest(analytics_private.insight_days('youtube', :'studio', pg_temp.acc(23), '[]')) d), '{1,2,3,4,5,6,7,8,9,11,13,15,17,19,21,23,25,27,29}', 'a day is final when its own end is 72 hours ago');
delete from analytics.social_accounts where id between pg_temp.acc(21) and pg_temp.acc(23);

-- Refused metrics --------------------------------------------------------------------------------------------------------

select pg_temp.connect(:'shop', :'other', 3) \g /dev/null
select is(pg_temp.finish(1, 'account', '{"captured_at": "2026-06-01", "metrics": [{"metric": "followers", "value": 3}], "refused": [{"subject": "account", "api_name": "reposts", "code": "100", "of_app": true},
  {"subject": "reel", "api_name": "saved", "code": "10", "of_app": false}]}') ->> 'metrics', '1', 'the rest is stored');
select is(analytics_private.refused_metrics('instagram', 'instagram', :'studio', pg_temp.acc(1)), '[{"subject": "account", "api_name": "reposts"}, {"subject": "reel", "api_name": "saved"}]', 'and next time they are left out');
select is(analytics_private.refused_metrics('instagram', 'instagram', :'shop', pg_temp.acc(3)), '[{"subject": "account", "api_name": "reposts"}]', 'of others what the app is refused');
select is(analytics_private.refused_metrics('facebook', 'instagram', :'shop', pg_temp.acc(3)), '[]', 'but not of those of another app');
update analytics_private.app_metric_refusals set until = now() - interval '1 second';
select is(analytics_private.refused_metrics('instagram', 'instagram', :'shop', pg_temp.acc(3)), '[]', 'for a week');

-- Fair turns -------------------------------------------------------------------------------------------------------------

select pg_temp.connect(:'studio', :'owner', n) from generate_series(11, 16) n \g /dev/null
update analytics_private.account_schedules set next_at = case when kind <> 'account' or social_account_id in (pg_temp.acc(1), pg_temp.acc(2)) then now() + interval '1 day' else now() - interval '1 hour' end, claim = null, claimed_until = null;
update analytics_private.account_schedules set next_at = now() where social_account_id = pg_temp.acc(3) and kind <> 'posts';
update analytics_private.insight_turns set served_at = '-infinity';
select is(pg_temp.take(1), '11 account', 'the longest due first');
select is(pg_temp.take(1), '3 account', 'then the other workspace, though all of the first is older');
select is(pg_temp.take(1), '12 account', 'then the first again');
select is(pg_temp.take(4), '3 audience, 13 account, 14 account, 15 account', 'and who has no more due leaves the places to the other');
select is(pg_temp.take(4), '16 account', 'to the end');

-- What a failure means ---------------------------------------------------------------------------------------------------

select is(pg_temp.finish(1, 'account', null, 'throttled', 'fewer', 300) ->> 'state', 'later', 'the limit of the app');
select is((pg_temp.state(1, 'account')).failures, 0, 'is nobody''s failure');
update analytics_private.account_schedules set next_at = now() where social_account_id in (pg_temp.acc(3), pg_temp.acc(2));
select is(pg_temp.take(10), null, 'and makes all accounts wait');
select ok((select paused_until between clock_timestamp() + interval '290 seconds' and clock_timestamp() + interval '300 seconds' from analytics_private.provider_limits), 'as long as was asked for');
select analytics_private.sidecar_note_limit('instagram', 95, 10) \g /dev/null
select ok((select percent = 95 and paused_until > clock_timestamp() + interval '290 seconds' from analytics_private.provider_limits), 'a shorter wait does not end a longer one');
update analytics_private.provider_limits set paused_until = now();
select isnt(pg_temp.take(10), null, 'then it goes on');

select is(pg_temp.finish(11, 'audience', null, 'throttled_account', 'fewer', 1200) ->> 'state', 'later', 'the limit of an account');
select ok((pg_temp.state(11, 'audience')).next_at between clock_timestamp() + interval '19 minutes' and clock_timestamp() + interval '31 minutes', 'makes it wait as long as was asked for');
select is((select count(*) from analytics_private.provider_limits where paused_until > clock_timestamp()), 0::bigint, 'and nobody else');
select pg_temp.finish(11, 'audience', null, 'throttled_account') \g /dev/null
select is((pg_temp.state(11, 'audience')).failures, 2, 'ever longer where nothing is said');
select is(pg_temp.finish(1, 'account', jsonb_build_object('captured_at', clock_timestamp(), 'metrics', '[{"metric": "followers", "value": 5}]'::jsonb), 'temporary', 'http_503') ->> 'metrics', '1', 'what came before a failure is stored');
select is(pg_temp.lines($$select (s).failures, (s).last_error, (s).next_at < clock_timestamp() + interval '1 minute' from pg_temp.state(1, 'account') s$$), '(1,http_503,t)', 'and the rest asked for again soon');
select is((select status::text from analytics.social_accounts where id = pg_temp.acc(1)), 'active', 'a blip ends nothing');
select pg_temp.finish(1, 'account', null, f) from unnest(array['denied', 'refused', 'configuration', 'sealed', 'malformed', 'unfinished']) f \g /dev/null
select is((select status::text from analytics.social_accounts where id = pg_temp.acc(1)), 'active', 'nor do other failures');
select is((pg_temp.state(1, 'account')).failures, 7, 'which are counted');
update analytics_private.account_schedules set failures = 6 where social_account_id = pg_temp.acc(1) and kind = 'account';
select pg_temp.finish(1, 'account', null, 'unfinished') \g /dev/null
select is((pg_temp.state(1, 'account')).failures, 7, 'a pull that ran out of time with nothing waits ever longer');
select pg_temp.finish(1, 'account', '{"captured_at": "2026-06-02"}', 'unfinished') \g /dev/null
select is(pg_temp.lines($$select (s).failures, (s).next_at < clock_timestamp() + interval '2 seconds' from pg_temp.state(1, 'account') s$$), '(7,t)', 'one that has something goes on at once');
select is(pg_temp.state_of($$select pg_temp.finish(1, 'account', null, 'bored')$$), 'PT400', 'there are no others');
select is(pg_temp.state_of($$select pg_temp.finish(1, 'account', '{}')$$), 'PT400', 'nor an answer of no time');

select is(pg_temp.lines('select status_reason, status_remedy is not null from analytics.social_accounts where id = pg_temp.acc(1)'), '("Instagram does not let us read its numbers: a permission is missing",t)', 'a permission that is missing is shown');
select is(pg_temp.finish(1, 'audience', '{"captured_at": "2026-06-02"}') ->> 'state', 'stored', 'another kind that succeeds');
select is((select status_reason is not null from analytics.social_accounts where id = pg_temp.acc(1)), true, 'does not say that all is well');
select is(pg_temp.finish(1, 'account', '{"captured_at": "2026-06-02"}') ->> 'state', 'stored', 'the same one');
select is((select status_reason from analytics.social_accounts where id = pg_temp.acc(1)), null, 'does');
select is(pg_temp.finish(1, 'account', null, 'stale', 'not accepted') ->> 'state', 'later', 'a token that is not accepted');
select ok((select refresh_at <= clock_timestamp() from analytics_private.oauth_tokens where social_account_id = pg_temp.acc(1)), 'is renewed first');
select ok((pg_temp.state(1, 'account')).next_at < clock_timestamp() + interval '11 seconds', 'and shown again soon');
update analytics_private.account_schedules set failures = 20 where social_account_id = pg_temp.acc(1) and kind = 'account';
select is(pg_temp.finish(1, 'account', null, 'stale', 'not accepted') ->> 'state', 'later', 'of the same one nothing new follows');
select is((pg_temp.state(1, 'account')).failures, 21, 'and it is shown ever less often');
update analytics_private.oauth_tokens set version = version + 1, refresh_at = now() + interval '50 days' where social_account_id = pg_temp.acc(1);
select is(pg_temp.finish(1, 'account', null, 'stale', 'the platform does not recognise the access token') ->> 'state', 'reconnect_required', 'a renewed one that is not accepted is over');
select is(pg_temp.lines($$select status, status_reason, status_remedy is not null from analytics.social_accounts where id = pg_temp.acc(1)$$), '(reconnect_required,"the platform does not recognise the access token",t)', 'which the account says');
select is((select array_agg(distinct next_at)::text from analytics_private.account_schedules where social_account_id = pg_temp.acc(1)), '{infinity}', 'nothing of it is due any more');
select is((select count(*) from analytics.notices where social_account_id = pg_temp.acc(1) and settled_at is null), 1::bigint, 'the member is told');
update analytics_private.account_schedules set next_at = now(), claim = null, claimed_until = null where social_account_id = pg_temp.acc(1);
select is((select count(*) from regexp_matches(pg_temp.take(50), '\m1 ', 'g')), 0::bigint, 'and nobody is asked any more');
update analytics_private.oauth_tokens set first_consent_at = now(), version = version + 1 where social_account_id = pg_temp.acc(1);
update analytics.social_accounts set status = 'active', status_reason = null, status_remedy = null where id = pg_temp.acc(1);
select is(pg_temp.take(50), '1 account, 1 audience, 1 posts', 'until it is connected again');
-- An operator stops a platform.
update analytics_private.insight_cadences set every = null where platform = 'instagram' and kind = 'audience';
select is(analytics_private.sidecar_store_insights(pg_temp.claim_of(1, 'audience'), '{"captured_at": "2026-06-02"}') ->> 'next_at', 'infinity', 'without a cadence there is no next one');
update analytics_private.insight_cadences set every = '1 day' where platform = 'instagram' and kind = 'audience';
select is((select array_agg(s.kind order by s.kind)::text from analytics_private.account_schedules s where s.social_account_id = pg_temp.acc(1) and s.next_at <= now()), '{account,audience,posts}', 'with one, its accounts are asked again');
select is((select count(*) from analytics_private.metric_refusals where social_account_id = pg_temp.acc(1)), 0::bigint, 'with other permissions, perhaps');
select is(analytics_private.sidecar_store_insights(pg_temp.claim_of(1, 'account'), null, 'final', 'the password was changed', null, 1) ->> 'state', 'later', 'what is said of a former token says nothing of this one');
select is(pg_temp.finish(2, 'account', null, 'final', 'the password was changed') ->> 'state', 'reconnect_required', 'a final refusal ends the access at once');
select is((select refresh_at from analytics_private.oauth_tokens where social_account_id = pg_temp.acc(2)), null, 'and it is not renewed');
update analytics_private.oauth_tokens set expires_at = now() - interval '1 second' where social_account_id = pg_temp.acc(3);
update analytics_private.account_schedules set next_at = now(), claim = null, claimed_until = null where social_account_id = pg_temp.acc(3);
select is((select count(*) from regexp_matches(pg_temp.take(50), '\m3 ', 'g')), 0::bigint, 'with an access that has run out nobody asks');

-- Going with the account -------------------------------------------------------------------------------------------------

select pg_temp.only(11, 'account') as claim \gset
select pg_temp.act_as(:'owner');
select is(pg_temp.state_of('select * from analytics_private.account_schedules'), '42501', 'none of this is for members');
select is(pg_temp.state_of('select analytics_private.sidecar_take_insights(''a'', ''instagram'', 1, 1)'), '42501', 'nor is taking');
select analytics.disconnect_account(pg_temp.acc(11)) \g /dev/null
select pg_temp.act_as_superuser();
select is(analytics_private.sidecar_store_insights(:'claim', '{"captured_at": "2026-06-01"}') ->> 'state', 'superseded', 'what comes after disconnecting is dropped');
select is((select count(*) from analytics_private.account_schedules where social_account_id = pg_temp.acc(11)), 0::bigint, 'and nothing more is due');
select pg_temp.act_as(:'owner');
select analytics.remove_account(pg_temp.acc(1), true) \g /dev/null
select pg_temp.act_as_superuser();
select is((select count(*) from analytics_private.post_schedules), 0::bigint, 'what is deleted leaves nothing');

select * from finish();
rollback;
