//! Instagram usernames as people type and paste them.

use std::error::Error;
use std::fmt;

use crate::text::MAX_HANDLE;

/// Longest input that is looked at, in bytes: addresses that apps share carry long query strings.
pub(crate) const MAX_INPUT: usize = 2_048;
/// Most characters of the input that an error shows.
const MAX_SHOWN: usize = 64;

const HOSTS: [&str; 5] = ["instagram.com", "www.instagram.com", "m.instagram.com", "instagr.am", "www.instagr.am"];

/// First words of paths on Instagram that are pages of its own, so nobody's username.
const RESERVED: [&str; 20] = [
    "_u",
    "about",
    "accounts",
    "api",
    "challenge",
    "developer",
    "direct",
    "directory",
    "emails",
    "explore",
    "graphql",
    "legal",
    "oauth",
    "p",
    "reel",
    "reels",
    "s",
    "session",
    "stories",
    "tv",
];

/// Second words that still show the profile.
const PROFILE_TABS: [&str; 6] = ["channel", "followers", "following", "guides", "reels", "tagged"];

/// The username, in lower case, that is meant by `Name`, `@Name`, or the address of a profile with or without
/// `https://`, query string and the like. White space and invisible characters around it do not matter.
pub fn normalize_username(input: &str) -> Result<String, UsernameError> {
    let input = trimmed(input);
    checked(meant_name(input)?, input)
}

/// Without white space and invisible characters around it.
pub(crate) fn trimmed(input: &str) -> &str {
    input.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// What stands where the name does, in an address or behind `@`.
pub(crate) fn meant_name(input: &str) -> Result<&str, UsernameError> {
    if input.len() > MAX_INPUT {
        return Err(UsernameError::TooLong(shown(input)));
    }
    let name = match input.split_once("://") {
        Some((scheme, address)) if is_one_of(&["http", "https"], scheme) => name_in_address(address, input)?,
        Some(_) => return Err(UsernameError::OtherSite(shown(input))),
        None if input.contains('/') || is_one_of(&HOSTS, input) => name_in_address(input, input)?,
        None => input,
    };
    Ok(name.strip_prefix('@').unwrap_or(name))
}

fn name_in_address<'a>(address: &'a str, input: &str) -> Result<&'a str, UsernameError> {
    let location = address.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = location.split_once('/').unwrap_or((location, ""));
    if !is_one_of(&HOSTS, host) {
        return Err(UsernameError::OtherSite(shown(input)));
    }
    let mut words = path.split('/').filter(|word| !word.is_empty());
    let name = match (words.next(), words.next(), words.next()) {
        (Some("_u"), name, None) => name,
        (name, None, None) => name,
        (name, Some(tab), None) if is_one_of(&PROFILE_TABS, tab) => name,
        _ => None,
    };
    name.filter(|name| !is_one_of(&RESERVED, name)).ok_or_else(|| UsernameError::NotAProfile(shown(input)))
}

fn checked(name: &str, input: &str) -> Result<String, UsernameError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if name.is_empty() {
        Err(UsernameError::Empty)
    } else if !name.chars().all(is_allowed) {
        Err(UsernameError::NotAllowed(shown(input)))
    } else if name.len() > MAX_HANDLE {
        Err(UsernameError::TooLong(shown(input)))
    } else if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        Err(UsernameError::MisplacedDot(shown(input)))
    } else if is_one_of(&RESERVED, name) {
        Err(UsernameError::Reserved(shown(input)))
    } else {
        Ok(name.to_ascii_lowercase())
    }
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|w| w.eq_ignore_ascii_case(word))
}

/// Joiners, direction marks and byte order marks that come along when text is copied from a phone or a web page.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// The input as an error may show it: short, on one line, nothing that changes how the rest is displayed.
pub(crate) fn shown(input: &str) -> String {
    let visible = |c: char| {
        if c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}') {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let is_short = input.chars().nth(MAX_SHOWN).is_none();
    if is_short {
        input.chars().map(visible).collect()
    } else {
        let head = input.chars().take(MAX_SHOWN - 3).map(visible);
        head.chain("...".chars()).collect()
    }
}

