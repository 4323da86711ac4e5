//! What is done in the background.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{Usage, UsageError};
use crate::{Health, Task};

/// How often old rows are removed, and how soon it is tried again after a failure.
const HOUSEKEEPING: Duration = Duration::from_secs(3600);
const AGAIN: Duration = Duration::from_secs(60);

type Trouble = Arc<Mutex<Option<Arc<str>>>>;

impl Usage {
    /// Starts to write the counts, every five seconds by default ([`UsagePolicy::flush_every`](super::UsagePolicy::flush_every)),
    /// and to remove old ones every hour. The task stops when the returned [`Task`] is dropped; [`Task::stop`] writes what was
    /// counted before it stops. A crash loses what was counted since the last time.
    ///
    /// While the store fails, the health is [`Health::Degraded`], the counts are kept, and no request waits. Call this method
    /// inside a tokio runtime.
    ///
    /// ```
    /// use tower_auth::{Task, Usage};
    ///
    /// async fn serve(usage: Usage) {
    ///     let upkeep = usage.start();
    ///     // … serve …
    ///     upkeep.stop().await;
    /// }
    /// ```
    pub fn start(&self) -> Task {
        let trouble = Trouble::default();
        let (usage, told) = (self.clone(), Arc::clone(&trouble));
        let health = move || match &*told.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Health::Good,
            Some(why) => Health::Degraded(Arc::clone(why)),
        };
        Task::spawn(|stop| async move { usage.keep(&stop, &trouble).await }, health)
    }

    async fn keep(self, stop: &Notify, trouble: &Trouble) {
        let mut due = Duration::ZERO;
        loop {
            let mut outcome = self.flush().await;
            if outcome.is_ok() && self.clock().elapsed() >= due {
                outcome = self.forget().await;
                let pause = if outcome.is_ok() { HOUSEKEEPING } else { AGAIN };
                due = self.clock().elapsed().saturating_add(pause);
            }
            note(trouble, outcome);
            tokio::select! {
                () = stop.notified() => break,
                () = self.clock().sleep(self.policy().flush_every) => {}
            }
        }
        note(trouble, self.flush().await);
    }
}

/// Remembers the trouble, and logs it when it begins and when it ends.
fn note(trouble: &Trouble, outcome: Result<(), UsageError>) {
    let now = outcome.err().map(|error| Arc::from(error.to_string()));
    let mut known = trouble.lock().unwrap_or_else(PoisonError::into_inner);
    match (&*known, &now) {
        (None, Some(why)) => {
            tracing::warn!(target: "tower_auth", %why, "the counts of the usage wait for the store; it is tried again");
        }
        (Some(_), None) => tracing::info!(target: "tower_auth", "the counts of the usage are written again"),
        _ => {}
    }
    *known = now;
}
