//! What a provider's refusal means for the connection: the table that decides whether a member has to connect again.
//!
//! None of the provider's own words goes further than this file: they may hold a token. A `code` is one of our words or
//! the provider's number.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::usage::{has_window, now, regain, retry_after, until_midnight};
use super::{Provider, google};

/// Credits of X that are used up come back when somebody buys some, or with the month.
const UNTIL_CREDITS: Duration = Duration::from_secs(6 * 60 * 60);

/// Why a call to a provider brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The grant, or the code, is over: the member connects again. The only one that may end a connection.
    #[error("the provider ended the grant: {} ({code})", reason.words())]
    Final { code: Code, reason: Reason },
    /// The access token is not taken any more: refresh it and ask once more. `after_refresh` tells what it means then.
    #[error("the access token is not accepted ({code})")]
    Stale { code: Code },
    /// X: this refresh token was used before. Read the stored one again first: another worker may have won.
    #[error("the refresh token was used before")]
    Spent,
    /// A permission is missing that the call needs; the connection lives.
    #[error("a permission is missing ({code})")]
    Denied { code: Code },
    /// This request will not succeed, as it is; the connection lives.
    #[error("the provider refuses the request ({code})")]
    Refused { code: Code },
    /// Our app or our request is wrong: it concerns every connection and ends none.
    #[error("the provider does not accept our app ({code})")]
    Configuration { code: Code },
    /// A limit of our app: it concerns every connection.
    #[error("the provider asks for fewer calls ({code})")]
    Throttled { code: Code, retry_after: Option<Duration> },
    /// A limit of this account, or of the person behind it: the others go on.
    #[error("the provider asks for fewer calls of this account ({code})")]
    ThrottledAccount { code: Code, retry_after: Option<Duration> },
    /// Their trouble or the network's: try again later.
    #[error("the provider cannot answer now ({code})")]
    Temporary { code: Code, retry_after: Option<Duration> },
    /// An answer that promised success and holds none.
    #[error("the provider's answer cannot be understood: {what}")]
    Malformed { what: &'static str },
}

/// For logs and the connection's `last_error`: "invalid_grant", "190/463", "http_503".
pub type Code = Cow<'static, str>;

/// Why a grant is over, for the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The authorisation code was used before, has expired, or is not ours.
    Code,
    Expired,
    /// Revoked, or expired: not every provider tells which.
    Revoked,
    PasswordChanged,
    /// The person must log in to the platform and confirm something.
    Checkpoint,
    AppRemoved,
    Unconfirmed,
    /// The person has no role on the Page any more.
    NoRole,
    Invalid,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Code => "code",
            Reason::Expired => "expired",
            Reason::Revoked => "revoked",
            Reason::PasswordChanged => "password_changed",
            Reason::Checkpoint => "checkpoint",
            Reason::AppRemoved => "app_removed",
            Reason::Unconfirmed => "unconfirmed",
            Reason::NoRole => "no_role",
            Reason::Invalid => "invalid",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Reason::Code => "the authorisation code was used before or has expired",
            Reason::Expired => "access has expired",
            Reason::Revoked => "access was revoked or has expired",
            Reason::PasswordChanged => "the password was changed",
            Reason::Checkpoint => "the platform wants the person to log in and confirm the account",
            Reason::AppRemoved => "the app was removed from the account",
            Reason::Unconfirmed => "the account is not confirmed on the platform",
            Reason::NoRole => "the person has no role on the page any more",
            Reason::Invalid => "the platform does not recognise the access token",
        }
    }
}

impl TokenError {
    /// What it means when the access token is fresh, or none can be had: a token that is still not accepted is dead.
    pub fn after_refresh(self) -> Self {
        match self {
            TokenError::Stale { code } => TokenError::Final { code, reason: Reason::Invalid },
            other => other,
        }
    }

    /// Trying the same again later may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            TokenError::Throttled { .. }
                | TokenError::ThrottledAccount { .. }
                | TokenError::Temporary { .. }
                | TokenError::Malformed { .. }
        )
    }

    /// Name for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            TokenError::Final { .. } => "final",
            TokenError::Stale { .. } => "stale",
            TokenError::Spent => "spent",
            TokenError::Denied { .. } => "denied",
            TokenError::Refused { .. } => "refused",
            TokenError::Configuration { .. } => "configuration",
            TokenError::Throttled { .. } => "throttled",
            TokenError::ThrottledAccount { .. } => "throttled_account",
            TokenError::Temporary { .. } => "temporary",
            TokenError::Malformed { .. } => "malformed",
        }
    }

    pub(super) fn fatal(code: impl Into<Code>, reason: Reason) -> Self {
        TokenError::Final { code: code.into(), reason }
    }

    pub(super) fn temporary(code: impl Into<Code>) -> Self {
        TokenError::Temporary { code: code.into(), retry_after: None }
    }

    fn configuration(code: impl Into<Code>) -> Self {
        TokenError::Configuration { code: code.into() }
    }

    fn denied(code: impl Into<Code>) -> Self {
        TokenError::Denied { code: code.into() }
    }

    fn refused(code: impl Into<Code>) -> Self {
        TokenError::Refused { code: code.into() }
    }

    fn stale(code: impl Into<Code>) -> Self {
        TokenError::Stale { code: code.into() }
    }
}

