//! Announcements that may not have arrived yet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Announcement, Changed};

/// The most announcements that wait to be sent. More are one: that everything may have changed.
const MOST_WAITING: usize = 1_000;

#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Vec<Announcement>>,
    /// Held by the one who sends. What is being sent may not arrive, so a call that has nothing else to send waits for it.
    pub(super) sending: tokio::sync::Mutex<()>,
}

impl Outbox {
    pub(super) fn add(&self, what: &[Announcement]) {
        let mut waiting = self.lock();
        waiting.extend_from_slice(what);
        if waiting.len() > MOST_WAITING {
            *waiting = vec![Announcement::from(Changed::Everything)];
        }
    }

    pub(super) fn take(&self) -> Batch<'_> {
        Batch { outbox: self, what: std::mem::take(&mut *self.lock()) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Announcement>> {
        // Nothing panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is being sent. Unless it has arrived, it waits again.
pub(super) struct Batch<'o> {
    outbox: &'o Outbox,
    pub(super) what: Vec<Announcement>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if !self.what.is_empty() {
            self.outbox.add(&self.what);
        }
    }
}
