//! Everything that can be set, checked once at start. All mistakes are reported together, and no secret is ever shown.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use crate::audit::Signer;
use crate::connect::callback_platform;
use crate::connect::rotate::Rotation;
use crate::events::Sender;
use crate::import::Import;
use crate::oauth::{App, Endpoints, Platform, Provider};
use crate::secrets::Keyring;

/// Takes jobs from analytics_ext's database, calls the remotes, gives the answers back.
///
/// Secrets come from the environment only, because arguments show in the process list:
/// DATABASE_URL; DECODO_USERNAME and DECODO_PASSWORD (or the older names SMARTPROXY_USERNAME and SMARTPROXY_PASSWORD);
/// STRIPE_WEBHOOK_SECRETS, one or more signing secrets of webhook endpoints (whsec_…) separated by commas, without which
/// no webhook is served; AUDIT_SIGNING_KEY, the seed of an Ed25519 key, 32 bytes as hex or base64, without which no
/// checkpoint of the audit trail is signed; TOKEN_KEYS, one or more Fernet keys separated by commas, of which the first one
/// seals tokens, and for each provider that accounts are connected at the app's id and secret, without any of which no
/// account is connected: GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET, FACEBOOK_CLIENT_ID, FACEBOOK_CLIENT_SECRET (and
/// FACEBOOK_LOGIN_CONFIG where Login for Business is used), INSTAGRAM_CLIENT_ID, INSTAGRAM_CLIENT_SECRET, TIKTOK_CLIENT_ID,
/// TIKTOK_CLIENT_SECRET, LINKEDIN_CLIENT_ID, LINKEDIN_CLIENT_SECRET, X_CLIENT_ID, X_CLIENT_SECRET. Webhooks of a platform are
/// served where its secret is known: INSTAGRAM_WEBHOOK_SECRETS, FACEBOOK_WEBHOOK_SECRETS, TIKTOK_WEBHOOK_SECRETS and
/// LINKEDIN_WEBHOOK_SECRETS, by default the app's client secret; X_WEBHOOK_SECRETS, the consumer secret; YOUTUBE_WEBHOOK_SECRETS,
/// the hub.secret of the subscriptions; each one or more, separated by commas. INSTAGRAM_WEBHOOK_VERIFY_TOKEN,
/// FACEBOOK_WEBHOOK_VERIFY_TOKEN and YOUTUBE_WEBHOOK_VERIFY_TOKEN are what these repeat when they ask whether the address is ours.
#[derive(Debug, Parser)]
#[command(name = "analytics-sidecar", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Base address of Decodo's scraping API; plain http only for a loopback address.
    #[arg(long, env = "DECODO_URL", default_value = "https://scraper-api.decodo.com")]
    pub decodo_url: String,

    /// Longest wait for one answer of Decodo, 1 to 600. Its own clients wait 180: it retries inside that time, and an
    /// answer given up earlier is paid for all the same.
    #[arg(long, env = "DECODO_TIMEOUT_SECONDS", default_value = "180")]
    pub decodo_timeout_seconds: String,

    /// Largest answer that is read, in MiB, 1 to 256. A page of posts is about 0.3 MiB; memory needed is a few times
    /// this for each concurrent job.
    #[arg(long, env = "DECODO_MAX_ANSWER_MIB", default_value = "32")]
    pub decodo_max_answer_mib: String,

    /// Jobs worked on at the same time, 1 to 256. Decodo's smallest plan allows 10 requests a second.
    #[arg(long, env = "SIDECAR_CONCURRENCY", default_value = "8")]
    pub concurrency: String,

    /// How long a claimed job stays ours without a heartbeat, 5 to 3600; heartbeats come at a third of it. After a
    /// crash, jobs return within this time.
    #[arg(long, env = "SIDECAR_LEASE_SECONDS", default_value = "60")]
    pub lease_seconds: String,

    /// After SIGTERM: how long what is under way may go on, 0 to 600; then jobs are given back, within 5 more, and calls to
    /// providers cut short. Such a call may take 30, and the answer to a refresh that nobody stores can be the end of a
    /// connection: not below 40. The service manager must wait longer (by default Docker waits 10, Kubernetes 30, systemd 90).
    #[arg(long, env = "SIDECAR_GRACE_SECONDS", default_value = "45")]
    pub grace_seconds: String,

    /// Failures in a row of one remote after which it is left alone for a while, 1 to 1000.
    #[arg(long, env = "SIDECAR_BREAKER_FAILURES", default_value = "5")]
    pub breaker_failures: String,

    /// How long it is left alone the first time, 1 to 600; doubled up to ten times this while it stays down.
    #[arg(long, env = "SIDECAR_BREAKER_COOL_DOWN_SECONDS", default_value = "15")]
    pub breaker_cool_down_seconds: String,

    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "SIDECAR_LISTEN", default_value = "127.0.0.1:9187")]
    pub listen: String,

    /// Address of /webhooks/stripe and /webhooks/{platform}. All of them speak https only: a proxy stands before it.
    #[arg(long, env = "SIDECAR_WEBHOOK_LISTEN", default_value = "127.0.0.1:9189")]
    pub webhook_listen: String,

    /// Where the outside reaches /webhooks; people who ask Meta for deletion are shown its status there. Without it
    /// /webhooks/{platform}/delete is not served.
    #[arg(long, env = "WEBHOOK_PUBLIC_URL")]
    pub webhook_public_url: Option<String>,

    /// Address of /oauth/start and /oauth/callback. Browsers come here by https: a proxy stands before it.
    #[arg(long, env = "SIDECAR_OAUTH_LISTEN", default_value = "127.0.0.1:9190")]
    pub oauth_listen: String,

    /// Where browsers reach these pages, as in the database's setting oauth_public_url; the redirect URIs registered with
    /// the providers are this and /oauth/callback/instagram, /facebook, /tiktok, /linkedin, /x and /youtube.
    #[arg(long, env = "OAUTH_PUBLIC_URL")]
    pub oauth_public_url: Option<String>,

    /// Another server that plays all providers, each below its name, such as the stand-in; plain http only for loopback.
    #[arg(long, env = "OAUTH_BASE_URL")]
    pub oauth_base_url: Option<String>,

    /// File that signed audit checkpoints are added to, one JSON object a line. Keep it, or copies of it, away from the
    /// database's machine.
    #[arg(long, env = "AUDIT_CHECKPOINT_FILE")]
    pub audit_checkpoint_file: Option<String>,

    /// Name of this process in the job queue; host name, process id and four random characters if not given.
    #[arg(long, env = "SIDECAR_WORKER")]
    pub worker: Option<String>,

    /// What is logged: a level or a tracing filter, such as "info,analytics_sidecar=debug".
    #[arg(long, env = "SIDECAR_LOG", default_value = "info")]
    pub log: String,
}

