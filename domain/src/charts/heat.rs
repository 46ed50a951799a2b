//! Weekdays by hours. Only hours in which something was posted have a colour.

use maud::html;
use serde::Deserialize;

use super::Known;
use super::frame::{Drawing, Px, colour, shift};
use super::page::TableRows;
use super::text::Unit;

/// A week of hours.
#[derive(Debug, Clone, Deserialize)]
pub struct Heat {
    /// Of the values.
    pub unit: Unit,
    /// At most one for each hour.
    pub cells: Vec<Cell>,
}

/// An hour of a weekday.
#[derive(Debug, Clone, Deserialize)]
pub struct Cell {
    /// 1 is Monday, 7 Sunday; others are not drawn.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// Null where nothing is known.
    pub value: Known,
    /// How many posts it comes from.
    pub posts: u64,
}

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// Hours that are marked as the best.
const BEST: usize = 3;

impl Cell {
    fn day(&self) -> &'static str {
        DAYS[usize::from(self.weekday.clamp(1, 7)) - 1]
    }

    fn name(&self) -> String {
        format!("{} {:02}:00", self.day(), self.hour)
    }
}

impl Heat {
    fn known(&self) -> impl Iterator<Item = (&Cell, f64)> {
        self.cells
            .iter()
            .filter(|cell| (1..=7).contains(&cell.weekday) && cell.hour < 24)
            .filter_map(|cell| cell.value.0.map(|value| (cell, value)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known().next().is_none()
    }

    fn best(&self) -> Vec<(&Cell, f64)> {
        let mut cells: Vec<_> = self.known().collect();
        cells.sort_by(|(a, x), (b, y)| {
            y.total_cmp(x).then(b.posts.cmp(&a.posts)).then((a.weekday, a.hour).cmp(&(b.weekday, b.hour)))
        });
        cells.truncate(BEST);
        cells
    }

    fn extent(&self) -> (f64, f64) {
        self.known().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, v)| (low.min(v), high.max(v)))
    }

    pub(super) fn draw(&self, width: f64) -> Drawing {
        const LEFT: f64 = 34.0;
        const TOP: f64 = 20.0;
        let step = (width - LEFT - 1.0) / 24.0;
        let tall = step.clamp(19.0, 30.0);
        let gap = if step < 16.0 { 1.5 } else { 3.0 };
        let (low, high) = self.extent();
        // From a tint to the full colour; one value alone is full.
        let strength = |value: f64| if high > low { 0.14 + 0.86 * (value - low) / (high - low) } else { 1.0 };
        let place = |cell: &Cell| (LEFT + step * f64::from(cell.hour), TOP + tall * (f64::from(cell.weekday) - 1.0));
        let bottom = TOP + tall * 7.0;
        let every = if step < 16.0 { 6 } else { 3 };
        let marks = html! {
            @for hour in (0..24).step_by(every) {
                text class="soft" x=(Px(LEFT + step * hour as f64 + gap / 2.0)) y="12" { (format!("{hour:02}:00")) }
            }
            @for (i, day) in DAYS.iter().enumerate() {
                text class="soft" x="0" y=(Px(TOP + tall * (i as f64 + 0.5) + 4.0)) { (&day[..3]) }
            }
            // Every hour has its place; only those with a value have a colour.
            @for day in 0..7u8 { @for hour in 0..24u8 {
                rect class="hollow" x=(Px(LEFT + step * f64::from(hour) + gap / 2.0)) y=(Px(TOP + tall * f64::from(day) + gap / 2.0)) width=(Px(step - gap)) height=(Px(tall - gap)) rx="2" {}
            } }
            @for (cell, value) in self.known() {
                @let (x, y) = place(cell);
                rect x=(Px(x + gap / 2.0)) y=(Px(y + gap / 2.0)) width=(Px(step - gap)) height=(Px(tall - gap)) rx="2" fill=(colour(0)) fill-opacity=(format!("{:.2}", strength(value))) {
                    title { (cell.name()) ": " (self.unit.value(value)) ", " (posts(cell.posts)) }
                }
            }
            @for (cell, _) in self.best() {
                @let (x, y) = place(cell);
                rect class="ring" x=(Px(x + gap / 2.0)) y=(Px(y + gap / 2.0)) width=(Px(step - gap)) height=(Px(tall - gap)) rx="2" {}
            }
            g transform=(shift(LEFT, bottom + 12.0)) {
                @let ends = if high > low { vec![(low, 0.0), (high, 5.0)] } else { vec![(high, 5.0)] };
                @let label = self.unit.value(ends[0].0);
                @let start = if high > low { super::text::width(&label, 12.0) + 8.0 } else { 0.0 };
                @if high > low { text class="soft" x="0" y="11" { (label) } }
                @for i in 0..5 {
                    @let share = if high > low { 0.14 + 0.86 * f64::from(i) / 4.0 } else { 1.0 };
                    rect x=(Px(start + 20.0 * f64::from(i))) y="0" width="18" height="14" rx="2" fill=(colour(0)) fill-opacity=(format!("{share:.2}")) {}
                }
                text class="soft" x=(Px(start + 106.0)) y="11" { (self.unit.value(high)) }
            }
        };
        let mut notes = vec!["empty: nothing posted in that hour".to_owned()];
        if self.known().count() > BEST {
            notes.insert(0, format!("outlined: the best {BEST}"));
        }
        Drawing { height: bottom + 30.0, marks, notes }
    }

    pub(super) fn summary(&self) -> String {
        let best: Vec<String> = self
            .best()
            .iter()
            .map(|(cell, value)| format!("{} ({}, {})", cell.name(), self.unit.value(*value), posts(cell.posts)))
            .collect();
        format!("Best hours: {}. {} of 168 hours have posts.", best.join(", "), self.known().count())
    }

    pub(super) fn table(&self) -> TableRows {
        let mut cells: Vec<_> = self.known().collect();
        cells.sort_by_key(|(cell, _)| (cell.weekday, cell.hour));
        TableRows {
            head: vec!["hour".to_owned(), self.unit.name().to_owned(), "posts".to_owned()],
            rows: cells
                .iter()
                .map(|(cell, value)| vec![cell.name(), self.unit.value(*value), cell.posts.to_string()])
                .collect(),
        }
    }
}

fn posts(count: u64) -> String {
    format!("{count} post{}", if count == 1 { "" } else { "s" })
}
