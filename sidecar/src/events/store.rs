//! Events as this process sees them: the functions of `analytics_private` that its login may execute.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::delivery::Event;
use crate::queue::{PgQueue, QueueError, Report, in_time};

/// What became of a delivery's events: rows for the first two, events for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Stored {
    pub stored: u64,
    pub duplicate: u64,
    /// Of accounts that nobody has connected.
    pub unconnected: u64,
    pub outdated: u64,
    /// Of people who were removed on request.
    pub removed: u64,
}

/// How far a deletion is that a person asked for.
#[derive(Clone, Debug, Deserialize)]
pub struct Deletion {
    /// "received", "done" or "failed"
    pub status: String,
    pub requested_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Clone)]
pub struct Store {
    queue: PgQueue,
}

impl Store {
    pub fn new(queue: PgQueue) -> Self {
        Store { queue }
    }

    pub fn queue(&self) -> &PgQueue {
        &self.queue
    }

    /// All of them with the jobs they lead to, or none.
    pub async fn store(&self, events: &[Event]) -> Result<Stored, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_store_events($1::json)").bind(Json(events));
        let Json(stored) = in_time(query.fetch_one(self.queue.pool())).await?;
        Ok(stored)
    }

    /// The code of a request; none if it is too old.
    pub async fn request_deletion(
        &self,
        provider: &str,
        consent: &str,
        digest: &[u8],
        issued_at: DateTime<Utc>,
    ) -> Result<Option<String>, QueueError> {
        #[derive(Deserialize)]
        struct Answer {
            code: Option<String>,
        }
        let query = sqlx::query_scalar("select analytics_private.sidecar_request_deletion($1, $2, $3, $4)")
            .bind(provider)
            .bind(consent)
            .bind(digest)
            .bind(issued_at);
        let Json(Answer { code }) = in_time(query.fetch_one(self.queue.pool())).await?;
        Ok(code)
    }

    pub async fn deletion(&self, code: &str) -> Result<Option<Deletion>, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_deletion_status($1)").bind(code);
        let deletion: Option<Json<Deletion>> = in_time(query.fetch_one(self.queue.pool())).await?;
        Ok(deletion.map(|Json(deletion)| deletion))
    }

    /// Does what follows from an event, and finishes the job.
    pub async fn handle(&self, lease: Uuid) -> Result<Report, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_handle_event($1)").bind(lease);
        let Json(report) = in_time(query.fetch_one(self.queue.pool())).await?;
        Ok(report)
    }
}
