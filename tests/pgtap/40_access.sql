-- Windows: who sees an observed profile, and to the microsecond for how long. Partitions of user_searches.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob \gset
select pg_temp.ingest(pg_temp.account('1', 'seen', 1000, array[pg_temp.post(1, '1', 'seen', now() - interval '1 day', 5, 1, 'with @friend #tag')],
  '{"edge_related_profiles": {"edges": [{"node": {"id": "9", "username": "near"}}]}}')) as seen,
  pg_temp.ingest(pg_temp.account('2', 'other', 2000, array[pg_temp.post(2, '2', 'other', now() - interval '2 days', 5, 1, 'with @friend #tag')])) as other \gset
insert into analytics.audience_demographics (profile_id) values (:'seen'), (:'other');
insert into analytics.creator_metadata (profile_id) values (:'seen'), (:'other');
insert into analytics.comment_sentiment (post_id, profile_id, comments_analyzed) select p.id, p.profile_id, 1 from analytics.profile_posts p;

-- Every table whose policy asks for the window, with the column that names the profile.
create temp view observed as
  select p.polrelid::regclass as relation, substring(pg_catalog.pg_get_expr(p.polqual, p.polrelid) from 'may_read_profile\((\w+)\)') as key_column
  from pg_catalog.pg_policy p where pg_catalog.pg_get_expr(p.polqual, p.polrelid) ~ 'may_read_profile';
create temp table expected_observed as select ('analytics.' || t)::regclass as relation
  from unnest(array['profiles', 'profile_history', 'profile_posts', 'audience_demographics', 'creator_metadata', 'comment_sentiment', 'mentions', 'related_profiles']) t;
select set_eq('select relation from observed', 'select relation from expected_observed', 'every observed table is guarded by the window');

-- How many rows of a table a user sees, in one statement with a window of these bounds around it.
create function pg_temp.visible(who uuid, relation regclass, column_name text, what uuid) returns bigint language plpgsql as $$
declare
  n bigint;
begin
  perform pg_temp.act_as(who);
  execute format('select count(*) from %s where %I = $1', relation, column_name) into n using what;
  perform pg_temp.act_as_superuser();
  return n;
end
$$;
create function pg_temp.visible_within(who uuid, relation regclass, column_name text, what uuid, opens interval, closes interval) returns boolean language plpgsql as $$
begin
  perform pg_temp.put_window(who, what, opens, closes);
  return pg_temp.visible(who, relation, column_name, what) > 0;
end
$$;
grant select on observed to public;

select ok(pg_temp.visible_within(:'ada', relation, key_column, :'seen', '-1 day', '1 day'), format('%s is open inside the window', relation)) from observed;
select is(pg_temp.visible(:'ada', relation, key_column, :'other'), 0::bigint, format('%s is closed for a profile without a window', relation)) from observed;
select is(pg_temp.visible(:'bob', relation, key_column, :'seen'), 0::bigint, format('%s is closed to others', relation)) from observed;
select is(pg_temp.visible_within(:'ada', relation, key_column, :'seen', opens, closes), open, format('%s %s', relation, what))
from observed, (values
  (interval '0', interval '1 day', true, 'is open at the first microsecond'), ('1 microsecond', '1 day', false, 'is closed a microsecond before'),
  ('-1 day', '1 microsecond', true, 'is open at the last microsecond'), ('-1 day', '0', false, 'is closed at the end itself'),
  ('-2 days', '-1 day', false, 'is closed after the end'), ('1 day', '2 days', false, 'is closed before the beginning')) as w (opens, closes, open, what);
select throws_ok(format('insert into analytics.user_profile_access (user_id, profile_id, workspace_id, granted_at, expires_at) values (%L, %L, %L, now(), now())',
  :'bob', :'seen', pg_temp.personal_workspace(:'bob')), '23514', null, 'an empty window cannot be');

-- The functions over these tables.
create function pg_temp.answers(who uuid, call text) returns text language plpgsql as $$
declare
  answer text;
begin
  perform pg_temp.act_as(who);
  begin
    execute call into answer;
  exception when others then
    answer := sqlstate;
  end;
  perform pg_temp.act_as_superuser();
  return answer;
