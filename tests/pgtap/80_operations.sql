-- For operators: removing a person, upkeep.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob \gset

-- Removing a person ------------------------------------------------------------------------------------------------------

-- The person is gone.person (id 77), formerly gone.before; friend and host name the person in every way a payload can.
create function pg_temp.naming() returns jsonb language sql as $$
  select '{"edge_media_to_tagged_user": {"edges": [{"node": {"user": {"id": "77", "username": "gone.person", "full_name": "Gone Person"}}}, {"node": {"user": {"id": "88", "username": "stays"}}}]},
    "coauthor_producers": [{"id": "77", "username": "gone.person"}, {"id": "88", "username": "stays"}], "accessibility_caption": "Photo shared with @gone.person and @stays"}'::jsonb
$$;
select pg_temp.ingest(pg_temp.account('77', 'gone.before', 5, array[pg_temp.post(1, '77', 'gone.before', now(), 1, 1, 'mine')]), now() - interval '3 days') as gone \gset
select pg_temp.ingest(pg_temp.account('77', 'gone.person', 7, array[pg_temp.post(2, '77', 'gone.person', now(), 1, 1, 'mine too')]), now() - interval '2 days') \g /dev/null
select pg_temp.ingest(pg_temp.account('10', 'host', 10, array[
  pg_temp.post(10, '10', 'host', now(), 3, 1, 'with @Gone.Person and @stays, thanks @gone.person!', pg_temp.naming()),
  pg_temp.post(11, '77', 'gone.person', now(), 1, 1, 'a collaboration of the person', pg_temp.naming()),
  pg_temp.post(12, '10', 'host', now(), 1, 1, 'with @gone.person2, @xgone.person, nothing of the person')],
  '{"biography": "friend of @gone.person and @stays", "external_url": "https://www.instagram.com/gone.person/", "full_name": "Host",
    "bio_links": [{"title": "@gone.person", "url": "https://instagram.com/gone.person", "link_type": "external"}, {"title": "mine", "url": "https://host.example", "link_type": "external"}],
    "edge_related_profiles": {"edges": [{"node": {"id": "77", "username": "gone.person", "full_name": "Gone Person"}}, {"node": {"id": "88", "username": "stays"}}]}}')) as host \gset
select pg_temp.ingest(pg_temp.timeline(null, array[pg_temp.post(20, '20', 'friend', now(), 1, 1, 'bye @gone.person')], 'friend')) \g /dev/null
-- Somebody else has the person's former name now.
select pg_temp.ingest(pg_temp.account('99', 'gone.before', 99, array[pg_temp.post(99, '99', 'gone.before', now(), 9, 9, 'another person')])) as other \gset
-- What users and the queue hold.
select pg_temp.put_window(:'ada', :'gone', '-1 day', '1 day'), pg_temp.put_window(:'ada', :'host', '-1 day', '1 day') \g /dev/null
insert into analytics.user_favorites (user_id, profile_id, notes, tags) values (:'ada', :'gone', 'the person', '{x}'), (:'ada', :'host', 'knows @gone.person well', array['@gone.person', 'kept']);
insert into analytics.user_searches (user_id, analysis_type, instagram_username, search_query, profile_id) values
  (:'ada', 'unlock', 'gone.person', null, null), (:'ada', 'search', null, '@gone.person', null), (:'ada', 'search', null, 'gone.person', null), (:'ada', 'search', null, 'photos of @gone.person', null), (:'ada', 'search', null, 'bread', null);
select analytics_private.enqueue_job('instagram_profile', 'gone.person', '{"username": "gone.person"}'), analytics_private.enqueue_job('instagram_posts', '77', '{"username": "gone.person", "instagram_user_id": "77", "count": 12}'),
  analytics_private.enqueue_job('instagram_profile', 'host', '{"username": "host"}') \g /dev/null
select lease_token as lease from analytics_private.claim_jobs('tests', array['instagram_profile'], 10, 60) where payload ->> 'username' = 'gone.person' \gset
-- A row that knows the person by the new name alone.
insert into analytics.profiles (username) values ('gone.stub');

-- Where a pattern stands, in any column of any table that can hold text.
create function pg_temp.places(pattern text) returns text[] language plpgsql as $$
declare
  c record;
  n bigint;
  found text[] := '{}';
begin
  for c in
    select t as relation, a.attname as name from pg_temp.tables() t join pg_catalog.pg_attribute a on a.attrelid = t and a.attnum > 0 and not a.attisdropped
      join pg_catalog.pg_type y on y.oid = a.atttypid
    where y.typcategory in ('S', 'U', 'A') and y.typname not in ('uuid', '_uuid', 'bytea')
  loop
    execute format('select count(*) from %s where %I::text ~* $1', c.relation, c.name) into n using pattern;
    if n > 0 then
      found := found || format('%s.%s', c.relation, c.name);
    end if;
  end loop;
  return found;
end
$$;
\set handle '(^|[^a-z0-9_.])gone\\.person($|[^a-z0-9_.])'
select cmp_ok(cardinality(pg_temp.places(:'handle')), '>', 15, 'the person is named in many places');
select cmp_ok(cardinality(pg_temp.places('"77"|^77$')), '>', 5, 'and known by id in several');

select analytics_private.erase_person('@Gone.Person', 'case 4711') as counts \gset
select is(pg_temp.places(:'handle'), '{}', 'after the removal the handle is nowhere');
select is(pg_temp.places('"77"|^77$'), '{}', 'nor the id');
select is((select count(*) from analytics.profiles where id = :'gone'), 0::bigint, 'the profile is gone');
select is((select count(*) from analytics.user_profile_access where profile_id = :'gone'), 0::bigint, 'and the windows on it');
select is(pg_temp.error_of(format('select analytics_private.complete_job(%L, %L)', :'lease', pg_temp.account('77', 'gone.person', 8))) ->> 'state', 'PT409', 'an answer that was on its way is refused');
-- Everybody else keeps what is his.
select results_eq(format('select shortcode, caption from analytics.profile_posts where profile_id = %L order by 1', :'host'),
  $$values ('SC10', 'with @[removed] and @stays, thanks @[removed]!'), ('SC12', 'with @gone.person2, @xgone.person, nothing of the person')$$, 'posts of others stay, with the handle taken out');
select is((select array_agg(mentioned_username::text order by mentioned_username, mention_type) from analytics.mentions where profile_id = :'host'), array['gone.person2', 'stays', 'stays', 'xgone.person'], 'so do their other mentions');
select is((select jsonb_build_array(tagged_users -> 0 ->> 'username', coauthor_producers -> 0 ->> 'username', mentions) from analytics.profile_posts where shortcode = 'SC10'), '["stays", "stays", ["stays"]]'::jsonb, 'and tags and co-authors');
select is((select biography from analytics.profiles where id = :'host'), 'friend of @[removed] and @stays', 'and texts');
select results_eq(format('select related_username::text from analytics.related_profiles where profile_id = %L', :'host'), array['stays'], 'and related profiles');
select is((select followers_count || ' ' || (select count(*) from analytics.profile_posts x where x.profile_id = p.id) from analytics.profiles p where p.id = :'other'), '99 1', 'somebody who has the person''s former name now is another person');
select lives_ok(format('select analytics_private.ingest_instagram(%L)', pg_temp.account('99', 'gone.before', 100, array[pg_temp.post(99, '99', 'gone.before', now(), 9, 9, 'another person')])), 'and can be captured on');
select is((select count(*) from analytics.user_favorites where profile_id = :'host' and 'kept' = any (tags)), 1::bigint, 'favourites of others stay');
select results_eq('select search_query from analytics.user_searches where search_query is not null', array['bread'], 'searches for others stay');
select is((select count(*) from analytics_private.jobs where key = 'host'), 1::bigint, 'jobs for others stay');
select results_eq('select action::text, metadata ->> ''reason'', actor_login from analytics.audit_logs where action = ''person.erased''', format($$values ('person.erased', 'case 4711', %L)$$, session_user), 'the removal is audited, with the reason');
select ok((:'counts'::jsonb ->> 'profiles')::integer = 1 and (:'counts'::jsonb ->> 'raw_payloads')::integer >= 4, 'and tells how much went');

-- For good: whatever comes later.
select throws_ok(format('select analytics_private.ingest_instagram(%L)', payload), 'PT403', null, what || ' is refused')
from (values ('the account', pg_temp.account('77', 'gone.person', 9)::text), ('the account under a new name', pg_temp.account('77', 'gone.renamed', 9)::text), ('the name with another id', pg_temp.account('78', 'gone.person', 9)::text),
  ('the name in capitals', pg_temp.account('79', 'GONE.Person', 9)::text), ('a page of posts', pg_temp.timeline('77', array[pg_temp.post(3, '77', 'gone.person', now(), 1, 1)])::text)) as v (what, payload);
select pg_temp.ingest(pg_temp.account('10', 'host', 11, array[
  pg_temp.post(10, '10', 'host', now(), 4, 1, 'with @Gone.Person and @stays', pg_temp.naming()), pg_temp.post(11, '77', 'gone.person', now(), 1, 1, 'a collaboration of the person', pg_temp.naming()),
  pg_temp.post(13, '10', 'host', now(), 1, 1, 'new, without anybody', '{"accessibility_caption": "Photo by @gone.person"}')],
  '{"biography": "friend of @gone.person", "external_url": "https://www.instagram.com/gone.person/", "bio_links": [{"title": "@gone.person", "url": "https://instagram.com/gone.person", "link_type": "external"}],
    "edge_related_profiles": {"edges": [{"node": {"id": "77", "username": "gone.person", "full_name": "Gone Person"}}, {"node": {"id": "88", "username": "stays"}}]}}')) \g /dev/null
select is((select likes_count from analytics.profile_posts where shortcode = 'SC10'), 4::bigint, 'a later capture of somebody else goes in');
select is(pg_temp.places(:'handle'), '{}', 'without the person');
select is(pg_temp.places('"77"|^77$'), '{}', 'and without the id');
select pg_temp.ingest(pg_temp.account('21', 'writer', 1, '{}', '{"biography": "only here: @gone.person"}')) \g /dev/null
select pg_temp.ingest(pg_temp.account('22', 'photographer', 1, array[pg_temp.post(30, '22', 'photographer', now(), 1, 1, 'x', '{"accessibility_caption": "Photo by @gone.person"}')])) \g /dev/null
select pg_temp.ingest(pg_temp.account('23', 'linker', 1, '{}', '{"external_url": "https://www.instagram.com/gone.person/", "bio_links": [{"title": "see @gone.person", "url": "https://instagram.com/gone.person", "link_type": "external"}]}')) \g /dev/null
select is(pg_temp.places(:'handle'), '{}', 'also where the person stands in a text alone');
\set hashtag `cat domain/tests/samples/hashtag.json`
select analytics_private.erase_person('removed.by.id', 'case 4712', (select o from jsonb_path_query(:'hashtag'::jsonb, '$.**.owner.id') o limit 1) #>> '{}') \g /dev/null
select lives_ok(format('select analytics_private.ingest_instagram(%L)', :'hashtag'), 'a hashtag page with a post of a removed person goes in');
select is(pg_temp.places('"' || ((select o from jsonb_path_query(:'hashtag'::jsonb, '$.**.owner.id') o limit 1) #>> '{}') || '"|^' || ((select o from jsonb_path_query(:'hashtag'::jsonb, '$.**.owner.id') o limit 1) #>> '{}') || '$'), '{}', 'without that post');

-- By id, when name and id are in two rows.
select pg_temp.ingest(pg_temp.account('55', 'two.rows', 5)) \g /dev/null
select analytics_private.erase_person('gone.stub', 'case 4713', '55') \g /dev/null
select is((select count(*) from analytics.profiles where username in ('two.rows', 'gone.stub') or instagram_user_id = '55'), 0::bigint, 'a person known in two rows goes from both');
select lives_ok('select analytics_private.erase_person(''never.seen'', ''case 4714'')', 'a person who was never seen can be removed ahead');
select throws_ok(format('select analytics_private.ingest_instagram(%L)', pg_temp.account('101', 'never.seen', 1)), 'PT403', null, 'and does not come in');
select lives_ok('select analytics_private.erase_person(''never.seen'', ''case 4714'')', 'removing twice does no harm');
select throws_ok(format('select analytics_private.erase_person(%L, %L)', name, reason), 'PT400', null, format('refused: name %s, reason %s', coalesce(left(name, 10), 'null'), coalesce(left(reason, 10), 'null')))
from (values ('', 'case'), (null, 'case'), ('two words', 'case'), ('x', ''), ('x', null), ('x', '  '), ('x', repeat('r', 501))) as v (name, reason);
select is_empty($$select subject_hash from analytics_private.erased_people where encode(subject_hash, 'escape') ~ 'gone|never|stub'$$, 'the list of removed people names nobody');

-- Upkeep -------------------------------------------------------------------------------------------------------------------

select analytics_private.maintain() \g /dev/null
select is(analytics_private.maintain() - 'partitions' - 'leases_returned', '{"partitions_dropped": 0, "event_digests": 0, "raw_payloads": 0, "jobs": 0, "windows": 0, "invitations": 0, "shared_pages": 0, "follower_imports_abandoned": 0, "platform_users": 0, "unknown_profiles": 0, "creators": 0, "connections_expired": 0, "connections_purged": 0, "accesses_ending": 0}'::jsonb, 'upkeep with nothing to do does nothing');
insert into analytics.user_searches (user_id, search_timestamp, analysis_type) values (:'ada', '2020-05-05', 'search'), (:'ada', now() - interval '300 days', 'search');
select is((analytics_private.maintain() -> 'partitions_dropped')::integer, 1, 'a month that ended longer ago than the retention goes');
select is((select count(*) from analytics.user_searches where search_timestamp < now() - interval '1 day'), 1::bigint, 'a younger one stays');
update analytics_private.raw_payloads set captured_at = now() - interval '366 days' where id = (select id from analytics_private.raw_payloads order by id limit 1);
select count(*) as posts from analytics.profile_posts \gset
select is((analytics_private.maintain() -> 'raw_payloads')::integer, 1, 'an old payload goes');
select is((select count(*) from analytics.profile_posts), :posts::bigint, 'what was derived from it stays');
insert into analytics_private.jobs (kind, key, payload, state, max_attempts, finished_at) values ('k', '1', '{}', 'done', 1, now() - interval '31 days'), ('k', '2', '{}', 'cancelled', 1, now() - interval '31 days'),
  ('k', '3', '{}', 'dead', 1, now() - interval '31 days'), ('k', '4', '{}', 'done', 1, now() - interval '29 days');
select is((analytics_private.maintain() -> 'jobs')::integer, 2, 'old finished jobs go');
select is((select array_agg(key order by key) from analytics_private.jobs where kind = 'k'), array['3', '4'], 'dead ones wait for an operator');
select pg_temp.put_window(:'bob', :'host', '-200 days', '-91 days');
select is((analytics_private.maintain() -> 'windows')::integer, 1, 'a window that ended long ago goes');
select is((select count(*) from analytics.user_profile_access where user_id = :'ada' and profile_id = :'host'), 1::bigint, 'an open one stays');
insert into analytics.profiles (username, failed_at) values ('forgotten', now() - interval '2 days'), ('just_failed', now()), ('wanted', now() - interval '2 days'), ('never_tried', null);
insert into analytics.user_favorites (user_id, profile_id) select :'bob', id from analytics.profiles where username = 'wanted';
select is((analytics_private.maintain() -> 'unknown_profiles')::integer, 1, 'names that could not be fetched and interest nobody go');
select is((select array_agg(username::text order by username) from analytics.profiles where username in ('forgotten', 'just_failed', 'wanted', 'never_tried')), array['just_failed', 'never_tried', 'wanted'], 'others stay');
insert into analytics_private.jobs (kind, key, payload, state, max_attempts, lease_token, lease_expires_at) values ('k', '5', '{}', 'running', 9, gen_random_uuid(), now() - interval '1 minute');
select is((analytics_private.maintain() -> 'leases_returned')::integer, 1, 'ended leases are returned');
set local role analytics_sidecar;
select lives_ok('select analytics_private.maintain()', 'the sidecar may do the upkeep');
set local role none;

select * from finish();
rollback;
