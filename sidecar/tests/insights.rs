//! Insights of Instagram, Facebook and LinkedIn as the stand-in tells them: whole, of a small account, with a metric that is
//! refused, with an app whose limit is used up.

mod common;

use std::collections::HashSet;
use std::time::Duration;

use analytics_sidecar::insights::store::{Gathered, Metric, Name, Task};
use analytics_sidecar::insights::{Stop, gather};
use analytics_sidecar::oauth::{Platform, Provider, TokenError};
use analytics_standin::{Fault, Rule};
use chrono::Utc;
use common::insights::{Connected, connect_as, days, metric, values};
use sqlx::types::Json;

async fn connect(provider: Provider, user: &str) -> Connected {
    connect_to(Platform::Instagram, provider, user).await
}

async fn connect_to(platform: Platform, provider: Provider, user: &str) -> Connected {
    connect_as(platform, provider, user, "").await
}

/// A part of the registry.
fn registry() -> Vec<Metric> {
    let of = |scope: &str, kind: &str, metrics: &[(&str, &str, Option<i64>)]| {
        let metric = |(metric, api_name, minimum_followers): &(&str, &str, Option<i64>)| Metric {
            scope: scope.to_owned(),
            metric: (*metric).to_owned(),
            api_name: (*api_name).to_owned(),
            kind: kind.to_owned(),
            minimum_followers: *minimum_followers,
        };
        metrics.iter().map(metric).collect::<Vec<_>>()
    };
    let levels = [("followers", "followers_count", None), ("following", "follows_count", None)];
    let flows = [
        ("reach", "reach", None),
        ("views", "views", None),
        ("likes", "likes", None),
        ("reposts", "reposts", None),
        ("link_clicks", "profile_links_taps", None),
        ("follows", "follows_and_unfollows", Some(100)),
        ("unfollows", "follows_and_unfollows", Some(100)),
        ("new_followers", "follower_count", Some(100)),
    ];
    let totals = [
        ("likes", "likes", None),
        ("comments", "comments", None),
        ("shares", "shares", None),
        ("saves", "saved", None),
        ("reach", "reach", None),
        ("views", "views", None),
        ("watch_time", "ig_reels_video_view_total_time", None),
    ];
    [of("account", "level", &levels), of("account", "flow", &flows), of("post", "total", &totals)].concat()
}

impl Connected {
    fn task(&self, kind: &str) -> Task {
        self.task_of(kind, registry(), days(3))
    }

    async fn whole(&self, task: &Task) -> Gathered {
        let (gathered, stop, _) = self.gather(task).await;
        assert!(stop.is_none(), "{stop:?}");
        gathered
    }
}

const BOTH: [Provider; 2] = [Provider::Instagram, Provider::Facebook];

#[tokio::test]
async fn an_account_in_numbers() {
    for provider in BOTH {
        let connected = connect(provider, "mira").await;
        let (gathered, stop, calls) = connected.gather(&connected.task("account")).await;
        assert!(stop.is_none(), "{stop:?}");
        assert_eq!(calls, 1 + 1 + 3 * 2, "the profile, the series, two totals a day");
        assert_eq!(values(&gathered, "followers"), [Some(12_480)]);
        assert!(
            gathered.metrics.iter().filter(|capture| capture.metric == "followers").all(|it| it.measured_at.is_none())
        );
        for metric in ["reach", "views", "link_clicks", "follows", "unfollows", "new_followers"] {
            let values = values(&gathered, metric);
            assert!(values.len() == 3 && values.iter().all(Option::is_some), "{metric}: {values:?}");
        }
        // Of the same days, whether they come as a series or one by one.
        let starts = |metric: &str| -> HashSet<_> {
            let captures = gathered.metrics.iter().filter(|capture| capture.metric == metric);
            captures.map(|capture| capture.measured_at.expect("a day").date_naive()).collect()
        };
        assert_eq!(starts("reach"), days(3).into_iter().collect());
        assert_eq!(starts("views"), starts("reach"));
        assert_eq!(gathered.refused, []);
    }
}

#[tokio::test]
async fn days_that_are_late_are_unknown_and_not_zero() {
    let connected = connect(Provider::Instagram, "mira").await;
    connected.standin.oauth().change(|settings| settings.insight_delay_hours = 48);
    let gathered = connected.whole(&connected.task("account")).await;
    for metric in ["reach", "views", "follows"] {
        let known: Vec<bool> = values(&gathered, metric).iter().map(Option::is_some).collect();
        assert_eq!(known, [false, false, true], "{metric}");
    }
}

