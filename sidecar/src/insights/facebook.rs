//! Facebook pages' insights, with the page's own token.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::listing::{Walk, address, count, put, text};
use super::meta::{Insight, Insights, Measuring, Paging, after, flows, insight, levels, series};
use super::read::{api_names, is_id, moment};
use super::store::{Audience, Gathered, Metric, Post, Refused, Task};
use super::{Asker, Stop};
use crate::oauth::TokenError;

/// What is left of who follows a page: age, gender and language went in March 2024, those of fans in November 2025.
const AUDIENCES: [&str; 2] = ["page_follows_country", "page_follows_city"];

/// Days back in which the newest audience is looked for.
const AUDIENCE_DAYS: i64 = 5;

const LONGEST_LIST: usize = 100;

const PAGE_SIZE: &str = "50";

const FIELDS: &str = "id,message,created_time,permalink_url,attachments{media_type},shares";

/// They need a permission of their own in some apps (pages_read_user_content).
const SUMMARIES: &str = "reactions.limit(0).summary(total_count),comments.limit(0).summary(total_count)";

/// How they are noted where they are refused.
const SUMMARIES_NAME: &str = "reactions,comments";

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
    let flows = flows(task, followers, gathered);
    series(asker, task, &flows, gathered).await
}

async fn audience(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let names: Vec<&str> = AUDIENCES.into_iter().filter(|name| task.may_ask("audience", name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let now = Utc::now();
    let query = |metrics| {
        vec![
            ("metric", metrics),
            ("period", "day".to_owned()),
            ("since", (now - TimeDelta::days(AUDIENCE_DAYS)).timestamp().to_string()),
            ("until", now.timestamp().to_string()),
        ]
    };
    let path = format!("{}/insights", task.platform_user_id);
    let mut answers = Vec::new();
    // One by one, so that one which is gone takes only itself along.
    for name in names {
        answers.extend(asker.get_each("audience", &[name], &mut gathered.refused, &path, query).await?);
    }
    gathered.audiences.push(Audience {
        audience: "followers",
        countries: read_places(&answers, "page_follows_country", "country"),
        cities: read_places(&answers, "page_follows_city", "city"),
        ..Audience::default()
    });
    Ok(())
}

/// Of the newest day that has any, largest first. None where nothing was said, as of small pages.
fn read_places(answers: &[Insights], name: &str, place: &str) -> Option<Vec<Value>> {
    let days = insight(answers, name)?.values.iter();
    let known = days.filter_map(|point| Some((point.end_time.as_deref().and_then(moment), point.value.as_object()?)));
    let (_, newest) = known.filter(|(_, by_place)| !by_place.is_empty()).max_by_key(|(end, _)| *end)?;
    let mut places: Vec<(String, i64)> =
        newest.iter().filter_map(|(name, people)| Some((text(name), count(people)?))).collect();
    places.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    places.truncate(LONGEST_LIST);
    let places: Vec<Value> = places.into_iter().map(|(name, people)| json!({place: name, "count": people})).collect();
    Some(places).filter(|places| !places.is_empty())
}

#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Item>,
    paging: Option<Paging>,
}

#[derive(Debug, Deserialize)]
struct Item {
    id: String,
    message: Option<String>,
    created_time: String,
    permalink_url: Option<String>,
    #[serde(default)]
    attachments: Value,
    #[serde(default)]
    shares: Value,
    #[serde(default)]
    reactions: Value,
    #[serde(default)]
    comments: Value,
}

/// The page's id, and the post's.
fn is_post_id(id: &str) -> bool {
    id.split_once('_').is_some_and(|(page, post)| is_id(page) && is_id(post))
}

async fn posts(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let path = format!("{}/posts", task.platform_user_id);
    let mut walk = Walk::new(task);
    let mut measuring = Measuring::new(|_| false);
    let mut start: Option<String> = None;
    let mut has_summaries = task.may_ask("post", SUMMARIES_NAME);
    let mut dropped = None;
    loop {
        let fields = if has_summaries { format!("{FIELDS},{SUMMARIES}") } else { FIELDS.to_owned() };
        let mut query = vec![("fields", fields.as_str()), ("limit", PAGE_SIZE)];
        query.extend(start.as_deref().map(|start| ("after", start)));
        let page: Page = match asker.get("posts", &path, &query).await {
            Err(Stop::Failed(TokenError::Denied { code })) if has_summaries => {
                has_summaries = false;
                dropped = Some(Refused {
                    subject: "post",
                    api_name: SUMMARIES_NAME.to_owned(),
                    code: code.into_owned(),
                    of_app: false,
                });
                continue;
            }
            answer => answer?,
        };
        // Only now is it known that they were what was denied.
        gathered.refused.extend(dropped.take());
        for item in &page.data {
            let posted_at = moment(&item.created_time).filter(|at| *at <= Utc::now() && is_post_id(&item.id));
            if let Some(posted_at) = posted_at.filter(|at| walk.takes(&item.id, *at)) {
                let post = measure(&mut measuring, asker, task, &mut gathered.refused, item, posted_at).await?;
                gathered.posts.extend(post);
            }
        }
        start = after(page.paging.as_ref()).filter(|_| !page.data.is_empty()).map(str::to_owned);
        gathered.listing = walk.end(start.is_none());
        if gathered.listing.is_some() {
            return measuring.end();
        }
    }
}

/// None when the post is there no more.
async fn measure(
    measuring: &mut Measuring,
    asker: &mut Asker<'_>,
    task: &Task,
    refused: &mut Vec<Refused>,
    item: &Item,
    posted_at: DateTime<Utc>,
) -> Result<Option<Post>, Stop> {
    let is_refused = |name: &str| refused.iter().any(|it| it.subject == "post" && it.api_name == name);
    let wanted: Vec<&Metric> = task.wanted("post", "post").filter(|metric| !is_refused(&metric.api_name)).collect();
    let path = format!("{}/insights", item.id);
    let query = |metrics| vec![("metric", metrics), ("period", "lifetime".to_owned())];
    let answers = measuring.ask(asker, "post", &api_names(&wanted), refused, &path, query).await?;
    Ok(answers.map(|answers| read_post(&wanted, item, posted_at, &answers)))
}

fn read_post(metrics: &[&Metric], item: &Item, posted_at: DateTime<Utc>, answers: &[Insights]) -> Post {
    let mut post = Post {
        id: item.id.clone(),
        posted_at,
        url: address(item.permalink_url.as_deref()),
        caption: item.message.as_deref().map(text),
        media_type: media_type(item),
        likes: count(&item.reactions["summary"]["total_count"]),
        comments: count(&item.comments["summary"]["total_count"]),
        shares: count(&item.shares["count"]),
        ..Post::default()
    };
    for metric in metrics {
        let Some(value) = insight(answers, &metric.api_name).and_then(|insight| total(&metric.metric, insight)) else {
            continue;
        };
        // Of likes, comments and shares, the list's are those of this moment.
        let is_known = match metric.metric.as_str() {
            "likes" => post.likes.is_some(),
            "comments" => post.comments.is_some(),
            "shares" => post.shares.is_some(),
            _ => false,
        };
        put(&mut post, metric, Some(value).filter(|_| !is_known));
    }
    post
}

/// Some come by kind: reactions of all kinds together, of actions the one that is meant. A kind that is not named is unknown.
fn total(metric: &str, insight: &Insight) -> Option<i64> {
    match (metric, &insight.values.first()?.value) {
        ("comments", Value::Object(by_kind)) => count(by_kind.get("comment")?),
        ("shares", Value::Object(by_kind)) => count(by_kind.get("share")?),
        ("likes", Value::Object(by_kind)) => sum(by_kind),
        (_, value) => count(value),
    }
}

fn sum(by_kind: &Map<String, Value>) -> Option<i64> {
    let sum = by_kind.values().try_fold(0_i64, |sum, value| sum.checked_add(count(value)?))?;
    (!by_kind.is_empty()).then_some(sum).filter(|sum| count(&(*sum).into()).is_some())
}

fn media_type(item: &Item) -> Option<&'static str> {
    let is_reel = item.permalink_url.as_deref().is_some_and(|url| url.contains("/reel/"));
    match item.attachments["data"][0]["media_type"].as_str() {
        Some("video") if is_reel => Some("reel"),
        Some("video") => Some("video"),
        Some("photo") => Some("photo"),
        Some("album") => Some("carousel"),
        Some("link" | "share") => Some("link"),
        Some(_) => None,
        None => item.message.as_ref().map(|_| "text"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::listing::tests;
    use super::super::meta::tests::answer;
    use super::*;

    fn metric(scope: &str, metric: &str, api_name: &str) -> Metric {
        tests::metric(scope, "total", metric, api_name)
    }

    fn item(json: Value) -> Item {
        serde_json::from_value(json).expect("a post")
    }

    fn read(metrics: &[Metric], item: &Item, answers: &[Insights]) -> Post {
        let metrics: Vec<&Metric> = metrics.iter().collect();
        read_post(&metrics, item, moment(&item.created_time).expect("a time"), answers)
    }

    #[test]
    fn a_post_has_the_numbers_of_its_list_and_of_its_insights() {
        let item = item(json!({"id": "1_2", "message": "We bake", "created_time": "2026-05-03T10:00:00+0000",
            "permalink_url": "https://www.facebook.com/reel/7/", "attachments": {"data": [{"media_type": "video"}]},
            "shares": {"count": 3}, "reactions": {"data": [], "summary": {"total_count": 0}}}));
        let metrics = [
            metric("post", "likes", "post_reactions_by_type_total"),
            metric("post", "comments", "post_activity_by_action_type"),
            metric("post", "shares", "post_activity_by_action_type"),
            metric("post", "reach", "post_total_media_view_unique"),
            metric("post", "views", "post_media_view"),
            metric("post", "clicks", "post_clicks"),
        ];
        let answers = answer(json!({"data": [
            {"name": "post_reactions_by_type_total", "values": [{"value": {"like": 4, "love": 2}}]},
            {"name": "post_activity_by_action_type", "values": [{"value": {"comment": 9, "share": 5}}]},
            {"name": "post_total_media_view_unique", "values": [{"value": "5000000000"}]},
            {"name": "post_media_view", "values": []}, {"name": "post_clicks", "values": [{"value": 6}]}]}));
        let post = read(&metrics, &item, &answers);
        assert_eq!((post.likes, post.comments, post.shares), (Some(0), Some(9), Some(3)), "a zero that was said");
        assert_eq!((post.reach, post.views, post.saves), (Some(5_000_000_000), None, None));
        assert_eq!((post.media_type, &post.extra_data["clicks"]), (Some("reel"), &json!(6)));
    }

    #[test]
    fn what_a_post_does_not_say_is_unknown() {
        let bare = item(json!({"id": "1_2", "created_time": "2026-05-03T10:00:00+0000"}));
        let metrics = [
            metric("post", "likes", "post_reactions_by_type_total"),
            metric("post", "comments", "post_activity_by_action_type"),
            metric("post", "views", "post_media_view"),
        ];
        for values in [
            json!([{"value": {}}]),
            json!([{"value": {"like": -1, "comment": "some"}}]),
            json!([{"value": null}]),
            json!([{"value": [1]}]),
            json!([{"value": -4}]),
            json!([{"value": 1e30}]),
            json!([{}]),
            json!([]),
        ] {
            let entries: Vec<Value> = metrics.iter().map(|it| json!({"name": it.api_name, "values": values})).collect();
            let post = read(&metrics, &bare, &answer(json!({"data": entries})));
            assert_eq!((post.likes, post.comments, post.views), (None, None, None), "{values}");
            assert_eq!((post.media_type, post.caption), (None, None));
        }
        let huge: Map<String, Value> = (0..9).map(|n| (n.to_string(), 900_000_000_000_000_i64.into())).collect();
        assert_eq!(sum(&huge), None);
        for lists in [
            json!({"shares": 3, "reactions": [], "comments": "many"}),
            json!({"shares": {"count": -1}, "reactions": {"summary": []}, "comments": {"summary": {"total_count": null}}}),
        ] {
            let mut entry = lists.clone();
            entry["id"] = "1_2".into();
            entry["created_time"] = "2026-05-03T10:00:00+0000".into();
            let post = read(&[], &item(entry), &[]);
            assert_eq!((post.likes, post.comments, post.shares), (None, None, None), "{lists}");
        }
    }

    #[test]
    fn places_are_those_of_the_newest_day_that_has_any() {
        let read = |values: Value| {
            read_places(
                &answer(json!({"data": [{"name": "page_follows_country", "values": values}]})),
                "page_follows_country",
                "country",
            )
        };
        let values = json!([{"value": {"AT": 9}, "end_time": "2026-05-03T07:00:00+0000"},
            {"value": {"AT": 3, "DE": 7, "FR": "x", "US": -1}, "end_time": "2026-05-05T07:00:00+0000"},
            {"value": {}, "end_time": "2026-05-06T07:00:00+0000"}, {"value": 5, "end_time": "2026-05-07T07:00:00+0000"}]);
        let expected = vec![json!({"country": "DE", "count": 7}), json!({"country": "AT", "count": 3})];
        assert_eq!(read(values), Some(expected));
        for values in [json!([]), json!([{"value": {}}]), json!([{"value": {"DE": null}}])] {
            assert_eq!(read(values.clone()), None, "{values}");
        }
        assert_eq!(read_places(&answer(json!({"data": []})), "page_follows_country", "country"), None);
    }

    #[test]
    fn only_ids_of_posts_become_part_of_an_address() {
        assert!(is_post_id("104200000000017_122100000000017"));
        for id in ["", "_", "17", "17_", "17_x", "17_1_2", "../17_1", "17_1?x"] {
            assert!(!is_post_id(id), "{id}");
        }
    }

    #[test]
    fn a_page_of_another_form_is_none() {
        for body in ["null", "[]", "{}", r#"{"data": [{"id": 7}]}"#, r#"{"data": [{"id": "1_2"}]}"#, r#"{"data": {}}"#]
        {
            assert!(serde_json::from_str::<Page>(body).is_err(), "{body}");
        }
    }
}