/// What was asked for: the same words mean other things in other places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A code for a grant
    Exchange,
    Refresh,
    Revoke,
    /// Data, with an access token
    Api,
}

/// What an answer that is no success means.
pub fn classify(provider: Provider, stage: Stage, status: u16, headers: &HeaderMap, body: &[u8]) -> TokenError {
    let asked = Asked { stage, status, retry_after: retry_after(headers), has_window: has_window(headers) };
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    // Their own trouble needs no explanation, and what explains it may come from a proxy. Meta gives its codes with 500s.
    let is_theirs = status >= 500 || status == 408;
    let named = match provider {
        Provider::Facebook | Provider::Instagram => asked.meta(&body, headers),
        _ if is_theirs => None,
        Provider::Tiktok => asked.tiktok(&body),
        Provider::Linkedin => asked.linkedin(&body, headers),
        Provider::X => asked.x(&body),
        Provider::Google => asked.google(&body, headers),
    };
    named.unwrap_or_else(|| asked.by_status())
}

struct Asked {
    stage: Stage,
    status: u16,
    retry_after: Option<Duration>,
    /// X's windows are each person's own.
    has_window: bool,
}

impl Asked {
    /// Without words that are known. Whatever is not recognised ends nothing.
    fn by_status(&self) -> TokenError {
        let code = Cow::from(format!("http_{}", self.status));
        match (self.status, self.stage) {
            (429, _) => self.throttled(code),
            (401, Stage::Api) => TokenError::Stale { code },
            (403, Stage::Api) => TokenError::Denied { code },
            (404 | 410 | 422, Stage::Api) => TokenError::Refused { code },
            _ => TokenError::Temporary { code, retry_after: self.retry_after },
        }
    }

    fn throttled(&self, code: impl Into<Code>) -> TokenError {
        if self.has_window {
            return self.throttled_account(code);
        }
        TokenError::Throttled { code: code.into(), retry_after: self.retry_after }
    }

    fn throttled_account(&self, code: impl Into<Code>) -> TokenError {
        TokenError::ThrottledAccount { code: code.into(), retry_after: self.retry_after }
    }

    fn out_of_credits(&self, code: &'static str) -> TokenError {
        let wait = self.retry_after.unwrap_or_default().max(UNTIL_CREDITS);
        TokenError::Throttled { code: code.into(), retry_after: Some(wait) }
    }

    fn unavailable(&self, code: impl Into<Code>) -> TokenError {
        TokenError::Temporary { code: code.into(), retry_after: self.retry_after }
    }

    /// The words of RFC 6749, 7009 and 6750, and those that providers add.
    fn standard(&self, word: &str) -> Option<TokenError> {
        Some(match word {
            "invalid_grant" if self.stage == Stage::Exchange => TokenError::fatal("invalid_grant", Reason::Code),
            "invalid_grant" => TokenError::fatal("invalid_grant", Reason::Revoked),
            "invalid_token" if self.stage == Stage::Api => TokenError::stale("invalid_token"),
            "invalid_token" => TokenError::fatal("invalid_token", Reason::Revoked),
            "redirect_uri_mismatch" => TokenError::configuration("redirect_uri_mismatch"),
            "invalid_client" => TokenError::configuration("invalid_client"),
            "deleted_client" => TokenError::configuration("deleted_client"),
            "disabled_client" => TokenError::configuration("disabled_client"),
            "unauthorized_client" => TokenError::configuration("unauthorized_client"),
            "unsupported_grant_type" => TokenError::configuration("unsupported_grant_type"),
            "invalid_scope" => TokenError::configuration("invalid_scope"),
            "invalid_request" => TokenError::configuration("invalid_request"),
            "insufficient_scope" => TokenError::denied("insufficient_scope"),
            "access_denied" => TokenError::denied("access_denied"),
            "slow_down" => self.throttled("slow_down"),
            "temporarily_unavailable" => self.unavailable("temporarily_unavailable"),
            "server_error" => self.unavailable("server_error"),
            _ => return None,
        })
    }

