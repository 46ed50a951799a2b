//! How each platform signs what it sends, and how it asks whether we have the secret.
//!
//! All are HMACs of the body as it came. Outside every refusal looks the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::oauth::Platform;

/// How far the time that TikTok signs may be from ours. The others sign none.
pub const TOLERANCE: Duration = Duration::from_secs(300);

const LONGEST_CHALLENGE: usize = 512;

/// Why a delivery is refused. For our log and counters; the sender is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Missing,
    /// There twice, to be read differently by two.
    Repeated,
    Malformed,
    NoMatch,
    TooOld,
    TooNew,
}

impl Refusal {
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Missing => "unsigned",
            Refusal::Repeated | Refusal::Malformed => "malformed_signature",
            Refusal::NoMatch => "bad_signature",
            Refusal::TooOld => "too_old",
            Refusal::TooNew => "too_new",
        }
    }
}

/// A signature as a delivery's header claims it, before its body is there.
pub struct Claim {
    algorithm: hmac::Algorithm,
    signature: Vec<u8>,
    /// What is signed before the body.
    before: Vec<u8>,
    /// Signed by TikTok only.
    time: Option<u64>,
}

/// Refuses what no body could make right.
pub fn claim(platform: Platform, headers: &HeaderMap) -> Result<Claim, Refusal> {
    let sha256 =
        |signature: Vec<u8>, before: Vec<u8>, time| Ok(Claim { algorithm: hmac::HMAC_SHA256, signature, before, time });
    match platform {
        Platform::Instagram | Platform::Facebook => {
            let signature = single(headers, "x-hub-signature-256")?.strip_prefix("sha256=");
            sha256(signature.and_then(hexadecimal).ok_or(Refusal::Malformed)?, Vec::new(), None)
        }
        Platform::X => {
            let signature = single(headers, "x-twitter-webhooks-signature")?.strip_prefix("sha256=");
            let signature = signature.and_then(|text| STANDARD.decode(text).ok()).filter(|bytes| bytes.len() == 32);
            sha256(signature.ok_or(Refusal::Malformed)?, Vec::new(), None)
        }
        Platform::Linkedin => {
            let signature = hexadecimal(single(headers, "x-li-signature")?).ok_or(Refusal::Malformed)?;
            sha256(signature, b"hmacsha256=".to_vec(), None)
        }
        Platform::Youtube => {
            // The hub signs with SHA-1, and the protocol's successor with SHA-256 too.
            let header = single(headers, "x-hub-signature")?;
            let (algorithm, length, text) = match header.split_once('=') {
                Some(("sha1", text)) => (hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, 20, text),
                Some(("sha256", text)) => (hmac::HMAC_SHA256, 32, text),
                _ => return Err(Refusal::Malformed),
            };
            let signature = hex_of(text, length).ok_or(Refusal::Malformed)?;
            Ok(Claim { algorithm, signature, before: Vec::new(), time: None })
        }
        Platform::Tiktok => {
            let (time, signature) = timed(single(headers, "tiktok-signature")?).ok_or(Refusal::Malformed)?;
            sha256(signature, format!("{time}.").into_bytes(), Some(time))
        }
    }
}

impl Claim {
    /// Whether one of the secrets signed this body.
    pub fn check(&self, body: &[u8], secrets: &[SecretString], now: SystemTime) -> Result<(), Refusal> {
        signed(self.algorithm, &[&self.before, body], &self.signature, secrets)?;
        // The time counts only once it is known who wrote it.
        let Some(time) = self.time else { return Ok(()) };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if time.saturating_add(TOLERANCE.as_secs()) < now {
            Err(Refusal::TooOld)
        } else if time > now.saturating_add(TOLERANCE.as_secs()) {
            Err(Refusal::TooNew)
        } else {
            Ok(())
        }
    }
}

/// The JSON that Meta signs for a person who removes the app or asks for deletion: `base64url(signature).base64url(JSON)`.
pub fn signed_request(text: &str, secrets: &[SecretString]) -> Result<Vec<u8>, Refusal> {
    let (signature, payload) = text.split_once('.').ok_or(Refusal::Malformed)?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text));
    let signature = decode(signature).ok().filter(|bytes| bytes.len() == 32).ok_or(Refusal::Malformed)?;
    signed(hmac::HMAC_SHA256, &[payload.as_bytes()], &signature, secrets)?;
    decode(payload).map_err(|_| Refusal::Malformed)
}

/// X's answer to a challenge. It signs challenges as it signs deliveries, so whatever could be a delivery is not answered:
/// anybody may ask, and would have its signature.
pub fn x_challenge(token: &str, secret: &SecretString) -> Option<String> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=.".contains(&byte);
    is_challenge(token, harmless).then(|| format!("sha256={}", STANDARD.encode(sign(token.as_bytes(), secret))))
}

/// LinkedIn's: the code is a UUID, and nothing else is signed, for the same reason.
pub fn linkedin_challenge(code: &str, secret: &SecretString) -> Option<String> {
    let is_uuid = code.len() == 36 && uuid::Uuid::parse_str(code).is_ok();
    is_uuid.then(|| hex::encode(sign(code.as_bytes(), secret)))
}

