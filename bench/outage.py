"""Ten thousand connections due for a refresh at once over six providers, one of them down for ten minutes; beside the same with all well.

Time may run faster: `outage.sh 15`, which is usual, makes ten minutes forty seconds, and so it does with the breaker's
cool-down (15 s) and the back-off (2 s up to 10 min). What is not shortened: a call takes what it takes, and the sidecar looks
once a second whether it may call again, so that probes come up to a second late. `outage.sh 1` takes the true ten minutes.
"""

import datetime
import sys
import time

from figures import Table, connect, percentile
from services import PLATFORMS, Sidecar, Standin, add_accounts, call, new_key, workspaces

CONNECTIONS = 10_000
FASTER = int(sys.argv[1]) if len(sys.argv) > 1 else 15
MINUTES = 10
COOL_DOWN, BACKOFF_BASE, BACKOFF_CAP = 15, 2, 600
# Loses a connection as soon as one refresh token is used twice.
DOWN = "x"
WORKSPACES = 100
# What is due is so old, by each provider's own rule, and ends then.
DAY = 86400
AGES = {"google": (2880, 3599), "facebook": (50 * DAY, 60 * DAY), "instagram": (50 * DAY, 60 * DAY),
        "tiktok": (DAY - 3600, DAY), "linkedin": (48 * DAY, 60 * DAY), "x": (5760, 7200)}


def fill(standin, key):
    now = datetime.datetime.now(datetime.UTC)
    homes = workspaces(WORKSPACES)
    accounts = []
    for place, provider in enumerate(PLATFORMS):
        age, life = AGES[provider]
        issued_at = now - datetime.timedelta(seconds=age)
        share = CONNECTIONS // len(PLATFORMS) + (place < CONNECTIONS % len(PLATFORMS))
        for number, tokens in enumerate(standin.consents(provider, share, age, ["offline.access"])):
            workspace, owner = homes[number % WORKSPACES]
            accounts.append({
                "workspace": workspace, "owner": owner, "provider": provider, "platform_user_id": str(number), "handle": f"{provider}{number}",
                "tokens": tokens, "scopes": ["offline.access"], "issued_at": issued_at, "expires_at": issued_at + datetime.timedelta(seconds=life)})
    add_accounts(key, accounts)


def run(is_outage):
    """Delays in seconds by provider, calls by provider, those of the provider while it was down, and how many are not as they should be."""
    key = new_key()
    with connect() as connection, Standin() as standin:
        connection.execute("delete from analytics_private.oauth_tokens")
        connection.execute("delete from analytics_private.oauth_revocations")
        connection.execute("delete from analytics.social_accounts")
        fill(standin, key)
        for name, seconds in (("job_backoff_base", BACKOFF_BASE), ("job_backoff_cap", BACKOFF_CAP)):
            connection.execute("select analytics_private.set_setting(%s, %s)", (name, f"{seconds / FASTER} seconds"))
        connection.execute("vacuum analyze analytics_private.oauth_tokens")
        with Sidecar(standin, key, SIDECAR_BREAKER_COOL_DOWN_SECONDS=str(max(COOL_DOWN // FASTER, 1))):
            if is_outage:
                call("POST", f"{standin.url}/faults", {"target": DOWN, "fault": "http_503"})
            due = connection.execute(
                "update analytics_private.oauth_tokens set refresh_at = clock_timestamp() + interval '3 seconds' returning refresh_at").fetchall()
            due = max(due)[0]
            connection.execute("update analytics_private.oauth_tokens set refresh_at = %s", (due,))
            while_down = None
            back_at = due + datetime.timedelta(seconds=MINUTES * 60 / FASTER)
            patience = time.monotonic() + 300 + (MINUTES * 60 / FASTER if is_outage else 0)
            while True:
                time.sleep(0.2)
                if is_outage and while_down is None and datetime.datetime.now(datetime.UTC) >= back_at:
                    call("DELETE", f"{standin.url}/faults")
                    while_down = standin.requests()[DOWN]
                left = connection.execute("select count(*) from analytics_private.oauth_tokens where version = 1").fetchone()[0]
                if left == 0 or time.monotonic() > patience:
                    break
            delays = {provider: [] for provider in PLATFORMS}
            for provider, seconds in connection.execute(
                    "select provider, extract(epoch from refreshed_at - %s)::float8 from analytics_private.oauth_tokens where refreshed_at is not null", (due,)):
                delays[provider].append(seconds)
            lost = connection.execute("""
                select count(*) from analytics.social_accounts a left join analytics_private.oauth_tokens t on t.workspace_id = a.workspace_id and t.social_account_id = a.id
                where (a.status = 'active' and t.version = 2 and t.failures = 0 and t.refresh_at > now() and t.claim is null) is not true""").fetchone()[0]
            told = connection.execute("select count(*) from analytics.notices").fetchone()[0]
            return delays, standin.requests(), while_down, lost + told


def main():
    well, out = run(False), run(True)
    table = Table()
    others = [[seconds for provider, list in result[0].items() if provider != DOWN for seconds in list] for result in (well, out)]
    connections = len(well[0][DOWN])
    table.add(f"calls to {DOWN} ({connections:,} connections), down for {MINUTES} min", f"{out[1][DOWN]:,}", "the same, well", f"{well[1][DOWN]:,}",
              f"{out[1][DOWN] / well[1][DOWN]:.3f}", "at most 1.2")
    table.add("  of these while it was down", f"{out[2]:,}")
    for share in (50, 99):
        ours, theirs = percentile(others[1], share), percentile(others[0], share)
        table.add(f"s from due to refreshed, the five others, p{share}", f"{ours:.2f}", "the same, all six well", f"{theirs:.2f}", f"{ours / theirs:.2f}", "unchanged")
    table.add(f"s from due to refreshed, {DOWN}, last one", f"{max(out[0][DOWN], default=0):.2f}", f"the outage alone", f"{MINUTES * 60 / FASTER:.0f}")
    table.add("connections lost or not refreshed, notices", f"{out[3]:,}", "the same, well", f"{well[3]:,}", "", "0")
    table.show()
    print(f"time {FASTER} times as fast")


main()
