//! How a set is written.
//!
//! All numbers are little endian.
//!
//! ```text
//! head       0  version, 1
//!            1  three zero bytes
//!            4  u32  CRC-32 of the head without these four bytes, and of the directory
//!            8  u64  number of ids
//! directory 16  for each chunk: u64 its first id, u32 where it ends (counted from the first chunk), u32 CRC-32 of its bytes
//! chunks        each has 8193 ids, the last one 1 to 8193. The first id is in the directory; the others follow as gaps
//!               (the distance to the id before, less one): up to 64 blocks of 128 gaps, then at most 127 gaps as LEB128.
//! block         u8 width, u8 number of exceptions, 128 gaps of `width` bits (above 32 bits in two planes: the lower 32 bits,
//!               then the rest), and if there are exceptions: u8 bytes of each, their positions, and what their gaps have above
//!               `width` bits.
//! ```
//!
//! Gaps of uniform ids are geometric: a width that holds all 128 wastes bits on 127 of them, so the rare wide ones are
//! exceptions (patched frame of reference). A chunk stands alone, so one id is looked up by reading head, directory and one
//! chunk. Whatever the bytes say, what is decoded ascends strictly and is counted: no bytes can give a wrong answer from what
//! was read, only an error.

use bitpacking::{BitPacker, BitPacker4x};

use super::Error;

const VERSION: u8 = 1;
pub(super) const HEAD: usize = 16;
const ENTRY: usize = 16;
const BLOCK: usize = BitPacker4x::BLOCK_LEN;
/// Ids in a full chunk.
pub(super) const CHUNK: usize = 1 + 64 * BLOCK;
/// A value of PostgreSQL with its length word is at most this long less one.
const MAX_BYTES: usize = 0x3fff_ffff - 4;

/// Head and directory, checked.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    count: u64,
    entries: &'a [u8],
}

impl<'a> Directory<'a> {
    /// How many bytes head and directory take, from the head alone.
    pub fn length(head: &[u8]) -> Result<usize, Error> {
        let Some(head) = head.first_chunk::<HEAD>() else {
            return Err(Error::Damaged("it ends within its head"));
        };
        if head[0] != VERSION || head[1..4] != [0; 3] {
            return Err(Error::Version(head[0]));
        }
        let chunks = u64_at(head, 8).div_ceil(CHUNK as u64);
        // Also what keeps the product within a usize.
        if chunks > (MAX_BYTES / ENTRY) as u64 {
            return Err(Error::Damaged("it claims more ids than it can hold"));
        }
        Ok(HEAD + ENTRY * chunks as usize)
    }

    /// From the first [`Self::length`] bytes of a set that is `total` bytes long.
    pub fn parse(bytes: &'a [u8], total: usize) -> Result<Self, Error> {
        let length = Self::length(bytes)?;
        let Some(bytes) = bytes.get(..length) else {
            return Err(Error::Damaged("it ends within its directory"));
        };
        if head_checksum(bytes) != u32_at(bytes, 4) {
            return Err(Error::Damaged("the checksum of its directory is wrong"));
        }
        let directory = Self { count: u64_at(bytes, 8), entries: &bytes[HEAD..] };
        let mut last = None;
        let mut end = 0;
        for chunk in 0..directory.chunks() {
            let first = directory.first(chunk);
            if first > i64::MAX as u64 || last.is_some_and(|last| last >= first) || directory.end(chunk) < end {
                return Err(Error::Damaged("its directory is out of order"));
            }
            last = Some(first);
            end = directory.end(chunk);
        }
        if length + end != total {
            return Err(Error::Damaged("its length is wrong"));
        }
        Ok(directory)
    }

    /// Of bytes that [`Self::parse`] has accepted.
    pub(super) fn checked_before(bytes: &'a [u8]) -> Self {
        let count = u64_at(bytes, 8);
        Self { count, entries: &bytes[HEAD..][..ENTRY * count.div_ceil(CHUNK as u64) as usize] }
    }

    /// Number of ids.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of chunks.
    pub fn chunks(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// First id of a chunk.
    pub fn first(&self, chunk: usize) -> u64 {
        u64_at(self.entries, chunk * ENTRY)
    }

    /// Where the bytes of a chunk are, counted from the start of the set.
    pub fn place(&self, chunk: usize) -> std::ops::Range<usize> {
        let base = HEAD + self.entries.len();
        let start = if chunk == 0 { 0 } else { self.end(chunk - 1) };
        base + start..base + self.end(chunk)
    }

    /// The only chunk that can hold `id`.
    pub fn chunk_of(&self, id: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.chunks());
        while low < high {
            let middle = (low + high) / 2;
            if self.first(middle) <= id { low = middle + 1 } else { high = middle }
        }
        low.checked_sub(1)
    }

