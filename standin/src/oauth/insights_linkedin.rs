//! What LinkedIn tells about an organisation and its posts, in its own way of writing queries: brackets as they are, names
//! escaped. One post that the organisation may not see denies the whole request.

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::data::{admit, has_version, ok, refuse};
use super::insights::{AGES, DAY, FEWEST_FOLLOWERS, figure, followers};
use super::people::person;
use super::{App, Ask, Settings};

/// (metric, at least so much a day)
const COUNTS: [(&str, u64); 6] = [
    ("uniqueImpressionsCount", 900),
    ("impressionCount", 1800),
    ("likeCount", 90),
    ("commentCount", 12),
    ("shareCount", 8),
    ("clickCount", 60),
];

/// Parts of all followers with their share in percent.
type Parts = &'static [(&'static str, u64)];

/// (list, what it is by, its parts)
const FACETS: [(&str, &str, Parts); 5] = [
    ("followerCountsByGeoCountry", "geo", &[("urn:li:geo:101282230", 48), ("urn:li:geo:103883259", 20)]),
    ("followerCountsByFunction", "function", &[("urn:li:function:8", 31), ("urn:li:function:13", 22)]),
    ("followerCountsBySeniority", "seniority", &[("urn:li:seniority:4", 40), ("urn:li:seniority:3", 33)]),
    ("followerCountsByIndustry", "industry", &[("urn:li:industry:96", 27)]),
    ("followerCountsByStaffCountRange", "staffCountRange", &[("SIZE_11_TO_50", 30), ("SIZE_2_TO_10", 18)]),
];

/// An admitted request: who asks, and about which organisation.
struct Admitted {
    ask: Ask,
    user: String,
    id: String,
    settings: Settings,
    now: i64,
}

async fn admitted(shared: &App, request: Request, scope: &str, urn: &str) -> Result<Admitted, Box<Response>> {
    let query = request.uri().query().unwrap_or_default();
    let is_escaped = query.contains("%28") || query.contains("(urn:");
    let (ask, token) = admit(shared, request, &[scope]).await?;
    let (settings, now) = {
        let inner = shared.oauth.inner();
        (inner.settings.clone(), inner.now())
    };
    let refuse = |name: &str| Err(Box::new(refuse(ask.provider, name)));
    if !has_version(&ask) {
        return refuse("nonexistent_version");
    }
    if ask.header("x-restli-protocol-version") != "2.0.0" || is_escaped {
        return refuse("bad_parameter");
    }
    if settings.usage > 100 {
        return refuse("quota_day");
    }
    let urn = if urn.is_empty() { ask.field("organizationalEntity") } else { urn };
    let id = urn.strip_prefix("urn:li:organization:").unwrap_or_default().to_owned();
    if !person(&token.user).organizations.iter().any(|(known, _, _)| *known == id) {
        return refuse("access_denied");
    }
    Ok(Admitted { ask, user: token.user, id, settings, now })
}

fn elements(elements: Vec<Value>) -> Response {
    ok(&json!({"paging": {"start": 0, "count": 10, "links": []}, "elements": elements}))
}

pub async fn size(State(shared): State<App>, request: Request) -> Response {
    let urn = request.uri().path().rsplit('/').next().unwrap_or_default().replace("%3A", ":");
    match admitted(&shared, request, "rw_organization_admin", &urn).await {
        Ok(it) if it.settings.refused_metrics.iter().any(|refused| refused == "networkSizes") => {
            refuse(it.ask.provider, "access_denied")
        }
        Ok(it) if it.ask.field("edgeType") != "COMPANY_FOLLOWED_BY_MEMBER" => refuse(it.ask.provider, "bad_parameter"),
        Ok(it) => ok(&json!({"firstDegreeSize": followers(&it.user)})),
        Err(answer) => *answer,
    }
}

/// The days of `(timeRange:(start:…,end:…),timeGranularityType:DAY)`, by where they begin, that figures exist of.
fn days(it: &Admitted) -> Option<Vec<i64>> {
    let inner = it.ask.field("timeIntervals").strip_prefix("(timeRange:(start:")?;
    let (start, inner) = inner.split_once(",end:")?;
    let end = inner.strip_suffix("),timeGranularityType:DAY)")?;
    let (start, end) = (start.parse::<i64>().ok()? / 1000, end.parse::<i64>().ok()? / 1000);
    let known_until = it.now - it.settings.insight_delay_hours * 3600;
    let days = (0..366).map(|day| start + day * DAY).filter(|day| day + DAY <= end.min(known_until));
    (start < end && start % DAY == 0).then(|| days.collect())
}

fn counts(it: &Admitted, of: &str) -> Value {
    let counts = COUNTS.iter().filter(|(name, _)| !it.settings.refused_metrics.iter().any(|refused| refused == name));
    let mut counts: Map<String, Value> =
        counts.map(|(name, low)| ((*name).to_owned(), figure(*low, &[&it.id, name, of]).into())).collect();
    counts.insert("engagement".to_owned(), json!(0.041));
    counts.into()
}

