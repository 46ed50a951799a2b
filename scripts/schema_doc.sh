#!/usr/bin/env bash
# Prints docs/schema.md: the tables, views and functions of schema analytics, read from the catalogue of the database that
# libpq's environment names (PGHOST, PGDATABASE, …). The same schema gives the same text.
#
#   schema_doc.sh >docs/schema.md     write it
#   schema_doc.sh check               fail, with the difference, when docs/schema.md is not what would be written
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

print_schema() {
  # Settings that change how the catalogue is spelled.
  PGOPTIONS="-c search_path= -c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c client_min_messages=warning" \
    PGCLIENTENCODING=UTF8 psql -X -q -A -t -v ON_ERROR_STOP=1 -f - <<'SQL'
\pset recordsep '\n'
select $$# Schema `analytics`

What clients see, table by table and function by function. Written by `scripts/schema_doc.sh` from the catalogue of an installed
database; `make test` compares. Do not edit by hand.

Null says whether a value may be unknown. Rights are those of the roles `anon`, `authenticated` and `service_role`; row-level
security is on for every table, and a table without a policy for a role shows that role no row (`service_role` bypasses policies).
[access.md](access.md) explains the policies.
$$;

create function pg_temp.cell(content text) returns text language sql as $$
  select coalesce(replace(replace(content, '|', '\|'), E'\n', ' '), '')
$$;
create function pg_temp.code(content text) returns text language sql as $$
  select '`' || replace(content, '|', '\|') || '`'
$$;
-- A type as people write it.
create function pg_temp.short(content text) returns text language sql as $$
  select replace(replace(content, 'timestamp with time zone', 'timestamptz'), 'character varying', 'varchar')
$$;
-- The paragraph of one command: which of the roles may do it, for some columns where only those.
create function pg_temp.rights(tbl oid) returns text language sql as $$
  select string_agg(format('%s: %s', r, commands), '; ' order by o)
  from (
    select r.rolname as r, o, string_agg(command, ', ' order by p) as commands
    from unnest(array['anon', 'authenticated', 'service_role']) with ordinality as wanted (name, o)
      join pg_catalog.pg_roles r on r.rolname = wanted.name
      cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) with ordinality as c (privilege, p)
      cross join lateral (
        select case
          when pg_catalog.has_table_privilege(r.oid, tbl, c.privilege) then lower(c.privilege)
          when c.privilege <> 'DELETE' and pg_catalog.has_any_column_privilege(r.oid, tbl, c.privilege) then
            lower(c.privilege) || ' (' || (
              select string_agg('`' || a.attname || '`', ', ' order by a.attnum) from pg_catalog.pg_attribute a
              where a.attrelid = tbl and a.attnum > 0 and not a.attisdropped
                and pg_catalog.has_column_privilege(r.oid, tbl, a.attnum, c.privilege)) || ')'
        end as command) granted
    where command is not null
    group by r.rolname, o) given
$$;
create function pg_temp.constraints(tbl oid, kinds "char"[]) returns text language sql as $$
  select string_agg(format('`%s`: %s', c.conname, pg_temp.code(pg_temp.short(pg_catalog.pg_get_constraintdef(c.oid, true)))),
           E'\n- ' order by array_position(kinds, c.contype), c.conname collate "C")
  from pg_catalog.pg_constraint c where c.conrelid = tbl and c.contype = any (kinds)
$$;
-- An expression on one line.
create function pg_temp.expression(tree pg_catalog.pg_node_tree, tbl oid) returns text language sql as $$
  select pg_temp.code(regexp_replace(pg_temp.short(pg_catalog.pg_get_expr(tree, tbl, true)), '\s+', ' ', 'g'))
$$;

create temporary view relation as
  select c.oid, c.relname as name, c.relkind in ('r', 'p') as is_table, c.relkind = 'p' as is_partitioned, pg_catalog.obj_description(c.oid, 'pg_class') as comment
  from pg_catalog.pg_class c
  where c.relnamespace = 'analytics'::pg_catalog.regnamespace and c.relkind in ('r', 'p', 'v');
create temporary view callable as
  select p.*, pg_catalog.obj_description(p.oid, 'pg_proc') as comment,
         pg_temp.short(pg_catalog.pg_get_function_arguments(p.oid)) as arguments, pg_temp.short(pg_catalog.pg_get_function_result(p.oid)) as result
  from pg_catalog.pg_proc p where p.pronamespace = 'analytics'::pg_catalog.regnamespace;

