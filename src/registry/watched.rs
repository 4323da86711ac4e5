use std::{fmt, sync::Arc};

use super::{KeyRegistry, notes::Notes};
use crate::{KeyDigests, KeyRecord, KeyStore, StoreFuture};

/// A key store that notes what the upkeep of a registry has to write: uses of keys that may not be idle, and digests of old
/// peppers. [`KeyRegistry::watch`] creates it. A look-up waits for nothing that it would not wait for without it.
///
/// ```
/// use tower_auth::{ApiKeyLayer, KeyRegistry, KeyScheme, MemoryKeyStore};
///
/// fn layer(scheme: KeyScheme, keys: &KeyRegistry, store: MemoryKeyStore) -> ApiKeyLayer {
///     ApiKeyLayer::new(scheme, keys.watch(store))
/// }
/// ```
#[derive(Clone)]
pub struct WatchedKeyStore {
    store: Arc<dyn KeyStore>,
    notes: Notes,
}

impl KeyRegistry {
    /// Returns a store for the guards that notes what `start` (feature `tokio`) writes down: the uses of keys with
    /// [`Restrictions::idle_after`](crate::Restrictions::idle_after), and keys whose digest is of an old pepper. Without the
    /// task, the notes are dropped when they exceed 10,000 keys.
    #[must_use]
    pub fn watch(&self, store: impl KeyStore) -> WatchedKeyStore {
        WatchedKeyStore { store: Arc::new(store), notes: self.notes.clone() }
    }
}

impl KeyStore for WatchedKeyStore {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.noted(self.store.find(key), key)
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.noted(self.store.find_fresh(key), key)
    }
}

impl WatchedKeyStore {
    #[inline]
    fn noted(&self, found: StoreFuture<Option<KeyRecord>>, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        match found.now() {
            Ok(found) => {
                self.notes.note(&found, key);
                StoreFuture::ready(found)
            }
            Err(future) => {
                let (notes, key) = (self.notes.clone(), key.clone());
                StoreFuture::boxed(async move {
                    let found = future.await;
                    notes.note(&found, &key);
                    found
                })
            }
        }
    }
}

impl fmt::Debug for WatchedKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedKeyStore").field("notes", &self.notes).finish_non_exhaustive()
    }
}
