//! What Facebook and Instagram share: a code opens a token of an hour, which is exchanged for one of sixty days.

use std::future::Future;

use tokio::time::sleep;

use super::error::TokenError;
use crate::resilience::full_jitter;

/// For the second half of an exchange: its code is spent, and giving up sends the member through all of it again.
const TRIES: u32 = 3;

/// Asks again after their trouble or the network's.
pub(super) async fn persist<T, F>(ask: impl Fn() -> F) -> Result<T, TokenError>
where
    F: Future<Output = Result<T, TokenError>>,
{
    let mut answer = ask().await;
    for retry in 0..TRIES - 1 {
        match answer {
            Err(TokenError::Temporary { .. } | TokenError::Malformed { .. }) => sleep(full_jitter(retry)).await,
            answer => return answer,
        }
        answer = ask().await;
    }
    answer
}
