-- Posts: who may do what, the legal moves, and a quota that no way of writing gets round.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('ed@example.com') as editor, pg_temp.sign_up('ana@example.com') as analyst, pg_temp.sign_up('sam@example.com') as stranger \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'stranger') as elsewhere \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'editor', 'editor'), (:'studio', :'analyst', 'analyst');
update analytics.users set default_workspace_id = :'studio' where id in (:'editor', :'analyst');
-- Their periods end neither today nor while this runs.
insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at) select w.id, 'free', 'active', now() - interval '5 days' from analytics.workspaces w;

create function pg_temp.used(workspace uuid) returns bigint language sql volatile as $$
  select s.used from analytics_private.quota_state(workspace, 'posts', clock_timestamp()) s
$$;
-- The units that must be used: posts that wait for their time, or were sent.
create function pg_temp.owed(workspace uuid) returns bigint language sql volatile as $$
  select count(*) from analytics.posts p where p.workspace_id = workspace and (p.status = 'scheduled' and p.deleted_at is null or p.sending_began_at is not null)
$$;
create function pg_temp.clear() returns void language sql as $$
  delete from analytics.posts;
  delete from analytics.quota_counters;
$$;
create function pg_temp.state_of(statement text) returns text language sql as $$ select coalesce(pg_temp.error_of(statement) ->> 'state', 'fine') $$;
\set tomorrow 'now() + interval \'1 day\''

-- A story ------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select analytics.create_post(name => 'Spring', universal_content => 'The first flowers', platforms => '["instagram"]', topic => 'flowers') as post \gset
select is(:'post'::jsonb - '{id,created_at,updated_at}'::text[], jsonb_build_object('workspace_id', :'studio', 'created_by', :'editor', 'name', 'Spring', 'topic', 'flowers', 'content_mode', 'universal', 'universal_content', 'The first flowers',
  'universal_metadata', '{}'::jsonb, 'platform_content', '{}'::jsonb, 'platforms', '["instagram"]'::jsonb, 'status', 'draft', 'scheduled_at', null, 'schedule_date', null, 'sending_began_at', null, 'published_at', null, 'publish_job_id', null,
  'publish_results', '{}'::jsonb, 'failure_reason', null, 'engagement_score', null, 'engagement_suggestions', null), 'an editor writes a draft');
