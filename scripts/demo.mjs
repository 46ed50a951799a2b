// What a client of the stack does, from sign-up to what a stranger sees. Prints plain text for a terminal of 80 columns.
//
// Needs API_URL, ANON_KEY, DB_URL, WEBHOOK_URL, WEBHOOK_SECRET, SIDECAR_PROGRAM, SIDECAR_DATABASE_URL and OAUTH_URL (scripts/demo.sh and
// .dev/env give them).
// DEMO_PROFILES=a,b,c chooses the profiles.
import { execFile } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createClient } from "@supabase/supabase-js";
import postgres from "postgres";
import ws from "ws";

const {
  API_URL, ANON_KEY, DB_URL, WEBHOOK_URL, WEBHOOK_SECRET, STANDIN_URL, DEMO_PROFILES, SIDECAR_PROGRAM, SIDECAR_DATABASE_URL,
  OAUTH_URL,
} = process.env;
const ROOT = fileURLToPath(new URL("..", import.meta.url));
// Two exports of one account, and when each was made: what lies in a repository has lost its dates.
const EXPORTS = [
  ["tests/samples/instagram_export/2026-05-03", "2026-05-03T09:12:00Z"],
  ["tests/samples/instagram_export/2026-06-03", "2026-06-03T08:47:00Z"],
];
const WIDTH = 80;
// A fetch from Decodo takes up to a minute; the sidecar tries again after a failure.
const PATIENCE_MS = 180_000;

const client = () =>
  createClient(API_URL, ANON_KEY, {
    db: { schema: "analytics" },
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: ws }, // Node 20 has no WebSocket of its own
  });

async function call(supabase, name, parameters) {
  const { data, error } = await supabase.rpc(name, parameters);
  if (error) throw new Error(`${name}: ${error.code} ${error.message}${error.hint ? ` (${error.hint})` : ""}`);
  return data;
}

async function signUp(name) {
  const supabase = client();
  const email = `${name}.${randomUUID().slice(0, 8)}@example.com`;
  const { error } = await supabase.auth.signUp({ email, password: randomUUID() });
  if (error) throw new Error(`sign-up of ${email}: ${error.message}`);
  return { supabase, email };
}

// What Stripe would send when a checkout for this workspace has been paid, with its signature.
async function subscribe(workspace, price) {
  const seconds = Math.floor(Date.now() / 1000);
  const name = (kind) => `${kind}_${randomUUID().replaceAll("-", "")}`;
  const object = {
    id: name("sub"), object: "subscription", customer: name("cus"), status: "active", created: seconds, billing_cycle_anchor: seconds,
    metadata: { workspace_id: workspace },
    items: { data: [{ price: { id: price }, current_period_start: seconds, current_period_end: seconds + 30 * 86400 }] },
  };
  const body = JSON.stringify({
    id: name("evt"), object: "event", type: "customer.subscription.created", created: seconds, livemode: true, data: { object },
  });
  const signature = createHmac("sha256", WEBHOOK_SECRET).update(`${seconds}.${body}`).digest("hex");
  const { status } = await fetch(WEBHOOK_URL, { method: "POST", headers: { "stripe-signature": `t=${seconds},v1=${signature}` }, body });
  if (status !== 200) throw new Error(`the webhook answered ${status}`);
}

async function profilesToUnlock() {
  if (DEMO_PROFILES) return DEMO_PROFILES.split(",").map((name) => name.trim()).filter(Boolean);
  if (!STANDIN_URL) return ["nasa", "natgeo"];
  const { usernames } = await (await fetch(`${STANDIN_URL}/catalog`)).json();
  return usernames.filter(({ profile }) => profile).slice(0, 6).map(({ username }) => username);
}

// --- how values are shown; what is unknown is a dash, never a nought -------------------------------------------------

const number = (value) => (value == null ? "-" : Math.round(value).toLocaleString("en-US"));
const percent = (value) => (value == null ? "-" : `${value.toFixed(2)} %`);
const day = (value) => (value == null ? "-" : value.slice(0, 10));
const yes = (value) => (value == null ? "-" : value ? "yes" : "no");

const segmenter = new Intl.Segmenter();
const wide = /\p{Extended_Pictographic}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}/u;
const cells = (text) => [...segmenter.segment(text)].map(({ segment }) => ({ segment, width: wide.test(segment) ? 2 : 1 }));

