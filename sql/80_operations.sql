-- For operators: removing a person, upkeep.

create or replace function analytics_private.erase_person(username text, reason text, instagram_user_id text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
  verdict record;
  handle text;
  id_known text := nullif(btrim(erase_person.instagram_user_id), '');
  profiles analytics.profiles[];
  doomed uuid[];
  names text[];
  counts jsonb := '{}'::jsonb;
  n bigint;
begin
  if reason is null or btrim(reason) = '' or length(reason) > 500 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'give the reason in 1 to 500 characters', 'a case number, not a name: the audit keeps it');
  end if;
  select * into verdict from analytics_private.check_username(erase_person.username);
  if verdict.problem is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', verdict.problem, verdict.hint, '{"field": "username"}');
  end if;
  handle := verdict.username;
  -- Whoever stores an answer has read this table: what he brings is there before the removal, or meets the list.
  lock table analytics_private.erased_people in access exclusive mode;
  id_known := coalesce(id_known, (select p.instagram_user_id from analytics.profiles p where p.username = handle));
  -- The name may be known in one row and the id in another.
  profiles := array(select p from analytics.profiles p where p.username = handle or p.instagram_user_id = id_known
                       or p.username is null and handle = any (p.former_usernames) order by p.id for update);
  if exists (select from unnest(profiles) p where p.instagram_user_id <> id_known) then
    perform analytics_private.raise_error('CONFLICT', 'this name belongs to an account with another id', 'remove by the name alone, or by the id with the name last seen with it');
  end if;
  doomed := array(select p.id from unnest(profiles) p);
  -- A former name that somebody else has now is his.
  names := array(
    select handle union select id_known where id_known is not null union select p.username from unnest(profiles) p where p.username is not null
    union select f from unnest(profiles) p, unnest(p.former_usernames) f
          where not exists (select from analytics.profiles o where o.username = f and o.id <> all (doomed)));

  -- First the door is closed, so that an answer that arrives later is refused or stripped.
  insert into analytics_private.erased_people (subject_hash)
  select analytics_private.subject_hash(case when x = id_known then 'id' else 'username' end, x) from unnest(names) as x
  on conflict do nothing;

  -- Payloads that name the person, of whichever profile; what was derived from them about others stays.
  delete from analytics_private.raw_payloads r
  where r.profile_id = any (doomed) or lower(r.subject) = any (names) or analytics_private.names_people(r.payload::text, names);
  get diagnostics n = row_count;
  counts := counts || jsonb_build_object('raw_payloads', n);
  delete from analytics.mentions m where m.mentioned_username = any (names);
  get diagnostics n = row_count;
  counts := counts || jsonb_build_object('mentions', n);
  delete from analytics.related_profiles r where r.related_username = any (names) or r.related_instagram_user_id = any (names);
  get diagnostics n = row_count;
  counts := counts || jsonb_build_object('related_profiles', n);
  delete from analytics.user_searches s
  where s.instagram_username = any (names) or s.profile_id = any (doomed)
     or string_to_array(lower(s.search_query), ' ') && names or analytics_private.names_people(s.search_query, names)
     or analytics_private.names_people(s.error_message, names) or analytics_private.names_people(s.search_metadata::text, names);
  get diagnostics n = row_count;
  counts := counts || jsonb_build_object('user_searches', n);
  delete from analytics_private.jobs j where j.payload ->> 'username' = any (names) or j.payload ->> 'instagram_user_id' = any (names);
  get diagnostics n = row_count;
  counts := counts || jsonb_build_object('jobs', n);
  delete from analytics.profile_posts p where p.owner_username = any (names) or p.owner_id = any (names) or p.profile_id = any (doomed);
  get diagnostics n = row_count;
  counts := counts || jsonb_build_object('profile_posts', n);
  update analytics.profile_posts p set
    caption = analytics_private.redact_people(p.caption, names),
    accessibility_caption = analytics_private.redact_people(p.accessibility_caption, names),
    sidecar_children = analytics_private.redact_people(p.sidecar_children::text, names)::jsonb,
    hashtags = array(select x from unnest(p.hashtags) with ordinality as t (x, o) where x <> all (names) order by o),
    mentions = array(select x from unnest(p.mentions) with ordinality as t (x, o) where x <> all (names) order by o),
    tagged_users = case when p.tagged_users is not null then (
      select coalesce(jsonb_agg(x order by o), '[]') from jsonb_array_elements(p.tagged_users) with ordinality as t (x, o)
      where not analytics_private.names_people(x::text, names)) end,
    coauthor_producers = case when p.coauthor_producers is not null then (
      select coalesce(jsonb_agg(x order by o), '[]') from jsonb_array_elements(p.coauthor_producers) with ordinality as t (x, o)
      where not analytics_private.names_people(x::text, names)) end
  where p.mentions && names or p.hashtags && names or analytics_private.names_people(p.sidecar_children::text, names)
     or analytics_private.names_people(p.caption, names) or analytics_private.names_people(p.accessibility_caption, names)
     or analytics_private.names_people(p.tagged_users::text, names) or analytics_private.names_people(p.coauthor_producers::text, names);
  get diagnostics n = row_count;
  counts := counts || jsonb_build_object('posts_of_others', n);
  update analytics.mentions m set mention_context = analytics_private.redact_people(m.mention_context, names)
  where analytics_private.names_people(m.mention_context, names);
  update analytics.profiles p set
    full_name = analytics_private.redact_people(p.full_name, names),
    biography = analytics_private.redact_people(p.biography, names),
    external_url = analytics_private.redact_people(p.external_url, names),
    bio_links = analytics_private.redact_people(p.bio_links::text, names)::jsonb,
    former_usernames = array(select f from unnest(p.former_usernames) with ordinality as t (f, o) where f <> all (names) order by o)
  where p.id <> all (doomed)
    and (p.former_usernames && names
      or analytics_private.names_people(concat_ws(' ', p.full_name, p.biography, p.external_url, p.bio_links::text), names));
  update analytics.creator_metadata c set
    brand_mentions = case when not analytics_private.names_people(c.brand_mentions::text, names) then c.brand_mentions end,
    content_themes = case when not analytics_private.names_people(c.content_themes::text, names) then c.content_themes end
  where analytics_private.names_people(c.brand_mentions::text, names) or analytics_private.names_people(c.content_themes::text, names);
  perform analytics_private.derive_creator_metadata(array(
    select c.profile_id from analytics.creator_metadata c
    where c.profile_id <> all (doomed) and analytics_private.names_people(concat_ws(' ', c.top_mentions::text, c.top_hashtags::text), names)));
  update analytics.profiles p set failure_message = null where analytics_private.names_people(p.failure_message, names);
  update analytics_private.jobs j set error_message = null where analytics_private.names_people(j.error_message, names);
  update analytics.user_favorites f set
    notes = analytics_private.redact_people(f.notes, names),
    tags = array(select t from unnest(f.tags) with ordinality as x (t, o) where ltrim(lower(t), '@') <> all (names) order by o)
  where analytics_private.names_people(f.notes, names) or exists (select from unnest(f.tags) t where ltrim(lower(t), '@') = any (names));
  delete from analytics.profiles p where p.id = any (doomed);
  get diagnostics n = row_count;
  counts := counts || jsonb_build_object('profiles', n,
    'platform_users', analytics_private.erase_followers('instagram', array(select x from unnest(names) x where x is distinct from id_known), array_remove(array[id_known], null)),
    'account_posts', analytics_private.erase_from_posts('instagram', names), 'events', analytics_private.erase_from_events('instagram', names));
  perform analytics_private.write_audit('person.erased', 'profile', doomed[1], jsonb_build_object('reason', reason, 'removed', counts));
  return counts;
