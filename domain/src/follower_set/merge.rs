//! Two sets at once.
//!
//! One walk serves all operations. Equal runs are compared eight ids at a time: between two lists of one account most
//! neighbours are the same. Where they differ, ids are taken one by one without a branch that the processor could guess wrong:
//! one, and while equal runs stay short, more and more before the next look for a run.

use super::format::{Builder, Chunk};
use super::{Error, FollowerSet, Pulse, Window};

/// Steps without a look for an equal run, at most.
const LONG: usize = 256;
/// Equal runs below this are short.
const SHORT_RUN: usize = 8;

/// What a walk over two sets is for.
trait Visitor {
    /// Whether ids of one side only are of no interest, so that chunks of them need not be decoded.
    const SKIPS_LEFT: bool;
    const SKIPS_RIGHT: bool;
    /// Ids that are in both.
    fn both(&mut self, ids: &[u64]);
    /// Ids that are only in the left, only in the right.
    fn left(&mut self, ids: &[u64]);
    fn right(&mut self, ids: &[u64]);
    /// The next id of each: the smaller one is taken, or both when they are equal. Without a branch.
    fn step(&mut self, left: u64, right: u64);
    /// After at most [`LONG`] steps.
    fn end_of_steps(&mut self) {}
    /// True when the answer is known and the walk may end.
    fn is_settled(&self) -> bool {
        false
    }
}

