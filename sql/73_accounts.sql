-- Connected social media accounts of a workspace. Their secrets are elsewhere, their numbers and followers hang on them.

-- ---------------------------------------------------------------------------------------------------------------------
-- social_accounts

create table if not exists analytics.social_accounts (
  workspace_id uuid not null,
  id uuid not null,
  platform varchar(32) not null,
  platform_user_id varchar(255),
  handle varchar(255) not null,
  display_name varchar(255),
  account_label varchar(255),
  account_type varchar(50) not null default 'personal',
  is_primary boolean not null default false,
  profile_picture_url text,
  metadata jsonb not null default '{}',
  status varchar(32) not null default 'needs_review',
  status_reason varchar(500),
  status_remedy varchar(500),
  created_by uuid not null,
  connected_at timestamptz not null default now(),
  disconnected_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint social_accounts_pkey primary key (workspace_id, id),
  constraint social_accounts_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint social_accounts_creator_fkey foreign key (created_by) references analytics.users (id),
  constraint social_accounts_platform_known check (platform in ('instagram', 'facebook', 'tiktok', 'linkedin', 'x', 'youtube')),
  constraint social_accounts_handle_given check (handle <> ''),
  constraint social_accounts_type_known check (account_type in ('personal', 'creator', 'business', 'brand', 'organization', 'page')),
  constraint social_accounts_picture_length check (length(profile_picture_url) <= 2000),
  constraint social_accounts_metadata_object check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 65536),
  constraint social_accounts_status_known check (status in ('needs_review', 'active', 'expiring', 'reconnect_required', 'disconnected')),
  constraint social_accounts_disconnection check ((status = 'disconnected') = (disconnected_at is not null))
);
alter table analytics.social_accounts alter column id set default analytics.uuidv7();
create unique index if not exists social_accounts_once on analytics.social_accounts (workspace_id, platform, handle) where status <> 'disconnected';
create unique index if not exists social_accounts_platform_user_id on analytics.social_accounts (workspace_id, platform, platform_user_id) where status <> 'disconnected';
create unique index if not exists social_accounts_one_primary on analytics.social_accounts (workspace_id, created_by, platform) where is_primary and status <> 'disconnected';
create index if not exists social_accounts_creator on analytics.social_accounts (created_by);
-- For the sidecar, which is told an id and no workspace.
create index if not exists social_accounts_id on analytics.social_accounts (id);
alter table analytics.social_accounts enable row level security;
comment on table analytics.social_accounts is 'accounts on social media that belong to a workspace; no secrets. A disconnected account keeps its history and takes no place of the plan';
comment on column analytics.social_accounts.handle is 'lower case, without @';
comment on column analytics.social_accounts.platform_user_id is 'the platform''s id of the account; null while nobody said it';
comment on column analytics.social_accounts.display_name is 'its name on the platform';
comment on column analytics.social_accounts.account_label is 'what the members call it';
comment on column analytics.social_accounts.created_by is 'the member who connected it first';
comment on column analytics.social_accounts.is_primary is 'of what a member connected of a platform in this workspace, exactly one';
comment on column analytics.social_accounts.metadata is 'what the platform says of it, as it says it';
comment on column analytics.social_accounts.status is 'needs_review: added by hand, no access to it yet; active; expiring, reconnect_required: its access ends or has ended; disconnected: removed';
comment on column analytics.social_accounts.status_reason is 'why it is so, for people; null when there is nothing to say';
comment on column analytics.social_accounts.status_remedy is 'what a member can do about it';

create or replace trigger social_accounts_touch before update on analytics.social_accounts
  for each row execute function analytics_private.touch_updated_at();

drop policy if exists "members read the accounts of their workspaces" on analytics.social_accounts;
create policy "members read the accounts of their workspaces" on analytics.social_accounts for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

select analytics_private.audit_changes('analytics.social_accounts', 'social_account');

-- ---------------------------------------------------------------------------------------------------------------------
-- Which account is meant

