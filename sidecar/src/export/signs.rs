//! What an export shows of itself without saying it: whether its lists are of all time, and whose they are.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{Document, Listed, Relation};

/// "Followers" of `audience_insights.json`. Only English exports are read: the keys are translated.
pub fn counted_followers(document: &Document) -> Option<u64> {
    if document.name != "audience_insights.json" {
        return None;
    }
    let insights: Value = serde_json::from_str(&document.text).ok()?;
    let text = insights["organic_insights_audience"][0]["string_map_data"]["Followers"]["value"].as_str()?;
    text.replace(',', "").parse().ok()
}

/// The ranges of time that Instagram offers, and how old, in days, the first entry of such an export is: months and years
/// differ in length, and the first follower within the range comes a little after its beginning.
const RANGES: [(i64, i64, &str); 6] = [
    (6, 7, "week"),
    (27, 31, "month"),
    (86, 92, "three months"),
    (175, 184, "six months"),
    (352, 366, "year"),
    (1060, 1096, "three years"),
];
/// A list shorter than this says nothing about when it begins.
const ENOUGH: u64 = 10;

impl Listed {
    /// Signs that the list is of a range of time and not of all time. JSON exports do not tell what was asked for.
    pub fn doubt(&self, captured_at: DateTime<Utc>, counted_followers: Option<u64>) -> Option<String> {
        if let (Relation::Followers, Some(counted)) = (self.relation, counted_followers)
            && self.entries + ENOUGH < counted
            && self.entries.saturating_mul(10) < counted.saturating_mul(9)
        {
            return Some(format!("{} followers are listed, but audience_insights.json counts {counted}", self.entries));
        }
        let age = captured_at - self.oldest?;
        let begins =
            |(least, most, _): &(i64, i64, &str)| age > TimeDelta::days(*least) && age <= TimeDelta::days(*most);
        let (.., range) = RANGES.into_iter().find(begins)?;
        (self.entries >= ENOUGH).then(|| {
            let oldest = self.oldest.unwrap_or_default().format("%-d %B %Y");
            format!(
                "the first entry of {} is of {oldest}, just what an export of the last {range} would begin with",
                self.relation
            )
        })
    }
}

/// The account that an archive is of, by the name that Instagram gives it: instagram-ada.example-2026-06-10-AbC123.zip.
pub fn owner(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let words: Vec<_> = name.strip_suffix(".zip").unwrap_or(name).strip_prefix("instagram-")?.rsplitn(5, '-').collect();
    let [_, day, month, year, owner] = words[..] else { return None };
    let is_number = |word: &str, digits| word.len() == digits && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = is_number(year, 4) && is_number(month, 2) && is_number(day, 2);
    (is_date && !owner.is_empty()).then(|| owner.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entries: u64, age_in_hours: i64) -> (Listed, DateTime<Utc>) {
        let now = Utc::now();
        let oldest = Some(now - TimeDelta::hours(age_in_hours));
        let (files, missing) = (Vec::new(), Vec::new());
        (
            Listed {
                relation: Relation::Followers,
                files,
                missing,
                entries,
                nameless: 0,
                oldest,
                newest: None,
                names: None,
            },
            now,
        )
    }

    #[test]
    fn a_list_that_begins_where_a_range_begins_is_doubtful() {
        for (days, is_doubtful) in [
            (5, false),
            (6, true),
            (30, true),
            (20, false),
            (90, true),
            (180, true),
            (250, false),
            (364, true),
            (1090, true),
            (2000, false),
        ] {
            let (list, now) = listed(1000, days * 24 + 12);
            assert_eq!(list.doubt(now, None).is_some(), is_doubtful, "{days} days");
        }
        let (short, now) = listed(5, 30 * 24);
        assert_eq!(short.doubt(now, None), None);
    }

    #[test]
    fn the_statistics_of_the_export_are_compared() {
        let (list, now) = listed(1000, 24 * 2000);
        assert_eq!(list.doubt(now, Some(1100)), None);
        assert!(list.doubt(now, Some(1200)).is_some_and(|doubt| doubt.contains("counts 1200")));
        let text = r#"{"organic_insights_audience": [{"string_map_data": {"Followers": {"value": "12,345"}}}]}"#;
        let document = |name: &str| Document { name: name.to_owned(), text: text.to_owned() };
        assert_eq!(counted_followers(&document("audience_insights.json")), Some(12_345));
        assert_eq!(counted_followers(&document("posts.json")), None);
    }

    #[test]
    fn the_name_of_an_archive_tells_its_owner() {
        for (name, expected) in [
            ("instagram-ada.example-2026-06-10-AbC123.zip", Some("ada.example")),
            ("/tmp/instagram-Ada_B-2026-06-10-x", Some("ada_b")),
            ("instagram-ada.zip", None),
            ("export-2026-06-10-x.zip", None),
            ("instagram-ada-2026-6-10-x.zip", None),
        ] {
            assert_eq!(owner(Path::new(name)).as_deref(), expected, "{name}");
        }
    }
}
