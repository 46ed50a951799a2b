//! How one remote is spared: full jitter, a retry budget, a circuit breaker, pauses it asks for, and a stop for good.
//!
//! Retries inside one attempt are few and short; the longer back-off is the database's, which knows all workers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};

use crate::decodo::Answer;
use crate::metrics::Metrics;

/// Tries inside one attempt of a job: the first and two more, as the remote's own clients do.
pub const TRIES: u32 = 3;

const RETRY_BASE: Duration = Duration::from_millis(500);
const RETRY_CAP: Duration = Duration::from_secs(5);

/// Retry budget: a fifth of the calls of the last ten seconds, and one a second for quiet times.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
const BUDGET_FLOOR_PER_SECOND: u32 = 1;
const BUDGET_SHARE: f32 = 0.2;

/// While a remote stays down, its cool-down doubles up to this many times the first one.
const LONGEST_COOL_DOWN: u32 = 10;

/// A rate limit without `Retry-After` still means: not at once.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// A pause holds back whatever goes to the remote: one kind of call that asks for a day must not stop refreshing and
/// connecting. Whoever asked waits longer in the database.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Full jitter: anything between nothing and the exponential step.
pub fn full_jitter(retry: u32) -> Duration {
    let step = RETRY_BASE.saturating_mul(2_u32.saturating_pow(retry)).min(RETRY_CAP);
    step.mul_f64(fastrand::f64())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    /// One call may go out, to see.
    HalfOpen,
    Open,
    /// Refused credentials: no call until restart.
    Stopped,
}

impl State {
    pub const ALL: [State; 4] = [State::Closed, State::HalfOpen, State::Open, State::Stopped];

    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::HalfOpen => "half_open",
            State::Open => "open",
            State::Stopped => "stopped",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    pub failures: u32,
    pub cool_down: Duration,
}

/// Circuit breaker over consecutive failures. Results that belong to an earlier state are ignored.
struct Breaker {
    settings: BreakerSettings,
    phase: Phase,
    /// Counts changes of phase.
    generation: u64,
}

#[derive(Clone, Copy)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Instant, cool_down: Duration },
    HalfOpen { cool_down: Duration },
}

impl Breaker {
    fn new(settings: BreakerSettings) -> Self {
        Breaker { settings, phase: Phase::Closed { failures: 0 }, generation: 0 }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }

    fn state(&mut self, now: Instant) -> State {
        if let Phase::Open { until, cool_down } = self.phase
            && now >= until
        {
            self.enter(Phase::HalfOpen { cool_down });
        }
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    fn record(&mut self, generation: u64, healthy: bool, now: Instant) {
        if generation != self.generation {
            return;
        }
        match (self.phase, healthy) {
            (Phase::Closed { .. }, true) => self.phase = Phase::Closed { failures: 0 },
            (Phase::Closed { failures }, false) if failures + 1 < self.settings.failures => {
                self.phase = Phase::Closed { failures: failures + 1 };
            }
            (Phase::Closed { .. }, false) => self.open(self.settings.cool_down, now),
            (Phase::HalfOpen { .. }, true) => self.enter(Phase::Closed { failures: 0 }),
            (Phase::HalfOpen { cool_down }, false) => {
                let longest = self.settings.cool_down.saturating_mul(LONGEST_COOL_DOWN);
                self.open(cool_down.saturating_mul(2).min(longest), now);
            }
            (Phase::Open { .. }, _) => {}
        }
    }

    fn open(&mut self, cool_down: Duration, now: Instant) {
        let until = now + cool_down;
        self.enter(Phase::Open { until, cool_down });
    }
}

/// The gate before one remote.
pub struct Gate {
    name: &'static str,
    inner: Mutex<Inner>,
    budget: TpsBudget,
    metrics: Arc<Metrics>,
}

struct Inner {
    breaker: Breaker,
    stopped: Option<String>,
    paused_until: Option<Instant>,
    calls: usize,
}

impl Inner {
    fn state(&mut self, now: Instant) -> State {
        if self.stopped.is_some() { State::Stopped } else { self.breaker.state(now) }
    }

