"""Jobs a second that are claimed and completed in batches of 100, beside the least a queue can be."""

import statistics

from figures import DB_URL, Table, connect, pgbench, run_sql

CLIENTS = 2
ROUNDS = 4
SECONDS = 4
BATCH = 100


def main():
    run_sql("job_queue.sql")
    rates = {"job_queue.pgbench": [], "job_queue_bare.pgbench": []}
    for _ in range(ROUNDS):
        for script, measured in rates.items():
            measured.append(pgbench(DB_URL, script, SECONDS, CLIENTS) * BATCH)
    with connect() as connection:
        waiting = connection.execute("""
            select (select count(*) from analytics_private.jobs where state = 'queued'), (select count(*) from public.bare_queue)""").fetchone()
    if 0 in waiting:
        raise SystemExit(f"a queue ran dry, so its figure is not one: {waiting}")
    ours, bare = (statistics.median(measured) for measured in rates.values())
    table = Table()
    table.add(f"claim + complete {BATCH} jobs, {CLIENTS} clients", f"{ours:.0f}/s", "bare claim + delete", f"{bare:.0f}/s", f"{ours / bare:.2f}")
    table.show()


main()
