-- Connecting accounts: consent at the provider, tokens that nobody here can read, their refresh, and the end of it.
--
-- The sidecar talks to the providers and holds the keys; here it is decided who may connect what, whose a consent is, what
-- is due, and what an error means for a connection. Tokens come and go as ciphertexts (Fernet) that are bound to workspace,
-- account and column.
--
-- A connection: connect_account() gives the address of the sidecar's start page with a ticket → the page spends the ticket
-- for a state and sends the browser on → the callback spends the state → what the consent opens is placed, sealed and
-- stored → choose_accounts().

insert into analytics_private.settings (name, kind, value, minimum, maximum, description, form) values
  ('oauth_public_url', 'text', '', '0', '500', 'where browsers reach the sidecar''s pages of consent: https://host[/path] without a slash at its end, http for loopback only; empty: nothing can be connected',
    '^(https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*)?$')
on conflict (name) do nothing;
insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('consent_time', 'interval', '10 minutes', '10 seconds', '10 minutes', 'how long a member may take on the provider''s page of consent'),
  ('choice_time', 'interval', '1 hour', '1 minute', '1 day', 'how long what a consent opened waits for a member''s choice; then its tokens are wiped'),
  ('open_connections_per_workspace', 'integer', '20', '1', '1000', 'a workspace with this many connections under way is told RATE_LIMITED'),
  ('connection_retention', 'interval', '90 days', '1 day', '3650 days', 'how long ended connections and settled notices are remembered'),
  ('expiry_warning', 'interval', '7 days', '1 hour', '60 days', 'how long before its end an access that cannot be renewed is called expiring'),
  ('revocation_patience', 'interval', '7 days', '1 minute', '90 days', 'how long giving a consent back to a provider that does not answer is tried')
on conflict (name) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- Where browsers may be sent back to

create table if not exists analytics_private.allowed_redirects (
  uri text not null,
  created_at timestamptz not null default now(),
  constraint allowed_redirects_pkey primary key (uri),
  constraint allowed_redirects_length check (length(uri) <= 2000)
);
alter table analytics_private.allowed_redirects enable row level security;
comment on table analytics_private.allowed_redirects is 'addresses of the app that a browser may be sent back to after a consent; compared whole';

-- Definers, these three: operators have no right on the table itself, so that nothing enters unchecked.
create or replace function analytics_private.allow_redirect(uri text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  if (length(allow_redirect.uri) <= 2000 and allow_redirect.uri ~ '^(https://[a-z0-9.-]+|http://(localhost|127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?(/[!$-;=@-\[\]_a-z~%]*)?(\?[!$-;=?-\[\]_a-z~%]*)?$') is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'this is no address to send browsers back to',
      'give https://host/path in ASCII, host in lower case, without a fragment; http for loopback only', '{"field": "uri"}');
  end if;
  insert into analytics_private.allowed_redirects (uri) values (allow_redirect.uri) on conflict do nothing;
  if found then
    perform analytics_private.write_audit('redirect.allowed', 'redirect', null, jsonb_build_object('uri', allow_redirect.uri));
  end if;
  return allow_redirect.uri;
end
$$;
comment on function analytics_private.allow_redirect(text) is 'lets connect_account() send browsers back to exactly this address (operators); errors: VALIDATION_ERROR';

create or replace function analytics_private.forbid_redirect(uri text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from analytics_private.allowed_redirects r where r.uri = forbid_redirect.uri;
  if found then
    perform analytics_private.write_audit('redirect.forbidden', 'redirect', null, jsonb_build_object('uri', forbid_redirect.uri));
    return true;
  end if;
  return false;
end
$$;
comment on function analytics_private.forbid_redirect(text) is 'takes an address off that list; false if it was not on it (operators). Connections under way keep theirs';

create or replace function analytics_private.list_redirects() returns table (uri text, created_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select r.uri, r.created_at from analytics_private.allowed_redirects r order by r.uri
$$;
comment on function analytics_private.list_redirects() is 'the addresses that browsers may be sent back to (operators)';

-- ---------------------------------------------------------------------------------------------------------------------
-- Tables

create table if not exists analytics.connections (
  workspace_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  platform varchar(32) not null,
  provider varchar(32) not null,
  purpose varchar(32) not null,
  redirect_to text not null,
  status varchar(32) not null default 'pending',
  error_code varchar(64),
  error_message varchar(500),
  scopes_wanted text[],
  scopes_granted text[],
  found jsonb not null default '[]',
  chosen uuid[] not null default '{}',
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  finished_at timestamptz,
  constraint connections_pkey primary key (workspace_id, id),
  constraint connections_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint connections_user_fkey foreign key (user_id) references analytics.users (id),
  constraint connections_provider_known check (provider in ('google', 'facebook', 'instagram', 'tiktok', 'linkedin', 'x')),
  constraint connections_purpose_known check (purpose in ('insights', 'publishing')),
  constraint connections_status_known check (status in ('pending', 'choosing', 'done', 'failed', 'expired')),
  constraint connections_error check ((status = 'failed') = (error_code is not null)),
  constraint connections_end check ((status in ('done', 'failed', 'expired')) = (finished_at is not null))
);
alter table analytics.connections alter column id set default analytics.uuidv7();
create index if not exists connections_user on analytics.connections (user_id);
-- For the sidecar, which is told an id and no workspace.
create index if not exists connections_id on analytics.connections (id);
create index if not exists connections_open on analytics.connections (expires_at) where status in ('pending', 'choosing');
create index if not exists connections_finished on analytics.connections (finished_at) where finished_at is not null;
alter table analytics.connections enable row level security;
comment on table analytics.connections is 'members'' attempts to connect an account; no secrets';
comment on column analytics.connections.platform is 'what was to be connected; a consent may open accounts of other platforms too';
comment on column analytics.connections.status is 'pending: at the provider; choosing: waits for choose_accounts(); done; failed; expired';
comment on column analytics.connections.scopes_granted is 'null when the provider did not say';
comment on column analytics.connections.found is 'what the consent opened: platform, platform_user_id, handle, display_name, account_type, picture, parent, choosable, and the reason where it is not';
comment on column analytics.connections.chosen is 'the accounts that were connected';

drop policy if exists "admins read how connecting went in their workspaces" on analytics.connections;
create policy "admins read how connecting went in their workspaces" on analytics.connections for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('admin'))::uuid[]));

-- Apart, so that reading a connection never shows what opens it: of ticket, state and browser only SHA-256.
create table if not exists analytics_private.oauth_states (
  workspace_id uuid not null,
  connection_id uuid not null,
  ticket_digest bytea not null,
  state_digest bytea,
  browser_digest bytea,
  verifier text,
  expires_at timestamptz not null,
  begun_at timestamptz,
  used_at timestamptz,
  constraint oauth_states_pkey primary key (workspace_id, connection_id),
  constraint oauth_states_ticket_key unique (ticket_digest),
  constraint oauth_states_state_key unique (state_digest),
  constraint oauth_states_connection_fkey foreign key (workspace_id, connection_id) references analytics.connections (workspace_id, id) on delete cascade,
  constraint oauth_states_digests check (octet_length(ticket_digest) = 32 and octet_length(state_digest) = 32 and octet_length(browser_digest) = 32),
  constraint oauth_states_order check ((begun_at is null) = (state_digest is null) and (begun_at is null) = (browser_digest is null) and (used_at is null or begun_at is not null))
);
alter table analytics_private.oauth_states enable row level security;
comment on table analytics_private.oauth_states is 'the single-use halves of a connection: a ticket for the start page, a state for the callback, bound to user and workspace (through the connection), platform and browser';
comment on column analytics_private.oauth_states.verifier is 'ciphertext of the PKCE verifier; null where the provider has no PKCE, and once used';

-- What a consent opened, until the member has chosen. account_id is where the tokens are going to be, and what they are bound to.
create table if not exists analytics_private.connection_finds (
  workspace_id uuid not null,
  connection_id uuid not null,
  platform varchar(32) not null,
  platform_user_id varchar(255) not null,
  account_id uuid not null,
  handle varchar(255),
  display_name varchar(255),
  account_type varchar(50),
  picture text,
  metadata jsonb not null default '{}',
  consent_key varchar(255) not null,
  access_token text not null,
  refresh_token text,
  token_type varchar(32) not null,
  issued_at timestamptz not null,
  expires_at timestamptz,
  refresh_expires_at timestamptz,
  refresh_at timestamptz,
  constraint connection_finds_pkey primary key (workspace_id, connection_id, platform, platform_user_id),
  constraint connection_finds_connection_fkey foreign key (workspace_id, connection_id) references analytics.connections (workspace_id, id) on delete cascade
);
alter table analytics_private.connection_finds enable row level security;
comment on table analytics_private.connection_finds is 'accounts that a consent opened and that wait for a choice, with ciphertexts of their tokens';

