//! What Stripe is answered, whatever it or somebody else sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use analytics_sidecar::metrics::Metrics;
use analytics_sidecar::queue::QueueError;
use analytics_sidecar::webhook::{Applied, Billing, Webhook, routes};
use reqwest::{Client, StatusCode};
use ring::hmac;

const SECRET: &str = "whsec_the-secret-in-use";
const NEW_SECRET: &str = "whsec_the-secret-rolled-to";
const EVENT: &str = r#"{"id": "evt_1",  "object":"event"}"#;

/// Takes each payload once, as the database does.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    taken: HashMap<String, u32>,
    trouble: Option<&'static str>,
}

impl Billing for Ledger {
    async fn apply(&self, payload: &str, signature: &str) -> Result<Applied, QueueError> {
        assert!(signature.starts_with("t="), "{signature}");
        let mut state = self.0.lock().expect("not poisoned");
        match state.trouble {
            Some("away") => return Err(QueueError::Unavailable("SQLSTATE 57P01".to_owned())),
            Some(sqlstate) => return Err(QueueError::Refused { sqlstate: sqlstate.to_owned() }),
            None => {}
        }
        let times = state.taken.entry(payload.to_owned()).or_default();
        *times += 1;
        let duplicate = *times > 1;
        Ok(Applied { event_id: "evt_1".to_owned(), status: "applied".to_owned(), note: None, duplicate })
    }
}

struct Bench {
    ledger: Ledger,
    metrics: Arc<Metrics>,
    url: String,
    client: Client,
}

async fn bench() -> Bench {
    let (ledger, metrics) = (Ledger::default(), Arc::new(Metrics::new()));
    let secrets = vec![SECRET.into(), NEW_SECRET.into()];
    let webhook = Webhook { billing: ledger.clone(), secrets, metrics: metrics.clone() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/webhooks/stripe", listener.local_addr().expect("address"));
    tokio::spawn(axum::serve(listener, routes(Arc::new(webhook))).into_future());
    // Plain http, but the client wants to know who would do TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Bench { ledger, metrics, url, client: Client::builder().no_proxy().build().expect("client") }
}

fn signature(secret: &str, body: &[u8], age: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let signed_at = now.checked_add_signed(-age).expect("a time");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &[signed_at.to_string().as_bytes(), b".", body].concat());
    format!("t={signed_at},v1={}", hex::encode(tag))
}

impl Bench {
    async fn post(&self, body: impl Into<Vec<u8>>, signature: &str) -> (StatusCode, String) {
        let request = self.client.post(&self.url).header("stripe-signature", signature).body(body.into());
        let answer = request.send().await.expect("answered");
        (answer.status(), answer.text().await.expect("text"))
    }

    fn taken(&self) -> usize {
        self.ledger.0.lock().expect("not poisoned").taken.len()
    }

    fn have(&self, trouble: &'static str) {
        self.ledger.0.lock().expect("not poisoned").trouble = Some(trouble);
    }

    fn counted(&self, outcome: &str, times: u32) -> bool {
        let line = format!("analytics_sidecar_webhook_deliveries_total{{outcome=\"{outcome}\"}} {times}\n");
        self.metrics.render().expect("text").contains(&line)
    }
}

#[tokio::test]
async fn a_signed_event_reaches_the_database_as_it_came_and_again_as_a_duplicate() {
    let bench = bench().await;
    for secret in [SECRET, NEW_SECRET] {
        assert_eq!(bench.post(EVENT, &signature(secret, EVENT.as_bytes(), 0)).await, (StatusCode::OK, String::new()));
    }
    assert!(bench.ledger.0.lock().expect("not poisoned").taken.contains_key(EVENT));
    assert!(bench.counted("applied", 1) && bench.counted("duplicate", 1));
}

#[tokio::test]
async fn what_is_not_signed_lately_by_our_secret_is_refused_without_a_word() {
    let bench = bench().await;
    let body = EVENT.as_bytes();
    for wrong in [
        String::new(),
        "t=1,v1=00".to_owned(),
        signature("whsec_somebody-elses-secret", body, 0),
        signature(SECRET, b"another body", 0),
        signature(SECRET, body, 400),
        signature(SECRET, body, -400),
    ] {
        assert_eq!(bench.post(EVENT, &wrong).await, (StatusCode::BAD_REQUEST, String::new()), "{wrong}");
    }
    let unsigned = bench.client.post(&bench.url).body(EVENT).send().await.expect("answered");
    assert_eq!(unsigned.status(), StatusCode::BAD_REQUEST);
    assert_eq!(bench.taken(), 0);
    assert!(bench.counted("bad_signature", 7));
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_text_never_reaches_the_database() {
    let bench = bench().await;
    let large = vec![b' '; 1024 * 1024 + 1];
    assert_eq!(bench.post(large.clone(), &signature(SECRET, &large, 0)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let bytes = [b'"', 0xff, b'"'];
    assert_eq!(bench.post(bytes, &signature(SECRET, &bytes, 0)).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(bench.taken(), 0);
}

#[tokio::test]
async fn stripe_delivers_again_what_the_database_has_not_taken() {
    let bench = bench().await;
    for (trouble, status) in [
        ("away", StatusCode::SERVICE_UNAVAILABLE),
        ("23514", StatusCode::SERVICE_UNAVAILABLE),
        ("22P02", StatusCode::BAD_REQUEST),
        ("PT400", StatusCode::BAD_REQUEST),
    ] {
        bench.have(trouble);
        let answer = bench.post(EVENT, &signature(SECRET, EVENT.as_bytes(), 0)).await;
        assert_eq!(answer, (status, String::new()), "{trouble}");
    }
    assert!(bench.counted("unavailable", 2) && bench.counted("malformed", 2));
}

#[tokio::test]
async fn only_posts_to_its_own_path_are_answered() {
    let bench = bench().await;
    let get = bench.client.get(&bench.url).send().await.expect("answered");
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    let metrics = bench.client.get(bench.url.replace("/webhooks/stripe", "/metrics")).send().await.expect("answered");
    assert_eq!(metrics.status(), StatusCode::NOT_FOUND);
}
