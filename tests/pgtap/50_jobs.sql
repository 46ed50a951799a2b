-- The queue: claim, lease, heartbeat, complete, fail, release, expire, give up, requeue, cancel.
begin;
\ir helpers.psql
select no_plan();

select analytics_private.set_setting('job_backoff_base', '10 milliseconds'), analytics_private.set_setting('job_backoff_cap', '10 milliseconds'), analytics_private.set_setting('job_max_attempts', '5') \g /dev/null

create function pg_temp.wish(name text, kind text default 'instagram_profile', priority integer default 100) returns uuid language sql as $$
  select analytics_private.enqueue_job(kind, name, jsonb_build_object('username', name), priority)
$$;
-- As the sidecar: its login's rights, nothing more.
create function pg_temp.claim(kinds text[] default array['instagram_profile', 'instagram_posts'], batch integer default 100, seconds integer default 60)
returns table (job_id uuid, lease_token uuid, kind text, payload jsonb, attempt integer) language plpgsql as $$
begin
  perform set_config('role', 'analytics_sidecar', true);
  return query select c.job_id, c.lease_token, c.kind, c.payload, c.attempt from analytics_private.claim_jobs('tests', kinds, batch, seconds) c;
  perform set_config('role', 'none', true);
end
$$;
create function pg_temp.sidecar(statement text) returns jsonb language plpgsql as $$
declare
  answer jsonb;
begin
  perform set_config('role', 'analytics_sidecar', true);
  begin
    execute 'select to_jsonb(a) from (' || statement || ') as s (a)' into answer;
  exception when others then
    answer := jsonb_build_object('error', sqlstate);
  end;
  perform set_config('role', 'none', true);
  return answer;
end
$$;
create function pg_temp.fail(token uuid, code text, permanent boolean default false, retry_after double precision default null) returns jsonb language sql as $$
  select pg_temp.sidecar(format('select analytics_private.fail_job(%L, %L, ''it went wrong'', %L, %L)', token, code, permanent, retry_after))
$$;
create function pg_temp.complete(token uuid, result json) returns jsonb language sql as $$
  select pg_temp.sidecar(format('select analytics_private.complete_job(%L, %L)', token, result))
$$;
create function pg_temp.state(job uuid) returns text language sql stable as $$ select j.state from analytics_private.jobs j where j.id = job $$;
-- Lets the waits of back-off pass.
create function pg_temp.skip_wait() returns void language sql as $$ update analytics_private.jobs set run_at = clock_timestamp() - interval '1 second' where state = 'queued' $$;
create function pg_temp.end_leases() returns void language sql as $$ update analytics_private.jobs set lease_expires_at = clock_timestamp() where state = 'running' $$;
create function pg_temp.empty() returns void language sql as $$ delete from analytics_private.jobs $$;

-- Queueing -------------------------------------------------------------------------------------------------------------

select pg_temp.wish('one') as one \gset
select is(pg_temp.wish('one'), :'one'::uuid, 'the same wish queued twice is one job');
select isnt(pg_temp.wish('one', 'instagram_posts'), :'one'::uuid, 'another kind of wish for the same profile is another job');
select is((select count(*) from analytics_private.jobs), 2::bigint, 'two jobs in all');
select is(pg_temp.claim(array['instagram_posts']) is null, false, 'one of a kind is claimed') limit 1;
select is(pg_temp.state(:'one'), 'queued', 'a claim takes only the kinds it asks for');
select results_eq('select kind from pg_temp.claim()', array['instagram_profile'], 'and a job that is held is not claimed again');
select is_empty('select * from pg_temp.claim()', 'nothing is left to claim');
select is(pg_temp.wish('one'), :'one'::uuid, 'a wish that is being worked on is not queued again');
select pg_temp.empty();

