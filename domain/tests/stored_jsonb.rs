//! The reader of stored jsonb, which is plain Rust: over documents written here as the server writes them, and over any bytes.
//! Beside the server itself it is tested in tests/pgtap.

#[allow(dead_code)]
#[path = "../../src/pg/json/stored.rs"]
mod stored;

use analytics_domain::audience::document::{Container as _, Number, ONE, Value as Read};
use analytics_domain::audience::{Audience, Collector, from_json};
use proptest::prelude::*;
use stored::{Numeric, Value, document};

// Writing, as utils/adt/jsonb_util.c and numeric.c do ----------------------------------------------------------------------

#[derive(Debug, Clone)]
enum Tree {
    Null,
    Boolean(bool),
    Text(String),
    Number(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

const STRIDE: usize = 32;

fn object(mut pairs: Vec<(String, Tree)>) -> Tree {
    pairs.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    pairs.dedup_by(|(a, _), (b, _)| a == b);
    Tree::Object(pairs)
}

fn write(tree: &Tree) -> Vec<u8> {
    match tree {
        Tree::List(_) | Tree::Object(_) => container(tree),
        lone => {
            let mut bytes = container(&Tree::List(vec![lone.clone()]));
            bytes[3] |= 0x10;
            bytes
        }
    }
}

fn container(tree: &Tree) -> Vec<u8> {
    let (header, elements): (u32, Vec<Tree>) = match tree {
        Tree::List(list) => (0x4000_0000 | list.len() as u32, list.clone()),
        Tree::Object(pairs) => {
            let keys = pairs.iter().map(|(key, _)| Tree::Text(key.clone()));
            (0x2000_0000 | pairs.len() as u32, keys.chain(pairs.iter().map(|(_, value)| value.clone())).collect())
        }
        _ => unreachable!("no container"),
    };
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (place, element) in elements.iter().enumerate() {
        let start = data.len();
        let kind = match element {
            Tree::Text(text) => {
                data.extend_from_slice(text.as_bytes());
                0
            }
            Tree::Boolean(false) => 0x2000_0000,
            Tree::Boolean(true) => 0x3000_0000,
            Tree::Null => 0x4000_0000,
            aligned => {
                data.resize(data.len().next_multiple_of(4), 0);
                let (kind, bytes) = match aligned {
                    Tree::Number(text) => (0x1000_0000, numeric(text)),
                    container_of => (0x5000_0000, container(container_of)),
                };
                data.extend_from_slice(&bytes);
                kind
            }
        };
        let entry: u32 = if place % STRIDE == 0 {
            0x8000_0000 | kind | data.len() as u32
        } else {
            kind | (data.len() - start) as u32
        };
        entries.extend_from_slice(&entry.to_ne_bytes());
    }
    [header.to_ne_bytes().as_slice(), &entries, &data].concat()
}

/// With a length of four bytes before it.
fn numeric(text: &str) -> Vec<u8> {
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let padded = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let digits = format!("{whole}{padded}");
    let mut digits: Vec<u16> =
        digits.as_bytes().chunks(4).map(|four| str::from_utf8(four).unwrap().parse().unwrap()).collect();
    let mut weight = whole.len() as i16 / 4 - 1;
    while digits.first() == Some(&0) {
        digits.remove(0);
        weight -= 1;
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    if digits.is_empty() {
        weight = 0;
    }
    let scale = fraction.len() as u16;
    let mut bytes = vec![0; 4];
    if scale <= 0x3F && (-64..=63).contains(&weight) {
        let sign = if is_negative { 0x2000 } else { 0 };
        let header = 0x8000 | sign | scale << 7 | if weight < 0 { 0x40 } else { 0 } | weight as u16 & 0x3F;
        bytes.extend_from_slice(&header.to_ne_bytes());
    } else {
        let header = if is_negative { 0x4000 } else { 0 } | scale;
        bytes.extend_from_slice(&header.to_ne_bytes());
        bytes.extend_from_slice(&weight.to_ne_bytes());
    }
    digits.iter().for_each(|digit| bytes.extend_from_slice(&digit.to_ne_bytes()));
    let length = (bytes.len() as u32) << 2;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// What was read, to be compared with what was written.
fn tree(value: Value) -> Option<Tree> {
    Some(match value {
        Value::Null => Tree::Null,
        Value::Boolean(value) => Tree::Boolean(value),
        Value::Text(text) => Tree::Text(str::from_utf8(text).ok()?.to_owned()),
        Value::Number(number) => {
            number.parts()?;
            Tree::Number(String::new())
        }
        Value::List(list) => Tree::List(list.values().map(|value| tree(value?)).collect::<Option<_>>()?),
        Value::Object(object) => Tree::Object(
            object
                .pairs()
                .map(|pair| {
                    let (key, value) = pair?;
                    Some((str::from_utf8(key).ok()?.to_owned(), tree(value)?))
                })
                .collect::<Option<_>>()?,
        ),
    })
}

fn number(text: &str) -> Number {
    let bytes = write(&Tree::Number(text.to_owned()));
    match document(&bytes).and_then(Value::for_domain) {
        Some(Read::Number(number)) => number,
        other => panic!("{text} was read as {other:?}"),
    }
}

#[test]
fn numbers() {
    for whole in [
        0,
        1,
        9,
        9999,
        10_000,
        10_001,
        99_990_000,
        123_456_789,
        9_999_999_999_999_999,
        10_000_000_000_000_000,
        u64::MAX,
    ] {
        assert_eq!(number(&whole.to_string()), Number::Whole(whole), "{whole}");
    }
    let fixed = |value: u128, has_point| Number::Fixed { value, has_point };
    for (text, expected) in [
        ("1.0", fixed(ONE, true)),
        ("0.0", fixed(0, true)),
        ("0.306", fixed(306 * ONE / 1000, true)),
        ("12.5", fixed(125 * ONE / 10, true)),
        ("0.0000000000000000005", fixed(1, true)),
        ("0.00000000000000000049", fixed(0, true)),
        ("0.00000000000000000000000000001", fixed(0, true)),
        ("0.99999999999999999999", fixed(ONE, true)),
        ("123456789.000000000000000001", fixed(123_456_789 * ONE + 1, true)),
        ("18446744073709551616", fixed((u128::from(u64::MAX) + 1) * ONE, false)),
        ("340282366920938463463", fixed(340_282_366_920_938_463_463 * ONE, false)),
        ("340282366920938463464", Number::TooLarge),
        ("1000000000000000000000000000000", Number::TooLarge),
        ("-1", Number::Negative),
        ("-0.5", Number::Negative),
    ] {
        assert_eq!(number(text), expected, "{text}");
    }
    assert_eq!(number(&format!("1{}", "0".repeat(400))), Number::TooLarge);
    assert_eq!(number(&format!("0.{}1", "0".repeat(400))), fixed(0, true));
    // NaN and the infinities, which no jsonb has.
    for header in [0xC000_u16, 0xD000, 0xF000] {
        let bytes = header.to_ne_bytes();
        assert!(matches!(Value::Number(Numeric(&bytes)).for_domain(), Some(Read::Number(Number::NotANumber))));
    }
}

#[test]
fn a_shape_is_of_the_keys() {
    let of = |pairs: &[(&str, &str)]| {
        write(&object(
            pairs.iter().map(|(key, value)| ((*key).to_owned(), Tree::Number((*value).to_owned()))).collect(),
        ))
    };
    let shape = |bytes: &[u8]| match document(bytes) {
        Some(Value::Object(object)) => object.shape().map(|[a, b]| (a.to_vec(), b.to_vec())),
        _ => panic!("no object"),
    };
    assert_eq!(shape(&of(&[("a", "1"), ("bc", "2")])), shape(&of(&[("a", "70000"), ("bc", "0.5")])));
    assert_ne!(shape(&of(&[("a", "1"), ("bc", "2")])), shape(&of(&[("ab", "1"), ("c", "2")])));
    assert_ne!(shape(&of(&[("a", "1"), ("b", "2")])), shape(&of(&[("a", "1"), ("c", "2")])));
    assert_ne!(shape(&of(&[("a", "1")])), shape(&of(&[("a", "1"), ("b", "2")])));
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let decimal = (any::<u64>(), 0_usize..19).prop_map(|(digits, scale)| {
        let digits = format!("{digits:020}");
        let (whole, fraction) = digits.split_at(20 - scale);
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        Tree::Number(if scale == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") })
    });
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Boolean),
        "[a-z%:, .0-9]{0,12}".prop_map(Tree::Text),
        decimal,
        (0_u64..100_000).prop_map(|number| Tree::Number(number.to_string())),
    ];
    leaf.prop_recursive(4, 120, 70, |inner| {
        let key = prop_oneof![
            "[a-z]{0,4}",
            prop::sample::select(vec![
                "base",
                "data",
                "value",
                "count",
                "share",
                "country",
                "distribution",
                "total_value",
                "breakdowns"
            ])
            .prop_map(str::to_owned)
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..70).prop_map(Tree::List),
            prop::collection::vec((key, inner), 0..70).prop_map(object),
        ]
    })
}

fn without_digits(tree: &Tree) -> Tree {
    match tree {
        Tree::Number(_) => Tree::Number(String::new()),
        Tree::List(list) => Tree::List(list.iter().map(without_digits).collect()),
        Tree::Object(pairs) => {
            Tree::Object(pairs.iter().map(|(key, value)| (key.clone(), without_digits(value))).collect())
        }
        other => other.clone(),
    }
}

fn read_everything(bytes: &[u8]) {
    let Some(value) = document(bytes) else { return };
    let _ = tree(value);
    let Some(value) = value.for_domain() else { return };
    let mut collector = Collector::default();
    // Twice, for what is remembered of the first.
    for size in [None, Some(1000.0)] {
        let _ = collector.push(Some(value), size);
    }
    Audience::decode(&collector.finish()).unwrap();
    let _ = from_json(value);
}

proptest! {
    #[test]
    fn what_is_written_is_read(written in any_tree()) {
        let bytes = write(&written);
        let read = document(&bytes).and_then(tree).expect("it is not damaged");
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", without_digits(&written)));
        read_everything(&bytes);
    }

    /// Bytes that are no document: whatever they look like, nothing panics.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&bytes);
    }

    #[test]
    fn damaged_documents(written in any_tree(), changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6), cut in any::<u16>()) {
        let mut bytes = write(&written);
        for (place, byte) in changes {
            let length = bytes.len();
            bytes[place as usize % length] = byte;
        }
        read_everything(&bytes);
        let length = cut as usize % (bytes.len() + 1);
        read_everything(&bytes[..length]);
    }

