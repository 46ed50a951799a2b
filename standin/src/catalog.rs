//! What the stand-in can answer: Instagram payloads by username and by shortcode.
//!
//! Payloads are kept as the text they were recorded in, so that ids, key order and escapes reach the caller unchanged.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

static BUILT_IN_SAMPLES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/samples");

const XDT_TIMELINE: &str = "xdt_api__v1__feed__user_timeline_graphql_connection";

/// A payload as recorded: JSON text.
pub type Payload = Arc<str>;

/// Why a folder of answers could not be used.
#[derive(Debug)]
pub struct CatalogError {
    path: PathBuf,
    reason: String,
}

impl std::fmt::Display for CatalogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot read answers from {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for CatalogError {}

#[derive(Clone)]
struct Account {
    username: String,
    /// (number of keys of the user object, content)
    profile: Option<(usize, Payload)>,
    /// (number of posts, content)
    posts: Option<(usize, Payload)>,
    /// A profile made from a timeline, used while no profile answer is recorded.
    derived_profile: Option<Payload>,
    source: &'static str,
}

/// One line of `GET /catalog`.
#[derive(Serialize)]
pub struct Entry {
    username: String,
    /// "recorded", "derived" (made from the recorded timeline) or null.
    profile: Option<&'static str>,
    posts: usize,
    source: &'static str,
}

#[derive(Default)]
pub struct Catalog {
    accounts: HashMap<String, Account>,
    posts: BTreeMap<String, Payload>,
}

impl Catalog {
    pub fn usernames(&self) -> usize {
        self.accounts.len()
    }

    pub fn add_built_in_samples(&mut self) {
        let mut files: Vec<_> = BUILT_IN_SAMPLES.files().collect();
        files.sort_by_key(|file| file.path());
        for file in files {
            if let Some(text) = file.contents_utf8() {
                self.add(text, "sample");
            }
        }
    }

    /// Indexes every file below `dir` that holds a profile, a timeline or a post; other files are passed over.
    /// A later folder wins over an earlier one; within a folder the fuller answer wins.
    pub fn add_directory(&mut self, dir: &Path, source: &'static str) -> Result<(), CatalogError> {
        let mut texts = Vec::new();
        read_texts(dir, &mut texts)
            .map_err(|error| CatalogError { path: dir.to_path_buf(), reason: error.to_string() })?;
        let mut found = Catalog::default();
        for text in &texts {
            found.add(text, source);
        }
        if found.accounts.is_empty() && found.posts.is_empty() {
            return Err(CatalogError {
                path: dir.to_path_buf(),
                reason: "no profile, timeline or post found there".to_owned(),
            });
        }
        self.accounts.extend(found.accounts);
        self.posts.extend(found.posts);
        Ok(())
    }

    /// Indexes one answer, with or without an envelope. Text that holds none of the known shapes is ignored.
    pub fn add(&mut self, text: &str, source: &'static str) {
        let content = content_of(text);
        let Ok(value) = serde_json::from_str::<Value>(&content) else {
            return;
        };
        if let Some(timeline) = value.pointer(&format!("/data/{XDT_TIMELINE}")) {
            self.add_xdt_timeline(&content, timeline, source);
        } else if let Some(media) = post_of(&value) {
            if let Some(shortcode) = text_at(media, "/shortcode").or_else(|| text_at(media, "/code")) {
                let payload = match value.pointer("/shortcode_media").or(value.pointer("/data")) {
                    Some(_) => Payload::from(content.as_ref()),
                    None => wrap(&[("shortcode_media", &content)]),
                };
                self.posts.insert(shortcode.to_owned(), payload);
            }
        } else if let Some(path) = user_path(&value)
            && let Some(user) = value.pointer(path)
        {
            self.add_user(&content, path, user, source);
        }
    }

    fn account(&mut self, username: &str, source: &'static str) -> &mut Account {
        self.accounts.entry(username.to_lowercase()).or_insert_with(|| Account {
            username: username.to_owned(),
            profile: None,
            posts: None,
            derived_profile: None,
            source,
        })
    }

