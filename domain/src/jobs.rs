//! When a failed job runs again, and when it is given up.

/// Longest wait before a retry, in seconds, whatever the remote asks for.
pub const LONGEST_WAIT: f64 = 86_400.0;

/// A remote that says "not found" this often in a row is believed: Decodo also answers with empty content when it
/// merely failed to fetch.
pub const NOT_FOUND_IN_A_ROW: u32 = 3;

/// Share of a `Retry-After` that is added at random, so that all who were told the same do not come back at once.
const RETRY_AFTER_JITTER: f64 = 0.2;

/// Seconds to wait before the next attempt.
///
/// Full jitter: anywhere in `[0, min(cap, base × 2^n))` with n = 0 after the first attempt, so that those who failed
/// together do not return together. `attempt` counts from 1; `base` and `cap` are seconds; `random` is in `[0, 1)`.
/// `retry_after`, what the remote asked for in seconds, is a floor: to it comes up to a fifth. No wait is longer than
/// a day. A value that makes no sense (negative, not a number) counts as not given, or as 0.
pub fn backoff_seconds(attempt: u32, base: f64, cap: f64, random: f64, retry_after: Option<f64>) -> f64 {
    let random = at_least_zero(random).min(1.0);
    let doublings = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    // 2^1024 is infinite; a base of 0 times that is no number, and no wait.
    let ceiling = at_least_zero(at_least_zero(base) * 2_f64.powi(doublings));
    let wait = ceiling.min(at_least_zero(cap)).min(LONGEST_WAIT) * random;
    let floor = retry_after.map_or(0.0, at_least_zero);
    wait.max(floor * (1.0 + RETRY_AFTER_JITTER * random)).min(LONGEST_WAIT)
}

/// `f64::max` gives the other side when one is not a number.
fn at_least_zero(seconds: f64) -> f64 {
    seconds.max(0.0)
}

/// What becomes of a job whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It runs again, after [`backoff_seconds`].
    Retry,
    /// It is dead until an operator says otherwise.
    GiveUp,
}

