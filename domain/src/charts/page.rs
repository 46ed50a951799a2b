//! A page: numbers, charts and tables in one HTML document that needs nothing from anywhere else.

use std::borrow::Cow;

use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::frame::{inline, style};
use super::text::{LocalSeconds, Text, Unit, date_and_time};
use super::{Chart, Known};

const STYLE: &str = include_str!("page.css");
/// What the page may load: nothing. In the page as well as in the header, for a page that was saved.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Widths that charts are drawn for: across the page, in half of it, on a phone.
const FULL: f64 = 910.0;
const HALF: f64 = 430.0;
const NARROW: f64 = 340.0;

/// A page about somebody.
#[derive(Debug, Clone, Deserialize)]
pub struct Page {
    /// Whom it is about.
    pub title: Text,
    /// What kind of page, above the title.
    #[serde(default)]
    pub kicker: Text,
    /// Which time, below the title.
    #[serde(default)]
    pub subtitle: Text,
    /// The time zone of every time in it.
    pub zone: Text,
    /// The moment whose knowledge it shows.
    pub known_at: LocalSeconds,
    /// Single numbers.
    pub facts: Vec<Fact>,
    /// Charts and tables.
    pub sections: Vec<Section>,
    /// What else must be said.
    #[serde(default)]
    pub notes: Vec<Text>,
}

/// One number.
#[derive(Debug, Clone, Deserialize)]
pub struct Fact {
    /// What it is.
    pub label: Text,
    /// Null while it is not known.
    pub value: Known,
    /// Of the value.
    pub unit: Unit,
    /// It has a sign.
    #[serde(default)]
    pub is_change: bool,
    /// Of when, of how many.
    #[serde(default)]
    pub note: Text,
    /// Why it is not known.
    pub reason: Option<Text>,
}

/// A part of a page.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// Across the page.
    Chart(Chart),
    /// In half of it, where there is room for two.
    Half(Chart),
    /// Rows.
    Table(Table),
}

/// A table.
#[derive(Debug, Clone, Deserialize)]
pub struct Table {
    /// What it lists.
    pub title: Text,
    /// How it was chosen.
    #[serde(default)]
    pub subtitle: Text,
    /// Names of the columns, and what their numbers are; null for texts.
    pub columns: Vec<(Text, Option<Unit>)>,
    /// As many fields as columns.
    pub rows: Vec<Vec<Field>>,
    /// Why there are none.
    pub reason: Option<Text>,
    /// What has to be known to read it right.
    #[serde(default)]
    pub notes: Vec<Text>,
}

/// A field of a table.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// Not known.
    Unknown(()),
    /// A number, as the column's unit says it.
    Number(f64),
    /// A text.
    Text(Text),
    /// A text that leads somewhere.
    Link(Link),
}

/// A text that leads somewhere.
#[derive(Debug, Clone, Deserialize)]
pub struct Link {
    /// What is read.
    pub text: Text,
    /// Where it leads; nowhere if this is no web address.
    pub href: Option<Text>,
}

impl Link {
    /// The address, if it is one of the web: `javascript:` and its like are none.
    fn address(&self) -> Option<&str> {
        let address = self.href.as_ref()?.as_str();
        let is_web = ["https://", "http://"]
            .iter()
            .any(|scheme| address.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)));
        (is_web && !address.contains(char::is_whitespace)).then_some(address)
    }
}

/// A table of a chart's numbers.
pub struct TableRows {
    /// Names of the columns.
    pub head: Vec<String>,
    /// The first of each is what the row is about.
    pub rows: Vec<Vec<String>>,
}

impl Page {
    /// The document.
    pub fn html(&self) -> String {
        let name: Cow<str> = if self.kicker.is_empty() {
            self.title.as_str().into()
        } else {
            format!("{} · {}", self.title.as_str(), self.kicker.as_str()).into()
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="referrer" content="no-referrer";
                    meta name="robots" content="noindex";
                    meta name="color-scheme" content="light dark";
                    // Else the browser asks its host for one.
                    link rel="icon" href="data:,";
                    title { (name) }
                    style { (style()) (maud::PreEscaped(STYLE)) }
                }
                body {
                    div class="page" {
                        header {
                            @if !self.kicker.is_empty() { p class="kicker" { (self.kicker) } }
                            h1 { bdi { (self.title) } }
                            @if !self.subtitle.is_empty() { p class="soft" { (self.subtitle) } }
                        }
                        main {
                            @if !self.facts.is_empty() { dl class={ "facts" @if self.facts.len().is_multiple_of(4) { " even" } } { @for fact in &self.facts { (fact.markup()) } } }
                            div class="cards" {
                                @for (number, section) in self.sections.iter().enumerate() { (section.markup(number + 1)) }
                            }
                        }
                        footer {
                            @for note in self.notes.iter().filter(|note| !note.is_empty()) { p { (note) } }
                            p { "As known at " (date_and_time(self.known_at)) " " (self.zone) ". Times are in " (self.zone) ". What is not known is not drawn." }
                        }
                    }
                }
            }
        }
        .into_string()
    }
}

