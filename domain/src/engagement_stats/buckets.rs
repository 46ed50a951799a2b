//! How many rates lie where: buckets whose width grows with the rate, so that a quantile is off by a bounded share of itself.
//!
//! A bucket is an exponent and the leading bits of the mantissa: 64 equal parts of each doubling, found by a shift. Rates that
//! lie so far apart that they would need more than [`MOST`] buckets share wider ones: the level rises and a doubling has half
//! as many parts. Which level that is follows from the smallest and the largest rate, so it does not depend on the order of
//! the posts or on how they were split.

use super::exact::{LARGEST_EXPONENT, SMALLEST_EXPONENT};

/// Buckets in a summary: 32 doublings at level 0.
pub const MOST: usize = 2048;
/// Here all possible rates fit.
pub const COARSEST: u32 = 3;

const PARTS_BITS: u32 = 6;
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - PARTS_BITS;
const FIRST: u32 = ((1023 + SMALLEST_EXPONENT) as u32) << PARTS_BITS;
/// Buckets of level 0 in all.
const ALL: u32 = ((LARGEST_EXPONENT - SMALLEST_EXPONENT + 1) as u32) << PARTS_BITS;

/// The bucket of a rate above 0 at level 0.
#[inline(always)]
pub fn bucket(rate: f64) -> u32 {
    ((rate.to_bits() >> SHIFT) as u32).wrapping_sub(FIRST)
}

/// The largest possible relative error at a level: in the first part of a doubling, of the value whose distance to both ends of the
/// part is the same share of them.
pub fn relative_error(level: u32) -> f64 {
    1.0 / f64::from((2 << (PARTS_BITS - level)) + 1)
}

#[derive(Debug, Clone, Default)]
pub struct Buckets {
    level: u32,
    /// The bucket that the first of the counts is of, at this level.
    first: u32,
    /// Never more than [`MOST`]; zeros at both ends are room.
    counts: Vec<u64>,
}

impl Buckets {
    pub fn level(&self) -> u32 {
        self.level
    }

    /// Counts a rate if it needs no more memory; says whether it did.
    #[inline(always)]
    pub fn add_in_place(&mut self, bucket: u32) -> bool {
        let place = (bucket >> self.level).wrapping_sub(self.first);
        match self.counts.get_mut(place as usize) {
            Some(count) => {
                *count = count.wrapping_add(1);
                true
            }
            None => false,
        }
    }

    /// Room for a bucket of level 0.
    pub fn make_room_for(&mut self, bucket: u32) {
        self.make_room(bucket >> self.level, bucket >> self.level);
    }

    /// Takes a rate away that was counted.
    pub fn subtract(&mut self, bucket: u32) {
        let place = (bucket >> self.level).wrapping_sub(self.first);
        if let Some(count) = self.counts.get_mut(place as usize) {
            *count = count.wrapping_sub(1);
        }
    }

    /// The first and the last bucket with a rate in it.
    pub fn ends(&self) -> Option<(u32, u32)> {
        let first = self.counts.iter().position(|count| *count > 0)?;
        let last = self.counts.iter().rposition(|count| *count > 0)?;
        Some((self.first + first as u32, self.first + last as u32))
    }

    /// Room for these buckets of the present level besides those that have a rate, at a higher level if need be.
    fn make_room(&mut self, mut low: u32, mut high: u32) {
        let (mut first, mut last) = self.ends().unwrap_or((low, high));
        while (last.max(high) - first.min(low)) as usize >= MOST {
            self.widen();
            (low, high, first, last) = (low >> 1, high >> 1, first >> 1, last >> 1);
        }
        let (low, high) = (low.min(first), high.max(last));
        // Half as much on either side, so that room grows seldom and one post takes little.
        let slack = ((high - low) / 2).clamp(4, 64);
        let start = low.saturating_sub(slack);
        let room = ((high - start + 1 + slack) as usize).min(MOST);
        let start = start.max((high + 1).saturating_sub(room as u32));
        let mut counts = vec![0; room];
        for (bucket, count) in self.filled() {
            counts[(bucket - start) as usize] = count;
        }
        (self.first, self.counts) = (start, counts);
    }

    /// One level higher.
    fn widen(&mut self) {
        let first = self.first >> 1;
        let mut counts = vec![0; self.counts.len() / 2 + 1];
        for (bucket, count) in self.filled() {
            let wide: &mut u64 = &mut counts[((bucket >> 1) - first) as usize];
            *wide = wide.wrapping_add(count);
        }
        (self.level, self.first, self.counts) = (self.level + 1, first, counts);
    }

    /// Buckets with a rate in them, ascending, and how many are in each.
    pub fn filled(&self) -> impl Iterator<Item = (u32, u64)> {
        (self.first..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// The caller has seen to it that no count overflows.
    pub fn merge(&mut self, other: &Self) {
        while self.level < other.level {
            self.widen();
        }
        let Some((first, last)) = other.ends() else { return };
        let raised = self.level - other.level;
        self.make_room(first >> raised, last >> raised);
        let raised = self.level - other.level;
        for (bucket, count) in other.filled() {
            let here = &mut self.counts[((bucket >> raised) - self.first) as usize];
            *here = here.wrapping_add(count);
        }
    }

    /// A value near the rate that has this place among all, from 1.
    pub fn value_at(&self, place: u64) -> Option<f64> {
        let mut seen = 0_u64;
        let (bucket, _) = self.filled().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= place
        })?;
        let start = |bucket: u32| f64::from_bits(u64::from((bucket << self.level) + FIRST) << SHIFT);
        let (low, high) = (start(bucket), start(bucket + 1));
        Some(2.0 * low * (high / (low + high)))
    }

    /// Counts from the first bucket on, as they were written; `None` if no rates have such buckets.
    pub fn from_counts(level: u32, first: u32, counts: Vec<u64>) -> Option<Self> {
        let fits =
            level <= COARSEST && counts.len() <= MOST && first as usize + counts.len() <= (ALL >> level) as usize;
        fits.then_some(Self { level, first, counts })
    }
}
