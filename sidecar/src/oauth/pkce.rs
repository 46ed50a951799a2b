//! Proof that whoever brings a code is who asked for it (RFC 7636).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::Provider;

/// 32 random bytes as 43 characters; None when the system has no random numbers to give.
pub fn new_verifier() -> Option<SecretString> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(bytes.as_mut_slice()).ok()?;
    Some(SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

impl Provider {
    /// What is shown of the verifier when a member is sent to the provider; None where PKCE is not used.
    pub fn challenge(self, verifier: &SecretString) -> Option<String> {
        if !self.uses_pkce() {
            return None;
        }
        let digest = digest(&SHA256, verifier.expose_secret().as_bytes());
        Some(match self {
            // Calls it S256 as everybody and wants hexadecimal.
            Provider::Tiktok => hex::encode(digest),
            _ => URL_SAFE_NO_PAD.encode(digest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_those_of_the_rfc_and_hexadecimal_for_tiktok() {
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        for provider in [Provider::Google, Provider::X] {
            let expected = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
            assert_eq!(provider.challenge(&verifier).as_deref(), Some(expected));
        }
        let expected = "13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3";
        assert_eq!(Provider::Tiktok.challenge(&verifier).as_deref(), Some(expected));
        for provider in [Provider::Facebook, Provider::Instagram, Provider::Linkedin] {
            assert_eq!(provider.challenge(&verifier), None);
        }
    }

    #[test]
    fn verifiers_are_long_enough_and_differ() {
        let (one, other) = (new_verifier().expect("random"), new_verifier().expect("random"));
        assert_eq!(one.expose_secret().len(), 43);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
}
