-- Events: stored once, in the workspaces that have connected the account, and what follows from them.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('sam@example.com') as other, pg_temp.sign_up('eve@example.com') as stranger \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'other') as shop \gset
create function pg_temp.acc(n integer) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-0000000000' || lpad(n::text, 2, '0'))::uuid $$;
create function pg_temp.connect(place uuid, who uuid, n integer, platform text, id text, consent text default 'person') returns void language sql as $$
  insert into analytics.social_accounts (workspace_id, id, platform, platform_user_id, handle, status, created_by, is_primary) values (place, pg_temp.acc(n), platform, id, 'account' || n, 'active', who, false);
  insert into analytics_private.oauth_tokens (workspace_id, social_account_id, provider, purpose, consent_key, access_token, token_type, scopes, issued_at, expires_at, first_consent_at, refresh_at)
  values (place, pg_temp.acc(n), analytics_private.provider_of(platform), 'insights', consent, 'gAAAAA', 'bearer', '{}', now(), now() + interval '60 days', now() - interval '1 day', now() + interval '50 days');
$$;
create function pg_temp.event(platform text, account text, type text, payload text, age interval default '0', post text default null) returns jsonb language sql as $$
  select jsonb_build_object('platform', platform, 'account', account, 'type', type, 'occurred_at', clock_timestamp() - age, 'post', post, 'payload', payload::jsonb,
    'digest', encode(sha256(convert_to(platform || account || type || payload, 'UTF8')), 'hex'))
$$;
create function pg_temp.store(variadic events jsonb[]) returns jsonb language sql as $$ select analytics_private.sidecar_store_events(to_json(events)) $$;
-- Does every job that waits, and says what became of them.
create function pg_temp.work() returns text language plpgsql as $$
declare
  states text;
begin
  update analytics_private.jobs j set run_at = clock_timestamp() where j.kind = 'pull_sooner' and j.state = 'queued';
  select string_agg(j.kind || ' ' || j.state, ', ' order by j.kind, j.state) into states
  from (select c.kind, analytics_private.sidecar_handle_event(c.lease_token) ->> 'state' as state from analytics_private.claim_jobs('a test', array['pull_sooner', 'end_access', 'delete_on_request'], 100, 60) c) j;
  return states;
end
$$;
create function pg_temp.work_off() returns integer language plpgsql as $$
declare
  steps integer := 0;
begin
  while pg_temp.work() is not null loop
    steps := steps + 1;
  end loop;
  return steps;
end
$$;
create function pg_temp.account(n integer) returns analytics.social_accounts language sql stable as $$ select a from analytics.social_accounts a where a.id = pg_temp.acc(n) $$;

select pg_temp.connect(:'studio', :'owner', 1, 'instagram', '17841400000000001'), pg_temp.connect(:'shop', :'other', 2, 'instagram', '17841400000000001', 'other'),
  pg_temp.connect(:'studio', :'owner', 3, 'tiktok', 'open-3'), pg_temp.connect(:'shop', :'other', 4, 'tiktok', 'open-3'),
  pg_temp.connect(:'studio', :'owner', 5, 'facebook', '4200'), pg_temp.connect(:'studio', :'owner', 6, 'x', '63046977') \g /dev/null
-- Added by hand, with an id that anybody can look up.
insert into analytics.social_accounts (workspace_id, id, platform, platform_user_id, handle, created_by) values (pg_temp.personal_workspace(:'stranger'), pg_temp.acc(7), 'instagram', '17841400000000001', 'spy', :'stranger');

-- Stored once ------------------------------------------------------------------------------------------------------------

select is(pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"id": "1"}}', '5 seconds', '900')),
  '{"stored": 2, "duplicate": 0, "outdated": 0, "unconnected": 0, "removed": 0}', 'an account that two workspaces have connected brings its event to both');
