//! Lists of followers as they come from anywhere: handles, ids, or objects with details; brought into one form.
//!
//! A list is the platform's word. So a name that the platform would not give out any more (`a..b`) is taken as it is; refused is
//! only what cannot be a name, because then something else was read than a list of people.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization;

use crate::list::{self, Beat, EARLIEST, Fault, Refusal, Scalar, Unread, visible};
use crate::username::{UsernameError, meant_name, shown, trimmed};

/// Longest text of a list, in bytes: half a million objects with everything in them.
pub const MAX_LIST_BYTES: usize = 128 * 1024 * 1024;
/// Most people of a list that is read at once, whatever the caller allows.
pub const MAX_PEOPLE: usize = 1_000_000;
/// Most characters of a handle and of an id.
const MAX_NAME: usize = 255;
/// A longer name of a person is cut, a longer address of a picture refused: half of it leads nowhere.
const MAX_FULL_NAME: usize = 500;
const MAX_ADDRESS: usize = 4_096;
/// Most bytes of what the caller adds to a person.
const MAX_EXTRA: usize = 4_096;

/// Somebody in a list. At least one of handle and id is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Lower case, without `@`.
    pub handle: Option<String>,
    /// The platform's id.
    pub id: Option<String>,
    /// Since when he follows, in microseconds of the Unix era.
    pub followed_at: Option<i64>,
    /// The source says that the account is deactivated or deleted.
    pub is_gone: bool,
    pub full_name: Option<String>,
    pub profile_pic_url: Option<String>,
    pub is_verified: Option<bool>,
    pub follower_count: Option<i64>,
    /// A JSON object, as text.
    pub extra_data: Option<String>,
}

const FORM: &str = "give a JSON array of handles, or of objects with id, username, full_name, profile_pic_url, is_verified, \
                    follower_count, followed_at, gone, extra_data";

/// Reads a JSON array of handles and objects. Everybody comes out once, in the order of `one_each`. `check` is called again and
/// again, and may end it by a panic.
pub fn read_list(platform: &str, list: &str, max_people: usize, check: impl Fn()) -> Result<Vec<Person>, Refusal> {
    if list.len() > MAX_LIST_BYTES {
        return Err(Refusal::whole("the list is larger than 128 MiB", "send it in pages"));
    }
    let beat = Beat::new(&check);
    let entries = list::entries(list, max_people, &beat).map_err(|error| match error {
        Unread::TooLong => too_long(max_people),
        Unread::NoList { line, column } => {
            Refusal::whole(format!("the list cannot be read as a JSON array (line {line}, column {column})"), FORM)
        }
    })?;
    collect(entries.iter().map(|entry| read_entry(platform, entry.get())), &beat)
}

/// The same from columns of handles, ids and times in microseconds of the Unix era, each of which may be missing; `next` gives
/// one entry after the other.
pub fn clean_list<T: AsRef<str>>(
    platform: &str,
    lengths: [Option<usize>; 3],
    max_people: usize,
    mut next: impl FnMut() -> (Option<T>, Option<T>, Option<i64>),
    check: impl Fn(),
) -> Result<Vec<Person>, Refusal> {
    let mut known = lengths.into_iter().flatten();
    let people = known.next().unwrap_or(0);
    if known.any(|length| length != people) {
        return Err(Refusal::whole("the columns are not of one length", "give null for what an entry does not have"));
    }
    if people > max_people {
        return Err(too_long(max_people));
    }
    let entries = (0..people).map(|_| {
        let (handle, id, followed_at) = next();
        named(Person {
            handle: handle.map(|input| normalize_handle(platform, input.as_ref())).transpose()?,
            id: id.map(|input| checked_id(input.as_ref())).transpose()?,
            followed_at: followed_at.filter(|at| *at >= EARLIEST),
            ..Person::default()
        })
    });
    collect(entries, &Beat::new(&check))
}

fn too_long(max_people: usize) -> Refusal {
    Refusal::whole(format!("the list names more than {max_people} people"), "send it in smaller pages")
}