#[tokio::test]
async fn a_small_account_is_unknown_where_the_platform_says_nothing() {
    let connected = connect(Provider::Instagram, "jonas").await;
    let (gathered, stop, calls) = connected.gather(&connected.task("account")).await;
    assert!(stop.is_none(), "{stop:?}");
    assert_eq!(calls, 1 + 1 + 3, "what is not told of it is not asked for");
    assert_eq!(values(&gathered, "followers"), [Some(80)]);
    assert_eq!(values(&gathered, "new_followers"), [None; 3]);
    assert_eq!(values(&gathered, "follows"), [None; 3]);
    assert!(values(&gathered, "views").iter().all(Option::is_some));
    let gathered = connected.whole(&connected.task("audience")).await;
    assert_eq!(gathered.audiences.len(), 2);
    for audience in &gathered.audiences {
        let lists = [&audience.age_ranges, &audience.genders, &audience.countries, &audience.cities];
        assert!(lists.into_iter().all(Option::is_none), "{audience:?}");
    }
}

#[tokio::test]
async fn an_audience() {
    for provider in BOTH {
        let connected = connect(provider, "mira").await;
        let gathered = connected.whole(&connected.task("audience")).await;
        assert_eq!(gathered.audiences.iter().map(|it| it.audience).collect::<Vec<_>>(), ["followers", "engaged"]);
        for audience in &gathered.audiences {
            let first = |list: &Option<Vec<serde_json::Value>>| list.as_ref().and_then(|list| list.first()).cloned();
            assert_eq!(first(&audience.countries).expect("countries")["country"], "DE");
            assert_eq!(first(&audience.genders).expect("genders")["gender"], "female");
            assert_eq!(first(&audience.age_ranges).expect("ages")["range"], "25-34");
            assert_eq!(first(&audience.cities).expect("cities")["city"], "Berlin, Berlin");
            assert!(first(&audience.cities).expect("cities")["count"].is_i64());
        }
    }
}

#[tokio::test]
async fn a_metric_that_is_refused_is_noted_and_the_rest_comes() {
    let connected = connect(Provider::Instagram, "mira").await;
    connected.standin.oauth().change(|settings| settings.refused_metrics = vec!["reposts".into(), "saved".into()]);
    let mut task = connected.task("account");
    let gathered = connected.whole(&task).await;
    assert_eq!(gathered.refused.len(), 1);
    let refused = &gathered.refused[0];
    assert_eq!(
        (refused.subject, refused.api_name.as_str(), refused.code.as_str()),
        ("account", "reposts", "unknown_metric")
    );
    assert!(refused.of_app);
    assert_eq!(values(&gathered, "reposts").iter().flatten().count(), 0);
    assert!(values(&gathered, "views").iter().all(Option::is_some));
    // Next time it is not asked for.
    task.refused = Json(vec![Name { subject: "account".to_owned(), api_name: "reposts".to_owned() }]);
    let (gathered, _, calls) = connected.gather(&task).await;
    assert_eq!((gathered.refused.len(), calls, values(&gathered, "reposts").len()), (0, 8, 0));

    let gathered = connected.whole(&connected.task("posts")).await;
    let refused: HashSet<_> = gathered.refused.iter().map(|it| (it.subject, it.api_name.as_str())).collect();
    assert_eq!(refused, HashSet::from([("feed", "saved"), ("reel", "saved")]), "once a kind of post");
    assert!(gathered.posts.iter().all(|post| post.saves.is_none()));
    assert!(gathered.posts.iter().filter(|post| post.reach.is_some()).count() >= 6);
}

#[tokio::test]
async fn posts_of_all_kinds() {
    for provider in BOTH {
        let connected = connect(provider, "mira").await;
        let gathered = connected.whole(&connected.task("posts")).await;
        assert_eq!(gathered.posts.len(), 8, "over several pages");
        assert!(gathered.listing.as_ref().is_some_and(|listing| listing.is_whole));
        let kinds: Vec<_> = gathered.posts.iter().map(|post| post.media_type.expect("a kind")).collect();
        assert_eq!(kinds, ["story", "reel", "carousel", "photo", "reel", "photo", "photo", "photo"]);
        let story = &gathered.posts[0];
        assert!(story.reach.is_some() && story.shares.is_some() && story.saves.is_none());
        assert!(gathered.posts[1].extra_data["watch_time"].is_i64());
        assert!(gathered.posts[2].extra_data.is_empty());
        // Seen by too few: only what the list of posts says.
        let hidden = &gathered.posts[7];
        assert!(hidden.reach.is_none() && hidden.views.is_none() && hidden.likes.is_some());
        assert!(gathered.posts.iter().all(|post| post.url.is_some() && post.caption.is_some()));
    }
}

