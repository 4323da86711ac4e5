use super::KeyInfo;
use crate::KeyDigest;

/// What a [`RegistryStore`](super::RegistryStore) keeps of a key: everything that the registry knows, and the digest by
/// which a guard finds the key. It never contains the secret.
///
/// ```
/// use tower_auth::{KeyFormat, KeyRecord, KeyScheme, registry::{Entry, KeyInfo}};
///
/// // As a store of your own reads a row back.
/// let scheme = KeyScheme::sha256(KeyFormat::opaque(20));
/// let digest = *scheme.digests(b"a-key-of-at-least-twenty-bytes").unwrap().iter().next().unwrap();
/// let key = KeyInfo::of(KeyRecord::new("key_1", "acme").scopes(["read"])).named("ci");
/// let entry = Entry::new(key, digest, None);
/// assert_eq!((entry.key().id(), entry.pepper()), ("key_1", None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    key: KeyInfo,
    digest: KeyDigest,
    pepper: Option<u32>,
}

impl Entry {
    /// Creates an entry of this key, whose digest was made with this version of the peppers; `None` is a plain SHA-256.
    #[must_use]
    pub const fn new(key: KeyInfo, digest: KeyDigest, pepper: Option<u32>) -> Self {
        Self { key, digest, pepper }
    }

    /// Returns what the registry knows about the key.
    #[must_use]
    pub const fn key(&self) -> &KeyInfo {
        &self.key
    }

    /// Returns the digest of the key. No two keys have the same.
    #[must_use]
    pub const fn digest(&self) -> &KeyDigest {
        &self.digest
    }

    /// Returns the version of the pepper of the digest; `None` for a plain SHA-256.
    #[must_use]
    pub const fn pepper(&self) -> Option<u32> {
        self.pepper
    }

    /// Returns what the registry knows about the key.
    #[must_use]
    pub fn into_key(self) -> KeyInfo {
        self.key
    }

    /// Returns the entry of a key that was last used at this time, unless a later use is known. For stores without rows.
    #[must_use]
    pub fn used(mut self, at: std::time::SystemTime) -> Self {
        if self.key.record.last_use().is_none_or(|known| known < at) {
            self.key.record = self.key.record.last_used_at(at);
        }
        self
    }

    /// Returns the entry with another state of the same key.
    pub(super) fn with(&self, key: KeyInfo) -> Self {
        Self { key, ..*self }
    }
}
