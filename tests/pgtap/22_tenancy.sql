-- Stories of a workspace: who invites whom, who may do what, who owns it, and what is left when somebody goes.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('extra@example.com') as extra \gset
select pg_temp.sign_up('olga@example.com', 'Olga') as owner, pg_temp.sign_up('adam@example.com', 'Adam') as admin, pg_temp.sign_up('edda@example.com', 'Edda') as editor,
  pg_temp.sign_up('anna@example.com', 'Anna') as analyst, pg_temp.sign_up('sven@example.com', 'Sven') as stranger \gset
create function pg_temp.subscribe(place uuid, plan text, ends boolean default true) returns void language sql as $$
  insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at, cancel_at_period_end) values (place, plan, 'active', now(), ends)
  on conflict on constraint subscriptions_pkey do update set plan_name = excluded.plan_name, cancel_at_period_end = excluded.cancel_at_period_end
$$;
create function pg_temp.code_of(call text) returns text language sql as $$ select (pg_temp.error_of(call) ->> 'detail')::jsonb ->> 'code' $$;
create function pg_temp.role_of(place uuid, who uuid) returns text language sql as $$
  select m.role::text from analytics.workspace_members m where m.workspace_id = place and m.user_id = who
$$;
create function pg_temp.audited(what text, place uuid) returns bigint language sql security definer as $$
  select count(*) from analytics.audit_logs l where l.action = what and l.workspace_id = place
$$;

-- Olga makes a workspace ------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'owner');
select analytics.create_workspace('  Harbour  ', 'ships') ->> 'workspace_id' as place \gset
select is((select name || ' ' || description || ' ' || is_personal from analytics.workspaces where id = :'place'), 'Harbour ships false', 'a signed-in user makes a workspace');
select is(pg_temp.role_of(:'place', :'owner'), 'owner', 'and owns it');
select is(pg_temp.code_of(format('select analytics.create_workspace(%L, %L)', n, d)), 'VALIDATION_ERROR', what || ' is refused')
from (values (null, null, 'no name'), ('', null, 'an empty name'), ('   ', null, 'a blank name'), (repeat('x', 256), null, 'a name of 256 characters'), (E'a\nb', null, 'a name of two lines'),
  ('x', repeat('x', 5001), 'a description of 5001 characters')) as v (n, d, what);
select pg_temp.act_as_superuser();
select lives_ok('set constraints all immediate', 'a new workspace is whole');
set constraints all deferred;
select analytics_private.set_setting('workspaces_per_user', '2');
select pg_temp.act_as(:'owner');
select analytics.create_workspace('Second') ->> 'workspace_id' as second \gset
select is(pg_temp.code_of('select analytics.create_workspace(''Third'')'), 'CONFLICT', 'nobody owns more than the operator allows');
select analytics.delete_workspace(:'second') \g /dev/null
select is(pg_temp.code_of('select analytics.create_workspace(''Third'')'), 'CONFLICT', 'and making and deleting in turn does not get round it');
select is(analytics.can('create_workspace') - 'hint', '{"allowed": false, "code": "CONFLICT", "reason": "you own 2 workspaces, and no more are allowed", "needs": null, "role": null, "resource": "workspaces", "limit": 2, "used": 2}', 'can() says so');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('workspaces_per_user', '100');

-- Inviting ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'owner');
select is(pg_temp.error_of(format('select analytics.invite_member(%L, ''adam@example.com'', ''admin'')', :'place')) ->> 'state', 'PT402', 'the free plan has one seat, which its owner has');
select is((pg_temp.error_of(format('select analytics.invite_member(%L, ''adam@example.com'', ''admin'')', :'place')) ->> 'detail')::jsonb - 'request_id',
  '{"code": "PAYMENT_REQUIRED", "resource": "seats", "limit": 1, "used": 1}', 'the error says how many seats there are and are used');
select is(analytics.can('invite_member', :'place') - 'hint', '{"allowed": false, "code": "PAYMENT_REQUIRED", "reason": "no seats left: 1 of 1 used", "needs": "admin", "role": "owner", "resource": "seats", "limit": 1, "used": 1}', 'as does can()');
select pg_temp.act_as_superuser();
select pg_temp.subscribe(:'place', 'premium');
select pg_temp.act_as(:'owner');
select analytics.invite_member(:'place', ' Adam@Example.com ', 'admin') as invited \gset
select :'invited'::jsonb ->> 'token' as adam_token \gset
select ok(:'adam_token' ~ '^[A-Za-z0-9_-]{43}$', 'Olga invites Adam and gets the token of 32 bytes for his letter');
select is((select i.email || ' ' || i.role || ' ' || (i.expires_at - i.created_at) from analytics.workspace_invites i), 'adam@example.com admin 7 days', 'admins read the invitations of their workspace');
select ok(not exists (select from jsonb_each_text(to_jsonb(i)) c where c.value = :'adam_token'), 'but not the token') from analytics.workspace_invites i;
select is(pg_temp.code_of(format('select analytics.invite_member(%L, ''ADAM@example.com'', ''analyst'')', :'place')), 'CONFLICT', 'nobody is invited twice');
select is(pg_temp.code_of(format('select analytics.invite_member(%L, ''olga@example.com'', ''analyst'')', :'place')), 'CONFLICT', 'nor when he is a member');
select is(pg_temp.code_of(format('select analytics.invite_member(%L, %L, %L, %L)', :'place', e, r, t)), 'VALIDATION_ERROR', 'no invitation with ' || what)
from (values ('x@example.com', 'owner', null, 'the role owner'), ('x@example.com', null, null, 'no role'), ('x@example.com', 'root', null, 'a role that does not exist'),
  (null, 'analyst', null, 'no address'), ('', 'analyst', null, 'an empty address'), ('nobody', 'analyst', null, 'a word for an address'), ('a@b', 'analyst', null, 'a host without a dot'),
  ('a@x.example, b@x.example', 'analyst', null, 'two addresses'), (E'a@x.example\r\nbcc: b@x.example', 'analyst', null, 'a header in the address'), ('A <a@x.example>', 'analyst', null, 'a name in the address'),
  (repeat('a', 65) || '@x.example', 'analyst', null, 'a long name'), ('a@' || repeat('x', 250) || '.example', 'analyst', null, 'a long host'),
  ('x@example.com', 'analyst', '23 hours', 'less than a day'), ('x@example.com', 'analyst', '366 days', 'more than a year'), ('x@example.com', 'analyst', '-1 day', 'a time in the past')) as v (e, r, t, what);
