// TikTok, X and YouTube accounts fill by themselves; what is hidden, late, partial or refused is unknown, and limits are kept.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { APP, calls, connect, fault, standin } from "./consent.mjs";
import { rows, rpc, signUp, sql, until } from "./support.mjs";

const DAY = 24 * 3600_000;
const PLAIN = { user: "mira", usage: 12, refused_metrics: [], insight_delay_hours: 0, declined: [], hides_subscribers: false, days_left_out: [], hides_authors_metrics: false };
const KINDS = { tiktok: 2, x: 2, youtube: 3 };
let mira;
const accounts = {};

// The account of a member who is somebody at the platform.
async function connectAs(member, user, platform) {
  await standin("/oauth/settings", { user });
  const { connection_id } = await connect(member, platform);
  const { found } = await rpc(member.supabase, "connection_status", { connection_id });
  const [connected] = await rpc(member.supabase, "choose_accounts", { connection_id, platform_user_ids: [found[0].platform_user_id] });
  return connected.id;
}

const schedules = (id) => sql`select * from analytics_private.account_schedules where social_account_id = ${id}`;
const isAnswered = ({ succeeded_at, last_error }) => succeeded_at || last_error;
const pulled = (id, platform) => until(() => schedules(id), (all) => all.length === KINDS[platform] && all.every(({ succeeded_at }) => succeeded_at));
const makeDue = (id, kind) =>
  sql`update analytics_private.account_schedules set next_at = clock_timestamp(), succeeded_at = null, last_error = null where social_account_id = ${id} and kind = ${kind}`;
async function again(id, kind) {
  await makeDue(id, kind);
  return until(() => schedules(id), (all) => all.filter((one) => one.kind === kind).every(isAnswered));
}
const values = (id, metric) =>
  sql`select measured_at, value::float8 as value, reason from analytics.metrics_snapshots where social_account_id = ${id} and metric = ${metric} order by measured_at desc, captured_at desc`;
const posts = (id) => rows(mira.supabase.from("top_content").select("*").eq("social_account_id", id).order("posted_at", { ascending: false }));
const captures = async (id) => (await sql`select count(*)::int as n from analytics.post_analytics where social_account_id = ${id}`)[0].n;
const accountOf = async (id) => (await sql`select * from analytics.social_accounts where id = ${id}`)[0];
const limitOf = (provider) => until(() => sql`select * from analytics_private.provider_limits where provider = ${provider}`, ([one]) => one);

before(async () => {
  await standin("/oauth", undefined, "DELETE");
  await sql`select analytics_private.allow_redirect(${APP})`;
  await sql`select analytics_private.set_setting('job_backoff_base', '50 milliseconds')`;
  await sql`select analytics_private.set_setting('insight_days', '6')`;
  mira = await signUp("mira");
  const [{ id }] = (await rpc(mira.supabase, "me")).workspaces;
  await sql`select analytics_private.set_plan(${id}, 'premium')`;
});
beforeEach(async () => {
  await standin("/faults", undefined, "DELETE");
  await standin("/oauth/settings", PLAIN);
  await sql`delete from analytics_private.app_metric_refusals`;
  await sql`delete from analytics_private.provider_limits`;
});
after(async () => {
  await standin("/faults", undefined, "DELETE");
  await standin("/oauth/settings", PLAIN);
  await sql`select analytics_private.set_setting('insight_days', '30')`;
  await sql.end();
});

test("a TikTok account fills by itself", async () => {
  const id = (accounts.tiktok = await connectAs(mira, "mira", "tiktok"));
  await pulled(id, "tiktok");
  const numbers = await rpc(mira.supabase, "metrics", { account_id: id });
  assert.deepEqual(Object.fromEntries(numbers.map(({ metric, value }) => [metric, value])),
    { followers: 12480, following: numbers.find(({ metric }) => metric === "following").value, likes_received: 12480 * 7, posts: 8 });
  const found = await posts(id);
  assert.deepEqual(found.map(({ media_type }) => media_type), Array(8).fill("video"));
  assert.ok(found.every((one) => one.views > 0 && one.likes_count > 0 && one.shares_count > 0 && one.saves_count === null && one.reach === null));
  assert.deepEqual(found[0].hashtags, ["standin"]);
  // Of its audience TikTok tells nothing, and is not asked.
  assert.equal((await rows(mira.supabase.from("audience_insights").select("*").eq("social_account_id", id))).length, 0);
});

