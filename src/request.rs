//! The request as the gateway describes it. Headers are the client's word: for logs, never for decisions.

use std::cell::RefCell;

use analytics_domain::request::Client;
use pgrx::prelude::*;

use crate::pg::session;

pub fn client() -> Client {
    session::setting(c"request.headers").and_then(|text| text.to_str().ok()).map(Client::parse).unwrap_or_default()
}

thread_local! {
    /// The id made for the running transaction, which its start identifies within a backend.
    static MADE: RefCell<Option<(i64, String)>> = const { RefCell::new(None) };
}

/// The client's `X-Request-Id` if it is well-formed, else one made for the transaction.
#[pg_extern(stable, parallel_restricted, schema = "analytics_private")]
fn request_id() -> String {
    id_of(&client())
}

/// The request's id, given what is known of the client.
pub fn id_of(client: &Client) -> String {
    if let Some(given) = &client.request_id {
        return given.clone();
    }
    let transaction = session::transaction_started();
    MADE.with_borrow_mut(|made| match made {
        Some((of, id)) if *of == transaction => id.clone(),
        _ => {
            let id = analytics_domain::identifiers::uuidv7().to_string();
            *made = Some((transaction, id.clone()));
            id
        }
    })
}

/// First valid address of `X-Forwarded-For`, else `X-Real-IP`.
#[pg_extern(stable, parallel_safe, schema = "analytics_private")]
fn request_ip() -> Option<String> {
    client().ip.map(|address| address.to_string())
}

#[pg_extern(stable, parallel_safe, schema = "analytics_private")]
fn request_user_agent() -> Option<String> {
    client().user_agent
}
