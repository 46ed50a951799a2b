//! JSON from outside, before anything reads it: how deep it goes, and characters that jsonb cannot hold.

use std::borrow::Cow;

/// What all platforms send is a fraction of this deep.
const DEEPEST: usize = 64;

const REPLACEMENT: &str = "\\ufffd";

/// Whether brackets are nested no deeper than anybody means them.
pub fn is_shallow(json: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return false;
        }
    }
    true
}

/// `\u0000` and halves of surrogate pairs, which JSON can write and jsonb cannot hold, become U+FFFD; all else stays as it is.
pub fn mended(json: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        let escape = at + found;
        match unit(json, escape) {
            // Some other escape: two characters, of which the second may be a backslash.
            None => at = escape + 2,
            Some(0xd800..=0xdbff) if matches!(unit(json, escape + 6), Some(0xdc00..=0xdfff)) => at = escape + 12,
            Some(0 | 0xd800..=0xdfff) => {
                out.push_str(json.get(kept..escape).unwrap_or_default());
                out.push_str(REPLACEMENT);
                at = escape + 6;
                kept = at;
            }
            Some(_) => at = escape + 6,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(json.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

/// The value of `\uXXXX` at this place, if that is what is there.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_jsonb_cannot_hold_is_replaced() {
        for (given, kept) in [
            (r#"{"a":"\u0000"}"#, r#"{"a":"\ufffd"}"#),
            (r#""x\u0000\u0000y""#, r#""x\ufffd\ufffdy""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\u0041""#, r#""\ufffd\u0041""#),
        ] {
            assert_eq!(mended(given), kept, "{given}");
        }
    }

    #[test]
    fn all_else_stays() {
        for text in [r#""\ud83d\ude00""#, r#""\\u0000""#, r#""\\\\u0000 \n""#, r#""\u00e9 ä 😀""#, "", "\\", r#""\u00"#]
        {
            assert!(matches!(mended(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(mended(r#""\\\u0000""#), r#""\\\ufffd""#);
    }

    #[test]
    fn brackets_in_texts_are_no_depth() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_shallow(&nested(64)) && !is_shallow(&nested(65)));
        assert!(is_shallow(&format!(r#"{{"a":"\"{}"}}"#, "[{".repeat(500))));
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(text in "(\\\\|u0000|ud8|00|\"|[a-fä😀]){0,40}") {
            let once = mended(&text).into_owned();
            prop_assert_eq!(mended(&once).into_owned(), once.clone());
            is_shallow(&text);
        }
    }
}
