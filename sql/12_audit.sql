-- Audit: who did what and what changed. Records are only ever added, sealed into a chain per workspace within a second,
-- and verified against it. What they say about persons is kept apart and can be erased; the chain covers its salted digest.

-- ---------------------------------------------------------------------------------------------------------------------
-- Nothing here is changed or removed

create or replace function analytics_private.refuse_audit_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.raise_error('FORBIDDEN', 'audit records cannot be changed or removed');
  return null;
end
$$;

create or replace function analytics_private.refuse_audit_removal() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Only in a transaction that has written down that it removes, and why.
  if not exists (select from analytics_private.audit_removals r where r.transaction = pg_current_xact_id()::text and r.removed_at = transaction_timestamp()) then
    perform analytics_private.raise_error('FORBIDDEN', 'audit records cannot be changed or removed',
      'analytics_private.erase_audit_personal() and prune_audit() remove what may be removed, and record it');
  end if;
  return null;
end
$$;

-- For each table by itself: PostgreSQL fires a statement's triggers on the table that the statement names, which may be a
-- partition. ALWAYS: also while session_replication_role is replica.
create or replace function analytics_private.guard_audit_table(guarded regclass, may_be_removed boolean default false) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('create or replace trigger audit_only_grows before update or truncate%s on %s for each statement execute function analytics_private.refuse_audit_change()',
    case when may_be_removed then '' else ' or delete' end, guarded);
  execute format('alter table %s enable always trigger audit_only_grows', guarded);
  if may_be_removed then
    execute format('create or replace trigger audit_removed_on_record before delete on %s for each statement execute function analytics_private.refuse_audit_removal()', guarded);
    execute format('alter table %s enable always trigger audit_removed_on_record', guarded);
  end if;
end
$$;
comment on function analytics_private.guard_audit_table(regclass, boolean) is 'makes a table refuse UPDATE and TRUNCATE, and DELETE outside of a recorded removal or altogether';

-- ---------------------------------------------------------------------------------------------------------------------
-- Records

-- No foreign keys: users and workspaces are never deleted, only marked, and a record must not be refused. Workspace,
-- time and id are the key that verification reads along; null is the installation itself.
create table if not exists analytics.audit_logs (
  id uuid not null,
  workspace_id uuid,
  actor_id uuid,
  actor_login text not null,
  action varchar(64) not null,
  entity_type varchar(64) not null,
  entity_id uuid,
  "timestamp" timestamptz not null default clock_timestamp(),
  request_id text,
  metadata jsonb not null default '{}',
  personal_digest bytea,
  constraint audit_logs_once unique (workspace_id, "timestamp", id)
) partition by range ("timestamp");
alter table analytics.audit_logs alter column id set default analytics.uuidv7();
create index if not exists audit_logs_actor_time on analytics.audit_logs (actor_id, "timestamp");
create index if not exists audit_logs_entity on analytics.audit_logs (entity_id);
alter table analytics.audit_logs enable row level security;
comment on table analytics.audit_logs is 'what was done by whom; rows are only ever added, partitioned by month of timestamp';
comment on column analytics.audit_logs.workspace_id is 'null: a record of the installation, for its operators';
comment on column analytics.audit_logs.actor_login is 'database login that did it: tells an operator without a user apart';
comment on column analytics.audit_logs.metadata is 'never holds a person''s name, a secret or a payload';
comment on column analytics.audit_logs.personal_digest is 'salted SHA-256 of the record''s row in audit_personal, which may be erased; null when there never was one';
select analytics_private.guard_audit_table('analytics.audit_logs');

-- Catches records of a month without a partition, and keeps them.
create table if not exists analytics_private.audit_logs_default partition of analytics.audit_logs default;
alter table analytics_private.audit_logs_default enable row level security;
select analytics_private.ensure_partitions();
select analytics_private.guard_audit_table(i.inhrelid::regclass) from pg_catalog.pg_inherits i where i.inhparent = 'analytics.audit_logs'::regclass;

