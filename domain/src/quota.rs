//! Quota periods: months counted from an anchor.
//!
//! Times are microseconds since 2000-01-01 00:00 UTC, as in a `timestamptz`. The periods of an anchor begin every month
//! on the anchor's day and time of day in UTC, or on the last day of a month that is too short: 31 January, 28 or 29
//! February, 31 March. Each is half open, ends where the next begins, and they reach back before the anchor as well, so
//! every moment is in exactly one. Without an anchor they are the calendar months.
//!
//! The calendar repeats after 400 years, and of the anchor only day and time matter. Both are brought into the years
//! 2000 to 2399 before anything is computed, so every `i64` is a valid moment and nothing drifts.

use chrono::{Datelike, Days, Months, NaiveDate};

const DAY: i64 = 24 * 3_600 * 1_000_000;

/// 400 Gregorian years.
const CYCLE: i64 = 146_097 * DAY;

const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();

/// A quota period, `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first microsecond.
    pub start: i64,
    /// The first microsecond of the next one.
    pub end: i64,
}

impl Period {
    /// The period that `moment` is in, counted from `anchor`, or the calendar month without one.
    ///
    /// A bound that no `i64` can hold is the nearest one that can.
    pub fn of(anchor: Option<i64>, moment: i64) -> Self {
        // The epoch is the first of a month.
        let anchor = anchor.unwrap_or(0).rem_euclid(CYCLE);
        let first = first_period(date(anchor).day());
        let start_in = |month: u32| microseconds(first + Months::new(month)) + anchor.rem_euclid(DAY);

        let within = moment.rem_euclid(CYCLE);
        let month = months_since_1999_12(date(within));
        let this = start_in(month);
        let (start, end) = if this <= within { (this, start_in(month + 1)) } else { (start_in(month - 1), this) };

        let cycle = i128::from(moment) - i128::from(within);
        let at = |within: i64| {
            let moment = cycle + i128::from(within);
            i64::try_from(moment).unwrap_or(if moment < 0 { i64::MIN } else { i64::MAX })
        };
        Self { start: at(start), end: at(end) }
    }
}

/// The day in December 1999: a month of 31 days before every moment of the cycle. Adding months to it clamps the day to
/// the month's length, always from the anchor's own day.
fn first_period(day: u32) -> NaiveDate {
    EPOCH - Days::new(u64::from(32 - day))
}

/// For a moment of the cycle: 1 to 4800.
fn months_since_1999_12(date: NaiveDate) -> u32 {
    date.year().abs_diff(EPOCH.year()) * 12 + date.month()
}

/// The UTC day of a moment of the cycle.
fn date(moment: i64) -> NaiveDate {
    EPOCH + Days::new(moment.div_euclid(DAY).unsigned_abs())
}

