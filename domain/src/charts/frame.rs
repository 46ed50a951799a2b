//! What all charts have around them: title, description, notes, the empty picture.

use maud::{Markup, PreEscaped, Render, html};

use super::page::TableRows;
use super::scale::{Axis, calendar};
use super::text::{LocalSeconds, Unit, date_and_time, fitted, width as width_of, wrapped};
use super::{Chart, Plot};

/// Of most texts, in pixels; `style.css` says the same.
pub const SIZE: f64 = 12.0;
const SMALL: f64 = 11.0;
const STYLE: &str = include_str!("style.css");

/// The style sheet, which has no data in it.
pub fn style() -> PreEscaped<&'static str> {
    PreEscaped(STYLE)
}

/// A coordinate: a tenth of a pixel is enough.
#[derive(Clone, Copy)]
pub struct Px(pub f64);

impl std::fmt::Display for Px {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round();
        // Minus zero, and what is no number at all.
        let tenths = if tenths == 0.0 || !tenths.is_finite() { 0.0 } else { tenths };
        write!(formatter, "{}", tenths / 10.0)
    }
}

impl Render for Px {
    fn render_to(&self, buffer: &mut String) {
        self.to_string().render_to(buffer);
    }
}

/// A moved group.
pub fn shift(x: f64, y: f64) -> String {
    format!("translate({} {})", Px(x), Px(y))
}

/// A plot that was drawn.
pub struct Drawing {
    /// In pixels.
    pub height: f64,
    /// What is inside.
    pub marks: Markup,
    /// How to read it.
    pub notes: Vec<String>,
}

impl Chart {
    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        match &self.plot {
            Plot::Line(line) => line.is_empty(),
            Plot::Dots(dots) => dots.is_empty(),
            Plot::Heat(heat) => heat.is_empty(),
            Plot::Bars(bars) => bars.is_empty(),
        }
    }

    /// Names inside the picture begin with `id`.
    pub fn drawing(&self, id: &str, width: f64) -> Drawing {
        if self.is_empty() {
            return self.nothing(width);
        }
        match &self.plot {
            Plot::Line(line) => line.draw(id, width),
            Plot::Dots(dots) => dots.draw(width),
            Plot::Heat(heat) => heat.draw(width),
            Plot::Bars(bars) => bars.draw(width),
        }
    }

    /// The numbers, for who reads instead of looking.
    pub fn table(&self) -> TableRows {
        match &self.plot {
            Plot::Line(line) => line.table(),
            Plot::Dots(dots) => dots.table(),
            Plot::Heat(heat) => heat.table(),
            Plot::Bars(bars) => bars.table(),
        }
    }

    /// What the picture says, in sentences.
    pub fn summary(&self) -> String {
        if self.is_empty() {
            return format!("Nothing known yet: {}.", self.why_empty());
        }
        match &self.plot {
            Plot::Line(line) => line.summary(),
            Plot::Dots(dots) => dots.summary(),
            Plot::Heat(heat) => heat.summary(),
            Plot::Bars(bars) => bars.summary(),
        }
    }

    /// What stands below the picture, one line each.
    pub fn notes(&self, drawing: &Drawing) -> Vec<String> {
        let own = drawing.notes.iter().cloned();
        let told = self.notes.iter().filter(|note| !note.is_empty()).map(|note| note.as_str().to_owned());
        own.chain(told).chain(self.captured()).collect()
    }

    fn captured(&self) -> Option<String> {
        let time = date_and_time(self.captured_at?);
        (!time.is_empty()).then(|| format!("captured {time} {}", self.zone.as_str()))
    }

    fn why_empty(&self) -> &str {
        self.reason.as_ref().filter(|r| !r.is_empty()).map_or("nothing was captured in this time", |r| r.as_str())
    }

    /// Instead of an empty frame.
    fn nothing(&self, width: f64) -> Drawing {
        let lines = wrapped(self.why_empty(), SIZE, width - 64.0);
        let height = 96.0 + 17.0 * lines.len() as f64;
        let marks = html! {
            rect class="dashed" x="1" y="1" width=(Px(width - 2.0)) height=(Px(height - 2.0)) rx="8" {}
            text class="strong mid" x=(Px(width / 2.0)) y="48" { "Nothing known yet" }
            @for (i, line) in lines.iter().enumerate() {
                text class="soft mid" x=(Px(width / 2.0)) y=(Px(70.0 + 17.0 * i as f64)) { (line) }
            }
        };
        Drawing { height, marks, notes: Vec::new() }
    }
}

/// The picture alone, to stand in a page that has the style sheet and says the rest.
pub fn inline(chart: &Chart, id: &str, width: f64, class: &str) -> (Markup, Drawing) {
    let drawing = chart.drawing(id, width);
    let markup = picture(chart, id, width, drawing.height, class, &drawing.marks, false);
    (markup, drawing)
}

