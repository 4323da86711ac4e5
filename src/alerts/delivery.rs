//! Alerts on their way to their owners.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::task::{self, JoinSet};

use super::{AlertError, AlertRecord, Alerts, Settled, alert_store::Sink};
use crate::BoxError;

/// How long no other process delivers an alert that this process delivers: longer than a delivery may take.
const CLAIM: Duration = Duration::from_secs(60);
/// The number of alerts that are delivered at the same time.
const AT_ONCE: usize = 16;

impl Alerts {
    /// Delivers the alerts that are due, and returns how many were delivered. `start` does this every [ten
    /// seconds](super::AlertPolicy::check_every). Without [`on_event`](Self::on_event) or [`deliver_to`](Self::deliver_to), alerts
    /// wait. It must be called inside a tokio runtime.
    ///
    /// # Errors
    /// If the store does not answer, or the last delivery that failed. It is tried again later.
    pub async fn deliver(&self) -> Result<usize, AlertError> {
        let Some(sink) = self.sink.clone() else { return Ok(0) };
        // What fails now is due later, and not again in this call.
        let (due, mut under_way, mut outcome) = (self.now(), UnderWay::default(), Ok(0));
        let mut is_more = true;
        loop {
            let room = AT_ONCE.saturating_sub(under_way.records.len());
            if is_more && room > 0 {
                let claim = self.store.claim(due, self.now() + CLAIM, room);
                let claimed = self.answer(claim).await.unwrap_or_else(|error| {
                    outcome = Err(error);
                    Vec::new()
                });
                is_more = claimed.len() == room;
                for record in claimed {
                    under_way.begin(self, &sink, record);
                }
            }
            let Some((record, delivered)) = under_way.next().await else { return outcome };
            let part = self.settle(&record, delivered).await;
            outcome = outcome.and_then(|count| part.map(|()| count + 1));
        }
    }

    /// Notes the outcome at once, so that few alerts are delivered twice if the process ends.
    async fn settle(&self, record: &AlertRecord, delivered: Result<(), BoxError>) -> Result<(), AlertError> {
        let settled = self.settled(record, &delivered);
        self.answer(self.store.settle(vec![(record.alert.id.clone(), settled)])).await?;
        delivered.map_err(|why| AlertError::Delivery(why.to_string().into()))
    }

    fn settled(&self, record: &AlertRecord, outcome: &Result<(), BoxError>) -> Settled {
        let now = self.now();
        let Err(why) = outcome else { return Settled::Delivered { at: now } };
        let age = now.duration_since(record.alert.at).unwrap_or_default();
        if record.attempts > 1 && age >= self.policy.give_up_after {
            tracing::error!(
                target: "tower_auth",
                alert = record.alert.id,
                attempts = record.attempts,
                %why,
                "an alert could not be delivered and is given up; it stays in the list of alerts"
            );
            return Settled::GivenUp;
        }
        Settled::Again { at: now + pause(record.attempts) }
    }
}

/// The deliveries that have begun.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<Result<(), BoxError>>,
    records: HashMap<task::Id, AlertRecord>,
}

impl UnderWay {
    fn begin(&mut self, alerts: &Alerts, sink: &Sink, record: AlertRecord) {
        let (sink, clock, timeout) = (Arc::clone(sink), alerts.clock().clone(), alerts.policy.delivery_timeout);
        let alert = record.alert.clone();
        let task = self.tasks.spawn(async move {
            let outcome = clock.within(timeout, sink(alert)).await;
            outcome.unwrap_or_else(|late| Err(format!("the receiver {late}").into()))
        });
        self.records.insert(task.id(), record);
    }

    /// Returns the next one that has ended; `None` if none is left.
    async fn next(&mut self) -> Option<(AlertRecord, Result<(), BoxError>)> {
        loop {
            let (id, outcome) = match self.tasks.join_next_with_id().await? {
                Ok(ended) => ended,
                Err(panicked) => (panicked.id(), Err("the function that delivers alerts panicked".into())),
            };
            if let Some(record) = self.records.remove(&id) {
                return Some((record, outcome));
            }
        }
    }
}

/// Returns the time from this attempt to the next one.
fn pause(attempts: u32) -> Duration {
    const SECONDS: [u64; 7] = [10, 60, 300, 1_800, 7_200, 18_000, 36_000];
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX).min(SECONDS.len() - 1);
    Duration::from_secs(SECONDS[place])
}
