//! Reading what a scraper brings.

use analytics_domain::{erasure, instagram};
use pgrx::JsonB;
use pgrx::prelude::*;

use crate::pg::json::{JsonText, Jsonb};

/// The normalised document (docs/ingest.md), or `{"refusal": {code, message, hint, retryable}}`.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn parse_instagram(payload: JsonText<'_>) -> Jsonb {
    match instagram::parse(payload.0) {
        Ok(capture) => Jsonb::of(&capture),
        Err(refusal) => Jsonb::of(&Refused { refusal }),
    }
}

#[derive(serde::Serialize)]
struct Refused {
    refusal: instagram::Refusal,
}

/// Everybody a normalised document names, by handle and by id.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn people_in_document(document: JsonB) -> Vec<String> {
    erasure::people(&document.0)
}

/// The document without these people: not as owners, tagged, mentioned, related, nor by handle in texts.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn document_without(document: JsonB, people: Vec<String>) -> JsonB {
    JsonB(erasure::without(document.0, &people))
}

#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn redact_people(content: &str, people: Vec<String>) -> String {
    erasure::redact(content, &people)
}

/// Whether a text, or the text of a JSON document, names one of these people by handle or id.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn names_people(content: &str, people: Vec<String>) -> bool {
    erasure::names(content, &people)
}
