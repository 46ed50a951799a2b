use proptest::prelude::*;

use super::*;
use crate::engagement::{engagement_rate, engagement_rate_by_followers};

type Row = ([Option<i64>; 4], Option<i64>);

fn summary(rows: &[Row]) -> Summary {
    let mut summary = Summary::new(Denominator::Reach);
    for (counts, reach) in rows {
        summary.add(*counts, *reach);
    }
    summary
}

fn rate((counts, reach): &Row) -> Option<f64> {
    let [likes, comments, shares, saves] = *counts;
    engagement_rate(likes, comments, shares, saves, *reach)
}

fn post(likes: i64, reach: i64) -> Row {
    ([Some(likes), Some(0), Some(0), Some(0)], Some(reach))
}

/// Counts as they come, hidden ones, and the extremes.
fn count() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        10 => (0..5_000_i64).prop_map(Some),
        2 => Just(Some(0)),
        1 => prop_oneof![Just(None), Just(Some(-1)), Just(Some(i64::MIN))],
        1 => (0..=i64::MAX).prop_map(Some),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let reach = prop_oneof![
        10 => (1..1_000_000_i64).prop_map(Some),
        1 => prop_oneof![Just(None), Just(Some(0)), Just(Some(-1))],
        1 => (1..=i64::MAX).prop_map(Some),
    ];
    prop_oneof![4 => ([count(), count(), count(), count()], reach), 1 => Just(post(0, 10)), 1 => Just(post(1, 1_000))]
}

#[test]
fn two_posts() {
    let stats = summary(&[post(100, 1_000), post(50, 10_000)]);
    assert_eq!(stats.mean_of_ratios(), Some(5.25));
    assert_eq!(stats.ratio_of_sums(), Some(15_000.0 / 11_000.0));
    assert_eq!(stats.standard_deviation(), Ok(Some(4.75 * 2_f64.sqrt())));
    assert_eq!((stats.minimum(), stats.maximum()), (Some(0.5), Some(10.0)));
    assert_eq!((stats.interactions(), stats.denominators()), (150, 11_000));
    assert_eq!([0.0, 0.5, 0.51, 1.0].map(|fraction| stats.quantile(fraction)), [0.5, 0.5, 10.0, 10.0].map(Some));
}

#[test]
fn what_is_unknown_is_counted_apart() {
    let known = Some(1);
    let stats = summary(&[
        post(5, 100),
        ([known, known, None, known], Some(10)),
        ([Some(-1), known, known, known], Some(10)),
        ([known; 4], Some(0)),
        ([known; 4], None),
        ([known; 4], Some(-5)),
        ([None; 4], None),
    ]);
    assert_eq!(stats.posts(), 7);
    assert_eq!(stats.posts_with_rate(), 1);
    assert_eq!(stats.posts_with_hidden_counts(), 3);
    assert_eq!(stats.posts_with_denominator(), 3);
    assert_eq!((stats.mean_of_ratios(), stats.minimum()), (Some(5.0), Some(5.0)), "the unknown are no zeros");
    assert_eq!((stats.interactions(), stats.denominators()), (5, 100), "and add nothing to the sums");
}

#[test]
fn nothing_known() {
    for rows in [&[] as &[Row], &[([None; 4], Some(1))]] {
        let stats = summary(rows);
        assert_eq!(stats.posts(), rows.len() as u64);
        assert_eq!(stats.mean_of_ratios(), None);
        assert_eq!(stats.ratio_of_sums(), None);
        assert_eq!(stats.standard_deviation(), Ok(None));
        assert_eq!((stats.minimum(), stats.maximum(), stats.quantile(0.5)), (None, None, None));
    }
}

#[test]
fn one_post_has_no_deviation_and_equal_posts_have_none_to_speak_of() {
    assert_eq!(summary(&[post(7, 100)]).standard_deviation(), Ok(None));
    let alike = vec![post(1, 3); 1_000];
    assert_eq!(summary(&alike).standard_deviation(), Ok(Some(0.0)));
    assert_eq!(summary(&alike).mean_of_ratios(), rate(&alike[0]));
}

#[test]
fn zeros_are_rates() {
    let stats = summary(&[post(0, 10), post(0, 10), post(0, 10), post(1, 10), post(2, 10)]);
    assert_eq!(stats.posts_with_rate(), 5);
    assert_eq!(stats.mean_of_ratios(), Some(6.0));
    assert_eq!((stats.minimum(), stats.quantile(0.6), stats.quantile(0.9)), (Some(0.0), Some(0.0), Some(20.0)));
    let near = stats.quantile(0.7).unwrap();
    assert!((near / 10.0 - 1.0).abs() <= stats.relative_error(), "{near}");
}

#[test]
fn the_formula_is_that_of_the_denominator() {
    let mut stats = Summary::new(Denominator::Followers);
    stats.add([Some(20), Some(10)], Some(1_000));
    assert_eq!(stats.maximum(), engagement_rate_by_followers(Some(20), Some(10), Some(1_000)));
    assert_eq!(
        stats.merge(&Summary::new(Denominator::Views)),
        Err(Error::Mixed(Denominator::Followers, Denominator::Views))
    );
}

