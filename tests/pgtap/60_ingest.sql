-- From payloads to rows, with samples written for these tests.
begin;
\ir helpers.psql
select no_plan();

-- Every shape: the samples of the parser's own tests ----------------------------------------------------------------------

\set sample `cat domain/tests/samples/profile.json`
select pg_temp.ingest(:'sample', '2025-01-02') as mira \gset
select results_eq($$select username::text, instagram_user_id, followers_count, following_count, posts_count, is_verified, is_private, category::text, external_url, pronouns, captured_at, posts_captured_at
  from analytics.profiles$$,
  $$values ('mira.bakes', '900000000001', 5300000000, 412::bigint, 318::bigint, true, false, 'Bakery', 'https://mira.example/', array['she', 'her'], '2025-01-02'::timestamptz, '2025-01-02'::timestamptz)$$,
  'an account is stored with its numbers, beyond 2^31 too');
select results_eq($$select shortcode, media_type::text, is_carousel, carousel_media_count, likes_count, comments_count, video_view_count, video_play_count, video_duration, posted_at, location_name::text
  from analytics.profile_posts order by shortcode$$, $$values
  ('AAAAbaker01', 'GraphSidecar', true, 2::bigint, 1204::bigint, 41::bigint, null::bigint, null::bigint, null::double precision, '2025-01-01'::timestamptz, 'Lindau, Harbour'),
  ('AAAAbaker02', 'GraphVideo', false, null, null, 7, 88123, 190452, 21.5, '2024-12-31', null),
  ('AAAAbaker03', 'GraphImage', false, null, null, 0, null, null, null, '2024-12-30', null)$$, 'posts are stored; hidden likes, as -1 and behind the flag, are null');
select is((select engagement_rate_by_followers from analytics.profile_posts where shortcode = 'AAAAbaker01'), 100.0::double precision * (1204 + 41) / 5300000000, 'a post has its rate by followers');
select is((select array_agg(engagement_rate_by_followers) from analytics.profile_posts where likes_count is null), array[null, null]::double precision[], 'a post with hidden likes has no rate');
select results_eq($$select mentioned_username::text, mention_type::text, mentioned_at from analytics.mentions order by 1, 2$$, $$values
  ('jonas.kiln', 'caption', '2025-01-01'::timestamptz), ('olive_mill', 'caption', '2025-01-01'), ('olive_mill', 'tag', '2025-01-01')$$, 'mentions come from captions and tags, at the time of the post');
select is((select hashtags from analytics.profile_posts where shortcode = 'AAAAbaker01'), array['sourdough', 'rye'], 'hashtags come from the caption');
select results_eq($$select related_username::text, rank, related_followers_count, similarity_score, source::text from analytics.related_profiles order by rank$$,
  $$values ('jonas.kiln', 1, 77::bigint, null::double precision, 'decodo'), ('nord_grain', 2, null, null, 'decodo')$$, 'related accounts keep their order, each once');
select results_eq('select captured_at, followers_count, following_count, posts_count from analytics.profile_history', $$values ('2025-01-02'::timestamptz, 5300000000, 412::bigint, 318::bigint)$$, 'the counts go into the history');
select results_eq('select kind::text, profile_id, captured_at, payload::text, digest from analytics_private.raw_payloads',
  format($$values ('profile', %L::uuid, '2025-01-02'::timestamptz, %L, sha256(convert_to(%2$L, 'UTF8')))$$, :'mira', :'sample'), 'the payload is kept as it came, to the byte');
select is((select attcompression from pg_catalog.pg_attribute where attrelid = 'analytics_private.raw_payloads'::regclass and attname = 'payload'), 'l', 'compressed with lz4');

-- The document is built as PostgreSQL's own parser would build it: same keys in the same order, found by name.
select is(d::text::jsonb, d, 'the parsed document is a regular jsonb') from analytics_private.parse_instagram(:'sample') d;
select is_empty(format('select k from jsonb_each(analytics_private.parse_instagram(%L) -> ''posts'' -> 0) as e (k, v) where not analytics_private.parse_instagram(%1$L) -> ''posts'' -> 0 ? k', :'sample'),
  'each of its keys is found');
\set sample `cat domain/tests/samples/xdt_timeline.json`
select pg_temp.ingest(:'sample', '2025-07-01') as lena \gset
select is((select username from analytics.profiles where id = :'lena')::text, 'lena_flies', 'a page of posts in the form of 2025 belongs to who owns most of them');
select results_eq(format('select shortcode, owner_username::text, likes_count from analytics.profile_posts where profile_id = %L and shortcode = ''BBBBlena001''', :'lena'),
  $$values ('BBBBlena001', 'paul.climbs', 640::bigint)$$, 'a collaboration on it stays with whose page it is');
