"""Unlocks a second that open a window on fresh data, beside bare inserts of the same rows. Durable commits; so many clients that no
core waits for the disk."""

import statistics

from figures import Table, connect, gateway_url, pgbench, run_sql

CLIENTS = 8
ROUNDS = 5
SECONDS = 4


def main():
    url = gateway_url()
    run_sql("unlock.sql")
    rates = {"unlock.pgbench": [], "unlock_insert.pgbench": []}
    offset = 0
    for _ in range(ROUNDS):
        for script, measured in rates.items():
            before = windows()
            define = {"number": 0, "clients": CLIENTS, "offset": offset}
            measured.append(pgbench(url, script, SECONDS, CLIENTS, define.items()))
            opened = windows() - before
            if opened < measured[-1] * SECONDS * 0.9:
                raise SystemExit(f"{script}: {opened} windows opened, of {measured[-1] * SECONDS:.0f} calls")
            offset += 1_000_000
    ours, bare = (statistics.median(measured[1:]) for measured in rates.values())
    table = Table()
    table.add(f"unlock, {CLIENTS} clients, durable", f"{ours:.0f}/s", "bare insert of the window", f"{bare:.0f}/s", f"{bare / ours:.2f}x slower", "4000/s")
    table.show()


def windows():
    with connect() as connection:
        return connection.execute("select count(*) from analytics.user_profile_access").fetchone()[0]


main()
