//! One file of a list, read entry by entry: memory does not grow with the file. The whole forms, as Instagram has written
//! them over the years:
//!
//! - `[entry, …]`: followers since 2021
//! - `{"relationships_followers": [entry, …]}`, `{"relationships_following": [entry, …]}` and the like
//! - an entry alone where the list would have one
//!
//! and of an entry:
//!
//! - `{"title": "", "string_list_data": [{"href": …, "value": handle, "timestamp": seconds}]}`
//! - `{"title": handle, "string_list_data": [{"href": …, "timestamp": seconds}]}`
//! - `{"timestamp": seconds, "label_values": [{"label": "Username", "value": handle}, …]}`

use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::names::Entry;
use super::refusal::{Refusal, shown};

const REMEDY: &str = "take the file as Instagram sent it, or ask Instagram for a new export in the format JSON";

const BUFFER: usize = 64 * 1024;

/// Calls `take` for each entry. A refusal of `take` ends it.
pub fn read(
    file: &str,
    key: &str,
    reader: impl Read,
    take: &mut dyn FnMut(Entry) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    // The parser takes single bytes: the buffer has to be of a type it knows.
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(BUFFER, reader));
    let mut refused = None;
    let mut take = |entry| take(entry).map_err(|refusal| refused = Some(refusal)).is_ok();
    let result = Document { key, take: &mut take }.deserialize(&mut json).and_then(|()| json.end());
    match (refused, result) {
        (Some(refusal), _) => Err(refusal),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => Err(of_json(file, error)),
    }
}

/// A refusal that passed through the parser, or where and why the text is not what it should be.
pub fn of_json(file: &str, error: serde_json::Error) -> Refusal {
    if !error.is_io() {
        return Refusal::new(format!("{}: {}", shown(file), shown(&error.to_string())), REMEDY);
    }
    let (line, column) = (error.line(), error.column());
    let error = std::io::Error::from(error);
    Refusal::of_io(&error).cloned().unwrap_or_else(|| {
        let place = if line > 0 { format!(" at line {line} column {column}") } else { String::new() };
        Refusal::new(format!("{}: cannot be read: {}{place}", shown(file), shown(&error.to_string())), REMEDY)
    })
}

type Take<'a> = &'a mut dyn FnMut(Entry) -> bool;

/// A whole file.
struct Document<'a> {
    key: &'a str,
    take: Take<'a>,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of accounts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Entries(self.take).visit_seq(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        let mut alone = Object::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == self.key {
                found = true;
                map.next_value_seed(Entries(&mut *self.take))?;
            } else {
                alone.read(Key::of(&key), &mut map)?;
            }
        }
        if alone.is_entry() {
            found = true;
            give(alone, self.take)?;
        }
        if found { Ok(()) } else { Err(A::Error::custom(format_args!("there is no list {}", self.key))) }
    }
}

struct Entries<'a>(Take<'a>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of accounts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<Object>()? {
            if !entry.is_entry() && entry.title.is_none() {
                return Err(A::Error::missing_field("string_list_data"));
            }
            give(entry, self.0)?;
        }
        Ok(())
    }
}

fn give<E: serde::de::Error>(object: Object, take: Take<'_>) -> Result<(), E> {
    let first = object.first.map(|first| *first).unwrap_or_default();
    let labels = object.labels.unwrap_or_default().into_iter();
    let entry = Entry {
        title: object.title,
        value: first.value,
        href: first.href,
        labels: labels.filter_map(|labelled| labelled.label.zip(labelled.value)).collect(),
        timestamp: first.timestamp.or(object.timestamp),
    };
    // The taker keeps its own reason; this one is not shown.
    if take(entry) { Ok(()) } else { Err(E::custom("stopped")) }
}

/// An entry, an element of its `string_list_data` or one of its `label_values`: whichever keys are there.
#[derive(Default)]
struct Object {
    title: Option<String>,
    value: Option<String>,
    href: Option<String>,
    label: Option<String>,
    timestamp: Option<i64>,
    /// The first element of `string_list_data`. None: there is no such list, or it is empty.
    first: Option<Box<Object>>,
    has_strings: bool,
    labels: Option<Vec<Object>>,
}

