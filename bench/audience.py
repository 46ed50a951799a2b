"""audience_merge over a hundred thousand documents of 50 keys, beside jsonb_each with group by and sum."""

import statistics
import time

from figures import Table, connect, run_sql

ROUNDS = 5
ELEMENTS = 100_000 * 50

OURS = "select count(*) from analytics.audience_top((select analytics.audience_merge(document) from {table}), null)"
OF_MAP = "select count(*) from (select key, sum(value::{number}) from {table}, jsonb_each(document) group by key) sums"
OF_LIST = """select count(*) from (select entry ->> 'city', sum((entry ->> 'count')::bigint) from lists, jsonb_array_elements(document) entry
  group by 1) sums"""
CASES = (("maps of the same keys", "same", "jsonb_each", OF_MAP.format(number="bigint", table="same")),
         ("maps of 50 of 200 keys", "mixed", "jsonb_each", OF_MAP.format(number="bigint", table="mixed")),
         ("maps of shares", "shares", "jsonb_each", OF_MAP.format(number="numeric", table="shares")),
         ("lists", "lists", "jsonb_array_elements", OF_LIST))


def timed(connection, *statements):
    """Median seconds of each statement; they take turns, and the first round is left out."""
    times = [[] for _ in statements]
    for _ in range(ROUNDS + 1):
        for statement, measured in zip(statements, times):
            started = time.perf_counter()
            connection.execute(statement).fetchall()
            measured.append(time.perf_counter() - started)
    return [statistics.median(measured[1:]) for measured in times]


def check(connection):
    """The same sums both ways."""
    wrong = connection.execute("""
        with ours as (select key, count from analytics.audience_top((select analytics.audience_merge(document) from same), null)),
          theirs as (select key, sum(value::bigint)::bigint as count from same, jsonb_each(document) group by key)
        select count(*) from ((select * from ours except select * from theirs) union all (select * from theirs except select * from ours)) d""").fetchone()[0]
    if wrong:
        raise SystemExit(f"{wrong} sums differ")


def key(seconds):
    return f"{seconds * 1e9 / ELEMENTS:.1f} ns a key"


def main():
    run_sql("audience.sql")
    table = Table()
    with connect() as connection:
        connection.execute("set jit = off")
        check(connection)
        for how, workers, cases in (("serial", 0, CASES), ("2 workers", 2, CASES[:1])):
            connection.execute(f"set max_parallel_workers_per_gather = {workers}")
            for what, name, function, theirs in cases:
                size, = connection.execute(f"select avg(pg_column_size(document))::integer from {name}").fetchone()
                ours, theirs = timed(connection, OURS.format(table=name), theirs)
                table.add(f"audience_merge, {what}, {size} bytes, {how}", key(ours), f"{function}, group by, sum", key(theirs),
                          f"{theirs / ours:.1f}x", ">= 8x" if name == "same" else "")
        connection.execute("set max_parallel_workers_per_gather = 0")
        scan, = timed(connection, "select count(*) from same")
        table.add("  of that, the scan alone", key(scan))
    table.show()


main()
