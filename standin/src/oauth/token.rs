//! Codes and refresh tokens for access tokens, in each provider's own way; and giving them back.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::errors::named;
use super::grants::{Code, Kind, Refusal, Token};
use super::people::person;
use super::{App, Ask, Inner, Provider, nothing};
use crate::reply::json_body;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Lives in seconds as the providers' answers tell.
fn access_life(inner: &Inner, provider: Provider) -> i64 {
    let usual = match provider {
        Provider::Google => 3599,
        Provider::Facebook | Provider::Instagram => 5_183_944,
        Provider::Tiktok => DAY,
        Provider::Linkedin => 60 * DAY,
        Provider::X => 2 * HOUR,
    };
    inner.settings.access_seconds.get(&provider).copied().unwrap_or(usual)
}

fn refresh_life(inner: &Inner, provider: Provider) -> Option<i64> {
    let usual = match provider {
        Provider::Tiktok | Provider::Linkedin => Some(365 * DAY),
        _ => None,
    };
    inner.settings.refresh_seconds.get(&provider).copied().or(usual)
}

fn ok(body: &Value) -> Response {
    json_body(StatusCode::OK, body.to_string())
}

/// By name; one without a name is a mistake of this program and says so.
fn refuse(provider: Provider, name: &str) -> Response {
    named(provider, name).unwrap_or_else(|| json_body(StatusCode::NOT_IMPLEMENTED, "{}".to_owned()))
}

fn is_proof(provider: Provider, verifier: &str, challenge: &str, method: &str) -> bool {
    let digest = Sha256::digest(verifier.as_bytes());
    match (provider, method) {
        (_, "plain") => verifier == challenge,
        (Provider::Tiktok, _) => digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == challenge,
        _ => URL_SAFE_NO_PAD.encode(digest) == challenge,
    }
}

/// The code of this request, spent.
fn code(inner: &mut Inner, ask: &Ask) -> Result<(Code, u64), Box<Response>> {
    let (now, provider, verifier) = (inner.now(), ask.provider, ask.field("code_verifier"));
    let proof = |challenge: &str, method: &str| is_proof(provider, verifier, challenge, method);
    let taken = inner.grants.take_code(provider, ask.field("code"), now, ask.field("redirect_uri"), proof);
    taken.map_err(|refusal| {
        let name = match (provider, refusal) {
            (Provider::Google, Refusal::Redirect) => "redirect_uri_mismatch",
            (Provider::Google, _) => "invalid_code",
            (Provider::Facebook, Refusal::Redirect) => "100/36008",
            (Provider::Facebook, Refusal::Expired) => "100/36007",
            (Provider::Facebook, _) => "100/36009",
            (Provider::Linkedin, Refusal::Redirect) => "redirect_uri",
            (Provider::Linkedin, _) => "code_not_found",
            (Provider::Instagram, Refusal::Redirect) => "redirect_uri",
            (Provider::Instagram, Refusal::Expired) => "expired_code",
            (Provider::Tiktok | Provider::X, Refusal::Redirect) => "redirect_uri",
            (Provider::Tiktok | Provider::X, Refusal::Verifier) => "verifier",
            (Provider::Instagram | Provider::Tiktok | Provider::X, _) => "invalid_code",
        };
        Box::new(refuse(provider, name))
    })
}

/// A new token of the same consent.
fn issue(inner: &mut Inner, of: &Token, kind: Kind, life: Option<i64>) -> String {
    let now = inner.now();
    let expires_at = life.map(|life| now + life);
    inner.grants.add(Token { kind, issued_at: now, expires_at, spent: false, ..of.clone() })
}

/// What every token of a consent has in common.
fn first(code: Code, family: u64) -> Token {
    Token {
        provider: code.provider,
        kind: Kind::Access,
        user: code.user,
        scopes: code.scopes,
        issued_at: 0,
        expires_at: None,
        family,
        spent: false,
    }
}