/// What a hub's challenge may be to be sent back: nothing that a browser would take for a page.
pub fn is_echoable(challenge: &str) -> bool {
    is_challenge(challenge, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether a token is the one that was set; how long it takes tells nothing of it.
pub fn is_token(given: &str, expected: &SecretString) -> bool {
    digest(&SHA256, given.as_bytes()).as_ref() == digest(&SHA256, expected.expose_secret().as_bytes()).as_ref()
}

fn is_challenge(text: &str, harmless: impl Fn(u8) -> bool) -> bool {
    (1..=LONGEST_CHALLENGE).contains(&text.len()) && text.bytes().all(harmless)
}

fn sign(message: &[u8], secret: &SecretString) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()), message)
}

fn signed(
    algorithm: hmac::Algorithm,
    message: &[&[u8]],
    signature: &[u8],
    secrets: &[SecretString],
) -> Result<(), Refusal> {
    let message = message.concat();
    let is_signed = secrets.iter().any(|secret| {
        let key = hmac::Key::new(algorithm, secret.expose_secret().as_bytes());
        // Compares in constant time.
        hmac::verify(&key, &message, signature).is_ok()
    });
    if is_signed { Ok(()) } else { Err(Refusal::NoMatch) }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() {
        return Err(Refusal::Repeated);
    }
    value.to_str().map_err(|_| Refusal::Malformed)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    hex_of(text, 32)
}

/// In lower case, as all of them write it: one signature has one form.
fn hex_of(text: &str, length: usize) -> Option<Vec<u8>> {
    let is_lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hex::decode(text).ok().filter(|bytes| is_lower && bytes.len() == length)
}