    fn end(&self, chunk: usize) -> usize {
        u32_at(self.entries, chunk * ENTRY + 8) as usize
    }

    fn ids_in(&self, chunk: usize) -> usize {
        (self.count - (chunk * CHUNK) as u64).min(CHUNK as u64) as usize
    }

    /// Decodes a chunk from the bytes at its [`Self::place`].
    pub fn decode(&self, chunk: usize, bytes: &[u8], into: &mut Chunk) -> Result<(), Error> {
        if crc32fast::hash(bytes) != u32_at(self.entries, chunk * ENTRY + 12) {
            return Err(Error::Damaged("the checksum of a chunk is wrong"));
        }
        into.decode(self.first(chunk), self.ids_in(chunk), bytes)?;
        let ends_before = if chunk + 1 < self.chunks() { self.first(chunk + 1) } else { i64::MAX as u64 + 1 };
        if into.ids().last().is_some_and(|last| *last >= ends_before) {
            return Err(Error::Damaged("a chunk reaches into the next one"));
        }
        Ok(())
    }
}

/// A decoded chunk; takes no more memory than the largest that it held.
pub struct Chunk {
    packer: BitPacker4x,
    ids: Vec<u64>,
    filled: usize,
}

impl Default for Chunk {
    fn default() -> Self {
        Self { packer: BitPacker4x::new(), ids: Vec::new(), filled: 0 }
    }
}

const CUT_SHORT: Error = Error::Damaged("a chunk is cut short");
const MALFORMED: Error = Error::Damaged("a block is malformed");
const OUT_OF_RANGE: Error = Error::Damaged("an id is out of range");

impl Chunk {
    /// Its ids, ascending.
    pub fn ids(&self) -> &[u64] {
        &self.ids[..self.filled]
    }

    fn decode(&mut self, first: u64, count: usize, mut bytes: &[u8]) -> Result<(), Error> {
        self.filled = 0;
        if self.ids.len() < count {
            self.ids.resize(count, 0);
        }
        self.ids[0] = first;
        let mut last = first;
        let (blocks, tail) = self.ids[1..count].as_chunks_mut::<BLOCK>();
        for block in blocks {
            bytes = decode_block(self.packer, last, bytes, block)?;
            last = block[BLOCK - 1];
        }
        for id in tail {
            let gap = take_leb128(&mut bytes)?;
            last = next(last, gap)?;
            *id = last;
        }
        if !bytes.is_empty() {
            return Err(Error::Damaged("a chunk is too long"));
        }
        self.filled = count;
        Ok(())
    }
}

fn next(last: u64, gap: u64) -> Result<u64, Error> {
    // `last` is below 2^63, and so must the gap be: the sum cannot wrap.
    let id = if gap <= i64::MAX as u64 { last + 1 + gap } else { u64::MAX };
    if id <= i64::MAX as u64 { Ok(id) } else { Err(OUT_OF_RANGE) }
}

/// Writes the 128 ids after `last` and returns the bytes after the block.
#[inline]
fn decode_block<'a>(
    packer: BitPacker4x,
    last: u64,
    bytes: &'a [u8],
    ids: &mut [u64; BLOCK],
) -> Result<&'a [u8], Error> {
    let (&[width, exceptions], bytes) = bytes.split_first_chunk().ok_or(CUT_SHORT)?;
    if width > 63 {
        return Err(MALFORMED);
    }
    let low_width = width.min(32);
    let mut gaps = [0u32; BLOCK];
    let (low, bytes) = bytes.split_at_checked(plane(low_width)).ok_or(CUT_SHORT)?;
    packer.decompress(low, &mut gaps, low_width);
    let (high, bytes) = bytes.split_at_checked(plane(width - low_width)).ok_or(CUT_SHORT)?;
    let (exceptions, rest) = Exceptions::of(exceptions, bytes)?;
    let is_narrow = width <= 32 && exceptions.patch_narrow(width, &mut gaps);
    if is_narrow {
        // 128 gaps of 32 bits cannot wrap, so one look at the end is enough.
        let mut last = last;
        for (id, gap) in ids.iter_mut().zip(gaps) {
            last += 1 + u64::from(gap);
            *id = last;
        }
        return if last <= i64::MAX as u64 { Ok(rest) } else { Err(OUT_OF_RANGE) };
    }
    let mut wide = gaps.map(u64::from);
    if width > 32 {
        packer.decompress(high, &mut gaps, width - 32);
        for (gap, high) in wide.iter_mut().zip(gaps) {
            *gap |= u64::from(high) << 32;
        }
    }
    exceptions.patch_wide(width, &mut wide)?;
    let mut last = last;
    for (id, gap) in ids.iter_mut().zip(wide) {
        last = next(last, gap)?;
        *id = last;
    }
    Ok(rest)
}