select pg_temp.wish('late', priority => 200), pg_temp.wish('early'), pg_temp.wish('first', priority => 1) \g /dev/null
select results_eq($$select payload ->> 'username' from pg_temp.claim(batch => 1)$$, array['first'], 'the lower number of priority goes first, and a batch is kept to');
select is((select count(*) from pg_temp.claim(batch => 10)), 2::bigint, 'the rest comes with the next batch');
select pg_temp.empty();
select analytics_private.enqueue_job('instagram_profile', 'later', '{}', run_at => now() + interval '1 hour') as later \gset
select is_empty('select * from pg_temp.claim()', 'a job whose time has not come is not claimed');
select pg_temp.empty();

select is(pg_temp.sidecar(format('select count(*) from analytics_private.claim_jobs(%L, array[''instagram_profile''], %L, %L)', w, b, l)), '{"error": "PT400"}'::jsonb,
  format('a claim with worker %s, batch %s, lease %s is refused', coalesce(length(w)::text, 'null'), coalesce(b::text, 'null'), coalesce(l::text, 'null')))
from (values ('', 1, 1), ('w', 0, 1), ('w', 1001, 1), ('w', 1, 0), ('w', 1, 86401), (repeat('w', 201), 1, 1), ('w', -1, 1), (null, 1, 1), ('w', null, 1), ('w', 1, null)) as v (w, b, l);
select is(pg_temp.sidecar('select count(*) from analytics_private.claim_jobs(''w'', null, 1, 1)'), '0'::jsonb, 'a claim of no kind takes nothing');

-- Completing -----------------------------------------------------------------------------------------------------------

select pg_temp.wish('baker') as job \gset
select lease_token as lease from pg_temp.claim() \gset
select is(pg_temp.complete(:'lease', pg_temp.account('70', 'baker', 77)) - 'profile_id', jsonb_build_object('state', 'done', 'job_id', :'job'), 'an answer finishes the job');
select is((select followers_count from analytics.profiles where username = 'baker'), 77::bigint, 'and what it brings is stored');
select is(pg_temp.complete(:'lease', pg_temp.account('70', 'baker', 78)), '{"error": "PT409"}'::jsonb, 'a second answer is refused');
select is((select followers_count from analytics.profiles where username = 'baker'), 77::bigint, 'and not stored');
select is(pg_temp.fail(:'lease', 'TIMEOUT'), '{"error": "PT409"}'::jsonb, 'nor can a finished job fail');
select is(pg_temp.complete(gen_random_uuid(), '{}'), '{"error": "PT409"}'::jsonb, 'a lease that never was is CONFLICT');
select is(pg_temp.complete(null, '{}'), '{"error": "PT409"}'::jsonb, 'as is null');
select isnt(pg_temp.wish('baker'), :'job'::uuid, 'a wish after a finished job is a new job');
select pg_temp.empty();

select pg_temp.wish('quiet') as job \gset
select lease_token as lease from pg_temp.claim() \gset
select pg_temp.complete(:'lease', pg_temp.account('71', 'quiet', 5, '{}', '{"edge_owner_to_timeline_media": {"count": 9, "edges": []}}')) \g /dev/null
select results_eq('select kind, payload from analytics_private.jobs where state = ''queued''',
  $$values ('instagram_posts', '{"username": "quiet", "instagram_user_id": "71", "count": 12}'::jsonb)$$, 'posts that an account has and the answer does not show are asked for next');
select lease_token as lease from pg_temp.claim() \gset
select is(pg_temp.complete(:'lease', pg_temp.timeline('71', array[pg_temp.post(71, '71', 'quiet', now(), 1, 1)])) ->> 'state', 'done', 'a page of posts finishes that job');
select is((select count(*) from analytics.profile_posts p join analytics.profiles o on o.id = p.profile_id where o.username = 'quiet'), 1::bigint, 'and the posts are there');
select pg_temp.empty();
select pg_temp.wish('closed') as job \gset
select lease_token as lease from pg_temp.claim() \gset
select pg_temp.complete(:'lease', pg_temp.account('72', 'closed', 5, '{}', '{"is_private": true, "edge_owner_to_timeline_media": {"count": 9, "edges": []}}')) \g /dev/null
select is((select count(*) from analytics_private.jobs where state = 'queued'), 0::bigint, 'a private account''s posts are not asked for');
select pg_temp.empty();

