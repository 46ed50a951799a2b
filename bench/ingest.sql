-- The tables a Python service would write: those of the extension with their keys, checks and indexes, and the raw payload
-- as jsonb.
create schema plain;
create table plain.profiles (like analytics.profiles including all);
create table plain.profile_history (like analytics.profile_history including all);
create table plain.profile_posts (like analytics.profile_posts including all);
create table plain.mentions (like analytics.mentions including all);
create table plain.related_profiles (like analytics.related_profiles including all);
create table plain.comment_scores (
  post_id uuid not null, comment_id text not null,
  positive float8 not null, negative float8 not null, neutral float8 not null, compound float8 not null,
  primary key (post_id, comment_id)
);
create table plain.comment_sentiment (like analytics.comment_sentiment including all);
create table plain.raw_payloads (
  id uuid primary key default analytics.uuidv7(),
  profile_id uuid not null references plain.profiles on delete cascade,
  digest bytea not null,
  captured_at timestamptz not null,
  received_at timestamptz not null default now(),
  payload jsonb not null,
  unique (profile_id, digest)
);
create index on plain.raw_payloads (captured_at);
alter table plain.profile_history add foreign key (profile_id) references plain.profiles on delete cascade;
alter table plain.profile_posts add foreign key (profile_id) references plain.profiles on delete cascade;
alter table plain.mentions add foreign key (post_id, profile_id) references plain.profile_posts (id, profile_id) on delete cascade on update cascade;
alter table plain.comment_scores add foreign key (post_id) references plain.profile_posts on delete cascade;
alter table plain.comment_sentiment add foreign key (post_id, profile_id) references plain.profile_posts (id, profile_id) on delete cascade on update cascade;
alter table plain.related_profiles add foreign key (profile_id) references plain.profiles on delete cascade;
