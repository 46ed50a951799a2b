//! States of aggregates: Rust values that live in the memory of the running aggregate and are dropped with it.

use pgrx::datum::Internal;
use pgrx::pg_sys::panic::pgrx_extern_c_guard;
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

/// A transition function of `N` bigints as the server calls it, for aggregates over millions of rows: the arguments are
/// read where they are, and what Rust needs to raise or catch an error is set up only when `in_place` says that it did
/// nothing: then, and for the first row, `add` is called.
///
/// # Safety
/// `fcinfo` is that of a call by the server to a function with an `internal` and `N` bigints. Only functions of one aggregate share
/// the `internal`, and all must agree on `T`. `in_place` neither panics nor calls the server.
#[inline(always)]
pub unsafe fn transition<T, const N: usize>(
    fcinfo: pg_sys::FunctionCallInfo,
    new: fn() -> T,
    in_place: impl FnOnce(&mut T, [Option<i64>; N]) -> bool,
    add: fn(&mut T, [Option<i64>; N]),
) -> pg_sys::Datum {
    // SAFETY: there are N + 1 arguments.
    let arguments = unsafe { (*fcinfo).args.as_slice(N + 1) };
    let row = std::array::from_fn(|place| {
        let argument = &arguments[place + 1];
        (!argument.isnull).then(|| argument.value.value() as i64)
    });
    let state = (!arguments[0].isnull).then_some(arguments[0].value);
    // SAFETY: as the caller promises.
    if let Some(datum) = state
        && in_place(unsafe { &mut *datum.cast_mut_ptr::<T>() }, row)
    {
        return datum;
    }
    // SAFETY: what the closure holds needs no destructor.
    unsafe { pgrx_extern_c_guard(|| add_slowly(fcinfo, state, new, add, row)) }
}

#[cold]
fn add_slowly<T, const N: usize>(
    fcinfo: pg_sys::FunctionCallInfo,
    state: Option<pg_sys::Datum>,
    new: fn() -> T,
    add: fn(&mut T, [Option<i64>; N]),
    row: [Option<i64>; N],
) -> pg_sys::Datum {
    let datum = state.unwrap_or_else(|| pg_sys::Datum::from(context(fcinfo).leak_and_drop_on_delete(new())));
    // SAFETY: as the caller of `transition` promises.
    add(unsafe { &mut *datum.cast_mut_ptr::<T>() }, row);
    datum
}

/// What the server asks for before it calls a function that pgrx does not know.
pub static CALLED_BY_VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
