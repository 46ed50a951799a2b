//! Insights of connected accounts: their numbers, their audience, their posts. A loop a provider takes what the database
//! says is due (`store`), asks the platform (a file each), and gives back what came, whole or up to where it failed.

pub mod facebook;
pub mod instagram;
pub mod linkedin;
mod listing;
mod meta;
mod read;
pub mod store;
pub mod tiktok;
pub mod x;
pub mod youtube;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::connect::Remote;
use crate::connect::refresh::carried;
use crate::metrics::Metrics;
use crate::oauth::TokenError;
use crate::queue::QueueError;
use crate::secrets::{Binding, Keyring};
use store::{Failure, Gathered, Refused, Store, Task};

/// Pulls of one provider at a time. A second's pause between looks that find nothing.
const AT_ONCE: usize = 16;
const POLL: Duration = Duration::from_secs(1);

/// A pull ends by itself, with what it has, well before its claim does: what it has is stored after it.
const PULL_LIMIT: Duration = Duration::from_secs(150);
const LEASE: Duration = Duration::from_secs(600);

/// Percent of our app's limit from which on all wait, and for how long where the provider does not say.
const NEARLY_FULL: u32 = 90;
const BREATHER: Duration = Duration::from_secs(60);

/// Why a pull ends early.
#[derive(Debug)]
pub enum Stop {
    /// The provider is left alone at the moment.
    Closed,
    OutOfTime,
    Failed(TokenError),
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Self {
        Stop::Failed(error)
    }
}

/// How a platform is asked.
#[derive(Clone, Copy)]
enum Way<'a> {
    Read,
    /// YouTube's reports
    Report,
    Post(&'a serde_json::Value),
}

/// Asks one provider on behalf of one account.
pub struct Asker<'a> {
    remote: &'a Remote,
    metrics: &'a Metrics,
    token: SecretString,
    until: Instant,
    stop: CancellationToken,
    /// The most of our limit that was used in any answer, in percent.
    pub usage: Option<u32>,
    pub calls: u32,
}

impl<'a> Asker<'a> {
    /// `stop`: no further call; what came so far is stored.
    pub fn new(
        remote: &'a Remote,
        metrics: &'a Metrics,
        token: SecretString,
        limit: Duration,
        stop: CancellationToken,
    ) -> Self {
        Asker { remote, metrics, token, until: Instant::now() + limit, stop, usage: None, calls: 0 }
    }

