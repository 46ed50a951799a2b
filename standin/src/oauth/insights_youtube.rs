//! What YouTube tells: channels, their uploads and videos, with counts as text; and reports, in columns whose order the headers
//! tell. What is hidden, late, or too little is missing.

use axum::extract::{Request, State};
use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate, SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::data::{admit, ok, refuse};
use super::insights::{AGES, FEWEST_FOLLOWERS, counts, figure, followers};
use super::people::{handle, person};
use super::{App, Ask, Settings};

const READ: [&str; 1] = ["https://www.googleapis.com/auth/youtube.readonly"];
const READ_REPORTS: [&str; 1] = ["https://www.googleapis.com/auth/yt-analytics.readonly"];

/// More are never in a page, though 50 may be asked for: whoever reads the first page only misses the rest.
const LONGEST_PAGE: usize = 3;

/// The list of uploads is nearly in order.
const ORDER: [usize; 8] = [0, 1, 3, 2, 4, 5, 6, 7];
/// Of these videos by their places: hidden likes, closed comments, and one that is not published.
const WITHOUT_LIKES: usize = 5;
const WITHOUT_COMMENTS: usize = 3;
const PRIVATE: usize = 7;

/// Three digits of it are told.
fn rounded(count: u64) -> u64 {
    let unit = 10_u64.pow(count.checked_ilog10().unwrap_or(0).saturating_sub(2));
    count / unit * unit
}

fn has_part(ask: &Ask, part: &str) -> bool {
    ask.field("part").split(',').any(|wanted| wanted == part)
}

fn list(kind: &str, items: Vec<Value>, next: Option<usize>) -> Response {
    let mut answer = json!({"kind": format!("youtube#{kind}ListResponse"), "pageInfo": {"totalResults": items.len(), "resultsPerPage": 50}});
    // Without any, there is no list of them.
    if !items.is_empty() {
        answer["items"] = items.into();
    }
    if let Some(next) = next {
        answer["nextPageToken"] = format!("P{next}").into();
    }
    ok(&answer)
}

pub async fn channels(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &READ).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let is_hidden = shared.oauth.inner().settings.hides_subscribers;
    let counts = counts(&token.user);
    let mut channels = person(&token.user).channels;
    for channel in &mut channels {
        if has_part(&ask, "statistics") {
            // As text: a float does not hold YouTube's counts.
            channel["statistics"] = json!({
                "viewCount": (counts.followers * 90).to_string(), "videoCount": (counts.posts - 1).to_string(),
                "subscriberCount": if is_hidden { "0".to_owned() } else { rounded(counts.followers).to_string() },
                "hiddenSubscriberCount": is_hidden,
            });
        }
        if has_part(&ask, "contentDetails") {
            let uploads = channel["id"].as_str().unwrap_or_default().replacen("UC", "UU", 1);
            channel["contentDetails"] = json!({"relatedPlaylists": {"likes": "", "uploads": uploads}});
        }
    }
    list("channel", channels, None)
}

fn video_id(user: &str, place: usize) -> String {
    format!("standin{}{place:02}", &user[..2])
}

fn published(now: i64, place: usize) -> String {
    let at = DateTime::from_timestamp(now - now % 3600 - AGES[place] * 3600, 0).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub async fn uploads(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &READ).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let playlist = ask.field("playlistId").replacen("UU", "UC", 1);
    if !person(&token.user).channels.iter().any(|channel| channel["id"] == playlist.as_str()) {
        return refuse(ask.provider, "playlist_not_found");
    }
    let now = shared.oauth.inner().now();
    let start =
        ask.field("pageToken").strip_prefix('P').and_then(|page| page.parse().ok()).unwrap_or(0).min(ORDER.len());
    let places = ORDER.iter().skip(start).take(LONGEST_PAGE);
    let items: Vec<Value> = places
        .map(|place| {
            let mut item = json!({
                "kind": "youtube#playlistItem",
                "contentDetails": {"videoId": video_id(&token.user, *place), "videoPublishedAt": published(now, *place)},
            });
            if has_part(&ask, "status") {
                item["status"] = json!({"privacyStatus": if *place == PRIVATE { "private" } else { "public" }});
            }
            item
        })
        .collect();
    let end = start + items.len();
    list("playlistItem", items, (end < ORDER.len()).then_some(end))
}

pub async fn videos(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &READ).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let ids: Vec<&str> = ask.field("id").split(',').filter(|id| !id.is_empty()).collect();
    if ids.is_empty() || ids.len() > 50 {
        return refuse(ask.provider, "bad_request");
    }
    let now = shared.oauth.inner().now();
    let known = (0..AGES.len()).map(|place| (place, video_id(&token.user, place)));
    let items = known.filter(|(_, id)| ids.contains(&id.as_str())).map(|(place, id)| {
        let of = |metric: &str, low: u64| figure(low, &[&id, metric]).to_string();
        let mut statistics = json!({"viewCount": of("view", 5000), "favoriteCount": "0"});
        if place != WITHOUT_LIKES {
            statistics["likeCount"] = of("like", 200).into();
        }
        if place != WITHOUT_COMMENTS {
            statistics["commentCount"] = of("comment", 30).into();
        }
        json!({
            "kind": "youtube#video", "id": id, "statistics": statistics,
            "snippet": {
                "publishedAt": published(now, place), "title": format!("An invented film of {}", handle(&token.user)),
                "description": "All of it is invented. #standin", "liveBroadcastContent": "none",
            },
        })
    });
    list("video", items.collect(), None)
}