select :'post'::jsonb ->> 'id' as id \gset
select is(analytics.quotas() #> '{posts,used}', '0', 'which takes nothing of the quota');
select is(analytics.update_post(:'id', universal_content => 'The flowers are here') ->> 'universal_content', 'The flowers are here', 'he changes it');
select is(analytics.update_post(:'id') - 'updated_at', analytics.update_post(:'id', name => 'Spring') - 'updated_at', 'what is null stays');
select analytics.schedule_post(:'id', schedule_date => now() + interval '1 day') as post \gset
select is((:'post'::jsonb ->> 'schedule_date')::timestamptz, now() + interval '1 day', 'he schedules it, by the one name of the time');
select is(:'post'::jsonb -> 'scheduled_at', :'post'::jsonb -> 'schedule_date', 'or by the other');
select is(analytics.quotas() #> '{posts,used}', '1', 'which takes a unit');
select analytics.schedule_post(:'id', now() + interval '2 days') ->> 'status' as status \gset
select is(analytics.quotas() #> '{posts,used}', '1', 'moving it takes none');
select is(analytics.cancel_post(:'id') ->> 'status', 'draft', 'cancelling makes it a draft again');
select is(analytics.quotas() #> '{posts,used}', '0', 'and gives the unit back');
select is(pg_temp.state_of(format('select analytics.cancel_post(%L)', :'id')), 'PT409', 'a draft cannot be cancelled');
select analytics.schedule_post(:'id', now() + interval '1 day') ->> 'status' as status \gset
select pg_temp.act_as_superuser();
update analytics.posts set status = 'publishing' where id = :'id';
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of(format('select analytics.%s', call)), 'PT409', 'while it is being published: no ' || call) from unnest(array[format('cancel_post(%L)', :'id'), format('delete_post(%L)', :'id'),
  format('update_post(%L, name => ''n'')', :'id'), format('schedule_post(%L, now() + interval ''1 day'')', :'id')]) call;
select pg_temp.act_as_superuser();
update analytics.posts set status = 'failed', failure_reason = 'no answer' where id = :'id';
select pg_temp.act_as(:'editor');
select is(analytics.schedule_post(:'id', now() + interval '1 day') -> 'failure_reason', 'null', 'what failed can be tried again');
select is(analytics.quotas() #> '{posts,used}', '1', 'for the unit it has');
select analytics.cancel_post(:'id') ->> 'status' as status \gset
select is(analytics.quotas() #> '{posts,used}', '1', 'which is not given back any more');
select analytics.schedule_post(:'id', now() + interval '1 day') ->> 'status' as status \gset
select is(analytics.quotas() #> '{posts,used}', '1', 'nor taken twice');
select pg_temp.act_as_superuser();
update analytics.posts set status = 'publishing' where id = :'id';
update analytics.posts set status = 'published' where id = :'id';
select ok((select clock_timestamp() - published_at < interval '1 minute' from analytics.posts where id = :'id'), 'published, it says when');
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of(format('select analytics.update_post(%L, name => ''n'')', :'id')), 'PT409', 'and stays what it was');
select isnt(analytics.delete_post(:'id') -> 'deleted_at', 'null', 'it can be deleted');
select is((select count(*) from analytics.posts), 0::bigint, 'and is seen no more');
select is(analytics.quotas() #> '{posts,used}', '1', 'for its unit');
select is(pg_temp.state_of(format('select analytics.%s', call)), 'PT404', 'what is deleted is not there: ' || call) from unnest(array[format('cancel_post(%L)', :'id'), format('delete_post(%L)', :'id'),
  format('update_post(%L, name => ''n'')', :'id'), format('schedule_post(%L, now() + interval ''1 day'')', :'id')]) call;
select pg_temp.act_as_superuser();
select is((select count(*) from analytics.posts), 1::bigint, 'though it is kept');

-- An approval is of what was approved.
select pg_temp.clear();
insert into analytics.posts (workspace_id, created_by, name) values (:'studio', :'editor', 'Approved') returning id \gset
update analytics.posts set status = 'approved' where id = :'id';
select is(pg_temp.state_of(format('update analytics.posts set status = ''scheduled'', scheduled_at = now() + interval ''1 day'', universal_content = ''other'' where id = %L', :'id')), 'PT409', 'what was approved is not changed on its way out');
select pg_temp.act_as(:'editor');
select is(analytics.update_post(:'id', universal_content => 'other') ->> 'status', 'draft', 'edited, it is a draft again');
select pg_temp.act_as_superuser();

-- What is asked for ---------------------------------------------------------------------------------------------------------

select pg_temp.clear();
select pg_temp.act_as(:'editor');
create function pg_temp.field_of(statement text) returns text language sql as $$
  select (e ->> 'state') || ' ' || ((e ->> 'detail')::jsonb ->> 'field') from pg_temp.error_of(statement) e
$$;
select is(pg_temp.field_of('select analytics.create_post(' || arguments || ')'), 'PT400 ' || field, format('%s: %s is refused', field, left(arguments, 60))) from (values
  ('name => null', 'name'), ('name => ''''', 'name'), ('name => ''  ''', 'name'), ('name => repeat(''a'', 256)', 'name'), ('name => ''n'', topic => repeat(''a'', 256)', 'topic'),
  ('name => ''n'', content_mode => ''both''', 'content_mode'), ('name => ''n'', universal_content => repeat(''a'', 100001)', 'universal_content'), ('name => ''n'', universal_metadata => ''[]''', 'universal_metadata'),
  ('name => ''n'', platform_content => ''1''', 'platform_content'), ('name => ''n'', platforms => ''{}''', 'platforms'), ('name => ''n'', platforms => jsonb_build_array(repeat(''a'', 70000))', 'platforms'),
  ('name => ''n'', scheduled_at => now()', 'scheduled_at'), ('name => ''n'', scheduled_at => now() + interval ''4 minutes''', 'scheduled_at'), ('name => ''n'', scheduled_at => now() + interval ''181 days''', 'scheduled_at'),
  ('name => ''n'', scheduled_at => ''infinity''', 'scheduled_at'), ('name => ''n'', scheduled_at => ''-infinity''', 'scheduled_at'), ('name => ''n'', scheduled_at => now() + interval ''1 day'', schedule_date => now() + interval ''2 days''', 'schedule_date')
) v (arguments, field);
select analytics.create_post(name => 'n') ->> 'id' as id \gset
select is(pg_temp.field_of(format('select analytics.schedule_post(%L)', :'id')), 'PT400 scheduled_at', 'a schedule without a time is refused');
select is(pg_temp.field_of(format('select analytics.update_post(%L, name => '''')', :'id')), 'PT400 name', 'an edit is checked too');
select is(pg_temp.field_of(format('insert into analytics.posts (workspace_id, name, status, scheduled_at) values (%L, ''n'', ''scheduled'', now())', :'studio')), 'PT400 scheduled_at', 'and a time that is written past the functions');
select is(pg_temp.field_of(format('update analytics.posts set status = ''scheduled'' where id = %L', :'id')), 'PT400 scheduled_at', 'in every way');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('post_schedule_lead', '1 hour') \g /dev/null
select pg_temp.act_as(:'editor');
select is(pg_temp.field_of(format('select analytics.schedule_post(%L, now() + interval ''59 minutes'')', :'id')), 'PT400 scheduled_at', 'an operator may ask for more time');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('post_schedule_lead', '5 minutes') \g /dev/null

-- Who may -------------------------------------------------------------------------------------------------------------------

select pg_temp.clear();
insert into analytics.posts (workspace_id, created_by, name) values (:'studio', :'owner', 'Ours') returning id \gset
create temp table calls (call text);
insert into calls values (format('select analytics.create_post(%L, ''n'')', :'studio')), (format('select analytics.update_post(%L, name => ''Ours'')', :'id')), (format('select analytics.schedule_post(%L, now() + interval ''1 day'')', :'id')),
  (format('select analytics.delete_post(%L)', :'id'));
grant select on calls to public;
select pg_temp.act_as(:'owner');
select is(pg_temp.state_of(call), 'fine', 'the owner may ' || call) from calls;
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of(call), 'fine', 'an editor may ' || call) from calls;
select pg_temp.act_as(:'analyst');
select is(pg_temp.state_of(call), 'PT403', 'an analyst may not ' || call) from calls;
select is((select count(*) from analytics.posts), 1::bigint, 'though he reads');
select is(pg_temp.state_of(format('insert into analytics.posts (workspace_id, name) values (%L, ''n'')', :'studio')), '42501', 'nor write past the functions');
update analytics.posts set name = 'mine';
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of(call), 'PT404', 'for a stranger there is nothing to ' || call) from calls;
select is(pg_temp.state_of(format('insert into analytics.posts (workspace_id, name) values (%L, ''n'')', :'studio')), '42501', 'nor can he write into it');
update analytics.posts set name = 'mine';
select is((select count(*) from analytics.posts), 0::bigint, 'he sees none');
select is(pg_temp.error_of(format('select analytics.delete_post(%L)', :'id')) - 'detail', pg_temp.error_of(format('select analytics.delete_post(%L)', gen_random_uuid())) - 'detail', 'a foreign post is as unknown as none');
select pg_temp.act_with('{"role": "anon"}', 'anon');
select is(pg_temp.state_of(call), 'PT401', 'without a user: no ' || call) from calls;
select pg_temp.act_as_superuser();
select is((select name from analytics.posts where id = :'id')::text, 'Ours', 'and indeed nobody changed it');
select analytics_private.set_workspace_status(:'studio', 'suspended') \g /dev/null
select pg_temp.act_as(:'owner');
select isnt(pg_temp.state_of(call), 'fine', 'in a suspended workspace: no ' || call) from calls;
select pg_temp.act_as_superuser();
select analytics_private.set_workspace_status(:'studio', 'active') \g /dev/null

-- Past the functions, as PostgREST writes tables.
select pg_temp.act_as(:'editor');
insert into analytics.posts (workspace_id, name, status, scheduled_at) values (:'studio', 'Direct', 'scheduled', now() + interval '1 day') returning id, created_by \gset
select is(:'created_by'::uuid, :'editor'::uuid, 'what is written directly has its author');
select is(analytics.quotas() #> '{posts,used}', '1', 'and takes its unit');
update analytics.posts set status = 'draft' where id = :'id';
select is(analytics.quotas() #> '{posts,used}', '0', 'and gives it back');
select is(pg_temp.state_of(format('insert into analytics.posts (workspace_id, name, status) values (%L, ''n'', %L)', :'studio', s)), case when s in ('approved', 'publishing', 'published', 'failed') then 'PT409' end, 'no post begins as ' || s)
from unnest(array['approved', 'publishing', 'published', 'failed']) s;
select is(pg_temp.state_of(format('update analytics.posts set status = %L where id = %L', s, :'id')), case when s in ('published', 'failed') then 'PT409' else '42501' end, 'no member makes a draft ' || s)
from unnest(array['approved', 'publishing', 'published', 'failed']) s;
select is(pg_temp.state_of(format('update analytics.posts set %I = default where id = %L', c, :'id')), '42501', 'no member sets ' || c)
from unnest(array['workspace_id', 'id', 'created_by', 'sending_began_at', 'published_at', 'publish_job_id', 'publish_results', 'failure_reason', 'engagement_score', 'engagement_suggestions', 'quota_period_start', 'created_at', 'updated_at', 'deleted_at']) c;
select is(pg_temp.state_of('delete from analytics.posts'), '42501', 'nor takes a row away');
select is(pg_temp.state_of('update analytics.post_transitions set to_status = ''published'''), '42501', 'nor changes the moves');
select is((select count(*) from analytics.post_transitions), 16::bigint, 'which everybody reads');
select pg_temp.act_as_superuser();
select set_eq($$select to_status::text from analytics.post_transitions where made_by = 'member'$$, array['draft', 'scheduled'], 'the policies let members make the moves that the table says are theirs');

-- The legal moves ---------------------------------------------------------------------------------------------------------------

select pg_temp.clear();
update analytics.plans set posts_per_month = 1000 where name = 'free';
create temp table statuses as select unnest(array['draft', 'approved', 'scheduled', 'publishing', 'published', 'failed']) as status;
-- A post that has come to a status by legal moves alone.
create function pg_temp.bring(workspace uuid, author uuid, status text) returns uuid language plpgsql as $$
declare
  post uuid;
  step text;
begin
  insert into analytics.posts (workspace_id, created_by, name, scheduled_at) values (workspace, author, 'm', now() + interval '1 day') returning id into post;
  foreach step in array case status when 'draft' then '{}' when 'published' then array['publishing', 'published'] when 'failed' then array['publishing', 'failed'] else array[status] end::text[] loop
    update analytics.posts p set status = step where p.id = post;
  end loop;
  return post;
end
$$;
create temp table moves as
  select f.status as from_status, t.status as to_status, pg_temp.bring(:'studio', :'owner', f.status) as id from statuses f, statuses t where f.status <> t.status;
create temp table moved as select m.*, pg_temp.error_of(format('update analytics.posts set status = %L where id = %L', m.to_status, m.id)) as e from moves m;
select is(coalesce(m.e ->> 'state', 'fine'), case when t.to_status is null then 'PT409' else 'fine' end, format('%s to %s is %s', m.from_status, m.to_status, case when t.to_status is null then 'refused' else 'legal' end))
from moved m left join analytics.post_transitions t on t.from_status = m.from_status and t.to_status = m.to_status;
select is((select e ->> 'hint' from moved where from_status = 'scheduled' and to_status = 'published'), 'it may become approved, draft, publishing', 'the hint names the legal moves');
select is((select e ->> 'hint' from moved where from_status = 'published' and to_status = 'draft'), 'nothing follows on that', 'where there are any');
select is((select e ->> 'message' from moved where from_status = 'publishing' and to_status = 'draft'), 'a post that is publishing cannot become draft', 'the message says what was tried');
select is(pg_temp.used(:'studio'), pg_temp.owed(:'studio'), 'and units are counted right');
update analytics.plans set posts_per_month = 10 where name = 'free';

-- No way round the quota ----------------------------------------------------------------------------------------------------------

-- Of ten units eight are used by eight posts that are scheduled; two are left, and there are five drafts.
create function pg_temp.prepare(workspace uuid, author uuid) returns void language plpgsql as $$
begin
  perform pg_temp.clear();
  insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at) select workspace, author, 's' || n, 'scheduled', now() + interval '1 day' from generate_series(1, 8) n;
  insert into analytics.posts (workspace_id, created_by, name, scheduled_at) select workspace, author, 'd' || n, now() + interval '1 day' from generate_series(1, 5) n;
end
$$;
create temp table ways (what text, fits text, too_many text, state text default 'PT402');
insert into ways (what, fits, too_many) values
  ('an insert of several rows', 'insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at) select :w, :o, ''n'', ''scheduled'', now() + interval ''1 day'' from generate_series(1, 2)',
    'insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at) select :w, :o, ''n'', ''scheduled'', now() + interval ''1 day'' from generate_series(1, 3)'),
  ('COPY', 'copy analytics.posts (workspace_id, created_by, name, status, scheduled_at) from program ''for n in 1 2; do printf "%s\t%s\tn\tscheduled\t%s\n" ":w" ":o" ":t"; done''',
    'copy analytics.posts (workspace_id, created_by, name, status, scheduled_at) from program ''for n in 1 2 3; do printf "%s\t%s\tn\tscheduled\t%s\n" ":w" ":o" ":t"; done'''),
  ('an update of several rows', 'update analytics.posts set status = ''scheduled'' where name in (''d1'', ''d2'')', 'update analytics.posts set status = ''scheduled'' where name like ''d%'''),
  ('sending at once', 'update analytics.posts set status = ''publishing'' where name in (''d1'', ''d2'')', 'update analytics.posts set status = ''publishing'' where name like ''d%'''),
  ('an insert that meets what is there', 'insert into analytics.posts (workspace_id, id, created_by, name, scheduled_at) select workspace_id, id, created_by, name, scheduled_at from analytics.posts where name in (''d1'', ''d2'') on conflict (workspace_id, id) do update set status = ''scheduled''',
    'insert into analytics.posts (workspace_id, id, created_by, name, scheduled_at) select workspace_id, id, created_by, name, scheduled_at from analytics.posts where name like ''d%'' on conflict (workspace_id, id) do update set status = ''scheduled'''),
  ('an insert of which some is there', 'insert into analytics.posts (workspace_id, id, created_by, name, status, scheduled_at) select workspace_id, id, created_by, name, ''scheduled'', scheduled_at from analytics.posts where name = ''d1'' union all select :w, gen_random_uuid(), :o, ''n'', ''scheduled'', now() + interval ''1 day'' on conflict (workspace_id, id) do update set status = excluded.status, quota_period_start = excluded.quota_period_start',
    'insert into analytics.posts (workspace_id, id, created_by, name, status, scheduled_at) select workspace_id, id, created_by, name, ''scheduled'', scheduled_at from analytics.posts where name in (''d1'', ''d2'') union all select :w, gen_random_uuid(), :o, ''n'', ''scheduled'', now() + interval ''1 day'' on conflict (workspace_id, id) do update set status = excluded.status, quota_period_start = excluded.quota_period_start'),
  ('MERGE', 'merge into analytics.posts p using (select ''d1'' as name union all select ''new'') s on p.name = s.name when matched then update set status = ''scheduled'' when not matched then insert (workspace_id, id, created_by, name, status, scheduled_at) values (:w, gen_random_uuid(), :o, s.name, ''scheduled'', now() + interval ''1 day'')',
    'merge into analytics.posts p using (select ''d1'' as name union all select ''d2'' union all select ''new'') s on p.name = s.name when matched then update set status = ''scheduled'' when not matched then insert (workspace_id, id, created_by, name, status, scheduled_at) values (:w, gen_random_uuid(), :o, s.name, ''scheduled'', now() + interval ''1 day'')'),
  ('parts of one statement', 'with a as (insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at) values (:w, :o, ''n'', ''scheduled'', now() + interval ''1 day'') returning 1) update analytics.posts set status = ''scheduled'' where name = ''d1''',
    'with a as (insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at) values (:w, :o, ''n'', ''scheduled'', now() + interval ''1 day'') returning 1), b as (insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at) values (:w, :o, ''n'', ''scheduled'', now() + interval ''1 day'') returning 1) update analytics.posts set status = ''scheduled'' where name = ''d1'''),
  ('two updates in one statement', 'with a as (update analytics.posts set status = ''scheduled'' where name = ''d1'' returning 1) update analytics.posts set status = ''scheduled'' where name = ''d2''',
    'with a as (update analytics.posts set status = ''scheduled'' where name in (''d1'', ''d2'') returning 1) update analytics.posts set status = ''scheduled'' where name = ''d3'''),
  ('an exchange', 'update analytics.posts set status = case when name in (''s1'', ''s2'') then ''draft'' else ''scheduled'' end where name in (''s1'', ''s2'', ''d1'', ''d2'', ''d3'', ''d4'')',
    'update analytics.posts set status = case when name in (''s1'', ''s2'') then ''draft'' else ''scheduled'' end where name in (''s1'', ''s2'') or name like ''d%'''),
  ('a claim to hold a unit', 'update analytics.posts set status = ''scheduled'', quota_period_start = now() where name in (''d1'', ''d2'')', 'update analytics.posts set status = ''scheduled'', quota_period_start = ''-infinity'' where name like ''d%'''),
  ('a claim in an insert', 'insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at, quota_period_start) select :w, :o, ''n'', ''scheduled'', now() + interval ''1 day'', now() from generate_series(1, 2)',
    'insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at, quota_period_start) select :w, :o, ''n'', ''scheduled'', now() + interval ''1 day'', now() from generate_series(1, 3)'),
  ('a draft in the bin', 'update analytics.posts set deleted_at = now() where name like ''d%''', 'with a as (update analytics.posts set deleted_at = null where false returning 1) update analytics.posts set status = ''scheduled'' where name like ''d%''');
-- Names of the workspace, its owner and a time: bare in SQL, in double quotes for the shell.
create function pg_temp.filled(way text, workspace uuid, author uuid) returns text language sql stable as $$
  select replace(replace(replace(replace(replace(way, '":w"', '"' || workspace || '"'), '":o"', '"' || author || '"'), '":t"', '"' || now() + interval '1 day' || '"'),
    ':w', quote_literal(workspace) || '::uuid'), ':o', quote_literal(author) || '::uuid')
$$;
update ways set fits = pg_temp.filled(fits, :'studio', :'owner'), too_many = pg_temp.filled(too_many, :'studio', :'owner');

create function pg_temp.try_way(workspace uuid, author uuid, way ways) returns setof text language plpgsql as $$
begin
  perform pg_temp.prepare(workspace, author);
  return next is(pg_temp.state_of(way.too_many), way.state, way.what || ' does not get past the limit');
  return next is(pg_temp.used(workspace), 8::bigint, 'and what was refused took nothing');
  return next is(pg_temp.state_of(way.fits), 'fine', way.what || ' may take what is left');
  execute way.fits;
  return next is(pg_temp.used(workspace), pg_temp.owed(workspace), 'and is counted: ' || pg_temp.used(workspace));
end
$$;
select t.* from ways w, pg_temp.try_way(:'studio', :'owner', w) t;

-- What is left to the row's own rules.
select pg_temp.prepare(:'studio', :'owner');
select is(pg_temp.error_of(format('update analytics.posts set workspace_id = %L where name = %L', :'elsewhere', n)) ->> 'message', 'a post stays in its workspace', 'no post moves to another workspace: ' || n) from unnest(array['s1', 'd1']) n;
select is(pg_temp.state_of('update analytics.posts set id = gen_random_uuid() where name = ''s1'''), 'PT409', 'nor changes its id');
update analytics.posts set quota_period_start = null where name = 's1';
update analytics.posts set quota_period_start = 'infinity' where name in ('s2', 'd1');
select is((select count(distinct quota_period_start) from analytics.posts), 1::bigint, 'nobody, the owner of the table included, writes which period a post is of');
delete from analytics.posts where name in ('s1', 'd2');
select is(pg_temp.used(:'studio'), 7::bigint, 'a scheduled post that is removed altogether gives its unit back');
update analytics.posts set deleted_at = now() where name in ('s2', 's3');
select is(pg_temp.used(:'studio'), 5::bigint, 'and so does one that is deleted');
update analytics.posts set deleted_at = null where name = 's2';
select is(pg_temp.used(:'studio'), 6::bigint, 'brought back, it takes one again');
update analytics.posts set status = 'publishing' where name = 's4';
delete from analytics.posts where name = 's4';
select is(pg_temp.used(:'studio'), 6::bigint, 'one that was sent gives nothing back');

-- Savepoints.
select pg_temp.prepare(:'studio', :'owner');
savepoint one;
update analytics.posts set status = 'scheduled' where name in ('d1', 'd2');
select is(pg_temp.used(:'studio'), 10::bigint, 'within a savepoint all is taken');
rollback to one;
select is(pg_temp.used(:'studio'), 8::bigint, 'and rolled back with it');
update analytics.posts set status = 'scheduled' where name in ('d3', 'd4');
select is(pg_temp.state_of('update analytics.posts set status = ''scheduled'' where name = ''d1'''), 'PT402', 'no more than there is');

-- Several workspaces in one statement.
select pg_temp.clear();
insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at)
select w, :'owner', 'n' || n, 'scheduled', now() + interval '1 day' from unnest(array[:'studio', :'elsewhere']::uuid[]) w, generate_series(1, 10) n;
select is(array[pg_temp.used(:'studio'), pg_temp.used(:'elsewhere')], '{10,10}', 'each workspace pays for its own');
select is(pg_temp.state_of(format($$with gone as (delete from analytics.posts where workspace_id = %L) insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at) values (%L, %L, 'n', 'scheduled', now() + interval '1 day')$$,
  :'studio', :'elsewhere', :'owner')), 'PT402', 'and for no other');

-- The period a unit is of.
select pg_temp.prepare(:'studio', :'owner');
update analytics.quota_counters set period_start = period_start - interval '1 month';
select is(pg_temp.used(:'studio'), 0::bigint, 'in a new period');
update analytics.posts set status = 'scheduled' where name = 'd1';
alter table analytics.posts disable trigger posts_check;
update analytics.posts set quota_period_start = quota_period_start - interval '1 month' where name like 's%';
alter table analytics.posts enable trigger posts_check;
update analytics.posts set status = 'draft' where name in ('s1', 's2');
select is(pg_temp.used(:'studio'), 1::bigint, 'nothing comes back for what the last one paid');
update analytics.posts set status = 'scheduled' where name = 's1';
select is(pg_temp.used(:'studio'), 2::bigint, 'and a post that returns pays anew');
update analytics.posts set status = 'publishing' where name = 's3';
select is(pg_temp.used(:'studio'), 2::bigint, 'while one that waited since then is paid for');

-- A long random walk ------------------------------------------------------------------------------------------------------------

select pg_temp.clear();
update analytics.plans set posts_per_month = 12 where name = 'free';
-- What went wrong first, or null; refused says how often a limit or a rule said no.
create function pg_temp.walk(spaces uuid[], author uuid, steps integer, out problem text, out refused integer, out over_limit integer) language plpgsql as $$
declare
  space uuid;
  dice integer;
  wanted text;
  state text;
begin
  refused := 0;
  over_limit := 0;
  perform setseed(0.42);
  for step in 1 .. steps loop
    space := spaces[1 + floor(random() * cardinality(spaces))::integer];
    dice := floor(random() * 12)::integer;
    wanted := (array['draft', 'approved', 'scheduled', 'publishing', 'published', 'failed'])[1 + floor(random() * 6)::integer];
    begin
      if dice <= 1 then
        insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at)
        select space, author, 'w' || n, case when random() < 0.5 then 'draft' else 'scheduled' end, now() + interval '1 day' from generate_series(1, 1 + floor(random() * 4)::integer) n;
      elsif dice <= 3 then
        update analytics.posts p set status = wanted where p.id in (select q.id from analytics.posts q where q.workspace_id = space and q.deleted_at is null order by random() limit 3);
      elsif dice <= 7 then
        update analytics.posts p set status = t.to_status
        from (select distinct on (q.id) q.id, t.to_status from analytics.posts q join analytics.post_transitions t on t.from_status = q.status where q.deleted_at is null order by q.id, random()) t
        where p.id = t.id and random() < 0.2;
      elsif dice = 8 then
        update analytics.posts p set deleted_at = case when p.deleted_at is null then now() end where p.workspace_id = space and random() < 0.2;
      elsif dice = 9 then
        delete from analytics.posts p where p.sending_began_at is null and random() < 0.1;
      elsif dice = 10 then
        insert into analytics.posts (workspace_id, id, created_by, name, status, scheduled_at)
        select q.workspace_id, case when random() < 0.5 then q.id else gen_random_uuid() end, author, 'c', 'scheduled', now() + interval '1 day'
        from (select * from analytics.posts q order by random() limit 3) q
        on conflict (workspace_id, id) do update set status = excluded.status, scheduled_at = excluded.scheduled_at;
      else
        -- Done and undone.
        begin
          update analytics.posts p set status = 'scheduled' where p.workspace_id = space and p.status = 'draft';
          raise sqlstate 'UNDO0';
        exception when sqlstate 'UNDO0' then
          null;
        end;
      end if;
    exception when others then
      get stacked diagnostics state = returned_sqlstate;
      if state not in ('PT402', 'PT409') then
        problem := format('step %s: %s %s', step, state, sqlerrm);
        return;
      end if;
      refused := refused + 1;
      over_limit := over_limit + (state = 'PT402')::integer;
    end;
    if exists (select from unnest(spaces) s where pg_temp.used(s) <> pg_temp.owed(s) or pg_temp.used(s) > 12) then
      problem := format('step %s (%s): used %s, owed %s', step, dice, (select array_agg(pg_temp.used(s)) from unnest(spaces) s), (select array_agg(pg_temp.owed(s)) from unnest(spaces) s));
      return;
    end if;
    -- What was sent stays paid for; a new period every now and then makes room.
    if step % 100 = 0 then
      truncate analytics.posts, analytics.quota_counters;
    end if;
  end loop;
end
$$;
select coalesce(w.problem, 'none') as problem, w.refused, w.over_limit from pg_temp.walk(array[:'studio', :'elsewhere']::uuid[], :'owner', 3000) w \gset
select is(:'problem'::text, 'none', 'after each of 3000 random steps the counters are right and no limit is passed');
select ok(:refused > 300 and :over_limit > 20, format('of which %s were refused, %s for want of a unit', :'refused', :'over_limit'));

select * from finish();
rollback;
