//! Queries with a plan kept for the life of the backend.
//!
//! Straight to SPI instead of pgrx's wrapper: read-only with the snapshot of the statement that asks, so a policy sees
//! exactly what its query sees, in parallel workers too, and no transaction id is ever taken.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

pub struct Lookup {
    query: &'static CStr,
    types: &'static [pg_sys::Oid],
    plan: Cell<pg_sys::SPIPlanPtr>,
}

impl Lookup {
    /// `query` must qualify every name and operator: it is planned with whatever search path the caller has, and runs
    /// with the owner's rights.
    pub const fn new(query: &'static CStr, types: &'static [pg_sys::Oid]) -> Self {
        Self { query, types, plan: Cell::new(std::ptr::null_mut()) }
    }

    /// Calls `read` for each row with the non-null value of its columns. Must run inside `as_owner`.
    pub fn rows(
        &self,
        arguments: &mut [pg_sys::Datum],
        columns: usize,
        mut read: impl FnMut(&[Option<pg_sys::Datum>]),
    ) {
        assert_eq!(arguments.len(), self.types.len());
        // SAFETY: connect and finish pair up; an error in between unwinds the SPI stack with the transaction. Arguments
        // match the declared types by the assertion and by the few callers below src/. Datums are read before finish.
        unsafe {
            pg_sys::SPI_connect();
            if self.plan.get().is_null() {
                let mut types = self.types.to_vec();
                let plan = pg_sys::SPI_prepare(self.query.as_ptr(), types.len() as i32, types.as_mut_ptr());
                if !plan.is_null() {
                    pg_sys::SPI_keepplan(plan);
                }
                self.plan.set(plan);
            }
            let status = pg_sys::SPI_execute_plan(self.plan.get(), arguments.as_mut_ptr(), std::ptr::null(), true, 0);
            if status != pg_sys::SPI_OK_SELECT as i32 {
                pgrx::error!("internal query failed with SPI status {status}");
            }
            let table = pg_sys::SPI_tuptable;
            let mut values = Vec::with_capacity(columns);
            for row in 0..pg_sys::SPI_processed as usize {
                values.clear();
                for column in 1..=columns {
                    let mut is_null = false;
                    let value =
                        pg_sys::SPI_getbinval(*(*table).vals.add(row), (*table).tupdesc, column as i32, &mut is_null);
                    values.push((!is_null).then_some(value));
                }
                read(&values);
            }
            pg_sys::SPI_finish();
        }
    }
}