function fit(text, width) {
  const line = String(text ?? "-").replace(/[\s\p{Cc}]+/gu, " ").trim();
  const all = cells(line);
  if (all.reduce((sum, cell) => sum + cell.width, 0) <= width) return line;
  let kept = "";
  let used = 0;
  for (const cell of all) {
    if (used + cell.width > width - 1) break;
    kept += cell.segment;
    used += cell.width;
  }
  return `${kept.trimEnd()}…`;
}

const pad = (text, width) => text + " ".repeat(Math.max(0, width - cells(text).reduce((sum, cell) => sum + cell.width, 0)));
const line = (text = "") => console.log(text);
const heading = (text) => line(`\n${text}\n${"-".repeat(Math.min(WIDTH, text.length))}`);
const fact = (name, value) => line(`  ${name.padEnd(25)}${fit(value, WIDTH - 27)}`);

// columns: [title, width, "left" | "right"]
function table(columns, rows) {
  const row = (values) =>
    line(
      `  ${columns
        .map(([, width, side], i) => (side === "right" ? fit(values[i], width).padStart(width) : pad(fit(values[i], width), width)))
        .join("  ")}`.trimEnd(),
    );
  row(columns.map(([title]) => title));
  rows.forEach(row);
}

// --- the story -------------------------------------------------------------------------------------------------------

async function unlock(supabase, usernames) {
  const deadline = Date.now() + PATIENCE_MS;
  let shown = "";
  for (;;) {
    const answers = await call(supabase, "unlock_profiles", { usernames });
    const states = answers.map(({ username, state }) => `${username} ${state}`).join(", ");
    if (states !== shown) {
      const count = (state) => answers.filter((answer) => answer.state === state).length;
      line(`  ${count("ready")} ready, ${count("pending")} pending, ${count("failed")} failed`);
      shown = states;
    }
    if (answers.every(({ state }) => state !== "pending")) return answers;
    if (Date.now() > deadline) throw new Error(`still pending after ${PATIENCE_MS / 1000} s: ${states}`);
    await sleep(250);
  }
}

function showProfile({ profile, captured_at, window, engagement, posts, top_posts, mentions, hashtags, related_profiles, comment_sentiment }) {
  heading(`@${profile.username}`);
  fact("name", profile.full_name);
  fact("category", profile.category);
  fact("followers", number(profile.followers_count));
  fact("following", number(profile.following_count));
  fact("posts", `${number(profile.posts_count)} (${number(posts.stored)} stored)`);
  fact("verified, private", `${yes(profile.is_verified)}, ${yes(profile.is_private)}`);
  fact("captured, open until", `${day(captured_at)}, ${day(window.to)}`);
  const rate = engagement.engagement_rate_by_followers;
  fact("engagement rate", rate == null ? "unknown" : `${percent(rate)} of followers, over ${engagement.posts_counted} posts`);
  fact("mean likes, comments", `${number(engagement.mean_likes)}, ${number(engagement.mean_comments)}`);
  fact("mean video views", number(engagement.mean_video_views));
  const several = (items, show) => items.slice(0, 3).map(show).join("  ") || "-";
  fact("mentions", several(mentions, ({ username, times }) => `@${username} ${times}`));
  fact("hashtags", several(hashtags, ({ hashtag, times }) => `#${hashtag.replace(/^#/, "")} ${times}`));
  fact("related profiles", several(related_profiles, ({ username }) => `@${username}`));
  if (comment_sentiment) fact("mood of comments", `${comment_sentiment.compound_score?.toFixed(2)} (-1 to 1), ${comment_sentiment.comments_analyzed} comments`);
  if (top_posts.length) {
    line("\n  top posts");
    table(
      [["posted", 10, "left"], ["likes", 11, "right"], ["comments", 9, "right"], ["rate", 9, "right"], ["caption", 31, "left"]],
      top_posts.slice(0, 3).map((post) => [
        day(post.posted_at), number(post.likes_count), number(post.comments_count), percent(post.engagement_rate_by_followers), post.caption,
      ]),
    );
  }
}

