-- The bridge to Supabase Auth. Runs as the role that calls install(): only it has rights on schema auth.

create or replace trigger analytics_mirror_user after insert or update or delete on auth.users
  for each row execute function analytics_private.mirror_auth_user();

-- Accounts that were there before.
select analytics_private.mirror_user(to_jsonb(u)) from auth.users u;

-- Bridge for operators (S0's auth_users). Owner's rights on purpose: service_role has none on auth.users.
create or replace view analytics.auth_users as
  select u.id, u.email, u.created_at, u.updated_at, u.last_sign_in_at, u.raw_user_meta_data, u.raw_app_meta_data from auth.users u;
comment on view analytics.auth_users is 'accounts of the auth schema; service_role only';
revoke all on analytics.auth_users from public, anon, authenticated;
grant select on analytics.auth_users to service_role;
