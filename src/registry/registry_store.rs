use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    AuditFilter, AuditRow, Change, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryError, Tombstone,
};
use crate::{KeyDigest, MaybeReady};

/// The result of a [`RegistryStore`]: ready, or a boxed future.
///
/// ```
/// use tower_auth::registry::{Entry, RegistryFuture};
///
/// let nothing: RegistryFuture<Option<Entry>> = RegistryFuture::ready(Ok(None));
/// ```
pub type RegistryFuture<T> = MaybeReady<Result<T, RegistryError>>;

/// What a [`KeyRegistry`](super::KeyRegistry) decides, as a store runs it: the entries in, the changes out.
///
/// ```
/// use tower_auth::registry::{Change, Decide};
///
/// let nothing: Decide = Box::new(|entries| Ok(entries.iter().cloned().map(Change::Update).collect()));
/// ```
pub type Decide = Box<dyn FnOnce(&[Entry]) -> Result<Vec<Change>, RegistryError> + Send>;

/// Where a [`KeyRegistry`](super::KeyRegistry) keeps its keys and its audit log, such as the tables of a database.
///
/// The registry decides every change; the store carries it out. All futures own their data: clone a pool into them. A
/// future that is dropped before it has answered leaves everything or nothing of the change.
///
/// `testing::conformance` checks an implementation, such as your own over an existing table.
///
/// ```
/// use tower_auth::{MemoryKeyStore, registry::RegistryStore};
///
/// async fn names(store: &dyn RegistryStore) -> Option<String> {
///     let entry = store.get("key_1").await.ok()??;
///     Some(entry.key().name().to_owned())
/// }
/// # drop(names(&MemoryKeyStore::new()));
/// ```
pub trait RegistryStore: Send + Sync + 'static {
    /// Runs one transaction: reads the entries with these ids and locks them, calls `decide` with those that exist, in any
    /// order, carries out all changes in their order, and returns the changes. If `decide` refuses, nothing is changed.
    ///
    /// Two transactions that share an id run one after the other. `decide` must not be called while the store holds a lock
    /// that a lookup of a guard waits for longer than this call takes.
    ///
    /// When it returns, the next lookup of a guard sees the changes, and they survive a crash.
    ///
    /// # Errors
    /// The refusal of `decide`, [`AlreadyExists`](RegistryError::AlreadyExists) and
    /// [`Revoked`](RegistryError::Revoked) as [`Change::Create`] says, or that the store does not answer.
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>>;

    /// Removes one batch of what is to be forgotten, in a transaction of its own: at most so many rows. Returns how many rows
    /// were changed or removed; zero if nothing is left. A registry calls it until then, so that other changes wait for one
    /// batch at the most. Each batch leaves a state that a repeated call goes on from, also after a crash.
    ///
    /// # Errors
    /// If the store does not answer.
    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize>;

    /// Returns the entry with this id, even if the key was deleted.
    ///
    /// # Errors
    /// If the store does not answer.
    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>>;

    /// Lists the selected entries in the order of their creation.
    ///
    /// # Errors
    /// If the store does not answer.
    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>>;

    /// Lists the selected rows of the audit log.
    ///
    /// # Errors
    /// If the store does not answer.
    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>>;

    /// Returns which of these holders are suspended, and since when.
    ///
    /// # Errors
    /// If the store does not answer.
    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>>;

    /// Lists all suspended holders, and since when, in the order of [`Holder`]: at most 1000 that come after this one. An
    /// empty list is the end.
    ///
    /// # Errors
    /// If the store does not answer.
    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>>;

    /// Lists the tombstones of removed keys and of digests that were replaced, in the order of the bytes of the digest: at
    /// most 1000 that come after this digest. An empty list is the end.
    ///
    /// # Errors
    /// If the store does not answer.
    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>>;

    /// Counts the keys, and the tombstones of removed keys, by the version of the pepper of their digests: first plain
    /// SHA-256, then the versions in their order. Deleted keys count, and tombstones of
    /// [moved](Tombstone::moved) digests do not. A version that counts nothing is left out.
    ///
    /// # Errors
    /// If the store does not answer.
    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>>;

    /// Returns how long after a change has returned a cache of any process may still answer by what was before: what the caches
    /// of this store promise. A store that wraps another one passes the call on; the default is zero, for a store that nobody
    /// caches.
    ///
    /// # Errors
    /// If the store does not answer.
    fn staleness(&self) -> RegistryFuture<Duration> {
        RegistryFuture::ready(Ok(Duration::ZERO))
    }
}

impl<S: RegistryStore + ?Sized> RegistryStore for Arc<S> {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        (**self).transact(ids, decide)
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        (**self).forget(what, limit)
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        (**self).get(id)
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        (**self).list(filter)
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        (**self).audit(filter)
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        (**self).suspended(holders)
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        (**self).holders(after)
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        (**self).removed(after)
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        (**self).count_by_pepper()
    }

    fn staleness(&self) -> RegistryFuture<Duration> {
        (**self).staleness()
    }
}
