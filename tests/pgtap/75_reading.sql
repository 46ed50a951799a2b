-- What a user reads: overview, timeline, own profiles, newest posts, search.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob \gset

-- 25 posts, two of the same moment, some hidden; three accounts, of which ada has unlocked two.
select pg_temp.ingest(pg_temp.account('1', 'baker', 1000, (
  select array_agg(pg_temp.post(n, '1', 'baker', now() - make_interval(days => n / 2 * 2), case when n % 5 = 0 then -1 else n * 10 end, n, format('loaf %s with @mill and #bread%s', n, n % 3)) order by n)
  from generate_series(1, 25) n), '{"edge_related_profiles": {"edges": [{"node": {"id": "9", "username": "near", "full_name": "Near"}}, {"node": {"id": "8", "username": "next"}}]}}'), now() - interval '1 hour') as baker,
  pg_temp.ingest(pg_temp.account('2', 'miller', 500, array[pg_temp.post(102, '2', 'miller', now() - interval '3 days', 50, 5, 'flour'), pg_temp.post(103, '2', 'miller', now() - interval '400 days', 5, 5, 'old')],
    '{"full_name": "Müller & Söhne", "biography": "stone ground flour", "category_name": "Mill", "is_verified": true}')) as miller,
  pg_temp.ingest(pg_temp.account('3', 'secret', 999999, array[pg_temp.post(201, '3', 'secret', now(), 50, 5, 'c4n4ry')], '{"full_name": "c4n4ry flour"}')) as secret \gset
select pg_temp.put_window(:'ada', :'baker', '-1 day', '1 day'), pg_temp.put_window(:'ada', :'miller', '-2 days', '1 day'), pg_temp.put_window(:'bob', :'secret', '-1 day', '1 day') \g /dev/null
insert into analytics.profiles (username) values ('waiting') returning id as waiting \gset
select pg_temp.put_window(:'ada', :'waiting', '-1 minute', '1 day');
insert into analytics.audience_demographics (profile_id, gender_distribution, sample_size) values (:'baker', '{"female": 0.6}', 100);
insert into analytics.creator_metadata (profile_id, primary_language) values (:'baker', 'de');
insert into analytics.comment_sentiment (post_id, profile_id, compound_score, comments_analyzed)
select p.id, p.profile_id, case p.shortcode when 'SC1' then 0.5 else -0.1 end, case p.shortcode when 'SC1' then 1 else 3 end from analytics.profile_posts p where p.shortcode in ('SC1', 'SC2');

