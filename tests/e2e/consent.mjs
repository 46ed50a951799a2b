// What tests of connecting share: a browser with cookies, a member at the provider's page, the clock of tokens.
import assert from "node:assert/strict";
import { STANDIN_URL, rpc, sql, until } from "./support.mjs";

export const { OAUTH_URL } = process.env;
export const APP = "https://app.example.com/connected";
export const PLATFORMS = ["instagram", "facebook", "tiktok", "linkedin", "x", "youtube"];
export const providerOf = (platform) => (platform === "youtube" ? "google" : platform);

// Follows nothing by itself. Cookies are kept by name, and sent to the pages of consent below the path they were set for.
export class Browser {
  cookies = new Map();

  async get(url, { cookie, method = "GET", headers = {} } = {}) {
    const { pathname } = new URL(url);
    const sent = [...this.cookies].filter(([, { path }]) => pathname.startsWith(path)).map(([name, { value }]) => `${name}=${value}`);
    const answer = await fetch(url, { method, redirect: "manual", headers: { ...headers, cookie: cookie ?? sent.join("; ") } });
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split("; ");
      const [name, value] = pair.split("=");
      const path = attributes.find((attribute) => attribute.startsWith("Path=")).slice(5);
      if (attributes.includes("Max-Age=0")) this.cookies.delete(name);
      else this.cookies.set(name, { value, path });
    }
    return answer;
  }
}

export async function begin(member, platform, parameters = {}) {
  return rpc(member.supabase, "connect_account", { platform, redirect_to: APP, ...parameters });
}

// From the address that connect_account() gives to the one that the provider sends the browser back to.
export async function consent(browser, { authorization_url }) {
  const start = await browser.get(authorization_url);
  assert.equal(start.status, 303, await start.text());
  const page = await fetch(start.headers.get("location"), { redirect: "manual" });
  assert.equal(page.status, 302, await page.text());
  return page.headers.get("location");
}

// The whole way, up to what the app is told.
export async function connect(member, platform, browser = new Browser()) {
  const begun = await begin(member, platform);
  const back = await browser.get(await consent(browser, begun));
  assert.equal(back.status, 303);
  const location = back.headers.get("location");
  return { ...begun, location, status: new URL(location).searchParams.get("status") };
}

export async function connected(member, platform) {
  const { connection_id, status } = await connect(member, platform);
  assert.equal(status, "choosing");
  const { found } = await rpc(member.supabase, "connection_status", { connection_id });
  return rpc(member.supabase, "choose_accounts", { connection_id, platform_user_ids: found.map(({ platform_user_id }) => platform_user_id) });
}

export const tokensOf = async (account) =>
  (await sql`select *, (select status from analytics.social_accounts where id = social_account_id) as status
             from analytics_private.oauth_tokens where social_account_id = ${account}`)[0];

export const makeDue = (account) =>
  sql`update analytics_private.oauth_tokens set refresh_at = clock_timestamp() where social_account_id = ${account}`;

export const version = async (account) => Number((await tokensOf(account)).version);

// Due now, and renewed.
export async function renewed(account) {
  const before = await version(account);
  await makeDue(account);
  await until(() => version(account), (now) => now > before);
  assert.equal(await version(account), before + 1);
}

export const standin = async (path, body, method = "POST") => {
  const answer = await fetch(`${STANDIN_URL}${path}`, {
    method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
};

// Calls of a provider's path so far.
export async function calls(provider, path) {
  const { requests } = await standin("/requests", undefined, "GET");
  return requests.filter(({ target, query }) => target === provider && query === path).reduce((sum, { count }) => sum + count, 0);
}

export const fault = (rule) => standin("/faults", rule);

export const TOKEN_PATH = { google: "/token", x: "/2/oauth2/token", tiktok: "/v2/oauth/token/", linkedin: "/oauth/v2/accessToken" };
