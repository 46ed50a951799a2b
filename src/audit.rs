//! The audit trail: its records, how they are sealed into segments, and their verification. The tables, and what moves rows
//! between them, are in `sql/12_audit.sql`.

mod changes;
mod records;
mod verify;

use analytics_domain::audit::{self, Checkpoint, Entry, NO_HEAD, Segment};
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::{TimestampWithTimeZone, Uuid};
use pgrx::impl_sql_translatable;
use pgrx::prelude::*;

/// An argument of type `inet` in the server's binary form: family, bits of the mask, address.
struct Inet<'a>(&'a [u8]);

impl_sql_translatable!(Inet<'_>, "inet");

// SAFETY: an inet is a varlena like bytea.
unsafe impl<'fcx> ArgAbi<'fcx> for Inet<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        Inet(unsafe { <&'fcx [u8] as ArgAbi<'fcx>>::unbox_arg_unchecked(arg) })
    }
}

/// The same form of an address.
fn inet(address: std::net::IpAddr) -> Vec<u8> {
    // utils/inet.h: the families are AF_INET and the number after it.
    match address {
        std::net::IpAddr::V4(v4) => [&[2, 32], v4.octets().as_slice()].concat(),
        std::net::IpAddr::V6(v6) => [&[3, 128], v6.octets().as_slice()].concat(),
    }
}

fn micros(at: TimestampWithTimeZone) -> i64 {
    at.into_inner()
}

fn moment(micros: i64) -> TimestampWithTimeZone {
    // Every moment here came from the server.
    TimestampWithTimeZone::try_from(micros).unwrap_or_else(|_| pgrx::error!("{micros} microseconds are out of range"))
}

fn unreadable() -> ! {
    pgrx::error!("a document is nested too deep to be audited")
}

// Sealing ---------------------------------------------------------------------------------------------------------------

/// Merkle root over a segment's entries.
#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn entries_root(entries: &[u8]) -> Vec<u8> {
    Entry::root(entries).to_vec()
}

/// The head of a chain after a segment. Chain is the workspace, or all zeros.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
#[allow(clippy::too_many_arguments)]
fn segment_head(
    chain: Uuid,
    number: i64,
    month: TimestampWithTimeZone,
    record_count: i64,
    total: i64,
    first_at: TimestampWithTimeZone,
    last_at: TimestampWithTimeZone,
    sealed_at: TimestampWithTimeZone,
    root: &[u8],
    previous_head: Option<&[u8]>,
) -> Vec<u8> {
    Segment {
        chain: *chain.as_bytes(),
        number,
        month: micros(month),
        record_count,
        total,
        first_at: micros(first_at),
        last_at: micros(last_at),
        sealed_at: micros(sealed_at),
        root,
        previous_head: previous_head.unwrap_or(&NO_HEAD),
    }
    .head()
    .to_vec()
}

/// What is signed of a chain's state.
#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn checkpoint_text(chain: Uuid, segment: i64, records: i64, head: &[u8], sealed_at: TimestampWithTimeZone) -> String {
    /// Seconds from 1970 to 2000.
    const EPOCH: i64 = 946_684_800;
    let at = chrono_moment(micros(sealed_at).saturating_add(EPOCH * 1_000_000));
    let Ok(head) = head.try_into() else { pgrx::error!("a head has 32 bytes") };
    Checkpoint { chain: uuid::Uuid::from_bytes(*chain.as_bytes()), segment, records, head, at }.text()
}

fn chrono_moment(micros: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// What a checkpoint says. `problem` when it is malformed or its signature is not good; a signature is looked at when one
/// is given, or a key.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
#[allow(clippy::type_complexity)]
fn read_checkpoint(
    checkpoint: &str,
    signature: Option<&str>,
    public_key: Option<&str>,
) -> TableIterator<
    'static,
    (
        name!(problem, Option<String>),
        name!(chain, Option<Uuid>),
        name!(segment, Option<i64>),
        name!(records, Option<i64>),
        name!(head, Option<Vec<u8>>),
    ),
> {
    let refuse = |problem: &str| TableIterator::once((Some(problem.to_owned()), None, None, None, None));
    let Some(read) = Checkpoint::parse(checkpoint) else {
        return refuse("the text is not a checkpoint as audit_checkpoint() writes it");
    };
    match (signature, public_key) {
        (None, None) => {}
        (Some(signature), Some(public_key)) => match audit::verify_signature(&read, signature, public_key) {
            Ok(true) => {}
            Ok(false) => return refuse("the signature is not of this checkpoint by this key"),
            Err(problem) => return refuse(problem),
        },
        _ => return refuse("a signature is checked with its public key: give both or none"),
    }
    TableIterator::once((
        None,
        Some(Uuid::from_bytes(*read.chain.as_bytes())),
        Some(read.segment),
        Some(read.records),
        Some(read.head.to_vec()),
    ))
}

extension_sql!(
    r"
create aggregate analytics_private.rows_root(row_value record, workspace_column text) (
  sfunc = analytics_private.rows_root_add, stype = internal, sspace = 100000, finalfunc = analytics_private.rows_root_end);
create aggregate analytics_private.audit_check(chain uuid, from_time timestamptz, to_time timestamptz, id uuid, workspace_id uuid, at timestamptz,
  actor_id uuid, actor_login text, action text, entity_type text, entity_id uuid, request_id text, metadata jsonb, personal_digest bytea,
  salt bytea, old_values jsonb, new_values jsonb, ip_address inet, user_agent text) (
  sfunc = analytics_private.audit_check_add, stype = internal, sspace = 100000, finalfunc = analytics_private.audit_check_end, finalfunc_modify = read_write);
",
    name = "audit_aggregates",
    requires = [changes::rows_root_add, changes::rows_root_end, verify::audit_check_add, verify::audit_check_end]
);
