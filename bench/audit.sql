-- 1000 workspaces, and one table three times: without audit, with ours, and with a row trigger that keeps whole rows.
insert into auth.users (id, email)
select ('00000000-0000-4000-8000-' || 100000000000 + n)::uuid, 'user' || n || '@example.org' from generate_series(0, 999) as n;
create table public.spaces as select row_number() over (order by id) - 1 as n, id from analytics.workspaces;
alter table public.spaces add primary key (n);
create table analytics.bench_plain (
  workspace_id uuid not null references analytics.workspaces (id), id uuid not null default analytics.uuidv7(), title text, body text,
  status text not null default 'draft', likes bigint, settings jsonb not null default '{}', scheduled_at timestamptz,
  created_at timestamptz not null default now(), updated_at timestamptz not null default now(), primary key (workspace_id, id));
create table analytics.bench_audited (like analytics.bench_plain including all, foreign key (workspace_id) references analytics.workspaces (id));
create table analytics.bench_row_trigger (like analytics.bench_plain including all, foreign key (workspace_id) references analytics.workspaces (id));
alter table analytics.bench_audited owner to analytics_owner;
set role analytics_owner;
select analytics_private.audit_changes('analytics.bench_audited', 'post');
reset role;
-- The usual audit: a row trigger in PL/pgSQL that stores the old and the new row, without any tamper evidence.
create table public.record_version (
  id bigserial primary key, record_id uuid, operation text not null, at timestamptz not null default now(), table_oid oid not null, record jsonb, old_record jsonb);
create index on public.record_version (record_id);
create index on public.record_version (table_oid, at);
create function public.store_version() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.record_version (record_id, operation, table_oid, record, old_record)
  select coalesce(new.id, old.id), tg_op, tg_relid, case when tg_op <> 'DELETE' then to_jsonb(new) end, case when tg_op <> 'INSERT' then to_jsonb(old) end;
  return null;
end
$$;
create trigger store_version after insert or update or delete on analytics.bench_row_trigger for each row execute function public.store_version();;
vacuum analyze
