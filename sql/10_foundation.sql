-- Ground floor: default privileges, the error vocabulary, settings, our locks, monthly partitions.

-- Everything made below belongs to analytics_owner, and nothing of it is open to PUBLIC unless 90_grants.sql says so.
alter default privileges revoke execute on functions from public;

-- ---------------------------------------------------------------------------------------------------------------------
-- Errors: one function raises them all

create or replace function analytics_private.error_status(code text) returns integer
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select case code
    when 'VALIDATION_ERROR' then 400
    when 'OAUTH_ERROR' then 400
    when 'UNAUTHORIZED' then 401
    when 'PAYMENT_REQUIRED' then 402
    when 'FORBIDDEN' then 403
    when 'NOT_FOUND' then 404
    when 'CONFLICT' then 409
    when 'RATE_LIMITED' then 429
    when 'EXTERNAL_API_ERROR' then 502
    when 'SERVICE_UNAVAILABLE' then 503
    when 'TIMEOUT' then 504
    else 500
  end
$$;
comment on function analytics_private.error_status(text) is 'HTTP status of a code of the error vocabulary; INTERNAL and ENCRYPTION_ERROR are 500, as is anything unknown';

create or replace function analytics_private.raise_error(
  code text, message text, hint text default null, details jsonb default '{}', retry_after integer default null
) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  status constant integer := analytics_private.error_status(code);
  full_details constant jsonb := details || jsonb_build_object('request_id', analytics_private.request_id());
begin
  -- PostgREST sets request.method; only there can an error carry its own code, an HTTP status and headers.
  if coalesce(current_setting('request.method', true), '') <> '' then
    raise sqlstate 'PGRST' using
      message = jsonb_build_object('code', code, 'message', message, 'details', full_details::text, 'hint', hint)::text,
      detail = jsonb_build_object('status', status, 'headers', jsonb_strip_nulls(jsonb_build_object(
        'X-Request-Id', full_details ->> 'request_id', 'Retry-After', retry_after::text)))::text;
  end if;
  if hint is null then
    raise exception using errcode = 'PT' || status, message = message, detail = jsonb_build_object('code', code) || full_details;
  end if;
  raise exception using errcode = 'PT' || status, message = message, detail = jsonb_build_object('code', code) || full_details, hint = hint;
end
$$;
comment on function analytics_private.raise_error(text, text, text, jsonb, integer) is
  'raises an error of the vocabulary: through PostgREST as PGRST with status, details and headers, elsewhere as SQLSTATE PTnnn; retry_after in seconds';

-- ---------------------------------------------------------------------------------------------------------------------
-- Settings: what an operator may turn

create table if not exists analytics_private.settings (
  name text constraint settings_pkey primary key,
  kind text not null constraint settings_kind_known check (kind in ('interval', 'integer', 'text')),
  value text not null,
  minimum text not null,
  maximum text not null,
  description text not null,
  updated_at timestamptz not null default now(),
  form text,
  constraint settings_form check ((kind = 'text') = (form is not null))
);
alter table analytics_private.settings enable row level security;
comment on table analytics_private.settings is 'what an operator may change with analytics_private.set_setting(name, value)';
comment on column analytics_private.settings.form is 'regular expression that a text matches; minimum and maximum are its lengths';

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('access_window', 'interval', '30 days', '1 minute', '3650 days', 'how long an unlocked profile stays open'),
  ('access_retention', 'interval', '90 days', '0', '3650 days', 'how long an ended window is remembered'),
  ('freshness', 'interval', '24 hours', '0', '3650 days', 'a capture younger than this is served without a fetch'),
  ('failure_memory', 'interval', '1 hour', '0', '30 days', 'how long a failed fetch is answered from memory instead of tried again'),
  ('raw_payload_retention', 'interval', '365 days', '0', '36500 days', 'raw payloads older than this are purged; what was derived from them stays'),
  ('search_retention', 'interval', '365 days', '1 day', '36500 days', 'monthly partitions of user_searches that ended longer ago than this are dropped'),
  ('job_retention', 'interval', '30 days', '1 hour', '3650 days', 'how long done and cancelled jobs are kept; dead ones wait for an operator'),
  ('open_jobs_per_workspace', 'integer', '500', '1', '1000000', 'a workspace with this many waiting or running fetches is told RATE_LIMITED'),
  ('job_max_attempts', 'integer', '8', '1', '100', 'a job that failed this often is dead'),
  ('job_backoff_base', 'interval', '2 seconds', '10 milliseconds', '1 hour', 'full-jitter back-off: upper bound of the first wait'),
  ('job_backoff_cap', 'interval', '10 minutes', '10 milliseconds', '1 day', 'full-jitter back-off: upper bound of any wait'),
  ('posts_per_fetch', 'integer', '12', '1', '50', 'posts asked for in one timeline fetch'),
  ('metrics_partitions_back', 'integer', '36', '1', '300', 'months back for which partitions of metrics_snapshots are made when captures turn up; older ones stay together'),
  ('partitions_ahead', 'integer', '3', '1', '24', 'monthly partitions made ahead'),
  ('audit_rows_per_record', 'integer', '100', '1', '1000', 'a statement that changes more rows than this gets one audit record with a root over its rows'),
  ('audit_checkpoint_interval', 'interval', '1 hour', '1 second', '3650 days', 'how old the last checkpoint of a chain of audit records may be when there are newer records')
