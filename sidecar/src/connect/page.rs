//! The two pages that a member's browser meets: /oauth/start/{connection}, which sends it to the provider, and
//! /oauth/callback/{platform}, which the provider sends it back to.
//!
//! What is wrong with a request is told to the database (audit) and to nobody else: outside every refusal looks the same.
//! Neither codes nor states nor tickets are logged, nor the addresses that hold them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State as Shared};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use url::form_urlencoded::parse;
use uuid::Uuid;

use super::refresh::carried;
use super::store::{Find, Opened, Store, Verdict};
use super::{Remote, fingerprint, is_secret, new_secret};
use crate::config::is_loopback;
use crate::metrics::Metrics;
use crate::oauth::{Found, Grant, Platform, Provider, Purpose, TokenError, new_verifier};
use crate::queue::QueueError;
use crate::secrets::{Binding, Keyring};

/// Bytes of path and query. Codes have some hundred characters, LinkedIn's and Facebook's over a thousand.
const LONGEST_ADDRESS: usize = 8 * 1024;
const LONGEST_CODE: usize = 4 * 1024;
/// For a provider to give a grant and say what it opens; a browser that waits longer is sent back meanwhile.
const ANSWER_TIME: Duration = Duration::from_secs(50);
/// Requests worked on at once; each may wait for a provider.
const AT_ONCE: usize = 64;
/// As long as the database gives a member.
const COOKIE_SECONDS: u32 = 600;
/// Refusals that are put on record one by one in a minute; more are summed up.
const REFUSALS_A_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

const PAGE: &str = "<!doctype html><meta charset=\"utf-8\"><title>Not connected</title>\
    <p>This link cannot be used (any more). Go back to the app and connect the account again.</p>\n";

/// A refusal: why, in one word, for the audit trail.
type Reason = &'static str;

pub struct Pages {
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub remotes: HashMap<Provider, Remote>,
    /// Where browsers reach these pages.
    pub public_url: Url,
    pub metrics: Arc<Metrics>,
    refusals: Refusals,
    places: Semaphore,
    /// Exchanges that go on although the browser has left.
    exchanges: TaskTracker,
}

impl Pages {
    pub fn new(
        store: Store,
        keyring: Arc<Keyring>,
        remotes: HashMap<Provider, Remote>,
        public_url: Url,
        metrics: Arc<Metrics>,
    ) -> Self {
        Pages {
            store,
            keyring,
            remotes,
            public_url,
            metrics,
            refusals: Refusals::default(),
            places: Semaphore::new(AT_ONCE),
            exchanges: TaskTracker::new(),
        }
    }

    /// Waits for exchanges under way; a code opens once.
    pub async fn finish(&self) {
        self.exchanges.close();
        self.exchanges.wait().await;
    }

    /// Puts on record what came too fast, every minute until told to stop.
    pub async fn sum_up(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(MINUTE) => {}
            }
            for ((reason, platform), times) in self.refusals.summed() {
                if let Err(error) = self.store.note_refusals(reason, platform, times).await {
                    tracing::warn!(%error, reason, times, "refused callbacks could not be put on record");
                }
            }
        }
    }
}

pub fn routes(pages: Arc<Pages>) -> Router {
    Router::new()
        .route("/oauth/start/{connection}", any(start))
        .route("/oauth/callback/{platform}", any(callback))
        .fallback(async || refused_page())
        .layer(from_fn_with_state(pages.clone(), guard))
        .with_state(pages)
}

/// What holds for every request, and the headers of every answer.
async fn guard(Shared(pages): Shared<Arc<Pages>>, request: Request, next: Next) -> Response {
    let has_body = request.headers().contains_key(TRANSFER_ENCODING)
        || request.headers().get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    let oversized = request.uri().to_string().len() > LONGEST_ADDRESS;
    let mut response = if request.method() != Method::GET {
        // HEAD too: it would spend what a GET shall.
        (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")]).into_response()
    } else if oversized || has_body {
        pages.note(if oversized { "oversized" } else { "body" }, None).await;
        let status = if oversized { StatusCode::URI_TOO_LONG } else { StatusCode::PAYLOAD_TOO_LARGE };
        (status, page_body()).into_response()
    } else {
        match pages.places.try_acquire() {
            Ok(_place) => next.run(request).await,
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response(),
        }
    };
    pages.metrics.count_page(response.status().as_str());
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        (STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn page_body() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE)
}

fn refused_page() -> Response {
    (StatusCode::BAD_REQUEST, page_body()).into_response()
}

/// The database or the provider could not be asked. Nothing was spent that the browser could bring again.
fn unavailable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")], page_body()).into_response()
}