test("an X account fills by itself, as far back as it is worth its price", async () => {
  const id = (accounts.x = await connectAs(mira, "mira", "x"));
  await pulled(id, "x");
  for (const [metric, value] of [["followers", 12480], ["posts", 8], ["lists", 3]]) {
    assert.deepEqual((await values(id, metric)).map((one) => one.value), [value], metric);
  }
  const found = await posts(id);
  assert.equal(found.length, 6, "those of a month, of eight");
  assert.deepEqual(found.map(({ media_type }) => media_type), ["text", "video", "carousel", "text", "text", "text"]);
  for (const one of found) {
    assert.ok(one.views > 0 && one.saves_count > 0 && one.reach === null);
    assert.ok(["link_clicks", "profile_visits", "engagement", "organic_views", "quotes"].every((name) => one.extra_data[name] >= 0), JSON.stringify(one.extra_data));
  }
});

test("a YouTube channel fills by itself", async () => {
  await standin("/oauth/settings", { days_left_out: [4] });
  const id = (accounts.youtube = await connectAs(mira, "mira", "youtube"));
  await pulled(id, "youtube");
  assert.deepEqual((await values(id, "followers")).map(({ value }) => value), [12400], "as YouTube rounds it");
  assert.deepEqual((await values(id, "views_received")).map(({ value }) => value), [12480 * 90]);
  for (const metric of ["views", "likes", "comments", "shares", "follows", "unfollows"]) {
    const days = await values(id, metric);
    assert.equal(days.length, 6, metric);
    for (const { measured_at, value, reason } of days) {
      // Days begin at midnight in California.
      assert.ok([7, 8].includes(measured_at.getUTCHours()));
      const back = Math.round((Date.now() - (Date.now() % DAY) - (measured_at - (measured_at % DAY))) / DAY);
      if (back === 4) assert.match(reason, /^left out between days/);
      else if (measured_at.getTime() + DAY < Date.now() - 3600_000) assert.ok(value > 0, `${metric} ${back}`);
      else if (value === null) assert.match(reason, /^not answered yet; the platform may be 72 hours late$/);
    }
  }
  const found = await posts(id);
  assert.equal(found.length, 7, "without the one that is private");
  assert.deepEqual(found.map(({ likes_count }) => likes_count === null), [false, false, false, false, false, true, false], "hidden likes");
  assert.deepEqual(found.map(({ comments_count }) => comments_count === null), [false, false, false, true, false, false, false], "closed comments");
  const [audience] = await rows(mira.supabase.from("audience_insights").select("*").eq("social_account_id", id));
  assert.deepEqual([audience.audience, audience.base, audience.cities], ["reached", null, null]);
  assert.deepEqual([audience.age_ranges[0], audience.genders.map(({ gender }) => gender)], [{ range: "25-34", share: 0.41 }, ["female", "male", "unknown"]]);
  assert.deepEqual([audience.countries[0].country, audience.countries.every((one) => one.share > 0 && one.share < 1 && one.count === undefined)], ["DE", true]);
});

