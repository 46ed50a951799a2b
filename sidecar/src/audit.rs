//! The audit trail's two errands: having records sealed into the chain, and signing its checkpoints for keeping elsewhere.
//! What a checkpoint says is the database's; the key is only here.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Serialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::queue::{PgQueue, QueueError, in_time};

/// Records are sealed within a second; half of it leaves time for the call.
const SEAL_EVERY: Duration = Duration::from_millis(500);
/// A call that sealed this many has left more behind.
const SEAL_FULL: i64 = 10_000;
/// The database says which checkpoints are due.
const LOOK_EVERY: Duration = Duration::from_secs(15);
const CHECKPOINTS: i32 = 100;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the errands need of the database.
pub trait AuditTrail: Send + Sync + 'static {
    /// Gives how many records were sealed.
    fn seal(&self) -> impl Future<Output = Result<i64, QueueError>> + Send;

    /// Canonical heads of chains whose last signed checkpoint is too old.
    fn due(&self, most: i32) -> impl Future<Output = Result<Vec<String>, QueueError>> + Send;

    fn note(&self, signed: &Signed) -> impl Future<Output = Result<(), QueueError>> + Send;
}

impl AuditTrail for PgQueue {
    async fn seal(&self) -> Result<i64, QueueError> {
        in_time(sqlx::query_scalar("select analytics_private.seal_audit()").fetch_one(self.pool())).await
    }

    async fn due(&self, most: i32) -> Result<Vec<String>, QueueError> {
        let query = sqlx::query_scalar("select * from analytics_private.due_audit_checkpoints($1)").bind(most);
        in_time(query.fetch_all(self.pool())).await
    }

    async fn note(&self, signed: &Signed) -> Result<(), QueueError> {
        let query = sqlx::query("select analytics_private.note_audit_checkpoint($1, $2, $3)")
            .bind(&signed.checkpoint)
            .bind(&signed.signature)
            .bind(&signed.public_key);
        in_time(query.execute(self.pool())).await.map(drop)
    }
}

/// A checkpoint with its Ed25519 signature and the key to verify it with, both as lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signed {
    pub checkpoint: String,
    pub signature: String,
    pub public_key: String,
}

/// The signing key. Shows only its public half.
pub struct Signer(Ed25519KeyPair);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public_key())
    }
}

impl Signer {
    /// From a seed of 32 bytes as hex or base64.
    pub fn from_text(seed: &str) -> Option<Self> {
        let seed = seed.trim();
        let bytes = hex::decode(seed)
            .or_else(|_| BASE64_STANDARD.decode(seed))
            .or_else(|_| BASE64_STANDARD_NO_PAD.decode(seed))
            .ok()?;
        Ed25519KeyPair::from_seed_unchecked(&bytes).ok().map(Signer)
    }

    pub fn public_key(&self) -> String {
        hex::encode(self.0.public_key())
    }

    pub fn sign(&self, checkpoint: String) -> Signed {
        let signature = hex::encode(self.0.sign(checkpoint.as_bytes()));
        Signed { checkpoint, signature, public_key: self.public_key() }
    }
}

/// A file that signed checkpoints are added to, one JSON object a line.
#[derive(Clone, Debug)]
pub struct Keepsake(Arc<File>);

impl Keepsake {
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().append(true).create(true).open(path).map(|file| Keepsake(Arc::new(file)))
    }

    /// On disk when this returns.
    async fn add(&self, signed: &Signed) -> io::Result<()> {
        let mut line = serde_json::to_vec(signed)?;
        line.push(b'\n');
        let file = self.0.clone();
        let written = tokio::task::spawn_blocking(move || {
            // One write, so that lines of several processes do not mix.
            (&*file).write_all(&line)?;
            file.sync_data()
        });
        written.await.map_err(io::Error::other)?
    }
}

/// Waits longer after each failure; says so once, and once more when it is over.
struct Pauses {
    operation: &'static str,
    failures: u32,
}

impl Pauses {
    fn new(operation: &'static str) -> Self {
        Pauses { operation, failures: 0 }
    }

