import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { SERVICE_ROLE_KEY, client, refused, rows, rpc, signUp, sql } from "./support.mjs";

after(() => sql.end());

async function confirmed(name) {
  const user = await signUp(name);
  await sql`update auth.users set email_confirmed_at = coalesce(email_confirmed_at, now()) where id = ${user.id}`;
  return user;
}

// A workspace with seats, as a billing event would give them.
async function workspaceOf(owner, plan = "premium") {
  const { workspace_id } = await rpc(owner.supabase, "create_workspace", { name: "Harbour" });
  await sql`insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at) values (${workspace_id}, ${plan}, 'active', now())`;
  return workspace_id;
}

const invite = (owner, workspace_id, { email }, role) => rpc(owner.supabase, "invite_member", { workspace_id, email, role });

async function joined(owner, workspace_id, user, role) {
  const { token } = await invite(owner, workspace_id, user, role);
  return rpc(user.supabase, "accept_invite", { token });
}

test("an invitation: seen by the invitee, previewed by anybody with its token, accepted once", async () => {
  const [olga, adam, eve] = await Promise.all(["olga", "adam", "eve"].map(confirmed));
  const workspace_id = await workspaceOf(olga);
  const { token, email } = await invite(olga, workspace_id, { email: adam.email.toUpperCase() }, "editor");
  assert.equal(email, adam.email);
  assert.match(token, /^[\w-]{43}$/);

  const preview = await rpc(client(), "invite_preview", { token });
  assert.deepEqual([preview.workspace_name, preview.role], ["Harbour", "editor"]);
  assert.ok(!JSON.stringify(preview).includes(adam.email));
  assert.deepEqual((await rpc(adam.supabase, "my_invites")).map((i) => i.workspace_name), ["Harbour"]);
  const listed = await rows(adam.supabase.from("workspace_invites").select());
  assert.deepEqual(listed.map((i) => [i.email, i.role]), [[adam.email, "editor"]]);
  assert.ok(!JSON.stringify(listed).includes(token));

  await refused(client().rpc("accept_invite", { token }), 401, "UNAUTHORIZED");
  await refused(eve.supabase.rpc("accept_invite", { token }), 403, "FORBIDDEN");
  assert.deepEqual(await rpc(adam.supabase, "accept_invite", { token }), { workspace_id, name: "Harbour", role: "editor" });
  await refused(adam.supabase.rpc("accept_invite", { token }), 409, "CONFLICT");
  await refused(client().rpc("invite_preview", { token }), 409, "CONFLICT");
  assert.equal((await rows(adam.supabase.from("workspace_members").select().eq("workspace_id", workspace_id))).length, 2);
});

test("without a seat nobody is invited, and the answer says how many there are", async () => {
  const olga = await confirmed("olga");
  const { workspace_id } = await rpc(olga.supabase, "create_workspace", { name: "Free" });
  const error = await refused(olga.supabase.rpc("invite_member", { workspace_id, email: "x@example.com" }), 402, "PAYMENT_REQUIRED");
  const { resource, limit, used } = JSON.parse(error.details);
  assert.deepEqual({ resource, limit, used }, { resource: "seats", limit: 1, used: 1 });
  assert.deepEqual((await rpc(olga.supabase, "can", { action: "invite_member", object: workspace_id })).code, "PAYMENT_REQUIRED");
});

test("twenty people accept twenty invitations for the seats that are left at the same time", async () => {
  const olga = await confirmed("olga");
  const workspace_id = await workspaceOf(olga, "premium");
  await sql`insert into analytics.plans (name, title, seats, price_cents) values ('wide', 'Wide', 100, 0) on conflict do nothing`;
  await sql`update analytics.subscriptions set plan_name = 'wide' where workspace_id = ${workspace_id}`;
  const people = await Promise.all(Array.from({ length: 20 }, () => confirmed("guest")));
  const tokens = [];
  for (const person of people) tokens.push((await invite(olga, workspace_id, person, "analyst")).token);
  await sql`update analytics.subscriptions set plan_name = 'premium' where workspace_id = ${workspace_id}`;
  const answers = await Promise.all(people.map(({ supabase }, i) => supabase.rpc("accept_invite", { token: tokens[i] })));
  const count = (status) => answers.filter((a) => a.status === status).length;
  assert.deepEqual([count(200), count(402)], [4, 16]);
  const [{ members }] = await sql`select count(*)::int as members from analytics.workspace_members where workspace_id = ${workspace_id}`;
  assert.equal(members, 5);
});

