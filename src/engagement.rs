//! Engagement as numbers: the denominator is in the name.

use analytics_domain::{engagement, influence};
use pgrx::prelude::*;

#[pg_extern(immutable, parallel_safe)]
fn engagement_rate(
    likes: Option<i64>,
    comments: Option<i64>,
    shares: Option<i64>,
    saves: Option<i64>,
    reach: Option<i64>,
) -> Option<f64> {
    engagement::engagement_rate(likes, comments, shares, saves, reach)
}

#[pg_extern(immutable, parallel_safe)]
fn engagement_rate_by_followers(likes: Option<i64>, comments: Option<i64>, followers: Option<i64>) -> Option<f64> {
    engagement::engagement_rate_by_followers(likes, comments, followers)
}

#[pg_extern(immutable, parallel_safe)]
fn engagement_rate_by_views(
    likes: Option<i64>,
    comments: Option<i64>,
    shares: Option<i64>,
    saves: Option<i64>,
    views: Option<i64>,
) -> Option<f64> {
    engagement::engagement_rate_by_views(likes, comments, shares, saves, views)
}

#[pg_extern(immutable, parallel_safe)]
fn influence_score(
    followers: Option<i64>,
    is_verified: Option<bool>,
    is_business_account: Option<bool>,
    engagement_rate_by_followers: Option<f64>,
    posts: Option<i64>,
) -> Option<f64> {
    influence::influence_score(followers, is_verified, is_business_account, engagement_rate_by_followers, posts)
}

extension_sql!(
    r"
comment on function engagement_rate(bigint, bigint, bigint, bigint, bigint) is
$$percent: (likes + comments + shares + saves) / reach * 100
NULL when any of them is unknown or negative (a hidden count) or reach is 0. Sums of many posts: sum first, then divide.
Example: select analytics.engagement_rate(400, 50, 40, 10, 10000) = 5$$;
comment on function engagement_rate_by_followers(bigint, bigint, bigint) is
$$percent: (likes + comments) / followers * 100
NULL when any of them is unknown or negative (a hidden count) or followers is 0.
Example: select analytics.engagement_rate_by_followers(90, 10, 2000) = 5$$;
comment on function engagement_rate_by_views(bigint, bigint, bigint, bigint, bigint) is
$$percent: (likes + comments + shares + saves) / views * 100
NULL when any of them is unknown or negative (a hidden count) or views is 0.
Example: select analytics.engagement_rate_by_views(400, 50, 40, 10, 10000) = 5$$;
comment on function influence_score(bigint, boolean, boolean, double precision, bigint) is
$$0 to 10: min(followers / 1 000 000, 3) + 2 if verified + 1 if business + min(rate / 10, 2) + min(posts / 100, 2)
rate: engagement rate by followers in percent. NULL while followers are unknown; any other unknown adds nothing.
Example: select analytics.influence_score(3000000, true, true, 20, 200) = 10$$;
",
    name = "engagement_comments",
    requires = [engagement_rate, engagement_rate_by_followers, engagement_rate_by_views, influence_score]
);
