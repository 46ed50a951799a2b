//! TikTok's insights: an account as it is now, and its videos with their totals. Of days and of the audience it tells nothing.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::listing::{Walk, address, count, put, text};
use super::read::{api_names, is_id, said, whole};
use super::store::{Gathered, Metric, Post, Refused, Task};
use super::{Asker, Stop, Way, is_unserved};
use crate::oauth::TokenError;

/// The most that a page may have.
const PAGE_SIZE: u32 = 20;

/// Needed of a video besides its numbers.
const FIELDS: &str = "id,create_time,share_url,title,video_description";

pub(super) async fn gather(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    match task.kind.as_str() {
        "account" => account(asker, task, gathered).await,
        "posts" => posts(asker, task, gathered).await,
        _ => Err(TokenError::Refused { code: "kind".into() }.into()),
    }
}

#[derive(Debug, Deserialize)]
struct Info {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    user: Map<String, Value>,
}

async fn account(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let levels: Vec<&Metric> = task.wanted("account", "account").filter(|metric| metric.kind == "level").collect();
    let query = |fields| vec![("fields", format!("open_id,{fields}"))];
    let answers: Vec<Info> =
        asker.get_each("account", &api_names(&levels), &mut gathered.refused, "user/info/", query).await?;
    for answer in &answers {
        if answer.data.user.get("open_id").and_then(Value::as_str) != Some(task.platform_user_id.as_str()) {
            return Err(TokenError::Refused { code: "other_account".into() }.into());
        }
    }
    let value = |metric: &Metric| answers.iter().find_map(|answer| answer.data.user.get(&metric.api_name));
    gathered.metrics.extend(levels.iter().map(|metric| said(metric, None, value(metric).unwrap_or(&Value::Null))));
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Page {
    data: Videos,
}

#[derive(Debug, Deserialize)]
struct Videos {
    // An answer without it says nothing; taken for an empty list, all videos would be gone.
    videos: Vec<Map<String, Value>>,
    #[serde(default)]
    cursor: Value,
    has_more: bool,
}

async fn posts(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let mut wanted: Vec<&Metric> = task.wanted("post", "video").collect();
    let mut walk = Walk::to_the_end(task);
    let mut cursor: Option<i64> = None;
    let mut is_probed = false;
    loop {
        let mut body = json!({"max_count": PAGE_SIZE});
        if let Some(cursor) = cursor {
            body["cursor"] = cursor.into();
        }
        let fields = fields(api_names(&wanted).join(","));
        let page: Page = match asker.ask("media", Way::Post(&body), "video/list/", &[("fields", &fields)]).await {
            Err(Stop::Failed(error)) if is_unserved(&error) && !is_probed && !wanted.is_empty() => {
                is_probed = true;
                probe(asker, &wanted, &mut gathered.refused).await?;
                let is_refused =
                    |name: &str| gathered.refused.iter().any(|it| it.subject == "video" && it.api_name == name);
                wanted.retain(|metric| !is_refused(&metric.api_name));
                continue;
            }
            page => page?,
        };
        let videos = page.data.videos.iter().filter_map(|video| read_video(&wanted, video));
        gathered.posts.extend(videos.filter(|post| walk.takes(&post.id, post.posted_at)));
        let next = whole(&page.data.cursor).filter(|next| page.data.has_more && Some(*next) != cursor);
        if page.data.has_more && next.is_none() {
            return Err(TokenError::Malformed { what: "it says that there is more, and not where" }.into());
        }
        gathered.listing = walk.end(next.is_none());
        if gathered.listing.is_some() {
            return Ok(());
        }
        cursor = next;
    }
}

fn fields(metrics: String) -> String {
    if metrics.is_empty() { FIELDS.to_owned() } else { format!("{FIELDS},{metrics}") }
}

/// Finds the numbers that are not served by asking for one video.
async fn probe(asker: &mut Asker<'_>, wanted: &[&Metric], refused: &mut Vec<Refused>) -> Result<(), Stop> {
    let query = |metrics| vec![("fields", format!("id,{metrics}"))];
    let one = json!({"max_count": 1});
    let names = api_names(wanted);
    asker.ask_each::<Page>("video", &names, refused, Way::Post(&one), "video/list/", query).await.map(drop)
}

/// None when it cannot be told which video it is, or since when.
fn read_video(wanted: &[&Metric], video: &Map<String, Value>) -> Option<Post> {
    let words = |name: &str| video.get(name).and_then(Value::as_str).filter(|words| !words.trim().is_empty());
    let id = words("id").filter(|id| is_id(id))?;
    let posted_at = DateTime::from_timestamp(whole(video.get("create_time")?)?, 0).filter(|at| *at <= Utc::now())?;
    let mut post = Post {
        id: id.to_owned(),
        posted_at,
        url: address(words("share_url")),
        caption: words("video_description").or_else(|| words("title")).map(text),
        media_type: Some("video"),
        ..Post::default()
    };
    for metric in wanted {
        put(&mut post, metric, video.get(&metric.api_name).and_then(count));
    }
    Some(post)
}

#[cfg(test)]
mod tests {
    use super::super::listing::tests::metric;
    use super::*;

    fn read(video: Value) -> Option<Post> {
        let wanted = [
            metric("post", "total", "views", "view_count"),
            metric("post", "total", "likes", "like_count"),
            metric("post", "total", "shares", "share_count"),
        ];
        read_video(&wanted.iter().collect::<Vec<_>>(), video.as_object().expect("an object"))
    }

    #[test]
    fn a_video_has_what_was_said_of_it() {
        let post = read(
            json!({"id": "7401", "create_time": 1_790_000_000, "share_url": "https://www.tiktok.com/@a/video/7401?x=1",
            "title": "short", "video_description": " ", "view_count": 5_000_000_000_i64, "like_count": "7"}),
        )
        .expect("a post");
        assert_eq!((post.views, post.likes, post.shares, post.comments), (Some(5_000_000_000), Some(7), None, None));
        assert_eq!((post.caption.as_deref(), post.media_type), (Some("short"), Some("video")));
        assert!(post.url.is_some());
    }

    #[test]
    fn what_is_no_video_is_left_out_and_what_is_no_number_unknown() {
        for video in [
            json!({}),
            json!({"id": 7401, "create_time": 1_790_000_000}),
            json!({"id": "../7401", "create_time": 1_790_000_000}),
            json!({"id": "7401"}),
            json!({"id": "7401", "create_time": "soon"}),
            json!({"id": "7401", "create_time": i64::MAX}),
            json!({"id": "7401", "create_time": 32_503_680_000_i64}),
        ] {
            assert_eq!(read(video.clone()), None, "{video}");
        }
        let post = read(
            json!({"id": "7401", "create_time": "1790000000", "view_count": -1, "like_count": {}, "share_count": null,
            "share_url": "javascript:alert(1)", "video_description": "a\u{0}b"}),
        )
        .expect("a post");
        assert_eq!((post.views, post.likes, post.shares, post.url), (None, None, None, None));
        assert_eq!(post.caption.as_deref(), Some("ab"));
    }

    #[test]
    fn answers_of_another_form_are_none() {
        let bodies = [
            "null",
            "[]",
            "{}",
            r#"{"data": null}"#,
            r#"{"data": {}}"#,
            r#"{"data": {"videos": []}}"#,
            r#"{"data": {"videos": 5, "has_more": false}}"#,
            r#"{"data": {"videos": [5], "has_more": false}}"#,
        ];
        for body in bodies {
            assert!(serde_json::from_str::<Page>(body).is_err(), "{body}");
        }
        for body in ["{}", r#"{"data": {}}"#, r#"{"data": {"user": []}}"#] {
            assert!(serde_json::from_str::<Info>(body).is_err(), "{body}");
        }
    }
}
