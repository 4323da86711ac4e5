use serde_json::{Map, Value};

use super::pattern::Pattern;
use crate::{ConfigError, Principal, PrincipalBuilder, token::TokenVerifier};

/// Which tokens of another issuer are accepted in exchange for tokens of this one, and what these may do (RFC 8693):
/// for workloads that have an identity already, such as a job of GitHub Actions or a pod of Kubernetes, and need no
/// key.
///
/// A rule accepts a token that its verifier accepts, and whose claims match all of its patterns.
///
/// ```
/// use tower_auth::{ConfigError, session::ExchangeRule, token::TokenVerifier};
///
/// /// The deployment jobs of one repository.
/// fn deployments(github: TokenVerifier) -> ExchangeRule {
///     ExchangeRule::new(github)
///         .claim("repository", "acme/shop")
///         .claim("ref", "refs/heads/main")
///         .subject_prefix("github:") // the subject is `github:repo:acme/shop:ref:refs/heads/main`
///         .account("acme")
///         .scopes(["deploy"])
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until `SessionsBuilder::exchange`"]
pub struct ExchangeRule {
    pub(super) tokens: TokenVerifier,
    claims: Vec<(String, Pattern)>,
    every_token: bool,
    prefix: Option<String>,
    holder: Principal,
    pub(super) refresh: bool,
    pub(super) acts: bool,
}

impl ExchangeRule {
    /// Accepts tokens that this verifier accepts. It needs at least one [`claim`](Self::claim).
    pub fn new(tokens: TokenVerifier) -> Self {
        let holder = Principal::builder("").build();
        Self { tokens, claims: Vec::new(), every_token: false, prefix: None, holder, refresh: false, acts: false }
    }

    /// Accepts only tokens whose claim matches this pattern: the name of a claim, or a JSON Pointer (RFC 6901) to a
    /// claim inside another. In a pattern, `*` stands for any characters but `/` and `:`, and `**` for any characters.
    /// Of a list, one element must match. Numbers and booleans are compared as JSON writes them.
    pub fn claim(mut self, name: impl Into<String>, pattern: impl Into<String>) -> Self {
        self.claims.push((name.into(), Pattern::new(pattern.into())));
        self
    }

    /// Accepts every token that the verifier accepts, without a pattern. An issuer such as GitHub Actions issues tokens
    /// to everyone in the world.
    pub fn every_token(self) -> Self {
        Self { every_token: true, ..self }
    }

    /// Sets what the subject begins with, before the subject of the presented token. The default is the issuer of that
    /// token and `|`: a subject is unique only within its issuer.
    pub fn subject_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..self }
    }

    /// Sets the scopes: what the tokens may do, at most.
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.holder(|holder| holder.scopes(scopes))
    }

    /// Sets the account.
    pub fn account(self, account: impl Into<String>) -> Self {
        self.holder(|holder| holder.account(account))
    }

    /// Sets the organisations.
    pub fn organizations<S: Into<String>>(self, organizations: impl IntoIterator<Item = S>) -> Self {
        self.holder(|holder| holder.organizations(organizations))
    }

    /// Sets the roles.
    pub fn roles<S: Into<String>>(self, roles: impl IntoIterator<Item = S>) -> Self {
        self.holder(|holder| holder.roles(roles))
    }

    /// Sets the plan.
    pub fn plan(self, plan: impl Into<String>) -> Self {
        self.holder(|holder| holder.plan(plan))
    }

    /// Gives a refresh token too. By default there is none: a workload exchanges its next token.
    pub fn refreshable(self) -> Self {
        Self { refresh: true, ..self }
    }

    /// Accepts the tokens as those of an actor (`actor_token`), who acts for the subject of another token. By default
    /// no token is.
    pub fn may_act(self) -> Self {
        Self { acts: true, ..self }
    }

    fn holder(self, change: impl FnOnce(PrincipalBuilder) -> PrincipalBuilder) -> Self {
        Self { holder: change(self.holder.edit()).build(), ..self }
    }

    /// Checks that the rule means what it says.
    pub(super) fn check(&self, own_issuer: &str) -> Result<(), ConfigError> {
        if self.tokens.issuers().any(|issuer| issuer == own_issuer) {
            return Err(ConfigError::new(
                format!("an ExchangeRule accepts tokens of {own_issuer:?}, which is this issuer itself"),
                "leave the rule out: a token that is exchanged for another one would never end",
            ));
        }
        if self.claims.is_empty() && !self.every_token {
            return Err(ConfigError::new(
                format!("an ExchangeRule would accept every token of {:?}", self.tokens.issuer()),
                "add the claims that the tokens must have, such as the repository, or call every_token",
            ));
        }
        Ok(())
    }

    /// Returns the holder of the new tokens, unless a claim does not match.
    pub(super) fn accept(&self, presented: &Principal, claims: &Map<String, Value>) -> Result<Principal, String> {
        for (name, pattern) in &self.claims {
            let value = if name.starts_with('/') { pointed(claims, name) } else { claims.get(name) };
            if !value.is_some_and(|value| pattern.matches_value(value)) {
                return Err(format!("its claim {name:?} does not match"));
            }
        }
        // A verifier may have several issuers, or a template of them.
        let issuer = presented.issuer().unwrap_or(self.tokens.issuer());
        let prefix = self.prefix.clone().unwrap_or_else(|| format!("{issuer}|"));
        Ok(self.holder.clone().edit().subject(prefix + presented.subject()).build())
    }
}

fn pointed<'a>(claims: &'a Map<String, Value>, pointer: &str) -> Option<&'a Value> {
    let (first, rest) = pointer[1..].split_once('/').map_or((&pointer[1..], None), |(first, rest)| (first, Some(rest)));
    let value = claims.get(&first.replace("~1", "/").replace("~0", "~"))?;
    rest.map_or(Some(value), |rest| value.pointer(&format!("/{rest}")))
}
