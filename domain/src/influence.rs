//! A creator's weight in one number. The formula is the one the Instagram product behind this one has used.

/// 0 to 10; `None` while the number of followers is unknown. Any other unknown adds nothing.
///
/// min(followers / 1 000 000, 3) + 2 if verified + 1 if business + min(rate / 10, 2) + min(posts / 100, 2), where rate is
/// the engagement rate by followers in percent.
pub fn influence_score(
    followers: Option<i64>,
    is_verified: Option<bool>,
    is_business_account: Option<bool>,
    engagement_rate_by_followers: Option<f64>,
    posts: Option<i64>,
) -> Option<f64> {
    let followers = followers.filter(|count| *count >= 0)?;
    let part = |value: f64, most: f64| value.clamp(0.0, most);
    Some(
        part(followers as f64 / 1_000_000.0, 3.0)
            + if is_verified == Some(true) { 2.0 } else { 0.0 }
            + if is_business_account == Some(true) { 1.0 } else { 0.0 }
            + part(engagement_rate_by_followers.filter(|rate| rate.is_finite()).unwrap_or(0.0) / 10.0, 2.0)
            + part(posts.unwrap_or(0) as f64 / 100.0, 2.0),
    )
}

#[cfg(test)]
mod tests {
    use super::influence_score;

    #[test]
    fn every_part_is_capped() {
        let most = influence_score(Some(i64::MAX), Some(true), Some(true), Some(1e300), Some(i64::MAX));
        assert_eq!(most, Some(10.0));
    }

    #[test]
    fn parts_add_up() {
        let score = influence_score(Some(500_000), Some(true), None, Some(5.0), Some(50));
        assert_eq!(score, Some(0.5 + 2.0 + 0.5 + 0.5));
    }

    #[test]
    fn unknown_followers_give_no_score() {
        assert_eq!(influence_score(None, Some(true), Some(true), Some(5.0), Some(50)), None);
        assert_eq!(influence_score(Some(-1), None, None, None, None), None);
    }

    #[test]
    fn a_rate_that_is_no_number_adds_nothing() {
        assert_eq!(influence_score(Some(0), None, None, Some(f64::NAN), None), Some(0.0));
    }
}
