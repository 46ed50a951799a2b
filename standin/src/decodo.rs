//! Decodo's scraping API: `POST /v2/scrape` at once, `POST /v3/task` and its two reads later.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::catalog::{Payload, empty_timeline, nobody};
use crate::faults::Fault;
use crate::reply::{TEN_MEGABYTES, cut_in_half, html, json_body, with_retry_after};
use crate::server::Shared;

const PROFILE: &str = "instagram_graphql_profile";
const POSTS: &str = "instagram_graphql_user_posts";
const POST: &str = "instagram_graphql_post";

/// Task ids of Decodo have 19 digits: above 2^53 and inside i64.
const FIRST_TASK_ID: u64 = 7_390_120_000_000_000_001;

/// Tasks of the asynchronous API. A task is done after one look at it.
pub struct Tasks {
    next: AtomicU64,
    open: Mutex<HashMap<String, Task>>,
}

#[derive(Clone)]
struct Task {
    wish: Wish,
    looks: u32,
}

impl Default for Tasks {
    fn default() -> Self {
        Tasks { next: AtomicU64::new(FIRST_TASK_ID), open: Mutex::default() }
    }
}

impl Tasks {
    fn next_id(&self) -> String {
        self.next.fetch_add(1, Ordering::Relaxed).to_string()
    }

    fn add(&self, id: String, wish: Wish) {
        self.tasks().insert(id, Task { wish, looks: 0 });
    }

