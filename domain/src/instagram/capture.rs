//! The normalised document. Field names are those of the columns it goes into. `None` means that the payload does not
//! say, and never stands for zero or false.

use std::collections::HashMap;

use serde::{Serialize, Serializer};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capture {
    pub kind: Kind,
    /// SHA-256 of the payload as received, in hex.
    pub digest: String,
    pub profile: Option<Profile>,
    /// False when the account may have posts that the payload does not show.
    pub posts_known: bool,
    pub posts: Vec<Post>,
    /// Posts left out because their id or shortcode is missing.
    pub skipped_posts: u64,
    pub related: Vec<Related>,
    #[serde(serialize_with = "by_post")]
    pub comments: Vec<Comment>,
    /// Of the posts; of the comments when the payload is one post or its comments.
    pub page: Option<Page>,
}

impl Capture {
    pub fn to_json(&self) -> String {
        // no map with keys other than text and no foreign Serialize in here, so nothing that can fail
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An account, with the first posts where they are shown.
    Profile,
    /// A page of an account's posts.
    Timeline,
    /// One post, with the comments shown beside it.
    Post,
    /// A page of a post's comments.
    Comments,
    /// A page of a hashtag's posts, of many accounts.
    Hashtag,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Profile {
    pub instagram_user_id: Option<String>,
    pub username: Option<String>,
    pub full_name: Option<String>,
    pub biography: Option<String>,
    pub external_url: Option<String>,
    pub profile_pic_url: Option<String>,
    pub profile_pic_url_hd: Option<String>,
    pub followers_count: Option<i64>,
    pub following_count: Option<i64>,
    pub posts_count: Option<i64>,
    pub is_verified: Option<bool>,
    pub is_private: Option<bool>,
    pub is_business_account: Option<bool>,
    pub is_professional_account: Option<bool>,
    pub category: Option<String>,
    pub bio_links: Option<Vec<BioLink>>,
    pub pronouns: Option<Vec<String>>,
    pub highlight_reel_count: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BioLink {
    pub title: Option<String>,
    pub url: String,
    pub link_type: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Post {
    pub instagram_post_id: String,
    pub shortcode: String,
    pub owner_id: Option<String>,
    pub owner_username: Option<String>,
    pub media_type: Option<MediaType>,
    pub product_type: Option<String>,
    pub is_video: Option<bool>,
    pub display_url: Option<String>,
    pub thumbnail_src: Option<String>,
    pub video_url: Option<String>,
    pub video_view_count: Option<i64>,
    pub video_play_count: Option<i64>,
    /// Seconds.
    pub video_duration: Option<f64>,
    pub has_audio: Option<bool>,
    pub width: Option<i64>,
    pub height: Option<i64>,
    pub caption: Option<String>,
    pub accessibility_caption: Option<String>,
    /// `None` when hidden, as are the views and plays.
    pub likes_count: Option<i64>,
    pub comments_count: Option<i64>,
    pub comments_disabled: Option<bool>,
    pub like_and_view_counts_disabled: Option<bool>,
    pub viewer_can_reshare: Option<bool>,
    pub location_name: Option<String>,
    pub location_id: Option<String>,
    pub is_carousel: Option<bool>,
    pub carousel_media_count: Option<i64>,
    /// Unix seconds.
    pub taken_at_timestamp: Option<i64>,
    /// The same as RFC 3339, UTC.
    pub posted_at: Option<String>,
    pub is_pinned: Option<bool>,
    pub is_paid_partnership: Option<bool>,
    pub sidecar_children: Option<Vec<SidecarChild>>,
    pub tagged_users: Option<Vec<TaggedUser>>,
    pub coauthor_producers: Option<Vec<Coauthor>>,
    pub hashtags: Vec<String>,
    pub mentions: Vec<String>,
    pub mention_contexts: Vec<MentionContext>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MediaType {
    GraphImage,
    GraphVideo,
    GraphSidecar,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SidecarChild {
    pub id: Option<String>,
    pub shortcode: Option<String>,
    pub media_type: Option<MediaType>,
    pub display_url: Option<String>,
    pub video_url: Option<String>,
    pub width: Option<i64>,
    pub height: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaggedUser {
    pub id: Option<String>,
    pub username: String,
    pub full_name: Option<String>,
    pub is_verified: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coauthor {
    pub id: Option<String>,
    pub username: String,
    pub is_verified: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MentionContext {
    pub mentioned_username: String,
    pub mention_type: MentionType,
    pub mention_context: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MentionType {
    Caption,
    Tag,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Related {
    pub related_username: String,
    pub related_instagram_user_id: Option<String>,
    pub related_full_name: Option<String>,
    pub related_is_verified: Option<bool>,
    pub related_is_private: Option<bool>,
    pub related_profile_pic_url: Option<String>,
    pub related_followers_count: Option<i64>,
    /// Place in Instagram's own order, from 1.
    pub rank: u32,
}

/// What a comment says, without its words and without who wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    pub comment_id: String,
    pub post_instagram_id: Option<String>,
    pub post_shortcode: Option<String>,
    pub positive: f64,
    pub negative: f64,
    pub neutral: f64,
    pub compound: f64,
}

/// The sums are for a post without any comment so far; `scores` (in the order of the sums) are for one with some, of
/// which only the new ones count.
#[derive(Serialize)]
struct CommentsOfPost<'a> {
    post_instagram_id: Option<&'a str>,
    post_shortcode: Option<&'a str>,
    comment_ids: Vec<&'a str>,
    positive: f64,
    negative: f64,
    neutral: f64,
    compound: f64,
    scores: Vec<[f64; 4]>,
}

fn by_post<S: Serializer>(comments: &[Comment], serializer: S) -> Result<S::Ok, S::Error> {
    let mut posts: Vec<CommentsOfPost<'_>> = Vec::new();
    let mut places = HashMap::new();
    for comment in comments {
        let post = (comment.post_instagram_id.as_deref(), comment.post_shortcode.as_deref());
        let place = *places.entry(post).or_insert_with(|| {
            posts.push(CommentsOfPost {
                post_instagram_id: post.0,
                post_shortcode: post.1,
                comment_ids: Vec::new(),
                positive: 0.0,
                negative: 0.0,
                neutral: 0.0,
                compound: 0.0,
                scores: Vec::new(),
            });
            posts.len() - 1
        });
        let all = &mut posts[place];
        all.comment_ids.push(&comment.comment_id);
        all.positive += comment.positive;
        all.negative += comment.negative;
        all.neutral += comment.neutral;
        all.compound += comment.compound;
        all.scores.push([comment.positive, comment.negative, comment.neutral, comment.compound]);
    }
    posts.serialize(serializer)
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    pub count: Option<i64>,
    pub has_next_page: Option<bool>,
    pub end_cursor: Option<String>,
}
