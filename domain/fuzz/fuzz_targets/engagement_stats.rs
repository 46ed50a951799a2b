//! Any bytes are refused or read as a summary that can be asked anything and merged. The checksum is put right first, or
//! nothing behind it would ever be reached.
#![no_main]

use analytics_domain::engagement_stats::{Denominator, Summary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    if let Some((head, rest)) = bytes.split_at_mut_checked(5) {
        head[1..].copy_from_slice(&crc32fast::hash(rest).to_le_bytes());
    }
    let Ok(summary) = Summary::from_bytes(&bytes) else { return };
    assert!(summary.posts() >= summary.posts_with_rate().max(summary.posts_with_denominator()));
    assert!(summary.mean_of_ratios().is_none_or(|mean| mean >= 0.0));
    assert!(summary.ratio_of_sums().is_none_or(|ratio| ratio >= 0.0));
    assert!(summary.standard_deviation().map_or(true, |deviation| deviation.is_none_or(|deviation| deviation >= 0.0)));
    let quantiles = [0.0, 0.01, 0.5, 0.99, 1.0].map(|fraction| summary.quantile(fraction));
    assert!(quantiles.is_sorted() && quantiles[0] == summary.minimum() && quantiles[4] == summary.maximum());
    // Written again it is the same, and reads as the same.
    let canonical = summary.to_bytes();
    assert_eq!(Summary::from_bytes(&canonical).unwrap().to_bytes(), canonical);
    let mut twice = summary.clone();
    if twice.merge(&summary).is_ok() {
        assert_eq!(twice.posts(), 2 * summary.posts());
        assert_eq!((twice.minimum(), twice.maximum()), (summary.minimum(), summary.maximum()));
        Summary::from_bytes(&twice.to_bytes()).unwrap();
    }
    let mut more = Summary::new(Denominator::Reach);
    for likes in [0, 1, 5, i64::MAX] {
        more.add([Some(likes); 4], Some(1 + likes / 3));
    }
    if more.merge(&summary).is_ok() {
        let mut other = summary.clone();
        let mut rest = Summary::new(Denominator::Reach);
        for likes in [i64::MAX, 5, 1, 0] {
            rest.add([Some(likes); 4], Some(1 + likes / 3));
        }
        other.merge(&rest).unwrap();
        assert_eq!(other.to_bytes(), more.to_bytes());
    }
});
