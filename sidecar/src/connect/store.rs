//! Connections as this process sees them: the functions of `analytics_private` that its login may execute. Every value is a
//! bound parameter, and tokens are sealed before they come here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::oauth::Provider;
use crate::queue::{PgQueue, QueueError, in_time};

/// What the start page must know.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Begun {
    pub workspace_id: Uuid,
    pub platform: String,
    pub provider: String,
    pub purpose: String,
}

/// What a state opens, or that it opens nothing. Why is for the audit trail and the log, not for whoever brought it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    Ok(Box<Opened>),
    Refused { reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Opened {
    pub connection_id: Uuid,
    pub workspace_id: Uuid,
    pub provider: String,
    pub purpose: String,
    pub redirect_to: String,
    /// Ciphertext
    pub verifier: Option<String>,
}

/// Where the tokens of a find are going to be.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Place {
    pub platform: String,
    pub platform_user_id: String,
    pub account_id: Uuid,
}

/// What a consent opened, with its tokens sealed.
#[derive(Debug, Serialize)]
pub struct Find<'a> {
    pub platform: &'a str,
    pub platform_user_id: &'a str,
    pub account_id: Uuid,
    pub handle: Option<&'a str>,
    pub display_name: Option<&'a str>,
    pub account_type: Option<&'a str>,
    pub picture: Option<&'a str>,
    pub parent: Option<&'a str>,
    pub consent_key: Option<&'a str>,
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub token_type: &'a str,
    pub issued_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub refresh_expires_at: Option<DateTime<Utc>>,
    pub refresh_at: Option<DateTime<Utc>>,
}

/// A connection whose refresh is ours for a while. Tokens are ciphertexts.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Due {
    pub workspace_id: Uuid,
    pub account_id: Uuid,
    pub claim: Uuid,
    pub version: i64,
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub token_type: String,
    pub scopes: Vec<String>,
    pub consent_key: String,
    pub issued_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub refresh_expires_at: Option<DateTime<Utc>>,
    pub first_consent_at: DateTime<Utc>,
}

/// The grant that follows. Tokens are ciphertexts.
#[derive(Clone, Debug)]
pub struct Refreshed {
    pub account_id: Uuid,
    pub version: i64,
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub token_type: String,
    pub scopes: Vec<String>,
    pub issued_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub refresh_expires_at: Option<DateTime<Utc>>,
    pub refresh_at: Option<DateTime<Utc>>,
}

/// A consent that is to be given back. Tokens are ciphertexts, bound to the account, which may be gone.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Revoking {
    pub workspace_id: Uuid,
    pub revocation_id: Uuid,
    pub account_id: Uuid,
    pub claim: Uuid,
    pub consent_key: String,
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub token_type: String,
    pub issued_at: DateTime<Utc>,
}

/// A row whose ciphertexts are to be sealed anew.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Sealed {
    pub workspace_id: Uuid,
    pub id: Uuid,
    /// What the ciphertexts are bound to.
    pub account_id: Uuid,
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub oauth1_access_token: Option<String>,
    pub oauth1_access_token_secret: Option<String>,
}

/// The same rows, in columns, as they were read and as they are to be.
#[derive(Clone, Debug, Default)]
pub struct Resealed {
    pub workspace_ids: Vec<Uuid>,
    pub ids: Vec<Uuid>,
    pub old_access: Vec<String>,
    pub new_access: Vec<String>,
    pub old_refresh: Vec<Option<String>>,
    pub new_refresh: Vec<Option<String>>,
    pub new_oauth1: Vec<Option<String>>,
    pub new_oauth1_secret: Vec<Option<String>>,
}

/// Clones share their connections.
#[derive(Clone)]
pub struct Store(PgQueue);

impl Store {
    pub fn new(queue: PgQueue) -> Self {
        Store(queue)
    }

    pub async fn note_refusals(&self, reason: &str, platform: Option<&str>, times: i64) -> Result<(), QueueError> {
        let query = sqlx::query("select analytics_private.sidecar_note_refusals($1, $2, $3)")
            .bind(reason)
            .bind(platform)
            .bind(times);
        in_time(query.execute(self.0.pool())).await.map(drop)
    }