create or replace function analytics_private.accounts_used(workspace_id uuid) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select count(*) from analytics.social_accounts a where a.workspace_id = accounts_used.workspace_id and a.status <> 'disconnected');
end
$$;
comment on function analytics_private.accounts_used(uuid) is 'connected accounts of a workspace, as its plan counts them';

create or replace function analytics_private.known_platform(platform text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  named constant text := case lower(btrim(known_platform.platform)) when 'twitter' then 'x' else lower(btrim(known_platform.platform)) end;
begin
  if named is null or named not in ('instagram', 'facebook', 'tiktok', 'linkedin', 'x', 'youtube') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such platform here', 'platforms are instagram, facebook, tiktok, linkedin, x and youtube', '{"field": "platform"}');
  end if;
  return named;
end
$$;
comment on function analytics_private.known_platform(text) is 'a platform as it is stored: twitter is x; errors: VALIDATION_ERROR';

-- The account, if the caller may see it and has the role.
create or replace function analytics_private.platform_in_words(platform text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return case platform_in_words.platform when 'tiktok' then 'TikTok' when 'linkedin' then 'LinkedIn' when 'youtube' then 'YouTube' else initcap(platform_in_words.platform) end;
end
$$;
comment on function analytics_private.platform_in_words(text) is 'a platform, or who gives access to it, as people write the name';

create or replace function analytics_private.own_account(account_id uuid, minimum text) returns analytics.social_accounts
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
begin
  select a.* into account from analytics.social_accounts a
  where a.workspace_id = any (analytics_private.workspace_ids('analyst')) and a.id = own_account.account_id;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such account in your workspaces', 'analytics.social_accounts lists them');
  end if;
  perform analytics.require_role(account.workspace_id, own_account.minimum);
  return account;
end
$$;

-- Writes an account, new or known; the caller holds the workspace's lock and has checked everything. Nulls keep what is known. One
-- that comes back or is the first of its member's is primary; whichever is meant to be takes the place of the other.
create or replace function analytics_private.settle_account(
  known analytics.social_accounts, place uuid, member uuid, platform text, handle text, platform_user_id text, display_name text, account_label text,
  account_type text, profile_picture_url text, metadata jsonb, is_primary boolean, status text, new_id uuid
) returns analytics.social_accounts language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  whose constant uuid := coalesce(known.created_by, settle_account.member);
  be_primary boolean;
  account analytics.social_accounts;
begin
  if settle_account.is_primary then
    update analytics.social_accounts a set is_primary = false
    where a.workspace_id = place and a.created_by = whose and a.platform = settle_account.platform and a.is_primary and a.id is distinct from known.id;
  end if;
  be_primary := coalesce(settle_account.is_primary, false) or not exists (
    select from analytics.social_accounts o
    where o.workspace_id = place and o.created_by = whose and o.platform = settle_account.platform and o.is_primary and o.id is distinct from known.id);
  if known.id is not null then
    update analytics.social_accounts a set
      handle = settle_account.handle, platform_user_id = coalesce(settle_account.platform_user_id, a.platform_user_id),
      display_name = coalesce(settle_account.display_name, a.display_name), account_label = coalesce(settle_account.account_label, a.account_label),
      account_type = coalesce(settle_account.account_type, a.account_type), profile_picture_url = coalesce(settle_account.profile_picture_url, a.profile_picture_url),
      metadata = coalesce(settle_account.metadata, a.metadata), status = settle_account.status, status_reason = null, status_remedy = null,
      disconnected_at = null, connected_at = case when a.status = 'disconnected' then now() else a.connected_at end, is_primary = be_primary
    where a.workspace_id = place and a.id = known.id
    returning * into account;
  else
    insert into analytics.social_accounts (workspace_id, id, created_by, platform, handle, platform_user_id, display_name, account_label, account_type,
      profile_picture_url, metadata, is_primary, status)
    values (place, coalesce(settle_account.new_id, analytics.uuidv7()), settle_account.member, settle_account.platform, settle_account.handle,
      settle_account.platform_user_id, settle_account.display_name, settle_account.account_label, coalesce(settle_account.account_type, 'personal'),
      settle_account.profile_picture_url, coalesce(settle_account.metadata, '{}'), be_primary, settle_account.status)
    returning * into account;
  end if;
  return account;
end
$$;

-- The oldest other one of the same member and platform takes the place of a primary one that goes.
create or replace function analytics_private.pass_primary_on(account analytics.social_accounts) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update analytics.social_accounts a set is_primary = true
  where a.workspace_id = account.workspace_id and a.id = (
    select o.id from analytics.social_accounts o
    where o.workspace_id = account.workspace_id and o.created_by = account.created_by and o.platform = account.platform and o.id <> account.id
      and o.status <> 'disconnected' order by o.created_at, o.id limit 1);
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What clients call

-- Definer, these two: nobody writes accounts but they; each checks the caller itself.
create or replace function analytics_private.add_account(
  workspace_id uuid, platform text, handle text, platform_user_id text, display_name text, account_label text, account_type text,
  profile_picture_url text, metadata jsonb, is_primary boolean
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  caller constant uuid := analytics_private.require_user();
  place constant uuid := analytics_private.paying_workspace(caller, add_account.workspace_id);
  on_platform constant text := analytics_private.known_platform(add_account.platform);
  asked record;
  field text;
  known analytics.social_accounts;
  account analytics.social_accounts;
begin
  select * into asked from analytics_private.read_people(on_platform, 1, null, array[add_account.handle],
    case when add_account.platform_user_id is not null then array[add_account.platform_user_id] end, null);
  if asked.problem is not null or asked.handles is null then
    perform analytics_private.raise_error('VALIDATION_ERROR', coalesce(replace(asked.problem, 'entry 1: ', ''), 'an account has a handle'), asked.hint,
      jsonb_build_object('field', case when asked.problem like '%id "%' then 'platform_user_id' else 'handle' end));
  end if;
  field := case
    when length(add_account.display_name) > 255 then 'display_name'
    when length(add_account.account_label) > 255 then 'account_label'
    when add_account.account_type not in ('personal', 'creator', 'business', 'brand', 'organization', 'page') then 'account_type'
    when length(add_account.profile_picture_url) > 2000 then 'profile_picture_url'
    when jsonb_typeof(add_account.metadata) <> 'object' or octet_length(add_account.metadata::text) > 65536 then 'metadata'
  end;
  if field is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('%s is not valid', field), case field
      when 'account_type' then 'it is personal, creator, business, brand, organization or page'
      when 'metadata' then 'give a JSON object of at most 64 kB'
      when 'profile_picture_url' then 'give at most 2000 characters'
      else 'give at most 255 characters' end, jsonb_build_object('field', field));
  end if;
  perform analytics_private.enter_workspace('add_account', place);

  -- By id first: an account keeps it when it is renamed. A connected one before one that was removed.
  select a.* into known from analytics.social_accounts a
  where a.workspace_id = place and a.platform = on_platform
    and (a.handle = asked.handles[1] or a.platform_user_id = asked.platform_user_ids[1])
    and (a.platform_user_id <> asked.platform_user_ids[1] and a.status = 'disconnected') is not true
  order by a.status = 'disconnected', a.platform_user_id = asked.platform_user_ids[1] desc nulls last, a.disconnected_at desc limit 1 for no key update;
  if known.status <> 'disconnected' then
    perform analytics_private.raise_error('CONFLICT', format('this account is connected already%s', case when known.handle <> asked.handles[1] then ' as ' || known.handle else '' end));
  end if;
  account := analytics_private.settle_account(known, place, caller, on_platform, asked.handles[1], asked.platform_user_ids[1], add_account.display_name,
    add_account.account_label, add_account.account_type, add_account.profile_picture_url, add_account.metadata, add_account.is_primary, 'needs_review', null);
  return to_jsonb(account) || jsonb_build_object('reconnected', known.id is not null);
end
$$;

create or replace function analytics.add_account(
  workspace_id uuid default null, platform text default null, handle text default null, platform_user_id text default null, display_name text default null,
  account_label text default null, account_type text default null, profile_picture_url text default null, metadata jsonb default null, is_primary boolean default null
) returns jsonb language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.add_account(add_account.workspace_id, add_account.platform, add_account.handle, add_account.platform_user_id, add_account.display_name,
    add_account.account_label, add_account.account_type, add_account.profile_picture_url, add_account.metadata, add_account.is_primary);
end
$$;
comment on function analytics.add_account(uuid, text, text, text, text, text, text, text, jsonb, boolean) is
$$adds an account on a social platform to a workspace, to import its followers; gives no access to the account itself
workspace_id: default the caller's own. platform: instagram, facebook, tiktok, linkedin, x (also said twitter) or youtube. handle: as on the platform, with or without @. platform_user_id: the platform's id, if known. account_type: personal (default), creator, business, brand, organization or page. metadata: object of at most 64 kB. is_primary: default for the first that the caller adds of its platform. An account that was removed comes back with its history.
Returns the account's row, and reconnected. Takes a place of the plan's connected accounts. Needs the role admin.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's), PAYMENT_REQUIRED (no place left; details resource, limit, used), CONFLICT (connected already).
Example: select analytics.add_account('0195c3a0-0000-7000-8000-0000000000a0', 'instagram', '@natgeo') ->> 'handle' = 'natgeo'$$;

create or replace function analytics_private.remove_account(account_id uuid, delete_history boolean) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
begin
  perform analytics_private.require_user();
  account := analytics_private.own_account(remove_account.account_id, 'analyst');
  perform analytics_private.enter_workspace('remove_account', account.workspace_id);
  -- Waits for an import that is being finished.
  select a.* into account from analytics.social_accounts a where a.workspace_id = account.workspace_id and a.id = account.id for update;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such account in your workspaces', 'analytics.social_accounts lists them');
  end if;
  if coalesce(remove_account.delete_history, false) then
    delete from analytics.social_accounts a where a.workspace_id = account.workspace_id and a.id = account.id;
    account.disconnected_at := coalesce(account.disconnected_at, now());
  elsif account.status <> 'disconnected' then
    -- Tokens go, and are revoked at the provider: sql/83_connections.sql.
    delete from analytics_private.oauth_tokens t where t.workspace_id = account.workspace_id and t.social_account_id = account.id;
    update analytics.social_accounts a set status = 'disconnected', disconnected_at = now(), is_primary = false, status_reason = null, status_remedy = null
    where a.workspace_id = account.workspace_id and a.id = account.id returning a.disconnected_at into account.disconnected_at;
    perform analytics_private.abandon_imports(account.workspace_id, account.id);
    perform analytics_private.revoke_shared_pages(account.workspace_id, account.id);
  end if;
  if account.is_primary then
    perform analytics_private.pass_primary_on(account);
  end if;
  return jsonb_build_object('id', account.id, 'workspace_id', account.workspace_id, 'status', 'disconnected', 'disconnected_at', account.disconnected_at,
    'history_deleted', coalesce(remove_account.delete_history, false));
end
$$;

create or replace function analytics.remove_account(account_id uuid, delete_history boolean default false) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.remove_account(remove_account.account_id, remove_account.delete_history);
end
$$;
comment on function analytics.remove_account(uuid, boolean) is
$$disconnects an account; its place in the plan is free, its tokens are wiped and revoked, imports under way are abandoned, links to its pages end
delete_history: false keeps what was imported, to be read and to go on with when the account is added again; true deletes the account with all of it, and there is no way back (people go with the workspace's last account on the platform, within minutes). The oldest other account that its member connected of the platform becomes primary if this was it.
Returns {id, workspace_id, status, disconnected_at, history_deleted}. Removing it again changes nothing. Needs the role admin.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select analytics.remove_account('0195c3a0-0000-7000-8000-0000000000c0') ->> 'status' = 'disconnected'$$;
