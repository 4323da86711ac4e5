/// How many keys have a digest of one pepper, as a [`RegistryStore`](super::RegistryStore) counts them.
///
/// ```
/// use tower_auth::registry::PepperCount;
///
/// let count = PepperCount::new(Some(2)).keys(40).removed(3);
/// assert_eq!((count.version, count.keys, count.removed), (Some(2), 40, 3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PepperCount {
    /// The version; `None` for a plain SHA-256.
    pub version: Option<u32>,
    /// The number of keys. Deleted keys count until they are purged.
    pub keys: u64,
    /// The number of removed keys: tombstones that are not of a [moved](super::Tombstone::moved) digest.
    pub removed: u64,
}

impl PepperCount {
    /// Counts nothing of this version yet.
    #[must_use]
    pub const fn new(version: Option<u32>) -> Self {
        Self { version, keys: 0, removed: 0 }
    }

    /// Sets the number of keys.
    #[must_use]
    pub const fn keys(self, keys: u64) -> Self {
        Self { keys, ..self }
    }

    /// Sets the number of removed keys.
    #[must_use]
    pub const fn removed(self, removed: u64) -> Self {
        Self { removed, ..self }
    }
}
