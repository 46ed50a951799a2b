//! The log of what was asked, so that tests can prove how often a remote effect took place.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

#[derive(Serialize)]
pub struct Line {
    target: String,
    query: String,
    count: u64,
}

#[derive(Default)]
struct Counts {
    unauthorized: u64,
    by_target_and_query: BTreeMap<(String, String), u64>,
}

#[derive(Default)]
pub struct Requests(Mutex<Counts>);

impl Requests {
    pub fn count(&self, target: &str, query: &str) {
        *self.counts().by_target_and_query.entry((target.to_owned(), query.to_owned())).or_default() += 1;
    }

    pub fn count_unauthorized(&self) {
        self.counts().unauthorized += 1;
    }

    /// (requests that came in with wrong credentials, all others by target and query)
    pub fn list(&self) -> (u64, Vec<Line>) {
        let counts = self.counts();
        let lines = counts
            .by_target_and_query
            .iter()
            .map(|((target, query), count)| Line { target: target.clone(), query: query.clone(), count: *count })
            .collect();
        (counts.unauthorized, lines)
    }

    pub fn of(&self, target: &str, query: &str) -> u64 {
        let key = (target.to_owned(), query.to_owned());
        self.counts().by_target_and_query.get(&key).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        let counts = self.counts();
        counts.unauthorized + counts.by_target_and_query.values().sum::<u64>()
    }

    pub fn clear(&self) {
        *self.counts() = Counts::default();
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
