//! Forms of answers that all stand-ins give.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::faults::{RetryAfter, Rule};

pub const TEN_MEGABYTES: usize = 10 * 1024 * 1024;

pub fn json_body(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

pub fn html(status: StatusCode) -> Response {
    let body = format!("<html><body><h1>{status}</h1></body></html>");
    (status, [(CONTENT_TYPE, "text/html")], body).into_response()
}

pub fn with_retry_after(mut response: Response, rule: &Rule) -> Response {
    let value = match &rule.retry_after {
        Some(RetryAfter::Seconds(seconds)) => Some(HeaderValue::from(*seconds)),
        Some(RetryAfter::Text(text)) => HeaderValue::from_str(text).ok(),
        None => None,
    };
    if let Some(value) = value {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

/// Declares the whole length, sends half of it and drops the connection.
pub fn cut_in_half(body: String) -> Response {
    let length = body.len();
    let mut half = body.into_bytes();
    half.truncate(length / 2);
    // The pause lets the first half reach the wire before the error ends the connection.
    let break_off = stream::once(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let parts = stream::iter([Ok(Bytes::from(half))]).chain(break_off);
    let mut response = Response::new(Body::from_stream(parts));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
