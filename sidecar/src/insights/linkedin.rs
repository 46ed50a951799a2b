//! LinkedIn organisations' insights. Of members LinkedIn tells nothing with the permissions that are asked for.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::listing::{Walk, count, put, sum, text};
use super::read::{capture, is_id, said, start_of};
use super::store::{Audience, Capture, Gathered, Listing, Metric, Post, Task};
use super::{Asker, Stop};
use crate::oauth::TokenError;

/// The registry's names of what comes by other calls than the statistics of posts.
const FOLLOWERS: &str = "networkSizes";
const GAINS: &str = "followerGains";

/// Added up here, of these.
const ENGAGEMENT: &str = "engagement";
const PARTS: [&str; 4] = ["likeCount", "commentCount", "shareCount", "clickCount"];

const PART_UNKNOWN: &str = "a part of it is not known";

const OF_MEMBERS: &str = "LinkedIn tells this of organisations only, not of members";

/// (LinkedIn's name of a list, what it divides by)
const FACETS: [(&str, &str); 7] = [
    ("followerCountsByGeoCountry", "geo"),
    ("followerCountsByGeo", "geo"),
    ("followerCountsByFunction", "function"),
    ("followerCountsBySeniority", "seniority"),
    ("followerCountsByIndustry", "industry"),
    ("followerCountsByStaffCountRange", "staffCountRange"),
    ("followerCountsByAssociationType", "associationType"),
];
const LONGEST_LIST: usize = 100;

const PAGE_SIZE: usize = 100;

/// Posts measured in one call: their names make its address.
const AT_ONCE: usize = 20;

/// So many posts whose numbers are denied, and none whose are not: it is not the posts.
const MOST_DENIED: u32 = 3;

const LONGEST_CAPTION: usize = 20_000;

pub(super) async fn gather(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    // Organisations have numbers, members words.
    if !is_id(&task.platform_user_id) {
        return of_member(task, gathered);
    }
    match task.kind.as_str() {
        "account" => account(asker, task, gathered).await,
        "audience" => audience(asker, task, gathered).await,
        "posts" => posts(asker, task, gathered).await,
        _ => Err(TokenError::Refused { code: "kind".into() }.into()),
    }
}

fn of_member(task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    match task.kind.as_str() {
        "account" => {
            let unknown = |metric: &Metric, measured_at| Capture {
                metric: metric.metric.clone(),
                measured_at,
                value: None,
                reason: Some(OF_MEMBERS),
            };
            for metric in task.wanted("account", "account") {
                if metric.kind == "level" {
                    gathered.metrics.push(unknown(metric, None));
                } else {
                    gathered.metrics.extend(task.days.iter().map(|day| unknown(metric, Some(start_of(*day)))));
                }
            }
        }
        "audience" => gathered.audiences.push(Audience { audience: "followers", ..Audience::default() }),
        _ => gathered.listing = Some(Listing { is_whole: true, back_to: None }),
    }
    Ok(())
}

/// What is denied, to be told once the rest is there.
#[derive(Default)]
struct Denials(Option<TokenError>);

