-- Questions about followers: who came and went, who was there at a moment, whom accounts have in common.
--
-- Everything here runs with the caller's rights and sees the lists that row-level security shows him. Sets hold the numbers of
-- platform_users, so they can be compared within one workspace and platform only. Stored sets are never rewritten: where two
-- numbers turned out to be one person, whoever reads puts the one for the other (alias_of).

-- Reading the changes of an account must not pass over lists that changed nothing; with one list every 15 minutes nearly all do.
create index if not exists follower_snapshots_changes on analytics.follower_snapshots (workspace_id, social_account_id, captured_at)
  where in_chain and (gained is not null or lost is not null or gone is not null);

-- ---------------------------------------------------------------------------------------------------------------------
-- Helpers

-- Opaque places in a list: base64url of whole numbers.
create or replace function analytics_private.encode_place(place bigint[]) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select translate(encode(convert_to(array_to_string(place, ' '), 'UTF8'), 'base64'), E'+/=\n', '-_')
$$;

create or replace function analytics_private.decode_place(cursor text, length integer) returns bigint[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  place bigint[];
begin
  if cursor is null then
    return null;
  end if;
  begin
    if octet_length(cursor) > 200 then
      raise data_exception;
    end if;
    place := string_to_array(convert_from(decode(rpad(translate(cursor, '-_', '+/'), (octet_length(cursor) + 3) / 4 * 4, '='), 'base64'), 'UTF8'), ' ')::bigint[];
    if cardinality(place) <> decode_place.length or array_position(place, null) is not null then
      raise data_exception;
    end if;
    -- The first is a time, or far from one that would be refused.
    perform analytics_private.from_microseconds(place[1]);
  exception when others then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'this cursor was not given out by a page', 'pass next_cursor of the page before, or leave it out', '{"field": "after"}');
  end;
  return place;
end
$$;

create or replace function analytics_private.to_microseconds(moment timestamptz) returns bigint
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select (extract(epoch from moment) * 1000000)::bigint
$$;

create or replace function analytics_private.from_microseconds(microseconds bigint) returns timestamptz
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select timestamptz 'epoch' + (microseconds / 1000000) * interval '1 second' + (microseconds % 1000000) * interval '1 microsecond'
$$;

create or replace function analytics_private.check_relation(relation text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if relation is null or relation not in ('followers', 'following') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'relation is followers or following', null, '{"field": "relation"}');
  end if;
  return relation;
end
$$;

create or replace function analytics_private.check_period(since timestamptz, until timestamptz) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if since is null or until is null or not isfinite(since) or not isfinite(until) or since >= until then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'since and until are two times, the earlier one first', null, '{"field": "since"}');
  end if;
end
$$;

-- What a call may take into memory. 256 MB are some hundred million followers.
create or replace function analytics_private.check_set_bytes(bytes bigint, remedy text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if bytes > 268435456 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'this question takes more than 256 MB of follower sets', remedy);
  end if;
end
$$;

create or replace function analytics_private.audience_account(account_id uuid) returns analytics.social_accounts
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.require_user();
  return analytics_private.own_account(audience_account.account_id, 'analyst');
end
$$;
comment on function analytics_private.audience_account(uuid) is 'an account of the caller''s workspaces; errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND';

-- The newest list at a moment, and who was believed to be there after it. seen_at: when that list was captured last, up to the
-- moment. knows_all: whoever is not among people was not there, as some complete list says; otherwise he may have been.
create or replace function analytics_private.audience_at(
  account analytics.social_accounts, moment timestamptz, relation text,
  out captured_at timestamptz, out confirmed_at timestamptz, out seen_at timestamptz, out source text, out completeness numeric, out is_complete boolean, out in_chain boolean,
  out knows_all boolean, out people analytics.follower_set
) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  at constant timestamptz := coalesce(audience_at.moment, 'infinity');
  list record;
  confirmed record;
  alias record;
begin
  select s.captured_at, s.confirmed_at, s.source, s.completeness, s.is_complete, s.in_chain, s.keyframe into list
  from analytics.follower_snapshots s
  where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = audience_at.relation and s.captured_at <= at
  order by s.captured_at desc limit 1;
  if not found then
    return;
  end if;
  if not list.in_chain then
    -- A list that came late does not stand against an earlier one that was captured once more after it. That is one of the chain, or
    -- one that came late itself, too; none from before the last of the chain.
    select s.captured_at, s.confirmed_at, s.source, s.completeness, s.is_complete, s.in_chain, s.keyframe into confirmed
    from analytics.follower_snapshots s
    where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = audience_at.relation
      and s.captured_at >= coalesce((
        select max(c.captured_at) from analytics.follower_snapshots c
        where c.workspace_id = account.workspace_id and c.social_account_id = account.id and c.relation = audience_at.relation and c.captured_at < list.captured_at and c.in_chain), '-infinity')
      and s.captured_at < list.captured_at and s.confirmed_at > list.captured_at and s.confirmed_at <= at
    order by s.confirmed_at desc limit 1;
    if found then
      list := confirmed;
    end if;
  end if;
  captured_at := list.captured_at;
  confirmed_at := list.confirmed_at;
  seen_at := case when list.confirmed_at <= at then list.confirmed_at else list.captured_at end;
  source := list.source;
  completeness := list.completeness;
  is_complete := list.is_complete;
  in_chain := list.in_chain;
  knows_all := list.is_complete or list.in_chain and exists (
    select from analytics.follower_snapshots s
    where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = audience_at.relation
      and s.captured_at < list.captured_at and s.in_chain and s.is_complete);
  people := case when list.in_chain then analytics_private.believed_set(account.workspace_id, account.id, audience_at.relation, list.captured_at)
                 else list.keyframe::analytics.follower_set end;
  select * into alias from analytics_private.aliases(account.workspace_id, account.platform);
  if alias.from_numbers <> '{}' then
    people := analytics_private.remap(people, alias.from_numbers, alias.to_numbers);
  end if;
end
$$;
comment on function analytics_private.audience_at(analytics.social_accounts, timestamptz, text) is 'the newest list at a moment and the people believed to be there after it; all null before the first list';

-- People as a page shows them.
create or replace function analytics_private.person_json(person analytics.platform_users) returns jsonb
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return jsonb_build_object('user_id', coalesce(person.platform_user_id, person.handle), 'username', person.handle, 'full_name', person.full_name,
    'profile_pic_url', person.profile_pic_url, 'verified', person.is_verified, 'follower_count', person.follower_count,
    'details_at', person.details_at, 'extra_data', coalesce(person.extra_data, '{}'));
end
$$;

-- Looks people up by their numbers, however many there are in the workspace; hence the settings.
create or replace function analytics_private.people_page(account analytics.social_accounts, people analytics.follower_set, beyond bigint, size integer, out items jsonb, out last_number bigint)
language plpgsql stable set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  numbers constant bigint[] := array(select m from analytics.members(people_page.people, people_page.beyond, people_page.size + 1) m);
begin
  items := (
    select coalesce(jsonb_agg(analytics_private.person_json(u) || jsonb_build_object('number', n.number) order by n.number), '[]')
    from unnest(numbers[:people_page.size]) n (number)
      left join analytics.platform_users u on u.workspace_id = account.workspace_id and u.platform = account.platform and u.number = n.number);
  last_number := case when cardinality(numbers) > size then numbers[size] end;
end
$$;
comment on function analytics_private.people_page(analytics.social_accounts, analytics.follower_set, bigint, integer) is 'the next people of a set after a number; last_number is null when there are no more';

-- ---------------------------------------------------------------------------------------------------------------------
-- Changes, one row each, from the sets that are stored

