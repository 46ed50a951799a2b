//! A summary as bytes, which are stored: another layout gets another version.
//!
//! | bytes | |
//! |---|---|
//! | 1 | version |
//! | 4 | CRC-32 of all that follows, little-endian |
//! | 1 | 0 reach, 1 followers, 2 views |
//! | … | posts with a rate, with hidden counts, without denominator, with neither |
//! | | and, if there are posts with a rate: |
//! | … | interactions, denominators, zero rates |
//! | 8 + 8 | smallest and largest rate |
//! | … | sum of rates, sum of squares: one byte says how many bytes of the number follow, the lowest first |
//! | 1 | level of the buckets |
//! | … | first bucket; then, to the end, the count of each, a 0 followed by how many empty ones come after it |
//!
//! Where no length is given, a number is a LEB128.

use super::buckets::{Buckets, MOST, bucket};
use super::exact::{Fixed, Moments};
use super::{Counts, Denominator, Error, Rates, Summary};

const VERSION: u8 = 1;
/// Version and checksum.
const HEAD: usize = 5;

impl Summary {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION, 0, 0, 0, 0, self.by as u8];
        let Counts { rated, hidden, no_denominator, neither } = self.counts;
        for count in [rated, hidden, no_denominator, neither] {
            put(&mut out, count.into());
        }
        if rated > 0 {
            let rates = &self.rates;
            put(&mut out, rates.interactions);
            put(&mut out, rates.denominators);
            put(&mut out, rates.zeros.into());
            out.extend(rates.minimum.to_le_bytes());
            out.extend(rates.maximum.to_le_bytes());
            for number in [rates.moments.sum.to_bytes(), rates.moments.squares.to_bytes()] {
                // 56 at most.
                out.push(number.len() as u8);
                out.extend(number);
            }
            put_buckets(&mut out, &rates.buckets);
        }
        let checksum = crc32fast::hash(&out[HEAD..]);
        out[1..HEAD].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Whatever the bytes are, what comes out can be asked anything.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match bytes {
            [VERSION, a, b, c, d, rest @ ..] => {
                if crc32fast::hash(rest) != u32::from_le_bytes([*a, *b, *c, *d]) {
                    return Err(Error::Damaged("its checksum is wrong"));
                }
                let mut input = Input(rest);
                read(&mut input).ok_or(Error::Damaged("it contradicts itself"))
            }
            [VERSION, ..] => Err(Error::Damaged("it is too short")),
            [version, ..] => Err(Error::Version(*version)),
            [] => Err(Error::Damaged("it is empty")),
        }
    }
}

fn read(input: &mut Input) -> Option<Summary> {
    let by = match input.byte()? {
        0 => Denominator::Reach,
        1 => Denominator::Followers,
        2 => Denominator::Views,
        _ => return None,
    };
    let counts = Counts {
        rated: input.count()?,
        hidden: input.count()?,
        no_denominator: input.count()?,
        neither: input.count()?,
    };
    counts.all()?;
    let rates = if counts.rated > 0 { read_rates(input, counts.rated)? } else { Rates::default() };
    input.0.is_empty().then_some(Summary { by, counts, rates })
}

fn read_rates(input: &mut Input, rated: u64) -> Option<Rates> {
    let rates = Rates {
        interactions: input.number()?,
        denominators: input.number()?,
        zeros: input.count()?,
        minimum: f64::from_le_bytes(input.array()?),
        maximum: f64::from_le_bytes(input.array()?),
        moments: Moments { sum: input.fixed()?, squares: input.fixed()? },
        buckets: input.buckets()?,
    };
    let mut counted = rates.zeros;
    for (_, count) in rates.buckets.filled() {
        counted = counted.checked_add(count)?;
    }
    // Every post has a denominator of 1 at least and 2^63 - 1 at most.
    let is_whole = counted == rated
        && rates.denominators >= u128::from(rated)
        && rates.denominators <= u128::from(rated) * i64::MAX as u128
        && (rates.interactions == 0) == (rates.zeros == rated)
        && (rated > 1 || rates.minimum == rates.maximum);
    let is_in = |rate: f64, end: u32| rate > 0.0 && rate.is_finite() && bucket(rate) >> rates.buckets.level() == end;
    let is_zero = |rate: f64| rate.to_bits() == 0;
    let has_its_ends = match rates.buckets.ends() {
        None => is_zero(rates.minimum) && is_zero(rates.maximum),
        Some((first, last)) => {
            (if rates.zeros > 0 { is_zero(rates.minimum) } else { is_in(rates.minimum, first) })
                && is_in(rates.maximum, last)
                && rates.minimum <= rates.maximum
        }
    };
    (is_whole && has_its_ends).then_some(rates)
}

fn put(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_buckets(out: &mut Vec<u8>, buckets: &Buckets) {
    // A byte: 3 at most.
    out.push(buckets.level() as u8);
    let Some((first, _)) = buckets.ends() else { return };
    put(out, first.into());
    let mut next = first;
    for (bucket, count) in buckets.filled() {
        if bucket > next {
            out.push(0);
            put(out, (bucket - next - 1).into());
        }
        put(out, count.into());
        next = bucket + 1;
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn number(&mut self) -> Option<u128> {
        let mut number = 0;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f) << shift;
            if part >> shift != u128::from(byte & 0x7f) {
                return None;
            }
            number |= part;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn count(&mut self) -> Option<u64> {
        self.number()?.try_into().ok()
    }

    fn fixed<const LIMBS: usize>(&mut self) -> Option<Fixed<LIMBS>> {
        let length = self.byte()?;
        let (bytes, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        Fixed::from_bytes(bytes)
    }

    /// To the end of the bytes.
    fn buckets(&mut self) -> Option<Buckets> {
        let level = self.byte()?.into();
        if self.0.is_empty() {
            return Buckets::from_counts(level, 0, Vec::new());
        }
        let first = self.number()?.try_into().ok()?;
        let mut counts = Vec::with_capacity(self.0.len().min(MOST));
        while !self.0.is_empty() {
            let count = self.count()?;
            let empty = if count == 0 { usize::try_from(self.number()?).ok()? } else { 0 };
            if empty >= MOST - counts.len().min(MOST) {
                return None;
            }
            counts.resize(counts.len() + empty, 0);
            counts.push(count);
        }
        Buckets::from_counts(level, first, counts)
    }
}
