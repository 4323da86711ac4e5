//! Stores with one fault each: the suite has to find it.

use std::{panic::AssertUnwindSafe, time::SystemTime};

use futures_util::FutureExt as _;
use tower_auth::{
    KeyDigest, KeyDigests, KeyRecord, KeyState, KeyStore, MemoryKeyStore, Quota, StoreFuture,
    limit::Limits,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryFuture,
        RegistryStore, Tombstone,
    },
    testing::conformance,
};

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Look-ups do not see a suspension.
    Suspension,
    /// Look-ups see a revoked key as active.
    Revocation,
    /// Audit rows are dropped.
    Audit,
    /// The last use of a key is dropped.
    Uses,
    /// The removed keys are forgotten.
    Tombs,
    /// A page is cut short without a place to go on.
    Pages,
    /// The decision is made on the first entry only.
    Locks,
    /// The peppers are not counted.
    Peppers,
    /// The digest of a key that another store has removed is dropped.
    Bury,
    /// The removed keys are not counted.
    Removed,
    /// Digests that were replaced count as removed keys.
    Moved,
    /// The digest of a key that has moved back keeps its tombstone.
    Unburied,
    /// The removed keys are listed without their peppers.
    Tombstones,
    /// Everything is forgotten at once.
    Batches,
    /// Nothing is forgotten.
    Forgets,
    /// The keys of an erased account are removed before their rows are erased.
    HalfErased,
    /// An account that is erased is suspended no longer.
    Reinstates,
    /// No suspended holder is listed.
    Holders,
    /// Limits that cannot be read are dropped.
    UnreadLimits,
    /// Look-ups see calendar limits as limits by the minute.
    Calendar,
}

#[derive(Clone)]
struct Broken {
    store: MemoryKeyStore,
    fault: Fault,
}

impl KeyStore for Broken {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let found = self.store.find(key).now_or_never().unwrap().unwrap();
        StoreFuture::ready(Ok(found.map(|record| match self.fault {
            Fault::Suspension => record.account_suspended(false).organization_suspended(false),
            Fault::Revocation => record.state(KeyState::Active),
            Fault::UnreadLimits => {
                let limits = record.principal().limits().cloned();
                record.limits(limits)
            }
            Fault::Calendar if record.principal().limits().is_some_and(Limits::has_calendar) => {
                record.limits(Limits::new(Quota::per_minute(5)).unwrap())
            }
            _ => record,
        })))
    }
}

impl RegistryStore for Broken {
    fn transact(&self, mut ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        let fault = self.fault;
        if fault == Fault::Locks {
            ids.truncate(1);
        }
        self.store.transact(
            ids,
            Box::new(move |entries| {
                let mut changes = decide(entries)?;
                changes.retain(|change| match change {
                    Change::Audit(_) => fault != Fault::Audit,
                    Change::Used(_) => fault != Fault::Uses,
                    Change::Remove { .. } => fault != Fault::Tombs,
                    Change::Bury(_) => fault != Fault::Bury,
                    _ => true,
                });
                for change in &mut changes {
                    if let (Change::Bury(tomb), Fault::Moved) = (change, fault) {
                        tomb.moved = false;
                    }
                }
                if fault == Fault::Unburied {
                    let again = changes.iter().filter_map(|change| match change {
                        Change::Update(entry) => Some(Tombstone::new(*entry.digest(), entry.pepper()).moved()),
                        _ => None,
                    });
                    let again: Vec<_> = again.map(Change::Bury).collect();
                    changes.extend(again);
                }
                Ok(changes)
            }),
        )
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        match (self.fault, what) {
            (Fault::Batches, _) => self.store.forget(what, usize::MAX),
            (Fault::Forgets, _) => RegistryFuture::ready(Ok(0)),
            (Fault::HalfErased, Forget::Account { account }) => {
                let keys = self.store.list(&KeyFilter::account(account)).now_or_never().unwrap().unwrap();
                let gone = keys.items.iter().map(|entry| Change::Remove { id: entry.key().id().to_owned() }).collect();
                self.store.transact(Vec::new(), Box::new(|_| Ok(gone))).now_or_never().unwrap().unwrap();
                self.store.forget(what, limit)
            }
            (Fault::Reinstates, Forget::Account { account }) => {
                let holder = Holder::account(account);
                let gone = vec![Change::Reinstate { holder }];
                self.store.transact(Vec::new(), Box::new(|_| Ok(gone))).now_or_never().unwrap().unwrap();
                self.store.forget(what, limit)
            }
            _ => self.store.forget(what, limit),
        }
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        self.store.get(id)
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        let mut page = self.store.list(filter).now_or_never().unwrap();
        if let (Fault::Pages, Ok(page)) = (self.fault, &mut page) {
            page.next = None;
        }
        RegistryFuture::ready(page)
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        self.store.audit(filter)
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.store.suspended(holders)
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        match self.fault {
            Fault::Holders => RegistryFuture::ready(Ok(Vec::new())),
            _ => self.store.holders(after),
        }
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        let mut tombs = self.store.removed(after).now_or_never().unwrap().unwrap();
        if self.fault == Fault::Tombstones {
            for tomb in &mut tombs {
                tomb.pepper = None;
            }
        }
        RegistryFuture::ready(Ok(tombs))
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        match self.fault {
            Fault::Peppers => RegistryFuture::ready(Ok(Vec::new())),
            Fault::Removed => {
                let counts = self.store.count_by_pepper().now_or_never().unwrap().unwrap();
                RegistryFuture::ready(Ok(counts.into_iter().map(|count| count.removed(0)).collect()))
            }
            _ => self.store.count_by_pepper(),
        }
    }
}

async fn conforms(fault: Fault) -> bool {
    let checked = conformance::check(async || Broken { store: MemoryKeyStore::new(), fault });
    AssertUnwindSafe(checked).catch_unwind().await.is_ok()
}

#[tokio::test]
async fn the_suite_finds_each_fault() {
    assert!(conforms(Fault::None).await, "the wrapper itself is a store");
    for fault in [
        Fault::Suspension,
        Fault::Revocation,
        Fault::Audit,
        Fault::Uses,
        Fault::Tombs,
        Fault::Pages,
        Fault::Locks,
        Fault::Peppers,
        Fault::Bury,
        Fault::Removed,
        Fault::Moved,
        Fault::Unburied,
        Fault::Tombstones,
        Fault::Batches,
        Fault::Forgets,
        Fault::HalfErased,
        Fault::Reinstates,
        Fault::Holders,
        Fault::UnreadLimits,
        Fault::Calendar,
    ] {
        assert!(!conforms(fault).await, "{fault:?} is not noticed");
    }
}
