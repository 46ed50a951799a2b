//! States of aggregates: Rust values that live in the memory of the running aggregate and are dropped with it.

use pgrx::datum::Internal;
use pgrx::{PgMemoryContexts, pg_sys};

/// The memory of the running aggregate.
pub fn context(fcinfo: pg_sys::FunctionCallInfo) -> PgMemoryContexts {
    let mut context = std::ptr::null_mut();
    // SAFETY: fills in the context, or says that no aggregate is running.
    if unsafe { pg_sys::AggCheckCallContext(fcinfo, &mut context) } == 0 {
        pgrx::error!("this function belongs to an aggregate");
    }
    PgMemoryContexts::For(context)
}

/// Makes `state` the aggregate's.
pub fn keep<T>(state: T, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    Internal::from(Some(pg_sys::Datum::from(context(fcinfo).leak_and_drop_on_delete(state))))
}

/// The state, made if there is none yet.
///
/// # Safety
/// Only functions of one aggregate may share an `Internal`, and all must agree on `T`.
pub unsafe fn get_or_keep<T: Default>(state: &mut Internal, fcinfo: pg_sys::FunctionCallInfo) -> &mut T {
    if !state.initialized() {
        *state = keep(T::default(), fcinfo);
    }
    // SAFETY: as the caller promises.
    match unsafe { state.get_mut::<T>() } {
        Some(state) => state,
        None => pgrx::error!("an aggregate has lost its state"),
    }
}
