// Instagram's data exports, from the files to what the owner of the account reads.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { rows, rpc, signUp, sql, until } from "./support.mjs";

const { SIDECAR_PROGRAM, SIDECAR_DATABASE_URL } = process.env;
const samples = fileURLToPath(new URL("../samples/instagram_export", import.meta.url));
const MAY = [join(samples, "2026-05-03"), "--captured-at", "2026-05-03T09:12:00Z"];
const JUNE = [join(samples, "2026-06-03"), "--captured-at", "2026-06-03T08:47:00Z"];

const ada = await signUp("ada");
const eve = await signUp("eve");
const folder = await mkdtemp(join(tmpdir(), "exports-"));
after(async () => {
  await rm(folder, { recursive: true });
  await sql.end();
});

const environment = (url = SIDECAR_DATABASE_URL) => ({ PATH: process.env.PATH, DATABASE_URL: url });

// Status, standard output and error of an import.
function importing(account, parameters, url) {
  return new Promise((resolve) => {
    const all = ["import", "instagram-export", "--account", account, ...parameters];
    execFile(SIDECAR_PROGRAM, all, { env: environment(url), maxBuffer: 1 << 24 }, (error, stdout, stderr) =>
      resolve({ status: error ? error.code : 0, stdout, stderr }));
  });
}

async function imported(account, parameters) {
  const { status, stdout, stderr } = await importing(account, [...parameters, "--json"]);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

const changes = ({ lists }) => Object.fromEntries(lists.map(({ relation, outcome }) => [relation, [outcome.gained, outcome.lost, outcome.member_count]]));

let numbered = 0;
const newAccount = async (handle = `a${process.pid}_${++numbered}`) =>
  (await rpc(ada.supabase, "add_account", { platform: "instagram", handle })).id;

// Removed again, so that tests do not use up the places of the plan.
async function withAccount(work, handle) {
  const id = await newAccount(handle);
  try {
    return await work(id);
  } finally {
    await rpc(ada.supabase, "remove_account", { account_id: id });
  }
}

// Everything that an import of this account may write.
const written = async (id) => {
  const [found] = await sql`
    select (select count(*)::int from analytics.follower_snapshots where social_account_id = ${id}) as lists,
      (select count(*)::int from analytics_private.follower_imports where social_account_id = ${id}) as imports,
      (select count(*)::int from analytics_private.account_documents where social_account_id = ${id}) as documents`;
  return found;
};
const NOTHING = { lists: 0, imports: 0, documents: 0 };

async function exportOf(name, followers, more = {}) {
  const path = join(folder, name);
  const entry = (value) => ({ title: "", media_list_data: [], string_list_data: [{ value, timestamp: 1700000000 }] });
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "followers_1.json"), JSON.stringify(followers.map(entry)));
  for (const [file, text] of Object.entries(more)) await writeFile(join(path, file), text);
  return path;
}

test("two exports a month apart show who came and who went, in both forms of the files", () =>
  withAccount(async (id) => {
    const first = await imported(id, MAY);
    assert.deepEqual(changes(first), { followers: [0, 0, 48], following: [0, 0, 31] });
    const second = await imported(id, JUNE);
    assert.deepEqual(changes(second), { followers: [9, 4, 53], following: [2, 3, 30] });
    assert.equal(new Date(second.lists[0].outcome.since).toISOString(), "2026-05-03T09:12:00.000Z");
    assert.deepEqual(second.recently_unfollowed, { accounts: 3, followed_again: 0 });
    assert.deepEqual(second.documents.map(({ name, is_new }) => [name, is_new]).sort(), [["audience_insights.json", true], ["profiles_reached.json", true]]);

    const stored = await rows(ada.supabase.from("follower_snapshots").select("relation,source,gained_count,lost_count,is_complete")
      .eq("social_account_id", id).order("captured_at").order("relation"));
    assert.deepEqual(stored.map(({ relation, gained_count, lost_count }) => [relation, gained_count, lost_count]),
      [["followers", 0, 0], ["following", 0, 0], ["followers", 9, 4], ["following", 2, 3]]);
    assert.ok(stored.every(({ source, is_complete }) => source === "instagram_export" && is_complete));
    assert.deepEqual(await rows(eve.supabase.from("follower_snapshots").select("relation").eq("social_account_id", id)), []);

    const [{ names }] = await sql`
      select array_agg(u.handle::text order by u.handle) as names from analytics.follower_snapshots s
      cross join lateral analytics.members(s.lost::analytics.follower_set) m
      join analytics.platform_users u on u.workspace_id = s.workspace_id and u.platform = 'instagram' and u.number = m
      where s.social_account_id = ${id} and s.relation = 'followers' and s.lost is not null`;
    assert.deepEqual(names, ["dorian.example", "tilda.example", "una.example", "zelda.example"]);
  }));

