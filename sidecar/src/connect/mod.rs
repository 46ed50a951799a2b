//! Connecting accounts: the pages that a member's browser meets (`page`), keeping tokens alive and giving consents back
//! (`refresh`), sealing them with another key (`rotate`). What all that means is decided by the database (`store`), which
//! gets tokens sealed only.

pub mod address;
pub mod page;
pub mod refresh;
pub mod rotate;
pub mod store;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::oauth::{Client, Platform, Provider};
use crate::resilience::Gate;

/// Characters of 32 bytes as base64url without padding: of states, tickets and the secrets of browsers.
pub const SECRET_LENGTH: usize = 43;

/// A provider that this process has an app with.
#[derive(Clone)]
pub struct Remote {
    pub client: Arc<Client>,
    pub gate: Arc<Gate>,
}

impl Remote {
    pub fn provider(&self) -> Provider {
        self.client.provider()
    }
}

/// The platform whose callback a provider answers to.
pub fn callback_platform(provider: Provider) -> Platform {
    Platform::ALL
        .into_iter()
        .find(|platform| Provider::from_platform(*platform) == provider)
        .unwrap_or_else(|| unreachable!("each provider is the first one asked for some platform"))
}

/// 256 random bits; None when the system has none to give.
fn new_secret() -> Option<String> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether it has the form of a secret of ours: then it is worth asking the database.
fn is_secret(text: &str) -> bool {
    text.len() == SECRET_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// All that the database learns of a secret.
fn fingerprint(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_of_the_form_that_is_asked_for() {
        let (one, other) = (new_secret().expect("random"), new_secret().expect("random"));
        assert!(is_secret(&one) && one != other);
        for text in ["", "a", &one[1..], &format!("{one}a"), &format!("{}=", &one[1..]), &format!("{}ä", &one[2..])] {
            assert!(!is_secret(text), "{text}");
        }
    }

    #[test]
    fn every_provider_has_its_callback() {
        let names: Vec<_> = Provider::ALL.into_iter().map(|provider| callback_platform(provider).name()).collect();
        assert_eq!(names, ["youtube", "facebook", "instagram", "tiktok", "linkedin", "x"]);
    }
}
