//! Captures of metrics and of posts as they come from anywhere, brought into columns.
//!
//! A capture says what a platform answered at a moment about a day or a moment. What it did not answer stays unknown.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::list::{self, Beat, EARLIEST, Fault, Refusal, Scalar, Unread, visible};
use crate::text::extract_hashtags;
use crate::username::shown;

/// Longest text of a list, in bytes.
pub const MAX_LIST_BYTES: usize = 128 * 1024 * 1024;
/// What a value may be: no platform counts further, and sums of many fit 64 bits.
pub const COUNTS: std::ops::RangeInclusive<i64> = 0..=1_000_000_000_000_000;
/// Most captures, or posts, in one list.
pub const MAX_ENTRIES: usize = 1_000_000;
const MAX_ID: usize = 255;
const MAX_ADDRESS: usize = 2_000;
const MAX_CAPTION: usize = 20_000;
const MAX_EXTRA: usize = 65_536;

/// A value of a metric as it was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    pub metric: String,
    /// When a level held, or where the day begins that was counted; microseconds of the Unix era.
    pub measured_at: i64,
    /// When the platform said so; the whole list's moment if not given.
    pub captured_at: Option<i64>,
    /// Unknown when the platform did not answer.
    pub value: Option<i64>,
    /// Why it is unknown.
    pub reason: Option<String>,
}

/// A post as it was captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Post {
    pub id: String,
    pub url: Option<String>,
    pub caption: Option<String>,
    /// photo, video, carousel, reel, story, text or link.
    pub media_type: Option<String>,
    /// Microseconds of the Unix era.
    pub posted_at: i64,
    pub captured_at: Option<i64>,
    pub hashtags: Option<Vec<String>>,
    pub counts: Counts,
    /// A JSON object, as text.
    pub extra_data: Option<String>,
}

/// What is counted of a post; a hidden count (-1) is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub likes: Option<i64>,
    pub comments: Option<i64>,
    pub shares: Option<i64>,
    pub saves: Option<i64>,
    pub reach: Option<i64>,
    pub views: Option<i64>,
}

/// Reads a JSON array of `{metric, measured_at, value, captured_at, reason}`. `check` is called again and again, and may end it
/// by a panic.
pub fn read_captures(list: &str, check: impl Fn()) -> Result<Vec<Capture>, Refusal> {
    read(list, CAPTURE_FORM, read_capture, &Beat::new(&check))
}

/// Reads a JSON array of posts, each once: what comes later in the list counts.
pub fn read_posts(list: &str, check: impl Fn()) -> Result<Vec<Post>, Refusal> {
    read(list, POST_FORM, read_post, &Beat::new(&check))
}

fn read<T>(
    list: &str,
    form: &'static str,
    entry: fn(&str) -> Result<T, Problem>,
    beat: &Beat<'_>,
) -> Result<Vec<T>, Refusal> {
    if list.len() > MAX_LIST_BYTES {
        return Err(Refusal::whole("the list is larger than 128 MiB", "send it in parts"));
    }
    let entries = list::entries(list, MAX_ENTRIES, beat).map_err(|error| match error {
        Unread::TooLong => Refusal::whole("the list has more than a million entries", "send it in parts"),
        Unread::NoList { line, column } => {
            Refusal::whole(format!("the list cannot be read as a JSON array (line {line}, column {column})"), form)
        }
    })?;
    list::collect(entries.into_iter().map(|raw| entry(raw.get())), beat)
}

const CAPTURE_FORM: &str =
    "give a JSON array of objects with metric, measured_at, value, and where known captured_at, reason";
const POST_FORM: &str = "give a JSON array of objects with id, posted_at, and where known url, caption, media_type, hashtags, likes, \
                         comments, shares, saves, reach, views, captured_at, extra_data";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Form(String, &'static str),
    Field(&'static str, &'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(input, _) => write!(f, "not an object that can be read: {input}"),
            Self::Field(field, _) => write!(f, "{field} is not valid"),
        }
    }
}

