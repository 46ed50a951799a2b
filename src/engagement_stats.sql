-- What makes a type and aggregates of the functions in engagement_stats.rs.

create type analytics.engagement_summary (
  input = analytics.engagement_summary_in,
  output = analytics.engagement_summary_out,
  receive = analytics.engagement_summary_recv,
  send = analytics.engagement_summary_send,
  internallength = variable,
  alignment = int4,
  -- Its bytes are packed already.
  storage = external
);
comment on type analytics.engagement_summary is
$$engagement rates of many posts: counts, sums, moments, extremes, quantiles; written as bytea is
Tables store it as bytea: the casts both ways cost nothing, and every function checks what it reads (XX001 when the bytes are damaged or no summary).$$;

create cast (bytea as analytics.engagement_summary) without function;
create cast (analytics.engagement_summary as bytea) without function as assignment;

create function analytics_private.engagement_by_reach(internal, bigint, bigint, bigint, bigint, bigint) returns internal
  language c immutable parallel safe as 'MODULE_PATHNAME', 'engagement_by_reach';
create function analytics_private.engagement_by_followers(internal, bigint, bigint, bigint) returns internal
  language c immutable parallel safe as 'MODULE_PATHNAME', 'engagement_by_followers';
create function analytics_private.engagement_by_views(internal, bigint, bigint, bigint, bigint, bigint) returns internal
  language c immutable parallel safe as 'MODULE_PATHNAME', 'engagement_by_views';

-- A state takes 300 bytes for a post and 5 kB for the posts of a year.
-- A window that moves takes back what leaves it; where that cannot be done, the server aggregates its rows anew.
create aggregate analytics.engagement_stats(likes bigint, comments bigint, shares bigint, saves bigint, reach bigint) (
  sfunc = analytics_private.engagement_by_reach, stype = internal, sspace = 4096, finalfunc = analytics_private.engagement_end,
  combinefunc = analytics_private.engagement_combine, serialfunc = analytics_private.engagement_serialize, deserialfunc = analytics_private.engagement_deserialize,
  msfunc = analytics_private.engagement_by_reach, minvfunc = analytics_private.engagement_take_back, mstype = internal, msspace = 4096, mfinalfunc = analytics_private.engagement_end,
  parallel = safe);
create aggregate analytics.engagement_stats_by_followers(likes bigint, comments bigint, followers bigint) (
  sfunc = analytics_private.engagement_by_followers, stype = internal, sspace = 4096, finalfunc = analytics_private.engagement_end,
  combinefunc = analytics_private.engagement_combine, serialfunc = analytics_private.engagement_serialize, deserialfunc = analytics_private.engagement_deserialize,
  msfunc = analytics_private.engagement_by_followers, minvfunc = analytics_private.engagement_by_followers_take_back, mstype = internal, msspace = 4096, mfinalfunc = analytics_private.engagement_end,
  parallel = safe);
create aggregate analytics.engagement_stats_by_views(likes bigint, comments bigint, shares bigint, saves bigint, views bigint) (
  sfunc = analytics_private.engagement_by_views, stype = internal, sspace = 4096, finalfunc = analytics_private.engagement_end,
  combinefunc = analytics_private.engagement_combine, serialfunc = analytics_private.engagement_serialize, deserialfunc = analytics_private.engagement_deserialize,
  msfunc = analytics_private.engagement_by_views, minvfunc = analytics_private.engagement_take_back, mstype = internal, msspace = 4096, mfinalfunc = analytics_private.engagement_end,
  parallel = safe);
create aggregate analytics.rollup(summary analytics.engagement_summary) (
  sfunc = analytics_private.engagement_roll_up, stype = internal, sspace = 4096, finalfunc = analytics_private.engagement_end,
  combinefunc = analytics_private.engagement_combine, serialfunc = analytics_private.engagement_serialize, deserialfunc = analytics_private.engagement_deserialize,
  parallel = safe);

