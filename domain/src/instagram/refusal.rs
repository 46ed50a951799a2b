use std::fmt;

use serde::Serialize;

/// Why a payload is not taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    pub code: RefusalCode,
    /// Lower case, no full stop; at most 80 characters of it come from the payload.
    pub message: String,
    pub hint: Option<String>,
    /// Whether asking again may give another answer.
    pub retryable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalCode {
    /// None of the shapes.
    ValidationError,
    /// An error said by Decodo or Instagram.
    ExternalApiError,
    /// The answer holds no account and no post.
    NotFound,
}

impl RefusalCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidationError => "VALIDATION_ERROR",
            Self::ExternalApiError => "EXTERNAL_API_ERROR",
            Self::NotFound => "NOT_FOUND",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}

const ECHO_CHARS: usize = 80;

impl Refusal {
    pub(super) fn invalid(message: impl Into<String>, hint: &str) -> Self {
        Self {
            code: RefusalCode::ValidationError,
            message: message.into(),
            hint: Some(hint.to_owned()),
            retryable: false,
        }
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self {
            code: RefusalCode::NotFound,
            message: message.to_owned(),
            hint: Some(
                "the account or post may be gone, or the answer may have come too early; ask again before giving up"
                    .to_owned(),
            ),
            retryable: true,
        }
    }

    /// `said`: the remote's own words, if any.
    pub(super) fn external(message: impl Into<String>, said: Option<&str>) -> Self {
        let mut message = message.into();
        if let Some(said) = said.map(echo).filter(|said| !said.is_empty()) {
            message.push_str(": ");
            message.push_str(&said);
        }
        Self {
            code: RefusalCode::ExternalApiError,
            message,
            hint: Some("fetch the page again later".to_owned()),
            retryable: true,
        }
    }

    pub(super) fn for_good(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), retryable: false, ..self }
    }
}

/// Words from outside, fit for a message: letters, digits, plain punctuation, single spaces, lower case.
fn echo(said: &str) -> String {
    let mut kept = String::new();
    let words = said.chars().take(ECHO_CHARS).map(|c| {
        let plain = c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ',' | ':' | '\'' | '(' | ')');
        if plain { c } else { ' ' }
    });
    for c in words.flat_map(char::to_lowercase).take(ECHO_CHARS) {
        if c != ' ' || !kept.ends_with(' ') {
            kept.push(c);
        }
    }
    kept.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_outside_are_cut_and_lose_control_characters_and_markup() {
        assert_eq!(
            echo("We were not able\r\nto <b>scrape</b> the target."),
            "we were not able to b scrape b the target"
        );
        assert_eq!(echo(&"İ".repeat(500)).chars().count(), ECHO_CHARS);
    }

    #[test]
    fn codes_are_serialised_as_they_are_spelt() {
        for code in [RefusalCode::ValidationError, RefusalCode::ExternalApiError, RefusalCode::NotFound] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
