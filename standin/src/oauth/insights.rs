//! What the platforms tell about an account and its posts. Invented, and the same at every call: a figure follows from the
//! account, the metric and the day. Small accounts have no demographics, late days no figures, and a metric that is not
//! served refuses the whole request, as with the real ones.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::data::{admit, ok, refuse};
use super::people::{Person, handle, person};
use super::{App, Ask, Settings};
use crate::reply::json_body;

pub(super) const DAY: i64 = 24 * 3600;

/// Days that one call may span.
const LONGEST_SPAN: i64 = 30 * DAY;

/// Between `low` and twice that, by name.
pub(super) fn figure(low: u64, parts: &[&str]) -> u64 {
    let digest = Sha256::digest(parts.join("\u{1}").as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    low + u64::from_be_bytes(bytes) % low.max(1)
}

/// The followers that a platform counts.
pub(super) fn followers(user: &str) -> u64 {
    match user {
        "mira" => 12_480,
        "jonas" => 80,
        _ => 0,
    }
}

/// Fewer, and the platforms tell no demographics.
pub(super) const FEWEST_FOLLOWERS: u64 = 100;

const TOTALS: [&str; 12] = [
    "reach",
    "views",
    "accounts_engaged",
    "total_interactions",
    "likes",
    "comments",
    "shares",
    "saves",
    "replies",
    "reposts",
    "follows_and_unfollows",
    "profile_links_taps",
];
/// Told of no account with fewer than that.
const ABOUT_FOLLOWING: [&str; 2] = ["follower_count", "follows_and_unfollows"];
const SERIES: [&str; 2] = ["reach", "follower_count"];
const DEMOGRAPHICS: [&str; 2] = ["follower_demographics", "engaged_audience_demographics"];
const FEED: [&str; 10] = [
    "views",
    "reach",
    "likes",
    "comments",
    "shares",
    "saved",
    "total_interactions",
    "follows",
    "profile_visits",
    "profile_activity",
];
const REEL: [&str; 9] = [
    "views",
    "reach",
    "likes",
    "comments",
    "shares",
    "saved",
    "total_interactions",
    "ig_reels_avg_watch_time",
    "ig_reels_video_view_total_time",
];
const STORY: [&str; 5] = ["views", "reach", "shares", "replies", "navigation"];

/// A post on Instagram, by its place in the list; the newest first.
struct Media {
    id: String,
    kind: &'static str,
    product: &'static str,
    at: DateTime<Utc>,
    /// Too few viewers for insights.
    is_hidden: bool,
}

/// Ages of the posts in hours: some new, some old, a story among them.
pub(super) const AGES: [i64; 8] = [2, 9, 20, 50, 120, 400, 2000, 9000];

fn media(person: &Person, now: i64) -> Vec<Media> {
    let posts = if person.pages.is_empty() { 0 } else { AGES.len() };
    let media = AGES.iter().take(posts).enumerate().map(|(place, hours)| {
        let (kind, product) = match place {
            0 => ("IMAGE", "STORY"),
            1 | 4 => ("VIDEO", "REELS"),
            2 => ("CAROUSEL_ALBUM", "FEED"),
            _ => ("IMAGE", "FEED"),
        };
        Media {
            id: format!("179{}{place:02}", &person.id[3..]),
            kind,
            product,
            // By whole days, so that a post does not grow younger between two calls of a test.
            at: DateTime::from_timestamp(now - now % 3600 - hours * 3600, 0).unwrap_or_default(),
            is_hidden: place == 7,
        }
    });
    media.collect()
}

fn not_served(wanted: &str, position: usize, served: &[&str]) -> Response {
    let message =
        format!("(#100) metric[{position}] must be one of the following values: {} ({wanted})", served.join(", "));
    let error = json!({"message": message, "type": "OAuthException", "code": 100, "fbtrace_id": "Astandin02"});
    json_body(StatusCode::BAD_REQUEST, json!({"error": error}).to_string())
}

/// The metrics that are wanted, all of which must be served.
fn metrics<'a>(ask: &'a Ask, settings: &Settings, served: &[&str]) -> Result<Vec<&'a str>, Box<Response>> {
    let wanted: Vec<&str> = ask.field("metric").split(',').filter(|metric| !metric.is_empty()).collect();
    if wanted.is_empty() {
        return Err(Box::new(refuse(ask.provider, "100")));
    }
    for (position, metric) in wanted.iter().enumerate() {
        if !served.contains(metric) || settings.refused_metrics.iter().any(|refused| refused == metric) {
            return Err(Box::new(not_served(metric, position, served)));
        }
    }
    Ok(wanted)
}

/// The days asked for, by their ends, that figures exist of. Yesterday's if nothing is said.
fn days(ask: &Ask, settings: &Settings, now: i64) -> Result<Vec<i64>, Box<Response>> {
    let time = |name: &str, otherwise: i64| match ask.field(name) {
        "" => Some(otherwise),
        text => text.parse::<i64>().ok(),
    };
    let midnight = now - now % DAY;
    let (since, until) = match (time("since", midnight - DAY), time("until", midnight)) {
        (Some(since), Some(until)) if since < until && until - since <= LONGEST_SPAN => (since, until),
        _ => return Err(Box::new(refuse(ask.provider, "100"))),
    };
    let known_until = now - settings.insight_delay_hours * 3600;
    let first = since - since.rem_euclid(DAY) + DAY;
    Ok((0..).map(|day| first + day * DAY).take_while(|end| *end <= until).filter(|end| *end <= known_until).collect())
}

