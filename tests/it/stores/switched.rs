//! A store that fails on demand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use tower_auth::{
    BoxError, KeyDigest, MemoryKeyStore,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryFuture,
        RegistryStore, Tombstone,
    },
};

#[derive(Clone)]
pub(crate) struct Switched(MemoryKeyStore, Arc<AtomicBool>);

impl Switched {
    pub(crate) fn new(store: MemoryKeyStore) -> Self {
        Self(store, Arc::default())
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
}
