//! POST /webhooks/stripe: events that bear Stripe's signature are handed to the database as they came. 2xx means that the
//! database has the event; after anything else Stripe delivers it again, for up to three days.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::SecretString;
use serde::Deserialize;
use sqlx::types::Json;
use tokio::time::timeout;

use crate::metrics::Metrics;
use crate::queue::{PgQueue, QueueError, in_time};
use crate::stripe;

/// Bytes; as much as the database reads.
const MAX_BODY: usize = 1024 * 1024;
/// For the body to arrive, and for the database to take it: Stripe gives up soon after and delivers again.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const APPLY_TIMEOUT: Duration = Duration::from_secs(8);

/// What the database made of an event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Applied {
    pub event_id: String,
    /// "applied", "waiting", "outdated" or "ignored"
    pub status: String,
    pub note: Option<String>,
    /// It was delivered before.
    pub duplicate: bool,
}

/// What the webhook needs of the database.
pub trait Billing: Send + Sync + 'static {
    fn apply(&self, payload: &str, signature: &str) -> impl Future<Output = Result<Applied, QueueError>> + Send;
}

impl Billing for PgQueue {
    async fn apply(&self, payload: &str, signature: &str) -> Result<Applied, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.apply_billing_event($1::json, $2)")
            .bind(payload)
            .bind(signature);
        let Json(applied) = in_time(query.fetch_one(self.pool())).await?;
        Ok(applied)
    }
}

pub struct Webhook<B> {
    pub billing: B,
    /// Several while one is rolled.
    pub secrets: Vec<SecretString>,
    pub metrics: Arc<Metrics>,
}

pub fn routes<B: Billing>(webhook: Arc<Webhook<B>>) -> Router {
    Router::new().route("/webhooks/stripe", post(receive::<B>)).with_state(webhook)
}

async fn receive<B: Billing>(Shared(webhook): Shared<Arc<Webhook<B>>>, headers: HeaderMap, body: Body) -> Response {
    let (status, outcome) = webhook.deliver(&headers, body).await;
    webhook.metrics.count_webhook(&outcome);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return (status, [(RETRY_AFTER, "60")]).into_response();
    }
    status.into_response()
}

impl<B: Billing> Webhook<B> {
    async fn deliver(&self, headers: &HeaderMap, body: Body) -> (StatusCode, String) {
        let body = match timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "unreadable".to_owned()),
            Err(_) => return (StatusCode::REQUEST_TIMEOUT, "unreadable".to_owned()),
        };
        let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Err(refusal) = stripe::verify(signature, &body, &self.secrets, SystemTime::now()) {
            tracing::warn!(?refusal, "webhook delivery refused");
            return (StatusCode::BAD_REQUEST, "bad_signature".to_owned());
        }
        let Ok(payload) = str::from_utf8(&body) else {
            return (StatusCode::BAD_REQUEST, "malformed".to_owned());
        };
        let applied = timeout(APPLY_TIMEOUT, self.billing.apply(payload, signature)).await;
        match applied.unwrap_or_else(|_| Err(QueueError::Unavailable("no answer in time".to_owned()))) {
            Ok(applied) => {
                let Applied { event_id, status, note, duplicate } = applied;
                tracing::info!(event_id, status, note, duplicate, "billing event");
                (StatusCode::OK, if duplicate { "duplicate".to_owned() } else { status })
            }
            // Signed and no event: Stripe's form has changed, or somebody else's secret is ours. Stripe shows it as failed.
            Err(QueueError::Refused { sqlstate }) if sqlstate.starts_with("22") || sqlstate == "PT400" => {
                tracing::error!(sqlstate, "billing event not understood");
                (StatusCode::BAD_REQUEST, "malformed".to_owned())
            }
            Err(error) => {
                tracing::error!(%error, "billing event not stored, stripe will deliver it again");
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable".to_owned())
            }
        }
    }
}