fn collect(entries: impl Iterator<Item = Result<Person, Problem>>, beat: &Beat<'_>) -> Result<Vec<Person>, Refusal> {
    list::collect(entries, beat).map(|people| one_each(people, beat))
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Handle(UsernameError),
    Id(String),
    Nobody,
    Form(String),
    Field(&'static str, &'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handle(problem) => problem.fmt(f),
            Self::Id(input) => write!(f, "id \"{input}\" is not valid"),
            Self::Nobody => f.write_str("neither a handle nor an id"),
            Self::Form(input) => write!(f, "neither a handle nor an object that can be read: {input}"),
            Self::Field(field, _) => write!(f, "{field} is not valid"),
        }
    }
}

impl Fault for Problem {
    fn hint(&self) -> &'static str {
        match self {
            Self::Handle(UsernameError::OtherSite(_) | UsernameError::NotAProfile(_)) => {
                "give the handle, not an address"
            }
            Self::Handle(_) => "a handle has 1 to 255 characters, on Instagram letters, digits, dots and underscores",
            Self::Id(_) => "an id has 1 to 255 characters without white space",
            Self::Nobody | Self::Form(_) => FORM,
            Self::Field(_, hint) => hint,
        }
    }
}

impl From<UsernameError> for Problem {
    fn from(error: UsernameError) -> Self {
        Self::Handle(error)
    }
}

#[derive(serde::Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    id: Option<Scalar<'a>>,
    #[serde(borrow, default, alias = "handle")]
    username: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    full_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    profile_pic_url: Option<Cow<'a, str>>,
    #[serde(default, alias = "verified")]
    is_verified: Option<bool>,
    #[serde(default)]
    follower_count: Option<i64>,
    #[serde(borrow, default)]
    followed_at: Option<Scalar<'a>>,
    #[serde(default)]
    gone: Option<bool>,
    #[serde(borrow, default)]
    extra_data: Option<&'a RawValue>,
}

fn read_entry(platform: &str, entry: &str) -> Result<Person, Problem> {
    let form = |_| Problem::Form(shown(entry));
    if entry.starts_with('"') {
        let handle: Cow<'_, str> = serde_json::from_str(entry).map_err(form)?;
        return Ok(Person { handle: Some(normalize_handle(platform, &handle)?), ..Person::default() });
    }
    let entry: Entry<'_> = serde_json::from_str(entry).map_err(form)?;
    named(Person {
        handle: entry.username.map(|input| normalize_handle(platform, &input)).transpose()?,
        id: entry
            .id
            .map(|id| match id {
                Scalar::Number(number) => checked_id(&number.to_string()),
                Scalar::Text(text) => checked_id(&text),
            })
            .transpose()?,
        followed_at: entry.followed_at.map(moment).transpose()?.flatten(),
        is_gone: entry.gone.unwrap_or(false),
        full_name: entry.full_name.map(|name| visible(&name).chars().take(MAX_FULL_NAME).collect()),
        profile_pic_url: entry.profile_pic_url.map(address).transpose()?,
        is_verified: entry.is_verified,
        follower_count: entry.follower_count.map(count).transpose()?,
        extra_data: entry.extra_data.map(|raw| extra(raw.get())).transpose()?,
    })
}

fn named(person: Person) -> Result<Person, Problem> {
    if person.handle.is_none() && person.id.is_none() { Err(Problem::Nobody) } else { Ok(person) }
}

fn address(url: Cow<'_, str>) -> Result<String, Problem> {
    if url.chars().count() > MAX_ADDRESS || url.contains('\0') {
        return Err(Problem::Field("profile_pic_url", "an address has at most 4096 characters"));
    }
    Ok(url.into_owned())
}

fn count(number: i64) -> Result<i64, Problem> {
    if number < 0 {
        Err(Problem::Field("follower_count", "give a number that is not negative, or null"))
    } else {
        Ok(number)
    }
}

