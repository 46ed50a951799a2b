//! What audiences are made of: distributions over ages, genders, countries, cities, hours or days, merged into one.
//!
//! [`Collector`] takes documents as platforms, exports and tables write them, and audiences merged before. What it has
//! collected is bytes, which [`Audience`] reads: equal for equal documents, in whatever order and portions they came. All sums
//! are whole numbers of a fixed unit, so nothing is rounded on the way but each share once, to 15 decimals.

mod collect;
pub mod document;
mod format;
mod json;
mod keys;
mod read;
#[cfg(test)]
mod tests;

pub use collect::Collector;
use document::ONE;
pub use json::{Malformed, from_json, is_audience};
pub use keys::MAX_KEY;

/// Distinct keys of an audience. Which keys were to go to "other" would depend on the order of documents, so there is none.
pub const MAX_KEYS: usize = 65_536;

/// Why an audience cannot be read or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The bytes are no audience, or those of a document no document: damaged or forged.
    Damaged(&'static str),
    /// Written by a version of this format that is not known here.
    Version(u8),
    /// More than [`MAX_KEYS`].
    TooManyKeys,
    /// A sum that has no place in 128 bits: of counts above 3.4e20.
    TooLarge,
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(how) => write!(out, "not an audience: {how}"),
            Self::Version(version) => write!(out, "audience of unknown version {version}"),
            Self::TooManyKeys => write!(out, "an audience has at most {MAX_KEYS} keys"),
            Self::TooLarge => write!(out, "sums of an audience are out of range"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a document is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Shape,
    NotANumber,
    Negative,
    TooLarge,
    ShareAboveOne,
    /// Longer than [`MAX_KEY`] bytes, or no text.
    Key,
    /// Counts and shares in one document.
    Mixed,
    /// Several distributions in one document.
    Several,
    /// More entries than an audience has keys.
    TooMany,
    /// The size of the audience is negative, no number or above 9e15.
    Base,
}

impl Reason {
    const ALL: [Self; 10] = [
        Self::Shape,
        Self::NotANumber,
        Self::Negative,
        Self::TooLarge,
        Self::ShareAboveOne,
        Self::Key,
        Self::Mixed,
        Self::Several,
        Self::TooMany,
        Self::Base,
    ];
    const NAMES: [&'static str; 10] = [
        "not_a_distribution",
        "not_a_number",
        "negative",
        "too_large",
        "share_above_one",
        "key",
        "mixed",
        "several_distributions",
        "too_many_entries",
        "base",
    ];

    /// As results name it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Documents of one kind, which are only ever added to their like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// People.
    Counts,
    /// Shares of an audience of known size.
    Shares,
    /// Shares of an audience of unknown size: all weigh the same.
    LoneShares,
    /// How active an hour or a day is, 1 for the most active, in an audience of known size.
    Activity,
    LoneActivity,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Counts, Self::Shares, Self::LoneShares, Self::Activity, Self::LoneActivity];
    const NAMES: [&'static str; 5] = ["counts", "shares", "shares_without_base", "activity", "activity_without_base"];

    fn has_base(self) -> bool {
        !matches!(self, Self::LoneShares | Self::LoneActivity)
    }
}

/// Of one key in documents of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cell {
    /// People; of other kinds share times base, in units of 10^-18.
    sum: u128,
    /// Documents that list the key.
    listed: u64,
}

/// What documents of one kind add up to. Cells are as many as keys, or fewer where the last have none.
#[derive(Debug, Clone, Default)]
struct Portion {
    documents: u64,
    /// People in thousandths; of documents without a base there is none.
    base: u128,
    /// Of all cells. What fits here fits everywhere.
    total: u128,
    cells: Vec<Cell>,
}

impl Portion {
    fn cell(&self, place: usize) -> Option<Cell> {
        self.cells.get(place).copied().filter(|cell| cell.listed > 0)
    }

    /// Whether the sums stay in range with so much more.
    fn widen(&mut self, kind: Kind, documents: u64, base: u128, total: u128) -> Result<(), Error> {
        // Counts must be readable as fixed-point numbers, too.
        let most = if kind == Kind::Counts { u128::MAX / ONE } else { u128::MAX };
        let add = |a: u128, b: u128| a.checked_add(b).ok_or(Error::TooLarge);
        let total = add(self.total, total)?;
        if total > most {
            return Err(Error::TooLarge);
        }
        self.base = add(self.base, base).ok().filter(|base| *base <= u128::MAX / ONE * 1000).ok_or(Error::TooLarge)?;
        self.documents = count(self.documents, documents)?;
        self.total = total;
        Ok(())
    }
}

/// Numbers of documents stay what SQL can say.
fn count(a: u64, b: u64) -> Result<u64, Error> {
    a.checked_add(b).filter(|sum| *sum <= i64::MAX as u64).ok_or(Error::TooLarge)
}

/// All of an audience but its keys.
#[derive(Debug, Clone, Default)]
struct Tally {
    portions: [Portion; 5],
    /// Documents that are not there.
    unknown: u64,
    /// Documents that list nothing: the platform does not say, as for small accounts.
    empty: u64,
    unreadable: [u64; Reason::NAMES.len()],
}

impl Tally {
    fn portion(&self, kind: Kind) -> &Portion {
        &self.portions[kind as usize]
    }
}

/// What the shares of an audience are shares of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// People: of counts, and of shares of known size.
    People,
    /// Shares of unknown size, weighed equally.
    Documents,
    /// Activity, weighed by the size of the audience.
    Activity,
    /// Activity, weighed equally.
    LoneActivity,
}

