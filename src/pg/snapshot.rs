//! Telling whether two calls see the same data.

use pgrx::pg_sys;

/// Equal keys mean: same statement of the client, same subtransaction, same visible rows.
///
/// Within one backend the set of transactions in progress below a fixed `xmax` only shrinks, so its size tells two such
/// snapshots apart; `curcid` counts the transaction's own changes, and the subtransaction a rollback of some of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SnapshotKey {
    statement: i64,
    transaction: u32,
    subtransaction: pg_sys::SubTransactionId,
    xmin: pg_sys::TransactionId,
    xmax: pg_sys::TransactionId,
    in_progress: (u32, i32),
    command: pg_sys::CommandId,
}

/// None outside of any snapshot: then nothing may be remembered.
pub fn current() -> Option<SnapshotKey> {
    // SAFETY: reads variables of the backend and the active snapshot, whose existence is checked first.
    unsafe {
        if !pg_sys::ActiveSnapshotSet() {
            return None;
        }
        let snapshot = &*pg_sys::GetActiveSnapshot();
        Some(SnapshotKey {
            statement: pg_sys::GetCurrentStatementStartTimestamp(),
            transaction: local_transaction_id(),
            subtransaction: pg_sys::GetCurrentSubTransactionId(),
            xmin: snapshot.xmin,
            xmax: snapshot.xmax,
            in_progress: (snapshot.xcnt, snapshot.subxcnt),
            command: snapshot.curcid,
        })
    }
}

/// Number of the transaction within this backend. Its start would not do: several transactions of one message share it.
unsafe fn local_transaction_id() -> u32 {
    // SAFETY: MyProc points to this backend's entry for as long as the backend lives.
    #[cfg(not(feature = "pg17"))]
    unsafe {
        (*pg_sys::MyProc).lxid
    }
    #[cfg(feature = "pg17")]
    unsafe {
        (*pg_sys::MyProc).vxid.lxid
    }
}
