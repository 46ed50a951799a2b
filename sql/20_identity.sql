-- Identity and tenancy: users, what is shown of them, workspaces and who belongs to them.

-- ---------------------------------------------------------------------------------------------------------------------
-- users: one row per account, mirrored from auth.users, never deleted (a tombstone keeps references and audit whole)

create table if not exists analytics.users (
  id uuid not null,
  -- Not unique: Supabase Auth allows one address for several SSO accounts, and a mirror must never block a sign-up.
  email varchar(255),
  username varchar(100),
  auth_provider varchar(50) not null default 'email',
  email_verified boolean not null default false,
  is_verified boolean not null default false,
  mfa_enabled boolean not null default false,
  is_anonymous boolean not null default false,
  status varchar(20) not null default 'active',
  phone_number varchar(20),
  preferences jsonb not null default '{}',
  notification_preferences jsonb not null default
    '{"email_notifications": true, "push_notifications": true, "marketing_emails": false, "security_alerts": true, "weekly_reports": true}',
  timezone varchar(64) not null default 'UTC',
  language varchar(10) not null default 'en',
  data_analytics_enabled boolean not null default true,
  default_workspace_id uuid,
  banned_until timestamptz,
  last_login timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint users_pkey primary key (id),
  constraint users_username_key unique (username),
  constraint users_username_form check (username ~ '^[A-Za-z0-9._-]{1,100}$'),
  constraint users_status_known check (status in ('active', 'inactive', 'suspended', 'pending', 'deleted')),
  constraint users_tombstone check ((status = 'deleted') = (deleted_at is not null)),
  constraint users_preferences_object check (jsonb_typeof(preferences) = 'object' and octet_length(preferences::text) <= 65536),
  constraint users_notifications_object check (jsonb_typeof(notification_preferences) = 'object' and octet_length(notification_preferences::text) <= 65536)
);
create index if not exists users_email on analytics.users (lower(email));
create index if not exists users_status on analytics.users (status);
create index if not exists users_created_at on analytics.users (created_at);
alter table analytics.users enable row level security;
comment on table analytics.users is 'accounts, mirrored from auth.users by trigger; a deleted account leaves a tombstone without personal data';
comment on column analytics.users.status is 'active, inactive, suspended, pending or deleted; only an active user sees and does anything';
comment on column analytics.users.banned_until is 'as in auth.users; until then the user counts as not active';
comment on column analytics.users.default_workspace_id is 'the workspace that is meant when a call names none';

-- The bridge to the auth system, from the mirror: reading auth.users itself would take a definer that only a superuser could own.
create or replace view analytics.auth_users with (security_invoker = true) as
  select u.id, u.email, u.created_at, u.updated_at, u.last_login as last_sign_in_at
  from analytics.users u
  where u.status <> 'deleted';
comment on view analytics.auth_users is 'bridge to the auth system: accounts as mirrored from it; service_role only';

create or replace trigger users_touch before update on analytics.users
  for each row execute function analytics_private.touch_updated_at();

-- Links and secrets of a user that no client may read.
create table if not exists analytics_private.user_private (
  user_id uuid not null,
  firebase_uid varchar(255),
  created_at timestamptz not null default now(),
  constraint user_private_pkey primary key (user_id),
  constraint user_private_firebase_uid_key unique (firebase_uid),
  constraint user_private_user_fkey foreign key (user_id) references analytics.users (id)
);
alter table analytics_private.user_private enable row level security;
comment on column analytics_private.user_private.firebase_uid is 'subject of tokens that come from Firebase through third-party auth';

-- A SQL analyst is the user an operator mapped his login to, whatever claims he sets.
create table if not exists analytics_private.db_logins (
  login name not null,
  user_id uuid not null,
  created_at timestamptz not null default now(),
  constraint db_logins_pkey primary key (login),
  constraint db_logins_user_fkey foreign key (user_id) references analytics.users (id)
);
create index if not exists db_logins_user on analytics_private.db_logins (user_id);
alter table analytics_private.db_logins enable row level security;

-- ---------------------------------------------------------------------------------------------------------------------
-- workspaces and members

