//! What answers say about limits: Meta's usage headers, X's rate limit, `Retry-After`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// A daily quota may ask for most of a day; anything longer is taken as a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Of the fullest of all limits named; above 100 when calls are refused.
    pub percent: u32,
    /// Until calls are taken again, where that is said.
    pub regain: Option<Duration>,
}

impl Usage {
    /// None when the answer says nothing about it.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        [
            app_usage(headers, "x-app-usage"),
            app_usage(headers, "x-page-usage"),
            business_usage(headers),
            x_limit(headers),
        ]
        .into_iter()
        .flatten()
        .reduce(|one, other| Usage { percent: one.percent.max(other.percent), regain: one.regain.max(other.regain) })
    }
}

fn json(headers: &HeaderMap, name: &str) -> Option<Value> {
    serde_json::from_slice(headers.get(name)?.as_bytes()).ok()
}

/// The fullest of the percentages; they may come with a fraction.
fn percent(usage: &Value) -> Option<u32> {
    let parts = ["call_count", "total_time", "total_cputime"];
    let highest = parts.iter().filter_map(|part| usage[*part].as_f64()).reduce(f64::max)?;
    Some(highest.clamp(0.0, 1e6).ceil() as u32)
}

fn app_usage(headers: &HeaderMap, name: &str) -> Option<Usage> {
    Some(Usage { percent: percent(&json(headers, name)?)?, regain: None })
}

/// By business, a list of the limits of each kind.
fn business_usage(headers: &HeaderMap) -> Option<Usage> {
    let usage = json(headers, "x-business-use-case-usage")?;
    let entries = usage.as_object()?.values().filter_map(Value::as_array).flatten();
    let usages = entries.filter_map(|entry| {
        let minutes = entry["estimated_time_to_regain_access"].as_u64().filter(|minutes| *minutes > 0);
        let regain = minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)).min(LONGEST_WAIT));
        Some(Usage { percent: percent(entry)?, regain })
    });
    usages.reduce(|one, other| Usage { percent: one.percent.max(other.percent), regain: one.regain.max(other.regain) })
}

fn x_limit(headers: &HeaderMap) -> Option<Usage> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let limit = number("x-rate-limit-limit").filter(|limit| *limit > 0)?;
    let used = limit.saturating_sub(number("x-rate-limit-remaining")?);
    let percent = u32::try_from(used.saturating_mul(100).div_ceil(limit)).unwrap_or(u32::MAX);
    let reset = number("x-rate-limit-reset").filter(|_| percent >= 100);
    let regain = reset.map(|reset| {
        let until = UNIX_EPOCH + Duration::from_secs(reset.min(u64::from(u32::MAX)));
        until.duration_since(now(headers)).unwrap_or_default().min(LONGEST_WAIT)
    });
    Some(Usage { percent, regain })
}

/// By the answer's own clock, so that ours need not agree.
pub(super) fn now(headers: &HeaderMap) -> SystemTime {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()).unwrap_or_else(SystemTime::now)
}

/// Until the next day of UTC begins.
pub(super) fn until_midnight(headers: &HeaderMap) -> Duration {
    let seconds = now(headers).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    LONGEST_WAIT - Duration::from_secs(seconds % LONGEST_WAIT.as_secs())
}

/// `Retry-After` in either of its forms, or when X's window ends.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = value.and_then(|value| match value.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now(headers)).unwrap_or_default()),
    });
    asked.map(|wait| wait.min(LONGEST_WAIT)).or_else(|| x_limit(headers)?.regain)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_fullest_limit_counts() {
        let headers = headers(&[
            ("x-app-usage", r#"{"call_count":28,"total_time":25,"total_cputime":25}"#),
            ("x-page-usage", r#"{"call_count":3,"total_time":1.5,"total_cputime":2}"#),
            (
                "x-business-use-case-usage",
                r#"{"42":[{"type":"instagram","call_count":10,"total_cputime":61,"total_time":6,"estimated_time_to_regain_access":0,"ads_api_access_tier":"x"}],"43":[{"type":"pages","call_count":103,"total_cputime":5,"total_time":6,"estimated_time_to_regain_access":12}]}"#,
            ),
        ]);
        assert_eq!(Usage::of(&headers), Some(Usage { percent: 103, regain: Some(Duration::from_secs(720)) }));
    }

    #[test]
    fn the_window_of_x_ends_by_its_own_clock() {
        let limit = [
            ("x-rate-limit-limit", "75"),
            ("x-rate-limit-reset", "1790000300"),
            ("date", "Mon, 21 Sep 2026 14:13:20 GMT"),
        ];
        let mut spent = headers(&limit);
        spent.insert("x-rate-limit-remaining", HeaderValue::from_static("0"));
        let usage = Usage::of(&spent).expect("said");
        assert_eq!(usage.percent, 100);
        assert_eq!(usage.regain, Some(Duration::from_secs(300)));
        assert_eq!(retry_after(&spent), usage.regain);
        let mut half = headers(&limit);
        half.insert("x-rate-limit-remaining", HeaderValue::from_static("37"));
        assert_eq!(Usage::of(&half), Some(Usage { percent: 51, regain: None }));
    }

    #[test]
    fn nonsense_is_as_good_as_nothing() {
        for value in ["", "5", "[]", "{}", r#"{"42":5}"#, r#"{"42":[{}]}"#, r#"{"call_count":"28"}"#, "{"] {
            let pairs = [("x-app-usage", value), ("x-business-use-case-usage", value), ("x-rate-limit-limit", value)];
            assert_eq!(Usage::of(&headers(&pairs)), None, "{value}");
        }
        assert_eq!(retry_after(&headers(&[("retry-after", "soon")])), None);
        assert_eq!(retry_after(&headers(&[("retry-after", "999999999999")])), Some(LONGEST_WAIT));
    }
}
