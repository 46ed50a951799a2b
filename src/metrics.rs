//! Captures of metrics and posts into columns that SQL can join, and series judged value by value.

use analytics_domain::list::{self, Refusal};
use analytics_domain::metrics::Post;
use analytics_domain::{anomalies, metrics};
use pgrx::prelude::*;

use crate::pg::interrupts;
use crate::pg::time::{timestamp, unix};

/// A list of captures in columns of one length, captured at the moment given where they do not say when; or what is wrong with it
/// and at which entries.
#[pg_extern(immutable, parallel_safe, strict, schema = "analytics_private")]
#[allow(clippy::type_complexity)]
fn read_captures(
    list: &str,
    captured_at: TimestampWithTimeZone,
) -> TableIterator<
    'static,
    (
        name!(metrics, Option<Vec<String>>),
        name!(measured_at, Option<Vec<Option<TimestampWithTimeZone>>>),
        name!(captured_at, Option<Vec<Option<TimestampWithTimeZone>>>),
        name!(metric_values, Option<Vec<Option<i64>>>),
        name!(reasons, Option<Vec<Option<String>>>),
        name!(problem, Option<String>),
        name!(hint, Option<String>),
        name!(positions, Option<Vec<i32>>),
    ),
> {
    TableIterator::once(match metrics::read_captures(list, interrupts::check) {
        Ok(mut captures) => (
            Some(captures.iter_mut().map(|capture| std::mem::take(&mut capture.metric)).collect()),
            Some(captures.iter().map(|capture| timestamp(capture.measured_at)).collect()),
            Some(
                captures.iter().map(|capture| capture.captured_at.and_then(timestamp).or(Some(captured_at))).collect(),
            ),
            Some(captures.iter().map(|capture| capture.value).collect()),
            Some(captures.into_iter().map(|capture| capture.reason).collect()),
            None,
            None,
            None,
        ),
        Err(Refusal { problem, hint, positions }) => {
            let positions = (!positions.is_empty()).then_some(positions);
            (None, None, None, None, None, Some(problem), Some(hint.to_owned()), positions)
        }
    })
}

/// From when to when captures reach, and the first ones that cannot be: measured or captured after `latest`, measured after they
/// were captured or before the platforms, at no time; below zero or beyond what is counted. The columns are of one length.
#[pg_extern(immutable, parallel_safe, strict, schema = "analytics_private")]
#[allow(clippy::type_complexity)]
fn check_captures(
    measured_at: Array<'_, TimestampWithTimeZone>,
    captured_at: Array<'_, TimestampWithTimeZone>,
    metric_values: Array<'_, i64>,
    latest: TimestampWithTimeZone,
) -> TableIterator<
    'static,
    (
        name!(first_measured_at, Option<TimestampWithTimeZone>),
        name!(last_measured_at, Option<TimestampWithTimeZone>),
        name!(first_captured_at, Option<TimestampWithTimeZone>),
        name!(last_captured_at, Option<TimestampWithTimeZone>),
        name!(bad_time, Option<i32>),
        name!(impossible, Option<i32>),
    ),
> {
    let position = |index: usize| i32::try_from(index + 1).unwrap_or(i32::MAX);
    let latest = unix(latest);
    let (mut measured, mut captured) = (Span::default(), Span::default());
    let mut bad_time = None;
    for (index, (measured_at, captured_at)) in measured_at.iter().zip(captured_at.iter()).enumerate() {
        let times = measured_at.map(unix).zip(captured_at.map(unix));
        match times
            .filter(|&(measured, captured)| list::EARLIEST <= measured && measured <= captured && captured <= latest)
        {
            Some((measured_at, captured_at)) => {
                measured.add(measured_at);
                captured.add(captured_at);
            }
            None => {
                bad_time = Some(position(index));
                break;
            }
        }
    }
    let impossible = metric_values
        .iter()
        .position(|value| value.is_some_and(|value| !metrics::COUNTS.contains(&value)))
        .map(position);
    let [first_measured, last_measured] = measured.ends();
    let [first_captured, last_captured] = captured.ends();
    TableIterator::once((first_measured, last_measured, first_captured, last_captured, bad_time, impossible))
}

