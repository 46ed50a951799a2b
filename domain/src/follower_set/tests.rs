use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn idle() {}

fn set_of(ids: &BTreeSet<u64>) -> Vec<u8> {
    let mut builder = Builder::default();
    for id in ids {
        builder.push(*id);
    }
    builder.finish().unwrap()
}

struct Elsewhere(Vec<u8>);

impl Stored for Elsewhere {
    fn read(&self, range: std::ops::Range<usize>, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.0[range]);
    }
}

fn read(bytes: &[u8]) -> FollowerSet<'_> {
    FollowerSet::new(bytes).unwrap()
}

fn ids_of(bytes: &[u8]) -> Vec<u64> {
    let mut ids = Vec::new();
    read(bytes)
        .for_each_chunk(idle, |chunk| {
            ids.extend_from_slice(chunk);
            Ok(())
        })
        .unwrap();
    ids
}

/// Ids as they come in practice and as they should not: dense, sparse, 17 digits, gaps up to 2^62, the extremes, mixed.
fn ids(most: usize) -> impl Strategy<Value = BTreeSet<u64>> {
    let gap = prop_oneof![
        8 => 0..3u64,
        8 => 0..5_000u64,
        4 => 0..1u64 << 33,
        2 => 0..1u64 << 40,
        1 => 0..1u64 << 62,
    ];
    let by_gaps = (0..1u64 << 20, prop::collection::vec(gap, 0..most)).prop_map(|(first, gaps)| {
        let mut ids = BTreeSet::new();
        let mut id = first;
        for gap in gaps {
            ids.insert(id);
            match id.checked_add(gap + 1).filter(|id| *id <= i64::MAX as u64) {
                Some(next) => id = next,
                None => break,
            }
        }
        ids
    });
    let by_value = prop::collection::btree_set(0..=i64::MAX as u64, 0..200);
    let extremes = prop::collection::btree_set(
        prop_oneof![Just(0), Just(1), Just(i64::MAX as u64), Just(i64::MAX as u64 - 1)],
        0..4,
    );
    (prop_oneof![6 => by_gaps, 1 => by_value], extremes).prop_map(|(mut ids, extremes)| {
        ids.extend(extremes);
        ids
    })
}

