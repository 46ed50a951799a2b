//! Histories of sets: what a set was after a row of changes, who two accounts have in common, which accounts add most.

use std::collections::BinaryHeap;

use super::collect::{Collector, from_ids};
use super::format::Builder;
use super::{Error, FollowerSet, Pulse, compare, difference, intersection, union};

/// Ids between two pulses.
const PORTION: usize = 8192;

/// What changes of a set amount to: `(set - removed) | added`.
pub struct Change {
    added: Vec<u8>,
    removed: Vec<u8>,
}

impl Change {
    /// The change that takes `removed` out and then puts `added` in.
    pub fn new(added: FollowerSet, removed: FollowerSet) -> Result<Self, Error> {
        Ok(Self { added: bytes_of(added)?, removed: bytes_of(removed)? })
    }

    /// This change, and then a later one.
    fn then(&self, later: &Self, pulse: Pulse) -> Result<Self, Error> {
        pulse();
        let (added, removed) = (set(&self.added)?, set(&self.removed)?);
        let (later_added, later_removed) = (set(&later.added)?, set(&later.removed)?);
        let kept = difference(added, later_removed, pulse)?;
        let still_removed = difference(removed, later_added, pulse)?;
        Ok(Self {
            added: union(set(&kept)?, later_added, pulse)?,
            removed: union(set(&still_removed)?, later_removed, pulse)?,
        })
    }

    /// A row of changes, oldest first, as one: neighbours are joined, so every id is moved log(n) times.
    pub fn all(mut changes: Vec<Self>, pulse: Pulse) -> Result<Option<Self>, Error> {
        while changes.len() > 1 {
            changes = changes
                .chunks(2)
                .map(|pair| match pair {
                    [earlier, later] => earlier.then(later, pulse),
                    one => Ok(Self { added: one[0].added.clone(), removed: one[0].removed.clone() }),
                })
                .collect::<Result<_, _>>()?;
        }
        Ok(changes.pop())
    }

    /// The set after the change.
    pub fn apply(&self, before: FollowerSet, pulse: Pulse) -> Result<Vec<u8>, Error> {
        let kept = difference(before, set(&self.removed)?, pulse)?;
        union(set(&kept)?, set(&self.added)?, pulse)
    }
}

/// The set with some ids replaced; pairs of old and new, by ascending old.
pub fn remap(before: FollowerSet, replacements: &[(u64, u64)], pulse: Pulse) -> Result<Vec<u8>, Error> {
    let mut old = Builder::default();
    for portion in replacements.chunks(PORTION) {
        pulse();
        for (id, _) in portion {
            old.push(*id);
        }
    }
    let old = old.finish()?;
    let affected = intersection(before, set(&old)?, pulse)?;
    if set(&affected)?.is_empty() {
        return bytes_of(before);
    }
    let mut rest = replacements;
    let mut new = Collector::default();
    set(&affected)?.for_each_chunk(pulse, |ids| {
        for id in ids {
            // Every one of them is there, in this order.
            let place = rest.partition_point(|(old, _)| old < id);
            if let [(_, replacement), later @ ..] = &rest[place..] {
                new.push(*replacement, pulse)?;
                rest = later;
            }
        }
        Ok(())
    })?;
    let kept = difference(before, set(&old)?, pulse)?;
    union(set(&kept)?, set(&new.finish(pulse)?)?, pulse)
}

/// One step of a greedy cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Which set, counted from 0.
    pub set: usize,
    /// Ids that it adds.
    pub added: u64,
    /// Ids that are covered with it.
    pub covered: u64,
}

/// Picks sets one after the other, each the one that adds most to those before (on a tie the one named first); ends early when
/// none adds anything. The cover is at least 1 - 1/e (63 %) of the best one of that size (Nemhauser, Wolsey, Fisher, 1978).
///
/// What a set adds only shrinks as others are picked, so it is counted again only when it is at the top (Minoux, 1978).
pub fn greedy_cover(sets: &[FollowerSet], picks: usize, pulse: Pulse) -> Result<Vec<Pick>, Error> {
    let mut covered = from_ids(Vec::new())?;
    let mut chosen = Vec::new();
    // What it adds at most, and when that was counted.
    let mut candidates: BinaryHeap<(u64, std::cmp::Reverse<usize>, usize)> =
        sets.iter().enumerate().map(|(place, set)| (set.count(), std::cmp::Reverse(place), 0)).collect();
    while chosen.len() < picks
        && let Some((added, std::cmp::Reverse(place), counted_at)) = candidates.pop()
    {
        if added == 0 {
            break;
        }
        if counted_at < chosen.len() {
            let adds = compare(sets[place], set(&covered)?, pulse)?.left;
            candidates.push((adds, std::cmp::Reverse(place), chosen.len()));
            continue;
        }
        covered = union(set(&covered)?, sets[place], pulse)?;
        chosen.push(Pick { set: place, added, covered: set(&covered)?.count() });
    }
    Ok(chosen)
}

fn bytes_of(set: FollowerSet) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    set.copy_bytes(&mut bytes)?;
    Ok(bytes)
}

fn set(bytes: &[u8]) -> Result<FollowerSet<'_>, Error> {
    FollowerSet::new(bytes)
}