select is(pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"id": "1"}}', '5 seconds', '900')) ->> 'duplicate', '2', 'once');
select is((select array_agg(distinct e.workspace_id order by e.workspace_id) from analytics.events e), (select array_agg(w order by w) from unnest(array[:'studio', :'shop']::uuid[]) w), 'and not to one that added it by hand');
select is((select array[e.platform, e.type, e.payload #>> '{value,id}', (e.occurred_at < e.received_at)::text] from analytics.events e where e.workspace_id = :'studio'), '{instagram,comments,1,true}', 'as it was told');
select is(pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'a', '1'), pg_temp.event('instagram', '17841400000000001', 'a', '1'), pg_temp.event('instagram', '404', 'a', '1'),
  pg_temp.event('instagram', '17841400000000001', 'a', '2', '8 days'), pg_temp.event('instagram', '17841400000000001', 'a', '3', '-2 hours')),
  '{"stored": 2, "duplicate": 2, "outdated": 2, "unconnected": 1, "removed": 0}', 'of a batch the same one twice, of nobody''s account, too old and from the future');
select is(pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'number', '{"id": 12345678901234567890123}')) ->> 'stored', '2', 'numbers');
select is((select e.payload::text from analytics.events e where e.type = 'number' limit 1), '{"id": 12345678901234567890123}', 'stay what they are');
select is((select count(*) from analytics.events e where e.tableoid = 'analytics_private.events_default'::regclass), 0::bigint, 'in the partition of the month');
select is(pg_temp.error_of($$select analytics_private.sidecar_store_events('[{"platform": "tiktok", "account": "open-3", "type": "a", "digest": "00", "payload": 1}]')$$) ->> 'state', '23514', 'a digest is one');
select is(pg_temp.error_of($$select analytics_private.sidecar_store_events('[{"platform": "tiktok", "account": "open-3", "type": "a", "digest": "0000000000000000000000000000000000000000000000000000000000000000", "payload": "\u0000"}]')$$) ->> 'state', '22P05', 'what jsonb cannot hold is refused');
select is(analytics_private.sidecar_store_events('[{"platform": "tiktok", "account": "open-3", "type": "untimely", "digest": "0000000000000000000000000000000000000000000000000000000000000000", "payload": 1}]') ->> 'stored', '2', 'an event need not have a time');

select pg_temp.act_as(:'owner');
select is((select count(*) from analytics.events), 4::bigint, 'a member reads those of his workspace');
select is(pg_temp.error_of($$insert into analytics.events (workspace_id, social_account_id, platform, type, payload) values (gen_random_uuid(), gen_random_uuid(), 'x', 'x', '1')$$) ->> 'state', '42501', 'and writes none');
select is(pg_temp.error_of($$select analytics_private.sidecar_store_events('[]')$$) ->> 'state', '42501', 'by no way');
select pg_temp.act_as(:'stranger');
select is((select count(*) from analytics.events), 0::bigint, 'a stranger reads nothing');
select pg_temp.act_as_superuser();

-- Pulls come sooner ------------------------------------------------------------------------------------------------------

select ok((select bool_and(j.run_at between clock_timestamp() + interval '10 seconds' and clock_timestamp() + interval '20 seconds') from analytics_private.jobs j where j.kind = 'pull_sooner'), 'the job for a comment waits for more of them');
select is((select count(*) from analytics_private.jobs j where j.payload ->> 'post' is not null), 0::bigint, 'and names no post that is not measured');
update analytics_private.account_schedules set next_at = now() + interval '12 hours', succeeded_at = now() - interval '1 hour';
select is((select count(*) from analytics_private.jobs j where j.kind = 'pull_sooner'), 2::bigint, 'a comment leads to a job for each workspace, other events to none');
select is(pg_temp.work(), 'pull_sooner done, pull_sooner done', 'which is done');
select is((select count(*) from analytics_private.jobs j where j.kind = 'pull_sooner'), 0::bigint, 'and leaves no row');
select is((select string_agg(s.kind, ' ' order by s.kind) from analytics_private.account_schedules s where s.next_at <= clock_timestamp() and s.social_account_id = pg_temp.acc(1)), 'posts', 'and makes the pull of posts due');
update analytics_private.account_schedules set next_at = now() + interval '12 hours', succeeded_at = clock_timestamp() - interval '1 minute' where kind = 'posts';
select pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"id": "2"}}')), pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"id": "3"}}')) \g /dev/null
select is(pg_temp.work(), 'pull_sooner done, pull_sooner done', 'two comments are one wish');
select ok((select bool_and(s.next_at = s.succeeded_at + interval '5 minutes') from analytics_private.account_schedules s where s.kind = 'posts' and s.social_account_id in (pg_temp.acc(1), pg_temp.acc(2))), 'not sooner than five minutes after the last pull');
update analytics_private.account_schedules set next_at = 'infinity' where kind = 'posts' and social_account_id = pg_temp.acc(1);
select pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"id": "asked no more"}}')) \g /dev/null
select is(pg_temp.work(), 'pull_sooner done, pull_sooner done', 'a comment on an account that is asked no more');
select is((select s.next_at from analytics_private.account_schedules s where s.kind = 'posts' and s.social_account_id = pg_temp.acc(1)), 'infinity', 'changes nothing about that');
update analytics_private.account_schedules set next_at = now() + interval '12 hours' where kind = 'posts' and social_account_id = pg_temp.acc(1);
update analytics_private.account_schedules set next_at = now() + interval '12 hours', claim = gen_random_uuid(), claimed_until = clock_timestamp() + interval '1 minute' where social_account_id = pg_temp.acc(1) and kind = 'account';
select pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'mentions', '{"value": {"comment_id": "2"}}')) \g /dev/null
select is(pg_temp.work(), 'pull_sooner done, pull_sooner queued', 'while a pull is under way the job waits');
select is((select array[j.attempt::text, (j.run_at > clock_timestamp())::text] from analytics_private.jobs j where j.kind = 'pull_sooner' and j.state = 'queued'), '{0,true}', 'which is no attempt');
update analytics_private.account_schedules set claim = null, claimed_until = null, failures = 2 where social_account_id = pg_temp.acc(1);
update analytics_private.jobs set run_at = clock_timestamp() where state = 'queued';
select is(pg_temp.work(), 'pull_sooner done', 'after a failure');
select ok((select s.next_at > now() + interval '11 hours' from analytics_private.account_schedules s where s.social_account_id = pg_temp.acc(1) and s.kind = 'account'), 'it is the back-off that says when');
update analytics_private.account_schedules set failures = 0;

