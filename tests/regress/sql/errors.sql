-- Errors as psql shows them: the code, a readable message, the remedy. DETAIL has a request id, different each time.
\set VERBOSITY terse
\set SHOW_CONTEXT never
insert into auth.users (id, email) values ('00000000-0000-4000-8000-00000000e001', 'errors@example.com');
select set_config('request.jwt.claims', '', false);
select analytics.me();
\echo :LAST_ERROR_SQLSTATE
select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000e001", "role": "authenticated"}', false);
select analytics.unlock_profile('two words');
\echo :LAST_ERROR_SQLSTATE
select analytics.unlock_profile('space', '00000000-0000-4000-8000-00000000ffff');
\echo :LAST_ERROR_SQLSTATE
select analytics.profile_overview('space');
\echo :LAST_ERROR_SQLSTATE
select analytics.profile_timeline('space', page_size => 1000);
\echo :LAST_ERROR_SQLSTATE
select analytics.require_role('00000000-0000-4000-8000-00000000ffff', 'emperor');
\echo :LAST_ERROR_SQLSTATE
select analytics.unlock_profiles('{}');
\echo :LAST_ERROR_SQLSTATE
select analytics.search_profiles('x', '{"colour": "blue"}');
\echo :LAST_ERROR_SQLSTATE
select analytics_private.ingest_instagram('{"a": 1}');
\echo :LAST_ERROR_SQLSTATE
select analytics_private.ingest_instagram('{"status": "failed", "status_code": 613, "message": "We were not able to scrape the target."}');
\echo :LAST_ERROR_SQLSTATE
select analytics_private.set_setting('access_window', 'soon');
\echo :LAST_ERROR_SQLSTATE
select analytics_private.complete_job('00000000-0000-4000-8000-00000000ffff', '{}');
\echo :LAST_ERROR_SQLSTATE
delete from analytics.audit_logs;
\echo :LAST_ERROR_SQLSTATE
-- The same through PostgREST: SQLSTATE PGRST, and the body as the message.
select set_config('request.method', 'POST', false), set_config('request.headers', '{"x-request-id": "req-1"}', false);
select analytics.profile_overview('space');
\echo :LAST_ERROR_SQLSTATE
select set_config('request.method', '', false), set_config('request.headers', '', false);
delete from auth.users where email = 'errors@example.com';
