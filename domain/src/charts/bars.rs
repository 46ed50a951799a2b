//! Parts of something: ages, genders, places.

use maud::html;
use serde::Deserialize;

use super::Known;
use super::frame::{Drawing, Px, SIZE, colour, shift};
use super::page::TableRows;
use super::text::{Text, Unit, fitted, width as width_of, wrapped};

/// Several distributions of the same things.
#[derive(Debug, Clone, Deserialize)]
pub struct Bars {
    /// Side by side where there is room.
    pub panels: Vec<Panel>,
}

/// One distribution.
#[derive(Debug, Clone, Deserialize)]
pub struct Panel {
    /// By what.
    pub name: Text,
    /// Of the values.
    pub unit: Unit,
    /// In the order to be read.
    pub bars: Vec<Bar>,
    /// Why there are none, or what is left out.
    pub note: Option<Text>,
}

/// One part.
#[derive(Debug, Clone, Deserialize)]
pub struct Bar {
    /// Of whom.
    pub label: Text,
    /// Null where it is not known.
    pub value: Known,
    /// Percent of the whole, beside a count.
    #[serde(default)]
    pub share: Known,
}

const ROW: f64 = 22.0;
const BETWEEN: f64 = 28.0;

impl Panel {
    fn told(&self, bar: &Bar) -> String {
        match (bar.value.0, bar.share.0) {
            (None, _) => "not known".to_owned(),
            (Some(value), Some(share)) if self.unit != Unit::Percent => {
                format!("{} ({})", self.unit.value(value), Unit::Percent.value(share))
            }
            (Some(value), _) => self.unit.value(value),
        }
    }

    fn height(&self, width: f64) -> f64 {
        26.0 + ROW * self.bars.len() as f64 + 15.0 * self.lines(width).len() as f64 + 14.0
    }

    fn lines(&self, width: f64) -> Vec<String> {
        self.note.as_ref().map_or_else(Vec::new, |note| wrapped(note.as_str(), 11.0, width))
    }
}

impl Bars {
    pub(super) fn is_empty(&self) -> bool {
        self.panels.iter().all(|panel| panel.bars.iter().all(|bar| bar.value.0.is_none()))
    }

    pub(super) fn draw(&self, width: f64) -> Drawing {
        let columns = if width >= 520.0 && self.panels.len() > 1 { 2 } else { 1 };
        let column = (width - BETWEEN * (columns - 1) as f64) / columns as f64;
        let mut y = 0.0;
        let mut places = Vec::new();
        for row in self.panels.chunks(columns) {
            for (i, panel) in row.iter().enumerate() {
                places.push((i as f64 * (column + BETWEEN), y, panel));
            }
            y += row.iter().map(|panel| panel.height(column)).fold(0.0, f64::max);
        }
        let marks = html! {
            @for (x, y, panel) in &places {
                g transform=(shift(*x, *y)) { (draw_panel(panel, column)) }
            }
        };
        Drawing { height: y, marks, notes: Vec::new() }
    }

    pub(super) fn summary(&self) -> String {
        let sentences = self.panels.iter().map(|panel| {
            let mut bars: Vec<_> = panel.bars.iter().filter_map(|bar| bar.value.0.map(|value| (bar, value))).collect();
            bars.sort_by(|a, b| b.1.total_cmp(&a.1));
            let most: Vec<_> =
                bars.iter().take(3).map(|(bar, _)| format!("{} {}", bar.label.as_str(), panel.told(bar))).collect();
            if most.is_empty() {
                format!("{}: not known.", panel.name.as_str())
            } else {
                format!("{}: {}.", panel.name.as_str(), most.join(", "))
            }
        });
        sentences.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn table(&self) -> TableRows {
        let rows = self.panels.iter().flat_map(|panel| {
            panel
                .bars
                .iter()
                .map(|bar| vec![panel.name.as_str().to_owned(), bar.label.as_str().to_owned(), panel.told(bar)])
        });
        TableRows { head: vec!["by".to_owned(), "part".to_owned(), "value".to_owned()], rows: rows.collect() }
    }
}

fn draw_panel(panel: &Panel, width: f64) -> maud::Markup {
    let told: Vec<String> = panel.bars.iter().map(|bar| panel.told(bar)).collect();
    let values = told.iter().map(|text| width_of(text, SIZE)).fold(0.0, f64::max);
    let labels = panel.bars.iter().map(|bar| width_of(bar.label.as_str(), SIZE)).fold(0.0, f64::max).min(width * 0.36);
    let left = labels + 8.0;
    let room = (width - left - values - 10.0).max(20.0);
    let largest = panel.bars.iter().filter_map(|bar| bar.value.0).fold(0.0, f64::max);
    let lines = panel.lines(width);
    html! {
        text class="strong" x="0" y="12" { (fitted(panel.name.as_str(), SIZE, width * 0.6)) " " tspan class="soft" { (fitted(panel.unit.name(), SIZE, width * 0.35)) } }
        @for (i, (bar, told)) in panel.bars.iter().zip(&told).enumerate() {
            @let y = 22.0 + ROW * i as f64;
            @let long = if largest > 0.0 { room * (bar.value.0.unwrap_or(0.0).max(0.0) / largest) } else { 0.0 };
            text x="0" y=(Px(y + 14.0)) { (fitted(bar.label.as_str(), SIZE, labels + 1.0)) title { (bar.label) } }
            line class="base" x1=(Px(left)) x2=(Px(left)) y1=(Px(y + 2.0)) y2=(Px(y + ROW - 2.0)) {}
            @if bar.value.0.is_some() { rect x=(Px(left)) y=(Px(y + 4.0)) width=(Px(long)) height=(Px(ROW - 8.0)) rx="2" fill=(colour(0)) {} }
            text class="soft" x=(Px(left + long + 6.0)) y=(Px(y + 14.0)) { (told) }
        }
        @for (i, line) in lines.iter().enumerate() {
            text class="note" x="0" y=(Px(36.0 + ROW * panel.bars.len() as f64 + 15.0 * i as f64)) { (line) }
        }
    }
}
