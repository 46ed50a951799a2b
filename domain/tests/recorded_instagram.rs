//! Real answers, recorded between 2020 and 2025. They are not part of the project: the tests look in `instagram/` below
//! ANALYTICS_FIXTURES, or below `../shared/fixtures` beside the repository, and are skipped where there is nothing.

use std::path::PathBuf;

use analytics_domain::instagram::{Capture, Kind, MediaType, Post, Profile, RefusalCode, parse};

fn recorded(name: &str) -> Option<String> {
    let directory = match std::env::var_os("ANALYTICS_FIXTURES") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures")),
    };
    let directory = directory.join("instagram");
    if !directory.is_dir() {
        eprintln!("skipped: no recorded fixtures");
        return None;
    }
    let file = directory.join(name);
    Some(std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

fn capture(name: &str) -> Option<Capture> {
    let payload = recorded(name)?;
    Some(parse(&payload).unwrap_or_else(|refusal| panic!("{name}: {refusal}")))
}

fn post<'a>(capture: &'a Capture, shortcode: &str) -> &'a Post {
    capture.posts.iter().find(|post| post.shortcode == shortcode).unwrap_or_else(|| panic!("no post {shortcode}"))
}

fn counts(profile: &Profile) -> [Option<i64>; 4] {
    [profile.followers_count, profile.following_count, profile.posts_count, profile.highlight_reel_count]
}

fn sum(capture: &Capture, of: impl Fn(&Post) -> Option<i64>) -> i64 {
    capture.posts.iter().filter_map(of).sum()
}

