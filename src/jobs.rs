//! What becomes of a failed job.

use analytics_domain::jobs::{self, Next};
use pgrx::prelude::*;

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn job_gives_up(attempt: i32, max_attempts: i32, code: &str, permanent: bool, same_code_streak: i32) -> bool {
    let count = |number: i32| u32::try_from(number).unwrap_or(0);
    jobs::next(count(attempt), count(max_attempts), code, permanent, count(same_code_streak)) == Next::GiveUp
}

/// Seconds; random, see the domain crate.
#[pg_extern(volatile, parallel_safe, schema = "analytics_private")]
fn job_backoff(attempt: i32, base: f64, cap: f64, retry_after: Option<f64>) -> f64 {
    // The random bits of a version 4 UUID: 53 of them make a uniform fraction.
    let random = (uuid::Uuid::new_v4().as_u128() as u64 >> 11) as f64 / (1_u64 << 53) as f64;
    jobs::backoff_seconds(u32::try_from(attempt).unwrap_or(0), base, cap, random, retry_after)
}
