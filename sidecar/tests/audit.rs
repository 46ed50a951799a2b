//! Sealing and signing, with a database that comes and goes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use analytics_sidecar::audit::{AuditTrail, Keepsake, Signed, Signer, seal, sign};
use analytics_sidecar::metrics::Metrics;
use analytics_sidecar::queue::QueueError;
use ring::signature::{ED25519, UnparsedPublicKey};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

#[derive(Clone, Default)]
struct Trail(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What the next calls of seal give; then 0.
    seals: VecDeque<Result<i64, ()>>,
    sealed_at: Vec<Instant>,
    due: Vec<String>,
    noted: Vec<Signed>,
    refuse_notes: u32,
}

impl Trail {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }
}

fn away() -> QueueError {
    QueueError::Unavailable("SQLSTATE 57P01".to_owned())
}

impl AuditTrail for Trail {
    async fn seal(&self) -> Result<i64, QueueError> {
        let mut state = self.state();
        state.sealed_at.push(Instant::now());
        state.seals.pop_front().unwrap_or(Ok(0)).map_err(|()| away())
    }

    async fn due(&self, most: i32) -> Result<Vec<String>, QueueError> {
        let most = usize::try_from(most).expect("a number of checkpoints");
        Ok(self.state().due.iter().take(most).cloned().collect())
    }

    async fn note(&self, signed: &Signed) -> Result<(), QueueError> {
        let mut state = self.state();
        if state.refuse_notes > 0 {
            state.refuse_notes -= 1;
            return Err(away());
        }
        state.due.retain(|checkpoint| *checkpoint != signed.checkpoint);
        state.noted.push(signed.clone());
        Ok(())
    }
}

fn signer() -> Arc<Signer> {
    Arc::new(Signer::from_text(&"07".repeat(32)).expect("a key"))
}

#[tokio::test(start_paused = true)]
async fn sealing_comes_twice_a_second_waits_longer_in_trouble_and_ends_when_told() {
    let (trail, metrics, stop) = (Trail::default(), Arc::new(Metrics::new()), CancellationToken::new());
    trail.state().seals = [Ok(5), Ok(20_000), Ok(0), Err(()), Err(()), Err(()), Ok(1)].into();
    let sealing = tokio::spawn(seal(trail.clone(), metrics.clone(), stop.clone()));
    sleep(Duration::from_secs(30)).await;
    stop.cancel();
    sealing.await.expect("ended");

    let at = trail.state().sealed_at.clone();
    let waits: Vec<Duration> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let half = Duration::from_millis(500);
    assert_eq!(waits[..3], [half, Duration::ZERO, half], "at once after a full batch");
    for (wait, step) in waits[3..6].iter().zip([1, 2, 4]) {
        let step = Duration::from_secs(step);
        assert!((step / 2..=step + Duration::from_millis(2)).contains(wait), "{wait:?} of {step:?}");
    }
    assert!(waits[6..].iter().all(|wait| *wait >= half && *wait < half * 2), "{waits:?}");
    let text = metrics.render().expect("text");
    assert!(text.contains("analytics_sidecar_audit_sealed_total 20006\n"), "{text}");
    assert!(text.contains("analytics_sidecar_queue_errors_total{operation=\"seal_audit\"} 3\n"), "{text}");
}

#[tokio::test]
async fn what_is_due_is_signed_kept_and_noted() {
    let directory = std::env::temp_dir().join(format!("analytics-audit-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join("checkpoints.jsonl");
    let (trail, metrics, stop) = (Trail::default(), Arc::new(Metrics::new()), CancellationToken::new());
    // More than one call gives, and a quote and a line feed that the file must not be broken by.
    trail.state().due = (0..250).map(|n| format!("workspace {n}\n\"head\"")).collect();
    trail.state().refuse_notes = 1;
    let keepsake = Keepsake::open(&file).expect("a file");
    let signing = tokio::spawn(sign(trail.clone(), signer(), Some(keepsake), metrics.clone(), stop.clone()));
    let all_noted = async {
        while !trail.state().due.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_noted).await.expect("all were noted");
    stop.cancel();
    signing.await.expect("ended");

    let noted = trail.state().noted.clone();
    assert_eq!(noted.len(), 250);
    for signed in &noted {
        let key = hex::decode(&signed.public_key).expect("hex");
        let signature = hex::decode(&signed.signature).expect("hex");
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(signed.checkpoint.as_bytes(), &signature).expect("a good signature");
    }
    let text = std::fs::read_to_string(&file).expect("the file");
    std::fs::remove_dir_all(&directory).expect("removed");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // The first one twice: it was kept before the database refused to note it.
    assert_eq!(lines.len(), 251);
    assert_eq!(lines[1]["checkpoint"], noted[0].checkpoint.as_str());
    assert_eq!(lines[1]["signature"], noted[0].signature.as_str());
    assert!(metrics.render().expect("text").contains("analytics_sidecar_audit_checkpoints_total 250\n"));
}
