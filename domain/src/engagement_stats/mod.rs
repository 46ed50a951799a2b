//! Engagement rates of many posts in one summary of bounded size: counts, sums, moments, extremes and quantiles.
//!
//! What is known and what is not follows [`crate::engagement`]: a post whose rate is unknown is counted apart, never as 0.
//! Everything is exact but quantiles, whose relative error is bounded. A summary depends on the posts only: in
//! whatever order they come, and however they are split and merged, it is the same to the last bit.

mod buckets;
mod exact;
mod format;
#[cfg(test)]
mod tests;

use buckets::{Buckets, bucket};
use exact::Moments;

use crate::engagement::{interactions, percent_of};

/// What the interactions are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denominator {
    Reach,
    Followers,
    Views,
}

impl Denominator {
    pub fn name(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Followers => "followers",
            Self::Views => "views",
        }
    }
}

/// Why a summary cannot be read or merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The bytes are no summary: damaged or forged.
    Damaged(&'static str),
    /// Written by a version of this format that is not known here.
    Version(u8),
    /// Rates by different denominators.
    Mixed(Denominator, Denominator),
    /// More than 2^63 - 1 posts, or sums that none of so many have.
    TooMany,
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(how) => write!(out, "not an engagement summary: {how}"),
            Self::Version(version) => write!(out, "engagement summary of unknown version {version}"),
            Self::Mixed(one, other) => {
                write!(out, "engagement by {} cannot be rolled up with engagement by {}", one.name(), other.name())
            }
            Self::TooMany => write!(out, "engagement summary would have more posts than a bigint can count"),
        }
    }
}

impl std::error::Error for Error {}

/// Posts by what is known of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    rated: u64,
    /// Some count unknown or negative, denominator known.
    hidden: u64,
    /// Counts known; denominator unknown, negative or 0.
    no_denominator: u64,
    neither: u64,
}

impl Counts {
    fn all(self) -> Option<u64> {
        let Self { rated, hidden, no_denominator, neither } = self;
        let sum = rated.checked_add(hidden)?.checked_add(no_denominator)?.checked_add(neither)?;
        (sum <= i64::MAX as u64).then_some(sum)
    }
}

/// Of the posts with a rate.
#[derive(Debug, Clone)]
struct Rates {
    interactions: u128,
    denominators: u128,
    moments: Moments,
    zeros: u64,
    /// Of rates above 0.
    buckets: Buckets,
    minimum: f64,
    maximum: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            interactions: 0,
            denominators: 0,
            moments: Moments::default(),
            zeros: 0,
            buckets: Buckets::default(),
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
        }
    }
}

/// What is known of one post.
enum Post {
    Rated { interactions: u128, denominator: u64, rate: f64 },
    Hidden,
    NoDenominator,
    Neither,
}

#[inline(always)]
fn judge<const N: usize>(counts: [Option<i64>; N], denominator: Option<i64>) -> Post {
    // Below 2^54 each, hundred times their sum fits into 63 bits: the usual case, without wide arithmetic. A negative count
    // is larger than that as well.
    let mut bits = 0;
    let mut sum = 0_u64;
    let mut known = true;
    for count in counts {
        known &= count.is_some();
        let count = count.unwrap_or(0) as u64;
        bits |= count;
        sum = sum.wrapping_add(count);
    }
    match denominator {
        Some(denominator) if known && bits < 1 << 54 && denominator > 0 => Post::Rated {
            interactions: sum.into(),
            denominator: denominator as u64,
            rate: (sum * 100) as i64 as f64 / denominator as f64,
        },
        _ => judge_unusual(counts, denominator),
    }
}

#[cold]
fn judge_unusual<const N: usize>(counts: [Option<i64>; N], denominator: Option<i64>) -> Post {
    match (interactions(counts), denominator.filter(|denominator| *denominator > 0)) {
        (Some(interactions), Some(denominator)) => {
            Post::Rated { interactions, denominator: denominator as u64, rate: percent_of(interactions, denominator) }
        }
        (None, Some(_)) => Post::Hidden,
        (Some(_), None) => Post::NoDenominator,
        (None, None) => Post::Neither,
    }
}

