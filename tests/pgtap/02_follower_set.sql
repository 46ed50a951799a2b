-- The type follower_set: in and out, operations, aggregates, looking inside, damage.
begin;
\ir helpers.psql
set local search_path to :tap_path, analytics;
select no_plan();

-- In and out --------------------------------------------------------------------------------------------------------------

select is(f.written::follower_set::text, f.read, format('"%s" is %s', f.written, f.read))
from (values
  ('{}', '{}'), ('{ }', '{}'), (' {3, 1,2 ,3} ', '{1,2,3}'), ('{0,9223372036854775807}', '{0,9223372036854775807}'), ('{007}', '{7}')
) f (written, read);
select throws_ok(format('select %L::analytics.follower_set', f.written), f.state, null, format('"%s" is refused', f.written))
from (values
  ('', '22P02'), ('1,2', '22P02'), ('{1,2', '22P02'), ('{1,,2}', '22P02'), ('{1,}', '22P02'), ('{a}', '22P02'), ('{1.5}', '22P02'), ('{1}}', '22P02'),
  ('{-1}', '22003'), ('{9223372036854775808}', '22P02')
) f (written, state);
select is(array[5, 1, 5]::bigint[]::follower_set::text, '{1,5}', 'from an array');
select is('{1,5}'::follower_set::bigint[], array[1, 5]::bigint[], 'to an array');
select is('{}'::follower_set::bigint[], '{}', 'an empty one');
select throws_ok($$select array[1, null]::bigint[]::analytics.follower_set$$, '22004', null, 'null is no id');
select throws_ok($$select array[1, -1]::bigint[]::analytics.follower_set$$, '22003', null, 'nor is a negative number');
select is(analytics.follower_set_send('{1,5}'), '{1,5}'::follower_set::bytea, 'its binary form is what is stored');
select is((select string_agg(castmethod::text, '' order by castmethod) from pg_cast
  where 'bytea'::regtype in (castsource, casttarget) and 'analytics.follower_set'::regtype in (castsource, casttarget)), 'bb', 'casts from and to bytea cost nothing');
select is((select format('%s %s', typstorage, typlen) from pg_type where oid = 'analytics.follower_set'::regtype), 'e -1', 'stored out of line and not compressed again');

-- Operations, against the same in plain SQL ---------------------------------------------------------------------------------

create temp table lists (name text, ids bigint[], followers follower_set);
insert into lists select l.name, l.ids, l.ids::follower_set from (values
  ('nobody', array[]::bigint[]),
  ('one', array[5]::bigint[]),
  ('few', array(select g * g from generate_series(0, 300) g)),
  ('many', array(select g * 7 from generate_series(0, 30000) g)),
  ('most of them', array(select g * 7 from generate_series(0, 30000) g where g % 97 <> 0)),
  ('far apart', array(select g * 300000000000000 from generate_series(0, 20000) g)),
  ('dense', array(select g from generate_series(100, 40000) g))
) l (name, ids);
create temp table pairs as
select a.name || ' and ' || b.name as name, a.ids as a_ids, b.ids as b_ids, a.followers as a, b.followers as b from lists a, lists b;
create function pg_temp.ids(statement text, a bigint[], b bigint[]) returns bigint[] language plpgsql as $$
declare result bigint[];
begin
  execute format('select coalesce(array_agg(id order by id), ''{}'') from (select unnest($1) %s select unnest($2)) ids (id)', statement) into result using a, b;
  return result;
end
$$;

