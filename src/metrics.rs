//! Captures of metrics and posts into columns that SQL can join, and series judged value by value.

use analytics_domain::list::Refusal;
use analytics_domain::metrics::Post;
use analytics_domain::{anomalies, metrics};
use pgrx::prelude::*;

use crate::pg::interrupts;
use crate::pg::time::timestamp;

/// A list of captures in columns of one length, or what is wrong with it and at which entries.
#[pg_extern(immutable, parallel_safe, strict, schema = "analytics_private")]
#[allow(clippy::type_complexity)]
fn read_captures(
    list: &str,
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
            Some(captures.iter().map(|capture| capture.captured_at.and_then(timestamp)).collect()),
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