/// A place in a set; `rest` is what is left of the decoded chunk.
struct Cursor<'a> {
    set: FollowerSet<'a>,
    window: Window,
    next_chunk: usize,
    chunk: Chunk,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(set: FollowerSet<'a>) -> Self {
        Self { set, window: Window::default(), next_chunk: 0, chunk: Chunk::default(), at: 0 }
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
        self.set.decode(self.next_chunk, &mut self.window, &mut self.chunk)?;
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

fn walk<V: Visitor>(left: FollowerSet, right: FollowerSet, visitor: &mut V, pulse: Pulse) -> Result<(), Error> {
    let (mut left, mut right) = (Cursor::new(left), Cursor::new(right));
    let mut has_left = left.fill(pulse)?;
    let mut has_right = right.fill(pulse)?;
    while has_left && has_right && !visitor.is_settled() {
        let (x, y) = (left.rest(), right.rest());
        let (i, j) = walk_chunks(x, y, visitor);
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

/// Until one of them ends; returns how far it came in each.
fn walk_chunks(x: &[u64], y: &[u64], visitor: &mut impl Visitor) -> (usize, usize) {
    let (mut i, mut j) = (0, 0);
    let mut most = 1;
    loop {
        let equal = common_prefix(&x[i..], &y[j..]);
        if equal > 0 {
            visitor.both(&x[i..i + equal]);
            i += equal;
            j += equal;
        }
        let steps = most.min(x.len() - i).min(y.len() - j);
        if steps == 0 {
            return (i, j);
        }
        for _ in 0..steps {
            let (a, b) = (x[i], y[j]);
            visitor.step(a, b);
            i += usize::from(a <= b);
            j += usize::from(b <= a);
        }
        visitor.end_of_steps();
        most = if equal < SHORT_RUN { LONG.min(2 * most) } else { 1 };
    }
}

#[inline]
fn common_prefix(x: &[u64], y: &[u64]) -> usize {
    let mut equal = 0;
    for (x, y) in x.as_chunks::<8>().0.iter().zip(y.as_chunks::<8>().0) {
        let differences: [u64; 8] = std::array::from_fn(|place| x[place] ^ y[place]);
        if differences.iter().fold(0, |all, difference| all | difference) != 0 {
            return equal + differences.iter().take_while(|difference| **difference == 0).count();
        }
        equal += 8;
    }
    equal + x[equal..].iter().zip(&y[equal..]).take_while(|(x, y)| x == y).count()
}

/// Ids chosen by steps, not yet written.
struct Chosen {
    ids: [u64; 2 * LONG],
    count: usize,
}

impl Default for Chosen {
    fn default() -> Self {
        Self { ids: [0; 2 * LONG], count: 0 }
    }
}

impl Chosen {
    #[inline]
    fn put_if(&mut self, id: u64, is_chosen: bool) {
        self.ids[self.count % (2 * LONG)] = id;
        self.count += usize::from(is_chosen);
    }

    /// Makes room for the next steps.
    #[inline]
    fn end_of_steps(&mut self, builder: &mut Builder) {
        if self.count >= LONG {
            self.write(builder);
        }
    }

    fn write(&mut self, builder: &mut Builder) {
        if self.count > 0 {
            builder.extend(&self.ids[..self.count]);
            self.count = 0;
        }
    }
}

/// Which of the three parts of two sets go into the result.
#[derive(Default)]
struct Select<const BOTH: bool, const LEFT: bool, const RIGHT: bool> {
    result: Builder,
    chosen: Chosen,
}

impl<const BOTH: bool, const LEFT: bool, const RIGHT: bool> Visitor for Select<BOTH, LEFT, RIGHT> {
    const SKIPS_LEFT: bool = !LEFT;
    const SKIPS_RIGHT: bool = !RIGHT;

    fn both(&mut self, ids: &[u64]) {
        if BOTH {
            self.chosen.write(&mut self.result);
            self.result.extend(ids);
        }
    }

    fn left(&mut self, ids: &[u64]) {
        if LEFT {
            self.chosen.write(&mut self.result);
            self.result.extend(ids);
        }
    }

    fn right(&mut self, ids: &[u64]) {
        if RIGHT {
            self.chosen.write(&mut self.result);
            self.result.extend(ids);
        }
    }

    #[inline]
    fn step(&mut self, left: u64, right: u64) {
        let is_chosen = BOTH & (left == right) | LEFT & (left < right) | RIGHT & (right < left);
        self.chosen.put_if(left.min(right), is_chosen);
    }

    fn end_of_steps(&mut self) {
        self.chosen.end_of_steps(&mut self.result);
    }
}

fn select<const BOTH: bool, const LEFT: bool, const RIGHT: bool>(
    left: FollowerSet,
    right: FollowerSet,
    pulse: Pulse,
) -> Result<Vec<u8>, Error> {
    let mut visitor = Select::<BOTH, LEFT, RIGHT>::default();
    walk(left, right, &mut visitor, pulse)?;
    visitor.chosen.write(&mut visitor.result);
    visitor.result.finish()
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
    new: Chosen,
    old: Chosen,
}

impl Visitor for TwoWay {
    const SKIPS_LEFT: bool = false;
    const SKIPS_RIGHT: bool = false;

    fn both(&mut self, _: &[u64]) {}

    fn left(&mut self, ids: &[u64]) {
        self.old.write(&mut self.lost);
        self.lost.extend(ids);
    }

    fn right(&mut self, ids: &[u64]) {
        self.new.write(&mut self.gained);
        self.gained.extend(ids);
    }

    #[inline]
    fn step(&mut self, left: u64, right: u64) {
        self.old.put_if(left, left < right);
        self.new.put_if(right, right < left);
    }

    fn end_of_steps(&mut self) {
        self.old.end_of_steps(&mut self.lost);
        self.new.end_of_steps(&mut self.gained);
    }
}

/// Both directions in one walk.
pub fn diff(before: FollowerSet, after: FollowerSet, pulse: Pulse) -> Result<Diff, Error> {
    let mut visitor = TwoWay::default();
    walk(before, after, &mut visitor, pulse)?;
    visitor.old.write(&mut visitor.lost);
    visitor.new.write(&mut visitor.gained);
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

    #[inline]
    fn step(&mut self, left: u64, right: u64) {
        self.0 += u64::from(left == right);
    }
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

    #[inline]
    fn step(&mut self, left: u64, right: u64) {
        self.0 |= BOTH & (left == right) | LEFT & (left < right) | RIGHT & (right < left);
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