test("a second pull asks only for what is due", async () => {
  const paths = {
    tiktok: ["tiktok", "/v2/video/list/", 1],
    x: ["x", `/2/users/${(await accountOf(accounts.x)).platform_user_id}/tweets`, 1],
    youtube: ["google", "/youtube/v3/playlistItems", 1],
  };
  const asked = await calls("google", "/youtube/v3/videos");
  for (const [platform, [provider, path, pages]] of Object.entries(paths)) {
    const [before, stored] = [await calls(provider, path), await captures(accounts[platform])];
    await again(accounts[platform], "posts");
    assert.equal((await calls(provider, path)) - before, pages, platform);
    assert.equal(await captures(accounts[platform]), stored, platform);
  }
  assert.equal(await calls("google", "/youtube/v3/videos"), asked, "no video is due");
  for (const platform of Object.keys(paths)) {
    const listed = await posts(accounts[platform]);
    const older = listed[3];
    const stored = await captures(accounts[platform]);
    await sql`update analytics_private.post_schedules set next_at = clock_timestamp() - interval '1 second' where social_account_id = ${accounts[platform]} and platform_post_id = ${older.platform_post_id}`;
    await again(accounts[platform], "posts");
    // What X says on the way to it is paid for, and kept.
    assert.equal(await captures(accounts[platform]), stored + (platform === "x" ? 4 : 1), platform);
    const [{ gone }] = await sql`select count(gone_at)::int as gone from analytics_private.post_schedules where social_account_id = ${accounts[platform]}`;
    assert.equal(gone, 0, platform);
  }
  // Days that are final are not asked for again: of the others there is another capture.
  const before = await values(accounts.youtube, "views");
  await again(accounts.youtube, "account");
  const open = before.filter(({ measured_at }) => measured_at.getTime() + 4 * DAY > Date.now()).length;
  assert.equal((await values(accounts.youtube, "views")).length, before.length + open);
});

test("a list that breaks off is read again from its beginning", async () => {
  const member = await signUp("broken");
  await fault({ target: "tiktok", query: "/v2/video/list/", fault: "empty_results", times: 1 });
  const id = await connectAs(member, "mira", "tiktok");
  await pulled(id, "tiktok");
  assert.equal(await captures(id), 8);
  await fault({ target: "tiktok", query: "/v2/video/list/", fault: "provider_error", error: "internal_error", times: 1 });
  await fault({ target: "tiktok", query: "/v2/video/list/", fault: "not_json", times: 1 });
  await again(id, "posts");
  await until(() => schedules(id), (all) => all.every(({ succeeded_at }) => succeeded_at));
  assert.equal(await captures(id), 8);
  assert.equal((await sql`select count(gone_at)::int as n from analytics_private.post_schedules where social_account_id = ${id}`)[0].n, 0, "an empty answer is no empty list");
});

test("what only the author may see and is not told stays unknown; the rest arrives", async () => {
  await standin("/oauth/settings", { hides_authors_metrics: true });
  const id = await connectAs(await signUp("untold"), "mira", "x");
  await pulled(id, "x");
  const found = await sql`select views, extra_data from analytics.top_content where social_account_id = ${id}`;
  assert.equal(found.length, 6);
  assert.ok(found.every(({ views, extra_data }) => views > 0 && extra_data.quotes >= 0 && !("link_clicks" in extra_data)));
  const refused = await sql`select distinct code from analytics_private.metric_refusals where social_account_id = ${id} and subject = 'post'`;
  assert.deepEqual(refused.map(({ code }) => code), ["not_authorized_for_field"]);
  const lookups = await calls("x", "/2/tweets");
  await sql`update analytics_private.post_schedules set next_at = clock_timestamp() - interval '1 second' where social_account_id = ${id}`;
  await again(id, "posts");
  assert.equal(await captures(id), 12);
  assert.equal(await calls("x", "/2/tweets"), lookups, "and is not asked for");
});

