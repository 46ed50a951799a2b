//! Table of contents: arguments and environment, an import where one is asked for, log, database, remote, HTTP surfaces, work, errands, stop.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use analytics_sidecar::audit::{self, Keepsake};
use analytics_sidecar::config::{self, Arguments, Command, Config, ConnectConfig, Mistakes};
use analytics_sidecar::connect::page::{self, Pages};
use analytics_sidecar::connect::refresh::{CALL_LIMIT, FINISHING_TIME, Keeper};
use analytics_sidecar::connect::store::Store;
use analytics_sidecar::connect::{Remote, address, rotate};
use analytics_sidecar::decodo::Decodo;
use analytics_sidecar::events::handle::{DELETIONS, Handler, QUICK};
use analytics_sidecar::events::{self, Events};
use analytics_sidecar::http::{Surface, routes};
use analytics_sidecar::import;
use analytics_sidecar::insights::{self, Puller};
use analytics_sidecar::jobs::{POLL, Status, Worker, WorkerSettings};
use analytics_sidecar::logging;
use analytics_sidecar::metrics::Metrics;
use analytics_sidecar::oauth::Client;
use analytics_sidecar::queue::PgQueue;
use analytics_sidecar::resilience::{BreakerSettings, Gate};
use analytics_sidecar::webhook::{self, Webhook};
use axum::Router;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;

/// As clap and most services: a mistake of whoever started it, not of the program.
const BAD_CONFIGURATION: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    let environment = |name: &str| std::env::var(name).ok();
    if let Some(command) = arguments.command.take() {
        return match run_command(command, environment).await {
            Ok(code) => code,
            Err(mistakes) => misconfigured(&mistakes),
        };
    }
    let config = match Config::new(arguments, environment) {
        Ok(config) => config,
        Err(mistakes) => return misconfigured(&mistakes),
    };
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot go on");
            eprintln!("analytics-sidecar: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(command: Command, environment: impl Fn(&str) -> Option<String>) -> Result<ExitCode, Mistakes> {
    let options = config::database(&environment)?;
    Ok(match command {
        Command::Import(import) => import::run(import, options).await,
        Command::RotateTokens(rotation) => {
            let keyring = config::keyring(&environment)?;
            rotate::run(&rotation, &Store::new(PgQueue::new(options)), &keyring).await
        }
    })
}

fn misconfigured(mistakes: &Mistakes) -> ExitCode {
    eprintln!("analytics-sidecar: {mistakes}");
    ExitCode::from(BAD_CONFIGURATION)
}

async fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    tracing::subscriber::set_global_default(logging::subscriber(EnvFilter::new(&config.log), std::io::stdout))?;

    let metrics = Arc::new(Metrics::new());
    let status = Arc::new(Status::default());
    let breaker = BreakerSettings { failures: config.breaker_failures, cool_down: config.breaker_cool_down };
    let gate = Arc::new(Gate::new("decodo", breaker, metrics.clone()));

    let remotes = config.connect.as_ref().map(|connect| remotes(connect, breaker, &metrics)).transpose()?;
    let remotes = remotes.unwrap_or_default();
    let gates = std::iter::once(gate.clone()).chain(remotes.iter().map(|remote| remote.gate.clone())).collect();

    let listener = listen(config.listen).await?;
    let surface = Surface { metrics: metrics.clone(), status: status.clone(), gates };
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, routes(Arc::new(surface))).into_future());

    let settings = WorkerSettings {
        name: config.worker.clone(),
        concurrency: config.concurrency,
        lease: config.lease,
        grace: config.grace,
        poll: POLL,
    };
    let queue = PgQueue::new(config.connect_options()?);
    let worker = Worker::new(queue, Decodo::new(&config.decodo)?, gate, settings, metrics.clone(), status.clone());
    tracing::info!(worker = config.worker, %address, decodo = %config.decodo.url, "started");

    let shutdown = shutdown_at_signal()?;
    let errands = TaskTracker::new();
    if let Some(webhook) = &config.webhook {
        let listener = listen(webhook.listen).await?;
        let address = listener.local_addr()?;
        let mut app = Router::new();
        if !webhook.secrets.is_empty() {
            let billing = worker.queue().clone();
            let stripe = Webhook { billing, secrets: webhook.secrets.clone(), metrics: metrics.clone() };
            app = app.merge(webhook::routes(Arc::new(stripe)));
        }
        if !webhook.senders.is_empty() {
            // Connections of their own each: what takes long, or waits for somebody, holds up no delivery.
            let store = || config.connect_options().map(|options| events::store::Store::new(PgQueue::new(options)));
            let wake = Arc::new(Notify::new());
            for (share, wake) in [(QUICK, wake.clone()), (DELETIONS, Arc::new(Notify::new()))] {
                let handler =
                    Handler { store: store()?, share, metrics: metrics.clone(), worker: config.worker.clone(), wake };
                errands.spawn(handler.run(shutdown.clone()));
            }
            let store = store()?;
            let (senders, public_url) = (webhook.senders.clone(), webhook.public_url.clone());
            let platforms = Events::new(store, senders, public_url, metrics.clone(), wake);
            app = app.merge(events::routes(Arc::new(platforms)));
        }
        let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        errands.spawn(serving.into_future());
        tracing::info!(%address, stripe = !webhook.secrets.is_empty(), platforms = webhook.senders.len(), "serving webhooks");
    }
    if let Some(connect) = &config.connect {
        if config.grace < FINISHING_TIME {
            tracing::warn!(
                grace_seconds = config.grace.as_secs(),
                needed_seconds = FINISHING_TIME.as_secs(),
                "SIDECAR_GRACE_SECONDS is shorter than a refresh may take: one that is cut short can cost a connection"
            );
        }
        let store = Store::new(PgQueue::new(config.connect_options()?));
        let pulls = insights::store::Store::new(PgQueue::new(config.connect_options()?));
        for remote in &remotes {
            let keeper = Keeper {
                store: store.clone(),
                keyring: connect.keyring.clone(),
                metrics: metrics.clone(),
                worker: config.worker.clone(),
            };
            errands.spawn(keeper.keep(remote.clone(), shutdown.clone()));
            let puller = Puller {
                store: pulls.clone(),
                keyring: connect.keyring.clone(),
                metrics: metrics.clone(),
                worker: config.worker.clone(),
            };
            errands.spawn(puller.pull(remote.clone(), shutdown.clone()));
        }
        let listener = listen(connect.listen).await?;
        let address = listener.local_addr()?;
        let remotes: HashMap<_, _> = remotes.iter().map(|remote| (remote.provider(), remote.clone())).collect();
        let public_url = connect.public_url.clone();
        tracing::info!(%address, public_url = %public_url, providers = remotes.len(), "serving pages of consent");
        errands.spawn(address::watch(store.clone(), public_url.clone(), status, shutdown.clone()));
        let pages = Arc::new(Pages::new(store, connect.keyring.clone(), remotes, public_url, metrics.clone()));
        errands.spawn(pages.clone().sum_up(shutdown.clone()));
        let serving = axum::serve(listener, page::routes(pages.clone()))
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        errands.spawn(async move {
            let served = serving.await;
            // A browser may have left before its code was exchanged.
            pages.finish().await;
            served
        });
    }
    errands.spawn(audit::seal(worker.queue().clone(), metrics.clone(), shutdown.clone()));
    match &config.audit {
        Some(signing) => {
            let keepsake = signing.file.as_deref().map(Keepsake::open).transpose();
            let keepsake = keepsake.map_err(|error| format!("cannot write the audit checkpoint file: {error}"))?;
            tracing::info!(public_key = signing.signer.public_key(), "signing audit checkpoints");
            let (trail, signer) = (worker.queue().clone(), signing.signer.clone());
            errands.spawn(audit::sign(trail, signer, keepsake, metrics, shutdown.clone()));
        }
        None => tracing::info!("audit checkpoints are not signed: no AUDIT_SIGNING_KEY"),
    }
    let wake = Arc::new(Notify::new());
    let housekeeping = tokio::spawn(worker.clone().keep_house(shutdown.clone()));
    let listening = tokio::spawn({
        let (worker, wake, shutdown) = (worker.clone(), wake.clone(), shutdown.clone());
        async move { worker.queue().listen(wake, shutdown).await }
    });
    // Counted from the signal: errands end while jobs do.
    let grace_over = tokio::spawn({
        let (grace, shutdown) = (config.grace, shutdown.clone());
        async move {
            shutdown.cancelled().await;
            sleep(grace).await;
        }
    });
    worker.clone().run(wake, shutdown).await;
    errands.close();
    tokio::select! {
        biased;
        () = errands.wait() => {}
        _ = grace_over => tracing::warn!("webhook deliveries, refreshes, pulls or sealing cut short"),
    }
    housekeeping.abort();
    listening.abort();
    worker.queue().close().await;
    tracing::info!("stopped");
    Ok(())
}

/// The providers that we have an app with, each behind a gate of its own.
fn remotes(
    connect: &ConnectConfig,
    breaker: BreakerSettings,
    metrics: &Arc<Metrics>,
) -> Result<Vec<Remote>, Box<dyn std::error::Error>> {
    let remote = |(provider, app, endpoints): &(_, _, _)| {
        let client = Client::new(*provider, Clone::clone(app), Clone::clone(endpoints), CALL_LIMIT)?;
        let gate = Gate::new(client.provider().name(), breaker, metrics.clone());
        Ok(Remote { client: Arc::new(client), gate: Arc::new(gate) })
    };
    connect.apps.iter().map(remote).collect()
}

async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// Ends with SIGTERM or SIGINT.
fn shutdown_at_signal() -> std::io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            shutdown.cancel();
        }
    });
    Ok(shutdown)
}
