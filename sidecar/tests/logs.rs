//! What reaches the log, down to its finest level: the ids of the job, and never a secret.

mod common;

use analytics_sidecar::logging;
use analytics_standin::{Fault, Rule};
use common::{Bench, Lines, PASSWORD, Setup};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// "demo:correct-horse-battery" as Basic authentication sends it.
const BASIC: &str = "ZGVtbzpjb3JyZWN0LWhvcnNlLWJhdHRlcnk=";

#[tokio::test]
async fn lines_are_json_with_the_ids_of_the_job_and_without_secrets() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = logging::subscriber(EnvFilter::new("trace"), move || writer.clone());
    tracing::subscriber::set_global_default(subscriber).expect("first in this process");

    let good = Bench::new(Setup::default()).await;
    good.standin.add_fault(Rule::new(Fault::Http403).times(1));
    let ids = [good.queue.add_profile("aurora.example"), good.queue.add_profile("tomas.example")];
    for held in good.worker.claim(2).await {
        good.worker.clone().run_one(held).await;
    }
    let bad = Bench::new(Setup { password: "wrong-secret-word", ..Setup::default() }).await;
    bad.queue.add_profile("aurora.example");
    for held in bad.worker.claim(1).await {
        bad.worker.clone().run_one(held).await;
    }

    let text = String::from_utf8(lines.0.lock().expect("lines").clone()).expect("UTF-8");
    for secret in [PASSWORD, BASIC, "wrong-secret-word"] {
        assert!(!text.contains(secret), "{secret} in the log");
    }
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    for id in ids {
        let ended = events
            .iter()
            .find(|event| event["message"] == "job ended" && event["span"]["job_id"] == id.to_string())
            .expect("the end of each job is logged");
        assert_eq!(ended["span"]["request_id"], format!("req-{id}"));
    }
    let stopped: Vec<_> = events.iter().filter(|event| event["level"] == "ERROR").collect();
    assert_eq!(stopped.len(), 1, "{stopped:?}");
    assert_eq!(stopped[0]["reason"], "decodo refuses the user name or password (401)");
}
