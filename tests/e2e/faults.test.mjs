// What the platform and the machine may do to us. Each test has a profile of its own.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { STANDIN_URL, forget, inject, rpc, signUp, sql, unlock, unlocked, until } from "./support.mjs";

const run = promisify(execFile);
let ada;
before(async () => {
  ada = await signUp("ada");
  // The waits between attempts, not their number: two seconds and more would only make the tests long.
  await sql`select analytics_private.set_setting('job_backoff_base', '50 milliseconds')`;
});
after(() => sql.end());

const requestsFor = async (username) => {
  const { requests } = await (await fetch(`${STANDIN_URL}/requests`)).json();
  return requests.filter(({ query }) => query === username).reduce((sum, { count }) => sum + count, 0);
};

const jobsOf = (username) => sql`select kind, state, attempt, error_code from analytics_private.jobs where key = ${username} order by id`;

test("an answer that gave up (613) is asked for again until it comes", async () => {
  await forget("tomas.example");
  const before = await requestsFor("tomas.example");
  await inject({ query: "tomas.example", fault: "status_613", times: 2 });
  await unlocked(ada.supabase, "tomas.example");
  assert.equal((await requestsFor("tomas.example")) - before, 3);
  assert.deepEqual((await jobsOf("tomas.example"))[0].state, "done");
});

test("an answer cut in half, no JSON and a full server change nothing but the time it takes", async () => {
  await forget("hiroko.example");
  for (const fault of ["cut_body", "not_json", "http_503"]) await inject({ query: "hiroko.example", fault, times: 1 });
  await unlocked(ada.supabase, "hiroko.example");
  const [{ n }] = await sql`select count(*)::int as n from analytics.profile_posts x join analytics.profiles p on p.id = x.profile_id
                            where p.username = 'hiroko.example'`;
  assert.equal(n, 12);
});

test("a sidecar killed in the middle of a job loses nothing, and the next one stores it once", { skip: !process.env.STATE }, async () => {
  await forget("nour.threads.example");
  const before = await requestsFor("nour.threads.example");
  await inject({ query: "nour.threads.example", fault: "slow", delay_ms: 60_000, times: 1 });
  assert.equal((await rpc(ada.supabase, "unlock_profile", { username: "nour.threads.example" })).state, "pending");
  // A job runs before its request has gone out; killed in between, the fault would meet the second attempt.
  await until(() => requestsFor("nour.threads.example"), (requests) => requests > before);
  assert.equal((await jobsOf("nour.threads.example"))[0].state, "running");

  const [pid] = (await readFile(`${process.env.STATE}/run/sidecar.pid`, "utf8")).split(" ");
  process.kill(Number(pid), "SIGKILL");
  assert.equal((await rpc(ada.supabase, "unlock_profile", { username: "nour.threads.example" })).state, "pending");
  await run("scripts/stack.sh", ["sidecar", process.env.STATE]);

  await unlocked(ada.supabase, "nour.threads.example");
  const [job] = await jobsOf("nour.threads.example");
  assert.deepEqual([job.state, job.attempt], ["done", 2]);
  const [stored] = await sql`
    select (select count(*)::int from analytics.profiles where username = 'nour.threads.example') as profiles,
           (select count(*)::int from analytics_private.raw_payloads r join analytics.profiles p on p.id = r.profile_id
            where p.username = 'nour.threads.example' and r.kind = 'profile') as payloads`;
  assert.deepEqual({ ...stored }, { profiles: 1, payloads: 1 });
});

test("a failure that lasts ends in a reason for the user and a job for the operator", async () => {
  await forget("gone.example");
  await inject({ query: "gone.example", fault: "status_613" });
  const answer = await unlock(ada.supabase, "gone.example");
  assert.deepEqual([answer.state, answer.reason.code, answer.window], ["failed", "EXTERNAL_API_ERROR", null]);
  const [job] = await jobsOf("gone.example");
  assert.deepEqual([job.state, job.error_code], ["dead", "EXTERNAL_API_ERROR"]);
  await fetch(`${STANDIN_URL}/faults`, { method: "DELETE" });
});