select '## Contents' || E'\n';
select 'Tables: ' || string_agg(format('[%s](#%s)', name, name), ', ' order by name collate "C") || '.' || E'\n' from relation where is_table;
select 'Views: ' || string_agg(format('[%s](#%s)', name, name), ', ' order by name collate "C") || '.' || E'\n' from relation where not is_table;
select 'Functions: ' || string_agg(format('[%s](#%s)', proname, proname), ', ' order by proname collate "C") || '.' || E'\n' from callable;

select '## Tables and views' || E'\n';
select
  '### ' || r.name || E'\n\n'
  || case when r.is_table then '' else 'View. ' end || coalesce(upper(left(r.comment, 1)) || substr(r.comment, 2) || '.', '')
  || case when r.is_partitioned then ' Partitioned: ' || pg_temp.code(pg_catalog.pg_get_partkeydef(r.oid)) || '.' else '' end
  || E'\n\n| column | type | null | default | |\n|---|---|---|---|---|\n'
  || (select string_agg(format('| `%s` | %s | %s | %s | %s |', a.attname, pg_temp.short(pg_catalog.format_type(a.atttypid, a.atttypmod)),
        case when not r.is_table then '' when a.attnotnull then 'no' else 'yes' end,
        case when d.oid is null then '' else pg_temp.expression(d.adbin, d.adrelid) || case when a.attgenerated = 's' then ' generated' else '' end end,
        pg_temp.cell(pg_catalog.col_description(r.oid, a.attnum))), E'\n' order by a.attnum)
      from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped)
  || E'\n'
  || coalesce(E'\nKeys:\n\n- ' || pg_temp.constraints(r.oid, array['p', 'u', 'f']::"char"[]) || E'\n', '')
  || coalesce(E'\nChecks:\n\n- ' || pg_temp.constraints(r.oid, array['c']::"char"[]) || E'\n', '')
  || coalesce(E'\nPolicies:\n\n- ' || (
      select string_agg(format('"%s": %s, to %s', p.polname,
               case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
               (select string_agg(x.rolname, ', ' order by x.rolname) from pg_catalog.pg_roles x where x.oid = any (p.polroles)))
        || coalesce(', using ' || pg_temp.expression(p.polqual, r.oid), '')
        || case when p.polwithcheck is null then ''
             when pg_temp.expression(p.polwithcheck, r.oid) = pg_temp.expression(p.polqual, r.oid) then ', check the same'
             else ', check ' || pg_temp.expression(p.polwithcheck, r.oid) end,
        E'\n- ' order by p.polname collate "C")
      from pg_catalog.pg_policy p where p.polrelid = r.oid) || E'\n', '')
  || coalesce(E'\nRights: ' || pg_temp.rights(r.oid) || E'.\n', '')
from relation r order by r.name collate "C";

select '## Functions' || E'\n';
select
  '### ' || p.proname || E'\n\n```sql\nanalytics.' || p.proname || '(' || p.arguments || E')\n  returns ' || p.result || E'\n```\n\n'
  || case p.provolatile when 'i' then 'Immutable' when 's' then 'Stable' else 'Volatile' end
  || case when p.prosecdef then ', security definer' else '' end
  || coalesce('; for ' || (
       select string_agg(r.rolname, ', ' order by o)
       from unnest(array['anon', 'authenticated', 'service_role']) with ordinality as wanted (name, o) join pg_catalog.pg_roles r on r.rolname = wanted.name
       where pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')), '; for whoever created the extension')
  || E'.\n'
  || coalesce(E'\n' || (
       select string_agg(case
           when line like 'Example: %' then E'```sql\n' || substr(line, 10) || E';\n```'
           when o = 1 then upper(left(line, 1)) || substr(line, 2) || case when line ~ '[.:]$' then '' else '.' end
           else line end, E'\n\n' order by o)
       from regexp_split_to_table(p.comment, '\n') with ordinality as t (line, o)) || E'\n', '')
from callable p order by p.proname collate "C", pg_catalog.pg_get_function_identity_arguments(p.oid);
SQL
}

case ${1:-} in
  "") print_schema ;;
  check) diff -u --label docs/schema.md --label "the installed schema" "$ROOT/docs/schema.md" <(print_schema) ||
    fail "docs/schema.md is not what scripts/schema_doc.sh prints" ;;
  *) fail "usage: schema_doc.sh [check]" ;;
esac
