-- The audit: what is recorded, that it cannot be changed, and that what a superuser does to it all the same is found.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com', 'Ada') as ada, pg_temp.sign_up('bob@example.com', 'Bob') as bob, pg_temp.sign_up('eve@example.com', 'Eve') as eve \gset
select pg_temp.personal_workspace(:'ada') as studio, pg_temp.personal_workspace(:'bob') as other \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'bob', 'analyst');

-- A table that people edit, with a column of every kind that is read without its output function.
create table analytics.things (id uuid primary key, workspace_id uuid, name text, secret text, amount numeric, count bigint, at timestamptz, day date, tags text[], document jsonb,
  ratio double precision, is_done boolean, span interval, gone integer, times timestamptz[], parts double precision[], period tstzrange, icon bytea, updated_at timestamptz default clock_timestamp());
alter table analytics.things drop column gone;
alter table analytics.things owner to analytics_owner;
select analytics_private.audit_changes('analytics.things', 'thing', masked => '{secret}');
create table analytics.parted (id uuid, workspace_id uuid) partition by list (id);
select throws_ok(format('select analytics_private.audit_changes(%s)', a), 'PT400', null, 'not audited: ' || left(a, 40))
from unnest(array[$$'analytics.parted', 'part'$$, $$'analytics.things', 'thing', masked => '{"a,b"}'$$, format('%L, %L', 'analytics.things', repeat('x', 55))]) a;
create function pg_temp.thing(n integer, workspace uuid) returns void language sql as $$
  insert into analytics.things (id, workspace_id, name, secret, amount, count, at, day, tags, document, ratio, is_done, span, times, parts, period, icon)
  values (('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, workspace, 'thing ' || n, 'hush', 1.50, 5300000000, '2026-01-02 03:04:05.000006+00', '2026-02-28',
    array['a', null, 'c'], '{"b": [1, 2.50, {"c": null}], "a": true}', 0.1, true, '1 day',
    array['2026-01-02 03:04:05+00'::timestamptz], array[0.1::float8 + 0.2::float8], tstzrange('2026-01-02 03:04:05+00', null), '\xff00')
$$;
create view pg_temp.noted as
  select l.action, l.entity_id, l.workspace_id, p.old_values, p.new_values, l.metadata, l.id, l."timestamp"
  from analytics.audit_logs l left join analytics.audit_personal p on p.record_id = l.id and p."timestamp" = l."timestamp" where l.entity_type = 'thing';

-- What is recorded -----------------------------------------------------------------------------------------------------

select set_config('request.headers', '{"x-forwarded-for": "203.0.113.9", "user-agent": "Browser/1", "x-request-id": "req-1"}', true);
select pg_temp.act_with(jsonb_build_object('sub', :'ada', 'role', 'authenticated')::text, 'none');
select pg_temp.thing(1, :'studio');
select is((select new_values - 'updated_at' from pg_temp.noted), '{"id": "00000000-0000-4000-8000-000000000001", "name": "thing 1", "secret": "***", "amount": 1.50, "count": 5300000000, "at": "2026-01-02T03:04:05.000006+00:00",
  "day": "2026-02-28", "tags": ["a", null, "c"], "document": {"a": true, "b": [1, 2.50, {"c": null}]}, "ratio": 0.1, "is_done": true, "span": "1 day",
  "times": ["2026-01-02T03:04:05+00:00"], "parts": [0.30000000000000004], "period": "[\"2026-01-02 03:04:05+00\",)", "icon": "\\xff00"}'::jsonb || jsonb_build_object('workspace_id', :'studio'),
  'an insert is recorded with every column, as its type is in jsonb, secrets masked');
select is((select to_jsonb(l) - '{id,timestamp,personal_digest}'::text[] from analytics.audit_logs l where entity_type = 'thing'),
  jsonb_build_object('workspace_id', :'studio', 'actor_id', :'ada', 'actor_login', session_user, 'action', 'thing.created', 'entity_type', 'thing', 'entity_id', '00000000-0000-4000-8000-000000000001',
    'request_id', 'req-1', 'metadata', '{}'::jsonb), 'and who did it, in which request');
select results_eq($$select host(ip_address), user_agent from analytics.audit_personal p join pg_temp.noted n on n.id = p.record_id$$, $$values ('203.0.113.9', 'Browser/1')$$, 'from where');
update analytics.things set name = 'other', secret = 'still', document = document || '{"a": false}', updated_at = clock_timestamp();
select results_eq($$select action, old_values, new_values from pg_temp.noted order by id desc limit 1$$,
  $$values ('thing.updated'::varchar, '{"name": "thing 1", "secret": "***", "document": {"a": true, "b": [1, 2.50, {"c": null}]}}'::jsonb, '{"name": "other", "secret": "***", "document": {"a": false, "b": [1, 2.50, {"c": null}]}}'::jsonb)$$,
  'an update is recorded with what changed');