/// What this program does when it is not a service.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read data from files into the database, and end.
    #[command(subcommand)]
    Import(Import),
    RotateTokens(Rotation),
}

/// The checked configuration.
#[derive(Debug)]
pub struct Config {
    pub database_url: SecretString,
    pub decodo: DecodoConfig,
    pub concurrency: usize,
    pub lease: Duration,
    pub grace: Duration,
    pub breaker_failures: u32,
    pub breaker_cool_down: Duration,
    pub listen: SocketAddr,
    /// None: no webhook is served.
    pub webhook: Option<WebhookConfig>,
    /// None: no checkpoint is signed.
    pub audit: Option<AuditConfig>,
    /// None: no account is connected, and no token kept alive.
    pub connect: Option<ConnectConfig>,
    pub worker: String,
    pub log: String,
}

#[derive(Clone, Debug)]
pub struct WebhookConfig {
    pub listen: SocketAddr,
    /// Stripe's; none: its webhook is not served.
    pub secrets: Vec<SecretString>,
    pub senders: HashMap<Platform, Sender>,
    pub public_url: Option<Url>,
}

#[derive(Clone, Debug)]
pub struct AuditConfig {
    pub signer: Arc<Signer>,
    pub file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct ConnectConfig {
    pub listen: SocketAddr,
    pub public_url: Url,
    pub keyring: Arc<Keyring>,
    pub apps: Vec<(Provider, App, Endpoints)>,
}

#[derive(Clone, Debug)]
pub struct DecodoConfig {
    pub url: Url,
    pub username: String,
    pub password: SecretString,
    pub timeout: Duration,
    /// Bytes
    pub max_answer: usize,
}

/// Every mistake found, each as "NAME: what is wrong".
#[derive(Debug)]
pub struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "{} {noun} in the configuration", self.0.len())?;
        for mistake in &self.0 {
            write!(f, "\n  {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl Mistakes {
    fn add(&mut self, name: &str, what: impl fmt::Display) {
        self.0.push(format!("{name}: {what}"));
    }

    /// The value, or its mistake noted.
    fn note<T>(&mut self, name: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|what| self.add(name, what)).ok()
    }

    fn number(&mut self, name: &str, text: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let checked = match text.trim().parse::<u32>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("{text:?} is not a whole number from {} to {}", range.start(), range.end())),
        };
        self.note(name, checked)
    }

    fn seconds(&mut self, name: &str, text: &str, range: RangeInclusive<u32>) -> Option<Duration> {
        self.number(name, text, range).map(|seconds| Duration::from_secs(seconds.into()))
    }
}

