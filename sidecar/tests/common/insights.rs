//! A consent at the stand-in, and pulls with what came of it.

use std::sync::Arc;
use std::time::Duration;

use analytics_sidecar::connect::Remote;
use analytics_sidecar::insights::store::{Gathered, Metric, Task};
use analytics_sidecar::insights::{Asker, Stop, gather};
use analytics_sidecar::metrics::Metrics;
use analytics_sidecar::oauth::{App, Client, Endpoints, Found, Platform, Provider, Purpose, new_verifier};
use analytics_sidecar::resilience::{BreakerSettings, Gate};
use analytics_standin::{Catalog, Credentials, Running, start};
use chrono::{Days, NaiveDate, Utc};
use secrecy::SecretString;
use sqlx::types::Json;
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

pub struct Connected {
    pub standin: Running,
    pub remote: Remote,
    pub metrics: Arc<Metrics>,
    pub token: SecretString,
    pub account: Found,
}

/// With a consent from which the member has struck a scope, if one is `declined`.
pub async fn connect_as(platform: Platform, provider: Provider, user: &str, declined: &str) -> Connected {
    let standin = start(Catalog::default(), Credentials::default()).await.expect("stand-in started");
    let app = App {
        client_id: "standin-client".to_owned(),
        client_secret: "standin-secret".into(),
        redirect_uri: "http://127.0.0.1:9190/oauth/callback/any".parse().expect("address"),
        login_config: None,
    };
    let endpoints = Endpoints::at(provider, &Url::parse(&standin.url()).expect("address")).expect("addresses");
    let client = Client::new(provider, app, endpoints, Duration::from_secs(5)).expect("client");
    standin.oauth().change(|settings| {
        user.clone_into(&mut settings.user);
        settings.declined = vec![declined.to_owned()];
    });
    let verifier = new_verifier().expect("random");
    let url = client.authorize_url("state", Some(&verifier), provider.scopes(platform, Purpose::Insights));
    let policy = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().no_proxy().redirect(policy).build().expect("browser");
    let sent_back = browser.get(url).send().await.expect("answered");
    let location = Url::parse(sent_back.headers()["location"].to_str().expect("text")).expect("address");
    let code = location.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let grant = client.exchange(&code, Some(&verifier)).await.expect("a grant");
    let found = client.accounts(&grant).await.expect("accounts");
    let account = found.into_iter().find(|account| account.platform == platform).expect("an account");
    let metrics = Arc::new(Metrics::new());
    let breaker = BreakerSettings { failures: 100, cool_down: Duration::from_secs(60) };
    let gate = Arc::new(Gate::new(provider.name(), breaker, metrics.clone()));
    let token = account.page_token.clone().unwrap_or(grant.access_token);
    Connected { standin, remote: Remote { client: Arc::new(client), gate }, metrics, token, account }
}

pub fn metric(scope: &str, kind: &str, metric: &str, api_name: &str) -> Metric {
    let (scope, kind, metric, api_name) = (scope.to_owned(), kind.to_owned(), metric.to_owned(), api_name.to_owned());
    Metric { scope, metric, api_name, kind, minimum_followers: None }
}

/// Yesterday and before, newest first.
pub fn days(count: u64) -> Vec<NaiveDate> {
    (1..=count).filter_map(|back| Utc::now().date_naive().checked_sub_days(Days::new(back))).collect()
}

impl Connected {
    /// A first pull.
    pub fn task_of(&self, kind: &str, metrics: Vec<Metric>, days: Vec<NaiveDate>) -> Task {
        Task {
            workspace_id: Uuid::nil(),
            account_id: Uuid::nil(),
            claim: Uuid::nil(),
            kind: kind.to_owned(),
            platform: self.account.platform.name().to_owned(),
            platform_user_id: self.account.platform_user_id.clone(),
            version: 1,
            access_token: String::new(),
            metrics: Json(metrics),
            refused: Json(Vec::new()),
            days,
            fresh_posts: Vec::new(),
            newest_fresh: None,
            oldest_due: None,
            reads_all: true,
            most_posts: 100,
        }
    }

    pub fn asker(&self) -> Asker<'_> {
        Asker::new(&self.remote, &self.metrics, self.token.clone(), Duration::from_secs(60), CancellationToken::new())
    }

    /// What came, why it ended early, and how many calls it took.
    pub async fn gather(&self, task: &Task) -> (Gathered, Option<Stop>, u32) {
        let mut gathered = Gathered::new(Utc::now());
        let mut asker = self.asker();
        let stop = gather(&mut asker, task, &mut gathered).await.err();
        (gathered, stop, asker.calls)
    }
}

/// The values of a metric, newest day first.
pub fn values(gathered: &Gathered, metric: &str) -> Vec<Option<i64>> {
    gathered.metrics.iter().filter(|capture| capture.metric == metric).map(|capture| capture.value).collect()
}
