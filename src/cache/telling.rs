//! What a change that is under way will have to announce.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering};

use super::{Announcement, Changed, core::Core};
use crate::{BoxError, MaybeReady};

/// Announcements of a change that is under way. If its future is dropped, the change may have been made, or may be made later:
/// what it concerns is invalidated, and announced by the task of the cache.
pub(super) struct Telling {
    core: Arc<Core>,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Default)]
struct Noted {
    what: Vec<Announcement>,
    /// Nobody waits for the change any more. A store may decide it all the same, on a thread of its own.
    is_left: bool,
}

impl Telling {
    pub(super) fn new(core: &Arc<Core>, what: Vec<Announcement>) -> Self {
        Self { core: Arc::clone(core), noted: Arc::new(Mutex::new(Noted { what, is_left: false })) }
    }

    /// Returns a function that says what the change will announce, as soon as it is decided.
    pub(super) fn note(&self) -> impl FnOnce(Vec<Announcement>) + Send + 'static {
        let (core, noted) = (Arc::clone(&self.core), Arc::clone(&self.noted));
        move |what| {
            let mut noted = lock(&noted);
            if noted.is_left {
                core.owe(&what);
            } else {
                noted.what = what;
            }
        }
    }

    /// Announces a change when it has ended, also if it has failed: it may have been made.
    pub(super) fn after<T, E>(self, change: MaybeReady<Result<T, E>>) -> MaybeReady<Result<T, E>>
    where
        T: Send + 'static,
        E: From<BoxError> + Send + 'static,
    {
        MaybeReady::boxed(async move {
            let ended = change.await;
            let told = self.tell().await;
            let value = ended?;
            told?;
            Ok(value)
        })
    }

    async fn tell(self) -> Result<(), BoxError> {
        let what = std::mem::take(&mut lock(&self.noted).what);
        // That a key is new needs no promise, and with an error its secret would be lost. It is announced again later.
        let is_needed = what.iter().any(|one| *one != Announcement::from(Changed::NewKey));
        match self.core.tell(&what).await {
            Err(why) if is_needed => Err(self.not_told(&why)),
            _ => Ok(()),
        }
    }

    fn not_told(&self, why: &BoxError) -> BoxError {
        let help = if self.core.link.is_started.load(Ordering::Relaxed) {
            "repeat the call, or wait: the task of the cache announces it again until that works"
        } else {
            "repeat the call until it works; the task of the cache, which would announce it again, is not started"
        };
        format!("the change was made, but not every process may have heard of it: {why}; help: {help}").into()
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let mut noted = lock(&self.noted);
        noted.is_left = true;
        self.core.owe(&std::mem::take(&mut noted.what));
    }
}

fn lock(noted: &Mutex<Noted>) -> MutexGuard<'_, Noted> {
    // Nothing panics while it holds the lock.
    noted.lock().unwrap_or_else(PoisonError::into_inner)
}
