//! Values of a series that stand out from those before them.
//!
//! The modified z-score of Iglewicz and Hoaglin ("How to detect and handle outliers", 1993): 0.6745 × (x − median) / MAD, where
//! MAD is the median of the distances from the median; beyond 3.5 a value counts as an outlier. Median and MAD of the eight weeks
//! before a value, so that a value is never judged by what came after it, and half of them may be anything.

/// How many values before one judge it: eight weeks of days.
pub const WINDOW: usize = 56;
/// Fewer known values than this judge nothing.
pub const MIN_KNOWN: usize = 14;
/// Values of the same weekday from which on a weekday has a level of its own.
const MIN_WEEKDAYS: usize = 4;
/// Makes the MAD of a normal distribution comparable with its standard deviation.
const MAD_TO_SIGMA: f64 = 0.6745;
/// The same for the mean distance from the median, used where more than half of the values are alike (MAD 0).
const MEAN_DISTANCE_TO_SIGMA: f64 = 0.797_884_560_802_865_4;

/// A value that was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// What the values before let expect.
    pub expected: f64,
    /// How far the value is from that, in robust standard deviations; positive above.
    pub score: f64,
    /// How many values it was judged by.
    pub known: usize,
}

/// Judges the value at `index` by those before it. `values` are in steps of a day; unknown ones are gaps, and judge nothing.
/// Nothing when the value or too much before it is unknown, and when all before it are alike and it is too.
pub fn judge(values: &[Option<f64>], index: usize) -> Option<Judged> {
    let value = values.get(index).copied().flatten().filter(|value| value.is_finite())?;
    let start = index.saturating_sub(WINDOW);
    let before: Vec<(usize, f64)> =
        (start..index).filter_map(|at| Some((at, values[at].filter(|value| value.is_finite())?))).collect();
    if before.len() < MIN_KNOWN {
        return None;
    }
    let all = median(before.iter().map(|(_, value)| *value).collect())?;
    // Weekends differ from weekdays: what is judged is the distance from the weekday's own level, once it has one.
    let level = |weekday: usize| {
        let same: Vec<f64> = before.iter().filter(|(at, _)| at % 7 == weekday).map(|(_, value)| *value).collect();
        if same.len() < MIN_WEEKDAYS { Some(all) } else { median(same) }
    };
    let mut levels = [all; 7];
    for (weekday, slot) in levels.iter_mut().enumerate() {
        *slot = level(weekday)?;
    }
    let distances: Vec<f64> = before.iter().map(|(at, value)| (value - levels[at % 7]).abs()).collect();
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    let mad = median(distances)?;
    let sigma = if mad > 0.0 { mad / MAD_TO_SIGMA } else { mean / MEAN_DISTANCE_TO_SIGMA };
    let expected = levels[index % 7];
    let distance = value - expected;
    let score = if distance == 0.0 {
        0.0
    } else if sigma > 0.0 {
        distance / sigma
    } else {
        // Never anything else so far: any change stands out without bound.
        f64::INFINITY.copysign(distance)
    };
    Some(Judged { expected, score, known: before.len() })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values.get(middle).copied()
    } else {
        Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn days(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
        values.into_iter().map(Some).collect()
    }

    #[test]
    fn a_jump_stands_out_and_the_days_before_it_do_not() {
        let mut values = days((0..30).map(|day| 100.0 + f64::from(day * 37 % 11)));
        values.push(Some(500.0));
        assert!((14..30).all(|day| judge(&values, day).unwrap().score.abs() < 3.5));
        let judged = judge(&values, 30).unwrap();
        assert!(judged.score > 50.0 && (100.0..=111.0).contains(&judged.expected), "{judged:?}");
    }

    #[test]
    fn the_score_is_that_of_the_formula() {
        // 1 to 15: median 8, MAD 4.
        let mut values = days((1..=15).map(f64::from));
        values.push(Some(30.0));
        let judged = judge(&values, 15).unwrap();
        assert!((judged.score - 0.6745 * 22.0 / 4.0).abs() < 1e-12, "{judged:?}");
    }

    #[test]
    fn weekends_are_judged_by_weekends() {
        let at = |day: usize| if day % 7 >= 5 { 20.0 } else { 100.0 } + (day * 31 % 7) as f64;
        let values = days((0..56).map(at));
        assert!((42..56).all(|day| judge(&values, day).unwrap().score.abs() < 3.5));
        let mut odd = values.clone();
        odd[54] = Some(100.0);
        assert!(judge(&odd, 54).unwrap().score > 3.5);
    }

    #[test]
    fn gaps_judge_nothing_and_are_not_judged() {
        let mut values = days((0..20).map(f64::from));
        values[19] = None;
        assert_eq!(judge(&values, 19), None);
        assert_eq!(judge(&values, 13), None);
        assert_eq!(judge(&values, 14).unwrap().known, 14);
        assert_eq!(judge(&[], 0), None);
    }

    #[test]
    fn what_never_changed_and_then_does_stands_out() {
        let mut values = days([5.0; 20]);
        values.push(Some(6.0));
        assert_eq!(judge(&values, 19).unwrap().score, 0.0);
        assert_eq!(judge(&values, 20).unwrap().score, f64::INFINITY);
    }

    proptest! {
        #[test]
        fn the_score_does_not_depend_on_unit_and_origin(
            values in prop::collection::vec(prop::option::of(-1_000_i32..1_000), 15..80),
            scale in 1_u8..20,
            shift in -1_000_i32..1_000,
        ) {
            let plain: Vec<_> = values.iter().map(|value| value.map(f64::from)).collect();
            let moved: Vec<_> = values.iter().map(|value| value.map(|v| f64::from(v) * f64::from(scale) + f64::from(shift))).collect();
            let last = values.len() - 1;
            match (judge(&plain, last), judge(&moved, last)) {
                (Some(a), Some(b)) if a.score.is_finite() => prop_assert!((a.score - b.score).abs() <= 1e-9 * a.score.abs().max(1.0)),
                (a, b) => prop_assert_eq!(a.map(|j| j.score), b.map(|j| j.score)),
            }
        }
    }
}