/// The picture as a document.
pub fn document(chart: &Chart, width: f64) -> Markup {
    const MARGIN: f64 = 14.0;
    let inner = width - 2.0 * MARGIN;
    let drawing = chart.drawing("c", inner);
    let title = wrapped(chart.title.as_str(), 15.0, inner);
    let subtitle = wrapped(chart.subtitle.as_str(), SIZE, inner);
    let notes: Vec<String> = chart.notes(&drawing).iter().flat_map(|note| wrapped(note, SMALL, inner)).collect();
    let title_end = MARGIN + 20.0 * title.len() as f64;
    let top = title_end + 17.0 * subtitle.len() as f64 + 12.0;
    let bottom = top + drawing.height + 8.0;
    let height = bottom + 15.0 * notes.len() as f64 + MARGIN;
    let marks = html! {
        rect class="ground" width=(Px(width)) height=(Px(height)) {}
        g transform=(shift(MARGIN, 0.0)) {
            @for (i, line) in title.iter().enumerate() { text class="title" y=(Px(MARGIN + 13.0 + 20.0 * i as f64)) { (line) } }
            @for (i, line) in subtitle.iter().enumerate() { text class="soft" y=(Px(title_end + 12.0 + 17.0 * i as f64)) { (line) } }
            g transform=(shift(0.0, top)) { (drawing.marks) }
            @for (i, line) in notes.iter().enumerate() { text class="note" y=(Px(bottom + 15.0 * (i + 1) as f64)) { (line) } }
        }
    };
    picture(chart, "c", width, height, "", &marks, true)
}

fn picture(chart: &Chart, id: &str, width: f64, height: f64, class: &str, marks: &Markup, is_document: bool) -> Markup {
    let titled = format!("{id}-title");
    let described = format!("{id}-desc");
    // Beside other things a picture has the size that it is made for, and shrinks in narrower places; alone it fills its window.
    let size = (!is_document).then_some((width, height));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class={ "chart " (class) } role="img" aria-labelledby={ (titled) " " (described) }
            width=[size.map(|(width, _)| Px(width))] height=[size.map(|(_, height)| Px(height))] viewBox={ "0 0 " (Px(width)) " " (Px(height)) }
            style=[size.map(|_| "max-width:100%;height:auto")] {
            title id=(titled) { (chart.title) }
            desc id=(described) { (chart.summary()) }
            @if is_document { style { (style()) } }
            (marks)
        }
    }
}

/// Lines of a value axis with their labels, a unit above, and where the plot begins.
pub struct Scale {
    /// Of the values.
    pub axis: Axis,
    /// Left edge of the plot.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Upper edge.
    pub top: f64,
    /// Lower edge: the axis of times.
    pub bottom: f64,
}

impl Scale {
    /// For a picture of this width.
    pub fn new(axis: Axis, unit: &Unit, width: f64) -> Self {
        let labels = axis.lines().map(|line| width_of(&unit.tick(line, axis.step), SIZE)).fold(0.0, f64::max);
        let height = (width * 0.4).clamp(150.0, 280.0);
        Self { axis, left: labels + 9.0, right: width - 8.0, top: 26.0, bottom: 26.0 + height }
    }

    /// With the labels of the times.
    pub fn height(&self) -> f64 {
        self.bottom + 20.0
    }

    /// Where a value is.
    pub fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * self.axis.share(value)
    }

    /// Where a time is.
    pub fn x(&self, at: LocalSeconds, from: LocalSeconds, until: LocalSeconds) -> f64 {
        let span = (until as f64 - from as f64).max(1.0);
        self.left + (self.right - self.left) * ((at as f64 - from as f64) / span).clamp(0.0, 1.0)
    }

    /// The lines, their labels, the times below.
    pub fn draw(&self, unit: &Unit, from: LocalSeconds, until: LocalSeconds, whole_days: bool) -> Markup {
        let name = fitted(unit.name(), SMALL, self.right);
        let most = ((self.right - self.left) / 62.0) as usize;
        let times = calendar(from, until, most, whole_days);
        html! {
            text class="note" x="0" y="10" { (name) }
            @for line in self.axis.lines() {
                line class=(if line == 0.0 { "base" } else { "grid" }) x1=(Px(self.left)) x2=(Px(self.right)) y1=(Px(self.y(line))) y2=(Px(self.y(line))) {}
                text class="soft end" x=(Px(self.left - 7.0)) y=(Px(self.y(line) + 4.0)) { (unit.tick(line, self.axis.step)) }
            }
            @if self.axis.is_cut() {
                // The sign of a cut axis.
                path class="base" d=(format!("M{} {}l4 -3l-8 -4l8 -4l-4 -3", Px(self.left), Px(self.bottom))) {}
            }
            @for (at, label) in &times {
                @let x = self.x(*at, from, until);
                @let half = width_of(label, SIZE) / 2.0;
                line class="base" x1=(Px(x)) x2=(Px(x)) y1=(Px(self.bottom)) y2=(Px(self.bottom + 4.0)) {}
                @if x + half < self.right + 8.0 && x - half > 0.0 {
                    text class="soft mid" x=(Px(x)) y=(Px(self.bottom + 17.0)) { (label) }
                }
            }
        }
    }

    /// What a reader must know of the axis.
    pub fn notes(&self, unit: &Unit) -> Option<String> {
        self.axis.is_cut().then(|| format!("the axis starts at {}, not at 0", unit.tick(self.axis.low, self.axis.step)))
    }
}

/// Colours are numbered; there are eight.
pub fn colour(number: usize) -> String {
    format!("var(--s{})", number % 8 + 1)
}
