//! A store that decides and checks everything, and changes nothing.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tower_auth::{
    KeyDigest, KeyRecord, RegistryError,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, KeyInfo, Page, PepperCount,
        RegistryFuture, RegistryStore, Tombstone,
    },
};

/// Ends every transaction with the change of a key that does not exist: everything before it is checked and rolled back, and
/// the call that would have succeeded fails with `NotFound`.
pub(super) struct DryRun(pub(super) Arc<dyn RegistryStore>);

/// No registry or import creates an empty id.
const NOBODY: &str = "";

impl RegistryStore for DryRun {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        let never = Entry::new(KeyInfo::of(KeyRecord::new(NOBODY, NOBODY)), KeyDigest::from_bytes([0; 32]), None);
        let decide = move |entries: &[Entry]| {
            let mut changes = decide(entries)?;
            changes.push(Change::Update(never));
            Ok(changes)
        };
        self.0.transact(ids, Box::new(decide))
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        // An import forgets nothing.
        RegistryFuture::ready(Err(RegistryError::unsupported(&(what, limit))))
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        self.0.get(id)
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        self.0.list(filter)
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        self.0.audit(filter)
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.0.suspended(holders)
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.0.holders(after)
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        self.0.removed(after)
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        self.0.count_by_pepper()
    }

    fn staleness(&self) -> RegistryFuture<Duration> {
        self.0.staleness()
    }
}