impl Config {
    /// Checks the arguments together with the secrets that `environment` gives.
    pub fn new(arguments: Arguments, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes(Vec::new());
        // An empty variable means "not set", as in a Compose file that always passes it on.
        let environment = |name: &str| environment(name).filter(|value| !value.trim().is_empty());

        let database_url = mistakes.note("DATABASE_URL", database_url(environment("DATABASE_URL")));
        let url = mistakes.note("DECODO_URL", decodo_url(&arguments.decodo_url));
        let credentials = credentials(&environment, &mut mistakes);
        let timeout = mistakes.seconds("DECODO_TIMEOUT_SECONDS", &arguments.decodo_timeout_seconds, 1..=600);
        let max_answer = mistakes.number("DECODO_MAX_ANSWER_MIB", &arguments.decodo_max_answer_mib, 1..=256);
        let concurrency = mistakes.number("SIDECAR_CONCURRENCY", &arguments.concurrency, 1..=256);
        let lease = mistakes.seconds("SIDECAR_LEASE_SECONDS", &arguments.lease_seconds, 5..=3600);
        let grace = mistakes.seconds("SIDECAR_GRACE_SECONDS", &arguments.grace_seconds, 0..=600);
        let breaker_failures = mistakes.number("SIDECAR_BREAKER_FAILURES", &arguments.breaker_failures, 1..=1000);
        let breaker_cool_down =
            mistakes.seconds("SIDECAR_BREAKER_COOL_DOWN_SECONDS", &arguments.breaker_cool_down_seconds, 1..=600);
        let listen = mistakes.note("SIDECAR_LISTEN", address(&arguments.listen));
        let webhook_listen = mistakes.note("SIDECAR_WEBHOOK_LISTEN", address(&arguments.webhook_listen));
        let secrets = mistakes.note("STRIPE_WEBHOOK_SECRETS", webhook_secrets(environment("STRIPE_WEBHOOK_SECRETS")));
        let senders = senders(&environment, &mut mistakes);
        let public_url = arguments.webhook_public_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let public_url = public_url.map(|url| mistakes.note("WEBHOOK_PUBLIC_URL", secure_url(url)));
        let webhook = webhook_listen.zip(secrets).zip(senders).map(|((listen, secrets), senders)| {
            let public_url = public_url.flatten();
            let is_on = !secrets.is_empty() || !senders.is_empty();
            is_on.then_some(WebhookConfig { listen, secrets, senders, public_url })
        });
        let file = arguments.audit_checkpoint_file.filter(|name| !name.trim().is_empty()).map(PathBuf::from);
        let audit = audit(environment("AUDIT_SIGNING_KEY"), file, &mut mistakes);
        let oauth_listen = mistakes.note("SIDECAR_OAUTH_LISTEN", address(&arguments.oauth_listen));
        let connect = connect(
            oauth_listen,
            arguments.oauth_public_url.as_deref(),
            arguments.oauth_base_url.as_deref(),
            &environment,
            &mut mistakes,
        );
        let log = EnvFilter::try_new(&arguments.log)
            .map(|_| arguments.log.clone())
            .map_err(|_| format!("{:?} is not a log filter, such as info", arguments.log));
        let log = mistakes.note("SIDECAR_LOG", log);
        let worker = mistakes.note("SIDECAR_WORKER", worker_name(arguments.worker));

        match (
            (database_url, url, credentials, timeout, max_answer, concurrency),
            (lease, grace, breaker_failures, breaker_cool_down, listen, log, worker),
            (webhook, audit, connect),
        ) {
            (
                (
                    Some(database_url),
                    Some(url),
                    Some((username, password)),
                    Some(timeout),
                    Some(mib),
                    Some(concurrency),
                ),
                (
                    Some(lease),
                    Some(grace),
                    Some(breaker_failures),
                    Some(breaker_cool_down),
                    Some(listen),
                    Some(log),
                    Some(worker),
                ),
                (Some(webhook), Some(audit), Some(connect)),
            ) => Ok(Config {
                database_url,
                decodo: DecodoConfig { url, username, password, timeout, max_answer: mib as usize * 1024 * 1024 },
                concurrency: concurrency as usize,
                lease,
                grace,
                breaker_failures,
                breaker_cool_down,
                listen,
                webhook,
                audit,
                connect,
                worker,
                log,
            }),
            _ => Err(mistakes),
        }
    }

