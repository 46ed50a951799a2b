//! Lists of posts that bring the numbers with them: how far one is read, and what of a post is taken as it comes.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::read::{MOST, whole};
use super::store::{Listing, Metric, Post, Task};

/// Pages that one pull reads, and so how far back a list is ever followed.
pub(super) const MOST_PAGES: usize = 200;

const LONGEST_ADDRESS: usize = 2000;

/// The way through a list of posts, newest first.
pub(super) struct Walk<'a> {
    task: &'a Task,
    /// Fresh, or met before on the way: a list that moves while it is read has a post twice.
    known: HashSet<String>,
    /// None: to the end.
    most: Option<usize>,
    taken: usize,
    pages: usize,
    /// Of the page at hand.
    newest: Option<DateTime<Utc>>,
    has_news: bool,
}

impl<'a> Walk<'a> {
    /// Where a post is measured by calls of its own: a first reading comes in portions.
    pub(super) fn new(task: &'a Task) -> Self {
        Walk { most: Some(usize::try_from(task.most_posts).unwrap_or(0)), ..Walk::to_the_end(task) }
    }

    /// Where the numbers come by the page. Portions would each read the list from its start again, for nothing.
    pub(super) fn to_the_end(task: &'a Task) -> Self {
        let known = task.fresh_posts.iter().cloned().collect();
        Walk { task, known, most: None, taken: 0, pages: 0, newest: None, has_news: false }
    }

    /// Whether this post of the page at hand is to be measured.
    pub(super) fn takes(&mut self, id: &str, posted_at: DateTime<Utc>) -> bool {
        self.newest = self.newest.max(Some(posted_at));
        let is_due = self.known.insert(id.to_owned());
        self.taken += usize::from(is_due);
        self.has_news |= is_due;
        is_due
    }

    /// After a page: how far the list was read, if it is read no further. It counts as read back to the newest post of its
    /// last page: not every list is strictly in order.
    pub(super) fn end(&mut self, is_last: bool) -> Option<Listing> {
        let back_to = self.newest.take();
        let has_news = std::mem::take(&mut self.has_news);
        self.pages += 1;
        let is_whole = is_last || self.pages >= MOST_PAGES;
        let is_past_due = self.task.oldest_due.is_none_or(|due| back_to.is_some_and(|back_to| back_to < due));
        let is_enough = if self.task.reads_all {
            // The rest with the next pull. Later on nothing would lead back to a rest.
            self.most.is_some_and(|most| self.taken >= most)
        } else {
            !has_news && is_past_due
        };
        (is_whole || is_enough).then_some(Listing { is_whole, back_to })
    }
}

/// A count that the database takes.
pub(super) fn count(value: &Value) -> Option<i64> {
    whole(value).filter(|count| (0..=MOST).contains(count))
}

/// The same of numbers that corrections can make negative.
pub(super) fn sum(value: &Value) -> Option<i64> {
    let exact = || value.as_f64().filter(|sum| sum.fract() == 0.0 && sum.abs() <= MOST as f64).map(|sum| sum as i64);
    whole(value).or_else(exact).filter(|sum| (-MOST..=MOST).contains(sum))
}

pub(super) fn address(url: Option<&str>) -> Option<String> {
    let is_address = |url: &&str| {
        url.starts_with("https://") && url.len() <= LONGEST_ADDRESS && url.bytes().all(|b| b.is_ascii_graphic())
    };
    url.filter(is_address).map(str::to_owned)
}

/// Text without what the database cannot hold.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "")
}

