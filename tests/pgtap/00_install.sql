-- What install() leaves behind, read from the catalogue, so that whatever is added later is held to the same rules.
begin;
\ir helpers.psql
select no_plan();

create temp view our_schemas as
  select n.oid, n.nspname from pg_catalog.pg_namespace n where n.nspname in ('analytics', 'analytics_private');
create temp view our_functions as
  select p.oid, p.oid::regprocedure as signature, s.nspname, p.prosecdef, p.proconfig, p.proacl, p.proowner, p.prosrc,
    exists (select from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid and e.extname = 'analytics_ext'
            where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e') as compiled
  from pg_catalog.pg_proc p join our_schemas s on s.oid = p.pronamespace;
create temp view our_tables as
  select c.oid, c.oid::regclass as relation, s.nspname, c.relkind, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relacl
  from pg_catalog.pg_class c join our_schemas s on s.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f');

select cmp_ok((select count(*) from our_functions), '>', 80::bigint, 'functions are there to be looked at');
select cmp_ok((select count(*) from our_tables), '>', 20::bigint, 'tables are there to be looked at');

create temp view price_lists as select unnest(array['analytics.plans', 'analytics.credit_prices']::regclass[]) as relation;

-- Rights ---------------------------------------------------------------------------------------------------------------

select is_empty($$
  select f.signature from our_functions f, pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) a
  where a.grantee = 0
$$, 'PUBLIC may execute nothing');
select is_empty($$
  select t.relation, a.privilege_type from our_tables t, pg_catalog.aclexplode(t.relacl) a where a.grantee = 0
$$, 'PUBLIC has no right on any table');
select is_empty($$
  select t.relation, c.attname from our_tables t join pg_catalog.pg_attribute c on c.attrelid = t.oid, pg_catalog.aclexplode(c.attacl) a where a.grantee = 0
$$, 'PUBLIC has no right on any column');
select is_empty($$
  select n.nspname, a.privilege_type from pg_catalog.pg_namespace n, pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
  where n.nspname in ('analytics', 'analytics_private') and a.grantee = 0
$$, 'PUBLIC has no right on the schemas');
set local role analytics_owner;
create function analytics_private.made_later() returns integer language sql as 'select 1';
set local role none;
select ok(not has_function_privilege('anon', 'analytics_private.made_later()', 'execute'), 'functions made later by the owner are closed to PUBLIC too');
drop function analytics_private.made_later();

select is_empty($$select relation from our_tables where nspname = 'analytics' and pg_catalog.has_table_privilege('anon', oid, 'select, insert, update, delete')
  and relation not in (select relation from price_lists)$$,
  'anon has no right on any table but the price lists');
