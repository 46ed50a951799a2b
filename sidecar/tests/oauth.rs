//! Every provider from the authorisation page to the revocation, and what goes wrong on the way.

use std::collections::HashMap;
use std::time::Duration;

use analytics_sidecar::oauth::{
    App, Client, Endpoints, Found, Grant, Platform, Provider, Purpose, Reason, Revocation, TokenError, new_verifier,
};
use analytics_standin::{Approval, Catalog, Credentials, Fault, Provider as Played, Rule, Running, start};
use chrono::{TimeDelta, Utc};
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

const REDIRECT: &str = "http://127.0.0.1:9190/oauth/callback/any";
const STATE: &str = "state-of-a-test";

async fn standin() -> Running {
    start(Catalog::default(), Credentials::default()).await.expect("stand-in started")
}

fn app() -> App {
    App {
        client_id: "standin-client".to_owned(),
        client_secret: "standin-secret".into(),
        redirect_uri: REDIRECT.parse().expect("address"),
        login_config: None,
    }
}

fn client_as(standin: &Running, provider: Provider, app: App) -> Client {
    let base = Url::parse(&standin.url()).expect("address");
    let endpoints = Endpoints::at(provider, &base).expect("addresses");
    Client::new(provider, app, endpoints, Duration::from_secs(5)).expect("client")
}

fn client(standin: &Running, provider: Provider) -> Client {
    client_as(standin, provider, app())
}

fn played(provider: Provider) -> Played {
    Played::ALL.into_iter().find(|played| played.name() == provider.name()).expect("played")
}

/// What the stand-in plays as Instagram accounts comes with Instagram Login here.
fn platform(provider: Provider) -> Platform {
    Platform::ALL.into_iter().find(|platform| Provider::from_platform(*platform) == provider).expect("a platform")
}

async fn browse(url: Url) -> Response {
    let browser = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().expect("browser");
    browser.get(url).send().await.expect("answered")
}

/// What the provider sends the member back with. Instagram's suffix stays on the code, as frameworks that do not know
/// fragments leave it.
async fn consent(url: Url) -> HashMap<String, String> {
    let response = browse(url).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    let location = response.headers()[LOCATION].to_str().expect("text").to_owned();
    assert!(location.starts_with(REDIRECT), "{location}");
    let is_marked = location.ends_with("#_");
    let location = Url::parse(&location).expect("address");
    let mut fields: HashMap<String, String> = location.query_pairs().into_owned().collect();
    if let Some(code) = fields.get_mut("code").filter(|_| is_marked) {
        code.push_str("#_");
    }
    fields
}

struct Connected {
    client: Client,
    grant: Grant,
}

async fn code(client: &Client, verifier: &SecretString) -> String {
    let scopes = client.provider().scopes(platform(client.provider()), Purpose::Insights);
    let fields = consent(client.authorize_url(STATE, Some(verifier), scopes)).await;
    assert_eq!(fields["state"], STATE);
    if let Some(issuer) = fields.get("iss") {
        assert_eq!(Some(issuer.as_str()), client.provider().issuer());
    }
    fields["code"].clone()
}

async fn connect(standin: &Running, provider: Provider) -> Connected {
    let client = client(standin, provider);
    let verifier = new_verifier().expect("random");
    let code = code(&client, &verifier).await;
    let grant = client.exchange(&code, Some(&verifier)).await.expect("a grant");
    Connected { client, grant }
}

/// Puts the stand-in's clock forward until a refresh is taken: Instagram wants tokens of a day.
fn let_age(standin: &Running, provider: Provider) {
    if provider == Provider::Instagram {
        standin.oauth().advance(24 * 3600 + 1);
    }
}

fn final_reason(error: &TokenError) -> Option<Reason> {
    match error {
        TokenError::Final { reason, .. } => Some(*reason),
        _ => None,
    }
}

