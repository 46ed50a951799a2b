//! What X tells: an account, its time line by spans of time, posts by their ids. A post of which a field may not be told is left
//! out, and named among the errors beside the data.

use axum::extract::{Request, State};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::data::{admit, ok, refuse};
use super::insights::{AGES, counts, figure};
use super::people::{handle, person};
use super::{App, Ask, Settings};

/// More are never in a page, though 100 may be asked for: whoever reads the first page only misses the rest.
const LONGEST_PAGE: usize = 3;

/// So long are the author's numbers told.
const AUTHORS_HOURS: i64 = 30 * 24;

const AUTHORS: [&str; 3] = ["non_public_metrics", "organic_metrics", "promoted_metrics"];
const FIELDS: [&str; 8] = [
    "attachments",
    "created_at",
    "id",
    "text",
    "public_metrics",
    "non_public_metrics",
    "organic_metrics",
    "promoted_metrics",
];

pub async fn me(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &["users.read"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let counts = counts(&token.user);
    let person = person(&token.user);
    let mut user = json!({"id": person.id, "name": person.name, "username": handle(&token.user).replace('.', "_")});
    let more = json!({
        "profile_image_url": "https://pbs.example/p.jpg", "verified_type": "blue",
        "public_metrics": {
            "followers_count": counts.followers, "following_count": counts.following, "tweet_count": counts.posts,
            "listed_count": 3, "like_count": 40,
        },
    });
    for field in ask.field("user.fields").split(',').filter(|field| more.get(*field).is_some()) {
        user[field] = more[field].clone();
    }
    ok(&json!({"data": user}))
}

/// Where a post is in the list, and all that there is to say of it.
struct Post {
    hours: i64,
    at: DateTime<Utc>,
    all: Value,
}

/// Newest first, with the greatest ids.
fn all_posts(user: &str, now: i64) -> Vec<Post> {
    let person = person(user);
    let post = |(place, hours): (usize, &i64)| {
        let id = format!("19{}{:02}", &person.id[2..], 99 - place);
        let of = |metric: &str, low: u64| figure(low, &[&id, metric]);
        let at = DateTime::from_timestamp(now - now % 3600 - hours * 3600, 0).unwrap_or_default();
        let media = match place {
            1 => json!({"media_keys": [format!("7_{id}")]}),
            2 => json!({"media_keys": [format!("3_{id}1"), format!("3_{id}2")]}),
            _ => json!({}),
        };
        let all = json!({
            "id": id, "text": format!("An invented post of {} #standin", handle(user)), "attachments": media,
            "created_at": at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "public_metrics": {
                "retweet_count": of("retweet", 10), "reply_count": of("reply", 4), "like_count": of("like", 80),
                "quote_count": of("quote", 2), "bookmark_count": of("bookmark", 6), "impression_count": of("impression", 2000),
            },
            "non_public_metrics": {
                "impression_count": of("impression", 2000), "url_link_clicks": of("link", 8),
                "user_profile_clicks": of("profile", 9), "engagements": of("engagement", 120),
            },
            "organic_metrics": {
                "impression_count": of("organic", 1500), "like_count": of("like", 80), "reply_count": of("reply", 4),
                "retweet_count": of("retweet", 10), "url_link_clicks": of("link", 8), "user_profile_clicks": of("profile", 9),
            },
        });
        Post { hours: *hours, at, all }
    };
    AGES.iter().enumerate().map(post).collect()
}

/// The data and the errors of an answer; None where a field is wanted that there is not.
fn told(ask: &Ask, settings: &Settings, posts: &[Post]) -> Option<(Vec<Value>, Vec<Value>)> {
    let fields: Vec<&str> = ask.field("tweet.fields").split(',').filter(|field| !field.is_empty()).collect();
    let is_known = |field: &&str| FIELDS.contains(field) && !settings.refused_metrics.iter().any(|it| it == field);
    if !fields.iter().all(is_known) {
        return None;
    }
    let (mut data, mut errors) = (Vec::new(), Vec::new());
    for post in posts {
        let id = &post.all["id"];
        let is_hidden = settings.hides_authors_metrics || post.hours >= AUTHORS_HOURS;
        let beyond: Vec<&&str> = fields.iter().filter(|field| is_hidden && AUTHORS.contains(field)).collect();
        errors.extend(beyond.iter().map(|field| {
            json!({
                "resource_type": "tweet", "field": format!("{field}.impression_count"), "parameter": "id", "resource_id": id,
                "title": "Field Authorization Error", "section": "data", "value": id,
                "detail": format!("Sorry, you are not authorized to access '{field}.impression_count' on the Tweet with id : [{id}]."),
                "type": "https://api.twitter.com/2/problems/not-authorized-for-field",
            })
        }));
        if beyond.is_empty() {
            let chosen = ["id", "text"].iter().chain(&fields).filter(|field| post.all.get(**field).is_some());
            data.push(
                chosen.map(|field| ((*field).to_owned(), post.all[*field].clone())).collect::<Map<_, _>>().into(),
            );
        }
    }
    Some((data, errors))
}

fn answer(data: Vec<Value>, errors: Vec<Value>) -> Map<String, Value> {
    let mut answer = Map::new();
    // Without data there is no list of it.
    if !data.is_empty() {
        answer.insert("data".to_owned(), data.into());
    }
    if !errors.is_empty() {
        answer.insert("errors".to_owned(), errors.into());
    }
    answer
}

pub async fn posts(State(shared): State<App>, request: Request) -> Response {
    let id = request.uri().path().rsplit('/').nth(1).unwrap_or_default().to_owned();
    let (ask, token) = match admit(&shared, request, &["tweet.read"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    if id != person(&token.user).id {
        return refuse(ask.provider, "forbidden");
    }
    let (settings, now) = {
        let inner = shared.oauth.inner();
        (inner.settings.clone(), inner.now())
    };
    let time = |name: &str| match ask.field(name) {
        "" => Some(None),
        text => DateTime::parse_from_rfc3339(text).ok().map(|at| Some(at.to_utc())),
    };
    let most = ask.field("max_results").parse::<usize>().unwrap_or(10);
    let (Some(from), Some(until), true) = (time("start_time"), time("end_time"), (5..=100).contains(&most)) else {
        return refuse(ask.provider, "invalid_request");
    };
    let since = ask.field("since_id");
    let is_within = |post: &Post| {
        let id = post.all["id"].as_str().unwrap_or_default();
        from.is_none_or(|from| post.at >= from)
            && until.is_none_or(|until| post.at < until)
            && (since.is_empty() || id > since)
    };
    let all: Vec<Post> = all_posts(&token.user, now).into_iter().filter(is_within).collect();
    let start = ask
        .field("pagination_token")
        .strip_prefix("page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(0)
        .min(all.len());
    let page = &all[start..all.len().min(start + most.min(LONGEST_PAGE))];
    let Some((data, errors)) = told(&ask, &settings, page) else { return refuse(ask.provider, "invalid_request") };
    let mut meta = json!({"result_count": data.len()});
    if start + page.len() < all.len() {
        meta["next_token"] = format!("page{}", start + page.len()).into();
    }
    let mut answer = answer(data, errors);
    answer.insert("meta".to_owned(), meta);
    ok(&answer.into())
}

pub async fn lookup(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &["tweet.read"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let (settings, now) = {
        let inner = shared.oauth.inner();
        (inner.settings.clone(), inner.now())
    };
    let ids: Vec<&str> = ask.field("ids").split(',').collect();
    let wanted = |post: &Post| post.all["id"].as_str().is_some_and(|id| ids.contains(&id));
    let posts: Vec<Post> = all_posts(&token.user, now).into_iter().filter(wanted).collect();
    match told(&ask, &settings, &posts) {
        Some((data, errors)) => ok(&answer(data, errors).into()),
        None => refuse(ask.provider, "invalid_request"),
    }
}