// A profile whose answer held no posts is ready before a second fetch brings them; private ones never have any.
async function overviewWithPosts(supabase, username) {
  const deadline = Date.now() + PATIENCE_MS / 6;
  for (;;) {
    const overview = await call(supabase, "profile_overview", { username });
    const { profile, posts } = overview;
    if (posts.captured_at || profile.is_private || !profile.posts_count || Date.now() > deadline) return overview;
    await sleep(250);
  }
}

// What an operator does with the archives that the owner of an account has got from Instagram, and what the owner then sees.
async function followers(supabase) {
  const account = await call(supabase, "add_account", { platform: "instagram", handle: "northlight.example" });
  for (const [path, capturedAt] of EXPORTS) {
    heading(`The first imports Instagram's export of ${day(capturedAt)}`);
    const parameters = ["import", "instagram-export", path, "--account", account.id, "--captured-at", capturedAt];
    const environment = { PATH: process.env.PATH, DATABASE_URL: SIDECAR_DATABASE_URL };
    const { stdout } = await promisify(execFile)(SIDECAR_PROGRAM, parameters, { cwd: ROOT, env: environment });
    for (const told of stdout.trimEnd().split("\n")) line(`  ${told}`);
  }
  heading("Who came and who went");
  const { items } = await call(supabase, "follower_changes_page", { account_id: account.id, page_size: 200 });
  table(
    [["change", 14, "left"], ["who", 26, "left"], ["followed", 10, "left"], ["seen by", 10, "left"]],
    items.map((change) => [change.change_type, `@${change.username}`, day(change.followed_at), day(change.timestamp)]),
  );
  return account;
}

// Two months of an account's numbers, as a job or a member records them: invented, with three days that nobody captured.
async function record(supabase, account) {
  const DAY = 86_400_000;
  // A day's numbers are captured six hours after its end.
  const midnight = Math.floor((Date.now() - DAY / 4) / DAY) * DAY;
  const at = (ago, hours = 0) => new Date(midnight - ago * DAY + hours * 3_600_000).toISOString();
  const days = Array.from({ length: 60 }, (_, i) => 60 - i).filter((ago) => ago < 11 || ago > 13);
  const captures = days.flatMap((ago) => [
    { metric: "followers", measured_at: at(ago, 6), value: 4100 + (60 - ago) * 17 + ((ago * 37) % 23) + (ago < 20 ? (20 - ago) * 21 : 0) },
    { metric: "views", measured_at: at(ago), captured_at: at(ago - 1, 6), value: 900 + ((ago * 53) % 310) + (ago === 19 ? 4200 : 0) },
    { metric: "reach", measured_at: at(ago), captured_at: at(ago - 1, 6), value: 520 + ((ago * 29) % 170) },
  ]);
  const posts = Array.from({ length: 24 }, (_, i) => {
    const ago = 2 + i * 2.4;
    const reach = 600 + ((i * 71) % 400);
    return {
      id: `demo-${i}`, posted_at: new Date(midnight - ago * DAY + ((i * 5) % 24) * 3_600_000).toISOString(), media_type: ["photo", "reel", "carousel"][i % 3],
      url: `https://example.org/p/${i}`, caption: ["Morning light on the quay #harbour", "Twelve loaves, one oven #bread", "Who knows this boat? #harbour #boats"][i % 3],
      likes: Math.round(reach * (0.03 + (i % 5) / 100)), comments: i % 7, shares: i % 4, saves: i % 6, reach, views: reach + 300,
    };
  });
  const audience = {
    genders: { F: 2900, M: 2100 }, countries: { DE: 3100, NL: 1200, US: 700 }, cities: null,
    age_ranges: { "18-24": "18.5%", "25-34": "44.1%", "35-44": "27.2%", "45-54": "10.2%" },
  };
  const { recorded } = await call(supabase, "record_metrics", { account_id: account.id, captures: JSON.stringify(captures), source: "demo" });
  const stored = await call(supabase, "record_posts", { account_id: account.id, posts: JSON.stringify(posts), source: "demo" });
  await call(supabase, "record_audience", { account_id: account.id, insights: JSON.stringify(audience), base: 5000, source: "demo" });
  return { recorded, posts: stored.posts };
}

