//! Lists of followers into columns that SQL can join.

use analytics_domain::follower_set::Ids;
use analytics_domain::followers::{self, Person};
use analytics_domain::list::Refusal;
use pgrx::prelude::*;

use crate::follower_set::ok;
use crate::pg::interrupts;
use crate::pg::time::{timestamp, unix};

/// The people of a list, which is a JSON array or comes in columns, each once: in columns of one length, null where no one has
/// such a value. Or what is wrong with it, and at which entries.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
#[allow(clippy::type_complexity)]
fn read_people(
    platform: &str,
    max_people: i32,
    list: Option<&str>,
    handles: Option<Array<'_, &str>>,
    platform_user_ids: Option<Array<'_, &str>>,
    followed_at: Option<Array<'_, TimestampWithTimeZone>>,
) -> TableIterator<
    'static,
    (
        name!(handles, Option<Vec<Option<String>>>),
        name!(platform_user_ids, Option<Vec<Option<String>>>),
        name!(followed_at, Option<Vec<Option<TimestampWithTimeZone>>>),
        name!(is_gone, Option<Vec<bool>>),
        name!(full_names, Option<Vec<Option<String>>>),
        name!(profile_pic_urls, Option<Vec<Option<String>>>),
        name!(verified, Option<Vec<Option<bool>>>),
        name!(follower_counts, Option<Vec<Option<i64>>>),
        name!(extra_data, Option<Vec<Option<String>>>),
        name!(problem, Option<String>),
        name!(hint, Option<String>),
        name!(positions, Option<Vec<i32>>),
    ),
> {
    let max_people = usize::try_from(max_people).unwrap_or(0).min(followers::MAX_PEOPLE);
    let people = match list {
        Some(list) => followers::read_list(platform, list, max_people, interrupts::check),
        None => from_columns(platform, max_people, handles, platform_user_ids, followed_at),
    };
    TableIterator::once(match people {
        Ok(mut people) => (
            column(&mut people, |person| person.handle.take()),
            column(&mut people, |person| person.id.take()),
            column(&mut people, |person| person.followed_at.and_then(timestamp)),
            people.iter().any(|person| person.is_gone).then(|| people.iter().map(|person| person.is_gone).collect()),
            column(&mut people, |person| person.full_name.take()),
            column(&mut people, |person| person.profile_pic_url.take()),
            column(&mut people, |person| person.is_verified),
            column(&mut people, |person| person.follower_count),
            column(&mut people, |person| person.extra_data.take()),
            None,
            None,
            None,
        ),
        Err(Refusal { problem, hint, positions }) => (
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            Some(problem),
            Some(hint.to_owned()),
            (!positions.is_empty()).then_some(positions),
        ),
    })
}

/// A handle as lists have it; null when nobody can be called so.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn read_handle(platform: &str, input: &str) -> Option<String> {
    followers::normalize_handle(platform, input).ok()
}

/// The numbers, with the next ones after `last` in place of the nulls.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn number_new(numbers: Array<'_, i64>, last: i64) -> Vec<i64> {
    let mut next = last;
    numbers
        .iter()
        .map(|number| {
            number.unwrap_or_else(|| {
                next += 1;
                next
            })
        })
        .collect()
}

/// Since when those of a page follow who are not gone, as [`times_of`] takes it; nothing without times. A number of 0 is nobody.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn pack_times(
    numbers: Option<Array<'_, i64>>,
    is_gone: Option<Array<'_, bool>>,
    followed_at: Option<Array<'_, TimestampWithTimeZone>>,
) -> Option<Vec<u8>> {
    let (numbers, followed_at) = numbers.zip(followed_at)?;
    let mut gone = is_gone.iter().flat_map(Array::iter);
    let times = numbers.iter().zip(followed_at.iter()).map(|(number, at)| {
        let is_gone = gone.next().flatten().unwrap_or(false);
        (number.filter(|number| *number > 0 && !is_gone), at.map(TimestampWithTimeZone::into_inner))
    });
    Some(followers::pack_times(times.filter_map(|(number, at)| Some((number?, at)))))
}

/// Since when each of the wanted follows, by ascending number, as far as a page has him.
#[pg_extern(immutable, parallel_safe, schema = "analytics_private")]
fn times_of(members: Array<'_, &[u8]>, times: Array<'_, &[u8]>, wanted: &[u8]) -> Vec<Option<TimestampWithTimeZone>> {
    let ids = |set: &[u8]| ok(Ids::new(set.to_vec()));
    let pages = members.iter().zip(times.iter()).filter_map(|(members, times)| Some((ids(members?), times)));
    let times = ok(followers::times_of(pages, ids(wanted), interrupts::check));
    times.into_iter().map(|at| TimestampWithTimeZone::try_from(at?).ok()).collect()
}

fn from_columns(
    platform: &str,
    max_people: usize,
    handles: Option<Array<'_, &str>>,
    ids: Option<Array<'_, &str>>,
    followed_at: Option<Array<'_, TimestampWithTimeZone>>,
) -> Result<Vec<Person>, Refusal> {
    let lengths =
        [handles.as_ref().map(Array::len), ids.as_ref().map(Array::len), followed_at.as_ref().map(Array::len)];
    let mut handles = handles.iter().flat_map(Array::iter);
    let mut ids = ids.iter().flat_map(Array::iter);
    let mut followed_at = followed_at.iter().flat_map(Array::iter);
    let next = || {
        let at = followed_at.next().flatten().map(unix);
        (handles.next().flatten(), ids.next().flatten(), at)
    };
    followers::clean_list(platform, lengths, max_people, next, interrupts::check)
}

/// A column, unless it is all null.
fn column<T>(people: &mut [Person], value: impl Fn(&mut Person) -> Option<T>) -> Option<Vec<Option<T>>> {
    let values: Vec<Option<T>> = people.iter_mut().map(value).collect();
    values.iter().any(Option::is_some).then_some(values)
}
