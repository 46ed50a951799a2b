-- Users, workspaces, members, and who is calling.
begin;
\ir helpers.psql
select no_plan();

-- Sign-up --------------------------------------------------------------------------------------------------------------

select pg_temp.sign_up('ada@example.com', 'Ada Lovelace') as ada, pg_temp.sign_up('bob@example.com') as bob, pg_temp.sign_up('eve@example.com', 'Eve') as eve \gset
select is((select email || ' ' || status || ' ' || auth_provider || ' ' || email_verified from analytics.users where id = :'ada'),
  'ada@example.com active email true', 'a sign-up makes a user');
select is((select full_name from analytics.user_profiles where user_id = :'ada')::text, 'Ada Lovelace', 'a sign-up makes the display data');
select results_eq($$select name::text, is_personal, owner_id, status::text from analytics.workspaces where owner_id = '$$ || :'ada' || $$'$$,
  $$values ('Ada Lovelace', true, '$$ || :'ada' || $$'::uuid, 'active')$$, 'a sign-up makes a personal workspace');
select is((select name from analytics.workspaces where owner_id = :'bob')::text, 'bob', 'without a name the workspace is called after the address');
select results_eq($$select role::text from analytics.workspace_members where user_id = '$$ || :'ada' || $$'$$, array['owner'], 'who signs up owns his workspace');
select is((select default_workspace_id from analytics.users where id = :'ada'), pg_temp.personal_workspace(:'ada'), 'the personal workspace is the default one');
select lives_ok('set constraints all immediate', 'what a sign-up makes is whole');
set constraints all deferred;

update auth.users set email = 'countess@example.com', last_sign_in_at = '2026-01-01' where id = :'ada';
select is((select email || ' ' || last_login::date from analytics.users where id = :'ada'), 'countess@example.com 2026-01-01', 'a changed account is mirrored');
select is((select count(*) from analytics.workspaces where owner_id = :'ada'), 1::bigint, 'a changed account gets no second workspace');
update auth.users set banned_until = now() + interval '1 day' where id = :'eve';
select pg_temp.act_as(:'eve');
select ok(analytics_private.user_id() is null and analytics_private.claimed_user_id() = :'eve', 'a banned account is not active');
select pg_temp.act_as_superuser();
update auth.users set banned_until = statement_timestamp() where id = :'eve';
select pg_temp.act_as(:'eve');
select is(analytics_private.user_id(), :'eve'::uuid, 'a ban ends by itself');
select pg_temp.act_as_superuser();
update auth.users set banned_until = null where id = :'eve';
select analytics_private.set_user_status(:'eve', 'suspended');
update auth.users set last_sign_in_at = now() where id = :'eve';
select is((select status from analytics.users where id = :'eve')::text, 'suspended', 'a sign-in does not overrule an operator''s suspension');
select analytics_private.set_user_status(:'eve', 'active');

-- The mirror must never stand in the way of a sign-up.
select lives_ok(format('insert into auth.users (id, email, raw_user_meta_data, raw_app_meta_data) values (gen_random_uuid(), %L, %L, %L)', email, meta, app), what || ' signs up')
from (values
  ('the same address twice', 'ada@example.com', '{}', '{}'), ('no address', null, '{}', '{}'), ('an empty address', '', null, null),
  ('an address of 300 characters', repeat('a', 290) || '@x.example', '{}', '{}'), ('an address that begins with a blank', ' @x.example', '{}', '{}'),
  ('a name of 10 kB', 'n@example.com', jsonb_build_object('full_name', repeat('ü', 10000)), '{}'), ('a blank name', 'b@example.com', '{"full_name": "   "}', '{}'),
  ('a name that is an object', 'o@example.com', '{"full_name": {"a": 1}, "avatar_url": [1]}', '{"provider": {"a": 1}}'),
  ('metadata that is a list', 'l@example.com', '[1]', '[1]'), ('metadata that is a text', 't@example.com', '"x"', '"x"'),
  ('an avatar of 10 kB', 'v@example.com', jsonb_build_object('avatar_url', repeat('a', 10000)), '{"provider": "google"}')
) as v (what, email, meta, app);

