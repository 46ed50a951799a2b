//! OAuth 1.0a (RFC 5849) with HMAC-SHA1, for X's older endpoints and tools that still use it.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use zeroize::Zeroizing;

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Who signs: our app, and for whom.
#[derive(Clone, Debug)]
pub struct Signer {
    pub consumer_key: String,
    pub consumer_secret: SecretString,
    /// None for a request token: there is nobody yet.
    pub token: Option<(String, SecretString)>,
}

impl Signer {
    /// The `Authorization` header of a request. `form`: the fields of a form body; bodies of other kinds are not signed.
    /// The query of `url` is. `nonce` must not come again within the same second.
    pub fn authorization(&self, method: &str, url: &Url, form: &[(&str, &str)], nonce: &str, timestamp: i64) -> String {
        let timestamp = timestamp.to_string();
        let mut fields = vec![
            ("oauth_consumer_key", self.consumer_key.as_str()),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", &timestamp),
            ("oauth_version", "1.0"),
        ];
        if let Some((token, _)) = &self.token {
            fields.push(("oauth_token", token));
        }
        let signature = self.signature(method, url, form, &fields);
        fields.push(("oauth_signature", &signature));
        fields.sort_unstable();
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}=\"{}\"", encode(name), encode(value))).collect();
        format!("OAuth {}", fields.join(", "))
    }

    fn signature(&self, method: &str, url: &Url, form: &[(&str, &str)], fields: &[(&str, &str)]) -> String {
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut parameters: Vec<(String, String)> = query
            .chain(form.iter().copied())
            .chain(fields.iter().copied())
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        parameters.sort_unstable();
        let mut list = String::new();
        for (name, value) in &parameters {
            let separator = if list.is_empty() { "" } else { "&" };
            let _ = write!(list, "{separator}{name}={value}");
        }
        let mut base = url.clone();
        base.set_query(None);
        base.set_fragment(None);
        let text = format!("{}&{}&{}", method.to_ascii_uppercase(), encode(base.as_str()), encode(&list));

        let mut key = Zeroizing::new(encode(self.consumer_secret.expose_secret()));
        key.push('&');
        if let Some((_, secret)) = &self.token {
            key.push_str(&encode(secret.expose_secret()));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
        STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X's own example, signed anew for each of the addresses it has stood beside.
    #[test]
    fn the_example_is_signed_as_published() {
        let signer = Signer {
            consumer_key: "xvz1evFS4wEEPTGEFPHBog".to_owned(),
            consumer_secret: "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw".into(),
            token: Some((
                "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb".to_owned(),
                "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE".into(),
            )),
        };
        for (address, signature) in [
            ("https://api.twitter.com/1/statuses/update.json", "tnnArxj06cWHq44gCs1OSKk/jLY="),
            ("https://api.twitter.com/1.1/statuses/update.json", "hCtSmYh+iHYCEqBWrE7C7hYmtUk="),
            ("https://api.x.com/1.1/statuses/update.json", "Ls93hJiZbQ3akF3HF3x1Bz8/zU4="),
        ] {
            let url = Url::parse(&format!("{address}?include_entities=true")).expect("address");
            let form = [("status", "Hello Ladies + Gentlemen, a signed OAuth request!")];
            let nonce = "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg";
            let header = signer.authorization("post", &url, &form, nonce, 1_318_622_958);
            let expected = format!("oauth_signature=\"{}\"", encode(signature));
            assert!(header.contains(&expected), "{address}: {header}");
            assert!(header.starts_with("OAuth oauth_consumer_key=\"xvz1evFS4wEEPTGEFPHBog\", oauth_nonce="));
        }
        assert!(!format!("{signer:?}").contains("LswwdoUa"));
    }

    #[test]
    fn characters_are_encoded_as_rfc_3986_says() {
        assert_eq!(encode("Ladies + Gentlemen"), "Ladies%20%2B%20Gentlemen");
        assert_eq!(encode("-._~azAZ09"), "-._~azAZ09");
        assert_eq!(encode("☃!*'()"), "%E2%98%83%21%2A%27%28%29");
    }

    #[test]
    fn without_a_token_the_key_ends_with_its_ampersand() {
        let signer = Signer { consumer_key: "k".to_owned(), consumer_secret: "s".into(), token: None };
        let url = Url::parse("https://api.x.com/oauth/request_token").expect("address");
        let header = signer.authorization("POST", &url, &[("oauth_callback", "https://app.example/cb")], "n", 1);
        assert!(!header.contains("oauth_token="));
    }
}
