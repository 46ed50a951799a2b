//! The six providers as an OAuth client sees them: where a member is sent, what a code or a refresh token is exchanged for,
//! which accounts a grant opens, how it is given back. What they share is here and in `call`, what is theirs in a file each.
//!
//! No library for the whole: the `oauth2` crate speaks the standard form, which two of the six keep (Google, X). The
//! others differ in parameter names, methods, shapes of answers and of errors, so everybody goes one way here.

mod call;
mod error;
mod facebook;
mod google;
mod instagram;
mod lifetime;
mod linkedin;
mod meta;
pub mod oauth1;
mod pkce;
mod provider;
mod tiktok;
mod usage;
mod x;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::is_loopback;

pub use error::{Reason, Stage, TokenError, classify};
pub use lifetime::refresh_at;
pub use pkce::new_verifier;
pub use provider::{App, Endpoints, Platform, Provider, Purpose};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a member has granted, as the provider's last answer says.
#[derive(Clone, Debug)]
pub struct Grant {
    pub access_token: SecretString,
    pub refresh_token: Option<SecretString>,
    /// When we asked; lives are counted from it.
    pub issued_at: DateTime<Utc>,
    /// None: has no end.
    pub access_expires_at: Option<DateTime<Utc>>,
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// Empty: the provider did not say.
    pub scopes: Vec<String>,
    pub token_type: String,
    pub provider_user_id: Option<String>,
}

impl Grant {
    /// Scopes that were asked for and not given. Empty too when the provider does not say what it gave.
    pub fn missing<'a>(&self, wanted: &[&'a str]) -> Vec<&'a str> {
        if self.scopes.is_empty() {
            return Vec::new();
        }
        wanted.iter().copied().filter(|wanted| !self.scopes.iter().any(|scope| same_scope(scope, wanted))).collect()
    }

    /// When to refresh it, None where that cannot be done.
    pub fn refresh_at(&self, provider: Provider, first_consent_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.refresh_token.is_none() && provider.needs_refresh_token() {
            return None;
        }
        refresh_at(provider, self.issued_at, self.access_expires_at, first_consent_at)
    }
}

/// Google names two of the identity scopes differently in its answers.
fn same_scope(given: &str, wanted: &str) -> bool {
    let full = |scope: &str| match scope {
        "email" => "https://www.googleapis.com/auth/userinfo.email".to_owned(),
        "profile" => "https://www.googleapis.com/auth/userinfo.profile".to_owned(),
        other => other.to_owned(),
    };
    given == wanted || full(given) == full(wanted)
}

/// An account, page, channel or organisation that a grant opens.
#[derive(Clone, Debug)]
pub struct Found {
    pub platform: Platform,
    pub platform_user_id: String,
    /// Without @
    pub handle: Option<String>,
    pub display_name: Option<String>,
    /// In the provider's words, lower case: "business", "page", "organization", "channel", …
    pub account_type: Option<String>,
    /// Not to be called but by `outbound`.
    pub picture: Option<String>,
    /// A Page's own token, which its Instagram account is read with too.
    pub page_token: Option<SecretString>,
    /// Id of the Page that an Instagram account hangs on.
    pub parent: Option<String>,
}

/// What became of a wish to give a grant back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The provider knows the grant no longer.
    Revoked,
    /// The provider has no call for it: the member removes the app there.
    NotOffered,
}

/// One provider, as one app of ours.
pub struct Client {
    provider: Provider,
    app: App,
    endpoints: Endpoints,
    http: reqwest::Client,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("provider", &self.provider).field("app", &self.app).finish_non_exhaustive()
    }
}

