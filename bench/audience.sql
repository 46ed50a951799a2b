-- A hundred thousand documents of 50 keys, as an analytics service stores them: the same keys; 50 of 200 keys; the same as a list, in
-- an order of its own; shares. 1.1 kB each where they are maps.
create unlogged table documents (same jsonb, mixed jsonb, list jsonb, shares jsonb);;
insert into documents
select d.same, m.mixed, l.list, s.shares
from generate_series(1, 100000) n,
  lateral (select jsonb_object_agg('segment-' || k, (random() * 100000)::integer) as same from generate_series(1, 50) k where n > 0) d,
  lateral (select jsonb_object_agg('segment-' || (k * 4 + n % 4), (random() * 100000)::integer) as mixed from generate_series(1, 50) k where n > 0) m,
  lateral (select jsonb_agg(jsonb_build_object('city', key, 'count', value) order by value desc) as list from jsonb_each(d.same)) l,
  lateral (select jsonb_object_agg(key, round(value::numeric / 1e7, 5)) as shares from jsonb_each(d.same)) s;;
vacuum analyze documents
