-- 1000 users and 20000 fresh profiles: enough pairs that no call meets an open window.
insert into auth.users (id, email)
select ('00000000-0000-4000-8000-' || 100000000000 + n)::uuid, 'user' || n || '@example.org' from generate_series(0, 999) as n;
-- A plan that pays for all of them.
select analytics_private.set_plan(u.default_workspace_id, 'premium') from analytics.users u where u.email like 'user%@example.org';
insert into analytics.profiles (username, instagram_user_id, captured_at)
select 'bench' || n, n::text, now() from generate_series(0, 19999) as n;
-- For the comparison: writes the same rows, row-level security off.
grant usage on schema analytics to bench_reference;
grant execute on function analytics.uuidv7() to bench_reference;
grant select, insert on analytics.user_profile_access, analytics.users, analytics.profiles to bench_reference;;
vacuum analyze
