// What platforms tell by themselves: checked, stored once, answered at once, and acted upon.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connect as dial } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { APP, connect, standin } from "./consent.mjs";
import { rows, rpc, signUp, sql, until } from "./support.mjs";

const BASE = process.env.WEBHOOK_URL.replace("/stripe", "");
const VERIFY_TOKEN = "standin-verify-token";
let mira, twin, stranger;
const accounts = {};

const order = async (platform, bodies, more = {}) => {
  const { path = platform, ...rest } = more;
  return (await standin("/webhooks/send", { platform, to: `${BASE}/${path}`, bodies: [bodies].flat(), ...rest })).answers;
};
const send = async (platform, bodies, more) => (await order(platform, bodies, more)).map(({ status }) => status);
const signed = (platform, path, request) => order(platform, [], { path: `${platform}/${path}`, signed_request: request });

const now = () => Math.floor(Date.now() / 1000);
const comment = (account, id = randomUUID(), more = {}) => ({
  object: "instagram",
  entry: [{ id: account.platform_user_id, time: now(), changes: [{ field: "comments", value: { id, text: "hello", media: { id: "18000000000000001" }, ...more } }] }],
});
const removed = (account, time = now(), reason = 1) => ({
  client_key: "standin-client", event: "authorization.removed", create_time: time, user_openid: account.platform_user_id, content: JSON.stringify({ reason }),
});
// Of connected accounts: an attack with one of these would store an event if it came through.
const bodiesOf = (id = randomUUID()) => ({
  linkedin: { type: "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", notifications: [
    { notificationId: id, organizationalEntity: `urn:li:organization:${accounts.linkedin.platform_user_id}`, action: "COMMENT", lastModifiedAt: Date.now() }] },
  youtube: `<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><entry><yt:videoId>${id}</yt:videoId>
    <yt:channelId>${accounts.youtube.platform_user_id}</yt:channelId><title>One &amp; two</title><updated>${new Date().toISOString()}</updated></entry></feed>`,
});
const events = (account, type) =>
  sql`select type, payload, occurred_at from analytics.events where social_account_id = ${account.id} and type = coalesce(${type ?? null}, type) order by received_at, id`;
const status = async (account) => (await sql`select status, status_reason from analytics.social_accounts where id = ${account.id}`)[0];
const schedule = async (account, kind) =>
  (await sql`select * from analytics_private.account_schedules where social_account_id = ${account.id} and kind = ${kind}`)[0];

async function connectAs(member, platform, chosen = [platform]) {
  const { connection_id } = await connect(member, platform);
  const { found } = await rpc(member.supabase, "connection_status", { connection_id });
  const ids = found.filter((one) => chosen.includes(one.platform)).map(({ platform_user_id }) => platform_user_id);
  return rpc(member.supabase, "choose_accounts", { connection_id, platform_user_ids: ids });
}
async function member(name) {
  const made = await signUp(name);
  const home = (await rpc(made.supabase, "me")).workspaces[0].id;
  await sql`select analytics_private.set_plan(${home}, 'premium')`;
  return made;
}

before(async () => {
  await standin("/oauth", undefined, "DELETE");
  await sql`select analytics_private.allow_redirect(${APP})`;
  await sql`select analytics_private.set_setting('job_backoff_base', '50 milliseconds')`;
  await sql`select analytics_private.set_setting('event_merge_time', '0 seconds')`;
  await sql`delete from analytics_private.oauth_tokens`;
  await sql`delete from analytics_private.oauth_revocations`;
  [mira, twin, stranger] = [await member("mira"), await member("twin"), await member("stranger")];
  for (const platform of ["instagram", "tiktok", "x", "linkedin", "youtube"]) {
    // At LinkedIn the person and her organisations; only these have events.
    accounts[platform] = (await connectAs(mira, platform)).find(({ account_type }) => platform !== "linkedin" || account_type === "organization");
  }
});
beforeEach(() => standin("/oauth/settings", { user: "mira", usage: 12 }));
after(() => sql.end());

