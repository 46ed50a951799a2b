// Signs a user up, unlocks a profile, waits for it and reads it. Against a stack that `make up` left running:
//
//   set -a; . .dev/env; set +a; node examples/unlock.mjs aurora.example
import { randomUUID } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import ws from "ws";

const username = process.argv[2] ?? "aurora.example";
const supabase = createClient(process.env.API_URL, process.env.ANON_KEY, {
  db: { schema: "analytics" },
  auth: { persistSession: false },
  realtime: { transport: ws }, // only Node 20 needs it
});

async function call(name, parameters, options) {
  const { data, error, status } = await supabase.rpc(name, parameters, options);
  if (error) throw new Error(`${status} ${error.code}: ${error.message}`);
  return data;
}

await supabase.auth.signUp({ email: `${randomUUID()}@example.com`, password: randomUUID() });

let answer;
do {
  answer = await call("unlock_profile", { username });
  console.log(answer.state, answer.reason?.message ?? "");
  await new Promise((resolve) => setTimeout(resolve, 500));
} while (answer.state === "pending");

if (answer.state === "ready") {
  const { profile, engagement } = await call("profile_overview", { username }, { get: true });
  console.log(profile.full_name, profile.followers_count, engagement.engagement_rate_by_followers);

  // The tables are there too, each user seeing what his open windows show.
  const { data: posts } = await supabase
    .from("profile_posts")
    .select("shortcode,posted_at,likes_count")
    .order("posted_at", { ascending: false })
    .limit(3);
  console.table(posts);
}
