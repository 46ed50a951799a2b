-- From a Decodo answer, or the Instagram object inside it, to rows. Parsing is Rust (domain/src/instagram), storing is SQL.

-- People who were removed on request and may not come back. Hashes: the list must not name whom it protects.
create table if not exists analytics_private.erased_people (
  subject_hash bytea not null,
  erased_at timestamptz not null default now(),
  constraint erased_people_pkey primary key (subject_hash)
);
alter table analytics_private.erased_people enable row level security;

create or replace function analytics_private.subject_hash(kind text, value text) returns bytea
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select sha256(convert_to('analytics ' || kind || ':' || lower(value), 'UTF8'))
$$;

create or replace function analytics_private.is_erased(username text, instagram_user_id text default null) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select from analytics_private.erased_people e where e.subject_hash in (
    analytics_private.subject_hash('username', username), analytics_private.subject_hash('id', instagram_user_id)))
$$;

-- Former names are a sorted set, so that it does not matter in which order captures arrive.
create or replace function analytics_private.with_former_name(names text[], name text) returns text[]
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select array(select distinct n from unnest(array_append(names, name)) as n where n is not null order by n)
$$;

-- The row of a profile, locked, found by id, then by name, or made. Names move between accounts: whoever was seen with it
-- last has it, and a row known only by that name (from an unlock) is merged into the account it turned out to be.
--
-- A new row begins with the facts that are indexed: filled in later, they would be indexed twice.
create or replace function analytics_private.claim_profile(instagram_user_id text, username text, seen_at timestamptz, facts jsonb default null) returns analytics.profiles
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  by_id analytics.profiles;
  by_name analytics.profiles;
begin
  if instagram_user_id is not null then
    -- No key update: this row stays, so rows that refer to it, as creator_metadata, may come meanwhile.
    select p.* into by_id from analytics.profiles p where p.instagram_user_id = claim_profile.instagram_user_id for no key update;
  end if;
  if username is not null and (by_id.id is null or by_id.username is distinct from username) then
    select p.* into by_name from analytics.profiles p where p.username = claim_profile.username for update;
  end if;

  if by_id.id is null and by_name.id is null then
    insert into analytics.profiles (instagram_user_id, username, full_name, biography, category)
    values (claim_profile.instagram_user_id, claim_profile.username, facts ->> 'full_name', facts ->> 'biography', left(facts ->> 'category', 255))
    on conflict do nothing returning * into by_id;
    if by_id.id is null then
      -- Somebody else made it in this instant; now it can be seen.
      return analytics_private.claim_profile(claim_profile.instagram_user_id, claim_profile.username, seen_at, facts);
    end if;
    return by_id;
  end if;

  if by_id.id is null then
    if instagram_user_id is null or by_name.instagram_user_id is null then
      if instagram_user_id is not null then
        update analytics.profiles p set instagram_user_id = claim_profile.instagram_user_id where p.id = by_name.id returning * into by_name;
      end if;
      return by_name;
    end if;
    -- The name now belongs to another account than the one known by it.
    if by_name.captured_at > seen_at then
      insert into analytics.profiles (instagram_user_id, former_usernames) values (claim_profile.instagram_user_id, array[claim_profile.username])
      returning * into by_id;
      return by_id;
    end if;
    update analytics.profiles p set username = null, former_usernames = analytics_private.with_former_name(p.former_usernames, claim_profile.username)
    where p.id = by_name.id;
    insert into analytics.profiles (instagram_user_id, username) values (claim_profile.instagram_user_id, claim_profile.username)
    returning * into by_id;
    return by_id;
  end if;

  if username is null or by_id.username is not distinct from username then
    return by_id;
  elsif by_id.captured_at > seen_at then
    update analytics.profiles p set former_usernames = analytics_private.with_former_name(p.former_usernames, claim_profile.username)
    where p.id = by_id.id and claim_profile.username <> all (p.former_usernames);
    return by_id;
  end if;
  if by_name.id is not null and by_name.instagram_user_id is null then
    perform analytics_private.merge_profiles(by_name.id, by_id.id);
  elsif by_name.id is not null then
    if by_name.captured_at > seen_at then
      return by_id;
    end if;
    update analytics.profiles p set username = null, former_usernames = analytics_private.with_former_name(p.former_usernames, claim_profile.username)
    where p.id = by_name.id;
  end if;
  update analytics.profiles p set
    username = claim_profile.username,
    former_usernames = array_remove(analytics_private.with_former_name(p.former_usernames, p.username), claim_profile.username)
  where p.id = by_id.id
  returning * into by_id;
  return by_id;
