//! Two sets at once.
//!
//! One walk serves all operations: it hands out runs of ids that are in both, in the left only, in the right only. Equal runs
//! are compared eight ids at a time: between two lists of one account most neighbours are the same.

use super::format::{Builder, Chunk};
use super::{Error, FollowerSet, Pulse};

/// What a walk over two sets is for.
trait Visitor {
    /// Whether ids of one side only are of no interest, so that chunks of them need not be decoded.
    const SKIPS_LEFT: bool;
    const SKIPS_RIGHT: bool;
    fn both(&mut self, ids: &[u64]);
    fn left(&mut self, ids: &[u64]);
    fn right(&mut self, ids: &[u64]);
    /// True when the answer is known and the walk may end.
    fn is_settled(&self) -> bool {
        false
    }
}

/// A place in a set; `rest` is what is left of the decoded chunk.
struct Cursor<'a> {
    set: FollowerSet<'a>,
    next_chunk: usize,
    chunk: Chunk,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(set: FollowerSet<'a>) -> Self {
        Self { set, next_chunk: 0, chunk: Chunk::default(), at: 0 }
    }

    #[inline]
    fn rest(&self) -> &[u64] {
        &self.chunk.ids()[self.at..]
    }

    /// Makes sure that there is a rest; false at the end of the set.
    fn fill(&mut self, pulse: Pulse) -> Result<bool, Error> {
        if self.at < self.chunk.ids().len() {
            return Ok(true);
        }
        if self.next_chunk == self.set.directory().chunks() {
            return Ok(false);
        }
        pulse();
        self.set.decode(self.next_chunk, &mut self.chunk)?;
        self.next_chunk += 1;
        self.at = 0;
        Ok(true)
    }

    /// At the end of its chunk: leaves out the chunks that end before `id`.
    fn skip_to(&mut self, id: u64) {
        if self.at == self.chunk.ids().len()
            && let Some(chunk) = self.set.directory().chunk_of(id)
        {
            self.next_chunk = self.next_chunk.max(chunk);
        }
    }
}

fn walk(left: FollowerSet, right: FollowerSet, visitor: &mut impl Visitor, pulse: Pulse) -> Result<(), Error> {
    walk_with(left, right, visitor, pulse)
}

fn walk_with<V: Visitor>(left: FollowerSet, right: FollowerSet, visitor: &mut V, pulse: Pulse) -> Result<(), Error> {
    let (mut left, mut right) = (Cursor::new(left), Cursor::new(right));
    let mut has_left = left.fill(pulse)?;
    let mut has_right = right.fill(pulse)?;
    while has_left && has_right && !visitor.is_settled() {
        let (x, y) = (left.rest(), right.rest());
        let (mut i, mut j) = (0, 0);
        loop {
            let equal = common_prefix(&x[i..], &y[j..]);
            if equal > 0 {
                visitor.both(&x[i..i + equal]);
                i += equal;
                j += equal;
            }
            if i == x.len() || j == y.len() {
                break;
            }
            if x[i] < y[j] {
                let run = run_below(&x[i..], y[j]);
                visitor.left(&x[i..i + run]);
                i += run;
            } else {
                let run = run_below(&y[j..], x[i]);
                visitor.right(&y[j..j + run]);
                j += run;
            }
            if i == x.len() || j == y.len() {
                break;
            }
        }
        let (next_left, next_right) = (x.get(i).copied(), y.get(j).copied());
        left.at += i;
        right.at += j;
        if V::SKIPS_LEFT
            && let Some(id) = next_right
        {
            left.skip_to(id);
        }
        if V::SKIPS_RIGHT
            && let Some(id) = next_left
        {
            right.skip_to(id);
        }
        has_left = left.fill(pulse)?;
        has_right = right.fill(pulse)?;
    }
    while !V::SKIPS_LEFT && has_left && !visitor.is_settled() {
        visitor.left(left.rest());
        left.at = left.chunk.ids().len();
        has_left = left.fill(pulse)?;
    }
    while !V::SKIPS_RIGHT && has_right && !visitor.is_settled() {
        visitor.right(right.rest());
        right.at = right.chunk.ids().len();
        has_right = right.fill(pulse)?;
    }
    Ok(())
}

#[inline]
fn common_prefix(x: &[u64], y: &[u64]) -> usize {
    let eights = x.as_chunks::<8>().0.iter().zip(y.as_chunks::<8>().0);
    let equal = 8 * eights
        .take_while(|(x, y)| x.iter().zip(*y).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0)
        .count();
    equal + x[equal..].iter().zip(&y[equal..]).take_while(|(x, y)| x == y).count()
}

/// How many ids at the start are below `bound`; the first one is. Gallops, since the run may be one id or a whole chunk.
#[inline]
fn run_below(ids: &[u64], bound: u64) -> usize {
    let mut step = 1;
    while step < ids.len() && ids[step] < bound {
        step *= 2;
    }
    let from = step / 2;
    let to = ids.len().min(step);
    from + ids[from..to].partition_point(|id| *id < bound)
}

/// Which of the three parts of two sets go into the result.
struct Select<const BOTH: bool, const LEFT: bool, const RIGHT: bool>(Builder);

impl<const BOTH: bool, const LEFT: bool, const RIGHT: bool> Visitor for Select<BOTH, LEFT, RIGHT> {
    const SKIPS_LEFT: bool = !LEFT;
    const SKIPS_RIGHT: bool = !RIGHT;

    fn both(&mut self, ids: &[u64]) {
        if BOTH {
            self.0.extend(ids);
        }
    }