-- Overview -------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'ada');
select analytics.profile_overview('@Baker') as o \gset
select is(:'o'::jsonb #>> '{profile,username}' || ' ' || (:'o'::jsonb #>> '{profile,followers_count}'), 'baker 1000', 'the overview has the profile');
select is(:'o'::jsonb ->> 'state', 'ready', 'and its state');
select is((:'o'::jsonb #>> '{window,to}')::timestamptz, (select expires_at from analytics.user_profile_access where profile_id = :'baker'), 'and the window');
select ok((:'o'::jsonb ->> 'captured_at')::timestamptz = now() - interval '1 hour' and (:'o'::jsonb #>> '{posts,captured_at}')::timestamptz = now() - interval '1 hour', 'and says when account and posts were captured');
select is(round((:'o'::jsonb #>> '{engagement,engagement_rate_by_followers}')::numeric, 10), (select round(avg(rate), 10) from (select 100.0 * (n * 10 + n) / 1000 as rate from generate_series(1, 25) n where n % 5 <> 0 order by n limit 12) r),
  'engagement is the mean rate of the 12 newest posts whose rate is known');
select is((:'o'::jsonb #>> '{engagement,posts_counted}') || ' of ' || (:'o'::jsonb #>> '{engagement,posts_seen}'), '10 of 12', 'and says on how many posts it rests');
select is((select count(*) || ' of ' || (:'o'::jsonb #>> '{posts,stored}') from jsonb_array_elements(:'o'::jsonb #> '{posts,items}')), '12 of 25', 'it shows the 12 newest posts and says how many are stored');
select is((select jsonb_agg(x -> 'shortcode') from jsonb_array_elements(:'o'::jsonb -> 'top_posts') x), '["SC24", "SC23", "SC22", "SC21", "SC19"]'::jsonb, 'top posts are those with most likes and comments, hidden ones left out');
select is(:'o'::jsonb -> 'mentions' -> 0 ->> 'username' || ' ' || (:'o'::jsonb #>> '{mentions,0,times}'), 'mill 25', 'mentions are counted');
select is((select jsonb_object_agg(x ->> 'hashtag', x -> 'times') from jsonb_array_elements(:'o'::jsonb -> 'hashtags') x), '{"bread0": 8, "bread1": 9, "bread2": 8}'::jsonb, 'hashtags are counted');
select is((select jsonb_agg(x -> 'username') from jsonb_array_elements(:'o'::jsonb -> 'related_profiles') x), '["near", "next"]'::jsonb, 'related profiles come in their order');
select is(:'o'::jsonb #> '{audience_demographics,gender_distribution}', '{"female": 0.6}'::jsonb, 'demographics are there');
select is(:'o'::jsonb #>> '{creator_metadata,primary_language}', 'de', 'and the description of the creator');
select is(round((:'o'::jsonb #>> '{comment_sentiment,compound_score}')::numeric, 10), 0.05, 'the sentiment of comments is weighted by their number');
select is(jsonb_array_length(:'o'::jsonb -> 'history'), 1, 'and the history');
select is(analytics.profile_overview('waiting') ->> 'state', 'pending', 'a profile that is being fetched is pending');
select is(analytics.profile_overview('waiting') #> '{posts,items}', '[]'::jsonb, 'and has no posts');
select is(analytics.profile_overview('waiting') -> 'comment_sentiment', 'null'::jsonb, 'what is unknown is null');
select is(pg_temp.error_of('select analytics.profile_overview(''secret'')') - 'detail', jsonb_build_object('state', 'PT404', 'message', 'profile "secret" is not unlocked', 'hint', 'open a window with analytics.unlock_profile(username)'), 'a profile of others is NOT_FOUND');
select is(replace((pg_temp.error_of('select analytics.profile_overview(''nobody'')') - 'detail')::text, 'nobody', 'secret')::jsonb, pg_temp.error_of('select analytics.profile_overview(''secret'')') - 'detail', 'with the same words as one that does not exist');

-- Timeline -------------------------------------------------------------------------------------------------------------

create function pg_temp.walk(size integer) returns text[] language plpgsql as $$
declare
  page jsonb;
  seen text[] := '{}';
  after text;
begin
  for i in 1..100 loop
    page := analytics.profile_timeline('baker', size, after);
    seen := seen || array(select x ->> 'shortcode' from jsonb_array_elements(page -> 'items') x);
    after := page ->> 'next_cursor';
    exit when after is null;
  end loop;
  return seen;
end
$$;
select is(pg_temp.walk(size), (select array_agg(shortcode order by posted_at desc, id desc) from analytics.profile_posts where profile_id = :'baker'), format('pages of %s show every post once, newest first', size))
from unnest(array[1, 2, 7, 24, 25, 26, 100]) size;
select is(analytics.profile_timeline('baker', 25) -> 'next_cursor', 'null'::jsonb, 'the last page has no cursor, though it be full');
select is(jsonb_array_length(analytics.profile_timeline('baker') -> 'items'), 20, 'a page has 20 posts unless another size is asked for');
select throws_ok(format('select analytics.%s(%s page_size => %s)', f, first, size), 'PT400', null, format('%s with pages of %s is refused', f, size))
from (values ('profile_timeline', '''baker'','), ('newest_posts', ''), ('search_profiles', '''x'',')) as v (f, first), unnest(array['0', '-1', '101', 'null', '2147483647']) size;
select throws_ok(format('select analytics.%s(%s after => %L)', f, first, cursor), 'PT400', null, format('%s after cursor %s is refused', f, left(to_json(cursor)::text, 20)))
from (values ('profile_timeline', '''baker'','), ('newest_posts', '')) as v (f, first), unnest(array['', 'x', '!', repeat('a', 10000), 'bm90IGEgY3Vyc29y', ''' or true', E'\n',
  translate(encode(convert_to('99999999999999999999 ' || gen_random_uuid(), 'UTF8'), 'base64'), E'\n', ''), translate(encode('\xff'::bytea, 'base64'), E'\n', '')]) cursor where cursor is not null;
-- A cursor of another's page shows only what one may see anyway.
select is(jsonb_array_length(analytics.profile_timeline('miller', after => analytics.profile_timeline('baker', 1) ->> 'next_cursor') -> 'items'), 2, 'a cursor is a place in time, not a right');

-- Own profiles -----------------------------------------------------------------------------------------------------------

select results_eq('select username, state, is_open from analytics.my_profiles()', $$values ('waiting', 'pending', true), ('baker', 'ready', true), ('miller', 'ready', true)$$, 'my_profiles lists what is open, the latest unlocked first');
select analytics.favorite_profile('miller') \g /dev/null
select results_eq('select username from analytics.my_profiles() where is_favorite', array['miller'], 'and which are favourites');
select results_eq('select followers_count from analytics.my_profiles() where followers_count > 600 limit 5', array[1000::bigint], 'and takes filters');

-- Newest posts -----------------------------------------------------------------------------------------------------------

select is((select count(*) || ' ' || count(distinct x ->> 'username') from jsonb_array_elements(analytics.newest_posts(100) -> 'items') x), '26 2', 'newest posts of all open profiles, of the last 30 days');
select is((select jsonb_agg(x -> 'shortcode') from jsonb_array_elements(analytics.newest_posts(since => '3 days 1 hour') -> 'items') x), '["SC1", "SC3", "SC2", "SC102"]'::jsonb, 'since bounds them in time');
select is((select count(*) from jsonb_array_elements(analytics.newest_posts(100, '2 years') -> 'items')), 27::bigint, 'a longer time shows more');
create function pg_temp.walk_newest(size integer) returns text[] language plpgsql as $$
declare
  page jsonb;
  seen text[] := '{}';
  after text;
begin
  for i in 1..100 loop
    page := analytics.newest_posts(size, '2 years', after);
    seen := seen || array(select x ->> 'shortcode' from jsonb_array_elements(page -> 'items') x);
    after := page ->> 'next_cursor';
    exit when after is null;
  end loop;
  return seen;
end
$$;
select is(pg_temp.walk_newest(size), (select array_agg(shortcode order by posted_at desc, id desc) from analytics.profile_posts), format('pages of %s newest posts show every post once', size)) from unnest(array[1, 3, 26, 27, 100]) size;
select throws_ok(format('select analytics.newest_posts(since => %L)', since), 'PT400', null, format('since %s is refused', coalesce(since, 'null'))) from unnest(array['0', '-1 day', '11 years', null]) since;

-- Search -----------------------------------------------------------------------------------------------------------------

create function pg_temp.found(query text, filters text default '{}') returns text language sql as $$
  select string_agg(x ->> 'username', ' ' order by o) from jsonb_array_elements(analytics.search_profiles(query, filters) -> 'items') with ordinality as t (x, o)
$$;
select is(pg_temp.found(query), wanted, format('search for "%s"', query)) from (values
  ('baker', 'baker'), ('BAK', 'baker'), ('ill', 'miller'), ('müller', 'miller'), ('stone ground', 'miller'), ('flour', 'miller'), ('bakr', 'baker'), ('c4n4ry', null), ('secret', null), ('zzzz', null),
  ('%', null), ('_', null), ('\', null), ('''', null), ('" or 1=1', null), ('', 'baker miller waiting')) as v (query, wanted);
select is(pg_temp.found('', filters), wanted, format('filter %s', filters)) from (values
  ('{"followers_min": 501}', 'baker'), ('{"followers_max": 500}', 'miller'), ('{"is_verified": true}', 'miller'), ('{"category": "MILL"}', 'miller'), ('{"favorites_only": true}', 'miller'), ('{"engagement_min": 7}', 'baker'),
  ('{"followers_min": 9223372036854775807}', null), ('{}', 'baker miller waiting'), ('', 'baker miller waiting'), (null, 'baker miller waiting'), ('{"is_private": null}', 'baker miller waiting')) as v (filters, wanted);
select is(analytics.search_profiles('', page_size => 1) ->> 'total', '3', 'total counts what does not fit on the page too');
select throws_ok(format('select analytics.search_profiles(''x'', %L)', filters), 'PT400', null, 'filters refused: ' || left(to_json(filters)::text, 40)) from unnest(array['{', '[]', '"x"', '7', 'null', '{"no_such": 1}', '{"followers_min": "many"}',
  '{"followers_min": 1e400}', '{"followers_min": [1]}', '{"is_verified": "perhaps"}', '{"followers_min": 99999999999999999999}', repeat('[', 100000), repeat('[', 4096), '{"a":' || repeat('[', 4000) || repeat(']', 4000) || '}', '{"category": "\u0000"}', '{"followers_min": 1} or true', repeat(' ', 100000) || '{']) filters;
select throws_ok('select analytics.search_profiles(repeat(''x'', 10000))', 'PT400', null, 'a query of 10 kB is refused');
select lives_ok('select analytics.search_profiles(null)', 'a null query finds all');
select is((select count(*) from analytics.user_searches where search_query = 'stone ground' and analysis_type = 'search' and results_count = 1), 1::bigint, 'a search is recorded with its number of results');

-- Reads change nothing -----------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
select is_empty($$
  select p.oid::regprocedure from pg_catalog.pg_proc p
  where p.pronamespace = 'analytics'::regnamespace and p.provolatile = 'v' and p.proname in ('me', 'profile_overview', 'profile_timeline', 'my_profiles', 'newest_posts', 'require_role')
$$, 'reads are STABLE, so that GET and replicas serve them');
set transaction read only;
select pg_temp.act_as(:'ada');
select lives_ok('select analytics.' || call, call || ' works in a read-only transaction') from unnest(array['me()', 'profile_overview(''baker'')', 'profile_timeline(''baker'')', 'my_profiles()', 'newest_posts()']) call;

select * from finish();
rollback;
