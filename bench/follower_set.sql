-- Ten million ids uniform in a range of 2e10, in the order in which they were drawn and ascending, and a month later: one of a
-- hundred gone, as many new.
create unlogged table drawn as select distinct on (id) id, draw from (
  select (random() * 2e10)::bigint as id, draw from generate_series(1, 10000000) draw) d order by id;;
create unlogged table ascending as select id from drawn order by id;;
create unlogged table any_order as select id from drawn order by hashint8(draw);;
create unlogged table later as select distinct id from (
  select case when random() < 0.01 then (random() * 2e10)::bigint else id end as id from drawn) d order by id;;
create unlogged table small as select id from any_order limit 1000000;;
create unlogged table small_later as select distinct case when random() < 0.01 then (random() * 2e10)::bigint else id end as id from small;;
drop table drawn;;
vacuum analyze ascending, any_order, later, small, small_later;;
create table sets (name text primary key, followers bytea not null);;
alter table sets alter followers set storage external;;
insert into sets
select 'ten million', analytics.follower_set_agg(id) from ascending union all
select 'ten million, later', analytics.follower_set_agg(id) from later union all
select 'a million', analytics.follower_set_agg(id) from small union all
select 'a million, later', analytics.follower_set_agg(id) from small_later union all
select 'a million of 17 digits', analytics.follower_set_agg(id * 4999999) from small union all
select 'a million, dense', analytics.follower_set_agg(id) from generate_series(5000000::bigint, 5999999) id union all
select 'ten thousand', analytics.follower_set_agg(id) from (select id from small limit 10000) s;;
vacuum analyze sets
