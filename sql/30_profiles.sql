-- Observed Instagram data: shared by all tenants, open to a user only while his window on the profile is open.
--
-- Every table has the same policy, analytics_private.may_read_profile(profile_id): a Rust function with one index probe
-- and a cache per statement, so its cost depends neither on the number of rows read nor on the number of windows of the caller.

-- ---------------------------------------------------------------------------------------------------------------------
-- profiles

create table if not exists analytics.profiles (
  id uuid not null,
  username varchar(30),
  instagram_user_id text,
  former_usernames text[] not null default '{}',
  full_name varchar(500),
  biography text,
  external_url text,
  bio_links jsonb,
  pronouns text[],
  profile_pic_url text,
  profile_pic_url_hd text,
  followers_count bigint,
  following_count bigint,
  posts_count bigint,
  highlight_reel_count bigint,
  is_verified boolean,
  is_private boolean,
  is_business_account boolean,
  is_professional_account boolean,
  category varchar(255),
  engagement_rate_by_followers double precision,
  influence_score double precision,
  data_quality_score double precision,
  captured_at timestamptz,
  posts_captured_at timestamptz,
  refresh_count integer not null default 0,
  failed_at timestamptz,
  failure_code text,
  failure_message text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint profiles_pkey primary key (id),
  constraint profiles_username_key unique (username),
  constraint profiles_instagram_user_id_key unique (instagram_user_id),
  constraint profiles_named check (username is not null or instagram_user_id is not null),
  constraint profiles_username_form check (username ~ '^[a-z0-9._]{1,30}$')
);
alter table analytics.profiles alter column id set default analytics.uuidv7();
create index if not exists profiles_search_text on analytics.profiles
  using gin (to_tsvector('simple'::regconfig, coalesce(username, '') || ' ' || coalesce(full_name, '') || ' ' || coalesce(biography, '') || ' ' || coalesce(category, '')));
create index if not exists profiles_search_trigrams on analytics.profiles
  using gin ((lower(coalesce(username, '') || ' ' || coalesce(full_name, ''))) @pg_trgm@.gin_trgm_ops);
alter table analytics.profiles enable row level security;
comment on table analytics.profiles is 'Instagram accounts as last captured; a row without captured_at is only known by name';
comment on column analytics.profiles.username is 'lower case, without @; null when the account is known by id alone or lost the name to another';
comment on column analytics.profiles.instagram_user_id is 'Instagram''s id of the account, digits';
comment on column analytics.profiles.captured_at is 'when the counts and texts of this row were seen';
comment on column analytics.profiles.posts_captured_at is 'when its newest page of posts was seen; null: never';
comment on column analytics.profiles.engagement_rate_by_followers is 'percent: mean over the 12 newest posts with known likes and comments';
comment on column analytics.profiles.influence_score is '0 to 10; docs/engagement.md has the formula; null while followers are unknown';
comment on column analytics.profiles.data_quality_score is '0 to 1: share of the descriptive fields that are known';
comment on column analytics.profiles.failure_code is 'why the last fetch failed, in the error vocabulary; null after a success';

create or replace trigger profiles_touch before update on analytics.profiles
  for each row execute function analytics_private.touch_updated_at();

-- ---------------------------------------------------------------------------------------------------------------------
-- profile_history: the counts of every capture

create table if not exists analytics.profile_history (
  profile_id uuid not null,
  captured_at timestamptz not null,
  followers_count bigint,
  following_count bigint,
  posts_count bigint,
  constraint profile_history_pkey primary key (profile_id, captured_at),
  constraint profile_history_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete cascade
);
alter table analytics.profile_history enable row level security;
comment on table analytics.profile_history is 'counts of a profile at every capture';

-- ---------------------------------------------------------------------------------------------------------------------
-- profile_posts
--
-- Not partitioned by time: a profile's posts spread over ten years, and with monthly partitions reading one profile
-- probes every partition (8 to 15 times slower with 192 of them).

