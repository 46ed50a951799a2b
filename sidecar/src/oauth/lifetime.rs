//! When a grant is due for a refresh.

use chrono::{DateTime, TimeDelta, Utc};

use super::Provider;

/// Meta's tokens live sixty days and are renewed from the fiftieth on.
const META_REFRESH: TimeDelta = TimeDelta::days(50);

/// Instagram refuses to refresh a younger token.
const INSTAGRAM_YOUNGEST: TimeDelta = TimeDelta::hours(24);

const TIKTOK_MARGIN: TimeDelta = TimeDelta::hours(1);

/// LinkedIn's refresh tokens end this long after the first consent, refreshed or not.
const LINKEDIN_CONSENT: TimeDelta = TimeDelta::days(365);

/// When to refresh an access token; None when it has no end, or none can follow it and the member must connect again
/// before `expires_at`.
pub fn refresh_at(
    provider: Provider,
    issued_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    first_consent_at: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let expires_at = expires_at?;
    let life = expires_at - issued_at;
    // At 80 % of its life.
    let early = issued_at + life * 4 / 5;
    match provider {
        Provider::Google | Provider::X => Some(early),
        // Of one that lives less than the margin, as all others.
        Provider::Tiktok => Some(if life > TIKTOK_MARGIN * 2 { expires_at - TIKTOK_MARGIN } else { early }),
        Provider::Facebook => Some(if life > META_REFRESH { issued_at + META_REFRESH } else { early }),
        Provider::Instagram => {
            let due = if life > META_REFRESH { issued_at + META_REFRESH } else { early };
            let due = due.max(issued_at + INSTAGRAM_YOUNGEST);
            (due < expires_at).then_some(due)
        }
        Provider::Linkedin => (early < first_consent_at + LINKEDIN_CONSENT).then_some(early),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("a time")
    }

    /// Seconds after `start` for a token that lives so many.
    fn due(provider: Provider, life: i64) -> Option<i64> {
        let at = refresh_at(provider, start(), Some(start() + TimeDelta::seconds(life)), start())?;
        Some((at - start()).num_seconds())
    }

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn each_provider_has_its_own_lead() {
        assert_eq!(due(Provider::Google, 3599), Some(2879));
        assert_eq!(due(Provider::X, 7200), Some(5760));
        assert_eq!(due(Provider::Tiktok, 86_400), Some(86_400 - HOUR));
        assert_eq!(due(Provider::Facebook, 5_183_944), Some(50 * DAY));
        assert_eq!(due(Provider::Facebook, 5_000), Some(4_000), "a token of an hour or two");
        assert_eq!(due(Provider::Instagram, 5_183_944), Some(50 * DAY));
        assert_eq!(due(Provider::Linkedin, 60 * DAY), Some(48 * DAY));
    }

    #[test]
    fn instagram_is_never_asked_within_a_day() {
        assert_eq!(due(Provider::Instagram, 28 * HOUR), Some(24 * HOUR));
        assert_eq!(due(Provider::Instagram, 24 * HOUR), None);
        assert_eq!(due(Provider::Instagram, HOUR), None);
    }

    #[test]
    fn a_short_token_of_tiktok_is_not_due_before_it_was_issued() {
        assert_eq!(due(Provider::Tiktok, 600), Some(480));
    }

    #[test]
    fn what_has_no_end_is_never_due() {
        for provider in Provider::ALL {
            assert_eq!(refresh_at(provider, start(), None, start()), None);
        }
    }

    #[test]
    fn linkedin_ends_a_year_after_the_first_consent() {
        let issued_at = start() + TimeDelta::days(330);
        let expires_at = Some(issued_at + TimeDelta::days(60));
        assert_eq!(refresh_at(Provider::Linkedin, issued_at, expires_at, start()), None);
        let issued_at = start() + TimeDelta::days(316);
        let expires_at = Some(issued_at + TimeDelta::days(60));
        assert!(refresh_at(Provider::Linkedin, issued_at, expires_at, start()).is_some());
    }
}