create table if not exists analytics.audit_personal (
  record_id uuid not null,
  workspace_id uuid,
  "timestamp" timestamptz not null,
  salt bytea not null,
  old_values jsonb,
  new_values jsonb,
  ip_address inet,
  user_agent text,
  constraint audit_personal_once unique (workspace_id, "timestamp", record_id)
);
alter table analytics.audit_personal enable row level security;
comment on table analytics.audit_personal is 'what a record says about persons: values, address, user agent; erased on request, after which the record still verifies';
comment on column analytics.audit_personal.salt is 'random; goes with the values, so that nobody can try out what the digest stood for';
select analytics_private.guard_audit_table('analytics.audit_personal', may_be_removed => true);

-- Not sealed yet. No index: written once, taken by the sealer, and gone.
create table if not exists analytics_private.audit_pending (
  chain uuid not null,
  "timestamp" timestamptz not null,
  record_id uuid not null,
  digest bytea not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
alter table analytics_private.audit_pending enable row level security;
comment on column analytics_private.audit_pending.chain is 'the workspace, or zeros for the installation';

-- ---------------------------------------------------------------------------------------------------------------------
-- The chains

create table if not exists analytics_private.audit_segments (
  chain uuid not null,
  number bigint not null,
  month timestamptz not null,
  record_count bigint not null,
  total bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  sealed_at timestamptz not null,
  root bytea not null,
  previous_head bytea,
  head bytea not null,
  constraint audit_segments_pkey primary key (chain, number)
);
alter table analytics_private.audit_segments enable row level security;
comment on table analytics_private.audit_segments is 'the chain of a workspace: each head covers the segment''s Merkle root and the head before it; kept when records are pruned';
select analytics_private.guard_audit_table('analytics_private.audit_segments');

create table if not exists analytics_private.audit_entries (
  chain uuid not null,
  number bigint not null,
  entries bytea not null,
  constraint audit_entries_pkey primary key (chain, number),
  constraint audit_entries_segment_fkey foreign key (chain, number) references analytics_private.audit_segments (chain, number)
);
alter table analytics_private.audit_entries alter column entries set storage external;
alter table analytics_private.audit_entries enable row level security;
comment on column analytics_private.audit_entries.entries is 'of each record, in order: 8 bytes time, 16 id, 32 digest';
select analytics_private.guard_audit_table('analytics_private.audit_entries', may_be_removed => true);

-- Where each chain ends: derived from its segments, so that sealing and checkpoints need not look for it.
create table if not exists analytics_private.audit_heads (
  chain uuid constraint audit_heads_pkey primary key,
  number bigint not null,
  total bigint not null,
  head bytea not null,
  sealed_at timestamptz not null,
  checkpoint_number bigint not null default 0,
  checkpoint_at timestamptz
);
alter table analytics_private.audit_heads enable row level security;

create table if not exists analytics_private.audit_checkpoints (
  chain uuid not null,
  number bigint not null,
  noted_at timestamptz not null default now(),
  checkpoint text not null,
  signature text not null,
  public_key text not null,
  constraint audit_checkpoints_pkey primary key (chain, number, noted_at)
);
alter table analytics_private.audit_checkpoints enable row level security;
comment on table analytics_private.audit_checkpoints is 'signed heads; a copy elsewhere is what finds a cut tail';
select analytics_private.guard_audit_table('analytics_private.audit_checkpoints');

create table if not exists analytics_private.audit_removals (
  removed_at timestamptz not null,
  transaction text not null,
  kind text not null,
  reason text not null,
  constraint audit_removals_pkey primary key (removed_at, transaction),
  constraint audit_removals_kind_known check (kind in ('erasure', 'retention'))
);
alter table analytics_private.audit_removals enable row level security;
comment on table analytics_private.audit_removals is 'erasures and prunings; without a row of its own transaction nothing is removed';
select analytics_private.guard_audit_table('analytics_private.audit_removals');

create table if not exists analytics_private.audit_pruned_months (
  month timestamptz constraint audit_pruned_months_pkey primary key,
  pruned_at timestamptz not null default now()
);
alter table analytics_private.audit_pruned_months enable row level security;
select analytics_private.guard_audit_table('analytics_private.audit_pruned_months');

create or replace function analytics_private.audit_chain(workspace_id uuid) returns uuid
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$ select coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'::pg_catalog.uuid) $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Writing

create or replace function analytics_private.write_audit(
  action text, entity_type text, entity_id uuid default null, metadata jsonb default '{}', workspace_id uuid default null,
  old_values jsonb default null, new_values jsonb default null
) returns uuid language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Cut rather than refused: what happened must be on record.
  return analytics_private.add_audit_record(left(action, 64), left(entity_type, 64), entity_id, coalesce(metadata, '{}'), workspace_id, old_values, new_values);
end
$$;
comment on function analytics_private.write_audit(text, text, uuid, jsonb, uuid, jsonb, jsonb) is
  'adds an audit record and returns its id; only called by functions of this schema. Old and new values may be personal, metadata may not';

create or replace function analytics_private.audit_changes(
  target regclass, entity_type text, id_column name default 'id', workspace_column name default 'workspace_id', masked name[] default '{}'
) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  of_workspace constant text := coalesce(workspace_column, '');
  hidden constant text := array_to_string(masked, ',');
begin
  -- Names go to the trigger in a list with commas, and to records as entity_type.truncated. Of a partitioned table PostgreSQL
  -- does not show all that MERGE moves, and not always in pairs.
  if exists (select from unnest(masked) m where m like '%,%') or length(entity_type) > 54 or exists (select from pg_catalog.pg_class c where c.oid = target and c.relkind = 'p') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'an audited table is not partitioned, its entity_type has at most 54 characters, and no masked column a comma in its name');
  end if;
  execute format('create or replace trigger audit_insert after insert on %s referencing new table as audit_new for each statement execute function analytics_private.note_changes(%L, %L, %L, %L)',
    target, entity_type, id_column, of_workspace, hidden);
  execute format('create or replace trigger audit_update after update on %s referencing old table as audit_old new table as audit_new for each statement execute function analytics_private.note_changes(%L, %L, %L, %L)',
    target, entity_type, id_column, of_workspace, hidden);
  execute format('create or replace trigger audit_delete after delete on %s referencing old table as audit_old for each statement execute function analytics_private.note_changes(%L, %L, %L, %L)',
    target, entity_type, id_column, of_workspace, hidden);
  execute format('create or replace trigger audit_truncate after truncate on %s for each statement execute function analytics_private.note_changes(%L, %L, %L, %L)',
    target, entity_type, id_column, of_workspace, hidden);
