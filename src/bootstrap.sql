-- Runs as a superuser, also when a plain database owner creates this (trusted) extension. Schema analytics comes first on
-- the script's search path and may have been there before, with anything in it: each block takes PostgreSQL's own path
-- first, and gives the script's back at its end because pgrx makes its functions by bare names.

do $roles$
declare
  script_path constant pg_catalog.text := pg_catalog.current_setting('search_path');
  wanted record;
begin
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  if exists (
    select from (select relnamespace, relowner from pg_class union all select pronamespace, proowner from pg_proc
                 union all select typnamespace, typowner from pg_type union all select oprnamespace, oprowner from pg_operator) o (namespace, owner)
    join pg_namespace n on n.oid = o.namespace join pg_roles r on r.oid = o.owner
    where n.nspname = 'analytics' and not r.rolsuper and r.rolname <> 'analytics_owner'
  ) then
    raise exception 'schema analytics holds objects that are not of this extension'
      using errcode = 'object_not_in_prerequisite_state', hint = 'drop or rename the schema';
  end if;
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
  -- Definer functions run as this role; a role that can log in, has members or can overrule everything would defeat them.
  if exists (
    select from pg_roles r where r.rolname = 'analytics_owner' and (r.rolsuper or r.rolcanlogin or r.rolbypassrls or r.rolcreaterole
      or exists (select from pg_auth_members m join pg_roles u on u.oid = m.member where m.roleid = r.oid and not u.rolsuper))
  ) then
    raise exception 'role analytics_owner must not be able to log in, have members, be a superuser, bypass row-level security or create roles'
      using errcode = 'object_not_in_prerequisite_state', hint = 'it was not made by this extension: drop or rename it';
  end if;
  execute format('grant create on database %I to analytics_owner', current_database());
  perform set_config('search_path', script_path, true);
end
$roles$;

-- Not the database's owner: he could drop the audit trail.
alter schema analytics owner to analytics_owner;
grant usage on schema analytics to anon, authenticated, service_role, analytics_sidecar;

-- A member of the extension only while this script runs (pgrx makes its schemas with IF NOT EXISTS, which PostgreSQL
-- allows for members alone); grants.sql takes it out again, since dropping the extension must not drop the tables that
-- install() puts there. After such a drop it is found here.
do $schema$
declare
  script_path constant pg_catalog.text := pg_catalog.current_setting('search_path');
  present_owner pg_catalog.name;
begin
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  select r.rolname into present_owner from pg_namespace n join pg_roles r on r.oid = n.nspowner where n.nspname = 'analytics_private';
  if present_owner is null then
    create schema analytics_private authorization analytics_owner;
  elsif present_owner = 'analytics_owner' then
    alter extension analytics_ext add schema analytics_private;
  else
    raise exception 'schema analytics_private belongs to %', present_owner
      using errcode = 'object_not_in_prerequisite_state', hint = 'it was not made by this extension: drop or rename it';
  end if;
  perform set_config('search_path', script_path, true);
end
$schema$;