test("a refused metric is noted and left out, the rest arrives", async () => {
  await standin("/oauth/settings", { refused_metrics: ["shares", "share_count", "organic_metrics", "viewerPercentage"] });
  for (const [platform, kind] of [["tiktok", "posts"], ["x", "posts"], ["youtube", "account"], ["youtube", "audience"]]) {
    await sql`update analytics_private.post_schedules set next_at = clock_timestamp() - interval '1 second' where social_account_id = ${accounts[platform]}`;
    await again(accounts[platform], kind);
    assert.equal((await schedules(accounts[platform])).find((one) => one.kind === kind).last_error, null, platform);
  }
  const noted = await sql`select platform, subject, api_name, code from analytics_private.app_metric_refusals order by 1, 2, 3`;
  assert.deepEqual(noted.map((one) => Object.values(one).join(" ")), [
    "tiktok video share_count invalid_params",
    "x post non_public_metrics.engagements invalid_request", "x post non_public_metrics.url_link_clicks invalid_request",
    "x post non_public_metrics.user_profile_clicks invalid_request", "x post organic_metrics.impression_count invalid_request",
    "youtube account shares invalid_argument"]);
  // Asked for by itself: that it is not the account is not known.
  const own = await sql`select subject, api_name from analytics_private.metric_refusals where social_account_id = ${accounts.youtube}`;
  assert.deepEqual(own.map((one) => Object.values(one).join(" ")), ["audience viewerPercentage"]);
  assert.ok((await posts(accounts.tiktok)).every(({ views, shares_count }) => views > 0 && shares_count === null));
  const [newest] = await sql`select * from analytics.audience_insights where social_account_id = ${accounts.youtube} order by captured_at desc limit 1`;
  assert.deepEqual([newest.age_ranges, newest.countries[0].country], [null, "DE"]);
});

test("hidden subscribers and the viewers of a small channel are unknown", async () => {
  await standin("/oauth/settings", { hides_subscribers: true });
  const id = await connectAs(await signUp("jonas"), "jonas", "youtube");
  await pulled(id, "youtube");
  assert.deepEqual((await values(id, "followers")).map(({ value, reason }) => [value, reason]), [[null, "the channel hides how many subscribers it has"]]);
  const [audience] = await sql`select * from analytics.audience_insights where social_account_id = ${id}`;
  assert.deepEqual([audience.audience, audience.age_ranges, audience.genders, audience.countries], ["reached", null, null, null]);
});

test("what the permissions do not cover is said, and the rest arrives", async () => {
  for (const [platform, declined, kind, words] of [
    ["tiktok", "user.info.stats", "account", / does not let us read its numbers: a permission is missing$/],
    ["x", "tweet.read", "posts", /^X does not let us read its posts: a permission is missing$/],
    ["youtube", "https://www.googleapis.com/auth/yt-analytics.readonly", "account", / does not let us read its (numbers|audience): a permission is missing$/],
  ]) {
    await standin("/oauth/settings", { declined: [declined] });
    const id = await connectAs(await signUp("part"), "mira", platform);
    const all = await until(() => schedules(id), (all) => all.length === KINDS[platform] && all.every(isAnswered));
    const [refused] = all.filter((one) => one.kind === kind);
    assert.match(refused.last_error, /^a permission is missing/, platform);
    assert.ok(refused.next_at.getTime() - Date.now() > 5 * 3600_000, "and it is not asked again at once");
    const { status, status_reason, status_remedy } = await accountOf(id);
    assert.deepEqual([status, words.test(status_reason)], ["active", true], status_reason);
    assert.match(status_remedy, /^connect the account again/);
    assert.equal(all.find((one) => one.kind !== kind && one.kind !== "audience").last_error, null, "the rest arrives");
    if (platform === "youtube") assert.deepEqual((await values(id, "followers")).map(({ value }) => value), [12400]);
  }
});

// The last ones: the sidecar, too, leaves an app alone for a while.
test("used-up limits make all accounts of the app wait as long as the platform says, and end nothing", async () => {
  await standin("/oauth/settings", { usage: 103 });
  for (const [platform, provider] of [["tiktok", "tiktok"], ["x", "x"], ["youtube", "google"]]) {
    await makeDue(accounts[platform], "account");
    const [{ paused_until }] = await limitOf(provider);
    const minutes = (paused_until - Date.now()) / 60_000;
    if (provider === "tiktok") assert.ok(minutes > 0 && minutes <= 1, `a minute, as its limits are: ${minutes}`);
    else if (provider === "x") assert.ok(minutes > 350 && minutes <= 360, `until somebody buys credits: ${minutes}`);
    else {
      const midnight = new Intl.DateTimeFormat("en-GB", { timeZone: "America/Los_Angeles", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      assert.match(midnight.format(new Date(paused_until.getTime() + 30_000)), /^00:00$/);
    }
    assert.equal((await accountOf(accounts[platform])).status, "active");
  }
});