    /// How to reach the database. The address was checked at start.
    pub fn connect_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(PgConnectOptions::from_str(self.database_url.expose_secret())?.application_name("analytics_sidecar"))
    }
}

/// How to reach the database, for a command that needs nothing else.
pub fn database(environment: impl Fn(&str) -> Option<String>) -> Result<PgConnectOptions, Mistakes> {
    let mut mistakes = Mistakes(Vec::new());
    let given = environment("DATABASE_URL").filter(|value| !value.trim().is_empty());
    let options = database_url(given)
        .and_then(|url| PgConnectOptions::from_str(url.expose_secret()).map_err(|_| "cannot be understood".to_owned()));
    mistakes.note("DATABASE_URL", options).ok_or(mistakes)
}

fn database_url(value: Option<String>) -> Result<SecretString, String> {
    let value = value.ok_or("is not set; give postgres://analytics_sidecar:password@host:port/database")?;
    // The parser's own words may quote the value, so they are not passed on.
    let scheme_is_right = value.starts_with("postgres://") || value.starts_with("postgresql://");
    if scheme_is_right && PgConnectOptions::from_str(&value).is_ok() {
        Ok(value.into())
    } else {
        Err("is not of the form postgres://user:password@host:port/database".to_owned())
    }
}

fn address(value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| format!("{value:?} is not an address and port, such as 127.0.0.1:9187"))
}

/// None set: an empty list.
fn webhook_secrets(value: Option<String>) -> Result<Vec<SecretString>, String> {
    let secrets = value.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|secret| !secret.is_empty());
    secrets
        .map(|secret| match secret.strip_prefix("whsec_") {
            Some(rest) if rest.len() >= 16 && !rest.contains(char::is_whitespace) => Ok(secret.into()),
            _ => Err("holds something else than signing secrets (whsec_…) separated by commas".to_owned()),
        })
        .collect()
}

/// The platforms whose webhooks are served; half of a setting is a mistake.
fn senders(
    environment: &impl Fn(&str) -> Option<String>,
    mistakes: &mut Mistakes,
) -> Option<HashMap<Platform, Sender>> {
    let mut senders = HashMap::new();
    let mut is_good = true;
    for platform in Platform::ALL {
        let prefix = platform.name().to_uppercase();
        let name = format!("{prefix}_WEBHOOK_SECRETS");
        // X signs with the consumer secret, which is not OAuth 2's, and YouTube's hub with what it was told.
        let is_apps = !matches!(platform, Platform::X | Platform::Youtube);
        let given = environment(&name);
        let fallback = || environment(&format!("{prefix}_CLIENT_SECRET")).filter(|_| is_apps);
        let secrets: Vec<SecretString> = match &given {
            Some(list) => {
                list.split(',').map(str::trim).filter(|secret| !secret.is_empty()).map(SecretString::from).collect()
            }
            None => fallback().into_iter().map(SecretString::from).collect(),
        };
        // Whoever guesses it writes into every workspace.
        let is_weak = |secret: &SecretString| {
            secret.expose_secret().len() < 8 || secret.expose_secret().contains(char::is_whitespace)
        };
        if given.is_some() && (secrets.is_empty() || secrets.iter().any(is_weak)) {
            mistakes.add(&name, "holds something else than secrets of 8 characters or more, separated by commas");
            is_good = false;
        }
        let token_name = format!("{prefix}_WEBHOOK_VERIFY_TOKEN");
        let verify_token = environment(&token_name).map(SecretString::from);
        if let Some(token) = &verify_token {
            let trouble = match platform {
                Platform::Instagram | Platform::Facebook | Platform::Youtube if secrets.is_empty() => {
                    Some("is set, but no secret of this platform")
                }
                Platform::Instagram | Platform::Facebook | Platform::Youtube => {
                    let length = token.expose_secret().len();
                    (!(16..=255).contains(&length)).then_some("has 16 to 255 characters; choose a random one")
                }
                Platform::Tiktok | Platform::Linkedin | Platform::X => Some("is set, but this platform has none"),
            };
            if let Some(trouble) = trouble {
                mistakes.add(&token_name, trouble);
                is_good = false;
            }
        }
        if !secrets.is_empty() {
            senders.insert(platform, Sender { secrets, verify_token });
        }
    }
    is_good.then_some(senders)
}