async function numbers(supabase, account) {
  heading("The first records two months of its numbers");
  const { recorded, posts } = await record(supabase, account);
  fact("captures, posts", `${recorded}, ${posts}`);
  const [growth] = await call(supabase, "growth", { account_id: account.id });
  fact("followers", `${number(growth.start_value)} to ${number(growth.end_value)} in ${growth.days} days`);
  fact("net, before", `${number(growth.net)} (${percent(growth.net_rate)}), ${number(growth.previous_net)}`);
  fact("not known", growth.reason);
  const series = await call(supabase, "metric_series", { account_id: account.id, metric: "views" });
  fact("views a day", await call(supabase, "sparkline", { numbers: series.map(({ value }) => value) }));
  for (const { reason } of await call(supabase, "anomalies", { account_id: account.id, metric: "views" })) fact("stands out", reason);
  const times = (await call(supabase, "best_posting_times", { account_id: account.id })).filter(({ place }) => place === 1);
  const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  for (const { weekday, hour, score, posts: n } of times) fact("best time so far", `${weekdays[weekday - 1]} ${hour}:00 UTC, ${percent(score)} of reach, ${n} post`);
  const { formula, denominator } = await call(supabase, "explain", { number: "growth.net_rate", account_id: account.id });
  fact("net rate is", `${formula}; by ${denominator}`);
  await dashboard(supabase, account.id, "demo-dashboard.html");
}

// As a browser asks for it.
async function dashboard(supabase, account, name) {
  const { data } = await supabase.auth.getSession();
  const page = await fetch(`${API_URL}/rest/v1/rpc/dashboard?account_id=${account}`, {
    headers: { accept: "text/html", apikey: ANON_KEY, authorization: `Bearer ${data.session.access_token}`, "accept-profile": "analytics" },
  });
  if (!page.ok) throw new Error(`dashboard: ${page.status} ${await page.text()}`);
  await writeFile(join(ROOT, ".dev", name), await page.text());
  fact("dashboard", `.dev/${name}, for any browser`);
}

// What the platform says of a connected account comes by itself.
async function filling(supabase, account) {
  const count = async (table) => {
    const { count: rows, error } = await supabase.from(table).select("*", { count: "exact", head: true }).eq("social_account_id", account);
    if (error) throw new Error(`${table}: ${error.message}`);
    return rows;
  };
  const began = Date.now();
  for (let last = "", quiet = began; ; await sleep(250)) {
    const [numbers, posts, audiences] = [await count("metrics_snapshots"), await count("top_content"), await count("audience_insights")];
    const now = `${numbers} numbers, ${posts} posts, ${audiences} audiences`;
    if (now !== last) {
      fact(`after ${((Date.now() - began) / 1000).toFixed(1)} s`, now);
      [last, quiet] = [now, Date.now()];
    }
    if (numbers && posts && audiences && Date.now() - quiet > 2000) break;
    if (Date.now() - began > 120_000) throw new Error("the connected account did not fill");
  }
  const series = await call(supabase, "metric_series", { account_id: account, metric: "reach" });
  if (series.every(({ value }) => value === null)) throw new Error("no day's reach came");
  fact("reach a day", await call(supabase, "sparkline", { numbers: series.map(({ value }) => value) }));
  await dashboard(supabase, account, "demo-connected.html");
}

// A browser's way: the start page, the provider's page (the stand-in consents at once), the callback, and back to the app.
async function consent(address) {
  const start = await fetch(address, { redirect: "manual" });
  const page = await fetch(start.headers.get("location"), { redirect: "manual" });
  const [cookie] = start.headers.getSetCookie()[0].split(";");
  const back = await fetch(page.headers.get("location"), { redirect: "manual", headers: { cookie } });
  return new URL(back.headers.get("location")).searchParams.get("status");
}

async function connection(supabase) {
  // Nobody can consent for the reader at a real provider.
  if (!STANDIN_URL || !OAUTH_URL) return;
  heading("The first connects an Instagram account");
  const redirect_to = "https://app.example.com/connected";
  const sql = postgres(DB_URL, { max: 1, onnotice: () => {} });
  await sql`select analytics_private.allow_redirect(${redirect_to})`;
  const { connection_id, authorization_url } = await call(supabase, "connect_account", { platform: "instagram", redirect_to });
  fact("sent to", `${new URL(authorization_url).origin}/oauth/start/…`);
  fact("came back with", await consent(authorization_url));
  const { found, scopes } = await call(supabase, "connection_status", { connection_id });
  fact("rights given", scopes.join(", "));
  const accounts = await call(supabase, "choose_accounts", { connection_id, platform_user_ids: found.map(({ platform_user_id }) => platform_user_id) });
  for (const { platform, handle, status } of accounts) fact(`@${handle}`, `${platform}, ${status}`);
  const [{ access_token }] = await sql`select access_token from analytics_private.oauth_tokens where social_account_id = ${accounts[0].id}`;
  fact("its token, as stored", fit(access_token, 40));
  await sql.end();
  await filling(supabase, accounts[0].id);
}

