//! The way to addresses that come from outside: pictures, media, whatever an answer of a provider names.
//!
//! Such an address may point anywhere, into our own network too. Only https to public addresses is let through. A name is
//! looked up once, by our resolver, which refuses it when any of its addresses is not public; the connection goes to the
//! addresses that were checked, so a name that changes its mind in between gains nothing.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::time::timeout;
use url::{Host, Url};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Signed addresses of pictures have some hundred characters.
const LONGEST_ADDRESS: usize = 4096;

/// IANA's registry of special-purpose IPv4 addresses, and what answers for a cloud's metadata outside of it.
const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by carriers; Alibaba's metadata is 100.100.100.200.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Azure's host, public by its number.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    // Link-local, most clouds' metadata in it.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The only block that IPv6's public addresses are given out of. Outside it are loopback, unique local, link-local,
/// multicast, the forms that hold an IPv4 address (mapped, NAT64) and all the rest.
const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is special inside that block.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 5] = [
    // Protocol assignments: Teredo (an IPv4 address in it), benchmarks, ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4: an IPv4 address in it.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

static V4: LazyLock<Vec<Ipv4Net>> =
    LazyLock::new(|| NOT_PUBLIC_V4.iter().filter_map(|&(start, bits)| Ipv4Net::new(start, bits).ok()).collect());
static V6: LazyLock<Vec<Ipv6Net>> =
    LazyLock::new(|| NOT_PUBLIC_V6.iter().filter_map(|&(start, bits)| Ipv6Net::new(start, bits).ok()).collect());

/// Whether an address belongs to somebody on the internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            let (start, bits) = PUBLIC_V6;
            Ipv6Net::new(start, bits).is_ok_and(|net| net.contains(&address))
                && !V6.iter().any(|net| net.contains(&address))
        }
    }
}

/// Why an address is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("it is no web address")]
    NotAnAddress,
    #[error("it is not https")]
    NotHttps,
    #[error("it holds a user name or password")]
    Credentials,
    #[error("it names a port")]
    Port,
    #[error("it does not lead to the public internet")]
    NotPublic,
}

/// What came instead of the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    #[error("address refused: {0}")]
    Forbidden(#[from] Forbidden),
    #[error("it redirects, which is not followed")]
    Redirect,
    #[error("status {0}")]
    Status(u16),
    #[error("longer than {0} bytes")]
    TooLarge(usize),
    #[error("no answer in time")]
    TimedOut,
    #[error("connection lost or refused")]
    Broken,
}

type Addresses = io::Result<Vec<IpAddr>>;

/// Looks names up; a test brings its own.
pub trait Lookup: Send + Sync + 'static {
    fn lookup(&self, name: String) -> Pin<Box<dyn Future<Output = Addresses> + Send>>;
}

/// As the system does it.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> Pin<Box<dyn Future<Output = Addresses> + Send>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// What may be reached.
#[derive(Clone)]
struct Guard {
    /// Loopback addresses that a test or the demo serves on. Only these may be called by plain http.
    permitted: Arc<[IpAddr]>,
    lookup: Arc<dyn Lookup>,
}

impl Guard {
    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.permitted.contains(&address)
    }

    fn check(&self, address: &str) -> Result<Url, Forbidden> {
        if address.len() > LONGEST_ADDRESS {
            return Err(Forbidden::NotAnAddress);
        }
        // The parser writes every form of an IPv4 address (decimal, octal, hexadecimal, full-width digits) as four
        // numbers, and names in ASCII: what is checked is what will be called.
        let url = Url::parse(address).map_err(|_| Forbidden::NotAnAddress)?;
        let literal = match url.host().ok_or(Forbidden::NotAnAddress)? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden::Credentials);
        }
        let is_permitted = literal.is_some_and(|address| self.permitted.contains(&address));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_permitted) {
            return Err(Forbidden::NotHttps);
        }
        // A provider's files are on the usual port; another one is somebody's database or admin page.
        if url.port().is_some() && self.permitted.is_empty() {
            return Err(Forbidden::Port);
        }
        if literal.is_some_and(|address| !self.allows(address)) {
            return Err(Forbidden::NotPublic);
        }
        Ok(url)
    }

    async fn resolve(&self, name: String) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let found = timeout(LOOKUP_TIMEOUT, self.lookup.lookup(name)).await??;
        if found.is_empty() || !found.iter().all(|&address| self.allows(address)) {
            return Err(Forbidden::NotPublic.into());
        }
        // Port 0: reqwest puts the address's own in its place.
        Ok(found.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = Guard::resolve(&guard, name.as_str().to_owned()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A file as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// Fetches from addresses that nobody of ours has chosen.
#[derive(Clone)]
pub struct Outbound {
    client: Client,
    guard: Guard,
}

impl Outbound {
    /// `longest`: for the whole answer to arrive.
    pub fn new(longest: Duration) -> reqwest::Result<Self> {
        Outbound::with(longest, Vec::new(), SystemLookup)
    }

    /// With loopback addresses that may be called too, for tests and the demo. Others in `permitted` are passed over.
    pub fn with(longest: Duration, permitted: Vec<IpAddr>, lookup: impl Lookup) -> reqwest::Result<Self> {
        let permitted = permitted.into_iter().filter(IpAddr::is_loopback).collect();
        let guard = Guard { permitted, lookup: Arc::new(lookup) };
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("analytics_sidecar/", env!("CARGO_PKG_VERSION")))
            .timeout(longest)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            // A proxy would look the name up itself.
            .no_proxy()
            .https_only(guard.permitted.is_empty())
            .dns_resolver(guard.clone())
            .build()?;
        Ok(Outbound { client, guard })
    }

    /// The address, if it may be called as far as can be said without looking its name up.
    pub fn check(&self, address: &str) -> Result<Url, Forbidden> {
        self.guard.check(address)
    }

    /// What is at an address, `limit` bytes of it at most.
    pub async fn get(&self, address: &str, limit: usize) -> Result<Fetched, OutboundError> {
        let url = self.guard.check(address)?;
        let response = self.client.get(url).send().await.map_err(trouble)?;
        let status = response.status();
        if status.is_redirection() {
            return Err(OutboundError::Redirect);
        }
        if !status.is_success() {
            return Err(OutboundError::Status(status.as_u16()));
        }
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Fetched { content_type, body: bounded(response, limit).await? })
    }
}

async fn bounded(mut response: Response, limit: usize) -> Result<Vec<u8>, OutboundError> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(OutboundError::TooLarge(limit));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(trouble)? {
        if body.len() + chunk.len() > limit {
            return Err(OutboundError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether our resolver refused, or else what happened. The error's own words hold the address and are left out.
fn trouble(error: reqwest::Error) -> OutboundError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(&forbidden) = error.downcast_ref::<Forbidden>() {
            return forbidden.into();
        }
        cause = error.source();
    }
    if error.is_timeout() { OutboundError::TimedOut } else { OutboundError::Broken }
}