impl Object {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Title => self.title = map.next_value()?,
            Key::Value => self.value = map.next_value()?,
            Key::Href => self.href = map.next_value()?,
            Key::Label => self.label = map.next_value()?,
            Key::Timestamp => self.timestamp = map.next_value::<Seconds>()?.0,
            Key::Strings => {
                self.has_strings = true;
                self.first = map.next_value::<First<1>>()?.0.pop().map(Box::new);
            }
            Key::Labels => self.labels = Some(map.next_value::<First<MAX_LABELS>>()?.0),
            Key::Other => {
                map.next_value::<Skipped>()?;
            }
        }
        Ok(())
    }

    fn is_entry(&self) -> bool {
        self.has_strings || self.labels.is_some()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys { nested: false })
    }
}

/// An object within an entry. What it nests is skipped, or one entry could take any amount of memory.
struct Inner(Object);

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys { nested: true }).map(Inner)
    }
}

struct Keys {
    nested: bool,
}

impl<'de> Visitor<'de> for Keys {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an entry with string_list_data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(key) = map.next_key()? {
            let is_list = matches!(key, Key::Strings | Key::Labels);
            object.read(if self.nested && is_list { Key::Other } else { key }, &mut map)?;
        }
        Ok(object)
    }
}

/// The keys that count.
enum Key {
    Title,
    Value,
    Href,
    Label,
    Timestamp,
    Strings,
    Labels,
    Other,
}

impl Key {
    fn of(key: &str) -> Self {
        match key {
            "title" => Key::Title,
            "value" => Key::Value,
            "href" => Key::Href,
            "label" => Key::Label,
            "timestamp" => Key::Timestamp,
            "string_list_data" => Key::Strings,
            "label_values" => Key::Labels,
            _ => Key::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(Key::of(key))
            }
        }
        deserializer.deserialize_identifier(Word)
    }
}

/// An entry of the newest form has about four labels.
const MAX_LABELS: usize = 32;

/// The first N objects of a list; what comes after them is skipped.
struct First<const N: usize>(Vec<Object>);

impl<'de, const N: usize> Deserialize<'de> for First<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<const N: usize>;
        impl<'de, const N: usize> Visitor<'de> for List<N> {
            type Value = First<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<N>, A::Error> {
                let mut first = Vec::new();
                while first.len() < N
                    && let Some(Inner(object)) = list.next_element()?
                {
                    first.push(object);
                }
                while list.next_element::<Skipped>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(List::<N>)
    }
}

/// Any value. serde's own IgnoredAny remembers each bracket that is open, without a limit; this ends at the parser's 128.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;
        impl<'de> Visitor<'de> for Anything {
            type Value = Skipped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "any value")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_str<E>(self, _: &str) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_unit<E>(self) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Skipped, A::Error> {
                while list.next_element::<Skipped>()?.is_some() {}
                Ok(Skipped)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Skipped, A::Error> {
                while map.next_entry::<Skipped, Skipped>()?.is_some() {}
                Ok(Skipped)
            }
        }
        deserializer.deserialize_any(Anything)
    }
}

/// Seconds since 1970. 0 means unknown, and so does what is no time after Instagram began and before the year 2100.
struct Seconds(Option<i64>);

