// Through a real sidecar and the stand-in, with the samples it ships.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ANON_KEY, OBSERVED, SERVICE_ROLE_KEY, client, forget, refused, rows, rpc, signUp, sql, unlock, unlocked, until } from "./support.mjs";

let ada, eve;
before(async () => {
  [ada, eve] = await Promise.all([signUp("ada"), signUp("eve")]);
});
after(() => sql.end());

test("a profile nobody has asked for is pending first, then ready, in one window", async () => {
  await forget("aurora.example");
  const first = await rpc(ada.supabase, "unlock_profile", { username: "https://www.instagram.com/Aurora.Example/" });
  assert.deepEqual([first.username, first.state, first.opened, first.reason], ["aurora.example", "pending", true, null]);
  assert.equal(Date.parse(first.window.to) - Date.parse(first.window.from), 30 * 86_400_000);
  const last = await unlocked(ada.supabase, "@aurora.example");
  assert.deepEqual([last.opened, last.stale, last.window], [false, false, first.window]);
});

test("the overview shows what the platform said", async () => {
  await unlocked(ada.supabase, "aurora.example");
  const { profile, posts, engagement, top_posts, related_profiles, mentions, hashtags, state } = await rpc(
    ada.supabase, "profile_overview", { username: "aurora.example" }, { get: true });
  assert.deepEqual([state, profile.username, profile.full_name], ["ready", "aurora.example", "Aurora Lindqvist"]);
  assert.equal(profile.followers_count, 2_418_307_551); // more than 32 bits hold
  assert.equal(profile.posts_count, 1846);
  assert.equal(posts.stored, 12);
  assert.equal(related_profiles.length, 4);
  assert.ok(engagement.posts_counted > 0 && engagement.posts_counted <= 12 && engagement.engagement_rate_by_followers > 0);
  assert.ok(mentions.length > 0 && hashtags.length > 0);
  const score = (post) => post.likes_count + (post.comments_count ?? 0);
  assert.deepEqual(top_posts.map(score), top_posts.map(score).toSorted((a, b) => b - a));
});

test("another user reads no row of it, and a request without a user even less", async () => {
  const { profile_id } = await unlocked(ada.supabase, "aurora.example");
  for (const table of OBSERVED) {
    assert.deepEqual(await rows(eve.supabase.from(table).select()), [], table);
    await refused(client().from(table).select(), 401, "42501");
  }
  assert.deepEqual(await rows(eve.supabase.from("profile_posts").select().eq("profile_id", profile_id)), []);
  for (const name of ["profile_overview", "profile_timeline", "refresh_profile", "favorite_profile"]) {
    await refused(eve.supabase.rpc(name, { username: "aurora.example" }), 404, "NOT_FOUND");
    await refused(client().rpc(name, { username: "aurora.example" }), 401, "UNAUTHORIZED");
  }
  assert.deepEqual(await rpc(eve.supabase, "my_profiles"), []);
  await refused(client().rpc("my_profiles"), 401, "42501");
});

test("a profile that is not unlocked answers as one that does not exist", async () => {
  await unlocked(ada.supabase, "aurora.example");
  const known = await refused(eve.supabase.rpc("profile_overview", { username: "aurora.example" }), 404, "NOT_FOUND");
  const unknown = await refused(eve.supabase.rpc("profile_overview", { username: "nobody.at.all" }), 404, "NOT_FOUND");
  assert.equal(known.message.replace("aurora.example", "X"), unknown.message.replace("nobody.at.all", "X"));
});

test("the tables themselves can be read by REST, embedded and counted", async () => {
  const { profile_id } = await unlocked(ada.supabase, "aurora.example");
  const [row] = await rows(ada.supabase.from("profiles").select("username,profile_posts(shortcode)").eq("id", profile_id));
  assert.deepEqual([row.username, row.profile_posts.length], ["aurora.example", 12]);
  const { count } = await ada.supabase.from("profile_posts").select("*", { count: "exact", head: true }).eq("profile_id", profile_id);
  assert.equal(count, 12);
});

test("what is already there opens at once for the next user, with a window of his own", async () => {
  await unlocked(ada.supabase, "aurora.example");
  const ben = await signUp("ben");
  const answer = await rpc(ben.supabase, "unlock_profile", { username: "aurora.example" });
  assert.deepEqual([answer.state, answer.opened], ["ready", true]);
  const windows = await rows(ben.supabase.from("user_profile_access").select("user_id"));
  assert.deepEqual(windows, [{ user_id: ben.id }]);
});

