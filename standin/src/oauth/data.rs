//! What a token opens: accounts, pages, organisations, channels.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::errors::named;
use super::grants::{Kind, Refusal, Token};
use super::insights::counts;
use super::people::{handle, person};
use super::token::graph_refusal;
use super::{App, Ask, Provider};
use crate::reply::json_body;

pub fn ok(body: &Value) -> Response {
    json_body(StatusCode::OK, body.to_string())
}

pub fn refuse(provider: Provider, name: &str) -> Response {
    named(provider, name).unwrap_or_else(|| json_body(StatusCode::NOT_IMPLEMENTED, "{}".to_owned()))
}

/// The request and the token it brings, if that is good, has one of these scopes, and the limit is not used up.
pub async fn admit(shared: &App, request: Request, scopes: &[&str]) -> Result<(Ask, Token), Box<Response>> {
    let ask = Ask::read(request).await;
    let provider = ask.provider;
    let refuse = |name: &str| Err(Box::new(refuse(provider, name)));
    let inner = shared.oauth.inner();
    let kinds = [Kind::Access, Kind::Short, Kind::Page];
    let token = match inner.grants.look(provider, ask.token(), &kinds, inner.now()) {
        Ok(token) => token.clone(),
        Err(refusal) => {
            return refuse(match (provider, refusal) {
                (Provider::Google, _) => "unauthenticated",
                (Provider::Facebook | Provider::Instagram, _) => graph_refusal(refusal),
                (Provider::Tiktok, _) => "access_token_invalid",
                (Provider::Linkedin, Refusal::Expired) => "65602",
                (Provider::Linkedin, Refusal::Revoked | Refusal::AppRemoved) => "65601",
                (Provider::Linkedin, _) => "65600",
                (Provider::X, _) => "unauthorized",
            });
        }
    };
    if !scopes.is_empty() && !token.scopes.iter().any(|scope| scopes.contains(&scope.as_str())) {
        return refuse(match provider {
            Provider::Google => "insufficient_scope",
            Provider::Facebook | Provider::Instagram => "10",
            Provider::Tiktok => "scope_not_authorized",
            Provider::Linkedin => "access_denied",
            Provider::X => "forbidden",
        });
    }
    if inner.settings.usage > 100 {
        match provider {
            Provider::Facebook | Provider::Instagram => return refuse("4"),
            Provider::X => return refuse("usage_capped"),
            Provider::Google => return refuse("quota_exceeded"),
            Provider::Tiktok => return refuse("rate_limit_exceeded"),
            Provider::Linkedin => {}
        }
    }
    if inner.settings.account_usage > 100 {
        match provider {
            Provider::Facebook | Provider::Instagram => return refuse("80002"),
            Provider::X => return refuse("too_many_requests"),
            Provider::Google | Provider::Tiktok | Provider::Linkedin => {}
        }
    }
    Ok((ask, token))
}

pub async fn facebook_me(State(shared): State<App>, request: Request) -> Response {
    match admit(&shared, request, &[]).await {
        Ok((_, token)) => {
            let person = person(&token.user);
            let mut permissions: Vec<Value> =
                token.scopes.iter().map(|scope| json!({"permission": scope, "status": "granted"})).collect();
            let declined = shared.oauth.inner().settings.declined.clone();
            permissions.extend(declined.iter().map(|scope| json!({"permission": scope, "status": "declined"})));
            ok(&json!({"id": person.id, "name": person.name, "permissions": {"data": permissions}}))
        }
        Err(answer) => *answer,
    }
}

/// One Page at a time, so that whoever reads the first page only misses the rest. A Page's token has no end.
pub async fn pages(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &["pages_show_list"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let mut pages = person(&token.user).pages;
    let start = ask.field("after").parse::<usize>().unwrap_or(0).min(pages.len());
    let is_last = start + 1 >= pages.len();
    let mut page: Vec<Value> = pages.drain(start..).take(1).collect();
    let mut inner = shared.oauth.inner();
    let now = inner.now();
    for page in &mut page {
        let page_token = Token { kind: Kind::Page, issued_at: now, expires_at: None, ..token.clone() };
        page["access_token"] = inner.grants.add(page_token).into();
    }
    let mut paging = json!({"cursors": {"before": start.to_string(), "after": (start + 1).to_string()}});
    if !is_last {
        // As the real one: a whole address, the token in it, of a host that must not be believed.
        paging["next"] = format!("https://graph.facebook.example/me/accounts?access_token={}", ask.token()).into();
    }
    ok(&json!({"data": page, "paging": paging}))
}

pub async fn instagram_me(State(shared): State<App>, request: Request) -> Response {
    match admit(&shared, request, &["instagram_business_basic"]).await {
        Ok((_, token)) => {
            let person = person(&token.user);
            ok(&json!({
                "id": format!("2{}", person.id), "user_id": person.id, "username": handle(&token.user),
                "name": person.name, "account_type": "BUSINESS", "followers_count": counts(&token.user).followers,
                "follows_count": counts(&token.user).following, "media_count": counts(&token.user).posts,
                "profile_picture_url": "https://scontent.example/profile.jpg",
            }))
        }
        Err(answer) => *answer,
    }
}

pub async fn linkedin_member(State(shared): State<App>, request: Request) -> Response {
    match admit(&shared, request, &["profile"]).await {
        Ok((_, token)) => {
            let person = person(&token.user);
            ok(
                &json!({"sub": format!("li{}", person.id), "name": person.name, "picture": "https://media.example/p.jpg"}),
            )
        }
        Err(answer) => *answer,
    }
}

/// Calls of the versioned API need its month.
pub(super) fn has_version(ask: &Ask) -> bool {
    let version = ask.header("linkedin-version");
    version.len() == 6 && version.bytes().all(|byte| byte.is_ascii_digit())
}

pub async fn linkedin_roles(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &["rw_organization_admin", "r_organization_admin"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    if !has_version(&ask) {
        return refuse(ask.provider, "nonexistent_version");
    }
    let person = person(&token.user);
    let elements: Vec<Value> = person
        .organizations
        .iter()
        .map(|(id, _, _)| {
            json!({
                "role": "ADMINISTRATOR", "state": "APPROVED", "organization": format!("urn:li:organization:{id}"),
                "roleAssignee": format!("urn:li:person:li{}", person.id),
            })
        })
        .collect();
    ok(&json!({"paging": {"start": 0, "count": 100, "links": []}, "elements": elements}))
}

pub async fn linkedin_organizations(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &["rw_organization_admin", "r_organization_admin"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    if !has_version(&ask) {
        return refuse(ask.provider, "nonexistent_version");
    }
    let ids = ask.field("ids").strip_prefix("List(").and_then(|ids| ids.strip_suffix(')')).unwrap_or_default();
    let wanted: Vec<&str> = ids.split(',').collect();
    let known = person(&token.user).organizations;
    let results: serde_json::Map<String, Value> = known
        .iter()
        .filter(|(id, _, _)| wanted.contains(id))
        .map(|(id, name, vanity)| {
            let number = id.parse::<u64>().unwrap_or_default();
            ((*id).to_owned(), json!({"id": number, "localizedName": name, "vanityName": vanity}))
        })
        .collect();
    ok(&json!({"results": results, "statuses": {}, "errors": {}}))
}