on conflict (name) do nothing;

-- PL/pgSQL here and in other small functions that are called often: its plans are kept from call to call, where a function
-- in SQL that cannot be inlined is parsed and planned at each.
create or replace function analytics_private.setting_interval(name text) returns interval
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select s.value::interval from analytics_private.settings s where s.name = setting_interval.name);
end
$$;

create or replace function analytics_private.setting_integer(name text) returns integer
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select s.value::integer from analytics_private.settings s where s.name = setting_integer.name);
end
$$;

create or replace function analytics_private.setting_text(name text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select s.value from analytics_private.settings s where s.name = setting_text.name);
end
$$;

-- Definer: the operator has no right on the table itself, so that no value enters unchecked.
create or replace function analytics_private.set_setting(name text, value text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  known analytics_private.settings;
  valid boolean;
begin
  select * into known from analytics_private.settings s where s.name = set_setting.name;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', format('there is no setting "%s"', left(name, 64)),
      'select name, value, description from analytics_private.list_settings()');
  end if;
  begin
    valid := case known.kind
      when 'interval' then set_setting.value::interval between known.minimum::interval and known.maximum::interval
      when 'integer' then set_setting.value::integer between known.minimum::integer and known.maximum::integer
      when 'text' then length(set_setting.value) between known.minimum::integer and known.maximum::integer and set_setting.value ~ known.form
    end;
  exception when data_exception then
    valid := false;
  end;
  if valid is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('setting "%s" is of type %s', name, known.kind),
      case when known.kind = 'text' then known.description else format('give a value from %s to %s', known.minimum, known.maximum) end);
  end if;
  update analytics_private.settings s set value = set_setting.value, updated_at = now() where s.name = set_setting.name;
  perform analytics_private.write_audit('setting.changed', 'setting', null,
    jsonb_build_object('name', name, 'from', known.value, 'to', set_setting.value));
  return set_setting.value;
end
$$;
comment on function analytics_private.set_setting(text, text) is 'changes a setting (operators); errors: NOT_FOUND, VALIDATION_ERROR';

