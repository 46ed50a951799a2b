//! The page that a member is sent to: consents at once, shows buttons, or denies, as the settings or the address say.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use form_urlencoded::Serializer;

use super::grants::Code;
use super::people::USERS;
use super::{App, Approval, Ask, Provider};

/// Real lives of codes, in seconds; X's is its documented one, the others are of the order that is known.
fn code_life(provider: Provider) -> i64 {
    match provider {
        Provider::X => 30,
        Provider::Instagram => 3600,
        Provider::Linkedin => 1800,
        Provider::Google | Provider::Facebook | Provider::Tiktok => 600,
    }
}

pub async fn show(State(shared): State<App>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let ask = Ask::read(request).await;
    let mut inner = shared.oauth.inner();
    let now = inner.now();
    let settings = inner.settings.clone();

    // What concerns the app is shown to the member and never redirected: the address may be somebody else's.
    let client_id = if ask.provider == Provider::Tiktok { "client_key" } else { "client_id" };
    if ask.field(client_id) != settings.client_id {
        return page(StatusCode::BAD_REQUEST, "This app is not known here.");
    }
    let redirect_uri = ask.field("redirect_uri");
    let is_registered = settings.redirect_uris.is_empty() || settings.redirect_uris.iter().any(|it| it == redirect_uri);
    if redirect_uri.is_empty() || !is_registered {
        return page(StatusCode::BAD_REQUEST, "redirect_uri_mismatch");
    }
    let challenge = ask.fields.get("code_challenge").cloned();
    let method = ask.fields.get("code_challenge_method").cloned().unwrap_or_else(|| "plain".to_owned());
    let is_bad = ask.field("response_type") != "code"
        || ask.field("state").len() > 500
        || (ask.field("scope").is_empty() && ask.field("config_id").is_empty())
        || (ask.provider == Provider::X && challenge.is_none())
        || challenge.as_deref().is_some_and(|it| !is_challenge(ask.provider, it, &method));
    if is_bad {
        return back(&ask, &[("error", "invalid_request")]);
    }

    let approval = match (ask.fields.contains_key("deny"), ask.fields.contains_key("approve")) {
        (true, _) => Approval::Deny,
        (_, true) => Approval::Auto,
        _ => settings.approval,
    };
    match approval {
        Approval::Deny => back(&ask, denial(ask.provider)),
        Approval::Page => buttons(&path, &ask),
        Approval::Auto => {
            let user = ask.fields.get("user").filter(|user| USERS.contains(&user.as_str()));
            let scopes = ask.field("scope").split([' ', ',']).filter(|scope| !scope.is_empty());
            let scopes = scopes.filter(|scope| !settings.declined.iter().any(|declined| declined == scope));
            let code = Code {
                provider: ask.provider,
                user: user.unwrap_or(&settings.user).clone(),
                scopes: scopes.map(str::to_owned).collect(),
                redirect_uri: redirect_uri.to_owned(),
                challenge: challenge.map(|challenge| (challenge, method)),
                expires_at: now + settings.code_seconds.get(&ask.provider).copied().unwrap_or(code_life(ask.provider)),
                family: None,
            };
            let scopes = code.scopes.join(" ");
            let code = inner.grants.add_code(code);
            let mut fields = vec![("code", code.as_str())];
            match ask.provider {
                Provider::Google => fields.extend([("iss", "https://accounts.google.com"), ("scope", &scopes)]),
                Provider::Tiktok => fields.push(("scopes", &scopes)),
                _ => {}
            }
            back(&ask, &fields)
        }
    }
}

/// TikTok's are hexadecimal; the others take base64url, X also the plain verifier.
fn is_challenge(provider: Provider, challenge: &str, method: &str) -> bool {
    match (provider, method) {
        (Provider::Tiktok, "S256") => challenge.len() == 64 && challenge.bytes().all(|byte| byte.is_ascii_hexdigit()),
        (_, "S256") => challenge.len() == 43,
        (Provider::X, "plain") => (43..=128).contains(&challenge.len()),
        _ => false,
    }
}

fn denial(provider: Provider) -> &'static [(&'static str, &'static str)] {
    match provider {
        Provider::Linkedin => &[("error", "user_cancelled_login")],
        Provider::Facebook | Provider::Instagram => &[
            ("error", "access_denied"),
            ("error_reason", "user_denied"),
            ("error_description", "The user denied your request."),
        ],
        _ => &[("error", "access_denied")],
    }
}

/// Sends the member back to the app.
fn back(ask: &Ask, fields: &[(&str, &str)]) -> Response {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(fields);
    if let Some(state) = ask.fields.get("state") {
        query.append_pair("state", state);
    }
    let redirect_uri = ask.field("redirect_uri");
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    // Instagram hangs this on.
    let end = if ask.provider == Provider::Instagram { "#_" } else { "" };
    let location = format!("{redirect_uri}{separator}{}{end}", query.finish());
    match HeaderValue::from_str(&location) {
        Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        Err(_) => page(StatusCode::BAD_REQUEST, "redirect_uri_mismatch"),
    }
}

fn page(status: StatusCode, words: &str) -> Response {
    let body = format!("<!doctype html><title>Stand-in</title><p>{words}</p>");
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

/// A page with a button for each person, and one to say no. Nothing of the address is shown as it came.
fn buttons(path: &str, ask: &Ask) -> Response {
    let link = |extra: &[(&str, &str)]| {
        let query = Serializer::new(String::new()).extend_pairs(&ask.fields).extend_pairs(extra).finish();
        format!("{path}?{}", query.replace('&', "&amp;"))
    };
    let mut body = format!(
        "<!doctype html><html lang=\"en\"><title>Stand-in for {name}</title>\
         <h1>Stand-in for {name}</h1><p>An app asks for access to an account.</p><ul>",
        name = ask.provider.name(),
    );
    for user in USERS {
        let href = link(&[("user", user), ("approve", "1")]);
        body.push_str(&format!("<li><a href=\"{href}\">Allow as {user}</a></li>"));
    }
    body.push_str(&format!("<li><a href=\"{}\">Deny</a></li></ul></html>", link(&[("deny", "1")])));
    (StatusCode::OK, [(CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}
