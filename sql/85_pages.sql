-- Pictures: charts as image/svg+xml, pages as text/html, reports as text/csv, and links to pages for who has no account here. What is
-- drawn comes from the functions that clients call; Rust draws it (domain/src/charts).

-- PostgREST serves what a function returns under the name of its result's domain.
do $domains$
begin
  if to_regtype('analytics."image/svg+xml"') is null then
    create domain analytics."image/svg+xml" as text;
  end if;
  if to_regtype('analytics."text/html"') is null then
    create domain analytics."text/html" as text;
  end if;
  if to_regtype('analytics."text/csv"') is null then
    create domain analytics."text/csv" as text;
  end if;
  if to_regtype('analytics_private.picture_period') is null then
    create type analytics_private.picture_period as (
      first timestamptz, last timestamptz, zone text, bucket text, in_words text, starts bigint, ends bigint
    );
  end if;
end
$domains$;
comment on domain analytics."image/svg+xml" is 'a picture; PostgREST serves it under this media type';
comment on domain analytics."text/html" is 'a page; PostgREST serves it under this media type';
comment on domain analytics."text/csv" is 'a table for spreadsheets; PostgREST serves it under this media type';

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('shared_pages_per_workspace', 'integer', '100', '1', '100000', 'a workspace with this many open links to pages makes no more'),
  ('shared_page_retention', 'interval', '90 days', '0', '3650 days', 'how long a link that has ended is remembered')
on conflict (name) do nothing;

insert into analytics.permissions (action, minimum_role, resource, description) values
  ('share_page', 'editor', null, 'make a link that shows a dashboard to whoever has it'),
  ('revoke_shared_page', 'editor', null, 'end such a link')
on conflict (action) do update set
  minimum_role = excluded.minimum_role, resource = excluded.resource, description = excluded.description;

-- ---------------------------------------------------------------------------------------------------------------------
-- What all pictures need

-- Nothing may be loaded or run, no other place learns where the reader comes from, nobody in between keeps a copy.
create or replace function analytics_private.send_page_headers() returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(current_setting('request.method', true), '') <> '' then
    perform set_config('response.headers', '[{"Content-Security-Policy": "default-src ''none''; style-src ''unsafe-inline''; img-src data:"}, {"X-Content-Type-Options": "nosniff"}, {"Referrer-Policy": "no-referrer"}, {"Cache-Control": "private, no-store"}]', true);
  end if;
end
$$;
comment on function analytics_private.send_page_headers() is 'tells PostgREST the headers of pages and pictures';

create or replace function analytics_private.check_width(width integer) returns integer
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if check_width.width is null or check_width.width not between 280 and 1600 then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'width is 280 to 1600 pixels', null, '{"field": "width"}');
  end if;
  return check_width.width;
end
$$;

-- Times of pictures are seconds on the clock of the zone, as if it were UTC.
create or replace function analytics_private.wall_clock(moment timestamptz, zone text) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return floor(extract(epoch from moment at time zone zone));
end
$$;