impl Fault for Problem {
    fn hint(&self) -> &'static str {
        match self {
            Self::Form(_, hint) | Self::Field(_, hint) => hint,
        }
    }
}

/// A count as platforms write it: a whole number, as such, with a zero fraction or as text.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Whole(i64),
    Fraction(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Number<'_> {
    fn whole(&self) -> Option<i64> {
        match self {
            Self::Whole(number) => Some(*number),
            // Beyond this a double has no fraction to judge by.
            Self::Fraction(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
                Some(*number as i64)
            }
            Self::Fraction(_) => None,
            Self::Text(text) => text.parse().ok(),
        }
    }
}

#[derive(serde::Deserialize)]
struct CaptureEntry<'a> {
    #[serde(borrow)]
    metric: Cow<'a, str>,
    #[serde(borrow)]
    measured_at: Scalar<'a>,
    #[serde(borrow, default)]
    captured_at: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    value: Option<Number<'a>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

fn read_capture(raw: &str) -> Result<Capture, Problem> {
    let entry: CaptureEntry<'_> = serde_json::from_str(raw).map_err(|_| Problem::Form(shown(raw), CAPTURE_FORM))?;
    let value = entry.value.map(|value| {
        value.whole().ok_or(Problem::Field("value", "give a whole number, durations in milliseconds; null for unknown"))
    });
    Ok(Capture {
        metric: metric_name(&entry.metric)?,
        measured_at: moment("measured_at", Some(entry.measured_at))?.ok_or(Problem::Field("measured_at", A_TIME))?,
        captured_at: moment("captured_at", entry.captured_at)?,
        value: value.transpose()?,
        reason: entry.reason.map(|reason| visible(&reason).chars().take(MAX_ID).collect()),
    })
}

const A_TIME: &str = "give seconds since 1970, or a time such as 2026-05-03T10:00:00Z";

fn moment(field: &'static str, value: Option<Scalar<'_>>) -> Result<Option<i64>, Problem> {
    let Some(value) = value else { return Ok(None) };
    match value.moment() {
        Some(Some(at)) => Ok(Some(at)),
        _ => Err(Problem::Field(field, A_TIME)),
    }
}

fn metric_name(name: &str) -> Result<String, Problem> {
    let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    if name.is_empty() || name.len() > 40 || !name.bytes().all(is_name) {
        return Err(Problem::Field("metric", "analytics.metric_registry lists the metrics"));
    }
    Ok(name.to_owned())
}

#[derive(serde::Deserialize)]
struct PostEntry<'a> {
    #[serde(borrow, alias = "platform_post_id")]
    id: Scalar<'a>,
    #[serde(borrow, default, alias = "post_url", alias = "permalink")]
    url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    caption: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    media_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    media_product_type: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "timestamp")]
    posted_at: Scalar<'a>,
    #[serde(borrow, default)]
    captured_at: Option<Scalar<'a>>,
    #[serde(default)]
    hashtags: Option<Vec<String>>,
    #[serde(borrow, default, alias = "likes_count", alias = "like_count")]
    likes: Option<Number<'a>>,
    #[serde(borrow, default, alias = "comments_count")]
    comments: Option<Number<'a>>,
    #[serde(borrow, default, alias = "shares_count")]
    shares: Option<Number<'a>>,
    #[serde(borrow, default, alias = "saves_count", alias = "saved")]
    saves: Option<Number<'a>>,
    #[serde(borrow, default)]
    reach: Option<Number<'a>>,
    #[serde(borrow, default)]
    views: Option<Number<'a>>,
    #[serde(borrow, default)]
    extra_data: Option<&'a RawValue>,
}