select is((a | b)::bigint[], pg_temp.ids('union', a_ids, b_ids), name || ': |') from pairs;
select is((a & b)::bigint[], pg_temp.ids('intersect', a_ids, b_ids), name || ': &') from pairs;
select is((a - b)::bigint[], pg_temp.ids('except', a_ids, b_ids), name || ': -') from pairs;
select ok((a # b) = ((a - b) | (b - a)), name || ': #') from pairs;
select is(array[a @> b, a <@ b, a && b, a = b, a <> b], array[pg_temp.ids('except', b_ids, a_ids) = '{}', pg_temp.ids('except', a_ids, b_ids) = '{}', pg_temp.ids('intersect', a_ids, b_ids) <> '{}',
  a_ids = b_ids, a_ids <> b_ids], name || ': @> <@ && = <>') from pairs;
select is(array[union_count(a, b), intersect_count(a, b), difference_count(a, b), symmetric_difference_count(a, b)],
  array[cardinality(a | b), cardinality(a & b), cardinality(a - b), cardinality(a # b)], name || ': counts') from pairs;
select ok(gained = b - a and lost = a - b, name || ': what came and went') from pairs, follower_diff_sets(a, b);
select is((select array_agg(row(change_type, follower_id)::text order by change_type, follower_id) from follower_diff('{1,2,3}', '{3,4}')),
  array['(new_follower,4)', '(unfollower,1)', '(unfollower,2)'], 'and as rows');
select is(set_union(null, '{1}'), null, 'unknown with known is unknown');

-- Looking inside ------------------------------------------------------------------------------------------------------------

select is(array[cardinality(followers), set_min(followers), set_max(followers)], array[cardinality(ids), ids[1], ids[cardinality(ids)]], name || ': number, first, last') from lists;
select is(array(select members(followers)), ids, name || ': members') from lists;
select is(array(select members(followers, 700, 9)), (array(select id from unnest(ids) id where id > 700 order by id limit 9)), name || ': a page of members') from lists;
select is(array(select id from unnest(ids || array[1, 6, 8000]::bigint[]) id where contains(followers, id) is distinct from (id = any (ids)) limit 1), '{}', name || ': contains')
from lists where cardinality(ids) < 1000;
select ok(contains(followers, 7 * 8193) and not contains(followers, 7 * 8193 + 1) and contains(followers, 210000), 'across chunks') from lists where name = 'many';
select is(array(select members('{1,2,3}', -5)), array[1, 2, 3]::bigint[], 'after a negative number is from the start');
select is(array(select members('{1,2,3}', 9223372036854775807)), '{}', 'after the last there is nothing');
select is(array(select members('{1,2,3}', null, 0)), '{}', 'none of them');
select is(array(select members('{1,2,3}', null, -1)), '{}', 'less than none');
select is(array(select members(null)), '{}', 'of unknown none are known');
select ok(not contains('{1}', -1), 'no set has a negative id');

-- Aggregates ------------------------------------------------------------------------------------------------------------------

select is((select follower_set_agg(id) from (values (3::bigint), (null), (1), (3)) v (id))::text, '{1,3}', 'of ids in any order');
select is((select follower_set_agg(id) from (values (null::bigint)) v (id)), null, 'of nothing');
select throws_ok($$select analytics.follower_set_agg(id) from (values (1::bigint), (-1)) v (id)$$, '22003', null, 'of a negative id');
select ok((select union_agg(followers) from lists) = (select follower_set_agg(id) from lists, unnest(ids) id), 'union of all');
select is((select union_agg(followers) from lists where false), null, 'union of none');
select is((select intersect_agg(followers)::text from lists where name in ('many', 'most of them', 'few')),
  (select follower_set_agg(g * 7) from generate_series(1, 30000) g where g % 97 <> 0 and sqrt(g * 7)::bigint ^ 2 = g * 7 and g * 7 <= 90000)::text, 'intersection');
select is((select intersect_agg(followers)::text from lists), '{}', 'nobody is in all');

-- The same in parallel, grouped and as a window.
create table analytics.scattered as select (g::bigint * 7919) % 400009 as id, g % 3 as part from generate_series(1, 400000) g;
alter table analytics.scattered set (parallel_workers = 2);
set local parallel_setup_cost = 0;
set local parallel_tuple_cost = 0;
set local min_parallel_table_scan_size = 0;
analyze analytics.scattered;
create function pg_temp.plan_of(statement text) returns text language plpgsql as $$
declare line text; plan text := '';
begin
  for line in execute 'explain (costs off) ' || statement loop plan := plan || line || E'\n'; end loop;
  return plan;
end
$$;
select matches(pg_temp.plan_of('select analytics.follower_set_agg(id) from analytics.scattered'), 'Partial Aggregate', 'runs in parallel');
select is((select follower_set_agg(id) from scattered)::text, (select array_agg(distinct id)::text from scattered), 'in parallel it is the same');
select ok((select union_agg(followers) from (select follower_set_agg(id) as followers from scattered group by part) parts) = (select follower_set_agg(id) from scattered), 'parts make the whole');
select ok((select intersect_agg(followers) from (select follower_set_agg(id) as followers from scattered group by part) parts) = '{}', 'parts have nothing in common');
select is((select array_agg(cardinality(followers)) from (select follower_set_agg(id) over (order by id rows between 2 preceding and current row) as followers
  from generate_series(1::bigint, 5) id) w), array[1, 2, 3, 3, 3]::bigint[], 'over a window');
set local max_parallel_workers_per_gather = 0;
select is((select md5(follower_set_agg(id)::text) from scattered), (select md5(array_agg(distinct id)::text) from scattered), 'and in one process');

-- Equality is a property of the ids, not of the bytes.
select is((select count(*) from (select distinct followers from (select followers from lists union all select ids::follower_set from lists) twice) once), 7::bigint, 'distinct');
set local enable_mergejoin = off;
set local enable_nestloop = off;
select is((select count(*) from lists a join lists b on a.followers = b.followers), 7::bigint, 'joined by hash');

-- Hostile and damaged bytes -----------------------------------------------------------------------------------------------------

-- One bit of a set of 20 000 ids, anywhere: whoever reads that place sees it.
create function pg_temp.state_of(statement text) returns text language plpgsql as $$
begin
  execute statement;
  return 'none';
exception when others then
  return sqlstate;
end
$$;
create temp table damaged as
select at, set_bit(whole, at, 1 - get_bit(whole, at)) as bytes
from (select (select follower_set_agg(g * 37) from generate_series(1, 20000) g)::bytea as whole) w, generate_series(0, 8 * length(whole) - 1, 1009) at;
select is((select string_agg(distinct pg_temp.state_of(format('select (%L::bytea)::analytics.follower_set::text', bytes)), ',') from damaged), 'XX001', 'a damaged bit is an error');
select throws_ok(format('select %s(%L::bytea::analytics.follower_set%s)', f, '\xdeadbeef', more), 'XX001', null, f || ' of noise is an error')
from (values ('analytics.cardinality', ''), ('analytics.set_min', ''), ('analytics.set_max', ''), ('analytics.contains', ', 1'), ('analytics.members', ''), ('analytics.set_hash', ''),
  ('analytics.union_agg', ''), ('analytics.intersect_agg', '')) v (f, more);
select throws_ok(format('select analytics.%s(%L::bytea::analytics.follower_set, ''{1}'')', f, bytes), 'XX001', null, format('%s of %s is an error', f, bytes))
from unnest(array['set_union', 'set_intersect', 'set_difference', 'set_eq', 'follower_diff', 'union_count']) f, unnest(array['\x', '\x01', '\x0200000000000000']) bytes;
select throws_ok($$select analytics_private.replay_deltas('{1}', array['\xff'::bytea], array[null::bytea])$$, 'XX001', null, 'noise in a history is an error');
select throws_ok($$select analytics_private.replay_deltas('{1}', array[null::bytea], '{}')$$, '2202E', null, 'as is a history with a hole');
select throws_ok($$select * from analytics_private.greedy_cover(array['\xff'::bytea], 1)$$, 'XX001', null, 'or noise among the sets to pick from');
-- A count that would need more memory than there is.
select throws_ok($$select ('\x01000000000000000000ffffffffffff'::bytea)::analytics.follower_set::text$$, 'XX001', null, 'a claim beyond 1 GB is refused by its head');

-- Histories -------------------------------------------------------------------------------------------------------------------

select is(analytics_private.replay_deltas('{1,2,3}', array['{4}'::follower_set::bytea, null, '{1,9}'::follower_set::bytea], array['{1}'::follower_set::bytea, '{4}'::follower_set::bytea, null])::text,
  '{1,2,3,9}', 'changes follow each other');
select is(analytics_private.replay_deltas('{1,2}', '{}', '{}')::text, '{1,2}', 'no changes');
select is(analytics_private.remap('{1,2,3}', array[2, 7], array[9, 8])::text, '{1,3,9}', 'ids are replaced');
select is(analytics_private.remap('{1,2,9}', array[2], array[9])::text, '{1,9}', 'also by one that is there');
select throws_ok($$select analytics_private.remap('{1}', array[2, 1], array[1, 2])$$, '2202E', null, 'in ascending order');
select results_eq($$select * from analytics_private.greedy_cover(array['{1,2,3}'::analytics.follower_set::bytea, '{3,4}'::analytics.follower_set::bytea, '{1,2}'::analytics.follower_set::bytea, '{7}'::analytics.follower_set::bytea], 9)$$,
  $$values (1, 1, 3::bigint, 3::bigint), (2, 2, 1, 4), (3, 4, 1, 5)$$, 'each pick adds most, and one that adds nothing is not picked');

-- It can be stopped -------------------------------------------------------------------------------------------------------------

-- One call that runs for long: thirty sets with nothing in common.
create temp table apart as select array_agg(followers::bytea) as sets from (
  select follower_set_agg(g * 30 + part) as followers from generate_series(1, 100000) g, generate_series(0, 29) part group by part) parts;
create function pg_temp.is_cancelled(statement text) returns boolean language plpgsql as $$
begin
  execute statement;
  return false;
exception when query_canceled then
  return true;
end
$$;
set local statement_timeout = 20;
select pg_temp.is_cancelled('select count(*) from apart, analytics_private.greedy_cover(sets, 30)') as is_cancelled \gset
select pg_temp.is_cancelled('select analytics_private.replay_deltas(''{1}'', array_fill(null::bytea, array[3000000]), array_fill(null::bytea, array[3000000]))') as replay_cancelled \gset
set local statement_timeout = 0;
select ok(:'is_cancelled', 'a timeout ends a long call');
select ok(:'replay_cancelled', 'also one of many small steps');
select is(cardinality(analytics_private.remap((select follower_set_agg(g) from generate_series(1, 300000) g), array(select generate_series(1, 300000, 2)), array(select generate_series(2, 300001, 2)))),
  150000::bigint, '150 000 aliases are put right in one pass');

select * from finish();
rollback;
