-- Errors, settings, audit.
begin;
\ir helpers.psql
select no_plan();

-- Errors ---------------------------------------------------------------------------------------------------------------

create temp table vocabulary (code text, status integer);
insert into vocabulary values
  ('VALIDATION_ERROR', 400), ('OAUTH_ERROR', 400), ('UNAUTHORIZED', 401), ('PAYMENT_REQUIRED', 402), ('FORBIDDEN', 403), ('NOT_FOUND', 404),
  ('CONFLICT', 409), ('RATE_LIMITED', 429), ('INTERNAL', 500), ('ENCRYPTION_ERROR', 500), ('EXTERNAL_API_ERROR', 502),
  ('SERVICE_UNAVAILABLE', 503), ('TIMEOUT', 504);
grant select on vocabulary to public;

create function pg_temp.raised(code text, rest text default '') returns jsonb language sql as $$
  select pg_temp.error_of(format($q$select analytics_private.raise_error(%L, 'it went wrong', 'do it better'%s)$q$, code, rest))
$$;

select is(e ->> 'state', 'PT' || status, code || ' is PT' || status || ' in psql') from vocabulary, pg_temp.raised(code) e;
select is(e ->> 'message', 'it went wrong', code || ' has a readable message in psql') from vocabulary, pg_temp.raised(code) e;
select is((e ->> 'detail')::jsonb ->> 'code', code, code || ' is named in the detail') from vocabulary, pg_temp.raised(code) e;
select is(pg_temp.raised('NOT_FOUND') ->> 'hint', 'do it better', 'the remedy is in the hint');
select isnt((pg_temp.raised('NOT_FOUND') ->> 'detail')::jsonb ->> 'request_id', null, 'an error says in which request it happened');
select is(pg_temp.raised('NO_SUCH_CODE') ->> 'state', 'PT500', 'a code outside the vocabulary is an internal error');

select set_config('request.method', 'POST', true), set_config('request.headers', '{"x-request-id": "req-1"}', true);
select is(e ->> 'state', 'PGRST', code || ' is PGRST through PostgREST') from vocabulary, pg_temp.raised(code) e;
select is(jsonb_build_array((e ->> 'message')::jsonb ->> 'code', (e ->> 'detail')::jsonb -> 'status'), jsonb_build_array(code, status),
  code || ' has its code and HTTP status through PostgREST') from vocabulary, pg_temp.raised(code) e;
select is((pg_temp.raised('NOT_FOUND') ->> 'message')::jsonb,
  jsonb_build_object('code', 'NOT_FOUND', 'message', 'it went wrong', 'hint', 'do it better', 'details', '{"request_id": "req-1"}'),
  'the body has the four fields that PostgREST demands, details as text');
select is((pg_temp.raised('RATE_LIMITED', $$, '{"field": "name"}', 30$$) ->> 'detail')::jsonb,
  '{"status": 429, "headers": {"X-Request-Id": "req-1", "Retry-After": "30"}}'::jsonb, 'headers carry the request id and Retry-After');
select is(((pg_temp.raised('RATE_LIMITED', $$, '{"field": "name"}', 30$$) ->> 'message')::jsonb ->> 'details')::jsonb,
  '{"field": "name", "request_id": "req-1"}'::jsonb, 'details name the field');
select set_config('request.method', '', true), set_config('request.headers', '', true);

-- Settings -------------------------------------------------------------------------------------------------------------

select is(analytics_private.set_setting('access_window', '7 days'), '7 days', 'a setting can be changed');
select is((select value from analytics_private.list_settings() where name = 'access_window'), '7 days', 'a changed setting is listed');
select is((select metadata from analytics.audit_logs where action = 'setting.changed' order by id desc limit 1),
  '{"name": "access_window", "from": "30 days", "to": "7 days"}'::jsonb, 'a change of a setting is audited');
select throws_ok('select analytics_private.set_setting(''no_such'', ''1'')', 'PT404', null, 'an unknown setting is NOT_FOUND');
select throws_ok(format('select analytics_private.set_setting(%L, %L)', name, value), 'PT400', null, format('%s cannot be %s', name, coalesce(left(value, 20), 'null')))
from (values ('access_window', 'soon'), ('access_window', '0'), ('access_window', '-1 day'), ('access_window', '100 years'), ('access_window', null),
  ('access_window', repeat('9', 10000)), ('partitions_ahead', '0'), ('partitions_ahead', '1.5'), ('partitions_ahead', '99999999999999999999'),
  ('posts_per_fetch', 'twelve'), ('posts_per_fetch', '')) as bad (name, value);
select is((select value from analytics_private.list_settings() where name = 'access_window'), '7 days', 'a refused value changes nothing');

-- Audit ----------------------------------------------------------------------------------------------------------------

select isnt(analytics_private.write_audit('test.done', 'test', gen_random_uuid(), '{"a": 1}'), null, 'a record is written');
select is((select actor_login from analytics.audit_logs where action = 'test.done'), session_user::text, 'a record says which login wrote it');

create function pg_temp.try_as(role_name text, statement text) returns text language plpgsql as $$
declare
  outcome jsonb;
begin
  perform set_config('role', role_name, true);
  outcome := pg_temp.error_of(statement);
  perform set_config('role', 'none', true);
  return outcome ->> 'state';
end
$$;

select is(pg_temp.try_as('none', statement), 'PT403', 'even a superuser cannot ' || left(statement, 8) || ' audit records')
from (values ('update analytics.audit_logs set action = ''x'''), ('delete from analytics.audit_logs'), ('truncate analytics.audit_logs'),
  ('insert into analytics.audit_logs select * from analytics.audit_logs on conflict on constraint audit_logs_once do update set action = ''x''')) as v (statement);
select is(pg_temp.try_as('analytics_owner', statement), 'PT403', 'the owner cannot ' || left(statement, 8) || ' audit records')
from (values ('update analytics.audit_logs set action = ''x'''), ('delete from analytics.audit_logs'), ('truncate analytics.audit_logs')) as v (statement);
select is(pg_temp.try_as(role_name, statement), '42501', role_name || ' cannot ' || left(statement, 8) || ' audit records')
from (values ('service_role'), ('authenticated'), ('anon'), ('analytics_sidecar')) as r (role_name),
  (values ('insert into analytics.audit_logs (actor_login, action, entity_type) values (''x'', ''x'', ''x'')'),
    ('update analytics.audit_logs set action = ''x'''), ('delete from analytics.audit_logs'), ('truncate analytics.audit_logs')) as v (statement);
select is((select count(*) from analytics.audit_logs where action = 'test.done'), 1::bigint, 'the record is still there');

select * from finish();
rollback;
