-- Unlocking, favourites, refreshing.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob \gset
select pg_temp.personal_workspace(:'ada') as adas, pg_temp.personal_workspace(:'bob') as bobs \gset
select pg_temp.put_plan(:'ada', 'premium'), pg_temp.put_plan(:'bob', 'premium') \g /dev/null
create function pg_temp.jobs() returns text language sql stable as $$
  select string_agg(kind || ' ' || key || ' ' || state, ', ' order by key, id) from analytics_private.jobs
$$;
create function pg_temp.windows(who uuid) returns bigint language sql stable as $$ select count(*) from analytics.user_profile_access where user_id = who $$;
-- One call as a user; what it answers, or its error.
create function pg_temp.call(who uuid, statement text) returns jsonb language plpgsql as $$
declare
  answer jsonb;
  state text;
begin
  perform pg_temp.act_as(who);
  begin
    execute 'select to_jsonb(v) from (' || statement || ') as s (v)' into answer;
  exception when others then
    get stacked diagnostics state = returned_sqlstate;
    answer := jsonb_build_object('error', state);
  end;
  perform pg_temp.act_as_superuser();
  return answer;
end
$$;
create function pg_temp.unlock(who uuid, name text, workspace uuid default null) returns jsonb language sql as $$
  select pg_temp.call(who, format('select analytics.unlock_profile(%L, %L)', name, workspace))
$$;

-- A profile that is not there yet ----------------------------------------------------------------------------------------