test("a profile without posts in it gets them by a second fetch", async () => {
  await forget("dvorek.example");
  await unlocked(ada.supabase, "dvorek.example");
  const { posts } = await until(
    () => rpc(ada.supabase, "profile_overview", { username: "dvorek.example" }), (overview) => overview.posts.stored > 0);
  assert.notEqual(posts.captured_at, null);
});

test("a private profile shows its numbers and has no posts", async () => {
  await unlocked(ada.supabase, "pavla.example");
  const { profile, posts, engagement } = await rpc(ada.supabase, "profile_overview", { username: "pavla.example" });
  assert.deepEqual([profile.is_private, profile.followers_count, posts.stored, engagement.engagement_rate_by_followers], [true, 164, 0, null]);
});

test("a username that does not exist fails with the reason, opens nothing and is not asked for again", async () => {
  for (const username of ["nobody.example", "deleted_account"]) {
    const answer = await unlock(ada.supabase, username);
    assert.deepEqual([answer.state, answer.reason.code, answer.window, answer.opened], ["failed", "NOT_FOUND", null, false]);
    await refused(ada.supabase.rpc("profile_overview", { username }), 404, "NOT_FOUND");
    const jobs = await sql`select count(*)::int as n from analytics_private.jobs where key = ${username}`;
    await rpc(ada.supabase, "unlock_profile", { username });
    assert.deepEqual(await sql`select count(*)::int as n from analytics_private.jobs where key = ${username}`, jobs);
  }
});

test("several at once answer in order, doubles once, the malformed by themselves", async () => {
  await unlocked(ada.supabase, "aurora.example");
  await unlocked(ada.supabase, "pavla.example");
  const answers = await rpc(ada.supabase, "unlock_profiles", { usernames: ["pavla.example", "no spaces", "@Aurora.Example", "aurora.example"] });
  assert.deepEqual(
    answers.map(({ username, state, reason }) => [username, state, reason?.code ?? null]),
    [["pavla.example", "ready", null], [null, "failed", "VALIDATION_ERROR"], ["aurora.example", "ready", null]]);
});

test("a window that has ended closes everything under it, and unlocking opens a new one", async () => {
  const ben = await signUp("ben");
  const { profile_id, window } = await unlocked(ben.supabase, "aurora.example");
  await rpc(ben.supabase, "favorite_profile", { username: "aurora.example" });
  await sql`update analytics.user_profile_access set granted_at = granted_at - interval '31 days', expires_at = now()
            where user_id = ${ben.id} and profile_id = ${profile_id}`;
  for (const table of OBSERVED) assert.deepEqual(await rows(ben.supabase.from(table).select()), [], table);
  await refused(ben.supabase.rpc("profile_overview", { username: "aurora.example" }), 404, "NOT_FOUND");
  await refused(ben.supabase.rpc("profile_timeline", { username: "aurora.example" }), 404, "NOT_FOUND");
  assert.deepEqual(await rpc(ben.supabase, "my_profiles"), []);
  assert.equal((await rpc(ben.supabase, "search_profiles", { query: "aurora" })).total, 0);
  assert.deepEqual((await rpc(ben.supabase, "newest_posts", { since: "10 years" })).items, []);
  const embedded = await rows(ben.supabase.from("user_favorites").select("profile_id,profiles(username)"));
  assert.deepEqual(embedded, [{ profile_id, profiles: null }]);

  const again = await unlocked(ben.supabase, "aurora.example");
  assert.ok(Date.parse(again.window.from) > Date.parse(window.from));
  assert.equal((await rpc(ben.supabase, "profile_overview", { username: "aurora.example" })).profile.id, profile_id);
});

test("a timeline is read page by page without a gap or a double", async () => {
  await unlocked(ada.supabase, "hiroko.example");
  const seen = [];
  const sizes = [];
  let after = null;
  do {
    const page = await rpc(ada.supabase, "profile_timeline", { username: "hiroko.example", page_size: 5, after });
    seen.push(...page.items);
    sizes.push(page.items.length);
    after = page.next_cursor;
  } while (after);
  assert.deepEqual(sizes, [5, 5, 2]);
  assert.equal(new Set(seen.map(({ id }) => id)).size, 12);
  const times = seen.map(({ posted_at }) => Date.parse(posted_at));
  assert.deepEqual(times, times.toSorted((a, b) => b - a));
});