-- Who came and who went with a list of the chain, each person by his number that is valid now. Where somebody had two numbers, the
-- list knew him as two people: he came only if he was there by neither before, and went only if he is there by neither after it.
create or replace function analytics_private.real_changes(
  workspace_id uuid, account_id uuid, relation text, captured_at timestamptz, gained bytea, lost bytea, gone bytea, from_numbers bigint[], to_numbers bigint[],
  out came analytics.follower_set, out unfollowed analytics.follower_set, out vanished analytics.follower_set
) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  numbers analytics.follower_set;
  others analytics.follower_set;
begin
  came := gained::analytics.follower_set;
  unfollowed := lost::analytics.follower_set;
  vanished := gone::analytics.follower_set;
  if from_numbers = '{}' then
    return;
  end if;
  numbers := analytics.set_union(from_numbers::analytics.follower_set, to_numbers::analytics.follower_set);
  if analytics.set_overlaps(came, numbers) then
    others := coalesce(analytics_private.believed_set(real_changes.workspace_id, real_changes.account_id, real_changes.relation, real_changes.captured_at - interval '1 microsecond'), '{}');
    came := analytics.set_difference(analytics_private.remap(came, from_numbers, to_numbers), analytics_private.remap(others, from_numbers, to_numbers));
  end if;
  if analytics.set_overlaps(unfollowed, numbers) or analytics.set_overlaps(vanished, numbers) then
    others := analytics_private.remap(analytics_private.believed_set(real_changes.workspace_id, real_changes.account_id, real_changes.relation, real_changes.captured_at), from_numbers, to_numbers);
    vanished := analytics.set_difference(analytics_private.remap(vanished, from_numbers, to_numbers), others);
    unfollowed := analytics.set_difference(analytics_private.remap(unfollowed, from_numbers, to_numbers), analytics.set_union(others, coalesce(vanished, '{}')));
  end if;
end
$$;
comment on function analytics_private.real_changes(uuid, uuid, text, timestamptz, bytea, bytea, bytea, bigint[], bigint[]) is
  'the sets of a list, as they are now that some of its numbers are known to be one person''s';

-- The people of one of the sets of a list. kind: 1 gained, 2 lost, 3 gone of the followers, 4 to 6 of those the account follows.
--
-- They are looked up by their numbers, all of a set at once: here and not by a join, because the planner cannot know how many a
-- set holds, and would read all people of the workspace, which are far more, or keep what is never asked for again.
create or replace function analytics_private.changed_people(
  workspace_id uuid, platform text, account_id uuid, captured_at timestamptz, kind integer, gained bytea, lost bytea, gone bytea, returned bytea, followed_at timestamptz[],
  from_numbers bigint[], to_numbers bigint[], beyond bigint default null, max_count bigint default null
) returns table (
  id uuid, number bigint, user_id text, username text, full_name text, profile_pic_url text, verified boolean, follower_count bigint, details_at timestamptz, extra_data jsonb,
  has_returned boolean, since timestamptz
) language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_nestloop = off set jit = off as $$
declare
  is_coming constant boolean := kind in (1, 4);
  people analytics.follower_set := (case kind when 1 then gained when 4 then gained when 2 then lost when 5 then lost else gone end)::analytics.follower_set;
  stored constant analytics.follower_set := people;
  with_times constant boolean := is_coming and followed_at is not null;
  comeback analytics.follower_set := case when is_coming then returned::analytics.follower_set end;
  numbers bigint[];
  times timestamptz[];
begin
  if from_numbers <> '{}' then
    select case when is_coming then r.came when kind in (2, 5) then r.unfollowed else r.vanished end into people
    from analytics_private.real_changes(changed_people.workspace_id, changed_people.account_id, case when kind <= 3 then 'followers' else 'following' end, changed_people.captured_at,
      case when is_coming then gained end, case when kind in (2, 5) then lost end, case when not is_coming then gone end, from_numbers, to_numbers) r;
    comeback := analytics_private.remap(comeback, from_numbers, to_numbers);
  end if;
  if with_times then
    -- The times are of the numbers as they were stored.
    select array_agg(p.number order by p.number), array_agg(p.since order by p.number) into numbers, times
    from (select coalesce(a.person, m.number), min(changed_people.followed_at[m.place])
          from analytics.members(stored) with ordinality m (number, place)
            left join unnest(changed_people.from_numbers, changed_people.to_numbers) a (number, person) on a.number = m.number
          where (changed_people.beyond is null or coalesce(a.person, m.number) > changed_people.beyond)
            and (changed_people.from_numbers = '{}' or analytics.contains(people, coalesce(a.person, m.number)))
          group by 1 order by 1 limit changed_people.max_count) p (number, since);
  elsif beyond is null and max_count is null then
    numbers := people::bigint[];
  else
    numbers := array(select m from analytics.members(people, changed_people.beyond, changed_people.max_count) m);
  end if;
  if numbers[cardinality(numbers)] - numbers[1] < 4 * cardinality(numbers) then
    -- Mostly neighbours, as people are who came with one list: read in one go.
    return query
      select analytics_private.change_id(changed_people.account_id, changed_people.captured_at, changed_people.kind, u.number), u.number,
        coalesce(u.platform_user_id, u.handle)::text, u.handle::text, u.full_name::text, u.profile_pic_url, u.is_verified, u.follower_count, u.details_at, coalesce(u.extra_data, '{}'),
        case when is_coming then coalesce(analytics.contains(comeback, u.number), false) end, n.since
      from analytics.platform_users u join unnest(numbers, times) n (number, since) on n.number = u.number
      where u.workspace_id = changed_people.workspace_id and u.platform = changed_people.platform and u.number between numbers[1] and numbers[cardinality(numbers)];
  else
    return query
      select analytics_private.change_id(changed_people.account_id, changed_people.captured_at, changed_people.kind, u.number), u.number,
        coalesce(u.platform_user_id, u.handle)::text, u.handle::text, u.full_name::text, u.profile_pic_url, u.is_verified, u.follower_count, u.details_at, coalesce(u.extra_data, '{}'),
        case when is_coming then coalesce(analytics.contains(comeback, u.number), false) end, n.since
      from analytics.platform_users u join unnest(numbers, times) n (number, since) on n.number = u.number
      where u.workspace_id = changed_people.workspace_id and u.platform = changed_people.platform and u.number = any (numbers);
  end if;
end
$$;
comment on function analytics_private.changed_people(uuid, text, uuid, timestamptz, integer, bytea, bytea, bytea, bytea, timestamptz[], bigint[], bigint[], bigint, bigint) is
  'the people of a stored set, in no order; at most max_count of those whose numbers are beyond one. Each is shown once, by the number of his that is valid now';

create or replace view analytics.follower_changes with (security_invoker = true) as
select c.id, s.workspace_id, s.social_account_id, s.relation::text as relation, k.change_type, c.user_id, c.username, s.captured_at as "timestamp",
  c.profile_pic_url, c.verified, c.follower_count, c.extra_data, c.has_returned as returned, c.since as followed_at
from analytics.social_accounts a
  cross join lateral analytics_private.aliases(a.workspace_id, a.platform::text) x
  join analytics.follower_snapshots s on s.workspace_id = a.workspace_id and s.social_account_id = a.id
    and s.in_chain and (s.gained is not null or s.lost is not null or s.gone is not null)
  join (values ('followers', 1, 'new_follower'), ('followers', 2, 'unfollower'), ('followers', 3, 'gone'),
               ('following', 4, 'new_following'), ('following', 5, 'unfollowing'), ('following', 6, 'gone')) k (relation, kind, change_type)
    on k.relation = s.relation and case k.kind when 1 then s.gained when 4 then s.gained when 2 then s.lost when 5 then s.lost else s.gone end is not null
  cross join lateral analytics_private.changed_people(s.workspace_id, a.platform::text, s.social_account_id, s.captured_at, k.kind, s.gained, s.lost, s.gone, s.returned, s.followed_at,
    x.from_numbers, x.to_numbers) c;
comment on view analytics.follower_changes is
  'who came and who went, one row for each change that a list showed. Filter by social_account_id and timestamp: a year of a large account has millions of rows';
