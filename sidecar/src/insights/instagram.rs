//! Instagram's insights, the same with Instagram Login and through a Facebook Page.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{Walk, address, count, put, text};
use super::meta::{Insights, Measuring, Paging, after, flows, insight, levels, series};
use super::read::{api_names, is_id, moment, said, start_of};
use super::store::{Audience, Capture, Gathered, Metric, Post, Refused, Task};
use super::{Asker, Stop};
use crate::oauth::TokenError;

/// Come as a value a day, of many days in one answer. All others come as one total of the time asked for, so a day each.
const SERIES: [&str; 2] = ["reach", "follower_count"];

/// Who came and who left: two numbers in one answer.
const BY_FOLLOW: &str = "follows_and_unfollows";

const AUDIENCES: [(&str, &str); 2] =
    [("followers", "follower_demographics"), ("engaged", "engaged_audience_demographics")];

const PAGE_SIZE: &str = "50";

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

async fn account(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let followers = levels(asker, task, gathered).await?;
    let (by_day, others): (Vec<&Metric>, Vec<&Metric>) =
        flows(task, followers, gathered).into_iter().partition(|metric| SERIES.contains(&metric.api_name.as_str()));
    let (by_follow, totals): (Vec<&Metric>, Vec<&Metric>) =
        others.into_iter().partition(|metric| metric.api_name == BY_FOLLOW);

    series(asker, task, &by_day, gathered).await?;
    let path = format!("{}/insights", task.platform_user_id);
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

fn read_totals(metrics: &[&Metric], day: NaiveDate, answers: &[Insights]) -> Vec<Capture> {
    let value = |metric: &Metric| Some(&insight(answers, &metric.api_name)?.total_value.as_ref()?.value);
    let read = |metric: &&Metric| said(metric, Some(start_of(day)), value(metric).unwrap_or(&Value::Null));
    metrics.iter().map(read).collect()
}

/// Unknown without the breakdown: the sum of those who came and those who left is neither.
fn read_follows(metrics: &[&Metric], day: NaiveDate, answers: &[Insights]) -> Vec<Capture> {
    let value = |metric: &Metric| {
        let wanted = if metric.metric == "follows" { "FOLLOWER" } else { "NON_FOLLOWER" };
        let breakdown = insight(answers, BY_FOLLOW)?.total_value.as_ref()?.breakdowns.first()?;
        let slice = breakdown.results.iter().find(|slice| slice.dimension_values.last().is_some_and(|it| it == wanted));
        Some(&slice?.value)
    };
    let read = |metric: &&Metric| said(metric, Some(start_of(day)), value(metric).unwrap_or(&Value::Null));
    metrics.iter().map(read).collect()
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
    let read = slices.iter().filter_map(|slice| Some((slice.dimension_values.last()?.as_str(), count(&slice.value)?)));
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
    let mut walk = Walk::new(task);
    let mut measuring = Measuring::new(is_untold);
    let mut start: Option<String> = None;
    loop {
        let mut query = vec![("fields", FIELDS), ("limit", PAGE_SIZE)];
        query.extend(start.as_deref().map(|start| ("after", start)));
        let page: Page = asker.get("media", &path, &query).await?;
        for media in &page.data {
            let posted_at = moment(&media.timestamp).filter(|at| *at <= Utc::now() && is_id(&media.id));
            if let Some(posted_at) = posted_at.filter(|at| walk.takes(&media.id, *at)) {
                gathered
                    .posts
                    .extend(measure(&mut measuring, asker, task, &mut gathered.refused, media, posted_at).await?);
            }
        }
        start = after(page.paging.as_ref()).filter(|_| !page.data.is_empty()).map(str::to_owned);
        gathered.listing = walk.end(start.is_none());
        if gathered.listing.is_some() {
            return measuring.end();
        }
    }
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

/// Seen by fewer than five, a story after its day, or posted before the account became a professional one: unknown, not zero.
fn is_untold(error: &TokenError) -> bool {
    match error {
        TokenError::Denied { code } => code == "10",
        TokenError::Configuration { code } => code == "100/2108006",
        _ => false,
    }
}

/// None when the post is there no more.
async fn measure(
    measuring: &mut Measuring,
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
    let answers = measuring.ask(asker, subject, &api_names(&wanted), refused, &path, query).await?;
    Ok(answers.map(|answers| read_post(&wanted, media, posted_at, &answers)))
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
    let mut post = Post {
        id: media.id.clone(),
        posted_at,
        url: address(media.permalink.as_deref()),
        caption: media.caption.as_deref().map(text),
        media_type,
        // Hidden where it is missing. Of both numbers the insights' is the one without ads.
        likes: count(&media.like_count),
        comments: count(&media.comments_count),
        ..Post::default()
    };
    for metric in metrics {
        let Some(insight) = insight(answers, &metric.api_name) else { continue };
        let total = insight.total_value.as_ref().map(|total| &total.value);
        let Some(value) = total.or(insight.values.first().map(|point| &point.value)).and_then(count) else { continue };
        put(&mut post, metric, Some(value));
    }
    post
}

#[cfg(test)]
mod tests {
    use super::super::listing::tests;
    use super::super::meta::tests::answer;
    use super::*;

    fn metric(metric: &str, api_name: &str) -> Metric {
        tests::metric("account", "flow", metric, api_name)
    }

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 5, day).expect("a day")
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
}
