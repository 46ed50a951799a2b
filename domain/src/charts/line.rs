//! Values over time. Where nothing is known there is no line.

use maud::{Markup, html};
use serde::Deserialize;

use super::Known;
use super::frame::{Drawing, Px, SIZE, Scale, colour, shift};
use super::page::TableRows;
use super::scale::Axis;
use super::text::{LocalSeconds, Text, Unit, date, date_and_time, fitted, width as width_of};

/// One or several lines over the same time.
#[derive(Debug, Clone, Deserialize)]
pub struct Line {
    /// Of the values.
    pub unit: Unit,
    /// Start of the time shown.
    pub from: LocalSeconds,
    /// Its end.
    pub until: LocalSeconds,
    /// Of what there is one value: hour, day, week, month; capture.
    pub bucket: Text,
    /// Flows and rates start at zero; levels need not.
    #[serde(default)]
    pub from_zero: bool,
    /// Values are changes, and have a sign.
    #[serde(default)]
    pub is_change: bool,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Debug, Clone, Deserialize)]
pub struct Series {
    /// Whose it is.
    pub name: Text,
    /// Ascending.
    pub times: Vec<LocalSeconds>,
    /// As many; null where nothing is known.
    pub values: Vec<Known>,
}

impl Series {
    fn points(&self) -> impl Iterator<Item = (LocalSeconds, Option<f64>)> + '_ {
        self.times.iter().zip(&self.values).map(|(&at, value)| (at, value.0))
    }

    fn known(&self) -> impl DoubleEndedIterator<Item = (LocalSeconds, f64)> + '_ {
        self.times.iter().zip(&self.values).filter_map(|(&at, value)| value.0.map(|value| (at, value)))
    }

    fn total(&self) -> usize {
        self.times.len().min(self.values.len())
    }
}

