-- The queue between the database, which decides, and the sidecar, which fetches and delivers.
--
-- A job is queued, running under a lease, done, dead (gave up) or cancelled. A lease that ends without an answer puts the
-- job back; whoever still works on it is told CONFLICT when he delivers.

create table if not exists analytics_private.jobs (
  id uuid not null,
  kind text not null,
  key text not null,
  payload jsonb not null,
  state text not null default 'queued',
  priority smallint not null default 100,
  run_at timestamptz not null default now(),
  attempt integer not null default 0,
  max_attempts integer not null,
  lease_token uuid,
  lease_expires_at timestamptz,
  worker text,
  error_code text,
  error_message text,
  error_streak integer not null default 0,
  workspace_id uuid,
  request_id text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint jobs_pkey primary key (id),
  constraint jobs_state_known check (state in ('queued', 'running', 'done', 'dead', 'cancelled')),
  constraint jobs_lease check ((state = 'running') = (lease_token is not null) and (lease_token is null) = (lease_expires_at is null)),
  constraint jobs_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id)
);
alter table analytics_private.jobs alter column id set default analytics.uuidv7();
-- The same wish queued twice is one job.
create unique index if not exists jobs_one_wish on analytics_private.jobs (kind, key) where state in ('queued', 'running');
create index if not exists jobs_ready on analytics_private.jobs (priority, run_at) where state = 'queued';
create unique index if not exists jobs_lease_token on analytics_private.jobs (lease_token) where state = 'running';
create index if not exists jobs_lease_ends on analytics_private.jobs (lease_expires_at) where state = 'running';
create index if not exists jobs_finished on analytics_private.jobs (finished_at) where state in ('done', 'cancelled');
create index if not exists jobs_workspace on analytics_private.jobs (workspace_id, state);
alter table analytics_private.jobs enable row level security;
alter table analytics_private.jobs set (autovacuum_vacuum_scale_factor = 0.02);
comment on table analytics_private.jobs is 'work for the sidecar; written by the functions of sql/50_jobs.sql only';
comment on column analytics_private.jobs.priority is 'lower goes first';
comment on column analytics_private.jobs.error_streak is 'how many attempts in a row ended with error_code';

-- One row: when listeners were last told. NOTIFY takes a database-wide lock at commit, so it is sent at most once in a
-- tenth of a second; workers poll every second besides.
create table if not exists analytics_private.job_signal (
  only_row boolean not null default true,
  notified_at timestamptz not null,
  constraint job_signal_pkey primary key (only_row),
  constraint job_signal_one check (only_row)
);
alter table analytics_private.job_signal enable row level security;
insert into analytics_private.job_signal (notified_at) values ('-infinity') on conflict (only_row) do nothing;

create or replace function analytics_private.enqueue_job(
  kind text, key text, payload jsonb, priority integer default 100, workspace_id uuid default null, run_at timestamptz default now(),
  bounded boolean default true
) returns uuid language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  job_id uuid;
  most integer;
begin
  insert into analytics_private.jobs (kind, key, payload, priority, workspace_id, run_at, max_attempts, request_id)
  values (enqueue_job.kind, enqueue_job.key, enqueue_job.payload, enqueue_job.priority, enqueue_job.workspace_id, enqueue_job.run_at,
          analytics_private.setting_integer('job_max_attempts'), analytics_private.request_id())
  on conflict (kind, key) where state in ('queued', 'running') do nothing
  returning id into job_id;
  if job_id is null then
    select j.id into job_id from analytics_private.jobs j
    where j.kind = enqueue_job.kind and j.key = enqueue_job.key and j.state in ('queued', 'running');
    return job_id;
  end if;
  -- One tenant's backlog is everybody's wait, and each fetch costs money.
  most := analytics_private.setting_integer('open_jobs_per_workspace');
  if bounded and workspace_id is not null and (
    select count(*) from (select from analytics_private.jobs j where j.workspace_id = enqueue_job.workspace_id
                            and j.state in ('queued', 'running') limit most + 1) open) > most then
    perform analytics_private.raise_error('RATE_LIMITED', format('this workspace has %s fetches waiting', most), 'try again when some are done',
      jsonb_build_object('limit', most), 60);
  end if;
  update analytics_private.job_signal s set notified_at = clock_timestamp()
  where s.only_row = (select q.only_row from analytics_private.job_signal q
                      where q.notified_at < clock_timestamp() - interval '100 milliseconds' for update skip locked);
  if found then
    perform pg_catalog.pg_notify('analytics_jobs', '');
  end if;
  return job_id;
