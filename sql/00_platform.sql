-- What Supabase brings and a plain PostgreSQL lacks. Runs as the role that calls install(), and creates only what is
-- missing: on Supabase every statement below finds its object and does nothing. The roles come from the extension script.

do $platform$
declare
  stranger record;
begin
  -- What is there already must belong to somebody who could harm us anyway: the caller, a superuser, Supabase's own roles
  -- or a gateway. Anyone else's auth schema could make users of its own, anyone else's pg_trgm could run code in searches.
  select s.what, r.rolname into stranger
  from (select 'schema ' || n.nspname, n.nspowner from pg_namespace n where n.nspname in ('auth', 'extensions')
        union all select 'table auth.users', c.relowner from pg_class c where c.oid = to_regclass('auth.users')
        union all select 'the schema of pg_trgm', n.nspowner from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'
       ) s (what, owner) join pg_roles r on r.oid = s.owner
  where not r.rolsuper and r.rolname not in (current_user, 'supabase_admin', 'supabase_auth_admin', 'pg_database_owner')
    and r.rolname <> all (string_to_array(replace(current_setting('analytics_ext.gateways'), ' ', ''), ','))
  limit 1;
  if found then
    raise exception '% belongs to role %', stranger.what, stranger.rolname
      using errcode = 'object_not_in_prerequisite_state', hint = 'give it to a superuser or to the role that installs';
  end if;

  if to_regnamespace('auth') is null then
    create schema auth;
    grant usage on schema auth to anon, authenticated, service_role;
  end if;

  if to_regclass('auth.users') is null then
    -- Only the columns that Supabase documents as stable and that the mirror reads.
    create table auth.users (
      id uuid constraint users_pkey primary key default gen_random_uuid(),
      email text,
      phone text,
      email_confirmed_at timestamptz,
      raw_app_meta_data jsonb,
      raw_user_meta_data jsonb,
      is_anonymous boolean not null default false,
      banned_until timestamptz,
      last_sign_in_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      deleted_at timestamptz
    );
    alter table auth.users enable row level security;
    comment on table auth.users is 'accounts; stands in for Supabase Auth on a PostgreSQL that has none';
  end if;

  if to_regprocedure('auth.jwt()') is null then
    create function auth.jwt() returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
      select nullif(current_setting('request.jwt.claims', true), '')::jsonb
    $$;
  end if;

  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid language sql stable set search_path = pg_catalog, pg_temp as $$
      select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
    $$;
  end if;

  if to_regprocedure('auth.role()') is null then
    create function auth.role() returns text language sql stable set search_path = pg_catalog, pg_temp as $$
      select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    $$;
  end if;

  if to_regprocedure('auth.email()') is null then
    create function auth.email() returns text language sql stable set search_path = pg_catalog, pg_temp as $$
      select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
    $$;
  end if;

  -- Trigram search. A trusted extension, so a database owner may create it; kept out of the exposed schemas.
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_trgm') then
    if to_regnamespace('extensions') is null then
      create schema extensions;
      grant usage on schema extensions to anon, authenticated, service_role;
    end if;
    create extension pg_trgm with schema extensions;
  end if;
end
$platform$;

do $trigrams$
declare
  home constant name := (select n.nspname from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm');
begin
  if not has_schema_privilege('analytics_owner', home, 'usage') then
    execute format('grant usage on schema %I to analytics_owner', home);
  end if;
end
$trigrams$;