select pg_temp.act_as(:'stranger');
select is(pg_temp.code_of(format('select analytics.invite_member(%L, ''sven@example.com'', ''admin'')', p)), 'NOT_FOUND', 'a stranger does not invite himself: ' || what)
from (values (:'place'::uuid, 'a workspace of others'), (gen_random_uuid(), 'none'), (null, 'null')) as v (p, what);
select is_empty('select 1 from analytics.workspace_invites', 'and reads no invitation');

-- Adam accepts -----------------------------------------------------------------------------------------------------------

select pg_temp.act_with('', 'anon');
select is(analytics.invite_preview(:'adam_token') - 'expires_at', '{"workspace_name": "Harbour", "role": "admin", "invited_by": "Olga"}', 'who holds the token sees what it is for before signing in');
select is(pg_temp.code_of(format('select analytics.invite_preview(%L)', t)), 'NOT_FOUND', 'a token that is none opens nothing')
from unnest(array[null, '', 'x', upper(:'adam_token'), :'adam_token' || 'x', repeat('x', 100000), left(:'adam_token', 42)]) t;
select is(pg_temp.code_of(format('select analytics.accept_invite(%L)', :'adam_token')), 'UNAUTHORIZED', 'to accept one must sign in');
select pg_temp.act_as(:'stranger');
select is(pg_temp.error_of(format('select analytics.accept_invite(%L)', :'adam_token')) ->> 'message', 'this invitation is for another e-mail address', 'a stranger with the token is told no more than that it is not his');
select is(analytics.my_invites(), '[]'::jsonb, 'and has no invitation of his own');
select pg_temp.act_as_superuser();
select pg_temp.sign_up('ADAM@example.com') as impostor \gset
update auth.users set email_confirmed_at = null where id = :'impostor';
select pg_temp.act_as(:'impostor');
select is(pg_temp.error_of(format('select analytics.accept_invite(%L)', :'adam_token')) ->> 'message', 'your e-mail address is not confirmed', 'an address that is not confirmed proves nothing');
select is(analytics.my_invites(), '[]'::jsonb, 'and shows no invitation');
select is_empty('select 1 from analytics.workspace_invites', 'not in the table either');
select pg_temp.act_as_superuser();
-- Kelvin sign: a k only by Unicode's rules.
select pg_temp.sign_up(E'\u212Aai@example.com') as kelvin \gset
select pg_temp.act_as(:'owner');
select analytics.invite_member(:'place', 'kai@example.com') as kai \gset
select pg_temp.act_as(:'kelvin');
select is(pg_temp.code_of(format('select analytics.accept_invite(%L)', :'kai'::jsonb ->> 'token')), 'FORBIDDEN', 'an address that only looks the same is another');
select pg_temp.act_as(:'owner');
select ok(analytics.revoke_invite(:'place', (:'kai'::jsonb ->> 'invite_id')::uuid), 'Olga takes an invitation back');
select ok(not analytics.revoke_invite(:'place', (:'kai'::jsonb ->> 'invite_id')::uuid), 'twice makes no difference');
select pg_temp.act_as(:'admin');
select is(analytics.my_invites() -> 0 ->> 'workspace_name', 'Harbour', 'Adam sees the invitation to his address');
select is((select count(*) from analytics.workspace_invites), 1::bigint, 'in the table too, and his alone');
select is(analytics.accept_invite(:'adam_token'), jsonb_build_object('workspace_id', :'place', 'name', 'Harbour', 'role', 'admin'), 'Adam accepts');
select is(pg_temp.role_of(:'place', :'admin'), 'admin', 'and is admin');
select is(pg_temp.error_of(format('select analytics.accept_invite(%L)', :'adam_token')) ->> 'message', 'this invitation was used already', 'an invitation works once');
select is(analytics.my_invites(), '[]'::jsonb, 'and is open no more');
select is(pg_temp.code_of(format('select analytics.revoke_invite(%L, %L)', :'place', :'invited'::jsonb ->> 'invite_id')), 'CONFLICT', 'one that was used cannot be taken back');
select is(pg_temp.code_of(format('select analytics.revoke_invite(%L, %L)', :'place', i)), 'NOT_FOUND', 'nor one that never was') from unnest(array[gen_random_uuid(), null]) i;
select pg_temp.act_with('', 'anon');
select is(pg_temp.code_of(format('select analytics.invite_preview(%L)', :'adam_token')), 'CONFLICT', 'nor is a used one shown any more');

