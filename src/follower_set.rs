//! The type `analytics.follower_set`, its operators and aggregates. What the bytes mean is in the domain crate; the SQL around
//! the functions is in `follower_set.sql`.
//!
//! A cast from bytea costs nothing and so checks nothing: every function checks what it reads.

use std::ffi::{CStr, CString};
use std::fmt::Write;
use std::ops::Range;

use analytics_domain::follower_set::{
    self as domain, Builder, Change, Chunk, Collector, Comparison, Directory, Error, FollowerSet, Ids, Stored,
};
use pgrx::datum::{Array, Internal};
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::pg::aggregate;
use crate::pg::interrupts;
use crate::pg::varlena::{self, stored_type};

stored_type!(Set, SetBytes, "analytics.follower_set");

impl Stored for Set<'_> {
    fn read(&self, range: Range<usize>, into: &mut Vec<u8>) {
        self.0.read(range, into);
    }
}

impl<'a> Set<'a> {
    /// To be read whole. What is large stays where it is stored and is fetched in parts: memory that is used again costs less
    /// than fresh memory for all of it.
    fn open(&'a self) -> FollowerSet<'a> {
        const LARGE: usize = 512 << 10;
        let length = self.0.len();
        if length > LARGE && self.0.is_in_parts() {
            FollowerSet::stored(self.directory(), self, length)
        } else {
            ok(FollowerSet::new(self.0.bytes()))
        }
    }

    /// Head and directory, without the chunks.
    fn directory(self) -> Directory<'a> {
        /// Enough for half a million ids.
        const GUESS: usize = 1024;
        let mut head = self.0.slice(0..GUESS);
        let length = ok(Directory::length(head));
        if length > GUESS {
            head = self.0.slice(0..length);
        }
        ok(Directory::parse(head, self.0.len()))
    }

    fn decode(self, directory: &Directory, place: usize, into: &mut Chunk) {
        ok(directory.decode(place, self.0.slice(directory.place(place)), into));
    }
}

pub fn ok<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| {
        let code = match error {
            Error::Damaged(_) | Error::Version(_) => PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            Error::TooLarge => PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            Error::OutOfMemory => PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
        };
        refuse(code, &error.to_string())
    })
}

fn refuse(code: PgSqlErrorCode, message: &str) -> ! {
    ErrorReport::new(code, message.to_owned(), "follower_set").report(PgLogLevel::ERROR);
    unreachable!("an error was raised")
}

/// A count or an id: both are below 2^63.
fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or_else(|_| ok(Err(Error::Damaged("its count is wrong"))))
}

fn id(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_else(|_| {
        refuse(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            "a follower set holds ids from 0 to 9223372036854775807",
        )
    })
}

// In and out ------------------------------------------------------------------------------------------------------------

#[pg_extern(immutable, strict, parallel_safe, requires = ["follower_set_shell"])]
fn follower_set_in(text: &CStr) -> SetBytes {
    let malformed = |what: &str| -> ! {
        refuse(PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION, &format!("malformed follower set: {what}"))
    };
    let text = text.to_str().unwrap_or_else(|_| malformed("it is no text"));
    let Some(list) = text.trim_ascii().strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        malformed("it must be written as {1,2,3}")
    };
    let mut collector = Collector::default();
    if !list.trim_ascii().is_empty() {
        for number in list.split(',') {
            let number = number.trim_ascii();
            let Ok(number) = number.parse::<i64>() else {
                malformed(&format!("\"{}\" is no bigint", number.chars().take(40).collect::<String>()))
            };
            ok(collector.push(id(number), interrupts::check));
        }
    }
    SetBytes(ok(collector.finish(interrupts::check)))
}

