use std::time::Duration;

use crate::{
    ConfigError,
    token::{Algorithm, SigningKey},
};

/// When [`SigningKeys`](super::SigningKeys) change their key.
///
/// All processes of a service use the same policy.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{session::signing::SigningPolicy, token::Algorithm};
///
/// let week = Duration::from_secs(7 * 24 * 3600);
/// let policy = SigningPolicy::new().algorithm(Algorithm::Ed25519).period(week);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until it is given to SigningKeys"]
pub struct SigningPolicy {
    pub(super) algorithm: Algorithm,
    pub(super) period: Duration,
    pub(super) ahead: Duration,
    pub(super) keep: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Another process publishes a key up to a minute after it was made, and a verifier may keep what it has read just before for five
/// minutes. The rest is for clocks that differ.
const LEAST_AHEAD: Duration = MINUTE.saturating_mul(10);
/// How much longer a key is published than its last token lives: for a process that is late, and clocks that differ.
const MARGIN: Duration = MINUTE.saturating_mul(5);
const LEAST_KEEP: Duration = MINUTE.saturating_mul(6);
const MOST_PERIOD: Duration = DAY.saturating_mul(3_660);
/// The number of keys that a policy may keep at the same time. A verifier of this crate reads at most 64.
const MOST_KEYS: u32 = 16;

impl SigningPolicy {
    /// Creates the default: a key of ES256 signs for 30 days, is published one day before it signs, and stays published for two days
    /// after the next key has begun to sign.
    pub const fn new() -> Self {
        Self { algorithm: Algorithm::Es256, period: DAY.saturating_mul(30), ahead: DAY, keep: DAY.saturating_mul(2) }
    }

    /// Sets the algorithm of new keys: ES256 by default, ES384, Ed25519 or RS256. Keys that exist already keep theirs, so a change
    /// takes effect with the next key.
    pub const fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets how long a key signs before the next one does; 30 days by default.
    pub const fn period(mut self, time: Duration) -> Self {
        self.period = time;
        self
    }

    /// Sets how long a key is published before it signs; one day by default, and ten minutes at least. Verifiers that keep the key set for less time know the
    /// key before they see a token of it.
    pub const fn publish_ahead(mut self, time: Duration) -> Self {
        self.ahead = time;
        self
    }

    /// Sets how long a key stays published after the next key has begun to sign; two days by default. It must be five
    /// minutes longer than the longest lifetime of a token.
    pub const fn keep(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        SigningKey::check_algorithm(self.algorithm)?;
        if self.ahead < LEAST_AHEAD {
            return Err(wrong(
                "a key is published for less than ten minutes before it signs",
                "publish_ahead: such as a day",
            ));
        }
        if self.period <= self.ahead || self.period > MOST_PERIOD {
            return Err(wrong(
                "the period is not longer than the time for which a key is published before, or is longer than ten years",
                "period: such as 30 days",
            ));
        }
        if self.keep < LEAST_KEEP || self.keep > MOST_PERIOD {
            return Err(wrong(
                "an old key stays published for less than six minutes, or for more than ten years",
                "keep: five minutes longer than the longest lifetime of a token, such as two days",
            ));
        }
        if self.ahead.saturating_add(self.keep) > self.period.saturating_mul(MOST_KEYS - 2) {
            return Err(wrong(
                &format!("more than {MOST_KEYS} keys would be published at the same time"),
                "use a longer period, or a shorter time to keep old keys",
            ));
        }
        Ok(())
    }

    /// Rejects tokens that may live longer than the key that signed them is published.
    pub(super) fn check_lifetime(&self, lifetime: Duration) -> Result<(), ConfigError> {
        if lifetime.saturating_add(MARGIN) <= self.keep {
            return Ok(());
        }
        Err(ConfigError::new(
            format!(
                "tokens are valid for {lifetime:?}, and a key that no longer signs is published for {:?}, which is less than \
                 {MARGIN:?} longer, so that the last tokens of each key could not be verified until they expire",
                self.keep
            ),
            "use a shorter lifetime, or a longer SigningPolicy::keep",
        ))
    }
}

fn wrong(what: &str, help: &'static str) -> ConfigError {
    ConfigError::new(format!("the policy of signing keys cannot be used: {what}"), help)
}

impl Default for SigningPolicy {
    fn default() -> Self {
        Self::new()
    }
}
