//! One call to a provider, and the answers that most of them give.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::error::{Stage, TokenError, classify};
use super::{Client, Grant, Provider, linkedin, tiktok, usage::app_usage};

/// Answers about tokens have a few hundred bytes, a page of accounts some hundred thousand.
const LONGEST_ANSWER: usize = 2 * 1024 * 1024;

/// Meta says that its tokens may grow; headers of servers end at 8 or 16 KiB.
const LONGEST_TOKEN: usize = 8 * 1024;

/// A longer life than any provider gives is a mistake of theirs.
const LONGEST_LIFE: i64 = 10 * 366 * 24 * 60 * 60;

/// Pages of accounts that are read, a hundred accounts each.
pub(super) const MOST_PAGES: usize = 50;

impl Client {
    /// POST of a form that reads an answer of type `T`.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        stage: Stage,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<T, TokenError> {
        parse(&self.send(stage, self.form(url, form)).await?)
    }

    pub(super) fn form(&self, url: &Url, form: &[(&str, &str)]) -> RequestBuilder {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        self.http.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
    }

    /// GET with a query string. Only where the provider takes nothing else may the query hold a secret.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        stage: Stage,
        url: &Url,
        query: &[(&str, &str)],
        bearer: Option<&SecretString>,
    ) -> Result<T, TokenError> {
        parse(&self.send(stage, self.query(url, query, bearer)).await?)
    }

    pub(super) fn query(&self, url: &Url, query: &[(&str, &str)], bearer: Option<&SecretString>) -> RequestBuilder {
        let mut url = url.clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.get(url);
        match bearer {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    /// An address of the API.
    pub(super) fn api(&self, path: &str) -> Result<Url, TokenError> {
        self.endpoints.api.join(path).map_err(|_| TokenError::Refused { code: "path".into() })
    }

    /// Data of the API, and what the answer says about our limit. `path` may bring a query of its own where the provider wants
    /// one that is not escaped in the ordinary way.
    pub async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        token: &SecretString,
    ) -> Result<(T, Option<u32>), TokenError> {
        let request = self.query(&self.api(path)?, query, Some(token));
        self.data(match self.provider {
            Provider::Linkedin => linkedin::versioned(self, request),
            _ => request,
        })
        .await
    }

    /// Data that is asked for with a body.
    pub async fn read_posted<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &Value,
        token: &SecretString,
    ) -> Result<(T, Option<u32>), TokenError> {
        let mut url = self.api(path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.data(self.http.post(url).bearer_auth(token.expose_secret()).json(body)).await
    }

    /// Data of YouTube's reports.
    pub async fn read_report<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        token: &SecretString,
    ) -> Result<(T, Option<u32>), TokenError> {
        let reports = self.endpoints.reports.as_ref().and_then(|reports| reports.join(path).ok());
        let url = reports.ok_or(TokenError::Refused { code: "no_reports".into() })?;
        self.data(self.query(&url, query, Some(token))).await
    }

    async fn data<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<(T, Option<u32>), TokenError> {
        let (headers, body) = self.answer(Stage::Api, request).await?;
        if self.provider == Provider::Tiktok {
            tiktok::judge(self, Stage::Api, &body)?;
        }
        Ok((parse(&body)?, app_usage(&headers)))
    }

    /// The body of a 2xx answer; everything else as what it means.
    pub(super) async fn send(&self, stage: Stage, request: RequestBuilder) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        self.answer(stage, request).await.map(|(_, body)| body)
    }

    async fn answer(
        &self,
        stage: Stage,
        request: RequestBuilder,
    ) -> Result<(HeaderMap, Zeroizing<Vec<u8>>), TokenError> {
        let response = request.header(ACCEPT, "application/json").send().await.map_err(trouble)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = bounded(response).await;
        if status.is_success() {
            return body.map(|body| (headers, body));
        }
        // The status says enough where the explanation is lost.
        let body = body.unwrap_or_default();
        Err(classify(self.provider, stage, status.as_u16(), &headers, &body))
    }
}

