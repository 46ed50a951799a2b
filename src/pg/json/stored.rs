//! The server's form of `jsonb` and `numeric`, read where it is: plain Rust over bytes, without calls of the server. Bytes may
//! begin anywhere, and damaged ones give nothing.
//!
//! A container (utils/jsonb.h) is a header, an entry for each element, and the elements behind each other; an object has the
//! keys first, sorted by (length, bytes), then the values. The domain's tests compile this file, too.

use analytics_domain::audience::document::{self, ONE};

const COUNT: u32 = 0x0FFF_FFFF;
const IS_SCALAR: u32 = 0x1000_0000;
const IS_OBJECT: u32 = 0x2000_0000;
/// The entry has the end of its element, else its length.
const ENTRY_IS_END: u32 = 0x8000_0000;
const ENTRY_TYPE: u32 = 0x7000_0000;

#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Null,
    Boolean(bool),
    Text(&'a [u8]),
    Number(Numeric<'a>),
    List(Container<'a>),
    Object(Container<'a>),
}

/// The document whose bytes these are, without the length before them.
pub fn document(bytes: &[u8]) -> Option<Value<'_>> {
    let (container, header) = Container::new(bytes)?;
    // A lone value is kept as a list of one.
    if header & IS_SCALAR != 0 { container.values().next()? } else { Some(container.as_value(header)) }
}

#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// An object's keys, nothing for a list.
    keys: &'a [[u8; 4]],
    values: &'a [[u8; 4]],
    data: &'a [u8],
}

/// Walks along entries.
#[derive(Clone, Copy)]
struct Walk<'a> {
    entries: &'a [[u8; 4]],
    data: &'a [u8],
    start: usize,
}

impl<'a> Walk<'a> {
    #[inline]
    fn next(&mut self) -> Option<(u32, usize, usize)> {
        let (entry, rest) = self.entries.split_first()?;
        self.entries = rest;
        let entry = u32::from_ne_bytes(*entry);
        let start = self.start;
        let length = (entry & COUNT) as usize;
        self.start = if entry & ENTRY_IS_END != 0 { length } else { start + length };
        Some((entry, start, self.start))
    }

    #[inline]
    fn value(&mut self) -> Option<Option<Value<'a>>> {
        let (entry, start, end) = self.next()?;
        Some(element(self.data, start, end, entry))
    }

    #[inline]
    fn key(&mut self) -> Option<Option<&'a [u8]>> {
        let (_, start, end) = self.next()?;
        Some(self.data.get(start..end))
    }
}

impl<'a> Container<'a> {
    fn new(bytes: &'a [u8]) -> Option<(Self, u32)> {
        let (header, rest) = bytes.split_first_chunk()?;
        let header = u32::from_ne_bytes(*header);
        let count = (header & COUNT) as usize;
        let keys = if header & IS_OBJECT != 0 { count } else { 0 };
        let (entries, data) = rest.split_at_checked((keys + count) * 4)?;
        let (keys, values) = entries.as_chunks().0.split_at(keys);
        Some((Self { keys, values, data }, header))
    }

    fn as_value(self, header: u32) -> Value<'a> {
        if header & IS_OBJECT != 0 { Value::Object(self) } else { Value::List(self) }
    }

    /// Elements of a list, pairs of an object.
    pub fn len(self) -> usize {
        self.values.len()
    }

    /// Where the keys of an object end.
    fn end_of_keys(self) -> usize {
        let mut length = 0;
        // Every 32nd entry or so has its end.
        for entry in self.keys.iter().rev().map(|entry| u32::from_ne_bytes(*entry)) {
            length += (entry & COUNT) as usize;
            if entry & ENTRY_IS_END != 0 {
                break;
            }
        }
        length
    }

    fn walk_values(self) -> Walk<'a> {
        Walk { entries: self.values, data: self.data, start: self.end_of_keys() }
    }

    /// Nothing for an element that is damaged.
    pub fn values(self) -> impl Iterator<Item = Option<Value<'a>>> {
        let mut walk = self.walk_values();
        std::iter::from_fn(move || walk.value())
    }

    pub fn pairs(self) -> impl Iterator<Item = Option<(&'a [u8], Value<'a>)>> {
        let mut keys = Walk { entries: self.keys, data: self.data, start: 0 };
        let mut values = self.walk_values();
        std::iter::from_fn(move || {
            let (key, value) = (keys.key()?, values.value()?);
            Some(key.zip(value))
        })
    }
}

#[inline]
fn element(data: &[u8], start: usize, end: usize, entry: u32) -> Option<Value<'_>> {
    // Numbers and containers begin at the next multiple of four.
    let aligned = start.next_multiple_of(4);
    Some(match entry & ENTRY_TYPE {
        0x0000_0000 => Value::Text(data.get(start..end)?),
        0x1000_0000 => {
            let bytes = data.get(aligned..end)?;
            // The length is in four bytes, or in one that is odd.
            let has_short_length = cfg!(target_endian = "little") && bytes.first()? & 1 == 1;
            Value::Number(Numeric(bytes.get(if has_short_length { 1 } else { 4 }..)?))
        }
        0x2000_0000 => Value::Boolean(false),
        0x3000_0000 => Value::Boolean(true),
        0x4000_0000 => Value::Null,
        0x5000_0000 => {
            let (container, header) = Container::new(data.get(aligned..end)?)?;
            container.as_value(header)
        }
        _ => return None,
    })
}

