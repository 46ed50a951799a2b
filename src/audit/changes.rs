//! What statements change, noted by a trigger: a record for each row or, of many rows, one with a Merkle root over them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::CStr;

use analytics_domain::audit::{self, Canonical, Hash, Tree};
use pgrx::datum::Internal;
use pgrx::pg_sys;
use pgrx::prelude::*;
use serde::Serialize;

use super::records::{Act, Deed, NO_VALUES};
use super::unreadable;
use crate::pg::aggregate;
use crate::pg::interrupts;
use crate::pg::json::{Jsonb, StoredJsonb};
use crate::pg::memory::Scratch;
use crate::pg::plan::Lookup;
use crate::pg::rows::{Object, Reader, Row, RowDatum};
use crate::pg::session;
use crate::pg::transition::Transition;

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

/// What audit_changes() says of a table.
struct Audited<'a> {
    entity_type: &'a str,
    id_column: &'a str,
    /// Empty: a table of the installation.
    workspace_column: &'a str,
    /// Their values are not shown; separated by commas.
    masked: &'a str,
}

/// The trigger of every audited table, after a statement. It has no search path and asks for no rights: it runs no query but
/// one of the owner's, and writes to the audit only.
#[pg_trigger(
    sql = "create function analytics_private.note_changes() returns trigger language c as 'MODULE_PATHNAME', '@FUNCTION_NAME@';"
)]
fn note_changes<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, Infallible> {
    let (data, arguments) = (trigger.trigger_data(), trigger.trigger());
    let arguments: Vec<&str> = (0..usize::try_from(arguments.tgnargs).unwrap_or_default())
        // SAFETY: so many C strings.
        .map(|place| unsafe { CStr::from_ptr(*arguments.tgargs.add(place)) }.to_str().unwrap_or_default())
        .collect();
    let &[entity_type, id_column, workspace_column, masked] = arguments.as_slice() else {
        pgrx::error!("note_changes() is a trigger that audit_changes() makes");
    };
    let table = Audited { entity_type, id_column, workspace_column, masked };
    let verb = match trigger.op() {
        Ok(PgTriggerOperation::Insert) => "created",
        Ok(PgTriggerOperation::Update) => "updated",
        Ok(PgTriggerOperation::Delete) => "deleted",
        Ok(PgTriggerOperation::Truncate) => {
            let action = format!("{entity_type}.truncated");
            let deed = Deed { action: &action, entity_type, entity_id: None, workspace_id: None };
            Act::now().record(deed, &no_metadata(), NO_VALUES, NO_VALUES);
            return Ok(None);
        }
        Err(problem) => pgrx::error!("{problem}"),
    };
    // SAFETY: the trigger's table is open while it runs, and its transition tables are there.
    let mut rows = unsafe {
        let open = |rows| Transition::open(rows, (*data.tg_relation).rd_att);
        Rows { old: open(data.tg_oldtable), new: open(data.tg_newtable) }
    };
    let count = rows.count();
    if count > 0 {
        // SAFETY: as above.
        let reader = unsafe { Reader::of_table(data.tg_relation) };
        if count == 1 || count <= rows_per_record() {
            note_each(&table, &reader, &mut rows);
        } else {
            note_all(&table, &reader, &mut rows, verb);
        }
    }
    rows.close();
    Ok(None)
}

/// What a statement changed: old and new rows in the same order.
struct Rows {
    old: Option<Transition>,
    new: Option<Transition>,
}

impl Rows {
    fn count(&self) -> usize {
        let count = |rows: &Option<Transition>| rows.as_ref().map_or(0, Transition::count);
        count(&self.old).max(count(&self.new))
    }

    fn close(self) {
        [self.old, self.new].into_iter().flatten().for_each(Transition::close);
    }
}

/// A record for each row that is not what it was.
fn note_each(table: &Audited, reader: &Reader, Rows { old, new }: &mut Rows) {
    let (id_column, workspace_column) = (reader.column(table.id_column), reader.column(table.workspace_column));
    let is_masked: Vec<bool> =
        reader.columns.iter().map(|column| table.masked.split(',').any(|name| name == column.name)).collect();
    let mut act = Act::now();
    let mut note = |verb: &str, entity_id, workspace_id: Option<[u8; 16]>, old: Option<Object>, new: Option<Object>| {
        let action = format!("{}.{verb}", table.entity_type);
        let deed = Deed { action: &action, entity_type: table.entity_type, entity_id, workspace_id };
        let (old, new) = (old.map(Object::finish), new.map(Object::finish));
        act.record(deed, &no_metadata(), old.as_ref(), new.as_ref());
    };
    let whole = |row: &Row| {
        let mut object = Object::default();
        for (column, masked) in reader.columns.iter().zip(&is_masked) {
            object.add(column, row.value(column), *masked);
        }
        object
    };
    let mut note_row = |before: Option<&Row>, after: Option<&Row>| {
        let workspace = |row: Option<&Row>| row.and_then(|row| row.uuid(workspace_column));
        match (before, after) {
            (Some(before), Some(after)) if workspace(Some(before)) == workspace(Some(after)) => {
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
                    note("updated", after.uuid(id_column), workspace(Some(after)), Some(old), Some(new));
                }
            }
            // Into another workspace: each of the two learns its half.
            _ => {
                if let Some(before) = before {
                    note("deleted", before.uuid(id_column), workspace(Some(before)), Some(whole(before)), None);
                }
                if let Some(after) = after {
                    note("created", after.uuid(id_column), workspace(Some(after)), None, Some(whole(after)));
                }
            }
        }
    };
    let (mut before, mut after) = (Row::default(), Row::default());
    let mut scratch = Scratch::new();
    loop {
        let was = old.as_mut().is_some_and(|old| old.read(&mut before)).then_some(&before);
        let is = new.as_mut().is_some_and(|new| new.read(&mut after)).then_some(&after);
        if was.is_none() && is.is_none() {
            break;
        }
        interrupts::check();
        scratch.run(|| note_row(was, is));
    }
}

