use super::{
    digest::{self, KeyDigest, KeyDigests},
    format::KeyFormat,
    mint,
    pepper::Peppers,
};
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
    /// Whether a plain SHA-256 is accepted. Always true without peppers.
    sha256: bool,
}

impl KeyScheme {
    /// Creates a scheme for keys of this format, stored as `HMAC-SHA-256(pepper, SHA-256(key))`.
    #[must_use]
    pub const fn new(format: KeyFormat, peppers: Peppers) -> Self {
        Self { format, peppers: Some(peppers), sha256: false }
    }

    /// Creates a scheme for keys of this format, stored as plain SHA-256: for a table that holds such digests already.
    #[must_use]
    pub const fn sha256(format: KeyFormat) -> Self {
        Self { format, peppers: None, sha256: true }
    }

    /// Creates a scheme with a random pepper that only this process knows: for tests and demos.
    ///
    /// If the operating system provides no random bytes, the scheme has no pepper. A scheme without a pepper is as safe
    /// for keys that are only in memory.
    #[must_use]
    pub fn ephemeral(format: KeyFormat) -> Self {
        match Peppers::ephemeral() {
            Ok(peppers) => Self::new(format, peppers),
            Err(_) => Self::sha256(format),
        }
    }

    /// Also accepts keys that are stored as plain SHA-256, while a table moves under a pepper. Their digest is the last of
    /// the list. Nothing changes for a scheme without peppers.
    ///
    /// Remove it when no row holds a plain SHA-256: until then, a party that can write to the table can insert a key
    /// without knowing the pepper.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyScheme, Peppers};
    ///
    /// let scheme = KeyScheme::new(KeyFormat::opaque(20), Peppers::ephemeral()?).accept_sha256();
    /// assert_eq!(scheme.versions().collect::<Vec<_>>(), [Some(1), None]);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn accept_sha256(mut self) -> Self {
        self.sha256 = true;
        self
    }

    /// Returns the version of the current pepper, with which new keys are stored. Returns `None` if the scheme has no
    /// pepper.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyScheme, Peppers};
    ///
    /// let scheme = KeyScheme::new(KeyFormat::opaque(20), Peppers::new(2, [7; 32])?.accept(1, [9; 32])?);
    /// assert_eq!(scheme.current_version(), Some(2));
    /// assert_eq!(KeyScheme::sha256(KeyFormat::opaque(20)).current_version(), None);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn current_version(&self) -> Option<u32> {
        self.versions().next().flatten()
    }

    /// Iterates over the versions of all accepted peppers, the current one first, in the order of
    /// [`KeyDigests::versions`]. `None` stands for a plain SHA-256.
    pub fn versions(&self) -> impl Iterator<Item = Option<u32>> {
        digest::versions(self.peppers.as_ref().map(|peppers| &**peppers.macs()), self.sha256)
    }

    /// Returns the digest under the current pepper of a key that is stored as plain SHA-256. This needs no key, because
    /// the digest is `HMAC-SHA-256(pepper, SHA-256(key))`. Returns `None` if the scheme has no pepper.
    ///
    /// Call it once for each row that holds a plain SHA-256. The result for a digest that has a pepper already belongs to
    /// no key.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyScheme, Peppers};
    ///
    /// let before = KeyScheme::sha256(KeyFormat::opaque(20));
    /// let after = KeyScheme::new(KeyFormat::opaque(20), Peppers::ephemeral()?);
    /// let key = b"a-key-of-at-least-twenty-bytes";
    ///
    /// let (stored, expected) = (before.digests(key).unwrap(), after.digests(key).unwrap());
    /// let moved = after.move_under_pepper(stored.iter().next().unwrap());
    /// assert_eq!(moved.as_ref(), expected.iter().next());
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn move_under_pepper(&self, sha256: &KeyDigest) -> Option<KeyDigest> {
        Some(self.peppers.as_ref()?.macs().first()?.digest_of(sha256))
    }

    /// Returns the digests of a key of which only the plain SHA-256 is known. Its format is not known.
    pub(crate) fn digests_of_sha256(&self, sha256: &KeyDigest) -> KeyDigests {
        KeyDigests::of_sha256(sha256, self.peppers.as_ref().map(Peppers::macs), self.sha256)
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
        self.format
            .accepts(presented)
            .then(|| KeyDigests::of(presented, self.peppers.as_ref().map(Peppers::macs), self.sha256))
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