    /// Where the database sends browsers; empty where nobody has said.
    pub async fn public_url(&self) -> Result<String, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_public_url()");
        in_time(query.fetch_one(self.0.pool())).await
    }

    pub async fn find(&self, connection: Uuid) -> Result<Option<Begun>, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_find_connection($1)").bind(connection);
        let found: Option<Json<Begun>> = in_time(query.fetch_one(self.0.pool())).await?;
        Ok(found.map(|Json(begun)| begun))
    }

    pub async fn begin(
        &self,
        connection: Uuid,
        ticket: &[u8],
        state: &[u8],
        browser: &[u8],
        verifier: Option<&str>,
        scopes: &[&str],
    ) -> Result<Verdict, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_begin_connection($1, $2, $3, $4, $5, $6)")
            .bind(connection)
            .bind(ticket)
            .bind(state)
            .bind(browser)
            .bind(verifier)
            .bind(scopes);
        let Json(verdict) = in_time(query.fetch_one(self.0.pool())).await?;
        Ok(verdict)
    }

    pub async fn use_state(&self, state: &[u8], browser: &[u8], platform: &str) -> Result<Verdict, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_use_state($1, $2, $3)")
            .bind(state)
            .bind(browser)
            .bind(platform);
        let Json(verdict) = in_time(query.fetch_one(self.0.pool())).await?;
        Ok(verdict)
    }

    pub async fn fail(&self, connection: Uuid, reason: &str, code: &str, message: &str) -> Result<bool, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_fail_connection($1, $2, $3, $4)")
            .bind(connection)
            .bind(reason)
            .bind(code)
            .bind(message);
        in_time(query.fetch_one(self.0.pool())).await
    }

    pub async fn place(
        &self,
        connection: Uuid,
        platforms: &[&str],
        ids: &[&str],
        handles: &[Option<&str>],
    ) -> Result<Vec<Place>, QueueError> {
        let query = sqlx::query_as(
            "select platform, platform_user_id, account_id from analytics_private.sidecar_place_found($1, $2, $3, $4)",
        )
        .bind(connection)
        .bind(platforms)
        .bind(ids)
        .bind(handles);
        in_time(query.fetch_all(self.0.pool())).await
    }

    /// Whether there is something to choose.
    pub async fn store_found(
        &self,
        connection: Uuid,
        finds: &[Find<'_>],
        scopes: &[String],
    ) -> Result<bool, QueueError> {
        #[derive(Deserialize)]
        struct Stored {
            status: String,
        }
        let finds = serde_json::to_string(finds).map_err(|_| QueueError::Refused { sqlstate: "22032".to_owned() })?;
        let query = sqlx::query_scalar("select analytics_private.sidecar_store_found($1, $2::json, $3)")
            .bind(connection)
            .bind(finds)
            .bind(scopes);
        let Json(Stored { status }) = in_time(query.fetch_one(self.0.pool())).await?;
        Ok(status == "choosing")
    }

    pub async fn take_refreshes(
        &self,
        worker: &str,
        provider: Provider,
        batch: usize,
        lease: Duration,
    ) -> Result<Vec<Due>, QueueError> {
        let query = sqlx::query_as("select * from analytics_private.sidecar_take_refreshes($1, $2, $3, $4)")
            .bind(worker)
            .bind(provider.name())
            .bind(i32::try_from(batch).unwrap_or(i32::MAX))
            .bind(i32::try_from(lease.as_secs()).unwrap_or(i32::MAX));
        in_time(query.fetch_all(self.0.pool())).await
    }

    /// False: the claim has ended, and the provider must not be called.
    pub async fn begin_refresh(&self, account: Uuid, claim: Uuid) -> Result<bool, QueueError> {
        let query =
            sqlx::query_scalar("select analytics_private.sidecar_begin_refresh($1, $2)").bind(account).bind(claim);
        in_time(query.fetch_one(self.0.pool())).await
    }

    pub async fn release_refresh(&self, account: Uuid, claim: Uuid) -> Result<(), QueueError> {
        let query = sqlx::query("select analytics_private.sidecar_release_refresh($1, $2)").bind(account).bind(claim);
        in_time(query.execute(self.0.pool())).await.map(drop)
    }

    /// "stored", "superseded" or "gone"
    pub async fn store_refreshed(&self, grant: &Refreshed) -> Result<String, QueueError> {
        let query = sqlx::query_scalar(
            "select analytics_private.sidecar_store_refreshed($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(grant.account_id)
        .bind(grant.version)
        .bind(&grant.access_token)
        .bind(&grant.refresh_token)
        .bind(&grant.token_type)
        .bind(&grant.scopes)
        .bind(grant.issued_at)
        .bind(grant.expires_at)
        .bind(grant.refresh_expires_at)
        .bind(grant.refresh_at);
        in_time(query.fetch_one(self.0.pool())).await
    }

    /// "reconnect_required", "later", "superseded" or "gone"
    pub async fn fail_refresh(
        &self,
        due: &Due,
        kind: &str,
        message: &str,
        retry_after: Option<Duration>,
    ) -> Result<String, QueueError> {
        #[derive(Deserialize)]
        struct Failed {
            state: String,
        }
        let query = sqlx::query_scalar("select analytics_private.sidecar_fail_refresh($1, $2, $3, $4, $5, $6)")
            .bind(due.account_id)
            .bind(due.claim)
            .bind(due.version)
            .bind(kind)
            .bind(message)
            .bind(retry_after.map(|wait| wait.as_secs_f64()));
        let Json(Failed { state }) = in_time(query.fetch_one(self.0.pool())).await?;
        Ok(state)
    }

    pub async fn take_revocations(
        &self,
        provider: Provider,
        batch: usize,
        lease: Duration,
    ) -> Result<Vec<Revoking>, QueueError> {
        let query = sqlx::query_as("select * from analytics_private.sidecar_take_revocations($1, $2, $3)")
            .bind(provider.name())
            .bind(i32::try_from(batch).unwrap_or(i32::MAX))
            .bind(i32::try_from(lease.as_secs()).unwrap_or(i32::MAX));
        in_time(query.fetch_all(self.0.pool())).await
    }

    pub async fn finish_revocation(
        &self,
        revoking: &Revoking,
        outcome: &str,
        retry_after: Option<Duration>,
    ) -> Result<bool, QueueError> {
        let query = sqlx::query_scalar("select analytics_private.sidecar_finish_revocation($1, $2, $3, $4)")
            .bind(revoking.revocation_id)
            .bind(revoking.claim)
            .bind(outcome)
            .bind(retry_after.map(|wait| wait.as_secs_f64()));
        in_time(query.fetch_one(self.0.pool())).await
    }

    pub async fn sealed_after(
        &self,
        place: &str,
        workspace: Uuid,
        id: Uuid,
        batch: usize,
    ) -> Result<Vec<Sealed>, QueueError> {
        let query = sqlx::query_as("select * from analytics_private.sidecar_sealed_after($1, $2, $3, $4)")
            .bind(place)
            .bind(workspace)
            .bind(id)
            .bind(i32::try_from(batch).unwrap_or(i32::MAX));
        in_time(query.fetch_all(self.0.pool())).await
    }

    /// How many were stored; the others changed meanwhile.
    pub async fn store_rotated(&self, place: &str, rows: &Resealed) -> Result<i64, QueueError> {
        let query =
            sqlx::query_scalar("select analytics_private.sidecar_store_rotated($1, $2, $3, $4, $5, $6, $7, $8, $9)")
                .bind(place)
                .bind(&rows.workspace_ids)
                .bind(&rows.ids)
                .bind(&rows.old_access)
                .bind(&rows.new_access)
                .bind(&rows.old_refresh)
                .bind(&rows.new_refresh)
                .bind(&rows.new_oauth1)
                .bind(&rows.new_oauth1_secret);
        in_time(query.fetch_one(self.0.pool())).await
    }
}
