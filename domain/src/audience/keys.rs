//! What a key means, however it is written.

use unicode_normalization::UnicodeNormalization;

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Bytes of the longest key.
pub const MAX_KEY: usize = 200;

/// One form of a key that is written in several. Judged by the key alone, so only where no other dimension has such keys;
/// names stay as they are, composed (NFC).
pub fn normal(key: &str) -> String {
    let key: String = key.trim().nfc().collect();
    let bytes = key.as_bytes();
    let lower = key.to_ascii_lowercase();
    if let Some(gender) = gender(&lower) {
        return gender.to_owned();
    }
    if DAYS.contains(&lower.as_str()) {
        return lower;
    }
    match bytes {
        // A country.
        [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => return key.to_ascii_uppercase(),
        // An hour.
        [b'0', digit] if digit.is_ascii_digit() => return char::from(*digit).to_string(),
        _ => {}
    }
    if let Some((left, right)) = lower.split_once('.') {
        let pair = match (gender(left), gender(right)) {
            (Some(gender), None) if is_age(right) => Some((right, gender)),
            (None, Some(gender)) if is_age(left) => Some((left, gender)),
            _ => None,
        };
        if let Some((age, gender)) = pair {
            // The platforms write the letter in pairs: F, M or U.
            return format!("{age}.{}", gender[..1].to_ascii_uppercase());
        }
    }
    key
}

fn gender(lower: &str) -> Option<&'static str> {
    match lower {
        "f" | "female" | "women" => Some("female"),
        "m" | "male" | "men" => Some("male"),
        "u" | "unknown" => Some("unknown"),
        _ => None,
    }
}

fn is_age(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn keys_have_one_form() {
        for (written, form) in [
            ("F", "female"),
            ("Men", "male"),
            ("u", "unknown"),
            ("us", "US"),
            (" New York ", "New York"),
            ("Sa\u{303}o Paulo", "S\u{e3}o Paulo"),
            ("Monday", "monday"),
            ("05", "5"),
            ("14", "14"),
            ("25-34.F", "25-34.F"),
            ("F.25-34", "25-34.F"),
            ("65+.male", "65+.M"),
            ("St. Louis", "St. Louis"),
            ("u.s", "u.s"),
            ("", ""),
        ] {
            assert_eq!(normal(written), form);
            assert_eq!(normal(form), form);
        }
    }
}
