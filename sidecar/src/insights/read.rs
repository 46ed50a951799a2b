//! What the readers of all platforms share: numbers as answers hold them, days, and how far a list of posts is read.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use super::store::{Capture, Listing, Metric, Task};

/// No platform counts that far, and the tables do not take it.
const MOST: i64 = 1_000_000_000_000_000;

/// What our own addresses are short of, by far.
const LONGEST_ADDRESS: usize = 2000;

/// A whole number, as such or as text.
pub(super) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|value| *value <= MOST)
}

/// A count of a post, which cannot be negative.
pub(super) fn count(value: &Value) -> Option<i64> {
    whole(value).filter(|value| *value >= 0)
}

pub(super) fn start_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let read = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z").or_else(|_| DateTime::parse_from_rfc3339(text));
    read.ok().map(|at| at.to_utc())
}

pub(super) fn capture(metric: &Metric, measured_at: Option<DateTime<Utc>>, value: Option<i64>) -> Capture {
    Capture { metric: metric.metric.clone(), measured_at, value, reason: None }
}

/// What an answer says of a metric; null where it says nothing.
pub(super) fn said(metric: &Metric, measured_at: Option<DateTime<Utc>>, said: &Value) -> Capture {
    let value = whole(said);
    let reason = (value.is_none() && !said.is_null()).then_some("the platform's answer is no number that can be");
    Capture { reason, ..capture(metric, measured_at, value) }
}

/// Without what the database cannot hold.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "")
}