/// Lines are told apart by these as well as by colour. The first is solid.
fn dashes(number: usize) -> Option<&'static str> {
    [None, Some("7 4"), Some("2 4"), Some("9 3 2 3")][number % 4]
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.known().next().is_none())
    }

    fn value(&self, value: f64) -> String {
        if self.is_change { self.unit.change(value) } else { self.unit.value(value) }
    }

    fn is_within_days(&self) -> bool {
        self.bucket.as_str() == "hour" || self.is_of_captures()
    }

    /// Then what is missing cannot be counted: an unknown value only marks a gap between two captures.
    fn is_of_captures(&self) -> bool {
        self.bucket.as_str() == "capture"
    }

    fn moment(&self, at: LocalSeconds) -> String {
        if self.is_within_days() { date_and_time(at) } else { date(at) }
    }

    fn extent(&self) -> (f64, f64) {
        self.series
            .iter()
            .flat_map(Series::known)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, value)| (low.min(value), high.max(value)))
    }

    pub(super) fn draw(&self, id: &str, width: f64) -> Drawing {
        let (low, high) = self.extent();
        let axis = Axis::around(low, high, self.from_zero, self.unit != Unit::Percent, 5);
        let mut scale = Scale::new(axis, &self.unit, width);
        let legend = (self.series.len() > 1).then(|| self.legend(width));
        if let Some((_, height)) = &legend {
            scale.top += height;
            scale.bottom += height;
        }
        let legend_height = legend.as_ref().map_or(0.0, |(_, height)| *height);
        let mut notes: Vec<String> = scale.notes(&self.unit).into_iter().collect();
        notes.extend(self.gap_note());
        let marks = html! {
            @if let Some((legend, _)) = &legend { (legend) }
            // The unit stands above the lines, below the legend.
            g transform=(shift(0.0, legend_height)) {
                @let moved = Scale { axis: scale.axis.clone(), top: scale.top - legend_height, bottom: scale.bottom - legend_height, ..scale };
                @if let [series] = &self.series[..] { (self.gaps(id, series, &moved)) }
                (moved.draw(&self.unit, self.from, self.until, !self.is_within_days()))
                @for (number, series) in self.series.iter().enumerate() { (self.curve(series, number, &moved)) }
                @if let [series] = &self.series[..] { (self.last(series, &moved)) }
            }
        };
        Drawing { height: scale.height(), marks, notes }
    }

    fn gap_note(&self) -> Option<String> {
        let missing: usize = self.series.iter().map(|series| series.total() - series.known().count()).sum();
        if missing == 0 {
            return None;
        }
        Some(match &self.series[..] {
            [_] if self.is_of_captures() => "hatched: not known".to_owned(),
            [series] => format!("hatched: not known ({} of {})", missing, self.buckets(series.total())),
            _ => "where a line is broken, nothing is known".to_owned(),
        })
    }

    fn buckets(&self, count: usize) -> String {
        format!("{count} {}{}", self.bucket.as_str(), if count == 1 { "" } else { "s" })
    }

    /// From the last that is known to the next.
    fn gaps(&self, id: &str, series: &Series, scale: &Scale) -> Markup {
        let x = |at| scale.x(at, self.from, self.until);
        let mut bands: Vec<(f64, f64)> = Vec::new();
        let mut open: Option<f64> = None;
        let mut last_known: Option<f64> = None;
        let mut last = scale.left;
        for (at, value) in series.points() {
            last = x(at);
            match (value, open) {
                (Some(_), Some(start)) => {
                    bands.push((start, last));
                    open = None;
                }
                (None, None) => open = Some(last_known.unwrap_or(last)),
                _ => {}
            }
            if value.is_some() {
                last_known = Some(last);
            }
        }
        bands.extend(open.map(|start| (start, last.max(start + 1.0))));
        html! {
            @if !bands.is_empty() {
                defs {
                    pattern id={ (id) "-gap" } width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                        line class="hatch" x1="0" x2="0" y1="0" y2="6" {}
                    }
                }
                @for (start, end) in &bands {
                    rect x=(Px(*start)) width=(Px(end - start)) y=(Px(scale.top)) height=(Px(scale.bottom - scale.top)) fill={ "url(#" (id) "-gap)" } {}
                }
            }
        }
    }

    fn curve(&self, series: &Series, number: usize, scale: &Scale) -> Markup {
        use std::fmt::Write;
        let place = |(at, value): (LocalSeconds, f64)| (scale.x(at, self.from, self.until), scale.y(value));
        let mut path = String::new();
        let mut area = String::new();
        let mut lone: Vec<(f64, f64)> = Vec::new();
        let points: Vec<_> = series.points().collect();
        let base = scale.y(0.0);
        for run in points.split(|(_, value)| value.is_none()) {
            let run: Vec<_> = run.iter().filter_map(|&(at, value)| value.map(|value| place((at, value)))).collect();
            match &run[..] {
                [] => {}
                [point] => lone.push(*point),
                [first, .., last] => {
                    for (i, (x, y)) in run.iter().enumerate() {
                        let step = if i == 0 { 'M' } else { 'L' };
                        let _ = write!(path, "{step}{} {}", Px(*x), Px(*y));
                        let _ = write!(area, "{step}{} {}", Px(*x), Px(*y));
                    }
                    let _ = write!(area, "L{} {}L{} {}Z", Px(last.0), Px(base), Px(first.0), Px(base));
                }
            }
        }
        let colour = colour(number);
        // Single values are seen where there is room for them.
        let is_sparse = self.series.len() == 1 && series.known().count() <= 32;
        html! {
            @if self.series.len() == 1 && !scale.axis.is_cut() && !area.is_empty() {
                path d=(area) fill=(colour) fill-opacity=".1" {}
            }
            @if !path.is_empty() { path class="path" d=(path) stroke=(colour) stroke-dasharray=[dashes(number)] {} }
            @for (x, y) in &lone { circle cx=(Px(*x)) cy=(Px(*y)) r="3" fill=(colour) {} }
            @if is_sparse {
                @for point in series.known() {
                    @let (x, y) = place(point);
                    circle cx=(Px(x)) cy=(Px(y)) r="3" fill=(colour) { title { (self.moment(point.0)) ": " (self.value(point.1)) } }
                }
            }
        }
    }

    /// The newest value, told.
    fn last(&self, series: &Series, scale: &Scale) -> Markup {
        let Some((at, value)) = series.known().next_back() else { return html! {} };
        let (x, y) = (scale.x(at, self.from, self.until), scale.y(value));
        let label = self.value(value);
        let half = width_of(&label, SIZE) / 2.0;
        let middle = x.min(scale.right - half).max(scale.left + half);
        // Above, unless that is outside.
        let baseline = if y - 10.0 > scale.top - 4.0 { y - 10.0 } else { y + 18.0 };
        html! {
            circle cx=(Px(x)) cy=(Px(y)) r="4" fill=(colour(0)) {}
            text class="strong mid halo" x=(Px(middle)) y=(Px(baseline)) { (label) }
        }
    }

    fn legend(&self, width: f64) -> (Markup, f64) {
        const SWATCH: f64 = 26.0;
        let mut x = 0.0;
        let mut y = 0.0;
        let mut places = Vec::new();
        for series in &self.series {
            let last =
                series.known().next_back().map_or_else(|| "not known".to_owned(), |(_, value)| self.value(value));
            let name = fitted(series.name.as_str(), SIZE, (width - SWATCH - 90.0).max(60.0));
            let entry = format!("{name}  {last}");
            let needed = SWATCH + 6.0 + width_of(&entry, SIZE) + 18.0;
            if x > 0.0 && x + needed > width {
                x = 0.0;
                y += 20.0;
            }
            places.push((x, y, name, last));
            x += needed;
        }
        let markup = html! {
            @for (number, (x, y, name, last)) in places.iter().enumerate() {
                g transform=(shift(*x, y + 10.0)) {
                    line class="path" x1="1" x2=(Px(SWATCH - 1.0)) y1="-4" y2="-4" stroke=(colour(number)) stroke-dasharray=[dashes(number)] {}
                    text x=(Px(SWATCH + 5.0)) y="0" { (name) " " tspan class="strong" { (last) } }
                }
            }
        };
        (markup, y + 26.0)
    }

    pub(super) fn summary(&self) -> String {
        let sentences = self.series.iter().map(|series| {
            let (Some(first), Some(last)) = (series.known().next(), series.known().next_back()) else {
                return format!("{}: nothing known.", series.name.as_str());
            };
            let (low, high) = series.known().fold((first.1, first.1), |(low, high), (_, v)| (low.min(v), high.max(v)));
            let missing = series.total() - series.known().count();
            format!(
                "{}: {} on {}, {} on {}; lowest {}, highest {}{}.",
                series.name.as_str(),
                self.value(first.1),
                self.moment(first.0),
                self.value(last.1),
                self.moment(last.0),
                self.value(low),
                self.value(high),
                if missing == 0 || self.is_of_captures() {
                    String::new()
                } else {
                    format!("; {missing} of {} not known", self.buckets(series.total()))
                }
            )
        });
        sentences.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn table(&self) -> TableRows {
        let points = self.series.iter().flat_map(Series::points);
        let mut times: Vec<LocalSeconds> =
            points.filter(|(_, value)| value.is_some() || !self.is_of_captures()).map(|(at, _)| at).collect();
        times.sort_unstable();
        times.dedup();
        let mut rows: Vec<Vec<String>> = times.iter().map(|&at| vec![self.moment(at)]).collect();
        for series in &self.series {
            let mut points = series.points().peekable();
            for (row, &at) in rows.iter_mut().zip(&times) {
                while points.next_if(|(time, _)| *time < at).is_some() {}
                let value = points.peek().filter(|(time, _)| *time == at).and_then(|(_, value)| *value);
                row.push(value.map_or_else(|| "not known".to_owned(), |value| self.value(value)));
            }
        }
        let names = self.series.iter().map(|series| series.name.as_str().to_owned());
        TableRows { head: std::iter::once(self.bucket.as_str().to_owned()).chain(names).collect(), rows }
    }
}
