//! What answers say about limits: Meta's usage headers, X's rate limit, `Retry-After`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// A daily quota may ask for most of a day; anything longer is taken as a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Percent of our app's limit that is used, above 100 when calls are refused; None when the answer says nothing about it.
/// Limits of a page, a business or a person are told in other headers: they keep no other account back.
pub fn app_usage(headers: &HeaderMap) -> Option<u32> {
    percent(&json(headers, "x-app-usage")?)
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

/// Until a business may be asked again: the longest of the times named, by business a list of the limits of each kind.
pub(super) fn regain(headers: &HeaderMap) -> Option<Duration> {
    let usage = json(headers, "x-business-use-case-usage")?;
    let entries = usage.as_object()?.values().filter_map(Value::as_array).flatten();
    let minutes = entries.filter_map(|entry| entry["estimated_time_to_regain_access"].as_u64());
    let longest = minutes.max().filter(|minutes| *minutes > 0)?;
    Some(Duration::from_secs(longest.saturating_mul(60)).min(LONGEST_WAIT))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Whether a window of X, by person and kind of call, is used up.
pub(super) fn has_window(headers: &HeaderMap) -> bool {
    number(headers, "x-rate-limit-remaining") == Some(0)
}

fn window_ends(headers: &HeaderMap) -> Option<Duration> {
    let reset = number(headers, "x-rate-limit-reset").filter(|_| has_window(headers))?;
    let until = UNIX_EPOCH + Duration::from_secs(reset.min(u64::from(u32::MAX)));
    Some(until.duration_since(now(headers)).unwrap_or_default().min(LONGEST_WAIT))
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
    asked.map(|wait| wait.min(LONGEST_WAIT)).or_else(|| window_ends(headers))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_limit_of_our_app_counts_for_all() {
        let headers = headers(&[
            ("x-app-usage", r#"{"call_count":28,"total_time":25,"total_cputime":25}"#),
            ("x-page-usage", r#"{"call_count":3,"total_time":1.5,"total_cputime":2}"#),
            (
                "x-business-use-case-usage",
                r#"{"42":[{"type":"instagram","call_count":10,"total_cputime":61,"total_time":6,"estimated_time_to_regain_access":0,"ads_api_access_tier":"x"}],"43":[{"type":"pages","call_count":103,"total_cputime":5,"total_time":6,"estimated_time_to_regain_access":12}]}"#,
            ),
        ]);
        assert_eq!(app_usage(&headers), Some(28));
        assert_eq!(regain(&headers), Some(Duration::from_secs(720)));
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
        assert!(has_window(&spent));
        assert_eq!(retry_after(&spent), Some(Duration::from_secs(300)));
        let mut half = headers(&limit);
        half.insert("x-rate-limit-remaining", HeaderValue::from_static("37"));
        assert_eq!((has_window(&half), retry_after(&half)), (false, None));
    }

    #[test]
    fn nonsense_is_as_good_as_nothing() {
        for value in ["", "5", "[]", "{}", r#"{"42":5}"#, r#"{"42":[{}]}"#, r#"{"call_count":"28"}"#, "{"] {
            let pairs = [("x-app-usage", value), ("x-business-use-case-usage", value), ("x-rate-limit-limit", value)];
            let headers = headers(&pairs);
            assert_eq!((app_usage(&headers), regain(&headers), retry_after(&headers)), (None, None, None), "{value}");
        }
        assert_eq!(retry_after(&headers(&[("retry-after", "soon")])), None);
        assert_eq!(retry_after(&headers(&[("retry-after", "999999999999")])), Some(LONGEST_WAIT));
    }
}