update analytics.things set updated_at = clock_timestamp(), name = name;
update analytics.things set name = 'x' where false;
select is((select count(*) from pg_temp.noted), 2::bigint, 'nothing is recorded when nothing changed');
update analytics.things set workspace_id = :'other';
select results_eq($$select action, workspace_id, old_values is null, new_values is null from pg_temp.noted order by id desc limit 2$$,
  format($$values ('thing.created'::varchar, %L::uuid, true, false), ('thing.deleted', %L, false, true)$$, :'other', :'studio'), 'a row that moves to another workspace leaves one and comes into the other');
delete from analytics.things;
select results_eq($$select action, old_values ->> 'name', new_values from pg_temp.noted order by id desc limit 1$$, $$values ('thing.deleted'::varchar, 'other', null::jsonb)$$, 'a delete is recorded with what was there');
select pg_temp.thing(n, case when n <= 100 then :'studio'::uuid end) from generate_series(1, 150) n;
select is((select count(*) from pg_temp.noted where action = 'thing.created'), 152::bigint, 'each statement by itself has its record');
update analytics.things set count = count + 1 where workspace_id is not null;
select is((select count(*) from pg_temp.noted where action = 'thing.updated'), 101::bigint, 'a hundred rows in a statement have a record each');
update analytics.things set count = count + 1;
select results_eq($$select workspace_id is null, (metadata ->> 'rows')::integer, length(metadata ->> 'old_root'), length(metadata ->> 'new_root'), old_values from pg_temp.noted where metadata ? 'rows' order by 1$$,
  $$values (false, 100, 64, 64, null::jsonb), (true, 50, 64, 64, null)$$, 'more have one together, in each workspace, with the root over them');
select is((select metadata ->> 'new_root' from pg_temp.noted where metadata ? 'rows' and workspace_id is not null),
  (select analytics_private.rows_root(t, 'workspace_id' order by t.name desc) -> 0 ->> 'root' from analytics.things t where workspace_id is not null), 'which anybody who has the rows can work out, in any order');
delete from analytics.things;
select is((select count(*) from pg_temp.noted where action = 'thing.deleted' and metadata ? 'rows'), 2::bigint, 'a large delete too');
set local work_mem = '64kB';
insert into analytics.things (id, workspace_id, name) select gen_random_uuid(), :'studio', repeat(md5(n::text), 100) from generate_series(1, 500) n;
reset work_mem;
select is((select metadata ->> 'new_root' from pg_temp.noted where action = 'thing.created' and metadata ? 'rows'),
  (select analytics_private.rows_root(t, 'workspace_id') -> 0 ->> 'root' from analytics.things t), 'and one that does not fit into memory');
delete from analytics.things where false;
with moved as (insert into analytics.things (id, workspace_id, name) values ('00000000-0000-4000-8000-000000000777', :'studio', 'merged') returning id)
  select count(*) from moved \g /dev/null
merge into analytics.things t using (values ('00000000-0000-4000-8000-000000000777'::uuid, 'seven'), ('00000000-0000-4000-8000-000000000778', 'eight')) v (id, name) on v.id = t.id
  when matched then update set name = v.name when not matched then insert (id, workspace_id, name) values (v.id, null, v.name);
insert into analytics.things (id, name) values ('00000000-0000-4000-8000-000000000778', 'nine'), ('00000000-0000-4000-8000-000000000779', 'ten') on conflict (id) do update set name = excluded.name;
select is(array(select action || ' ' || right(entity_id::text, 1) || ' ' || coalesce(old_values ->> 'name', '-') || ' ' || (new_values ->> 'name') from pg_temp.noted where entity_id::text like '%000000077_' order by id),
  array['thing.created 7 - merged', 'thing.updated 7 merged seven', 'thing.created 8 - eight', 'thing.updated 8 eight nine', 'thing.created 9 - ten'], 'MERGE and ON CONFLICT: each row by what happened to it');
truncate analytics.things;
select is((select count(*) from pg_temp.noted where action = 'thing.truncated'), 1::bigint, 'a truncate too');
select isnt(analytics_private.write_audit(repeat('long', 100), repeat('long', 100), null, null), null, 'no record is refused for what it says');
select set_config('request.headers', '', true);
select pg_temp.act_as_superuser();

