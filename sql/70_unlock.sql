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

-- The row of a name, made if there is none, and the caller's window on it. Locked as the window's foreign key will lock it:
-- a row known by name alone may just be merged into its account. Null in profile_id: the person was removed on request. The
-- two settings that every unlock needs come along, for a query less each.
create or replace function analytics_private.unlock_target(
  caller uuid, name text, out profile_id uuid, out captured_at timestamptz, out failed_at timestamptz, out failure_code text, out failure_message text,
  out granted_at timestamptz, out expires_at timestamptz, out access_window interval, out freshness interval
) language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  loop
    select p.id, p.captured_at, p.failed_at, p.failure_code, p.failure_message, a.granted_at, a.expires_at,
      (select s.value::interval from analytics_private.settings s where s.name = 'access_window'),
      (select s.value::interval from analytics_private.settings s where s.name = 'freshness')
    into unlock_target.profile_id, unlock_target.captured_at, unlock_target.failed_at, unlock_target.failure_code, unlock_target.failure_message,
      unlock_target.granted_at, unlock_target.expires_at, unlock_target.access_window, unlock_target.freshness
    from analytics.profiles p
      -- Lateral, with a limit: a plan made while the table was small would read all windows of the caller.
      left join lateral (select a.granted_at, a.expires_at from analytics.user_profile_access a where a.user_id = caller and a.profile_id = p.id limit 1) a on true
    where p.username = name for key share of p;
    if found and unlock_target.captured_at is null then
      -- Its fetch may be failing in this instant: then wait for it to say so, and look at the window after that.
      select p.id, p.captured_at, p.failed_at, p.failure_code, p.failure_message
      into unlock_target.profile_id, unlock_target.captured_at, unlock_target.failed_at, unlock_target.failure_code, unlock_target.failure_message
      from analytics.profiles p where p.username = name for share;
      select a.granted_at, a.expires_at into unlock_target.granted_at, unlock_target.expires_at
      from analytics.user_profile_access a where a.user_id = caller and a.profile_id = unlock_target.profile_id;
    end if;
    exit when unlock_target.profile_id is not null;
    if exists (select from analytics_private.erased_people) and analytics_private.is_erased(name) then
      return;
    end if;
    insert into analytics.profiles (username) values (name) on conflict on constraint profiles_username_key do nothing;
  end loop;
end
$$;

-- What is left of what could pay for an unlock.
create or replace function analytics_private.unlock_shortage(payer uuid, price bigint, balance bigint) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  state constant record := analytics_private.quota_state(payer, 'profile_unlocks', clock_timestamp());
begin
  return jsonb_build_object('resource', 'profile_unlocks', 'limit', state.allowed, 'used', state.used, 'resets_at', state.resets_at,
    'price', unlock_shortage.price, 'balance', unlock_shortage.balance);
end
$$;

-- The answer for a window that is open, and beside it "fetch".
create or replace function analytics_private.unlock_answer(
  name text, profile_id uuid, captured_at timestamptz, failed_at timestamptz, granted_at timestamptz, expires_at timestamptz, opened boolean,
  moment timestamptz, freshness interval
) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  is_fresh constant boolean := coalesce(unlock_answer.captured_at > moment - freshness, false);
begin
  return jsonb_build_object('username', name, 'profile_id', unlock_answer.profile_id, 'reason', null,
    'state', case when unlock_answer.captured_at is null then 'pending' else 'ready' end,
    'window', jsonb_build_object('from', unlock_answer.granted_at, 'to', unlock_answer.expires_at),
    'opened', opened, 'stale', not is_fresh, 'captured_at', unlock_answer.captured_at,
    -- A fetch that failed lately is not tried again at every call; what is stored stays readable.
    'fetch', not is_fresh and (unlock_answer.failed_at > moment - analytics_private.setting_interval('failure_memory')) is not true);
end
$$;

