//! Instagram as Decodo delivers it, or as it was saved from elsewhere, brought into one form.
//!
//! Taken are Decodo's envelopes (`results[0].content`, the older `data.content`; content as object or as JSON text) and
//! what they wrap, also bare: accounts (`data.user`, `graphql.user`, `entry_data.ProfilePage`), pages of posts
//! (`edge_owner_to_timeline_media`, `xdt_api__v1__feed__user_timeline_graphql_connection`), single posts
//! (`shortcode_media`), pages of comments and pages of hashtags.
//!
//! Comments leave this module as scores only: neither their words nor their authors are kept.

mod capture;
mod lenient;
mod normalize;
mod refusal;
mod shapes;
mod values;

pub use capture::{
    BioLink, Capture, Coauthor, Comment, Kind, MediaType, MentionContext, MentionType, Page, Post, Profile, Related,
    SidecarChild, TaggedUser,
};
use lenient::{Raw, Slot, Text, from_json};
pub use refusal::{Refusal, RefusalCode};
use shapes::{EntryData, Hashtag, Layer, Media, Posts, User};

use crate::digest::sha256_hex;
use crate::username::normalize_username;

/// A profile with 12 posts is about 0.3 MB; Decodo's largest pages stay under 10.
pub const MAX_PAYLOAD_BYTES: usize = 32 * 1024 * 1024;

/// Reads a payload; see the module for what is one. Whatever the payload does not say is `None`.
pub fn parse(payload: &str) -> Result<Capture, Refusal> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(Refusal::invalid("the payload is larger than 32 mib", "send one page of posts at a time"));
    }
    let capture = understand(payload, None).map_err(|failure| match failure {
        Failure::Refused(refusal) => refusal,
        Failure::NotJson(error) => Refusal::invalid(
            format!("the payload cannot be read as json (line {}, column {})", error.line(), error.column()),
            ACCEPTED,
        ),
    })?;
    Ok(Capture { digest: sha256_hex(payload.as_bytes()), ..capture })
}

const ACCEPTED: &str = "send a Decodo answer, or the Instagram object inside it: a profile, a page of posts, a post, \
                        comments or a hashtag";

fn not_a_shape(message: &str) -> Refusal {
    Refusal::invalid(message, ACCEPTED)
}

enum Failure {
    NotJson(serde_json::Error),
    Refused(Refusal),
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::NotJson(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What was asked for, as far as an envelope tells; it fills in what its content leaves out.
#[derive(Default)]
struct Subject {
    username: Option<String>,
    shortcode: Option<String>,
}

impl Subject {
    fn of(query: Text) -> Self {
        let Some(query) = query else { return Self::default() };
        let query = query.trim();
        let post = ["/p/", "/reel/", "/reels/", "/tv/"].iter().find_map(|part| query.split_once(part));
        let shortcode = post.and_then(|(_, rest)| rest.split(['/', '?', '#']).next()).unwrap_or(query);
        Self { username: normalize_username(query).ok(), shortcode: values::id(lenient::Id(Some(shortcode.into()))) }
    }
}

/// Tries again with replacement characters when surrogate escapes without their partner, as cut captions have them,
/// make the text unreadable.
fn understand(json: &str, envelope: Option<Text>) -> Result<Capture, Failure> {
    match read(json, envelope.clone()) {
        Err(Failure::NotJson(error)) => match replace_lone_surrogates(json) {
            Some(repaired) => read(&repaired, envelope),
            None => Err(Failure::NotJson(error)),
        },
        other => other,
    }
}

/// `envelope`: the query of the envelope around this, when there is one.
fn read(json: &str, envelope: Option<Text>) -> Result<Capture, Failure> {
    let layer: Layer = from_json(json)?;
    check(&layer.status, [layer.status_code, layer.parse_status_code], &layer.message)?;
    if layer.require_login == Some(true) || layer.checkpoint_url.is_some() {
        return Err(Refusal::external("instagram asks for a login", layer.message.as_deref()).into());
    }
    if envelope.is_none() {
        if let Some(answers) = layer.results.0 {
            let Some(answer) = answers.into_iter().next() else {
                return Err(Refusal::not_found("the answer has no results").into());
            };
            check(&answer.status, [answer.status_code, None], &answer.message)?;
            return content(answer.content, answer.query);
        }
        if let Slot::Given(data) = &layer.data
            && data.content.is_some()
        {
            check(&data.status, [data.status_code, data.parse_status_code], &data.message)?;
            return content(data.content, layer.query);
        }
    }
    let is_post = layer.shortcode.is_some() || layer.code.is_some();
    let only_status = envelope.is_some() && layer.status.is_some() && matches!(layer.data, Slot::Absent);
    let subject = envelope.map(Subject::of).unwrap_or_default();
    let shape = if is_post { Slot::Absent } else { shape(layer) };
    Ok(match shape {
        Slot::Given(Shape::User(user)) => normalize::user(*user, subject)?,
        Slot::Given(Shape::Media(media)) => normalize::media(*media, subject)?,
        Slot::Given(Shape::Posts(posts)) => normalize::timeline(*posts, Profile::default(), subject)?,
        Slot::Given(Shape::Hashtag(tag)) => normalize::hashtag(*tag)?,
        Slot::Nothing => return Err(Refusal::not_found("the answer is empty").into()),
        Slot::Absent => match bare(json)? {
            Some(Shape::Media(media)) => normalize::media(*media, subject)?,
            Some(Shape::User(user)) => normalize::user(*user, subject)?,
            _ if only_status => return Err(Refusal::not_found("the answer is empty").into()),
            _ => return Err(not_a_shape("the payload is none of the known shapes").into()),
        },
    })
}

/// What an envelope wraps.
fn content(content: Raw, query: Text) -> Result<Capture, Failure> {
    let empty = || Failure::Refused(Refusal::not_found("the content of the answer is empty"));
    let json = content.ok_or_else(empty)?.get();
    let inside = || json[1..json.len() - 1].trim();
    match json.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(json)?;
            if matches!(text.trim(), "" | "null" | "{}" | "[]") {
                return Err(empty());
            }
            understand(&text, Some(query)).map_err(|failure| match failure {
                Failure::NotJson(_) => not_a_shape("the content of the answer is text that is not json").into(),
                refused => refused,
            })
        }
        Some(b'{') if !inside().is_empty() => understand(json, Some(query)),
        Some(b'[') if !inside().is_empty() => Err(not_a_shape("the content of the answer is a list").into()),
        Some(b'{' | b'[' | b'n') | None => Err(empty()),
        _ => Err(not_a_shape("the content of the answer is no object").into()),
    }
}