-- Reading --------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'ada');
select is((select jsonb_build_array(new_values ->> 'name', ip_address, user_agent) from analytics.activity_logs where action = 'thing.created' order by id limit 1), '["thing 1", "203.0.113.9", "Browser/1"]', 'an admin reads everything of his workspace');
select is((select count(*) from analytics.audit_logs where workspace_id is distinct from :'studio'), 0::bigint, 'and nothing of another or of the installation');
select throws_ok('select salt from analytics.audit_personal', '42501', null, 'but no salt');
select pg_temp.act_as(:'bob');
select is((select count(*) from analytics.activity_logs where workspace_id = :'studio' and coalesce(old_values::text, new_values::text, ip_address, user_agent) is not null), 0::bigint, 'an analyst reads no values, addresses and user agents');
select cmp_ok((select count(*) from analytics.activity_logs where workspace_id = :'studio'), '>', 100::bigint, 'but what was done');
select pg_temp.act_as(:'eve');
select is((select count(*) from analytics.activity_logs where workspace_id = :'studio'), 0::bigint, 'a stranger reads nothing');
select throws_ok(format('select analytics.verify_audit(%L)', w), 'PT404', null, 'and verifies nothing') from unnest(array[:'studio', null]::uuid[]) w;
select throws_ok(format('select analytics.audit_checkpoint(%L)', w), 'PT404', null, 'nor where it ends') from unnest(array[:'studio', null]::uuid[]) w;
select pg_temp.act_as(:'bob');
select throws_ok(format('select analytics.verify_audit(%L)', :'studio'), 'PT403', null, 'an analyst does not verify');
select pg_temp.act_as(:'ada');
select is(analytics.verify_audit(:'studio') ->> 'ok', 'true', 'an admin does');
select pg_temp.act_with('{"role": "service_role"}', 'service_role');
select is(analytics.verify_audit(null) ->> 'ok', 'true', 'an operator verifies the installation''s');
select pg_temp.act_as_superuser();

-- Sealing --------------------------------------------------------------------------------------------------------------

select is((select (v -> 'sealed')::bigint from analytics.verify_audit(:'studio') v), 0::bigint, 'before sealing nothing is sealed');
select cmp_ok(analytics_private.seal_audit(), '>', 250::bigint, 'what waits is sealed');
select is(analytics_private.seal_audit(), 0::bigint, 'once');
select is((select v - '{head,verified,sealed}'::text[] from analytics.verify_audit(:'studio') v), '{"ok": true, "unsealed": 0, "erased": 0, "pruned": 0, "segments": 1, "problem": null}'::jsonb, 'and verifies');
select analytics_private.write_audit('more.done', 'test', null, jsonb_build_object('n', n), :'studio') from generate_series(1, 3) n;
select is((select v -> 'unsealed' from analytics.verify_audit(:'studio') v), '3', 'what waits is counted');
select analytics.audit_checkpoint(:'studio') as first_checkpoint \gset
select pg_sleep(0.002), analytics_private.seal_audit() is not null;
select analytics_private.write_audit('more.done', 'test', null, jsonb_build_object('n', n), :'studio') from generate_series(4, 6) n;
select analytics_private.seal_audit() is not null;
select is((select v - '{head,verified,sealed}'::text[] from analytics.verify_audit(:'studio') v), '{"ok": true, "unsealed": 0, "erased": 0, "pruned": 0, "segments": 3, "problem": null}'::jsonb, 'segments follow each other');
select "timestamp" as middle from analytics.audit_logs where action = 'more.done' and metadata = '{"n": 5}' \gset
select is((select v - 'head' from analytics.verify_audit(:'studio', :'middle') v), '{"ok": true, "sealed": 2, "verified": 2, "unsealed": 0, "erased": 0, "pruned": 0, "segments": 3, "problem": null}'::jsonb, 'a later part can be verified by itself');
select is(analytics.verify_audit(:'studio', 'infinity') -> 'verified', '0', 'none after the last');
select is(analytics.verify_audit(:'studio', null, :'first_checkpoint') ->> 'ok', 'true', 'an earlier checkpoint is part of the chain');
select is(analytics.verify_audit(gen_random_uuid()) - 'head', '{"ok": true, "sealed": 0, "verified": 0, "unsealed": 0, "erased": 0, "pruned": 0, "segments": 0, "problem": null}'::jsonb, 'where nothing is recorded nothing is wrong');

-- The canonical form ---------------------------------------------------------------------------------------------------

create temp table documents (document jsonb, amount numeric, at timestamptz, ratio double precision);
create function pg_temp.digest(document jsonb, amount numeric default 1.5, at timestamptz default '2026-01-01 00:00:00+00', ratio double precision default 0.1) returns text language sql as $$
  select analytics_private.rows_root(d, '') -> 0 ->> 'root' from (select row(document, amount, at, ratio)::pg_temp.documents) r (d)
