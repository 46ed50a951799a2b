//! A delivery taken apart: which accounts it is about, what happened, and when. What happened is handed on as it was written,
//! so that ids of nineteen digits stay what they are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::feed;
use super::text::{is_shallow, mended};
use crate::oauth::{Platform, Provider};

/// Meta puts up to a thousand into one delivery.
const MOST_EVENTS: usize = 2000;
const LONGEST_ID: usize = 255;

/// One event, as the database takes it.
#[derive(Debug, Serialize)]
pub struct Event {
    pub platform: &'static str,
    /// Its `platform_user_id`.
    pub account: Option<String>,
    /// Of a person instead of an account: whose consent it is, as the provider names him.
    pub provider: Option<&'static str>,
    pub consent: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    pub occurred_at: Option<DateTime<Utc>>,
    /// Tells this event from others, and the same again from it.
    pub digest: String,
    /// The account's post that it is about.
    pub post: Option<String>,
    pub payload: Box<RawValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    Malformed,
    TooDeep,
    TooMany,
    /// Of another platform than the address is for.
    Misplaced,
}

impl Unreadable {
    pub fn name(self) -> &'static str {
        match self {
            Unreadable::Malformed => "malformed",
            Unreadable::TooDeep => "too_deep",
            Unreadable::TooMany => "too_many",
            Unreadable::Misplaced => "misplaced",
        }
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(_: serde_json::Error) -> Self {
        Unreadable::Malformed
    }
}

/// The events of a body whose signature was checked. What names no account, such as a platform's word about itself, is none.
pub fn events(platform: Platform, body: &[u8]) -> Result<Vec<Event>, Unreadable> {
    let body = str::from_utf8(body).map_err(|_| Unreadable::Malformed)?;
    let events = if platform == Platform::Youtube {
        feed::events(body)?
    } else {
        let json = readable(body)?;
        match platform {
            Platform::Instagram | Platform::Facebook => meta(platform, &json)?,
            Platform::X => x(&json)?,
            Platform::Tiktok => tiktok(&json)?,
            Platform::Linkedin | Platform::Youtube => linkedin(&json)?,
        }
    };
    if events.len() > MOST_EVENTS { Err(Unreadable::TooMany) } else { Ok(events) }
}

/// What Meta signs for a person: who he is, and when he said so.
#[derive(Debug)]
pub struct Request {
    pub user: String,
    pub issued_at: DateTime<Utc>,
    pub payload: Box<RawValue>,
}

pub fn signed_request(payload: &[u8]) -> Result<Request, Unreadable> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        algorithm: Cow<'a, str>,
        #[serde(borrow)]
        user_id: &'a RawValue,
        issued_at: i64,
        // Only those of a login bear these, and whoever logs in has them in his browser.
        code: Option<IgnoredAny>,
        oauth_token: Option<IgnoredAny>,
    }
    let json = readable(str::from_utf8(payload).map_err(|_| Unreadable::Malformed)?)?;
    let fields: Fields = serde_json::from_str(&json)?;
    let issued_at = DateTime::from_timestamp(fields.issued_at, 0).ok_or(Unreadable::Malformed)?;
    let is_of_login = fields.code.is_some() || fields.oauth_token.is_some();
    match id(fields.user_id) {
        Some(user) if fields.algorithm.eq_ignore_ascii_case("HMAC-SHA256") && !is_of_login => {
            Ok(Request { user, issued_at, payload: serde_json::from_str(&json)? })
        }
        _ => Err(Unreadable::Malformed),
    }
}

/// The event that a person has removed the app.
pub fn removal(platform: Platform, request: Request) -> Event {
    let provider = Provider::from_platform(platform).name();
    let parts = ["deauthorize", provider, &request.user, request.payload.get()];
    let digest = fingerprint(&parts);
    Event {
        platform: platform.name(),
        account: None,
        provider: Some(provider),
        consent: Some(request.user),
        kind: "deauthorize".to_owned(),
        occurred_at: Some(request.issued_at),
        digest,
        post: None,
        payload: request.payload,
    }
}

fn readable(json: &str) -> Result<Cow<'_, str>, Unreadable> {
    if is_shallow(json) { Ok(mended(json)) } else { Err(Unreadable::TooDeep) }
}

/// Parts cannot be shifted into one another: each is preceded by its length.
pub(super) fn fingerprint(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    hex::encode(context.finish())
}

