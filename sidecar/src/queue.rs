//! The job queue as this process sees it: the functions of `analytics_private` that its login may execute.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::types::Json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::failure::Failure;

/// SQLSTATE of a lease that was lost or has ended.
const LEASE_LOST: &str = "PT409";

const CHANNEL: &str = "analytics_jobs";

/// Calls are short, so a few connections serve many jobs; one of them listens.
const CONNECTIONS: u32 = 5;

/// For one call, waiting for a connection included. An ingest takes milliseconds; this is for a network that is gone.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

const RELISTEN_AFTER: Duration = Duration::from_secs(5);

/// A claimed job. The token proves the lease.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Job {
    pub job_id: Uuid,
    pub lease_token: Uuid,
    pub kind: String,
    pub payload: Value,
    pub attempt: i32,
    pub max_attempts: i32,
    pub request_id: Option<String>,
}

/// What the database made of a report.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Report {
    /// "done", "queued" (to be tried again) or "dead" (given up)
    pub state: String,
    /// Why a stored answer was refused, if it was.
    pub error: Option<Value>,
    pub run_at: Option<String>,
}

/// One line of `queue_metrics()`.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Depth {
    pub kind: String,
    pub state: String,
    pub jobs: i64,
    pub oldest_seconds: Option<f64>,
}

#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Another worker has the job, or may take it: the result must be dropped.
    #[error("the lease was lost")]
    LeaseLost,
    /// The database refuses this very call; the same call again would be refused again.
    #[error("the database refused the call (SQLSTATE {sqlstate})")]
    Refused { sqlstate: String },
    /// Not reached, or not able at the moment.
    #[error("the database is not available ({0})")]
    Unavailable(String),
}

/// What the worker needs of a queue.
pub trait Queue: Send + Sync + 'static {
    fn claim(
        &self,
        worker: &str,
        kinds: &[&str],
        batch: usize,
        lease: Duration,
    ) -> impl Future<Output = Result<Vec<Job>, QueueError>> + Send;

    /// Extends leases; gives the tokens that are still held.
    fn heartbeat(&self, tokens: &[Uuid], lease: Duration)
    -> impl Future<Output = Result<Vec<Uuid>, QueueError>> + Send;

    /// Stores an answer and finishes its job, in one transaction.
    fn complete(&self, token: Uuid, answer: &str) -> impl Future<Output = Result<Report, QueueError>> + Send;

    fn fail(&self, token: Uuid, failure: &Failure) -> impl Future<Output = Result<Report, QueueError>> + Send;

    /// Gives jobs back; the attempt does not count.
    fn release(&self, tokens: &[Uuid]) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Makes partitions ahead and purges what is due.
    fn maintain(&self) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Derives what is told of creators of whom something new was stored; gives how many of at most `most` there were.
    fn derive_creators(&self, most: i32) -> impl Future<Output = Result<i64, QueueError>> + Send;

    fn depths(&self) -> impl Future<Output = Result<Vec<Depth>, QueueError>> + Send;
}

/// The queue in PostgreSQL. Clones share its connections.
#[derive(Clone)]
pub struct PgQueue {
    pool: PgPool,
}