/// 6 October 2010, the day that Instagram began, and 1 January 2100.
const TIMES: std::ops::Range<i64> = 1_286_323_200..4_102_444_800;

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a time in seconds")
            }

            fn visit_i64<E>(self, seconds: i64) -> Result<Seconds, E> {
                Ok(Seconds(TIMES.contains(&seconds).then_some(seconds)))
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                i64::try_from(seconds).map_or(Ok(Seconds(None)), |seconds| self.visit_i64(seconds))
            }

            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Seconds, E> {
                self.visit_i64(seconds as i64)
            }

            fn visit_unit<E>(self) -> Result<Seconds, E> {
                Ok(Seconds(None))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn parse(text: &str) -> Result<Vec<(String, Option<i64>)>, String> {
        let mut found = Vec::new();
        let result = read("f.json", "relationships_following", text.as_bytes(), &mut |entry| {
            found.push((entry.handle().unwrap_or_default(), entry.timestamp));
            Ok(())
        });
        result.map(|()| found).map_err(|refusal| refusal.what)
    }

    fn named(names: &[(&str, Option<i64>)]) -> Result<Vec<(String, Option<i64>)>, String> {
        Ok(names.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect())
    }

    #[test]
    fn every_form_is_read() {
        let old = json!({"title": "", "media_list_data": [], "string_list_data": [
            {"href": "https://www.instagram.com/ada", "value": "ada", "timestamp": 1_751_562_738}, {"value": "second"}]});
        let new = json!({"title": "ben", "string_list_data": [{"href": "https://www.instagram.com/_u/ben", "timestamp": 1_776_177_738}]});
        let newest = json!({"timestamp": 1_740_655_193, "media": [], "fbid": "1", "label_values": [
            {"label": "URL", "value": ""}, {"dict": [1], "title": "x"}, {"label": "Username", "value": "cleo"}]});
        let all = [("ada", Some(1_751_562_738)), ("ben", Some(1_776_177_738)), ("cleo", Some(1_740_655_193))];
        let list = json!([old, new, newest]);
        assert_eq!(parse(&list.to_string()), named(&all));
        assert_eq!(parse(&json!({"other": {"a": [1]}, "relationships_following": list}).to_string()), named(&all));
        assert_eq!(parse(&newest.to_string()), named(&all[2..]));
        assert_eq!(parse("[]"), named(&[]));
        assert_eq!(parse(r#"{"relationships_following": []}"#), named(&[]));
    }

    #[test]
    fn times_that_are_none_are_unknown() {
        for time in ["0", "null", "-5", "1e300", "99999999999999999999", "1751562738000"] {
            let text = format!(r#"[{{"string_list_data": [{{"value": "ada", "timestamp": {time}}}]}}]"#);
            assert_eq!(parse(&text), named(&[("ada", None)]), "{time}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, told) in [
            ("[\n {\"string_list_data\": [}", "f.json: expected value at line 2 column 24"),
            ("<html>", "f.json: expected value at line 1 column 1"),
            ("", "f.json: EOF while parsing a value at line 1 column 0"),
            ("[] []", "f.json: trailing characters at line 1 column 4"),
            ("[{}]", "f.json: missing field `string_list_data` at line 1 column 4"),
            (
                "[\"ada\"]",
                "f.json: invalid type: string \"ada\", expected an entry with string_list_data at line 1 column 6",
            ),
            ("{}", "f.json: there is no list relationships_following at line 1 column 2"),
            ("3", "f.json: invalid type: integer `3`, expected a list of accounts at line 1 column 1"),
        ] {
            assert_eq!(parse(text), Err(told.to_owned()));
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&format!("[{{\"media\": {deep}")).is_err_and(|told| told.contains("recursion limit")));
    }

    #[test]
    fn the_taker_may_stop_it() {
        let refusal = Refusal::new("enough", "stop");
        let two = r#"[{"title": "a"}, {"title": "b"}]"#;
        let mut taken = 0;
        let result = read("f.json", "relationships_following", two.as_bytes(), &mut |_| {
            taken += 1;
            Err(refusal.clone())
        });
        assert_eq!((taken, result), (1, Err(refusal.clone())));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let key = prop_oneof![
                Just("title"),
                Just("string_list_data"),
                Just("value"),
                Just("href"),
                Just("timestamp"),
                Just("label_values"),
                Just("label"),
                Just("relationships_following"),
                Just("other"),
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((key, inner), 0..5)
                    .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,200}", value in any_json(), cut in any::<prop::sample::Index>()) {
            let _ = parse(&text);
            let text = value.to_string();
            let _ = parse(&text);
            let cut = (0..=text.len()).rev().find(|end| *end <= cut.index(text.len() + 1) && text.is_char_boundary(*end));
            let _ = parse(&text[..cut.unwrap_or(0)]);
        }

        #[test]
        fn every_handle_of_a_list_is_found(names in proptest::collection::vec("[a-z0-9._]{1,30}", 0..20), new in any::<bool>()) {
            let entries = names.iter().map(|name| if new {
                json!({"title": name, "string_list_data": [{"href": format!("https://www.instagram.com/_u/{name}"), "timestamp": 1_700_000_000}]})
            } else {
                json!({"title": "", "media_list_data": [], "string_list_data": [{"value": name, "timestamp": 1_700_000_000}]})
            });
            let text = Value::from(entries.collect::<Vec<_>>()).to_string();
            prop_assert_eq!(parse(&text), Ok(names.into_iter().map(|name| (name, Some(1_700_000_000))).collect::<Vec<_>>()));
        }
    }
}
