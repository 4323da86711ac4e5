//! How changes are announced to other processes.

use super::{Announcement, core::Core};
use crate::BoxError;

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
        if self.outbox.is_empty() { Ok(()) } else { self.tell(&[]).await }
    }
}
