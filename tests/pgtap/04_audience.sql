-- The type audience: in and out, its aggregates beside the same in plain SQL, what can be asked of it, damage.
begin;
\ir helpers.psql
set local search_path to :tap_path, analytics;
select no_plan();

-- In and out --------------------------------------------------------------------------------------------------------------

select is('{"US": 3000, "FR": 1000}'::audience::jsonb, '{"measure": "share", "weighting": "base", "base": 4000, "documents": 1, "left_out": 0, "unknown": 0, "empty": 0, "unreadable": {},
  "kinds": {"counts": {"documents": 1, "base": 4000}},
  "keys": [{"key": "FR", "share": 0.25, "counts": {"listed": 1, "sum": 1000}}, {"key": "US", "share": 0.75, "counts": {"listed": 1, "sum": 3000}}]}', 'one distribution');
select is('{"US": 3000}'::jsonb::audience::text, '{"US": 3000}'::audience::text, 'of jsonb as of text');
select is(analytics.audience_send('{"US": 5}'), '{"US": 5}'::audience::bytea, 'its binary form is what is stored');
select is((select string_agg(castmethod::text, '' order by castmethod) from pg_cast
  where 'bytea'::regtype in (castsource, casttarget) and 'analytics.audience'::regtype in (castsource, casttarget)), 'bb', 'casts from and to bytea cost nothing');
select throws_ok(format('select %L::analytics.audience', f.written), '22P02', null, format('"%s" is refused', f.written))
from unnest(array['', '{', '5', '{"US": "NaN"}', '{"US": -1}', '{"US": 1e400}', '{"kinds": {}, "keys": []}', '{"kinds": {"counts": {"documents": 1, "base": 1}}, "keys": [{"key": "US", "counts": {"listed": 2, "sum": 1}}], "unknown": 0, "empty": 0, "unreadable": {}}',
  '{"kinds": {"counts": {"documents": 1, "base": 1}}, "keys": [{"key": "US", "counts": {"listed": 1, "sum": 2}}], "unknown": 0, "empty": 0, "unreadable": {}}']) f (written);
select throws_ok($$select '{"US": -1}'::jsonb::analytics.audience$$, '22023', 'not an audience: the distribution cannot be read (negative)', 'jsonb likewise');

-- Forms -------------------------------------------------------------------------------------------------------------------

select is(audience_merge(f.document)::jsonb - 'documents' - 'kinds', '{"US": 3000, "FR": 1000}'::audience::jsonb - 'documents' - 'kinds', f.document::text)
from (values
  ('[{"country": "US", "count": 3000}, {"country": "FR", "count": 1000}]'::jsonb),
  ('{"us": 3000, "fr": 1000.00}'),
  ('{"base": 4000, "distribution": {"US": 3000, "FR": 1000}}'),
  ('{"total_value": {"value": 4000, "breakdowns": [{"dimension_keys": ["country"], "results": [{"dimension_values": ["US"], "value": 3000}, {"dimension_values": ["FR"], "value": 1000}]}]}}'),
  ('{"data": [{"name": "follower_demographics", "period": "lifetime", "title": "Follower demographics", "id": "17841400000000000/insights/follower_demographics/lifetime",
     "total_value": {"breakdowns": [{"dimension_keys": ["timeframe", "country"], "results": [{"dimension_values": ["THIS_MONTH", "US"], "value": 3000}, {"dimension_values": ["THIS_MONTH", "FR"], "value": 1000}]}]}}]}')
) f (document) group by f.document;
select is(array(select key || ' ' || share from audience_top(to_jsonb('Lagos: 30.6%, London, England: 3.6%, Ibadan: 0%'::text)::audience)), '{Lagos 0.306,"London, England 0.036","Ibadan 0"}',
  'percentages of an export');
select is((select array_agg(key order by key) from audience_top('{"breakdowns": [{"dimension_keys": ["age", "gender"], "results": [{"dimension_values": ["25-34", "F"], "value": 5}, {"dimension_values": ["25-34", "M"], "value": 4}]}]}')),
  '{25-34.F,25-34.M}', 'two dimensions make pairs');
