import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { ANON_KEY, API_URL, SERVICE_ROLE_KEY, client, refused, rows, rpc, signUp, sql, token } from "./support.mjs";

after(() => sql.end());

test("signing up makes a user with a profile and a personal workspace of his own", async () => {
  const ada = await signUp("ada");
  const me = await rpc(ada.supabase, "me");
  assert.deepEqual([me.user.id, me.user.email, me.user.status], [ada.id, ada.email, "active"]);
  assert.deepEqual(me.workspaces.map(({ role, is_personal, status }) => [role, is_personal, status]), [["owner", true, "active"]]);
  assert.equal(me.user.default_workspace_id, me.workspaces[0].id);
  assert.equal((await rows(ada.supabase.from("user_profiles").select())).length, 1);
});

test("me() tells the request's id, address and user agent", async () => {
  const ada = await signUp("ada");
  const supabase = client(ANON_KEY, {
    token: ada.token,
    headers: { "x-request-id": "req-4711", "user-agent": "tests/1", "x-forwarded-for": "203.0.113.7, 10.0.0.1" },
  });
  assert.deepEqual((await rpc(supabase, "me")).request, { request_id: "req-4711", ip: "203.0.113.7", user_agent: "tests/1" });
});

test("users, workspaces and members of strangers are not to be seen", async () => {
  const [ada, eve] = await Promise.all([signUp("ada"), signUp("eve")]);
  const { workspaces } = await rpc(ada.supabase, "me");
  assert.deepEqual((await rows(eve.supabase.from("users").select("id"))).map(({ id }) => id), [eve.id]);
  assert.deepEqual(await rows(eve.supabase.from("workspaces").select().eq("id", workspaces[0].id)), []);
  assert.deepEqual(await rows(eve.supabase.from("workspace_members").select().eq("workspace_id", workspaces[0].id)), []);
});

test("a request without a token has no user, no rows and no rights", async () => {
  await refused(client().rpc("me"), 401, "UNAUTHORIZED");
  await refused(client().rpc("unlock_profile", { username: "aurora.example" }), 401, "UNAUTHORIZED");
  await refused(client().from("profiles").select(), 401, "42501");
});

test("a request without an API key, or with a made-up one, is turned away", async () => {
  const call = (headers) => fetch(`${API_URL}/rest/v1/profiles`, { headers: { "accept-profile": "analytics", ...headers } });
  assert.equal((await call({})).status, 401);
  assert.equal((await call({ apikey: "sb_publishable_guess" })).status, 401);
});

test("a forged or expired token is refused whatever it claims", async () => {
  const ada = await signUp("ada");
  const tampered = `${ada.token.slice(0, -4)}${ada.token.endsWith("AAAA") ? "BBBB" : "AAAA"}`;
  for (const [forged, code] of [
    [tampered, "PGRST301"],
    [token({ sub: ada.id }, { secret: "another-secret-of-sufficient-length-0123456789" }), "PGRST301"],
    [token({ sub: ada.id, role: "service_role" }, { secret: "" }), "PGRST301"],
    [token({ sub: ada.id }, { lifetime: -60 }), "PGRST303"],
  ]) {
    await refused(client(ANON_KEY, { token: forged }).rpc("me"), 401, code);
    await refused(client(ANON_KEY, { token: forged }).from("users").select(), 401, code);
  }
});

// Some servers answer "bad token", some take what is no signed token for none at all.
test("an unsigned token is nobody's", async () => {
  const ada = await signUp("ada");
  const supabase = client(ANON_KEY, { token: token({ sub: ada.id, role: "service_role" }, { algorithm: "none" }) });
  for (const request of [supabase.rpc("me"), supabase.from("users").select()]) {
    const { data, status } = await request;
    assert.deepEqual([data, status], [null, 401]);
  }
});

test("a valid token of nobody we know is a stranger's", async () => {
  for (const sub of [randomUUID(), "not-a-uuid", "", "' or true --", null]) {
    const supabase = client(ANON_KEY, { token: token({ sub }) });
    await refused(supabase.rpc("me"), 401, "UNAUTHORIZED");
    assert.deepEqual(await rows(supabase.from("users").select()), []);
  }
});

test("a Firebase subject is the user an operator linked it to", async () => {
  const uid = `fb${randomUUID().replaceAll("-", "").slice(0, 26)}`;
  const [{ id }] = await sql`select analytics_private.link_firebase_user(${uid}, 'fire@example.com') as id`;
  const me = await rpc(client(ANON_KEY, { token: token({ sub: uid }) }), "me");
  assert.deepEqual([me.user.id, me.workspaces.length], [id, 1]);
});

test("a suspended user sees and does nothing until readmitted", async () => {
  const ada = await signUp("ada");
  await sql`select analytics_private.set_user_status(${ada.id}, 'suspended')`;
  await refused(ada.supabase.rpc("me"), 403, "FORBIDDEN");
  await refused(ada.supabase.rpc("unlock_profile", { username: "aurora.example" }), 403, "FORBIDDEN");
  for (const table of ["users", "workspaces", "user_profiles"]) assert.deepEqual(await rows(ada.supabase.from(table).select()), []);
  await sql`select analytics_private.set_user_status(${ada.id}, 'active')`;
  assert.equal((await rpc(ada.supabase, "me")).user.id, ada.id);
});

test("a suspended workspace pays for nothing", async () => {
  const ada = await signUp("ada");
  const { workspaces } = await rpc(ada.supabase, "me");
  await sql`select analytics_private.set_workspace_status(${workspaces[0].id}, 'suspended')`;
  await refused(ada.supabase.rpc("unlock_profile", { username: "aurora.example" }), 403, "FORBIDDEN");
  await refused(ada.supabase.rpc("unlock_profile", { username: "aurora.example", workspace_id: workspaces[0].id }), 404, "NOT_FOUND");
});

test("a user sets his preferences and nothing that decides about rights", async () => {
  const ada = await signUp("ada");
  const mine = () => ada.supabase.from("users");
  assert.equal((await mine().update({ timezone: "Europe/Prague" }).eq("id", ada.id)).error, null);
  assert.equal((await rpc(ada.supabase, "me")).user.timezone, "Europe/Prague");
  await refused(mine().update({ status: "active" }).eq("id", ada.id), 403, "42501");
  await refused(mine().update({ is_verified: true }).eq("id", ada.id), 403, "42501");
  await refused(mine().delete().eq("id", ada.id), 403, "42501");
  await refused(ada.supabase.from("workspace_members").insert({ user_id: ada.id, role: "owner" }), 403, "42501");
});

test("an account that is deleted leaves a tombstone and a dead token", async () => {
  const ada = await signUp("ada");
  await sql`delete from auth.users where id = ${ada.id}`;
  await refused(ada.supabase.rpc("me"), 403, "FORBIDDEN");
  const [user] = await sql`select status, email, deleted_at is not null as is_dated from analytics.users where id = ${ada.id}`;
  assert.deepEqual([user.status, user.email, user.is_dated], ["deleted", null, true]);
});

test("the accounts themselves are for the backend only", async () => {
  const ada = await signUp("ada");
  await refused(ada.supabase.from("auth_users").select(), 403, "42501");
  const found = await rows(client(SERVICE_ROLE_KEY).from("auth_users").select("email").eq("id", ada.id));
  assert.deepEqual(found, [{ email: ada.email }]);
});

test("the private schema is not served", async () => {
  const ada = await signUp("ada");
  await refused(ada.supabase.schema("analytics_private").from("jobs").select(), 406, "PGRST106");
  await refused(ada.supabase.schema("analytics_private").rpc("claim_jobs"), 406, "PGRST106");
});
