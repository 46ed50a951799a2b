//! Faults on demand: rules set by `POST /faults`, each used as often as it says.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The ways to fail, named as in `POST /faults`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    #[serde(rename = "status_613")]
    Status613,
    EmptyContent,
    EmptyResults,
    Pending,
    #[serde(rename = "no_content_204")]
    NoContent204,
    #[serde(rename = "http_400")]
    Http400,
    #[serde(rename = "http_401")]
    Http401,
    #[serde(rename = "http_403")]
    Http403,
    #[serde(rename = "http_404")]
    Http404,
    #[serde(rename = "http_422")]
    Http422,
    #[serde(rename = "http_429")]
    Http429,
    #[serde(rename = "http_500")]
    Http500,
    #[serde(rename = "http_502")]
    Http502,
    #[serde(rename = "http_503")]
    Http503,
    #[serde(rename = "http_504")]
    Http504,
    #[serde(rename = "http_524")]
    Http524,
    /// The true answer after `delay_ms`.
    Slow,
    /// The connection ends after half of the declared body.
    CutBody,
    NotJson,
    /// The true answer with 10 MB more in its envelope.
    #[serde(rename = "body_10mb")]
    Body10mb,
    /// The true answer with its content as JSON text in a string.
    JsonTextContent,
    /// The refusal of an OAuth provider that `error` names.
    ProviderError,
}

/// One rule. Without `target` or `query` it holds for all of them; without `times` until it is deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default)]
    pub target: Option<String>,
    #[serde(default)]
    pub query: Option<String>,
    pub fault: Fault,
    #[serde(default)]
    pub times: Option<u32>,
    /// For `http_429` and `http_503`: seconds, an HTTP date, or whatever text a test needs.
    #[serde(default)]
    pub retry_after: Option<RetryAfter>,
    /// For `slow`; 5000 if not given.
    #[serde(default)]
    pub delay_ms: Option<u64>,
    /// For `provider_error`
    #[serde(default)]
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RetryAfter {
    Seconds(u64),
    Text(String),
}

impl Rule {
    pub fn new(fault: Fault) -> Self {
        Rule { target: None, query: None, fault, times: None, retry_after: None, delay_ms: None, error: None }
    }

    /// The refusal of an OAuth provider, by its name there.
    pub fn refusal(provider: &str, error: &str) -> Self {
        let (target, error) = (Some(provider.to_owned()), Some(error.to_owned()));
        Rule { target, error, ..Rule::new(Fault::ProviderError) }
    }

    /// Holds for one target only.
    pub fn at(self, target: &str, query: &str) -> Self {
        Rule { target: Some(target.to_owned()), query: Some(query.to_owned()), ..self }
    }

    pub fn times(self, times: u32) -> Self {
        Rule { times: Some(times), ..self }
    }

    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.unwrap_or(5_000))
    }

    fn covers(&self, target: &str, query: &str) -> bool {
        self.times != Some(0)
            && self.target.as_deref().is_none_or(|wanted| wanted == target)
            && self.query.as_deref().is_none_or(|wanted| wanted == query)
    }
}

/// The rules in force; the first one that covers a request is used.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    pub fn add(&self, rule: Rule) {
        self.rules().push(rule);
    }

    pub fn clear(&self) {
        self.rules().clear();
    }

    /// The rule for this request, counted down.
    pub fn take(&self, target: &str, query: &str) -> Option<Rule> {
        let mut rules = self.rules();
        let position = rules.iter().position(|rule| rule.covers(target, query))?;
        let rule = rules[position].clone();
        if let Some(left) = &mut rules[position].times {
            *left -= 1;
            if *left == 0 {
                rules.remove(position);
            }
        }
        Some(rule)
    }

    pub fn list(&self) -> Vec<Rule> {
        self.rules().clone()
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_used_as_often_as_it_says_and_only_where_it_says() {
        let faults = Faults::default();
        faults.add(Rule { query: Some("ann".to_owned()), ..Rule::new(Fault::Http500).times(2) });
        assert!(faults.take("any", "bob").is_none());
        assert!(faults.take("any", "ann").is_some());
        assert!(faults.take("any", "ann").is_some());
        assert!(faults.take("any", "ann").is_none());
    }

    #[test]
    fn fault_names_are_those_of_the_documentation() {
        let named = |fault| serde_json::to_value(fault).expect("text");
        assert_eq!(named(Fault::Status613), "status_613");
        assert_eq!(named(Fault::Body10mb), "body_10mb");
        assert_eq!(named(Fault::CutBody), "cut_body");
        assert_eq!(named(Fault::NoContent204), "no_content_204");
    }
}
