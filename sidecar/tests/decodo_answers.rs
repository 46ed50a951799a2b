//! Every answer that Decodo can give, as the client makes it out, and what is then told to the database.

mod common;

use std::time::Duration;

use analytics_sidecar::config::DecodoConfig;
use analytics_sidecar::decodo::{Answer, Decodo, ScrapeRequest};
use analytics_sidecar::failure::{Code, Failure, Verdict};
use analytics_standin::{Fault, Rule, Running};
use common::{decodo_config, standin};
use serde_json::Value;

fn profile(username: &str) -> ScrapeRequest {
    ScrapeRequest { target: "instagram_graphql_profile", query: username.to_owned(), count: None }
}

async fn ask(standin: &Running, rule: Option<Rule>) -> Answer {
    standin.clear_faults();
    if let Some(rule) = rule {
        standin.add_fault(rule);
    }
    Decodo::new(&decodo_config(&standin.url())).expect("client").scrape(&profile("aurora.example")).await
}

async fn failure(standin: &Running, rule: Rule) -> Failure {
    match Verdict::from(ask(standin, Some(rule)).await) {
        Verdict::Fail(failure) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

fn payload(answer: Answer) -> String {
    match answer {
        Answer::Payload(text) => text,
        other => panic!("no payload: {other:?}"),
    }
}

#[tokio::test]
async fn a_full_profile_is_passed_on_with_its_long_ids_intact() {
    let standin = standin().await;
    let text = payload(ask(&standin, None).await);
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let task_id = answer["results"][0]["task_id"].as_str().expect("text");
    assert_eq!(task_id.len(), 19);
    assert!(text.contains(&format!(r#""task_id":"{task_id}""#)));
    assert_eq!(answer["results"][0]["content"]["data"]["user"]["edge_followed_by"]["count"], 2_418_307_551_u64);
}

#[tokio::test]
async fn posts_are_asked_for_with_their_count() {
    let standin = standin().await;
    let decodo = Decodo::new(&decodo_config(&standin.url())).expect("client");
    let request =
        ScrapeRequest { target: "instagram_graphql_user_posts", query: "dvorek.example".to_owned(), count: Some(12) };
    let answer: Value = serde_json::from_str(&payload(decodo.scrape(&request).await)).expect("JSON");
    let connection = &answer["results"][0]["content"]["data"]["xdt_api__v1__feed__user_timeline_graphql_connection"];
    assert_eq!(connection["edges"].as_array().map(Vec::len), Some(12));
}

#[tokio::test]
async fn content_as_json_text_and_a_null_user_are_for_the_database() {
    let standin = standin().await;
    let text = payload(ask(&standin, Some(Rule::new(Fault::JsonTextContent))).await);
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert!(answer["results"][0]["content"].is_string());

    standin.clear_faults();
    let decodo = Decodo::new(&decodo_config(&standin.url())).expect("client");
    let nobody = payload(decodo.scrape(&profile("no.such.person")).await);
    assert!(nobody.contains(r#""content":{"data":{"user":null},"status":"ok"}"#), "{nobody}");
}

#[tokio::test]
async fn ten_megabytes_are_read_and_more_than_the_limit_is_not() {
    let standin = standin().await;
    let text = payload(ask(&standin, Some(Rule::new(Fault::Body10mb))).await);
    assert!(text.len() > 10 * 1024 * 1024);

    let small = DecodoConfig { max_answer: 1024 * 1024, ..decodo_config(&standin.url()) };
    let answer = Decodo::new(&small).expect("client").scrape(&profile("aurora.example")).await;
    assert_eq!(answer, Answer::TooLarge { limit: 1024 * 1024 });
    let Verdict::Fail(failure) = Verdict::from(answer) else {
        panic!("no failure");
    };
    assert!(failure.permanent && failure.code == Code::ExternalApi);
}

#[tokio::test]
async fn a_slow_answer_past_the_timeout_is_a_timeout() {
    let standin = standin().await;
    standin.add_fault(Rule { delay_ms: Some(60_000), ..Rule::new(Fault::Slow) });
    let hasty = DecodoConfig { timeout: Duration::from_millis(200), ..decodo_config(&standin.url()) };
    let answer = Decodo::new(&hasty).expect("client").scrape(&profile("aurora.example")).await;
    assert_eq!(answer, Answer::TimedOut);
    let Verdict::Fail(failure) = Verdict::from(answer) else {
        panic!("no failure");
    };
    assert_eq!((failure.code.as_str(), failure.permanent), ("TIMEOUT", false));
}

#[tokio::test]
async fn a_slow_answer_within_the_timeout_is_an_answer() {
    let standin = standin().await;
    let slow = Rule { delay_ms: Some(50), ..Rule::new(Fault::Slow) };
    payload(ask(&standin, Some(slow)).await);
}

#[tokio::test]
async fn a_body_cut_in_half_and_a_closed_port_are_broken_connections() {
    let standin = standin().await;
    let answer = ask(&standin, Some(Rule::new(Fault::CutBody))).await;
    assert!(matches!(answer, Answer::Broken { .. }), "{answer:?}");
    let cut = failure(&standin, Rule::new(Fault::CutBody)).await;
    assert_eq!((cut.code.as_str(), cut.permanent), ("EXTERNAL_API_ERROR", false));

    let url = standin.url();
    drop(standin);
    let decodo = Decodo::new(&decodo_config(&url)).expect("client");
    common::until("the port is closed", || std::net::TcpStream::connect(&url["http://".len()..]).is_err()).await;
    let answer = decodo.scrape(&profile("aurora.example")).await;
    assert!(matches!(&answer, Answer::Broken { message } if message.starts_with("no connection")), "{answer:?}");
}

#[tokio::test]
async fn bad_credentials_are_told_apart_from_all_other_refusals() {
    let standin = standin().await;
    let wrong = DecodoConfig { password: "wrong".into(), ..decodo_config(&standin.url()) };
    let answer = Decodo::new(&wrong).expect("client").scrape(&profile("aurora.example")).await;
    let message = "Username invalid.".to_owned();
    assert_eq!(answer, Answer::Unauthorized { message });
    assert!(matches!(Verdict::from(answer), Verdict::BadCredentials));
    let forced = ask(&standin, Some(Rule::new(Fault::Http401))).await;
    assert!(matches!(Verdict::from(forced), Verdict::BadCredentials));
}

#[tokio::test]
async fn each_failure_has_its_code_and_says_whether_to_try_again() {
    let standin = standin().await;
    let cases = [
        (Fault::Status613, "EXTERNAL_API_ERROR", false),
        (Fault::EmptyContent, "NOT_FOUND", false),
        (Fault::EmptyResults, "NOT_FOUND", false),
        (Fault::Pending, "EXTERNAL_API_ERROR", false),
        (Fault::NoContent204, "EXTERNAL_API_ERROR", false),
        (Fault::NotJson, "EXTERNAL_API_ERROR", false),
        (Fault::Http400, "VALIDATION_ERROR", true),
        (Fault::Http403, "FORBIDDEN", true),
        (Fault::Http404, "NOT_FOUND", true),
        (Fault::Http422, "VALIDATION_ERROR", true),
        (Fault::Http429, "RATE_LIMITED", false),
        (Fault::Http500, "EXTERNAL_API_ERROR", false),
        (Fault::Http502, "EXTERNAL_API_ERROR", false),
        (Fault::Http503, "EXTERNAL_API_ERROR", false),
        (Fault::Http504, "EXTERNAL_API_ERROR", false),
        (Fault::Http524, "EXTERNAL_API_ERROR", false),
    ];
    for (fault, code, permanent) in cases {
        let failure = failure(&standin, Rule::new(fault)).await;
        assert_eq!((failure.code.as_str(), failure.permanent), (code, permanent), "{fault:?}");
        let is_pending = matches!(fault, Fault::Pending | Fault::NoContent204);
        assert_eq!(failure.retry_after.is_some(), is_pending, "{fault:?}");
    }
}

#[tokio::test]
async fn retry_after_is_passed_on_in_both_of_its_forms() {
    let standin = standin().await;
    let limited = |retry_after: Value| {
        serde_json::from_value::<Rule>(serde_json::json!({"fault": "http_429", "retry_after": retry_after}))
            .expect("a rule")
    };
    let in_seconds = failure(&standin, limited(Value::from(90))).await;
    assert_eq!(in_seconds.retry_after, Some(Duration::from_secs(90)));
    let far = failure(&standin, limited(Value::from("Fri, 31 Dec 2100 23:59:59 GMT"))).await;
    assert_eq!(far.retry_after, Some(Duration::from_secs(86_400)), "a day at most");
    let past = failure(&standin, limited(Value::from("Sat, 01 Jan 2000 00:00:00 GMT"))).await;
    assert_eq!(past.retry_after, Some(Duration::ZERO));
    let nonsense = failure(&standin, limited(Value::from("soon"))).await;
    assert_eq!(nonsense.retry_after, None);
}

#[tokio::test]
async fn a_failed_scrape_keeps_its_code_and_words_for_the_log() {
    let standin = standin().await;
    let answer = ask(&standin, Some(Rule::new(Fault::Status613))).await;
    let message = "We were not able to scrape the target.".to_owned();
    assert_eq!(answer, Answer::Faulted { status_code: Some(613), message });
}