select is_empty($$
  select t.relation, p from our_tables t, unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p
  where pg_catalog.has_table_privilege('analytics_sidecar', t.oid, p)
$$, 'the sidecar has no right on any table');
select is_empty($$
  select t.relation, p from our_tables t, unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p
  where pg_catalog.has_table_privilege('authenticated', t.oid, p)
$$, 'a signed-in user writes no whole table');
select set_eq($$
  select t.relation::text || '.' || c.attname from our_tables t join pg_catalog.pg_attribute c on c.attrelid = t.oid and c.attnum > 0 and not c.attisdropped
  where t.relkind <> 'S' and (pg_catalog.has_column_privilege('authenticated', t.oid, c.attnum, 'update') or pg_catalog.has_column_privilege('authenticated', t.oid, c.attnum, 'insert'))
$$, $$
  select 'analytics.users.' || c from unnest(array['username', 'phone_number', 'preferences', 'notification_preferences', 'timezone', 'language',
    'data_analytics_enabled', 'default_workspace_id']) c
  union all select 'analytics.user_profiles.' || c from unnest(array['full_name', 'first_name', 'last_name', 'display_name', 'company', 'job_title',
    'work_description', 'bio', 'avatar_url', 'profile_visibility']) c
  union all select 'analytics.workspaces.' || c from unnest(array['name', 'description', 'logo_url', 'settings']) c
  -- Content, and a status that the policies keep to draft and scheduled.
  union all select 'analytics.posts.' || c from unnest(array['workspace_id', 'name', 'topic', 'content_mode', 'universal_content', 'universal_metadata',
    'platform_content', 'platforms', 'status', 'scheduled_at']) c
$$, 'a signed-in user writes only columns that decide nothing');
select is_empty($$
  select t.relation, p from our_tables t, unnest(array['insert', 'update', 'delete', 'truncate']) p
  where t.relation::text in ('analytics.user_profile_access', 'analytics.audit_logs', 'analytics.audit_personal', 'analytics.users', 'analytics.workspace_members', 'analytics_private.jobs')
    and pg_catalog.has_table_privilege('service_role', t.oid, p)
$$, 'not even the service role writes windows, audit, accounts, memberships or jobs');
select is_empty($$
  select t.relation from our_tables t where t.nspname = 'analytics_private'
    and pg_catalog.has_any_column_privilege('authenticated', t.oid, 'select, insert, update') and t.relkind <> 'S'
$$, 'private tables are closed to signed-in users');
select is_empty($$
  select f.signature from our_functions f where pg_catalog.has_function_privilege('analytics_sidecar', f.oid, 'execute')
  except select unnest(array[
    'analytics_private.claim_jobs(text,text[],integer,integer)', 'analytics_private.heartbeat_jobs(uuid[],integer)', 'analytics_private.release_jobs(uuid[])',
    'analytics_private.complete_job(uuid,json)', 'analytics_private.fail_job(uuid,text,text,boolean,double precision)', 'analytics_private.queue_metrics()',
    'analytics_private.maintain()', 'analytics_private.derive_due_creators(integer)', 'analytics_private.apply_billing_event(json,text)', 'analytics_private.seal_audit()', 'analytics_private.due_audit_checkpoints(integer)',
    'analytics_private.note_audit_checkpoint(text,text,text)', 'analytics_private.sidecar_find_account(text)',
    'analytics_private.sidecar_begin_import(uuid,timestamptz,text,text,bigint,boolean)', 'analytics_private.sidecar_add_page(uuid,integer,text[],text[],timestamptz[])',
    'analytics_private.sidecar_finish_import(uuid)', 'analytics_private.sidecar_abandon_import(uuid)', 'analytics_private.sidecar_store_document(uuid,text,timestamptz,json)',
    'analytics_private.sidecar_note_refusals(text,text,bigint)', 'analytics_private.sidecar_find_connection(uuid)',
    'analytics_private.sidecar_begin_connection(uuid,bytea,bytea,bytea,text,text[])', 'analytics_private.sidecar_use_state(bytea,bytea,text)',
    'analytics_private.sidecar_fail_connection(uuid,text,text,text)', 'analytics_private.sidecar_place_found(uuid,text[],text[],text[])',
    'analytics_private.sidecar_public_url()', 'analytics_private.sidecar_store_found(uuid,json,text[])', 'analytics_private.sidecar_access(uuid)', 'analytics_private.sidecar_take_refreshes(text,text,integer,integer)',
    'analytics_private.sidecar_begin_refresh(uuid,uuid)', 'analytics_private.sidecar_release_refresh(uuid,uuid)',
    'analytics_private.sidecar_store_refreshed(uuid,bigint,text,text,text,text[],timestamptz,timestamptz,timestamptz,timestamptz)',
    'analytics_private.sidecar_fail_refresh(uuid,uuid,bigint,text,text,double precision)', 'analytics_private.sidecar_take_revocations(text,integer,integer)',
    'analytics_private.sidecar_finish_revocation(uuid,uuid,text,double precision)', 'analytics_private.sidecar_sealed_after(text,uuid,uuid,integer)',
    'analytics_private.sidecar_store_rotated(text,uuid[],uuid[],text[],text[],text[],text[],text[],text[])',
    'analytics_private.sidecar_take_insights(text,text,integer,integer)', 'analytics_private.sidecar_note_limit(text,integer,double precision)',
    'analytics_private.sidecar_store_insights(uuid,json,text,text,double precision,bigint)', 'analytics_private.sidecar_release_insights(uuid)',
    'analytics_private.sidecar_store_events(json)', 'analytics_private.sidecar_handle_event(uuid)', 'analytics_private.sidecar_request_deletion(text,text,bytea,timestamptz)',
    'analytics_private.sidecar_deletion_status(text)',
    'analytics_private.user_id()', 'analytics_private.claimed_user_id()', 'analytics_private.workspace_ids(text)',
    'analytics_private.may_read_profile(uuid)', 'analytics_private.check_username(text)', 'analytics_private.request_id()', 'analytics_private.request_ip()',
    'analytics_private.request_user_agent()']::regprocedure[])
$$, 'the sidecar may call what it needs and nothing else');
select is_empty($$
  select f.signature from our_functions f
  where f.prosecdef and pg_catalog.has_function_privilege('authenticated', f.oid, 'execute')
    and f.prosrc !~ 'require_user|workspace_ids'
    and f.signature <> all (array['analytics_private.invite_preview(text)', 'analytics_private.shared_page(text)']::regprocedure[]) -- there the token is the key
$$, 'every definer function that a signed-in user may call asks who is calling');
select ok(not pg_catalog.has_function_privilege(r, 'analytics.install()', 'execute'), r || ' cannot install')
from unnest(array['anon', 'authenticated', 'service_role', 'analytics_sidecar', 'analytics_owner']) r;