test("the newest posts of all open profiles come together, newest first", async () => {
  await unlocked(ada.supabase, "aurora.example");
  await unlocked(ada.supabase, "hiroko.example");
  const first = await rpc(ada.supabase, "newest_posts", { page_size: 10, since: "10 years" });
  const second = await rpc(ada.supabase, "newest_posts", { page_size: 10, since: "10 years", after: first.next_cursor });
  const items = [...first.items, ...second.items];
  const times = items.map(({ posted_at }) => Date.parse(posted_at));
  assert.deepEqual(times, times.toSorted((a, b) => b - a));
  assert.equal(new Set(items.map(({ id }) => id)).size, 20);
  const open = new Set((await rpc(ada.supabase, "my_profiles")).map(({ username }) => username));
  assert.ok(items.every(({ username }) => open.has(username)));
});

test("search finds by parts, misspellings and words among one's own, and is recorded", async () => {
  await unlocked(ada.supabase, "aurora.example");
  await unlocked(ada.supabase, "hiroko.example");
  const names = async (parameters) => (await rpc(ada.supabase, "search_profiles", parameters)).items.map(({ username }) => username);
  assert.ok((await names({ query: "auro" })).includes("aurora.example"));
  assert.ok((await names({ query: "aurrora" })).includes("aurora.example"));
  assert.deepEqual(await names({ query: "", filters: '{"followers_min": 1000000000}' }), ["aurora.example"]);
  assert.equal((await rpc(eve.supabase, "search_profiles", { query: "auro" })).total, 0);
  const recorded = await rows(ada.supabase.from("user_searches").select("search_query,user_id").eq("analysis_type", "search").eq("search_query", "auro"));
  assert.deepEqual(recorded, [{ search_query: "auro", user_id: ada.id }]);
});

test("favourites carry notes and tags, are one's own, and can be taken away", async () => {
  await unlocked(ada.supabase, "aurora.example");
  await rpc(ada.supabase, "favorite_profile", { username: "aurora.example", notes: "spring", tags: ["north", "light"] });
  await rpc(ada.supabase, "favorite_profile", { username: "aurora.example", notes: "summer" });
  const [saved] = await rows(ada.supabase.from("user_favorites").select("notes,tags"));
  assert.deepEqual([saved.notes, saved.tags], ["summer", ["north", "light"]]);
  assert.equal((await rpc(ada.supabase, "my_profiles")).find(({ username }) => username === "aurora.example").is_favorite, true);
  assert.deepEqual(await rows(eve.supabase.from("user_favorites").select()), []);
  assert.equal(await rpc(ada.supabase, "unfavorite_profile", { username: "aurora.example" }), true);
  assert.equal(await rpc(ada.supabase, "unfavorite_profile", { username: "aurora.example" }), false);
});

test("fresh data is not fetched again, stale data is", async () => {
  const { profile_id, captured_at } = await unlocked(ada.supabase, "pavla.example");
  assert.equal((await rpc(ada.supabase, "refresh_profile", { username: "pavla.example" })).refreshing, false);
  await sql`update analytics.profiles set captured_at = captured_at - interval '25 hours' where id = ${profile_id}`;
  assert.equal((await rpc(ada.supabase, "refresh_profile", { username: "pavla.example" })).refreshing, true);
  const refreshed = await until(() => rpc(ada.supabase, "unlock_profile", { username: "pavla.example" }), ({ stale }) => !stale);
  assert.ok(Date.parse(refreshed.captured_at) > Date.parse(captured_at));
});

test("nobody writes windows, captures or searches by REST", async () => {
  const { profile_id } = await unlocked(ada.supabase, "aurora.example");
  const { workspaces } = await rpc(eve.supabase, "me");
  const window = { user_id: eve.id, profile_id, workspace_id: workspaces[0].id, granted_at: "2020-01-01", expires_at: "2099-01-01" };
  for (const supabase of [eve.supabase, client(SERVICE_ROLE_KEY)]) {
    await refused(supabase.from("user_profile_access").insert(window), 403, "42501");
    await refused(supabase.from("profiles").update({ followers_count: 1 }).eq("id", profile_id), 403, "42501");
  }
  await refused(ada.supabase.from("user_profile_access").update({ expires_at: "2099-01-01" }).eq("user_id", ada.id), 403, "42501");
  await refused(ada.supabase.from("profile_posts").delete().eq("profile_id", profile_id), 403, "42501");
  await refused(ada.supabase.from("user_searches").delete().eq("user_id", ada.id), 403, "42501");
});

test("the backend's key reads all windows", async () => {
  await unlocked(ada.supabase, "aurora.example");
  const windows = await rows(client(SERVICE_ROLE_KEY).from("user_profile_access").select("user_id").eq("user_id", ada.id));
  assert.ok(windows.length > 0);
  assert.notEqual(ANON_KEY, SERVICE_ROLE_KEY);
});