select pg_temp.unlock(:'ada', 'nasa') as answer \gset
select is(:'answer'::jsonb - 'profile_id' - 'window', '{"username": "nasa", "state": "pending", "reason": null, "opened": true, "stale": true, "captured_at": null}'::jsonb, 'an unlock of an unknown profile is pending');
select is((:'answer'::jsonb #>> '{window,to}')::timestamptz - (:'answer'::jsonb #>> '{window,from}')::timestamptz, interval '30 days', 'and its window is 30 days long');
select ok(clock_timestamp() - (:'answer'::jsonb #>> '{window,from}')::timestamptz between interval '0' and interval '1 minute', 'from now on');
select is(pg_temp.jobs(), 'instagram_profile nasa queued', 'and has it fetched');
select results_eq('select user_id, workspace_id, granted_at, expires_at from analytics.user_profile_access',
  format('values (%L::uuid, %L::uuid, %L::timestamptz, %L::timestamptz)', :'ada', :'adas', :'answer'::jsonb #>> '{window,from}', :'answer'::jsonb #>> '{window,to}'), 'the stored window is the one told, paid by his own workspace');
select results_eq('select analysis_type::text, instagram_username::text, data_source, success from analytics.user_searches', $$values ('unlock', 'nasa', 'fresh_fetch', true)$$, 'and the search is recorded');
select is((select jsonb_build_array(payload, workspace_id) from analytics_private.jobs), jsonb_build_array('{"username": "nasa"}'::jsonb, :'adas'), 'the job says who pays');

create temp table once as select t as line from pg_temp.contents(array(select pg_temp.tables()), '{}') t;
select is(pg_temp.unlock(:'ada', '@NASA') -> 'opened', 'false'::jsonb, 'unlocking again opens nothing');
select is(pg_temp.unlock(:'ada', 'nasa') -> 'window', :'answer'::jsonb -> 'window', 'and tells the same window');
select bag_eq('select t from pg_temp.contents(array(select pg_temp.tables()), ''{}'') t', 'select line from once', 'and changes nothing');
select pg_temp.unlock(:'bob', 'nasa') ->> 'state' as state \gset
select is(pg_temp.jobs(), 'instagram_profile nasa queued', 'two who want the same are one job');
select is(pg_temp.windows(:'bob'), 1::bigint, 'and have a window each');

-- In one statement of the client: what was unlocked can be read at once.
create function pg_temp.unlock_and_read() returns text language plpgsql as $$
begin
  perform analytics.unlock_profile('at.once');
  return analytics.profile_overview('at.once') ->> 'state' || ' ' || (select count(*) from analytics.profiles where username = 'at.once');
end
$$;
select is(pg_temp.call(:'ada', 'select pg_temp.unlock_and_read()'), '"pending 1"'::jsonb, 'what was unlocked can be read in the same statement');
delete from analytics.profiles where username = 'at.once';
delete from analytics_private.jobs where key = 'at.once';
delete from analytics.user_searches where instagram_username = 'at.once';

-- How a name may be written ------------------------------------------------------------------------------------------------

select is(pg_temp.unlock(:'ada', written) ->> 'username', 'nasa', 'nasa may be written ' || written)
from unnest(array['nasa', 'NASA', '@nasa', '  nasa ', 'https://www.instagram.com/nasa/', 'http://instagram.com/NASA?igsh=abc', 'instagram.com/nasa', 'https://www.instagram.com/nasa/reels/', 'https://instagr.am/_u/nasa']) written;
create temp table malformed (name text);
grant select on malformed to public;
insert into malformed values (''), ('   '), ('@'), ('two words'), ('naïve'), ('a..b'), ('.a'), ('a.'), (repeat('a', 31)), (repeat('a', 10000)), ('https://www.instagram.com/p/abc/'), ('https://evil.example/nasa'), ('explore'),
  (E'na\nsa'), (E'na\x01sa'), ('nasa''; drop table analytics.profiles; --'), ('{"username": "nasa"}'), ('%'), ('nasa%'), ('$1'), (E'nasa\\'), ('../nasa'), (null), ('https://www.instagram.com/'), (repeat('@nasa ', 2000));
create temp table before_malformed as select t as line from pg_temp.contents(array(select pg_temp.tables()), '{}') t;
select is(pg_temp.call(:'ada', format('select analytics.%s', replace(call, '$1', coalesce(quote_literal(name), 'null')))), '{"error": "PT400"}'::jsonb, format('%s of %s is refused', call, coalesce(to_json(left(name, 24))::text, 'null')))
from malformed, unnest(array['unlock_profile($1)', 'profile_overview($1)', 'profile_timeline($1)', 'favorite_profile($1)', 'unfavorite_profile($1)', 'refresh_profile($1)']) call;
select is(pg_temp.call(:'ada', format('select analytics.unlock_profiles(array[%L, ''nasa''])', name)) #>> '{0,reason,code}', 'VALIDATION_ERROR', format('%s among others fails alone', coalesce(to_json(left(name, 24))::text, 'null'))) from malformed;
select bag_eq('select t from pg_temp.contents(array(select pg_temp.tables()), ''{}'') t', 'select line from before_malformed', 'and nothing of all this changes anything');
select pg_temp.act_as(:'ada');
select ok(length(e ->> 'message') < 200 and e ->> 'message' !~ E'[\x01-\x1f]' and e ->> 'hint' <> '' and (e ->> 'detail')::jsonb ->> 'field' = 'username', 'the error for ' || coalesce(to_json(left(name, 24))::text, 'null') || ' is short, printable, names the field and the remedy')
from malformed, pg_temp.error_of(format('select analytics.unlock_profile(%L)', name)) e;
select pg_temp.act_as_superuser();

-- Who may, and who pays --------------------------------------------------------------------------------------------------

select is(pg_temp.unlock(:'ada', 'esa', w), '{"error": "PT404"}'::jsonb, what || ' cannot pay') from (values (:'bobs'::uuid, 'a workspace of others'), (gen_random_uuid(), 'a workspace that does not exist')) as v (w, what);
select pg_temp.act_as(:'ada');
select is(pg_temp.error_of(format('select analytics.unlock_profile(''esa'', %L)', :'bobs')) - 'detail', pg_temp.error_of(format('select analytics.unlock_profile(''esa'', %L)', gen_random_uuid())) - 'detail', 'and the answer is the same for both');
select pg_temp.act_as_superuser();
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'bobs', :'ada', 'analyst');
select is(pg_temp.unlock(:'ada', 'esa', :'bobs') -> 'opened', 'true'::jsonb, 'a workspace one belongs to pays when it is named');
select is((select workspace_id from analytics.user_profile_access a join analytics.profiles p on p.id = a.profile_id where p.username = 'esa'), :'bobs'::uuid, 'and is noted');
select is(pg_temp.windows(:'bob'), 1::bigint, 'the window is the user''s, not the workspace''s');
update analytics.users set default_workspace_id = :'bobs' where id = :'ada';
select pg_temp.unlock(:'ada', 'jaxa') ->> 'state' as state \gset
select is((select workspace_id from analytics.user_profile_access a join analytics.profiles p on p.id = a.profile_id where p.username = 'jaxa'), :'bobs'::uuid, 'without a name the default workspace pays');
update analytics.users set default_workspace_id = :'adas' where id = :'ada';

select pg_temp.act_with('', 'authenticated');
select throws_ok('select analytics.' || call, 'PT401', null, call || ' without a user') from unnest(array['me()', 'unlock_profile(''nasa'')', 'unlock_profiles(array[''nasa''])', 'profile_overview(''nasa'')', 'profile_timeline(''nasa'')',
  'newest_posts()', 'search_profiles(''nasa'')', 'favorite_profile(''nasa'')', 'unfavorite_profile(''nasa'')', 'refresh_profile(''nasa'')', 'require_role(null)']) call;
select pg_temp.act_with('{"role": "anon"}', 'anon');
select throws_ok('select analytics.' || call, 'PT401', null, call || ' as anon') from unnest(array['me()', 'unlock_profile(''nasa'')', 'unlock_profiles(array[''nasa''])', 'profile_overview(''nasa'')', 'profile_timeline(''nasa'')',
  'newest_posts()', 'search_profiles(''nasa'')', 'favorite_profile(''nasa'')', 'unfavorite_profile(''nasa'')', 'refresh_profile(''nasa'')', 'require_role(null)']) call;
select pg_temp.act_with('{"role": "service_role"}', 'service_role');
select is((select count(*) from analytics.my_profiles()), 0::bigint, 'the service role, who is no user, has no profiles of his own');
select pg_temp.act_as_superuser();

-- Fresh, stale, failed ---------------------------------------------------------------------------------------------------

delete from analytics_private.jobs;
select pg_temp.ingest(pg_temp.account('1', 'nasa', 100, array[pg_temp.post(1, '1', 'nasa', now(), 1, 1)])) as nasa \gset
select is(pg_temp.unlock(:'ada', 'nasa') - 'window' - 'profile_id' - 'captured_at', '{"username": "nasa", "state": "ready", "reason": null, "opened": false, "stale": false}'::jsonb, 'once it is captured the profile is ready');
select is(pg_temp.jobs(), null, 'fresh data is served without a fetch');
delete from analytics.user_profile_access where user_id = :'bob';
select is(pg_temp.unlock(:'bob', 'nasa') ->> 'opened', 'true', 'somebody else opens a window on data already fresh');
select is(pg_temp.jobs(), null, 'without a fetch');
select is((select data_source from analytics.user_searches where user_id = :'bob' order by search_timestamp desc limit 1), 'database_cache', 'and that is recorded');
update analytics.profiles set captured_at = now() - interval '24 hours 1 second' where id = :'nasa';
select is(pg_temp.unlock(:'ada', 'nasa') - 'window' - 'profile_id' - 'captured_at', '{"username": "nasa", "state": "ready", "reason": null, "opened": false, "stale": true}'::jsonb, 'data older than the freshness is ready and stale');
select is(pg_temp.jobs(), 'instagram_profile nasa queued', 'and is fetched again');
delete from analytics_private.jobs;
select analytics_private.set_setting('freshness', '2 days') \g /dev/null
select is(pg_temp.unlock(:'ada', 'nasa') -> 'stale', 'false'::jsonb, 'freshness is a setting');
select is(pg_temp.jobs(), null, 'that decides about fetches');
select analytics_private.set_setting('access_window', '1 hour') \g /dev/null
select pg_temp.put_window(:'ada', :'nasa', '-2 days', '-1 microsecond');
select pg_temp.unlock(:'ada', 'nasa') as answer \gset
select is(:'answer'::jsonb -> 'opened', 'true'::jsonb, 'after the end a new window opens');
select is((:'answer'::jsonb #>> '{window,to}')::timestamptz - (:'answer'::jsonb #>> '{window,from}')::timestamptz, interval '1 hour', 'as long as the setting says');
select is((select count(*) from analytics.user_profile_access where user_id = :'ada' and profile_id = :'nasa'), 1::bigint, 'in the place of the old one');
select analytics_private.set_setting('access_window', '30 days'), analytics_private.set_setting('freshness', '24 hours') \g /dev/null

-- Ends a fetch of this name with a failure, as the queue does.
create function pg_temp.fail_fetch(name text, code text) returns void language plpgsql as $$
declare
  lease uuid;
begin
  select c.lease_token into strict lease from analytics_private.claim_jobs('tests', array['instagram_profile'], 1000, 60) c where c.payload ->> 'username' = name;
  perform analytics_private.fail_job(lease, code, 'Instagram says no', true);
  delete from analytics_private.jobs;
end
$$;
delete from analytics_private.jobs;
select pg_temp.unlock(:'ada', 'ghost') ->> 'state' as state \gset
select pg_temp.fail_fetch('ghost', 'NOT_FOUND');
select is((select count(*) from analytics.user_profile_access a join analytics.profiles p on p.id = a.profile_id where p.username = 'ghost'), 0::bigint, 'a profile that cannot be fetched leaves no window open');
select pg_temp.unlock(:'ada', 'ghost') as answer \gset
select is(:'answer'::jsonb #- '{reason,retry_at}' #- '{profile_id}', '{"username": "ghost", "state": "failed", "reason": {"code": "NOT_FOUND", "message": "Instagram says no"}, "window": null, "opened": false, "stale": false, "captured_at": null}'::jsonb, 'a failure is remembered, with its reason');
select is(pg_temp.jobs(), null, 'and not tried again');
select is((select count(*) from analytics.user_profile_access a join analytics.profiles p on p.id = a.profile_id where p.username = 'ghost'), 0::bigint, 'and opens nothing');
update analytics.profiles set failed_at = now() - interval '1 hour 1 second' where username = 'ghost';
select is(pg_temp.unlock(:'ada', 'ghost') ->> 'state', 'pending', 'after an hour it is tried again');
select is(pg_temp.jobs(), 'instagram_profile ghost queued', 'with a new job');
select pg_temp.ingest(pg_temp.account('2', 'ghost', 1)) as ghost \gset
select is(pg_temp.unlock(:'ada', 'ghost') ->> 'state', 'ready', 'a success is the end of the failure');
delete from analytics_private.jobs;
update analytics.profiles set captured_at = now() - interval '10 days' where username = 'nasa';
select pg_temp.unlock(:'ada', 'nasa') ->> 'state' as state \gset
select pg_temp.fail_fetch('nasa', 'SERVICE_UNAVAILABLE');
select is(pg_temp.unlock(:'ada', 'nasa') ->> 'state', 'ready', 'a known profile whose fetch fails stays readable');
select is(pg_temp.jobs(), null, 'and the failed fetch is not repeated at every call');
select is(pg_temp.call(:'ada', 'select analytics.profile_overview(''nasa'')') #>> '{reason,code}', 'SERVICE_UNAVAILABLE', 'the overview tells why it is old');

-- An answer about another account than the one asked for.
delete from analytics_private.jobs;
select pg_temp.unlock(:'ada', 'asked.for') ->> 'profile_id' as stub \gset
select lease_token as lease from analytics_private.claim_jobs('tests', array['instagram_profile'], 10, 60) \gset
select is(analytics_private.complete_job(:'lease', pg_temp.account('3', 'answered.with', 33)) ->> 'state', 'queued', 'an answer about another account is a failed attempt');
select is((select count(*) from analytics.profiles where username = 'answered.with'), 0::bigint, 'and is not stored');
select is(pg_temp.unlock(:'ada', 'asked.for') ->> 'state', 'pending', 'the wish stays open');
delete from analytics_private.jobs;

-- Several at once ----------------------------------------------------------------------------------------------------------

delete from analytics_private.jobs;
select pg_temp.call(:'bob', $$select analytics.unlock_profiles(array['zebra', 'not a name', 'alpha', '@Zebra', 'nasa', 'https://instagram.com/alpha', '', 'not a name'])$$) as answer \gset
select is((select jsonb_agg(jsonb_build_array(x -> 'username', x -> 'state')) from jsonb_array_elements(:'answer'::jsonb) x),
  '[["zebra", "pending"], [null, "failed"], ["alpha", "pending"], ["nasa", "ready"], [null, "failed"], [null, "failed"]]'::jsonb, 'answers come in the order of the names, doubles once, bad ones do not stop the others');
select is(pg_temp.windows(:'bob'), 3::bigint, 'each good name has its window');
select is(pg_temp.call(:'bob', 'select analytics.unlock_profiles(' || names || ')'), '{"error": "PT400"}'::jsonb, what || ' are refused')
from (values ('''{}''', 'no names'), ('null', 'null names'), ('array_fill(''nasa''::text, array[101])', '101 names')) as v (names, what);
select is(jsonb_array_length(pg_temp.call(:'bob', 'select analytics.unlock_profiles(array(select ''n'' || i from generate_series(1, 100) i))')), 100, '100 names are taken');
select is(pg_temp.call(:'bob', format('select analytics.unlock_profiles(array[''nasa''], %L)', gen_random_uuid())), '{"error": "PT404"}'::jsonb, 'a workspace that does not exist pays for none');

-- Many at once are opened together where all are fetched and the quota pays, with the same result as one after the other: of
-- two users in the same state one calls once, the other name by name.
delete from analytics_private.jobs;
select pg_temp.sign_up('dora@example.com') as dora, pg_temp.sign_up('erik@example.com') as erik \gset
select pg_temp.personal_workspace(:'dora') as doras, pg_temp.personal_workspace(:'erik') as eriks \gset
select pg_temp.put_plan(:'dora', 'premium'), pg_temp.put_plan(:'erik', 'premium') \g /dev/null
insert into analytics.profiles (username, instagram_user_id, captured_at, failed_at, failure_code, failure_message)
values ('set.fresh', '9001', now(), null, null, null), ('set.open', '9002', now(), null, null, null), ('set.ended', '9003', now(), null, null, null),
  ('set.stale', '9004', now() - interval '9 days', null, null, null), ('set.failing', '9005', now() - interval '9 days', now(), 'EXTERNAL_API_ERROR', 'blocked');
insert into analytics.user_profile_access (user_id, profile_id, workspace_id, granted_at, expires_at)
select u.id, p.id, u.default_workspace_id, now() - w.since, now() - w.since + interval '30 days'
from analytics.users u, analytics.profiles p join (values ('set.open', interval '1 day'), ('set.ended', interval '31 days')) w (name, since) on w.name = p.username
where u.id in (:'dora', :'erik');
create function pg_temp.outcome(who uuid) returns jsonb language sql stable as $$
  select jsonb_build_object(
    'windows', (select jsonb_agg(jsonb_build_array(p.username, a.workspace_id = u.default_workspace_id, a.granted_at, a.expires_at, a.payment, a.payment_period, a.credit_transaction_id) order by p.username)
      from analytics.user_profile_access a join analytics.profiles p on p.id = a.profile_id where a.user_id = u.id),
    'searches', (select jsonb_agg(jsonb_build_array(s.analysis_type, s.instagram_username, s.data_source, s.success, s.profile_id) order by s.instagram_username) from analytics.user_searches s where s.user_id = u.id),
    'audit', (select jsonb_agg(jsonb_build_array(l.action, l.entity_type, l.entity_id, l.metadata) order by l.entity_id) from analytics.audit_logs l where l.workspace_id = u.default_workspace_id and l.action = 'profile.unlocked'),
    'used', (select q.used from analytics.quota_counters q where q.workspace_id = u.default_workspace_id and q.resource = 'profile_unlocks'))
  from analytics.users u where u.id = outcome.who
$$;
select pg_temp.call(:'dora', $$select analytics.unlock_profiles(array['set.stale', 'set.open', 'set.fresh', 'set.failing', 'set.ended'])$$) as together,
  (select jsonb_agg(pg_temp.unlock(:'erik', n)) from unnest(array['set.stale', 'set.open', 'set.fresh', 'set.failing', 'set.ended']) n) as singly \gset
select is(:'together'::jsonb, :'singly'::jsonb, 'many at once are answered as one by one');
select is((select jsonb_agg(jsonb_build_array(x -> 'opened', x -> 'stale')) from jsonb_array_elements(:'together'::jsonb) x), '[[true, true], [false, false], [true, false], [true, true], [true, false]]'::jsonb, 'each by its own state');
select is(pg_temp.outcome(:'dora'), pg_temp.outcome(:'erik'), 'with the same windows, records and units');
select is(pg_temp.outcome(:'dora') -> 'used', '4'::jsonb, 'a unit for each that opened');
select is(pg_temp.jobs(), 'instagram_profile set.stale queued', 'what is stale is fetched once, what failed lately is not');
select is(pg_temp.call(:'dora', $$select jsonb_path_query_array(analytics.unlock_profiles(array['set.stale', 'set.fresh']), '$.opened')$$), '[false, false]'::jsonb, 'again, nothing opens');
select is(pg_temp.outcome(:'dora') -> 'used', '4'::jsonb, 'for nothing');

-- A workspace does not take the queue for itself.
delete from analytics_private.jobs;
select analytics_private.set_setting('open_jobs_per_workspace', '3') \g /dev/null
select is(pg_temp.call(:'bob', 'select jsonb_array_length(analytics.unlock_profiles(array[''r1'', ''r2'', ''r3'', ''r4'', ''r5'', ''r6'']))'), '{"error": "PT429"}'::jsonb, 'more fetches than a workspace may have waiting are RATE_LIMITED');
select is((select count(*) from analytics_private.jobs), 0::bigint, 'and none of them is taken');
select is((select count(*) from analytics.profiles where username = 'r1'), 0::bigint, 'nor is anything else left behind');
select is(pg_temp.call(:'bob', 'select jsonb_array_length(analytics.unlock_profiles(array[''r1'', ''r2'']))'), '2'::jsonb, 'fewer are');
select is(pg_temp.call(:'bob', 'select analytics.unlock_profile(''r1'') -> ''opened'''), 'false'::jsonb, 'asking again for the same counts once');
select is(pg_temp.call(:'ada', 'select analytics.unlock_profile(''r9'') ->> ''state'''), '"pending"'::jsonb, 'another workspace is not held up');
select analytics_private.set_setting('open_jobs_per_workspace', '500') \g /dev/null

-- People who were removed --------------------------------------------------------------------------------------------------

select analytics_private.erase_person('removed.one', 'case 1') \g /dev/null
select is(pg_temp.unlock(:'ada', 'Removed.One') - 'profile_id', '{"username": "removed.one", "state": "failed", "reason": {"code": "FORBIDDEN", "message": "this person was removed on request"}, "window": null, "opened": false, "stale": false, "captured_at": null}'::jsonb, 'a removed person cannot be unlocked');
select is((select count(*) from analytics.profiles where username = 'removed.one'), 0::bigint, 'nor comes back as a name');

-- Favourites ---------------------------------------------------------------------------------------------------------------

select is(pg_temp.call(:'ada', 'select analytics.favorite_profile(''nasa'', ''a note'', array[''space''])') - 'added_at', jsonb_build_object('profile_id', :'nasa', 'notes', 'a note', 'tags', '["space"]'::jsonb), 'an unlocked profile can be saved');
select is(pg_temp.call(:'ada', 'select analytics.favorite_profile(''nasa'', tags => ''{}'')') ->> 'notes', 'a note', 'what is not given stays');
select is(pg_temp.call(:'ada', 'select analytics.favorite_profile(''nasa'')') -> 'tags', '[]'::jsonb, 'what was emptied stays empty');
select is(pg_temp.call(:'ada', format('select analytics.favorite_profile(''nasa'', %s, %s)', notes, tags)), '{"error": "PT400"}'::jsonb, format('notes %s and tags %s are refused', left(notes, 20), left(tags, 20)))
from (values ('repeat(''x'', 5001)', 'null'), ('null', 'array_fill(''t''::text, array[51])'), ('null', 'array[null]::text[]'), ('null', 'array['''']'), ('null', 'array[repeat(''x'', 101)]')) as v (notes, tags);
select is(pg_temp.call(:'ada', 'select analytics.favorite_profile(''never.seen'')'), '{"error": "PT404"}'::jsonb, 'a profile that is not unlocked cannot be saved');
select is(pg_temp.call(:'ada', 'select analytics.unfavorite_profile(''nasa'')'), 'true'::jsonb, 'a favourite can be taken away');
select is(pg_temp.call(:'ada', 'select analytics.unfavorite_profile(''nasa'')'), 'false'::jsonb, 'once');

-- Refreshing -----------------------------------------------------------------------------------------------------------------

delete from analytics_private.jobs;
update analytics.profiles set captured_at = now(), failed_at = null, failure_code = null where id = :'nasa';
select is(pg_temp.call(:'ada', 'select analytics.refresh_profile(''nasa'')') -> 'refreshing', 'false'::jsonb, 'fresh data is not fetched again');
select is(pg_temp.jobs(), null, 'not even when asked to');
update analytics.profiles set captured_at = now() - interval '2 days' where id = :'nasa';
select is(pg_temp.call(:'ada', 'select analytics.refresh_profile(''@NASA'')') -> 'refreshing', 'true'::jsonb, 'stale data is');
select is(pg_temp.jobs(), 'instagram_profile nasa queued', 'by one job');
select is(pg_temp.call(:'ada', 'select analytics.refresh_profile(''nasa'')') -> 'refreshing', 'true'::jsonb, 'however often it is asked for');
select is(pg_temp.jobs(), 'instagram_profile nasa queued', 'still one job');
select is((select count(*) from analytics.user_profile_access where profile_id = :'nasa'), 2::bigint, 'nobody''s access is touched by it');
select is((select count(*) from analytics.profile_posts where profile_id = :'nasa'), 1::bigint, 'nor any data');

-- Paying -----------------------------------------------------------------------------------------------------------------

select pg_temp.sign_up('carl@example.com') as carl \gset
select pg_temp.personal_workspace(:'carl') as carls \gset
delete from analytics_private.jobs;
create function pg_temp.used(workspace uuid) returns bigint language sql volatile as $$
  select coalesce((select used from analytics.quota_counters where workspace_id = workspace and resource = 'profile_unlocks'), 0)
$$;
create function pg_temp.balance(workspace uuid) returns bigint language sql volatile as $$
  select coalesce((select balance from analytics.credit_balances where workspace_id = workspace), 0)
$$;
create function pg_temp.paid(who uuid, name text) returns text language sql volatile as $$
  select a.payment from analytics.user_profile_access a join analytics.profiles p on p.id = a.profile_id where a.user_id = who and p.username = name
$$;
select is((select count(*) from generate_series(1, 5) i where pg_temp.unlock(:'carl', 'paid' || i) -> 'opened' = 'true'), 5::bigint, 'the free plan opens five windows');
select is(pg_temp.used(:'carls'), 5::bigint, 'each takes a unit');
select is(pg_temp.paid(:'carl', 'paid1'), 'quota', 'and is noted as paid by it');
select is(pg_temp.unlock(:'carl', 'paid1') -> 'opened', 'false'::jsonb, 'an open window is answered');
select is(pg_temp.used(:'carls'), 5::bigint, 'for nothing');
create temp table before_refusal as select t as line from pg_temp.contents(array(select pg_temp.tables()), '{}') t;
select is(pg_temp.unlock(:'carl', 'paid6'), '{"error": "PT402"}'::jsonb, 'the sixth is refused');
select bag_eq('select t from pg_temp.contents(array(select pg_temp.tables()), ''{}'') t', 'select line from before_refusal', 'and leaves nothing behind');
select pg_temp.act_as(:'carl');
select (pg_temp.error_of('select analytics.unlock_profile(''paid6'')') ->> 'detail')::jsonb as detail \gset
select is(:'detail'::jsonb - 'request_id' - 'resets_at', '{"code": "PAYMENT_REQUIRED", "resource": "profile_unlocks", "limit": 5, "used": 5, "price": 25, "balance": 0}'::jsonb, 'saying what is left to pay with');
select is((:'detail'::jsonb ->> 'resets_at')::timestamptz, (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC', 'and when there is more');
select pg_temp.act_as_superuser();

select analytics_private.grant_credits(:'carls', 60) \g /dev/null
select is(pg_temp.unlock(:'carl', 'paid6') -> 'opened', 'true'::jsonb, 'then credits pay');
select is(pg_temp.balance(:'carls'), 35::bigint, 'the price of an unlock');
select is(pg_temp.paid(:'carl', 'paid6'), 'credits', 'and the window says so');
select results_eq($$select t.action::text, e.amount, t.created_by from analytics.user_profile_access a
    join analytics.credit_transactions t on (t.workspace_id, t.id, t.reference) = (a.workspace_id, a.credit_transaction_id, a.id)
    join analytics.credit_entries e on (e.workspace_id, e.transaction_id, e.account) = (t.workspace_id, t.id, 'usage')$$,
  format('values (''unlock_profile'', 25::bigint, %L::uuid)', :'carl'), 'with the transaction that names the window and the user');
select is(pg_temp.used(:'carls'), 5::bigint, 'the quota is never exceeded');
select pg_temp.call(:'carl', 'select analytics.unlock_profiles(array[''zulu'', ''paid1'', ''yankee'', ''not a name''])') as answer \gset
select is((select jsonb_agg(jsonb_build_array(x -> 'username', x -> 'state', x -> 'opened', x #> '{reason,code}')) from jsonb_array_elements(:'answer'::jsonb) x),
  '[["zulu", "pending", true, null], ["paid1", "pending", false, null], ["yankee", "failed", false, "PAYMENT_REQUIRED"], [null, "failed", false, "VALIDATION_ERROR"]]'::jsonb,
  'of several names the first ones are paid, the others are told');
select is(:'answer'::jsonb #> '{2,reason}' ->> 'balance', '10', 'with what is left');
select is(pg_temp.jobs() ~ 'zulu' and pg_temp.jobs() !~ 'yankee', true, 'what was not paid is not fetched');

-- A fetch that fails for good gives back what was taken, once.
select pg_temp.act_as_superuser();
create function pg_temp.give_up(name text) returns void language plpgsql as $$
declare
  lease uuid;
begin
  select c.lease_token into strict lease from analytics_private.claim_jobs('tests', array['instagram_profile'], 1000, 60) c where c.payload ->> 'username' = name;
  perform analytics_private.fail_job(lease, 'NOT_FOUND', 'Instagram says no', true);
  perform analytics_private.release_jobs(array(select j.lease_token from analytics_private.jobs j where j.state = 'running'));
end
$$;
select pg_temp.give_up('zulu');
select is(pg_temp.balance(:'carls'), 35::bigint, 'credits come back');
select pg_temp.give_up('paid1');
select is(pg_temp.used(:'carls'), 4::bigint, 'so does a unit');
select analytics_private.requeue_job((select id from analytics_private.jobs where key = 'paid1')) \g /dev/null
select pg_temp.give_up('paid1');
select is(pg_temp.used(:'carls'), 4::bigint, 'once');
select is(pg_temp.unlock(:'carl', 'paid1') ->> 'state', 'failed', 'the failure is remembered');
select is(pg_temp.used(:'carls'), 4::bigint, 'and costs nothing');
select pg_temp.unlock(:'carl', 'paid7') ->> 'state' as state \gset
select is(pg_temp.paid(:'carl', 'paid7'), 'quota', 'the unit that came back pays before credits do');
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'carls', :'bob', 'analyst');
select pg_temp.unlock(:'bob', 'paid7', :'carls') ->> 'state' as state \gset
select is((pg_temp.balance(:'carls'), pg_temp.used(:'carls')), (10::bigint, 5::bigint), 'each user''s window is paid');
select pg_temp.give_up('paid7');
select is((pg_temp.balance(:'carls'), pg_temp.used(:'carls')), (35::bigint, 4::bigint), 'and given back as it was paid');
select pg_temp.ingest(pg_temp.account('71', 'paid2', 1)) as paid2 \gset
update analytics.profiles set captured_at = now() - interval '2 days' where id = :'paid2';
update analytics_private.jobs set state = 'cancelled', finished_at = now() where key = 'paid2' and state = 'queued';
select pg_temp.unlock(:'carl', 'paid2') ->> 'state' as state \gset
select pg_temp.give_up('paid2');
select is((pg_temp.paid(:'carl', 'paid2'), pg_temp.used(:'carls')), ('quota'::text, 4::bigint), 'what was delivered before stays open and paid when a later fetch fails');

-- After its end a window is paid anew.
update analytics.user_profile_access set granted_at = now() - interval '31 days', expires_at = now() - interval '1 day' where user_id = :'carl' and profile_id = :'paid2';
select is(pg_temp.unlock(:'carl', 'paid2') -> 'opened', 'true'::jsonb, 'after its end a window opens again');
select is(pg_temp.used(:'carls'), 5::bigint, 'for a unit');
update analytics.user_profile_access set granted_at = now() - interval '31 days', expires_at = now() - interval '1 day' where user_id = :'carl' and profile_id = :'paid2';
select is(pg_temp.unlock(:'carl', 'paid2') -> 'opened', 'true'::jsonb, 'or again');
select is((pg_temp.paid(:'carl', 'paid2'), pg_temp.balance(:'carls')), ('credits'::text, 10::bigint), 'for credits');
select is((select t.reference from analytics.credit_transactions t join analytics.user_profile_access a on (a.workspace_id, a.credit_transaction_id) = (t.workspace_id, t.id) where a.profile_id = :'paid2'),
  (select id from analytics.user_profile_access where user_id = :'carl' and profile_id = :'paid2'), 'whose transaction names that window');
select analytics_private.set_credit_price('unlock_profile', null) \g /dev/null
select analytics_private.grant_credits(:'carls', 1000) \g /dev/null
select is(pg_temp.unlock(:'carl', 'paid8'), '{"error": "PT402"}'::jsonb, 'an unlock without a price is not sold for credits');
select analytics_private.set_credit_price('unlock_profile', 25) \g /dev/null
select is_empty('select * from analytics_private.check_ledger()', 'the ledger balances through all this');

-- Two names that turn out to be one account: the later end, and the price of one of them comes back.
select pg_temp.unlock(:'carl', 'name.one') ->> 'profile_id' as one, pg_temp.unlock(:'carl', 'name.two') ->> 'profile_id' as two \gset
select pg_temp.balance(:'carls') as balance, (select expires_at from analytics.user_profile_access where user_id = :'carl' and profile_id = :'two') as later_end \gset
update analytics.user_profile_access set expires_at = expires_at - interval '1 day' where profile_id = :'one';
select analytics_private.merge_profiles(:'two', :'one') \g /dev/null
select is((select a.expires_at from analytics.user_profile_access a where a.user_id = :'carl' and a.profile_id = :'one'), :'later_end'::timestamptz, 'of two windows that become one the later end holds');
select is(pg_temp.paid(:'carl', 'name.one'), 'credits', 'it keeps its payment');
select is(pg_temp.balance(:'carls'), :balance + 25::bigint, 'and the other is given back');

select * from finish();
rollback;
