//! The six providers that accounts are connected through: authorisation pages, tokens, revocation and the lists of accounts,
//! each below its name with the paths it really has. Codes and tokens expire by a clock that can be put forward.

mod authorize;
mod data;
mod errors;
mod grants;
mod insights;
mod insights_facebook;
mod insights_linkedin;
mod insights_tiktok;
mod insights_x;
mod insights_youtube;
mod people;
mod token;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::reply::{TEN_MEGABYTES, cut_in_half, html, json_body, with_retry_after};
use crate::server::Shared;
use grants::Grants;
pub use people::USERS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    Google,
    Facebook,
    Instagram,
    Tiktok,
    Linkedin,
    X,
}

impl Provider {
    pub const ALL: [Provider; 6] =
        [Provider::Google, Provider::Facebook, Provider::Instagram, Provider::Tiktok, Provider::Linkedin, Provider::X];

    pub fn name(self) -> &'static str {
        match self {
            Provider::Google => "google",
            Provider::Facebook => "facebook",
            Provider::Instagram => "instagram",
            Provider::Tiktok => "tiktok",
            Provider::Linkedin => "linkedin",
            Provider::X => "x",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Provider::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

/// In one answer of `POST /oauth/grants`.
const MOST_CONSENTS: usize = 100_000;

/// What the member at the authorisation page does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Consents at once.
    #[default]
    Auto,
    /// Sees a page with buttons.
    Page,
    Deny,
}

/// What can be set while it runs: `POST /oauth/settings` with any of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub client_id: String,
    pub client_secret: String,
    /// Those that are registered; empty: any.
    pub redirect_uris: Vec<String>,
    pub approval: Approval,
    /// Who is logged in when the address does not say.
    pub user: String,
    /// Lives in seconds, where they shall differ from the provider's own.
    pub code_seconds: BTreeMap<Provider, i64>,
    pub access_seconds: BTreeMap<Provider, i64>,
    pub refresh_seconds: BTreeMap<Provider, i64>,
    /// Scopes that the member strikes out.
    pub declined: Vec<String>,
    /// Only partners get refresh tokens from LinkedIn.
    pub linkedin_partner: bool,
    /// Percent of our app's limits used, as Meta's headers tell; above 100 calls are refused.
    pub usage: u32,
    /// The same of the account's own, of a business at Meta and of a person's window at X.
    pub account_usage: u32,
    /// Metrics that are not served, besides those that never are: Meta refuses them, LinkedIn leaves them out of its answers.
    /// "reactions" is the permission to count those of a page's posts, "networkSizes" LinkedIn's for followers.
    pub refused_metrics: Vec<String>,
    /// Figures of a day are known so long after its end; the real ones take up to 48.
    pub insight_delay_hours: i64,
    /// YouTube channels do not show how many subscribers they have.
    pub hides_subscribers: bool,
    /// Days, counted back from today, that YouTube's reports leave out though they have later ones.
    pub days_left_out: Vec<i64>,
    /// X tells this app nothing of what is the author's only.
    pub hides_authors_metrics: bool,
    /// TikTok refuses with status 200.
    pub tiktok_refuses_with_200: bool,
    /// Instagram's first token comes inside {"data": [ … ]}.
    pub instagram_wraps: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            client_id: "standin-client".to_owned(),
            client_secret: "standin-secret".to_owned(),
            redirect_uris: Vec::new(),
            approval: Approval::Auto,
            user: USERS[0].to_owned(),
            code_seconds: BTreeMap::new(),
            access_seconds: BTreeMap::new(),
            refresh_seconds: BTreeMap::new(),
            declined: Vec::new(),
            linkedin_partner: true,
            usage: 12,
            account_usage: 12,
            refused_metrics: Vec::new(),
            insight_delay_hours: 0,
            hides_subscribers: false,
            days_left_out: Vec::new(),
            hides_authors_metrics: false,
            tiktok_refuses_with_200: false,
            instagram_wraps: false,
        }
    }
}

#[derive(Default)]
struct Inner {
    settings: Settings,
    /// Seconds that the clock is ahead.
    ahead: i64,
    grants: Grants,
}

/// The providers' memory.
#[derive(Default)]
pub struct Oauth(Mutex<Inner>);