fn names(found: &[Found]) -> Vec<(Platform, &str, Option<&str>)> {
    found.iter().map(|it| (it.platform, it.platform_user_id.as_str(), it.handle.as_deref())).collect()
}

#[tokio::test]
async fn each_provider_from_consent_to_revocation() {
    let standin = standin().await;
    for provider in Provider::ALL {
        let Connected { client, grant } = connect(&standin, provider).await;
        let name = provider.name();
        let wanted = provider.scopes(platform(provider), Purpose::Insights);
        assert_eq!(grant.missing(wanted), Vec::<&str>::new(), "{name}");
        assert!(!grant.scopes.is_empty(), "{name}");
        assert_eq!(grant.refresh_token.is_some(), provider.needs_refresh_token(), "{name}");
        assert_eq!(grant.provider_user_id.is_some(), provider != Provider::X, "{name}: whose it is");
        let expires_at = grant.access_expires_at.expect("an end");
        let due = grant.refresh_at(provider, grant.issued_at).expect("a time");
        assert!(grant.issued_at < due && due < expires_at, "{name}");

        let found = client.accounts(&grant).await.expect("accounts");
        assert!(!found.is_empty(), "{name}");
        assert!(found.iter().all(|account| provider.serves(account.platform)), "{name}");

        let_age(&standin, provider);
        let next = client.refresh(&grant).await.expect("refreshed");
        assert_ne!(next.access_token.expose_secret(), grant.access_token.expose_secret(), "{name}");
        assert_eq!(next.scopes, grant.scopes, "{name}: what the answer leaves out is kept");
        assert_eq!(next.provider_user_id, grant.provider_user_id, "{name}");
        assert_eq!(next.refresh_token.is_some(), provider.needs_refresh_token(), "{name}");
        assert_eq!(names(&client.accounts(&next).await.expect("accounts")), names(&found), "{name}");

        let revocation = client.revoke(&next).await.expect("revoked");
        if provider == Provider::Instagram {
            assert_eq!(revocation, Revocation::NotOffered);
            continue;
        }
        assert_eq!(revocation, Revocation::Revoked, "{name}");
        assert_eq!(standin.oauth().live_tokens(played(provider)), 0, "{name}");
        let error = client.accounts(&next).await.expect_err("dead").after_refresh();
        assert!(final_reason(&error).is_some(), "{name}: {error:?}");
        assert_eq!(client.revoke(&next).await.expect("again"), Revocation::Revoked, "{name}: twice is as once");
    }
}

#[tokio::test]
async fn what_a_grant_opens_is_found_with_its_pages_and_parents() {
    let standin = standin().await;
    let Connected { client: facebook, grant } = connect(&standin, Provider::Facebook).await;
    let found = facebook.accounts(&grant).await.expect("accounts");
    assert_eq!(
        names(&found),
        [
            (Platform::Facebook, "104200000000017", Some("aurora.atelier")),
            (Platform::Instagram, "17841400000000017", Some("aurora.example")),
            (Platform::Facebook, "104200000000018", None),
        ],
        "both pages of the list, by its cursor"
    );
    assert_eq!(found[1].parent.as_deref(), Some("104200000000017"));
    let tokens: Vec<_> = found.iter().map(|it| it.page_token.as_ref().expect("a token").expose_secret()).collect();
    assert!(tokens[0] == tokens[1] && tokens[1] != tokens[2]);

    let Connected { client: linkedin, grant } = connect(&standin, Provider::Linkedin).await;
    let found = linkedin.accounts(&grant).await.expect("accounts");
    assert_eq!(
        names(&found),
        [(Platform::Linkedin, "5500017", Some("aurora-atelier")), (Platform::Linkedin, "5500018", Some("mira-bakes")),]
    );
    let Connected { client: google, grant } = connect(&standin, Provider::Google).await;
    let found = google.accounts(&grant).await.expect("accounts");
    assert_eq!(names(&found), [(Platform::Youtube, "UCstandin0000000000000mi", Some("aurora.film"))]);
}

