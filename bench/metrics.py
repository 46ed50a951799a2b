"""Captures recorded a second, and what a year of one account costs to read."""

import statistics
import time

from figures import Table, claims, connect, gateway_url, run_sql

USER = "00000000-0000-4000-8000-000000000001"
ACCOUNT = "0195c3a0-0000-7000-8000-000000000001"
ROWS = 100_000
ROUNDS = 5
READS = 30
LIST = """
    select array_agg((array['followers', 'following', 'posts', 'reach', 'views', 'likes', 'comments', 'shares'])[1 + n %% 8]),
      array_agg(date_trunc('month', now()) - interval '26 months' + make_interval(secs => (n / 8 + %(round)s * 12500) * 300)), array_agg(n::bigint)
    from generate_series(0, %(rows)s - 1) as n"""
JSON = """
    select json_agg(json_build_object('metric', m, 'measured_at', t, 'captured_at', t, 'value', v))::text
    from unnest(%s::text[], %s::timestamptz[], %s::bigint[]) as u (m, t, v)"""


def timed(connection, statement, arguments):
    started = time.perf_counter()
    row = connection.execute(statement, arguments).fetchone()
    return time.perf_counter() - started, row


def record(table):
    """Each round other rows; JSON, arrays and the bare insert take turns, into months of their own."""
    times = {"captures as JSON": [], "captures as arrays": [], "bare": []}
    with connect() as admin, connect(gateway_url()) as gateway:
        admin.execute("create table bench_captures (like analytics.metrics_snapshots including defaults, primary key (workspace_id, social_account_id, metric, measured_at, captured_at))")
        gateway.execute("select set_config('request.jwt.claims', %s, false)", [claims(USER)])
        gateway.execute("set role authenticated")
        workspace = admin.execute("select workspace_id from analytics.social_accounts where id = %s", [ACCOUNT]).fetchone()[0]
        for round in range(ROUNDS):
            for place, (how, measured) in enumerate(times.items()):
                arrays = admin.execute(LIST, {"rows": ROWS, "round": round * len(times) + place}).fetchone()
                if how == "bare":
                    took, _ = timed(admin, """
                        with stored as (
                          insert into bench_captures (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
                          select %s, %s, u.m, u.t, u.t, u.v, 'bench' from unnest(%s::text[], %s::timestamptz[], %s::bigint[]) as u (m, t, v) on conflict do nothing returning 1)
                        select count(*) from stored""", [workspace, ACCOUNT, *arrays])
                elif how == "captures as JSON":
                    text = admin.execute(JSON, arrays).fetchone()[0]
                    took, row = timed(gateway, "select analytics.record_metrics(%s, %s) -> 'recorded'", [ACCOUNT, text])
                    if row[0] != ROWS:
                        raise SystemExit(f"{row[0]} captures were recorded")
                else:
                    took, row = timed(gateway, "select analytics.record_metrics(%s, metrics => %b, measured_at => %b, metric_values => %b::bigint[]) -> 'recorded'", [ACCOUNT, *arrays])
                    if row[0] != ROWS:
                        raise SystemExit(f"{row[0]} captures were recorded")
                if round > 0:
                    measured.append(ROWS / took)
    bare = statistics.median(times.pop("bare"))
    for how, rates in times.items():
        rate = statistics.median(rates)
        table.add(f"record_metrics, {how}", f"{rate:,.0f} rows/s", "bare insert, no partitions", f"{bare:,.0f} rows/s", f"{rate / bare:.2f}", ">= 100 000/s")


def read(table):
    questions = {
        "growth of a year": ("select * from analytics.growth(%s, now() - interval '365 days', now())", 20),
        "growth of a month": ("select * from analytics.growth(%s)", None),
        "metric_series of a year, by day": ("select * from analytics.metric_series(%s, 'views', now() - interval '365 days')", None),
        "metric_totals of a month, all flows": ("select * from analytics.metric_totals(%s)", None),
        "anomalies of a month": ("select * from analytics.anomalies(%s, 'views')", None),
        "dashboard of a year": ("select analytics.dashboard(%s, now() - interval '365 days', now())", 60),
    }
    with connect() as admin, connect(gateway_url()) as gateway:
        captures = admin.execute("select count(*) from analytics.metrics_snapshots where measured_at > now() - interval '366 days'").fetchone()[0]
        own = admin.execute("select count(*) from analytics.metrics_snapshots where social_account_id = %s and measured_at > now() - interval '366 days'", [ACCOUNT]).fetchone()[0]
        gateway.execute("select set_config('request.jwt.claims', %s, false)", [claims(USER)])
        gateway.execute("set role authenticated")
        for what, (statement, target) in questions.items():
            times = sorted(timed(gateway, statement, [ACCOUNT])[0] * 1000 for _ in range(READS + 1))
            table.add(f"{what} ({own:,} captures of the account, {captures:,} in all)", f"{statistics.median(times):.1f} ms", "", "", "", f"<= {target} ms" if target else "")
        # What an analyst would write: the last capture of each day by a scan of the year.
        plain = """
            select count(*) from (
              select distinct on (date_trunc('day', measured_at)) value from analytics.metrics_snapshots
              where workspace_id = (select workspace_id from analytics.social_accounts where id = %s) and social_account_id = %s and metric = 'followers' and measured_at >= now() - interval '365 days'
              order by date_trunc('day', measured_at), measured_at desc) s"""
        times = sorted(timed(gateway, plain, [ACCOUNT, ACCOUNT])[0] * 1000 for _ in range(READS))
        table.add("the last capture of each day of a year, distinct on", f"{statistics.median(times):.1f} ms")


def main():
    run_sql("metrics.sql")
    table = Table()
    read(table)
    record(table)
    table.show()


main()
