use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Tree, json};

use super::document::{Container, Number, Value};
use super::{Audience, Basis, Collector, Error, MAX_KEY, MAX_KEYS, Malformed, from_json};

/// A document in memory.
#[derive(Clone, Copy)]
struct Node<'a>(&'a Tree);

fn look(tree: &Tree) -> Value<'_, Node<'_>> {
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(_) => Value::Boolean,
        Tree::String(text) => Value::Text(text.as_bytes()),
        Tree::Number(number) => Value::Number(match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => Number::Whole(whole),
            (_, Some(value)) if value < 0.0 => Number::Negative,
            (_, Some(value)) if value < 1e18 => {
                Number::Fixed { value: (value * 1e15).round() as u128 * 1000, has_point: true }
            }
            (_, Some(_)) => Number::TooLarge,
            _ => Number::NotANumber,
        }),
        Tree::Array(_) => Value::List(Node(tree)),
        Tree::Object(_) => Value::Object(Node(tree)),
    }
}

impl<'a> Container<'a> for Node<'a> {
    fn shape(self) -> Option<[&'a [u8]; 2]> {
        None
    }

    fn fields(self) -> impl Iterator<Item = Option<(&'a [u8], Value<'a, Self>)>> {
        let Tree::Object(map) = self.0 else { panic!("no object") };
        map.iter().map(|(key, value)| Some((key.as_bytes(), look(value))))
    }

    fn values(self) -> impl Iterator<Item = Option<Value<'a, Self>>> {
        let values: Vec<&Tree> = match self.0 {
            Tree::Array(list) => list.iter().collect(),
            Tree::Object(map) => map.values().collect(),
            _ => panic!("no container"),
        };
        values.into_iter().map(|value| Some(look(value)))
    }
}

fn merged(documents: &[(Tree, Option<f64>)]) -> Vec<u8> {
    let mut collector = Collector::default();
    for (document, size) in documents {
        collector.push(Some(look(document)), *size).unwrap();
    }
    collector.finish()
}

fn one(document: Tree) -> Vec<u8> {
    merged(&[(document, None)])
}

/// Keys with count and share.
fn parts(bytes: &[u8]) -> Vec<(String, Option<u128>, Option<f64>)> {
    Audience::decode(bytes).unwrap().parts().map(|part| (part.key.to_owned(), part.count, part.share)).collect()
}

fn row(key: &str, count: Option<u128>, share: f64) -> (String, Option<u128>, Option<f64>) {
    (key.to_owned(), count, Some(share))
}

#[test]
fn forms_of_counts() {
    let expected = vec![row("FR", Some(1000), 0.25), row("US", Some(3000), 0.75)];
    for document in [
        json!({"US": 3000, "FR": 1000}),
        json!({"US": 3000.0, "FR": 1000.0}),
        json!({"us": 3000, "FR": 1000, "DE": null}),
        json!({"US": 2000, "us": 1000, "FR": 1000}),
        json!([{"country": "US", "count": 3000}, {"count": 1000, "country": "FR"}]),
        json!([{"country": "US", "count": 3000, "share": 0.9}, {"country": "FR", "value": null, "count": 1000, "name": "France"}]),
        json!([{"code": "US", "value": 3000}, {"code": "FR", "value": 1000}]),
        json!({"distribution": {"US": 3000, "FR": 1000}}),
        json!({"base": 3, "distribution": {"US": 3000, "FR": 1000}}),
        json!({"breakdowns": [{"dimension_keys": ["country"], "results":
            [{"dimension_values": ["US"], "value": 3000}, {"dimension_values": ["FR"], "value": 1000}]}]}),
        json!({"data": [{"name": "follower_demographics", "period": "lifetime", "title": "Followers", "total_value": {"breakdowns": [
            {"dimension_keys": ["timeframe", "country"], "results": [{"dimension_values": ["THIS_MONTH", "US"], "value": 3000},
            {"dimension_values": ["THIS_MONTH", "FR"], "value": 1000}]}]}, "id": "1/insights"}], "paging": {}}),
    ] {
        assert_eq!(parts(&one(document.clone())), expected, "{document}");
    }
}

