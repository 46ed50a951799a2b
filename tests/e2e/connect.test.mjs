// Accounts connected at all six providers, and their tokens kept alive whatever providers, machines and operators do.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { promisify } from "node:util";
import {
  APP, OAUTH_URL, PLATFORMS, TOKEN_PATH, calls, connect, connected, fault, makeDue, providerOf, renewed, standin, tokensOf, version,
} from "./consent.mjs";
import { refused, rows, rpc, signUp, sql, until } from "./support.mjs";

const run = promisify(execFile);
const { SIDECAR_PROGRAM, SIDECAR_DATABASE_URL, STANDIN_URL, STATE, TOKEN_KEYS } = process.env;
const accounts = {};
let ada, home;

before(async () => {
  // What is looked for in the log has to be able to get there.
  await sql`alter system set log_statement = 'all'`;
  await sql`alter system set log_parameter_max_length = -1`;
  await sql`alter system set log_parameter_max_length_on_error = -1`;
  await sql`create extension if not exists pg_stat_statements`;
  await sql`alter system set pg_stat_statements.track = 'all'`;
  await sql`select pg_reload_conf()`;
  await sql`select pg_stat_statements_reset()`;
  await sql`select analytics_private.allow_redirect(${APP})`;
  await sql`select analytics_private.set_setting('job_backoff_base', '50 milliseconds')`;
  // On a stack that is left running the same people have connected before, elsewhere.
  await sql`delete from analytics_private.oauth_tokens`;
  await sql`delete from analytics_private.oauth_revocations`;
  ada = await signUp("ada");
  home = (await rpc(ada.supabase, "me")).workspaces[0].id;
  await sql`select analytics_private.set_plan(${home}, 'premium')`;
});
afterEach(() => standin("/faults", undefined, "DELETE"));
after(async () => {
  for (const name of ["log_statement", "log_parameter_max_length", "log_parameter_max_length_on_error"]) await sql`alter system reset ${sql(name)}`;
  await sql`alter system reset pg_stat_statements.track`;
  await sql`drop extension pg_stat_statements`;
  await sql`select pg_reload_conf()`;
  await sql.end();
});

