-- Reading: everything here is STABLE and sees only what row-level security lets the caller see, except search, which is
-- recorded and goes through a definer, because no index can serve ilike, % or @@ under row-level security.

-- Opaque cursors: base64url of "posted_at id", both of the last row of the page before.
create or replace function analytics_private.encode_cursor(moment timestamptz, id uuid) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select translate(encode(convert_to((extract(epoch from moment) * 1000000)::bigint || ' ' || id, 'UTF8'), 'base64'), E'+/=\n', '-_')
$$;

create or replace function analytics_private.decode_cursor(cursor text, out moment timestamptz, out id uuid)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  parts text[];
begin
  if cursor is null then
    return;
  end if;
  begin
    if length(cursor) > 200 then
      raise data_exception;
    end if;
    parts := string_to_array(convert_from(decode(rpad(translate(cursor, '-_', '+/'), (length(cursor) + 3) / 4 * 4, '='), 'base64'), 'UTF8'), ' ');
    moment := timestamptz 'epoch' + (parts[1]::bigint / 1000000) * interval '1 second' + (parts[1]::bigint % 1000000) * interval '1 microsecond';
    id := parts[2]::uuid;
    if moment is null or id is null or cardinality(parts) <> 2 then
      raise data_exception;
    end if;
  exception when others then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'this cursor was not given out by a page', 'pass next_cursor of the page before, or leave it out', '{"field": "after"}');
  end;
end
$$;

create or replace function analytics_private.check_page_size(page_size integer, maximum integer) returns integer
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if page_size is null or page_size not between 1 and maximum then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('page_size is 1 to %s', maximum), null, '{"field": "page_size"}');
  end if;
  return page_size;
end
$$;

create or replace function analytics_private.post_json(post analytics.profile_posts) returns jsonb
language sql stable parallel safe set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('id', post.id, 'profile_id', post.profile_id, 'instagram_post_id', post.instagram_post_id, 'shortcode', post.shortcode,
    'owner_username', post.owner_username, 'media_type', post.media_type, 'is_video', post.is_video, 'caption', post.caption,
    'display_url', post.display_url, 'thumbnail_src', post.thumbnail_src, 'likes_count', post.likes_count, 'comments_count', post.comments_count,
    'video_view_count', post.video_view_count, 'video_play_count', post.video_play_count,
    'engagement_rate_by_followers', post.engagement_rate_by_followers, 'hashtags', post.hashtags, 'mentions', post.mentions,
    'location_name', post.location_name, 'is_pinned', post.is_pinned, 'is_paid_partnership', post.is_paid_partnership,
    'posted_at', post.posted_at, 'captured_at', post.captured_at)
$$;