/// The gaps of a block that are wider than its width.
struct Exceptions<'a> {
    positions: &'a [u8],
    parts: &'a [u8],
    size: usize,
}

impl<'a> Exceptions<'a> {
    fn of(number: u8, bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        if number == 0 {
            return Ok((Self { positions: &[], parts: &[], size: 1 }, bytes));
        }
        let (&[size], bytes) = bytes.split_first_chunk().ok_or(CUT_SHORT)?;
        let (positions, bytes) = bytes.split_at_checked(number.into()).ok_or(CUT_SHORT)?;
        let (parts, bytes) = bytes.split_at_checked(positions.len() * usize::from(size)).ok_or(CUT_SHORT)?;
        if !(1..=8).contains(&size) || positions.iter().any(|position| usize::from(*position) >= BLOCK) {
            return Err(MALFORMED);
        }
        Ok((Self { positions, parts, size: size.into() }, bytes))
    }

    /// Position and upper part of each.
    fn all(&self) -> impl Iterator<Item = (usize, u64)> {
        self.positions.iter().zip(self.parts.chunks_exact(self.size)).map(|(position, part)| {
            let high = part.iter().rev().fold(0, |high, byte| high << 8 | u64::from(*byte));
            (usize::from(*position) % BLOCK, high)
        })
    }

    /// False when a gap has more than 32 bits; then nothing was patched that `patch_wide` would not patch again.
    fn patch_narrow(&self, width: u8, gaps: &mut [u32; BLOCK]) -> bool {
        for (position, high) in self.all() {
            if high > u64::from(u32::MAX) >> width {
                return false;
            }
            gaps[position] |= (high << width) as u32;
        }
        true
    }

    fn patch_wide(&self, width: u8, gaps: &mut [u64; BLOCK]) -> Result<(), Error> {
        for (position, high) in self.all() {
            if high > u64::MAX >> width {
                return Err(OUT_OF_RANGE);
            }
            gaps[position] |= high << width;
        }
        Ok(())
    }
}

/// Bytes of 128 numbers of `width` bits.
fn plane(width: u8) -> usize {
    BLOCK / 8 * usize::from(width)
}

fn take_leb128(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(CUT_SHORT)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(OUT_OF_RANGE)
}

fn put_leb128(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Writes a set from ascending ids.
#[derive(Clone)]
pub struct Builder {
    packer: BitPacker4x,
    count: u64,
    last: u64,
    /// How many more fit into the chunk.
    room: usize,
    gaps: [u64; BLOCK],
    waiting: usize,
    directory: Vec<u8>,
    chunks: Vec<u8>,
    chunk_start: usize,
    is_too_large: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            packer: BitPacker4x::new(),
            count: 0,
            last: 0,
            room: 0,
            gaps: [0; BLOCK],
            waiting: 0,
            directory: Vec::new(),
            chunks: Vec::new(),
            chunk_start: 0,
            is_too_large: false,
        }
    }
}

impl Builder {
    /// The largest id so far.
    pub fn last(&self) -> Option<u64> {
        (self.count > 0).then_some(self.last)
    }

    /// Number of ids so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes so far, roughly.
    pub fn size(&self) -> usize {
        self.directory.len() + self.chunks.len()
    }

    /// Adds an id above all that are there. What is not is left out: a set is never written in disorder.
    #[inline]
    pub fn push(&mut self, id: u64) {
        if self.count > 0 && id <= self.last || id > i64::MAX as u64 {
            debug_assert!(false, "ids must ascend");
            return;
        }
        if self.room == 0 {
            self.begin_chunk(id);
        } else {
            self.gaps[self.waiting % BLOCK] = id - self.last - 1;
            self.waiting += 1;
            if self.waiting == BLOCK {
                self.write_block();
            }
        }
        self.room -= 1;
        self.last = id;
        self.count += 1;
    }

    /// Adds ascending ids above all that are there.
    pub fn extend(&mut self, mut ids: &[u64]) {
        debug_assert!(ids.is_sorted_by(|a, b| a < b) && ids.first() > self.last().as_ref(), "ids must ascend");
        while let Some((first, rest)) = ids.split_first() {
            if self.room == 0 {
                self.push(*first);
                ids = rest;
                continue;
            }
            let number = ids.len().min(self.room).min(BLOCK - self.waiting);
            let (now, later) = ids.split_at(number);
            let mut last = self.last;
            for (gap, id) in self.gaps[self.waiting..].iter_mut().zip(now) {
                *gap = id.wrapping_sub(last).wrapping_sub(1);
                last = *id;
            }
            self.last = last;
            self.waiting += number;
            self.room -= number;
            self.count += number as u64;
            if self.waiting == BLOCK {
                self.write_block();
            }
            ids = later;
        }
    }

