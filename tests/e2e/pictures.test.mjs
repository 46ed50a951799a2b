// Pictures and pages in a real browser: what a person sees, on a screen and on a phone, in light and dark; what a screen reader is told;
// and that nothing of what strangers wrote is anything but text. Screenshots go to STATE/log/pictures, which make test keeps as
// .dev/pictures.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import puppeteer from "puppeteer-core";
import { ANON_KEY, API_URL, refused, rpc, signUp, sql, unlocked } from "./support.mjs";

const SHOTS = join(process.env.STATE ?? ".dev", "log", "pictures");
const DAY = 86_400_000;
const HOSTILE = ["<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "]]></style></title><script>alert(1)</script>", "&lt;b&gt; stays as it is"];
const SIZES = { screen: { width: 1280, height: 900 }, phone: { width: 375, height: 812, isMobile: true, hasTouch: true } };

let browser;
let owner;
let account;
let other;
let server; // what stands before PostgREST, as docs/pictures.md has it for nginx
let link;

const iso = (milliseconds) => new Date(milliseconds).toISOString();

async function fillAccounts() {
  const today = Math.floor(Date.now() / DAY) * DAY;
  const days = (count) => Array.from({ length: count }, (_, i) => today - (count - 1 - i) * DAY);
  const isMissing = (at) => [11, 12, 13, 20].includes((today - at) / DAY);
  for (const [id, first] of [[account, 11_800], [other, 940]]) {
    const captures = days(60).filter((at) => !isMissing(at)).flatMap((at, i) => [
      { metric: "followers", measured_at: iso(at), value: Math.round(first * (1 + i * 0.0021 + 0.004 * Math.sin(i / 3))), captured_at: iso(at + 60_000) },
      { metric: id === account ? "views" : "following", measured_at: iso(at - DAY), value: 4_000 + (i * 977) % 3_000, captured_at: iso(at + 60_000) },
    ]);
    await rpc(owner.supabase, "record_metrics", { account_id: id, captures: JSON.stringify(captures) });
  }
  const texts = [...HOSTILE, "Morning light on the new glaze", "Kiln opening day", "How celadon is mixed, step by step"];
  const posts = days(60).flatMap((at, i) => (i % 2 ? [] : [{
    id: `p${i}`, posted_at: iso(at - ((i * 5) % 24) * 3_600_000), caption: texts[(i / 2) % texts.length], media_type: ["photo", "reel", "carousel"][i % 3],
    url: `https://www.instagram.com/p/P${i}/`,
    likes: 300 + ((i * 131) % 400), comments: 10 + (i % 30), shares: 5 + (i % 9), saves: i % 14 === 4 ? null : 20 + (i % 40), reach: 6_000 + ((i * 791) % 4_000), views: 12_000,
  }]));
  await rpc(owner.supabase, "record_posts", { account_id: account, posts: JSON.stringify(posts) });
  // No client could store such an address; a page must not rely on it.
  await sql`update analytics.top_content set post_url = 'javascript:alert(1)', likes_count = 700 where social_account_id = ${account} and platform_post_id = 'p58'`;
  // By the operator: no client brings audiences in this test.
  await sql`insert into analytics.audience_insights (workspace_id, social_account_id, audience, captured_at, snapshot_date, base, age_ranges, genders, countries, source)
    select a.workspace_id, a.id, 'followers', now() - interval '1 day', current_date - 1, 12500,
      '[{"range": "25-34", "count": 5120}, {"range": "18-24", "count": 3011}, {"range": "35-44", "count": 2400}, {"range": "45-54", "count": 900}]',
      '[{"gender": "female", "count": 7012}, {"gender": "male", "count": 4100}, {"gender": "unknown", "count": 1300}]',
      '[{"country": "DE", "count": 4100}, {"country": "US", "count": 2900}, {"country": "<script>alert(1)</script>", "count": 1203}]', 'test'
    from analytics.social_accounts a where a.id = ${account}`;
}