#[pg_extern(immutable, strict, parallel_safe, requires = ["follower_set_shell"])]
fn follower_set_out(set: Set) -> CString {
    /// Below the 1 GB of a text.
    const LONGEST: usize = 1_000_000_000;
    let mut text = String::from("{");
    ok(set.open().for_each_chunk(interrupts::check, |ids| {
        // 19 digits and a comma each.
        text.try_reserve(20 * ids.len()).map_err(|_| Error::OutOfMemory)?;
        for id in ids {
            let separator = if text.len() == 1 { "" } else { "," };
            // Writing to a string cannot fail.
            _ = write!(text, "{separator}{id}");
        }
        if text.len() > LONGEST { Err(Error::TooLarge) } else { Ok(()) }
    }));
    text.push('}');
    CString::new(text).unwrap_or_default()
}

/// The bytes as they are stored, checked to the last one.
#[pg_extern(immutable, strict, parallel_safe, requires = ["follower_set_shell"])]
fn follower_set_recv(message: Internal) -> SetBytes {
    let bytes = varlena::message(&message);
    if let Err(error) = FollowerSet::new(bytes).and_then(|set| set.verify(interrupts::check)) {
        refuse(PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION, &error.to_string());
    }
    SetBytes(bytes.to_vec())
}

#[pg_extern(immutable, strict, parallel_safe, requires = ["follower_set_shell"])]
fn follower_set_send(set: Set) -> Vec<u8> {
    set.0.bytes().to_vec()
}

#[pg_extern(immutable, strict, parallel_safe)]
fn follower_set_from_array(ids: Array<i64>) -> SetBytes {
    let Ok(ids) = ids.as_slice() else {
        refuse(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "a follower set holds no null")
    };
    let mut collector = Collector::default();
    for number in ids {
        ok(collector.push(id(*number), interrupts::check));
    }
    SetBytes(ok(collector.finish(interrupts::check)))
}

#[pg_extern(immutable, strict, parallel_safe)]
fn follower_set_to_array(set: Set) -> Vec<i64> {
    /// Elements of eight bytes in 1 GB, less the array's head.
    const MOST: u64 = (1 << 27) - 16;
    let set = set.open();
    if set.count() > MOST {
        ok(Err(Error::TooLarge))
    }
    let mut ids = Vec::new();
    ok(ids.try_reserve_exact(set.count() as usize).map_err(|_| Error::OutOfMemory));
    ok(set.for_each_chunk(interrupts::check, |chunk| {
        ids.extend(chunk.iter().map(|id| bigint(*id)));
        Ok(())
    }));
    ids
}

