"""Unlocks a second that open a window on fresh data, beside bare inserts of the same rows. Durable commits; so many clients that no
core waits for the disk."""

import statistics

from figures import Table, connect, gateway_url, pgbench, run_sql

CLIENTS = 8
ROUNDS = 5
SECONDS = 4
MANY = 20  # names a call in unlock_many.pgbench


def main():
    url = gateway_url()
    run_sql("unlock.sql")
    rates = {"unlock.pgbench": [], "unlock_many.pgbench": [], "unlock_insert.pgbench": []}
    offset = 0
    for _ in range(ROUNDS):
        for script, measured in rates.items():
            with connect() as connection:
                connection.execute("truncate analytics.user_profile_access")
            define = {"number": 0, "clients": CLIENTS, "offset": offset}
            wanted = pgbench(url, script, SECONDS, CLIENTS, define.items()) * (MANY if "many" in script else 1)
            measured.append(wanted)
            opened = windows()
            if opened < wanted * SECONDS * 0.9:
                raise SystemExit(f"{script}: {opened} windows opened, of {wanted * SECONDS:.0f}")
            offset += 1_000_000
    ours, many, bare = (statistics.median(measured[1:]) for measured in rates.values())
    table = Table()
    table.add(f"unlock, {CLIENTS} clients, durable", f"{ours:.0f}/s", "bare insert of the window", f"{bare:.0f}/s", f"{ours / bare:.2f} of its rate", "4000/s")
    table.add(f"unlocks with unlock_profiles, {MANY} names a call", f"{many:.0f}/s", "the same", f"{bare:.0f}/s", f"{many / bare:.2f} of its rate", "4000/s")
    table.show()


def windows():
    with connect() as connection:
        return connection.execute("select count(*) from analytics.user_profile_access").fetchone()[0]


main()
