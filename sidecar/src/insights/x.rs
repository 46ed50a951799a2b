//! X's insights. What is read is paid for, by the post and by the account, so nothing is read that is not due: each pull names
//! the time it is about. Replies and reposts are left out.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::listing::{MOST_PAGES, count, put, text};
use super::read::{is_id, moment, said};
use super::store::{Gathered, Listing, Metric, Post, Refused, Task};
use super::{Asker, Stop, is_unserved};
use crate::oauth::TokenError;

/// The most that a page may have; what is not there is not paid for.
const PAGE_SIZE: &str = "100";

/// Ids that one call may name.
const AT_ONCE: usize = 100;

/// Public numbers are named as they are, the author's by their group and a dot.
const PUBLIC: &str = "public_metrics";

/// So long are the author's numbers of a post told. An hour less, so that no post grows too old on the way.
const AUTHORS_TIME: TimeDelta = TimeDelta::hours(30 * 24 - 1);

pub(super) async fn gather(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    if !is_id(&task.platform_user_id) {
        return Err(TokenError::Refused { code: "id".into() }.into());
    }
    match task.kind.as_str() {
        "account" => account(asker, task, gathered).await,
        "posts" => posts(asker, task, gathered).await,
        _ => Err(TokenError::Refused { code: "kind".into() }.into()),
    }
}

/// Beside, or instead of data: why a part of it is missing.
#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    resource_id: Option<String>,
    section: Option<String>,
}

impl Problem {
    fn is(&self, kind: &str) -> bool {
        self.kind.as_deref().and_then(|it| it.rsplit('/').next()) == Some(kind)
    }
}

#[derive(Debug, Deserialize)]
struct Me {
    data: User,
}

#[derive(Debug, Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    public_metrics: Map<String, Value>,
}

async fn account(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let me: Me = asker.get("account", "users/me", &[("user.fields", PUBLIC)]).await?;
    if me.data.id != task.platform_user_id {
        return Err(TokenError::Refused { code: "other_account".into() }.into());
    }
    let levels = task.wanted("account", "account").filter(|metric| metric.kind == "level");
    gathered.metrics.extend(levels.map(|metric| said(metric, None, level(&me.data.public_metrics, &metric.api_name))));
    Ok(())
}

/// The number of posts has another name in the newest description of the API.
fn level<'a>(metrics: &'a Map<String, Value>, name: &str) -> &'a Value {
    let other = if name == "tweet_count" { "post_count" } else { name };
    metrics.get(name).or_else(|| metrics.get(other)).unwrap_or(&Value::Null)
}

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    data: Vec<Map<String, Value>>,
    #[serde(default)]
    errors: Vec<Problem>,
    /// Of a part of the time line.
    meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    next_token: Option<String>,
}

