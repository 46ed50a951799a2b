//! `rotate-tokens`: every stored token sealed with the first key. Safe at any time, beside refreshes and other rotations, and
//! to be called again after a kill: what is current already is passed over. Nothing is ever unreadable meanwhile, as every
//! key of TOKEN_KEYS opens.

use std::process::ExitCode;

use clap::Args;
use tokio::time::Instant;
use uuid::Uuid;

use super::store::{Resealed, Sealed, Store};
use crate::queue::QueueError;
use crate::secrets::{Binding, Keyring, SealError};

const BATCH: usize = 1000;
const PLACES: [&str; 2] = ["tokens", "revocations"];

/// Seals stored tokens anew with the first key of TOKEN_KEYS.
///
/// Put the new key before the old ones, restart every sidecar, call this; once it says that all is current, the old keys
/// can go an hour later (what waits for a member's choice is not rotated, and waits an hour at most).
#[derive(Clone, Debug, Args)]
pub struct Rotation {
    /// Rows read at a time, 1 to 10000.
    #[arg(long, default_value_t = BATCH)]
    pub batch: usize,
}

/// What a rotation found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    pub rows: u64,
    pub resealed: u64,
    /// Changed while they were sealed anew: by a refresh, which seals with the first key, or by another rotation.
    pub overtaken: u64,
    /// No key opens them, or they were moved from where they belong.
    pub unreadable: u64,
}

/// Goes through all of it once.
pub async fn rotate(store: &Store, keyring: &Keyring, batch: usize) -> Result<Rotated, QueueError> {
    let mut total = Rotated::default();
    for place in PLACES {
        let mut after = (Uuid::nil(), Uuid::nil());
        loop {
            let rows = store.sealed_after(place, after.0, after.1, batch).await?;
            let Some(last) = rows.last() else { break };
            after = (last.workspace_id, last.id);
            let mut resealed = Resealed::default();
            for row in &rows {
                total.rows += 1;
                match reseal(keyring, row) {
                    Ok(Some(new)) => add(&mut resealed, row, new),
                    Ok(None) => {}
                    Err(error) => {
                        total.unreadable += 1;
                        tracing::error!(%error, account = %row.account_id, "a token cannot be sealed anew");
                    }
                }
            }
            let wanted = resealed.ids.len() as u64;
            if wanted > 0 {
                let stored = u64::try_from(store.store_rotated(place, &resealed).await?).unwrap_or_default();
                total.resealed += stored;
                total.overtaken += wanted - stored.min(wanted);
            }
            if rows.len() < batch {
                break;
            }
        }
    }
    Ok(total)
}

/// Ciphertexts under the first key, where they are not so already.
struct New {
    access: String,
    refresh: Option<String>,
    oauth1: Option<String>,
    oauth1_secret: Option<String>,
}

fn reseal(keyring: &Keyring, row: &Sealed) -> Result<Option<New>, SealError> {
    let mut due = false;
    let mut anew = |column, token: &str| {
        let binding = Binding { workspace: row.workspace_id, connection: row.account_id, column };
        let rotated = keyring.rotate(&binding, token)?;
        due |= rotated.is_some();
        Ok(rotated.unwrap_or_else(|| token.to_owned()))
    };
    let access = anew("access_token", &row.access_token)?;
    let refresh = row.refresh_token.as_deref().map(|token| anew("refresh_token", token)).transpose()?;
    let oauth1 = row.oauth1_access_token.as_deref().map(|token| anew("oauth1_access_token", token)).transpose()?;
    let oauth1_secret =
        row.oauth1_access_token_secret.as_deref().map(|token| anew("oauth1_access_token_secret", token)).transpose()?;
    Ok(due.then_some(New { access, refresh, oauth1, oauth1_secret }))
}

fn add(resealed: &mut Resealed, row: &Sealed, new: New) {
    resealed.workspace_ids.push(row.workspace_id);
    resealed.ids.push(row.id);
    resealed.old_access.push(row.access_token.clone());
    resealed.new_access.push(new.access);
    resealed.old_refresh.push(row.refresh_token.clone());
    resealed.new_refresh.push(new.refresh);
    resealed.new_oauth1.push(new.oauth1);
    resealed.new_oauth1_secret.push(new.oauth1_secret);
}

/// The command. Ends with 1 when something could not be sealed anew.
pub async fn run(rotation: &Rotation, store: &Store, keyring: &Keyring) -> ExitCode {
    let started = Instant::now();
    match rotate(store, keyring, rotation.batch.clamp(1, 10_000)).await {
        Ok(Rotated { rows, resealed, overtaken, unreadable }) => {
            let rate = rows as f64 / started.elapsed().as_secs_f64().max(0.001);
            println!(
                "{rows} rows, {resealed} sealed anew, {overtaken} changed meanwhile, {unreadable} unreadable, {rate:.0} rows/s"
            );
            if unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("analytics-sidecar: {error}; what was sealed anew stays so, call again to go on");
            ExitCode::FAILURE
        }
    }
}