end
$$;
comment on function analytics_private.audit_changes(regclass, text, name, name, name[]) is
  'from now on changes of a table are audited as entity_type.created, .updated and .deleted: who, when, and old and new values of what changed, masked columns as ***; workspace_column null for tables of the installation. For a table of your own again after "drop extension … cascade", with which the triggers go. Errors: VALIDATION_ERROR';

-- ---------------------------------------------------------------------------------------------------------------------
-- Sealing

-- Definer: the sidecar has no right on any table.
create or replace function analytics_private.seal_audit() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  sealing_at constant timestamptz := clock_timestamp();
  sealed bigint := 0;
  part record;
  last_head analytics_private.audit_heads;
  new_root bytea;
  new_head bytea;
begin
  -- One sealer at a time, so a chain cannot fork: a second waits and then sees what the first sealed.
  perform analytics_private.take_lock('audit');
  for part in
    with taken as (
      delete from analytics_private.audit_pending p where p.ctid = any (array(select o.ctid from analytics_private.audit_pending o limit 20000))
      returning p.chain, p."timestamp" as at, p.record_id, p.digest
    )
    select t.chain, date_trunc('month', t.at at time zone 'UTC') at time zone 'UTC' as month, count(*) as records, min(t.at) as first_at, max(t.at) as last_at,
      string_agg(timestamptz_send(t.at) || uuid_send(t.record_id) || t.digest, ''::bytea order by t.at, t.record_id) as entries
    from taken t group by 1, 2 order by 1, 2
  loop
    select * into last_head from analytics_private.audit_heads h where h.chain = part.chain;
    new_root := analytics_private.entries_root(part.entries);
    new_head := analytics_private.segment_head(part.chain, coalesce(last_head.number, 0) + 1, part.month, part.records, coalesce(last_head.total, 0) + part.records,
      part.first_at, part.last_at, sealing_at, new_root, last_head.head);
    insert into analytics_private.audit_segments (chain, number, month, record_count, total, first_at, last_at, sealed_at, root, previous_head, head)
    values (part.chain, coalesce(last_head.number, 0) + 1, part.month, part.records, coalesce(last_head.total, 0) + part.records,
      part.first_at, part.last_at, sealing_at, new_root, last_head.head, new_head);
    insert into analytics_private.audit_entries (chain, number, entries) values (part.chain, coalesce(last_head.number, 0) + 1, part.entries);
    insert into analytics_private.audit_heads as h (chain, number, total, head, sealed_at)
    values (part.chain, coalesce(last_head.number, 0) + 1, coalesce(last_head.total, 0) + part.records, new_head, sealing_at)
    on conflict (chain) do update set number = excluded.number, total = excluded.total, head = excluded.head, sealed_at = excluded.sealed_at;
    sealed := sealed + part.records;
  end loop;
  return sealed;