comment on column analytics.follower_changes.id is 'derived from account, list, kind and person: the same at every reading';
comment on column analytics.follower_changes.relation is 'followers: he follows the account; following: the account follows him';
comment on column analytics.follower_changes.change_type is 'new_follower, unfollower, new_following, unfollowing; gone: deactivated or deleted, or removed here on request';
comment on column analytics.follower_changes.user_id is 'the platform''s id of the person, or his handle while no id is known; null when removed on request. Never compared with the id of a user of ours';
comment on column analytics.follower_changes."timestamp" is 'capture time of the list that showed it; it happened between the list before and this one';
comment on column analytics.follower_changes.follower_count is 'his own followers, at the newest capture of his details; null when unknown';
comment on column analytics.follower_changes.verified is 'null when unknown';
comment on column analytics.follower_changes.returned is 'new ones only: had been lost or gone before';
comment on column analytics.follower_changes.followed_at is 'since when he follows, where the source says it';

create or replace function analytics.follower_changes_page(
  account_id uuid, since timestamptz default null, until timestamptz default null, change_type text default null, after text default null, page_size integer default 50
) returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(follower_changes_page.account_id);
  size constant integer := analytics_private.check_page_size(follower_changes_page.page_size, 200);
  place constant bigint[] := analytics_private.decode_place(follower_changes_page.after, 3);
  place_at constant timestamptz := analytics_private.from_microseconds(place[1]);
  kinds constant text[] := array['new_follower', 'unfollower', 'gone', 'new_following', 'unfollowing', 'gone'];
  alias record;
  list record;
  first_kind integer;
  room integer;
  people bigint;
  found jsonb;
  last_number bigint;
  items jsonb := jsonb_build_array();
  last_place bigint[];
  more boolean := false;
begin
  if follower_changes_page.change_type <> all (kinds) then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such change_type', 'new_follower, unfollower, gone, new_following and unfollowing', '{"field": "change_type"}');
  end if;
  select * into alias from analytics_private.aliases(account.workspace_id, account.platform);
  <<lists>>
  for list in
    select s.captured_at, s.relation, s.gained, s.lost, s.gone, s.returned, s.followed_at
    from analytics.follower_snapshots s
    where s.workspace_id = account.workspace_id and s.social_account_id = account.id
      and s.in_chain and (s.gained is not null or s.lost is not null or s.gone is not null)
      and s.captured_at >= coalesce(follower_changes_page.since, '-infinity') and s.captured_at < coalesce(follower_changes_page.until, 'infinity')
      and s.captured_at <= coalesce(place_at, 'infinity')
    order by s.captured_at desc, s.relation
  loop
    first_kind := case list.relation when 'followers' then 1 else 4 end;
    for which in first_kind..first_kind + 2 loop
      continue when follower_changes_page.change_type <> kinds[which] or list.captured_at = place_at and which < place[2]
        or case which - first_kind when 0 then list.gained when 1 then list.lost else list.gone end is null;
      room := size - jsonb_array_length(items);
      select count(*), jsonb_agg(c.item order by c.number) filter (where c.place <= room), max(c.number) filter (where c.place <= room) into people, found, last_number
      from (
        select c.number, row_number() over (order by c.number) as place, jsonb_build_object(
          'id', c.id, 'social_account_id', account.id, 'relation', list.relation, 'change_type', kinds[which], 'timestamp', list.captured_at,
          'user_id', c.user_id, 'username', c.username, 'full_name', c.full_name, 'profile_pic_url', c.profile_pic_url, 'verified', c.verified,
          'follower_count', c.follower_count, 'details_at', c.details_at, 'extra_data', c.extra_data, 'returned', c.has_returned, 'followed_at', c.since) as item
        from analytics_private.changed_people(account.workspace_id, account.platform, account.id, list.captured_at, which, list.gained, list.lost, list.gone, list.returned,
          list.followed_at, alias.from_numbers, alias.to_numbers, case when list.captured_at = place_at and which = place[2] then place[3] end, room + 1) c) c;
      if found is not null then
        items := items || found;
        last_place := array[analytics_private.to_microseconds(list.captured_at), which, last_number];
      end if;
      more := people > room;
      exit lists when more;
    end loop;
  end loop;
  return jsonb_build_object('items', items, 'next_cursor', case when more then analytics_private.encode_place(last_place) end);
end
$$;
comment on function analytics.follower_changes_page(uuid, timestamptz, timestamptz, text, text, integer) is
$$who came to an account and who went, newest list first
since, until: lists captured in [since, until); null: no bound. change_type: new_follower, unfollower, gone, new_following or unfollowing; null: all. page_size: 1 to 200. after: next_cursor of the page before. Returns {items, next_cursor}; items have the columns of follower_changes; next_cursor is null on the last page. A page costs what it shows, however much the lists changed.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select jsonb_array_length(analytics.follower_changes_page('0195c3a0-0000-7000-8000-0000000000c2', change_type => 'unfollower') -> 'items')$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Who was there

create or replace function analytics.followers_at(account_id uuid, moment timestamptz default now(), relation text default 'followers')
returns table (captured_at timestamptz, confirmed_at timestamptz, source text, completeness numeric, is_complete boolean, follower_count bigint, followers analytics.follower_set)
language plpgsql stable rows 1 set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(followers_at.account_id);
begin
  return query
    select l.captured_at, l.confirmed_at, l.source, l.completeness, l.is_complete, analytics.cardinality(l.people), l.people
    from analytics_private.audience_at(account, followers_at.moment, analytics_private.check_relation(followers_at.relation)) l
    where l.captured_at is not null;
end
$$;
comment on function analytics.followers_at(uuid, timestamptz, text) is
$$who followed an account at a moment, as the newest list then said
moment: null is now. relation: followers, or following for those whom the account follows. Returns one row, none before the first list: captured_at of that list, confirmed_at (when the same list came last), its source, completeness (share 0 to 1 of those claimed, null when unknown), is_complete, follower_count and followers, a set of numbers of platform_users. After an incomplete list those are in it who were known before and not seen.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select follower_count from analytics.followers_at('0195c3a0-0000-7000-8000-0000000000c2', now() - interval '1 day')$$;

create or replace function analytics.follower_list(account_id uuid, moment timestamptz default now(), relation text default 'followers', after text default null, page_size integer default 50)
returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(follower_list.account_id);
  wanted constant text := analytics_private.check_relation(follower_list.relation);
  size constant integer := analytics_private.check_page_size(follower_list.page_size, 1000);
  place constant bigint[] := analytics_private.decode_place(follower_list.after, 2);
  list record;
  page record;
begin
  -- Later pages are of the list of the first one.
  select * into list from analytics_private.audience_at(account, coalesce(analytics_private.from_microseconds(place[1]), follower_list.moment), wanted);
  if list.captured_at is null then
    return jsonb_build_object('captured_at', null, 'items', '[]'::jsonb, 'next_cursor', null);
  end if;
  select * into page from analytics_private.people_page(account, list.people, place[2], size);
  return jsonb_build_object('captured_at', list.captured_at, 'confirmed_at', list.confirmed_at, 'source', list.source, 'completeness', list.completeness,
    'is_complete', list.is_complete, 'follower_count', analytics.cardinality(list.people), 'items', page.items,
    'next_cursor', case when page.last_number is not null then analytics_private.encode_place(array[analytics_private.to_microseconds(list.captured_at), page.last_number]) end);
end
$$;
comment on function analytics.follower_list(uuid, timestamptz, text, text, integer) is
$$the people who followed an account at a moment, those first who were met first
moment and relation as in followers_at. page_size: 1 to 1000. after: next_cursor of the page before; further pages are of the same list, whatever came since. Returns {captured_at, confirmed_at, source, completeness, is_complete, follower_count, items: [{number, user_id, username, full_name, profile_pic_url, verified, follower_count, details_at, extra_data}], next_cursor}; captured_at is null before the first list.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select analytics.follower_list('0195c3a0-0000-7000-8000-0000000000c2', page_size => 10) -> 'items' -> 0 ->> 'username'$$;