\set sample `cat domain/tests/samples/user_posts.json`
select isnt(pg_temp.ingest(:'sample', '2025-07-01'), null, 'a page of posts as Decodo wraps it goes in');
\set sample `cat domain/tests/samples/post.json`
select pg_temp.ingest(:'sample', '2025-07-01') as tide \gset
select results_eq(format('select shortcode, likes_count, video_play_count from analytics.profile_posts where profile_id = %L', :'tide'), $$values ('CCCCreel001', 230::bigint, 24000::bigint)$$, 'a single post goes in');
select is((select comments_analyzed from analytics.comment_sentiment where profile_id = :'tide') > 0, true, 'and the comments beside it are judged');
\set sample `cat domain/tests/samples/comments.json`
select throws_ok(format('select analytics_private.ingest_instagram(%L)', :'sample'), 'PT400', null, 'comments of an unnamed post are refused');
select throws_ok(format('select analytics_private.ingest_instagram(%L, subject => ''NoSuchPost'')', :'sample'), 'PT404', null, 'comments of an unknown post are NOT_FOUND');
select is(analytics_private.ingest_instagram(:'sample', subject => 'AAAAbaker01'), :'mira'::uuid, 'comments of a named post go in');
select results_eq($$select comments_analyzed, overall_sentiment::text, round(positive_score::numeric + negative_score::numeric + neutral_score::numeric, 2) from analytics.comment_sentiment s
  join analytics.profile_posts p on p.id = s.post_id where p.shortcode = 'AAAAbaker01'$$, $$values (2, 'positive', 1.00)$$, 'as a mean of scores');
select analytics_private.ingest_instagram((:'sample'::jsonb || '{"again": 1}')::json, subject => 'AAAAbaker01') \g /dev/null
select is((select comments_analyzed from analytics.comment_sentiment s join analytics.profile_posts p on p.id = s.post_id where p.shortcode = 'AAAAbaker01'), 2, 'a comment that comes twice counts once');
select is_empty($$select t from pg_temp.contents(array(select pg_temp.tables() except select 'analytics_private.raw_payloads'::regclass), '{}') t where t ~ 'So happy for you|someone_30[12]'$$,
  'neither words nor authors of comments are in any table but the raw payloads');
\set sample `cat domain/tests/samples/hashtag.json`
select is(pg_temp.ingest(:'sample', '2025-07-01'), null, 'a hashtag page is about no single profile');
select ok(count(*) > 0 and bool_and(o.instagram_user_id = p.owner_id), 'its posts belong to their owners')
from analytics.profile_posts p join analytics.profiles o on o.id = p.profile_id where p.captured_at = '2025-07-01' and p.shortcode like 'DDDD%' or p.hashtags && array['gliding'];

-- Refusals -------------------------------------------------------------------------------------------------------------

create temp table refused (what text, payload text, at timestamptz, code text);
insert into refused values
  ('an empty object', '{}', now(), 'PT400'), ('an empty list', '[]', now(), 'PT400'), ('null', 'null', now(), 'PT400'), ('a number', '7', now(), 'PT400'), ('a text', '"hello"', now(), 'PT400'),
  ('nothing', null, now(), 'PT400'), ('an unknown shape', '{"data": {"viewer": {}}}', now(), 'PT400'), ('an account without a name', '{"data": {"user": {"biography": "x"}}}', now(), 'PT400'),
  ('a follower list', '[{"title": "", "string_list_data": [{"href": "https://www.instagram.com/a", "value": "a", "timestamp": 1}]}]', now(), 'PT400'),
  ('613 inside 200', '{"status": "failed", "status_code": 613, "message": "We were not able to scrape the target.", "task_id": "7169222559311878145"}', now(), 'PT502'),
  ('a checkpoint', '{"message": "checkpoint_required", "checkpoint_url": "https://x.example", "lock": false, "status": "fail"}', now(), 'PT502'),
  ('a login wall', '{"message": "Please wait a few minutes before you try again.", "require_login": true, "status": "fail"}', now(), 'PT502'),
  ('no user', '{"data": {"viewer": {}, "user": null}, "status": "ok"}', now(), 'PT502'), ('no results', '{"results": []}', now(), 'PT502'),
  ('empty content', '{"results": [{"content": {}, "status_code": 200}]}', now(), 'PT502'), ('content null', '{"results": [{"content": null}]}', now(), 'PT502'),
  ('content that is HTML', '{"results": [{"content": "<html></html>", "status_code": 200}]}', now(), 'PT400'), ('a pending task', '{"status": "pending", "task_id": "1"}', now(), 'PT502'),
  ('a parser error', '{"data": {"content": {"data": {}}, "errors": [], "status_code": 12002}, "task_id": "1"}', now(), 'PT502'),
  ('a post without an owner', '{"shortcode_media": {"id": "1", "shortcode": "abc"}}', now(), 'PT400'),
  ('no time', pg_temp.account('5', 'never', 1)::text, null, 'PT400'), ('a time before Instagram', pg_temp.account('5', 'never', 1)::text, '2009-01-01', 'PT400'),
  ('a time in the future', pg_temp.account('5', 'never', 1)::text, now() + interval '1 hour', 'PT400'), ('an infinite time', pg_temp.account('5', 'never', 1)::text, 'infinity', 'PT400'),
  ('the beginning of time', pg_temp.account('5', 'never', 1)::text, '-infinity', 'PT400');
