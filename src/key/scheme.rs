use super::{digest::KeyDigests, format::KeyFormat, mint, pepper::Peppers};
use crate::{ConfigError, Secret};

/// The format of keys and the peppers under which they are digested: one value, for the layer *and* for whatever
/// creates keys, so that the two cannot disagree.
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
    /// Keys of this format, at rest as `HMAC-SHA-256(pepper, SHA-256(key))`.
    #[must_use]
    pub const fn new(format: KeyFormat, peppers: Peppers) -> Self {
        Self { format, peppers: Some(peppers) }
    }

    /// Keys of this format, at rest as plain SHA-256: for a table that holds such digests already.
    #[must_use]
    pub const fn sha256(format: KeyFormat) -> Self {
        Self { format, peppers: None }
    }

    /// Keys that live no longer than the process, under a pepper that only it knows: for tests and demos.
    ///
    /// Without random bytes from the operating system the pepper is left out, which in memory protects as well.
    #[must_use]
    pub fn ephemeral(format: KeyFormat) -> Self {
        Self { format, peppers: Peppers::ephemeral().ok() }
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> &KeyFormat {
        &self.format
    }

    /// What to ask a store for; nothing where the bytes are no key of this format, which costs no hash.
    #[must_use]
    #[inline]
    pub fn digests(&self, presented: &[u8]) -> Option<KeyDigests> {
        self.format.accepts(presented).then(|| KeyDigests::of(presented, self.peppers.as_ref().map(Peppers::macs)))
    }

    /// A new key from the operating system's random source.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate(&self) -> Result<Secret, ConfigError> {
        mint::mint(&self.format)
    }
}