create table if not exists analytics_private.oauth_tokens (
  workspace_id uuid not null,
  social_account_id uuid not null,
  id uuid not null,
  provider varchar(32) not null,
  purpose varchar(32) not null,
  consent_key varchar(255) not null,
  access_token text not null,
  refresh_token text,
  token_type varchar(32) not null,
  scopes text[] not null default '{}',
  issued_at timestamptz not null,
  expires_at timestamptz,
  refresh_expires_at timestamptz,
  first_consent_at timestamptz not null,
  oauth1_access_token text,
  oauth1_access_token_secret text,
  oauth1_user_id varchar(255),
  oauth1_screen_name varchar(255),
  oauth1_created_at timestamptz,
  version bigint not null default 1,
  refresh_at timestamptz,
  claim uuid,
  claimed_by text,
  claimed_until timestamptz,
  calling_since timestamptz,
  lost_call_at timestamptz,
  failures integer not null default 0,
  last_error varchar(500),
  refreshed_at timestamptz,
  created_at timestamptz not null default now(),
  constraint oauth_tokens_pkey primary key (workspace_id, social_account_id),
  constraint oauth_tokens_account_fkey foreign key (workspace_id, social_account_id) references analytics.social_accounts (workspace_id, id) on delete cascade,
  constraint oauth_tokens_oauth1 check ((oauth1_access_token is null) = (oauth1_access_token_secret is null)),
  constraint oauth_tokens_claim check ((claim is null) = (claimed_until is null))
);
alter table analytics_private.oauth_tokens alter column id set default analytics.uuidv7();
-- For the sidecar, which is told an account and no workspace.
create index if not exists oauth_tokens_account on analytics_private.oauth_tokens (social_account_id);
create index if not exists oauth_tokens_due on analytics_private.oauth_tokens (provider, refresh_at) where refresh_at is not null;
create index if not exists oauth_tokens_ending on analytics_private.oauth_tokens (expires_at) where refresh_at is null and expires_at is not null;
create index if not exists oauth_tokens_consent on analytics_private.oauth_tokens (provider, consent_key);
alter table analytics_private.oauth_tokens enable row level security;
-- Rewritten at each refresh, X's every 96 minutes.
alter table analytics_private.oauth_tokens set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
comment on table analytics_private.oauth_tokens is 'tokens of connected accounts, as ciphertexts that only the sidecar opens and that open in their row and column only; nobody has a right on it';
comment on column analytics_private.oauth_tokens.consent_key is 'whose consent it is, as the provider names him; accounts with the same one end together when it is revoked';
comment on column analytics_private.oauth_tokens.refresh_token is 'of a Facebook page: the token of the person who let us in';
comment on column analytics_private.oauth_tokens.version is 'counts grants; whoever stores the next one must know the last';
comment on column analytics_private.oauth_tokens.refresh_at is 'when a refresh is due, after a failure when it is tried again; null: never, because there is no end or nothing to refresh with';
comment on column analytics_private.oauth_tokens.calling_since is 'a refresh call is under way; still there when the next worker comes: its answer was lost';
comment on column analytics_private.oauth_tokens.lost_call_at is 'since the last success a call was made whose answer nobody stored';

create table if not exists analytics_private.oauth_revocations (
  workspace_id uuid not null,
  id uuid not null,
  social_account_id uuid not null,
  provider varchar(32) not null,
  consent_key varchar(255) not null,
  access_token text not null,
  refresh_token text,
  token_type varchar(32) not null,
  issued_at timestamptz not null,
  run_at timestamptz not null default now(),
  attempts integer not null default 0,
  claim uuid,
  claimed_until timestamptz,
  created_at timestamptz not null default now(),
  constraint oauth_revocations_pkey primary key (workspace_id, id),
  constraint oauth_revocations_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint oauth_revocations_claim check ((claim is null) = (claimed_until is null))
);
alter table analytics_private.oauth_revocations alter column id set default analytics.uuidv7();
create index if not exists oauth_revocations_id on analytics_private.oauth_revocations (id);
create index if not exists oauth_revocations_due on analytics_private.oauth_revocations (provider, run_at);
create index if not exists oauth_revocations_consent on analytics_private.oauth_revocations (provider, consent_key);
alter table analytics_private.oauth_revocations enable row level security;
comment on table analytics_private.oauth_revocations is 'consents to be given back at their providers; the account may be gone, its id is what the ciphertexts are bound to';

create table if not exists analytics.notices (
  workspace_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  social_account_id uuid not null,
  kind varchar(64) not null,
  message varchar(500) not null,
  remedy varchar(500),
  created_at timestamptz not null default now(),
  seen_at timestamptz,
  settled_at timestamptz,
  constraint notices_pkey primary key (workspace_id, id),
  constraint notices_user_fkey foreign key (user_id) references analytics.users (id),
  constraint notices_account_fkey foreign key (workspace_id, social_account_id) references analytics.social_accounts (workspace_id, id) on delete cascade
);
alter table analytics.notices alter column id set default analytics.uuidv7();
-- Told once: the next one of a kind comes only after the trouble is over.
create unique index if not exists notices_once on analytics.notices (workspace_id, social_account_id, kind) where settled_at is null;
create index if not exists notices_account on analytics.notices (workspace_id, social_account_id);
create index if not exists notices_user on analytics.notices (user_id, created_at);
create index if not exists notices_settled on analytics.notices (settled_at) where settled_at is not null;
alter table analytics.notices enable row level security;
comment on table analytics.notices is 'what a member is to know and do about an account that was connected; told once';
comment on column analytics.notices.settled_at is 'when the trouble was over, or the account gone';

drop policy if exists "members read what they were told" on analytics.notices;
create policy "members read what they were told" on analytics.notices for select to authenticated
  using (user_id = (select analytics_private.user_id()));

-- ---------------------------------------------------------------------------------------------------------------------
-- Small helpers

create or replace function analytics_private.provider_of(platform text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return case provider_of.platform when 'youtube' then 'google' else provider_of.platform end;
end
$$;
comment on function analytics_private.provider_of(text) is 'who is asked for an account of a platform; Instagram accounts come through Facebook pages as well';

-- What a provider asks us to wait; null stays null, which least() would make a day.
create or replace function analytics_private.at_most_a_day(seconds double precision) returns double precision
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return case when at_most_a_day.seconds > 86400 then 86400 else at_most_a_day.seconds end;
end
$$;

-- Refused before a constraint would: what a constraint refuses is quoted in the server's log.
create or replace function analytics_private.check_ciphertexts(variadic tokens text[]) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from unnest(tokens) t where t is not null and (t !~ '^gAAAAA[A-Za-z0-9_-]{90,}={0,2}$' or length(t) > 65536)) then
    perform analytics_private.raise_error('ENCRYPTION_ERROR', 'a token is stored sealed or not at all', 'seal it as Fernet, bound to workspace, account and column');
  end if;
end
$$;

-- Whether the member who began may still connect.
create or replace function analytics_private.may_connect(connection analytics.connections) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (
    select from analytics.workspace_members m join analytics.workspaces w on w.id = m.workspace_id join analytics.users u on u.id = m.user_id
    where m.workspace_id = connection.workspace_id and m.user_id = connection.user_id and w.status = 'active' and u.status = 'active'
      and (u.banned_until is null or u.banned_until <= statement_timestamp())
      and analytics_private.role_rank(m.role) >= analytics_private.role_rank('admin'));
end
$$;

create or replace function analytics_private.connection_json(connection analytics.connections) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return to_jsonb(connection) - 'scopes_wanted' - 'scopes_granted'
    -- An hour that passed unseen by upkeep has passed all the same.
    || case when connection.status in ('pending', 'choosing') and connection.expires_at <= clock_timestamp() then '{"status": "expired"}'::jsonb else '{}' end
    || jsonb_build_object('scopes', connection.scopes_granted, 'scopes_missing',
      (select jsonb_agg(w order by o) from unnest(connection.scopes_wanted) with ordinality t (w, o) where w <> all (connection.scopes_granted)));
end
$$;
comment on function analytics_private.connection_json(analytics.connections) is 'a connection as clients are told; scopes and scopes_missing are null when the provider did not say what it gave';

