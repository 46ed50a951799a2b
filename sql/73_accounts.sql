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
  created_by uuid not null,
  connected_at timestamptz not null default now(),
  disconnected_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint social_accounts_pkey primary key (workspace_id, id),
  constraint social_accounts_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint social_accounts_creator_fkey foreign key (created_by) references analytics.users (id),
  constraint social_accounts_platform_known check (platform in ('instagram', 'facebook', 'threads', 'tiktok', 'youtube', 'linkedin', 'x', 'pinterest')),
  constraint social_accounts_handle_given check (handle <> ''),
  constraint social_accounts_type_known check (account_type in ('personal', 'creator', 'business', 'brand', 'organization', 'page')),
  constraint social_accounts_picture_length check (length(profile_picture_url) <= 2000),
  constraint social_accounts_metadata_object check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 65536),
  constraint social_accounts_status_known check (status in ('needs_review', 'active', 'expiring', 'reconnect_required', 'disconnected')),
  constraint social_accounts_disconnection check ((status = 'disconnected') = (disconnected_at is not null))
);
alter table analytics.social_accounts alter column id set default analytics.uuidv7();
create unique index if not exists social_accounts_once on analytics.social_accounts (workspace_id, platform, handle) where status <> 'disconnected';
create unique index if not exists social_accounts_one_primary on analytics.social_accounts (workspace_id, platform) where is_primary and status <> 'disconnected';
create index if not exists social_accounts_creator on analytics.social_accounts (created_by);
-- For the sidecar, which is told an id and no workspace.
create index if not exists social_accounts_id on analytics.social_accounts (id);
alter table analytics.social_accounts enable row level security;
comment on table analytics.social_accounts is 'accounts on social media that belong to a workspace; no secrets. A disconnected account keeps its history and takes no place of the plan';
comment on column analytics.social_accounts.handle is 'lower case, without @';
comment on column analytics.social_accounts.platform_user_id is 'the platform''s id of the account; null while nobody said it';
comment on column analytics.social_accounts.display_name is 'its name on the platform';
comment on column analytics.social_accounts.account_label is 'what the members call it';
comment on column analytics.social_accounts.is_primary is 'at most one of a platform in a workspace';
comment on column analytics.social_accounts.metadata is 'what the platform says of it, as it says it';
comment on column analytics.social_accounts.status is 'needs_review: added by hand, no access to it yet; active; expiring, reconnect_required: its access ends or has ended; disconnected: removed';

create or replace trigger social_accounts_touch before update on analytics.social_accounts
  for each row execute function analytics_private.touch_updated_at();

drop policy if exists "members read the accounts of their workspaces" on analytics.social_accounts;
create policy "members read the accounts of their workspaces" on analytics.social_accounts for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

select analytics_private.audit_changes('analytics.social_accounts', 'social_account');