end
$$;
create temp table reads (call text, when_open text, when_closed text);
insert into reads values
  ('select analytics.profile_overview(''seen'') #>> ''{profile,followers_count}''', '1000', 'PT404'),
  ('select jsonb_array_length(analytics.profile_timeline(''seen'') -> ''items'')', '1', 'PT404'),
  ('select count(*) from analytics.my_profiles()', '1', '0'),
  ('select jsonb_array_length(analytics.newest_posts() -> ''items'')', '1', '0'),
  ('select analytics.search_profiles(''seen'') ->> ''total''', '1', '0'),
  ('select analytics.refresh_profile(''seen'') ->> ''state''', 'ready', 'PT404'),
  ('select analytics.favorite_profile(''seen'') ->> ''profile_id''', :'seen', 'PT404'),
  -- What PostgREST makes of ?select=username,profile_posts(caption): an embedding is a lateral join.
  ('select count(x.caption) from analytics.profiles p left join lateral (select o.caption from analytics.profile_posts o where o.profile_id = p.id) x on true', '1', '0'),
  ('select count(*) from analytics.profiles p join analytics.profile_history h on h.profile_id = p.id where p.username = ''seen''', '1', '0'),
  ('select count(*) from analytics.profile_posts where caption like ''%@friend%''', '1', '0'),
  ('select max(followers_count) from analytics.profiles', '1000', null);
select pg_temp.put_window(:'ada', :'seen', '-1 day', '1 day');
select is(pg_temp.answers(:'ada', call), when_open, 'while the window is open: ' || call) from reads;
select is(pg_temp.answers(:'bob', call), when_closed, 'for a stranger: ' || call) from reads;
select pg_temp.put_window(:'ada', :'seen', '-1 day', '-1 microsecond');
select is(pg_temp.answers(:'ada', call), when_closed, 'after the window ended: ' || call) from reads;
select is(pg_temp.answers(:'ada', 'select jsonb_build_object(''favourites'', count(*)) from analytics.user_favorites'), '{"favourites": 1}', 'a favourite outlives the window');
select is(pg_temp.answers(:'ada', 'select analytics.unfavorite_profile(''seen'')'), 'true', 'and can be taken away after it');

-- A long transaction is closed out at its next statement: this one's own end is long after the window's.
-- A block is one statement, however long it runs.
create function pg_temp.reads_on(profile uuid) returns boolean[] language plpgsql as $$
declare
  seen boolean[];
begin
  for look in 1..2 loop
    seen := seen || exists (select from analytics.profiles p where p.id = profile);
    perform pg_catalog.pg_sleep(1.2);
  end loop;
  return seen;
end
$$;
select pg_temp.put_window(:'ada', :'seen', '-1 day', '500 milliseconds');
select pg_temp.act_as(:'ada');
select is(pg_temp.reads_on(:'seen'), '{t,f}', 'a window ends within a block that runs past its end');
select pg_temp.act_as_superuser();
select pg_temp.put_window(:'ada', :'seen', '-1 day', '50 milliseconds');
select pg_sleep(0.1);
select is(pg_temp.visible(:'ada', 'analytics.profiles', 'id', :'seen'), 0::bigint, 'a transaction that goes on loses access when the window ends');

-- The cache behind the policy cannot go stale -----------------------------------------------------------------------------

select pg_temp.put_window(:'ada', :'seen', '-1 day', '1 day');
select pg_temp.act_as(:'ada');
select is((select count(*) from analytics.profiles), 1::bigint, 'open');
select pg_temp.act_as_superuser();
savepoint before_closing;
delete from analytics.user_profile_access;
select pg_temp.act_as(:'ada');
select is((select count(*) from analytics.profiles), 0::bigint, 'closed when the window is gone');
rollback to before_closing;
select pg_temp.act_as(:'ada');
select is((select count(*) from analytics.profiles), 1::bigint, 'open again when its removal is rolled back');
select pg_temp.act_as_superuser();

-- Everything within one statement of the client.
create function pg_temp.changing(who uuid, what uuid) returns integer[] language plpgsql as $$
declare
  seen integer[] := '{}';
  n integer;