/// Why an input is no username. Each holds the part of the input that may be shown: at most 64 characters, none of
/// them a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsernameError {
    Empty,
    TooLong(String),
    /// A character that no username has.
    NotAllowed(String),
    MisplacedDot(String),
    /// A page of Instagram by its name alone, such as `explore`.
    Reserved(String),
    /// The address of a post, a story or another page.
    NotAProfile(String),
    /// An address elsewhere.
    OtherSite(String),
}

impl UsernameError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLong(_) | Self::NotAllowed(_) | Self::MisplacedDot(_) => {
                "A username has 1 to 30 letters a to z, digits, underscores and single dots inside."
            }
            Self::Empty | Self::Reserved(_) | Self::NotAProfile(_) | Self::OtherSite(_) => {
                "Give a username such as nba, or a profile's address such as https://www.instagram.com/nba/."
            }
        }
    }
}

impl fmt::Display for UsernameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("username is empty"),
            Self::TooLong(input) => write!(f, "username \"{input}\" is too long"),
            Self::NotAllowed(input) => {
                write!(f, "username \"{input}\" has a character that is not allowed")
            }
            Self::MisplacedDot(input) => {
                write!(f, "username \"{input}\" begins or ends with a dot or has two in a row")
            }
            Self::Reserved(input) => {
                write!(f, "\"{input}\" is a page of Instagram and not a username")
            }
            Self::NotAProfile(input) => {
                write!(f, "\"{input}\" is not the address of an Instagram profile")
            }
            Self::OtherSite(input) => write!(f, "\"{input}\" is not an address on Instagram"),
        }
    }
}