comment on aggregate analytics.engagement_stats(bigint, bigint, bigint, bigint, bigint) is
$$engagement rates by reach of many posts, as one summary: (likes + comments + shares + saves) / reach * 100 of each
Every row is a post. One whose rate is unknown (a count or reach is NULL or negative, or reach is 0) is counted apart and adds to nothing else. NULL without any row.
Example: select analytics.mean_of_ratios(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 5.25 from (values (100, 1000), (50, 10000)) as posts (likes, reach)$$;
comment on aggregate analytics.engagement_stats_by_followers(bigint, bigint, bigint) is
$$engagement rates by followers of many posts, as one summary: (likes + comments) / followers * 100 of each
followers: of the account on the day of publishing. What is unknown is treated as in engagement_stats.
Example: select analytics.mean_of_ratios(analytics.engagement_stats_by_followers(likes, 0, followers)) = 5.25 from (values (100, 1000), (50, 10000)) as posts (likes, followers)$$;
comment on aggregate analytics.engagement_stats_by_views(bigint, bigint, bigint, bigint, bigint) is
$$engagement rates by views of many posts, as one summary: (likes + comments + shares + saves) / views * 100 of each
What is unknown is treated as in engagement_stats.
Example: select analytics.mean_of_ratios(analytics.engagement_stats_by_views(likes, 0, 0, 0, views)) = 5.25 from (values (100, 1000), (50, 10000)) as posts (likes, views)$$;
comment on aggregate analytics.rollup(analytics.engagement_summary) is
$$one summary of the posts of all: a month from its days; the same to the last bit as one made from the posts
NULL summaries are left out; NULL without any. Errors: 22023 for rates by different denominators, 22003 beyond 2^63 - 1 posts.
Example: select analytics.posts_counted(analytics.rollup(day)) = 3 from (select analytics.engagement_stats(1, 0, 0, 0, 10) as day from (values (1), (1), (2)) as posts (published) group by published) as days$$;

comment on function analytics.denominator(analytics.engagement_summary) is
$$what the rates are by: reach, followers or views
Example: select analytics.denominator(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 'reach' from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.posts_counted(analytics.engagement_summary) is
$$number of posts, whatever is known of them
Example: select analytics.posts_counted(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 3 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.posts_with_rate(analytics.engagement_summary) is
$$number of posts whose rate is known: every count, and a denominator above 0
Example: select analytics.posts_with_rate(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 2 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.posts_without_rate(analytics.engagement_summary) is
$$number of posts whose rate is unknown, for whatever reason
Example: select analytics.posts_without_rate(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 1 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.posts_with_hidden_counts(analytics.engagement_summary) is
$$number of posts of which some count is NULL or negative; their denominator may be known or not
Example: select analytics.posts_with_hidden_counts(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 1 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.posts_with_denominator(analytics.engagement_summary) is
$$number of posts whose denominator (reach, followers, views) is known and above 0; their counts may be known or hidden
Example: select analytics.posts_with_denominator(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 3 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.posts_without_denominator(analytics.engagement_summary) is
$$number of posts whose denominator (reach, followers, views) is NULL, negative or 0
Example: select analytics.posts_without_denominator(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 0 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.sum_of_interactions(analytics.engagement_summary) is
$$interactions of the posts whose rate is known, exact; NULL without any
Example: select analytics.sum_of_interactions(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 150 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.sum_of_denominators(analytics.engagement_summary) is
$$reach (or followers, or views) of the posts whose rate is known, exact; NULL without any
Whoever was reached by two posts is in it twice: it weighs posts, it is not the reach of all.
Example: select analytics.sum_of_denominators(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 11000 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.ratio_of_sums(analytics.engagement_summary) is
$$percent: the sum of the interactions over the sum of the denominators; every person reached weighs the same
Of the posts whose rate is known; NULL without any.
Example: select round(analytics.ratio_of_sums(analytics.engagement_stats(likes, 0, 0, 0, reach))::numeric, 4) = 1.3636 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.mean_of_ratios(analytics.engagement_summary) is
$$percent: the mean of the posts' rates; every post weighs the same
Of the posts whose rate is known; NULL without any.
Example: select analytics.mean_of_ratios(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 5.25 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.standard_deviation(analytics.engagement_summary) is
$$percentage points: the standard deviation of the posts' rates, of a sample as stddev() is
NULL with fewer than two posts whose rate is known.
Example: select round(analytics.standard_deviation(analytics.engagement_stats(likes, 0, 0, 0, reach))::numeric, 4) = 6.7175 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.minimum(analytics.engagement_summary) is
$$percent: the smallest rate, exact; NULL without any
Example: select analytics.minimum(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 0.5 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.maximum(analytics.engagement_summary) is
$$percent: the largest rate, exact; NULL without any
Example: select analytics.maximum(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 10 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.quantile(analytics.engagement_summary, double precision) is
$$percent: the smallest rate that at least this fraction (0 to 1) of the posts does not exceed, as percentile_disc has it; NULL without any
Off by quantile_error(summary) of itself at most: 1/129, or 0.78 %. Zero, the smallest and the largest rate are exact. Errors: 22003 for a fraction outside 0 to 1.
Example: select abs(analytics.quantile(analytics.engagement_stats(likes, 0, 0, 0, reach), 0.5) / 2 - 1) <= 0.0078 from (values (20, 1000), (1, 1000), (50, 100)) as posts (likes, reach)$$;
comment on function analytics.quantiles(analytics.engagement_summary, double precision[]) is
$$percent: quantile() of each fraction, in their order; NULL for a NULL
Errors: 22003 for a fraction outside 0 to 1.
Example: select analytics.quantiles(analytics.engagement_stats(likes, 0, 0, 0, reach), '{0,1,null}') = '{0.1,50,null}' from (values (20, 1000), (1, 1000), (50, 100)) as posts (likes, reach)$$;
comment on function analytics.quantile_error(analytics.engagement_summary) is
$$how far a quantile may be from the exact one, as a share of it: 1/129
Of rates above 0 that lie further apart than a factor of 2^31, or two thousand million: 1/65, 1/33 or 1/17.
Example: select analytics.quantile_error(analytics.engagement_stats(likes, 0, 0, 0, reach)) = 1.0 / 129 from (values (100, 1000), (50, 10000), (null, 500)) as posts (likes, reach)$$;
comment on function analytics.engagement_summary_in(cstring) is
$$the summary that engagement_summary_out has written
Errors: 22P02 for anything else.
Example: select analytics.engagement_summary_in('\x01adde42fb0100000000')::bytea = '\x01adde42fb0100000000'$$;
comment on function analytics.engagement_summary_out(analytics.engagement_summary) is
$$the summary as text: its bytes in hexadecimal, as of bytea
Example: select analytics.engagement_summary_out('\x01adde42fb0100000000')::text = '\x01adde42fb0100000000'$$;
comment on function analytics.engagement_summary_recv(internal) is
$$the summary of a binary message, checked
Errors: 22P03 for bytes that are no summary. Called by the server only.
Example: select pg_typeof('\x01adde42fb0100000000'::analytics.engagement_summary) = 'analytics.engagement_summary'::regtype$$;
comment on function analytics.engagement_summary_send(analytics.engagement_summary) is
$$the summary as bytes, as it is stored
Example: select octet_length(analytics.engagement_summary_send('\x01adde42fb0100000000')) = 10$$;