/// A text, or a whole number as it was written.
fn id(raw: &RawValue) -> Option<String> {
    let text = match serde_json::from_str::<Cow<str>>(raw.get()) {
        Ok(text) => text.into_owned(),
        Err(_) => raw.get().to_owned(),
    };
    let is_id =
        (1..=LONGEST_ID).contains(&text.len()) && !text.contains(|c: char| c.is_control() || "{}[]".contains(c));
    is_id.then_some(text)
}

fn optional_id(raw: Option<&RawValue>) -> Option<String> {
    raw.and_then(id).filter(|id| id != "null")
}

/// Seconds or, from some senders and for some kinds, milliseconds; as a number or as a text.
fn moment(raw: Option<&RawValue>) -> Option<DateTime<Utc>> {
    let number: i64 = optional_id(raw)?.parse().ok()?;
    // In seconds that is the year 5138.
    if number > 99_999_999_999 { DateTime::from_timestamp_millis(number) } else { DateTime::from_timestamp(number, 0) }
}

#[derive(Deserialize)]
struct MetaDelivery<'a> {
    object: Cow<'a, str>,
    #[serde(borrow)]
    entry: Vec<MetaEntry<'a>>,
}

#[derive(Deserialize)]
struct MetaEntry<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    changes: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    messaging: Vec<&'a RawValue>,
    /// Some apps get one change as the entry itself.
    field: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MetaChange<'a> {
    field: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// Where the kinds that we know name the post.
#[derive(Default, Deserialize)]
#[serde(default)]
struct MetaSubject<'a> {
    #[serde(borrow)]
    media: Option<MetaMedia<'a>>,
    #[serde(borrow)]
    media_id: Option<&'a RawValue>,
    #[serde(borrow)]
    post_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MetaMedia<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

fn meta(platform: Platform, json: &str) -> Result<Vec<Event>, Unreadable> {
    let deliveries: Vec<MetaDelivery> = if json.trim_start().starts_with('[') {
        serde_json::from_str(json)?
    } else {
        vec![serde_json::from_str(json)?]
    };
    let mut events = Vec::new();
    for delivery in deliveries {
        // One secret signs for a Facebook app's pages and for the Instagram accounts that hang on them.
        let told = match (&*delivery.object, platform) {
            ("instagram", Platform::Instagram | Platform::Facebook) => Platform::Instagram,
            ("page", Platform::Facebook) => Platform::Facebook,
            ("user" | "permissions", Platform::Facebook) => continue,
            _ => return Err(Unreadable::Misplaced),
        };
        for entry in delivery.entry {
            let account = id(entry.id).ok_or(Unreadable::Malformed)?;
            let time = entry.time.map(RawValue::get).unwrap_or_default();
            let mut add = |kind: &str, payload: Box<RawValue>, value: Option<&RawValue>| {
                let digest = fingerprint(&[told.name(), &account, kind, time, payload.get()]);
                let subject =
                    value.and_then(|value| serde_json::from_str::<MetaSubject>(value.get()).ok()).unwrap_or_default();
                let media = subject.media.and_then(|media| media.id).or(subject.media_id).or(subject.post_id);
                // A mention is in somebody else's post.
                let post = optional_id(media).filter(|_| !kind.starts_with("mention"));
                events.push(Event {
                    platform: told.name(),
                    account: Some(account.clone()),
                    provider: None,
                    consent: None,
                    kind: kind.to_owned(),
                    occurred_at: moment(entry.time),
                    digest,
                    post,
                    payload,
                });
            };
            for raw in entry.changes {
                let change: MetaChange = serde_json::from_str(raw.get())?;
                add(&change.field, raw.to_owned(), change.value);
            }
            for raw in entry.messaging {
                add("messaging", raw.to_owned(), None);
            }
            if let Some(field) = entry.field {
                let value = entry.value.map_or("null", RawValue::get);
                let payload = format!(r#"{{"field":{},"value":{value}}}"#, serde_json::to_string(&field)?);
                add(&field, RawValue::from_string(payload)?, entry.value);
            }
        }
    }
    Ok(events)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct XEvent<'a> {
    #[serde(borrow)]
    id_str: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    created_timestamp: Option<&'a RawValue>,
    created_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    in_reply_to_status_id_str: Option<&'a RawValue>,
    #[serde(borrow)]
    retweeted_status: Option<XPost<'a>>,
    #[serde(borrow)]
    quoted_status: Option<XPost<'a>>,
    #[serde(borrow)]
    favorited_status: Option<XPost<'a>>,
    #[serde(borrow)]
    status: Option<XPost<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct XPost<'a> {
    #[serde(borrow)]
    id_str: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl XPost<'_> {
    fn id(&self) -> Option<String> {
        optional_id(self.id_str).or_else(|| optional_id(self.id))
    }
}

#[derive(Deserialize)]
struct XRevocation<'a> {
    date_time: DateTime<Utc>,
    #[serde(borrow)]
    source: XSource<'a>,
}

