//! A store that fails on demand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tower_auth::{
    BoxError, KeyDigest, MemoryKeyStore,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryFuture,
        RegistryStore, Tombstone,
    },
};

#[derive(Clone)]
pub(crate) struct Switched(MemoryKeyStore, Arc<AtomicBool>, Arc<Mutex<Bound>>);

/// What the store says of its caches.
#[derive(Clone, Copy, Default)]
pub(crate) enum Bound {
    #[default]
    OfTheStore,
    Is(Duration),
    Fails,
    Hangs,
}

impl Switched {
    pub(crate) fn new(store: MemoryKeyStore) -> Self {
        Self(store, Arc::default(), Arc::default())
    }

    pub(crate) fn set_bound(&self, bound: Bound) {
        *self.2.lock().unwrap() = bound;
    }

    pub(crate) fn fail(&self) {
        self.1.store(true, Ordering::SeqCst);
    }

    pub(crate) fn recover(&self) {
        self.1.store(false, Ordering::SeqCst);
    }

    fn answer<T>(&self, answer: impl FnOnce() -> RegistryFuture<T>) -> RegistryFuture<T> {
        if self.1.load(Ordering::SeqCst) {
            return RegistryFuture::ready(Err(BoxError::from("the store is set to fail").into()));
        }
        answer()
    }
}

impl RegistryStore for Switched {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        self.answer(|| self.0.transact(ids, decide))
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        self.answer(|| self.0.forget(what, limit))
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        self.answer(|| self.0.get(id))
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        self.answer(|| self.0.list(filter))
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        self.answer(|| self.0.audit(filter))
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.answer(|| self.0.suspended(holders))
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.answer(|| self.0.holders(after))
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        self.answer(|| self.0.removed(after))
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        self.answer(|| self.0.count_by_pepper())
    }

    fn staleness(&self) -> RegistryFuture<Duration> {
        let bound = *self.2.lock().unwrap();
        self.answer(|| match bound {
            Bound::OfTheStore => self.0.staleness(),
            Bound::Is(bound) => RegistryFuture::ready(Ok(bound)),
            Bound::Fails => RegistryFuture::ready(Err(BoxError::from("the bound is not stored").into())),
            Bound::Hangs => RegistryFuture::boxed(std::future::pending()),
        })
    }
}