/// The tokens that a consent of some time ago brought, long exchanged for lasting ones. Where there is none, no refresh token.
pub fn consented(
    inner: &mut Inner,
    provider: Provider,
    user: &str,
    scopes: &[String],
    age: i64,
) -> (String, Option<String>) {
    let issued_at = inner.now() - age;
    let token = Token {
        provider,
        kind: Kind::Access,
        user: user.to_owned(),
        scopes: scopes.to_vec(),
        issued_at,
        expires_at: Some(issued_at + access_life(inner, provider)),
        family: inner.grants.consented(issued_at),
        spent: false,
    };
    let access = inner.grants.add(token.clone());
    let has_refresh_token = !matches!(provider, Provider::Facebook | Provider::Instagram);
    let refresh = has_refresh_token.then(|| {
        let expires_at = refresh_life(inner, provider).map(|life| issued_at + life);
        inner.grants.add(Token { kind: Kind::Refresh, expires_at, ..token })
    });
    (access, refresh)
}

fn id_token(user: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"sub": person(user).id, "aud": "standin-client"});
    format!("{}.{}.{}", part(json!({"alg": "RS256"})), part(claims), URL_SAFE_NO_PAD.encode("no signature"))
}

pub async fn google(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    if !ask.is_our_app(&inner.settings) {
        return refuse(ask.provider, "invalid_client");
    }
    let life = access_life(inner, ask.provider);
    match ask.field("grant_type") {
        "authorization_code" => {
            let (code, family) = match code(inner, &ask) {
                Ok(taken) => taken,
                Err(answer) => return *answer,
            };
            let token = first(code, family);
            let access = issue(inner, &token, Kind::Access, Some(life));
            let until = refresh_life(inner, ask.provider);
            let refresh = issue(inner, &token, Kind::Refresh, until);
            let mut body = json!({
                "access_token": access, "expires_in": life, "refresh_token": refresh,
                "scope": token.scopes.join(" "), "token_type": "Bearer",
            });
            if let Some(until) = until {
                body["refresh_token_expires_in"] = until.into();
            }
            if token.scopes.iter().any(|scope| scope == "openid") {
                body["id_token"] = id_token(&token.user).into();
            }
            ok(&body)
        }
        "refresh_token" => {
            let now = inner.now();
            let token = inner.grants.look(ask.provider, ask.field("refresh_token"), &[Kind::Refresh], now);
            let Ok(token) = token.cloned() else { return refuse(ask.provider, "invalid_grant") };
            let access = issue(inner, &token, Kind::Access, Some(life));
            // No refresh token: the old one stays.
            ok(&json!({
                "access_token": access, "expires_in": life, "scope": token.scopes.join(" "), "token_type": "Bearer",
            }))
        }
        _ => refuse(ask.provider, "unauthorized_client"),
    }
}

/// One refusal of the Graph API for each way a token can be dead.
pub fn graph_refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Expired => "190/463",
        Refusal::AppRemoved => "190/458",
        Refusal::Revoked => "190/460",
        _ => "190",
    }
}

pub async fn facebook(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    if !ask.is_our_app(&inner.settings) {
        return refuse(ask.provider, "101");
    }
    let now = inner.now();
    if ask.field("grant_type") == "fb_exchange_token" {
        let kinds = [Kind::Short, Kind::Access];
        let token = match inner.grants.look(ask.provider, ask.field("fb_exchange_token"), &kinds, now) {
            Ok(token) => token.clone(),
            Err(refusal) => return refuse(ask.provider, graph_refusal(refusal)),
        };
        let life = access_life(inner, ask.provider);
        let access = issue(inner, &token, Kind::Access, Some(life));
        return ok(&json!({"access_token": access, "token_type": "bearer", "expires_in": life}));
    }
    let (code, family) = match code(inner, &ask) {
        Ok(taken) => taken,
        Err(answer) => return *answer,
    };
    let access = issue(inner, &first(code, family), Kind::Short, Some(HOUR));
    ok(&json!({"access_token": access, "token_type": "bearer", "expires_in": HOUR}))
}