$$;
select is(pg_temp.digest('{"b": [1.50, -0.0, 100, 1e20], "aa": null, "a": {"x": "y"}}', 1.5), pg_temp.digest('{"a": {"x": "y"}, "aa": null, "b": [1.5, 0, 1e2, 100000000000000000000.000]}', 1.500),
  'the order of keys and the scale of numbers do not matter');
select isnt(pg_temp.digest(d), pg_temp.digest('{"a": [1, 10]}'), d::text || ' is something else')
from unnest(array['{"a": [10, 1]}', '{"a": [1, "10"]}', '{"a": [1, 100]}', '{"a": [1, 10.01]}', '{"a": [1, -10]}', '{"a": [1]}', '{"a": [[1, 10]]}', '{"b": [1, 10]}', '[1, 10]', '10', '"10"', 'null', '{}', '[]', 'true']::jsonb[]) d;
select is((select count(distinct pg_temp.digest(d)) from unnest(array['1', '10000', '0.0001', '1e-40', '0', '-1', '"1"', '[1]', '1e400', '123456789012345678901234567890', 'true', 'false', 'null', '[]', '{}', '""']::jsonb[]) d), 16::bigint, 'documents that differ have other digests');
select pg_temp.digest('{"a": 1.1}') as digest \gset
set local timezone = 'Pacific/Kiritimati'; set local datestyle = 'German'; set local extra_float_digits = -10; set local intervalstyle = 'sql_standard'; set local lc_numeric = 'C'; set local bytea_output = 'escape';
select is(pg_temp.digest('{"a": 1.1}'), :'digest', 'nor do the session''s settings');
select is((select v ->> 'ok' from analytics.verify_audit(:'studio') v), 'true', 'under which everything verifies');
select pg_temp.thing(900, :'studio');
select is((select new_values - '{id,name,updated_at}'::text[] from pg_temp.noted where new_values ->> 'name' = 'thing 900'),
  (select new_values - '{id,name,updated_at}'::text[] from pg_temp.noted where new_values ->> 'name' = 'thing 1' and workspace_id = :'studio' order by id limit 1), 'and what is recorded is printed alike');
reset timezone; reset datestyle; reset extra_float_digits; reset intervalstyle; reset bytea_output;
set local timezone = 'UTC';

-- Nothing is changed ---------------------------------------------------------------------------------------------------

select analytics_private.seal_audit() is not null;
create function pg_temp.try_as(role_name text, statement text) returns text language plpgsql as $$
declare
  outcome jsonb;
begin
  perform set_config('role', role_name, true);
  outcome := pg_temp.error_of(statement);
  perform set_config('role', 'none', true);
  return outcome ->> 'state';
end
$$;
create temp view guarded as
  select 'analytics.audit_logs'::regclass as t union select inhrelid::regclass from pg_catalog.pg_inherits where inhparent = 'analytics.audit_logs'::regclass
  union select unnest(array['analytics.audit_personal', 'analytics_private.audit_segments', 'analytics_private.audit_entries', 'analytics_private.audit_checkpoints', 'analytics_private.audit_removals', 'analytics_private.audit_pruned_months']::regclass[]);
select cmp_ok((select count(*) from guarded), '>=', 12::bigint, 'partitions are among what is guarded');
create temp view attempts as
  select t, format(statement, t, (select quote_ident(a.attname) from pg_catalog.pg_attribute a where a.attrelid = t and a.attnum = 1)) as statement
  from guarded, unnest(array['update %s set %2$s = %2$s', 'delete from %s', 'truncate %s', 'delete from only %s where false']) statement
  -- What refers to it would have to be truncated too.
  where not (t = 'analytics_private.audit_segments'::regclass and statement like 'truncate%');
select is_empty(format($$select statement, pg_temp.try_as(%L, statement) from attempts where pg_temp.try_as(%1$L, statement) is distinct from %L$$, r, state), r || ' changes, removes and truncates nothing, in no partition')
from (values ('none', 'PT403'), ('analytics_owner', 'PT403'), ('service_role', '42501'), ('authenticated', '42501'), ('anon', '42501'), ('analytics_sidecar', '42501')) v (r, state);
set local session_replication_role = replica;
select is_empty($$select statement from attempts where pg_temp.try_as('none', statement) is distinct from 'PT403'$$, 'nor as a replica');
set local session_replication_role = origin;
select is_empty($$
  select t from guarded where not exists (select from pg_catalog.pg_trigger g where g.tgrelid = t and g.tgenabled = 'A' and g.tgtype & 48 = 48 and g.tgtype & 1 = 0)
$$, 'every table and partition has its own triggers, which fire always');
select is_empty('select * from analytics_private.unguarded_audit_tables()', 'as verification finds too');
select analytics_private.ensure_partition('analytics.audit_logs', '2031-05-05') as made \gset
select is_empty('select * from analytics_private.unguarded_audit_tables()', 'a new partition is guarded at once');
select is(pg_temp.try_as('none', format('truncate %s', :'made')), 'PT403', 'against truncating too');

