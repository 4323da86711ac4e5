//! The keys of a store that does one thing wrong.

use tower_auth::{
    KeyDigest, KeyDigests, KeyRecord, KeyStore, StoreFuture,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryFuture,
        RegistryStore, Tombstone,
    },
    session::{Outdated, SessionFilter},
};

use super::{
    super::*,
    fault::Fault,
    store::{Broken, now},
};

impl KeyStore for Broken {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        KeyStore::find(&self.store, key)
    }
}

impl RegistryStore for Broken {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        self.store.transact(ids, decide)
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        let Forget::Account { account } = what else { return RegistryStore::forget(&self.store, what, limit) };
        let sessions = now(SessionStore::list(&self.store, &SessionFilter::account(account)));
        let forgotten = RegistryStore::forget(&self.store, what, limit);
        match self.fault {
            Fault::ErasedStay => sessions.iter().for_each(|session| now(SessionStore::create(&self.store, session))),
            Fault::ErasedCutOffs => {
                let all = Outdated::new(SystemTime::UNIX_EPOCH, at(1_000_000));
                now(SessionStore::forget(&self.store, &all, usize::MAX));
            }
            _ => {}
        }
        forgotten
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        self.store.get(id)
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        RegistryStore::list(&self.store, filter)
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        self.store.audit(filter)
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.store.suspended(holders)
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.store.holders(after)
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        self.store.removed(after)
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        self.store.count_by_pepper()
    }
}