create table if not exists analytics.profile_posts (
  id uuid not null,
  profile_id uuid not null,
  instagram_post_id text not null,
  shortcode text not null,
  owner_id text,
  owner_username varchar(30),
  media_type varchar(50),
  product_type varchar(50),
  is_video boolean,
  is_carousel boolean,
  carousel_media_count bigint,
  display_url text,
  thumbnail_src text,
  video_url text,
  video_view_count bigint,
  video_play_count bigint,
  video_duration double precision,
  has_audio boolean,
  width bigint,
  height bigint,
  caption text,
  accessibility_caption text,
  likes_count bigint,
  comments_count bigint,
  engagement_rate_by_followers double precision,
  comments_disabled boolean,
  like_and_view_counts_disabled boolean,
  viewer_can_reshare boolean,
  is_pinned boolean,
  is_paid_partnership boolean,
  location_name varchar(255),
  location_id varchar(50),
  taken_at_timestamp bigint,
  posted_at timestamptz not null,
  sidecar_children jsonb,
  tagged_users jsonb,
  coauthor_producers jsonb,
  hashtags text[] not null default '{}',
  mentions text[] not null default '{}',
  captured_at timestamptz not null,
  created_at timestamptz not null default now(),
  constraint profile_posts_pkey primary key (id),
  constraint profile_posts_instagram_post_id_key unique (instagram_post_id),
  constraint profile_posts_shortcode_key unique (shortcode),
  -- For the keys of what hangs on a post: it belongs to the post's profile, and moves with it.
  constraint profile_posts_of_profile_key unique (id, profile_id),
  constraint profile_posts_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete cascade
);
alter table analytics.profile_posts alter column id set default analytics.uuidv7();
-- Covers the foreign key, the newest posts of a profile and keyset paging through them.
create index if not exists profile_posts_newest on analytics.profile_posts (profile_id, posted_at desc, id desc);
alter table analytics.profile_posts enable row level security;
comment on table analytics.profile_posts is 'posts of observed profiles as last captured';
comment on column analytics.profile_posts.profile_id is 'the owner; a collaboration first seen on a partner''s timeline stays with the partner until the owner''s own timeline shows it';
comment on column analytics.profile_posts.likes_count is 'null when hidden or unknown, never 0 for unknown';
comment on column analytics.profile_posts.video_duration is 'seconds';
comment on column analytics.profile_posts.engagement_rate_by_followers is 'percent: (likes + comments) / followers at the time of the capture';
comment on column analytics.profile_posts.media_type is 'GraphImage, GraphVideo or GraphSidecar';

-- ---------------------------------------------------------------------------------------------------------------------
-- What is known around a profile

create table if not exists analytics.audience_demographics (
  id uuid not null,
  profile_id uuid not null,
  gender_distribution jsonb not null default '{}',
  age_distribution jsonb not null default '{}',
  location_distribution jsonb not null default '{}',
  sample_size integer,
  confidence_score double precision,
  last_sampled timestamptz not null default now(),
  analysis_method text,
  constraint audience_demographics_pkey primary key (id),
  constraint audience_demographics_profile_key unique (profile_id),
  constraint audience_demographics_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete cascade,
  constraint audience_demographics_objects check (
    jsonb_typeof(gender_distribution) = 'object' and jsonb_typeof(age_distribution) = 'object' and jsonb_typeof(location_distribution) = 'object'),
  constraint audience_demographics_sample check (sample_size >= 0),
  constraint audience_demographics_confidence check (confidence_score between 0 and 1),
  constraint audience_demographics_method_known check (analysis_method in ('decodo_enhanced', 'manual', 'estimated'))
);
alter table analytics.audience_demographics alter column id set default analytics.uuidv7();
alter table analytics.audience_demographics enable row level security;
comment on table analytics.audience_demographics is 'audience of a profile: distributions are shares from 0 to 1 keyed by gender, age bucket or place';

