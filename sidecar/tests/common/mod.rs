//! A stand-in, a queue in memory and a worker between them.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub mod insights;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use analytics_sidecar::config::DecodoConfig;
use analytics_sidecar::decodo::Decodo;
use analytics_sidecar::failure::Failure;
use analytics_sidecar::jobs::{Status, Worker, WorkerSettings};
use analytics_sidecar::metrics::Metrics;
use analytics_sidecar::queue::{Depth, Job, Queue, QueueError, Report};
use analytics_sidecar::resilience::{BreakerSettings, Gate};
use analytics_standin::{Catalog, Credentials, Running, start};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a program wrote to its log.
#[derive(Clone, Default)]
pub struct Lines(pub Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub const PASSWORD: &str = "correct-horse-battery";
pub const MAX_ATTEMPTS: i32 = 5;

pub async fn standin() -> Running {
    let mut catalog = Catalog::default();
    catalog.add_built_in_samples();
    let credentials = Credentials { username: "demo".to_owned(), password: PASSWORD.to_owned() };
    start(catalog, credentials).await.expect("stand-in started")
}

pub fn decodo_config(url: &str) -> DecodoConfig {
    DecodoConfig {
        url: url.parse().expect("address"),
        username: "demo".to_owned(),
        password: PASSWORD.into(),
        timeout: Duration::from_secs(30),
        max_answer: 32 * 1024 * 1024,
    }
}

/// The state machine of the database's queue, in memory.
#[derive(Clone, Default)]
pub struct FakeQueue {
    jobs: Arc<Mutex<VecDeque<FakeJob>>>,
    /// Calls that shall find the database gone.
    outage: Arc<AtomicU32>,
    /// Completions that shall be refused as unreadable.
    unreadable: Arc<AtomicU32>,
    pub maintained: Arc<AtomicU32>,
}

#[derive(Clone, Debug)]
pub struct FakeJob {
    pub id: Uuid,
    pub kind: String,
    payload: Value,
    pub state: &'static str,
    pub attempt: i32,
    token: Option<Uuid>,
    /// Answers stored for it: more than one would be an effect done twice.
    pub stored: Vec<String>,
    pub failures: Vec<Failure>,
}

impl FakeQueue {
    pub fn add_profile(&self, username: &str) -> Uuid {
        self.add("instagram_profile", json!({"username": username}))
    }

    pub fn add(&self, kind: &str, payload: Value) -> Uuid {
        let id = Uuid::now_v7();
        self.jobs().push_back(FakeJob {
            id,
            kind: kind.to_owned(),
            payload,
            state: "queued",
            attempt: 0,
            token: None,
            stored: Vec::new(),
            failures: Vec::new(),
        });
        id
    }

    pub fn job(&self, id: Uuid) -> FakeJob {
        self.jobs().iter().find(|job| job.id == id).cloned().expect("a known job")
    }

    pub fn count(&self, state: &str) -> usize {
        self.jobs().iter().filter(|job| job.state == state).count()
    }

    /// All leases end, as after a crash or a stall of their holders.
    pub fn expire_leases(&self) {
        for job in self.jobs().iter_mut().filter(|job| job.state == "leased") {
            job.state = "queued";
            job.token = None;
        }
    }

    pub fn be_away_for(&self, calls: u32) {
        self.outage.store(calls, Ordering::SeqCst);
    }

    pub fn refuse_answers(&self, times: u32) {
        self.unreadable.store(times, Ordering::SeqCst);
    }

    fn reach(&self) -> Result<(), QueueError> {
        if take_one(&self.outage) {
            return Err(QueueError::Unavailable("SQLSTATE 57P01".to_owned()));
        }
        Ok(())
    }

    fn leased(&self, token: Uuid, change: impl FnOnce(&mut FakeJob)) -> Result<Report, QueueError> {
        let mut jobs = self.jobs();
        let job = jobs.iter_mut().find(|job| job.token == Some(token)).ok_or(QueueError::LeaseLost)?;
        job.token = None;
        change(job);
        Ok(Report {
            state: if job.state == "waiting" { "queued" } else { job.state }.to_owned(),
            error: None,
            run_at: None,
        })
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<FakeJob>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_one(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Queue for FakeQueue {
    async fn claim(&self, _: &str, kinds: &[&str], batch: usize, _: Duration) -> Result<Vec<Job>, QueueError> {
        self.reach()?;
        let mut jobs = self.jobs();
        let due = jobs.iter_mut().filter(|job| job.state == "queued" && kinds.contains(&job.kind.as_str()));
        let claimed = due.take(batch).map(|job| {
            let token = Uuid::new_v4();
            job.state = "leased";
            job.token = Some(token);
            job.attempt += 1;
            Job {
                job_id: job.id,
                lease_token: token,
                kind: job.kind.clone(),
                payload: job.payload.clone(),
                attempt: job.attempt,
                max_attempts: MAX_ATTEMPTS,
                request_id: Some(format!("req-{}", job.id)),
            }
        });
        Ok(claimed.collect())
    }

    async fn heartbeat(&self, tokens: &[Uuid], _: Duration) -> Result<Vec<Uuid>, QueueError> {
        self.reach()?;
        let jobs = self.jobs();
        let kept = jobs.iter().filter_map(|job| job.token).filter(|token| tokens.contains(token));
        Ok(kept.collect())
    }

    async fn complete(&self, token: Uuid, answer: &str) -> Result<Report, QueueError> {
        self.reach()?;
        if take_one(&self.unreadable) {
            return Err(QueueError::Refused { sqlstate: "22P02".to_owned() });
        }
        self.leased(token, |job| {
            job.state = "done";
            job.stored.push(answer.to_owned());
        })
    }

    async fn fail(&self, token: Uuid, failure: &Failure) -> Result<Report, QueueError> {
        self.reach()?;
        self.leased(token, |job| {
            let is_final = failure.permanent || job.attempt >= MAX_ATTEMPTS;
            // "waiting": queued again, but its back-off never ends within a test.
            job.state = if is_final { "dead" } else { "waiting" };
            job.failures.push(failure.clone());
        })
    }

    async fn release(&self, tokens: &[Uuid]) -> Result<(), QueueError> {
        self.reach()?;
        for job in self.jobs().iter_mut() {
            if job.token.is_some_and(|token| tokens.contains(&token)) {
                job.token = None;
                job.state = "queued";
                job.attempt -= 1;
            }
        }
        Ok(())
    }

    async fn maintain(&self) -> Result<(), QueueError> {
        self.reach()?;
        self.maintained.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn derive_creators(&self, _most: i32) -> Result<i64, QueueError> {
        self.reach()?;
        Ok(0)
    }

    async fn depths(&self) -> Result<Vec<Depth>, QueueError> {
        self.reach()?;
        Ok(vec![Depth {
            kind: "instagram_profile".to_owned(),
            state: "queued".to_owned(),
            jobs: i64::try_from(self.count("queued")).expect("few"),
            oldest_seconds: Some(0.5),
        }])
    }
}

/// A worker on a fake queue, calling the stand-in.
pub struct Bench {
    pub standin: Running,
    pub queue: FakeQueue,
    pub worker: Arc<Worker<FakeQueue>>,
    pub gate: Arc<Gate>,
    pub metrics: Arc<Metrics>,
    pub status: Arc<Status>,
}

pub struct Setup {
    pub password: &'static str,
    pub timeout: Duration,
    pub concurrency: usize,
    pub grace: Duration,
    pub breaker: BreakerSettings,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            password: PASSWORD,
            timeout: Duration::from_secs(30),
            concurrency: 4,
            grace: Duration::from_secs(30),
            breaker: BreakerSettings { failures: 100, cool_down: Duration::from_secs(60) },
        }
    }
}

impl Bench {
    pub async fn new(setup: Setup) -> Self {
        let standin = standin().await;
        let config =
            DecodoConfig { password: setup.password.into(), timeout: setup.timeout, ..decodo_config(&standin.url()) };
        let queue = FakeQueue::default();
        let metrics = Arc::new(Metrics::new());
        let status = Arc::new(Status::default());
        let gate = Arc::new(Gate::new("decodo", setup.breaker, metrics.clone()));
        let settings = WorkerSettings {
            name: "worker of a test".to_owned(),
            concurrency: setup.concurrency,
            lease: Duration::from_secs(60),
            grace: setup.grace,
            poll: Duration::from_millis(10),
        };
        let worker = Worker::new(
            queue.clone(),
            Decodo::new(&config).expect("client"),
            gate.clone(),
            settings,
            metrics.clone(),
            status.clone(),
        );
        Bench { standin, queue, worker, gate, metrics, status }
    }

    /// The value of a metric, by its line up to the value; 0 when it is not shown.
    pub fn metric(&self, name_and_labels: &str) -> f64 {
        let text = self.metrics.render().expect("text");
        text.lines().find_map(|line| line.strip_prefix(name_and_labels)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0.0)
    }
}

/// Waits until something has come about; a test that never gets there fails by this.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}
