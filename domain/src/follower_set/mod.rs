//! Sets of followers: immutable, compressed, ascending sets of ids from 0 to 2^63 - 1.
//!
//! [`FollowerSet`] reads the bytes of one, [`Builder`] writes them, [`Collector`] takes ids in any order. How they are written
//! is in [`format`](self::format). Operations walk two sets chunk by chunk, skip chunks that the other set has nothing in,
//! and hold two decoded chunks and their result: never a set as plain numbers.
//!
//! What takes long calls a [`Pulse`] for every chunk, so that a caller can stop it.

use std::ops::Range;

mod collect;
mod format;
mod merge;
mod replay;
#[cfg(test)]
mod tests;

pub use collect::{Collector, from_ids};
pub use format::{Builder, Chunk, Directory};
pub use merge::{Comparison, Diff, compare, diff, difference, intersection, symmetric_difference, union};
pub use replay::{Change, Pick, greedy_cover, remap};

/// Called every few thousand ids; may unwind.
pub type Pulse = fn();

/// Why a set cannot be read or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The bytes are no set: damaged or forged.
    Damaged(&'static str),
    /// Written by a version of this format that is not known here.
    Version(u8),
    /// The result would not fit into a value of PostgreSQL (1 GB).
    TooLarge,
    /// There is no memory for the result.
    OutOfMemory,
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(how) => write!(out, "not a follower set: {how}"),
            Self::Version(version) => write!(out, "follower set of unknown version {version}"),
            Self::TooLarge => write!(out, "follower set would be larger than 1 GB"),
            Self::OutOfMemory => write!(out, "out of memory for a follower set"),
        }
    }
}

impl std::error::Error for Error {}

/// Bytes that are fetched from somewhere when they are needed.
pub trait Stored {
    /// Puts the bytes of the range into an empty buffer.
    fn read(&self, range: Range<usize>, into: &mut Vec<u8>);
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Memory(&'a [u8]),
    Stored(&'a dyn Stored, usize),
}

/// A set to be read, with head and directory checked; a chunk is checked when it is read.
#[derive(Clone, Copy)]
pub struct FollowerSet<'a> {
    content: Content<'a>,
    directory: Directory<'a>,
}

/// A part of stored bytes: many chunks are fetched at once, into memory that is used again.
#[derive(Default)]
struct Window {
    start: usize,
    bytes: Vec<u8>,
}

/// Bytes fetched at once.
const WINDOW: usize = 256 << 10;

impl Window {
    fn read(&mut self, stored: &dyn Stored, length: usize, wanted: Range<usize>) -> &[u8] {
        if wanted.start < self.start || wanted.end > self.start + self.bytes.len() {
            self.start = wanted.start;
            self.bytes.clear();
            stored.read(wanted.start..length.min(wanted.start + WINDOW).max(wanted.end), &mut self.bytes);
        }
        // What is missing is noticed by the checksum.
        self.bytes.get(wanted.start - self.start..wanted.end - self.start).unwrap_or_default()
    }
}

impl<'a> FollowerSet<'a> {
    /// Checks head and directory.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        Ok(Self { content: Content::Memory(bytes), directory: Directory::parse(bytes, bytes.len())? })
    }

    /// A set of `length` bytes of which only the directory is here.
    pub fn stored(directory: Directory<'a>, stored: &'a dyn Stored, length: usize) -> Self {
        Self { content: Content::Stored(stored, length), directory }
    }

    /// Appends its bytes.
    pub fn copy_bytes(&self, into: &mut Vec<u8>) -> Result<(), Error> {
        match self.content {
            Content::Memory(bytes) => {
                into.try_reserve_exact(bytes.len()).map_err(|_| Error::OutOfMemory)?;
                into.extend_from_slice(bytes);
            }
            Content::Stored(stored, length) => {
                into.try_reserve_exact(length).map_err(|_| Error::OutOfMemory)?;
                let mut part = Vec::new();
                for start in (0..length).step_by(WINDOW) {
                    part.clear();
                    stored.read(start..length.min(start + WINDOW), &mut part);
                    into.extend_from_slice(&part);
                }
            }
        }
        Ok(())
    }

