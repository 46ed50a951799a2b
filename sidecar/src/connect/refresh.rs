//! Keeping tokens alive, and giving back what was disconnected. A loop a provider: one that is down holds nobody else up.
//!
//! The order of a refresh: claimed by row → noted that a call is under way → the provider's answer → stored, both tokens at
//! once, over the version it was made from → used by others. A process that dies in between leaves a claim that ends and a
//! note that a call was made.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Remote;
use super::store::{Due, Refreshed, Revoking, Store};
use crate::metrics::Metrics;
use crate::oauth::{Grant, Provider, Revocation, TokenError};
use crate::queue::QueueError;
use crate::resilience::full_jitter;
use crate::secrets::{Binding, Keyring, SealError};

/// Of one provider at a time. A second's pause between looks that find nothing.
const AT_ONCE: usize = 8;
const POLL: Duration = Duration::from_secs(1);
const REVOKE_EVERY: Duration = Duration::from_secs(2);

/// A claim outlives a call by far: calls are given up after `CALL_LIMIT`, and a claim that ended early would let a second
/// worker spend the same refresh token.
const LEASE: Duration = Duration::from_secs(180);
pub const CALL_LIMIT: Duration = Duration::from_secs(30);

/// From SIGTERM on, for a call that has just begun and for its answer to be stored.
pub const FINISHING_TIME: Duration = Duration::from_secs(40);

/// How long an answer of the provider is carried to a database that is away. Dropped, it would be the connection.
const CARRY: Duration = Duration::from_secs(120);

/// What the loops share.
#[derive(Clone)]
pub struct Keeper {
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub metrics: Arc<Metrics>,
    pub worker: String,
}

