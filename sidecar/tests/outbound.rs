//! Where the guarded client goes and where it does not, the latter measured at the socket.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use analytics_sidecar::outbound::{Forbidden, Lookup, Outbound, OutboundError, SystemLookup, is_public};
use analytics_standin::{Catalog, Credentials, Fault, Rule, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIMIT: usize = 64 * 1024;
const LONGEST: Duration = Duration::from_secs(2);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Loopback as well, and not permitted in any of these tests.
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

type Addresses = io::Result<Vec<IpAddr>>;

/// Answers from a script, its last line again and again, and counts.
#[derive(Clone, Default)]
struct Script {
    lines: Arc<Mutex<Vec<Vec<IpAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Script {
    fn of(lines: Vec<Vec<IpAddr>>) -> Self {
        Script { lines: Arc::new(Mutex::new(lines)), asked: Arc::default() }
    }
}

impl Lookup for Script {
    fn lookup(&self, _: String) -> Pin<Box<dyn Future<Output = Addresses> + Send>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut lines = self.lines.lock().expect("lines");
        let line = if lines.len() > 1 { lines.remove(0) } else { lines.first().cloned().unwrap_or_default() };
        Box::pin(async move { Ok(line) })
    }
}

/// A port that counts who comes.
struct Door {
    port: u16,
    knocks: Arc<AtomicUsize>,
}

impl Door {
    async fn at(address: IpAddr, port: u16, answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind((address, port)).await.expect("a port");
        let port = listener.local_addr().expect("address").port();
        let knocks = Arc::new(AtomicUsize::new(0));
        tokio::spawn({
            let knocks = knocks.clone();
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    knocks.fetch_add(1, Ordering::SeqCst);
                    let mut request = [0; 1024];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(answer).await;
                }
            }
        });
        Door { port, knocks }
    }

    fn knocks(&self) -> usize {
        self.knocks.load(Ordering::SeqCst)
    }
}

fn strict(lookup: impl Lookup) -> Outbound {
    Outbound::with(LONGEST, Vec::new(), lookup).expect("client")
}

fn permitting(lookup: impl Lookup) -> Outbound {
    Outbound::with(LONGEST, vec![LOOPBACK], lookup).expect("client")
}

/// Hosts that are no place to go, in every way to write them.
fn hosts() -> Vec<String> {
    let mut hosts: Vec<String> = [
        // Loopback, in decimal, octal, hexadecimal, mixed, short and full-width digits
        "127.0.0.1",
        "127.0.0.2",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7F.0x0.0x0.0x1",
        "0177.0.0.1",
        "0177.0.0.01",
        "127.0.0.1.",
        "0x7f.1",
        "0x7f.0.1",
        "00000177.0.0.1",
        "１２７.０.０.１",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "127%2e0%2e0%2e1",
        "%31%32%37.0.0.1",
        "0",
        "0.0.0.0",
        "00",
        "0x0",
        "0.0.0.1",
        "0.255.255.255",
        // Private
        "10.0.0.1",
        "10.255.255.255",
        "167772161",
        "012.0.0.1",
        "0xa000001",
        "10.1",
        "172.16.0.1",
        "172.31.255.255",
        "2886729729",
        "0xac.0x10.0.1",
        "192.168.0.1",
        "192.168.1.254",
        "3232235521",
        "0300.0250.0.1",
        "192.168.1",
        "0xc0a80001",
        // Carriers', link-local, metadata
        "100.64.0.1",
        "100.127.255.255",
        "100.100.100.200",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.0.1",
        "169.254.170.2",
        "169.254.169.253",
        "168.63.129.16",
        "2822734096",
        "192.0.0.192",
        "169.254.43518",
        "0xA9.0xFE.0xA9.0xFE",
        "169。254。169。254",
        "１６９.２５４.１６９.２５４",
        // Documentation, benchmarks, relays, reserved, multicast, broadcast
        "192.0.0.1",
        "192.0.2.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.99.1",
        "192.175.48.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "4294967295",
        "0xffffffff",
        "250.1.2.3",
        // IPv6: itself, unspecified, local, link-local, multicast
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0000:0000:0000:0000:0000:0000:0000:0001]",
        "[::]",
        "[0::0]",
        "[fc00::1]",
        "[fd00::1]",
        "[fd00:ec2::254]",
        "[fdff:ffff::1]",
        "[fe80::1]",
        "[febf::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[ff05::1:3]",
        "[ff00::]",
        "[fd20:ce::254]",
        // IPv6 with an IPv4 address in it: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:8.8.8.8]",
        "[::127.0.0.1]",
        "[::7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::1]",
        "[64:ff9b:1:ffff::1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2002:c0a8:1::1]",
        "[2001::1]",
        "[2001:0:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[fe80::5efe:127.0.0.1]",
        // IPv6: documentation, discard, protocols, what nobody has been given
        "[2001:db8::1]",
        "[2001:db8:ffff::1]",
        "[3fff::1]",
        "[3fff:fff::1]",
        "[100::1]",
        "[100:0:0:1::1]",
        "[5f00::1]",
        "[2001:2::1]",
        "[2001:10::1]",
        "[2001:20::1]",
        "[2001:1::1]",
        "[2620:4f:8000::1]",
        "[4000::1]",
        "[8000::1]",
        "[e000::1]",
        "[0100::]",
        "[200::1]",
        "[400::1]",
        "[1::1]",
        "[1fff::1]",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    // The edges of each block.
    for text in [
        "10.0.0.0",
        "100.64.0.0",
        "127.0.0.0",
        "127.255.255.255",
        "169.254.255.255",
        "172.16.0.0",
        "192.0.0.255",
        "192.0.2.255",
        "192.168.255.255",
        "198.18.0.0",
        "198.51.100.255",
        "203.0.113.255",
        "224.0.0.0",
        "240.0.0.0",
        "254.255.255.255",
        "192.88.99.255",
        "172.31.0.0",
        "10.128.0.0",
        "239.0.0.0",
    ] {
        let address: Ipv4Addr = text.parse().expect("address");
        hosts.push(text.to_owned());
        hosts.push(u32::from(address).to_string());
        hosts.push(format!("0x{:08x}", u32::from(address)));
        hosts.push(format!("[::ffff:{text}]"));
    }
    hosts
}