-- A month without a partition
insert into analytics.audit_logs (actor_login, action, entity_type, "timestamp") values ('x', 'x', 'x', '2035-05-05');
select is((select tableoid::regclass::text from analytics.audit_logs where "timestamp" = '2035-05-05'), 'analytics_private.audit_logs_default', 'no record is refused for want of a partition');
select is(analytics_private.ensure_partition('analytics.audit_logs', '2035-05-06')::text, 'analytics_private.audit_logs_default', 'whose month stays where it is');
select lives_ok('select analytics_private.ensure_partitions()', 'and hinders no other');
select is(analytics.verify_audit(null) -> 'problem' ->> 'kind', 'inserted', 'a record that no function wrote is found');

-- What a superuser does is found -----------------------------------------------------------------------------------------

-- Two workspaces with sealed records, in two segments each.
select pg_temp.thing(n, case when n % 2 = 0 then :'studio'::uuid else :'other' end) from generate_series(1001, 1040) n;
select analytics_private.seal_audit() is not null;
select pg_temp.thing(n, case when n % 2 = 0 then :'studio'::uuid else :'other' end) from generate_series(1041, 1080) n;
select analytics_private.seal_audit() is not null;
select analytics.audit_checkpoint(:'studio') as checkpoint \gset
select id as victim, "timestamp" as victim_time from analytics.audit_logs where workspace_id = :'studio' and action = 'thing.created' order by id desc offset 5 limit 1 \gset
select is(analytics.verify_audit(w) ->> 'ok', 'true', 'before the attack all is well') from unnest(array[:'studio', :'other']::uuid[]) w;

-- Runs the attack with every trigger disabled, returns what verification says of the problem, and undoes it.
create function pg_temp.after(attack text, workspace uuid, checkpoint text default null) returns jsonb language plpgsql as $$
declare
  said jsonb;
  t regclass;
begin
  begin
    set local session_replication_role = replica;
    for t in select g.t from guarded g loop
      execute format('alter table %s disable trigger user', t);
    end loop;
    execute attack;
    for t in select g.t from guarded g where to_regclass(g.t::text) is not null loop
      execute format('alter table %s enable always trigger audit_only_grows', t);
    end loop;
    alter table analytics.audit_personal enable always trigger audit_removed_on_record;
    alter table analytics_private.audit_entries enable always trigger audit_removed_on_record;
    said := analytics.verify_audit(workspace, null, checkpoint);
    raise sqlstate 'UNDO1';
  exception when sqlstate 'UNDO1' then
    return coalesce(nullif(said -> 'problem', 'null'), said);
  end;
end
$$;
create function pg_temp.found(attack text, kind text, what text, workspace uuid, record uuid default null, checkpoint text default null) returns text language plpgsql as $$
declare
  said constant jsonb := pg_temp.after(attack, workspace, checkpoint);
begin
  return is(jsonb_build_array(said -> 'kind', case when record is not null then said -> 'record' end), jsonb_build_array(kind, record), what || ': ' || coalesce(said ->> 'text', said::text));
