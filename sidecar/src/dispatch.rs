//! Which remote a kind of job belongs to, and the request it becomes.

use serde::Deserialize;
use serde_json::Value;

use crate::decodo::ScrapeRequest;
use crate::failure::{Code, Failure};

/// Kinds of job that Decodo serves.
pub const DECODO_KINDS: [&str; 2] = ["instagram_profile", "instagram_posts"];

#[derive(Deserialize)]
struct ProfileWish {
    username: String,
}

#[derive(Deserialize)]
struct PostsWish {
    username: String,
    count: Option<u32>,
}

/// The request for a job, or why there is none.
pub fn decodo_request(kind: &str, payload: &Value) -> Result<ScrapeRequest, Failure> {
    let unreadable = || {
        let message = format!("the payload of this {kind} job is not of the expected form");
        Failure::permanent(Code::Validation, message)
    };
    let request = match kind {
        "instagram_profile" => {
            let wish = ProfileWish::deserialize(payload).map_err(|_| unreadable())?;
            ScrapeRequest { target: "instagram_graphql_profile", query: wish.username, count: None }
        }
        "instagram_posts" => {
            let wish = PostsWish::deserialize(payload).map_err(|_| unreadable())?;
            ScrapeRequest { target: "instagram_graphql_user_posts", query: wish.username, count: wish.count }
        }
        _ => {
            let message = format!("no remote serves jobs of kind {kind}");
            return Err(Failure::permanent(Code::Validation, message));
        }
    };
    if request.query.trim().is_empty() {
        return Err(unreadable());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(kind: &str, payload: Value) -> Value {
        serde_json::to_value(decodo_request(kind, &payload).expect("request")).expect("JSON")
    }

    #[test]
    fn jobs_become_the_requests_that_decodo_documents() {
        assert_eq!(
            sent("instagram_profile", json!({"username": "aurora.example"})),
            json!({"target": "instagram_graphql_profile", "query": "aurora.example"})
        );
        let posts = json!({"username": "aurora.example", "instagram_user_id": "90000000017", "count": 12});
        assert_eq!(
            sent("instagram_posts", posts),
            json!({"target": "instagram_graphql_user_posts", "query": "aurora.example", "count": 12})
        );
    }

    #[test]
    fn payloads_of_another_form_fail_for_good() {
        for (kind, payload) in [
            ("instagram_profile", json!({})),
            ("instagram_profile", json!({"username": 5})),
            ("instagram_profile", json!({"username": "  "})),
            ("instagram_posts", json!({"username": "x", "count": -1})),
            ("instagram_posts", json!(null)),
            ("tiktok_profile", json!({"username": "x"})),
        ] {
            let failure = decodo_request(kind, &payload).expect_err("no request");
            assert!(failure.permanent && failure.code == Code::Validation, "{kind} {payload}");
        }
    }

    #[test]
    fn every_kind_that_is_claimed_has_a_request() {
        for kind in DECODO_KINDS {
            assert!(decodo_request(kind, &json!({"username": "x"})).is_ok(), "{kind}");
        }
    }
}