#[test]
fn forms_of_shares() {
    let expected = vec![row("female", None, 0.36), row("male", None, 0.64)];
    for document in [
        json!({"male": 0.64, "female": 0.36}),
        json!({"M": "64%", "F": "36.0%"}),
        json!({"men": " 64 %", "women": "36,0%"}),
        json!("male: 64%, female: 36%"),
        json!({"href": "", "value": "men: 64%, women: 36%", "timestamp": 0}),
        json!([{"gender": "male", "share": 0.64}, {"gender": "female", "share": 0.36}]),
        json!([{"gender": "male", "percentage": 64}, {"gender": "female", "percentage": 36.0}]),
        json!([{"gender": "male", "value": 0.64}, {"gender": "female", "value": 0.36}]),
    ] {
        let alone = one(document.clone());
        assert_eq!(parts(&alone), expected, "{document}");
        assert_eq!(Audience::decode(&alone).unwrap().basis(), Some(Basis::Documents));
        let based = merged(&[(document, Some(196.0))]);
        assert_eq!(parts(&based), expected);
        assert_eq!(Audience::decode(&based).unwrap().base(), Some(196.0));
    }
    assert_eq!(
        parts(&one(json!({"a name": 1.0, "another": 0.0}))),
        [row("a name", None, 1.0), row("another", None, 0.0)]
    );
    assert_eq!(
        parts(&one(json!({"a name": 1, "another": 0}))),
        [row("a name", Some(1), 1.0), row("another", Some(0), 0.0)]
    );
    let of_many = merged(&[(json!({"a name": 1, "another": 0}), Some(50.0))]);
    assert_eq!(parts(&of_many), [row("a name", None, 1.0), row("another", None, 0.0)]);
}

#[test]
fn keys_with_commas_and_pairs() {
    let cities = one(json!("London, England: 30.6%, Lagos: 3,6%, S\u{e3}o Paulo: 0%"));
    assert_eq!(
        parts(&cities),
        [row("Lagos", None, 0.036), row("London, England", None, 0.306), row("S\u{e3}o Paulo", None, 0.0)]
    );
    for pairs in [
        json!({"breakdowns": [{"dimension_keys": ["age", "gender"], "results": [{"dimension_values": ["25-34", "F"], "value": 7}]}]}),
        json!({"F.25-34": 7}),
        json!([{"range": "25-34", "gender": "female", "count": 7}]),
    ] {
        assert_eq!(parts(&one(pairs)), [row("25-34.F", Some(7), 1.0)]);
    }
    assert_eq!(
        parts(&one(json!([{"hour": 14, "count": 2}, {"hour": null, "count": 2}]))),
        [row("14", Some(2), 0.5), row("unknown", Some(2), 0.5)]
    );
}

#[test]
fn counts_and_shares_are_weighed_by_their_base() {
    // 50 of 100 and 30 % of 300.
    let both = merged(&[(json!({"US": 50, "FR": 50}), None), (json!({"US": 0.3, "FR": 0.7}), Some(300.0))]);
    assert_eq!(parts(&both), [row("FR", Some(50), 0.65), row("US", Some(50), 0.35)]);
    let audience = Audience::decode(&both).unwrap();
    assert_eq!((audience.base(), audience.documents(), audience.left_out()), (Some(400.0), 2, 0));

    // A list that is cut: the size says what its counts are shares of.
    let cut = merged(&[(json!({"Paris": 10}), Some(40.0))]);
    assert_eq!(parts(&cut), [row("Paris", Some(10), 0.25)]);
    assert_eq!(parts(&merged(&[(json!({"Paris": 10}), Some(4.0))])), [row("Paris", Some(10), 1.0)]);

    // Shares of audiences of unknown size are left out beside others, and weigh the same among themselves.
    let alone = [(json!({"US": 0.3}), None), (json!({"US": 0.5}), None)];
    assert_eq!(parts(&merged(&alone)), [row("US", None, 0.4)]);
    let beside = merged(&[alone[0].clone(), (json!({"US": 50, "FR": 50}), None)]);
    assert_eq!(parts(&beside)[1], row("US", Some(50), 0.5));
    assert_eq!(Audience::decode(&beside).unwrap().left_out(), 1);
}