select is(audience_share('{"male": 0.64, "female": 0.36}', f.key), 0.36::float8, f.key || ' is female') from unnest(array['F', 'f', 'women', 'Female']) f (key);

-- Shares, counts, unknown ---------------------------------------------------------------------------------------------------

select t.line from (select audience_merge(d, w) as a from (values ('{"US": 50, "FR": 50}'::jsonb, null), ('{"US": 0.3, "FR": 0.7}', 300)) v (d, w)) m,
  lateral (values (is((select array_agg(row(key, count, share)::text order by place) from audience_top(a)), '{"(FR,50,0.65)","(US,50,0.35)"}', 'a share is weighed, never added to a count')),
    (is(audience_base(a), 400::float8, 'by its base')),
    (is(audience_documents(a), 2::bigint, 'in two documents'))) t (line);
select t.line from (select audience_merge(d) as a from (values ('{"US": 0.3}'::jsonb), ('{"US": 0.5}')) v (d)) m,
  lateral (values (is(audience_share(a, 'US'), 0.4::float8, 'shares of unknown size weigh the same')),
    (is(a::jsonb ->> 'weighting', 'equal', 'and it is said')),
    (is(audience_base(a), null, 'no base is known'))) t (line);
select t.line from (select audience_merge(d) as a from (values ('{"US": 50, "FR": 50}'::jsonb), ('{"US": 0.3}'), (null), ('null'), ('[]'), ('{}'), ('{"data": []}'), ('{"US": null}'),
  ('{"US": -1}'), ('{"US": "NaN"}'), ('{"US": true}')) v (d)) m,
  lateral (values (is(a::jsonb - 'keys' - 'kinds', '{"measure": "share", "weighting": "base", "base": 100, "documents": 1, "left_out": 1, "unknown": 2, "empty": 4, "unreadable": {"negative": 1, "not_a_number": 2}}', 'what is left out is counted')),
    (is(audience_share(a, 'US'), 0.5::float8, 'nothing unknown is a zero'))) t (line);
select is(audience_merge(d)::text, null, 'of nothing nothing is known') from (select '{}'::jsonb) v (d) where false;
select is(audience_merge(null::jsonb)::jsonb -> 'unknown', '1', 'of an unknown document that it is unknown');
select is(audience_share('{"US": 5}', 'FR'), null, 'what no distribution lists is unknown');
select is(audience_share('{"US": 5, "FR": 0}', 'FR'), 0::float8, 'a listed zero is known');
select is((select array_agg(key) from audience_top('{"US": 5, "FR": 0}', f.n)), f.keys::text[], format('top %s', f.n)) from (values (null, '{US,FR}'), (1, '{US}'), (0, null), (-1, null)) f (n, keys);
select is((select count(*) from audience_top(null)), 0::bigint, 'no keys of an unknown audience');
select results_eq($$select * from analytics.affinity('{"US": 60, "FR": 30, "DE": 5, "IT": 5}', '{"US": 40, "FR": 60, "DE": 0}')$$,
  $$values ('US', 0.6::float8, 0.4::float8, 0.6 / 0.4::float8), ('FR', 0.3, 0.6, 0.5), ('DE', 0.05, 0, null), ('IT', 0.05, null, null)$$, 'affinity is share here by share there');
select results_eq($$select key from analytics.affinity('{"US": 60, "FR": 30, "DE": 10}', '{"US": 40, "FR": 60}', 0.2)$$, $$values ('US'), ('FR')$$, 'small shares can be left out');

-- Beside plain SQL ----------------------------------------------------------------------------------------------------------

