-- A stranger with the victim's ids and names in his hands: whatever the role authenticated can reach, read from the
-- catalogue, is called with them, and none of the victim's data may come back, in a result or in an error.
begin;
\ir helpers.psql
select no_plan();

\set canary c4n4ry

-- The victim: a user with a shared workspace, a profile unlocked, saved and searched, all of it marked.
select pg_temp.sign_up('c4n4ry@example.com', 'c4n4ry user') as victim, pg_temp.sign_up('friend@example.com') as friend, pg_temp.sign_up('stranger@example.com', 'Stranger') as stranger \gset
select pg_temp.personal_workspace(:'victim') as workspace \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'workspace', :'friend', 'editor');
select pg_temp.ingest(pg_temp.account('77', 'watched', 123456789, array[pg_temp.post(1, '77', 'watched', now(), 123456789, 1, 'c4n4ry @c4n4ry #c4n4ry',
    '{"location": {"id": "1", "name": "c4n4ry"}, "edge_media_to_tagged_user": {"edges": [{"node": {"user": {"id": "5", "username": "c4n4ry"}}}]}}')],
  '{"full_name": "c4n4ry", "biography": "c4n4ry", "category_name": "c4n4ry", "external_url": "https://c4n4ry.example", "edge_related_profiles": {"edges": [{"node": {"id": "9", "username": "c4n4ry", "full_name": "c4n4ry"}}]}}')) as profile \gset
select pg_temp.put_window(:'victim', :'profile', '-1 day', '1 day');
select pg_temp.act_as(:'victim');
select analytics.favorite_profile('watched', 'c4n4ry', array['c4n4ry']), analytics.search_profiles('c4n4ry') \g /dev/null
update analytics.users set username = 'c4n4ry', phone_number = 'c4n4ry', preferences = '{"a": "c4n4ry"}', notification_preferences = '{"a": "c4n4ry"}';
update analytics.user_profiles set (first_name, last_name, display_name, company, job_title, work_description, bio, avatar_url) = ('c4n4ry', 'c4n4ry', 'c4n4ry', 'c4n4ry', 'c4n4ry', 'c4n4ry', 'c4n4ry', 'c4n4ry');
update analytics.workspaces set (name, description, logo_url, settings) = ('c4n4ry', 'c4n4ry', 'c4n4ry', '{"a": "c4n4ry"}');
select pg_temp.act_as_superuser();
insert into analytics.audience_demographics (profile_id, gender_distribution) values (:'profile', '{"c4n4ry": 1}');
insert into analytics.creator_metadata (profile_id, extracted_location, categories) values (:'profile', 'c4n4ry', '{c4n4ry}');
insert into analytics.posts (workspace_id, created_by, name, topic, universal_content, universal_metadata, platform_content, platforms, status, scheduled_at)
select :'workspace', :'victim', 'c4n4ry', 'c4n4ry', 'c4n4ry', '{"a": "c4n4ry"}', '{"a": "c4n4ry"}', '["c4n4ry"]', s, now() + interval '1 day' from unnest(array['draft', 'scheduled']) s;
insert into analytics.workspace_invites (workspace_id, email, role, invited_by, expires_at) values (:'workspace', 'c4n4ry@guest.example', 'analyst', :'victim', now() + interval '1 day');
insert into analytics.comment_sentiment (post_id, profile_id, comments_analyzed) select id, profile_id, 123456789 from analytics.profile_posts;
select analytics_private.set_workspace_status(:'workspace', 'active'), analytics_private.write_audit('c4n4ry', 'c4n4ry', :'victim', '{"a": "c4n4ry"}', :'workspace'),
  analytics_private.enqueue_job('instagram_profile', 'c4n4ry', '{"username": "c4n4ry"}'), analytics_private.link_firebase_user('c4n4ry') \g /dev/null
-- The numbers of the victim are canaries too.
create function pg_temp.betrays(answer text) returns boolean language sql immutable as $$ select answer ~* 'c4n4ry|123456789' $$;

create temp view reachable_relations as
  select c.oid::regclass as relation from pg_catalog.pg_class c
  where c.relnamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'f');
create temp view reachable_functions as
  select p.oid::regprocedure as signature, p.oid, p.proretset, p.pronargs from pg_catalog.pg_proc p
  where p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace) and p.prokind = 'f' and pg_catalog.has_function_privilege('authenticated', p.oid, 'execute');
create temp table relations as select relation from reachable_relations;
grant select on relations to public;

