-- Questions about followers: who came and went, who was there, whom accounts share; and that no answer says more than the lists do.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('ed@example.com') as editor, pg_temp.sign_up('ana@example.com') as analyst, pg_temp.sign_up('sam@example.com') as stranger \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'stranger') as elsewhere \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'editor', 'editor'), (:'studio', :'analyst', 'analyst');
select analytics_private.set_plan(w, 'premium') from unnest(array[:'studio', :'elsewhere']::uuid[]) w \g /dev/null

-- An account of the studio, by the number at its end; lists of people by their names. What a person is called is his handle.
create function pg_temp.account(number integer) returns uuid language sql immutable as $$ select ('0195c3a0-0000-7000-8000-' || 900000000000 + number)::uuid $$;
create function pg_temp.make_account(number integer, workspace uuid, creator uuid, platform text default 'instagram') returns uuid language sql as $$
  insert into analytics.social_accounts (workspace_id, id, platform, handle, created_by) values (workspace, pg_temp.account(number), platform, 'account' || number, creator) returning id
$$;
create function pg_temp.put(number integer, captured_at timestamptz, people text, is_complete boolean default true, relation text default 'followers') returns jsonb language sql as $$
  select analytics.record_followers(pg_temp.account(number), (case when people ~ '^\[' then people::jsonb else to_jsonb(string_to_array(people, ' ')) end)::text,
    captured_at => captured_at, relation => relation, is_complete => is_complete)
$$;
-- The people of a set, or of an array of it.
create function pg_temp.names(people analytics.follower_set) returns text language sql stable as $$
  select coalesce(string_agg(coalesce(u.handle, u.platform_user_id, '#' || m), ' ' order by u.handle, m), '')
  from analytics.members(people) m left join analytics.platform_users u on u.number = m and u.workspace_id in (select a.workspace_id from analytics.social_accounts a where a.id = pg_temp.account(1)) and u.platform = 'instagram'
  where people is not null having people is not null
$$;
create function pg_temp.state_of(statement text) returns text language sql as $$ select coalesce(pg_temp.error_of(statement) ->> 'state', 'fine') $$;
-- What followers_between says, in words.
create function pg_temp.between(number integer, since timestamptz, until timestamptz) returns jsonb language sql stable as $$
  select jsonb_strip_nulls(jsonb_build_object('gained', nullif(pg_temp.names(gained), ''), 'lost', nullif(pg_temp.names(lost), ''), 'gone', nullif(pg_temp.names(gone), ''),
    'came_and_left', nullif(pg_temp.names(came_and_left), ''), 'left_and_returned', nullif(pg_temp.names(left_and_returned), ''),
    'found', nullif(pg_temp.names(found), ''), 'not_seen', nullif(pg_temp.names(not_seen), ''))) from analytics.followers_between(pg_temp.account(number), since, until)
$$;
-- A whole listing by pages.
create function pg_temp.pages(number integer, size integer, since timestamptz default null, until timestamptz default null, kind text default null) returns jsonb language plpgsql stable as $$
declare
  page jsonb;
  items jsonb := '[]';
begin
  loop
    page := analytics.follower_changes_page(pg_temp.account(number), since, until, kind, page ->> 'next_cursor', size);
    items := items || (page -> 'items');
    exit when page ->> 'next_cursor' is null;
    if jsonb_array_length(page -> 'items') <> size then
      raise 'a page of % is followed by another', jsonb_array_length(page -> 'items');
    end if;
  end loop;
  return items;
end
$$;

select pg_temp.make_account(n, :'studio', :'owner') from generate_series(1, 10) n \g /dev/null
select pg_temp.make_account(20, :'studio', :'owner', 'tiktok'), pg_temp.make_account(30, :'elsewhere', :'stranger') \g /dev/null

-- A history: complete lists but for the third; who is away comes back, one person is deactivated ------------------------

select pg_temp.act_as(:'editor');
select pg_temp.put(1, '2026-01-01 12:00Z', 'ann bob cas dan'), pg_temp.put(1, '2026-01-02 12:00Z', 'ann bob cas eve'),
  pg_temp.put(1, '2026-01-03 12:00Z', 'ann eve fay', false), pg_temp.put(1, '2026-01-04 12:00Z', 'ann cas fay dan'),
  pg_temp.put(1, '2026-01-05 12:00Z', '["ann", "fay", "dan", {"username": "cas", "gone": true}]') \g /dev/null

select pg_temp.act_as(:'analyst');
select set_eq(format($$select c."timestamp"::date, c.change_type, c.username, c.returned from analytics.follower_changes c where c.social_account_id = %L$$, pg_temp.account(1)),
  $$values ('2026-01-02'::date, 'new_follower', 'eve', false), ('2026-01-02', 'unfollower', 'dan', null), ('2026-01-03', 'new_follower', 'fay', false),
    ('2026-01-04', 'new_follower', 'dan', true), ('2026-01-04', 'unfollower', 'bob', null), ('2026-01-04', 'unfollower', 'eve', null), ('2026-01-05', 'gone', 'cas', null)$$,
  'changes: the first list makes nobody new, an incomplete one nobody an unfollower, who comes back has returned, who is deactivated is gone');
select is((select count(distinct c.id) from analytics.follower_changes c where c.social_account_id = pg_temp.account(1)), 7::bigint, 'each has an id of its own');
select is(array(select c.id from analytics.follower_changes c where c.social_account_id = pg_temp.account(1) order by c.id), array(select c.id from analytics.follower_changes c order by c.id), 'the same at every reading');
select is((select jsonb_agg(distinct to_jsonb(c) -> 'workspace_id') from analytics.follower_changes c), jsonb_build_array(:'studio'), 'of the workspace');
select is((select array_agg(c.user_id order by c.user_id) from analytics.follower_changes c where c.change_type = 'new_follower'), '{dan,eve,fay}', 'user_id is the handle while no id is known');
select is((select to_jsonb(c) - '{id,workspace_id}'::text[] from analytics.follower_changes c where c.username = 'cas'),
  jsonb_build_object('social_account_id', pg_temp.account(1), 'relation', 'followers', 'change_type', 'gone', 'user_id', 'cas', 'username', 'cas', 'timestamp', timestamptz '2026-01-05 12:00Z', 'profile_pic_url', null,
    'verified', null, 'follower_count', null, 'extra_data', '{}'::jsonb, 'returned', null, 'followed_at', null), 'what is unknown is null');

select is((select array[pg_temp.names(followers), follower_count::text, captured_at::date::text, is_complete::text, source] from analytics.followers_at(pg_temp.account(1), moment)), expected, 'followers_at ' || moment)
from (values (timestamptz '2026-01-01 12:00Z', '{ann bob cas dan,4,2026-01-01,true,api}'::text[]), ('2026-01-02 11:59:59Z', '{ann bob cas dan,4,2026-01-01,true,api}'), ('2026-01-02 12:00Z', '{ann bob cas eve,4,2026-01-02,true,api}'),
  ('2026-01-03 20:00Z', '{ann bob cas eve fay,5,2026-01-03,false,api}'), ('2026-01-04 20:00Z', '{ann cas dan fay,4,2026-01-04,true,api}'), ('infinity', '{ann dan fay,3,2026-01-05,true,api}'), (null, '{ann dan fay,3,2026-01-05,true,api}')) v (moment, expected);