/// Engagement of posts, by one denominator. Rates are in percent.
#[derive(Debug, Clone)]
pub struct Summary {
    by: Denominator,
    counts: Counts,
    rates: Rates,
}

impl Summary {
    /// Of no posts.
    pub fn new(by: Denominator) -> Self {
        Self { by, counts: Counts::default(), rates: Rates::default() }
    }

    /// Counts a post, unless that needs memory; says whether it did. Does not panic.
    #[inline(always)]
    pub fn add_in_place<const N: usize>(&mut self, counts: [Option<i64>; N], denominator: Option<i64>) -> bool {
        match judge(counts, denominator) {
            Post::Rated { interactions, denominator, rate } => {
                let rates = &mut self.rates;
                if interactions == 0 {
                    rates.zeros = rates.zeros.wrapping_add(1);
                } else if rates.buckets.add_in_place(bucket(rate)) {
                    rates.moments.add(rate);
                } else {
                    return false;
                }
                rates.interactions = rates.interactions.wrapping_add(interactions);
                rates.denominators = rates.denominators.wrapping_add(denominator.into());
                rates.minimum = if rate < rates.minimum { rate } else { rates.minimum };
                rates.maximum = if rate > rates.maximum { rate } else { rates.maximum };
                self.counts.rated = self.counts.rated.wrapping_add(1);
            }
            Post::Hidden => self.counts.hidden = self.counts.hidden.wrapping_add(1),
            Post::NoDenominator => self.counts.no_denominator = self.counts.no_denominator.wrapping_add(1),
            Post::Neither => self.counts.neither = self.counts.neither.wrapping_add(1),
        }
        true
    }

    /// Counts a post.
    pub fn add<const N: usize>(&mut self, counts: [Option<i64>; N], denominator: Option<i64>) {
        if !self.add_in_place(counts, denominator) {
            if let Post::Rated { rate, .. } = judge(counts, denominator) {
                self.rates.buckets.make_room_for(bucket(rate));
            }
            self.add_in_place(counts, denominator);
        }
    }

    /// Takes a post away that was counted; says whether it could. If not, as of a post with the smallest or the largest rate, the
    /// summary is to be made anew from the posts that are left.
    #[must_use]
    pub fn remove<const N: usize>(&mut self, counts: [Option<i64>; N], denominator: Option<i64>) -> bool {
        let less = |count: &mut u64| {
            count.checked_sub(1).is_some_and(|rest| {
                *count = rest;
                true
            })
        };
        match judge(counts, denominator) {
            Post::Rated { interactions, denominator, rate } => {
                let rates = &mut self.rates;
                if interactions == 0 && rates.zeros > 1 {
                    rates.zeros -= 1;
                } else if rates.buckets.level() == 0 && rate > rates.minimum && rate < rates.maximum {
                    rates.buckets.subtract(bucket(rate));
                    rates.moments.subtract(rate);
                } else {
                    return false;
                }
                rates.interactions = rates.interactions.wrapping_sub(interactions);
                rates.denominators = rates.denominators.wrapping_sub(denominator.into());
                less(&mut self.counts.rated)
            }
            Post::Hidden => less(&mut self.counts.hidden),
            Post::NoDenominator => less(&mut self.counts.no_denominator),
            Post::Neither => less(&mut self.counts.neither),
        }
    }

