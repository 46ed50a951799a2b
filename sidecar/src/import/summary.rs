//! What an import has brought, in words and as JSON.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::database::Outcome;
use crate::export::{Listed, Relation, Unfollowed, shown};

/// An import as it went.
pub struct Summary {
    pub account: Value,
    /// As people write it, such as instagram:ada.example.
    pub account_name: String,
    pub path: String,
    pub captured_at: DateTime<Utc>,
    /// Where that time is from.
    pub captured_at_from: String,
    pub dry_run: bool,
    pub lists: Vec<ListSummary>,
    pub unfollowed: Option<Unfollowed>,
    /// Name of each document, and whether it is new.
    pub documents: Vec<(String, bool)>,
    pub notes: Vec<String>,
}

pub struct ListSummary {
    pub relation: Relation,
    pub files: Vec<String>,
    pub entries: u64,
    pub nameless: u64,
    pub oldest: Option<DateTime<Utc>>,
    pub newest: Option<DateTime<Utc>>,
    /// Why the list is held to be complete, or not.
    pub judgement: String,
    pub outcome: Outcome,
    /// The outcome as the database told it.
    pub told: Value,
}

impl ListSummary {
    pub fn new(listed: &Listed, judgement: String, outcome: Outcome, told: Value) -> Self {
        ListSummary {
            relation: listed.relation,
            files: listed.files.clone(),
            entries: listed.entries,
            nameless: listed.nameless,
            oldest: listed.oldest,
            newest: listed.newest,
            judgement,
            outcome,
            told,
        }
    }

    /// With what the database made of it.
    fn judgement(&self) -> String {
        let held = if self.outcome.is_complete { "" } else { ", not complete" };
        let share = self.outcome.completeness.filter(|share| *share < 1.0);
        let share = share.map_or_else(String::new, |share| format!(" ({:.1} % of those there are)", share * 100.0));
        format!("{}{held}{share}", self.judgement)
    }
}

impl Summary {
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, what: &str| {
            let _ = writeln!(text, "{name:<12}{what}");
        };
        line("account", &shown(&self.account_name));
        line("export", &shown(&self.path));
        line("captured", &format!("{} ({})", self.captured_at.format("%-d %B %Y, %H:%M UTC"), self.captured_at_from));
        for list in &self.lists {
            line(list.relation.as_str(), &changes(&list.outcome));
            line("", &list.judgement());
            if let Some((oldest, newest)) = list.oldest.zip(list.newest) {
                line("", &format!("first followed {}, last {}", day(oldest), day(newest)));
            }
        }
        if let Some(unfollowed) = &self.unfollowed {
            let confirmed = unfollowed.accounts - unfollowed.followed_again;
            let again = match unfollowed.followed_again {
                0 => String::new(),
                again => format!(", {} followed again", number(again)),
            };
            line("unfollowed", &format!("{} confirmed by the export{again}", number(confirmed)));
        }
        if !self.documents.is_empty() {
            let new = self.documents.iter().filter(|(_, is_new)| *is_new).count();
            line("insights", &format!("{} files, {new} of them new", self.documents.len()));
        }
        for note in &self.notes {
            line("note", note);
        }
        if self.dry_run {
            line("dry run", "nothing was written");
        }
        text
    }

    pub fn json(&self) -> Value {
        let lists = self.lists.iter().map(|list| {
            json!({
                "relation": list.relation.as_str(),
                "files": list.files,
                "entries": list.entries,
                "nameless": list.nameless,
                "first_followed_at": list.oldest,
                "last_followed_at": list.newest,
                "judgement": list.judgement(),
                "outcome": list.told,
            })
        });
        json!({
            "account": self.account,
            "path": self.path,
            "captured_at": self.captured_at,
            "captured_at_from": self.captured_at_from,
            "dry_run": self.dry_run,
            "lists": lists.collect::<Vec<_>>(),
            "recently_unfollowed": self.unfollowed.as_ref().map(|unfollowed| json!({
                "accounts": unfollowed.accounts,
                "followed_again": unfollowed.followed_again,
            })),
            "documents": self.documents.iter().map(|(name, is_new)| json!({"name": name, "is_new": is_new})).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

/// Such as "+37 −12 since 3 May 2026, 4 came back; 1 204 now".
fn changes(outcome: &Outcome) -> String {
    let now = number(outcome.member_count);
    if !outcome.is_new {
        return format!("the same list again; {now} now");
    }
    if !outcome.in_chain {
        return format!("{now}, older than the newest list: kept as history, changes nothing after it");
    }
    let Some(since) = outcome.since else {
        return format!("{now}, the first list: nobody is called new");
    };
    let mut text = format!("+{} −{} since {}", number(outcome.gained), number(outcome.lost), day(since));
    for (count, what) in [
        (outcome.returned, "came back"),
        (outcome.gone, "gone with their accounts"),
        (outcome.found, "found, with no complete list before to tell since when"),
        (outcome.not_seen, "not seen in this incomplete list, and kept"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {} {what}", number(count));
        }
    }
    let _ = write!(text, "; {now} now");
    text
}

fn day(time: DateTime<Utc>) -> String {
    time.format("%-d %B %Y").to_string()
}

/// In groups of three, parted by a narrow blank: 1 204.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(change: impl FnOnce(&mut Outcome)) -> Outcome {
        let mut outcome = Outcome {
            since: DateTime::parse_from_rfc3339("2026-05-03T10:00:00Z").ok().map(Into::into),
            gained: 37,
            found: 0,
            lost: 12,
            gone: 0,
            not_seen: 0,
            returned: 4,
            member_count: 1204,
            completeness: None,
            is_complete: true,
            in_chain: true,
            is_new: true,
        };
        change(&mut outcome);
        outcome
    }

    #[test]
    fn changes_are_told_in_one_line() {
        assert_eq!(changes(&outcome(|_| ())), "+37 −12 since 3 May 2026, 4 came back; 1\u{202f}204 now");
        let poor = outcome(|o| (o.lost, o.returned, o.gone, o.not_seen, o.found) = (0, 0, 2, 30, 5));
        assert_eq!(
            changes(&poor),
            "+37 −0 since 3 May 2026, 2 gone with their accounts, 5 found, with no complete list before to tell since when, \
             30 not seen in this incomplete list, and kept; 1\u{202f}204 now"
        );
        assert!(changes(&outcome(|o| o.since = None)).contains("the first list"));
        assert!(changes(&outcome(|o| o.in_chain = false)).contains("kept as history"));
        assert!(changes(&outcome(|o| o.is_new = false)).starts_with("the same list again"));
        assert_eq!(outcome(|_| ()).before(), 1179);
    }

    #[test]
    fn numbers_are_grouped() {
        let grouped = [0, 999, 1000, 1_234_567].map(number).map(|text| text.replace('\u{202f}', " "));
        assert_eq!(grouped, ["0", "999", "1 000", "1 234 567"]);
    }
}
