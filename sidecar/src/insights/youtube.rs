//! YouTube's insights: a channel as it is now and its videos' totals from the Data API, days and viewers from YouTube's reports.
//! Both count: a call of the Data API is a unit of the 10 000 that our app has a day.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::America::Los_Angeles;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::listing::{Walk, count, put, sum, text};
use super::read::{NO_NUMBER, api_names, capture, moment, said};
use super::store::{Audience, Capture, Gathered, Listing, Metric, Post, Task};
use super::{Asker, Stop, Way};
use crate::oauth::TokenError;

/// The most that a page, or a list of ids, may have.
const PAGE_SIZE: &str = "50";

/// Viewers are told of a span, not of a moment: the last four weeks whose days are final.
const AUDIENCE_DAYS: u64 = 28;
const AUDIENCE_DELAY: u64 = 3;

const REPORTS: &str = "v2/reports";

const HIDDEN: &str = "the channel hides how many subscribers it has";

/// YouTube's documentation says of reports that they end with the last day on which all is known, and that small numbers are
/// withheld; of a day without views it says nothing.
const LEFT_OUT: &str = "left out between days that were answered; the platform does not say that it is zero";

pub(super) async fn gather(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    if !is_id(&task.platform_user_id) {
        return Err(TokenError::Refused { code: "id".into() }.into());
    }
    match task.kind.as_str() {
        "account" => account(asker, task, gathered).await,
        "audience" => audience(asker, task, gathered).await,
        "posts" => posts(asker, task, gathered).await,
        _ => Err(TokenError::Refused { code: "kind".into() }.into()),
    }
}

