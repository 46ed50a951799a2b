//! Which rows are this transaction's own.

use pgrx::pg_sys;

/// Whether this transaction may have written anything. Cheap, and false for nearly everybody who reads.
pub fn has_written() -> bool {
    // SAFETY: only reads a variable of the backend, which parallel workers share.
    unsafe { pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId }
}

/// Whether the writer of a row version (its `xmin`) is this transaction or a subtransaction of it, in parallel workers too.
pub fn is_own(writer: pg_sys::TransactionId) -> bool {
    // SAFETY: takes any number.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(writer) }
}
