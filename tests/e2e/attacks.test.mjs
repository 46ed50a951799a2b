// What somebody may try with the pages of consent and the functions behind them. Each attack is refused with its own error
// and has its record in the audit trail; outside, all refusals of the pages look the same. (Addresses that a provider
// returns and that must not be called: sidecar/tests/outbound.rs.)
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { request } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { APP, Browser, OAUTH_URL, begin, calls, connect, consent, connected, fault, standin } from "./consent.mjs";
import { client, refused, rpc, signUp, sql } from "./support.mjs";

const secret = () => randomBytes(32).toString("base64url");
let ada, adam, eve, home;

before(async () => {
  await sql`select analytics_private.allow_redirect(${APP})`;
  await sql`select analytics_private.set_setting('open_connections_per_workspace', '1000')`;
  [ada, adam, eve] = await Promise.all(["ada", "adam", "eve"].map((name) => signUp(name)));
  home = (await rpc(ada.supabase, "me")).workspaces[0].id;
  await sql`select analytics_private.set_plan(${home}, 'premium')`;
  await sql`insert into analytics.workspace_members (workspace_id, user_id, role) values (${home}, ${adam.id}, 'admin')`;
});
afterEach(async () => {
  await standin("/faults", undefined, "DELETE");
  await standin("/oauth/settings", { approval: "auto", user: "mira" });
});
after(() => sql.end());

const PAGE = /^<!doctype html>.*This link cannot be used/s;
const HEADERS = {
  "content-security-policy": /^default-src 'none'; frame-ancestors 'none'/, "strict-transport-security": /^max-age=\d{8}/, "x-frame-options": /^DENY$/,
  "x-content-type-options": /^nosniff$/, "referrer-policy": /^no-referrer$/, "cache-control": /^no-store$/,
};

// The member's own attempt, up to the address that the provider sends his browser back to.
async function attempt(platform = "x", member = ada) {
  const browser = new Browser();
  const begun = await begin(member, platform, { workspace_id: member === eve ? undefined : home });
  const back = new URL(await consent(browser, begun));
  return { browser, begun, back, id: begun.connection_id };
}

const at = (path) => `${OAUTH_URL}/oauth/${path}`;
const callback = (query, platform = "x") => at(`callback/${platform}?${query}`);
const without = (url, ...names) => {
  const changed = new URL(url);
  for (const name of names) changed.searchParams.delete(name);
  return changed.href;
};
const changed = (url, changes) => {
  const other = new URL(url);
  for (const [name, value] of Object.entries(changes)) other.searchParams.set(name, value);
  return other.href;
};

const newest = async () => (await sql`select clock_timestamp() as now`)[0].now;
const record = async (since, connection) =>
  (await sql`select action, metadata->>'reason' as reason, entity_id, workspace_id from analytics.audit_logs
    where action in ('connection.refused', 'connection.failed') and "timestamp" >= ${since} order by "timestamp" desc, id desc limit 1`)[0];
const state = async (id) => (await sql`select status, error_code from analytics.connections where id = ${id}`)[0];

async function isRefused(answer, status = 400) {
  const text = await answer.text();
  assert.equal(answer.status, status, text);
  for (const [name, form] of Object.entries(HEADERS)) assert.match(answer.headers.get(name) ?? "", form, name);
  assert.equal(answer.headers.get("location"), null, "nobody is sent anywhere");
  if (status === 400) assert.match(text, PAGE);
  assert.doesNotMatch(text, /standin|script|state=/, "nothing of the request comes back");
}

// An attack on a page: what is sent, and the reason on record. `connection` names whose attempt it was, where that is known.
const page = (name, reason, send, { status = 400, ends } = {}) =>
  test(`${name}: ${reason ?? "refused"}`, async () => {
    const since = await newest();
    const { answer, connection } = await send();
    await isRefused(answer, status);
    if (reason) {
      const found = await record(since);
      assert.deepEqual([found?.action, found?.reason], ["connection.refused", reason]);
      if (connection && reason !== "state_unknown") assert.deepEqual([found.entity_id, found.workspace_id], [connection, home]);
    }
    if (ends) assert.equal((await state(connection)).status, ends);
  });