#[tokio::test]
async fn addresses_that_lead_to_no_public_place_are_never_called() {
    let door = Door::at(LOOPBACK, 0, b"").await;
    let lookup = Script::default();
    let outbound = strict(lookup.clone());
    let hosts = hosts();
    assert!(hosts.len() >= 200, "{} hosts", hosts.len());
    for host in &hosts {
        let refused = outbound.get(&format!("https://{host}/picture.jpg"), LIMIT).await;
        assert_eq!(refused, Err(Forbidden::NotPublic.into()), "{host}");
    }
    assert_eq!(lookup.asked.load(Ordering::SeqCst), 0, "none of them is a name");
    assert_eq!(door.knocks(), 0);
}

#[tokio::test]
async fn addresses_of_another_form_are_refused_for_what_they_are() {
    let door = Door::at(LOOPBACK, 0, b"").await;
    let outbound = strict(Script::of(vec![vec![LOOPBACK]]));
    let port = door.port;
    let cases = [
        ("", Forbidden::NotAnAddress),
        ("picture.jpg", Forbidden::NotAnAddress),
        ("/picture.jpg", Forbidden::NotAnAddress),
        ("//cdn.example/picture.jpg", Forbidden::NotAnAddress),
        ("https://", Forbidden::NotAnAddress),
        ("https://[::1", Forbidden::NotAnAddress),
        ("https://[fe80::1%25eth0]/", Forbidden::NotAnAddress),
        ("https://[::1%lo]/", Forbidden::NotAnAddress),
        ("https://256.1.1.1/", Forbidden::NotAnAddress),
        ("https://1.2.3.4.5/", Forbidden::NotAnAddress),
        ("https://0x1ffffffff/", Forbidden::NotAnAddress),
        ("https://4294967296/", Forbidden::NotAnAddress),
        ("https://a b/", Forbidden::NotAnAddress),
        ("https://exa\u{0}mple/", Forbidden::NotAnAddress),
        ("https://cdn.example:99999/", Forbidden::NotAnAddress),
        ("data:image/png;base64,AAAA", Forbidden::NotAnAddress),
        ("javascript:alert(1)", Forbidden::NotAnAddress),
        ("mailto:somebody@example.org", Forbidden::NotAnAddress),
        ("file:///etc/passwd", Forbidden::NotAnAddress),
        ("file://cdn.example/etc/passwd", Forbidden::NotHttps),
        ("http://cdn.example/", Forbidden::NotHttps),
        ("http://127.0.0.1/", Forbidden::NotHttps),
        ("HTTP://cdn.example/", Forbidden::NotHttps),
        ("ftp://cdn.example/", Forbidden::NotHttps),
        ("gopher://127.0.0.1:6379/_INFO", Forbidden::NotHttps),
        ("ws://cdn.example/", Forbidden::NotHttps),
        ("dict://cdn.example:11211/", Forbidden::NotHttps),
        ("ldap://cdn.example/", Forbidden::NotHttps),
        ("https://somebody@cdn.example/", Forbidden::Credentials),
        ("https://cdn.example@127.0.0.1/", Forbidden::Credentials),
        ("https://cdn.example:443@127.0.0.1/", Forbidden::Credentials),
        ("https://cdn.example%20@127.0.0.1/", Forbidden::Credentials),
        ("https://:secret@cdn.example/", Forbidden::Credentials),
        ("https://cdn.example:80/", Forbidden::Port),
        ("https://cdn.example:22/", Forbidden::Port),
        ("https://cdn.example:5432/", Forbidden::Port),
        ("https://127.0.0.1:6379/", Forbidden::Port),
        // Where the backslash and the fragment end the host is for the parser to say; it leads to no public place.
        ("https://127.0.0.1\\@cdn.example/", Forbidden::NotPublic),
        ("https://127.0.0.1#@cdn.example/", Forbidden::NotPublic),
        ("https://127.0.0.1?@cdn.example/", Forbidden::NotPublic),
        ("https:127.0.0.1/", Forbidden::NotPublic),
        ("https:\\\\127.0.0.1/", Forbidden::NotPublic),
        ("https:///127.0.0.1/", Forbidden::NotPublic),
        (" https://127.0.0.1/", Forbidden::NotPublic),
        ("ht\ntps://127.0.\t0.1/", Forbidden::NotPublic),
    ];
    for (address, forbidden) in cases {
        assert_eq!(outbound.get(address, LIMIT).await, Err(forbidden.into()), "{address}");
    }
    let long = format!("https://cdn.example/{}", "x".repeat(5000));
    assert_eq!(outbound.get(&long, LIMIT).await, Err(Forbidden::NotAnAddress.into()));
    assert_eq!(outbound.get(&format!("http://127.0.0.1:{port}/"), LIMIT).await, Err(Forbidden::NotHttps.into()));
    assert_eq!(door.knocks(), 0);
}