test("the summary is told in words", () =>
  withAccount(async (id) => {
    await imported(id, MAY);
    const { stdout } = await importing(id, JUNE);
    assert.match(stdout, /^followers +\+9 −4 since 3 May 2026; 53 now$/m);
    assert.match(stdout, /^ +53 names in followers_1.json to followers_2.json; complete$/m);
    assert.match(stdout, /^unfollowed +3 confirmed by the export$/m);
  }));

test("a dry run shows the same and writes nothing", () =>
  withAccount(async (id) => {
    const dry = await imported(id, [...JUNE, "--dry-run"]);
    assert.deepEqual(await written(id), NOTHING);
    const real = await imported(id, JUNE);
    assert.equal(dry.dry_run, true);
    assert.deepEqual(changes(dry), changes(real));
    assert.deepEqual(await written(id), { lists: 2, imports: 2, documents: 2 });
  }));

test("the same export again changes nothing", () =>
  withAccount(async (id) => {
    await imported(id, MAY);
    const again = await imported(id, MAY);
    assert.deepEqual(again.lists.map(({ outcome }) => outcome.is_new), [false, false]);
    assert.equal((await written(id)).lists, 2);
  }));

test("a list may be empty", () =>
  withAccount(async (id) => {
    const empty = await imported(id, [await exportOf("empty", []), "--captured-at", "2026-01-01"]);
    assert.deepEqual(changes(empty), { followers: [0, 0, 0] });
    const one = await imported(id, [await exportOf("one", ["a"]), "--captured-at", "2026-02-01"]);
    assert.deepEqual(changes(one), { followers: [1, 0, 1] });
  }));

test("an older export is history, whoever came back is told", () =>
  withAccount(async (id) => {
    const named = (...names) => names.map((name) => `${name}.example`);
    await imported(id, [await exportOf("one", named("a", "b", "c")), "--captured-at", "2026-01-01"]);
    await imported(id, [await exportOf("two", named("a")), "--captured-at", "2026-02-01"]);
    const { stdout } = await importing(id, [await exportOf("three", named("a", "b", "d")), "--captured-at", "2026-03-01"]);
    assert.match(stdout, /\+2 −0 since 1 February 2026, 1 came back; 3 now/);
    const late = await imported(id, [await exportOf("late", named("a", "e")), "--captured-at", "2026-01-15"]);
    assert.equal(late.lists[0].outcome.in_chain, false);
  }));

test("nobody is called an unfollower for missing in an incomplete list", () =>
  withAccount(async (id) => {
    await imported(id, [await exportOf("whole", ["a", "b", "c"]), "--captured-at", "2026-01-01"]);
    const part = await imported(id, [await exportOf("part", ["a"]), "--captured-at", "2026-02-01", "--incomplete"]);
    assert.deepEqual([part.lists[0].outcome.lost, part.lists[0].outcome.not_seen], [0, 2]);
    const gap = await exportOf("gap", ["a"]);
    await writeFile(join(gap, "followers_3.json"), "[]");
    const { stdout } = await importing(id, [gap, "--captured-at", "2026-02-02"]);
    assert.match(stdout, /followers_2.json is missing, not complete/);
  }));