impl Oauth {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What our app and the providers both know.
    pub fn client_secret(&self) -> String {
        self.inner().settings.client_secret.clone()
    }

    /// Puts the clock of codes and tokens forward.
    pub fn advance(&self, seconds: i64) {
        self.inner().ahead += seconds;
    }

    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.inner().settings);
    }

    /// The person removes the app from their account: every token is dead.
    pub fn remove_app(&self, provider: Provider, user: &str) {
        self.inner().grants.end_of_user(provider, user, "app_removed");
    }

    /// Access tokens of a provider that would be accepted now.
    pub fn live_tokens(&self, provider: Provider) -> usize {
        let inner = self.inner();
        inner.grants.live(provider, inner.now())
    }
}

impl Inner {
    fn now(&self) -> i64 {
        Utc::now().timestamp() + self.ahead
    }
}

type App = Arc<Shared>;

pub fn routes(shared: App) -> Router<App> {
    let providers = Router::new()
        .route("/google/o/oauth2/v2/auth", get(authorize::show))
        .route("/google/token", post(token::google))
        .route("/google/revoke", post(token::revoke))
        .route("/google/youtube/v3/channels", get(insights_youtube::channels))
        .route("/google/youtube/v3/playlistItems", get(insights_youtube::uploads))
        .route("/google/youtube/v3/videos", get(insights_youtube::videos))
        .route("/google/v2/reports", get(insights_youtube::report))
        .route("/facebook/{version}/dialog/oauth", get(authorize::show))
        .route("/facebook/{version}/oauth/access_token", get(token::facebook))
        .route("/facebook/{version}/me", get(data::facebook_me))
        .route("/facebook/{version}/{id}/permissions", delete(token::delete_permissions))
        .route("/facebook/{version}/me/accounts", get(data::pages))
        .route("/facebook/{version}/{id}/insights", get(insights_facebook::insights))
        .route("/facebook/{version}/{id}/media", get(insights::instagram_media))
        .route("/facebook/{version}/{id}/posts", get(insights_facebook::posts))
        .route("/facebook/{version}/{id}", get(insights_facebook::account))
        .route("/instagram/{id}", get(insights::instagram_account))
        .route("/instagram/{id}/insights", get(insights::instagram))
        .route("/instagram/{id}/media", get(insights::instagram_media))
        .route("/instagram/oauth/authorize", get(authorize::show))
        .route("/instagram/oauth/access_token", post(token::instagram))
        .route("/instagram/access_token", get(token::instagram_long))
        .route("/instagram/refresh_access_token", get(token::instagram_refresh))
        .route("/instagram/me", get(data::instagram_me))
        .route("/tiktok/v2/auth/authorize/", get(authorize::show))
        .route("/tiktok/v2/oauth/token/", post(token::tiktok))
        .route("/tiktok/v2/oauth/revoke/", post(token::revoke))
        .route("/tiktok/v2/user/info/", get(insights_tiktok::user))
        .route("/tiktok/v2/video/list/", post(insights_tiktok::videos))
        .route("/linkedin/oauth/v2/authorization", get(authorize::show))
        .route("/linkedin/oauth/v2/accessToken", post(token::linkedin))
        .route("/linkedin/oauth/v2/revoke", post(token::revoke))
        .route("/linkedin/v2/userinfo", get(data::linkedin_member))
        .route("/linkedin/rest/organizationAcls", get(data::linkedin_roles))
        .route("/linkedin/rest/organizations", get(data::linkedin_organizations))
        .route("/linkedin/rest/networkSizes/{urn}", get(insights_linkedin::size))
        .route("/linkedin/rest/organizationalEntityShareStatistics", get(insights_linkedin::of_posts))
        .route("/linkedin/rest/organizationalEntityFollowerStatistics", get(insights_linkedin::of_followers))
        .route("/linkedin/rest/posts", get(insights_linkedin::posts))
        .route("/x/i/oauth2/authorize", get(authorize::show))
        .route("/x/2/oauth2/token", post(token::x))
        .route("/x/2/oauth2/revoke", post(token::revoke))
        .route("/x/2/users/me", get(insights_x::me))
        .route("/x/2/users/{id}/tweets", get(insights_x::posts))
        .route("/x/2/tweets", get(insights_x::lookup))
        .route_layer(from_fn_with_state(shared, watch));
    Router::new()
        .merge(providers)
        .route("/oauth", get(show).delete(reset))
        .route("/oauth/settings", post(set))
        .route("/oauth/clock", post(put_forward))
        .route("/oauth/grants", post(hand_out))
        .route("/oauth/remove_app", post(remove_app))
}