/// Puts a number where it belongs.
pub(super) fn put(post: &mut Post, metric: &Metric, value: Option<i64>) {
    let Some(value) = value else { return };
    match metric.metric.as_str() {
        "likes" => post.likes = Some(value),
        "comments" => post.comments = Some(value),
        "shares" => post.shares = Some(value),
        "saves" => post.saves = Some(value),
        "reach" => post.reach = Some(value),
        "views" => post.views = Some(value),
        other => drop(post.extra_data.insert(other.to_owned(), value.into())),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::TimeDelta;
    use serde_json::json;
    use sqlx::types::Json;
    use uuid::Uuid;

    use super::*;

    pub(in crate::insights) fn metric(scope: &str, kind: &str, metric: &str, api_name: &str) -> Metric {
        Metric {
            scope: scope.to_owned(),
            metric: metric.to_owned(),
            api_name: api_name.to_owned(),
            kind: kind.to_owned(),
            minimum_followers: None,
        }
    }

    pub(in crate::insights) fn task(kind: &str, metrics: Vec<Metric>) -> Task {
        Task {
            workspace_id: Uuid::nil(),
            account_id: Uuid::nil(),
            claim: Uuid::nil(),
            kind: kind.to_owned(),
            platform: String::new(),
            platform_user_id: "17".to_owned(),
            version: 1,
            access_token: String::new(),
            metrics: Json(metrics),
            refused: Json(Vec::new()),
            days: Vec::new(),
            fresh_posts: Vec::new(),
            newest_fresh: None,
            oldest_due: None,
            reads_all: false,
            most_posts: 3,
        }
    }

    fn hours_ago(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("a time") - TimeDelta::hours(hours)
    }

    #[test]
    fn a_list_is_read_until_nothing_in_it_is_due() {
        let mut task = task("posts", Vec::new());
        task.fresh_posts = vec!["2".to_owned(), "3".to_owned()];
        let mut walk = Walk::new(&task);
        assert!(walk.takes("1", hours_ago(1)) && !walk.takes("2", hours_ago(2)));
        assert_eq!(walk.end(false), None, "a page with news");
        assert!(!walk.takes("3", hours_ago(3)));
        assert_eq!(walk.end(false), Some(Listing { is_whole: false, back_to: Some(hours_ago(3)) }));

        task.oldest_due = Some(hours_ago(5));
        let mut walk = Walk::new(&task);
        assert!(!walk.takes("3", hours_ago(4)) && !walk.takes("2", hours_ago(6)));
        assert_eq!(walk.end(false), None, "a page that may still miss one that is due");
        assert!(!walk.takes("2", hours_ago(7)));
        assert_eq!(walk.end(false).map(|listing| listing.is_whole), Some(false));
    }

    #[test]
    fn a_post_that_is_twice_in_a_list_is_taken_once() {
        let task = task("posts", Vec::new());
        let mut walk = Walk::new(&task);
        assert!(walk.takes("1", hours_ago(1)) && !walk.takes("1", hours_ago(1)));
        assert_eq!(walk.end(false), None);
        assert!(!walk.takes("1", hours_ago(1)) && walk.takes("2", hours_ago(2)), "nor on the next page");
    }

    #[test]
    fn the_first_reading_comes_in_portions_and_later_ones_whole() {
        let mut task = task("posts", Vec::new());
        for reads_all in [true, false] {
            task.reads_all = reads_all;
            let mut walk = Walk::new(&task);
            assert!((0..5).all(|n| walk.takes(&n.to_string(), hours_ago(n))));
            assert_eq!(walk.end(false).is_some(), reads_all);
            let mut walk = Walk::to_the_end(&task);
            assert!((0..5).all(|n| walk.takes(&n.to_string(), hours_ago(n))));
            assert_eq!(walk.end(false), None);
        }
        let mut walk = Walk::new(&task);
        assert_eq!(walk.end(true), Some(Listing { is_whole: true, back_to: None }), "an empty one");
    }

    #[test]
    fn a_list_without_end_counts_as_read_where_nobody_reads_on() {
        let mut task = task("posts", Vec::new());
        for reads_all in [true, false] {
            task.reads_all = reads_all;
            let mut walk = Walk::to_the_end(&task);
            for page in 1..MOST_PAGES {
                assert!(walk.takes(&page.to_string(), hours_ago(1)));
                assert_eq!(walk.end(false), None, "page {page}");
            }
            assert!(walk.takes("one more", hours_ago(2)));
            assert_eq!(walk.end(false), Some(Listing { is_whole: true, back_to: Some(hours_ago(2)) }));
        }
    }

    #[test]
    fn numbers_that_are_none_are_unknown() {
        for value in
            [json!(null), json!(-1), json!(1.5), json!("x"), json!([]), json!(u64::MAX), json!("9223372036854775807")]
        {
            assert_eq!(count(&value), None, "{value}");
        }
        assert_eq!((count(&json!("4294967296")), count(&json!(0))), (Some(4_294_967_296), Some(0)));
        assert_eq!(
            (sum(&json!(-3)), sum(&json!(12.0)), sum(&json!(1e300)), sum(&json!(0.5))),
            (Some(-3), Some(12), None, None)
        );
    }

    #[test]
    fn only_addresses_are_addresses() {
        for url in ["javascript:alert(1)", "http://x.example", "https://x.example/a b", "https://x.example/\u{202e}"] {
            assert_eq!(address(Some(url)), None, "{url}");
        }
        assert_eq!(address(Some("https://x.example/a?b=c")).as_deref(), Some("https://x.example/a?b=c"));
        assert_eq!(text("a\0b"), "ab");
    }
}
