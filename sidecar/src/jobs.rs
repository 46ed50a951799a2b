//! Claim a batch, run one, finish one. The loop only waits and calls these.
//!
//! A job is acknowledged by the same call that stores its answer, so a process that dies at any moment leaves either a
//! job whose lease ends and which is done again, or one that is done. A result that comes after its lease is dropped.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::decodo::{Answer, Decodo};
use crate::dispatch::{DECODO_KINDS, decodo_request};
use crate::failure::{Code, Failure, Verdict};
use crate::metrics::Metrics;
use crate::queue::{Job, Queue, QueueError, Report};
use crate::resilience::{Gate, State, TRIES, full_jitter, is_worth_retrying};

/// Polling finds what a lost notification would have announced.
pub const POLL: Duration = Duration::from_secs(1);

/// Heartbeats per lease: two may be lost.
const HEARTBEATS_PER_LEASE: u32 = 3;

const MAINTAIN_EVERY: Duration = Duration::from_secs(10 * 60);
const MAINTAIN_RETRY: Duration = Duration::from_secs(30);
const DEPTHS_EVERY: Duration = Duration::from_secs(10);

/// Creators derived by one call: some hundred milliseconds.
const DERIVE_AT_ONCE: i32 = 200;

/// For giving jobs back once the grace period is over. What is not given back returns when its lease ends.
const GIVE_BACK_TIME: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct WorkerSettings {
    pub name: String,
    pub concurrency: usize,
    pub lease: Duration,
    pub grace: Duration,
    pub poll: Duration,
}

/// What /readyz asks about.
pub struct Status {
    database: Mutex<Option<String>>,
    address: Mutex<Option<String>>,
    stopping: AtomicBool,
}

impl Default for Status {
    /// A new process is not ready before its first successful call.
    fn default() -> Self {
        Status {
            database: Mutex::new(Some("not reached yet".to_owned())),
            address: Mutex::new(None),
            stopping: AtomicBool::new(false),
        }
    }
}

impl Status {
    /// Why the database is not usable, if so.
    pub fn database_trouble(&self) -> Option<String> {
        self.database().clone()
    }

    /// What is wrong with where browsers are sent, if so.
    pub fn address_trouble(&self) -> Option<String> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives what was noted before.
    pub fn note_address(&self, trouble: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.address.lock().unwrap_or_else(PoisonError::into_inner), trouble)
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn database(&self) -> MutexGuard<'_, Option<String>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored.
    Done,
    /// Failed, to be tried again when the database says.
    Queued,
    /// Failed for good.
    Dead,
    /// Given back without counting as an attempt.
    Released,
    /// Somebody else's now; our result was dropped.
    LeaseLost,
    /// The database could not be told: the lease ends by itself.
    Unreported,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Queued => "queued",
            Outcome::Dead => "dead",
            Outcome::Released => "released",
            Outcome::LeaseLost => "lease_lost",
            Outcome::Unreported => "unreported",
        }
    }

    fn of_report(report: &Report) -> Self {
        match report.state.as_str() {
            "done" => Outcome::Done,
            "dead" => Outcome::Dead,
            _ => Outcome::Queued,
        }
    }
}

/// Why a job is given back.
#[derive(Clone, Copy, Debug)]
enum Return {
    Stopping,
    RemoteClosed,
    BadCredentials,
}

enum Ended {
    Verdict(Verdict),
    Return(Return),
    LeaseLost,
}

pub struct Worker<Q> {
    queue: Q,
    decodo: Decodo,
    gate: Arc<Gate>,
    settings: WorkerSettings,
    metrics: Arc<Metrics>,
    status: Arc<Status>,
    /// Leases held, each with the signal that it was lost.
    held: Mutex<HashMap<Uuid, CancellationToken>>,
    /// Ends calls that are under way, so that their jobs are given back.
    give_back: CancellationToken,
}

/// A claimed job, under heartbeat until this is dropped.
pub struct Held<Q: Queue> {
    pub job: Job,
    lost: CancellationToken,
    worker: Arc<Worker<Q>>,
}

impl<Q: Queue> Drop for Held<Q> {
    fn drop(&mut self) {
        self.worker.held().remove(&self.job.lease_token);
        self.worker.metrics.let_go();
    }
}

impl<Q: Queue> Worker<Q> {
    pub fn new(
        queue: Q,
        decodo: Decodo,
        gate: Arc<Gate>,
        settings: WorkerSettings,
        metrics: Arc<Metrics>,
        status: Arc<Status>,
    ) -> Arc<Self> {
        Arc::new(Worker {
            queue,
            decodo,
            gate,
            settings,
            metrics,
            status,
            held: Mutex::default(),
            give_back: CancellationToken::new(),
        })
    }

    pub fn queue(&self) -> &Q {
        &self.queue
    }

