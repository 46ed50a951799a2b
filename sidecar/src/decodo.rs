//! Client of Decodo's scraping API: one call, and every answer it can bring as a value.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use crate::config::{DecodoConfig, is_loopback};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A daily quota may ask for most of a day; anything longer is taken as a day.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Room for the remote's own words in the log, in characters.
const MESSAGE_LENGTH: usize = 200;

/// Error bodies are short; no more of them is read.
const ERROR_BODY_LIMIT: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScrapeRequest {
    pub target: &'static str,
    pub query: String,
    /// Posts on a page
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// What one call can bring.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// Looks like an answer: the body as received, for the database to read. Ids in it are longer than a float holds,
    /// so it is never parsed into numbers and written again.
    Payload(String),
    /// 200, but the scrape failed (613, 612): Decodo gave up after its own retries.
    Faulted { status_code: Option<i64>, message: String },
    /// 200 with nothing in it.
    Empty,
    /// 200 "pending", or 204.
    Pending,
    /// A status from 400 to 499 that trying again cannot change.
    Refused { status: u16, message: String },
    /// 401, and 407 of their proxies.
    Unauthorized { message: String },
    /// 429
    RateLimited { retry_after: Option<Duration>, message: String },
    /// 5xx, 524 among them, and redirects, which are not followed.
    Unavailable { status: u16, retry_after: Option<Duration> },
    /// No answer within the timeout, or 408.
    TimedOut,
    /// No connection, or one that ended before the body did.
    Broken { message: String },
    /// 200 with a body that is not JSON or nothing like an answer.
    NotAnAnswer,
    /// The body is longer than the limit, in bytes.
    TooLarge { limit: usize },
}

impl Answer {
    /// Name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Answer::Payload(_) => "payload",
            Answer::Faulted { .. } => "faulted",
            Answer::Empty => "empty",
            Answer::Pending => "pending",
            Answer::Refused { .. } => "refused",
            Answer::Unauthorized { .. } => "unauthorized",
            Answer::RateLimited { .. } => "rate_limited",
            Answer::Unavailable { .. } => "unavailable",
            Answer::TimedOut => "timed_out",
            Answer::Broken { .. } => "broken",
            Answer::NotAnAnswer => "not_an_answer",
            Answer::TooLarge { .. } => "too_large",
        }
    }

    /// The remote's own words, cleaned, for the log.
    pub fn message(&self) -> Option<&str> {
        match self {
            Answer::Faulted { message, .. }
            | Answer::Refused { message, .. }
            | Answer::Unauthorized { message }
            | Answer::RateLimited { message, .. }
            | Answer::Broken { message } => Some(message),
            _ => None,
        }
    }
}

/// Why the client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("cannot build the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot build the address of Decodo's API: {0}")]
    Address(#[from] url::ParseError),
}

pub struct Decodo {
    client: Client,
    scrape_url: Url,
    username: String,
    password: SecretString,
    max_answer: usize,
}

impl Decodo {
    pub fn new(config: &DecodoConfig) -> Result<Self, SetupError> {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("analytics_sidecar/", env!("CARGO_PKG_VERSION")))
            .timeout(config.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would carry the request to a host nobody named.
            .redirect(Policy::none());
        if is_loopback(&config.url) {
            builder = builder.no_proxy();
        }
        Ok(Decodo {
            client: builder.build()?,
            scrape_url: config.url.join("/v2/scrape")?,
            username: config.username.clone(),
            password: config.password.clone(),
            max_answer: config.max_answer,
        })
    }

    /// One call, no retry.
    pub async fn scrape(&self, request: &ScrapeRequest) -> Answer {
        let sent = self
            .client
            .post(self.scrape_url.clone())
            .basic_auth(&self.username, Some(self.password.expose_secret()))
            .header(ACCEPT, "application/json")
            .json(request)
            .send()
            .await;
        match sent {
            Ok(response) => self.read(response).await.unwrap_or_else(|trouble| trouble.into()),
            Err(error) => Trouble::from(error).into(),
        }
    }

    async fn read(&self, response: Response) -> Result<Answer, Trouble> {
        let status = response.status();
        let retry_after = retry_after(response.headers());
        if status == StatusCode::NO_CONTENT {
            return Ok(Answer::Pending);
        }
        if status.is_success() {
            let body = bounded_body(response, self.max_answer).await?;
            return Ok(self.clean(classify(body)));
        }
        if !status.is_client_error() {
            return Ok(Answer::Unavailable { status: status.as_u16(), retry_after });
        }
        // The status says what happened; its explanation may be missing.
        let message =
            bounded_body(response, ERROR_BODY_LIMIT).await.map_or_else(|_| String::new(), |body| message_of(&body));
        Ok(self.clean(match status.as_u16() {
            401 | 407 => Answer::Unauthorized { message },
            408 => Answer::TimedOut,
            429 => Answer::RateLimited { retry_after, message },
            status => Answer::Refused { status, message },
        }))
    }

