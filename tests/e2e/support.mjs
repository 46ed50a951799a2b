// What the tests share: clients, people, the database behind them, the stand-in's fault switch.
// scripts/test.sh gives the addresses; against a stack left running: `set -a; . .dev/env; node --test tests/e2e/*.test.mjs`.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import postgres from "postgres";
import ws from "ws";

export const { API_URL, ANON_KEY, SERVICE_ROLE_KEY, JWT_SECRET, STANDIN_URL } = process.env;

// A superuser's connection: what an operator or the passing of time does, and what a client must not have changed.
export const sql = postgres(process.env.DB_URL, { max: 2, onnotice: () => {} });

export function client(key = ANON_KEY, { token, headers = {} } = {}) {
  return createClient(API_URL, key, {
    db: { schema: "analytics" },
    auth: { persistSession: false, autoRefreshToken: false },
    global: { headers: token ? { ...headers, Authorization: `Bearer ${token}` } : headers },
    realtime: { transport: ws }, // Node 20 has no WebSocket of its own
  });
}

export async function signUp(name = "user", options) {
  const supabase = client(ANON_KEY, options);
  const email = `${name}.${randomUUID().slice(0, 12)}@example.com`;
  const { data, error } = await supabase.auth.signUp({ email, password: randomUUID() });
  assert.equal(error, null);
  return { supabase, email, id: data.user.id, token: data.session.access_token };
}

const HOUR = 3600;

export function token(claims, { secret = JWT_SECRET, lifetime = HOUR, algorithm = "HS256" } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg: algorithm, typ: "JWT" })}.${part({ aud: "authenticated", role: "authenticated", iat: now, exp: now + lifetime, ...claims })}`;
  return `${body}.${algorithm === "none" ? "" : createHmac("sha256", secret).update(body).digest("base64url")}`;
}

export async function rpc(supabase, name, parameters, options) {
  const { data, error } = await supabase.rpc(name, parameters, options);
  assert.equal(error, null, error && `${name}: ${error.code} ${error.message}`);
  return data;
}

export async function refused(request, status, code) {
  const answer = await request;
  assert.notEqual(answer.error, null, `expected ${code}, got ${JSON.stringify(answer.data)?.slice(0, 200)}`);
  assert.deepEqual([answer.status, answer.error.code], [status, code], answer.error.message);
  return answer.error;
}

export async function rows(request) {
  const { data, error } = await request;
  assert.equal(error, null, error?.message);
  return data;
}

// Asks until the answer will do. The time is a limit for a stack that hangs, not an expectation.
export async function until(question, isEnough, { seconds = 60 } = {}) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await question();
    if (isEnough(answer)) return answer;
    assert.ok(Date.now() < deadline, `still ${JSON.stringify(answer)} after ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const unlock = (supabase, username) =>
  until(() => rpc(supabase, "unlock_profile", { username }), ({ state }) => state !== "pending");

export async function unlocked(supabase, username) {
  const answer = await unlock(supabase, username);
  assert.equal(answer.state, "ready", JSON.stringify(answer.reason));
  return answer;
}

// Delivers a billing event as Stripe would, signed with the stack's secret unless another signature is given.
export async function deliver(event, signature) {
  const body = JSON.stringify(event);
  const time = Math.floor(Date.now() / 1000);
  const signed = createHmac("sha256", process.env.WEBHOOK_SECRET).update(`${time}.${body}`).digest("hex");
  const headers = { "content-type": "application/json", "stripe-signature": signature ?? `t=${time},v1=${signed}` };
  return fetch(process.env.WEBHOOK_URL, { method: "POST", headers, body });
}

// The first requests for `query` meet this fault.
export async function inject(fault) {
  const answer = await fetch(`${STANDIN_URL}/faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fault),
  });
  assert.equal(answer.status, 201);
}

// A profile as nobody has asked for it yet.
export async function forget(username) {
  await sql`delete from analytics_private.jobs where key = ${username}`;
  await sql`delete from analytics_private.raw_payloads where profile_id in (select id from analytics.profiles where username = ${username})`;
  await sql`delete from analytics.profiles where username = ${username}`;
}

export const OBSERVED = [
  "profiles", "profile_history", "profile_posts", "audience_demographics", "creator_metadata", "comment_sentiment", "mentions", "related_profiles",
];
