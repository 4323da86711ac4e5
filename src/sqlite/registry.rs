use std::time::SystemTime;

use super::{SqliteKeyStore, failure::Failure, forget, lane::Lane, read, session::Session, write};
use crate::{
    KeyDigest,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryFuture,
        RegistryStore, Tombstone,
    },
};

/// A change is on the disk when the call returns. Only uses of keys may be lost, and only in a power failure.
impl RegistryStore for SqliteKeyStore {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        self.run(|store| &store.0.writer, move |session| write::transact(session, &ids, decide))
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        let what = what.clone();
        self.run(|store| &store.0.writer, move |session| forget::forget(session, &what, limit))
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        let id = id.to_owned();
        self.run(lists, move |session| read::get(session, &id))
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        let filter = filter.clone();
        self.run(lists, move |session| read::list(session, &filter))
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        let filter = filter.clone();
        self.run(lists, move |session| read::audit(session, &filter))
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        let holders = holders.to_vec();
        self.run(lists, move |session| read::suspended(session, &holders))
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        let after = after.cloned();
        self.run(lists, move |session| read::holders(session, after.as_ref()))
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        let after = after.copied();
        self.run(lists, move |session| read::removed(session, after.as_ref()))
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        self.run(lists, read::count_by_pepper)
    }
}

fn lists(store: &SqliteKeyStore) -> &Lane {
    &store.0.lists
}

impl SqliteKeyStore {
    fn run<T: Send + 'static>(
        &self,
        lane: fn(&Self) -> &Lane,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> RegistryFuture<T> {
        let store = self.clone();
        RegistryFuture::boxed(async move { Ok(lane(&store).run(work).await?) })
    }
}
