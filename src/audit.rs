//! The audit trail's records, segments and their verification. SQL moves the rows (`sql/12_audit.sql`).

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use analytics_domain::audit::{self, Canonical, Checkpoint, Entry, Hash, NO_HEAD, Personal, Record, Segment, Tree};
use analytics_domain::identifiers::uuidv7;
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::{Internal, TimestampWithTimeZone, Uuid};
use pgrx::prelude::*;
use pgrx::{impl_sql_translatable, pg_sys};
use serde::Serialize;

use crate::identity;
use crate::pg::aggregate;
use crate::pg::json::{Jsonb, StoredJsonb};
use crate::pg::plan::Lookup;
use crate::pg::rows::{Object, Reader, Row, RowArray, RowDatum};
use crate::pg::session;
use crate::pg::table::Table;
use crate::request;

/// An argument of type `inet` in the server's binary form: family, bits of the mask, address.
struct Inet<'a>(&'a [u8]);

impl_sql_translatable!(Inet<'_>, "inet");

// SAFETY: an inet is a varlena like bytea.
unsafe impl<'fcx> ArgAbi<'fcx> for Inet<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        Inet(unsafe { <&'fcx [u8] as ArgAbi<'fcx>>::unbox_arg_unchecked(arg) })
    }
}

/// The same form of an address.
fn inet(address: std::net::IpAddr) -> Vec<u8> {
    // utils/inet.h: the families are AF_INET and the number after it.
    match address {
        std::net::IpAddr::V4(v4) => [&[2, 32], v4.octets().as_slice()].concat(),
        std::net::IpAddr::V6(v6) => [&[3, 128], v6.octets().as_slice()].concat(),
    }
}

fn micros(at: TimestampWithTimeZone) -> i64 {
    at.into_inner()
}

fn moment(micros: i64) -> TimestampWithTimeZone {
    // Every moment here came from the server.
    TimestampWithTimeZone::try_from(micros).unwrap_or_else(|_| pgrx::error!("{micros} microseconds are out of range"))
}

fn unreadable() -> ! {
    pgrx::error!("a document is nested too deep to be audited")
}

// Writing ---------------------------------------------------------------------------------------------------------------

/// Who acts and from where: the same for all records of a statement.
struct Act {
    actor_id: Option<[u8; 16]>,
    actor_login: String,
    request_id: String,
    ip_address: Option<std::net::IpAddr>,
    user_agent: Option<String>,
    buffer: Canonical,
}

const RECORDS: Table<11> = Table {
    schema: c"analytics_private",
    name: c"audit_logs",
    columns: [
        c"id",
        c"workspace_id",
        c"actor_id",
        c"actor_login",
        c"action",
        c"entity_type",
        c"entity_id",
        c"timestamp",
        c"request_id",
        c"metadata",
        c"personal_digest",
    ],
};
const PERSONAL: Table<8> = Table {
    schema: c"analytics",
    name: c"audit_personal",
    columns: [
        c"record_id",
        c"workspace_id",
        c"timestamp",
        c"salt",
        c"old_values",
        c"new_values",
        c"ip_address",
        c"user_agent",
    ],
};
const WAITING: Table<4> = Table {
    schema: c"analytics_private",
    name: c"audit_pending",
    columns: [c"chain", c"timestamp", c"record_id", c"digest"],
};

impl Act {
    fn now() -> Self {
        let client = request::client();
        Self {
            actor_id: identity::with_caller(|caller| caller.active).map(|id| *id.as_bytes()),
            actor_login: session::role_name(session::session_user()).to_string_lossy().into_owned(),
            request_id: request::id_of(&client),
            ip_address: client.ip,
            user_agent: client.user_agent,
            buffer: Canonical::default(),
        }
    }

