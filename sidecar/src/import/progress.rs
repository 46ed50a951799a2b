//! What is shown while an import runs: a bar on a terminal, now and then a line elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const BAR: &str = "{msg:18} {bar:30} {human_pos} of {human_len}, {per_sec}";
const SPINNER: &str = "{msg:18} {spinner} {human_pos}, {per_sec}";
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Written to standard error, so that standard output holds the summary alone.
pub struct Progress {
    bar: Option<ProgressBar>,
    step: String,
    total: u64,
    line_at: Cell<Instant>,
}

impl Progress {
    /// `total` is 0 where it is not known before the end.
    pub fn new(step: &str, total: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(if total > 0 { BAR } else { SPINNER });
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = if total > 0 { ProgressBar::new(total) } else { ProgressBar::new_spinner() };
            bar.with_style(style).with_message(step.to_owned())
        });
        Progress { bar, step: step.to_owned(), total, line_at: Cell::new(Instant::now() + LINE_EVERY) }
    }

    pub fn at(&self, position: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(position),
            None if Instant::now() >= self.line_at.get() => {
                self.line_at.set(Instant::now() + LINE_EVERY);
                let of = if self.total > 0 { format!(" of {}", self.total) } else { String::new() };
                eprintln!("{}: {position}{of}", self.step);
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