/// A record for each workspace, with a root over its rows before and one over those after.
fn note_all(table: &Audited, reader: &Reader, Rows { old, new }: &mut Rows, verb: &str) {
    let mut records: BTreeMap<Option<[u8; 16]>, Many> = BTreeMap::new();
    for (workspace_id, rows) in leaves(reader, old.as_mut(), table.workspace_column) {
        records.entry(workspace_id).or_default().old = Some(rows);
    }
    for (workspace_id, rows) in leaves(reader, new.as_mut(), table.workspace_column) {
        records.entry(workspace_id).or_default().new = Some(rows);
    }
    let action = format!("{}.{verb}", table.entity_type);
    let mut act = Act::now();
    for (workspace_id, rows) in records {
        let deed = Deed { action: &action, entity_type: table.entity_type, entity_id: None, workspace_id };
        act.record(deed, &Jsonb::of(&rows.metadata()).stored(), NO_VALUES, NO_VALUES);
    }
}

fn leaves(
    reader: &Reader,
    rows: Option<&mut Transition>,
    workspace_column: &str,
) -> BTreeMap<Option<[u8; 16]>, Leaves> {
    let mut found = Workspaces::default();
    let (mut row, mut scratch) = (Row::default(), Scratch::new());
    if let Some(rows) = rows {
        while rows.read(&mut row) {
            interrupts::check();
            scratch.run(|| found.add(reader, &row, workspace_column));
        }
    }
    found.leaves
}

/// A workspace's rows of a large statement.
#[derive(Default)]
struct Many {
    old: Option<Leaves>,
    new: Option<Leaves>,
}

#[derive(Serialize)]
struct Metadata {
    rows: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_root: Option<String>,
}

impl Many {
    fn metadata(&self) -> Metadata {
        let root = |leaves: &Option<Leaves>| leaves.as_ref().map(|leaves| audit::hex(&leaves.root()));
        Metadata {
            rows: self.new.as_ref().or(self.old.as_ref()).map_or(0, |leaves| leaves.rows),
            old_root: root(&self.old),
            new_root: root(&self.new),
        }
    }
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

/// The rows of a statement by their workspace.
#[derive(Default)]
struct Workspaces {
    buffer: Canonical,
    leaves: BTreeMap<Option<[u8; 16]>, Leaves>,
}

impl Workspaces {
    fn add(&mut self, reader: &Reader, row: &Row, workspace_column: &str) {
        let leaf = audit::row_digest(&mut self.buffer, |buffer| {
            for column in &reader.columns {
                if column.write(row.value(column), buffer).is_none() {
                    unreadable();
                }
            }
        });
        let mut workspace = row.uuid(reader.column(workspace_column));
        if self.leaves.len() >= WORKSPACES && !self.leaves.contains_key(&workspace) {
            workspace = None;
        }
        self.leaves.entry(workspace).or_default().push(leaf);
    }
}

/// The same over rows that a query reads: for whoever has the rows and asks what their root is.
struct RowsState {
    reader: Reader,
    workspace_column: String,
    row: Row,
    found: Workspaces,
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
                    found: Workspaces::default(),
                })
            };
            add_row(&mut made, &row);
            Internal::from(Some(pg_sys::Datum::from(context.leak_and_drop_on_delete(made))))
        }
    }
}

fn add_row(state: &mut RowsState, row: &RowDatum) {
    let RowsState { reader, workspace_column, row: values, found } = state;
    if !reader.fits(row) {
        pgrx::error!("rows of one table only");
    }
    reader.read(row, values);
    found.add(reader, values, workspace_column);
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
    let found: Vec<RowsOf> = state
        .found
        .leaves
        .iter()
        .map(|(workspace, leaves)| RowsOf {
            workspace_id: workspace.map(|id| uuid::Uuid::from_bytes(id).to_string()),
            rows: leaves.rows,
            root: audit::hex(&leaves.root()),
        })
        .collect();
    Some(Jsonb::of(&found))
}
