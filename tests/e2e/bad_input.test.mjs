// Each kind of bad input gets its error from the vocabulary and the right status, and changes nothing.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { refused, rows, rpc, signUp, sql, unlocked } from "./support.mjs";

let ada;
before(async () => {
  ada = await signUp("ada");
});
after(() => sql.end());

async function unchanged(work) {
  const counts = () => sql`
    select (select count(*) from analytics.profiles) as profiles, (select count(*) from analytics_private.jobs) as jobs,
           (select count(*) from analytics.user_profile_access) as windows, (select count(*) from analytics.user_favorites) as favorites`;
  const before = await counts();
  await work();
  assert.deepEqual(await counts(), before);
}

const MALFORMED = {
  "nothing": "",
  "blanks": "   ",
  "a sentence": "not a handle",
  "a dot in front": ".aurora",
  "two dots": "au..rora",
  "too long": "a".repeat(31),
  "10 kB": "a".repeat(10_240),
  "10 kB of dots": ".".repeat(10_240),
  "10 kB of four-byte letters": "𝒜".repeat(2_560),
  "a line break inside": "aurora\nexample",
  "an escape sequence": "\u001b[31maurora",
  "a bell": "aurora\u0007",
  "a right-to-left override": "aurora\u202eexample",
  "a zero-width space": "aurora\u200bexample",
  "letters that only look alike": "аurora.example",
  "a quote that closes": "aurora'; drop table analytics.profiles; --",
  "a condition": "' or 1=1 --",
  "a comment": "aurora/**/example",
  "a JSON object": '{"username": "aurora.example"}',
  "a JSON array": '["aurora.example"]',
  "a template": "${7*7}{{7*7}}",
  "a path": "../../etc/passwd",
  "an address elsewhere": "https://example.com/aurora.example",
  "an address of a post": "https://www.instagram.com/p/AURORA0001/",
  "an address within": "http://169.254.169.254/latest/meta-data",
};

for (const [what, username] of Object.entries(MALFORMED)) {
  test(`a username that is ${what} is a validation error everywhere`, () =>
    unchanged(async () => {
      for (const name of ["unlock_profile", "profile_overview", "profile_timeline", "refresh_profile", "favorite_profile", "unfavorite_profile"]) {
        const error = await refused(ada.supabase.rpc(name, { username }), 400, "VALIDATION_ERROR");
        assert.ok(error.message.length < 200, "an error does not send the input back");
        assert.match(error.message, /^[^\p{Cc}]*$/u);
        assert.equal(JSON.parse(error.details).field, "username");
      }
    }));
}

test("a username with a zero byte, which no text can hold, is refused", () =>
  unchanged(async () => {
    const { error, status } = await ada.supabase.rpc("unlock_profile", { username: "aurora\u0000" });
    assert.notEqual(error, null);
    assert.ok(status >= 400 && status < 500, `${status} ${error.code}`);
  }));

test("a missing username is a validation error, not a profile named null", () =>
  unchanged(async () => {
    await refused(ada.supabase.rpc("unlock_profile", { username: null }), 400, "VALIDATION_ERROR");
    await refused(ada.supabase.rpc("unlock_profile", {}), 404, "PGRST202");
  }));

test("a list of usernames has 1 to 100 of them", () =>
  unchanged(async () => {
    for (const usernames of [[], null, Array.from({ length: 101 }, (_, i) => `user${i}`)]) {
      await refused(ada.supabase.rpc("unlock_profiles", { usernames }), 400, "VALIDATION_ERROR");
    }
  }));

test("a stranger's workspace does not exist for us, and pays for nothing", () =>
  unchanged(async () => {
    const eve = await signUp("eve");
    const [{ id }] = (await rpc(eve.supabase, "me")).workspaces;
    const foreign = await refused(ada.supabase.rpc("unlock_profile", { username: "aurora.example", workspace_id: id }), 404, "NOT_FOUND");
    const unknown = await refused(ada.supabase.rpc("unlock_profile", { username: "aurora.example", workspace_id: randomUUID() }), 404, "NOT_FOUND");
    assert.equal(foreign.message, unknown.message);
    await refused(ada.supabase.rpc("unlock_profile", { username: "aurora.example", workspace_id: "not-a-uuid" }), 400, "22P02");
  }));

test("a stranger's rows can be neither read nor changed by naming them", async () => {
  const eve = await signUp("eve");
  await unlocked(eve.supabase, "aurora.example");
  await rpc(eve.supabase, "favorite_profile", { username: "aurora.example", notes: "hers" });
  assert.deepEqual(await rows(ada.supabase.from("user_favorites").select().eq("user_id", eve.id)), []);
  assert.deepEqual(await rows(ada.supabase.from("user_profile_access").select().eq("user_id", eve.id)), []);
  assert.deepEqual(await rows(ada.supabase.from("users").update({ language: "xx" }).eq("id", eve.id).select()), []);
  assert.equal((await rpc(eve.supabase, "me")).user.language, "en");
  assert.equal(await rpc(ada.supabase, "unfavorite_profile", { username: "aurora.example" }), false);
  assert.equal((await rows(eve.supabase.from("user_favorites").select())).length, 1);
});

test("page sizes, cursors, spans of time and filters out of bounds are validation errors", async () => {
  await unlocked(ada.supabase, "aurora.example");
  const username = "aurora.example";
  for (const [name, parameters] of [
    ["profile_timeline", { username, page_size: 0 }],
    ["profile_timeline", { username, page_size: 101 }],
    ["profile_timeline", { username, page_size: null }],
    ["profile_timeline", { username, after: "bm9uc2Vuc2U" }],
    ["profile_timeline", { username, after: "' or true --" }],
    ["profile_timeline", { username, after: "x".repeat(10_240) }],
    ["newest_posts", { page_size: -1 }],
    ["newest_posts", { since: "-1 day" }],
    ["newest_posts", { since: "11 years" }],
    ["newest_posts", { after: "{}" }],
    ["search_profiles", { query: "x".repeat(201) }],
    ["search_profiles", { query: "a", filters: "not json" }],
    ["search_profiles", { query: "a", filters: "[]" }],
    ["search_profiles", { query: "a", filters: '{"password": "x"}' }],
    ["search_profiles", { query: "a", filters: '{"followers_min": "many"}' }],
    ["search_profiles", { query: "a", page_size: 1000 }],
    ["favorite_profile", { username, notes: "x".repeat(5_001) }],
    ["favorite_profile", { username, tags: Array(51).fill("tag") }],
    ["favorite_profile", { username, tags: [""] }],
  ]) {
    await refused(ada.supabase.rpc(name, parameters), 400, "VALIDATION_ERROR");
  }
});

test("a search takes wildcards, quotes and operators as the letters they are", async () => {
  await unlocked(ada.supabase, "aurora.example");
  for (const query of ["%", "_", "\\", "'", "a' or true --", "!&|:*()", "<->", "🦊", "\u202e"]) {
    const { total, items } = await rpc(ada.supabase, "search_profiles", { query });
    assert.ok(total >= items.length);
  }
  assert.equal((await rpc(ada.supabase, "search_profiles", { query: "%%%%" })).total, 0);
});

test("every error tells the request it belongs to, and no stack", async () => {
  const error = await refused(ada.supabase.rpc("unlock_profile", { username: "not a handle" }), 400, "VALIDATION_ERROR");
  assert.ok(JSON.parse(error.details).request_id.length > 0);
  assert.doesNotMatch(JSON.stringify(error), /PL\/pgSQL|\.rs:|at \//);
});