end
$$;

create or replace function analytics_private.merge_profiles(from_id uuid, into_id uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Whoever has paid for both gets the later end, and the price of the one that turned out to be nothing new.
  update analytics.user_profile_access a set expires_at = w.expires_at
  from analytics.user_profile_access w
  where a.profile_id = into_id and w.profile_id = from_id and w.user_id = a.user_id and w.expires_at > a.expires_at;
  update analytics.user_profile_access w set profile_id = into_id
  where w.profile_id = from_id and not exists (select from analytics.user_profile_access a where a.profile_id = into_id and a.user_id = w.user_id);
  perform analytics_private.close_undelivered(from_id);
  insert into analytics.user_favorites (user_id, profile_id, added_at, notes, tags)
  select f.user_id, into_id, f.added_at, f.notes, f.tags from analytics.user_favorites f where f.profile_id = from_id
  on conflict (user_id, profile_id) do nothing;
  update analytics.user_searches s set profile_id = into_id where s.profile_id = from_id;
  update analytics_private.raw_payloads r set profile_id = into_id
  where r.profile_id = from_id
    and not exists (select from analytics_private.raw_payloads o where o.profile_id = into_id and o.digest = r.digest);
  update analytics.profile_posts p set profile_id = into_id where p.profile_id = from_id;
  update analytics.profile_history h set profile_id = into_id
  where h.profile_id = from_id
    and not exists (select from analytics.profile_history o where o.profile_id = into_id and o.captured_at = h.captured_at);
  update analytics.audience_demographics d set profile_id = into_id
  where d.profile_id = from_id and not exists (select from analytics.audience_demographics o where o.profile_id = into_id);
  update analytics.creator_metadata m set profile_id = into_id
  where m.profile_id = from_id and not exists (select from analytics.creator_metadata o where o.profile_id = into_id);
  delete from analytics.profiles p where p.id = from_id;
end
$$;

-- Every look-up below is by a key. In a database that has not been analysed yet the planner would scan whole tables, and
-- keep such plans (measured: 15 to 28 ms a payload instead of 4).
create or replace function analytics_private.store_instagram(document jsonb, payload json, seen_at timestamptz, subject text)
returns uuid language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  kind constant text := document ->> 'kind';
  facts jsonb := document -> 'profile';
  subject_id constant text := facts ->> 'instagram_user_id';
  subject_name text := facts ->> 'username';
  named text[];
  keep_payload boolean := true;
  target uuid;
  known analytics.profiles;
  is_newest boolean;
  is_new boolean;
begin
  if seen_at is null or seen_at > clock_timestamp() + interval '5 minutes' or seen_at < '2010-10-06' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'captured_at lies before Instagram began or in the future');
  end if;
  if kind in ('profile', 'timeline', 'post') and subject_name is null and subject_id is null then
    -- What was asked for names the account where the answer does not; of a post it is the shortcode.
    subject_name := case when kind <> 'post' then lower(subject) end;
    if subject_name is null then
      perform analytics_private.raise_error('VALIDATION_ERROR', 'the answer does not say whose posts these are', 'name the account in subject');
    end if;
  end if;

  -- Reading this table is also the lock that erase_person() waits for, and holds against everybody once it has it.
  if exists (select from analytics_private.erased_people) then
    if analytics_private.is_erased(subject_name, subject_id) then
      perform analytics_private.raise_error('FORBIDDEN', 'this person was removed on request');
    end if;
    select array_agg(n) into named from unnest(analytics_private.people_in_document(document)) as n
    where analytics_private.is_erased(n, n);
    if named is not null then
      document := analytics_private.document_without(document, named);
      facts := document -> 'profile';
      keep_payload := false;
    end if;
  end if;

  if kind = 'comments' then
    target := analytics_private.store_comments(document, subject);
    if target is null then
      perform analytics_private.raise_error(
        case when subject is null and document -> 'comments' -> 0 ->> 'post_shortcode' is null and document -> 'comments' -> 0 ->> 'post_instagram_id' is null
          then 'VALIDATION_ERROR' else 'NOT_FOUND' end,
        'these comments belong to no known post', 'store the post first, and name its shortcode in subject where the answer does not');
    end if;
    perform analytics_private.store_payload(document, payload, seen_at, subject, target, keep_payload);
    return target;
  end if;
  if kind = 'hashtag' then
    perform analytics_private.claim_profile(owners.owner_id, owners.owner_username, seen_at)
    from (select distinct on (o.owner_id) o.owner_id, o.owner_username
          from jsonb_to_recordset(document -> 'posts') as o (owner_id text, owner_username text)
          where o.owner_id is not null order by o.owner_id, o.owner_username nulls last) owners;
  else
    known := analytics_private.claim_profile(subject_id, subject_name, seen_at, facts);
    target := known.id;
  end if;
  is_newest := known.captured_at is null or seen_at >= known.captured_at;

  is_new := analytics_private.store_payload(document, payload, seen_at, subject, target, keep_payload);
  perform analytics_private.store_posts(document, seen_at, target, known.instagram_user_id,
    case when kind = 'profile' then (facts ->> 'followers_count')::bigint else known.followers_count end);
  if jsonb_array_length(document -> 'comments') > 0 then
    perform analytics_private.store_comments(document, subject);
  end if;
  if target is null then
    return null;
  end if;

  if jsonb_array_length(document -> 'related') > 0
     and not exists (select from analytics.related_profiles r where r.profile_id = target and r.discovered_at > seen_at) then
    delete from analytics.related_profiles r
    where r.profile_id = target and r.source = 'decodo'
      and r.related_username not in (select x ->> 'related_username' from jsonb_array_elements(document -> 'related') x);
    insert into analytics.related_profiles as r (profile_id, related_username, related_instagram_user_id, related_full_name, related_is_verified,
      related_is_private, related_profile_pic_url, related_followers_count, rank, discovered_at)
    select target, x.related_username, x.related_instagram_user_id, x.related_full_name, x.related_is_verified,
      x.related_is_private, x.related_profile_pic_url, x.related_followers_count, x.rank, seen_at
    from jsonb_to_recordset(document -> 'related') as x (related_username text, related_instagram_user_id text, related_full_name text,
      related_is_verified boolean, related_is_private boolean, related_profile_pic_url text, related_followers_count bigint, rank integer)
    on conflict on constraint related_profiles_once do update set
      related_instagram_user_id = coalesce(excluded.related_instagram_user_id, r.related_instagram_user_id),
      related_full_name = coalesce(excluded.related_full_name, r.related_full_name),
      related_is_verified = coalesce(excluded.related_is_verified, r.related_is_verified),
      related_is_private = coalesce(excluded.related_is_private, r.related_is_private),
      related_profile_pic_url = coalesce(excluded.related_profile_pic_url, r.related_profile_pic_url),
      related_followers_count = excluded.related_followers_count, rank = excluded.rank, discovered_at = excluded.discovered_at;
  end if;

  if is_new and facts ->> 'followers_count' is not null then
    insert into analytics.profile_history (profile_id, captured_at, followers_count, following_count, posts_count)
    values (target, seen_at, (facts ->> 'followers_count')::bigint, (facts ->> 'following_count')::bigint, (facts ->> 'posts_count')::bigint)
    on conflict on constraint profile_history_pkey do nothing;
  end if;

  if kind = 'profile' and known.captured_at is null then
    -- Posts that came before anybody knew the followers.
    update analytics.profile_posts p set
      engagement_rate_by_followers = analytics.engagement_rate_by_followers(p.likes_count, p.comments_count, (facts ->> 'followers_count')::bigint)
    where p.profile_id = target and p.engagement_rate_by_followers is null and num_nulls(p.likes_count, p.comments_count) = 0;
  end if;
  if kind = 'profile' and is_newest then
    update analytics.profiles p set
      full_name = f.full_name, biography = f.biography, external_url = f.external_url, bio_links = f.bio_links, category = left(f.category, 255),
      pronouns = f.pronouns,
      profile_pic_url = coalesce(f.profile_pic_url, p.profile_pic_url), profile_pic_url_hd = coalesce(f.profile_pic_url_hd, p.profile_pic_url_hd),
      followers_count = f.followers_count, following_count = f.following_count, posts_count = f.posts_count,
      highlight_reel_count = f.highlight_reel_count,
      is_verified = coalesce(f.is_verified, p.is_verified), is_private = coalesce(f.is_private, p.is_private),
      is_business_account = coalesce(f.is_business_account, p.is_business_account),
      is_professional_account = coalesce(f.is_professional_account, p.is_professional_account),
      captured_at = seen_at,
      posts_captured_at = case when (document ->> 'posts_known')::boolean then greatest(seen_at, p.posts_captured_at) else p.posts_captured_at end,
      refresh_count = p.refresh_count + is_new::integer,
      failed_at = null, failure_code = null, failure_message = null,
      engagement_rate_by_followers = rate.mean,
      influence_score = analytics.influence_score(f.followers_count, coalesce(f.is_verified, p.is_verified),
        coalesce(f.is_business_account, p.is_business_account), rate.mean, f.posts_count),
      data_quality_score = (num_nonnulls(f.full_name, f.biography, f.external_url, f.profile_pic_url_hd, f.category, f.followers_count,
        f.following_count, f.posts_count, nullif(jsonb_array_length(document -> 'posts'), 0), f.is_verified)) / 10.0
    from jsonb_to_record(facts) as f (full_name text, biography text, external_url text, bio_links jsonb, category text, pronouns text[],
      profile_pic_url text, profile_pic_url_hd text, followers_count bigint, following_count bigint, posts_count bigint,
      highlight_reel_count bigint, is_verified boolean, is_private boolean, is_business_account boolean, is_professional_account boolean),
      analytics_private.recent_engagement(target) as rate (mean)
    where p.id = target;
  else
    -- A partial or late capture only fills what is unknown, and moves no capture time but its own.
    update analytics.profiles p set
      full_name = coalesce(p.full_name, facts ->> 'full_name'),
      profile_pic_url = coalesce(p.profile_pic_url, facts ->> 'profile_pic_url'),
      is_verified = coalesce(p.is_verified, (facts ->> 'is_verified')::boolean),
      is_private = coalesce(p.is_private, (facts ->> 'is_private')::boolean),
      refresh_count = p.refresh_count + (is_new and kind = 'profile')::integer,
      posts_captured_at = case when kind <> 'post' and (document ->> 'posts_known')::boolean then greatest(seen_at, p.posts_captured_at) else p.posts_captured_at end,
      engagement_rate_by_followers = rate.mean,
      influence_score = analytics.influence_score(p.followers_count, coalesce(p.is_verified, (facts ->> 'is_verified')::boolean), p.is_business_account, rate.mean, p.posts_count)
    from analytics_private.recent_engagement(target) as rate (mean)
    where p.id = target;
  end if;
  if is_new then
    insert into analytics_private.creators_due (profile_id) values (target);
  end if;
  return target;
