//! The policy of every observed table.

use analytics_domain::access::is_open;
use pgrx::datum::Uuid;
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::identity::with_caller;
use crate::pg::plan::Lookup;
use crate::pg::{session, transaction};

/// Answers kept per snapshot; a scan over more profiles than this asks again, and memory stays bounded (about 100 kB).
const REMEMBERED_WINDOWS: usize = 4096;

thread_local! {
    static WINDOW: Lookup = const { Lookup::new(
        c"select a.granted_at, a.expires_at from analytics.user_profile_access a where a.user_id operator(pg_catalog.=) $1 and a.profile_id operator(pg_catalog.=) $2",
        &[pg_sys::UUIDOID, pg_sys::UUIDOID],
    ) };
    /// The same with the writer of the row, which is not in the index.
    static WRITTEN_WINDOW: Lookup = const { Lookup::new(
        c"select a.granted_at, a.expires_at, a.xmin from analytics.user_profile_access a where a.user_id operator(pg_catalog.=) $1 and a.profile_id operator(pg_catalog.=) $2",
        &[pg_sys::UUIDOID, pg_sys::UUIDOID],
    ) };
}

/// True while the caller's window on the profile is open: `[granted_at, expires_at)`, at the time the client's statement
/// began, so one statement sees one answer and a long transaction is closed out at its next statement.
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
        let verdict =
            find_window(user, profile_id).is_some_and(|(from, to)| is_open(from, to, session::statement_started()));
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
    let mut window = None;
    session::as_owner(|| {
        if transaction::has_written() {
            WRITTEN_WINDOW.with(|lookup| {
                lookup.rows(&mut [user, profile], 3, |row| {
                    if let [Some(from), Some(to), Some(writer)] = row
                        // The datum of an xid holds its 32 bits.
                        && !is_own_write(pg_sys::TransactionId::from(writer.value() as u32))
                    {
                        window = Some((from.value() as i64, to.value() as i64));
                    }
                });
            });
        } else {
            WINDOW.with(|lookup| {
                lookup.rows(&mut [user, profile], 2, |row| {
                    if let [Some(from), Some(to)] = row {
                        window = Some((from.value() as i64, to.value() as i64));
                    }
                });
            });
        }
    });
    window
}
