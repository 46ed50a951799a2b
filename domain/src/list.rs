//! Lists of entries as JSON arrays from outside: read within bounds, refused as a whole, with the positions of what is wrong.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How many bad positions a refusal names.
const MAX_NAMED: usize = 5;
/// 2000-01-01 UTC in microseconds: no platform is older, and exports say 0 for "unknown".
pub const EARLIEST: i64 = 946_684_800_000_000;
/// 2200-01-01 UTC in microseconds: seconds given as milliseconds end up there.
const LATEST: i64 = 7_258_118_400_000_000;

/// Why a list is not taken. Nothing of it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub problem: String,
    pub hint: &'static str,
    /// The first entries that are wrong, counted from 1.
    pub positions: Vec<i32>,
}

impl Refusal {
    /// About no entry in particular.
    pub fn whole(problem: impl Into<String>, hint: &'static str) -> Self {
        Self { problem: problem.into(), hint, positions: Vec::new() }
    }
}

/// What is wrong with an entry.
pub trait Fault: fmt::Display {
    fn hint(&self) -> &'static str;
}

/// Asks every so often whether to go on.
pub struct Beat<'a> {
    check: &'a dyn Fn(),
    steps: Cell<u32>,
}

impl<'a> Beat<'a> {
    /// `check` may end the work by a panic.
    pub fn new(check: &'a dyn Fn()) -> Self {
        Self { check, steps: Cell::new(0) }
    }

    pub fn step(&self) {
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps.is_multiple_of(4_096) {
            (self.check)();
        }
    }
}

/// Why no entries could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    TooLong,
    NoList { line: usize, column: usize },
}

/// The entries of a JSON array, if there are at most `max`.
pub fn entries<'a>(list: &'a str, max: usize, beat: &Beat<'_>) -> Result<Vec<&'a RawValue>, Unread> {
    let mut is_too_long = false;
    let mut reader = serde_json::Deserializer::from_str(list);
    let visitor = Entries { max, is_too_long: &mut is_too_long, beat };
    let entries = reader.deserialize_seq(visitor).and_then(|entries| reader.end().map(|()| entries));
    if is_too_long {
        return Err(Unread::TooLong);
    }
    entries.map_err(|error| Unread::NoList { line: error.line(), column: error.column() })
}

struct Entries<'a> {
    max: usize,
    is_too_long: &'a mut bool,
    beat: &'a Beat<'a>,
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = array.next_element()? {
            self.beat.step();
            if entries.len() == self.max {
                *self.is_too_long = true;
                return Ok(entries);
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// All entries, or what is wrong with the first ones that are.
pub fn collect<T, F: Fault>(entries: impl Iterator<Item = Result<T, F>>, beat: &Beat<'_>) -> Result<Vec<T>, Refusal> {
    let mut collected = Vec::new();
    let mut refusal: Option<Refusal> = None;
    for (index, entry) in entries.enumerate() {
        beat.step();
        let position = i32::try_from(index + 1).unwrap_or(i32::MAX);
        match (entry, &mut refusal) {
            (Ok(entry), None) => collected.push(entry),
            (Ok(_), Some(_)) => {}
            (Err(fault), None) => {
                refusal = Some(Refusal {
                    problem: format!("entry {position}: {fault}"),
                    hint: fault.hint(),
                    positions: vec![position],
                });
            }
            (Err(_), Some(refusal)) => {
                refusal.positions.push(position);
                if refusal.positions.len() == MAX_NAMED {
                    break;
                }
            }
        }
    }
    refusal.map_or(Ok(collected), Err)
}

/// A number or a text, where platforms write the one or the other.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum Scalar<'a> {
    Number(i64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    /// Seconds of the Unix era, or a time as text, in microseconds; nothing when it is neither. A time before the platforms is
    /// unknown.
    pub fn moment(&self) -> Option<Option<i64>> {
        let micros = match self {
            Self::Number(seconds) => seconds.checked_mul(1_000_000)?,
            Self::Text(text) => instant(text)?,
        };
        (micros < LATEST).then(|| Some(micros).filter(|at| *at >= EARLIEST))
    }
}

/// RFC 3339, the same with an offset as Meta writes it (`+0000`), or a day, which begins at midnight UTC.
fn instant(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z"))
        .map(|at| at.timestamp_micros())
        .or_else(|_| text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros()))
        .ok()
}

/// A text as PostgreSQL can store it.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A JSON object that jsonb takes, of at most `max` bytes.
pub fn object(raw: &str, max: usize) -> Option<String> {
    // What jsonb would not take: this escape, half a surrogate pair, a number out of range. The last two do not parse either.
    let is_json = || serde_json::from_str::<serde_json::Value>(raw).is_ok() && !has_large_exponent(raw);
    (raw.len() <= max && raw.starts_with('{') && !raw.contains("\\u0000") && is_json()).then(|| raw.to_owned())
}

/// Whether a number of a JSON text has an exponent beyond those of a double: numeric takes not much more, and refuses small ones too.
fn has_large_exponent(json: &str) -> bool {
    let (mut is_text, mut is_escaped, mut before) = (false, false, b' ');
    for (index, byte) in json.bytes().enumerate() {
        if is_text {
            is_text = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
        } else if byte == b'"' {
            is_text = true;
        } else if matches!(byte, b'e' | b'E') && before.is_ascii_digit() {
            let exponent = json[index + 1..].trim_start_matches(['+', '-']).trim_start_matches('0');
            if exponent.bytes().take_while(u8::is_ascii_digit).count() > 3 {
                return true;
            }
        }
        before = byte;
    }
    false
}