-- Exactly one owner ----------------------------------------------------------------------------------------------------

select pg_temp.personal_workspace(:'ada') as studio, pg_temp.personal_workspace(:'eve') as eves \gset
select throws_ok(format('insert into analytics.workspace_members (workspace_id, user_id, role) values (%L, %L, ''owner'')', :'studio', :'bob'), '23505', null,
  'a workspace has no second owner');
create function pg_temp.commits(statement text) returns text language plpgsql as $$
begin
  return pg_temp.error_of(format('do $d$ begin %s; set constraints all immediate; end $d$', statement)) ->> 'state';
end
$$;
select is(pg_temp.commits(format('delete from analytics.workspace_members where workspace_id = %L', :'studio')), '23503', 'the owner cannot leave');
select is(pg_temp.commits(format('update analytics.workspace_members set role = ''admin'' where workspace_id = %L', :'studio')), '23503', 'the owner cannot step down');
select is(pg_temp.commits(format('update analytics.workspaces set owner_id = %L, is_personal = false where id = %L', :'bob', :'studio')), '23503', 'a stranger cannot be made owner');
select is(pg_temp.commits(format('insert into analytics.workspaces (name, owner_id) values (''w'', %L)', :'bob')), '23503', 'a workspace without members cannot be');
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'bob', 'editor');
select is(pg_temp.commits(format($q$update analytics.workspace_members set role = 'admin' where workspace_id = %1$L and user_id = %2$L;
  update analytics.workspace_members set role = 'owner' where workspace_id = %1$L and user_id = %3$L;
  update analytics.workspaces set owner_id = %3$L, is_personal = false where id = %1$L$q$, :'studio', :'ada', :'bob')), null, 'ownership can be handed over');

-- What the caller sees -------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'ada');
select results_eq('select id from analytics.users', array[:'ada'::uuid], 'a user reads his own account only');
select set_eq('select user_id from analytics.user_profiles', array[:'ada', :'bob']::uuid[], 'a user reads the display data of co-members');
select results_eq('select id from analytics.workspaces', array[:'studio'::uuid], 'a user reads the workspaces he belongs to');
select is((select count(*) from analytics.workspace_members), 2::bigint, 'a user reads who belongs to his workspaces');
update analytics.users set timezone = 'Europe/London', username = 'ada';
select is((select timezone || ' ' || username from analytics.users), 'Europe/London ada', 'a user changes his own account');
update analytics.user_profiles set bio = 'mine';
select pg_temp.act_as(:'bob');
select is((select count(*) from analytics.user_profiles where bio = 'mine'), 1::bigint, 'a co-member sees the change');
update analytics.user_profiles set bio = 'his' where user_id = :'ada';
update analytics.workspaces set name = 'taken' where id = :'studio';
select pg_temp.act_as_superuser();
select is((select bio from analytics.user_profiles where user_id = :'ada'), 'mine', 'a user cannot change the display data of another');
select is((select timezone from analytics.users where id = :'bob')::text, 'UTC', 'a change of one''s account is not a change of others');
select is((select name from analytics.workspaces where id = :'studio')::text, 'Ada Lovelace', 'an editor cannot rename the workspace');
update analytics.user_profiles set profile_visibility = false where user_id = :'ada';
select pg_temp.act_as(:'bob');
select is((select count(*) from analytics.user_profiles where user_id = :'ada'), 0::bigint, 'hidden display data is hidden from co-members');
select pg_temp.act_as(:'ada');
select is((select count(*) from analytics.user_profiles where user_id = :'ada'), 1::bigint, 'hidden display data is not hidden from oneself');
update analytics.workspaces set name = 'Engine', settings = '{"a": 1}';
select is((select name from analytics.workspaces)::text, 'Engine', 'an owner renames the workspace');
select throws_ok(statement, '42501', null, 'refused: ' || statement) from unnest(array[
  'update analytics.users set status = ''active''', 'update analytics.users set email = ''root@example.com''', 'update analytics.users set id = gen_random_uuid()',
  'update analytics.users set is_verified = true', 'update analytics.users set deleted_at = null', 'update analytics.user_profiles set user_id = gen_random_uuid()',
  'update analytics.workspaces set owner_id = id', 'update analytics.workspaces set status = ''active''', 'update analytics.workspaces set is_personal = false',
  'update analytics.workspace_members set role = ''owner''', 'delete from analytics.workspaces', 'delete from analytics.users',
  'insert into analytics.workspace_members (workspace_id, user_id, role) select workspace_id, user_id, ''owner'' from analytics.workspace_members',
  'insert into analytics.workspaces (name, owner_id) select ''x'', id from analytics.users', 'insert into analytics.users (id) values (gen_random_uuid())']) statement;