    /// The wish of a task and whether it is done; every look brings it nearer to that.
    fn look(&self, id: &str) -> Option<(Wish, bool)> {
        let mut tasks = self.tasks();
        let task = tasks.get_mut(id)?;
        let done = task.looks > 0;
        task.looks = task.looks.saturating_add(1);
        Some((task.wish.clone(), done))
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, HashMap<String, Task>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request asks for, once its body is understood.
#[derive(Clone)]
struct Wish {
    target: String,
    query: String,
    next_page: bool,
    echo: Map<String, Value>,
}

pub async fn scrape(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    match admit(&shared, &headers, &body) {
        Ok(wish) => answer(&shared, &wish).await,
        Err(refusal) => *refusal,
    }
}

pub async fn create_task(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let wish = match admit(&shared, &headers, &body) {
        Ok(wish) => wish,
        Err(refusal) => return *refusal,
    };
    let id = shared.tasks.next_id();
    let mut task = wish.echo.clone();
    task.insert("id".to_owned(), json!(id));
    task.insert("status".to_owned(), json!("pending"));
    task.insert("created_at".to_owned(), json!(now()));
    task.insert("updated_at".to_owned(), json!(now()));
    shared.tasks.add(id, wish);
    (StatusCode::CREATED, axum::Json(task)).into_response()
}

pub async fn task_state(State(shared): State<Arc<Shared>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(refusal) = authenticate(&shared, &headers) {
        return *refusal;
    }
    match shared.tasks.look(&id) {
        Some((_, done)) => {
            let status = if done { "done" } else { "pending" };
            axum::Json(json!({"id": id, "status": status})).into_response()
        }
        None => failed(StatusCode::NOT_FOUND, "Task not found."),
    }
}

pub async fn task_results(State(shared): State<Arc<Shared>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(refusal) = authenticate(&shared, &headers) {
        return *refusal;
    }
    match shared.tasks.look(&id) {
        Some((_, false)) => StatusCode::NO_CONTENT.into_response(),
        Some((wish, true)) => answer(&shared, &wish).await,
        None => failed(StatusCode::NOT_FOUND, "Task not found."),
    }
}

/// Credentials, then the body: the wish, or the refusal that Decodo would give.
fn admit(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Wish, Box<Response>> {
    authenticate(shared, headers)?;
    let refuse = |status, message: &str| Err(Box::new(failed(status, message)));
    let Ok(Value::Object(echo)) = serde_json::from_slice::<Value>(body) else {
        return refuse(StatusCode::BAD_REQUEST, "Request body is not a JSON object.");
    };
    let text = |key: &str| echo.get(key).and_then(Value::as_str).map(str::to_owned);
    let Some(target) = text("target") else {
        return refuse(StatusCode::BAD_REQUEST, "Target is missing.");
    };
    let Some(query) = text("query").or_else(|| text("username")).filter(|query| !query.trim().is_empty()) else {
        return Err(Box::new(invalid("query", "This field is missing.")));
    };
    shared.requests.count(&target, &query);
    if ![PROFILE, POSTS, POST].contains(&target.as_str()) {
        return refuse(StatusCode::NOT_FOUND, "Target not found.");
    }
    Ok(Wish { next_page: text("cursor").is_some_and(|cursor| !cursor.is_empty()), target, query, echo })
}

fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let credentials = &shared.credentials;
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", credentials.username, credentials.password)));
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(expected.as_str()) {
        return Ok(());
    }
    shared.requests.count_unauthorized();
    Err(Box::new(failed(StatusCode::UNAUTHORIZED, "Username invalid.")))
}

async fn answer(shared: &Shared, wish: &Wish) -> Response {
    let Some(rule) = shared.faults.take(&wish.target, &wish.query) else {
        return json_body(StatusCode::OK, true_answer(shared, wish));
    };
    match rule.fault {
        Fault::Status613 => json_body(
            StatusCode::OK,
            json!({
                "status": "failed",
                "status_code": 613,
                "message": "We were not able to scrape the target.",
                "task_id": shared.tasks.next_id(),
            })
            .to_string(),
        ),
        Fault::EmptyContent => json_body(StatusCode::OK, envelope(shared, wish, "{}", "")),
        Fault::EmptyResults => json_body(StatusCode::OK, r#"{"results":[]}"#.to_owned()),
        Fault::Pending => {
            json_body(StatusCode::OK, json!({"status": "pending", "task_id": shared.tasks.next_id()}).to_string())
        }
        Fault::NoContent204 => StatusCode::NO_CONTENT.into_response(),
        Fault::Http400 => failed(StatusCode::BAD_REQUEST, "Bad request."),
        Fault::Http401 => failed(StatusCode::UNAUTHORIZED, "Username invalid."),
        Fault::Http403 => failed(StatusCode::FORBIDDEN, "Your plan has no access to this target."),
        Fault::Http404 => failed(StatusCode::NOT_FOUND, "Target not found."),
        Fault::Http422 => invalid("query", "This value is not valid."),
        Fault::Http429 => with_retry_after(failed(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded."), &rule),
        Fault::Http500 => failed(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error."),
        Fault::Http502 => html(StatusCode::BAD_GATEWAY),
        Fault::Http503 => with_retry_after(html(StatusCode::SERVICE_UNAVAILABLE), &rule),
        Fault::Http504 => html(StatusCode::GATEWAY_TIMEOUT),
        Fault::Http524 => match StatusCode::from_u16(524) {
            Ok(status) => html(status),
            Err(_) => html(StatusCode::GATEWAY_TIMEOUT),
        },
        Fault::Slow => {
            tokio::time::sleep(rule.delay()).await;
            json_body(StatusCode::OK, true_answer(shared, wish))
        }
        Fault::CutBody => cut_in_half(true_answer(shared, wish)),
        Fault::NotJson => html(StatusCode::OK),
        Fault::Body10mb => {
            let padding = "x".repeat(TEN_MEGABYTES);
            json_body(StatusCode::OK, envelope(shared, wish, &content(shared, wish), &padding))
        }
        Fault::ProviderError => json_body(StatusCode::OK, true_answer(shared, wish)),
        Fault::JsonTextContent => {
            let text = Value::from(content(shared, wish).as_ref()).to_string();
            json_body(StatusCode::OK, envelope(shared, wish, &text, ""))
        }
    }
}

fn true_answer(shared: &Shared, wish: &Wish) -> String {
    envelope(shared, wish, &content(shared, wish), "")
}

fn content(shared: &Shared, wish: &Wish) -> Payload {
    let catalog = &shared.catalog;
    let found = match wish.target.as_str() {
        PROFILE => catalog.profile(&wish.query),
        POSTS if wish.next_page => Some(empty_timeline()),
        POSTS => catalog.timeline(&wish.query),
        _ => Some(catalog.post(&wish.query).unwrap_or_else(|| "{}".into())),
    };
    found.unwrap_or_else(nobody)
}

/// The envelope of Decodo around `content`, which is JSON text and goes in as it is.
fn envelope(shared: &Shared, wish: &Wish, content: &str, padding: &str) -> String {
    let url = match wish.target.as_str() {
        PROFILE => format!("https://www.instagram.com/api/v1/users/web_profile_info/?username={}", wish.query),
        POSTS => "https://www.instagram.com/graphql/query/".to_owned(),
        _ => format!("https://www.instagram.com/p/{}/", wish.query),
    };
    let headers = if padding.is_empty() { json!({}) } else { json!({"x-padding": padding}) };
    format!(
        r#"{{"results":[{{"content":{content},"headers":{headers},"cookies":[],"status_code":200,"url":{},"task_id":"{}","created_at":"{}","updated_at":"{}","query":{}}}]}}"#,
        Value::from(url),
        shared.tasks.next_id(),
        now(),
        now(),
        Value::from(wish.query.as_str()),
    )
}

fn now() -> String {
    Utc::now().format("%Y-%m-%d %H:%M:%S").to_string()
}

fn failed(status: StatusCode, message: &str) -> Response {
    json_body(status, json!({"status": "failed", "message": message}).to_string())
}

fn invalid(field: &str, message: &str) -> Response {
    let body = json!({
        "status": "failed",
        "message": "Validation failed.",
        "errors": [{"field": field, "message": message}],
    });
    json_body(StatusCode::UNPROCESSABLE_ENTITY, body.to_string())
}
