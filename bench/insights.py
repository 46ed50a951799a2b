"""Connected Instagram accounts whose three pulls are done a minute, with how much work that is and what memory the sidecar takes.

Two rounds: accounts that were just connected (thirty days back, all posts), and the same accounts when they are due again.
"""

import datetime
import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

from figures import Table, connect
from services import Sidecar, Standin, add_accounts, new_key, processor_seconds, server_seconds, status, workspaces

ACCOUNTS = [int(number) for number in sys.argv[1:]] or [1_000, 5_000]
# Accounts of one person, as the stand-in knows them: two in each workspace.
IDS = ("17841400000000017", "10250000000000017")
SCOPES = ["instagram_business_basic", "instagram_business_manage_insights"]
DAY = datetime.timedelta(days=1)
TARGET = 1_000
BARE_THREADS, BARE_SECONDS = 16, 5


def fill(standin, key, count):
    issued_at = datetime.datetime.now(datetime.UTC) - DAY
    homes = workspaces(count // len(IDS))
    tokens = standin.consents("instagram", count, int(DAY.total_seconds()), SCOPES)
    add_accounts(key, [
        {"workspace": workspace, "owner": owner, "provider": "instagram", "platform_user_id": id, "handle": f"name{id[:3]}", "tokens": tokens.pop(),
         "scopes": SCOPES, "issued_at": issued_at, "expires_at": issued_at + 60 * DAY}
        for workspace, owner in homes for id in IDS])
    with connect() as connection:
        connection.execute("""
            insert into analytics_private.account_schedules (workspace_id, social_account_id, kind, provider, next_at)
            select t.workspace_id, t.social_account_id, k, t.provider, 'infinity' from analytics_private.oauth_tokens t, unnest(array['account', 'audience', 'posts']) k""")
        connection.execute("insert into analytics_private.insight_turns (workspace_id, provider) select distinct workspace_id, provider from analytics_private.account_schedules on conflict do nothing")
        connection.execute("vacuum analyze analytics_private.account_schedules")
        connection.execute("vacuum analyze analytics_private.insight_turns")


def round_of(standin, sidecar, count):
    """Everything due at once: seconds, calls, memory at the start, half way and at the end in MB, processor seconds of sidecar, stand-in, server."""
    def spent():
        return [processor_seconds(sidecar.pid), processor_seconds(standin.pid), server_seconds()]

    with connect() as connection:
        calls, before, memory = standin.requests()["instagram"], spent(), [status(sidecar.pid, "VmRSS")]
        connection.execute("update analytics_private.account_schedules set next_at = clock_timestamp()")
        began = connection.execute("select clock_timestamp()").fetchone()[0]
        while True:
            time.sleep(0.25)
            left = connection.execute(
                "select count(*) from analytics_private.account_schedules where succeeded_at is null or succeeded_at < %s or reads_all and kind = 'posts'", (began,)).fetchone()[0]
            if len(memory) == 1 and left <= count * 3 // 2:
                memory.append(status(sidecar.pid, "VmRSS"))
            if left == 0:
                break
            failed = connection.execute("select last_error from analytics_private.account_schedules where last_error is not null limit 1").fetchone()
            if failed:
                raise SystemExit(f"a pull failed: {failed[0]}")
        ended = connection.execute("select max(succeeded_at) from analytics_private.account_schedules").fetchone()[0]
        memory.append(status(sidecar.pid, "VmRSS"))
        used = [after - earlier for after, earlier in zip(spent(), before)]
        return (ended - began).total_seconds(), standin.requests()["instagram"] - calls, memory, used


def bare(standin):
    """Calls a second for the numbers of a day: one connection a thread, answers read and parsed, nothing kept."""
    token = standin.consents("instagram", 1, int(DAY.total_seconds()), SCOPES)[0]["access_token"]
    midnight = int(time.time()) // 86400 * 86400
    path = (f"/instagram/{IDS[0]}/insights?metric=accounts_engaged,comments,likes,profile_links_taps,replies,reposts,saves,shares,total_interactions,views"
            f"&period=day&metric_type=total_value&since={midnight - 86400}&until={midnight}")
    counts = []
    until = time.perf_counter() + BARE_SECONDS

    def ask():
        connection, count = http.client.HTTPConnection(urlsplit(standin.url).netloc), 0
        while time.perf_counter() < until:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            assert len(json.loads(connection.getresponse().read())["data"]) == 10
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=ask) for _ in range(BARE_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / BARE_SECONDS


def main():
    table = Table()
    for count in ACCOUNTS:
        key = new_key()
        with connect() as connection:
            connection.execute("delete from analytics_private.oauth_tokens")
            connection.execute("truncate analytics.social_accounts, analytics_private.insight_turns cascade")
        with Standin() as standin:
            fill(standin, key, count)
            with Sidecar(standin, key) as sidecar:
                time.sleep(2)
                for name in ("just connected", "due again"):
                    seconds, calls, memory, used = round_of(standin, sidecar, count)
                    table.add(f"{count:,} accounts {name}: a minute", f"{count / seconds * 60:,.0f}", "", "", "", f"{TARGET:,}")
                    table.add("  calls a second", f"{calls / seconds:,.0f}", f"bare calls, {BARE_THREADS} threads of Python", f"{bare(standin):,.0f}")
                    table.add("  calls an account", f"{calls / count:.1f}")
                    table.add("  processor seconds of the sidecar", f"{used[0]:.1f}", "the stand-in and the server", f"{used[1]:.1f} and {used[2]:.1f}")
                    table.add("  sidecar's memory at start, half, end, MB", ", ".join(f"{mb:.1f}" for mb in memory), "most so far", f"{status(sidecar.pid, 'VmHWM'):.1f}", "", "flat")
    table.show()


main()
