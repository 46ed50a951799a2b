// What a connected account's platform says of it arrives by itself, and what is refused does not keep the rest away.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { APP, calls, connect, fault, standin } from "./consent.mjs";
import { rows, rpc, signUp, sql, until } from "./support.mjs";

let mira, account, page;

// The chosen account of a member who is somebody at the platform.
async function connectAs(member, user, platform = "instagram", chosen = platform) {
  await standin("/oauth/settings", { user });
  const { connection_id } = await connect(member, platform);
  const { found } = await rpc(member.supabase, "connection_status", { connection_id });
  const { platform_user_id } = found.find((one) => one.platform === chosen);
  const [connected] = await rpc(member.supabase, "choose_accounts", { connection_id, platform_user_ids: [platform_user_id] });
  return connected.id;
}

const schedules = (id) => sql`select * from analytics_private.account_schedules where social_account_id = ${id}`;
const pulled = (id) => until(() => schedules(id), (all) => all.length === 3 && all.every(({ succeeded_at }) => succeeded_at));
const makeDue = (id, kind) => sql`update analytics_private.account_schedules set next_at = clock_timestamp(), succeeded_at = null where social_account_id = ${id} and kind = ${kind}`;
const again = async (id, kind) => {
  await makeDue(id, kind);
  await pulled(id);
};
const values = (id, metric) =>
  sql`select measured_at, value, reason from analytics.metrics_snapshots where social_account_id = ${id} and metric = ${metric} order by measured_at desc, captured_at desc`;

before(async () => {
  // Other files put the clock of the stand-in forward.
  await standin("/oauth", undefined, "DELETE");
  await sql`select analytics_private.allow_redirect(${APP})`;
  await sql`select analytics_private.set_setting('job_backoff_base', '50 milliseconds')`;
  await sql`select analytics_private.set_setting('insight_days', '4')`;
  mira = await signUp("mira");
});
beforeEach(async () => {
  await standin("/faults", undefined, "DELETE");
  await standin("/oauth/settings", { user: "mira", usage: 12, account_usage: 12, refused_metrics: [], insight_delay_hours: 0 });
  await sql`delete from analytics_private.app_metric_refusals`;
  await sql`delete from analytics_private.provider_limits`;
});
after(async () => {
  await standin("/oauth/settings", { user: "mira", usage: 12, account_usage: 12, refused_metrics: [], insight_delay_hours: 0 });
  await sql`select analytics_private.set_setting('insight_days', '30')`;
  await sql.end();
});

test("an account that was connected fills by itself", async () => {
  account = await connectAs(mira, "mira");
  await pulled(account);
  const numbers = await rpc(mira.supabase, "metrics", { account_id: account });
  const followers = numbers.filter(({ metric }) => metric === "followers");
  assert.deepEqual(followers.map(({ value }) => value), [12480]);
  for (const metric of ["reach", "views", "likes", "follows", "unfollows", "new_followers", "link_clicks"]) {
    const days = numbers.filter((one) => one.metric === metric);
    assert.equal(days.length, 4, metric);
    assert.ok(days.every(({ value }) => value > 0), metric);
  }
  const posts = await rows(mira.supabase.from("top_content").select("*").eq("social_account_id", account).order("posted_at", { ascending: false }));
  assert.deepEqual(posts.map(({ media_type }) => media_type), ["story", "reel", "carousel", "photo", "reel", "photo", "photo", "photo"]);
  assert.ok(posts.slice(1, 7).every(({ reach, engagement_rate }) => reach > 0 && engagement_rate > 0));
  assert.deepEqual([posts[7].reach, posts[7].engagement_rate], [null, null]);
  const audiences = await rows(mira.supabase.from("audience_insights").select("*").eq("social_account_id", account).order("audience"));
  assert.deepEqual(audiences.map(({ audience, countries }) => [audience, countries[0].country]), [["engaged", "DE"], ["followers", "DE"]]);
});

test("as many days as a platform answers at once are asked for", async () => {
  await sql`select analytics_private.set_setting('insight_days', '30')`;
  await again(account, "account");
  await sql`select analytics_private.set_setting('insight_days', '4')`;
  for (const metric of ["reach", "new_followers", "views"]) {
    const known = (await values(account, metric)).filter(({ value }) => value !== null);
    assert.equal(new Set(known.map(({ measured_at }) => measured_at.toISOString())).size, 30, metric);
  }
});

test("what the permissions do not cover is said, and the rest arrives", async () => {
  // The profile and the list of posts, and no insights.
  await standin("/oauth/settings", { declined: ["instagram_business_manage_insights"] });
  const narrow = await connectAs(await signUp("narrow"), "mira");
  await standin("/oauth/settings", { declined: [] });
  const all = await until(() => schedules(narrow), (all) => all.length === 3 && all.every(({ succeeded_at, last_error }) => succeeded_at || last_error));
  assert.deepEqual(Object.fromEntries(all.map(({ kind, last_error }) => [kind, last_error])),
    { account: "a permission is missing (10)", audience: "a permission is missing (10)", posts: null });
  const [{ status, status_reason, status_remedy }] = await sql`select * from analytics.social_accounts where id = ${narrow}`;
  assert.equal(status, "active");
  assert.match(status_reason, /^Instagram does not let us read its (numbers|audience): a permission is missing$/);
  assert.match(status_remedy, /^connect the account again/);
  const followers = await values(narrow, "followers");
  assert.ok(followers.length > 0 && followers.every(({ value }) => Number(value) === 12480));
});

