"""What the audit costs a single-row insert, a bulk statement and a row in it, and how fast it verifies. Durable commits."""

import statistics
import time

from figures import DB_URL, Table, connect, pgbench, run_sql

ROUNDS = 5
SECONDS = 3
BULK = 50_000
RECORDS = 300_000
VALUES = "'t', 'a body that says something about what is posted, and a little more', '{\"platforms\": [\"instagram\"], \"notify\": true}'"


def main():
    run_sql("audit.sql")
    table = Table()
    for clients, workspaces, what, target in ((4, 1000, "4 clients, different workspaces", "75 %"), (4, 1, "4 clients, one workspace", ""), (1, 1000, "1 client", "")):
        rates = {"plain": [], "audited": [], "row_trigger": []}
        for _ in range(ROUNDS):
            for name, measured in rates.items():
                measured.append(pgbench(DB_URL, f"audit_{name}.pgbench", SECONDS, clients, [("workspaces", workspaces)]))
            seal()
        plain, audited, versions = (statistics.median(measured[1:]) for measured in rates.values())
        table.add(f"single-row insert, {what}", f"{audited:.0f}/s", "without audit", f"{plain:.0f}/s", f"{100 * audited / plain:.0f} %", target)
        table.add("", "", "row trigger in PL/pgSQL", f"{versions:.0f}/s", f"{100 * versions / plain:.0f} %")
    for rows, statements, what, target in ((BULK, 1, "one record for a statement", "3 µs"), (100, BULK // 500, "a record for each row", "")):
        costs = {name: statistics.median(bulk(name, rows, statements) for _ in range(3)) for name in ("plain", "audited", "row_trigger")}
        table.add(f"bulk, {what}", f"+{costs['audited'] - costs['plain']:.1f} µs a row", "row trigger in PL/pgSQL", f"+{costs['row_trigger'] - costs['plain']:.1f} µs a row", "", target)
    seal()
    verify(table, 998, "null", "without personal values", "1 M/s")
    verify(table, 997, """'{"title": "a title of a post"}'""", "with values")
    table.show()


def seal():
    with connect() as connection:
        while connection.execute("select analytics_private.seal_audit()").fetchone()[0]:
            pass
        connection.execute("vacuum analytics_private.audit_pending")


def bulk(name, rows, statements):
    """Microseconds a row."""
    with connect() as connection:
        space = connection.execute("select id from public.spaces where n = 5").fetchone()[0]
        began = time.perf_counter()
        with connection.transaction():
            for _ in range(statements):
                connection.execute(f"insert into analytics.bench_{name} (workspace_id, title, body, settings) select %s, {VALUES} from generate_series(1, %s)", (space, rows))
        return (time.perf_counter() - began) * 1e6 / rows / statements


def verify(table, number, values, what, target=""):
    with connect() as connection:
        space = connection.execute("select id from public.spaces where n = %s", (number,)).fetchone()[0]
        connection.execute(f"select count(analytics_private.write_audit('post.updated', 'post', %s, '{{}}', %s, null, {values})) from generate_series(1, {RECORDS})", (space, space))
        seal()
        connection.execute("vacuum analyze analytics.audit_logs, analytics.audit_personal")
        times = []
        for _ in range(4):
            began = time.perf_counter()
            verdict = connection.execute("select analytics.verify_audit(%s)", (space,)).fetchone()[0]
            times.append(time.perf_counter() - began)
            if not verdict["ok"]:
                raise SystemExit(f"verification says {verdict}")
        rate = verdict["verified"] / statistics.median(times[1:])
        table.add(f"verification, {what}", f"{rate / 1e6:.2f} M records/s", "", "", "", target)


main()