fn extra(raw: &str) -> Result<String, Problem> {
    list::object(raw, MAX_EXTRA).ok_or(Problem::Field("extra_data", "give a JSON object of at most 4 kB"))
}

fn moment(value: Scalar<'_>) -> Result<Option<i64>, Problem> {
    value
        .moment()
        .ok_or(Problem::Field("followed_at", "give seconds since 1970, or a time such as 2026-05-03T10:00:00Z"))
}

fn checked_id(input: &str) -> Result<String, Problem> {
    let id = trimmed(input);
    if id.is_empty() || id.chars().nth(MAX_NAME).is_some() || id.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Problem::Id(shown(id)));
    }
    Ok(id.to_owned())
}

/// A handle in lower case, without `@`, white space and invisible characters around it. On Instagram also from the address of a
/// profile.
pub fn normalize_handle(platform: &str, input: &str) -> Result<String, UsernameError> {
    let input = trimmed(input);
    if platform == "instagram" {
        let name = meant_name(input)?;
        let is_allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'.';
        return match name {
            "" => Err(UsernameError::Empty),
            _ if !name.bytes().all(is_allowed) => Err(UsernameError::NotAllowed(shown(input))),
            _ if name.len() > MAX_NAME => Err(UsernameError::TooLong(shown(input))),
            _ => Ok(name.to_ascii_lowercase()),
        };
    }
    let name = input.strip_prefix('@').unwrap_or(input);
    if name.is_empty() {
        Err(UsernameError::Empty)
    } else if name.contains("://") {
        Err(UsernameError::OtherSite(shown(input)))
    } else if name.chars().any(char::is_control) {
        Err(UsernameError::NotAllowed(shown(input)))
    } else {
        let folded =
            if name.is_ascii() { name.to_ascii_lowercase() } else { name.nfc().collect::<String>().to_lowercase() };
        if folded.chars().nth(MAX_NAME).is_some() { Err(UsernameError::TooLong(shown(input))) } else { Ok(folded) }
    }
}

/// Everybody once: what came last of an id counts; a handle belongs to the last id it came with, and an entry without id is the
/// one with an id of that handle. People without id come first, by handle; then the others, by id: the order of the indexes.
fn one_each(people: Vec<Person>, beat: &Beat<'_>) -> Vec<Person> {
    let counted = |order: std::cmp::Ordering| {
        beat.step();
        order
    };
    if people.iter().all(|person| person.id.is_none()) {
        let mut people = people;
        // Stable: of equals, the last came last.
        people.sort_by(|a, b| counted(a.handle.cmp(&b.handle)));
        keep_last(&mut people, |a, b| a.handle == b.handle);
        return people;
    }
    let mut placed: Vec<(usize, Person)> = people.into_iter().enumerate().collect();
    placed.sort_by(|(_, a), (_, b)| counted(a.id.cmp(&b.id)));
    keep_last(&mut placed, |(_, a), (_, b)| a.id.is_some() && a.id == b.id);
    placed.sort_by(|(i, a), (j, b)| counted((&a.handle, a.id.is_some(), i).cmp(&(&b.handle, b.id.is_some(), j))));
    for index in 1..placed.len() {
        let (before, after) = placed.split_at_mut(index);
        let (one, other) = (&mut before[index - 1].1, &after[0].1);
        if one.handle == other.handle {
            one.handle = None;
        }
    }
    let mut people: Vec<Person> = placed
        .into_iter()
        .map(|(_, person)| person)
        .filter(|person| person.handle.is_some() || person.id.is_some())
        .collect();
    people.sort_by(|a, b| counted((&a.id, &a.handle).cmp(&(&b.id, &b.handle))));
    people
}

/// How an unknown time is packed.
const UNKNOWN: i64 = i64::MIN;

/// Times of numbered people, by ascending number, 8 bytes each; of one who is there twice the later time.
pub fn pack_times(times: impl Iterator<Item = (i64, Option<i64>)>) -> Vec<u8> {
    let pairs = times.map(|(number, at)| (u64::try_from(number).unwrap_or(0), at.unwrap_or(UNKNOWN))).collect();
    latest(pairs).into_iter().flat_map(|(_, at)| at.to_le_bytes()).collect()
}