begin
  perform pg_temp.act_as(who);
  select count(*) into n from analytics.profiles p where p.id = what; seen := seen || n;
  perform set_config('role', 'none', true);
  delete from analytics.user_profile_access a where a.user_id = who and a.profile_id = what;
  perform set_config('role', 'authenticated', true);
  select count(*) into n from analytics.profiles p where p.id = what; seen := seen || n;
  begin
    perform set_config('role', 'none', true);
    perform pg_temp.put_window(who, what, '-1 day', '1 day');
    perform set_config('role', 'authenticated', true);
    select count(*) into n from analytics.profiles p where p.id = what; seen := seen || n;
    raise exception 'undo';
  exception when others then
    null;
  end;
  perform set_config('role', 'authenticated', true);
  select count(*) into n from analytics.profiles p where p.id = what; seen := seen || n;
  perform set_config('role', 'none', true);
  update analytics.users set status = 'suspended' where id = who;
  perform pg_temp.put_window(who, what, '-1 day', '1 day');
  perform set_config('role', 'authenticated', true);
  select count(*) into n from analytics.profiles p where p.id = what; seen := seen || n;
  perform set_config('role', 'none', true);
  update analytics.users set status = 'active' where id = who;
  perform set_config('role', 'authenticated', true);
  select count(*) into n from analytics.profiles p where p.id = what; seen := seen || n;
  perform set_config('role', 'none', true);
  return seen;
end
$$;
select is(pg_temp.changing(:'ada', :'seen'), array[1, 0, 1, 0, 0, 1], 'within one statement: open, deleted, opened, rolled back, suspended, readmitted');

create function pg_temp.two_users(one uuid, two uuid) returns bigint[] language plpgsql as $$
declare
  a bigint; b bigint; c bigint;
begin
  perform pg_temp.act_as(one);
  select count(*) into a from analytics.profiles;
  perform set_config('request.jwt.claims', jsonb_build_object('sub', two)::text, true);
  select count(*) into b from analytics.profiles;
  perform set_config('request.jwt.claims', jsonb_build_object('sub', one)::text, true);
  select count(*) into c from analytics.profiles;
  perform pg_temp.act_as_superuser();
  return array[a, b, c];
end
$$;
select is(pg_temp.two_users(:'ada', :'bob'), array[1, 0, 1]::bigint[], 'two users in one statement see their own');

create role tap_login login;
grant authenticated to tap_login;
select analytics_private.map_db_login('tap_login', :'bob');
select pg_temp.act_as(:'ada');
select is((select count(*) from analytics.profiles), 1::bigint, 'ada by her claims');
set session authorization tap_login;
set role authenticated;
select is((select count(*) from analytics.profiles), 0::bigint, 'another login in the same session, with the same claims, is another user');
reset session authorization;
select pg_temp.act_as(:'ada');
select is((select count(*) from analytics.profiles), 1::bigint, 'and back');
select pg_temp.act_as_superuser();

-- More profiles than the cache holds, read twice in one statement, with every second window ended.
insert into analytics.profiles (instagram_user_id, username, followers_count, captured_at)
select '77' || n, 'many_' || n, n, now() from generate_series(1, 9000) n;
insert into analytics.profile_posts (instagram_post_id, shortcode, profile_id, posted_at, captured_at, likes_count)
select p.instagram_user_id || '_' || k, 'M' || p.instagram_user_id || '_' || k, p.id, now(), now(), k from analytics.profiles p, generate_series(1, 3) k where p.username like 'many%';
insert into analytics.user_profile_access (user_id, profile_id, workspace_id, granted_at, expires_at)
select :'ada', p.id, pg_temp.personal_workspace(:'ada'), now() - interval '2 days', case when p.followers_count % 2 = 0 then now() + interval '1 day' else now() - interval '1 day' end
from analytics.profiles p where p.username like 'many%';
analyze analytics.profiles, analytics.profile_posts, analytics.user_profile_access;
select pg_temp.act_as(:'ada');
select is((select count(*) || ' ' || count(*) filter (where followers_count % 2 = 1) from analytics.profiles where username like 'many%'), '4500 0', 'of many profiles exactly the open ones are seen');
select is((select count(*) from analytics.profiles a join analytics.profiles b using (id) where a.username like 'many%'), 4500::bigint, 'also when they are read twice in one statement');
select is((select count(*) from analytics.profile_posts where posted_at > '-infinity' and shortcode like 'M%'), 13500::bigint, 'and with all their posts');