    /// Stores a record, what is personal of it, and that it waits to be sealed.
    #[allow(clippy::too_many_arguments)]
    fn record<B: AsRef<[u8]>, C: AsRef<[u8]>>(
        &mut self,
        action: &str,
        entity_type: &str,
        entity_id: Option<[u8; 16]>,
        workspace_id: Option<[u8; 16]>,
        metadata: &StoredJsonb<B>,
        old_values: Option<&StoredJsonb<C>>,
        new_values: Option<&StoredJsonb<C>>,
    ) -> Uuid {
        let (id, at) = (*uuidv7().as_bytes(), session::now());
        let uuid = |id: [u8; 16]| Uuid::from_bytes(id).into_datum();
        let workspace = workspace_id.and_then(uuid);
        let is_personal =
            old_values.is_some() || new_values.is_some() || self.ip_address.is_some() || self.user_agent.is_some();
        let personal_digest = is_personal.then(|| {
            // 122 bits from a generator that the operating system seeds.
            let salt = uuid::Uuid::new_v4().into_bytes();
            let ip_address = self.ip_address.map(inet);
            let personal = Personal {
                salt: &salt,
                old_values,
                new_values,
                ip_address: ip_address.as_deref(),
                user_agent: self.user_agent.as_deref(),
            };
            let digest = personal.digest(&mut self.buffer).unwrap_or_else(|| unreadable());
            PERSONAL.insert([
                uuid(id),
                workspace,
                moment(at).into_datum(),
                salt.as_slice().into_datum(),
                old_values.and_then(|values| values.0.as_ref().into_datum()),
                new_values.and_then(|values| values.0.as_ref().into_datum()),
                // An inet is stored like bytea.
                ip_address.as_deref().and_then(IntoDatum::into_datum),
                self.user_agent.as_deref().into_datum(),
            ]);
            digest
        });
        let digest = Record {
            id,
            workspace_id,
            at,
            actor_id: self.actor_id,
            actor_login: &self.actor_login,
            action,
            entity_type,
            entity_id,
            request_id: Some(&self.request_id),
            metadata,
            personal_digest: personal_digest.as_ref().map(Hash::as_slice),
        }
        .digest(&mut self.buffer)
        .unwrap_or_else(|| unreadable());
        RECORDS.insert_by_month(
            at,
            [
                uuid(id),
                workspace,
                self.actor_id.and_then(uuid),
                self.actor_login.as_str().into_datum(),
                action.into_datum(),
                entity_type.into_datum(),
                entity_id.and_then(uuid),
                moment(at).into_datum(),
                self.request_id.as_str().into_datum(),
                metadata.0.as_ref().into_datum(),
                personal_digest.as_ref().and_then(|digest| digest.as_slice().into_datum()),
            ],
        );
        WAITING.insert([
            uuid(workspace_id.unwrap_or_default()),
            moment(at).into_datum(),
            uuid(id),
            digest.as_slice().into_datum(),
        ]);
        Uuid::from_bytes(id)
    }
}

/// Adds a record; behind write_audit().
#[pg_extern(volatile, parallel_unsafe, schema = "analytics_private")]
fn add_audit_record(
    action: &str,
    entity_type: &str,
    entity_id: Option<Uuid>,
    metadata: StoredJsonb<&[u8]>,
    workspace_id: Option<Uuid>,
    old_values: Option<StoredJsonb<&[u8]>>,
    new_values: Option<StoredJsonb<&[u8]>>,
) -> Uuid {
    let id = Act::now().record(
        action,
        entity_type,
        entity_id.map(|id| *id.as_bytes()),
        workspace_id.map(|id| *id.as_bytes()),
        &metadata,
        old_values.as_ref(),
        new_values.as_ref(),
    );
    session::end_command();
    id
}

/// Change with every touch of a row and with every sign-in, of which the auth system keeps its own record.
const TOUCHED: [&str; 2] = ["updated_at", "last_login"];

/// `{}` as the server stores it: an object of no pairs.
fn no_metadata() -> StoredJsonb<[u8; 4]> {
    StoredJsonb(0x2000_0000_u32.to_ne_bytes())
}

thread_local! {
    static ROWS_PER_RECORD: Lookup = const { Lookup::new(
        c"select s.value::pg_catalog.int4 from analytics_private.settings s where s.name operator(pg_catalog.=) 'audit_rows_per_record'",
        &[],
    ) };
}