#[tokio::test]
async fn somebody_who_owns_nothing_has_no_accounts() {
    let standin = standin().await;
    standin.oauth().change(|settings| settings.user = "nobody".to_owned());
    for provider in [Provider::Google, Provider::Facebook, Provider::Linkedin] {
        let Connected { client, grant } = connect(&standin, provider).await;
        assert!(client.accounts(&grant).await.expect("an empty list").is_empty(), "{}", provider.name());
    }
}

#[tokio::test]
async fn struck_out_scopes_are_named() {
    let standin = standin().await;
    for (provider, scope) in [
        (Provider::Google, "https://www.googleapis.com/auth/yt-analytics.readonly"),
        (Provider::Facebook, "read_insights"),
        (Provider::Instagram, "instagram_business_manage_insights"),
        (Provider::Tiktok, "user.info.profile"),
        (Provider::Linkedin, "r_organization_followers"),
        (Provider::X, "tweet.read"),
    ] {
        standin.oauth().change(|settings| settings.declined = vec![scope.to_owned()]);
        let Connected { client, grant } = connect(&standin, provider).await;
        assert_eq!(grant.missing(provider.scopes(platform(provider), Purpose::Insights)), [scope]);
        assert!(!client.accounts(&grant).await.expect("accounts, all the same").is_empty(), "{}", provider.name());
    }
}

#[tokio::test]
async fn a_code_opens_once_and_using_it_again_ends_the_grant() {
    let standin = standin().await;
    for provider in Provider::ALL {
        let client = client(&standin, provider);
        let verifier = new_verifier().expect("random");
        let code = code(&client, &verifier).await;
        let grant = client.exchange(&code, Some(&verifier)).await.expect("a grant");
        let error = client.exchange(&code, Some(&verifier)).await.expect_err("spent");
        assert_eq!(final_reason(&error), Some(Reason::Code), "{}: {error:?}", provider.name());
        assert!(client.accounts(&grant).await.is_err(), "{}", provider.name());
    }
}

#[tokio::test]
async fn a_code_expires_and_is_bound_to_the_redirect_address() {
    let standin = standin().await;
    for provider in Provider::ALL {
        let verifier = new_verifier().expect("random");
        let client = client(&standin, provider);
        let late = code(&client, &verifier).await;
        standin.oauth().advance(3601);
        let error = client.exchange(&late, Some(&verifier)).await.expect_err("too late");
        assert_eq!(final_reason(&error), Some(Reason::Code), "{}: {error:?}", provider.name());

        let good = code(&client, &verifier).await;
        let elsewhere = App { redirect_uri: "https://evil.example/cb".parse().expect("address"), ..app() };
        let error = client_as(&standin, provider, elsewhere).exchange(&good, Some(&verifier)).await;
        let error = error.expect_err("elsewhere");
        assert!(matches!(error, TokenError::Configuration { .. }), "{}: {error:?}", provider.name());
    }
}

#[tokio::test]
async fn a_code_without_its_verifier_is_worth_nothing() {
    let standin = standin().await;
    for provider in Provider::ALL.into_iter().filter(|provider| provider.uses_pkce()) {
        let client = client(&standin, provider);
        let (verifier, other) = (new_verifier().expect("random"), new_verifier().expect("random"));
        let code = code(&client, &verifier).await;
        client.exchange(&code, Some(&other)).await.expect_err("another verifier");
        client.exchange(&code, None).await.expect_err("none");
        client.exchange(&code, Some(&verifier)).await.expect("the right one");
    }
}