    fn is_paused(&mut self, now: Instant) -> bool {
        self.paused_until = self.paused_until.filter(|until| now < *until);
        self.paused_until.is_some()
    }
}

impl Gate {
    pub fn new(name: &'static str, settings: BreakerSettings, metrics: Arc<Metrics>) -> Self {
        metrics.introduce(name);
        Gate {
            name,
            inner: Mutex::new(Inner { breaker: Breaker::new(settings), stopped: None, paused_until: None, calls: 0 }),
            budget: TpsBudget::new(BUDGET_WINDOW, BUDGET_FLOOR_PER_SECOND, BUDGET_SHARE),
            metrics,
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn state(&self) -> State {
        self.inner().state(Instant::now())
    }

    /// Why no call goes out until restart, if so.
    pub fn stopped(&self) -> Option<String> {
        self.inner().stopped.clone()
    }

    /// Jobs of this remote that may be claimed on top of those `held`, at most `free`: none while it is open, stopped or
    /// paused, and one in all to probe.
    pub fn allowance(&self, free: usize, held: usize) -> usize {
        let now = Instant::now();
        let mut inner = self.inner();
        if inner.is_paused(now) {
            return 0;
        }
        match inner.state(now) {
            State::Closed => free,
            State::HalfOpen => free.min(1_usize.saturating_sub(held)),
            State::Open | State::Stopped => 0,
        }
    }

    /// Leave for one call, or none. A pause does not stop jobs that are held already: they were claimed before it.
    pub fn enter(self: &Arc<Self>) -> Option<Call> {
        let mut inner = self.inner();
        let admitted = match inner.state(Instant::now()) {
            State::Closed => true,
            State::HalfOpen => inner.calls == 0,
            State::Open | State::Stopped => false,
        };
        if !admitted {
            return None;
        }
        inner.calls += 1;
        let generation = inner.breaker.generation;
        drop(inner);
        Some(Call { gate: self.clone(), generation })
    }

    /// Notes the first call of an attempt: the budget for retries grows with these.
    pub fn deposit(&self) {
        self.budget.deposit();
    }

    /// Whether a retry may be spent.
    pub fn withdraw(&self) -> bool {
        let granted = self.budget.withdraw();
        self.metrics.count_retry(self.name, granted);
        granted
    }

    pub fn stop(&self, reason: &str) {
        let mut inner = self.inner();
        if inner.stopped.is_none() {
            inner.stopped = Some(reason.to_owned());
            drop(inner);
            tracing::error!(
                remote = self.name,
                reason,
                "remote stopped: no further calls until restart with other credentials"
            );
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call on its way. Dropped without `finish` (given up by us) it says nothing about the remote.
pub struct Call {
    gate: Arc<Gate>,
    generation: u64,
}

impl Call {
    pub fn finish(self, answer: &Answer) {
        let pause = match answer {
            Answer::RateLimited { retry_after, .. } => Some(retry_after.unwrap_or_default()),
            _ => None,
        };
        self.settle(is_healthy(answer), pause);
    }

    /// What the call says about the remote: whether it is at work, and how long it asks to be left alone, if it does.
    pub fn settle(self, is_healthy: bool, pause: Option<Duration>) {
        let now = Instant::now();
        let mut inner = self.gate.inner();
        let before = inner.state(now);
        inner.breaker.record(self.generation, is_healthy, now);
        if let Some(pause) = pause {
            let until = now + pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            inner.paused_until = inner.paused_until.max(Some(until));
        }
        let after = inner.state(now);
        drop(inner);
        if before != after {
            tracing::warn!(
                remote = self.gate.name,
                before = before.name(),
                after = after.name(),
                "circuit breaker changed"
            );
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut inner = self.gate.inner();
        inner.calls = inner.calls.saturating_sub(1);
    }
}

/// Whether the remote is at work. A refusal, even a rate limit or a failed scrape, is an answer of a working remote.
fn is_healthy(answer: &Answer) -> bool {
    !matches!(answer, Answer::Unavailable { .. } | Answer::TimedOut | Answer::Broken { .. } | Answer::NotAnAnswer)
}

/// Whether the same call may go out again within the attempt: only for troubles that pass in moments and cost nothing
/// to meet again. A timeout or a 524 has taken minutes already, and a 613 comes after Decodo's own retries.
pub fn is_worth_retrying(answer: &Answer) -> bool {
    match answer {
        Answer::Broken { .. } => true,
        Answer::Unavailable { status, retry_after } => matches!(status, 500 | 502 | 503 | 504) && retry_after.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings { failures: 3, cool_down: Duration::from_secs(10) };

    fn gate() -> Arc<Gate> {
        Arc::new(Gate::new("decodo", SETTINGS, Arc::new(Metrics::new())))
    }

    fn fail(gate: &Arc<Gate>) {
        gate.enter().expect("admitted").finish(&Answer::TimedOut);
    }

    fn succeed(gate: &Arc<Gate>) {
        gate.enter().expect("admitted").finish(&Answer::Empty);
    }

    #[tokio::test(start_paused = true)]
    async fn the_breaker_opens_after_failures_in_a_row_only() {
        let gate = gate();
        for _ in 0..10 {
            fail(&gate);
            fail(&gate);
            succeed(&gate);
        }
        assert_eq!(gate.state(), State::Closed);
        for _ in 0..3 {
            fail(&gate);
        }
        assert_eq!(gate.state(), State::Open);
        assert!(gate.enter().is_none());
        assert_eq!(gate.allowance(8, 0), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_cool_down_one_probe_decides() {
        let gate = gate();
        for _ in 0..3 {
            fail(&gate);
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!((gate.state(), gate.allowance(8, 0)), (State::HalfOpen, 1));
        assert_eq!(gate.allowance(8, 1), 0, "the probe is held already");
        let probe = gate.enter().expect("one probe");
        assert!(gate.enter().is_none(), "a second probe");
        probe.finish(&Answer::TimedOut);
        assert_eq!(gate.state(), State::Open);

        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(gate.state(), State::Open, "the second cool-down is longer");
        tokio::time::advance(Duration::from_secs(10)).await;
        succeed(&gate);
        assert_eq!((gate.state(), gate.allowance(8, 0)), (State::Closed, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_given_up_by_us_leaves_room_for_another() {
        let gate = gate();
        for _ in 0..3 {
            fail(&gate);
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        drop(gate.enter().expect("a probe"));
        assert!(gate.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn late_results_of_an_earlier_state_change_nothing() {
        let gate = gate();
        let slow = gate.enter().expect("admitted");
        let slower = gate.enter().expect("admitted");
        for _ in 0..3 {
            fail(&gate);
        }
        slow.finish(&Answer::Empty);
        assert_eq!(gate.state(), State::Open);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(gate.state(), State::HalfOpen);
        slower.finish(&Answer::TimedOut);
        assert_eq!(gate.state(), State::HalfOpen);
    }

    #[tokio::test(start_paused = true)]
    async fn cool_downs_double_up_to_ten_times_the_first() {
        let gate = gate();
        for _ in 0..3 {
            fail(&gate);
        }
        for seconds in [10, 20, 40, 80, 100, 100] {
            tokio::time::advance(Duration::from_secs(seconds - 1)).await;
            assert_eq!(gate.state(), State::Open, "{seconds}");
            tokio::time::advance(Duration::from_secs(1)).await;
            fail(&gate);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_pauses_the_remote_as_long_as_it_asks() {
        let gate = gate();
        let limited =
            |seconds| Answer::RateLimited { retry_after: Some(Duration::from_secs(seconds)), message: String::new() };
        gate.enter().expect("admitted").finish(&limited(30));
        gate.enter().expect("held before the pause").finish(&limited(5));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(gate.allowance(8, 0), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(gate.allowance(8, 0), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_remote_that_asks_for_a_day_is_left_alone_for_a_quarter_of_an_hour() {
        let gate = gate();
        gate.enter().expect("admitted").settle(true, Some(Duration::from_secs(86_400)));
        tokio::time::advance(Duration::from_secs(899)).await;
        assert_eq!(gate.allowance(8, 0), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(gate.allowance(8, 0), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_remote_stays_stopped() {
        let gate = gate();
        gate.stop("credentials refused");
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(gate.state(), State::Stopped);
        assert!(gate.enter().is_none());
        assert_eq!(gate.stopped().as_deref(), Some("credentials refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_a_fifth_of_the_calls_and_a_floor() {
        let gate = gate();
        for _ in 0..1_000 {
            gate.deposit();
        }
        let granted = (0..1_000).filter(|_| gate.withdraw()).count();
        // One a second over a window of ten seconds is the floor.
        assert!((200..=211).contains(&granted), "{granted}");
    }

    #[test]
    fn full_jitter_reaches_from_nothing_to_the_capped_step() {
        let steps = [0.5, 1.0, 2.0, 4.0, 5.0, 5.0];
        for (retry, step) in (0_u32..).zip(steps) {
            let waits: Vec<f64> = (0..2_000).map(|_| full_jitter(retry).as_secs_f64()).collect();
            assert!(waits.iter().all(|wait| (0.0..=step).contains(wait)));
            assert!(waits.iter().any(|wait| *wait < step * 0.1));
            assert!(waits.iter().any(|wait| *wait > step * 0.9));
        }
    }

    #[test]
    fn only_passing_troubles_are_retried_within_an_attempt() {
        let unavailable = |status, retry_after| Answer::Unavailable { status, retry_after };
        assert!(is_worth_retrying(&unavailable(503, None)));
        assert!(is_worth_retrying(&Answer::Broken { message: String::new() }));
        for answer in [
            unavailable(503, Some(Duration::from_secs(9))),
            unavailable(524, None),
            Answer::TimedOut,
            Answer::Empty,
            Answer::Refused { status: 400, message: String::new() },
            Answer::Unauthorized { message: String::new() },
        ] {
            assert!(!is_worth_retrying(&answer), "{answer:?}");
        }
    }
}