create or replace function analytics.people_of(account_id uuid, people analytics.follower_set, after text default null, page_size integer default 50) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(people_of.account_id);
  size constant integer := analytics_private.check_page_size(people_of.page_size, 1000);
  place constant bigint[] := analytics_private.decode_place(people_of.after, 1);
  page record;
begin
  select * into page from analytics_private.people_page(account, coalesce(people_of.people, '{}'::analytics.follower_set), place[1], size);
  return jsonb_build_object('items', page.items, 'next_cursor', case when page.last_number is not null then analytics_private.encode_place(array[page.last_number]) end);
end
$$;
comment on function analytics.people_of(uuid, analytics.follower_set, text, integer) is
$$the people whose numbers are in a set that another of these functions gave
account_id: any account of the workspace and platform that the numbers are of. page_size: 1 to 1000. after: next_cursor of the page before. Returns {items, next_cursor}, items as in follower_list; of numbers that nobody has, only the number is known.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select analytics.people_of('0195c3a0-0000-7000-8000-0000000000c2', '{1,2}') -> 'items' -> 0 ->> 'username'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Who came and went between two moments

create or replace function analytics.followers_between(account_id uuid, since timestamptz, until timestamptz default now(), relation text default 'followers')
returns table (
  start_captured_at timestamptz, start_completeness numeric, start_is_complete boolean, end_captured_at timestamptz, end_completeness numeric, end_is_complete boolean, lists bigint,
  start_count bigint, end_count bigint, gained_count bigint, lost_count bigint, gone_count bigint, came_and_left_count bigint, left_and_returned_count bigint, found_count bigint, not_seen_count bigint,
  gained analytics.follower_set, lost analytics.follower_set, gone analytics.follower_set, came_and_left analytics.follower_set, left_and_returned analytics.follower_set,
  found analytics.follower_set, not_seen analytics.follower_set
) language plpgsql stable rows 1 set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(followers_between.account_id);
  wanted constant text := analytics_private.check_relation(followers_between.relation);
  nothing constant analytics.follower_set := '{}'::analytics.follower_set;
  start record;
  finish record;
  alias record;
  list record;
  -- Who was there after the list last looked at, all of them told together; null while that is what the chain says.
  people analytics.follower_set;
  in_step boolean;
  chain_at timestamptz;
  knows_all boolean;
  numbers analytics.follower_set;
  present analytics.follower_set;
  fresh analytics.follower_set;
  lost_now analytics.follower_set;
  gone_now analytics.follower_set;
  fresh_sets bytea[] := array[]::bytea[];
  gained_sets bytea[] := array[]::bytea[];
  found_sets bytea[] := array[]::bytea[];
  lost_sets bytea[] := array[]::bytea[];
  gone_sets bytea[] := array[]::bytea[];
  bytes bigint := 0;
  before analytics.follower_set;
  after analytics.follower_set;
  known_before analytics.follower_set;
  ever_gained analytics.follower_set;
  ever_found analytics.follower_set;
  ever_left analytics.follower_set;
  last_lost analytics.follower_set;
  last_gone analytics.follower_set;
  came analytics.follower_set;
  went analytics.follower_set;
  list_count bigint := 0;
  people_gained analytics.follower_set;
  people_lost analytics.follower_set;
  people_gone analytics.follower_set;
  passing analytics.follower_set;
  returning_people analytics.follower_set;
  people_found analytics.follower_set;
  people_not_seen analytics.follower_set;
begin
  perform analytics_private.check_period(followers_between.since, followers_between.until);
  select * into start from analytics_private.audience_at(account, followers_between.since, wanted);
  select * into finish from analytics_private.audience_at(account, followers_between.until, wanted);
  if finish.captured_at is null then
    return;
  end if;
  before := coalesce(start.people, nothing);
  after := finish.people;

  if finish.seen_at = start.seen_at then
    -- One list at both ends: what happened is unknown.
    return query select start.seen_at, start.completeness, start.is_complete, finish.seen_at, finish.completeness, finish.is_complete, 0::bigint,
      analytics.cardinality(start.people), analytics.cardinality(after), null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint,
      null::analytics.follower_set, null::analytics.follower_set, null::analytics.follower_set, null::analytics.follower_set, null::analytics.follower_set, null::analytics.follower_set, null::analytics.follower_set;
    return;
  end if;

  select * into alias from analytics_private.aliases(account.workspace_id, account.platform);
  if alias.from_numbers <> '{}' then
    numbers := analytics.set_union(alias.from_numbers::analytics.follower_set, alias.to_numbers::analytics.follower_set);
  end if;
  select max(s.captured_at) into chain_at from analytics.follower_snapshots s
  where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = wanted and s.in_chain and s.captured_at <= start.seen_at;
  people := before;
  in_step := coalesce(start.in_chain, true);
  knows_all := coalesce(start.knows_all, false);

  -- Every list after the start, up to the end; one that came again is looked at once more, for a late one may lie between. What a
  -- list of the chain changed is stored, but only against the list of the chain before it, and by the numbers of that day.
  for list in
    select o.is_again, s.captured_at, s.is_complete, s.in_chain, s.gained, s.found, s.lost, s.gone, s.not_seen, s.keyframe,
      coalesce(octet_length(s.gained), 0) + coalesce(octet_length(s.found), 0) + coalesce(octet_length(s.lost), 0) + coalesce(octet_length(s.gone), 0)
        + case when s.in_chain then 0 else octet_length(s.keyframe) end as bytes
    from analytics.follower_snapshots s cross join lateral (values (s.captured_at, false), (s.confirmed_at, true)) o (seen_at, is_again)
    where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = wanted
      and s.captured_at >= coalesce(chain_at, '-infinity') and s.captured_at <= finish.seen_at
      and o.seen_at > coalesce(start.seen_at, '-infinity') and o.seen_at <= finish.seen_at and (not o.is_again or s.confirmed_at > s.captured_at)
    order by o.seen_at
  loop
    if not list.is_again then
      list_count := list_count + 1;
      bytes := bytes + list.bytes;
      perform analytics_private.check_set_bytes(bytes, 'ask for a shorter time');
    end if;
    continue when in_step and list.in_chain and list.is_again;
    if in_step and list.in_chain and (numbers is null or not (
         coalesce(analytics.set_overlaps(coalesce(list.gained, list.found)::analytics.follower_set, numbers), false)
         or coalesce(analytics.set_overlaps(list.lost::analytics.follower_set, numbers), false) or coalesce(analytics.set_overlaps(list.gone::analytics.follower_set, numbers), false)))
    then
      people := null;
      fresh := coalesce(list.gained, list.found)::analytics.follower_set;
      lost_now := list.lost::analytics.follower_set;
      gone_now := list.gone::analytics.follower_set;
    else
      people := coalesce(people, analytics_private.remap(analytics_private.believed_set(account.workspace_id, account.id, wanted, chain_at), alias.from_numbers, alias.to_numbers));
      present := list.keyframe::analytics.follower_set;
      if list.in_chain then
        present := analytics.set_difference(analytics_private.believed_set(account.workspace_id, account.id, wanted, list.captured_at), coalesce(list.not_seen::analytics.follower_set, nothing));
      end if;
      present := analytics_private.remap(present, alias.from_numbers, alias.to_numbers);
      fresh := analytics.set_difference(present, people);
      gone_now := nothing;
      if list.in_chain and not list.is_again and list.gone is not null then
        gone_now := analytics.set_difference(analytics.set_intersect(people, analytics_private.remap(list.gone::analytics.follower_set, alias.from_numbers, alias.to_numbers)), present);
      end if;
      lost_now := nothing;
      if list.is_complete then
        lost_now := analytics.set_difference(analytics.set_difference(people, present), gone_now);
        people := present;
      else
        people := analytics.set_union(analytics.set_difference(people, gone_now), present);
      end if;
      in_step := list.in_chain and (in_step or list.is_complete);
    end if;
    if list.in_chain then
      chain_at := list.captured_at;
    end if;
    if fresh is not null or lost_now is not null or gone_now is not null then
      fresh_sets := fresh_sets || coalesce(fresh::bytea, nothing::bytea);
      lost_sets := lost_sets || coalesce(lost_now::bytea, nothing::bytea);
      gone_sets := gone_sets || coalesce(gone_now::bytea, nothing::bytea);
      if knows_all then
        gained_sets := gained_sets || coalesce(fresh::bytea, nothing::bytea);
      else
        found_sets := found_sets || coalesce(fresh::bytea, nothing::bytea);
      end if;
    end if;
    knows_all := knows_all or list.is_complete;
  end loop;

  -- All that happened in between; and of those who left more than once, how they left last.
  select coalesce(analytics.union_agg(d::analytics.follower_set), nothing) into ever_gained from unnest(gained_sets) d;
  select coalesce(analytics.union_agg(d::analytics.follower_set), nothing) into ever_found from unnest(found_sets) d;
  select coalesce(analytics.union_agg(d::analytics.follower_set), nothing) into ever_left from unnest(lost_sets || gone_sets) d;
  last_lost := analytics_private.replay_deltas(nothing, lost_sets, fresh_sets);
  last_gone := analytics_private.replay_deltas(nothing, gone_sets, fresh_sets);

  -- Not there at the start, there at the end: new, unless he may have been there all the time.
  known_before := analytics.set_union(before, ever_found);
  came := analytics.set_difference(after, before);
  if start.knows_all then
    people_gained := came;
    people_found := nothing;
  else
    people_gained := analytics.set_difference(analytics.set_intersect(came, ever_gained), ever_found);
    people_found := analytics.set_difference(came, people_gained);
  end if;
  -- There at the start, or found later, and not there at the end.
  went := analytics.set_difference(analytics.set_union(before, analytics.set_intersect(ever_found, analytics.set_union(last_lost, last_gone))), after);
  people_gone := analytics.set_intersect(went, last_gone);
  went := analytics.set_difference(went, people_gone);
  people_lost := analytics.set_intersect(went, last_lost);
  people_not_seen := analytics.set_difference(went, people_lost);
  passing := analytics.set_difference(analytics.set_difference(analytics.set_intersect(ever_gained, analytics.set_union(last_lost, last_gone)), known_before), after);
  returning_people := analytics.set_intersect(analytics.set_intersect(known_before, after), ever_left);

  return query select start.seen_at, start.completeness, start.is_complete, finish.seen_at, finish.completeness, finish.is_complete, list_count,
    analytics.cardinality(start.people), analytics.cardinality(after), analytics.cardinality(people_gained), analytics.cardinality(people_lost), analytics.cardinality(people_gone),
    analytics.cardinality(passing), analytics.cardinality(returning_people), analytics.cardinality(people_found), analytics.cardinality(people_not_seen),
    people_gained, people_lost, people_gone, passing, returning_people, people_found, people_not_seen;