/// Of channels, playlists and videos. Nothing else may become part of a list of ids or a filter.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Where a day begins: YouTube's are California's.
fn start_of(day: NaiveDate) -> DateTime<Utc> {
    let start = day.and_time(NaiveTime::MIN).and_local_timezone(Los_Angeles).earliest();
    start.map_or_else(|| (day.and_time(NaiveTime::MIN) + TimeDelta::hours(8)).and_utc(), |start| start.to_utc())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Items<T> {
    // Without any, the list is missing, but not this. Taken for an empty list, all videos would be gone.
    #[expect(dead_code, reason = "that it is there counts")]
    page_info: IgnoredAny,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
    next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Channel {
    id: String,
    #[serde(default)]
    statistics: Map<String, Value>,
    content_details: Option<ChannelContent>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChannelContent {
    related_playlists: Playlists,
}

#[derive(Debug, Deserialize)]
struct Playlists {
    uploads: Option<String>,
}

/// The task's channel, as one of those that the token opens.
async fn channel(asker: &mut Asker<'_>, task: &Task, part: &str) -> Result<Channel, Stop> {
    let query = [("part", part), ("mine", "true"), ("maxResults", PAGE_SIZE)];
    let channels: Items<Channel> = asker.get("account", "youtube/v3/channels", &query).await?;
    let channel = channels.items.into_iter().find(|channel| channel.id == task.platform_user_id);
    channel.ok_or_else(|| TokenError::Refused { code: "other_account".into() }.into())
}

async fn account(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let levels: Vec<&Metric> = task.wanted("account", "account").filter(|metric| metric.kind == "level").collect();
    // One permission of the two may be missing: then the other half comes.
    let missing = match channel(asker, task, "statistics,snippet").await {
        Ok(channel) => {
            gathered.metrics.extend(levels.into_iter().map(|metric| read_level(metric, &channel.statistics)));
            None
        }
        Err(Stop::Failed(error @ TokenError::Denied { .. })) => Some(error),
        Err(stop) => return Err(stop),
    };
    let flows: Vec<&Metric> = task.wanted("account", "account").filter(|metric| metric.kind == "flow").collect();
    if let (Some(newest), Some(oldest)) = (task.days.iter().max(), task.days.iter().min()) {
        let query = |metrics| {
            let mut query = report(task, *oldest, *newest, metrics);
            query.push(("dimensions", "day".to_owned()));
            query
        };
        let names = api_names(&flows);
        let reports: Vec<Report> =
            asker.ask_each("account", &names, &mut gathered.refused, Way::Report, REPORTS, query).await?;
        gathered.metrics.extend(read_days(&flows, &task.days, &reports));
    }
    missing.map_or(Ok(()), |error| Err(error.into()))
}

fn read_level(metric: &Metric, statistics: &Map<String, Value>) -> Capture {
    let is_hidden =
        metric.api_name == "subscriberCount" && statistics.get("hiddenSubscriberCount") == Some(&true.into());
    if is_hidden {
        return Capture { reason: Some(HIDDEN), ..capture(metric, None, None) };
    }
    said(metric, None, statistics.get(&metric.api_name).unwrap_or(&Value::Null))
}

fn report(task: &Task, from: NaiveDate, until: NaiveDate, metrics: String) -> Vec<(&'static str, String)> {
    vec![
        ("ids", format!("channel=={}", task.platform_user_id)),
        ("startDate", from.to_string()),
        ("endDate", until.to_string()),
        ("metrics", metrics),
    ]
}

/// Columns come in the order of their headers, whatever was asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    column_headers: Vec<Header>,
    // Without data there are no rows at all.
    #[serde(default)]
    rows: Vec<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Header {
    name: String,
}

impl Report {
    fn column(&self, name: &str) -> Option<usize> {
        self.column_headers.iter().position(|header| header.name == name)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = Option<&Value>> {
        let column = self.column(name);
        self.rows.iter().map(move |row| row.get(column?))
    }

    fn days(&self) -> impl Iterator<Item = Option<NaiveDate>> {
        self.values("day").map(|day| day?.as_str()?.parse().ok())
    }
}

/// A value for each metric and day asked for, unknown where none came.
fn read_days(metrics: &[&Metric], days: &[NaiveDate], reports: &[Report]) -> Vec<Capture> {
    let mut captures = Vec::new();
    for metric in metrics {
        let report = reports.iter().find(|report| report.column(&metric.api_name).is_some());
        let said: Vec<(NaiveDate, &Value)> = report.map_or_else(Vec::new, |report| {
            let pairs = report.days().zip(report.values(&metric.api_name));
            pairs.filter_map(|(day, value)| Some((day?, value.unwrap_or(&Value::Null)))).collect()
        });
        let newest = said.iter().map(|(day, _)| *day).max();
        for day in days {
            let row = said.iter().find(|(of, _)| of == day);
            let value = row.and_then(|(_, value)| sum(value));
            let reason = match row {
                Some((_, said)) => (value.is_none() && !said.is_null()).then_some(NO_NUMBER),
                None => newest.is_some_and(|newest| newest > *day).then_some(LEFT_OUT),
            };
            captures.push(Capture { reason, ..capture(metric, Some(start_of(*day)), value) });
        }
    }
    captures
}

/// Viewers, not subscribers; and shares: of viewers by age and gender, of views by country. Neither says how many people.
async fn audience(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let today = Utc::now().with_timezone(&Los_Angeles).date_naive();
    let until = today - Days::new(AUDIENCE_DELAY);
    let from = until - Days::new(AUDIENCE_DAYS - 1);
    let mut reached = Audience { audience: "reached", ..Audience::default() };
    let mut is_answered = false;
    for (metric, dimensions) in [("viewerPercentage", "ageGroup,gender"), ("views", "country")] {
        if !task.may_ask("audience", metric) {
            continue;
        }
        let query = |metrics| {
            let mut query = report(task, from, until, metrics);
            query.push(("dimensions", dimensions.to_owned()));
            query
        };
        let reports: Vec<Report> =
            asker.ask_each("audience", &[metric], &mut gathered.refused, Way::Report, REPORTS, query).await?;
        let Some(report) = reports.first() else { continue };
        is_answered = true;
        if metric == "views" {
            reached.countries = read_shares(report, "country", metric, "country");
        } else {
            reached.age_ranges = read_shares(report, "ageGroup", metric, "range");
            reached.genders = read_shares(report, "gender", metric, "gender");
        }
    }
    if is_answered {
        gathered.audiences.push(reached);
    }
    Ok(())
}

/// Largest first, 0 to 1 of all that the report has. None when it has nothing, as of small channels.
fn read_shares(report: &Report, dimension: &str, metric: &str, key: &str) -> Option<Vec<Value>> {
    let mut shares: Vec<(String, f64)> = Vec::new();
    for (name, value) in report.values(dimension).zip(report.values(metric)) {
        let value = value.and_then(Value::as_f64).filter(|value| *value >= 0.0 && value.is_finite());
        let (Some(name), Some(value)) = (name.and_then(Value::as_str), value) else { continue };
        let name = match (dimension, name) {
            ("ageGroup", "age65-") => "65+".to_owned(),
            ("ageGroup", name) => name.strip_prefix("age").unwrap_or(name).to_owned(),
            ("gender", "user_specified") => "unknown".to_owned(),
            // What lies in none that is known.
            ("country", "ZZ") => "unknown".to_owned(),
            (_, name) => text(name),
        };
        match shares.iter_mut().find(|(known, _)| *known == name) {
            Some((_, share)) => *share += value,
            None => shares.push((name, value)),
        }
    }
    let all: f64 = shares.iter().map(|(_, share)| share).sum();
    if !(all > 0.0 && all.is_finite()) {
        return None;
    }
    shares.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    // Six digits are more than views are counted to.
    let share = |share: f64| (share / all * 1e6).round() / 1e6;
    Some(shares.into_iter().map(|(name, value)| json!({key: name, "share": share(value)})).collect())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    content_details: Option<EntryContent>,
    status: Option<Status>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryContent {
    video_id: String,
    /// Missing of videos that are deleted.
    video_published_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    privacy_status: Option<String>,
}

impl Entry {
    /// What was not published, or not yet, is nobody's post.
    fn published(&self) -> Option<(&str, DateTime<Utc>)> {
        let is_private = self.status.as_ref().is_some_and(|it| it.privacy_status.as_deref() == Some("private"));
        let content = self.content_details.as_ref().filter(|content| !is_private && is_id(&content.video_id))?;
        let at = moment(content.video_published_at.as_deref()?).filter(|at| *at <= Utc::now())?;
        Some((&content.video_id, at))
    }
}

#[derive(Debug, Deserialize)]
struct Video {
    id: String,
    snippet: VideoSnippet,
    #[serde(default)]
    statistics: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VideoSnippet {
    published_at: String,
    title: Option<String>,
    description: Option<String>,
}

async fn posts(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let wanted: Vec<&Metric> = task.wanted("post", "video").collect();
    let content = channel(asker, task, "contentDetails").await?.content_details;
    let uploads = content.and_then(|content| content.related_playlists.uploads).filter(|id| is_id(id));
    let Some(uploads) = uploads else {
        gathered.listing = Some(Listing { is_whole: false, back_to: None });
        return Ok(());
    };
    let mut walk = Walk::to_the_end(task);
    let mut token: Option<String> = None;
    loop {
        let mut query =
            vec![("part", "contentDetails,status"), ("playlistId", uploads.as_str()), ("maxResults", PAGE_SIZE)];
        query.extend(token.as_deref().map(|token| ("pageToken", token)));
        let page: Items<Entry> = match asker.get("media", "youtube/v3/playlistItems", &query).await {
            // A channel that never had a video names a list that is not there.
            Err(Stop::Failed(TokenError::Refused { code })) if code == "http_404" => {
                Items { page_info: IgnoredAny, items: Vec::new(), next_page_token: None }
            }
            page => page?,
        };
        let published = page.items.iter().filter_map(Entry::published);
        let due: Vec<&str> = published.filter(|(id, at)| walk.takes(id, *at)).map(|(id, _)| id).collect();
        if !due.is_empty() {
            let ids = due.join(",");
            let query = [("part", "statistics,snippet"), ("id", ids.as_str()), ("maxResults", PAGE_SIZE)];
            let videos: Items<Video> = asker.get("video", "youtube/v3/videos", &query).await?;
            gathered.posts.extend(videos.items.iter().filter_map(|video| read_video(&wanted, video)));
        }
        let next = page.next_page_token.filter(|next| !next.is_empty());
        gathered.listing = walk.end(next.is_none());
        if gathered.listing.is_some() {
            return Ok(());
        }
        token = next;
    }
}

/// Likes that are hidden and comments that are closed are missing, so unknown.
fn read_video(wanted: &[&Metric], video: &Video) -> Option<Post> {
    let posted_at = moment(&video.snippet.published_at).filter(|at| *at <= Utc::now() && is_id(&video.id))?;
    let words = [&video.snippet.title, &video.snippet.description];
    let words: Vec<String> =
        words.into_iter().flatten().filter(|it| !it.trim().is_empty()).map(|it| text(it)).collect();
    let mut post = Post {
        id: video.id.clone(),
        posted_at,
        url: Some(format!("https://www.youtube.com/watch?v={}", video.id)),
        caption: (!words.is_empty()).then(|| words.join("\n")),
        media_type: Some("video"),
        ..Post::default()
    };
    for metric in wanted {
        put(&mut post, metric, video.statistics.get(&metric.api_name).and_then(count));
    }
    Some(post)
}

#[cfg(test)]
mod tests {
    use super::super::listing::tests::metric;
    use super::*;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 5, day).expect("a day")
    }

    fn report(json: Value) -> Report {
        serde_json::from_value(json).expect("a report")
    }

    fn headers(names: &[&str]) -> Value {
        names.iter().map(|name| json!({"name": name, "columnType": "METRIC", "dataType": "INTEGER"})).collect()
    }

    #[test]
    fn days_are_californias() {
        assert_eq!(start_of(day(3)).to_rfc3339(), "2026-05-03T07:00:00+00:00");
        let winter = NaiveDate::from_ymd_opt(2026, 12, 3).expect("a day");
        assert_eq!(start_of(winter).to_rfc3339(), "2026-12-03T08:00:00+00:00");
    }

    #[test]
    fn a_report_is_read_by_its_headers_and_a_day_that_is_missing_is_unknown() {
        // Columns in an order that nobody asked for.
        let answer = report(json!({"columnHeaders": headers(&["likes", "day", "views"]),
            "rows": [[3, "2026-05-02", 40], [-2, "2026-05-04", 0], [1, "2026-05-05"], ["x", "some day", 7], []]}));
        let (views, likes, shares) = (
            metric("account", "flow", "views", "views"),
            metric("account", "flow", "likes", "likes"),
            metric("account", "flow", "shares", "shares"),
        );
        let days = [day(6), day(5), day(4), day(3), day(2)];
        let read = |metric: &Metric| -> Vec<_> {
            read_days(&[metric], &days, std::slice::from_ref(&answer)).iter().map(|it| (it.value, it.reason)).collect()
        };
        assert_eq!(
            read(&views),
            [(None, None), (None, None), (Some(0), None), (None, Some(LEFT_OUT)), (Some(40), None)]
        );
        assert_eq!(
            read(&likes),
            [(None, None), (Some(1), None), (Some(-2), None), (None, Some(LEFT_OUT)), (Some(3), None)]
        );
        assert_eq!(read(&shares), [(None, None); 5], "a column that did not come");
        let captures = read_days(&[&views], &[day(4)], &[answer]);
        assert_eq!(captures[0].measured_at, Some(start_of(day(4))));
        assert_eq!(
            read_days(&[&views], &days, &[report(json!({"columnHeaders": headers(&["day", "views"])}))])[0].value,
            None
        );
        let odd = report(json!({"columnHeaders": headers(&["day", "views"]), "rows": [["2026-05-04", "some"]]}));
        assert_eq!(read_days(&[&views], &[day(4)], &[odd])[0].reason, Some(NO_NUMBER));
        assert!(read_days(&[&views], &days, &[]).iter().all(|it| it.value.is_none() && it.reason.is_none()));
    }

    #[test]
    fn hidden_subscribers_are_unknown_and_not_zero() {
        let followers = metric("account", "level", "followers", "subscriberCount");
        let read = |statistics: Value| {
            let level = read_level(&followers, statistics.as_object().expect("an object"));
            (level.value, level.reason)
        };
        assert_eq!(
            read(json!({"subscriberCount": "4294967300", "hiddenSubscriberCount": false})),
            (Some(4_294_967_300), None)
        );
        assert_eq!(read(json!({"subscriberCount": "0", "hiddenSubscriberCount": true})), (None, Some(HIDDEN)));
        assert_eq!(read(json!({"hiddenSubscriberCount": true})), (None, Some(HIDDEN)));
        assert_eq!(read(json!({"subscriberCount": "many"})), (None, Some(NO_NUMBER)));
        assert_eq!(read(json!({})), (None, None));
    }

    #[test]
    fn an_audience_is_told_in_shares() {
        let answer = report(json!({"columnHeaders": headers(&["ageGroup", "gender", "viewerPercentage"]), "rows": [
            ["age18-24", "female", 20.5], ["age18-24", "male", 29.5], ["age65-", "female", 40], ["age65-", "user_specified", 10],
            ["age25-34", "male", null], [5, "male", 3], ["age13-17", "male", -3]]}));
        assert_eq!(
            read_shares(&answer, "ageGroup", "viewerPercentage", "range"),
            Some(vec![json!({"range": "18-24", "share": 0.5}), json!({"range": "65+", "share": 0.5})])
        );
        let genders = read_shares(&answer, "gender", "viewerPercentage", "gender").expect("genders");
        assert_eq!(
            genders[0],
            json!({"gender": "female", "share": 0.587379}),
            "an age that cannot be read is still a viewer"
        );
        let countries = report(
            json!({"columnHeaders": headers(&["country", "views"]), "rows": [["DE", 30], ["ZZ", 10], ["AT", 60]]}),
        );
        assert_eq!(
            read_shares(&countries, "country", "views", "country"),
            Some(vec![
                json!({"country": "AT", "share": 0.6}),
                json!({"country": "DE", "share": 0.3}),
                json!({"country": "unknown", "share": 0.1})
            ])
        );
        for rows in [json!([]), json!([["DE", 0]]), json!([["DE"]]), json!([[]]), json!([["DE", "x"]])] {
            let empty = report(json!({"columnHeaders": headers(&["country", "views"]), "rows": rows}));
            assert_eq!(read_shares(&empty, "country", "views", "country"), None);
        }
    }

    #[test]
    fn a_video_has_what_was_said_of_it() {
        let wanted = [
            metric("post", "total", "views", "viewCount"),
            metric("post", "total", "likes", "likeCount"),
            metric("post", "total", "comments", "commentCount"),
        ];
        let wanted: Vec<&Metric> = wanted.iter().collect();
        let video: Video = serde_json::from_value(json!({"id": "dQw4w9WgXcQ", "snippet": {"publishedAt": "2026-05-03T10:00:00Z", "title": "t", "description": "#d"},
            "statistics": {"viewCount": "9007199254740993", "likeCount": "-1", "favoriteCount": "0"}}))
        .expect("a video");
        let post = read_video(&wanted, &video).expect("a post");
        assert_eq!(
            (post.views, post.likes, post.comments),
            (None, None, None),
            "more than any video has, less than none, and not told"
        );
        assert_eq!((post.caption.as_deref(), post.media_type), (Some("t\n#d"), Some("video")));
        let video =
            Video { statistics: json!({"viewCount": "5000000000"}).as_object().cloned().expect("an object"), ..video };
        assert_eq!(read_video(&wanted, &video).expect("a post").views, Some(5_000_000_000));
        assert!(read_video(&wanted, &Video { id: "a&b".to_owned(), ..video }).is_none());
    }

    #[test]
    fn what_is_not_published_is_no_post() {
        let read = |entry: Value| {
            let entry: Entry = serde_json::from_value(entry).expect("an entry");
            entry.published().is_some()
        };
        let content = json!({"videoId": "a", "videoPublishedAt": "2026-05-03T10:00:00Z"});
        assert!(read(json!({"contentDetails": content, "status": {"privacyStatus": "public"}})));
        assert!(read(json!({"contentDetails": content})));
        assert!(!read(json!({"contentDetails": content, "status": {"privacyStatus": "private"}})));
        assert!(!read(json!({"contentDetails": {"videoId": "a"}})));
        assert!(!read(json!({"contentDetails": {"videoId": "a,b", "videoPublishedAt": "2026-05-03T10:00:00Z"}})));
        assert!(!read(json!({"contentDetails": {"videoId": "a", "videoPublishedAt": "3026-05-03T10:00:00Z"}})));
    }

    #[test]
    fn answers_of_another_form_are_none() {
        for body in [
            "null",
            "[]",
            "{}",
            r#"{"columnHeaders": 5}"#,
            r#"{"columnHeaders": [], "rows": [5]}"#,
            r#"{"columnHeaders": [{}]}"#,
        ] {
            assert!(serde_json::from_str::<Report>(body).is_err(), "{body}");
        }
        for body in [
            "null",
            "[]",
            "{}",
            r#"{"items": []}"#,
            r#"{"pageInfo": {}, "items": {}}"#,
            r#"{"pageInfo": {}, "items": [{}]}"#,
        ] {
            assert!(serde_json::from_str::<Items<Channel>>(body).is_err(), "{body}");
        }
        let empty: Items<Channel> = serde_json::from_str(r#"{"pageInfo": {}}"#).expect("a list");
        assert!(empty.items.is_empty());
    }

    #[test]
    fn only_ids_become_part_of_a_question() {
        assert!(is_id("UC_x5XG1OV2P6uZZ5FSM9Ttw") && is_id("-UCstandin"));
        for id in ["", "a b", "a;country==DE", "a,b", "../a", "MINE==", &"a".repeat(65)] {
            assert!(!is_id(id), "{id}");
        }
    }
}
