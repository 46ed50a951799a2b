//! The platforms as senders: `POST /webhooks/send` delivers what it is given, signed as the platform signs it, and answers what
//! it was answered. Faults are the sender's: what forgers, broken networks and repeating platforms do.
//!
//! HTTP is written by hand, since no client sends half a body or one header twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Utc;
use futures_util::future::join_all;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::server::Shared;

const ANSWER_TIME: Duration = Duration::from_secs(60);
const MOST_AT_ONCE: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    Instagram,
    Facebook,
    Tiktok,
    X,
    Linkedin,
    Youtube,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderFault {
    WrongKey,
    /// Signed as another platform would.
    OtherPlatform,
    Unsigned,
    /// Of TikTok: signed ten minutes ago.
    OldTime,
    UppercaseSignature,
    ShortSignature,
    LongSignature,
    SignedTwice,
    /// Something is changed after it was signed.
    ChangedBody,
    WrongType,
    /// The connection breaks in the middle.
    HalfBody,
    /// A pause in the middle.
    SlowBody,
    /// The last one first.
    Reordered,
}

/// What to send where.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    platform: Platform,
    /// On the loopback interface.
    to: String,
    /// Deliveries, as JSON or, where a byte matters, as text.
    #[serde(default)]
    bodies: Vec<Value>,
    /// Instead of bodies: what Meta signs for a person, sent as a form.
    signed_request: Option<Value>,
    /// Default: the app's client secret.
    secret: Option<String>,
    fault: Option<SenderFault>,
    /// Each delivery so often.
    #[serde(default = "once")]
    times: usize,
    /// All at the same moment, not one after the other.
    #[serde(default)]
    at_once: bool,
    #[serde(default = "ten")]
    pause_seconds: u64,
}

fn once() -> usize {
    1
}

fn ten() -> u64 {
    10
}

#[derive(Debug, Serialize)]
struct Answer {
    /// 0: the connection ended without one.
    status: u16,
    body: String,
}

pub async fn send(State(shared): State<Arc<Shared>>, Json(order): Json<Order>) -> Response {
    let Some((address, path)) = target(&order.to) else {
        return (StatusCode::UNPROCESSABLE_ENTITY, "to is http://127.0.0.1:port/path").into_response();
    };
    let secret = order.secret.clone().unwrap_or_else(|| shared.oauth.client_secret());
    let mut bodies: Vec<String> = match &order.signed_request {
        Some(request) => {
            vec![format!("signed_request={}", signed_request(&request.to_string(), &key_of(&order, secret.clone())))]
        }
        None => order.bodies.iter().map(|body| body.as_str().map_or_else(|| body.to_string(), str::to_owned)).collect(),
    };
    if order.fault == Some(SenderFault::Reordered) {
        bodies.reverse();
    }
    if bodies.len() * order.times > MOST_AT_ONCE {
        return (StatusCode::UNPROCESSABLE_ENTITY, "at most 200 deliveries at a time").into_response();
    }
    let deliveries = bodies.iter().flat_map(|body| std::iter::repeat_n(body, order.times));
    let deliver = |body: &String| {
        let head = head(&order, &path, &secret, body);
        let (body, order) = (body.clone(), order.clone());
        async move { deliver(address, head, &body, &order).await.unwrap_or(Answer { status: 0, body: String::new() }) }
    };
    let answers = if order.at_once {
        join_all(deliveries.map(deliver)).await
    } else {
        let mut answers = Vec::new();
        for body in deliveries {
            answers.push(deliver(body).await);
        }
        answers
    };
    Json(json!({"answers": answers})).into_response()
}

/// Loopback only: this is no way to call others.
fn target(to: &str) -> Option<(SocketAddr, String)> {
    let (host, path) = to.strip_prefix("http://")?.split_once('/')?;
    let address: SocketAddr = host.replace("localhost", "127.0.0.1").parse().ok()?;
    let is_path = path.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    (address.ip().is_loopback() && is_path).then(|| (address, format!("/{path}")))
}

fn key_of(order: &Order, secret: String) -> String {
    if order.fault == Some(SenderFault::WrongKey) { format!("not {secret}") } else { secret }
}