#[derive(Deserialize)]
struct XSource<'a> {
    #[serde(borrow)]
    user_id: &'a RawValue,
}

fn x(json: &str) -> Result<Vec<Event>, Unreadable> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
    let mut events = Vec::new();
    let mut add = |account: String, kind: &str, occurred_at, own_id: Option<&str>, post, raw: &RawValue| {
        events.push(Event {
            platform: Platform::X.name(),
            // Users inside change from one delivery of it to the next; its id does not.
            digest: fingerprint(&["x", &account, kind, own_id.unwrap_or_else(|| raw.get())]),
            account: Some(account),
            provider: None,
            consent: None,
            kind: kind.to_owned(),
            occurred_at,
            post,
            payload: raw.to_owned(),
        });
    };
    if let Some(raw) = fields.get("user_event") {
        let told: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get())?;
        if let Some(raw) = told.get("revoke") {
            let revocation: XRevocation = serde_json::from_str(raw.get())?;
            let account = id(revocation.source.user_id).ok_or(Unreadable::Malformed)?;
            add(account, "user_event.revoke", Some(revocation.date_time), None, None, raw);
        }
    }
    let Some(account) = optional_id(fields.get("for_user_id").copied()) else {
        return Ok(events);
    };
    for (kind, raw) in fields.iter().filter(|(kind, _)| kind.ends_with("_events")) {
        for raw in serde_json::from_str::<Vec<&RawValue>>(raw.get())? {
            let event: XEvent = serde_json::from_str(raw.get())?;
            let written = |text: &str| DateTime::parse_from_str(text, "%a %b %d %H:%M:%S %z %Y").ok();
            let created = event.created_at.as_deref().and_then(written).map(|at| at.to_utc());
            let occurred_at = moment(event.timestamp_ms).or_else(|| moment(event.created_timestamp)).or(created);
            let own_id = optional_id(event.id_str).or_else(|| optional_id(event.id));
            let about = [&event.retweeted_status, &event.quoted_status, &event.favorited_status, &event.status];
            let post = optional_id(event.in_reply_to_status_id_str)
                .or_else(|| about.into_iter().flatten().find_map(XPost::id))
                .or_else(|| own_id.clone().filter(|_| kind == "tweet_create_events"));
            add(account.clone(), kind, occurred_at, own_id.as_deref(), post, raw);
        }
    }
    Ok(events)
}

#[derive(Deserialize)]
struct TiktokDelivery<'a> {
    event: Cow<'a, str>,
    #[serde(borrow)]
    create_time: Option<&'a RawValue>,
    #[serde(borrow)]
    user_openid: Option<&'a RawValue>,
    #[serde(default)]
    content: Cow<'a, str>,
}

#[derive(Deserialize)]
struct TiktokContent<'a> {
    #[serde(borrow)]
    post_id: Option<&'a RawValue>,
}

fn tiktok(json: &str) -> Result<Vec<Event>, Unreadable> {
    let delivery: TiktokDelivery = serde_json::from_str(json)?;
    let Some(account) = optional_id(delivery.user_openid) else {
        return Ok(Vec::new());
    };
    let time = delivery.create_time.map(RawValue::get).unwrap_or_default();
    let content: Option<TiktokContent> = serde_json::from_str(&delivery.content).ok();
    Ok(vec![Event {
        platform: Platform::Tiktok.name(),
        digest: fingerprint(&["tiktok", &account, &delivery.event, time, &delivery.content]),
        account: Some(account),
        provider: None,
        consent: None,
        kind: delivery.event.into_owned(),
        occurred_at: moment(delivery.create_time),
        post: content.and_then(|content| optional_id(content.post_id)),
        payload: serde_json::from_str(json)?,
    }])
}

#[derive(Deserialize)]
struct LinkedinDelivery<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    notifications: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinkedinNotification<'a> {
    #[serde(borrow)]
    notification_id: Option<&'a RawValue>,
    organizational_entity: Option<Cow<'a, str>>,
    action: Option<Cow<'a, str>>,
    #[serde(borrow)]
    last_modified_at: Option<&'a RawValue>,
    source_post: Option<Cow<'a, str>>,
}