-- Adam, an admin, fills the seats
select pg_temp.act_as(:'admin');
select analytics.invite_member(:'place', 'edda@example.com', 'editor', '1 day') ->> 'token' as edda_token, analytics.invite_member(:'place', 'anna@example.com', 'analyst', '365 days') as anna \gset
select analytics.invite_member(:'place', 'fred@example.com', 'admin') as fred \gset
select is(pg_temp.code_of(format('select analytics.invite_member(%L, ''gina@example.com'')', :'place')), 'PAYMENT_REQUIRED', 'open invitations take seats');
select pg_temp.act_as_superuser();
select pg_temp.subscribe(:'place', 'standard');
select pg_temp.act_as(:'editor');
select is((pg_temp.error_of(format('select analytics.accept_invite(%L)', :'edda_token')) ->> 'detail')::jsonb - 'request_id', '{"code": "PAYMENT_REQUIRED", "resource": "seats", "limit": 2, "used": 2}',
  'seats are counted again at accepting: the plan may have shrunk');
select pg_temp.act_as_superuser();
select pg_temp.subscribe(:'place', 'premium');
update analytics.workspace_invites set created_at = created_at - interval '2 days', expires_at = statement_timestamp() where email = 'edda@example.com';
select pg_temp.act_as(:'editor');
select is(pg_temp.error_of(format('select analytics.accept_invite(%L)', :'edda_token')) ->> 'message', 'this invitation has expired', 'at its end an invitation is over, to the microsecond');
select pg_temp.act_as(:'admin');
select lives_ok(format('select analytics.invite_member(%L, ''gina@example.com'')', :'place'), 'an expired invitation gives its seat back');
select analytics.revoke_invite(:'place', i.id) from analytics.workspace_invites i where i.email = 'gina@example.com' \g /dev/null
select analytics.invite_member(:'place', 'edda@example.com', 'editor') ->> 'token' as edda_again \gset
select pg_temp.act_as(:'editor');
select is(analytics.accept_invite(:'edda_again') ->> 'role', 'editor', 'and Edda, invited again, comes as editor');
select is(pg_temp.error_of(format('select analytics.accept_invite(%L)', :'edda_token')) ->> 'message', 'this invitation was taken back', 'the old letter is void');
select pg_temp.act_as(:'analyst');
select is(analytics.accept_invite(:'anna'::jsonb ->> 'token') ->> 'role', 'analyst', 'Anna comes as analyst');
select is_empty('select 1 from analytics.workspace_invites where accepted_by is distinct from ''' || :'analyst' || '''', 'an analyst reads no invitations but her own');
select pg_temp.act_as_superuser();
select is((select count(*) from analytics_private.invite_tokens t where encode(t.token_hash, 'escape') like '%' || :'edda_again' || '%'), 0::bigint, 'no token is stored');
select analytics_private.set_setting('invites_per_day', '6');
select pg_temp.act_as(:'admin');
select is(pg_temp.error_of(format('select analytics.invite_member(%L, ''hans@example.com'')', :'place')) ->> 'state', 'PT402', 'with no seat left the seats are the reason');
select analytics.revoke_invite(:'place', (:'fred'::jsonb ->> 'invite_id')::uuid) \g /dev/null
select is(pg_temp.error_of(format('select analytics.invite_member(%L, ''hans@example.com'')', :'place')) ->> 'state', 'PT429', 'a workspace does not mail the world: invitations taken back count');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('invites_per_day', '1000');

-- Roles ------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'admin');
select is(pg_temp.code_of(format('select analytics.change_role(%L, %L, %L)', :'place', who, r)), e, what)
from (values (:'analyst'::uuid, 'owner', 'VALIDATION_ERROR', 'nobody is made owner by a change of role'), (:'analyst', null, 'VALIDATION_ERROR', 'nor given no role'), (null, 'editor', 'VALIDATION_ERROR', 'a change of role names the member'),
  (:'owner', 'analyst', 'FORBIDDEN', 'an admin does not demote the owner'), (:'stranger', 'analyst', 'NOT_FOUND', 'a stranger has no role to change'), (gen_random_uuid(), 'analyst', 'NOT_FOUND', 'nor has nobody')) as v (who, r, e, what);
select is(pg_temp.code_of(format('select analytics.remove_member(%L, %L)', :'place', :'owner')), 'FORBIDDEN', 'an admin does not remove the owner');
select is(analytics.change_role(:'place', :'analyst', 'admin') ->> 'former_role', 'analyst', 'an admin makes an admin, for it is not above his own role');
select is(analytics.change_role(:'place', :'analyst', 'analyst') ->> 'former_role', 'admin', 'and takes it back');
select pg_temp.act_as_superuser();
select pg_temp.audited('member.role_changed', :'place') as changes \gset
select pg_temp.act_as(:'admin');
select is(analytics.change_role(:'place', :'analyst', 'analyst') ->> 'role', 'analyst', 'the same role again changes nothing');
select pg_temp.act_as_superuser();
select is(pg_temp.audited('member.role_changed', :'place'), :changes::bigint, 'and is not audited');
select pg_temp.act_as(:'owner');
select is(pg_temp.code_of(format('select analytics.change_role(%L, %L, ''admin'')', :'place', :'owner')), 'CONFLICT', 'the owner cannot step down');
select is(pg_temp.code_of(format('select analytics.remove_member(%L, %L)', :'place', :'owner')), 'CONFLICT', 'nor remove herself');
select is(pg_temp.code_of(format('select analytics.leave_workspace(%L)', w)), 'CONFLICT', 'nor leave') from unnest(array[:'place', pg_temp.personal_workspace(:'owner')]::uuid[]) w;
select is(pg_temp.code_of(format('select analytics.%s', call)), 'CONFLICT', 'a personal workspace stays: ' || call)
from unnest(array[format('delete_workspace(%L)', pg_temp.personal_workspace(:'owner')), format('transfer_ownership(%L, %L)', pg_temp.personal_workspace(:'owner'), :'owner')]) call;
-- A demoted admin's invitations end with his right to give them.
select pg_temp.act_as(:'admin');
select analytics.invite_member(:'place', 'ines@example.com', 'admin') ->> 'token' as ines_token \gset
select analytics.change_role(:'place', :'admin', 'editor') \g /dev/null
select is(pg_temp.role_of(:'place', :'admin'), 'editor', 'Adam steps down');
select pg_temp.act_with('', 'anon');
select is(pg_temp.code_of(format('select analytics.invite_preview(%L)', :'ines_token')), 'CONFLICT', 'the invitations he gave out are taken back');
select pg_temp.act_as(:'owner');
select analytics.change_role(:'place', :'admin', 'admin') \g /dev/null

-- The table of permissions is what the functions do -------------------------------------------------------------------

select pg_temp.act_as_superuser();
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'place', :'extra', 'analyst');
select pg_temp.personal_workspace(:'stranger') as elsewhere \gset
select analytics.uuidv7() as draft, analytics.uuidv7() as planned \gset
insert into analytics.posts (workspace_id, id, created_by, name, status, scheduled_at) values
  (:'place', :'draft', :'owner', 'Draft', 'draft', null), (:'place', :'planned', :'owner', 'Planned', 'scheduled', now() + interval '1 day');
insert into analytics.social_accounts (workspace_id, platform, handle, created_by) values (:'place', 'x', 'place', :'owner') returning id as account \gset
insert into analytics_private.follower_imports (workspace_id, social_account_id, relation, source, captured_at) values (:'place', :'account', 'followers', 'api', now()) returning id as import \gset
insert into analytics_private.follower_import_pages (workspace_id, import_id, page, person_count) values (:'place', :'import', 0, 0);
insert into analytics.shared_pages (workspace_id, social_account_id, page, timezone, created_by, expires_at) values (:'place', :'account', 'dashboard', 'UTC', :'owner', now() + interval '1 day') returning id as link \gset
insert into analytics_private.allowed_redirects (uri) values ('https://app.example.com/');
select analytics_private.set_setting('oauth_public_url', 'https://connect.example.com');
insert into analytics.connections (workspace_id, user_id, platform, provider, purpose, redirect_to, status, expires_at)
values (:'place', :'owner', 'x', 'x', 'insights', 'https://app.example.com/', 'choosing', now() + interval '1 hour') returning id as connection \gset
-- A choice belongs to whoever began: here that is the caller.
create function pg_temp.choose(connection uuid) returns jsonb language plpgsql security definer as $$
begin
  update analytics.connections c set user_id = analytics_private.user_id() where c.id = connection and analytics_private.user_id() is not null;
  return analytics.choose_accounts(connection, '{1}');
end
$$;
-- One call for each action; the caller's role is all that differs.
create temp table calls (action text primary key, call text);
insert into calls values
  ('delete_workspace', format('analytics.delete_workspace(%L)', :'place')), ('transfer_ownership', format('analytics.transfer_ownership(%L, %L)', :'place', :'editor')),
  ('change_role', format('analytics.change_role(%L, %L, ''analyst'')', :'place', :'analyst')), ('remove_member', format('analytics.remove_member(%L, %L)', :'place', :'extra')),
  ('leave_workspace', format('analytics.leave_workspace(%L)', :'place')), ('invite_member', format('analytics.invite_member(%L, ''jan@example.com'')', :'place')),
  ('revoke_invite', format('analytics.revoke_invite(%L, %L)', :'place', :'anna'::jsonb ->> 'invite_id')), ('unlock_profile', format('analytics.unlock_profile(''nasa'', %L)', :'place')),
  -- Rows that are read or changed directly: FORBIDDEN is to see none.
  ('read_workspace', format('(select 1 / count(*) from analytics.workspaces w where w.id = %L)', :'place')),
  ('update_workspace', format('pg_temp.update_workspace(%L)', :'place')),
  ('read_members', format('(select 1 / count(*) from analytics.workspace_members m where m.workspace_id = %L)', :'place')),
  ('read_invites', format('(select 1 / count(*) from analytics.workspace_invites i where i.workspace_id = %L and i.email = ''fred@example.com'')', :'place')),
  ('read_posts', format('(select 1 / count(*) from analytics.posts p where p.workspace_id = %L)', :'place')),
  ('read_activity', format('(select 1 / count(*) from analytics.activity_logs l where l.workspace_id = %L)', :'place')),
  ('read_audit', format('(select analytics.verify_audit(%L) where (select 1 / count(*) from analytics.audit_personal p where p.workspace_id = %1$L) > 0)', :'place')),
  ('create_post', format('analytics.create_post(%L, ''First'')', :'place')), ('update_post', format('analytics.update_post(%L, topic => ''Spring'')', :'draft')),
  ('schedule_post', format('analytics.schedule_post(%L, now() + interval ''1 day'')', :'draft')), ('cancel_post', format('analytics.cancel_post(%L)', :'planned')),
  ('delete_post', format('analytics.delete_post(%L)', :'draft')),
  ('read_accounts', format('(select 1 / count(*) from analytics.social_accounts a where a.workspace_id = %L)', :'place')),
  ('add_account', format('analytics.add_account(%L, ''tiktok'', ''place'')', :'place')), ('remove_account', format('analytics.remove_account(%L)', :'account')),
  ('connect_account', format('analytics.connect_account(''x'', ''https://app.example.com/'', %L)', :'place')), ('choose_accounts', format('pg_temp.choose(%L)', :'connection')),
  ('read_connections', format('(select 1 / count(*) from analytics.connections c where c.workspace_id = %L)', :'place')),
  ('disconnect_account', format('analytics.disconnect_account(%L)', :'account')), ('make_primary', format('analytics.make_primary(%L)', :'account')),
  ('record_followers', format('analytics.record_followers(%L, ''[]'')', :'account')), ('begin_follower_import', format('analytics.begin_follower_import(%L)', :'account')),
  ('record_metrics', format('analytics.record_metrics(%L, ''[]'')', :'account')), ('record_posts', format('analytics.record_posts(%L, ''[]'')', :'account')), ('record_audience', format('analytics.record_audience(%L, ''{}'')', :'account')),
  ('add_follower_page', format('analytics.add_follower_page(%L, 0, ''[]'')', :'import')), ('finish_follower_import', format('analytics.finish_follower_import(%L)', :'import')),
  ('abandon_follower_import', format('analytics.abandon_follower_import(%L)', :'import')),
  ('share_page', format('analytics.share_page(%L)', :'account')), ('revoke_shared_page', format('analytics.revoke_shared_page(%L)', :'link'));
create function pg_temp.update_workspace(place uuid) returns integer language plpgsql as $$
declare
  n integer;
begin
  update analytics.workspaces w set description = 'changed' where w.id = place;
  get diagnostics n = row_count;
  return 1 / n;
end
$$;
select is_empty($$
  select p.action from analytics.permissions p where p.minimum_role is not null and p.action not in (select c.action from calls c)
$$, 'every action that is there has a call to try it by');
create temp table people (role text, id uuid);
insert into people values ('stranger', :'stranger'), ('analyst', :'analyst'), ('editor', :'editor'), ('admin', :'admin'), ('owner', :'owner');
grant select on calls, people to public;
create function pg_temp.may(who uuid, call text) returns boolean language plpgsql as $$
declare
  problem jsonb;
begin
  perform pg_temp.act_as(who);
  problem := pg_temp.error_of('select ' || call);
  perform pg_temp.act_as_superuser();
  return coalesce(problem ->> 'state', '') not in ('PT403', 'PT404', '42501', '22012');
end
$$;
create function pg_temp.told(who uuid, action text, place uuid) returns boolean language plpgsql as $$
declare
  code text;
begin
  perform pg_temp.act_as(who);
  code := analytics.can(action, place) ->> 'code';
  perform pg_temp.act_as_superuser();
  return coalesce(code, '') not in ('FORBIDDEN', 'NOT_FOUND');
end
$$;
select pg_temp.act_as_superuser();
select is(pg_temp.may(w.id, c.call), analytics_private.role_rank(w.role) >= analytics_private.role_rank(p.minimum_role) and w.role <> 'stranger', format('%s: %s', c.action, w.role))
from calls c join analytics.permissions p on p.action = c.action cross join people w;
select is(pg_temp.told(w.id, c.action, :'place'), pg_temp.may(w.id, c.call), format('can() tells %s the same of %s', w.role, c.action)) from calls c cross join people w;

delete from analytics.workspace_members where user_id = :'extra' and workspace_id = :'place';

-- can() ------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select is(analytics.can('delete_workspace', :'place'), '{"allowed": false, "code": "FORBIDDEN", "reason": "this needs the role owner or above", "hint": null, "needs": "owner", "role": "editor"}', 'can() gives the reason');
select is(analytics.can('leave_workspace', :'place'), '{"allowed": true, "code": null, "reason": null, "hint": null, "needs": "analyst", "role": "editor"}', 'and says yes');
select is(analytics.can('read_workspace') ->> 'role', 'owner', 'without an object the default workspace is meant');
select is(pg_temp.code_of('select analytics.can(' || a || ')'), 'VALIDATION_ERROR', 'there is no action ' || a) from unnest(array['''fly''', 'null', '''''']) a;
select is(analytics.can('read_workspace', gen_random_uuid()) ->> 'code', 'NOT_FOUND', 'what does not exist is not found');
select is(analytics.can('read_workspace', :'elsewhere') ->> 'code', 'NOT_FOUND', 'nor is what belongs to others');
select pg_temp.act_as(:'admin');
select is(analytics.can('remove_member', m.id) ->> 'reason', what, coalesce(what, 'an admin removes the analyst')) from analytics.workspace_members m
join (values (:'owner'::uuid, 'this member''s role is above yours'), (:'analyst', null)) as v (who, what) on m.user_id = v.who and m.workspace_id = :'place';
select ok((analytics.can('revoke_invite', (:'anna'::jsonb ->> 'invite_id')::uuid) ->> 'allowed')::boolean, 'an invitation stands for its workspace');
select pg_temp.act_as(:'stranger');
select is(analytics.can('revoke_invite', (:'anna'::jsonb ->> 'invite_id')::uuid) ->> 'code', 'NOT_FOUND', 'but not for a stranger');
select pg_temp.act_with('', 'anon');
select is(analytics.can('read_workspace', :'place') ->> 'code', 'UNAUTHORIZED', 'who is not signed in is told so');
select pg_temp.act_as_superuser();
select analytics_private.set_workspace_status(:'place', 'suspended');
select pg_temp.act_as(:'owner');
select is(analytics.can('invite_member', :'place') ->> 'reason', 'this workspace is suspended', 'members learn that their workspace is suspended');
select is(pg_temp.code_of(format('select analytics.invite_member(%L, ''jan@example.com'')', :'place')), 'FORBIDDEN', 'and invite nobody into it');
select pg_temp.act_as(:'stranger');
select is(analytics.can('invite_member', :'place') ->> 'code', 'NOT_FOUND', 'strangers do not');
select pg_temp.act_as_superuser();
select analytics_private.set_workspace_status(:'place', 'active');
select analytics_private.set_user_status(:'editor', 'suspended');
select pg_temp.act_as(:'editor');
select is(analytics.can('read_workspace', :'place') ->> 'reason', 'this user is not active', 'a suspended user is told so');
select pg_temp.act_as(:'owner');
select is(pg_temp.error_of(format('select analytics.transfer_ownership(%L, %L)', :'place', :'editor')) ->> 'message', 'this member is not active', 'a suspended user inherits nothing');
select pg_temp.act_as_superuser();
select analytics_private.set_user_status(:'editor', 'active');

-- Handing over, leaving, removing ----------------------------------------------------------------------------------------

select pg_temp.act_as(:'owner');
select is(pg_temp.code_of(format('select analytics.transfer_ownership(%L, %L)', :'place', who)), e, what)
from (values (:'owner'::uuid, 'CONFLICT', 'whoever owns it cannot be given it'), (:'stranger', 'NOT_FOUND', 'nor can a stranger'), (null, 'VALIDATION_ERROR', 'nor nobody')) as v (who, e, what);
select is(analytics.transfer_ownership(:'place', :'editor') - 'workspace_id', jsonb_build_object('owner_id', :'editor', 'former_owner_id', :'owner', 'role', 'admin'), 'Olga makes Edda the owner');
select pg_temp.act_as_superuser();
select lives_ok('set constraints all immediate', 'a handed-over workspace is whole');
set constraints all deferred;
select results_eq(format('select m.role::text, m.user_id from analytics.workspace_members m where m.workspace_id = %L and m.role in (''owner'', ''admin'') order by m.role desc, m.user_id = %L desc', :'place', :'owner'),
  format('values (''owner'', %L::uuid), (''admin'', %L), (''admin'', %L)', :'editor', :'owner', :'admin'), 'there is one owner, and Olga is admin');
select pg_temp.act_as(:'owner');
select is(pg_temp.code_of(format('select analytics.transfer_ownership(%L, %L)', :'place', :'owner')), 'FORBIDDEN', 'what was handed over cannot be taken back');
select pg_temp.act_as(:'analyst');
update analytics.users set default_workspace_id = :'place' where id = :'analyst';
select ok(analytics.leave_workspace(:'place'), 'Anna leaves');
select is((select default_workspace_id from analytics.users), pg_temp.personal_workspace(:'analyst'), 'and works in her own workspace again');
select is_empty(format('select 1 from analytics.workspaces where id = %L', :'place'), 'she sees the workspace no more');
select pg_temp.act_as(:'owner');
select ok(analytics.remove_member(:'place', :'admin'), 'an admin removes an admin, whose role is not above her own');
select pg_temp.act_as(:'admin');
select is_empty(format('select 1 from analytics.workspaces where id = %L', :'place'), 'who was removed sees the workspace no more');
select pg_temp.act_as(:'owner');
select ok(analytics.remove_member(:'place', :'owner'), 'removing oneself is leaving');
select pg_temp.act_as_superuser();
select is((select count(*) from analytics.workspace_members where workspace_id = :'place'), 1::bigint, 'Edda is alone');
select is(pg_temp.audited(a, :'place'), n, a || ' is audited')
from (values ('workspace.created', 1::bigint), ('member.invited', 8), ('member.joined', 3), ('invite.revoked', 3), ('workspace.transferred', 1), ('member.left', 2), ('member.removed', 1)) as v (a, n);
select is_empty('select 1 from analytics.audit_logs l where l.metadata::text ~ ''@''', 'no address is in the audit');

