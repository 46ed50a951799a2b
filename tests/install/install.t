#!/usr/bin/env bash
# Installing as a superuser and as a plain database owner, dropping, repairing, dumping and restoring. Speaks TAP; the
# connection is psql's (PGHOST, PGPORT, PGUSER, PGPASSWORD), to a cluster that has the extension, as a superuser.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/install/tap.sh
source "$here/tap.sh"
work=$(mktemp -d)
main=tap_install_$$
copy=tap_restored_$$
own=tap_owned_$$
supabase=tap_supabase_$$
owner=tap_owner_$$
analyst=tap_analyst_$$
password=$RANDOM$RANDOM$RANDOM
unset PGDATABASE
export PGOPTIONS='-c client_min_messages=warning'

clean_up() {
  for database in "$main" "$copy" "$own" "$supabase"; do
    psql -qX -d postgres -c "drop database if exists $database with (force)"
  done
  psql -qX -d postgres -c "drop role if exists $analyst, $owner"
  rm -rf "$work"
} >/dev/null 2>&1
trap clean_up EXIT

as_owner() { PGUSER=$owner PGPASSWORD=$password "$@"; }
as_analyst() { PGUSER=$analyst PGPASSWORD=$password "$@"; }
fails_with() { # pattern command…
  local pattern=$1 status=0
  shift
  "$@" >"$work/output" 2>&1 || status=$?
  cat "$work/output"
  [ $status -ne 0 ] && grep -qE "$pattern" "$work/output"
}
open_to_public="
  select count(*) from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
  where p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace) and a.grantee = 0"
statuses="select string_agg(distinct status, ' ') from analytics.install()"

# As a superuser -------------------------------------------------------------------------------------------------------

sql postgres "create database $main"
ok 'a superuser creates the extension' sql "$main" 'create extension analytics_ext'
same 'and installs' applied "$(sql "$main" "$statuses")"
file "$main" catalogue.sql >"$work/installed"
same 'installing again finds everything' present "$(sql "$main" "$statuses")"
ok 'and changes nothing' diff "$work/installed" <(file "$main" catalogue.sql)
same 'PUBLIC may execute nothing' 0 "$(sql "$main" "$open_to_public")"
ok 'rows are made' file "$main" populate.sql
same 'a user works with it' $'ready\nt\n1\npending\nspace 5300000000' "$(file "$main" use.sql)"
file "$main" rows.sql >"$work/rows"
ok 'no table is empty but those for the removed, the logins and what waits' diff <(printf 'analytics_private.%s\n' audit_checkpoints audit_logs_default audit_pruned_months db_logins events_default user_searches_default) \
  <(awk -F'|' '$2 == 0 && $1 !~ /_20[0-9][0-9]_/ { print $1 }' "$work/rows")

# Dropping and repairing -----------------------------------------------------------------------------------------------

ok 'dropping the extension is refused while tables use it' fails_with 'other objects depend on it' sql "$main" 'drop extension analytics_ext'
# The triggers that audit changes are the library's; a view of nothing but what is in tables goes with the functions it calls.
own() { grep -v '^relation\|^policy\|^function\|^comment\|^schema\|^default\|^trigger .* audit_\(insert\|update\|delete\|truncate\) \|^column analytics.user_info\.\|^column analytics.follower_changes\.' | sed 's/ default .*//'; }
own <"$work/installed" >"$work/columns"
logged=$(sql "$main" 'select count(*) from analytics.audit_logs')
ok 'dropping it with cascade is possible' sql "$main" 'drop extension analytics_ext cascade'
ok 'and loses no row' diff "$work/rows" <(file "$main" rows.sql)
ok 'and no column, constraint, index or trigger of ours' diff "$work/columns" <(file "$main" catalogue.sql | own)
same 'and leaves no table open meanwhile' 0 "$(sql "$main" "select count(*) from pg_class c where c.relnamespace = 'analytics'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity")"
ok 'it can be created again' sql "$main" 'create extension analytics_ext'
same 'installing repairs' repaired "$(sql "$main" "$statuses")"
ok 'policies, defaults, functions, rights and comments are as they were' diff "$work/installed" <(file "$main" catalogue.sql)
ok 'no row was changed by it but the trail' diff <(grep -v 'audit_\(logs\|pending\)' "$work/rows") <(file "$main" rows.sql | grep -v 'audit_\(logs\|pending\)')
same 'which has one record more, that nothing was audited meanwhile' "true|$((logged + 1))|1" \
  "$(sql "$main" "select analytics.verify_audit(null) -> 'ok', count(*), count(*) filter (where action = 'extension.repaired') from analytics.audit_logs")"
