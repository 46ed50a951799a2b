//! One row by the key of its unique index, without planner and executor: what policies ask for at every statement, where
//! starting an executor costs several times as much as the look-up.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::pg::transaction;

/// Of schema `analytics`; all key columns are uuids, in the order of the index.
pub struct Row<const KEYS: usize, const COLUMNS: usize> {
    pub table: &'static CStr,
    pub index: &'static CStr,
    pub key: [&'static CStr; KEYS],
    pub columns: [&'static CStr; COLUMNS],
}

/// btree's strategy for "=".
const EQUAL: pg_sys::StrategyNumber = pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber;
const SHARED: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

impl<const KEYS: usize, const COLUMNS: usize> Row<KEYS, COLUMNS> {
    /// `read` gets the columns of the row that the statement's own snapshot sees, and whether this transaction wrote it. No
    /// right is checked: these are the tables of the extension, and the answer is about the caller himself.
    pub fn find<R>(
        &self,
        key: [pg_sys::Datum; KEYS],
        read: impl FnOnce([Option<pg_sys::Datum>; COLUMNS], bool) -> R,
    ) -> Option<R> {
        // SAFETY: what is opened is closed, or released by the end of the transaction should anything raise. The keys are of
        // the columns' type, and datums are read while the scan holds their page.
        unsafe {
            let schema = pg_sys::get_namespace_oid(c"analytics".as_ptr(), false);
            let table = pg_sys::table_open(pg_sys::get_relname_relid(self.table.as_ptr(), schema), SHARED);
            let id = (*table).rd_id;
            let mut conditions: [pg_sys::ScanKeyData; KEYS] = std::mem::zeroed();
            for ((condition, name), value) in conditions.iter_mut().zip(self.key).zip(key) {
                pg_sys::ScanKeyInit(
                    condition,
                    pg_sys::get_attnum(id, name.as_ptr()),
                    EQUAL,
                    pg_sys::F_UUID_EQ.into(),
                    value,
                );
            }
            let index = pg_sys::get_relname_relid(self.index.as_ptr(), schema);
            let scan = pg_sys::systable_beginscan(
                table,
                index,
                true,
                pg_sys::GetActiveSnapshot(),
                KEYS as i32,
                conditions.as_mut_ptr(),
            );
            let tuple = pg_sys::systable_getnext(scan);
            let found = (!tuple.is_null()).then(|| {
                let columns = self.columns.map(|name| {
                    let mut is_null = false;
                    let value = pg_sys::SPI_getbinval(
                        tuple,
                        (*table).rd_att,
                        pg_sys::get_attnum(id, name.as_ptr()).into(),
                        &mut is_null,
                    );
                    (!is_null).then_some(value)
                });
                let header = (*tuple).t_data;
                // The number of a writer long gone may come round again; only then is the hint needed.
                let has_committed = u32::from((*header).t_infomask) & pg_sys::HEAP_XMIN_COMMITTED != 0;
                let writer = (*header).t_choice.t_heap.t_xmin;
                read(columns, !has_committed && transaction::is_own(writer))
            });
            pg_sys::systable_endscan(scan);
            pg_sys::table_close(table, SHARED);
            found
        }
    }
}
