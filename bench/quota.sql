-- Ten workspaces with an owner each, on a plan that is never used up, and a hundred drafts in each to schedule and cancel.
insert into auth.users (id, email)
select ('00000000-0000-4000-8000-' || 200000000000 + n)::uuid, 'poster' || n || '@example.org' from generate_series(0, 9) as n;
update analytics.plans set posts_per_month = 1000000000 where name = 'premium';
with spaces as (
  insert into analytics.workspaces (id, name, owner_id)
  select ('0195c3a0-0000-7000-8000-' || 300000000000 + n)::uuid, 'bench' || n, ('00000000-0000-4000-8000-' || 200000000000 + n)::uuid from generate_series(0, 9) as n
  returning id, owner_id
)
insert into analytics.workspace_members (workspace_id, user_id, role) select id, owner_id, 'owner' from spaces;
update analytics.users u set default_workspace_id = w.id from analytics.workspaces w where w.owner_id = u.id and not w.is_personal;
-- The anchor is so far from today that no period ends while this runs.
insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at)
select id, 'premium', 'active', now() - interval '10 days' from analytics.workspaces where not is_personal;
insert into analytics.posts (workspace_id, id, created_by, name, universal_content)
select w.id, ('0195c3a0-0000-7000-' || 8000 + right(w.id::text, 2)::integer || '-' || 400000000000 + n)::uuid, w.owner_id, 'draft', repeat('words ', 50)
from analytics.workspaces w, generate_series(0, 99) n where not w.is_personal;;
vacuum analyze
