//! Engagement rates in percent.
//!
//! The denominator is in the name. A count is unknown when it is NULL or negative: platforms answer -1 for a hidden
//! one. A rate with an unknown part is unknown, and so is one whose denominator is unknown or zero. Nothing unknown
//! counts as 0: a post with hidden likes has no engagement rate, it does not have a low one. Where a platform does not
//! publish shares or saves, the caller leaves them out of the formula by giving 0.

/// (likes + comments + shares + saves) / reach × 100.
pub fn engagement_rate(
    likes: Option<i64>,
    comments: Option<i64>,
    shares: Option<i64>,
    saves: Option<i64>,
    reach: Option<i64>,
) -> Option<f64> {
    percent([likes, comments, shares, saves], reach)
}

/// (likes + comments) / followers × 100.
pub fn engagement_rate_by_followers(likes: Option<i64>, comments: Option<i64>, followers: Option<i64>) -> Option<f64> {
    percent([likes, comments], followers)
}

/// (likes + comments + shares + saves) / views × 100.
pub fn engagement_rate_by_views(
    likes: Option<i64>,
    comments: Option<i64>,
    shares: Option<i64>,
    saves: Option<i64>,
    views: Option<i64>,
) -> Option<f64> {
    percent([likes, comments, shares, saves], views)
}

fn percent<const N: usize>(counts: [Option<i64>; N], denominator: Option<i64>) -> Option<f64> {
    let denominator = denominator.filter(|&d| d > 0)?;
    Some(percent_of(interactions(counts)?, denominator))
}

/// The sum of the counts, if all are known.
pub(crate) fn interactions<const N: usize>(counts: [Option<i64>; N]) -> Option<u128> {
    let mut sum = 0;
    for count in counts {
        sum += u128::from(u64::try_from(count?).ok()?);
    }
    Some(sum)
}

/// The sum is exact, and multiplied by 100 before the division: up to 90 trillion interactions the result is rounded
/// once, so 7 of 100 is 7 and not 7.000000000000001.
pub(crate) fn percent_of(interactions: u128, denominator: i64) -> f64 {
    (interactions * 100) as f64 / denominator as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rate_by_reach_is_interactions_per_hundred_reached() {
        let rate = engagement_rate(Some(400), Some(50), Some(40), Some(10), Some(10_000));
        assert_eq!(rate, Some(5.0));
        assert_eq!(engagement_rate(Some(7), Some(0), Some(0), Some(0), Some(100)), Some(7.0));
    }

    #[test]
    fn every_kind_of_interaction_counts_the_same() {
        for position in 0..4 {
            let mut counts = [Some(0); 4];
            counts[position] = Some(30);
            let [likes, comments, shares, saves] = counts;
            let reach = Some(1_000);
            assert_eq!(engagement_rate(likes, comments, shares, saves, reach), Some(3.0));
            assert_eq!(engagement_rate_by_views(likes, comments, shares, saves, reach), Some(3.0));
        }
        let by_followers = engagement_rate_by_followers(Some(20), Some(10), Some(1_000));
        assert_eq!(by_followers, Some(3.0));
    }

    #[test]
    fn mean_of_daily_rates_by_followers_matches_the_published_week() {
        // Interactions and followers of seven days; Fanpage Karma, blog.fanpagekarma.com/2014/07/01. The page rounds
        // each day first and prints 0.62.
        let week = [(20, 3_500), (0, 3_590), (37, 3_700), (100, 3_750), (0, 3_755), (0, 3_780), (2, 3_783)];
        let rates = week.map(|(interactions, followers)| {
            engagement_rate_by_followers(Some(interactions), Some(0), Some(followers)).unwrap_or(f64::NAN)
        });
        let mean = rates.iter().sum::<f64>() / 7.0;
        assert!((mean - 0.613).abs() < 0.0005, "{mean}");
    }

    #[test]
    fn mean_of_rates_is_not_the_rate_of_sums() {
        let by_reach =
            |likes, reach| engagement_rate(Some(likes), Some(0), Some(0), Some(0), Some(reach)).unwrap_or(f64::NAN);
        assert_eq!((by_reach(100, 1_000) + by_reach(50, 10_000)) / 2.0, 5.25, "mean of rates");
        assert!((by_reach(150, 11_000) - 1.3636).abs() < 0.0001, "rate of sums");
    }

    #[test]
    fn unknown_or_zero_denominator_gives_no_rate() {
        for denominator in [None, Some(0), Some(-1), Some(i64::MIN)] {
            let one = Some(1);
            assert_eq!(engagement_rate(one, one, one, one, denominator), None);
            assert_eq!(engagement_rate_by_followers(one, one, denominator), None);
            assert_eq!(engagement_rate_by_views(one, one, one, one, denominator), None);
        }
    }

    #[test]
    fn unknown_or_hidden_count_gives_no_rate() {
        for unknown in [None, Some(-1), Some(i64::MIN)] {
            for position in 0..4 {
                let mut counts = [Some(1); 4];
                counts[position] = unknown;
                let [likes, comments, shares, saves] = counts;
                let all = Some(10);
                assert_eq!(engagement_rate(likes, comments, shares, saves, all), None);
                assert_eq!(engagement_rate_by_views(likes, comments, shares, saves, all), None);
                if position < 2 {
                    assert_eq!(engagement_rate_by_followers(likes, comments, all), None);
                }
            }
        }
    }

    #[test]
    fn largest_counts_do_not_overflow() {
        let max = Some(i64::MAX);
        assert_eq!(engagement_rate(max, max, max, max, max), Some(400.0));
        assert_eq!(engagement_rate_by_followers(max, max, max), Some(200.0));
    }

    fn count() -> impl Strategy<Value = i64> {
        prop_oneof![0..1_000_000_i64, 0..=i64::MAX]
    }

    proptest! {
        #[test]
        fn known_counts_give_a_finite_rate_that_is_not_negative(
            likes in count(), comments in count(), shares in count(), saves in count(), reach in 1..=i64::MAX,
        ) {
            let rate = engagement_rate(Some(likes), Some(comments), Some(shares), Some(saves), Some(reach));
            prop_assert!(rate.is_some_and(|r| r.is_finite() && r >= 0.0));
        }

        #[test]
        fn rate_grows_with_interactions_and_falls_with_reach(
            likes in 0..1_000_000_i64, more in 1..1_000_000_i64, reach in 1..1_000_000_000_i64,
        ) {
            let rate = |likes, reach| engagement_rate(Some(likes), Some(1), Some(0), Some(0), Some(reach));
            prop_assert!(rate(likes + more, reach) > rate(likes, reach));
            prop_assert!(rate(likes, reach + more) < rate(likes, reach));
        }

        #[test]
        fn order_of_interactions_does_not_matter(
            a in any::<Option<i64>>(), b in any::<Option<i64>>(), c in any::<Option<i64>>(),
            d in any::<Option<i64>>(), reach in any::<Option<i64>>(),
        ) {
            prop_assert_eq!(engagement_rate(a, b, c, d, reach), engagement_rate(d, c, b, a, reach));
        }
    }
}
