//! Where the lines of an axis are: round numbers, and the hours, days, months and years that people count in.

use chrono::{Datelike, Days, Months, NaiveDateTime, NaiveTime, Timelike};

use super::text::{LocalSeconds, clock, month};

/// Beyond this a count is not exact as a floating-point number; nothing is drawn there.
pub const LARGEST: f64 = 1e15;

/// Values from `low` to `high`, with a line every `step`.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Where it starts; a line.
    pub low: f64,
    /// Where it ends; a line.
    pub high: f64,
    /// Between two lines.
    pub step: f64,
}

impl Axis {
    /// Around values that are all between -[`LARGEST`] and [`LARGEST`], with about `lines` lines. From zero where asked, and
    /// where that costs less than half of the height.
    pub fn around(minimum: f64, maximum: f64, from_zero: bool, whole_numbers: bool, lines: usize) -> Self {
        let (mut low, mut high) = (minimum.min(maximum), maximum.max(minimum));
        if from_zero || (low >= 0.0 && low < high * 0.5) || (high <= 0.0 && high > low * 0.5) {
            low = low.min(0.0);
            high = high.max(0.0);
        }
        if low == high {
            // One value: in the middle, or above zero.
            let room = (low.abs() * 0.01).max(1.0);
            high += room;
            if low != 0.0 {
                low -= room;
            }
        }
        let mut step = round_step((high - low) / lines.max(1) as f64);
        if whole_numbers {
            step = step.max(1.0);
        }
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    /// The values that have a line.
    pub fn lines(&self) -> impl Iterator<Item = f64> + '_ {
        let count = ((self.high - self.low) / self.step).round().clamp(0.0, 100.0) as u32;
        (0..=count).map(|i| self.low + f64::from(i) * self.step)
    }