create or replace function analytics_private.list_settings()
returns table (name text, value text, kind text, description text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.name, s.value, s.kind, s.description from analytics_private.settings s order by s.name
$$;
comment on function analytics_private.list_settings() is 'every setting with its value and meaning (operators)';

-- ---------------------------------------------------------------------------------------------------------------------
-- Locks that only our functions can take. Advisory locks are open to every login, which could hold them for ever.

create table if not exists analytics_private.locks (
  name text constraint locks_pkey primary key
);
alter table analytics_private.locks enable row level security;
insert into analytics_private.locks (name) values ('maintenance'), ('partitions'), ('linking'), ('audit') on conflict (name) do nothing;

create or replace function analytics_private.take_lock(name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from analytics_private.locks l where l.name = take_lock.name for update;
end
$$;
comment on function analytics_private.take_lock(text) is 'waits for one of our locks and holds it to the end of the transaction';

create or replace function analytics_private.touch_updated_at() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Partitions by month, in the private schema. A parent has a default partition too: no row is refused for want of a month.

create or replace function analytics_private.monthly_tables() returns table (parent regclass, key_column name, default_partition regclass)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select p.partrelid::regclass, a.attname, p.partdefid::regclass
  from pg_catalog.pg_partitioned_table p join pg_catalog.pg_class c on c.oid = p.partrelid
    join pg_catalog.pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
  where c.relnamespace = 'analytics'::regnamespace and p.partstrat = 'r' and p.partdefid <> 0
$$;
comment on function analytics_private.monthly_tables() is 'the tables that have a partition for each month of a time';

create or replace function analytics_private.ensure_partition(parent regclass, moment timestamptz) returns regclass
-- A maker who waits for a long transaction makes everybody behind him wait: better to come back later.
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  -- Months are UTC months, whatever the session's time zone.
  first_day constant timestamp := date_trunc('month', moment at time zone 'UTC');
  from_moment constant timestamptz := first_day at time zone 'UTC';
  to_moment constant timestamptz := (first_day + interval '1 month') at time zone 'UTC';
  partition_name constant text := (select c.relname from pg_catalog.pg_class c where c.oid = parent) || to_char(first_day, '_YYYY_MM');
  is_audit constant boolean := parent = to_regclass('analytics.audit_logs');
  monthly record;
  made regclass;
  must_stay boolean;
begin
  select * into monthly from analytics_private.monthly_tables() t where t.parent = ensure_partition.parent;
  if not found then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'this table has no partitions by month');
  elsif moment is null or moment < '2000-01-01' or moment >= '2200-01-01' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a partition is made for a month from 2000 to 2199');
  end if;
  -- One maker at a time; the second finds the partition made. Not with to_regclass(), which may remember that there was none.
  for attempt in 1..2 loop
    select c.oid::regclass into made from pg_catalog.pg_class c where c.relname = partition_name and c.relnamespace = 'analytics_private'::regnamespace;
    if found then
      return made;
    end if;
    perform analytics_private.take_lock('partitions');
  end loop;

  -- Attaching takes this lock anyway; taken now, no row can enter the default partition between moving and attaching.
  execute format('lock table %s in access exclusive mode', monthly.default_partition);
  if is_audit then
    -- Records are not moved, which would take a DELETE: their month stays in the default partition.
    execute format('select exists (select from %s d where d.%I >= $1 and d.%2$I < $2)', monthly.default_partition, monthly.key_column)
      into must_stay using from_moment, to_moment;
    if must_stay then
      return monthly.default_partition;
    end if;
  end if;
  execute format('create table analytics_private.%I (like %s including defaults including constraints)', partition_name, parent);
  execute format('alter table analytics_private.%I enable row level security', partition_name);
  if is_audit then
    perform analytics_private.guard_audit_table(format('analytics_private.%I', partition_name)::regclass);
  else
    execute format('with moved as (delete from %s where %I >= $1 and %2$I < $2 returning *) insert into analytics_private.%3$I select * from moved',
      monthly.default_partition, monthly.key_column, partition_name) using from_moment, to_moment;
  end if;
  execute format('alter table %s attach partition analytics_private.%I for values from (%L) to (%L)', parent, partition_name, from_moment, to_moment);
  return format('analytics_private.%I', partition_name)::regclass;
end
$$;
comment on function analytics_private.ensure_partition(regclass, timestamptz) is
  'the monthly partition of a table for a moment, made now if missing; rows waiting in the default partition move into it, audit records keep their month there. Gives up with 55P03 after two seconds of waiting for a lock';

create or replace function analytics_private.ensure_partitions() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  before constant bigint := (select count(*) from pg_catalog.pg_inherits);
  monthly record;
  waiting timestamptz;
begin
  for monthly in select * from analytics_private.monthly_tables() loop
    -- Counted without a zone: a month added in the session's zone may end in the wrong month of UTC.
    perform analytics_private.ensure_partition(monthly.parent, m at time zone 'UTC')
    from generate_series(date_trunc('month', now() at time zone 'UTC'),
      (now() at time zone 'UTC') + make_interval(months => analytics_private.setting_integer('partitions_ahead')), interval '1 month') as m;
    continue when monthly.parent = to_regclass('analytics.audit_logs');
    -- Months that already have rows in the default partition, from before or after the ones made ahead.
    for waiting in execute format('select distinct date_trunc(%1$L, d.%2$I at time zone %3$L) at time zone %3$L from %4$s d where d.%2$I >= %5$L and d.%2$I < %6$L',
      'month', monthly.key_column, 'UTC', monthly.default_partition,
      -- Members say which month a capture is of; every partition costs every query of everybody.
      case when monthly.parent = to_regclass('analytics.metrics_snapshots')
        then now() - make_interval(months => analytics_private.setting_integer('metrics_partitions_back')) else '2000-01-01 00:00:00+00' end, timestamptz '2200-01-01 00:00:00+00')
    loop
      perform analytics_private.ensure_partition(monthly.parent, waiting);
    end loop;
  end loop;
  return ((select count(*) from pg_catalog.pg_inherits) - before)::integer;
end
$$;