create or replace function analytics_private.day_in_words(moment timestamptz, zone text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return to_char(moment at time zone zone, 'FMDD Mon YYYY');
end
$$;

-- However large, without a mask that it could be too large for.
create or replace function analytics_private.number_in_words(number numeric, places integer default 0) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  shown constant numeric := round(abs(number_in_words.number), number_in_words.places);
begin
  return case when number < 0 and shown > 0 then '−' else '' end
    || to_char(shown, 'FM' || repeat('999,', length(trunc(shown)::text) / 3) || '990' || case when places > 0 then '.' || repeat('0', places) else '' end);
end
$$;

create or replace function analytics_private.change_in_words(number numeric, places integer default 0) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return case when round(number, places) > 0 then '+' else '' end || analytics_private.number_in_words(number, places);
end
$$;

-- Rust draws no number beyond 10^15, from where on a count is not exact as a floating-point number (charts::scale::LARGEST).
create or replace function analytics_private.reason_not_drawn(number double precision, reason text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return case when abs(number) > 1e15 then 'the number is too large to be drawn' else reason end;
end
$$;

-- The time that a picture is about, checked. Until is now by default, and since the start of the day 30 days before in the zone: 30
-- whole days, which is what sums are of, and today so far. A value a day, over years a week or month.
create or replace function analytics_private.check_picture_period(since timestamptz, until timestamptz, timezone text) returns analytics_private.picture_period
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  period analytics_private.picture_period;
begin
  period.zone := analytics_private.check_timezone(timezone);
  period.last := coalesce(until, now());
  period.first := coalesce(since, (case when until is null then date_trunc('day', period.last at time zone period.zone) else period.last at time zone period.zone end - interval '30 days') at time zone period.zone);
  perform analytics_private.check_period(period.first, period.last);
  if period.last - period.first > interval '10000 days' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'the period is too long', 'at most 10 000 days', '{"field": "since"}');
  end if;
  period.bucket := case when period.last - period.first <= interval '400 days' then 'day' when period.last - period.first <= interval '2000 days' then 'week' else 'month' end;
  period.in_words := analytics_private.day_in_words(period.first, period.zone) || ' – ' || analytics_private.day_in_words(period.last - interval '1 microsecond', period.zone);
  period.starts := analytics_private.wall_clock(period.first, period.zone);
  period.ends := analytics_private.wall_clock(period.last, period.zone);
  return period;
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The documents that are drawn. The caller has checked the account and the period.

create or replace function analytics_private.followers_document(account analytics.social_accounts, period analytics_private.picture_period, known timestamptz) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  line record;
begin
  select json_agg(floor(extract(epoch from s.bucket_start at time zone period.zone))::bigint order by s.bucket_start) as times,
    json_agg(s.value order by s.bucket_start) as values, max(s.captured_at) as captured_at,
    (array_agg(s.reason order by s.bucket_start desc) filter (where s.reason is not null))[1] as reason, min(s.bucket_start) as first, max(s.value) as highest
  into line
  from analytics.metric_series(account.id, 'followers', period.first, period.last, period.bucket, period.zone, known) s;
  return json_build_object('title', format('Followers of @%s', account.handle),
    'subtitle', format('%s, the last value of each %s', period.in_words, period.bucket),
    'zone', period.zone, 'captured_at', analytics_private.wall_clock(line.captured_at, period.zone), 'reason', analytics_private.reason_not_drawn(line.highest, line.reason),
    'plot', json_build_object('line', json_build_object('unit', 'followers', 'from', analytics_private.wall_clock(line.first, period.zone), 'until', period.ends,
      'bucket', period.bucket, 'series', json_build_array(json_build_object('name', '@' || account.handle, 'times', line.times, 'values', line.values)))));
end
$$;

-- What engagement is divided by: what was asked for, or the first that is known of any post of the time.
create or replace function analytics_private.known_denominator(account analytics.social_accounts, period analytics_private.picture_period, asked text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if asked not in ('reach', 'followers', 'views') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such denominator', 'by is reach, followers or views', '{"field": "by"}');
  end if;
  return coalesce(asked, (
    select case when count(p.engagement_rate) > 0 then 'reach' when count(p.engagement_rate_by_followers) > 0 then 'followers' when count(p.engagement_rate_by_views) > 0 then 'views' else 'reach' end
    from analytics.top_content p
    where p.workspace_id = account.workspace_id and p.social_account_id = account.id and p.posted_at >= period.first and p.posted_at < period.last));
end
$$;

-- The posts of a time and the rate of them all: the ratio of the sums over those whose own rate is known.
create or replace function analytics_private.engagement_of(
  account analytics.social_accounts, period analytics_private.picture_period, denominator text, out posts bigint, out known bigint, out rate double precision,
  out last_posted_at timestamptz, out captured_at timestamptz
) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  select count(*), count(p.rate), 100 * (sum(p.interactions) filter (where p.rate is not null))::double precision / nullif(sum(p.base) filter (where p.rate is not null), 0)::double precision,
    max(p.posted_at), max(p.captured_at)
  into posts, known, rate, last_posted_at, captured_at
  from (
    select t.posted_at, t.captured_at,
      case denominator when 'reach' then t.engagement_rate when 'followers' then t.engagement_rate_by_followers else t.engagement_rate_by_views end as rate,
      case denominator when 'followers' then t.likes_count::numeric + t.comments_count else t.likes_count::numeric + t.comments_count + t.shares_count + t.saves_count end as interactions,
      case denominator when 'reach' then t.reach when 'followers' then t.followers_count else t.views end as base
    from analytics.top_content t
    where t.workspace_id = account.workspace_id and t.social_account_id = account.id and t.posted_at >= period.first and t.posted_at < period.last) p;
end
$$;

create or replace function analytics_private.rate_in_words(denominator text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return case denominator when 'followers' then '(likes + comments) / followers on the day of publishing' else '(likes + comments + shares + saves) / ' || denominator end;
end
$$;

create or replace function analytics_private.engagement_document(account analytics.social_accounts, period analytics_private.picture_period, denominator text) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  most constant integer := 1000;
  content record;
begin
  select * into content from analytics_private.engagement_of(account, period, denominator);
  return json_build_object('title', format('Engagement of @%s by %s', account.handle, denominator),
    'subtitle', format('%s, each post as last captured', period.in_words),
    'zone', period.zone, 'captured_at', analytics_private.wall_clock(content.captured_at, period.zone),
    'reason', analytics_private.reason_not_drawn(content.rate, case when content.posts = 0 then 'no post of this time was captured'
      else format('of none of %s posts all counts and the %s are known', content.posts, denominator) end),
    'notes', json_build_array('rate: ' || analytics_private.rate_in_words(denominator),
      case when content.posts > most then format('the newest %s of %s posts are drawn', most, content.posts) end),
    'plot', json_build_object('dots', json_build_object('unit', 'percent', 'from', period.starts, 'until', period.ends, 'things', 'posts',
      'level', json_build_object('label', 'of all posts together', 'value', content.rate),
      'points', (
        select coalesce(json_agg(json_build_object('at', floor(extract(epoch from x.posted_at at time zone period.zone))::bigint,
          'value', case denominator when 'reach' then x.engagement_rate when 'followers' then x.engagement_rate_by_followers else x.engagement_rate_by_views end,
          'label', left(coalesce(x.caption, x.media_type, ''), 140)) order by x.posted_at), '[]')
        from (
          select p.posted_at, p.caption, p.media_type, p.engagement_rate, p.engagement_rate_by_followers, p.engagement_rate_by_views from analytics.top_content p
          where p.workspace_id = account.workspace_id and p.social_account_id = account.id and p.posted_at >= period.first and p.posted_at < period.last
          order by p.posted_at desc limit most) x))));
end
$$;

-- One distribution: [{key: …, count: …} or {key: …, share: …}].
create or replace function analytics_private.audience_panel(name text, key text, parts jsonb, base bigint) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  most constant integer := 8;
begin
  return (
    select json_build_object('name', audience_panel.name, 'unit', case when bool_or(p.count is not null) then 'people' when bool_or(p.share is not null) then 'percent' end,
      'bars', coalesce(json_agg(json_build_object('label', p.label, 'value', coalesce(p.count, p.share * 100),
          'share', case when p.count is not null and base > 0 then p.count * 100 / base end)
        order by case when audience_panel.key = 'range' then p.label end, p.position) filter (where p.position <= most), '[]'),
      'note', case when parts is null then 'not answered by the platform' when count(*) = 0 then 'the platform named none'
        when count(*) > most then format('the largest %s of %s', most, count(*)) end)
    from (
      select e.value ->> audience_panel.key as label,
        case when jsonb_typeof(e.value -> 'count') = 'number' then (e.value ->> 'count')::double precision end as count,
        case when jsonb_typeof(e.value -> 'share') = 'number' then (e.value ->> 'share')::double precision end as share,
        row_number() over (order by case when jsonb_typeof(e.value -> 'count') = 'number' then (e.value ->> 'count')::double precision end desc nulls last,
          case when jsonb_typeof(e.value -> 'share') = 'number' then (e.value ->> 'share')::double precision end desc nulls last, e.ordinality) as position
      from jsonb_array_elements(coalesce(parts, '[]')) with ordinality as e (value, ordinality)) p);
end
$$;

create or replace function analytics_private.audience_document(account analytics.social_accounts, wanted text, zone text) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  newest record;
begin
  if wanted is null or wanted not in ('followers', 'engaged', 'reached') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such audience', 'followers, engaged or reached', '{"field": "audience"}');
  end if;
  select a.captured_at, a.snapshot_date, a.base, a.age_ranges, a.genders, a.countries, a.cities into newest
  from analytics.audience_insights a
  where a.workspace_id = account.workspace_id and a.social_account_id = account.id and a.audience = wanted
  order by a.captured_at desc limit 1;
  return json_build_object('title', format('Audience of @%s: %s', account.handle, case wanted when 'followers' then 'followers' when 'engaged' then 'who engaged' else 'who was reached' end),
    'subtitle', case when newest.captured_at is not null then format('%s%s', to_char(newest.snapshot_date, 'FMDD Mon YYYY'),
      coalesce(format(', %s people', analytics_private.number_in_words(newest.base)), ', how many people is not known')) end,
    'zone', zone, 'captured_at', analytics_private.wall_clock(newest.captured_at, zone),
    'reason', case when newest.captured_at is null then 'no audience was captured' else 'the platform answered nothing about it' end,
    'plot', json_build_object('bars', json_build_object('panels', json_build_array(
      analytics_private.audience_panel('Age', 'range', newest.age_ranges, newest.base),
      analytics_private.audience_panel('Gender', 'gender', newest.genders, newest.base),
      analytics_private.audience_panel('Country', 'country', newest.countries, newest.base),
      analytics_private.audience_panel('City', 'city', newest.cities, newest.base)))));
end
$$;

-- Only hours with posts: what the others would bring is not known.
create or replace function analytics_private.best_times_document(account analytics.social_accounts, period analytics_private.picture_period, denominator text) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  week record;
begin
  select coalesce(json_agg(json_build_object('weekday', b.weekday, 'hour', b.hour, 'value', b.score, 'posts', b.posts)) filter (where b.score is not null), '[]') as cells,
    max(b.posts_of_all) as posts, max(b.prior) as prior, max(b.last_captured_at) as captured_at, max(b.reason) as reason
  into week from analytics.best_posting_times(account.id, period.zone, period.first, period.last, denominator) b;
  return json_build_object('title', format('Best times to post for @%s', account.handle),
    'subtitle', format('%s, %s posts, hours of %s', period.in_words, week.posts, period.zone),
    'zone', period.zone, 'captured_at', analytics_private.wall_clock(week.captured_at, period.zone), 'reason', week.reason,
    'notes', json_build_array('rate: ' || analytics_private.rate_in_words(denominator),
      format('each hour is mixed with %s posts of the account''s mean', week.prior), 'what did well is not what made it do well'),
    'plot', json_build_object('heat', json_build_object('unit', 'percent', 'cells', week.cells)));
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Charts

create or replace function analytics.chart_followers(
  account_id uuid, since timestamptz default null, until timestamptz default null, timezone text default 'UTC', as_known_at timestamptz default null, width integer default 640
) returns analytics."image/svg+xml" language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(chart_followers.account_id);
  period constant analytics_private.picture_period := analytics_private.check_picture_period(chart_followers.since, chart_followers.until, chart_followers.timezone);
begin
  perform analytics_private.send_page_headers();
  return analytics_private.draw_chart(analytics_private.followers_document(account, period, chart_followers.as_known_at), analytics_private.check_width(chart_followers.width));
end
$$;
comment on function analytics.chart_followers(uuid, timestamptz, timestamptz, text, timestamptz, integer) is
$$a picture of an account's followers over time, as SVG
since, until: default the last 30 whole days of the zone and today so far; the last value of each day, over more than 400 days of each week, over more than 2000 of each month, of the time zone. as_known_at: as in metrics(). width: 280 to 1600 pixels; it shrinks to fit.
Days without a capture are a gap. Returns the media type image/svg+xml; in JSON a string.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select analytics.chart_followers('0195c3a0-0000-7000-8000-0000000000c0', '2026-05-01', '2026-06-01') like '<svg%'$$;

create or replace function analytics.chart_engagement(
  account_id uuid, since timestamptz default null, until timestamptz default null, timezone text default 'UTC', by text default null, width integer default 640
) returns analytics."image/svg+xml" language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(chart_engagement.account_id);
  period constant analytics_private.picture_period := analytics_private.check_picture_period(chart_engagement.since, chart_engagement.until, chart_engagement.timezone);
begin
  perform analytics_private.send_page_headers();
  return analytics_private.draw_chart(analytics_private.engagement_document(account, period, analytics_private.known_denominator(account, period, chart_engagement.by)), analytics_private.check_width(chart_engagement.width));
end
$$;
comment on function analytics.chart_engagement(uuid, timestamptz, timestamptz, text, text, integer) is
$$a picture of the engagement rates of an account's posts, as SVG: a mark for each post, a line for all of them together
since, until: when they were published, default the last 30 whole days of the zone and today so far. by: what the rate is by, reach, followers or views; default the first of these that is known of any post. width: 280 to 1600 pixels.
The line is the ratio of the sums, not the mean of the ratios. Posts whose rate is not known are counted below, not drawn; at most the 1000 newest are. Returns the media type image/svg+xml; in JSON a string.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select analytics.chart_engagement('0195c3a0-0000-7000-8000-0000000000c0', by => 'views') like '<svg%'$$;

create or replace function analytics.chart_best_times(
  account_id uuid, timezone text default 'UTC', since timestamptz default null, until timestamptz default null, by text default null, width integer default 640
) returns analytics."image/svg+xml" language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(chart_best_times.account_id);
  period constant analytics_private.picture_period := analytics_private.check_picture_period(
    coalesce(chart_best_times.since, coalesce(chart_best_times.until, now()) - interval '16 weeks'), chart_best_times.until, chart_best_times.timezone);
begin
  perform analytics_private.send_page_headers();
  return analytics_private.draw_chart(
    analytics_private.best_times_document(account, period, analytics_private.known_denominator(account, period, chart_best_times.by)),
    analytics_private.check_width(chart_best_times.width));
end
$$;
comment on function analytics.chart_best_times(uuid, text, timestamptz, timestamptz, text, integer) is
$$a picture of best_posting_times(), as SVG: weekdays by hours of the time zone
since, until: when posts were published, default the last 16 weeks. by: as in chart_engagement(). width: 280 to 1600 pixels. Hours without posts are empty; the best three are outlined.
Returns the media type image/svg+xml; in JSON a string.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select analytics.chart_best_times('0195c3a0-0000-7000-8000-0000000000c0', 'Europe/Berlin') like '<svg%'$$;

create or replace function analytics.chart_audience(account_id uuid, audience text default 'followers', timezone text default 'UTC', width integer default 640)
returns analytics."image/svg+xml" language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(chart_audience.account_id);
begin
  perform analytics_private.send_page_headers();
  return analytics_private.draw_chart(analytics_private.audience_document(account, chart_audience.audience, analytics_private.check_timezone(chart_audience.timezone)),
    analytics_private.check_width(chart_audience.width));
end
$$;
comment on function analytics.chart_audience(uuid, text, text, integer) is
$$a picture of who an account's audience is, as SVG: ages, genders, countries and cities as last captured
audience: followers, engaged or reached. timezone: of the capture time shown. width: 280 to 1600 pixels. Shares are of the whole audience, and only drawn where its size is known or the platform said shares.
Returns the media type image/svg+xml; in JSON a string.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select analytics.chart_audience('0195c3a0-0000-7000-8000-0000000000c0') like '<svg%'$$;

create or replace function analytics.chart_compare(
  account_ids uuid[], metric text default 'followers', scale text default 'change', since timestamptz default null, until timestamptz default null, timezone text default 'UTC',
  width integer default 640
) returns analytics."image/svg+xml" language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  asked constant integer := coalesce(cardinality(chart_compare.account_ids), 0);
  period analytics_private.picture_period;
  account analytics.social_accounts;
  account_id uuid;
  name text;
  line record;
  kind analytics.metric_registry;
  lines json[] := array[]::json[];
  notes text[] := array[]::text[];
  reason text;
  is_flow boolean := false;
  captured_at timestamptz;
  starts timestamptz;
begin
  perform analytics_private.require_user();
  if asked not between 1 and 8 or array_position(chart_compare.account_ids, null) is not null or asked <> (select count(distinct u) from unnest(chart_compare.account_ids) u) then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'one picture compares 1 to 8 different accounts', null, '{"field": "account_ids"}');
  elsif chart_compare.scale is null or chart_compare.scale not in ('change', 'value') then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'there is no such scale', 'change: in percent since the first known value; value: the values', '{"field": "scale"}');
  end if;
  period := analytics_private.check_picture_period(chart_compare.since, chart_compare.until, chart_compare.timezone);
  foreach account_id in array chart_compare.account_ids loop
    account := analytics_private.audience_account(account_id);
    name := '@' || account.handle || ' · ' || analytics_private.platform_in_words(account.platform);
    select r.* into kind from analytics.metric_registry r where r.platform = account.platform and r.scope = 'account' and r.metric = chart_compare.metric;
    if not found then
      -- The others are drawn; a metric that no platform has is a mistake.
      if not exists (select from analytics.metric_registry r where r.scope = 'account' and r.metric = chart_compare.metric) then
        perform analytics_private.known_metric(account.platform, chart_compare.metric);
      end if;
      reason := format('%s has no metric %s for accounts', analytics_private.platform_in_words(account.platform), chart_compare.metric);
      lines := lines || json_build_object('name', name, 'times', json_build_array(), 'values', json_build_array());
    else
      select json_agg(floor(extract(epoch from s.bucket_start at time zone period.zone))::bigint order by s.bucket_start) as times,
        json_agg(s.shown order by s.bucket_start) as values, max(s.captured_at) as captured_at, min(s.bucket_start) as first,
        case when bool_or(abs(s.shown) <= 1e15) then null
          when max(s.value) is null then (array_agg(s.reason order by s.bucket_start desc))[1]
          when count(s.shown) = 0 then 'it was 0 first, of which there are no percent'
          else analytics_private.reason_not_drawn(max(abs(s.shown))::double precision, null) end as reason
      into line
      from (
        select m.bucket_start, m.value, m.captured_at, m.reason, case chart_compare.scale when 'value' then m.value else (m.value - m.base) * 100.0 / nullif(m.base, 0) end as shown
        from (
          select n.*, (array_agg(n.value) filter (where n.value is not null) over (order by n.bucket_start rows between unbounded preceding and unbounded following))[1] as base
          from analytics.metric_series(account_id, chart_compare.metric, period.first, period.last, period.bucket, period.zone) n) m) s;
      reason := line.reason;
      lines := lines || json_build_object('name', name, 'times', line.times, 'values', line.values);
      captured_at := greatest(captured_at, line.captured_at);
      starts := coalesce(starts, line.first);
      is_flow := is_flow or kind.kind = 'flow';
    end if;
    if reason is not null and asked > 1 then
      notes := notes || (name || ': ' || reason);
    end if;
  end loop;
  perform analytics_private.send_page_headers();
  return analytics_private.draw_chart(json_build_object(
      'title', case chart_compare.scale when 'value' then format('%s compared', initcap(replace(chart_compare.metric, '_', ' ')))
        else format('Change of %s compared', replace(chart_compare.metric, '_', ' ')) end,
      'subtitle', period.in_words || case chart_compare.scale when 'change' then ', in percent of the first known value' else '' end,
      'zone', period.zone, 'captured_at', analytics_private.wall_clock(captured_at, period.zone), 'reason', case when asked = 1 then reason end, 'notes', to_json(notes),
      'plot', json_build_object('line', json_build_object('unit', case chart_compare.scale when 'change' then 'percent' else replace(chart_compare.metric, '_', ' ') end,
        'from', coalesce(analytics_private.wall_clock(starts, period.zone), period.starts), 'until', period.ends, 'bucket', period.bucket, 'is_change', chart_compare.scale = 'change',
        'from_zero', chart_compare.scale = 'change' or is_flow, 'series', to_json(lines)))),
    analytics_private.check_width(chart_compare.width));
end
$$;
comment on function analytics.chart_compare(uuid[], text, text, timestamptz, timestamptz, text, integer) is
$$a picture of one metric of 1 to 8 accounts over the same time, as SVG
metric: from metric_registry, default followers. scale: change (percent since each account's first known value in the period, so that large and small ones compare) or value. since, until: default the last 30 whole days of the zone and today so far. width: 280 to 1600 pixels.
Lines are told apart by their dashes too, not by colour alone. Where nothing is known a line is broken; an account of which nothing can be drawn is named below with the reason, as one whose platform has no such metric. Returns the media type image/svg+xml; in JSON a string.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (one of them is no account in the caller's workspaces).
Example: select analytics.chart_compare(array['0195c3a0-0000-7000-8000-0000000000c0']::uuid[], scale => 'value') like '<svg%'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Pages

create or replace function analytics_private.dashboard_facts(account analytics.social_accounts, period analytics_private.picture_period, denominator text) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  grown record;
  content record;
  facts json[];
  kind analytics.metric_registry;
  flow record;
  is_sum boolean;
  days constant numeric := extract(epoch from (period.last at time zone period.zone) - (period.first at time zone period.zone)) / 86400;
  before constant text := case when days = 1 then 'the day before' when days % 1 = 0 then format('the %s days before', trunc(days)) else 'as much time before' end;
begin
  select * into grown from analytics.growth(account.id, period.first, period.last, 'followers', period.zone);
  select * into content from analytics_private.engagement_of(account, period, denominator);
  facts := array[
    json_build_object('label', 'Followers', 'unit', 'followers', 'value', grown.end_value, 'reason', analytics_private.reason_not_drawn(grown.end_value, split_part(grown.reason, ';', 1)),
      'note', 'on ' || to_char(grown.end_measured_at at time zone period.zone, 'FMDD Mon YYYY HH24:MI')),
    json_build_object('label', 'Change of followers', 'unit', 'followers', 'is_change', true, 'value', grown.net, 'reason', analytics_private.reason_not_drawn(grown.net, split_part(grown.reason, ';', 1)),
      'note', concat_ws(', ', analytics_private.change_in_words(grown.net_rate::numeric, case when abs(grown.net_rate) < 100 then 1 else 0 end) || '% since ' || analytics_private.day_in_words(grown.start_measured_at, period.zone),
        coalesce(analytics_private.change_in_words(grown.previous_net), 'not known') || ' in ' || before)),
    json_build_object('label', 'Engagement by ' || denominator, 'unit', 'percent', 'value', content.rate,
      'note', format('%s of %s posts, sums of both', content.known, content.posts),
      'reason', analytics_private.reason_not_drawn(content.rate, case when content.posts = 0 then 'no post of this time was captured'
        else format('of none of %s posts all counts and the %s are known', content.posts, denominator) end)),
    json_build_object('label', 'Posts', 'unit', 'posts', 'reason', 'posts were never captured',
      'value', case when exists (select from analytics.top_content t where t.workspace_id = account.workspace_id and t.social_account_id = account.id) then content.posts end,
      'note', coalesce('last on ' || analytics_private.day_in_words(content.last_posted_at, period.zone), 'none in this time'))];
  for kind in
    select r.* from analytics.metric_registry r where r.platform = account.platform and r.scope = 'account' and r.metric in ('reach', 'views') and r.kind = 'flow' order by r.metric
  loop
    flow := analytics_private.flow_sum(account, kind.metric, period.first, period.last, period.zone, 'infinity');
    is_sum := kind.is_summable and flow.days > 0 and flow.days_known = flow.days;
    -- A sum of all whole days if there is one, else the mean of those that are known. People of several days have no sum.
    facts := facts || json_build_object('label', initcap(kind.metric) || case when is_sum then '' else ' a day' end, 'unit', kind.unit,
      'value', case when is_sum then flow.total else round(flow.total::numeric / nullif(flow.days_known, 0)) end,
      'reason', case when flow.days = 0 then 'the period has no whole day' else analytics_private.unknown_reason(kind, period.first, period.last) end,
      'note', case when is_sum then format('sum of %s whole day%s', flow.days, case when flow.days > 1 then 's' end) else format('mean of %s of %s whole days', flow.days_known, flow.days) end);
  end loop;
  return to_json(facts);
end
$$;

create or replace function analytics_private.dashboard_page(account analytics.social_accounts, period analytics_private.picture_period) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  denominator constant text := analytics_private.known_denominator(account, period, null);
  times constant analytics_private.picture_period := analytics_private.check_picture_period(least(period.first, period.last - interval '16 weeks'), period.last, period.zone);
begin
  return analytics_private.draw_page(json_build_object(
    'title', '@' || account.handle, 'kicker', analytics_private.platform_in_words(account.platform) || ' · Dashboard',
    'subtitle', concat_ws(' · ', account.display_name, period.in_words, case when account.status = 'disconnected' then 'disconnected' end),
    'zone', period.zone, 'known_at', analytics_private.wall_clock(statement_timestamp(), period.zone),
    'facts', analytics_private.dashboard_facts(account, period, denominator),
    'sections', json_build_array(
      json_build_object('chart', analytics_private.followers_document(account, period, null)),
      json_build_object('half', analytics_private.engagement_document(account, period, denominator)),
      json_build_object('half', analytics_private.best_times_document(account, times, denominator)),
      json_build_object('chart', analytics_private.audience_document(account, 'followers', period.zone)),
      json_build_object('table', json_build_object('title', 'Posts with the most likes and comments', 'subtitle', period.in_words,
        'columns', json_build_array(json_build_array('post', null), json_build_array('published', 'time'), json_build_array('likes', 'likes'), json_build_array('comments', 'comments'),
          json_build_array('reach', 'people'), json_build_array('engagement by ' || denominator, 'percent')),
        'reason', 'no post of this time was captured',
        'rows', (
          select coalesce(json_agg(json_build_array(
              json_build_object('text', coalesce(nullif(left(p.caption, 120), ''), p.media_type, p.platform_post_id), 'href', p.post_url),
              to_char(p.posted_at at time zone period.zone, 'FMDD Mon YYYY HH24:MI'), p.likes_count, p.comments_count, p.reach,
              case denominator when 'reach' then p.engagement_rate when 'followers' then p.engagement_rate_by_followers else p.engagement_rate_by_views end)
            order by p.likes_count::numeric + p.comments_count desc nulls last, p.posted_at desc), '[]')
          from (
            select t.* from analytics.top_content t
            where t.workspace_id = account.workspace_id and t.social_account_id = account.id and t.posted_at >= period.first and t.posted_at < period.last
            order by t.likes_count::numeric + t.comments_count desc nulls last, t.posted_at desc limit 10) p))))));
end
$$;

create or replace function analytics.dashboard(account_id uuid, since timestamptz default null, until timestamptz default null, timezone text default 'UTC')
returns analytics."text/html" language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(dashboard.account_id);
  period constant analytics_private.picture_period := analytics_private.check_picture_period(dashboard.since, dashboard.until, dashboard.timezone);
begin
  perform analytics_private.send_page_headers();
  return analytics_private.dashboard_page(account, period);
end
$$;
comment on function analytics.dashboard(uuid, timestamptz, timestamptz, text) is
$$an account at a glance: one page of HTML with its followers, engagement, best times, audience and posts
since, until: default the last 30 whole days of the zone and today so far; best times look back at least 16 weeks. timezone: of all times in it. What is counted by day is added up over whole days, as in metric_totals(). The page needs no script and loads nothing; it follows the reader's light or dark setting and fits a phone; each picture has its numbers as a table.
Returns the media type text/html; in JSON a string. share_page() makes a link for others.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select analytics.dashboard('0195c3a0-0000-7000-8000-0000000000c0') like '<!DOCTYPE html>%'$$;

-- Captures come when somebody asks: two that lie more than two days apart are no line.
create or replace function analytics_private.history_document(profile jsonb, history jsonb, zone text) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  line record;
begin
  select json_agg(floor(extract(epoch from p.at at time zone zone))::bigint order by p.at) as times, json_agg(p.value order by p.at) as values, min(p.at) as first, max(p.at) as last,
    count(p.value) as known, case when min(p.at) = max(p.at) then 43200 else 0 end as room
  into line
  from (
    select c.captured_at as at, c.followers_count as value from jsonb_to_recordset(history) as c (captured_at timestamptz, followers_count bigint)
    union all
    select g.captured_at - (g.captured_at - g.before) / 2, null
    from (select c.captured_at, lag(c.captured_at) over (order by c.captured_at) as before from jsonb_to_recordset(history) as c (captured_at timestamptz)) g
    where g.captured_at - g.before > interval '2 days') p;
  return json_build_object('title', format('Followers of @%s', profile ->> 'username'), 'subtitle', case when line.known = 1 then 'at its only capture' else format('at the newest %s captures', line.known) end,
    'zone', zone, 'captured_at', analytics_private.wall_clock((profile ->> 'captured_at')::timestamptz, zone), 'reason', 'it was not captured yet',
    'notes', json_build_array('between captures more than two days apart nothing is drawn'),
    'plot', json_build_object('line', json_build_object('unit', 'followers', 'bucket', 'capture', 'from', coalesce(analytics_private.wall_clock(line.first, zone) - line.room, 0),
      'until', coalesce(analytics_private.wall_clock(line.last, zone) + line.room, 0),
      'series', json_build_array(json_build_object('name', '@' || (profile ->> 'username'), 'times', coalesce(line.times, '[]'), 'values', coalesce(line.values, '[]'))))));
end
$$;

-- A distribution of audience_demographics: shares from 0 to 1 by name.
create or replace function analytics_private.shares_panel(name text, shares jsonb) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.audience_panel(name, case name when 'Age' then 'range' else 'label' end,
    (select jsonb_agg(jsonb_build_object(case name when 'Age' then 'range' else 'label' end, s.key, 'share', s.value)) from jsonb_each(shares) s), null);
end
$$;

create or replace function analytics.profile_page(username text, timezone text default 'UTC') returns analytics."text/html"
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  shown constant jsonb := analytics.profile_overview(profile_page.username);
  zone constant text := analytics_private.check_timezone(profile_page.timezone);
  profile constant jsonb := shown -> 'profile';
  name constant text := '@' || (profile ->> 'username');
  captured_at constant timestamptz := (shown ->> 'captured_at')::timestamptz;
  never constant text := 'it was not captured yet';
  told constant text := 'on ' || to_char(captured_at at time zone zone, 'FMDD Mon YYYY HH24:MI');
  seen constant timestamptz := (shown #>> '{posts,captured_at}')::timestamptz;
  demographics constant jsonb := nullif(shown -> 'audience_demographics', 'null');
  since timestamptz;
  newest timestamptz;
  sections json[];
begin
  perform analytics_private.send_page_headers();
  select min(i.posted_at), max(i.posted_at) into since, newest from jsonb_to_recordset(shown #> '{posts,items}') as i (posted_at timestamptz);
  sections := array[
    json_build_object('chart', analytics_private.history_document(profile, shown -> 'history', zone)),
    json_build_object('chart', json_build_object('title', format('Engagement of %s by followers', name), 'subtitle', 'the newest 12 posts', 'zone', zone,
      'captured_at', analytics_private.wall_clock(seen, zone), 'reason', case when seen is null then 'its posts were not captured yet' else 'likes, comments or followers are not known' end,
      'notes', json_build_array('rate: (likes + comments) / followers at the capture'),
      'plot', json_build_object('dots', json_build_object('unit', 'percent', 'things', 'posts',
        'from', coalesce(analytics_private.wall_clock(since - interval '1 day', zone), 0), 'until', coalesce(analytics_private.wall_clock(newest + interval '1 day', zone), 0),
        'level', json_build_object('value', profile -> 'engagement_rate_by_followers', 'label', 'mean of the posts'),
        'points', (
          select coalesce(json_agg(json_build_object('at', floor(extract(epoch from i.posted_at at time zone zone))::bigint, 'value', i.engagement_rate_by_followers,
            'label', left(coalesce(i.caption, ''), 140)) order by i.posted_at), '[]')
          from jsonb_to_recordset(shown #> '{posts,items}') as i (posted_at timestamptz, engagement_rate_by_followers double precision, caption text)))))),
    json_build_object('table', json_build_object('title', 'Posts with the most likes and comments', 'reason', 'its posts were not captured yet',
      'columns', json_build_array(json_build_array('post', null), json_build_array('published', 'time'), json_build_array('likes', 'likes'), json_build_array('comments', 'comments'),
        json_build_array('engagement by followers', 'percent')),
      'rows', (
        select coalesce(json_agg(json_build_array(
          json_build_object('text', coalesce(nullif(left(i.caption, 120), ''), i.shortcode), 'href', 'https://www.instagram.com/p/' || i.shortcode || '/'),
          to_char(i.posted_at at time zone zone, 'FMDD Mon YYYY HH24:MI'), i.likes_count, i.comments_count, i.engagement_rate_by_followers)), '[]')
        from jsonb_to_recordset(shown -> 'top_posts') as i (caption text, shortcode text, posted_at timestamptz, likes_count bigint, comments_count bigint, engagement_rate_by_followers double precision))))];
  if demographics is not null then
    sections := sections || json_build_object('chart', json_build_object('title', format('Audience of %s', name),
      'subtitle', concat_ws(', ', 'estimate', 'sample of ' || (demographics ->> 'sample_size')), 'zone', zone,
      'captured_at', analytics_private.wall_clock((demographics ->> 'last_sampled')::timestamptz, zone), 'reason', 'the sample told nothing',
      'plot', json_build_object('bars', json_build_object('panels', json_build_array(
        analytics_private.shares_panel('Gender', demographics -> 'gender_distribution'), analytics_private.shares_panel('Age', demographics -> 'age_distribution'),
        analytics_private.shares_panel('Place', demographics -> 'location_distribution'))))));
  end if;
  sections := sections || array[
    json_build_object('table', json_build_object('title', 'Whom it mentions', 'reason', 'no mention was captured', 'columns', json_build_array(json_build_array('account', null), json_build_array('times', 'times')),
      'rows', (select coalesce(json_agg(json_build_array('@' || i.username, i.times)), '[]') from jsonb_to_recordset(shown -> 'mentions') as i (username text, times bigint)))),
    json_build_object('table', json_build_object('title', 'Hashtags', 'reason', 'no hashtag was captured', 'columns', json_build_array(json_build_array('hashtag', null), json_build_array('posts', 'posts')),
      'rows', (select coalesce(json_agg(json_build_array('#' || i.hashtag, i.times)), '[]') from jsonb_to_recordset(shown -> 'hashtags') as i (hashtag text, times bigint)))),
    json_build_object('table', json_build_object('title', 'Related profiles', 'reason', 'none was captured', 'columns', json_build_array(json_build_array('account', null), json_build_array('name', null)),
      'rows', (select coalesce(json_agg(json_build_array('@' || i.username, i.full_name)), '[]') from jsonb_to_recordset(shown -> 'related_profiles') as i (username text, full_name text))))];
  return analytics_private.draw_page(json_build_object(
    'title', name, 'kicker', 'Instagram · Profile', 'subtitle', concat_ws(' · ', profile ->> 'full_name', profile ->> 'category', left(profile ->> 'biography', 300)),
    'zone', zone, 'known_at', analytics_private.wall_clock(statement_timestamp(), zone),
    'facts', json_build_array(
      json_build_object('label', 'Followers', 'unit', 'followers', 'value', profile -> 'followers_count', 'note', told, 'reason', never),
      json_build_object('label', 'Following', 'unit', 'accounts', 'value', profile -> 'following_count', 'note', told, 'reason', never),
      json_build_object('label', 'Posts', 'unit', 'posts', 'value', profile -> 'posts_count', 'note', told, 'reason', never),
      json_build_object('label', 'Engagement by followers', 'unit', 'percent', 'value', profile -> 'engagement_rate_by_followers',
        'note', format('mean of %s posts', shown #>> '{engagement,posts_counted}'), 'reason', 'likes, comments or followers are not known')),
    'sections', to_json(sections),
    'notes', json_build_array('Open until ' || to_char((shown #>> '{window,to}')::timestamptz at time zone zone, 'FMDD Mon YYYY HH24:MI') || '.')));
end
$$;
comment on function analytics.profile_page(text, text) is
$$an unlocked profile as one page of HTML: what profile_overview() says, drawn
username: as in profile_overview(). timezone: of all times in it. The page needs no script and loads nothing, not even the profile's picture. It cannot be shared by a link: the window is the caller's own.
Returns the media type text/html; in JSON a string.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (not unlocked, or the window has ended).
Example: select analytics.profile_page('natgeo') like '<!DOCTYPE html>%'$$;

create or replace function analytics.report_csv(
  account_id uuid, since timestamptz default null, until timestamptz default null, metrics text[] default null, as_known_at timestamptz default null
) returns analytics."text/csv" language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  account constant analytics.social_accounts := analytics_private.audience_account(report_csv.account_id);
  head constant text := analytics_private.csv_record(array['platform', 'account', 'metric', 'measured_at', 'value', 'unit', 'captured_at', 'captures', 'reason']);
begin
  perform analytics_private.send_page_headers();
  return head || E'\r\n' || (
    select coalesce(string_agg(analytics_private.csv_record(array[account.platform, account.handle, m.metric,
        to_char(m.measured_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), m.value::text, m.unit, to_char(m.captured_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        m.captures::text, m.reason]) || E'\r\n', '' order by m.metric, m.measured_at), '')
    from analytics.metrics(account.id, report_csv.since, report_csv.until, report_csv.as_known_at, report_csv.metrics) m);
end
$$;
comment on function analytics.report_csv(uuid, timestamptz, timestamptz, text[], timestamptz) is
$$the rows of metrics() as a CSV file
since, until, metrics, as_known_at: as in metrics(). A header, then a record a row: platform, account, metric, measured_at, value, unit, captured_at, captures, reason. RFC 4180, UTF-8, times in ISO 8601 UTC, unknown values empty. A text that a spreadsheet would run as a formula has an apostrophe before it.
Returns the media type text/csv; in JSON a string.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces).
Example: select analytics.report_csv('0195c3a0-0000-7000-8000-0000000000c0', metrics => '{followers}') like 'platform,account,metric,%'$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Links to pages

create table if not exists analytics.shared_pages (
  workspace_id uuid not null,
  id uuid not null,
  social_account_id uuid not null,
  page varchar(32) not null,
  timezone varchar(64) not null,
  created_by uuid not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  constraint shared_pages_pkey primary key (workspace_id, id),
  constraint shared_pages_account_fkey foreign key (workspace_id, social_account_id) references analytics.social_accounts (workspace_id, id) on delete cascade,
  constraint shared_pages_creator_fkey foreign key (created_by) references analytics.users (id),
  -- A profile's page is open to one user by his own window, and has no place here.
  constraint shared_pages_page_known check (page in ('dashboard')),
  constraint shared_pages_expiry check (expires_at > created_at)
);
alter table analytics.shared_pages alter column id set default analytics.uuidv7();
create index if not exists shared_pages_account on analytics.shared_pages (workspace_id, social_account_id);
create index if not exists shared_pages_creator on analytics.shared_pages (created_by);
create index if not exists shared_pages_end on analytics.shared_pages ((coalesce(revoked_at, expires_at)));
alter table analytics.shared_pages enable row level security;
comment on table analytics.shared_pages is 'links that show a page of an account to whoever has them, until they expire or are revoked';
comment on column analytics.shared_pages.created_by is 'whose rights the page is shown with: when he loses them, the link shows nothing';
comment on column analytics.shared_pages.timezone is 'of the times in the page';

drop policy if exists "members read the shared pages of their workspaces" on analytics.shared_pages;
create policy "members read the shared pages of their workspaces" on analytics.shared_pages for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));

-- Apart, as the tokens of invitations are: who reads the links does not get what opens them. Only SHA-256 of the token.
create table if not exists analytics_private.shared_page_tokens (
  workspace_id uuid not null,
  page_id uuid not null,
  token_hash bytea not null,
  constraint shared_page_tokens_pkey primary key (workspace_id, page_id),
  constraint shared_page_tokens_hash_key unique (token_hash),
  constraint shared_page_tokens_page_fkey foreign key (workspace_id, page_id) references analytics.shared_pages (workspace_id, id) on delete cascade,
  constraint shared_page_tokens_hash_length check (octet_length(token_hash) = 32)
);
alter table analytics_private.shared_page_tokens enable row level security;

-- Definer: nobody writes links but these functions.
create or replace function analytics_private.share_page(account_id uuid, page text, expires_in interval, timezone text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  account constant analytics.social_accounts := analytics_private.own_account(share_page.account_id, 'analyst');
  zone constant text := analytics_private.check_timezone(share_page.timezone);
  most constant integer := analytics_private.setting_integer('shared_pages_per_workspace');
  moment constant timestamptz := statement_timestamp();
  -- 366 bits from the server's strong generator, brought to 32 bytes.
  token constant text := translate(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'), '+/=', '-_');
  made analytics.shared_pages;
begin
  if share_page.page is distinct from 'dashboard' then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'this page cannot be shared', 'only dashboard can: a profile is open to one user', '{"field": "page"}');
  elsif (share_page.expires_in between interval '1 minute' and interval '90 days') is not true then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'a link lasts from 1 minute to 90 days', null, '{"field": "expires_in"}');
  end if;
  perform analytics_private.enter_workspace('share_page', account.workspace_id);
  perform from analytics.social_accounts a where a.workspace_id = account.workspace_id and a.id = account.id and a.status <> 'disconnected' for key share;
  if not found then
    perform analytics_private.raise_error('CONFLICT', 'this account is disconnected', 'add it again with analytics.add_account()');
  elsif (select count(*) from analytics.shared_pages s where s.workspace_id = account.workspace_id and s.revoked_at is null and s.expires_at > moment) >= most then
    perform analytics_private.raise_error('CONFLICT', format('this workspace has %s open links', most), 'end some with analytics.revoke_shared_page()');
  end if;
  insert into analytics.shared_pages (workspace_id, social_account_id, page, timezone, created_by, created_at, expires_at)
  values (account.workspace_id, account.id, share_page.page, zone, caller, moment, moment + share_page.expires_in) returning * into made;
  insert into analytics_private.shared_page_tokens (workspace_id, page_id, token_hash) values (made.workspace_id, made.id, sha256(convert_to(token, 'UTF8')));
  perform analytics_private.write_audit('page.shared', 'shared_page', made.id,
    jsonb_build_object('account_id', account.id, 'page', made.page, 'expires_at', made.expires_at), made.workspace_id);
  return jsonb_build_object('id', made.id, 'workspace_id', made.workspace_id, 'account_id', account.id, 'page', made.page, 'expires_at', made.expires_at, 'link_token', token);
end
$$;

create or replace function analytics.share_page(account_id uuid, page text default 'dashboard', expires_in interval default '7 days', timezone text default 'UTC') returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.share_page(share_page.account_id, share_page.page, share_page.expires_in, share_page.timezone);
end
$$;
comment on function analytics.share_page(uuid, text, interval, text) is
$$makes a link that shows an account's dashboard of the last 30 days to whoever has it, without signing in
page: dashboard. expires_in: from 1 minute to 90 days. timezone: of the times in the page. The token is told once and stored only as a hash: put it into a link to shared_page(). It shows what the one who made it may see: nothing while he has not the role or the workspace is suspended. It ends when the account is disconnected: added again, the account needs new links.
Returns {id, workspace_id, account_id, page, expires_at, link_token}. Needs the role editor.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such account in the caller's workspaces), CONFLICT (account disconnected; setting shared_pages_per_workspace).
Example: select length(analytics.share_page('0195c3a0-0000-7000-8000-0000000000c0', expires_in => '1 day') ->> 'link_token') = 43$$;

-- The account's row is locked by the caller, as share_page() locks it: no link comes between.
create or replace function analytics_private.revoke_shared_pages(workspace_id uuid, social_account_id uuid) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.user_id();
  link analytics.shared_pages;
  n bigint := 0;
begin
  for link in
    update analytics.shared_pages s set revoked_at = statement_timestamp()
    where s.workspace_id = revoke_shared_pages.workspace_id and s.social_account_id = revoke_shared_pages.social_account_id and s.revoked_at is null and s.expires_at > statement_timestamp()
    returning s.*
  loop
    perform analytics_private.write_audit('page.share_revoked', 'shared_page', link.id,
      jsonb_build_object('account_id', link.social_account_id, 'own', link.created_by = caller, 'account_disconnected', true), link.workspace_id);
    n := n + 1;
  end loop;
  return n;
end
$$;
comment on function analytics_private.revoke_shared_pages(uuid, uuid) is 'ends the open links to pages of an account; remove_account() calls it, so that none opens again when the account is added again';

create or replace function analytics_private.revoke_shared_page(page_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller constant uuid := analytics_private.require_user();
  link analytics.shared_pages;
begin
  select s.* into link from analytics.shared_pages s
  where s.workspace_id = any (analytics_private.workspace_ids('analyst')) and s.id = revoke_shared_page.page_id;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such link in your workspaces', 'analytics.shared_pages lists them');
  end if;
  perform analytics_private.enter_workspace('revoke_shared_page', link.workspace_id);
  update analytics.shared_pages s set revoked_at = statement_timestamp() where s.workspace_id = link.workspace_id and s.id = link.id and s.revoked_at is null;
  if not found then
    return false;
  end if;
  perform analytics_private.write_audit('page.share_revoked', 'shared_page', link.id, jsonb_build_object('account_id', link.social_account_id, 'own', link.created_by = caller), link.workspace_id);
  return true;
end
$$;

create or replace function analytics.revoke_shared_page(page_id uuid) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.revoke_shared_page(revoke_shared_page.page_id);
end
$$;
comment on function analytics.revoke_shared_page(uuid) is
$$ends a link of share_page(); false if it was ended before
page_id: id of a row of shared_pages. Needs the role editor.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such link in the caller's workspaces).
Example: select analytics.revoke_shared_page('0195c3a0-0000-7000-8000-0000000000d0')$$;

-- Definer: who has the link has no account here. The page is made as the link's maker would see it now: for the time of the call his are the
-- claims. Nothing between setting them and setting them back is anybody else's code; an error undoes the setting with the transaction.
create or replace function analytics_private.shared_page(token text) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  former constant text := coalesce(current_setting('request.jwt.claims', true), '');
  link analytics.shared_pages;
  account analytics.social_accounts;
  page text;
begin
  select s.* into link
  from analytics_private.shared_page_tokens t join analytics.shared_pages s on s.workspace_id = t.workspace_id and s.id = t.page_id
  where t.token_hash = sha256(convert_to(left(shared_page.token, 100), 'UTF8')) and s.revoked_at is null and s.expires_at > statement_timestamp();
  if found then
    perform set_config('request.jwt.claims', jsonb_build_object('sub', link.created_by, 'role', 'authenticated')::text, true);
    select a.* into account from analytics.social_accounts a
    where a.workspace_id = link.workspace_id and a.id = link.social_account_id and a.status <> 'disconnected'
      and analytics_private.user_id() = link.created_by
      and (select j.code from analytics_private.judge('share_page', link.workspace_id) j) is null;
    if found then
      page := analytics_private.dashboard_page(account, analytics_private.check_picture_period(null, null, link.timezone));
    end if;
    perform set_config('request.jwt.claims', former, true);
  end if;
  -- One answer, whatever it is that is not there.
  if page is null then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such page', 'the link has ended or is not whole; ask whoever gave it to you');
  end if;
  return page;
end
$$;

create or replace function analytics.shared_page(token text) returns analytics."text/html"
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.send_page_headers();
  return analytics_private.shared_page(shared_page.token);
end
$$;
comment on function analytics.shared_page(text) is
$$the page that a link of share_page() is for, to whoever has it
token: link_token of share_page(). Open to anonymous callers. It shows what is known now, with the rights of the one who made the link.
Returns the media type text/html; in JSON a string.
Errors: NOT_FOUND (no such link, expired, revoked, its maker lost his role, account disconnected, account or workspace gone: all the same answer).
Example: select analytics.shared_page('a-link-token') like '<!DOCTYPE html>%'$$;

create or replace function analytics_private.purge_shared_pages(max_count integer) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  horizon constant timestamptz := now() - analytics_private.setting_interval('shared_page_retention');
  n integer;
begin
  delete from analytics.shared_pages s using (
    select o.workspace_id, o.id from analytics.shared_pages o
    where coalesce(o.revoked_at, o.expires_at) < horizon limit purge_shared_pages.max_count for update skip locked) old
  where s.workspace_id = old.workspace_id and s.id = old.id;
  get diagnostics n = row_count;
  return n;
end
$$;
comment on function analytics_private.purge_shared_pages(integer) is 'forgets links to pages that ended longer ago than shared_page_retention; maintain() calls it';