#[test]
fn activity_is_no_share() {
    let hours = [
        (json!([{"hour": 14, "activity": 0.8}, {"hour": 15, "activity": 1}]), Some(100.0)),
        (json!([{"hour": 14, "activity": 0.4}]), Some(300.0)),
    ];
    let bytes = merged(&hours);
    let audience = Audience::decode(&bytes).unwrap();
    assert_eq!(
        (audience.basis(), audience.share("14"), audience.share("15")),
        (Some(Basis::Activity), Some(0.5), Some(0.25))
    );
    let people = one(json!({"14": 1, "15": 1}));
    let affinity = audience.affinity(&Audience::decode(&people).unwrap(), 0.0);
    assert!(affinity.iter().all(|row| row.affinity.is_none()));
}

#[test]
fn unknown_is_not_zero() {
    let mut collector = Collector::default();
    collector.push::<Node>(None, None).unwrap();
    for document in [
        json!(null),
        json!([]),
        json!({}),
        json!({"data": []}),
        json!({"US": null}),
        json!({"distribution": null}),
        json!({"data": [{"total_value": {"breakdowns": [{"dimension_keys": ["country"]}]}}]}),
        json!(""),
    ] {
        collector.push(Some(look(&document)), Some(50.0)).unwrap();
    }
    let bytes = collector.finish();
    let audience = Audience::decode(&bytes).unwrap();
    assert_eq!((audience.tally.unknown, audience.tally.empty, audience.documents()), (2, 7, 0));
    assert_eq!((audience.share("US"), audience.base(), audience.basis()), (None, None, None));
    assert_eq!(audience.unreadable().count(), 0);

    let zeros = one(json!({"US": 0, "FR": 0}));
    assert_eq!(parts(&zeros)[0], ("FR".to_owned(), Some(0), None));
}

#[test]
fn what_cannot_be_read_is_left_out_with_its_reason() {
    let long = "x".repeat(MAX_KEY + 1);
    let many: Vec<_> = (0..=MAX_KEYS).map(|key| json!({"city": key.to_string(), "count": 1})).collect();
    for (document, reason) in [
        (json!(5), "not_a_distribution"),
        (json!(true), "not_a_distribution"),
        (json!([1, 2]), "not_a_distribution"),
        (json!({"US": {"count": 3}}), "not_a_distribution"),
        (json!([{"country": "US"}]), "not_a_distribution"),
        (json!([{"count": 5}]), "not_a_distribution"),
        (json!("Lagos"), "not_a_distribution"),
        (json!({"total_value": {"value": 224}}), "not_a_distribution"),
        (
            json!({"distribution": {"distribution": {"distribution": {"distribution": {"US": 1}}}}}),
            "not_a_distribution",
        ),
        (json!({"US": "NaN"}), "not_a_number"),
        (json!({"US": "3000"}), "not_a_number"),
        (json!({"US": true}), "not_a_number"),
        (json!([{"country": "US", "count": 1.5}]), "not_a_number"),
        (json!("Lagos: many%"), "not_a_number"),
        (json!({"US": -1}), "negative"),
        (json!("Lagos: -1.6%"), "negative"),
        (json!({"US": 1e300}), "too_large"),
        (json!({"US": 16.1316, "BR": 8.8489}), "share_above_one"),
        (json!("Lagos: 101%"), "share_above_one"),
        (json!([{"country": "US", "share": 2}]), "share_above_one"),
        (json!({long: 1}), "key"),
        (json!([{"country": ["US"], "count": 1}]), "key"),
        (json!([{"country": "US", "count": 1}, {"country": "FR", "share": 0.5}]), "mixed"),
        (json!({"US": 5, "FR": "5%"}), "mixed"),
        (json!({"data": [], "distribution": {}}), "several_distributions"),
        (
            json!({"breakdowns": [{"results": [{"dimension_values": ["US"], "value": 5}]},
            {"results": [{"dimension_values": ["Paris"], "value": 5}]}]}),
            "several_distributions",
        ),
        (json!(many), "too_many_entries"),
        (json!({"base": -1, "US": 0.5}), "base"),
    ] {
        let good = json!({"FR": 3, "US": 1});
        let bytes = merged(&[(good.clone(), None), (document.clone(), None), (good.clone(), None)]);
        let audience = Audience::decode(&bytes).unwrap();
        let reasons: Vec<_> = audience.unreadable().map(|(reason, documents)| (reason.name(), documents)).collect();
        assert_eq!(reasons, [(reason, 1)], "{}", document.to_string().chars().take(200).collect::<String>());
        assert_eq!(parts(&bytes), [row("FR", Some(6), 0.75), row("US", Some(2), 0.25)]);
        assert!(matches!(from_json(look(&document)), Err(Malformed::Document(refused)) if refused.name() == reason));
    }
    for size in [-1.0, f64::NAN, f64::INFINITY, 1e16] {
        let bytes = merged(&[(json!({"US": 5}), Some(size))]);
        assert_eq!(Audience::decode(&bytes).unwrap().unreadable().next().unwrap().0.name(), "base");
    }
}

