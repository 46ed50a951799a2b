-- The queue, and beside it the least a queue can be: a table, claimed and finished with one statement each.
insert into analytics_private.jobs (kind, key, payload, max_attempts)
select 'bench', n::text, '{"username": "bench"}', 8 from generate_series(1, 1500000) as n;
create table public.bare_queue (
  id uuid primary key default analytics.uuidv7(),
  payload jsonb not null,
  state text not null default 'queued',
  run_at timestamptz not null default now()
);
create index on public.bare_queue (run_at) where state = 'queued';
insert into public.bare_queue (payload) select '{"username": "bench"}' from generate_series(1, 1500000) as n;;
vacuum analyze
