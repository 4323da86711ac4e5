//! Alerts on their way to their owners.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

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
        let (mut delivered, mut trouble) = (0, None);
        loop {
            let now = self.now();
            let claimed = self.answer(self.store.claim(now, now + CLAIM, AT_ONCE)).await?;
            if claimed.is_empty() {
                return trouble.map_or(Ok(delivered), Err);
            }
            for (record, outcome) in self.deliver_all(&sink, claimed).await {
                let settled = self.settled(&record, &outcome);
                // At once, so that few are delivered twice if the process ends.
                self.answer(self.store.settle(vec![(record.alert.id.clone(), settled)])).await?;
                match outcome {
                    Ok(()) => delivered += 1,
                    Err(why) => trouble = Some(AlertError::Delivery(why.to_string().into())),
                }
            }
        }
    }

    async fn deliver_all(&self, sink: &Sink, claimed: Vec<AlertRecord>) -> Vec<(AlertRecord, Result<(), BoxError>)> {
        let mut all = JoinSet::new();
        let records = claimed.clone();
        for (place, record) in claimed.into_iter().enumerate() {
            let (sink, clock, timeout) = (Arc::clone(sink), self.clock().clone(), self.policy.delivery_timeout);
            all.spawn(async move {
                let outcome = clock.within(timeout, sink(record.alert)).await;
                (place, outcome.unwrap_or_else(|late| Err(format!("the receiver {late}").into())))
            });
        }
        let mut outcomes: Vec<Option<Result<(), BoxError>>> = records.iter().map(|_| None).collect();
        while let Some(joined) = all.join_next().await {
            if let Ok((place, outcome)) = joined {
                outcomes[place] = Some(outcome);
            }
        }
        let panicked = || Err(BoxError::from("the function that delivers alerts panicked"));
        records.into_iter().zip(outcomes).map(|(record, outcome)| (record, outcome.unwrap_or_else(panicked))).collect()
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

/// Returns the time from this attempt to the next one.
fn pause(attempts: u32) -> Duration {
    const SECONDS: [u64; 7] = [10, 60, 300, 1_800, 7_200, 18_000, 36_000];
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX).min(SECONDS.len() - 1);
    Duration::from_secs(SECONDS[place])
}