fn linkedin(json: &str) -> Result<Vec<Event>, Unreadable> {
    let delivery: LinkedinDelivery = serde_json::from_str(json)?;
    let mut events = Vec::new();
    for raw in delivery.notifications {
        let told: LinkedinNotification = serde_json::from_str(raw.get())?;
        let entity = told.organizational_entity.as_deref();
        let Some(account) = entity.and_then(|urn| urn.strip_prefix("urn:li:organization:")) else {
            continue;
        };
        let kind = told.action.unwrap_or_else(|| delivery.kind.clone());
        let own_id = optional_id(told.notification_id);
        events.push(Event {
            platform: Platform::Linkedin.name(),
            account: Some(account.to_owned()),
            provider: None,
            consent: None,
            digest: fingerprint(&["linkedin", account, &kind, own_id.as_deref().unwrap_or_else(|| raw.get())]),
            kind: kind.into_owned(),
            occurred_at: moment(told.last_modified_at),
            post: told.source_post.filter(|urn| urn.len() <= LONGEST_ID).map(Cow::into_owned),
            payload: raw.to_owned(),
        });
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(platform: Platform, body: &str) -> Vec<Event> {
        events(platform, body.as_bytes()).expect("readable")
    }

    fn shape(event: &Event) -> (&str, Option<&str>, &str, Option<&str>, Option<i64>) {
        let time = event.occurred_at.map(|at| at.timestamp());
        (event.platform, event.account.as_deref(), &event.kind, event.post.as_deref(), time)
    }

    #[test]
    fn each_change_of_each_entry_is_an_event() {
        let body = r#"{"object":"instagram","entry":[
            {"id":"17841400000000001","time":1790000000,"changes":[
                {"field":"comments","value":{"id":"1","media":{"id":"18000000000000000009"},"text":"\u0000 9007199254740993"}},
                {"field":"mentions","value":{"media_id":"7","comment_id":"8"}}]},
            {"id":17841400000000002,"time":1790000001,"field":"story_insights","value":{"media_id":"9","exits":1}}]}"#;
        let events = read(Platform::Instagram, body);
        assert_eq!(
            events.iter().map(shape).collect::<Vec<_>>(),
            [
                ("instagram", Some("17841400000000001"), "comments", Some("18000000000000000009"), Some(1_790_000_000)),
                ("instagram", Some("17841400000000001"), "mentions", None, Some(1_790_000_000)),
                ("instagram", Some("17841400000000002"), "story_insights", Some("9"), Some(1_790_000_001)),
            ]
        );
        assert!(events[0].payload.get().contains(r#""text":"\ufffd 9007199254740993""#), "{}", events[0].payload);
        assert_eq!(read(Platform::Facebook, body).len(), 3);
        assert_eq!(read(Platform::Instagram, &format!("[{body}]"))[1].digest, events[1].digest);
        let mut digests: Vec<_> = events.iter().map(|event| &event.digest).collect();
        digests.dedup();
        assert_eq!(digests.len(), 3);
    }

    #[test]
    fn a_page_s_events_come_to_the_page_s_address() {
        let body = r#"{"object":"page","entry":[{"id":"42","time":1790000000123,"changes":[{"field":"feed","value":{"item":"comment","post_id":"42_7"}}],
            "messaging":[{"sender":{"id":"1"}}]}]}"#;
        let events = read(Platform::Facebook, body);
        assert_eq!(shape(&events[0]), ("facebook", Some("42"), "feed", Some("42_7"), Some(1_790_000_000)));
        assert_eq!(shape(&events[1]), ("facebook", Some("42"), "messaging", None, Some(1_790_000_000)));
        assert_eq!(super::events(Platform::Instagram, body.as_bytes()).expect_err("no"), Unreadable::Misplaced);
    }

    #[test]
    fn x_s_events_are_told_apart_by_their_ids() {
        let of = |name: &str| {
            let body = format!(
                r#"{{"for_user_id":"2244994945","tweet_create_events":[{{"id":1234567890123456789,"id_str":"1234567890123456789","created_at":"Thu Mar 01 01:11:33 +0000 2018",
                "timestamp_ms":"1519866693000","in_reply_to_status_id_str":"99","user":{{"name":"{name}"}}}}],
                "favorite_events":[{{"id":"abc","created_at":"Mon Mar 26 16:33:26 +0000 2018","favorited_status":{{"id_str":"77"}}}}],
                "follow_events":[{{"type":"follow","created_timestamp":"1519866693123"}}]}}"#
            );
            read(Platform::X, &body)
        };
        let (one, again) = (of("Ann"), of("Anna"));
        assert_eq!(
            one.iter().map(shape).collect::<Vec<_>>(),
            [
                ("x", Some("2244994945"), "favorite_events", Some("77"), Some(1_522_082_006)),
                ("x", Some("2244994945"), "follow_events", None, Some(1_519_866_693)),
                ("x", Some("2244994945"), "tweet_create_events", Some("99"), Some(1_519_866_693)),
            ]
        );
        assert_eq!(one[2].digest, again[2].digest);
        assert!(one[2].payload.get().contains("\"id\":1234567890123456789,"));
    }

    #[test]
    fn a_revocation_is_about_the_person_who_says_so() {
        let body = r#"{"user_event":{"revoke":{"date_time":"2026-05-24T09:48:12+00:00","target":{"app_id":"13090192"},"source":{"user_id":"63046977"}}}}"#;
        let events = read(Platform::X, body);
        assert_eq!(shape(&events[0]), ("x", Some("63046977"), "user_event.revoke", None, Some(1_779_616_092)));
        assert!(read(Platform::X, r#"{"replay_job_status":{"job_id":"1"}}"#).is_empty());
    }

    #[test]
    fn tiktok_s_content_is_a_text() {
        let body = r#"{"client_key":"k","event":"post.publish.publicly_available","create_time":1790000000,"user_openid":"act.1","content":"{\"post_id\":7300000000000000001,\"publish_id\":\"p\"}"}"#;
        let events = read(Platform::Tiktok, body);
        assert_eq!(
            shape(&events[0]),
            (
                "tiktok",
                Some("act.1"),
                "post.publish.publicly_available",
                Some("7300000000000000001"),
                Some(1_790_000_000)
            )
        );
        assert_eq!(events[0].payload.get(), body);
    }

    #[test]
    fn linkedin_s_notifications_are_of_organisations() {
        let body = r#"{"type":"ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS","notifications":[
            {"notificationId":5603453321,"organizationalEntity":"urn:li:organization:96072893","action":"COMMENT","sourcePost":"urn:li:activity:7","lastModifiedAt":1790000000310},
            {"notificationId":1,"organizationalEntity":"urn:li:person:x","action":"LIKE"}]}"#;
        let events = read(Platform::Linkedin, body);
        assert_eq!(events.len(), 1);
        assert_eq!(
            shape(&events[0]),
            ("linkedin", Some("96072893"), "COMMENT", Some("urn:li:activity:7"), Some(1_790_000_000))
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_whole() {
        let of = |platform, body: &str| events(platform, body.as_bytes()).expect_err("unreadable");
        for body in
            ["", "null", "[]x", "{", r#"{"object":"page"}"#, r#"{"object":"page","entry":[{"id":{},"changes":[]}]}"#]
        {
            assert_eq!(of(Platform::Facebook, body), Unreadable::Malformed, "{body}");
        }
        assert_eq!(events(Platform::Tiktok, b"{\"event\":\"\xff\"}").expect_err("no text"), Unreadable::Malformed);
        assert_eq!(of(Platform::X, &"[".repeat(100_000)), Unreadable::TooDeep);
        let many = format!(r#"{{"for_user_id":"1","a_events":[{}{{}}]}}"#, "{},".repeat(2000));
        assert_eq!(of(Platform::X, &many), Unreadable::TooMany);
    }

    #[test]
    fn a_signed_request_names_a_person() {
        let request =
            signed_request(br#"{"user_id":"218471","algorithm":"HMAC-SHA256","issued_at":1291836800,"expires":1}"#);
        let request = request.expect("readable");
        assert_eq!((request.user.as_str(), request.issued_at.timestamp()), ("218471", 1_291_836_800));
        let event = removal(Platform::Facebook, request);
        assert_eq!((event.provider, event.consent.as_deref()), (Some("facebook"), Some("218471")));
        for payload in [
            "{}",
            r#"{"user_id":"1","algorithm":"none","issued_at":1}"#,
            r#"{"user_id":"1","algorithm":"HMAC-SHA256"}"#,
            r#"{"user_id":"1","algorithm":"HMAC-SHA256","issued_at":1,"code":"c"}"#,
            r#"{"user_id":"1","algorithm":"HMAC-SHA256","issued_at":1,"oauth_token":"t","expires":0}"#,
        ] {
            assert!(signed_request(payload.as_bytes()).is_err(), "{payload}");
        }
    }
}