impl Denials {
    /// None where this one call is denied; all other failures end the pull.
    fn pass<T>(&mut self, answer: Result<T, Stop>) -> Result<Option<T>, Stop> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(Stop::Failed(error @ TokenError::Denied { .. })) => {
                self.0.get_or_insert(error);
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    fn end(self) -> Result<(), Stop> {
        self.0.map_or(Ok(()), |denied| Err(denied.into()))
    }
}

#[derive(Debug, Deserialize)]
struct Elements<T> {
    elements: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkSize {
    #[serde(default)]
    first_degree_size: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    time_range: Option<TimeRange>,
    share: Option<String>,
    ugc_post: Option<String>,
    #[serde(default)]
    total_share_statistics: Map<String, Value>,
    #[serde(default)]
    follower_gains: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct TimeRange {
    /// Milliseconds
    start: i64,
}

/// Statistics of an organisation. Rest.li's brackets must not be escaped, what is in a name must be.
async fn statistics<T: DeserializeOwned>(
    asker: &mut Asker<'_>,
    task: &Task,
    target: &'static str,
    of: &str,
    more: &str,
) -> Result<Vec<T>, Stop> {
    let organization = escaped(&format!("urn:li:organization:{}", task.platform_user_id));
    let path = format!("rest/{of}?q=organizationalEntity&organizationalEntity={organization}{more}");
    asker.get::<Elements<T>>(target, &path, &[]).await.map(|answer| answer.elements)
}

fn escaped(name: &str) -> String {
    name.replace(':', "%3A")
}

async fn account(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let mut denials = Denials::default();
    let wanted: Vec<&Metric> = task.wanted("account", "account").collect();
    if let Some(followers) = wanted.iter().find(|metric| metric.api_name == FOLLOWERS) {
        let organization = escaped(&format!("urn:li:organization:{}", task.platform_user_id));
        let path = format!("rest/networkSizes/{organization}?edgeType=COMPANY_FOLLOWED_BY_MEMBER");
        if let Some(size) = denials.pass(asker.get::<NetworkSize>("account", &path, &[]).await)? {
            gathered.metrics.push(said(followers, None, &size.first_degree_size));
        }
    }
    let (Some(newest), Some(oldest)) = (task.days.iter().max(), task.days.iter().min()) else {
        return denials.end();
    };
    let (start, end) = (start_of(*oldest), start_of(*newest) + TimeDelta::days(1));
    let interval = format!(
        "&timeIntervals=(timeRange:(start:{},end:{}),timeGranularityType:DAY)",
        start.timestamp_millis(),
        end.timestamp_millis()
    );
    let (gains, of_posts): (Vec<&Metric>, Vec<&Metric>) =
        wanted.into_iter().filter(|metric| metric.kind == "flow").partition(|metric| metric.api_name == GAINS);
    if !of_posts.is_empty() {
        let answer = statistics(asker, task, "account", "organizationalEntityShareStatistics", &interval).await;
        if let Some(days) = denials.pass(answer)? {
            gathered.metrics.extend(read_days(&of_posts, &task.days, &days));
        }
    }
    if let Some(metric) = gains.first() {
        let answer = statistics(asker, task, "account", "organizationalEntityFollowerStatistics", &interval).await;
        if let Some(days) = denials.pass(answer)? {
            gathered.metrics.extend(read_gains(metric, &task.days, &days));
        }
    }
    denials.end()
}

/// Days are those of UTC.
fn of_day(days: &[Statistics], day: NaiveDate) -> Option<&Statistics> {
    let start = start_of(day).timestamp_millis();
    days.iter().find(|element| element.time_range.as_ref().is_some_and(|range| range.start == start))
}

/// A value for each metric and day asked for, unknown where none came, and what follows from them.
fn read_days(metrics: &[&Metric], days: &[NaiveDate], answer: &[Statistics]) -> Vec<Capture> {
    let mut captures = Vec::new();
    for day in days {
        let at = Some(start_of(*day));
        let counts = of_day(answer, *day).map(|element| &element.total_share_statistics);
        let value = |name: &str| counts.and_then(|counts| counts.get(name)).unwrap_or(&Value::Null);
        captures.extend(metrics.iter().map(|metric| said(metric, at, value(&metric.api_name))));
        let total = PARTS.into_iter().map(|part| count(value(part))).sum::<Option<i64>>();
        let total = total.and_then(|total| count(&total.into()));
        // Nothing came of the whole day: then that is the reason.
        let is_known = PARTS.into_iter().any(|part| !value(part).is_null());
        captures.push(Capture {
            metric: ENGAGEMENT.to_owned(),
            measured_at: at,
            value: total,
            reason: (total.is_none() && is_known).then_some(PART_UNKNOWN),
        });
    }
    captures
}

fn read_gains(metric: &Metric, days: &[NaiveDate], answer: &[Statistics]) -> Vec<Capture> {
    let read = |day: &NaiveDate| {
        let gains = of_day(answer, *day).map(|element| &element.follower_gains);
        let part = |name: &str| gains.and_then(|gains| gains.get(name)).and_then(sum);
        let gained = part("organicFollowerGain").zip(part("paidFollowerGain")).map(|(one, other)| one + other);
        let value = gained.and_then(|gained| sum(&gained.into()));
        let is_known = gains.is_some_and(|gains| !gains.is_empty());
        Capture {
            reason: (value.is_none() && is_known).then_some(PART_UNKNOWN),
            ..capture(metric, Some(start_of(*day)), value)
        }
    };
    days.iter().map(read).collect()
}

async fn audience(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let of = "organizationalEntityFollowerStatistics";
    let elements: Vec<Map<String, Value>> = statistics(asker, task, "audience", of, "").await?;
    gathered.audiences.push(Audience {
        audience: "followers",
        facets: elements.first().and_then(read_facets),
        ..Audience::default()
    });
    Ok(())
}

/// By LinkedIn's names and with its own words for the parts: which country a geo is, is not in the answer.
fn read_facets(element: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut facets = Map::new();
    for (list, key) in FACETS {
        let Some(parts) = element.get(list).and_then(Value::as_array) else { continue };
        let mut read: Vec<(&str, i64)> = parts.iter().filter_map(|part| read_part(part, key)).collect();
        read.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        read.truncate(LONGEST_LIST);
        let read: Vec<Value> = read.into_iter().map(|(name, people)| json!({key: name, "count": people})).collect();
        if !read.is_empty() {
            facets.insert(list.trim_start_matches("followerCountsBy").to_owned(), read.into());
        }
    }
    (!facets.is_empty()).then_some(facets)
}

fn read_part<'a>(part: &'a Value, key: &str) -> Option<(&'a str, i64)> {
    let counts = &part["followerCounts"];
    let people = count(&counts["organicFollowerCount"])?.checked_add(count(&counts["paidFollowerCount"])?)?;
    let name = part[key].as_str().filter(|name| (1..=200).contains(&name.len()) && !name.contains('\0'))?;
    Some((name, people))
}

#[derive(Debug, Deserialize)]
struct Page {
    elements: Vec<Item>,
    paging: Option<Paging>,
}

#[derive(Debug, Deserialize)]
struct Paging {
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
struct Link {
    rel: Option<String>,
}

impl Page {
    /// A short page may be followed by another: what is filtered out counts on its page.
    fn is_last(&self) -> bool {
        let links = self.paging.as_ref().map_or(&[][..], |paging| &paging.links);
        self.elements.is_empty()
            || self.elements.len() < PAGE_SIZE && !links.iter().any(|link| link.rel.as_deref() == Some("next"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    commentary: Option<String>,
    lifecycle_state: Option<String>,
    /// Milliseconds, of posts that are out.
    published_at: Option<i64>,
    created_at: Option<i64>,
    #[serde(default)]
    content: Value,
}

impl Item {
    fn posted_at(&self) -> Option<DateTime<Utc>> {
        let is_out = self.lifecycle_state.as_deref().is_none_or(|state| state == "PUBLISHED");
        let at = DateTime::from_timestamp_millis(self.published_at.or(self.created_at)?)?;
        (is_out && at <= Utc::now()).then_some(at)
    }
}

/// The two kinds of posts: what they are called in an address, and in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Share,
    UgcPost,
}

fn kind(urn: &str) -> Option<Kind> {
    let (kind, id) = match urn.strip_prefix("urn:li:share:") {
        Some(id) => (Kind::Share, id),
        None => (Kind::UgcPost, urn.strip_prefix("urn:li:ugcPost:")?),
    };
    is_id(id).then_some(kind)
}

async fn posts(asker: &mut Asker<'_>, task: &Task, gathered: &mut Gathered) -> Result<(), Stop> {
    let author = escaped(&format!("urn:li:organization:{}", task.platform_user_id));
    let metrics: Vec<&Metric> = task.wanted("post", "post").collect();
    let mut walk = Walk::new(task);
    let mut measuring = Measuring::default();
    let mut start = 0;
    loop {
        let path = format!("rest/posts?q=author&author={author}&count={PAGE_SIZE}&start={start}&sortBy=CREATED");
        let page: Page = asker.get("posts", &path, &[]).await?;
        let due = page.elements.iter().filter_map(|item| Some((kind(&item.id)?, item, item.posted_at()?)));
        let due: Vec<(Kind, &Item, DateTime<Utc>)> = due.filter(|(_, item, at)| walk.takes(&item.id, *at)).collect();
        for of_kind in [Kind::Share, Kind::UgcPost] {
            let due = || due.iter().filter(move |(kind, ..)| *kind == of_kind);
            let ids: Vec<&str> = due().map(|(_, item, _)| item.id.as_str()).collect();
            let numbers = measuring.measure(asker, task, of_kind, &ids).await?;
            gathered.posts.extend(due().map(|(_, item, at)| read_post(&metrics, item, *at, numbers.get(&item.id))));
        }
        gathered.listing = walk.end(page.is_last());
        if gathered.listing.is_some() {
            return measuring.end();
        }
        start += PAGE_SIZE;
    }
}

/// The numbers of posts. One that the organisation may not see denies the whole call: it is found by halves.
#[derive(Default)]
struct Measuring {
    is_served: bool,
    denials: u32,
    denied: Denials,
}

impl Measuring {
    async fn measure(
        &mut self,
        asker: &mut Asker<'_>,
        task: &Task,
        kind: Kind,
        ids: &[&str],
    ) -> Result<HashMap<String, Map<String, Value>>, Stop> {
        let mut parts: VecDeque<&[&str]> = ids.chunks(AT_ONCE).collect();
        let mut numbers = HashMap::new();
        while let Some(part) = parts.pop_front() {
            if !self.is_served && self.denials >= MOST_DENIED {
                break;
            }
            let names: Vec<String> = part.iter().map(|id| escaped(id)).collect();
            let parameter = if kind == Kind::Share { "shares" } else { "ugcPosts" };
            let more = format!("&{parameter}=List({})", names.join(","));
            let answer = statistics(asker, task, "post", "organizationalEntityShareStatistics", &more).await;
            let Some(elements) = self.denied.pass::<Vec<Statistics>>(answer)? else {
                if part.len() > 1 {
                    // Halves first, so that few calls are made where nothing is given.
                    let (one, other) = part.split_at(part.len() / 2);
                    parts.push_front(other);
                    parts.push_front(one);
                } else {
                    self.denials += 1;
                }
                continue;
            };
            self.is_served = true;
            for element in elements {
                if let Some(id) = element.share.or(element.ugc_post) {
                    numbers.insert(id, element.total_share_statistics);
                }
            }
        }
        Ok(numbers)
    }

    fn end(self) -> Result<(), Stop> {
        if self.is_served { Ok(()) } else { self.denied.end() }
    }
}

fn read_post(metrics: &[&Metric], item: &Item, posted_at: DateTime<Utc>, numbers: Option<&Map<String, Value>>) -> Post {
    let mut post = Post {
        id: item.id.clone(),
        posted_at,
        // LinkedIn does not say it; this is where it shows a post of that name.
        url: Some(format!("https://www.linkedin.com/feed/update/{}/", item.id)),
        caption: item.commentary.as_deref().map(|it| plain(&text(it))).filter(|caption| !caption.is_empty()),
        media_type: media_type(item),
        ..Post::default()
    };
    for metric in metrics {
        put(&mut post, metric, numbers.and_then(|numbers| numbers.get(&metric.api_name)).and_then(count));
    }
    post
}

fn media_type(item: &Item) -> Option<&'static str> {
    let content = &item.content;
    if let Some(media) = content["media"]["id"].as_str() {
        return match media.split(':').nth(2) {
            Some("image") => Some("photo"),
            Some("video") => Some("video"),
            _ => None,
        };
    }
    match content.as_object() {
        None => item.commentary.as_ref().map(|_| "text"),
        Some(kinds) if kinds.contains_key("multiImage") || kinds.contains_key("carousel") => Some("carousel"),
        Some(kinds) if kinds.contains_key("article") => Some("link"),
        Some(_) => None,
    }
}

/// LinkedIn's "little text" as people see it: `\(` is a bracket, `{hashtag|\#|word}` is #word, `@[Name](urn:li:…)` is Name.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(LONGEST_CAPTION));
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if plain.len() >= LONGEST_CAPTION {
            break;
        }
        if let Some((word, after)) = hashtag(rest).or_else(|| mention(rest)) {
            plain.push_str(&word);
            rest = after;
            continue;
        }
        rest = &rest[first.len_utf8()..];
        match (first, rest.chars().next()) {
            ('\\', Some(escaped)) => {
                plain.push(escaped);
                rest = &rest[escaped.len_utf8()..];
            }
            (first, _) => plain.push(first),
        }
    }
    plain
}

fn hashtag(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix("{hashtag|")?;
    let inner = inner.strip_prefix("\\#|").or_else(|| inner.strip_prefix("#|"))?;
    let (word, after) = inner.split_once('}')?;
    Some((format!("#{}", unescaped(word)), after))
}

fn mention(text: &str) -> Option<(String, &str)> {
    let (name, after) = text.strip_prefix("@[")?.split_once("](urn:li:")?;
    let (urn, after) = after.split_once(')')?;
    let is_urn = urn.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_-".contains(&byte));
    is_urn.then(|| (unescaped(name), after))
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or(character) } else { character });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::listing::tests;
    use super::*;