impl Error for UsernameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::extract_mentions;
    use proptest::prelude::*;

    #[test]
    fn names_are_accepted_as_typed() {
        for input in ["nba", "NBA", "@nba", "  @NBA \n", "\u{200e}nba\u{200b}", "\u{2068}@nba\u{2069}"] {
            assert_eq!(normalize_username(input).as_deref(), Ok("nba"), "{input:?}");
        }
        for name in ["a", "433", "_", "j.lo_1", "instagram.com.fans", &"x".repeat(30)] {
            assert_eq!(normalize_username(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn addresses_of_profiles_are_accepted() {
        for input in [
            "instagram.com/nba",
            "www.instagram.com/nba/",
            "https://www.instagram.com/NBA/?hl=en",
            "HTTPS://Instagram.com/nba?igsh=MXZzbGx0a2Q2cQ==#top",
            "http://instagr.am/nba",
            "https://www.instagram.com/_u/nba",
            "https://m.instagram.com/nba/",
            "https://www.instagram.com//nba//",
            "https://www.instagram.com/@nba",
            "https://www.instagram.com/nba/reels/",
            "https://www.instagram.com/nba/tagged",
        ] {
            assert_eq!(normalize_username(input).as_deref(), Ok("nba"), "{input}");
        }
    }

    #[test]
    fn addresses_of_other_pages_are_refused() {
        for input in [
            "https://www.instagram.com/p/C1aBcDeFgHi/",
            "https://www.instagram.com/nba/p/C1aBcDeFgHi/",
            "https://www.instagram.com/nba/reel/C1aBcDeFgHi/",
            "instagram.com/reel/C1aBcDeFgHi",
            "https://www.instagram.com/reels/",
            "https://www.instagram.com/REELS/audio/1234/",
            "https://www.instagram.com/explore/tags/nba/",
            "https://www.instagram.com/stories/nba/31415926535/",
            "https://www.instagram.com/tv/C1aBcDeFgHi/",
            "https://www.instagram.com/accounts/login/",
            "https://www.instagram.com/explore",
            "https://www.instagram.com/",
            "https://www.instagram.com",
            "https://www.instagram.com?hl=en",
            "instagram.com",
            "https://www.instagram.com/_u/",
            "https://www.instagram.com/_u/p",
        ] {
            assert_eq!(normalize_username(input), Err(UsernameError::NotAProfile(input.to_owned())), "{input}");
        }
        assert_eq!(normalize_username("explore"), Err(UsernameError::Reserved("explore".into())));
        assert_eq!(normalize_username("@Reel"), Err(UsernameError::Reserved("@Reel".into())));
    }

    #[test]
    fn addresses_elsewhere_are_refused() {
        for input in [
            "https://www.tiktok.com/@nba",
            "https://instagram.com.evil.example/nba",
            "https://evil.example/instagram.com/nba",
            "https://www.instagram.com@evil.example/nba",
            "https://www.instagram.com:443/nba",
            "https://l.instagram.com/?u=nba",
            "ftp://www.instagram.com/nba",
            "javascript://www.instagram.com/nba",
            "://nba",
            "//www.instagram.com/nba",
            "/nba",
            "nba/",
        ] {
            assert_eq!(normalize_username(input), Err(UsernameError::OtherSite(input.to_owned())), "{input}");
        }
    }

    #[test]
    fn what_is_no_username_is_refused_with_its_reason() {
        for input in ["", " \t\r\n", "@", "\u{200b}"] {
            assert_eq!(normalize_username(input), Err(UsernameError::Empty), "{input:?}");
        }
        for input in [
            "two words",
            "@ nba",
            "@@nba",
            "nba!",
            "nba?hl=en",
            "na-me",
            "naïve",
            "ｎｂａ",
            "nb\u{430}",
            "'; drop table users; --",
            "{\"username\": \"nba\"}",
            "n%62a",
            "https://www.instagram.com/n%62a/",
            "nba\u{0}",
            "n\u{200b}ba",
        ] {
            let refused = matches!(normalize_username(input), Err(UsernameError::NotAllowed(_)));
            assert!(refused, "{input:?}");
        }
        for input in [".nba", "nba.", "n..ba", "instagram.com/nba.", "."] {
            let refused = matches!(normalize_username(input), Err(UsernameError::MisplacedDot(_)));
            assert!(refused, "{input:?}");
        }
        for input in ["x".repeat(31), "x".repeat(10_240), "@".repeat(10_240)] {
            let refused = matches!(normalize_username(&input), Err(UsernameError::TooLong(_)));
            assert!(refused, "{} characters", input.len());
        }
    }

    #[test]
    fn errors_read_as_postgresql_messages() {
        let error = normalize_username("two words").unwrap_err();
        assert_eq!(error.to_string(), "username \"two words\" has a character that is not allowed");
        assert!(error.hint().contains("30 letters"));
    }

    #[test]
    fn errors_show_little_of_the_input_and_no_control_characters() {
        let long = normalize_username(&"é".repeat(5_000)).unwrap_err();
        assert_eq!(long, UsernameError::TooLong(format!("{}...", "é".repeat(61))));
        let odd = normalize_username("a\u{1b}[31m\u{202e}b\nc").unwrap_err();
        assert_eq!(odd, UsernameError::NotAllowed("a\u{fffd}[31m\u{fffd}b\u{fffd}c".into()));
    }

    proptest! {
        #[test]
        fn arbitrary_input_gives_a_username_or_a_printable_error(
            input in prop_oneof![any::<String>(), "(https?://)?(www\\.)?instagram\\.com/.{0,40}", "[@/._a-zA-Z0-9 ?#:%]{0,80}"],
        ) {
            match normalize_username(&input) {
                Ok(name) => {
                    prop_assert_eq!(normalize_username(&name), Ok(name.clone()));
                    prop_assert_eq!(normalize_username(&format!("https://www.instagram.com/{name}/")), Ok(name.clone()));
                    prop_assert_eq!(extract_mentions(&format!("@{name}")), [name]);
                }
                Err(error) => {
                    let message = error.to_string();
                    prop_assert!(!message.contains(char::is_control), "{:?}", message);
                    prop_assert!(message.chars().count() <= 64 + 60, "{}", message);
                    prop_assert!(!message.ends_with('.'));
                }
            }
        }

        #[test]
        fn every_well_formed_name_is_accepted_in_every_spelling(name in "[a-z0-9_]{1,9}(\\.[a-z0-9_]{1,9}){0,2}") {
            prop_assume!(!is_one_of(&RESERVED, &name) && !is_one_of(&HOSTS, &name));
            for input in [name.clone(), format!("@{name}"), name.to_uppercase(), format!("instagr.am/{name}?x=1")] {
                prop_assert_eq!(normalize_username(&input), Ok(name.clone()));
            }
        }
    }
}