insert into analytics.top_content (workspace_id, social_account_id, platform_post_id, posted_at, captured_at) values (:'studio', pg_temp.acc(1), '900', now() - interval '9 days', now() - interval '1 day');
insert into analytics_private.post_schedules (workspace_id, social_account_id, platform_post_id, next_at) values (:'studio', pg_temp.acc(1), '900', now() + interval '1 day');
select pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"id": "4"}}', '0', '900')) \g /dev/null
select is(pg_temp.work(), 'pull_sooner done, pull_sooner done', 'a comment');
select ok((select p.next_at <= clock_timestamp() from analytics_private.post_schedules p where p.platform_post_id = '900'), 'makes its post due');
update analytics_private.post_schedules set next_at = null where platform_post_id = '900';
select pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"id": "5"}}', '0', '900')) \g /dev/null
select is((select count(*) from analytics_private.jobs j where j.payload ->> 'post' is not null), 0::bigint, 'a post that is measured no more has no job');
select is(pg_temp.work(), 'pull_sooner done, pull_sooner done', 'but the account has');
select ok(analytics_private.pull_sooner(:'studio', pg_temp.acc(1), 'posts', '900'), 'a job that named it before');
select is((select p.next_at from analytics_private.post_schedules p where p.platform_post_id = '900'), null, 'does not measure it again');
-- Quotas that are small or paid for.
select pg_temp.connect(:'studio', :'owner', 10, 'linkedin', '96072893', 'linked'), pg_temp.connect(:'studio', :'owner', 11, 'youtube', 'UC1', 'tube') \g /dev/null
update analytics_private.account_schedules set next_at = now() + interval '12 hours', succeeded_at = now() - interval '10 minutes';
select pg_temp.store(pg_temp.event('linkedin', '96072893', 'LIKE', '1'), pg_temp.event('youtube', 'UC1', 'video', '1'), pg_temp.event('x', '63046977', 'favorite_events', '1'),
  pg_temp.event('tiktok', 'open-3', 'video.publish.completed', '1')) \g /dev/null
select is(pg_temp.work(), 'pull_sooner done, pull_sooner done, pull_sooner done, pull_sooner done, pull_sooner done', 'an event of each platform');
select is((select string_agg(format('%s %s', s.provider, s.next_at - s.succeeded_at), ', ' order by s.provider, s.social_account_id) from analytics_private.account_schedules s where s.kind = 'posts' and s.social_account_id in (pg_temp.acc(6), pg_temp.acc(10), pg_temp.acc(11))),
  'google 01:00:00, linkedin 02:00:00, x 06:00:00', 'has the pause of its quota');
select ok((select s.next_at <= clock_timestamp() from analytics_private.account_schedules s where s.kind = 'posts' and s.social_account_id = pg_temp.acc(3)), 'five minutes where there is no other');

-- The end of an access ---------------------------------------------------------------------------------------------------

