// Facebook pages and LinkedIn organisations fill by themselves; what is refused, late or not told of small ones is unknown.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { APP, Browser, begin, calls, connect, consent, fault, standin } from "./consent.mjs";
import { rows, rpc, signUp, sql, until } from "./support.mjs";

const CALM = { user: "mira", usage: 12, refused_metrics: [], insight_delay_hours: 0 };
let mira, page, organization;

const idOf = async (id) => (await sql`select platform_user_id from analytics.social_accounts where id = ${id}`)[0].platform_user_id;

async function choose(member, connection_id, wanted) {
  const { found } = await rpc(member.supabase, "connection_status", { connection_id });
  const { platform_user_id } = found.find(wanted);
  const [connected] = await rpc(member.supabase, "choose_accounts", { connection_id, platform_user_ids: [platform_user_id] });
  return connected.id;
}

async function connectAs(member, user, platform) {
  await standin("/oauth/settings", { user });
  const { connection_id } = await connect(member, platform);
  return choose(member, connection_id, (one) => one.platform === platform);
}

const schedules = (id) => sql`select * from analytics_private.account_schedules where social_account_id = ${id}`;
const pulled = (id) => until(() => schedules(id), (all) => all.length === 3 && all.every(({ succeeded_at }) => succeeded_at));
const makeDue = (id, kind) => sql`update analytics_private.account_schedules set next_at = clock_timestamp(), succeeded_at = null, last_error = null where social_account_id = ${id} and kind = ${kind}`;
const again = async (id, kind) => {
  await makeDue(id, kind);
  await pulled(id);
};
const failed = (id, kind) =>
  until(() => schedules(id), (all) => all.some((one) => one.kind === kind && one.last_error)).then((all) => all.find((one) => one.kind === kind).last_error);
const values = (id, metric) =>
  sql`select measured_at, captured_at, value, reason from analytics.metrics_snapshots where social_account_id = ${id} and metric = ${metric} order by measured_at desc, captured_at desc`;
const postsOf = (member, id) => rows(member.supabase.from("top_content").select("*").eq("social_account_id", id).order("posted_at", { ascending: false }));

before(async () => {
  await standin("/oauth", undefined, "DELETE");
  await sql`select analytics_private.allow_redirect(${APP})`;
  await sql`select analytics_private.set_setting('job_backoff_base', '50 milliseconds')`;
  await sql`select analytics_private.set_setting('insight_days', '4')`;
  mira = await signUp("mira");
});
beforeEach(async () => {
  await standin("/faults", undefined, "DELETE");
  await standin("/oauth/settings", CALM);
  await sql`delete from analytics_private.app_metric_refusals`;
  await sql`delete from analytics_private.metric_refusals`;
  await sql`delete from analytics_private.provider_limits`;
});
after(async () => {
  await standin("/oauth/settings", CALM);
  await sql`select analytics_private.set_setting('insight_days', '30')`;
  await sql.end();
});

test("a page that was connected fills by itself", async () => {
  page = await connectAs(mira, "mira", "facebook");
  await pulled(page);
  assert.deepEqual((await values(page, "followers")).map(({ value }) => Number(value)), [12480]);
  for (const metric of ["reach", "views", "engagement", "profile_views", "follows", "unfollows"]) {
    const days = await values(page, metric);
    assert.equal(days.length, 4, metric);
    // The newest of California's days may not be over.
    assert.ok(days.slice(1).every(({ value }) => value > 0), metric);
    assert.ok(days.slice(1).every(({ measured_at }) => measured_at.getUTCHours() === 7), metric);
  }
  const posts = await postsOf(mira, page);
  assert.deepEqual(posts.map(({ media_type }) => media_type), ["reel", "photo", "carousel", "link", "photo", "photo", "video", "photo"]);
  assert.ok(posts.slice(0, 7).every(({ reach, views, likes_count, comments_count, extra_data }) => reach > 0 && views > 0 && likes_count > 0 && comments_count > 0 && extra_data.clicks > 0));
  assert.deepEqual([posts[1].shares_count, posts[1].saves_count, posts[1].engagement_rate], [null, null, null], "left out is not none");
  assert.deepEqual([posts[7].reach, posts[7].likes_count > 0], [null, true], "of old posts only what the list says");
  const [audience] = await rows(mira.supabase.from("audience_insights").select("*").eq("social_account_id", page));
  assert.deepEqual([audience.countries[0].country, audience.cities[0].city, audience.age_ranges, audience.genders], ["DE", "Berlin, Germany", null, null]);
});

