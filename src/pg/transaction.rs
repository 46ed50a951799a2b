//! Which rows are this transaction's own.

use pgrx::pg_sys;

/// Whether the writer of a row version (its `xmin`) is this transaction or a subtransaction of it, in parallel workers too.
pub fn is_own(writer: pg_sys::TransactionId) -> bool {
    // SAFETY: takes any number.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(writer) }
}
