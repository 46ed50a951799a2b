//! Instagram's insights, the same with Instagram Login and through a Facebook Page.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::store::{Audience, Capture, Gathered, Listing, Metric, Post, Refused, Task};
use super::{Asker, Stop};
use crate::oauth::TokenError;

/// Come as a value a day, of many days in one answer. All others come as one total of the time asked for, so a day each.
const SERIES: [&str; 2] = ["reach", "follower_count"];

/// Who came and who left: two numbers in one answer.
const BY_FOLLOW: &str = "follows_and_unfollows";

const AUDIENCES: [(&str, &str); 2] =
    [("followers", "follower_demographics"), ("engaged", "engaged_audience_demographics")];

/// Pages of posts that one pull reads.
const MOST_PAGES: u32 = 200;
const PAGE_SIZE: &str = "50";

/// Captions are cut to it by the database; Instagram's own limit is 2200.
const LONGEST_ADDRESS: usize = 2000;

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

/// Nothing else may become part of an address.
fn is_id(id: &str) -> bool {
    (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

#[derive(Debug, Deserialize)]
struct Insights {
    data: Vec<Insight>,
}

#[derive(Debug, Deserialize)]
struct Insight {
    name: String,
    #[serde(default)]
    values: Vec<Point>,
    total_value: Option<Total>,
}

#[derive(Debug, Deserialize)]
struct Point {
    #[serde(default)]
    value: Value,
    end_time: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Total {
    #[serde(default)]
    value: Value,
    #[serde(default)]
    breakdowns: Vec<Breakdown>,
}

#[derive(Debug, Deserialize)]
struct Breakdown {
    #[serde(default)]
    results: Vec<Slice>,
}

#[derive(Debug, Deserialize)]
struct Slice {
    dimension_values: Vec<String>,
    #[serde(default)]
    value: Value,
}

/// A whole number, as such or as text.
pub(super) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let read = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z").or_else(|_| DateTime::parse_from_rfc3339(text));
    read.ok().map(|at| at.to_utc())
}

fn start_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

pub(super) fn capture(metric: &Metric, measured_at: Option<DateTime<Utc>>, value: Option<i64>) -> Capture {
    Capture { metric: metric.metric.clone(), measured_at, value, reason: None }
}

pub(super) fn api_names<'a>(metrics: &[&'a Metric]) -> Vec<&'a str> {
    let mut names: Vec<&str> = metrics.iter().map(|metric| metric.api_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

async fn account(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let id = &task.platform_user_id;
    let levels: Vec<&Metric> = task.wanted("account", "account").filter(|metric| metric.kind == "level").collect();
    let query = |fields| vec![("fields", fields)];
    let nodes: Vec<Map<String, Value>> =
        asker.get_each("account", &api_names(&levels), &mut gathered.refused, id, query).await?;
    let said: HashMap<&str, i64> =
        nodes.iter().flatten().filter_map(|(name, value)| Some((name.as_str(), whole(value)?))).collect();
    gathered
        .metrics
        .extend(levels.iter().map(|metric| capture(metric, None, said.get(metric.api_name.as_str()).copied())));

    let followers = said.get("followers_count").copied();
    let flows = task.wanted("account", "account").filter(|metric| metric.kind == "flow");
    // What is told of larger accounts only need not be asked for; that it is unknown is noted all the same.
    let (flows, untold): (Vec<&Metric>, Vec<&Metric>) =
        flows.partition(|metric| metric.minimum_followers.is_none_or(|minimum| followers.is_none_or(|n| n >= minimum)));
    for day in &task.days {
        gathered.metrics.extend(untold.iter().map(|metric| capture(metric, Some(start_of(*day)), None)));
    }
    let (series, others): (Vec<&Metric>, Vec<&Metric>) =
        flows.into_iter().partition(|metric| SERIES.contains(&metric.api_name.as_str()));
    let (by_follow, totals): (Vec<&Metric>, Vec<&Metric>) =
        others.into_iter().partition(|metric| metric.api_name == BY_FOLLOW);

    let path = format!("{id}/insights");
    if let (Some(newest), Some(oldest)) = (task.days.iter().max(), task.days.iter().min()) {
        let query = |metrics| {
            vec![
                ("metric", metrics),
                ("period", "day".to_owned()),
                ("since", start_of(*oldest).timestamp().to_string()),
                ("until", (start_of(*newest) + TimeDelta::days(1)).timestamp().to_string()),
            ]
        };
        let answers = asker.get_each("account", &api_names(&series), &mut gathered.refused, &path, query).await?;
        gathered.metrics.extend(read_series(&series, &task.days, &answers));
    }
    for day in &task.days {
        let total = |breakdown: Option<&'static str>| {
            move |metrics| {
                let mut query = vec![
                    ("metric", metrics),
                    ("period", "day".to_owned()),
                    ("metric_type", "total_value".to_owned()),
                    ("since", start_of(*day).timestamp().to_string()),
                    ("until", (start_of(*day) + TimeDelta::days(1)).timestamp().to_string()),
                ];
                query.extend(breakdown.map(|breakdown| ("breakdown", breakdown.to_owned())));
                query
            }
        };
        let is_refused = |metric: &&&Metric, gathered: &Gathered| {
            gathered.refused.iter().any(|it| it.subject == "account" && it.api_name == metric.api_name)
        };
        let wanted: Vec<&Metric> = totals.iter().filter(|metric| !is_refused(metric, gathered)).copied().collect();
        let answers = asker.get_each("account", &api_names(&wanted), &mut gathered.refused, &path, total(None)).await?;
        gathered.metrics.extend(read_totals(&wanted, *day, &answers));
        let wanted: Vec<&Metric> = by_follow.iter().filter(|metric| !is_refused(metric, gathered)).copied().collect();
        let query = total(Some("follow_type"));
        let answers = asker.get_each("account", &api_names(&wanted), &mut gathered.refused, &path, query).await?;
        gathered.metrics.extend(read_follows(&wanted, *day, &answers));
    }
    Ok(())
}