impl PgQueue {
    /// Connects when first needed, so that the sidecar may start before its database.
    pub fn new(options: PgConnectOptions) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        PgQueue { pool }
    }

    /// Wakes the worker at each notification. A connection that is lost is made again; meanwhile the worker polls.
    pub async fn listen(&self, wake: Arc<Notify>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.forward_notifications(&wake) => ended,
            };
            if let Err(error) = ended {
                tracing::warn!(error = %unavailable(error), "not listening for jobs, polling only");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RELISTEN_AFTER) => {}
            }
        }
    }

    async fn forward_notifications(&self, wake: &Notify) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        tracing::debug!(channel = CHANNEL, "listening for jobs");
        loop {
            listener.recv().await?;
            wake.notify_one();
        }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Queue for PgQueue {
    async fn claim(&self, worker: &str, kinds: &[&str], batch: usize, lease: Duration) -> Result<Vec<Job>, QueueError> {
        let query = sqlx::query_as(
            "select job_id, lease_token, kind, payload, attempt, max_attempts, request_id \
             from analytics_private.claim_jobs($1, $2, $3, $4)",
        )
        .bind(worker)
        .bind(kinds)
        .bind(i32::try_from(batch).unwrap_or(i32::MAX))
        .bind(seconds(lease));
        in_time(query.fetch_all(&self.pool)).await
    }

    async fn heartbeat(&self, tokens: &[Uuid], lease: Duration) -> Result<Vec<Uuid>, QueueError> {
        let query = sqlx::query_scalar("select * from analytics_private.heartbeat_jobs($1, $2)")
            .bind(tokens)
            .bind(seconds(lease));
        in_time(query.fetch_all(&self.pool)).await
    }

    async fn complete(&self, token: Uuid, answer: &str) -> Result<Report, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.complete_job($1, $2::json)").bind(token).bind(answer);
        let Json(report) = in_time(query.fetch_one(&self.pool)).await?;
        Ok(report)
    }

    async fn fail(&self, token: Uuid, failure: &Failure) -> Result<Report, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.fail_job($1, $2, $3, $4, $5)")
            .bind(token)
            .bind(failure.code.as_str())
            .bind(&failure.message)
            .bind(failure.permanent)
            .bind(failure.retry_after.map(|wait| wait.as_secs_f64()));
        let Json(report) = in_time(query.fetch_one(&self.pool)).await?;
        Ok(report)
    }

    async fn release(&self, tokens: &[Uuid]) -> Result<(), QueueError> {
        let query = sqlx::query("select analytics_private.release_jobs($1)").bind(tokens);
        in_time(query.execute(&self.pool)).await.map(drop)
    }

    async fn maintain(&self) -> Result<(), QueueError> {
        let query = sqlx::query("select analytics_private.maintain()");
        in_time(query.execute(&self.pool)).await.map(drop)
    }

    async fn derive_creators(&self, most: i32) -> Result<i64, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.derive_due_creators($1)").bind(most);
        in_time(query.fetch_one(&self.pool)).await
    }

    async fn depths(&self) -> Result<Vec<Depth>, QueueError> {
        let query = sqlx::query_as("select kind, state, jobs, oldest_seconds from analytics_private.queue_metrics()");
        in_time(query.fetch_all(&self.pool)).await
    }
}

pub(crate) async fn in_time<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, QueueError> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(result) => result.map_err(unavailable),
        Err(_) => Err(QueueError::Unavailable("no answer in time".to_owned())),
    }
}

/// Sorts a database error. Only SQLSTATEs and kinds are kept: messages may quote the payload.
fn unavailable(error: sqlx::Error) -> QueueError {
    match error {
        sqlx::Error::Database(error) => of_sqlstate(error.code().as_deref().unwrap_or("XX000")),
        sqlx::Error::PoolTimedOut => QueueError::Unavailable("no connection in time".to_owned()),
        sqlx::Error::Io(error) => QueueError::Unavailable(error.kind().to_string()),
        sqlx::Error::Tls(_) => QueueError::Unavailable("TLS failed".to_owned()),
        sqlx::Error::ColumnDecode { index, .. } => {
            QueueError::Unavailable(format!("column {index} is not of the expected type"))
        }
        _ => QueueError::Unavailable("protocol error".to_owned()),
    }
}

/// Data that cannot be taken (22, 23, a limit of 54) and refusals of the called functions are final for the call. All
/// else passes: shutdowns, conflicts, and rights or functions missing while an upgrade is under way.
fn of_sqlstate(sqlstate: &str) -> QueueError {
    let is_final = ["22", "23", "54", "PT4", "PT500", "PT502"].iter().any(|class| sqlstate.starts_with(class));
    if sqlstate == LEASE_LOST {
        QueueError::LeaseLost
    } else if is_final {
        QueueError::Refused { sqlstate: sqlstate.to_owned() }
    } else {
        QueueError::Unavailable(format!("SQLSTATE {sqlstate}"))
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_are_told_apart() {
        assert!(matches!(of_sqlstate("PT409"), QueueError::LeaseLost));
        for sqlstate in ["22P02", "22P05", "54001", "23514", "PT404", "PT502"] {
            assert!(matches!(of_sqlstate(sqlstate), QueueError::Refused { .. }), "{sqlstate}");
        }
        for sqlstate in ["PT503", "57P01", "57014", "40001", "40P01", "53300", "42883", "42501", "08006"] {
            assert!(matches!(of_sqlstate(sqlstate), QueueError::Unavailable(_)), "{sqlstate}");
        }
    }
}