select pg_temp.store(pg_temp.event('tiktok', 'open-3', 'authorization.removed', '{"content": "{\"reason\": 2 }"}', '2 days')) \g /dev/null
select is(pg_temp.work(), 'end_access done, end_access done', 'what was told late');
select is(array[(pg_temp.account(3)).status, (pg_temp.account(4)).status]::text[], '{active,active}', 'does not end a consent that was given since');
select pg_temp.store(pg_temp.event('tiktok', 'open-3', 'authorization.removed', '{"content": "{\"reason\": 1 }"}', '1 minute')) \g /dev/null
select is(pg_temp.work(), 'end_access done, end_access done', 'a person who disconnects at TikTok');
select is(array[(pg_temp.account(3)).status, (pg_temp.account(3)).status_reason, (pg_temp.account(4)).status]::text[], array['reconnect_required', 'the person has disconnected this service in the TikTok app', 'reconnect_required'], 'ends the access in every workspace');
select is((select count(*) from analytics.notices n where n.social_account_id in (pg_temp.acc(3), pg_temp.acc(4))), 2::bigint, 'and their members are told');
select is((select array[l.metadata ->> 'kind', l.metadata ->> 'provider'] from analytics.audit_logs l where l.action = 'connection.lost' and l.entity_id = pg_temp.acc(3)), '{told,tiktok}', 'on record');
select is(pg_temp.store(pg_temp.event('tiktok', 'open-3', 'video.publish.completed', '{}')) ->> 'unconnected', '1', 'whose access has ended hears no more');
select pg_temp.store(pg_temp.event('x', '63046977', 'user_event.revoke', '{}')) \g /dev/null
select is(pg_temp.work(), 'end_access done', 'so at X');
select is((pg_temp.account(6)).status_reason, 'the person has removed this service from the account on X', 'in words');
-- A person of Meta's: his consent, whatever came by it.
select is(analytics_private.sidecar_store_events(json_build_array(json_build_object('platform', 'facebook', 'provider', 'facebook', 'consent', 'person', 'type', 'deauthorize', 'occurred_at', now(),
  'digest', repeat('ab', 32), 'payload', '{}'::json))) ->> 'stored', '1', 'a person who removes the app at Meta');
select is(pg_temp.work(), 'end_access done', 'leads to a job for each account');
select is((pg_temp.account(5)).status, 'reconnect_required', 'and ends its access');
select is((pg_temp.account(1)).status, 'active', 'another provider''s person of the same name is another one');

-- Deletion ---------------------------------------------------------------------------------------------------------------

insert into analytics.social_accounts (workspace_id, id, platform, platform_user_id, handle, status, disconnected_at, created_by) values (:'shop', pg_temp.acc(8), 'instagram', 'person', 'account8', 'disconnected', now(), :'other');
-- The same person's consent waits for a choice; a choice that was made; a removal that waits for a worker.
insert into analytics.connections (workspace_id, id, user_id, platform, provider, purpose, redirect_to, status, expires_at, finished_at, found)
select :'studio', pg_temp.acc(n), :'owner', 'instagram', 'instagram', 'insights', 'https://app.example', case when n = 31 then 'done' else 'choosing' end, now() + interval '1 hour', case when n = 31 then now() end,
  jsonb_build_array(jsonb_build_object('platform', 'instagram', 'platform_user_id', case when n = 33 then 'another' else '17841400000000001' end, 'handle', 'account1')) from generate_series(31, 33) n;
insert into analytics_private.connection_finds (workspace_id, connection_id, platform, platform_user_id, account_id, consent_key, access_token, token_type, issued_at)
values (:'studio', pg_temp.acc(32), 'instagram', '17841400000000001', pg_temp.acc(1), 'person', 'gAAAAA', 'bearer', now() - interval '1 minute'),
  (:'studio', pg_temp.acc(33), 'instagram', 'another', pg_temp.acc(34), 'person', 'gAAAAA', 'bearer', now() + interval '1 minute');
select analytics_private.enqueue_job('end_access', 'of the person', '{"provider": "instagram", "consent_key": "person"}', run_at => now() + interval '1 day') \g /dev/null
-- Connected by his consent before, and by a colleague's now; by his own, given anew after he asked.
select pg_temp.connect(:'shop', :'other', 12, 'instagram', '12', 'colleague'), pg_temp.connect(:'shop', :'other', 13, 'instagram', '13', 'person') \g /dev/null
insert into analytics_private.oauth_revocations (workspace_id, social_account_id, provider, consent_key, access_token, token_type, issued_at) values (:'shop', pg_temp.acc(12), 'instagram', 'person', 'gAAAAA', 'bearer', now() - interval '2 days');
update analytics_private.oauth_tokens set first_consent_at = now() + interval '1 minute' where social_account_id = pg_temp.acc(13);

