//! Stripe's signature of a webhook delivery: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]…`, where v1 is the
//! HMAC-SHA256 of "<seconds>.<body>" with the whole secret, `whsec_` included, as the key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// How far the time that was signed may be from ours. Stripe's own libraries allow as much for the past; a retry is signed
/// anew. Into the future only clocks that differ account for it.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Stripe sends one signature a secret, two while a secret is rolled, and one of an older scheme.
const MAX_SIGNATURES: usize = 8;

/// Why a delivery is refused. For our log; the sender is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Malformed,
    NoMatch,
    TooOld,
    TooNew,
}

/// Whether one of the secrets signed this body, lately.
pub fn verify(header: &str, body: &[u8], secrets: &[SecretString], now: SystemTime) -> Result<(), Refusal> {
    let (signed_at, signatures) = parse(header).ok_or(Refusal::Malformed)?;
    let is_signed = secrets.iter().any(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let message = [signed_at.to_string().as_bytes(), b".", body].concat();
        // Compares in constant time.
        signatures.iter().any(|signature| hmac::verify(&key, &message, signature).is_ok())
    });
    // The time counts only once it is known who wrote it.
    if !is_signed {
        return Err(Refusal::NoMatch);
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if signed_at.saturating_add(TOLERANCE.as_secs()) < now {
        Err(Refusal::TooOld)
    } else if signed_at > now.saturating_add(TOLERANCE.as_secs()) {
        Err(Refusal::TooNew)
    } else {
        Ok(())
    }
}

/// The one time and the v1 signatures of a header. Other schemes are passed over.
fn parse(header: &str) -> Option<(u64, Vec<[u8; 32]>)> {
    let mut signed_at = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", seconds) => {
                let is_plain = seconds.bytes().all(|b| b.is_ascii_digit()) && !seconds.starts_with('0');
                let seconds = seconds.parse().ok().filter(|_| is_plain && signed_at.is_none())?;
                signed_at = Some(seconds);
            }
            ("v1", signature) => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(signature, &mut bytes).ok()?;
                signatures.push(bytes);
            }
            _ => {}
        }
    }
    signed_at.filter(|_| (1..=MAX_SIGNATURES).contains(&signatures.len())).map(|seconds| (seconds, signatures))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_test"}"#;
    const SIGNED_AT: u64 = 1_700_000_000;
    const SIGNATURE: &str = "13941114bb88ac44a76abcfddea5b92aa6182a4b63d8be3aae908a616083bd7e";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn check(header: &str, body: &[u8], secrets: &[&str], now: u64) -> Result<(), Refusal> {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| (*secret).into()).collect();
        verify(header, body, &secrets, at(now))
    }

    fn header() -> String {
        format!("t={SIGNED_AT},v1={SIGNATURE}")
    }

    #[test]
    fn a_known_signature_is_accepted() {
        assert_eq!(check(&header(), BODY, &["whsec_test_secret"], SIGNED_AT), Ok(()));
    }

    #[test]
    fn any_secret_and_any_v1_may_match_while_a_secret_is_rolled() {
        let other = "0".repeat(64);
        let both = format!("t={SIGNED_AT},v1={other},v1={SIGNATURE},v0={other}");
        assert_eq!(check(&both, BODY, &["whsec_new_secret", "whsec_test_secret"], SIGNED_AT), Ok(()));
        assert_eq!(check(&both, BODY, &["whsec_new_secret"], SIGNED_AT), Err(Refusal::NoMatch));
        let older_scheme = format!("t={SIGNED_AT},v1={other},v0={SIGNATURE}");
        assert_eq!(check(&older_scheme, BODY, &["whsec_test_secret"], SIGNED_AT), Err(Refusal::NoMatch));
    }

    #[test]
    fn a_changed_body_time_or_signature_does_not_match() {
        let secret = ["whsec_test_secret"];
        assert_eq!(check(&header(), br#"{"id":"evt_test"} "#, &secret, SIGNED_AT), Err(Refusal::NoMatch));
        let later = format!("t={},v1={SIGNATURE}", SIGNED_AT + 1);
        assert_eq!(check(&later, BODY, &secret, SIGNED_AT), Err(Refusal::NoMatch));
        let changed = format!("t={SIGNED_AT},v1={}f", &SIGNATURE[..63]);
        assert_eq!(check(&changed, BODY, &secret, SIGNED_AT), Err(Refusal::NoMatch));
        assert_eq!(check(&header(), BODY, &["test_secret"], SIGNED_AT), Err(Refusal::NoMatch));
        assert_eq!(check(&header(), BODY, &[], SIGNED_AT), Err(Refusal::NoMatch));
    }

    #[test]
    fn five_minutes_are_tolerated_to_the_second() {
        let secret = ["whsec_test_secret"];
        assert_eq!(check(&header(), BODY, &secret, SIGNED_AT + 300), Ok(()));
        assert_eq!(check(&header(), BODY, &secret, SIGNED_AT + 301), Err(Refusal::TooOld));
        assert_eq!(check(&header(), BODY, &secret, SIGNED_AT - 300), Ok(()));
        assert_eq!(check(&header(), BODY, &secret, SIGNED_AT - 301), Err(Refusal::TooNew));
    }

    #[test]
    fn headers_of_another_form_are_malformed() {
        let many = format!("t={SIGNED_AT}{}", format!(",v1={SIGNATURE}").repeat(9));
        for header in [
            "",
            "t=1700000000",
            &format!("v1={SIGNATURE}"),
            &format!("t=,v1={SIGNATURE}"),
            &format!("t=+{SIGNED_AT},v1={SIGNATURE}"),
            &format!("t=0{SIGNED_AT},v1={SIGNATURE}"),
            &format!("t={SIGNED_AT},t={SIGNED_AT},v1={SIGNATURE}"),
            &format!("t=99999999999999999999,v1={SIGNATURE}"),
            &format!("t={SIGNED_AT},v1={SIGNATURE}00"),
            &format!("t={SIGNED_AT},v1=xyz"),
            &format!("t={SIGNED_AT};v1={SIGNATURE}"),
            &many,
        ] {
            assert_eq!(check(header, BODY, &["whsec_test_secret"], SIGNED_AT), Err(Refusal::Malformed), "{header}");
        }
    }
}
