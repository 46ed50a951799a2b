//! /webhooks/{platform}: what the platforms tell by themselves. A delivery that bears its platform's signature is taken apart
//! and stored before it is answered; what follows from it is done by jobs. 200 means that it is stored; after 5xx the platform
//! delivers it again.

pub mod delivery;
mod feed;
pub mod handle;
pub mod signature;
pub mod store;
pub mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State as Shared};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use ring::digest::{SHA256, digest};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;
use url::form_urlencoded::parse;

use crate::metrics::Metrics;
use crate::oauth::{Platform, Provider};
use crate::queue::QueueError;
use delivery::{Request as SignedRequest, Unreadable, removal};
use signature::{Refusal, claim, is_echoable, is_token, linkedin_challenge, x_challenge};
use store::{Store, Stored};

/// Bytes. Meta's batches of a thousand changes stay below it.
const MAX_BODY: usize = 1024 * 1024;
const MAX_FORM: usize = 16 * 1024;
/// For the body to arrive, and for the database to take it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const STORE_TIMEOUT: Duration = Duration::from_secs(8);
/// Deliveries worked on at once, once they are known to be a platform's; more are told to come again.
const AT_ONCE: usize = 64;
/// Bodies that are arriving, whoever sends them.
const READ_AT_ONCE: usize = 256;
/// What people ask for through Meta, and people who ask how far it is: apart, so that neither keeps the other out.
const CALLBACKS_AT_ONCE: usize = 8;
const ASKING_AT_ONCE: usize = 4;

/// How one platform shows who it is, and how we do.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Several while one is rolled; the first one answers challenges.
    pub secrets: Vec<SecretString>,
    /// What Meta and hubs repeat when they ask whether the address is ours.
    pub verify_token: Option<SecretString>,
}

pub struct Events {
    pub store: Store,
    pub senders: HashMap<Platform, Sender>,
    /// Where the outside reaches these addresses; without it nobody can be shown what became of a deletion.
    pub public_url: Option<Url>,
    pub metrics: Arc<Metrics>,
    /// Told when there are jobs.
    pub wake: Arc<Notify>,
    places: Semaphore,
    reading: Semaphore,
    callbacks: Semaphore,
    asking: Semaphore,
}

impl Events {
    pub fn new(
        store: Store,
        senders: HashMap<Platform, Sender>,
        public_url: Option<Url>,
        metrics: Arc<Metrics>,
        wake: Arc<Notify>,
    ) -> Self {
        Events {
            store,
            senders,
            public_url,
            metrics,
            wake,
            places: Semaphore::new(AT_ONCE),
            reading: Semaphore::new(READ_AT_ONCE),
            callbacks: Semaphore::new(CALLBACKS_AT_ONCE),
            asking: Semaphore::new(ASKING_AT_ONCE),
        }
    }
}

pub fn routes(events: Arc<Events>) -> Router {
    Router::new()
        .route("/webhooks/{platform}", any(address))
        .route("/webhooks/{platform}/deauthorize", post(deauthorize))
        .route("/webhooks/{platform}/delete", post(delete))
        .route("/webhooks/{platform}/deletions/{code}", get(deletion))
        .layer(from_fn(guard))
        .with_state(events)
}

/// The headers of every answer: none is a page to be shown inside another, or kept.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// How a request ended: the answer, and the word it is counted under.
type Ending = (Response, &'static str);

fn ending(status: StatusCode, outcome: &'static str) -> Ending {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return ((status, [(RETRY_AFTER, "60")]).into_response(), outcome);
    }
    (status.into_response(), outcome)
}

fn of_refusal(refusal: Refusal) -> Ending {
    ending(StatusCode::UNAUTHORIZED, refusal.name())
}