#[test]
fn rates_far_apart_share_wider_buckets() {
    let whole = || summary(&[post(1, i64::MAX), post(1, 1_000), ([Some(i64::MAX); 4], Some(1))]);
    assert_eq!(summary(&[post(1, 1 << 31), post(1, 1)]).relative_error(), 1.0 / 129.0);
    assert_eq!(summary(&[post(1, 1 << 33), post(1, 1)]).relative_error(), 1.0 / 65.0);
    assert_eq!(whole().relative_error(), 1.0 / 17.0);
    let middle = whole().quantile(0.5).unwrap();
    assert!((middle / 0.1 - 1.0).abs() <= 1.0 / 17.0, "{middle}");
    // Whoever comes last, the level is the same.
    let (mut wide, narrow) = (whole(), summary(&[post(3, 100)]));
    let mut other = narrow.clone();
    other.merge(&wide).unwrap();
    wide.merge(&narrow).unwrap();
    assert_eq!(wide.to_bytes(), other.to_bytes());
}

#[test]
fn a_summary_stays_small() {
    let rows: Vec<Row> = (0..200_000_i64).map(|n| post(n * 7_919 % 300_007, 1 + n * 104_729 % 900_001)).collect();
    let length = summary(&rows).to_bytes().len();
    assert!(length < 3_000, "{length}");
    assert!(summary(&rows[..1]).to_bytes().len() < 100);
    // Every bucket in use, a million million posts in each.
    let mut most = summary(&(0..2_048).map(|n| post((64 + n % 64) << (n / 64), 1 << 14)).collect::<Vec<_>>());
    assert_eq!(most.posts_with_rate(), 2_048);
    for _ in 0..40 {
        let same = most.clone();
        most.merge(&same).unwrap();
    }
    let length = most.to_bytes().len();
    assert!(length < 13_000, "{length}");
    assert_eq!(most.relative_error(), 1.0 / 129.0);
}

#[test]
fn too_many_posts_are_refused() {
    let mut stats = summary(&[post(1, 1)]);
    let error = (0..70).find_map(|_| {
        let same = stats.clone();
        stats.merge(&same).err()
    });
    assert_eq!(error, Some(Error::TooMany));
}

/// What is written is stored: a change of these bytes needs a new version.
#[test]
fn the_format_is_this() {
    let hex = |stats: Summary| stats.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(Summary::new(Denominator::Followers)), FORMAT[0]);
    assert_eq!(hex(summary(&[post(0, 10), post(5, 100), post(7, 100), ([None; 4], Some(1))])), FORMAT[1]);
}

const FORMAT: [&str; 2] = [
    "01adde42fb0100000000",
    "0134ebf22900030100000cd2010100000000000000000000000000001c400f0000000000000000000000000080011d000000000000000000000000000000000000000000000000000000280100d01d01001e01",
];

#[test]
fn what_is_no_summary_is_refused() {
    assert_eq!(Summary::from_bytes(&[]).unwrap_err(), Error::Damaged("it is empty"));
    assert_eq!(Summary::from_bytes(&[1, 2]).unwrap_err(), Error::Damaged("it is too short"));
    assert_eq!(Summary::from_bytes(&[9, 0, 0, 0, 0, 0]).unwrap_err(), Error::Version(9));
    let bytes = summary(&[post(5, 100), post(0, 7)]).to_bytes();
    for bit in 0..8 * bytes.len() {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Summary::from_bytes(&damaged).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(Summary::from_bytes(&with_checksum(bytes[..length].to_vec())).is_err(), "{length}");
    }
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= 5 {
        let checksum = crc32fast::hash(&bytes[5..]);
        bytes[1..5].copy_from_slice(&checksum.to_le_bytes());
    }
    bytes
}

fn ask_everything(stats: &Summary) {
    let rated = stats.posts_with_rate();
    assert!(stats.posts() >= rated && stats.posts() >= stats.posts_with_denominator());
    assert!(stats.posts_with_hidden_counts() <= stats.posts() - rated);
    assert!(
        stats.ratio_of_sums().is_none_or(|ratio| ratio >= 0.0) && stats.mean_of_ratios().is_none_or(|mean| mean >= 0.0)
    );
    assert!(stats.standard_deviation().map_or(true, |deviation| deviation.is_none_or(|deviation| deviation >= 0.0)));
    let mut before = stats.minimum();
    for fraction in [0.0, 1e-300, 0.1, 0.5, 0.9, 1.0] {
        let quantile = stats.quantile(fraction);
        assert!(quantile >= before, "{quantile:?} {before:?}");
        before = quantile;
    }
    assert_eq!(before, stats.maximum());
    assert!(stats.relative_error() <= 1.0 / 17.0);
    assert_eq!(Summary::from_bytes(&stats.to_bytes()).unwrap().to_bytes(), stats.to_bytes());
}