test("each platform's challenge is answered, and no other", async () => {
  const get = async (path) => {
    const answer = await fetch(`${BASE}/${path}`);
    return [answer.status, await answer.text()];
  };
  const hub = `hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=${VERIFY_TOKEN}`;
  for (const platform of ["instagram", "facebook", "youtube"]) assert.deepEqual(await get(`${platform}?${hub}`), [200, "1158201444"]);
  assert.deepEqual(await get(`instagram?${hub}x`), [403, ""]);
  const [, answer] = await get("x?crc_token=challenge_example");
  assert.match(JSON.parse(answer).response_token, /^sha256=[A-Za-z0-9+/]{43}=$/);
  const code = randomUUID();
  assert.equal(JSON.parse((await get(`linkedin?challengeCode=${code}`))[1]).challengeCode, code);
  // X signs a challenge as it signs a delivery: whoever asks must not get a signature to deliver with.
  assert.equal((await get(`x?crc_token=${encodeURIComponent('{"user_event":{"revoke":{}}}')}`))[0], 403);
  assert.equal((await get(`linkedin?challengeCode=${encodeURIComponent('hmacsha256={"type":"x"}')}`))[0], 403);
  assert.equal((await get("tiktok"))[0], 405);
  assert.equal((await get("myspace"))[0], 404);
});

test("an event delivered ten times at once is one row, and its members read it", async () => {
  const body = comment(accounts.instagram, "17900000000000000009", { text: "one \u0000 two", big: 1 });
  // A number that no JavaScript holds.
  const text = JSON.stringify(body).replace('"big":1', '"big":1234567890123456789');
  assert.deepEqual(new Set(await send("instagram", text, { times: 10, at_once: true })), new Set([200]));
  assert.deepEqual(await send("instagram", text), [200]);
  const [event, ...more] = await rows(mira.supabase.from("events").select("*").eq("social_account_id", accounts.instagram.id));
  assert.deepEqual([event.platform, event.type, more.length], ["instagram", "comments", 0]);
  assert.equal(event.payload.value.text, "one \ufffd two");
  assert.equal((await sql`select payload #>> '{value,big}' as big from analytics.events where id = ${event.id}`)[0].big, "1234567890123456789");
  assert.deepEqual(await rows(stranger.supabase.from("events").select("id")), []);
});

test("a batch is an event for each change, in each workspace that has connected the account", async () => {
  const [same] = await connectAs(twin, "instagram");
  const change = (field, n) => ({ field, value: { id: `batch-${n}` } });
  const entry = [
    { id: same.platform_user_id, time: now(), changes: [change("live_comments", 1), change("new_kind", 2), change("live_comments", 1)] },
    { id: "17841499999999999", time: now(), changes: [change("comments", 3)] },
  ];
  assert.deepEqual(await send("instagram", { object: "instagram", entry }), [200]);
  for (const account of [accounts.instagram, same]) {
    assert.deepEqual((await events(account)).map(({ type }) => type).filter((type) => type !== "comments").sort(), ["live_comments", "new_kind"]);
  }
  const metrics = await (await fetch(`${process.env.SIDECAR_URL}/metrics`)).text();
  assert.match(metrics, /analytics_sidecar_platform_events_total\{platform="instagram",outcome="unconnected"\} [1-9]/);
});

test("the other platforms' events come in, and numbers of nineteen digits stay what they are", async () => {
  const { linkedin, youtube } = bodiesOf();
  const x = `{"for_user_id":"${accounts.x.platform_user_id}","tweet_create_events":[{"id":1234567890123456789,"id_str":"1234567890123456789","timestamp_ms":"${Date.now()}","text":"hi"}]}`;
  assert.deepEqual([...(await send("x", x)), ...(await send("linkedin", linkedin)), ...(await send("youtube", youtube))], [200, 200, 200]);
  assert.equal((await sql`select payload ->> 'id' as id from analytics.events where social_account_id = ${accounts.x.id}`)[0].id, "1234567890123456789");
  assert.deepEqual((await events(accounts.linkedin)).map(({ type }) => type), ["COMMENT"]);
  assert.deepEqual((await events(accounts.youtube)).map(({ type, payload }) => [type, payload.title]), [["video", "One & two"]]);
});

test("a comment makes the pull of posts due, and the next one waits its turn", async () => {
  const account = accounts.instagram;
  // What is due is looked at while nobody pulls.
  await sql`insert into analytics_private.provider_limits (provider, paused_until) values ('instagram', now() + interval '1 hour')
            on conflict (provider) do update set paused_until = excluded.paused_until`;
  // A sidecar that began to take pulls before the pause is waited for.
  await sql.begin((tx) => tx`lock table analytics_private.account_schedules in exclusive mode`);
  await until(() => schedule(account, "posts"), ({ claim }) => !claim);
  const pulledBefore = (time) => sql`update analytics_private.account_schedules set next_at = now() + interval '1 hour', succeeded_at = now() - ${time}::interval, failures = 0
    where social_account_id = ${account.id} and kind = 'posts'`;
  await pulledBefore("1 hour");
  assert.deepEqual(await send("instagram", comment(account)), [200]);
  await until(() => schedule(account, "posts"), ({ next_at }) => next_at <= Date.now());
  await pulledBefore("0");
  assert.deepEqual(await send("instagram", [comment(account), comment(account), comment(account)]), [200, 200, 200]);
  const { next_at, succeeded_at } = await until(() => schedule(account, "posts"), (one) => one.next_at - Date.now() < 3_000_000);
  assert.equal(next_at - succeeded_at, 300_000, "five minutes after the last");
  await sql`delete from analytics_private.provider_limits`;
});

