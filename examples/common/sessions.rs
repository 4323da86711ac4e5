//! The tokens that a server issues itself.

use std::time::{Duration, SystemTime};

use tower_auth::{
    BearerLayer, BoxError, Clock, ConfigError,
    session::{
        Grant, Sessions, TokenIssuer,
        signing::{SigningKeys, SigningPolicy},
    },
};

use super::{database::Database, keys::Keys};

impl Keys {
    /// Opens the sessions of this issuer. With a database, sessions and signing keys are kept in it.
    pub(crate) async fn sessions(&self, issuer: &str) -> Result<Sessions, BoxError> {
        let (policy, clock) = (SigningPolicy::default(), Clock::system());
        let keys = match &self.database {
            Database::Memory(_) => SigningKeys::in_memory(policy, clock)?,
            Database::Sqlite(store) => SigningKeys::open(store.clone(), &self.peppers, policy, clock).await?,
            Database::Postgres(store) => SigningKeys::open(store.clone(), &self.peppers, policy, clock).await?,
        };
        let issuer = TokenIssuer::new(issuer, keys)?;
        Ok(Sessions::builder(issuer, self.database.sessions(), &self.peppers).build()?)
    }
}

/// Returns the layer for the server's own tokens: every use asks whether the token was revoked, or its key.
pub(crate) fn own_tokens(sessions: &Sessions) -> Result<BearerLayer, ConfigError> {
    // A cached token needs no signature check, so that guesses from the same address do not block it.
    let tokens = sessions.issuer().verifier().cache(10_000).build()?;
    Ok(BearerLayer::new(tokens).revocation(sessions.clone()))
}

/// Issues a token for the demo, and one that has expired.
pub(crate) fn demo_tokens(sessions: &Sessions, holder: &Grant) -> Result<[String; 2], BoxError> {
    let lifetime = sessions.policy().access;
    let then = Clock::from_fn(move || SystemTime::now() - 2 * lifetime - Duration::from_secs(1));
    let token = sessions.issuer().issue(holder, lifetime)?;
    let expired = sessions.issuer().clone().clock(then).issue(holder, lifetime)?;
    Ok([token.expose().to_owned(), expired.expose().to_owned()])
}