proptest! {
    #[test]
    fn the_same_posts_give_the_same_bytes_in_any_order_and_however_split(
        rows in prop::collection::vec((row(), 0..4_usize, any::<u32>()), 0..200),
    ) {
        let whole = summary(&rows.iter().map(|(row, ..)| *row).collect::<Vec<_>>());
        let mut shuffled = rows;
        shuffled.sort_by_key(|(_, _, order)| *order);
        let mut parts = [(); 4].map(|()| Summary::new(Denominator::Reach));
        for ((counts, reach), part, _) in shuffled {
            parts[part].add(counts, reach);
        }
        let [a, b, mut c, d] = parts;
        let mut rolled = d;
        c.merge(&a).unwrap();
        rolled.merge(&b).unwrap();
        rolled.merge(&Summary::from_bytes(&c.to_bytes()).unwrap()).unwrap();
        prop_assert_eq!(rolled.to_bytes(), whole.to_bytes());
    }

    #[test]
    fn it_agrees_with_the_list_of_rates(rows in prop::collection::vec(row(), 0..200)) {
        let stats = summary(&rows);
        ask_everything(&stats);
        let mut rates: Vec<f64> = rows.iter().filter_map(rate).collect();
        rates.sort_by(f64::total_cmp);
        prop_assert_eq!(stats.posts(), rows.len() as u64);
        prop_assert_eq!(stats.posts_with_rate(), rates.len() as u64);
        prop_assert_eq!(stats.minimum(), rates.first().copied());
        prop_assert_eq!(stats.maximum(), rates.last().copied());
        let n = rates.len() as f64;
        let close = |ours: Option<f64>, theirs: f64| ours.is_none_or(|ours| (ours - theirs).abs() <= 1e-12 * theirs.abs());
        prop_assert!(close(stats.mean_of_ratios(), rates.iter().sum::<f64>() / n));
        for fraction in [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0] {
            let exact = rates.get((fraction * n).ceil().max(1.0) as usize - 1);
            let near = stats.quantile(fraction);
            prop_assert_eq!(near.is_some(), exact.is_some());
            if let (Some(near), Some(exact)) = (near, exact) {
                prop_assert!((near - exact).abs() <= exact * stats.relative_error() * (1.0 + 1e-12), "{} {}", near, exact);
            }
        }
    }

    #[test]
    fn the_deviation_is_that_of_the_definition(rates in prop::collection::vec((0..5_000_i64, 1..1_000_000_i64), 2..100)) {
        let rows: Vec<Row> = rates.iter().map(|(likes, reach)| post(*likes, *reach)).collect();
        let deviation = summary(&rows).standard_deviation().unwrap().unwrap();
        let rates: Vec<f64> = rows.iter().filter_map(rate).collect();
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        let twice = (rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / (rates.len() - 1) as f64).sqrt();
        prop_assert!((deviation - twice).abs() <= 1e-9 * twice + 1e-12 * mean, "{} {}", deviation, twice);
    }

    #[test]
    fn what_is_removed_was_never_there(stays in prop::collection::vec(row(), 0..60), goes in prop::collection::vec(row(), 0..60)) {
        let mut stats = summary(&[goes.clone(), stays.clone()].concat());
        if goes.iter().all(|(counts, reach)| stats.remove(*counts, *reach)) {
            prop_assert_eq!(stats.to_bytes(), summary(&stays).to_bytes());
        }
    }

    #[test]
    fn usual_posts_can_be_removed(stays in prop::collection::vec((1..5_000_i64, 1..1_000_000_i64), 1..60), goes in prop::collection::vec(10..20_i64, 0..60)) {
        let stays: Vec<Row> = stays.into_iter().map(|(likes, reach)| post(likes, reach)).chain([post(1, 2_000), post(0, 1), post(100, 1)]).collect();
        let goes: Vec<Row> = goes.into_iter().map(|likes| post(likes, 1_000)).chain([post(0, 5), ([None; 4], None)]).collect();
        let mut stats = summary(&[stays.clone(), goes.clone()].concat());
        for (counts, reach) in &goes {
            prop_assert!(stats.remove(*counts, *reach));
        }
        prop_assert_eq!(stats.to_bytes(), summary(&stays).to_bytes());
    }

    #[test]
    fn any_bytes_are_refused_or_can_be_asked_anything(
        rows in prop::collection::vec(row(), 0..20), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        noise in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = summary(&rows).to_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let joined = [&bytes[..cut.index(bytes.len() + 1)], &noise].concat();
        for bytes in [bytes, joined, [&[1, 0, 0, 0, 0], noise.as_slice()].concat()] {
            if let Ok(stats) = Summary::from_bytes(&with_checksum(bytes)) {
                ask_everything(&stats);
                let (mut twice, usual) = (stats.clone(), summary(&rows));
                _ = twice.merge(&stats);
                if twice.merge(&usual).is_ok() {
                    twice.to_bytes();
                }
            }
        }
    }
}
