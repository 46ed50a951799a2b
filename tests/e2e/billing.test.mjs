// Paying, as the client's backend and Stripe see it: five unlocks are free, a subscription gives more, credits more still.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { deliver, refused, rows, rpc, signUp, sql } from "./support.mjs";

const id = (kind) => `${kind}_${randomUUID().replaceAll("-", "")}`;
// Names that no earlier run has asked for: a failed fetch is remembered.
const usernames = Array.from({ length: 6 }, () => `pay.${randomUUID().slice(0, 8)}`);
let ada, workspace;

before(async () => {
  ada = await signUp("ada");
  workspace = (await rpc(ada.supabase, "me")).workspaces[0].id;
  await sql`select analytics_private.set_plan_price('price_e2e_standard', 'standard')`;
});
after(() => sql.end());

const event = (type, object) => ({
  id: id("evt"), object: "event", type, created: Math.floor(Date.now() / 1000), livemode: true, data: { object },
});
const customer = id("cus");
const subscription = {
  id: id("sub"), object: "subscription", customer, status: "active", billing_cycle_anchor: Math.floor(Date.now() / 1000), metadata: {},
  items: { data: [{ price: { id: "price_e2e_standard" }, current_period_start: 1790000000, current_period_end: 1792592000 }] },
};
const plan = async () => (await rows(ada.supabase.from("subscriptions").select("plan_name, status")))[0];

test("the free plan opens five windows and refuses the sixth, saying what is left", async () => {
  const answers = await rpc(ada.supabase, "unlock_profiles", { usernames });
  assert.deepEqual(answers.map(({ opened }) => opened), [true, true, true, true, true, false]);
  assert.deepEqual([answers[5].reason.code, answers[5].reason.limit], ["PAYMENT_REQUIRED", 5]);
});

test("a signed event changes the plan, once its checkout tells the workspace, however often it comes", async () => {
  const started = event("customer.subscription.created", subscription);
  assert.equal((await deliver(started)).status, 200);
  assert.equal(await plan(), undefined);
  const checkout = { id: id("cs"), object: "checkout.session", mode: "subscription", customer, client_reference_id: workspace, payment_status: "paid" };
  assert.equal((await deliver(event("checkout.session.completed", checkout))).status, 200);
  assert.deepEqual(await plan(), { plan_name: "standard", status: "active" });
  const again = await Promise.all(Array.from({ length: 4 }, () => deliver(started)));
  assert.deepEqual(again.map(({ status }) => status), [200, 200, 200, 200]);
  assert.equal((await rows(ada.supabase.from("subscription_history").select("status"))).length, 1);
  assert.equal((await rpc(ada.supabase, "unlock_profile", { username: usernames[5] })).opened, true);
});

test("a paid checkout brings credits", async () => {
  const checkout = { id: id("cs"), object: "checkout.session", mode: "payment", customer, payment_status: "paid", metadata: { credits: "100" } };
  assert.equal((await deliver(event("checkout.session.completed", checkout))).status, 200);
  assert.equal((await rpc(ada.supabase, "credit_balance")).balance, 100);
  const { items } = await rpc(ada.supabase, "credit_history");
  assert.deepEqual(items.map(({ kind, amount }) => [kind, amount]), [["purchase", 100]]);
});

test("an event without Stripe's signature changes nothing", async () => {
  const ended = event("customer.subscription.deleted", { ...subscription, status: "canceled" });
  for (const signature of ["", "t=1,v1=00", `t=${Math.floor(Date.now() / 1000)},v1=${"0".repeat(64)}`]) {
    const answer = await deliver(ended, signature);
    assert.deepEqual([answer.status, await answer.text()], [400, ""]);
  }
  assert.deepEqual(await plan(), { plan_name: "standard", status: "active" });
});

test("what is signed and no event is refused, so that Stripe shows it as failed", async () => {
  assert.equal((await deliver({ object: "list" })).status, 400);
});

test("others see neither plan, payments nor credits", async () => {
  const eve = await signUp("eve");
  for (const table of ["subscriptions", "subscription_history", "credit_balances", "credit_transactions", "credit_entries"]) {
    assert.deepEqual(await rows(eve.supabase.from(table).select("workspace_id")), [], table);
  }
  await refused(eve.supabase.rpc("credit_balance", { workspace_id: workspace }), 404, "NOT_FOUND");
});

test("a refusal says what is left to pay with, and when there is more", async () => {
  const carl = await signUp("carl");
  const home = (await rpc(carl.supabase, "me")).workspaces[0].id;
  await sql`select analytics_private.try_take_units(${home}, 'profile_unlocks', 5)`;
  const error = await refused(carl.supabase.rpc("unlock_profile", { username: `pay.${randomUUID().slice(0, 8)}` }), 402, "PAYMENT_REQUIRED");
  const { limit, used, price, balance, resets_at } = JSON.parse(error.details);
  assert.deepEqual([limit, used, price, balance], [5, 5, 25, 0]);
  assert.ok(new Date(resets_at) > new Date());
});

test("the end of a subscription is the end of its plan", async () => {
  assert.equal((await deliver(event("customer.subscription.deleted", { ...subscription, status: "canceled" }))).status, 200);
  assert.deepEqual(await plan(), { plan_name: "standard", status: "canceled" });
});