before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  owner = await signUp("pictures");
  const [{ id: workspace }] = await sql`select id from analytics.workspaces where owner_id = ${owner.id} and is_personal`;
  await sql`select analytics_private.set_plan(${workspace}, 'premium')`;
  account = (await rpc(owner.supabase, "add_account", { platform: "instagram", handle: "aurora.studio", display_name: `Aurora Studio ${HOSTILE[0]}` })).id;
  other = (await rpc(owner.supabase, "add_account", { platform: "tiktok", handle: "aurora.studio" })).id;
  await fillAccounts();
  link = await rpc(owner.supabase, "share_page", { account_id: account, timezone: "Europe/Berlin" });

  server = createServer(async (request, response) => {
    const token = request.url.match(/^\/p\/([\w-]+)$/)?.[1];
    const answer = await fetch(`${API_URL}/rest/v1/rpc/shared_page?token=${token ?? ""}`, {
      headers: { accept: request.headers.accept, apikey: ANON_KEY, "accept-profile": "analytics" },
    });
    const kept = ["content-type", "content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"];
    response.writeHead(answer.status, Object.fromEntries(kept.map((name) => [name, answer.headers.get(name)]).filter(([, value]) => value)));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

  browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    // Chromium's sandbox refuses to run as root, as tests do in a container; what is opened here is our own page on loopback.
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  });
});

after(async () => {
  await browser?.close();
  server?.close();
  await sql.end();
});

// A page that may ask its own address for itself, once, and nobody for anything else.
async function open(url, { size = SIZES.screen, scheme = "light", headers = {} } = {}) {
  const page = await browser.newPage();
  const seen = { requests: [], problems: [] };
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (request.url() === url || request.url() === "data:,") {
      seen.requests.push(request.url());
      request.continue();
    } else {
      seen.problems.push(`asked for ${request.url().slice(0, 200)}`);
      request.abort();
    }
  });
  page.on("console", (message) => seen.problems.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => seen.problems.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    seen.problems.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.setViewport(size);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setExtraHTTPHeaders(headers);
  const response = await page.goto(url, { waitUntil: "networkidle0" });
  return { page, response, seen };
}

const signedIn = () => ({ apikey: ANON_KEY, authorization: `Bearer ${owner.token}`, "accept-profile": "analytics" });
const address = (name, parameters) => `${API_URL}/rest/v1/rpc/${name}?${new URLSearchParams(parameters)}`;
const shared = (token) => `http://127.0.0.1:${server.address().port}/p/${token}`;

async function looksRight({ page, seen }, name) {
  const fits = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: window.innerWidth }));
  assert.ok(fits.wide <= fits.window, `${name}: ${fits.wide} pixels in a window of ${fits.window}`);
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
  assert.deepEqual(seen.problems, [], name);
}

// Brightness of a colour, 0 to 1, as WCAG reckons it.
const LUMINANCE = `(colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}`;