// A second sidecar beside the stack's.
async function another(work, more = {}) {
  const env = { PATH: process.env.PATH, DATABASE_URL: SIDECAR_DATABASE_URL, SIDECAR_LISTEN: "127.0.0.1:0", SIDECAR_WEBHOOK_LISTEN: "127.0.0.1:0",
    SIDECAR_OAUTH_LISTEN: "127.0.0.1:0", DECODO_URL: STANDIN_URL, DECODO_USERNAME: "demo", DECODO_PASSWORD: "demo", TOKEN_KEYS,
    OAUTH_PUBLIC_URL: OAUTH_URL, OAUTH_BASE_URL: STANDIN_URL, X_CLIENT_ID: "standin-client", X_CLIENT_SECRET: "standin-secret",
    GOOGLE_CLIENT_ID: "standin-client", GOOGLE_CLIENT_SECRET: "standin-secret", ...more };
  const child = spawn(SIDECAR_PROGRAM, { env, stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.stdout.resume();
  try {
    return await work();
  } finally {
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
  }
}

const rotate = async (keys) => {
  // Ends with 1 where something cannot be opened, and tells the same.
  const { stdout } = await run(SIDECAR_PROGRAM, ["rotate-tokens"], { env: { PATH: process.env.PATH, DATABASE_URL: SIDECAR_DATABASE_URL, TOKEN_KEYS: keys } })
    .catch((error) => error);
  const [, all, anew, , unreadable] = stdout.match(/^(\d+) rows, (\d+) sealed anew, (\d+) changed meanwhile, (\d+) unreadable/);
  return { rows: Number(all), anew: Number(anew), unreadable: Number(unreadable) };
};

const notices = (account) => sql`select kind, message, remedy from analytics.notices where social_account_id = ${account} and settled_at is null`;
const reconnected = async (platform) => {
  const [account] = await connected(ada, platform);
  assert.equal(account.reconnected, true);
  return account;
};

for (const platform of PLATFORMS) {
  test(`${platform}: connected, chosen, shown`, async () => {
    const { connection_id, location, status } = await connect(ada, platform);
    assert.equal(location, `${APP}?connection_id=${connection_id}&status=choosing`);
    assert.equal(status, "choosing");
    const answer = await rpc(ada.supabase, "connection_status", { connection_id });
    assert.deepEqual([answer.status, answer.scopes_missing ?? []], ["choosing", []], JSON.stringify(answer));
    assert.ok(answer.found.length > 0);
    const [{ platform_user_id }] = answer.found.filter((found) => found.platform === platform);
    const [account] = await rpc(ada.supabase, "choose_accounts", { connection_id, platform_user_ids: [platform_user_id] });
    assert.deepEqual([account.platform, account.status, account.platform_user_id], [platform, "active", platform_user_id]);
    const [shown] = await rows(ada.supabase.from("social_connections").select("*").eq("id", account.id));
    assert.deepEqual([shown.provider, shown.provider_account_id, shown.status, shown.user_id], [platform, platform_user_id, "active", ada.id]);
    assert.ok(!Object.keys(shown).some((name) => /token/.test(name)));
    accounts[platform] = account.id;
    const tokens = await tokensOf(account.id);
    for (const token of [tokens.access_token, tokens.refresh_token].filter(Boolean)) assert.match(token, /^gAAAAA[\w-]+=*$/);
  });
}

test("connecting again is the same account, and another member of another workspace has his own", async () => {
  const again = await reconnected("x");
  assert.equal(again.id, accounts.x);
  const eve = await signUp("eve");
  const [hers] = await connected(eve, "x");
  assert.deepEqual([hers.reconnected, hers.platform_user_id], [false, again.platform_user_id]);
  assert.notEqual(hers.id, again.id);
  assert.deepEqual(await rows(eve.supabase.from("social_connections").select("id")), [{ id: hers.id }]);
  await refused(eve.supabase.rpc("disconnect_account", { account_id: again.id }), 404, "NOT_FOUND");
  // The consent of both is one person's: it goes with the last.
  assert.equal((await rpc(eve.supabase, "disconnect_account", { account_id: hers.id })).revocation, "shared");
  await renewed(accounts.x);
});

test("scopes that the member strikes out are shown as missing", async () => {
  await standin("/oauth/settings", { declined: ["https://www.googleapis.com/auth/yt-analytics.readonly"] });
  const { connection_id } = await connect(ada, "youtube");
  const answer = await rpc(ada.supabase, "connection_status", { connection_id });
  assert.deepEqual(answer.scopes_missing, ["https://www.googleapis.com/auth/yt-analytics.readonly"]);
  await standin("/oauth/settings", { declined: [] });
});

test("an account that a consent names and does not open is shown with the reason, and cannot be chosen", async () => {
  await standin("/oauth/settings", { declined: ["instagram_manage_insights"] });
  const { connection_id } = await connect(ada, "facebook");
  const { found, scopes_missing } = await rpc(ada.supabase, "connection_status", { connection_id });
  assert.deepEqual(scopes_missing, ["instagram_manage_insights"]);
  assert.deepEqual(found.map(({ platform, choosable }) => [platform, choosable]), [["facebook", true], ["facebook", true], ["instagram", false]]);
  assert.match(found[2].reason, /instagram_manage_insights not given/);
  const chosen = { connection_id, platform_user_ids: [found[2].platform_user_id] };
  await refused(ada.supabase.rpc("choose_accounts", chosen), 400, "VALIDATION_ERROR");
  await standin("/oauth/settings", { declined: [] });
});

test("a consent that opens nothing says so", async () => {
  await standin("/oauth/settings", { user: "nobody" });
  const { connection_id, status } = await connect(ada, "facebook");
  assert.equal(status, "failed");
  const answer = await rpc(ada.supabase, "connection_status", { connection_id });
  assert.deepEqual([answer.error_code, answer.error_message], ["NOT_FOUND", "the consent opens no account that can be connected"]);
  await standin("/oauth/settings", { user: "mira" });
});

for (const platform of ["tiktok", "linkedin", "x", "youtube"]) {
  test(`${platform}: a due token is renewed, once`, async () => {
    const provider = providerOf(platform);
    const before = await calls(provider, TOKEN_PATH[provider]);
    const { access_token } = await tokensOf(accounts[platform]);
    await renewed(accounts[platform]);
    const after = await tokensOf(accounts[platform]);
    assert.notEqual(after.access_token, access_token);
    assert.ok(after.refresh_at > new Date() && after.expires_at > after.refresh_at);
    assert.equal((await calls(provider, TOKEN_PATH[provider])) - before, 1);
  });
}

test("two sidecars at once make one call", () => another(async () => {
  for (let round = 0; round < 5; round++) {
    const before = await calls("x", TOKEN_PATH.x);
    await fault({ target: "x", query: TOKEN_PATH.x, fault: "slow", delay_ms: 1500, times: 1 });
    await renewed(accounts.x);
    assert.equal((await calls("x", TOKEN_PATH.x)) - before, 1);
  }
  assert.equal((await tokensOf(accounts.x)).status, "active");
}));

test("blips, broken and empty answers change nothing but the time it takes", async () => {
  for (const name of ["http_503", "empty_content", "not_json", "cut_body"]) {
    const before = await tokensOf(accounts.youtube);
    const asked = await calls("google", TOKEN_PATH.google);
    await fault({ target: "google", query: TOKEN_PATH.google, fault: name, times: 1 });
    await makeDue(accounts.youtube);
    const later = await until(() => tokensOf(accounts.youtube), ({ version }) => version > before.version);
    assert.deepEqual([later.status, Number(later.version) - Number(before.version)], ["active", 1], name);
    assert.equal((await calls("google", TOKEN_PATH.google)) - asked, 2, name);
    // Google's does not rotate: an answer without one, or of nothing, has not overwritten it.
    assert.ok(later.refresh_token, name);
  }
  assert.deepEqual([...(await notices(accounts.youtube))], []);
});

test("an app that the provider refuses disconnects nobody", async () => {
  await standin("/oauth/settings", { client_secret: "rotated-by-the-operator" });
  const before = await version(accounts.linkedin);
  await makeDue(accounts.linkedin);
  const failed = await until(() => tokensOf(accounts.linkedin), ({ failures }) => failures > 0);
  assert.equal(failed.status, "active");
  assert.deepEqual([...(await notices(accounts.linkedin))], []);
  await standin("/oauth/settings", { client_secret: "standin-secret" });
  await makeDue(accounts.linkedin);
  await until(() => version(accounts.linkedin), (now) => now > before);
});

test("a final error asks for a new connection, once, and that heals it", async () => {
  await fault({ target: "google", query: TOKEN_PATH.google, fault: "provider_error", error: "invalid_grant", times: 1 });
  await makeDue(accounts.youtube);
  await until(() => tokensOf(accounts.youtube), ({ status }) => status === "reconnect_required");
  const [shown] = await rows(ada.supabase.from("social_connections").select("status, status_reason, status_remedy").eq("id", accounts.youtube));
  assert.deepEqual(shown, { status: "reconnect_required", status_reason: "access was revoked or has expired", status_remedy: "connect the account again; its history stays" });
  assert.equal((await rows(ada.supabase.from("notices").select("kind").eq("social_account_id", accounts.youtube).is("settled_at", null))).length, 1);
  const before = await calls("google", TOKEN_PATH.google);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal(await calls("google", TOKEN_PATH.google), before, "nobody asks again");
  await reconnected("youtube");
  assert.equal((await tokensOf(accounts.youtube)).status, "active");
  assert.deepEqual([...(await notices(accounts.youtube))], []);
});

// The stand-in's slow answers have had their effect: X's refresh token is spent when the sidecar dies.
for (const [platform, provider, recovers] of [["youtube", "google", true], ["x", "x", false]]) {
  test(`${platform}: killed between the answer and its storage, ${recovers ? "it is recovered" : "it is reported"}`, { skip: !STATE }, async () => {
    const before = { version: await version(accounts[platform]), calls: await calls(provider, TOKEN_PATH[provider]) };
    await fault({ target: provider, query: TOKEN_PATH[provider], fault: "slow", delay_ms: 20_000, times: 1 });
    await makeDue(accounts[platform]);
    await until(() => calls(provider, TOKEN_PATH[provider]), (now) => now > before.calls);
    const [pid] = (await readFile(`${STATE}/run/sidecar.pid`, "utf8")).split(" ");
    process.kill(Number(pid), "SIGKILL");
    await run("scripts/stack.sh", ["sidecar", STATE]);
    // The claim of the dead ends by itself; here it is not waited for.
    await sql`update analytics_private.oauth_tokens set claimed_until = clock_timestamp() where social_account_id = ${accounts[platform]}`;
    if (recovers) {
      await until(() => version(accounts[platform]), (now) => now > before.version);
      assert.equal((await tokensOf(accounts[platform])).status, "active");
      return;
    }
    await until(() => tokensOf(accounts[platform]), ({ status }) => status === "reconnect_required");
    const [notice, ...more] = await notices(accounts[platform]);
    assert.equal(more.length, 0);
    assert.match(notice.message, /the answer of X to a renewal was lost in a crash, and X gives each only once/);
    await reconnected(platform);
    await renewed(accounts[platform]);
  });
}

test("told to stop during a refresh, a sidecar stores the answer first", { skip: !STATE }, async () => {
  const before = { version: await version(accounts.x), calls: await calls("x", TOKEN_PATH.x) };
  await fault({ target: "x", query: TOKEN_PATH.x, fault: "slow", delay_ms: 3000, times: 1 });
  await makeDue(accounts.x);
  await until(() => calls("x", TOKEN_PATH.x), (now) => now > before.calls);
  const [pid] = (await readFile(`${STATE}/run/sidecar.pid`, "utf8")).split(" ");
  process.kill(Number(pid), "SIGTERM");
  const after = await until(() => tokensOf(accounts.x), ({ version }) => Number(version) > Number(before.version), { seconds: 10 });
  assert.deepEqual([after.status, after.calling_since, after.claim], ["active", null, null]);
  assert.equal((await calls("x", TOKEN_PATH.x)) - before.calls, 1);
  await until(() => readFile(`/proc/${pid}/stat`, "utf8").then((stat) => / Z /.test(stat), () => true), Boolean);
  await run("scripts/stack.sh", ["sidecar", STATE]);
});

test("a sidecar that serves another address than the database sends browsers to is not ready, and says why", async () => {
  const port = await new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
  await another(async () => {
    const ready = () => fetch(`http://127.0.0.1:${port}/readyz`).then((answer) => answer.json());
    const { reasons } = await until(ready, ({ reasons }) => reasons.some((reason) => reason.startsWith("oauth:")));
    assert.match(reasons.join(), /the database sends browsers to http:\/\/\S+ \(setting oauth_public_url\), and OAUTH_PUBLIC_URL is http:\/\/127\.0\.0\.1:9/);
  }, { OAUTH_PUBLIC_URL: "http://127.0.0.1:9", SIDECAR_LISTEN: `127.0.0.1:${port}` });
});

test("keys are rotated beside everything else, and a key that is not there disconnects nobody", async () => {
  const key = `${randomBytes(32).toString("base64url")}=`;
  const stored = async () => Number((await sql`select count(*) from analytics_private.oauth_tokens`)[0].count);
  const first = await rotate(`${key},${TOKEN_KEYS}`);
  assert.deepEqual(first, { rows: await stored(), anew: await stored(), unreadable: 0 });
  assert.equal((await rotate(`${key},${TOKEN_KEYS}`)).anew, 0, "once");
  // The stack's sidecar has the old key only, as if an operator had forgotten to give it the new one.
  await makeDue(accounts.tiktok);
  const failed = await until(() => tokensOf(accounts.tiktok), ({ failures }) => failures > 0);
  assert.equal(failed.status, "active");
  assert.equal((await rotate(key)).anew, 0);
  assert.equal((await rotate(`${TOKEN_KEYS},${key}`)).anew, await stored());
  await renewed(accounts.tiktok);
});

test("a ciphertext that was moved to another row opens nothing", async () => {
  const [x, tiktok] = [await tokensOf(accounts.x), await tokensOf(accounts.tiktok)];
  const put = (account, { access_token, refresh_token }) =>
    sql`update analytics_private.oauth_tokens set access_token = ${access_token}, refresh_token = ${refresh_token}, refresh_at = clock_timestamp() where social_account_id = ${account}`;
  for (const moved of [tiktok, { access_token: x.refresh_token, refresh_token: x.access_token }]) {
    const before = await calls("x", TOKEN_PATH.x);
    await sql`update analytics_private.oauth_tokens set failures = 0 where social_account_id = ${accounts.x}`;
    await put(accounts.x, moved);
    const failed = await until(() => tokensOf(accounts.x), ({ failures }) => failures > 0);
    assert.deepEqual([failed.status, failed.last_error], ["active", "it was sealed for another place"]);
    assert.equal(await calls("x", TOKEN_PATH.x), before, "and nothing was sent");
    assert.notEqual((await rotate(TOKEN_KEYS)).unreadable, 0);
  }
  const before = await version(accounts.x);
  await put(accounts.x, x);
  await until(() => version(accounts.x), (now) => now > before);
});

test("disconnecting ends the access here at once and at the provider soon; the history stays", async () => {
  for (const platform of ["tiktok", "linkedin", "x", "facebook"]) {
    const provider = providerOf(platform);
    const { revocation } = await rpc(ada.supabase, "disconnect_account", { account_id: accounts[platform] });
    assert.equal(revocation, "queued", platform);
    assert.equal(await tokensOf(accounts[platform]), undefined);
    await until(() => sql`select 1 from analytics_private.oauth_revocations where provider = ${provider}`, ({ length }) => length === 0);
    const [{ outcome }] = await sql`select metadata->>'outcome' as outcome from analytics.audit_logs
      where action = 'connection.revoked' and entity_id = ${accounts[platform]} order by "timestamp" desc limit 1`;
    assert.equal(outcome, "revoked", platform);
    const [shown] = await rows(ada.supabase.from("social_connections").select("status, expires_at").eq("id", accounts[platform]));
    assert.deepEqual(shown, { status: "disconnected", expires_at: null });
  }
});

test("meta's tokens are renewed as they are", async () => {
  // Instagram refuses to renew a token within its first day.
  await standin("/oauth/clock", { advance_seconds: 25 * 3600 });
  await renewed(accounts.instagram);
  assert.equal((await tokensOf(accounts.instagram)).status, "active");
});

test("no token is found in a dump, the WAL, the logs or the statistics", { skip: !STATE }, async () => {
  // The stand-in's tokens and codes all have this in them; that they went through is known from the tests above.
  const canary = /standin\.[a-z_]+\.\d{8}/;
  const clean = (what, text) => assert.equal(text.match(canary)?.[0], undefined, `found in ${what}`);
  const programs = join(STATE, "server/usr/lib/postgresql/15/bin");
  const { stdout: dump } = await run(join(programs, "pg_dump"), ["--inserts", process.env.DB_URL], { maxBuffer: 1 << 30 });
  assert.match(dump, /INSERT INTO analytics_private\.oauth_tokens/);
  clean("the dump", dump);
  await sql`select pg_switch_wal()`;
  const wal = join(STATE, "data/pg_wal");
  let read = 0;
  for (const name of await readdir(wal)) {
    if (!/^[0-9A-F]{24}$/.test(name)) continue;
    const bytes = await readFile(join(wal, name), "latin1");
    read += bytes.includes("gAAAAA") ? 1 : 0;
    clean(`the WAL, ${name}`, bytes);
  }
  assert.ok(read > 0, "ciphertexts are in the WAL, so a token would be");
  for (const name of ["postgresql.log", "sidecar.log"]) {
    const text = await readFile(join(STATE, "log", name), "latin1");
    if (name === "postgresql.log") assert.match(text, /sidecar_store_refreshed/, "statements are logged, with their parameters");
    clean(name, text);
    assert.doesNotMatch(text, /[?&](code|state|ticket)=[\w-]{20}/, `an address with a secret in ${name}`);
  }
  const [{ text: statements }] = await sql`select string_agg(query, ' ') as text from pg_stat_statements`;
  assert.match(statements, /sidecar_store_refreshed[^]*update analytics_private\.oauth_tokens|update analytics_private\.oauth_tokens[^]*sidecar_store_refreshed/, "those inside functions too");
  clean("pg_stat_statements", statements);
  clean("the metrics", await (await fetch(`${process.env.SIDECAR_URL}/metrics`)).text());
  const everything = await sql`select string_agg(l::text, ' ') as text from analytics.audit_logs l`;
  clean("the audit trail", everything[0].text);
});
