//! Who is connected, what the gateway said about the request, and running as the owner role.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

/// The value of a setting as bytes, if it exists and is not empty. Borrowed: valid until the setting changes.
pub fn setting(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: a missing setting gives a null pointer; the text belongs to the server and stays until the setting
    // changes, which no caller in this crate outlives.
    let value = unsafe { pg_sys::GetConfigOption(name.as_ptr(), true, false) };
    if value.is_null() {
        return None;
    }
    let value = unsafe { CStr::from_ptr(value) };
    (!value.is_empty()).then_some(value)
}

pub fn session_user() -> pg_sys::Oid {
    // SAFETY: only reads a variable of the backend.
    unsafe { pg_sys::GetSessionUserId() }
}

pub fn current_user() -> pg_sys::Oid {
    // SAFETY: only reads a variable of the backend.
    unsafe { pg_sys::GetUserId() }
}

pub fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: a catalogue look-up; an unknown role is no superuser.
    unsafe { pg_sys::superuser_arg(role) }
}

pub fn role_name(role: pg_sys::Oid) -> CString {
    // SAFETY: with noerr, an unknown role gives a null pointer; else a palloc'd C string.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() { CString::default() } else { CStr::from_ptr(name).to_owned() }
    }
}

/// Microseconds of a clock that moves on every few milliseconds and costs a fraction of the exact one: for what is asked at
/// every row.
#[cfg(target_os = "linux")]
pub fn ticks() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes into the struct that it is given; this clock cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

#[cfg(not(target_os = "linux"))]
pub fn ticks() -> i64 {
    now()
}

/// Microseconds since 2000-01-01 UTC at which the client's statement began.
pub fn statement_started() -> i64 {
    // SAFETY: only reads a variable of the backend.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// Microseconds since 2000-01-01 UTC at which the transaction began.
pub fn transaction_started() -> i64 {
    // SAFETY: only reads a variable of the backend.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// Microseconds since 2000-01-01 UTC, now.
pub fn now() -> i64 {
    // SAFETY: only reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Runs `work` with the rights of analytics_owner, the owner of all tables, so that no row-level security applies.
///
/// Not a superuser, although the functions of the extension belong to one. Should `work` raise, the end of the
/// (sub)transaction restores the user.
pub fn as_owner<R>(work: impl FnOnce() -> R) -> R {
    let mut user = pg_sys::InvalidOid;
    let mut context: i32 = 0;
    // SAFETY: the same dance as the server's own maintenance commands do; the previous pair is put back below.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        let owner = pg_sys::get_role_oid(c"analytics_owner".as_ptr(), false);
        pg_sys::SetUserIdAndSecContext(owner, context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32);
    }
    let result = work();
    // SAFETY: as above.
    unsafe { pg_sys::SetUserIdAndSecContext(user, context) };
    result
}

/// Runs `work` with settings that end with it, whatever transaction the caller is in. Should `work` raise, the end of the
/// (sub)transaction restores them.
pub fn with_settings<R>(settings: &[(&CStr, &CStr)], work: impl FnOnce() -> R) -> R {
    // SAFETY: a nest level is closed by the one who opened it, or by the end of the transaction; names and values are
    // C strings that the server copies.
    let level = unsafe { pg_sys::NewGUCNestLevel() };
    for (name, value) in settings {
        unsafe {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
    }
    let result = work();
    // SAFETY: as above.
    unsafe { pg_sys::AtEOXact_GUC(false, level) };
    result
}

/// What was written so far can be seen by what the session does next.
pub fn end_command() {
    // SAFETY: between commands, never in a parallel worker: callers are parallel unsafe functions.
    unsafe { pg_sys::CommandCounterIncrement() };
}

/// Year and month of a moment in UTC; microseconds since 2000-01-01 UTC.
pub fn month(at: i64) -> (i32, u32) {
    const DAYS_TO_2000: i64 = 10_957;
    let days = at.div_euclid(24 * 3_600 * 1_000_000) + DAYS_TO_2000;
    let day = i32::try_from(days).ok().and_then(chrono::NaiveDate::from_epoch_days);
    day.map_or((0, 0), |day| (chrono::Datelike::year(&day), chrono::Datelike::month(&day)))
}