-- Answers that are refused ---------------------------------------------------------------------------------------------

create function pg_temp.attempts(name text, result json, n integer) returns text[] language plpgsql as $$
declare
  job constant uuid := pg_temp.wish(name);
  states text[] := '{}';
  lease uuid;
begin
  for i in 1..n loop
    perform pg_temp.skip_wait();
    select c.lease_token into lease from pg_temp.claim() c where c.job_id = job;
    exit when lease is null;
    states := states || (pg_temp.complete(lease, result) ->> 'state');
    lease := null;
  end loop;
  return states;
end
$$;
select is(pg_temp.attempts('nobody', '{"results": [{"content": {}, "status_code": 200}]}', 9), array['queued', 'queued', 'dead'], 'three "not found" in a row are believed');
select is((select failure_code from analytics.profiles where username = 'nobody'), null, 'nothing is noted on a profile that nobody unlocked');
select is(pg_temp.attempts('walled', '{"status": "failed", "status_code": 613, "message": "We were not able to scrape the target."}', 9), array['queued', 'queued', 'queued', 'queued', 'dead'],
  'an error of the remote is tried again up to the maximum');
select is(pg_temp.attempts('odd', '{"a": 1}', 9), array['dead'], 'an answer of no known shape is not asked for again');
select is(pg_temp.attempts('void', 'null', 9), array['dead'], 'nor is JSON null');
select is(pg_temp.attempts('empty', null, 9), array['dead'], 'nor is null itself');
select is((select array_agg(error_code order by key) from analytics_private.jobs where state = 'dead'),
  array['VALIDATION_ERROR', 'NOT_FOUND', 'VALIDATION_ERROR', 'VALIDATION_ERROR', 'EXTERNAL_API_ERROR'], 'a dead job says why');
insert into analytics.profiles (username) values ('kept');
select pg_temp.attempts('kept', '{"results": [{"content": {}, "status_code": 200}]}', 9) \g /dev/null
select results_eq('select failure_code, failed_at is not null from analytics.profiles where username = ''kept''', $$values ('NOT_FOUND', true)$$, 'the profile remembers why it could not be fetched');
select pg_temp.empty();
-- An answer that parses and cannot be stored.
select analytics_private.erase_person('gone', 'case 1', '73') \g /dev/null
select is(pg_temp.attempts('gone_friend', pg_temp.account('73', 'gone_friend', 1), 9), array['dead'], 'an answer about a removed person ends the job');
select is((select error_code from analytics_private.jobs where key = 'gone_friend'), 'FORBIDDEN', 'as FORBIDDEN');
select is((select count(*) from analytics.profiles where instagram_user_id = '73'), 0::bigint, 'and stores nothing');
select pg_temp.empty();

-- One that parses and that a constraint refuses: what the database says is for its log, not for whoever waits.
select pg_temp.ingest(pg_temp.account('90', 'first.owner', 1, array[pg_temp.post(90, '90', 'first.owner', now(), 1, 1)])) \g /dev/null
insert into analytics.profiles (username) values ('clashing');
select is(pg_temp.attempts('clashing', pg_temp.account('91', 'clashing', 1, array[pg_temp.post(91, '91', 'clashing', now(), 1, 1, null, '{"shortcode": "SC90"}')]), 9), array['queued', 'queued', 'queued', 'queued', 'dead'],
  'an answer that cannot be stored is tried again up to the maximum');
select is((select failure_code from analytics.profiles where username = 'clashing'), 'INTERNAL', 'and is INTERNAL');
select ok((select failure_message !~ 'constraint|duplicate|relation|profile_posts' from analytics.profiles where username = 'clashing'), 'whoever waits is not told about our tables');
select is((select count(*) from analytics.profiles where instagram_user_id = '91'), 0::bigint, 'nothing of it is stored');
select pg_temp.empty();

-- Failing --------------------------------------------------------------------------------------------------------------

