//! Ids in any order, and sets, into one set.

use super::format::Builder;
use super::{Error, FollowerSet, Pulse, union};

/// Ids that wait to be sorted: 32 MB.
const BUFFER: usize = 1 << 22;

/// Collects ids and sets. As long as ids ascend they are compressed at once; after that they are sorted in portions, and the
/// portions are merged like the levels of a log-structured tree: a portion is merged with one at most twice its size.
#[derive(Clone, Default)]
pub struct Collector {
    ascending: Builder,
    buffer: Vec<u64>,
    /// Sets, each more than twice as large as the next.
    runs: Vec<Vec<u8>>,
}

impl Collector {
    /// Adds an id.
    #[inline]
    pub fn push(&mut self, id: u64, pulse: Pulse) -> Result<(), Error> {
        if self.buffer.is_empty() {
            match self.ascending.last() {
                Some(last) if last == id => return Ok(()),
                Some(last) if last > id => {}
                _ => {
                    self.ascending.push(id);
                    return Ok(());
                }
            }
        }
        self.put_aside(id, pulse)
    }

    #[inline(never)]
    fn put_aside(&mut self, id: u64, pulse: Pulse) -> Result<(), Error> {
        if self.buffer.len() == self.buffer.capacity() {
            if self.buffer.len() >= BUFFER {
                self.sort_buffer(pulse)?;
            } else {
                self.buffer
                    .try_reserve((2 * self.buffer.len()).clamp(64, BUFFER) - self.buffer.len())
                    .map_err(|_| Error::OutOfMemory)?;
            }
        }
        self.buffer.push(id);
        Ok(())
    }

    /// Adds all ids of a set.
    pub fn push_set(&mut self, set: FollowerSet, pulse: Pulse) -> Result<(), Error> {
        let mut bytes = Vec::new();
        set.copy_bytes(&mut bytes)?;
        self.push_run(bytes, pulse)
    }

    /// The set of all that was added; what was added stays, so more can follow.
    pub fn finish(&self, pulse: Pulse) -> Result<Vec<u8>, Error> {
        let mut rest = self.ascending.finish()?;
        if !self.buffer.is_empty() {
            let mut ids = Vec::new();
            ids.try_reserve_exact(self.buffer.len()).map_err(|_| Error::OutOfMemory)?;
            ids.extend_from_slice(&self.buffer);
            rest = union_of(&rest, &sorted(&mut ids)?, pulse)?;
        }
        for run in self.runs.iter().rev() {
            rest = union_of(run, &rest, pulse)?;
        }
        Ok(rest)
    }

    fn sort_buffer(&mut self, pulse: Pulse) -> Result<(), Error> {
        let run = sorted(&mut self.buffer)?;
        self.buffer.clear();
        self.push_run(run, pulse)
    }

    fn push_run(&mut self, mut run: Vec<u8>, pulse: Pulse) -> Result<(), Error> {
        while let Some(smallest) = self.runs.last()
            && smallest.len() <= 2 * run.len()
        {
            run = union_of(smallest, &run, pulse)?;
            self.runs.pop();
        }
        self.runs.push(run);
        Ok(())
    }
}

/// The set of ids in any order, doubles included.
pub fn from_ids(mut ids: Vec<u64>) -> Result<Vec<u8>, Error> {
    sorted(&mut ids)
}

fn sorted(ids: &mut [u64]) -> Result<Vec<u8>, Error> {
    ids.sort_unstable();
    let mut builder = Builder::default();
    let mut last = None;
    for id in ids {
        if last != Some(*id) {
            builder.push(*id);
        }
        last = Some(*id);
    }
    builder.finish()
}

fn union_of(left: &[u8], right: &[u8], pulse: Pulse) -> Result<Vec<u8>, Error> {
    union(FollowerSet::new(left)?, FollowerSet::new(right)?, pulse)
}