    /// Number of ids.
    pub fn count(&self) -> u64 {
        self.directory.count()
    }

    /// True without any id.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The smallest id.
    pub fn min(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.directory.first(0))
    }

    /// The largest id; reads the last chunk.
    pub fn max(&self) -> Result<Option<u64>, Error> {
        let Some(last) = self.directory.chunks().checked_sub(1) else {
            return Ok(None);
        };
        let mut chunk = Chunk::default();
        self.decode(last, &mut Window::default(), &mut chunk)?;
        Ok(chunk.ids().last().copied())
    }

    /// Whether `id` is in it; reads one chunk.
    pub fn contains(&self, id: u64) -> Result<bool, Error> {
        let Some(place) = self.directory.chunk_of(id) else {
            return Ok(false);
        };
        let mut chunk = Chunk::default();
        self.decode(place, &mut Window::default(), &mut chunk)?;
        Ok(chunk.ids().binary_search(&id).is_ok())
    }

    /// Decodes all of it: an error if anything is wrong with the bytes.
    pub fn verify(&self, pulse: Pulse) -> Result<(), Error> {
        self.for_each_chunk(pulse, |_| Ok(()))
    }

    /// Its ids, ascending, some thousand at a time.
    pub fn for_each_chunk(&self, pulse: Pulse, mut each: impl FnMut(&[u64]) -> Result<(), Error>) -> Result<(), Error> {
        let (mut chunk, mut window) = (Chunk::default(), Window::default());
        for place in 0..self.directory.chunks() {
            pulse();
            self.decode(place, &mut window, &mut chunk)?;
            each(chunk.ids())?;
        }
        Ok(())
    }

    /// A 64-bit hash of the ids: equal sets have equal ones, however they were written. It is stored nowhere by us, but hash
    /// partitions may depend on it: never change it.
    pub fn hash(&self, seed: u64, pulse: Pulse) -> Result<u64, Error> {
        let mut state = mix(seed ^ self.count());
        self.for_each_chunk(pulse, |ids| {
            for id in ids {
                state = mix(state.rotate_left(5) ^ id);
            }
            Ok(())
        })?;
        Ok(state)
    }

    fn directory(&self) -> &Directory<'a> {
        &self.directory
    }

    fn decode(&self, chunk: usize, window: &mut Window, into: &mut Chunk) -> Result<(), Error> {
        let place = self.directory.place(chunk);
        let bytes = match self.content {
            // The directory was checked against the length.
            Content::Memory(bytes) => &bytes[place],
            Content::Stored(stored, length) => window.read(stored, length, place),
        };
        self.directory.decode(chunk, bytes, into)
    }
}

/// The ids of a set of one's own, one after the other.
pub struct Ids {
    bytes: Vec<u8>,
    next_chunk: usize,
    chunk: Chunk,
    at: usize,
}

impl Ids {
    /// Checks head and directory.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Error> {
        FollowerSet::new(&bytes)?;
        Ok(Self { bytes, next_chunk: 0, chunk: Chunk::default(), at: 0 })
    }
}

impl Iterator for Ids {
    type Item = Result<u64, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.chunk.ids().len() {
            let directory = Directory::checked_before(&self.bytes);
            if self.next_chunk == directory.chunks() {
                return None;
            }
            let place = directory.place(self.next_chunk);
            if let Err(error) = directory.decode(self.next_chunk, &self.bytes[place], &mut self.chunk) {
                return Some(Err(error));
            }
            self.next_chunk += 1;
            self.at = 0;
        }
        let id = self.chunk.ids()[self.at];
        self.at += 1;
        Some(Ok(id))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