fn redirect(to: &str, cookie: Option<&str>) -> Response {
    let Ok(location) = HeaderValue::from_str(to) else {
        return refused_page();
    };
    let mut response = (StatusCode::SEE_OTHER, Body::empty()).into_response();
    response.headers_mut().insert(LOCATION, location);
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

async fn start(
    Shared(pages): Shared<Arc<Pages>>,
    Path(connection): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    // What a browser fetches ahead of the click would spend the ticket.
    let ahead = ["sec-purpose", "purpose"]
        .iter()
        .any(|name| headers.get(*name).is_some_and(|value| value.as_bytes().starts_with(b"prefetch")));
    if ahead {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response();
    }
    match pages.start(&connection, uri.query().unwrap_or_default()).await {
        Ok(response) => response,
        Err(Trouble::Refused(reason, platform)) => {
            pages.note(reason, platform).await;
            refused_page()
        }
        Err(Trouble::OnRecord(reason)) => {
            tracing::warn!(reason, "a start page was refused");
            refused_page()
        }
        Err(Trouble::Unavailable(error)) => {
            tracing::error!(error, "a start page could not be served");
            unavailable()
        }
    }
}

async fn callback(
    Shared(pages): Shared<Arc<Pages>>,
    Path(platform): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    // Goes on when the browser hangs up: the code is spent, and what it brings must be stored.
    let working = pages.clone();
    let query = SecretString::from(uri.query().unwrap_or_default().to_owned());
    let task = pages.exchanges.spawn(async move { working.callback(&platform, query.expose_secret(), &headers).await });
    match task.await {
        Ok(Ok(response)) => response,
        Ok(Err(Trouble::Refused(reason, platform))) => {
            pages.note(reason, platform).await;
            refused_page()
        }
        Ok(Err(Trouble::OnRecord(reason))) => {
            tracing::warn!(reason, "a callback was refused");
            refused_page()
        }
        Ok(Err(Trouble::Unavailable(error))) => {
            tracing::error!(error, "a callback could not be served");
            unavailable()
        }
        Err(_) => unavailable(),
    }
}

/// Why there is no answer but a page that says so.
enum Trouble {
    /// Not on record yet
    Refused(Reason, Option<&'static str>),
    OnRecord(String),
    Unavailable(String),
}

impl From<QueueError> for Trouble {
    fn from(error: QueueError) -> Self {
        Trouble::Unavailable(error.to_string())
    }
}

/// Why a connection failed, after its state was spent: one word for the audit trail, a code and a sentence for the member.
struct Failure {
    reason: Reason,
    code: &'static str,
    message: String,
}

impl Failure {
    fn new(reason: Reason, code: &'static str, message: impl Into<String>) -> Self {
        Failure { reason, code, message: message.into() }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match &error {
            TokenError::Final { reason, .. } => {
                Failure::new("provider_refused", "OAUTH_ERROR", format!("the provider refused: {}", reason.words()))
            }
            TokenError::Configuration { .. } => {
                tracing::error!(%error, "the provider does not accept our app");
                Failure::new(
                    "configuration",
                    "SERVICE_UNAVAILABLE",
                    "the provider does not accept this service at the moment; its operator has to see to it",
                )
            }
            TokenError::Denied { .. } => Failure::new(
                "permission_missing",
                "OAUTH_ERROR",
                "a permission is missing that is needed to see the accounts; leave all of them ticked on the provider's page",
            ),
            TokenError::Throttled { .. } | TokenError::ThrottledAccount { .. } => Failure::new(
                "throttled",
                "RATE_LIMITED",
                "the provider asks for fewer requests; try again in some minutes",
            ),
            _ => Failure::new(
                "provider_unavailable",
                "EXTERNAL_API_ERROR",
                "the provider could not be understood or reached; try again",
            ),
        }
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        tracing::error!(%error, "what a consent opened could not be stored");
        Failure::new("not_stored", "INTERNAL", "the accounts could not be stored; try again")
    }
}

impl Pages {
    /// On record; in sum when there are too many.
    async fn note(&self, reason: Reason, platform: Option<&'static str>) {
        tracing::warn!(reason, platform, "a page of consent was refused");
        if self.refusals.count(reason, platform)
            && let Err(error) = self.store.note_refusals(reason, platform, 1).await
        {
            tracing::warn!(%error, reason, "a refusal could not be put on record");
        }
    }

    /// Where the browser's secret is sent back to, and only there.
    fn cookie(&self, name: &str, value: &str, platform: Platform, seconds: u32) -> String {
        let path = self.public_url.path().trim_end_matches('/');
        let mut cookie = format!(
            "{name}={value}; Path={path}/oauth/callback/{}; Max-Age={seconds}; HttpOnly; SameSite=Lax",
            platform.name()
        );
        if self.public_url.scheme() == "https" || !is_loopback(&self.public_url) {
            cookie.push_str("; Secure");
        }
        cookie
    }

    async fn start(&self, connection: &str, query: &str) -> Result<Response, Trouble> {
        let Ok(id) = connection.parse::<Uuid>() else {
            return Err(Trouble::Refused("malformed_start", None));
        };
        let ticket = single(query, "ticket").map_err(|_| Trouble::Refused("malformed_start", None))?;
        let Some(ticket) = ticket.filter(|ticket| is_secret(ticket)) else {
            return Err(Trouble::Refused("malformed_start", None));
        };
        let Some(begun) = self.store.find(id).await? else {
            return Err(Trouble::Refused("connection_unknown", None));
        };
        let provider = Provider::from_name(&begun.provider);
        let platform = Platform::from_name(&begun.platform);
        let purpose = Purpose::from_name(&begun.purpose);
        let (Some(provider), Some(platform), Some(purpose)) = (provider, platform, purpose) else {
            return Err(Trouble::Unavailable("the database knows providers that this sidecar does not".to_owned()));
        };
        let Some(remote) = self.remotes.get(&provider) else {
            tracing::error!(
                provider = provider.name(),
                "a member wants to connect, but there is no app for this provider"
            );
            return Err(Trouble::Unavailable(format!("no app is set up for {}", provider.name())));
        };
        let random = || Trouble::Unavailable("the system gives no random numbers".to_owned());
        let state = new_secret().ok_or_else(random)?;
        let browser = new_secret().ok_or_else(random)?;
        let verifier = if provider.uses_pkce() { Some(new_verifier().ok_or_else(random)?) } else { None };
        let binding = Binding { workspace: begun.workspace_id, connection: id, column: "verifier" };
        let sealed = verifier.as_ref().map(|verifier| self.keyring.seal(&binding, verifier));
        let scopes = provider.scopes(platform, purpose);
        let (ticket, state_digest, browser_digest) = (fingerprint(&ticket), fingerprint(&state), fingerprint(&browser));
        match self.store.begin(id, &ticket, &state_digest, &browser_digest, sealed.as_deref(), scopes).await? {
            Verdict::Refused { reason } => Err(Trouble::OnRecord(reason)),
            Verdict::Ok(_) => {
                let url = remote.client.authorize_url(&state, verifier.as_ref(), scopes);
                let cookie = self.cookie(&cookie_name(&state_digest), &browser, platform, COOKIE_SECONDS);
                Ok(redirect(url.as_str(), Some(&cookie)))
            }
        }
    }

    async fn callback(self: Arc<Self>, platform: &str, query: &str, headers: &HeaderMap) -> Result<Response, Trouble> {
        let Some(platform) = Platform::from_name(platform) else {
            return Err(Trouble::Refused("platform_unknown", None));
        };
        let malformed = || Trouble::Refused("malformed_callback", Some(platform.name()));
        let answer = Answer::read(query).map_err(|()| malformed())?;
        let digest = fingerprint(&answer.state);
        // A browser without the secret is the wrong one, and the state is spent by that.
        let name = cookie_name(&digest);
        let browser = cookie_of(headers, &name).unwrap_or_default();
        let opened = match self.store.use_state(&digest, &fingerprint(browser), platform.name()).await? {
            Verdict::Refused { reason } => return Err(Trouble::OnRecord(reason)),
            Verdict::Ok(opened) => opened,
        };
        let connection = opened.connection_id;
        let finishing = self.clone();
        let back = opened.redirect_to.clone();
        let work = self.exchanges.spawn(async move { finishing.finish_connection(&opened, answer).await });
        let status = match timeout(ANSWER_TIME, work).await {
            Ok(Ok(status)) => status,
            Ok(Err(_)) => "failed",
            Err(_) => "pending",
        };
        let gone = self.cookie(&name, "", platform, 0);
        Ok(redirect(&return_address(&back, connection, status), Some(&gone)))
    }

    /// "choosing" or "failed"
    async fn finish_connection(&self, opened: &Opened, answer: Answer) -> &'static str {
        let failure = match self.exchange(opened, answer).await {
            Ok(true) => return "choosing",
            Ok(false) => return "failed",
            Err(failure) => failure,
        };
        tracing::warn!(connection = %opened.connection_id, reason = failure.reason, "a connection failed");
        let told = self.store.fail(opened.connection_id, failure.reason, failure.code, &failure.message).await;
        if let Err(error) = told {
            tracing::error!(%error, connection = %opened.connection_id, "a failed connection could not be put on record");
        }
        "failed"
    }

    /// From the provider's answer to accounts that can be chosen from; false when there are none.
    async fn exchange(&self, opened: &Opened, answer: Answer) -> Result<bool, Failure> {
        let refused =
            |reason| Failure::new(reason, "OAUTH_ERROR", "the provider's answer did not belong to this attempt");
        let Some(provider) = Provider::from_name(&opened.provider) else {
            return Err(refused("provider_unknown"));
        };
        let Some(remote) = self.remotes.get(&provider) else {
            return Err(refused("provider_unknown"));
        };
        // RFC 9207: an answer that names another server than we asked is not for us.
        if let Some(issuer) = &answer.issuer
            && provider.issuer() != Some(issuer.as_str())
        {
            return Err(refused("wrong_issuer"));
        }
        if let Some(error) = answer.error {
            return Err(match error.as_str() {
                "access_denied" | "user_cancelled_authorize" | "user_cancelled_login" => {
                    Failure::new("declined", "FORBIDDEN", "access was not granted on the provider's page")
                }
                "server_error" | "temporarily_unavailable" => Failure::new(
                    "provider_unavailable",
                    "EXTERNAL_API_ERROR",
                    "the provider cannot answer now; try again later",
                ),
                _ => Failure::new("provider_refused", "OAUTH_ERROR", "the provider refused the request"),
            });
        }
        let Some(code) = answer.code else {
            return Err(refused("no_code"));
        };
        let binding = Binding { workspace: opened.workspace_id, connection: opened.connection_id, column: "verifier" };
        let verifier = opened.verifier.as_deref().map(|sealed| self.keyring.open(&binding, sealed)).transpose();
        let verifier = verifier.map_err(|error| {
            tracing::error!(%error, "a verifier cannot be opened");
            Failure::new("sealed", "ENCRYPTION_ERROR", "the keys of this service were changed meanwhile; try again")
        })?;
        if provider.uses_pkce() && verifier.is_none() {
            return Err(refused("no_verifier"));
        }

        let started = Instant::now();
        let granted = remote.client.exchange(code.expose_secret(), verifier.as_ref()).await;
        let name = granted.as_ref().err().map_or("granted", TokenError::name);
        self.metrics.observe_request(remote.gate.name(), "exchange", name, started.elapsed());
        let grant = granted?;
        let found = remote.client.accounts(&grant).await.map_err(TokenError::after_refresh)?;
        let found: Vec<Found> = found.into_iter().filter(|found| provider.serves(found.platform)).collect();
        self.store_found(opened, provider, &grant, &found).await
    }

    async fn store_found(
        &self,
        opened: &Opened,
        provider: Provider,
        grant: &Grant,
        found: &[Found],
    ) -> Result<bool, Failure> {
        let platforms: Vec<&str> = found.iter().map(|found| found.platform.name()).collect();
        let ids: Vec<&str> = found.iter().map(|found| found.platform_user_id.as_str()).collect();
        let handles: Vec<Option<&str>> = found.iter().map(|found| found.handle.as_deref()).collect();
        // The code is spent: what it brought is carried until the database takes it.
        let connection = opened.connection_id;
        let places = carried(|| self.store.place(connection, &platforms, &ids, &handles)).await?;
        let finds: Vec<Find> = places
            .iter()
            .filter_map(|place| {
                let found = found.iter().find(|found| {
                    found.platform.name() == place.platform && found.platform_user_id == place.platform_user_id
                })?;
                let seal = |column, secret: &SecretString| {
                    let binding = Binding { workspace: opened.workspace_id, connection: place.account_id, column };
                    self.keyring.seal(&binding, secret)
                };
                // A page has a token of its own, without an end; the person's is kept to give the consent back with.
                let (access, refresh, ends, refresh_ends, refresh_at) = match &found.page_token {
                    Some(page) => (page, Some(&grant.access_token), None, None, None),
                    None => (
                        &grant.access_token,
                        grant.refresh_token.as_ref(),
                        grant.access_expires_at,
                        grant.refresh_expires_at,
                        grant.refresh_at(provider, grant.issued_at),
                    ),
                };
                Some(Find {
                    platform: &place.platform,
                    platform_user_id: &place.platform_user_id,
                    account_id: place.account_id,
                    handle: found.handle.as_deref(),
                    display_name: found.display_name.as_deref(),
                    account_type: found.account_type.as_deref(),
                    picture: found.picture.as_deref(),
                    parent: found.parent.as_deref(),
                    consent_key: consent_key(provider, grant, found),
                    access_token: seal("access_token", access),
                    refresh_token: refresh.map(|token| seal("refresh_token", token)),
                    token_type: &grant.token_type,
                    issued_at: grant.issued_at,
                    expires_at: ends,
                    refresh_expires_at: refresh_ends,
                    refresh_at,
                })
            })
            .collect();
        Ok(carried(|| self.store.store_found(connection, &finds, &grant.scopes)).await?)
    }
}

/// Whose consent it is. Where the grant does not say, the account is the person's own; an organisation's is not.
fn consent_key<'a>(provider: Provider, grant: &'a Grant, found: &'a Found) -> Option<&'a str> {
    let own = matches!(provider, Provider::X | Provider::Tiktok | Provider::Instagram);
    grant.provider_user_id.as_deref().or_else(|| own.then_some(found.platform_user_id.as_str()))
}

/// What a provider sends a browser back with.
struct Answer {
    state: String,
    code: Option<SecretString>,
    error: Option<String>,
    issuer: Option<String>,
}

impl Answer {
    fn read(query: &str) -> Result<Self, ()> {
        let state = single(query, "state")?.filter(|state| is_secret(state)).ok_or(())?;
        let code = single(query, "code")?;
        let error = single(query, "error")?;
        let issuer = single(query, "iss")?;
        let fits = code.as_ref().is_none_or(|code| {
            (1..=LONGEST_CODE).contains(&code.len()) && code.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        });
        if !fits || code.is_some() == error.is_some() {
            return Err(());
        }
        Ok(Answer { state, code: code.map(SecretString::from), error, issuer })
    }
}

/// The value of a parameter; one that is there twice is an attempt to be read differently by two.
fn single(query: &str, name: &str) -> Result<Option<String>, ()> {
    let mut values = parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let value = values.next();
    if values.next().is_some() { Err(()) } else { Ok(value) }
}

/// One for each attempt, so that two at once in one browser do not meet.
fn cookie_name(state_digest: &[u8]) -> String {
    let mut name = "connect_".to_owned();
    for byte in state_digest.iter().take(8) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(key, value)| (key == name).then_some(value));
    // Twice: somebody put one beside ours.
    let value = values.next();
    value.filter(|_| values.next().is_none())
}