/// A stored numeric (backend/utils/adt/numeric.c) without the length before it.
#[derive(Debug, Clone, Copy)]
pub struct Numeric<'a>(pub &'a [u8]);

/// Digits of base 10 000 without zeros at either end, the first worth 10 000^weight.
pub struct Parts<'a> {
    pub is_negative: bool,
    /// Infinities and NaN; which, says the weight.
    is_special: bool,
    pub weight: i16,
    /// Decimals that are shown.
    scale: u16,
    pub digits: &'a [[u8; 2]],
}

impl<'a> Numeric<'a> {
    #[inline]
    pub fn parts(self) -> Option<Parts<'a>> {
        let (header, rest) = self.0.split_first_chunk()?;
        let header = u16::from_ne_bytes(*header);
        let parts = |is_negative, weight, scale, digits: &'a [u8]| Parts {
            is_negative,
            is_special: false,
            weight,
            scale,
            digits: digits.as_chunks().0,
        };
        Some(match header & 0xC000 {
            0xC000 => Parts { is_special: true, ..parts(false, header as i16, 0, &[]) },
            0x8000 => {
                let weight = header & 0x3F;
                let weight = if header & 0x40 != 0 { weight | !0x3F } else { weight };
                parts(header & 0x2000 != 0, weight as i16, (header & 0x1F80) >> 7, rest)
            }
            sign => {
                let (weight, digits) = rest.split_first_chunk()?;
                parts(sign == 0x4000, i16::from_ne_bytes(*weight), header & 0x3FFF, digits)
            }
        })
    }

    /// As the domain reads numbers.
    #[inline]
    fn number(self) -> Option<document::Number> {
        let parts = self.parts()?;
        // Nearly all are below 10^16 and have at most 16 decimals.
        if !parts.is_negative && !parts.is_special && (-4..4).contains(&parts.weight) {
            let digit = |place: i16| {
                let digit = parts.digits.get((parts.weight - place) as usize);
                digit.map_or(0, |digit| u64::from(u16::from_ne_bytes(*digit)))
            };
            let mut whole = 0;
            for place in (0..=parts.weight).rev() {
                whole = whole * 10_000 + digit(place);
            }
            // The last digit is at a place below the point.
            let decimals = parts.digits.len() as i32 - 1 - i32::from(parts.weight);
            if decimals <= 0 && parts.scale == 0 {
                return Some(document::Number::Whole(whole));
            }
            if decimals <= 4 {
                let mut fraction = 0;
                for place in (-4..=parts.weight.min(-1)).rev() {
                    fraction = fraction * 10_000 + digit(place);
                }
                let value = u128::from(whole) * ONE + u128::from(fraction) * 100;
                return Some(document::Number::Fixed { value, has_point: parts.scale > 0 });
            }
        }
        Some(parts.number())
    }
}

impl Parts<'_> {
    fn number(&self) -> document::Number {
        use document::Number;
        let digit = |place: i32| {
            let index = i32::from(self.weight) - place;
            let digit = usize::try_from(index).ok().and_then(|index| self.digits.get(index));
            digit.map_or(0, |digit| u128::from(u16::from_ne_bytes(*digit)))
        };
        if self.is_special {
            return Number::NotANumber;
        }
        if self.is_negative {
            return Number::Negative;
        }
        // 10^24: there are no zeros in front.
        if self.weight > 5 {
            return Number::TooLarge;
        }
        // 16 decimals are four digits; of the next, two decimals count and the rest is rounded.
        let mut value = 0_u128;
        for place in (-4..=i32::from(self.weight)).rev() {
            value = match value.checked_mul(10_000).and_then(|value| value.checked_add(digit(place))) {
                Some(value) => value,
                None => return Number::TooLarge,
            };
        }
        let Some(value) = value.checked_mul(100).and_then(|value| value.checked_add((digit(-5) + 50) / 100)) else {
            return Number::TooLarge;
        };
        if self.scale == 0 && value % ONE == 0 && value / ONE <= u128::from(u64::MAX) {
            return Number::Whole((value / ONE) as u64);
        }
        Number::Fixed { value, has_point: self.scale > 0 }
    }
}

impl<'a> Value<'a> {
    /// As the domain reads documents.
    #[inline]
    pub fn for_domain(self) -> Option<document::Value<'a, Container<'a>>> {
        Some(match self {
            Self::Null => document::Value::Null,
            Self::Boolean(_) => document::Value::Boolean,
            Self::Text(text) => document::Value::Text(text),
            Self::Number(number) => document::Value::Number(number.number()?),
            Self::List(list) => document::Value::List(list),
            Self::Object(object) => document::Value::Object(object),
        })
    }
}

impl<'a> document::Container<'a> for Container<'a> {
    #[inline]
    fn shape(self) -> Option<[&'a [u8]; 2]> {
        Some([self.keys.as_flattened(), self.data.get(..self.end_of_keys())?])
    }

    #[inline]
    fn fields(self) -> impl Iterator<Item = Option<(&'a [u8], document::Value<'a, Self>)>> {
        self.pairs().map(|pair| pair.and_then(|(key, value)| Some((key, value.for_domain()?))))
    }

    #[inline]
    fn values(self) -> impl Iterator<Item = Option<document::Value<'a, Self>>> {
        Container::values(self).map(|value| value.and_then(Value::for_domain))
    }
}
