//! What is done in the background.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{Outdated, SessionError, Sessions, standing::LEEWAY};
use crate::{Health, Task, base::trouble::Trouble};

/// How often old rows are removed, and how soon it is tried again after a failure.
const HOUSEKEEPING: Duration = Duration::from_secs(3600);
const AGAIN: Duration = Duration::from_secs(60);
/// The number of rows that are removed at once.
const BATCH: usize = 1_000;

impl Sessions {
    /// Starts to renew the signing keys when they are due, and to remove sessions and denials that can no longer
    /// matter, every hour. The task stops when the returned [`Task`] is dropped.
    ///
    /// Several processes may run it on one store. While a store fails, the health is
    /// [`Health::Degraded`](crate::Health::Degraded), and it is tried again. Call this method inside a tokio runtime.
    ///
    /// ```
    /// use tower_auth::session::Sessions;
    ///
    /// async fn serve(sessions: Sessions) {
    ///     let upkeep = sessions.start();
    ///     // … serve …
    ///     upkeep.stop().await;
    /// }
    /// ```
    pub fn start(&self) -> Task {
        let trouble =
            Trouble::new("old sessions could not be removed; it is tried again", "old sessions are removed again");
        let keys = Arc::new(self.issuer().keys().start());
        let (sessions, told, signing) = (self.clone(), trouble.clone(), Arc::clone(&keys));
        let health = move || if signing.health() == Health::Good { told.health() } else { signing.health() };
        Task::spawn(|stop| async move { sessions.keep(&stop, &trouble, keys).await }, health)
    }

    async fn keep(self, stop: &Notify, trouble: &Trouble, _keys: Arc<Task>) {
        tokio::select! {
            () = stop.notified() => {}
            () = self.keep_forgetting(trouble) => {}
        }
    }

    async fn keep_forgetting(&self, trouble: &Trouble) {
        loop {
            let outcome = self.forget().await;
            let pause = if outcome.is_ok() { HOUSEKEEPING } else { AGAIN };
            trouble.note(outcome);
            self.clock().sleep(pause).await;
        }
    }

    /// Removes sessions whose tokens have all expired, denials of expired tokens, and cut-offs that concern no session
    /// any more.
    async fn forget(&self) -> Result<(), SessionError> {
        let (now, policy) = (self.clock().now(), self.policy());
        let before = |span: Duration| now.checked_sub(span).unwrap_or(std::time::SystemTime::UNIX_EPOCH);
        let tokens = policy.access + LEEWAY;
        let outdated = Outdated::new(before(tokens), before(policy.absolute + tokens));
        while self.answer(self.0.store.forget(&outdated, BATCH)).await? > 0 {
            // A store in memory answers at once, and others must have their turn.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