select is(pg_temp.error_of(format('update analytics.users set default_workspace_id = %L; set constraints all immediate', w)) ->> 'state', '23503', what || ' cannot be the default workspace')
from (values (gen_random_uuid(), 'a workspace that does not exist'), (:'eves', 'the workspace of others')) as v (w, what);
select pg_temp.act_as(:'eve');
select is((select count(*) from analytics.users where id <> :'eve'), 0::bigint, 'a stranger sees no account');
select is((select count(*) from analytics.user_profiles where user_id <> :'eve'), 0::bigint, 'a stranger sees no display data');
select is((select count(*) from analytics.workspace_members where user_id <> :'eve'), 0::bigint, 'a stranger sees no members');

-- Roles ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
select pg_temp.sign_up('admin@example.com') as admin, pg_temp.sign_up('analyst@example.com') as analyst \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'admin', 'admin'), (:'studio', :'analyst', 'analyst');
create temp table roles (who uuid, role text, rank integer);
insert into roles values (:'ada', 'owner', 4), (:'admin', 'admin', 3), (:'bob', 'editor', 2), (:'analyst', 'analyst', 1);
grant select on roles to public;
create function pg_temp.required(who uuid, workspace uuid, minimum text) returns text language plpgsql as $$
declare
  answer text;
begin
  perform pg_temp.act_as(who);
  answer := coalesce(pg_temp.error_of(format('select analytics.require_role(%L, %L)', workspace, minimum)) ->> 'state', 'yes');
  perform pg_temp.act_as_superuser();
  return answer;
end
$$;
select is(pg_temp.required(has.who, :'studio', asked.role), case when has.rank >= asked.rank then 'yes' else 'PT403' end, format('%s where %s is needed', has.role, asked.role))
from roles has, roles asked;
select is(pg_temp.required(:'eve', w, 'analyst'), 'PT404', 'to a stranger a workspace is NOT_FOUND, ' || what)
from (values (:'studio'::uuid, 'one of others'), (gen_random_uuid(), 'one that does not exist'), (null, 'null')) as v (w, what);
select pg_temp.act_as(:'eve');
select is(pg_temp.error_of(format('select analytics.require_role(%L)', :'studio')) - 'detail', pg_temp.error_of(format('select analytics.require_role(%L)', gen_random_uuid())) - 'detail',
  'the answers for a foreign and a missing workspace are the same');
select is(pg_temp.required(:'ada', :'studio', r), 'PT400', format('role "%s" is a VALIDATION_ERROR', left(r, 10))) from unnest(array['superuser', '', 'Owner', repeat('x', 10000)]) r;
select pg_temp.act_as_superuser();
select analytics_private.set_workspace_status(:'studio', 'active');
select pg_temp.act_as(:'analyst');
select set_has('select action::text from analytics.audit_logs', $$values ('workspace.status')$$, 'a member reads the audit of his workspaces');
select is_empty(format('select 1 from analytics.audit_personal p where p.workspace_id = %L', :'studio'), 'but, below admin, not what it says about persons');
select pg_temp.act_as(:'eve');
select is((select count(*) from analytics.audit_logs l where l.workspace_id = :'studio'), 0::bigint, 'a stranger does not');

-- me -------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'bob');
create function pg_temp.me_with(headers text) returns jsonb language plpgsql as $$
begin
  perform set_config('request.headers', headers, true);
  return analytics.me();
