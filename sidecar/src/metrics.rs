//! What /metrics shows. The registry is handed in, not global, so that tests do not share counters.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::queue::Depth;
use crate::resilience::State;

type Labels<const N: usize> = [(&'static str, String); N];

/// Seconds. A scrape takes 1 to 30 s as a rule and is given up after 180 s by default.
const DURATION_BUCKETS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 90.0, 180.0];

pub struct Metrics {
    registry: Registry,
    jobs: Family<Labels<2>, Counter>,
    jobs_held: Gauge,
    lease_lost: Counter,
    requests: Family<Labels<3>, Histogram>,
    remote_state: Family<Labels<2>, Gauge>,
    retries: Family<Labels<2>, Counter>,
    queue_errors: Family<Labels<1>, Counter>,
    queue_jobs: Family<Labels<2>, Gauge>,
    queue_oldest: Family<Labels<2>, Gauge<f64, AtomicU64>>,
    webhooks: Family<Labels<1>, Counter>,
    sealed: Counter,
    checkpoints: Counter,
    pages: Family<Labels<1>, Counter>,
    refreshes: Family<Labels<2>, Counter>,
    pulls: Family<Labels<3>, Counter>,
    deliveries: Family<Labels<2>, Counter>,
    events: Family<Labels<2>, Counter>,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("analytics_sidecar");
        let jobs = Family::default();
        registry.register("jobs", "Attempts ended, by kind of job and outcome", jobs.clone());
        let jobs_held = Gauge::default();
        registry.register("jobs_held", "Jobs held now", jobs_held.clone());
        let lease_lost = Counter::default();
        registry.register(
            "lease_lost",
            "Jobs whose lease had ended before their result was stored; the result was dropped",
            lease_lost.clone(),
        );
        let requests = Family::new_with_constructor((|| Histogram::new(DURATION_BUCKETS)) as fn() -> Histogram);
        registry.register(
            "remote_request_duration_seconds",
            "Duration of calls to a remote, by what they brought",
            requests.clone(),
        );
        let remote_state = Family::default();
        registry.register(
            "remote_state",
            "1 for the state a remote's circuit breaker is in, 0 for the others",
            remote_state.clone(),
        );
        let retries = Family::default();
        registry.register(
            "remote_retries",
            "Retries within an attempt, granted or refused by the retry budget",
            retries.clone(),
        );
        let queue_errors = Family::default();
        registry.register("queue_errors", "Failed calls to the database", queue_errors.clone());
        let queue_jobs = Family::default();
        registry.register("queue_jobs", "Jobs in the queue", queue_jobs.clone());
        let queue_oldest = Family::default();
        registry.register("queue_oldest_seconds", "Age of the oldest job in that state", queue_oldest.clone());
        let webhooks = Family::default();
        registry.register(
            "webhook_deliveries",
            "Deliveries of billing events, by what became of them",
            webhooks.clone(),
        );
        let sealed = Counter::default();
        registry.register("audit_sealed", "Audit records sealed into their chains", sealed.clone());
        let checkpoints = Counter::default();
        registry.register("audit_checkpoints", "Audit checkpoints signed", checkpoints.clone());
        let pages = Family::default();
        registry.register("consent_pages", "Answers of the pages of consent, by HTTP status", pages.clone());
        let refreshes = Family::default();
        registry.register("refreshes", "Refreshes of tokens, by provider and what became of them", refreshes.clone());
        let pulls = Family::default();
        registry.register(
            "insight_pulls",
            "Pulls of accounts' insights, by provider, kind and what became of them",
            pulls.clone(),
        );
        let deliveries = Family::default();
        registry.register(
            "platform_deliveries",
            "Deliveries of platforms' webhooks, by platform and what became of them",
            deliveries.clone(),
        );
        let events = Family::default();
        registry.register(
            "platform_events",
            "Events in deliveries that were accepted, by platform and what became of them",
            events.clone(),
        );
        Metrics {
            registry,
            jobs,
            jobs_held,
            lease_lost,
            requests,
            remote_state,
            retries,
            queue_errors,
            queue_jobs,
            queue_oldest,
            webhooks,
            sealed,
            checkpoints,
            pages,
            refreshes,
            pulls,
            deliveries,
            events,
        }
    }

    pub fn count_job(&self, kind: &str, outcome: &str) {
        self.jobs.get_or_create(&[("kind", kind.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    pub fn hold(&self) {
        self.jobs_held.inc();
    }

    pub fn let_go(&self) {
        self.jobs_held.dec();
    }

    pub fn count_lease_lost(&self) {
        self.lease_lost.inc();
    }

    pub fn observe_request(&self, remote: &str, target: &str, answer: &str, took: Duration) {
        let labels = [("remote", remote.to_owned()), ("target", target.to_owned()), ("answer", answer.to_owned())];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub fn show_state(&self, remote: &str, state: State) {
        for other in State::ALL {
            self.remote_state
                .get_or_create(&[("remote", remote.to_owned()), ("state", other.name().to_owned())])
                .set((other == state).into());
        }
    }

    /// Shows a remote before anything has happened to it, so that rates can be taken from the first scrape on.
    pub fn introduce(&self, remote: &str) {
        self.show_state(remote, State::Closed);
        for granted in [true, false] {
            drop(self.retries.get_or_create(&retry_labels(remote, granted)));
        }
    }

    pub fn count_retry(&self, remote: &str, granted: bool) {
        self.retries.get_or_create(&retry_labels(remote, granted)).inc();
    }

    pub fn count_queue_error(&self, operation: &str) {
        self.queue_errors.get_or_create(&[("operation", operation.to_owned())]).inc();
    }

    pub fn count_webhook(&self, outcome: &str) {
        self.webhooks.get_or_create(&[("outcome", outcome.to_owned())]).inc();
    }

    pub fn count_delivery(&self, platform: &str, outcome: &str) {
        self.deliveries.get_or_create(&[("platform", platform.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    pub fn count_events(&self, platform: &str, outcome: &str, events: u64) {
        self.events.get_or_create(&[("platform", platform.to_owned()), ("outcome", outcome.to_owned())]).inc_by(events);
    }

    pub fn count_page(&self, status: &str) {
        self.pages.get_or_create(&[("status", status.to_owned())]).inc();
    }

    pub fn count_refresh(&self, provider: &str, outcome: &str) {
        self.refreshes.get_or_create(&[("provider", provider.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    pub fn count_pull(&self, provider: &str, kind: &str, outcome: &str) {
        let labels = [("provider", provider.to_owned()), ("kind", kind.to_owned()), ("outcome", outcome.to_owned())];
        self.pulls.get_or_create(&labels).inc();
    }

    pub fn count_sealed(&self, records: i64) {
        self.sealed.inc_by(records.try_into().unwrap_or(0));
    }

    pub fn count_checkpoint(&self) {
        self.checkpoints.inc();
    }

    /// Replaces what was shown of the queue; states that are empty now disappear.
    pub fn show_queue(&self, depths: &[Depth]) {
        self.queue_jobs.clear();
        self.queue_oldest.clear();
        for depth in depths {
            let labels = [("kind", depth.kind.clone()), ("state", depth.state.clone())];
            self.queue_jobs.get_or_create(&labels).set(depth.jobs);
            if let Some(seconds) = depth.oldest_seconds {
                self.queue_oldest.get_or_create(&labels).set(seconds);
            }
        }
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn retry_labels(remote: &str, granted: bool) -> Labels<2> {
    let budget = if granted { "granted" } else { "refused" };
    [("remote", remote.to_owned()), ("budget", budget.to_owned())]
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_shown_in_exactly_one_state() {
        let metrics = Metrics::new();
        metrics.show_state("decodo", State::Open);
        metrics.show_state("decodo", State::HalfOpen);
        let text = metrics.render().expect("text");
        for (state, value) in [("closed", 0), ("half_open", 1), ("open", 0), ("stopped", 0)] {
            let line = format!("analytics_sidecar_remote_state{{remote=\"decodo\",state=\"{state}\"}} {value}\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }

    #[test]
    fn queue_depths_that_are_gone_are_no_longer_shown() {
        let metrics = Metrics::new();
        let depth = |state: &str| Depth {
            kind: "instagram_profile".to_owned(),
            state: state.to_owned(),
            jobs: 3,
            oldest_seconds: Some(1.5),
        };
        metrics.show_queue(&[depth("queued"), depth("dead")]);
        metrics.show_queue(&[depth("dead")]);
        let text = metrics.render().expect("text");
        assert!(text.contains("analytics_sidecar_queue_jobs{kind=\"instagram_profile\",state=\"dead\"} 3"));
        assert!(text.contains("analytics_sidecar_queue_oldest_seconds{kind=\"instagram_profile\",state=\"dead\"} 1.5"));
        assert!(!text.contains("state=\"queued\""));
    }
}