/// The app's address with two parameters more, and nothing else.
fn return_address(redirect_to: &str, connection: Uuid, status: &str) -> String {
    let sign = if redirect_to.contains('?') { '&' } else { '?' };
    format!("{redirect_to}{sign}connection_id={connection}&status={status}")
}

/// How many refusals were put on record this minute, and those that were not.
struct Refusals(Mutex<Counted>);

struct Counted {
    since: Instant,
    noted: u32,
    more: HashMap<(Reason, Option<&'static str>), i64>,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals(Mutex::new(Counted { since: Instant::now(), noted: 0, more: HashMap::new() }))
    }
}

impl Refusals {
    /// Whether this one goes on record by itself.
    fn count(&self, reason: Reason, platform: Option<&'static str>) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.since.elapsed() >= MINUTE {
            counted.since = Instant::now();
            counted.noted = 0;
        }
        if counted.noted < REFUSALS_A_MINUTE {
            counted.noted += 1;
            return true;
        }
        match counted.more.entry((reason, platform)) {
            Entry::Occupied(mut times) => *times.get_mut() += 1,
            Entry::Vacant(place) => {
                place.insert(1);
            }
        }
        false
    }

    fn summed(&self) -> HashMap<(Reason, Option<&'static str>), i64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn is_read(query: &str) -> bool {
        Answer::read(query).is_ok()
    }

    #[test]
    fn an_answer_has_one_state_and_one_code_or_error() {
        assert!(is_read(&format!("state={STATE}&code=abc")));
        assert!(is_read(&format!("code=4%2F0Ab_x&scope=a%20b&state={STATE}&authuser=0&prompt=consent")));
        assert!(is_read(&format!("error=access_denied&error_description=No&state={STATE}")));
        for query in [
            String::new(),
            "code=abc".to_owned(),
            format!("state={STATE}"),
            format!("state={STATE}&code="),
            format!("state={STATE}&code=abc&error=access_denied"),
            format!("state={STATE}&state={STATE}&code=abc"),
            format!("state={STATE}&code=abc&code=def"),
            format!("state={STATE}&code=abc&iss=a&iss=b"),
            format!("state={STATE}a&code=abc"),
            format!("state={}&code=abc", &STATE[1..]),
            format!("state={}%00&code=abc", &STATE[1..]),
            format!("state={STATE}&code=a%0d%0ab"),
            format!("state={STATE}&code=%ff"),
            format!("state={STATE}&code={}", "a".repeat(LONGEST_CODE + 1)),
            format!("STATE={STATE}&code=abc"),
        ] {
            assert!(!is_read(&query), "{query}");
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("a=1; connect_00=secret; b=2"));
        assert_eq!(cookie_of(&headers, "connect_00"), Some("secret"));
        assert_eq!(cookie_of(&headers, "connect_01"), None);
        headers.append(COOKIE, HeaderValue::from_static("connect_00=other"));
        assert_eq!(cookie_of(&headers, "connect_00"), None);
    }

    #[test]
    fn browsers_go_back_with_two_parameters() {
        let id = Uuid::from_u128(1);
        assert_eq!(
            return_address("https://app.example.com/done", id, "choosing"),
            format!("https://app.example.com/done?connection_id={id}&status=choosing")
        );
        assert_eq!(
            return_address("https://app.example.com/?a=b", id, "failed"),
            format!("https://app.example.com/?a=b&connection_id={id}&status=failed")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_too_fast_is_summed_up() {
        let refusals = Refusals::default();
        let one_by_one = (0..100).filter(|_| refusals.count("state_unknown", Some("x"))).count();
        assert_eq!(one_by_one, 60);
        assert_eq!(refusals.summed(), HashMap::from([(("state_unknown", Some("x")), 40)]));
        assert!(refusals.summed().is_empty());
        tokio::time::advance(MINUTE).await;
        assert!(refusals.count("state_unknown", Some("x")));
    }
}