describe("pages", () => {
  for (const scheme of ["light", "dark"]) {
    for (const [device, size] of Object.entries(SIZES)) {
      test(`a shared dashboard, ${scheme}, on a ${device}`, async () => {
        const opened = await open(shared(link.link_token), { size, scheme });
        assert.equal(opened.response.status(), 200);
        await looksRight(opened, `dashboard-${device}-${scheme}`);
        const { page } = opened;
        const brightness = await page.evaluate(`(${LUMINANCE})(getComputedStyle(document.body).backgroundColor)`);
        assert.ok(scheme === "dark" ? brightness < 0.05 : brightness > 0.85, `brightness ${brightness}`);
        // Every text stands out from what is behind it: 4.5 to 1, the least that WCAG allows.
        const faint = await page.evaluate(`[...document.querySelectorAll("svg text, p, dt, dd, h1, h2, td, th, li, summary, a")].filter((e) => e.checkVisibility()).map((e) => {
          const luminance = ${LUMINANCE};
          const style = getComputedStyle(e);
          const ground = luminance(getComputedStyle(e.closest(".card, .fact, .page") .matches(".page") ? document.body : e.closest(".card, .fact")).backgroundColor);
          const ink = luminance(e.namespaceURI.endsWith("svg") ? style.fill : style.color);
          return [e.textContent.slice(0, 40), (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)];
        }).filter(([, contrast]) => contrast < 4.5)`);
        assert.deepEqual(faint, []);
        // One layout of each picture is shown, its texts not smaller than can be read.
        const sizes = await page.evaluate(() => [...document.querySelectorAll("svg text")].filter((e) => e.checkVisibility())
          .map((e) => parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.viewBox.baseVal.width)));
        assert.ok(sizes.length > 50 && Math.min(...sizes) > 8.5, `smallest text ${Math.min(...sizes)}`);
        await page.close();
      });
    }
  }

  test("texts of strangers stay texts", async () => {
    const { page, seen, response } = await open(shared(link.link_token));
    assert.deepEqual(await page.evaluate(() => document.querySelectorAll("script, img, iframe, object, embed, form, [onload], [onerror]").length), 0);
    const text = await page.evaluate(() => document.body.textContent);
    for (const hostile of HOSTILE) assert.ok(text.includes(hostile), hostile);
    const links = await page.evaluate(() => [...document.querySelectorAll("a")].map((a) => a.protocol));
    assert.ok(links.length > 5 && links.every((protocol) => protocol === "https:"), links.join());
    assert.deepEqual(seen.problems, []);
    const headers = response.headers();
    assert.match(headers["content-type"], /^text\/html/);
    assert.equal(headers["content-security-policy"], "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.equal(headers["cache-control"], "private, no-store");
    await page.close();
  });

  test("a screen reader is told all of it", async () => {
    const { page } = await open(shared(link.link_token));
    await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
    const nodes = [];
    const walk = (node) => {
      nodes.push(node);
      node.children?.forEach(walk);
    };
    walk(await page.accessibility.snapshot({ interestingOnly: false }));
    const named = (role) => nodes.filter((node) => node.role === role).map((node) => node.name);
    const pictures = nodes.filter((node) => ["image", "img"].includes(node.role));
    assert.equal(pictures.length, 4, pictures.map((node) => node.name).join("; "));
    for (const picture of pictures) assert.match(picture.name, /@aurora\.studio.{30,}/, "a name that says what is seen");
    assert.deepEqual(named("heading").slice(0, 2), ["@aurora.studio", "Followers of @aurora.studio"]);
    assert.equal(named("table").length, 5);
    assert.ok(named("columnheader").includes("likes"));
    assert.ok(named("cell").includes("not known") || nodes.some((node) => node.name === "not known"), "gaps are said in the tables");
    assert.deepEqual(named("main").length, 1);
    await page.screenshot({ path: join(SHOTS, "dashboard-tables.png"), fullPage: true });
    await page.close();
  });

  test("a member's dashboard by GET, in any time zone", async () => {
    const url = address("dashboard", { account_id: account, timezone: "Asia/Tokyo", since: iso(Date.now() - 50 * DAY) });
    const opened = await open(url, { headers: signedIn() });
    assert.equal(opened.response.status(), 200);
    assert.match(await opened.page.evaluate(() => document.querySelector("footer").textContent), /Asia\/Tokyo/);
    await looksRight(opened, "dashboard-member");
    await opened.page.close();
  });

  test("an account of which nothing is known", async () => {
    const { id } = await rpc(owner.supabase, "add_account", { platform: "linkedin", handle: "nothing-yet" });
    const opened = await open(address("dashboard", { account_id: id }), { headers: signedIn() });
    await looksRight(opened, "dashboard-empty");
    assert.equal(await opened.page.evaluate(() => document.querySelectorAll("svg path").length), 0);
    await opened.page.close();
  });

  test("the page of an unlocked profile", { skip: !process.env.STANDIN_URL }, async () => {
    await unlocked(owner.supabase, "aurora.example");
    for (const [device, size] of Object.entries(SIZES)) {
      const opened = await open(address("profile_page", { username: "aurora.example" }), { headers: signedIn(), size });
      assert.equal(opened.response.status(), 200);
      assert.equal(await opened.page.evaluate(() => document.querySelector("h1").textContent), "@aurora.example");
      await looksRight(opened, `profile-${device}`);
      await opened.page.close();
    }
    await refused(owner.supabase.rpc("share_page", { account_id: account, page: "profile_page" }), 400, "VALIDATION_ERROR");
  });

  test("a link that has ended shows nothing, like one that never was", async () => {
    const [brief, ended] = [await rpc(owner.supabase, "share_page", { account_id: account }), await rpc(owner.supabase, "share_page", { account_id: account })];
    await sql`update analytics.shared_pages set created_at = now() - interval '2 days', expires_at = now() - interval '1 day' where id = ${brief.id}`;
    assert.equal(await rpc(owner.supabase, "revoke_shared_page", { page_id: ended.id }), true);
    const answers = [];
    for (const token of [brief.link_token, ended.link_token, "never-was"]) {
      const response = await fetch(shared(token), { headers: { accept: "text/html" } });
      assert.equal(response.status, 404);
      const { details, ...answer } = await response.json();
      answers.push(answer);
    }
    assert.deepEqual(answers, Array(3).fill(answers[0]));
    assert.equal(answers[0].code, "NOT_FOUND");
  });
});

