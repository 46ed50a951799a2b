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
    lateral (select max(t.tgrelid::oid::text)::oid, max(t.tgoldtable), max(t.tgnewtable) from pg_catalog.pg_trigger t where t.tgfoid = p.oid) t (relation, old_rows, new_rows),
    lateral plpgsql_check_function_tb(p.oid, relid => coalesce(t.relation, 0), oldtable => t.old_rows, newtable => t.new_rows, fatal_errors => false,
      extra_warnings => true, performance_warnings => false, security_warnings => true) c
  where p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace)
$q$), 'no error and no warning in any function');
\else
select skip('skipped: plpgsql_check is not installed in this database', 1);
\endif

select * from finish();
rollback;