select setseed(0.5);
create unlogged table public.documents as
select n, n % 7 as day, case when n % 11 <> 0 then d.counts end as counts, l.list, s.shares, case when n % 5 > 0 then (random() * 1e6)::numeric(12, 3) end as followers
from generate_series(1, 2000) n,
  -- Short, inline, compressed and out of line; any number of digits; keys of every length in every order.
  lateral (select coalesce(jsonb_object_agg(left(md5((k * 31 % 97)::text), 3 + k % 30), floor(random() * power(10, k % 17))::bigint), '{}') as counts
    from generate_series(1, (array[1, 3, 40, 90, 97])[1 + n % 5]) k) d,
  lateral (select coalesce(jsonb_agg(jsonb_build_object('city', key, 'count', value, 'seen', true) order by hashtext(key || n)), '[]') as list from jsonb_each(d.counts)) l,
  lateral (select coalesce(jsonb_object_agg(key, round(random()::numeric, 1 + (n % 15)) + 0.0), '{}') as shares from jsonb_each(d.counts)) s;
analyze public.documents;

create function pg_temp.same(statement text, reference text) returns setof text language plpgsql as $$
begin
  return next results_eq(statement, reference, left(statement, 100));
end
$$;
select pg_temp.same('select key, count from analytics.audience_top((select analytics.audience_merge(' || f.form || ') from public.documents), null) order by key collate "C"',
  'select key, sum(value::bigint)::bigint from public.documents, jsonb_each(' || case f.form when 'counts' then 'counts' else '(select jsonb_object_agg(e ->> ''city'', e -> ''count'') from jsonb_array_elements(list) e)' end
  || ') group by key order by key collate "C"') from unnest(array['counts', 'list']) f (form);
select is((select count(*) from audience_top((select audience_merge(shares, followers::float8) from public.documents), null) a full join (
    select key, sum(value::numeric * followers) / (select sum(followers) from public.documents where shares <> '{}') as share
    from public.documents, jsonb_each(shares) where followers is not null group by key) s using (key)
  where abs(a.share - s.share) > 1e-12 or (a.share is null) <> (s.share is null)), 0::bigint, 'shares as numeric has them');
select is((select count(*) from audience_top((select audience_merge(shares) from public.documents), null) a full join (
    select key, sum(value::numeric) / (select count(*) from public.documents where shares <> '{}') as share
    from public.documents, jsonb_each(shares) group by key) s using (key)
  where abs(a.share - s.share) > 1e-12 or (a.share is null) <> (s.share is null)), 0::bigint, 'also weighed equally');
select is((select sum((k -> 'shares_without_base' ->> 'sum')::numeric) from (select audience_merge(shares)::jsonb as a from public.documents) m, jsonb_array_elements(a -> 'keys') k),
  (select sum(value::numeric) from public.documents, jsonb_each(shares)), 'their sum is exact');

-- However it is planned -----------------------------------------------------------------------------------------------------

create function pg_temp.plan(statement text) returns text language plpgsql as $$
declare line text; whole text := '';
begin
  for line in execute 'explain ' || statement loop whole := whole || line; end loop;
  return whole;
end
$$;
create temp table mixes as select v.mix from (values ('counts'), ('list'), ('shares'), ('case n % 3 when 0 then counts when 1 then list else shares end')) v (mix);
create function pg_temp.merge(input text, mix text) returns text language plpgsql as $$
declare result text;
begin
  execute format('select analytics.audience_merge(%s, followers::float8)::text from %s', mix, input) into result;
  return result;
end
$$;
create temp table serial as select mix, pg_temp.merge('public.documents', mix) as whole from mixes;
select is(pg_temp.merge('(select * from public.documents order by hashint4(n)) d', mix), whole, 'in another order: ' || mix) from serial;
set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0; set local max_parallel_workers_per_gather = 2;
select matches(pg_temp.plan('select analytics.audience_merge(counts) from public.documents'), 'Gather.*Partial Aggregate', 'it runs in parallel');
select is(pg_temp.merge('public.documents', mix), whole, 'in parallel: ' || mix) from serial;
set local max_parallel_workers_per_gather = 0;
select is((select audience_rollup(day) from (select audience_merge(case n % 3 when 0 then counts when 1 then list else shares end, followers::float8) as day from public.documents group by day) d)::text, whole,
  'a month is the roll-up of its days') from serial where mix like 'case%';
select is((select audience_rollup(day::bytea::audience::jsonb::audience) from (select audience_merge(case n % 3 when 0 then counts when 1 then list else shares end, followers::float8) as day from public.documents group by day) d)::text, whole,
  'also when they were stored, and written as JSON') from serial where mix like 'case%';