file "$main" rows.sql >"$work/rows"
same 'installing again finds everything' present "$(sql "$main" "$statuses")"
same 'the user goes on working with it' $'ready\nt\n1\npending\nspace 5300000000' "$(file "$main" use.sql)"

# Dump and restore -----------------------------------------------------------------------------------------------------

file "$main" rows.sql >"$work/rows"
ok 'a dump is made' pg_dump --format=custom --file="$work/dump" "$main"
sql postgres "create database $copy"
ok 'and restored without an error' pg_restore --exit-on-error --dbname="$copy" "$work/dump"
ok 'every row is there' diff "$work/rows" <(file "$copy" rows.sql)
ok 'policies, defaults, functions, rights and comments are the same' diff "$work/installed" <(file "$copy" catalogue.sql)
sql "$copy" "$statuses" >/dev/null
ok 'installing into the restored database changes no row' diff "$work/rows" <(file "$copy" rows.sql)
ok 'and nothing else' diff "$work/installed" <(file "$copy" catalogue.sql)
same 'the audit verifies with the same head' "$(sql "$main" "select analytics.verify_audit(null)")" "$(sql "$copy" "select analytics.verify_audit(null)")"
same 'the user works with the restored database' $'ready\nt\n1\npending\nspace 5300000000' "$(file "$copy" use.sql)"

# Where Supabase Auth is already ---------------------------------------------------------------------------------------

sql postgres "create database $supabase"
ok 'a database as Supabase makes it' sql "$supabase" 'create schema auth' "create table auth.users (instance_id uuid, id uuid primary key, aud varchar(255), role varchar(255), email varchar(255),
    encrypted_password varchar(255), email_confirmed_at timestamptz, last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean, created_at timestamptz,
    updated_at timestamptz, phone text unique, banned_until timestamptz, is_sso_user boolean not null default false, deleted_at timestamptz, is_anonymous boolean not null default false)" \
  "create function auth.uid() returns uuid language sql stable as 'select null::uuid'" 'create schema extensions' 'create extension pg_trgm with schema extensions' \
  "insert into auth.users (id, email, raw_user_meta_data) values ('00000000-0000-4000-8000-000000000009', 'before@example.com', '{\"full_name\": \"Before\"}')"
of_auth="
  select string_agg(line, E'\n' order by line) from (
    select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') as line
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where a.attrelid = 'auth.users'::regclass and a.attnum > 0
    union all select pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = 'auth'::regnamespace and p.proname = 'uid'
    union all select c.relrowsecurity || ' ' || coalesce(c.relacl::text, '') from pg_class c where c.oid = 'auth.users'::regclass
    union all select n.nspname || ' ' || coalesce(n.nspacl::text, '') from pg_namespace n where n.nspname = 'auth') lines"
before=$(sql "$supabase" "$of_auth")
sql "$supabase" 'create extension analytics_ext'
same 'installing into it works' applied "$(sql "$supabase" "$statuses")"
same 'and leaves the auth schema as it was' "$before" "$(sql "$supabase" "$of_auth")"
same 'and takes over the accounts that were there' 'before@example.com|active|Before' \
  "$(sql "$supabase" 'select u.email, u.status, w.name from analytics.users u join analytics.workspaces w on w.owner_id = u.id')"
ok 'and those that come' sql "$supabase" "insert into auth.users (id, email) values (gen_random_uuid(), 'after@example.com')"
same 'each once' 2 "$(sql "$supabase" 'select count(*) from analytics.users')"

