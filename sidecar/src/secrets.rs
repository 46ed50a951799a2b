//! Tokens at rest: Fernet under several keys, and bound to the place they are stored in.
//!
//! Fernet has no associated data: whoever can write rows could move a ciphertext to another row, column or workspace and
//! have it opened there. So the plaintext begins with the place, and opening compares it.

use std::fmt;

use fernet::Fernet;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

/// First byte of every plaintext.
const FORM: u8 = 1;

/// Where a ciphertext belongs: it opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    pub workspace: Uuid,
    /// The row: of an account, or of a state.
    pub connection: Uuid,
    pub column: &'a str,
}

impl Binding<'_> {
    /// Form, workspace, row, length of the column's name, its name.
    fn prefix(&self) -> Vec<u8> {
        let column = self.column.as_bytes();
        // Names of columns have 63 bytes at most; a longer one would be cut alike when sealed and opened.
        let length = u8::try_from(column.len()).unwrap_or(u8::MAX);
        let mut prefix = vec![FORM];
        prefix.extend_from_slice(self.workspace.as_bytes());
        prefix.extend_from_slice(self.connection.as_bytes());
        prefix.push(length);
        prefix.extend_from_slice(&column[..usize::from(length)]);
        prefix
    }
}

/// Why a ciphertext did not open. Says nothing about its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("none of the keys opens it, or it was changed")]
    Unreadable,
    #[error("it was sealed for another place")]
    ElsewhereBound,
}

/// Why there is no keyring. Never quotes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    #[error("is not set; give one or more Fernet keys separated by commas, such as of openssl rand -base64 32")]
    Missing,
    #[error("key {0} is not 32 bytes as base64")]
    NotAKey(usize),
    #[error("key {0} is there twice")]
    Repeated(usize),
}

/// Fernet keys: the first one seals, all of them open.
pub struct Keyring {
    keys: Vec<Fernet>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl Keyring {
    /// Keys separated by commas. Standard base64 is taken as well: it is what `openssl rand -base64 32` prints.
    pub fn from_text(text: &str) -> Result<Self, KeyringError> {
        let mut keys = Vec::new();
        let mut seen: Vec<Zeroizing<String>> = Vec::new();
        for key in text.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            let number = keys.len() + 1;
            let key = Zeroizing::new(key.replace('+', "-").replace('/', "_"));
            keys.push(Fernet::new(&key).ok_or(KeyringError::NotAKey(number))?);
            if seen.contains(&key) {
                return Err(KeyringError::Repeated(number));
            }
            seen.push(key);
        }
        if keys.is_empty() { Err(KeyringError::Missing) } else { Ok(Keyring { keys }) }
    }

    /// The ciphertext to store at this place.
    pub fn seal(&self, binding: &Binding, secret: &SecretString) -> String {
        let secret = secret.expose_secret().as_bytes();
        let prefix = binding.prefix();
        // With its whole size at once: a vector that grows leaves copies behind.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.len()));
        plaintext.extend_from_slice(&prefix);
        plaintext.extend_from_slice(secret);
        self.keys[0].encrypt(&plaintext)
    }

    /// What was sealed for this place.
    pub fn open(&self, binding: &Binding, token: &str) -> Result<SecretString, SealError> {
        let plaintext = self.keys.iter().find_map(|key| key.decrypt(token).ok()).map(Zeroizing::new);
        let plaintext = plaintext.ok_or(SealError::Unreadable)?;
        let secret = plaintext.strip_prefix(binding.prefix().as_slice()).ok_or(SealError::ElsewhereBound)?;
        let secret = str::from_utf8(secret).map_err(|_| SealError::Unreadable)?;
        Ok(SecretString::from(secret))
    }

    /// Whether the first key sealed it: if not, it is due for rotation.
    pub fn is_current(&self, token: &str) -> bool {
        self.keys[0].decrypt(token).map(Zeroizing::new).is_ok()
    }

