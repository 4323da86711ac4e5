use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{KeyRecord, KeyState, KeyStore, StoreFuture};
use crate::{
    ConfigError, KeyDigests, KeyScheme, Secret,
    key::{Fingerprint, FingerprintHasher},
};

/// Keys in the memory of the process: for one machine, for tests, for a handful of static keys.
///
/// A clone is a handle on the same keys. What is inserted, changed or removed holds for the very next request.
/// Nothing is written to a disk: the process that ends forgets them. Keys are found by a hash that never leaves the
/// process, whatever the peppers of the scheme.
///
/// ```
/// use tower_auth::{KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore};
///
/// let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?);
/// let store = MemoryKeyStore::new();
/// let key = store.create(&scheme, KeyRecord::new("key_1", "acme").scopes(["read"]))?;
/// assert_eq!(key.expose().len(), 43);
/// assert!(store.set_state("key_1", KeyState::Paused));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryKeyStore(Arc<RwLock<Keys>>);

type Keys = HashMap<Fingerprint, KeyRecord, FingerprintHasher>;

impl MemoryKeyStore {
    /// A store without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key that exists already.
    ///
    /// # Errors
    /// When the key has not the format of the scheme, or the record has an empty id, account or subject. The error does not
    /// show the key.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore};
    ///
    /// let scheme = KeyScheme::ephemeral(KeyFormat::opaque(4));
    /// let store = MemoryKeyStore::new().with(&scheme, "test-key", KeyRecord::new("k1", "acme"))?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn with(self, scheme: &KeyScheme, key: &str, record: KeyRecord) -> Result<Self, ConfigError> {
        self.insert(scheme, key, record)?;
        Ok(self)
    }

    /// Adds a key that exists already; the same key again replaces its record.
    ///
    /// # Errors
    /// When the key has not the format of the scheme, or was revoked: revoked is for good; or when the record has an empty
    /// id, account or subject. The error does not show the key.
    pub fn insert(&self, scheme: &KeyScheme, key: &str, record: KeyRecord) -> Result<(), ConfigError> {
        if let Some(what) = record.nameless() {
            return Err(ConfigError::new(
                format!("a key's record has an empty {what}"),
                "give every key an id of its own, and the account and the subject that it belongs to",
            ));
        }
        let Some(digests) = scheme.digests(key.as_bytes()) else {
            return Err(ConfigError::new(
                format!("the key for the record {:?} has not the format of its scheme", record.id()),
                "check the key's prefix and length, or give the scheme the format of your keys",
            ));
        };
        let hint = scheme.format().hint(key);
        let record = if record.principal().credential_hint().is_none() { record.hint(hint) } else { record };
        let mut keys = self.write();
        if !record.is_revoked() && keys.get(digests.fingerprint()).is_some_and(KeyRecord::is_revoked) {
            return Err(ConfigError::new(
                format!("the key for the record {:?} was revoked, which is for good", record.id()),
                "create another key",
            ));
        }
        keys.insert(*digests.fingerprint(), record);
        Ok(())
    }

    /// Mints a key, keeps its record, and hands the secret out: the only time that anybody sees it.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn create(&self, scheme: &KeyScheme, record: KeyRecord) -> Result<Secret, ConfigError> {
        let key = scheme.generate()?;
        self.insert(scheme, key.expose(), record)?;
        Ok(key)
    }

    /// Changes the state of every key with this id, for the very next request; `false` where there is none. A revoked
    /// key stays revoked: then, too, `false`.
    #[must_use = "false says that nothing was changed"]
    pub fn set_state(&self, id: &str, state: KeyState) -> bool {
        let mut changed = false;
        // Several keys may have one id, as two of one rotation do: what is done to the id is done to all of them.
        for record in self.write().values_mut().filter(|record| record.id() == id) {
            if !record.is_revoked() || state == KeyState::Revoked {
                *record = record.clone().state(state);
                changed = true;
            }
        }
        changed
    }

    /// Forgets every key with this id; `false` where there is none. A key that must not come back is revoked instead.
    #[must_use = "false says that there was none"]
    pub fn remove(&self, id: &str) -> bool {
        let mut keys = self.write();
        let before = keys.len();
        keys.retain(|_, record| record.id() != id);
        keys.len() < before
    }

    /// Puts these records in the place of what was known of their keys, all of them at once: nobody finds some changed and
    /// others not.
    /// A revoked key stays revoked.
    pub(crate) fn apply(&self, changes: impl IntoIterator<Item = (Fingerprint, KeyRecord)>) {
        let mut keys = self.write();
        for (fingerprint, record) in changes {
            let gone = keys.get(&fingerprint).is_some_and(KeyRecord::is_revoked);
            keys.insert(fingerprint, if gone { record.state(KeyState::Revoked) } else { record });
        }
    }

    /// Whether the key with this fingerprint was revoked, by whomever.
    pub(crate) fn has_revoked(&self, fingerprint: &Fingerprint) -> bool {
        self.read().get(fingerprint).is_some_and(KeyRecord::is_revoked)
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        // Nothing panics while it holds the lock, and a map is whole after every step.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for MemoryKeyStore {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::ready(Ok(self.read().get(key.fingerprint()).cloned()))
    }
}

impl fmt::Debug for MemoryKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKeyStore").field("keys", &self.read().len()).finish()
    }
}