pub async fn instagram(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    if ask.field("client_id") != inner.settings.client_id {
        return refuse(ask.provider, "invalid_client");
    }
    if ask.field("client_secret") != inner.settings.client_secret {
        return refuse(ask.provider, "invalid_secret");
    }
    let (code, family) = match code(inner, &ask) {
        Ok(taken) => taken,
        Err(answer) => return *answer,
    };
    let token = first(code, family);
    let access = issue(inner, &token, Kind::Short, Some(HOUR));
    // The id as a number, as the real one.
    let user_id = person(&token.user).id.parse::<u64>().unwrap_or_default();
    let body = json!({"access_token": access, "user_id": user_id, "permissions": token.scopes});
    if inner.settings.instagram_wraps {
        let permissions = token.scopes.join(",");
        let body = json!({"access_token": access, "user_id": user_id.to_string(), "permissions": permissions});
        return ok(&json!({"data": [body]}));
    }
    ok(&body)
}

pub async fn instagram_long(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    if ask.field("client_secret") != inner.settings.client_secret || ask.field("grant_type") != "ig_exchange_token" {
        return refuse(ask.provider, "101");
    }
    prolong(inner, &ask, Kind::Short, |_| true)
}

/// Takes tokens that are a day old.
pub async fn instagram_refresh(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    if ask.field("grant_type") != "ig_refresh_token" {
        return refuse(ask.provider, "100");
    }
    let now = inner.now();
    prolong(inner, &ask, Kind::Access, |token| token.issued_at + DAY <= now)
}

fn prolong(inner: &mut Inner, ask: &Ask, kind: Kind, is_due: impl FnOnce(&Token) -> bool) -> Response {
    let now = inner.now();
    let token = match inner.grants.look(ask.provider, ask.field("access_token"), &[kind], now) {
        Ok(token) => token.clone(),
        Err(refusal) => return refuse(ask.provider, graph_refusal(refusal)),
    };
    if !is_due(&token) {
        return refuse(ask.provider, "100");
    }
    let life = access_life(inner, ask.provider);
    let access = issue(inner, &token, Kind::Access, Some(life));
    ok(&json!({"access_token": access, "token_type": "bearer", "expires_in": life}))
}

/// Both refusals and grants may come with 200.
pub async fn tiktok(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    let refuses_with_200 = inner.settings.tiktok_refuses_with_200;
    let mut answer = tiktok_token(inner, &ask);
    if refuses_with_200 {
        *answer.status_mut() = StatusCode::OK;
    }
    answer
}

fn tiktok_token(inner: &mut Inner, ask: &Ask) -> Response {
    if !ask.is_our_app(&inner.settings) {
        return refuse(ask.provider, "invalid_client");
    }
    let token = match ask.field("grant_type") {
        "authorization_code" => match code(inner, ask) {
            Ok((code, family)) => first(code, family),
            Err(answer) => return *answer,
        },
        "refresh_token" => {
            let (old, now) = (ask.field("refresh_token"), inner.now());
            let token = inner.grants.look(ask.provider, old, &[Kind::Refresh], now).cloned();
            let Ok(token) = token else { return refuse(ask.provider, "invalid_grant") };
            inner.grants.spend(old);
            token
        }
        _ => return refuse(ask.provider, "unsupported_grant_type"),
    };
    let (life, until) = (access_life(inner, ask.provider), refresh_life(inner, ask.provider));
    let access = issue(inner, &token, Kind::Access, Some(life));
    let refresh = issue(inner, &token, Kind::Refresh, until);
    ok(&json!({
        "access_token": access, "expires_in": life, "open_id": open_id(&token.user), "refresh_expires_in": until,
        "refresh_token": refresh, "scope": token.scopes.join(","), "token_type": "Bearer",
    }))
}

pub fn open_id(user: &str) -> String {
    format!("-000standin{}", person(user).id)
}

