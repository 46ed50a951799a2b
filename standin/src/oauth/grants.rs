//! Codes and tokens: who has granted what, until when, and what has become of it.

use std::collections::HashMap;

use super::Provider;

#[derive(Clone, Debug)]
pub struct Code {
    pub provider: Provider,
    pub user: String,
    pub scopes: Vec<String>,
    pub redirect_uri: String,
    /// (challenge, method)
    pub challenge: Option<(String, String)>,
    pub expires_at: i64,
    /// The grant it was turned into.
    pub family: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of an hour, as Meta gives for a code.
    Short,
    Access,
    Refresh,
    /// Of a Page
    Page,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Short => "short",
            Kind::Access => "access",
            Kind::Refresh => "refresh",
            Kind::Page => "page",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Token {
    pub provider: Provider,
    pub kind: Kind,
    pub user: String,
    pub scopes: Vec<String>,
    pub issued_at: i64,
    /// None: never
    pub expires_at: Option<i64>,
    /// All tokens that come from one consent.
    pub family: u64,
    /// A refresh token that was used, where that ends it.
    pub spent: bool,
}

#[derive(Default)]
pub struct Grants {
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Token>,
    /// Families that are over, and why.
    ended: HashMap<u64, &'static str>,
    /// When each family began.
    consents: HashMap<u64, i64>,
    counter: u64,
}

/// Why a token or code is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unknown,
    Expired,
    /// A refresh token or code that was used before.
    Spent,
    /// Another redirect address than the code was asked for with.
    Redirect,
    Verifier,
    Revoked,
    AppRemoved,
}

impl Grants {
    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub fn add_code(&mut self, code: Code) -> String {
        let text = format!("{}.standin.code.{:08}", code.provider.name(), self.next());
        self.codes.insert(text.clone(), code);
        text
    }

    /// Spends a code. One that comes again ends what it was turned into.
    pub fn take_code(
        &mut self,
        provider: Provider,
        text: &str,
        now: i64,
        redirect_uri: &str,
        is_proof: impl FnOnce(&str, &str) -> bool,
    ) -> Result<(Code, u64), Refusal> {
        let family = self.next();
        let code = self.codes.get_mut(text).filter(|code| code.provider == provider).ok_or(Refusal::Unknown)?;
        if let Some(family) = code.family {
            self.ended.insert(family, "revoked");
            return Err(Refusal::Spent);
        }
        if code.expires_at <= now {
            return Err(Refusal::Expired);
        }
        if code.redirect_uri != redirect_uri {
            return Err(Refusal::Redirect);
        }
        if let Some((challenge, method)) = &code.challenge
            && !is_proof(challenge, method)
        {
            return Err(Refusal::Verifier);
        }
        code.family = Some(family);
        self.consents.insert(family, now);
        Ok((code.clone(), family))
    }

    /// The family of a consent that no code stands for.
    pub fn consented(&mut self, at: i64) -> u64 {
        let family = self.next();
        self.consents.insert(family, at);
        family
    }

    /// A token that looks like nobody's real one.
    pub fn add(&mut self, token: Token) -> String {
        let prefix = match (token.provider, token.kind) {
            (Provider::Google, Kind::Refresh) => "1//",
            (Provider::Google, _) => "ya29.",
            (Provider::Facebook, _) => "EAA",
            (Provider::Instagram, _) => "IGAA",
            (Provider::Tiktok, Kind::Refresh) => "rft.",
            (Provider::Tiktok, _) => "act.",
            (Provider::Linkedin, _) => "AQ",
            (Provider::X, _) => "x.",
        };
        let text = format!("{prefix}standin.{}.{:08}", token.kind.name(), self.next());
        self.tokens.insert(text.clone(), token);
        text
    }

    /// A token that is good now.
    pub fn look(&self, provider: Provider, text: &str, kinds: &[Kind], now: i64) -> Result<&Token, Refusal> {
        let token = self.tokens.get(text).filter(|token| token.provider == provider && kinds.contains(&token.kind));
        let token = token.ok_or(Refusal::Unknown)?;
        match self.ended.get(&token.family) {
            Some(&"app_removed") => return Err(Refusal::AppRemoved),
            Some(_) => return Err(Refusal::Revoked),
            None => {}
        }
        if token.spent {
            return Err(Refusal::Spent);
        }
        if token.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(Refusal::Expired);
        }
        Ok(token)
    }

    /// The family of a token, whatever became of it.
    pub fn family(&self, text: &str) -> Option<u64> {
        self.tokens.get(text).map(|token| token.family)
    }

    pub fn spend(&mut self, text: &str) {
        if let Some(token) = self.tokens.get_mut(text) {
            token.spent = true;
        }
    }

    pub fn end(&mut self, family: u64) {
        self.ended.insert(family, "revoked");
    }

    pub fn end_of_user(&mut self, provider: Provider, user: &str, why: &'static str) {
        let theirs = self.tokens.values().filter(|token| token.provider == provider && token.user == user);
        let families: Vec<u64> = theirs.map(|token| token.family).collect();
        self.ended.extend(families.into_iter().map(|family| (family, why)));
    }

    pub fn consent(&self, family: u64) -> Option<i64> {
        self.consents.get(&family).copied()
    }

    pub fn live(&self, provider: Provider, now: i64) -> usize {
        let kinds = [Kind::Access];
        self.tokens.keys().filter(|text| self.look(provider, text, &kinds, now).is_ok()).count()
    }
}