-- What the victim himself sees, so that "sees nothing" is not for want of data.
create function pg_temp.rows_of(relation regclass) returns text language plpgsql as $$
declare
  answer text;
begin
  execute format('select string_agg(to_jsonb(r)::text, '' '') from %s r', relation) into answer;
  return answer;
exception when others then
  return sqlerrm;
end
$$;
select pg_temp.act_as(:'victim');
select set_eq($$select relation::text from relations where pg_temp.betrays(pg_temp.rows_of(relation))$$, $$
  select 'analytics.' || t from unnest(array['users', 'user_profiles', 'workspaces', 'audit_logs', 'activity_logs', 'profiles', 'profile_history', 'profile_posts', 'audience_demographics', 'creator_metadata', 'comment_sentiment',
    'mentions', 'related_profiles', 'post_sentiment', 'user_favorites', 'user_searches', 'user_info', 'posts', 'workspace_invites']) t
$$, 'the victim sees his own data');

select pg_temp.act_as(:'stranger');
select is_empty($$select relation from relations where pg_temp.betrays(pg_temp.rows_of(relation))$$, 'the stranger sees nothing of it in any table or view');
-- A condition runs before the policy only if it cannot leak; this one tells each value it meets in its error.
create function pg_temp.pried(relation regclass) returns text language plpgsql as $$
declare
  c record;
  answers text := '';
begin
  for c in select a.attname from pg_catalog.pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped loop
    begin
      execute format('select count(*) from %s where (%I::text || ''!'')::integer = 1', relation, c.attname);
    exception when others then
      answers := answers || ' ' || sqlerrm;
    end;
    begin
      execute format('select count(*) from %s where %I::text ~ ''(c4n4ry|123456789)'' and 1 / (length(%2$I::text) - length(%2$I::text)) = 1', relation, c.attname);
    exception when division_by_zero then
      answers := answers || ' c4n4ry';
    when others then
      null;
    end;
  end loop;
  return answers;
end
$$;
select is_empty($$select relation from relations where pg_temp.betrays(pg_temp.pried(relation))$$, 'nor by conditions that tell what they meet');
-- What is written must not be the victim's, and RETURNING and ON CONFLICT must not read.
create function pg_temp.written(relation regclass) returns text language plpgsql as $$
declare
  c record;
  answers text := '';
  returned text;
begin
  for c in
    select a.attname from pg_catalog.pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and pg_catalog.has_column_privilege(relation, a.attnum, 'update')
  loop
    begin
      execute format('with changed as (update %s set %I = %2$I returning *) select string_agg(to_jsonb(r)::text, '' '') from changed r', relation, c.attname) into returned;
      answers := answers || coalesce(returned, '');
    exception when others then
      answers := answers || ' ' || sqlerrm;
    end;
  end loop;
  return answers;
end
$$;
select is_empty($$select relation from relations where pg_temp.betrays(pg_temp.written(relation))$$, 'nor by changing what he may change');
select pg_temp.act_as_superuser();

-- Every function, with every value of the victim that fits its arguments.
create temp table bait (type regtype, value text);
insert into bait
select b.type::regtype, b.value from (
select 'uuid' as type, v as value from unnest(array[:'victim', :'workspace', :'profile', (select id::text from analytics.profile_posts limit 1), (select id::text from analytics_private.jobs limit 1), (select id::text from analytics.user_favorites limit 1)] || array(select id::text from analytics.posts)) v
union all select 'text', v from unnest(array['watched', '77', '3000000000000000001', 'SC1', 'friend@example.com', '{}', 'analyst', 'universal', '', :'victim', :'workspace', analytics_private.encode_cursor(now() + interval '1 day', :'profile')]) v
union all select 'text[]', v from unnest(array['{watched}', '{77,SC1}', '{}']) v
union all select 'integer', v from unnest(array['1', '100']) v
union all select 'bigint', '1' union all select 'double precision', '0.5' union all select 'boolean', 'true' union all select 'interval', '10 years' union all select 'timestamptz', now()::text
union all select 'jsonb', '{}' union all select 'json', '{}' union all select 'regclass', 'analytics.profiles'
union all select 'analytics.profile_posts', null) b;
create function pg_temp.calls() returns table (signature regprocedure, call text) language sql as $$
  with recursive arguments as (
    select f.signature, f.oid, f.pronargs::integer as n, 0 as i, '' as list from reachable_functions f
    union all
    select a.signature, a.oid, a.n, a.i + 1, a.list || case when a.i = 0 then '' else ', ' end || case when b.type is null then format('null::%s', p.type) else format('%L::%s', b.value, b.type) end
    from arguments a cross join lateral (select (pg_catalog.string_to_array(t.proargtypes::text, ' '))[a.i + 1]::oid::regtype as type from pg_catalog.pg_proc t where t.oid = a.oid) p
      left join lateral (
        -- Beyond the third argument null must do.
        select c.type, c.value from bait c where c.type = p.type and a.i < 3) b on true
    where a.i < a.n
  )
  select a.signature, format('select to_jsonb(v) from %s(%s) v', a.signature::regproc, a.list) from arguments a where a.i = a.n
