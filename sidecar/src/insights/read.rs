//! What the readers of all platforms share: numbers as answers hold them, and days.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use super::store::{Capture, Metric};

/// No platform counts that far, and the tables do not take it.
pub(super) const MOST: i64 = 1_000_000_000_000_000;

/// A whole number, as such or as text.
pub(super) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|value| *value <= MOST)
}

pub(super) fn start_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let read = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z").or_else(|_| DateTime::parse_from_rfc3339(text));
    read.ok().map(|at| at.to_utc())
}

/// Why a value is unknown of which something was said.
pub(super) const NO_NUMBER: &str = "the platform's answer is no number that can be";

pub(super) fn capture(metric: &Metric, measured_at: Option<DateTime<Utc>>, value: Option<i64>) -> Capture {
    Capture { metric: metric.metric.clone(), measured_at, value, reason: None }
}

/// What an answer says of a metric; null where it says nothing.
pub(super) fn said(metric: &Metric, measured_at: Option<DateTime<Utc>>, said: &Value) -> Capture {
    let value = whole(said);
    let reason = (value.is_none() && !said.is_null()).then_some(NO_NUMBER);
    Capture { reason, ..capture(metric, measured_at, value) }
}

/// The platform's names, each once.
pub(super) fn api_names<'a>(metrics: &[&'a Metric]) -> Vec<&'a str> {
    let mut names: Vec<&str> = metrics.iter().map(|metric| metric.api_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Nothing else may become part of an address.
pub(super) fn is_id(id: &str) -> bool {
    (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::listing::tests::metric;
    use super::*;

    #[test]
    fn what_is_no_number_is_unknown_and_says_so() {
        let views = metric("account", "flow", "views", "views");
        let read = |value: Value| {
            let capture = said(&views, None, &value);
            (capture.value, capture.reason.is_some())
        };
        assert_eq!(read(json!(7)), (Some(7), false));
        assert_eq!(read(json!("5000000000")), (Some(5_000_000_000), false));
        assert_eq!(read(json!(-3)), (Some(-3), false), "the database says what the platform said");
        assert_eq!(read(Value::Null), (None, false));
        for value in
            [json!(1.5), json!({"like": 1}), json!([]), json!(true), json!("many"), json!(1e300), json!(u64::MAX)]
        {
            assert_eq!(read(value.clone()), (None, true), "{value}");
        }
    }

    #[test]
    fn only_numbers_become_part_of_an_address() {
        assert!(is_id("17841400000000017"));
        for id in ["", "me", "../me", "1/2", "1?x", "1%2f", "//evil.example", "１", &"1".repeat(33)] {
            assert!(!is_id(id), "{id}");
        }
    }
}