end
$$;
comment on function analytics.followers_between(uuid, timestamptz, timestamptz, text) is
$$who came to an account and who went between two moments
since, until: compared are the newest lists at these moments. relation: followers or following. Returns one row, none before the first list: capture time, completeness and is_complete of both lists (start_… is null when there was no list yet), lists: how many were recorded from the first of them to the second, and as sets of numbers with their counts: gained; lost (unfollowed); gone (deactivated, deleted, or removed here on request); came_and_left in between; left_and_returned; found (there at the end, and nobody can say whether already at the start); not_seen (missing in a list that was not complete). Where nothing was captured after the first, counts and sets are null: what happened is unknown.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select gained_count from analytics.followers_between('0195c3a0-0000-7000-8000-0000000000c2', now() - interval '30 days')$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- One person

create or replace function analytics_private.find_person(account analytics.social_accounts, name text) returns bigint[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  wanted_id constant text := btrim(name);
  -- As lists write it; null when nobody can be called so.
  wanted_handle constant text := analytics_private.read_handle(account.platform, find_person.name);
  person bigint;
begin
  select coalesce(u.alias_of, u.number) into person from analytics.platform_users u
  where u.workspace_id = account.workspace_id and u.platform = account.platform and u.platform_user_id = wanted_id;
  if person is null then
    select coalesce(u.alias_of, u.number) into person from analytics.platform_users u
    where u.workspace_id = account.workspace_id and u.platform = account.platform and u.handle = wanted_handle;
  end if;
  if person is null then
    select coalesce(u.alias_of, u.number) into person
    from analytics.platform_user_handles h
      join analytics.platform_users u on u.workspace_id = h.workspace_id and u.platform = h.platform and u.number = h.number
    where h.workspace_id = account.workspace_id and h.platform = account.platform and h.handle = wanted_handle
    order by h.seen_until desc limit 1;
  end if;
  return (select array_agg(n) from (
    select person where person is not null
    union all
    select u.number from analytics.platform_users u
    where u.workspace_id = account.workspace_id and u.platform = account.platform and u.handle is null and u.platform_user_id is null and u.alias_of = person) p (n));
end
$$;
comment on function analytics_private.find_person(analytics.social_accounts, text) is 'all numbers of a person by his id, his handle, or else a former handle; null when nobody has it';

create or replace function analytics.follower_history(account_id uuid, follower text)
returns table (relation text, event text, since timestamptz, captured_at timestamptz, returned boolean, followed_at timestamptz, source text, completeness numeric, is_complete boolean)
language plpgsql stable rows 10 set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(follower_history.account_id);
  numbers constant bigint[] := analytics_private.find_person(account, left(follower_history.follower, 500));
  list record;
  held bigint[];
  there boolean;
  left_before boolean;
  last_seen timestamptz;
  last_missed timestamptz;
begin
  if numbers is null then
    return;
  end if;
  for list in
    select s.relation, s.captured_at, s.confirmed_at, s.source, s.completeness, s.is_complete, s.gained as gained_set, s.followed_at as times, coalesce(s.gained, s.found) as arrived,
      array(select n from unnest(numbers) n where s.gained is not null and analytics.contains(s.gained::analytics.follower_set, n)) as gained,
      array(select n from unnest(numbers) n where s.found is not null and analytics.contains(s.found::analytics.follower_set, n)) as found,
      array(select n from unnest(numbers) n where s.lost is not null and analytics.contains(s.lost::analytics.follower_set, n)) as lost,
      array(select n from unnest(numbers) n where s.gone is not null and analytics.contains(s.gone::analytics.follower_set, n)) as gone,
      array(select n from unnest(numbers) n where s.not_seen is not null and analytics.contains(s.not_seen::analytics.follower_set, n)) as not_seen,
      -- A keyframe puts the one number of a person for the others; with one number it says nothing new.
      case when cardinality(numbers) > 1 and s.keyframe is not null then
        array(select n from unnest(numbers) n where analytics.contains(s.keyframe::analytics.follower_set, n)) end as kept,
      s.relation is distinct from lag(s.relation) over (order by s.relation, s.captured_at) as is_first
    from analytics.follower_snapshots s
    where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.in_chain
    order by s.relation, s.captured_at
  loop
    if list.is_first then
      held := '{}';
      left_before := false;
      last_seen := null;
      last_missed := null;
    end if;
    there := held <> '{}';
    held := coalesce(list.kept, array(select n from unnest(held || list.gained || list.found) n where n <> all (list.lost || list.gone)));
    if there <> (held <> '{}') then
      relation := list.relation;
      captured_at := list.captured_at;
      source := list.source;
      completeness := list.completeness;
      is_complete := list.is_complete;
      if there then
        event := case when list.gone <> '{}' then 'gone' when list.relation = 'followers' then 'unfollower' else 'unfollowing' end;
        since := last_seen;
        returned := null;
        followed_at := null;
        left_before := true;
      else
        event := case when list.gained = '{}' then 'found' when list.relation = 'followers' then 'new_follower' else 'new_following' end;
        since := case when list.gained <> '{}' then last_missed end;
        returned := left_before;
        followed_at := case when list.times is not null then
          (select min(list.times[m.place]) from analytics.members(list.arrived::analytics.follower_set) with ordinality m (number, place) where m.number = any (numbers)) end;
      end if;
      return next;
    end if;
    if held <> '{}' and list.not_seen = '{}' then
      last_seen := list.confirmed_at;
    elsif held = '{}' and list.is_complete then
      last_missed := list.confirmed_at;
    end if;
  end loop;
end
$$;
comment on function analytics.follower_history(uuid, text) is
$$every coming and going of one person, each with the two lists between which it happened
follower: his platform id, handle or former handle. Returns a row for each, oldest first: relation (followers: he follows the account; following: it follows him), event (new_follower, unfollower, new_following, unfollowing, gone; found: there before any complete list had come, so nobody can say since when), since and captured_at: it happened after the list at since (the last that showed him, or the last complete one that did not; null when there was none) and not after the one at captured_at, whose source, completeness and is_complete these are; returned: he had been there before; followed_at: since when he follows, where the source says it. No row when he is in no list. Lists that came late are left out.
Errors: UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select event from analytics.follower_history('0195c3a0-0000-7000-8000-0000000000c2', '@ben') order by captured_at desc$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- How many stay

create or replace function analytics.retention(account_id uuid, since timestamptz, until timestamptz default now(), bucket interval default '1 week')
returns table (
  bucket_start timestamptz, bucket_end timestamptz, lists bigint, complete_lists bigint, last_captured_at timestamptz, came bigint,
  still_7_days bigint, still_30_days bigint, still_60_days bigint, still_90_days bigint,
  retention_7_days double precision, retention_30_days double precision, retention_60_days double precision, retention_90_days double precision
) language plpgsql stable rows 60 set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(retention.account_id);
  nothing constant bytea := '{}'::analytics.follower_set::bytea;
  ages constant integer[] := array[7, 30, 60, 90];
  today constant integer := (statement_timestamp() at time zone 'UTC')::date - date '2000-01-01';
  alias record;
  bytes bigint;
  -- The lists of a day, as far as they are in one bucket, are one step. Days are counted from 2000-01-01, in UTC.
  step_bucket integer[];
  step_day integer[];
  step_came bytea[];
  step_stayed bytea[];
  step_left bytea[];
  covered integer[];
  starts timestamptz[];
  alive analytics.follower_set;
  judged_on integer[];
  still bigint[];
  known boolean[];
  steps integer;
  age integer;
  months integer;
  days integer;
  used record;
begin
  perform analytics_private.check_period(retention.since, retention.until);
  months := extract(year from retention.bucket) * 12 + extract(month from retention.bucket);
  days := extract(day from retention.bucket);
  if (months >= 0 and days >= 0 and months + days > 0 and retention.bucket = make_interval(months => months, days => days)) is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a bucket is a number of days, weeks or months', null, '{"field": "bucket"}');
  elsif retention.until - retention.since > interval '3660 days' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'retention is told of at most ten years', null, '{"field": "since"}');
  end if;
  -- Counted without a zone: a month added in the session's zone may end on another day.
  starts := array(select g at time zone 'UTC' from generate_series(retention.since at time zone 'UTC', retention.until at time zone 'UTC', retention.bucket) g
                  where g at time zone 'UTC' < retention.until);
  select sum(coalesce(octet_length(s.gained), 0) + coalesce(octet_length(s.lost), 0) + coalesce(octet_length(s.gone), 0)) into bytes
  from analytics.follower_snapshots s
  where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = 'followers' and s.in_chain
    and s.captured_at >= retention.since and s.captured_at < retention.until + interval '100 days';
  perform analytics_private.check_set_bytes(bytes, 'ask for a shorter time');
  select * into alias from analytics_private.aliases(account.workspace_id, account.platform);

  select array_agg(d.bucket order by d.bucket, d.day), array_agg(d.day order by d.bucket, d.day),
    array_agg(coalesce(d.came, nothing) order by d.bucket, d.day), array_agg(coalesce(d.stayed, nothing) order by d.bucket, d.day), array_agg(d.left_ones order by d.bucket, d.day)
  into step_bucket, step_day, step_came, step_stayed, step_left
  from (
    select w.bucket, w.day, analytics.union_agg(w.gained::analytics.follower_set)::bytea as came,
      analytics_private.replay_deltas(nothing::analytics.follower_set, array_agg(coalesce(w.gained, nothing) order by w.captured_at), array_agg(coalesce(w.left_ones::bytea, nothing) order by w.captured_at))::bytea as stayed,
      analytics.union_agg(w.left_ones)::bytea as left_ones
    from (
      select s.captured_at, (s.captured_at at time zone 'UTC')::date - date '2000-01-01' as day,
        case when s.captured_at < retention.until then width_bucket(s.captured_at, starts) else cardinality(starts) + 1 end as bucket,
        r.came::bytea as gained,
        case when r.unfollowed is null then r.vanished when r.vanished is null then r.unfollowed else analytics.set_union(r.unfollowed, r.vanished) end as left_ones
      from analytics.follower_snapshots s
        cross join lateral analytics_private.real_changes(s.workspace_id, s.social_account_id, s.relation::text, s.captured_at, s.gained, s.lost, s.gone, alias.from_numbers, alias.to_numbers) r
      where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = 'followers' and s.in_chain
        and s.captured_at >= retention.since and s.captured_at < retention.until + interval '100 days'
        and (s.gained is not null or s.lost is not null or s.gone is not null)) w
    group by w.bucket, w.day) d;
  steps := coalesce(cardinality(step_day), 0);
  -- Days that a complete list says something about. Between two captures of the same list, that list holds.
  covered := array(
    select distinct d
    from (select (s.captured_at at time zone 'UTC')::date - date '2000-01-01', (s.confirmed_at at time zone 'UTC')::date - date '2000-01-01'
          from analytics.follower_snapshots s
          where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = 'followers' and s.in_chain and s.is_complete
            and s.confirmed_at >= retention.since and s.captured_at < retention.until + interval '100 days') l (from_day, to_day)
      cross join lateral generate_series(l.from_day, l.to_day) d);

  -- The lists of each bucket: those captured in it, first or last, or before it and once more after it.
  for used in
    select b.number, coalesce(l.lists, 0) as lists, coalesce(l.complete_lists, 0) as complete_lists, l.last_captured_at
    from generate_subscripts(starts, 1) b (number) left join (
      select g.number, count(*), count(*) filter (where s.is_complete),
        max(case when width_bucket(s.confirmed_at, starts) = g.number then s.confirmed_at when width_bucket(s.captured_at, starts) = g.number then s.captured_at end)
      from analytics.follower_snapshots s
        cross join lateral generate_series(greatest(width_bucket(s.captured_at, starts), 1), width_bucket(s.confirmed_at, starts)) g (number)
      where s.workspace_id = account.workspace_id and s.social_account_id = account.id and s.relation = 'followers' and s.in_chain
        and s.captured_at < retention.until and s.confirmed_at >= retention.since
      group by g.number) l (number, lists, complete_lists, last_captured_at) on l.number = b.number
    order by b.number
  loop
    bucket_start := starts[used.number];
    bucket_end := coalesce(starts[used.number + 1], retention.until);
    lists := used.lists;
    complete_lists := used.complete_lists;
    last_captured_at := used.last_captured_at;
    came := case when lists > 0 then 0 end;
    still := '{0,0,0,0}';
    known := '{t,t,t,t}';
    for i in 1..steps loop
      continue when step_bucket[i] <> used.number or step_came[i] = nothing;
      came := came + analytics.cardinality(step_came[i]::analytics.follower_set);
      alive := step_stayed[i]::analytics.follower_set;
      judged_on := array(
        select (select d from unnest(covered) d
                where d > step_day[i] and d between step_day[i] + a - greatest(1, a / 10) and step_day[i] + a + greatest(1, a / 10) and step_day[i] + a <= today
                order by abs(d - step_day[i] - a), d desc limit 1)
        from unnest(ages) with ordinality x (a, o) order by o);
      age := 1;
      for j in i + 1..steps + 1 loop
        -- All ages that are judged before this step; after the last one, all that are left.
        while age <= 4 and (j > steps or judged_on[age] is null or judged_on[age] < step_day[j]) loop
          if judged_on[age] is null then
            known[age] := false;
          else
            still[age] := still[age] + analytics.cardinality(alive);
          end if;
          age := age + 1;
        end loop;
        exit when age > 4;
        if step_left[j] is not null then
          alive := analytics.set_difference(alive, step_left[j]::analytics.follower_set);
        end if;
      end loop;
    end loop;
    still_7_days := case when known[1] and came > 0 then still[1] end;
    still_30_days := case when known[2] and came > 0 then still[2] end;
    still_60_days := case when known[3] and came > 0 then still[3] end;
    still_90_days := case when known[4] and came > 0 then still[4] end;
    retention_7_days := still_7_days::double precision / came;
    retention_30_days := still_30_days::double precision / came;
    retention_60_days := still_60_days::double precision / came;
    retention_90_days := still_90_days::double precision / came;
    return next;
  end loop;
