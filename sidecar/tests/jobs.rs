//! What the worker does with jobs, whatever happens around it.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use analytics_sidecar::failure::Code;
use analytics_sidecar::http::{Surface, routes};
use analytics_sidecar::jobs::Outcome;
use analytics_sidecar::resilience::{BreakerSettings, State};
use analytics_standin::{Fault, Rule};
use common::{Bench, Setup, until};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

async fn bench() -> Bench {
    Bench::new(Setup::default()).await
}

/// Claims and runs one job.
async fn run_next(bench: &Bench) -> Outcome {
    let held = bench.worker.claim(1).await.pop().expect("a job to claim");
    bench.worker.clone().run_one(held).await
}

fn slow() -> Rule {
    Rule { delay_ms: Some(600_000), ..Rule::new(Fault::Slow) }
}

async fn readyz(bench: &Bench) -> (u16, Value) {
    let surface =
        Surface { metrics: bench.metrics.clone(), status: bench.status.clone(), gates: vec![bench.gate.clone()] };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let serving = tokio::spawn(axum::serve(listener, routes(Arc::new(surface))).into_future());
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let alive = client.get(format!("{url}/healthz")).send().await.expect("answered");
    assert_eq!(alive.status(), 200);
    let metrics = client.get(format!("{url}/metrics")).send().await.expect("answered");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("analytics_sidecar_remote_state{remote=\"decodo\""), "{metrics}");
    let answer = client.get(format!("{url}/readyz")).send().await.expect("answered");
    serving.abort();
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn an_answer_is_stored_once_and_as_it_came() {
    let bench = bench().await;
    let id = bench.queue.add_profile("tomas.example");
    assert_eq!(run_next(&bench).await, Outcome::Done);
    let job = bench.queue.job(id);
    assert_eq!((job.state, job.stored.len()), ("done", 1));
    let recorded = include_str!("../../standin/samples/tomas.example_profile.json");
    assert!(job.stored[0].contains(recorded.trim_end()), "not one byte of it is changed");
    assert_eq!(bench.standin.requests(), 1);
    assert_eq!(bench.metric(r#"analytics_sidecar_jobs_total{kind="instagram_profile",outcome="done"}"#), 1.0);
    assert_eq!(bench.metric("analytics_sidecar_jobs_held"), 0.0);
}

#[tokio::test]
async fn the_loop_works_off_the_queue_and_ends_at_shutdown() {
    let bench = bench().await;
    let ids: Vec<_> = (0..20)
        .map(|turn| match turn % 2 {
            0 => bench.queue.add_profile("tomas.example"),
            _ => bench.queue.add("instagram_posts", json!({"username": "dvorek.example", "count": 12})),
        })
        .collect();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(bench.worker.clone().run(Arc::new(Notify::new()), shutdown.clone()));
    until("all jobs are done", || bench.queue.count("done") == 20).await;
    shutdown.cancel();
    running.await.expect("the loop ends");
    assert!(ids.iter().all(|id| bench.queue.job(*id).stored.len() == 1));
    assert_eq!(bench.standin.requests(), 20);
}

#[tokio::test]
async fn no_more_jobs_are_held_than_the_concurrency_allows() {
    let bench = Bench::new(Setup { concurrency: 2, grace: Duration::ZERO, ..Setup::default() }).await;
    bench.standin.add_fault(slow());
    for _ in 0..5 {
        bench.queue.add_profile("tomas.example");
    }
    let shutdown = CancellationToken::new();
    let wake = Arc::new(Notify::new());
    let running = tokio::spawn(bench.worker.clone().run(wake.clone(), shutdown.clone()));
    until("two calls are out", || bench.standin.requests() == 2).await;
    for _ in 0..10 {
        wake.notify_one();
        tokio::task::yield_now().await;
    }
    assert_eq!((bench.queue.count("leased"), bench.queue.count("queued")), (2, 3));
    shutdown.cancel();
    running.await.expect("the loop ends");
}

#[tokio::test]
async fn a_lease_found_lost_by_the_heartbeat_ends_the_call_and_drops_the_result() {
    let bench = bench().await;
    bench.standin.add_fault(slow());
    let id = bench.queue.add_profile("aurora.example");
    let held = bench.worker.claim(1).await.pop().expect("a job");
    let running = tokio::spawn(bench.worker.clone().run_one(held));
    until("the call is out", || bench.standin.requests() == 1).await;
    bench.worker.beat_once().await;
    assert!(!running.is_finished(), "the lease is kept while the database says so");
    bench.queue.expire_leases();
    bench.worker.beat_once().await;
    assert_eq!(running.await.expect("ended"), Outcome::LeaseLost);
    let job = bench.queue.job(id);
    assert!(job.stored.is_empty() && job.failures.is_empty());
    assert_eq!(bench.metric("analytics_sidecar_lease_lost_total"), 1.0);
}

#[tokio::test]
async fn a_result_that_comes_after_its_lease_is_refused_and_counted() {
    let bench = bench().await;
    let id = bench.queue.add_profile("aurora.example");
    let held = bench.worker.claim(1).await.pop().expect("a job");
    bench.queue.expire_leases();
    assert_eq!(bench.worker.clone().run_one(held).await, Outcome::LeaseLost);
    assert!(bench.queue.job(id).stored.is_empty());
    assert_eq!(bench.metric("analytics_sidecar_lease_lost_total"), 1.0);
}

#[tokio::test]
async fn a_worker_that_dies_loses_nothing_and_nothing_is_stored_twice() {
    let bench = bench().await;
    let id = bench.queue.add_profile("aurora.example");
    bench.standin.add_fault(slow().times(1));
    let held = bench.worker.claim(1).await.pop().expect("a job");
    let doomed = tokio::spawn(bench.worker.clone().run_one(held));
    until("the call is out", || bench.standin.requests() == 1).await;
    doomed.abort();
    assert!(doomed.await.is_err());
    assert_eq!(bench.queue.job(id).state, "leased", "nothing was reported");

    bench.queue.expire_leases();
    assert_eq!(run_next(&bench).await, Outcome::Done);
    assert_eq!(bench.queue.job(id).stored.len(), 1);
}

#[tokio::test]
async fn at_shutdown_jobs_that_cannot_be_finished_are_given_back_uncounted() {
    let bench = Bench::new(Setup { grace: Duration::from_millis(20), ..Setup::default() }).await;
    bench.standin.add_fault(slow());
    let ids = [bench.queue.add_profile("aurora.example"), bench.queue.add_profile("tomas.example")];
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(bench.worker.clone().run(Arc::new(Notify::new()), shutdown.clone()));
    until("both calls are out", || bench.standin.requests() == 2).await;
    shutdown.cancel();
    running.await.expect("the loop ends");
    for id in ids {
        let job = bench.queue.job(id);
        assert_eq!((job.state, job.attempt, job.stored.len()), ("queued", 0, 0));
    }
    let (status, body) = readyz(&bench).await;
    assert_eq!((status, &body["reasons"][0]), (503, &json!("stopping")));
}

#[tokio::test]
async fn at_shutdown_jobs_that_can_be_finished_are() {
    let bench = bench().await;
    bench.standin.add_fault(Rule { delay_ms: Some(300), ..Rule::new(Fault::Slow) });
    let id = bench.queue.add_profile("aurora.example");
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(bench.worker.clone().run(Arc::new(Notify::new()), shutdown.clone()));
    until("the call is out", || bench.standin.requests() == 1).await;
    shutdown.cancel();
    let late = bench.queue.add_profile("tomas.example");
    running.await.expect("the loop ends");
    assert_eq!(bench.queue.job(id).state, "done");
    assert_eq!(bench.queue.job(late).state, "queued", "nothing is claimed any more");
}

#[tokio::test]
async fn the_breaker_opens_claims_nothing_probes_with_one_job_and_closes() {
    let bench = Bench::new(Setup {
        breaker: BreakerSettings { failures: 2, cool_down: Duration::from_secs(1) },
        ..Setup::default()
    })
    .await;
    bench.standin.add_fault(Rule::new(Fault::Http524).times(2));
    let failing = [bench.queue.add_profile("aurora.example"), bench.queue.add_profile("tomas.example")];
    assert_eq!(run_next(&bench).await, Outcome::Queued);
    assert_eq!(run_next(&bench).await, Outcome::Queued);
    for id in failing {
        assert_eq!(bench.queue.job(id).failures[0].code, Code::ExternalApi);
    }
    for _ in 0..4 {
        bench.queue.add_profile("hiroko.example");
    }
    assert_eq!(bench.gate.state(), State::Open);
    assert!(bench.worker.claim(4).await.is_empty());
    assert_eq!(bench.standin.requests(), 2);

    until("the cool-down is over", || bench.gate.state() == State::HalfOpen).await;
    let mut probe = bench.worker.claim(4).await;
    assert_eq!(probe.len(), 1);
    assert!(bench.worker.claim(4).await.is_empty(), "one probe at a time");
    let probe = probe.pop().expect("the probe");
    assert_eq!(bench.worker.clone().run_one(probe).await, Outcome::Done);
    assert_eq!(bench.gate.state(), State::Closed);
    assert_eq!(bench.worker.claim(4).await.len(), 3);
}

#[tokio::test]
async fn a_job_claimed_before_the_breaker_opened_is_given_back_uncalled() {
    let bench = Bench::new(Setup {
        breaker: BreakerSettings { failures: 1, cool_down: Duration::from_secs(3600) },
        ..Setup::default()
    })
    .await;
    bench.standin.add_fault(Rule::new(Fault::Http524).times(1));
    bench.queue.add_profile("aurora.example");
    let second = bench.queue.add_profile("tomas.example");
    let mut batch = bench.worker.claim(2).await.into_iter();
    let (first, other) = (batch.next().expect("first"), batch.next().expect("second"));
    assert_eq!(bench.worker.clone().run_one(first).await, Outcome::Queued);
    assert_eq!(bench.worker.clone().run_one(other).await, Outcome::Released);
    assert_eq!((bench.queue.job(second).state, bench.queue.job(second).attempt), ("queued", 0));
    assert_eq!(bench.standin.requests(), 1);
}

#[tokio::test]
async fn bad_credentials_stop_the_remote_and_readyz_says_why() {
    let bench = Bench::new(Setup { password: "wrong", ..Setup::default() }).await;
    let ids = [bench.queue.add_profile("aurora.example"), bench.queue.add_profile("tomas.example")];
    for held in bench.worker.claim(2).await {
        assert_eq!(bench.worker.clone().run_one(held).await, Outcome::Released);
    }
    assert_eq!(bench.standin.requests(), 1, "the second job was not even tried");
    for id in ids {
        assert_eq!((bench.queue.job(id).state, bench.queue.job(id).attempt), ("queued", 0));
    }
    assert!(bench.worker.claim(2).await.is_empty());
    let (status, body) = readyz(&bench).await;
    assert_eq!(status, 503);
    assert_eq!(body["remotes"]["decodo"], "stopped");
    assert_eq!(body["reasons"], json!(["decodo: decodo refuses the user name or password (401)"]));
}

#[tokio::test]
async fn a_working_sidecar_is_ready_and_one_without_its_database_is_not() {
    let bench = bench().await;
    assert_eq!(readyz(&bench).await.0, 503, "nothing is known yet");
    bench.worker.claim(1).await;
    let (status, body) = readyz(&bench).await;
    assert_eq!((status, body), (200, json!({"ready": true, "reasons": [], "remotes": {"decodo": "closed"}})));
    bench.queue.be_away_for(1);
    bench.worker.claim(1).await;
    let (status, body) = readyz(&bench).await;
    assert_eq!(status, 503);
    assert!(body["reasons"][0].as_str().is_some_and(|reason| reason.starts_with("database: ")), "{body}");
    bench.worker.claim(1).await;
    assert_eq!(readyz(&bench).await.0, 200);
}

#[tokio::test]
async fn permanent_errors_are_reported_after_one_call() {
    let bench = bench().await;
    for (fault, code) in [
        (Fault::Http400, Code::Validation),
        (Fault::Http403, Code::Forbidden),
        (Fault::Http404, Code::NotFound),
        (Fault::Http422, Code::Validation),
    ] {
        let before = bench.standin.requests();
        bench.standin.add_fault(Rule::new(fault).times(1));
        let id = bench.queue.add_profile("aurora.example");
        assert_eq!(run_next(&bench).await, Outcome::Dead, "{fault:?}");
        let job = bench.queue.job(id);
        assert_eq!((job.failures.len(), job.failures[0].code), (1, code), "{fault:?}");
        assert_eq!(bench.standin.requests(), before + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_payload_that_makes_no_request_fails_for_good_without_a_call() {
    let bench = bench().await;
    let id = bench.queue.add("instagram_profile", json!({"name": "aurora.example"}));
    assert_eq!(run_next(&bench).await, Outcome::Dead);
    assert_eq!(bench.queue.job(id).failures[0].code, Code::Validation);
    assert_eq!(bench.standin.requests(), 0);
}

#[tokio::test]
async fn retry_after_reaches_the_database_and_holds_back_other_jobs() {
    let bench = bench().await;
    let rule = json!({"fault": "http_429", "times": 1, "retry_after": 3600});
    bench.standin.add_fault(serde_json::from_value(rule).expect("a rule"));
    let id = bench.queue.add_profile("aurora.example");
    let other = bench.queue.add_profile("tomas.example");
    assert_eq!(run_next(&bench).await, Outcome::Queued);
    let failure = &bench.queue.job(id).failures[0];
    assert_eq!((failure.code, failure.retry_after), (Code::RateLimited, Some(Duration::from_secs(3600))));
    assert!(bench.worker.claim(4).await.is_empty());
    assert_eq!(bench.queue.job(other).attempt, 0);
    assert_eq!(bench.standin.requests(), 1);
}

#[tokio::test]
async fn a_passing_trouble_is_retried_within_the_attempt() {
    for fault in [Fault::Http503, Fault::CutBody] {
        let bench = bench().await;
        bench.standin.add_fault(Rule::new(fault).times(1));
        let id = bench.queue.add_profile("aurora.example");
        assert_eq!(run_next(&bench).await, Outcome::Done, "{fault:?}");
        assert_eq!(bench.standin.requests(), 2, "{fault:?}");
        assert_eq!(bench.queue.job(id).stored.len(), 1);
        assert_eq!(bench.metric(r#"analytics_sidecar_remote_retries_total{remote="decodo",budget="granted"}"#), 1.0);
    }
}

#[tokio::test]
async fn an_attempt_makes_three_calls_at_most_and_leaves_the_rest_to_the_database() {
    let bench = bench().await;
    bench.standin.add_fault(Rule::new(Fault::Http502));
    let id = bench.queue.add_profile("aurora.example");
    assert_eq!(run_next(&bench).await, Outcome::Queued);
    assert_eq!(bench.standin.requests(), 3);
    let job = bench.queue.job(id);
    assert_eq!((job.failures.len(), job.failures[0].permanent), (1, false));
}

#[tokio::test]
async fn an_exhausted_retry_budget_leaves_one_call_to_each_attempt() {
    let bench = bench().await;
    while bench.gate.withdraw() {}
    bench.standin.add_fault(Rule::new(Fault::Http502));
    bench.queue.add_profile("aurora.example");
    assert_eq!(run_next(&bench).await, Outcome::Queued);
    assert_eq!(bench.standin.requests(), 1);
}

#[tokio::test]
async fn an_answer_waits_for_a_database_that_is_away_without_a_second_call() {
    let bench = bench().await;
    let id = bench.queue.add_profile("aurora.example");
    let held = bench.worker.claim(1).await.pop().expect("a job");
    bench.queue.be_away_for(2);
    assert_eq!(bench.worker.clone().run_one(held).await, Outcome::Done);
    assert_eq!(bench.queue.job(id).stored.len(), 1);
    assert_eq!(bench.standin.requests(), 1);
    assert_eq!(bench.metric(r#"analytics_sidecar_queue_errors_total{operation="complete_job"}"#), 2.0);
}

#[tokio::test]
async fn an_answer_that_the_database_cannot_read_becomes_a_failure() {
    let bench = bench().await;
    let id = bench.queue.add_profile("aurora.example");
    bench.queue.refuse_answers(1);
    assert_eq!(run_next(&bench).await, Outcome::Queued);
    let job = bench.queue.job(id);
    assert_eq!(job.failures[0].code, Code::ExternalApi);
    assert!(job.failures[0].message.contains("22P02") && job.stored.is_empty());
}

#[tokio::test]
async fn upkeep_is_called_at_start_and_the_depth_of_the_queue_is_shown() {
    let bench = bench().await;
    bench.queue.add_profile("aurora.example");
    let stop = CancellationToken::new();
    let housekeeping = tokio::spawn(bench.worker.clone().keep_house(stop.clone()));
    let depth = r#"analytics_sidecar_queue_jobs{kind="instagram_profile",state="queued"}"#;
    until("the depth is shown", || bench.metric(depth) > 0.0).await;
    stop.cancel();
    housekeeping.await.expect("ended");
    assert_eq!(bench.queue.maintained.load(Ordering::SeqCst), 1);
    assert_eq!(bench.metric(depth), 1.0);
}