// An answer that reaches its own attempt and is no good: the browser goes back to the app, with the failure and no more.
const failing = (name, reason, code, send) =>
  test(`${name}: ${reason}`, async () => {
    const since = await newest();
    const { answer, connection } = await send();
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("location"), `${APP}?connection_id=${connection}&status=failed`);
    for (const [header, form] of Object.entries(HEADERS)) assert.match(answer.headers.get(header) ?? "", form, header);
    const found = await record(since);
    assert.deepEqual([found?.action, found?.reason, found?.entity_id], ["connection.failed", reason, connection]);
    assert.deepEqual(await state(connection), { status: "failed", error_code: code });
  });

const sent = async (url, options) => ({ answer: await new Browser().get(url, options) });

// Malformed callbacks ------------------------------------------------------------------------------------------------

const MALFORMED = {
  "without anything": () => "",
  "without a state": () => "code=abc",
  "with an empty state": () => "state=&code=abc",
  "with a short state": () => `state=${secret().slice(1)}&code=abc`,
  "with a long state": () => `state=${secret()}a&code=abc`,
  "with a state of other characters": () => `state=${secret().slice(1)}.&code=abc`,
  "with a state with a zero byte": () => `state=${secret().slice(1)}%00&code=abc`,
  "with SQL for a state": () => "state=' or 1=1 --&code=abc",
  "with two states": () => `state=${secret()}&state=${secret()}&code=abc`,
  "with two codes": () => `state=${secret()}&code=abc&code=def`,
  "with two issuers": () => `state=${secret()}&code=abc&iss=https://a.example&iss=https://b.example`,
  "with a code and an error": () => `state=${secret()}&code=abc&error=access_denied`,
  "with neither code nor error": () => `state=${secret()}`,
  "with an empty code": () => `state=${secret()}&code=`,
  "with a code with a line break": () => `state=${secret()}&code=a%0d%0aSet-Cookie:x`,
  "with a code that is no text": () => `state=${secret()}&code=%ff%fe`,
  "with a code of five kilobytes": () => `state=${secret()}&code=${"a".repeat(5000)}`,
};
for (const [name, query] of Object.entries(MALFORMED)) page(`a callback ${name}`, "malformed_callback", () => sent(callback(query())));

page("an address of nine kilobytes", "oversized", () => sent(callback(`state=${secret()}&code=abc&x=${"a".repeat(9000)}`)), { status: 414 });
page("a callback of a platform that is none", "platform_unknown", () => sent(callback(`state=${secret()}&code=abc`, "myspace")));
page("a path that is none", null, () => sent(at("token")));
page("a callback with a body", "body", () => new Promise((resolve, reject) => {
  const call = request(callback(`state=${secret()}&code=abc`), { method: "GET", headers: { "content-length": 3 } }, (answer) => {
    let text = "";
    answer.on("data", (part) => (text += part)).on("end", () => resolve({ answer: new Response(text, { status: answer.statusCode, headers: answer.headers }) }));
  });
  call.on("error", reject).end("abc");
}), { status: 413 });
for (const method of ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"]) {
  test(`${method} spends nothing`, async () => {
    const { browser, back, id } = await attempt();
    const answer = await browser.get(back.href, { method });
    assert.equal(answer.status, 405);
    assert.equal((await state(id)).status, "pending");
    assert.match((await browser.get(back.href)).headers.get("location"), /status=choosing$/);
  });
}

// States ----------------------------------------------------------------------------------------------------------------