    /// Works until `shutdown`, then finishes what it can within the grace period and gives the rest back.
    pub async fn run(self: Arc<Self>, wake: Arc<Notify>, shutdown: CancellationToken) {
        let background = CancellationToken::new();
        let beating = tokio::spawn(self.clone().beat(background.clone()));
        let mut running = JoinSet::new();
        while !shutdown.is_cancelled() {
            // The claim itself is never interrupted: jobs it has just leased would be known to nobody.
            for held in self.claim(self.settings.concurrency.saturating_sub(running.len())).await {
                running.spawn(self.clone().run_one(held));
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = wake.notified() => {}
                Some(_) = running.join_next() => {}
                () = sleep(self.settings.poll) => {}
            }
            while running.try_join_next().is_some() {}
        }

        self.status.stopping.store(true, Ordering::Relaxed);
        tracing::info!(held = running.len(), "stopping: no more jobs are claimed");
        if timeout(self.settings.grace, drain(&mut running)).await.is_err() {
            self.give_back.cancel();
            if timeout(GIVE_BACK_TIME, drain(&mut running)).await.is_err() {
                tracing::warn!(held = running.len(), "jobs left to the end of their leases");
            }
        }
        background.cancel();
        // A heartbeat that panicked has nothing left to keep.
        let _ = beating.await;
    }

    /// Claims up to `free` jobs, fewer when the remote wants sparing. Trouble with the database gives none.
    pub async fn claim(self: &Arc<Self>, free: usize) -> Vec<Held<Q>> {
        let batch = self.gate.allowance(free, self.held().len());
        if batch == 0 {
            return Vec::new();
        }
        let claimed = self.queue.claim(&self.settings.name, &DECODO_KINDS, batch, self.settings.lease).await;
        let jobs = self.note("claim_jobs", claimed).unwrap_or_default();
        jobs.into_iter().map(|job| self.hold(job)).collect()
    }

    fn hold(self: &Arc<Self>, job: Job) -> Held<Q> {
        let lost = CancellationToken::new();
        self.held().insert(job.lease_token, lost.clone());
        self.metrics.hold();
        Held { job, lost, worker: self.clone() }
    }

    /// Runs one claimed job to its end and reports it.
    pub async fn run_one(self: Arc<Self>, held: Held<Q>) -> Outcome {
        let job = &held.job;
        let span = tracing::info_span!(
            "job",
            job_id = %job.job_id,
            request_id = job.request_id.as_deref(),
            kind = job.kind,
            attempt = job.attempt,
        );
        async {
            let ended = tokio::select! {
                biased;
                () = held.lost.cancelled() => Ended::LeaseLost,
                () = self.give_back.cancelled() => Ended::Return(Return::Stopping),
                ended = self.fetch(job) => ended,
            };
            let outcome = self.finish(job.lease_token, ended).await;
            self.metrics.count_job(&job.kind, outcome.name());
            if outcome == Outcome::LeaseLost {
                self.metrics.count_lease_lost();
                tracing::warn!("lease lost, result dropped");
            }
            outcome
        }
        .instrument(span)
        .await
    }

    /// Calls the remote, again within the attempt where that is worth it and the budget allows.
    async fn fetch(&self, job: &Job) -> Ended {
        let request = match decodo_request(&job.kind, &job.payload) {
            Ok(request) => request,
            Err(failure) => return Ended::Verdict(Verdict::Fail(failure)),
        };
        self.gate.deposit();
        let mut last: Option<Answer> = None;
        for retry in 0..TRIES {
            let Some(call) = self.gate.enter() else {
                break;
            };
            let started = Instant::now();
            let answer = self.decodo.scrape(&request).await;
            let took = started.elapsed();
            call.finish(&answer);
            self.metrics.observe_request(self.gate.name(), request.target, answer.name(), took);
            tracing::info!(
                remote = self.gate.name(),
                target_name = request.target,
                answer = answer.name(),
                said = answer.message(),
                milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "remote called"
            );
            let again = retry + 1 < TRIES
                && is_worth_retrying(&answer)
                && self.gate.state() == State::Closed
                && self.gate.withdraw();
            last = Some(answer);
            if !again {
                break;
            }
            sleep(full_jitter(retry)).await;
        }
        match last.map(Verdict::from) {
            Some(Verdict::BadCredentials) => {
                self.gate.stop("decodo refuses the user name or password (401)");
                Ended::Return(Return::BadCredentials)
            }
            Some(verdict) => Ended::Verdict(verdict),
            None => Ended::Return(Return::RemoteClosed),
        }
    }

