//! The type `analytics.audience`, its aggregates and what can be asked of it. What documents and bytes mean is in the domain
//! crate; the SQL around the functions is in `audience.sql`.
//!
//! A cast from bytea costs nothing and so checks nothing: every function checks what it reads.

use std::ffi::{CStr, CString};

use analytics_domain::audience::{self as domain, Audience, Collector, Error};
use pgrx::datum::Internal;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::pg::json::{self, StoredJsonb};
use crate::pg::varlena::{self, stored_type};
use crate::pg::{aggregate, interrupts};

stored_type!(Stored, AudienceBytes, "analytics.audience");

impl<'a> Stored<'a> {
    fn read(self) -> Audience<'a> {
        ok(Audience::decode(self.0.bytes()))
    }
}

fn ok<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| {
        let code = match error {
            Error::Damaged(_) | Error::Version(_) => PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            Error::TooManyKeys => PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            Error::TooLarge => PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
        };
        refuse(code, &error.to_string())
    })
}

fn refuse(code: PgSqlErrorCode, message: &str) -> ! {
    ErrorReport::new(code, message.to_owned(), "audience").report(PgLogLevel::ERROR);
    unreachable!("an error was raised")
}

/// Sums may be larger than what SQL shows of them.
fn bigint(number: u128) -> i64 {
    i64::try_from(number).unwrap_or_else(|_| {
        refuse(PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "a count is out of range of bigint")
    })
}

// In and out ------------------------------------------------------------------------------------------------------------

fn from_stored<B: AsRef<[u8]>>(document: &StoredJsonb<B>, code: PgSqlErrorCode) -> AudienceBytes {
    let Some(value) = document.value().and_then(json::stored::Value::for_domain) else {
        ok(Err(Error::Damaged("a document is damaged")))
    };
    match domain::from_json(value) {
        Ok(bytes) => AudienceBytes(bytes),
        Err(domain::Malformed::Error(error)) => ok(Err(error)),
        Err(malformed) => refuse(code, &malformed.to_string()),
    }
}

#[pg_extern(immutable, strict, parallel_safe, requires = ["audience_shell"])]
fn audience_in(text: &CStr) -> AudienceBytes {
    let Some(document) = json::parse(text) else { pgrx::error!("jsonb_in returned nothing") };
    from_stored(&document, PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION)
}

#[pg_extern(immutable, strict, parallel_safe, requires = ["audience_shell"])]
fn audience_out(audience: Stored) -> CString {
    CString::new(audience.read().to_json()).unwrap_or_default()
}

#[pg_extern(immutable, strict, parallel_safe, requires = ["audience_shell"])]
fn audience_recv(message: Internal) -> AudienceBytes {
    let bytes = varlena::message(&message);
    if let Err(error) = Audience::decode(bytes) {
        refuse(PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION, &error.to_string());
    }
    AudienceBytes(bytes.to_vec())
}

#[pg_extern(immutable, strict, parallel_safe, requires = ["audience_shell"])]
fn audience_send(audience: Stored) -> Vec<u8> {
    audience.0.bytes().to_vec()
}

#[pg_extern(immutable, strict, parallel_safe)]
fn audience_from_jsonb(document: StoredJsonb<&[u8]>) -> AudienceBytes {
    from_stored(&document, PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE)
}

#[pg_extern(immutable, strict, parallel_safe)]
fn audience_to_jsonb(audience: Stored) -> StoredJsonb<Vec<u8>> {
    let text = CString::new(audience.read().to_json()).unwrap_or_default();
    StoredJsonb(json::parse(&text).map_or_else(Vec::new, |document| document.0.to_vec()))
}

// Questions -------------------------------------------------------------------------------------------------------------

#[pg_extern(immutable, strict, parallel_safe, cost = 100)]
fn audience_share(audience: Stored, key: &str) -> Option<f64> {
    audience.read().share(key)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 100)]
fn audience_base(audience: Stored) -> Option<f64> {
    audience.read().base()
}

#[pg_extern(immutable, strict, parallel_safe, cost = 100)]
fn audience_documents(audience: Stored) -> i64 {
    bigint(audience.read().documents().into())
}

