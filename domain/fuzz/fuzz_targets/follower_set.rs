//! Any bytes are refused or read as an ascending set that means the same to every operation. Checksums are put right first, or
//! nothing behind them would ever be reached.
#![no_main]

use analytics_domain::follower_set::{Collector, Directory, FollowerSet, Ids, compare, difference, intersection, union};
use libfuzzer_sys::fuzz_target;

fn idle() {}

/// Head and directory of 16 bytes and a multiple of them, then the chunks.
fn with_checksums(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let length = Directory::length(&bytes).ok().filter(|length| *length <= bytes.len())?;
    let mut start = length;
    for entry in (16..length).step_by(16) {
        let end = length + u32::from_le_bytes(bytes[entry + 8..entry + 12].try_into().ok()?) as usize;
        let checksum = crc32fast::hash(bytes.get(start..end)?);
        bytes[entry + 12..entry + 16].copy_from_slice(&checksum.to_le_bytes());
        start = end;
    }
    let checksum = crc32fast::hash(&[&bytes[..4], &bytes[8..length]].concat());
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    Some(bytes)
}

fuzz_target!(|bytes: &[u8]| {
    let Some(bytes) = with_checksums(bytes) else { return };
    let Ok(set) = FollowerSet::new(&bytes) else { return };
    if set.verify(idle).is_err() {
        return;
    }
    let ids: Vec<u64> = Ids::new(bytes.clone()).unwrap().map(Result::unwrap).collect();
    assert_eq!(ids.len() as u64, set.count());
    assert!(ids.is_sorted_by(|a, b| a < b) && ids.last().is_none_or(|last| *last <= i64::MAX as u64));
    assert_eq!((set.min(), set.max().unwrap()), (ids.first().copied(), ids.last().copied()));
    let mut collector = Collector::default();
    for id in ids.iter().rev() {
        collector.push(*id, idle).unwrap();
    }
    let canonical = collector.finish(idle).unwrap();
    let again = FollowerSet::new(&canonical).unwrap();
    assert!(set.equals(again, idle).unwrap());
    assert_eq!(set.hash(0, idle), again.hash(0, idle));
    assert_eq!(compare(set, again, idle).unwrap().both, set.count());
    assert_eq!(union(set, again, idle).unwrap(), canonical);
    assert_eq!(intersection(again, set, idle).unwrap(), canonical);
    assert!(FollowerSet::new(&difference(set, again, idle).unwrap()).unwrap().is_empty());
});