async function main() {
  // The operator's part: which plan a price of Stripe buys.
  const sql = postgres(DB_URL, { max: 1, onnotice: () => {} });
  await sql`select analytics_private.set_plan_price('price_demo_standard', 'standard')`;
  await sql.end();

  const first = await signUp("ada");
  const second = await signUp("eve");
  heading("Two users sign up");
  fact("first", first.email);
  fact("second", second.email);
  const { workspaces } = await call(first.supabase, "me");
  fact("workspace of the first", `${workspaces[0].name} (${workspaces[0].role})`);

  const usernames = await profilesToUnlock();
  heading(`The first unlocks ${usernames.length} profiles on the free plan`);
  let answers = await unlock(first.supabase, usernames);
  const unpaid = answers.filter(({ reason }) => reason?.code === "PAYMENT_REQUIRED");
  if (unpaid.length > 0) {
    for (const { username, reason } of unpaid) line(fit(`  ${username}: ${reason.message}`, WIDTH));
    const { limit, used, resets_at } = unpaid[0].reason;
    fact("unlocks used", `${used} of ${limit}, more on ${day(resets_at)}`);
    heading("Stripe reports that the first has subscribed");
    await subscribe(workspaces[0].id, "price_demo_standard");
    const { data } = await first.supabase.from("subscriptions").select("plan_name, status");
    fact("plan", `${data[0].plan_name} (${data[0].status})`);
    answers = await unlock(first.supabase, usernames);
  }
  for (const { username, reason } of answers.filter(({ state }) => state === "failed")) line(fit(`  ${username}: ${reason.message}`, WIDTH));
  const ready = answers.filter(({ state }) => state === "ready");
  if (ready.length === 0) throw new Error("no profile could be unlocked");

  const overviews = [];
  for (const { username } of ready) overviews.push(await overviewWithPosts(first.supabase, username));
  overviews.sort((a, b) => (b.profile.followers_count ?? 0) - (a.profile.followers_count ?? 0));
  overviews.forEach(showProfile);

  heading("All open profiles");
  table(
    [["profile", 26, "left"], ["followers", 13, "right"], ["engagement", 11, "right"], ["open until", 10, "left"]],
    (await call(first.supabase, "my_profiles"))
      .sort((a, b) => (b.followers_count ?? 0) - (a.followers_count ?? 0))
      .map((row) => [`@${row.username}`, number(row.followers_count), percent(row.engagement_rate_by_followers), day(row.expires_at)]),
  );

  const wanted = overviews[0].profile.username.slice(0, 4);
  const found = await call(first.supabase, "search_profiles", { query: wanted });
  heading(`The first searches "${wanted}": ${found.total} found`);
  for (const { username, full_name } of found.items.slice(0, 3)) fact(`@${username}`, full_name);

  const account = await followers(first.supabase);
  await numbers(first.supabase, account);
  await connection(first.supabase);

  heading("What the second sees");
  for (const name of [
    "profiles", "profile_posts", "profile_history", "mentions", "related_profiles", "social_accounts", "social_connections", "follower_snapshots", "platform_users",
    "metrics_snapshots", "top_content", "audience_insights",
  ]) {
    const { count, error } = await second.supabase.from(name).select("*", { count: "exact", head: true });
    if (error) throw new Error(`${name}: ${error.message}`);
    fact(name, `${count} rows`);
    if (count !== 0) throw new Error(`the second user can read ${count} rows of ${name}`);
  }
  const { error, status } = await second.supabase.rpc("profile_overview", { username: ready[0].username });
  if (!error) throw new Error("the second user can read a profile of the first");
  fact("profile_overview", `${status} ${error.code}`);
  fact("", error.message);
  line();
}

await main().catch((error) => {
  console.error(`\ndemo failed: ${error.message}`);
  process.exitCode = 1;
});