page("a forged state", "state_unknown", () => sent(callback(`state=${secret()}&code=abc`)));
page("a replayed answer", "state_used", async () => {
  const { browser, back, id } = await attempt();
  assert.equal((await browser.get(back.href)).status, 303);
  return { answer: await browser.get(back.href), connection: id };
}, { ends: "choosing" });
test("an answer replayed ten times at once: one exchange, nine refusals on record", async () => {
  const { browser, back, id } = await attempt();
  const { cookies } = browser;
  const cookie = [...cookies].map(([name, { value }]) => `${name}=${value}`).join("; ");
  const [since, before] = [await newest(), await calls("x", "/2/oauth2/token")];
  const answers = await Promise.all(Array.from({ length: 10 }, () => new Browser().get(back.href, { cookie })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [303, ...Array(9).fill(400)]);
  assert.equal((await calls("x", "/2/oauth2/token")) - before, 1);
  const [{ n }] = await sql`select count(*)::int as n from analytics.audit_logs where entity_id = ${id} and metadata->>'reason' = 'state_used' and "timestamp" >= ${since}`;
  assert.equal(n, 9);
  assert.equal((await state(id)).status, "choosing");
});
page("an answer that comes too late", "state_expired", async () => {
  const { browser, back, id } = await attempt();
  await sql`update analytics_private.oauth_states set expires_at = clock_timestamp() where connection_id = ${id}`;
  return { answer: await browser.get(back.href), connection: id };
}, { ends: "expired" });
page("an answer at another platform's callback (mix-up)", "wrong_platform", async () => {
  const { browser, back, id } = await attempt();
  const cookie = [...browser.cookies].map(([name, { value }]) => `${name}=${value}`).join("; ");
  return { answer: await browser.get(back.href.replace("/callback/x", "/callback/tiktok"), { cookie }), connection: id };
}, { ends: "failed" });
page("an answer in a browser that did not begin", "wrong_browser", async () => {
  const { back, id } = await attempt();
  return { answer: await new Browser().get(back.href), connection: id };
}, { ends: "failed" });
page("an attacker's answer in the member's browser, who has an attempt of his own", "wrong_browser", async () => {
  const mine = await attempt();
  const member = await attempt();
  return { answer: await member.browser.get(mine.back.href), connection: mine.id };
}, { ends: "failed" });
page("another member finishes the flow in his browser", "wrong_browser", async () => {
  const { back, id } = await attempt("x", ada);
  const { browser } = await attempt("x", adam);
  return { answer: await browser.get(back.href), connection: id };
}, { ends: "failed" });
page("a swapped state: one attempt's code under the state of another's browser", "wrong_browser", async () => {
  const [one, other] = [await attempt(), await attempt()];
  return { answer: await other.browser.get(changed(other.back, { state: one.back.searchParams.get("state") })), connection: one.id };
}, { ends: "failed" });
page("a cookie beside ours", "wrong_browser", async () => {
  const { browser, back, id } = await attempt();
  const [[name, { value }]] = browser.cookies;
  return { answer: await browser.get(back.href, { cookie: `${name}=${secret()}; ${name}=${value}` }), connection: id };
}, { ends: "failed" });
page("a guessed secret of the browser", "wrong_browser", async () => {
  const { browser, back, id } = await attempt();
  const [[name]] = browser.cookies;
  return { answer: await browser.get(back.href, { cookie: `${name}=${secret()}` }), connection: id };
}, { ends: "failed" });
page("a second try after the wrong browser", "state_used", async () => {
  const { browser, back, id } = await attempt();
  await new Browser().get(back.href);
  return { answer: await browser.get(back.href), connection: id };
}, { ends: "failed" });
page("a member who lost his role meanwhile", "member_without_right", async () => {
  const { browser, back, id } = await attempt("x", adam);
  await sql`update analytics.workspace_members set role = 'editor' where workspace_id = ${home} and user_id = ${adam.id}`;
  const answer = await browser.get(back.href);
  await sql`update analytics.workspace_members set role = 'admin' where workspace_id = ${home} and user_id = ${adam.id}`;
  return { answer, connection: id };
}, { ends: "failed" });
page("a member who was suspended meanwhile", "member_without_right", async () => {
  const { browser, back, id } = await attempt("x", adam);
  await sql`select analytics_private.set_user_status(${adam.id}, 'suspended')`;
  const answer = await browser.get(back.href);
  await sql`select analytics_private.set_user_status(${adam.id}, 'active')`;
  return { answer, connection: id };
}, { ends: "failed" });

// Codes and issuers ------------------------------------------------------------------------------------------------------

failing("another server's name in the answer", "wrong_issuer", "OAUTH_ERROR", async () => {
  const { browser, back, id } = await attempt("youtube");
  assert.equal(back.searchParams.get("iss"), "https://accounts.google.com");
  return { answer: await browser.get(changed(back, { iss: "https://evil.example" })), connection: id };
});
failing("a server's name where the provider sends none", "wrong_issuer", "OAUTH_ERROR", async () => {
  const { browser, back, id } = await attempt("x");
  return { answer: await browser.get(changed(back, { iss: "https://accounts.google.com" })), connection: id };
});
failing("a code that was used before", "provider_refused", "OAUTH_ERROR", async () => {
  const [one, other] = [await attempt("youtube"), await attempt("youtube")];
  assert.match((await one.browser.get(one.back.href)).headers.get("location"), /choosing$/);
  return { answer: await other.browser.get(changed(other.back, { code: one.back.searchParams.get("code") })), connection: other.id };
});
failing("another person's code injected (PKCE)", "provider_refused", "OAUTH_ERROR", async () => {
  await standin("/oauth/settings", { user: "jonas" });
  const stolen = await attempt("youtube");
  await standin("/oauth/settings", { user: "mira" });
  const { browser, back, id } = await attempt("youtube");
  return { answer: await browser.get(changed(back, { code: stolen.back.searchParams.get("code") })), connection: id };
});
failing("an invented code", "provider_refused", "OAUTH_ERROR", async () => {
  const { browser, back, id } = await attempt("tiktok");
  return { answer: await browser.get(changed(back, { code: "invented" })), connection: id };
});
failing("another provider's code", "provider_refused", "OAUTH_ERROR", async () => {
  const other = await attempt("tiktok");
  const { browser, back, id } = await attempt("youtube");
  return { answer: await browser.get(changed(back, { code: other.back.searchParams.get("code") })), connection: id };
});
failing("a refusal on the provider's page", "declined", "FORBIDDEN", async () => {
  await standin("/oauth/settings", { approval: "deny" });
  const { browser, back, id } = await attempt("facebook");
  return { answer: await browser.get(back.href), connection: id };
});
failing("an error with a script in its description", "provider_refused", "OAUTH_ERROR", async () => {
  const { browser, back, id } = await attempt("x");
  const url = changed(without(back, "code"), { error: "<script>", error_description: "<script>alert(1)</script>" });
  return { answer: await browser.get(url), connection: id };
});
for (const [name, kind] of [["an empty answer", "empty_content"], ["an answer that is no JSON", "not_json"], ["an answer cut in half", "cut_body"]]) {
  failing(`${name} to a code`, "provider_unavailable", "EXTERNAL_API_ERROR", async () => {
    const { browser, back, id } = await attempt("youtube");
    await fault({ target: "google", query: "/token", fault: kind, times: 1 });
    return { answer: await browser.get(back.href), connection: id };
  });
}

// Start pages ------------------------------------------------------------------------------------------------------------

const ticketOf = ({ authorization_url }) => new URL(authorization_url).searchParams.get("ticket");
page("a start page with a forged ticket", "ticket_unknown", async () => {
  const { connection_id } = await begin(ada, "x");
  return sent(at(`start/${connection_id}?ticket=${secret()}`));
});
page("a start page opened twice", "ticket_used", async () => {
  const { begun, id } = await attempt();
  return { ...(await sent(begun.authorization_url)), connection: id };
}, { ends: "pending" });
page("a start page opened too late", "ticket_expired", async () => {
  const begun = await begin(ada, "x");
  await sql`update analytics_private.oauth_states set expires_at = clock_timestamp() where connection_id = ${begun.connection_id}`;
  return { ...(await sent(begun.authorization_url)), connection: begun.connection_id };
}, { ends: "expired" });
page("a ticket at another connection's start page", "ticket_of_another_connection", async () => {
  const [one, other] = [await begin(ada, "x"), await begin(ada, "x")];
  return { ...(await sent(at(`start/${other.connection_id}?ticket=${ticketOf(one)}`))), connection: one.connection_id };
}, { ends: "failed" });
page("a start page of no connection", "connection_unknown", () => sent(at(`start/${randomUUID()}?ticket=${secret()}`)));
for (const [name, path] of [["without a ticket", `start/${randomUUID()}`], ["of something that is no id", `start/1?ticket=${secret()}`],
  ["with two tickets", `start/${randomUUID()}?ticket=${secret()}&ticket=${secret()}`], ["with SQL for a ticket", `start/${randomUUID()}?ticket=';--`]]) {
  page(`a start page ${name}`, "malformed_start", () => sent(at(path)));
}
test("a browser that fetches ahead spends no ticket", async () => {
  const begun = await begin(ada, "x");
  for (const headers of [{ "sec-purpose": "prefetch;prerender" }, { purpose: "prefetch" }]) {
    assert.equal((await new Browser().get(begun.authorization_url, { headers })).status, 503);
  }
  assert.equal((await new Browser().get(begun.authorization_url)).status, 303);
});
test("the browser's secret goes where it must, and nowhere else", async () => {
  const begun = await begin(ada, "x");
  const start = await new Browser().get(begun.authorization_url);
  const [cookie, ...more] = start.headers.getSetCookie();
  assert.equal(more.length, 0);
  // Secure is left out on loopback only.
  assert.match(cookie, /^connect_[0-9a-f]{16}=[\w-]{43}; Path=\/oauth\/callback\/x; Max-Age=600; HttpOnly; SameSite=Lax$/);
  const to = new URL(start.headers.get("location"));
  assert.equal(to.searchParams.get("code_challenge_method"), "S256");
  assert.ok(!to.href.includes(cookie.split("=")[1].split(";")[0]));
});

// The functions. What is refused here raises an error and leaves nothing behind; it is the server's log that has it. -------

const NOT_OURS = ["https://app.example.com/connected/", "https://app.example.com/connected?next=https://evil.example", "https://app.example.com/connected#x", "https://app.example.com",
  "https://APP.example.com/connected", "https://app.example.com:443/connected", "https://app.example.com@evil.example/connected", "https://evil.example/connected", "http://app.example.com/connected",
  "https://app.example.com.evil.example/connected", "https://app.example.com/connected/../evil", "//app.example.com/connected", "javascript:alert(1)", "https://app.example.com/connected%00", " https://app.example.com/connected", ""];
for (const redirect_to of NOT_OURS) {
  test(`browsers are not sent to ${JSON.stringify(redirect_to)}`, () => refused(ada.supabase.rpc("connect_account", { platform: "x", redirect_to }), 400, "VALIDATION_ERROR"));
}
test("another admin does not choose, a stranger finds nothing, nobody is sent away", async () => {
  const { browser, back, id } = await attempt();
  await browser.get(back.href);
  const choice = { connection_id: id, platform_user_ids: ["2244994945"] };
  await refused(adam.supabase.rpc("choose_accounts", choice), 403, "FORBIDDEN");
  await refused(eve.supabase.rpc("choose_accounts", choice), 404, "NOT_FOUND");
  await refused(eve.supabase.rpc("connection_status", { connection_id: id }), 404, "NOT_FOUND");
  await refused(client().rpc("choose_accounts", choice), 401, "UNAUTHORIZED");
  await refused(ada.supabase.rpc("choose_accounts", { connection_id: id, platform_user_ids: ["17841400000000017"] }), 400, "VALIDATION_ERROR");
});
test("a stranger connects nothing into another workspace", () =>
  refused(eve.supabase.rpc("connect_account", { platform: "x", redirect_to: APP, workspace_id: home }), 404, "NOT_FOUND"));
test("the functions of the sidecar and the tables behind them are closed", async () => {
  for (const name of ["sidecar_access", "sidecar_use_state", "sidecar_store_refreshed", "allow_redirect"]) {
    const { error } = await ada.supabase.schema("analytics_private").rpc(name, {});
    assert.notEqual(error, null, name);
  }
  for (const table of ["oauth_tokens", "oauth_states", "connection_finds"]) {
    const { error } = await ada.supabase.schema("analytics_private").from(table).select("*");
    assert.notEqual(error, null, table);
  }
});
test("after all of it a member still connects his account", async () => {
  const [account] = await connected(ada, "x");
  assert.equal(account.status, "active");
  assert.equal((await connect(ada, "tiktok")).status, "choosing");
});
