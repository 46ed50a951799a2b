//! The rows that a statement changed, as its trigger is given them: read where the server keeps them, without a query.

use pgrx::pg_sys;

use super::rows::Row;

/// A statement's old or new rows. To be closed: the server counts who looks at the table's descriptor.
pub struct Transition {
    store: *mut pg_sys::Tuplestorestate,
    position: i32,
    slot: *mut pg_sys::TupleTableSlot,
}

impl Transition {
    /// At the first row of a trigger's transition table; nothing where the trigger names none.
    ///
    /// # Safety
    /// `store` is null or the running trigger's, and so is `descriptor` that of its table.
    pub unsafe fn open(store: *mut pg_sys::Tuplestorestate, descriptor: pg_sys::TupleDesc) -> Option<Self> {
        if store.is_null() {
            return None;
        }
        // SAFETY: a read pointer of our own, for other triggers of the statement read the same rows.
        unsafe {
            let position = pg_sys::tuplestore_alloc_read_pointer(store, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(store, position);
            pg_sys::tuplestore_rescan(store);
            let slot = pg_sys::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsMinimalTuple);
            Some(Self { store, position, slot })
        }
    }

    pub fn count(&self) -> usize {
        // SAFETY: the store lives as long as the trigger runs.
        usize::try_from(unsafe { pg_sys::tuplestore_tuple_count(self.store) }).unwrap_or_default()
    }

    /// The next row's values, which stay until the row after it is read. False: there is none.
    pub fn read(&mut self, into: &mut Row) -> bool {
        // SAFETY: a slot has as many values as its descriptor attributes once they are all taken out of the tuple.
        unsafe {
            pg_sys::tuplestore_select_read_pointer(self.store, self.position);
            if !pg_sys::tuplestore_gettupleslot(self.store, true, false, self.slot) {
                return false;
            }
            // A tuple that was just put into the slot: none of its values is taken out yet.
            let width = (*(*self.slot).tts_tupleDescriptor).natts;
            if width > 0 {
                pg_sys::slot_getsomeattrs_int(self.slot, width);
            }
            let (slot, width) = (&*self.slot, usize::try_from(width).unwrap_or_default());
            let values = std::slice::from_raw_parts(slot.tts_values, width);
            let nulls = std::slice::from_raw_parts(slot.tts_isnull, width);
            into.set(values.iter().zip(nulls).map(|(value, is_null)| (!is_null).then_some(*value)));
        }
        true
    }

    pub fn close(self) {
        // SAFETY: made by `open`.
        unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) };
    }
}
