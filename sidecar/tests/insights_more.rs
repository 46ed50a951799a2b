//! Insights of TikTok, X and YouTube as the stand-in tells them: whole, partial, with what is hidden, refused, late or used up.

mod common;

use std::time::Duration;

use analytics_sidecar::insights::Stop;
use analytics_sidecar::insights::store::{Gathered, Metric, Name, Task};
use analytics_sidecar::oauth::{Platform, Provider, TokenError};
use analytics_standin::{Fault, Rule};
use chrono::{TimeDelta, Utc};
use common::insights::{Connected, connect_as, days, metric, values};
use sqlx::types::Json;

async fn connect(platform: Platform, user: &str) -> Connected {
    connect_without(platform, user, "").await
}

async fn connect_without(platform: Platform, user: &str, declined: &str) -> Connected {
    connect_as(platform, Provider::from_platform(platform), user, declined).await
}

/// A part of the registry: (scope, kind, our name, the platform's).
fn registry(platform: Platform) -> Vec<Metric> {
    let rows: &[(&str, &str, &str, &str)] = match platform {
        Platform::Tiktok => &[
            ("account", "level", "followers", "follower_count"),
            ("account", "level", "likes_received", "likes_count"),
            ("post", "total", "views", "view_count"),
            ("post", "total", "likes", "like_count"),
            ("post", "total", "shares", "share_count"),
        ],
        Platform::X => &[
            ("account", "level", "followers", "followers_count"),
            ("account", "level", "posts", "tweet_count"),
            ("post", "total", "views", "impression_count"),
            ("post", "total", "likes", "like_count"),
            ("post", "total", "link_clicks", "non_public_metrics.url_link_clicks"),
            ("post", "total", "organic_views", "organic_metrics.impression_count"),
        ],
        _ => &[
            ("account", "level", "followers", "subscriberCount"),
            ("account", "level", "views_received", "viewCount"),
            ("account", "flow", "views", "views"),
            ("account", "flow", "likes", "likes"),
            ("account", "flow", "follows", "subscribersGained"),
            ("post", "total", "views", "viewCount"),
            ("post", "total", "likes", "likeCount"),
            ("post", "total", "comments", "commentCount"),
        ],
    };
    rows.iter().map(|(scope, kind, name, api_name)| metric(scope, kind, name, api_name)).collect()
}

impl Connected {
    fn task(&self, kind: &str) -> Task {
        let platform = self.account.platform;
        self.task_of(kind, registry(platform), if platform == Platform::Youtube { days(5) } else { Vec::new() })
    }

    async fn whole(&self, task: &Task) -> (Gathered, u32) {
        let (gathered, stop, calls) = self.gather(task).await;
        assert!(stop.is_none(), "{stop:?}");
        (gathered, calls)
    }
}

fn ids(gathered: &Gathered) -> Vec<String> {
    gathered.posts.iter().map(|post| post.id.clone()).collect()
}

const ALL: [Platform; 3] = [Platform::Tiktok, Platform::X, Platform::Youtube];

#[tokio::test]
async fn accounts_in_numbers() {
    for (platform, followers, calls) in
        [(Platform::Tiktok, 12_480, 1), (Platform::X, 12_480, 1), (Platform::Youtube, 12_400, 2)]
    {
        let connected = connect(platform, "mira").await;
        let (gathered, asked) = connected.whole(&connected.task("account")).await;
        assert_eq!(values(&gathered, "followers"), [Some(followers)], "{platform:?}");
        assert_eq!(asked, calls, "{platform:?}");
        assert!(gathered.refused.is_empty() && gathered.metrics.iter().all(|it| it.reason.is_none()));
    }
}