#[tokio::test]
async fn an_app_that_is_not_known_ends_no_connection() {
    let standin = standin().await;
    for provider in Provider::ALL {
        let Connected { grant, .. } = connect(&standin, provider).await;
        let wrong = client_as(&standin, provider, App { client_secret: "wrong".into(), ..app() });
        let error = wrong.exchange("any", None).await.expect_err("refused");
        assert!(matches!(error, TokenError::Configuration { .. }), "{}: {error:?}", provider.name());
        // Instagram refreshes without the app's secret.
        if provider != Provider::Instagram {
            let error = wrong.refresh(&grant).await.expect_err("refused");
            assert!(matches!(error, TokenError::Configuration { .. }), "{}: {error:?}", provider.name());
        }
    }
}

#[tokio::test]
async fn x_refreshes_once_with_each_token_and_ends_the_session_of_who_tries_twice() {
    let standin = standin().await;
    let Connected { client, grant } = connect(&standin, Provider::X).await;
    let next = client.refresh(&grant).await.expect("refreshed");
    assert_ne!(
        next.refresh_token.as_ref().expect("rotated").expose_secret(),
        grant.refresh_token.as_ref().expect("given").expose_secret()
    );
    assert_eq!(client.refresh(&grant).await.expect_err("used"), TokenError::Spent);
    assert_eq!(client.refresh(&next).await.expect_err("its successor is dead too"), TokenError::Spent);
    let error = client.accounts(&next).await.expect_err("and the access token");
    assert!(matches!(error, TokenError::Stale { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_lost_on_the_way_has_had_its_effect() {
    let standin = standin().await;
    let Connected { client, grant } = connect(&standin, Provider::X).await;
    standin.add_fault(Rule::new(Fault::CutBody).at("x", "/2/oauth2/token").times(1));
    let error = client.refresh(&grant).await.expect_err("cut");
    assert!(matches!(error, TokenError::Temporary { .. }), "{error:?}");
    assert_eq!(client.refresh(&grant).await.expect_err("spent all the same"), TokenError::Spent);

    // Google's refresh token does not rotate: the same loss costs nothing.
    let Connected { client, grant } = connect(&standin, Provider::Google).await;
    standin.add_fault(Rule::new(Fault::CutBody).at("google", "/token").times(1));
    client.refresh(&grant).await.expect_err("cut");
    client.refresh(&grant).await.expect("once more");
}

#[tokio::test]
async fn tiktok_rotates_and_refuses_with_status_200() {
    let standin = standin().await;
    let Connected { client, grant } = connect(&standin, Provider::Tiktok).await;
    let next = client.refresh(&grant).await.expect("refreshed");
    assert_ne!(
        next.refresh_token.as_ref().expect("rotated").expose_secret(),
        grant.refresh_token.as_ref().expect("given").expose_secret()
    );
    standin.oauth().change(|settings| settings.tiktok_refuses_with_200 = true);
    let error = client.refresh(&grant).await.expect_err("the old one");
    assert_eq!(final_reason(&error), Some(Reason::Revoked), "{error:?}");
    client.refresh(&next).await.expect("the new one lives");
}

#[tokio::test]
async fn linkedin_ends_a_year_after_the_consent_and_has_refresh_tokens_for_partners_only() {
    let standin = standin().await;
    let Connected { client, grant } = connect(&standin, Provider::Linkedin).await;
    let end = grant.refresh_expires_at.expect("an end");
    standin.oauth().advance(100 * 24 * 3600);
    let next = client.refresh(&grant).await.expect("refreshed");
    let moved = next.refresh_expires_at.expect("an end");
    assert!(moved <= end, "refreshing does not prolong it");
    standin.oauth().advance(300 * 24 * 3600);
    let error = client.refresh(&next).await.expect_err("the year is over");
    assert_eq!(final_reason(&error), Some(Reason::Revoked));

    standin.oauth().change(|settings| settings.linkedin_partner = false);
    let Connected { client, grant } = connect(&standin, Provider::Linkedin).await;
    assert!(grant.refresh_token.is_none());
    assert_eq!(grant.refresh_at(Provider::Linkedin, grant.issued_at), None);
    let error = client.refresh(&grant).await.expect_err("nothing to refresh with");
    assert!(final_reason(&error).is_some());
}

#[tokio::test]
async fn metas_tokens_live_sixty_days_and_are_not_revived() {
    let standin = standin().await;
    for provider in [Provider::Facebook, Provider::Instagram] {
        let Connected { client, grant } = connect(&standin, provider).await;
        let life = grant.access_expires_at.expect("an end") - grant.issued_at;
        assert!(life > TimeDelta::days(59), "{}: the short one was exchanged", provider.name());
        standin.oauth().advance(61 * 24 * 3600);
        let error = client.refresh(&grant).await.expect_err("over");
        assert_eq!(final_reason(&error), Some(Reason::Expired));
    }
    let Connected { client, grant } = connect(&standin, Provider::Instagram).await;
    let error = client.refresh(&grant).await.expect_err("younger than a day");
    assert!(final_reason(&error).is_none(), "{error:?}");
}

#[tokio::test]
async fn instagram_answers_in_either_form() {
    let standin = standin().await;
    standin.oauth().change(|settings| settings.instagram_wraps = true);
    let Connected { grant, .. } = connect(&standin, Provider::Instagram).await;
    assert_eq!(grant.provider_user_id.as_deref(), Some("10250000000000017"));
    assert_eq!(grant.scopes, ["instagram_business_basic", "instagram_business_manage_insights"]);
}

#[tokio::test]
async fn an_app_removed_at_the_provider_is_a_final_error_that_says_so_where_the_provider_does() {
    let standin = standin().await;
    for provider in Provider::ALL {
        let Connected { client, grant } = connect(&standin, provider).await;
        let_age(&standin, provider);
        standin.oauth().remove_app(played(provider), "mira");
        let error = client.refresh(&grant).await.expect_err("dead");
        match provider {
            Provider::Facebook | Provider::Instagram => assert_eq!(final_reason(&error), Some(Reason::AppRemoved)),
            Provider::X => assert_eq!(error, TokenError::Spent),
            _ => assert_eq!(final_reason(&error), Some(Reason::Revoked), "{}", provider.name()),
        }
    }
}

#[tokio::test]
async fn their_trouble_ends_nothing() {
    let standin = standin().await;
    for provider in Provider::ALL {
        let Connected { client, grant } = connect(&standin, provider).await;
        let_age(&standin, provider);
        for fault in [
            Fault::Http400,
            Fault::Http401,
            Fault::Http403,
            Fault::Http404,
            Fault::Http429,
            Fault::Http500,
            Fault::Http502,
            Fault::Http503,
            Fault::Http504,
            Fault::Http524,
            Fault::NotJson,
            Fault::EmptyContent,
            Fault::NoContent204,
            Fault::Body10mb,
        ] {
            standin.add_fault(Rule { target: Some(provider.name().to_owned()), ..Rule::new(fault).times(1) });
            let error = client.refresh(&grant).await.expect_err("no answer");
            assert!(error.is_transient(), "{} {fault:?}: {error:?}", provider.name());
        }
        client.refresh(&grant).await.unwrap_or_else(|error| panic!("{} lives: {error:?}", provider.name()));
    }
}

#[tokio::test]
async fn a_limit_says_how_long() {
    let standin = standin().await;
    let Connected { client, grant } = connect(&standin, Provider::Linkedin).await;
    let limited: Rule =
        serde_json::from_value(serde_json::json!({"fault": "http_429", "target": "linkedin", "retry_after": 90}))
            .expect("a rule");
    standin.add_fault(limited);
    let error = client.accounts(&grant).await.expect_err("limited");
    let retry_after = Some(Duration::from_secs(90));
    assert_eq!(error, TokenError::Throttled { code: "http_429".into(), retry_after });

    standin.oauth().change(|settings| settings.account_usage = 104);
    let Connected { client, grant } = connect(&standin, Provider::Instagram).await;
    let error = client.accounts(&grant).await.expect_err("limited");
    let retry_after = Some(Duration::from_secs(300));
    assert_eq!(error, TokenError::ThrottledAccount { code: "80002".into(), retry_after });
}

#[tokio::test]
async fn a_slow_provider_is_given_up_after_the_time_that_was_set() {
    let standin = standin().await;
    let Connected { grant, .. } = connect(&standin, Provider::Google).await;
    standin.add_fault(Rule { delay_ms: Some(60_000), ..Rule::new(Fault::Slow) });
    let base = Url::parse(&standin.url()).expect("address");
    let endpoints = Endpoints::at(Provider::Google, &base).expect("addresses");
    let hasty = Client::new(Provider::Google, app(), endpoints, Duration::from_millis(200)).expect("client");
    let error = hasty.refresh(&grant).await.expect_err("slow");
    assert_eq!(error, TokenError::Temporary { code: "timed_out".into(), retry_after: None });
}

/// Refusals on demand: (provider, name at the stand-in, name of what it means here).
const REFUSALS: [(Provider, &str, &str); 35] = [
    (Provider::Google, "invalid_grant", "final"),
    (Provider::Google, "redirect_uri_mismatch", "configuration"),
    (Provider::Google, "invalid_client", "configuration"),
    (Provider::Google, "unauthorized_client", "configuration"),
    (Provider::Facebook, "190/458", "final"),
    (Provider::Facebook, "190/459", "final"),
    (Provider::Facebook, "190/460", "final"),
    (Provider::Facebook, "190/463", "final"),
    (Provider::Facebook, "190/464", "final"),
    (Provider::Facebook, "190/467", "final"),
    (Provider::Facebook, "190/492", "final"),
    (Provider::Facebook, "4", "throttled"),
    (Provider::Facebook, "17", "throttled_account"),
    (Provider::Facebook, "32", "throttled_account"),
    (Provider::Facebook, "613", "throttled_account"),
    (Provider::Facebook, "10", "denied"),
    (Provider::Facebook, "200", "denied"),
    (Provider::Facebook, "100", "configuration"),
    (Provider::Facebook, "1", "temporary"),
    (Provider::Facebook, "2", "temporary"),
    (Provider::Facebook, "368", "refused"),
    (Provider::Instagram, "190/463", "final"),
    (Provider::Instagram, "80002", "throttled_account"),
    (Provider::Instagram, "invalid_client", "configuration"),
    (Provider::Tiktok, "invalid_grant", "final"),
    (Provider::Tiktok, "access_token_invalid", "final"),
    (Provider::Tiktok, "rate_limit_exceeded", "throttled"),
    (Provider::Tiktok, "internal_error", "temporary"),
    (Provider::Tiktok, "invalid_params", "configuration"),
    (Provider::Linkedin, "invalid_grant", "final"),
    (Provider::Linkedin, "invalid_request", "configuration"),
    (Provider::Linkedin, "65601", "final"),
    (Provider::Linkedin, "quota", "throttled"),
    (Provider::X, "spent", "spent"),
    (Provider::X, "unavailable", "temporary"),
];

#[tokio::test]
async fn each_refusal_of_a_refresh_means_what_the_table_says() {
    let standin = standin().await;
    for provider in Provider::ALL {
        let Connected { client, grant } = connect(&standin, provider).await;
        let_age(&standin, provider);
        for (_, refusal, meaning) in REFUSALS.iter().filter(|(of, ..)| *of == provider) {
            standin.add_fault(Rule::refusal(provider.name(), refusal).times(1));
            let error = client.refresh(&grant).await.expect_err("refused");
            assert_eq!(error.name(), *meaning, "{} {refusal}: {error:?}", provider.name());
        }
        client.refresh(&grant).await.expect("nothing was spent meanwhile");
    }
}

#[tokio::test]
async fn the_second_half_of_metas_exchange_is_tried_again() {
    let standin = standin().await;
    standin.add_fault(Rule::new(Fault::Http503).at("instagram", "/access_token").times(2));
    let Connected { grant, .. } = connect(&standin, Provider::Instagram).await;
    assert!(grant.access_expires_at.expect("an end") > Utc::now() + TimeDelta::days(59));
    assert_eq!(standin.requests_of("instagram", "/access_token"), 3);

    // Whose it is and what was given are not worth losing the grant.
    standin.add_fault(Rule::new(Fault::Http500).at("facebook", "/v25.0/me"));
    let Connected { grant, .. } = connect(&standin, Provider::Facebook).await;
    assert!(grant.provider_user_id.is_none() && grant.scopes.is_empty());
    assert_eq!(grant.missing(&["pages_show_list"]), Vec::<&str>::new(), "not known is not missing");
}

#[tokio::test]
async fn a_member_may_say_no_and_sees_a_page_if_wanted() {
    let standin = standin().await;
    for provider in Provider::ALL {
        let client = client(&standin, provider);
        let verifier = new_verifier().expect("random");
        let scopes = provider.scopes(platform(provider), Purpose::Insights);
        let url = client.authorize_url(STATE, Some(&verifier), scopes);
        let mut denied = url.clone();
        denied.query_pairs_mut().append_pair("deny", "1");
        let fields = consent(denied).await;
        assert!(fields.contains_key("error") && !fields.contains_key("code"), "{fields:?}");
        assert_eq!(fields["state"], STATE);

        standin.oauth().change(|settings| settings.approval = Approval::Page);
        let page = browse(url).await;
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.expect("text");
        let link = page.split("href=\"").nth(2).and_then(|rest| rest.split('"').next()).expect("the second person");
        let allow = Url::parse(&standin.url()).expect("base").join(&link.replace("&amp;", "&")).expect("address");
        let grant = client.exchange(&consent(allow).await["code"], Some(&verifier)).await.expect("a grant");
        let found = client.accounts(&grant).await.expect("accounts");
        let is_jonas = |it: &Found| it.handle.as_deref().is_some_and(|handle| handle.starts_with("jonas"));
        assert!(provider == Provider::Linkedin || found.iter().any(is_jonas) || provider == Provider::Facebook);
        standin.oauth().change(|settings| settings.approval = Approval::Auto);
    }
}

#[tokio::test]
async fn the_authorisation_address_is_as_each_provider_wants_it() {
    let standin = standin().await;
    let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    for provider in Provider::ALL {
        let client = client(&standin, provider);
        let url = client.authorize_url(STATE, Some(&verifier), &["one", "two"]);
        let fields: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let id = if provider == Provider::Tiktok { "client_key" } else { "client_id" };
        assert_eq!(fields[id], "standin-client");
        assert_eq!((fields["redirect_uri"].as_str(), fields["response_type"].as_str()), (REDIRECT, "code"));
        let separator = match provider {
            Provider::Facebook | Provider::Instagram | Provider::Tiktok => ",",
            _ => " ",
        };
        assert_eq!(fields["scope"], format!("one{separator}two"));
        let challenge = match provider {
            Provider::Tiktok => Some("13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3"),
            Provider::Google | Provider::X => Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            _ => None,
        };
        assert_eq!(fields.get("code_challenge").map(String::as_str), challenge);
        assert_eq!(fields.get("code_challenge_method").map(String::as_str), challenge.map(|_| "S256"));
        assert_eq!(fields.contains_key("access_type"), provider == Provider::Google);
        assert!(!url.as_str().contains("standin-secret") && !url.as_str().contains("dBjft"));
    }
    let business = App { login_config: Some("4711".to_owned()), ..app() };
    let url = client_as(&standin, Provider::Facebook, business).authorize_url(STATE, None, &["one"]);
    let fields: HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert!(fields["config_id"] == "4711" && !fields.contains_key("scope"));
}
