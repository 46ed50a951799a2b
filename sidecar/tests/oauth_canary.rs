//! Secrets of a connection that goes well and one that does not, looked for in everything that is said about them.

mod common;

use std::fmt::Write as _;
use std::time::Duration;

use analytics_sidecar::logging;
use analytics_sidecar::oauth::{App, Client, Endpoints, Platform, Provider, Purpose, new_verifier};
use analytics_standin::{Catalog, Credentials, Fault, Rule, start};
use common::Lines;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use tracing_subscriber::EnvFilter;
use url::Url;

#[tokio::test]
async fn no_secret_is_logged_or_shown_at_the_finest_level() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = logging::subscriber(EnvFilter::new("trace"), move || writer.clone());
    tracing::subscriber::set_global_default(subscriber).expect("first in this process");

    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let standin = start(Catalog::default(), Credentials::default()).await.expect("stand-in started");
    let base = Url::parse(&standin.url()).expect("address");
    let browser = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().expect("browser");
    let mut secrets = vec!["standin-secret".to_owned(), "c3RhbmRpbi1jbGllbnQ6c3RhbmRpbi1zZWNyZXQ=".to_owned()];
    let mut said = String::new();
    for provider in Provider::ALL {
        let app = App {
            client_id: "standin-client".to_owned(),
            client_secret: "standin-secret".into(),
            redirect_uri: "http://127.0.0.1:9190/oauth/callback".parse().expect("address"),
            login_config: None,
        };
        let endpoints = Endpoints::at(provider, &base).expect("addresses");
        let client = Client::new(provider, app, endpoints, Duration::from_secs(2)).expect("client");
        let platform = Platform::ALL.into_iter().find(|it| provider.serves(*it)).expect("a platform");
        let verifier = new_verifier().expect("random");
        let url = client.authorize_url("state", Some(&verifier), provider.scopes(platform, Purpose::Insights));
        let response = browser.get(url).send().await.expect("answered");
        let location = Url::parse(response.headers()[LOCATION].to_str().expect("text")).expect("address");
        let (_, code) = location.query_pairs().into_owned().find(|(name, _)| name == "code").expect("a code");
        let grant = client.exchange(&code, Some(&verifier)).await.expect("a grant");
        let found = client.accounts(&grant).await;
        if provider == Provider::Instagram {
            standin.oauth().advance(25 * 3600);
        }
        let _ = write!(said, "{client:?} {grant:?} {found:?}");
        for fault in [Fault::Http500, Fault::CutBody, Fault::NotJson, Fault::EmptyContent] {
            standin.add_fault(Rule::new(fault).times(1));
            let error = client.refresh(&grant).await.expect_err("a fault");
            let _ = write!(said, "{error:?} {error}");
        }
        if let Ok(next) = client.refresh(&grant).await {
            secrets.push(next.access_token.expose_secret().to_owned());
            let _ = write!(said, "{next:?} {:?}", client.revoke(&next).await);
        }
        secrets.extend([code, verifier.expose_secret().to_owned(), grant.access_token.expose_secret().to_owned()]);
        secrets.extend(grant.refresh_token.iter().map(|token| token.expose_secret().to_owned()));
        let page_tokens = found.iter().flatten().filter_map(|it| it.page_token.as_ref());
        secrets.extend(page_tokens.map(|token| token.expose_secret().to_owned()));
    }
    let log = String::from_utf8(lines.0.lock().expect("lines").clone()).expect("UTF-8");
    assert!(log.lines().count() > 100 && secrets.len() > 20, "there was something to find");
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} in the log");
        assert!(!said.contains(&secret), "{secret} in what is shown");
    }
}
