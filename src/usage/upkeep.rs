//! What is done in the background.

use std::time::Duration;

use tokio::sync::Notify;

use super::Usage;
use crate::{Task, base::trouble::Trouble};

/// How often old rows are removed, and how soon it is tried again after a failure.
const HOUSEKEEPING: Duration = Duration::from_secs(3600);
const AGAIN: Duration = Duration::from_secs(60);

impl Usage {
    /// Starts to write the counts, every five seconds by default ([`UsagePolicy::flush_every`](super::UsagePolicy::flush_every)),
    /// and to remove old ones every hour. The task stops when the returned [`Task`] is dropped; [`Task::stop`] writes what was
    /// counted before it stops. A crash loses what was counted since the last time.
    ///
    /// While the store fails, the health is [`Health::Degraded`](crate::Health::Degraded), the counts are kept, and no request waits. Call this method
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
        let trouble = Trouble::new(
            "the counts of the usage wait for the store; it is tried again",
            "the counts of the usage are written again",
        );
        let (usage, told) = (self.clone(), trouble.clone());
        Task::spawn(|stop| async move { usage.keep(&stop, &trouble).await }, move || told.health())
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
            trouble.note(outcome);
            tokio::select! {
                () = stop.notified() => break,
                () = self.clock().sleep(self.policy().flush_every) => {}
            }
        }
        trouble.note(self.flush().await);
    }
}
