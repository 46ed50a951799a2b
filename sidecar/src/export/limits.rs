//! How much is read. Sizes are counted while reading; what an archive says of itself is never believed.

use std::cell::Cell;
use std::io::{self, Read};

use super::refusal::{Refusal, shown};

pub const MIB: u64 = 1024 * 1024;

/// Bounds of one import.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Files looked at, whatever they are. A full export holds a file for each photo and conversation: thousands, and
    /// hundreds of thousands at the most.
    pub entries: u64,
    /// Files of lists and insights.
    pub wanted: usize,
    /// Folders within folders.
    pub depth: usize,
    /// Bytes read of all lists, after decompression. An entry takes about 250, so that 4 GiB are 17 M names.
    pub bytes: u64,
    /// Bytes that one compressed byte may become, past the first MiB. Lists reach about 20, deflate could 1032.
    pub ratio: u64,
    /// Longest string within a list, in bytes. Addresses of pictures are the longest that occur, below 2000.
    pub string: usize,
    /// Names that are kept in memory, and sorted, at a time: 40 to 80 MB. A list with more is read twice, in runs of this length.
    pub run: usize,
    /// Bytes of an insights file, which is held in memory, and how many of them are taken.
    pub document: u64,
    pub documents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            entries: 500_000,
            wanted: 10_000,
            depth: 32,
            bytes: 4096 * MIB,
            ratio: 100,
            string: 64 * 1024,
            run: 1 << 20,
            document: 4 * MIB,
            documents: 32,
        }
    }
}

/// What is left of the bytes of an import, shared by the files that are read one after another.
#[derive(Debug)]
pub struct Budget {
    left: Cell<u64>,
    total: u64,
}

impl Budget {
    pub fn new(total: u64) -> Self {
        Budget { left: Cell::new(total), total }
    }
}

/// Counts the compressed bytes taken from a file.
pub struct Counted<'a, R> {
    pub inner: R,
    pub taken: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

impl<R: io::Seek> io::Seek for Counted<'_, R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Ends with a refusal when the budget or the ratio is used up, or a string becomes too long to be one of a list.
pub struct Bounded<'a, R> {
    inner: R,
    file: &'a str,
    limits: &'a Limits,
    budget: &'a Budget,
    /// None: the file is not compressed.
    compressed: Option<&'a Cell<u64>>,
    read: u64,
    string: Strings,
}

impl<'a, R: Read> Bounded<'a, R> {
    pub fn new(
        inner: R,
        file: &'a str,
        limits: &'a Limits,
        budget: &'a Budget,
        compressed: Option<&'a Cell<u64>>,
    ) -> Self {
        Bounded { inner, file, limits, budget, compressed, read: 0, string: Strings::default() }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        let Some(left) = self.budget.left.get().checked_sub(read as u64) else {
            return Err(Refusal::new(
                format!("{}: more than {} MiB of lists", shown(self.file), self.budget.total / MIB),
                "if the export is Instagram's own and really that large, raise --max-mib",
            )
            .into_io());
        };
        self.budget.left.set(left);
        if let Some(compressed) = self.compressed
            && self.read > MIB + compressed.get().saturating_mul(self.limits.ratio)
        {
            return Err(Refusal::new(
                format!(
                    "{}: unpacks to more than {} times its size, as no list does",
                    shown(self.file),
                    self.limits.ratio
                ),
                "take the archive as Instagram sent it; if this is it, unpack it and give the folder",
            )
            .into_io());
        }
        if self.string.longest(&buffer[..read]) > self.limits.string {
            return Err(Refusal::new(
                format!(
                    "{}: holds a text of more than {} bytes, as no list does",
                    shown(self.file),
                    self.limits.string
                ),
                "take the export as Instagram sent it",
            )
            .into_io());
        }
        Ok(read)
    }
}

/// Follows JSON strings through a stream: parsers keep a whole string in memory.
#[derive(Debug, Default)]
struct Strings {
    inside: bool,
    escaped: bool,
    length: usize,
}

