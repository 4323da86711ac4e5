//! Looks whether the file has changed.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

use super::{
    source::Stamp,
    store::{FileKeyStore, Inner},
};
use crate::{Clock, Health, Task};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

impl FileKeyStore {
    /// Starts a task that looks every second whether the file has changed, and reads it again then. The task stops when the
    /// returned [`Task`] is dropped.
    ///
    /// It notices a file that is written in place, one that is renamed over it, and a symbolic link that leads elsewhere, as
    /// Kubernetes changes mounted files. A file that is half written is refused, and read again a second later. Call this
    /// method inside a tokio runtime.
    ///
    /// ```
    /// use tower_auth::{BoxError, FileKeyStore};
    ///
    /// async fn serve(keys: FileKeyStore) {
    ///     let follow = keys.start();
    ///     // … serve …
    ///     follow.stop().await;
    /// }
    /// ```
    pub fn start(&self) -> Task {
        let (keys, told) = (Arc::clone(&self.0), self.clone());
        Task::spawn(|stop| follow(keys, stop), move || told.health())
    }

    /// Returns [`Health::Good`], or [`Health::Degraded`] if the file cannot be read or has an error, so that an older content
    /// is in force. [`Task::health`] of the task from [`start`](Self::start) returns the same.
    #[must_use]
    pub fn health(&self) -> Health {
        let trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.as_ref().map_or(Health::Good, |why| Health::Degraded(Arc::clone(why)))
    }
}

async fn follow(keys: Arc<Inner>, stop: Arc<Notify>) {
    let clock = Clock::system();
    loop {
        let looking = Arc::clone(&keys);
        // A panic ends the look and not the task.
        let _ = tokio::task::spawn_blocking(move || looking.look()).await;
        tokio::select! {
            () = clock.sleep(LOOK) => {}
            () = stop.notified() => return,
        }
    }
}

impl Inner {
    /// Reads the file if it has changed, if its last change is so recent that another one could look the same, or if it was
    /// not correct: its folder or its owner may be what was changed.
    fn look(&self) {
        let mut looked = self.looked();
        let seen = looked.0.as_ref().filter(|seen| Stamp::at(&self.path).as_ref() == Some(seen));
        let same = seen.is_some_and(|seen| seen.is_settled(SystemTime::now()));
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !same || trouble {
            // The outcome is noted.
            let _ = self.read_again(&mut looked);
        }
    }
}