-- Deleting a workspace ---------------------------------------------------------------------------------------------------

select count(*) as records from analytics.audit_logs \gset
select pg_temp.act_as(:'editor');
select analytics.invite_member(:'place', 'anna@example.com') ->> 'token' as last_token, analytics.invite_member(:'place', 'adam@example.com', 'admin') ->> 'token' as adam_last \gset
select pg_temp.act_as(:'admin');
select analytics.accept_invite(:'adam_last') \g /dev/null
update analytics.users set default_workspace_id = :'place' where id = :'admin';
select pg_temp.act_as_superuser();
select pg_temp.subscribe(:'place', 'premium', false);
select pg_temp.act_as(:'editor');
select is(pg_temp.error_of(format('select analytics.delete_workspace(%L)', :'place')) ->> 'message', 'this workspace has a running subscription', 'a workspace that is being charged for is not deleted');
select pg_temp.act_as_superuser();
select pg_temp.subscribe(:'place', 'premium');
select pg_temp.act_as(:'editor');
select ok(analytics.delete_workspace(:'place'), 'its owner deletes the workspace');
select is(analytics.can('read_workspace', :'place') ->> 'code', 'NOT_FOUND', 'then it is not there any more, even for her');
select pg_temp.act_as(:'analyst');
select is(pg_temp.error_of(format('select analytics.accept_invite(%L)', :'last_token')) ->> 'state', 'PT403', 'nobody is let in any more');
select pg_temp.act_as_superuser();
select lives_ok('set constraints all immediate', 'a deleted workspace is whole');
set constraints all deferred;
select results_eq(format('select w.name::text, w.description, w.status::text, w.settings from analytics.workspaces w where w.id = %L', :'place'), $$values ('deleted workspace', null::text, 'deleted', '{}'::jsonb)$$,
  'what is left is a tombstone');