test("what is not stored is not acknowledged, and comes again", async () => {
  const body = comment(accounts.instagram, "unstored");
  await sql.begin(async (tx) => {
    await tx`lock table analytics_private.event_digests in access exclusive mode`;
    assert.deepEqual(await send("instagram", body), [503]);
  });
  assert.deepEqual(await send("instagram", body), [200]);
  assert.equal((await events(accounts.instagram)).filter(({ payload }) => payload.value.id === "unstored").length, 1);
});

test("every attack is refused with its status, stores nothing and is counted", async () => {
  const before = (await sql`select count(*)::int as n from analytics.events`)[0].n;
  const { instagram, tiktok } = accounts;
  const deep = `${"[".repeat(2000)}${"]".repeat(2000)}`;
  const bodies = { instagram: comment(instagram), facebook: comment(instagram), tiktok: removed(tiktok), x: { for_user_id: accounts.x.platform_user_id, follow_events: [{}] }, ...bodiesOf() };
  const attacks = [];
  for (const platform of Object.keys(bodies)) {
    for (const fault of ["wrong_key", "other_platform", "unsigned", "short_signature", "long_signature", "signed_twice", "changed_body"]) attacks.push([platform, bodies[platform], { fault }, 401]);
    attacks.push([platform, bodies[platform], { fault: "wrong_type" }, 415]);
    attacks.push([platform, bodies[platform], { secret: " ".repeat(20) }, 401]);
  }
  for (const platform of ["instagram", "facebook", "tiktok", "linkedin", "youtube"]) attacks.push([platform, bodies[platform], { fault: "uppercase_signature" }, 401]);
  attacks.push(
    ["tiktok", bodies.tiktok, { fault: "old_time" }, 401],
    ["instagram", { object: "page", entry: [] }, {}, 400],
    ["facebook", { object: "whatsapp_business_account", entry: [] }, {}, 400],
    ["instagram", "[]garbage", {}, 400],
    ["instagram", '{"object":"instagram","entry":[{"id":"1","changes":[{"field":1}]}]}', {}, 400],
    ["x", `{"for_user_id":"1","a_events":${deep}}`, {}, 400],
    ["x", `{"for_user_id":"1","a_events":[${"{},".repeat(2500)}{}]}`, {}, 413],
    ["tiktok", `{"event":"x","user_openid":"${tiktok.platform_user_id}","content":"","n":1e200000}`, {}, 400],
    ["instagram", " ".repeat(1024 * 1024 + 1), {}, 413],
    ["youtube", '<!DOCTYPE f [<!ENTITY a "b">]><feed xmlns="http://www.w3.org/2005/Atom"><title>&a;</title></feed>', {}, 400],
    ["instagram", bodies.instagram, { fault: "half_body" }, 0],
    ["instagram", bodies.instagram, { path: "facebook", secret: "another-app" }, 401],
    ["tiktok", bodies.tiktok, { path: "tiktok/deauthorize" }, 404],
    ["instagram", bodies.instagram, { path: "instagram/deauthorize" }, 415],
    ["instagram", bodies.instagram, { path: "instagram/nothing" }, 404],
  );
  for (const [platform, body, more, expected] of attacks) {
    const [got] = await send(platform, body, more);
    // Half a request gets an answer or none, as the network has it.
    const fits = expected === 0 ? [0, 400, 413].includes(got) : got === expected;
    assert.ok(fits, `${platform} ${JSON.stringify(more)} ${JSON.stringify(body).slice(0, 60)}: ${got}, not ${expected}`);
  }
  assert.ok(attacks.length >= 70, `${attacks.length} attacks`);
  assert.equal((await sql`select count(*)::int as n from analytics.events`)[0].n, before);
  assert.equal((await status(tiktok)).status, "active");
  const metrics = await (await fetch(`${process.env.SIDECAR_URL}/metrics`)).text();
  for (const outcome of ["bad_signature", "malformed_signature", "unsigned", "too_old", "content_type", "oversized", "too_deep", "too_many", "malformed", "misplaced"]) {
    assert.match(metrics, new RegExp(`platform_deliveries_total\\{platform="[a-z]+",outcome="${outcome}"\\} [1-9]`), outcome);
  }
});

