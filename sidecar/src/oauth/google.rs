//! Google, for YouTube channels. The refresh token comes with the first consent and does not change.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::America::Los_Angeles;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::call::{MOST_PAGES, TokenAnswer};
use super::error::{Stage, TokenError};
use super::{Client, Found, Grant, Platform};

const LIFE: Option<i64> = Some(3599);

/// Until the quota of a day is given anew, at midnight where Google is.
pub(super) fn until_next_quota(now: SystemTime) -> Duration {
    let now = DateTime::<Utc>::from(now).with_timezone(&Los_Angeles);
    let tomorrow = now.date_naive().succ_opt().unwrap_or(NaiveDate::MAX);
    let midnight = tomorrow.and_time(NaiveTime::MIN).and_local_timezone(Los_Angeles).earliest();
    midnight.and_then(|midnight| (midnight - now).to_std().ok()).unwrap_or(Duration::from_secs(24 * 60 * 60))
}

pub(super) async fn exchange(
    client: &Client,
    code: &str,
    verifier: Option<&SecretString>,
) -> Result<Grant, TokenError> {
    let issued_at = Utc::now();
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", &client.app.client_id),
        ("client_secret", client.client_secret()),
        ("redirect_uri", client.app.redirect_uri.as_str()),
    ];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier.expose_secret())));
    client.post::<TokenAnswer>(Stage::Exchange, &client.endpoints.token, &form).await?.grant(issued_at, LIFE)
}

pub(super) async fn refresh(client: &Client, grant: &Grant) -> Result<Grant, TokenError> {
    let issued_at = Utc::now();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", client.refresh_token(grant)?),
        ("client_id", &client.app.client_id),
        ("client_secret", client.client_secret()),
    ];
    client.post::<TokenAnswer>(Stage::Refresh, &client.endpoints.token, &form).await?.grant(issued_at, LIFE)
}

/// Either token ends the whole grant. In the body, where Google takes it as well as in the address.
pub(super) async fn revoke(client: &Client, grant: &Grant) -> Result<(), TokenError> {
    let token = grant.refresh_token.as_ref().unwrap_or(&grant.access_token);
    client.send(Stage::Revoke, client.form(client.revoke_url()?, &[("token", token.expose_secret())])).await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Channels {
    #[serde(default)]
    items: Vec<Channel>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Channel {
    id: String,
    snippet: Option<Snippet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snippet {
    title: Option<String>,
    /// The handle with its @, though channels of old may have something else here.
    custom_url: Option<String>,
    thumbnails: Option<Thumbnails>,
}

#[derive(Deserialize)]
struct Thumbnails {
    default: Option<Thumbnail>,
}

#[derive(Deserialize)]
struct Thumbnail {
    url: Option<String>,
}

/// A person without a channel has none: an empty list.
pub(super) async fn accounts(client: &Client, grant: &Grant) -> Result<Vec<Found>, TokenError> {
    let url = client.api("youtube/v3/channels")?;
    let mut found = Vec::new();
    let mut page = String::new();
    for _ in 0..MOST_PAGES {
        let mut query = vec![("part", "snippet"), ("mine", "true"), ("maxResults", "50")];
        if !page.is_empty() {
            query.push(("pageToken", &page));
        }
        let channels: Channels = client.get(Stage::Api, &url, &query, Some(&grant.access_token)).await?;
        found.extend(channels.items.into_iter().map(|channel| {
            let snippet = channel.snippet;
            let (title, handle, picture) = snippet.map_or((None, None, None), |snippet| {
                let picture = snippet.thumbnails.and_then(|thumbnails| thumbnails.default?.url);
                (snippet.title, snippet.custom_url, picture)
            });
            Found {
                platform: Platform::Youtube,
                platform_user_id: channel.id,
                handle: handle.and_then(|handle| Some(handle.strip_prefix('@')?.to_owned())),
                display_name: title,
                account_type: Some("channel".to_owned()),
                picture,
                page_token: None,
                parent: None,
            }
        }));
        match channels.next_page_token.filter(|next| !next.is_empty()) {
            Some(next) => page = next,
            None => break,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_quota_ends_at_midnight_in_california() {
        let until = |now: &str| {
            let now: DateTime<Utc> = now.parse().expect("a time");
            until_next_quota(now.into()).as_secs() / 60
        };
        assert_eq!(until("2026-11-21T07:00:00Z"), 60, "an hour before it, in winter");
        assert_eq!(until("2026-11-21T08:00:00Z"), 24 * 60);
        assert_eq!(until("2026-07-21T06:30:00Z"), 30, "in summer it is an hour earlier");
        assert_eq!(until("2026-11-01T07:00:00Z"), 25 * 60, "the day on which summer ends");
    }
}