/// Its refresh token ends a year after the consent, and refreshing gives the same one again.
pub async fn linkedin(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    if !ask.is_our_app(&inner.settings) {
        return refuse(ask.provider, "invalid_client");
    }
    let (life, year) = (access_life(inner, ask.provider), refresh_life(inner, ask.provider).unwrap_or(365 * DAY));
    let (token, refresh) = match ask.field("grant_type") {
        "authorization_code" => match code(inner, &ask) {
            Ok((code, family)) => {
                let token = first(code, family);
                let refresh = inner.settings.linkedin_partner.then(|| issue(inner, &token, Kind::Refresh, Some(year)));
                (token, refresh)
            }
            Err(answer) => return *answer,
        },
        "refresh_token" => {
            let (old, now) = (ask.field("refresh_token").to_owned(), inner.now());
            let token = inner.grants.look(ask.provider, &old, &[Kind::Refresh], now).cloned();
            let Ok(token) = token else { return refuse(ask.provider, "invalid_grant") };
            (token, Some(old))
        }
        _ => return refuse(ask.provider, "invalid_request"),
    };
    let access = issue(inner, &token, Kind::Access, Some(life));
    let mut body = json!({"access_token": access, "expires_in": life, "scope": token.scopes.join(",")});
    if let Some(refresh) = refresh {
        let consent = inner.grants.consent(token.family).unwrap_or_default();
        body["refresh_token"] = refresh.into();
        body["refresh_token_expires_in"] = (consent + year - inner.now()).into();
    }
    if token.scopes.iter().any(|scope| scope == "openid") {
        body["id_token"] = id_token(&token.user).into();
    }
    ok(&body)
}

/// A refresh token opens once. One that comes again ends the session.
pub async fn x(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    if !ask.is_our_app(&inner.settings) {
        return refuse(ask.provider, "unauthorized_client");
    }
    let token = match ask.field("grant_type") {
        "authorization_code" => match code(inner, &ask) {
            Ok((code, family)) => first(code, family),
            Err(answer) => return *answer,
        },
        "refresh_token" => {
            let (old, now) = (ask.field("refresh_token"), inner.now());
            match inner.grants.look(ask.provider, old, &[Kind::Refresh], now).cloned() {
                Ok(token) => {
                    inner.grants.spend(old);
                    token
                }
                Err(refusal) => {
                    if let Some(family) = inner.grants.family(old).filter(|_| refusal == Refusal::Spent) {
                        inner.grants.end(family);
                    }
                    return refuse(ask.provider, "spent");
                }
            }
        }
        _ => return refuse(ask.provider, "missing_parameter"),
    };
    let life = access_life(inner, ask.provider);
    let access = issue(inner, &token, Kind::Access, Some(life));
    let mut body = json!({
        "token_type": "bearer", "expires_in": life, "access_token": access, "scope": token.scopes.join(" "),
    });
    if token.scopes.iter().any(|scope| scope == "offline.access") {
        let until = refresh_life(inner, ask.provider);
        body["refresh_token"] = issue(inner, &token, Kind::Refresh, until).into();
    }
    ok(&body)
}

/// Google, TikTok, LinkedIn and X.
pub async fn revoke(State(shared): State<App>, request: Request) -> Response {
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    // Google asks for nothing but the token.
    if ask.provider != Provider::Google && !ask.is_our_app(&inner.settings) {
        let name = if ask.provider == Provider::X { "unauthorized_client" } else { "invalid_client" };
        return refuse(ask.provider, name);
    }
    let (token, now) = (ask.field("token"), inner.now());
    let family = inner.grants.look(ask.provider, token, &[Kind::Access, Kind::Refresh], now).map(|token| token.family);
    match (family, ask.provider) {
        (Ok(family), _) => {
            inner.grants.end(family);
            nothing()
        }
        (Err(_), Provider::Google) => refuse(ask.provider, "invalid_token"),
        // RFC 7009: a token that is not known is as good as revoked.
        (Err(_), _) => nothing(),
    }
}

pub async fn delete_permissions(State(shared): State<App>, request: Request) -> Response {
    let id = request.uri().path().rsplit('/').nth(1).unwrap_or_default().to_owned();
    let ask = Ask::read(request).await;
    let inner = &mut *shared.oauth.inner();
    let now = inner.now();
    let user = match inner.grants.look(ask.provider, ask.token(), &[Kind::Access, Kind::Short], now) {
        Ok(token) => token.user.clone(),
        Err(refusal) => return refuse(ask.provider, graph_refusal(refusal)),
    };
    if id != "me" && id != person(&user).id {
        return refuse(ask.provider, "100/33");
    }
    inner.grants.end_of_user(ask.provider, &user, "app_removed");
    ok(&json!({"success": true}))
}
