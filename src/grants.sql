alter extension analytics_ext drop schema analytics_private;

-- Every function is open to PUBLIC when it is made; ours are open to whom they are given here.
do $revoke$
declare
  script_path constant pg_catalog.text := pg_catalog.current_setting('search_path');
  member record;
begin
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  for member in
    select d.objid::regprocedure as signature from pg_catalog.pg_depend d
    where d.refclassid = 'pg_catalog.pg_extension'::regclass and d.classid = 'pg_catalog.pg_proc'::regclass and d.deptype = 'e'
      and d.refobjid = (select oid from pg_catalog.pg_extension where extname = 'analytics_ext')
  loop
    execute format('revoke all on function %s from public', member.signature);
    execute format('grant execute on function %s to analytics_owner', member.signature);
  end loop;
  perform set_config('search_path', script_path, true);
end
$revoke$;

-- Runs the SQL files as analytics_owner: only for the one who created the extension.
revoke execute on function analytics.install() from analytics_owner;
grant usage on schema analytics to @extowner@;
grant execute on function analytics.install() to @extowner@;

-- Pure arithmetic and text functions.
grant execute on function
  analytics.engagement_rate(bigint, bigint, bigint, bigint, bigint), analytics.engagement_rate_by_followers(bigint, bigint, bigint),
  analytics.engagement_rate_by_views(bigint, bigint, bigint, bigint, bigint),
  analytics.influence_score(bigint, boolean, boolean, double precision, bigint),
  analytics.extract_mentions(text), analytics.extract_hashtags(text), analytics.sentiment(text), analytics.sentiment_label(double precision),
  analytics.uuidv7(), analytics.sparkline(double precision[]), analytics_private.period_start(timestamptz, timestamptz),
  analytics_private.draw_chart(json, integer), analytics_private.draw_page(json), analytics_private.csv_record(text[])
to authenticated, service_role, anon, @extowner@;

-- Sets of followers: all of the type, for everybody who has one.
grant usage on type analytics.follower_set to authenticated, service_role, anon, analytics_owner, @extowner@;
grant execute on function
  analytics.set_union(analytics.follower_set, analytics.follower_set), analytics.set_intersect(analytics.follower_set, analytics.follower_set),
  analytics.set_difference(analytics.follower_set, analytics.follower_set),
  analytics.set_symmetric_difference(analytics.follower_set, analytics.follower_set),
  analytics.set_contains(analytics.follower_set, analytics.follower_set), analytics.set_contained(analytics.follower_set, analytics.follower_set),
  analytics.set_overlaps(analytics.follower_set, analytics.follower_set), analytics.set_eq(analytics.follower_set, analytics.follower_set),
  analytics.set_ne(analytics.follower_set, analytics.follower_set), analytics.union_count(analytics.follower_set, analytics.follower_set),
  analytics.intersect_count(analytics.follower_set, analytics.follower_set),
  analytics.difference_count(analytics.follower_set, analytics.follower_set),
  analytics.symmetric_difference_count(analytics.follower_set, analytics.follower_set),
  analytics.follower_diff(analytics.follower_set, analytics.follower_set),
  analytics.follower_diff_sets(analytics.follower_set, analytics.follower_set), analytics.set_hash(analytics.follower_set),
  analytics.cardinality(analytics.follower_set), analytics.set_min(analytics.follower_set), analytics.set_max(analytics.follower_set),
  analytics.follower_set_out(analytics.follower_set), analytics.follower_set_send(analytics.follower_set),
  analytics.follower_set_to_array(analytics.follower_set), analytics.set_hash_extended(analytics.follower_set, bigint),
  analytics.contains(analytics.follower_set, bigint), analytics.members(analytics.follower_set, bigint, bigint), analytics.follower_set_in(cstring),
  analytics.follower_set_recv(internal), analytics.follower_set_from_array(bigint[]), analytics.follower_set_agg(bigint),
  analytics.union_agg(analytics.follower_set), analytics.intersect_agg(analytics.follower_set)
to authenticated, service_role, anon, @extowner@;
-- Merged audiences: likewise.
grant usage on type analytics.audience to authenticated, service_role, anon, analytics_owner, @extowner@;
grant execute on function
  analytics.audience_in(cstring), analytics.audience_out(analytics.audience), analytics.audience_recv(internal),
  analytics.audience_send(analytics.audience), analytics.audience_from_jsonb(jsonb), analytics.audience_to_jsonb(analytics.audience),
  analytics.audience_share(analytics.audience, text), analytics.audience_base(analytics.audience),
  analytics.audience_documents(analytics.audience), analytics.audience_top(analytics.audience, integer),
  analytics.affinity(analytics.audience, analytics.audience, double precision), analytics.audience_merge(jsonb),
  analytics.audience_merge(jsonb, double precision), analytics.audience_rollup(analytics.audience)
to authenticated, service_role, anon, @extowner@;
-- Pure too; called by questions about followers, which run with the caller's rights.
grant execute on function
  analytics_private.replay_deltas(analytics.follower_set, bytea[], bytea[]), analytics_private.remap(analytics.follower_set, bigint[], bigint[]),
  analytics_private.greedy_cover(bytea[], integer), analytics_private.change_id(uuid, timestamptz, integer, bigint),
  analytics_private.read_handle(text, text), analytics_private.judge_series(double precision[], integer)
to authenticated, service_role, anon, @extowner@;

-- Summaries of engagement: all of the type, for everybody who has one.
grant usage on type analytics.engagement_summary to authenticated, service_role, anon, analytics_owner, @extowner@;
grant execute on function
  analytics.denominator(analytics.engagement_summary), analytics.posts_counted(analytics.engagement_summary),
  analytics.posts_with_rate(analytics.engagement_summary), analytics.posts_without_rate(analytics.engagement_summary),
  analytics.posts_with_hidden_counts(analytics.engagement_summary),
  analytics.posts_with_denominator(analytics.engagement_summary),
  analytics.posts_without_denominator(analytics.engagement_summary), analytics.sum_of_interactions(analytics.engagement_summary),
  analytics.sum_of_denominators(analytics.engagement_summary), analytics.ratio_of_sums(analytics.engagement_summary),
  analytics.mean_of_ratios(analytics.engagement_summary), analytics.standard_deviation(analytics.engagement_summary),
  analytics.minimum(analytics.engagement_summary), analytics.maximum(analytics.engagement_summary),
  analytics.quantile_error(analytics.engagement_summary), analytics.engagement_summary_out(analytics.engagement_summary),
  analytics.engagement_summary_send(analytics.engagement_summary),
  analytics.quantile(analytics.engagement_summary, double precision),
  analytics.quantiles(analytics.engagement_summary, double precision[]), analytics.engagement_summary_in(cstring),
  analytics.engagement_summary_recv(internal), analytics.engagement_stats(bigint, bigint, bigint, bigint, bigint),
  analytics.engagement_stats_by_followers(bigint, bigint, bigint),
  analytics.engagement_stats_by_views(bigint, bigint, bigint, bigint, bigint), analytics.rollup(analytics.engagement_summary)
to authenticated, service_role, anon, @extowner@;

-- What the policies and the functions that run with the caller's rights ask.
grant execute on function
  analytics_private.user_id(), analytics_private.claimed_user_id(), analytics_private.workspace_ids(text), analytics_private.may_read_profile(uuid),
  analytics_private.check_username(text), analytics_private.request_id(), analytics_private.request_ip(), analytics_private.request_user_agent()
to authenticated, service_role, anon, analytics_sidecar, @extowner@;