end
$$;
comment on function analytics_private.store_instagram(jsonb, json, timestamptz, text) is
  'stores a parsed answer; the profile it is about, or null for a hashtag page; errors: VALIDATION_ERROR, NOT_FOUND (comments of an unknown post), FORBIDDEN (removed on request)';

-- Delivered twice, a payload stays one row that moves to the later time, and so does its line in the history. True when
-- it was not there before.
create or replace function analytics_private.store_payload(
  document jsonb, payload json, seen_at timestamptz, subject text, target uuid, keep_payload boolean
) returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  payload_digest constant bytea := decode(document ->> 'digest', 'hex');
  stored record;
begin
  if keep_payload then
    insert into analytics_private.raw_payloads (profile_id, kind, subject, digest, captured_at, payload)
    values (target, document ->> 'kind', store_payload.subject, payload_digest, seen_at, store_payload.payload)
    on conflict do nothing;
    if found then
      return true;
    end if;
  end if;
  select r.id, r.captured_at into stored from analytics_private.raw_payloads r
  where r.digest = payload_digest and (r.profile_id = target or target is null and r.profile_id is null);
  if not found then
    return true;
  end if;
  if seen_at > stored.captured_at then
    update analytics_private.raw_payloads r set captured_at = seen_at where r.id = stored.id;
    update analytics.profile_history h set captured_at = seen_at
    where h.profile_id = target and h.captured_at = stored.captured_at
      and not exists (select from analytics.profile_history o where o.profile_id = target and o.captured_at = seen_at);
  end if;
  return false;
