-- Posts: authored content on its way from a draft to being published. What was observed elsewhere is profile_posts.

insert into analytics_private.settings (name, kind, value, minimum, maximum, description) values
  ('post_schedule_lead', 'interval', '5 minutes', '0', '30 days', 'a post is scheduled at least this far ahead'),
  ('post_schedule_horizon', 'interval', '180 days', '1 day', '3650 days', 'a post is scheduled at most this far ahead')
on conflict (name) do nothing;

-- ---------------------------------------------------------------------------------------------------------------------
-- The legal moves, all of them, in one table

create table if not exists analytics.post_transitions (
  from_status varchar(20) not null,
  to_status varchar(20) not null,
  made_by varchar(20) not null,
  description text not null,
  constraint post_transitions_pkey primary key (from_status, to_status),
  constraint post_transitions_made_by_known check (made_by in ('member', 'approval', 'publishing'))
);
alter table analytics.post_transitions enable row level security;
comment on table analytics.post_transitions is 'how the status of a post may change; what is not here is refused. "new" is a post that is just made';
comment on column analytics.post_transitions.made_by is 'member: editors and above; the others by functions only';

insert into analytics.post_transitions (from_status, to_status, made_by, description) values
  ('new', 'draft', 'member', 'written'),
  ('new', 'scheduled', 'member', 'written and scheduled at once'),
  ('draft', 'approved', 'approval', 'approved'),
  ('draft', 'scheduled', 'member', 'scheduled where no approval is asked for'),
  ('draft', 'publishing', 'publishing', 'sent at once'),
  ('approved', 'draft', 'member', 'taken back, or edited'),
  ('approved', 'scheduled', 'member', 'scheduled'),
  ('approved', 'publishing', 'publishing', 'sent at once'),
  ('scheduled', 'draft', 'member', 'cancelled'),
  ('scheduled', 'approved', 'approval', 'cancelled, the approval stays'),
  ('scheduled', 'publishing', 'publishing', 'its time has come'),
  ('publishing', 'published', 'publishing', 'a platform has it'),
  ('publishing', 'failed', 'publishing', 'no platform has it'),
  ('failed', 'draft', 'member', 'to be reworked'),
  ('failed', 'scheduled', 'member', 'to be sent again later'),
  ('failed', 'publishing', 'publishing', 'sent again')
on conflict (from_status, to_status) do nothing;

drop policy if exists "everyone who is signed in reads the legal moves" on analytics.post_transitions;
create policy "everyone who is signed in reads the legal moves" on analytics.post_transitions for select to authenticated using ((select analytics_private.user_id()) is not null);

-- ---------------------------------------------------------------------------------------------------------------------
-- posts

