//! Reading what Stripe sends.

use analytics_domain::billing;
use pgrx::prelude::*;

use crate::pg::json::{JsonText, Jsonb};

/// The event reduced to what decides (docs/billing.md), or `{"refusal": {message, hint}}`.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn parse_billing_event(payload: JsonText<'_>) -> Jsonb {
    match billing::parse(payload.0) {
        Ok(event) => Jsonb::of(&event),
        Err(refusal) => Jsonb::of(&Refused { refusal }),
    }
}

#[derive(serde::Serialize)]
struct Refused {
    refusal: billing::Refusal,
}