    fn clean(&self, mut answer: Answer) -> Answer {
        if let Answer::Faulted { message, .. }
        | Answer::Refused { message, .. }
        | Answer::Unauthorized { message }
        | Answer::RateLimited { message, .. } = &mut answer
        {
            *message = self.presentable(message);
        }
        answer
    }

    /// A remote's words for the log: one short line, without the password should the remote have echoed it.
    fn presentable(&self, message: &str) -> String {
        message
            .replace(self.password.expose_secret(), "[password]")
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MESSAGE_LENGTH)
            .collect()
    }
}

/// Why a body could not be read to its end.
enum Trouble {
    Http(reqwest::Error),
    TooLarge { limit: usize },
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Trouble::Http(error)
    }
}

impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::TooLarge { limit } => Answer::TooLarge { limit },
            Trouble::Http(error) if error.is_timeout() => Answer::TimedOut,
            Trouble::Http(error) => {
                let stage = if error.is_connect() { "no connection" } else { "connection lost" };
                // The innermost cause says most ("Connection refused"); the outer ones repeat the address.
                let mut cause: &dyn std::error::Error = &error;
                while let Some(inner) = cause.source() {
                    cause = inner;
                }
                Answer::Broken { message: format!("{stage}: {cause}") }
            }
        }
    }
}

async fn bounded_body(mut response: Response, limit: usize) -> Result<Vec<u8>, Trouble> {
    let declared = response.content_length().and_then(|length| usize::try_from(length).ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Trouble::TooLarge { limit });
    }
    let mut body = Vec::with_capacity(declared.unwrap_or(0));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(Trouble::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Only the outermost level is looked at; all values stay the text they are.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    results: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    status_code: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResultEntry<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    status_code: Option<&'a RawValue>,
}

/// Sorts a body that came with status 200.
fn classify(body: Vec<u8>) -> Answer {
    let Ok(text) = String::from_utf8(body) else {
        return Answer::NotAnAnswer;
    };
    let Ok(envelope) = serde_json::from_str::<Envelope>(&text) else {
        return Answer::NotAnAnswer;
    };
    if let Some(results) = envelope.results {
        let Ok(entries) = serde_json::from_str::<Vec<ResultEntry>>(results.get()) else {
            return Answer::NotAnAnswer;
        };
        let Some(first) = entries.first() else {
            return Answer::Empty;
        };
        // Decodo's own codes for "could not", inside an entry.
        if let Some(status_code @ (612 | 613)) = integer(first.status_code) {
            return Answer::Faulted { status_code: Some(status_code), message: String::new() };
        }
        return match first.content.map_or(Kind::Empty, kind_of_content) {
            Kind::Empty => Answer::Empty,
            Kind::NotJson => Answer::NotAnAnswer,
            Kind::Something => Answer::Payload(text),
        };
    }
    match string(envelope.status).as_deref() {
        Some("pending") => Answer::Pending,
        Some("failed" | "faulted") => Answer::Faulted {
            status_code: integer(envelope.status_code),
            message: string(envelope.message).unwrap_or_default(),
        },
        _ if envelope.data.is_some() => Answer::Payload(text),
        _ => Answer::NotAnAnswer,
    }
}

enum Kind {
    Empty,
    NotJson,
    Something,
}

/// Content counts as empty when it says nothing but "ok". Whether something in it is a profile is the database's to
/// decide.
fn kind_of_content(content: &RawValue) -> Kind {
    match serde_json::from_str::<String>(content.get()) {
        Ok(inner) if inner.trim().is_empty() => Kind::Empty,
        Ok(inner) => kind_of_text(&inner),
        Err(_) => kind_of_text(content.get()),
    }
}

fn kind_of_text(text: &str) -> Kind {
    if let Ok(fields) = serde_json::from_str::<HashMap<String, &RawValue>>(text) {
        let says_nothing = fields.iter().all(|(name, value)| match name.as_str() {
            "data" => is_blank(value),
            "status" => string(Some(value)).as_deref() == Some("ok"),
            "extensions" => true,
            _ => false,
        });
        return if says_nothing { Kind::Empty } else { Kind::Something };
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) if is_blank(value) => Kind::Empty,
        Ok(_) => Kind::Something,
        Err(_) => Kind::NotJson,
    }
}

fn is_blank(value: &RawValue) -> bool {
    let compact: String = value.get().chars().filter(|c| !c.is_ascii_whitespace()).take(5).collect();
    matches!(compact.as_str(), "{}" | "[]" | "null")
}

