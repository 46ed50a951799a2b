"""Names a second from an export's zip file into the database through the program, beside bare inserts of the same names."""

import datetime
import json
import os
import random
import statistics
import string
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile
from pathlib import Path

from figures import Table, connect, sidecar_url

PROGRAM = os.environ["SIDECAR_PROGRAM"]
NAMES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ROUNDS = 3
PAGE = 50_000
CHURN = NAMES // 100
FILES = 10
FIRST, SECOND = "2026-05-03T09:00:00Z", "2026-06-03T09:00:00Z"

ENTRY = """ {
  "title": "",
  "media_list_data": [],
  "string_list_data": [
   {
    "href": "https://www.instagram.com/%s",
    "value": "%s",
    "timestamp": %d
   }
  ]
 }"""


def invented(count, seed):
    """Names as long as people's are, 6 to 18 characters, in no order."""
    chance = random.Random(seed)
    letters = string.ascii_lowercase + string.digits + "_."
    names = set()
    while len(names) < count:
        names.add("".join(chance.choices(letters, k=chance.randint(6, 18))))
    names = sorted(names)
    chance.shuffle(names)
    return names


def write_export(path, names):
    # Years of followers, none of them at the beginning of a range of time that Instagram offers.
    begin, end = (datetime.datetime(year, 3, 1, tzinfo=datetime.UTC).timestamp() for year in (2016, 2026))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(FILES):
            part = names[number * len(names) // FILES:(number + 1) * len(names) // FILES]
            entries = (ENTRY % (name, name, end - (end - begin) * position // len(part)) for position, name in enumerate(part))
            archive.writestr(f"connections/followers_and_following/followers_{number + 1}.json", "[\n" + ",\n".join(entries) + "\n]")


def new_account(name):
    """In a workspace of its own."""
    user = str(uuid.uuid4())
    with connect() as connection:
        connection.execute("insert into auth.users (id, email, raw_user_meta_data) values (%s, %s, '{}')", [user, f"{name}@example.com"])
        connection.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps({"sub": user, "role": "authenticated"})])
        return connection.execute("select analytics.add_account(platform => 'instagram', handle => %s) ->> 'id'", [name]).fetchone()[0]


def peak(pid):
    """VmHWM, the most memory that a process has held, in MB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except ProcessLookupError:
        return 0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), 0)


def run(url, path, account, captured_at):
    """Seconds, the summary, and the peak of memory."""
    command = [PROGRAM, "import", "instagram-export", path, "--account", account, "--captured-at", captured_at, "--json"]
    memory = 0
    started = time.perf_counter()
    with subprocess.Popen(command, env={"DATABASE_URL": url}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            memory = max(memory, peak(process.pid))
            time.sleep(0.005)
        seconds = time.perf_counter() - started
        told = process.stdout.read()
    if process.returncode != 0:
        raise SystemExit(f"the import ended with {process.returncode}")
    return seconds, json.loads(told)["lists"][0]["outcome"], memory


def bare_insert(table, workspace, names):
    with connect() as connection, connection.transaction():
        started = time.perf_counter()
        for start in range(0, len(names), PAGE):
            connection.execute(
                f"insert into {table} (workspace_id, platform, handle) select %b, 'instagram', n from unnest(%b::text[]) n on conflict do nothing",
                [workspace, names[start:start + PAGE]])
        seconds = time.perf_counter() - started
    return seconds


def main():
    with connect() as connection:
        for table in ("bare_sorted", "bare_unsorted"):
            connection.execute(f"""create table {table} (workspace_id uuid not null, platform varchar(32) not null, number bigint generated always as identity,
                handle varchar(255) collate "C", first_seen_at timestamptz not null default now(), primary key (workspace_id, platform, number));
                create unique index on {table} (workspace_id, platform, handle)""")
    url = sidecar_url()
    first = invented(NAMES, 1)
    second = first[CHURN:] + invented(CHURN, 2)
    random.Random(3).shuffle(second)
    measured = {}
    note = lambda what, value: measured.setdefault(what, []).append(value)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("first.zip", "second.zip")]
        for path, names in zip(paths, (first, second)):
            write_export(path, names)
        with zipfile.ZipFile(paths[0]) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        for round in range(ROUNDS):
            account, workspace = new_account(f"bench_{round}"), uuid.uuid4()
            for what, path, captured_at, names in (("new", paths[0], FIRST, first), ("known", paths[1], SECOND, second)):
                seconds, outcome, memory = run(url, path, account, captured_at)
                note(what, len(names) / seconds)
                note("memory", memory)
                note(f"{what}, sorted", len(names) / bare_insert("bare_sorted", workspace, sorted(names)))
                note(f"{what}, unsorted", len(names) / bare_insert("bare_unsorted", workspace, names))
            changed = len(set(second) - set(first)), len(set(first) - set(second))
            if (outcome["gained"], outcome["lost"], outcome["member_count"]) != (*changed, len(set(second))):
                raise SystemExit(f"not what was in the files: {outcome}")
    rate = lambda what: statistics.median(measured[what])
    thousand = lambda value: f"{value / 1000:.0f}k/s"
    table = Table()
    for what, title in (("new", f"import of {NAMES / 1e6:g} M names, all new"), ("known", "a month later, 1 % changed")):
        target = "80k/s" if what == "new" else ""
        for order in ("sorted", "unsorted"):
            theirs = rate(f"{what}, {order}")
            table.add(title, thousand(rate(what)), f"bare insert … on conflict, {order}", thousand(theirs), f"{rate(what) / theirs:.2f}x", target)
            target = ""
    table.add("peak memory of the program (VmHWM)", f"{max(measured['memory']):.0f} MB", "the lists, unpacked", f"{unpacked / 1e6:.0f} MB")
    table.show()


main()