#[tokio::test]
async fn posts_that_are_fresh_are_not_measured_and_a_pull_has_an_end() {
    let connected = connect(Provider::Instagram, "mira").await;
    let all = connected.whole(&connected.task("posts")).await.posts;
    let ids = |range: std::ops::Range<usize>| all[range].iter().map(|post| post.id.clone()).collect::<Vec<_>>();

    let mut task = connected.task("posts");
    task.most_posts = 3;
    let (gathered, _, calls) = connected.gather(&task).await;
    assert_eq!(gathered.posts.iter().map(|post| post.id.clone()).collect::<Vec<_>>(), ids(0..3));
    assert_eq!(calls, 1 + 3, "a page, and a call a post");
    assert_eq!(gathered.listing.as_ref().map(|it| it.is_whole), Some(false));
    // The next goes on where this one ended.
    task.fresh_posts = ids(0..3);
    let gathered = connected.whole(&task).await;
    assert_eq!(gathered.posts.iter().map(|post| post.id.clone()).collect::<Vec<_>>(), ids(3..6));

    // Once the list was read to its end, pages without news end it.
    task.fresh_posts = ids(0..8);
    task.reads_all = false;
    let (gathered, stop, calls) = connected.gather(&task).await;
    assert!(stop.is_none());
    assert_eq!((gathered.posts.len(), calls), (0, 1));
    // Unless an older one is due.
    task.fresh_posts.remove(6);
    task.oldest_due = Some(all[6].posted_at);
    let gathered = connected.whole(&task).await;
    assert_eq!(gathered.posts.iter().map(|post| &post.id).collect::<Vec<_>>(), [&all[6].id]);
}

#[tokio::test]
async fn an_app_whose_limit_is_used_up_stops_at_once_with_what_it_has() {
    for provider in BOTH {
        let connected = connect(provider, "mira").await;
        connected.standin.oauth().change(|settings| settings.usage = 95);
        let mut asker = connected.asker();
        let mut gathered = Gathered::new(Utc::now());
        gather(&mut asker, &connected.task("audience"), &mut gathered).await.expect("answered");
        assert_eq!(asker.usage, Some(95), "the headers are read");
        assert_eq!(connected.remote.gate.allowance(5, 0), 0, "nothing new is begun");

        connected.standin.oauth().change(|settings| settings.usage = 103);
        let (gathered, stop, calls) = connected.gather(&connected.task("account")).await;
        assert!(matches!(stop, Some(Stop::Failed(TokenError::Throttled { .. }))), "{stop:?}");
        assert!(gathered.is_empty());
        assert_eq!(calls, 1);
    }
}

#[tokio::test]
async fn an_account_whose_limit_is_used_up_keeps_no_other_back() {
    for provider in BOTH {
        let connected = connect(provider, "mira").await;
        for usage in [95, 103] {
            connected.standin.oauth().change(|settings| settings.account_usage = usage);
            let mut asker = connected.asker();
            let mut gathered = Gathered::new(Utc::now());
            let stop = gather(&mut asker, &connected.task("audience"), &mut gathered).await.err();
            assert_eq!(connected.remote.gate.allowance(5, 0), 5);
            let Some(stop) = stop else {
                assert_eq!(asker.usage, Some(12), "that of our app");
                continue;
            };
            let expected = Some(Duration::from_secs(5 * 60));
            assert!(
                matches!(stop, Stop::Failed(TokenError::ThrottledAccount { retry_after, .. }) if retry_after == expected),
                "{stop:?}"
            );
            assert_eq!(asker.calls, 1);
        }
    }
}

#[tokio::test]
async fn trouble_in_the_middle_keeps_what_came_before() {
    let connected = connect(Provider::Instagram, "mira").await;
    let path = format!("/{}/insights", connected.account.platform_user_id);
    connected.standin.add_fault(Rule::new(Fault::Http503).at("instagram", &path));
    let (gathered, stop, _) = connected.gather(&connected.task("account")).await;
    assert!(matches!(stop, Some(Stop::Failed(TokenError::Temporary { .. }))), "{stop:?}");
    assert_eq!(values(&gathered, "followers"), [Some(12_480)]);
    assert_eq!(values(&gathered, "reach"), [], "what was not asked for is not unknown");
}