fn insight<'a>(answers: &'a [Insights], name: &str) -> Option<&'a Insight> {
    answers.iter().flat_map(|answer| &answer.data).find(|insight| insight.name == name)
}

/// A value for each metric and day asked for, unknown where none came. A day is named by its end.
fn read_series(metrics: &[&Metric], days: &[NaiveDate], answers: &[Insights]) -> Vec<Capture> {
    let mut captures = Vec::new();
    for metric in metrics {
        let points = insight(answers, &metric.api_name).map_or(&[][..], |insight| &insight.values);
        for day in days {
            let of_day = points.iter().find_map(|point| {
                let start = moment(point.end_time.as_deref()?)? - TimeDelta::days(1);
                (start.date_naive() == *day).then_some((start, whole(&point.value)))
            });
            let (start, value) = of_day.unwrap_or((start_of(*day), None));
            captures.push(capture(metric, Some(start), value));
        }
    }
    captures
}

fn read_totals(metrics: &[&Metric], day: NaiveDate, answers: &[Insights]) -> Vec<Capture> {
    let value = |metric: &Metric| whole(&insight(answers, &metric.api_name)?.total_value.as_ref()?.value);
    metrics.iter().map(|metric| capture(metric, Some(start_of(day)), value(metric))).collect()
}

/// Unknown without the breakdown: the sum of those who came and those who left is neither.
fn read_follows(metrics: &[&Metric], day: NaiveDate, answers: &[Insights]) -> Vec<Capture> {
    let value = |metric: &Metric| {
        let wanted = if metric.metric == "follows" { "FOLLOWER" } else { "NON_FOLLOWER" };
        let breakdown = insight(answers, BY_FOLLOW)?.total_value.as_ref()?.breakdowns.first()?;
        let slice = breakdown.results.iter().find(|slice| slice.dimension_values.last().is_some_and(|it| it == wanted));
        whole(&slice?.value)
    };
    metrics.iter().map(|metric| capture(metric, Some(start_of(day)), value(metric))).collect()
}

async fn audience(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let path = format!("{}/insights", task.platform_user_id);
    for (audience, name) in AUDIENCES {
        if !task.may_ask("audience", name) {
            continue;
        }
        let mut whole_audience = Audience { audience, ..Audience::default() };
        let mut is_refused = false;
        for breakdown in ["age", "gender", "country", "city"] {
            let query = |metric| {
                vec![
                    ("metric", metric),
                    ("period", "lifetime".to_owned()),
                    ("timeframe", "this_month".to_owned()),
                    ("metric_type", "total_value".to_owned()),
                    ("breakdown", breakdown.to_owned()),
                ]
            };
            let answers = asker.get_each("audience", &[name], &mut gathered.refused, &path, query).await?;
            if answers.is_empty() {
                is_refused = true;
                break;
            }
            let list = read_breakdown(&answers, name, breakdown);
            match breakdown {
                "age" => whole_audience.age_ranges = list,
                "gender" => whole_audience.genders = list,
                "country" => whole_audience.countries = list,
                _ => whole_audience.cities = list,
            }
        }
        if !is_refused {
            gathered.audiences.push(whole_audience);
        }
    }
    Ok(())
}

