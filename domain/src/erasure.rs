//! Taking people who were removed on request out of a normalised document (see [`crate::instagram`]).

use std::collections::BTreeSet;

use serde_json::Value;

/// What stands where a handle stood.
const REMOVED: &str = "[removed]";

/// Texts in which somebody may be named.
const PROFILE_TEXTS: [&str; 3] = ["full_name", "biography", "external_url"];
const LINK_TEXTS: [&str; 2] = ["title", "url"];
const POST_TEXTS: [&str; 2] = ["caption", "accessibility_caption"];

/// Everybody the document names, by handle (lower case) and by id; in texts, whatever could be a handle.
pub fn people(document: &Value) -> Vec<String> {
    let mut names = BTreeSet::new();
    if let Some(profile) = document.get("profile") {
        collect_handles(profile, &PROFILE_TEXTS, &mut names);
        for link in list(profile, "bio_links") {
            collect_handles(link, &LINK_TEXTS, &mut names);
        }
    }
    for post in list(document, "posts") {
        collect(post, &["owner_username", "owner_id"], &mut names);
        collect_handles(post, &POST_TEXTS, &mut names);
        for field in ["tagged_users", "coauthor_producers"] {
            for person in list(post, field) {
                collect(person, &["username", "id"], &mut names);
            }
        }
        for mention in list(post, "mentions") {
            names.extend(mention.as_str().map(str::to_lowercase));
        }
    }
    for related in list(document, "related") {
        collect(related, &["related_username", "related_instagram_user_id"], &mut names);
    }
    names.into_iter().collect()
}

/// The document without these people: their posts and every reference to them gone, their handles in texts replaced.
pub fn without(mut document: Value, people: &[String]) -> Value {
    let gone = |value: &Value, field: &str| {
        value.get(field).and_then(Value::as_str).is_some_and(|name| is_one_of(name, people))
    };
    retain(&mut document, "posts", |post| !gone(post, "owner_username") && !gone(post, "owner_id"));
    retain(&mut document, "related", |related| {
        !gone(related, "related_username") && !gone(related, "related_instagram_user_id")
    });
    if let Some(posts) = document.get_mut("posts").and_then(Value::as_array_mut) {
        for post in posts {
            for field in ["tagged_users", "coauthor_producers"] {
                retain(post, field, |person| !gone(person, "username") && !gone(person, "id"));
            }
            retain(post, "mentions", |name| !name.as_str().is_some_and(|name| is_one_of(name, people)));
            retain(post, "mention_contexts", |mention| !gone(mention, "mentioned_username"));
            for field in POST_TEXTS {
                redact_field(post, field, people);
            }
            if let Some(contexts) = post.get_mut("mention_contexts").and_then(Value::as_array_mut) {
                for context in contexts {
                    redact_field(context, "mention_context", people);
                }
            }
        }
    }
    if let Some(profile) = document.get_mut("profile") {
        for field in PROFILE_TEXTS {
            redact_field(profile, field, people);
        }
        for link in profile.get_mut("bio_links").and_then(Value::as_array_mut).into_iter().flatten() {
            for field in LINK_TEXTS {
                redact_field(link, field, people);
            }
        }
    }
    document
}

/// The text with each of these handles replaced where it is used as one: after `@` or `/`. A bare word that happens to be
/// somebody's handle stays. Letters' case does not matter.
pub fn redact(text: &str, people: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for (start, handle) in words(text) {
        if text[..start].ends_with(['@', '/']) && is_one_of(handle, people) {
            out.push_str(&text[kept..start]);
            out.push_str(REMOVED);
            kept = start + handle.len();
        }
    }
    out.push_str(&text[kept..]);
    out
}

/// Whether a text, or the text of a JSON document, names one of these people: a handle after `@` or `/`, or a handle or
/// id that is a whole JSON string.
pub fn names(text: &str, people: &[String]) -> bool {
    words(text).any(|(start, word)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        (matches!(before, Some('@' | '/')) || (before == Some('"') && after == Some('"'))) && is_one_of(word, people)
    })
}

/// The words of these texts that stand where a handle does, after `@` or `/`.
fn collect_handles(value: &Value, fields: &[&str], names: &mut BTreeSet<String>) {
    for text in fields.iter().filter_map(|field| value.get(field).and_then(Value::as_str)) {
        let handles = words(text).filter(|(start, _)| text[..*start].ends_with(['@', '/']));
        names.extend(handles.map(|(_, handle)| handle.to_lowercase()));
    }
}

