//! Table of contents: arguments, catalogue, listen, say so, serve until told to stop.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use analytics_standin::{Catalog, CatalogError, Credentials, serve};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Local stand-in for Decodo and six OAuth providers, with faults on demand.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; anything but loopback exposes an unguarded fault switch.
    #[arg(long, env = "STANDIN_HOST", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one, named in the ready line.
    #[arg(long, env = "STANDIN_PORT", default_value_t = 9188)]
    port: u16,
    /// Folder of sample answers instead of the built-in ones.
    #[arg(long, env = "STANDIN_SAMPLES")]
    samples: Option<PathBuf>,
    /// Folder of recorded answers, served instead of the built-in samples (and before those of --samples).
    #[arg(long, env = "DEMO_FIXTURES")]
    fixtures: Option<PathBuf>,
    /// User name that callers must send.
    #[arg(long, env = "STANDIN_USERNAME", default_value = "demo")]
    username: String,
    /// Password that callers must send.
    #[arg(long, env = "STANDIN_PASSWORD", default_value = "demo", hide_env_values = true)]
    password: String,
}

impl Arguments {
    fn catalog(&self) -> Result<Catalog, CatalogError> {
        let mut catalog = Catalog::default();
        // An empty variable means "not set", as in a Makefile that always passes it on.
        let samples = self.samples.as_ref().filter(|dir| !dir.as_os_str().is_empty());
        let fixtures = self.fixtures.as_ref().filter(|dir| !dir.as_os_str().is_empty());
        match (samples, fixtures) {
            (None, None) => catalog.add_built_in_samples(),
            (samples, fixtures) => {
                if let Some(dir) = samples {
                    catalog.add_directory(dir, "sample")?;
                }
                if let Some(dir) = fixtures {
                    catalog.add_directory(dir, "recorded")?;
                }
            }
        }
        Ok(catalog)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("analytics_standin: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let catalog = arguments.catalog()?;
    let usernames = catalog.usernames();
    let listener = TcpListener::bind(SocketAddr::new(arguments.host, arguments.port)).await?;
    println!("analytics_standin ready on http://{} with {usernames} usernames", listener.local_addr()?);
    let credentials = Credentials { username: arguments.username, password: arguments.password };
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    serve(listener, catalog, credentials, stop).await?;
    Ok(())
}