fn of_unreadable(unreadable: Unreadable) -> Ending {
    let status =
        if unreadable == Unreadable::TooMany { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
    ending(status, unreadable.name())
}

fn of_trouble(error: &QueueError) -> Ending {
    match error {
        // Signed, and more than the database can hold: again it would be the same.
        QueueError::Refused { sqlstate } if sqlstate.starts_with("22") || sqlstate.starts_with("54") => {
            tracing::error!(sqlstate, "a signed delivery cannot be stored");
            ending(StatusCode::BAD_REQUEST, "malformed")
        }
        error => {
            tracing::error!(%error, "a delivery is not stored, its platform will deliver it again");
            ending(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    }
}

impl Events {
    /// Counts, and answers.
    fn end(&self, platform: Platform, (response, outcome): Ending) -> Response {
        self.metrics.count_delivery(platform.name(), outcome);
        if response.status().is_client_error() {
            tracing::warn!(platform = platform.name(), outcome, "webhook delivery refused");
        }
        response
    }

    fn sender(&self, name: &str) -> Option<(Platform, &Sender)> {
        let platform = Platform::from_name(name)?;
        self.senders.get(&platform).map(|sender| (platform, sender))
    }
}

async fn address(Shared(events): Shared<Arc<Events>>, Path(platform): Path<String>, request: Request) -> Response {
    let Some((platform, sender)) = events.sender(&platform) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let ended = if request.method() == Method::GET {
        challenge(platform, sender, request.uri().query().unwrap_or_default())
    } else if request.method() == Method::POST {
        let (parts, body) = request.into_parts();
        events.deliver(platform, sender, &parts.headers, body).await
    } else {
        let allowed = [(ALLOW, "GET, POST")];
        ((StatusCode::METHOD_NOT_ALLOWED, allowed).into_response(), "method")
    };
    events.end(platform, ended)
}

/// The platform asks whether this address has the secret.
fn challenge(platform: Platform, sender: &Sender, query: &str) -> Ending {
    let refused = || ending(StatusCode::FORBIDDEN, "bad_challenge");
    let secret = sender.secrets.first();
    match platform {
        Platform::X => match single(query, "crc_token").zip(secret).and_then(|(token, key)| x_challenge(&token, key)) {
            Some(answer) => (Json(json!({"response_token": answer})).into_response(), "challenge"),
            None => refused(),
        },
        Platform::Linkedin => {
            let code = single(query, "challengeCode");
            match code.as_deref().zip(secret).and_then(|(code, key)| linkedin_challenge(code, key)) {
                Some(answer) => {
                    (Json(json!({"challengeCode": code, "challengeResponse": answer})).into_response(), "challenge")
                }
                None => refused(),
            }
        }
        Platform::Instagram | Platform::Facebook | Platform::Youtube => {
            let mode = single(query, "hub.mode");
            let is_asked = mode.as_deref() == Some("subscribe")
                || platform == Platform::Youtube && mode.as_deref() == Some("unsubscribe");
            let is_ours = single(query, "hub.verify_token")
                .zip(sender.verify_token.as_ref())
                .is_some_and(|(given, expected)| is_token(&given, expected));
            match single(query, "hub.challenge").filter(|challenge| is_asked && is_ours && is_echoable(challenge)) {
                Some(challenge) => {
                    (([(CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response(), "challenge")
                }
                None => refused(),
            }
        }
        // It asks nothing.
        Platform::Tiktok => ((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response(), "method"),
    }
}

impl Events {
    async fn deliver(&self, platform: Platform, sender: &Sender, headers: &HeaderMap, body: Body) -> Ending {
        let claimed = match claim(platform, headers) {
            Ok(claimed) => claimed,
            Err(refusal) => return of_refusal(refusal),
        };
        let expected = if platform == Platform::Youtube { "application/atom+xml" } else { "application/json" };
        let body = match self.read(headers, body, expected, MAX_BODY).await {
            Ok(body) => body,
            Err(ended) => return ended,
        };
        if let Err(refusal) = claimed.check(&body, &sender.secrets, SystemTime::now()) {
            return of_refusal(refusal);
        }
        let Ok(_place) = self.places.try_acquire() else { return busy() };
        match delivery::events(platform, &body) {
            Ok(events) => self.keep(platform, &events).await,
            Err(unreadable) => of_unreadable(unreadable),
        }
    }

    async fn keep(&self, platform: Platform, events: &[delivery::Event]) -> Ending {
        if events.is_empty() {
            return ending(StatusCode::OK, "empty");
        }
        let stored = match in_time(self.store.store(events)).await {
            Ok(stored) => stored,
            Err(error) => return of_trouble(&error),
        };
        let Stored { stored: fresh, duplicate, unconnected, outdated, removed } = stored;
        for (outcome, events) in [
            ("stored", fresh),
            ("duplicate", duplicate),
            ("unconnected", unconnected),
            ("outdated", outdated),
            ("removed", removed),
        ] {
            self.metrics.count_events(platform.name(), outcome, events);
        }
        tracing::info!(
            platform = platform.name(),
            fresh,
            duplicate,
            unconnected,
            outdated,
            removed,
            "delivery of events"
        );
        if fresh > 0 {
            self.wake.notify_one();
        }
        ending(StatusCode::OK, if fresh > 0 { "stored" } else { "nothing_new" })
    }

    /// The person that Meta speaks for, the digest of what it said, and a place to do it.
    async fn signed(
        &self,
        sender: &Sender,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(SignedRequest, Vec<u8>, SemaphorePermit<'_>), Ending> {
        let body = self.read(headers, body, "application/x-www-form-urlencoded", MAX_FORM).await?;
        let form = str::from_utf8(&body).unwrap_or_default();
        let text = single(form, "signed_request").ok_or_else(|| of_refusal(Refusal::Missing))?;
        let payload = signature::signed_request(&text, &sender.secrets).map_err(of_refusal)?;
        let request = delivery::signed_request(&payload).map_err(of_unreadable)?;
        let place = self.callbacks.try_acquire().map_err(|_| busy())?;
        Ok((request, digest(&SHA256, &payload).as_ref().to_vec(), place))
    }

    /// Only Meta has these callbacks.
    fn meta(&self, name: &str) -> Option<(Platform, &Sender)> {
        self.sender(name).filter(|(platform, _)| matches!(platform, Platform::Instagram | Platform::Facebook))
    }
}

async fn deauthorize(
    Shared(events): Shared<Arc<Events>>,
    Path(platform): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some((platform, sender)) = events.meta(&platform) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let ended = match events.signed(sender, &headers, body).await {
        Ok((request, _, _place)) => events.keep(platform, &[removal(platform, request)]).await,
        Err(ended) => ended,
    };
    events.end(platform, ended)
}

async fn delete(
    Shared(events): Shared<Arc<Events>>,
    Path(platform): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (Some((platform, sender)), Some(public_url)) = (events.meta(&platform), &events.public_url) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let ended = match events.signed(sender, &headers, body).await {
        Ok((request, digest, _place)) => {
            let provider = Provider::from_platform(platform).name();
            let asked = events.store.request_deletion(provider, &request.user, &digest, request.issued_at);
            match in_time(asked).await {
                Ok(Some(code)) => {
                    events.wake.notify_one();
                    let base = public_url.as_str().trim_end_matches('/');
                    let url = format!("{base}/webhooks/{}/deletions/{code}", platform.name());
                    (Json(json!({"url": url, "confirmation_code": code})).into_response(), "deletion_requested")
                }
                Ok(None) => of_refusal(Refusal::TooOld),
                Err(error) => of_trouble(&error),
            }
        }
        Err(ended) => ended,
    };
    events.end(platform, ended)
}

/// What a person is shown who asked for deletion, by the code that Meta gave him.
async fn deletion(Shared(events): Shared<Arc<Events>>, Path((platform, code)): Path<(String, String)>) -> Response {
    let is_code = code.len() == 32 && code.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if events.meta(&platform).is_none() || !is_code {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Ok(_place) = events.asking.try_acquire() else { return busy().0 };
    let text = match in_time(events.store.deletion(&code)).await {
        Ok(Some(deletion)) => {
            let day = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
            let asked = day(deletion.requested_at);
            match deletion.finished_at {
                Some(done) => {
                    format!("Asked for on {asked}. Done on {}: what came by this consent is deleted.\n", day(done))
                }
                None if deletion.status == "failed" => {
                    format!("Asked for on {asked}. It could not be done yet. Ask for it again, or ask us.\n")
                }
                None => format!("Asked for on {asked}. Received, and about to be done.\n"),
            }
        }
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(_) => return ending(StatusCode::SERVICE_UNAVAILABLE, "unavailable").0,
    };
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn busy() -> Ending {
    ending(StatusCode::SERVICE_UNAVAILABLE, "busy")
}

impl Events {
    /// The body, if it may come now.
    async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        expected: &str,
        most: usize,
    ) -> Result<axum::body::Bytes, Ending> {
        let Ok(_arriving) = self.reading.try_acquire() else { return Err(busy()) };
        read(headers, body, expected, most).await
    }
}

/// The whole body, if it is of the expected kind, not too large and not too slow.
async fn read(headers: &HeaderMap, body: Body, expected: &str, most: usize) -> Result<axum::body::Bytes, Ending> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let given = types.next().and_then(|value| value.to_str().ok()).filter(|_| types.next().is_none());
    let essence = given.and_then(|value| value.split(';').next()).map(str::trim).unwrap_or_default();
    if !essence.eq_ignore_ascii_case(expected) {
        return Err(ending(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type"));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if length.is_some_and(|length: usize| length > most) {
        return Err(ending(StatusCode::PAYLOAD_TOO_LARGE, "oversized"));
    }
    match timeout(BODY_TIMEOUT, to_bytes(body, most)).await {
        Ok(Ok(body)) => Ok(body),
        // Too large after all, or cut off: then nobody reads the answer.
        Ok(Err(_)) => Err(ending(StatusCode::PAYLOAD_TOO_LARGE, "unreadable")),
        Err(_) => Err(ending(StatusCode::REQUEST_TIMEOUT, "slow")),
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, QueueError>>) -> Result<T, QueueError> {
    let answered = timeout(STORE_TIMEOUT, call).await;
    answered.unwrap_or_else(|_| Err(QueueError::Unavailable("no answer in time".to_owned())))
}

/// The value of a parameter; one that is there twice is an attempt to be read differently by two.
fn single(query: &str, name: &str) -> Option<String> {
    let mut values = parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let value = values.next();
    value.filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgConnectOptions;

    use super::*;
    use crate::queue::PgQueue;

    fn asked(platform: Platform, query: &str) -> u16 {
        let sender = Sender { secrets: vec!["secret".into()], verify_token: Some("a-verify-token-of-ours".into()) };
        challenge(platform, &sender, query).0.status().as_u16()
    }

    #[test]
    fn each_platform_has_its_challenge() {
        let meta = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=a-verify-token-of-ours";
        let uuid = "challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0";
        assert_eq!(asked(Platform::Instagram, meta), 200);
        assert_eq!(asked(Platform::Facebook, meta), 200);
        assert_eq!(asked(Platform::Youtube, &meta.replace("=subscribe", "=unsubscribe")), 200);
        assert_eq!(asked(Platform::X, "crc_token=abc"), 200);
        assert_eq!(asked(Platform::Linkedin, uuid), 200);
        assert_eq!(asked(Platform::Tiktok, meta), 405);
    }

    /// With a database that nobody has called yet.
    fn surface() -> Events {
        let store = Store::new(PgQueue::new(PgConnectOptions::new_without_pgpass()));
        let sender = Sender { secrets: vec!["app_secret_example".into()], verify_token: None };
        let senders = HashMap::from([(Platform::Instagram, sender)]);
        Events::new(store, senders, None, Arc::new(Metrics::default()), Arc::new(Notify::new()))
    }

    async fn delivered(events: &Events, signature: Option<&str>) -> (u16, &'static str) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(signature) = signature {
            headers.insert("x-hub-signature-256", HeaderValue::from_str(signature).expect("a header"));
        }
        let sender = &events.senders[&Platform::Instagram];
        let body = Body::from(r#"{"object":"instagram","entry":[]}"#);
        let (response, outcome) = events.deliver(Platform::Instagram, sender, &headers, body).await;
        (response.status().as_u16(), outcome)
    }

    #[tokio::test]
    async fn a_place_is_for_those_whose_signature_fits() {
        let events = surface();
        let signed = "sha256=9ecc9e42f3b8e7aa3d3b5aa102e10f5ff5693283258240f126b00d7bf2874f8d";
        let forged = format!("sha256={}", "0".repeat(64));
        assert_eq!(delivered(&events, Some(signed)).await, (200, "empty"));
        let working = events.places.try_acquire_many(u32::try_from(AT_ONCE).expect("small")).expect("all are free");
        assert_eq!(delivered(&events, Some(signed)).await, (503, "busy"));
        assert_eq!(delivered(&events, Some(&forged)).await, (401, "bad_signature"));
        assert_eq!(delivered(&events, None).await, (401, "unsigned"));
        drop(working);
        let arriving = events.reading.try_acquire_many(u32::try_from(READ_AT_ONCE).expect("small"));
        assert_eq!(delivered(&events, Some(signed)).await, (503, "busy"));
        assert_eq!(delivered(&events, None).await, (401, "unsigned"), "without its body being read");
        drop(arriving);
        assert_eq!(delivered(&events, Some(signed)).await, (200, "empty"));
    }

    #[tokio::test]
    async fn people_who_ask_have_places_of_their_own() {
        let events = Arc::new(surface());
        let form = "signed_request=\
            QJk80UlkogHv74EsnFiEDSW2Jcvg0yc2T-KedzVk6_M.eyJ1c2VyX2lkIjoiMSIsImFsZ29yaXRobSI6IkhNQUMtU0hBMjU2IiwiaXNzdWVkX2F0IjoxfQ";
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))]);
        let called = async || {
            let path = Path("instagram".to_owned());
            deauthorize(Shared(events.clone()), path, headers.clone(), Body::from(form)).await.status().as_u16()
        };
        let started = std::time::Instant::now();
        let _callbacks = events.callbacks.try_acquire_many(u32::try_from(CALLBACKS_AT_ONCE).expect("small"));
        assert_eq!(called().await, 503);
        let _asking = events.asking.try_acquire_many(u32::try_from(ASKING_AT_ONCE).expect("small"));
        let asked = deletion(Shared(events.clone()), Path(("instagram".to_owned(), "0".repeat(32)))).await;
        assert_eq!(asked.status().as_u16(), 503);
        assert!(started.elapsed() < Duration::from_secs(1), "without asking the database");
    }

    #[test]
    fn what_is_not_asked_rightly_is_refused() {
        let ours = "hub.verify_token=a-verify-token-of-ours";
        for query in [
            "",
            "hub.mode=subscribe&hub.challenge=1",
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=other",
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
            &format!("hub.mode=unsubscribe&hub.challenge=1&{ours}"),
            &format!("hub.mode=subscribe&{ours}"),
            &format!("hub.mode=subscribe&hub.challenge=%3Cscript%3E&{ours}"),
            &format!("hub.mode=subscribe&hub.challenge=1&hub.challenge=2&{ours}"),
            &format!("hub.mode=subscribe&hub.challenge=1&{ours}&{ours}"),
        ] {
            assert_eq!(asked(Platform::Facebook, query), 403, "{query}");
        }
        for query in ["", "crc_token=", "crc_token=a&crc_token=b", "crc_token=%7B%22user_event%22%3A%7B%7D%7D"] {
            assert_eq!(asked(Platform::X, query), 403, "{query}");
        }
        for query in ["", "challengeCode=1", "challengeCode=hmacsha256%3D%7B%7D"] {
            assert_eq!(asked(Platform::Linkedin, query), 403, "{query}");
        }
    }
}