-- Definers and owners --------------------------------------------------------------------------------------------------

select is_empty($$select signature from our_functions where nspname = 'analytics' and prosecdef$$, 'no SECURITY DEFINER in the exposed schema');
select is_empty($$
  select signature from our_functions where prosecdef and (proconfig is null or not 'search_path=pg_catalog, pg_temp' = any (proconfig))
$$, 'every definer function has the path of PostgreSQL alone');
select is_empty($$
  select signature from our_functions f where prosecdef and exists (select from pg_catalog.pg_roles r where r.oid = f.proowner and r.rolsuper)
$$, 'no definer function runs as a superuser');
-- auth_users reads auth.users, on which only the installer has rights.
select is_empty($$
  select 'table', t.relation::text from our_tables t join pg_catalog.pg_roles r on r.oid = t.relowner
  where r.rolname <> 'analytics_owner' and t.relation <> 'analytics.auth_users'::regclass
  union all
  select 'function', f.signature::text from our_functions f join pg_catalog.pg_roles r on r.oid = f.proowner
  where r.rolname <> 'analytics_owner' and not f.compiled
  union all
  select 'type', y.oid::regtype::text from pg_catalog.pg_type y join our_schemas s on s.oid = y.typnamespace join pg_catalog.pg_roles r on r.oid = y.typowner
  where r.rolname <> 'analytics_owner' and y.oid::regtype::text not like 'analytics.auth_users%' and y.oid::regtype::text !~ '^analytics\.(follower_set|engagement_summary|audience)(\[\])?$'
$$, 'whatever the extension does not compile belongs to analytics_owner');
select ok(not (rolsuper or rolcanlogin or rolbypassrls or rolcreaterole or rolcreatedb), 'analytics_owner can neither log in nor overrule anything')
from pg_catalog.pg_roles where rolname = 'analytics_owner';
select is_empty($$select relation from our_tables where relation <> 'analytics.auth_users'::regclass and relkind = 'v'
  and not exists (select from pg_catalog.pg_class c where c.oid = our_tables.oid and 'security_invoker=true' = any (c.reloptions))$$,
  'views run with the rights of whoever reads them');
select ok(not pg_catalog.has_table_privilege(r, 'analytics.auth_users', 'select'), r || ' cannot read auth_users')
from unnest(array['anon', 'authenticated', 'analytics_sidecar']) r;

-- Tables ---------------------------------------------------------------------------------------------------------------

select is_empty($$select relation from our_tables where relkind in ('r', 'p') and not relrowsecurity$$, 'every table and partition has row-level security');
select is_empty($$select relation from our_tables where relforcerowsecurity$$, 'row-level security is not forced');
select is_empty($$select relation from our_tables where relispartition and nspname <> 'analytics_private'$$, 'partitions are in the private schema');
select is_empty($$
  select t.relation from our_tables t where t.nspname = 'analytics_private' and exists (select from pg_catalog.pg_policy p where p.polrelid = t.oid)
$$, 'private tables and partitions have no policy');
select is_empty($$
  select p.polrelid::regclass, p.polname from pg_catalog.pg_policy p join our_tables t on t.oid = p.polrelid
  where not p.polpermissive or p.polname !~ ' .* '
    or p.polroles <> array['authenticated'::regrole::oid] and t.relation not in (select relation from price_lists)
$$, 'policies are permissive, for signed-in users, and have a sentence as their name');
select is_empty($$
  select p.polrelid::regclass, p.polcmd from pg_catalog.pg_policy p join our_tables t on t.oid = p.polrelid
  group by p.polrelid, p.polcmd having count(*) > 1
$$, 'there is one policy for a table and command');
select is_empty($$
  select p.polrelid::regclass, p.polname from pg_catalog.pg_policy p join our_tables t on t.oid = p.polrelid
  where pg_catalog.pg_get_expr(p.polqual, p.polrelid) ~ 'auth\.' or pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) ~ 'auth\.'
