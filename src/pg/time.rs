//! Moments between the Unix era and PostgreSQL's.

use pgrx::prelude::*;

/// From the Unix era to PostgreSQL's, in microseconds.
const POSTGRES_ERA: i64 = 946_684_800_000_000;

/// From microseconds of the Unix era; nothing for what PostgreSQL has no moment for.
pub fn timestamp(micros: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(micros.checked_sub(POSTGRES_ERA)?).ok()
}

/// In microseconds of the Unix era; the infinities stay beyond all moments.
pub fn unix(at: TimestampWithTimeZone) -> i64 {
    at.into_inner().saturating_add(POSTGRES_ERA)
}
