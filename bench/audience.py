"""audience_merge over a hundred thousand documents of 50 keys, beside jsonb_each with group by and sum."""

import statistics
import time

from figures import Table, connect, run_sql

ROUNDS = 3
ELEMENTS = 100_000 * 50

OURS = "select count(*) from analytics.audience_top((select analytics.audience_merge({column}) from documents), null)"
OF_MAP = "select count(*) from (select key, sum(value::{number}) from documents, jsonb_each({column}) group by key) sums"
OF_LIST = """select count(*) from (select entry ->> 'city', sum((entry ->> 'count')::bigint) from documents, jsonb_array_elements(list) entry
  group by 1) sums"""


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
        with ours as (select key, count from analytics.audience_top((select analytics.audience_merge(same) from documents), null)),
          theirs as (select key, sum(value::bigint)::bigint as count from documents, jsonb_each(same) group by key)
        select count(*) from (select * from ours except select * from theirs union all (select * from theirs except select * from ours)) d""").fetchone()[0]
    if wrong:
        raise SystemExit(f"{wrong} sums differ")


def main():
    run_sql("audience.sql")
    table = Table()
    with connect() as connection:
        connection.execute("set jit = off")
        check(connection)
        size, = connection.execute("select avg(pg_column_size(same))::integer from documents").fetchone()
        for workers in (0, 2):
            connection.execute(f"set max_parallel_workers_per_gather = {workers}")
            how = f"{workers} workers" if workers else "serial"
            cases = [("the same keys", "same", OF_MAP.format(number="bigint", column="same"), ">= 8x")]
            if workers == 0:
                cases += [("50 of 200 keys", "mixed", OF_MAP.format(number="bigint", column="mixed"), ""),
                          ("as lists", "list", OF_LIST, ""),
                          ("shares", "shares", OF_MAP.format(number="numeric", column="shares"), "")]
            for what, column, theirs, target in cases:
                ours, theirs = timed(connection, OURS.format(column=column), theirs)
                table.add(f"100 k documents of 50 keys, {size} B, {what}, {how}" if column == "same" else f"  {what}, {how}",
                          f"{ours * 1e9 / ELEMENTS:.1f} ns a key", "jsonb_each, group by, sum" if column != "list" else "jsonb_array_elements, group by, sum",
                          f"{theirs * 1e9 / ELEMENTS:.0f} ns a key", f"{theirs / ours:.1f}x", target)
        connection.execute("set max_parallel_workers_per_gather = 0")
        scan, each = timed(connection, "select count(*) from documents", "select count(same -> 'segment-1') from documents")
        table.add("of that, reading the rows; and looking up one key of each", f"{scan * 1e9 / ELEMENTS:.1f} and {each * 1e9 / ELEMENTS:.1f} ns a key")
    table.show()


main()
