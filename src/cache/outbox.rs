//! Announcements that may not have arrived yet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Announcement, Changed, core::Core};
use crate::BoxError;

/// The most announcements that wait to be sent. More are one: that everything may have changed.
const MOST_WAITING: usize = 1_000;

#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Vec<Announcement>>,
    /// Held by the one who sends. What is being sent may not arrive, so a call that has nothing else to send waits for it.
    sending: tokio::sync::Mutex<()>,
}

impl Core {
    /// Applies changes here, and keeps them until they are announced.
    pub(super) fn owe(&self, what: &[Announcement]) {
        for one in what {
            self.apply(*one);
        }
        if self.changes.is_some() {
            self.outbox.add(what);
        }
    }

    /// Applies changes here, and announces them, with those that could not be announced before. If the future is dropped, they
    /// are sent later.
    ///
    /// # Errors
    /// If a subscriber may not have been told. They are sent again later.
    pub(super) async fn tell(&self, what: &[Announcement]) -> Result<(), BoxError> {
        self.owe(what);
        let Some(changes) = &self.changes else { return Ok(()) };
        let turn = self.outbox.sending.lock().await;
        let mut batch = self.outbox.take();
        // If there are none, another call has sent them meanwhile.
        if !batch.what.is_empty() {
            changes.announce(&batch.what).await?;
            batch.what.clear();
        }
        drop(batch);
        drop(turn);
        Ok(())
    }

    /// Sends again what may not have arrived.
    pub(super) async fn tell_again(&self) -> Result<(), BoxError> {
        if self.outbox.lock().is_empty() { Ok(()) } else { self.tell(&[]).await }
    }
}

impl Outbox {
    fn add(&self, what: &[Announcement]) {
        let mut waiting = self.lock();
        waiting.extend_from_slice(what);
        if waiting.len() > MOST_WAITING {
            *waiting = vec![Announcement::from(Changed::Everything)];
        }
    }

    fn take(&self) -> Batch<'_> {
        Batch { outbox: self, what: std::mem::take(&mut *self.lock()) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Announcement>> {
        // Nothing panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is being sent. Unless it has arrived, it waits again.
struct Batch<'o> {
    outbox: &'o Outbox,
    what: Vec<Announcement>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if !self.what.is_empty() {
            self.outbox.add(&self.what);
        }
    }
}
