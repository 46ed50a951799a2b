//! The stand-in as its callers see it.

use std::path::{Path, PathBuf};

use analytics_standin::{Catalog, Credentials, Fault, Rule, Running, start};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

async fn standin() -> Running {
    let mut catalog = Catalog::default();
    catalog.add_built_in_samples();
    start(catalog, Credentials::default()).await.expect("started")
}

fn client() -> Client {
    // An error means that another test has installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().expect("client")
}

async fn scrape(standin: &Running, body: Value) -> Response {
    client()
        .post(format!("{}/v2/scrape", standin.url()))
        .basic_auth("demo", Some("demo"))
        .json(&body)
        .send()
        .await
        .expect("answered")
}

async fn profile(standin: &Running, username: &str) -> Response {
    scrape(standin, json!({"target": "instagram_graphql_profile", "query": username})).await
}

#[tokio::test]
async fn a_profile_comes_in_the_envelope_with_a_task_id_of_19_digits() {
    let standin = standin().await;
    let answer: Value = profile(&standin, "aurora.example").await.json().await.expect("JSON");
    let result = &answer["results"][0];
    assert_eq!(result["content"]["data"]["user"]["edge_followed_by"]["count"], 2_418_307_551_u64);
    assert_eq!(result["status_code"], 200);
    assert_eq!(result["query"], "aurora.example");
    let task_id = result["task_id"].as_str().expect("text");
    assert!(task_id.len() == 19 && task_id.bytes().all(|byte| byte.is_ascii_digit()));
}

#[tokio::test]
async fn posts_come_in_the_shape_they_were_recorded_in() {
    let standin = standin().await;
    let posts = |username: &str| {
        scrape(&standin, json!({"target": "instagram_graphql_user_posts", "query": username, "count": 12}))
    };
    let graphql: Value = posts("nour.threads.example").await.json().await.expect("JSON");
    let content = &graphql["results"][0]["content"];
    assert_eq!(content["data"]["user"]["edge_owner_to_timeline_media"]["edges"].as_array().map(Vec::len), Some(12));
    assert_eq!(content["extensions"]["is_final"], true);
    let xdt: Value = posts("dvorek.example").await.json().await.expect("JSON");
    let connection = &xdt["results"][0]["content"]["data"]["xdt_api__v1__feed__user_timeline_graphql_connection"];
    assert_eq!(connection["edges"][1]["node"]["user"]["username"], "dvorek.example");
}