    fn add_user(&mut self, content: &str, path: &str, user: &Value, source: &'static str) {
        let timeline = user.pointer("/edge_owner_to_timeline_media");
        let nodes = nodes_of(timeline);
        let owner = text_at(user, "/username").or_else(|| most_frequent(&nodes, "/owner/username"));
        let Some(username) = owner.map(str::to_owned) else {
            return;
        };
        let is_profile = user.pointer("/username").is_some();
        let user_text = raw_at(content, path);
        let account = self.account(&username, source);
        if !nodes.is_empty()
            && account.posts.as_ref().is_none_or(|(known, _)| nodes.len() > *known)
            && let Some(user_text) = user_text
            && let Some(timeline_text) = raw_at(user_text, "/edge_owner_to_timeline_media")
        {
            let inner = wrap(&[("edge_owner_to_timeline_media", timeline_text)]);
            account.posts = Some((nodes.len(), graphql_answer(&inner, true)));
        }
        let keys = user.as_object().map_or(0, Map::len);
        if is_profile {
            // Newer answers have more keys, so the fuller one is the newer one.
            if account.profile.as_ref().is_none_or(|(known, _)| keys > *known)
                && let Some(user_text) = user_text
            {
                let payload =
                    if path == "/data/user" { Payload::from(content) } else { graphql_answer(user_text, false) };
                account.profile = Some((keys, payload));
            }
        } else {
            let id = most_frequent(&nodes, "/owner/id").map(str::to_owned);
            account.derived_profile = timeline.map(|timeline| {
                derived_profile(json!({"id": id, "username": username, "edge_owner_to_timeline_media": timeline}))
            });
        }
    }

    /// An xdt timeline cannot stand inside a profile answer, so the derived profile has no edges, as most profile
    /// answers since 2023, and only the number of recorded posts as their count: the posts need their own call.
    fn add_xdt_timeline(&mut self, content: &str, timeline: &Value, source: &'static str) {
        let nodes = nodes_of(Some(timeline));
        let Some(username) = most_frequent(&nodes, "/user/username").map(str::to_owned) else {
            return;
        };
        let user = nodes
            .iter()
            .filter_map(|node| node.pointer("/user"))
            .find(|user| text_at(user, "/username") == Some(&username));
        let field = |name: &str| user.and_then(|user| user.get(name)).cloned();
        let account = self.account(&username, source);
        account.derived_profile = Some(derived_profile(json!({
            "id": field("pk").or(field("id")),
            "username": username,
            "full_name": field("full_name"),
            "is_verified": field("is_verified"),
            "is_private": field("is_private"),
            "edge_owner_to_timeline_media": {
                "count": nodes.len(),
                "page_info": {"has_next_page": true, "end_cursor": ""},
                "edges": [],
            },
        })));
        if account.posts.as_ref().is_none_or(|(known, _)| nodes.len() > *known) {
            account.posts = Some((nodes.len(), content.into()));
        }
    }

    pub fn profile(&self, query: &str) -> Option<Payload> {
        let account = self.accounts.get(&handle(query))?;
        account.profile.as_ref().map(|(_, payload)| payload.clone()).or_else(|| account.derived_profile.clone())
    }

    /// The recorded page of posts. An account without one but with a profile has, as far as is known, no posts to show.
    pub fn timeline(&self, query: &str) -> Option<Payload> {
        let account = self.accounts.get(&handle(query))?;
        match &account.posts {
            Some((_, payload)) => Some(payload.clone()),
            None => Some(empty_timeline()),
        }
    }

    pub fn post(&self, shortcode: &str) -> Option<Payload> {
        self.posts.get(shortcode).cloned()
    }

    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<_> = self
            .accounts
            .values()
            .map(|account| Entry {
                username: account.username.clone(),
                profile: match (&account.profile, &account.derived_profile) {
                    (Some(_), _) => Some("recorded"),
                    (None, Some(_)) => Some("derived"),
                    (None, None) => None,
                },
                posts: account.posts.as_ref().map_or(0, |(count, _)| *count),
                source: account.source,
            })
            .collect();
        entries.sort_by(|a, b| a.username.cmp(&b.username));
        entries
    }

    pub fn shortcodes(&self) -> Vec<&str> {
        self.posts.keys().map(String::as_str).collect()
    }
}

/// A page after the last one, and the answer for an account whose posts are not recorded.
pub fn empty_timeline() -> Payload {
    let timeline = r#"{"count":0,"page_info":{"has_next_page":false,"end_cursor":null},"edges":[]}"#;
    graphql_answer(&wrap(&[("edge_owner_to_timeline_media", timeline)]), true)
}

