//! What is noted when a key is used: that it was used, and that its digest is of an old pepper.

use std::{
    collections::HashMap,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::KeyRegistry;
use crate::{BoxError, Clock, KeyDigest, KeyDigests, KeyRecord, KeyStore, StoreFuture};

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

/// What is to be written. Clones share it.
#[derive(Clone)]
pub(super) struct Notes(Arc<Shared>);

struct Shared {
    current: Option<u32>,
    clock: Clock,
    pending: Mutex<Pending>,
}

/// What was noted since the last time it was taken.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) uses: HashMap<String, SystemTime>,
    /// The digest of each key under the current pepper.
    pub(super) digests: HashMap<String, KeyDigest>,
}

/// The number of keys that are noted, of each kind. Others are noted when they are used again.
const MOST: usize = 10_000;

impl KeyRegistry {
    /// Returns a store for the guards that notes what [`start`](Self::start) writes down: the uses of keys with
    /// [`Restrictions::idle_after`](crate::Restrictions::idle_after), and keys whose digest is of an old pepper. Without the
    /// task, the notes are dropped when they exceed 10,000 keys.
    #[must_use]
    pub fn watch(&self, store: impl KeyStore) -> WatchedKeyStore {
        WatchedKeyStore { store: Arc::new(store), notes: self.notes.clone() }
    }
}

impl Notes {
    pub(super) fn new(current: Option<u32>, clock: Clock) -> Self {
        Self(Arc::new(Shared { current, clock, pending: Mutex::default() }))
    }

    /// Takes all notes.
    pub(super) fn take(&self) -> Pending {
        mem::take(&mut *self.pending())
    }

    /// Puts notes back that could not be written.
    pub(super) fn put_back(&self, notes: Pending) {
        let mut pending = self.pending();
        let room = MOST.saturating_sub(pending.uses.len());
        for (id, at) in notes.uses.into_iter().take(room) {
            let known = pending.uses.entry(id).or_insert(at);
            *known = at.max(*known);
        }
        let room = MOST.saturating_sub(pending.digests.len());
        pending.digests.extend(notes.digests.into_iter().take(room));
    }

    #[inline]
    fn note(&self, found: &Result<Option<KeyRecord>, BoxError>, key: &KeyDigests) {
        let Ok(Some(record)) = found else { return };
        if record.is_under_another_pepper(self.0.current) && !record.is_revoked() {
            self.note_digest(record, key);
        }
        if let Some(idle) = record.current_restrictions().idle_limit() {
            self.note_use(record, idle);
        }
    }

    #[cold]
    fn note_digest(&self, record: &KeyRecord, key: &KeyDigests) {
        let mut pending = self.pending();
        if let Some(digest) = key.iter().next().filter(|_| pending.digests.len() < MOST) {
            pending.digests.insert(record.id().to_owned(), *digest);
        }
    }

    /// A use is noted once in a sixteenth of the idle time: later than that, it would make no difference.
    fn note_use(&self, record: &KeyRecord, idle: Duration) {
        let now = self.0.clock.now();
        let soon = record.last_use().and_then(|last| last.checked_add(idle / 16)).is_some_and(|due| now < due);
        if soon || record.status(now) != crate::KeyStatus::Active {
            return;
        }
        let mut pending = self.pending();
        if pending.uses.len() < MOST {
            pending.uses.insert(record.id().to_owned(), now);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        // Nothing panics while it holds the lock.
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for WatchedKeyStore {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        match self.store.find(key).now() {
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

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.pending();
        f.debug_struct("Notes").field("uses", &pending.uses.len()).field("digests", &pending.digests.len()).finish()
    }
}