/// Rows of one statement that get a record each; of more, none does.
fn rows_per_record() -> usize {
    let mut limit = 0;
    session::as_owner(|| {
        ROWS_PER_RECORD.with(|lookup| {
            lookup.rows(&mut [], 1, |row| limit = row[0].map_or(0, |value| value.value()));
        });
    });
    limit
}

/// Adds a record for each row that a statement changed and returns how many; none when there are more rows than the setting
/// `audit_rows_per_record` allows. Old and new rows are in the same order.
#[pg_extern(volatile, parallel_unsafe, schema = "analytics_private")]
fn add_change_records(
    entity_type: &str,
    id_column: &str,
    workspace_column: &str,
    masked: Vec<String>,
    old_rows: Option<RowArray>,
    new_rows: Option<RowArray>,
) -> i64 {
    let added = change_records(entity_type, id_column, workspace_column, &masked, old_rows, new_rows);
    session::end_command();
    added
}

fn change_records(
    entity_type: &str,
    id_column: &str,
    workspace_column: &str,
    masked: &[String],
    old_rows: Option<RowArray>,
    new_rows: Option<RowArray>,
) -> i64 {
    let old_rows = old_rows.map(|array| array.rows()).unwrap_or_default();
    let new_rows = new_rows.map(|array| array.rows()).unwrap_or_default();
    let count = old_rows.len().max(new_rows.len());
    let Some(first) = old_rows.first().or(new_rows.first()) else { return 0 };
    if count > 1 && count > rows_per_record() {
        return 0;
    }
    let reader = Reader::of(first);
    let (id_column, workspace_column) = (reader.column(id_column), reader.column(workspace_column));
    let is_masked: Vec<bool> = reader.columns.iter().map(|column| masked.contains(&column.name)).collect();
    let mut act = Act::now();
    let mut noted = 0;
    let (mut before, mut after) = (Row::default(), Row::default());
    let mut note = |verb: &str, entity_id, workspace_id: Option<[u8; 16]>, old: Option<Object>, new: Option<Object>| {
        let action = format!("{entity_type}.{verb}");
        let (old, new) = (old.map(Object::finish), new.map(Object::finish));
        act.record(&action, entity_type, entity_id, workspace_id, &no_metadata(), old.as_ref(), new.as_ref());
        noted += 1;
    };
    let whole = |row: &Row| {
        let mut object = Object::default();
        for (column, masked) in reader.columns.iter().zip(&is_masked) {
            object.add(column, row.value(column), *masked);
        }
        object
    };
    for index in 0..count {
        let (old, new) = (old_rows.get(index), new_rows.get(index));
        if let Some(old) = old {
            reader.read(old, &mut before);
        }
        if let Some(new) = new {
            reader.read(new, &mut after);
        }
        let (old_workspace, new_workspace) = (before.uuid(workspace_column), after.uuid(workspace_column));
        match (old, new) {
            (Some(_), Some(_)) if old_workspace == new_workspace => {
                let (mut old, mut new) = (Object::default(), Object::default());
                let mut has_changed = false;
                for (column, masked) in reader.columns.iter().zip(&is_masked) {
                    let (was, is) = (before.value(column), after.value(column));
                    if !TOUCHED.contains(&column.name.as_str()) && !column.same(was, is) {
                        has_changed = true;
                        old.add(column, was, *masked);
                        new.add(column, is, *masked);
                    }
                }
                if has_changed {
                    note("updated", after.uuid(id_column), new_workspace, Some(old), Some(new));
                }
            }
            // Into another workspace: each of the two learns its half.
            _ => {
                if old.is_some() {
                    note("deleted", before.uuid(id_column), old_workspace, Some(whole(&before)), None);
                }
                if new.is_some() {
                    note("created", after.uuid(id_column), new_workspace, None, Some(whole(&after)));
                }
            }
        }
    }
    noted
}

// Rows of a large statement ---------------------------------------------------------------------------------------------