create function pg_temp.failures(codes text[], permanent boolean default false) returns text[] language plpgsql as $$
declare
  job constant uuid := pg_temp.wish('failing');
  states text[] := '{}';
  lease uuid;
begin
  foreach lease in array array_fill(null::uuid, array[cardinality(codes)]) loop
    perform pg_temp.skip_wait();
    select c.lease_token into lease from pg_temp.claim() c;
    exit when lease is null;
    states := states || (pg_temp.fail(lease, codes[cardinality(states) + 1], permanent) ->> 'state');
  end loop;
  delete from analytics_private.jobs where id = job;
  return states;
end
$$;
select is(pg_temp.failures(array['TIMEOUT', 'SERVICE_UNAVAILABLE', 'TIMEOUT', 'RATE_LIMITED', 'INTERNAL', 'TIMEOUT']), array['queued', 'queued', 'queued', 'queued', 'dead'], 'a job gives up after its maximum of attempts');
select is(pg_temp.failures(array[code], true), array['dead'], 'a permanent ' || code || ' is not tried again') from unnest(array['EXTERNAL_API_ERROR', 'NOT_FOUND', 'TIMEOUT']) code;
select is(pg_temp.failures(array[code, code]), array['dead'], code || ' is permanent by itself') from unnest(array['UNAUTHORIZED', 'FORBIDDEN', 'VALIDATION_ERROR']) code;
select is(pg_temp.failures(array['NOT_FOUND', 'NOT_FOUND', 'TIMEOUT', 'NOT_FOUND', 'NOT_FOUND']), array['queued', 'queued', 'queued', 'queued', 'dead'], '"not found" counts only in a row');
select pg_temp.wish('slow') as job \gset
select lease_token as lease from pg_temp.claim() \gset
select pg_temp.fail(:'lease', 'RATE_LIMITED', false, 3600) ->> 'run_at' as run_at \gset
select ok(:'run_at'::timestamptz between now() + interval '1 hour' and now() + interval '73 minutes', 'Retry-After is a floor');
select is_empty('select * from pg_temp.claim()', 'and nobody gets the job before');
select pg_temp.skip_wait();
select lease_token as lease, attempt from pg_temp.claim() \gset
select is(:attempt, 2, 'the attempt counts');
select is(pg_temp.fail(:'lease', code), '{"error": "PT400"}'::jsonb, format('code %s is refused', coalesce(code, 'null'))) from unnest(array['NO_SUCH_CODE', '', 'timeout', null]) code;
select is(pg_temp.state(:'job'), 'running', 'and the job is still held');
select ok((pg_temp.fail(:'lease', 'TIMEOUT', false, odd) ->> 'run_at')::timestamptz < now() + interval '25 hours', 'an odd Retry-After is no odd wait') from (values ('NaN'::double precision)) as v (odd);
select is(pg_temp.sidecar('select count(*) from analytics_private.jobs'), '{"error": "42501"}'::jsonb, 'the sidecar cannot read the queue itself');
select pg_temp.empty();

-- Leases ---------------------------------------------------------------------------------------------------------------

