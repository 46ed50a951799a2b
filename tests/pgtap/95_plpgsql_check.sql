-- What plpgsql_check finds in our functions without running them: wrong columns, types, unused variables, casts, volatility.
begin;
\ir helpers.psql
select no_plan();

select exists (select from pg_catalog.pg_extension where extname = 'plpgsql_check') as present \gset
\if :present
select cmp_ok((select count(*) from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
  where p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace)), '>', 40::bigint, 'functions are there to be checked');
select is_empty(format($q$
  select p.oid::regprocedure, c.lineno, c.level, c.message, c.detail from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql',
    lateral plpgsql_check_function_tb(p.oid, relid => coalesce((select t.tgrelid from pg_catalog.pg_trigger t where t.tgfoid = p.oid limit 1), case when p.prorettype = 'trigger'::regtype then 'analytics.users'::regclass else 0 end),
      oldtable => case when p.prorettype = 'trigger'::regtype and p.prosrc ~ 'audit_old' then 'audit_old' end, newtable => case when p.prorettype = 'trigger'::regtype and p.prosrc ~ 'audit_new' then 'audit_new' end, fatal_errors => false,
      extra_warnings => true, performance_warnings => false, security_warnings => true) c
  where p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace)
$q$), 'no error and no warning in any function');
\else
select skip('skipped: plpgsql_check is not installed in this database', 1);
\endif

select * from finish();
rollback;
