-- Engagement of many posts in one summary: against numeric, however planned; unknowns; in and out; damage.
begin;
\ir helpers.psql
set local search_path to :tap_path, analytics;
select no_plan();

-- Two hundred accounts' posts over three months, of which much is unknown, hidden or zero, and a few are beyond all measure.
select setseed(0.5);
create table analytics.measured as
select n as post, n % 200 as account, date '2026-01-01' + n % 90 as published, d.likes, d.comments, d.shares, d.saves, case when random() < 0.9 then d.reach end as reach
from generate_series(1, 60000) n cross join lateral (
  select case when n % 17 = 0 then null when n % 19 = 0 then -1 when n % 5 = 0 then 0 when n % 997 = 0 then 9000000000000000000 else (random() * 5000)::bigint end as likes,
    case when n % 23 = 0 then null when n % 5 = 0 then 0 else (random() * 300)::bigint end as comments,
    case when n % 5 = 0 then 0 else (random() * 90)::bigint end as shares, case when n % 5 = 0 then 0 else (random() * 60)::bigint end as saves,
    case when n % 29 = 0 then 0 when n % 31 = 0 then -1 when n % 499 = 0 then 5 else 1000 + (random() ^ 4 * 9000000)::bigint end as reach) d;
alter table analytics.measured add primary key (post), set (parallel_workers = 2);
analyze analytics.measured;
-- The same, post by post, from the one function that judges a post, and as numeric.
create temp view judged as
select m.*, engagement_rate(likes, comments, shares, saves, reach) as rate,
  case when likes >= 0 and comments >= 0 and shares >= 0 and saves >= 0 and reach > 0 then likes::numeric + comments + shares + saves end as interactions,
  (likes >= 0 and comments >= 0 and shares >= 0 and saves >= 0) is true as has_counts, (reach > 0) is true as has_reach
from measured m;
create temp table whole as select engagement_stats(likes, comments, shares, saves, reach) as s from measured;

create function pg_temp.plan_of(statement text) returns text language plpgsql as $$
declare line text; plan text := '';
begin
  for line in execute 'explain (costs off) ' || statement loop plan := plan || line || E'\n'; end loop;
  return plan;
end
$$;
-- A cast of float8 to numeric would keep 15 digits only.
create function pg_temp.is_close(a double precision, b numeric, within numeric) returns boolean language sql as $$ select abs(a::text::numeric - b) <= within * greatest(abs(b), 1e-300) $$;

-- Against numeric ----------------------------------------------------------------------------------------------------------

select is(array[posts_counted(s), posts_with_rate(s), posts_without_rate(s), posts_with_hidden_counts(s), posts_with_denominator(s), posts_without_denominator(s)],
  (select array[count(*), count(rate), count(*) - count(rate), count(*) filter (where not has_counts), count(*) filter (where has_reach), count(*) filter (where not has_reach)] from judged),
  'posts by what is known of them') from whole;
select is(array[sum_of_interactions(s), sum_of_denominators(s)], (select array[sum(interactions), sum(reach) filter (where rate is not null)] from judged), 'sums, exactly') from whole;
select is(array[minimum(s), maximum(s)], (select array[min(rate), max(rate)] from judged), 'the smallest and the largest rate, exactly') from whole;
-- Of float8, numeric keeps 15 digits; the rate as a quotient of integers is exact to as many as are asked for.
create temp view exact as select round(interactions * 100, 40) / reach as rate, account from judged where interactions is not null;
select ok(pg_temp.is_close(mean_of_ratios(s), (select avg(rate) from exact), 1e-15), 'the mean of ratios') from whole;
select ok(pg_temp.is_close(ratio_of_sums(s), (select 100 * sum(interactions) / sum(reach) filter (where interactions is not null) from judged), 1e-15), 'the ratio of sums') from whole;
select ok(pg_temp.is_close(standard_deviation(s), (select stddev_samp(rate) from exact), 1e-13), 'the standard deviation') from whole;
select is_empty($$
  select account, standard_deviation(s), e.deviation, mean_of_ratios(s), e.mean
  from (select account, engagement_stats(likes, comments, shares, saves, reach) as s from measured where likes < 1e6 group by account) g
    join (select account, stddev_samp(e.rate) as deviation, avg(e.rate) as mean from exact e where e.rate < 1e9 group by account) e using (account)
  where not pg_temp.is_close(mean_of_ratios(s), e.mean, 1e-15) or not pg_temp.is_close(standard_deviation(s), e.deviation, 1e-13)
$$, 'of each account as well');
select is(round(engagement.mean::numeric, 3), 0.613, 'the published week of rates by followers')
from (select mean_of_ratios(engagement_stats_by_followers(interactions, 0, followers)) as mean
  from (values (20, 3500), (0, 3590), (37, 3700), (100, 3750), (0, 3755), (0, 3780), (2, 3783)) week (interactions, followers)) engagement;

