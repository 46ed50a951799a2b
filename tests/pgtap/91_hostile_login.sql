-- What a login that may run SQL tries: to have its own code run with the owner's rights, to block others, to fill the queue.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada \gset
select is_empty($$
  select p.oid::regprocedure from pg_catalog.pg_proc p join pg_catalog.pg_roles r on r.oid = p.proowner
  where r.rolname = 'analytics_owner' and (p.proconfig is null or not 'search_path=pg_catalog, pg_temp' = any (p.proconfig))
$$, 'every function of the owner looks into pg_temp last');

-- Locks that others wait for cannot be taken by a login without rights.
select is_empty($$
  select p.oid::regprocedure from pg_catalog.pg_proc p
  where p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace) and p.prosrc ~ 'advisory'
$$, 'no function waits for an advisory lock');

-- An unlock costs a fetch: one workspace cannot fill the queue.
select analytics_private.set_setting('open_jobs_per_workspace', '3');
select pg_temp.act_as(:'ada');
select is(jsonb_array_length(analytics.unlock_profiles(array['one.a', 'two.b', 'three.c'])), 3, 'fetches up to the bound are queued');
select pg_temp.act_as(:'ada');
select is(pg_temp.error_of($$select analytics.unlock_profile('five.e')$$) ->> 'state', 'PT429', 'a workspace with too many open fetches is told so');
select is(analytics.unlock_profile('one.a') ->> 'state', 'pending', 'asking for a fetch that waits is no new fetch');
select pg_temp.act_as_superuser();

-- An answer is stored only where it was asked for.
select analytics_private.set_setting('open_jobs_per_workspace', '500');
update analytics_private.jobs set state = 'cancelled', finished_at = now() where state = 'queued' and key <> 'one.a';
select lease_token as lease from analytics_private.claim_jobs('w', array['instagram_profile'], 1, 60) \gset
select is(analytics_private.complete_job(:'lease', '{"data":{"user":{"id":"99","username":"victim","edge_followed_by":{"count":5},"edge_follow":{"count":1},"edge_owner_to_timeline_media":{"count":0,"edges":[]}}},"status":"ok"}')
  ->> 'state', 'queued', 'an answer about another account fails the attempt');
select is_empty($$select from analytics.profiles where username = 'victim' or instagram_user_id = '99'$$, 'and stores nothing');
insert into analytics.profiles (username, instagram_user_id, biography) values ('victim', '99', 'mine');
update analytics_private.jobs set run_at = now() where state = 'queued';
select lease_token as lease from analytics_private.claim_jobs('w', array['instagram_profile'], 1, 60) \gset
select is(analytics_private.complete_job(:'lease', '{"data":{"user":{"id":"99","biography":"theirs","edge_followed_by":{"count":5},"edge_follow":{"count":1},"edge_owner_to_timeline_media":{"count":0,"edges":[]}}},"status":"ok"}')
  ->> 'state', 'queued', 'so does one that leaves the name out');
select is((select biography from analytics.profiles where instagram_user_id = '99'), 'mine', 'and writes over nobody');


create role hostile login;
grant authenticated to hostile;
grant usage on schema public to hostile;
select analytics_private.map_db_login('hostile', :'ada');
-- Sequences, because they keep count of what an error undoes.
create sequence pg_temp.ran;
create sequence pg_temp.leaked;
grant all on sequence pg_temp.ran, pg_temp.leaked to public;

-- Before anything else PostgreSQL looks for types in pg_temp, unless the path names it last.
create function pg_temp.spy(v anyelement) returns boolean language plpgsql as $$
begin
  perform pg_catalog.nextval('pg_temp.ran'), case when current_user <> 'hostile' then pg_catalog.nextval('pg_temp.leaked') end;
  return true;
end
$$;
grant execute on function pg_temp.spy(anyelement) to public;
do $$
declare
  shadowed text;
begin
  foreach shadowed in array array['uuid', 'text', 'jsonb', 'json', 'timestamptz', 'timestamp', 'interval', 'bigint', 'integer', 'boolean',
                                  'name', 'record', 'regclass', 'bytea', 'inet', 'varchar', 'smallint', 'date'] loop
    begin
      execute format('create domain pg_temp.%I as pg_catalog.%I check (pg_temp.spy(value))', shadowed,
        case shadowed when 'bigint' then 'int8' when 'integer' then 'int4' when 'boolean' then 'bool' when 'smallint' then 'int2' else shadowed end);
    exception when others then
      null; -- pseudo-types have no domains
    end;
  end loop;
end
$$;
select ok(count(*) > 10, 'types are shadowed') from pg_catalog.pg_type t where t.typtype = 'd' and t.typnamespace = pg_catalog.pg_my_temp_schema();

select setval('pg_temp.ran', 1, false), setval('pg_temp.leaked', 1, false) \g /dev/null
set local session authorization hostile;
select analytics.me() is not null as called \gset
select analytics.unlock_profile('somebody') is not null as called \gset
select analytics.unlock_profiles(array['somebody', 'else']) is not null as called \gset
-- What was unlocked in this very transaction cannot be read in it.
select pg_temp.error_of($$select analytics.refresh_profile('somebody')$$) ->> 'state' as called \gset
select pg_temp.error_of($$select analytics.profile_overview('somebody')$$) ->> 'state' as called \gset
select pg_temp.error_of($$select analytics.profile_timeline('somebody')$$) ->> 'state' as called \gset
select analytics.newest_posts() is not null as called \gset
select analytics.search_profiles('some') is not null as called \gset
select pg_temp.error_of($$select analytics.favorite_profile('somebody', 'note', array['tag'])$$) ->> 'state' as called \gset
select analytics.unfavorite_profile('somebody') is not null as called \gset
select count(*) > 0 as called from analytics.my_profiles() \gset
select analytics.create_workspace('Trap') ->> 'workspace_id' as trap \gset
select analytics.can('invite_member', :'trap') is not null and analytics.my_invites() is not null and analytics.export_my_data() is not null as called \gset
-- Those that refuse have run as far as they would for a hostile caller.
do $$ begin perform analytics.invite_member(null, 'a@example.com'); exception when others then null; end $$;
do $$ begin perform analytics.accept_invite('x'); exception when others then null; end $$;
do $$ begin perform analytics.change_role(null, analytics_private.user_id(), 'analyst'); exception when others then null; end $$;
do $$ begin perform analytics.delete_my_account('x'); exception when others then null; end $$;
select analytics.delete_workspace(:'trap') as called \gset
select '1'::text as called \gset
reset session authorization;
select is((select is_called from pg_temp.leaked), false, 'code behind a temporary type never runs with other rights');
select ok((select is_called from pg_temp.ran), 'it does run with the login''s own');

select * from finish();
rollback;