create or replace function analytics.profile_overview(username text) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  target constant uuid := analytics_private.open_profile(profile_overview.username);
begin
  return (
    select jsonb_build_object(
      'profile', to_jsonb(p),
      'state', case when p.captured_at is null then 'pending' else 'ready' end,
      'reason', case when p.failure_code is not null then jsonb_build_object('code', p.failure_code, 'message', p.failure_message, 'at', p.failed_at) end,
      'captured_at', p.captured_at,
      'window', (
        select jsonb_build_object('from', a.granted_at, 'to', a.expires_at) from analytics.user_profile_access a
        where a.profile_id = p.id and a.user_id = analytics_private.user_id()),
      'engagement', (
        select jsonb_build_object(
          'engagement_rate_by_followers', p.engagement_rate_by_followers,
          'mean_likes', avg(r.likes_count), 'mean_comments', avg(r.comments_count), 'mean_video_views', avg(r.video_view_count),
          'posts_counted', count(r.engagement_rate_by_followers), 'posts_seen', count(*),
          'first_posted_at', min(r.posted_at), 'last_posted_at', max(r.posted_at))
        from (select x.* from analytics.profile_posts x where x.profile_id = p.id order by x.posted_at desc, x.id desc limit 12) r),
      'posts', jsonb_build_object(
        'captured_at', p.posts_captured_at,
        'stored', (select count(*) from analytics.profile_posts x where x.profile_id = p.id),
        'items', (
          select coalesce(jsonb_agg(analytics_private.post_json(x) order by x.posted_at desc, x.id desc), '[]')
          from (select y.* from analytics.profile_posts y where y.profile_id = p.id order by y.posted_at desc, y.id desc limit 12) x)),
      'top_posts', (
        select coalesce(jsonb_agg(analytics_private.post_json(x) order by x.likes_count + coalesce(x.comments_count, 0) desc, x.id), '[]')
        from (select y.* from analytics.profile_posts y where y.profile_id = p.id and y.likes_count is not null
              order by y.likes_count + coalesce(y.comments_count, 0) desc, y.id limit 5) x),
      'mentions', (
        select coalesce(jsonb_agg(jsonb_build_object('username', x.mentioned_username, 'times', x.times, 'last_mentioned_at', x.last_at)
          order by x.times desc, x.mentioned_username), '[]')
        from (select m.mentioned_username, count(*) as times, max(m.mentioned_at) as last_at from analytics.mentions m
              where m.profile_id = p.id group by m.mentioned_username order by count(*) desc, m.mentioned_username limit 20) x),
      'hashtags', (
        select coalesce(jsonb_agg(jsonb_build_object('hashtag', x.tag, 'times', x.times) order by x.times desc, x.tag), '[]')
        from (select t.tag, count(*) as times from analytics.profile_posts y cross join lateral unnest(y.hashtags) as t (tag)
              where y.profile_id = p.id group by t.tag order by count(*) desc, t.tag limit 20) x),
      'related_profiles', (
        select coalesce(jsonb_agg(jsonb_build_object('username', r.related_username, 'full_name', r.related_full_name, 'is_verified', r.related_is_verified,
          'rank', r.rank, 'relationship_type', r.relationship_type, 'discovered_at', r.discovered_at) order by r.rank), '[]')
        from analytics.related_profiles r where r.profile_id = p.id),
      'audience_demographics', (select to_jsonb(d) - 'id' - 'profile_id' from analytics.audience_demographics d where d.profile_id = p.id),
      'creator_metadata', (select to_jsonb(c) - 'id' - 'profile_id' from analytics.creator_metadata c where c.profile_id = p.id),
      'comment_sentiment', (
        select jsonb_build_object('comments_analyzed', sum(s.comments_analyzed), 'posts_analyzed', count(*),
          'compound_score', sum(s.compound_score * s.comments_analyzed) / nullif(sum(s.comments_analyzed), 0), 'analysis_timestamp', max(s.analysis_timestamp))
        from analytics.comment_sentiment s where s.profile_id = p.id having count(*) > 0),
      'history', (
        select coalesce(jsonb_agg(to_jsonb(h) - 'profile_id' order by h.captured_at desc), '[]')
        from (select x.* from analytics.profile_history x where x.profile_id = p.id order by x.captured_at desc limit 90) h))
    from analytics.profiles p where p.id = target);
end
$$;
comment on function analytics.profile_overview(text) is
$$everything a profile page shows, each part with the time it was captured
Returns {profile, state: ready|pending, reason, captured_at, window, engagement (12 newest posts; rates in percent), posts: {captured_at, stored, items}, top_posts, mentions, hashtags, related_profiles, audience_demographics, creator_metadata, comment_sentiment, history (90 newest captures)}. What is unknown is null. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (not unlocked, or the window has ended).
Example: select analytics.profile_overview('natgeo') -> 'profile' ->> 'followers_count'$$;

create or replace function analytics.profile_timeline(username text, page_size integer default 20, after text default null) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  target constant uuid := analytics_private.open_profile(profile_timeline.username);
  size constant integer := analytics_private.check_page_size(profile_timeline.page_size, 100);
  start record;