$$, 'no policy asks auth.uid(), which raises on a subject that is no uuid');
select is_empty($$
  select t.relation from our_tables t where t.nspname = 'analytics' and t.relkind in ('r', 'p')
    and not exists (select from pg_catalog.pg_policy p where p.polrelid = t.oid and p.polcmd in ('r', '*'))
$$, 'every exposed table has a policy for reading');
select is_empty($$select relation from our_tables where relkind in ('r', 'p') and nspname = 'analytics' and obj_description(oid, 'pg_class') is null$$,
  'every exposed table has a comment');
select is_empty($$select relation from our_tables where relkind in ('v', 'm') and nspname = 'analytics' and obj_description(oid, 'pg_class') is null$$,
  'every exposed view has a comment');
select is_empty($$select signature from our_functions where nspname = 'analytics' and obj_description(oid, 'pg_proc') is null$$,
  'every exposed function has a comment');
select is_empty($$
  select t.relation, a.attname from our_tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type y on y.oid = a.atttypid
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_type'::regclass and d.objid in (y.oid, y.typelem, y.typbasetype) and d.deptype = 'e'
$$, 'no column has the type of an extension, which would go with it');
select is_empty($$
  select d.objid from pg_catalog.pg_depend d join our_functions f on f.compiled and d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = f.oid
  where d.classid = 'pg_catalog.pg_constraint'::regclass or d.classid = 'pg_catalog.pg_class'::regclass
$$, 'no check, generated column, index or view calls a compiled function, and would go with it');
select is_empty($$
  select t.relation from our_tables t where exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = t.oid and d.deptype = 'e')
  union all select nspname::regclass from our_schemas where false
$$, 'no table belongs to an extension');
select is_empty($$
  select s.nspname from our_schemas s where exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_namespace'::regclass and d.objid = s.oid and d.deptype = 'e')
$$, 'no schema belongs to an extension, so dropping it cannot take the tables along');

-- A foreign key is indexed when an index begins with its columns, in any order.
select is_empty($$
  select k.conrelid::regclass, k.conname from pg_catalog.pg_constraint k join our_tables t on t.oid = k.conrelid
  where k.contype = 'f' and not exists (
    select from pg_catalog.pg_index i
    where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
      and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey)
$$, 'every foreign key is indexed');
-- PostgreSQL's own names: table_column_suffix, with a number where that is taken.
select is_empty($$
  select k.conrelid::regclass, k.conname from pg_catalog.pg_constraint k join our_tables t on t.oid = k.conrelid
  where not t.relispartition and k.contype in ('c', 'f') and k.conname ~ '_(check|fkey)[0-9]*$'
    and k.conname = any (select c.relname || '_' || a.attname || '_' || case k.contype when 'c' then 'check' else 'fkey' end
      from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = any (k.conkey) where c.oid = k.conrelid)
$$, 'checks and foreign keys have names of their own');
select is_empty($$
  select i.indexrelid::regclass from pg_catalog.pg_index i join our_tables t on t.oid = i.indrelid join pg_catalog.pg_class c on c.oid = i.indexrelid
  where not t.relispartition and c.relname ~ '_idx[0-9]*$'
$$, 'indexes have names of their own');
select is_empty($$
  select t.relation, a.attname from our_tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
  where a.atttypid in ('timestamp'::regtype, 'time'::regtype) and t.relkind in ('r', 'p')
$$, 'every time has a zone');
select is_empty($$
  select t.relation, a.attname from our_tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
  where t.relkind in ('r', 'p') and a.attname ~ '(followers|following|posts|likes|comments|view|play|highlight_reel)_count$' and a.atttypid <> 'bigint'::regtype
$$, 'platform counters have 64 bits');

-- Examples -------------------------------------------------------------------------------------------------------------

create function pg_temp.examples() returns table (signature regprocedure, example text) language sql as $$
  select f.signature, btrim(e[1]) from our_functions f, regexp_matches(obj_description(f.oid, 'pg_proc'), 'Example: ([^\n]+)', 'g') e
$$;
select is_empty($$
  select signature from our_functions f where nspname = 'analytics' and obj_description(oid, 'pg_proc') !~ '\nExample: select ' and signature <> 'analytics.install()'::regprocedure
$$, 'every exposed function has an example');

