//! Why an export is not taken, and what its owner can do about it.

use std::fmt;
use std::io;

/// Longest piece of a file's name or content that a message shows, in characters.
const MAX_SHOWN: usize = 120;

/// What is wrong and what to do. Nothing has been written when one is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub what: String,
    pub remedy: String,
}

impl Refusal {
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Refusal { what: what.into(), remedy: remedy.into() }
    }

    /// As an error that passes through readers and parsers unchanged.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// The refusal inside an error that readers and parsers have passed on.
    pub fn of_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refusal {}

/// A piece of an untrusted file as it may be put on a terminal: shortened, without control characters.
pub fn shown(text: &str) -> String {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown: String = text.chars().take(MAX_SHOWN).map(|c| if invisible(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_a_reader() {
        let refusal = Refusal::new("too large", "ask again");
        assert_eq!(Refusal::of_io(&refusal.clone().into_io()), Some(&refusal));
        assert_eq!(Refusal::of_io(&io::Error::other("something else")), None);
    }

    #[test]
    fn what_is_shown_cannot_steer_a_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), MAX_SHOWN + 1);
    }
}