select analytics_private.sidecar_request_deletion('instagram', 'person', sha256('request'), now()) ->> 'code' as code \gset
select is(analytics_private.sidecar_request_deletion('instagram', 'person', sha256('request'), now()) ->> 'code', :'code', 'the same request has the same code');
select is(analytics_private.sidecar_request_deletion('instagram', 'person', sha256('old'), now() - interval '8 days') ->> 'code', null, 'an old one none');
select is(analytics_private.sidecar_deletion_status(:'code') ->> 'status', 'received', 'whoever asked is shown that it was received');
update analytics_private.jobs set state = 'dead', finished_at = now() where key = :'code';
select is(analytics_private.sidecar_deletion_status(:'code') ->> 'status', 'failed', 'or that it was given up');
select is(analytics_private.sidecar_request_deletion('instagram', 'person', sha256('request'), now()) ->> 'code', :'code', 'who asks again');
select is((select string_agg(j.state, ' ') from analytics_private.jobs j where j.key = :'code'), 'queued', 'begins it anew');
select is(pg_temp.work(), 'delete_on_request queued', 'what waits for a choice goes first');
select is((select string_agg(c.status || ' ' || (c.found = '[]')::text, ', ' order by c.id) from analytics.connections c where c.id in (pg_temp.acc(32), pg_temp.acc(33))), 'failed true, choosing false', 'but for a consent that was given since');
select is((select count(*) from analytics_private.connection_finds f where f.workspace_id = :'studio'), 1::bigint, 'with its tokens');
select is(pg_temp.work(), 'delete_on_request queued', 'then an account');
select is((select array_agg(a.status order by a.id) from analytics.social_accounts a where a.id in (pg_temp.acc(1), pg_temp.acc(8)))::text[], '{disconnected,disconnected}', 'is disconnected, so that no delivery waits for it');
select is((select array[j.attempt::text, j.state] from analytics_private.jobs j where j.key = :'code'), '{0,queued}', 'each step is a transaction, and no attempt');
-- A step that takes longer than the lease.
select lease_token from analytics_private.claim_jobs('a test', array['delete_on_request'], 1, 1) \gset
create function pg_temp.slowly() returns trigger language plpgsql as $$ begin perform pg_sleep(1.1); return null; end $$;
create trigger slowly after delete on analytics.social_accounts for each statement execute function pg_temp.slowly();
select is(analytics_private.sidecar_handle_event(:'lease_token') ->> 'state', 'queued', 'a step that outlasts its lease is done all the same');
drop trigger slowly on analytics.social_accounts;
select is(pg_temp.work_off(), 3, 'and so is the rest, step by step');
select is(analytics_private.sidecar_deletion_status(:'code') ->> 'status', 'done', 'and that is shown');
select is((select count(*) from analytics.social_accounts a where a.id in (pg_temp.acc(1), pg_temp.acc(8))), 0::bigint, 'the account is gone, and one that was disconnected before');
select is((select count(*) from analytics.events e where e.social_account_id = pg_temp.acc(1)), 0::bigint, 'with its events');
select is((select count(*) from analytics.social_accounts a where a.id in (pg_temp.acc(2), pg_temp.acc(7))), 2::bigint, 'those of others stay');
select is((pg_temp.account(12)).status, 'active', 'one that is connected by another''s consent too');
select is((pg_temp.account(13)).status, 'active', 'and what he has consented to since');
select is((select array[r.consent_key::text, r.accounts::text] from analytics_private.deletion_requests r where r.code = :'code'), array[null, '2']::text[], 'who asked is forgotten');
select is((select count(*) from analytics_private.jobs j where j.kind = 'end_access'), 0::bigint, 'by the jobs');
select is((select c.found from analytics.connections c where c.id = pg_temp.acc(31)), '[]', 'by the connections');
select is((select count(*) from analytics.audit_logs l join analytics.audit_personal p on p.record_id = l.id where l.entity_id in (pg_temp.acc(1), pg_temp.acc(8))), 0::bigint, 'by the audit');
select is((select count(*) from analytics.audit_logs l where l.action in ('deletion.requested', 'deletion.done', 'account.deleted_on_request')), 4::bigint, 'on record');
select is((select count(*) from analytics.audit_logs l where l.action = 'audit.erased' and l.entity_id in (pg_temp.acc(1), pg_temp.acc(8))), 2::bigint, 'each of which is one');
select is((analytics_private.sidecar_request_deletion('instagram', 'person', sha256('request'), now() - interval '1 year')) ->> 'code', :'code', 'asked again later it is the same');
select is(analytics_private.sidecar_deletion_status('no such code'), null, 'an unknown code has no status');