fn audit(seed: Option<String>, file: Option<PathBuf>, mistakes: &mut Mistakes) -> Option<Option<AuditConfig>> {
    let Some(seed) = seed else {
        if file.is_some() {
            mistakes.add("AUDIT_SIGNING_KEY", "is not set, but AUDIT_CHECKPOINT_FILE is");
            return None;
        }
        return Some(None);
    };
    let signer = Signer::from_text(&seed).ok_or("is not a seed of 32 bytes as hex or base64".to_owned());
    let signer = mistakes.note("AUDIT_SIGNING_KEY", signer)?;
    Some(Some(AuditConfig { signer: Arc::new(signer), file }))
}

/// Off when nothing of it is set; half of it is a mistake.
fn connect(
    listen: Option<SocketAddr>,
    public_url: Option<&str>,
    base: Option<&str>,
    environment: &impl Fn(&str) -> Option<String>,
    mistakes: &mut Mistakes,
) -> Option<Option<ConnectConfig>> {
    let given = |value: Option<&str>| value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned);
    let keys = environment("TOKEN_KEYS");
    let apps: Vec<_> = Provider::ALL
        .into_iter()
        .filter_map(|provider| {
            let prefix = provider.name().to_uppercase();
            let [id, secret] = ["CLIENT_ID", "CLIENT_SECRET"].map(|part| environment(&format!("{prefix}_{part}")));
            (id.is_some() || secret.is_some()).then_some((provider, prefix, id, secret))
        })
        .collect();
    if keys.is_none() && apps.is_empty() {
        return listen.map(|_| None);
    }
    let keyring = Keyring::from_text(&keys.unwrap_or_default()).map_err(|error| error.to_string());
    let keyring = mistakes.note("TOKEN_KEYS", keyring);
    let public_url = given(public_url).ok_or("is not set; give the address that browsers reach /oauth at".to_owned());
    let public_url = mistakes.note("OAUTH_PUBLIC_URL", public_url.and_then(|url| secure_url(&url)));
    let base = given(base).map(|url| mistakes.note("OAUTH_BASE_URL", secure_url(&url)));
    let mut whole = Vec::new();
    for (provider, prefix, id, secret) in apps {
        for (part, value) in [("CLIENT_ID", &id), ("CLIENT_SECRET", &secret)] {
            if value.is_none() {
                mistakes.add(&format!("{prefix}_{part}"), "is not set, but the other half of the app is");
            }
        }
        let (Some(client_id), Some(client_secret), Some(public_url)) = (id, secret, &public_url) else { continue };
        let callback = format!(
            "{}/oauth/callback/{}",
            public_url.as_str().trim_end_matches('/'),
            callback_platform(provider).name()
        );
        let endpoints = match &base {
            Some(Some(base)) => Endpoints::at(provider, base).ok(),
            Some(None) => None,
            None => Some(Endpoints::of(provider)),
        };
        if let (Ok(redirect_uri), Some(endpoints)) = (Url::parse(&callback), endpoints) {
            let login_config = environment(&format!("{prefix}_LOGIN_CONFIG"));
            let app = App { client_id, client_secret: client_secret.into(), redirect_uri, login_config };
            whole.push((provider, app, endpoints));
        }
    }
    Some(Some(ConnectConfig { listen: listen?, public_url: public_url?, keyring: Arc::new(keyring?), apps: whole }))
}

/// The keys alone, for a command that needs nothing else.
pub fn keyring(environment: impl Fn(&str) -> Option<String>) -> Result<Keyring, Mistakes> {
    let mut mistakes = Mistakes(Vec::new());
    let keyring = Keyring::from_text(&environment("TOKEN_KEYS").unwrap_or_default()).map_err(|error| error.to_string());
    mistakes.note("TOKEN_KEYS", keyring).ok_or(mistakes)
}

