//! Values as they are stored: bounded, without NUL characters (PostgreSQL's text cannot hold them), and `None` where a
//! value cannot be what it claims to be.

use chrono::{DateTime, SecondsFormat};

use super::lenient::{Id, Number, Text};

pub(super) const CAPTION: usize = 10_000;
pub(super) const BIOGRAPHY: usize = 5_000;
pub(super) const URL: usize = 4_000;
pub(super) const NAME: usize = 500;
const ID: usize = 100;
/// Instagram's own limit.
const USERNAME: usize = 30;

/// 2010-01-01 to 2100-12-31, unix seconds: Instagram opened in October 2010.
const TIMES: std::ops::Range<i64> = 1_262_304_000..4_133_980_800;

/// The first `limit` characters.
pub(super) fn text(value: Text, limit: usize) -> Option<String> {
    let value = value?;
    if value.len() <= limit && !value.contains('\0') {
        return Some(value.into_owned());
    }
    Some(value.chars().filter(|&c| c != '\0').take(limit).collect())
}

/// Trimmed; nothing is `None`.
pub(super) fn name(value: Text, limit: usize) -> Option<String> {
    let kept = text(value, limit)?;
    let trimmed = kept.trim();
    match trimmed.len() {
        0 => None,
        same if same == kept.len() => Some(kept),
        _ => Some(trimmed.to_owned()),
    }
}

/// Web addresses only: whatever shows them as links or images must not be handed a script.
pub(super) fn url(value: Text) -> Option<String> {
    name(value, URL).filter(|url| {
        let scheme = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        scheme("https://") || scheme("http://")
    })
}

pub(super) fn username(value: Text) -> Option<String> {
    let name = value?.trim().to_ascii_lowercase();
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'.';
    (!name.is_empty() && name.len() <= USERNAME && name.bytes().all(plain)).then_some(name)
}

pub(super) fn id(value: Id) -> Option<String> {
    let id = value.0?;
    let id = id.trim();
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    (!id.is_empty() && id.len() <= ID && id.bytes().all(plain)).then(|| id.to_owned())
}

/// `pk` where there is one; an `id` may be written `pk_owner`.
pub(super) fn media_id(pk: Id, id_or_both: Id) -> Option<String> {
    let mut id = id(pk).or_else(|| id(id_or_both))?;
    if let Some((pk, _owner)) = id.split_once('_') {
        id.truncate(pk.len());
    }
    Some(id).filter(|id| !id.is_empty())
}

/// Counts are never negative; a negative one means hidden.
pub(super) fn count(value: Number) -> Option<i64> {
    value.filter(|&count| count >= 0)
}

pub(super) fn time(seconds: Number) -> Option<i64> {
    seconds.filter(|seconds| TIMES.contains(seconds))
}

pub(super) fn rfc3339(seconds: i64) -> Option<String> {
    DateTime::from_timestamp(seconds, 0).map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters_and_nul_is_dropped() {
        assert_eq!(text(Some("a\0🌊🌊🌊".into()), 3).as_deref(), Some("a🌊🌊"));
        assert_eq!(text(Some("🌊🌊".into()), 2).as_deref(), Some("🌊🌊"));
    }

    #[test]
    fn only_web_addresses_are_addresses() {
        assert_eq!(url(Some(" https://example.org/a ".into())).as_deref(), Some("https://example.org/a"));
        for other in ["", "    ", "javascript:alert(1)", "data:text/html,x", "http", "ⓗttps://example.org"] {
            assert_eq!(url(Some(other.into())), None, "{other}");
        }
    }

    #[test]
    fn usernames_are_lower_case_or_nothing() {
        assert_eq!(username(Some("Some.One_1".into())).as_deref(), Some("some.one_1"));
        for other in ["", "two words", "naïve", "a'; drop table x", &"a".repeat(31)] {
            assert_eq!(username(Some(other.into())), None, "{other}");
        }
    }

    #[test]
    fn a_media_id_loses_its_owner() {
        let id = |id: &'static str| Id(Some(id.into()));
        assert_eq!(media_id(Id(None), id("123_45")).as_deref(), Some("123"));
        assert_eq!(media_id(id("7"), id("123_45")).as_deref(), Some("7"));
        assert_eq!(media_id(Id(None), id("_45")), None);
    }

    #[test]
    fn times_outside_2010_to_2100_are_no_times() {
        let bounds = [(1_262_303_999, false), (1_262_304_000, true), (4_133_980_799, true), (4_133_980_800, false)];
        for (seconds, inside) in bounds {
            assert_eq!(time(Some(seconds)).is_some(), inside, "{seconds}");
        }
        assert_eq!(rfc3339(1_262_304_000).as_deref(), Some("2010-01-01T00:00:00Z"));
        assert_eq!(rfc3339(4_133_980_799).as_deref(), Some("2100-12-31T23:59:59Z"));
    }
}
