"""A year of daily lists of followers, 1 % leaving and 1 % coming a day: what it weighs, what the questions cost. Beside a table
with a row for each change, with the columns and indexes of S4. FOLLOWERS is the size of the large accounts."""

import os
import random
import statistics
import time

from figures import Table, claims, connect, gateway_url, run_sql

FOLLOWERS = int(os.environ.get("FOLLOWERS", "1000000"))
SMALL = FOLLOWERS // 50
DAYS = 365
CHURN = 0.01
NEW, KNOWN, LITTLE = (f"0195c3a0-0000-7000-8000-0000000000c{n}" for n in (1, 2, 3))
ROUNDS = 7
MONTH = ("2025-06-01Z", "2025-07-01Z")
ASKER = "00000000-0000-4000-8000-000000000001"


def lists(first, newcomers, rng):
    """Who came and who went, day by day; nobody comes who is there."""
    present, places = list(first), {person: place for place, person in enumerate(first)}
    yield list(first), []
    for _ in range(1, DAYS):
        leave = rng.sample(present, int(len(present) * CHURN))
        come = []
        while len(come) < len(leave):
            person = newcomers()
            if person not in places:
                places[person] = None
                come.append(person)
        for gone, new in zip(leave, come):
            place = places.pop(gone)
            present[place], places[new] = new, place
        yield come, leave


def fill(connection):
    """Three histories, and the people they are about. Returns the seconds a list took."""
    rng = random.Random(1)
    people = FOLLOWERS + int(FOLLOWERS * CHURN) * DAYS
    run_sql("followers.sql")
    workspace = connection.execute("select workspace_id from analytics.social_accounts limit 1").fetchone()[0]
    connection.execute("""
        insert into analytics.platform_users (workspace_id, platform, number, handle, first_seen_at)
        select %s, 'instagram', n, 'person.' || n::bigint * 7919 %% 100000007, '2025-01-01Z' from generate_series(1, %s) n""", [workspace, people])
    numbers = iter(range(FOLLOWERS + 1, people + 1))
    histories = {
        NEW: lists(range(1, FOLLOWERS + 1), lambda: next(numbers), rng),
        KNOWN: lists(rng.sample(range(1, people + 1), FOLLOWERS), lambda: rng.randrange(1, people + 1), rng),
        LITTLE: lists(rng.sample(range(1, people + 1), SMALL), lambda: rng.randrange(1, people + 1), rng),
    }
    sizes, took = {}, []
    for account, history in histories.items():
        for day, (came, went) in enumerate(history):
            began = time.perf_counter()
            connection.execute("select public.store_day(%s, timestamptz '2025-01-01Z' + %s * interval '1 day', %s, %s)", [account, day, came, went])
            took.append((account, time.perf_counter() - began))
        connection.execute("vacuum analyze analytics.follower_snapshots")
        sizes[account] = connection.execute("select pg_total_relation_size('analytics.follower_snapshots')").fetchone()[0]
    connection.execute("vacuum analyze")
    connection.execute("""
        insert into plain.follower_changes
        select id, workspace_id, social_account_id, change_type, user_id, username, "timestamp", profile_pic_url, verified, follower_count, extra_data
        from analytics.follower_changes where social_account_id = any (%s) order by "timestamp", id""", [[NEW, LITTLE]])
    connection.execute("vacuum analyze plain.follower_changes")
    return sizes, [statistics.median(t for a, t in took if a == account) for account in (NEW, LITTLE)]


def space(connection, sizes, seconds, table):
    plain = connection.execute("select pg_total_relation_size('plain.follower_changes')::float8 / count(*) from plain.follower_changes").fetchone()[0]
    before = 0
    for account, who in ((NEW, "who come are new"), (KNOWN, "who come are known already"), (LITTLE, f"{SMALL} followers")):
        changes, first = connection.execute("""
            select sum(gained_count + lost_count), max(octet_length(keyframe)) filter (where captured_at = '2025-01-01Z')
            from analytics.follower_snapshots where social_account_id = %s""", [account]).fetchone()
        bytes_each = (sizes[account] - before) / float(changes)
        before = sizes[account]
        table.add(f"bytes a change, all in, {who}", f"{bytes_each:.2f}", "a row for each change", f"{plain:.0f}", f"{plain / bytes_each:.0f}x smaller", "<= 7")
    people = connection.execute("select pg_total_relation_size('analytics.platform_users')::float8 / count(*) from analytics.platform_users").fetchone()[0]
    table.add("  (a person's name, once)", f"{people:.0f} bytes")
    table.add(f"recording a list of {FOLLOWERS}, 1 % changed", f"{seconds[0] * 1000:.0f} ms", f"of {SMALL}", f"{seconds[1] * 1000:.0f} ms")


def as_of(connection, table):
    """What a moment reads: the keyframe before it and the changes since, of every list of the year."""
    worst, mean = connection.execute("""
        with sums as (
          select l.captured_at, k.bytes as keyframe, (
            select coalesce(sum(coalesce(octet_length(d.gained), 0) + coalesce(octet_length(d.found), 0) + coalesce(octet_length(d.lost), 0) + coalesce(octet_length(d.gone), 0)), 0)
            from analytics.follower_snapshots d where d.social_account_id = l.social_account_id and d.captured_at > k.captured_at and d.captured_at <= l.captured_at) as deltas
          from analytics.follower_snapshots l cross join lateral (
            select octet_length(k.keyframe), k.captured_at from analytics.follower_snapshots k
            where k.social_account_id = l.social_account_id and k.keyframe is not null and k.captured_at <= l.captured_at order by k.captured_at desc limit 1) k (bytes, captured_at)
          where l.social_account_id = any (%s))
        select max((keyframe + deltas) / keyframe::float8), avg((keyframe + deltas) / keyframe::float8) from sums""", [[NEW, KNOWN]]).fetchone()
    table.add("followers_at: bytes read / bytes of the keyframe", f"at most {worst:.2f}, mean {mean:.2f}", target="<= 2")


