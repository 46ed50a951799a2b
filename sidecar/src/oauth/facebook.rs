//! Facebook Login: Pages, and the Instagram accounts that hang on them. There is no refresh token: an access token that
//! still lives is exchanged for a new one. A Page's token taken with a long-lived one has no end.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::call::{Id, MOST_PAGES, TokenAnswer, is_token};
use super::error::{Stage, TokenError};
use super::meta::persist;
use super::{Client, Found, Grant, Platform};

pub(super) async fn exchange(client: &Client, code: &str) -> Result<Grant, TokenError> {
    // Facebook takes these in the address only.
    let query = [
        ("client_id", client.app.client_id.as_str()),
        ("client_secret", client.client_secret()),
        ("redirect_uri", client.app.redirect_uri.as_str()),
        ("code", code),
    ];
    let answer: TokenAnswer = client.get(Stage::Exchange, &client.endpoints.token, &query, None).await?;
    let short = answer.grant(Utc::now(), None)?;
    let mut grant = persist(|| prolong(client, Stage::Exchange, &short.access_token)).await?;
    // Which permissions were given, and by whom, is in no token answer. Not to know is no reason to lose the grant.
    if let Ok(me) = persist(|| whose(client, &grant.access_token)).await {
        grant.provider_user_id = me.id.text();
        grant.scopes = me.permissions.map(Permissions::granted).unwrap_or_default();
    }
    Ok(grant)
}

pub(super) async fn refresh(client: &Client, grant: &Grant) -> Result<Grant, TokenError> {
    prolong(client, Stage::Refresh, &grant.access_token).await
}

async fn prolong(client: &Client, stage: Stage, token: &SecretString) -> Result<Grant, TokenError> {
    let issued_at: DateTime<Utc> = Utc::now();
    let query = [
        ("grant_type", "fb_exchange_token"),
        ("client_id", client.app.client_id.as_str()),
        ("client_secret", client.client_secret()),
        ("fb_exchange_token", token.expose_secret()),
    ];
    // An answer without an end is of a token without an end.
    client.get::<TokenAnswer>(stage, &client.endpoints.token, &query, None).await?.grant(issued_at, None)
}

#[derive(Deserialize)]
struct Me {
    id: Id,
    permissions: Option<Permissions>,
}

#[derive(Deserialize)]
struct Permissions {
    data: Vec<Permission>,
}

#[derive(Deserialize)]
struct Permission {
    permission: String,
    /// "granted", "declined" or "expired"
    status: String,
}

impl Permissions {
    fn granted(self) -> Vec<String> {
        let granted = self.data.into_iter().filter(|permission| permission.status == "granted");
        granted.map(|permission| permission.permission).collect()
    }
}

async fn whose(client: &Client, token: &SecretString) -> Result<Me, TokenError> {
    client.get(Stage::Api, &client.api("me")?, &[("fields", "id,permissions")], Some(token)).await
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    success: bool,
}

/// Takes all permissions, and with them every Page, from the app.
pub(super) async fn revoke(client: &Client, grant: &Grant) -> Result<(), TokenError> {
    let is_id = |id: &&String| id.bytes().all(|byte| byte.is_ascii_digit());
    let user = grant.provider_user_id.as_ref().filter(is_id).map_or("me", String::as_str);
    let url = client.api(&format!("{user}/permissions"))?;
    let request = client.http.delete(url).bearer_auth(grant.access_token.expose_secret());
    let done: Done = super::call::parse(&client.send(Stage::Revoke, request).await?)?;
    if done.success { Ok(()) } else { Err(TokenError::Malformed { what: "it does not say that it was done" }) }
}

#[derive(Deserialize)]
struct Pages {
    data: Vec<Page>,
    paging: Option<Paging>,
}

/// `next` is passed over: it is a whole address with the access token in it.
#[derive(Deserialize)]
struct Paging {
    cursors: Option<Cursors>,
    next: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Cursors {
    after: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    id: Id,
    name: Option<String>,
    username: Option<String>,
    /// Missing where the person has no task on the Page that would need it.
    access_token: Option<SecretString>,
    picture: Option<Picture>,
    instagram_business_account: Option<Instagram>,
}

#[derive(Deserialize)]
struct Picture {
    data: Option<PictureData>,
}

#[derive(Deserialize)]
struct PictureData {
    url: Option<String>,
}

#[derive(Deserialize)]
struct Instagram {
    id: Id,
    username: Option<String>,
    name: Option<String>,
    profile_picture_url: Option<String>,
}

const FIELDS: &str = "id,name,username,access_token,picture{url},\
                      instagram_business_account{id,username,name,profile_picture_url}";

pub(super) async fn accounts(client: &Client, grant: &Grant) -> Result<Vec<Found>, TokenError> {
    let url = client.api("me/accounts")?;
    let mut found = Vec::new();
    let mut after = String::new();
    for _ in 0..MOST_PAGES {
        let mut query = vec![("fields", FIELDS), ("limit", "100")];
        if !after.is_empty() {
            query.push(("after", &after));
        }
        let pages: Pages = client.get(Stage::Api, &url, &query, Some(&grant.access_token)).await?;
        for page in pages.data {
            found.extend(page.found());
        }
        let paging = pages.paging.filter(|paging| paging.next.is_some());
        match paging.and_then(|paging| paging.cursors?.after).filter(|next| !next.is_empty() && *next != after) {
            Some(next) => after = next,
            None => break,
        }
    }
    Ok(found)
}

impl Page {
    /// The Page, and the Instagram account on it.
    fn found(self) -> Vec<Found> {
        let Some(id) = self.id.text() else { return Vec::new() };
        let page_token = self.access_token.filter(is_token);
        let page = Found {
            platform: Platform::Facebook,
            platform_user_id: id.clone(),
            handle: self.username,
            display_name: self.name,
            account_type: Some("page".to_owned()),
            picture: self.picture.and_then(|picture| picture.data?.url),
            page_token: page_token.clone(),
            parent: None,
        };
        let instagram = self.instagram_business_account.and_then(|account| {
            Some(Found {
                platform: Platform::Instagram,
                platform_user_id: account.id.text()?,
                handle: account.username,
                display_name: account.name,
                account_type: Some("business".to_owned()),
                picture: account.profile_picture_url,
                page_token,
                parent: Some(id),
            })
        });
        std::iter::once(page).chain(instagram).collect()
    }
}
