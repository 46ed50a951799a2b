//! A record of a CSV file.

use std::borrow::Cow;

/// The fields as RFC 4180 writes them, without the line's end. A text that a spreadsheet would take for a formula gets an apostrophe
/// before it; numbers stay numbers.
pub fn record<'a>(fields: impl Iterator<Item = Option<&'a str>>) -> String {
    let mut line = String::new();
    for (i, field) in fields.enumerate() {
        if i > 0 {
            line.push(',');
        }
        let field = defused(field.unwrap_or_default());
        if field.contains(['"', ',', '\n', '\r']) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&field);
        }
    }
    line
}

fn defused(field: &str) -> Cow<'_, str> {
    // Spreadsheets pass over spaces, and take full-width signs for signs.
    let start = field.trim_start_matches(' ').chars().next();
    let is_formula = matches!(start, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'));
    if is_formula && !is_number(field) { format!("'{field}").into() } else { field.into() }
}

fn is_number(field: &str) -> bool {
    let digits = field.strip_prefix('-').unwrap_or(field);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[Option<&str>]) -> String {
        record(fields.iter().copied())
    }

    #[test]
    fn records() {
        assert_eq!(
            of(&[Some("a"), None, Some("b,c"), Some("say \"x\""), Some("two\nlines")]),
            "a,,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\""
        );
        assert_eq!(of(&[Some("")]), "");
    }

    #[test]
    fn formulas_are_texts() {
        for formula in ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "  =1", "＝1", "-2*3", "-"] {
            let cell = of(&[Some(formula)]);
            assert!(cell.starts_with('\'') || cell.starts_with("\"'"), "{cell}");
        }
        assert_eq!(of(&[Some("\r=1")]), "\"'\r=1\"");
        for number in ["-5", "-5.25", "12", "2026-11-21T10:00:00Z"] {
            assert_eq!(of(&[Some(number)]), number);
        }
    }
}