end
$$;
select pg_temp.found(format('update analytics.audit_logs set %s where id = %L', change, :'victim'), 'edited', 'an edit, ' || change, :'studio', :'victim')
from unnest(array['action = ''x''', 'actor_id = gen_random_uuid()', 'actor_login = ''x''', 'entity_type = ''x''', 'entity_id = null', 'request_id = ''x''', 'metadata = ''{"a": 1}''', 'personal_digest = null']) change;
select pg_temp.found(format('update analytics.audit_logs set id = %L where id = %L', id, :'victim'), kind, 'another id', :'studio')
from (values ('00000000-0000-0000-0000-000000000000', 'inserted'), ('ffffffff-ffff-ffff-ffff-ffffffffffff', 'missing')) v (id, kind);
select pg_temp.found(format('update analytics.audit_logs set "timestamp" = "timestamp" + interval ''1 microsecond'' where id = %L', :'victim'), 'missing', 'another time', :'studio', :'victim');
select pg_temp.found(format('update analytics.audit_logs set "timestamp" = "timestamp" + interval ''1 month'' where id = %L', :'victim'), 'missing', 'another month', :'studio', :'victim');
select pg_temp.found(format('delete from analytics.audit_logs where id = %L', :'victim'), 'missing', 'a delete', :'studio', :'victim');
select pg_temp.found(format('insert into analytics.audit_logs (workspace_id, actor_login, action, entity_type, "timestamp") values (%L, ''x'', ''x'', ''x'', %L)', :'studio', t), 'inserted', 'an insert at ' || t, :'studio')
from unnest(array['2001-01-01', '2026-01-01', now()::text, '2090-01-01']) t;
select pg_temp.found('truncate analytics.audit_logs', 'missing', 'a truncate', :'studio');
select pg_temp.found(format('update analytics.audit_logs l set workspace_id = case l.workspace_id when %1$L then %2$L else %1$L end::uuid where id in (%3$L, (select id from analytics.audit_logs where workspace_id = %2$L limit 1))', :'studio', :'other', :'victim'),
  'missing', 'a swap of two tenants'' records', :'studio', case when false then :'victim'::uuid end) where pg_temp.after(format('update analytics.audit_logs l set workspace_id = case l.workspace_id when %1$L then %2$L else %1$L end::uuid where id in (%3$L, (select id from analytics.audit_logs where workspace_id = %2$L limit 1))', :'studio', :'other', :'victim'), :'studio') ->> 'kind' = 'missing';
select ok(pg_temp.after(format('update analytics.audit_logs l set workspace_id = case l.workspace_id when %1$L then %2$L else %1$L end::uuid where id in (%3$L, (select id from analytics.audit_logs where workspace_id = %2$L limit 1))', :'studio', :'other', :'victim'), w) ? 'kind', 'the swap is found in both')
from unnest(array[:'studio', :'other']::uuid[]) w;
select pg_temp.found(format('update analytics.audit_personal set %s where record_id = %L', change, :'victim'), 'personal_edited', 'an edited value, ' || change, :'studio', :'victim')
from unnest(array['new_values = ''{}''', 'new_values = jsonb_set(new_values, ''{name}'', ''"x"'')', 'old_values = ''{}''', 'new_values = null', 'ip_address = ''::1''', 'user_agent = ''x''', 'salt = ''\x00''']) change;
select pg_temp.found(format('insert into analytics.audit_personal (record_id, workspace_id, "timestamp", salt) select id, workspace_id, "timestamp", ''\x00'' from analytics.audit_logs where workspace_id = %L and personal_digest is null limit 1', :'studio'), 'personal_edited', 'a value where there was none', :'studio');
-- The chain itself
select pg_temp.found(format('%s', replace(attack, '@', quote_literal(:'studio'))), 'segment', attack, :'studio') from unnest(array[
  'update analytics_private.audit_segments set root = root || ''\x00'' where chain = @ and number = 2', 'update analytics_private.audit_segments set record_count = record_count + 1 where chain = @ and number = 2',
  'update analytics_private.audit_segments set sealed_at = sealed_at + interval ''1 second'' where chain = @ and number = 1', 'delete from analytics_private.audit_segments where chain = @ and number = 2',
  'delete from analytics_private.audit_segments where chain = @ and number = 1', 'delete from analytics_private.audit_entries where chain = @ and number = 2',
  'update analytics_private.audit_segments set number = case number when 2 then 1003 else number + 0 end where chain = @', 'update analytics_private.audit_segments set previous_head = null where chain = @ and number = 3',
  'update analytics_private.audit_entries set entries = substr(entries, 57) where chain = @ and number = 2', 'update analytics_private.audit_entries set entries = overlay(entries placing ''\x00''::bytea from 30) where chain = @ and number = 3',
  'update analytics_private.audit_segments s set (root, record_count, head) = (select o.root, o.record_count, o.head from analytics_private.audit_segments o where o.chain = s.chain and o.number = 5 - s.number) where chain = @ and number in (2, 3)']) attack;
-- Cut off with all that belongs to it: only a checkpoint from elsewhere knows.
select format($$delete from analytics_private.audit_entries where chain = %1$L and number = (select max(number) from analytics_private.audit_segments where chain = %1$L);
  delete from analytics.audit_logs l using analytics_private.audit_segments s where s.chain = %1$L and s.number = (select max(number) from analytics_private.audit_segments where chain = %1$L) and l.workspace_id = %1$L and l."timestamp" between s.first_at and s.last_at;
  delete from analytics.audit_personal p where p.workspace_id = %1$L and not exists (select from analytics.audit_logs l where l.id = p.record_id);
  delete from analytics_private.audit_segments where chain = %1$L and number = (select max(number) from analytics_private.audit_segments where chain = %1$L);
  update analytics_private.audit_heads h set number = s.number, total = s.total, head = s.head from (select * from analytics_private.audit_segments where chain = %1$L order by number desc limit 1) s where h.chain = %1$L$$, :'studio') as cut \gset