/// What the profile target gives for an account that does not exist.
pub fn nobody() -> Payload {
    wrap(&[("data", r#"{"user":null}"#), ("status", r#""ok""#)])
}

fn read_texts(dir: &Path, texts: &mut Vec<String>) -> std::io::Result<()> {
    let mut paths: Vec<_> =
        std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read_texts(&path, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            // Recordings may be anything; what is not text is no answer.
            if let Ok(text) = String::from_utf8(std::fs::read(&path)?) {
                texts.push(text);
            }
        }
    }
    Ok(())
}

fn handle(query: &str) -> String {
    query.trim().trim_start_matches('@').to_lowercase()
}

/// Takes the Decodo envelope off (the one with `results`, or the older one with `data.content`), and a JSON text out of
/// its string.
fn content_of(text: &str) -> Cow<'_, str> {
    let content = raw_at(text, "/results/0/content").or_else(|| raw_at(text, "/data/content")).unwrap_or(text);
    match serde_json::from_str::<String>(content) {
        Ok(inner) => Cow::Owned(inner),
        Err(_) => Cow::Borrowed(content),
    }
}

/// The text at a JSON pointer, as it was written.
fn raw_at<'a>(mut text: &'a str, pointer: &str) -> Option<&'a str> {
    for step in pointer.split('/').skip(1) {
        let raw: &'a RawValue = match step.parse::<usize>() {
            Ok(index) => serde_json::from_str::<Vec<&RawValue>>(text).ok()?.into_iter().nth(index)?,
            Err(_) => serde_json::from_str::<HashMap<String, &RawValue>>(text).ok()?.remove(step)?,
        };
        text = raw.get();
    }
    Some(text)
}

fn user_path(value: &Value) -> Option<&'static str> {
    const PATHS: [&str; 4] = ["/data/user", "/graphql/user", "/entry_data/ProfilePage/0/graphql/user", ""];
    PATHS.into_iter().find(|path| {
        value.pointer(path).and_then(Value::as_object).is_some_and(|user| {
            user.contains_key("edge_owner_to_timeline_media")
                || (user.contains_key("username") && user.contains_key("edge_followed_by"))
        })
    })
}

fn post_of(value: &Value) -> Option<&Value> {
    const PATHS: [&str; 5] =
        ["/shortcode_media", "/data/shortcode_media", "/data/xdt_shortcode_media", "/graphql/shortcode_media", ""];
    PATHS
        .into_iter()
        .filter_map(|path| value.pointer(path))
        .find(|media| media.get("shortcode").is_some() && media.get("owner").is_some())
}

fn nodes_of(timeline: Option<&Value>) -> Vec<&Value> {
    timeline
        .and_then(|timeline| timeline.get("edges"))
        .and_then(Value::as_array)
        .map(|edges| edges.iter().filter_map(|edge| edge.get("node")).collect())
        .unwrap_or_default()
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The owner of a timeline: collaboration posts in it may belong to others, so most nodes decide.
fn most_frequent<'a>(nodes: &[&'a Value], pointer: &str) -> Option<&'a str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in nodes.iter().filter_map(|node| text_at(node, pointer)) {
        *counts.entry(name).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
}

fn derived_profile(user: Value) -> Payload {
    json!({"data": {"user": user}, "status": "ok"}).to_string().into()
}

