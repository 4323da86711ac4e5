//! What the settings of a verifier ask of a token beside its issuer, its signature and its times.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    checks::Check,
    claim_source::Name,
    claims::{Claims, Date},
    error::TokenError,
    raw::Raw,
};

/// For whom a token must be, what its claims must say, and how long it may live.
#[derive(Clone, Debug, Default)]
pub(super) struct Demands {
    pub(super) client: Option<Client>,
    /// Whether `aud` is not looked at.
    pub(super) any_audience: bool,
    /// Whether the client decides only about tokens without `aud`.
    pub(super) audience_or_client: bool,
    pub(super) checks: Vec<Check>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) max_age: Option<Duration>,
    pub(super) issued_after: Option<SystemTime>,
}

/// The clients whose tokens are accepted, and the claim that names them.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) name: Name,
    pub(super) ids: Vec<String>,
}

pub(super) const NO_IAT: &str = "iat is missing, and a limit on the age or the lifetime of tokens needs it";
pub(super) const LONG_LIFE: &str = "exp is later than TokenVerifierBuilder::max_lifetime allows";
pub(super) const FUTURE: &str = "iat is in the future, and a limit on the age or the lifetime of tokens needs it";

/// How far the clock of an issuer may be ahead where `iat` limits a token. A token that is issued later than now would
/// escape the limit.
const AHEAD: Duration = Duration::from_secs(60);

impl Demands {
    /// Checks for whom the token is. A client stands in for an audience only if the token has no audience: a token that
    /// names other audiences is for others (RFC 7519, section 4.1.3).
    pub(super) fn check_recipient(&self, ours: &[String], raw: &Raw<'_>) -> Result<(), TokenError> {
        let has_audience = !raw.audience.is_empty();
        let accepted = if self.any_audience {
            true
        } else if has_audience {
            raw.audience.iter().any(|named| ours.iter().any(|ours| ours == named))
        } else {
            self.client.is_some() && (ours.is_empty() || self.audience_or_client)
        };
        if !accepted {
            return Err(TokenError::WrongAudience);
        }
        match &self.client {
            Some(client) if !(self.audience_or_client && has_audience) => {
                let named = raw.named_client.as_deref();
                let known = named.is_some_and(|named| client.ids.iter().any(|id| id == named));
                if known { Ok(()) } else { Err(TokenError::WrongClient) }
            }
            _ => Ok(()),
        }
    }

    /// Checks the claims with required and with forbidden values.
    pub(super) fn check_values(&self, raw: &Raw<'_>) -> Result<(), TokenError> {
        match self.refused(raw) {
            None => Ok(()),
            Some((_, check)) => Err(TokenError::WrongClaim(Arc::clone(&check.claim))),
        }
    }

    /// Returns the first check that the token does not pass, and its number.
    pub(super) fn refused(&self, raw: &Raw<'_>) -> Option<(usize, &Check)> {
        self.checks.iter().enumerate().find(|(place, check)| !check.admits(raw.found(*place)))
    }

    /// Checks the dates that no later time changes.
    pub(super) fn check_dates(&self, raw: &Raw<'_>, expires_at: SystemTime) -> Result<(), TokenError> {
        if !self.limits_dates() && self.issued_after.is_none() {
            return Ok(());
        }
        let issued_at = raw.issued.map(Date::time).ok_or(TokenError::BadClaim(NO_IAT))?;
        if self.issued_after.is_some_and(|floor| issued_at < floor) {
            return Err(TokenError::TooOld);
        }
        let lifetime = expires_at.duration_since(issued_at).unwrap_or_default();
        if self.max_lifetime.is_some_and(|most| lifetime > most) {
            return Err(TokenError::BadClaim(LONG_LIFE));
        }
        Ok(())
    }

    /// Checks how long ago the token was issued.
    pub(super) fn check_age(&self, claims: &Claims, now: SystemTime, leeway: Duration) -> Result<(), TokenError> {
        if !self.limits_dates() {
            return Ok(());
        }
        let issued_at = claims.issued_at.ok_or(TokenError::BadClaim(NO_IAT))?;
        match now.duration_since(issued_at) {
            // A token is too old at the end of its age, as it is expired at `exp`.
            Ok(age) if self.max_age.is_some_and(|most| age >= most.saturating_add(leeway)) => Err(TokenError::TooOld),
            Err(ahead) if ahead.duration() > AHEAD => Err(TokenError::BadClaim(FUTURE)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    const fn limits_dates(&self) -> bool {
        self.max_age.is_some() || self.max_lifetime.is_some()
    }
}