create table if not exists analytics.creator_metadata (
  id uuid not null,
  profile_id uuid not null,
  extracted_location text,
  categories text[] not null default '{}',
  content_themes jsonb,
  primary_language varchar(10),
  secondary_languages varchar(10)[],
  content_sentiment varchar(20),
  brand_mentions jsonb,
  last_updated timestamptz not null default now(),
  analysis_confidence double precision,
  posts_analyzed integer,
  first_posted_at timestamptz,
  last_posted_at timestamptz,
  posts_per_week double precision,
  median_gap_days double precision,
  gaps_counted integer,
  posting_consistency double precision,
  engagement_by_type jsonb,
  top_hashtags jsonb,
  top_mentions jsonb,
  weekly_growth_rate double precision,
  follower_growth jsonb,
  media_value_low numeric(14, 2),
  media_value_mid numeric(14, 2),
  media_value_high numeric(14, 2),
  media_value_currency varchar(3),
  media_value jsonb,
  audience_quality_score double precision,
  audience_quality jsonb,
  reasons jsonb not null default '{}',
  captured_at timestamptz,
  derived_at timestamptz,
  constraint creator_metadata_pkey primary key (id),
  constraint creator_metadata_profile_key unique (profile_id),
  constraint creator_metadata_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete cascade,
  constraint creator_metadata_sentiment_known check (content_sentiment in ('positive', 'neutral', 'negative')),
  constraint creator_metadata_confidence check (analysis_confidence between 0 and 1),
  constraint creator_metadata_consistency check (posting_consistency between 0 and 1),
  constraint creator_metadata_quality check (audience_quality_score between 0 and 1),
  constraint creator_metadata_media_value check (media_value_low <= media_value_mid and media_value_mid <= media_value_high)
);
alter table analytics.creator_metadata alter column id set default analytics.uuidv7();
alter table analytics.creator_metadata enable row level security;
comment on table analytics.creator_metadata is 'derived description of a creator, one row a profile. From posts_analyzed on, every column is written by analytics_private.derive_creator_metadata; docs/creators.md has the formulas';
comment on column analytics.creator_metadata.posts_analyzed is 'how many posts the numbers rest on: the newest that are stored, 100 at most';
comment on column analytics.creator_metadata.posts_per_week is '(posts - 1) / weeks from the first to the last of them; pinned posts from before the others are left out';
comment on column analytics.creator_metadata.posting_consistency is '1 - standard deviation / mean of the gaps between posts, 0 at least; 1 is a clock';
comment on column analytics.creator_metadata.engagement_by_type is 'object: photo, video, reel, carousel or unknown to {posts, posts_with_rate, mean_rate, median_rate, ratio_of_sums}; rates by followers, percent';
comment on column analytics.creator_metadata.weekly_growth_rate is 'percent a week, compound, over the captures of 90 days; follower_growth says over which';
comment on column analytics.creator_metadata.media_value_mid is 'estimate: mean advertising equivalent of one post; media_value says by which rates and of how many posts';
comment on column analytics.creator_metadata.audience_quality_score is 'estimate, 0 to 1; audience_quality has every signal, its weight and sample';
comment on column analytics.creator_metadata.reasons is 'object: column that is null to why';
comment on column analytics.creator_metadata.captured_at is 'when the newest of what it was derived from was captured';
comment on column analytics.creator_metadata.derived_at is 'null: nothing was derived yet, the row is the application''s';

-- Profiles of which something new was stored. Rows are only added, so that an ingest waits for nobody: without a key, and a profile
-- may be there more than once.
create table if not exists analytics_private.creators_due (
  profile_id uuid not null
);
alter table analytics_private.creators_due enable row level security;
comment on table analytics_private.creators_due is 'profiles whose creator_metadata is to be derived again';

create table if not exists analytics.comment_sentiment (
  id uuid not null,
  post_id uuid not null,
  profile_id uuid not null,
  positive_score double precision,
  negative_score double precision,
  neutral_score double precision,
  compound_score double precision,
  overall_sentiment varchar(20),
  comments_analyzed integer not null,
  comment_ids text[] not null default '{}',
  analysis_timestamp timestamptz not null default now(),
  constraint comment_sentiment_pkey primary key (id),
  constraint comment_sentiment_post_key unique (post_id),
  constraint comment_sentiment_post_fkey foreign key (post_id, profile_id) references analytics.profile_posts (id, profile_id)
    on delete cascade on update cascade,
  constraint comment_sentiment_known check (overall_sentiment in ('positive', 'neutral', 'negative'))
);
alter table analytics.comment_sentiment alter column id set default analytics.uuidv7();
create index if not exists comment_sentiment_profile on analytics.comment_sentiment (profile_id, post_id);
alter table analytics.comment_sentiment enable row level security;
comment on table analytics.comment_sentiment is 'VADER scores of a post''s comments: the mean over the comments seen so far, and their number';
comment on column analytics.comment_sentiment.comment_ids is 'which comments are in the mean, so that pages that overlap or arrive twice count once; neither texts nor authors are kept';
comment on column analytics.comment_sentiment.compound_score is '-1 to 1; the overall word is positive from 0.05, negative to -0.05';

create table if not exists analytics.mentions (
  id uuid not null,
  profile_id uuid not null,
  post_id uuid not null,
  mentioned_username varchar(255) not null,
  mention_type varchar(50) not null,
  mention_context text,
  mentioned_at timestamptz not null,
  constraint mentions_pkey primary key (id),
  constraint mentions_once unique (post_id, mentioned_username, mention_type),
  constraint mentions_post_fkey foreign key (post_id, profile_id) references analytics.profile_posts (id, profile_id)
    on delete cascade on update cascade,
  constraint mentions_type_known check (mention_type in ('tag', 'caption', 'comment'))
);
alter table analytics.mentions alter column id set default analytics.uuidv7();
-- None on the name: a page of twelve posts can bring ninety mentions, and only erase_person() looks for one name everywhere.
create index if not exists mentions_profile on analytics.mentions (profile_id, post_id);
alter table analytics.mentions enable row level security;
comment on table analytics.mentions is 'whom a profile mentions, in captions (@) and by tagging';
comment on column analytics.mentions.mentioned_at is 'when the post was published';