fn microseconds(date: NaiveDate) -> i64 {
    (date - EPOCH).num_days() * DAY
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> i64 {
        let moment: DateTime<Utc> = text.parse().unwrap();
        moment.timestamp_micros() - 946_684_800_000_000
    }

    fn text(moment: i64) -> String {
        let epoch: DateTime<Utc> = "2000-01-01T00:00:00Z".parse().unwrap();
        (epoch + TimeDelta::microseconds(moment)).format("%Y-%m-%d %H:%M:%S%.6f").to_string()
    }

    /// The starts of `count` periods, the first being the one that holds `moment`.
    fn starts(anchor: Option<i64>, moment: i64, count: usize) -> Vec<String> {
        let first = Period::of(anchor, moment);
        let following = std::iter::successors(Some(first), |period| Some(Period::of(anchor, period.end)));
        following.take(count).map(|period| text(period.start)[..10].to_owned()).collect()
    }

    #[test]
    fn a_short_month_does_not_shorten_the_next() {
        let anchor = Some(at("2027-01-31T10:20:30Z"));
        assert_eq!(
            starts(anchor, at("2027-02-01T00:00:00Z"), 5),
            ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]
        );
        assert_eq!(
            starts(anchor, at("2028-02-01T00:00:00Z"), 4),
            ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]
        );
        assert_eq!(
            starts(Some(at("2024-02-29T00:00:00Z")), at("2027-02-01T00:00:00Z"), 3),
            ["2027-01-29", "2027-02-28", "2027-03-29"]
        );
    }

    #[test]
    fn the_time_of_day_stays_to_the_microsecond() {
        let period = Period::of(Some(at("2026-01-31T23:59:59.999999Z")), at("2026-02-28T23:59:59.999998Z"));
        assert_eq!(
            (text(period.start).as_str(), text(period.end).as_str()),
            ("2026-01-31 23:59:59.999999", "2026-02-28 23:59:59.999999")
        );
        let next = Period::of(Some(at("2026-01-31T23:59:59.999999Z")), period.end);
        assert_eq!(next.start, period.end);
    }

    #[test]
    fn without_an_anchor_it_is_the_calendar_month() {
        let period = Period::of(None, at("2026-11-21T12:00:00Z"));
        assert_eq!((period.start, period.end), (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")));
        assert_eq!(Period::of(None, period.start - 1).end, period.start);
        assert_eq!(Period::of(None, at("2100-02-28T23:59:59Z")).end, at("2100-03-01T00:00:00Z"));
    }

    #[test]
    fn periods_reach_back_before_the_anchor() {
        let anchor = Some(at("2026-11-30T08:00:00Z"));
        assert_eq!(starts(anchor, at("2024-02-29T07:59:59Z"), 3), ["2024-01-30", "2024-02-29", "2024-03-30"]);
    }

    #[test]
    fn the_ends_of_time_have_a_period() {
        for moment in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
            for anchor in [None, Some(i64::MIN), Some(0), Some(i64::MAX)] {
                let period = Period::of(anchor, moment);
                assert!(period.start <= moment && moment <= period.end);
            }
        }
    }

    fn moments() -> impl Strategy<Value = i64> {
        prop_oneof![
            // A few centuries around now, and anything.
            -DAY * 400_000..DAY * 400_000,
            // Around the starts of days.
            (-400_000_i64..400_000, -1_i64..2).prop_map(|(day, off)| day * DAY + off),
            any::<i64>(),
        ]
    }

    proptest! {
        #[test]
        fn every_moment_is_in_its_period(anchor in proptest::option::of(moments()), moment in moments()) {
            let period = Period::of(anchor, moment);
            prop_assert!(period.start <= moment);
            prop_assert!(moment < period.end || moment == i64::MAX);
        }

        /// With the test above: periods neither overlap nor leave a gap.
        #[test]
        fn all_of_a_period_is_in_it(anchor in proptest::option::of(moments()), moment in -DAY * 4_000_000..DAY * 4_000_000, share in 0.0..1.0) {
            let period = Period::of(anchor, moment);
            let inside = period.start + ((period.end - period.start - 1) as f64 * share) as i64;
            for moment in [period.start, inside, period.end - 1] {
                prop_assert_eq!(Period::of(anchor, moment), period);
            }
            prop_assert_eq!(Period::of(anchor, period.start - 1).end, period.start);
            prop_assert_eq!(Period::of(anchor, period.end).start, period.end);
        }

        /// Period k begins k months after the anchor, counted in one step.
        #[test]
        fn periods_do_not_drift(anchor in -DAY * 70_000..DAY * 70_000, months in 0_u32..2_400) {
            let epoch: DateTime<Utc> = "2000-01-01T00:00:00Z".parse().unwrap();
            let first = epoch + TimeDelta::microseconds(anchor);
            for begun in [first + Months::new(months), first - Months::new(months)] {
                let begun = (begun - epoch).num_microseconds().unwrap();
                prop_assert_eq!(Period::of(Some(anchor), begun).start, begun);
                prop_assert_eq!(Period::of(Some(anchor), begun - 1).end, begun);
            }
        }

        #[test]
        fn a_period_has_28_to_31_days(anchor in moments(), moment in -DAY * 4_000_000..DAY * 4_000_000) {
            let period = Period::of(Some(anchor), moment);
            prop_assert!((28 * DAY..=31 * DAY).contains(&(period.end - period.start)));
        }
    }
}