begin
  select * into start from analytics_private.decode_cursor(profile_timeline.after);
  return (
    with page as materialized (
      select x.posted_at, x.id, analytics_private.post_json(x) as item, row_number() over (order by x.posted_at desc, x.id desc) as position
      from analytics.profile_posts x
      where x.profile_id = target and (start.id is null or (x.posted_at, x.id) < (start.moment, start.id))
      order by x.posted_at desc, x.id desc
      limit size + 1
    )
    select jsonb_build_object(
      'items', coalesce(jsonb_agg(item order by position) filter (where position <= size), '[]'),
      'next_cursor', case when count(*) > size then (
        select analytics_private.encode_cursor(last.posted_at, last.id) from page last where last.position = size) end)
    from page);
end
$$;
comment on function analytics.profile_timeline(text, integer, text) is
$$the posts of an unlocked profile, newest first
page_size: 1 to 100. after: next_cursor of the page before. Returns {items, next_cursor}; next_cursor is null on the last page. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (not unlocked).
Example: select jsonb_array_length(analytics.profile_timeline('natgeo', page_size => 50) -> 'items')$$;

create or replace function analytics.my_profiles() returns table (
  profile_id uuid, username text, full_name text, state text, is_open boolean, granted_at timestamptz, expires_at timestamptz, workspace_id uuid,
  is_favorite boolean, followers_count bigint, engagement_rate_by_followers double precision, is_verified boolean, is_private boolean,
  profile_pic_url text, captured_at timestamptz
) language sql stable set search_path = pg_catalog, pg_temp rows 100 as $$
  select p.id, p.username::text, p.full_name::text, case when p.captured_at is null then 'pending' else 'ready' end, true, a.granted_at, a.expires_at, a.workspace_id,
         exists (select from analytics.user_favorites f where f.user_id = a.user_id and f.profile_id = p.id),
         p.followers_count, p.engagement_rate_by_followers, p.is_verified, p.is_private, p.profile_pic_url, p.captured_at
  from analytics.user_profile_access a join analytics.profiles p on p.id = a.profile_id
  where a.user_id = (select analytics_private.user_id()) and a.granted_at <= statement_timestamp() and a.expires_at > statement_timestamp()
  order by a.granted_at desc, p.id
$$;
comment on function analytics.my_profiles() is
$$the profiles the caller's windows are open on, the latest unlocked first
One row a profile; rates in percent, unknown numbers null. Takes PostgREST's limit, offset, order and filters. Errors: 42501 for anon (HTTP 401).
Example: select username, followers_count from analytics.my_profiles()$$;