create or replace function analytics_private.tell_member(account analytics.social_accounts, kind text, message text, remedy text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  -- Whoever connected it; when he has left, the owner of the workspace.
  insert into analytics.notices (workspace_id, user_id, social_account_id, kind, message, remedy)
  select account.workspace_id, coalesce((select m.user_id from analytics.workspace_members m where m.workspace_id = account.workspace_id and m.user_id = account.created_by), w.owner_id),
    account.id, tell_member.kind, tell_member.message, tell_member.remedy
  from analytics.workspaces w where w.id = account.workspace_id
  on conflict (workspace_id, social_account_id, kind) where settled_at is null do nothing;
end
$$;

-- The status of an account with its reason; the caller holds the account's row. Active settles what was told.
create or replace function analytics_private.set_account_status(account analytics.social_accounts, status text, reason text default null, remedy text default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (account.status, account.status_reason, account.status_remedy) is distinct from (set_account_status.status, set_account_status.reason, set_account_status.remedy) then
    update analytics.social_accounts a set status = set_account_status.status, status_reason = set_account_status.reason, status_remedy = set_account_status.remedy
    where a.workspace_id = account.workspace_id and a.id = account.id;
  end if;
  if set_account_status.status = 'active' then
    update analytics.notices n set settled_at = now()
    where n.workspace_id = account.workspace_id and n.social_account_id = account.id and n.settled_at is null;
  end if;
end
$$;

-- However tokens go (disconnecting, removing, a workspace that closes), their consent is given back.
create or replace function analytics_private.queue_revocation() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update analytics.notices n set settled_at = now()
  where n.workspace_id = old.workspace_id and n.social_account_id = old.social_account_id and n.settled_at is null;
  -- Revoking ends every account that came by the same consent, so only the last one does it.
  if exists (select from analytics_private.oauth_tokens t where t.provider = old.provider and t.consent_key = old.consent_key)
    or exists (select from analytics_private.oauth_revocations r where r.workspace_id = old.workspace_id and r.provider = old.provider and r.consent_key = old.consent_key) then
    return null;
  end if;
  insert into analytics_private.oauth_revocations (workspace_id, social_account_id, provider, consent_key, access_token, refresh_token, token_type, issued_at)
  values (old.workspace_id, old.social_account_id, old.provider, old.consent_key, old.access_token, old.refresh_token, old.token_type, old.issued_at);
  return null;
end
$$;
create or replace trigger oauth_tokens_gone after delete on analytics_private.oauth_tokens
  for each row execute function analytics_private.queue_revocation();

-- ---------------------------------------------------------------------------------------------------------------------
-- What clients call. Definers: nobody writes these tables but they; each checks the caller itself.

create or replace function analytics_private.connect_account(platform text, redirect_to text, workspace_id uuid, purpose text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  caller constant uuid := analytics_private.require_user();
  place constant uuid := analytics_private.paying_workspace(caller, connect_account.workspace_id);
  on_platform constant text := analytics_private.known_platform(connect_account.platform);
  most constant integer := analytics_private.setting_integer('open_connections_per_workspace');
  base constant text := analytics_private.setting_text('oauth_public_url');
  -- 366 bits from the server's strong generator, brought to 32 bytes.
  ticket constant text := translate(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'), '+/=', '-_');
  made analytics.connections;
begin
  if connect_account.purpose is null or connect_account.purpose not in ('insights', 'publishing') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such purpose', 'purposes are insights and publishing', '{"field": "purpose"}');
  end if;
  -- Compared whole: whatever else a browser would take for the same address is another one here.
  if not exists (select from analytics_private.allowed_redirects r where r.uri = connect_account.redirect_to) then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'browsers are not sent back to this address', 'ask the operator of this service to allow it', '{"field": "redirect_to"}');
  end if;
  perform analytics_private.enter_workspace('connect_account', place);
  if base = '' then
    perform analytics_private.raise_error('SERVICE_UNAVAILABLE', 'no account can be connected here yet', 'the operator sets oauth_public_url and starts the sidecar with its OAuth apps');
  end if;
  if (select count(*) from (select from analytics.connections c where c.workspace_id = place and c.status in ('pending', 'choosing')
        and c.expires_at > clock_timestamp() limit most) open) >= most then
    perform analytics_private.raise_error('RATE_LIMITED', format('this workspace has %s connections under way', most), 'finish one, or wait until they expire',
      jsonb_build_object('limit', most), 60);
  end if;
  insert into analytics.connections (workspace_id, user_id, platform, provider, purpose, redirect_to, expires_at)
  values (place, caller, on_platform, analytics_private.provider_of(on_platform), connect_account.purpose, connect_account.redirect_to,
    clock_timestamp() + analytics_private.setting_interval('consent_time'))
  returning * into made;
  insert into analytics_private.oauth_states (workspace_id, connection_id, ticket_digest, expires_at)
  values (place, made.id, sha256(convert_to(ticket, 'UTF8')), made.expires_at);
  perform analytics_private.write_audit('connection.begun', 'connection', made.id, jsonb_build_object('platform', on_platform, 'purpose', made.purpose), place);
  return jsonb_build_object('connection_id', made.id, 'workspace_id', place, 'platform', on_platform, 'expires_at', made.expires_at,
    'authorization_url', format('%s/oauth/start/%s?ticket=%s', base, made.id, ticket));
end
$$;

create or replace function analytics.connect_account(platform text, redirect_to text, workspace_id uuid default null, purpose text default 'insights') returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.connect_account(connect_account.platform, connect_account.redirect_to, connect_account.workspace_id, connect_account.purpose);
end
$$;
comment on function analytics.connect_account(text, text, uuid, text) is
$$begins to connect an account: gives the address to send the member's browser to
platform: instagram, facebook (pages, and Instagram accounts that hang on them), tiktok, linkedin, x or youtube. redirect_to: where the browser comes back to with connection_id and status; exactly one of the addresses that the operator allowed. workspace_id: default the caller's own. purpose: insights (default) asks for rights to read numbers only, publishing for those to post too.
Returns {connection_id, workspace_id, platform, expires_at, authorization_url}. The address opens once, within ten minutes, and for whoever has it: give it to the member's own browser only. Takes no place of the plan before choose_accounts(). Needs the role admin.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's), RATE_LIMITED (too many under way), SERVICE_UNAVAILABLE (the operator has not set this up).
Example: select analytics.connect_account('instagram', 'https://app.example.com/connected') ->> 'authorization_url' like 'https://connect.example.com/oauth/start/%'$$;

-- The connection, if the caller is admin where it belongs.
create or replace function analytics_private.own_connection(connection_id uuid) returns analytics.connections
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  connection analytics.connections;
begin
  select c.* into connection from analytics.connections c
  where c.workspace_id = any (analytics_private.workspace_ids('analyst')) and c.id = own_connection.connection_id;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such connection in your workspaces', 'connect_account() begins one');
  end if;
  perform analytics.require_role(connection.workspace_id, 'admin');
  return connection;
end
$$;

create or replace function analytics_private.connection_status(connection_id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.require_user();
  return analytics_private.connection_json(analytics_private.own_connection(connection_status.connection_id));
end
$$;

create or replace function analytics.connection_status(connection_id uuid) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.connection_status(connection_status.connection_id);
end
$$;
comment on function analytics.connection_status(uuid) is
$$how connecting an account goes
Returns the connection's row: status is pending (the member is at the provider), choosing (found lists what the consent opened, for choose_accounts(); where choosable is false, reason says what is missing), done (chosen lists the accounts), failed (error_code, error_message) or expired; scopes are those given and scopes_missing those that were asked for and not given, both null when the provider does not say. Needs the role admin.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such connection in the caller's workspaces).
Example: select analytics.connection_status('0195c3a0-0000-7000-8000-0000000000d0') ->> 'status' = 'choosing'$$;

create or replace function analytics_private.choose_accounts(connection_id uuid, platform_user_ids text[]) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  caller constant uuid := analytics_private.require_user();
  connection analytics.connections := analytics_private.own_connection(choose_accounts.connection_id);
  wanted constant text[] := array(select distinct i from unnest(choose_accounts.platform_user_ids) i where i is not null);
  find analytics_private.connection_finds;
  known analytics.social_accounts;
  account analytics.social_accounts;
  new_handle text;
  places record;
  accounts jsonb := jsonb_build_array();
  connected uuid[] := array[]::uuid[];
begin
  perform analytics_private.enter_workspace('choose_accounts', connection.workspace_id);
  select c.* into connection from analytics.connections c where c.workspace_id = connection.workspace_id and c.id = connection.id for update;
  if connection.id is null then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such connection in your workspaces', 'connect_account() begins one');
  elsif connection.user_id <> caller then
    perform analytics_private.raise_error('FORBIDDEN', 'only the member who began this connection chooses', 'begin your own with connect_account()');
  elsif connection.status = 'pending' then
    perform analytics_private.raise_error('CONFLICT', 'the provider has not answered yet', 'connection_status() says when it has');
  elsif connection.status <> 'choosing' or connection.expires_at <= clock_timestamp() then
    perform analytics_private.raise_error('CONFLICT', format('this connection is %s', case connection.status when 'choosing' then 'expired' else connection.status end), 'begin another with connect_account()');
  elsif cardinality(wanted) = 0 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'choose at least one account', 'found in connection_status() lists them', '{"field": "platform_user_ids"}');
  elsif exists (select from unnest(wanted) w where not exists (select from analytics_private.connection_finds f
      where f.workspace_id = connection.workspace_id and f.connection_id = connection.id and f.platform_user_id = w)) then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the consent does not open all of these accounts', 'found in connection_status() lists those it opens as choosable', '{"field": "platform_user_ids"}');
  end if;

  select s.used, s.allowed, count(*) as added into places
  from analytics_private.resource_state(connection.workspace_id, 'connected_accounts') s,
    analytics_private.connection_finds f left join analytics.social_accounts a on a.workspace_id = f.workspace_id and a.id = f.account_id and a.status <> 'disconnected'
  where f.workspace_id = connection.workspace_id and f.connection_id = connection.id and f.platform_user_id = any (wanted) and a.id is null
  group by s.used, s.allowed;
  if places.added > 0 and places.used + places.added > places.allowed then
    perform analytics_private.raise_error('PAYMENT_REQUIRED', format('no place for %s more connected accounts: %s of %s used', places.added, places.used, places.allowed), 'choose fewer, or change the plan',
      jsonb_build_object('resource', 'connected_accounts', 'limit', places.allowed, 'used', places.used, 'needed', places.added));
  end if;

  for find in
    select f.* from analytics_private.connection_finds f
    where f.workspace_id = connection.workspace_id and f.connection_id = connection.id and f.platform_user_id = any (wanted) order by f.account_id
  loop
    select a.* into known from analytics.social_accounts a where a.workspace_id = find.workspace_id and a.id = find.account_id for no key update;
    if exists (select from analytics.social_accounts a where a.workspace_id = find.workspace_id and a.platform = find.platform
                 and a.platform_user_id = find.platform_user_id and a.status <> 'disconnected' and a.id <> find.account_id) then
      -- Its tokens open in the row that was meant for them only.
      perform analytics_private.raise_error('CONFLICT', 'this account was added by other means meanwhile', 'begin again with connect_account()');
    end if;
    new_handle := coalesce(analytics_private.read_handle(find.platform, find.handle), find.platform_user_id);
    -- A name that has gone from one account to another: the former has its id for a name until it is seen again.
    update analytics.social_accounts a set handle = coalesce(a.platform_user_id, a.id::text)
    where a.workspace_id = find.workspace_id and a.platform = find.platform and a.handle = new_handle and a.status <> 'disconnected' and a.id <> find.account_id;
    account := analytics_private.settle_account(known, find.workspace_id, caller, find.platform, new_handle, find.platform_user_id, find.display_name, null,
      find.account_type, find.picture, coalesce(known.metadata, '{}') || find.metadata, case when known.status <> 'disconnected' and known.is_primary then true end, 'active', find.account_id);
    perform analytics_private.set_account_status(account, 'active');
    insert into analytics_private.oauth_tokens (workspace_id, social_account_id, provider, purpose, consent_key, access_token, refresh_token, token_type, scopes,
      issued_at, expires_at, refresh_expires_at, first_consent_at, refresh_at)
    values (find.workspace_id, account.id, connection.provider, connection.purpose, find.consent_key, find.access_token, find.refresh_token, find.token_type,
      coalesce(connection.scopes_granted, '{}'), find.issued_at, find.expires_at, find.refresh_expires_at, find.issued_at, find.refresh_at)
    on conflict (workspace_id, social_account_id) do update set
      provider = excluded.provider, purpose = excluded.purpose, consent_key = excluded.consent_key, access_token = excluded.access_token,
      refresh_token = excluded.refresh_token, token_type = excluded.token_type, scopes = excluded.scopes, issued_at = excluded.issued_at,
      expires_at = excluded.expires_at, refresh_expires_at = excluded.refresh_expires_at, first_consent_at = excluded.first_consent_at,
      -- A refresh of the former grant that is under way must not overwrite this one.
      version = oauth_tokens.version + 1, refresh_at = excluded.refresh_at, claim = null, claimed_by = null, claimed_until = null, calling_since = null,
      lost_call_at = null, failures = 0, last_error = null;
    connected := connected || account.id;
    accounts := accounts || jsonb_build_array(to_jsonb(account) || jsonb_build_object('status_reason', null, 'status_remedy', null, 'reconnected', known.id is not null));
  end loop;
  delete from analytics_private.connection_finds f where f.workspace_id = connection.workspace_id and f.connection_id = connection.id;
  update analytics.connections c set status = 'done', finished_at = clock_timestamp(), chosen = connected
  where c.workspace_id = connection.workspace_id and c.id = connection.id;
  perform analytics_private.write_audit('connection.finished', 'connection', connection.id,
    jsonb_build_object('platform', connection.platform, 'accounts', to_jsonb(connected)), connection.workspace_id);
  return accounts;
end
$$;

create or replace function analytics.choose_accounts(connection_id uuid, platform_user_ids text[]) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.choose_accounts(choose_accounts.connection_id, choose_accounts.platform_user_ids);
end
$$;
comment on function analytics.choose_accounts(uuid, text[]) is
$$connects accounts that a consent opened
platform_user_ids: of those in found of connection_status() that are choosable. What is not chosen is forgotten. An account that is connected already is connected anew, with its history, label and place. Each new one takes a place of the plan. Within an hour of the consent, by the member who gave it.
Returns the accounts' rows, each with reconnected. Needs the role admin.
Errors: VALIDATION_ERROR (none, or not opened by the consent), UNAUTHORIZED, FORBIDDEN (begun by another member), NOT_FOUND (no such connection in the caller's workspaces), CONFLICT (not at this point, or over), PAYMENT_REQUIRED (no place left; details resource, limit, used, needed).
Example: select analytics.choose_accounts('0195c3a0-0000-7000-8000-0000000000d0', array['17841400000000001']) -> 0 ->> 'status' = 'active'$$;

create or replace function analytics_private.disconnect_account(account_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
  tokens analytics_private.oauth_tokens;
  revocation text := 'none';
begin
  perform analytics_private.require_user();
  account := analytics_private.own_account(disconnect_account.account_id, 'analyst');
  perform analytics_private.enter_workspace('disconnect_account', account.workspace_id);
  select t.* into tokens from analytics_private.oauth_tokens t where t.workspace_id = account.workspace_id and t.social_account_id = account.id;
  if found then
    revocation := case when exists (select from analytics_private.oauth_tokens o where o.provider = tokens.provider and o.consent_key = tokens.consent_key
      and (o.workspace_id, o.social_account_id) <> (tokens.workspace_id, tokens.social_account_id)) then 'shared' else 'queued' end;
  end if;
  return analytics_private.remove_account(account.id, false) - 'history_deleted' || jsonb_build_object('revocation', revocation);
end
$$;

create or replace function analytics.disconnect_account(account_id uuid) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.disconnect_account(disconnect_account.account_id);
end
$$;
comment on function analytics.disconnect_account(uuid) is
$$ends the service's access to an account: its tokens are wiped at once and revoked at the provider, its history stays
Returns {id, workspace_id, status, disconnected_at, revocation}: revocation is queued, shared (other accounts came by the same consent, which goes with the last of them) or none (there was no access). The place in the plan is free. As remove_account(); disconnecting again changes nothing. Needs the role admin.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select analytics.disconnect_account('0195c3a0-0000-7000-8000-0000000000c0') ->> 'status' = 'disconnected'$$;

create or replace function analytics_private.make_primary(account_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
begin
  perform analytics_private.require_user();
  account := analytics_private.own_account(make_primary.account_id, 'analyst');
  -- Under the workspace's lock: of two at once, the later one stands.
  perform analytics_private.enter_workspace('make_primary', account.workspace_id);
  select a.* into account from analytics.social_accounts a where a.workspace_id = account.workspace_id and a.id = account.id for no key update;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such account in your workspaces', 'analytics.social_accounts lists them');
  elsif account.status = 'disconnected' then
    perform analytics_private.raise_error('CONFLICT', 'this account is disconnected', 'connect it again with connect_account()');
  end if;
  if not account.is_primary then
    update analytics.social_accounts a set is_primary = false
    where a.workspace_id = account.workspace_id and a.created_by = account.created_by and a.platform = account.platform and a.is_primary;
    update analytics.social_accounts a set is_primary = true where a.workspace_id = account.workspace_id and a.id = account.id returning a.* into account;
  end if;
  return to_jsonb(account);
end
$$;

create or replace function analytics.make_primary(account_id uuid) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.make_primary(make_primary.account_id);
end
$$;
comment on function analytics.make_primary(uuid) is
$$makes an account the primary one of its platform, in place of the one that was, among those that the same member connected
Returns the account's row. Needs the role admin.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces), CONFLICT (disconnected).
Example: select analytics.make_primary('0195c3a0-0000-7000-8000-0000000000c0') ->> 'is_primary' = 'true'$$;

create or replace function analytics_private.dismiss_notice(notice_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
begin
  update analytics.notices n set seen_at = coalesce(n.seen_at, now()) where n.id = dismiss_notice.notice_id and n.user_id = caller;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'you were told no such thing', 'analytics.notices lists what you were told');
  end if;
  return true;
end
$$;

create or replace function analytics.dismiss_notice(notice_id uuid) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.dismiss_notice(dismiss_notice.notice_id);
end
$$;
comment on function analytics.dismiss_notice(uuid) is
$$notes that the caller has seen what he was told in analytics.notices
Returns true. What was told is told once, seen or not.
Errors: UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND.
Example: select analytics.dismiss_notice('0195c3a0-0000-7000-8000-0000000000d1')$$;

-- Definer: of the tokens' table clients may know only this, of their own workspaces.
create or replace function analytics_private.access_facts()
returns table (workspace_id uuid, social_account_id uuid, scopes text[], expires_at timestamptz, refreshed_at timestamptz, oauth1_user_id text, oauth1_screen_name text, oauth1_created_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select t.workspace_id, t.social_account_id, t.scopes, t.expires_at, coalesce(t.refreshed_at, t.issued_at), t.oauth1_user_id::text, t.oauth1_screen_name::text, t.oauth1_created_at
    from analytics_private.oauth_tokens t where t.workspace_id = any (analytics_private.workspace_ids('analyst'));
end
$$;
comment on function analytics_private.access_facts() is 'scopes and times of the accesses to the accounts of the caller''s workspaces; no tokens';

create or replace view analytics.social_connections with (security_invoker = true) as
  select a.id, a.created_by as user_id, a.workspace_id, a.platform as provider, a.platform_user_id as provider_account_id, f.expires_at, a.account_label, a.account_type,
    a.is_primary, a.metadata, f.oauth1_user_id, f.oauth1_screen_name, f.oauth1_created_at, a.created_at, a.updated_at,
    a.handle, a.display_name, a.status, a.status_reason, a.status_remedy, f.scopes, f.refreshed_at
  from analytics.social_accounts a
  left join analytics_private.access_facts() f on f.workspace_id = a.workspace_id and f.social_account_id = a.id;
comment on view analytics.social_connections is 'connected accounts with the state of the access to them; tokens are not in it';
comment on column analytics.social_connections.user_id is 'the member who connected it first';
comment on column analytics.social_connections.expires_at is 'until when the present access lasts; it is renewed before. Null: without an end, or there is none';

-- ---------------------------------------------------------------------------------------------------------------------
-- What the sidecar calls. Definers, these: it has no right on any table. Refusals come back as verdicts, not as errors, so that
-- their audit records stay. Outside, all of them look the same.

create or replace function analytics_private.refuse_connection(connection analytics.connections, reason text, platform text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Whoever presents half of what is needed has it from somewhere: the attempt is over.
  if connection.status = 'pending' and refuse_connection.reason not in ('state_used', 'ticket_used') then
    update analytics.connections c set finished_at = clock_timestamp(),
      status = case when refuse_connection.reason like '%expired' then 'expired' else 'failed' end,
      error_code = case when refuse_connection.reason like '%expired' then null else 'OAUTH_ERROR' end,
      error_message = case when refuse_connection.reason not like '%expired' then 'the answer did not belong to this attempt' end
    where c.workspace_id = connection.workspace_id and c.id = connection.id;
  end if;
  perform analytics_private.write_audit('connection.refused', 'connection', connection.id,
    jsonb_build_object('reason', refuse_connection.reason, 'platform', left(refuse_connection.platform, 32)), connection.workspace_id);
  return jsonb_build_object('verdict', 'refused', 'reason', refuse_connection.reason);
end
$$;

create or replace function analytics_private.sidecar_note_refusals(reason text, platform text, times bigint default 1) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.write_audit('connection.refused', 'connection', null,
    jsonb_build_object('reason', left(sidecar_note_refusals.reason, 64), 'platform', left(sidecar_note_refusals.platform, 32), 'times', sidecar_note_refusals.times));
end
$$;
comment on function analytics_private.sidecar_note_refusals(text, text, bigint) is 'audits callbacks that the sidecar refused without asking: malformed ones, each, and what came too fast, in sum';

create or replace function analytics_private.sidecar_public_url() returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.setting_text('oauth_public_url');
end
$$;
comment on function analytics_private.sidecar_public_url() is 'where browsers are sent to connect an account, for the sidecar to compare with where it serves them';

create or replace function analytics_private.sidecar_find_connection(connection_id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select jsonb_build_object('workspace_id', c.workspace_id, 'platform', c.platform, 'provider', c.provider, 'purpose', c.purpose)
    from analytics.connections c where c.id = sidecar_find_connection.connection_id);
end
$$;
comment on function analytics_private.sidecar_find_connection(uuid) is 'what the start page must know to seal a verifier: {workspace_id, platform, provider, purpose}, or null';

create or replace function analytics_private.sidecar_begin_connection(
  connection_id uuid, ticket_digest bytea, state_digest bytea, browser_digest bytea, verifier text, scopes text[]
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  state analytics_private.oauth_states;
  connection analytics.connections;
  problem text;
begin
  perform analytics_private.check_ciphertexts(sidecar_begin_connection.verifier);
  select s.* into state from analytics_private.oauth_states s where s.ticket_digest = sidecar_begin_connection.ticket_digest for update;
  if not found then
    return analytics_private.refuse_connection(null::analytics.connections, 'ticket_unknown', null);
  end if;
  select c.* into connection from analytics.connections c where c.workspace_id = state.workspace_id and c.id = state.connection_id for update;
  problem := case
    when connection.id <> sidecar_begin_connection.connection_id then 'ticket_of_another_connection'
    when state.begun_at is not null then 'ticket_used'
    when state.expires_at <= clock_timestamp() then 'ticket_expired'
    when connection.status <> 'pending' then 'connection_over'
    when not analytics_private.may_connect(connection) then 'member_without_right'
  end;
  if problem is not null then
    return analytics_private.refuse_connection(connection, problem, connection.platform);
  end if;
  update analytics_private.oauth_states s set begun_at = clock_timestamp(), state_digest = sidecar_begin_connection.state_digest,
    browser_digest = sidecar_begin_connection.browser_digest, verifier = sidecar_begin_connection.verifier
  where s.workspace_id = state.workspace_id and s.connection_id = state.connection_id;
  update analytics.connections c set scopes_wanted = sidecar_begin_connection.scopes where c.workspace_id = connection.workspace_id and c.id = connection.id;
  return jsonb_build_object('verdict', 'ok');
end
$$;
comment on function analytics_private.sidecar_begin_connection(uuid, bytea, bytea, bytea, text, text[]) is
  'spends the ticket of a connection for a state that is bound to a browser (SHA-256 of each); {verdict: ok} or {verdict: refused, reason}, audited';

create or replace function analytics_private.sidecar_use_state(state_digest bytea, browser_digest bytea, platform text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  state analytics_private.oauth_states;
  connection analytics.connections;
  problem text;
begin
  -- The second of two at once waits here, and finds it used.
  select s.* into state from analytics_private.oauth_states s where s.state_digest = sidecar_use_state.state_digest for update;
  if not found then
    return analytics_private.refuse_connection(null::analytics.connections, 'state_unknown', sidecar_use_state.platform);
  end if;
  select c.* into connection from analytics.connections c where c.workspace_id = state.workspace_id and c.id = state.connection_id for update;
  problem := case
    when state.used_at is not null then 'state_used'
    when state.browser_digest is distinct from sidecar_use_state.browser_digest then 'wrong_browser'
    when connection.platform is distinct from sidecar_use_state.platform then 'wrong_platform'
    when state.expires_at <= clock_timestamp() then 'state_expired'
    when connection.status <> 'pending' then 'connection_over'
    when not analytics_private.may_connect(connection) then 'member_without_right'
  end;
  update analytics_private.oauth_states s set used_at = coalesce(s.used_at, clock_timestamp()), verifier = null
  where s.workspace_id = state.workspace_id and s.connection_id = state.connection_id;
  if problem is not null then
    return analytics_private.refuse_connection(connection, problem, sidecar_use_state.platform);
  end if;
  return jsonb_build_object('verdict', 'ok', 'connection_id', connection.id, 'workspace_id', connection.workspace_id, 'provider', connection.provider,
    'purpose', connection.purpose, 'redirect_to', connection.redirect_to, 'verifier', state.verifier);
end
$$;
comment on function analytics_private.sidecar_use_state(bytea, bytea, text) is
  'spends a state, once: {verdict: ok, connection_id, workspace_id, provider, purpose, redirect_to, verifier} or {verdict: refused, reason}, audited. Presented by the wrong browser or at the wrong platform''s callback it is spent as well';

create or replace function analytics_private.sidecar_fail_connection(connection_id uuid, reason text, code text, message text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  failed analytics.connections;
begin
  update analytics.connections c set status = 'failed', finished_at = clock_timestamp(), error_code = left(sidecar_fail_connection.code, 64),
    error_message = left(sidecar_fail_connection.message, 500)
  where c.id = sidecar_fail_connection.connection_id and c.status = 'pending'
  returning c.* into failed;
  if failed.id is null then
    return false;
  end if;
  delete from analytics_private.connection_finds f where f.workspace_id = failed.workspace_id and f.connection_id = failed.id;
  perform analytics_private.write_audit('connection.failed', 'connection', failed.id,
    jsonb_build_object('reason', left(sidecar_fail_connection.reason, 64), 'platform', failed.platform, 'code', failed.error_code), failed.workspace_id);
  return true;
end
$$;
comment on function analytics_private.sidecar_fail_connection(uuid, text, text, text) is 'ends a connection that is at the provider, with what the member is told; false if it is over already';

create or replace function analytics_private.sidecar_place_found(connection_id uuid, platforms text[], platform_user_ids text[], handles text[])
returns table (platform text, platform_user_id text, account_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  connection analytics.connections;
  asked record;
  place uuid;
begin
  select c.* into connection from analytics.connections c where c.id = sidecar_place_found.connection_id;
  -- One at a time in a workspace, so that two attempts at the same account get the same place.
  perform analytics_private.lock_workspace(connection.workspace_id);
  select c.* into connection from analytics.connections c where c.id = sidecar_place_found.connection_id for update;
  if (connection.status = 'pending' and connection.expires_at + interval '5 minutes' > clock_timestamp()) is not true then
    perform analytics_private.raise_error('CONFLICT', 'this connection is over', 'drop what was found');
  end if;
  for asked in
    select f.platform, f.platform_user_id, analytics_private.read_handle(f.platform, f.handle) as handle
    from unnest(sidecar_place_found.platforms, sidecar_place_found.platform_user_ids, sidecar_place_found.handles) f (platform, platform_user_id, handle)
    where f.platform_user_id <> '' and length(f.platform_user_id) <= 255
      and (f.platform = connection.platform or connection.provider = 'facebook' and f.platform in ('facebook', 'instagram'))
  loop
    -- The account itself, a connected one before one that was removed; or the one that was added by hand under its name.
    place := (select a.id from analytics.social_accounts a
      where a.workspace_id = connection.workspace_id and a.platform = asked.platform
        and (a.platform_user_id = asked.platform_user_id or a.platform_user_id is null and a.handle = asked.handle)
      order by a.status = 'disconnected', a.platform_user_id is null, a.disconnected_at desc limit 1);
    -- Or where another attempt that waits for its choice has put it.
    place := coalesce(place, (select f.account_id from analytics_private.connection_finds f
      where f.workspace_id = connection.workspace_id and f.platform = asked.platform and f.platform_user_id = asked.platform_user_id limit 1), analytics.uuidv7());
    return query select asked.platform, asked.platform_user_id, place;
  end loop;
end
$$;
comment on function analytics_private.sidecar_place_found(uuid, text[], text[], text[]) is
  'which account each of what a consent opened is or is going to be: the tokens are sealed for it; what is not of the connection''s provider is left out; errors: CONFLICT (over)';

-- A Facebook consent names Instagram accounts, and does not open them without rights of their own. No scopes: the provider did not say.
create or replace function analytics_private.why_not_choosable(provider text, platform text, scopes text[]) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  missing constant text := (select string_agg(w, ', ') from unnest(array['instagram_basic', 'instagram_manage_insights']) w where w <> all (why_not_choosable.scopes));
begin
  return case when why_not_choosable.provider = 'facebook' and why_not_choosable.platform = 'instagram' and cardinality(why_not_choosable.scopes) > 0 and missing is not null
    then format('Facebook was not allowed to let us read it: %s not given. Connect again and leave all permissions on, or connect it as instagram', missing) end;
end
$$;
comment on function analytics_private.why_not_choosable(text, text, text[]) is 'why an account that a consent names cannot be connected by it, in words; null if it can';

create or replace function analytics_private.sidecar_store_found(connection_id uuid, finds json, scopes text[]) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  connection analytics.connections;
  stored bigint;
begin
  perform analytics_private.check_ciphertexts(variadic array(
    select t from json_array_elements(sidecar_store_found.finds) e, unnest(array[e ->> 'access_token', e ->> 'refresh_token']) t));
  select c.* into connection from analytics.connections c where c.id = sidecar_store_found.connection_id for update;
  if (connection.status = 'pending' and connection.expires_at + interval '5 minutes' > clock_timestamp()
      and exists (select from analytics_private.oauth_states s where s.workspace_id = connection.workspace_id and s.connection_id = connection.id and s.used_at is not null)) is not true then
    perform analytics_private.raise_error('CONFLICT', 'this connection is over', 'drop what was found');
  elsif not analytics_private.may_connect(connection) then
    perform analytics_private.refuse_connection(connection, 'member_without_right', connection.platform);
    return jsonb_build_object('status', 'failed');
  end if;
  insert into analytics_private.connection_finds (workspace_id, connection_id, platform, platform_user_id, account_id, handle, display_name, account_type, picture,
    metadata, consent_key, access_token, refresh_token, token_type, issued_at, expires_at, refresh_expires_at, refresh_at)
  select connection.workspace_id, connection.id, f.platform, f.platform_user_id, f.account_id, left(f.handle, 255), left(f.display_name, 255),
    case when f.account_type in ('personal', 'creator', 'business', 'brand', 'organization', 'page') then f.account_type end,
    case when length(f.picture) <= 2000 and f.picture ~ '^https://' then f.picture end,
    jsonb_strip_nulls(jsonb_build_object('page_id', f.parent)), coalesce(nullif(left(f.consent_key, 255), ''), connection.id::text),
    f.access_token, f.refresh_token, left(coalesce(f.token_type, 'bearer'), 32), coalesce(f.issued_at, clock_timestamp()), f.expires_at, f.refresh_expires_at, f.refresh_at
  from json_to_recordset(sidecar_store_found.finds) as f (platform text, platform_user_id text, account_id uuid, handle text, display_name text, account_type text,
    picture text, parent text, consent_key text, access_token text, refresh_token text, token_type text, issued_at timestamptz, expires_at timestamptz,
    refresh_expires_at timestamptz, refresh_at timestamptz)
  where f.access_token is not null and f.account_id is not null
    and (f.platform = connection.platform or connection.provider = 'facebook' and f.platform in ('facebook', 'instagram'))
    and analytics_private.why_not_choosable(connection.provider, f.platform, sidecar_store_found.scopes) is null
  on conflict do nothing;
  get diagnostics stored = row_count;
  if stored = 0 then
    perform analytics_private.sidecar_fail_connection(connection.id, 'no_accounts', 'NOT_FOUND', 'the consent opens no account that can be connected');
    return jsonb_build_object('status', 'failed');
  end if;
  -- A consent that was just given is not given back for what was disconnected before.
  delete from analytics_private.oauth_revocations r using analytics_private.connection_finds f
  where f.workspace_id = connection.workspace_id and f.connection_id = connection.id and r.provider = connection.provider and r.consent_key = f.consent_key;
  update analytics.connections c set status = 'choosing', expires_at = clock_timestamp() + analytics_private.setting_interval('choice_time'),
    scopes_granted = case when cardinality(sidecar_store_found.scopes) > 0 then sidecar_store_found.scopes end,
    found = (select jsonb_agg(to_jsonb(e) order by e.platform, e.display_name, e.platform_user_id) from (
      select f.platform, f.platform_user_id, f.handle, f.display_name, f.account_type, f.picture, f.metadata ->> 'page_id' as parent, true as choosable, null as reason
      from analytics_private.connection_finds f where f.workspace_id = connection.workspace_id and f.connection_id = connection.id
      union all
      -- Shown, so that nobody looks for it in vain; its tokens are not kept.
      select f.platform, f.platform_user_id, left(f.handle, 255), left(f.display_name, 255), null, null, f.parent, false,
        analytics_private.why_not_choosable(connection.provider, f.platform, sidecar_store_found.scopes)
      from json_to_recordset(sidecar_store_found.finds) as f (platform text, platform_user_id text, handle text, display_name text, parent text)
      where analytics_private.why_not_choosable(connection.provider, f.platform, sidecar_store_found.scopes) is not null) e)
  where c.workspace_id = connection.workspace_id and c.id = connection.id;
  perform analytics_private.write_audit('connection.answered', 'connection', connection.id, jsonb_build_object('platform', connection.platform, 'found', stored), connection.workspace_id);
  return jsonb_build_object('status', 'choosing');
end
$$;
comment on function analytics_private.sidecar_store_found(uuid, json, text[]) is
  'keeps what a consent opened, with sealed tokens, until the member chooses: {status: choosing|failed}; errors: CONFLICT (over), ENCRYPTION_ERROR (a token that is not sealed)';

-- Access for a call of the provider's API.
create or replace function analytics_private.sidecar_access(account_id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select jsonb_build_object('workspace_id', t.workspace_id, 'account_id', t.social_account_id, 'provider', t.provider, 'version', t.version,
      'access_token', t.access_token, 'token_type', t.token_type, 'scopes', t.scopes, 'expires_at', t.expires_at)
    from analytics_private.oauth_tokens t where t.social_account_id = sidecar_access.account_id);
end
$$;
comment on function analytics_private.sidecar_access(uuid) is 'the sealed access token of an account with what belongs to it, or null';

-- ---------------------------------------------------------------------------------------------------------------------
-- Refresh: claimed by row, stored only over the version it was made from

create or replace function analytics_private.sidecar_take_refreshes(worker text, provider text, batch integer, lease_seconds integer)
returns table (workspace_id uuid, account_id uuid, claim uuid, version bigint, access_token text, refresh_token text, token_type text, scopes text[],
  consent_key text, issued_at timestamptz, expires_at timestamptz, refresh_expires_at timestamptz, first_consent_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  if (batch between 1 and 1000 and lease_seconds between 1 and 3600) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'batch is 1 to 1000, lease_seconds 1 to 3600');
  end if;
  return query
    with due as (
      select t.workspace_id, t.social_account_id from analytics_private.oauth_tokens t
      where t.provider = sidecar_take_refreshes.provider and t.refresh_at <= clock_timestamp()
        and (t.claimed_until is null or t.claimed_until <= clock_timestamp())
      order by t.refresh_at limit sidecar_take_refreshes.batch
      for update skip locked
    )
    update analytics_private.oauth_tokens t set claim = gen_random_uuid(), claimed_by = left(sidecar_take_refreshes.worker, 200),
      claimed_until = clock_timestamp() + make_interval(secs => sidecar_take_refreshes.lease_seconds),
      lost_call_at = coalesce(t.calling_since, t.lost_call_at), calling_since = null
    from due where t.workspace_id = due.workspace_id and t.social_account_id = due.social_account_id
    returning t.workspace_id, t.social_account_id, t.claim, t.version, t.access_token, t.refresh_token, t.token_type::text, t.scopes, t.consent_key::text,
      t.issued_at, t.expires_at, t.refresh_expires_at, t.first_consent_at;
end
$$;
comment on function analytics_private.sidecar_take_refreshes(text, text, integer, integer) is
  'claims connections of a provider whose refresh is due, the longest due first; a claim ends by itself, after longer than a call can take';

create or replace function analytics_private.sidecar_begin_refresh(account_id uuid, claim uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update analytics_private.oauth_tokens t set calling_since = clock_timestamp()
  where t.social_account_id = sidecar_begin_refresh.account_id and t.claim = sidecar_begin_refresh.claim and t.claimed_until > clock_timestamp();
  return found;
end
$$;
comment on function analytics_private.sidecar_begin_refresh(uuid, uuid) is
  'notes that the provider is going to be called, so that a call whose answer is lost in a crash is known of; false: the claim has ended, do not call';

create or replace function analytics_private.sidecar_release_refresh(account_id uuid, claim uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update analytics_private.oauth_tokens t set claim = null, claimed_by = null, claimed_until = null
  where t.social_account_id = sidecar_release_refresh.account_id and t.claim = sidecar_release_refresh.claim and t.calling_since is null;
  return found;
end
$$;
comment on function analytics_private.sidecar_release_refresh(uuid, uuid) is 'gives a claim back that no call was made for';

create or replace function analytics_private.sidecar_store_refreshed(
  account_id uuid, version bigint, access_token text, refresh_token text, token_type text, scopes text[],
  issued_at timestamptz, expires_at timestamptz, refresh_expires_at timestamptz, refresh_at timestamptz
) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
  held analytics_private.oauth_tokens;
begin
  if sidecar_store_refreshed.access_token is null then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'an empty answer does not replace a token', null, '{"field": "access_token"}');
  end if;
  perform analytics_private.check_ciphertexts(sidecar_store_refreshed.access_token, sidecar_store_refreshed.refresh_token);
  -- The account before its tokens, as where they are stored and wiped.
  select a.* into account from analytics.social_accounts a where a.id = sidecar_store_refreshed.account_id for no key update;
  select t.* into held from analytics_private.oauth_tokens t where t.workspace_id = account.workspace_id and t.social_account_id = account.id for update;
  if held.version is distinct from sidecar_store_refreshed.version then
    return case when held.version is null then 'gone' else 'superseded' end;
  end if;
  -- Both tokens at once, before anybody uses either. Whether the claim still stands does not matter: a grant that was made
  -- from the stored one is the next one, and to drop it would be to lose the connection.
  update analytics_private.oauth_tokens t set
    access_token = sidecar_store_refreshed.access_token, refresh_token = coalesce(sidecar_store_refreshed.refresh_token, t.refresh_token),
    token_type = coalesce(left(sidecar_store_refreshed.token_type, 32), t.token_type),
    scopes = case when cardinality(sidecar_store_refreshed.scopes) > 0 then sidecar_store_refreshed.scopes else t.scopes end,
    issued_at = coalesce(sidecar_store_refreshed.issued_at, clock_timestamp()), expires_at = sidecar_store_refreshed.expires_at,
    refresh_expires_at = coalesce(sidecar_store_refreshed.refresh_expires_at, case when sidecar_store_refreshed.refresh_token is null then t.refresh_expires_at end),
    refresh_at = sidecar_store_refreshed.refresh_at, refreshed_at = clock_timestamp(), version = t.version + 1,
    claim = null, claimed_by = null, claimed_until = null, calling_since = null, lost_call_at = null, failures = 0, last_error = null
  where t.workspace_id = held.workspace_id and t.social_account_id = held.social_account_id;
  if account.status in ('expiring', 'reconnect_required') then
    perform analytics_private.set_account_status(account, 'active');
  end if;
  return 'stored';
end
$$;
comment on function analytics_private.sidecar_store_refreshed(uuid, bigint, text, text, text, text[], timestamptz, timestamptz, timestamptz, timestamptz) is
  'stores a refreshed grant over the version it was made from: stored, superseded (another grant came first, drop this one) or gone (disconnected meanwhile: give this one back). A null refresh token keeps the stored one; errors: VALIDATION_ERROR (no access token), ENCRYPTION_ERROR';

-- The access of an account has ended, for a reason in words; kind is how that came to be known. The caller holds the account's row.
create or replace function analytics_private.end_access(account analytics.social_accounts, provider text, kind text, reason text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  connect_again constant text := 'connect the account again; its history stays';
begin
  update analytics_private.oauth_tokens t set refresh_at = null, claim = null, claimed_by = null, claimed_until = null, calling_since = null, failures = t.failures + 1,
    last_error = left(end_access.reason, 500)
  where t.workspace_id = account.workspace_id and t.social_account_id = account.id;
  -- Connecting again makes them due.
  update analytics_private.account_schedules s set next_at = 'infinity' where s.workspace_id = account.workspace_id and s.social_account_id = account.id;
  perform analytics_private.set_account_status(account, 'reconnect_required', left(end_access.reason, 500), connect_again);
  perform analytics_private.tell_member(account, 'reconnect_required', left(format('the access to %s %s has ended: %s', analytics_private.platform_in_words(account.platform), account.handle, end_access.reason), 500), connect_again);
  perform analytics_private.write_audit('connection.lost', 'social_account', account.id, jsonb_build_object('provider', end_access.provider, 'kind', end_access.kind), account.workspace_id);
end
$$;

create or replace function analytics_private.sidecar_fail_refresh(
  account_id uuid, claim uuid, version bigint, kind text, message text, retry_after_seconds double precision default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
  held analytics_private.oauth_tokens;
  provider text;
  wait double precision;
  reason text;
begin
  if sidecar_fail_refresh.kind is null or sidecar_fail_refresh.kind not in ('final', 'spent', 'configuration', 'throttled', 'temporary', 'malformed', 'sealed') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such kind of failure', 'final, spent, configuration, throttled, temporary, malformed or sealed', '{"field": "kind"}');
  end if;
  -- The account before its tokens, as where they are stored and wiped.
  select a.* into account from analytics.social_accounts a where a.id = sidecar_fail_refresh.account_id for no key update;
  select t.* into held from analytics_private.oauth_tokens t where t.workspace_id = account.workspace_id and t.social_account_id = account.id for update;
  -- Whoever lost the claim, or the race, has nothing to say about what is stored now.
  if held.version is distinct from sidecar_fail_refresh.version or held.claim is distinct from sidecar_fail_refresh.claim then
    return jsonb_build_object('state', case when held.version is null then 'gone' else 'superseded' end);
  end if;
  provider := analytics_private.platform_in_words(held.provider);
  if sidecar_fail_refresh.kind in ('final', 'spent') then
    reason := case
      when sidecar_fail_refresh.kind = 'spent' and held.lost_call_at is not null
        then format('the answer of %s to a renewal was lost in a crash, and %1$s gives each only once', provider)
      when sidecar_fail_refresh.kind = 'spent' then format('%s says that this access was renewed by somebody else or withdrawn', provider)
      else coalesce(nullif(left(sidecar_fail_refresh.message, 400), ''), format('%s has ended the access', provider)) end;
    perform analytics_private.end_access(account, held.provider,
      case when sidecar_fail_refresh.kind = 'spent' and held.lost_call_at is not null then 'lost_in_crash' else sidecar_fail_refresh.kind end, reason);
    return jsonb_build_object('state', 'reconnect_required', 'reason', reason);
  end if;
  wait := greatest(
    analytics_private.job_backoff(least(held.failures + 1, 30), extract(epoch from analytics_private.setting_interval('job_backoff_base'))::double precision,
      extract(epoch from analytics_private.setting_interval('job_backoff_cap'))::double precision, analytics_private.at_most_a_day(sidecar_fail_refresh.retry_after_seconds)),
    -- What an operator must put right is not put right within seconds.
    case when sidecar_fail_refresh.kind in ('configuration', 'sealed') then 300 + random() * 300 else 1 end);
  update analytics_private.oauth_tokens t set refresh_at = clock_timestamp() + make_interval(secs => wait), claim = null, claimed_by = null, claimed_until = null,
    -- A call without an answer may have been carried out.
    lost_call_at = case when sidecar_fail_refresh.kind in ('temporary', 'malformed') then coalesce(t.lost_call_at, t.calling_since) else t.lost_call_at end,
    calling_since = null, failures = t.failures + 1, last_error = left(sidecar_fail_refresh.message, 500)
  where t.workspace_id = held.workspace_id and t.social_account_id = held.social_account_id;
  if held.expires_at <= clock_timestamp() and account.status = 'active' then
    perform analytics_private.set_account_status(account, 'expiring', format('the access has run out and %s could not be reached to renew it', provider),
      'nothing: it is tried again, and no number is lost');
  end if;
  return jsonb_build_object('state', 'later', 'retry_at', clock_timestamp() + make_interval(secs => wait));
end
$$;
comment on function analytics_private.sidecar_fail_refresh(uuid, uuid, bigint, text, text, double precision) is
  'what a failed refresh means: final and spent end the access (reconnect_required, the member is told once), all other kinds are tried again later and never do. {state: reconnect_required|later|superseded|gone}';

-- ---------------------------------------------------------------------------------------------------------------------
-- Giving consents back

create or replace function analytics_private.sidecar_take_revocations(provider text, batch integer, lease_seconds integer)
returns table (workspace_id uuid, revocation_id uuid, account_id uuid, claim uuid, consent_key text, access_token text, refresh_token text, token_type text, issued_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  if (batch between 1 and 1000 and lease_seconds between 1 and 3600) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'batch is 1 to 1000, lease_seconds 1 to 3600');
  end if;
  return query
    with due as (
      select r.workspace_id, r.id from analytics_private.oauth_revocations r
      where r.provider = sidecar_take_revocations.provider and r.run_at <= clock_timestamp() and (r.claimed_until is null or r.claimed_until <= clock_timestamp())
      order by r.run_at limit sidecar_take_revocations.batch for update skip locked
    )
    update analytics_private.oauth_revocations r set claim = gen_random_uuid(), claimed_until = clock_timestamp() + make_interval(secs => sidecar_take_revocations.lease_seconds)
    from due where r.workspace_id = due.workspace_id and r.id = due.id
    returning r.workspace_id, r.id, r.social_account_id, r.claim, r.consent_key::text, r.access_token, r.refresh_token, r.token_type::text, r.issued_at;
end
$$;
comment on function analytics_private.sidecar_take_revocations(text, integer, integer) is 'claims consents of a provider that are to be given back';

create or replace function analytics_private.sidecar_finish_revocation(revocation_id uuid, claim uuid, outcome text, retry_after_seconds double precision default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  held analytics_private.oauth_revocations;
  gives_up boolean;
begin
  if sidecar_finish_revocation.outcome is null or sidecar_finish_revocation.outcome not in ('revoked', 'not_offered', 'unreadable', 'later') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such outcome', 'revoked, not_offered, unreadable or later', '{"field": "outcome"}');
  end if;
  select r.* into held from analytics_private.oauth_revocations r
  where r.id = sidecar_finish_revocation.revocation_id and r.claim = sidecar_finish_revocation.claim for update;
  if not found then
    return false;
  end if;
  gives_up := held.created_at + analytics_private.setting_interval('revocation_patience') < clock_timestamp();
  if sidecar_finish_revocation.outcome = 'later' and not gives_up then
    update analytics_private.oauth_revocations r set attempts = r.attempts + 1, claim = null, claimed_until = null,
      run_at = clock_timestamp() + make_interval(secs => greatest(1, analytics_private.job_backoff(least(held.attempts + 1, 30),
        extract(epoch from analytics_private.setting_interval('job_backoff_base'))::double precision, 3600, analytics_private.at_most_a_day(sidecar_finish_revocation.retry_after_seconds))))
    where r.workspace_id = held.workspace_id and r.id = held.id;
    return true;
  end if;
  delete from analytics_private.oauth_revocations r where r.workspace_id = held.workspace_id and r.id = held.id;
  perform analytics_private.write_audit('connection.revoked', 'social_account', held.social_account_id,
    jsonb_build_object('provider', held.provider, 'outcome', case sidecar_finish_revocation.outcome when 'later' then 'given_up' else sidecar_finish_revocation.outcome end), held.workspace_id);
  return true;
end
$$;
comment on function analytics_private.sidecar_finish_revocation(uuid, uuid, text, double precision) is
  'what became of giving a consent back: revoked, not_offered (the member removes the app at the provider), unreadable (no key opens it) or later; its tokens are wiped unless later. False: the claim is somebody else''s';

-- ---------------------------------------------------------------------------------------------------------------------
-- Rotation of keys: every sealed value is read in the order of its key and put back sealed anew, unless it changed meanwhile

create or replace function analytics_private.sidecar_sealed_after(place text, after_workspace uuid, after_id uuid, batch integer)
returns table (workspace_id uuid, id uuid, account_id uuid, access_token text, refresh_token text, oauth1_access_token text, oauth1_access_token_secret text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  if sidecar_sealed_after.place = 'tokens' then
    return query select t.workspace_id, t.social_account_id, t.social_account_id, t.access_token, t.refresh_token, t.oauth1_access_token, t.oauth1_access_token_secret
      from analytics_private.oauth_tokens t where (t.workspace_id, t.social_account_id) > (sidecar_sealed_after.after_workspace, sidecar_sealed_after.after_id)
      order by t.workspace_id, t.social_account_id limit least(sidecar_sealed_after.batch, 10000);
  elsif sidecar_sealed_after.place = 'revocations' then
    return query select r.workspace_id, r.id, r.social_account_id, r.access_token, r.refresh_token, null::text, null::text
      from analytics_private.oauth_revocations r where (r.workspace_id, r.id) > (sidecar_sealed_after.after_workspace, sidecar_sealed_after.after_id)
      order by r.workspace_id, r.id limit least(sidecar_sealed_after.batch, 10000);
  else
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such place', 'places are tokens and revocations', '{"field": "place"}');
  end if;
end
$$;
comment on function analytics_private.sidecar_sealed_after(text, uuid, uuid, integer) is
  'sealed values in the order of their keys, for rotation; place: tokens or revocations. What a consent opened waits an hour at most and is not among them';

create or replace function analytics_private.sidecar_store_rotated(
  place text, workspace_ids uuid[], ids uuid[], old_access text[], new_access text[], old_refresh text[], new_refresh text[],
  new_oauth1 text[] default null, new_oauth1_secret text[] default null
) returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stored bigint := 0;
begin
  perform analytics_private.check_ciphertexts(variadic new_access || new_refresh || new_oauth1 || new_oauth1_secret);
  -- Compared by ciphertext, not by version: a rotation must not make a refresh under way look late.
  if sidecar_store_rotated.place = 'tokens' then
    update analytics_private.oauth_tokens t set access_token = n.new_access, refresh_token = n.new_refresh,
      oauth1_access_token = coalesce(n.oauth1, t.oauth1_access_token), oauth1_access_token_secret = coalesce(n.oauth1_secret, t.oauth1_access_token_secret)
    from unnest(workspace_ids, ids, old_access, new_access, old_refresh, new_refresh, new_oauth1, new_oauth1_secret)
      n (workspace_id, id, old_access, new_access, old_refresh, new_refresh, oauth1, oauth1_secret)
    where t.workspace_id = n.workspace_id and t.social_account_id = n.id and t.access_token = n.old_access and t.refresh_token is not distinct from n.old_refresh
      and (n.old_refresh is null) = (n.new_refresh is null) and n.new_access is not null;
    get diagnostics stored = row_count;
  elsif sidecar_store_rotated.place = 'revocations' then
    update analytics_private.oauth_revocations r set access_token = n.new_access, refresh_token = n.new_refresh
    from unnest(workspace_ids, ids, old_access, new_access, old_refresh, new_refresh) n (workspace_id, id, old_access, new_access, old_refresh, new_refresh)
    where r.workspace_id = n.workspace_id and r.id = n.id and r.access_token = n.old_access and r.refresh_token is not distinct from n.old_refresh
      and (n.old_refresh is null) = (n.new_refresh is null) and n.new_access is not null;
    get diagnostics stored = row_count;
  else
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such place', 'places are tokens and revocations', '{"field": "place"}');
  end if;
  return stored;
end
$$;
comment on function analytics_private.sidecar_store_rotated(text, uuid[], uuid[], text[], text[], text[], text[], text[], text[]) is
  'puts values back that were sealed with another key; what changed since it was read is left alone. Returns how many were stored';

-- ---------------------------------------------------------------------------------------------------------------------
-- Upkeep

create or replace function analytics_private.purge_connections(max_count integer) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  ending record;
  account analytics.social_accounts;
  expired bigint;
  purged bigint;
  warned bigint := 0;
  n bigint;
begin
  with over as (
    select c.workspace_id, c.id from analytics.connections c
    where c.status in ('pending', 'choosing') and c.expires_at + case c.status when 'pending' then interval '5 minutes' else '0' end < clock_timestamp()
    order by c.expires_at limit max_count for update skip locked
  ), gone as (
    delete from analytics_private.connection_finds f using over where f.workspace_id = over.workspace_id and f.connection_id = over.id
  )
  -- Not revoked: at most providers that would end the accounts which came by an earlier consent of the same person.
  update analytics.connections c set status = 'expired', finished_at = clock_timestamp() from over where c.workspace_id = over.workspace_id and c.id = over.id;
  get diagnostics expired = row_count;
  delete from analytics.connections c where (c.workspace_id, c.id) in (
    select o.workspace_id, o.id from analytics.connections o
    where o.finished_at < now() - analytics_private.setting_interval('connection_retention') order by o.finished_at limit max_count for update skip locked);
  get diagnostics purged = row_count;
  delete from analytics.notices x where (x.workspace_id, x.id) in (
    select o.workspace_id, o.id from analytics.notices o
    where o.settled_at < now() - analytics_private.setting_interval('connection_retention') order by o.settled_at limit max_count for update skip locked);
  get diagnostics n = row_count;
  purged := purged + n;

  -- An access that nothing renews: members are warned, and told when it is over.
  for ending in
    select t.workspace_id, t.social_account_id, t.provider, t.expires_at, t.expires_at <= clock_timestamp() as over
    from analytics_private.oauth_tokens t join analytics.social_accounts a on a.workspace_id = t.workspace_id and a.id = t.social_account_id
    where t.refresh_at is null and t.expires_at <= clock_timestamp() + analytics_private.setting_interval('expiry_warning')
      and (a.status = 'active' or a.status in ('expiring', 'needs_review') and t.expires_at <= clock_timestamp())
    order by t.expires_at limit max_count
  loop
    select a.* into account from analytics.social_accounts a where a.workspace_id = ending.workspace_id and a.id = ending.social_account_id for no key update skip locked;
    continue when not found or account.status in ('disconnected', 'reconnect_required');
    if ending.over then
      perform analytics_private.set_account_status(account, 'reconnect_required', format('the access has run out, and %s offers no renewal of it', analytics_private.platform_in_words(ending.provider)),
        'connect the account again; its history stays');
      perform analytics_private.tell_member(account, 'reconnect_required', format('the access to %s %s has run out', analytics_private.platform_in_words(account.platform), account.handle),
        'connect the account again; its history stays');
      perform analytics_private.write_audit('connection.lost', 'social_account', account.id, jsonb_build_object('provider', ending.provider, 'kind', 'expired'), account.workspace_id);
    else
      perform analytics_private.set_account_status(account, 'expiring',
        format('the access ends on %s UTC, and %s offers no renewal of it', to_char(ending.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), analytics_private.platform_in_words(ending.provider)),
        'connect the account again before; its history stays');
      perform analytics_private.tell_member(account, 'expiring',
        format('the access to %s %s ends on %s UTC', analytics_private.platform_in_words(account.platform), account.handle, to_char(ending.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')),
        'connect the account again before; its history stays');
    end if;
    warned := warned + 1;
  end loop;
  return jsonb_build_object('connections_expired', expired, 'connections_purged', purged, 'accesses_ending', warned);
end
$$;
comment on function analytics_private.purge_connections(integer) is 'upkeep of connections: ends those whose time is over and wipes what they found, forgets old ones, warns of accesses that end';