create table if not exists analytics.workspaces (
  id uuid not null,
  name varchar(255) not null,
  description text,
  logo_url varchar(500),
  owner_id uuid not null,
  owner_role varchar(32) not null generated always as ('owner') stored,
  is_personal boolean not null default false,
  status varchar(20) not null default 'active',
  settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint workspaces_pkey primary key (id),
  constraint workspaces_owner_fkey foreign key (owner_id) references analytics.users (id),
  constraint workspaces_description_length check (length(description) <= 5000),
  constraint workspaces_name_given check (btrim(name) <> ''),
  constraint workspaces_status_known check (status in ('active', 'suspended', 'deleted')),
  constraint workspaces_tombstone check ((status = 'deleted') = (deleted_at is not null)),
  constraint workspaces_settings_object check (jsonb_typeof(settings) = 'object' and octet_length(settings::text) <= 65536)
);
alter table analytics.workspaces alter column id set default analytics.uuidv7();
create index if not exists workspaces_owner on analytics.workspaces (owner_id);
create unique index if not exists workspaces_one_personal on analytics.workspaces (owner_id) where is_personal and status <> 'deleted';
alter table analytics.workspaces enable row level security;
comment on table analytics.workspaces is 'tenants; every sign-up gets a personal one';
comment on column analytics.workspaces.owner_role is 'constant; lets a foreign key demand that the owner''s membership has the role owner';

create or replace trigger workspaces_touch before update on analytics.workspaces
  for each row execute function analytics_private.touch_updated_at();

create table if not exists analytics.workspace_members (
  workspace_id uuid not null,
  user_id uuid not null,
  id uuid not null,
  role varchar(32) not null,
  joined_at timestamptz not null default now(),
  constraint workspace_members_pkey primary key (workspace_id, user_id),
  constraint workspace_members_id_key unique (workspace_id, id),
  constraint workspace_members_role_key unique (workspace_id, user_id, role),
  constraint workspace_members_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint workspace_members_user_fkey foreign key (user_id) references analytics.users (id),
  constraint workspace_members_role_known check (role in ('owner', 'admin', 'editor', 'analyst'))
);
alter table analytics.workspace_members alter column id set default analytics.uuidv7();
create index if not exists workspace_members_user on analytics.workspace_members (user_id);
create unique index if not exists workspace_members_one_owner on analytics.workspace_members (workspace_id) where role = 'owner';
alter table analytics.workspace_members enable row level security;
comment on table analytics.workspace_members is 'who belongs to a workspace and as what: owner > admin > editor > analyst';

-- Exactly one owner, without a trigger: the partial unique index allows no second one, and this deferred key demands that
-- the owner named in workspaces is a member with the role owner when the transaction commits.
do $constraint$
begin
  if not exists (select from pg_catalog.pg_constraint where conname = 'workspaces_owner_is_member' and conrelid = 'analytics.workspaces'::regclass) then
    alter table analytics.workspaces add constraint workspaces_owner_is_member
      foreign key (id, owner_id, owner_role) references analytics.workspace_members (workspace_id, user_id, role)
      deferrable initially deferred;
  end if;
  if not exists (select from pg_catalog.pg_constraint where conname = 'users_default_workspace_is_own' and conrelid = 'analytics.users'::regclass) then
    alter table analytics.users add constraint users_default_workspace_is_own
      foreign key (default_workspace_id, id) references analytics.workspace_members (workspace_id, user_id)
      on delete set null (default_workspace_id) deferrable initially deferred;
  end if;
end
$constraint$;
create index if not exists workspaces_owner_membership on analytics.workspaces (id, owner_id, owner_role);
create index if not exists users_default_workspace on analytics.users (default_workspace_id, id);

-- ---------------------------------------------------------------------------------------------------------------------
-- user_profiles: what co-members may see of a user

