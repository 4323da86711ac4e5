use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::{KeyDigests, KeyRecord, KeyStore, StoreFuture};

/// A store that fails on demand, and counts lookups. Clones share the same state.
///
/// ```
/// use tower_auth::{MemoryKeyStore, testing::FlakyKeyStore};
///
/// let store = FlakyKeyStore::new(MemoryKeyStore::new());
/// store.fail();
/// store.recover();
/// assert_eq!(store.asked(), 0);
/// ```
#[derive(Clone)]
pub struct FlakyKeyStore(Arc<State>);

struct State {
    store: Box<dyn KeyStore>,
    failing: AtomicBool,
    asked: AtomicUsize,
}

impl FlakyKeyStore {
    /// Wraps a store. Lookups work until [`fail`](Self::fail) is called.
    pub fn new(store: impl KeyStore) -> Self {
        Self(Arc::new(State { store: Box::new(store), failing: AtomicBool::new(false), asked: AtomicUsize::new(0) }))
    }

    /// Makes every lookup fail from now on.
    pub fn fail(&self) {
        self.0.failing.store(true, Ordering::SeqCst);
    }

    /// Makes lookups work again.
    pub fn recover(&self) {
        self.0.failing.store(false, Ordering::SeqCst);
    }

    /// Returns the number of lookups so far, including failed ones.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl KeyStore for FlakyKeyStore {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.0.answer(|store| store.find(key))
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.0.answer(|store| store.find_fresh(key))
    }
}

impl State {
    fn answer(
        &self,
        find: impl FnOnce(&dyn KeyStore) -> StoreFuture<Option<KeyRecord>>,
    ) -> StoreFuture<Option<KeyRecord>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.failing.load(Ordering::SeqCst) {
            return StoreFuture::ready(Err("the store is set to fail".into()));
        }
        find(&*self.store)
    }
}

impl fmt::Debug for FlakyKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlakyKeyStore").field("failing", &self.0.failing).field("asked", &self.asked()).finish()
    }
}