#[test]
fn bounds() {
    let portion = |from: usize| {
        json!((from..from + 40_000).map(|key| (format!("k{key}"), json!(1))).collect::<serde_json::Map<_, _>>())
    };
    let mut collector = Collector::default();
    collector.push(Some(look(&portion(0))), None).unwrap();
    let other = one(portion(40_000));
    assert_eq!(collector.add(&Audience::decode(&other).unwrap()), Err(Error::TooManyKeys));
    let mut collector = Collector::default();
    collector.push(Some(look(&portion(0))), None).unwrap();
    assert_eq!(collector.push(Some(look(&portion(40_000))), None), Err(Error::TooManyKeys));

    let mut collector = Collector::default();
    let most = json!({"US": u64::MAX});
    let full = (0..40).map(|_| collector.push(Some(look(&most)), None)).find(Result::is_err);
    assert_eq!(full, Some(Err(Error::TooLarge)));
    // Doubling goes on until something is full, and then it is said.
    let mut bytes = merged(&[(json!({"US": 0.5}), Some(9e15))]);
    for round in 0..200 {
        let mut collector = Collector::default();
        let audience = Audience::decode(&bytes).unwrap();
        if [collector.add(&audience), collector.add(&audience)].contains(&Err(Error::TooLarge)) {
            return;
        }
        assert!(round < 100);
        bytes = collector.finish();
    }
}

#[test]
fn refused_keys_leave_no_trace() {
    let mut collector = Collector::default();
    for round in 0..20 {
        let document = json!(
            (0..5000)
                .map(|key| (format!("{round}-{key}"), json!(1)))
                .chain([("~".to_owned(), json!("NaN"))])
                .collect::<serde_json::Map<_, _>>()
        );
        collector.push(Some(look(&document)), None).unwrap();
        collector.push(Some(look(&json!({"US": 1, "FR": 2}))), None).unwrap();
    }
    assert_eq!(parts(&collector.finish()), [row("FR", Some(40), 2.0 / 3.0), row("US", Some(20), 1.0 / 3.0)]);
}

#[test]
fn affinity_of_vectors() {
    let (here, there) =
        (one(json!({"US": 60, "FR": 30, "DE": 10})), one(json!({"US": 50, "FR": 60, "DE": 0, "IT": 40})));
    let (here, there) = (Audience::decode(&here).unwrap(), Audience::decode(&there).unwrap());
    let rows: Vec<_> =
        here.affinity(&there, 0.0).iter().map(|row| (row.key, row.share, row.baseline_share, row.affinity)).collect();
    assert_eq!(
        rows,
        [
            ("US", 0.6, Some(1.0 / 3.0), Some(0.6 / (1.0 / 3.0))),
            ("FR", 0.3, Some(0.4), Some(0.3 / 0.4)),
            ("DE", 0.1, Some(0.0), None),
        ]
    );
    assert_eq!(here.affinity(&there, 0.2).len(), 2);
    let back: Vec<_> = there.affinity(&here, 0.0).iter().map(|row| (row.key, row.affinity)).collect();
    assert_eq!(back[2..], [("DE", Some(0.0)), ("IT", None)]);
    assert_eq!(here.top(2).iter().map(|part| part.key).collect::<Vec<_>>(), ["US", "FR"]);
}

#[test]
fn the_bytes_stay_what_they_are() {
    let bytes = merged(&[(json!({"US": 50, "FR": 50}), None), (json!({"US": 0.5}), Some(300.0))]);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, FIXED);
    assert_eq!(Audience::decode(&bytes[..3]).unwrap_err(), Error::Damaged("it is cut off"));
    assert_eq!(Audience::decode(&[9]).unwrap_err(), Error::Version(9));
}
/// Stored since the first version.
const FIXED: &str =
    "01727d2e1700000000000000000000000001a08d0601e0a712000000020246520132000255530132018080e0a4c1a8c3d5a110";

