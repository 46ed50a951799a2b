-- Who may do what, tried out: prints the lines of tests/role_matrix.tsv. Run by scripts/role_matrix.sh in a database with
-- the schema installed and no data; everything is rolled back.
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
begin;
set local search_path = pg_catalog, pg_temp;
set local timezone = 'UTC';
set local client_min_messages = warning;
set local analytics_ext.gateways = 'authenticator';

-- The world: a workspace with a member of each role, and a stranger with a workspace of his own --------------------------

create temp table people (who text primary key, id uuid);
with made as (
  insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data)
  select gen_random_uuid(), w || '@example.com', now(), jsonb_build_object('full_name', w) from unnest(array['stranger', 'analyst', 'editor', 'admin', 'owner']) w
  returning id, email)
insert into people select split_part(email, '@', 1), id from made;
create function pg_temp.person(who text) returns uuid language sql as $$ select p.id from pg_temp.people p where p.who = person.who $$;
create function pg_temp.act(claims text, role_name text) returns void language sql as $$
  select pg_catalog.set_config('role', 'none', true);
  select pg_catalog.set_config('request.jwt.claims', claims, true), pg_catalog.set_config('role', role_name, true);
$$;
-- The columns of the matrix: the eight who ask.
create temp table actors (o integer, actor text, role_name text, claims text);
insert into actors
select v.o, v.actor, v.role_name, coalesce(v.claims, jsonb_build_object('sub', pg_temp.person(v.actor), 'role', 'authenticated')::text)
from (values (1, 'anon', 'anon', ''), (2, 'stranger', 'authenticated', null), (3, 'analyst', 'authenticated', null), (4, 'editor', 'authenticated', null), (5, 'admin', 'authenticated', null),
  (6, 'owner', 'authenticated', null), (7, 'service_role', 'service_role', '{"role": "service_role"}'), (8, 'analytics_sidecar', 'analytics_sidecar', '')) v (o, actor, role_name, claims);

