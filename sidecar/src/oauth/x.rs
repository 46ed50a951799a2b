//! X: a refresh token opens once, and the answer brings the next one. Whoever spends one twice loses the session.

use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::call::{TokenAnswer, parse};
use super::error::{Stage, TokenError};
use super::{Client, Found, Grant, Platform};

const LIFE: Option<i64> = Some(7200);

async fn token(client: &Client, stage: Stage, form: &[(&str, &str)]) -> Result<Grant, TokenError> {
    let issued_at = Utc::now();
    let request = client.form(&client.endpoints.token, form);
    let request = request.basic_auth(&client.app.client_id, Some(client.client_secret()));
    parse::<TokenAnswer>(&client.send(stage, request).await?)?.grant(issued_at, LIFE)
}

pub(super) async fn exchange(
    client: &Client,
    code: &str,
    verifier: Option<&SecretString>,
) -> Result<Grant, TokenError> {
    let mut form =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", client.app.redirect_uri.as_str())];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier.expose_secret())));
    token(client, Stage::Exchange, &form).await
}

pub(super) async fn refresh(client: &Client, grant: &Grant) -> Result<Grant, TokenError> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", client.refresh_token(grant)?)];
    let next = token(client, Stage::Refresh, &form).await?;
    // The old one is spent: without a new one there is nothing to go on with.
    if next.refresh_token.is_none() {
        return Err(TokenError::Malformed { what: "it holds no refresh token" });
    }
    Ok(next)
}

pub(super) async fn revoke(client: &Client, grant: &Grant) -> Result<(), TokenError> {
    let token = grant.refresh_token.as_ref().unwrap_or(&grant.access_token);
    let form = [("token", token.expose_secret()), ("client_id", client.app.client_id.as_str())];
    let request = client.form(client.revoke_url()?, &form);
    client.send(Stage::Revoke, request.basic_auth(&client.app.client_id, Some(client.client_secret()))).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Me {
    data: User,
}

#[derive(Deserialize)]
struct User {
    id: String,
    username: Option<String>,
    name: Option<String>,
    profile_image_url: Option<String>,
    verified_type: Option<String>,
}

pub(super) async fn accounts(client: &Client, grant: &Grant) -> Result<Vec<Found>, TokenError> {
    let query = [("user.fields", "profile_image_url,verified_type")];
    let me: Me = client.get(Stage::Api, &client.api("users/me")?, &query, Some(&grant.access_token)).await?;
    Ok(vec![Found {
        platform: Platform::X,
        platform_user_id: me.data.id,
        handle: me.data.username,
        display_name: me.data.name,
        account_type: me.data.verified_type.filter(|kind| kind != "none"),
        picture: me.data.profile_image_url,
        page_token: None,
        parent: None,
    }])
}
