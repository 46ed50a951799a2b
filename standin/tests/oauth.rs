//! The six providers as a browser, an app and a test see them. Whole flows are in the sidecar's tests.

use analytics_standin::{Catalog, Credentials, Provider, Running, USERS, start};
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

const REDIRECT: &str = "http://127.0.0.1:9190/cb";

async fn standin() -> Running {
    start(Catalog::default(), Credentials::default()).await.expect("started")
}

fn client() -> Client {
    // An error means that another test has installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().redirect(Policy::none()).build().expect("client")
}

async fn get(address: &str) -> Response {
    client().get(address).send().await.expect("answered")
}

async fn set(standin: &Running, settings: Value) -> StatusCode {
    let response = client().post(format!("{}/oauth/settings", standin.url())).json(&settings).send().await;
    response.expect("answered").status()
}

/// An access token of Instagram for a user.
async fn instagram_token(standin: &Running, user: &str) -> String {
    let scopes = "instagram_business_basic,instagram_business_manage_insights";
    let page = get(&format!(
        "{}/instagram/oauth/authorize?client_id=standin-client&redirect_uri={REDIRECT}&response_type=code&scope={scopes}&state=s&user={user}",
        standin.url()
    ))
    .await;
    let location = page.headers()[LOCATION].to_str().expect("text").to_owned();
    assert!(location.ends_with("&state=s#_"), "{location}");
    let code = location.split("code=").nth(1).and_then(|rest| rest.split('&').next()).expect("a code").to_owned();
    let form = format!(
        "client_id=standin-client&client_secret=standin-secret&grant_type=authorization_code&redirect_uri={REDIRECT}&code={code}"
    );
    let short: Value = client()
        .post(format!("{}/instagram/oauth/access_token", standin.url()))
        .body(form)
        .send()
        .await
        .expect("answered")
        .json()
        .await
        .expect("JSON");
    let long = get(&format!(
        "{}/instagram/access_token?grant_type=ig_exchange_token&client_secret=standin-secret&access_token={}",
        standin.url(),
        short["access_token"].as_str().expect("a token")
    ))
    .await;
    long.json::<Value>().await.expect("JSON")["access_token"].as_str().expect("a token").to_owned()
}

