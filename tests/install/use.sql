-- A user's request, as a superuser may make it.
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-000000000001", "role": "authenticated"}', false) \g /dev/null
set role authenticated;
select analytics.unlock_profile('space') ->> 'state';
select analytics.favorite_profile('space') ->> 'notes' is null;
select analytics.search_profiles('space') ->> 'total';
select analytics.unlock_profile('new.one') ->> 'state';
select username || ' ' || followers_count from analytics.profiles where captured_at is not null;
