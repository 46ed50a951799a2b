//! Verification: a chain's records against what was sealed of them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use analytics_domain::audit::{Canonical, Entry, Hash, Personal, Record};
use pgrx::datum::{Internal, TimestampWithTimeZone, Uuid};
use pgrx::pg_sys;
use pgrx::prelude::*;
use serde::Serialize;

use super::{Inet, micros};
use crate::pg::aggregate;
use crate::pg::json::{Jsonb, StoredJsonb};
use crate::pg::plan::Lookup;
use crate::pg::session;

thread_local! {
    static SEGMENTS: Lookup = const { Lookup::new(
        c"select s.number, s.first_at from analytics_private.audit_segments s where s.chain operator(pg_catalog.=) $1 and s.first_at operator(pg_catalog.<) $3 and s.last_at operator(pg_catalog.>=) $2 and not exists (select from analytics_private.audit_pruned_months p where p.month operator(pg_catalog.=) s.month) order by s.first_at desc, s.number desc",
        &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static ENTRIES: Lookup = const { Lookup::new(
        c"select e.entries, s.root, s.record_count from analytics_private.audit_segments s left join analytics_private.audit_entries e on e.chain operator(pg_catalog.=) s.chain and e.number operator(pg_catalog.=) s.number where s.chain operator(pg_catalog.=) $1 and s.number operator(pg_catalog.=) $2",
        &[pg_sys::UUIDOID, pg_sys::INT8OID],
    ) };
    static PENDING: Lookup = const { Lookup::new(
        c"select p.record_id, p.digest from analytics_private.audit_pending p where p.chain operator(pg_catalog.=) $1 and p.\"timestamp\" operator(pg_catalog.>=) $2 and p.\"timestamp\" operator(pg_catalog.<) $3",
        &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
}

/// Something that is not as it was sealed.
#[derive(Serialize)]
struct Problem {
    kind: &'static str,
    segment: Option<i64>,
    record: Option<String>,
    text: &'static str,
}

/// The entries of a segment that are still to come.
struct Cursor {
    number: i64,
    entries: Vec<u8>,
    position: usize,
}

impl Cursor {
    fn take(&mut self) -> Option<Entry> {
        let entry = Entry::all(self.entries.get(self.position..)?).next()?;
        self.position += Entry::SIZE;
        Some(entry)
    }
}

/// By time and record, then by segment.
struct Next(Entry, usize);

impl Next {
    fn key(&self) -> (i64, [u8; 16], usize) {
        (self.0.at, self.0.id, self.1)
    }
}
impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Next {}
impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Next {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Records of a chain on one side, in order; what was sealed on the other, in the same order. Holds the entries of the
/// segments that the current moment lies in.
struct Check {
    chain: [u8; 16],
    from: i64,
    /// Segments not reached yet, the next one last.
    ahead: Vec<(i64, i64)>,
    cursors: Vec<Cursor>,
    next: BinaryHeap<Reverse<Next>>,
    pending: HashMap<[u8; 16], Hash>,
    buffer: Canonical,
    sealed: i64,
    unsealed: i64,
    erased: i64,
    problem: Option<Problem>,
}

impl Check {
    fn new(chain: Uuid, from: TimestampWithTimeZone, to: TimestampWithTimeZone) -> Self {
        let chain_bytes = *chain.as_bytes();
        let range = [chain.into_datum(), from.into_datum(), to.into_datum()].map(|datum| datum.unwrap_or(0.into()));
        let (mut ahead, mut pending) = (Vec::new(), HashMap::new());
        session::as_owner(|| {
            SEGMENTS.with(|lookup| {
                lookup.rows(&mut range.clone(), 2, |row| {
                    if let [Some(number), Some(first_at)] = row {
                        ahead.push((first_at.value() as i64, number.value() as i64));
                    }
                });
            });
            PENDING.with(|lookup| {
                lookup.rows(&mut range.clone(), 2, |row| {
                    if let [Some(id), Some(digest)] = row {
                        // SAFETY: the query's columns are uuid and bytea.
                        let (id, digest) =
                            unsafe { (Uuid::from_datum(*id, false), <&[u8]>::from_datum(*digest, false)) };
                        if let (Some(id), Some(Ok(digest))) = (id, digest.map(Hash::try_from)) {
                            pending.insert(*id.as_bytes(), digest);
                        }
                    }
                });
            });
        });
        Self {
            chain: chain_bytes,
            from: micros(from),
            ahead,
            cursors: Vec::new(),
            next: BinaryHeap::new(),
            pending,
            buffer: Canonical::default(),
            sealed: 0,
            unsealed: 0,
            erased: 0,
            problem: None,
        }
    }

    fn report(&mut self, kind: &'static str, segment: Option<i64>, record: Option<[u8; 16]>, text: &'static str) {
        let record = record.map(|id| uuid::Uuid::from_bytes(id).to_string());
        self.problem.get_or_insert(Problem { kind, segment, record, text });
    }

    /// Opens the segments that begin at or before a moment.
    fn open(&mut self, until: i64) {
        while let Some((first_at, number)) = self.ahead.pop_if(|(first_at, _)| *first_at <= until) {
            let mut stored: Option<(Vec<u8>, Vec<u8>, i64)> = None;
            let mut arguments =
                [Uuid::from_bytes(self.chain).into_datum(), number.into_datum()].map(|datum| datum.unwrap_or(0.into()));
            session::as_owner(|| {
                ENTRIES.with(|lookup| {
                    lookup.rows(&mut arguments, 3, |row| {
                        // SAFETY: the query's columns are bytea, bytea and bigint; both are copied.
                        stored = row[0].zip(row[1]).zip(row[2]).and_then(|((entries, root), count)| unsafe {
                            Some((
                                Vec::<u8>::from_datum(entries, false)?,
                                Vec::<u8>::from_datum(root, false)?,
                                count.value() as i64,
                            ))
                        });
                    });
                });
            });
            let Some((entries, root, count)) = stored else {
                self.report("segment", Some(number), None, "the segment's list of records is missing");
                continue;
            };
            let whole = usize::try_from(count).ok().and_then(|count| count.checked_mul(Entry::SIZE));
            let begins = Entry::all(&entries).next().map(|entry| entry.at);
            if whole != Some(entries.len()) || Entry::root(&entries).as_slice() != root || begins != Some(first_at) {
                self.report(
                    "segment",
                    Some(number),
                    None,
                    "the segment's list of records is not the one that was sealed",
                );
            }
            let mut cursor = Cursor { number, entries, position: 0 };
            let slot = self.cursors.len();
            self.advance_from(&mut cursor, slot);
            self.cursors.push(cursor);
        }
    }

    /// The next entry in the range that is verified.
    fn advance_from(&mut self, cursor: &mut Cursor, slot: usize) {
        while let Some(entry) = cursor.take() {
            if entry.at >= self.from {
                self.next.push(Reverse(Next(entry, slot)));
                return;
            }
        }
        cursor.entries = Vec::new();
    }

    fn pop(&mut self) -> Option<(Entry, i64)> {
        let Reverse(Next(entry, slot)) = self.next.pop()?;
        let mut cursor =
            std::mem::replace(self.cursors.get_mut(slot)?, Cursor { number: 0, entries: Vec::new(), position: 0 });
        let number = cursor.number;
        self.advance_from(&mut cursor, slot);
        self.cursors[slot] = cursor;
        if self.next.is_empty() {
            self.cursors.clear();
        }
        Some((entry, number))
    }

    fn record(&mut self, at: i64, id: [u8; 16], digest: Option<Hash>) {
        self.open(at);
        while self.next.peek().is_some_and(|Reverse(Next(entry, _))| (entry.at, entry.id) < (at, id)) {
            self.missing();
        }
        if self.next.peek().is_some_and(|Reverse(Next(entry, _))| (entry.at, entry.id) == (at, id)) {
            if let Some((entry, number)) = self.pop() {
                self.sealed += 1;
                if digest != Some(entry.digest) {
                    self.report("edited", Some(number), Some(id), "a record is not as it was sealed");
                }
            }
            return;
        }
        match self.pending.remove(&id) {
            Some(written) => {
                self.unsealed += 1;
                if digest != Some(written) {
                    self.report("edited", None, Some(id), "a record that waits to be sealed is not as it was written");
                }
            }
            None => self.report("inserted", None, Some(id), "a record was never sealed and does not wait for it"),
        }
    }

    fn missing(&mut self) {
        if let Some((entry, number)) = self.pop() {
            self.report("missing", Some(number), Some(entry.id), "a sealed record is gone");
        }
    }

    fn finish(&mut self) {
        self.open(i64::MAX);
        while self.problem.is_none() && !self.next.is_empty() {
            self.missing();
        }
        if let Some(id) = self.pending.keys().min().copied() {
            self.report("missing", None, Some(id), "a record that waits to be sealed is gone");
        }
    }
}

#[pg_extern(volatile, parallel_unsafe, schema = "analytics_private")]
#[allow(clippy::too_many_arguments)]
fn audit_check_add(
    mut state: Internal,
    chain: Option<Uuid>,
    from_time: Option<TimestampWithTimeZone>,
    to_time: Option<TimestampWithTimeZone>,
    id: Option<Uuid>,
    workspace_id: Option<Uuid>,
    at: Option<TimestampWithTimeZone>,
    actor_id: Option<Uuid>,
    actor_login: Option<&str>,
    action: Option<&str>,
    entity_type: Option<&str>,
    entity_id: Option<Uuid>,
    request_id: Option<&str>,
    metadata: Option<StoredJsonb<&[u8]>>,
    personal_digest: Option<&[u8]>,
    salt: Option<&[u8]>,
    old_values: Option<StoredJsonb<&[u8]>>,
    new_values: Option<StoredJsonb<&[u8]>>,
    ip_address: Option<Inet>,
    user_agent: Option<&str>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    // SAFETY: only this function makes the state, and it is of this type.
    let mut state = match unsafe { state.get_mut::<Check>() } {
        Some(_) => state,
        None => {
            let (Some(chain), Some(from), Some(to)) = (chain, from_time, to_time) else { return state };
            let mut context = aggregate::context(fcinfo);
            Internal::from(Some(pg_sys::Datum::from(context.leak_and_drop_on_delete(Check::new(chain, from, to)))))
        }
    };
    // SAFETY: as above.
    let Some(check) = (unsafe { state.get_mut::<Check>() }) else { return state };
    // After the first problem nothing is looked at any more; without a record only the state was wanted.
    let (None, Some(id), Some(at)) = (&check.problem, id, at) else { return state };
    let id = *id.as_bytes();
    let digest = metadata.and_then(|metadata| {
        Record {
            id,
            workspace_id: workspace_id.map(|id| *id.as_bytes()),
            at: micros(at),
            actor_id: actor_id.map(|id| *id.as_bytes()),
            actor_login: actor_login?,
            action: action?,
            entity_type: entity_type?,
            entity_id: entity_id.map(|id| *id.as_bytes()),
            request_id,
            metadata: &metadata,
            personal_digest,
        }
        .digest(&mut check.buffer)
    });
    check.record(micros(at), id, digest);
    match (personal_digest, salt) {
        (Some(_), None) => check.erased += 1,
        (known, Some(salt)) => {
            let found = Personal {
                salt,
                old_values: old_values.as_ref(),
                new_values: new_values.as_ref(),
                ip_address: ip_address.map(|address| address.0),
                user_agent,
            }
            .digest(&mut check.buffer);
            if known != found.as_ref().map(Hash::as_slice) {
                check.report(
                    "personal_edited",
                    None,
                    Some(id),
                    "personal values of a record are not as they were written",
                );
            }
        }
        (None, None) => {}
    }
    state
}

#[derive(Serialize)]
struct Checked<'a> {
    sealed: i64,
    unsealed: i64,
    erased: i64,
    problem: &'a Option<Problem>,
}

#[pg_extern(volatile, parallel_unsafe, schema = "analytics_private")]
fn audit_check_end(mut state: Internal) -> Option<Jsonb> {
    // SAFETY: only audit_check_add makes the state; the aggregate says that this changes it.
    let check = unsafe { state.get_mut::<Check>() }?;
    check.finish();
    let Check { sealed, unsealed, erased, problem, .. } = check;
    Some(Jsonb::of(&Checked { sealed: *sealed, unsealed: *unsealed, erased: *erased, problem }))
}
