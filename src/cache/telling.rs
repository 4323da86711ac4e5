//! What a change that is under way will have to announce.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    Announcement, Changed,
    core::{Batch, Core},
};
use crate::BoxError;

/// Announcements of a change that is under way. If its future is dropped, it may have been carried out: what it concerns
/// is invalidated, and announced later.
pub(super) struct Telling {
    core: Arc<Core>,
    what: Arc<Mutex<Vec<Announcement>>>,
}

impl Telling {
    pub(super) fn new(core: &Arc<Core>, what: Vec<Announcement>) -> Self {
        Self { core: Arc::clone(core), what: Arc::new(Mutex::new(what)) }
    }

    /// Returns a function that says what the change will announce, as soon as it is decided.
    pub(super) fn note(&self) -> impl FnOnce(Vec<Announcement>) + Send + 'static {
        let noted = Arc::clone(&self.what);
        move |what| *noted.lock().unwrap_or_else(PoisonError::into_inner) = what
    }

    fn take(&self) -> Vec<Announcement> {
        // Nothing panics while it holds the lock.
        std::mem::take(&mut *self.what.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Announces the changes after they were carried out, or may have been.
    pub(super) async fn tell(self) -> Result<(), BoxError> {
        let what = self.take();
        // That a key is new needs no promise, and with an error its secret would be lost. It is announced again later.
        let is_needed = what.iter().any(|one| *one != Announcement::from(Changed::NewKey));
        let told = self.core.tell(what).await;
        if !is_needed {
            return Ok(());
        }
        told.map_err(|why| {
            let text = format!(
                "the change was made, but not every process may have heard of it: {why}; help: repeat the call, or wait: it is \
                 announced again until that works"
            );
            text.into()
        })
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        drop(Batch::new(&self.core, self.take()));
    }
}