#[tokio::test]
async fn lists_of_posts_are_read_over_all_their_pages_and_then_only_as_far_as_they_are_due() {
    for (platform, posts, first, none_due) in
        [(Platform::Tiktok, 8, 3, 1), (Platform::X, 6, 2, 1), (Platform::Youtube, 7, 1 + 3 + 3, 2)]
    {
        let connected = connect(platform, "mira").await;
        let (gathered, calls) = connected.whole(&connected.task("posts")).await;
        assert_eq!((gathered.posts.len(), calls), (posts, first), "{platform:?}");
        assert!(gathered.listing.as_ref().is_some_and(|listing| listing.is_whole));
        assert!(gathered.posts.iter().all(|post| post.views.is_some() && post.url.is_some() && post.caption.is_some()));
        let mut task = connected.task("posts");
        (task.fresh_posts, task.reads_all) = (ids(&gathered), false);
        task.newest_fresh = gathered.posts.iter().map(|post| post.posted_at).max();
        let (later, calls) = connected.whole(&task).await;
        assert_eq!((later.posts.len(), calls), (0, none_due), "{platform:?}");
        assert!(later.listing.as_ref().is_some_and(|listing| !listing.is_whole));
        let due = gathered.posts.iter().rev().nth(1).expect("an old one");
        task.fresh_posts.retain(|id| *id != due.id);
        task.oldest_due = Some(due.posted_at);
        let (later, _) = connected.whole(&task).await;
        // What X says is paid for, and stored, due or not.
        let expected = match platform {
            Platform::X => &ids(&gathered)[..gathered.posts.len() - 1],
            _ => std::slice::from_ref(&due.id),
        };
        assert_eq!(ids(&later), expected, "{platform:?}");
    }
}

#[tokio::test]
async fn the_first_reading_takes_one_pull_where_numbers_come_by_the_page() {
    for (platform, posts, calls) in [(Platform::Tiktok, 8, 3), (Platform::Youtube, 7, 1 + 3 + 3)] {
        let connected = connect(platform, "mira").await;
        let mut task = connected.task("posts");
        task.most_posts = 2;
        let (gathered, asked) = connected.whole(&task).await;
        assert_eq!((gathered.posts.len(), asked), (posts, calls), "{platform:?}: each page once");
        assert!(gathered.listing.is_some_and(|listing| listing.is_whole));
    }
}

#[tokio::test]
async fn fields_that_are_refused_are_found_and_the_rest_comes() {
    let connected = connect(Platform::Tiktok, "mira").await;
    connected
        .standin
        .oauth()
        .change(|settings| settings.refused_metrics = vec!["share_count".into(), "likes_count".into()]);
    let (gathered, _) = connected.whole(&connected.task("account")).await;
    assert_eq!((values(&gathered, "followers"), values(&gathered, "likes_received")), (vec![Some(12_480)], vec![None]));
    assert_eq!((gathered.refused[0].subject, gathered.refused[0].api_name.as_str()), ("account", "likes_count"));
    let (gathered, _) = connected.whole(&connected.task("posts")).await;
    assert_eq!((gathered.refused.len(), gathered.posts.len()), (1, 8));
    assert!(gathered.posts.iter().all(|post| post.views.is_some() && post.likes.is_some() && post.shares.is_none()));

    let connected = connect(Platform::Youtube, "mira").await;
    connected.standin.oauth().change(|settings| settings.refused_metrics = vec!["likes".into()]);
    let mut task = connected.task("account");
    let (gathered, calls) = connected.whole(&task).await;
    assert_eq!((gathered.refused[0].code.as_str(), calls), ("invalid_argument", 1 + 3));
    assert!(
        values(&gathered, "views")[1..].iter().all(Option::is_some)
            && values(&gathered, "likes").iter().all(Option::is_none)
    );
    task.refused = Json(vec![Name { subject: "account".to_owned(), api_name: "likes".to_owned() }]);
    assert_eq!(connected.whole(&task).await.1, 2);

    let connected = connect(Platform::X, "mira").await;
    connected.standin.oauth().change(|settings| settings.refused_metrics = vec!["organic_metrics".into()]);
    let (gathered, calls) = connected.whole(&connected.task("posts")).await;
    assert_eq!((gathered.refused.len(), gathered.posts.len(), calls), (2, 6, 3));
    assert!(gathered.posts.iter().all(|post| post.views.is_some() && post.extra_data.is_empty()));
}

#[tokio::test]
async fn a_question_that_is_wrong_in_other_ways_says_nothing_about_metrics() {
    let connected = connect(Platform::X, "mira").await;
    connected.standin.add_fault(Rule::refusal("x", "invalid_request").times(2));
    let (gathered, stop, calls) = connected.gather(&connected.task("posts")).await;
    assert!(matches!(stop, Some(Stop::Failed(TokenError::Configuration { .. }))), "{stop:?}");
    assert!(gathered.is_empty() && calls == 2);
}

