"""Rows a second sealed with another key through `rotate-tokens`, beside bare updates of rows of the same size; reads meanwhile."""

import base64
import os
import random
import re
import subprocess
import sys
import threading
import time

from cryptography.fernet import Fernet, MultiFernet
from figures import Table, connect, run_sql, sidecar_url

PROGRAM = os.environ["SIDECAR_PROGRAM"]
ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
BATCH = 1000
OWNER = "00000000-0000-4000-8000-000000000083"


def fill(key):
    with connect() as connection:
        connection.execute("insert into auth.users (id, email) values (%s, 'keys@example.com')", (OWNER,))
        # Triggers and foreign keys would take most of the time, and are not what is measured.
        connection.execute("set session_replication_role = replica")
        connection.execute("""
            insert into analytics.social_accounts (workspace_id, id, created_by, platform, handle, platform_user_id, status)
            select w.id, analytics.uuidv7(), w.owner_id, 'tiktok', 'name' || n, n, 'active' from analytics.workspaces w, generate_series(1, %s) n
            where w.owner_id = %s""", (ROWS, OWNER))
        connection.execute("""
            insert into analytics_private.oauth_tokens (workspace_id, social_account_id, id, provider, purpose, consent_key, access_token, refresh_token,
              token_type, issued_at, first_consent_at)
            select a.workspace_id, a.id, a.id, 'tiktok', 'insights', a.platform_user_id,
              public.sealed(%(key)s, a.workspace_id, a.id, 'access_token', 'act.' || repeat('x', 68)),
              public.sealed(%(key)s, a.workspace_id, a.id, 'refresh_token', 'rft.' || repeat('y', 68)), 'bearer', now(), now()
            from analytics.social_accounts a where a.created_by = %(owner)s""", {"key": key, "owner": OWNER})
        connection.execute("create table public.bare_tokens as select workspace_id, social_account_id, access_token, refresh_token from analytics_private.oauth_tokens")
        connection.execute("alter table public.bare_tokens add primary key (workspace_id, social_account_id)")
        connection.execute("vacuum analyze public.bare_tokens")
        connection.execute("vacuum analyze analytics_private.oauth_tokens")


def rotate(url, keys):
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "TOKEN_KEYS": ",".join(keys)}
    began = time.perf_counter()
    said = subprocess.run([PROGRAM, "rotate-tokens", "--batch", str(BATCH)], env=environment, check=True, capture_output=True, text=True).stdout
    rows, anew = (int(number) for number in re.match(r"(\d+) rows, (\d+) sealed anew", said).groups())
    return rows, anew, time.perf_counter() - began


def bare():
    """The same rows written once, in as many statements, by their keys, with texts that are there already."""
    began, after, done = time.perf_counter(), None, 0
    with connect() as connection:
        while True:
            rows = connection.execute("""select workspace_id, social_account_id, access_token, refresh_token from public.bare_tokens
                where %s::uuid is null or social_account_id > %s order by workspace_id, social_account_id limit %s""", (after, after, BATCH)).fetchall()
            if not rows:
                return done, time.perf_counter() - began
            connection.execute("""update public.bare_tokens t set access_token = n.a, refresh_token = n.r
                from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[]) n (w, i, a, r) where t.workspace_id = n.w and t.social_account_id = n.i""",
                tuple(list(column) for column in zip(*rows)))
            after, done = rows[-1][1], done + len(rows)


class Reader(threading.Thread):
    """Reads accesses of random accounts all the time, and opens them with both keys."""

    def __init__(self, keys):
        super().__init__(daemon=True)
        self.keys = MultiFernet([Fernet(key) for key in keys])
        self.reads = self.failures = 0
        self.stop = threading.Event()

    def run(self):
        with connect() as connection:
            accounts = [row[0] for row in connection.execute(
                "select social_account_id from analytics_private.oauth_tokens order by random() limit 10000").fetchall()]
            while not self.stop.is_set():
                token = connection.execute("select analytics_private.sidecar_access(%s) ->> 'access_token'", (random.choice(accounts),)).fetchone()[0]
                self.reads += 1
                try:
                    self.keys.decrypt(token.encode())
                except Exception:
                    self.failures += 1


def main():
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    run_sql("rotation.sql")
    fill(base64.urlsafe_b64decode(old))
    url = sidecar_url()
    reader = Reader([new, old])
    reader.start()
    rows, anew, seconds = rotate(url, [new, old])
    reader.stop.set()
    reader.join()
    again, nothing, passing = rotate(url, [new, old])
    bare_rows, bare_seconds = bare()
    assert (rows, anew, again, nothing, bare_rows) == (ROWS, ROWS, ROWS, 0, ROWS), (rows, anew, again, nothing, bare_rows)
    table = Table()
    ours, theirs = rows / seconds, bare_rows / bare_seconds
    table.add("rows/s sealed with another key, two tokens each", f"{ours:,.0f}", "bare updates of rows of the same size", f"{theirs:,.0f}", f"{ours / theirs:.2f}")
    table.add("rows/s gone through again, all current", f"{again / passing:,.0f}")
    table.show()
    print(f"reads meanwhile: {reader.reads:,}, failed: {reader.failures}")


main()