test("a second pull asks only what is due, and adds its captures", async () => {
  const id = await idOf(page);
  const [insights, list] = [await calls("facebook", `/v25.0/${id}/insights`), await calls("facebook", `/v25.0/${id}/posts`)];
  const [{ posts }] = await sql`select count(*)::int as posts from analytics.post_analytics where social_account_id = ${page}`;
  const before = await values(page, "views");
  await again(page, "account");
  await again(page, "posts");
  assert.equal((await calls("facebook", `/v25.0/${id}/insights`)) - insights, 1);
  assert.equal((await calls("facebook", `/v25.0/${id}/posts`)) - list, 1, "nothing new on its first page: the rest is not read");
  assert.equal((await sql`select count(*)::int as posts from analytics.post_analytics where social_account_id = ${page}`)[0].posts, posts, "no post was due");
  const all = await values(page, "views");
  const captures = (day) => all.filter(({ measured_at }) => measured_at.toISOString().slice(0, 10) === day.toISOString().slice(0, 10)).length;
  assert.ok(all.length > before.length && captures(all[0].measured_at) === 2, "days that are not final are captured again");
  assert.equal(captures(all.at(-1).measured_at), 1, "and those that are, are not");
});

test("a refused metric of pages is noted for all, and the rest arrives", async () => {
  await standin("/oauth/settings", { refused_metrics: ["page_media_view", "page_follows_city"] });
  await again(page, "account");
  await again(page, "audience");
  const noted = await sql`select subject, api_name, code from analytics_private.app_metric_refusals order by api_name`;
  assert.deepEqual([...noted], [{ subject: "audience", api_name: "page_follows_city", code: "unknown_metric" }, { subject: "account", api_name: "page_media_view", code: "unknown_metric" }]);
  const [audience] = await sql`select * from analytics.audience_insights where social_account_id = ${page} order by captured_at desc limit 1`;
  assert.deepEqual([audience.countries[0].country, audience.cities], ["DE", null]);
});

test("a permission that counts of posts need is done without, where it is missing", async () => {
  await standin("/oauth/settings", { refused_metrics: ["reactions"] });
  await sql`update analytics_private.post_schedules set next_at = clock_timestamp() where social_account_id = ${page}`;
  await again(page, "posts");
  const noted = await sql`select subject, api_name, code from analytics_private.metric_refusals where social_account_id = ${page}`;
  assert.deepEqual([...noted], [{ subject: "post", api_name: "reactions,comments", code: "10" }]);
  const posts = await postsOf(mira, page);
  assert.ok(posts.slice(0, 7).every(({ likes_count, comments_count }) => likes_count > 0 && comments_count > 0), "from their insights");
  assert.deepEqual([posts[7].likes_count, posts[7].comments_count], [null, null]);
  const [{ captures }] = await sql`select count(*)::int as captures from analytics.post_analytics where social_account_id = ${page} group by platform_post_id order by 1 limit 1`;
  assert.equal(captures, 2);
});

test("of a small page nothing is zero", async () => {
  const jonas = await signUp("jonas");
  const small = await connectAs(jonas, "jonas", "facebook");
  await pulled(small);
  assert.deepEqual((await values(small, "followers")).map(({ value }) => Number(value)), [80]);
  for (const metric of ["reach", "views", "follows"]) {
    const days = await values(small, metric);
    assert.equal(days.length, 4, metric);
    assert.ok(days.every(({ value, reason }) => value === null && reason === "the platform answers nothing below 100 followers"), metric);
  }
  const [audience] = await sql`select * from analytics.audience_insights where social_account_id = ${small}`;
  assert.deepEqual([audience.countries, audience.cities], [null, null]);
});

test("an organisation that was connected fills by itself", async () => {
  organization = await connectAs(mira, "mira", "linkedin");
  await pulled(organization);
  assert.deepEqual((await values(organization, "followers")).map(({ value }) => Number(value)), [12480]);
  for (const metric of ["impressions", "reach", "likes", "comments", "shares", "link_clicks", "new_followers", "engagement"]) {
    const days = await values(organization, metric);
    assert.equal(days.length, 4, metric);
    assert.ok(days.every(({ value, measured_at }) => value > 0 && measured_at.getUTCHours() === 0), metric);
  }
  const sum = async (metric) => Number((await values(organization, metric))[2].value);
  assert.equal(await sum("engagement"), (await sum("likes")) + (await sum("comments")) + (await sum("shares")) + (await sum("link_clicks")));
  const posts = await postsOf(mira, organization);
  assert.deepEqual(posts.map(({ media_type }) => media_type), ["photo", "video", "carousel", "link", "text", null, "text", "text"]);
  assert.equal(posts[0].caption, "An invented post (really) about #bread");
  assert.deepEqual(posts[0].hashtags, ["bread"]);
  assert.match(posts[0].platform_post_id, /^urn:li:share:\d+$/);
  assert.match(posts[1].post_url, /^https:\/\/www\.linkedin\.com\/feed\/update\/urn:li:ugcPost:\d+\/$/);
  assert.ok(posts.slice(0, 6).every(({ reach, views, likes_count, extra_data }) => reach > 0 && views > 0 && likes_count > 0 && extra_data.link_clicks > 0));
  for (const place of [6, 7]) assert.deepEqual([posts[place].reach, posts[place].likes_count], [null, null], "one is denied, one was never seen");
  const [audience] = await rows(mira.supabase.from("audience_insights").select("*").eq("social_account_id", organization));
  assert.deepEqual(audience.facets.GeoCountry[0], { geo: "urn:li:geo:101282230", count: 5990 + 119 });
  assert.deepEqual([audience.countries, audience.age_ranges, Object.keys(audience.facets).length], [null, null, 5], "a geo is no country");
});