select is_empty(format('select from analytics.followers_at(%L, %L)', pg_temp.account(1), '2026-01-01 11:59:59Z'), 'nothing is known before the first list');
select is_empty(format('select from analytics.followers_at(%L)', pg_temp.account(9)), 'nor of an account without any');

select is(pg_temp.between(1, since, until), expected::jsonb, format('between %s and %s', since, until))
from (values (timestamptz '2026-01-01 12:00Z', timestamptz '2026-01-05 12:00Z', '{"gained": "fay", "lost": "bob", "gone": "cas", "came_and_left": "eve", "left_and_returned": "dan"}'),
  ('2026-01-01 12:00Z', '2026-01-02 12:00Z', '{"gained": "eve", "lost": "dan"}'), ('2026-01-02 12:00Z', '2026-01-03 12:00Z', '{"gained": "fay"}'),
  ('2026-01-02 12:00Z', '2026-01-04 12:00Z', '{"gained": "dan fay", "lost": "bob eve"}'), ('2026-01-03 12:00Z', '2026-01-04 12:00Z', '{"gained": "dan", "lost": "bob eve"}'),
  ('2025-12-01 12:00Z', '2026-01-02 12:00Z', '{"found": "ann bob cas", "gained": "eve", "lost": "dan"}'), ('2025-12-01 12:00Z', '2026-01-05 12:00Z', '{"found": "ann dan", "gained": "fay", "lost": "bob", "gone": "cas", "came_and_left": "eve", "left_and_returned": "dan"}')) v (since, until, expected);
select is((select to_jsonb(b) - '{gained,lost,gone,came_and_left,left_and_returned,found,not_seen}'::text[] from analytics.followers_between(pg_temp.account(1), '2026-01-01 13:00Z', '2026-01-03 13:00Z') b),
  '{"start_captured_at": "2026-01-01T12:00:00+00:00", "start_completeness": null, "start_is_complete": true, "end_captured_at": "2026-01-03T12:00:00+00:00", "end_completeness": null, "end_is_complete": false, "lists": 2,
    "start_count": 4, "end_count": 5, "gained_count": 2, "lost_count": 1, "gone_count": 0, "came_and_left_count": 0, "left_and_returned_count": 0, "found_count": 0, "not_seen_count": 0}', 'with the lists that were compared, and counts');
select is((select array[lists, gained_count, lost_count, start_count, end_count] from analytics.followers_between(pg_temp.account(1), '2026-01-01 13:00Z', '2026-01-02 11:00Z')), array[0, null, null, 4, 4]::bigint[], 'with one list at both ends nothing is known');
select is_empty(format('select from analytics.followers_between(%L, %L, %L)', pg_temp.account(1), '2025-01-01', '2026-01-01'), 'nor before the first list');

select results_eq(format('select event, since::date, captured_at::date, returned from analytics.follower_history(%L, %L)', pg_temp.account(1), who), expected, 'history of ' || who)
from (values ('dan', $$values ('found', null::date, '2026-01-01'::date, false), ('unfollower', '2026-01-01', '2026-01-02', null), ('new_follower', '2026-01-02', '2026-01-04', true)$$),
  (' @Dan ', $$values ('found', null::date, '2026-01-01'::date, false), ('unfollower', '2026-01-01', '2026-01-02', null), ('new_follower', '2026-01-02', '2026-01-04', true)$$),
  ('bob', $$values ('found', null::date, '2026-01-01'::date, false), ('unfollower', '2026-01-02', '2026-01-04', null)$$),
  ('eve', $$values ('new_follower', '2026-01-01'::date, '2026-01-02'::date, false), ('unfollower', '2026-01-03', '2026-01-04', null)$$),
  ('fay', $$values ('new_follower', '2026-01-02'::date, '2026-01-03'::date, false)$$),
  ('cas', $$values ('found', null::date, '2026-01-01'::date, false), ('gone', '2026-01-04', '2026-01-05', null)$$)) v (who, expected);
select is_empty(format('select from analytics.follower_history(%L, %L)', pg_temp.account(1), who), coalesce(who, 'null') || ' is in no list') from unnest(array['nobody', '', null]) who;

-- A list that came late --------------------------------------------------------------------------------------------------

select pg_temp.between(1, '2026-01-01 12:00Z', '2026-01-05 12:00Z') as known_before \gset
select pg_temp.act_as(:'editor');
select pg_temp.put(1, '2026-01-03 00:00Z', 'ann bob eve gil') \g /dev/null
select pg_temp.act_as(:'analyst');
select is((select count(*) from analytics.follower_changes c where c.social_account_id = pg_temp.account(1)), 7::bigint, 'a list that came late changes nothing');
select is((select pg_temp.names(followers) from analytics.followers_at(pg_temp.account(1), '2026-01-03 01:00Z')), 'ann bob eve gil', 'it answers for its own time');
select is((select pg_temp.names(followers) from analytics.followers_at(pg_temp.account(1), '2026-01-03 12:00Z')), 'ann bob cas eve fay', 'and for no later one');
select is(pg_temp.between(1, since, until), expected::jsonb, format('with it between %s and %s', since, until))
from (values (timestamptz '2026-01-01 12:00Z', timestamptz '2026-01-03 00:00Z', '{"gained": "eve gil", "lost": "cas dan"}'), ('2026-01-02 12:00Z', '2026-01-03 00:00Z', '{"gained": "gil", "lost": "cas"}'),
  ('2026-01-03 00:00Z', '2026-01-03 12:00Z', '{"gained": "cas fay", "not_seen": "gil"}'), ('2026-01-03 00:00Z', '2026-01-04 12:00Z', '{"gained": "cas dan fay", "lost": "bob eve gil"}'),
  ('2026-01-02 12:00Z', '2026-01-04 12:00Z', '{"gained": "dan fay", "lost": "bob eve", "came_and_left": "gil", "left_and_returned": "cas"}'),
  ('2026-01-01 12:00Z', '2026-01-05 12:00Z', '{"gained": "fay", "lost": "bob", "gone": "cas", "came_and_left": "eve gil", "left_and_returned": "dan"}')) v (since, until, expected);

-- The same list again, and then one of in between.
select pg_temp.act_as(:'editor');
select pg_temp.put(10, '2026-01-01Z', 'ann bob'), pg_temp.put(10, '2026-01-10Z', 'ann bob'), pg_temp.put(10, '2026-01-05Z', 'ann cid') \g /dev/null
select pg_temp.act_as(:'analyst');
select is((select array[pg_temp.names(followers), captured_at::date::text, confirmed_at::date::text] from analytics.followers_at(pg_temp.account(10), moment)), expected, 'a list that came again: ' || moment)
from (values (timestamptz '2026-01-04Z', '{ann bob,2026-01-01,2026-01-10}'::text[]), ('2026-01-07Z', '{ann cid,2026-01-05,2026-01-05}'), ('2026-01-11Z', '{ann bob,2026-01-01,2026-01-10}')) v (moment, expected);
select is(pg_temp.between(10, since, until), expected::jsonb, format('a list that came again, between %s and %s', since, until))
from (values (timestamptz '2026-01-01Z', timestamptz '2026-01-11Z', '{"came_and_left": "cid", "left_and_returned": "bob"}'), ('2026-01-07Z', '2026-01-11Z', '{"gained": "bob", "lost": "cid"}'), ('2026-01-01Z', '2026-01-07Z', '{"gained": "cid", "lost": "bob"}')) v (since, until, expected);
select is((select array[gained_count, lost_count, came_and_left_count, lists] from analytics.followers_between(pg_temp.account(10), '2026-01-01Z', '2026-01-11Z')), array[0, 0, 1, 1]::bigint[], 'that it came again says that nobody had gone');
select is((select array[gained_count, lost_count] from analytics.followers_between(pg_temp.account(10), since, until)), array[null, null]::bigint[], format('which is known at %s and not before', '2026-01-10'))
from (values (timestamptz '2026-01-01Z', timestamptz '2026-01-04Z'), ('2026-01-11Z', '2026-01-12Z')) v (since, until);