/// Largest first. None when the platform said nothing, as of small accounts.
fn read_breakdown(answers: &[Insights], name: &str, breakdown: &str) -> Option<Vec<Value>> {
    let slices = &insight(answers, name)?.total_value.as_ref()?.breakdowns.first()?.results;
    // Some answers have the timeframe before the dimension.
    let read = slices.iter().filter_map(|slice| {
        let count = whole(&slice.value).filter(|count| *count >= 0)?;
        Some((slice.dimension_values.last()?.as_str(), count))
    });
    let mut read: Vec<(&str, i64)> = read.collect();
    read.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    let entry = |(key, count): (&str, i64)| match (breakdown, key) {
        ("age", key) => json!({"range": key, "count": count}),
        ("gender", "F") => json!({"gender": "female", "count": count}),
        ("gender", "M") => json!({"gender": "male", "count": count}),
        ("gender", "U") => json!({"gender": "unknown", "count": count}),
        (breakdown, key) => json!({breakdown: key, "count": count}),
    };
    Some(read.into_iter().map(entry).collect::<Vec<_>>()).filter(|list| !list.is_empty())
}

/// A page of an account's posts, newest first.
#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Media>,
    paging: Option<Paging>,
}

/// `next` is a whole address with the token in it: only that it is there counts.
#[derive(Debug, Deserialize)]
struct Paging {
    cursors: Option<Cursors>,
    next: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Cursors {
    after: Option<String>,
}

impl Page {
    fn after(&self) -> Option<&str> {
        let paging = self.paging.as_ref().filter(|paging| paging.next.is_some())?;
        paging.cursors.as_ref()?.after.as_deref()
    }
}

#[derive(Debug, Deserialize)]
struct Media {
    id: String,
    caption: Option<String>,
    media_type: Option<String>,
    media_product_type: Option<String>,
    permalink: Option<String>,
    timestamp: String,
    #[serde(default)]
    like_count: Value,
    #[serde(default)]
    comments_count: Value,
}

const FIELDS: &str = "id,caption,media_type,media_product_type,permalink,timestamp,like_count,comments_count";

async fn posts(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let path = format!("{}/media", task.platform_user_id);
    let most = usize::try_from(task.most_posts).unwrap_or(0);
    let mut after: Option<String> = None;
    let mut back_to = None;
    for _ in 0..MOST_PAGES {
        let mut query = vec![("fields", FIELDS), ("limit", PAGE_SIZE)];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = asker.get("media", &path, &query).await?;
        let mut is_news = false;
        for media in &page.data {
            let Some(posted_at) = moment(&media.timestamp).filter(|at| *at <= Utc::now() && is_id(&media.id)) else {
                continue;
            };
            if task.fresh_posts.contains(&media.id) {
                back_to = Some(posted_at);
                continue;
            }
            is_news = true;
            if gathered.posts.len() >= most {
                gathered.listing = Some(Listing { is_whole: false, back_to });
                return Ok(());
            }
            gathered.posts.extend(measure(asker, task, &mut gathered.refused, media, posted_at).await?);
            back_to = Some(posted_at);
        }
        let is_last = page.after().is_none() || page.data.is_empty();
        let is_past_due = task.oldest_due.is_none_or(|due| back_to.is_some_and(|back_to| back_to < due));
        if is_last || !task.reads_all && !is_news && is_past_due {
            gathered.listing = Some(Listing { is_whole: is_last, back_to });
            return Ok(());
        }
        after = page.after().map(str::to_owned);
    }
    gathered.listing = Some(Listing { is_whole: false, back_to });
    Ok(())
}

/// The kind of post, of which each has metrics of its own.
fn subject(media: &Media) -> &'static str {
    match media.media_product_type.as_deref() {
        Some("REELS") => "reel",
        Some("STORY") => "story",
        _ => "feed",
    }
}

/// Whether a kind of post has a metric at all. Others are refused one day: that is learned from the answers.
fn has(subject: &str, api_name: &str) -> bool {
    match subject {
        "reel" => true,
        "story" => !api_name.starts_with("ig_reels_") && !["likes", "comments", "saved"].contains(&api_name),
        _ => !api_name.starts_with("ig_reels_"),
    }
}

