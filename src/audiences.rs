//! What the questions about followers ask per row.

use analytics_domain::audiences as domain;
use pgrx::datum::{TimestampWithTimeZone, Uuid};
use pgrx::prelude::*;

/// The id of a change: of whom, in which list of which account, and its kind (1 to 6, see sql/76_audiences.sql).
#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn change_id(account_id: Uuid, captured_at: TimestampWithTimeZone, kind: i32, number: i64) -> Uuid {
    let captured_at = captured_at.into_inner();
    Uuid::from_bytes(domain::change_id(*account_id.as_bytes(), captured_at, kind as u8, number))
}
