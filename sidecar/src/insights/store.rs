//! Insights as the database sees them: what is due and to be asked for, and what came.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::oauth::Provider;
use crate::queue::{PgQueue, QueueError, in_time};

/// A pull that is ours for a while.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Task {
    pub workspace_id: Uuid,
    pub account_id: Uuid,
    pub claim: Uuid,
    /// "account", "audience" or "posts"
    pub kind: String,
    pub platform: String,
    pub platform_user_id: String,
    /// Of the access token.
    pub version: i64,
    /// Ciphertext
    pub access_token: String,
    pub metrics: Json<Vec<Metric>>,
    pub refused: Json<Vec<Name>>,
    /// Newest first.
    pub days: Vec<NaiveDate>,
    /// Posts that need no measuring yet.
    pub fresh_posts: Vec<String>,
    /// When the newest of them was posted.
    pub newest_fresh: Option<DateTime<Utc>>,
    /// When the oldest post that needs it was posted.
    pub oldest_due: Option<DateTime<Utc>>,
    /// The list of posts was never read to its end.
    pub reads_all: bool,
    pub most_posts: i32,
}

/// An entry of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Metric {
    /// "account" or "post"
    pub scope: String,
    /// Our name
    pub metric: String,
    /// The platform's
    pub api_name: String,
    /// "level", "flow" or "total"
    pub kind: String,
    pub minimum_followers: Option<i64>,
}

/// The platform's name of a metric, of an account, an audience or a kind of post.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Name {
    pub subject: String,
    pub api_name: String,
}

impl Task {
    fn is_refused(&self, subject: &str, api_name: &str) -> bool {
        self.refused.iter().any(|name| name.subject == subject && name.api_name == api_name)
    }

    /// What the registry wants of a scope, less what is refused of the subject.
    pub(super) fn wanted<'a>(&'a self, scope: &'a str, subject: &'a str) -> impl Iterator<Item = &'a Metric> {
        let of_scope = self.metrics.iter().filter(move |metric| metric.scope == scope);
        of_scope.filter(move |metric| !self.is_refused(subject, &metric.api_name))
    }

    pub(super) fn may_ask(&self, subject: &str, api_name: &str) -> bool {
        !self.is_refused(subject, api_name)
    }
}

/// What a platform said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gathered {
    pub captured_at: DateTime<Utc>,
    pub metrics: Vec<Capture>,
    pub audiences: Vec<Audience>,
    pub posts: Vec<Post>,
    pub refused: Vec<Refused>,
    pub listing: Option<Listing>,
}

impl Gathered {
    pub fn new(captured_at: DateTime<Utc>) -> Self {
        Gathered {
            captured_at,
            metrics: Vec::new(),
            audiences: Vec::new(),
            posts: Vec::new(),
            refused: Vec::new(),
            listing: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.audiences.is_empty() && self.posts.is_empty() && self.refused.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capture {
    pub metric: String,
    /// None: when it was captured.
    pub measured_at: Option<DateTime<Utc>>,
    /// None: asked for, and not answered.
    pub value: Option<i64>,
    /// Why it is unknown, where the platform's answer tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// In the form of `audience_insights`; None: not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audience {
    pub audience: &'static str,
    pub age_ranges: Option<Vec<serde_json::Value>>,
    pub genders: Option<Vec<serde_json::Value>>,
    pub countries: Option<Vec<serde_json::Value>>,
    pub cities: Option<Vec<serde_json::Value>>,
    /// What else the platform divides it by.
    pub facets: Option<serde_json::Map<String, serde_json::Value>>,
}

/// In the form of `record_posts()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Post {
    pub id: String,
    pub posted_at: DateTime<Utc>,
    pub url: Option<String>,
    pub caption: Option<String>,
    pub media_type: Option<&'static str>,
    pub likes: Option<i64>,
    pub comments: Option<i64>,
    pub shares: Option<i64>,
    pub saves: Option<i64>,
    pub reach: Option<i64>,
    pub views: Option<i64>,
    pub extra_data: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    pub subject: &'static str,
    pub api_name: String,
    pub code: String,
    /// Refused to our app, not to this account only.
    pub of_app: bool,
}

/// How far the list of posts was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// To its end, or as far as a list is ever read.
    pub is_whole: bool,
    pub back_to: Option<DateTime<Utc>>,
}

/// Why a pull ended before it had everything, in the database's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: &'static str,
    pub message: Option<String>,
    pub retry_after: Option<Duration>,
}

/// Clones share their connections.
#[derive(Clone)]
pub struct Store(PgQueue);

impl Store {
    pub fn new(queue: PgQueue) -> Self {
        Store(queue)
    }

    pub async fn take(
        &self,
        worker: &str,
        provider: Provider,
        batch: usize,
        lease: Duration,
    ) -> Result<Vec<Task>, QueueError> {
        let query = sqlx::query_as("select * from analytics_private.sidecar_take_insights($1, $2, $3, $4)")
            .bind(worker)
            .bind(provider.name())
            .bind(i32::try_from(batch).unwrap_or(i32::MAX))
            .bind(i32::try_from(lease.as_secs()).unwrap_or(i32::MAX));
        in_time(query.fetch_all(self.0.pool())).await
    }

    /// "stored", "later", "reconnect_required" or "superseded"
    pub async fn store(
        &self,
        task: &Task,
        gathered: Option<&Gathered>,
        failure: Option<&Failure>,
    ) -> Result<String, QueueError> {
        #[derive(Deserialize)]
        struct Settled {
            state: String,
        }
        let result = gathered.map(serde_json::to_string).transpose();
        let result = result.map_err(|_| QueueError::Refused { sqlstate: "22032".to_owned() })?;
        let query = sqlx::query_scalar("select analytics_private.sidecar_store_insights($1, $2::json, $3, $4, $5, $6)")
            .bind(task.claim)
            .bind(result)
            .bind(failure.map(|failure| failure.kind))
            .bind(failure.and_then(|failure| failure.message.as_deref()))
            .bind(failure.and_then(|failure| failure.retry_after).map(|wait| wait.as_secs_f64()))
            .bind(task.version);
        let Json(Settled { state }) = in_time(query.fetch_one(self.0.pool())).await?;
        Ok(state)
    }

    pub async fn release(&self, task: &Task) -> Result<(), QueueError> {
        let query = sqlx::query("select analytics_private.sidecar_release_insights($1)").bind(task.claim);
        in_time(query.execute(self.0.pool())).await.map(drop)
    }

    pub async fn note_limit(&self, provider: Provider, percent: u32, wait: Duration) -> Result<(), QueueError> {
        let query = sqlx::query("select analytics_private.sidecar_note_limit($1, $2, $3)")
            .bind(provider.name())
            .bind(i32::try_from(percent).unwrap_or(i32::MAX))
            .bind(wait.as_secs_f64());
        in_time(query.execute(self.0.pool())).await.map(drop)
    }
}