create table if not exists analytics.user_profiles (
  user_id uuid not null,
  full_name varchar(255),
  first_name varchar(100),
  last_name varchar(100),
  display_name varchar(100),
  company varchar(200),
  job_title varchar(100),
  work_description varchar(255),
  bio text,
  avatar_url text,
  profile_visibility boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint user_profiles_pkey primary key (user_id),
  constraint user_profiles_user_fkey foreign key (user_id) references analytics.users (id),
  constraint user_profiles_bio_length check (length(bio) <= 5000),
  constraint user_profiles_avatar_length check (length(avatar_url) <= 2048)
);
alter table analytics.user_profiles enable row level security;
comment on table analytics.user_profiles is 'display data of a user; visible to co-members while profile_visibility is set, never e-mail, phone or billing';

create or replace trigger user_profiles_touch before update on analytics.user_profiles
  for each row execute function analytics_private.touch_updated_at();

-- Definer: a member sees his co-members' ids without a right to read their memberships elsewhere.
create or replace function analytics_private.co_member_ids() returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_agg(distinct m.user_id), '{}')
  from analytics.workspace_members m
  where m.workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[])
$$;
comment on function analytics_private.co_member_ids() is 'users who share an active workspace with the caller, himself included';

-- ---------------------------------------------------------------------------------------------------------------------
-- Audit: what people edit. Records about a user carry his id, so that they can be found when he is erased.

-- Preferences may be long and say little.
select analytics_private.audit_changes('analytics.users', 'user', workspace_column => null, masked => '{preferences,notification_preferences}');
select analytics_private.audit_changes('analytics.user_profiles', 'user_profile', id_column => 'user_id', workspace_column => null);
select analytics_private.audit_changes('analytics.workspaces', 'workspace', workspace_column => 'id');

-- ---------------------------------------------------------------------------------------------------------------------
-- Row-level security

drop policy if exists "users read their own account" on analytics.users;
create policy "users read their own account" on analytics.users for select to authenticated
  using (id = (select analytics_private.user_id()));
drop policy if exists "users change their own account" on analytics.users;
create policy "users change their own account" on analytics.users for update to authenticated
  using (id = (select analytics_private.user_id())) with check (id = (select analytics_private.user_id()));

drop policy if exists "users read themselves and visible co-members" on analytics.user_profiles;
create policy "users read themselves and visible co-members" on analytics.user_profiles for select to authenticated
  using (user_id = (select analytics_private.user_id())
         or profile_visibility and user_id = any ((select analytics_private.co_member_ids())::uuid[]));
drop policy if exists "users change their own display data" on analytics.user_profiles;
create policy "users change their own display data" on analytics.user_profiles for update to authenticated
  using (user_id = (select analytics_private.user_id())) with check (user_id = (select analytics_private.user_id()));

drop policy if exists "members read their workspaces" on analytics.workspaces;
create policy "members read their workspaces" on analytics.workspaces for select to authenticated
  using (id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));
drop policy if exists "admins change their workspaces" on analytics.workspaces;
create policy "admins change their workspaces" on analytics.workspaces for update to authenticated
  using (id = any ((select analytics_private.workspace_ids('admin'))::uuid[]))
  with check (id = any ((select analytics_private.workspace_ids('admin'))::uuid[]));

drop policy if exists "members read who belongs to their workspaces" on analytics.workspace_members;
create policy "members read who belongs to their workspaces" on analytics.workspace_members for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

-- ---------------------------------------------------------------------------------------------------------------------
-- Who is calling

create or replace function analytics_private.require_user() returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.user_id();
begin
  if caller is null then
    if analytics_private.claimed_user_id() is null then
      perform analytics_private.raise_error('UNAUTHORIZED', 'no user is signed in', 'send the access token of a signed-in user');
    end if;
    perform analytics_private.raise_error('FORBIDDEN', 'this user is not active', 'ask the operator of this service');
  end if;
  return caller;
end
$$;
comment on function analytics_private.require_user() is 'the calling active user; errors: UNAUTHORIZED without one, FORBIDDEN when suspended';