-- Late lists at the start, before the first of the chain, and beside one that came again.
select pg_temp.act_as_superuser();
select pg_temp.make_account(n, :'studio', :'owner') from generate_series(21, 24) n \g /dev/null
select pg_temp.act_as(:'editor');
select pg_temp.put(21, '2026-01-14Z', 'xia yan'), pg_temp.put(21, '2026-01-15Z', '[]'), pg_temp.put(21, '2026-01-02Z', 'zoe') \g /dev/null
select pg_temp.put(22, '2026-01-11Z', 'xia'), pg_temp.put(22, '2026-01-14Z', 'xia yan'), pg_temp.put(22, '2026-01-02Z', 'xia yan') \g /dev/null
select pg_temp.put(23, '2026-01-13Z', 'xia yan'), pg_temp.put(23, '2026-01-17Z', 'xia yan'), pg_temp.put(23, '2026-01-19Z', 'xia yan zoe'), pg_temp.put(23, '2026-01-16Z', 'yan') \g /dev/null
select pg_temp.put(24, '2026-01-10Z', 'xia'), pg_temp.put(24, '2026-01-12Z', 'xia yan', false), pg_temp.put(24, '2026-01-11Z', 'zoe', false), pg_temp.put(24, '2026-01-14Z', 'yan', false) \g /dev/null
select pg_temp.act_as(:'analyst');
select is(pg_temp.between(number, since, until), expected::jsonb, format('late lists of account %s between %s and %s', number, since, until))
from (values (21, timestamptz '2026-01-02Z', timestamptz '2026-01-15Z', '{"lost": "zoe", "came_and_left": "xia yan"}'), (21, '2026-01-02Z', '2026-01-14Z', '{"gained": "xia yan", "lost": "zoe"}'),
  (22, '2026-01-02Z', '2026-01-14Z', '{"left_and_returned": "yan"}'), (22, '2026-01-01Z', '2026-01-14Z', '{"found": "xia yan", "left_and_returned": "yan"}'),
  (23, '2026-01-17 12:00Z', '2026-01-19Z', '{"gained": "zoe"}'), (23, '2026-01-13Z', '2026-01-17 12:00Z', '{"left_and_returned": "xia"}'), (23, '2026-01-16Z', '2026-01-17Z', '{"gained": "xia"}'),
  (24, '2026-01-10Z', '2026-01-14Z', '{"gained": "yan"}'), (24, '2026-01-11Z', '2026-01-12Z', '{"found": "xia yan", "not_seen": "zoe"}')) v (number, since, until, expected);
select is((select lists from analytics.followers_between(pg_temp.account(23), '2026-01-13Z', '2026-01-17 12:00Z')), 1::bigint, 'a late list before one came again counts as one in between');

-- One that came late and was captured again, beside another.
select pg_temp.act_as_superuser();
select pg_temp.make_account(25, :'studio', :'owner') \g /dev/null
select pg_temp.act_as(:'editor');
select pg_temp.put(25, '2026-01-14Z', 'xia'), pg_temp.put(25, '2026-01-04Z', 'yan'), pg_temp.put(25, '2026-01-06Z', 'yan'), pg_temp.put(25, '2026-01-05Z', 'zoe') \g /dev/null
select pg_temp.act_as(:'analyst');
select is((select pg_temp.names(followers) from analytics.followers_at(pg_temp.account(25), moment)), expected, 'a late list that came again: ' || moment)
from (values (timestamptz '2026-01-04Z', 'yan'), ('2026-01-05Z', 'zoe'), ('2026-01-06Z', 'yan'), ('2026-01-13Z', 'yan'), ('2026-01-14Z', 'xia')) v (moment, expected);
select is(pg_temp.between(25, '2026-01-04Z', '2026-01-06Z'), '{"came_and_left": "zoe", "left_and_returned": "yan"}', 'and between its two captures');

-- Lists of which none was complete at first ------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select pg_temp.put(2, '2026-01-01Z', 'ann bob', false), pg_temp.put(2, '2026-01-02Z', 'bob cas', false), pg_temp.put(2, '2026-01-03Z', 'bob dan'), pg_temp.put(2, '2026-01-04Z', 'bob dan eve') \g /dev/null
select pg_temp.act_as(:'analyst');
select set_eq(format($$select c."timestamp"::date, c.change_type, c.username from analytics.follower_changes c where c.social_account_id = %L$$, pg_temp.account(2)),
  $$values ('2026-01-03'::date, 'unfollower', 'ann'), ('2026-01-03', 'unfollower', 'cas'), ('2026-01-04', 'new_follower', 'eve')$$, 'before the first complete list nobody is new');
select is(pg_temp.between(2, since, until), expected::jsonb, format('incomplete lists between %s and %s', since, until))
from (values (timestamptz '2026-01-01Z', timestamptz '2026-01-02Z', '{"found": "cas"}'), ('2026-01-01Z', '2026-01-03Z', '{"found": "dan", "lost": "ann cas"}'), ('2026-01-01Z', '2026-01-04Z', '{"found": "dan", "gained": "eve", "lost": "ann cas"}'), ('2026-01-03Z', '2026-01-04Z', '{"gained": "eve"}')) v (since, until, expected);
select is((select people_count from analytics.not_following_back(pg_temp.account(2), '2026-01-04')), null, 'without a list of the other side nothing is said');

-- What the source says besides: since when, how many there are, who the people are.
select pg_temp.act_as_superuser();
select pg_temp.make_account(16, :'studio', :'owner'), pg_temp.make_account(17, :'studio', :'owner') \g /dev/null
select pg_temp.act_as(:'editor');
select pg_temp.put(16, '2026-01-01Z', '[{"username": "ann", "followed_at": "2025-06-01T00:00:00Z"}, "bob"]'),
  pg_temp.put(16, '2026-02-01Z', '["ann", "bob", {"username": "zed", "followed_at": "2026-01-20T10:00:00Z", "full_name": "Zed Z.", "is_verified": true, "follower_count": 5000000000, "id": "500", "extra_data": {"city": "Oslo"}}, {"username": "cas"}]') \g /dev/null
select analytics.record_followers(pg_temp.account(17), '["ann", "bob"]', '2026-01-01Z', claimed_count => 3) \g /dev/null
select pg_temp.act_as(:'analyst');
select set_eq(format('select username, user_id, followed_at, verified, follower_count, extra_data from analytics.follower_changes where social_account_id = %L', pg_temp.account(16)),
  $$values ('zed', '500', timestamptz '2026-01-20 10:00Z', true, 5000000000, '{"city": "Oslo"}'::jsonb), ('cas', 'cas', null, null, null, '{}')$$, 'changes say since when he follows and who he is');
