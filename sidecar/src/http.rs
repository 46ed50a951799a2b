//! /healthz, /readyz and /metrics.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::jobs::Status;
use crate::metrics::Metrics;
use crate::resilience::Gate;

pub struct Surface {
    pub metrics: Arc<Metrics>,
    pub status: Arc<Status>,
    pub gates: Vec<Arc<Gate>>,
}

pub fn routes(surface: Arc<Surface>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(surface)
}

/// 200 when jobs can be worked on, else 503 with the reasons. An open breaker closes by itself and is no reason.
async fn readyz(Shared(surface): Shared<Arc<Surface>>) -> Response {
    let mut reasons = Vec::new();
    if surface.status.is_stopping() {
        reasons.push("stopping".to_owned());
    }
    if let Some(trouble) = surface.status.database_trouble() {
        reasons.push(format!("database: {trouble}"));
    }
    if let Some(trouble) = surface.status.address_trouble() {
        reasons.push(format!("oauth: {trouble}"));
    }
    reasons.extend(
        surface.gates.iter().filter_map(|gate| gate.stopped().map(|reason| format!("{}: {reason}", gate.name()))),
    );
    let remotes: serde_json::Map<_, _> =
        surface.gates.iter().map(|gate| (gate.name().to_owned(), json!(gate.state().name()))).collect();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({"ready": reasons.is_empty(), "reasons": reasons, "remotes": remotes});
    (status, Json(body)).into_response()
}

async fn metrics(Shared(surface): Shared<Arc<Surface>>) -> Response {
    for gate in &surface.gates {
        surface.metrics.show_state(gate.name(), gate.state());
    }
    match surface.metrics.render() {
        Ok(text) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