test("a body that does not come is not waited for", async () => {
  const [{ status: got }] = await order("instagram", comment(accounts.instagram), { fault: "slow_body", pause_seconds: 12 });
  assert.equal(got, 408);
});

test("connections that send no body keep nobody out", async () => {
  const { host, hostname, port } = new URL(BASE);
  // More than are worked on at once, half of them with a signature of the right form.
  const held = await Promise.all(Array.from({ length: 160 }, (_, n) => new Promise((done) => {
    const socket = dial(Number(port), hostname, () => {
      const signature = n % 2 ? `x-hub-signature-256: sha256=${"0".repeat(64)}\r\n` : "";
      socket.write(`POST /webhooks/instagram HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n${signature}content-length: 100\r\n\r\n{`, () => done(socket));
    });
    socket.on("error", () => {});
    socket.on("data", (answer) => (socket.answer = String(answer).slice(9, 12)));
  })));
  await until(() => held.filter(({ answer }) => answer === "401").length, (refused) => refused === 80, { seconds: 5 });
  assert.deepEqual(await send("instagram", comment(accounts.instagram), { times: 3 }), [200, 200, 200]);
  assert.equal(held.filter(({ answer }) => answer).length, 80, "without a signature they are refused before their body; the others wait");
  held.forEach((socket) => socket.destroy());
});

test("a person who disconnects at TikTok ends the access once, and told again later ends nothing new", async () => {
  const account = accounts.tiktok;
  const first = removed(account);
  assert.deepEqual(await send("tiktok", [first, first]), [200, 200]);
  const { status_reason } = await until(() => status(account), (one) => one.status === "reconnect_required");
  assert.equal(status_reason, "the person has disconnected this service in the TikTok app");
  assert.equal((await sql`select count(*)::int as n from analytics.notices where social_account_id = ${account.id} and settled_at is null`)[0].n, 1);
  // Connected anew; then the platform tells of the earlier end again, and of one that was under way.
  await connectAs(mira, "tiktok");
  assert.equal((await status(account)).status, "active");
  assert.deepEqual(await send("tiktok", [removed(account, now() - 3600, 0), first], { fault: "reordered" }), [200, 200]);
  await until(() => sql`select count(*)::int as n from analytics_private.jobs where kind = 'end_access' and state in ('queued', 'running')`, ([{ n }]) => n === 0);
  assert.equal((await status(account)).status, "active");
});

test("so at X", async () => {
  const revoke = { date_time: new Date(Date.now() + 1000).toISOString(), target: { app_id: "1" }, source: { user_id: accounts.x.platform_user_id } };
  assert.deepEqual(await send("x", { user_event: { revoke } }), [200]);
  await until(() => status(accounts.x), (one) => one.status === "reconnect_required");
});

test("a person who removes the app at Meta, and one who asks for deletion, get what they want", async () => {
  const pages = await connectAs(mira, "facebook");
  const [{ consent_key }] = await sql`select consent_key from analytics_private.oauth_tokens where social_account_id = ${pages[0].id}`;
  const request = { user_id: consent_key, algorithm: "HMAC-SHA256", issued_at: now() };
  for (const [changes, expected] of [[{ algorithm: "none" }, 400], [{ user_id: undefined }, 400], [{ code: "of a login" }, 400], [{ oauth_token: "of a login" }, 400]]) {
    assert.equal((await signed("facebook", "deauthorize", { ...request, ...changes }))[0].status, expected);
    assert.equal((await signed("facebook", "delete", { ...request, ...changes }))[0].status, expected);
  }
  assert.equal((await order("facebook", [], { path: "facebook/delete", signed_request: request, fault: "wrong_key" }))[0].status, 401);
  assert.equal((await signed("facebook", "delete", { ...request, issued_at: now() - 30 * 86400 }))[0].status, 401);

  assert.equal((await signed("facebook", "deauthorize", request))[0].status, 200);
  for (const page of pages) await until(() => status(page), (one) => one.status === "reconnect_required");
  assert.deepEqual((await events(pages[0])).map(({ type }) => type), ["deauthorize"]);

  const [{ body }, { body: again }] = [...(await signed("facebook", "delete", request)), ...(await signed("facebook", "delete", request))];
  const { url, confirmation_code } = JSON.parse(body);
  assert.equal(JSON.parse(again).confirmation_code, confirmation_code);
  await until(async () => (await fetch(url)).text(), (text) => /Done on/.test(text));
  for (const page of pages) {
    assert.equal(await status(page), undefined);
    assert.deepEqual([...(await events(page))], []);
  }
  assert.equal((await fetch(url.replace(confirmation_code, "0".repeat(32)))).status, 404);
  assert.equal((await status(accounts.instagram)).status, "active");
});