create table if not exists analytics.posts (
  workspace_id uuid not null,
  id uuid not null,
  created_by uuid not null,
  name varchar(255) not null,
  topic varchar(255),
  content_mode varchar(50) not null default 'universal',
  universal_content text,
  universal_metadata jsonb not null default '{}',
  platform_content jsonb not null default '{}',
  platforms jsonb not null default '[]',
  status varchar(50) not null default 'draft',
  scheduled_at timestamptz,
  sending_began_at timestamptz,
  published_at timestamptz,
  publish_job_id varchar(255),
  publish_results jsonb not null default '{}',
  failure_reason text,
  engagement_score bigint,
  engagement_suggestions text[],
  quota_period_start timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint posts_pkey primary key (workspace_id, id),
  constraint posts_workspace_fkey foreign key (workspace_id) references analytics.workspaces (id),
  constraint posts_author_fkey foreign key (created_by) references analytics.users (id),
  constraint posts_name_given check (btrim(name) <> ''),
  constraint posts_content_mode_known check (content_mode in ('universal', 'specific')),
  constraint posts_content_length check (length(universal_content) <= 100000),
  constraint posts_metadata_object check (jsonb_typeof(universal_metadata) = 'object' and octet_length(universal_metadata::text) <= 65536),
  constraint posts_platform_content_object check (jsonb_typeof(platform_content) = 'object' and octet_length(platform_content::text) <= 1048576),
  constraint posts_platforms_array check (jsonb_typeof(platforms) = 'array' and octet_length(platforms::text) <= 65536),
  constraint posts_results_object check (jsonb_typeof(publish_results) = 'object' and octet_length(publish_results::text) <= 1048576),
  constraint posts_failure_length check (length(failure_reason) <= 5000),
  constraint posts_score_not_negative check (engagement_score >= 0),
  constraint posts_suggestions_number check (cardinality(engagement_suggestions) <= 50),
  constraint posts_status_known check (status in ('draft', 'approved', 'scheduled', 'publishing', 'published', 'failed')),
  constraint posts_scheduled_has_time check (status <> 'scheduled' or scheduled_at is not null),
  constraint posts_sent_has_time check (status not in ('publishing', 'published', 'failed') or sending_began_at is not null),
  constraint posts_published_has_time check ((status = 'published') = (published_at is not null)),
  constraint posts_unit_held check (quota_period_start is not null or status in ('draft', 'approved') or deleted_at is not null)
);
alter table analytics.posts alter column id set default analytics.uuidv7();
alter table analytics.posts alter column created_by set default analytics_private.user_id();
create index if not exists posts_created_by on analytics.posts (created_by);
create index if not exists posts_newest on analytics.posts (workspace_id, created_at) where deleted_at is null;
create index if not exists posts_status on analytics.posts (workspace_id, status) where deleted_at is null;
create index if not exists posts_scheduled on analytics.posts (workspace_id, scheduled_at) where status = 'scheduled' and deleted_at is null;
alter table analytics.posts enable row level security;
comment on table analytics.posts is 'authored content: draft, approved, scheduled, publishing, published or failed. Scheduling or sending takes a unit of the post quota';
comment on column analytics.posts.name is 'what the members call it; never published';
comment on column analytics.posts.content_mode is 'universal: universal_content goes everywhere; specific: platform_content says what goes where';
comment on column analytics.posts.platform_content is 'object: platform to content';
comment on column analytics.posts.platforms is 'array of the platforms it is meant for';
comment on column analytics.posts.status is 'analytics.post_transitions holds the legal moves';
comment on column analytics.posts.sending_began_at is 'when it was first sent; from then on its unit is not given back';
comment on column analytics.posts.publish_results is 'object: platform to outcome; written by publishing only';
comment on column analytics.posts.quota_period_start is 'start of the quota period whose unit this post took; null while it holds none. Set by trigger only';
comment on column analytics.posts.deleted_at is 'a deleted post is kept and no longer shown';

drop policy if exists "members read the posts of their workspaces" on analytics.posts;
create policy "members read the posts of their workspaces" on analytics.posts for select to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('analyst'))::uuid[]) and deleted_at is null);
drop policy if exists "editors write posts" on analytics.posts;
create policy "editors write posts" on analytics.posts for insert to authenticated
  with check (workspace_id = any ((select analytics_private.workspace_ids('editor'))::uuid[]) and status in ('draft', 'scheduled'));
drop policy if exists "editors change posts that are not on their way" on analytics.posts;
create policy "editors change posts that are not on their way" on analytics.posts for update to authenticated
  using (workspace_id = any ((select analytics_private.workspace_ids('editor'))::uuid[]) and deleted_at is null)
  with check (workspace_id = any ((select analytics_private.workspace_ids('editor'))::uuid[]) and status in ('draft', 'scheduled') and deleted_at is null);

-- ---------------------------------------------------------------------------------------------------------------------
-- What holds for every row, whoever writes it and how

