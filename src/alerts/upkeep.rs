//! What is done in the background.

use std::time::Duration;

use tokio::sync::Notify;

use super::Alerts;
use crate::{Health, Task, base::trouble::Trouble};

/// How soon a scan that failed is tried again.
const AGAIN: Duration = Duration::from_secs(60);

impl Alerts {
    /// Starts to look for alerts and to deliver them, as the [`AlertPolicy`](super::AlertPolicy) says. The task stops when the
    /// returned [`Task`] is dropped; [`Task::stop`] looks and delivers once more before it stops: it waits for one delivery of each alert that is due. Stop the task of the
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
        let trouble = [
            Trouble::new("the look for alerts failed and is repeated", "the look for alerts works again"),
            Trouble::new("alerts wait to be delivered, and are tried again", "alerts are delivered again"),
        ];
        let (alerts, told) = (self.clone(), trouble.clone());
        let health = move || {
            let [looking, delivering] = told.each_ref().map(Trouble::health);
            if looking == Health::Good { delivering } else { looking }
        };
        Task::spawn(|stop| async move { alerts.keep(&stop, &trouble).await }, health)
    }

    async fn keep(self, stop: &Notify, trouble: &[Trouble; 2]) {
        let [looking, delivering] = trouble;
        // A receiver that is slow holds up no look, and no stop: what was being delivered then is delivered again.
        tokio::select! {
            () = self.keep_looking(stop, looking) => {}
            () = self.keep_delivering(delivering) => {}
        }
        looking.note(self.check().await);
        delivering.note(self.deliver().await);
    }

    async fn keep_looking(&self, stop: &Notify, trouble: &Trouble) {
        let (mut due, mut scanned) = (Duration::ZERO, Ok(()));
        loop {
            if self.clock().elapsed() >= due {
                scanned = self.scan().await.and(self.forget().await);
                let pause = if scanned.is_ok() { self.policy.scan_every } else { AGAIN };
                due = self.clock().elapsed().saturating_add(pause);
            }
            trouble.note(self.check().await.and(scanned.clone()));
            tokio::select! {
                () = stop.notified() => return,
                () = self.clock().sleep(self.policy.check_every) => {}
            }
        }
    }

    async fn keep_delivering(&self, trouble: &Trouble) {
        loop {
            trouble.note(self.deliver().await);
            self.clock().sleep(self.policy.check_every).await;
        }
    }
}