/// The times of those who are wanted, as far as some page has them: each page is its members and their packed times, if it has any.
pub fn times_of<E>(
    pages: impl Iterator<Item = (impl Iterator<Item = Result<u64, E>>, Option<impl AsRef<[u8]>>)>,
    wanted: impl Iterator<Item = Result<u64, E>>,
    check: impl Fn(),
) -> Result<Vec<Option<i64>>, E> {
    let beat = Beat::new(&check);
    let mut pairs = Vec::new();
    for (members, packed) in pages {
        let packed = packed.as_ref().map(AsRef::as_ref).unwrap_or_default();
        let mut times = packed.chunks_exact(8).map(|at| at.try_into().map_or(UNKNOWN, i64::from_le_bytes));
        for member in members {
            beat.step();
            pairs.push((member?, times.next().unwrap_or(UNKNOWN)));
        }
    }
    let mut known = latest(pairs).into_iter().peekable();
    let mut picked = Vec::new();
    for id in wanted {
        beat.step();
        let id = id?;
        while known.next_if(|(number, _)| *number < id).is_some() {}
        if let Some((_, at)) = known.next_if(|(number, _)| *number == id) {
            picked.push(Some(at).filter(|at| *at != UNKNOWN));
        }
    }
    Ok(picked)
}

/// By number, the latest time of each.
fn latest(mut pairs: Vec<(u64, i64)>) -> Vec<(u64, i64)> {
    pairs.sort_by(|a, b| b.cmp(a));
    pairs.dedup_by_key(|(number, _)| *number);
    pairs.reverse();
    pairs
}