select is((select count(*) from (select n, audience_merge(counts, followers::float8) over (order by n rows between 3 preceding and current row)::text as a from public.documents where n <= 40) w
  where a is distinct from (select audience_merge(counts, followers::float8)::text from public.documents d where d.n between w.n - 3 and w.n)), 0::bigint, 'as a window');
select is((select count(*) from (select n, audience_merge(counts) over (order by n)::text as a from public.documents where n <= 40) w
  where a is distinct from (select audience_merge(counts)::text from public.documents d where d.n <= w.n)), 0::bigint, 'and as one that grows');
select is(audience_rollup(a)::text, null, 'of no audiences none') from (select null::audience) v (a);

-- Bounds ----------------------------------------------------------------------------------------------------------------------

select throws_ok($$select analytics.audience_merge(jsonb_build_object('key ' || g, 2)) from generate_series(1, 65537) g$$, '54000', null, 'more keys than an audience has');
select is(audience_documents(audience_merge(jsonb_build_object('key ' || g, 2))), 65536::bigint, 'and as many as it has') from generate_series(1, 65536) g;
select is(audience_merge(d)::jsonb -> 'unreadable', '{"too_many_entries": 1}', 'so many in one document') from (select jsonb_object_agg(g, 2) as d from generate_series(1, 65537) g) v;
select is(audience_merge(f.d)::jsonb -> 'unreadable', jsonb_build_object(f.reason, 1), f.reason) from (values
  (jsonb_build_object(repeat('x', 201), 1), 'key'), ((repeat('{"distribution":', 200) || '{"US": 1}' || repeat('}', 200))::jsonb, 'not_a_distribution'),
  ((repeat('[', 200) || repeat(']', 200))::jsonb, 'not_a_distribution'), ('{"US": 1e400}', 'too_large'), ('{"US": {"FR": {"DE": 1}}}', 'not_a_distribution')) f (d, reason) group by f.d, f.reason;
select is(audience_merge('{"US": 5}', f.w)::jsonb -> 'unreadable', '{"base": 1}', f.w || ' people') from unnest(array[-1, 'NaN', 'Infinity', 1e300]::float8[]) f (w) group by f.w;
select throws_ok($$select * from analytics.audience_top((select analytics.audience_merge('{"US": 9223372036854775807}') from generate_series(1, 2)))$$, '22003', null, 'a count above bigint');
select throws_ok($$select analytics.audience_merge('{"US": 9223372036854775807}') from generate_series(1, 100)$$, '22003', null, 'a sum that has no place');

-- Damage ----------------------------------------------------------------------------------------------------------------------

create function pg_temp.state_of(statement text) returns text language plpgsql as $$
begin
  execute statement;
  return 'none';
exception when others then
  return sqlstate;
end
$$;
select is(string_agg(distinct pg_temp.state_of(format('select (%L::bytea)::analytics.audience::text', set_bit(whole, at, 1 - get_bit(whole, at)))), ','), 'XX001', 'a damaged bit is an error')
from (select (select audience_merge(counts, followers::float8) from public.documents where n < 9)::bytea as whole) w, generate_series(0, 8 * length(whole) - 1, 101) at;
select throws_ok(format('select analytics.%s(%L::bytea::analytics.audience%s)', f, noise, more), 'XX001', null, format('%s of %s is an error', f, noise))
from (values ('audience_base', ''), ('audience_documents', ''), ('audience_share', ', ''US'''), ('audience_top', ''), ('audience_to_jsonb', ''), ('audience_rollup', ''), ('affinity', ', ''{"US": 1}''')) v (f, more),
  unnest(array['\x', '\x01', '\x0100000000', '\xdeadbeef']) noise;

-- Open to everybody -----------------------------------------------------------------------------------------------------------

select pg_temp.act_with('', 'anon');
select is(analytics.audience_share(analytics.audience_merge('{"US": 2, "FR": 2}'::jsonb), 'US'), 0.5::float8, 'also to callers who are not signed in');
select pg_temp.act_as_superuser();

select * from finish();
rollback;