test("an Instagram account that hangs on a page fills as well", async () => {
  page = await connectAs(await signUp("page"), "mira", "facebook", "instagram");
  await pulled(page);
  assert.ok((await values(page, "views")).some(({ value }) => value > 0));
});

test("of a small account what the platform does not say is unknown, with the reason", async () => {
  const small = await connectAs(await signUp("jonas"), "jonas");
  await pulled(small);
  const follows = await values(small, "follows");
  assert.equal(follows.length, 4);
  assert.ok(follows.every(({ value, reason }) => value === null && reason === "the platform answers nothing below 100 followers"));
  const [audience] = await sql`select * from analytics.audience_insights where social_account_id = ${small} and audience = 'followers'`;
  assert.deepEqual([audience.countries, audience.genders, audience.base], [null, null, null]);
  assert.ok((await values(small, "views")).every(({ value }) => value > 0));
});

test("a refused metric is noted and left out, the rest arrives", async () => {
  await standin("/oauth/settings", { refused_metrics: ["reposts"] });
  await again(account, "account");
  const noted = await sql`select subject, api_name, code from analytics_private.app_metric_refusals`;
  assert.deepEqual([...noted], [{ subject: "account", api_name: "reposts", code: "unknown_metric" }]);
  const path = `/${(await sql`select platform_user_id from analytics.social_accounts where id = ${account}`)[0].platform_user_id}/insights`;
  const before = await calls("instagram", path);
  await again(account, "account");
  // The series, and of each day that is not final yet the totals and the followers: no call for the refused one.
  assert.equal((await calls("instagram", path)) - before, 1 + 2 * 2);
  const [{ captures }] = await sql`select count(distinct captured_at)::int as captures from analytics.metrics_snapshots
    where social_account_id = ${account} and metric = 'views' and measured_at >= date_trunc('day', now(), 'UTC') - interval '1 day'`;
  assert.ok(captures >= 3, "each answer is a capture");
});

test("blips change nothing but the time it takes", async () => {
  for (const name of ["http_503", "not_json", "cut_body"]) {
    await fault({ target: "instagram", fault: name, times: 1 });
    await again(account, "audience");
  }
  assert.equal((await sql`select status from analytics.social_accounts where id = ${account}`)[0].status, "active");
});

test("more that is due at once than is pulled at once is all pulled", async () => {
  const many = [account];
  for (const name of ["one", "two", "three", "four", "five"]) many.push(await connectAs(await signUp(name), "mira"));
  for (const id of many) await pulled(id);
  // 18; the sidecar takes 16.
  await sql`update analytics_private.account_schedules set next_at = clock_timestamp(), succeeded_at = null where social_account_id = any(${many})`;
  for (const id of many) await pulled(id);
});

test("a person who removes the app ends the access, and is told", async () => {
  await standin("/oauth/remove_app", { provider: "facebook", user: "mira" });
  await makeDue(page, "audience");
  const [{ status_reason }] = await until(() => sql`select status, status_reason from analytics.social_accounts where id = ${page}`, ([{ status }]) => status === "reconnect_required");
  assert.match(status_reason, /./);
  assert.equal((await sql`select count(*)::int from analytics.notices where social_account_id = ${page} and settled_at is null`)[0].count, 1);
});

test("an account whose limit is used up waits alone", async () => {
  await standin("/oauth/settings", { account_usage: 103 });
  await makeDue(account, "account");
  const [{ next_at, last_error }] = await until(() => schedules(account).then((all) => all.filter(({ kind }) => kind === "account")), ([{ last_error }]) => last_error);
  assert.match(last_error, /80002/);
  assert.ok(next_at.getTime() - Date.now() > 4 * 60_000, "as long as Meta asks");
  assert.equal((await sql`select count(*)::int from analytics_private.provider_limits`)[0].count, 0);
  assert.equal((await sql`select status from analytics.social_accounts where id = ${account}`)[0].status, "active");
});

// The last one: the sidecar, too, leaves the app alone for a while.
test("a used-up limit makes all accounts of the app wait, and ends nothing", async () => {
  await standin("/oauth/settings", { usage: 103 });
  await makeDue(account, "account");
  const [limit] = await until(() => sql`select * from analytics_private.provider_limits where provider = 'instagram'`, ([one]) => one);
  assert.ok(limit.paused_until > new Date());
  assert.equal((await sql`select status from analytics.social_accounts where id = ${account}`)[0].status, "active");
  await standin("/oauth/settings", { usage: 12 });
});
