-- Unlocking: the only way a window opens.

-- Which workspace pays: the one named, if the caller belongs to it, else his own.
create or replace function analytics_private.paying_workspace(caller uuid, workspace_id uuid) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  payer uuid := workspace_id;
begin
  if payer is null then
    select u.default_workspace_id into payer from analytics.users u where u.id = caller;
  end if;
  if payer is null or payer <> all (analytics_private.workspace_ids('analyst')) then
    perform analytics_private.raise_error(case when workspace_id is null then 'FORBIDDEN' else 'NOT_FOUND' end,
      'there is no such active workspace among yours', 'analytics.me() lists your workspaces');
  end if;
  return payer;
end
$$;

create or replace function analytics_private.unlock_one(caller uuid, payer uuid, name text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- The time by which the policies judge windows: what is unlocked can be read in the same statement.
  moment constant timestamptz := statement_timestamp();
  profile record;
  access record;
  opened boolean := false;
  fresh boolean;
  state text;
begin
  -- Locked as the window's foreign key will lock it: a row known by name alone may just be merged into its account.
  loop
    select p.id, p.captured_at, p.failed_at, p.failure_code, p.failure_message into profile
    from analytics.profiles p where p.username = name for key share;
    if found and profile.captured_at is null then
      -- Its fetch may be failing in this instant: then wait for it to say so.
      select p.id, p.captured_at, p.failed_at, p.failure_code, p.failure_message into profile
      from analytics.profiles p where p.username = name for share;
    end if;
    exit when found;
    if exists (select from analytics_private.erased_people) and analytics_private.is_erased(name) then
      return jsonb_build_object('username', name, 'profile_id', null, 'state', 'failed', 'opened', false, 'stale', false, 'captured_at', null,
        'window', null, 'reason', jsonb_build_object('code', 'FORBIDDEN', 'message', 'this person was removed on request'));
    end if;
    insert into analytics.profiles (username) values (name) on conflict on constraint profiles_username_key do nothing;
  end loop;

  if profile.captured_at is null and profile.failed_at > moment - analytics_private.setting_interval('failure_memory') then
    return jsonb_build_object('username', name, 'profile_id', profile.id, 'state', 'failed', 'opened', false, 'stale', false, 'captured_at', null,
      'window', null, 'reason', jsonb_build_object('code', profile.failure_code, 'message', profile.failure_message,
        'retry_at', profile.failed_at + analytics_private.setting_interval('failure_memory')));
  end if;

  -- While a window is open this changes nothing; after it ended, or at first, a new one opens now.
  insert into analytics.user_profile_access as a (user_id, profile_id, workspace_id, granted_at, expires_at)
  values (caller, profile.id, payer, moment, moment + analytics_private.setting_interval('access_window'))
  on conflict on constraint user_profile_access_once do update set
    granted_at = excluded.granted_at, expires_at = excluded.expires_at, workspace_id = excluded.workspace_id
  where a.expires_at <= excluded.granted_at
  returning a.granted_at, a.expires_at into access;
  opened := found;
  if not opened then
    select a.granted_at, a.expires_at into strict access from analytics.user_profile_access a
    where a.user_id = caller and a.profile_id = profile.id;
  end if;

  fresh := profile.captured_at > moment - analytics_private.setting_interval('freshness');
  -- A fetch that failed lately is not tried again at every call; what is stored stays readable.
  if fresh is not true and (profile.failed_at > moment - analytics_private.setting_interval('failure_memory')) is not true then
    perform analytics_private.enqueue_job('instagram_profile', name, jsonb_build_object('username', name), 100, payer);
  end if;
  if opened then
    perform analytics_private.record_search(caller, 'unlock', instagram_username => name, profile_id => profile.id,
      data_source => case when fresh then 'database_cache' else 'fresh_fetch' end);
  end if;
  state := case when profile.captured_at is null then 'pending' else 'ready' end;
  return jsonb_build_object('username', name, 'profile_id', profile.id, 'state', state, 'reason', null,
    'window', jsonb_build_object('from', access.granted_at, 'to', access.expires_at),
    'opened', opened, 'stale', fresh is not true, 'captured_at', profile.captured_at);
end
$$;

-- Definer: windows, jobs and stubs are written by this function only; it checks the caller itself.
create or replace function analytics_private.unlock_profile(username text, workspace_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  verdict record;
begin
  select * into verdict from analytics_private.check_username(unlock_profile.username);
  if verdict.problem is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', verdict.problem, verdict.hint, '{"field": "username"}');
  end if;
  return analytics_private.unlock_one(caller, analytics_private.paying_workspace(caller, unlock_profile.workspace_id), verdict.username);
end
$$;

create or replace function analytics.unlock_profile(username text, workspace_id uuid default null) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.unlock_profile(unlock_profile.username, unlock_profile.workspace_id);
end
$$;
comment on function analytics.unlock_profile(text, uuid) is
$$opens a window on an Instagram profile and has it fetched if it is missing or stale
username: a handle, @handle or profile URL. workspace_id: who pays; default: the caller's own workspace. Call it again to see how the fetch goes: while the window is open nothing else changes.
Returns {username, profile_id, state: ready|pending|failed, reason: null|{code, message, retry_at}, window: {from, to}, opened, stale, captured_at}; the window is half open and ends at "to". A profile that cannot be fetched fails with the reason and opens nothing.
Errors: VALIDATION_ERROR (no such handle can exist), UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such workspace among the caller's), RATE_LIMITED (the workspace has too many fetches waiting).
Example: select analytics.unlock_profile('@natgeo') ->> 'state'$$;

create or replace function analytics_private.unlock_profiles(usernames text[], workspace_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  payer uuid;
  verdict record;
  results jsonb := '[]'::jsonb;
begin
  if usernames is null or cardinality(usernames) not between 1 and 100 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'give 1 to 100 usernames', null, '{"field": "usernames"}');
  end if;
  payer := analytics_private.paying_workspace(caller, unlock_profiles.workspace_id);
  -- In one order for every caller, so that two calls for the same profiles never wait for each other in a circle.
  for verdict in
    select c.username, c.problem, min(u.position) as position
    from unnest(usernames) with ordinality as u (name, position) cross join lateral analytics_private.check_username(u.name) c
    group by c.username, c.problem, case when c.username is null then u.position end
    order by c.username
  loop
    results := results || jsonb_build_array(jsonb_build_object('position', verdict.position) || case
      when verdict.problem is not null then jsonb_build_object('username', null, 'profile_id', null, 'state', 'failed', 'opened', false,
        'stale', false, 'captured_at', null, 'window', null,
        'reason', jsonb_build_object('code', 'VALIDATION_ERROR', 'message', verdict.problem))
      else analytics_private.unlock_one(caller, payer, verdict.username) end);
  end loop;
  return (select jsonb_agg(r - 'position' order by (r ->> 'position')::bigint) from jsonb_array_elements(results) r);
end
$$;

create or replace function analytics.unlock_profiles(usernames text[], workspace_id uuid default null) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select analytics_private.unlock_profiles(unlock_profiles.usernames, unlock_profiles.workspace_id)
$$;
comment on function analytics.unlock_profiles(text[], uuid) is
$$unlock_profile for 1 to 100 names at once
Returns an array of its answers in the order of the names, doubles once; a malformed name is state failed with reason VALIDATION_ERROR and does not stop the others.
Errors: VALIDATION_ERROR (number of names), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's), RATE_LIMITED (too many fetches waiting: none of the names is taken).
Example: select analytics.unlock_profiles(array['natgeo', 'https://www.instagram.com/nasa/'])$$;

-- The profile behind a name, if the caller's window on it is open; the same answer for closed, foreign and unknown ones.
create or replace function analytics_private.open_profile(username text) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  verdict record;
  profile_id uuid;
begin
  perform analytics_private.require_user();
  select * into verdict from analytics_private.check_username(open_profile.username);
  if verdict.problem is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', verdict.problem, verdict.hint, '{"field": "username"}');
  end if;
  select p.id into profile_id from analytics.profiles p where p.username = verdict.username and analytics_private.may_read_profile(p.id);
  if profile_id is null then
    perform analytics_private.raise_error('NOT_FOUND', format('profile "%s" is not unlocked', verdict.username),
      'open a window with analytics.unlock_profile(username)');
  end if;
  return profile_id;
end
$$;

create or replace function analytics_private.refresh_profile(username text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  profile_id constant uuid := analytics_private.open_profile(refresh_profile.username);
  profile analytics.profiles;
  access record;
  fresh boolean;
begin
  select p.* into strict profile from analytics.profiles p where p.id = profile_id;
  select a.workspace_id, a.granted_at, a.expires_at into strict access from analytics.user_profile_access a
  where a.user_id = caller and a.profile_id = profile.id;
  fresh := profile.captured_at > clock_timestamp() - analytics_private.setting_interval('freshness');
  if fresh is not true then
    perform analytics_private.enqueue_job('instagram_profile', profile.username, jsonb_build_object('username', profile.username), 100, access.workspace_id);
    perform analytics_private.record_search(caller, 'refresh', instagram_username => profile.username, profile_id => profile.id, data_source => 'fresh_fetch');
  end if;
  return jsonb_build_object('username', profile.username, 'profile_id', profile.id, 'state', case when profile.captured_at is null then 'pending' else 'ready' end,
    'refreshing', fresh is not true, 'stale', fresh is not true, 'captured_at', profile.captured_at,
    'window', jsonb_build_object('from', access.granted_at, 'to', access.expires_at));
end
$$;

create or replace function analytics.refresh_profile(username text) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.refresh_profile(refresh_profile.username) $$;
comment on function analytics.refresh_profile(text) is
$$has an unlocked profile fetched again unless its data is fresh (setting freshness)
Returns {username, profile_id, state, refreshing, stale, captured_at, window}. Nothing is deleted, nobody else's access changes. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (not unlocked), RATE_LIMITED (the workspace has too many fetches waiting).
Example: select analytics.refresh_profile('natgeo') -> 'refreshing'$$;

create or replace function analytics_private.favorite_profile(username text, notes text, tags text[]) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  profile constant uuid := analytics_private.open_profile(favorite_profile.username);
  stored analytics.user_favorites;
begin
  if length(favorite_profile.notes) > 5000 or cardinality(favorite_profile.tags) > 50
     or exists (select from unnest(favorite_profile.tags) as t where t is null or length(t) not between 1 and 100) then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'notes have at most 5000 characters, tags are at most 50 of 1 to 100 characters');
  end if;
  insert into analytics.user_favorites as f (user_id, profile_id, notes, tags)
  values (caller, profile, favorite_profile.notes, coalesce(favorite_profile.tags, '{}'))
  on conflict on constraint user_favorites_once do update set
    notes = coalesce(excluded.notes, f.notes),
    tags = case when favorite_profile.tags is null then f.tags else excluded.tags end
  returning * into stored;
  return jsonb_build_object('profile_id', stored.profile_id, 'added_at', stored.added_at, 'notes', stored.notes, 'tags', to_jsonb(stored.tags));
end
$$;

create or replace function analytics.favorite_profile(username text, notes text default null, tags text[] default null) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select analytics_private.favorite_profile(favorite_profile.username, favorite_profile.notes, favorite_profile.tags)
$$;
comment on function analytics.favorite_profile(text, text, text[]) is
$$saves an unlocked profile, or changes notes and tags of a saved one; what is null stays as it was
Returns {profile_id, added_at, notes, tags}. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (not unlocked).
Example: select analytics.favorite_profile('natgeo', notes => 'for the spring campaign', tags => array['nature'])$$;

-- Works after the window ended too: a mark can always be taken away.
create or replace function analytics_private.unfavorite_profile(username text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  verdict record;
begin
  select * into verdict from analytics_private.check_username(unfavorite_profile.username);
  if verdict.problem is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', verdict.problem, verdict.hint, '{"field": "username"}');
  end if;
  delete from analytics.user_favorites f using analytics.profiles p
  where f.user_id = caller and p.id = f.profile_id and p.username = verdict.username;
  return found;
end
$$;

create or replace function analytics.unfavorite_profile(username text) returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$ select analytics_private.unfavorite_profile(unfavorite_profile.username) $$;
comment on function analytics.unfavorite_profile(text) is
$$takes a profile off the caller's favourites; true if it was there
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active).
Example: select analytics.unfavorite_profile('natgeo')$$;
