-- Tenancy: what each role may do, invitations, members, ownership, leaving and deleting, and who may do what at a glance.

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('invite_expiry', 'interval', '7 days', '1 day', '365 days', 'how long an invitation can be accepted when the inviter names no time'),
  ('invite_retention', 'interval', '90 days', '0', '3650 days', 'how long an accepted, revoked or expired invitation is remembered'),
  ('invites_per_day', 'integer', '50', '1', '100000', 'a workspace that sent this many invitations within 24 hours is told RATE_LIMITED'),
  ('workspaces_per_user', 'integer', '10', '1', '100000', 'shared workspaces a user may own; one deleted within 31 days still counts')
on conflict (name) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- permissions: the one table that can() answers from and the functions refuse by

create table if not exists analytics.permissions (
  action varchar(64) not null,
  minimum_role varchar(32),
  resource varchar(32),
  description text not null,
  constraint permissions_pkey primary key (action),
  constraint permissions_role_known check (minimum_role in ('owner', 'admin', 'editor', 'analyst')),
  constraint permissions_action_form check (action ~ '^[a-z]+(_[a-z]+)+$')
);
alter table analytics.permissions enable row level security;
comment on table analytics.permissions is 'the lowest workspace role for each action; part of the release, not for editing';
comment on column analytics.permissions.minimum_role is 'null: every signed-in user, without belonging to a workspace';
comment on column analytics.permissions.resource is 'what the action uses up of the workspace''s plan';

drop policy if exists "signed-in users read the permissions" on analytics.permissions;
create policy "signed-in users read the permissions" on analytics.permissions for select to authenticated
  using ((select analytics_private.user_id()) is not null);

insert into analytics.permissions (action, minimum_role, resource, description) values
  ('create_workspace', null, null, 'make a workspace and own it'),
  ('read_workspace', 'analyst', null, 'read name, description and settings'),
  ('update_workspace', 'admin', null, 'change name, description, logo and settings'),
  ('delete_workspace', 'owner', null, 'delete the workspace'),
  ('transfer_ownership', 'owner', null, 'make another member the owner'),
  ('read_members', 'analyst', null, 'read who belongs to the workspace'),
  ('change_role', 'admin', null, 'give a member whose role is not above one''s own another role, not above one''s own'),
  ('remove_member', 'admin', null, 'remove a member whose role is not above one''s own'),
  ('leave_workspace', 'analyst', null, 'leave the workspace; not for its owner'),
  ('invite_member', 'admin', 'seats', 'invite somebody with a role not above one''s own, never as owner'),
  ('revoke_invite', 'admin', null, 'take back an invitation'),
  ('read_invites', 'admin', null, 'read the invitations of the workspace'),
  ('read_activity', 'analyst', null, 'read what was done in the workspace, without values and addresses'),
  ('read_audit', 'admin', null, 'read the whole audit of the workspace and verify it'),
  ('unlock_profile', 'analyst', 'profile_unlocks', 'open a window that the workspace pays for'),
  ('read_posts', 'analyst', null, 'read the posts of the workspace'),
  ('create_post', 'editor', null, 'write a draft'),
  ('update_post', 'editor', null, 'change a post that is not published'),
  ('schedule_post', 'editor', 'posts', 'schedule or send a post'),
  ('cancel_post', 'editor', null, 'take a scheduled post back'),
  ('delete_post', 'editor', null, 'delete a post'),
  ('read_accounts', 'analyst', null, 'read the connected accounts, their followers and numbers, and what changed'),
  ('add_account', 'admin', 'connected_accounts', 'connect an account on a social platform'),
  ('remove_account', 'admin', null, 'disconnect an account, with or without its history'),
  ('connect_account', 'admin', null, 'let the service into an account through the platform''s consent page'),
  ('choose_accounts', 'admin', null, 'choose among the accounts that a consent opened; each new one takes a place of the plan'),
  ('read_connections', 'admin', null, 'read how connecting an account went'),
  ('disconnect_account', 'admin', null, 'end the service''s access to an account'),
  ('make_primary', 'admin', null, 'choose the primary account of a platform'),
  ('record_followers', 'editor', null, 'import a list of followers'),
  ('begin_follower_import', 'editor', null, 'begin a list of followers that comes in pages'),
  ('add_follower_page', 'editor', null, 'bring a page of such a list'),
  ('finish_follower_import', 'editor', null, 'finish such a list'),
  ('abandon_follower_import', 'editor', null, 'drop such a list'),
  ('record_metrics', 'editor', null, 'store captures of an account''s metrics'),
  ('record_posts', 'editor', null, 'store an account''s posts and their counts'),
  ('record_audience', 'editor', null, 'store who an account''s audience is')
on conflict (action) do update set
  minimum_role = excluded.minimum_role, resource = excluded.resource, description = excluded.description;

-- ---------------------------------------------------------------------------------------------------------------------
-- workspace_invites

create table if not exists analytics.workspace_invites (
  workspace_id uuid not null,
  id uuid not null,
  email varchar(254),
  role varchar(32) not null,
  invited_by uuid not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  accepted_at timestamptz,
  accepted_by uuid,
  revoked_at timestamptz,
  constraint workspace_invites_pkey primary key (workspace_id, id),
  constraint workspace_invites_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint workspace_invites_inviter_fkey foreign key (invited_by) references analytics.users (id),
  constraint workspace_invites_invitee_fkey foreign key (accepted_by) references analytics.users (id),
  constraint workspace_invites_role_known check (role in ('admin', 'editor', 'analyst')),
  constraint workspace_invites_acceptance check ((accepted_at is null) = (accepted_by is null)),
  constraint workspace_invites_one_end check (accepted_at is null or revoked_at is null),
  constraint workspace_invites_addressed check (email is not null or accepted_at is not null or revoked_at is not null),
  constraint workspace_invites_expiry check (expires_at > created_at)
);
alter table analytics.workspace_invites alter column id set default analytics.uuidv7();
create unique index if not exists workspace_invites_one_open on analytics.workspace_invites (workspace_id, email)
  where accepted_at is null and revoked_at is null;
create index if not exists workspace_invites_email on analytics.workspace_invites (email);
create index if not exists workspace_invites_inviter on analytics.workspace_invites (invited_by);
create index if not exists workspace_invites_invitee on analytics.workspace_invites (accepted_by);
create index if not exists workspace_invites_created_at on analytics.workspace_invites (workspace_id, created_at);
alter table analytics.workspace_invites enable row level security;
comment on table analytics.workspace_invites is 'invitations into a workspace; open while neither accepted nor revoked and not expired';
comment on column analytics.workspace_invites.email is 'lower case; null once the invitation is closed and the person''s data erased';

-- Apart, so that reading an invitation never shows what opens it. Only SHA-256 of the token: a copy of this table lets nobody in.
create table if not exists analytics_private.invite_tokens (
  workspace_id uuid not null,
  invite_id uuid not null,
  token_hash bytea not null,
  constraint invite_tokens_pkey primary key (workspace_id, invite_id),
  constraint invite_tokens_hash_key unique (token_hash),
  constraint invite_tokens_invite_fkey foreign key (workspace_id, invite_id)
    references analytics.workspace_invites (workspace_id, id) on delete cascade,
  constraint invite_tokens_hash_length check (octet_length(token_hash) = 32)
);
alter table analytics_private.invite_tokens enable row level security;