end
$$;
comment on function analytics_private.seal_audit() is
  'seals up to 20 000 waiting records into the chains of their workspaces, a segment for each month; returns how many. Called by the sidecar every second and safe at any time: call again while it returns 20 000';

-- ---------------------------------------------------------------------------------------------------------------------
-- Checkpoints

create or replace function analytics_private.due_audit_checkpoints(max_count integer) returns setof text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select analytics_private.checkpoint_text(h.chain, h.number, h.total, h.head, h.sealed_at)
  from analytics_private.audit_heads h
  where h.number > h.checkpoint_number and (h.checkpoint_at is null or h.checkpoint_at < now() - analytics_private.setting_interval('audit_checkpoint_interval'))
  order by h.checkpoint_at nulls first, h.chain limit least(greatest(max_count, 0), 10000)
$$;
comment on function analytics_private.due_audit_checkpoints(integer) is
  'the checkpoints of chains that grew since their last one, which is older than the setting audit_checkpoint_interval; to be signed as they are, with the last line feed, and noted';

create or replace function analytics_private.note_audit_checkpoint(checkpoint text, signature text, public_key text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  said record;
begin
  select * into said from analytics_private.read_checkpoint(coalesce(checkpoint, ''), coalesce(signature, ''), coalesce(public_key, ''));
  if said.problem is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', said.problem);
  end if;
  if not exists (select from analytics_private.audit_segments s where s.chain = said.chain and s.number = said.segment and s.head = said.head and s.total = said.records) then
    perform analytics_private.raise_error('CONFLICT', 'the chain has no such segment with this head', 'sign what due_audit_checkpoints() returns');
  end if;
  insert into analytics_private.audit_checkpoints (chain, number, checkpoint, signature, public_key)
  values (said.chain, said.segment, note_audit_checkpoint.checkpoint, note_audit_checkpoint.signature, note_audit_checkpoint.public_key)
  on conflict do nothing;
  update analytics_private.audit_heads h set checkpoint_number = said.segment, checkpoint_at = now()
  where h.chain = said.chain and h.checkpoint_number <= said.segment;
end
$$;
comment on function analytics_private.note_audit_checkpoint(text, text, text) is
  'keeps a signed checkpoint; signature and public key are Ed25519 in hex or base64, and the signature must be good. Errors: VALIDATION_ERROR, CONFLICT';

create or replace function analytics_private.list_audit_checkpoints(workspace_id uuid default null, max_count integer default 100)
returns table (checkpoint text, signature text, public_key text, noted_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.checkpoint, c.signature, c.public_key, c.noted_at from analytics_private.audit_checkpoints c
  where c.chain = analytics_private.audit_chain(list_audit_checkpoints.workspace_id)
  order by c.number desc, c.noted_at desc limit least(greatest(max_count, 0), 10000)
$$;
comment on function analytics_private.list_audit_checkpoints(uuid, integer) is 'the signed checkpoints of a workspace, or of the installation for null, newest first (operators)';

-- ---------------------------------------------------------------------------------------------------------------------
-- Verifying

create or replace function analytics_private.unguarded_audit_tables() returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.oid::regclass from pg_catalog.pg_class c
  where (c.oid = any (array['analytics.audit_logs', 'analytics.audit_personal', 'analytics_private.audit_segments', 'analytics_private.audit_entries', 'analytics_private.audit_checkpoints',
          'analytics_private.audit_removals', 'analytics_private.audit_pruned_months']::regclass[])
      or c.oid in (select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = 'analytics.audit_logs'::regclass))
    -- Bits of tgtype: 2 before, 8 delete, 16 update, 32 truncate. O, which a replica's session passes by, is what a restore of rows
    -- alone leaves behind (pg_restore --disable-triggers) until install() is called.
    and coalesce((select bit_or(t.tgtype & 56) from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
      where t.tgrelid = c.oid and t.tgenabled in ('A', 'O') and t.tgtype & 2 = 2 and t.tgqual is null and t.tgattr = ''::int2vector
        and p.pronamespace = 'analytics_private'::regnamespace and p.proname in ('refuse_audit_change', 'refuse_audit_removal')), 0) <> 56
$$;
comment on function analytics_private.unguarded_audit_tables() is 'tables and partitions of the audit whose triggers against changes are missing or disabled';

-- Plans of the statements below read along the keys, in order: records and entries are merged, never sorted or looked up.
create or replace function analytics_private.check_audit(workspace_id uuid, from_time timestamptz, proof text[]) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
  set enable_sort = off set enable_hashjoin = off set enable_nestloop = off set enable_seqscan = off set enable_bitmapscan = off set max_parallel_workers_per_gather = 0 set jit = off as $$
declare
  key constant uuid := analytics_private.audit_chain(workspace_id);
  since constant timestamptz := coalesce(from_time, '-infinity');
  of_chain constant text := case when workspace_id is null then '%s.workspace_id is null' else '%s.workspace_id = ' || quote_literal(workspace_id) || '::uuid' end;
  said record;
  signed bigint;
  covered bigint;
  parts timestamptz[];
  checked jsonb;
  sealed bigint := 0;
  unsealed bigint := 0;
  erased bigint := 0;
  problem jsonb;
  head analytics_private.audit_heads;
begin
  select * into head from analytics_private.audit_heads h where h.chain = key;

  -- 1. The checkpoint: is the state that was signed still part of the chain?
  if proof is not null then
    select * into said from analytics_private.read_checkpoint(coalesce(proof[1], ''), proof[2], proof[3]);
    if said.problem is not null then
      problem := jsonb_build_object('kind', 'checkpoint', 'text', said.problem);
    elsif said.chain <> key then
      problem := jsonb_build_object('kind', 'checkpoint', 'text', 'the checkpoint is of another workspace');
    elsif not exists (select from analytics_private.audit_segments s where s.chain = said.chain and s.number = said.segment and s.head = said.head and s.total = said.records) then
      problem := jsonb_build_object('kind', 'checkpoint', 'segment', said.segment,
        'text', 'the chain does not hold what the checkpoint states: records were cut off, or an older state was put back');
    else
      signed := said.segment;
    end if;
  end if;

  -- 2. The chain of heads, from the first segment that matters; all of it when the whole is verified or a checkpoint lies before.
  if problem is null then
    select s.number into covered from analytics_private.audit_segments s where s.chain = key and s.last_at >= since order by s.number limit 1;
    covered := least(covered, signed);
    select jsonb_build_object('kind', 'segment', 'segment', s.number, 'text', s.fault) into problem
    from (
      select s.number, case
          when s.number <> lag(s.number, 1, case when since = '-infinity' then 1 else covered end - 1) over earlier + 1 then 'the segment before this one is missing'
          when s.previous_head is distinct from lag(s.head, 1, case when s.number > 1 then s.previous_head end) over earlier then 'the segment does not follow the one before it'
          when s.total <> lag(s.total, 1, case when s.number > 1 then s.total - s.record_count else 0 end) over earlier + s.record_count then 'the segment does not count on from the one before it'
          when s.head <> analytics_private.segment_head(s.chain, s.number, s.month, s.record_count, s.total, s.first_at, s.last_at, s.sealed_at, s.root, s.previous_head) then 'the segment is not as it was sealed'
        end as fault
      from analytics_private.audit_segments s where s.chain = key and (since = '-infinity' or s.number >= covered)
      window earlier as (order by s.number)
    ) s where s.fault is not null order by s.number limit 1;
  end if;
  if problem is null and exists (
    select from (select s.number, s.head, s.total from analytics_private.audit_segments s where s.chain = key order by s.number desc limit 1) s
    full join (select head.number, head.total, head.head where head.chain is not null) h on true
    where (s.number, s.total, s.head) is distinct from (h.number, h.total, h.head))
  then
    problem := jsonb_build_object('kind', 'segment', 'text', 'the chain does not end where it was last sealed');
  end if;

  -- 3. The records against the lists of their segments, month by month so that each statement reads one partition, and the
  -- times between, where there must be none.
  if problem is null then
    select array_agg(t order by t) into parts from (
      select since as t union select 'infinity'
      union select greatest(since, s.month) from analytics_private.audit_segments s where s.chain = key and s.last_at >= since
      union select (s.month at time zone 'UTC' + interval '1 month') at time zone 'UTC' from analytics_private.audit_segments s where s.chain = key and s.last_at >= since
    ) bounds where t >= since;
    for i in 1 .. cardinality(parts) - 1 loop
      execute format($statement$
        select analytics_private.audit_check(%1$L, %2$L, %3$L, l.id, l.workspace_id, l."timestamp", l.actor_id, l.actor_login, l.action, l.entity_type, l.entity_id,
          l.request_id, l.metadata, l.personal_digest, p.salt, p.old_values, p.new_values, p.ip_address, p.user_agent)
        from (select * from analytics.audit_logs l where %4$s and l."timestamp" >= %2$L and l."timestamp" < %3$L order by l."timestamp", l.id) l
        left join (select * from analytics.audit_personal p where %5$s and p."timestamp" >= %2$L and p."timestamp" < %3$L order by p."timestamp", p.record_id) p
          on p."timestamp" = l."timestamp" and p.record_id = l.id
        $statement$, key, parts[i], parts[i + 1], format(of_chain, 'l'), format(of_chain, 'p')) into checked;
      -- Without any record the aggregate has nothing to begin with.
      if checked is null then
        select analytics_private.audit_check(key, parts[i], parts[i + 1], null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null) into checked;
      end if;
      sealed := sealed + (checked ->> 'sealed')::bigint;
      unsealed := unsealed + (checked ->> 'unsealed')::bigint;
      erased := erased + (checked ->> 'erased')::bigint;
      problem := nullif(checked -> 'problem', 'null');
      exit when problem is not null;
    end loop;
  end if;

  -- 4. The guards themselves.
  if problem is null then
    select jsonb_build_object('kind', 'guard', 'text', 'triggers that refuse changes are missing or disabled', 'tables', jsonb_agg(t::text)) into problem
    from analytics_private.unguarded_audit_tables() t having count(*) > 0;
  end if;
  return jsonb_build_object('ok', problem is null, 'verified', sealed + unsealed, 'sealed', sealed, 'unsealed', unsealed, 'erased', erased,
    'segments', coalesce(head.number, 0), 'head', encode(head.head, 'hex'),
    'pruned', (select count(*) from analytics_private.audit_segments s join analytics_private.audit_pruned_months m on m.month = s.month where s.chain = key),
    'problem', jsonb_strip_nulls(problem));
end
$$;
comment on function analytics_private.check_audit(uuid, timestamptz, text[]) is 'verifies the audit of any workspace (operators; analytics.verify_audit() is the front)';

-- Definer: an admin sees the result, not the chain.
create or replace function analytics_private.check_own_audit(workspace_id uuid, from_time timestamptz, proof text[]) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.require_user();
  return analytics_private.check_audit(analytics.require_role(workspace_id, 'admin'), from_time, proof);
end
$$;
comment on function analytics_private.check_own_audit(uuid, timestamptz, text[]) is 'verifies the audit of a workspace of which the caller is admin';

create or replace function analytics.verify_audit(
  workspace_id uuid, from_time timestamptz default null, checkpoint text default null, signature text default null, public_key text default null
) returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  proof constant text[] := case when num_nonnulls(checkpoint, signature, public_key) > 0 then array[checkpoint, signature, public_key] end;
begin
  if has_function_privilege('analytics_private.check_audit(uuid, timestamptz, text[])', 'execute') then
    return analytics_private.check_audit(workspace_id, from_time, proof);
  end if;
  return analytics_private.check_own_audit(workspace_id, from_time, proof);
end
$$;
comment on function analytics.verify_audit(uuid, timestamptz, text, text, text) is
$$whether the audit of a workspace is as it was written
For its admins; operators may verify every workspace, and with null the records of the installation. from_time: only records from then on. checkpoint: a text of audit_checkpoint() that was kept elsewhere; signature and public_key: Ed25519, hex or base64. A checkpoint finds records cut off at the end and an old state put back, which the chain alone cannot. Returns {ok, verified, sealed, unsealed, erased, segments, pruned, head, problem: null or {kind, segment, record, text}}; erased counts records whose personal values were erased, pruned segments whose records were removed by retention. problem.kind is edited, missing, inserted, personal_edited, segment, checkpoint or guard; the first in order of time. Reads every record: a second for about a million. Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND.
Example: select analytics.verify_audit(default_workspace_id) ->> 'ok' from analytics.users$$;

create or replace function analytics_private.head_text(workspace_id uuid) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select analytics_private.checkpoint_text(h.chain, h.number, h.total, h.head, h.sealed_at)
  from analytics_private.audit_heads h where h.chain = analytics_private.audit_chain(head_text.workspace_id)
$$;
comment on function analytics_private.head_text(uuid) is 'the checkpoint of any workspace (operators; analytics.audit_checkpoint() is the front)';

-- Definer: as check_own_audit().
create or replace function analytics_private.own_head_text(workspace_id uuid) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.require_user();
  return analytics_private.head_text(analytics.require_role(workspace_id, 'admin'));
end
$$;
comment on function analytics_private.own_head_text(uuid) is 'the checkpoint of a workspace of which the caller is admin';

create or replace function analytics.audit_checkpoint(workspace_id uuid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if has_function_privilege('analytics_private.head_text(uuid)', 'execute') then
    return analytics_private.head_text(workspace_id);
  end if;
  return analytics_private.own_head_text(workspace_id);
end
$$;
comment on function analytics.audit_checkpoint(uuid) is
$$where the audit of a workspace ends now, as a text to keep elsewhere
For its admins; operators may ask for every workspace, and with null for the installation. Six lines: format, chain, segment, records, head, time. Null before anything was sealed. Give it to verify_audit() later. Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND.
Example: select coalesce(analytics.audit_checkpoint(default_workspace_id), 'nothing sealed yet') from analytics.users$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Erasure and retention

-- Called while the user still owns them, too: later nothing tells whose they were.
create or replace function analytics_private.erase_workspace_names(user_id uuid, reason text) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  n bigint;
begin
  insert into analytics_private.audit_removals (removed_at, transaction, kind, reason)
  values (transaction_timestamp(), pg_current_xact_id()::text, 'erasure', erase_workspace_names.reason) on conflict do nothing;
  -- A personal workspace is made with its user's name, and may be another's by now.
  with homes as (
    select l.entity_id as id, p.new_values ->> 'name' as name
    from analytics.audit_logs l join analytics.audit_personal p on p.workspace_id = l.workspace_id and p."timestamp" = l."timestamp" and p.record_id = l.id
    where l.entity_type = 'workspace' and l.action = 'workspace.created' and p.new_values ->> 'owner_id' = erase_workspace_names.user_id::text
      and l.entity_id = any (array(
        select w.id from analytics.workspaces w where w.owner_id = erase_workspace_names.user_id
        union select a.workspace_id from analytics.audit_logs a where a.actor_id = erase_workspace_names.user_id))
  )
  delete from analytics.audit_personal p using analytics.audit_logs l, homes h
  where l.entity_type = 'workspace' and l.entity_id = h.id and h.name in (p.old_values ->> 'name', p.new_values ->> 'name')
    and p.workspace_id = l.workspace_id and p."timestamp" = l."timestamp" and p.record_id = l.id;
  get diagnostics n = row_count;
  return n;
end
$$;
comment on function analytics_private.erase_workspace_names(uuid, text) is 'erases the first name of the workspaces that were made for a user from the audit; returns of how many records';

create or replace function analytics_private.erase_audit_personal(user_id uuid, reason text, email text default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  address constant text := lower(nullif(btrim(email), ''));
  n bigint;
  more bigint := 0;
begin
  if user_id is null or reason is null or btrim(reason) = '' or length(reason) > 500 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'give a user and the reason in 1 to 500 characters', 'a case number, not a name: the audit keeps it');
  end if;
  n := analytics_private.erase_workspace_names(user_id, reason);
  delete from analytics.audit_personal p using analytics.audit_logs l
  where (l.actor_id = erase_audit_personal.user_id
         or l.entity_type in ('user', 'user_profile', 'user_favorite') and l.entity_id = erase_audit_personal.user_id)
    and p.workspace_id is not distinct from l.workspace_id and p."timestamp" = l."timestamp" and p.record_id = l.id;
  get diagnostics more = row_count;
  n := n + more;
  more := 0;
  if address is not null then
    -- What others wrote with this address, such as invitations.
    delete from analytics.audit_personal p
    where position(to_jsonb(address)::text in lower(concat(p.old_values, p.new_values))) > 0;
    get diagnostics more = row_count;
  end if;
  perform analytics_private.write_audit('audit.erased', 'user', erase_audit_personal.user_id, jsonb_build_object('reason', erase_audit_personal.reason, 'records', n + more));
  return n + more;
end
$$;
comment on function analytics_private.erase_audit_personal(uuid, text, text) is
  'erases values, addresses and user agents of the records that a user made or that are about him, and with an e-mail address those that hold it, for which every record is read; returns of how many. The records stay and verify (operators). Errors: VALIDATION_ERROR';

create or replace function analytics_private.prune_audit(before timestamptz, reason text default 'retention') returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  ended record;
  months integer := 0;
  removed bigint := 0;
  kept integer := 0;
  n bigint;
begin
  if before is null or not before <= now() or reason is null or btrim(reason) = '' or length(reason) > 500 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'give a time in the past and the reason in 1 to 500 characters');
  end if;
  perform analytics_private.take_lock('audit');
  insert into analytics_private.audit_removals (removed_at, transaction, kind, reason)
  values (transaction_timestamp(), pg_current_xact_id()::text, 'retention', prune_audit.reason) on conflict do nothing;
  for ended in
    select c.oid::regclass as partition, m.month, (m.month at time zone 'UTC' + interval '1 month') at time zone 'UTC' as ends
    from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid,
      lateral (select to_timestamp(right(c.relname, 7) || '+00', 'YYYY_MMTZH') as month) m
    where i.inhparent = 'analytics.audit_logs'::regclass and c.relname ~ '_[0-9]{4}_[0-9]{2}$' order by m.month
  loop
    exit when ended.ends > before;
    if exists (select from analytics_private.audit_pending p where p."timestamp" >= ended.month and p."timestamp" < ended.ends) then
      kept := kept + 1;
      continue;
    end if;
    execute format('lock table %s in access exclusive mode', ended.partition);
    execute format('select count(*) from %s', ended.partition) into n;
    execute format('drop table %s', ended.partition);
    delete from analytics_private.audit_entries e using analytics_private.audit_segments s where s.month = ended.month and e.chain = s.chain and e.number = s.number;
    delete from analytics.audit_personal p where p."timestamp" >= ended.month and p."timestamp" < ended.ends;
    insert into analytics_private.audit_pruned_months (month) values (ended.month) on conflict do nothing;
    months := months + 1;
    removed := removed + n;
  end loop;
  perform analytics_private.write_audit('audit.pruned', 'audit', null, jsonb_build_object('before', before, 'reason', reason, 'months', months, 'records', removed));
  return jsonb_build_object('months', months, 'records', removed, 'months_kept', kept);
end
$$;
comment on function analytics_private.prune_audit(timestamptz, text) is
  'removes the records of whole months that ended before a time and are sealed; their segments stay, so that the chain still verifies (operators; called by nothing). Returns {months, records, months_kept: with records that wait to be sealed}. Errors: VALIDATION_ERROR';

-- ---------------------------------------------------------------------------------------------------------------------
-- Reading

drop policy if exists "members read the audit of their workspaces" on analytics.audit_logs;
create policy "members read the audit of their workspaces" on analytics.audit_logs for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));
drop policy if exists "admins read what the audit says about persons" on analytics.audit_personal;
create policy "admins read what the audit says about persons" on analytics.audit_personal for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('admin'))::uuid[]));

create or replace view analytics.activity_logs with (security_invoker = true) as
  select l.id, l.workspace_id, l.actor_id as user_id, l.action, l.entity_type as resource_type, l.entity_id as resource_id,
         p.old_values, p.new_values, host(p.ip_address) as ip_address, p.user_agent, l."timestamp" as created_at
  from analytics.audit_logs l
    left join analytics.audit_personal p on p.workspace_id = l.workspace_id and p."timestamp" = l."timestamp" and p.record_id = l.id
  where l.workspace_id is not null;
comment on view analytics.activity_logs is 'what was done in a workspace, for its members; values, addresses and user agents only for its admins';