    /// Adds the posts of another summary. After an error this one is worth nothing.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if self.by != other.by {
            return Err(Error::Mixed(self.by, other.by));
        }
        let add = |a: u64, b: u64| a.checked_add(b).ok_or(Error::TooMany);
        let add_wide = |a: u128, b: u128| a.checked_add(b).ok_or(Error::TooMany);
        let (counts, more) = (&mut self.counts, other.counts);
        *counts = Counts {
            rated: add(counts.rated, more.rated)?,
            hidden: add(counts.hidden, more.hidden)?,
            no_denominator: add(counts.no_denominator, more.no_denominator)?,
            neither: add(counts.neither, more.neither)?,
        };
        counts.all().ok_or(Error::TooMany)?;
        let (rates, more) = (&mut self.rates, &other.rates);
        rates.interactions = add_wide(rates.interactions, more.interactions)?;
        rates.denominators = add_wide(rates.denominators, more.denominators)?;
        rates.zeros = add(rates.zeros, more.zeros)?;
        if !rates.moments.merge(&more.moments) {
            return Err(Error::TooMany);
        }
        rates.buckets.merge(&more.buckets);
        rates.minimum = rates.minimum.min(more.minimum);
        rates.maximum = rates.maximum.max(more.maximum);
        Ok(())
    }

    /// What the rates are by.
    pub fn denominator(&self) -> Denominator {
        self.by
    }

    /// All posts.
    pub fn posts(&self) -> u64 {
        self.counts.all().unwrap_or(i64::MAX as u64)
    }

    /// Posts whose rate is known: all counts, and a denominator above 0.
    pub fn posts_with_rate(&self) -> u64 {
        self.counts.rated
    }

    /// Posts of which some count is unknown or negative.
    pub fn posts_with_hidden_counts(&self) -> u64 {
        self.counts.hidden + self.counts.neither
    }

    /// Posts whose denominator is known and above 0, their counts known or not.
    pub fn posts_with_denominator(&self) -> u64 {
        self.counts.rated + self.counts.hidden
    }

    /// Interactions of the posts with a rate.
    pub fn interactions(&self) -> u128 {
        self.rates.interactions
    }

    /// Denominators of the posts with a rate, added up. Whoever was reached by two posts counts twice.
    pub fn denominators(&self) -> u128 {
        self.rates.denominators
    }

    /// The rate of all posts together: every person reached weighs the same.
    pub fn ratio_of_sums(&self) -> Option<f64> {
        let Rates { interactions, denominators, .. } = self.rates;
        let hundredfold = interactions.checked_mul(100).map_or(interactions as f64 * 100.0, |exact| exact as f64);
        (denominators > 0).then(|| hundredfold / denominators as f64)
    }

    /// The mean of the posts' rates: every post weighs the same.
    pub fn mean_of_ratios(&self) -> Option<f64> {
        (self.counts.rated > 0).then(|| self.rates.moments.mean(self.counts.rated))
    }

    /// The standard deviation of the posts' rates, taken as a sample: of one post there is none.
    pub fn standard_deviation(&self) -> Result<Option<f64>, Error> {
        if self.counts.rated < 2 {
            return Ok(None);
        }
        self.rates.moments.deviation(self.counts.rated).map(Some).ok_or(Error::Damaged("its sums are of no rates"))
    }

    /// The smallest rate.
    pub fn minimum(&self) -> Option<f64> {
        (self.counts.rated > 0).then_some(self.rates.minimum)
    }

    /// The largest rate.
    pub fn maximum(&self) -> Option<f64> {
        (self.counts.rated > 0).then_some(self.rates.maximum)
    }

    /// The smallest rate that at least this fraction of the posts does not exceed, off by [`Self::relative_error`] at most;
    /// 0, the smallest and the largest are exact. The fraction is from 0 to 1.
    pub fn quantile(&self, fraction: f64) -> Option<f64> {
        let Self { counts: Counts { rated, .. }, rates, .. } = self;
        let place = ((fraction * *rated as f64).ceil() as u64).clamp(1.min(*rated), *rated);
        match place {
            0 => None,
            1 => self.minimum(),
            _ if place == *rated => self.maximum(),
            _ if place <= rates.zeros => Some(0.0),
            _ => Some(rates.buckets.value_at(place - rates.zeros)?.clamp(rates.minimum, rates.maximum)),
        }
    }

    /// How far a quantile may be from the exact one, as a share of it: 1/129 unless the rates above 0 lie further
    /// apart than a factor of 2^31, then 1/65, 1/33 or 1/17.
    pub fn relative_error(&self) -> f64 {
        buckets::relative_error(self.rates.buckets.level())
    }
}
