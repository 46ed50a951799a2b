-- Five million posts of a year: a skewed rate around 4 %, reach from a hundred to millions, some of them unknown.
create unlogged table measured as
select date '2025-01-01' + (n % 365)::integer as published, (reach * rate * 0.9)::bigint as likes, (reach * rate * 0.05)::bigint as comments,
  (reach * rate * 0.03)::bigint as shares, (reach * rate * 0.02)::bigint as saves, case when n % 50 > 0 then reach end as reach
from (select n, (100 * exp(random() * 10))::bigint as reach, 0.04 * exp(random() + random() + random() - 1.5) as rate from generate_series(1, 5000000) n) posts;;
vacuum analyze measured;;
create table days (published date primary key, summary bytea not null);;
insert into days select published, analytics.engagement_stats(likes, comments, shares, saves, reach) from measured group by published;;
vacuum analyze days
