//! What TikTok tells: of a person by field, each behind its scope; of videos a page at a time. Success is a word in the answer.

use std::collections::HashMap;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::data::{admit, ok, refuse};
use super::insights::{AGES, counts, figure};
use super::people::{handle, person};
use super::token::open_id;
use super::{App, Ask};

/// More are never in a page, though 20 may be asked for: whoever reads the first page only misses the rest.
const LONGEST_PAGE: usize = 3;

const OF_PROFILE: [&str; 4] = ["username", "bio_description", "profile_deep_link", "is_verified"];
const OF_STATS: [&str; 4] = ["follower_count", "following_count", "likes_count", "video_count"];

fn fields(request: &Request) -> Vec<String> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let query: HashMap<String, String> = form_urlencoded::parse(query).into_owned().collect();
    let fields = query.get("fields").map_or("", String::as_str);
    fields.split(',').filter(|field| !field.is_empty()).map(str::to_owned).collect()
}

/// The fields that are wanted, and nothing else. One that there is not refuses them all.
fn chosen(shared: &App, ask: &Ask, fields: &[String], all: &Value) -> Result<Value, Box<Response>> {
    let refused = shared.oauth.inner().settings.refused_metrics.clone();
    if fields.is_empty() || fields.iter().any(|field| all.get(field).is_none() || refused.contains(field)) {
        return Err(Box::new(refuse(ask.provider, "invalid_params")));
    }
    Ok(fields.iter().map(|field| (field.clone(), all[field].clone())).collect::<Map<_, _>>().into())
}

fn success(data: &Value) -> Response {
    ok(&json!({"data": data, "error": {"code": "ok", "message": "", "log_id": "20261121000000STANDIN"}}))
}

/// Refusals come with any status.
fn as_refused(shared: &App, mut answer: Response) -> Response {
    if shared.oauth.inner().settings.tiktok_refuses_with_200 {
        *answer.status_mut() = StatusCode::OK;
    }
    answer
}

pub async fn user(State(shared): State<App>, request: Request) -> Response {
    let fields = fields(&request);
    let (ask, token) = match admit(&shared, request, &["user.info.basic"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return as_refused(&shared, *answer),
    };
    let may = |scope: &str| token.scopes.iter().any(|given| given == scope);
    let is_beyond =
        |known: &[&str], scope: &str| !may(scope) && fields.iter().any(|field| known.contains(&field.as_str()));
    if is_beyond(&OF_PROFILE, "user.info.profile") || is_beyond(&OF_STATS, "user.info.stats") {
        return as_refused(&shared, refuse(ask.provider, "scope_not_authorized"));
    }
    let counts = counts(&token.user);
    let all = json!({
        "open_id": open_id(&token.user), "union_id": "standin-union", "display_name": person(&token.user).name,
        "avatar_url": "https://p16.example/avatar.jpg", "username": handle(&token.user), "bio_description": "Invented",
        "profile_deep_link": "https://vm.tiktok.example/a", "is_verified": false, "follower_count": counts.followers,
        "following_count": counts.following, "likes_count": counts.followers * 7, "video_count": counts.posts,
    });
    match chosen(&shared, &ask, &fields, &all) {
        Ok(user) => success(&json!({"user": user})),
        Err(refusal) => as_refused(&shared, *refusal),
    }
}

pub async fn videos(State(shared): State<App>, request: Request) -> Response {
    let fields = fields(&request);
    let (ask, token) = match admit(&shared, request, &["video.list"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return as_refused(&shared, *answer),
    };
    let body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
    let now = shared.oauth.inner().now();
    let count = usize::try_from(body["max_count"].as_u64().unwrap_or(10)).unwrap_or(usize::MAX);
    if !(1..=20).contains(&count) {
        return as_refused(&shared, refuse(ask.provider, "invalid_params"));
    }
    // The cursor is a time in milliseconds, as the real one: videos from then on, backwards.
    let cursor = body["cursor"].as_i64().filter(|cursor| *cursor > 0).unwrap_or(i64::MAX);
    let at = |hours: i64| now - now % 3600 - hours * 3600;
    let older: Vec<(usize, i64)> =
        AGES.iter().map(|hours| at(*hours)).enumerate().filter(|(_, at)| at.saturating_mul(1000) < cursor).collect();
    let mut videos = Vec::new();
    for (place, at) in older.iter().take(count.min(LONGEST_PAGE)) {
        let id = format!("74{}{place:02}", &person(&token.user).id[2..]);
        let of = |metric: &str, low: u64| figure(low, &[&id, metric]);
        let all = json!({
            "id": id, "create_time": at, "duration": 20 + place, "title": "An invented video",
            "video_description": format!("An invented video of {} #standin", handle(&token.user)),
            "share_url": format!("https://www.tiktok.com/@standin/video/{id}"),
            "cover_image_url": "https://p16.example/cover.jpg", "view_count": of("view", 4000),
            "like_count": of("like", 300), "comment_count": of("comment", 20), "share_count": of("share", 15),
        });
        match chosen(&shared, &ask, &fields, &all) {
            Ok(video) => videos.push(video),
            Err(refusal) => return as_refused(&shared, *refusal),
        }
    }
    let end = older.iter().take(videos.len()).next_back().map_or(0, |(_, at)| at * 1000);
    success(&json!({"videos": videos, "cursor": end, "has_more": videos.len() < older.len()}))
}