async fn asked(standin: &Running, token: &str, path: &str) -> (StatusCode, Value) {
    let address = format!("{}/instagram/{path}", standin.url());
    let response = client().get(address).bearer_auth(token).send().await.expect("answered");
    (response.status(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn what_concerns_the_app_is_never_redirected() {
    let standin = standin().await;
    assert_eq!(set(&standin, json!({"redirect_uris": [REDIRECT]})).await, StatusCode::OK);
    for query in [
        format!("client_id=somebody&redirect_uri={REDIRECT}&response_type=code&scope=openid"),
        "client_id=standin-client&redirect_uri=https://evil.example/cb&response_type=code&scope=openid".to_owned(),
        format!("client_id=standin-client&redirect_uri={REDIRECT}/more&response_type=code&scope=openid"),
        "client_id=standin-client&response_type=code&scope=openid".to_owned(),
    ] {
        let page = get(&format!("{}/google/o/oauth2/v2/auth?{query}", standin.url())).await;
        assert_eq!(page.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(!page.headers().contains_key(LOCATION));
    }
}

#[tokio::test]
async fn the_page_shows_nothing_of_the_address_as_it_came() {
    let standin = standin().await;
    set(&standin, json!({"approval": "page"})).await;
    let page = get(&format!(
        "{}/google/o/oauth2/v2/auth?client_id=standin-client&redirect_uri={REDIRECT}&response_type=code&scope=openid&state=%22%3E%3Cscript%3E",
        standin.url()
    ))
    .await;
    let page = page.text().await.expect("text");
    assert!(!page.contains("<script>") && USERS.iter().all(|user| page.contains(&format!("Allow as {user}"))));
}

#[tokio::test]
async fn settings_are_changed_one_by_one_and_checked() {
    let standin = standin().await;
    assert_eq!(set(&standin, json!({"code_seconds": {"x": 5}})).await, StatusCode::OK);
    assert_eq!(set(&standin, json!({"no_such_setting": 1})).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(set(&standin, json!({"approval": "maybe"})).await, StatusCode::UNPROCESSABLE_ENTITY);
    let shown: Value = get(&format!("{}/oauth", standin.url())).await.json().await.expect("JSON");
    assert_eq!(shown["settings"]["code_seconds"], json!({"x": 5}));
    assert_eq!(shown["settings"]["client_id"], "standin-client");
    let clock = client().post(format!("{}/oauth/clock", standin.url())).json(&json!({"advance_seconds": 1000}));
    let ahead: Value = clock.send().await.expect("answered").json().await.expect("JSON");
    let step = ahead["now"].as_i64().expect("a time") - shown["now"].as_i64().expect("a time");
    assert!((1000..1060).contains(&step), "{step}");
}

#[tokio::test]
async fn tiktok_wants_its_slash_and_x_its_challenge() {
    let standin = standin().await;
    let token = client().post(format!("{}/tiktok/v2/oauth/token", standin.url())).send().await.expect("answered");
    assert_eq!(token.status(), StatusCode::NOT_FOUND);
    let page = get(&format!(
        "{}/x/i/oauth2/authorize?client_id=standin-client&redirect_uri={REDIRECT}&response_type=code&scope=users.read&state=s",
        standin.url()
    ))
    .await;
    assert_eq!(page.headers()[LOCATION], format!("{REDIRECT}?error=invalid_request&state=s"));
    assert_eq!(standin.requests_of("x", "/i/oauth2/authorize"), 1);
    assert_eq!(standin.oauth().live_tokens(Provider::X), 0);
}

#[tokio::test]
async fn instagrams_figures_come_as_totals_series_and_demographics() {
    let standin = standin().await;
    let token = instagram_token(&standin, "mira").await;
    let (_, totals) =
        asked(&standin, &token, "me/insights?metric=reach,views&period=day&metric_type=total_value").await;
    assert!(totals["data"][1]["total_value"]["value"].is_u64());
    let (_, series) = asked(&standin, &token, "me/insights?metric=follower_count&period=day").await;
    assert_eq!(series["data"][0]["values"].as_array().map(Vec::len), Some(1));
    let (_, again) = asked(&standin, &token, "me/insights?metric=follower_count&period=day").await;
    assert_eq!(series, again, "the same at every call");
    let (_, people) = asked(
        &standin,
        &token,
        "me/insights?metric=follower_demographics,engaged_audience_demographics&period=lifetime&timeframe=this_month&breakdown=age&metric_type=total_value",
    )
    .await;
    let keys = |entry: usize| people["data"][entry]["total_value"]["breakdowns"][0]["dimension_keys"].clone();
    assert_eq!((keys(0), keys(1)), (json!(["age"]), json!(["timeframe", "age"])));
}

#[tokio::test]
async fn what_instagram_does_not_tell() {
    let standin = standin().await;
    let small = instagram_token(&standin, "jonas").await;
    let demographics = "me/insights?metric=follower_demographics&period=lifetime&timeframe=this_month&breakdown=age&metric_type=total_value";
    assert_eq!(asked(&standin, &small, demographics).await, (StatusCode::OK, json!({"data": []})));

    let token = instagram_token(&standin, "mira").await;
    for refused in ["impressions", "profile_views", "no_such_metric", ""] {
        let path = format!("me/insights?metric=reach,{refused}&period=day&metric_type=total_value");
        let (status, body) = asked(&standin, &token, &path).await;
        match refused {
            "" => assert_eq!(status, StatusCode::OK),
            _ => assert_eq!((status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(100)), "{refused}"),
        }
    }
    set(&standin, json!({"refused_metrics": ["saves"], "insight_delay_hours": 48})).await;
    let (status, _) = asked(&standin, &token, "me/insights?metric=saves&period=day&metric_type=total_value").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, late) = asked(&standin, &token, "me/insights?metric=reach&period=day&metric_type=total_value").await;
    assert_eq!(late["data"], json!([]), "yesterday is not known yet");
    let (status, _) = asked(&standin, &token, "17841400000000023/insights?metric=reach&period=day").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "somebody else's account");
}

#[tokio::test]
async fn posts_come_in_pages_and_each_with_its_own_metrics() {
    let standin = standin().await;
    let token = instagram_token(&standin, "mira").await;
    let mut posts = Vec::new();
    let mut after = "0".to_owned();
    loop {
        let (_, page) = asked(&standin, &token, &format!("me/media?after={after}")).await;
        posts.extend(page["data"].as_array().expect("a list").clone());
        match page["paging"]["cursors"]["after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(posts.len(), 8);
    let insights = |place: usize, metric: &str| {
        format!("{}/insights?metric={metric}", posts[place]["id"].as_str().expect("an id"))
    };
    let (_, reel) = asked(&standin, &token, &insights(1, "ig_reels_avg_watch_time,views")).await;
    assert!(reel["data"][0]["values"][0]["value"].is_u64());
    let (status, _) = asked(&standin, &token, &insights(2, "ig_reels_avg_watch_time")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "no reel");
    let (_, hidden) = asked(&standin, &token, &insights(7, "views")).await;
    assert_eq!(hidden["error"]["code"], 10, "fewer than five viewers");
}
