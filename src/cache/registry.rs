//! Changes of keys through the cache: they count in this process before they return, and are announced to the others.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use super::{Announcement, CachedKeyStore, Changed, telling::Telling};
use crate::{
    KeyDigest,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryError,
        RegistryFuture, RegistryStore, Tombstone,
    },
};

/// Returns what a transaction invalidates. A call that is repeated changes nothing, but the earlier call, perhaps of a process that
/// has ended since, may not have announced its change. So the keys are announced in any case, and if there are none, everything.
fn announcements(ids: &[String], changes: &[Change]) -> Vec<Announcement> {
    if ids.is_empty() && changes.is_empty() {
        return vec![Changed::Everything.into()];
    }
    let keys = ids.iter().map(|id| Changed::Key(id).into());
    let all: HashSet<Announcement> = keys.chain(changes.iter().flat_map(announced)).collect();
    all.into_iter().collect()
}

/// Returns what a change invalidates. An updated key may have another digest, under which it was unknown.
fn announced(change: &Change) -> impl Iterator<Item = Announcement> {
    let new = matches!(change, Change::Create { .. } | Change::Update(_)).then_some(Changed::NewKey);
    let changed = match change {
        Change::Update(entry) => Some(Changed::Key(entry.key().id())),
        Change::Remove { id } => Some(Changed::Key(id)),
        Change::Suspend { holder, .. } | Change::Reinstate { holder } => Some(match holder {
            Holder::Account(id) => Changed::Account(id),
            Holder::Organization(id) => Changed::Organization(id),
        }),
        Change::Create { .. } | Change::Used(_) | Change::Bury(_) | Change::Audit(_) => None,
    };
    [new, changed].into_iter().flatten().map(Announcement::from)
}

impl<S: RegistryStore> RegistryStore for CachedKeyStore<S> {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        let telling = Telling::new(&self.core, Vec::new());
        let (note, named) = (telling.note(), ids.clone());
        let decide: Decide = Box::new(move |entries| {
            let changes = decide(entries)?;
            note(announcements(&named, &changes));
            Ok(changes)
        });
        telling.after(self.store.transact(ids, decide))
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        let forgotten = self.store.forget(what, limit);
        match what {
            // Its keys and its sessions are removed.
            Forget::Account { account } => {
                Telling::new(&self.core, vec![Changed::Account(account).into()]).after(forgotten)
            }
            Forget::Audit { .. } | Forget::Addresses { .. } => forgotten,
        }
    }

    fn staleness(&self) -> RegistryFuture<Duration> {
        let (of_store, own) = (self.store.staleness(), self.core.longest_use());
        let Some((changes, ..)) = self.core.leased() else { return of_store.map(move |found| Ok(found?.max(own))) };
        let shared = changes.stored_bound();
        RegistryFuture::boxed(async move {
            let of_store = of_store.await?;
            let shared = shared.await.map_err(RegistryError::from)?.unwrap_or_default();
            Ok(shared.max(own).max(of_store))
        })
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        self.store.get(id)
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        self.store.list(filter)
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
