//! The handle that an entry of a list names. Instagram has put it in three places over the years.

use std::borrow::Cow;

/// Longest handle that the database takes. Instagram gives out at most 30 characters, and once gave more.
const MAX_HANDLE: usize = 255;

/// What the column of user names is called in exports whose language is known; labels are translated, keys are not.
const USERNAME_LABELS: [&str; 14] = [
    "Username",
    "Benutzername",
    "Brugernavn",
    "Brukernavn",
    "Användarnamn",
    "Gebruikersnaam",
    "Käyttäjänimi",
    "Kullanıcı adı",
    "Nazwa użytkownika",
    "Nom d’utilisateur",
    "Nombre de usuario",
    "Nome de usuário",
    "Nome de utilizador",
    "Nome utente",
];

/// One entry of a list, with the parts that may name somebody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    pub title: Option<String>,
    pub value: Option<String>,
    pub href: Option<String>,
    /// Label and value of the newest form.
    pub labels: Vec<(String, String)>,
    /// Seconds since 1970; None where the export shows none.
    pub timestamp: Option<i64>,
}

impl Entry {
    /// Lower case. `value` first (up to 2025 and still for followers), then `title` (since), then the labelled user
    /// name (the newest form), then the last word of an address. None: nothing there can be a handle.
    pub fn handle(&self) -> Option<String> {
        let plain = [&self.value, &self.title].into_iter().flatten();
        let labelled = self.labels.iter().filter(|(label, _)| is_username_label(label)).map(|(_, value)| value);
        let addressed = self.href.iter().chain(self.labels.iter().map(|(_, value)| value));
        plain
            .chain(labelled)
            .find_map(|text| as_handle(text))
            .or_else(|| addressed.into_iter().find_map(|text| in_address(text)))
    }
}

fn is_username_label(label: &str) -> bool {
    let label = repaired(label);
    USERNAME_LABELS.iter().any(|known| label.replace('\'', "’").eq_ignore_ascii_case(known))
}

/// Letters, digits, dots and underscores, as the database demands of handles on Instagram.
fn as_handle(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix('@').unwrap_or(text);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    (!text.is_empty() && text.len() <= MAX_HANDLE && text.bytes().all(is_allowed)).then(|| text.to_ascii_lowercase())
}

/// The handle of https://www.instagram.com/name and https://www.instagram.com/_u/name.
fn in_address(text: &str) -> Option<String> {
    let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let (host, path) = address.split_once('/')?;
    if host != "instagram.com" && !host.ends_with(".instagram.com") {
        return None;
    }
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    as_handle(path.strip_prefix("_u/").unwrap_or(path))
}

/// Instagram writes each byte of UTF-8 as an escape of its own ("Ã¡" for "á"). Text that is such bytes is put together
/// again; all other text stays as it is.
fn repaired(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.chars().all(|c| u32::from(c) <= 0xff) {
        return Cow::Borrowed(text);
    }
    let bytes = text.chars().map(|c| c as u8).collect();
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(title: &str, value: &str, href: &str) -> Entry {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Entry { title: text(title), value: text(value), href: text(href), ..Entry::default() }
    }

    fn labelled(label: &str, value: &str) -> Entry {
        let labels = vec![("URL".to_owned(), String::new()), (label.to_owned(), value.to_owned())];
        Entry { labels, ..Entry::default() }
    }

    #[test]
    fn the_handle_is_found_in_every_form() {
        let name = Some("ada.example".to_owned());
        assert_eq!(entry("", "ada.example", "https://www.instagram.com/ada.example").handle(), name);
        assert_eq!(entry("ada.example", "", "https://www.instagram.com/_u/ada.example").handle(), name);
        assert_eq!(entry("", "", "https://www.instagram.com/_u/ada.example/?hl=en").handle(), name);
        assert_eq!(entry("Ada Example", "", "https://www.instagram.com/ada.example").handle(), name);
        assert_eq!(entry("", " @Ada.Example ", "").handle(), name);
        assert_eq!(labelled("Username", "ada.example").handle(), name);
        assert_eq!(labelled("Nome de usuÃ¡rio", "ada.example").handle(), name);
        assert_eq!(labelled("Name", "https://www.instagram.com/ada.example").handle(), name);
    }

    #[test]
    fn what_names_nobody_is_not_guessed() {
        for nobody in [
            entry("", "", ""),
            entry("Ada Example", "", ""),
            entry("", "", "https://elsewhere.example/ada"),
            entry("", "", "https://www.instagram.com/"),
            entry("", "", "https://www.instagram.com/p/Cabc"),
            labelled("Name", "ada"),
            entry("", &"x".repeat(300), ""),
            entry("", "a\u{0}b", ""),
            entry("", "žena", ""),
        ] {
            assert_eq!(nobody.handle(), None, "{nobody:?}");
        }
    }

    #[test]
    fn escaped_bytes_become_the_text_they_were() {
        assert_eq!(repaired("Ã¡"), "á");
        assert_eq!(repaired("Ã¡Ÿ"), "Ã¡Ÿ", "Ÿ is no byte");
        assert_eq!(repaired("á"), "á", "the byte of á alone is no UTF-8");
        assert_eq!(repaired("naïve"), "naïve");
    }

    proptest! {
        #[test]
        fn whatever_was_escaped_comes_back(text in "[\\PC&&[^\u{80}-\u{ff}]]{0,20}") {
            let escaped: String = text.bytes().map(char::from).collect();
            prop_assert_eq!(repaired(&escaped), text);
        }

        #[test]
        fn a_handle_is_its_own_handle(text in "[@ ]?\\PC{0,12}|[ @]?[a-zA-Z0-9._]{0,40}") {
            if let Some(handle) = as_handle(&text) {
                prop_assert_eq!(as_handle(&handle), Some(handle));
            }
        }
    }
}