-- For definers that look at windows themselves instead of asking may_read_profile: the profiles on which this transaction has
-- just opened one. Nearly always none, without a look.
create or replace function analytics_private.unpaid_profiles(caller uuid) returns uuid[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if pg_current_xact_id_if_assigned() is null then
    return array[]::uuid[];
  end if;
  return array(select a.profile_id from analytics.user_profile_access a where a.user_id = caller and analytics_private.is_own_write(a.xmin));
end
$$;
comment on function analytics_private.unpaid_profiles(uuid) is 'profiles whose windows do not count yet, because the transaction that opens them can still be rolled back';

-- Definer: for ten thousand windows one probe each, where the policies would ask for each row.
create or replace function analytics_private.newest_posts(page_size integer, since interval, after text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  size constant integer := analytics_private.check_page_size(newest_posts.page_size, 100);
  unpaid constant uuid[] := analytics_private.unpaid_profiles(caller);
  moment constant timestamptz := analytics_private.judged_at();
  start record;
  bound timestamptz;
begin
  if newest_posts.since is null or newest_posts.since <= interval '0' or newest_posts.since > interval '10 years' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'since is an interval up to ten years', null, '{"field": "since"}');
  end if;
  bound := moment - newest_posts.since;
  select * into start from analytics_private.decode_cursor(newest_posts.after);
  return (
    -- The page's posts are all of the profiles whose own newest post is among as many newest: one probe a window finds these.
    with newest_profiles as materialized (
      select a.profile_id
      from analytics.user_profile_access a
      cross join lateral (
        select x.posted_at, x.id from analytics.profile_posts x
        where x.profile_id = a.profile_id and x.posted_at >= bound
          and (x.posted_at, x.id) < (coalesce(start.moment, 'infinity'), coalesce(start.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        order by x.posted_at desc, x.id desc
        limit 1
      ) n
      where a.user_id = caller and a.granted_at <= moment and a.expires_at > moment and a.profile_id <> all (unpaid)
      order by n.posted_at desc, n.id desc
      limit size + 1
    ), page as materialized (
      select n.posted_at, n.id, row_number() over (order by n.posted_at desc, n.id desc) as position
      from newest_profiles a
      cross join lateral (
        select x.posted_at, x.id from analytics.profile_posts x
        where x.profile_id = a.profile_id and x.posted_at >= bound
          and (x.posted_at, x.id) < (coalesce(start.moment, 'infinity'), coalesce(start.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        order by x.posted_at desc, x.id desc
        limit size + 1
      ) n
      order by n.posted_at desc, n.id desc
      limit size + 1
    )
    select jsonb_build_object(
      'items', coalesce(jsonb_agg(analytics_private.post_json(x) || jsonb_build_object('username', p.username) order by page.position)
        filter (where page.position <= size), '[]'),
      'next_cursor', case when count(*) > size then (
        select analytics_private.encode_cursor(last.posted_at, last.id) from page last where last.position = size) end)
    from page join analytics.profile_posts x on x.id = page.id join analytics.profiles p on p.id = x.profile_id);
end
$$;

create or replace function analytics.newest_posts(page_size integer default 50, since interval default '30 days', after text default null) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  select analytics_private.newest_posts(newest_posts.page_size, newest_posts.since, newest_posts.after)
$$;
comment on function analytics.newest_posts(integer, interval, text) is
$$the newest posts of all profiles the caller's windows are open on
page_size: 1 to 100. since: how far back, up to ten years. after: next_cursor of the page before. Returns {items, next_cursor}; every item also says its profile's username. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active).
Example: select jsonb_array_length(analytics.newest_posts(page_size => 10, since => '7 days') -> 'items')$$;

-- Loads pg_trgm, so that this session knows its setting: only a superuser may set one that nobody knows.
select @pg_trgm@.show_limit();

-- Definer, see the head of this file; only profiles with an open window of the caller are looked at.
create or replace function analytics_private.search_profiles(query text, filters text, page_size integer) returns jsonb
-- 0.5 instead of pg_trgm's 0.6: a name of nine letters is still found with one of them missing.
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set pg_trgm.word_similarity_threshold = 0.5 as $$
declare
  caller constant uuid := analytics_private.require_user();
  size constant integer := analytics_private.check_page_size(search_profiles.page_size, 100);
  unpaid constant uuid[] := analytics_private.unpaid_profiles(caller);
  moment constant timestamptz := analytics_private.judged_at();
  wish constant text := lower(btrim(coalesce(search_profiles.query, '')));
  wanted jsonb;
  known constant text[] := array['followers_min', 'followers_max', 'engagement_min', 'engagement_max', 'category', 'is_verified', 'is_business_account', 'is_private', 'favorites_only'];
  unknown text;
  f record;
  answer jsonb;
begin
  if length(wish) > 200 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a query has at most 200 characters', null, '{"field": "query"}');
  elsif length(search_profiles.filters) > 4096 then
    -- Also keeps brackets within brackets from using up the server's stack.
    perform analytics_private.raise_error('VALIDATION_ERROR', 'filters have at most 4096 characters', null, '{"field": "filters"}');
  end if;
  begin
    wanted := coalesce(nullif(btrim(search_profiles.filters), ''), '{}')::jsonb;
    if jsonb_typeof(wanted) <> 'object' then
      raise data_exception;
    end if;
    select * into f from jsonb_to_record(wanted) as r (followers_min bigint, followers_max bigint, engagement_min double precision,
      engagement_max double precision, category text, is_verified boolean, is_business_account boolean, is_private boolean, favorites_only boolean);
  exception when data_exception then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'filters is a JSON object of known types', 'known filters: ' || array_to_string(known, ', '), '{"field": "filters"}');
  end;
  select k into unknown from jsonb_object_keys(wanted) as k where k <> all (known) limit 1;
  if unknown is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('there is no filter "%s"', left(unknown, 64)), 'known filters: ' || array_to_string(known, ', '), '{"field": "filters"}');
  end if;

  with found as (
    select p.id, p.username, p.full_name, p.followers_count, p.engagement_rate_by_followers, p.category, p.is_verified, p.is_business_account, p.is_private,
           p.profile_pic_url, p.captured_at,
           case when wish = '' then 0 when p.username = wish then 2
             else @pg_trgm@.word_similarity(wish, lower(coalesce(p.username, '') || ' ' || coalesce(p.full_name, ''))) end as score
    from analytics.user_profile_access a join analytics.profiles p on p.id = a.profile_id
    where a.user_id = caller and a.granted_at <= moment and a.expires_at > moment and a.profile_id <> all (unpaid)
      and (wish = ''
        or lower(coalesce(p.username, '') || ' ' || coalesce(p.full_name, '')) like '%' || replace(replace(replace(wish, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%'
        or wish operator(@pg_trgm@.<%) lower(coalesce(p.username, '') || ' ' || coalesce(p.full_name, ''))
        or to_tsvector('simple'::regconfig, coalesce(p.username, '') || ' ' || coalesce(p.full_name, '') || ' ' || coalesce(p.biography, '') || ' ' || coalesce(p.category, ''))
           @@ plainto_tsquery('simple'::regconfig, wish))
      and (f.followers_min is null or p.followers_count >= f.followers_min) and (f.followers_max is null or p.followers_count <= f.followers_max)
      and (f.engagement_min is null or p.engagement_rate_by_followers >= f.engagement_min) and (f.engagement_max is null or p.engagement_rate_by_followers <= f.engagement_max)
      and (f.category is null or lower(p.category) = lower(f.category))
      and (f.is_verified is null or p.is_verified = f.is_verified) and (f.is_business_account is null or p.is_business_account = f.is_business_account)
      and (f.is_private is null or p.is_private = f.is_private)
      and (f.favorites_only is not true or exists (select from analytics.user_favorites v where v.user_id = caller and v.profile_id = p.id))
  )
  select jsonb_build_object('total', (select count(*) from found),
    'items', (select coalesce(jsonb_agg(to_jsonb(top) order by top.score desc, top.followers_count desc nulls last, top.id), '[]')
              from (select * from found order by score desc, followers_count desc nulls last, id limit size) top))
  into answer;
  perform analytics_private.record_search(caller, 'search', search_query => wish, results_count => (answer ->> 'total')::integer, data_source => 'database_cache');
  return answer;
end
$$;

create or replace function analytics.search_profiles(query text, filters text default '{}', page_size integer default 20) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select analytics_private.search_profiles(search_profiles.query, search_profiles.filters, search_profiles.page_size)
$$;
comment on function analytics.search_profiles(text, text, integer) is
$$finds profiles among those the caller's windows are open on, and records the search
query: up to 200 characters, matched by part of the name, by similarity of the name (trigrams) and by words of name, biography and category; empty: all. filters: text holding a JSON object of followers_min, followers_max, engagement_min, engagement_max (percent), category, is_verified, is_business_account, is_private, favorites_only. page_size: 1 to 100.
Returns {total, items: [{id, username, full_name, followers_count, engagement_rate_by_followers, category, …, score}]}, best first. Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN (user not active).
Example: select analytics.search_profiles('photo', '{"followers_min": 1000}') -> 'total'$$;
