//! Adding up.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::document::{Container, Number, ONE, Value};
use super::keys::{MAX_KEY, normal};
use super::read::{Draft, Measure, Unread};
use super::{Audience, Cell, Error, Kind, MAX_KEYS, Reason, Tally, count, format};

/// A share is kept with 15 decimals, a base with 3: their product has the 18 of [`ONE`].
const SHARE: u128 = ONE / 1000;
const WHOLE_BASE: u128 = 1000;
/// Products of shares and larger bases would leave no room for sums.
const MAX_BASE: u128 = 9_000_000_000_000_000 * WHOLE_BASE;

/// A key as documents write it, and whose it is.
#[derive(Debug)]
struct Name {
    written: Box<[u8]>,
    slot: u32,
}

/// How many keys and names there were before a document.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    keys: usize,
    names: usize,
}

/// What the documents call the keys. Hashed with a seed of its own, so that nobody can choose keys that collide.
#[derive(Default)]
pub(super) struct Names {
    /// A slot each, in the order of their first appearance.
    keys: Vec<Box<str>>,
    names: Vec<Name>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The names of the last document in its order: the next one usually has the same.
    places: Vec<u32>,
}

impl Names {
    fn position(&self, written: &[u8]) -> Option<u32> {
        self.table.find(self.hasher.hash_one(written), |name| &*self.names[*name as usize].written == written).copied()
    }

    fn add(&mut self, written: &[u8], slot: u32) -> u32 {
        // Both are below a small multiple of MAX_KEYS.
        let name = self.names.len() as u32;
        self.names.push(Name { written: written.into(), slot });
        let (names, hasher) = (&self.names, &self.hasher);
        self.table
            .insert_unique(hasher.hash_one(written), name, |name| hasher.hash_one(&*names[*name as usize].written));
        name
    }

    /// The slot of the entry at a place of a document, new if the key is.
    pub(super) fn slot(&mut self, place: usize, written: &[u8]) -> Result<u32, Reason> {
        if let Some(name) = self.places.get(place).and_then(|name| self.names.get(*name as usize))
            && *name.written == *written
        {
            return Ok(name.slot);
        }
        let name = match self.position(written) {
            Some(name) => name,
            None => self.learn(written)?,
        };
        if place < self.places.len() {
            self.places[place] = name;
        } else if place == self.places.len() {
            self.places.push(name);
        }
        Ok(self.names[name as usize].slot)
    }

    fn learn(&mut self, written: &[u8]) -> Result<u32, Reason> {
        let key = str::from_utf8(written).ok().filter(|key| key.len() <= MAX_KEY).ok_or(Reason::Key)?;
        let key = normal(key);
        if key.len() > MAX_KEY {
            return Err(Reason::Key);
        }
        let name = self.key(&key);
        // Every key has any number of ways to be written.
        if key.as_bytes() == written || self.names.len() > 4 * MAX_KEYS {
            return Ok(name);
        }
        Ok(self.add(written, self.names[name as usize].slot))
    }

    /// The name of a key in its one form.
    fn key(&mut self, key: &str) -> u32 {
        if let Some(name) = self.position(key.as_bytes()) {
            return name;
        }
        let slot = self.keys.len() as u32;
        self.keys.push(key.into());
        self.add(key.as_bytes(), slot)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { keys: self.keys.len(), names: self.names.len() }
    }

    /// What a document brought goes with it.
    pub(super) fn forget(&mut self, since: Mark) {
        let Mark { keys, names } = since;
        if names == self.names.len() {
            return;
        }
        for name in (names..self.names.len()).rev() {
            let hash = self.hasher.hash_one(&*self.names[name].written);
            if let Ok(entry) = self.table.find_entry(hash, |other| *other as usize == name) {
                entry.remove();
            }
        }
        self.names.truncate(names);
        self.keys.truncate(keys);
        self.places.clear();
    }
}

/// The last map of counts. Of a document with the same keys, no key is looked at.
#[derive(Default)]
struct Shape {
    entries: Vec<u8>,
    keys: Vec<u8>,
    slots: Vec<u32>,
    counts: Vec<u64>,
    /// No key is there twice, in two ways.
    is_distinct: bool,
    is_known: bool,
}

impl Shape {
    fn is(&self, shape: [&[u8]; 2]) -> bool {
        self.is_known && self.entries == shape[0] && self.keys == shape[1]
    }

    fn remember(&mut self, [entries, keys]: [&[u8]; 2], is_distinct: bool) {
        self.entries.clear();
        self.entries.extend_from_slice(entries);
        self.keys.clear();
        self.keys.extend_from_slice(keys);
        self.is_distinct = is_distinct;
        self.is_known = true;
    }
}