end
$$;
comment on function analytics.retention(uuid, timestamptz, timestamptz, interval) is
$$of those who came in each week, the share still there 7, 30, 60 and 90 days later
since, until: new followers of lists captured in [since, until). bucket: days, weeks or months, counted from since in UTC. Returns a row a bucket: bucket_start, bucket_end, lists and complete_lists captured in it, last_captured_at, came (null when no list was captured), still_… (people) and retention_… (share 0 to 1). A person counts for the day (UTC) of the list that showed him first, and is still there when no list up to the day judged shows him leaving; who came back counts again as coming. Judged on the day nearest to the age for which there is a complete list, at most a tenth of the age or a day away; null when that age is not reached yet or has no such list for some of them, and when nobody came.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select retention_7_days is null from analytics.retention('0195c3a0-0000-7000-8000-0000000000c2', now() - interval '4 weeks') limit 1$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Followers and following

create or replace function analytics.mutuals(account_id uuid, moment timestamptz default now())
returns table (
  followers_captured_at timestamptz, followers_completeness numeric, followers_is_complete boolean,
  following_captured_at timestamptz, following_completeness numeric, following_is_complete boolean, people_count bigint, people analytics.follower_set
) language plpgsql stable rows 1 set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(mutuals.account_id);
begin
  return query
    select r.captured_at, r.completeness, r.is_complete, g.captured_at, g.completeness, g.is_complete, analytics.cardinality(p.people), p.people
    from analytics_private.audience_at(account, mutuals.moment, 'followers') r
      cross join analytics_private.audience_at(account, mutuals.moment, 'following') g
      cross join lateral (select analytics.set_intersect(r.people, g.people)) p (people);
