//! What follows from events, as jobs of the one queue: claimed under a lease, done and finished in one transaction each.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::store::Store;
use crate::failure::{Code, Failure};
use crate::jobs::POLL;
use crate::metrics::Metrics;
use crate::queue::{Job, Queue, QueueError};

/// Jobs that are claimed together.
#[derive(Clone, Copy)]
pub struct Share {
    pub kinds: &'static [&'static str],
    pub batch: usize,
}

/// Milliseconds each.
pub const QUICK: Share = Share { kinds: &["end_access", "pull_sooner"], batch: 50 };
/// An account with a long history takes minutes, in which nothing else may lose its lease.
pub const DELETIONS: Share = Share { kinds: &["delete_on_request"], batch: 1 };

const LEASE: Duration = Duration::from_secs(120);

pub struct Handler {
    pub store: Store,
    pub share: Share,
    pub metrics: Arc<Metrics>,
    pub worker: String,
    /// Told by whoever stores events; polling finds what others stored.
    pub wake: Arc<Notify>,
}

impl Handler {
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let jobs = match self.store.queue().claim(&self.worker, self.share.kinds, self.share.batch, LEASE).await {
                Ok(jobs) => jobs,
                Err(error) => {
                    self.metrics.count_queue_error("claim_jobs");
                    tracing::warn!(%error, "jobs of events could not be claimed");
                    Vec::new()
                }
            };
            let was_full = jobs.len() == self.share.batch;
            let mut jobs = jobs.into_iter();
            for job in jobs.by_ref() {
                self.run_one(&job).await;
                if stop.is_cancelled() {
                    break;
                }
            }
            let rest: Vec<_> = jobs.map(|job| job.lease_token).collect();
            if !rest.is_empty()
                && let Err(error) = self.store.queue().release(&rest).await
            {
                tracing::warn!(%error, "jobs of events are left to the end of their leases");
            }
            if was_full {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = sleep(POLL) => {}
            }
        }
    }

    async fn run_one(&self, job: &Job) {
        let outcome = match self.store.handle(job.lease_token).await {
            Ok(report) if report.state == "done" => "done",
            Ok(_) => "queued",
            Err(QueueError::LeaseLost) => {
                self.metrics.count_lease_lost();
                "lease_lost"
            }
            Err(QueueError::Refused { sqlstate }) => {
                tracing::error!(job_id = %job.job_id, kind = job.kind, sqlstate, "what follows from an event could not be done");
                let message = format!("the database refused to do it (SQLSTATE {sqlstate})");
                let failure = Failure::transient(Code::Internal, message);
                match self.store.queue().fail(job.lease_token, &failure).await {
                    Ok(report) if report.state == "dead" => "dead",
                    Ok(_) => "queued",
                    Err(_) => "unreported",
                }
            }
            // The lease ends, and it is tried again. A deletion that takes longer than a call may is finished by the database all the same,
            // and nobody else claims it meanwhile.
            Err(error @ QueueError::Unavailable(_)) => {
                self.metrics.count_queue_error("sidecar_handle_event");
                tracing::warn!(%error, job_id = %job.job_id, "what follows from an event waits for the database");
                "unreported"
            }
        };
        tracing::info!(job_id = %job.job_id, kind = job.kind, outcome, "job of an event ended");
        self.metrics.count_job(&job.kind, outcome);
    }
}