create table if not exists analytics.related_profiles (
  id uuid not null,
  profile_id uuid not null,
  related_username varchar(255) not null,
  related_instagram_user_id text,
  related_full_name text,
  related_is_verified boolean,
  related_is_private boolean,
  related_profile_pic_url text,
  related_followers_count bigint,
  rank integer not null,
  similarity_score double precision,
  relationship_type varchar(50) not null default 'suggested',
  source varchar(50) not null default 'decodo',
  discovered_at timestamptz not null,
  constraint related_profiles_pkey primary key (id),
  constraint related_profiles_once unique (profile_id, related_username),
  constraint related_profiles_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete cascade,
  constraint related_profiles_similarity check (similarity_score between 0 and 1),
  constraint related_profiles_type_known check (relationship_type in ('similar', 'competitor', 'collaboration', 'suggested')),
  constraint related_profiles_source_known check (source in ('decodo', 'manual', 'algorithm'))
);
alter table analytics.related_profiles alter column id set default analytics.uuidv7();
create index if not exists related_profiles_username on analytics.related_profiles (related_username);
alter table analytics.related_profiles enable row level security;
comment on table analytics.related_profiles is 'profiles that Instagram suggests beside this one, replaced at each capture that has any';
comment on column analytics.related_profiles.similarity_score is '0 to 1; null where the source gives an order only, which is in rank';

-- ---------------------------------------------------------------------------------------------------------------------
-- Raw payloads: everything above can be derived again from them

create table if not exists analytics_private.raw_payloads (
  id uuid not null,
  profile_id uuid,
  kind varchar(20) not null,
  subject text,
  digest bytea not null,
  captured_at timestamptz not null,
  received_at timestamptz not null default now(),
  payload json not null,
  constraint raw_payloads_pkey primary key (id),
  constraint raw_payloads_profile_fkey foreign key (profile_id) references analytics.profiles (id) on delete cascade
);
alter table analytics_private.raw_payloads alter column id set default analytics.uuidv7();
-- Two indexes, since a null profile (a hashtag page) equals no other.
create unique index if not exists raw_payloads_once on analytics_private.raw_payloads (profile_id, digest);
create unique index if not exists raw_payloads_once_without_profile on analytics_private.raw_payloads (digest) where profile_id is null;
create index if not exists raw_payloads_captured_at on analytics_private.raw_payloads (captured_at);
alter table analytics_private.raw_payloads enable row level security;
comment on column analytics_private.raw_payloads.payload is 'json, not jsonb: kept as it came, compressed with lz4';
comment on column analytics_private.raw_payloads.digest is 'SHA-256 of the payload''s text: the same answer delivered twice is one row';

-- lz4 where the server was built with it (Debian's and Supabase's are), else PostgreSQL's own pglz.
do $compression$
begin
  -- What makes a post too wide for its page.
  alter table analytics.profile_posts alter column caption set compression lz4, alter column display_url set compression lz4,
    alter column thumbnail_src set compression lz4, alter column video_url set compression lz4,
    alter column sidecar_children set compression lz4, alter column tagged_users set compression lz4;
  alter table analytics_private.raw_payloads alter column payload set compression lz4;
exception when feature_not_supported then
  raise notice 'this server has no lz4: payloads are compressed with pglz';
end
$compression$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Row-level security: one policy each, the same

do $policies$
declare
  observed record;
begin
  for observed in
    select * from (values
      ('profiles', 'id'), ('profile_history', 'profile_id'), ('profile_posts', 'profile_id'), ('audience_demographics', 'profile_id'),
      ('creator_metadata', 'profile_id'), ('comment_sentiment', 'profile_id'), ('mentions', 'profile_id'), ('related_profiles', 'profile_id')
    ) as t (table_name, key_column)
  loop
    execute format('drop policy if exists "users read profiles while their window is open" on analytics.%I', observed.table_name);
    execute format('create policy "users read profiles while their window is open" on analytics.%I for select to authenticated '
      'using (analytics_private.may_read_profile(%I))', observed.table_name, observed.key_column);
  end loop;
end
$policies$;
