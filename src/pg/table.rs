//! Rows added to a table of ours without planner and executor, which cost several times the row. For tables without
//! BEFORE triggers, CHECKs, and indexes on expressions or a part of the rows: none of these is looked at here, nor is any right.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::pg::session;

const WRITING: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;

pub struct Table<const COLUMNS: usize> {
    pub schema: &'static CStr,
    pub name: &'static CStr,
    pub columns: [&'static CStr; COLUMNS],
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Values in the order of the columns, each in the form its column stores; null where there is none.
    pub fn insert(&self, values: [Option<pg_sys::Datum>; COLUMNS]) {
        self.insert_into(values, |schema| relation(self.name, schema));
    }

    /// Into the partition of a moment's month, in the private schema and named as ensure_partition() names it, or into the
    /// default one. `at`: microseconds since 2000-01-01 UTC.
    pub fn insert_by_month(&self, at: i64, values: [Option<pg_sys::Datum>; COLUMNS]) {
        let (year, month) = session::month(at);
        let name = |suffix: String| std::ffi::CString::new(format!("{}_{suffix}", self.name.to_string_lossy()));
        let (Ok(of_month), Ok(default)) = (name(format!("{year:04}_{month:02}")), name("default".to_owned())) else {
            pgrx::error!("a table's name holds no zero byte");
        };
        self.insert_into(values, |schema| relation(&of_month, schema).or_else(|| relation(&default, schema)));
    }

    fn insert_into(&self, values: [Option<pg_sys::Datum>; COLUMNS], find: impl Fn(pg_sys::Oid) -> Option<pg_sys::Oid>) {
        // SAFETY: what is opened is closed, or released by the end of the transaction should anything raise. Arrays are as
        // long as the row is wide; the server copies the values into the tuple.
        unsafe {
            let schema = pg_sys::get_namespace_oid(self.schema.as_ptr(), false);
            let table = open(|| find(schema));
            let width = (*(*table).rd_att).natts as usize;
            let mut row = vec![pg_sys::Datum::null(); width];
            let mut nulls = vec![true; width];
            let columns = (*(*table).rd_att).attrs.as_slice(width);
            let mut next = 0;
            for (name, value) in self.columns.iter().zip(values) {
                // Mostly in the table's own order, which needs no look-up.
                let is_next = columns.get(next).is_some_and(|column| {
                    !column.attisdropped && CStr::from_ptr(column.attname.data.as_ptr()) == *name
                });
                let place = if is_next { next } else { place_of(table, name) };
                next = place + 1;
                if let Some(value) = value {
                    row[place] = value;
                    nulls[place] = false;
                }
            }
            let tuple = pg_sys::heap_form_tuple((*table).rd_att, row.as_mut_ptr(), nulls.as_mut_ptr());
            pg_sys::CatalogTupleInsert(table, tuple);
            pg_sys::heap_freetuple(tuple);
            pg_sys::table_close(table, 0);
        }
    }
}

/// The index of a column.
fn place_of(table: pg_sys::Relation, name: &CStr) -> usize {
    // SAFETY: a catalogue look-up for a table that is open.
    let number = unsafe { pg_sys::get_attnum((*table).rd_id, name.as_ptr()) };
    usize::try_from(number - 1).unwrap_or_else(|_| pgrx::error!("a column of the audit is missing"))
}

fn relation(name: &CStr, schema: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a catalogue look-up by a C string.
    let id = unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) };
    (id != pg_sys::InvalidOid).then_some(id)
}

/// The table that is found, locked to the end of the transaction. Looked for again once the lock is there: a partition may
/// have been made or dropped while we waited.
fn open(find: impl Fn() -> Option<pg_sys::Oid>) -> pg_sys::Relation {
    loop {
        let Some(id) = find() else { pgrx::error!("a table of the audit is missing") };
        // SAFETY: null when it has been dropped since.
        let table = unsafe { pg_sys::try_table_open(id, WRITING) };
        if table.is_null() {
            continue;
        }
        if find() == Some(id) {
            return table;
        }
        // SAFETY: opened above.
        unsafe { pg_sys::table_close(table, WRITING) };
    }
}