#[tokio::test]
async fn names_are_judged_by_all_the_addresses_they_have() {
    let public: IpAddr = Ipv4Addr::new(93, 184, 215, 14).into();
    let public6: IpAddr = "2606:2800:21f:cb07:6820:80da:af6b:8b2c".parse().expect("address");
    for addresses in [
        vec![],
        vec![LOOPBACK],
        vec![public, LOOPBACK],
        vec![LOOPBACK, public],
        vec![public6, Ipv6Addr::LOCALHOST.into()],
        vec![Ipv4Addr::new(169, 254, 169, 254).into()],
        vec!["::ffff:127.0.0.1".parse().expect("address")],
        vec!["64:ff9b::a00:1".parse().expect("address")],
        vec!["fe80::1".parse().expect("address")],
        vec![Ipv4Addr::UNSPECIFIED.into()],
    ] {
        for name in [
            "rebind.example",
            "xn--bcher-kva.example",
            "bücher.example",
            "metadata.google.internal",
            "a.b.c.d.e.f.example.",
        ] {
            let outbound = strict(Script::of(vec![addresses.clone()]));
            let refused = outbound.get(&format!("https://{name}/"), LIMIT).await;
            assert_eq!(refused, Err(Forbidden::NotPublic.into()), "{name}: {addresses:?}");
        }
    }
}

#[tokio::test]
async fn the_systems_own_names_for_this_machine_are_refused() {
    for name in ["localhost", "LOCALHOST", "LocalHost", "%6cocalhost"] {
        let refused = strict(SystemLookup).get(&format!("https://{name}/"), LIMIT).await;
        assert_eq!(refused, Err(Forbidden::NotPublic.into()), "{name}");
    }
    // Not every system knows it with the dot of a full name.
    let refused = strict(SystemLookup).get("https://localhost./", LIMIT).await;
    assert!(matches!(refused, Err(OutboundError::Forbidden(Forbidden::NotPublic) | OutboundError::Broken)));
}

