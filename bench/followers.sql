-- A member, his workspace and its accounts: one whose new followers are new people, one whose new followers are people who are
-- known already, a small one. A day's lists, made of the sets that a client's pages would have been turned into.
insert into auth.users (id, email) values ('00000000-0000-4000-8000-000000000001', 'ada@example.org');
insert into analytics.social_accounts (workspace_id, id, platform, handle, created_by)
select w.id, a.id::uuid, 'instagram', a.handle, w.owner_id from analytics.workspaces w,
  (values ('0195c3a0-0000-7000-8000-0000000000c1', 'new.people'), ('0195c3a0-0000-7000-8000-0000000000c2', 'known.people'), ('0195c3a0-0000-7000-8000-0000000000c3', 'small')) a (id, handle);
create function public.store_day(account uuid, captured_at timestamptz, came bigint[], went bigint[]) returns jsonb language plpgsql as $$
declare
  place constant uuid := (select a.workspace_id from analytics.social_accounts a where a.id = account);
  list uuid;
  people constant analytics.follower_set := analytics.set_union(came::analytics.follower_set,
    analytics.set_difference(coalesce(analytics_private.believed_set(place, account, 'followers', 'infinity'), '{}'), went::analytics.follower_set));
begin
  insert into analytics_private.follower_imports (workspace_id, social_account_id, relation, source, captured_at, is_complete)
  values (place, account, 'followers', 'bench', store_day.captured_at, true) returning id into list;
  insert into analytics_private.follower_import_pages (workspace_id, import_id, page, person_count, members)
  values (place, list, 0, analytics.cardinality(people), people::bytea);
  return analytics_private.finish_list(place, list);
end $$;
-- Beside it: a row for each change, with S4's columns and indexes.
create schema plain;
create table plain.follower_changes (
  id uuid primary key, workspace_id uuid not null, social_account_id uuid not null, change_type varchar(32) not null, user_id varchar(255) not null,
  username varchar(255) not null, "timestamp" timestamptz not null default now(), profile_pic_url text, verified boolean default false, follower_count bigint, extra_data jsonb default '{}'
);
create index on plain.follower_changes (social_account_id, "timestamp");
create index on plain.follower_changes (social_account_id, change_type, "timestamp");
alter table plain.follower_changes enable row level security;
create policy "members read" on plain.follower_changes for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]));
grant usage on schema plain to authenticated;
grant select on plain.follower_changes to authenticated
