use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    ConfigError,
    key::{KeyDigest, Tags, random},
};

/// Nonces that clients must put into their proofs (RFC 9449, section 9). With them, the clock of the server decides how old
/// a proof is, so a client with a wrong clock works, and a thief cannot make proofs in advance.
///
/// A nonce is a time and a MAC, so nothing is stored, and several processes with the same key accept each other's nonces.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Dpop, dpop::Nonces};
///
/// // For one process. Several processes need the same key: Nonces::new(key)?
/// let dpop = Dpop::new("https://api.example.com").nonces(Nonces::ephemeral()?.lifetime(Duration::from_secs(300)));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Nonces {
    /// The first makes nonces; all check them.
    tags: Arc<[Tags]>,
    lifetime: Duration,
}

const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(3600);
/// The length of a nonce: a time of 8 bytes and a MAC of 32, in base64url.
const LONGEST_TEXT: usize = 54;

/// A nonce that is accepted.
pub(super) struct Known {
    /// The time from which it is not accepted.
    pub(super) until: SystemTime,
    /// Whether the client should use a newer one.
    pub(super) is_old: bool,
}

impl Nonces {
    /// Creates nonces under this key: 32 bytes from a random source, the same for all processes of the service.
    ///
    /// ```
    /// use tower_auth::dpop::Nonces;
    ///
    /// assert!(Nonces::new([7; 32]).is_ok());
    /// assert!(Nonces::new([0; 32]).is_err());
    /// ```
    ///
    /// # Errors
    /// If all bytes are zero: such a key does not come from a random source.
    pub fn new(key: [u8; 32]) -> Result<Self, ConfigError> {
        Self { tags: Arc::new([]), lifetime: Duration::from_secs(120) }.accept(key)
    }

    /// Creates nonces under a key that only this process knows. After a restart, clients get a new nonce at their next
    /// request.
    ///
    /// ```
    /// use tower_auth::dpop::Nonces;
    ///
    /// let nonces = Nonces::ephemeral()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the operating system provides no random bytes.
    pub fn ephemeral() -> Result<Self, ConfigError> {
        Self::new(*random()?)
    }

    /// Also accepts nonces under this older key. To change the key without a refused request, first let all processes accept
    /// the new key, then make it the first one.
    ///
    /// ```
    /// use tower_auth::dpop::Nonces;
    ///
    /// let (new, old) = ([7; 32], [8; 32]);
    /// let nonces = Nonces::new(new)?.accept(old)?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If all bytes are zero.
    pub fn accept(self, key: [u8; 32]) -> Result<Self, ConfigError> {
        let key = Zeroizing::new(key);
        if *key == [0; 32] {
            return Err(ConfigError::new(
                "the key of the DPoP nonces is all zeros",
                "use 32 bytes from a random source, or Nonces::ephemeral()",
            ));
        }
        Ok(Self { tags: self.tags.iter().cloned().chain([Tags::new(&key)]).collect(), ..self })
    }

    /// Sets how long a nonce is accepted at most; it is accepted for at least half of that. The default is two minutes, the
    /// minimum two seconds, and the maximum one hour. A proof is remembered for as long as its nonce is accepted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::dpop::Nonces;
    ///
    /// let nonces = Nonces::ephemeral()?.lifetime(Duration::from_secs(30));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    pub(super) fn check_config(&self) -> Result<(), ConfigError> {
        if (SHORTEST..=LONGEST).contains(&self.lifetime) {
            return Ok(());
        }
        Err(ConfigError::new(
            format!("the lifetime of the DPoP nonces is {:?}", self.lifetime),
            "use two seconds to one hour, such as Duration::from_secs(120)",
        ))
    }

    /// Returns the nonce of this time.
    pub(super) fn at(&self, now: SystemTime) -> String {
        let step = self.step(now);
        let tag = self.tags.first().map(|tags| tag(tags, step));
        let mut bytes = step.to_be_bytes().to_vec();
        bytes.extend(tag.iter().flat_map(KeyDigest::as_bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks a nonce that a client has sent.
    pub(super) fn check(&self, nonce: &str, now: SystemTime) -> Option<Known> {
        if nonce.len() > LONGEST_TEXT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (time, mac) = bytes.split_first_chunk()?;
        let (step, now) = (u64::from_be_bytes(*time), self.step(now));
        // The clock of another process may be a little ahead.
        if step > now.saturating_add(1) || step.saturating_add(1) < now {
            return None;
        }
        let mac = KeyDigest::from_bytes(mac.try_into().ok()?);
        if !self.tags.iter().any(|tags| tag(tags, step) == mac) {
            return None;
        }
        let until = Duration::from_millis(step.checked_add(2)?.checked_mul(self.period())?);
        Some(Known { until: SystemTime::UNIX_EPOCH.checked_add(until)?, is_old: step < now })
    }

    /// Returns for how many milliseconds the nonce stays the same. It is accepted in the next period too.
    fn period(&self) -> u64 {
        u64::try_from(self.lifetime.as_millis() / 2).unwrap_or(u64::MAX).max(1)
    }

    /// Returns the number of the period in which a time is.
    fn step(&self, now: SystemTime) -> u64 {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX) / self.period()
    }
}

fn tag(tags: &Tags, step: u64) -> KeyDigest {
    tags.of(&[&b"dpop-nonce"[..], &step.to_be_bytes()].concat())
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces")
            .field("keys", &self.tags.len())
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