describe("pictures", () => {
  const charts = () => [
    ["chart_followers", { account_id: account }], ["chart_engagement", { account_id: account, since: iso(Date.now() - 60 * DAY) }],
    ["chart_best_times", { account_id: account, timezone: "Europe/Berlin" }], ["chart_audience", { account_id: account }],
    ["chart_compare", { account_ids: `{${account},${other}}`, since: iso(Date.now() - 60 * DAY) }],
  ];

  for (const scheme of ["light", "dark"]) {
    test(`each chart as a file of its own, ${scheme}`, async () => {
      for (const [name, parameters] of charts()) {
        const response = await fetch(address(name, { ...parameters, width: 375 }), { headers: { ...signedIn(), accept: "image/svg+xml,image/*,*/*;q=0.8" } });
        assert.equal(response.status, 200, name);
        assert.match(response.headers.get("content-type"), /^image\/svg\+xml/, name);
        const opened = await open(`data:image/svg+xml;base64,${Buffer.from(await response.arrayBuffer()).toString("base64")}`, { scheme, size: SIZES.phone });
        assert.equal(await opened.page.evaluate(() => document.documentElement.getAttribute("role")), "img");
        await looksRight(opened, `${name}-${scheme}`);
        // No text runs out of the picture.
        const outside = await opened.page.evaluate(() => {
          const frame = document.documentElement.getBoundingClientRect();
          return [...document.querySelectorAll("text")].filter((text) => {
            const box = text.getBoundingClientRect();
            return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
          }).map((text) => text.textContent);
        });
        assert.deepEqual(outside, [], name);
        await opened.page.close();
      }
    });
  }

  test("a chart in JSON is a string", async () => {
    const response = await fetch(address("chart_followers", { account_id: account }), { headers: { ...signedIn(), accept: "application/json" } });
    assert.match(response.headers.get("content-type"), /^application\/json/);
    assert.ok((await response.json()).startsWith("<svg "));
  });

  test("a report for spreadsheets", async () => {
    const response = await fetch(address("report_csv", { account_id: account, metrics: "{followers}" }), { headers: { ...signedIn(), accept: "text/csv" } });
    assert.match(response.headers.get("content-type"), /^text\/csv/);
    const lines = (await response.text()).split("\r\n");
    assert.equal(lines.at(-1), "");
    assert.equal(lines[0], "platform,account,metric,measured_at,value,unit,captured_at,captures,reason");
    assert.match(lines[1], /^instagram,aurora\.studio,followers,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ,\d+,people,/);
  });

  test("are not for strangers", async () => {
    const stranger = await signUp("stranger");
    for (const name of ["chart_followers", "chart_engagement", "chart_best_times", "chart_audience", "dashboard", "report_csv", "share_page"]) {
      await refused(stranger.supabase.rpc(name, { account_id: account }), 404, "NOT_FOUND");
    }
  });
});