    /// Whether bars or areas would lie: zero is not on it.
    pub fn is_cut(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// Share of the height, 0 at the bottom.
    pub fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let least = least.max(1e-9);
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    step.unwrap_or(10.0) * power
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Every {
    Hours(u32),
    Days(u64),
    /// On Mondays.
    Weeks(u64),
    Months(u32),
    Years(i32),
}

const DAY: i64 = 86_400;

impl Every {
    /// About how long it is, in seconds.
    fn seconds(self) -> f64 {
        match self {
            Self::Hours(n) => f64::from(n) * 3_600.0,
            Self::Days(n) => n as f64 * DAY as f64,
            Self::Weeks(n) => n as f64 * 7.0 * DAY as f64,
            Self::Months(n) => f64::from(n) * 30.4 * DAY as f64,
            Self::Years(n) => f64::from(n) * 365.2 * DAY as f64,
        }
    }

    /// The first at or after a moment.
    fn first(self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        let midnight = from.date().and_time(NaiveTime::MIN);
        let mut at = match self {
            Self::Hours(n) => midnight.with_hour(from.hour() / n * n)?,
            Self::Days(_) => midnight,
            Self::Weeks(_) => midnight.checked_sub_days(Days::new(u64::from(from.weekday().num_days_from_monday())))?,
            Self::Months(n) => midnight.with_day(1)?.with_month0(from.month0() / n * n)?,
            Self::Years(n) => midnight.with_day(1)?.with_month0(0)?.with_year(from.year().div_euclid(n) * n)?,
        };
        while at < from {
            at = self.after(at)?;
        }
        Some(at)
    }

    fn after(self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Hours(n) => at.checked_add_signed(chrono::TimeDelta::hours(i64::from(n))),
            Self::Days(n) => at.checked_add_days(Days::new(n)),
            Self::Weeks(n) => at.checked_add_days(Days::new(7 * n)),
            Self::Months(n) => at.checked_add_months(Months::new(n)),
            Self::Years(n) => at.with_year(at.year().checked_add(n)?),
        }
    }

    fn label(self, at: NaiveDateTime, is_first: bool) -> String {
        match self {
            Self::Hours(_) if at.hour() > 0 => format!("{:02}:00", at.hour()),
            Self::Hours(_) | Self::Days(_) | Self::Weeks(_) => format!("{} {}", at.day(), month(at)),
            Self::Months(_) if at.month0() == 0 || is_first => format!("{} {}", month(at), at.year()),
            Self::Months(_) => month(at).to_owned(),
            Self::Years(_) => at.year().to_string(),
        }
    }
}

const STEPS: [Every; 21] = [
    Every::Hours(1),
    Every::Hours(3),
    Every::Hours(6),
    Every::Hours(12),
    Every::Days(1),
    Every::Days(2),
    Every::Weeks(1),
    Every::Weeks(2),
    Every::Months(1),
    Every::Months(2),
    Every::Months(3),
    Every::Months(6),
    Every::Years(1),
    Every::Years(2),
    Every::Years(5),
    Every::Years(10),
    Every::Years(20),
    Every::Years(50),
    Every::Years(100),
    Every::Years(1_000),
    Every::Years(10_000),
];

/// At most about `most` moments from `from` to `to` that are round on a calendar, with what to write there. Whole days when
/// nothing happens within a day.
pub fn calendar(from: LocalSeconds, to: LocalSeconds, most: usize, whole_days: bool) -> Vec<(LocalSeconds, String)> {
    let (Some(start), Some(end)) = (clock(from), clock(to)) else { return Vec::new() };
    let span = (to as f64 - from as f64).max(1.0);
    let most = most.max(2);
    let fits =
        |step: &Every| span / step.seconds() <= most as f64 + 0.5 && !(whole_days && matches!(step, Every::Hours(_)));
    let Some(every) = STEPS.into_iter().find(fits) else { return Vec::new() };
    let mut marks = Vec::new();
    let mut next = every.first(start);
    while let Some(at) = next {
        if at > end || marks.len() > most + 1 {
            break;
        }
        marks.push((at.and_utc().timestamp(), every.label(at, marks.is_empty())));
        next = every.after(at);
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn axes_are_round() {
        let axis = Axis::around(0.0, 93.0, true, true, 5);
        assert_eq!(axis.lines().collect::<Vec<_>>(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert!(!axis.is_cut());
        let axis = Axis::around(11_840.0, 12_431.0, false, true, 4);
        assert_eq!((axis.low, axis.high, axis.step), (11_800.0, 12_600.0, 200.0));
        assert!(axis.is_cut());
        // Zero is near: nothing is gained by cutting.
        assert_eq!(Axis::around(40.0, 93.0, false, true, 5).low, 0.0);
        assert_eq!(Axis::around(7.0, 7.0, false, true, 4).lines().collect::<Vec<_>>(), [6.0, 7.0, 8.0]);
        assert_eq!(Axis::around(0.0, 0.0, true, false, 4).low, 0.0);
        assert_eq!(Axis::around(0.0, 2.0, true, true, 5).step, 1.0);
    }

    fn labels(from: &str, to: &str, most: usize, whole_days: bool) -> Vec<String> {
        let seconds = |text: &str| text.parse::<NaiveDateTime>().unwrap().and_utc().timestamp();
        calendar(seconds(from), seconds(to), most, whole_days).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn calendars_are_round() {
        assert_eq!(
            labels("2026-03-01T00:00:00", "2026-03-01T20:00:00", 8, false),
            ["1 Mar", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00"]
        );
        assert_eq!(
            labels("2026-02-26T05:00:00", "2026-03-03T00:00:00", 6, false),
            ["27 Feb", "28 Feb", "1 Mar", "2 Mar", "3 Mar"]
        );
        assert_eq!(
            labels("2026-03-01T00:00:00", "2026-03-31T00:00:00", 6, false),
            ["2 Mar", "9 Mar", "16 Mar", "23 Mar", "30 Mar"]
        );
        assert_eq!(
            labels("2025-11-21T00:00:00", "2026-11-21T00:00:00", 6, false),
            ["Jan 2026", "Mar", "May", "Jul", "Sep", "Nov"]
        );
        assert_eq!(
            labels("2019-11-21T00:00:00", "2026-11-21T00:00:00", 8, false),
            ["2020", "2021", "2022", "2023", "2024", "2025", "2026"]
        );
        assert_eq!(labels("2026-03-01T00:00:00", "2026-03-01T00:00:00", 6, false), ["1 Mar"]);
        assert_eq!(labels("2026-03-01T00:00:00", "2026-03-03T00:00:00", 8, true), ["1 Mar", "2 Mar", "3 Mar"]);
    }

    proptest! {
        #[test]
        fn every_axis_holds_its_values(a in -1e15..1e15, b in -1e15..1e15, zero: bool, whole: bool, lines in 0usize..12) {
            let axis = Axis::around(a, b, zero, whole, lines);
            prop_assert!(axis.low <= a.min(b) + 1e-3 && axis.high >= a.max(b) - 1e-3 && axis.low < axis.high && axis.step > 0.0);
            prop_assert!(axis.lines().count() <= 101);
            prop_assert!((0.0..=1.0).contains(&axis.share(a)));
        }

        #[test]
        fn every_calendar_stays_inside(from: i64, span in 0i64..10_000_000_000_000, most in 0usize..20, whole_days: bool) {
            let to = from.saturating_add(span);
            let marks = calendar(from, to, most, whole_days);
            prop_assert!(marks.len() <= most.max(2) + 3);
            prop_assert!(marks.iter().all(|(at, _)| (from..=to).contains(at)));
            prop_assert!(marks.is_sorted());
        }
    }
}
