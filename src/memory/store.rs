use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    book::Book,
    budget_book::BudgetBook,
    guarded::{Guarded, Place},
    usage_book::UsageBook,
};
use crate::{ConfigError, KeyDigests, KeyRecord, KeyScheme, KeyState, KeyStore, Secret, StoreFuture};

/// A key store in the memory of the process: for a service of one process, for tests, and for a few static keys. A
/// [`KeyRegistry`](crate::KeyRegistry) manages its keys.
///
/// Clones share the same keys. Inserts, changes and removals take effect for the next request. Nothing is written to
/// disk: the keys are lost when the process ends. The index is a hash that never leaves the process and is independent
/// of the scheme's peppers.
///
/// Keys that were [inserted](Self::insert) directly are unknown to a registry until they are
/// [imported](crate::KeyRegistry::import). A key that was [revoked](Self::set_state) directly stays revoked.
///
/// ```
/// use tower_auth::{KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore};
///
/// let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?);
/// let store = MemoryKeyStore::new();
/// let key = store.create(&scheme, KeyRecord::new("key_1", "acme").scopes(["read"]))?;
/// assert!(key.expose().starts_with("ak_"));
/// assert!(store.set_state("key_1", KeyState::Paused));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryKeyStore(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// What guards read. A list of changes is applied atomically, like a transaction of a database.
    guarded: RwLock<Guarded>,
    /// What only a registry reads. It is locked before `guarded`.
    book: Mutex<Book>,
    /// What keys have been doing.
    usage: Mutex<UsageBook>,
    #[cfg(feature = "tokio")]
    alerts: Mutex<super::alert_book::AlertBook>,
    budgets: Mutex<BudgetBook>,
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    signing: Mutex<crate::session::signing::Chain>,
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    sessions: RwLock<super::session_book::SessionBook>,
}

impl MemoryKeyStore {
    /// Creates a store without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an existing key, as [`insert`](Self::insert) does, and returns the store.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
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

    /// Adds an existing key. If the store has the key already, its record is replaced.
    ///
    /// # Errors
    /// If the key does not have the format of the scheme, if the key was revoked and the new record is not, or if the
    /// record has an empty id, account or subject. The error does not show the key.
    pub fn insert(&self, scheme: &KeyScheme, key: &str, record: KeyRecord) -> Result<(), ConfigError> {
        if let Some(what) = record.nameless() {
            return Err(ConfigError::new(
                format!("the record of a key has an empty {what}"),
                "give each key its own id, and the account and the subject that it belongs to",
            ));
        }
        let Some(digests) = scheme.digests(key.as_bytes()) else {
            return Err(ConfigError::new(
                format!("the key for the record {:?} does not have the format of the scheme", record.id()),
                "check the prefix and the length of the key, or give the scheme the format of your keys",
            ));
        };
        let hint = scheme.format().hint(key);
        let record = if record.principal().credential_hint().is_none() { record.hint(hint) } else { record };
        let book = self.book();
        let mut keys = self.write();
        let place = Place::Key(*digests.fingerprint());
        if book.is_removed(&digests) || !record.is_revoked() && keys.get(&place).is_some_and(KeyRecord::is_revoked) {
            return Err(ConfigError::new(
                format!("the key for the record {:?} was revoked and cannot be restored", record.id()),
                "create another key",
            ));
        }
        keys.put(place, record);
        Ok(())
    }

    /// Mints a key, stores its record, and returns the secret. The secret cannot be read again.
    ///
    /// # Errors
    /// If the operating system provides no random bytes, or the record has an empty id, account or subject.
    pub fn create(&self, scheme: &KeyScheme, record: KeyRecord) -> Result<Secret, ConfigError> {
        let key = scheme.generate()?;
        self.insert(scheme, key.expose(), record)?;
        Ok(key)
    }

    /// Sets the state of every key with this id, from the next request on. A revoked key stays revoked. Returns `false`
    /// if no key was changed.
    #[must_use = "`false` means that no key was changed"]
    pub fn set_state(&self, id: &str, state: KeyState) -> bool {
        let mut book = self.book();
        let mut guarded = self.write();
        let mut changed = book.set_state(id, state, &mut guarded);
        // Several keys may have the same id, such as the two keys of a rotation. The change applies to all of them.
        for place in guarded.places_of(id) {
            let known = guarded.get(&place).filter(|known| !known.is_revoked() || state == KeyState::Revoked);
            if let Some(record) = known.map(|known| known.clone().state(state)) {
                guarded.put(place, record);
                changed = true;
            }
        }
        changed
    }

    /// Removes every key with this id. Returns `false` if there is none. A removed key may be inserted again. To
    /// prevent that, revoke the key instead.
    #[must_use = "`false` means that there was no such key"]
    pub fn remove(&self, id: &str) -> bool {
        let mut book = self.book();
        let mut guarded = self.write();
        let known = book.drop_key(id, &mut guarded);
        let places = guarded.places_of(id);
        places.iter().filter_map(|place| guarded.take(place)).count() > 0 || known
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing panics while it holds the lock, except the decision of a caller, before anything is changed.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn usage(&self) -> MutexGuard<'_, UsageBook> {
        // Nothing panics while it holds the lock.
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "tokio")]
    pub(super) fn alert_book(&self) -> MutexGuard<'_, super::alert_book::AlertBook> {
        // Nothing panics while it holds the lock.
        self.0.alerts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn budgets(&self) -> MutexGuard<'_, BudgetBook> {
        // Nothing panics while it holds the lock.
        self.0.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(super) fn chain(&self) -> MutexGuard<'_, crate::session::signing::Chain> {
        // Nothing panics while it holds the lock.
        self.0.signing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(super) fn sessions(&self) -> RwLockReadGuard<'_, super::session_book::SessionBook> {
        // Nothing panics while it holds the lock.
        self.0.sessions.read().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(super) fn change_sessions(&self) -> RwLockWriteGuard<'_, super::session_book::SessionBook> {
        self.0.sessions.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Guarded> {
        // Nothing panics while it holds the lock, and the maps are consistent after every step.
        self.0.guarded.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Guarded> {
        self.0.guarded.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for MemoryKeyStore {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::ready(Ok(self.read().find(key)))
    }
}

impl fmt::Debug for MemoryKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKeyStore").field("keys", &self.read().len()).finish_non_exhaustive()
    }
}
