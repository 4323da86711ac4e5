//! What is done in the background.

use std::time::Duration;

use tokio::sync::Notify;

use super::SigningKeys;
use crate::{
    Task,
    base::{error::with_causes, trouble::Trouble},
};

/// How often the keys are read.
const EVERY: Duration = Duration::from_secs(60);

impl SigningKeys {
    /// Starts to read the keys of the store every minute, and to rotate them when the policy says so. The task stops when the returned
    /// [`Task`] is dropped.
    ///
    /// While the store fails or a [clock is wrong](crate::session::signing#wrong-clocks), the health is
    /// [`Health::Degraded`](crate::Health::Degraded) and the keys in memory sign and verify. Call this method inside a tokio
    /// runtime.
    ///
    /// ```
    /// use tower_auth::{Task, session::signing::SigningKeys};
    ///
    /// async fn serve(keys: SigningKeys) {
    ///     let upkeep = keys.start();
    ///     // … serve …
    ///     upkeep.stop().await;
    /// }
    /// ```
    pub fn start(&self) -> Task {
        let trouble = Trouble::new(
            "the signing keys cannot be refreshed; the keys in memory stay in use, and it is tried again every minute",
            "the signing keys are refreshed again",
        );
        let (keys, told) = (self.clone(), trouble.clone());
        Task::spawn(|stop| async move { keys.keep(&stop, &trouble).await }, move || told.health())
    }

    async fn keep(self, stop: &Notify, trouble: &Trouble) {
        loop {
            tokio::select! {
                () = stop.notified() => return,
                outcome = self.refresh() => trouble.note(outcome.map_err(|error| with_causes(&*error))),
            }
            tokio::select! {
                () = stop.notified() => return,
                () = self.clock().sleep(EVERY) => {}
            }
        }
    }
}
