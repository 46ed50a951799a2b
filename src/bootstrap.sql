-- Runs as a superuser, also when a plain database owner creates this (trusted) extension.

do $roles$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      ('anon', 'nologin'), ('authenticated', 'nologin'), ('service_role', 'nologin bypassrls'),
      ('analytics_owner', 'nologin'), ('analytics_sidecar', 'login')
    ) as r (name, attributes)
  loop
    if not exists (select from pg_catalog.pg_roles where rolname = wanted.name) then
      execute format('create role %I %s', wanted.name, wanted.attributes);
    end if;
  end loop;
  -- Definer functions run as this role; a role that can log in or overrule everything would defeat them.
  if exists (select from pg_catalog.pg_roles where rolname = 'analytics_owner' and (rolsuper or rolcanlogin or rolbypassrls or rolcreaterole)) then
    raise exception 'role analytics_owner must not be able to log in, nor be a superuser, bypass row-level security or create roles'
      using errcode = 'object_not_in_prerequisite_state', hint = 'it was not made by this extension: drop or rename it';
  end if;
  execute format('grant create on database %I to analytics_owner', current_database());
end
$roles$;

grant usage, create on schema analytics to analytics_owner;
grant usage on schema analytics to anon, authenticated, service_role, analytics_sidecar;

-- A member of the extension only while this script runs (pgrx makes its schemas with IF NOT EXISTS, which PostgreSQL
-- allows for members alone); grants.sql takes it out again, since dropping the extension must not drop the tables that
-- install() puts there. After such a drop it is found here.
do $schema$
begin
  if to_regnamespace('analytics_private') is null then
    create schema analytics_private authorization analytics_owner;
  else
    alter extension analytics_ext add schema analytics_private;
  end if;
end
$schema$;