-- A job that is none of these, and a lease that has ended ----------------------------------------------------------------

select analytics_private.enqueue_job('instagram_profile', 'someone', '{"username": "someone"}') \g /dev/null
select lease_token from analytics_private.claim_jobs('a test', array['instagram_profile'], 1, 60) \gset
select is(pg_temp.error_of(format('select analytics_private.sidecar_handle_event(%L)', :'lease_token')) ->> 'state', 'PT400', 'other jobs are refused');
select is(pg_temp.error_of('select analytics_private.sidecar_handle_event(gen_random_uuid())') ->> 'state', 'PT409', 'and leases that nobody has');

select ok((select p.proconfig @> '{lock_timeout=1s}' from pg_proc p where p.oid = 'analytics_private.sidecar_store_events(json)'::regprocedure), 'a delivery does not wait long for an account that somebody holds');

-- Upkeep -----------------------------------------------------------------------------------------------------------------

update analytics_private.event_digests set received_at = now() - interval '8 days' where social_account_id = pg_temp.acc(2);
select is(analytics_private.purge_events(3), 3::bigint, 'what was delivered is forgotten after a time, bounded');
select ok(analytics_private.purge_events(100) > 0, 'the rest');
select is((select count(*) from analytics_private.event_digests d where d.social_account_id = pg_temp.acc(2)), 0::bigint, 'comes next');
insert into analytics.events (workspace_id, social_account_id, platform, type, payload, received_at) values (:'shop', pg_temp.acc(2), 'instagram', 'old', '1', now() - interval '5 months');
select ok(analytics_private.ensure_partitions() > 0, 'a month of the past has its partition');
select ok((analytics_private.maintain() ->> 'partitions_dropped')::integer > 0, 'which is dropped after its time');
select is((select count(*) from analytics.events e where e.type = 'old'), 0::bigint, 'with what it held');
select ok((select count(*) > 0 from analytics.events e where e.workspace_id = :'shop'), 'and nothing else');
select pg_temp.store(pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"from": {"username": "ann.example"}}}')) \g /dev/null
select is((analytics_private.erase_person('ann.example', 'case 1') ->> 'events')::integer, 1, 'events go with a person who is removed');
select is(pg_temp.store(
    pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"from": {"username": "Ann.Example"}}}'),
    pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"text": "ask @ann.example."}}'),
    pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"from": {"username": "\u0061nn.example"}}}'),
    pg_temp.event('instagram', '17841400000000001', 'comments', '{"value": {"text": "ann.example2"}}')),
  '{"stored": 1, "duplicate": 0, "outdated": 0, "unconnected": 0, "removed": 3}', 'and do not bring him back');

select analytics_private.erase_follower('linkedin', null, 'case 2', 'AbC-9_x') \g /dev/null
select is(pg_temp.store(pg_temp.event('linkedin', '96072893', 'COMMENT', '{"actor": "AbC-9_x"}'), pg_temp.event('linkedin', '96072893', 'COMMENT', '{"actor": "AbC-9_y"}')) -> 'removed', '1', 'by an id neither, whatever its characters');

-- Upkeep does not stop at one batch.
insert into analytics_private.jobs (kind, key, payload, state, max_attempts, finished_at) select 'end_access', n::text, '{}', 'done', 1, now() - interval '1 year' from generate_series(1, 10001) n;
insert into analytics_private.event_digests (workspace_id, social_account_id, digest, received_at) select :'shop', pg_temp.acc(2), sha256(n::text::bytea), now() - interval '1 year' from generate_series(1, 50001) n;
select analytics_private.maintain() as report \gset
select is(array[:'report'::jsonb ->> 'jobs', :'report'::jsonb ->> 'event_digests'], '{10001,50001}', 'upkeep deletes until there is nothing left');

select * from finish();
rollback;