end
$$;
comment on function analytics_private.erase_person(text, text, text) is
$$removes an observed person everywhere and for good (operators)
Deletes the profile and all under it, payloads that name the person, mentions, tags, searches and jobs, and his names and details in lists of followers; the person's @handle in texts of others becomes @[removed]; later captures of the person are refused, of others stripped. Scans raw payloads and captions: minutes on large installations. Returns how much went, by table. The audit record keeps the reason and the counts, not the name. Errors: VALIDATION_ERROR, CONFLICT (the name belongs to another id).
Example: select analytics_private.erase_person('someone', 'case 4711')$$;

create or replace function analytics_private.maintain() returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  report jsonb;
  n bigint;
  more bigint;
  ends_at timestamptz;
  ended record;
begin
  -- One upkeep at a time; a second caller has nothing to do.
  perform from analytics_private.locks l where l.name = 'maintenance' for update skip locked;
  if not found then
    return '{"skipped": true}'::jsonb;
  end if;
  report := jsonb_build_object('leases_returned', analytics_private.return_expired_leases());
  -- Making and dropping partitions wait for whoever is reading, and make others wait: not for long, and again next time.
  begin
    report := report || jsonb_build_object('partitions', analytics_private.ensure_partitions());
  exception when lock_not_available then
    report := report || jsonb_build_object('partitions', 'later');
  end;

  n := 0;
  for ended in
    select c.oid::regclass as partition, c.relname, analytics_private.setting_interval(k.retention) as kept
    from (values ('analytics.user_searches'::regclass, 'search_retention'), ('analytics.events'::regclass, 'event_retention')) k (parent, retention)
      join pg_catalog.pg_inherits i on i.inhparent = k.parent join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relname ~ '_[0-9]{4}_[0-9]{2}$'
  loop
    if (to_date(right(ended.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' < now() - ended.kept then
      begin
        execute format('drop table %s', ended.partition);
        n := n + 1;
      exception when lock_not_available then
        report := report || jsonb_build_object('partitions', 'later');
      end;
    end if;
  end loop;
  report := report || jsonb_build_object('partitions_dropped', n);

  -- Bounded deletes: upkeep comes every ten minutes, so a backlog shrinks step by step without a long lock.
  delete from analytics_private.raw_payloads r where r.id in (
    select o.id from analytics_private.raw_payloads o
    where o.captured_at < now() - analytics_private.setting_interval('raw_payload_retention') order by o.captured_at limit 10000 for update skip locked);
  get diagnostics n = row_count;
  report := report || jsonb_build_object('raw_payloads', n);
  -- Strangers decide how many there are of these two: batch after batch, but not for long.
  ends_at := clock_timestamp() + interval '5 seconds';
  n := 0;
  loop
    delete from analytics_private.jobs j where j.id in (
      select o.id from analytics_private.jobs o
      where o.state in ('done', 'cancelled') and o.finished_at < now() - analytics_private.setting_interval('job_retention') limit 10000 for update skip locked);
    get diagnostics more = row_count;
    n := n + more;
    exit when more < 10000 or clock_timestamp() > ends_at;
  end loop;
  report := report || jsonb_build_object('jobs', n);
  delete from analytics.user_profile_access a where a.id in (
    select o.id from analytics.user_profile_access o
    where o.expires_at < now() - analytics_private.setting_interval('access_retention') order by o.expires_at limit 10000 for update skip locked);
  get diagnostics n = row_count;
  report := report || jsonb_build_object('windows', n);
  report := report || jsonb_build_object('invitations', analytics_private.purge_invites(10000), 'shared_pages', analytics_private.purge_shared_pages(10000)) || analytics_private.purge_followers(50000)
    || analytics_private.purge_connections(10000);
  ends_at := clock_timestamp() + interval '5 seconds';
  n := 0;
  loop
    more := analytics_private.purge_events(50000);
    n := n + more;
    exit when more < 50000 or clock_timestamp() > ends_at;
  end loop;
  report := report || jsonb_build_object('event_digests', n);
  -- Names that were asked for, could not be fetched and interest nobody.
  delete from analytics.profiles p where p.id in (
    select o.id from analytics.profiles o
    where o.captured_at is null and o.posts_captured_at is null and o.failed_at < now() - greatest(analytics_private.setting_interval('failure_memory'), interval '1 day')
      and not exists (select from analytics.user_profile_access a where a.profile_id = o.id)
      and not exists (select from analytics.user_favorites f where f.profile_id = o.id)
      and not exists (select from analytics.profile_posts x where x.profile_id = o.id)
    limit 10000 for update skip locked);
  get diagnostics n = row_count;
  report := report || jsonb_build_object('unknown_profiles', n);
  if exists (select from analytics.size_tiers t where t.computed_at is null or t.computed_at < now() - interval '1 day') then
    perform analytics_private.refresh_size_tiers();
  end if;
  return report || jsonb_build_object('creators', analytics_private.derive_due_creators(2000));
end
$$;
comment on function analytics_private.maintain() is
  'upkeep, called by the sidecar every ten minutes and safe at any time: partitions ahead, ended leases, retention; returns what it did';