-- Quantiles are within the error that is stated of what percentile_disc finds; the first, the last and zero are the same.
create temp view usual as select * from judged where reach > 100 and likes < 1e6;
select is(quantile_error(s), 1.0::float8 / 129, 'the error is the small one') from (select engagement_stats(likes, comments, shares, saves, reach) as s from usual) u;
select is_empty($$
  select f, near, exact from (
    select f, q.near, q.exact from (
      select array_agg(f order by f) as fractions from generate_series(0, 1, 0.01) f) fractions,
      lateral (select quantiles(engagement_stats(likes, comments, shares, saves, reach), fractions::float8[]) as near, percentile_disc(fractions::float8[]) within group (order by rate) as exact from usual) both_of,
      lateral unnest(fractions, near, exact) q (f, near, exact)) each_of
  where (abs(near - exact) > exact / 129 * (1 + 1e-12)) is not false
$$, 'a hundred quantiles');
select ok(quantile(s, 0.5) between m * (1 - quantile_error(s)) and m * (1 + quantile_error(s)), 'with posts beyond all measure the error is larger, and said')
from whole, (select percentile_disc(0.5) within group (order by rate) as m from judged) median;
select is(quantile(s, f), (quantiles(s, array[f]))[1], 'one quantile is the same as one of many') from whole, unnest(array[0, 0.1, 0.5, 0.99, 1]) f;
select is(quantiles(s, '{0,null,1}'), array[minimum(s), null, maximum(s)], 'a null is a null, the ends are exact') from whole;
select is(quantiles(s, '{}'), '{}', 'of no fractions there are none') from whole;
select is(quantile(engagement_stats(likes, 0, 0, 0, 10), 0.6), 0::float8, 'zero is exact') from unnest(array[0, 0, 0, 1, 2]) likes;
select throws_ok(format('select analytics.quantile(s, %L) from whole', f), '22003', null, f || ' is no fraction') from unnest(array['-0.01', '1.01', 'NaN', 'Infinity', '-Infinity']) f;
select throws_ok('select analytics.quantiles(s, ''{0.5,2}'') from whole', '22003', null, 'nor are they among others');

-- By followers and by views ------------------------------------------------------------------------------------------------------

select is(array[denominator(r), denominator(f), denominator(v)], '{reach,followers,views}', 'each says what it is by')
from (select engagement_stats(1, 1, 1, 1, 1) r, engagement_stats_by_followers(1, 1, 1) f, engagement_stats_by_views(1, 1, 1, 1, 1) v) s;
select is(array[minimum(s), maximum(s), posts_with_rate(s), sum_of_interactions(s)::float8],
  (select array[min(rate), max(rate), count(rate), (sum(likes + comments) filter (where rate is not null))::float8] from (select engagement_rate_by_followers(likes, comments, reach) as rate, likes::numeric as likes, comments from measured) r), 'by followers')
from (select engagement_stats_by_followers(likes, comments, reach) as s from measured) by_followers;
select is(array[mean_of_ratios(v), standard_deviation(v), maximum(v), posts_counted(v)], array[mean_of_ratios(s), standard_deviation(s), maximum(s), posts_counted(s)], 'by views, of the same counts, all is the same')
from whole, (select engagement_stats_by_views(likes, comments, shares, saves, reach) as v from measured) by_views;
select throws_ok($$select analytics.rollup(s) from (select s from whole union all select analytics.engagement_stats_by_views(1, 1, 1, 1, 1)) mixed$$, '22023',
  'engagement by reach cannot be rolled up with engagement by views', 'different denominators do not mix');

-- However it is planned, the same to the last bit --------------------------------------------------------------------------------

