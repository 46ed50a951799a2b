//! A line of values in one line of text.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const UNKNOWN: char = '·';

/// A block for each value, lowest to highest of those that are finite. Unknown values and NaN are `·`; an infinity is at the end of
/// the scale. Equal values are in the middle.
pub fn sparkline(values: impl Iterator<Item = Option<f64>> + Clone) -> String {
    let finite = values.clone().flatten().filter(|value| value.is_finite());
    let (low, high) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    values
        .map(|value| match value {
            Some(value) if !value.is_nan() => BLOCKS[level(value, low, high)],
            _ => UNKNOWN,
        })
        .collect()
}

fn level(value: f64, low: f64, high: f64) -> usize {
    if value == f64::INFINITY {
        return 7;
    }
    if value == f64::NEG_INFINITY {
        return 0;
    }
    if low >= high {
        return 3;
    }
    // Halves, so that the span of all floating-point numbers does not overflow.
    let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    ((share * 8.0) as usize).min(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[Option<f64>]) -> String {
        sparkline(values.iter().copied())
    }

    #[test]
    fn blocks() {
        let rising: Vec<_> = (1..=8).map(|n| Some(f64::from(n))).collect();
        assert_eq!(of(&rising), "▁▂▃▄▅▆▇█");
        assert_eq!(of(&[]), "");
        assert_eq!(of(&[Some(5.0), Some(5.0)]), "▄▄");
        assert_eq!(of(&[Some(1.0), None, Some(f64::NAN), Some(2.0)]), "▁··█");
        assert_eq!(of(&[None]), "·");
        assert_eq!(of(&[Some(f64::INFINITY), Some(0.0), Some(f64::NEG_INFINITY)]), "█▄▁");
        assert_eq!(of(&[Some(f64::MIN), Some(0.0), Some(f64::MAX)]), "▁▅█");
        assert_eq!(of(&[Some(0.0), Some(5e-324)]).chars().count(), 2);
    }
}
