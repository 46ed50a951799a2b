"""Ten thousand connections due for a refresh at once over six providers, one of them down for ten minutes; beside the same with all well.

Time may run faster: `outage.sh 15`, which is usual, makes ten minutes forty seconds, and so it does with the breaker's
cool-down (15 s) and the back-off (2 s up to 10 min). What is not shortened: a call takes what it takes, and the sidecar looks
once a second whether it may call again, so that probes come up to a second late. `outage.sh 1` takes the true ten minutes.
"""

import datetime
import statistics
import sys
import time

from figures import Table, connect, percentile
from services import PLATFORMS, Sidecar, Standin, add_accounts, call, new_key, workspaces

CONNECTIONS = 10_000
ROUNDS = 2
FASTER = int(sys.argv[1]) if len(sys.argv) > 1 else 15
MINUTES = 10
COOL_DOWN, BACKOFF_BASE, BACKOFF_CAP = 15, 2, 600
if COOL_DOWN % FASTER:
    raise SystemExit("the cool-down is set in whole seconds: time can be 1, 3, 5 or 15 times as fast")
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
        connection.execute("delete from analytics.notices")
        fill(standin, key)
        for name, seconds in (("job_backoff_base", BACKOFF_BASE), ("job_backoff_cap", BACKOFF_CAP)):
            connection.execute("select analytics_private.set_setting(%s, %s)", (name, f"{seconds / FASTER} seconds"))
        connection.execute("vacuum analyze analytics_private.oauth_tokens")
        with Sidecar(standin, key, SIDECAR_BREAKER_COOL_DOWN_SECONDS=str(max(COOL_DOWN // FASTER, 1))):
            if is_outage:
                call("POST", f"{standin.url}/faults", {"target": DOWN, "fault": "http_503"})
            due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
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
    # Taking turns: what else the machine does meanwhile disturbs both sides.
    well, out = zip(*((run(False), run(True)) for _ in range(ROUNDS)))
    table = Table()

    def others(results, share):
        """Median of the rounds."""
        return statistics.median(percentile([s for provider, list in result[0].items() if provider != DOWN for s in list], share) for result in results)

    ours, theirs = (statistics.mean(result[1][DOWN] for result in results) for results in (out, well))
    table.add(f"calls to {DOWN}, {len(well[0][0][DOWN]):,} connections due, {MINUTES} min down", f"{ours:,.0f}", "the same, well", f"{theirs:,.0f}", f"{ours / theirs:.3f}", "at most 1.2")
    table.add("  of these while it was down", f"{statistics.mean(result[2] for result in out):,.0f}")
    for share in (50, 99):
        ours, theirs = others(out, share), others(well, share)
        table.add(f"s from due to refreshed, the five others, p{share}", f"{ours:.2f}", "the same, all six well", f"{theirs:.2f}", f"{ours / theirs:.2f}", "unchanged")
    last = statistics.median(max(result[0][DOWN], default=0) for result in out)
    table.add(f"s from due to refreshed, {DOWN}, the last one", f"{last:.2f}", "the outage alone", f"{MINUTES * 60 / FASTER:.2f}")
    table.add(f"connections lost, not refreshed, or told of, of {CONNECTIONS:,}", f"{sum(result[3] for result in out):,}", "the same, well", f"{sum(result[3] for result in well):,}", "", "0")
    table.show()
    print(f"time {FASTER} times as fast")


main()
