//! What is told to the database when a job did not succeed, in the words of its error vocabulary.

use std::time::Duration;

use crate::decodo::Answer;

/// The part of the error vocabulary that this process can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Validation,
    Forbidden,
    NotFound,
    RateLimited,
    ExternalApi,
    Timeout,
    Internal,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Validation => "VALIDATION_ERROR",
            Code::Forbidden => "FORBIDDEN",
            Code::NotFound => "NOT_FOUND",
            Code::RateLimited => "RATE_LIMITED",
            Code::ExternalApi => "EXTERNAL_API_ERROR",
            Code::Timeout => "TIMEOUT",
            Code::Internal => "INTERNAL",
        }
    }
}

/// A failed attempt. The message holds none of the remote's own words: those may be shown to users of the database.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    /// Trying again cannot help.
    pub permanent: bool,
    pub retry_after: Option<Duration>,
}

/// A task that Decodo still works on is ready within seconds.
const PENDING_RETRY: Duration = Duration::from_secs(5);

impl Failure {
    pub fn permanent(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), permanent: true, retry_after: None }
    }

    pub fn transient(code: Code, message: impl Into<String>) -> Self {
        Failure { permanent: false, ..Failure::permanent(code, message) }
    }

    fn after(self, retry_after: Option<Duration>) -> Self {
        Failure { retry_after, ..self }
    }
}

/// What an attempt brought: a text for the database, a failure to report, or refused credentials.
#[derive(Debug)]
pub enum Verdict {
    Store(String),
    Fail(Failure),
    BadCredentials,
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Self {
        let failure = match answer {
            Answer::Payload(text) => return Verdict::Store(text),
            Answer::Unauthorized { .. } => return Verdict::BadCredentials,
            Answer::Faulted { status_code, .. } => {
                let code = status_code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                Failure::transient(Code::ExternalApi, format!("decodo could not read the target ({code})"))
            }
            // A missing account and a passing trouble look alike; the database gives up after several in a row.
            Answer::Empty => Failure::transient(Code::NotFound, "decodo answered with empty content"),
            Answer::Pending => {
                Failure::transient(Code::ExternalApi, "decodo has not finished yet").after(Some(PENDING_RETRY))
            }
            Answer::Refused { status, .. } => {
                let (code, what) = match status {
                    400 | 422 => (Code::Validation, "refused the request as invalid"),
                    403 => (Code::Forbidden, "gives no access to this target"),
                    404 => (Code::NotFound, "does not know this target"),
                    _ => (Code::ExternalApi, "refused the request"),
                };
                Failure::permanent(code, format!("decodo {what} ({status})"))
            }
            Answer::RateLimited { retry_after, .. } => {
                Failure::transient(Code::RateLimited, "decodo's rate limit is reached").after(retry_after)
            }
            Answer::Unavailable { status, retry_after } => {
                Failure::transient(Code::ExternalApi, format!("decodo is not available ({status})")).after(retry_after)
            }
            Answer::TimedOut => Failure::transient(Code::Timeout, "decodo did not answer in time"),
            Answer::Broken { .. } => Failure::transient(Code::ExternalApi, "the connection to decodo broke"),
            Answer::NotAnAnswer => Failure::transient(Code::ExternalApi, "decodo sent something that is no answer"),
            Answer::TooLarge { limit } => {
                Failure::permanent(Code::ExternalApi, format!("decodo's answer is larger than {limit} bytes"))
            }
        };
        Verdict::Fail(failure)
    }
}