select is((select engagement_stats(likes, comments, shares, saves, reach)::bytea from (select * from measured order by random()) any_order), s::bytea, 'in any order') from whole;
set local parallel_setup_cost = 0;
set local parallel_tuple_cost = 0;
set local min_parallel_table_scan_size = 0;
select matches(pg_temp.plan_of('select analytics.engagement_stats(likes, comments, shares, saves, reach) from analytics.measured'), 'Partial Aggregate.*Parallel Seq Scan', 'workers have a part each');
select is((select engagement_stats(likes, comments, shares, saves, reach)::bytea from measured), s::bytea, 'in parallel') from whole;
select is((select engagement_stats(likes, comments, shares, saves, reach)::bytea from measured where account < 0), null, 'of nothing, in parallel');
select is((select engagement_stats_by_followers(likes, comments, reach)::bytea from measured), (select engagement_stats_by_followers(likes, comments, reach)::bytea from (select * from measured offset 0) serial), 'by followers');
select is((select engagement_stats_by_views(likes, comments, shares, saves, reach)::bytea from measured), (select engagement_stats_by_views(likes, comments, shares, saves, reach)::bytea from (select * from measured offset 0) serial), 'by views');
create temp view serially as select account, published, engagement_stats(likes, comments, shares, saves, reach) as s from (select * from measured offset 0) m group by account, published;
select matches(pg_temp.plan_of('select account, published, analytics.engagement_stats(likes, comments, shares, saves, reach) from analytics.measured group by account, published'), 'Gather.*Partial', 'groups too');
create temp table daily as select account, published, engagement_stats(likes, comments, shares, saves, reach) as s from measured group by account, published;
select is_empty($$select * from (select account, published, s::bytea from daily except select account, published, s::bytea from serially) d$$, 'grouped in parallel');
set local enable_hashagg = off;
select is_empty($$select account, published, engagement_stats(likes, comments, shares, saves, reach)::bytea from measured group by account, published except select account, published, s::bytea from daily$$, 'grouped by sorting');
reset enable_hashagg;
select is((select rollup(s)::bytea from daily), s::bytea, 'rolled up from days') from whole;
select is_empty($$
  select account, date_trunc('month', published), rollup(s)::bytea from daily group by 1, 2
  except select account, date_trunc('month', published), engagement_stats(likes, comments, shares, saves, reach)::bytea from measured group by 1, 2
$$, 'months from their days');
select is((select rollup(m)::bytea from (select rollup(s) as m from daily group by account, date_trunc('month', published)) months), s::bytea, 'and the whole from months') from whole;
create table analytics.stored_days as select account, published, s::bytea as summary from daily;
alter table analytics.stored_days set (parallel_workers = 2);
select matches(pg_temp.plan_of('select analytics.rollup(summary::analytics.engagement_summary) from analytics.stored_days'), 'Partial Aggregate', 'a roll-up runs in parallel');
select is((select rollup(summary::engagement_summary)::bytea from stored_days), s::bytea, 'from bytea, in parallel') from whole;
select ok((select rollup(null::engagement_summary) is null from daily), 'of nulls there is none');
select is((select rollup(x)::bytea from (select s as x from whole union all select null) with_null), s::bytea, 'a null is left out') from whole;

-- A window that moves takes back what leaves it, and is made anew where that cannot be.
create temp view windows as
select account, post, engagement_stats(likes, comments, shares, saves, reach) over frame as s, array_agg(post) over frame as posts
from (select * from measured where account in (1, 2, 197)) m window frame as (partition by account order by post rows between 20 preceding and 5 preceding);
select is_empty($$
  select w.account, w.post from windows w
  where w.s::bytea is distinct from (select engagement_stats(likes, comments, shares, saves, reach)::bytea from measured m where m.post = any (w.posts))
$$, 'a moving window');
select is_empty($$
  select w.account, w.post from (
    select account, post, engagement_stats_by_followers(likes, comments, reach) over frame as s, array_agg(post) over frame as posts
    from (select * from measured where account in (1, 2, 197)) m window frame as (partition by account order by post rows between 20 preceding and 5 preceding)) w
  where w.s::bytea is distinct from (select engagement_stats_by_followers(likes, comments, reach)::bytea from measured m where m.post = any (w.posts))
$$, 'by followers');
select is((select array_agg(posts_counted(s) order by n) from (select n, engagement_stats(n, 0, 0, 0, 10) over (order by n) as s from generate_series(1, 4) n) w), array[1, 2, 3, 4]::bigint[],
  'a window that grows: asking for a summary does not change it');
select is((select array_agg(posts_counted(s) order by n) from (select n, rollup(engagement_stats(n, 0, 0, 0, 10)) over (order by n rows 1 preceding) as s from generate_series(1, 4) n group by n) w), array[1, 2, 2, 2]::bigint[],
  'a window over summaries');
select is((select posts_counted(engagement_stats(likes, comments, shares, saves, reach) filter (where account = 7)) from measured), 300::bigint, 'with a filter');

-- What is unknown ----------------------------------------------------------------------------------------------------------