#[tokio::test]
async fn an_odd_post_keeps_no_older_one_away() {
    for refusal in ["100", "2", "200"] {
        let connected = connect(Provider::Instagram, "mira").await;
        let task = connected.task("posts");
        let all = connected.whole(&task).await;
        let odd = &all.posts[1].id;
        connected.standin.add_fault(Rule::refusal("instagram", refusal).at("instagram", &format!("/{odd}/insights")));
        let gathered = connected.whole(&task).await;
        let reach = |gathered: &Gathered| gathered.posts.iter().map(|post| post.reach.is_some()).collect::<Vec<_>>();
        let mut expected = reach(&all);
        expected[1] = false;
        assert_eq!(reach(&gathered), expected, "{refusal}");
        assert!(gathered.posts[1].likes.is_some(), "what the list says");
    }
}

#[tokio::test]
async fn a_removed_app_is_final_and_a_foreign_account_is_not() {
    let connected = connect(Provider::Instagram, "mira").await;
    let mut task = connected.task("account");
    task.platform_user_id = "17841400000000099".to_owned();
    let (_, stop, _) = connected.gather(&task).await;
    assert!(matches!(&stop, Some(Stop::Failed(error)) if !matches!(error, TokenError::Final { .. })), "{stop:?}");
    task.platform_user_id = "../me".to_owned();
    let (_, stop, calls) = connected.gather(&task).await;
    assert!(matches!(stop, Some(Stop::Failed(TokenError::Refused { .. }))) && calls == 0);
    connected.standin.oauth().remove_app(analytics_standin::Provider::Instagram, "mira");
    let (_, stop, _) = connected.gather(&connected.task("account")).await;
    assert!(matches!(stop, Some(Stop::Failed(TokenError::Final { .. }))), "{stop:?}");
}

#[tokio::test]
async fn a_page_and_its_posts() {
    let connected = connect_to(Platform::Facebook, Provider::Facebook, "mira").await;
    let mut task = connected.task("account");
    task.metrics = Json(vec![
        metric("account", "level", "followers", "followers_count"),
        metric("account", "flow", "views", "page_media_view"),
        metric("account", "flow", "reach", "page_total_media_view_unique"),
        metric("post", "total", "likes", "post_reactions_by_type_total"),
        metric("post", "total", "views", "post_media_view"),
    ]);
    connected.standin.oauth().change(|settings| settings.insight_delay_hours = 24);
    let (gathered, stop, calls) = connected.gather(&task).await;
    assert!(stop.is_none(), "{stop:?}");
    assert_eq!((calls, values(&gathered, "followers")), (2, vec![Some(12_480)]));
    assert!(values(&gathered, "views")[0].is_none() && values(&gathered, "views")[2].is_some(), "late, and known");

    task.kind = "audience".to_owned();
    let gathered = connected.whole(&task).await;
    assert_eq!(gathered.audiences[0].countries.as_ref().expect("countries")[0]["country"], "DE");
    assert!(gathered.audiences[0].age_ranges.is_none());

    task.kind = "posts".to_owned();
    let (gathered, stop, calls) = connected.gather(&task).await;
    assert!(stop.is_none(), "{stop:?}");
    assert_eq!((gathered.posts.len(), calls), (8, 3 + 8));
    assert!(gathered.posts[..7].iter().all(|post| post.views.is_some() && post.likes.is_some()));
    // Without the permission to count: what the insights say. What neither says is unknown.
    connected.standin.oauth().change(|settings| settings.refused_metrics = vec!["reactions".into()]);
    let (gathered, stop, calls) = connected.gather(&task).await;
    assert!(stop.is_none(), "{stop:?}");
    assert_eq!((gathered.posts.len(), gathered.refused.len(), calls), (8, 1, 1 + 3 + 8));
    assert!(gathered.posts[..7].iter().all(|post| post.likes.is_some() && post.comments.is_none()));
    assert_eq!(gathered.posts[7].likes, None);
}

#[tokio::test]
async fn a_list_that_is_denied_either_way_says_nothing_about_its_counts() {
    let connected = connect_to(Platform::Facebook, Provider::Facebook, "mira").await;
    let path = format!("/v25.0/{}/posts", connected.account.platform_user_id);
    connected.standin.add_fault(Rule::refusal("facebook", "10").at("facebook", &path).times(2));
    let (gathered, stop, calls) = connected.gather(&connected.task("posts")).await;
    assert!(matches!(stop, Some(Stop::Failed(TokenError::Denied { .. }))), "{stop:?}");
    assert_eq!((gathered.refused.len(), calls), (0, 2));
}

