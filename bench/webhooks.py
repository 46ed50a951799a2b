"""Signed deliveries a second that are stored when they are answered, beside bare inserts of the same payloads with a commit each."""

import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit, urlunsplit

from figures import DB_URL, Table, connect

PROGRAM = os.environ["SIDECAR_PROGRAM"]
DELIVERIES = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
SENDERS = 8
BATCH = 100
SECRET = "bench-secret"
ADDRESS = ("127.0.0.1", 19189)
BEGAN = int(time.time())
OWNER = "00000000-0000-4000-8000-000000000086"


def sidecar_url():
    """The login that the program uses; its password is set here: only for a cluster that is ours alone."""
    password = os.urandom(16).hex()
    with connect() as connection:
        connection.execute(f"alter role analytics_sidecar login password '{password}'")
    parts = urlsplit(DB_URL)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"analytics_sidecar:{password}@{host}"))


def fill():
    with connect() as connection:
        connection.execute("insert into auth.users (id, email) values (%s, 'webhooks@example.com')", (OWNER,))
        connection.execute("""
            insert into analytics.social_accounts (workspace_id, id, created_by, platform, handle, platform_user_id, status)
            select w.id, analytics.uuidv7(), w.owner_id, 'instagram', 'name' || n, 1000000 + n, 'active' from analytics.workspaces w, generate_series(1, 1000) n
            where w.owner_id = %s""", (OWNER,))
        connection.execute("""
            insert into analytics_private.oauth_tokens (workspace_id, social_account_id, provider, purpose, consent_key, access_token, token_type, issued_at, first_consent_at)
            select a.workspace_id, a.id, 'instagram', 'insights', a.id::text, 'gAAAAA', 'bearer', now(), now() from analytics.social_accounts a where a.created_by = %s""", (OWNER,))
        connection.execute("create table public.bare_events (id bigserial primary key, payload jsonb not null, received_at timestamptz not null default now())")


def change(number):
    value = {"id": str(17900000000000000 + number), "text": "so good " * 8, "from": {"id": "1", "username": "someone"}, "media": {"id": "18000000000000001"}}
    return {"field": "comments", "value": value}


def delivery(number, size=1):
    changes = [change(number * size + part) for part in range(size)]
    return json.dumps({"object": "instagram", "entry": [{"id": str(1000001 + number % 1000), "time": BEGAN, "changes": changes}]}).encode()


def at_once(work):
    """Seconds that SENDERS threads take, each for its share."""
    threads = [threading.Thread(target=work, args=(sender,)) for sender in range(SENDERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def deliver(first, count, size, refused):
    def work(sender):
        connection = http.client.HTTPConnection(*ADDRESS)
        for number in range(first + sender, first + count, SENDERS):
            body = delivery(number, size)
            signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            connection.request("POST", "/webhooks/instagram", body, {"content-type": "application/json", "x-hub-signature-256": f"sha256={signature}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                refused.append(answer.status)
    return at_once(work)


def insert(count):
    def work(sender):
        with connect() as connection:
            for number in range(sender, count, SENDERS):
                connection.execute("insert into public.bare_events (payload) values (%s)", (json.dumps(change(number)),))
    return at_once(work)


def main():
    fill()
    environment = {
        "PATH": os.environ["PATH"], "DATABASE_URL": sidecar_url(), "DECODO_USERNAME": "x", "DECODO_PASSWORD": "x", "DECODO_URL": "http://127.0.0.1:9",
        "INSTAGRAM_WEBHOOK_SECRETS": SECRET, "SIDECAR_WEBHOOK_LISTEN": "%s:%d" % ADDRESS, "SIDECAR_LISTEN": "127.0.0.1:19187", "SIDECAR_LOG": "warn",
    }
    sidecar = subprocess.Popen([PROGRAM], env=environment, stdout=subprocess.DEVNULL)
    try:
        refused = []
        for _ in range(100):
            try:
                deliver(10**9, 1, 1, refused)
                break
            except OSError:
                time.sleep(0.1)
        bare = insert(DELIVERIES)
        single = deliver(0, DELIVERIES, 1, refused)
        again = deliver(0, DELIVERIES, 1, refused)
        batches = DELIVERIES // BATCH
        batched = deliver(10**6, batches, BATCH, refused)
        with connect() as connection:
            stored = connection.execute("select count(*) from analytics.events").fetchone()[0]
    finally:
        sidecar.terminate()
        sidecar.wait(30)
    assert not refused and stored == DELIVERIES + batches * BATCH + 1, (refused[:5], stored)
    table = Table()
    ours, theirs = DELIVERIES / single, DELIVERIES / bare
    table.add("deliveries/s of one event, checked and stored", f"{ours:,.0f}", "bare inserts of their payloads, a commit each", f"{theirs:,.0f}", f"{ours / theirs:.2f}")
    table.add("deliveries/s of the same once more", f"{DELIVERIES / again:,.0f}")
    table.add(f"events/s in deliveries of {BATCH}", f"{batches * BATCH / batched:,.0f}")
    table.show()
    print(f"{SENDERS} senders at once, {stored:,} events stored")


main()