-- What the examples speak of: a user with the workspace that require_role names, a post in it, and natgeo, unlocked.
select pg_temp.sign_up('reader@example.com', 'Reader') as reader, pg_temp.sign_up('host@example.com', 'Host') as host \gset
insert into analytics.workspaces (id, name, owner_id) values ('0195c3a0-0000-7000-8000-000000000001', 'Studio', :'host');
insert into analytics.workspace_members (workspace_id, user_id, role)
values ('0195c3a0-0000-7000-8000-000000000001', :'host', 'owner'), ('0195c3a0-0000-7000-8000-000000000001', :'reader', 'editor');
insert into analytics.posts (workspace_id, id, created_by, name, status, scheduled_at) values ('0195c3a0-0000-7000-8000-000000000001', '0195c3a0-0000-7000-8000-000000000002', :'host', 'Spring', 'draft', null),
  ('0195c3a0-0000-7000-8000-000000000001', '0195c3a0-0000-7000-8000-000000000003', :'host', 'Summer', 'scheduled', now() + interval '1 day');
select pg_temp.ingest(pg_temp.account('787132', 'natgeo', 280000000, array[pg_temp.post(1, '787132', 'natgeo', now() - interval '1 day', 5, 1)])) as natgeo \gset
select pg_temp.put_window(:'reader', :'natgeo', '-1 day', '1 day');
-- A workspace of the reader's with a member and an open invitation, and an invitation to another for him.
insert into auth.users (id, email, email_confirmed_at) values ('0195c3a0-0000-7000-8000-0000000000b1', 'member@example.com', now());
insert into analytics.workspaces (id, name, owner_id) values ('0195c3a0-0000-7000-8000-0000000000a0', 'Agency', :'reader'), ('0195c3a0-0000-7000-8000-0000000000a1', 'Guild', :'host');
insert into analytics.workspace_members (workspace_id, user_id, role) values ('0195c3a0-0000-7000-8000-0000000000a0', :'reader', 'owner'),
  ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000b1', 'analyst'), ('0195c3a0-0000-7000-8000-0000000000a1', :'host', 'owner');
insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at, cancel_at_period_end)
select w, 'premium', 'active', now(), true from unnest(array['0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000a1']::uuid[]) w;
insert into analytics.workspace_invites (workspace_id, id, email, role, invited_by, expires_at) values
  ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000f1', 'guest@example.com', 'analyst', :'reader', now() + interval '1 day'),
  ('0195c3a0-0000-7000-8000-0000000000a1', '0195c3a0-0000-7000-8000-0000000000f2', 'reader@example.com', 'editor', :'host', now() + interval '1 day');
insert into analytics_private.invite_tokens values ('0195c3a0-0000-7000-8000-0000000000a1', '0195c3a0-0000-7000-8000-0000000000f2', sha256('an-invitation-token'));
-- An account of the reader's with a list of yesterday, and another list under way; and one with more of them.
insert into analytics.social_accounts (workspace_id, id, platform, handle, created_by)
values ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000c0', 'instagram', 'harbour', :'reader'),
  ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000c2', 'instagram', 'lighthouse', :'reader');
