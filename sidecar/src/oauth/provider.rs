//! Names, scopes and addresses.

use std::fmt;

use secrecy::SecretString;
use url::Url;

/// Version of Meta's Graph API; each lives about two years.
const GRAPH_VERSION: &str = "v25.0";

/// Month of LinkedIn's API; each lives about a year.
const LINKEDIN_VERSION: &str = "202609";

const REPORTS: &str = "https://youtubeanalytics.googleapis.com/";

/// Who gives tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    Google,
    /// Pages, and Instagram accounts that hang on Pages.
    Facebook,
    /// Instagram Login, for professional accounts without a Page.
    Instagram,
    Tiktok,
    Linkedin,
    X,
}

/// Where an account is, as in `analytics.social_accounts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    Instagram,
    Facebook,
    Tiktok,
    Linkedin,
    X,
    Youtube,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    Insights,
    /// Insights as well: what is published is measured.
    Publishing,
}

impl Platform {
    pub const ALL: [Platform; 6] =
        [Platform::Instagram, Platform::Facebook, Platform::Tiktok, Platform::Linkedin, Platform::X, Platform::Youtube];

    pub fn name(self) -> &'static str {
        match self {
            Platform::Instagram => "instagram",
            Platform::Facebook => "facebook",
            Platform::Tiktok => "tiktok",
            Platform::Linkedin => "linkedin",
            Platform::X => "x",
            Platform::Youtube => "youtube",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Platform::ALL.into_iter().find(|platform| platform.name() == name)
    }
}

impl Purpose {
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Insights => "insights",
            Purpose::Publishing => "publishing",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Purpose::Insights, Purpose::Publishing].into_iter().find(|purpose| purpose.name() == name)
    }
}

impl Provider {
    pub const ALL: [Provider; 6] =
        [Provider::Google, Provider::Facebook, Provider::Instagram, Provider::Tiktok, Provider::Linkedin, Provider::X];

    pub fn name(self) -> &'static str {
        match self {
            Provider::Google => "google",
            Provider::Facebook => "facebook",
            Provider::Instagram => "instagram",
            Provider::Tiktok => "tiktok",
            Provider::Linkedin => "linkedin",
            Provider::X => "x",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Provider::ALL.into_iter().find(|provider| provider.name() == name)
    }

    /// Who is asked for an account there if nothing else is said. Instagram accounts come through Facebook as well.
    pub fn from_platform(platform: Platform) -> Self {
        match platform {
            Platform::Instagram => Provider::Instagram,
            Platform::Facebook => Provider::Facebook,
            Platform::Tiktok => Provider::Tiktok,
            Platform::Linkedin => Provider::Linkedin,
            Platform::X => Provider::X,
            Platform::Youtube => Provider::Google,
        }
    }

    /// Whether accounts of that platform can come from this provider.
    pub fn serves(self, platform: Platform) -> bool {
        self == Provider::from_platform(platform) || (self, platform) == (Provider::Facebook, Platform::Instagram)
    }

