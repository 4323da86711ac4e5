use std::{fmt, sync::Arc, time::Duration};

use super::{
    SessionPolicy, SessionStore, Sessions, TokenIssuer, exchange_rule::ExchangeRule, recheck::Recheck,
    refresh_token::RefreshTokens, sessions::Settings, standing::LEEWAY,
};
use crate::{BoxError, ConfigError, MaybeReady, Peppers, Principal, base::time_limit::TimeLimit};

/// Sets up [`Sessions`].
///
/// ```
/// use tower_auth::{Clock, ConfigError, MemoryKeyStore, Peppers, session::{Sessions, TokenIssuer, signing::{SigningKeys, SigningPolicy}}};
///
/// fn sessions(store: MemoryKeyStore, peppers: &Peppers) -> Result<Sessions, ConfigError> {
///     let keys = SigningKeys::in_memory(SigningPolicy::default(), Clock::system())?;
///     Sessions::builder(TokenIssuer::new("https://api.example.com", keys)?, store, peppers).build()
/// }
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct SessionsBuilder {
    issuer: TokenIssuer,
    store: Arc<dyn SessionStore>,
    tokens: RefreshTokens,
    policy: SessionPolicy,
    timeout: Duration,
    rules: Vec<ExchangeRule>,
    recheck: Option<Recheck>,
}

/// As long as a guard waits.
const TIMEOUT: Duration = Duration::from_secs(5);

impl SessionsBuilder {
    /// Sets how long tokens and sessions live.
    pub fn policy(self, policy: SessionPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Accepts tokens of another issuer in exchange for tokens of this one ([`Sessions::exchange_token`]). The rules
    /// are asked in their order, and the first that accepts a token decides what it gets.
    pub fn exchange(mut self, rule: ExchangeRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Asks this function at every refresh of a session without a key, who its holder is by now: a person may have lost
    /// a role or an account since the sign-in. `None` ends the session. Without this function, a session keeps what its
    /// holder had at the sign-in until it ends, unless the account is suspended. Scopes that the session did not have
    /// are left out, and the subject stays.
    ///
    /// ```
    /// use tower_auth::{BoxError, MaybeReady, Principal, session::SessionsBuilder};
    ///
    /// # fn users_find(_: &str) -> Option<Vec<String>> { None }
    /// fn with_current_roles(sessions: SessionsBuilder) -> SessionsBuilder {
    ///     sessions.recheck(|holder: &Principal| {
    ///         let roles = users_find(holder.subject()); // from the table of users
    ///         MaybeReady::ready(Ok(roles.map(|roles| holder.to_builder().roles(roles).build())))
    ///     })
    /// }
    /// ```
    pub fn recheck(
        self,
        asked: impl Fn(&Principal) -> MaybeReady<Result<Option<Principal>, BoxError>> + Send + Sync + 'static,
    ) -> Self {
        Self { recheck: Some(Recheck::new(asked)), ..self }
    }

    /// Sets how long a call waits for the store: five seconds by default.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Builds the sessions.
    ///
    /// # Errors
    /// If the policy contradicts itself, or a signing key is not published as long as a token lives.
    pub fn build(self) -> Result<Sessions, ConfigError> {
        self.policy.check()?;
        self.issuer.keys().check_lifetime(self.policy.access)?;
        self.rules.iter().try_for_each(|rule| rule.check(self.issuer.issuer()))?;
        let limit = TimeLimit::new(self.issuer.time().clone(), self.timeout);
        // Of a token that a guard with the most leeway accepts, it can still be said that it is revoked.
        let own = self.issuer.verifier().leeway(LEEWAY).build()?;
        let Self { issuer, store, tokens, policy, rules, recheck, .. } = self;
        Ok(Sessions(Arc::new(Settings { issuer, store, tokens, policy, limit, rules, recheck, own })))
    }
}

impl Sessions {
    /// Returns a builder. The sessions are kept in this store, and the peppers make the refresh tokens: those of the
    /// keys, or others.
    pub fn builder(issuer: TokenIssuer, store: impl SessionStore, peppers: &Peppers) -> SessionsBuilder {
        SessionsBuilder {
            store: Arc::new(store),
            tokens: RefreshTokens::new(peppers, issuer.issuer()),
            issuer,
            policy: SessionPolicy::default(),
            timeout: TIMEOUT,
            rules: Vec::new(),
            recheck: None,
        }
    }
}

impl fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder").field("policy", &self.policy).finish_non_exhaustive()
    }
}