/// The first and the last of some moments, in microseconds of the Unix era.
#[derive(Default)]
struct Span(Option<(i64, i64)>);

impl Span {
    fn add(&mut self, at: i64) {
        let (first, last) = self.0.unwrap_or((at, at));
        self.0 = Some((first.min(at), last.max(at)));
    }

    fn ends(&self) -> [Option<TimestampWithTimeZone>; 2] {
        [self.0.and_then(|(first, _)| timestamp(first)), self.0.and_then(|(_, last)| timestamp(last))]
    }
}

/// A list of posts, one row each; or one row that says what is wrong with it and at which entries.
#[pg_extern(immutable, parallel_safe, strict, schema = "analytics_private")]
#[allow(clippy::type_complexity)]
fn read_posts(
    list: &str,
) -> TableIterator<
    'static,
    (
        name!(platform_post_id, Option<String>),
        name!(post_url, Option<String>),
        name!(caption, Option<String>),
        name!(media_type, Option<String>),
        name!(posted_at, Option<TimestampWithTimeZone>),
        name!(captured_at, Option<TimestampWithTimeZone>),
        name!(hashtags, Option<Vec<String>>),
        name!(likes_count, Option<i64>),
        name!(comments_count, Option<i64>),
        name!(shares_count, Option<i64>),
        name!(saves_count, Option<i64>),
        name!(reach, Option<i64>),
        name!(views, Option<i64>),
        name!(extra_data, Option<String>),
        name!(problem, Option<String>),
        name!(hint, Option<String>),
        name!(positions, Option<Vec<i32>>),
    ),
> {
    let rows: Vec<(Option<Post>, Option<Refusal>)> = match metrics::read_posts(list, interrupts::check) {
        Ok(posts) => posts.into_iter().map(|post| (Some(post), None)).collect(),
        Err(refusal) => vec![(None, Some(refusal))],
    };
    TableIterator::new(rows.into_iter().map(|(post, refusal)| {
        let posted_at = post.as_ref().and_then(|post| timestamp(post.posted_at));
        let id = post.as_ref().map(|post| post.id.clone());
        let Post { url, caption, media_type, captured_at, hashtags, counts, extra_data, .. } = post.unwrap_or_default();
        let (problem, hint, positions) = match refusal {
            Some(refusal) => (Some(refusal.problem), Some(refusal.hint.to_owned()), Some(refusal.positions)),
            None => (None, None, None),
        };
        (
            id,
            url,
            caption,
            media_type,
            posted_at,
            captured_at.and_then(timestamp),
            hashtags,
            counts.likes,
            counts.comments,
            counts.shares,
            counts.saves,
            counts.reach,
            counts.views,
            extra_data,
            problem,
            hint,
            positions.filter(|positions| !positions.is_empty()),
        )
    }))
}

/// The values from `first` on (counted from 1) that can be judged by those before them, a step being a day.
#[pg_extern(immutable, parallel_safe, strict, schema = "analytics_private")]
#[allow(clippy::type_complexity)]
fn judge_series(
    series: Vec<Option<f64>>,
    first: i32,
) -> TableIterator<'static, (name!(place, i32), name!(expected, f64), name!(score, f64), name!(known, i32))> {
    let first = usize::try_from(first).unwrap_or(0).max(1);
    let judged: Vec<_> = (first - 1..series.len())
        .filter_map(|index| {
            interrupts::check();
            let judged = anomalies::judge(&series, index)?;
            Some((i32::try_from(index + 1).ok()?, judged.expected, judged.score, i32::try_from(judged.known).ok()?))
        })
        .collect();
    TableIterator::new(judged)
}