end
$$;
comment on function analytics_private.enqueue_job(text, text, jsonb, integer, uuid, timestamptz, boolean) is
  'queues a wish once: the id of the new job, or of the one that already waits or runs for the same kind and key; error, unless not bounded: RATE_LIMITED (the workspace has too many open)';

-- ---------------------------------------------------------------------------------------------------------------------
-- For the sidecar. Definers: it may call these and touch no table.

create or replace function analytics_private.claim_jobs(worker text, kinds text[], batch integer, lease_seconds integer)
returns table (job_id uuid, lease_token uuid, kind text, payload jsonb, attempt integer, max_attempts integer, request_id text, lease_expires_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  if (batch between 1 and 1000 and lease_seconds between 1 and 86400 and length(worker) between 1 and 200) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'batch is 1 to 1000, lease_seconds 1 to 86400, worker 1 to 200 characters');
  end if;
  perform analytics_private.return_expired_leases();
  return query
    with ready as (
      select j.id from analytics_private.jobs j
      where j.state = 'queued' and j.run_at <= clock_timestamp() and j.kind = any (claim_jobs.kinds)
      order by j.priority, j.run_at
      limit claim_jobs.batch
      for update skip locked
    )
    update analytics_private.jobs j set
      state = 'running', attempt = j.attempt + 1, worker = claim_jobs.worker, lease_token = gen_random_uuid(),
      lease_expires_at = clock_timestamp() + make_interval(secs => claim_jobs.lease_seconds)
    from ready where j.id = ready.id
    returning j.id, j.lease_token, j.kind, j.payload, j.attempt, j.max_attempts, j.request_id, j.lease_expires_at;
end
$$;
comment on function analytics_private.claim_jobs(text, text[], integer, integer) is
  'takes up to batch due jobs of these kinds under a lease; jobs whose lease ended are returned to the queue first';

create or replace function analytics_private.return_expired_leases() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  ended record;
  returned integer := 0;
begin
  for ended in
    select j.id from analytics_private.jobs j
    where j.state = 'running' and j.lease_expires_at <= clock_timestamp()
    order by j.lease_expires_at limit 1000 for update skip locked
  loop
    perform analytics_private.settle_failure(ended.id, 'TIMEOUT', 'the worker went silent and its lease ended', false, 0);
    returned := returned + 1;
  end loop;
  return returned;
end
$$;

create or replace function analytics_private.heartbeat_jobs(lease_tokens uuid[], lease_seconds integer) returns setof uuid
language sql security definer set search_path = pg_catalog, pg_temp as $$
  update analytics_private.jobs j set lease_expires_at = clock_timestamp() + make_interval(secs => lease_seconds)
  where j.state = 'running' and j.lease_token = any (lease_tokens) and j.lease_expires_at > clock_timestamp()
    and lease_seconds between 1 and 86400
  returning j.lease_token
$$;
comment on function analytics_private.heartbeat_jobs(uuid[], integer) is 'prolongs leases; returns those still held, a missing one is lost';

create or replace function analytics_private.release_jobs(lease_tokens uuid[]) returns integer
language sql security definer set search_path = pg_catalog, pg_temp as $$
  with released as (
    update analytics_private.jobs j set
      state = 'queued', attempt = j.attempt - 1, lease_token = null, lease_expires_at = null, worker = null, run_at = clock_timestamp()
    where j.state = 'running' and j.lease_token = any (lease_tokens)
    returning 1
  )
  select count(*)::integer from released
$$;
comment on function analytics_private.release_jobs(uuid[]) is 'gives jobs back untried: the attempt does not count; returns how many';

-- The job under a lease, locked; CONFLICT when the lease is not (or no longer) valid.
create or replace function analytics_private.held_job(lease_token uuid) returns analytics_private.jobs
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  job analytics_private.jobs;
begin
  select j.* into job from analytics_private.jobs j
  where j.lease_token = held_job.lease_token and j.state = 'running' for update;
  if not found or job.lease_expires_at <= clock_timestamp() then
    perform analytics_private.raise_error('CONFLICT', 'this lease has ended', 'drop the result: the job belongs to somebody else or is over');
  end if;
  return job;
end
$$;

create or replace function analytics_private.settle_failure(
  job_id uuid, code text, message text, permanent boolean, retry_after_seconds double precision
) returns jsonb language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  job analytics_private.jobs;
  streak integer;
  wait double precision;