#[tokio::test]
async fn partial_answers_of_x_are_completed_with_what_everybody_may_know() {
    let connected = connect(Platform::X, "mira").await;
    connected.standin.oauth().change(|settings| settings.hides_authors_metrics = true);
    let mut task = connected.task("posts");
    let (gathered, calls) = connected.whole(&task).await;
    assert_eq!((gathered.posts.len(), calls), (6, 4), "two pages, and each page's posts once more");
    assert!(gathered.posts.iter().all(|post| post.views.is_some() && post.extra_data.is_empty()));
    let refused: Vec<_> = gathered.refused.iter().map(|it| (it.code.as_str(), it.of_app)).collect();
    assert_eq!(refused, [("not_authorized_for_field", false); 2]);
    let name = |it: &analytics_sidecar::insights::store::Refused| Name {
        subject: it.subject.to_owned(),
        api_name: it.api_name.clone(),
    };
    task.refused = Json(gathered.refused.iter().map(name).collect());
    let (gathered, calls) = connected.whole(&task).await;
    assert_eq!((gathered.posts.len(), gathered.refused.len(), calls), (6, 0, 2));

    // Older ones, if somebody wants them measured, without what nobody tells of them any more.
    let connected = connect(Platform::X, "mira").await;
    let mut task = connected.task("posts");
    task.oldest_due = Some(Utc::now() - TimeDelta::days(100));
    let (gathered, calls) = connected.whole(&task).await;
    assert_eq!((gathered.posts.len(), gathered.refused.len(), calls), (7, 0, 3));
    assert!(gathered.posts[..6].iter().all(|post| post.extra_data.contains_key("link_clicks")));
    assert!(gathered.posts[6].extra_data.is_empty() && gathered.posts[6].views.is_some());
}

#[tokio::test]
async fn late_days_hidden_counts_and_small_channels_are_unknown() {
    let connected = connect(Platform::Youtube, "mira").await;
    connected.standin.oauth().change(|settings| {
        settings.insight_delay_hours = 24;
        settings.days_left_out = vec![4];
        settings.hides_subscribers = true;
    });
    let (gathered, _) = connected.whole(&connected.task("account")).await;
    let views: Vec<_> = gathered.metrics.iter().filter(|capture| capture.metric == "views").collect();
    assert!(views[0].value.is_none() && views[0].reason.is_none(), "late, as the database will say");
    // Before eight o'clock the third day, too, is late in California.
    assert!(views[3].value.is_none() && views[3].reason.is_some_and(|reason| reason.starts_with("left out")));
    assert!(views[4].value.is_some_and(|views| views > 0));
    let followers = gathered.metrics.iter().find(|capture| capture.metric == "followers").expect("a capture");
    assert!(followers.value.is_none() && followers.reason.is_some());

    let (gathered, calls) = connected.whole(&connected.task("audience")).await;
    let audience = &gathered.audiences[0];
    assert_eq!((audience.audience, calls), ("reached", 2));
    assert_eq!(audience.countries.as_ref().expect("countries")[3]["country"], "unknown");
    let connected = connect(Platform::Youtube, "jonas").await;
    let (gathered, _) = connected.whole(&connected.task("audience")).await;
    let audience = &gathered.audiences[0];
    assert!([&audience.age_ranges, &audience.genders, &audience.countries].into_iter().all(Option::is_none));
}

#[tokio::test]
async fn a_missing_permission_is_denied_and_the_other_half_comes() {
    for (platform, scope, kind) in [
        (Platform::Tiktok, "user.info.stats", "account"),
        (Platform::Tiktok, "video.list", "posts"),
        (Platform::X, "tweet.read", "posts"),
        (Platform::Youtube, "https://www.googleapis.com/auth/yt-analytics.readonly", "account"),
    ] {
        let connected = connect_without(platform, "mira", scope).await;
        let (gathered, stop, _) = connected.gather(&connected.task(kind)).await;
        assert!(matches!(stop, Some(Stop::Failed(TokenError::Denied { .. }))), "{scope}: {stop:?}");
        assert_eq!(gathered.metrics.is_empty(), platform != Platform::Youtube, "{scope}");
    }
}

