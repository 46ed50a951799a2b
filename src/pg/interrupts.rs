//! Letting go when the server says so.

use pgrx::pg_sys;

/// Ends the statement if it was cancelled or timed out. pgrx's own macro is a plain load, which the optimiser moves out of loops.
pub fn check() {
    // SAFETY: the flag is a variable of the backend, set by signal handlers; the call raises an error or returns.
    unsafe {
        if std::ptr::read_volatile(&raw const pg_sys::InterruptPending) != 0 {
            pg_sys::ProcessInterrupts();
        }
    }
}
