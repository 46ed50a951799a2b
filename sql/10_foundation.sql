-- Ground floor: default privileges, the error vocabulary, settings, audit.

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
  kind text not null constraint settings_kind_known check (kind in ('interval', 'integer')),
  value text not null,
  minimum text not null,
  maximum text not null,
  description text not null,
  updated_at timestamptz not null default now()
);
alter table analytics_private.settings enable row level security;
comment on table analytics_private.settings is 'what an operator may change with analytics_private.set_setting(name, value)';

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
  ('partitions_ahead', 'integer', '3', '1', '24', 'monthly partitions made ahead')
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
    end;
  exception when data_exception then
    valid := false;
  end;
  if valid is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('setting "%s" is of type %s', name, known.kind),
      format('give a value from %s to %s', known.minimum, known.maximum));
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
insert into analytics_private.locks (name) values ('maintenance'), ('partitions'), ('linking') on conflict (name) do nothing;

create or replace function analytics_private.take_lock(name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from analytics_private.locks l where l.name = take_lock.name for update;
end
$$;
comment on function analytics_private.take_lock(text) is 'waits for one of our locks and holds it to the end of the transaction';

-- ---------------------------------------------------------------------------------------------------------------------
-- Audit: who did what; append only

create table if not exists analytics.audit_logs (
  id uuid not null,
  workspace_id uuid,
  actor_id uuid,
  actor_login text not null,
  action varchar(64) not null,
  entity_type varchar(64) not null,
  entity_id uuid,
  "timestamp" timestamptz not null default clock_timestamp(),
  ip_address inet,
  user_agent text,
  request_id text,
  metadata jsonb not null default '{}',
  constraint audit_logs_pkey primary key (id)
);
alter table analytics.audit_logs alter column id set default analytics.uuidv7();
create index if not exists audit_logs_workspace_time on analytics.audit_logs (workspace_id, "timestamp");
create index if not exists audit_logs_actor_time on analytics.audit_logs (actor_id, "timestamp");
alter table analytics.audit_logs enable row level security;
comment on table analytics.audit_logs is 'what operators and owners did; rows are only ever added';
comment on column analytics.audit_logs.actor_login is 'database login that did it: tells an operator without a user apart';
comment on column analytics.audit_logs.metadata is 'never holds a person''s name, a secret or a payload';

create or replace function analytics_private.refuse_audit_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.raise_error('FORBIDDEN', 'audit records cannot be changed or removed');
  return null;
end
$$;
create or replace trigger audit_logs_only_grow before update or delete or truncate on analytics.audit_logs
  for each statement execute function analytics_private.refuse_audit_change();
alter table analytics.audit_logs enable always trigger audit_logs_only_grow;

create or replace function analytics_private.write_audit(
  action text, entity_type text, entity_id uuid default null, metadata jsonb default '{}', workspace_id uuid default null
) returns uuid language sql set search_path = pg_catalog, pg_temp as $$
  insert into analytics.audit_logs (workspace_id, actor_id, actor_login, action, entity_type, entity_id, ip_address, user_agent, request_id, metadata)
  values (write_audit.workspace_id, analytics_private.user_id(), session_user, write_audit.action, write_audit.entity_type, write_audit.entity_id,
          analytics_private.request_ip()::inet, analytics_private.request_user_agent(), analytics_private.request_id(), write_audit.metadata)
  returning id
$$;
comment on function analytics_private.write_audit(text, text, uuid, jsonb, uuid) is 'adds an audit record; only called by functions of this schema';

create or replace function analytics_private.touch_updated_at() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.updated_at := now();
  return new;
end
$$;