-- In parallel the same rows.
select md5(string_agg(id::text, ' ' order by id)) as serial from analytics.profile_posts \gset
select pg_temp.act_as_superuser();
set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0; set local max_parallel_workers_per_gather = 2;
set local force_parallel_mode = on; set local enable_indexscan = off; set local enable_bitmapscan = off; set local enable_indexonlyscan = off;
create function pg_temp.plan_of(query text) returns setof text language plpgsql as $$ begin return query execute 'explain (costs off) ' || query; end $$;
select pg_temp.act_as(:'ada');
select ok((select bool_or(line ~ 'Parallel Seq Scan on profile_posts') from pg_temp.plan_of('select id from analytics.profile_posts') line), 'the policy may run in parallel workers');
create temp table in_parallel as select id from analytics.profile_posts;
select is((select md5(string_agg(id::text, ' ' order by id)) from analytics.profile_posts), :'serial', 'parallel workers see the same rows');
select pg_temp.act_as(:'bob');
select is((select count(*) from analytics.profile_posts), 0::bigint, 'a stranger''s parallel workers see nothing');
select pg_temp.act_as_superuser();
reset force_parallel_mode; reset enable_indexscan; reset enable_bitmapscan; reset enable_indexonlyscan;
delete from analytics.profiles where username like 'many%';

-- Only functions write windows -----------------------------------------------------------------------------------------

create function pg_temp.as_role(role_name text, statement text) returns text language plpgsql as $$
declare
  outcome text;
begin
  perform pg_temp.act_with('', role_name);
  outcome := pg_temp.error_of(statement) ->> 'state';
  perform pg_temp.act_as_superuser();
  return outcome;
end
$$;
select is(pg_temp.as_role(r, s), '42501', format('%s: %s', r, left(s, 60)))
from unnest(array['anon', 'authenticated', 'service_role', 'analytics_sidecar']) r, unnest(array[
  'update analytics.user_profile_access set expires_at = ''infinity''', 'delete from analytics.user_profile_access',
  'insert into analytics.user_profile_access (user_id, profile_id, workspace_id, granted_at, expires_at) select user_id, profile_id, workspace_id, now(), ''infinity'' from analytics.user_profile_access']) s;
select is(pg_temp.as_role(r, s), '42501', format('%s: %s', r, s))
from unnest(array['anon', 'authenticated', 'analytics_sidecar']) r, unnest(array[
  'update analytics.profiles set followers_count = 1', 'delete from analytics.profile_posts', 'insert into analytics.profiles (username) values (''x'')',
  'insert into analytics.user_favorites (user_id, profile_id) select user_id, profile_id from analytics.user_profile_access', 'delete from analytics.user_searches',
  'truncate analytics.profiles cascade']) s;

-- Partitions -----------------------------------------------------------------------------------------------------------

create temp view months as
  select c.relname::text collate "default" as name, pg_catalog.pg_get_expr(c.relpartbound, c.oid) collate "default" as bounds from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'analytics.user_searches'::regclass;
select is_empty($$
  select to_char(m, '_YYYY_MM') from generate_series(date_trunc('month', now() at time zone 'UTC'), date_trunc('month', now() at time zone 'UTC') + interval '3 months', interval '1 month') m
  where not exists (select from months where name = 'user_searches' || to_char(m, '_YYYY_MM'))
$$, 'this month and the three next have their partitions');
insert into analytics.user_searches (user_id, search_timestamp, analysis_type) values
  (:'ada', '2019-12-31 23:59:59.999999+00', 'search'), (:'ada', '2020-01-01 00:00:00+00', 'search'), (:'ada', '2050-06-15', 'search'), (:'ada', '1999-12-31', 'search'), (:'ada', '2300-01-01', 'search');