    fn metric(scope: &str, metric: &str, api_name: &str) -> Metric {
        tests::metric(scope, "flow", metric, api_name)
    }

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 5, day).expect("a day")
    }

    fn statistics(json: Value) -> Vec<Statistics> {
        serde_json::from_value::<Elements<Statistics>>(json!({"elements": json})).expect("an answer").elements
    }

    fn item(json: Value) -> Item {
        serde_json::from_value(json).expect("a post")
    }

    #[test]
    fn days_are_read_by_where_they_begin() {
        let (views, likes) =
            (metric("account", "impressions", "impressionCount"), metric("account", "likes", "likeCount"));
        let start = |n| start_of(day(n)).timestamp_millis();
        let answer = statistics(json!([
            {"timeRange": {"start": start(3), "end": start(4)}, "organizationalEntity": "urn:li:organization:1",
             "totalShareStatistics": {"impressionCount": 5_000_000_000_i64, "likeCount": -2, "commentCount": 1, "shareCount": 1, "clickCount": 4, "engagement": 0.1}},
            {"timeRange": {"start": start(4), "end": start(5)},
             "totalShareStatistics": {"impressionCount": 0, "likeCount": 0, "commentCount": 0, "shareCount": 0, "clickCount": 0}},
            {"timeRange": {"start": start(5), "end": start(6)}, "totalShareStatistics": {"impressionCount": 1.5}},
            {"totalShareStatistics": {"impressionCount": 7}}]));
        let read = |n| -> Vec<_> {
            let captures = read_days(&[&views, &likes], &[day(n)], &answer);
            captures.into_iter().map(|it| (it.metric, it.value, it.reason)).collect()
        };
        let of = |name: &str, value, reason| (name.to_owned(), value, reason);
        let part = Some("a part of it is not known");
        assert_eq!(
            read(3),
            [of("impressions", Some(5_000_000_000), None), of("likes", Some(-2), None), of("engagement", None, part)]
        );
        assert_eq!(
            read(4),
            [of("impressions", Some(0), None), of("likes", Some(0), None), of("engagement", Some(0), None)]
        );
        let no_number = Some("the platform's answer is no number that can be");
        assert_eq!(
            read(5),
            [of("impressions", None, no_number), of("likes", None, None), of("engagement", None, None)]
        );
        assert_eq!(
            read(6),
            [of("impressions", None, None), of("likes", None, None), of("engagement", None, None)],
            "late"
        );
    }

    #[test]
    fn gains_are_organic_and_paid_or_unknown() {
        let gains = metric("account", "new_followers", GAINS);
        let read = |gained: Value| {
            let start = start_of(day(3)).timestamp_millis();
            let answer = statistics(json!([{"timeRange": {"start": start}, "followerGains": gained}]));
            let capture = read_gains(&gains, &[day(3)], &answer).remove(0);
            (capture.value, capture.reason)
        };
        assert_eq!(read(json!({"organicFollowerGain": 7, "paidFollowerGain": 0})), (Some(7), None));
        for gained in [json!({"organicFollowerGain": 7}), json!({"organicFollowerGain": "x", "paidFollowerGain": 1})] {
            assert_eq!(read(gained.clone()), (None, Some(PART_UNKNOWN)), "{gained}");
        }
        assert_eq!(read(json!({})), (None, None));
        assert_eq!(read_gains(&gains, &[day(3)], &[])[0].value, None);
    }

    #[test]
    fn parts_keep_the_names_that_linkedin_gives_them() {
        let part = |key: &str, name: &str, organic: Value, paid: Value| json!({key: name, "followerCounts": {"organicFollowerCount": organic, "paidFollowerCount": paid}});
        let element = json!({
            "organizationalEntity": "urn:li:organization:1",
            "followerCountsByGeoCountry": [part("geo", "urn:li:geo:101282230", json!(4), json!(1)), part("geo", "urn:li:geo:103644278", json!(60), json!(6))],
            "followerCountsByStaffCountRange": [part("staffCountRange", "SIZE_2_TO_10", json!(3), json!(0)), part("staffCountRange", "", json!(3), json!(0)),
                part("staffCountRange", "SIZE_1", json!(-3), json!(0)), part("staffCountRange", "SIZE_1", json!(3), Value::Null), 5, null],
            "followerCountsByFunction": [], "followerCountsBySeniority": {"seniority": 1}, "followerCountsByShoeSize": [part("size", "42", json!(1), json!(1))],
        });
        let facets = read_facets(element.as_object().expect("an object")).expect("some");
        assert_eq!(
            Value::Object(facets),
            json!({"GeoCountry": [{"geo": "urn:li:geo:103644278", "count": 66}, {"geo": "urn:li:geo:101282230", "count": 5}],
                "StaffCountRange": [{"staffCountRange": "SIZE_2_TO_10", "count": 3}]})
        );
        assert_eq!(read_facets(&Map::new()), None);
    }

    #[test]
    fn a_post_has_what_was_said_of_it() {
        let item = item(
            json!({"id": "urn:li:share:7", "commentary": "We bake {hashtag|\\#|bread} \\(daily\\) with @[Mira B.](urn:li:person:x1)",
            "lifecycleState": "PUBLISHED", "publishedAt": 1_777_777_777_000_i64, "content": {"media": {"id": "urn:li:video:C5"}}, "author": "urn:li:organization:1"}),
        );
        let metrics = [
            metric("post", "likes", "likeCount"),
            metric("post", "reach", "uniqueImpressionsCount"),
            metric("post", "link_clicks", "clickCount"),
        ];
        let metrics: Vec<&Metric> = metrics.iter().collect();
        let numbers = json!({"likeCount": -1, "uniqueImpressionsCount": 9, "clickCount": 4});
        let post = read_post(&metrics, &item, item.posted_at().expect("out"), numbers.as_object());
        assert_eq!((post.likes, post.reach, post.views, post.saves), (None, Some(9), None, None));
        assert_eq!(post.caption.as_deref(), Some("We bake #bread (daily) with Mira B."));
        assert_eq!((post.media_type, &post.extra_data["link_clicks"]), (Some("video"), &json!(4)));
        assert_eq!(read_post(&metrics, &item, Utc::now(), None).reach, None);
    }

    #[test]
    fn posts_that_are_not_out_are_none() {
        let out = |more: Value| {
            let mut post = json!({"id": "urn:li:share:7", "createdAt": 1_777_777_777_000_i64});
            post.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            item(post).posted_at().is_some()
        };
        assert!(out(json!({})) && out(json!({"lifecycleState": "PUBLISHED"})));
        for more in [
            json!({"lifecycleState": "DRAFT"}),
            json!({"publishedAt": i64::MAX}),
            json!({"publishedAt": 99_999_999_999_999_i64}),
            json!({"createdAt": null}),
        ] {
            assert!(!out(more.clone()), "{more}");
        }
        assert_eq!((kind("urn:li:share:7"), kind("urn:li:ugcPost:8")), (Some(Kind::Share), Some(Kind::UgcPost)));
        for urn in ["urn:li:share:", "urn:li:share:7,8", "urn:li:share:7)&x=(", "urn:li:comment:7", "7", ""] {
            assert_eq!(kind(urn), None, "{urn}");
        }
    }

    #[test]
    fn a_short_page_may_have_another_after_it() {
        let page = |json: Value| serde_json::from_value::<Page>(json).expect("a page").is_last();
        let post = json!({"id": "urn:li:share:7"});
        assert!(page(json!({"elements": []})));
        assert!(page(json!({"elements": [post], "paging": {"start": 0, "count": 100, "links": []}})));
        assert!(!page(
            json!({"elements": [post], "paging": {"links": [{"rel": "next", "href": "https://evil.example"}]}})
        ));
        assert!(page(json!({"elements": [], "paging": {"links": [{"rel": "next"}]}})), "else it would never end");
        for body in ["null", "[]", "{}", r#"{"elements": {}}"#, r#"{"elements": [{"id": 7}]}"#] {
            assert!(serde_json::from_str::<Page>(body).is_err(), "{body}");
        }
    }

    #[test]
    fn of_members_nothing_is_told_which_is_said() {
        let followers = tests::metric("account", "level", "followers", FOLLOWERS);
        let mut task = tests::task(
            "account",
            vec![followers, metric("account", "likes", "likeCount"), metric("post", "likes", "likeCount")],
        );
        task.days = vec![day(3), day(2)];
        let mut gathered = Gathered::new(Utc::now());
        of_member(&task, &mut gathered).expect("nothing to fail");
        assert_eq!(gathered.metrics.len(), 3);
        assert!(gathered.metrics.iter().all(|it| it.value.is_none() && it.reason == Some(OF_MEMBERS)));
    }

    proptest! {
        #[test]
        fn any_text_can_be_made_plain(text in "([{}@#|\\\\()\\[\\]:a-zé]|hashtag\\||urn:li:){0,40}") {
            plain(&text);
        }
    }
}