-- Only ASCII letters are folded: with Unicode's rules the Kelvin sign becomes a k, and another person's address one's own.
create or replace function analytics_private.fold_email(email text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select lower(btrim(fold_email.email) collate "C")
$$;
comment on function analytics_private.fold_email(text) is 'an e-mail address as invitations are compared by';

create or replace function analytics_private.verified_email() returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select analytics_private.fold_email(u.email) from analytics.users u
          where u.id = analytics_private.user_id() and u.email_verified);
end
$$;
comment on function analytics_private.verified_email() is 'the calling user''s confirmed e-mail address, folded; null without one';

drop policy if exists "admins read their workspaces' invitations, invitees their own" on analytics.workspace_invites;
create policy "admins read their workspaces' invitations, invitees their own" on analytics.workspace_invites for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('admin'))::uuid[])
         or email = (select analytics_private.verified_email()));

-- ---------------------------------------------------------------------------------------------------------------------
-- Judging: can() tells the verdict, the functions raise it

create or replace function analytics_private.role_rank(role text) returns integer
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select array_position(array['analyst', 'editor', 'admin', 'owner'], role_rank.role)
$$;

create or replace function analytics_private.seats_used(workspace_id uuid) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select count(*) from analytics.workspace_members m where m.workspace_id = seats_used.workspace_id)
       + (select count(*) from analytics.workspace_invites i where i.workspace_id = seats_used.workspace_id
            and i.accepted_at is null and i.revoked_at is null and i.expires_at > statement_timestamp());
end
$$;
comment on function analytics_private.seats_used(uuid) is 'members and open invitations of a workspace';

-- What is used of a resource and how much there may be, null without limit; unlocks that credits would buy count as well.
create or replace function analytics_private.resource_state(workspace_id uuid, resource text)
returns table (used bigint, allowed bigint)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if resource = 'seats' then
    return query select analytics_private.seats_used(resource_state.workspace_id), analytics_private.plan_limit(resource_state.workspace_id, 'seats');
  elsif resource = 'connected_accounts' then
    return query select analytics_private.accounts_used(resource_state.workspace_id), analytics_private.plan_limit(resource_state.workspace_id, 'connected_accounts');
  else
    return query select q.used, q.allowed + case when resource = 'profile_unlocks' then coalesce((
        select b.balance / p.credits from analytics.credit_balances b, analytics.credit_prices p
        where b.workspace_id = resource_state.workspace_id and p.action = 'unlock_profile'), 0) else 0 end
      from analytics_private.quota_state(resource_state.workspace_id, resource_state.resource, clock_timestamp()) q;
  end if;
end
$$;

-- A running subscription outlives its workspace at the payment provider, where nobody could end it any more.
create or replace function analytics_private.is_billed(workspace_id uuid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from analytics.subscriptions s where s.workspace_id = is_billed.workspace_id
                   and s.status in ('trialing', 'active', 'past_due', 'unpaid', 'paused') and not s.cancel_at_period_end);
end
$$;

-- code is null when the caller may: for the functions below that is the whole check, so that they and can() never differ.
create or replace function analytics_private.judge(
  action text, workspace_id uuid, member_id uuid default null,
  out code text, out reason text, out hint text, out needs text, out role text, out details jsonb
) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.user_id();
  permission analytics.permissions;
  place record;
  member_role text;
  state record;
begin
  details := '{}';
  select p.* into permission from analytics.permissions p where p.action = judge.action;
  if not found then
    code := 'VALIDATION_ERROR'; reason := 'there is no such action'; hint := 'analytics.permissions lists the actions';
    return;
  end if;
  needs := permission.minimum_role;
  if caller is null then
    if analytics_private.claimed_user_id() is null then
      code := 'UNAUTHORIZED'; reason := 'no user is signed in'; hint := 'send the access token of a signed-in user';
    else
      code := 'FORBIDDEN'; reason := 'this user is not active'; hint := 'ask the operator of this service';
    end if;
    return;
  end if;

  if permission.minimum_role is null then
    if judge.action = 'create_workspace' then
      select count(*) as used, analytics_private.setting_integer('workspaces_per_user') as allowed into state
      from analytics.workspaces w
      where w.owner_id = caller and not w.is_personal and (w.deleted_at is null or w.deleted_at > statement_timestamp() - interval '31 days');
      if state.used >= state.allowed then
        code := 'CONFLICT'; reason := format('you own %s workspaces, and no more are allowed', state.used);
        hint := 'hand one over or ask the operator; one deleted counts for 31 days';
        details := jsonb_build_object('resource', 'workspaces', 'limit', state.allowed, 'used', state.used);
      end if;
    end if;
    return;
  end if;

  select w.status, w.is_personal, m.role into place
  from analytics.workspace_members m join analytics.workspaces w on w.id = m.workspace_id
  where m.workspace_id = judge.workspace_id and m.user_id = caller and w.status <> 'deleted';
  if not found then
    -- The same answer for a workspace that does not exist and for one of other people.
    code := 'NOT_FOUND'; reason := 'there is no such workspace among yours'; hint := 'analytics.me() lists your workspaces';
    return;
  end if;
  role := place.role;
  if place.status <> 'active' then
    code := 'FORBIDDEN'; reason := 'this workspace is suspended'; hint := 'ask the operator of this service';
    return;
  end if;
  if analytics_private.role_rank(place.role) < analytics_private.role_rank(permission.minimum_role) then
    code := 'FORBIDDEN'; reason := format('this needs the role %s or above', permission.minimum_role);
    return;
  end if;

  if judge.member_id is not null then
    select m.role into member_role from analytics.workspace_members m
    where m.workspace_id = judge.workspace_id and m.user_id = judge.member_id;
    if not found then
      code := 'NOT_FOUND'; reason := 'this workspace has no such member';
      return;
    elsif judge.action in ('change_role', 'remove_member') and member_role = 'owner' and judge.member_id = caller then
      code := 'CONFLICT'; reason := 'a workspace always has its owner'; hint := 'hand it over with analytics.transfer_ownership()';
      return;
    elsif judge.action in ('change_role', 'remove_member') and analytics_private.role_rank(member_role) > analytics_private.role_rank(place.role) then
      code := 'FORBIDDEN'; reason := 'this member''s role is above yours'; needs := member_role;
      return;
    elsif judge.action = 'transfer_ownership' and judge.member_id = caller then
      code := 'CONFLICT'; reason := 'you own this workspace already';
      return;
    elsif judge.action = 'transfer_ownership' and not exists (
      select from analytics.users u where u.id = judge.member_id and u.status = 'active'
        and (u.banned_until is null or u.banned_until <= statement_timestamp())) then
      code := 'CONFLICT'; reason := 'this member is not active'; hint := 'only an active user can own a workspace';
      return;
    end if;
  end if;

  if judge.action = 'leave_workspace' and place.role = 'owner' then
    code := 'CONFLICT'; reason := 'the owner cannot leave';
    hint := case when place.is_personal then 'a personal workspace goes with the account' else 'hand the workspace over with analytics.transfer_ownership(), or delete it' end;
  elsif judge.action in ('transfer_ownership', 'delete_workspace') and place.is_personal then
    code := 'CONFLICT'; reason := 'a personal workspace stays with its user'; hint := 'it goes with the account';
  elsif judge.action = 'delete_workspace' and analytics_private.is_billed(judge.workspace_id) then
    code := 'CONFLICT'; reason := 'this workspace has a running subscription'; hint := 'cancel the subscription first';
  elsif permission.resource is not null then
    select s.used, s.allowed into state from analytics_private.resource_state(judge.workspace_id, permission.resource) s;
    if state.used >= state.allowed then
      code := 'PAYMENT_REQUIRED'; reason := format('no %s left: %s of %s used', replace(permission.resource, '_', ' '), state.used, state.allowed);
      hint := 'change the plan';
      details := jsonb_build_object('resource', permission.resource, 'limit', state.allowed, 'used', state.used);
    end if;
  end if;