select is((select i - '{id,number,details_at,social_account_id}'::text[] from jsonb_array_elements(pg_temp.pages(16, 1)) i where i ->> 'username' = 'zed'),
  '{"relation": "followers", "change_type": "new_follower", "timestamp": "2026-02-01T00:00:00+00:00", "user_id": "500", "username": "zed", "full_name": "Zed Z.", "profile_pic_url": null, "verified": true, "follower_count": 5000000000,
    "extra_data": {"city": "Oslo"}, "returned": false, "followed_at": "2026-01-20T10:00:00+00:00"}', 'so do pages');
select is((select array_agg(followed_at) from analytics.follower_history(pg_temp.account(16), who)), array[since]::timestamptz[], 'and histories: ' || who) from (values ('ann', '2025-06-01Z'), ('500', '2026-01-20 10:00Z'), ('bob', null)) v (who, since);
select results_eq(format('select event, since, captured_at::date from analytics.follower_history(%L, %L)', pg_temp.account(16), 'zed'), $$values ('new_follower', timestamptz '2026-01-01Z', '2026-02-01'::date)$$, 'it happened after the first list');
select is((select array[completeness, is_complete::integer, follower_count] from analytics.followers_at(pg_temp.account(17))), array[0.6667, 0, 2], 'completeness is the share of those claimed');
select is((analytics.unique_reach(array[pg_temp.account(17)]) #>> '{accounts,0,completeness}')::numeric, 0.6667, 'and is told with every answer');

-- Pages ------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select pg_temp.put(3, timestamptz '2026-02-01Z' + day * interval '1 day', (select string_agg('p' || n, ' ') from generate_series(1, 60) n where (n * 7 + day * day * 5) % 11 < 7)) from generate_series(0, 20) day \g /dev/null
select pg_temp.put(3, timestamptz '2026-02-01Z' + day * interval '1 day', (select string_agg('p' || n, ' ') from generate_series(1, 40) n where (n * 5 + day * 3) % 7 < 4), relation => 'following') from generate_series(0, 20) day \g /dev/null
select pg_temp.act_as(:'analyst');
select cmp_ok((select count(*) from analytics.follower_changes c where c.social_account_id = pg_temp.account(3)), '>', 500::bigint, 'there are changes enough');
select jsonb_agg(to_jsonb(c) - 'workspace_id' order by c."timestamp" desc, c.relation, array_position('{new_follower,new_following,unfollower,unfollowing,gone}', c.change_type), u.number) as all_changes
from analytics.follower_changes c join analytics.platform_users u on u.handle = c.username where c.social_account_id = pg_temp.account(3) \gset
select is((select jsonb_agg(i - '{full_name,details_at}'::text[] order by o) from jsonb_array_elements(pg_temp.pages(3, size)) with ordinality x (i, o)), :'all_changes'::jsonb, format('pages of %s show every change once, newest first, as the view does', size)) from unnest(array[1, 7, 50, 200]) size;
select is((select count(*) from jsonb_array_elements(pg_temp.pages(3, 10, '2026-02-05Z', '2026-02-09Z', kind)) i where i ->> 'change_type' = kind),
  (select count(*) from analytics.follower_changes c where c.social_account_id = pg_temp.account(3) and c.change_type = kind and c."timestamp" >= '2026-02-05Z' and c."timestamp" < '2026-02-09Z'), 'by kind and time: ' || kind)
from unnest(array['new_follower', 'unfollower', 'new_following', 'unfollowing', 'gone']) kind;
select is((select array_agg(distinct i ->> 'change_type') from jsonb_array_elements(pg_temp.pages(3, 10, kind => 'unfollowing')) i), '{unfollowing}', 'and nothing else');
select is(analytics.follower_changes_page(pg_temp.account(9)), '{"items": [], "next_cursor": null}', 'an account without lists has an empty page');

select is((select count(distinct i ->> 'username') from (select analytics.follower_list(pg_temp.account(3), '2026-02-10Z', page_size => 1000) -> 'items') p (items), jsonb_array_elements(items) i),
  (select follower_count from analytics.followers_at(pg_temp.account(3), '2026-02-10Z')), 'everybody is in a list of people');
select analytics.follower_list(pg_temp.account(3), '2026-02-10Z', page_size => 5) as page \gset
select is((:'page'::jsonb - '{items,next_cursor}'::text[]) || jsonb_build_object('n', jsonb_array_length(:'page'::jsonb -> 'items')),
  jsonb_build_object('captured_at', timestamptz '2026-02-10Z', 'confirmed_at', timestamptz '2026-02-10Z', 'source', 'api', 'completeness', null, 'is_complete', true,
    'follower_count', (select follower_count from analytics.followers_at(pg_temp.account(3), '2026-02-10Z')), 'n', 5), 'which says what it was made of');
select is((analytics.follower_list(pg_temp.account(3), '2026-02-12Z', after => :'page'::jsonb ->> 'next_cursor', page_size => 5) ->> 'captured_at')::timestamptz, '2026-02-10Z', 'its next page is of the same list');
select cmp_ok((analytics.follower_list(pg_temp.account(3), '2026-02-10Z', after => :'page'::jsonb ->> 'next_cursor', page_size => 5) #>> '{items,0,number}')::bigint, '>', (:'page'::jsonb #>> '{items,4,number}')::bigint, 'and goes on where it ended');
select is(analytics.follower_list(pg_temp.account(9)), '{"captured_at": null, "items": [], "next_cursor": null}', 'no list, no people');
select is((select string_agg(i ->> 'username', ' ') from jsonb_array_elements(analytics.people_of(pg_temp.account(1), (select followers from analytics.followers_at(pg_temp.account(1), '2026-01-02 12:00Z'))) -> 'items') i),
  'ann bob cas eve', 'people_of gives numbers their names');
select is(analytics.people_of(pg_temp.account(1), '{999999999}') -> 'items' -> 0 ->> 'number', '999999999', 'a number that nobody has stays a number');
select is(analytics.people_of(pg_temp.account(1), '{}') -> 'items', '[]', 'nobody is nobody');

-- Two numbers, one person ------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select pg_temp.put(4, '2026-03-01Z', '[{"id": "77", "username": "old.name"}, "ann"]'), pg_temp.put(4, '2026-03-02Z', 'new.name ann'), pg_temp.put(4, '2026-03-03Z', 'new.name ann bob') \g /dev/null
select pg_temp.act_as(:'analyst');
select set_eq(format('select c.change_type, c.username from analytics.follower_changes c where c.social_account_id = %L', pg_temp.account(4)), $$values ('unfollower', 'old.name'), ('new_follower', 'new.name'), ('new_follower', 'bob')$$,
  'under a new name, without his id, he looks like somebody else');
select pg_temp.act_as(:'editor');
select pg_temp.put(4, '2026-03-04Z', '[{"id": "77", "username": "new.name"}, "ann"]') \g /dev/null
select pg_temp.act_as(:'analyst');
select isnt_empty($$select from analytics.platform_users where alias_of is not null$$, 'a list with his id and that name shows that he is one person');
select set_eq(format('select c.change_type, c.username, c.user_id from analytics.follower_changes c where c.social_account_id = %L', pg_temp.account(4)), $$values ('new_follower', 'bob', 'bob'), ('unfollower', 'bob', 'bob')$$,
  'then he neither left nor came');
select is(jsonb_array_length(pg_temp.pages(4, 1)), 2, 'nor in pages');
select is((select pg_temp.names(followers) || follower_count from analytics.followers_at(pg_temp.account(4), moment)), expected, 'one person at ' || moment) from (values (timestamptz '2026-03-01Z', 'ann new.name2'), ('2026-03-02Z', 'ann new.name2'), ('2026-03-03Z', 'ann bob new.name3'), ('2026-03-04Z', 'ann new.name2')) v (moment, expected);
select is(pg_temp.between(4, since, until), expected::jsonb, format('his names between %s and %s', since, until))
from (values (timestamptz '2026-03-01Z', timestamptz '2026-03-02Z', '{}'), ('2026-03-01Z', '2026-03-03Z', '{"gained": "bob"}'), ('2026-03-01Z', '2026-03-04Z', '{"came_and_left": "bob"}'), ('2026-03-02Z', '2026-03-04Z', '{"came_and_left": "bob"}')) v (since, until, expected);
select results_eq(format('select event, captured_at::date from analytics.follower_history(%L, %L)', pg_temp.account(4), who), $$values ('found', '2026-03-01'::date)$$, 'his history, by ' || who) from unnest(array['77', 'new.name', '@Old.Name']) who;
select is((select still_7_days || '/' || came from analytics.retention(pg_temp.account(4), '2026-03-01Z', '2026-03-08Z')), null, 'retention: nothing is known yet of one list') ;
select is((select came from analytics.retention(pg_temp.account(4), '2026-03-01Z', '2026-03-08Z')), 1::bigint, 'and a new name is no new follower');

-- By his id alone, in an incomplete list, he looks like a second person; a complete one then seems to miss the first.
select pg_temp.act_as_superuser();
select pg_temp.make_account(18, :'studio', :'owner'), pg_temp.make_account(19, :'studio', :'owner') \g /dev/null
select pg_temp.act_as(:'editor');
select pg_temp.put(18, '2026-03-01Z', 'pia'), pg_temp.put(18, '2026-03-02Z', '[{"id": "88"}]', false), pg_temp.put(18, '2026-03-03Z', '[{"id": "88"}]'), pg_temp.put(18, '2026-03-12Z', '[{"id": "88", "username": "pia"}, "ann"]') \g /dev/null
select pg_temp.act_as(:'analyst');
select set_eq(format('select c.change_type, c.username from analytics.follower_changes c where c.social_account_id = %L', pg_temp.account(18)), $$values ('new_follower', 'ann')$$, 'who has been there by one of his numbers all the time neither came nor left');
select is((select array_agg(i ->> 'username') from jsonb_array_elements(pg_temp.pages(18, 1)) i), '{ann}', 'nor in pages');
select is(pg_temp.between(18, '2026-03-01Z', '2026-03-12Z'), '{"gained": "ann"}', 'nor between two moments');
select is(pg_temp.between(18, '2026-03-02Z', '2026-03-03Z'), '{}', 'within them');
select is((select came from analytics.retention(pg_temp.account(18), '2026-03-01Z', '2026-03-08Z')), 0::bigint, 'nor is he counted as new');
-- He left by one number and came back by the other.
select pg_temp.act_as(:'editor');
select pg_temp.put(19, '2026-03-01Z', 'ann quin'), pg_temp.put(19, '2026-03-02Z', 'ann'), pg_temp.put(19, '2026-03-03Z', '["ann", {"id": "89"}]'), pg_temp.put(19, '2026-03-04Z', '["ann", {"id": "89", "username": "quin"}]') \g /dev/null
select pg_temp.act_as(:'analyst');
select set_eq(format('select c.change_type, c.username, c."timestamp"::date from analytics.follower_changes c where c.social_account_id = %L', pg_temp.account(19)), $$values ('unfollower', 'quin', '2026-03-02'::date), ('new_follower', 'quin', '2026-03-03')$$, 'who was away between his two numbers left and came back');
select is(pg_temp.between(19, '2026-03-01Z', '2026-03-04Z'), '{"left_and_returned": "quin"}', 'between two moments, too');

-- Retention --------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select pg_temp.put(5, timestamptz '2026-01-05 09:00Z' + day * interval '1 day', people, is_complete) from (values (0, 'ann', true), (1, 'ann b1 b2 b3', true), (3, 'ann b1 b2 b3 b4', true), (8, 'ann b1 b2 b3 c1', true), (10, 'ann b1 b2 c1', true), (11, 'ann b1 b2 c1 b3', true), (31, 'ann b1 c1', true), (61, 'ann b1', false), (92, 'ann', true)) v (day, people, is_complete) \g /dev/null
select pg_temp.act_as(:'analyst');
-- First week: b1 b2 b3 come on the 6th, b4 on the 8th. A week later, on the 13th, b4 is gone; on the 15th, b3 too.
select is((select jsonb_agg(jsonb_build_array(bucket_start::date, lists, complete_lists, came, still_7_days, still_30_days, still_60_days, still_90_days) order by bucket_start) from analytics.retention(pg_temp.account(5), '2026-01-05Z', '2026-01-26Z')),
  '[["2026-01-05", 3, 3, 4, 3, 1, null, 0], ["2026-01-12", 3, 3, 2, null, null, null, 0], ["2026-01-19", 0, 0, null, null, null, null, null]]', 'who stayed, where a complete list says so');
select is((select retention_7_days from analytics.retention(pg_temp.account(5), '2026-01-05Z', '2026-01-12Z')), 0.75::double precision, 'as a share');
select is((select array_agg(came order by bucket_start) from analytics.retention(pg_temp.account(5), '2026-01-05Z', '2026-03-05Z', '1 month')), array[6, 0]::bigint[], 'by months');
select is(analytics.retention(pg_temp.account(9), '2026-01-05Z', '2026-01-06Z')::text, '("2026-01-05 00:00:00+00","2026-01-06 00:00:00+00",0,0,,,,,,,,,,)', 'of an account without lists nothing is known');
select is((select array_agg(came order by bucket_start) from analytics.retention(pg_temp.account(10), '2025-12-31Z', '2026-01-16Z', '5 days')), array[0, 0, 0, null]::bigint[], 'between two captures of one list nobody came');
select pg_temp.act_as(:'editor');
select pg_temp.put(6, now() - interval '8 days', 'ann'), pg_temp.put(6, now() - interval '6 days', 'ann bob'), pg_temp.put(6, now(), 'ann bob') \g /dev/null
select pg_temp.act_as(:'analyst');
select is((select still_7_days from analytics.retention(pg_temp.account(6), now() - interval '9 days') where came > 0), null, 'a day that has not come is unknown');

-- Followers and following ------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select pg_temp.put(7, '2026-01-01Z', 'ann bob cas'), pg_temp.put(7, '2026-01-02Z', 'bob cas dan', relation => 'following'), pg_temp.put(8, '2026-01-01Z', 'ann', false), pg_temp.put(8, '2026-01-01Z', 'ann bob', relation => 'following') \g /dev/null
select pg_temp.act_as(:'analyst');
select is((select array[pg_temp.names(people), people_count::text, followers_captured_at::date::text, following_captured_at::date::text, followers_is_complete::text] from analytics.mutuals(pg_temp.account(7))), '{bob cas,2,2026-01-01,2026-01-02,true}', 'who follows each other');
select is((select array[pg_temp.names(people), people_count::text] from analytics.not_following_back(pg_temp.account(7))), '{dan,1}', 'who does not follow back');
select is((select people_count from analytics.mutuals(pg_temp.account(7), '2026-01-01 12:00Z')), null, 'before the second list nothing is known');
select is((select array[people_count, followers_is_complete::integer] from analytics.not_following_back(pg_temp.account(8))), array[null, 0]::bigint[], 'an incomplete list of followers accuses nobody');
select is((select pg_temp.names(people) from analytics.mutuals(pg_temp.account(8))), 'ann', 'but whoever is in it follows');
select is((select followers from analytics.followers_at(pg_temp.account(7), relation => 'following'))::text, (select followers from analytics.followers_at(pg_temp.account(7), '2026-01-03', 'following'))::text, 'followers_at answers for both relations');

-- Several accounts -------------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
select pg_temp.make_account(n, :'studio', :'owner') from generate_series(11, 15) n \g /dev/null
select pg_temp.act_as(:'editor');
select pg_temp.put(11, '2026-01-01Z', 'v1 v2 v3'), pg_temp.put(12, '2026-01-01Z', 'v1 v4'), pg_temp.put(13, '2026-01-01Z', 'v1 v3 v5'), pg_temp.put(20, '2026-01-01Z', 'v1 v2 v3 v4'),
  pg_temp.put(14, '2026-01-01Z', 'v1 v2 v3 v4') \g /dev/null
select pg_temp.act_as(:'analyst');
create function pg_temp.accounts(variadic numbers integer[]) returns uuid[] language sql immutable as $$ select array_agg(pg_temp.account(n) order by o) from unnest(numbers) with ordinality v (n, o) $$;
select is(analytics.audience_overlap(pg_temp.accounts(11, 12, 13)) - '{accounts,pairs}'::text[], '{"sum": 8, "union": 5, "shared": 2, "exclusive": 3, "shared_share": 0.4}', 'the published example: sum 8, union 5, exclusive 3, shared 2');
select is((select jsonb_agg(jsonb_build_array(p -> 'shared', p -> 'jaccard', round((p ->> 'share_of_smaller')::numeric, 6)) order by o) from jsonb_array_elements(analytics.audience_overlap(pg_temp.accounts(11, 12, 13)) -> 'pairs') with ordinality v (p, o)),
  '[[1, 0.25, 0.5], [2, 0.5, 0.666667], [1, 0.25, 0.5]]', 'Jaccard of the first and the third 0.5, share of the smaller 2/3');
select is((select jsonb_agg(jsonb_build_array(a -> 'account_id', a -> 'follower_count', a -> 'exclusive', round((a ->> 'exclusive_share')::numeric, 6), a -> 'is_complete', (a ->> 'captured_at')::date) order by o)
  from jsonb_array_elements(analytics.audience_overlap(pg_temp.accounts(11, 12, 13)) -> 'accounts') with ordinality v (a, o)),
  jsonb_build_array(jsonb_build_array(pg_temp.account(11), 3, 1, 0.333333, true, '2026-01-01'), jsonb_build_array(pg_temp.account(12), 2, 1, 0.5, true, '2026-01-01'), jsonb_build_array(pg_temp.account(13), 3, 1, 0.333333, true, '2026-01-01')), 'what each has alone, and of when');
select is(analytics.audience_overlap(pg_temp.accounts(11, 20)) #- '{accounts}', jsonb_build_object('sum', 7, 'union', 7, 'shared', 0, 'exclusive', 7, 'shared_share', 0,
  'pairs', jsonb_build_array(jsonb_build_object('a', pg_temp.account(11), 'b', pg_temp.account(20), 'shared', null, 'jaccard', null, 'share_of_smaller', null))), 'nobody is recognised on another platform');
select is(analytics.audience_overlap(pg_temp.accounts(11, 9)) #- '{accounts,0}', jsonb_build_object('sum', 3, 'union', 3, 'shared', 0, 'exclusive', 3, 'shared_share', 0,
  'accounts', jsonb_build_array(jsonb_build_object('account_id', pg_temp.account(9), 'platform', 'instagram', 'handle', 'account9', 'captured_at', null, 'source', null, 'completeness', null, 'is_complete', null, 'follower_count', null, 'exclusive', null, 'exclusive_share', null)),
  'pairs', jsonb_build_array(jsonb_build_object('a', pg_temp.account(11), 'b', pg_temp.account(9), 'shared', null, 'jaccard', null, 'share_of_smaller', null))), 'an account without a list has null and takes no part');
select is(analytics.audience_overlap(pg_temp.accounts(11, 12), '2025-12-01') -> 'sum', '0', 'before the first lists there is nothing to compare');
select is(analytics.unique_reach(pg_temp.accounts(11, 12, 13)) - 'accounts', '{"sum": 8, "reach": 5}', 'how many follow at least one');
select is(analytics.unique_reach(pg_temp.accounts(11, 12, 20)) - 'accounts', '{"sum": 9, "reach": 8}', 'platforms are added');
select is(analytics.unique_reach(pg_temp.accounts(9)) - 'accounts', '{"sum": null, "reach": null}', 'no list, no reach');
select is((analytics.unique_reach(pg_temp.accounts(11)) #> '{accounts,0}') - '{account_id,captured_at}'::text[], '{"platform": "instagram", "handle": "account11", "source": "api", "completeness": null, "is_complete": true, "follower_count": 3}', 'with what it was made of');
select results_eq(format('select place, handle, added, reach from analytics.best_additions(%L, %s)', pg_temp.accounts(11, 12, 13), n), expected, format('the best %s', n))
from (values (1, $$values (1, 'account11', 3::bigint, 3::bigint)$$), (2, $$values (1, 'account11', 3::bigint, 3::bigint), (2, 'account12', 1::bigint, 4::bigint)$$), (9, $$values (1, 'account11', 3::bigint, 3::bigint), (2, 'account12', 1::bigint, 4::bigint), (3, 'account13', 1::bigint, 5::bigint)$$)) v (n, expected);
select results_eq(format('select place, handle, added, reach from analytics.best_additions(%L, 5, %L)', pg_temp.accounts(12, 14, 9), pg_temp.accounts(11)), $$values (1, 'account12', 1::bigint, 4::bigint)$$, 'beside accounts that are chosen already; who adds nobody is not picked');
select results_eq(format('select place, platform, handle, added, reach from analytics.best_additions(%L, 3)', pg_temp.accounts(12, 13, 20, 14)),
  $$values (1, 'tiktok', 'account20', 4::bigint, 4::bigint), (2, 'instagram', 'account14', 4::bigint, 8::bigint), (3, 'instagram', 'account13', 1::bigint, 9::bigint)$$, 'across platforms each adds what it adds on its own');

-- Random histories, beside the plainest reading of the lists ---------------------------------------------------------------

select setseed(0.4);
select pg_temp.act_as_superuser();
create temp table shown (number integer, captured_at timestamptz, is_complete boolean, relation text, name text);
insert into shown
select 15, timestamptz '2026-04-01Z' + day * interval '1 day', true, 'followers', 'r' || n
from generate_series(0, 119) day, generate_series(1, 40) n where (hashtext(n || '/' || day / (3 + n % 9)) & 7) < 5;
grant select on shown to public;
select pg_temp.act_as(:'editor');
select pg_temp.put(15, captured_at, string_agg(name, ' ')) from shown group by captured_at order by captured_at \g /dev/null
select pg_temp.act_as(:'analyst');
select is_empty($$
  select l.captured_at from (select s.captured_at, string_agg(s.name, ' ' order by s.name collate "C") from shown s group by s.captured_at) l (captured_at, names)
    cross join lateral analytics.followers_at(pg_temp.account(15), l.captured_at + interval '1 hour') f
  where (select string_agg(u.handle, ' ' order by u.handle) from analytics.members(f.followers) m join analytics.platform_users u on u.number = m and u.platform = 'instagram') <> l.names
$$, 'every list comes back as it was');
select cmp_ok((select count(*) from analytics.follower_snapshots s where s.social_account_id = pg_temp.account(15) and s.keyframe is null), '>', 5::bigint, 'though not all are stored whole');
select pg_temp.act_as_superuser();
create temp view ends as select a.at as since, b.at as until from (select timestamptz '2026-04-01Z' + d * interval '7 days' from generate_series(0, 16) d) a (at) join (select timestamptz '2026-04-01Z' + d * interval '7 days' from generate_series(0, 16) d) b (at) on a.at < b.at;
grant select on ends to public;
select pg_temp.act_as(:'analyst');
select is_empty($$
  select e.* from ends e cross join lateral analytics.followers_between(pg_temp.account(15), e.since, e.until) b
  cross join lateral (
    select string_agg(name, ' ' order by name collate "C") filter (where at_end and not at_start) as gained, string_agg(name, ' ' order by name collate "C") filter (where at_start and not at_end) as lost,
      string_agg(name, ' ' order by name collate "C") filter (where not at_start and not at_end) as came_and_left, string_agg(name, ' ' order by name collate "C") filter (where at_start and at_end and times < days) as left_and_returned
    from (select s.name, bool_or(s.captured_at = e.since) as at_start, bool_or(s.captured_at = e.until) as at_end, count(*) as times, extract(day from e.until - e.since) + 1 as days
          from shown s where s.captured_at between e.since and e.until group by s.name) p) x
  where (pg_temp.names(b.gained), pg_temp.names(b.lost), pg_temp.names(b.came_and_left), pg_temp.names(b.left_and_returned), pg_temp.names(b.found), pg_temp.names(b.not_seen))
    is distinct from (coalesce(x.gained, ''), coalesce(x.lost, ''), coalesce(x.came_and_left, ''), coalesce(x.left_and_returned, ''), '', '')
$$, 'who came and went between any two weeks');
select is_empty($$
  with arrivals as (
    select s.name, s.captured_at, (select min(d.day) from (select generate_series(s.captured_at, timestamptz '2026-07-29Z', interval '1 day')) d (day) where not exists (select from shown o where o.name = s.name and o.captured_at = d.day)) as left_at
    from shown s where s.captured_at > '2026-04-01Z' and not exists (select from shown o where o.name = s.name and o.captured_at = s.captured_at - interval '1 day')
  ), expected as (
    select date_bin('7 days', captured_at, '2026-04-01Z') as bucket_start, count(*) as came, count(*) filter (where left_at is null or left_at > captured_at + interval '7 days') as still_7_days, count(*) filter (where left_at is null or left_at > captured_at + interval '30 days') as still_30_days,
      count(*) filter (where left_at is null or left_at > captured_at + interval '60 days') as still_60_days
    from arrivals where captured_at < '2026-05-27Z' group by 1
  )
  select e.* from expected e full join analytics.retention(pg_temp.account(15), '2026-04-01Z', '2026-05-27Z') r using (bucket_start)
  where (e.came, e.still_7_days, e.still_30_days, e.still_60_days) is distinct from (r.came, r.still_7_days, r.still_30_days, r.still_60_days)
$$, 'who stayed');
select is_empty($$
  select p.name from (select distinct s.name from shown s) p
  cross join lateral (select array_agg(h.captured_at order by h.captured_at) from analytics.follower_history(pg_temp.account(15), p.name) h) h (times)
  where h.times is distinct from (select array_agg(x.captured_at order by x.captured_at) from (select l.captured_at, exists (select from shown o where o.name = p.name and o.captured_at = l.captured_at) as there, lag(exists (select from shown o where o.name = p.name and o.captured_at = l.captured_at), 1, false) over (order by l.captured_at) as was
    from (select distinct captured_at from shown) l) x where x.there <> x.was)
$$, 'and everybody''s history');

-- The same with lists of every kind: complete, incomplete, come late, with people who are gone.
select pg_temp.act_as_superuser();
select pg_temp.make_account(38, :'studio', :'owner') \g /dev/null
create temp table kinds as
select day, timestamptz '2026-05-01Z' + day * interval '1 day' as captured_at, hashint4(day) % 3 <> 0 as is_complete, hashint4(day + 100) % 5 = 0 as is_late from generate_series(0, 59) day;
grant select on kinds to public;
select pg_temp.act_as(:'editor');
select pg_temp.put(38, k.captured_at, (
    select jsonb_agg(case when hashtext('gone' || n || '/' || k.day / 10) & 15 = 0 then jsonb_build_object('username', 's' || n, 'gone', true) else to_jsonb('s' || n) end)
    from generate_series(1, 30) n where (hashtext('there' || n || '/' || k.day / (2 + n % 7)) & 7) < 5 and (k.is_complete or hashtext('seen' || n || '/' || k.day) & 3 > 0))::text, k.is_complete)
from (select * from kinds order by is_late, day) k \g /dev/null
select pg_temp.act_as(:'analyst');
select set_eq(format('select distinct in_chain, is_complete from analytics.follower_snapshots where social_account_id = %L', pg_temp.account(38)), 'select x, y from unnest(array[true, false]) x, unnest(array[true, false]) y', 'there are lists of every kind');
select is_empty($$
  select a.captured_at, b.captured_at from kinds a join kinds b on b.day > a.day and (a.day + b.day) % 3 = 0
    cross join lateral analytics.followers_at(pg_temp.account(38), a.captured_at) f cross join lateral analytics.followers_at(pg_temp.account(38), b.captured_at) t
    cross join lateral analytics.followers_between(pg_temp.account(38), a.captured_at, b.captured_at) x
    cross join lateral (select analytics.set_difference(t.followers, f.followers), analytics.set_difference(f.followers, t.followers),
      analytics.set_union(x.gained, x.found), analytics.set_union(analytics.set_union(x.lost, x.gone), x.not_seen)) y (came, went, told_came, told_went)
  where x.lists > 0 and (not analytics.set_eq(y.told_came, y.came) or analytics.set_overlaps(x.gained, x.found)
    or not analytics.set_contains(y.told_went, y.went) or analytics.set_overlaps(y.told_went, t.followers) or x.lost_count + x.gone_count + x.not_seen_count <> analytics.cardinality(y.told_went)
    or analytics.set_overlaps(x.came_and_left, analytics.set_union(f.followers, t.followers)) or analytics.set_overlaps(x.came_and_left, y.told_went)
    or not analytics.set_contains(t.followers, x.left_and_returned) or x.start_count <> f.follower_count or x.end_count <> t.follower_count)
$$, 'whoever is at one end only is told of exactly once');

-- What somebody's removal leaves -------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
update analytics.platform_users set handle = null, platform_user_id = null, full_name = null where handle = 'dan';
select pg_temp.act_as(:'analyst');
select is((select count(*) from analytics.follower_changes c where c.social_account_id = pg_temp.account(1) and c.user_id is null), 2::bigint, 'changes of somebody who was removed have no name');
select is((select count(*) from jsonb_array_elements(pg_temp.pages(1, 2)) i where i -> 'user_id' = 'null'), 2::bigint, 'nor in pages');
select is((select follower_count from analytics.followers_at(pg_temp.account(1), '2026-01-01 12:00Z')), 4::bigint, 'he still counts where he was counted');
select is((select count(*) from jsonb_array_elements(analytics.follower_list(pg_temp.account(1), '2026-01-01 12:00Z') -> 'items') i where i -> 'username' = 'null'), 1::bigint, 'as nobody');

-- Who may ask ------------------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
create temp table calls as
select replace(replace(c, '$1', quote_literal(pg_temp.account(1))), '$n', quote_literal(pg_temp.accounts(11, 1))) as call from unnest(array['follower_changes_page($1)', 'followers_at($1)', 'follower_list($1)', 'people_of($1, ''{1}'')', 'followers_between($1, ''2026-01-01'', ''2026-02-01'')',
  'follower_history($1, ''ann'')', 'retention($1, ''2026-01-01'')', 'mutuals($1)', 'not_following_back($1)', 'audience_overlap($n)', 'unique_reach($n)', 'best_additions($n)']) c;
grant select on calls to public;
select pg_temp.act_as(:'analyst');
select is(pg_temp.state_of('select * from analytics.' || call), 'fine', 'an analyst may ask ' || call) from calls;
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of('select * from analytics.' || call), 'PT404', 'to a stranger there is no such account: ' || call) from calls;
select is_empty('select from analytics.follower_changes', 'nor any change');
select pg_temp.act_with('', 'anon');
select is(pg_temp.state_of('select * from analytics.' || call), 'PT401', 'nobody is told to sign in: ' || call) from calls;
select is(pg_temp.state_of('select from analytics.follower_changes'), '42501', 'and reads no changes');
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of(format('select analytics.unique_reach(%L)', pg_temp.accounts(30, 1))), 'PT404', 'an account of others among one''s own is not found');
select pg_temp.act_as_superuser();
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'elsewhere', :'analyst', 'analyst');
select pg_temp.act_as(:'analyst');
select is(pg_temp.state_of(format('select analytics.unique_reach(%L)', pg_temp.accounts(30, 1))), 'PT400', 'workspaces number their people apart');

select is(pg_temp.state_of('select * from analytics.' || call), 'PT400', 'refused: ' || call)
from unnest(array[
  format('follower_changes_page(%L, page_size => 0)', pg_temp.account(1)), format('follower_changes_page(%L, page_size => 201)', pg_temp.account(1)), format('follower_changes_page(%L, change_type => ''liked'')', pg_temp.account(1)),
  format('follower_changes_page(%L, after => ''nonsense'')', pg_temp.account(1)), format('follower_changes_page(%L, after => %L)', pg_temp.account(1), analytics_private.encode_place('{1,2}')), format('follower_changes_page(%L, after => %L)', pg_temp.account(1), analytics_private.encode_place('{-9223372036854775808,1,1}')),
  format('follower_list(%L, after => %L)', pg_temp.account(1), analytics_private.encode_place('{1,2,3}')), format('follower_list(%L, relation => ''friends'')', pg_temp.account(1)), format('follower_list(%L, page_size => null)', pg_temp.account(1)),
  format('followers_at(%L, relation => null)', pg_temp.account(1)), format('followers_between(%L, null)', pg_temp.account(1)), format('followers_between(%L, ''2026-01-02'', ''2026-01-01'')', pg_temp.account(1)),
  format('followers_between(%L, ''-infinity'')', pg_temp.account(1)), format('retention(%L, ''2026-01-01'', ''2026-02-01'', ''1 hour'')', pg_temp.account(1)), format('retention(%L, ''2026-01-31'', ''2026-02-28'', ''1 month -29 days'')', pg_temp.account(1)), format('retention(%L, ''1026-01-01'')', pg_temp.account(1)),
  format('retention(%L, ''2026-01-01'', ''2026-02-01'', null)', pg_temp.account(1)), 'audience_overlap(null)', 'audience_overlap(''{}'')', 'audience_overlap(''{null}'')', 'unique_reach(''{}'')', 'best_additions(''{}'')',
  format('unique_reach(%L)', pg_temp.accounts(1, 1)), format('best_additions(%L, 0)', pg_temp.accounts(1)), format('best_additions(%L, 1, %L)', pg_temp.accounts(1, 2), pg_temp.accounts(1)),
  format('unique_reach(%L)', array(select gen_random_uuid() from generate_series(1, 101)))]) call;

select is(pg_temp.state_of('select * from analytics.' || call), 'PT400', 'a forged place is refused: ' || call)
from unnest(array[-9223372036854775808, -211813488000000001]) place,
  lateral (values (format('follower_changes_page(%L, after => %L)', pg_temp.account(1), analytics_private.encode_place(array[place, 1, 1]))),
    (format('follower_list(%L, after => %L)', pg_temp.account(1), analytics_private.encode_place(array[place, 1]))), (format('people_of(%L, ''{1,2}'', %L)', pg_temp.account(1), analytics_private.encode_place(array[place])))) c (call);
select is(pg_temp.state_of('select * from analytics.' || call), 'fine', 'numbers that nobody has are places, too: ' || call)
from (values (format('people_of(%L, ''{1,2}'', %L)', pg_temp.account(1), analytics_private.encode_place('{9223372036854775807}'))),
  (format('follower_changes_page(%L, after => %L)', pg_temp.account(1), analytics_private.encode_place('{1767614400000000,-9223372036854775808,-9223372036854775808}')))) c (call);
select is(analytics.audience_overlap(ids) -> 'sum', '5', 'the form of an array does not matter: audience_overlap')
from (values (array[pg_temp.accounts(11), pg_temp.accounts(12)]), (format('[0:1]=%s', pg_temp.accounts(11, 12))::uuid[])) v (ids);
select is((select count(*) from analytics.best_additions(ids, 2, chosen)), 2::bigint, 'nor to best_additions')
from (values (array[pg_temp.accounts(11), pg_temp.accounts(12)], '{}'::uuid[]), (format('[0:1]=%s', pg_temp.accounts(11, 12))::uuid[], null), (pg_temp.accounts(11, 12), array[pg_temp.accounts(8), pg_temp.accounts(9)])) v (ids, chosen);
select pg_temp.act_with('', 'anon');
select is(pg_temp.state_of('select * from analytics.' || call), 'PT401', 'to sign in comes before what is asked: ' || call)
from unnest(array['best_additions(null)', 'best_additions(''{}'')', 'best_additions(''{}'', null)', 'audience_overlap(null)', 'unique_reach(''{}'')']) call;
select pg_temp.act_as(:'analyst');

-- Reading by index -------------------------------------------------------------------------------------------------------

create function pg_temp.plan(query text) returns text language plpgsql as $$
declare
  line text;
  plan text := '';
begin
  set local enable_seqscan = off;
  for line in execute 'explain (costs off) ' || query loop
    plan := plan || line || E'\n';
  end loop;
  set local enable_seqscan = on;
  return plan;
end
$$;
select pg_temp.plan(format($$select * from analytics.follower_changes where social_account_id = %L and "timestamp" >= '2026-02-01' and "timestamp" < '2026-03-01' and change_type = 'unfollower'$$, pg_temp.account(3))) as plan \gset
select matches(:'plan'::text, 'follower_snapshots_changes[^\n]*\n[^\n]*Index Cond: [^\n]*social_account_id[^\n]*captured_at >= [^\n]*captured_at < ', 'account and time reach the index of the lists');
select matches(:'plan'::text, 'Values Scan[^\n]*\n[^\n]*Filter: [^\n]*unfollower', 'and sets of another kind are not opened');

select * from finish();
rollback;