/// One request as a handler wants it.
struct Ask {
    provider: Provider,
    headers: HeaderMap,
    /// Of the query, or of the form for a POST.
    fields: HashMap<String, String>,
    body: Vec<u8>,
}

impl Ask {
    async fn read(request: Request) -> Self {
        let provider = provider_of(request.uri()).map_or(Provider::Google, |(provider, _)| provider);
        let is_post = request.method() == axum::http::Method::POST;
        let (parts, body) = request.into_parts();
        let form = to_bytes(body, 64 * 1024).await.unwrap_or_default();
        let text = if is_post { form.as_ref() } else { parts.uri.query().unwrap_or_default().as_bytes() };
        let fields = form_urlencoded::parse(text).into_owned().collect();
        Ask { provider, headers: parts.headers, fields, body: form.to_vec() }
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The token of an API call: in the header, or as Meta also takes it in the address.
    fn token(&self) -> &str {
        self.header(AUTHORIZATION.as_str()).strip_prefix("Bearer ").unwrap_or_else(|| self.field("access_token"))
    }

    /// Whether our app has shown who it is, in the provider's way.
    fn is_our_app(&self, settings: &Settings) -> bool {
        match self.provider {
            Provider::X => {
                let pair = format!("{}:{}", settings.client_id, settings.client_secret);
                self.header(AUTHORIZATION.as_str()) == format!("Basic {}", STANDARD.encode(pair))
            }
            Provider::Tiktok => self.is(settings, "client_key"),
            _ => self.is(settings, "client_id"),
        }
    }

    fn is(&self, settings: &Settings, id: &str) -> bool {
        self.field(id) == settings.client_id && self.field("client_secret") == settings.client_secret
    }
}

/// The provider that a path is below, and the rest of it.
fn provider_of(uri: &Uri) -> Option<(Provider, String)> {
    let (name, rest) = uri.path().strip_prefix('/')?.split_once('/')?;
    Some((Provider::from_name(name)?, format!("/{rest}")))
}

/// Counts every call, and answers with a fault where a rule says so. The target of a rule is the provider's name, its query
/// the path below it. Slow and cut answers have had their effect: a refresh token in them is spent.
async fn watch(State(shared): State<App>, request: Request, next: Next) -> Response {
    let Some((provider, path)) = provider_of(request.uri()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    shared.requests.count(provider.name(), &path);
    let settings = shared.oauth.inner().settings.clone();
    let Some(rule) = shared.faults.take(provider.name(), &path) else {
        return with_usage(provider, &settings, next.run(request).await);
    };
    let status = |code: u16| StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    match rule.fault {
        Fault::ProviderError => match errors::named(provider, rule.error.as_deref().unwrap_or_default()) {
            Some(answer) => with_retry_after(answer, &rule),
            None => (StatusCode::NOT_IMPLEMENTED, "no such error of this provider").into_response(),
        },
        Fault::Http400 => json_body(status(400), "{}".to_owned()),
        Fault::Http401 => json_body(status(401), "{}".to_owned()),
        Fault::Http403 => html(status(403)),
        Fault::Http404 => html(status(404)),
        Fault::Http422 => json_body(status(422), "{}".to_owned()),
        Fault::Http429 => with_retry_after(json_body(status(429), "{}".to_owned()), &rule),
        Fault::Http500 => html(status(500)),
        Fault::Http502 => html(status(502)),
        Fault::Http503 => with_retry_after(html(status(503)), &rule),
        Fault::Http504 => html(status(504)),
        Fault::Http524 => html(status(524)),
        Fault::EmptyContent | Fault::EmptyResults => json_body(StatusCode::OK, "{}".to_owned()),
        Fault::NoContent204 => StatusCode::NO_CONTENT.into_response(),
        Fault::NotJson => html(StatusCode::OK),
        Fault::Body10mb => {
            let padding = "x".repeat(TEN_MEGABYTES);
            json_body(StatusCode::OK, json!({"padding": padding}).to_string())
        }
        Fault::Slow => {
            let answer = next.run(request).await;
            tokio::time::sleep(rule.delay()).await;
            answer
        }
        Fault::CutBody => {
            let body = to_bytes(next.run(request).await.into_body(), usize::MAX).await.unwrap_or_default();
            cut_in_half(String::from_utf8_lossy(&body).into_owned())
        }
        Fault::Status613 | Fault::Pending | Fault::JsonTextContent => next.run(request).await,
    }
}

/// How much of the limits is used, as Meta and X tell with every answer of their API.
fn with_usage(provider: Provider, settings: &Settings, mut answer: Response) -> Response {
    let (percent, of_account) = (settings.usage, settings.account_usage);
    let mut add = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    };
    match provider {
        Provider::Facebook | Provider::Instagram => {
            add(
                "x-app-usage",
                json!({"call_count": percent, "total_time": percent / 2, "total_cputime": percent / 3}).to_string(),
            );
            let regain = if of_account > 100 { 5 } else { 0 };
            let business = json!({"1780000000000042": [{
                "type": "instagram", "call_count": of_account, "total_cputime": 5, "total_time": 6,
                "estimated_time_to_regain_access": regain,
            }]});
            add("x-business-use-case-usage", business.to_string());
        }
        Provider::X => {
            add("x-rate-limit-limit", "100".to_owned());
            add("x-rate-limit-remaining", 100_u32.saturating_sub(of_account).to_string());
            add("x-rate-limit-reset", (Utc::now().timestamp() + 300).to_string());
        }
        Provider::Google | Provider::Tiktok | Provider::Linkedin => {}
    }
    answer
}

async fn show(State(shared): State<App>) -> Json<Value> {
    let inner = shared.oauth.inner();
    let now = inner.now();
    let live: BTreeMap<&str, usize> =
        Provider::ALL.into_iter().map(|provider| (provider.name(), inner.grants.live(provider, now))).collect();
    Json(json!({"settings": inner.settings, "now": now, "live_access_tokens": live, "users": USERS}))
}

async fn reset(State(shared): State<App>) -> StatusCode {
    *shared.oauth.inner() = Inner::default();
    StatusCode::NO_CONTENT
}

/// Those that are given; the others stay as they are.
async fn set(State(shared): State<App>, Json(changes): Json<serde_json::Map<String, Value>>) -> Response {
    let mut inner = shared.oauth.inner();
    let mut settings = json!(inner.settings);
    if let Some(fields) = settings.as_object_mut() {
        fields.extend(changes);
    }
    match serde_json::from_value::<Settings>(settings) {
        Ok(settings) => {
            inner.settings = settings.clone();
            Json(settings).into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
struct Forward {
    advance_seconds: i64,
}

async fn put_forward(State(shared): State<App>, Json(forward): Json<Forward>) -> Json<Value> {
    shared.oauth.advance(forward.advance_seconds);
    Json(json!({"now": shared.oauth.inner().now()}))
}

/// Consents that were given some time ago, without a browser.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consents {
    provider: Provider,
    user: String,
    count: usize,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    age_seconds: i64,
}

async fn hand_out(State(shared): State<App>, Json(asked): Json<Consents>) -> Response {
    if asked.count > MOST_CONSENTS {
        return (StatusCode::UNPROCESSABLE_ENTITY, format!("at most {MOST_CONSENTS}")).into_response();
    }
    let mut inner = shared.oauth.inner();
    let pairs = (0..asked.count).map(|_| {
        let (access, refresh) =
            token::consented(&mut inner, asked.provider, &asked.user, &asked.scopes, asked.age_seconds);
        json!({"access_token": access, "refresh_token": refresh})
    });
    let pairs: Vec<Value> = pairs.collect();
    (StatusCode::CREATED, Json(pairs)).into_response()
}

#[derive(Deserialize)]
struct Removal {
    provider: Provider,
    user: String,
}

async fn remove_app(State(shared): State<App>, Json(removal): Json<Removal>) -> StatusCode {
    shared.oauth.remove_app(removal.provider, &removal.user);
    StatusCode::NO_CONTENT
}

/// An empty 200, as Google, TikTok, LinkedIn and X answer a revocation.
fn nothing() -> Response {
    Response::new(Body::empty())
}