/// TikTok's `t=<seconds>,s=<hex>`.
fn timed(header: &str) -> Option<(u64, Vec<u8>)> {
    let (time, signature) = header.split_once(',')?;
    let time = time.trim().strip_prefix("t=")?;
    let is_plain = time.bytes().all(|byte| byte.is_ascii_digit()) && !time.starts_with('0');
    let time = time.parse().ok().filter(|_| is_plain)?;
    Some((time, hexadecimal(signature.trim().strip_prefix("s=")?)?))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const TIKTOK_TIME: u64 = 1_633_174_587;

    fn check(platform: Platform, name: &'static str, value: &str, body: &str, secret: &str) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"));
        let now = UNIX_EPOCH + Duration::from_secs(TIKTOK_TIME);
        claim(platform, &headers)?.check(body.as_bytes(), &["an older secret".into(), secret.into()], now)
    }

    const META: &str = "9ecc9e42f3b8e7aa3d3b5aa102e10f5ff5693283258240f126b00d7bf2874f8d";
    const META_BODY: &str = r#"{"object":"instagram","entry":[]}"#;
    const TIKTOK: &str = "5e20138b723dcc932743707017537e136b8d9eee77eb6f73da33a53ff15f0991";
    const TIKTOK_BODY: &str = r#"{"event":"authorization.removed"}"#;

    fn meta(value: &str) -> Result<(), Refusal> {
        check(Platform::Instagram, "x-hub-signature-256", value, META_BODY, "app_secret_example")
    }

    fn tiktok(value: &str) -> Result<(), Refusal> {
        check(Platform::Tiktok, "tiktok-signature", value, TIKTOK_BODY, "client_secret_example")
    }

    #[test]
    fn known_signatures_are_accepted() {
        assert_eq!(meta(&format!("sha256={META}")), Ok(()));
        assert_eq!(tiktok(&format!("t={TIKTOK_TIME},s={TIKTOK}")), Ok(()));
        // Computed with another implementation.
        let x = "sha256=xutMPJYvYcHfI7LPvpsKW21dyHcr/qDOsolD/u+kl6A=";
        assert_eq!(
            check(Platform::X, "x-twitter-webhooks-signature", x, "challenge_example", "consumer_secret_example"),
            Ok(())
        );
        let linkedin = "6f66943398d3e581b0692144b8836f0538855919e1feb13b49d74a21d64eafa8";
        let check_linkedin =
            |value: &str| check(Platform::Linkedin, "x-li-signature", value, "{}", "client_secret_example");
        assert_eq!(check_linkedin(linkedin), Ok(()));
        assert_eq!(check_linkedin(&format!("hmacsha256={linkedin}")), Err(Refusal::Malformed));
        let hub = "sha1=4df0b4297491b6f7fbf5af493f979fba06083778";
        assert_eq!(check(Platform::Youtube, "x-hub-signature", hub, "<feed/>", "hub_secret_example"), Ok(()));
    }

    #[test]
    fn one_signature_has_one_form() {
        for value in [
            String::new(),
            META.to_owned(),
            format!("sha1={META}"),
            format!("sha256={}", META.to_uppercase()),
            format!("sha256={}", &META[..62]),
            format!("sha256={META}00"),
            format!("sha256= {META}"),
            format!("sha256={META},sha256={META}"),
        ] {
            assert_eq!(meta(&value), Err(Refusal::Malformed), "{value}");
        }
        assert_eq!(meta(&format!("sha256={}", "0".repeat(64))), Err(Refusal::NoMatch));
        for value in [
            format!("s={TIKTOK},t={TIKTOK_TIME}"),
            format!("t={TIKTOK_TIME}"),
            format!("t=0{TIKTOK_TIME},s={TIKTOK}"),
            format!("t=+{TIKTOK_TIME},s={TIKTOK}"),
            format!("t=99999999999999999999,s={TIKTOK}"),
            format!("t={TIKTOK_TIME},s={TIKTOK},s={TIKTOK}"),
        ] {
            assert_eq!(tiktok(&value), Err(Refusal::Malformed), "{value}");
        }
        let base64 = |value: &str| check(Platform::X, "x-twitter-webhooks-signature", value, "{}", "secret");
        for value in ["sha256=", "sha256=AAAA", "sha256=xutMPJYvYcHfI7LPvpsKW21dyHcr_qDOsolD_u-kl6A="] {
            assert_eq!(base64(value), Err(Refusal::Malformed), "{value}");
        }
    }

    #[test]
    fn a_header_that_is_there_twice_is_refused() {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("x-hub-signature-256");
        let value = HeaderValue::from_str(&format!("sha256={META}")).expect("a header");
        headers.append(name.clone(), value.clone());
        let secrets = ["app_secret_example".into()];
        let judge = |headers: &HeaderMap| {
            claim(Platform::Instagram, headers)?.check(META_BODY.as_bytes(), &secrets, SystemTime::now())
        };
        assert_eq!(judge(&headers), Ok(()));
        headers.append(name, value);
        assert_eq!(judge(&headers), Err(Refusal::Repeated));
        assert_eq!(judge(&HeaderMap::new()), Err(Refusal::Missing));
    }

    #[test]
    fn tiktok_s_time_is_five_minutes_near_and_signed() {
        let mut headers = HeaderMap::new();
        let value = format!("t={TIKTOK_TIME},s={TIKTOK}");
        headers.insert("tiktok-signature", HeaderValue::from_str(&value).expect("a header"));
        let at = |seconds: u64| {
            let now = UNIX_EPOCH + Duration::from_secs(seconds);
            claim(Platform::Tiktok, &headers)?.check(TIKTOK_BODY.as_bytes(), &["client_secret_example".into()], now)
        };
        assert_eq!(at(TIKTOK_TIME + 300), Ok(()));
        assert_eq!(at(TIKTOK_TIME + 301), Err(Refusal::TooOld));
        assert_eq!(at(TIKTOK_TIME - 300), Ok(()));
        assert_eq!(at(TIKTOK_TIME - 301), Err(Refusal::TooNew));
        assert_eq!(tiktok(&format!("t={},s={TIKTOK}", TIKTOK_TIME + 1)), Err(Refusal::NoMatch));
    }

    #[test]
    fn challenges_are_answered_and_no_deliveries_signed() {
        let secret = "consumer_secret_example".into();
        let answer = "sha256=xutMPJYvYcHfI7LPvpsKW21dyHcr/qDOsolD/u+kl6A=";
        assert_eq!(x_challenge("challenge_example", &secret).as_deref(), Some(answer));
        for token in ["", "{}", r#"{"user_event":{}}"#, " {", "[]", "a b", "ä", &"a".repeat(513)] {
            assert_eq!(x_challenge(token, &secret), None, "{token}");
        }
        assert_eq!(
            linkedin_challenge("890e4665-4dfe-4ab1-b689-ed553bceeed0", &"client_secret_example".into()).as_deref(),
            Some("38b9b0a0f75e4b443c844cb189c33adbdef5901b895def490aaefe78e9ec2f6b")
        );
        for code in ["", "hmacsha256={}", "890e46654dfe4ab1b689ed553bceeed0", "890e4665-4dfe-4ab1-b689-ed553bceeed"] {
            assert_eq!(linkedin_challenge(code, &secret), None, "{code}");
        }
        assert!(is_echoable("1158201444") && !is_echoable("<script>") && !is_echoable(""));
        assert!(is_token("consumer_secret_example", &secret) && !is_token("consumer_secret", &secret));
    }

    #[test]
    fn a_signed_request_is_read_only_when_it_is_signed() {
        let secrets = ["app_secret_example".into()];
        let payload = URL_SAFE_NO_PAD.encode(r#"{"user_id":"1"}"#);
        let signature = URL_SAFE_NO_PAD.encode(sign(payload.as_bytes(), &secrets[0]));
        assert_eq!(signed_request(&format!("{signature}.{payload}"), &secrets), Ok(br#"{"user_id":"1"}"#.to_vec()));
        assert_eq!(signed_request(&format!("{signature}.{payload}"), &["other".into()]), Err(Refusal::NoMatch));
        for text in ["", ".", &payload, &format!("{payload}.{signature}"), &format!("{signature}=.{payload}.")] {
            assert!(signed_request(text, &secrets).is_err(), "{text}");
        }
    }
}