create or replace function analytics_private.refuse_post_move(from_status text, to_status text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  legal constant text := (select string_agg(t.to_status, ', ' order by t.to_status) from analytics.post_transitions t
    where t.from_status = refuse_post_move.from_status);
begin
  perform analytics_private.raise_error('CONFLICT',
    case from_status when 'new' then format('a post cannot begin as %s', to_status) else format('a post that is %s cannot become %s', from_status, to_status) end,
    case when legal is null then 'nothing follows on that' else 'it may become ' || legal end,
    jsonb_build_object('field', 'status', 'from', from_status, 'to', to_status));
end
$$;

create or replace function analytics_private.check_schedule(scheduled_at timestamptz) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  lead constant interval := analytics_private.setting_interval('post_schedule_lead');
  horizon constant interval := analytics_private.setting_interval('post_schedule_horizon');
begin
  if scheduled_at between clock_timestamp() + lead and clock_timestamp() + horizon then
    return;
  end if;
  perform analytics_private.raise_error('VALIDATION_ERROR',
    case when scheduled_at is null then 'a scheduled post needs a time' else 'a post cannot be scheduled at that time' end,
    format('give a time at least %s and at most %s ahead', lead, horizon), '{"field": "scheduled_at"}');
end
$$;

-- Definer: reads counters and settings, whoever writes the post.
--
-- The unit itself is taken by the statement's trigger; here the row only learns which period it will be of. Should another
-- session begin a later period in between, the unit counts there and the row keeps the earlier one: it is then not given back.
create or replace function analytics_private.check_post() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  previous text := 'new';
begin
  if tg_op = 'INSERT' then
    new.quota_period_start := null;
  else
    previous := old.status;
    if new.workspace_id <> old.workspace_id or new.id <> old.id then
      perform analytics_private.raise_error('CONFLICT', 'a post stays in its workspace', 'write a new one there');
    end if;
    if old.deleted_at is null and new.deleted_at is not null and old.status = 'publishing' then
      perform analytics_private.raise_error('CONFLICT', 'a post that is being published cannot be deleted', 'wait until it is published or has failed');
    end if;
    if old.status in ('approved', 'publishing', 'published') and new.status <> 'draft'
       and (new.name, new.topic, new.content_mode, new.universal_content, new.universal_metadata, new.platform_content, new.platforms) is distinct from
         (old.name, old.topic, old.content_mode, old.universal_content, old.universal_metadata, old.platform_content, old.platforms) then
      perform analytics_private.raise_error('CONFLICT', format('a post that is %s cannot be edited', old.status),
        case old.status when 'approved' then 'take it back to draft first: what was approved must be what is published' end);
    end if;
    new.updated_at := now();
    new.quota_period_start := old.quota_period_start;
    -- A scheduled post that does not go out after all gives its unit back, unless it was sent before and failed.
    if old.status = 'scheduled' and old.sending_began_at is null and (new.status in ('draft', 'approved') or new.deleted_at is not null) then
      new.quota_period_start := null;
    end if;
  end if;

  if new.status <> previous then
    if not exists (select from analytics.post_transitions t where t.from_status = previous and t.to_status = new.status) then
      perform analytics_private.refuse_post_move(previous, new.status);
    end if;
    if new.status = 'publishing' then
      new.sending_began_at := coalesce(new.sending_began_at, clock_timestamp());
    elsif new.status = 'published' then
      new.published_at := coalesce(new.published_at, clock_timestamp());
    end if;
    if previous = 'failed' then
      new.failure_reason := null;
    end if;
  end if;
  if new.status = 'scheduled' and new.deleted_at is null and (new.status <> previous or new.scheduled_at is distinct from old.scheduled_at) then
    perform analytics_private.check_schedule(new.scheduled_at);
  end if;
  if new.quota_period_start is null and new.status not in ('draft', 'approved') and new.deleted_at is null then
    new.quota_period_start := analytics_private.counted_period(new.workspace_id, 'posts');
  end if;
  return new;
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The quota: once a statement, one counter a workspace, in the order of the workspaces so that two never wait for each other

-- Definer, these three: whoever writes a post has no right on the counters.
create or replace function analytics_private.charge_new_posts() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.charge_units(t.workspace_id, 'posts', t.units, t.period_start)
  from (select n.workspace_id, n.quota_period_start, count(*) from new_posts n
        where n.quota_period_start is not null
        group by 1, 2 order by 1, 2) t (workspace_id, period_start, units);
  return null;
end
$$;

create or replace function analytics_private.charge_changed_posts() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform case when c.units > 0 then analytics_private.charge_units(c.workspace_id, 'posts', c.units, c.period_start)
               else analytics_private.give_back_units(c.workspace_id, 'posts', -c.units, c.period_start) end
  from (select u.workspace_id, u.period_start, sum(u.units)::bigint
        from (select n.workspace_id, n.quota_period_start, 1 from new_posts n where n.quota_period_start is not null
              union all
              select o.workspace_id, o.quota_period_start, -1 from old_posts o where o.quota_period_start is not null) u (workspace_id, period_start, units)
        group by 1, 2 having sum(u.units) <> 0 order by 1, 2) c (workspace_id, period_start, units);
  return null;
end
$$;

create or replace function analytics_private.credit_removed_posts() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform analytics_private.give_back_units(r.workspace_id, 'posts', r.units, r.period_start)
  from (select o.workspace_id, o.quota_period_start, count(*) from old_posts o
        where o.quota_period_start is not null and o.status = 'scheduled' and o.sending_began_at is null
        group by 1, 2 order by 1, 2) r (workspace_id, period_start, units);
  return null;
end
$$;

create or replace trigger posts_check before insert or update on analytics.posts
  for each row execute function analytics_private.check_post();
create or replace trigger posts_charge_new after insert on analytics.posts
  referencing new table as new_posts for each statement execute function analytics_private.charge_new_posts();
create or replace trigger posts_charge_changed after update on analytics.posts
  referencing old table as old_posts new table as new_posts for each statement execute function analytics_private.charge_changed_posts();
create or replace trigger posts_credit_removed after delete on analytics.posts
  referencing old table as old_posts for each statement execute function analytics_private.credit_removed_posts();

select analytics_private.audit_changes('analytics.posts', 'post');

-- ---------------------------------------------------------------------------------------------------------------------
-- What clients call

create or replace function analytics_private.authored_post_json(post analytics.posts) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_jsonb(post) - 'quota_period_start' - 'deleted_at' || jsonb_build_object('schedule_date', post.scheduled_at)
$$;
comment on function analytics_private.authored_post_json(analytics.posts) is 'a post as the functions return it: its columns, and scheduled_at under the name schedule_date too';

-- Two names for one thing; who gives both must mean the same.
create or replace function analytics_private.given_schedule(scheduled_at timestamptz, schedule_date timestamptz) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if scheduled_at <> schedule_date then
    perform analytics_private.raise_error('VALIDATION_ERROR', 'scheduled_at and schedule_date are two names for one time',
      'give one of them', '{"field": "schedule_date"}');
  end if;
  return coalesce(scheduled_at, schedule_date);
end
$$;

-- What the table's checks would refuse with a bare error.
create or replace function analytics_private.check_post_content(
  name text, content_mode text, universal_content text, universal_metadata jsonb, platform_content jsonb, platforms jsonb, topic text
) returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  field constant text := case
    when btrim(name) = '' or length(name) > 255 then 'name'
    when length(topic) > 255 then 'topic'
    when content_mode not in ('universal', 'specific') then 'content_mode'
    when length(universal_content) > 100000 then 'universal_content'
    when jsonb_typeof(universal_metadata) <> 'object' or octet_length(universal_metadata::text) > 65536 then 'universal_metadata'
    when jsonb_typeof(platform_content) <> 'object' or octet_length(platform_content::text) > 1048576 then 'platform_content'
    when jsonb_typeof(platforms) <> 'array' or octet_length(platforms::text) > 65536 then 'platforms'
  end;
begin
  if field is not null then
    perform analytics_private.raise_error('VALIDATION_ERROR', format('%s is not valid', field), case field
      when 'name' then 'give 1 to 255 characters'
      when 'topic' then 'give at most 255 characters'
      when 'content_mode' then 'it is universal or specific'
      when 'universal_content' then 'give at most 100000 characters'
      when 'universal_metadata' then 'give a JSON object of at most 64 kB'
      when 'platform_content' then 'give a JSON object of at most 1 MB'
      when 'platforms' then 'give a JSON array of at most 64 kB' end, jsonb_build_object('field', field));
  end if;
end
$$;

-- The post, locked, if the caller may write it.
create or replace function analytics_private.own_post(post_id uuid) returns analytics.posts
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  post analytics.posts;
begin
  select p.* into post from analytics.posts p
  where p.workspace_id = any (analytics_private.workspace_ids('analyst')) and p.id = own_post.post_id and p.deleted_at is null for no key update;
  if not found then
    perform analytics_private.raise_error('NOT_FOUND', 'there is no such post in your workspaces');
  end if;
  perform analytics.require_role(post.workspace_id, 'editor');
  return post;
end
$$;

-- Definer, these five: members have no right to write a post's status past the policies; each checks the caller itself.
create or replace function analytics_private.create_post(
  workspace_id uuid, name text, content_mode text, universal_content text, universal_metadata jsonb, platform_content jsonb, platforms jsonb,
  topic text, scheduled_at timestamptz, schedule_date timestamptz
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  author constant uuid := analytics_private.require_user();
  home constant uuid := analytics.require_role(analytics_private.paying_workspace(author, create_post.workspace_id), 'editor');
  due constant timestamptz := analytics_private.given_schedule(create_post.scheduled_at, create_post.schedule_date);
  post analytics.posts;
begin
  perform analytics_private.check_post_content(coalesce(create_post.name, ''), create_post.content_mode, create_post.universal_content,
    create_post.universal_metadata, create_post.platform_content, create_post.platforms, create_post.topic);
  insert into analytics.posts (workspace_id, created_by, name, topic, content_mode, universal_content, universal_metadata, platform_content,
    platforms, status, scheduled_at)
  values (home, author, create_post.name, create_post.topic, coalesce(create_post.content_mode, 'universal'), create_post.universal_content,
    coalesce(create_post.universal_metadata, '{}'), coalesce(create_post.platform_content, '{}'), coalesce(create_post.platforms, '[]'),
    case when due is null then 'draft' else 'scheduled' end, due)
  returning * into post;
  return analytics_private.authored_post_json(post);
end
$$;

create or replace function analytics.create_post(
  workspace_id uuid default null, name text default null, content_mode text default 'universal', universal_content text default null,
  universal_metadata jsonb default '{}', platform_content jsonb default '{}', platforms jsonb default '[]', topic text default null,
  scheduled_at timestamptz default null, schedule_date timestamptz default null
) returns jsonb language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.create_post(create_post.workspace_id, create_post.name, create_post.content_mode, create_post.universal_content,
    create_post.universal_metadata, create_post.platform_content, create_post.platforms, create_post.topic, create_post.scheduled_at, create_post.schedule_date);
end
$$;
comment on function analytics.create_post(uuid, text, text, text, jsonb, jsonb, jsonb, text, timestamptz, timestamptz) is
$$writes a post: a draft, or scheduled at once when a time is given
workspace_id: default the caller's own. name: required, 1 to 255 characters, never published. content_mode: universal (universal_content goes everywhere) or specific (platform_content: object of platform to content). platforms: array. scheduled_at, also accepted as schedule_date: 5 minutes to 180 days ahead (settings post_schedule_lead, post_schedule_horizon). A scheduled post takes a unit of the post quota, a draft none.
Returns the post, with scheduled_at under the name schedule_date too. Needs the role editor.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such workspace among the caller's), PAYMENT_REQUIRED (no unit left).
Example: select analytics.create_post(name => 'Spring', universal_content => 'The first flowers', platforms => '["instagram"]') ->> 'status'$$;

create or replace function analytics_private.update_post(
  post_id uuid, name text, content_mode text, universal_content text, universal_metadata jsonb, platform_content jsonb, platforms jsonb, topic text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  post analytics.posts;
begin
  perform analytics_private.require_user();
  post := analytics_private.own_post(update_post.post_id);
  perform analytics_private.check_post_content(update_post.name, update_post.content_mode, update_post.universal_content,
    update_post.universal_metadata, update_post.platform_content, update_post.platforms, update_post.topic);
  update analytics.posts p set
    name = coalesce(update_post.name, p.name), topic = coalesce(update_post.topic, p.topic),
    content_mode = coalesce(update_post.content_mode, p.content_mode),
    universal_content = coalesce(update_post.universal_content, p.universal_content),
    universal_metadata = coalesce(update_post.universal_metadata, p.universal_metadata),
    platform_content = coalesce(update_post.platform_content, p.platform_content),
    platforms = coalesce(update_post.platforms, p.platforms),
    status = case p.status when 'approved' then 'draft' else p.status end
  where p.workspace_id = post.workspace_id and p.id = post.id
  returning * into post;
  return analytics_private.authored_post_json(post);
end
$$;

create or replace function analytics.update_post(
  post_id uuid, name text default null, content_mode text default null, universal_content text default null, universal_metadata jsonb default null,
  platform_content jsonb default null, platforms jsonb default null, topic text default null
) returns jsonb language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.update_post(update_post.post_id, update_post.name, update_post.content_mode, update_post.universal_content,
    update_post.universal_metadata, update_post.platform_content, update_post.platforms, update_post.topic);
end
$$;
comment on function analytics.update_post(uuid, text, text, text, jsonb, jsonb, jsonb, text) is
$$changes the content of a post; what is null stays as it was
The parameters are those of create_post. An approved post becomes a draft again: what was approved must be what is published.
Returns the post. Needs the role editor.
Errors: VALIDATION_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such post), CONFLICT (it is being published, or is).
Example: select analytics.update_post('0195c3a0-0000-7000-8000-000000000002', universal_content => 'The first flowers are here')$$;

create or replace function analytics_private.schedule_post(post_id uuid, scheduled_at timestamptz, schedule_date timestamptz) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  due constant timestamptz := analytics_private.given_schedule(schedule_post.scheduled_at, schedule_post.schedule_date);
  post analytics.posts;
begin
  perform analytics_private.require_user();
  post := analytics_private.own_post(schedule_post.post_id);
  update analytics.posts p set status = 'scheduled', scheduled_at = due
  where p.workspace_id = post.workspace_id and p.id = post.id
  returning * into post;
  return analytics_private.authored_post_json(post);
end
$$;

create or replace function analytics.schedule_post(post_id uuid, scheduled_at timestamptz default null, schedule_date timestamptz default null) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.schedule_post(schedule_post.post_id, schedule_post.scheduled_at, schedule_post.schedule_date);
end
$$;
comment on function analytics.schedule_post(uuid, timestamptz, timestamptz) is
$$schedules a draft, an approved or a failed post, or moves a scheduled one
scheduled_at, also accepted as schedule_date: 5 minutes to 180 days ahead (settings post_schedule_lead, post_schedule_horizon). Takes a unit of the post quota if the post holds none: moving a scheduled post and trying a failed one again are free.
Returns the post, with scheduled_at under the name schedule_date too. Needs the role editor.
Errors: VALIDATION_ERROR (time), UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such post), CONFLICT (it is being published, or is), PAYMENT_REQUIRED (no unit left).
Example: select analytics.schedule_post('0195c3a0-0000-7000-8000-000000000002', now() + interval '1 day') ->> 'schedule_date'$$;

create or replace function analytics_private.cancel_post(post_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  post analytics.posts;
begin
  perform analytics_private.require_user();
  post := analytics_private.own_post(cancel_post.post_id);
  if post.status <> 'scheduled' then
    perform analytics_private.raise_error('CONFLICT', format('a post that is %s cannot be cancelled', post.status), 'only a scheduled post can be',
      jsonb_build_object('field', 'status', 'from', post.status, 'to', 'draft'));
  end if;
  update analytics.posts p set status = 'draft', scheduled_at = null
  where p.workspace_id = post.workspace_id and p.id = post.id
  returning * into post;
  return analytics_private.authored_post_json(post);
end
$$;

create or replace function analytics.cancel_post(post_id uuid) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.cancel_post(cancel_post.post_id);
end
$$;
comment on function analytics.cancel_post(uuid) is
$$makes a scheduled post a draft again
Its unit of the post quota is given back while the period it was taken in still runs, unless the post was sent once before.
Returns the post. Needs the role editor.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such post), CONFLICT (it is not scheduled).
Example: select analytics.cancel_post('0195c3a0-0000-7000-8000-000000000003') ->> 'status'$$;

create or replace function analytics_private.delete_post(post_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  post analytics.posts;
begin
  perform analytics_private.require_user();
  post := analytics_private.own_post(delete_post.post_id);
  update analytics.posts p set deleted_at = clock_timestamp()
  where p.workspace_id = post.workspace_id and p.id = post.id
  returning * into post;
  return jsonb_build_object('id', post.id, 'deleted_at', post.deleted_at);
end
$$;

create or replace function analytics.delete_post(post_id uuid) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return analytics_private.delete_post(delete_post.post_id);
end
$$;
comment on function analytics.delete_post(uuid) is
$$deletes a post; nobody sees it any more
A scheduled post gives its unit back as cancel_post does. What was published stays where it was published.
Returns {id, deleted_at}. Needs the role editor.
Errors: UNAUTHORIZED, FORBIDDEN, NOT_FOUND (no such post), CONFLICT (it is just being published).
Example: select analytics.delete_post('0195c3a0-0000-7000-8000-000000000002') ->> 'deleted_at'$$;
