//! What is noted when a key is used: that it was used, and that its digest is of an old pepper.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use crate::{BoxError, Clock, KeyDigest, KeyDigests, KeyRecord};

/// What is to be written. Clones share it.
#[derive(Clone)]
pub(super) struct Notes(Arc<Shared>);

struct Shared {
    current: Option<u32>,
    clock: Clock,
    pending: Mutex<Pending>,
}

/// What was noted since the last time it was taken.
#[derive(Clone, Default)]
pub(super) struct Pending {
    pub(super) uses: HashMap<String, SystemTime>,
    /// The digest of each key under the current pepper.
    pub(super) digests: HashMap<String, KeyDigest>,
}

/// The number of keys that are noted, of each kind. Others are noted when they are used again.
const MOST: usize = 10_000;

impl Notes {
    pub(super) fn new(current: Option<u32>, clock: Clock) -> Self {
        Self(Arc::new(Shared { current, clock, pending: Mutex::default() }))
    }

    /// Takes all notes.
    #[cfg(feature = "tokio")]
    pub(super) fn take(&self) -> Pending {
        std::mem::take(&mut *self.pending())
    }

    /// Puts notes back that could not be written.
    #[cfg(feature = "tokio")]
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
    pub(super) fn note(&self, found: &Result<Option<KeyRecord>, BoxError>, key: &KeyDigests) {
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
        // The guards may have another order of peppers than the registry.
        let digest = key.versions().find(|(version, _)| *version == self.0.current).map(|(_, digest)| *digest);
        if let Some(digest) = digest.filter(|_| pending.digests.len() < MOST) {
            pending.digests.insert(record.id().to_owned(), digest);
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

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.pending();
        f.debug_struct("Notes").field("uses", &pending.uses.len()).field("digests", &pending.digests.len()).finish()
    }
}