-- Opens the caller's window and has it paid for, in this transaction. Returns the answer of unlock_profile and, beside it,
-- "fetch": whether the profile is to be fetched. Locks in the order profile, quota counter, wallet, window.
create or replace function analytics_private.open_window(caller uuid, payer uuid, name text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- The time by which the policies judge windows.
  moment constant timestamptz := statement_timestamp();
  profile record;
  access record;
  charge record;
  window_id uuid;
  payment text;
  payment_period timestamptz;
  credit_transaction uuid;
  opened boolean := false;
  failure jsonb;
begin
  profile := analytics_private.unlock_target(caller, name);
  if profile.profile_id is null then
    failure := jsonb_build_object('code', 'FORBIDDEN', 'message', 'this person was removed on request');
  elsif profile.captured_at is null and profile.failed_at > moment - analytics_private.setting_interval('failure_memory') then
    failure := jsonb_build_object('code', profile.failure_code, 'message', profile.failure_message,
      'retry_at', profile.failed_at + analytics_private.setting_interval('failure_memory'));
  elsif (profile.expires_at > moment) is not true then
    payment_period := analytics_private.try_take_units(payer, 'profile_unlocks');
    payment := 'quota';
    if payment_period is null then
      -- Whoever came first in this workspace has let go of the wallet now: the window may be open meanwhile.
      perform analytics_private.lock_wallet(payer);
      select a.id, a.granted_at, a.expires_at into window_id, profile.granted_at, profile.expires_at from analytics.user_profile_access a
      where a.user_id = caller and a.profile_id = profile.profile_id;
      if (profile.expires_at > moment) is not true then
        window_id := coalesce(window_id, analytics.uuidv7());
        payment := 'credits';
        select * into charge from analytics_private.try_charge_credits(payer, 'unlock_profile', window_id, 'unlock ' || analytics.uuidv7());
        credit_transaction := charge.transaction_id;
        if credit_transaction is null then
          failure := jsonb_build_object('code', 'PAYMENT_REQUIRED', 'message', 'no unlocks are left in this period, and the credits do not cover one')
            || analytics_private.unlock_shortage(payer, charge.price, charge.balance);
        end if;
      end if;
    end if;
    if payment_period is not null or credit_transaction is not null then
      insert into analytics.user_profile_access as a (id, user_id, profile_id, workspace_id, granted_at, expires_at, payment, payment_period, credit_transaction_id)
      values (coalesce(window_id, analytics.uuidv7()), caller, profile.profile_id, payer, moment, moment + profile.access_window,
        payment, payment_period, credit_transaction)
      on conflict on constraint user_profile_access_once do update set
        granted_at = excluded.granted_at, expires_at = excluded.expires_at, workspace_id = excluded.workspace_id,
        payment = excluded.payment, payment_period = excluded.payment_period, credit_transaction_id = excluded.credit_transaction_id
      where a.expires_at <= excluded.granted_at
      returning a.granted_at, a.expires_at into access;
      opened := found;
      if opened then
        perform analytics_private.write_audit('profile.unlocked', 'profile', profile.profile_id, jsonb_build_object('payment', payment), payer);
        profile.granted_at := access.granted_at;
        profile.expires_at := access.expires_at;
      else
        -- Opened by another call of the same user in between: nothing is taken for the second.
        if payment_period is not null then
          perform analytics_private.give_back_units(payer, 'profile_unlocks', 1, payment_period);
        else
          perform analytics_private.refund_credits(payer, credit_transaction, 'the window was open already');
        end if;
        select a.granted_at, a.expires_at into strict profile.granted_at, profile.expires_at from analytics.user_profile_access a
        where a.user_id = caller and a.profile_id = profile.profile_id;
      end if;
    end if;
  end if;

  if failure is not null then
    return jsonb_build_object('username', name, 'profile_id', profile.profile_id, 'state', 'failed', 'opened', false, 'stale', false,
      'captured_at', null, 'window', null, 'reason', failure);
  end if;
  return analytics_private.unlock_answer(name, profile.profile_id, profile.captured_at, profile.failed_at, profile.granted_at, profile.expires_at, opened,
    moment, profile.freshness);
end
$$;

-- Several windows of one user are opened by one call at a time, or two that are paid by two workspaces could wait for each
-- other's windows. A call for one name does not wait here.
create or replace function analytics_private.open_in_turn(caller uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from analytics.users u where u.id = caller for no key update;
end
$$;

-- open_window for many names at once, where that is simple: all of them known and fetched, and the quota pays for all that open.
-- Null where it is not; nothing is taken then. Answers in the order of the names, which are all different.
create or replace function analytics_private.open_windows(caller uuid, payer uuid, names text[]) returns jsonb[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  moment constant timestamptz := statement_timestamp();
  access_window constant interval := analytics_private.setting_interval('access_window');
  freshness constant interval := analytics_private.setting_interval('freshness');
  profiles uuid[];
  closed uuid[];
  opened uuid[] := array[]::uuid[];
  period timestamptz;
begin
  if (select count(*) from analytics.profiles p where p.username = any (names) and p.captured_at is not null) < cardinality(names) then
    return null;
  end if;
  -- In the order in which unlock_target is called for them.
  profiles := array(select l.id from (select p.id from analytics.profiles p where p.username = any (names) and p.captured_at is not null order by p.username for key share) l);
  if cardinality(profiles) < cardinality(names) then
    return null;
  end if;
  perform analytics_private.open_in_turn(caller);
  closed := array(
    select p.id from unnest(profiles) p (id)
      left join lateral (select a.expires_at from analytics.user_profile_access a where a.user_id = caller and a.profile_id = p.id limit 1) a on true
    where (a.expires_at > moment) is not true order by p.id);
  if closed <> '{}' then
    period := analytics_private.try_take_units(payer, 'profile_unlocks', cardinality(closed));
    if period is null then
      return null;
    end if;
    with access as (
      insert into analytics.user_profile_access as a (id, user_id, profile_id, workspace_id, granted_at, expires_at, payment, payment_period)
      select analytics.uuidv7(), caller, p.id, payer, moment, moment + access_window, 'quota', period from unnest(closed) p (id)
      on conflict on constraint user_profile_access_once do update set
        granted_at = excluded.granted_at, expires_at = excluded.expires_at, workspace_id = excluded.workspace_id,
        payment = excluded.payment, payment_period = excluded.payment_period, credit_transaction_id = null
      where a.expires_at <= excluded.granted_at
      returning a.profile_id)
    select coalesce(array_agg(a.profile_id), '{}') into opened from access a;
    -- Opened by another call of the same user in between: nothing is taken for the second.
    if cardinality(opened) < cardinality(closed) then
      perform analytics_private.give_back_units(payer, 'profile_unlocks', cardinality(closed) - cardinality(opened), period);
    end if;
    perform analytics_private.write_audit('profile.unlocked', 'profile', p.id, '{"payment": "quota"}', payer) from unnest(opened) p (id);
  end if;
  return array(
    select analytics_private.unlock_answer(n.name, p.id, p.captured_at, p.failed_at, a.granted_at, a.expires_at, p.id = any (opened), moment, freshness)
    from unnest(names) with ordinality n (name, position)
      join analytics.profiles p on p.username = n.name
      cross join lateral (select a.granted_at, a.expires_at from analytics.user_profile_access a where a.user_id = caller and a.profile_id = p.id limit 1) a
    order by n.position);
end
$$;

-- What follows from answers of open_window: the fetches, in the order of the names, and the records. Returns the answers as the
-- client gets them.
create or replace function analytics_private.follow_unlocks(caller uuid, payer uuid, answers jsonb[]) returns jsonb[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  fetched text[] := array[]::text[];
  name text;
begin
  for place in 1..cardinality(answers) loop
    if (answers[place] ->> 'fetch')::boolean then
      fetched := fetched || (answers[place] ->> 'username');
    end if;
    answers[place] := answers[place] - 'fetch';
  end loop;
  if fetched <> '{}' then
    for name in select f from unnest(fetched) f order by f loop
      perform analytics_private.enqueue_job('instagram_profile', name, jsonb_build_object('username', name), 100, payer);
    end loop;
  end if;
  insert into analytics.user_searches (user_id, analysis_type, instagram_username, profile_id, data_source, search_duration_ms, ip_address, user_agent)
  select caller, 'unlock', a ->> 'username', (a ->> 'profile_id')::uuid, case when (a ->> 'stale')::boolean then 'fresh_fetch' else 'database_cache' end,
    extract(epoch from clock_timestamp() - statement_timestamp()) * 1000, analytics_private.request_ip()::inet, analytics_private.request_user_agent()
  from unnest(answers) a where (a ->> 'opened')::boolean;
  return answers;
end
$$;

-- Definer: windows, jobs and stubs are written by this function only; it checks the caller itself.
create or replace function analytics_private.unlock_profile(username text, workspace_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
  caller constant uuid := analytics_private.require_user();
  payer uuid;
  verdict record;
  answer jsonb;
begin
  select * into verdict from analytics_private.check_username(unlock_profile.username);
  if verdict.problem is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', verdict.problem, verdict.hint, '{"field": "username"}');
  end if;
  payer := analytics_private.paying_workspace(caller, unlock_profile.workspace_id);
  answer := analytics_private.open_window(caller, payer, verdict.username);
  if answer #>> '{reason,code}' = 'PAYMENT_REQUIRED' then
    perform analytics_private.raise_error('PAYMENT_REQUIRED', answer #>> '{reason,message}', 'wait for the next period, take a larger plan or buy credits',
      (answer -> 'reason') - '{code,message}'::text[]);
  end if;
  return (analytics_private.follow_unlocks(caller, payer, array[answer]))[1];
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
A window that opens is paid with one of the workspace's profile_unlocks, without one left with credits; a fetch that fails for good gives that back. What is opened can be read once the call's transaction has ended.
Errors: VALIDATION_ERROR (no such handle can exist), UNAUTHORIZED, PAYMENT_REQUIRED (details: resource, limit, used, resets_at, price, balance), FORBIDDEN (user not active), NOT_FOUND (no such workspace among the caller's), RATE_LIMITED (the workspace has too many fetches waiting).
Example: select analytics.unlock_profile('@natgeo') ->> 'state'$$;

create or replace function analytics_private.unlock_profiles(usernames text[], workspace_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
  caller constant uuid := analytics_private.require_user();
  payer uuid;
  names text[];
  sorted text[];
  name text;
  problems text[];
  problem text;
  opened jsonb[];
  place integer := 0;
  answers jsonb[];
begin
  if usernames is null or cardinality(usernames) not between 1 and 100 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'give 1 to 100 usernames', null, '{"field": "usernames"}');
  end if;
  payer := analytics_private.paying_workspace(caller, unlock_profiles.workspace_id);
  -- What there is to pay with goes to the names that were given first.
  select array_agg(v.username order by v.position) filter (where v.problem is null), array_agg(v.username order by v.username) filter (where v.problem is null),
    array_agg(v.problem order by v.position)
  into names, sorted, problems
  from (select c.username, c.problem, min(u.position) as position
        from unnest(usernames) with ordinality as u (name, position) cross join lateral analytics_private.check_username(u.name) c
        group by c.username, c.problem, case when c.username is null then u.position end) v;
  if names is not null then
    opened := analytics_private.open_windows(caller, payer, names);
    if opened is null then
      -- What others may wait for is taken in one order by every caller, so that two never wait for each other in a circle: all
      -- profiles by name, then the payment, then the jobs by name.
      foreach name in array sorted loop
        perform analytics_private.unlock_target(caller, name);
      end loop;
      perform analytics_private.open_in_turn(caller);
      foreach name in array names loop
        opened := array_append(opened, analytics_private.open_window(caller, payer, name));
      end loop;
    end if;
    opened := analytics_private.follow_unlocks(caller, payer, opened);
  end if;
  foreach problem in array problems loop
    if problem is null then
      place := place + 1;
    end if;
    answers := array_append(answers, case
      when problem is null then opened[place]
      else jsonb_build_object('username', null, 'profile_id', null, 'state', 'failed', 'opened', false,
        'stale', false, 'captured_at', null, 'window', null,
        'reason', jsonb_build_object('code', 'VALIDATION_ERROR', 'message', problem)) end);
  end loop;
  return to_jsonb(answers);
end
$$;

create or replace function analytics.unlock_profiles(usernames text[], workspace_id uuid default null) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select analytics_private.unlock_profiles(unlock_profiles.usernames, unlock_profiles.workspace_id)
$$;
comment on function analytics.unlock_profiles(text[], uuid) is
$$unlock_profile for 1 to 100 names at once
Returns an array of its answers in the order of the names, doubles once; a malformed name is state failed with reason VALIDATION_ERROR and does not stop the others. What the workspace has left pays for the first names; the others are state failed with reason PAYMENT_REQUIRED {resource, limit, used, resets_at, price, balance}.
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
    perform analytics_private.write_audit('profile.refreshed', 'profile', profile.id, '{}', access.workspace_id);
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
