//! Who asks, and from where: what the REST server says about a request in `request.jwt.claims` and `request.headers`,
//! two settings that hold JSON objects. Whatever is missing, malformed or of another type is not there.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use uuid::Uuid;

/// Characters kept of a user agent.
const MAX_USER_AGENT: usize = 512;
/// Characters of the longest request id.
const MAX_REQUEST_ID: usize = 128;
/// Characters of the longest subject of a foreign token; Firebase allows 128.
const MAX_SUBJECT: usize = 255;
/// Addresses of `x-forwarded-for` that are looked at.
const MAX_FORWARDED: usize = 32;

/// The claims of a verified token. Read once per row under row-level security, so strings are borrowed from the text
/// unless they contain escapes.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Claims<'a> {
    #[serde(borrow)]
    sub: Text<'a>,
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A user of this installation.
    User(Uuid),
    /// A user of a third-party identity provider, by that provider's name for him.
    External(String),
}

impl<'a> Claims<'a> {
    /// `None` when the text is not one JSON object, or says `sub` twice.
    pub fn parse(text: &'a str) -> Option<Self> {
        // A structure can also be read from an array; claims cannot.
        text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok())?
    }

    /// A subject is a user's when it is a uuid in the usual form, 8-4-4-4-12 digits; a run of 32 digits is not: a
    /// third party may well name its users so. Tokens without a subject (`anon`, `service_role`) have none.
    pub fn subject(&self) -> Option<Subject> {
        let sub = self.sub.get()?;
        if sub.len() == uuid::fmt::Hyphenated::LENGTH
            && let Ok(id) = Uuid::try_parse(sub)
        {
            return Some(Subject::User(id));
        }
        let is_name = sub.chars().nth(MAX_SUBJECT).is_none() && !sub.contains(char::is_control);
        is_name.then(|| Subject::External(sub.to_owned()))
    }
}

/// What the headers say about the client. Clients write these headers, or can: good for a log, not for a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    pub ip: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl Client {
    /// From the text of `request.headers`: one JSON object, names in lower case.
    pub fn parse(headers: &str) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "kebab-case")]
        struct Headers<'a> {
            #[serde(borrow)]
            x_forwarded_for: Text<'a>,
            #[serde(borrow)]
            x_real_ip: Text<'a>,
            #[serde(borrow)]
            user_agent: Text<'a>,
            #[serde(borrow)]
            x_request_id: Text<'a>,
        }
        let is_object = headers.trim_start().starts_with('{');
        let headers: Headers = is_object.then(|| serde_json::from_str(headers).ok()).flatten().unwrap_or_default();
        Self {
            ip: client_ip(headers.x_forwarded_for.get(), headers.x_real_ip.get()),
            user_agent: headers.user_agent.get().and_then(user_agent),
            request_id: headers.x_request_id.get().and_then(request_id),
        }
    }
}

/// The first address of `x-forwarded-for`, which is the client's, else that of `x-real-ip`. A port is left out, and an
/// IPv4 address in IPv6 clothes is given as IPv4.
pub fn client_ip(x_forwarded_for: Option<&str>, x_real_ip: Option<&str>) -> Option<IpAddr> {
    let forwarded = x_forwarded_for.unwrap_or_default().split(',');
    forwarded
        .take(MAX_FORWARDED)
        .chain(x_real_ip)
        .find_map(|text| {
            let text = text.trim();
            let without_port = || text.parse::<SocketAddr>().map(|address| address.ip());
            text.parse().or_else(|_| without_port()).ok()
        })
        .map(|ip| ip.to_canonical())
}

/// At most 512 characters, without control characters. `None` when nothing is left.
pub fn user_agent(text: &str) -> Option<String> {
    let printable: String = text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect();
    let trimmed = printable.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// The id when it has 1 to 128 letters, digits, dots, colons, underscores and hyphens. Anything else could forge a line
/// of a log or a header, so it is not there.
pub fn request_id(text: &str) -> Option<String> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    let is_id = (1..=MAX_REQUEST_ID).contains(&text.len()) && text.bytes().all(is_allowed);
    is_id.then(|| text.to_owned())
}