/// Of all posts together, all told or by day; or of those that are named.
pub async fn of_posts(State(shared): State<App>, request: Request) -> Response {
    let it = match admitted(&shared, request, "rw_organization_admin", "").await {
        Ok(it) => it,
        Err(answer) => return *answer,
    };
    let entity = format!("urn:li:organization:{}", it.id);
    for (field, key) in [("shares", "share"), ("ugcPosts", "ugcPost")] {
        let list = it.ask.field(field).strip_prefix("List(").and_then(|list| list.strip_suffix(')'));
        let Some(list) = list else { continue };
        let known: Vec<Item> = items(&it);
        let wanted: Vec<Option<&Item>> = list.split(',').map(|urn| known.iter().find(|post| post.urn == urn)).collect();
        if wanted.iter().any(|post| post.is_none_or(|post| post.place == 6)) {
            return refuse(it.ask.provider, "access_denied");
        }
        // Those that nobody has seen are not in the answer.
        let told = wanted.into_iter().flatten().filter(|post| post.place != 7);
        return elements(
            told.map(|post| {
                json!({key: post.urn, "organizationalEntity": entity, "totalShareStatistics": counts(&it, &post.urn)})
            })
            .collect(),
        );
    }
    if it.ask.field("timeIntervals").is_empty() {
        return elements(vec![json!({"organizationalEntity": entity, "totalShareStatistics": counts(&it, "")})]);
    }
    let Some(days) = days(&it) else { return refuse(it.ask.provider, "bad_parameter") };
    let of_day = |day: i64| {
        json!({
            "organizationalEntity": entity, "totalShareStatistics": counts(&it, &day.to_string()),
            "timeRange": {"start": day * 1000, "end": (day + DAY) * 1000},
        })
    };
    elements(days.into_iter().map(of_day).collect())
}

/// Gains by day, or all followers by what they are.
pub async fn of_followers(State(shared): State<App>, request: Request) -> Response {
    let it = match admitted(&shared, request, "rw_organization_admin", "").await {
        Ok(it) => it,
        Err(answer) => return *answer,
    };
    let entity = format!("urn:li:organization:{}", it.id);
    if it.ask.field("timeIntervals").is_empty() {
        let people = followers(&it.user);
        let mut element = json!({"organizationalEntity": entity});
        for (list, key, parts) in FACETS {
            let part = |(name, share): &(&str, u64)| {
                let organic = people * share / 100;
                json!({key: name, "followerCounts": {"organicFollowerCount": organic, "paidFollowerCount": organic / 50}})
            };
            let is_told = people >= FEWEST_FOLLOWERS;
            element[list] = if is_told { parts.iter().map(part).collect() } else { json!([]) };
        }
        return elements(vec![element]);
    }
    let Some(days) = days(&it) else { return refuse(it.ask.provider, "bad_parameter") };
    let of_day = |day: i64| {
        let of = |name: &str, low| figure(low, &[&it.id, name, &day.to_string()]);
        json!({
            "organizationalEntity": entity, "timeRange": {"start": day * 1000, "end": (day + DAY) * 1000},
            "followerGains": {"organicFollowerGain": of("organic", 20), "paidFollowerGain": of("paid", 2)},
        })
    };
    elements(days.into_iter().map(of_day).collect())
}

struct Item {
    place: usize,
    urn: String,
    /// Seconds
    at: i64,
}

fn items(it: &Admitted) -> Vec<Item> {
    let item = |(place, hours): (usize, &i64)| {
        let kind = if place.is_multiple_of(2) { "share" } else { "ugcPost" };
        Item { place, urn: format!("urn:li:{kind}:74{}{place:02}", it.id), at: it.now - it.now % 3600 - hours * 3600 }
    };
    AGES.iter().enumerate().map(item).collect()
}

/// Three on each page, as if the others had been filtered out.
pub async fn posts(State(shared): State<App>, request: Request) -> Response {
    let author = request.uri().query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("author="));
    let author = author.unwrap_or_default().replace("%3A", ":");
    let it = match admitted(&shared, request, "r_organization_social", &author).await {
        Ok(it) => it,
        Err(answer) => return *answer,
    };
    let number = |name: &str| it.ask.field(name).parse::<usize>().unwrap_or(0);
    let count = number("count").clamp(1, 100);
    let first = (number("start") / count).saturating_mul(3).min(AGES.len());
    let known = items(&it);
    let element = |item: &Item| {
        let content = match item.place {
            0 => json!({"media": {"id": "urn:li:image:C4D0A", "altText": ""}}),
            1 => json!({"media": {"id": "urn:li:video:C5F0B"}}),
            2 => json!({"multiImage": {"images": []}}),
            3 => json!({"article": {"source": "https://aurora.example/bread", "title": "Bread"}}),
            5 => json!({"media": {"id": "urn:li:document:D4D0C"}}),
            _ => Value::Null,
        };
        let mut post = json!({
            "id": item.urn, "author": author, "commentary": "An invented post \\(really\\) about {hashtag|\\#|bread}",
            "visibility": "PUBLIC", "lifecycleState": "PUBLISHED", "publishedAt": item.at * 1000,
            "createdAt": item.at * 1000, "lastModifiedAt": item.at * 1000,
        });
        if !content.is_null() {
            post["content"] = content;
        }
        post
    };
    let page: Vec<Value> = known.iter().skip(first).take(3).map(element).collect();
    let mut links = Vec::new();
    if first + 3 < known.len() {
        links.push(json!({"rel": "next", "type": "application/json", "href": "/rest/posts?start=next"}));
    }
    ok(&json!({"paging": {"start": number("start"), "count": count, "links": links}, "elements": page}))
}
