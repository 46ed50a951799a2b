//! The refusals of each provider, by name: given where they are deserved, and on demand by the fault `provider_error`.

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::Provider;
use crate::reply::json_body;

fn answer(status: u16, body: &Value) -> Response {
    json_body(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), body.to_string())
}

/// The form of RFC 6749.
fn standard(status: u16, word: &str, description: &str) -> Response {
    answer(status, &json!({"error": word, "error_description": description}))
}

/// A refusal of this provider; None when it has none of that name.
pub fn named(provider: Provider, name: &str) -> Option<Response> {
    match provider {
        Provider::Google => google(name),
        Provider::Facebook => graph(name),
        Provider::Instagram => instagram(name).or_else(|| graph(name)),
        Provider::Tiktok => tiktok(name),
        Provider::Linkedin => linkedin(name),
        Provider::X => x(name),
    }
}

fn google(name: &str) -> Option<Response> {
    let api = |status: u16, word: &str, reason: &str| {
        answer(
            status,
            &json!({"error": {
                "code": status, "message": "…", "status": word,
                "errors": [{"message": "…", "domain": "global", "reason": reason}],
            }}),
        )
    };
    Some(match name {
        "invalid_grant" => standard(400, name, "Token has been expired or revoked."),
        "invalid_code" => standard(400, "invalid_grant", "Bad Request"),
        "redirect_uri_mismatch" => standard(400, name, "Bad Request"),
        "invalid_client" => standard(401, name, "The OAuth client was not found."),
        "unauthorized_client" => standard(401, name, "Unauthorized"),
        "invalid_token" => standard(400, name, "Token expired or revoked"),
        "unauthenticated" => api(401, "UNAUTHENTICATED", "authError"),
        "insufficient_scope" => api(403, "PERMISSION_DENIED", "insufficientPermissions"),
        "quota_exceeded" => api(403, "", "quotaExceeded"),
        "rate_limit_exceeded" => api(403, "", "rateLimitExceeded"),
        "bad_request" => api(400, "INVALID_ARGUMENT", "badRequest"),
        "forbidden" => api(403, "PERMISSION_DENIED", "forbidden"),
        "playlist_not_found" => api(404, "", "playlistNotFound"),
        _ => return None,
    })
}

/// "190/463": code and subcode of the Graph API.
fn graph(name: &str) -> Option<Response> {
    let (code, subcode) = match name.split_once('/') {
        Some((code, subcode)) => (code.parse::<i64>().ok()?, Some(subcode.parse::<i64>().ok()?)),
        None => (name.parse::<i64>().ok()?, None),
    };
    let message = match code {
        190 => "Error validating access token: the session is over.",
        4 | 17 | 32 | 613 | 80000..=80014 => "Application request limit reached",
        10 | 200..=299 => "(#10) Application does not have permission for this action",
        100 => "Invalid parameter",
        _ => "An error has occurred.",
    };
    let status = match code {
        1 | 2 => 500,
        10 | 200..=299 | 4 | 17 | 32 => 403,
        190 => 401,
        _ => 400,
    };
    let mut error = json!({"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Astandin01"});
    if let Some(subcode) = subcode {
        error["error_subcode"] = subcode.into();
    }
    let mut answer = answer(status, &json!({"error": error}));
    if matches!(code, 80000..=80014) {
        let usage = r#"{"1780000000000042":[{"type":"instagram","call_count":104,"total_cputime":5,"total_time":6,"estimated_time_to_regain_access":5}]}"#;
        answer.headers_mut().insert("x-business-use-case-usage", HeaderValue::from_static(usage));
    }
    Some(answer)
}

fn instagram(name: &str) -> Option<Response> {
    let message = match name {
        "invalid_code" => "Matching code was not found or was already used",
        "expired_code" => "This authorization code has expired",
        "redirect_uri" => {
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request"
        }
        "invalid_client" => "Invalid platform app",
        "invalid_secret" => "Invalid Client Secret",
        _ => return None,
    };
    Some(answer(400, &json!({"error_type": "OAuthException", "code": 400, "error_message": message})))
}

