//! The tokens that a server issues itself.

use std::time::{Duration, SystemTime};

use tower_auth::{
    BoxError, Clock,
    endpoints::SessionCookies,
    session::{
        ExchangeRule, Grant, Sessions, SessionsBuilder, TokenIssuer,
        signing::{SigningKeys, SigningPolicy},
    },
};

use super::{database::Database, keys::Keys};

impl Keys {
    /// Opens the sessions of this issuer. With a database, sessions and signing keys are kept in it. The tokens of another issuer are
    /// exchanged by the rule.
    pub(crate) async fn sessions(&self, issuer: &str, rule: Option<ExchangeRule>) -> Result<Sessions, BoxError> {
        let (policy, clock) = (SigningPolicy::default(), Clock::system());
        let keys = match &self.database {
            Database::Memory(_) => SigningKeys::in_memory(policy, clock)?,
            Database::Sqlite(store) => SigningKeys::open(store.clone(), &self.peppers, policy, clock).await?,
            Database::Postgres(store) => SigningKeys::open(store.clone(), &self.peppers, policy, clock).await?,
        };
        let issuer = TokenIssuer::new(issuer, keys)?;
        let sessions = Sessions::builder(issuer, self.front.sessions(), &self.peppers);
        let sessions = rule.into_iter().fold(sessions, SessionsBuilder::exchange);
        Ok(sessions.build()?)
    }
}

/// Returns the cookies of browsers: those of HTTPS, or of plain HTTP on this machine.
pub(crate) fn cookies(address: &str) -> SessionCookies {
    if address.starts_with("https://") { SessionCookies::new() } else { SessionCookies::loopback() }
}

/// Issues a token for the demo, and one that has expired.
pub(crate) fn demo_tokens(sessions: &Sessions, holder: &Grant) -> Result<[String; 2], BoxError> {
    let lifetime = sessions.policy().access;
    let then = Clock::from_fn(move || SystemTime::now() - 2 * lifetime - Duration::from_secs(1));
    let token = sessions.issuer().issue(holder, lifetime)?;
    let expired = sessions.issuer().clone().clock(then).issue(holder, lifetime)?;
    Ok([token.expose().to_owned(), expired.expose().to_owned()])
}