async fn bounded(mut response: Response) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    let too_long = TokenError::Malformed { what: "longer than any answer should be" };
    if response.content_length().is_some_and(|length| length > LONGEST_ANSWER as u64) {
        return Err(too_long);
    }
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(trouble)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(too_long);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The library's own words hold the address, and Meta's addresses hold secrets.
fn trouble(error: reqwest::Error) -> TokenError {
    TokenError::temporary(if error.is_timeout() {
        "timed_out"
    } else if error.is_connect() {
        "no_connection"
    } else {
        "connection_lost"
    })
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, TokenError> {
    serde_json::from_slice(body).map_err(|_| TokenError::Malformed { what: "it is not of the documented form" })
}

/// An answer of a token endpoint, all of the usual fields optional: what must be there is checked by `grant`.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    access_token: Option<SecretString>,
    refresh_token: Option<SecretString>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Seconds,
    #[serde(default, deserialize_with = "seconds")]
    refresh_expires_in: Seconds,
    #[serde(default, deserialize_with = "seconds")]
    refresh_token_expires_in: Seconds,
    scope: Option<String>,
    token_type: Option<String>,
    open_id: Option<String>,
    id_token: Option<SecretString>,
}

/// A life as the answer gives it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Seconds {
    #[default]
    Missing,
    Some(i64),
    Nonsense,
}

/// A number, or a number as text.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
    let seconds = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(Seconds::Missing),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    Ok(seconds.filter(|seconds| (1..=LONGEST_LIFE).contains(seconds)).map_or(Seconds::Nonsense, Seconds::Some))
}

impl Seconds {
    fn end(self, issued_at: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, TokenError> {
        match self {
            Seconds::Missing => Ok(None),
            Seconds::Some(seconds) => Ok(Some(issued_at + TimeDelta::seconds(seconds))),
            Seconds::Nonsense => Err(TokenError::Malformed { what: "its life is no number of seconds" }),
        }
    }
}

impl TokenAnswer {
    /// The grant, if there is one in it. `life`: in seconds, of an access token whose answer does not say.
    pub(super) fn grant(self, issued_at: DateTime<Utc>, life: Option<i64>) -> Result<Grant, TokenError> {
        let access_token = self.access_token.filter(is_token);
        let access_token = access_token.ok_or(TokenError::Malformed { what: "it holds no access token" })?;
        // An empty one is as good as none; one of another form is a mistake that must not be stored.
        let refresh_token = self.refresh_token.filter(|token| !token.expose_secret().is_empty());
        if refresh_token.as_ref().is_some_and(|token| !is_token(token)) {
            return Err(TokenError::Malformed { what: "its refresh token is not of the form of one" });
        }
        // Another kind would have to be shown in another way than we can.
        if self.token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(TokenError::Malformed { what: "its token is of a kind that is not known" });
        }
        let refresh_life = match self.refresh_expires_in {
            Seconds::Missing => self.refresh_token_expires_in,
            given => given,
        };
        let expires_in = match (self.expires_in, life) {
            (Seconds::Missing, Some(life)) => Seconds::Some(life),
            (given, _) => given,
        };
        let subject = self.id_token.as_ref().and_then(subject);
        Ok(Grant {
            access_token,
            refresh_token,
            issued_at,
            access_expires_at: expires_in.end(issued_at)?,
            refresh_expires_at: refresh_life.end(issued_at)?,
            scopes: self.scope.as_deref().map(scopes).unwrap_or_default(),
            token_type: self.token_type.unwrap_or_else(|| "Bearer".to_owned()),
            provider_user_id: self.open_id.filter(|id| !id.is_empty()).or(subject),
        })
    }
}