pub(super) fn stamp(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

pub(super) fn described(name: &str, period: &str, id: &str) -> Map<String, Value> {
    let entry = json!({
        "name": name, "period": period, "title": name.replace('_', " "), "description": "…",
        "id": format!("{id}/insights/{name}/{period}"),
    });
    entry.as_object().cloned().unwrap_or_default()
}

/// The Instagram account that an id names, if the token opens it.
fn owns(person: &Person, id: &str) -> bool {
    let is_on_page = |page: &Value| page["instagram_business_account"]["id"] == id;
    id == "me" || id == person.id || person.pages.iter().any(is_on_page)
}

/// The last part of the path but one: `…/{id}/insights`.
pub(super) fn id_in(path: &str) -> String {
    path.rsplit('/').nth(1).unwrap_or_default().to_owned()
}

const INSTAGRAM_SCOPES: [&str; 3] =
    ["instagram_business_manage_insights", "instagram_manage_insights", "read_insights"];

/// Of an account, or a post.
pub async fn instagram(State(shared): State<App>, request: Request) -> Response {
    let id = id_in(request.uri().path());
    let (ask, token) = match admit(&shared, request, &INSTAGRAM_SCOPES).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let (settings, now) = {
        let inner = shared.oauth.inner();
        (inner.settings.clone(), inner.now())
    };
    let person = person(&token.user);
    let answer = if owns(&person, &id) {
        account_insights(&ask, &settings, now, &token.user, &id)
    } else if let Some(media) = media(&person, now).iter().find(|media| media.id == id) {
        media_insights(&ask, &settings, now, media)
    } else {
        // Nothing there, or not for this token.
        Err(Box::new(refuse(ask.provider, "100/33")))
    };
    answer.map_or_else(|refusal| *refusal, |data| ok(&data))
}

fn account_insights(ask: &Ask, settings: &Settings, now: i64, user: &str, id: &str) -> Result<Value, Box<Response>> {
    if ask.field("period") == "lifetime" {
        return demographics(ask, settings, user, id);
    }
    let days = days(ask, settings, now)?;
    let low = followers(user) / 40 + 1;
    let of_day = |metric: &str, end: i64| figure(low, &[id, metric, &end.to_string()]);
    let is_total = ask.field("metric_type") == "total_value";
    let wanted = metrics(ask, settings, if is_total { &TOTALS } else { &SERIES })?;
    let data: Vec<Value> = wanted
        .into_iter()
        .filter(|_| !days.is_empty() && followers(user) > 0)
        .filter(|metric| followers(user) >= FEWEST_FOLLOWERS || !ABOUT_FOLLOWING.contains(metric))
        .map(|metric| {
            let mut entry = described(metric, "day", id);
            if is_total {
                let value: u64 = days.iter().map(|end| of_day(metric, *end)).sum();
                let mut total = json!({"value": value});
                if ask.field("breakdown") == "follow_type" {
                    let results = json!([
                        {"dimension_values": ["FOLLOWER"], "value": value - value / 4},
                        {"dimension_values": ["NON_FOLLOWER"], "value": value / 4},
                    ]);
                    total["breakdowns"] = json!([{"dimension_keys": ["follow_type"], "results": results}]);
                }
                if ask.field("breakdown") == "media_product_type" {
                    let results = json!([
                        {"dimension_values": ["POST"], "value": value / 3},
                        {"dimension_values": ["REEL"], "value": value - value / 3},
                    ]);
                    total["breakdowns"] = json!([{"dimension_keys": ["media_product_type"], "results": results}]);
                }
                entry.insert("total_value".to_owned(), total);
            } else {
                let values: Vec<Value> =
                    days.iter().map(|end| json!({"value": of_day(metric, *end), "end_time": stamp(*end)})).collect();
                entry.insert("values".to_owned(), values.into());
            }
            Value::Object(entry)
        })
        .collect();
    Ok(
        json!({"data": data, "paging": {"previous": "https://graph.instagram.example/p", "next": "https://graph.instagram.example/n"}}),
    )
}

/// (name of the breakdown, its values with their share in percent)
const AUDIENCE: [(&str, &[(&str, u64)]); 4] = [
    ("country", &[("DE", 41), ("AT", 18), ("FR", 12), ("US", 9), ("BR", 4)]),
    ("city", &[("Berlin, Berlin", 16), ("Vienna, Vienna", 11), ("Lyon, Auvergne-Rhône-Alpes", 5)]),
    ("age", &[("13-17", 2), ("18-24", 24), ("25-34", 41), ("35-44", 20), ("45-54", 8), ("55-64", 3), ("65+", 1)]),
    ("gender", &[("F", 61), ("M", 33), ("U", 6)]),
];

fn demographics(ask: &Ask, settings: &Settings, user: &str, id: &str) -> Result<Value, Box<Response>> {
    let wanted = metrics(ask, settings, &DEMOGRAPHICS)?;
    let breakdown = ask.field("breakdown");
    let timeframe = ask.field("timeframe");
    let known = AUDIENCE.iter().find(|(name, _)| *name == breakdown);
    let (Some((_, shares)), true) = (known, ["this_week", "this_month"].contains(&timeframe)) else {
        return Err(Box::new(refuse(ask.provider, "100")));
    };
    let count = followers(user);
    // Not zeros: nothing.
    if count < FEWEST_FOLLOWERS {
        return Ok(json!({"data": []}));
    }
    let data: Vec<Value> = wanted
        .into_iter()
        .map(|metric| {
            // One of the two answers with the timeframe before the dimension.
            let is_long = metric == "engaged_audience_demographics";
            let keys = if is_long { json!(["timeframe", breakdown]) } else { json!([breakdown]) };
            let results: Vec<Value> = shares
                .iter()
                .map(|(name, share)| {
                    let upper = timeframe.to_ascii_uppercase();
                    let values = if is_long { json!([upper, name]) } else { json!([name]) };
                    json!({"dimension_values": values, "value": count * share / 100})
                })
                .collect();
            let mut entry = described(metric, "lifetime", id);
            entry.insert(
                "total_value".to_owned(),
                json!({"breakdowns": [{"dimension_keys": keys, "results": results}]}),
            );
            Value::Object(entry)
        })
        .collect();
    Ok(json!({"data": data}))
}

fn media_insights(ask: &Ask, settings: &Settings, now: i64, media: &Media) -> Result<Value, Box<Response>> {
    let served: &[&str] = match media.product {
        "REELS" => &REEL,
        "STORY" => &STORY,
        _ => &FEED,
    };
    let wanted = metrics(ask, settings, served)?;
    // Too few viewers, and stories after a day.
    let age = TimeDelta::seconds(now - media.at.timestamp());
    if media.is_hidden || (media.product == "STORY" && age > TimeDelta::hours(24)) {
        return Err(Box::new(refuse(ask.provider, "10")));
    }
    let data: Vec<Value> = wanted
        .into_iter()
        .map(|metric| {
            let mut entry = described(metric, "lifetime", &media.id);
            entry.insert("values".to_owned(), json!([{"value": figure(200, &[&media.id, metric])}]));
            Value::Object(entry)
        })
        .collect();
    Ok(json!({"data": data}))
}

/// An account by its id, as far as it is in numbers.
pub async fn instagram_account(State(shared): State<App>, request: Request) -> Response {
    let id = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let (ask, token) = match admit(&shared, request, &["instagram_business_basic", "instagram_basic"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    if !owns(&person(&token.user), &id) {
        return refuse(ask.provider, "100/33");
    }
    let counts = counts(&token.user);
    let all = json!({
        "id": id, "username": handle(&token.user), "followers_count": counts.followers,
        "follows_count": counts.following, "media_count": counts.posts,
    });
    let fields: Vec<&str> = ask.field("fields").split(',').filter(|field| !field.is_empty()).collect();
    match fields.iter().find(|field| all.get(**field).is_none()) {
        Some(_) => refuse(ask.provider, "100"),
        None => {
            ok(&fields.iter().map(|field| ((*field).to_owned(), all[*field].clone())).collect::<Map<_, _>>().into())
        }
    }
}

/// Three at a time.
pub async fn instagram_media(State(shared): State<App>, request: Request) -> Response {
    let id = id_in(request.uri().path());
    let (ask, token) = match admit(&shared, request, &["instagram_business_basic", "instagram_basic"]).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let person = person(&token.user);
    if !owns(&person, &id) {
        return refuse(ask.provider, "100/33");
    }
    let now = shared.oauth.inner().now();
    let all = media(&person, now);
    let start = ask.field("after").parse::<usize>().unwrap_or(0).min(all.len());
    let data: Vec<Value> = all
        .iter()
        .skip(start)
        .take(3)
        .map(|media| {
            json!({
                "id": media.id, "media_type": media.kind, "media_product_type": media.product,
                "caption": format!("An invented post of {}", handle(&token.user)),
                "permalink": format!("https://www.instagram.com/p/standin{}/", &media.id[media.id.len() - 4..]),
                "timestamp": stamp(media.at.timestamp()),
                "like_count": figure(150, &[&media.id, "likes"]), "comments_count": figure(9, &[&media.id, "comments"]),
            })
        })
        .collect();
    let mut answer = json!({"data": data});
    if start + 3 < all.len() {
        answer["paging"] = json!({
            "cursors": {"before": start.to_string(), "after": (start + 3).to_string()},
            "next": "https://graph.instagram.example/next",
        });
    }
    ok(&answer)
}

/// What the profile calls tell of an account in figures.
pub fn counts(user: &str) -> Counts {
    Counts { followers: followers(user), following: figure(200, &[user, "following"]), posts: AGES.len() as u64 }
}

pub struct Counts {
    pub followers: u64,
    pub following: u64,
    pub posts: u64,
}
