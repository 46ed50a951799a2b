"""Reading through row-level security, at the client, beside the same query without it."""

import statistics
import time

from psycopg.pq import ExecStatus

from figures import Table, claims, connect, gateway_url, percentile, run_sql

WINDOWS = (10, 100, 1000, 10_000)
ROUNDS = 60  # of ten profiles
NEWEST = b"select * from analytics.profile_posts where profile_id = $1 order by posted_at desc, id desc limit 50"


class Gateway:
    """Requests as a REST server makes them; libpq alone, so that the client's own work hides nothing."""

    def __init__(self, url):
        self.raw = connect(url).pgconn
        for name in (b"authenticated", b"bench_reference"):
            self.done(self.raw.prepare(name, NEWEST))

    def done(self, result):
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise SystemExit(result.error_message.decode())
        return result

    def request(self, role, user, ask):
        """Seconds that `ask` takes within its transaction, and its rows."""
        self.done(self.raw.exec_(b"begin"))
        self.done(self.raw.exec_params(b"select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
                                       [role, claims(user).encode()]))
        started = time.perf_counter()
        result = self.done(ask())
        took = time.perf_counter() - started
        self.done(self.raw.exec_(b"commit"))
        return took, result.ntuples

    def prepared(self, role, profile):
        return lambda: self.raw.exec_prepared(role, [profile])

    def unprepared(self, profile):
        return lambda: self.raw.exec_(NEWEST.replace(b"$1", b"'" + profile + b"'"))


def user(windows):
    return f"00000000-0000-4000-8000-{windows:012d}"


def read_profiles(gateway, table):
    with connect() as connection:
        profiles = [str(row[0]).encode() for row in connection.execute(
            "select id from analytics.profiles where username in (select 'bench' || 2 * n from generate_series(0, 9) as n)")]
    for how in ("prepared", "planned each time"):
        for windows in WINDOWS:
            times = {b"authenticated": [], b"bench_reference": []}
            for round in range(ROUNDS):
                for profile in profiles:
                    # Whoever comes second finds the rows in the processor's cache: they take turns.
                    for role, measured in sorted(times.items(), reverse=round % 2 == 0):
                        ask = gateway.prepared(role, profile) if how == "prepared" else gateway.unprepared(profile)
                        took, rows = gateway.request(role, user(windows), ask)
                        if rows != 50:
                            raise SystemExit(f"{role.decode()} got {rows} rows")
                        if round > 0:
                            measured.append(took * 1e6)
            ours, plain = (statistics.median(measured) for measured in times.values())
            table.add(f"50 newest posts, {how}, {windows} windows", f"{ours:.0f} us", "without RLS", f"{plain:.0f} us", f"{ours / plain:.2f}",
                      "<= 1.15, flat" if how == "prepared" else "")


def scans():
    with connect() as connection:
        return connection.execute("select seq_scan from pg_stat_user_tables where relid = 'analytics.profile_posts'::regclass").fetchone()[0]


def read_newest(gateway, table):
    before = scans()
    for windows in WINDOWS:
        call = lambda: gateway.raw.exec_(b"select analytics.newest_posts(page_size => 50)")
        times = [gateway.request(b"authenticated", user(windows), call)[0] * 1000 for _ in range(60)][5:]
        query = lambda: gateway.raw.exec_(
            b"select * from analytics.profile_posts where posted_at >= now() - interval '30 days' order by posted_at desc, id desc limit 50")
        plain = []
        if windows == WINDOWS[-1]:
            time.sleep(1.5)  # the statistics of a session are written at most once a second
            gateway.raw.exec_(b"select 1")
            after = scans()
            plain = [gateway.request(b"authenticated", user(windows), query)[0] * 1000 for _ in range(3)]
        table.add(f"newest_posts, {windows} windows", f"p50 {statistics.median(times):.1f} ms, p95 {percentile(times, 95):.1f} ms",
                  "plain query under RLS" if plain else "", f"{min(plain):.0f} ms" if plain else "",
                  f"{min(plain) / statistics.median(times):.0f}x" if plain else "", "<= 60 ms" if plain else "")
    table.add("  sequential scans of profile_posts in it", f"{after - before}", target="0")


def main():
    url = gateway_url()
    run_sql("rls_read.sql")
    gateway = Gateway(url)
    table = Table()
    read_profiles(gateway, table)
    read_newest(gateway, table)
    table.show()


main()