#[test]
fn decodo_page_of_posts_of_2024() {
    let Some(page) = capture("decodo_user_posts_2024_nba.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.comments.len()), (Kind::Timeline, 12, 45));
    assert_eq!((page.skipped_posts, page.posts_known), (0, true));
    let profile = page.profile.as_ref().unwrap();
    assert_eq!(profile.instagram_user_id.as_deref(), Some("20824486"));
    assert_eq!(profile.username.as_deref(), Some("nba"));
    assert_eq!(counts(profile), [None, None, Some(70_366), None]);

    assert_eq!(sum(&page, |post| post.likes_count), 648_785);
    assert_eq!(sum(&page, |post| post.comments_count), 4_428);
    assert_eq!(sum(&page, |post| post.video_view_count), 1_454_810);

    let video = post(&page, "C3gmbjMrTuT");
    assert_eq!(video.instagram_post_id, "3305811145476881299");
    assert_eq!(video.media_type, Some(MediaType::GraphVideo));
    assert_eq!((video.likes_count, video.comments_count), (Some(195_866), Some(995)));
    assert_eq!(video.video_view_count, Some(760_228));
    assert_eq!((video.width, video.height), (Some(750), Some(1333)));
    assert_eq!(video.posted_at.as_deref(), Some("2024-02-19T00:45:44Z"));
    assert_eq!(video.tagged_users.as_ref().unwrap()[0].username, "nbaontnt");
    assert_eq!(page.comments.iter().filter(|c| c.post_shortcode.as_deref() == Some("C3gmbjMrTuT")).count(), 4);

    let album = post(&page, "C39j5fQL-d3");
    assert_eq!((album.is_carousel, album.carousel_media_count), (Some(true), Some(8)));
    assert_eq!(album.video_view_count, None);

    for (shortcode, owner) in [("C39eM0lAFAs", "nuggets"), ("C39Z9BOLP47", "lakers"), ("C39Rp3MM9zD", "nba")] {
        assert_eq!(post(&page, shortcode).owner_username.as_deref(), Some(owner));
    }
    let next = page.page.unwrap();
    assert_eq!((next.count, next.has_next_page, next.end_cursor.is_some()), (Some(70_366), Some(true), true));
}

#[test]
fn account_of_2025_without_wrapping() {
    let Some(page) = capture("profile_user_2025_instagram.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.posts_known), (Kind::Profile, 0, false));
    let profile = page.profile.unwrap();
    assert_eq!(profile.instagram_user_id.as_deref(), Some("25025320"));
    assert_eq!(profile.username.as_deref(), Some("instagram"));
    assert_eq!(counts(&profile), [Some(694_670_062), Some(243), None, Some(15)]);
    assert_eq!((profile.is_verified, profile.is_business_account), (Some(true), Some(false)));
    assert_eq!(profile.category.as_deref(), Some("Digital creator"));
    assert_eq!(profile.bio_links.unwrap()[0].url, "http://help.instagram.com");
    assert_eq!(profile.pronouns, Some(vec![]));
    assert_eq!(page.page, None);
}

#[test]
fn business_account_of_2024() {
    let Some(page) = capture("profile_2024_starthackclub_business.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.posts_known), (Kind::Profile, 0, false));
    let profile = page.profile.unwrap();
    assert_eq!(profile.instagram_user_id.as_deref(), Some("5987427958"));
    assert_eq!(counts(&profile), [Some(75_011), Some(413), Some(367), Some(13)]);
    assert_eq!((profile.is_verified, profile.is_business_account), (Some(false), Some(true)));
    assert_eq!(profile.category.as_deref(), Some("Nonprofit organization"));
    assert!(profile.biography.unwrap().starts_with("👋 We’re a worldwide network"));
    assert_eq!(page.page.unwrap().end_cursor, None);
}

#[test]
fn verified_business_account_of_2023() {
    let Some(page) = capture("profile_2023_robertdowneyjr.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.posts_known), (Kind::Profile, 0, false));
    let profile = page.profile.unwrap();
    assert_eq!(profile.username.as_deref(), Some("robertdowneyjr"));
    assert_eq!(counts(&profile), [Some(52_979_346), Some(5), Some(419), Some(18)]);
    assert_eq!((profile.is_verified, profile.category.as_deref()), (Some(true), Some("Artist")));
    assert_eq!((profile.external_url, profile.bio_links), (None, None));
}

#[test]
fn page_of_posts_of_2020() {
    let Some(page) = capture("user_posts_2020_robertdowneyjr.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.comments.len()), (Kind::Timeline, 12, 44));
    let profile = page.profile.as_ref().unwrap();
    assert_eq!(profile.instagram_user_id.as_deref(), Some("1518284433"));
    assert_eq!(profile.posts_count, Some(453));
    assert_eq!(sum(&page, |post| post.likes_count), 17_780_067);
    assert_eq!(sum(&page, |post| post.comments_count), 39_896);

    let album = post(&page, "B7XDCBNlds_");
    assert_eq!((album.likes_count, album.comments_count), (Some(1_581_850), Some(2_561)));
    assert_eq!(album.sidecar_children.as_ref().unwrap().len(), 5);
    assert_eq!(album.sidecar_children.as_ref().unwrap()[0].id.as_deref(), Some("2222258271821472024"));
    assert_eq!(album.tagged_users.as_ref().unwrap().len(), 6);
    assert_eq!(album.location_id.as_deref(), Some("1026735962"));

    let video = post(&page, "B7cWmQcB3RE");
    assert_eq!((video.is_video, video.video_view_count), (Some(true), Some(5_144_388)));
    let image = post(&page, "B7Fdy_5lBih");
    assert_eq!((image.media_type, image.is_carousel), (Some(MediaType::GraphImage), Some(false)));
    assert_eq!((image.likes_count, image.video_view_count), (Some(2_434_569), None));
}

#[test]
fn profile_page_of_2020() {
    let Some(page) = capture("profile_page_2020_instagram.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.posts_known), (Kind::Profile, 12, true));
    let profile = page.profile.as_ref().unwrap();
    assert_eq!(counts(profile), [Some(344_415_438), Some(222), Some(6_309), Some(20)]);
    assert_eq!((profile.is_professional_account, profile.category.as_deref()), (None, None));

    assert_eq!(sum(&page, |post| post.likes_count), 8_521_185);
    assert_eq!(sum(&page, |post| post.comments_count), 137_903);
    let image = post(&page, "B_GL_qPgo2B");
    assert_eq!((image.likes_count, image.comments_count), (Some(1_543_694), Some(21_335)));
    assert_eq!(image.location_name.as_deref(), Some("Cologne, Germany"));
    assert_eq!(
        (image.hashtags.as_slice(), image.mentions.as_slice()),
        (&["weeklyfluff".into()][..], &["mayapolarbear".into()][..])
    );
    let video = post(&page, "B-0KFHjAnhy");
    assert_eq!(video.video_view_count, Some(7_390_478));
    assert_eq!(post(&page, "B-xQuCFAysz").carousel_media_count, Some(3));
}

#[test]
fn page_of_posts_in_the_shape_of_2025() {
    let Some(page) = capture("user_timeline_xdt_2025.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.comments.len()), (Kind::Timeline, 12, 0));
    let profile = page.profile.as_ref().unwrap();
    assert_eq!(profile.instagram_user_id.as_deref(), Some("1493623214"));
    assert_eq!(profile.username.as_deref(), Some("ondrejpycha_photography"));
    assert_eq!((profile.is_verified, profile.is_private), (Some(true), Some(false)));
    assert_eq!(counts(profile), [None; 4]);

    for hidden in ["CyQ3LvAMNYU", "CxdQFpgNPWx"] {
        let hidden = post(&page, hidden);
        assert_eq!((hidden.likes_count, hidden.like_and_view_counts_disabled), (None, Some(true)));
    }
    assert_eq!(page.posts.iter().filter(|post| post.likes_count.is_none()).count(), 2);
    assert_eq!(sum(&page, |post| post.likes_count), 6_966);
    assert_eq!(sum(&page, |post| post.comments_count), 120);

    let first = post(&page, "C0t2k04sIqF");
    assert_eq!(first.instagram_post_id, "3255498130857167493");
    assert_eq!((first.likes_count, first.comments_count), (Some(825), Some(4)));
    assert_eq!((first.width, first.height), (Some(1440), Some(1715)));
    assert_eq!(first.tagged_users.as_ref().unwrap().len(), 3);
    assert_eq!(first.mentions, ["this.is.zea", "forbesslovensko"]);
    assert!(first.display_url.is_some());

    let joint = post(&page, "Cx8aRvOLSoj");
    assert_eq!(joint.owner_username.as_deref(), Some("terka_petrzilkova"));
    assert_eq!(joint.coauthor_producers.as_ref().unwrap()[0].username, "ondrejpycha_photography");
    assert_eq!(joint.location_id.as_deref(), Some("110589025635590"));

    let album = post(&page, "Cyvv8psLoJf");
    assert_eq!((album.media_type, album.carousel_media_count), (Some(MediaType::GraphSidecar), Some(2)));
    assert_eq!(album.sidecar_children.as_ref().unwrap()[0].id.as_deref(), Some("3220003130627284717"));
}

#[test]
fn post_of_2025_with_comments() {
    let Some(page) = capture("post_2025_instagram.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.comments.len()), (Kind::Post, 1, 10));
    let owner = page.profile.as_ref().unwrap();
    assert_eq!(owner.instagram_user_id.as_deref(), Some("6397722910"));
    assert_eq!(counts(owner), [Some(1_136_758), None, Some(1_369), None]);
    let post = post(&page, "DOo9lJeDE-d");
    assert_eq!(post.instagram_post_id, "3722495925647331229");
    assert_eq!((post.likes_count, post.comments_count), (Some(545_942), Some(2_398)));
    assert_eq!((post.caption.as_deref(), post.is_paid_partnership), (None, Some(false)));
    assert!(page.comments.iter().all(|comment| comment.post_shortcode.as_deref() == Some("DOo9lJeDE-d")));
}

#[test]
fn comments_of_2021() {
    let Some(page) = capture("comments_2021_shortcode.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.comments.len()), (Kind::Comments, 0, 12));
    assert_eq!((page.profile, page.page.unwrap().count), (None, Some(45)));
    let praise = page.comments.iter().find(|comment| comment.comment_id == "17919937453497598").unwrap();
    assert!(praise.compound > 0.5);
    assert_eq!(praise.post_shortcode, None);
}

#[test]
fn hashtag_page_of_2021() {
    let Some(page) = capture("hashtag_2021_paris.json") else { return };
    assert_eq!((page.kind, page.posts.len(), page.comments.len()), (Kind::Hashtag, 43, 0));
    assert_eq!((page.profile.as_ref(), page.page.as_ref().unwrap().count), (None, Some(125_782_874)));
    let top = post(&page, "CKrfLPHM4a7");
    assert_eq!((top.likes_count, top.comments_count), (Some(178), Some(9)));
    assert_eq!(top.owner_id.as_deref(), Some("220267553"));
    assert!(top.hashtags.iter().any(|tag| tag.starts_with("galerieslafayett")));
    assert_eq!(post(&page, "CKsCopzFQH5").video_view_count, Some(0));
}

#[test]
fn errors_and_exports_are_refused() {
    let files = [
        ("error_challenge_required.json", RefusalCode::ExternalApiError, true),
        ("error_profile_id_invalid.json", RefusalCode::NotFound, true),
        ("error_medias_not_json.txt", RefusalCode::ValidationError, false),
        ("export_a_followers_1.json", RefusalCode::ValidationError, false),
        ("export_a_following.json", RefusalCode::ValidationError, false),
        ("export_a_recently_unfollowed_profiles.json", RefusalCode::ValidationError, false),
        ("export_b_audience_insights.json", RefusalCode::ValidationError, false),
        ("export_b_content_interactions.json", RefusalCode::ValidationError, false),
        ("export_b_followers_1.json", RefusalCode::ValidationError, false),
        ("export_b_following_title_format.json", RefusalCode::ValidationError, false),
        ("export_b_profiles_reached.json", RefusalCode::ValidationError, false),
    ];
    for (name, code, retryable) in files {
        let Some(payload) = recorded(name) else { return };
        let refusal = parse(&payload).expect_err(name);
        assert_eq!((refusal.code, refusal.retryable), (code, retryable), "{name}");
    }
}