fn graphql_answer(user: &str, with_extensions: bool) -> Payload {
    let data = wrap(&[("user", user)]);
    let status = ("status", r#""ok""#);
    if with_extensions {
        wrap(&[("data", &data), ("extensions", r#"{"is_final":true}"#), status])
    } else {
        wrap(&[("data", &data), status])
    }
}

/// An object around texts that are JSON already. The keys are plain words of this file.
fn wrap(fields: &[(&str, &str)]) -> Payload {
    let inner: Vec<_> = fields.iter().map(|(key, json)| format!(r#""{key}":{json}"#)).collect();
    format!("{{{}}}", inner.join(",")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(payload: Option<Payload>) -> Value {
        serde_json::from_str(&payload.expect("served")).expect("JSON")
    }

    fn of(text: &str) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.add(text, "recorded");
        catalog
    }

    #[test]
    fn a_bare_user_object_is_served_where_the_profile_target_puts_it() {
        let catalog = of(r#"{"username":"Ann","id":"12345678901234567","edge_followed_by":{"count":3000000000}}"#);
        let answer = parsed(catalog.profile("@ANN"));
        assert_eq!(answer["data"]["user"]["edge_followed_by"]["count"], 3_000_000_000_u64);
        assert_eq!(answer["status"], "ok");
    }

    #[test]
    fn the_old_page_shape_gives_a_profile_and_its_posts() {
        let catalog = of(r#"{"entry_data":{"ProfilePage":[{"graphql":{"user":{"username":"ann","id":"1",
            "edge_followed_by":{"count":5},"edge_owner_to_timeline_media":{"count":1,"edges":[{"node":{"id":"7"}}]}}}}]}}"#);
        assert_eq!(parsed(catalog.profile("ann"))["data"]["user"]["id"], "1");
        let posts = parsed(catalog.timeline("ann"));
        assert_eq!(posts["data"]["user"]["edge_owner_to_timeline_media"]["edges"][0]["node"]["id"], "7");
        assert_eq!(posts["extensions"]["is_final"], true);
    }

    #[test]
    fn a_timeline_alone_gives_a_profile_of_the_owner_of_most_posts() {
        let catalog = of(
            r#"{"results":[{"content":{"data":{"user":{"edge_owner_to_timeline_media":{"count":70,"edges":[
            {"node":{"id":"1","owner":{"id":"5","username":"guest"}}},
            {"node":{"id":"2","owner":{"id":"6","username":"host"}}},
            {"node":{"id":"3","owner":{"id":"6","username":"host"}}}]}}},"status":"ok"},"task_id":"7169222559311878145"}]}"#,
        );
        let user = &parsed(catalog.profile("host"))["data"]["user"];
        assert_eq!((&user["id"], &user["username"]), (&json!("6"), &json!("host")));
        assert_eq!(user["edge_owner_to_timeline_media"]["edges"].as_array().map(Vec::len), Some(3));
        assert!(catalog.profile("guest").is_none());
    }

    #[test]
    fn an_xdt_timeline_is_served_as_recorded_and_its_profile_asks_for_the_posts() {
        let text = r#"{"data":{"xdt_api__v1__feed__user_timeline_graphql_connection":{"edges":[{"node":{"pk":"3255498130857167493","user":{"pk":"9","username":"x.y","is_verified":true}}}]}},"status":"ok"}"#;
        let catalog = of(text);
        assert_eq!(catalog.timeline("x.y").expect("posts").as_ref(), text);
        let user = &parsed(catalog.profile("x.y"))["data"]["user"];
        assert_eq!((&user["id"], &user["is_verified"]), (&json!("9"), &json!(true)));
        assert_eq!(user["edge_owner_to_timeline_media"]["count"], 1);
        assert_eq!(user["edge_owner_to_timeline_media"]["edges"], json!([]));
    }

    #[test]
    fn a_post_is_found_by_its_shortcode_with_or_without_envelope() {
        let bare = r#"{"shortcode":"AbC","owner":{"id":"1","username":"ann"}}"#;
        assert_eq!(parsed(of(bare).post("AbC"))["shortcode_media"]["owner"]["id"], "1");
        let enveloped = format!(r#"{{"results":[{{"content":{{"shortcode_media":{bare}}}}}]}}"#);
        assert_eq!(parsed(of(&enveloped).post("AbC"))["shortcode_media"]["owner"]["id"], "1");
    }

    #[test]
    fn content_given_as_json_text_is_indexed_too() {
        let catalog = of(
            r#"{"results":[{"content":"{\"data\":{\"user\":{\"username\":\"ann\",\"edge_followed_by\":{\"count\":1}}}}"}]}"#,
        );
        assert!(catalog.profile("ann").is_some());
    }

    #[test]
    fn error_bodies_and_other_texts_are_passed_over() {
        for text in [
            "oops",
            r#"{"data":{"viewer":{},"user":null},"status":"ok"}"#,
            r#"{"message":"checkpoint_required","status":"fail"}"#,
            r#"{"results":[]}"#,
            "[]",
        ] {
            let catalog = of(text);
            assert_eq!((catalog.usernames(), catalog.shortcodes().len()), (0, 0), "{text}");
        }
    }

    #[test]
    fn built_in_samples_hold_the_kinds_of_account_they_promise() {
        let mut catalog = Catalog::default();
        catalog.add_built_in_samples();
        let user = |name: &str| parsed(catalog.profile(name))["data"]["user"].clone();
        let aurora = user("aurora.example");
        assert!(aurora["edge_followed_by"]["count"].as_u64() > Some(u64::from(i32::MAX.unsigned_abs())));
        assert_eq!(aurora["edge_owner_to_timeline_media"]["edges"].as_array().map(Vec::len), Some(12));
        assert_eq!(user("dvorek.example")["edge_owner_to_timeline_media"]["edges"], json!([]));
        assert_eq!(user("pavla.example")["is_private"], true);
        let hidden = &user("hiroko.example")["edge_owner_to_timeline_media"]["edges"][0]["node"];
        assert_eq!(hidden["edge_liked_by"]["count"], -1);
        let xdt = parsed(catalog.timeline("dvorek.example"));
        assert_eq!(xdt["data"][XDT_TIMELINE]["edges"].as_array().map(Vec::len), Some(12));
        assert_eq!(catalog.shortcodes().len(), 1);
        assert_eq!(catalog.usernames(), 6);
    }
}
