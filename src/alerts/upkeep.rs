//! What is done in the background.

use std::time::Duration;

use tokio::sync::Notify;

use super::{AlertError, Alerts};
use crate::{Task, base::trouble::Trouble};

/// How soon a scan that failed is tried again.
const AGAIN: Duration = Duration::from_secs(60);

impl Alerts {
    /// Starts to look for alerts and to deliver them, as the [`AlertPolicy`](super::AlertPolicy) says. The task stops when the
    /// returned [`Task`] is dropped; [`Task::stop`] looks and delivers once more before it stops. Stop the task of the
    /// [`Usage`](crate::Usage) first, so that this one sees what was written last.
    ///
    /// While a store fails or a delivery does, the health is [`Health::Degraded`](crate::Health::Degraded), and it is tried again.
    /// Several processes may run it on one store: each alert is raised once. Call this method inside a tokio runtime.
    ///
    /// ```
    /// use tower_auth::{Task, Usage, alerts::Alerts};
    ///
    /// async fn serve(usage: Usage, alerts: Alerts) {
    ///     let (usage, alerts) = (usage.start(), alerts.start());
    ///     // … serve …
    ///     usage.stop().await;
    ///     alerts.stop().await;
    /// }
    /// ```
    pub fn start(&self) -> Task {
        let trouble = Trouble::new("alerts wait and are tried again", "alerts are raised and delivered again");
        let (alerts, told) = (self.clone(), trouble.clone());
        Task::spawn(|stop| async move { alerts.keep(&stop, &trouble).await }, move || told.health())
    }

    async fn keep(self, stop: &Notify, trouble: &Trouble) {
        let (mut due, mut scanned) = (Duration::ZERO, Ok(()));
        loop {
            if self.clock().elapsed() >= due {
                scanned = self.scan().await.and(self.forget().await);
                let pause = if scanned.is_ok() { self.policy.scan_every } else { AGAIN };
                due = self.clock().elapsed().saturating_add(pause);
            }
            trouble.note(self.look().await.and(scanned.clone()));
            tokio::select! {
                () = stop.notified() => break,
                () = self.clock().sleep(self.policy.check_every) => {}
            }
        }
        trouble.note(self.look().await);
    }

    async fn look(&self) -> Result<(), AlertError> {
        let checked = self.check().await;
        let delivered = self.deliver().await.map(drop);
        checked.and(delivered)
    }
}