impl Fact {
    fn markup(&self) -> Markup {
        html! {
            div class="fact" {
                dt { (self.label) }
                @match self.value.0 {
                    Some(value) => {
                        @let told = if self.is_change { self.unit.change(value) } else { self.unit.value(value) };
                        dd class={ "value" @if told.len() > 10 { " long" } } { (told) }
                        @if !self.note.is_empty() { dd class="soft" { (self.note) } }
                    }
                    None => {
                        dd class="value unknown" { "not known" }
                        @if let Some(reason) = &self.reason { dd class="soft" { (reason) } }
                    }
                }
            }
        }
    }
}

impl Section {
    fn markup(&self, number: usize) -> Markup {
        match self {
            Self::Chart(chart) => chart_card(chart, number, FULL, "card full"),
            Self::Half(chart) => chart_card(chart, number, HALF, "card"),
            Self::Table(table) => table.markup(number),
        }
    }
}

fn chart_card(chart: &Chart, number: usize, width: f64, class: &str) -> Markup {
    let heading = format!("h{number}");
    let (broad, drawing) = inline(chart, &format!("c{number}b"), width, "broad");
    let (narrow, _) = inline(chart, &format!("c{number}n"), NARROW, "narrow");
    let notes = chart.notes(&drawing);
    let table = chart.table();
    html! {
        section class=(class) aria-labelledby=(heading) {
            h2 id=(heading) { bdi { (chart.title) } }
            @if !chart.subtitle.is_empty() { p class="soft" { (chart.subtitle) } }
            // One of the two is shown; the other is not there for screen readers either.
            figure { (broad) (narrow) }
            @if !notes.is_empty() { ul class="notes" { @for note in &notes { li { (note) } } } }
            @if !chart.is_empty() && !table.rows.is_empty() {
                details {
                    summary { "The numbers as a table" }
                    div class="scroll" role="region" tabindex="0" aria-labelledby=(heading) {
                        table {
                            caption { (chart.title) }
                            thead { tr { @for name in &table.head { th scope="col" { (name) } } } }
                            tbody {
                                @for row in &table.rows {
                                    tr { @for (i, field) in row.iter().enumerate() {
                                        @if i == 0 { th scope="row" { (field) } } @else { td { (field) } }
                                    } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Table {
    fn markup(&self, number: usize) -> Markup {
        let heading = format!("h{number}");
        html! {
            section class="card full" aria-labelledby=(heading) {
                h2 id=(heading) { (self.title) }
                @if !self.subtitle.is_empty() { p class="soft" { (self.subtitle) } }
                @if self.rows.is_empty() {
                    p class="soft" { "Nothing known yet: " @if let Some(reason) = &self.reason { (reason) } @else { "nothing was captured" } "." }
                } @else {
                    div class="scroll" role="region" tabindex="0" aria-labelledby=(heading) {
                        table {
                            thead { tr { @for (name, unit) in &self.columns {
                                th scope="col" class=[unit.is_some().then_some("number")] { (name) }
                            } } }
                            tbody { @for row in &self.rows {
                                tr { @for ((_, unit), field) in self.columns.iter().zip(row) { (field.markup(unit.as_ref())) } }
                            } }
                        }
                    }
                }
                @if !self.notes.is_empty() { ul class="notes" { @for note in self.notes.iter().filter(|note| !note.is_empty()) { li { (note) } } } }
            }
        }
    }
}

impl Field {
    fn markup(&self, unit: Option<&Unit>) -> Markup {
        let class = if unit.is_some() { "number" } else { "text" };
        html! {
            td class=(class) {
                @match (self, unit) {
                    (Self::Number(number), unit) => {
                        @match (Known::new(*number).0, unit) {
                            (Some(number), Some(unit)) => (unit.value(number)),
                            (Some(number), None) => (number),
                            (None, _) => span class="soft" { "not known" },
                        }
                    }
                    (Self::Text(text), _) => bdi { (text) },
                    (Self::Link(link), _) => {
                        @match link.address() {
                            Some(address) => a href=(address) rel="noopener noreferrer" { bdi { (link.text) } },
                            None => bdi { (link.text) },
                        }
                    }
                    (Self::Unknown(()), _) => span class="soft" { "not known" },
                }
            }
        }
    }
}
