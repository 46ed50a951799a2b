//! Quota periods: when they begin and end.

use analytics_domain::quota::Period;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

/// Not strict: a null anchor means calendar months. An infinite one means nothing, and so the same.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn period_start(
    anchor: Option<TimestampWithTimeZone>,
    moment: Option<TimestampWithTimeZone>,
) -> Option<TimestampWithTimeZone> {
    bound(anchor, moment?, |period| period.start)
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn period_end(
    anchor: Option<TimestampWithTimeZone>,
    moment: Option<TimestampWithTimeZone>,
) -> Option<TimestampWithTimeZone> {
    bound(anchor, moment?, |period| period.end)
}

/// What lies outside of PostgreSQL's calendar is infinite, and the period of an infinite moment is that moment.
fn bound(
    anchor: Option<TimestampWithTimeZone>,
    moment: TimestampWithTimeZone,
    side: fn(Period) -> i64,
) -> Option<TimestampWithTimeZone> {
    let is_finite = |time: &TimestampWithTimeZone| !time.is_infinity() && !time.is_neg_infinity();
    if !is_finite(&moment) {
        return Some(moment);
    }
    let anchor = anchor.filter(is_finite).map(|anchor| anchor.into_inner());
    let bound = side(Period::of(anchor, moment.into_inner()));
    let outside =
        if bound < 0 { TimestampWithTimeZone::negative_infinity } else { TimestampWithTimeZone::positive_infinity };
    Some(TimestampWithTimeZone::try_from(bound).unwrap_or_else(|_| outside()))
}