enum Shape<'a> {
    User(Box<User<'a>>),
    Media(Box<Media<'a>>),
    Posts(Box<Posts<'a>>),
    Hashtag(Box<Hashtag<'a>>),
}

/// The object that matters, however it is wrapped; `Nothing` when its place is there but empty.
fn shape(layer: Layer) -> Slot<Shape> {
    layer
        .user
        .map(Shape::User)
        .or(layer.shortcode_media.map(Shape::Media))
        .or(layer.xdt_shortcode_media.map(Shape::Media))
        .or(layer.xdt_timeline.map(Shape::Posts))
        .or(layer.hashtag.map(Shape::Hashtag))
        .or(layer.data.and_then(|data| shape(*data)))
        .or(layer.graphql.and_then(|graphql| shape(*graphql)))
        .or(layer.entry_data.and_then(|entry| page(*entry)))
}

fn page(entry: EntryData) -> Slot<Shape> {
    entry.profile_page.first().or(entry.post_page.first()).map_or(Slot::Absent, shape)
}

/// A post, its comments or an account without any wrapping.
fn bare(json: &str) -> Result<Option<Shape<'_>>, serde_json::Error> {
    let media: Box<Media> = Box::new(from_json(json)?);
    let has_id = media.id.0.is_some() || media.pk.0.is_some();
    let has_code = media.shortcode.0.is_some() || media.code.0.is_some();
    if has_id && has_code || media.comments.edges.0.is_some() || media.parent_comments.edges.0.is_some() {
        return Ok(Some(Shape::Media(media)));
    }
    let user: Box<User> = Box::new(from_json(json)?);
    let named = user.id.0.is_some() || user.pk.0.is_some() || user.username.is_some();
    let described = user.edge_followed_by.count.is_some()
        || user.follower_count.is_some()
        || user.biography.is_some()
        || user.timeline.edges.0.is_some()
        || user.username.is_some() && (user.full_name.is_some() || user.is_private.is_some());
    Ok((named && described).then_some(Shape::User(user)))
}

/// Refuses what the remotes say instead of an answer. Codes: the HTTP status they got, Decodo's 612 and 613 (gave up),
/// and those of its parser (12000 good, 12003 no parser for this target).
fn check<const CODES: usize>(status: &Text, codes: [Option<i64>; CODES], message: &Text) -> Result<(), Refusal> {
    let said = message.as_deref();
    for code in codes.into_iter().flatten() {
        match code {
            200 | 12_000 => {}
            404 => return Err(Refusal::not_found("instagram has no such page")),
            12_003 => {
                return Err(Refusal::external("decodo reports error 12003", said)
                    .for_good("this target cannot be parsed; ask for another one"));
            }
            code => return Err(Refusal::external(format!("decodo reports error {code}"), said)),
        }
    }
    match status.as_deref() {
        Some("fail") => return Err(Refusal::external("instagram reports an error", said)),
        Some("failed" | "faulted") => return Err(Refusal::external("decodo reports an error", said)),
        Some("pending") => return Err(Refusal::external("the task is not finished", None)),
        _ => {}
    }
    match said {
        Some("checkpoint_required" | "challenge_required" | "login_required" | "feedback_required") => {
            Err(Refusal::external("instagram reports an error", said))
        }
        _ => Ok(()),
    }
}

/// Surrogate escapes without their partner become U+FFFD; `None` when there are none.
fn replace_lone_surrogates(json: &str) -> Option<String> {
    let escape = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = json[at..].find('\\') {
        at += found;
        let (high, low) = (0xD800..0xDC00, 0xDC00..0xE000);
        at += match escape(at) {
            Some(unit) if high.contains(&unit) && escape(at + 6).is_some_and(|next| low.contains(&next)) => 12,
            Some(unit) if high.contains(&unit) || low.contains(&unit) => {
                repaired.push_str(&json[copied..at]);
                repaired.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            Some(_) => 6,
            // past the escaped character, which is one byte in JSON but may be anything here
            None => 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    (copied > 0).then(|| repaired + &json[copied..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_left() {
        let repaired = |json: &str| replace_lone_surrogates(json);
        assert_eq!(repaired(r#""\ud83d\ude00""#), None);
        assert_eq!(repaired(r#""\\ud83d""#), None, "an escaped backslash");
        assert_eq!(repaired(r#""\ud83d!""#).as_deref(), Some(r#""\ufffd!""#));
        assert_eq!(repaired(r#""\ude00\ud83d""#).as_deref(), Some(r#""\ufffd\ufffd""#));
        assert_eq!(repaired(r"\"), None);
        assert_eq!(repaired(r"\ü\u00"), None);
    }
}
