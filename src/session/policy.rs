use std::time::Duration;

use crate::ConfigError;

/// How long tokens and sessions live.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::session::SessionPolicy;
///
/// let mut policy = SessionPolicy::default();
/// policy.access = Duration::from_secs(5 * 60);
/// policy.idle = Duration::from_secs(24 * 3600);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPolicy {
    /// How long an access token is valid: 15 minutes by default, at most one day. A token of a key never outlives the
    /// key.
    pub access: Duration,
    /// After how long without a refresh a session ends: 14 days by default (RFC 9700, section 4.14.2).
    pub idle: Duration,
    /// After how long a session ends, however often it is refreshed: 90 days by default, at most ten years.
    pub absolute: Duration,
    /// How long after its replacement a refresh token may be presented again, and gets the same successor: 30 seconds
    /// by default, at most ten minutes. Zero allows no retry: a client that loses one answer loses its session. A thief
    /// whose refreshes always come so soon after the owner's is not noticed.
    pub grace: Duration,
    /// Whether the exchange of an API key also gives a refresh token: `true` by default. A client that keeps its key
    /// needs none.
    pub refresh_for_keys: bool,
    /// Whether keys with [`Restrictions`](crate::Restrictions) of networks or websites may be exchanged: `false` by
    /// default, because no restriction binds the tokens. A key that expires when it is unused may be exchanged: its
    /// tokens end with it, and a refresh is no use of the key.
    pub exchange_restricted_keys: bool,
}

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            access: Duration::from_secs(15 * 60),
            idle: DAY * 14,
            absolute: DAY * 90,
            grace: Duration::from_secs(30),
            refresh_for_keys: true,
            exchange_restricted_keys: false,
        }
    }
}

impl SessionPolicy {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let second = Duration::from_secs(1);
        for (name, value, least, most) in [
            ("access", self.access, second, DAY),
            ("idle", self.idle, second, DAY * 3660),
            ("absolute", self.absolute, second, DAY * 3660),
            ("grace", self.grace, Duration::ZERO, second * 600),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::new(
                    format!("SessionPolicy::{name} is {value:?}, and must be from {least:?} to {most:?}"),
                    "set it to a value between, or leave the default",
                ));
            }
        }
        if self.grace >= self.idle {
            return Err(ConfigError::new(
                format!("SessionPolicy::grace is {:?}, and idle is {:?}", self.grace, self.idle),
                "set idle to more than the grace, so that a session outlives a retry",
            ));
        }
        Ok(())
    }
}
