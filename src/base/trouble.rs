//! What troubles a background task: for its health, and for the log.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::task::Health;

/// The present trouble of a task, if it has any. Clones share it.
#[derive(Clone)]
pub(crate) struct Trouble {
    now: Arc<Mutex<Option<Arc<str>>>>,
    begins: &'static str,
    ends: &'static str,
}

impl Trouble {
    /// Creates a task without trouble, with what the log says when trouble begins and when it ends.
    pub(crate) fn new(begins: &'static str, ends: &'static str) -> Self {
        Self { now: Arc::default(), begins, ends }
    }

    /// Remembers the trouble, and logs it when it begins and when it ends.
    pub(crate) fn note<T>(&self, outcome: Result<T, impl Display>) {
        let now = outcome.err().map(|error| Arc::from(error.to_string()));
        let mut known = self.lock();
        match (&*known, &now) {
            (None, Some(why)) => tracing::warn!(target: "tower_auth", %why, "{}", self.begins),
            (Some(_), None) => tracing::info!(target: "tower_auth", "{}", self.ends),
            _ => {}
        }
        *known = now;
    }

    /// Does the same, and logs each other trouble too.
    #[cfg(feature = "cache")]
    pub(crate) fn note_each<T>(&self, outcome: Result<T, impl Display>) {
        let before = self.lock().clone();
        self.note(outcome);
        let now = self.lock().clone();
        if let (Some(before), Some(why)) = (before, now)
            && before != why
        {
            tracing::warn!(target: "tower_auth", %why, "{}", self.begins);
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.lock().as_ref().map_or(Health::Good, |why| Health::Degraded(Arc::clone(why)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        // Nothing panics under the lock.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