test("who may do what, and what can() says of it", async () => {
  const [olga, adam, anna] = await Promise.all(["olga", "adam", "anna"].map(confirmed));
  const workspace_id = await workspaceOf(olga);
  await joined(olga, workspace_id, adam, "admin");
  await joined(adam, workspace_id, anna, "analyst");
  const answer = await rpc(anna.supabase, "can", { action: "invite_member", object: workspace_id });
  assert.deepEqual([answer.allowed, answer.needs, answer.role], [false, "admin", "analyst"]);
  await refused(anna.supabase.rpc("invite_member", { workspace_id, email: "x@example.com" }), 403, "FORBIDDEN");
  await refused(adam.supabase.rpc("change_role", { workspace_id, user_id: olga.id, role: "analyst" }), 403, "FORBIDDEN");
  await refused(adam.supabase.rpc("remove_member", { workspace_id, user_id: olga.id }), 403, "FORBIDDEN");
  await refused(adam.supabase.rpc("invite_member", { workspace_id, email: "x@example.com", role: "owner" }), 400, "VALIDATION_ERROR");
  await refused(olga.supabase.rpc("leave_workspace", { workspace_id }), 409, "CONFLICT");
  await refused(anna.supabase.rpc("can", { action: "fly" }), 400, "VALIDATION_ERROR");
  assert.equal((await rpc(adam.supabase, "change_role", { workspace_id, user_id: anna.id, role: "editor" })).former_role, "analyst");
  await rpc(adam.supabase, "remove_member", { workspace_id, user_id: anna.id });
  assert.deepEqual(await rows(anna.supabase.from("workspaces").select("id").eq("id", workspace_id)), []);
});

test("ownership goes to one of two who are named at once", async () => {
  const [olga, adam, edda] = await Promise.all(["olga", "adam", "edda"].map(confirmed));
  const workspace_id = await workspaceOf(olga);
  await joined(olga, workspace_id, adam, "admin");
  await joined(olga, workspace_id, edda, "editor");
  const answers = await Promise.all([adam, edda].map(({ id }) => olga.supabase.rpc("transfer_ownership", { workspace_id, user_id: id })));
  assert.deepEqual(answers.map((a) => a.status).sort(), [200, 403]);
  const owners = await sql`select user_id from analytics.workspace_members where workspace_id = ${workspace_id} and role = 'owner'`;
  assert.equal(owners.length, 1);
  const former = await rpc(olga.supabase, "can", { action: "delete_workspace", object: workspace_id });
  assert.deepEqual([former.allowed, former.role], [false, "admin"]);
});

test("a deleted workspace leaves a tombstone and its audit", async () => {
  const olga = await confirmed("olga");
  const { workspace_id } = await rpc(olga.supabase, "create_workspace", { name: "Passing" });
  await rpc(olga.supabase, "delete_workspace", { workspace_id });
  await refused(olga.supabase.rpc("delete_workspace", { workspace_id }), 404, "NOT_FOUND");
  const [place] = await sql`select name, status from analytics.workspaces where id = ${workspace_id}`;
  assert.deepEqual({ ...place }, { name: "deleted workspace", status: "deleted" });
  const records = await rows(client(SERVICE_ROLE_KEY).from("audit_logs").select("action").eq("workspace_id", workspace_id).order("timestamp"));
  assert.deepEqual(["workspace.created", "workspace.deleted"].filter((action) => !records.some((record) => record.action === action)), []);
});

test("a user takes his data along and goes", async () => {
  const ada = await confirmed("ada");
  const data = await rpc(ada.supabase, "export_my_data");
  assert.deepEqual([data.account[0].email, data.memberships.length], [ada.email, 1]);
  await refused(ada.supabase.rpc("delete_my_account", { confirm: `${randomUUID()}@example.com` }), 400, "VALIDATION_ERROR");
  assert.equal(await rpc(ada.supabase, "delete_my_account", { confirm: ada.email }), true);
  await refused(ada.supabase.rpc("me"), 403, "FORBIDDEN");
  const [user] = await sql`select status, email from analytics.users where id = ${ada.id}`;
  assert.deepEqual({ ...user }, { status: "deleted", email: null });
});

test("the report on rights is for the backend only", async () => {
  const ada = await signUp("ada");
  await refused(ada.supabase.rpc("rls_report"), 403, "42501");
  const report = await rows(client(SERVICE_ROLE_KEY).rpc("rls_report").limit(10000));
  assert.deepEqual(report.filter(({ finding }) => finding !== null), []);
  assert.ok(report.some((r) => r.object_name === "workspace_invites" && r.role_name === "authenticated" && r.policy));
});