/// Whether it is the first time in this document.
fn add(cell: &mut Cell, seen: &mut u64, document: u64, sum: u128) -> bool {
    cell.sum += sum;
    let is_first = *seen != document;
    *seen = document;
    cell.listed += u64::from(is_first);
    is_first
}

/// Documents and audiences, added up in any order.
#[derive(Default)]
pub struct Collector {
    names: Names,
    tally: Tally,
    draft: Draft,
    shape: Shape,
    /// By slot: the last document that listed it, so that none is counted twice.
    seen: Vec<u64>,
    document: u64,
}

impl Collector {
    /// Adds a document; `size` is how many people it is about. What cannot be read is counted with the reason.
    pub fn push<'a, C: Container<'a>>(
        &mut self,
        document: Option<Value<'a, C>>,
        size: Option<f64>,
    ) -> Result<(), Error> {
        let document = match document {
            None | Some(Value::Null) => {
                self.tally.unknown = count(self.tally.unknown, 1)?;
                return Ok(());
            }
            Some(document) => document,
        };
        let before = self.names.mark();
        if let Value::Object(map) = document {
            if self.push_counts(map, size)? {
                return Ok(());
            }
            self.names.forget(before);
        }
        let done = match self.draft.read(document, &mut self.names) {
            Ok(()) if self.draft.entries.is_empty() => {
                self.tally.empty = count(self.tally.empty, 1)?;
                return Ok(());
            }
            Ok(()) => self.commit(size),
            Err(unread) => Err(unread),
        };
        match done {
            Ok(()) => Ok(()),
            Err(Unread::Document(reason)) => {
                self.names.forget(before);
                let documents = &mut self.tally.unreadable[reason as usize];
                *documents = count(*documents, 1)?;
                Ok(())
            }
            Err(Unread::Never(error)) => Err(error),
        }
    }

    /// A map of counts alone, which most documents are; false when it is something else after all.
    fn push_counts<'a, C: Container<'a>>(&mut self, map: C, size: Option<f64>) -> Result<bool, Error> {
        let Ok(base) = base_of(size, None) else { return Ok(false) };
        let shape = map.shape();
        let is_known = shape.is_some_and(|shape| self.shape.is(shape));
        self.shape.counts.clear();
        let mut total = 0_u128;
        if is_known {
            for value in map.values() {
                let Some(Value::Number(Number::Whole(number))) = value else { return Ok(false) };
                total += u128::from(number);
                self.shape.counts.push(number);
            }
        } else {
            self.shape.is_known = false;
            self.shape.slots.clear();
            for (place, field) in map.fields().enumerate() {
                let Some((key, Value::Number(Number::Whole(number)))) = field else { return Ok(false) };
                if key == b"base" || place == MAX_KEYS {
                    return Ok(false);
                }
                let Ok(slot) = self.names.slot(place, key) else { return Ok(false) };
                total += u128::from(number);
                self.shape.counts.push(number);
                self.shape.slots.push(slot);
            }
        }
        // A lone 1 may be a share.
        if self.shape.counts.len() != self.shape.slots.len() || total <= 1 {
            return Ok(false);
        }
        let base = base_of_counts(total, base);
        self.widen(Kind::Counts, base, total)?;
        let (cells, seen) = (&mut self.tally.portions[Kind::Counts as usize].cells, &mut self.seen);
        let entries = self.shape.slots.iter().zip(&self.shape.counts);
        if is_known && self.shape.is_distinct {
            for (slot, number) in entries {
                let cell = &mut cells[*slot as usize];
                cell.sum += u128::from(*number);
                cell.listed += 1;
            }
            return Ok(true);
        }
        let mut is_distinct = true;
        for (slot, number) in entries {
            is_distinct &= add(&mut cells[*slot as usize], &mut seen[*slot as usize], self.document, (*number).into());
        }
        if !is_known && let Some(shape) = shape {
            self.shape.remember(shape, is_distinct);
        }
        Ok(true)
    }

    /// Makes room for a document whose keys have their slots.
    fn widen(&mut self, kind: Kind, base: u128, total: u128) -> Result<(), Error> {
        let keys = self.names.keys.len();
        if keys > MAX_KEYS {
            return Err(Error::TooManyKeys);
        }
        let portion = &mut self.tally.portions[kind as usize];
        portion.widen(kind, 1, base, total)?;
        if portion.cells.len() < keys {
            portion.cells.resize(keys, Cell::default());
        }
        self.seen.resize(keys, 0);
        self.document += 1;
        Ok(())
    }