end
$$;

create or replace function analytics_private.store_posts(document jsonb, seen_at timestamptz, target uuid, target_instagram_id text, followers bigint)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  known_better text[];
begin
  with incoming as materialized (
    select x.*, coalesce(target, (select o.id from analytics.profiles o where o.instagram_user_id = x.owner_id)) as profile_id
    from jsonb_to_recordset(document -> 'posts') as x (instagram_post_id text, shortcode text, owner_id text, owner_username text,
        media_type text, product_type text, is_video boolean, is_carousel boolean, carousel_media_count bigint, display_url text,
        thumbnail_src text, video_url text, video_view_count bigint, video_play_count bigint, video_duration double precision,
        has_audio boolean, width bigint, height bigint, caption text, accessibility_caption text, likes_count bigint,
        comments_count bigint, comments_disabled boolean, like_and_view_counts_disabled boolean, viewer_can_reshare boolean,
        is_pinned boolean, is_paid_partnership boolean, location_name text, location_id text, taken_at_timestamp bigint,
        posted_at timestamptz, sidecar_children jsonb, tagged_users jsonb, coauthor_producers jsonb, hashtags text[], mentions text[],
        mention_contexts jsonb)
    where x.posted_at is not null
  ), stored (id, profile_id, instagram_post_id, posted_at, was_known) as (
    insert into analytics.profile_posts as p (instagram_post_id, profile_id, shortcode, owner_id, owner_username, media_type, product_type,
      is_video, is_carousel, carousel_media_count, display_url, thumbnail_src, video_url, video_view_count, video_play_count, video_duration,
      has_audio, width, height, caption, accessibility_caption, likes_count, comments_count, engagement_rate_by_followers, comments_disabled,
      like_and_view_counts_disabled, viewer_can_reshare, is_pinned, is_paid_partnership, location_name, location_id, taken_at_timestamp,
      posted_at, sidecar_children, tagged_users, coauthor_producers, hashtags, mentions, captured_at)
    select i.instagram_post_id, i.profile_id, i.shortcode, i.owner_id, left(i.owner_username, 30), i.media_type, left(i.product_type, 50),
      i.is_video, i.is_carousel, i.carousel_media_count, i.display_url, i.thumbnail_src, i.video_url, i.video_view_count, i.video_play_count, i.video_duration,
      i.has_audio, i.width, i.height, i.caption, i.accessibility_caption, i.likes_count, i.comments_count,
      analytics.engagement_rate_by_followers(i.likes_count, i.comments_count, followers), i.comments_disabled,
      i.like_and_view_counts_disabled, i.viewer_can_reshare, i.is_pinned, i.is_paid_partnership, left(i.location_name, 255), left(i.location_id, 50), i.taken_at_timestamp,
      i.posted_at, i.sidecar_children, i.tagged_users, i.coauthor_producers, coalesce(i.hashtags, '{}'), coalesce(i.mentions, '{}'), seen_at
    from incoming i
    where i.profile_id is not null
    on conflict on constraint profile_posts_instagram_post_id_key do update set
      profile_id = case when target is null or excluded.owner_id = target_instagram_id then excluded.profile_id else p.profile_id end,
      shortcode = excluded.shortcode,
      owner_id = coalesce(excluded.owner_id, p.owner_id), owner_username = coalesce(excluded.owner_username, p.owner_username),
      media_type = coalesce(excluded.media_type, p.media_type), product_type = coalesce(excluded.product_type, p.product_type),
      is_video = coalesce(excluded.is_video, p.is_video), is_carousel = coalesce(excluded.is_carousel, p.is_carousel),
      carousel_media_count = coalesce(excluded.carousel_media_count, p.carousel_media_count),
      display_url = coalesce(excluded.display_url, p.display_url), thumbnail_src = coalesce(excluded.thumbnail_src, p.thumbnail_src),
      video_url = coalesce(excluded.video_url, p.video_url),
      -- Counts are those of this capture: one that is hidden now is unknown now.
      video_view_count = excluded.video_view_count, video_play_count = excluded.video_play_count,
      likes_count = excluded.likes_count, comments_count = excluded.comments_count,
      engagement_rate_by_followers = excluded.engagement_rate_by_followers,
      video_duration = coalesce(excluded.video_duration, p.video_duration), has_audio = coalesce(excluded.has_audio, p.has_audio),
      width = coalesce(excluded.width, p.width), height = coalesce(excluded.height, p.height),
      caption = excluded.caption, accessibility_caption = coalesce(excluded.accessibility_caption, p.accessibility_caption),
      comments_disabled = coalesce(excluded.comments_disabled, p.comments_disabled),
      like_and_view_counts_disabled = coalesce(excluded.like_and_view_counts_disabled, p.like_and_view_counts_disabled),
      viewer_can_reshare = coalesce(excluded.viewer_can_reshare, p.viewer_can_reshare), is_pinned = coalesce(excluded.is_pinned, p.is_pinned),
      is_paid_partnership = coalesce(excluded.is_paid_partnership, p.is_paid_partnership),
      location_name = excluded.location_name, location_id = excluded.location_id,
      taken_at_timestamp = excluded.taken_at_timestamp, posted_at = excluded.posted_at,
      sidecar_children = coalesce(excluded.sidecar_children, p.sidecar_children), tagged_users = coalesce(excluded.tagged_users, p.tagged_users),
      coauthor_producers = coalesce(excluded.coauthor_producers, p.coauthor_producers),
      hashtags = excluded.hashtags, mentions = excluded.mentions, captured_at = excluded.captured_at
    where excluded.captured_at >= p.captured_at
    returning p.id, p.profile_id, p.instagram_post_id, p.posted_at, p.xmax <> 0
  ), wanted (post_id, profile_id, mentioned_username, mention_type, mention_context, mentioned_at, was_known) as (
    select s.id, s.profile_id, m.mentioned_username, m.mention_type, m.mention_context, s.posted_at, s.was_known
    from stored s join incoming i on i.instagram_post_id = s.instagram_post_id
      cross join lateral jsonb_to_recordset(i.mention_contexts) as m (mentioned_username text, mention_type text, mention_context text)
    where m.mentioned_username is not null
  ), withdrawn as (
    delete from analytics.mentions g
    where g.post_id = any (array(select s.id from stored s where s.was_known)) and not exists (
      select from wanted w where w.post_id = g.post_id and w.mentioned_username = g.mentioned_username and w.mention_type = g.mention_type)
  ), written as (
    -- A post that nobody else can see yet has no mentions to collide with.
    insert into analytics.mentions (post_id, profile_id, mentioned_username, mention_type, mention_context, mentioned_at)
    select w.post_id, w.profile_id, w.mentioned_username, w.mention_type, w.mention_context, w.mentioned_at from wanted w
    where not w.was_known
  ), merged as (
    insert into analytics.mentions (post_id, profile_id, mentioned_username, mention_type, mention_context, mentioned_at)
    select w.post_id, w.profile_id, w.mentioned_username, w.mention_type, w.mention_context, w.mentioned_at from wanted w
    where w.was_known
    on conflict on constraint mentions_once do update set mention_context = excluded.mention_context, mentioned_at = excluded.mentioned_at
    where (mentions.mention_context, mentions.mentioned_at) is distinct from (excluded.mention_context, excluded.mentioned_at)
  )
  select array_agg(i.instagram_post_id) into known_better from incoming i
  where i.owner_id = target_instagram_id and i.instagram_post_id <> all (array(select s.instagram_post_id from stored s));

  -- A collaboration belongs to its owner as soon as the owner's own timeline shows it, be that an older capture.
  if known_better is not null then
    update analytics.profile_posts p set profile_id = target where p.profile_id <> target and p.instagram_post_id = any (known_better);
  end if;
