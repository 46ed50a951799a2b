//! Handles and hashtags in texts, and what a handle may look like.

use analytics_domain::{identifiers, text, username};
use pgrx::prelude::*;

#[pg_extern(immutable, parallel_safe)]
fn extract_mentions(content: &str) -> Vec<String> {
    text::extract_mentions(content)
}

#[pg_extern(immutable, parallel_safe)]
fn extract_hashtags(content: &str) -> Vec<String> {
    text::extract_hashtags(content)
}

#[pg_extern(volatile, parallel_safe)]
fn uuidv7() -> pgrx::datum::Uuid {
    pgrx::datum::Uuid::from_bytes(*identifiers::uuidv7().as_bytes())
}

/// The verdict on a handle: either the handle as Instagram stores it, or what is wrong and what to do.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn check_username(
    input: Option<&str>,
) -> TableIterator<
    'static,
    (name!(username, Option<String>), name!(problem, Option<String>), name!(hint, Option<String>)),
> {
    TableIterator::once(match username::normalize_username(input.unwrap_or_default()) {
        Ok(handle) => (Some(handle), None, None),
        Err(refusal) => (None, Some(refusal.to_string()), Some(refusal.hint().to_string())),
    })
}

extension_sql!(
    r"
comment on function extract_mentions(text) is
$$the handles a text mentions with @, lower case, each once, in order of appearance
By Instagram's rules: letters, digits, _ and . up to 30; an e-mail address mentions nobody. Reads the first MiB of the text, gives at most 1000.
Example: select analytics.extract_mentions('with @NatGeo and @nasa.') = array['natgeo', 'nasa']$$;
comment on function extract_hashtags(text) is
$$the hashtags of a text without #, lower case, each once, in order of appearance
Unicode letters, marks, digits, _ and emoji; at least one of them no digit. Reads the first MiB of the text, gives at most 1000.
Example: select analytics.extract_hashtags('#Paris in #été, no #1') = array['paris', 'été']$$;
comment on function uuidv7() is
$$a new time-ordered UUID (version 7), later ones sort after earlier ones of the same backend
Example: select analytics.uuidv7() < analytics.uuidv7()$$;
",
    name = "text_comments",
    requires = [extract_mentions, extract_hashtags, uuidv7]
);