select pg_temp.wish('held') as job \gset
select lease_token as lease from pg_temp.claim(seconds => 30) \gset
select results_eq(format('select analytics_private.heartbeat_jobs(array[%L, %L]::uuid[], 300)', :'lease', gen_random_uuid()), array[:'lease'::uuid], 'a heartbeat names the leases still held');
select ok((select lease_expires_at > clock_timestamp() + interval '4 minutes' from analytics_private.jobs), 'and prolongs them');
select pg_temp.end_leases();
select is_empty(format('select analytics_private.heartbeat_jobs(array[%L]::uuid[], 300)', :'lease'), 'a lease that ended cannot be prolonged');
select is(pg_temp.complete(:'lease', pg_temp.account('74', 'held', 1)), '{"error": "PT409"}'::jsonb, 'a late result from an ended lease is refused');
select is((select count(*) from analytics.profiles where username = 'held'), 0::bigint, 'and nothing of it is stored');
select is(pg_temp.fail(:'lease', 'TIMEOUT'), '{"error": "PT409"}'::jsonb, 'a late failure too');
select is_empty('select * from pg_temp.claim(array[]::text[])', 'a claim of whatever kind returns ended leases');
select is(pg_temp.state(:'job'), 'queued', 'a dead worker''s job is back in the queue');
select pg_temp.skip_wait();
select lease_token as next_lease, attempt from pg_temp.claim() \gset
select isnt(:'next_lease'::uuid, :'lease'::uuid, 'the next worker has a lease of his own');
select is(pg_temp.complete(:'lease', pg_temp.account('74', 'held', 1)), '{"error": "PT409"}'::jsonb, 'the first worker''s result is refused while the second works');
select is(pg_temp.complete(:'next_lease', pg_temp.account('74', 'held', 2)) ->> 'state', 'done', 'the second''s is taken');
select pg_temp.empty();
select pg_temp.wish('crashing') as job \gset
create function pg_temp.crash(n integer) returns text[] language plpgsql as $$
declare
  states text[] := '{}';
  lease uuid;
begin
  for i in 1..n loop
    perform pg_temp.skip_wait();
    select c.lease_token into lease from pg_temp.claim() c;
    perform pg_temp.end_leases();
    perform analytics_private.return_expired_leases();
    states := states || (select j.state from analytics_private.jobs j);
  end loop;
  return states;
end
$$;
select is(pg_temp.crash(5), array['queued', 'queued', 'queued', 'queued', 'dead'], 'a job that kills its workers is dead after the maximum');
select is((select error_code from analytics_private.jobs), 'TIMEOUT', 'and says TIMEOUT');
select pg_temp.empty();
select pg_temp.wish('returned') as job \gset
select lease_token as lease from pg_temp.claim() \gset
select is(pg_temp.sidecar(format('select analytics_private.release_jobs(array[%L, %L]::uuid[])', :'lease', gen_random_uuid())), '1'::jsonb, 'a job can be given back');
select results_eq('select state, attempt from analytics_private.jobs', $$values ('queued', 0)$$, 'and the attempt does not count');
select is(pg_temp.complete(:'lease', pg_temp.account('75', 'returned', 1)), '{"error": "PT409"}'::jsonb, 'who gave a job back cannot deliver it');
select is((select attempt from pg_temp.claim()), 1, 'it can be claimed at once');
select pg_temp.empty();

-- For operators --------------------------------------------------------------------------------------------------------

select pg_temp.wish('dying') as job \gset
select lease_token as lease from pg_temp.claim() \gset
select pg_temp.fail(:'lease', 'FORBIDDEN') \g /dev/null
select results_eq('select job_id, state, error_code, error_message from analytics_private.list_jobs(''dead'')', format($$values (%L::uuid, 'dead', 'FORBIDDEN', 'it went wrong')$$, :'job'), 'dead jobs are listed with their reason');
select is((select count(*) from analytics_private.list_jobs(kind => 'instagram_posts')), 0::bigint, 'a list can be of one kind');
select results_eq('select kind, state, jobs from analytics_private.queue_metrics()', $$values ('instagram_profile', 'dead', 1::bigint)$$, 'dead jobs are counted');
select is(analytics_private.requeue_job(:'job'), :'job'::uuid, 'a dead job can be queued again');
select is((select attempt from pg_temp.claim()), 1, 'and has all its attempts again');
select throws_ok(format('select analytics_private.requeue_job(%L)', :'job'), 'PT409', null, 'a running job cannot be queued again');
select lease_token as lease from analytics_private.jobs \gset
select is(analytics_private.cancel_job(:'job'), :'job'::uuid, 'a running job can be cancelled');
select is(pg_temp.complete(:'lease', pg_temp.account('76', 'dying', 1)), '{"error": "PT409"}'::jsonb, 'a result for a cancelled job is refused');
select is_empty(format('select analytics_private.heartbeat_jobs(array[%L]::uuid[], 300)', :'lease'), 'a heartbeat tells that it is lost');
select throws_ok(format('select analytics_private.cancel_job(%L)', :'job'), 'PT409', null, 'a cancelled job cannot be cancelled');
select pg_temp.wish('dying') as newer \gset
select throws_ok(format('select analytics_private.requeue_job(%L)', :'job'), 'PT409', null, 'a cancelled job cannot come back beside a newer one for the same wish');
select analytics_private.cancel_job(:'newer') \g /dev/null
select is(pg_temp.state(:'newer'), 'cancelled', 'a waiting job can be cancelled');
select is(analytics_private.requeue_job(:'job'), :'job'::uuid, 'a cancelled job can be queued again');
select throws_ok(format('select analytics_private.%s(%L)', f, j), 'PT404', null, format('%s of %s', f, coalesce(j::text, 'null')))
from unnest(array['requeue_job', 'cancel_job']) f, unnest(array['0195c3a0-0000-7000-8000-0000000000ff'::uuid, null]) j;
select is((select array_agg(action::text || '' order by id) from analytics.audit_logs where action like 'job.%'), array['job.requeued', 'job.cancelled', 'job.cancelled', 'job.requeued'], 'what operators do to jobs is audited');
select throws_ok('select analytics_private.set_sidecar_password(' || p || ')', 'PT400', null, 'a password of ' || p || ' is refused') from unnest(array['''short''', '''''', 'null']) p;