    fn after(&mut self, failure: Option<&dyn fmt::Display>, usual: Duration, metrics: &Metrics) -> Duration {
        let operation = self.operation;
        let Some(error) = failure else {
            if std::mem::take(&mut self.failures) > 0 {
                tracing::info!(operation, "works again");
            }
            return usual;
        };
        metrics.count_queue_error(operation);
        if self.failures == 0 {
            tracing::warn!(operation, %error, "failed, will be tried again");
        } else {
            tracing::debug!(operation, %error, "failed again");
        }
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Several sidecars do not come back at the same instant.
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// Has records sealed until told to stop.
pub async fn seal<T: AuditTrail>(trail: T, metrics: Arc<Metrics>, stop: CancellationToken) {
    let mut pauses = Pauses::new("seal_audit");
    loop {
        let pause = match trail.seal().await {
            Ok(sealed) => {
                metrics.count_sealed(sealed);
                pauses.after(None, if sealed < SEAL_FULL { SEAL_EVERY } else { Duration::ZERO }, &metrics)
            }
            Err(error) => pauses.after(Some(&error), SEAL_EVERY, &metrics),
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}

/// Signs what is due until told to stop.
pub async fn sign<T: AuditTrail>(
    trail: T,
    signer: Arc<Signer>,
    keepsake: Option<Keepsake>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let mut pauses = Pauses::new("audit_checkpoints");
    loop {
        let pause = match sign_due(&trail, &signer, keepsake.as_ref(), &metrics).await {
            Ok(more) => pauses.after(None, if more { Duration::ZERO } else { LOOK_EVERY }, &metrics),
            Err(error) => pauses.after(Some(&error), LOOK_EVERY, &metrics),
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SigningError {
    #[error(transparent)]
    Database(#[from] QueueError),
    #[error("the checkpoint file cannot be written: {0}")]
    Keepsake(#[from] io::Error),
}

/// Whether more may be due. Kept elsewhere first: a checkpoint that only the database knows would go with it.
async fn sign_due<T: AuditTrail>(
    trail: &T,
    signer: &Signer,
    keepsake: Option<&Keepsake>,
    metrics: &Metrics,
) -> Result<bool, SigningError> {
    let due = trail.due(CHECKPOINTS).await?;
    let full = i32::try_from(due.len()).is_ok_and(|count| count >= CHECKPOINTS);
    let mut noted = 0;
    for checkpoint in due {
        let signed = signer.sign(checkpoint);
        if let Some(keepsake) = keepsake {
            keepsake.add(&signed).await?;
        }
        match trail.note(&signed).await {
            Ok(()) => {
                metrics.count_checkpoint();
                noted += 1;
            }
            // The chain no longer has what it said a moment ago. One such chain does not keep the others from being signed.
            Err(error @ (QueueError::LeaseLost | QueueError::Refused { .. })) => {
                metrics.count_queue_error("note_audit_checkpoint");
                tracing::error!(%error, checkpoint = signed.checkpoint, "the database does not know the checkpoint it gave");
            }
            Err(error) => return Err(error.into()),
        }
    }
    // Without progress, asking again at once would bring the same.
    Ok(full && noted > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032, section 7.1, test 2
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    #[test]
    fn a_published_signature_comes_out() {
        let signed = Signer::from_text(SEED).expect("a key").sign("r".to_owned());
        assert_eq!((signed.public_key.as_str(), signed.signature.as_str()), (PUBLIC, SIGNATURE));
    }

    #[test]
    fn a_seed_is_32_bytes_as_hex_or_base64() {
        let bytes = hex::decode(SEED).expect("hex");
        for text in [SEED.to_uppercase(), BASE64_STANDARD.encode(&bytes), BASE64_STANDARD_NO_PAD.encode(&bytes)] {
            assert_eq!(Signer::from_text(&text).expect("a key").public_key(), PUBLIC, "{text}");
        }
        for text in ["", "secret", &SEED[2..], &BASE64_STANDARD.encode(&bytes[1..])] {
            assert!(Signer::from_text(text).is_none(), "{text}");
        }
    }

    #[test]
    fn only_the_public_half_shows() {
        let shown = format!("{:?}", Signer::from_text(SEED).expect("a key"));
        assert!(shown.contains(PUBLIC) && !shown.contains(SEED), "{shown}");
    }
}