    fn commit(&mut self, size: Option<f64>) -> Result<(), Unread> {
        let base = base_of(size, self.draft.base)?;
        let measure = self.draft.measure(base.is_some_and(|base| base > WHOLE_BASE))?;
        let (kind, base, factor) = match (measure, base) {
            (Measure::Count, base) => (Kind::Counts, base, 1),
            (Measure::Activity, Some(base)) => (Kind::Activity, Some(base), base),
            (Measure::Activity, None) => (Kind::LoneActivity, None, WHOLE_BASE),
            (_, Some(base)) => (Kind::Shares, Some(base), base),
            (_, None) => (Kind::LoneShares, None, WHOLE_BASE),
        };
        let mut total = 0_u128;
        for entry in &mut self.draft.entries {
            entry.sum = match (entry.number, measure) {
                (Number::Negative, _) => return Err(Reason::Negative.into()),
                (Number::TooLarge, _) => return Err(Reason::TooLarge.into()),
                (Number::NotANumber, _) => return Err(Reason::NotANumber.into()),
                (Number::Whole(number), Measure::Count) => number.into(),
                (Number::Fixed { value, .. }, Measure::Count) if value % ONE == 0 => value / ONE,
                (Number::Fixed { .. }, Measure::Count) => return Err(Reason::NotANumber.into()),
                (Number::Whole(number @ 0..=1), _) => u128::from(number) * SHARE * factor,
                (Number::Fixed { value, .. }, _) if value <= ONE => {
                    // In 64 bits, which are divided faster.
                    u128::from((value as u64 + (ONE / SHARE / 2) as u64) / (ONE / SHARE) as u64) * factor
                }
                _ => return Err(Reason::ShareAboveOne.into()),
            };
            total = total.checked_add(entry.sum).ok_or(Error::TooLarge)?;
        }
        let base = if kind == Kind::Counts { base_of_counts(total, base) } else { base.unwrap_or(0) };
        self.widen(kind, base, total)?;
        let cells = &mut self.tally.portions[kind as usize].cells;
        for entry in &self.draft.entries {
            let slot = entry.slot as usize;
            add(&mut cells[slot], &mut self.seen[slot], self.document, entry.sum);
        }
        Ok(())
    }

    /// Adds all that another one has collected.
    pub fn add(&mut self, audience: &Audience) -> Result<(), Error> {
        let slots: Vec<u32> = audience
            .keys
            .iter()
            .map(|key| {
                let name = self.names.key(key);
                self.names.names[name as usize].slot
            })
            .collect();
        if self.names.keys.len() > MAX_KEYS {
            return Err(Error::TooManyKeys);
        }
        let (tally, other) = (&mut self.tally, &audience.tally);
        tally.unknown = count(tally.unknown, other.unknown)?;
        tally.empty = count(tally.empty, other.empty)?;
        for (documents, more) in tally.unreadable.iter_mut().zip(other.unreadable) {
            *documents = count(*documents, more)?;
        }
        for kind in Kind::ALL {
            let (portion, other) = (&mut tally.portions[kind as usize], other.portion(kind));
            portion.widen(kind, other.documents, other.base, other.total)?;
            if other.documents > 0 {
                portion.cells.resize(self.names.keys.len().max(portion.cells.len()), Cell::default());
            }
            for (slot, more) in slots.iter().zip(&other.cells) {
                let cell = &mut portion.cells[*slot as usize];
                cell.sum += more.sum;
                cell.listed += more.listed;
            }
        }
        Ok(())
    }

    /// What has been collected; nothing is taken away.
    pub fn finish(&self) -> Vec<u8> {
        let is_listed = |place: &usize| self.tally.portions.iter().any(|portion| portion.cell(*place).is_some());
        let mut keys: Vec<_> =
            (0..self.names.keys.len()).filter(is_listed).map(|place| (&*self.names.keys[place], place)).collect();
        keys.sort_unstable();
        format::encode(&self.tally, &keys)
    }
}

/// People in thousandths: as said with the document, else as said in it.
fn base_of(size: Option<f64>, stated: Option<Number>) -> Result<Option<u128>, Reason> {
    let base = match (size, stated) {
        // Exact below 9e12, where a double still has thousandths; conversion of what is out of range ends at the range.
        (Some(size), _) if size.is_finite() && size >= 0.0 => (size * 1000.0).round() as u128,
        (Some(_), _) => return Err(Reason::Base),
        (None, Some(Number::Whole(size))) => u128::from(size) * WHOLE_BASE,
        (None, Some(Number::Fixed { value, .. })) => (value + SHARE / 2) / SHARE,
        (None, Some(_)) => return Err(Reason::Base),
        (None, None) => return Ok(None),
    };
    if base > MAX_BASE { Err(Reason::Base) } else { Ok(Some(base)) }
}

/// Lists are cut, so the audience may be larger than its parts; it is never smaller.
fn base_of_counts(total: u128, base: Option<u128>) -> u128 {
    // More than all numbers of a document together is far from the end of 128 bits.
    base.unwrap_or(0).max(total.saturating_mul(WHOLE_BASE))
}