fn secure_url(value: &str) -> Result<Url, String> {
    let url = Url::parse(value).map_err(|_| "is not a web address".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("is an address with a path at most".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("must begin with https://; http is for loopback only".to_owned()),
    }
}

fn decodo_url(value: &str) -> Result<Url, String> {
    let url = Url::parse(value.trim()).map_err(|_| "is not a web address".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password; use DECODO_USERNAME and DECODO_PASSWORD".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("must be https, or the password would travel in the clear; http is for loopback only".to_owned()),
        _ => Err("must begin with https://".to_owned()),
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// User name and password of one family: the present names win, and a half pair is a mistake rather than a mixture.
fn credentials(
    environment: &impl Fn(&str) -> Option<String>,
    mistakes: &mut Mistakes,
) -> Option<(String, SecretString)> {
    for (username_name, password_name) in
        [("DECODO_USERNAME", "DECODO_PASSWORD"), ("SMARTPROXY_USERNAME", "SMARTPROXY_PASSWORD")]
    {
        match (environment(username_name), environment(password_name)) {
            (Some(username), Some(password)) => return Some((username, password.into())),
            (Some(_), None) => {
                mistakes.add(password_name, format_args!("is not set, but {username_name} is"));
                return None;
            }
            (None, Some(_)) => {
                mistakes.add(username_name, format_args!("is not set, but {password_name} is"));
                return None;
            }
            (None, None) => {}
        }
    }
    mistakes.add("DECODO_USERNAME", "is not set");
    mistakes.add("DECODO_PASSWORD", "is not set");
    None
}

fn worker_name(given: Option<String>) -> Result<String, String> {
    match given.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) {
        Some(name) if name.len() <= 100 && !name.contains(char::is_control) => Ok(name),
        Some(_) => Err("is longer than 100 bytes or holds control characters".to_owned()),
        None => {
            let host = gethostname::gethostname().to_string_lossy().into_owned();
            // The random part keeps two containers apart that are both "process 1 of localhost".
            let suffix: String = std::iter::repeat_with(fastrand::lowercase).take(4).collect();
            Ok(format!("{host}-{}-{suffix}", std::process::id()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 3] = [
        ("DATABASE_URL", "postgres://analytics_sidecar:s3cret-db@127.0.0.1:54322/postgres"),
        ("DECODO_USERNAME", "user"),
        ("DECODO_PASSWORD", "s3cret-remote"),
    ];

    fn check(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, Mistakes> {
        let arguments = Arguments::try_parse_from(std::iter::once(&"analytics-sidecar").chain(arguments))
            .expect("arguments of a known form");
        Config::new(arguments, |name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let config = check(&[], &GOOD).expect("good");
        assert_eq!(config.decodo.url.as_str(), "https://scraper-api.decodo.com/");
        assert_eq!(config.decodo.timeout, Duration::from_secs(180));
        assert_eq!(config.decodo.max_answer, 32 * 1024 * 1024);
        assert_eq!(config.lease, Duration::from_secs(60));
        assert_eq!(config.listen.to_string(), "127.0.0.1:9187");
    }

    #[test]
    fn every_mistake_is_reported_at_once_and_no_secret_with_it() {
        let mistakes = check(
            &[
                "--decodo-url=http://user:s3cret-remote@example.com",
                "--decodo-timeout-seconds=soon",
                "--decodo-max-answer-mib=0",
                "--concurrency=-1",
                "--lease-seconds=1",
                "--grace-seconds=9999",
                "--breaker-failures=0",
                "--breaker-cool-down-seconds=x",
                "--listen=here",
                "--webhook-listen=there",
                "--log=a=b=c",
            ],
            &[
                ("DATABASE_URL", "mysql://u:s3cret-db@h/d"),
                ("DECODO_PASSWORD", "s3cret-remote"),
                ("STRIPE_WEBHOOK_SECRETS", "sk_live_s3cret-of-another-kind"),
                ("AUDIT_SIGNING_KEY", "s3cret-seed"),
            ],
        )
        .expect_err("bad")
        .to_string();
        for name in [
            "DATABASE_URL",
            "DECODO_URL",
            "DECODO_USERNAME",
            "DECODO_TIMEOUT_SECONDS",
            "DECODO_MAX_ANSWER_MIB",
            "SIDECAR_CONCURRENCY",
            "SIDECAR_LEASE_SECONDS",
            "SIDECAR_GRACE_SECONDS",
            "SIDECAR_BREAKER_FAILURES",
            "SIDECAR_BREAKER_COOL_DOWN_SECONDS",
            "SIDECAR_LISTEN",
            "SIDECAR_WEBHOOK_LISTEN",
            "STRIPE_WEBHOOK_SECRETS",
            "AUDIT_SIGNING_KEY",
            "SIDECAR_LOG",
        ] {
            assert!(mistakes.contains(&format!("\n  {name}: ")), "{name} in {mistakes}");
        }
        assert!(mistakes.starts_with("15 mistakes"), "{mistakes}");
        assert!(!mistakes.contains("s3cret"), "{mistakes}");
    }

    #[test]
    fn webhook_and_signing_are_off_until_their_secrets_are_set() {
        let off = check(&["--audit-checkpoint-file="], &GOOD).expect("good");
        assert!(off.webhook.is_none() && off.audit.is_none());
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let secrets = "whsec_s3cret-of-sixteen, whsec_s3cret-being-rolled,";
        let set = [&GOOD[..], &[("STRIPE_WEBHOOK_SECRETS", secrets), ("AUDIT_SIGNING_KEY", seed)]].concat();
        let on = check(&["--audit-checkpoint-file=checkpoints.jsonl"], &set).expect("good");
        assert_eq!(on.webhook.as_ref().expect("on").secrets.len(), 2);
        assert_eq!(on.webhook.as_ref().expect("on").listen.to_string(), "127.0.0.1:9189");
        assert!(on.audit.as_ref().expect("on").file.is_some());
        let shown = format!("{on:?}");
        assert!(!shown.contains("s3cret") && !shown.contains(seed), "{shown}");
    }

    #[test]
    fn platforms_are_heard_whose_secret_is_known() {
        let set = |more: &[(&'static str, &'static str)]| [&GOOD[..], more].concat();
        let on = check(
            &["--webhook-public-url=https://hooks.example.com"],
            &set(&[
                ("TOKEN_KEYS", "b8ZqcEk0qtT2vG8l0YH1jY8o6cJvVx8a8v1X1bT0m2U="),
                ("OAUTH_PUBLIC_URL", ""),
                ("X_WEBHOOK_SECRETS", "s3cret-new, s3cret-old"),
                ("YOUTUBE_WEBHOOK_SECRETS", "s3cret-hub"),
                ("YOUTUBE_WEBHOOK_VERIFY_TOKEN", "s3cret-verify-token"),
                ("FACEBOOK_WEBHOOK_SECRETS", "s3cret-facebook"),
            ]),
        );
        // Keys without an app are a mistake of another part; the webhooks are right.
        assert!(!on.expect_err("no address").to_string().contains("WEBHOOK"));
        let on = check(
            &["--webhook-public-url=https://hooks.example.com"],
            &set(&[("X_WEBHOOK_SECRETS", "s3cret-new, s3cret-old"), ("FACEBOOK_WEBHOOK_SECRETS", "s3cret-facebook")]),
        )
        .expect("good");
        let webhook = on.webhook.as_ref().expect("on");
        assert!(webhook.secrets.is_empty() && webhook.public_url.is_some());
        assert_eq!(webhook.senders[&Platform::X].secrets.len(), 2);
        assert_eq!(webhook.senders.len(), 2);
        assert!(!format!("{on:?}").contains("s3cret"));

        let mistakes = check(
            &["--webhook-public-url=http://hooks.example.com"],
            &set(&[
                ("X_WEBHOOK_SECRETS", "short"),
                ("LINKEDIN_WEBHOOK_SECRETS", ","),
                ("TIKTOK_WEBHOOK_VERIFY_TOKEN", "s3cret-verify-token"),
                ("INSTAGRAM_WEBHOOK_VERIFY_TOKEN", "s3cret-verify-token"),
                ("YOUTUBE_WEBHOOK_SECRETS", "s3cret-hub"),
                ("YOUTUBE_WEBHOOK_VERIFY_TOKEN", "s3cret"),
            ]),
        )
        .expect_err("bad")
        .to_string();
        for name in [
            "WEBHOOK_PUBLIC_URL",
            "X_WEBHOOK_SECRETS",
            "LINKEDIN_WEBHOOK_SECRETS",
            "TIKTOK_WEBHOOK_VERIFY_TOKEN",
            "INSTAGRAM_WEBHOOK_VERIFY_TOKEN",
            "YOUTUBE_WEBHOOK_VERIFY_TOKEN",
        ] {
            assert!(mistakes.contains(&format!("\n  {name}: ")), "{name} in {mistakes}");
        }
        assert!(mistakes.starts_with("6 mistakes") && !mistakes.contains("s3cret"), "{mistakes}");
    }

    #[test]
    fn a_checkpoint_file_without_a_key_is_a_mistake() {
        let mistakes = check(&["--audit-checkpoint-file=checkpoints.jsonl"], &GOOD).expect_err("no key").to_string();
        assert!(mistakes.contains("AUDIT_SIGNING_KEY: is not set"), "{mistakes}");
    }

    #[test]
    fn accounts_are_connected_where_keys_apps_and_an_address_are_set() {
        let keys = "b8ZqcEk0qtT2vG8l0YH1jY8o6cJvVx8a8v1X1bT0m2U=";
        let apps = [
            ("X_CLIENT_ID", "x-id"),
            ("X_CLIENT_SECRET", "s3cret-x"),
            ("GOOGLE_CLIENT_ID", "g-id"),
            ("GOOGLE_CLIENT_SECRET", "s3cret-g"),
        ];
        let set = [&GOOD[..], &[("TOKEN_KEYS", keys)], &apps].concat();
        assert!(check(&[], &GOOD).expect("good").connect.is_none());
        let config = check(&["--oauth-public-url=https://connect.example.com/a/"], &set).expect("good");
        let connect = config.connect.as_ref().expect("on");
        let callbacks: Vec<_> = connect.apps.iter().map(|(_, app, _)| app.redirect_uri.as_str()).collect();
        let callback = |platform| format!("https://connect.example.com/a/oauth/callback/{platform}");
        assert_eq!(callbacks, [callback("youtube"), callback("x")]);
        let shown = format!("{config:?}");
        assert!(!shown.contains("s3cret") && !shown.contains(keys), "{shown}");

        let mistakes = check(&["--oauth-public-url=http://connect.example.com"], &set).expect_err("http").to_string();
        assert!(mistakes.contains("OAUTH_PUBLIC_URL: must begin with https://"), "{mistakes}");
        let half = [&GOOD[..], &[("TIKTOK_CLIENT_SECRET", "s3cret-t")]].concat();
        let mistakes = check(&[], &half).expect_err("half").to_string();
        for name in ["TOKEN_KEYS", "OAUTH_PUBLIC_URL", "TIKTOK_CLIENT_ID"] {
            assert!(mistakes.contains(&format!("\n  {name}: is not set")), "{name} in {mistakes}");
        }
        assert!(!mistakes.contains("s3cret"), "{mistakes}");
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let shown = format!("{:?}", check(&[], &GOOD).expect("good"));
        assert!(shown.contains("DecodoConfig") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn the_older_names_are_read_when_the_present_ones_are_not_set() {
        let older = [GOOD[0], ("SMARTPROXY_USERNAME", "old"), ("SMARTPROXY_PASSWORD", "p")];
        assert_eq!(check(&[], &older).expect("good").decodo.username, "old");
        let both = [&GOOD[..], &older[1..]].concat();
        assert_eq!(check(&[], &both).expect("good").decodo.username, "user");
    }

    #[test]
    fn a_user_name_of_one_family_is_not_mixed_with_a_password_of_the_other() {
        let mixed = [GOOD[0], GOOD[1], ("SMARTPROXY_PASSWORD", "p")];
        let mistakes = check(&[], &mixed).expect_err("half a pair").to_string();
        assert!(mistakes.contains("DECODO_PASSWORD: is not set"), "{mistakes}");
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(check(&["--decodo-url=http://127.0.0.1:9188"], &GOOD).is_ok());
        assert!(check(&["--decodo-url=http://[::1]:9188"], &GOOD).is_ok());
        assert!(check(&["--decodo-url=http://scraper-api.decodo.com"], &GOOD).is_err());
        assert!(check(&["--decodo-url=ftp://127.0.0.1"], &GOOD).is_err());
    }

    #[test]
    fn empty_variables_count_as_not_set() {
        let mistakes = check(&[], &[("DATABASE_URL", ""), ("DECODO_USERNAME", " ")]).expect_err("nothing set");
        assert!(mistakes.to_string().starts_with("3 mistakes"), "{mistakes}");
    }
}