-- Two workspaces of one kind, ours and the stranger's, so that every table holds rows of both.
create temp table places (id uuid, owner_name text);
insert into places select (array['0195c3a0-0000-7000-8000-0000000000aa', '0195c3a0-0000-7000-8000-0000000000bb'])[o]::uuid, w from unnest(array['owner', 'stranger']) with ordinality t (w, o);
insert into analytics.workspaces (id, name, owner_id) select p.id, p.owner_name || '''s', pg_temp.person(p.owner_name) from places p;
insert into analytics.workspace_members (workspace_id, user_id, role) select p.id, pg_temp.person(p.owner_name), 'owner' from places p;
insert into analytics.workspace_members (workspace_id, user_id, role) select p.id, pg_temp.person(r), r from places p, unnest(array['admin', 'editor', 'analyst']) r where p.owner_name = 'owner';
insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at) select p.id, 'premium', 'active', now() from places p;
update analytics.users u set default_workspace_id = m.workspace_id from analytics.workspace_members m join places p on p.id = m.workspace_id where m.user_id = u.id;
-- Each has an invitation out, not addressed to any of the people.
insert into analytics.workspace_invites (workspace_id, email, role, invited_by, expires_at)
select p.id, 'guest-of-' || p.owner_name || '@example.com', 'analyst', pg_temp.person(p.owner_name), now() + interval '1 day' from places p;
insert into analytics_private.invite_tokens select i.workspace_id, i.id, sha256(i.email::bytea) from analytics.workspace_invites i;
insert into analytics.subscription_history (workspace_id, user_id, plan_name, status) select p.id, pg_temp.person(p.owner_name), 'premium', 'active' from places p;
select analytics_private.grant_credits(p.id, 10), analytics_private.write_audit('made', 'workspace', p.id, '{}', p.id, null, '{}') from places p \g /dev/null
-- Observed accounts: one that everybody in the world unlocked but nobody else knows, one that nobody did.
select analytics_private.ingest_instagram(format('{"status": "ok", "data": {"user": {"id": "%1$s", "username": "%2$s", "full_name": "%2$s", "biography": "b", "edge_followed_by": {"count": 10}, "edge_follow": {"count": 1},
  "edge_related_profiles": {"edges": [{"node": {"id": "9%1$s", "username": "near.%2$s"}}]},
  "edge_owner_to_timeline_media": {"count": 1, "edges": [{"node": {"__typename": "GraphImage", "id": "30000000%1$s", "shortcode": "S%1$s", "owner": {"id": "%1$s"}, "taken_at_timestamp": 1700000000,
    "edge_media_preview_like": {"count": 3}, "edge_media_to_comment": {"count": 1, "edges": [{"node": {"id": "8%1$s", "text": "Great!", "created_at": 1700000001}}]},
    "edge_media_to_caption": {"edges": [{"node": {"text": "with @friend"}}]}}}]}}}}', n, name)::json)
from (values (1, 'unlocked'), (2, 'locked')) v (n, name) \g /dev/null
insert into analytics.audience_demographics (profile_id) select p.id from analytics.profiles p where p.captured_at is not null on conflict do nothing;
select analytics_private.derive_creator_metadata(), analytics_private.refresh_size_tiers() \g /dev/null
select analytics_private.link_firebase_user('uid-1'), analytics_private.erase_person('removed', 'case 1') \g /dev/null
do $$
declare
  a record;
begin
  for a in select * from pg_temp.actors where role_name = 'authenticated' loop
    perform pg_temp.act(a.claims, a.role_name);
    perform analytics.unlock_profile('unlocked'), analytics.favorite_profile('unlocked'), analytics.search_profiles('unlocked');
    if a.actor in ('owner', 'stranger') then
      perform analytics.create_post(name => 'post');
      perform analytics.record_followers(l.account, l.people, now() - l.days * interval '1 day', is_complete => true)
      from (select (analytics.add_account(platform => 'x', handle => a.actor) ->> 'id')::uuid) m (account),
        lateral (values (m.account, '[{"id": 1, "username": "ann"}]', 2), (m.account, '[{"id": 1, "username": "anna"}, "bob"]', 1)) l (account, people, days);
      perform analytics.record_metrics(s.id, '[{"metric": "followers", "measured_at": "2026-05-01", "value": 1}]'),
        analytics.record_posts(s.id, '[{"id": 1, "posted_at": "2026-05-01"}]') from analytics.social_accounts s where s.handle = a.actor;
      perform analytics.add_follower_page((analytics.begin_follower_import(s.id) ->> 'import_id')::uuid, 0, '["cid"]'), analytics.share_page(s.id) from analytics.social_accounts s where s.handle = a.actor;
    end if;
    perform pg_temp.act('', 'none');
  end loop;
  perform analytics_private.sidecar_store_document(s.id, 'audience_insights.json', now(), '{}') from analytics.social_accounts s;
  -- In each workspace an attempt that waits for a choice, one at the provider, an access, one being given back, and something to be told.
  insert into analytics_private.allowed_redirects (uri) values ('https://app.example.com/');
  insert into analytics.connections (workspace_id, user_id, platform, provider, purpose, redirect_to, status, expires_at)
  select s.workspace_id, s.created_by, 'x', 'x', 'insights', 'https://app.example.com/', 'choosing', now() + interval '1 hour' from analytics.social_accounts s;
  insert into analytics_private.oauth_states (workspace_id, connection_id, ticket_digest, expires_at) select c.workspace_id, c.id, sha256(c.id::text::bytea), c.expires_at from analytics.connections c;
  insert into analytics_private.connection_finds (workspace_id, connection_id, platform, platform_user_id, account_id, consent_key, access_token, token_type, issued_at)
  select c.workspace_id, c.id, 'x', '1', c.id, '1', 'gAAAAA', 'bearer', now() from analytics.connections c;
  insert into analytics_private.oauth_tokens (workspace_id, social_account_id, provider, purpose, consent_key, access_token, token_type, issued_at, first_consent_at)
  select s.workspace_id, s.id, 'x', 'insights', s.id::text, 'gAAAAA', 'bearer', now(), now() from analytics.social_accounts s;
  insert into analytics_private.oauth_revocations (workspace_id, social_account_id, provider, consent_key, access_token, token_type, issued_at)
  select s.workspace_id, s.id, 'x', '1', 'gAAAAA', 'bearer', now() from analytics.social_accounts s;
  perform analytics_private.tell_member(s, 'expiring', 'the access ends soon', null) from analytics.social_accounts s;
  -- What is asked for and when.
  insert into analytics_private.account_schedules (workspace_id, social_account_id, kind, provider) select s.workspace_id, s.id, 'account', 'x' from analytics.social_accounts s on conflict do nothing;
  insert into analytics_private.post_schedules (workspace_id, social_account_id, platform_post_id) select t.workspace_id, t.social_account_id, t.platform_post_id from analytics.top_content t;
  insert into analytics_private.metric_refusals (workspace_id, social_account_id, subject, api_name, code, until) select s.workspace_id, s.id, 'account', 'views', '10', now() + interval '1 day' from analytics.social_accounts s;
  insert into analytics_private.app_metric_refusals (provider, platform, subject, api_name, code, until) values ('x', 'x', 'account', 'views', '100', now() + interval '1 day');
  insert into analytics_private.insight_turns (workspace_id, provider, served_at) select distinct s.workspace_id, 'x', now() from analytics.social_accounts s on conflict do nothing;
  perform analytics_private.sidecar_note_limit('x', 95, 60);
  insert into analytics.events (workspace_id, social_account_id, platform, type, payload) select s.workspace_id, s.id, 'x', 'tweet_create_events', '{}' from analytics.social_accounts s;
  insert into analytics_private.event_digests (workspace_id, social_account_id, digest) select s.workspace_id, s.id, sha256('event') from analytics.social_accounts s;
  perform analytics_private.sidecar_request_deletion('facebook', '1', sha256('request'), now());
  perform analytics_private.map_db_login(session_user::text, pg_temp.person('owner'));
  perform analytics_private.enqueue_job('instagram_profile', 'unlocked', '{"username": "unlocked"}');
end
$$;

-- Trying -----------------------------------------------------------------------------------------------------------------

-- What makes a row somebody's: his id, his workspaces and who is in them, the profiles he unlocked.
create temp table belongings (actor text, kind text, pattern text);
insert into belongings
select a.actor, 'own', pg_temp.person(a.actor)::text || '|' || (select string_agg(w.id::text, '|') from analytics.workspaces w where w.is_personal and w.owner_id = pg_temp.person(a.actor)) from actors a where a.role_name = 'authenticated'
union all
select a.actor, 'workspace', (select string_agg(distinct m.workspace_id || '|' || o.user_id, '|') from analytics.workspace_members m join analytics.workspace_members o using (workspace_id)
  where m.user_id = pg_temp.person(a.actor)) from actors a where a.role_name = 'authenticated'
union all
select a.actor, 'unlocked', (select string_agg(x.profile_id::text, '|') from analytics.user_profile_access x where x.user_id = pg_temp.person(a.actor)) from actors a where a.role_name = 'authenticated';

-- Whose rows these are: none, own, workspace (of the caller's workspaces or co-members), unlocked, all, or other.
create function pg_temp.whose(of_actor text, rows_met text[], total bigint) returns text language sql as $$
  select case
    when coalesce(cardinality(rows_met), 0) = 0 then case when total = 0 then 'empty' else 'none' end
    when bool_and(r ~ o.pattern) then 'own'
    when bool_and(r ~ (o.pattern || '|' || w.pattern)) then 'workspace'
    when bool_and(r ~ (o.pattern || '|' || w.pattern || '|' || u.pattern)) and cardinality(rows_met) < total then 'unlocked'
    when cardinality(rows_met) >= total then 'all'
    else 'other'
  end
  from unnest(rows_met) r
    left join pg_temp.belongings o on o.actor = of_actor and o.kind = 'own'
    left join pg_temp.belongings w on w.actor = of_actor and w.kind = 'workspace'
    left join pg_temp.belongings u on u.actor = of_actor and u.kind = 'unlocked'
  group by o.pattern, w.pattern, u.pattern
  union all select case when total = 0 then 'empty' else 'none' end where coalesce(cardinality(rows_met), 0) = 0
  limit 1
$$;

-- One statement as one actor, undone: the rows it met, or the state of its error.
create function pg_temp.attempt(claims text, role_name text, statement text, replica boolean, out rows_met text[], out state text) language plpgsql as $$
begin
  begin
    if replica then
      perform set_config('session_replication_role', 'replica', true);
    end if;
    perform pg_temp.act(claims, role_name);
    execute statement into rows_met;
    raise sqlstate 'NOERR';
  exception
    when sqlstate 'NOERR' then
      null;
    when others then
      state := sqlstate;
  end;
  perform pg_temp.act('', 'none');
end
$$;

create function pg_temp.verdict(a pg_temp.actors, relation regclass, command text) returns text language plpgsql as $$
declare
  total bigint;
  columns text;
  readable text;
  tried record;
  sample record;
  answers text[] := '{}';
begin
  if command in ('select', 'delete', 'truncate') and not has_table_privilege(a.role_name, relation, command) and not (command = 'select' and has_any_column_privilege(a.role_name, relation, command))
     or command in ('insert', 'update') and not has_any_column_privilege(a.role_name, relation, command) then
    return '-';
  end if;
  execute format('select count(*) from %s', relation) into total;
  if command = 'truncate' then
    select * into tried from pg_temp.attempt(a.claims, a.role_name, format('truncate %s', relation), false);
    return case when tried.state is null or tried.state not in ('42501', 'PT403') then 'all' else '-' end;
  elsif command = 'insert' then
    -- Copies of rows that are there: whichever the rights and policies let pass meet a key or a check first.
    select string_agg(quote_ident(t.attname), ', ' order by t.attnum) into columns from pg_attribute t
    where t.attrelid = relation and t.attnum > 0 and not t.attisdropped and t.attgenerated = '' and has_column_privilege(a.role_name, relation, t.attnum, 'insert');
    for sample in execute format('select to_jsonb(r) as content from %s r', relation) loop
      select * into tried from pg_temp.attempt(a.claims, a.role_name,
        format('with made as (insert into %1$s (%2$s) select %2$s from jsonb_populate_record(null::%1$s, %3$L) returning 1) select null::text[] from made', relation, columns, sample.content), false);
      if tried.state is null or tried.state not in ('42501', 'PT403', 'PT401', 'PT404') then
        answers := answers || sample.content::text;
      end if;
    end loop;
    return pg_temp.whose(a.actor, answers, total);
  end if;
  -- What may be read is enough to see whose a row is.
  select string_agg(format('%L, r.%1$I', t.attname), ', ' order by t.attnum) into readable from pg_attribute t
  where t.attrelid = relation and t.attnum > 0 and not t.attisdropped and has_column_privilege(a.role_name, relation, t.attnum, 'select');
  select quote_ident(t.attname) into columns from pg_attribute t
  where t.attrelid = relation and t.attnum > 0 and not t.attisdropped and t.attgenerated = '' and has_column_privilege(a.role_name, relation, t.attnum, 'update') order by t.attnum limit 1;
  for attempt in 1..2 loop
    select * into tried from pg_temp.attempt(a.claims, a.role_name, case command
      when 'select' then format('select array_agg(jsonb_build_object(%s)::text) from %s r', readable, relation)
      when 'update' then format('with changed as (update %s r set %s = %2$s returning to_jsonb(r) as c) select array_agg(c::text) from changed', relation, columns)
      when 'delete' then format('with gone as (delete from %s r returning to_jsonb(r) as c) select array_agg(c::text) from gone', relation) end, attempt = 2);
    -- A row that others refer to may be deleted, were it not for them: tried again without foreign keys.
    exit when tried.state is null or tried.state not like '23%';
  end loop;
  return case when tried.state in ('42501', 'PT403', 'PT401') then '-' when tried.state is not null then tried.state else pg_temp.whose(a.actor, tried.rows_met, total) end;
end
$$;

create temp table lines (kind text, object text, command text, actor text, o integer, verdict text);
-- Months come and go: the partitions of a table are one line.
insert into lines
select case when c.relispartition then 'partition' when c.relkind = 'v' then 'view' else 'table' end,
  n.nspname || '.' || regexp_replace(c.relname, '_[0-9]{4}_[0-9]{2}$', '_YYYY_MM'), x.command, a.actor, a.o, pg_temp.verdict(a, c.oid::regclass, x.command)
from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) with ordinality x (command, p) cross join actors a
where n.nspname in ('analytics', 'analytics_private') and c.relkind in ('r', 'p', 'v') and (c.relkind <> 'v' or x.command <> 'truncate');

-- Functions: the right to execute, and what a workspace's roles may by analytics.permissions (tests/pgtap/22_tenancy.sql tries that).
-- Whether one without a user is sent away is tried with nulls.
create function pg_temp.sends_away(f pg_proc, a pg_temp.actors) returns boolean language plpgsql as $$
declare
  tried record;
begin
  if f.prorettype in ('trigger'::regtype, 'event_trigger'::regtype) then
    return false;
  end if;
  select * into tried from pg_temp.attempt(a.claims, a.role_name, format('select array[count(*)::text] from %s(%s) called', f.oid::regproc,
    (select string_agg(format('null::%s', t::regtype), ', ' order by o) from unnest(f.proargtypes::oid[]) with ordinality v (t, o))), false);
  return tried.state is not distinct from 'PT401';
end
$$;
insert into lines
select 'function', n.nspname || '.' || format('%s(%s)', f.proname, pg_get_function_identity_arguments(f.oid)), 'execute', a.actor, a.o,
  case
    when not has_function_privilege(a.role_name, f.oid, 'execute') then '-'
    when a.role_name <> 'authenticated' and has_function_privilege('anon', f.oid, 'execute') and pg_temp.sends_away(f, a) then 'signed in'
    when a.role_name = 'authenticated' and p.minimum_role is not null
      and coalesce(analytics_private.role_rank(a.actor), 0) < analytics_private.role_rank(p.minimum_role) then case when a.actor = 'stranger' then 'not found' else 'forbidden' end
    else 'yes'
  end
from pg_proc f join pg_namespace n on n.oid = f.pronamespace cross join actors a left join analytics.permissions p on p.action = f.proname
where n.nspname in ('analytics', 'analytics_private');

select '# Who may do what. Written by scripts/role_matrix.sh from an installed database; make test compares. Reviewed by people: read the difference before you commit it.';
select '# Tables: - refused; none: no row; own: rows of the caller; workspace: also those of his workspaces and co-members; unlocked: of profiles with an open window; all: every row; empty: the table has no row to try.';
select '# Functions: - refused; yes; signed in: is told UNAUTHORIZED, having no user; forbidden, not found: by the role in the workspace that is named.';
select '# analyst, editor, admin and owner belong to one workspace, stranger owns another; tables are tried, each command in a transaction that is undone.';
select concat_ws(E'\t', 'kind', 'object', 'command', string_agg(a.actor, E'\t' order by a.o)) from actors a;
select concat_ws(E'\t', kind, object, command, string_agg(verdict, E'\t' order by o))
from (select kind, object, command, o, string_agg(distinct verdict, ' / ' order by verdict) as verdict from lines group by kind, object, command, o) l
group by kind, object, command
order by array_position(array['table', 'view', 'partition', 'function'], kind), object collate "C", array_position(array['select', 'insert', 'update', 'delete', 'truncate', 'execute'], command);
rollback;