end
$$;

-- Comments come in pages of one post and as previews below the posts of a timeline; a page may not name its post.
create or replace function analytics_private.store_comments(document jsonb, subject text) returns uuid
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  found_profile uuid;
begin
  with said as materialized (
    select c.*, case when c.post_instagram_id is null then coalesce(c.post_shortcode, subject) end as shortcode
    from jsonb_to_recordset(document -> 'comments') as c (post_instagram_id text, post_shortcode text, comment_ids text[],
      positive double precision, negative double precision, neutral double precision, compound double precision, scores jsonb)
  ), known as materialized (
    -- Two elements are of one post only where the answer calls it by id here and by shortcode there; then one counts.
    select distinct on (p.id) p.id, p.profile_id, s.comment_ids, cardinality(s.comment_ids) as n, s.positive, s.negative, s.neutral, s.compound, s.scores
    from said s cross join lateral (
      select o.id, o.profile_id from analytics.profile_posts o where o.instagram_post_id = s.post_instagram_id
      union all
      select o.id, o.profile_id from analytics.profile_posts o where s.post_instagram_id is null and o.shortcode = s.shortcode) p
    order by p.id, n desc
  ), scored as (
    insert into analytics.comment_sentiment as s (post_id, profile_id, positive_score, negative_score, neutral_score, compound_score,
      overall_sentiment, comments_analyzed, comment_ids)
    select k.id, k.profile_id, k.positive / k.n, k.negative / k.n, k.neutral / k.n, k.compound / k.n, analytics.sentiment_label(k.compound / k.n), k.n, k.comment_ids
    from known k
    on conflict on constraint comment_sentiment_post_key do update set
      (positive_score, negative_score, neutral_score, compound_score, overall_sentiment, comments_analyzed, comment_ids, analysis_timestamp) = (
        select m.positive, m.negative, m.neutral, m.compound, analytics.sentiment_label(m.compound), m.n, m.comment_ids, excluded.analysis_timestamp
        from (
          select (coalesce(s.positive_score, 0) * s.comments_analyzed + sum((k.scores -> c.place ->> 0)::double precision)) / (s.comments_analyzed + count(*)) as positive,
                 (coalesce(s.negative_score, 0) * s.comments_analyzed + sum((k.scores -> c.place ->> 1)::double precision)) / (s.comments_analyzed + count(*)) as negative,
                 (coalesce(s.neutral_score, 0) * s.comments_analyzed + sum((k.scores -> c.place ->> 2)::double precision)) / (s.comments_analyzed + count(*)) as neutral,
                 (coalesce(s.compound_score, 0) * s.comments_analyzed + sum((k.scores -> c.place ->> 3)::double precision)) / (s.comments_analyzed + count(*)) as compound,
                 s.comments_analyzed + count(*)::integer as n, (select array_agg(i order by i) from unnest(s.comment_ids || array_agg(c.id)) as i) as comment_ids
          from known k cross join lateral (
            select u.id, u.position::integer - 1 as place from unnest(k.comment_ids) with ordinality as u (id, position)) c
          where k.id = s.post_id and c.id <> all (s.comment_ids)) m)
    where not excluded.comment_ids <@ s.comment_ids
  )
  select k.profile_id into found_profile from known k limit 1;
  return found_profile;