#[tokio::test]
async fn a_token_of_another_account_fills_nothing() {
    for platform in ALL {
        let connected = connect(platform, "mira").await;
        let other = connect(platform, "jonas").await;
        let mut task = connected.task("account");
        task.platform_user_id.clone_from(&other.account.platform_user_id);
        let (gathered, stop, _) = connected.gather(&task).await;
        assert!(matches!(stop, Some(Stop::Failed(TokenError::Refused { .. }))), "{platform:?}: {stop:?}");
        assert!(gathered.is_empty());
    }
}

#[tokio::test]
async fn used_up_limits_say_how_long() {
    for (platform, least, most) in [
        (Platform::Tiktok, None, None),
        (Platform::X, Some(6 * 3600), Some(6 * 3600)),
        (Platform::Youtube, Some(0), Some(25 * 3600)),
    ] {
        let connected = connect(platform, "mira").await;
        connected.standin.oauth().change(|settings| settings.usage = 103);
        let (gathered, stop, calls) = connected.gather(&connected.task("account")).await;
        let Some(Stop::Failed(TokenError::Throttled { retry_after, .. })) = stop else {
            panic!("{platform:?}: {stop:?}")
        };
        let seconds = retry_after.map(|wait| wait.as_secs());
        assert!(seconds >= least && seconds <= most, "{platform:?}: {seconds:?}");
        assert!(gathered.is_empty() && calls == 1);
        assert_eq!(connected.remote.gate.allowance(5, 0), 0, "nothing new is begun");
    }
    let connected = connect(Platform::X, "mira").await;
    connected.standin.oauth().change(|settings| settings.account_usage = 103);
    let (_, stop, calls) = connected.gather(&connected.task("account")).await;
    let Some(Stop::Failed(TokenError::ThrottledAccount { retry_after: Some(wait), .. })) = stop else {
        panic!("{stop:?}")
    };
    assert!((290..=301).contains(&wait.as_secs()) && calls == 1, "{wait:?}");
    assert_eq!(connected.remote.gate.allowance(5, 0), 5, "a person's window keeps no other back");
    for (name, hours) in [("usage_capped", 6), ("no_credits", 6)] {
        let connected = connect(Platform::X, "mira").await;
        connected.standin.add_fault(Rule::refusal("x", name));
        let (_, stop, _) = connected.gather(&connected.task("posts")).await;
        let expected = Some(Duration::from_secs(hours * 3600));
        assert!(
            matches!(stop, Some(Stop::Failed(TokenError::Throttled { retry_after, .. })) if retry_after == expected),
            "{name}"
        );
    }
}

#[tokio::test]
async fn answers_without_content_are_no_empty_lists() {
    for (platform, path) in [
        (Platform::Tiktok, "/v2/video/list/"),
        (Platform::X, "/2/users/10250000000000017/tweets"),
        (Platform::Youtube, "/youtube/v3/playlistItems"),
    ] {
        let connected = connect(platform, "mira").await;
        let target = Provider::from_platform(platform).name();
        for fault in [Fault::EmptyResults, Fault::NotJson, Fault::NoContent204] {
            connected.standin.add_fault(Rule::new(fault).at(target, path).times(1));
            let (gathered, stop, _) = connected.gather(&connected.task("posts")).await;
            assert!(
                matches!(stop, Some(Stop::Failed(TokenError::Malformed { .. }))),
                "{platform:?} {fault:?}: {stop:?}"
            );
            assert!(gathered.posts.is_empty() && gathered.listing.is_none());
        }
    }
}

#[tokio::test]
async fn a_refusal_of_tiktok_is_one_with_any_status() {
    let connected = connect_without(Platform::Tiktok, "mira", "video.list").await;
    connected.standin.oauth().change(|settings| {
        settings.tiktok_refuses_with_200 = true;
        settings.refused_metrics = vec!["likes_count".into()];
    });
    let (_, stop, _) = connected.gather(&connected.task("posts")).await;
    assert!(matches!(stop, Some(Stop::Failed(TokenError::Denied { .. }))), "{stop:?}");
    let (gathered, _) = connected.whole(&connected.task("account")).await;
    assert_eq!((values(&gathered, "followers"), gathered.refused.len()), (vec![Some(12_480)], 1));
}