end
$$;
select pg_temp.me_with('{"x-forwarded-for": "203.0.113.7, 10.0.0.1", "user-agent": "tests/1.0", "x-request-id": "req-42"}') as me \gset
select is(:'me'::jsonb #>> '{user,email}', 'bob@example.com', 'me() says who is calling');
select is((select jsonb_agg(w -> 'role') from jsonb_array_elements(:'me'::jsonb -> 'workspaces') w), '["owner", "editor"]'::jsonb, 'me() lists workspaces with roles, one''s own personal one first');
select is(:'me'::jsonb -> 'request', '{"ip": "203.0.113.7", "request_id": "req-42", "user_agent": "tests/1.0"}'::jsonb, 'me() says from where the request comes');
select is(pg_temp.me_with(headers) #>> array['request', field], wanted, what)
from (values
  ('{"x-request-id": "two words"}', 'user_agent', null, 'no user agent is null'), ('{"x-real-ip": "198.51.100.4"}', 'ip', '198.51.100.4', 'X-Real-IP serves where nothing else is said'),
  ('{"x-forwarded-for": "not an address, 2001:db8::1"}', 'ip', '2001:db8::1', 'what is no address is passed over'), ('{"x-forwarded-for": "; drop table users"}', 'ip', null, 'a forged address is none'),
  ('{"x-forwarded-for": 7, "user-agent": {"a": 1}}', 'ip', null, 'a header that is no text is none'), ('not json', 'ip', null, 'headers that are no JSON are none'),
  ('[]', 'user_agent', null, 'headers that are a list are none'), (jsonb_build_object('user-agent', E'a\r\nset-cookie: x')::text, 'user_agent', 'aset-cookie: x', 'control characters leave the user agent')
) as v (headers, field, wanted, what);
select isnt(pg_temp.me_with(jsonb_build_object('x-request-id', forged)::text) #>> '{request,request_id}', forged, 'a forged request id is not taken, of length ' || length(forged))
from unnest(array['two words', E'a\nb', repeat('a', 200), '"><script>']) forged;
select is(pg_temp.me_with('') #>> '{request,request_id}', analytics.me() #>> '{request,request_id}', 'a request keeps the id that was made for it');

-- Suspension -----------------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
select analytics_private.set_user_status(:'bob', 'suspended');
select pg_temp.act_as(:'bob');
select is_empty('select 1 from analytics.users union all select 1 from analytics.user_profiles union all select 1 from analytics.workspaces union all select 1 from analytics.workspace_members',
  'a suspended user sees nothing');
select throws_ok(call, 'PT403', null, 'a suspended user: ' || call) from unnest(array['select analytics.me()', 'select analytics.unlock_profile(''nasa'')', 'select analytics.unlock_profiles(array[''nasa''])',
  'select analytics.profile_overview(''nasa'')', 'select analytics.profile_timeline(''nasa'')', 'select analytics.newest_posts()', 'select analytics.search_profiles(''n'')',
  'select analytics.favorite_profile(''nasa'')', 'select analytics.unfavorite_profile(''nasa'')', 'select analytics.refresh_profile(''nasa'')']) call;
update analytics.users set timezone = 'Asia/Tokyo';
select pg_temp.act_as_superuser();
select is((select timezone from analytics.users where id = :'bob')::text, 'UTC', 'a suspended user changes nothing');
select throws_ok(format('select analytics_private.set_user_status(%L, %L)', u, s), e, null, format('a user cannot become %s', coalesce(s, 'null')))
from (values (:'bob'::uuid, 'deleted', 'PT400'), (:'bob', 'gone', 'PT400'), (:'bob', null, 'PT400'), (gen_random_uuid(), 'active', 'PT404'), (null, 'active', 'PT404')) as v (u, s, e);
select analytics_private.set_user_status(:'bob', 'active');
select is((select count(*) from analytics.audit_logs where action = 'user.status' and entity_id = :'bob'), 2::bigint, 'suspending and readmitting are audited');

select analytics_private.set_workspace_status(:'studio', 'suspended');
select pg_temp.act_as(:'bob');
select is((select count(*) from analytics.workspaces where id = :'studio'), 0::bigint, 'a suspended workspace is not seen');
select is((select count(*) from analytics.workspace_members where workspace_id = :'studio'), 0::bigint, 'nor who belongs to it');
select throws_ok(format('select analytics.unlock_profile(''nasa'', %L)', :'studio'), 'PT404', null, 'a suspended workspace pays for nothing');
select is(jsonb_array_length(analytics.me() -> 'workspaces'), 1, 'me() leaves a suspended workspace out');
select pg_temp.act_as(:'ada');
select throws_ok('select analytics.unlock_profile(''nasa'')', 'PT403', null, 'who has only a suspended workspace unlocks nothing');
select is((select count(*) from analytics.user_profiles), 1::bigint, 'he still sees his own display data');
select is(analytics.me() #>> '{user,full_name}', 'Ada Lovelace', 'and me() has his name');
update analytics.workspaces set name = 'x';
select pg_temp.act_as_superuser();
select is((select name from analytics.workspaces where id = :'studio')::text, 'Engine', 'a suspended workspace is not changed by its owner');
select analytics_private.set_workspace_status(:'studio', 'active');
select throws_ok(format('select analytics_private.set_workspace_status(%L, %L)', w, s), e, null, format('a workspace cannot become %s', coalesce(s, 'null')))
from (values (:'studio'::uuid, 'deleted', 'PT400'), (:'studio', null, 'PT400'), (gen_random_uuid(), 'active', 'PT404')) as v (w, s, e);

-- Who is calling: gateways, logins, subjects -----------------------------------------------------------------------------

select is(analytics_private.user_id(), null, 'without claims nobody is calling');
create function pg_temp.caller_with(claims text) returns uuid language plpgsql as $$
begin
  perform set_config('request.jwt.claims', claims, true);
  return analytics_private.user_id();
end
$$;
select is(pg_temp.caller_with(jsonb_build_object('sub', :'ada')::text), :'ada'::uuid, 'a superuser''s claims are believed');
select is(analytics_private.link_firebase_user('fbUid-28', 'fire@example.com'), analytics_private.link_firebase_user('fbUid-28'), 'a Firebase uid is linked once');
select is((select auth_provider || ' ' || email from analytics.users where id = analytics_private.link_firebase_user('fbUid-28')), 'firebase fire@example.com', 'the linked user says where he comes from');
select is(pg_temp.caller_with('{"sub": "fbUid-28"}'), analytics_private.link_firebase_user('fbUid-28'), 'a Firebase subject resolves to its user');
select is(pg_temp.caller_with('{"sub": "fbuid-28"}'), null, 'a Firebase subject is compared exactly');
select is((select count(*) from analytics.workspaces where owner_id = analytics_private.link_firebase_user('fbUid-28')), 1::bigint, 'a linked user has his workspace');
select throws_ok(format('select analytics_private.link_firebase_user(%L)', u), 'PT400', null, format('uid %s is refused', coalesce(to_json(left(u, 10))::text, 'null')))
from unnest(array[null, '', ' ', 'a b', repeat('x', 256), E'a\nb', 'ü']) u;
-- A user may not pass for the one linked to his own id written as text.
select analytics_private.link_firebase_user(:'ada') as impostor \gset
select is(pg_temp.caller_with(jsonb_build_object('sub', :'ada')::text), :'ada'::uuid, 'a uuid is always a user of this installation');

create role tap_analyst login;
create role tap_gateway login;
grant authenticated to tap_analyst, tap_gateway;
select set_config('request.jwt.claims', jsonb_build_object('sub', :'ada', 'role', 'authenticated')::text, true);
set session authorization tap_analyst;
set role authenticated;
select set_config('request.jwt.claims', jsonb_build_object('sub', :'ada', 'role', 'authenticated')::text, true);
select is(analytics_private.user_id(), null, 'a plain login that sets claims is nobody');
select is((select count(*) from analytics.users), 0::bigint, 'and sees nothing');
select throws_ok('select analytics.me()', 'PT401', null, 'and is told UNAUTHORIZED');
select throws_ok('set analytics_ext.gateways = ''tap_analyst''', '42501', null, 'and cannot declare itself a gateway');
select throws_ok(format('select analytics_private.map_db_login(''tap_analyst'', %L)', :'ada'), '42501', null, 'nor map itself');
reset session authorization;
select analytics_private.map_db_login('tap_analyst', :'bob');
set session authorization tap_analyst;
set role authenticated;
select is(analytics_private.user_id(), :'bob'::uuid, 'a mapped login is its user, whatever its claims say');
select results_eq('select id from analytics.users', array[:'bob'::uuid], 'and sees what the user sees');
reset session authorization;
set session authorization tap_gateway;
set role authenticated;
select is(analytics_private.user_id(), null, 'a login that is no gateway is not believed');
reset session authorization;
set local analytics_ext.gateways = 'authenticator, tap_gateway';
set session authorization tap_gateway;
set role authenticated;
select is(analytics_private.user_id(), :'ada'::uuid, 'a listed gateway''s claims are believed at once');
reset session authorization;
set local analytics_ext.gateways = 'authenticator';
select throws_ok(format('select analytics_private.map_db_login(%L, %L)', l, u), 'PT404', null, format('%s cannot be mapped', what))
from (values ('no_such_role', :'bob'::uuid, 'a role that does not exist'), ('tap_analyst', gen_random_uuid(), 'a user who does not exist'), (null, :'bob', 'null')) as v (l, u, what);
reset role;
select pg_temp.act_as_superuser();

-- Claims that are none: nobody is calling, on every table, without an error.
create temp table bad_claims (what text, claims text);
insert into bad_claims values ('none', ''), ('half an object', '{"sub": "'), ('a list', '[]'), ('null', 'null'), ('a text', '"' || :'ada' || '"'), ('a number as subject', '{"sub": 1}'),
  ('no subject', '{}'), ('an empty subject', '{"sub": ""}'), ('a subject that is no uuid', '{"sub": "not-a-uuid"}'), ('an unknown user', jsonb_build_object('sub', gen_random_uuid())::text),
  ('an object as subject', '{"sub": {"a": 1}}'), ('null as subject', '{"sub": null}'), ('deep nesting', repeat('[', 100000)), ('a subject of 10 kB', jsonb_build_object('sub', repeat('x', 10000))::text),
  ('two subjects', format('{"sub": "%s", "sub": "%s"}', :'eve', :'ada')), ('a fragment of SQL', jsonb_build_object('sub', :'ada' || ''' or true --')::text),
  ('control characters', '{"sub": "\u0001\u0000"}'), ('a uuid in braces', format('{"sub": "{%s}"}', :'ada')), ('another claim', format('{"user_id": "%s"}', :'ada'));
create temp view readable as
  select c.oid::regclass as relation from pg_catalog.pg_class c
  where c.relnamespace = 'analytics'::regnamespace and c.relkind in ('r', 'p', 'v') and pg_catalog.has_table_privilege('authenticated', c.oid, 'select');
select cmp_ok((select count(*) from readable), '>=', 17::bigint, 'tables and views are there to be read');
create function pg_temp.rows_with(claims text, relation regclass) returns text language plpgsql as $$
declare
  n bigint;
  answer text;
begin
  perform pg_temp.act_with(claims, 'authenticated');
  begin
    execute format('select count(*) from %s', relation) into n;
    answer := n;
  exception when others then
    answer := sqlerrm;
  end;
  perform pg_temp.act_as_superuser();
  return answer;
end
$$;
select pg_temp.ingest(pg_temp.account('1', 'seen', 10, array[pg_temp.post(1, '1', 'seen', now(), 1, 1, '@friend #tag')])) as seen \gset
select pg_temp.put_window(:'ada', :'seen', '-1 day', '1 day');
select isnt(pg_temp.rows_with(jsonb_build_object('sub', :'ada')::text, 'analytics.profile_posts'), '0', 'with good claims there are rows');
select is((select string_agg(relation || ': ' || answer, '; ') from readable, pg_temp.rows_with(claims, relation) answer where answer <> '0' and relation not in ('analytics.plans'::regclass, 'analytics.credit_prices'::regclass)), null, 'claims that are none show no row anywhere but in the price lists: ' || what)
from bad_claims;

-- Deletion -------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'ada');
select is(analytics.favorite_profile('seen', 'my note') ->> 'notes', 'my note', 'ada saves a profile');
select pg_temp.act_as_superuser();
insert into analytics.workspaces (id, name, owner_id) values ('0195c3a0-0000-7000-8000-00000000000a', 'Alone', :'ada');
insert into analytics.workspace_members (workspace_id, user_id, role) values ('0195c3a0-0000-7000-8000-00000000000a', :'ada', 'owner');
update analytics.users set phone_number = '+4912345', preferences = '{"secret": "ada"}' where id = :'ada';
delete from auth.users where id = :'ada';
select lives_ok('set constraints all immediate', 'a deletion leaves everything whole');
set constraints all deferred;
select results_eq($$select status::text, email, username, phone_number, preferences, default_workspace_id, deleted_at is not null from analytics.users where id = '$$ || :'ada' || $$'$$,
  $$values ('deleted', null::varchar, null::varchar, null::varchar, '{}'::jsonb, null::uuid, true)$$, 'a deleted account leaves a tombstone without personal data');
select is((select role from analytics.workspace_members where workspace_id = :'studio' and user_id = :'admin')::text, 'owner', 'the highest remaining role inherits a shared workspace');
select is((select owner_id from analytics.workspaces where id = :'studio'), :'admin'::uuid, 'and is named as its owner');
select is((select count(*) from analytics.workspace_members where workspace_id = :'studio' and user_id = :'ada'), 0::bigint, 'the deleted user is no member any more');
select is((select status || ' ' || name from analytics.workspaces where id = '0195c3a0-0000-7000-8000-00000000000a'), 'deleted deleted workspace', 'a workspace of one is closed with its owner');
select is_empty(format('select 1 from %s where user_id = %L', t, :'ada'), 'nothing of the deleted user is in ' || t)
from unnest(array['analytics.user_profiles', 'analytics.user_profile_access', 'analytics.user_favorites', 'analytics.user_searches', 'analytics_private.user_private', 'analytics_private.db_logins']) t;
select is_empty($$
  select t from pg_temp.contents(array(select pg_temp.tables()), '{}') t where t ~ 'countess|Ada Lovelace|my note|\+4912345|"secret"'
$$, 'no table holds personal data of the deleted user');
select is(pg_temp.caller_with(jsonb_build_object('sub', :'ada')::text), null, 'a deleted user''s token opens nothing');
select throws_ok('select analytics.me()', 'PT403', null, 'and is told FORBIDDEN');
select pg_temp.act_as_superuser();
select lives_ok(format('insert into auth.users (id, email) values (%L, ''again@example.com'')', :'ada'), 'an account may come back under the same id');
select is((select status from analytics.users where id = :'ada')::text, 'deleted', 'a tombstone stays one');
update auth.users set deleted_at = now() where id = :'bob';
select is((select status from analytics.users where id = :'bob')::text, 'deleted', 'a softly deleted account is buried too');
select is((select count(*) from analytics.audit_logs where action = 'user.deleted'), 2::bigint, 'deletions are audited');
-- A personal workspace that passes to a member loses its user's name, in the audit too.
select pg_temp.sign_up('silvia@example.com', 'Silvia Silent') as silvia, pg_temp.sign_up('heir@example.com') as heir \gset
select pg_temp.personal_workspace(:'silvia') as silvias \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'silvias', :'heir', 'editor');
delete from auth.users where id = :'silvia';
select is((select name::text from analytics.workspaces where id = :'silvias' and owner_id = :'heir'), 'Workspace', 'an inherited workspace has a name of nobody');
select is_empty($$select t from pg_temp.contents(array(select pg_temp.tables()), '{}') t where t ~ 'Silvia Silent|silvia@'$$, 'and no table knows whose it was');
select throws_ok(format('select analytics_private.set_user_status(%L, ''active'')', :'bob'), 'PT404', null, 'a tombstone cannot be readmitted');

select * from finish();
rollback;