select is((select count(*) from analytics.user_searches where analysis_type = 'search' and user_id = :'ada' and search_timestamp not between now() - interval '1 day' and now()), 5::bigint, 'no moment is without a partition');
select lives_ok('select analytics_private.ensure_partitions()', 'partitions are made for rows that wait, whatever their time');
select is((select count(*) from analytics.user_searches where user_id = :'ada' and search_timestamp < now() - interval '1 day' or search_timestamp > now() + interval '1 day'), 5::bigint, 'no row is lost on the way');
select results_eq($$select tableoid::regclass::text from analytics.user_searches where search_timestamp between '2019-01-01' and '2100-01-01' and search_timestamp not between now() - interval '1 day' and now() order by search_timestamp$$,
  array['analytics_private.user_searches_2019_12', 'analytics_private.user_searches_2020_01', 'analytics_private.user_searches_2050_06'], 'rows move from the default partition into their month');
select ok(relrowsecurity and relowner = 'analytics_owner'::regrole, 'a new partition is guarded and belongs to analytics_owner') from pg_catalog.pg_class where oid = 'analytics_private.user_searches_2050_06'::regclass;
select is(analytics_private.ensure_partition('analytics.user_searches', '2050-06-30 23:59:59.999999+00')::text, 'analytics_private.user_searches_2050_06', 'a partition that is there is given');
select is(analytics_private.ensure_partition('analytics.user_searches', '2051-12-31 23:59:59.999999+00')::text, 'analytics_private.user_searches_2051_12', 'the last microsecond of a year belongs to December');
select is(analytics_private.ensure_partition('analytics.user_searches', '2052-01-01 00:00:00+00')::text, 'analytics_private.user_searches_2052_01', 'the first of a year belongs to January');
set local timezone = 'Pacific/Kiritimati';
select is(analytics_private.ensure_partition('analytics.user_searches', '2060-01-31 20:00:00+00')::text, 'analytics_private.user_searches_2060_01', 'months are UTC months in a zone east of it');
set local timezone = 'America/New_York';
select is(analytics_private.ensure_partition('analytics.user_searches', '2061-02-01 01:00:00+00')::text, 'analytics_private.user_searches_2061_02', 'and in a zone west of it');
set local timezone = 'UTC';
select is((select array_agg(bounds order by name) from months where name in ('user_searches_2060_01', 'user_searches_2061_02')),
  array['FOR VALUES FROM (''2060-01-01 00:00:00+00'') TO (''2060-02-01 00:00:00+00'')', 'FOR VALUES FROM (''2061-02-01 00:00:00+00'') TO (''2061-03-01 00:00:00+00'')'], 'bounds do not depend on the zone of the session');
select analytics_private.set_setting('partitions_ahead', '24');
set local timezone = 'America/New_York';
select analytics_private.ensure_partitions();
set local timezone = 'UTC';
select is_empty($$
  select to_char(m, '_YYYY_MM') from generate_series(date_trunc('month', now() at time zone 'UTC'), date_trunc('month', now() at time zone 'UTC') + interval '24 months', interval '1 month') m
  where not exists (select from months where name = 'user_searches' || to_char(m, '_YYYY_MM'))
$$, 'two years ahead no month is missing, whatever the zone of the session');
select is(analytics_private.ensure_partitions(), 0, 'a second call makes none');
select throws_ok(format('select analytics_private.ensure_partition(%L, %L)', t, m), 'PT400', null, format('no partition of %s for %s', t, coalesce(m, 'null')))
from (values ('analytics.user_searches', '1999-12-31'), ('analytics.user_searches', '2200-01-01'), ('analytics.user_searches', 'infinity'), ('analytics.user_searches', '-infinity'),
  ('analytics.user_searches', null), ('analytics.users', '2026-01-01')) as v (t, m);
select pg_temp.act_as(:'ada');
select is((select count(*) from analytics.user_searches where search_timestamp = '2050-06-15'), 1::bigint, 'a user reads his searches through the parent');
select throws_ok('select count(*) from analytics_private.user_searches_2050_06', '42501', null, 'but not a partition');
select pg_temp.act_as(:'bob');
select is((select count(*) from analytics.user_searches where user_id <> :'bob'), 0::bigint, 'others do not');
select is((select count(*) from analytics.search_history where user_id <> :'bob'), 0::bigint, 'nor through the view');
select pg_temp.act_as_superuser();

select * from finish();
rollback;