fn tiktok(name: &str) -> Option<Response> {
    let token = |word: &str, description: &str| {
        answer(400, &json!({"error": word, "error_description": description, "log_id": "20261121000000STANDIN"}))
    };
    let data = |status: u16| {
        let error = json!({"code": name, "message": "…", "log_id": "20261121000000STANDIN"});
        answer(status, &json!({"data": {}, "error": error}))
    };
    Some(match name {
        "invalid_grant" => token(name, "Refresh token is invalid or expired."),
        "invalid_code" => token("invalid_grant", "Authorization code is expired."),
        "redirect_uri" => token("invalid_request", "Redirect_uri is not matched with the uri when requesting code."),
        "verifier" => token("invalid_request", "Code verifier or code challenge is invalid."),
        "invalid_client" => token(name, "Client key or secret is incorrect."),
        "unsupported_grant_type" => token(name, "Grant type is unsupported."),
        "access_token_invalid" | "scope_not_authorized" => data(401),
        "scope_permission_missed" => data(403),
        "rate_limit_exceeded" => data(429),
        "invalid_params" => data(400),
        "internal_error" => data(500),
        _ => return None,
    })
}

fn linkedin(name: &str) -> Option<Response> {
    let api = |status: u16, number: Option<i64>, word: &str, message: &str| {
        let mut body = json!({"status": status, "code": word, "message": message});
        if let Some(number) = number {
            body["serviceErrorCode"] = number.into();
        }
        answer(status, &body)
    };
    Some(match name {
        "code_not_found" => {
            standard(400, "invalid_request", "Unable to retrieve access token: authorization code not found")
        }
        "redirect_uri" => standard(
            400,
            "invalid_request",
            "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization code. Or authorization code expired.",
        ),
        "invalid_request" => standard(400, name, "A required parameter is missing"),
        "invalid_grant" => standard(400, name, "The provided refresh token is invalid, expired or revoked"),
        "invalid_client" => standard(401, name, "Client authentication failed"),
        "65602" => api(401, Some(65602), "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired"),
        "65601" => {
            api(401, Some(65601), "REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked by the user")
        }
        "65600" => api(401, Some(65600), "INVALID_ACCESS_TOKEN", "Invalid access token"),
        "access_denied" => api(403, Some(100), "ACCESS_DENIED", "Not enough permissions to access this resource"),
        "nonexistent_version" => api(426, None, "NONEXISTENT_VERSION", "Requested version is not active"),
        "quota_day" => api(
            429,
            Some(101),
            "TOO_MANY_REQUESTS",
            "Resource level throttle APPLICATION DAY limit for calls to this resource is reached.",
        ),
        "bad_parameter" => api(400, None, "ILLEGAL_ARGUMENT", "A parameter is not of the form that it must have"),
        "quota" => api(429, Some(101), "TOO_MANY_REQUESTS", "Resource level throttle limit reached"),
        _ => return None,
    })
}

fn x(name: &str) -> Option<Response> {
    let problem = |status: u16, kind: &str| {
        let kind = format!("https://api.x.com/2/problems/{kind}");
        answer(status, &json!({"title": "…", "detail": "…", "type": kind, "status": status}))
    };
    let plain = |status: u16, title: &str| {
        answer(status, &json!({"title": title, "detail": title, "type": "about:blank", "status": status}))
    };
    Some(match name {
        "spent" => standard(400, "invalid_request", "Value passed for the token was invalid."),
        "invalid_code" => standard(400, "invalid_request", "Value passed for the authorization code was invalid."),
        "redirect_uri" => standard(400, "invalid_request", "Redirect URI does not match the one of the request."),
        "verifier" => standard(400, "invalid_request", "Value passed for the code verifier was invalid."),
        "missing_parameter" => standard(400, "invalid_request", "Missing required parameter [client_id]."),
        "unauthorized_client" => standard(401, name, "Missing valid authorization header"),
        "unauthorized" => problem(401, "unauthorized"),
        "client_forbidden" => problem(403, "client-forbidden"),
        "usage_capped" => problem(403, "usage-capped"),
        "no_credits" => problem(402, "credits"),
        "invalid_request" => problem(400, "invalid-request"),
        "forbidden" => plain(403, "Forbidden"),
        "too_many_requests" => plain(429, "Too Many Requests"),
        "unavailable" => problem(503, "service-unavailable"),
        _ => return None,
    })
}