impl Client {
    /// `longest`: for one whole answer to arrive.
    pub fn new(provider: Provider, app: App, endpoints: Endpoints, longest: Duration) -> reqwest::Result<Self> {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("analytics_sidecar/", env!("CARGO_PKG_VERSION")))
            .timeout(longest)
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would carry secrets to a host nobody named.
            .redirect(Policy::none());
        if is_loopback(&endpoints.token) {
            builder = builder.no_proxy();
        }
        Ok(Client { provider, app, endpoints, http: builder.build()? })
    }

    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Where to send the member. The verifier is of `new_verifier`; providers without PKCE leave it out.
    pub fn authorize_url(&self, state: &str, verifier: Option<&SecretString>, scopes: &[&str]) -> Url {
        let challenge = verifier.and_then(|verifier| self.provider.challenge(verifier));
        authorize_url(self.provider, &self.app, &self.endpoints, state, challenge.as_deref(), scopes)
    }

    /// The grant for a code. With Meta that is two calls and a third that asks whose it is: the code opens a token of an
    /// hour, which is exchanged for one of sixty days. `code`: as it is in the callback's address, decoded.
    pub async fn exchange(&self, code: &str, verifier: Option<&SecretString>) -> Result<Grant, TokenError> {
        match self.provider {
            Provider::Google => google::exchange(self, code, verifier).await,
            Provider::Facebook => facebook::exchange(self, code).await,
            Provider::Instagram => instagram::exchange(self, code).await,
            Provider::Tiktok => tiktok::exchange(self, code, verifier).await,
            Provider::Linkedin => linkedin::exchange(self, code).await,
            Provider::X => x::exchange(self, code, verifier).await,
        }
    }

    /// The grant that follows. What the answer leaves out (refresh token, scopes, whose it is) is kept from the old one.
    /// One call at a time for a connection: a refresh token of X opens once.
    pub async fn refresh(&self, grant: &Grant) -> Result<Grant, TokenError> {
        let mut next = match self.provider {
            Provider::Google => google::refresh(self, grant).await,
            Provider::Facebook => facebook::refresh(self, grant).await,
            Provider::Instagram => instagram::refresh(self, grant).await,
            Provider::Tiktok => tiktok::refresh(self, grant).await,
            Provider::Linkedin => linkedin::refresh(self, grant).await,
            Provider::X => x::refresh(self, grant).await,
        }?;
        if next.refresh_token.is_none() {
            next.refresh_token = grant.refresh_token.clone();
            next.refresh_expires_at = next.refresh_expires_at.or(grant.refresh_expires_at);
        }
        if next.scopes.is_empty() {
            next.scopes = grant.scopes.clone();
        }
        next.provider_user_id = next.provider_user_id.or_else(|| grant.provider_user_id.clone());
        Ok(next)
    }

    /// Gives the grant back. One that the provider does not know any more counts as given back.
    ///
    /// With Facebook it takes every page of that person from the app, with X and Google every token of the grant: only
    /// for the last connection of a person.
    pub async fn revoke(&self, grant: &Grant) -> Result<Revocation, TokenError> {
        let revoked = match self.provider {
            Provider::Google => google::revoke(self, grant).await,
            Provider::Facebook => facebook::revoke(self, grant).await,
            Provider::Instagram => return Ok(Revocation::NotOffered),
            Provider::Tiktok => tiktok::revoke(self, grant).await,
            Provider::Linkedin => linkedin::revoke(self, grant).await,
            Provider::X => x::revoke(self, grant).await,
        };
        match revoked {
            Ok(()) | Err(TokenError::Final { .. } | TokenError::Stale { .. } | TokenError::Spent) => {
                Ok(Revocation::Revoked)
            }
            Err(error) => Err(error),
        }
    }

    /// What the grant opens.
    pub async fn accounts(&self, grant: &Grant) -> Result<Vec<Found>, TokenError> {
        match self.provider {
            Provider::Google => google::accounts(self, grant).await,
            Provider::Facebook => facebook::accounts(self, grant).await,
            Provider::Instagram => instagram::accounts(self, grant).await,
            Provider::Tiktok => tiktok::accounts(self, grant).await,
            Provider::Linkedin => linkedin::accounts(self, grant).await,
            Provider::X => x::accounts(self, grant).await,
        }
    }

    fn client_secret(&self) -> &str {
        self.app.client_secret.expose_secret()
    }

    fn refresh_token<'a>(&self, grant: &'a Grant) -> Result<&'a str, TokenError> {
        let token = grant.refresh_token.as_ref().map(ExposeSecret::expose_secret);
        token.ok_or(TokenError::Final { code: "no_refresh_token".into(), reason: Reason::Expired })
    }

    fn revoke_url(&self) -> Result<&Url, TokenError> {
        self.endpoints.revoke.as_ref().ok_or(TokenError::Refused { code: "no_revocation".into() })
    }
}

/// Where to send a member of whom this app wants these scopes.
pub fn authorize_url(
    provider: Provider,
    app: &App,
    endpoints: &Endpoints,
    state: &str,
    challenge: Option<&str>,
    scopes: &[&str],
) -> Url {
    let mut url = endpoints.authorize.clone();
    {
        let mut query = url.query_pairs_mut();
        let client_id = if provider == Provider::Tiktok { "client_key" } else { "client_id" };
        query
            .append_pair(client_id, &app.client_id)
            .append_pair("redirect_uri", app.redirect_uri.as_str())
            .append_pair("response_type", "code")
            .append_pair("state", state);
        match (&app.login_config, provider) {
            // Login for Business: the configuration names the permissions.
            (Some(config), Provider::Facebook) => query.append_pair("config_id", config),
            _ => query.append_pair("scope", &scopes.join(provider.scope_separator())),
        };
        match provider {
            // Without `consent` a second consent brings no refresh token.
            Provider::Google => query
                .append_pair("access_type", "offline")
                .append_pair("prompt", "consent")
                .append_pair("include_granted_scopes", "true"),
            Provider::Instagram => query.append_pair("enable_fb_login", "0"),
            _ => &mut query,
        };
        if let Some(challenge) = challenge {
            query.append_pair("code_challenge", challenge).append_pair("code_challenge_method", "S256");
        }
    }
    url
}