/// Of neighbours that are the same, the last.
fn keep_last<T>(sorted: &mut Vec<T>, same: impl Fn(&T, &T) -> bool) {
    sorted.reverse();
    sorted.dedup_by(|later, kept| same(later, kept));
    sorted.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(people: &[Person]) -> Vec<(Option<&str>, Option<&str>)> {
        people.iter().map(|p| (p.id.as_deref(), p.handle.as_deref())).collect()
    }

    fn read(list: &str) -> Vec<Person> {
        read_list("instagram", list, 100, || ()).unwrap()
    }

    fn refused(list: &str) -> (String, Vec<i32>) {
        let refusal = read_list("instagram", list, 100, || ()).unwrap_err();
        (refusal.problem, refusal.positions)
    }

    #[test]
    fn reads_handles_and_objects() {
        let people = read(
            r#"["@Nasa", " https://www.instagram.com/_u/nba?x=1 ", {"id": 7, "username": "A..b", "full_name": "Ann\u0000", "is_verified": true,
                "follower_count": 3, "followed_at": 1751562738, "profile_pic_url": "https://e/p.jpg", "extra_data": {"a": [1]}, "unknown": [{}]},
               {"id": "8"}, {"handle": "gone", "gone": true, "followed_at": 0}]"#,
        );
        assert_eq!(
            names(&people),
            [
                (None, Some("gone")),
                (None, Some("nasa")),
                (None, Some("nba")),
                (Some("7"), Some("a..b")),
                (Some("8"), None)
            ]
        );
        assert!(people[0].is_gone && people[0].followed_at.is_none());
        assert_eq!(
            people[3],
            Person {
                handle: Some("a..b".into()),
                id: Some("7".into()),
                followed_at: Some(1_751_562_738_000_000),
                is_gone: false,
                full_name: Some("Ann\u{fffd}".into()),
                profile_pic_url: Some("https://e/p.jpg".into()),
                is_verified: Some(true),
                follower_count: Some(3),
                extra_data: Some(r#"{"a": [1]}"#.into()),
            }
        );
    }

    #[test]
    fn refuses_what_is_no_list_of_people() {
        assert!(refused(r#"{"a": 1}"#).1.is_empty());
        assert_eq!(refused(r#"["a", "#).0, "the list cannot be read as a JSON array (line 1, column 6)");
        assert_eq!(
            refused(r#"["ok", "john smith", 7, {}, null, "", "b/c", ["a"]]"#),
            ("entry 2: username \"john smith\" has a character that is not allowed".into(), vec![2, 3, 4, 5, 6])
        );
        assert_eq!(refused(r#"[{"id": "a b"}]"#).0, "entry 1: id \"a b\" is not valid");
        assert_eq!(refused(r#"[{"id": 1.5}]"#).1, [1]);
        for (field, value) in [
            ("follower_count", "-1"),
            ("followed_at", "\"yesterday\""),
            ("followed_at", "1751562738000"),
            ("followed_at", "9223372036854775807"),
            ("extra_data", "[]"),
            ("extra_data", r#"{"a": "\u0000"}"#),
            ("extra_data", r#"{"a": "\ud800"}"#),
            ("extra_data", r#"{"a": 1e400000}"#),
            ("extra_data", r#"{"a": "\"1e1", "b": 1.5E-400000}"#),
        ] {
            assert_eq!(
                refused(&format!(r#"[{{"id": 1, "{field}": {value}}}]"#)).0,
                format!("entry 1: {field} is not valid"),
                "{value}"
            );
        }
        let long = format!(r#"[{{"id": 1, "profile_pic_url": "{0}"}}, {{"id": "{0}"}}, "{0}"]"#, "a".repeat(5_000));
        assert_eq!(refused(&long).1, [1, 2, 3]);
        assert_eq!(
            read_list("instagram", r#"["a", "b"]"#, 1, || ()).unwrap_err().problem,
            "the list names more than 1 people"
        );
    }

    #[test]
    fn columns_are_a_list_too() {
        let mut entries =
            [(Some("B"), None, Some(0)), (None, Some("7"), None), (Some("@a"), Some("8"), Some(EARLIEST))].into_iter();
        let people = clean_list("x", [Some(3), None, Some(3)], 3, || entries.next().unwrap(), || ()).unwrap();
        assert_eq!(names(&people), [(None, Some("b")), (Some("7"), None), (Some("8"), Some("a"))]);
        assert_eq!(people.iter().map(|p| p.followed_at.is_some()).collect::<Vec<_>>(), [false, false, true]);
        let none = || (None::<&str>, None, None);
        assert_eq!(
            clean_list("x", [Some(1), Some(2), None], 3, none, || ()).unwrap_err().problem,
            "the columns are not of one length"
        );
        assert_eq!(clean_list("x", [Some(1), None, None], 3, none, || ()).unwrap_err().positions, [1]);
        assert_eq!(clean_list("x", [None; 3], 3, none, || ()), Ok(vec![]));
    }

    #[test]
    fn times_are_seconds_or_text() {
        let at = |value: &str| read(&format!(r#"[{{"id": 1, "followed_at": {value}}}]"#))[0].followed_at;
        assert_eq!(at(r#""2026-05-03T12:00:00+02:00""#), Some(1_777_802_400_000_000));
        assert_eq!(at(r#""2026-05-03""#), Some(1_777_766_400_000_000));
        assert_eq!(at("null"), None);
    }

    #[test]
    fn other_platforms_have_their_own_handles() {
        assert_eq!(normalize_handle("youtube", " @Žena\u{200b}").as_deref(), Ok("žena"));
        assert_eq!(normalize_handle("youtube", "z\u{30c}").as_deref(), Ok("ž"));
        assert_eq!(normalize_handle("linkedin", "Ann-Lee").as_deref(), Ok("ann-lee"));
        assert!(normalize_handle("x", "https://x.com/ann").is_err());
        assert!(normalize_handle("x", "a\nb").is_err());
        assert!(normalize_handle("x", &"é".repeat(256)).is_err());
        assert!(normalize_handle("x", &"é".repeat(255)).is_ok());
    }

    #[test]
    fn everybody_once() {
        let people = |list: &[(Option<&str>, Option<&str>)]| {
            one_each(
                list.iter()
                    .map(|(id, handle)| Person {
                        id: id.map(Into::into),
                        handle: handle.map(Into::into),
                        ..Person::default()
                    })
                    .collect(),
                &Beat::new(&|| ()),
            )
        };
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(names(&people(&[(None, b), (None, a), (None, b)])), [(None, a), (None, b)]);
        assert_eq!(names(&people(&[(None, a), (Some("1"), a), (None, a)])), [(Some("1"), a)]);
        assert_eq!(names(&people(&[(Some("1"), a), (Some("1"), b)])), [(Some("1"), b)]);
        assert_eq!(
            names(&people(&[(Some("2"), a), (Some("1"), a), (None, b)])),
            [(None, b), (Some("1"), a), (Some("2"), None)]
        );
        assert_eq!(names(&people(&[(Some("2"), None), (Some("1"), None)])), [(Some("1"), None), (Some("2"), None)]);
    }

    #[test]
    fn times_of_those_who_are_wanted() {
        let ids = |ids: &[u64]| ids.iter().map(|id| Ok::<u64, ()>(*id)).collect::<Vec<_>>().into_iter();
        let packed = |pairs: &[(i64, Option<i64>)]| Some(pack_times(pairs.iter().copied()));
        let of = |pages: Vec<(&[u64], Option<Vec<u8>>)>, wanted: &[u64]| {
            times_of(pages.into_iter().map(|(members, packed)| (ids(members), packed)), ids(wanted), || ()).unwrap()
        };
        let first = packed(&[(6, Some(60)), (2, Some(20)), (4, None), (2, Some(10))]);
        assert_eq!(first.as_ref().map(Vec::len), Some(24));
        let second = packed(&[(3, Some(30)), (4, Some(40))]);
        assert_eq!(
            of(vec![(&[2, 4, 6], first.clone()), (&[3, 4], second), (&[7], None)], &[1, 2, 3, 4, 7, 9]),
            [Some(20), Some(30), Some(40), None]
        );
        assert_eq!(of(vec![(&[2, 4, 6, 8], first)], &[6, 8]), [Some(60), None]);
        assert_eq!(of(vec![(&[2, 4], Some(vec![1, 2, 3]))], &[2]), [None], "bytes that are no times");
        assert_eq!(of(vec![], &[2]), []);
        assert!(times_of([([Ok(1), Err(())].into_iter(), None::<Vec<u8>>)].into_iter(), ids(&[1]), || ()).is_err());
        assert!(times_of([(ids(&[1]), None::<Vec<u8>>)].into_iter(), [Err(())].into_iter(), || ()).is_err());
    }

    proptest! {
        #[test]
        fn nobody_twice_and_nobody_lost(list in prop::collection::vec((prop::option::of("[a-c]"), prop::option::of("[1-3]")), 0..12)) {
            let given: Vec<Person> = list.into_iter().map(|(handle, id)| Person { handle, id, ..Person::default() })
                .filter(|p| p.handle.is_some() || p.id.is_some()).collect();
            let people = one_each(given.clone(), &Beat::new(&|| ()));
            for (index, person) in people.iter().enumerate() {
                for other in &people[index + 1..] {
                    prop_assert!(person.id.is_none() || person.id != other.id);
                    prop_assert!(person.handle.is_none() || person.handle != other.handle);
                    prop_assert!((&person.id, &person.handle) < (&other.id, &other.handle));
                }
            }
            for person in &given {
                let is_there = |p: &Person| if person.id.is_some() { p.id == person.id } else { p.handle == person.handle };
                let has_an_id = given.iter().any(|p| p.id.is_some() && p.handle == person.handle);
                prop_assert!(people.iter().any(is_there) || has_an_id);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(list in "\\PC*") {
            let _ = read_list("instagram", &list, 10, || ());
            let _ = normalize_handle("x", &list);
        }
    }
}