#[tokio::test]
async fn insights_of_posts_that_are_denied_leave_what_the_list_says() {
    let connected = connect_to(Platform::Facebook, Provider::Facebook, "mira").await;
    let page = &connected.account.platform_user_id;
    for place in 0..8 {
        let path = format!("/v25.0/{page}_12200000{}{place:02}/insights", &page[9..]);
        connected.standin.add_fault(Rule::refusal("facebook", "10").at("facebook", &path));
    }
    let mut task = connected.task("posts");
    task.metrics = Json(vec![metric("post", "total", "views", "post_media_view")]);
    let (gathered, stop, calls) = connected.gather(&task).await;
    assert!(matches!(stop, Some(Stop::Failed(TokenError::Denied { .. }))), "{stop:?}");
    assert_eq!((gathered.posts.len(), calls), (8, 3 + 3), "after three nobody is asked any more");
    assert!(gathered.posts.iter().all(|post| post.likes.is_some() && post.views.is_none()));
}

fn of_linkedin() -> Json<Vec<Metric>> {
    Json(vec![
        metric("account", "level", "followers", "networkSizes"),
        metric("account", "flow", "likes", "likeCount"),
        metric("account", "flow", "new_followers", "followerGains"),
        metric("post", "total", "likes", "likeCount"),
        metric("post", "total", "reach", "uniqueImpressionsCount"),
    ])
}

#[tokio::test]
async fn an_organisation_and_its_posts() {
    let connected = connect_to(Platform::Linkedin, Provider::Linkedin, "mira").await;
    let mut task = connected.task("account");
    task.metrics = of_linkedin();
    let (gathered, stop, calls) = connected.gather(&task).await;
    assert!(stop.is_none(), "{stop:?}");
    assert_eq!((calls, values(&gathered, "followers")), (3, vec![Some(12_480)]));
    for metric in ["likes", "new_followers", "engagement"] {
        let values = values(&gathered, metric);
        assert!(values.len() == 3 && values.iter().all(Option::is_some), "{metric}: {values:?}");
    }
    task.kind = "audience".to_owned();
    let facets = connected.whole(&task).await.audiences[0].facets.clone().expect("facets");
    assert_eq!(facets["Function"][0]["function"], "urn:li:function:8");

    task.kind = "posts".to_owned();
    let (gathered, stop, calls) = connected.gather(&task).await;
    assert!(stop.is_none(), "{stop:?}");
    assert_eq!(gathered.posts.len(), 8);
    assert_eq!(gathered.posts.iter().filter(|post| post.reach.is_some()).count(), 6);
    // Three pages, each with posts of both kinds; the last one's share is denied.
    assert_eq!(calls, 3 + 2 * 3);
    task.fresh_posts = gathered.posts.iter().map(|post| post.id.clone()).collect();
    task.reads_all = false;
    let (gathered, _, calls) = connected.gather(&task).await;
    assert_eq!((gathered.posts.len(), calls), (0, 1));
}

#[tokio::test]
async fn a_small_organisation_has_no_facets_and_a_denied_call_keeps_no_other_away() {
    let connected = connect_to(Platform::Linkedin, Provider::Linkedin, "jonas").await;
    let mut task = connected.task("audience");
    task.metrics = of_linkedin();
    assert_eq!(connected.whole(&task).await.audiences[0].facets, None);
    connected.standin.oauth().change(|settings| settings.refused_metrics = vec!["networkSizes".into()]);
    task.kind = "account".to_owned();
    let (gathered, stop, _) = connected.gather(&task).await;
    assert!(matches!(stop, Some(Stop::Failed(TokenError::Denied { .. }))), "{stop:?}");
    assert_eq!((values(&gathered, "followers").len(), values(&gathered, "likes").len()), (0, 3));
    connected.standin.oauth().change(|settings| settings.usage = 101);
    let (gathered, stop, calls) = connected.gather(&task).await;
    assert!(gathered.is_empty() && calls == 1);
    let Some(Stop::Failed(TokenError::Throttled { retry_after: Some(wait), .. })) = stop else { panic!("{stop:?}") };
    assert!(wait <= Duration::from_secs(24 * 3600));
}
