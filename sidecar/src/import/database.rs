//! The functions of `analytics_private` that an import calls, all in one transaction: an export goes in whole or not at all.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError};
use sqlx::types::Json;
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

use super::Failure;
use crate::export::{Document, Relation, shown};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one call, when the network is gone without a word. What a call may take is for the server's statement_timeout to say.
const CALL_TIMEOUT: Duration = Duration::from_secs(600);

const SOURCE: &str = "instagram_export";

/// A connection with a transaction begun. Dropped, it closes, and the server undoes what was not committed.
pub struct Database {
    connection: PgConnection,
}

/// The account that the lists are about.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    pub account_id: Uuid,
    pub platform: String,
    pub handle: String,
}

/// What is said of a list before its names.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub captured_at: DateTime<Utc>,
    /// Names that there are, sent or not.
    pub count: i64,
    /// None: the database decides by its own threshold.
    pub is_complete: Option<bool>,
}

/// A list that is under way.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Begun {
    pub import_id: Uuid,
    /// Most names that the database takes in a page.
    pub page_people: usize,
}

/// Some names of a list, ascending.
#[derive(Debug, Default)]
pub struct Page {
    pub handles: Vec<String>,
    pub followed_at: Vec<Option<DateTime<Utc>>>,
}

/// What a finished list has changed. All counts are of people.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// When the list before it was captured; None: it is the first.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
    #[serde(default)]
    pub gained: u64,
    #[serde(default)]
    pub found: u64,
    #[serde(default)]
    pub lost: u64,
    #[serde(default)]
    pub gone: u64,
    #[serde(default)]
    pub not_seen: u64,
    #[serde(default)]
    pub returned: u64,
    pub member_count: u64,
    #[serde(default)]
    pub completeness: Option<f64>,
    pub is_complete: bool,
    pub in_chain: bool,
    pub is_new: bool,
}

impl Outcome {
    /// How many were believed to follow before this list.
    pub fn before(&self) -> u64 {
        (self.member_count + self.lost + self.gone).saturating_sub(self.gained + self.found)
    }
}

impl Database {
    pub async fn begin(options: PgConnectOptions) -> Result<Self, Failure> {
        let options = options.application_name("analytics-sidecar import");
        let mut connection = match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
            Ok(connected) => connected.map_err(failed)?,
            Err(_) => return Err(unavailable("no connection to the database in time")),
        };
        in_time(connection.execute("begin")).await?;
        Ok(Database { connection })
    }

    pub async fn find_account(&mut self, account: &str) -> Result<(Account, Value), Failure> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_find_account($1)").bind(account);
        let Json(found): Json<Value> = in_time(query.fetch_one(&mut self.connection)).await?;
        Ok((understood(found.clone())?, found))
    }

    pub async fn begin_list(&mut self, account: Uuid, relation: Relation, claim: Claim) -> Result<Begun, Failure> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_begin_import($1, $2, $3, $4, $5, $6)")
            .bind(account)
            .bind(claim.captured_at)
            .bind(relation.as_str())
            .bind(SOURCE)
            .bind(claim.count)
            .bind(claim.is_complete);
        let Json(begun): Json<Value> = in_time(query.fetch_one(&mut self.connection)).await?;
        understood(begun)
    }

    pub async fn add_page(&mut self, import: Uuid, number: i32, page: &Page) -> Result<(), Failure> {
        let times = page.followed_at.iter().any(Option::is_some).then_some(&page.followed_at);
        let query = sqlx::query("select analytics_private.sidecar_add_page($1, $2, $3, null, $4)")
            .bind(import)
            .bind(number)
            .bind(&page.handles)
            .bind(times);
        in_time(query.execute(&mut self.connection)).await.map(drop)
    }

    pub async fn finish_list(&mut self, import: Uuid) -> Result<(Outcome, Value), Failure> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_finish_import($1)").bind(import);
        let Json(outcome): Json<Value> = in_time(query.fetch_one(&mut self.connection)).await?;
        Ok((understood(outcome.clone())?, outcome))
    }

    /// False: the same document was there already.
    pub async fn store_document(
        &mut self,
        account: Uuid,
        at: DateTime<Utc>,
        document: &Document,
    ) -> Result<bool, Failure> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_store_document($1, $2, $3, $4::json)")
            .bind(account)
            .bind(&document.name)
            .bind(at)
            .bind(&document.text);
        in_time(query.fetch_one(&mut self.connection)).await
    }

    /// Makes all of it last, or with `dry_run` undoes it.
    pub async fn end(mut self, dry_run: bool) -> Result<(), Failure> {
        if dry_run {
            in_time(self.connection.execute("rollback")).await?;
        } else if let Err(failure) = in_time(self.connection.execute("commit")).await {
            let (_, what, _) = failure.told();
            return Err(Failure::Unavailable {
                what: format!("while the import was made to last: {what}"),
                remedy: "whether it did is not known: import again, a list that is there already is not stored twice"
                    .to_owned(),
            });
        }
        // What is committed is safe, however the connection ends.
        let _ = self.connection.close().await;
        Ok(())
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(result) => result.map_err(failed),
        Err(_) => Err(unavailable("the database did not answer in time")),
    }
}

fn understood<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|error| Failure::Unavailable {
        what: format!("the database's answer is not understood: {error}"),
        remedy: "use the program and the extension of one version".to_owned(),
    })
}

fn unavailable(what: impl Into<String>) -> Failure {
    Failure::Unavailable { what: what.into(), remedy: "nothing was written: import again".to_owned() }
}

/// What a database error means to whoever imports. Unlike the log of the service, a terminal may show the database's own words.
fn failed(error: sqlx::Error) -> Failure {
    let error = match error {
        sqlx::Error::Database(error) => error,
        sqlx::Error::PoolTimedOut => return unavailable("no connection to the database in time"),
        sqlx::Error::Io(error) => {
            return unavailable(format!("the connection to the database failed: {}", error.kind()));
        }
        sqlx::Error::Tls(_) => return unavailable("the connection to the database failed: TLS"),
        error => return unavailable(format!("the connection to the database failed: {}", shown(&error.to_string()))),
    };
    let state = error.code().unwrap_or_default().into_owned();
    let message = shown(error.message());
    let hint = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::hint).map(shown);
    let (what, remedy) = match state.as_str() {
        "57014" => (
            format!("the database stopped a statement: {message}"),
            "nothing was written: raise statement_timeout for this login (alter role analytics_sidecar set statement_timeout = '5min') or send smaller pages with --page-size",
        ),
        "40001" | "40P01" | "55P03" => {
            (format!("another import was in the way: {message}"), "nothing was written: import again")
        }
        "42883" | "42501" | "3F000" => (
            format!("the database has no such function for this login: {message}"),
            "nothing was written: run select * from analytics.install() there, and give DATABASE_URL the login analytics_sidecar",
        ),
        "28000" | "28P01" | "3D000" => (message, "see docs/install.md for the sidecar's login"),
        _ if state.starts_with("PT4") || state.starts_with("22") || state.starts_with("23") => {
            let remedy = hint.unwrap_or_else(|| "nothing was written".to_owned());
            return Failure::Refused { what: message, remedy };
        }
        _ => (format!("{message} (SQLSTATE {state})"), "nothing was written: import again"),
    };
    Failure::Unavailable { what, remedy: remedy.to_owned() }
}