/// A part of the time line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    /// The parameter that it begins with, and its value.
    since: (&'static str, String),
    until: Option<String>,
    /// Young enough for the author's numbers.
    is_told_to_author: bool,
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What to read, newest first, and how far back that is. The first time a month, later from the oldest post that is due on,
/// and if none is, what came after the newest one.
fn spans(task: &Task, now: DateTime<Utc>) -> (Vec<Span>, Option<DateTime<Utc>>) {
    let young = now - AUTHORS_TIME;
    let newest = task.fresh_posts.iter().filter(|id| is_id(id)).max_by_key(|id| (id.len(), id.as_str()));
    let due = task.oldest_due.map(|due| due - TimeDelta::seconds(1));
    let start = match (task.reads_all, due, newest) {
        (true, due, _) => due.map_or(young, |due| due.min(young)),
        (false, Some(due), _) => due,
        (false, None, None) => young,
        (false, None, Some(newest)) => {
            let since = ("since_id", newest.clone());
            return if task.newest_fresh.is_some_and(|at| at >= young) {
                (vec![Span { since, until: None, is_told_to_author: true }], None)
            } else {
                // Of what came after an old one, some may be too old for the author's numbers itself.
                let old = Span { since, until: Some(stamp(young)), is_told_to_author: false };
                let young = Span { since: ("start_time", stamp(young)), until: None, is_told_to_author: true };
                (vec![young, old], None)
            };
        }
    };
    let since = |at| ("start_time", stamp(at));
    let mut spans = vec![Span { since: since(start.max(young)), until: None, is_told_to_author: true }];
    if start < young {
        spans.push(Span { since: since(start), until: Some(stamp(young)), is_told_to_author: false });
    }
    (spans, Some(start))
}

fn group(api_name: &str) -> &str {
    api_name.split_once('.').map_or(PUBLIC, |(group, _)| group)
}

fn fields(wanted: &[&Metric], is_told_to_author: bool) -> String {
    let mut fields = vec!["created_at", "attachments"];
    let groups = wanted.iter().map(|metric| group(&metric.api_name));
    for group in groups.filter(|group| is_told_to_author || *group == PUBLIC) {
        if !fields.contains(&group) {
            fields.push(group);
        }
    }
    fields.join(",")
}

/// What the author's numbers were told of, and refused for.
#[derive(Default)]
struct Tally {
    told: usize,
    refused: usize,
}

async fn posts(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let mut wanted: Vec<&Metric> = task.wanted("post", "post").collect();
    let fresh: HashSet<&str> = task.fresh_posts.iter().map(String::as_str).collect();
    let mut seen = HashSet::new();
    let (spans, back_to) = spans(task, Utc::now());
    let mut tally = Tally::default();
    let mut pages = 0;
    for span in &spans {
        let mut token: Option<String> = None;
        loop {
            let page = page(asker, task, span, token.as_deref(), &mut wanted, &mut gathered.refused).await?;
            let mut found: Vec<Post> = page.data.iter().filter_map(|post| read_post(&wanted, post)).collect();
            let untold = untold(&page);
            tally.told += page
                .data
                .iter()
                .filter(|post| post.keys().any(|key| key != PUBLIC && key.ends_with("_metrics")))
                .count();
            tally.refused += untold.len();
            let known: Vec<&str> = untold.into_iter().filter(|id| !fresh.contains(id)).collect();
            found.extend(without_authors(asker, &wanted, &known).await?);
            // Those that were not due, too: they are paid for.
            gathered.posts.extend(first_of_each(found, &mut seen));
            pages += 1;
            token = page.meta.and_then(|meta| meta.next_token);
            if token.is_none() {
                break;
            }
            if pages >= MOST_PAGES {
                gathered.listing = Some(Listing { is_whole: true, back_to: None });
                return Ok(());
            }
        }
    }
    // Of none of its posts: this account will not get them.
    if tally.told == 0 && tally.refused > 0 {
        gathered.refused.extend(authors(&wanted, "not_authorized_for_field", false));
    }
    gathered.listing = Some(Listing { is_whole: task.reads_all, back_to });
    Ok(())
}

/// A time line that moves while it is read has a post twice.
fn first_of_each(mut found: Vec<Post>, seen: &mut HashSet<String>) -> Vec<Post> {
    found.retain(|post| seen.insert(post.id.clone()));
    found
}

fn authors(wanted: &[&Metric], code: &str, of_app: bool) -> Vec<Refused> {
    let of_author = wanted.iter().filter(|metric| group(&metric.api_name) != PUBLIC);
    let refused = |metric: &&Metric| Refused {
        subject: "post",
        api_name: metric.api_name.clone(),
        code: code.to_owned(),
        of_app,
    };
    of_author.map(refused).collect()
}

/// A page, without the author's numbers where they are not served to our app.
async fn page(
    asker: &mut Asker<'_>,
    task: &Task,
    span: &Span,
    token: Option<&str>,
    wanted: &mut Vec<&Metric>,
    refused: &mut Vec<Refused>,
) -> Result<Page, Stop> {
    let path = format!("users/{}/tweets", task.platform_user_id);
    let mut dropped = Vec::new();
    loop {
        let fields = fields(wanted, span.is_told_to_author);
        let (from, since) = &span.since;
        let mut query = vec![
            ("tweet.fields", fields.as_str()),
            ("exclude", "retweets,replies"),
            ("max_results", PAGE_SIZE),
            (*from, since),
        ];
        query.extend(span.until.as_deref().map(|until| ("end_time", until)));
        query.extend(token.map(|token| ("pagination_token", token)));
        match asker.get::<Page>("media", &path, &query).await {
            Err(Stop::Failed(error)) if is_unserved(&error) && has_authors(wanted, span) => {
                dropped = authors(wanted, "invalid_request", true);
                wanted.retain(|metric| group(&metric.api_name) == PUBLIC);
            }
            // Taken for an empty list, all posts would be gone.
            Ok(Page { meta: None, .. }) => {
                return Err(
                    TokenError::Malformed { what: "it says neither what there is nor that there is nothing" }.into()
                );
            }
            Ok(page) => {
                // Only now is it known that they were what was wrong with the question.
                refused.extend(dropped);
                return Ok(page);
            }
            Err(stop) => return Err(stop),
        }
    }
}

fn has_authors(wanted: &[&Metric], span: &Span) -> bool {
    span.is_told_to_author && wanted.iter().any(|metric| group(&metric.api_name) != PUBLIC)
}

/// Posts that are left out because a field of them may not be read.
fn untold(page: &Page) -> Vec<&str> {
    let is_there = |id: &str| page.data.iter().any(|post| post.get("id").and_then(Value::as_str) == Some(id));
    let is_own =
        |problem: &&Problem| problem.is("not-authorized-for-field") && problem.section.as_deref() != Some("includes");
    let ids = page.errors.iter().filter(is_own).filter_map(|problem| problem.resource_id.as_deref());
    // Each field of a post is a problem of its own.
    let ids: HashSet<&str> = ids.filter(|id| is_id(id) && !is_there(id)).collect();
    ids.into_iter().collect()
}

/// The same posts once more, with what everybody may know.
async fn without_authors(asker: &mut Asker<'_>, wanted: &[&Metric], ids: &[&str]) -> Result<Vec<Post>, Stop> {
    let mut posts = Vec::new();
    for ids in ids.chunks(AT_ONCE) {
        let query = [("ids", ids.join(",")), ("tweet.fields", fields(wanted, false))];
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page: Page = asker.get("media", "tweets", &query).await?;
        posts.extend(page.data.iter().filter_map(|post| read_post(wanted, post)));
    }
    Ok(posts)
}

/// None when it cannot be told which post it is, or since when.
fn read_post(wanted: &[&Metric], said: &Map<String, Value>) -> Option<Post> {
    let words = |name: &str| said.get(name).and_then(Value::as_str);
    let id = words("id").filter(|id| is_id(id))?;
    let posted_at = moment(words("created_at")?).filter(|at| *at <= Utc::now())?;
    let mut post = Post {
        id: id.to_owned(),
        posted_at,
        url: Some(format!("https://x.com/i/status/{id}")),
        caption: words("text").map(text),
        media_type: media_type(said.get("attachments")),
        ..Post::default()
    };
    for metric in wanted {
        let name = metric.api_name.rsplit('.').next().unwrap_or_default();
        let value = said.get(group(&metric.api_name)).and_then(|group| count(group.get(name)?));
        put(&mut post, metric, value);
    }
    Some(post)
}

/// By the keys of its media, which begin with their kind: asking for the media themselves would be paid for.
fn media_type(attachments: Option<&Value>) -> Option<&'static str> {
    let keys = attachments.and_then(|attachments| attachments["media_keys"].as_array());
    let Some(keys) = keys.filter(|keys| !keys.is_empty()) else { return Some("text") };
    let kinds: Vec<&str> = keys.iter().filter_map(|key| Some(key.as_str()?.split_once('_')?.0)).collect();
    match kinds.as_slice() {
        kinds if kinds.iter().any(|kind| ["7", "13", "16"].contains(kind)) => Some("video"),
        ["3"] => Some("photo"),
        kinds if kinds.len() > 1 && kinds.iter().all(|kind| *kind == "3") => Some("carousel"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::listing::tests::{metric, task};
    use super::*;

    fn registry() -> Vec<Metric> {
        [
            ("likes", "like_count"),
            ("views", "impression_count"),
            ("quotes", "quote_count"),
            ("link_clicks", "non_public_metrics.url_link_clicks"),
            ("organic_views", "organic_metrics.impression_count"),
        ]
        .map(|(name, api_name)| metric("post", "total", name, api_name))
        .into()
    }

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().expect("a time")
    }

    fn read(post: Value) -> Option<Post> {
        let wanted = registry();
        read_post(&wanted.iter().collect::<Vec<_>>(), post.as_object().expect("an object"))
    }

    #[test]
    fn only_what_is_due_is_read() {
        let mut task = task("posts", Vec::new());
        task.reads_all = true;
        let month =
            Span { since: ("start_time", "2026-10-22T13:00:00Z".to_owned()), until: None, is_told_to_author: true };
        assert_eq!(spans(&task, now()), (vec![month.clone()], Some(now() - AUTHORS_TIME)));
        task.reads_all = false;
        task.fresh_posts = ["999", "1002", "1001", "x"].map(str::to_owned).into();
        let old = Span {
            since: ("since_id", "1002".to_owned()),
            until: Some("2026-10-22T13:00:00Z".to_owned()),
            is_told_to_author: false,
        };
        for newest in [None, Some(now() - TimeDelta::days(31))] {
            task.newest_fresh = newest;
            assert_eq!(spans(&task, now()), (vec![month.clone(), old.clone()], None), "the newest one is old itself");
        }
        task.newest_fresh = Some(now() - TimeDelta::days(29));
        let newer = Span { since: ("since_id", "1002".to_owned()), until: None, is_told_to_author: true };
        assert_eq!(spans(&task, now()), (vec![newer], None));
        let due = now() - TimeDelta::days(2);
        task.oldest_due = Some(due);
        let young =
            Span { since: ("start_time", "2026-11-19T11:59:59Z".to_owned()), until: None, is_told_to_author: true };
        assert_eq!(spans(&task, now()), (vec![young], Some(due - TimeDelta::seconds(1))));
        // An operator may want older ones: those without what is the author's.
        task.oldest_due = Some(now() - TimeDelta::days(60));
        let old = Span {
            since: ("start_time", "2026-09-22T11:59:59Z".to_owned()),
            until: Some("2026-10-22T13:00:00Z".to_owned()),
            is_told_to_author: false,
        };
        assert_eq!(spans(&task, now()).0, [month, old]);
    }

    #[test]
    fn the_groups_of_numbers_are_named_once_and_the_authors_only_where_they_are_told() {
        let wanted = registry();
        let wanted: Vec<&Metric> = wanted.iter().collect();
        assert_eq!(fields(&wanted, true), "created_at,attachments,public_metrics,non_public_metrics,organic_metrics");
        assert_eq!(fields(&wanted, false), "created_at,attachments,public_metrics");
    }

    #[test]
    fn a_post_has_what_was_said_of_it() {
        let post = read(json!({"id": "1900", "created_at": "2026-05-03T10:00:00.000Z", "text": "t", "attachments": {"media_keys": ["3_1", "3_2"]},
            "public_metrics": {"like_count": 0, "impression_count": "5000000000"}, "non_public_metrics": {"url_link_clicks": 3}}))
        .expect("a post");
        assert_eq!((post.likes, post.views, post.comments), (Some(0), Some(5_000_000_000), None));
        assert_eq!(post.extra_data, *json!({"link_clicks": 3}).as_object().expect("an object"));
        assert_eq!((post.media_type, post.url.as_deref()), (Some("carousel"), Some("https://x.com/i/status/1900")));
    }

    #[test]
    fn what_is_no_post_is_left_out_and_what_is_no_number_unknown() {
        for post in [
            json!({}),
            json!({"id": 1900, "created_at": "2026-05-03T10:00:00.000Z"}),
            json!({"id": "1900/../x", "created_at": "2026-05-03T10:00:00.000Z"}),
            json!({"id": "1900"}),
            json!({"id": "1900", "created_at": "soon"}),
            json!({"id": "1900", "created_at": "3026-05-03T10:00:00.000Z"}),
        ] {
            assert_eq!(read(post.clone()), None, "{post}");
        }
        let post = read(json!({"id": "1900", "created_at": "2026-05-03T10:00:00.000Z", "public_metrics": [], "non_public_metrics": {"url_link_clicks": -1},
            "organic_metrics": null, "attachments": {"media_keys": "3_1"}}))
        .expect("a post");
        assert_eq!((post.likes, post.views, post.extra_data.len(), post.media_type), (None, None, 0, Some("text")));
    }

    #[test]
    fn a_post_that_is_twice_in_a_time_line_is_stored_once() {
        let post = |id: &str| Post { id: id.to_owned(), ..Post::default() };
        let mut seen = HashSet::new();
        assert_eq!(first_of_each(vec![post("2"), post("2")], &mut seen).len(), 1);
        assert_eq!(first_of_each(vec![post("2"), post("1")], &mut seen), [post("1")], "nor on the next page");
    }

    #[test]
    fn media_are_known_by_their_keys() {
        let kind = |keys: Value| media_type(Some(&json!({"media_keys": keys})));
        assert_eq!(kind(json!(["3_1"])), Some("photo"));
        assert_eq!(kind(json!(["3_1", "7_2"])), Some("video"));
        assert_eq!(kind(json!(["99_1"])), None);
        assert_eq!(kind(json!([5])), None);
        assert_eq!(media_type(Some(&json!({"poll_ids": ["1"]}))), Some("text"));
    }

    #[test]
    fn a_count_of_posts_has_two_names() {
        let level_of = |metrics: Value| level(metrics.as_object().expect("an object"), "tweet_count").clone();
        assert_eq!(level_of(json!({"tweet_count": 4})), 4);
        assert_eq!(level_of(json!({"post_count": 5})), 5);
        assert_eq!(level_of(json!({"like_count": 5})), Value::Null);
    }

    #[test]
    fn errors_beside_data_name_the_posts_that_are_missing() {
        let page: Page = serde_json::from_value(json!({"data": [{"id": "1"}], "errors": [
            {"type": "https://api.twitter.com/2/problems/not-authorized-for-field", "resource_id": "2", "section": "data", "field": "organic_metrics.like_count"},
            {"type": "https://api.twitter.com/2/problems/not-authorized-for-field", "resource_id": "2", "section": "data", "field": "organic_metrics.reply_count"},
            {"type": "https://api.x.com/2/problems/not-authorized-for-field", "resource_id": "1", "section": "data"},
            {"type": "https://api.x.com/2/problems/not-authorized-for-field", "resource_id": "3", "section": "includes"},
            {"type": "https://api.x.com/2/problems/resource-not-found", "resource_id": "4"}, {"title": "other"},
            {"type": "https://api.x.com/2/problems/not-authorized-for-field", "resource_id": "../5"}]}))
        .expect("a page");
        assert_eq!(untold(&page), ["2"]);
        for body in ["null", r#"{"data": {}}"#, r#"{"data": [5]}"#, r#"{"errors": 5}"#] {
            assert!(serde_json::from_str::<Page>(body).is_err(), "{body}");
        }
        for body in ["{}", r#"{"data": []}"#, r#"{"data": {"public_metrics": {}}}"#] {
            assert!(serde_json::from_str::<Me>(body).is_err(), "{body}");
        }
    }
}