class Asker:
    """The member, through the gateway."""

    def __init__(self):
        self.connection = connect(gateway_url())
        self.connection.execute("select set_config('request.jwt.claims', %s, false)", [claims(ASKER)])
        self.connection.execute("set role authenticated")

    def client(self, query, *arguments):
        """Milliseconds at the client, and the first value."""
        began = time.perf_counter()
        value = self.connection.execute(query, arguments).fetchone()[0]
        return (time.perf_counter() - began) * 1000, value

    def server(self, query, *arguments):
        """Milliseconds in which the server makes all rows, and their number."""
        plan = self.connection.execute("explain (analyze, timing off, format json) " + query, arguments).fetchone()[0][0]
        return plan["Execution Time"], plan["Plan"]["Actual Rows"]


def turns(*asks):
    """Medians of asks that take turns; the first round is left out."""
    times = [[] for _ in asks]
    answers = []
    for _ in range(ROUNDS):
        answers = []
        for measured, ask in zip(times, asks):
            took, answer = ask()
            measured.append(took)
            answers.append(answer)
    return [statistics.median(measured[1:]) for measured in times], answers


def changes(asker, table):
    columns = "id, social_account_id, change_type, user_id, username, \"timestamp\", profile_pic_url, verified, follower_count, extra_data"
    where = "where social_account_id = %s and \"timestamp\" >= %s and \"timestamp\" < %s"
    for account, size in ((LITTLE, SMALL), (NEW, FOLLOWERS)):
        for what, selected in (("all columns", columns), ("counted by kind", "change_type, count(*)")):
            tail = " group by change_type" if selected != columns else ""
            (ours, plain), answers = turns(
                lambda: asker.server(f"select {selected} from analytics.follower_changes {where}{tail}", account, *MONTH),
                lambda: asker.server(f"select {selected} from plain.follower_changes {where}{tail}", account, *MONTH))
            if answers[0] != answers[1]:
                raise SystemExit(f"{answers[0]} changes, the table has {answers[1]}")
            table.add(f"follower_changes, a month of {size} followers, {what}", f"{ours:.1f} ms", "a row for each change", f"{plain:.1f} ms", f"{ours / plain:.2f}x")
        page = f"""select jsonb_agg(to_jsonb(p)) from (select {columns} from plain.follower_changes {where} and ("timestamp", id) < (%s, %s) order by "timestamp" desc, id desc limit 51) p"""
        first = ("infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff")
        # A place within a day in the middle of the month.
        middle = asker.connection.execute(f"select \"timestamp\"::text, id::text from plain.follower_changes where social_account_id = %s and \"timestamp\" = '2025-06-15Z' order by id offset 20 limit 1", [account]).fetchone()
        cursor = None
        walked = asker.connection.execute("select analytics.follower_changes_page(%s, '2025-06-01Z', '2025-06-15 00:00:01Z', page_size => 20) ->> 'next_cursor'", [account]).fetchone()[0]
        for what, place, after in (("first page", first, cursor), ("page in the middle", middle, walked)):
            (ours, plain), _ = turns(
                lambda: asker.client("select jsonb_array_length(analytics.follower_changes_page(%s, %s, %s, after => %s) -> 'items')", account, *MONTH, after),
                lambda: asker.client(page, account, *MONTH, *place))
            table.add(f"follower_changes_page, 50 of {size} followers, {what}", f"{ours:.1f} ms", "a row for each change", f"{plain:.1f} ms", f"{ours / plain:.2f}x")


def questions(asker, table):
    for what, query, arguments in (
        ("followers_at, the newest list", "select follower_count from analytics.followers_at(%s)", (KNOWN,)),
        ("followers_at, in between", "select follower_count from analytics.followers_at(%s, '2025-07-10')", (KNOWN,)),
        ("follower_list, first page", "select jsonb_array_length(analytics.follower_list(%s) -> 'items')", (KNOWN,)),
        ("followers_between, a month", "select gained_count from analytics.followers_between(%s, %s, %s)", (KNOWN, *MONTH)),
        ("followers_between, the year", "select gained_count from analytics.followers_between(%s, '2025-01-01Z', '2026-01-01Z')", (KNOWN,)),
        ("follower_history, the year", "select count(*) from analytics.follower_history(%s, 'person.7919')", (NEW,)),
        ("retention, the year by weeks", "select sum(came) from analytics.retention(%s, '2025-01-01Z', '2026-01-01Z')", (KNOWN,)),
        ("audience_overlap of two", "select analytics.audience_overlap(array[%s, %s]::uuid[]) ->> 'shared'", (NEW, KNOWN)),
        ("unique_reach of two", "select analytics.unique_reach(array[%s, %s]::uuid[]) ->> 'reach'", (NEW, KNOWN)),
    ):
        (took,), _ = turns(lambda: asker.client(query, *arguments))
        table.add(f"{what}, {FOLLOWERS} followers", f"{took:.1f} ms")


def main():
    with connect() as connection:
        sizes, seconds = fill(connection)
        table = Table()
        space(connection, sizes, seconds, table)
        as_of(connection, table)
    asker = Asker()
    changes(asker, table)
    questions(asker, table)
    table.show()


main()
