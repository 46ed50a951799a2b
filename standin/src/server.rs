//! The routes, and starting them on a listener.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::catalog::Catalog;
use crate::decodo::{self, Tasks};
use crate::faults::{Faults, Rule};
use crate::oauth::{self, Oauth};
use crate::requests::Requests;
use crate::webhooks;

/// What callers must send as Basic authentication.
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Credentials { username: "demo".to_owned(), password: "demo".to_owned() }
    }
}

pub struct Shared {
    pub catalog: Catalog,
    pub credentials: Credentials,
    pub faults: Faults,
    pub requests: Requests,
    pub tasks: Tasks,
    pub oauth: Oauth,
}

/// Serves on `listener` until `stop` is ready.
pub async fn serve(
    listener: TcpListener,
    catalog: Catalog,
    credentials: Credentials,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let shared = share(catalog, credentials);
    axum::serve(listener, routes(shared)).with_graceful_shutdown(stop).await
}

/// A stand-in inside this process, on a free port of the loopback interface; it ends when this is dropped.
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<io::Result<()>>,
}

/// Starts a stand-in for a test.
pub async fn start(catalog: Catalog, credentials: Credentials) -> io::Result<Running> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let shared = share(catalog, credentials);
    let app = routes(shared.clone());
    let task = tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(Running { address, shared, task })
}

impl Running {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn add_fault(&self, rule: Rule) {
        self.shared.faults.add(rule);
    }

    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Requests so far, those with wrong credentials included.
    pub fn requests(&self) -> u64 {
        self.shared.requests.total()
    }

    /// Requests so far of one target and query: of an OAuth provider and a path below it.
    pub fn requests_of(&self, target: &str, query: &str) -> u64 {
        self.shared.requests.of(target, query)
    }

    pub fn oauth(&self) -> &Oauth {
        &self.shared.oauth
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn share(catalog: Catalog, credentials: Credentials) -> Arc<Shared> {
    Arc::new(Shared {
        catalog,
        credentials,
        faults: Faults::default(),
        requests: Requests::default(),
        tasks: Tasks::default(),
        oauth: Oauth::default(),
    })
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v2/scrape", post(decodo::scrape))
        .route("/v3/task", post(decodo::create_task))
        .route("/v3/task/{id}", get(decodo::task_state))
        .route("/v3/task/{id}/results", get(decodo::task_results))
        .route("/catalog", get(show_catalog))
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/requests", get(list_requests).delete(clear_requests))
        .route("/webhooks/send", post(webhooks::send))
        .merge(oauth::routes(shared.clone()))
        .with_state(shared)
}

async fn show_catalog(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({
        "usernames": shared.catalog.entries(),
        "shortcodes": shared.catalog.shortcodes(),
    }))
}

async fn list_faults(State(shared): State<Arc<Shared>>) -> Json<Vec<Rule>> {
    Json(shared.faults.list())
}

async fn add_fault(State(shared): State<Arc<Shared>>, Json(rule): Json<Rule>) -> Response {
    shared.faults.add(rule.clone());
    (StatusCode::CREATED, Json(rule)).into_response()
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

async fn list_requests(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let (unauthorized, requests) = shared.requests.list();
    Json(json!({
        "total": shared.requests.total(),
        "unauthorized": unauthorized,
        "requests": requests,
    }))
}

async fn clear_requests(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.requests.clear();
    StatusCode::NO_CONTENT
}