impl Keeper {
    /// Keeps the connections of one provider until told to stop; calls under way are finished, and claims that none was made
    /// for are given back.
    pub async fn keep(self, remote: Remote, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut revoke_at = Instant::now();
        loop {
            while running.try_join_next().is_some() {}
            let free = remote.gate.allowance(AT_ONCE.saturating_sub(running.len()), running.len());
            let taken = if free == 0 { Ok(Vec::new()) } else { self.take(&remote, free).await };
            let idle = taken.as_ref().is_ok_and(|due| due.len() < free) || free == 0;
            match taken {
                Ok(due) => {
                    for due in due {
                        let (keeper, remote, stop) = (self.clone(), remote.clone(), stop.clone());
                        running.spawn(async move { keeper.refresh(&remote, due, &stop).await });
                    }
                }
                Err(error) => {
                    self.metrics.count_queue_error("take_refreshes");
                    tracing::debug!(%error, "cannot ask which connections are due");
                }
            }
            if free > 0 && Instant::now() >= revoke_at {
                revoke_at = Instant::now() + REVOKE_EVERY;
                self.revoke_due(&remote).await;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = running.join_next(), if !running.is_empty() => {}
                () = sleep(POLL), if idle || running.is_empty() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn take(&self, remote: &Remote, free: usize) -> Result<Vec<Due>, QueueError> {
        self.store.take_refreshes(&self.worker, remote.provider(), free, LEASE).await
    }

    async fn refresh(&self, remote: &Remote, due: Due, stop: &CancellationToken) {
        let provider = remote.provider();
        let account = due.account_id;
        let outcome = match self.attempt(remote, &due, stop).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.metrics.count_queue_error("refresh");
                tracing::warn!(%error, %account, provider = provider.name(), "the outcome of a refresh could not be stored");
                "unreported".to_owned()
            }
        };
        self.metrics.count_refresh(provider.name(), &outcome);
        tracing::info!(%account, provider = provider.name(), outcome, "refresh");
    }

    /// What became of it: "stored", "superseded", "gone", "later", "reconnect_required", or "left" when no call was made.
    async fn attempt(&self, remote: &Remote, due: &Due, stop: &CancellationToken) -> Result<String, QueueError> {
        let grant = match self.open(due) {
            Ok(grant) => grant,
            // An operator's mistake with the keys must not cost anybody his connection.
            Err(error) => return self.store.fail_refresh(due, "sealed", &error.to_string(), None).await,
        };
        let Some(call) = remote.gate.enter().filter(|_| !stop.is_cancelled()) else {
            self.store.release_refresh(due.account_id, due.claim).await?;
            return Ok("left".to_owned());
        };
        if !self.store.begin_refresh(due.account_id, due.claim).await? {
            return Ok("left".to_owned());
        }
        let provider = remote.provider();
        let started = Instant::now();
        let answer = remote.client.refresh(&grant).await.map_err(TokenError::after_refresh);
        let name = answer.as_ref().err().map_or("granted", TokenError::name);
        self.metrics.observe_request(remote.gate.name(), "refresh", name, started.elapsed());
        let (healthy, pause) = health(answer.as_ref().err());
        call.settle(healthy, pause);
        match answer {
            Ok(next) => {
                let sealed = self.seal(provider, due, &next);
                carried(|| self.store.store_refreshed(&sealed)).await
            }
            Err(error) => {
                let (kind, retry_after) = kind(&error);
                let message = match &error {
                    TokenError::Final { reason, .. } => reason.words().to_owned(),
                    other => other.to_string(),
                };
                carried(|| self.store.fail_refresh(due, kind, &message, retry_after)).await
            }
        }
    }

    fn open(&self, due: &Due) -> Result<Grant, SealError> {
        let binding = |column| Binding { workspace: due.workspace_id, connection: due.account_id, column };
        let refresh_token = due.refresh_token.as_deref();
        Ok(Grant {
            access_token: self.keyring.open(&binding("access_token"), &due.access_token)?,
            refresh_token: refresh_token
                .map(|token| self.keyring.open(&binding("refresh_token"), token))
                .transpose()?,
            issued_at: due.issued_at,
            access_expires_at: due.expires_at,
            refresh_expires_at: due.refresh_expires_at,
            scopes: due.scopes.clone(),
            token_type: due.token_type.clone(),
            provider_user_id: Some(due.consent_key.clone()),
        })
    }

    fn seal(&self, provider: Provider, due: &Due, next: &Grant) -> Refreshed {
        let seal = |column, secret: &SecretString| {
            self.keyring.seal(&Binding { workspace: due.workspace_id, connection: due.account_id, column }, secret)
        };
        Refreshed {
            account_id: due.account_id,
            version: due.version,
            access_token: seal("access_token", &next.access_token),
            refresh_token: next.refresh_token.as_ref().map(|token| seal("refresh_token", token)),
            token_type: next.token_type.clone(),
            scopes: next.scopes.clone(),
            issued_at: next.issued_at,
            expires_at: next.access_expires_at,
            refresh_expires_at: next.refresh_expires_at,
            refresh_at: next.refresh_at(provider, due.first_consent_at),
        }
    }

    async fn revoke_due(&self, remote: &Remote) {
        let due = match self.store.take_revocations(remote.provider(), AT_ONCE, LEASE).await {
            Ok(due) => due,
            Err(error) => {
                self.metrics.count_queue_error("take_revocations");
                tracing::debug!(%error, "cannot ask which consents are to be given back");
                return;
            }
        };
        for revoking in due {
            let (outcome, retry_after) = self.revoke(remote, &revoking).await;
            tracing::info!(account = %revoking.account_id, provider = remote.provider().name(), outcome, "revocation");
            if let Err(error) = carried(|| self.store.finish_revocation(&revoking, outcome, retry_after)).await {
                self.metrics.count_queue_error("finish_revocation");
                tracing::warn!(%error, "the outcome of a revocation could not be stored");
            }
        }
    }

    async fn revoke(&self, remote: &Remote, revoking: &Revoking) -> (&'static str, Option<Duration>) {
        let binding = |column| Binding { workspace: revoking.workspace_id, connection: revoking.account_id, column };
        let access_token = self.keyring.open(&binding("access_token"), &revoking.access_token);
        let refresh_token = revoking.refresh_token.as_deref();
        let refresh_token = refresh_token.map(|token| self.keyring.open(&binding("refresh_token"), token)).transpose();
        let (Ok(access_token), Ok(refresh_token)) = (access_token, refresh_token) else {
            return ("unreadable", None);
        };
        // Beside a page's own token there is that of the person who let us in, whose consent it is.
        let (access_token, refresh_token) = match refresh_token {
            Some(person) if !remote.provider().needs_refresh_token() => (person, None),
            other => (access_token, other),
        };
        let grant = Grant {
            access_token,
            refresh_token,
            issued_at: revoking.issued_at,
            access_expires_at: None,
            refresh_expires_at: None,
            scopes: Vec::new(),
            token_type: revoking.token_type.clone(),
            provider_user_id: Some(revoking.consent_key.clone()),
        };
        let Some(call) = remote.gate.enter() else {
            return ("later", None);
        };
        let answer = remote.client.revoke(&grant).await;
        let (healthy, pause) = health(answer.as_ref().err());
        call.settle(healthy, pause);
        match answer {
            Ok(Revocation::Revoked) => ("revoked", None),
            Ok(Revocation::NotOffered) => ("not_offered", None),
            Err(error) => ("later", kind(&error).1),
        }
    }
}

/// The database's word for a failure, and how long the provider asks to wait.
fn kind(error: &TokenError) -> (&'static str, Option<Duration>) {
    match error {
        TokenError::Final { .. } | TokenError::Stale { .. } => ("final", None),
        TokenError::Spent => ("spent", None),
        TokenError::Configuration { .. } | TokenError::Denied { .. } | TokenError::Refused { .. } => {
            ("configuration", None)
        }
        TokenError::Throttled { retry_after, .. } | TokenError::ThrottledAccount { retry_after, .. } => {
            ("throttled", *retry_after)
        }
        TokenError::Temporary { retry_after, .. } => ("temporary", *retry_after),
        TokenError::Malformed { .. } => ("malformed", None),
    }
}

/// Whether the provider is at work for us, and the pause it asks for. An app that it does not accept is as good as an
/// outage: all connections would meet the same.
fn health(error: Option<&TokenError>) -> (bool, Option<Duration>) {
    match error {
        Some(TokenError::Temporary { .. } | TokenError::Malformed { .. } | TokenError::Configuration { .. }) => {
            (false, None)
        }
        Some(TokenError::Throttled { retry_after, .. }) => (true, Some(retry_after.unwrap_or_default())),
        _ => (true, None),
    }
}

/// A report, repeated while the database is away.
pub(crate) async fn carried<T, F: Future<Output = Result<T, QueueError>>>(
    report: impl Fn() -> F,
) -> Result<T, QueueError> {
    let until = Instant::now() + CARRY;
    let mut tries = 0;
    loop {
        match report().await {
            Err(QueueError::Unavailable(_)) if Instant::now() < until => {
                sleep(full_jitter(tries)).await;
                tries += 1;
            }
            other => return other,
        }
    }
}