select ok((select engagement_stats(1, 1, 1, 1, 1) is null where false), 'no rows, no summary');
select is(jsonb_build_array(posts_counted(s), posts_with_rate(s), sum_of_interactions(s), sum_of_denominators(s), ratio_of_sums(s), mean_of_ratios(s), standard_deviation(s), minimum(s), maximum(s), quantile(s, 0.5)),
  '[1, 0, null, null, null, null, null, null, null, null]', case_of)
from (select case_of, engagement_stats(likes, comments, 0, 0, reach) as s from (values ('likes unknown', null::bigint, 1::bigint, 10::bigint), ('likes hidden', -1, 1, 10), ('comments unknown', 1, null, 10), ('reach unknown', 1, 1, null), ('reach zero', 1, 1, 0), ('reach negative', 1, 1, -1),
  ('nothing known', null, null, null), ('the smallest bigint', -9223372036854775808, 1, 10)) v (case_of, likes, comments, reach) group by case_of) stats;
select is(array[mean_of_ratios(s), standard_deviation(s), minimum(s), quantile(s, 0.5)], array[3, null, 3, 3]::float8[], 'of one post there is no deviation') from (select engagement_stats(3, 0, 0, 0, 100) s) one;
select is(array[mean_of_ratios(s), standard_deviation(s)], array[100.0::float8 / 3, 0], 'of equal posts it is zero') from (select engagement_stats(1, 0, 0, 0, 3) s from generate_series(1, 1000)) alike;
select is(array[maximum(s)::numeric, sum_of_interactions(s), sum_of_denominators(s)], array[400, 4 * 9223372036854775807::numeric * 3, 9223372036854775807::numeric * 3], 'the largest counts')
from (select engagement_stats(c, c, c, c, c) s from unnest(array[9223372036854775807, 9223372036854775807, 9223372036854775807]) c) largest;
select is(mean_of_ratios(null), null, 'of no summary there is nothing');

-- In, out and storage ------------------------------------------------------------------------------------------------------------

select is(s::text::engagement_summary::bytea, s::bytea, 'what is written can be read') from whole;
select is(upper(substr(s::text, 3)), upper(encode(s::bytea, 'hex')), 'it is written as bytea is') from whole;
select is(engagement_summary_send(s), s::bytea, 'its binary form is what is stored') from whole;
select cmp_ok(octet_length(s::bytea), '<', 4096, 'it stays small') from whole;
select is((select string_agg(castmethod::text, '' order by castmethod) from pg_cast
  where 'bytea'::regtype in (castsource, casttarget) and 'analytics.engagement_summary'::regtype in (castsource, casttarget)), 'bb', 'casts from and to bytea cost nothing');
select throws_ok(format('select %L::analytics.engagement_summary', t), '22P02', null, format('"%s" is refused', t)) from unnest(array['', '{}', '\x', '\x0', '\xzz', '\x01', '01adde42fb0100000000', '\x01adde42fb01000000', '\x01adde42fb0200000000']) t;

create function pg_temp.state_of(statement text) returns text language plpgsql as $$
begin
  execute statement;
  return 'none';
exception when others then
  return sqlstate;
end
$$;
create temp table damaged as select set_bit(s::bytea, at, 1 - get_bit(s::bytea, at)) as bytes from whole, generate_series(0, 8 * octet_length(s::bytea) - 1, 29) at;
select is((select string_agg(distinct pg_temp.state_of(format('select analytics.mean_of_ratios(%L::bytea::analytics.engagement_summary)', bytes)), ',') from damaged), 'XX001', 'a damaged bit is an error');
select throws_ok(format('select analytics.%s(%L::bytea::analytics.engagement_summary%s)', f, bytes, more), 'XX001', null, format('%s of %s is an error', f, bytes))
from (values ('posts_counted', ''), ('ratio_of_sums', ''), ('minimum', ''), ('quantile', ', 0.5'), ('quantiles', ', ''{0.5}'''), ('denominator', ''), ('rollup', '')) v (f, more), unnest(array['\x', '\x01', '\xdeadbeef', '\x02adde42fb0100000000']) bytes;

-- A call of many steps can be stopped.
create function pg_temp.is_cancelled(statement text) returns boolean language plpgsql as $$
begin
  execute statement;
  return false;
exception when query_canceled then
  return true;
end
$$;
set local statement_timeout = 50;
select pg_temp.is_cancelled('select analytics.quantiles(s, array_fill(0.999::float8, array[20000000])) from whole') as is_cancelled \gset
set local statement_timeout = 0;
select ok(:'is_cancelled', 'a timeout ends a long call');

select * from finish();
rollback;
