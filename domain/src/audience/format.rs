//! The bytes of an audience. They are stored, so they do not change: another layout gets another version.
//!
//! ```text
//! version   1
//! checksum  CRC-32 of all that follows, 4 bytes, little endian
//! then numbers as LEB128, without zeros in front:
//!   documents that are unknown, empty, and unreadable for each reason
//!   for each kind: documents; if there are any and the kind has a base, the base in thousandths
//!   keys; for each, ascending: length, bytes; for each kind with documents: documents that list it; if any, the sum
//! ```

use super::keys::MAX_KEY;
use super::{Audience, Cell, Error, Kind, MAX_KEYS, Portion, Tally, count};

const VERSION: u8 = 1;
const HEAD: usize = 5;

/// The keys with their places in the cells of the tally. Those that no document lists must not be there.
pub(super) fn encode(tally: &Tally, keys: &[(&str, usize)]) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    for documents in [tally.unknown, tally.empty].into_iter().chain(tally.unreadable) {
        write(&mut bytes, documents.into());
    }
    for kind in Kind::ALL {
        let portion = tally.portion(kind);
        write(&mut bytes, portion.documents.into());
        if portion.documents > 0 && kind.has_base() {
            write(&mut bytes, portion.base);
        }
    }
    write(&mut bytes, keys.len() as u128);
    for (key, place) in keys {
        write(&mut bytes, key.len() as u128);
        bytes.extend_from_slice(key.as_bytes());
        for portion in tally.portions.iter().filter(|portion| portion.documents > 0) {
            let cell = portion.cell(*place).unwrap_or_default();
            write(&mut bytes, cell.listed.into());
            if cell.listed > 0 {
                write(&mut bytes, cell.sum);
            }
        }
    }
    let checksum = crc32fast::hash(&bytes[HEAD..]);
    bytes[0] = VERSION;
    bytes[1..HEAD].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn write(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

impl<'a> Audience<'a> {
    /// Any bytes give an audience or an error; an audience is written in one way only.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let Some((&version, rest)) = bytes.split_first() else { return Err(Error::Damaged("it is empty")) };
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let Some((checksum, rest)) = rest.split_first_chunk() else { return Err(Error::Damaged("it is cut off")) };
        if u32::from_le_bytes(*checksum) != crc32fast::hash(rest) {
            return Err(Error::Damaged("its checksum is wrong"));
        }
        let mut input = Input(rest);
        let mut tally = Tally { unknown: input.documents()?, empty: input.documents()?, ..Tally::default() };
        for documents in &mut tally.unreadable {
            *documents = input.documents()?;
        }
        for kind in Kind::ALL {
            let documents = input.documents()?;
            let base = if documents > 0 && kind.has_base() { input.number()? } else { 0 };
            tally.portions[kind as usize].widen(kind, documents, base, 0)?;
        }
        let length = input.length(MAX_KEYS)?;
        let mut keys = Vec::with_capacity(length);
        for portion in tally.portions.iter_mut().filter(|portion| portion.documents > 0) {
            portion.cells = vec![Cell::default(); length];
        }
        for place in 0..length {
            let key = input.key()?;
            if keys.last().is_some_and(|last| *last >= key) {
                return Err(Error::Damaged("its keys do not ascend"));
            }
            keys.push(key);
            let mut is_listed = false;
            for kind in Kind::ALL {
                let portion = &mut tally.portions[kind as usize];
                if portion.documents > 0 {
                    let cell = input.cell(portion.documents)?;
                    is_listed |= cell.listed > 0;
                    portion.widen(kind, 0, 0, cell.sum)?;
                    portion.cells[place] = cell;
                }
            }
            if !is_listed {
                return Err(Error::Damaged("a key is in no document"));
            }
        }
        let Portion { base, total, .. } = *tally.portion(Kind::Counts);
        if base < total * 1000 {
            return Err(Error::Damaged("there are more people in the parts than in the whole"));
        }
        if !input.0.is_empty() {
            return Err(Error::Damaged("there is something behind it"));
        }
        Ok(Self { keys, tally })
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn number(&mut self) -> Result<u128, Error> {
        let mut number = 0_u128;
        for shift in (0..128).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Error::Damaged("it is cut off"))?;
            self.0 = rest;
            let digit = u128::from(byte & 0x7F);
            if digit << shift >> shift != digit || (*byte == 0 && shift > 0) {
                break;
            }
            number |= digit << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Error::Damaged("a number is none"))
    }

    fn documents(&mut self) -> Result<u64, Error> {
        count(u64::try_from(self.number()?).map_err(|_| Error::TooLarge)?, 0)
    }

    fn length(&mut self, most: usize) -> Result<usize, Error> {
        let length = usize::try_from(self.number()?).ok();
        length.filter(|length| *length <= most.min(self.0.len())).ok_or(Error::Damaged("a length is wrong"))
    }

    fn key(&mut self) -> Result<&'a str, Error> {
        let length = self.length(MAX_KEY)?;
        let (key, rest) = self.0.split_at(length);
        self.0 = rest;
        str::from_utf8(key).map_err(|_| Error::Damaged("a key is no text"))
    }

    fn cell(&mut self, documents: u64) -> Result<Cell, Error> {
        let listed = self.documents()?;
        if listed > documents {
            return Err(Error::Damaged("a key is in more documents than there are"));
        }
        Ok(Cell { listed, sum: if listed > 0 { self.number()? } else { 0 } })
    }
}