select is(pg_temp.after(:'cut', :'studio') ->> 'ok', 'true', 'a cut tail is not seen from within');
select pg_temp.found(:'cut', 'checkpoint', 'but with a checkpoint', :'studio', null, :'checkpoint');
select pg_temp.found(:'cut' || format('; select analytics_private.write_audit(''new.done'', ''test'', null, ''{}'', %L); select analytics_private.seal_audit()', :'studio'), 'checkpoint', 'also when the chain grew again, as after an old backup', :'studio', null, :'checkpoint');
select is(analytics.verify_audit(:'studio', null, replace(:'checkpoint', 'records ', 'records 1')) -> 'problem' ->> 'kind', 'checkpoint', 'a checkpoint that was altered does not fit');
select is(analytics.verify_audit(:'other', null, :'checkpoint') -> 'problem' ->> 'text', 'the checkpoint is of another workspace', 'nor one of another workspace');
select is(analytics.verify_audit(:'studio', null, c, s, k) -> 'problem' ->> 'kind', 'checkpoint', 'nonsense is no checkpoint')
from (values ('', null, null), ('x', null, null), (null, 'x', 'x'), (:'checkpoint', 'x', 'y'), (:'checkpoint', repeat('00', 64), repeat('00', 32)), (:'checkpoint', repeat('00', 64), null)) v (c, s, k);
-- The guards
alter table analytics_private.audit_logs_default disable trigger audit_only_grows;
select is(analytics.verify_audit(:'studio') -> 'problem' -> 'tables', '["analytics_private.audit_logs_default"]', 'a disabled trigger is told');
alter table analytics_private.audit_logs_default enable trigger audit_only_grows;
select is(analytics.verify_audit(:'studio') ->> 'ok', 'true', 'one that fires in ordinary sessions, as after a restore of rows alone, is taken for a guard');
alter table analytics_private.audit_logs_default enable always trigger audit_only_grows;
select is(analytics.verify_audit(:'studio') ->> 'ok', 'true', 'after all that the audit is as it was');
-- Before sealing
select analytics_private.write_audit('late.done', 'test', null, '{}', :'studio') as late \gset
select pg_temp.found(format('update analytics.audit_logs set action = ''x'' where id = %L', :'late'), 'edited', 'an edit before sealing', :'studio', :'late');
select pg_temp.found(format('delete from analytics.audit_logs where id = %L', :'late'), 'missing', 'a delete before sealing', :'studio', :'late');
select pg_temp.found(format('delete from analytics_private.audit_pending where record_id = %L', :'late'), 'inserted', 'a record kept from being sealed', :'studio', :'late');

-- Checkpoints ----------------------------------------------------------------------------------------------------------

select is((select count(*) from analytics_private.due_audit_checkpoints(100)), (select count(*) from analytics_private.audit_heads), 'every chain is due');
select is((select count(*) from analytics_private.due_audit_checkpoints(1)), 1::bigint, 'so many at a time');
select throws_ok(format('select analytics_private.note_audit_checkpoint(%L, %L, %L)', :'checkpoint', s, k), 'PT400', null, 'an unsigned checkpoint is not noted')
from (values (repeat('00', 64), repeat('00', 32)), ('', ''), (null, null)) v (s, k);

-- A document that can be written can be read, however little of the stack is left then.
select throws_matching(format($$select analytics_private.write_audit('deep', 'test', null, (repeat('[', %1$s) || repeat(']', %1$s))::jsonb, %2$L)$$, 257, :'studio'), 'nested too deep', 'a document of 257 levels is refused');
select lives_ok(format($$select analytics_private.write_audit('deep', 'test', null, (repeat('[', %1$s) || repeat(']', %1$s))::jsonb, %2$L)$$, 256, :'studio'), 'one of 256 is not');
select is(analytics.verify_audit(:'studio') ->> 'ok', 'true', 'and verifies');

-- Erasure --------------------------------------------------------------------------------------------------------------