/// Decides on a job that failed with `code`, one of the project's error codes.
///
/// `attempt` is the one that failed, counted from 1; `permanent` is the sidecar's word that trying again is useless;
/// `same_code_streak` says how many attempts in a row, this one included, ended with this code.
pub fn next(attempt: u32, max_attempts: u32, code: &str, permanent: bool, same_code_streak: u32) -> Next {
    let useless = match code {
        // The next attempt would send the same request with the same credentials.
        "UNAUTHORIZED" | "FORBIDDEN" | "VALIDATION_ERROR" => true,
        "NOT_FOUND" => same_code_streak >= NOT_FOUND_IN_A_ROW,
        _ => false,
    };
    if permanent || useless || attempt >= max_attempts { Next::GiveUp } else { Next::Retry }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ceiling_doubles_with_each_attempt_up_to_the_cap() {
        let waits: Vec<f64> = (1..=7).map(|attempt| backoff_seconds(attempt, 2.0, 60.0, 0.5, None)).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
    }

    #[test]
    fn attempt_zero_waits_as_the_first_does() {
        assert_eq!(backoff_seconds(0, 2.0, 60.0, 0.5, None), 1.0);
    }

    #[test]
    fn retry_after_is_a_floor_with_up_to_a_fifth_on_top() {
        assert_eq!(backoff_seconds(1, 1.0, 60.0, 0.0, Some(30.0)), 30.0);
        assert_eq!(backoff_seconds(1, 1.0, 60.0, 0.5, Some(30.0)), 33.0);
        assert_eq!(backoff_seconds(9, 1.0, 100.0, 0.5, Some(10.0)), 50.0, "a longer back-off wins");
    }

    #[test]
    fn no_wait_is_longer_than_a_day() {
        assert_eq!(backoff_seconds(1, 1.0, 60.0, 0.9, Some(1e9)), LONGEST_WAIT);
        assert_eq!(backoff_seconds(1, 1.0, 60.0, 0.0, Some(f64::INFINITY)), LONGEST_WAIT);
        assert!(backoff_seconds(u32::MAX, 1.0, f64::INFINITY, 0.99, None) < LONGEST_WAIT);
    }

    #[test]
    fn senseless_numbers_never_become_a_senseless_wait() {
        let odd = [f64::NAN, f64::NEG_INFINITY, -1.0];
        for x in odd {
            assert_eq!(backoff_seconds(3, x, 60.0, 0.5, None), 0.0);
            assert_eq!(backoff_seconds(3, 1.0, x, 0.5, None), 0.0);
            assert_eq!(backoff_seconds(3, 1.0, 60.0, x, None), 0.0);
            assert_eq!(backoff_seconds(3, 1.0, 60.0, 0.5, Some(x)), 2.0);
        }
        assert_eq!(backoff_seconds(u32::MAX, 0.0, 60.0, 0.5, None), 0.0);
    }

    #[test]
    fn transient_failures_are_retried_until_the_last_attempt() {
        for code in ["EXTERNAL_API_ERROR", "RATE_LIMITED", "SERVICE_UNAVAILABLE", "TIMEOUT", "INTERNAL"] {
            assert_eq!(next(1, 5, code, false, 1), Next::Retry, "{code}");
            assert_eq!(next(4, 5, code, false, 4), Next::Retry, "{code}");
            assert_eq!(next(5, 5, code, false, 5), Next::GiveUp, "{code}");
            assert_eq!(next(6, 5, code, false, 6), Next::GiveUp, "{code}");
        }
    }

    #[test]
    fn errors_that_trying_again_cannot_change_end_the_job_at_once() {
        for code in ["UNAUTHORIZED", "FORBIDDEN", "VALIDATION_ERROR"] {
            assert_eq!(next(1, 5, code, false, 1), Next::GiveUp, "{code}");
        }
        assert_eq!(next(1, 5, "EXTERNAL_API_ERROR", true, 1), Next::GiveUp);
    }

    #[test]
    fn not_found_is_believed_the_third_time_in_a_row() {
        assert_eq!(next(1, 5, "NOT_FOUND", false, 1), Next::Retry);
        assert_eq!(next(2, 5, "NOT_FOUND", false, 2), Next::Retry);
        assert_eq!(next(3, 5, "NOT_FOUND", false, 3), Next::GiveUp);
        assert_eq!(next(4, 5, "NOT_FOUND", false, 1), Next::Retry, "the row was broken by another answer");
    }

    proptest! {
        #[test]
        fn wait_stays_within_its_bounds(
            attempt: u32, base in 0.0..1e6_f64, cap in 0.0..1e6_f64, random in 0.0..1.0_f64,
        ) {
            let wait = backoff_seconds(attempt, base, cap, random, None);
            prop_assert!(wait >= 0.0 && wait <= cap.min(LONGEST_WAIT));
        }

        #[test]
        fn wait_is_never_shorter_than_asked_up_to_a_day(
            attempt: u32, base: f64, cap: f64, random: f64, asked in 0.0..1e6_f64,
        ) {
            let wait = backoff_seconds(attempt, base, cap, random, Some(asked));
            prop_assert!(wait >= asked.min(LONGEST_WAIT));
            prop_assert!(wait <= LONGEST_WAIT);
        }

        #[test]
        fn any_numbers_give_a_wait_between_zero_and_a_day(
            attempt: u32, base in proptest::num::f64::ANY, cap in proptest::num::f64::ANY,
            random in proptest::num::f64::ANY, asked in proptest::option::of(proptest::num::f64::ANY),
        ) {
            let wait = backoff_seconds(attempt, base, cap, random, asked);
            prop_assert!((0.0..=LONGEST_WAIT).contains(&wait), "{}", wait);
        }

        #[test]
        fn every_job_ends_at_its_last_attempt(max in 1..100_u32, code in "[A-Z_]{1,20}", streak: u32) {
            prop_assert_eq!(next(max, max, &code, false, streak), Next::GiveUp);
        }
    }
}