/// Good when it was checked and another one when it is called: there is one look-up for both, and the next call judges
/// anew.
#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let good = Door::at(LOOPBACK, 0, b"").await;
    let bad = Door::at(OTHER, good.port, b"").await;
    let lookup = Script::of(vec![vec![LOOPBACK], vec![OTHER]]);
    let outbound = permitting(lookup.clone());
    let address = format!("https://rebind.example:{}/", good.port);

    let first = outbound.get(&address, LIMIT).await;
    assert_eq!(first, Err(OutboundError::Broken), "it was called, and speaks no TLS");
    assert_eq!((good.knocks(), lookup.asked.load(Ordering::SeqCst)), (1, 1));
    for _ in 0..5 {
        assert_eq!(outbound.get(&address, LIMIT).await, Err(Forbidden::NotPublic.into()));
    }
    assert_eq!((good.knocks(), bad.knocks()), (1, 0));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let inside = Door::at(LOOPBACK, 0, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            inside.port
        );
        let door = Door::at(LOOPBACK, 0, answer.leak().as_bytes()).await;
        let outbound = permitting(SystemLookup);
        let address = format!("http://127.0.0.1:{}/", door.port);
        assert_eq!(outbound.get(&address, LIMIT).await, Err(OutboundError::Redirect), "{status}");
        assert_eq!(door.knocks(), 1);
    }
    assert_eq!(inside.knocks(), 0);
}

#[tokio::test]
async fn an_answer_is_bounded_in_size_and_time() {
    let mut catalog = Catalog::default();
    catalog.add_built_in_samples();
    let standin = start(catalog, Credentials::default()).await.expect("stand-in started");
    let address = format!("{}/catalog", standin.url());
    let outbound = permitting(SystemLookup);
    let fetched = outbound.get(&address, LIMIT).await.expect("a file");
    assert_eq!(fetched.content_type.as_deref(), Some("application/json"));
    assert!(fetched.body.starts_with(b"{"));
    assert_eq!(outbound.get(&address, 10).await, Err(OutboundError::TooLarge(10)));
    assert_eq!(outbound.get(&format!("{}/nothing", standin.url()), LIMIT).await, Err(OutboundError::Status(404)));

    let page = format!("{}/google/youtube/v3/channels", standin.url());
    standin.add_fault(Rule { delay_ms: Some(60_000), ..Rule::new(Fault::Slow) }.times(1));
    assert_eq!(outbound.get(&page, LIMIT).await, Err(OutboundError::TimedOut));
    standin.add_fault(Rule::new(Fault::Body10mb).times(1));
    assert_eq!(outbound.get(&page, LIMIT).await, Err(OutboundError::TooLarge(LIMIT)));

    // Without a length, and without an end.
    let endless = Door::at(LOOPBACK, 0, {
        let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        answer.resize(LIMIT * 4, b'x');
        answer.leak()
    })
    .await;
    let address = format!("http://127.0.0.1:{}/", endless.port);
    assert_eq!(outbound.get(&address, LIMIT).await, Err(OutboundError::TooLarge(LIMIT)));
}

#[tokio::test]
async fn what_is_permitted_is_loopback_only_and_by_number() {
    let private: IpAddr = Ipv4Addr::new(10, 0, 0, 1).into();
    let outbound = Outbound::with(LONGEST, vec![LOOPBACK, private], SystemLookup).expect("client");
    assert_eq!(outbound.check("https://10.0.0.1/").err(), Some(Forbidden::NotPublic));
    assert_eq!(outbound.check("http://10.0.0.1/").err(), Some(Forbidden::NotHttps));
    assert_eq!(outbound.check("http://127.0.0.2/").err(), Some(Forbidden::NotHttps));
    assert_eq!(outbound.check("http://localhost/").err(), Some(Forbidden::NotHttps));
    assert!(outbound.check("http://127.0.0.1:9188/x").is_ok());
}

#[test]
fn public_addresses_are_public_up_to_the_edges_of_the_others() {
    for text in [
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "93.184.215.14",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700:4700::1111",
        "2a03:2880:f101::1",
        "3ffe::1",
        "3fff:1000::1",
    ] {
        assert!(is_public(text.parse().expect("address")), "{text}");
    }
}
