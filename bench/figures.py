"""What the benchmarks share: where the database is, and how figures are printed."""

import os
import statistics
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

HERE = Path(__file__).parent
DB_URL = os.environ["DB_URL"]
GATEWAY = "authenticator"
REFERENCE = "bench_reference"  # reads and writes the same tables without row-level security


def connect(url=DB_URL, **options):
    return psycopg.connect(url, autocommit=True, **options)


def run_sql(name):
    """Runs bench/<name>, statement by statement where it has to be (VACUUM runs in no transaction)."""
    with connect() as connection:
        for statement in (HERE / name).read_text().split(";;\n"):
            connection.execute(statement)


def gateway_url():
    """Where a REST server would connect: as a login without rights, that becomes `authenticated` in each transaction.

    It may become `bench_reference` too. Sets the login's password: only for a cluster that is ours alone.
    """
    password = os.urandom(16).hex()
    with connect() as connection:
        connection.execute(f"""
            do $$ begin
              if to_regrole('{GATEWAY}') is null then create role {GATEWAY}; end if;
              if to_regrole('{REFERENCE}') is null then create role {REFERENCE} bypassrls; end if;
            end $$;
            grant anon, authenticated, service_role, {REFERENCE} to {GATEWAY};
            alter role {GATEWAY} login inherit password '{password}'""")
    parts = urlsplit(DB_URL)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{GATEWAY}:{password}@{host}"))


def sidecar_url():
    """The sidecar's own login, which may do no more than it has to. Sets its password: only for a cluster that is ours alone."""
    password = os.urandom(16).hex()
    with connect() as connection:
        connection.execute("select analytics_private.set_sidecar_password(%s)", [password])
    parts = urlsplit(DB_URL)
    return urlunsplit(parts._replace(netloc=f"analytics_sidecar:{password}@{parts.netloc.rpartition('@')[2]}"))


def claims(user):
    return f'{{"role":"authenticated","sub":"{user}"}}'


class Table:
    """Figures beside what they are compared with."""

    HEAD = ("what", "ours", "compared with", "theirs", "ratio", "target")

    def __init__(self):
        self.rows = [self.HEAD]

    def add(self, what, ours, compared_with="", theirs="", ratio="", target=""):
        self.rows.append((what, ours, compared_with, theirs, ratio, target))

    def show(self):
        widths = [max(len(row[column]) for row in self.rows) for column in range(len(self.HEAD))]
        for row in self.rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip(), flush=True)


def percentile(values, share):
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def pgbench(url, script, seconds, clients, define=()):
    """Transactions a second of one script, and how many failed."""
    command = ["pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs=2",
               f"--time={seconds}", f"--file={HERE / script}"]
    command += [f"--define={name}={value}" for name, value in define]
    done = subprocess.run(command + [url], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"pgbench {script}: {done.stderr}")
    return next(float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("tps = "))