/// Visible ASCII of a bounded length, so that it can be sent in a header.
pub(super) fn is_token(token: &SecretString) -> bool {
    let token = token.expose_secret();
    (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Separated by spaces or commas: LinkedIn does either.
pub(super) fn scopes(list: &str) -> Vec<String> {
    list.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// Whom an id token is about. Its signature need not be looked at: it came from the provider itself, over TLS (OpenID
/// Connect Core 3.1.3.7).
fn subject(id_token: &SecretString) -> Option<String> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = id_token.expose_secret().split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Some(claims.sub).filter(|sub| !sub.is_empty() && sub.len() <= 255)
}

/// An id that comes as text or as a number, which may be longer than a float holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Text(String),
    Number(u64),
}

impl Id {
    pub(super) fn text(self) -> Option<String> {
        match self {
            Id::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Id::Number(number) => Some(number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("a time")
    }

    fn grant(body: &str) -> Result<Grant, TokenError> {
        parse::<TokenAnswer>(body.as_bytes())?.grant(now(), Some(3600))
    }

    #[test]
    fn the_answers_of_the_providers_are_read() {
        let google = grant(
            r#"{"access_token":"ya29.a","expires_in":3599,"refresh_token":"1//r","scope":"openid https://www.googleapis.com/auth/youtube.readonly",
                "token_type":"Bearer","id_token":"e30.eyJzdWIiOiIxMDc2OTE1MDM1MDAwNjE1MDcxNTExMyJ9.c2ln","refresh_token_expires_in":604799}"#,
        )
        .expect("a grant");
        assert_eq!(google.access_expires_at, Some(now() + TimeDelta::seconds(3599)));
        assert_eq!(google.refresh_expires_at, Some(now() + TimeDelta::seconds(604_799)));
        assert_eq!(google.provider_user_id.as_deref(), Some("10769150350006150715113"));
        assert_eq!(google.scopes.len(), 2);

        let tiktok = grant(
            r#"{"access_token":"act.a","expires_in":86400,"open_id":"0f6e-1","refresh_expires_in":31536000,"refresh_token":"rft.r",
                "scope":"user.info.basic,video.list","token_type":"Bearer"}"#,
        )
        .expect("a grant");
        assert_eq!(tiktok.provider_user_id.as_deref(), Some("0f6e-1"));
        assert_eq!(tiktok.scopes, ["user.info.basic", "video.list"]);

        let linkedin =
            grant(r#"{"access_token":"AQX","expires_in":"5184000","scope":"openid,profile w_member_social"}"#);
        let linkedin = linkedin.expect("a grant");
        assert_eq!(linkedin.access_expires_at, Some(now() + TimeDelta::days(60)));
        assert_eq!((linkedin.token_type.as_str(), linkedin.scopes.len()), ("Bearer", 3));
        assert!(linkedin.refresh_token.is_none());
    }

    #[test]
    fn what_holds_no_token_is_never_a_success() {
        let spaced = r#"{"access_token":"a b","expires_in":5}"#;
        let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(LONGEST_TOKEN + 1));
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            r#"{"access_token":null}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":5}"#,
            "{\"access_token\":\"a\\nb\"}",
            r#"{"access_token":"ü"}"#,
            spaced,
            &long,
            r#"{"access_token":"a","refresh_token":"b c"}"#,
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"access_token":"a","expires_in":0}"#,
            r#"{"access_token":"a","expires_in":-5}"#,
            r#"{"access_token":"a","expires_in":1e30}"#,
            r#"{"access_token":"a","expires_in":9223372036854775807}"#,
            r#"{"access_token":"a","expires_in":"soon"}"#,
            r#"{"access_token":"a","refresh_expires_in":true}"#,
            r#"{"access_token":"a""#,
        ] {
            assert!(matches!(grant(body), Err(TokenError::Malformed { .. })), "{body}");
        }
    }

    #[test]
    fn an_empty_refresh_token_is_none() {
        let grant = grant(r#"{"access_token":"a","refresh_token":""}"#).expect("a grant");
        assert!(grant.refresh_token.is_none());
    }

    #[test]
    fn a_life_that_is_not_given_is_the_usual_one() {
        let grant = grant(r#"{"access_token":"a","expires_in":null}"#).expect("a grant");
        assert_eq!(grant.access_expires_at, Some(now() + TimeDelta::hours(1)));
    }

    #[test]
    fn a_grant_shows_no_token() {
        let grant = grant(r#"{"access_token":"canary-5f0c","refresh_token":"canary-5f0d"}"#).expect("a grant");
        assert!(!format!("{grant:?}").contains("canary"));
    }
}
