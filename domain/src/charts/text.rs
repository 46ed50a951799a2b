//! Words, numbers and times as pictures say them.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use maud::Render;
use serde::{Deserialize, Deserializer};
use unicode_segmentation::UnicodeSegmentation;

/// A text from outside: a name, a handle, a caption. Without the characters that XML forbids or that would change the order
/// of the text around it; whatever else it holds is escaped where it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(String);

impl Text {
    /// The text without what cannot be shown.
    pub fn new(text: &str) -> Self {
        Self(text.chars().filter(|&c| is_shown(c)).collect())
    }

    /// As it is written before escaping.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Nothing to see.
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Null is an empty text: SQL has one word for "nothing to say".
        Ok(Self::new(&Option::<Cow<str>>::deserialize(deserializer)?.unwrap_or_default()))
    }
}

impl Render for Text {
    fn render_to(&self, buffer: &mut String) {
        self.0.as_str().render_to(buffer);
    }
}

/// XML's `Char` without the control characters that only look like nothing, and without the marks that turn the direction of
/// text that follows them.
fn is_shown(c: char) -> bool {
    match c {
        '\t' | '\n' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => false,
        other => !other.is_control(),
    }
}

/// Seconds since 1970 on the clock of the viewer's time zone, as if that clock were UTC: whoever asks has applied the zone.
pub type LocalSeconds = i64;