    async fn finish(&self, token: Uuid, ended: Ended) -> Outcome {
        let reported = match ended {
            Ended::LeaseLost => return Outcome::LeaseLost,
            Ended::Return(why) => return self.give_one_back(token, why).await,
            Ended::Verdict(Verdict::BadCredentials) => return self.give_one_back(token, Return::BadCredentials).await,
            Ended::Verdict(Verdict::Fail(failure)) => self.report_failure(token, &failure).await,
            Ended::Verdict(Verdict::Store(answer)) => {
                match self.persist("complete_job", || self.queue.complete(token, &answer)).await {
                    Err(QueueError::Refused { sqlstate }) => {
                        let message = format!("the database could not read decodo's answer (SQLSTATE {sqlstate})");
                        let failure = Failure::transient(Code::ExternalApi, message);
                        self.report_failure(token, &failure).await
                    }
                    reported => reported,
                }
            }
        };
        match reported {
            Ok(report) => {
                let outcome = Outcome::of_report(&report);
                let error = report.error.as_ref().map(ToString::to_string);
                tracing::info!(outcome = outcome.name(), error, run_at = report.run_at, "job ended");
                outcome
            }
            Err(QueueError::LeaseLost) => Outcome::LeaseLost,
            Err(error) => {
                tracing::error!(%error, "result not reported, the job returns when its lease ends");
                Outcome::Unreported
            }
        }
    }

    async fn report_failure(&self, token: Uuid, failure: &Failure) -> Result<Report, QueueError> {
        tracing::warn!(
            code = failure.code.as_str(),
            reason = failure.message,
            permanent = failure.permanent,
            retry_after_seconds = failure.retry_after.map(|wait| wait.as_secs_f64()),
            "attempt failed"
        );
        self.persist("fail_job", || self.queue.fail(token, failure)).await
    }

    async fn give_one_back(&self, token: Uuid, why: Return) -> Outcome {
        let tokens = [token];
        match self.persist("release_jobs", || self.queue.release(&tokens)).await {
            Ok(()) => {
                tracing::info!(?why, "job given back");
                Outcome::Released
            }
            Err(error) => {
                tracing::warn!(?why, %error, "job not given back, it returns when its lease ends");
                Outcome::Unreported
            }
        }
    }

    /// Tries to reach the database for as long as a lease lasts; after that the result would be refused.
    async fn persist<T, F>(&self, operation: &'static str, call: impl Fn() -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, QueueError>>,
    {
        let pauses = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .without_max_times()
            .with_total_delay(Some(self.settings.lease));
        (async || self.note(operation, call().await))
            .retry(pauses)
            .when(|error| matches!(error, QueueError::Unavailable(_)))
            .await
    }

    /// Keeps the leases until told to stop.
    async fn beat(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(self.settings.lease / HEARTBEATS_PER_LEASE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.beat_once().await,
            }
        }
    }

    /// One heartbeat for all jobs held; those whose lease is gone are told so.
    pub async fn beat_once(&self) {
        let tokens: Vec<Uuid> = self.held().keys().copied().collect();
        if tokens.is_empty() {
            return;
        }
        let beaten = self.queue.heartbeat(&tokens, self.settings.lease).await;
        let Ok(kept) = self.note("heartbeat_jobs", beaten) else {
            return;
        };
        let held = self.held();
        for token in tokens.iter().filter(|token| !kept.contains(token)) {
            // Not there any more: it was finished while the heartbeat was on its way.
            if let Some(lost) = held.get(token) {
                lost.cancel();
            }
        }
    }

    /// The database's own upkeep, what is to be derived and the depth of its queue, until told to stop.
    pub async fn keep_house(self: Arc<Self>, stop: CancellationToken) {
        let mut maintain_at = Instant::now();
        loop {
            if Instant::now() >= maintain_at {
                let maintained = self.note("maintain", self.queue.maintain().await);
                maintain_at = Instant::now() + if maintained.is_ok() { MAINTAIN_EVERY } else { MAINTAIN_RETRY };
            }
            if let Ok(depths) = self.note("queue_metrics", self.queue.depths().await) {
                self.metrics.show_queue(&depths);
            }
            let derived = self.note("derive_creators", self.queue.derive_creators(DERIVE_AT_ONCE).await);
            let pause = if derived.is_ok_and(|taken| taken >= i64::from(DERIVE_AT_ONCE)) {
                Duration::ZERO
            } else {
                DEPTHS_EVERY
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Keeps /readyz and the error count up to date; logs a change for the worse or the better, not each call.
    fn note<T>(&self, operation: &'static str, result: Result<T, QueueError>) -> Result<T, QueueError> {
        let trouble = match &result {
            Ok(_) | Err(QueueError::LeaseLost) => None,
            Err(error) => Some(error),
        };
        if trouble.is_some() {
            self.metrics.count_queue_error(operation);
        }
        let mut known = self.status.database();
        match (known.is_some(), trouble) {
            (_, Some(error @ QueueError::Refused { .. })) => {
                tracing::error!(operation, %error, "database call refused");
            }
            (false, Some(error)) => {
                tracing::error!(operation, %error, "database trouble");
                *known = Some(error.to_string());
            }
            (true, Some(error)) => *known = Some(error.to_string()),
            (true, None) => {
                tracing::info!("database reached");
                *known = None;
            }
            (false, None) => {}
        }
        drop(known);
        result
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Uuid, CancellationToken>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn drain<T: 'static>(running: &mut JoinSet<T>) {
    while running.join_next().await.is_some() {}
}