fn read_post(raw: &str) -> Result<Post, Problem> {
    let entry: PostEntry<'_> = serde_json::from_str(raw).map_err(|_| Problem::Form(shown(raw), POST_FORM))?;
    let id = match entry.id {
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => text.trim().to_owned(),
    };
    if id.is_empty() || id.chars().nth(MAX_ID).is_some() || id.chars().any(char::is_control) {
        return Err(Problem::Field("id", "give the platform's id of the post, of 1 to 255 characters"));
    }
    if entry.url.as_ref().is_some_and(|url| !is_address(url)) {
        return Err(Problem::Field("url", "give a https address of at most 2000 characters"));
    }
    let caption: Option<String> = entry.caption.map(|text| visible(&text).chars().take(MAX_CAPTION).collect());
    let hashtags = match entry.hashtags {
        Some(tags) => Some(tags.iter().map(|tag| hashtag(tag)).collect::<Result<_, _>>()?),
        None => caption.as_deref().map(extract_hashtags),
    };
    let extra_data = entry.extra_data.map(|raw| {
        list::object(raw.get(), MAX_EXTRA).ok_or(Problem::Field("extra_data", "give a JSON object of at most 64 kB"))
    });
    Ok(Post {
        id,
        url: entry.url.map(Cow::into_owned),
        caption,
        media_type: media_type(entry.media_type.as_deref(), entry.media_product_type.as_deref())?,
        posted_at: moment("posted_at", Some(entry.posted_at))?
            .filter(|at| *at >= EARLIEST)
            .ok_or(Problem::Field("posted_at", A_TIME))?,
        captured_at: moment("captured_at", entry.captured_at)?,
        hashtags,
        counts: Counts {
            likes: count("likes", entry.likes)?,
            comments: count("comments", entry.comments)?,
            shares: count("shares", entry.shares)?,
            saves: count("saves", entry.saves)?,
            reach: count("reach", entry.reach)?,
            views: count("views", entry.views)?,
        },
        extra_data: extra_data.transpose()?,
    })
}

