//! What Facebook tells about a page and its posts. Pages are read with their own token; days are California's, small pages
//! have no figures, and a metric that is not served refuses the whole request.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::data::{admit, ok, refuse};
use super::grants::Kind;
use super::insights::{AGES, DAY, FEWEST_FOLLOWERS, described, figure, followers, id_in, stamp};
use super::insights::{instagram, instagram_account};
use super::people::{USERS, person};
use super::{App, Ask};
use crate::reply::json_body;

/// Days that one call may span.
const LONGEST_SPAN: i64 = 90 * DAY;

/// When a day ends, after midnight UTC.
const DAY_END: i64 = 7 * 3600;

const PAGE: [&str; 10] = [
    "page_total_media_view_unique",
    "page_media_view",
    "page_post_engagements",
    "page_views_total",
    "page_daily_follows",
    "page_daily_follows_unique",
    "page_daily_unfollows_unique",
    "page_follows",
    "page_follows_country",
    "page_follows_city",
];
const POST: [&str; 6] = [
    "post_total_media_view_unique",
    "post_media_view",
    "post_clicks",
    "post_reactions_by_type_total",
    "post_activity_by_action_type",
    "post_video_views",
];

/// (metric, places with their share in percent)
const PLACES: [(&str, &[(&str, u64)]); 2] = [
    ("page_follows_country", &[("DE", 44), ("AT", 21), ("CH", 9)]),
    ("page_follows_city", &[("Berlin, Germany", 18), ("Vienna, Austria", 12)]),
];

/// Whose page it is, or whose post's.
fn owner(id: &str) -> Option<&'static str> {
    let page = id.split_once('_').map_or(id, |(page, _)| page);
    USERS.into_iter().find(|user| person(user).pages.iter().any(|known| known["id"] == page))
}

fn parameter(message: &str) -> Response {
    let error = json!({"message": message, "type": "OAuthException", "code": 100, "fbtrace_id": "Astandin03"});
    json_body(StatusCode::BAD_REQUEST, json!({"error": error}).to_string())
}

/// The request, if its token is that of a page of the owner.
async fn page_admitted(shared: &App, request: Request, user: &str, scopes: &[&str]) -> Result<Ask, Box<Response>> {
    let (ask, token) = admit(shared, request, scopes).await?;
    match token {
        token if token.user != user => Err(Box::new(refuse(ask.provider, "100/33"))),
        // "A page access token is required to request this resource."
        token if token.kind != Kind::Page => Err(Box::new(refuse(ask.provider, "210"))),
        _ => Ok(ask),
    }
}

fn metrics<'a>(ask: &'a Ask, refused: &[String], served: &[&str]) -> Result<Vec<&'a str>, Box<Response>> {
    let wanted: Vec<&str> = ask.field("metric").split(',').filter(|metric| !metric.is_empty()).collect();
    let is_served = |metric: &&str| served.contains(metric) && !refused.iter().any(|refused| refused == metric);
    if wanted.is_empty() || !wanted.iter().all(is_served) {
        return Err(Box::new(parameter("(#100) The value must be a valid insights metric")));
    }
    Ok(wanted)
}

/// Of a page, of a post of it, or of an Instagram account.
pub async fn insights(state: State<App>, request: Request) -> Response {
    let id = id_in(request.uri().path());
    let Some(user) = owner(&id) else { return instagram(state, request).await };
    let State(shared) = state;
    let ask = match page_admitted(&shared, request, user, &["read_insights"]).await {
        Ok(ask) => ask,
        Err(answer) => return *answer,
    };
    let (settings, now) = {
        let inner = shared.oauth.inner();
        (inner.settings.clone(), inner.now())
    };
    let answer = if id.contains('_') {
        metrics(&ask, &settings.refused_metrics, &POST).map(|wanted| of_post(&wanted, &id))
    } else {
        metrics(&ask, &settings.refused_metrics, &PAGE)
            .and_then(|wanted| of_page(&ask, &wanted, user, &id, now, settings.insight_delay_hours * 3600))
    };
    answer.map_or_else(|refusal| *refusal, |data| ok(&data))
}

fn of_page(ask: &Ask, wanted: &[&str], user: &str, id: &str, now: i64, delay: i64) -> Result<Value, Box<Response>> {
    let time = |name: &str| ask.field(name).parse::<i64>().ok();
    let (Some(since), Some(until)) = (time("since"), time("until")) else {
        return Err(Box::new(parameter("(#100) since and until must be times")));
    };
    if since >= until || until - since > LONGEST_SPAN {
        return Err(Box::new(parameter("(#100) There cannot be more than 90 days between since and until")));
    }
    // Not zeros: nothing.
    if followers(user) < FEWEST_FOLLOWERS {
        return Ok(json!({"data": [], "paging": {}}));
    }
    let first = since - (since - DAY_END).rem_euclid(DAY) + DAY;
    let ends = (0..).map(|day| first + day * DAY).take_while(|end| *end <= until.min(now - delay));
    let ends: Vec<i64> = ends.collect();
    let entry = |metric: &&str| {
        let value = |end: &i64| {
            let places = PLACES.iter().find(|(name, _)| name == metric);
            let value = match places {
                Some((_, places)) => places
                    .iter()
                    .map(|(place, share)| ((*place).to_owned(), (followers(user) * share / 100).into()))
                    .collect::<Map<String, Value>>()
                    .into(),
                None => Value::from(figure(120, &[id, metric, &end.to_string()])),
            };
            json!({"value": value, "end_time": stamp(*end)})
        };
        let mut entry = described(metric, "day", id);
        entry.insert("values".to_owned(), ends.iter().map(value).collect());
        Value::Object(entry)
    };
    let data: Vec<Value> = wanted.iter().map(entry).collect();
    Ok(
        json!({"data": data, "paging": {"previous": "https://graph.facebook.example/p", "next": "https://graph.facebook.example/n"}}),
    )
}