begin
  select j.* into job from analytics_private.jobs j where j.id = settle_failure.job_id;
  streak := case when job.error_code = settle_failure.code then job.error_streak + 1 else 1 end;
  if analytics_private.job_gives_up(job.attempt, job.max_attempts, settle_failure.code, settle_failure.permanent, streak) then
    update analytics_private.jobs j set state = 'dead', lease_token = null, lease_expires_at = null, finished_at = clock_timestamp(),
      error_code = settle_failure.code, error_message = left(settle_failure.message, 1000), error_streak = streak
    where j.id = job.id;
    perform analytics_private.fetch_failed(job.kind, job.payload, settle_failure.code, left(settle_failure.message, 1000));
    return jsonb_build_object('state', 'dead', 'job_id', job.id, 'run_at', null);
  end if;
  wait := analytics_private.job_backoff(job.attempt,
    extract(epoch from analytics_private.setting_interval('job_backoff_base'))::double precision,
    extract(epoch from analytics_private.setting_interval('job_backoff_cap'))::double precision, settle_failure.retry_after_seconds);
  update analytics_private.jobs j set state = 'queued', lease_token = null, lease_expires_at = null, worker = null,
    run_at = clock_timestamp() + make_interval(secs => wait),
    error_code = settle_failure.code, error_message = left(settle_failure.message, 1000), error_streak = streak
  where j.id = job.id;
  return jsonb_build_object('state', 'queued', 'job_id', job.id, 'run_at', clock_timestamp() + make_interval(secs => wait));
end
$$;
comment on function analytics_private.settle_failure(uuid, text, text, boolean, double precision) is
  'decides what a failed attempt means: back to the queue after a full-jitter wait (seconds, Retry-After is a floor), or dead';