    /// The same keys again and again, some of them missing, against sums by hand.
    #[test]
    fn maps_of_counts(rows in prop::collection::vec((prop::collection::vec(any::<u32>(), 45), any::<bool>()), 1..9)) {
        let mut sums = [0_u128; 45];
        let mut collector = Collector::default();
        for (numbers, is_cut) in &rows {
            let places = (if *is_cut { 20 } else { 0 })..45;
            let pairs = places.clone().map(|place| (format!("key {place}"), Tree::Number(numbers[place].to_string())));
            let bytes = write(&object(pairs.collect()));
            places.for_each(|place| sums[place] += u128::from(numbers[place]));
            collector.push(document(&bytes).and_then(Value::for_domain), None).unwrap();
        }
        let bytes = collector.finish();
        let audience = Audience::decode(&bytes).unwrap();
        for part in audience.parts() {
            let place: usize = part.key[4..].parse().unwrap();
            prop_assert_eq!(part.count, Some(sums[place]));
        }
        prop_assert_eq!(audience.documents(), rows.len() as u64);
    }

    /// JSON on the way loses nothing.
    #[test]
    fn written_and_restored(rows in prop::collection::vec((prop::collection::vec(0.0..1.0_f64, 3), prop::option::of(0.0..1e9_f64)), 1..6)) {
        let mut collector = Collector::default();
        for (shares, size) in rows {
            let pairs = shares.iter().zip(["US", "male", "Z\u{fc}rich \"x\""]).map(|(share, key)| (key.to_owned(), Tree::Number(format!("{share:.17}"))));
            let bytes = write(&object(pairs.collect()));
            collector.push(document(&bytes).and_then(Value::for_domain), size).unwrap();
        }
        let bytes = collector.finish();
        let text = Audience::decode(&bytes).unwrap().to_json();
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&text).unwrap();
        let json = write(&exact(&raw));
        prop_assert_eq!(from_json(document(&json).and_then(Value::for_domain).unwrap()), Ok(bytes));
    }
}

/// JSON with its numbers as they are written.
fn exact(raw: &serde_json::value::RawValue) -> Tree {
    let text = raw.get().trim();
    match text.as_bytes()[0] {
        b'{' => {
            let map: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
                serde_json::from_str(text).unwrap();
            object(map.into_iter().map(|(key, value)| (key, exact(&value))).collect())
        }
        b'[' => {
            let list: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(text).unwrap();
            Tree::List(list.iter().map(|value| exact(value)).collect())
        }
        b'"' => Tree::Text(serde_json::from_str(text).unwrap()),
        b'n' => Tree::Null,
        b't' | b'f' => Tree::Boolean(text == "true"),
        _ => Tree::Number(text.to_owned()),
    }
}