fn string(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

fn integer(value: Option<&RawValue>) -> Option<i64> {
    serde_json::from_str(value?.get()).ok()
}

fn message_of(body: &[u8]) -> String {
    std::str::from_utf8(body)
        .ok()
        .and_then(|text| serde_json::from_str::<Envelope>(text).ok())
        .and_then(|envelope| string(envelope.message))
        .unwrap_or_default()
}

/// `Retry-After` in either of its forms. A date is measured from the answer's own `Date`, so clocks need not agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let value = text(RETRY_AFTER)?;
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(value).ok()?;
            let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
            until.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(body: &str) -> Answer {
        classify(body.as_bytes().to_vec())
    }

    #[test]
    fn a_payload_is_passed_on_byte_for_byte() {
        let body = " {\"results\" : [{\"content\":{\"data\":{\"user\":null},\"status\":\"ok\"},\
                     \"task_id\":7390120000000000001,\"f\":1.10, \"u\":\"\\u00e9\"}]}\n";
        assert_eq!(sorted(body), Answer::Payload(body.to_owned()));
    }

    #[test]
    fn contents_that_say_nothing_are_empty() {
        for content in [
            "null",
            "{}",
            "{ }",
            "[]",
            r#""""#,
            r#""{}""#,
            r#"{"data":null}"#,
            r#"{"data":{}, "status":"ok"}"#,
            r#"{"extensions":{"is_final":true},"status":"ok"}"#,
        ] {
            assert_eq!(sorted(&format!(r#"{{"results":[{{"content":{content}}}]}}"#)), Answer::Empty, "{content}");
        }
        assert_eq!(sorted(r#"{"results":[{"task_id":"7390120000000000001"}]}"#), Answer::Empty);
        assert_eq!(sorted(r#"{"results":[]}"#), Answer::Empty);
    }

    #[test]
    fn contents_that_say_something_are_for_the_database_to_judge() {
        for content in [
            r#"{"data":{"user":null},"status":"ok"}"#,
            r#"{"shortcode_media":{}}"#,
            r#"{"message":"checkpoint_required","status":"fail"}"#,
            r#"{"status":"fail"}"#,
            r#""{\"data\":{\"user\":{}}}""#,
        ] {
            let body = format!(r#"{{"results":[{{"content":{content}}}]}}"#);
            assert_eq!(sorted(&body), Answer::Payload(body.clone()), "{content}");
        }
        let legacy = r#"{"data":{"content":{},"errors":[],"status_code":12000},"task_id":"1"}"#;
        assert_eq!(sorted(legacy), Answer::Payload(legacy.to_owned()));
    }

    #[test]
    fn bodies_that_are_no_answer_are_told_apart() {
        for body in [
            "",
            "<html>",
            "[]",
            "5",
            "{}",
            r#"{"results":5}"#,
            r#"{"ok":true}"#,
            r#"{"results":[{"content":"<html>"}]}"#,
        ] {
            assert_eq!(sorted(body), Answer::NotAnAnswer, "{body}");
        }
        assert_eq!(classify(vec![b'"', 0xff, b'"']), Answer::NotAnAnswer);
    }

    #[test]
    fn failed_scrapes_keep_their_code() {
        let body = r#"{"status":"failed","status_code":613,"message":"We were not able to scrape the target.","task_id":"7390120000000000001"}"#;
        let message = "We were not able to scrape the target.".to_owned();
        assert_eq!(sorted(body), Answer::Faulted { status_code: Some(613), message });
        let inside = r#"{"results":[{"content":"","status_code":612}]}"#;
        assert_eq!(sorted(inside), Answer::Faulted { status_code: Some(612), message: String::new() });
    }

    #[test]
    fn a_deeply_nested_body_does_no_harm() {
        let body =
            format!(r#"{{"results":[{{"content":{{"data":{}{}}}}}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(sorted(&body), Answer::Payload(_) | Answer::NotAnAnswer));
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date_and_is_bounded() {
        let headers = |pairs: &[(reqwest::header::HeaderName, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), reqwest::header::HeaderValue::from_static(value)))
                .collect::<HeaderMap>()
        };
        let date = (DATE, "Sat, 01 Nov 2025 12:00:00 GMT");
        let cases = [
            (headers(&[(RETRY_AFTER, "7")]), Some(7)),
            (headers(&[(RETRY_AFTER, "Sat, 01 Nov 2025 12:00:30 GMT"), date.clone()]), Some(30)),
            (headers(&[(RETRY_AFTER, "Sat, 01 Nov 2025 11:00:00 GMT"), date]), Some(0)),
            (headers(&[(RETRY_AFTER, "99999999999")]), Some(86_400)),
            (headers(&[(RETRY_AFTER, "soon")]), None),
            (headers(&[]), None),
        ];
        for (headers, seconds) in cases {
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn the_remotes_words_are_shortened_and_never_hold_the_password() {
        let decodo = Decodo::new(&DecodoConfig {
            url: Url::parse("http://127.0.0.1:1").expect("address"),
            username: "user".to_owned(),
            password: "hunter2-hunter2".into(),
            timeout: Duration::from_secs(1),
            max_answer: 1,
        })
        .expect("client");
        let words = decodo.presentable(&format!("bad\npassword hunter2-hunter2 {}", "x".repeat(500)));
        assert!(words.starts_with("bad password [password] x"), "{words}");
        assert_eq!(words.chars().count(), MESSAGE_LENGTH);
    }
}
