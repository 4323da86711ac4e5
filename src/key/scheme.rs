use super::{digest::KeyDigests, format::KeyFormat, mint, pepper::Peppers};
use crate::{ConfigError, Secret};

/// The format of keys, and the peppers of their digests.
///
/// Pass the same scheme to the layer *and* to the code that creates keys.
///
/// ```
/// use tower_auth::{KeyFormat, KeyScheme, Peppers};
///
/// let ours = KeyScheme::new(KeyFormat::prefixed("ak", 40)?, Peppers::ephemeral()?);
/// let a_table_of_hashes = KeyScheme::sha256(KeyFormat::opaque(20));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyScheme {
    format: KeyFormat,
    peppers: Option<Peppers>,
}

impl KeyScheme {
    /// Creates a scheme for keys of this format, stored as `HMAC-SHA-256(pepper, SHA-256(key))`.
    #[must_use]
    pub const fn new(format: KeyFormat, peppers: Peppers) -> Self {
        Self { format, peppers: Some(peppers) }
    }

    /// Creates a scheme for keys of this format, stored as plain SHA-256: for a table that holds such digests already.
    #[must_use]
    pub const fn sha256(format: KeyFormat) -> Self {
        Self { format, peppers: None }
    }

    /// Creates a scheme with a random pepper that only this process knows: for tests and demos.
    ///
    /// If the operating system provides no random bytes, the scheme has no pepper. A scheme without a pepper is as safe
    /// for keys that are only in memory.
    #[must_use]
    pub fn ephemeral(format: KeyFormat) -> Self {
        Self { format, peppers: Peppers::ephemeral().ok() }
    }

    /// Returns the format.
    #[must_use]
    pub const fn format(&self) -> &KeyFormat {
        &self.format
    }

    /// Returns the digests with which a store is queried. Returns `None`, without hashing, if the bytes do not have the
    /// format.
    #[must_use]
    #[inline]
    pub fn digests(&self, presented: &[u8]) -> Option<KeyDigests> {
        self.format.accepts(presented).then(|| KeyDigests::of(presented, self.peppers.as_ref().map(Peppers::macs)))
    }

    /// Generates a new key from the operating system's random source, in the first environment of the format.
    ///
    /// # Errors
    /// If the operating system provides no random bytes.
    pub fn generate(&self) -> Result<Secret, ConfigError> {
        mint::mint(&self.format, None)
    }

    /// Generates a new key in this environment.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyScheme};
    ///
    /// let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("sk", 32)?.environments(["live", "test"])?);
    /// assert!(scheme.generate_in("test")?.expose().starts_with("sk_test_"));
    /// assert!(scheme.generate_in("staging").is_err());
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the format does not have this environment, or the operating system provides no random bytes.
    pub fn generate_in(&self, environment: &str) -> Result<Secret, ConfigError> {
        mint::mint(&self.format, Some(environment))
    }
}
