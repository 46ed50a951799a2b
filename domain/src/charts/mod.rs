//! Pictures of numbers: SVG charts and pages of HTML, drawn from what is known and from nothing else.
//!
//! What goes in are plain documents ([`Chart`], [`Page`]) in which everything unknown is null; what comes out is text. Names and
//! captions are [`Text`], which no template writes unescaped; markup is written by maud's templates only. No script, no font and
//! no address of anywhere else is in a picture, colours follow the viewer's light or dark setting, and each has a title, a
//! description in words and a table of its numbers.

mod bars;
mod csv;
mod dots;
mod frame;
mod heat;
mod line;
mod page;
mod scale;
mod sparkline;
mod text;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, de};

pub use bars::{Bar, Bars, Panel};
pub use csv::record as csv_record;
pub use dots::{Dot, Dots, Level};
pub use heat::{Cell, Heat};
pub use line::{Line, Series};
pub use page::{Fact, Link, Page, Section, Table};
pub use sparkline::sparkline;
pub use text::{LocalSeconds, Text, Unit};

/// Widths in pixels that a chart can be drawn for.
pub const WIDTHS: std::ops::RangeInclusive<f64> = 280.0..=1_600.0;

/// A chart and what is said about it.
#[derive(Debug, Clone, Deserialize)]
pub struct Chart {
    /// What is shown, and of whom.
    pub title: Text,
    /// Of which time, how it was counted.
    #[serde(default)]
    pub subtitle: Text,
    /// The time zone of every time in it, as it is called.
    pub zone: Text,
    /// The newest capture that is in it.
    pub captured_at: Option<LocalSeconds>,
    /// Why there is nothing, if there is nothing.
    pub reason: Option<Text>,
    /// What has to be known to read it right.
    #[serde(default)]
    pub notes: Vec<Text>,
    /// The numbers.
    pub plot: Plot,
}

/// The kinds of charts.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plot {
    /// Values over time.
    Line(Line),
    /// One value for each of many things in time.
    Dots(Dots),
    /// Weekdays by hours.
    Heat(Heat),
    /// Parts of something.
    Bars(Bars),
}

impl Chart {
    /// The chart as an SVG document of its own, for a width in pixels. Brought into [`WIDTHS`].
    pub fn svg(&self, width: f64) -> String {
        frame::document(self, width.clamp(*WIDTHS.start(), *WIDTHS.end())).into_string()
    }
}

/// A number that can be drawn, or nothing: null, NaN and infinities are unknown, and so is what is too large to be exact.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Known(pub Option<f64>);

impl Known {
    /// The number, if it can be drawn.
    pub fn new(value: f64) -> Self {
        Self((value.abs() <= scale::LARGEST).then_some(value))
    }
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KnownVisitor)
    }
}

struct KnownVisitor;

impl Visitor<'_> for KnownVisitor {
    type Value = Known;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a number or null")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Known, E> {
        Ok(Known::new(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Known, E> {
        Ok(Known::new(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Known, E> {
        Ok(Known::new(value as f64))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Known, E> {
        Ok(Known(None))
    }

    /// PostgreSQL writes NaN and infinities as texts.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Known, E> {
        Ok(Known(None))
    }
}

#[cfg(test)]
mod tests;