create or replace function analytics.require_role(workspace_id uuid, minimum_role text default 'analyst') returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.require_user();
  if minimum_role is null or minimum_role not in ('owner', 'admin', 'editor', 'analyst') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such workspace role', 'roles are owner, admin, editor and analyst');
  end if;
  if require_role.workspace_id is null or require_role.workspace_id <> all (analytics_private.workspace_ids('analyst')) then
    -- The same answer for a workspace that does not exist and for one of other people.
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such workspace among yours', 'analytics.me() lists your workspaces');
  end if;
  if require_role.workspace_id <> all (analytics_private.workspace_ids(minimum_role)) then
    perform analytics_private.raise_error('FORBIDDEN', format('this needs the role %s or above', minimum_role));
  end if;
  return require_role.workspace_id;
end
$$;
comment on function analytics.require_role(uuid, text) is
$$the workspace, if the caller has at least the role in it
Roles: owner > admin > editor > analyst. Errors: UNAUTHORIZED, FORBIDDEN (role too low, user not active), NOT_FOUND (no such workspace among the caller's), VALIDATION_ERROR (no such role).
Example: select analytics.require_role('0195c3a0-0000-7000-8000-000000000001', 'editor')$$;

create or replace function analytics.me() returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
begin
  return jsonb_build_object(
    'user', (
      select jsonb_build_object('id', u.id, 'email', u.email, 'username', u.username, 'status', u.status,
        'email_verified', u.email_verified, 'is_anonymous', u.is_anonymous, 'auth_provider', u.auth_provider,
        'timezone', u.timezone, 'language', u.language, 'default_workspace_id', u.default_workspace_id,
        'full_name', p.full_name, 'display_name', p.display_name, 'avatar_url', p.avatar_url)
      from analytics.users u left join analytics.user_profiles p on p.user_id = u.id
      where u.id = caller),
    'workspaces', (
      select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'name', w.name, 'role', m.role, 'status', w.status,
        'is_personal', w.is_personal) order by w.is_personal and w.owner_id = caller desc, w.created_at, w.id), '[]')
      from analytics.workspaces w join analytics.workspace_members m on m.workspace_id = w.id and m.user_id = caller),
    'request', jsonb_build_object('request_id', analytics_private.request_id(), 'ip', analytics_private.request_ip(),
      'user_agent', analytics_private.request_user_agent()));
end
$$;
comment on function analytics.me() is
$$the request context: who is calling, in which workspaces with which role, and from where
Returns {user, workspaces: [{id, name, role, status, is_personal}], request: {request_id, ip, user_agent}}. Suspended and deleted workspaces are left out. Errors: UNAUTHORIZED, FORBIDDEN (user not active).
Example: select analytics.me() -> 'user' ->> 'email'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The mirror of auth.users (the trigger itself: 95_auth_bridge.sql)