end
$$;
comment on function analytics.mutuals(uuid, timestamptz) is
$$who follows the account and is followed by it
moment: null is now; of each relation the newest list then is used. Returns one row: capture time, completeness and is_complete of both lists, people_count and people, a set of numbers of platform_users; these two are null when there is no list of one of them.
Errors: UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select people_count from analytics.mutuals('0195c3a0-0000-7000-8000-0000000000c2')$$;

create or replace function analytics.not_following_back(account_id uuid, moment timestamptz default now())
returns table (
  followers_captured_at timestamptz, followers_completeness numeric, followers_is_complete boolean,
  following_captured_at timestamptz, following_completeness numeric, following_is_complete boolean, people_count bigint, people analytics.follower_set
) language plpgsql stable rows 1 set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(not_following_back.account_id);
begin
  return query
    select r.captured_at, r.completeness, r.is_complete, g.captured_at, g.completeness, g.is_complete, analytics.cardinality(p.people), p.people
    from analytics_private.audience_at(account, not_following_back.moment, 'followers') r
      cross join analytics_private.audience_at(account, not_following_back.moment, 'following') g
      cross join lateral (select case when r.knows_all then analytics.set_difference(g.people, r.people) end) p (people);
end
$$;
comment on function analytics.not_following_back(uuid, timestamptz) is
$$who is followed by the account and does not follow it
moment: null is now; of each relation the newest list then is used. Returns one row: capture time, completeness and is_complete of both lists, people_count and people, a set of numbers of platform_users; these two are null when there is no list of one of them, or never was a complete one of the followers: then nobody can be said not to follow.
Errors: UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select people_count from analytics.not_following_back('0195c3a0-0000-7000-8000-0000000000c2')$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Several accounts

create or replace function analytics_private.audiences(account_ids uuid[], moment timestamptz)
returns table (place integer, account_id uuid, platform text, handle text, captured_at timestamptz, source text, completeness numeric, is_complete boolean, follower_count bigint, people analytics.follower_set)
language plpgsql stable rows 10 set search_path = pg_catalog, pg_temp as $$
declare
  account analytics.social_accounts;
  list record;
  home uuid;
  bytes bigint := 0;
  -- Whatever dimensions and bounds the array came with.
  ids constant uuid[] := array(select unnest(audiences.account_ids));
begin
  perform analytics_private.require_user();
  if cardinality(ids) not between 1 and 100 or array_position(ids, null) is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'name 1 to 100 accounts', null, '{"field": "account_ids"}');
  elsif (select count(distinct i) from unnest(ids) i) < cardinality(ids) then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'an account is named twice', null, '{"field": "account_ids"}');
  end if;
  for i in 1..cardinality(ids) loop
    account := analytics_private.audience_account(ids[i]);
    home := coalesce(home, account.workspace_id);
    if account.workspace_id <> home then
      perform analytics_private.raise_error('VALIDATION_ERROR', 'these accounts are of different workspaces, whose people are numbered apart', 'name accounts of one workspace', '{"field": "account_ids"}');
    end if;
    select * into list from analytics_private.audience_at(account, audiences.moment, 'followers');
    bytes := bytes + coalesce(octet_length(list.people::bytea), 0);
    perform analytics_private.check_set_bytes(bytes, 'name fewer accounts');
    place := i;
    account_id := account.id;
    platform := account.platform;
    handle := account.handle;
    captured_at := list.captured_at;
    source := list.source;
    completeness := list.completeness;
    is_complete := list.is_complete;
    people := list.people;
    follower_count := analytics.cardinality(list.people);
    return next;
  end loop;
end
$$;
comment on function analytics_private.audiences(uuid[], timestamptz) is 'who followed each of these accounts of one workspace at a moment; null before the first list';

-- An account that has no list takes no part in any number; the answer shows it with null.
create or replace function analytics.audience_overlap(account_ids uuid[], moment timestamptz default now()) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  audiences record;
  once analytics.follower_set[] := array[]::analytics.follower_set[];
  twice analytics.follower_set[] := array[]::analytics.follower_set[];
  platforms text[];
  p integer;
  shared bigint;
  reach bigint;
  shared_total bigint;
  sum_total bigint := 0;
  accounts jsonb := jsonb_build_array();
  pairs jsonb := jsonb_build_array();
  exclusive bigint;
