-- What an analyst calls in psql. Expected values: by hand from the formulas in docs/engagement.md, and VADER's published
-- scores of its own reference sentences.
\pset null (null)
select rate, analytics.engagement_rate(likes, comments, shares, saves, reach) as computed
from (values
  ('ratio in percent', 400::bigint, 50::bigint, 40::bigint, 10::bigint, 10000::bigint), ('beyond 2^31', 3000000000, 0, 0, 0, 6000000000),
  ('beyond 2^63 in the sum', 9223372036854775807, 9223372036854775807, 0, 0, 9223372036854775807), ('nothing happened', 0, 0, 0, 0, 10),
  ('reach zero', 1, 1, 1, 1, 0), ('reach unknown', 1, 1, 1, 1, null), ('likes unknown', null, 1, 1, 1, 10), ('likes hidden', -1, 1, 1, 1, 10), ('reach negative', 1, 1, 1, 1, -10)
) as v (rate, likes, comments, shares, saves, reach);
select analytics.engagement_rate_by_followers(90, 10, 2000) as by_followers, analytics.engagement_rate_by_followers(90, 10, 0) as no_followers,
  analytics.engagement_rate_by_followers(null, 10, 2000) as hidden, analytics.engagement_rate_by_views(400, 50, 40, 10, 10000) as by_views, analytics.engagement_rate_by_views(1, 1, 1, 1, 0) as no_views;
select analytics.influence_score(3000000, true, true, 20, 200) as most, analytics.influence_score(0, false, false, 0, 0) as least, analytics.influence_score(null, true, true, 20, 200) as unknown,
  analytics.influence_score(500000, null, null, null, null) as half_a_million;

select analytics.extract_mentions('with @NatGeo, @natgeo and (@nasa.gov). mail me@example.com, @@double @under_score @ alone @toolong_toolong_toolong_toolong_ ＠wide') as mentions;
select analytics.extract_hashtags('#Paris in #été, #日本語 #Ünï_çödé2 #1 #2nd ##double #tag#glued #🔥fire # alone &#39; #a-b') as hashtags;
select analytics.extract_mentions('') as none, analytics.extract_hashtags('') as none, analytics.extract_mentions(null) as unknown, analytics.extract_hashtags(null) as unknown;

select sentence, s ->> 'label' as label, round((s ->> 'positive')::numeric, 3) as positive, round((s ->> 'neutral')::numeric, 3) as neutral, round((s ->> 'negative')::numeric, 3) as negative, round((s ->> 'compound')::numeric, 4) as compound
from unnest(array['VADER is smart, handsome, and funny.', 'VADER is smart, handsome, and funny!', 'VADER is very smart, handsome, and funny.', 'VADER is VERY SMART, handsome, and FUNNY.',
  'VADER is VERY SMART, handsome, and FUNNY!!!', 'VADER is not smart, handsome, nor funny.', 'The book was good.', 'At least it isn''t a horrible book.', 'The book was only kind of good.',
  'The plot was good, but the characters are uncompelling and the dialog is not great.', 'Today SUX!', 'Make sure you :) or :D today!', 'Not bad at all', '']) sentence, analytics.sentiment(sentence) s;
select c, analytics.sentiment_label(c) from unnest(array[1, 0.05, 0.0499, 0, -0.0499, -0.05, -1]) c;

select substring(id::text from 15 for 1) as version, substring(id::text from 20 for 1) in ('8', '9', 'a', 'b') as variant,
  abs(extract(epoch from clock_timestamp()) * 1000 - ('x0000' || replace(left(id::text, 13), '-', ''))::bit(64)::bigint) < 60000 as now
from analytics.uuidv7() id;
select count(distinct id) as ids, bool_and(id > before) as ordered from (select id, lag(id) over (order by n) as before from (select n, analytics.uuidv7() as id from generate_series(1, 10000) n) made) in_order;