/// The platform's names, each once.
pub(super) fn api_names<'a>(metrics: &[&'a Metric]) -> Vec<&'a str> {
    let mut names: Vec<&str> = metrics.iter().map(|metric| metric.api_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Nothing else may become part of an address.
pub(super) fn is_id(id: &str) -> bool {
    (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Where a post can be seen; anything but a plain address of the web is dropped.
pub(super) fn address(url: Option<&str>) -> Option<String> {
    let is_address = |url: &&str| {
        url.starts_with("https://") && url.len() <= LONGEST_ADDRESS && url.bytes().all(|b| b.is_ascii_graphic())
    };
    url.filter(is_address).map(str::to_owned)
}

/// Reads a list of posts, newest first: once to its end, afterwards until nothing new comes and no older one is due.
pub(super) struct Reader<'a> {
    task: &'a Task,
    left: i32,
    is_news: bool,
    back_to: Option<DateTime<Utc>>,
}

/// What to do with the next post of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It was measured lately.
    Pass,
    Measure,
    /// As many as one pull takes; the next one goes on.
    Enough,
}

impl<'a> Reader<'a> {
    pub(super) fn new(task: &'a Task) -> Self {
        Reader { task, left: task.most_posts, is_news: false, back_to: None }
    }

    pub(super) fn step(&mut self, id: &str, posted_at: DateTime<Utc>) -> Step {
        let is_fresh = self.task.fresh_posts.iter().any(|fresh| fresh == id);
        self.is_news |= !is_fresh;
        // Only while the list is read for the first time: afterwards nothing would lead back to the rest.
        if !is_fresh && self.task.reads_all && self.left <= 0 {
            return Step::Enough;
        }
        self.back_to = Some(posted_at);
        if is_fresh {
            return Step::Pass;
        }
        self.left -= 1;
        Step::Measure
    }

    /// After a page: how far the list was read, if that is enough.
    pub(super) fn turn(&mut self, is_last: bool) -> Option<Listing> {
        let is_past_due = self.task.oldest_due.is_none_or(|due| self.back_to.is_some_and(|back_to| back_to < due));
        let is_enough = is_last || !self.task.reads_all && !self.is_news && is_past_due;
        self.is_news = false;
        is_enough.then_some(Listing { is_whole: is_last, back_to: self.back_to })
    }

    /// How far it was read where it was left in the middle.
    pub(super) fn cut(&self) -> Listing {
        Listing { is_whole: false, back_to: self.back_to }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;
    use sqlx::types::Json;
    use uuid::Uuid;

    use super::*;

    pub(in super::super) fn metric(scope: &str, metric: &str, api_name: &str) -> Metric {
        Metric {
            scope: scope.to_owned(),
            metric: metric.to_owned(),
            api_name: api_name.to_owned(),
            kind: "flow".to_owned(),
            minimum_followers: None,
        }
    }

    pub(in super::super) fn task(platform: &str, kind: &str, platform_user_id: &str) -> Task {
        Task {
            workspace_id: Uuid::nil(),
            account_id: Uuid::nil(),
            claim: Uuid::nil(),
            kind: kind.to_owned(),
            platform: platform.to_owned(),
            platform_user_id: platform_user_id.to_owned(),
            version: 1,
            access_token: String::new(),
            metrics: Json(Vec::new()),
            refused: Json(Vec::new()),
            days: Vec::new(),
            fresh_posts: Vec::new(),
            oldest_due: None,
            reads_all: false,
            most_posts: 2,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a time")
    }

    #[test]
    fn what_is_no_number_is_unknown_and_says_so() {
        let views = metric("account", "views", "views");
        let read = |said: Value| {
            let capture = super::said(&views, None, &said);
            (capture.value, capture.reason.is_some())
        };
        assert_eq!(read(json!(7)), (Some(7), false));
        assert_eq!(read(json!("5000000000")), (Some(5_000_000_000), false));
        assert_eq!(read(json!(-3)), (Some(-3), false), "the database says what the platform said");
        assert_eq!(read(Value::Null), (None, false));
        for said in
            [json!(1.5), json!({"like": 1}), json!([]), json!(true), json!("many"), json!(1e300), json!(u64::MAX)]
        {
            assert_eq!(read(said.clone()), (None, true), "{said}");
        }
        assert_eq!(count(&json!(-1)), None);
    }

    #[test]
    fn a_list_is_read_as_far_as_it_has_to_be() {
        let mut task = task("facebook", "posts", "1");
        task.fresh_posts = vec!["known".to_owned()];
        let mut reader = Reader::new(&task);
        assert_eq!(reader.step("new", at(50)), Step::Measure);
        assert_eq!(reader.turn(false), None, "news: there may be more");
        assert_eq!(reader.step("known", at(40)), Step::Pass);
        assert_eq!(reader.turn(false), Some(Listing { is_whole: false, back_to: Some(at(40)) }));
        assert!((0..9).all(|n| reader.step(&n.to_string(), at(30 - n)) == Step::Measure), "all that is due");

        task.oldest_due = Some(at(10));
        let mut reader = Reader::new(&task);
        reader.step("known", at(40));
        assert_eq!(reader.turn(false), None, "one that is due is further back");
        reader.step("known", at(9));
        assert!(reader.turn(false).is_some());
        task.reads_all = true;
        let mut reader = Reader::new(&task);
        reader.step("known", at(9));
        assert_eq!(reader.turn(false), None);
        assert_eq!(reader.turn(true), Some(Listing { is_whole: true, back_to: Some(at(9)) }));
        let mut reader = Reader::new(&task);
        let steps = [50, 40, 30].map(|seconds| reader.step(&seconds.to_string(), at(seconds)));
        assert_eq!(steps, [Step::Measure, Step::Measure, Step::Enough], "the first time in portions");
        assert_eq!(reader.cut(), Listing { is_whole: false, back_to: Some(at(40)) });
    }

    #[test]
    fn only_numbers_become_part_of_an_address() {
        assert!(is_id("17841400000000017"));
        for id in ["", "me", "../me", "1/2", "1?x", "1%2f", "//evil.example", "１", &"1".repeat(33)] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn only_plain_addresses_are_kept() {
        assert_eq!(address(Some("https://x.example/p/1")).as_deref(), Some("https://x.example/p/1"));
        for url in ["javascript:alert(1)", "http://x.example", "https://x.example/ü", "https://x.example/a b", ""] {
            assert_eq!(address(Some(url)), None, "{url}");
        }
    }
}