test("what is refused is refused before anything is written", () =>
  withAccount(async (id) => {
    const good = await exportOf("good", ["a"]);
    const wrong = await exportOf("wrong", ["a"], { "following.json": '{"relationships_following": [\n{]}' });
    const refusals = [
      [[wrong], 3, /following.json: key must be a string at line 2 column 2\nhint: /],
      [[join(samples, "..")], 3, /of two exports|two exports in one/],
      [[join(folder, "nowhere")], 3, /No such file/],
      [[good, "--captured-at", "2020-01-01"], 3, /followed on 2023-11-14/],
      [[good, "--captured-at", "2126-01-01"], 3, /has not come yet/],
      [[good, "--captured-at", "yesterday"], 2, /not a time/],
      [[good, "--complete", "--incomplete"], 2, /cannot be used with/],
    ];
    for (const [parameters, status, told] of refusals) {
      const answer = await importing(id, parameters);
      assert.equal(answer.status, status, answer.stderr);
      assert.match(answer.stderr, told);
      assert.equal(answer.stdout, "");
    }
    for (const account of ["nobody.example", "tiktok:nobody", "00000000-0000-7000-8000-000000000000"]) {
      const answer = await importing(account, [good]);
      assert.deepEqual([answer.status, /no workspace has the account/.test(answer.stderr)], [4, true], answer.stderr);
    }
    assert.deepEqual(await written(id), NOTHING);
  }));

test("a list that half of the followers are missing from is not taken without a word", () =>
  withAccount(async (id) => {
    const names = Array.from({ length: 40 }, (_, i) => `n${i}`);
    await imported(id, [await exportOf("forty", names), "--captured-at", "2026-01-01"]);
    const few = [await exportOf("ten", names.slice(0, 10)), "--captured-at", "2026-02-01"];
    const { status, stderr } = await importing(id, few);
    assert.equal(status, 3);
    assert.match(stderr, /30 of 40 known followers are not in this list\nhint: .*--incomplete.*--complete/s);
    assert.deepEqual(await written(id), { lists: 1, imports: 1, documents: 0 });
    assert.equal((await imported(id, [...few, "--complete"])).lists[0].outcome.lost, 30);
  }));

test("an archive named for another account is not taken", () =>
  withAccount(async (id) => {
    const { status, stderr } = await importing(id, [await exportOf("instagram-other.example-2026-06-10-AbC123", ["a"])]);
    assert.deepEqual([status, /is named for other.example/.test(stderr)], [3, true], stderr);
  }));

test("a statement timeout and a lost connection leave nothing behind", () =>
  withAccount(async (id) => {
    const many = await exportOf("many", Array.from({ length: 60_000 }, (_, i) => `${(i * 7919) % 60_013}.example`));
    const slow = await importing(id, [many], `${SIDECAR_DATABASE_URL}?options[statement_timeout]=20`);
    assert.equal(slow.status, 5, slow.stderr);
    assert.match(slow.stderr, /stopped a statement: .*\nhint: nothing was written: raise statement_timeout/);

    const child = spawn(SIDECAR_PROGRAM, ["import", "instagram-export", many, "--account", id, "--page-size", "1000"], { env: environment() });
    let told = "";
    child.stderr.on("data", (text) => (told += text));
    const ended = new Promise((resolve) => child.on("exit", resolve));
    await until(() => sql`
      select count(pg_terminate_backend(pid))::int as cut from pg_stat_activity
      where application_name = 'analytics-sidecar import' and query like '%sidecar_add_page%'`, ([{ cut }]) => cut > 0 || child.exitCode !== null);
    assert.equal(await ended, 5, told);
    assert.match(told, /hint: nothing was written: import again/);
    assert.deepEqual(await written(id), NOTHING);
    assert.equal((await imported(id, [many])).lists[0].outcome.member_count, 60_000);
  }));