fn of_post(wanted: &[&str], id: &str) -> Value {
    // The last one is too old: nothing is told of it any more.
    if id.ends_with("07") {
        return json!({"data": []});
    }
    let of = |name: &str, low| figure(low, &[id, name]);
    let entry = |metric: &&str| {
        let value = match *metric {
            "post_reactions_by_type_total" => json!({"like": of("like", 60), "love": of("love", 9)}),
            // Kinds that never happened are not named.
            "post_activity_by_action_type" => json!({"like": of("like", 60), "comment": of("comment", 7)}),
            other => of(other, 400).into(),
        };
        let mut entry = described(metric, "lifetime", id);
        entry.insert("values".to_owned(), json!([{"value": value}]));
        Value::Object(entry)
    };
    json!({"data": wanted.iter().map(entry).collect::<Vec<Value>>()})
}

/// A page by its id, as far as it is in numbers, or an Instagram account.
pub async fn account(state: State<App>, request: Request) -> Response {
    let id = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let Some(user) = owner(&id).filter(|_| !id.contains('_')) else { return instagram_account(state, request).await };
    let State(shared) = state;
    let ask = match page_admitted(&shared, request, user, &["pages_read_engagement", "pages_show_list"]).await {
        Ok(ask) => ask,
        Err(answer) => return *answer,
    };
    let all = json!({"id": id, "followers_count": followers(user), "fan_count": followers(user) - followers(user) / 9});
    let mut answer = Map::new();
    for field in ask.field("fields").split(',').filter(|field| !field.is_empty()) {
        let Some(value) = all.get(field) else {
            return parameter(&format!("(#100) Tried accessing nonexisting field ({field}) on node type (Page)"));
        };
        answer.insert(field.to_owned(), value.clone());
    }
    ok(&answer.into())
}

/// Three at a time.
pub async fn posts(State(shared): State<App>, request: Request) -> Response {
    let id = id_in(request.uri().path());
    let Some(user) = owner(&id) else { return refuse(super::Provider::Facebook, "100/33") };
    let ask = match page_admitted(&shared, request, user, &["pages_read_engagement"]).await {
        Ok(ask) => ask,
        Err(answer) => return *answer,
    };
    let (is_refused, now) = {
        let inner = shared.oauth.inner();
        (inner.settings.refused_metrics.iter().any(|refused| refused == "reactions"), inner.now())
    };
    let has = |field: &str| ask.field("fields").split(',').any(|wanted| wanted.starts_with(field));
    if is_refused && (has("reactions") || has("comments")) {
        return refuse(ask.provider, "10");
    }
    let start = ask.field("after").parse::<usize>().unwrap_or(0).min(AGES.len());
    let post = |place: usize| {
        let post = format!("{id}_12200000{}{place:02}", &id[9..]);
        let at = DateTime::from_timestamp(now - now % 3600 - AGES[place] * 3600, 0).unwrap_or_default();
        let of = |name: &str, low| figure(low, &[&post, name]);
        let media = ["video", "photo", "album", "link", "photo", "photo", "video", "photo"][place];
        let path = if place == 0 { "reel" } else { "posts" };
        let mut entry = json!({
            "id": post, "message": format!("An invented post #{place}"), "created_time": stamp(at.timestamp()),
            "permalink_url": format!("https://www.facebook.com/{path}/{post}/"),
            "attachments": {"data": [{"media_type": media}]},
        });
        // Left out while there are none.
        if place.is_multiple_of(2) {
            entry["shares"] = json!({"count": of("share", 4)});
        }
        for (field, low) in [("reactions", 60), ("comments", 7)] {
            if has(field) {
                entry[field] = json!({"data": [], "summary": {"total_count": of(field, low)}});
            }
        }
        entry
    };
    let data: Vec<Value> = (start..AGES.len()).take(3).map(post).collect();
    let mut answer = json!({"data": data});
    if start + 3 < AGES.len() {
        answer["paging"] = json!({
            "cursors": {"before": start.to_string(), "after": (start + 3).to_string()},
            "next": "https://graph.facebook.example/next",
        });
    }
    ok(&answer)
}
