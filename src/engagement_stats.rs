//! The type `analytics.engagement_summary`, its aggregates and what it can be asked. What the bytes mean is in the domain crate;
//! the SQL around the functions is in `engagement_stats.sql`.
//!
//! A cast from bytea costs nothing and so checks nothing: every function checks what it reads.

use std::ffi::{CStr, CString};
use std::fmt::Write;

use analytics_domain::engagement_stats::{Denominator, Error, Summary};
use pgrx::datum::{AnyNumeric, Array, Internal};
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::pg::aggregate;
use crate::pg::interrupts;
use crate::pg::varlena::{self, stored_type};

stored_type!(Stored, SummaryBytes, "analytics.engagement_summary");

impl Stored<'_> {
    fn read(&self) -> Summary {
        ok(Summary::from_bytes(self.0.bytes()))
    }
}

fn ok<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| {
        let code = match error {
            Error::Damaged(_) | Error::Version(_) => PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            Error::Mixed(..) => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            Error::TooMany => PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
        };
        refuse(code, &error.to_string())
    })
}

fn refuse(code: PgSqlErrorCode, message: &str) -> ! {
    ErrorReport::new(code, message.to_owned(), "engagement_summary").report(PgLogLevel::ERROR);
    unreachable!("an error was raised")
}

// In and out ------------------------------------------------------------------------------------------------------------

#[pg_extern(immutable, strict, parallel_safe, requires = ["engagement_summary_shell"])]
fn engagement_summary_in(text: &CStr) -> SummaryBytes {
    let malformed = |what: &str| -> ! {
        let message = format!("malformed engagement summary: {what}");
        refuse(PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION, &message)
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let text = text.to_bytes().trim_ascii();
    let Some((pairs, [])) = text.strip_prefix(b"\\x").map(<[u8]>::as_chunks::<2>) else {
        malformed("it must be written as bytea is, \\x and hexadecimal digits")
    };
    let bytes = pairs.iter().map(|[high, low]| match (digit(*high), digit(*low)) {
        (Some(high), Some(low)) => (high << 4 | low) as u8,
        _ => malformed("it has what is no hexadecimal digit"),
    });
    let bytes: Vec<u8> = bytes.collect();
    match Summary::from_bytes(&bytes) {
        Ok(_) => SummaryBytes(bytes),
        Err(error) => malformed(&error.to_string()),
    }
}

#[pg_extern(immutable, strict, parallel_safe, requires = ["engagement_summary_shell"])]
fn engagement_summary_out(summary: Stored) -> CString {
    let mut text = String::from("\\x");
    for byte in summary.0.bytes() {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
    }
    CString::new(text).unwrap_or_default()
}

/// The bytes as they are stored, checked.
#[pg_extern(immutable, strict, parallel_safe, requires = ["engagement_summary_shell"])]
fn engagement_summary_recv(message: Internal) -> SummaryBytes {
    let bytes = varlena::message(&message);
    if let Err(error) = Summary::from_bytes(bytes) {
        refuse(PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION, &error.to_string());
    }
    SummaryBytes(bytes.to_vec())
}

#[pg_extern(immutable, strict, parallel_safe, requires = ["engagement_summary_shell"])]
fn engagement_summary_send(summary: Stored) -> Vec<u8> {
    summary.0.bytes().to_vec()
}

// Aggregates ------------------------------------------------------------------------------------------------------------
// All share the state, a Summary, and everything but what a row adds.

/// A transition function and how the server is told of it.
macro_rules! transition {
    ($name:ident, $told:ident, $by:expr, $arguments:literal, [$($count:ident),*]) => {
        #[unsafe(no_mangle)]
        pub extern "C-unwind" fn $told() -> *const pg_sys::Pg_finfo_record {
            &aggregate::CALLED_BY_VERSION_1
        }

        /// # Safety
        /// Called by the server, as the transition function that engagement_stats.sql makes of it.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: as above; all functions of this section agree on the state, and what adds in place does not panic.
            unsafe {
                aggregate::transition::<_, $arguments>(
                    fcinfo,
                    || Summary::new($by),
                    |summary, [$($count,)* denominator]| summary.add_in_place([$($count),*], denominator),
                    |summary, [$($count,)* denominator]| summary.add([$($count),*], denominator),
                )
            }
        }
    };
}

transition!(engagement_by_reach, pg_finfo_engagement_by_reach, Denominator::Reach, 5, [likes, comments, shares, saves]);
transition!(engagement_by_followers, pg_finfo_engagement_by_followers, Denominator::Followers, 3, [likes, comments]);
transition!(engagement_by_views, pg_finfo_engagement_by_views, Denominator::Views, 5, [likes, comments, shares, saves]);

fn take_back<const N: usize>(mut state: Internal, counts: [Option<i64>; N], denominator: Option<i64>) -> Internal {
    // SAFETY: as above.
    let summary = unsafe { state.get_mut::<Summary>() };
    let removed = summary.is_some_and(|summary| summary.remove(counts, denominator));
    // Without a state, the server aggregates the window's rows anew.
    if removed { state } else { Internal::default() }
}