begin
  select array_agg(a.account_id order by a.place) as ids, array_agg(a.platform order by a.place) as platforms, array_agg(a.handle order by a.place) as handles,
    array_agg(a.captured_at order by a.place) as times, array_agg(a.source order by a.place) as sources, array_agg(a.completeness order by a.place) as completeness,
    array_agg(a.is_complete order by a.place) as complete, array_agg(a.follower_count order by a.place) as counts, array_agg(a.people order by a.place) as people
  into audiences
  from analytics_private.audiences(audience_overlap.account_ids, audience_overlap.moment) a;
  platforms := array(select distinct unnest(audiences.platforms) order by 1);

  -- Per platform those met once and those met again: nobody can be followed up from one platform to another.
  for i in 1..cardinality(audiences.ids) loop
    continue when audiences.people[i] is null;
    p := array_position(platforms, audiences.platforms[i]);
    if once[p] is null then
      once[p] := audiences.people[i];
      twice[p] := '{}'::analytics.follower_set;
    else
      twice[p] := analytics.set_union(twice[p], analytics.set_intersect(once[p], audiences.people[i]));
      once[p] := analytics.set_union(once[p], audiences.people[i]);
    end if;
    sum_total := sum_total + audiences.counts[i];
  end loop;
  select coalesce(sum(analytics.cardinality(o)), 0), coalesce(sum(analytics.cardinality(t)), 0) into reach, shared_total from unnest(once, twice) m (o, t);

  for i in 1..cardinality(audiences.ids) loop
    exclusive := audiences.counts[i] - analytics.intersect_count(audiences.people[i], twice[array_position(platforms, audiences.platforms[i])]);
    accounts := accounts || jsonb_build_object('account_id', audiences.ids[i], 'platform', audiences.platforms[i], 'handle', audiences.handles[i],
      'captured_at', audiences.times[i], 'source', audiences.sources[i], 'completeness', audiences.completeness[i], 'is_complete', audiences.complete[i],
      'follower_count', audiences.counts[i], 'exclusive', exclusive, 'exclusive_share', exclusive::double precision / nullif(audiences.counts[i], 0));
    for j in i + 1..cardinality(audiences.ids) loop
      shared := case when audiences.platforms[i] = audiences.platforms[j] then analytics.intersect_count(audiences.people[i], audiences.people[j]) end;
      pairs := pairs || jsonb_build_object('a', audiences.ids[i], 'b', audiences.ids[j], 'shared', shared,
        'jaccard', shared::double precision / nullif(audiences.counts[i] + audiences.counts[j] - shared, 0),
        'share_of_smaller', shared::double precision / nullif(least(audiences.counts[i], audiences.counts[j]), 0));
    end loop;
  end loop;
  return jsonb_build_object('sum', sum_total, 'union', reach, 'shared', shared_total, 'exclusive', reach - shared_total,
    'shared_share', shared_total::double precision / nullif(reach, 0), 'accounts', accounts, 'pairs', pairs);
end
$$;
comment on function analytics.audience_overlap(uuid[], timestamptz) is
$$how far the followers of accounts are the same people
account_ids: 1 to 100 accounts of one workspace; moment: null is now, of each account the newest list then is used. Returns {sum, union, shared (people in two or more), exclusive (people in exactly one), shared_share (shared / union), accounts: [{account_id, platform, handle, captured_at, source, completeness, is_complete, follower_count, exclusive, exclusive_share}], pairs: [{a, b, shared, jaccard (shared / union of the two), share_of_smaller (shared / the smaller)}]}. Shares are 0 to 1. Pairs of different platforms have null, for nobody can be recognised on another platform; in the union they are added. An account without a list has null and takes no part.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select analytics.audience_overlap('{0195c3a0-0000-7000-8000-0000000000c0,0195c3a0-0000-7000-8000-0000000000c2}') -> 'pairs' -> 0 ->> 'jaccard'$$;

create or replace function analytics.unique_reach(account_ids uuid[], moment timestamptz default now()) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  with audiences as materialized (
    select * from analytics_private.audiences(unique_reach.account_ids, unique_reach.moment)
  )
  select jsonb_build_object(
    'reach', (select sum(p.reach) from (select analytics.cardinality(analytics.union_agg(a.people)) from audiences a group by a.platform) p (reach)),
    'sum', (select sum(a.follower_count) from audiences a),
    'accounts', (select jsonb_agg(jsonb_build_object('account_id', a.account_id, 'platform', a.platform, 'handle', a.handle, 'captured_at', a.captured_at,
        'source', a.source, 'completeness', a.completeness, 'is_complete', a.is_complete, 'follower_count', a.follower_count) order by a.place) from audiences a))
$$;
comment on function analytics.unique_reach(uuid[], timestamptz) is
$$how many people follow at least one of these accounts
account_ids: 1 to 100 accounts of one workspace; moment: null is now, of each account the newest list then is used. People of different platforms are added, for nobody can be recognised on another platform. Returns {reach, sum (of the follower counts), accounts: [{account_id, platform, handle, captured_at, source, completeness, is_complete, follower_count}]}; an account without a list has null and takes no part.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select analytics.unique_reach('{0195c3a0-0000-7000-8000-0000000000c0,0195c3a0-0000-7000-8000-0000000000c2}') ->> 'reach'$$;

create or replace function analytics.best_additions(account_ids uuid[], max_count integer default 5, chosen uuid[] default '{}', moment timestamptz default now())
returns table (
  place integer, account_id uuid, platform text, handle text, captured_at timestamptz, completeness numeric, is_complete boolean, follower_count bigint, added bigint, reach bigint
) language plpgsql stable rows 5 set search_path = pg_catalog, pg_temp as $$
declare
  picks constant integer := best_additions.max_count;
begin
  perform analytics_private.require_user();
  if picks is null or picks not between 1 and 100 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'max_count is 1 to 100', null, '{"field": "max_count"}');
  elsif best_additions.account_ids is null or best_additions.account_ids = '{}' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'name 1 to 100 accounts', null, '{"field": "account_ids"}');
  end if;
  return query
    with audiences as materialized (
      select a.*, a.place > cardinality(best_additions.account_ids) as is_chosen
      from analytics_private.audiences(array(select unnest(best_additions.account_ids)) || array(select unnest(best_additions.chosen)), best_additions.moment) a
    ), bases as materialized (
      select a.platform, coalesce(analytics.union_agg(a.people) filter (where a.is_chosen), '{}'::analytics.follower_set) as people from audiences a group by a.platform
    ), candidates as materialized (
      select a.*, row_number() over (partition by a.platform order by a.place) as position, analytics.set_difference(a.people, b.people) as new_people
      from audiences a join bases b on b.platform = a.platform where not a.is_chosen and a.people is not null
    ), picked as (
      -- Platforms share nobody, so what an account adds depends on its own platform alone: the picks of each, merged by what
      -- they add, are the picks of all.
      select c.*, g.added, row_number() over (order by g.added desc, c.place) as rank
      from (select x.platform, array_agg(x.new_people::bytea order by x.position) as sets from candidates x group by x.platform) p
        cross join lateral analytics_private.greedy_cover(p.sets, picks) g
        join candidates c on c.platform = p.platform and c.position = g.picked
    )
    select p.rank::integer, p.account_id, p.platform, p.handle, p.captured_at, p.completeness, p.is_complete, p.follower_count, p.added,
      ((select coalesce(sum(analytics.cardinality(b.people)), 0) from bases b) + sum(p.added) over (order by p.rank))::bigint
    from picked p where p.rank <= picks order by p.rank;
end
$$;
comment on function analytics.best_additions(uuid[], integer, uuid[], timestamptz) is
$$which of these accounts together reach most people
Picks one account after the other, each the one that adds most people to those before (greedy maximum coverage: at least 63 % of the best choice of that size). account_ids: the candidates, with chosen 1 to 100 accounts of one workspace. max_count: how many to pick, 1 to 100; fewer come back when the rest adds nobody. chosen: accounts whose followers are reached anyway. moment: null is now, of each account the newest list then is used; an account without a list is never picked.
Returns, in order: place, account_id, platform, handle, captured_at, completeness, is_complete, follower_count, added (people it adds) and reach (people reached with it).
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active), NOT_FOUND (no such account among the caller's).
Example: select handle from analytics.best_additions('{0195c3a0-0000-7000-8000-0000000000c0,0195c3a0-0000-7000-8000-0000000000c2}', 1)$$;
