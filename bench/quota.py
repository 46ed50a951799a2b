"""The post quota: what it costs to enforce, beside the same writes without it and beside counting the posts; what it costs to
read and to write the counters of a million workspaces. Durable commits.

"Without" means that no unit is taken and no period looked up; the check of the moves stays, it is no quota. Arguments: writing, many."""

import os
import statistics
import sys
import time

from figures import Table, connect, gateway_url, pgbench, run_sql

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))
CLIENTS = 4
HELD = 10_000
WORKSPACES = int(os.environ.get("WORKSPACES", "1000000"))

TRIGGERS = ("posts_charge_new", "posts_charge_changed")
# The period of a post without looking it up: a null would not pass the table's check.
NO_PERIOD = """
    create or replace function analytics_private.counted_period(workspace_id uuid, resource text) returns timestamptz
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$ begin return now(); end $$"""
# The same rule by counting, as it is usually written: the workspace's row is locked, or two at once would both see the last
# unit free. It gets the index that suits it.
COUNTING = """
    create index if not exists bench_counted on analytics.posts (workspace_id, created_at) where status <> 'draft' and deleted_at is null;
    create or replace function public.count_posts() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
      allowed bigint;
      period_start timestamptz;
    begin
      perform from analytics.workspaces w where w.id = new.workspace_id for no key update;
      select p.posts_per_month, s.anchor_at into allowed, period_start
      from analytics.subscriptions s join analytics.plans p on p.name = s.plan_name where s.workspace_id = new.workspace_id;
      if (select count(*) from analytics.posts p where p.workspace_id = new.workspace_id and p.created_at >= period_start
          and p.status <> 'draft' and p.deleted_at is null) >= allowed then
        raise exception 'no unit left';
      end if;
      return new;
    end $$;
    create or replace trigger bench_count before insert on analytics.posts
      for each row when (new.status <> 'draft') execute function public.count_posts()"""
NOT_COUNTING = "drop trigger if exists bench_count on analytics.posts; drop index if exists analytics.bench_counted"


def enforce(on):
    with connect() as connection:
        for trigger in TRIGGERS:
            connection.execute(f"alter table analytics.posts {'enable' if on else 'disable'} trigger {trigger}")
        connection.execute(ORIGINAL if on else NO_PERIOD)


def count(on):
    with connect() as connection:
        connection.execute(COUNTING if on else NOT_COUNTING)


def empty(held=0):
    """Only the drafts, and so many posts that hold a unit in each workspace."""
    enforce(True)
    with connect() as connection:
        connection.execute("delete from analytics.posts where name <> 'draft'")
        connection.execute("delete from analytics.quota_counters")
        connection.execute("""
            insert into analytics.posts (workspace_id, created_by, name, universal_content, status, scheduled_at)
            select w.id, w.owner_id, 'held', 'words', 'scheduled', now() + interval '1 day'
            from analytics.workspaces w, generate_series(1, %s) where w.name like 'bench%%'""", [held])
        connection.execute("vacuum analyze analytics.posts")


def compare(script, clients, spread, modes):
    """Median rates of each mode, taking turns."""
    rates = [[] for _ in modes]
    for _ in range(ROUNDS):
        for measured, mode in zip(rates, modes):
            mode()
            measured.append(pgbench(URL, script, SECONDS, clients, [("spread", spread)]))
    return [statistics.median(measured[1:] or measured) for measured in rates]


def with_quota():
    count(False)
    enforce(True)


def without_quota():
    count(False)
    enforce(False)


def by_counting():
    enforce(False)
    count(True)


def counters_agree():
    with connect() as connection:
        wrong = connection.execute("""
            select count(*) from analytics.quota_counters q where q.used <>
              (select count(*) from analytics.posts p where p.workspace_id = q.workspace_id and p.quota_period_start = q.period_start)""").fetchone()[0]
    if wrong:
        raise SystemExit(f"{wrong} counters are wrong")


def latency():
    """Milliseconds of quotas() at one client."""
    return 1000 / pgbench(URL, "quota_read.pgbench", SECONDS, 1)


def fill(workspaces):
    """So many more workspaces, a fifth of them subscribed, each with a counter of the month before last. Their owners are no rows: nothing here asks for them."""
    with connect() as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("""
            with spaces as (
              insert into analytics.workspaces (name, owner_id) select 'bulk', gen_random_uuid() from generate_series(1, %s) returning id, owner_id
            ), members as (
              insert into analytics.workspace_members (workspace_id, user_id, role) select id, owner_id, 'owner' from spaces
            ), paying as (
              insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at)
              select id, 'standard', 'active', now() - random() * interval '600 days' from spaces where random() < 0.2
            )
            insert into analytics.quota_counters (workspace_id, resource, period_start, used)
            select id, 'posts', now() - interval '70 days', 5 from spaces""", [workspaces])
        connection.execute("vacuum analyze analytics.workspaces, analytics.workspace_members, analytics.subscriptions, analytics.quota_counters")


def writing(table):
    for what, clients, spread in ((f"{CLIENTS} clients, a workspace each", CLIENTS, 1), ("one client", 1, 1), (f"{CLIENTS} clients, one workspace", CLIENTS, 0)):
        target = "85 %" if spread and clients > 1 else ""
        empty()
        ours, bare = compare("quota_insert.pgbench", clients, spread, (with_quota, without_quota))
        table.add(f"insert of a scheduled post, {what}", f"{ours:.0f}/s", "without the quota", f"{bare:.0f}/s", f"{100 * ours / bare:.0f} %", target)
        empty()
        ours, bare = compare("quota_schedule.pgbench", clients, spread, (with_quota, without_quota))
        table.add(f"schedule_post and cancel_post, {what}", f"{2 * ours:.0f}/s", "without the quota", f"{2 * bare:.0f}/s", f"{100 * ours / bare:.0f} %", target)
    with_quota()
    empty(HELD)
    counters_agree()
    ours, counting = compare("quota_insert.pgbench", CLIENTS, 1, (with_quota, by_counting))
    table.add(f"insert, {HELD} posts in the period, {CLIENTS} clients", f"{ours:.0f}/s", "count(*) in PL/pgSQL", f"{counting:.0f}/s", f"{ours / counting:.1f}x", "2x")
    with_quota()
    empty()


def many(table):
    few = latency()
    fill(WORKSPACES)
    often = latency()
    table.add("quotas(), 10 workspaces", f"{few:.2f} ms", f"{WORKSPACES} workspaces", f"{often:.2f} ms", f"{often / few:.2f}x", "the same")
    with connect() as connection:
        began = time.perf_counter()
        written = connection.execute("select analytics_private.reset_quotas()").fetchone()[0]
        took = time.perf_counter() - began
        again = time.perf_counter()
        idle = connection.execute("select analytics_private.reset_quotas()").fetchone()[0]
        again = time.perf_counter() - again
    # Of so many anchors some turn in the meantime.
    if written < WORKSPACES or idle > WORKSPACES / 1000:
        raise SystemExit(f"reset_quotas wrote {written}, then {idle}")
    table.add(f"reset_quotas(), {written} workspaces", f"{took:.1f} s", "nothing to do", f"{again:.1f} s", "", "15 s")


URL = gateway_url()
run_sql("quota.sql")
with connect() as superuser:
    ORIGINAL = superuser.execute("select pg_get_functiondef('analytics_private.counted_period'::regproc)").fetchone()[0]
FIGURES = Table()
for part in (writing, many):
    if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
        part(FIGURES)
FIGURES.show()
