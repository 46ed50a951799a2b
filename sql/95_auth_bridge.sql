-- The bridge to Supabase Auth. Runs as the role that calls install(): only it has rights on schema auth.

create or replace trigger analytics_mirror_user after insert or update or delete on auth.users
  for each row execute function analytics_private.mirror_auth_user();

-- Accounts that were there before.
select analytics_private.mirror_user(to_jsonb(u)) from auth.users u;