#[tokio::test]
async fn a_post_comes_with_its_comments() {
    let standin = standin().await;
    let catalog: Value =
        client().get(format!("{}/catalog", standin.url())).send().await.expect("answered").json().await.expect("JSON");
    let shortcode = catalog["shortcodes"][0].as_str().expect("a post");
    let answer: Value = scrape(&standin, json!({"target": "instagram_graphql_post", "query": shortcode}))
        .await
        .json()
        .await
        .expect("JSON");
    let media = &answer["results"][0]["content"]["shortcode_media"];
    assert_eq!(media["shortcode"], shortcode);
    assert_eq!(media["edge_media_to_parent_comment"]["edges"].as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn an_unknown_username_is_a_null_user() {
    let standin = standin().await;
    let answer: Value = profile(&standin, "no.such.person").await.json().await.expect("JSON");
    assert_eq!(answer["results"][0]["content"], json!({"data": {"user": null}, "status": "ok"}));
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_counted() {
    let standin = standin().await;
    let response = client()
        .post(format!("{}/v2/scrape", standin.url()))
        .basic_auth("demo", Some("wrong"))
        .json(&json!({"target": "instagram_graphql_profile", "query": "aurora.example"}))
        .send()
        .await
        .expect("answered");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(body, json!({"status": "failed", "message": "Username invalid."}));
    assert_eq!(standin.requests(), 1);
}

#[tokio::test]
async fn bad_requests_are_refused_as_decodo_does() {
    let standin = standin().await;
    for (body, status) in [
        (json!(["not", "an", "object"]), StatusCode::BAD_REQUEST),
        (json!({"query": "aurora.example"}), StatusCode::BAD_REQUEST),
        (json!({"target": "instagram_graphql_profile"}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"target": "no_such_target", "query": "x"}), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(scrape(&standin, body.clone()).await.status(), status, "{body}");
    }
}

#[tokio::test]
async fn a_task_is_pending_then_done_and_its_results_can_be_read_again() {
    let standin = standin().await;
    let client = client();
    let url = standin.url();
    let created = client
        .post(format!("{url}/v3/task"))
        .basic_auth("demo", Some("demo"))
        .json(&json!({"target": "instagram_graphql_profile", "query": "tomas.example", "locale": "en-us"}))
        .send()
        .await
        .expect("answered");
    assert_eq!(created.status(), StatusCode::CREATED);
    let task: Value = created.json().await.expect("JSON");
    assert_eq!((&task["status"], &task["locale"]), (&json!("pending"), &json!("en-us")));
    let results = || {
        client
            .get(format!("{url}/v3/task/{}/results", task["id"].as_str().expect("text")))
            .basic_auth("demo", Some("demo"))
            .send()
    };
    assert_eq!(results().await.expect("answered").status(), StatusCode::NO_CONTENT);
    for _ in 0..2 {
        let answer: Value = results().await.expect("answered").json().await.expect("JSON");
        assert_eq!(answer["results"][0]["content"]["data"]["user"]["username"], "tomas.example");
    }
    let unknown = client.get(format!("{url}/v3/task/1/results")).basic_auth("demo", Some("demo")).send();
    assert_eq!(unknown.await.expect("answered").status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn faults_set_over_http_hold_as_often_as_asked() {
    let standin = standin().await;
    let url = format!("{}/faults", standin.url());
    let rule = json!({"query": "aurora.example", "fault": "http_429", "times": 1, "retry_after": 7});
    let created = client().post(&url).json(&rule).send().await.expect("answered");
    assert_eq!(created.status(), StatusCode::CREATED);
    let limited = profile(&standin, "aurora.example").await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "7");
    assert_eq!(profile(&standin, "aurora.example").await.status(), StatusCode::OK);

    standin.add_fault(Rule::new(Fault::Http500));
    assert_eq!(profile(&standin, "tomas.example").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    client().delete(&url).send().await.expect("answered");
    assert_eq!(profile(&standin, "tomas.example").await.status(), StatusCode::OK);

    let unknown = client().post(&url).json(&json!({"fault": "meteor"})).send().await;
    assert_eq!(unknown.expect("answered").status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_cut_body_ends_before_its_declared_length() {
    let standin = standin().await;
    standin.add_fault(Rule::new(Fault::CutBody));
    let response = profile(&standin, "aurora.example").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn content_can_come_as_json_text_and_the_body_can_be_large() {
    let standin = standin().await;
    standin.add_fault(Rule::new(Fault::JsonTextContent).times(1));
    let answer: Value = profile(&standin, "tomas.example").await.json().await.expect("JSON");
    let text = answer["results"][0]["content"].as_str().expect("text");
    let content: Value = serde_json::from_str(text).expect("JSON in text");
    assert_eq!(content["data"]["user"]["username"], "tomas.example");

    standin.add_fault(Rule::new(Fault::Body10mb));
    let body = profile(&standin, "tomas.example").await.text().await.expect("text");
    assert!(body.len() > 10 * 1024 * 1024);
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(answer["results"][0]["content"]["data"]["user"]["username"], "tomas.example");
}

#[tokio::test]
async fn requests_are_counted_by_target_and_query() {
    let standin = standin().await;
    profile(&standin, "tomas.example").await;
    profile(&standin, "tomas.example").await;
    profile(&standin, "pavla.example").await;
    let log: Value =
        client().get(format!("{}/requests", standin.url())).send().await.expect("answered").json().await.expect("JSON");
    assert_eq!(log["total"], 3);
    assert_eq!(
        log["requests"][1],
        json!({"target": "instagram_graphql_profile", "query": "tomas.example", "count": 2})
    );
}

#[test]
fn a_folder_without_any_answer_is_an_error() {
    let empty = tempfile::tempdir().expect("folder");
    let error = Catalog::default().add_directory(empty.path(), "recorded").expect_err("nothing to serve");
    assert!(error.to_string().contains("no profile, timeline or post"));
}

fn recorded_fixtures() -> Option<PathBuf> {
    let root = match std::env::var_os("ANALYTICS_FIXTURES") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
    };
    let instagram = root.join("instagram");
    instagram.is_dir().then_some(instagram)
}

#[tokio::test]
async fn recorded_answers_are_served_for_the_accounts_they_belong_to() {
    let Some(dir) = recorded_fixtures() else {
        println!("skipped: no recorded fixtures");
        return;
    };
    let mut catalog = Catalog::default();
    catalog.add_directory(&dir, "recorded").expect("indexed");
    let standin = start(catalog, Credentials::default()).await.expect("started");
    let user = async |username: &str| {
        let answer: Value = profile(&standin, username).await.json().await.expect("JSON");
        answer["results"][0]["content"]["data"]["user"].clone()
    };
    assert_eq!(user("instagram").await["edge_followed_by"]["count"], 694_670_062);
    assert_eq!(user("starthackclub").await["edge_followed_by"]["count"], 75_011);
    assert_eq!(user("robertdowneyjr").await["edge_owner_to_timeline_media"]["count"], 419);
    let nba = user("nba").await;
    assert_eq!(nba["edge_owner_to_timeline_media"]["count"], 70_366);
    assert_eq!(nba["edge_owner_to_timeline_media"]["edges"].as_array().map(Vec::len), Some(12));
    assert_eq!(user("ondrejpycha_photography").await["id"], "1493623214");
    let posts = async |username: &str| {
        let body = json!({"target": "instagram_graphql_user_posts", "query": username});
        let answer: Value = scrape(&standin, body).await.json().await.expect("JSON");
        answer["results"][0]["content"]["data"].clone()
    };
    assert_eq!(
        posts("robertdowneyjr").await["user"]["edge_owner_to_timeline_media"]["edges"].as_array().map(Vec::len),
        Some(12)
    );
    assert_eq!(
        posts("ondrejpycha_photography").await["xdt_api__v1__feed__user_timeline_graphql_connection"]["edges"]
            .as_array()
            .map(Vec::len),
        Some(12)
    );
}
