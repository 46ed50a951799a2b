//! What Facebook's and Instagram's insights share: the form of answers, numbers of the account as it is, values by day.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::read::{api_names, moment, said, start_of, whole};
use super::store::{Capture, Gathered, Metric, Refused, Task};
use super::{Asker, Stop};
use crate::oauth::TokenError;

#[derive(Debug, Deserialize)]
pub(super) struct Insights {
    pub(super) data: Vec<Insight>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Insight {
    pub(super) name: String,
    #[serde(default)]
    pub(super) values: Vec<Point>,
    pub(super) total_value: Option<Total>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Point {
    #[serde(default)]
    pub(super) value: Value,
    pub(super) end_time: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Total {
    #[serde(default)]
    pub(super) value: Value,
    #[serde(default)]
    pub(super) breakdowns: Vec<Breakdown>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Breakdown {
    #[serde(default)]
    pub(super) results: Vec<Slice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Slice {
    pub(super) dimension_values: Vec<String>,
    #[serde(default)]
    pub(super) value: Value,
}

/// `next` is a whole address with the token in it: only that it is there counts.
#[derive(Debug, Deserialize)]
pub(super) struct Paging {
    cursors: Option<Cursors>,
    next: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Cursors {
    after: Option<String>,
}

/// Where the next page of a list begins; None after the last.
pub(super) fn after(paging: Option<&Paging>) -> Option<&str> {
    paging.filter(|paging| paging.next.is_some())?.cursors.as_ref()?.after.as_deref()
}

pub(super) fn insight<'a>(answers: &'a [Insights], name: &str) -> Option<&'a Insight> {
    answers.iter().flat_map(|answer| &answer.data).find(|insight| insight.name == name)
}

/// The account's fields, as they are now. Returns its followers.
pub(super) async fn levels(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<Option<i64>, Stop> {
    let levels: Vec<&Metric> = task.wanted("account", "account").filter(|metric| metric.kind == "level").collect();
    let query = |fields| vec![("fields", fields)];
    let path = &task.platform_user_id;
    let nodes: Vec<Map<String, Value>> =
        asker.get_each("account", &api_names(&levels), &mut gathered.refused, path, query).await?;
    let node: HashMap<&str, &Value> = nodes.iter().flatten().map(|(name, value)| (name.as_str(), value)).collect();
    let value = |metric: &Metric| node.get(metric.api_name.as_str()).map_or(&Value::Null, |value| *value);
    gathered.metrics.extend(levels.iter().map(|metric| said(metric, None, value(metric))));
    Ok(node.get("followers_count").and_then(|value| whole(value)))
}

/// Metrics that come by day. What is told of larger accounts only need not be asked for; that it is unknown is noted all the
/// same.
pub(super) fn flows<'a>(task: &'a Task, followers: Option<i64>, gathered: &mut Gathered) -> Vec<&'a Metric> {
    let flows = task.wanted("account", "account").filter(|metric| metric.kind == "flow");
    let (flows, untold): (Vec<&Metric>, Vec<&Metric>) =
        flows.partition(|metric| metric.minimum_followers.is_none_or(|minimum| followers.is_none_or(|n| n >= minimum)));
    for day in &task.days {
        let at = Some(start_of(*day));
        gathered.metrics.extend(untold.iter().map(|metric| said(metric, at, &Value::Null)));
    }
    flows
}

/// More than that at once is refused.
const LONGEST_SPAN: TimeDelta = TimeDelta::days(30);

/// From when until when the values of days are asked for. Days are California's, which end up to eight hours after those of
/// UTC. The newest that is not over yet is not asked for; what counts is where a day ends, so the span may begin within the oldest.
fn span(oldest: NaiveDate, newest: NaiveDate, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let until = (start_of(newest) + TimeDelta::days(2)).min(now);
    (start_of(oldest).max(until - LONGEST_SPAN), until)
}

/// Metrics of which one answer has the values of many days.
pub(super) async fn series(
    asker: &mut Asker<'_>,
    task: &Task,
    metrics: &[&Metric],
    gathered: &mut Gathered,
) -> Result<(), Stop> {
    let (Some(newest), Some(oldest)) = (task.days.iter().max(), task.days.iter().min()) else { return Ok(()) };
    let (since, until) = span(*oldest, *newest, Utc::now());
    let query = |metrics| {
        vec![
            ("metric", metrics),
            ("period", "day".to_owned()),
            ("since", since.timestamp().to_string()),
            ("until", until.timestamp().to_string()),
        ]
    };
    let path = format!("{}/insights", task.platform_user_id);
    let answers = asker.get_each("account", &api_names(metrics), &mut gathered.refused, &path, query).await?;
    gathered.metrics.extend(read_series(metrics, &task.days, &answers));
    Ok(())
}

/// So many posts whose insights are denied, and none whose are not: it is not the posts.
const MOST_DENIED: u32 = 3;

/// So many one after the other that bring trouble: it is not the posts.
const MOST_TROUBLES: u32 = 3;

/// The insights of posts, as long as they are given at all. What is odd about one post must not keep all older ones away.
pub(super) struct Measuring {
    /// Of one post: seen by too few, too old.
    is_untold: fn(&TokenError) -> bool,
    is_served: bool,
    denials: u32,
    denied: Option<TokenError>,
    troubles: u32,
}

impl Measuring {
    pub(super) fn new(is_untold: fn(&TokenError) -> bool) -> Self {
        Measuring { is_untold, is_served: false, denials: 0, denied: None, troubles: 0 }
    }

    /// Nothing where nothing is said of this post, None when it is there no more.
    pub(super) async fn ask(
        &mut self,
        asker: &mut Asker<'_>,
        subject: &'static str,
        names: &[&str],
        refused: &mut Vec<Refused>,
        path: &str,
        query: impl Fn(String) -> Vec<(&'static str, String)>,
    ) -> Result<Option<Vec<Insights>>, Stop> {
        if names.is_empty() || !self.is_served && self.denials >= MOST_DENIED {
            return Ok(Some(Vec::new()));
        }
        let answer = asker.get_each(subject, names, refused, path, query).await;
        self.pass(answer)
    }

    fn pass(&mut self, answer: Result<Vec<Insights>, Stop>) -> Result<Option<Vec<Insights>>, Stop> {
        let troubles = std::mem::take(&mut self.troubles);
        let error = match answer {
            Ok(answers) => {
                self.is_served = true;
                return Ok(Some(answers));
            }
            Err(Stop::Failed(error)) => error,
            Err(stop) => return Err(stop),
        };
        match &error {
            error if (self.is_untold)(error) => {}
            TokenError::Refused { code } if code == "no_insights" => {}
            // None of them for this post, of a kind that has other ones.
            TokenError::Configuration { code } if code == "100" => {}
            TokenError::Configuration { code } if code == "100/33" => return Ok(None),
            TokenError::Denied { .. } => {
                self.denials += 1;
                self.denied.get_or_insert(error);
            }
            TokenError::Temporary { .. } if troubles + 1 < MOST_TROUBLES => self.troubles = troubles + 1,
            _ => return Err(error.into()),
        }
        Ok(Some(Vec::new()))
    }

    /// What the list says is stored all the same; that more is denied has to be told.
    pub(super) fn end(self) -> Result<(), Stop> {
        match self.denied {
            Some(denied) if !self.is_served => Err(denied.into()),
            _ => Ok(()),
        }
    }
}

/// A value for each metric and day asked for, unknown where none came. A day is named by its end.
fn read_series(metrics: &[&Metric], days: &[NaiveDate], answers: &[Insights]) -> Vec<Capture> {
    let mut captures = Vec::new();
    for metric in metrics {
        let points = insight(answers, &metric.api_name).map_or(&[][..], |insight| &insight.values);
        for day in days {
            let of_day = points.iter().find_map(|point| {
                let start = moment(point.end_time.as_deref()?)?.checked_sub_signed(TimeDelta::days(1))?;
                (start.date_naive() == *day).then_some((start, &point.value))
            });
            let (start, value) = of_day.unwrap_or((start_of(*day), &Value::Null));
            captures.push(said(metric, Some(start), value));
        }
    }
    captures
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::listing::tests::metric;
    use super::*;

    pub(in super::super) fn answer(json: Value) -> Vec<Insights> {
        vec![serde_json::from_value(json).expect("an answer")]
    }

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 5, day).expect("a day")
    }

    #[test]
    fn a_series_is_read_by_the_ends_of_its_days() {
        // Days of the account's own zone.
        let answers = answer(
            json!({"data": [{"name": "reach", "period": "day", "title": "Reach", "id": "1/insights/reach/day",
            "values": [{"value": 11, "end_time": "2026-05-04T07:00:00+0000"}, {"value": 0, "end_time": "2026-05-05T07:00:00+0000"},
                {"end_time": "2026-05-06T07:00:00+0000"}, {"value": 4, "end_time": "one day"},
                {"value": 4, "end_time": "-262143-01-01T00:00:00+0000"}, {"value": {"US": 3}, "end_time": "2026-05-07T07:00:00+0000"}]}], "paging": {}}),
        );
        let reach = metric("account", "flow", "reach", "reach");
        let captures = read_series(&[&reach], &[day(6), day(5), day(4), day(3), day(2)], &answers);
        let read: Vec<_> = captures
            .iter()
            .map(|it| (it.measured_at.expect("a day").to_rfc3339(), it.value, it.reason.is_some()))
            .collect();
        let expected = [
            ("2026-05-06T07:00:00+00:00", None, true),
            ("2026-05-05T07:00:00+00:00", None, false),
            ("2026-05-04T07:00:00+00:00", Some(0), false),
            ("2026-05-03T07:00:00+00:00", Some(11), false),
            ("2026-05-02T00:00:00+00:00", None, false),
        ];
        assert_eq!(read, expected.map(|(at, value, has_reason)| (at.to_owned(), value, has_reason)));
    }

    #[test]
    fn a_day_of_california_ends_after_ours_and_not_in_the_future() {
        let at = |text: &str| moment(text).expect("a time");
        let asked = |oldest, newest, now: &str| span(oldest, newest, at(now));
        let (first, last) = (day(1), day(30));
        assert_eq!(asked(day(2), day(3), "2026-05-04T06:00:00Z"), (start_of(day(2)), at("2026-05-04T06:00:00Z")));
        assert_eq!(asked(day(2), day(3), "2026-05-09T06:00:00Z"), (start_of(day(2)), at("2026-05-05T00:00:00Z")));
        // Of thirty days, the first still ends in what is asked for, at 07:00 of the second.
        assert_eq!(
            asked(first, last, "2026-05-31T23:59:00Z"),
            (at("2026-05-01T23:59:00Z"), at("2026-05-31T23:59:00Z"))
        );
        assert_eq!(asked(first, last, "2026-06-09T00:00:00Z"), (start_of(day(2)), at("2026-06-01T00:00:00Z")));
    }

    #[test]
    fn one_odd_post_keeps_no_other_away() {
        let failed = |error: TokenError| Err(Stop::Failed(error));
        let temporary = || TokenError::Temporary { code: "2".into(), retry_after: None };
        let mut measuring = Measuring::new(|error| matches!(error, TokenError::Denied { code } if code == "10"));
        let unknown =
            |answer: Result<Option<Vec<Insights>>, Stop>| answer.is_ok_and(|it| it.is_some_and(|it| it.is_empty()));
        for error in [
            TokenError::Refused { code: "no_insights".into() },
            TokenError::Configuration { code: "100".into() },
            TokenError::Denied { code: "10".into() },
            temporary(),
            temporary(),
        ] {
            assert!(unknown(measuring.pass(failed(error))));
        }
        assert!(unknown(measuring.pass(failed(TokenError::Denied { code: "10".into() }))));
        assert!(unknown(measuring.pass(failed(temporary()))) && unknown(measuring.pass(failed(temporary()))));
        assert!(measuring.pass(failed(temporary())).is_err(), "the third in a row");
        assert!(
            measuring.pass(failed(TokenError::Configuration { code: "100/33".into() })).is_ok_and(|it| it.is_none())
        );
        assert!(measuring.end().is_ok());
    }

    #[test]
    fn answers_of_another_form_are_none() {
        for body in ["null", "[]", "{}", r#"{"data": {}}"#, r#"{"data": [{"values": []}]}"#, r#"{"data": [5]}"#] {
            assert!(serde_json::from_str::<Insights>(body).is_err(), "{body}");
        }
    }
}