select is((select count(*) from analytics.workspace_invites i where i.workspace_id = :'place' and (i.email is not null or i.accepted_at is null and i.revoked_at is null)), 0::bigint, 'without addresses, and no invitation open');
select is((select default_workspace_id from analytics.users where id = :'admin'), pg_temp.personal_workspace(:'admin'), 'members work in their own workspaces again');
select is((select count(*) from analytics.audit_logs), :records + 8::bigint, 'the audit trail is whole, and grew by what happened');
select is(pg_temp.audited('workspace.deleted', :'place'), 1::bigint, 'deleting is audited');

-- Forgetting old invitations ---------------------------------------------------------------------------------------------

select is(analytics_private.purge_invites(1000), 0, 'young invitations are remembered');
update analytics.workspace_invites set created_at = created_at - interval '200 days', expires_at = expires_at - interval '200 days', revoked_at = revoked_at - interval '200 days', accepted_at = accepted_at - interval '200 days';
select cmp_ok(analytics_private.purge_invites(1000), '>', 5, 'old ones are forgotten');
select is_empty('select 1 from analytics_private.invite_tokens', 'and their tokens with them');

-- What is stored about me ------------------------------------------------------------------------------------------------

-- A new table that names users must be exported, or be named here with the reason why not.
select is_empty($$
  select k.conrelid::regclass, a.attname from pg_catalog.pg_constraint k
    join pg_catalog.pg_class c on c.oid = k.conrelid and not c.relispartition and c.relnamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace)
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
  where k.contype = 'f' and k.confrelid = 'analytics.users'::regclass and a.attname <> 'workspace_id'
  except select p.relation, p.user_column from analytics_private.personal_tables() p
