//! The address of the pages of consent is set twice: here, for the redirect URIs, and in the database, which sends browsers
//! there. Where the two differ, consents fail at the provider or never reach us.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::store::Store;
use crate::jobs::Status;

const EVERY: Duration = Duration::from_secs(60);

/// Compares both at start and every minute, until told to stop; /readyz and the log say what is wrong.
pub async fn watch(store: Store, public_url: Url, status: Arc<Status>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match store.public_url().await {
            Ok(setting) => {
                let now = trouble(&setting, &public_url);
                if status.note_address(now.clone()) != now {
                    match now {
                        Some(trouble) => tracing::error!(trouble, "accounts cannot be connected"),
                        None => tracing::info!("the database sends browsers here again"),
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "cannot ask where browsers are sent"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(EVERY) => {}
        }
    }
}

fn trouble(setting: &str, public_url: &Url) -> Option<String> {
    let plain = |url: &str| url.trim_end_matches('/').to_owned();
    // Parsed, so that a port that is the usual one makes no difference.
    let is_same = Url::parse(setting).is_ok_and(|setting| plain(setting.as_str()) == plain(public_url.as_str()));
    match setting {
        _ if is_same => None,
        "" => Some("the database's setting oauth_public_url is empty".to_owned()),
        setting => Some(format!(
            "the database sends browsers to {setting} (setting oauth_public_url), and OAUTH_PUBLIC_URL is {}",
            plain(public_url.as_str())
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_address_may_be_written_differently() {
        let of = |setting, here| trouble(setting, &Url::parse(here).expect("an address"));
        assert_eq!(of("https://connect.example.com", "https://connect.example.com/"), None);
        assert_eq!(of("https://connect.example.com:443/in", "https://connect.example.com/in/"), None);
        assert!(of("", "https://connect.example.com").is_some_and(|trouble| trouble.contains("is empty")));
        for setting in
            ["https://connect.example.com:8443", "http://connect.example.com", "https://connect.example.com/in"]
        {
            let trouble = of(setting, "https://connect.example.com").expect("another one");
            assert!(trouble.contains(setting), "{trouble}");
        }
    }
}