/// A JSON string that is not empty; of any other value, nothing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const USER: &str = "0b6f8a4e-5d0a-4c3b-9a55-1f2e3d4c5b6a";

    fn subject(claims: &str) -> Option<Subject> {
        Claims::parse(claims)?.subject()
    }

    #[test]
    fn claims_of_a_signed_in_user_are_read() {
        let text = json!({
            "iss": "http://127.0.0.1:54321/auth/v1", "sub": USER, "aud": "authenticated", "exp": 1_800_000_000,
            "email": "jane@example.com", "role": "authenticated", "session_id": "s-1", "is_anonymous": false,
            "app_metadata": {"provider": "email", "providers": ["email"]}, "amr": [{"method": "password"}],
        })
        .to_string();
        let claims = Claims::parse(&text).unwrap_or_default();
        assert_eq!(claims.subject(), Uuid::parse_str(USER).ok().map(Subject::User));
    }

    #[test]
    fn claims_are_borrowed_unless_escaped() {
        let plain = Claims::parse(r#"{"sub": "plain"}"#).unwrap_or_default();
        assert!(matches!(plain.sub.0, Some(Cow::Borrowed("plain"))));
        assert_eq!(subject(r#"{"sub": "esc\u0061ped"}"#), Some(Subject::External("escaped".to_owned())));
    }

    #[test]
    fn text_that_is_no_object_has_no_claims() {
        for text in [
            "",
            " ",
            "null",
            "true",
            "0",
            "\"x\"",
            "[]",
            "[\"x\"]",
            "{",
            "{}}",
            "{\"sub\": }",
            "sub",
            "{\"sub\": \"a\"} x",
            "{\"sub\": \"a\", \"sub\": \"b\"}",
            "{'sub': 'a'}",
            "\u{feff}{}",
        ] {
            assert_eq!(Claims::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_subject_of_another_type_is_not_there() {
        for value in ["null", "true", "7", "-7", "7.5", "1e400", "[\"a\"]", "{\"a\": {\"b\": []}}", "\"\""] {
            let text = format!("{{\"sub\": {value}, \"role\": \"anon\"}}");
            let claims = Claims::parse(&text).unwrap_or_default();
            assert_eq!(claims.subject(), None, "{value}");
        }
        assert_eq!(subject("{\"role\": \"service_role\"}"), None);
    }

    #[test]
    fn only_a_hyphenated_uuid_is_a_user() {
        let user = Uuid::parse_str(USER).ok().map(Subject::User);
        let of = |sub: &str| subject(&json!({ "sub": sub }).to_string());
        assert_eq!(of(USER), user);
        assert_eq!(of(&USER.to_uppercase()), user);
        for external in [
            "hX3kQ9vLr8TtWmZp2sYbN5cJ7dEa",
            &USER.replace('-', ""),
            &format!("{{{USER}}}"),
            &format!("urn:uuid:{USER}"),
            &format!(" {USER}"),
            &USER.replace('0', "g"),
            "' or true --",
        ] {
            assert_eq!(of(external), Some(Subject::External(external.to_owned())));
        }
    }

    #[test]
    fn subject_that_cannot_be_stored_is_nobody() {
        let of = |sub: &str| subject(&json!({ "sub": sub }).to_string());
        assert_eq!(of("a\0b"), None);
        assert_eq!(of("a\nb"), None);
        assert_eq!(of(&"é".repeat(256)), None);
        assert!(of(&"é".repeat(255)).is_some());
    }

    #[test]
    fn client_is_read_from_the_headers() {
        let headers = json!({
            "x-forwarded-for": "203.0.113.7, 10.0.0.1", "user-agent": "Mozilla/5.0", "x-request-id": "req_1.a:b-2",
            "accept": "*/*",
        });
        let client = Client::parse(&headers.to_string());
        assert_eq!(client.ip, "203.0.113.7".parse().ok());
        assert_eq!(client.user_agent.as_deref(), Some("Mozilla/5.0"));
        assert_eq!(client.request_id.as_deref(), Some("req_1.a:b-2"));
    }

    #[test]
    fn missing_or_malformed_headers_give_an_unknown_client() {
        for headers in [
            "",
            "null",
            "[]",
            r#"["203.0.113.7"]"#,
            "{",
            "{}",
            r#"{"user-agent": 7, "x-request-id": ["a"], "x-real-ip": null}"#,
        ] {
            assert_eq!(Client::parse(headers), Client::default(), "{headers}");
        }
    }

    #[test]
    fn ip_is_the_first_valid_one() {
        let ip = |forwarded: &str| client_ip(Some(forwarded), Some("192.0.2.9")).map(|ip| ip.to_string());
        for (forwarded, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("unknown, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
            (" 203.0.113.7:5678 ", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("", "192.0.2.9"),
            ("203.0.113.300, 1, <script>, ::g", "192.0.2.9"),
            ("fe80::1%eth0", "192.0.2.9"),
        ] {
            assert_eq!(ip(forwarded).as_deref(), Some(expected), "{forwarded}");
        }
        assert_eq!(client_ip(None, Some("x")), None);
        assert_eq!(client_ip(None, None), None);
    }

    #[test]
    fn user_agent_is_short_and_printable() {
        assert_eq!(user_agent(" a\r\nb\u{0}\u{1b}[1m ").as_deref(), Some("ab[1m"));
        assert_eq!(user_agent(&"é".repeat(5_000)), Some("é".repeat(512)));
        assert_eq!(user_agent(" \n\0 "), None);
    }

    #[test]
    fn request_id_is_taken_only_when_harmless() {
        for id in ["a", "0b6f8a4e-5d0a", "Root=1-67.a:b_c".trim_start_matches("Root="), &"x".repeat(128)] {
            assert_eq!(request_id(id).as_deref(), Some(id));
        }
        for id in ["", " a", "a b", "a\n", "a\r\nSet-Cookie: x", "a;b", "a\"", "é", "Root=1", &"x".repeat(129)] {
            assert_eq!(request_id(id), None, "{id:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            if let Some(claims) = Claims::parse(&text) {
                claims.subject();
            }
            Client::parse(&text);
            client_ip(Some(&text), Some(&text));
            user_agent(&text);
            request_id(&text);
        }

        #[test]
        fn any_string_as_subject_is_itself_or_nobody(sub: String) {
            match subject(&json!({ "sub": sub }).to_string()) {
                Some(Subject::External(external)) => prop_assert_eq!(external, sub),
                Some(Subject::User(user)) => prop_assert_eq!(user.to_string(), sub.to_lowercase()),
                None => prop_assert!(sub.is_empty() || sub.contains(char::is_control) || sub.chars().count() > 255),
            }
        }

        #[test]
        fn arbitrary_headers_give_only_printable_bounded_values(agent: String, id: String, ip: String) {
            let headers = json!({"user-agent": agent, "x-request-id": id, "x-forwarded-for": ip});
            let client = Client::parse(&headers.to_string());
            for text in [client.user_agent, client.request_id].into_iter().flatten() {
                prop_assert!(!text.is_empty() && text.chars().count() <= 512);
                prop_assert!(!text.contains(char::is_control));
            }
        }

        #[test]
        fn deeply_nested_claims_are_refused_or_read_without_overflow(depth in 1..20_000_usize) {
            let text = format!("{{\"sub\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
            prop_assert_eq!(Claims::parse(&text).and_then(|c| c.subject()), None);
        }
    }
}