test("days that are late are unknown, and asked for again", async () => {
  await standin("/oauth/settings", { insight_delay_hours: 48 });
  await sql`delete from analytics.metrics_snapshots where social_account_id in (${page}, ${organization})`;
  for (const [account, metric] of [[page, "reach"], [organization, "impressions"]]) {
    await again(account, "account");
    const late = (await values(account, metric)).filter(({ value }) => value === null);
    assert.ok(late.length >= 2 && late.length < 4, metric);
    assert.ok(late.every(({ reason }) => reason === "not answered yet; the platform may be 48 hours late"), metric);
  }
  await standin("/oauth/settings", { insight_delay_hours: 0 });
  await again(organization, "account");
  const days = await values(organization, "impressions");
  assert.ok(days.filter(({ measured_at }) => measured_at.getTime() === days[0].measured_at.getTime()).some(({ value }) => value > 0));
});

test("what LinkedIn leaves out or denies does not keep the rest away", async () => {
  await standin("/oauth/settings", { refused_metrics: ["networkSizes", "clickCount"] });
  await makeDue(organization, "account");
  assert.equal(await failed(organization, "account"), "a permission is missing (access_denied)");
  const [clicks] = await values(organization, "link_clicks");
  assert.deepEqual([clicks.value, clicks.reason], [null, "not answered yet; the platform may be 48 hours late"]);
  const [engagement] = await values(organization, "engagement");
  assert.deepEqual([engagement.value, engagement.reason], [null, "a part of it is not known"]);
  assert.ok((await values(organization, "likes"))[0].captured_at.getTime() === clicks.captured_at.getTime());
  const [{ status, status_reason }] = await sql`select * from analytics.social_accounts where id = ${organization}`;
  assert.deepEqual([status, status_reason], ["active", "LinkedIn does not let us read its numbers: a permission is missing"]);
  await standin("/oauth/settings", CALM);
  await again(organization, "account");
  assert.equal((await sql`select status_reason from analytics.social_accounts where id = ${organization}`)[0].status_reason, null);
});

test("of a member LinkedIn tells nothing, which is said", async () => {
  const member = await signUp("member");
  const begun = await begin(member, "linkedin", { purpose: "publishing" });
  const browser = new Browser();
  const back = await browser.get(await consent(browser, begun));
  assert.equal(back.status, 303);
  const person = await choose(member, begun.connection_id, ({ platform_user_id }) => platform_user_id.startsWith("li"));
  const before = await calls("linkedin", "/rest/posts");
  await pulled(person);
  for (const metric of ["followers", "likes"]) {
    const all = await values(person, metric);
    assert.ok(all.length > 0 && all.every(({ value, reason }) => value === null && reason === "LinkedIn tells this of organisations only, not of members"), metric);
  }
  assert.equal(await calls("linkedin", "/rest/posts"), before, "nobody is asked");
});

test("blips change nothing but the time it takes", async () => {
  for (const [account, target] of [[page, "facebook"], [organization, "linkedin"]]) {
    for (const name of ["http_503", "not_json", "cut_body"]) {
      await fault({ target, fault: name, times: 1 });
      await again(account, "audience");
    }
    assert.equal((await sql`select status from analytics.social_accounts where id = ${account}`)[0].status, "active");
  }
});

// The last one: the sidecar, too, leaves the app alone for a while.
test("a day's quota that is used up makes all organisations wait until midnight UTC", async () => {
  await standin("/oauth/settings", { usage: 103 });
  await makeDue(organization, "audience");
  const [limit] = await until(() => sql`select *, date_trunc('day', now(), 'UTC') + interval '1 day' as midnight from analytics_private.provider_limits where provider = 'linkedin'`, ([one]) => one);
  assert.ok(Math.abs(limit.paused_until - limit.midnight) < 10_000);
  assert.equal((await sql`select status from analytics.social_accounts where id = ${organization}`)[0].status, "active");
});
