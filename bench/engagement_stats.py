"""The aggregate engagement_stats over 5 M posts: beside the mean rate in plain SQL, and beside what answers the same in plain SQL."""

import statistics
import time

from figures import Table, connect, run_sql

ROUNDS = 5
RATE = "(likes + comments + shares + saves)::float8 / nullif(reach, 0)"

SCAN = "select count(reach) from measured"
MEAN = f"select avg({RATE}) from measured"
PLAIN = f"""select count(*), count({RATE}), sum(likes + comments + shares + saves), sum(reach), min({RATE}), max({RATE}), avg({RATE}), stddev({RATE}),
  percentile_cont(array[0.25, 0.5, 0.9]) within group (order by {RATE}) from measured"""
LESS = f"select avg({RATE}), stddev({RATE}), percentile_cont(array[0.25, 0.5, 0.9]) within group (order by {RATE}) from measured"
OURS = """select analytics.posts_counted(s), analytics.posts_with_rate(s), analytics.sum_of_interactions(s), analytics.sum_of_denominators(s), analytics.minimum(s), analytics.maximum(s),
  analytics.ratio_of_sums(s), analytics.mean_of_ratios(s), analytics.standard_deviation(s), analytics.quantiles(s, array[0.25, 0.5, 0.9])
  from (select analytics.engagement_stats(likes, comments, shares, saves, reach) as s from measured) stats"""
YEAR = "select analytics.mean_of_ratios(analytics.rollup(summary::analytics.engagement_summary)) from days"


def timed(connection, *statements):
    """Median seconds of each statement; they take turns, and the first round is left out."""
    times = [[] for _ in statements]
    for _ in range(ROUNDS + 1):
        for statement, measured in zip(statements, times):
            started = time.perf_counter()
            connection.execute(statement).fetchall()
            measured.append(time.perf_counter() - started)
    return [statistics.median(measured[1:]) for measured in times]


def agree(connection):
    """What is compared must say the same."""
    ours, plain = connection.execute(OURS).fetchone(), connection.execute(PLAIN).fetchone()
    posts, rated, _, _, low, high, _, mean, deviation, quantiles = ours
    if (posts, rated) != plain[:2]:
        raise SystemExit("the numbers of posts differ")
    for name, a, b, within in [("minimum", low, plain[4], 1e-12), ("maximum", high, plain[5], 1e-12), ("mean", mean, plain[6], 1e-9), ("deviation", deviation, plain[7], 1e-9),
                               *(("quantile", a, b, 0.008) for a, b in zip(quantiles, plain[8]))]:
        if abs(a / 100 - b) > within * b:
            raise SystemExit(f"{name}: {a} and {b}")


def main():
    run_sql("engagement_stats.sql")
    table = Table()
    with connect() as connection:
        rows, = connection.execute("select count(*) from measured").fetchone()
        # The sorts of the plain query in memory: the best it can do.
        connection.execute("set work_mem = '1GB'")
        agree(connection)

        def nanoseconds(seconds):
            return f"{seconds * 1e9 / rows:.0f} ns a row"

        def figures(name, settings, targets=("", "")):
            connection.execute(settings)
            plan = "\n".join(line for line, in connection.execute("explain " + OURS))
            workers = plan.split("Workers Planned: ")[1].split()[0] if "Workers Planned" in plan else "no"
            scan, mean, ours, less = timed(connection, SCAN, MEAN, OURS, LESS)
            table.add(f"{name}, {workers} workers", nanoseconds(ours), "avg of the rate", nanoseconds(mean), f"{ours / mean:.2f}x", targets[0])
            table.add("  above the scan", nanoseconds(ours - scan), "the same", nanoseconds(mean - scan), f"{(ours - scan) / (mean - scan):.2f}x")
            table.add("  in all", f"{ours:.3f} s", "avg, stddev, 3 quantiles", f"{less:.3f} s", f"{less / ours:.1f}x faster", targets[1])

        targets = ("<= 2x, aim 1.5x", ">= 2x")
        figures("one process", "set max_parallel_workers_per_gather = 0; set jit = off", targets)
        ours, plain = timed(connection, OURS, PLAIN)
        table.add("  in all", f"{ours:.3f} s", "all of it in plain SQL", f"{plain:.3f} s", f"{plain / ours:.1f}x faster")
        figures("the planner's choice", "reset max_parallel_workers_per_gather", targets)
        figures("the same with JIT", "set jit = on")
        connection.execute("set jit = off")
        year, whole = timed(connection, YEAR, OURS)
        size, = connection.execute("select avg(octet_length(summary))::bigint from days").fetchone()
        table.add(f"a year from 365 days, {size} bytes each", f"{year * 1e3:.1f} ms", "from its posts", f"{whole * 1e3:.0f} ms", f"{whole / year:.0f}x faster")
    table.show()


main()