impl Strings {
    /// The longest that a string has become within this piece.
    fn longest(&mut self, mut piece: &[u8]) -> usize {
        let mut longest = 0;
        while !piece.is_empty() {
            if self.escaped {
                self.escaped = false;
                self.length += 1;
                piece = &piece[1..];
                continue;
            }
            let end = if self.inside { memchr::memchr2(b'"', b'\\', piece) } else { memchr::memchr(b'"', piece) };
            let Some(end) = end else {
                self.length += piece.len();
                break;
            };
            self.length += end;
            if !self.inside {
                (self.inside, self.length) = (true, 0);
            } else if piece[end] == b'\\' {
                self.escaped = true;
                self.length += 1;
            } else {
                longest = longest.max(self.length);
                self.inside = false;
            }
            piece = &piece[end + 1..];
        }
        if self.inside { longest.max(self.length) } else { longest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(text: &[u8], limits: &Limits, compressed: Option<&Cell<u64>>) -> Result<usize, String> {
        let budget = Budget::new(limits.bytes);
        let mut bounded = Bounded::new(text, "a.json", limits, &budget, compressed);
        match io::copy(&mut bounded, &mut io::sink()) {
            Ok(bytes) => Ok(bytes as usize),
            Err(error) => Err(Refusal::of_io(&error).expect("a refusal").what.clone()),
        }
    }

    #[test]
    fn reading_ends_at_the_first_byte_too_many() {
        let limits = Limits { bytes: 10, ..Limits::default() };
        assert_eq!(read(&[b' '; 10], &limits, None), Ok(10));
        assert!(read(&[b' '; 11], &limits, None).is_err_and(|what| what.starts_with("a.json: more than")));
    }

    #[test]
    fn the_budget_is_one_for_all_files() {
        let limits = Limits::default();
        let budget = Budget::new(15);
        let mut first = Bounded::new(&[b' '; 10][..], "a.json", &limits, &budget, None);
        assert!(io::copy(&mut first, &mut io::sink()).is_ok());
        let mut second = Bounded::new(&[b' '; 10][..], "b.json", &limits, &budget, None);
        assert!(io::copy(&mut second, &mut io::sink()).is_err());
    }

    #[test]
    fn what_grows_too_much_is_a_bomb() {
        let limits = Limits { ratio: 2, ..Limits::default() };
        let text = vec![b' '; MIB as usize + 2000];
        assert_eq!(read(&text, &limits, Some(&Cell::new(1000))), Ok(text.len()));
        assert!(read(&text, &limits, Some(&Cell::new(900))).is_err_and(|what| what.contains("2 times")));
    }

    #[test]
    fn long_strings_are_refused_and_long_lists_are_not() {
        let limits = Limits { string: 8, ..Limits::default() };
        assert!(read(br#"["12345678", "1234567\"", 123456789012345]"#, &limits, None).is_err());
        assert!(read(br#"["12345678", "123456\"", 123456789012345]"#, &limits, None).is_ok());
        assert!(read(br#"["\"\"\"\"\""]"#, &limits, None).is_err());
    }

    fn longest(value: &Value) -> usize {
        match value {
            // As written, without the quotes around it.
            Value::String(_) => value.to_string().len() - 2,
            Value::Array(items) => items.iter().map(longest).max().unwrap_or(0),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn the_longest_string_is_found_however_the_text_is_cut(
            strings in proptest::collection::vec("(\\PC|[\"\\\\\n]){0,12}", 0..8),
            piece in 1_usize..9,
        ) {
            let value = Value::from(strings);
            let mut follower = Strings::default();
            let found = value.to_string().as_bytes().chunks(piece).map(|piece| follower.longest(piece)).max();
            prop_assert_eq!(found.unwrap_or(0), longest(&value));
            prop_assert!(!follower.inside);
        }
    }
}
