//! Instagram payloads in every shape, from samples written for these tests (`tests/samples`).

use analytics_domain::instagram::{
    Capture, Kind, MAX_PAYLOAD_BYTES, MediaType, MentionType, Page, Profile, Refusal, RefusalCode, parse,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const PROFILE: &str = include_str!("samples/profile.json");
const USER_POSTS: &str = include_str!("samples/user_posts.json");
const XDT_TIMELINE: &str = include_str!("samples/xdt_timeline.json");
const POST: &str = include_str!("samples/post.json");
const COMMENTS: &str = include_str!("samples/comments.json");
const HASHTAG: &str = include_str!("samples/hashtag.json");
const SAMPLES: [&str; 6] = [PROFILE, USER_POSTS, XDT_TIMELINE, POST, COMMENTS, HASHTAG];

fn value(sample: &str) -> Value {
    serde_json::from_str(sample).unwrap()
}

fn capture(payload: &Value) -> Capture {
    parse(&payload.to_string()).unwrap_or_else(|refusal| panic!("{refusal}: {payload}"))
}

fn refusal(payload: &Value) -> Refusal {
    match parse(&payload.to_string()) {
        Ok(capture) => panic!("taken as {:?}: {payload}", capture.kind),
        Err(refusal) => refusal,
    }
}

fn code(payload: &Value) -> (&'static str, bool) {
    let refusal = refusal(payload);
    (refusal.code.as_str(), refusal.retryable)
}

/// An account whose only post is `media`, in Instagram's own wrapping.
fn account_with(media: Value) -> Value {
    json!({"data": {"user": {
        "id": "1", "username": "someone",
        "edge_owner_to_timeline_media": {"count": 1, "edges": [{"node": media}]},
    }}})
}

fn minimal_post() -> Value {
    json!({"id": "10", "shortcode": "AbC", "owner": {"id": "1"}})
}

fn with(mut object: Value, more: Value) -> Value {
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn only_post(payload: &Value) -> analytics_domain::instagram::Post {
    let mut capture = capture(payload);
    assert_eq!(capture.posts.len(), 1);
    capture.posts.remove(0)
}

fn enveloped(content: Value) -> Value {
    json!({"results": [{"content": content, "status_code": 200, "task_id": "7169222559311878145"}]})
}

fn asked(content: Value, query: &str) -> Value {
    json!({"results": [{"content": content, "status_code": 200, "query": query}]})
}

#[test]
fn a_profile_gives_its_account_posts_and_related_accounts() {
    let capture = parse(PROFILE).unwrap();
    assert_eq!(capture.kind, Kind::Profile);

    let profile = capture.profile.unwrap();
    assert_eq!(profile.instagram_user_id.as_deref(), Some("900000000001"));
    assert_eq!(profile.username.as_deref(), Some("mira.bakes"));
    assert_eq!(profile.full_name.as_deref(), Some("Mira Thal"));
    assert_eq!(profile.biography.as_deref(), Some("Bread in Lindau.\nWorkshops on Saturdays 🍞"));
    assert_eq!(profile.followers_count, Some(5_300_000_000));
    assert_eq!(profile.following_count, Some(412));
    assert_eq!(profile.posts_count, Some(318));
    assert_eq!(profile.category.as_deref(), Some("Bakery"));
    assert_eq!(profile.highlight_reel_count, Some(9));
    assert_eq!(profile.pronouns.unwrap(), ["she", "her"]);
    assert_eq!(profile.bio_links.unwrap()[0].url, "https://mira.example/w");
    assert_eq!(
        (profile.is_verified, profile.is_private, profile.is_business_account, profile.is_professional_account),
        (Some(true), Some(false), Some(true), Some(true))
    );

    assert!(capture.posts_known);
    assert_eq!(capture.posts.len(), 3);
    let cursor = Some("QVFCbWlyYQ==".to_owned());
    assert_eq!(capture.page, Some(Page { count: Some(318), has_next_page: Some(true), end_cursor: cursor }));

    let ranks: Vec<_> =
        capture.related.iter().map(|related| (related.rank, related.related_username.as_str())).collect();
    assert_eq!(ranks, [(1, "jonas.kiln"), (2, "nord_grain")], "repeated and nameless accounts are left out");
    assert_eq!(capture.related[0].related_followers_count, Some(77));
    assert_eq!(capture.related[1].related_followers_count, None);
    assert_eq!(capture.related[1].related_is_private, Some(true));
}

#[test]
fn a_carousel_gives_its_children_tags_coauthors_and_mentions() {
    let post = &parse(PROFILE).unwrap().posts[0];
    assert_eq!(post.media_type, Some(MediaType::GraphSidecar));
    assert_eq!((post.is_carousel, post.carousel_media_count), (Some(true), Some(2)));
    assert_eq!((post.likes_count, post.comments_count), (Some(1204), Some(41)));
    assert_eq!((post.width, post.height), (Some(1080), Some(1350)));
    assert_eq!(post.taken_at_timestamp, Some(1_735_689_600));
    assert_eq!(post.posted_at.as_deref(), Some("2025-01-01T00:00:00Z"));
    assert_eq!(
        (post.location_id.as_deref(), post.location_name.as_deref()),
        (Some("700000001"), Some("Lindau, Harbour"))
    );
    assert_eq!(post.is_pinned, Some(true));
    assert_eq!(post.is_paid_partnership, None);
    assert_eq!(post.hashtags, ["sourdough", "rye"]);
    assert_eq!(post.mentions, ["olive_mill", "jonas.kiln"]);

    let children = post.sidecar_children.as_ref().unwrap();
    assert_eq!(children[1].media_type, Some(MediaType::GraphVideo));
    assert_eq!(children[1].video_url.as_deref(), Some("https://pictures.example/1b.mp4"));
    assert_eq!(post.tagged_users.as_ref().unwrap()[0].username, "olive_mill");
    assert_eq!(post.coauthor_producers.as_ref().unwrap()[0].id.as_deref(), Some("900000000002"));

    let contexts: Vec<_> = post
        .mention_contexts
        .iter()
        .map(|mention| (mention.mentioned_username.as_str(), mention.mention_type, mention.mention_context.is_some()))
        .collect();
    assert_eq!(
        contexts,
        [
            ("olive_mill", MentionType::Caption, true),
            ("jonas.kiln", MentionType::Caption, true),
            ("olive_mill", MentionType::Tag, false),
        ]
    );
}

#[test]
fn a_video_gives_views_plays_and_its_length_but_no_hidden_likes() {
    let post = &parse(PROFILE).unwrap().posts[1];
    assert_eq!(post.media_type, Some(MediaType::GraphVideo));
    assert_eq!(post.product_type.as_deref(), Some("clips"));
    assert_eq!(post.likes_count, None, "-1 means hidden");
    assert_eq!((post.video_view_count, post.video_play_count), (Some(88_123), Some(190_452)));
    assert_eq!((post.video_duration, post.has_audio), (Some(21.5), Some(true)));
    assert_eq!(post.caption, None);
    assert_eq!(post.is_pinned, Some(false));
    assert_eq!(post.is_paid_partnership, Some(true));
}

#[test]
fn switched_off_counts_are_null_whatever_number_stands_there() {
    let post = only_post(&account_with(with(
        minimal_post(),
        json!({
            "like_and_view_counts_disabled": true,
            "edge_liked_by": {"count": 3}, "like_count": 3, "video_view_count": 5, "play_count": 6,
            "edge_media_to_comment": {"count": 9},
        }),
    )));
    assert_eq!((post.likes_count, post.video_view_count, post.video_play_count), (None, None, None));
    assert_eq!(post.like_and_view_counts_disabled, Some(true));
    assert_eq!(post.comments_count, Some(9));

    let post = only_post(&account_with(with(
        minimal_post(),
        json!({"edge_liked_by": {"count": -1}, "edge_media_preview_like": {"count": 12}}),
    )));
    assert_eq!(post.likes_count, None, "hidden in one place is hidden");
}

#[test]
fn an_account_reads_the_same_in_every_wrapping() {
    let whole = value(PROFILE);
    let user = whole["data"]["user"].clone();
    let expected = capture(&whole);
    let wrappings = [
        enveloped(whole.clone()),
        enveloped(Value::String(whole.to_string())),
        json!({"data": {"content": whole, "errors": [], "status_code": 12000}, "task_id": "1", "url": "u"}),
        json!({"data": {"content": whole.to_string(), "status_code": 200}, "task_id": "1"}),
        json!({"graphql": {"user": user}}),
        json!({"data": {"user": user}}),
        json!({"user": user, "status": "ok"}),
        json!({"entry_data": {"ProfilePage": [{"graphql": {"user": user}}]}}),
        enveloped(json!({"graphql": {"user": user}})),
        enveloped(user.clone()),
        user,
    ];
    for wrapping in wrappings {
        let digest = capture(&wrapping).digest;
        assert_ne!(digest, expected.digest);
        assert_eq!(Capture { digest, ..expected.clone() }, capture(&wrapping), "{wrapping}");
    }
}

#[test]
fn a_post_reads_the_same_in_every_wrapping() {
    let whole = value(POST);
    let media = whole["results"][0]["content"]["shortcode_media"].clone();
    let expected = capture(&whole);
    let wrappings = [
        json!({"data": {"shortcode_media": media}, "status": "ok"}),
        json!({"data": {"xdt_shortcode_media": media}}),
        json!({"graphql": {"shortcode_media": media}}),
        json!({"entry_data": {"PostPage": [{"graphql": {"shortcode_media": media}}]}}),
        json!({"shortcode_media": media}),
        enveloped(json!({"data": {"xdt_shortcode_media": media}})),
        enveloped(media.clone()),
        media,
    ];
    for wrapping in wrappings {
        let digest = capture(&wrapping).digest;
        assert_eq!(Capture { digest, ..expected.clone() }, capture(&wrapping), "{wrapping}");
    }
}

#[test]
fn a_post_gives_its_owner_and_every_comment_once() {
    let capture = parse(POST).unwrap();
    assert_eq!(capture.kind, Kind::Post);
    let owner = capture.profile.unwrap();
    assert_eq!(owner.username.as_deref(), Some("tide_watch"));
    assert_eq!((owner.followers_count, owner.posts_count), (Some(1500), Some(64)));

    let post = &capture.posts[0];
    assert_eq!((post.likes_count, post.comments_count), (Some(230), Some(4)));
    assert_eq!((post.video_view_count, post.video_play_count), (Some(9001), Some(24_000)));
    assert_eq!((post.video_duration, post.has_audio), (Some(12.0), Some(false)));

    let ids: Vec<_> = capture.comments.iter().map(|comment| &comment.comment_id[14..]).collect();
    assert_eq!(ids, ["201", "202", "203", "204"], "answers below a comment included");
    let first = &capture.comments[0];
    assert_eq!(first.post_shortcode.as_deref(), Some("CCCCreel001"));
    assert_eq!(first.post_instagram_id.as_deref(), Some("3300000000000000001"));
    assert!(first.compound > 0.05 && capture.comments[2].compound < -0.05);
    assert_eq!(capture.page.unwrap().end_cursor.as_deref(), Some("QVFCdGlkZQ=="));
}

#[test]
fn comments_alone_belong_to_no_post_unless_the_envelope_names_it() {
    let alone = parse(COMMENTS).unwrap();
    assert_eq!((alone.kind, alone.comments.len(), alone.posts.len()), (Kind::Comments, 2, 0));
    assert_eq!((alone.profile, alone.skipped_posts), (None, 0));
    assert!(alone.comments.iter().all(|c| c.post_instagram_id.is_none() && c.post_shortcode.is_none()));
    assert_eq!(alone.page.unwrap().count, Some(45));

    for query in ["CCCCreel001", "https://www.instagram.com/reel/CCCCreel001/?igsh=1"] {
        let named = capture(&asked(value(COMMENTS), query));
        assert_eq!(named.kind, Kind::Comments);
        assert!(named.comments.iter().all(|c| c.post_shortcode.as_deref() == Some("CCCCreel001")), "{query}");
    }

    let bare = capture(&value(COMMENTS)["data"]["shortcode_media"]);
    assert_eq!((bare.kind, bare.comments.len()), (Kind::Comments, 2));
}

#[test]
fn neither_the_words_nor_the_authors_of_comments_leave() {
    for sample in [POST, COMMENTS, USER_POSTS] {
        let json = parse(sample).unwrap().to_json();
        for secret in ["Wonderful", "horrible", "congratulations", "someone_"] {
            assert!(!json.contains(secret), "{secret}");
        }
    }
}

#[test]
fn a_page_of_posts_belongs_to_the_account_asked_for() {
    let page = parse(USER_POSTS).unwrap();
    assert_eq!(page.kind, Kind::Timeline);
    let profile = page.profile.unwrap();
    assert_eq!(profile.username.as_deref(), Some("jonas.kiln"), "although olive_mill owns more of these posts");
    assert_eq!(profile.instagram_user_id.as_deref(), Some("900000000003"));
    assert_eq!((profile.posts_count, profile.followers_count), (Some(1544), None));
    assert_eq!(page.posts.len(), 4, "a repeated post counts once");
    assert_eq!(page.skipped_posts, 1, "one has no shortcode");
    assert_eq!(page.posts[1].owner_username.as_deref(), Some("olive_mill"));
    assert_eq!(page.comments.len(), 3);
    assert_eq!(page.comments[2].post_shortcode.as_deref(), Some("AAAAkiln002"));

    let mut unasked = value(USER_POSTS);
    unasked["results"][0].as_object_mut().unwrap().remove("query");
    let owner = capture(&unasked).profile.unwrap();
    assert_eq!(owner.username.as_deref(), Some("olive_mill"), "else to the one that owns most");

    let stranger = asked(value(USER_POSTS)["results"][0]["content"].clone(), "not.an.owner");
    let stranger = capture(&stranger).profile.unwrap();
    assert_eq!((stranger.username.as_deref(), stranger.instagram_user_id), (Some("not.an.owner"), None));
}

#[test]
fn an_empty_page_of_posts_needs_a_name() {
    let page = json!({"data": {"user": {"edge_owner_to_timeline_media": {"count": 7, "edges": []}}}});
    assert_eq!(code(&page), ("VALIDATION_ERROR", false));
    let named = capture(&asked(page, "https://www.instagram.com/Some.One/"));
    assert_eq!((named.kind, named.posts_known), (Kind::Timeline, false));
    assert_eq!(named.profile.unwrap().username.as_deref(), Some("some.one"));
}

#[test]
fn the_shape_of_2025_is_read() {
    let page = parse(XDT_TIMELINE).unwrap();
    assert_eq!(page.kind, Kind::Timeline);
    let profile = page.profile.unwrap();
    assert_eq!(profile.username.as_deref(), Some("lena_flies"));
    assert_eq!(profile.full_name.as_deref(), Some("Lena Flies"));
    assert_eq!(profile.profile_pic_url.as_deref(), Some("https://pictures.example/lena_flies.jpg"));
    assert_eq!(profile.profile_pic_url_hd.as_deref(), Some("https://pictures.example/lena_flies_hd.jpg"));
    assert_eq!((profile.is_verified, profile.posts_count), (Some(true), None));

    let [joint, album, clip] = &page.posts[..] else { panic!("three posts") };
    assert_eq!(joint.instagram_post_id, "3200000000000000021");
    assert_eq!(joint.shortcode, "BBBBlena001");
    assert_eq!(joint.owner_username.as_deref(), Some("paul.climbs"));
    assert_eq!((joint.likes_count, joint.comments_count), (Some(640), Some(12)));
    assert_eq!(joint.display_url.as_deref(), Some("https://pictures.example/BBBBlena001_l.jpg"));
    assert_eq!(joint.location_id.as_deref(), Some("710000000000001"));
    assert_eq!(joint.mentions, ["lena_flies"]);
    assert_eq!(joint.viewer_can_reshare, Some(true));
    assert_eq!(joint.comments_disabled, None);

    assert_eq!(album.media_type, Some(MediaType::GraphSidecar));
    assert_eq!((album.likes_count, album.is_pinned), (None, Some(true)));
    let children = album.sidecar_children.as_ref().unwrap();
    assert_eq!(children[1].id.as_deref(), Some("3200000000000000032"));
    assert_eq!(children[1].video_url.as_deref(), Some("https://pictures.example/v32.mp4"));
    assert_eq!((children[0].width, children[0].height), (Some(810), Some(1080)));

    assert_eq!((clip.is_video, clip.media_type), (Some(true), Some(MediaType::GraphVideo)));
    assert_eq!((clip.video_view_count, clip.video_play_count), (None, Some(50_210)));
    assert_eq!(clip.video_url.as_deref(), Some("https://pictures.example/v23.mp4"));
    assert_eq!(clip.caption, None);
    assert_eq!(clip.tagged_users.as_ref().unwrap()[0].id.as_deref(), Some("900000000011"));

    let post = &value(XDT_TIMELINE)["data"]["xdt_api__v1__feed__user_timeline_graphql_connection"]["edges"][1]["node"];
    let bare = capture(post);
    assert_eq!((bare.kind, &bare.posts[0]), (Kind::Post, album), "a post is no account, though it has a user");
}

#[test]
fn a_hashtag_page_gives_new_and_top_posts_once_and_no_account() {
    let page = parse(HASHTAG).unwrap();
    assert_eq!(page.kind, Kind::Hashtag);
    assert_eq!(page.profile, None);
    let shortcodes: Vec<_> = page.posts.iter().map(|post| post.shortcode.as_str()).collect();
    assert_eq!(shortcodes, ["DDDDtag0001", "DDDDtag0002", "DDDDtag0003"]);
    assert_eq!(page.posts[2].owner_id.as_deref(), Some("900000000032"));
    assert_eq!(page.page.unwrap().count, Some(120_455));
}

#[test]
fn what_is_not_said_is_null_and_what_is_unknown_is_told_from_none() {
    let account = |timeline: Value| {
        capture(&json!({"data": {"user": {"username": "someone", "edge_owner_to_timeline_media": timeline}}}))
    };
    assert!(!account(json!({"count": 367, "edges": []})).posts_known, "has posts, shows none");
    assert!(account(json!({"count": 0, "edges": []})).posts_known, "has none");
    assert!(!account(Value::Null).posts_known);

    let nothing = account(Value::Null);
    let name = Some("someone".to_owned());
    assert_eq!(nothing.profile, Some(Profile { username: name, ..Profile::default() }));
    assert_eq!(nothing.page, None);

    let post = only_post(&account_with(minimal_post()));
    let written = serde_json::to_value(&post).unwrap();
    let mut said: Vec<_> =
        written.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key).collect();
    said.sort();
    assert_eq!(said, ["hashtags", "instagram_post_id", "mention_contexts", "mentions", "owner_id", "shortcode"]);
}

#[test]
fn values_of_the_wrong_type_are_not_said() {
    let odd =
        [json!(null), json!(true), json!("words"), json!(1.5), json!([1, [2]]), json!({"a": {"b": []}}), json!(-7)];
    let keys: Vec<String> = [PROFILE, XDT_TIMELINE, POST].iter().flat_map(|sample| keys_of(&value(sample))).collect();
    for odd in &odd {
        let mut post = minimal_post();
        let mut user = json!({"id": "1", "username": "someone"});
        for key in keys.iter().filter(|key| !["id", "pk", "username", "shortcode", "code"].contains(&key.as_str())) {
            post[key] = odd.clone();
            user[key] = odd.clone();
        }
        user["edge_owner_to_timeline_media"] = json!({"count": odd, "edges": [{"node": post}, {"node": odd}, odd]});
        let capture = capture(&json!({"data": {"user": user}}));
        assert_eq!(capture.posts.len(), 1);
        let post = &capture.posts[0];
        assert_eq!((post.likes_count, post.comments_count, post.width), (None, None, None), "{odd}");
        assert_eq!(capture.profile.unwrap().followers_count, None, "{odd}");
    }
}

fn keys_of(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            map.iter().flat_map(|(key, value)| [vec![key.clone()], keys_of(value)].concat()).collect()
        }
        Value::Array(items) => items.iter().flat_map(keys_of).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn counts_are_whole_numbers_that_fit_64_bits() {
    let followers = |count: &str| {
        let payload = format!(r#"{{"data": {{"user": {{"id": 1, "edge_followed_by": {{"count": {count}}}}}}}}}"#);
        parse(&payload).unwrap().profile.unwrap().followers_count
    };
    assert_eq!(followers("9223372036854775807"), Some(i64::MAX));
    assert_eq!(followers("\"694670062\""), Some(694_670_062));
    assert_eq!(followers("1.2e9"), Some(1_200_000_000));
    for other in ["-1", "1.5", "9223372036854775808", "1e19", "\"12k\"", "\"\"", "\"+5\"", "\"-5\"", "true", "[1]"] {
        assert_eq!(followers(other), None, "{other}");
    }
}

#[test]
fn ids_are_text_even_when_written_as_numbers() {
    let post = only_post(&account_with(
        json!({"pk": 3_722_495_925_647_331_229_i64, "code": "AbC", "owner": {"pk": 25_025_320}}),
    ));
    assert_eq!(post.instagram_post_id, "3722495925647331229");
    assert_eq!(post.owner_id.as_deref(), Some("25025320"));
}

#[test]
fn text_from_outside_is_made_safe_to_store() {
    let payload = json!({"data": {"user": {
        "username": "someone", "full_name": "A\u{0}B", "biography": "ü".repeat(6_000), "external_url": "javascript:alert(1)",
        "profile_pic_url": format!("https://pictures.example/{}", "a".repeat(5_000)), "category_name": "c".repeat(600),
    }}});
    let profile = capture(&payload).profile.unwrap();
    assert_eq!(profile.full_name.as_deref(), Some("AB"));
    assert_eq!(profile.biography.unwrap(), "ü".repeat(5_000));
    assert_eq!(profile.external_url, None);
    assert_eq!(profile.profile_pic_url.unwrap().len(), 4_000);
    assert_eq!(profile.category.unwrap().len(), 500);

    let caption = json!({"edge_media_to_caption": {"edges": [{"node": {"text": "🌊".repeat(10_001)}}]}});
    let post = only_post(&account_with(with(minimal_post(), caption)));
    assert_eq!(post.caption.unwrap().chars().count(), 10_000);
}

#[test]
fn surrogates_without_a_partner_do_not_spoil_the_payload() {
    let user = r#"{"data": {"user": {"username": "someone", "full_name": "cut \ud83d", "biography": "\ud83c\udf5e \\ud83d"}}}"#;
    for payload in [user.to_owned(), enveloped(Value::String(user.to_owned())).to_string()] {
        let profile = parse(&payload).unwrap().profile.unwrap();
        assert_eq!(profile.full_name.as_deref(), Some("cut \u{fffd}"));
        assert_eq!(profile.biography.as_deref(), Some("🍞 \\ud83d"));
    }
}

#[test]
fn times_outside_2010_to_2100_are_unknown() {
    for (seconds, known) in [(1_302_000_000_i64, true), (0, false), (-5, false), (1_735_689_600_000, false)] {
        let post = only_post(&account_with(with(minimal_post(), json!({"taken_at_timestamp": seconds}))));
        assert_eq!(post.posted_at.is_some(), known, "{seconds}");
        assert_eq!(post.taken_at_timestamp.is_some(), known, "{seconds}");
    }
}

#[test]
fn long_lists_end_at_their_limits() {
    let posts: Vec<_> = (0..2_100).map(|n| json!({"node": {"id": n + 1, "shortcode": format!("s{n}")}})).collect();
    let related: Vec<_> = (0..150).map(|n| json!({"node": {"username": format!("user{n}")}})).collect();
    let capture = capture(&json!({"data": {"user": {
        "username": "someone",
        "edge_owner_to_timeline_media": {"count": 2_100, "edges": posts},
        "edge_related_profiles": {"edges": related},
    }}}));
    assert_eq!((capture.posts.len(), capture.related.len()), (2_000, 100));

    let comments: Vec<_> = (0..10_100).map(|n| json!({"node": {"id": n + 1, "text": "ok"}})).collect();
    let page = json!({"data": {"shortcode_media": {"edge_media_to_comment": {"edges": comments}}}});
    assert_eq!(parse(&page.to_string()).unwrap().comments.len(), 10_000);
}

#[test]
fn errors_of_the_remotes_are_external_errors() {
    let again = [
        json!({"status": "failed", "status_code": 613, "message": "We were not able to scrape the target.", "task_id": "1"}),
        json!({"status": "failed", "status_code": 612}),
        json!({"status": "failed", "message": "Validation failed", "errors": []}),
        json!({"message": "checkpoint_required", "checkpoint_url": "/challenge/1/", "lock": false, "status": "fail"}),
        json!({"message": "checkpoint_required"}),
        json!({"message": "Please wait a few minutes before you try again.", "require_login": true, "status": "fail"}),
        json!({"require_login": true}),
        json!({"status": "pending", "task_id": "7169222559311878145"}),
        json!({"status": "faulted"}),
        enveloped(json!({"status": "fail", "message": "checkpoint_required"})),
        enveloped(Value::String(json!({"require_login": true}).to_string())),
        enveloped(json!({"parse_status_code": 12002})),
        json!({"results": [{"content": value(PROFILE), "status_code": 429}]}),
        json!({"results": [{"content": value(PROFILE), "status_code": 613}]}),
        json!({"data": {"content": value(PROFILE), "status_code": 12009}, "task_id": "1"}),
    ];
    for body in &again {
        assert_eq!(code(body), ("EXTERNAL_API_ERROR", true), "{body}");
    }
    let unsupported = json!({"data": {"content": {}, "status_code": 12003}, "task_id": "1"});
    assert_eq!(code(&unsupported), ("EXTERNAL_API_ERROR", false));
}

#[test]
fn answers_without_anything_in_them_are_not_found() {
    let bodies = [
        json!({"data": {"viewer": {}, "user": null}, "status": "ok"}),
        json!({"data": {"user": {}}}),
        json!({"data": {"shortcode_media": null}}),
        json!({"data": {"xdt_shortcode_media": null}}),
        json!({"data": {"hashtag": null}}),
        json!({"data": {"xdt_api__v1__feed__user_timeline_graphql_connection": null}}),
        json!({"data": null, "status": "ok"}),
        json!({"graphql": {"user": null}}),
        json!({"results": []}),
        json!({"results": [{"status_code": 200}]}),
        json!({"results": [{"content": value(PROFILE), "status_code": 404}]}),
        enveloped(Value::Null),
        enveloped(json!({})),
        enveloped(json!([])),
        enveloped(json!("")),
        enveloped(json!(" {} ")),
        enveloped(json!("null")),
        enveloped(json!({"data": {}})),
        enveloped(json!({"status": "ok"})),
        enveloped(json!({"data": {"user": null}, "status": "ok"})),
        json!({"data": {"content": {}, "errors": [], "status_code": 12000}, "task_id": "1"}),
    ];
    for body in &bodies {
        assert_eq!(code(body), ("NOT_FOUND", true), "{body}");
    }
}

#[test]
fn other_shapes_are_refused_for_good() {
    let entry = json!({"title": "", "string_list_data": [{"href": "h", "value": "v", "timestamp": 1}]});
    let bodies = [
        json!({}),
        json!([]),
        json!(null),
        json!(true),
        json!(17),
        json!("text"),
        json!([entry]),
        json!({"relationships_following": [entry]}),
        json!({"organic_insights_audience": [{"string_map_data": {"Followers": {"value": "1"}}}]}),
        json!({"id": "1"}),
        json!({"username": "someone"}),
        json!({"id": "1", "name": "Someone", "username": "someone"}),
        json!({"status": "ok"}),
        json!({"status": "done"}),
        json!({"data": []}),
        json!({"data": {"unheard_of": {"id": 1}}, "status": "ok"}),
        json!({"data": {"user": {"full_name": "No Body"}}}),
        json!({"data": {"user": {"username": "not a name"}}}),
        json!({"data": {"shortcode_media": {"shortcode": "AbC"}}}),
        json!({"data": {"hashtag": {"name": "x"}}}),
        json!({"results": {"content": 1}}),
        enveloped(json!("<html><body>Login</body></html>")),
        enveloped(json!(5)),
        enveloped(json!([1])),
        enveloped(json!({"other": 1})),
        enveloped(enveloped(value(PROFILE))),
    ];
    for body in &bodies {
        assert_eq!(code(body), ("VALIDATION_ERROR", false), "{body}");
    }
    for text in
        ["", " ", "{error}", "{", "nul", "{\"data\": {\"user\": {\"username\": \"a\"}}} x", "\u{feff}{}", "'", "1e999"]
    {
        let refusal = parse(text).unwrap_err();
        assert_eq!((refusal.code, refusal.retryable), (RefusalCode::ValidationError, false), "{text}");
    }
}

#[test]
fn payloads_that_are_too_large_or_too_deep_are_refused() {
    let padding = " ".repeat(MAX_PAYLOAD_BYTES + 1 - PROFILE.len());
    assert!(parse(&format!("{PROFILE}{}", &padding[1..])).is_ok());
    assert_eq!(parse(&format!("{PROFILE}{padding}")).unwrap_err().code, RefusalCode::ValidationError);

    let depth = 100_000;
    for (open, close) in [("[", "]"), (r#"{"data":"#, "}")] {
        let payload = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(parse(&payload).unwrap_err().code, RefusalCode::ValidationError);
    }
}

#[test]
fn refusals_are_short_and_carry_little_of_the_payload() {
    let noise = format!("<script>\u{7}{}", "Ünlucky ".repeat(10_000));
    let said = refusal(&json!({"status": "fail", "message": noise}));
    assert!(said.message.chars().count() <= 130, "{}", said.message);
    assert!(!said.message.contains(['<', '>', '\u{7}']), "{}", said.message);
    for payload in ["{error}".to_owned(), format!("{{\"{noise}\": 1}}"), json!({ "x": noise }).to_string()] {
        let said = parse(&payload).unwrap_err();
        assert!(!said.message.contains("nlucky"), "{}", said.message);
        assert!(said.message.starts_with(char::is_lowercase) && !said.message.ends_with('.'), "{}", said.message);
        assert!(said.hint.is_some());
    }
}

#[test]
fn the_digest_is_that_of_the_payload_as_received() {
    let digest = |payload: &str| parse(payload).unwrap().digest;
    let payload = r#"{"data":{"user":{"username":"a"}}}"#;
    assert_eq!(digest(payload), "bdd89c86b0ac9169e0733da074d4fbed7cad95f33c734da0482bcab2cfb9d330");
    assert_ne!(digest(payload), digest(&format!("{payload} ")));
}

#[test]
fn the_document_has_the_names_of_the_columns() {
    let document = value(&parse(PROFILE).unwrap().to_json());
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(keys(&document), "comments digest kind page posts posts_known profile related skipped_posts");
    assert_eq!(
        keys(&document["profile"]),
        "bio_links biography category external_url followers_count following_count full_name highlight_reel_count \
         instagram_user_id is_business_account is_private is_professional_account is_verified posts_count \
         profile_pic_url profile_pic_url_hd pronouns username"
    );
    assert_eq!(
        keys(&document["posts"][0]),
        "accessibility_caption caption carousel_media_count coauthor_producers comments_count comments_disabled \
         display_url has_audio hashtags height instagram_post_id is_carousel is_paid_partnership is_pinned is_video \
         like_and_view_counts_disabled likes_count location_id location_name media_type mention_contexts mentions \
         owner_id owner_username posted_at product_type shortcode sidecar_children tagged_users taken_at_timestamp \
         thumbnail_src video_duration video_play_count video_url video_view_count viewer_can_reshare width"
    );
    assert_eq!(
        keys(&document["related"][0]),
        "rank related_followers_count related_full_name related_instagram_user_id related_is_private \
         related_is_verified related_profile_pic_url related_username"
    );
    let comments = value(&parse(POST).unwrap().to_json());
    assert_eq!(
        keys(&comments["comments"][0]),
        "comment_ids compound negative neutral positive post_instagram_id post_shortcode scores"
    );
    assert_eq!(comments["comments"].as_array().unwrap().len(), 1, "one element a post");
    assert_eq!(comments["comments"][0]["comment_ids"].as_array().unwrap().len(), 4);
    let compounds =
        comments["comments"][0]["scores"].as_array().unwrap().iter().map(|score| score[3].as_f64().unwrap());
    assert!((compounds.sum::<f64>() - comments["comments"][0]["compound"].as_f64().unwrap()).abs() < 1e-12);
    assert_eq!(keys(&document["page"]), "count end_cursor has_next_page");
    assert_eq!((&document["kind"], &document["posts"][0]["media_type"]), (&json!("profile"), &json!("GraphSidecar")));
    assert_eq!(document["posts"][0]["mention_contexts"][0]["mention_type"], "caption");
}

#[test]
fn a_sample_cut_anywhere_is_refused() {
    for sample in SAMPLES {
        let compact = value(sample).to_string();
        for end in (0..compact.len()).filter(|&end| compact.is_char_boundary(end)) {
            assert!(parse(&compact[..end]).is_err(), "{end} of {compact}");
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let keys: Vec<String> = SAMPLES.iter().flat_map(|sample| keys_of(&value(sample))).collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z0-9_]{1,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(10, 200, 8, move |inner| {
        let key = prop::sample::select(keys.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What holds for every capture, whatever it was made from.
fn assert_sound(capture: &Capture) {
    let mut ids: Vec<_> = capture.posts.iter().map(|post| &post.instagram_post_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), capture.posts.len());
    for post in &capture.posts {
        let counts = [post.likes_count, post.comments_count, post.video_view_count, post.video_play_count, post.width];
        assert!(counts.into_iter().flatten().all(|count| count >= 0));
        assert_eq!(post.posted_at.is_some(), post.taken_at_timestamp.is_some());
    }
    if let Some(profile) = &capture.profile {
        assert!(profile.instagram_user_id.is_some() || profile.username.is_some());
    }
    let json = capture.to_json();
    assert!(!json.contains("\\u0000"));
    assert!(serde_json::from_str::<Value>(&json).is_ok());
}

/// Puts `graft` in the place that `path` leads to.
fn grafted(value: &mut Value, path: &[usize], graft: Value) {
    let child = path.split_first().and_then(|(&step, rest)| {
        let child = match value {
            Value::Object(map) if !map.is_empty() => {
                let at = step % map.len();
                map.values_mut().nth(at)
            }
            Value::Array(items) if !items.is_empty() => {
                let at = step % items.len();
                items.get_mut(at)
            }
            _ => None,
        };
        Some((child?, rest))
    });
    match child {
        Some((child, rest)) => grafted(child, rest, graft),
        None => *value = graft,
    }
}

proptest! {
    #[test]
    fn any_json_is_taken_or_refused(payload in any_json()) {
        if let Ok(capture) = parse(&payload.to_string()) {
            assert_sound(&capture);
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(payload in any::<String>()) {
        let _ = parse(&payload);
    }

    #[test]
    fn a_sample_with_anything_grafted_on_is_taken_or_refused(
        sample in prop::sample::select(&SAMPLES[..]),
        path in prop::collection::vec(any::<usize>(), 1..12),
        graft in any_json(),
        as_text in any::<bool>(),
    ) {
        let mut payload = value(sample);
        grafted(&mut payload, &path, graft);
        if as_text {
            payload = enveloped(Value::String(payload.to_string()));
        }
        if let Ok(capture) = parse(&payload.to_string()) {
            assert_sound(&capture);
        }
    }

    #[test]
    fn the_same_payload_reads_the_same_twice(sample in prop::sample::select(&SAMPLES[..])) {
        prop_assert_eq!(parse(sample), parse(sample));
    }
}