/// None when the post is there no more.
async fn measure(
    asker: &mut Asker<'_>,
    task: &Task,
    refused: &mut Vec<Refused>,
    media: &Media,
    posted_at: DateTime<Utc>,
) -> Result<Option<Post>, Stop> {
    let subject = subject(media);
    let is_refused =
        |name: &str, refused: &[Refused]| refused.iter().any(|it| it.subject == subject && it.api_name == name);
    let wanted: Vec<&Metric> = task
        .wanted("post", subject)
        .filter(|metric| has(subject, &metric.api_name) && !is_refused(&metric.api_name, refused))
        .collect();
    let query = |metrics| vec![("metric", metrics)];
    let path = format!("{}/insights", media.id);
    let answers = match asker.get_each(subject, &api_names(&wanted), refused, &path, query).await {
        Ok(answers) => answers,
        // Seen by fewer than five, or a story after its day: unknown, not zero.
        Err(Stop::Failed(TokenError::Denied { code })) if code == "10" => Vec::new(),
        Err(Stop::Failed(TokenError::Configuration { code })) if code == "100/33" => return Ok(None),
        Err(stop) => return Err(stop),
    };
    Ok(Some(read_post(&wanted, media, posted_at, &answers)))
}

fn read_post(metrics: &[&Metric], media: &Media, posted_at: DateTime<Utc>, answers: &[Insights]) -> Post {
    let media_type = match (subject(media), media.media_type.as_deref()) {
        ("reel", _) => Some("reel"),
        ("story", _) => Some("story"),
        (_, Some("IMAGE")) => Some("photo"),
        (_, Some("VIDEO")) => Some("video"),
        (_, Some("CAROUSEL_ALBUM")) => Some("carousel"),
        _ => None,
    };
    let is_address = |url: &String| {
        url.starts_with("https://") && url.len() <= LONGEST_ADDRESS && url.bytes().all(|b| b.is_ascii_graphic())
    };
    let mut post = Post {
        id: media.id.clone(),
        posted_at,
        url: media.permalink.clone().filter(is_address),
        caption: media.caption.clone(),
        media_type,
        // Hidden where it is missing. Of both numbers the insights' is the one without ads.
        likes: whole(&media.like_count),
        comments: whole(&media.comments_count),
        ..Post::default()
    };
    for metric in metrics {
        let Some(insight) = insight(answers, &metric.api_name) else { continue };
        let total = insight.total_value.as_ref().map(|total| &total.value);
        let Some(value) = total.or(insight.values.first().map(|point| &point.value)).and_then(whole) else { continue };
        match metric.metric.as_str() {
            "likes" => post.likes = Some(value),
            "comments" => post.comments = Some(value),
            "shares" => post.shares = Some(value),
            "saves" => post.saves = Some(value),
            "reach" => post.reach = Some(value),
            "views" => post.views = Some(value),
            other => drop(post.extra_data.insert(other.to_owned(), value.into())),
        }
    }
    post
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(metric: &str, api_name: &str) -> Metric {
        Metric {
            scope: "account".to_owned(),
            metric: metric.to_owned(),
            api_name: api_name.to_owned(),
            kind: "flow".to_owned(),
            minimum_followers: None,
        }
    }

    fn answer(json: Value) -> Vec<Insights> {
        vec![serde_json::from_value(json).expect("an answer")]
    }

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 5, day).expect("a day")
    }

    #[test]
    fn a_series_is_read_by_the_ends_of_its_days() {
        // Days of the account's own zone.
        let answers = answer(
            json!({"data": [{"name": "reach", "period": "day", "title": "Reach", "id": "1/insights/reach/day",
            "values": [{"value": 11, "end_time": "2026-05-04T07:00:00+0000"}, {"value": 0, "end_time": "2026-05-05T07:00:00+0000"},
                {"end_time": "2026-05-06T07:00:00+0000"}, {"value": 4, "end_time": "one day"}]}], "paging": {}}),
        );
        let reach = metric("reach", "reach");
        let captures = read_series(&[&reach], &[day(5), day(4), day(3), day(2)], &answers);
        let read: Vec<_> = captures.iter().map(|it| (it.measured_at.expect("a day").to_rfc3339(), it.value)).collect();
        let expected = [
            ("2026-05-05T07:00:00+00:00", None),
            ("2026-05-04T07:00:00+00:00", Some(0)),
            ("2026-05-03T07:00:00+00:00", Some(11)),
            ("2026-05-02T00:00:00+00:00", None),
        ];
        assert_eq!(read, expected.map(|(at, value)| (at.to_owned(), value)));
    }

    #[test]
    fn what_a_total_does_not_hold_is_unknown() {
        let (views, likes, saves) = (metric("views", "views"), metric("likes", "likes"), metric("saves", "saves"));
        let answers = answer(json!({"data": [{"name": "views", "total_value": {"value": 224, "breakdowns": [
            {"dimension_keys": ["media_product_type"], "results": [{"dimension_values": ["FEED"], "value": 124}]}]}},
            {"name": "likes", "total_value": {}}]}));
        let values: Vec<_> =
            read_totals(&[&views, &likes, &saves], day(3), &answers).iter().map(|it| it.value).collect();
        assert_eq!(values, [Some(224), None, None]);
        assert_eq!(read_totals(&[&views], day(3), &answer(json!({"data": []})))[0].value, None);
    }

    #[test]
    fn who_came_and_who_left_are_two_numbers_or_none() {
        let (follows, unfollows) = (metric("follows", BY_FOLLOW), metric("unfollows", BY_FOLLOW));
        let read = |total: Value| -> Vec<_> {
            let answers = answer(json!({"data": [{"name": BY_FOLLOW, "total_value": total}]}));
            read_follows(&[&follows, &unfollows], day(3), &answers).iter().map(|it| it.value).collect()
        };
        let results =
            json!([{"dimension_values": ["NON_FOLLOWER"], "value": 3}, {"dimension_values": ["FOLLOWER"], "value": 8}]);
        assert_eq!(
            read(json!({"value": 11, "breakdowns": [{"dimension_keys": ["follow_type"], "results": results}]})),
            [Some(8), Some(3)]
        );
        assert_eq!(read(json!({"value": 11})), [None, None]);
    }

    #[test]
    fn of_a_breakdown_the_last_dimension_counts() {
        let read = |breakdown: &str, breakdowns: Value| {
            let answers =
                answer(json!({"data": [{"name": "follower_demographics", "total_value": {"breakdowns": breakdowns}}]}));
            read_breakdown(&answers, "follower_demographics", breakdown)
        };
        let long = json!([{"dimension_keys": ["timeframe", "country"], "results": [
            {"dimension_values": ["THIS_MONTH", "AT"], "value": 3}, {"dimension_values": ["THIS_MONTH", "US"], "value": 9}]}]);
        let expected = vec![json!({"country": "US", "count": 9}), json!({"country": "AT", "count": 3})];
        assert_eq!(read("country", long), Some(expected));
        let short = json!([{"dimension_keys": ["gender"], "results": [
            {"dimension_values": ["U"], "value": "2"}, {"dimension_values": ["F"], "value": 7}, {"dimension_values": [], "value": 1}]}]);
        let expected = vec![json!({"gender": "female", "count": 7}), json!({"gender": "unknown", "count": 2})];
        assert_eq!(read("gender", short), Some(expected));
        assert_eq!(read("age", json!([{"dimension_keys": ["age"]}])), None);
        assert_eq!(read("age", json!([])), None);
        assert_eq!(read_breakdown(&answer(json!({"data": []})), "follower_demographics", "age"), None);
    }

    #[test]
    fn a_post_has_what_was_said_of_it() {
        let media: Media = serde_json::from_value(
            json!({"id": "17", "media_type": "VIDEO", "media_product_type": "REELS", "caption": "c",
            "permalink": "javascript:alert(1)", "timestamp": "2026-05-03T10:00:00+0000", "like_count": 9}),
        )
        .expect("a post");
        let metrics = [
            metric("likes", "likes"),
            metric("saves", "saved"),
            metric("watch_time", "ig_reels_video_view_total_time"),
        ];
        let metrics: Vec<_> = metrics.iter().collect();
        let answers = answer(json!({"data": [{"name": "likes", "period": "lifetime", "values": [{"value": 7}]},
            {"name": "ig_reels_video_view_total_time", "values": [{"value": 5_000_000_000_i64}]}, {"name": "saved", "values": []}]}));
        let at = moment(&media.timestamp).expect("a time");
        let post = read_post(&metrics, &media, at, &answers);
        assert_eq!((post.likes, post.saves, post.reach, post.comments), (Some(7), None, None, None));
        assert_eq!((post.media_type, post.url), (Some("reel"), None));
        assert_eq!(post.extra_data["watch_time"], 5_000_000_000_i64);
        assert_eq!(read_post(&metrics, &media, at, &[]).likes, Some(9), "without insights, what the list says");
    }

    #[test]
    fn only_numbers_become_part_of_an_address() {
        assert!(is_id("17841400000000017"));
        for id in ["", "me", "../me", "1/2", "1?x", "1%2f", "//evil.example", "１", &"1".repeat(33)] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn answers_of_another_form_are_none() {
        for body in ["null", "[]", "{}", r#"{"data": {}}"#, r#"{"data": [{"values": []}]}"#, r#"{"data": [5]}"#] {
            assert!(serde_json::from_str::<Insights>(body).is_err(), "{body}");
        }
    }
}
