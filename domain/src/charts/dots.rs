//! One value for each of many things in time: posts by their engagement.

use maud::html;
use serde::Deserialize;

use super::Known;
use super::frame::{Drawing, Px, SIZE, Scale, colour};
use super::page::TableRows;
use super::scale::Axis;
use super::text::{LocalSeconds, Text, Unit, date, date_and_time, fitted};

/// A mark for each thing.
#[derive(Debug, Clone, Deserialize)]
pub struct Dots {
    /// Of the values.
    pub unit: Unit,
    /// Start of the time shown.
    pub from: LocalSeconds,
    /// Its end.
    pub until: LocalSeconds,
    /// What a mark stands for, in the plural.
    pub things: Text,
    /// The marks.
    pub points: Vec<Dot>,
    /// A value that is one number for all of them.
    pub level: Option<Level>,
}

/// One mark.
#[derive(Debug, Clone, Deserialize)]
pub struct Dot {
    /// When it was.
    pub at: LocalSeconds,
    /// Unknown is not drawn.
    pub value: Known,
    /// What it is.
    #[serde(default)]
    pub label: Text,
}

/// A line across.
#[derive(Debug, Clone, Deserialize)]
pub struct Level {
    /// Where.
    pub value: Known,
    /// What it is.
    pub label: Text,
}

impl Dots {
    fn known(&self) -> impl Iterator<Item = (&Dot, f64)> {
        self.points.iter().filter_map(|point| point.value.0.map(|value| (point, value)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known().next().is_none()
    }

    fn level(&self) -> Option<(&str, f64)> {
        self.level.as_ref().and_then(|level| level.value.0.map(|value| (level.label.as_str(), value)))
    }

    pub(super) fn draw(&self, width: f64) -> Drawing {
        let values = self.known().map(|(_, value)| value).chain(self.level().map(|(_, value)| value));
        let (low, high) = values.fold((0.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        let axis = Axis::around(low, high, true, self.unit != Unit::Percent, 5);
        let scale = Scale::new(axis, &self.unit, width);
        let radius = if self.points.len() > 150 { 3.0 } else { 4.5 };
        let marks = html! {
            (scale.draw(&self.unit, self.from, self.until, false))
            @for (point, value) in self.known() {
                circle cx=(Px(scale.x(point.at, self.from, self.until))) cy=(Px(scale.y(value))) r=(radius) fill=(colour(0)) fill-opacity=".6" stroke="var(--ground)" stroke-width="1" {
                    title { (date_and_time(point.at)) ": " (self.unit.value(value)) " " (point.label) }
                }
            }
            @if let Some((label, value)) = self.level() {
                @let y = scale.y(value);
                line class="level" x1=(Px(scale.left)) x2=(Px(scale.right)) y1=(Px(y)) y2=(Px(y)) {}
                @let told = fitted(&format!("{} {label}", self.unit.value(value)), SIZE, scale.right - scale.left);
                @let above = y - 7.0 > scale.top + 4.0 || y + 16.0 > scale.bottom;
                text class="strong halo end" x=(Px(scale.right)) y=(Px(if above { y - 7.0 } else { y + 16.0 })) { (told) }
            }
        };
        let hidden = self.points.len() - self.known().count();
        let notes = (hidden > 0)
            .then(|| format!("{hidden} of {} {} not drawn: not known", self.points.len(), self.things.as_str()));
        Drawing { height: scale.height(), marks, notes: notes.into_iter().collect() }
    }

    pub(super) fn summary(&self) -> String {
        let (low, high) =
            self.known().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, v)| (low.min(v), high.max(v)));
        let mut text = format!(
            "{} {} between {} and {}; lowest {}, highest {}.",
            self.known().count(),
            self.things.as_str(),
            date(self.from),
            date(self.until),
            self.unit.value(low),
            self.unit.value(high)
        );
        if let Some((label, value)) = self.level() {
            text.push_str(&format!(" {label}: {}.", self.unit.value(value)));
        }
        text
    }

    pub(super) fn table(&self) -> TableRows {
        let value = |point: &Dot| point.value.0.map_or_else(|| "not known".to_owned(), |value| self.unit.value(value));
        TableRows {
            head: vec!["time".to_owned(), "what".to_owned(), self.unit.name().to_owned()],
            rows: self
                .points
                .iter()
                .map(|p| vec![date_and_time(p.at), fitted(p.label.as_str(), SIZE, 600.0), value(p)])
                .collect(),
        }
    }
}