    /// `target`: name of the call in metrics.
    async fn get<T: DeserializeOwned>(
        &mut self,
        target: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Stop> {
        self.ask(target, Way::Read, path, query).await
    }

    async fn ask<T: DeserializeOwned>(
        &mut self,
        target: &'static str,
        way: Way<'_>,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Stop> {
        if Instant::now() >= self.until || self.stop.is_cancelled() {
            return Err(Stop::OutOfTime);
        }
        let call = self.remote.gate.enter().ok_or(Stop::Closed)?;
        let started = Instant::now();
        self.calls += 1;
        let client = &self.remote.client;
        let answer = match way {
            Way::Read => client.read(path, query, &self.token).await,
            Way::Report => client.read_report(path, query, &self.token).await,
            Way::Post(body) => client.read_posted(path, query, body, &self.token).await,
        };
        let name = answer.as_ref().err().map_or("data", TokenError::name);
        self.metrics.observe_request(self.remote.gate.name(), target, name, started.elapsed());
        match answer {
            Ok((data, usage)) => {
                call.settle(true, usage.filter(|percent| *percent >= NEARLY_FULL).map(|_| BREATHER));
                self.usage = self.usage.max(usage);
                Ok(data)
            }
            Err(error) => {
                let pause = match &error {
                    TokenError::Throttled { retry_after, .. } => Some(retry_after.unwrap_or(BREATHER)),
                    _ => None,
                };
                let is_their_trouble = matches!(error, TokenError::Temporary { .. } | TokenError::Malformed { .. });
                call.settle(!is_their_trouble, pause);
                Err(error.into())
            }
        }
    }

    /// Asks for metrics at once; those that the platform refuses to serve are found by halves, noted, and left out.
    async fn get_each<T: DeserializeOwned>(
        &mut self,
        subject: &'static str,
        names: &[&str],
        refused: &mut Vec<Refused>,
        path: &str,
        query: impl Fn(String) -> Vec<(&'static str, String)>,
    ) -> Result<Vec<T>, Stop> {
        self.ask_each(subject, names, refused, Way::Read, path, query).await
    }

    async fn ask_each<T: DeserializeOwned>(
        &mut self,
        subject: &'static str,
        names: &[&str],
        refused: &mut Vec<Refused>,
        way: Way<'_>,
        path: &str,
        query: impl Fn(String) -> Vec<(&'static str, String)>,
    ) -> Result<Vec<T>, Stop> {
        let mut parts = VecDeque::from([names]);
        let (mut answers, mut found) = (Vec::new(), Vec::new());
        while let Some(part) = parts.pop_front().filter(|part| !part.is_empty()) {
            let query = query(part.join(","));
            let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            match self.ask(subject, way, path, &query).await {
                Ok(answer) => answers.push(answer),
                Err(Stop::Failed(error)) if is_unserved(&error) => {
                    if let [name] = part {
                        found.push((*name, error));
                    } else {
                        let (one, other) = part.split_at(part.len() / 2);
                        parts.extend([one, other]);
                    }
                }
                Err(stop) => return Err(stop),
            }
        }
        let is_proven = !answers.is_empty();
        // Where nothing at all is served, it is not the metrics that are wrong.
        if found.len() > 1
            && found.len() == names.len()
            && let Some((_, error)) = found.pop()
        {
            return Err(error.into());
        }
        refused.extend(found.into_iter().map(|(name, error)| Refused {
            subject,
            api_name: name.to_owned(),
            of_app: is_of_app(&error, is_proven),
            code: match error {
                TokenError::Configuration { code } => code.into_owned(),
                other => other.name().to_owned(),
            },
        }));
        Ok(answers)
    }
}

/// "(#100) metric[0] must be one of the following values", or how others say it: it is not served, at least not with others
/// beside it.
fn is_unserved(error: &TokenError) -> bool {
    let words = ["100", "unknown_metric", "unknown_field", "invalid_params", "invalid_request", "invalid_argument"];
    matches!(error, TokenError::Configuration { code } if words.contains(&code.as_ref()))
}

/// Whether it is the metric that is wrong, for whomever it is asked: the platform says so, or has answered the same question
/// without it (`is_proven`). Meta's 100 stands for all parameters that it does not take: another account may be served what
/// this one is refused.
fn is_of_app(error: &TokenError, is_proven: bool) -> bool {
    let TokenError::Configuration { code } = error else { return false };
    match code.as_ref() {
        "unknown_metric" | "unknown_field" => true,
        "100" => false,
        _ => is_proven,
    }
}

/// Fills `gathered` with what the platform says, up to where it stops.
pub async fn gather(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    match task.platform.as_str() {
        "instagram" => instagram::gather(asker, task, gathered).await,
        "facebook" => facebook::gather(asker, task, gathered).await,
        "linkedin" => linkedin::gather(asker, task, gathered).await,
        "tiktok" => tiktok::gather(asker, task, gathered).await,
        "x" => x::gather(asker, task, gathered).await,
        "youtube" => youtube::gather(asker, task, gathered).await,
        _ => Err(TokenError::Refused { code: "platform".into() }.into()),
    }
}

/// What the loops share.
#[derive(Clone)]
pub struct Puller {
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub metrics: Arc<Metrics>,
    pub worker: String,
}

impl Puller {
    /// Pulls what is due of one provider until told to stop; pulls under way end with the call that they are at.
    pub async fn pull(self, remote: Remote, stop: CancellationToken) {
        let mut running = JoinSet::new();
        loop {
            while running.try_join_next().is_some() {}
            let free = remote.gate.allowance(AT_ONCE.saturating_sub(running.len()), running.len());
            let taken = match free {
                0 => Ok(Vec::new()),
                free => self.store.take(&self.worker, remote.provider(), free, LEASE).await,
            };
            let is_idle = taken.as_ref().map_or(true, |due| due.len() < free) || free == 0;
            match taken {
                Ok(due) => {
                    for task in due {
                        let (puller, remote, stop) = (self.clone(), remote.clone(), stop.clone());
                        running.spawn(async move { puller.attempt(&remote, task, stop).await });
                    }
                }
                Err(error) => {
                    self.metrics.count_queue_error("take_insights");
                    tracing::debug!(%error, "cannot ask which insights are due");
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                // As many came as there was room for, so more are due: as soon as there is room again.
                Some(_) = running.join_next(), if !running.is_empty() && (free == 0 || !is_idle) => {}
                () = sleep(POLL), if is_idle => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn attempt(&self, remote: &Remote, task: Task, stop: CancellationToken) {
        let provider = remote.provider();
        let outcome = match self.fetch(remote, &task, stop).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.metrics.count_queue_error("store_insights");
                tracing::warn!(%error, account = %task.account_id, kind = task.kind, "what was pulled could not be stored");
                "unreported".to_owned()
            }
        };
        self.metrics.count_pull(provider.name(), &task.kind, &outcome);
        tracing::debug!(account = %task.account_id, provider = provider.name(), kind = task.kind, outcome, "pull");
    }

    async fn fetch(&self, remote: &Remote, task: &Task, stop: CancellationToken) -> Result<String, QueueError> {
        let binding = Binding { workspace: task.workspace_id, connection: task.account_id, column: "access_token" };
        let token = match self.keyring.open(&binding, &task.access_token) {
            Ok(token) => token,
            Err(error) => {
                let failure = Failure { kind: "sealed", message: Some(error.to_string()), retry_after: None };
                return self.store.store(task, None, Some(&failure)).await;
            }
        };
        let mut asker = Asker::new(remote, &self.metrics, token, PULL_LIMIT, stop);
        let mut gathered = Gathered::new(Utc::now());
        let stop = gather(&mut asker, task, &mut gathered).await.err();
        gathered.captured_at = Utc::now();
        if let Some(percent) = asker.usage.filter(|percent| *percent >= NEARLY_FULL)
            && let Err(error) = carried(|| self.store.note_limit(remote.provider(), percent, BREATHER)).await
        {
            self.metrics.count_queue_error("note_limit");
            tracing::warn!(%error, percent, "a limit that is nearly used up could not be noted");
        }
        if is_untouched(stop.as_ref(), &gathered, asker.calls) {
            self.store.release(task).await?;
            return Ok("left".to_owned());
        }
        let failure = stop.map(failure);
        let result = (failure.is_none() || !gathered.is_empty()).then_some(&gathered);
        match carried(|| self.store.store(task, result, failure.as_ref())).await {
            // Of a form that the tables do not take: without it, so that the pull is not repeated at once for ever.
            Err(QueueError::Refused { sqlstate }) if result.is_some() => {
                tracing::warn!(sqlstate, account = %task.account_id, kind = task.kind, "an answer could not be stored");
                let failure = Failure {
                    kind: "malformed",
                    message: Some(format!("the answer could not be stored ({sqlstate})")),
                    retry_after: None,
                };
                carried(|| self.store.store(task, None, Some(&failure))).await
            }
            other => other,
        }
    }
}

/// Given back it is due at once, so only when nobody was asked: a pull that never gets anywhere is to wait.
fn is_untouched(stop: Option<&Stop>, gathered: &Gathered, calls: u32) -> bool {
    matches!(stop, Some(Stop::Closed | Stop::OutOfTime)) && gathered.is_empty() && calls == 0
}

fn failure(stop: Stop) -> Failure {
    let error = match stop {
        Stop::Closed | Stop::OutOfTime => return Failure { kind: "unfinished", message: None, retry_after: None },
        Stop::Failed(error) => error,
    };
    let (kind, retry_after) = match &error {
        TokenError::Final { .. } => ("final", None),
        TokenError::Stale { .. } => ("stale", None),
        TokenError::Denied { .. } => ("denied", None),
        TokenError::Refused { .. } | TokenError::Spent => ("refused", None),
        TokenError::Configuration { .. } => ("configuration", None),
        TokenError::Throttled { retry_after, .. } => ("throttled", *retry_after),
        TokenError::ThrottledAccount { retry_after, .. } => ("throttled_account", *retry_after),
        TokenError::Temporary { retry_after, .. } => ("temporary", *retry_after),
        TokenError::Malformed { .. } => ("malformed", None),
    };
    let message = match &error {
        TokenError::Final { reason, .. } => reason.words().to_owned(),
        other => other.to_string(),
    };
    Failure { kind, message: Some(message), retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_is_given_back_only_when_nobody_was_asked() {
        let mut gathered = Gathered::new(Utc::now());
        assert!(is_untouched(Some(&Stop::Closed), &gathered, 0) && is_untouched(Some(&Stop::OutOfTime), &gathered, 0));
        assert!(!is_untouched(Some(&Stop::OutOfTime), &gathered, 1) && !is_untouched(None, &gathered, 0));
        gathered.audiences.push(store::Audience::default());
        assert!(!is_untouched(Some(&Stop::Closed), &gathered, 0));
    }

    #[test]
    fn a_refusal_is_of_our_app_only_where_that_is_known() {
        let of_app = |code: &'static str| {
            let error = TokenError::Configuration { code: code.into() };
            [false, true].map(|is_proven| is_of_app(&error, is_proven))
        };
        for code in ["unknown_metric", "unknown_field"] {
            assert_eq!(of_app(code), [true, true], "{code}");
        }
        for code in ["invalid_params", "invalid_request", "invalid_argument"] {
            assert_eq!(of_app(code), [false, true], "{code}");
        }
        assert_eq!(of_app("100"), [false, false]);
    }
}
