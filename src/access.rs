//! The policy of every observed table.

use analytics_domain::access::is_open;
use pgrx::datum::Uuid;
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::identity::with_caller;
use crate::pg::row::Row;
use crate::pg::{session, transaction};

/// Answers kept per snapshot; a scan over more profiles than this asks again, and memory stays bounded (about 100 kB).
const REMEMBERED_WINDOWS: usize = 4096;

const WINDOW: Row<2, 2> = Row {
    table: c"user_profile_access",
    index: c"user_profile_access_once",
    key: [c"user_id", c"profile_id"],
    columns: [c"granted_at", c"expires_at"],
};

/// True while the caller's window on the profile is open: `[granted_at, expires_at)`, at the time the client's statement
/// began (see `Caller::moment`), so a long transaction is closed out at its next statement.
///
/// A window that this very transaction has opened does not count yet: whoever may run SQL could otherwise unlock, read and
/// roll back, and have paid nothing.
#[pg_extern(stable, parallel_safe, schema = "analytics_private", cost = 10)]
fn may_read_profile(profile_id: Uuid) -> bool {
    with_caller(|caller| {
        let Some(user) = caller.active else { return false };
        let profile = *profile_id.as_bytes();
        if let Some(known) = caller.windows.get(&profile) {
            return *known;
        }
        let verdict = find_window(user, profile_id).is_some_and(|(from, to)| is_open(from, to, caller.moment));
        if caller.windows.len() >= REMEMBERED_WINDOWS {
            caller.windows.clear();
        }
        caller.windows.insert(profile, verdict);
        verdict
    })
}

/// Whether a row with this `xmin` is to be taken as not there, because this transaction can still undo it. Not for
/// superusers, who can read everything anyway.
#[pg_extern(stable, parallel_safe, schema = "analytics_private")]
fn is_own_write(xmin: pg_sys::TransactionId) -> bool {
    transaction::is_own(xmin) && !session::is_superuser(session::session_user())
}

/// Microseconds since 2000-01-01 UTC.
fn find_window(user: Uuid, profile: Uuid) -> Option<(i64, i64)> {
    let (Some(user), Some(profile)) = (user.into_datum(), profile.into_datum()) else { return None };
    WINDOW.find([user, profile], |columns, is_own| match columns {
        [Some(from), Some(to)] if !is_own || session::is_superuser(session::session_user()) => {
            Some((from.value() as i64, to.value() as i64))
        }
        _ => None,
    })?
}