# As a plain database owner --------------------------------------------------------------------------------------------

sql postgres "create role $owner login password '$password'" "create role $analyst login password '$password'" "grant authenticated to $analyst" "create database $own owner $owner"
ok 'a plain database owner creates the extension' as_owner sql "$own" 'create extension analytics_ext'
same 'and installs' applied "$(as_owner sql "$own" "$statuses")"
same 'twice' present "$(as_owner sql "$own" "$statuses")"
same 'PUBLIC may execute nothing' 0 "$(sql "$own" "$open_to_public")"
same 'no definer function belongs to a superuser' 0 "$(sql "$own" "select count(*) from pg_proc p join pg_roles r on r.oid = p.proowner where r.rolsuper and p.prosecdef and p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace)")"
ok 'the installation is the same but for who installed it' diff <(sed "s/\b${PGUSER:-postgres}\b/INSTALLER/g" "$work/installed" | sort -u) \
  <(file "$own" catalogue.sql | sed "s/\b$owner\b/INSTALLER/g; s/\b${PGUSER:-postgres}\b/INSTALLER/g" | sort -u)
ok 'he does an operator'\''s work' as_owner sql "$own" "insert into auth.users (id, email) values (gen_random_uuid(), 'carol@example.com')" \
  'select count(*) from analytics_private.list_settings()' "select analytics_private.set_setting('freshness', '1 day')" "select analytics_private.erase_person('removed.too', 'case 2')" \
  "select analytics_private.ingest_instagram(json_build_object('data', json_build_object('user', json_build_object('id', '2', 'username', 'moon', 'biography', 'b'))))" \
  'select count(*) from analytics_private.list_jobs()' 'select analytics_private.maintain()'
ok 'rows are made' file "$own" populate.sql
same 'users work with it' $'ready\nt\n1\npending\nspace 5300000000' "$(file "$own" use.sql)"
same 'he sees no user'\''s rows by it' 0 "$(as_owner sql "$own" 'select count(*) from analytics.user_favorites')"
ok 'and writes none' fails_with 'permission denied' as_owner sql "$own" 'delete from analytics.user_favorites'
ok 'nor sets what an owner may not' fails_with 'permission denied|must be' as_owner sql "$own" 'alter role analytics_owner login'
ok 'another login cannot install' fails_with 'permission denied' as_analyst sql "$own" 'select analytics.install()'

# A plain login is who the operator says, from its very first statement: the setting cannot be prepared before the
# library is loaded.
claims="select set_config('request.jwt.claims', '{\"sub\": \"00000000-0000-4000-8000-000000000001\"}', false)"
nobody=$(as_analyst sql "$own" "set analytics_ext.gateways = '$analyst'; set role authenticated; $claims; select coalesce(analytics_private.user_id()::text, 'nobody')" 2>/dev/null | tail -n 1)
ok 'a login that declares itself a gateway before the library is loaded is nobody' test "$nobody" != 00000000-0000-4000-8000-000000000001
same 'a login that sets claims is nobody' nobody "$(as_analyst sql "$own" "set role authenticated; $claims; select coalesce(analytics_private.user_id()::text, 'nobody')" | tail -n 1)"
same 'by options of the connection too' nobody "$(PGOPTIONS="-c analytics_ext.gateways=$analyst" as_analyst sql "$own" "set role authenticated; $claims; select coalesce(analytics_private.user_id()::text, 'nobody')" 2>/dev/null | tail -n 1)"
as_owner sql "$own" "select analytics_private.map_db_login('$analyst', '00000000-0000-4000-8000-000000000002')" >/dev/null
same 'a mapped login is its user, whatever its claims say' 00000000-0000-4000-8000-000000000002 "$(as_analyst sql "$own" "set role authenticated; $claims; select analytics_private.user_id()" | tail -n 1)"

ok 'a password makes the sidecar'\''s login usable' sql "$own" "begin; select analytics_private.set_sidecar_password('$password$password'); rollback"
printf '1..%s\n' "$tests"