$$, 'every table that refers to a user is part of the export');
select is_empty('select p.part from analytics_private.personal_tables() p group by p.part having count(*) > 1', 'each part has a name of its own');
select pg_temp.ingest(pg_temp.account('1', 'seen', 10)) as seen \gset
select pg_temp.put_window(:'analyst', :'seen', '-1 day', '1 day');
select pg_temp.act_as(:'analyst');
select analytics.create_workspace('Short') ->> 'workspace_id' as short \gset
select pg_temp.act_as_superuser();
insert into analytics.workspace_invites (workspace_id, email, role, invited_by, expires_at, revoked_at) values (:'short', 'anna@example.com', 'editor', :'analyst', now() + interval '1 day', now());
-- What she wrote for a workspace that she has left, others may have changed since.
insert into analytics.posts (workspace_id, created_by, name) values (:'elsewhere', :'analyst', 'left behind'), (:'short', :'analyst', 'her own');
select pg_temp.act_as(:'analyst');
select analytics.favorite_profile('seen', 'my own note'), analytics.search_profiles('anything') \g /dev/null
select analytics.export_my_data() as export \gset
select pg_temp.act_as_superuser();
select set_eq('select jsonb_object_keys(''' || :'export' || '''::jsonb)', $$select p.part from analytics_private.personal_tables() p union all values ('exported_at'), ('user_id'), ('invitations_received')$$, 'the export has every part');
select is(:'export'::jsonb #>> '{account,0,email}', 'anna@example.com', 'the account is in it');
select is(:'export'::jsonb #>> '{favourites,0,notes}', 'my own note', 'favourites are');
select cmp_ok(jsonb_array_length(:'export'::jsonb -> 'searches'), '>', 0, 'searches are');
select is(jsonb_array_length(:'export'::jsonb -> 'invitations_received'), 1, 'invitations to her address are, closed ones too');
select cmp_ok(jsonb_array_length(:'export'::jsonb -> 'windows'), '>', 0, 'windows are');
select is(jsonb_path_query_array(:'export'::jsonb, '$.posts[*].name'), '["her own"]', 'posts are, but of workspaces she has left none');
select cmp_ok(jsonb_array_length(:'export'::jsonb -> 'audit_records'), '>', 0, 'and what she did');
select ok(:'export' !~ 'adam@example|olga@example|edda@example', 'but nobody else''s address');

-- Going for good ---------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'analyst');
select is(pg_temp.code_of(format('select analytics.delete_my_account(%L)', c)), 'VALIDATION_ERROR', 'an account is not deleted by ' || coalesce('"' || c || '"', 'null')) from unnest(array[null, '', 'yes', 'adam@example.com', :'analyst']) c;
select pg_temp.act_as(:'editor');
select analytics.create_workspace('Pier') ->> 'workspace_id' as pier, analytics.create_workspace('Alone') ->> 'workspace_id' as alone \gset
select pg_temp.act_as_superuser();
select pg_temp.subscribe(:'pier', 'premium', false), pg_temp.subscribe(:'alone', 'premium', false);
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'pier', :'analyst', 'analyst');
select pg_temp.act_as(:'editor');
select analytics.invite_member(:'pier', 'kim@example.com') ->> 'token' as kim_token \gset
select is(pg_temp.code_of('select analytics.delete_my_account(''edda@example.com'')'), 'CONFLICT', 'nobody goes while a workspace is charged for that nobody else could cancel');
select pg_temp.act_as_superuser();
select pg_temp.subscribe(:'alone', 'premium');
select count(*) as records from analytics.audit_logs \gset
select pg_temp.act_as(:'editor');
select ok(analytics.delete_my_account(' Edda@example.com '), 'Edda deletes her account');
select is(pg_temp.code_of('select analytics.me()'), 'FORBIDDEN', 'her token opens nothing any more');
select pg_temp.act_as_superuser();
select lives_ok('set constraints all immediate', 'what she leaves is whole');
set constraints all deferred;
select is(pg_temp.role_of(:'pier', :'analyst'), 'owner', 'the workspace she shared has a new owner');
select is((select status::text from analytics.workspaces where id = :'alone'), 'deleted', 'the one she had alone is deleted');
select pg_temp.act_with('', 'anon');
select is(pg_temp.code_of(format('select analytics.invite_preview(%L)', :'kim_token')), 'CONFLICT', 'invitations she gave out are taken back');
select pg_temp.act_as_superuser();
update auth.users set last_sign_in_at = now(), email = 'edda@example.com' where id = :'editor';
select is((select status || coalesce(email, '') from analytics.users where id = :'editor'), 'deleted', 'signing in again does not bring her back');
select is_empty($$select t from pg_temp.contents(array(select pg_temp.tables()), '{}') t where t ~ 'Edda|edda@'$$, 'no table knows her any more');
select cmp_ok((select count(*) from analytics.audit_logs), '>', :records::bigint, 'the audit trail is whole');
select throws_ok(format('select analytics_private.erase_user(%L, %L)', u, r), e, null, format('erasing needs %s', what))
from (values (:'analyst'::uuid, '', 'PT400', 'a reason'), (:'analyst', null, 'PT400', 'a reason that is not null'), (gen_random_uuid(), 'case 1', 'PT404', 'a user')) as v (u, r, e, what);
select is(analytics_private.erase_user(:'analyst', 'case 7') ->> 'was_deleted', 'false', 'an operator erases a user');
select is(analytics_private.erase_user(:'analyst', 'case 7') ->> 'was_deleted', 'true', 'and may do so again, as after an account was deleted by other ways');
select is((select count(*) from analytics.audit_logs where action = 'user.erased' and entity_id = :'analyst'), 2::bigint, 'both are audited');

-- rls_report() -----------------------------------------------------------------------------------------------------------

create function pg_temp.reported(what text) returns text language sql as $$
  select string_agg(distinct r.finding, '; ') from analytics.rls_report() r where r.schema_name || '.' || r.object_name = what
$$;
select is_empty('select * from analytics.rls_report() where finding is not null', 'the report finds nothing wrong');
select is_empty($$
  select c.relname::text from pg_catalog.pg_class c where c.relnamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace) and c.relkind in ('r', 'p', 'v')
  except select r.object_name from analytics.rls_report() r
$$, 'every table, partition and view is in it');
select is((select count(distinct (r.schema_name, r.object_name)) from analytics.rls_report() r where r.kind = 'function'),
  (select count(*) from pg_catalog.pg_proc p where p.pronamespace in ('analytics'::regnamespace, 'analytics_private'::regnamespace)), 'and every function');
select is((select r.policy || ': ' || r.using_expression from analytics.rls_report() r where r.object_name = 'workspace_members' and r.role_name = 'authenticated' and r.privilege = 'select'),
  'members read who belongs to their workspaces: (workspace_id = ANY (( SELECT analytics_private.workspace_ids(''analyst''::text) AS workspace_ids)::uuid[]))', 'with the policy that decides');
select is((select r.columns from analytics.rls_report() r where r.object_name = 'workspaces' and r.role_name = 'authenticated' and r.privilege = 'update'), array['name', 'description', 'logo_url', 'settings'], 'and the columns that may be changed');
create table analytics.bare (id integer);
create table analytics.public_policy (id integer);
alter table analytics.public_policy enable row level security;
create policy "anybody reads" on analytics.public_policy for select using (true);
grant truncate on analytics.public_policy to authenticated;
create function analytics.loose() returns integer language sql security definer as 'select 1';
grant execute on function analytics.loose() to public;
create view analytics.leaky as select * from analytics.users;
grant select on analytics_private.user_searches_default to authenticated;
select is(pg_temp.reported(what), wanted, what || ' is reported') from (values
  ('analytics.bare', 'no row-level security'), ('analytics.public_policy', 'policy for PUBLIC; a right that row-level security does not limit'), ('analytics.leaky', 'view with its owner''s rights'),
  ('analytics.loose()', 'definer in the exposed schema; definer without a safe search_path; definer that is a superuser; open to PUBLIC'),
  ('analytics_private.user_searches_default', 'partition with grants')) as v (what, wanted);
select pg_temp.act_as(:'stranger');
select throws_ok('select analytics.rls_report()', '42501', null, 'the report is for operators');
select pg_temp.act_as_superuser();

select * from finish();
rollback;