end
$$;
comment on function analytics_private.store_comments(jsonb, text) is 'scores of comments whose post is known, counted once each; returns the profile of the first post, null when no post is known';

create or replace function analytics_private.recent_engagement(profile uuid) returns double precision
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select avg(r.rate) from (
      select p.engagement_rate_by_followers as rate from analytics.profile_posts p
      where p.profile_id = profile and p.engagement_rate_by_followers is not null
      order by p.posted_at desc, p.id desc limit 12
    ) r);
end
$$;
comment on function analytics_private.recent_engagement(uuid) is 'percent: mean engagement rate by followers of the 12 newest posts whose rate is known';

create or replace function analytics_private.ingest_instagram(payload json, captured_at timestamptz default now(), subject text default null)
returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  document constant jsonb := analytics_private.parse_instagram(coalesce(payload, 'null'));
begin
  if document ? 'refusal' then
    perform analytics_private.raise_error(
      case document -> 'refusal' ->> 'code' when 'NOT_FOUND' then 'EXTERNAL_API_ERROR' else document -> 'refusal' ->> 'code' end,
      document -> 'refusal' ->> 'message', document -> 'refusal' ->> 'hint');
  end if;
  return analytics_private.store_instagram(document, payload, captured_at, subject);
end
$$;
comment on function analytics_private.ingest_instagram(json, timestamptz, text) is
$$stores a Decodo answer, or the Instagram object inside it, in one transaction
payload: a profile, a page of posts, a post, a page of comments or a hashtag page in any shape of docs/ingest.md. captured_at: when it was fetched; an older capture never overwrites a newer one. subject: the username or shortcode that was asked for, needed only where the answer does not name it.
Returns the profile's id, null for a hashtag page. Errors, after which nothing is stored: VALIDATION_ERROR (not one of these shapes), EXTERNAL_API_ERROR (an error body), NOT_FOUND (comments of an unknown post), FORBIDDEN (removed on request).
Example: select analytics_private.ingest_instagram('{"data":{"user":{"id":"1","username":"example","edge_followed_by":{"count":10}}},"status":"ok"}')$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- How a fetch ended, seen from the profile