/// Of a row that leaves a moving window.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn engagement_take_back(
    state: Internal,
    likes: Option<i64>,
    comments: Option<i64>,
    shares: Option<i64>,
    saves: Option<i64>,
    denominator: Option<i64>,
) -> Internal {
    take_back(state, [likes, comments, shares, saves], denominator)
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn engagement_by_followers_take_back(
    state: Internal,
    likes: Option<i64>,
    comments: Option<i64>,
    followers: Option<i64>,
) -> Internal {
    take_back(state, [likes, comments], followers)
}

fn merge(mut state: Internal, more: &Summary, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    // SAFETY: as above.
    match unsafe { state.get_mut::<Summary>() } {
        Some(summary) => ok(summary.merge(more)),
        None => state = aggregate::keep(more.clone(), fcinfo),
    }
    state
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn engagement_roll_up(state: Internal, summary: Option<Stored>, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    match summary {
        Some(summary) => merge(state, &summary.read(), fcinfo),
        None => state,
    }
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn engagement_combine(state: Internal, other: Internal, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    // SAFETY: as above.
    match unsafe { other.get::<Summary>() } {
        Some(other) => merge(state, other, fcinfo),
        None => state,
    }
}

fn bytes(state: &Internal) -> Option<Vec<u8>> {
    // SAFETY: as above.
    unsafe { state.get::<Summary>() }.map(Summary::to_bytes)
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn engagement_end(state: Internal) -> Option<SummaryBytes> {
    bytes(&state).map(SummaryBytes)
}

#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn engagement_serialize(state: Internal) -> Vec<u8> {
    bytes(&state).unwrap_or_default()
}

#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn engagement_deserialize(bytes: &[u8], _unused: Internal, fcinfo: pg_sys::FunctionCallInfo) -> Internal {
    aggregate::keep(ok(Summary::from_bytes(bytes)), fcinfo)
}

// What a summary says ---------------------------------------------------------------------------------------------------

/// There are never more posts than a bigint counts.
fn bigint(number: u64) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn denominator(summary: Stored) -> &'static str {
    summary.read().denominator().name()
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn posts_counted(summary: Stored) -> i64 {
    bigint(summary.read().posts())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn posts_with_rate(summary: Stored) -> i64 {
    bigint(summary.read().posts_with_rate())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn posts_without_rate(summary: Stored) -> i64 {
    let summary = summary.read();
    bigint(summary.posts() - summary.posts_with_rate())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn posts_with_hidden_counts(summary: Stored) -> i64 {
    bigint(summary.read().posts_with_hidden_counts())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn posts_with_denominator(summary: Stored) -> i64 {
    bigint(summary.read().posts_with_denominator())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn posts_without_denominator(summary: Stored) -> i64 {
    let summary = summary.read();
    bigint(summary.posts() - summary.posts_with_denominator())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn sum_of_interactions(summary: Stored) -> Option<AnyNumeric> {
    let summary = summary.read();
    (summary.posts_with_rate() > 0).then(|| summary.interactions().into())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn sum_of_denominators(summary: Stored) -> Option<AnyNumeric> {
    let summary = summary.read();
    (summary.posts_with_rate() > 0).then(|| summary.denominators().into())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn ratio_of_sums(summary: Stored) -> Option<f64> {
    summary.read().ratio_of_sums()
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn mean_of_ratios(summary: Stored) -> Option<f64> {
    summary.read().mean_of_ratios()
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn standard_deviation(summary: Stored) -> Option<f64> {
    ok(summary.read().standard_deviation())
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn minimum(summary: Stored) -> Option<f64> {
    summary.read().minimum()
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn maximum(summary: Stored) -> Option<f64> {
    summary.read().maximum()
}

fn quantile_of(summary: &Summary, fraction: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&fraction) {
        let message = format!("{fraction} is not between 0 and 1");
        refuse(PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, &message);
    }
    summary.quantile(fraction)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn quantile(summary: Stored, fraction: f64) -> Option<f64> {
    quantile_of(&summary.read(), fraction)
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn quantiles(summary: Stored, fractions: Array<f64>) -> Vec<Option<f64>> {
    let summary = summary.read();
    let quantile = |fraction: Option<f64>| {
        interrupts::check();
        quantile_of(&summary, fraction?)
    };
    fractions.iter().map(quantile).collect()
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10)]
fn quantile_error(summary: Stored) -> f64 {
    summary.read().relative_error()
}

extension_sql!("create type analytics.engagement_summary;", name = "engagement_summary_shell");

extension_sql_file!(
    "engagement_stats.sql",
    name = "engagement_stats",
    requires = [
        "engagement_summary_shell",
        engagement_summary_in,
        engagement_summary_out,
        engagement_summary_recv,
        engagement_summary_send,
        engagement_take_back,
        engagement_by_followers_take_back,
        engagement_roll_up,
        engagement_combine,
        engagement_end,
        engagement_serialize,
        engagement_deserialize,
        denominator,
        posts_counted,
        posts_with_rate,
        posts_without_rate,
        posts_with_hidden_counts,
        posts_with_denominator,
        posts_without_denominator,
        sum_of_interactions,
        sum_of_denominators,
        ratio_of_sums,
        mean_of_ratios,
        standard_deviation,
        minimum,
        maximum,
        quantile,
        quantiles,
        quantile_error
    ]
);