-- Who may call what.
create function pg_temp.refused(role_name text, call text) returns text language plpgsql as $$
declare
  answer text;
begin
  perform set_config('role', role_name, true);
  answer := pg_temp.error_of('select ' || call) ->> 'state';
  perform set_config('role', 'none', true);
  return answer;
end
$$;
select is(pg_temp.refused(r, call), '42501', format('%s may not call %s', r, call))
from unnest(array['anon', 'authenticated', 'analytics_sidecar']) r, unnest(array['analytics_private.list_jobs()', 'analytics_private.requeue_job(null)', 'analytics_private.cancel_job(null)',
  'analytics_private.enqueue_job(''k'', ''k'', ''{}'')', 'analytics_private.ingest_instagram(''{}'')', 'analytics_private.set_setting(''a'', ''b'')', 'analytics_private.erase_person(''a'', ''b'')',
  'analytics_private.open_window(null, null, null)', 'analytics_private.close_undelivered(null)', 'analytics_private.settle_failure(null, null, null, null, null)', 'analytics_private.write_audit(''a'', ''b'')',
  'analytics_private.link_firebase_user(''a'')', 'analytics_private.set_user_status(null, null)', 'analytics_private.parse_instagram(''{}'')']) call;
select is(pg_temp.refused(r, call), '42501', format('%s may not call %s', r, call))
from unnest(array['anon', 'authenticated']) r, unnest(array['analytics_private.claim_jobs(''w'', ''{}'', 1, 1)', 'analytics_private.complete_job(null, null)', 'analytics_private.fail_job(null, null, null, null)',
  'analytics_private.heartbeat_jobs(''{}'', 1)', 'analytics_private.release_jobs(''{}'')', 'analytics_private.queue_metrics()', 'analytics_private.maintain()']) call;

-- Notification ---------------------------------------------------------------------------------------------------------

-- job_signal says when listeners were last told; a listener itself is tested by the sidecar.
select pg_temp.empty();
update analytics_private.job_signal set notified_at = '-infinity';
select pg_temp.wish('n1') \g /dev/null
select notified_at as told from analytics_private.job_signal \gset
select ok(:'told'::timestamptz > now() - interval '1 minute', 'a new job tells the listeners');
select count(pg_temp.wish('n1_' || n)) from generate_series(1, 50) n \g /dev/null
update analytics_private.job_signal set notified_at = clock_timestamp() + interval '1 minute' returning notified_at as told \gset
select pg_temp.wish('n2') \g /dev/null
select is((select notified_at from analytics_private.job_signal), :'told'::timestamptz, 'jobs that come soon after tell nobody again');

select * from finish();
rollback;