const BY_DAY: [&str; 8] = [
    "views",
    "likes",
    "dislikes",
    "comments",
    "shares",
    "subscribersGained",
    "subscribersLost",
    "estimatedMinutesWatched",
];

/// (age group, percent)
const AGE_GROUPS: [(&str, f64); 7] = [
    ("age13-17", 2.0),
    ("age18-24", 24.0),
    ("age25-34", 41.0),
    ("age35-44", 20.0),
    ("age45-54", 8.0),
    ("age55-64", 4.0),
    ("age65-", 1.0),
];
const GENDERS: [(&str, f64); 3] = [("female", 0.61), ("male", 0.33), ("user_specified", 0.06)];
const COUNTRIES: [(&str, u64); 4] = [("DE", 41), ("AT", 18), ("FR", 12), ("ZZ", 2)];

/// A report: its columns, and rows as far as they are known.
pub async fn report(State(shared): State<App>, request: Request) -> Response {
    let (ask, token) = match admit(&shared, request, &READ_REPORTS).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let channel = ask.field("ids").strip_prefix("channel==").unwrap_or_default();
    let is_own = |known: &Value| channel == "MINE" || known["id"] == channel;
    if !person(&token.user).channels.iter().any(is_own) {
        return refuse(ask.provider, "forbidden");
    }
    let (settings, now) = {
        let inner = shared.oauth.inner();
        (inner.settings.clone(), inner.now())
    };
    let date = |name: &str| ask.field(name).parse::<NaiveDate>().ok();
    let metrics: Vec<&str> = ask.field("metrics").split(',').filter(|metric| !metric.is_empty()).collect();
    let is_served = |known: &[&str]| {
        let is_known =
            |metric: &&str| known.contains(metric) && !settings.refused_metrics.iter().any(|it| it == metric);
        !metrics.is_empty() && metrics.iter().all(is_known)
    };
    let (Some(from), Some(until)) = (date("startDate"), date("endDate")) else {
        return refuse(ask.provider, "bad_request");
    };
    let is_told = followers(&token.user) >= FEWEST_FOLLOWERS;
    let rows: Vec<Vec<Value>> = match ask.field("dimensions") {
        _ if from > until => return refuse(ask.provider, "bad_request"),
        "day" if is_served(&BY_DAY) => days(&settings, now, from, until)
            .map(|day| {
                let of = |metric: &&str| Value::from(figure(300, &[&token.user, metric, &day.to_string()]));
                // The day need not be the first column.
                metrics.iter().map(of).chain([day.to_string().into()]).collect()
            })
            .collect(),
        "ageGroup,gender" if is_served(&["viewerPercentage"]) => {
            let pairs = AGE_GROUPS.iter().flat_map(|age| GENDERS.iter().map(move |gender| (age, gender)));
            let row = |((age, percent), (gender, share)): (&(&str, f64), &(&str, f64))| {
                vec![json!(percent * share), json!(age), json!(gender)]
            };
            pairs.map(row).filter(|_| is_told).collect()
        }
        "country" if is_served(&["views"]) => COUNTRIES
            .iter()
            .map(|(country, views)| vec![json!(views * 100), json!(country)])
            .filter(|_| is_told)
            .collect(),
        _ => return refuse(ask.provider, "bad_request"),
    };
    let dimensions = ask.field("dimensions").split(',').map(|name| (name, "DIMENSION", "STRING"));
    let columns = metrics.iter().map(|name| (*name, "METRIC", "INTEGER")).chain(dimensions);
    let headers: Vec<Value> =
        columns.map(|(name, column, data)| json!({"name": name, "columnType": column, "dataType": data})).collect();
    ok(&json!({"kind": "youtubeAnalytics#resultTable", "columnHeaders": headers, "rows": rows}))
}

/// The days that are known: they end at midnight in California, eight hours after ours.
fn days(settings: &Settings, now: i64, from: NaiveDate, until: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let known_until =
        DateTime::from_timestamp(now, 0).unwrap_or_default() - TimeDelta::hours(8 + settings.insight_delay_hours);
    let today = DateTime::from_timestamp(now, 0).unwrap_or_default().date_naive();
    let left_out: Vec<NaiveDate> = settings
        .days_left_out
        .iter()
        .filter_map(|back| today.checked_sub_days(Days::new(u64::try_from(*back).ok()?)))
        .collect();
    let is_known = move |day: &NaiveDate| *day < known_until.date_naive() && !left_out.contains(day);
    from.iter_days().take(400).take_while(move |day| *day <= until).filter(is_known)
}