/// Leaves that are sorted together, so that the root depends on which rows there are and not on their order; a statement
/// with more rows has a root over the roots of so many at a time.
const CHUNK: usize = 1 << 20;
/// Workspaces that get a record each; the rows of one more are counted for the installation.
const WORKSPACES: usize = 1000;

#[derive(Default)]
struct Leaves {
    rows: i64,
    waiting: Vec<Hash>,
    chunks: Vec<Hash>,
}

impl Leaves {
    fn push(&mut self, leaf: Hash) {
        self.rows += 1;
        self.waiting.push(leaf);
        if self.waiting.len() == CHUNK {
            let root = sorted_root(&self.waiting);
            self.chunks.push(root);
            self.waiting.clear();
        }
    }

    fn root(&self) -> Hash {
        match (self.chunks.as_slice(), self.waiting.as_slice()) {
            ([], waiting) => sorted_root(waiting),
            (chunks, []) => sorted_root(chunks),
            (chunks, waiting) => sorted_root(&[chunks, &[sorted_root(waiting)]].concat()),
        }
    }
}

fn sorted_root(leaves: &[Hash]) -> Hash {
    let mut sorted = leaves.to_vec();
    sorted.sort_unstable();
    let mut tree = Tree::default();
    sorted.into_iter().for_each(|leaf| tree.push(leaf));
    tree.root()
}

struct RowsState {
    reader: Reader,
    workspace_column: String,
    row: Row,
    buffer: Canonical,
    leaves: HashMap<Option<[u8; 16]>, Leaves>,
}

#[pg_extern(immutable, schema = "analytics_private")]
fn rows_root_add(
    mut state: Internal,
    row: Option<RowDatum>,
    workspace_column: Option<&str>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    let Some(row) = row else { return state };
    // SAFETY: only this function makes the state, and it is of this type.
    let known = unsafe { state.get_mut::<RowsState>() };
    match known {
        Some(known) => {
            add_row(known, &row);
            state
        }
        None => {
            let mut context = aggregate::context(fcinfo);
            // SAFETY: the descriptor that the reader copies must live as long as the state.
            let mut made = unsafe {
                context.switch_to(|_| RowsState {
                    reader: Reader::of(&row),
                    workspace_column: workspace_column.unwrap_or_default().to_owned(),
                    row: Row::default(),
                    buffer: Canonical::default(),
                    leaves: HashMap::new(),
                })
            };
            add_row(&mut made, &row);
            Internal::from(Some(pg_sys::Datum::from(context.leak_and_drop_on_delete(made))))
        }
    }
}

fn add_row(state: &mut RowsState, row: &RowDatum) {
    let RowsState { reader, workspace_column, row: values, buffer, leaves } = state;
    if !reader.fits(row) {
        pgrx::error!("rows of one table only");
    }
    reader.read(row, values);
    let leaf = audit::row_digest(buffer, |buffer| {
        for column in &reader.columns {
            if column.write(values.value(column), buffer).is_none() {
                unreadable();
            }
        }
    });
    let mut workspace = values.uuid(reader.column(workspace_column));
    if leaves.len() >= WORKSPACES && !leaves.contains_key(&workspace) {
        workspace = None;
    }
    leaves.entry(workspace).or_default().push(leaf);
}

#[derive(Serialize)]
struct RowsOf {
    workspace_id: Option<String>,
    rows: i64,
    root: String,
}

#[pg_extern(immutable, schema = "analytics_private")]
fn rows_root_end(state: Internal) -> Option<Jsonb> {
    // SAFETY: only rows_root_add makes the state.
    let state = unsafe { state.get::<RowsState>() }?;
    let mut found: Vec<_> = state.leaves.iter().collect();
    found.sort_unstable_by_key(|(workspace, _)| **workspace);
    let found: Vec<RowsOf> = found
        .into_iter()
        .map(|(workspace, leaves)| RowsOf {
            workspace_id: workspace.map(|id| uuid::Uuid::from_bytes(id).to_string()),
            rows: leaves.rows,
            root: audit::hex(&leaves.root()),
        })
        .collect();
    Some(Jsonb::of(&found))
}

// Sealing ---------------------------------------------------------------------------------------------------------------