    /// The least that is enough. Asked for Pages, Facebook is asked for the Instagram accounts that hang on them too: without
    /// permissions of their own they are named, and cannot be read.
    pub fn scopes(self, platform: Platform, purpose: Purpose) -> &'static [&'static str] {
        use Purpose::{Insights, Publishing};
        match (self, purpose) {
            (Provider::Google, Insights) => &[
                "openid",
                "https://www.googleapis.com/auth/yt-analytics.readonly",
                "https://www.googleapis.com/auth/youtube.readonly",
            ],
            (Provider::Google, Publishing) => &[
                "openid",
                "https://www.googleapis.com/auth/yt-analytics.readonly",
                "https://www.googleapis.com/auth/youtube.readonly",
                "https://www.googleapis.com/auth/youtube.upload",
            ],
            (Provider::Facebook, Insights) if platform == Platform::Instagram => {
                &["instagram_basic", "instagram_manage_insights", "pages_show_list", "pages_read_engagement"]
            }
            (Provider::Facebook, Publishing) if platform == Platform::Instagram => &[
                "instagram_basic",
                "instagram_manage_insights",
                "pages_show_list",
                "pages_read_engagement",
                "instagram_content_publish",
            ],
            (Provider::Facebook, Insights) => &[
                "pages_show_list",
                "pages_read_engagement",
                "read_insights",
                "instagram_basic",
                "instagram_manage_insights",
            ],
            (Provider::Facebook, Publishing) => &[
                "pages_show_list",
                "pages_read_engagement",
                "read_insights",
                "pages_manage_posts",
                "pages_manage_engagement",
                "instagram_basic",
                "instagram_manage_insights",
                "instagram_content_publish",
            ],
            (Provider::Instagram, Insights) => &["instagram_business_basic", "instagram_business_manage_insights"],
            (Provider::Instagram, Publishing) => &[
                "instagram_business_basic",
                "instagram_business_manage_insights",
                "instagram_business_content_publish",
            ],
            (Provider::Tiktok, Insights) => &["user.info.basic", "user.info.profile", "user.info.stats", "video.list"],
            (Provider::Tiktok, Publishing) => {
                &["user.info.basic", "user.info.profile", "user.info.stats", "video.list", "video.publish"]
            }
            (Provider::Linkedin, Insights) => {
                &["openid", "profile", "r_organization_social", "rw_organization_admin", "r_organization_followers"]
            }
            (Provider::Linkedin, Publishing) => &[
                "openid",
                "profile",
                "r_organization_social",
                "rw_organization_admin",
                "r_organization_followers",
                "w_member_social",
                "w_organization_social",
            ],
            (Provider::X, Insights) => &["tweet.read", "users.read", "offline.access"],
            (Provider::X, Publishing) => &["tweet.read", "users.read", "offline.access", "tweet.write", "media.write"],
        }
    }

    pub(super) fn scope_separator(self) -> &'static str {
        match self {
            Provider::Facebook | Provider::Instagram | Provider::Tiktok => ",",
            Provider::Google | Provider::Linkedin | Provider::X => " ",
        }
    }

    /// Meta and LinkedIn have none for programs with a client secret.
    pub fn uses_pkce(self) -> bool {
        matches!(self, Provider::Google | Provider::Tiktok | Provider::X)
    }

    /// What `iss` must be where the provider sends it (RFC 9207); an `iss` from one that has none here is a mix-up.
    pub fn issuer(self) -> Option<&'static str> {
        match self {
            Provider::Google => Some("https://accounts.google.com"),
            Provider::Linkedin => Some("https://www.linkedin.com/oauth"),
            Provider::Facebook => Some("https://www.facebook.com"),
            Provider::Instagram | Provider::Tiktok | Provider::X => None,
        }
    }

    /// Meta refreshes with the access token itself.
    pub fn needs_refresh_token(self) -> bool {
        !matches!(self, Provider::Facebook | Provider::Instagram)
    }
}

/// Our registration with a provider.
#[derive(Clone, Debug)]
pub struct App {
    /// TikTok calls it client key.
    pub client_id: String,
    pub client_secret: SecretString,
    /// Exactly as registered there.
    pub redirect_uri: Url,
    /// Facebook Login for Business: its configuration's id.
    pub login_config: Option<String>,
}

/// Where a provider is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoints {
    pub authorize: Url,
    pub token: Url,
    /// None: there is no such call, or it belongs to the API.
    pub revoke: Option<Url>,
    /// Ends with "/"; paths are added to it.
    pub api: Url,
    /// Google's: YouTube's reports have an address of their own.
    pub reports: Option<Url>,
    /// LinkedIn's month, sent with each call of its API.
    pub version: String,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoints({})", self.token)
    }
}

/// (authorize, token, revoke, api), each as host and path.
fn addresses(provider: Provider) -> (String, String, Option<&'static str>, String) {
    match provider {
        Provider::Google => (
            "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
            "https://oauth2.googleapis.com/token".to_owned(),
            Some("https://oauth2.googleapis.com/revoke"),
            "https://www.googleapis.com/".to_owned(),
        ),
        Provider::Facebook => (
            format!("https://www.facebook.com/{GRAPH_VERSION}/dialog/oauth"),
            format!("https://graph.facebook.com/{GRAPH_VERSION}/oauth/access_token"),
            None,
            format!("https://graph.facebook.com/{GRAPH_VERSION}/"),
        ),
        Provider::Instagram => (
            "https://www.instagram.com/oauth/authorize".to_owned(),
            "https://api.instagram.com/oauth/access_token".to_owned(),
            None,
            "https://graph.instagram.com/".to_owned(),
        ),
        Provider::Tiktok => (
            "https://www.tiktok.com/v2/auth/authorize/".to_owned(),
            "https://open.tiktokapis.com/v2/oauth/token/".to_owned(),
            Some("https://open.tiktokapis.com/v2/oauth/revoke/"),
            "https://open.tiktokapis.com/v2/".to_owned(),
        ),
        Provider::Linkedin => (
            "https://www.linkedin.com/oauth/v2/authorization".to_owned(),
            "https://www.linkedin.com/oauth/v2/accessToken".to_owned(),
            Some("https://www.linkedin.com/oauth/v2/revoke"),
            "https://api.linkedin.com/".to_owned(),
        ),
        Provider::X => (
            "https://x.com/i/oauth2/authorize".to_owned(),
            "https://api.x.com/2/oauth2/token".to_owned(),
            Some("https://api.x.com/2/oauth2/revoke"),
            "https://api.x.com/2/".to_owned(),
        ),
    }
}