/// The request up to its body.
fn head(order: &Order, path: &str, secret: &str, body: &str) -> String {
    let content_type = match order.platform {
        _ if order.fault == Some(SenderFault::WrongType) => "text/plain",
        _ if order.signed_request.is_some() => "application/x-www-form-urlencoded",
        Platform::Youtube => "application/atom+xml",
        Platform::Tiktok | Platform::X | Platform::Linkedin | Platform::Instagram | Platform::Facebook => {
            "application/json; charset=utf-8"
        }
    };
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: sidecar\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n",
        body.len()
    );
    let is_unsigned = order.signed_request.is_some() || order.fault == Some(SenderFault::Unsigned);
    if !is_unsigned {
        let platform = match (order.fault, order.platform) {
            (Some(SenderFault::OtherPlatform), Platform::Tiktok) => Platform::X,
            (Some(SenderFault::OtherPlatform), _) => Platform::Tiktok,
            (_, platform) => platform,
        };
        let mut time = Utc::now().timestamp();
        if order.fault == Some(SenderFault::OldTime) {
            time -= 600;
        }
        let signed = if order.fault == Some(SenderFault::ChangedBody) { format!("{body} ") } else { body.to_owned() };
        let (name, value) = signature(platform, &key_of(order, secret.to_owned()), &signed, time);
        let (scheme, signature) = value.rsplit_once('=').filter(|(_, rest)| !rest.is_empty()).unwrap_or(("", &value));
        let separator = if scheme.is_empty() { "" } else { "=" };
        let value = match order.fault {
            Some(SenderFault::UppercaseSignature) => format!("{scheme}{separator}{}", signature.to_uppercase()),
            Some(SenderFault::ShortSignature) => value.chars().take(value.len() - 2).collect(),
            Some(SenderFault::LongSignature) => format!("{value}00"),
            _ => value,
        };
        let times = if order.fault == Some(SenderFault::SignedTwice) { 2 } else { 1 };
        for _ in 0..times {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("\r\n");
    head
}

/// The header that a platform signs with, and its value.
fn signature(platform: Platform, secret: &str, body: &str, time: i64) -> (&'static str, String) {
    let tag = |algorithm, message: &str| hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes());
    let hex = |tag: hmac::Tag| tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sha256 = |message: &str| tag(hmac::HMAC_SHA256, message);
    match platform {
        Platform::Instagram | Platform::Facebook => ("x-hub-signature-256", format!("sha256={}", hex(sha256(body)))),
        Platform::X => ("x-twitter-webhooks-signature", format!("sha256={}", STANDARD.encode(sha256(body)))),
        Platform::Linkedin => ("x-li-signature", hex(sha256(&format!("hmacsha256={body}")))),
        Platform::Tiktok => ("tiktok-signature", format!("t={time},s={}", hex(sha256(&format!("{time}.{body}"))))),
        Platform::Youtube => {
            ("x-hub-signature", format!("sha1={}", hex(tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, body))))
        }
    }
}

fn signed_request(payload: &str, secret: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), payload.as_bytes());
    format!("{}.{payload}", URL_SAFE_NO_PAD.encode(tag))
}

async fn deliver(address: SocketAddr, head: String, body: &str, order: &Order) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    match order.fault {
        Some(SenderFault::HalfBody) => {
            stream.write_all(first).await?;
            stream.shutdown().await?;
        }
        Some(SenderFault::SlowBody) => {
            stream.write_all(first).await?;
            sleep(Duration::from_secs(order.pause_seconds)).await;
            // It may have been answered and closed meanwhile.
            let _ = stream.write_all(second).await;
        }
        _ => {
            // An answer may come before the body is out, to one that is refused for its size.
            let _ = stream.write_all(body.as_bytes()).await;
        }
    }
    let mut answer = Vec::new();
    // A reset after the answer does not take it back.
    let _ = timeout(ANSWER_TIME, stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok(Answer { status: status.unwrap_or(0), body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Computed with another implementation.
    #[test]
    fn deliveries_are_signed_as_the_platforms_do() {
        let value = |platform, secret, body| signature(platform, secret, body, 1_633_174_587).1;
        assert_eq!(
            value(Platform::Instagram, "app_secret_example", r#"{"object":"instagram","entry":[]}"#),
            "sha256=9ecc9e42f3b8e7aa3d3b5aa102e10f5ff5693283258240f126b00d7bf2874f8d"
        );
        assert_eq!(
            value(Platform::X, "consumer_secret_example", "challenge_example"),
            "sha256=xutMPJYvYcHfI7LPvpsKW21dyHcr/qDOsolD/u+kl6A="
        );
        assert_eq!(
            value(Platform::Tiktok, "client_secret_example", r#"{"event":"authorization.removed"}"#),
            "t=1633174587,s=5e20138b723dcc932743707017537e136b8d9eee77eb6f73da33a53ff15f0991"
        );
        assert_eq!(
            value(Platform::Linkedin, "client_secret_example", "{}"),
            "6f66943398d3e581b0692144b8836f0538855919e1feb13b49d74a21d64eafa8"
        );
        assert_eq!(
            value(Platform::Youtube, "hub_secret_example", "<feed/>"),
            "sha1=4df0b4297491b6f7fbf5af493f979fba06083778"
        );
    }

    #[test]
    fn only_loopback_is_called() {
        assert!(target("http://127.0.0.1:9189/webhooks/x").is_some());
        for to in ["http://192.0.2.1:80/x", "https://127.0.0.1:1/x", "http://127.0.0.1:1/a b", "http://example.com/x"] {
            assert!(target(to).is_none(), "{to}");
        }
    }
}
