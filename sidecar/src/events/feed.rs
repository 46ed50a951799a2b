//! YouTube's deliveries: an Atom feed with the videos that are new or changed, by PubSubHubbub.

use chrono::{DateTime, Utc};
use roxmltree::{Document, Node, ParsingOptions};
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::delivery::{Event, Unreadable, fingerprint};
use crate::oauth::Platform;

const YOUTUBE: &str = "http://www.youtube.com/xml/schemas/2015";
const ATOM: &str = "http://www.w3.org/2005/Atom";
const TOMBSTONES: &str = "http://purl.org/atompub/tombstones/1.0";

/// A feed has one entry as a rule, each of a dozen elements.
const MOST_NODES: u32 = 50_000;

/// An entry as it is stored: jsonb has no elements.
#[derive(Serialize)]
struct Video<'a> {
    video_id: &'a str,
    channel_id: &'a str,
    title: Option<&'a str>,
    published: Option<&'a str>,
    updated: Option<&'a str>,
}

pub(super) fn events(xml: &str) -> Result<Vec<Event>, Unreadable> {
    // Without a document type: entities are how a small feed becomes a large one.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml, options).map_err(|_| Unreadable::Malformed)?;
    let root = document.root_element();
    if !root.has_tag_name((ATOM, "feed")) {
        return Err(Unreadable::Malformed);
    }
    root.children()
        .filter_map(|node| {
            if node.has_tag_name((ATOM, "entry")) {
                Some(video(node))
            } else if node.has_tag_name((TOMBSTONES, "deleted-entry")) {
                Some(deleted(node))
            } else {
                None
            }
        })
        .collect()
}

fn video(entry: Node) -> Result<Event, Unreadable> {
    let video = Video {
        video_id: text(entry, YOUTUBE, "videoId").ok_or(Unreadable::Malformed)?,
        channel_id: text(entry, YOUTUBE, "channelId").ok_or(Unreadable::Malformed)?,
        title: text(entry, ATOM, "title"),
        published: text(entry, ATOM, "published"),
        updated: text(entry, ATOM, "updated"),
    };
    event("video", &video, video.updated.or(video.published))
}

fn deleted(entry: Node) -> Result<Event, Unreadable> {
    let video_id =
        entry.attribute("ref").and_then(|name| name.strip_prefix("yt:video:")).ok_or(Unreadable::Malformed)?;
    let by = entry.descendants().filter(|node| node.tag_name().name() == "uri").find_map(|node| node.text());
    let channel_id = by.and_then(|uri| uri.rsplit_once("/channel/")).map(|(_, id)| id).ok_or(Unreadable::Malformed)?;
    let video = Video { video_id, channel_id, title: None, published: None, updated: entry.attribute("when") };
    event("video.deleted", &video, video.updated)
}

fn event(kind: &str, video: &Video, time: Option<&str>) -> Result<Event, Unreadable> {
    let is_id =
        |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !is_id(video.video_id) || !is_id(video.channel_id) {
        return Err(Unreadable::Malformed);
    }
    let written = |time: &str| DateTime::parse_from_rfc3339(time).ok().map(|at| at.with_timezone(&Utc));
    Ok(Event {
        platform: Platform::Youtube.name(),
        account: Some(video.channel_id.to_owned()),
        provider: None,
        consent: None,
        kind: kind.to_owned(),
        occurred_at: time.and_then(written),
        digest: fingerprint(&["youtube", video.channel_id, kind, video.video_id, time.unwrap_or_default()]),
        post: Some(video.video_id.to_owned()),
        payload: to_raw_value(video)?,
    })
}

fn text<'a>(entry: Node<'a, '_>, space: &str, name: &str) -> Option<&'a str> {
    entry.children().find(|node| node.has_tag_name((space, name))).and_then(|node| node.text()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom">
          <link rel="self" href="https://www.youtube.com/xml/feeds/videos.xml?channel_id=UCabc"/><title>Feed</title>
          <entry><id>yt:video:VID-1_x</id><yt:videoId>VID-1_x</yt:videoId><yt:channelId>UCabc</yt:channelId><title>One &amp; two</title>
            <published>2026-03-06T21:40:57+00:00</published><updated>2026-03-09T19:05:24.552394234+00:00</updated></entry>
        </feed>"#;

    #[test]
    fn an_entry_is_a_video_of_a_channel() {
        let events = events(FEED).expect("a feed");
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].account.as_deref(), events[0].post.as_deref()), (Some("UCabc"), Some("VID-1_x")));
        assert_eq!(events[0].occurred_at.map(|at| at.timestamp()), Some(1_773_083_124));
        assert!(events[0].payload.get().contains(r#""title":"One & two""#));
    }

    #[test]
    fn a_deleted_one_names_its_channel_too() {
        let xml = r#"<feed xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">
            <at:deleted-entry ref="yt:video:VID" when="2026-03-09T19:05:24+00:00"><link href="https://www.youtube.com/watch?v=VID"/>
            <at:by><name>Channel</name><uri>https://www.youtube.com/channel/UCabc</uri></at:by></at:deleted-entry></feed>"#;
        let events = events(xml).expect("a feed");
        assert_eq!((events[0].kind.as_str(), events[0].account.as_deref()), ("video.deleted", Some("UCabc")));
    }

    #[test]
    fn no_entities_and_no_other_documents() {
        let bomb = r#"<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><feed xmlns="http://www.w3.org/2005/Atom"><title>&b;</title></feed>"#;
        for xml in [
            "",
            "<feed",
            "<html/>",
            "<feed/>",
            bomb,
            &FEED.replace("UCabc</yt", "U{C}</yt"),
            &FEED.replace("VID-1_x</yt", "</yt"),
        ] {
            assert!(events(xml).is_err(), "{xml}");
        }
        assert!(
            events(r#"<feed xmlns="http://www.w3.org/2005/Atom"><title>nothing</title></feed>"#)
                .is_ok_and(|all| all.is_empty())
        );
    }
}