/// None for what no calendar reaches.
pub fn clock(seconds: LocalSeconds) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds, 0).map(|moment| moment.naive_utc())
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Mar`
pub fn month(moment: NaiveDateTime) -> &'static str {
    MONTHS[moment.month0() as usize]
}

/// `3 Mar 2026`
pub fn date(seconds: LocalSeconds) -> String {
    clock(seconds).map_or_else(String::new, |m| format!("{} {} {}", m.day(), month(m), m.year()))
}

/// `3 Mar 2026 14:05`
pub fn date_and_time(seconds: LocalSeconds) -> String {
    clock(seconds).map_or_else(String::new, |m| format!("{} {:02}:{:02}", date(seconds), m.hour(), m.minute()))
}

/// What a number counts, and so how it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Unit {
    /// `4.2%`; the number is 4.2.
    Percent,
    /// Whole things, and what they are called.
    Count(Text),
}

impl Default for Unit {
    fn default() -> Self {
        Self::Count(Text::default())
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Text::deserialize(deserializer)?;
        Ok(if name.as_str() == "percent" { Self::Percent } else { Self::Count(name) })
    }
}

impl Unit {
    /// In words, for an axis.
    pub fn name(&self) -> &str {
        match self {
            Self::Percent => "percent",
            Self::Count(name) => name.as_str(),
        }
    }

    /// A value in full: `12,431`, `4.25%`.
    pub fn value(&self, value: f64) -> String {
        match self {
            Self::Percent => format!("{}%", decimals(value)),
            Self::Count(_) => whole(value),
        }
    }

    /// A change in full: `+120`, `−4.25%`.
    pub fn change(&self, value: f64) -> String {
        let sign = if value > 0.0 { "+" } else { "" };
        format!("{sign}{}", self.value(value))
    }

    /// A value beside an axis whose lines are `step` apart.
    pub fn tick(&self, value: f64, step: f64) -> String {
        match self {
            Self::Percent => format!("{}%", rounded(value, places(step))),
            Self::Count(_) => short(value, step),
        }
    }
}

/// `−12,431`: with a comma for thousands and a real minus.
pub fn whole(value: f64) -> String {
    grouped(&format!("{value:.0}"))
}

/// As many places as say something: `123%`, `12.3%`, `1.23%`.
fn decimals(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = rounded(value, places);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn rounded(value: f64, places: usize) -> String {
    grouped(&format!("{value:.places$}"))
}

/// Places after the point that tell steps of this size apart.
fn places(step: f64) -> usize {
    (0..=6).find(|&n| (step * 10f64.powi(n) - (step * 10f64.powi(n)).round()).abs() < 1e-6).unwrap_or(6) as usize
}

/// `12k`, `1.25M`: as short as lines `step` apart can still be told from each other.
fn short(value: f64, step: f64) -> String {
    let (scale, letter) = match value.abs().max(step) {
        size if size >= 1e12 => (1e12, "T"),
        size if size >= 1e9 => (1e9, "B"),
        size if size >= 1e6 => (1e6, "M"),
        size if size >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    let step_places = places(step / scale);
    // Better the whole number than six places of millions.
    if step_places > 2 {
        return whole(value);
    }
    format!("{}{letter}", rounded(value / scale, step_places))
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("−", rest));
    let (integer, fraction) = digits.split_once('.').map_or((digits, None), |(i, f)| (i, Some(f)));
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 3);
    // Minus zero is zero.
    if digits.bytes().any(|b| b.is_ascii_digit() && b != b'0') {
        text.push_str(sign);
    }
    for (i, digit) in integer.chars().enumerate() {
        if i > 0 && (integer.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// Width of a text in the system's sans-serif, in pixels at a size of `size`. An estimate, rather too wide: no
/// font is measured here, and which one it will be is not known.
pub fn width(text: &str, size: f64) -> f64 {
    text.graphemes(true).map(cell).sum::<f64>() * size
}

fn cell(grapheme: &str) -> f64 {
    match grapheme.chars().next() {
        None => 0.0,
        Some(c) if c.is_ascii() => match c {
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' | ' ' | 'I' => {
                0.38
            }
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.95,
            'A'..='Z' => 0.7,
            _ => 0.63,
        },
        Some('\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}') => {
            1.0
        }
        Some(c) if c >= '\u{1F000}' => 1.2,
        Some(_) => 0.66,
    }
}

/// The text on one line of at most this width, cut where it is longer.
pub fn fitted(text: &str, size: f64, available: f64) -> String {
    let line: Cow<str> =
        if text.contains(['\n', '\t']) { text.replace(['\n', '\t'], " ").into() } else { Cow::Borrowed(text) };
    let room = available / size;
    let mut used = 0.0;
    for (at, grapheme) in line.grapheme_indices(true) {
        used += cell(grapheme);
        if used > room {
            // Room for the mark of the cut.
            let mut kept = line[..at].to_owned();
            while !kept.is_empty() && width(&kept, size) + size > available {
                kept.truncate(kept.grapheme_indices(true).next_back().map_or(0, |(last, _)| last));
            }
            return format!("{}…", kept.trim_end());
        }
    }
    line.into_owned()
}

/// The text on lines of at most this width; a word that is longer than a line is cut.
pub fn wrapped(text: &str, size: f64, available: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(word, size) + 0.38 * size <= available => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fitted(word, size, available)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(whole(1_234_567.4), "1,234,567");
        assert_eq!(whole(-1_000.0), "−1,000");
        assert_eq!(whole(-0.2), "0");
        assert_eq!(Unit::Percent.value(4.256), "4.26%");
        assert_eq!(Unit::Percent.value(12.0), "12%");
        assert_eq!(Unit::Percent.change(-0.5), "−0.5%");
        let people = Unit::Count(Text::new("followers"));
        assert_eq!(people.change(120.0), "+120");
        assert_eq!(people.tick(12_000.0, 2_000.0), "12k");
        assert_eq!(people.tick(1_250_000.0, 50_000.0), "1.25M");
        assert_eq!(people.tick(10_001.0, 1.0), "10,001");
        assert_eq!(people.tick(0.0, 2_000.0), "0");
        assert_eq!(people.tick(500.0, 500.0), "500");
        assert_eq!(Unit::Percent.tick(2.5, 0.5), "2.5%");
    }

    #[test]
    fn times() {
        assert_eq!(date_and_time(1_772_546_700), "3 Mar 2026 14:05");
        assert_eq!(date(0), "1 Jan 1970");
        assert_eq!(date(i64::MAX), "");
    }

    #[test]
    fn what_is_forbidden_goes_and_the_rest_stays() {
        assert_eq!(Text::new("a\u{0}\u{1b}b\u{FFFE}\u{202E}c\r\nd").as_str(), "abc\nd");
        assert_eq!(Text::new("<b>&\"🏔️ ]]>").as_str(), "<b>&\"🏔️ ]]>");
        assert_eq!(Text::new("<b>").render().into_string(), "&lt;b&gt;");
    }

    #[test]
    fn texts_fit() {
        assert_eq!(fitted("short", 12.0, 100.0), "short");
        let cut = fitted("a rather long name of an account", 12.0, 100.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 100.0, "{cut}");
        assert_eq!(fitted("two\nlines", 12.0, 100.0), "two lines");
        assert_eq!(fitted("👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 10.0, 25.0), "👨‍👩‍👧‍👦…");
        assert_eq!(wrapped("one two three", 10.0, 45.0), ["one two", "three"]);
        assert!(wrapped("", 10.0, 45.0).is_empty());
    }
}
