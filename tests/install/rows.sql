-- The rows of every table of ours and of auth.users, hashed; not installed_files, which says when it was installed.
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
set timezone = 'UTC';
select format('select %L, count(*), md5(string_agg(r::text, '' '' order by r::text)) from %s r', c.oid::regclass, c.oid::regclass)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('analytics', 'analytics_private', 'auth') and c.relkind = 'r' and c.relname <> 'installed_files' order by c.oid::regclass::text collate "C" \gexec
