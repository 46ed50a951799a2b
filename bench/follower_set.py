"""The type follower_set: space, differences, building; beside the information-theoretic bound and plain SQL."""

import math
import statistics
import time

import psycopg

from figures import Table, connect, run_sql

ROUNDS = 7


def timed(connection, *statements):
    """Median seconds of each statement; they take turns, and the first round is left out."""
    times = [[] for _ in statements]
    for _ in range(ROUNDS + 1):
        for statement, measured in zip(statements, times):
            started = time.perf_counter()
            connection.execute(statement).fetchall()
            measured.append(time.perf_counter() - started)
    return [statistics.median(measured[1:]) for measured in times]


def bits_of(count, within):
    """log2 of the number of sets of that size: what no code can beat."""
    return (math.lgamma(within + 1) - math.lgamma(count + 1) - math.lgamma(within - count + 1)) / math.log(2)


def space(connection, table):
    for name, within, target in (("ten million", 2e10, "<= 1.2x"), ("a million", 2e10, "<= 1.2x"), ("a million of 17 digits", 2e10 * 4999999, ""),
                                 ("ten thousand", 2e10, "")):
        count, size = connection.execute(
            "select analytics.cardinality(followers::analytics.follower_set), length(followers) from sets where name = %s", [name]).fetchone()
        bound = bits_of(count, within) / 8
        table.add(f"space, {name}", f"{size / count:.3f} bytes an id", "bound", f"{bound / count:.3f} bytes an id", f"{size / bound:.3f}x", target)
    count, size = connection.execute(
        "select analytics.cardinality(followers::analytics.follower_set), length(followers) from sets where name = 'a million, dense'").fetchone()
    table.add("space, a million, dense", f"{size / count:.3f} bytes an id")


def difference(connection, table):
    for name, of, tables, target in (("ten million", "10 M against 10 M", ("ascending", "later"), "60 ms, 100x"),
                                     ("a million", "1 M against 1 M", ("small", "small_later"), "8 ms")):
        diff = f"""select analytics.cardinality(d.gained), analytics.cardinality(d.lost) from sets a, sets b,
          analytics.follower_diff_sets(a.followers::analytics.follower_set, b.followers::analytics.follower_set) d
          where a.name = '{name}' and b.name = '{name}, later'"""
        read = f"select sum(octet_length(followers || '')) from sets where name like '{name}%' and name not like '%of%' and name not like '%dense'"
        [ours, floor] = timed(connection, diff, read)
        before, after = tables
        started = time.perf_counter()
        theirs_rows = connection.execute(f"""select (select count(*) from (select id from {after} except select id from {before}) g),
          (select count(*) from (select id from {before} except select id from {after}) l)""").fetchone()
        theirs = time.perf_counter() - started
        if connection.execute(diff).fetchone() != theirs_rows:
            raise SystemExit("the differences differ")
        table.add(f"difference both ways, {of}", f"{ours * 1e3:.1f} ms", "except both ways", f"{theirs:.2f} s", f"{theirs / ours:.0f}x", target)
        table.add("  of that, fetching the sets", f"{floor * 1e3:.1f} ms")


def building(connection, table):
    agg, count = timed(connection, "select analytics.cardinality(analytics.follower_set_agg(id)) from ascending", "select count(*) from ascending")
    table.add("follower_set_agg, 10 M ascending", f"{agg:.2f} s", "count(*)", f"{count:.2f} s", f"{agg / count:.2f}x", "<= 2x")
    connection.execute("set work_mem = '1GB'")
    agg, sort = timed(connection, "select analytics.cardinality(analytics.follower_set_agg(id)) from any_order",
                      "select cardinality(array_agg(id order by id)) from any_order")
    connection.execute("reset work_mem")
    table.add("follower_set_agg, 10 M in any order", f"{agg:.2f} s", "array_agg(order by)", f"{sort:.2f} s", f"{agg / sort:.2f}x", "< 1x")


def looking_up(connection, table):
    one, = timed(connection, "select analytics.contains(followers::analytics.follower_set, 9999999999) from sets where name = 'ten million'")
    page, = timed(connection, "select analytics.members(followers::analytics.follower_set, 9999999999, 50) from sets where name = 'ten million'")
    table.add("contains, of 10 M", f"{one * 1e3:.2f} ms")
    table.add("a page of 50 members, of 10 M", f"{page * 1e3:.2f} ms")


def stopping(connection, table):
    """How long after its time a statement ends."""
    late = []
    for statement in ("select analytics.follower_set_agg(id) from any_order", "select analytics.symmetric_difference_count(a.followers::analytics.follower_set, "
                      "b.followers::analytics.follower_set) from sets a, sets b where a.name = 'ten million' and b.name = 'a million, dense'",
                      "select analytics.union_agg(followers::analytics.follower_set) from sets, generate_series(1, 100)"):
        for timeout in range(5, 500, 45):
            connection.execute(f"set statement_timeout = {timeout}")
            started = time.perf_counter()
            try:
                connection.execute(statement)
            except psycopg.errors.QueryCanceled:
                late.append(time.perf_counter() - started - timeout / 1e3)
    connection.execute("set statement_timeout = 0")
    table.add("statement_timeout", f"at most {max(late) * 1e3:.0f} ms late", f"{len(late)} times", "", "", "100 ms")


def main():
    run_sql("follower_set.sql")
    table = Table()
    with connect() as connection:
        connection.execute("set max_parallel_workers_per_gather = 0; set jit = off")
        space(connection, table)
        difference(connection, table)
        building(connection, table)
        looking_up(connection, table)
        stopping(connection, table)
    table.show()


main()