// Operations ------------------------------------------------------------------------------------------------------------

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_union(a: Set, b: Set) -> SetBytes {
    SetBytes(ok(domain::union(a.open(), b.open(), interrupts::check)))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_intersect(a: Set, b: Set) -> SetBytes {
    SetBytes(ok(domain::intersection(a.open(), b.open(), interrupts::check)))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_difference(a: Set, b: Set) -> SetBytes {
    SetBytes(ok(domain::difference(a.open(), b.open(), interrupts::check)))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_symmetric_difference(a: Set, b: Set) -> SetBytes {
    SetBytes(ok(domain::symmetric_difference(a.open(), b.open(), interrupts::check)))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_contains(a: Set, b: Set) -> bool {
    ok(a.open().contains_set(b.open(), interrupts::check))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_contained(a: Set, b: Set) -> bool {
    ok(b.open().contains_set(a.open(), interrupts::check))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_overlaps(a: Set, b: Set) -> bool {
    ok(a.open().overlaps(b.open(), interrupts::check))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_eq(a: Set, b: Set) -> bool {
    ok(a.open().equals(b.open(), interrupts::check))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_ne(a: Set, b: Set) -> bool {
    !set_eq(a, b)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_hash(set: Set) -> i32 {
    set_hash_extended(set, 0) as i32
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn set_hash_extended(set: Set, seed: i64) -> i64 {
    ok(set.open().hash(seed as u64, interrupts::check)) as i64
}

fn counts(a: Set, b: Set) -> Comparison {
    ok(domain::compare(a.open(), b.open(), interrupts::check))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn union_count(a: Set, b: Set) -> i64 {
    let Comparison { both, left, right } = counts(a, b);
    bigint(both + left + right)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn intersect_count(a: Set, b: Set) -> i64 {
    bigint(counts(a, b).both)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn difference_count(a: Set, b: Set) -> i64 {
    bigint(counts(a, b).left)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn symmetric_difference_count(a: Set, b: Set) -> i64 {
    let Comparison { left, right, .. } = counts(a, b);
    bigint(left + right)
}

// Looking inside --------------------------------------------------------------------------------------------------------

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn cardinality(set: Set) -> i64 {
    bigint(set.directory().count())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn set_min(set: Set) -> Option<i64> {
    let directory = set.directory();
    (directory.count() > 0).then(|| bigint(directory.first(0)))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn set_max(set: Set) -> Option<i64> {
    let directory = set.directory();
    let mut chunk = Chunk::default();
    set.decode(&directory, directory.chunks().checked_sub(1)?, &mut chunk);
    chunk.ids().last().map(|id| bigint(*id))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn contains(set: Set, id: i64) -> bool {
    let Ok(id) = u64::try_from(id) else { return false };
    let directory = set.directory();
    let Some(place) = directory.chunk_of(id) else { return false };
    let mut chunk = Chunk::default();
    set.decode(&directory, place, &mut chunk);
    chunk.ids().binary_search(&id).is_ok()
}

/// Ids one by one, a chunk fetched at a time.
struct Members<'a> {
    set: Set<'a>,
    directory: Directory<'a>,
    next_chunk: usize,
    chunk: Chunk,
    at: usize,
    left: u64,
}

impl Iterator for Members<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        while self.at == self.chunk.ids().len() {
            if self.next_chunk == self.directory.chunks() {
                return None;
            }
            interrupts::check();
            self.set.decode(&self.directory, self.next_chunk, &mut self.chunk);
            self.next_chunk += 1;
            self.at = 0;
        }
        let id = self.chunk.ids()[self.at];
        self.at += 1;
        Some(bigint(id))
    }
}

#[pg_extern(immutable, parallel_safe, cost = 10)]
fn members<'a>(
    set: Option<Set<'a>>,
    after: default!(Option<i64>, "NULL"),
    max_count: default!(Option<i64>, "NULL"),
) -> SetOfIterator<'a, i64> {
    let Some(set) = set else { return SetOfIterator::empty() };
    let set = Set(set.0.keep());
    let directory = set.directory();
    let left = max_count.map_or(u64::MAX, |most| u64::try_from(most).unwrap_or(0));
    let mut members = Members { set, directory, next_chunk: 0, chunk: Chunk::default(), at: 0, left };
    // Without an id before it, a set is read from its start.
    if let Some(after) = after.and_then(|after| u64::try_from(after).ok())
        && let Some(place) = directory.chunk_of(after)
    {
        set.decode(&directory, place, &mut members.chunk);
        members.at = members.chunk.ids().partition_point(|id| *id <= after);
        members.next_chunk = place + 1;
    }
    SetOfIterator::new(members)
}

// Differences -----------------------------------------------------------------------------------------------------------

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn follower_diff(
    before: Set,
    after: Set,
) -> TableIterator<'static, (name!(change_type, &'static str), name!(follower_id, i64))> {
    let diff = ok(domain::diff(before.open(), after.open(), interrupts::check));
    let rows = |kind, ids: Vec<u8>| ok(Ids::new(ids)).map(move |id| (kind, bigint(ok(id))));
    TableIterator::new(rows("new_follower", diff.gained).chain(rows("unfollower", diff.lost)))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000)]
fn follower_diff_sets(
    before: Set,
    after: Set,
) -> TableIterator<'static, (name!(gained, SetBytes), name!(lost, SetBytes))> {
    let diff = ok(domain::diff(before.open(), after.open(), interrupts::check));
    TableIterator::once((SetBytes(diff.gained), SetBytes(diff.lost)))
}

// Histories -------------------------------------------------------------------------------------------------------------

/// A null element is a change that adds, or takes, nothing.
#[pg_extern(immutable, strict, parallel_safe, cost = 1000, schema = "analytics_private")]
fn replay_deltas(keyframe: Set, added: Array<&[u8]>, removed: Array<&[u8]>) -> SetBytes {
    if added.len() != removed.len() {
        refuse(PgSqlErrorCode::ERRCODE_ARRAY_ELEMENT_ERROR, "added and removed must have the same length");
    }
    let nothing = ok(Builder::default().finish());
    let changes = added.iter().zip(removed.iter()).map(|(added, removed)| {
        let set = |bytes: Option<&'_ [u8]>| bytes.map_or_else(|| nothing.clone(), <[u8]>::to_vec);
        interrupts::check();
        let (added, removed) = (set(added), set(removed));
        ok(Change::new(ok(FollowerSet::new(&added)), ok(FollowerSet::new(&removed))))
    });
    match ok(Change::all(changes.collect(), interrupts::check)) {
        Some(change) => SetBytes(ok(change.apply(keyframe.open(), interrupts::check))),
        None => SetBytes(keyframe.0.bytes().to_vec()),
    }
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000, schema = "analytics_private")]
fn remap(set: Set, from_numbers: Array<i64>, to_numbers: Array<i64>) -> SetBytes {
    let (Ok(from), Ok(to)) = (from_numbers.as_slice(), to_numbers.as_slice()) else {
        refuse(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "a follower set holds no null")
    };
    if from.len() != to.len() {
        refuse(PgSqlErrorCode::ERRCODE_ARRAY_ELEMENT_ERROR, "from_numbers and to_numbers must have the same length");
    }
    if !from.is_sorted_by(|a, b| a < b) {
        refuse(PgSqlErrorCode::ERRCODE_ARRAY_ELEMENT_ERROR, "from_numbers must ascend");
    }
    let replacements: Vec<_> = from.iter().zip(to).map(|(from, to)| (id(*from), id(*to))).collect();
    SetBytes(ok(domain::remap(set.open(), &replacements, interrupts::check)))
}

#[pg_extern(immutable, strict, parallel_safe, cost = 1000, schema = "analytics_private")]
fn greedy_cover(
    sets: Array<&[u8]>,
    picks: i32,
) -> TableIterator<'static, (name!(place, i32), name!(picked, i32), name!(added, i64), name!(covered, i64))> {
    let sets: Vec<FollowerSet> = sets
        .iter()
        .map(|bytes| match bytes {
            Some(bytes) => ok(FollowerSet::new(bytes)),
            None => refuse(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "a set is null"),
        })
        .collect();
    let picks = ok(domain::greedy_cover(&sets, usize::try_from(picks).unwrap_or(0), interrupts::check));
    TableIterator::new(picks.into_iter().enumerate().map(|(place, pick)| {
        // An array has fewer elements than 2^31.
        (place as i32 + 1, pick.set as i32 + 1, bigint(pick.added), bigint(pick.covered))
    }))
}

// Aggregates ------------------------------------------------------------------------------------------------------------
// Of ids and of sets: both collect, and share everything but what a row adds.

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn collect_id(mut state: Internal, number: Option<i64>, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    if let Some(number) = number {
        // SAFETY: the functions of this section share the state, and it is a Collector.
        let collector = unsafe { aggregate::get_or_keep::<Collector>(&mut state, fcinfo) };
        ok(collector.push(id(number), interrupts::check));
    }
    state
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn collect_set(mut state: Internal, set: Option<Set>, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    if let Some(set) = set {
        // SAFETY: as above.
        let collector = unsafe { aggregate::get_or_keep::<Collector>(&mut state, fcinfo) };
        ok(collector.push_set(set.open(), interrupts::check));
    }
    state
}

fn collected(state: &Internal) -> Option<Vec<u8>> {
    // SAFETY: as above.
    let collector = unsafe { state.get::<Collector>() }?;
    Some(ok(collector.finish(interrupts::check)))
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn collect_end(state: Internal) -> Option<SetBytes> {
    collected(&state).map(SetBytes)
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn collect_combine(mut state: Internal, other: Internal, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    if let Some(bytes) = collected(&other) {
        // SAFETY: as above.
        let collector = unsafe { aggregate::get_or_keep::<Collector>(&mut state, fcinfo) };
        ok(FollowerSet::new(&bytes).and_then(|set| collector.push_set(set, interrupts::check)));
    }
    state
}

#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn collect_serialize(state: Internal) -> Vec<u8> {
    collected(&state).unwrap_or_default()
}

#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn collect_deserialize(bytes: &[u8], _unused: Internal, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    let mut collector = Collector::default();
    ok(FollowerSet::new(bytes).and_then(|set| collector.push_set(set, interrupts::check)));
    aggregate::keep(collector, fcinfo)
}

/// What all sets so far have in common; none before the first.
#[derive(Default)]
struct Common(Option<Vec<u8>>);

impl Common {
    fn narrow(&mut self, set: FollowerSet) {
        self.0 = Some(match &self.0 {
            Some(common) => {
                ok(FollowerSet::new(common).and_then(|common| domain::intersection(common, set, interrupts::check)))
            }
            None => {
                let mut bytes = Vec::new();
                ok(set.copy_bytes(&mut bytes));
                bytes
            }
        });
    }
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn common_set(mut state: Internal, set: Option<Set>, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    if let Some(set) = set {
        // SAFETY: the functions of this aggregate share the state, and it is a Common.
        unsafe { aggregate::get_or_keep::<Common>(&mut state, fcinfo) }.narrow(set.open());
    }
    state
}

fn common(state: &Internal) -> Option<Vec<u8>> {
    // SAFETY: as above.
    unsafe { state.get::<Common>() }?.0.clone()
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn common_end(state: Internal) -> Option<SetBytes> {
    common(&state).map(SetBytes)
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn common_combine(mut state: Internal, other: Internal, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    if let Some(bytes) = common(&other) {
        // SAFETY: as above.
        unsafe { aggregate::get_or_keep::<Common>(&mut state, fcinfo) }.narrow(ok(FollowerSet::new(&bytes)));
    }
    state
}

#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn common_serialize(state: Internal) -> Vec<u8> {
    common(&state).unwrap_or_default()
}

#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn common_deserialize(bytes: &[u8], _unused: Internal, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    ok(FollowerSet::new(bytes));
    aggregate::keep(Common(Some(bytes.to_vec())), fcinfo)
}

extension_sql!("create type analytics.follower_set;", name = "follower_set_shell");

extension_sql_file!(
    "follower_set.sql",
    name = "follower_set",
    requires = [
        "follower_set_shell",
        follower_set_in,
        follower_set_out,
        follower_set_recv,
        follower_set_send,
        follower_set_from_array,
        follower_set_to_array,
        set_union,
        set_intersect,
        set_difference,
        set_symmetric_difference,
        set_contains,
        set_contained,
        set_overlaps,
        set_eq,
        set_ne,
        set_hash,
        set_hash_extended,
        union_count,
        intersect_count,
        difference_count,
        symmetric_difference_count,
        cardinality,
        set_min,
        set_max,
        contains,
        members,
        follower_diff,
        follower_diff_sets,
        replay_deltas,
        remap,
        greedy_cover,
        collect_id,
        collect_set,
        collect_end,
        collect_combine,
        collect_serialize,
        collect_deserialize,
        common_set,
        common_end,
        common_combine,
        common_serialize,
        common_deserialize
    ]
);