/// Runs of characters that a handle may have, without the full stop that ends a sentence, and where each begins.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_handle = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut position = 0;
    std::iter::from_fn(move || {
        let start = position + text[position..].find(is_handle)?;
        let end = text[start..].find(|c| !is_handle(c)).map_or(text.len(), |length| start + length);
        position = end;
        Some((start, text[start..end].trim_end_matches('.')))
    })
}

fn is_one_of(word: &str, people: &[String]) -> bool {
    people.iter().any(|person| person.eq_ignore_ascii_case(word))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn collect(value: &Value, fields: &[&str], names: &mut BTreeSet<String>) {
    for field in fields {
        names.extend(value.get(field).and_then(Value::as_str).map(str::to_lowercase));
    }
}

fn retain(value: &mut Value, field: &str, keep: impl Fn(&Value) -> bool) {
    if let Some(items) = value.get_mut(field).and_then(Value::as_array_mut) {
        items.retain(keep);
    }
}

fn redact_field(value: &mut Value, field: &str, people: &[String]) {
    if let Some(Value::String(text)) = value.get_mut(field) {
        *text = redact(text, people);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "profile": { "username": "host", "biography": "friend of @Gone." },
            "posts": [
                { "owner_username": "host", "caption": "with @gone, @goner and @stays", "mentions": ["gone", "goner", "stays"],
                  "tagged_users": [{ "username": "gone", "id": "7" }, { "username": "stays", "id": "8" }], "coauthor_producers": null,
                  "mention_contexts": [{ "mentioned_username": "gone", "mention_context": "with @gone" },
                                       { "mentioned_username": "stays", "mention_context": "@gone and @stays" }] },
                { "owner_username": "gone", "owner_id": "7", "caption": "mine" }
            ],
            "related": [{ "related_username": "gone" }, { "related_username": "stays" }]
        })
    }

    #[test]
    fn everybody_named_is_found() {
        let named = people(&document());
        for name in ["host", "gone", "goner", "stays", "7", "8"] {
            assert!(named.iter().any(|person| person == name), "{name} is missing");
        }
    }

    #[test]
    fn nothing_of_a_removed_person_stays_and_nobody_else_goes() {
        let left = without(document(), &["gone".to_owned(), "7".to_owned()]);
        assert!(!people(&left).iter().any(|person| person == "gone" || person == "7"));
        assert_eq!(left["posts"].as_array().map(Vec::len), Some(1));
        assert_eq!(left["posts"][0]["caption"], "with @[removed], @goner and @stays");
        assert_eq!(left["posts"][0]["mentions"], json!(["goner", "stays"]));
        assert_eq!(left["profile"]["biography"], "friend of @[removed].");
        assert!(!left.to_string().to_lowercase().contains("@gone\""));
    }

    #[test]
    fn a_handle_that_is_part_of_a_word_or_a_plain_word_is_left_alone() {
        let gone = ["ann".to_owned()];
        let text = "@Hannah, @ANN, instagram.com/ann/ and ann, @ann.";
        assert_eq!(redact(text, &gone), "@Hannah, @[removed], instagram.com/[removed]/ and ann, @[removed].");
        assert!(names(text, &gone));
        assert!(!names("ann and @hannah", &gone));
    }

    #[test]
    fn a_json_text_names_whom_its_strings_are() {
        let gone = ["ann".to_owned(), "77".to_owned()];
        assert!(names(r#"{"username": "ann"}"#, &gone));
        assert!(names(r#"{"id":"77"}"#, &gone));
        assert!(!names(r#"{"title":"ann of 77","count":77}"#, &gone));
    }

    #[test]
    fn who_stands_in_a_text_alone_is_found_and_taken_out() {
        let document = json!({
            "profile": { "full_name": "Host", "biography": "by @Gone.One, e-mail host@example.com", "external_url": "https://instagram.com/gone.two/",
                         "bio_links": [{ "title": "see @gone.three", "url": "https://instagram.com/gone.four" }] },
            "posts": [{ "accessibility_caption": "photo shared with @gone.five" }]
        });
        let named = people(&document);
        let gone = ["gone.one", "gone.two", "gone.three", "gone.four", "gone.five"].map(str::to_owned);
        for name in &gone {
            assert!(named.contains(name), "{name} is missing");
        }
        let left = without(document, &gone).to_string();
        assert!(!left.to_lowercase().contains("gone"), "{left}");
    }

    #[test]
    fn a_document_of_any_other_form_is_returned_as_it_is() {
        for value in [json!(null), json!([1]), json!({ "posts": 3, "profile": "x" })] {
            assert_eq!(without(value.clone(), &["a".to_owned()]), value);
        }
    }
}