/// Merkle root over a segment's entries.
#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn entries_root(entries: &[u8]) -> Vec<u8> {
    Entry::root(entries).to_vec()
}

/// The head of a chain after a segment. Chain is the workspace, or all zeros.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
#[allow(clippy::too_many_arguments)]
fn segment_head(
    chain: Uuid,
    number: i64,
    month: TimestampWithTimeZone,
    record_count: i64,
    total: i64,
    first_at: TimestampWithTimeZone,
    last_at: TimestampWithTimeZone,
    sealed_at: TimestampWithTimeZone,
    root: &[u8],
    previous_head: Option<&[u8]>,
) -> Vec<u8> {
    Segment {
        chain: *chain.as_bytes(),
        number,
        month: micros(month),
        record_count,
        total,
        first_at: micros(first_at),
        last_at: micros(last_at),
        sealed_at: micros(sealed_at),
        root,
        previous_head: previous_head.unwrap_or(&NO_HEAD),
    }
    .head()
    .to_vec()
}

/// What is signed of a chain's state.
#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn checkpoint_text(chain: Uuid, segment: i64, records: i64, head: &[u8], sealed_at: TimestampWithTimeZone) -> String {
    /// Seconds from 1970 to 2000.
    const EPOCH: i64 = 946_684_800;
    let at = chrono_moment(micros(sealed_at).saturating_add(EPOCH * 1_000_000));
    let Ok(head) = head.try_into() else { pgrx::error!("a head has 32 bytes") };
    Checkpoint { chain: uuid::Uuid::from_bytes(*chain.as_bytes()), segment, records, head, at }.text()
}

fn chrono_moment(micros: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// What a checkpoint says. `problem` when it is malformed or its signature is not good; a signature is looked at when one
/// is given, or a key.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
#[allow(clippy::type_complexity)]
fn read_checkpoint(
    checkpoint: &str,
    signature: Option<&str>,
    public_key: Option<&str>,
) -> TableIterator<
    'static,
    (
        name!(problem, Option<String>),
        name!(chain, Option<Uuid>),
        name!(segment, Option<i64>),
        name!(records, Option<i64>),
        name!(head, Option<Vec<u8>>),
    ),
> {
    let refuse = |problem: &str| TableIterator::once((Some(problem.to_owned()), None, None, None, None));
    let Some(read) = Checkpoint::parse(checkpoint) else {
        return refuse("the text is not a checkpoint as audit_checkpoint() writes it");
    };
    match (signature, public_key) {
        (None, None) => {}
        (Some(signature), Some(public_key)) => match audit::verify_signature(&read, signature, public_key) {
            Ok(true) => {}
            Ok(false) => return refuse("the signature is not of this checkpoint by this key"),
            Err(problem) => return refuse(problem),
        },
        _ => return refuse("a signature is checked with its public key: give both or none"),
    }
    TableIterator::once((
        None,
        Some(Uuid::from_bytes(*read.chain.as_bytes())),
        Some(read.segment),
        Some(read.records),
        Some(read.head.to_vec()),
    ))
}

// Verifying -------------------------------------------------------------------------------------------------------------

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

extension_sql!(
    r"
create aggregate analytics_private.rows_root(row_value record, workspace_column text) (
  sfunc = analytics_private.rows_root_add, stype = internal, sspace = 100000, finalfunc = analytics_private.rows_root_end);
create aggregate analytics_private.audit_check(chain uuid, from_time timestamptz, to_time timestamptz, id uuid, workspace_id uuid, at timestamptz,
  actor_id uuid, actor_login text, action text, entity_type text, entity_id uuid, request_id text, metadata jsonb, personal_digest bytea,
  salt bytea, old_values jsonb, new_values jsonb, ip_address inet, user_agent text) (
  sfunc = analytics_private.audit_check_add, stype = internal, sspace = 100000, finalfunc = analytics_private.audit_check_end, finalfunc_modify = read_write);
",
    name = "audit_aggregates",
    requires = [rows_root_add, rows_root_end, audit_check_add, audit_check_end]
);