    fn google(&self, body: &Value, headers: &HeaderMap) -> Option<TokenError> {
        if let Some(word) = body["error"].as_str() {
            return self.standard(word);
        }
        // The API's form: a status for all of Google, and the service's own reason.
        let error = &body["error"];
        let reason = error["errors"][0]["reason"].as_str().unwrap_or_default();
        let detail = error["details"]
            .as_array()
            .and_then(|details| details.iter().find_map(|detail| detail["reason"].as_str()))
            .unwrap_or_default();
        Some(match (reason, detail, error["status"].as_str().unwrap_or_default()) {
            (_, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", _) => TokenError::denied("insufficient_scope"),
            ("insufficientPermissions", ..) => TokenError::denied("insufficient_scope"),
            ("quotaExceeded" | "dailyLimitExceeded", ..) => {
                let wait = self.retry_after.unwrap_or_else(|| google::until_next_quota(now(headers)));
                TokenError::Throttled { code: "quota_exceeded".into(), retry_after: Some(wait) }
            }
            ("rateLimitExceeded", ..) => self.throttled("rate_limit_exceeded"),
            ("userRateLimitExceeded", ..) => self.throttled_account("user_rate_limit_exceeded"),
            ("accessNotConfigured", ..) | (_, "SERVICE_DISABLED", _) => {
                TokenError::configuration("access_not_configured")
            }
            ("youtubeSignupRequired", ..) => TokenError::refused("no_channel"),
            (_, _, "UNAUTHENTICATED") => TokenError::stale("unauthenticated"),
            (_, _, "RESOURCE_EXHAUSTED") => self.throttled("resource_exhausted"),
            (_, _, "PERMISSION_DENIED") => TokenError::denied("permission_denied"),
            ("badRequest" | "invalid" | "invalidParameter" | "unknownPart", ..) | (_, _, "INVALID_ARGUMENT")
                if self.status == 400 =>
            {
                TokenError::configuration("invalid_argument")
            }
            _ => return None,
        })
    }

    /// Facebook's and Instagram's Graph API, and the other form of Instagram's token endpoint.
    fn meta(&self, body: &Value, headers: &HeaderMap) -> Option<TokenError> {
        if body["error_type"].is_string() {
            return Some(self.instagram_token(body));
        }
        let error = &body["error"];
        let code = error["code"].as_i64()?;
        let subcode = error["error_subcode"].as_i64();
        let shown = match subcode {
            Some(subcode) => format!("{code}/{subcode}"),
            None => code.to_string(),
        };
        if error["is_transient"] == true {
            return Some(self.unavailable(shown));
        }
        let message = error["message"].as_str().unwrap_or_default().to_ascii_lowercase();
        Some(match (code, subcode) {
            (190, subcode) => TokenError::fatal(shown, meta_reason(subcode)),
            (102, _) => TokenError::fatal(shown, Reason::Expired),
            // The code of a login: expired, used; 36008 is another redirect address.
            (100, Some(36007 | 36009)) if self.stage == Stage::Exchange => TokenError::fatal(shown, Reason::Code),
            (4, _) => self.throttled(shown),
            // Of a person, a page, one kind of call, or a business and what it is asked for.
            (17 | 32 | 613 | 80000..=80014, _) => TokenError::ThrottledAccount {
                code: shown.into(),
                retry_after: self.retry_after.or_else(|| regain(headers)),
            },
            // A wrong secret comes as code 1, which otherwise is "unknown, try again".
            (1, _) if message.contains("client secret") => TokenError::Configuration { code: shown.into() },
            (1 | 2, _) => self.unavailable(shown),
            (3 | 10 | 200..=299, _) => TokenError::Denied { code: shown.into() },
            // One code for parameters of all kinds; which, only the message says.
            (100, None) => match meta_parameter(&message) {
                Some("no_insights") => TokenError::refused("no_insights"),
                Some(word) => TokenError::configuration(word),
                None => TokenError::Configuration { code: shown.into() },
            },
            (100 | 101 | 191, _) => TokenError::Configuration { code: shown.into() },
            (368 | 506, _) => TokenError::Refused { code: shown.into() },
            _ if self.status < 500 => TokenError::Refused { code: shown.into() },
            _ => self.unavailable(shown),
        })
    }

    fn instagram_token(&self, body: &Value) -> TokenError {
        let message = body["error_message"].as_str().unwrap_or_default().to_ascii_lowercase();
        let code = body["code"].as_i64().unwrap_or_else(|| self.status.into());
        let shown = format!("instagram_{code}");
        if code == 429 || self.status == 429 {
            self.throttled(shown)
        } else if self.status >= 500 {
            self.unavailable(shown)
        } else if message.contains("code") && !message.contains("redirect_uri") && !message.contains("client") {
            TokenError::fatal(shown, Reason::Code)
        } else {
            TokenError::configuration(shown)
        }
    }

    fn tiktok(&self, body: &Value) -> Option<TokenError> {
        // A word at the token endpoint, an object at the others.
        let word = body["error"].as_str().or_else(|| body["error"]["code"].as_str())?;
        Some(match word {
            "access_token_invalid" if self.stage == Stage::Api => TokenError::stale("access_token_invalid"),
            "access_token_invalid" => TokenError::fatal("access_token_invalid", Reason::Revoked),
            "scope_not_authorized" => TokenError::denied("scope_not_authorized"),
            "scope_permission_missed" => TokenError::denied("scope_permission_missed"),
            "rate_limit_exceeded" => self.throttled("rate_limit_exceeded"),
            "invalid_params" => TokenError::configuration("invalid_params"),
            "internal_error" => self.unavailable("internal_error"),
            word => return self.standard(word),
        })
    }

    fn linkedin(&self, body: &Value, headers: &HeaderMap) -> Option<TokenError> {
        if let Some(word) = body["error"].as_str() {
            let description = body["error_description"].as_str().unwrap_or_default().to_ascii_lowercase();
            // One word for codes that are over and for requests of a wrong form.
            let is_over = ["code not found", "expired", "revoked"].iter().any(|words| description.contains(words));
            if word == "invalid_request" && is_over && !description.contains("redirect") {
                let reason = if self.stage == Stage::Exchange { Reason::Code } else { Reason::Revoked };
                return Some(TokenError::fatal("invalid_request", reason));
            }
            return self.standard(word);
        }
        let number = body["serviceErrorCode"].as_i64();
        Some(match (number, body["code"].as_str().unwrap_or_default()) {
            (Some(65602), _) | (_, "EXPIRED_ACCESS_TOKEN") => TokenError::stale("65602"),
            (Some(65601), _) | (_, "REVOKED_ACCESS_TOKEN") => TokenError::fatal("65601", Reason::Revoked),
            (Some(65600), _) | (_, "INVALID_ACCESS_TOKEN") => TokenError::stale("65600"),
            (_, "ACCESS_DENIED") => TokenError::denied("access_denied"),
            (_, "NONEXISTENT_VERSION") => TokenError::configuration("nonexistent_version"),
            _ => match self.status {
                426 => TokenError::configuration("nonexistent_version"),
                // Quotas are by day and end at midnight UTC; that is only said of them in words.
                429 => {
                    let message = body["message"].as_str().unwrap_or_default().to_ascii_uppercase();
                    let is_daily = message.contains("DAY LIMIT");
                    if is_daily && message.contains("MEMBER") {
                        // Of this person with our app: the others go on.
                        let retry_after = self.retry_after.or_else(|| Some(until_midnight(headers)));
                        return Some(TokenError::ThrottledAccount { code: "member_day_limit".into(), retry_after });
                    }
                    let midnight = is_daily.then(|| until_midnight(headers));
                    TokenError::Throttled { code: "http_429".into(), retry_after: self.retry_after.or(midnight) }
                }
                400 if self.stage == Stage::Api && body["status"] == 400 => TokenError::refused("http_400"),
                _ => return None,
            },
        })
    }

    fn x(&self, body: &Value) -> Option<TokenError> {
        if let Some(word) = body["error"].as_str() {
            let description = body["error_description"].as_str().unwrap_or_default();
            // X says neither invalid_grant nor which: the words after it do.
            let is_value = description.starts_with("Value passed for the ");
            return match (word, self.stage) {
                ("invalid_request", Stage::Refresh | Stage::Revoke) if is_value => Some(TokenError::Spent),
                ("invalid_request", Stage::Exchange) if is_value => {
                    Some(TokenError::fatal("invalid_request", Reason::Code))
                }
                _ => self.standard(word),
            };
        }
        let kind = body["type"].as_str()?;
        Some(match kind.rsplit('/').next().unwrap_or_default() {
            "client-forbidden" => TokenError::configuration("client_forbidden"),
            "unsupported-authentication" => TokenError::denied("unsupported_authentication"),
            "usage-capped" => self.out_of_credits("usage_capped"),
            _ if self.status == 402 => self.out_of_credits("no_credits"),
            "rate-limit-exceeded" => self.throttled("rate_limit_exceeded"),
            "invalid-request" if self.status == 400 => TokenError::configuration("invalid_request"),
            _ => return None,
        })
    }
}

/// Which parameter Meta does not take, in our words; None: it does not say.
fn meta_parameter(message: &str) -> Option<&'static str> {
    if message.contains("nonexisting field (insights)") {
        // An object that has none, as a video apart from its post.
        Some("no_insights")
    } else if message.contains("nonexisting field") {
        Some("unknown_field")
    } else if message.contains("must be a valid insights metric")
        || message.contains("metric[") && message.contains("must be one of the following values")
    {
        Some("unknown_metric")
    } else {
        None
    }
}