create or replace function analytics_private.fail_job(
  lease_token uuid, code text, message text, permanent boolean, retry_after_seconds double precision default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
  job constant analytics_private.jobs := analytics_private.held_job(fail_job.lease_token);
begin
  if code is null or analytics_private.error_status(code) = 500 and code not in ('INTERNAL', 'ENCRYPTION_ERROR') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the code is not in the error vocabulary');
  end if;
  return analytics_private.settle_failure(job.id, code, coalesce(message, ''), coalesce(permanent, false), retry_after_seconds);
end
$$;
comment on function analytics_private.fail_job(uuid, text, text, boolean, double precision) is
  'reports a failed attempt; returns {state: queued|dead, job_id, run_at}; errors: CONFLICT (lease ended), VALIDATION_ERROR';

create or replace function analytics_private.complete_job(lease_token uuid, result json) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
  job constant analytics_private.jobs := analytics_private.held_job(complete_job.lease_token);
  document jsonb;
  profile_id uuid;
  problem_state text;
  problem text;
begin
  if job.kind in ('instagram_profile', 'instagram_posts') then
    document := analytics_private.parse_instagram(coalesce(result, 'null'));
    if document ? 'refusal' then
      return analytics_private.settle_failure(job.id, document -> 'refusal' ->> 'code', document -> 'refusal' ->> 'message',
        not (document -> 'refusal' ->> 'retryable')::boolean, null);
    end if;
    -- An answer about somebody else than was asked for is not stored. One that names only an id is about whom that id is
    -- known to be.
    if job.payload ->> 'username' is distinct from coalesce(document -> 'profile' ->> 'username',
         (select p.username from analytics.profiles p where p.instagram_user_id = document -> 'profile' ->> 'instagram_user_id'),
         job.payload ->> 'username')
       and job.payload ->> 'instagram_user_id' is distinct from document -> 'profile' ->> 'instagram_user_id' then
      return analytics_private.settle_failure(job.id, 'EXTERNAL_API_ERROR', 'the answer is about another account than the one asked for', false, null);
    end if;
    begin
      profile_id := analytics_private.store_instagram(document, result, clock_timestamp(), job.payload ->> 'username');
    exception when others then
      -- The answer cannot be stored; the job fails, the database keeps what it had.
      get stacked diagnostics problem_state = returned_sqlstate, problem = message_text;
      -- What the database says about itself is for the sidecar's log; the job's error may be shown to whoever waits.
      return analytics_private.settle_failure(job.id,
        case problem_state when 'PT400' then 'VALIDATION_ERROR' when 'PT403' then 'FORBIDDEN' when 'PT404' then 'NOT_FOUND' else 'INTERNAL' end,
        case when problem_state like 'PT%' then problem else 'the answer could not be stored' end, problem_state like 'PT4%', null)
        || jsonb_build_object('error', problem);
    end;
    perform analytics_private.fetch_succeeded(job, document, profile_id);
  end if;
  update analytics_private.jobs j set state = 'done', lease_token = null, lease_expires_at = null, finished_at = clock_timestamp(),
    error_code = null, error_message = null, error_streak = 0
  where j.id = job.id;
  return jsonb_build_object('state', 'done', 'job_id', job.id, 'profile_id', profile_id);
end
$$;
comment on function analytics_private.complete_job(uuid, json) is
  'delivers an answer: what it brings is stored and the job finished in one transaction; an answer that is refused fails the job. Returns {state: done|queued|dead, job_id, profile_id}; error: CONFLICT (lease ended)';

create or replace function analytics_private.queue_metrics()
returns table (kind text, state text, jobs bigint, oldest_seconds double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select j.kind, j.state, count(*), extract(epoch from clock_timestamp() - min(j.created_at))::double precision
  from analytics_private.jobs j
  where j.state in ('queued', 'running', 'dead')
  group by j.kind, j.state
$$;
comment on function analytics_private.queue_metrics() is 'open and dead jobs by kind and state, with the age of the oldest in seconds';

-- ---------------------------------------------------------------------------------------------------------------------
-- For operators

create or replace function analytics_private.list_jobs(state text default null, kind text default null, page_size integer default 100)
returns table (job_id uuid, kind text, key text, state text, attempt integer, max_attempts integer, run_at timestamptz, worker text,
  lease_expires_at timestamptz, error_code text, error_message text, request_id text, created_at timestamptz, finished_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select j.id, j.kind, j.key, j.state, j.attempt, j.max_attempts, j.run_at, j.worker, j.lease_expires_at, j.error_code, j.error_message,
         j.request_id, j.created_at, j.finished_at
  from analytics_private.jobs j
  where (list_jobs.state is null or j.state = list_jobs.state) and (list_jobs.kind is null or j.kind = list_jobs.kind)
  order by j.id desc
  limit least(greatest(list_jobs.page_size, 0), 10000)
$$;
comment on function analytics_private.list_jobs(text, text, integer) is 'the newest jobs, dead ones included (operators)';

create or replace function analytics_private.requeue_job(job_id uuid) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  job analytics_private.jobs;
begin
  select j.* into job from analytics_private.jobs j where j.id = requeue_job.job_id for update;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such job');
  elsif job.state not in ('dead', 'cancelled', 'queued') then
    perform analytics_private.raise_error('CONFLICT', format('the job is %s', job.state), 'only dead, cancelled and waiting jobs can be queued again');
  end if;
  begin
    update analytics_private.jobs j set state = 'queued', attempt = 0, error_streak = 0, run_at = clock_timestamp(), finished_at = null
    where j.id = job.id;
  exception when unique_violation then
    perform analytics_private.raise_error('CONFLICT', 'another job for the same wish is open');
  end;
  perform pg_catalog.pg_notify('analytics_jobs', '');
  perform analytics_private.write_audit('job.requeued', 'job', job.id, '{}', job.workspace_id);
  return job.id;
end
$$;
comment on function analytics_private.requeue_job(uuid) is 'starts a dead, cancelled or waiting job anew, now (operators); errors: NOT_FOUND, CONFLICT';

create or replace function analytics_private.cancel_job(job_id uuid) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  job analytics_private.jobs;
begin
  select j.* into job from analytics_private.jobs j where j.id = cancel_job.job_id for update;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such job');
  elsif job.state not in ('queued', 'running', 'dead') then
    perform analytics_private.raise_error('CONFLICT', format('the job is %s', job.state));
  end if;
  -- A worker that still holds it will be told that its lease has ended.
  update analytics_private.jobs j set state = 'cancelled', lease_token = null, lease_expires_at = null, finished_at = clock_timestamp()
  where j.id = job.id;
  if job.state <> 'dead' then
    perform analytics_private.fetch_failed(job.kind, job.payload, 'SERVICE_UNAVAILABLE', 'the fetch was cancelled by an operator');
  end if;
  perform analytics_private.write_audit('job.cancelled', 'job', job.id, '{}', job.workspace_id);
  return job.id;
end
$$;
comment on function analytics_private.cancel_job(uuid) is 'ends a job for good; a late result of it is refused (operators); errors: NOT_FOUND, CONFLICT';

create or replace function analytics_private.set_sidecar_password(password text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if password is null or length(password) < 16 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the sidecar''s password has at least 16 characters');
  end if;
  execute format('alter role analytics_sidecar login password %L', password);
end
$$;
comment on function analytics_private.set_sidecar_password(text) is
  'makes the login analytics_sidecar usable; runs with the caller''s rights, who must be a superuser or administer that role. Where statements are logged prefer psql''s \password analytics_sidecar';
