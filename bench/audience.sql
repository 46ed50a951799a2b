-- A hundred thousand documents of 50 keys, as an analytics service stores them: the same keys; 50 of 200 keys; shares; and the first
-- as lists, each in an order of its own.
create unlogged table same as
select d.document from generate_series(1, 100000) n,
  lateral (select jsonb_object_agg('segment-' || k, (random() * 100000)::integer) as document from generate_series(1, 50) k where n > 0) d;;
create unlogged table mixed as
select d.document from generate_series(1, 100000) n,
  lateral (select jsonb_object_agg('segment-' || (k * 4 + n % 4), (random() * 100000)::integer) as document from generate_series(1, 50) k where n > 0) d;;
create unlogged table shares as
select d.document from same, lateral (select jsonb_object_agg(key, round(value::numeric / 1e7, 5)) as document from jsonb_each(same.document)) d;;
create unlogged table lists as
select d.document from same, lateral (
  select jsonb_agg(jsonb_build_object('city', key, 'count', value) order by value desc) as document from jsonb_each(same.document)) d;;
vacuum analyze same, mixed, shares, lists