insert into analytics.shared_pages (workspace_id, id, social_account_id, page, timezone, created_by, expires_at)
values ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000d0', '0195c3a0-0000-7000-8000-0000000000c0', 'dashboard', 'UTC', :'reader', now() + interval '1 day');
insert into analytics_private.shared_page_tokens values ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000d0', sha256('a-link-token'));
select pg_temp.act_as(:'reader');
select analytics.record_followers('0195c3a0-0000-7000-8000-0000000000c0', '["ada", "joan", "mary"]', now() - interval '1 day', is_complete => true) \g /dev/null
select analytics.record_followers('0195c3a0-0000-7000-8000-0000000000c2', people, now() - days * interval '1 day', relation, is_complete => true)
from (values ('["mary", "joan", "ben"]', 40, 'followers'), ('["mary", "joan", "tom"]', 2, 'followers'), ('["mary", "ada"]', 1, 'following')) l (people, days, relation) \g /dev/null
select pg_temp.act_as_superuser();
insert into analytics_private.follower_imports (workspace_id, id, social_account_id, relation, source, captured_at, is_complete)
values ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000c1', '0195c3a0-0000-7000-8000-0000000000c0', 'followers', 'api', now(), true);
insert into analytics_private.follower_import_pages (workspace_id, import_id, page, person_count, members)
values ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000c1', 0, 2, '{1,7}'::analytics.follower_set);
-- A consent that waits for a choice, and something he was told.
insert into analytics_private.allowed_redirects (uri) values ('https://app.example.com/connected');
select analytics_private.set_setting('oauth_public_url', 'https://connect.example.com') \g /dev/null
insert into analytics.connections (workspace_id, id, user_id, platform, provider, purpose, redirect_to, status, expires_at)
values ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000d0', :'reader', 'instagram', 'instagram', 'insights', 'https://app.example.com/connected', 'choosing', now() + interval '1 hour');
insert into analytics_private.connection_finds (workspace_id, connection_id, platform, platform_user_id, account_id, consent_key, access_token, token_type, issued_at)
values ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000d0', 'instagram', '17841400000000001', analytics.uuidv7(), '1', 'gAAAAA', 'bearer', now());
insert into analytics.notices (workspace_id, id, user_id, social_account_id, kind, message)
values ('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000d1', :'reader', '0195c3a0-0000-7000-8000-0000000000c0', 'expiring', 'the access ends soon');

select pg_temp.act_as(:'reader');
-- What an example did is undone, so that none depends on those before it.
create function pg_temp.first_value(query text) returns text language plpgsql as $$
declare
  answer text;
begin
  execute 'select v::text from (' || query || ') as example (v)' into answer;
  raise sqlstate 'NOERR';
exception
  when sqlstate 'NOERR' then
    return answer;
  when others then
    return 'error: ' || sqlerrm;
end
$$;
select pg_temp.act_as_superuser();
create temp table ran as
  select e.signature, e.example, pg_catalog.has_function_privilege('authenticated', e.signature, 'execute') as by_client, null::text as answer from pg_temp.examples() e;
grant all on ran to public;
select pg_temp.act_as(:'reader');
-- An example with several columns is wrapped so that its first is seen.
update ran set answer = pg_temp.first_value(case when example like '%from analytics.my_profiles()' then format('select username from (%s) as several', example) else example end)
where by_client;
select pg_temp.act_as_superuser();
update ran set answer = pg_temp.first_value(example) where not by_client;
select ok(answer is not null and answer not like 'error:%', format('%s: %s gives %s', signature, example, coalesce(answer, 'null'))) from ran;
select is(answer, 'true', format('%s is true', example)) from ran where example ~ ' = |<' and example !~ '\{';

-- Again: last, since a repair could mend what the tests above look at -------------------------------------------------

-- What the users made above left to the commit must not stand in the way of changing their tables.
set constraints all immediate;
create temp table before_install as select t as line from pg_temp.contents(array(select pg_temp.tables()), '{}') t;
create temp table again as select * from analytics.install();
select public_path is not distinct from current_setting('search_path') as path_kept from (select :'tap_path' as public_path) p \gset
set local search_path to :tap_path;
select ok(:'path_kept', 'installing leaves the search path of the session alone');
select set_eq('select distinct status from again', array['present'], 'installing again applies nothing');
select set_eq($$select t from pg_temp.contents(array(select pg_temp.tables()), '{}') t$$, 'select line from before_install', 'installing again changes no row');

-- Files that run again, as after "drop extension … cascade", find everything and change nothing.
update analytics_private.installed_files set extension = 0;
drop table again;
create temp table again as select * from analytics.install();
set local search_path to :tap_path;
select set_eq('select distinct status from again', array['repaired'], 'every file can run a second time');
delete from before_install where line like 'analytics_private.installed_files%';
select set_eq($$select t from pg_temp.contents(array(select pg_temp.tables() except select 'analytics_private.installed_files'::regclass), '{}') t$$,
  'select line from before_install', 'a repair changes no row');

update analytics_private.installed_files set checksum = 'other' where file = '40_access.sql';
select throws_like('select analytics.install()', '%40_access.sql%', 'a file that was applied with other content is an error naming the file');

-- A plan whose parts are switched off costs so much that it would be compiled at each call.
select is_empty($$select p.oid::regprocedure from pg_catalog.pg_proc p where p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace)
  and exists (select from unnest(p.proconfig) c where c like 'enable\_%=off') and 'jit=off' <> all (p.proconfig)$$, 'whoever switches plans off switches JIT off');

select * from finish();
rollback;