    /// The bytes of the set; what was added stays, so more can follow.
    pub fn finish(&self) -> Result<Vec<u8>, Error> {
        let mut tail = Vec::new();
        for gap in &self.gaps[..self.waiting] {
            put_leb128(*gap, &mut tail);
        }
        let has_chunk = self.count > 0;
        let total = HEAD + self.directory.len() + self.chunks.len() + tail.len();
        if self.is_too_large || total > MAX_BYTES {
            return Err(Error::TooLarge);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(total).map_err(|_| Error::OutOfMemory)?;
        bytes.extend_from_slice(&[VERSION, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.directory);
        if has_chunk {
            let end = bytes.len();
            self.close_chunk(&tail, &mut bytes[end - ENTRY..]);
        }
        let checksum = head_checksum(&bytes);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&self.chunks);
        bytes.extend_from_slice(&tail);
        Ok(bytes)
    }

    fn begin_chunk(&mut self, first: u64) {
        if !self.directory.is_empty() && !self.is_too_large {
            let mut directory = std::mem::take(&mut self.directory);
            let end = directory.len();
            self.close_chunk(&[], &mut directory[end - ENTRY..]);
            self.directory = directory;
        }
        self.room = CHUNK;
        self.chunk_start = self.chunks.len();
        // Beyond the limit no more memory is taken, and finish() refuses.
        self.is_too_large |= self.size() > MAX_BYTES || self.directory.try_reserve(ENTRY).is_err();
        if self.is_too_large {
            return;
        }
        self.directory.extend_from_slice(&first.to_le_bytes());
        self.directory.extend_from_slice(&[0; 8]);
    }

    fn close_chunk(&self, tail: &[u8], entry: &mut [u8]) {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&self.chunks[self.chunk_start..]);
        checksum.update(tail);
        entry[8..12].copy_from_slice(&((self.chunks.len() + tail.len()) as u32).to_le_bytes());
        entry[12..16].copy_from_slice(&checksum.finalize().to_le_bytes());
    }

    fn write_block(&mut self) {
        self.waiting = 0;
        // 128 gaps of 63 bits and their exceptions stay below two thousand bytes.
        if self.is_too_large || self.chunks.try_reserve(2048).is_err() {
            self.is_too_large = true;
            return;
        }
        let (width, exceptions) = best_width(&self.gaps);
        let low_width = width.min(32);
        let high_width = width - low_width;
        let start = self.chunks.len();
        self.chunks.extend_from_slice(&[width, exceptions]);
        self.chunks.resize(start + 2 + plane(low_width) + plane(high_width), 0);
        let (low, high) = self.chunks[start + 2..].split_at_mut(plane(low_width));
        let low_mask = u32::MAX.checked_shr(32 - u32::from(low_width)).unwrap_or(0);
        let mut part = self.gaps.map(|gap| gap as u32 & low_mask);
        self.packer.compress(&part, low, low_width);
        if high_width > 0 {
            let high_mask = u32::MAX >> (32 - u32::from(high_width));
            part = self.gaps.map(|gap| (gap >> 32) as u32 & high_mask);
            self.packer.compress(&part, high, high_width);
        }
        if exceptions > 0 {
            let above = |gap: u64| gap >> width;
            let all = self.gaps.iter().fold(0, |all, gap| all | above(*gap));
            let size = (64 - all.leading_zeros()).div_ceil(8) as usize;
            let mut positions = [0; BLOCK];
            let mut found = 0;
            for (position, gap) in self.gaps.iter().enumerate() {
                positions[found % BLOCK] = position as u8;
                found += usize::from(above(*gap) != 0);
            }
            let positions = &positions[..found];
            self.chunks.push(size as u8);
            self.chunks.extend_from_slice(positions);
            for position in positions {
                self.chunks.extend_from_slice(&above(self.gaps[usize::from(*position)]).to_le_bytes()[..size]);
            }
        }
    }
}

/// The width with the fewest bytes, and how many gaps are wider.
fn best_width(gaps: &[u64; BLOCK]) -> (u8, u8) {
    let mut of_length = [0u8; 65];
    let mut longest = 0;
    for gap in gaps {
        let length = 64 - gap.leading_zeros() as usize;
        of_length[length] += 1;
        longest = longest.max(length);
    }
    let mut best = (longest, 0);
    let mut least = BLOCK / 8 * longest;
    let mut exceptions = 0;
    for width in (0..longest).rev() {
        exceptions += usize::from(of_length[width + 1]);
        let size = (longest - width).div_ceil(8);
        let bytes = BLOCK / 8 * width + 1 + exceptions * (1 + size);
        if bytes < least {
            least = bytes;
            best = (width, exceptions);
        }
    }
    (best.0 as u8, best.1 as u8)
}

fn head_checksum(bytes: &[u8]) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&bytes[..4]);
    checksum.update(&bytes[8..]);
    checksum.finalize()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]))
}