#[pg_extern(immutable, parallel_safe, cost = 100)]
fn audience_top(
    audience: Option<Stored>,
    n: default!(Option<i32>, "10"),
) -> TableIterator<'static, (name!(place, i32), name!(key, String), name!(count, Option<i64>), name!(share, Option<f64>))>
{
    let most = n.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(0));
    let parts = audience.map(|audience| audience.read().top(most).into_iter().map(owned).collect::<Vec<_>>());
    // At most 65 536 rows.
    let rows = parts.unwrap_or_default().into_iter().enumerate();
    TableIterator::new(rows.map(|(place, (key, count, share))| (place as i32 + 1, key, count, share)))
}

fn owned(part: domain::Part) -> (String, Option<i64>, Option<f64>) {
    (part.key.to_owned(), part.count.map(bigint), part.share)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 100)]
fn affinity(
    audience: Stored,
    baseline: Stored,
    least_share: default!(f64, "0"),
) -> TableIterator<
    'static,
    (name!(key, String), name!(share, f64), name!(baseline_share, Option<f64>), name!(affinity, Option<f64>)),
> {
    let rows = audience.read().affinity(&baseline.read(), least_share);
    let rows: Vec<_> =
        rows.into_iter().map(|row| (row.key.to_owned(), row.share, row.baseline_share, row.affinity)).collect();
    TableIterator::new(rows)
}

// Aggregates ------------------------------------------------------------------------------------------------------------
// Of documents and of audiences: both collect, and share everything but what a row adds.

/// # Safety
/// The state is that of an aggregate of this section.
unsafe fn collector(state: &mut Internal, fcinfo: pg_sys::FunctionCallInfo) -> &mut Collector {
    // SAFETY: the functions of this section share the state, and it is a Collector.
    unsafe { aggregate::get_or_keep(state, fcinfo) }
}

fn merge(collector: &mut Collector, document: Option<StoredJsonb<&[u8]>>, weight: Option<f64>) {
    let value = document.map(|document| {
        let value = document.0;
        json::stored::document(value)
            .and_then(json::stored::Value::for_domain)
            .unwrap_or_else(|| ok(Err(Error::Damaged("a document is damaged"))))
    });
    ok(collector.push(value, weight));
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn merge_document(
    mut state: Internal,
    document: Option<StoredJsonb<&[u8]>>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    // SAFETY: this is the transition function of an aggregate of this section.
    merge(unsafe { collector(&mut state, fcinfo) }, document, None);
    state
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn merge_weighted(
    mut state: Internal,
    document: Option<StoredJsonb<&[u8]>>,
    weight: Option<f64>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    // SAFETY: as above.
    merge(unsafe { collector(&mut state, fcinfo) }, document, weight);
    state
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn merge_audience(mut state: Internal, audience: Option<Stored>, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    if let Some(audience) = audience {
        interrupts::check();
        // SAFETY: as above.
        ok(unsafe { collector(&mut state, fcinfo) }.add(&audience.read()));
    }
    state
}

fn merged(state: &Internal) -> Option<Vec<u8>> {
    // SAFETY: as above.
    unsafe { state.get::<Collector>() }.map(Collector::finish)
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn merge_end(state: Internal) -> Option<AudienceBytes> {
    merged(&state).map(AudienceBytes)
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn merge_combine(mut state: Internal, other: Internal, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    if let Some(bytes) = merged(&other) {
        // SAFETY: as above.
        ok(unsafe { collector(&mut state, fcinfo) }.add(&ok(Audience::decode(&bytes))));
    }
    state
}

#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn merge_serialize(state: Internal) -> Vec<u8> {
    merged(&state).unwrap_or_default()
}

#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn merge_deserialize(bytes: &[u8], _unused: Internal, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    let mut collector = Collector::default();
    ok(Audience::decode(bytes).and_then(|audience| collector.add(&audience)));
    aggregate::keep(collector, fcinfo)
}

extension_sql!("create type analytics.audience;", name = "audience_shell");

extension_sql_file!(
    "audience.sql",
    name = "audience",
    requires = [
        "audience_shell",
        audience_in,
        audience_out,
        audience_recv,
        audience_send,
        audience_from_jsonb,
        audience_to_jsonb,
        audience_share,
        audience_base,
        audience_documents,
        audience_top,
        affinity,
        merge_document,
        merge_weighted,
        merge_audience,
        merge_end,
        merge_combine,
        merge_serialize,
        merge_deserialize
    ]
);
