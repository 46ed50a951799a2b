//! Instagram Login, for professional accounts without a Page. There is no refresh token: an access token that lives, and is
//! a day old, is exchanged for a new one. Nor is there a call that gives a grant back.

use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::call::{Id, TokenAnswer, is_token, parse, scopes};
use super::error::{Stage, TokenError};
use super::meta::persist;
use super::{Client, Found, Grant, Platform};

/// As the answers say, a little short of sixty days.
const LIFE: Option<i64> = Some(5_183_944);

/// The first answer comes bare, or as the only entry of a list named data.
#[derive(Deserialize)]
#[serde(untagged)]
enum Short {
    Wrapped { data: [ShortToken; 1] },
    Bare(ShortToken),
}

#[derive(Deserialize)]
struct ShortToken {
    access_token: SecretString,
    user_id: Option<Id>,
    permissions: Option<Permissions>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Permissions {
    List(Vec<String>),
    Text(String),
}

pub(super) async fn exchange(client: &Client, code: &str) -> Result<Grant, TokenError> {
    // Instagram hangs this on the address it sends the member back to, and it is not part of the code.
    let code = code.strip_suffix("#_").unwrap_or(code);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", &client.app.client_id),
        ("client_secret", client.client_secret()),
        ("redirect_uri", client.app.redirect_uri.as_str()),
    ];
    let body = client.send(Stage::Exchange, client.form(&client.endpoints.token, &form)).await?;
    let short = short_token(&body)?;
    let url = client.api("access_token")?;
    let query = [
        ("grant_type", "ig_exchange_token"),
        ("client_secret", client.client_secret()),
        ("access_token", short.access_token.expose_secret()),
    ];
    let issued_at = Utc::now();
    let long = persist(|| client.get::<TokenAnswer>(Stage::Exchange, &url, &query, None)).await?;
    let mut grant = long.grant(issued_at, LIFE)?;
    grant.provider_user_id = short.user_id.and_then(Id::text);
    grant.scopes = match short.permissions {
        Some(Permissions::List(permissions)) => permissions,
        Some(Permissions::Text(permissions)) => scopes(&permissions),
        None => Vec::new(),
    };
    Ok(grant)
}

fn short_token(body: &[u8]) -> Result<ShortToken, TokenError> {
    let token = match parse(body)? {
        Short::Wrapped { data: [token] } => token,
        Short::Bare(token) => token,
    };
    if is_token(&token.access_token) {
        Ok(token)
    } else {
        Err(TokenError::Malformed { what: "it holds no access token" })
    }
}

pub(super) async fn refresh(client: &Client, grant: &Grant) -> Result<Grant, TokenError> {
    let issued_at = Utc::now();
    let url = client.api("refresh_access_token")?;
    let query = [("grant_type", "ig_refresh_token"), ("access_token", grant.access_token.expose_secret())];
    client.get::<TokenAnswer>(Stage::Refresh, &url, &query, None).await?.grant(issued_at, LIFE)
}

#[derive(Deserialize)]
struct Me {
    /// Of the account; `id` is one that only this app knows.
    user_id: Option<Id>,
    id: Id,
    username: Option<String>,
    name: Option<String>,
    account_type: Option<String>,
    profile_picture_url: Option<String>,
}

pub(super) async fn accounts(client: &Client, grant: &Grant) -> Result<Vec<Found>, TokenError> {
    let fields = [("fields", "id,user_id,username,name,account_type,profile_picture_url")];
    let me: Me = client.get(Stage::Api, &client.api("me")?, &fields, Some(&grant.access_token)).await?;
    let id = me.user_id.and_then(Id::text).or_else(|| me.id.text());
    Ok(vec![Found {
        platform: Platform::Instagram,
        platform_user_id: id.ok_or(TokenError::Malformed { what: "it holds no id" })?,
        handle: me.username,
        display_name: me.name,
        account_type: me.account_type.map(|kind| kind.to_ascii_lowercase()),
        picture: me.profile_picture_url,
        page_token: None,
        parent: None,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_has_two_forms_and_its_permissions_two_more() {
        let bare = r#"{"access_token":"IGQ","user_id":17840000000000123,"permissions":["instagram_business_basic"]}"#;
        let wrapped = r#"{"data":[{"access_token":"IGQ","user_id":"17840000000000123","permissions":"instagram_business_basic,instagram_business_manage_insights"}]}"#;
        for body in [bare, wrapped] {
            let token = short_token(body.as_bytes()).expect("a token");
            assert_eq!(token.user_id.and_then(Id::text).as_deref(), Some("17840000000000123"));
        }
        for body in ["{}", r#"{"data":[]}"#, r#"{"access_token":""}"#, r#"{"data":[{"access_token":null}]}"#] {
            assert!(matches!(short_token(body.as_bytes()), Err(TokenError::Malformed { .. })), "{body}");
        }
    }
}