create or replace function analytics_private.fetch_succeeded(job analytics_private.jobs, document jsonb, profile uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  target analytics.profiles;
begin
  select p.* into target from analytics.profiles p where p.id = profile;
  if job.kind = 'instagram_profile' and document ->> 'kind' = 'profile' and not (document ->> 'posts_known')::boolean and target.is_private is not true then
    perform analytics_private.enqueue_job('instagram_posts', coalesce(target.instagram_user_id, target.username),
      jsonb_build_object('username', target.username, 'instagram_user_id', target.instagram_user_id,
        'count', analytics_private.setting_integer('posts_per_fetch')), job.priority, job.workspace_id, bounded => false);
  end if;
end
$$;

create or replace function analytics_private.close_undelivered(profile uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  payment record;
begin
  -- In one order for everybody, and for each workspace the counter before the wallet, so that two who give back never wait
  -- for each other in a circle. What is given back goes with the window's row: once.
  for payment in
    with closed as (
      delete from analytics.user_profile_access a where a.profile_id = profile
      returning a.workspace_id, a.payment, a.payment_period, a.credit_transaction_id
    )
    select c.workspace_id, c.payment_period, c.credit_transaction_id, count(*) as windows from closed c
    where c.payment is not null
    group by c.workspace_id, c.payment_period, c.credit_transaction_id
    order by c.workspace_id, c.payment_period nulls last, c.credit_transaction_id
  loop
    if payment.credit_transaction_id is null then
      perform analytics_private.give_back_units(payment.workspace_id, 'profile_unlocks', payment.windows, payment.payment_period);
    else
      perform analytics_private.refund_credits(payment.workspace_id, payment.credit_transaction_id, 'the profile could not be fetched');
    end if;
  end loop;
end
$$;
comment on function analytics_private.close_undelivered(uuid) is 'closes the windows on a profile of which nothing was delivered, and gives back what was paid for them';

create or replace function analytics_private.fetch_failed(kind text, payload jsonb, code text, message text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  failed record;
begin
  if kind <> 'instagram_profile' then
    return;
  end if;
  update analytics.profiles p set failed_at = clock_timestamp(), failure_code = code, failure_message = message
  where p.username = payload ->> 'username'
  returning p.id, p.captured_at into failed;
  if failed.id is not null and failed.captured_at is null then
    perform analytics_private.close_undelivered(failed.id);
  end if;
end
$$;
comment on function analytics_private.fetch_failed(text, jsonb, text, text) is 'notes on the profile why it could not be fetched, and closes windows on a profile that has never been captured';
