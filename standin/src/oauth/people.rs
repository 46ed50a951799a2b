//! Who can be logged in, and what they own. All invented.

use serde_json::{Value, json};

/// The first one owns something everywhere, the second other things, the third nothing.
pub const USERS: [&str; 3] = ["mira", "jonas", "nobody"];

pub struct Person {
    pub id: &'static str,
    pub name: &'static str,
    /// Facebook Pages, each with its Instagram account if it has one.
    pub pages: Vec<Value>,
    pub channels: Vec<Value>,
    /// (id, name, vanity name)
    pub organizations: &'static [(&'static str, &'static str, &'static str)],
}

pub fn person(user: &str) -> Person {
    match user {
        "mira" => Person {
            id: "10250000000000017",
            name: "Mira Example",
            pages: vec![
                json!({
                    "id": "104200000000017", "name": "Aurora Atelier", "username": "aurora.atelier",
                    "category": "Clothing", "tasks": ["ANALYZE", "CREATE_CONTENT", "MANAGE"],
                    "picture": {"data": {"url": "https://scontent.example/aurora_page.jpg"}},
                    "instagram_business_account": {
                        "id": "17841400000000017", "username": "aurora.example", "name": "Aurora Example",
                        "profile_picture_url": "https://scontent.example/aurora.jpg",
                    },
                }),
                json!({
                    "id": "104200000000018", "name": "Mira bakes", "category": "Bakery", "tasks": ["ANALYZE"],
                }),
            ],
            channels: vec![json!({
                "kind": "youtube#channel", "id": "UCstandin0000000000000mi",
                "snippet": {
                    "title": "Aurora on film", "customUrl": "@aurora.film",
                    "thumbnails": {"default": {"url": "https://yt.example/aurora.jpg", "width": 88, "height": 88}},
                },
            })],
            organizations: &[("5500017", "Aurora Atelier", "aurora-atelier"), ("5500018", "Mira Bakes", "mira-bakes")],
        },
        "jonas" => Person {
            id: "10250000000000023",
            name: "Jonas Example",
            pages: vec![json!({
                "id": "104200000000023", "name": "Jonas rides", "category": "Sports", "tasks": ["ANALYZE"],
                "instagram_business_account": {"id": "17841400000000023", "username": "jonas.rides"},
            })],
            channels: vec![json!({
                "kind": "youtube#channel", "id": "UCstandin0000000000000jo",
                "snippet": {"title": "Jonas rides", "customUrl": "@jonas.rides"},
            })],
            organizations: &[("5500023", "Rides Ltd", "rides-ltd")],
        },
        _ => Person {
            id: "10250000000000099",
            name: "Nobody Example",
            pages: Vec::new(),
            channels: Vec::new(),
            organizations: &[],
        },
    }
}

/// The user's name on a platform.
pub fn handle(user: &str) -> &'static str {
    match user {
        "mira" => "aurora.example",
        "jonas" => "jonas.rides",
        _ => "nobody.example",
    }
}
