//! Names in memory: sorted before they are sent, because an index takes neighbours faster than strangers.

use std::ops::Range;

/// Names and when each of them followed. One allocation for all of the text.
#[derive(Debug, Default)]
pub struct Run {
    text: String,
    names: Vec<Name>,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    start: u32,
    length: u16,
    /// Seconds since 1970; UNKNOWN where the export shows none.
    followed_at: i64,
}

const UNKNOWN: i64 = i64::MIN;

impl Run {
    /// Adds a name. False, and nothing added: there is no room left for it (4 GiB of text).
    pub fn push(&mut self, name: &str, followed_at: Option<i64>) -> bool {
        let (Ok(start), Ok(length)) = (u32::try_from(self.text.len()), u16::try_from(name.len())) else { return false };
        self.text.push_str(name);
        self.names.push(Name { start, length, followed_at: followed_at.unwrap_or(UNKNOWN) });
        true
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Ascending by bytes, each name once: with the latest time it was listed with.
    pub fn sort(&mut self) {
        let text = self.text.as_str();
        self.names.sort_unstable_by(|a, b| a.text(text).cmp(b.text(text)).then(b.followed_at.cmp(&a.followed_at)));
        self.names.dedup_by(|a, b| a.text(text) == b.text(text));
    }

    /// Where a name is. The run has to be sorted.
    pub fn contains(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| known.text(&self.text).cmp(name)).is_ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<i64>)> {
        self.slice(0..self.len())
    }

    pub fn slice(&self, range: Range<usize>) -> impl Iterator<Item = (&str, Option<i64>)> {
        let names = self.names.get(range).unwrap_or_default();
        names.iter().map(|name| (name.text(&self.text), (name.followed_at != UNKNOWN).then_some(name.followed_at)))
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.names.clear();
    }
}

impl Name {
    fn text(self, all: &str) -> &str {
        let start = self.start as usize;
        all.get(start..start + usize::from(self.length)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_run_is_a_sorted_map(names in proptest::collection::vec(("\\PC{0,6}", proptest::option::of(0_i64..9)), 0..60)) {
            let mut run = Run::default();
            let mut model: BTreeMap<String, Option<i64>> = BTreeMap::new();
            for (name, followed_at) in &names {
                prop_assert!(run.push(name, *followed_at));
                let latest = model.entry(name.clone()).or_default();
                *latest = (*latest).max(*followed_at);
            }
            run.sort();
            let sorted: Vec<_> = run.iter().map(|(name, at)| (name.to_owned(), at)).collect();
            prop_assert_eq!(sorted, model.clone().into_iter().collect::<Vec<_>>());
            for (name, _) in &names {
                prop_assert!(run.contains(name));
            }
            prop_assert_eq!(run.contains("not in it"), model.contains_key("not in it"));
        }
    }
}