impl Endpoints {
    /// The real ones.
    pub fn of(provider: Provider) -> Self {
        Endpoints::mapped(provider, Url::parse).unwrap_or_else(|_| unreachable!("the addresses above are well-formed"))
    }

    /// The same paths on another server, below the provider's name: "https://graph.facebook.com/v25.0/me" becomes
    /// "{base}/facebook/v25.0/me".
    pub fn at(provider: Provider, base: &Url) -> Result<Self, url::ParseError> {
        let base = base.as_str().trim_end_matches('/');
        Endpoints::mapped(provider, |address| {
            let path = Url::parse(address)?.path().to_owned();
            Url::parse(&format!("{base}/{}{path}", provider.name()))
        })
    }

    fn mapped(
        provider: Provider,
        make: impl Fn(&str) -> Result<Url, url::ParseError>,
    ) -> Result<Self, url::ParseError> {
        let (authorize, token, revoke, api) = addresses(provider);
        Ok(Endpoints {
            authorize: make(&authorize)?,
            token: make(&token)?,
            revoke: revoke.map(&make).transpose()?,
            api: make(&api)?,
            reports: (provider == Provider::Google).then(|| make(REPORTS)).transpose()?,
            version: LINKEDIN_VERSION.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for provider in Provider::ALL {
            assert_eq!(Provider::from_name(provider.name()), Some(provider));
        }
        for platform in Platform::ALL {
            assert_eq!(Platform::from_name(platform.name()), Some(platform));
            assert!(Provider::from_platform(platform).serves(platform));
        }
        for purpose in [Purpose::Insights, Purpose::Publishing] {
            assert_eq!(Purpose::from_name(purpose.name()), Some(purpose));
        }
        assert_eq!(Provider::from_name("Google"), None);
        assert!(Provider::Facebook.serves(Platform::Instagram) && !Provider::X.serves(Platform::Instagram));
    }

    #[test]
    fn publishing_asks_for_more_than_insights_and_for_nothing_twice() {
        for platform in Platform::ALL {
            for provider in Provider::ALL.into_iter().filter(|provider| provider.serves(platform)) {
                let insights = provider.scopes(platform, Purpose::Insights);
                let publishing = provider.scopes(platform, Purpose::Publishing);
                assert!(insights.iter().all(|scope| publishing.contains(scope)), "{provider:?}");
                assert!(publishing.len() > insights.len(), "{provider:?}");
                let mut sorted = publishing.to_vec();
                sorted.sort_unstable();
                sorted.dedup();
                assert_eq!(sorted.len(), publishing.len(), "{provider:?}");
            }
        }
    }

    #[test]
    fn the_real_addresses_are_https_and_move_whole() {
        let base = Url::parse("http://127.0.0.1:9188/").expect("address");
        for provider in Provider::ALL {
            let real = Endpoints::of(provider);
            let moved = Endpoints::at(provider, &base).expect("addresses");
            for (real, moved) in
                [(&real.authorize, &moved.authorize), (&real.token, &moved.token), (&real.api, &moved.api)]
            {
                assert_eq!(real.scheme(), "https");
                assert_eq!(moved.as_str(), format!("http://127.0.0.1:9188/{}{}", provider.name(), real.path()));
            }
            assert_eq!(real.revoke.is_some(), moved.revoke.is_some());
            assert_eq!(
                (real.reports.is_some(), moved.reports.is_some()),
                (provider == Provider::Google, real.reports.is_some())
            );
        }
        assert!(Endpoints::of(Provider::Tiktok).token.path().ends_with('/'), "TikTok's paths end with a slash");
    }
}