$$;
create temp table calls as select * from pg_temp.calls();
grant select on calls to public;
select is_empty($$select signature from reachable_functions f where not exists (select from calls c where c.signature = f.signature)$$, 'every function is called');
select cmp_ok((select count(*) from calls), '>', 500::bigint, 'with many arguments');
-- Each call is undone, so that no unlock opens a window for the next.
create function pg_temp.answer(call text) returns text language plpgsql as $$
declare
  answer text;
  message text; detail text; hint text;
begin
  begin
    execute format('select string_agg(j::text, '' '') from (%s) as c (j)', call) into answer;
    raise sqlstate 'NOERR';
  exception when others then
    get stacked diagnostics message = message_text, detail = pg_exception_detail, hint = pg_exception_hint;
    return concat_ws(' ', answer, nullif(message, 'NOERR'), detail, hint);
  end;
end
$$;
select pg_temp.act_as(:'stranger');
create temp table answers as select c.signature, c.call, pg_temp.answer(c.call) as answer from calls c;
select is_empty($$select call, answer from answers where pg_temp.betrays(answer) limit 5$$, 'no function tells the stranger anything of the victim');
-- A window of his own opens the profile to him, and nothing that is the victim's.
select analytics.unlock_profile('watched') ->> 'state' as state \gset
select is(:'state'::text, 'ready', 'the stranger may unlock the profile himself');
create temp table more_answers as select c.signature, c.call, pg_temp.answer(c.call) as answer from calls c;
-- An error may repeat what was asked for.
select is_empty(format($$
  select call from more_answers, unnest(array['c4n4ry user', 'c4n4ry@', '%s', '%s']) secret where position(secret in answer) > 0 and position(secret in call) = 0 limit 5
$$, :'victim', :'workspace'), 'and then still sees nothing of who else did');
select pg_temp.act_as_superuser();
-- The victim's own calls do show his data: the baits are good ones.
select pg_temp.act_as(:'victim');
select set_eq($$select distinct signature::text from calls where pg_temp.betrays(pg_temp.answer(call))$$, $$
  select unnest(array['analytics.me()', 'analytics.my_profiles()', 'analytics.newest_posts(integer,interval,text)', 'analytics.profile_overview(text)', 'analytics.profile_page(text,text)', 'analytics.profile_timeline(text,integer,text)', 'analytics.related_profiles_ranked(text,integer)', 'analytics.search_profiles(text,text,integer)',
    'analytics.update_post(uuid,text,text,text,jsonb,jsonb,jsonb,text)', 'analytics.cancel_post(uuid)', 'analytics_private.update_post(uuid,text,text,text,jsonb,jsonb,jsonb,text)', 'analytics_private.cancel_post(uuid)',
    'analytics_private.newest_posts(integer,interval,text)', 'analytics_private.search_profiles(text,text,integer)',
    'analytics.export_my_data()', 'analytics_private.export_my_data()', 'analytics_private.verified_email()'])
$$, 'the same calls by the victim show his data where they should');
select pg_temp.act_as_superuser();

-- anon reaches no row at all.
select pg_temp.act_with('{"role": "anon"}', 'anon');
create temp table anon_answers as select c.signature, c.call, pg_temp.answer(c.call) as answer from calls c;
select is_empty($$select call, answer from anon_answers where pg_temp.betrays(answer) limit 5$$, 'no function tells anon anything');
select is_empty($$select relation from relations where pg_temp.rows_of(relation) !~ 'permission denied' and relation not in ('analytics.plans'::regclass, 'analytics.credit_prices'::regclass)$$, 'anon may read no table but the price lists');
select pg_temp.act_as_superuser();

select * from finish();
rollback;