/// Two sets that have much in common.
fn pair(most: usize) -> impl Strategy<Value = (BTreeSet<u64>, BTreeSet<u64>)> {
    (ids(most), ids(200), 0..4u8, any::<u64>()).prop_map(|(base, others, kind, seed)| {
        let mut other: BTreeSet<u64> = match kind {
            0 => others.clone(),
            1 => base.clone(),
            // Every run length occurs.
            2 => base.iter().copied().filter(|id| !mix(id ^ seed).is_multiple_of(97)).collect(),
            _ => base.iter().copied().filter(|id| mix(id ^ seed).is_multiple_of(3)).collect(),
        };
        if kind > 1 {
            other.extend(others);
        }
        (base, other)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(ids in ids(30_000)) {
        let bytes = set_of(&ids);
        let set = read(&bytes);
        prop_assert_eq!(set.count(), ids.len() as u64);
        prop_assert_eq!(set.min(), ids.first().copied());
        prop_assert_eq!(set.max().unwrap(), ids.last().copied());
        prop_assert!(ids_of(&bytes).iter().eq(&ids));
        prop_assert!(Ids::new(bytes.clone()).unwrap().map(Result::unwrap).eq(ids.iter().copied()));
        for id in ids.iter().step_by(4_999) {
            prop_assert!(set.contains(*id).unwrap());
            prop_assert_eq!(set.contains(id + 1).unwrap(), ids.contains(&(id + 1)));
            prop_assert_eq!(set.contains(id.saturating_sub(1)).unwrap(), ids.contains(&id.saturating_sub(1)));
        }
    }

    #[test]
    fn operations_agree_with_a_tree((a, b) in pair(20_000)) {
        let (x, y) = (set_of(&a), set_of(&b));
        let (left, right) = (read(&x), read(&y));
        let check = |bytes: Vec<u8>, model: BTreeSet<u64>| {
            prop_assert_eq!(&bytes, &set_of(&model));
            Ok(())
        };
        check(union(left, right, idle).unwrap(), &a | &b)?;
        check(intersection(left, right, idle).unwrap(), &a & &b)?;
        check(difference(left, right, idle).unwrap(), &a - &b)?;
        check(difference(right, left, idle).unwrap(), &b - &a)?;
        let elsewhere = Elsewhere(x.clone());
        let stored = FollowerSet::stored(*left.directory(), &elsewhere, x.len());
        check(union(stored, right, idle).unwrap(), &a | &b)?;
        check(difference(right, stored, idle).unwrap(), &b - &a)?;
        check(symmetric_difference(left, right, idle).unwrap(), &a ^ &b)?;
        let both = diff(left, right, idle).unwrap();
        check(both.gained, &b - &a)?;
        check(both.lost, &a - &b)?;
        let common = (&a & &b).len() as u64;
        let counts = Comparison { both: common, left: a.len() as u64 - common, right: b.len() as u64 - common };
        prop_assert_eq!(compare(left, right, idle).unwrap(), counts);
        prop_assert_eq!(left.overlaps(right, idle).unwrap(), common > 0);
        prop_assert_eq!(left.contains_set(right, idle).unwrap(), b.is_subset(&a));
        prop_assert_eq!(right.contains_set(left, idle).unwrap(), a.is_subset(&b));
        prop_assert_eq!(left.equals(right, idle).unwrap(), a == b);
        prop_assert_eq!(left.hash(7, idle).unwrap() == right.hash(7, idle).unwrap(), a == b);
    }

    #[test]
    fn any_order_makes_the_same_set(ids in ids(5_000), seed: u64, doubles in 1..3usize, rotate: prop::sample::Index) {
        let expected = set_of(&ids);
        let mut shuffled: Vec<u64> = ids.iter().copied().cycle().take(ids.len() * doubles).collect();
        if seed.is_multiple_of(4) {
            if !shuffled.is_empty() {
                let middle = rotate.index(shuffled.len());
                shuffled.rotate_left(middle);
            }
        } else {
            shuffled.sort_by_key(|id| mix(id ^ seed));
        }
        let mut collector = Collector::default();
        let mut halves = [Collector::default(), Collector::default()];
        for (place, id) in shuffled.iter().enumerate() {
            collector.push(*id, idle).unwrap();
            halves[place % 2].push(*id, idle).unwrap();
            if place % 1_000 == 0 {
                collector.finish(idle).unwrap();
            }
        }
        prop_assert_eq!(&collector.finish(idle).unwrap(), &expected);
        prop_assert_eq!(&from_ids(shuffled).unwrap(), &expected);
        let mut together = Collector::default();
        for half in &halves {
            together.push_set(read(&half.finish(idle).unwrap()), idle).unwrap();
        }
        prop_assert_eq!(together.finish(idle).unwrap(), expected);
    }

    #[test]
    fn changes_are_replayed_in_order(base in ids(3_000), steps in prop::collection::vec(pair(300), 0..9)) {
        let mut model = base.clone();
        let mut changes = Vec::new();
        for (removed, added) in &steps {
            model = &(&model - removed) | added;
            changes.push(Change::new(read(&set_of(added)), read(&set_of(removed))).unwrap());
        }
        let before = set_of(&base);
        let after = match Change::all(changes, idle).unwrap() {
            Some(change) => change.apply(read(&before), idle).unwrap(),
            None => before,
        };
        prop_assert_eq!(after, set_of(&model));
    }

    #[test]
    fn ids_are_replaced(base in ids(3_000), pairs in prop::collection::vec((0..5_000u64, 0..5_000u64), 0..50)) {
        let by_old: std::collections::BTreeMap<u64, u64> = pairs.into_iter().collect();
        let model = base.iter().map(|id| by_old.get(id).copied().unwrap_or(*id)).collect();
        let pairs: Vec<_> = by_old.into_iter().collect();
        prop_assert_eq!(remap(read(&set_of(&base)), &pairs, idle).unwrap(), set_of(&model));
    }

    #[test]
    fn a_cover_is_greedy(sets in prop::collection::vec(prop::collection::btree_set(0..60u64, 0..20), 0..8), picks in 0..9usize) {
        let bytes: Vec<_> = sets.iter().map(set_of).collect();
        let views: Vec<_> = bytes.iter().map(|bytes| read(bytes)).collect();
        let mut covered = BTreeSet::new();
        for pick in greedy_cover(&views, picks, idle).unwrap() {
            let most = sets.iter().map(|set| (set - &covered).len()).max().unwrap();
            let first = sets.iter().position(|set| (set - &covered).len() == most).unwrap();
            covered = &covered | &sets[pick.set];
            prop_assert_eq!(pick, Pick { set: first, added: most as u64, covered: covered.len() as u64 });
        }
    }

    #[test]
    fn damage_is_an_error((ids, other) in pair(20_000), at: prop::sample::Index, bit in 0..8u32) {
        let whole = set_of(&ids);
        let other = set_of(&other);
        let mut bytes = whole.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let verdict = FollowerSet::new(&bytes).and_then(|set| set.verify(idle));
        prop_assert!(verdict.is_err(), "byte {} of {}", at, bytes.len());
        prop_assert!(FollowerSet::new(&whole[..at]).and_then(|set| set.verify(idle)).is_err());
        if let Ok(set) = FollowerSet::new(&bytes) {
            prop_assert!(union(set, read(&other), idle).is_err());
        }
    }

    /// Checksums do not stop a forger: whatever stands under right ones is read without a panic, in ascending order, or refused.
    #[test]
    fn forgeries_are_read_in_order_or_refused(
        first in 0..=i64::MAX as u64, count in 1..400u64, body in prop::collection::vec(any::<u8>(), 0..3_000),
        small in any::<bool>(),
    ) {
        let body: Vec<u8> = if small { body.iter().map(|byte| byte % 5).collect() } else { body };
        let bytes = forge(first, count, &body);
        if let Ok(set) = FollowerSet::new(&bytes)
            && set.verify(idle).is_ok()
        {
            let ids = ids_of(&bytes);
            prop_assert_eq!(ids.len() as u64, count);
            prop_assert!(ids.is_sorted_by(|a, b| a < b) && *ids.last().unwrap() <= i64::MAX as u64);
            let again = set_of(&ids.iter().copied().collect());
            prop_assert!(set.equals(read(&again), idle).unwrap());
            prop_assert_eq!(set.hash(1, idle), read(&again).hash(1, idle));
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(FollowerSet::new(&bytes).and_then(|set| set.verify(idle)).is_err());
    }
}

/// One chunk with right checksums.
fn forge(first: u64, count: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    let checksum = crc32fast::hash(&[&bytes[..4], &bytes[8..]].concat());
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn the_format_does_not_change() {
    // Stored for ever: whoever changes these bytes needs a new version number.
    assert_eq!(hex(&from_ids(vec![]).unwrap()), "01000000008a70e00000000000000000");
    assert_eq!(
        hex(&from_ids(vec![3, 1, 2, 3, 1_000]).unwrap()),
        "01000000310e72b90400000000000000010000000000000004000000577c32850000e407"
    );
    let many: Vec<u64> = (0..20_000).map(|place| place * place).collect();
    let bytes = from_ids(many).unwrap();
    assert_eq!(bytes.len(), 36_322);
    assert_eq!(hex(&crc32fast::hash(&bytes).to_be_bytes()), "f447b019");
    assert_eq!(read(&bytes).hash(0, idle).unwrap(), 4_780_626_571_455_168_365);
}

#[test]
fn a_million_and_no_more_bytes_than_a_fifth_above_the_bound() {
    // Uniform in 2e10: log2(range / number) + log2(e) bits an id.
    let mut state = 0;
    let ids: Vec<u64> = std::iter::repeat_with(|| {
        state += 1;
        mix(state) % 20_000_000_000
    })
    .take(1_000_000)
    .collect();
    let distinct = ids.iter().collect::<BTreeSet<_>>().len() as f64;
    let bytes = from_ids(ids).unwrap();
    let bound = distinct * ((2e10 / distinct).log2() + std::f64::consts::LOG2_E) / 8.0;
    assert!((bytes.len() as f64) < 1.2 * bound, "{} bytes, bound {bound}", bytes.len());
}

#[test]
fn dense_ids_weigh_next_to_nothing() {
    let bytes = from_ids((5..1_000_005).collect()).unwrap();
    assert!(bytes.len() < 20_000, "{}", bytes.len());
    assert_eq!(ids_of(&bytes).len(), 1_000_000);
}

#[test]
fn more_than_a_buffer_in_descending_order() {
    let mut collector = Collector::default();
    let number = (1 << 22) * 2 + 77;
    for id in (0..number).rev() {
        collector.push(id * 3, idle).unwrap();
    }
    let bytes = collector.finish(idle).unwrap();
    assert_eq!(read(&bytes).count(), number);
    assert_eq!(read(&bytes).max().unwrap(), Some((number - 1) * 3));
    read(&bytes).verify(idle).unwrap();
}

#[test]
fn claims_beyond_the_limit_are_refused_by_the_head_alone() {
    let mut head = from_ids(vec![]).unwrap();
    head[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(Directory::length(&head), Err(Error::Damaged("it claims more ids than it can hold")));
    head[0] = 2;
    assert_eq!(Directory::length(&head), Err(Error::Version(2)));
}

#[test]
fn chunks_of_the_other_side_are_skipped() {
    // A damaged chunk that lies beside all ids of the other set is never read.
    let many: Vec<u64> = (0..100_000).map(|place| place * 10).collect();
    let mut bytes = from_ids(many).unwrap();
    let place = read(&bytes).directory().place(3);
    bytes[place.start] ^= 0xff;
    let few = from_ids(vec![0, 999_990]).unwrap();
    let counts = compare(read(&bytes), read(&few), idle).unwrap();
    assert_eq!(counts, Comparison { both: 2, left: 99_998, right: 0 });
    assert!(read(&bytes).contains(999_990).unwrap());
    assert!(read(&bytes).verify(idle).is_err());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