impl Basis {
    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::People => &[Kind::Counts, Kind::Shares],
            Self::Documents => &[Kind::LoneShares],
            Self::Activity => &[Kind::Activity],
            Self::LoneActivity => &[Kind::LoneActivity],
        }
    }

    /// Shares of an audience, not how active it is.
    pub fn is_share(self) -> bool {
        matches!(self, Self::People | Self::Documents)
    }

    fn is_weighed(self) -> bool {
        matches!(self, Self::People | Self::Activity)
    }
}

/// One key of an audience.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part<'a> {
    pub key: &'a str,
    /// People, where documents that count list the key.
    pub count: Option<u128>,
    /// 0 to 1, where documents that the shares are made of list the key.
    pub share: Option<f64>,
}

/// One key here and in a baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affinity<'a> {
    pub key: &'a str,
    pub share: f64,
    pub baseline_share: Option<f64>,
    /// Share here by share there; unknown where the latter is unknown or 0.
    pub affinity: Option<f64>,
}

/// An audience, read.
#[derive(Debug, Clone)]
pub struct Audience<'a> {
    /// Ascending.
    keys: Vec<&'a str>,
    tally: Tally,
}

impl<'a> Audience<'a> {
    /// People where any are known, else whatever there is. Documents of other kinds are left out.
    pub fn basis(&self) -> Option<Basis> {
        [Basis::People, Basis::Documents, Basis::Activity, Basis::LoneActivity]
            .into_iter()
            .find(|b| self.weight(*b) > 0.0)
    }

    /// People, or documents where all weigh the same.
    fn weight(&self, basis: Basis) -> f64 {
        let portions = basis.kinds().iter().map(|kind| self.tally.portion(*kind));
        if basis.is_weighed() {
            // Neither sum is above 4e23.
            portions.map(|portion| portion.base).sum::<u128>() as f64 / 1000.0
        } else {
            portions.map(|portion| portion.documents).sum::<u64>() as f64
        }
    }

    /// How many people the shares refer to; unknown where no size is known.
    pub fn base(&self) -> Option<f64> {
        self.basis().filter(|basis| basis.is_weighed()).map(|basis| self.weight(basis))
    }

    /// How many documents the shares are made of.
    pub fn documents(&self) -> u64 {
        let documents = |kind: &Kind| self.tally.portion(*kind).documents;
        self.basis().map_or(0, |basis| basis.kinds().iter().map(documents).fold(0, u64::saturating_add))
    }

    /// How many documents with numbers are of another kind than the shares.
    pub fn left_out(&self) -> u64 {
        let all = self.tally.portions.iter().map(|portion| portion.documents).fold(0, u64::saturating_add);
        all - self.documents()
    }

    fn part(&self, basis: Option<Basis>, place: usize) -> Part<'a> {
        let cell = |kind: Kind| self.tally.portion(kind).cell(place);
        let share = basis.and_then(|basis| {
            let sums = basis.kinds().iter().filter_map(|kind| {
                let sum = cell(*kind)?.sum as f64;
                Some(if *kind == Kind::Counts { sum } else { sum / ONE as f64 })
            });
            sums.reduce(|a, b| a + b).map(|sum| sum / self.weight(basis))
        });
        Part { key: self.keys[place], count: cell(Kind::Counts).map(|cell| cell.sum), share }
    }

    /// All keys, ascending.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        let basis = self.basis();
        (0..self.keys.len()).map(move |place| self.part(basis, place))
    }

    /// Of a key in any of its forms; unknown where no document lists it.
    pub fn share(&self, key: &str) -> Option<f64> {
        let key = keys::normal(key);
        let place = self.keys.binary_search(&key.as_str()).ok()?;
        self.part(self.basis(), place).share
    }

    /// The largest shares first; of equal ones in the order of their keys. Keys without a share come last.
    pub fn top(&self, most: usize) -> Vec<Part<'a>> {
        let mut parts: Vec<_> = self.parts().collect();
        let share = |part: &Part| part.share.unwrap_or(-1.0);
        parts.sort_by(|a, b| share(b).total_cmp(&share(a)));
        parts.truncate(most);
        parts
    }

    /// What is more frequent here than there, the largest ratio first. Keys below a share are left out: of few people ratios
    /// say little. Shares have no affinity to activity.
    pub fn affinity(&self, baseline: &Audience, least_share: f64) -> Vec<Affinity<'a>> {
        let bases = (self.basis(), baseline.basis());
        let is_comparable = bases.0.map(Basis::is_share) == bases.1.map(Basis::is_share);
        let mut rows: Vec<_> = self
            .parts()
            .filter_map(|part| {
                let share = part.share.filter(|share| *share >= least_share)?;
                let place = baseline.keys.binary_search(&part.key).ok().filter(|_| is_comparable);
                let baseline_share = place.and_then(|place| baseline.part(bases.1, place).share);
                let affinity = baseline_share.filter(|there| *there > 0.0).map(|there| share / there);
                Some(Affinity { key: part.key, share, baseline_share, affinity })
            })
            .collect();
        rows.sort_by(|a, b| {
            let rank = |row: &Affinity| (row.affinity.unwrap_or(-1.0), row.share);
            let ((a, a_share), (b, b_share)) = (rank(a), rank(b));
            b.total_cmp(&a).then(b_share.total_cmp(&a_share))
        });
        rows
    }
}