    /// The same secret under the first key; None when it is so already.
    pub fn rotate(&self, binding: &Binding, token: &str) -> Result<Option<String>, SealError> {
        let secret = self.open(binding, token)?;
        Ok((!self.is_current(token)).then(|| self.seal(binding, &secret)))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE;
    use proptest::prelude::*;

    use super::*;

    /// Of the Fernet specification, as everything in `vectors`.
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const OTHER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const CANARY: &str = "canary-5f0c1d2e-token";

    const PLACE: Binding =
        Binding { workspace: Uuid::from_u128(1), connection: Uuid::from_u128(2), column: "access_token" };

    fn keyring(text: &str) -> Keyring {
        Keyring::from_text(text).expect("keys")
    }

    /// 1985-10-26T01:20:00-07:00
    const SEALED_AT: u64 = 499_162_800;

    #[test]
    fn the_published_tokens_open() {
        let token =
            "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        let key = Fernet::new(KEY).expect("a key");
        assert_eq!(key.decrypt_at_time(token, Some(60), SEALED_AT + 1), Ok(b"hello".to_vec()));
        assert_eq!(key.decrypt(token), Ok(b"hello".to_vec()), "stored tokens have no age limit");
    }

    /// The IV of the published one cannot be set from outside, so the parts are compared that do not depend on it.
    #[test]
    fn tokens_are_made_as_published() {
        let key = Fernet::new(KEY).expect("a key");
        let raw = URL_SAFE.decode(key.encrypt_at_time(b"hello", SEALED_AT)).expect("base64");
        assert_eq!(raw.len(), 73);
        assert_eq!(raw[..9], [0x80, 0, 0, 0, 0, 0x1d, 0xc0, 0x9e, 0xb0]);
        let again = URL_SAFE.decode(key.encrypt_at_time(b"hello", SEALED_AT)).expect("base64");
        assert_ne!(raw[9..25], again[9..25], "a fresh IV");
    }

    #[test]
    fn the_published_bad_tokens_do_not_open() {
        let vectors = [
            (
                "incorrect mac",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
                1,
            ),
            ("too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==", 1),
            (
                "invalid base64",
                "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
                1,
            ),
            (
                "size of payload",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
                1,
            ),
            (
                "padding",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
                1,
            ),
            (
                "far future",
                "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==",
                1,
            ),
            (
                "expired",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
                91,
            ),
            (
                "incorrect IV",
                "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
                1,
            ),
        ];
        let key = Fernet::new(KEY).expect("a key");
        for (what, token, seconds) in vectors {
            assert!(key.decrypt_at_time(token, Some(60), SEALED_AT + seconds).is_err(), "{what}");
        }
    }

    #[test]
    fn a_ciphertext_opens_in_its_place_only() {
        let keyring = keyring(KEY);
        let token = keyring.seal(&PLACE, &CANARY.into());
        assert_eq!(keyring.open(&PLACE, &token).expect("opens").expose_secret(), CANARY);
        for elsewhere in [
            Binding { workspace: Uuid::from_u128(9), ..PLACE },
            Binding { connection: Uuid::from_u128(9), ..PLACE },
            Binding { workspace: PLACE.connection, connection: PLACE.workspace, ..PLACE },
            Binding { column: "refresh_token", ..PLACE },
            Binding { column: "access_toke", ..PLACE },
            Binding { column: "", ..PLACE },
        ] {
            assert_eq!(keyring.open(&elsewhere, &token).err(), Some(SealError::ElsewhereBound), "{elsewhere:?}");
        }
    }

    #[test]
    fn a_token_without_a_place_does_not_open() {
        let bare = Fernet::new(KEY).expect("a key").encrypt(CANARY.as_bytes());
        assert_eq!(keyring(KEY).open(&PLACE, &bare).err(), Some(SealError::ElsewhereBound));
    }

    #[test]
    fn every_key_opens_and_the_first_one_seals() {
        let (old, both, new) = (keyring(OTHER), keyring(&format!("{KEY}, {OTHER}")), keyring(KEY));
        let sealed_before = old.seal(&PLACE, &CANARY.into());
        assert!(!both.is_current(&sealed_before) && both.open(&PLACE, &sealed_before).is_ok());
        assert_eq!(new.open(&PLACE, &sealed_before).err(), Some(SealError::Unreadable));

        let rotated = both.rotate(&PLACE, &sealed_before).expect("opens").expect("was due");
        assert!(both.is_current(&rotated));
        assert_eq!(new.open(&PLACE, &rotated).expect("opens").expose_secret(), CANARY);
        assert_eq!(both.rotate(&PLACE, &rotated), Ok(None));
        let moved = Binding { column: "refresh_token", ..PLACE };
        assert_eq!(both.rotate(&moved, &sealed_before), Err(SealError::ElsewhereBound), "rotation does not launder");
    }

    #[test]
    fn keys_are_checked_and_never_shown() {
        assert_eq!(Keyring::from_text(" , ").err(), Some(KeyringError::Missing));
        assert_eq!(Keyring::from_text(&format!("{KEY},short")).err(), Some(KeyringError::NotAKey(2)));
        assert_eq!(Keyring::from_text(&format!("{KEY},{OTHER},{KEY}")).err(), Some(KeyringError::Repeated(3)));
        let standard = KEY.replace('-', "+").replace('_', "/");
        let token = keyring(&standard).seal(&PLACE, &CANARY.into());
        assert!(keyring(KEY).open(&PLACE, &token).is_ok(), "both alphabets of base64 name the same key");
        let shown = format!("{:?}", keyring(KEY));
        assert_eq!(shown, "Keyring(1 keys)");
        assert!(!token.contains(CANARY));
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_opens_again(secret in any::<String>()) {
            let keyring = keyring(KEY);
            let token = keyring.seal(&PLACE, &secret.as_str().into());
            let opened = keyring.open(&PLACE, &token).expect("opens");
            prop_assert_eq!(opened.expose_secret(), secret.as_str());
        }

        #[test]
        fn a_changed_ciphertext_does_not_open(position in 0..200_usize, bit in 0..8_u8) {
            let keyring = keyring(KEY);
            let mut raw = URL_SAFE.decode(keyring.seal(&PLACE, &CANARY.into())).expect("base64");
            let position = position % raw.len();
            raw[position] ^= 1 << bit;
            prop_assert_eq!(keyring.open(&PLACE, &URL_SAFE.encode(raw)).err(), Some(SealError::Unreadable));
        }
    }
}
