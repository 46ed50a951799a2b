//! TikTok: a client key instead of a client id, and refusals that may come with status 200.

use chrono::Utc;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::call::{TokenAnswer, parse};
use super::error::{Stage, TokenError, classify};
use super::{Client, Found, Grant, Platform};

const LIFE: Option<i64> = Some(86_400);

#[derive(Deserialize)]
struct Judged {
    error: Option<Value>,
}

/// The body, if it is no refusal.
pub(super) fn judge(client: &Client, stage: Stage, body: &[u8]) -> Result<(), TokenError> {
    // An empty body is what a revocation answers with.
    if body.is_empty() && stage == Stage::Revoke {
        return Ok(());
    }
    match parse::<Judged>(body)?.error {
        None => Ok(()),
        Some(error) if error.is_null() || error == "" || error["code"] == "ok" => Ok(()),
        Some(_) => Err(classify(client.provider, stage, 200, &HeaderMap::new(), body)),
    }
}

async fn token(client: &Client, stage: Stage, form: &[(&str, &str)]) -> Result<Grant, TokenError> {
    let issued_at = Utc::now();
    let body = client.send(stage, client.form(&client.endpoints.token, form)).await?;
    judge(client, stage, &body)?;
    parse::<TokenAnswer>(&body)?.grant(issued_at, LIFE)
}

pub(super) async fn exchange(
    client: &Client,
    code: &str,
    verifier: Option<&SecretString>,
) -> Result<Grant, TokenError> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_key", client.app.client_id.as_str()),
        ("client_secret", client.client_secret()),
        ("redirect_uri", client.app.redirect_uri.as_str()),
    ];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier.expose_secret())));
    token(client, Stage::Exchange, &form).await
}

pub(super) async fn refresh(client: &Client, grant: &Grant) -> Result<Grant, TokenError> {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", client.refresh_token(grant)?),
        ("client_key", client.app.client_id.as_str()),
        ("client_secret", client.client_secret()),
    ];
    token(client, Stage::Refresh, &form).await
}

pub(super) async fn revoke(client: &Client, grant: &Grant) -> Result<(), TokenError> {
    let form = [
        ("client_key", client.app.client_id.as_str()),
        ("client_secret", client.client_secret()),
        ("token", grant.access_token.expose_secret()),
    ];
    let body = client.send(Stage::Revoke, client.form(client.revoke_url()?, &form)).await?;
    judge(client, Stage::Revoke, &body)
}

#[derive(Deserialize)]
struct Info {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    user: User,
}

#[derive(Deserialize)]
struct User {
    open_id: String,
    avatar_url: Option<String>,
    display_name: Option<String>,
    username: Option<String>,
}

pub(super) async fn accounts(client: &Client, grant: &Grant) -> Result<Vec<Found>, TokenError> {
    // The name belongs to another scope, and one that was not given would refuse all of it.
    let may_read_name = grant.scopes.is_empty() || grant.scopes.iter().any(|scope| scope == "user.info.profile");
    let fields =
        if may_read_name { "open_id,avatar_url,display_name,username" } else { "open_id,avatar_url,display_name" };
    let request = client.query(&client.api("user/info/")?, &[("fields", fields)], Some(&grant.access_token));
    let body = client.send(Stage::Api, request).await?;
    judge(client, Stage::Api, &body)?;
    let user = parse::<Info>(&body)?.data.user;
    if user.open_id.is_empty() {
        return Err(TokenError::Malformed { what: "it holds no id" });
    }
    Ok(vec![Found {
        platform: Platform::Tiktok,
        platform_user_id: user.open_id,
        handle: user.username,
        display_name: user.display_name,
        account_type: None,
        picture: user.avatar_url,
        page_token: None,
        parent: None,
    }])
}