    fn left(&mut self, ids: &[u64]) {
        if LEFT {
            self.0.extend(ids);
        }
    }

    fn right(&mut self, ids: &[u64]) {
        if RIGHT {
            self.0.extend(ids);
        }
    }
}

fn select<const BOTH: bool, const LEFT: bool, const RIGHT: bool>(
    left: FollowerSet,
    right: FollowerSet,
    pulse: Pulse,
) -> Result<Vec<u8>, Error> {
    let mut visitor = Select::<BOTH, LEFT, RIGHT>(Builder::default());
    walk(left, right, &mut visitor, pulse)?;
    visitor.0.finish()
}

/// Ids that are in either.
pub fn union(left: FollowerSet, right: FollowerSet, pulse: Pulse) -> Result<Vec<u8>, Error> {
    select::<true, true, true>(left, right, pulse)
}

/// Ids that are in both.
pub fn intersection(left: FollowerSet, right: FollowerSet, pulse: Pulse) -> Result<Vec<u8>, Error> {
    select::<true, false, false>(left, right, pulse)
}

/// Ids of the left that are not in the right.
pub fn difference(left: FollowerSet, right: FollowerSet, pulse: Pulse) -> Result<Vec<u8>, Error> {
    select::<false, true, false>(left, right, pulse)
}

/// Ids that are in exactly one.
pub fn symmetric_difference(left: FollowerSet, right: FollowerSet, pulse: Pulse) -> Result<Vec<u8>, Error> {
    select::<false, true, true>(left, right, pulse)
}

/// What came and what went between two sets.
pub struct Diff {
    /// In the later one only.
    pub gained: Vec<u8>,
    /// In the earlier one only.
    pub lost: Vec<u8>,
}

#[derive(Default)]
struct TwoWay {
    gained: Builder,
    lost: Builder,
}

impl Visitor for TwoWay {
    const SKIPS_LEFT: bool = false;
    const SKIPS_RIGHT: bool = false;

    fn both(&mut self, _: &[u64]) {}

    fn left(&mut self, ids: &[u64]) {
        self.lost.extend(ids);
    }

    fn right(&mut self, ids: &[u64]) {
        self.gained.extend(ids);
    }
}

/// Both directions in one walk.
pub fn diff(before: FollowerSet, after: FollowerSet, pulse: Pulse) -> Result<Diff, Error> {
    let mut visitor = TwoWay::default();
    walk(before, after, &mut visitor, pulse)?;
    Ok(Diff { gained: visitor.gained.finish()?, lost: visitor.lost.finish()? })
}

/// How two sets lie to each other, without building anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Number of ids in both.
    pub both: u64,
    /// Number of ids in the left only.
    pub left: u64,
    /// Number of ids in the right only.
    pub right: u64,
}

struct Count(u64);

impl Visitor for Count {
    const SKIPS_LEFT: bool = true;
    const SKIPS_RIGHT: bool = true;

    fn both(&mut self, ids: &[u64]) {
        self.0 += ids.len() as u64;
    }

    fn left(&mut self, _: &[u64]) {}

    fn right(&mut self, _: &[u64]) {}
}

/// Counts; chunks that the other set has nothing in are not decoded.
pub fn compare(left: FollowerSet, right: FollowerSet, pulse: Pulse) -> Result<Comparison, Error> {
    let mut common = Count(0);
    walk(left, right, &mut common, pulse)?;
    let rest = |set: FollowerSet| set.count().checked_sub(common.0).ok_or(Error::Damaged("its count is wrong"));
    Ok(Comparison { both: common.0, left: rest(left)?, right: rest(right)? })
}

/// Looks for one id that settles the question.
struct Exists<const BOTH: bool, const LEFT: bool, const RIGHT: bool>(bool);

impl<const BOTH: bool, const LEFT: bool, const RIGHT: bool> Visitor for Exists<BOTH, LEFT, RIGHT> {
    const SKIPS_LEFT: bool = !LEFT;
    const SKIPS_RIGHT: bool = !RIGHT;

    fn both(&mut self, _: &[u64]) {
        self.0 |= BOTH;
    }

    fn left(&mut self, _: &[u64]) {
        self.0 |= LEFT;
    }

    fn right(&mut self, _: &[u64]) {
        self.0 |= RIGHT;
    }

    fn is_settled(&self) -> bool {
        self.0
    }
}

fn exists<const BOTH: bool, const LEFT: bool, const RIGHT: bool>(
    left: FollowerSet,
    right: FollowerSet,
    pulse: Pulse,
) -> Result<bool, Error> {
    let mut visitor = Exists::<BOTH, LEFT, RIGHT>(false);
    walk(left, right, &mut visitor, pulse)?;
    Ok(visitor.0)
}

impl FollowerSet<'_> {
    /// Whether some id is in both.
    pub fn overlaps(self, other: FollowerSet, pulse: Pulse) -> Result<bool, Error> {
        exists::<true, false, false>(self, other, pulse)
    }

    /// Whether all ids of `other` are in this one.
    pub fn contains_set(self, other: FollowerSet, pulse: Pulse) -> Result<bool, Error> {
        Ok(other.count() <= self.count() && !exists::<false, false, true>(self, other, pulse)?)
    }

    /// Whether both have the same ids.
    pub fn equals(self, other: FollowerSet, pulse: Pulse) -> Result<bool, Error> {
        if self.count() != other.count() || self.min() != other.min() {
            return Ok(false);
        }
        // Equal bytes are equal sets if they are sets at all, which a chunk shows only when it is decoded.
        Ok(!exists::<false, true, true>(self, other, pulse)?)
    }
}