fn is_address(url: &str) -> bool {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    is_web && url.chars().count() <= MAX_ADDRESS && !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn hashtag(tag: &str) -> Result<String, Problem> {
    let name = tag.trim().trim_start_matches('#');
    match extract_hashtags(&format!("#{name}")).pop() {
        Some(read) if read.chars().count() == name.chars().count() => Ok(read),
        _ => Err(Problem::Field("hashtags", "give a list of tags without white space, with or without #")),
    }
}

fn count(field: &'static str, number: Option<Number<'_>>) -> Result<Option<i64>, Problem> {
    let Some(number) = number else { return Ok(None) };
    let whole = number.whole().ok_or(Problem::Field(field, "give a whole number, or null for unknown"))?;
    if whole > *COUNTS.end() {
        return Err(Problem::Field(field, "give at most 10^15"));
    }
    Ok(Some(whole).filter(|count| *count >= 0))
}

/// The kind of a post from the words of this product, of Meta's API or of Instagram's pages.
fn media_type(kind: Option<&str>, product: Option<&str>) -> Result<Option<String>, Problem> {
    let kind = match (product.map(str::to_ascii_lowercase).as_deref(), kind.map(str::to_ascii_lowercase).as_deref()) {
        (Some("reels" | "clips"), _) => "reel",
        (Some("story"), _) => "story",
        (_, None) => return Ok(None),
        (_, Some("photo" | "image" | "graphimage")) => "photo",
        (_, Some("video" | "graphvideo")) => "video",
        (_, Some("carousel" | "carousel_album" | "graphsidecar" | "album")) => "carousel",
        (_, Some("reel" | "reels" | "clips")) => "reel",
        (_, Some("story")) => "story",
        (_, Some("text")) => "text",
        (_, Some("link")) => "link",
        _ => return Err(Problem::Field("media_type", "it is photo, video, carousel, reel, story, text or link")),
    };
    Ok(Some(kind.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(list: &str) -> Result<Vec<Capture>, Refusal> {
        read_captures(list, || ())
    }

    fn posts(list: &str) -> Result<Vec<Post>, Refusal> {
        read_posts(list, || ())
    }

    #[test]
    fn a_capture_keeps_what_was_said_and_when() {
        let list = r#"[{"metric": "reach", "measured_at": "2026-05-03", "captured_at": "2026-05-04T08:00:00+0000", "value": "12"},
                       {"metric": "reach", "measured_at": 1777766400, "value": null, "reason": "delayed"}]"#;
        let read = captures(list).unwrap();
        assert_eq!(read[0].value, Some(12));
        assert_eq!(read[0].measured_at, read[1].measured_at);
        assert_eq!(read[0].captured_at, Some(1_777_881_600_000_000));
        assert_eq!((read[1].value, read[1].reason.as_deref()), (None, Some("delayed")));
    }

    #[test]
    fn what_is_no_whole_number_is_refused_with_its_position() {
        for value in ["1.5", "\"many\"", "1e300", "true", "[]", "9223372036854775808", "\"NaN\""] {
            let list = format!(
                r#"[{{"metric": "reach", "measured_at": "2026-05-03", "value": 1}}, {{"metric": "reach", "measured_at": "2026-05-03", "value": {value}}}]"#
            );
            let refusal = captures(&list).unwrap_err();
            assert_eq!(refusal.positions, [2], "{value}: {}", refusal.problem);
        }
        assert_eq!(
            captures(r#"[{"metric": "reach", "measured_at": 1777766400, "value": 3.0}]"#).unwrap()[0].value,
            Some(3)
        );
    }

    #[test]
    fn a_capture_without_a_time_or_with_a_strange_name_is_refused() {
        for entry in [
            r#"{"metric": "reach", "value": 1}"#,
            r#"{"metric": "reach", "measured_at": "yesterday", "value": 1}"#,
            r#"{"metric": "reach", "measured_at": 0, "value": 1}"#,
            r#"{"metric": "Reach; drop", "measured_at": 1777766400, "value": 1}"#,
            r#"{"metric": "", "measured_at": 1777766400, "value": 1}"#,
            "7",
            "null",
        ] {
            assert_eq!(captures(&format!("[{entry}]")).unwrap_err().positions, [1], "{entry}");
        }
        assert!(captures("{}").is_err());
    }

    #[test]
    fn a_post_is_read_in_the_words_of_each_source() {
        let read = posts(
            r##"[{"id": 7, "timestamp": "2026-05-03T10:00:00+0000", "media_type": "VIDEO", "media_product_type": "REELS",
                  "permalink": "https://example.org/p/7", "caption": "sea #Light", "like_count": 4, "comments_count": -1, "saved": 2},
                 {"id": "8", "posted_at": 1777766400, "media_type": "CAROUSEL_ALBUM", "hashtags": ["#a", "b"]}]"##,
        )
        .unwrap();
        assert_eq!(read[0].id, "7");
        assert_eq!(read[0].media_type.as_deref(), Some("reel"));
        assert_eq!(read[0].hashtags.as_deref(), Some(&["light".to_owned()][..]));
        // A hidden count is unknown, and what was not said too.
        assert_eq!(read[0].counts, Counts { likes: Some(4), saves: Some(2), ..Counts::default() });
        assert_eq!(read[1].media_type.as_deref(), Some("carousel"));
        assert_eq!(read[1].hashtags, Some(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_post_that_cannot_be_shown_safely_is_refused() {
        for field in [
            r#""url": "javascript:alert(1)""#,
            r#""url": "https://example.org/a b""#,
            r#""media_type": "painting""#,
            r#""hashtags": ["two words"]"#,
            r#""likes": 1.5"#,
            r#""likes": 1000000000000001"#,
            r#""extra_data": []"#,
            r#""captured_at": "soon""#,
        ] {
            let list = format!(r#"[{{"id": "8", "posted_at": 1777766400, {field}}}]"#);
            assert_eq!(posts(&list).unwrap_err().positions, [1], "{field}");
        }
    }
}
