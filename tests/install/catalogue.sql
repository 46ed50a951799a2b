-- What makes up an installation besides its rows, one line each, in an order that does not depend on how it came about.
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
set search_path = '';
with ours as (select n.oid, n.nspname from pg_catalog.pg_namespace n where n.nspname in ('analytics', 'analytics_private', 'auth')),
relations as (select c.*, c.oid::regclass::text as name from pg_catalog.pg_class c join ours on ours.oid = c.relnamespace)
select line collate "C" from (
  select format('schema %s owner %s %s may %s', n.nspname, n.nspowner::regrole, coalesce(a.grantee::regrole::text, 'PUBLIC'), a.privilege_type) as line
  from pg_catalog.pg_namespace n join ours using (oid), pg_catalog.aclexplode(n.nspacl) a
  union all
  select format('relation %s %s owner %s rls %s %s', name, relkind, relowner::regrole, relrowsecurity, reloptions) from relations where relkind in ('r', 'p', 'v', 'S')
  union all
  select format('relation %s %s may %s', name, a.grantee::regrole, a.privilege_type) from relations, pg_catalog.aclexplode(relacl) a where relkind <> 'i'
  union all
  select format('column %s.%s %s null %s compression %s default %s generated %s', name, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), not a.attnotnull, a.attcompression,
    pg_catalog.regexp_replace(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '::(character varying|text)(\[\])?|[()]', '', 'g'), a.attgenerated)
  from relations join pg_catalog.pg_attribute a on a.attrelid = relations.oid and a.attnum > 0 and not a.attisdropped left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where relkind in ('r', 'p', 'v')
  union all
  select format('column %s.%s %s may %s', name, a.attname, x.grantee::regrole, x.privilege_type) from relations join pg_catalog.pg_attribute a on a.attrelid = relations.oid, pg_catalog.aclexplode(a.attacl) x
  union all
  select format('policy %s "%s" %s %s using %s check %s', name, p.polname, p.polcmd, p.polroles::regrole[], pg_catalog.regexp_replace(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '::(character varying|text)(\[\])?|[()]', '', 'g'), pg_catalog.regexp_replace(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '::(character varying|text)(\[\])?|[()]', '', 'g'))
  from relations join pg_catalog.pg_policy p on p.polrelid = relations.oid
  union all
  -- PostgreSQL writes the casts of a list of constants another way when it reads them back from a dump.
  select format('constraint %s %s %s', name, k.conname, pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), '::(character varying|text)(\[\])?|[()]', '', 'g')) from relations join pg_catalog.pg_constraint k on k.conrelid = relations.oid
  union all
  select format('index %s', pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '::(character varying|text)(\[\])?|[()]', '', 'g')) from relations join pg_catalog.pg_index i on i.indrelid = relations.oid
  union all
  select format('trigger %s %s', t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid)) from relations join pg_catalog.pg_trigger t on t.tgrelid = relations.oid where not t.tgisinternal
  union all
  select format('function %s owner %s definer %s %s %s', p.oid::regprocedure, p.proowner::regrole, p.prosecdef, p.proconfig, pg_catalog.md5(p.prosrc)) from pg_catalog.pg_proc p join ours on ours.oid = p.pronamespace
  union all
  select format('function %s %s may %s', p.oid::regprocedure, case a.grantee when 0 then 'PUBLIC' else a.grantee::regrole::text end, a.privilege_type)
  from pg_catalog.pg_proc p join ours on ours.oid = p.pronamespace, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
  union all
  select format('comment %s %s', pg_catalog.pg_describe_object(d.classoid, d.objoid, d.objsubid), pg_catalog.md5(d.description)) from pg_catalog.pg_description d
  where d.classoid = 'pg_catalog.pg_class'::regclass and d.objoid in (select oid from relations) or d.classoid = 'pg_catalog.pg_proc'::regclass and d.objoid in (select p.oid from pg_catalog.pg_proc p join ours on ours.oid = p.pronamespace)
  union all
  select format('default privileges of %s for %s: %s', d.defaclrole::regrole, d.defaclobjtype, d.defaclacl) from pg_catalog.pg_default_acl d
) lines order by 1;