fn document() -> impl Strategy<Value = (Tree, Option<f64>)> {
    let key = prop::sample::select(vec!["US", "us", "FR", "male", "M", "25-34.F", "London, England", "05", "", "NaN"]);
    let counts = prop::collection::btree_map(key.clone(), 0_u64..5_000_000_000, 0..6).prop_map(|map| json!(map));
    let shares = prop::collection::btree_map(key.clone(), 0.0..1.0_f64, 0..6).prop_map(|map| json!(map));
    let list = prop::collection::vec((key.clone(), 0_u64..1000), 0..6).prop_map(|list| {
        json!(list.iter().map(|(key, count)| json!({"city": key, "count": count})).collect::<Vec<_>>())
    });
    let activity = prop::collection::vec((0..24, 0.0..1.0_f64), 0..6).prop_map(|list| {
        json!(list.iter().map(|(hour, level)| json!({"hour": hour, "activity": level})).collect::<Vec<_>>())
    });
    let odd = prop::sample::select(vec![
        json!(null),
        json!([]),
        json!({"US": -1}),
        json!("US: 5%"),
        json!(7),
        json!({"data": []}),
    ]);
    let size = prop::option::of(prop_oneof![0.0..1e6_f64, Just(0.0), Just(1000.0), -1.0..0.0_f64]);
    (prop_oneof![counts, shares, list, activity, odd], size)
}

proptest! {
    /// Order and portions make no difference to a single bit, nor does JSON on the way.
    #[test]
    fn any_order_and_any_portions(documents in prop::collection::vec(document(), 1..12), cut in 0_usize..12, seed in any::<u64>()) {
        let whole = merged(&documents);
        let mut shuffled = documents.clone();
        shuffled.sort_by_key(|(document, _)| crc32fast::hash(format!("{seed}{document}").as_bytes()));
        prop_assert_eq!(&merged(&shuffled), &whole);

        let cut = cut.min(documents.len());
        let mut collector = Collector::default();
        for portion in [&documents[cut..], &documents[..cut]] {
            let bytes = merged(portion);
            let text = Audience::decode(&bytes).unwrap().to_json();
            // serde_json reads decimals as doubles; exact JSON is tested as it is stored.
            prop_assert!(serde_json::from_str::<Tree>(&text).is_ok(), "{}", text);
            collector.add(&Audience::decode(&bytes).unwrap()).unwrap();
        }
        prop_assert_eq!(&collector.finish(), &whole);

        let audience = Audience::decode(&whole).unwrap();
        for part in audience.parts() {
            prop_assert!(part.share.is_none_or(|share| (0.0..=12.0).contains(&share)));
        }
    }

    /// Counts against a map.
    #[test]
    fn counts_add_up(documents in prop::collection::vec(prop::collection::btree_map("[a-c]{3,5}", 2_u64..1000, 1..9), 1..9)) {
        let mut expected = BTreeMap::<String, u128>::new();
        for (key, count) in documents.iter().flatten() {
            *expected.entry(key.clone()).or_default() += u128::from(*count);
        }
        let total: u128 = expected.values().sum();
        let bytes = merged(&documents.iter().map(|map| (json!(map), None)).collect::<Vec<_>>());
        let expected: Vec<_> = expected.into_iter().map(|(key, sum)| (key, Some(sum), Some(sum as f64 / total as f64))).collect();
        prop_assert_eq!(parts(&bytes), expected);
    }

    /// Any bytes are refused, or an audience that is written as it was read.
    #[test]
    fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..200), change in any::<(u16, u8)>(), is_forged in any::<bool>()) {
        if is_forged {
            bytes = merged(&[(json!({"US": 50, "FR": 50}), None), (json!({"US": 0.5}), Some(300.0)), (json!({"F": 0.1}), None)]);
            let place = change.0 as usize % bytes.len();
            bytes[place] = change.1;
        }
        if bytes.len() >= 5 {
            bytes[0] = 1;
            let checksum = crc32fast::hash(&bytes[5..]);
            bytes[1..5].copy_from_slice(&checksum.to_le_bytes());
        }
        if let Ok(audience) = Audience::decode(&bytes) {
            let mut collector = Collector::default();
            if collector.add(&audience).is_ok() {
                prop_assert_eq!(collector.finish(), bytes.clone());
            }
            let _ = (audience.to_json(), audience.top(3), audience.affinity(&audience, 0.0), audience.share("us"));
        }
    }
}