create temp table before_refusals as select t as line from pg_temp.contents(array(select pg_temp.tables()), '{}') t;
select is(pg_temp.error_of(format('select analytics_private.ingest_instagram(%L, %L)', payload, at)) ->> 'state', code, what || ' is refused') from refused;
create function pg_temp.try_all() returns void language plpgsql as $$
declare
  r record;
begin
  for r in select * from refused loop
    begin
      perform analytics_private.ingest_instagram(r.payload::json, r.at);
    exception when others then
      null;
    end;
  end loop;
end
$$;
select pg_temp.try_all();
select set_eq('select t from pg_temp.contents(array(select pg_temp.tables()), ''{}'') t', 'select line from before_refusals', 'and nothing is stored');
create temp table odd_ones (what text, payload text);
insert into odd_ones values
  ('a 19-digit id', pg_temp.account('9223372036854775806', 'big.id', 9223372036854775807)::text), ('content as JSON text', jsonb_build_object('results', jsonb_build_array(jsonb_build_object('content', pg_temp.account('81', 'as_text', 1)::text)))::text),
  ('the older envelope', jsonb_build_object('data', jsonb_build_object('content', pg_temp.account('82', 'older', 1), 'errors', '[]'::jsonb, 'status_code', 12000))::text),
  ('names and texts of any length', pg_temp.account('83', 'long.texts', 1, array[pg_temp.post(83, '83', 'long.texts', now(), 1, 1, repeat('x', 50000),
    jsonb_build_object('product_type', repeat('p', 400), 'accessibility_caption', repeat('a', 50000), 'location', jsonb_build_object('id', repeat('1', 90), 'name', repeat('l', 5000)),
      'display_url', 'https://x.example/' || repeat('u', 10000)))], jsonb_build_object('full_name', repeat('n', 5000), 'biography', repeat('b', 50000), 'category_name', repeat('c', 5000), 'external_url', 'https://x.example/' || repeat('u', 10000)))::text),
  ('numbers out of bounds', pg_temp.account('84', 'odd.numbers', 1, array[pg_temp.post(84, '84', 'odd.numbers', now(), 1, 1, null,
    '{"dimensions": {"width": 99999999999, "height": 9223372036854775807}, "video_duration": 1e300, "video_view_count": 1e30, "carousel_media_count": 99999999999}')],
    '{"highlight_reel_count": 99999999999, "edge_follow": {"count": 1e40}}')::text),
  ('control characters and surrogates', replace(pg_temp.account('85', 'odd.chars', 1, array[pg_temp.post(85, '85', 'odd.chars', now(), 1, 1, 'CAPTION')])::text, 'CAPTION', 'a\u0000b\ud83d \u0001')),
  ('a fragment of SQL', pg_temp.account('86', 'little.bobby', 1, array[pg_temp.post(86, '86', 'little.bobby', now(), 1, 1, '''); drop table analytics.profiles; --')])::text);
select lives_ok(format('select analytics_private.ingest_instagram(%L)', payload), what || ' goes in') from odd_ones;
select is((select caption from analytics.profile_posts where shortcode = 'SC86'), '''); drop table analytics.profiles; --', 'and is a text like any other');
select is((select followers_count from analytics.profiles where username = 'big.id'), 9223372036854775807, 'counts have 64 bits');
select is((select likes_count from analytics.profile_posts where shortcode = 'SC84'), 1::bigint, 'a number out of bounds spoils nothing beside it');

-- The same payload twice -----------------------------------------------------------------------------------------------

-- Columns that say when, and rows' own keys.
\set times '{captured_at,posts_captured_at,updated_at,created_at,analysis_timestamp,discovered_at,received_at}'
create temp table once as select t as line from pg_temp.contents(array(select pg_temp.tables()), :'times') t;
\set sample `cat domain/tests/samples/profile.json`
select pg_temp.ingest(:'sample', '2025-01-03') \g /dev/null
\set sample `cat domain/tests/samples/post.json`
select pg_temp.ingest(:'sample', '2025-07-02') \g /dev/null
\set sample `cat domain/tests/samples/comments.json`
select analytics_private.ingest_instagram(:'sample', subject => 'AAAAbaker01') \g /dev/null
\set sample `cat domain/tests/samples/hashtag.json`
select pg_temp.ingest(:'sample', '2025-07-02') \g /dev/null
\set sample `cat domain/tests/samples/xdt_timeline.json`
select pg_temp.ingest(:'sample', '2025-07-02') \g /dev/null
select bag_eq('select t from pg_temp.contents(array(select pg_temp.tables()), ''' || :'times' || ''') t', 'select line from once', 'the same payload later changes nothing but times');
select is((select captured_at from analytics.profiles where id = :'mira'), '2025-01-03'::timestamptz, 'and the time is the later one');
create temp table before_older as select t as line from pg_temp.contents(array(select pg_temp.tables()), '{updated_at,analysis_timestamp}') t;
\set sample `cat domain/tests/samples/profile.json`
select pg_temp.ingest(:'sample', '2024-06-01') \g /dev/null
\set sample `cat domain/tests/samples/post.json`
select pg_temp.ingest(:'sample', '2025-06-02') \g /dev/null
select bag_eq('select t from pg_temp.contents(array(select pg_temp.tables()), ''{updated_at,analysis_timestamp}'') t', 'select line from before_older', 'the same payload with an earlier time changes nothing at all');

-- Older and newer ------------------------------------------------------------------------------------------------------

-- What is stored, without the keys of the rows and what follows from the time of day.
create function pg_temp.end_state() returns text[] language sql stable as $$
  select array_agg(t order by t)
  from pg_temp.contents(array['analytics.profiles', 'analytics.profile_history', 'analytics.profile_posts', 'analytics.mentions', 'analytics.related_profiles', 'analytics.comment_sentiment',
    'analytics_private.raw_payloads']::regclass[], '{id,profile_id,post_id,created_at,updated_at,received_at,analysis_timestamp}') t
$$;
create temp table captures (family text, number integer, payload json, at timestamptz);
insert into captures values
  -- Counts, texts, posts and related accounts change; posts come and go.
  ('an account', 1, pg_temp.account('1', 'ada.l', 100, array[pg_temp.post(1, '1', 'ada.l', '2025-01-01', 10, 1, 'one @x'), pg_temp.post(2, '1', 'ada.l', '2025-01-02', 20, 2, '@y two #t')],
    '{"edge_related_profiles": {"edges": [{"node": {"id": "9", "username": "near"}}]}, "is_verified": true}'), '2025-02-01'),
  ('an account', 2, pg_temp.account('1', 'ada.l', 200, array[pg_temp.post(2, '1', 'ada.l', '2025-01-02', 40, 4, 'now for @y two'), pg_temp.post(3, '1', 'ada.l', '2025-01-03', 30, 3, '@z')], '{"biography": "new"}'), '2025-02-02'),
  ('an account', 3, pg_temp.account('1', 'ada.l', 300, array[pg_temp.post(3, '1', 'ada.l', '2025-01-03', -1, 5, null)], '{"full_name": "Ada", "edge_related_profiles": {"edges": []}}'), '2025-02-03'),
  ('an account whose posts are not shown', 1, pg_temp.account('1', 'ada.l', 100, '{}', '{"edge_owner_to_timeline_media": {"count": 5, "edges": []}}'), '2025-02-01'),
  ('an account whose posts are not shown', 2, pg_temp.account('1', 'ada.l', 200, '{}', '{"edge_owner_to_timeline_media": {"count": 5, "edges": []}}'), '2025-02-02'),
  ('an account whose posts are not shown', 3, pg_temp.account('1', 'ada.l', 300, '{}', '{"edge_owner_to_timeline_media": {"count": 6, "edges": []}}'), '2025-02-03'),
  ('an account that changes its name', 1, pg_temp.account('1', 'ada.l', 100), '2025-02-01'),
  ('an account that changes its name', 2, pg_temp.account('1', 'countess', 200), '2025-02-02'),
  ('an account that changes its name', 3, pg_temp.account('1', 'lovelace', 300), '2025-02-03'),
  ('a name that moves on', 1, pg_temp.account('1', 'ada.l', 100), '2025-02-01'),
  ('a name that moves on', 2, pg_temp.account('2', 'ada.l', 200), '2025-02-02'),
  ('a name that moves on', 3, pg_temp.account('1', 'countess', 300), '2025-02-03'),
  ('a name that comes back', 1, pg_temp.account('1', 'ada.l', 100), '2025-02-01'),
  ('a name that comes back', 2, pg_temp.account('2', 'ada.l', 200), '2025-02-02'),
  ('a name that comes back', 3, pg_temp.account('1', 'ada.l', 300), '2025-02-03'),
  ('the same answer again', 1, pg_temp.account('1', 'ada.l', 100), '2025-02-01'),
  ('the same answer again', 2, pg_temp.account('1', 'ada.l', 200), '2025-02-02'),
  ('the same answer again', 3, pg_temp.account('1', 'ada.l', 100), '2025-02-03'),
  ('a collaboration', 1, pg_temp.timeline('1', array[pg_temp.post(1, '1', 'ada.l', '2025-01-01', 10, 1, 'one'), pg_temp.post(2, '1', 'ada.l', '2025-01-02', 20, 2, 'with @babbage')]), '2025-02-01'),
  ('a collaboration', 2, pg_temp.timeline('2', array[pg_temp.post(2, '1', 'ada.l', '2025-01-02', 22, 2, 'with @babbage'), pg_temp.post(3, '2', 'babbage', '2025-01-03', 30, 3, 'three')]), '2025-02-02'),
  ('a collaboration', 3, pg_temp.timeline('2', array[pg_temp.post(2, '1', 'ada.l', '2025-01-02', 24, 3, 'with @babbage'), pg_temp.post(4, '2', 'babbage', '2025-01-04', 40, 4, 'four')]), '2025-02-03'),
  ('an account and pages of its posts', 1, pg_temp.account('1', 'ada.l', 100, '{}', '{"edge_owner_to_timeline_media": {"count": 5, "edges": []}}'), '2025-02-01'),
  ('an account and pages of its posts', 2, pg_temp.timeline('1', array[pg_temp.post(1, '1', 'ada.l', '2025-01-01', 10, 1, 'one')]), '2025-02-02'),
  ('an account and pages of its posts', 3, pg_temp.timeline('1', array[pg_temp.post(1, '1', 'ada.l', '2025-01-01', 20, 2, 'one'), pg_temp.post(2, '1', 'ada.l', '2025-01-02', 20, 2)]), '2025-02-03');
-- Rolled back after each order, so that the answers have to be carried out of it.
create function pg_temp.end_state_of(which text, sequence integer[]) returns text[] language plpgsql as $$
declare
  n integer;
  outcome text[];
begin
  begin
    delete from analytics.profiles;
    foreach n in array sequence loop
      perform analytics_private.ingest_instagram(c.payload, c.at) from captures c where c.family = which and c.number = n;
    end loop;
    outcome := pg_temp.end_state();
    raise exception 'undo';
  exception when raise_exception then
    return outcome;
  end;
end
$$;
create temp table ends as
  select family, o as sequence, pg_temp.end_state_of(family, o::integer[]) as lines
  from (select distinct family from captures) f, unnest(array['{1,2,3}', '{1,3,2}', '{2,1,3}', '{2,3,1}', '{3,1,2}', '{3,2,1}']) o;
select bag_eq(format('select unnest(lines) from ends where family = %L and sequence = %L', family, sequence), format('select unnest(lines) from ends where family = %L and sequence = ''{1,2,3}''', family),
  format('%s: captures in the order %s end as in the order of time', family, sequence))
from ends where sequence <> '{1,2,3}' order by family, sequence;
-- That the states compared are the right ones.
create function pg_temp.after(which text, sequence integer[], question text) returns text language plpgsql as $$
declare
  n integer;
  answer text;
begin
  begin
    delete from analytics.profiles;
    foreach n in array sequence loop
      perform analytics_private.ingest_instagram(c.payload, c.at) from captures c where c.family = which and c.number = n;
    end loop;
    execute question into answer;
    raise exception 'undo';
  exception when raise_exception then
    return answer;
  end;
end
$$;
select is(pg_temp.after(family, o::integer[], question), answer, format('%s %s: %s', family, o, question))
from unnest(array['{1,2,3}', '{3,2,1}', '{2,3,1}']) o, (values
  ('an account', 'select followers_count || '' '' || full_name || '' '' || captured_at::date from analytics.profiles', '300 Ada 2025-02-03'),
  ('an account', 'select string_agg(followers_count::text, '' '' order by captured_at) from analytics.profile_history', '100 200 300'),
  ('an account', 'select string_agg(coalesce(likes_count::text, ''?''), '' '' order by shortcode) from analytics.profile_posts', '10 40 ?'),
  ('an account', 'select string_agg(mentioned_username || ''='' || mention_context, ''|'' order by mentioned_username) from analytics.mentions', 'x=one @x|y=now for @y two'),
  ('an account', 'select string_agg(related_username, '' '') from analytics.related_profiles', 'near'),
  ('an account that changes its name', 'select username || '' '' || former_usernames::text from analytics.profiles', 'lovelace {ada.l,countess}'),
  ('a name that moves on', 'select string_agg(instagram_user_id || ''='' || coalesce(username, ''?''), '' '' order by instagram_user_id) from analytics.profiles', '1=countess 2=ada.l'),
  ('a name that comes back', 'select string_agg(instagram_user_id || ''='' || coalesce(username, ''?''), '' '' order by instagram_user_id) from analytics.profiles', '1=ada.l 2=?'),
  ('a collaboration', 'select o.instagram_user_id || '' '' || p.likes_count from analytics.profile_posts p join analytics.profiles o on o.id = p.profile_id where p.shortcode = ''SC2''', '1 24'),
  ('a collaboration', 'select o.instagram_user_id from analytics.mentions m join analytics.profiles o on o.id = m.profile_id', '1')
) as v (family, question, answer);

-- Stubs and names ------------------------------------------------------------------------------------------------------

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob \gset
insert into analytics.profiles (username) values ('new.name') returning id as stub \gset
select pg_temp.ingest(pg_temp.account('50', 'old.name', 10), '2025-03-01') as account \gset
select pg_temp.put_window(:'ada', :'stub', '-1 day', '20 days'), pg_temp.put_window(:'ada', :'account', '-2 days', '10 days'), pg_temp.put_window(:'bob', :'stub', '-1 day', '5 days') \g /dev/null
insert into analytics.user_favorites (user_id, profile_id, notes) values (:'bob', :'stub', 'kept');
insert into analytics.user_searches (user_id, analysis_type, profile_id) values (:'bob', 'unlock', :'stub');
select is(pg_temp.ingest(pg_temp.account('50', 'new.name', 11), '2025-03-02'), :'account'::uuid, 'a row known by name alone is merged into the account it turns out to be');
select is((select count(*) from analytics.profiles where id = :'stub'), 0::bigint, 'and is gone');
select is((select username || ' ' || former_usernames::text from analytics.profiles where id = :'account'), 'new.name {old.name}', 'the account has its new name');
select is((select count(*) || ' ' || max(expires_at)::date from analytics.user_profile_access where user_id = :'ada' and profile_id = :'account'), '1 ' || (now() + interval '20 days')::date, 'of two windows the later end stays');
select is((select profile_id from analytics.user_profile_access where user_id = :'bob'), :'account'::uuid, 'windows come along');
select is((select profile_id::text || notes from analytics.user_favorites where user_id = :'bob'), :'account' || 'kept', 'favourites come along');
select is((select profile_id from analytics.user_searches where user_id = :'bob'), :'account'::uuid, 'searches come along');
-- An account captured without its id, then seen with it under another row.
select pg_temp.ingest('{"username": "idless", "biography": "b", "edge_followed_by": {"count": 5}}', '2025-03-01') as idless, pg_temp.ingest(pg_temp.account('51', 'other.name', 10), '2025-03-02') as with_id \gset
insert into analytics.audience_demographics (profile_id, sample_size) values (:'idless', 7);
select pg_temp.ingest(pg_temp.account('51', 'idless', 11), '2025-03-03') \g /dev/null
select is((select array_agg(followers_count order by captured_at) from analytics.profile_history where profile_id = :'with_id'), array[5, 10, 11]::bigint[], 'a merge keeps the history of both');
select is((select sample_size from analytics.audience_demographics where profile_id = :'with_id'), 7, 'and what else is known');

select * from finish();
rollback;
