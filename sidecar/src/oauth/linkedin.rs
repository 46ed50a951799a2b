//! LinkedIn: organisations, and the member. Refresh tokens are for approved partners only; they end a year after the
//! first consent, however often they are used.

use std::collections::HashMap;

use chrono::Utc;
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::call::{MOST_PAGES, TokenAnswer, parse};
use super::error::{Stage, TokenError};
use super::{Client, Found, Grant, Platform};

const LIFE: Option<i64> = Some(5_184_000);

/// Organisations asked for at once, both in the list of roles and by id.
const PAGE: usize = 100;

pub(super) async fn exchange(client: &Client, code: &str) -> Result<Grant, TokenError> {
    let issued_at = Utc::now();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", client.app.redirect_uri.as_str()),
        ("client_id", &client.app.client_id),
        ("client_secret", client.client_secret()),
    ];
    client.post::<TokenAnswer>(Stage::Exchange, &client.endpoints.token, &form).await?.grant(issued_at, LIFE)
}

pub(super) async fn refresh(client: &Client, grant: &Grant) -> Result<Grant, TokenError> {
    let issued_at = Utc::now();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", client.refresh_token(grant)?),
        ("client_id", &client.app.client_id),
        ("client_secret", client.client_secret()),
    ];
    let answer: TokenAnswer = client.post(Stage::Refresh, &client.endpoints.token, &form).await?;
    let mut next = answer.grant(issued_at, LIFE)?;
    // Refreshing does not prolong it, whatever an answer may say.
    next.refresh_expires_at = match (next.refresh_expires_at, grant.refresh_expires_at) {
        (Some(new), Some(old)) => Some(new.min(old)),
        (new, old) => new.or(old),
    };
    Ok(next)
}

pub(super) async fn revoke(client: &Client, grant: &Grant) -> Result<(), TokenError> {
    let form = [
        ("client_id", client.app.client_id.as_str()),
        ("client_secret", client.client_secret()),
        ("token", grant.access_token.expose_secret()),
    ];
    client.send(Stage::Revoke, client.form(client.revoke_url()?, &form)).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Roles {
    elements: Vec<Role>,
}

#[derive(Deserialize)]
struct Role {
    /// urn:li:organization:<id>
    organization: String,
}

#[derive(Deserialize)]
struct Organizations {
    #[serde(default)]
    results: HashMap<String, Organization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Organization {
    localized_name: Option<String>,
    vanity_name: Option<String>,
}

#[derive(Deserialize)]
struct Member {
    sub: String,
    name: Option<String>,
    picture: Option<String>,
}

pub(super) async fn accounts(client: &Client, grant: &Grant) -> Result<Vec<Found>, TokenError> {
    let has = |wanted: &[&str]| grant.scopes.iter().any(|scope| wanted.contains(&scope.as_str()));
    let mut found = Vec::new();
    if has(&["profile"]) && has(&["w_member_social", "r_member_postAnalytics", "r_member_profileAnalytics"]) {
        let request = client.query(&client.api("v2/userinfo")?, &[], Some(&grant.access_token));
        let member: Member = parse(&client.send(Stage::Api, request).await?)?;
        found.push(Found {
            platform: Platform::Linkedin,
            platform_user_id: member.sub,
            handle: None,
            display_name: member.name,
            account_type: Some("person".to_owned()),
            picture: member.picture,
            page_token: None,
            parent: None,
        });
    }
    if grant.scopes.is_empty() || has(&["rw_organization_admin", "r_organization_admin"]) {
        for ids in roles(client, grant).await?.chunks(PAGE) {
            found.extend(organizations(client, grant, ids).await?);
        }
    }
    Ok(found)
}

/// What each call of the versioned API needs.
pub(super) fn versioned(client: &Client, request: RequestBuilder) -> RequestBuilder {
    request.header("LinkedIn-Version", &client.endpoints.version).header("X-Restli-Protocol-Version", "2.0.0")
}

/// Ids of the organisations that the member administers.
async fn roles(client: &Client, grant: &Grant) -> Result<Vec<String>, TokenError> {
    let url = client.api("rest/organizationAcls")?;
    let count = PAGE.to_string();
    let mut ids = Vec::new();
    for page in 0..MOST_PAGES {
        let start = (page * PAGE).to_string();
        let query = [
            ("q", "roleAssignee"),
            ("role", "ADMINISTRATOR"),
            ("state", "APPROVED"),
            ("start", &start),
            ("count", &count),
        ];
        let request = versioned(client, client.query(&url, &query, Some(&grant.access_token)));
        let roles: Roles = parse(&client.send(Stage::Api, request).await?)?;
        let length = roles.elements.len();
        let urns = roles.elements.iter().filter_map(|role| role.organization.strip_prefix("urn:li:organization:"));
        ids.extend(urns.filter(|id| is_number(id)).map(str::to_owned));
        if length < PAGE {
            break;
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// They go into an address unescaped.
fn is_number(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

async fn organizations(client: &Client, grant: &Grant, ids: &[String]) -> Result<Vec<Found>, TokenError> {
    // Rest.li's brackets must not be escaped, so it is no ordinary query.
    let url = client.api(&format!("rest/organizations?ids=List({})", ids.join(",")))?;
    let request = versioned(client, client.query(&url, &[], Some(&grant.access_token)));
    let mut known: Organizations = parse(&client.send(Stage::Api, request).await?)?;
    // One that cannot be looked up is there all the same: its role says so.
    let found = ids.iter().map(|id| {
        let (name, handle) = known.results.remove(id).map_or((None, None), |it| (it.localized_name, it.vanity_name));
        Found {
            platform: Platform::Linkedin,
            platform_user_id: id.clone(),
            handle,
            display_name: name,
            account_type: Some("organization".to_owned()),
            picture: None,
            page_token: None,
            parent: None,
        }
    });
    Ok(found.collect())
}