select count(*) as had from analytics.audit_personal p join analytics.audit_logs l on l.id = p.record_id
where l.actor_id = :'ada' or l.entity_type in ('user', 'user_profile') and l.entity_id = :'ada' or l.entity_type = 'workspace' and 'Ada' in (p.old_values ->> 'name', p.new_values ->> 'name') \gset
select cmp_ok(:had, '>', 0, 'there is something to erase');
select throws_ok(format('delete from analytics.audit_personal where record_id = %L', :'victim'), 'PT403', null, 'nobody deletes it by hand');
select is(analytics_private.erase_audit_personal(:'ada', 'case 1'), :had::bigint, 'what a user did is erased');
select is((select count(*) from analytics.audit_personal p join analytics.audit_logs l on l.id = p.record_id where l.actor_id = :'ada'), 0::bigint, 'values and salt');
select is((select v - '{head,verified,sealed,segments}'::text[] from analytics.verify_audit(:'studio') v) || jsonb_build_object('erased', (analytics.verify_audit(:'studio') ->> 'erased')::integer > 0), '{"ok": true, "unsealed": 2, "erased": true, "pruned": 0, "problem": null}', 'after which the audit verifies and says so');
select is((select metadata from analytics.audit_logs where action = 'audit.erased' and entity_id = :'ada'), jsonb_build_object('reason', 'case 1', 'records', :had), 'the erasure is recorded');
select analytics_private.write_audit('invite.sent', 'invite', null, '{}', :'other', null, '{"email": "Eve.Q@example.com"}'), analytics_private.write_audit('invite.sent', 'invite', null, '{}', :'other', null, '{"email": "not-eve.q@example.com"}') \g /dev/null
select analytics_private.erase_audit_personal(:'eve', 'case 1') \g /dev/null
select is(analytics_private.erase_audit_personal(:'eve', 'case 2', 'eve.q@example.com'), 1::bigint, 'what others wrote with his address too');
select throws_ok(format('select analytics_private.erase_audit_personal(%L, %L)', :'ada', r), 'PT400', null, 'without a reason nothing is erased') from unnest(array[null, ' ', repeat('x', 501)]) r;

-- Retention ------------------------------------------------------------------------------------------------------------

-- As if these were a year old.
select analytics_private.ensure_partition('analytics.audit_logs', '2025-01-15') \g /dev/null
set local session_replication_role = replica;
create function pg_temp.write_old(n integer) returns void language sql as $$
  insert into analytics.audit_logs (id, workspace_id, actor_login, action, entity_type, "timestamp") values (gen_random_uuid(), null, 'x', 'old', 'test', '2025-01-15'::timestamptz + make_interval(secs => n))
$$;
set local session_replication_role = origin;
select pg_temp.write_old(n) from generate_series(1, 10) n;
select is((select count(*) from analytics_private.audit_logs_2025_01), 10::bigint, 'old records are in their month');
select throws_ok(format('select analytics_private.prune_audit(%L)', t), 'PT400', null, 'no future is pruned') from unnest(array[now() + interval '1 day', 'infinity', null]) t;
select is(analytics_private.prune_audit('2025-02-01') - 'x', '{"months": 1, "records": 10, "months_kept": 0}', 'a month that is over is pruned');
select is(to_regclass('analytics_private.audit_logs_2025_01'), null, 'with its partition');
select is((select metadata -> 'months' from analytics.audit_logs where action = 'audit.pruned'), '1', 'which is recorded');
select is(analytics.verify_audit(:'studio') ->> 'ok', 'true', 'and the rest verifies');
select is(analytics_private.prune_audit(now()) -> 'months_kept' is not null, true, 'the running month stays');
select is(analytics.verify_audit(:'studio') ->> 'ok', 'true', 'whatever was asked for');

-- A pruned month of a chain, as prune_audit() leaves it, and what its anchors still find.
select pg_temp.after($$insert into analytics_private.audit_pruned_months (month) select distinct month from analytics_private.audit_segments on conflict do nothing;
  truncate analytics.audit_logs, analytics.audit_personal; delete from analytics_private.audit_entries; delete from analytics_private.audit_pending$$, :'other') as pruned \gset
select is(:'pruned'::jsonb - 'head', jsonb_build_object('ok', true, 'sealed', 0, 'verified', 0, 'unsealed', 0, 'erased', 0, 'problem', null, 'segments', s.n, 'pruned', s.n), 'the segments of pruned records still verify')
from (select count(*) as n from analytics_private.audit_segments where chain = :'other') s;
select pg_temp.found(format($$insert into analytics_private.audit_pruned_months (month) select distinct month from analytics_private.audit_segments on conflict do nothing;
  truncate analytics.audit_logs, analytics.audit_personal; delete from analytics_private.audit_entries; delete from analytics_private.audit_pending;
  delete from analytics_private.audit_segments where chain = %L and number = 2$$, :'other'), 'segment', 'a segment that is gone', :'other');

select * from finish();
rollback;