fn meta_reason(subcode: Option<i64>) -> Reason {
    match subcode {
        Some(458) => Reason::AppRemoved,
        Some(459) => Reason::Checkpoint,
        Some(460) => Reason::PasswordChanged,
        Some(463) => Reason::Expired,
        Some(464) => Reason::Unconfirmed,
        Some(492) => Reason::NoRole,
        _ => Reason::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    fn sorted(provider: Provider, stage: Stage, status: u16, body: Value) -> TokenError {
        classify(provider, stage, status, &HeaderMap::new(), body.to_string().as_bytes())
    }

    fn graph(code: i64, subcode: Option<i64>) -> Value {
        let mut error = json!({"message": "…", "type": "OAuthException", "code": code, "fbtrace_id": "A1b2C3"});
        if let Some(subcode) = subcode {
            error["error_subcode"] = subcode.into();
        }
        json!({"error": error})
    }

    #[test]
    fn google() {
        use Provider::Google;
        let over = json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});
        assert_eq!(sorted(Google, Stage::Refresh, 400, over), TokenError::fatal("invalid_grant", Reason::Revoked));
        for word in ["redirect_uri_mismatch", "invalid_client", "unauthorized_client"] {
            for status in [400, 401] {
                let error = sorted(Google, Stage::Exchange, status, json!({"error": word}));
                assert_eq!(error, TokenError::configuration(word.to_owned()));
            }
        }
        let denied = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "errors": [{"reason": "insufficientPermissions"}]}});
        assert_eq!(sorted(Google, Stage::Api, 403, denied), TokenError::denied("insufficient_scope"));
        let quota = json!({"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}]}});
        let mut headers = HeaderMap::new();
        headers.insert("date", HeaderValue::from_static("Sat, 21 Nov 2026 06:00:00 GMT"));
        let error = classify(Google, Stage::Api, 403, &headers, quota.to_string().as_bytes());
        let until_midnight = Some(Duration::from_secs(2 * 60 * 60));
        assert_eq!(error, TokenError::Throttled { code: "quota_exceeded".into(), retry_after: until_midnight });
        let rate = json!({"error": {"code": 403, "errors": [{"reason": "rateLimitExceeded"}]}});
        assert!(matches!(sorted(Google, Stage::Api, 403, rate), TokenError::Throttled { retry_after: None, .. }));
        let unknown = json!({"error": {"code": 400, "message": "Unknown identifier (x) given in field parameters.metrics.", "errors": [{"domain": "global", "reason": "badRequest"}]}});
        assert_eq!(sorted(Google, Stage::Api, 400, unknown), TokenError::configuration("invalid_argument"));
        let stale = json!({"error": {"code": 401, "status": "UNAUTHENTICATED"}});
        assert_eq!(sorted(Google, Stage::Api, 401, stale), TokenError::stale("unauthenticated"));
    }

    #[test]
    fn meta_tokens_that_are_dead() {
        for (subcode, reason) in [
            (None, Reason::Invalid),
            (Some(458), Reason::AppRemoved),
            (Some(459), Reason::Checkpoint),
            (Some(460), Reason::PasswordChanged),
            (Some(463), Reason::Expired),
            (Some(464), Reason::Unconfirmed),
            (Some(467), Reason::Invalid),
            (Some(492), Reason::NoRole),
        ] {
            for provider in [Provider::Facebook, Provider::Instagram] {
                for status in [400, 401, 403] {
                    let error = sorted(provider, Stage::Refresh, status, graph(190, subcode));
                    let TokenError::Final { code, reason: found } = error else { panic!("{subcode:?}: {error:?}") };
                    assert_eq!(found, reason);
                    assert_eq!(code, subcode.map_or("190".to_owned(), |subcode| format!("190/{subcode}")));
                }
            }
        }
    }

    #[test]
    fn meta_limits_and_all_the_rest() {
        use Provider::Facebook;
        for status in [400, 403] {
            let error = sorted(Facebook, Stage::Api, status, graph(4, None));
            assert!(matches!(error, TokenError::Throttled { .. }), "{error:?}");
            for code in [17, 32, 613, 80001, 80002, 80004, 80006] {
                let error = sorted(Facebook, Stage::Api, status, graph(code, None));
                assert!(matches!(error, TokenError::ThrottledAccount { .. }), "{code}: {error:?}");
            }
        }
        for code in [10, 200, 230, 299] {
            assert_eq!(sorted(Facebook, Stage::Api, 400, graph(code, None)), TokenError::denied(code.to_string()));
        }
        assert_eq!(sorted(Facebook, Stage::Refresh, 400, graph(100, None)), TokenError::configuration("100"));
        for code in [1, 2] {
            assert_eq!(
                sorted(Facebook, Stage::Refresh, 400, graph(code, None)),
                TokenError::temporary(code.to_string())
            );
            assert_eq!(
                sorted(Facebook, Stage::Refresh, 500, graph(code, None)),
                TokenError::temporary(code.to_string())
            );
        }
        for (message, expected) in [
            (
                "(#100) metric[2] must be one of the following values: reach, views",
                TokenError::configuration("unknown_metric"),
            ),
            ("(#100) The value must be a valid insights metric", TokenError::configuration("unknown_metric")),
            (
                "(#100) Tried accessing nonexisting field (fans) on node type (Page)",
                TokenError::configuration("unknown_field"),
            ),
            (
                "(#100) Tried accessing nonexisting field (insights) on node type (Video)",
                TokenError::refused("no_insights"),
            ),
            (
                "(#100) The follows metric is not supported for this media product type",
                TokenError::configuration("100"),
            ),
            ("(#100) period must be one of the following values: day, week", TokenError::configuration("100")),
        ] {
            let body = json!({"error": {"message": message, "type": "OAuthException", "code": 100}});
            assert_eq!(sorted(Facebook, Stage::Api, 400, body), expected, "{message}");
        }
        let with_subcode =
            json!({"error": {"message": "must be a valid insights metric", "code": 100, "error_subcode": 33}});
        assert_eq!(sorted(Facebook, Stage::Api, 400, with_subcode), TokenError::configuration("100/33"));
        for code in [368, 506] {
            assert_eq!(sorted(Facebook, Stage::Api, 400, graph(code, None)), TokenError::refused(code.to_string()));
        }
        let secret =
            json!({"error": {"message": "Error validating client secret.", "type": "OAuthException", "code": 1}});
        assert_eq!(sorted(Facebook, Stage::Exchange, 400, secret), TokenError::configuration("1"));
        let mut transient = graph(190, Some(460));
        transient["error"]["is_transient"] = true.into();
        assert!(matches!(sorted(Facebook, Stage::Refresh, 400, transient), TokenError::Temporary { .. }));
        for subcode in [36007, 36009] {
            let error = sorted(Facebook, Stage::Exchange, 400, graph(100, Some(subcode)));
            assert!(matches!(error, TokenError::Final { reason: Reason::Code, .. }));
        }
        assert!(matches!(
            sorted(Facebook, Stage::Exchange, 400, graph(100, Some(36008))),
            TokenError::Configuration { .. }
        ));
    }

    #[test]
    fn a_limit_of_meta_says_in_a_header_when_it_ends() {
        let usage = r#"{"1780000000000042":[{"type":"instagram","call_count":101,"total_cputime":5,"total_time":6,"estimated_time_to_regain_access":7}]}"#;
        let mut headers = HeaderMap::new();
        headers.insert("x-business-use-case-usage", HeaderValue::from_static(usage));
        let error = classify(Provider::Instagram, Stage::Api, 400, &headers, graph(80002, None).to_string().as_bytes());
        let retry_after = Some(Duration::from_secs(7 * 60));
        assert_eq!(error, TokenError::ThrottledAccount { code: "80002".into(), retry_after });
    }

    #[test]
    fn instagram_has_another_form_where_tokens_are_given() {
        let error = |message: &str| {
            let body = json!({"error_type": "OAuthException", "code": 400, "error_message": message});
            sorted(Provider::Instagram, Stage::Exchange, 400, body)
        };
        assert_eq!(
            error("Matching code was not found or was already used"),
            TokenError::fatal("instagram_400", Reason::Code)
        );
        assert_eq!(error("This authorization code has been used"), TokenError::fatal("instagram_400", Reason::Code));
        for message in [
            "Invalid platform app",
            "Invalid Client Secret",
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used",
        ] {
            assert_eq!(error(message), TokenError::configuration("instagram_400"), "{message}");
        }
        let limited = json!({"error_type": "OAuthRateLimitException", "code": 429, "error_message": "…"});
        assert!(matches!(sorted(Provider::Instagram, Stage::Exchange, 429, limited), TokenError::Throttled { .. }));
    }

    #[test]
    fn tiktok_with_any_status() {
        use Provider::Tiktok;
        let over = json!({"error": "invalid_grant", "error_description": "Refresh token is invalid or expired.", "log_id": "2026"});
        for status in [200, 400] {
            let error = sorted(Tiktok, Stage::Refresh, status, over.clone());
            assert_eq!(error, TokenError::fatal("invalid_grant", Reason::Revoked), "{status}");
        }
        let data = |code: &str| json!({"data": {}, "error": {"code": code, "message": "", "log_id": "2026"}});
        for (status, code, expected) in [
            (401, "access_token_invalid", TokenError::stale("access_token_invalid")),
            (200, "access_token_invalid", TokenError::stale("access_token_invalid")),
            (401, "scope_not_authorized", TokenError::denied("scope_not_authorized")),
            (403, "scope_permission_missed", TokenError::denied("scope_permission_missed")),
            (400, "invalid_params", TokenError::configuration("invalid_params")),
            (500, "internal_error", TokenError::temporary("http_500")),
            (200, "internal_error", TokenError::temporary("internal_error")),
        ] {
            assert_eq!(sorted(Tiktok, Stage::Api, status, data(code)), expected, "{status} {code}");
        }
        let limited = sorted(Tiktok, Stage::Api, 429, data("rate_limit_exceeded"));
        assert!(matches!(limited, TokenError::Throttled { .. }));
        let after = sorted(Tiktok, Stage::Api, 401, data("access_token_invalid")).after_refresh();
        assert!(matches!(after, TokenError::Final { .. }));
        let in_refresh = sorted(Tiktok, Stage::Refresh, 200, json!({"error": "access_token_invalid"}));
        assert!(matches!(in_refresh, TokenError::Final { .. }));
    }

    #[test]
    fn linkedin() {
        use Provider::Linkedin;
        let code = json!({"error": "invalid_request", "error_description": "Unable to retrieve access token: authorization code not found"});
        for status in [400, 401] {
            let error = sorted(Linkedin, Stage::Exchange, status, code.clone());
            assert_eq!(error, TokenError::fatal("invalid_request", Reason::Code));
        }
        let form =
            json!({"error": "invalid_request", "error_description": "A required parameter \"client_id\" is missing"});
        assert_eq!(sorted(Linkedin, Stage::Refresh, 400, form), TokenError::configuration("invalid_request"));
        let api = |status: u16, number: Option<i64>, word: &str| {
            let mut body = json!({"status": status, "code": word, "message": "…"});
            if let Some(number) = number {
                body["serviceErrorCode"] = number.into();
            }
            sorted(Linkedin, Stage::Api, status, body)
        };
        assert_eq!(api(401, Some(65602), "EXPIRED_ACCESS_TOKEN"), TokenError::stale("65602"));
        assert_eq!(api(401, Some(65601), "REVOKED_ACCESS_TOKEN"), TokenError::fatal("65601", Reason::Revoked));
        assert_eq!(api(401, Some(65600), "INVALID_ACCESS_TOKEN"), TokenError::stale("65600"));
        assert_eq!(api(403, Some(100), "ACCESS_DENIED"), TokenError::denied("access_denied"));
        assert_eq!(api(426, None, "NONEXISTENT_VERSION"), TokenError::configuration("nonexistent_version"));
        let bad = json!({"status": 400, "code": "ILLEGAL_ARGUMENT", "message": "…"});
        assert_eq!(sorted(Linkedin, Stage::Api, 400, bad), TokenError::refused("http_400"));
        let limited = |message: &str, retry_after: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert("date", HeaderValue::from_static("Mon, 21 Sep 2026 14:13:20 GMT"));
            if let Some(seconds) = retry_after {
                headers.insert("retry-after", HeaderValue::from_static(seconds));
            }
            let body = json!({"status": 429, "serviceErrorCode": 101, "code": "TOO_MANY_REQUESTS", "message": message});
            classify(Linkedin, Stage::Api, 429, &headers, body.to_string().as_bytes())
        };
        let throttled = |seconds: Option<u64>| TokenError::Throttled {
            code: "http_429".into(),
            retry_after: seconds.map(Duration::from_secs),
        };
        let of_app = "Resource level throttle APPLICATION DAY limit for calls to this resource is reached.";
        assert_eq!(limited(of_app, None), throttled(Some(35_200)), "until midnight UTC, by its own clock");
        assert_eq!(limited(of_app, Some("60")), throttled(Some(60)), "what it asks for counts first");
        assert_eq!(
            limited("Resource level throttle limit for calls to this resource is reached.", None),
            throttled(None)
        );
        let of_member =
            "Resource level throttle APPLICATION_AND_MEMBER DAY limit for calls to this resource is reached.";
        let retry_after = Some(Duration::from_secs(35_200));
        assert_eq!(
            limited(of_member, None),
            TokenError::ThrottledAccount { code: "member_day_limit".into(), retry_after },
            "the others go on"
        );
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("120"));
        assert_eq!(
            classify(Linkedin, Stage::Api, 429, &headers, b"{}"),
            TokenError::Throttled { code: "http_429".into(), retry_after: Some(Duration::from_secs(120)) }
        );
    }

    #[test]
    fn x_says_invalid_request_when_a_refresh_token_was_used_before() {
        use Provider::X;
        let body = json!({"error": "invalid_request", "error_description": "Value passed for the token was invalid."});
        assert_eq!(sorted(X, Stage::Refresh, 400, body), TokenError::Spent);
        let body = json!({"error": "invalid_request", "error_description": "Value passed for the authorization code was invalid."});
        assert_eq!(sorted(X, Stage::Exchange, 400, body), TokenError::fatal("invalid_request", Reason::Code));
        let body = json!({"error": "invalid_request", "error_description": "Missing required parameter [client_id]."});
        assert_eq!(sorted(X, Stage::Refresh, 400, body), TokenError::configuration("invalid_request"));
        let problem = |status: u16, kind: &str| {
            let kind = format!("https://api.x.com/2/problems/{kind}");
            sorted(X, Stage::Api, status, json!({"title": "…", "detail": "…", "type": kind, "status": status}))
        };
        assert_eq!(problem(401, "about:blank"), TokenError::stale("http_401"));
        assert_eq!(problem(403, "client-forbidden"), TokenError::configuration("client_forbidden"));
        for (status, kind) in [(403, "usage-capped"), (429, "usage-capped"), (402, "credits")] {
            let long = Some(UNTIL_CREDITS);
            assert!(matches!(problem(status, kind), TokenError::Throttled { retry_after, .. } if retry_after == long));
        }
        let limited = |headers: &HeaderMap| {
            let body = json!({"title": "Too Many Requests", "type": "about:blank", "status": 429});
            classify(X, Stage::Api, 429, headers, body.to_string().as_bytes())
        };
        assert!(matches!(limited(&HeaderMap::new()), TokenError::Throttled { retry_after: None, .. }));
        let mut window = HeaderMap::new();
        window.insert("x-rate-limit-limit", HeaderValue::from_static("75"));
        window.insert("x-rate-limit-remaining", HeaderValue::from_static("0"));
        window.insert("x-rate-limit-reset", HeaderValue::from_static("1790000300"));
        window.insert("date", HeaderValue::from_static("Mon, 21 Sep 2026 14:13:20 GMT"));
        let retry_after = Some(Duration::from_secs(300));
        assert_eq!(limited(&window), TokenError::ThrottledAccount { code: "http_429".into(), retry_after });
        let unscoped = json!({"title": "Forbidden", "type": "about:blank", "status": 403, "detail": "Forbidden"});
        assert_eq!(sorted(X, Stage::Api, 403, unscoped), TokenError::denied("http_403"));
        assert_eq!(problem(503, "service-unavailable"), TokenError::temporary("http_503"));
        assert_eq!(problem(404, "resource-not-found"), TokenError::refused("http_404"));
    }

    #[test]
    fn what_is_not_recognised_ends_no_connection() {
        for provider in Provider::ALL {
            for stage in [Stage::Exchange, Stage::Refresh, Stage::Revoke, Stage::Api] {
                for status in [400, 401, 403, 404, 408, 409, 418, 429, 500, 502, 503, 504, 524] {
                    for body in [
                        "",
                        "<html>",
                        "null",
                        "[]",
                        "{}",
                        r#"{"error":5}"#,
                        r#"{"error":{"code":"x"}}"#,
                        r#"{"error":"other"}"#,
                    ] {
                        let error = classify(provider, stage, status, &HeaderMap::new(), body.as_bytes());
                        let ends = matches!(error, TokenError::Final { .. } | TokenError::Spent);
                        assert!(!ends, "{provider:?} {stage:?} {status} {body}: {error:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_a_provider_says_is_repeated() {
        let canary = "canary-5f0c1d2e";
        for provider in Provider::ALL {
            for body in [
                json!({"error": canary, "error_description": canary}),
                json!({"error": "invalid_grant", "error_description": canary}),
                json!({"error": {"code": canary, "message": canary, "status": canary}}),
                json!({"error": {"code": 190, "message": canary, "type": canary}}),
                json!({"error_type": canary, "error_message": canary, "code": 400}),
                json!({"code": canary, "message": canary, "type": canary, "serviceErrorCode": 1}),
            ] {
                let error = sorted(provider, Stage::Refresh, 400, body);
                assert!(!format!("{error:?} {error}").contains(canary), "{provider:?}");
            }
        }
    }

    /// The words that errors are made of, in places where they do not belong.
    fn any_body() -> impl Strategy<Value = Value> {
        let words = [
            "error",
            "code",
            "invalid_request",
            "error_subcode",
            "190",
            "error_type",
            "errors",
            "reason",
            "type",
            "status",
            "serviceErrorCode",
            "details",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            proptest::sample::select(words.to_vec()).prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            let names = proptest::sample::select(words.to_vec()).prop_map(str::to_owned);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map(names, inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_body_means_something(body in any_body(), bytes in any::<Vec<u8>>(), status in 100..600_u16) {
            for provider in Provider::ALL {
                for stage in [Stage::Exchange, Stage::Refresh, Stage::Revoke, Stage::Api] {
                    sorted(provider, stage, status, body.clone());
                    let unread = classify(provider, stage, status, &HeaderMap::new(), &bytes);
                    let ends = matches!(unread, TokenError::Final { .. } | TokenError::Spent);
                    prop_assert!(!ends, "{:?}", unread);
                }
            }
        }
    }
}