create or replace function analytics_private.mirror_user(account jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account_id constant uuid := (account ->> 'id')::uuid;
  meta constant jsonb := case when jsonb_typeof(account -> 'raw_user_meta_data') = 'object' then account -> 'raw_user_meta_data' else '{}' end;
  called constant text := nullif(btrim(left(coalesce(meta ->> 'full_name', meta ->> 'name', ''), 255)), '');
  address constant text := left(account ->> 'email', 255);
  banned_until constant timestamptz := (account ->> 'banned_until')::timestamptz;
  is_new boolean;
  home uuid;
begin
  if account ->> 'deleted_at' is not null then
    perform analytics_private.bury_user(account_id);
    return;
  end if;

  insert into analytics.users as u (id, email, auth_provider, email_verified, is_anonymous, banned_until, last_login, created_at)
  values (account_id, address, left(coalesce(account -> 'raw_app_meta_data' ->> 'provider', 'email'), 50),
          account ->> 'email_confirmed_at' is not null, coalesce((account ->> 'is_anonymous')::boolean, false),
          banned_until, (account ->> 'last_sign_in_at')::timestamptz, coalesce((account ->> 'created_at')::timestamptz, now()))
  on conflict (id) do update set
    email = excluded.email,
    auth_provider = excluded.auth_provider,
    email_verified = excluded.email_verified,
    is_anonymous = excluded.is_anonymous,
    banned_until = excluded.banned_until,
    last_login = coalesce(excluded.last_login, u.last_login)
  where u.status <> 'deleted'
    and (u.email, u.auth_provider, u.email_verified, u.is_anonymous, u.banned_until, u.last_login) is distinct from
      (excluded.email, excluded.auth_provider, excluded.email_verified, excluded.is_anonymous, excluded.banned_until, coalesce(excluded.last_login, u.last_login))
  returning xmax = 0 into is_new;
  if is_new is not true then
    return;
  end if;

  insert into analytics.user_profiles (user_id, full_name, avatar_url)
  values (account_id, called, left(meta ->> 'avatar_url', 2048));
  insert into analytics.workspaces (name, owner_id, is_personal)
  values (coalesce(called, nullif(btrim(split_part(address, '@', 1)), ''), 'Personal'), account_id, true)
  returning id into home;
  insert into analytics.workspace_members (workspace_id, user_id, role)
  values (home, account_id, 'owner');
  update analytics.users u set default_workspace_id = home where u.id = account_id;
end
$$;
comment on function analytics_private.mirror_user(jsonb) is 'takes over one row of auth.users; a first sight makes the profile and the personal workspace';

create or replace function analytics_private.bury_user(dead uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.users;
  owned record;
  heir uuid;
begin
  -- Workspaces before users, as everywhere.
  perform from analytics.workspaces w where w.owner_id = dead and w.status <> 'deleted' order by w.id for no key update;
  select u.* into account from analytics.users u where u.id = dead and u.status <> 'deleted' for update;
  if not found then
    return;
  end if;
  for owned in select w.id from analytics.workspaces w where w.owner_id = dead and w.status <> 'deleted' order by w.id for no key update loop
    -- The highest remaining role inherits, the longest membership first; a workspace of one is closed with its owner. Whoever is just
    -- being buried himself is passed over once he is.
    loop
      heir := (
        select m.user_id from analytics.workspace_members m join analytics.users u on u.id = m.user_id
        where m.workspace_id = owned.id and m.user_id <> dead and u.status = 'active'
        order by array_position(array['admin', 'editor', 'analyst']::varchar[], m.role), m.joined_at, m.user_id
        limit 1);
      exit when heir is null;
      perform from analytics.users u where u.id = heir and u.status = 'active' for key share;
      exit when found;
    end loop;
    if heir is null then
      perform analytics_private.close_workspace(owned.id);
    else
      -- A personal workspace bears its user's name.
      update analytics.workspaces w set name = 'Workspace', description = null, logo_url = null where w.id = owned.id and w.is_personal;
      perform analytics_private.erase_workspace_names(dead, 'account deleted');
      perform analytics_private.set_owner(owned.id, dead, heir, 'analyst');
      perform analytics_private.write_audit('workspace.transferred', 'workspace', owned.id,
        jsonb_build_object('from', dead, 'to', heir, 'reason', 'account deleted'), owned.id);
    end if;
  end loop;
  perform analytics_private.withdraw_invites(dead);
  update analytics.workspace_invites i set email = null, revoked_at = case when i.accepted_at is null then coalesce(i.revoked_at, statement_timestamp()) end
  where i.accepted_by = dead or account.email_verified and i.email = analytics_private.fold_email(account.email);
  delete from analytics.workspace_members m using analytics.workspaces w
  where m.user_id = dead and w.id = m.workspace_id and w.owner_id <> dead;
  delete from analytics.user_profiles p where p.user_id = dead;
  delete from analytics_private.user_private p where p.user_id = dead;
  delete from analytics_private.db_logins l where l.user_id = dead;
  delete from analytics.user_favorites f where f.user_id = dead;
  delete from analytics.user_searches s where s.user_id = dead;
  delete from analytics.user_profile_access a where a.user_id = dead;
  delete from analytics.connections c where c.user_id = dead;
  delete from analytics.notices n where n.user_id = dead;
  update analytics.subscription_history h set user_email = null where h.user_id = dead;
  update analytics.users u set
    status = 'deleted', deleted_at = now(), email = null, username = null, phone_number = null, preferences = '{}',
    notification_preferences = '{}', default_workspace_id = null, email_verified = false, last_login = null, banned_until = null
  where u.id = dead;
  perform analytics_private.write_audit('user.deleted', 'user', dead);
  perform analytics_private.erase_audit_personal(dead, 'account deleted');
end
$$;
comment on function analytics_private.bury_user(uuid) is 'turns a user into a tombstone: personal data goes, references and audit stay, shared workspaces get a new owner';

create or replace function analytics_private.mirror_auth_user() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
  if tg_op = 'DELETE' then
    perform analytics_private.bury_user(old.id);
  else
    perform analytics_private.mirror_user(to_jsonb(new));
  end if;
  return null;
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- For operators

create or replace function analytics_private.set_user_status(user_id uuid, status text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if set_user_status.status is null or set_user_status.status not in ('active', 'inactive', 'suspended', 'pending') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a user is active, inactive, suspended or pending');
  end if;
  update analytics.users u set status = set_user_status.status where u.id = set_user_status.user_id and u.status <> 'deleted';
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such user');
  end if;
  perform analytics_private.write_audit('user.status', 'user', set_user_status.user_id, jsonb_build_object('status', set_user_status.status));
end
$$;
comment on function analytics_private.set_user_status(uuid, text) is 'suspends or readmits a user at once (operators); errors: VALIDATION_ERROR, NOT_FOUND';

create or replace function analytics_private.set_workspace_status(workspace_id uuid, status text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if set_workspace_status.status is null or set_workspace_status.status not in ('active', 'suspended') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a workspace is active or suspended');
  end if;
  update analytics.workspaces w set status = set_workspace_status.status where w.id = set_workspace_status.workspace_id and w.status <> 'deleted';
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such workspace');
  end if;
  perform analytics_private.write_audit('workspace.status', 'workspace', set_workspace_status.workspace_id,
    jsonb_build_object('status', set_workspace_status.status), set_workspace_status.workspace_id);
end
$$;
comment on function analytics_private.set_workspace_status(uuid, text) is 'suspends or readmits a workspace at once (operators); errors: VALIDATION_ERROR, NOT_FOUND';

create or replace function analytics_private.link_firebase_user(firebase_uid text, email text default null) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  linked uuid;
begin
  if firebase_uid is null or firebase_uid !~ '^[!-~]{1,255}$' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a Firebase uid has 1 to 255 printable characters');
  end if;
  -- One linking at a time: two calls for one uid give one user.
  perform analytics_private.take_lock('linking');
  select p.user_id into linked from analytics_private.user_private p where p.firebase_uid = link_firebase_user.firebase_uid;
  if linked is null then
    linked := analytics.uuidv7();
    perform analytics_private.mirror_user(jsonb_build_object('id', linked, 'email', email,
      'raw_app_meta_data', jsonb_build_object('provider', 'firebase')));
    insert into analytics_private.user_private (user_id, firebase_uid) values (linked, link_firebase_user.firebase_uid);
    perform analytics_private.write_audit('user.linked', 'user', linked, jsonb_build_object('provider', 'firebase'));
  end if;
  return linked;
end
$$;
comment on function analytics_private.link_firebase_user(text, text) is 'the user behind a Firebase uid, made with profile and personal workspace at the first call (operators)';

create or replace function analytics_private.map_db_login(login text, user_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if map_db_login.user_id is null then
    delete from analytics_private.db_logins l where l.login = map_db_login.login;
    perform analytics_private.write_audit('login.unmapped', 'user', null, jsonb_build_object('login', map_db_login.login));
    return;
  end if;
  if not exists (select from pg_catalog.pg_roles r where r.rolname = map_db_login.login) then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such database role');
  end if;
  if not exists (select from analytics.users u where u.id = map_db_login.user_id and u.status <> 'deleted') then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such user');
  end if;
  insert into analytics_private.db_logins (login, user_id) values (map_db_login.login, map_db_login.user_id)
  on conflict on constraint db_logins_pkey do update set user_id = excluded.user_id;
  perform analytics_private.write_audit('login.mapped', 'user', map_db_login.user_id, jsonb_build_object('login', map_db_login.login));
end
$$;
comment on function analytics_private.map_db_login(text, uuid) is 'lets a SQL analyst''s login act as a user, or no longer when user_id is null (operators); the login must also be granted the role authenticated. Goes by name: unmap a login before its role is dropped';