end
$$;
comment on function analytics_private.judge(text, uuid, uuid) is
  'may the caller do this in that workspace, to that member (a user''s id)? code is null for yes, else the error with reason, hint and details; needs is the role that would do, role the caller''s';

-- Checks, waits for whoever is changing the workspace's members, and checks again what may have changed meanwhile.
create or replace function analytics_private.enter_workspace(action text, workspace_id uuid, member_id uuid default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  verdict record;
begin
  for look in 1..2 loop
    select * into verdict from analytics_private.judge(enter_workspace.action, enter_workspace.workspace_id, enter_workspace.member_id);
    if verdict.code is not null then
      perform analytics_private.raise_error(verdict.code, verdict.reason, verdict.hint, verdict.details);
    end if;
    if look = 1 then
      perform analytics_private.lock_workspace(enter_workspace.workspace_id);
    end if;
  end loop;
end
$$;

-- The first lock of everything that changes members, invitations or ownership; users, invitations and members come after it.
-- Written, not only locked: a REPEATABLE READ transaction that waited would else count seats in its old snapshot; so it fails with 40001.
create or replace function analytics_private.lock_workspace(workspace_id uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update analytics.workspaces w set updated_at = now() where w.id = lock_workspace.workspace_id;
end
$$;

-- Definer: a suspended workspace, and who is its member, is hidden from the caller's own rights.
create or replace function analytics_private.can(action text, object uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  place uuid := can.object;
  member_id uuid;
  verdict record;
begin
  if place is null then
    select u.default_workspace_id into place from analytics.users u where u.id = analytics_private.user_id();
  elsif not exists (select from analytics.workspaces w where w.id = place) then
    -- Something in a workspace of the caller's: a membership, an invitation, a post, an account, a link to a page. What he may not see is as unknown as any other id.
    select o.workspace_id, o.user_id into place, member_id from (
      select m.workspace_id, m.user_id from analytics.workspace_members m where m.id = can.object and m.workspace_id = any (analytics_private.workspace_ids('analyst'))
      union all
      select i.workspace_id, null from analytics.workspace_invites i where i.id = can.object and i.workspace_id = any (analytics_private.workspace_ids('admin'))
      union all
      select p.workspace_id, null from analytics.posts p where p.id = can.object and p.deleted_at is null and p.workspace_id = any (analytics_private.workspace_ids('analyst'))
      union all
      select a.workspace_id, null from analytics.social_accounts a where a.id = can.object and a.workspace_id = any (analytics_private.workspace_ids('analyst'))
      union all
      select s.workspace_id, null from analytics.shared_pages s where s.id = can.object and s.workspace_id = any (analytics_private.workspace_ids('analyst'))
    ) o;
  end if;
  select * into verdict from analytics_private.judge(can.action, place, member_id);
  if verdict.code = 'VALIDATION_ERROR' then
    perform analytics_private.raise_error(verdict.code, verdict.reason, verdict.hint);
  end if;
  return jsonb_build_object('allowed', verdict.code is null, 'code', verdict.code, 'reason', verdict.reason, 'hint', verdict.hint,
    'needs', verdict.needs, 'role', verdict.role) || verdict.details;
end
$$;

create or replace function analytics.can(action text, object uuid default null) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$ select analytics_private.can(can.action, can.object) $$;
comment on function analytics.can(text, uuid) is
$$may the caller do this, and if not, why
action: a row of analytics.permissions. object: a workspace, or a membership, an invitation, a post, an account or a shared page (their id) in one; the caller's default workspace when null. Returns {allowed, code, reason, hint, needs, role}: code is the error that the action itself would raise, reason says it in words, needs is the lowest role, role the caller's; where something is used up also resource, limit, used. Somebody not signed in is answered too. Errors: VALIDATION_ERROR (no such action).
Example: select analytics.can('invite_member', '0195c3a0-0000-7000-8000-000000000001') ->> 'reason' = 'this needs the role admin or above'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Invitations

create or replace function analytics_private.check_grantable(workspace_id uuid, granted text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  own text;
begin
  if granted is null or granted not in ('admin', 'editor', 'analyst') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such role to give', 'roles to give are admin, editor and analyst; transfer_ownership() makes an owner', '{"field": "role"}');
  end if;
  select m.role into own from analytics.workspace_members m
  where m.workspace_id = check_grantable.workspace_id and m.user_id = analytics_private.user_id();
  if (analytics_private.role_rank(granted) <= analytics_private.role_rank(own)) is not true then
    perform analytics_private.raise_error('FORBIDDEN', 'nobody gives a role above his own');
  end if;
end
$$;

-- Definer: nobody writes invitations but these functions.
create or replace function analytics_private.invite_member(workspace_id uuid, email text, role text, expires_in interval) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  address constant text := analytics_private.fold_email(invite_member.email);
  lifetime constant interval := coalesce(invite_member.expires_in, analytics_private.setting_interval('invite_expiry'));
  moment constant timestamptz := statement_timestamp();
  -- 366 bits from the server's strong generator, brought to 32 bytes.
  token constant text := translate(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'), '+/=', '-_');
  sent record;
  made analytics.workspace_invites;
begin
  if address is null or length(address) > 254 or address !~ E'^[^@\\s[:cntrl:]<>(),;:\\\\"]{1,64}@[^@\\s[:cntrl:]<>(),;:\\\\"]+\\.[^@\\s[:cntrl:]<>(),;:\\\\".]+$' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'this is no e-mail address', 'one address, like ada@example.com', '{"field": "email"}');
  end if;
  if lifetime not between interval '1 day' and interval '365 days' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'an invitation lasts from 1 to 365 days', null, '{"field": "expires_in"}');
  end if;
  perform analytics_private.enter_workspace('invite_member', invite_member.workspace_id);
  perform analytics_private.check_grantable(invite_member.workspace_id, invite_member.role);

  if exists (select from analytics.workspace_members m join analytics.users u on u.id = m.user_id
             where m.workspace_id = invite_member.workspace_id and u.email_verified and analytics_private.fold_email(u.email) = address) then
    perform analytics_private.raise_error('CONFLICT', 'this person is a member already');
  end if;
  if exists (select from analytics.workspace_invites i where i.workspace_id = invite_member.workspace_id and i.email = address
               and i.accepted_at is null and i.revoked_at is null and i.expires_at > moment) then
    perform analytics_private.raise_error('CONFLICT', 'this person is invited already', 'to send a new invitation, take the old one back with analytics.revoke_invite()');
  end if;
  -- Those taken back count too, or inviting and revoking in turn would mail the world.
  select count(*) as invites, min(i.created_at) as first_at into sent from analytics.workspace_invites i
  where i.workspace_id = invite_member.workspace_id and i.created_at > moment - interval '24 hours';
  if sent.invites >= analytics_private.setting_integer('invites_per_day') then
    perform analytics_private.raise_error('RATE_LIMITED', format('this workspace sent %s invitations within 24 hours', sent.invites), 'invite again later',
      '{}', greatest(1, ceil(extract(epoch from sent.first_at + interval '24 hours' - moment)))::integer);
  end if;

  -- One that expired makes room.
  update analytics.workspace_invites i set revoked_at = moment
  where i.workspace_id = invite_member.workspace_id and i.email = address and i.accepted_at is null and i.revoked_at is null;
  insert into analytics.workspace_invites (workspace_id, email, role, invited_by, created_at, expires_at)
  values (invite_member.workspace_id, address, invite_member.role, caller, moment, moment + lifetime)
  returning * into made;
  insert into analytics_private.invite_tokens (workspace_id, invite_id, token_hash)
  values (made.workspace_id, made.id, sha256(convert_to(token, 'UTF8')));
  perform analytics_private.write_audit('member.invited', 'workspace_invite', made.id,
    jsonb_build_object('role', made.role, 'expires_at', made.expires_at), made.workspace_id);
  return jsonb_build_object('workspace_id', made.workspace_id, 'invite_id', made.id, 'email', made.email, 'role', made.role, 'expires_at', made.expires_at, 'token', token);
end
$$;

create or replace function analytics.invite_member(workspace_id uuid, email text, role text default 'analyst', expires_in interval default null) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select analytics_private.invite_member(invite_member.workspace_id, invite_member.email, invite_member.role, invite_member.expires_in)
$$;
comment on function analytics.invite_member(uuid, text, text, interval) is
$$invites somebody into a workspace by e-mail address, as admin, editor or analyst
For admins; the role may not be above one's own. expires_in: from 1 to 365 days, default the setting invite_expiry. Returns {workspace_id, invite_id, email, role, expires_at, token}. The token is told once and stored only as a hash: put it into the link that you send. The invitation takes a seat. Errors: VALIDATION_ERROR (address, role, time), UNAUTHORIZED, FORBIDDEN (role too low, a role above one's own, workspace suspended), NOT_FOUND (no such workspace among the caller's), PAYMENT_REQUIRED (no seats left; details resource, limit, used), CONFLICT (member or invited already), RATE_LIMITED (setting invites_per_day).
Example: select analytics.invite_member('0195c3a0-0000-7000-8000-0000000000a0', 'grace@example.com', 'editor', '14 days') ->> 'role' = 'editor'$$;

-- The invitation a token opens, locked when it is to be changed.
create or replace function analytics_private.find_invite(token text) returns analytics.workspace_invites
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  found_invite analytics.workspace_invites;
begin
  select i.* into found_invite
  from analytics_private.invite_tokens t join analytics.workspace_invites i on i.workspace_id = t.workspace_id and i.id = t.invite_id
  where t.token_hash = sha256(convert_to(left(find_invite.token, 100), 'UTF8'));
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such invitation', 'use the whole link of the invitation');
  end if;
  return found_invite;
end
$$;

create or replace function analytics_private.check_invite_open(invite analytics.workspace_invites) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if invite.accepted_at is not null then
    perform analytics_private.raise_error('CONFLICT', 'this invitation was used already', 'an invitation can be accepted once');
  elsif invite.revoked_at is not null then
    perform analytics_private.raise_error('CONFLICT', 'this invitation was taken back', 'ask for a new one');
  elsif invite.expires_at <= statement_timestamp() then
    perform analytics_private.raise_error('CONFLICT', 'this invitation has expired', 'ask for a new one');
  elsif not exists (select from analytics.workspaces w where w.id = invite.workspace_id and w.status = 'active') then
    perform analytics_private.raise_error('CONFLICT', 'this workspace is not active', 'ask whoever invited you');
  end if;
end
$$;

-- Definer: the caller is no member yet, and may see neither the invitation nor the workspace.
create or replace function analytics_private.accept_invite(token text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  invite analytics.workspace_invites := analytics_private.find_invite(accept_invite.token);
  account record;
  seats bigint;
  members bigint;
begin
  -- Before anything of the invitation is told: who holds a link that was not meant for him learns nothing from it.
  select analytics_private.fold_email(u.email) as email, u.email_verified into account from analytics.users u where u.id = caller;
  if account.email is distinct from invite.email then
    perform analytics_private.raise_error('FORBIDDEN', 'this invitation is for another e-mail address', 'sign in with the address it was sent to');
  elsif not account.email_verified then
    perform analytics_private.raise_error('FORBIDDEN', 'your e-mail address is not confirmed', 'confirm it, then accept again');
  end if;

  perform analytics_private.lock_workspace(invite.workspace_id);
  -- What happened while we waited: a removal of this very account, or of the invitation.
  perform from analytics.users u where u.id = caller and u.status = 'active' for key share;
  if not found then
    perform analytics_private.raise_error('FORBIDDEN', 'this user is not active', 'ask the operator of this service');
  end if;
  select i.* into strict invite from analytics.workspace_invites i where i.workspace_id = invite.workspace_id and i.id = invite.id for update;
  perform analytics_private.check_invite_open(invite);
  if exists (select from analytics.workspace_members m where m.workspace_id = invite.workspace_id and m.user_id = caller) then
    perform analytics_private.raise_error('CONFLICT', 'you are a member of this workspace already');
  end if;
  -- The plan may have shrunk since. Other open invitations do not count here: who comes first gets the seat.
  seats := analytics_private.plan_limit(invite.workspace_id, 'seats');
  select count(*) into members from analytics.workspace_members m where m.workspace_id = invite.workspace_id;
  if members >= seats then
    perform analytics_private.raise_error('PAYMENT_REQUIRED', 'this workspace has no seats left', 'ask whoever invited you',
      jsonb_build_object('resource', 'seats', 'limit', seats, 'used', members));
  end if;

  insert into analytics.workspace_members (workspace_id, user_id, role) values (invite.workspace_id, caller, invite.role);
  update analytics.workspace_invites i set accepted_at = statement_timestamp(), accepted_by = caller
  where i.workspace_id = invite.workspace_id and i.id = invite.id;
  perform analytics_private.write_audit('member.joined', 'user', caller,
    jsonb_build_object('role', invite.role, 'invite_id', invite.id), invite.workspace_id);
  return (select jsonb_build_object('workspace_id', w.id, 'name', w.name, 'role', invite.role) from analytics.workspaces w where w.id = invite.workspace_id);
end
$$;

create or replace function analytics.accept_invite(token text) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.accept_invite(accept_invite.token) $$;
comment on function analytics.accept_invite(text) is
$$joins the workspace that an invitation is for
The caller's confirmed e-mail address must be the one invited, in upper or lower case. Returns {workspace_id, name, role}. An invitation works once. Errors: UNAUTHORIZED, NOT_FOUND (no such token), FORBIDDEN (for another address, address not confirmed), CONFLICT (used, taken back, expired, workspace not active, member already), PAYMENT_REQUIRED (no seats left).
Example: select analytics.accept_invite('an-invitation-token') ->> 'role' = 'editor'$$;

-- Definer: who holds the token need not even be signed in. Tells what an invitation letter would.
create or replace function analytics_private.invite_preview(token text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  invite constant analytics.workspace_invites := analytics_private.find_invite(invite_preview.token);
begin
  perform analytics_private.check_invite_open(invite);
  return (
    select jsonb_build_object('workspace_name', w.name, 'role', invite.role, 'expires_at', invite.expires_at,
      'invited_by', (select coalesce(p.display_name, p.full_name) from analytics.user_profiles p where p.user_id = invite.invited_by))
    from analytics.workspaces w where w.id = invite.workspace_id);
end
$$;

create or replace function analytics.invite_preview(token text) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$ select analytics_private.invite_preview(invite_preview.token) $$;
comment on function analytics.invite_preview(text) is
$$what an invitation is for, before signing in
For whoever holds the token. Returns {workspace_name, role, invited_by, expires_at}, not the address it was sent to. Errors: NOT_FOUND (no such token), CONFLICT (used, taken back, expired, workspace not active).
Example: select analytics.invite_preview('an-invitation-token') ->> 'workspace_name' = 'Guild'$$;

-- Definer: the names of the workspace and of the inviter are hidden from the invitee's own rights.
create or replace function analytics_private.my_invites() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('invite_id', i.id, 'workspace_id', i.workspace_id, 'workspace_name', w.name, 'role', i.role,
      'invited_by', coalesce(p.display_name, p.full_name), 'created_at', i.created_at, 'expires_at', i.expires_at) order by i.created_at, i.id), '[]')
    from analytics.workspace_invites i
      join analytics.workspaces w on w.id = i.workspace_id and w.status = 'active'
      left join analytics.user_profiles p on p.user_id = i.invited_by
    where i.email = analytics_private.verified_email() and i.accepted_at is null and i.revoked_at is null and i.expires_at > statement_timestamp()
      and not exists (select from analytics.workspace_members m where m.workspace_id = i.workspace_id and m.user_id = caller));
end
$$;

create or replace function analytics.my_invites() returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$ select analytics_private.my_invites() $$;
comment on function analytics.my_invites() is
$$the open invitations to the caller's confirmed e-mail address
Returns a list of {invite_id, workspace_id, workspace_name, role, invited_by, created_at, expires_at}. The token is in the letter alone. Errors: UNAUTHORIZED, FORBIDDEN (user not active).
Example: select jsonb_array_length(analytics.my_invites()) = 1$$;

create or replace function analytics_private.revoke_invite(workspace_id uuid, invite_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  invite analytics.workspace_invites;
begin
  perform analytics_private.enter_workspace('revoke_invite', revoke_invite.workspace_id);
  select i.* into invite from analytics.workspace_invites i
  where i.workspace_id = revoke_invite.workspace_id and i.id = revoke_invite.invite_id for update;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'this workspace has no such invitation');
  elsif invite.accepted_at is not null then
    perform analytics_private.raise_error('CONFLICT', 'this invitation was used already', 'remove the member with analytics.remove_member()');
  elsif invite.revoked_at is not null then
    return false;
  end if;
  update analytics.workspace_invites i set revoked_at = statement_timestamp() where i.workspace_id = invite.workspace_id and i.id = invite.id;
  perform analytics_private.write_audit('invite.revoked', 'workspace_invite', invite.id, jsonb_build_object('by_inviter', invite.invited_by = caller), invite.workspace_id);
  return true;
end
$$;

create or replace function analytics.revoke_invite(workspace_id uuid, invite_id uuid) returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.revoke_invite(revoke_invite.workspace_id, revoke_invite.invite_id) $$;
comment on function analytics.revoke_invite(uuid, uuid) is
$$takes an invitation back, so that its link is dead and its seat free; false if it was taken back before
For admins. Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's, no such invitation in it), CONFLICT (accepted already).
Example: select analytics.revoke_invite('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000f1')$$;

-- Whoever lost a role no longer stands behind the invitations he gave out with it.
create or replace function analytics_private.withdraw_invites(inviter uuid, workspace_id uuid default null, remaining_role text default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update analytics.workspace_invites i set revoked_at = statement_timestamp()
  where i.invited_by = withdraw_invites.inviter and (withdraw_invites.workspace_id is null or i.workspace_id = withdraw_invites.workspace_id)
    and i.accepted_at is null and i.revoked_at is null
    and (remaining_role is null or remaining_role not in ('admin', 'owner'));
end
$$;
comment on function analytics_private.withdraw_invites(uuid, uuid, text) is 'takes back the open invitations of somebody who may no longer invite';

create or replace function analytics_private.purge_invites(max_count integer) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  horizon constant timestamptz := now() - analytics_private.setting_interval('invite_retention');
  n integer;
begin
  delete from analytics.workspace_invites i using (
    select p.workspace_id, p.id from analytics.workspace_invites p
    where coalesce(p.accepted_at, p.revoked_at, p.expires_at) < horizon
    -- Those of the last day are counted by invites_per_day.
      and p.created_at < now() - interval '1 day'
    limit purge_invites.max_count for update skip locked) old
  where i.workspace_id = old.workspace_id and i.id = old.id;
  get diagnostics n = row_count;
  return n;
end
$$;
comment on function analytics_private.purge_invites(integer) is 'forgets invitations that ended longer ago than invite_retention; maintain() calls it';

-- ---------------------------------------------------------------------------------------------------------------------
-- Members and ownership

-- To his personal workspace, rather than to none; before his membership goes, so that his row is locked first, as when an account is deleted.
create or replace function analytics_private.leave_default(workspace_id uuid, user_id uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update analytics.users u set default_workspace_id = (
    select w.id from analytics.workspaces w where w.owner_id = u.id and w.is_personal and w.status <> 'deleted' and w.id <> leave_default.workspace_id)
  where u.id = leave_default.user_id and u.default_workspace_id = leave_default.workspace_id;
end
$$;

create or replace function analytics_private.change_role(workspace_id uuid, user_id uuid, role text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  former text;
begin
  if change_role.user_id is null then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'name the member', null, '{"field": "user_id"}');
  end if;
  perform analytics_private.enter_workspace('change_role', change_role.workspace_id, change_role.user_id);
  perform analytics_private.check_grantable(change_role.workspace_id, change_role.role);
  select m.role into strict former from analytics.workspace_members m
  where m.workspace_id = change_role.workspace_id and m.user_id = change_role.user_id;
  if former <> change_role.role then
    update analytics.workspace_members m set role = change_role.role
    where m.workspace_id = change_role.workspace_id and m.user_id = change_role.user_id;
    perform analytics_private.withdraw_invites(change_role.user_id, change_role.workspace_id, change_role.role);
    perform analytics_private.write_audit('member.role_changed', 'user', change_role.user_id,
      jsonb_build_object('from', former, 'to', change_role.role, 'own', change_role.user_id = caller), change_role.workspace_id);
  end if;
  return jsonb_build_object('workspace_id', change_role.workspace_id, 'user_id', change_role.user_id, 'role', change_role.role, 'former_role', former);
end
$$;

create or replace function analytics.change_role(workspace_id uuid, user_id uuid, role text) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.change_role(change_role.workspace_id, change_role.user_id, change_role.role) $$;
comment on function analytics.change_role(uuid, uuid, text) is
$$gives a member of a workspace another role: admin, editor or analyst
For admins; neither the member's role nor the new one may be above one's own, and the owner's role changes only by transfer_ownership(). Returns {workspace_id, user_id, role, former_role}; the same role changes nothing. Open invitations of a member who is no longer admin are taken back. Errors: VALIDATION_ERROR (role), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's, no such member), CONFLICT (one's own ownership).
Example: select analytics.change_role('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000b1', 'editor') ->> 'role' = 'editor'$$;

-- The caller holds the workspace's lock.
create or replace function analytics_private.end_membership(workspace_id uuid, user_id uuid, action text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  former text;
begin
  perform analytics_private.leave_default(end_membership.workspace_id, end_membership.user_id);
  delete from analytics.workspace_members m
  where m.workspace_id = end_membership.workspace_id and m.user_id = end_membership.user_id returning m.role into former;
  perform analytics_private.withdraw_invites(end_membership.user_id, end_membership.workspace_id);
  perform analytics_private.write_audit(end_membership.action, 'user', end_membership.user_id, jsonb_build_object('role', former), end_membership.workspace_id);
end
$$;

create or replace function analytics_private.leave_workspace(workspace_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
begin
  perform analytics_private.enter_workspace('leave_workspace', leave_workspace.workspace_id);
  perform analytics_private.end_membership(leave_workspace.workspace_id, caller, 'member.left');
  return true;
end
$$;

create or replace function analytics.leave_workspace(workspace_id uuid) returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.leave_workspace(leave_workspace.workspace_id) $$;
comment on function analytics.leave_workspace(uuid) is
$$ends the caller's membership in a workspace
Windows he opened stay his; the default workspace becomes his personal one if it was this. Returns true. Errors: UNAUTHORIZED, FORBIDDEN (user not active, workspace suspended), NOT_FOUND (no such workspace among the caller's), CONFLICT (the owner cannot leave).
Example: select analytics.leave_workspace('0195c3a0-0000-7000-8000-000000000001')$$;

create or replace function analytics_private.remove_member(workspace_id uuid, user_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
begin
  if remove_member.user_id is null then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'name the member', null, '{"field": "user_id"}');
  elsif remove_member.user_id = caller then
    return analytics_private.leave_workspace(remove_member.workspace_id);
  end if;
  perform analytics_private.enter_workspace('remove_member', remove_member.workspace_id, remove_member.user_id);
  perform analytics_private.end_membership(remove_member.workspace_id, remove_member.user_id, 'member.removed');
  return true;
end
$$;

create or replace function analytics.remove_member(workspace_id uuid, user_id uuid) returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.remove_member(remove_member.workspace_id, remove_member.user_id) $$;
comment on function analytics.remove_member(uuid, uuid) is
$$ends somebody's membership in a workspace; one's own as leave_workspace() does
For admins; the member's role may not be above one's own, and the owner cannot be removed. Works from the member's next statement on. Windows he opened stay his; invitations he gave out that are open are taken back. Returns true. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's, no such member), CONFLICT (the owner himself).
Example: select analytics.remove_member('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000b1')$$;

create or replace function analytics_private.transfer_ownership(workspace_id uuid, user_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
begin
  if transfer_ownership.user_id is null then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'name the new owner', null, '{"field": "user_id"}');
  end if;
  perform analytics_private.enter_workspace('transfer_ownership', transfer_ownership.workspace_id, transfer_ownership.user_id);
  -- His account may be going in this instant; then wait for it to be gone.
  perform from analytics.users u where u.id = transfer_ownership.user_id and u.status = 'active' for key share;
  if not found then
    perform analytics_private.raise_error('CONFLICT', 'this member is not active', 'only an active user can own a workspace');
  end if;
  perform analytics_private.set_owner(transfer_ownership.workspace_id, caller, transfer_ownership.user_id, 'admin');
  perform analytics_private.write_audit('workspace.transferred', 'workspace', transfer_ownership.workspace_id,
    jsonb_build_object('from', caller, 'to', transfer_ownership.user_id), transfer_ownership.workspace_id);
  return jsonb_build_object('workspace_id', transfer_ownership.workspace_id, 'owner_id', transfer_ownership.user_id, 'former_owner_id', caller, 'role', 'admin');
end
$$;

-- The caller holds the workspace's lock. First the old owner steps down: there is never a second one.
create or replace function analytics_private.set_owner(workspace_id uuid, former uuid, heir uuid, remaining_role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update analytics.workspace_members m set role = set_owner.remaining_role where m.workspace_id = set_owner.workspace_id and m.user_id = set_owner.former;
  update analytics.workspace_members m set role = 'owner' where m.workspace_id = set_owner.workspace_id and m.user_id = set_owner.heir;
  update analytics.workspaces w set owner_id = set_owner.heir, is_personal = false where w.id = set_owner.workspace_id;
end
$$;

create or replace function analytics.transfer_ownership(workspace_id uuid, user_id uuid) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.transfer_ownership(transfer_ownership.workspace_id, transfer_ownership.user_id) $$;
comment on function analytics.transfer_ownership(uuid, uuid) is
$$makes another active member the owner of a workspace; the caller stays as admin
For the owner. Returns {workspace_id, owner_id, former_owner_id, role}, role being the caller's from now on. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's, no such member), CONFLICT (personal workspace, member not active, owner already).
Example: select analytics.transfer_ownership('0195c3a0-0000-7000-8000-0000000000a0', '0195c3a0-0000-7000-8000-0000000000b1') ->> 'role' = 'admin'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Making and deleting workspaces

create or replace function analytics_private.create_workspace(name text, description text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  called constant text := btrim(create_workspace.name);
  verdict record;
  made uuid;
begin
  if called is null or length(called) not between 1 and 255 or called ~ '[[:cntrl:]]' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a workspace has a name of 1 to 255 characters', null, '{"field": "name"}');
  elsif length(create_workspace.description) > 5000 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a description has at most 5000 characters', null, '{"field": "description"}');
  end if;
  -- One at a time for a user: he owns as many as he may, and not one more.
  update analytics.users u set updated_at = now() where u.id = caller;
  select * into verdict from analytics_private.judge('create_workspace', null);
  if verdict.code is not null then
    perform analytics_private.raise_error(verdict.code, verdict.reason, verdict.hint, verdict.details);
  end if;
  insert into analytics.workspaces (name, description, owner_id) values (called, create_workspace.description, caller) returning id into made;
  insert into analytics.workspace_members (workspace_id, user_id, role) values (made, caller, 'owner');
  return jsonb_build_object('workspace_id', made, 'name', called, 'role', 'owner');
end
$$;

create or replace function analytics.create_workspace(name text, description text default null) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.create_workspace(create_workspace.name, create_workspace.description) $$;
comment on function analytics.create_workspace(text, text) is
$$makes a shared workspace with the caller as its owner
Returns {workspace_id, name, role}. Errors: VALIDATION_ERROR (name, description), UNAUTHORIZED, FORBIDDEN (user not active), CONFLICT (owns as many as the setting workspaces_per_user allows).
Example: select analytics.create_workspace('Spring campaign') ->> 'role' = 'owner'$$;

-- The caller holds the workspace's lock. What is left is a tombstone with its owner, to which audit, ledger and history refer.
create or replace function analytics_private.close_workspace(workspace_id uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  member record;
begin
  for member in
    select m.user_id, m.role from analytics.workspace_members m where m.workspace_id = close_workspace.workspace_id order by m.user_id
  loop
    perform analytics_private.leave_default(close_workspace.workspace_id, member.user_id);
    if member.role <> 'owner' then
      delete from analytics.workspace_members m where m.workspace_id = close_workspace.workspace_id and m.user_id = member.user_id;
    end if;
  end loop;
  update analytics.workspace_invites i set email = null, revoked_at = case when i.accepted_at is null then coalesce(i.revoked_at, statement_timestamp()) end
  where i.workspace_id = close_workspace.workspace_id;
  delete from analytics.connections c where c.workspace_id = close_workspace.workspace_id;
  -- With all that was imported, and with their tokens, which are revoked; upkeep removes the people.
  delete from analytics.social_accounts a where a.workspace_id = close_workspace.workspace_id;
  update analytics.workspaces w set status = 'deleted', deleted_at = now(), name = 'deleted workspace', description = null, logo_url = null, settings = '{}'
  where w.id = close_workspace.workspace_id;
end
$$;
comment on function analytics_private.close_workspace(uuid) is 'turns a workspace into a tombstone: names, settings, invited addresses, accounts and their followers go, members are released, references and audit stay';

create or replace function analytics_private.delete_workspace(workspace_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  members bigint;
begin
  perform analytics_private.enter_workspace('delete_workspace', delete_workspace.workspace_id);
  select count(*) into members from analytics.workspace_members m where m.workspace_id = delete_workspace.workspace_id and m.user_id <> caller;
  perform analytics_private.close_workspace(delete_workspace.workspace_id);
  perform analytics_private.write_audit('workspace.deleted', 'workspace', delete_workspace.workspace_id, jsonb_build_object('members_released', members), delete_workspace.workspace_id);
  return true;
end
$$;

create or replace function analytics.delete_workspace(workspace_id uuid) returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.delete_workspace(delete_workspace.workspace_id) $$;
comment on function analytics.delete_workspace(uuid) is
$$deletes a shared workspace: name, settings, invitations, accounts and their followers go, members are released; audit records stay
For the owner; there is no way back. Windows its members opened stay theirs. Returns true. Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's), CONFLICT (personal workspace, running subscription).
Example: select analytics.delete_workspace('0195c3a0-0000-7000-8000-0000000000a0')$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What is stored about a user: export and erasure

-- Every table that refers to a user has its line here; tests/pgtap/22_tenancy.sql compares with the foreign keys. hidden: columns that are
-- not the user's own data. A new table is one line.
create or replace function analytics_private.personal_tables()
returns table (part text, relation regclass, user_column name, hidden text[])
language sql stable set search_path = pg_catalog, pg_temp as $$
  values
    ('account', 'analytics.users'::regclass, 'id'::name, '{}'::text[]),
    ('profile', 'analytics.user_profiles', 'user_id', '{}'),
    ('linked_accounts', 'analytics_private.user_private', 'user_id', '{}'),
    ('database_logins', 'analytics_private.db_logins', 'user_id', '{}'),
    ('workspaces_owned', 'analytics.workspaces', 'owner_id', '{owner_role}'),
    ('memberships', 'analytics.workspace_members', 'user_id', '{}'),
    ('invitations_accepted', 'analytics.workspace_invites', 'accepted_by', '{}'),
    ('invitations_sent', 'analytics.workspace_invites', 'invited_by', '{email}'),
    ('windows', 'analytics.user_profile_access', 'user_id', '{}'),
    ('favourites', 'analytics.user_favorites', 'user_id', '{}'),
    ('searches', 'analytics.user_searches', 'user_id', '{}'),
    ('posts', 'analytics.posts', 'created_by', '{}'),
    ('accounts_added', 'analytics.social_accounts', 'created_by', '{}'),
    ('pages_shared', 'analytics.shared_pages', 'created_by', '{}'),
    ('connections', 'analytics.connections', 'user_id', '{}'),
    ('notices', 'analytics.notices', 'user_id', '{}'),
    ('billing_history', 'analytics.subscription_history', 'user_id', '{}'),
    ('audit_records', 'analytics.audit_logs', 'actor_id', '{personal_digest}')
$$;
comment on function analytics_private.personal_tables() is 'where data of a user is: the parts of export_my_data(), with table, column that names the user and columns left out';

-- Definer: some of the tables are hidden from the caller's own rights; every row is chosen by his id.
create or replace function analytics_private.export_my_data() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  source record;
  rows_found jsonb;
  answer jsonb := jsonb_build_object('exported_at', statement_timestamp(), 'user_id', caller,
    -- By address, since an invitation knows its invitee only once he accepted.
    'invitations_received', (select coalesce(jsonb_agg(to_jsonb(i)), '[]') from analytics.workspace_invites i where i.email = analytics_private.verified_email()));
begin
  for source in select p.* from analytics_private.personal_tables() p loop
    -- What is the workspace's, which the caller has left, is not his to read on.
    execute format('select coalesce(jsonb_agg(to_jsonb(r) - $2), ''[]'') from %s r where r.%I = $1%s', source.relation, source.user_column,
      case when source.part in ('posts', 'accounts_added', 'pages_shared', 'connections') then ' and r.workspace_id = any (analytics_private.workspace_ids(''analyst''))' else '' end)
    into rows_found using caller, source.hidden;
    answer := answer || jsonb_build_object(source.part, rows_found);
  end loop;
  return answer;
end
$$;

create or replace function analytics.export_my_data() returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$ select analytics_private.export_my_data() $$;
comment on function analytics.export_my_data() is
$$everything that is stored about the caller, as one JSON document
Returns {exported_at, user_id, account, profile, linked_accounts, database_logins, workspaces_owned, memberships, invitations_received, invitations_accepted, invitations_sent, windows, favourites, searches, posts, accounts_added, pages_shared, connections, notices, billing_history, audit_records}, each a list of rows with the names of the columns. Addresses of others and secrets are left out. Errors: UNAUTHORIZED, FORBIDDEN (user not active).
Example: select jsonb_array_length(analytics.export_my_data() -> 'memberships') > 1$$;

create or replace function analytics_private.erase_user(user_id uuid, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  known analytics.users;
  audit_values bigint;
begin
  if reason is null or btrim(reason) = '' or length(reason) > 500 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'give the reason in 1 to 500 characters', 'a case number, not a name: the audit keeps it');
  end if;
  select u.* into known from analytics.users u where u.id = erase_user.user_id;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such user');
  end if;
  perform analytics_private.bury_user(erase_user.user_id);
  audit_values := analytics_private.erase_audit_personal(erase_user.user_id, reason, known.email);
  perform analytics_private.write_audit('user.erased', 'user', erase_user.user_id, jsonb_build_object('reason', reason));
  return jsonb_build_object('user_id', erase_user.user_id, 'was_deleted', known.status = 'deleted', 'audit_values', audit_values);
end
$$;
comment on function analytics_private.erase_user(uuid, text) is
  'removes everything personal of a user, from the audit too; a tombstone and the audit trail stay (operators). Returns {user_id, was_deleted, audit_values}; errors: VALIDATION_ERROR (reason), NOT_FOUND. Delete the account in the auth system as well';

create or replace function analytics_private.delete_my_account(confirm text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  address constant text := (select analytics_private.fold_email(u.email) from analytics.users u where u.id = caller);
begin
  if (analytics_private.fold_email(delete_my_account.confirm) = coalesce(address, caller::text)) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the confirmation is not your e-mail address', 'give your e-mail address, or your user id if you have none', '{"field": "confirm"}');
  elsif exists (
    select from analytics.workspaces w where w.owner_id = caller and w.status <> 'deleted' and analytics_private.is_billed(w.id)
      and not exists (select from analytics.workspace_members m join analytics.users u on u.id = m.user_id
                      where m.workspace_id = w.id and m.user_id <> caller and u.status = 'active')) then
    perform analytics_private.raise_error('CONFLICT', 'one of your workspaces has a running subscription', 'cancel the subscription first');
  end if;
  perform analytics_private.erase_user(caller, 'asked for by the user');
  return true;
end
$$;

create or replace function analytics.delete_my_account(confirm text) returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.delete_my_account(delete_my_account.confirm) $$;
comment on function analytics.delete_my_account(text) is
$$deletes the caller and everything personal about him; there is no way back
confirm: the caller's e-mail address, or his user id if he has none. Shared workspaces he owns pass to the member with the highest role, others are deleted. The auth system keeps its account until the application deletes it there; signing in with it opens nothing. Returns true. Errors: VALIDATION_ERROR (confirmation), UNAUTHORIZED, FORBIDDEN (user not active), CONFLICT (a running subscription that nobody else could cancel).
Example: select analytics.delete_my_account('reader@example.com')$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Who may do what, from the catalogue

create or replace function analytics.rls_report()
returns table (
  schema_name text, object_name text, kind text, owner text, row_security boolean, security_definer boolean,
  role_name text, privilege text, columns text[], policy text, using_expression text, check_expression text, finding text
) language sql stable set search_path = pg_catalog, pg_temp as $$
  with objects as (
    select c.oid, 'pg_catalog.pg_class'::regclass::oid as class, n.nspname, c.relname::text as name, c.relowner as owner_id, c.relacl as acl,
      case when c.relispartition then 'partition' when c.relkind in ('v', 'm') then 'view' when c.relkind = 'S' then 'sequence' else 'table' end as kind,
      case when c.relkind in ('r', 'p') then c.relrowsecurity end as row_security,
      case when c.relkind = 'v' then not coalesce('security_invoker=true' = any (c.reloptions), false) end as security_definer,
      array_remove(array[
        case when c.relkind in ('r', 'p') and not c.relrowsecurity then 'no row-level security' end,
        case when c.relkind = 'v' and not coalesce('security_invoker=true' = any (c.reloptions), false) then 'view with its owner''s rights' end,
        case when c.relispartition and exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid) then 'partition with a policy' end,
        case when exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid and 0 = any (p.polroles)) then 'policy for PUBLIC' end
      ], null) as findings
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('analytics', 'analytics_private') and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    union all
    select f.oid, 'pg_catalog.pg_proc'::regclass::oid, n.nspname,
      format('%s(%s)', f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)), f.proowner, coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner)),
      'function', null, f.prosecdef,
      array_remove(array[
        case when f.prosecdef and n.nspname = 'analytics' then 'definer in the exposed schema' end,
        case when f.prosecdef and not coalesce('search_path=pg_catalog, pg_temp' = any (f.proconfig), false) then 'definer without a safe search_path' end,
        case when f.prosecdef and (select r.rolsuper from pg_catalog.pg_roles r where r.oid = f.proowner) then 'definer that is a superuser' end
      ], null)
    from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace
    where n.nspname in ('analytics', 'analytics_private')
  ), grants as (
    select o.class, o.oid, a.grantee, a.privilege_type, null::text[] as columns
    from objects o cross join lateral pg_catalog.aclexplode(o.acl) a where a.grantee <> o.owner_id
    union all
    select o.class, o.oid, x.grantee, x.privilege_type, array_agg(t.attname::text order by t.attnum)
    from objects o join pg_catalog.pg_attribute t on t.attrelid = o.oid and t.attacl is not null and not t.attisdropped
      cross join lateral pg_catalog.aclexplode(t.attacl) x
    where o.class = 'pg_catalog.pg_class'::regclass and x.grantee <> o.owner_id
    group by o.class, o.oid, x.grantee, x.privilege_type
  )
  select o.nspname::text, o.name, o.kind, pg_catalog.pg_get_userbyid(o.owner_id)::text, o.row_security, o.security_definer,
    case when g.grantee = 0 then 'PUBLIC' else r.rolname::text end, lower(g.privilege_type), g.columns,
    p.polname::text, pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
    nullif(array_to_string(o.findings
      || case when g.grantee = 0 then array['open to PUBLIC'] else '{}' end
      || case when o.kind = 'partition' and g.grantee is not null then array['partition with grants'] else '{}' end
      || case when o.kind <> 'function' and g.privilege_type in ('TRUNCATE', 'TRIGGER', 'REFERENCES') then array['a right that row-level security does not limit'] else '{}' end
      || case when o.kind = 'table' and o.row_security and g.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') and p.oid is null
                and r.rolname in ('anon', 'authenticated') then array['granted, but no policy lets a row through'] else '{}' end, '; '), '')
  from objects o
    left join grants g on g.class = o.class and g.oid = o.oid
    left join pg_catalog.pg_roles r on r.oid = g.grantee
    left join pg_catalog.pg_policy p on o.class = 'pg_catalog.pg_class'::regclass and p.polrelid = o.oid
      and (p.polcmd = '*' or p.polcmd::text = case g.privilege_type when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' when 'DELETE' then 'd' end)
      and (0 = any (p.polroles) or exists (select from unnest(p.polroles) m where pg_catalog.pg_has_role(g.grantee, m, 'usage')))
      and not coalesce(r.rolbypassrls or r.rolsuper, false)
  order by o.nspname, o.kind, o.name collate "C", r.rolname nulls first, g.privilege_type, p.polname
$$;
comment on function analytics.rls_report() is
$$every table, partition, view and function of both schemas with who may do what, and what is wrong with it
For operators. Returns a row for each object, role and right: schema_name, object_name (functions with arguments), kind (table, partition, view, sequence, function), owner, row_security (tables), security_definer (functions; views that run with their owner's rights), role_name (null: nobody but the owner), privilege, columns (null: all), policy with using_expression and check_expression where row-level security decides, finding (null: nothing wrong). Roles that bypass row-level security show no policy.
Example: select count(*) = 0 from analytics.rls_report() where finding is not null$$;
