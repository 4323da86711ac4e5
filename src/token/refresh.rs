//! Fetches keys in the background, before requests need them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

use super::{
    keys::{Fetched, Slept},
    verifier::{Keys, TokenVerifier},
};
use crate::{BoxError, Clock, Health, Task};

impl TokenVerifier {
    /// Starts a task that fetches the keys now, and again before they reach the age of
    /// [`refresh_after`](super::TokenVerifierBuilder::refresh_after). The task stops when the returned [`Task`] is
    /// dropped.
    ///
    /// Without the task, the first request waits for the first fetch, and later requests begin further fetches without
    /// waiting for them. After a failure, the task retries as soon as the
    /// [`cooldown`](super::TokenVerifierBuilder::cooldown) allows. A fetch belongs to the verifier and may outlive the
    /// task. Call this method inside a tokio runtime.
    ///
    /// ```
    /// use tower_auth::{BoxError, TokenVerifier};
    ///
    /// async fn serve(tokens: TokenVerifier) -> Result<(), BoxError> {
    ///     let refresh = tokens.start();
    ///     tokens.ready(std::time::Duration::from_secs(10)).await?; // fail the deployment, not the first request
    ///     // … serve …
    ///     refresh.stop().await;
    ///     Ok(())
    /// }
    /// ```
    pub fn start(&self) -> Task {
        match &self.0.keys {
            // Only tokens say which keys there are.
            Keys::Fixed(_) | Keys::Single(_) => Task::idle(),
            // There is nothing to fetch. The task only tells how the questions go.
            Keys::Asked(asked) => {
                let asked = Arc::clone(asked);
                Task::spawn(|stop| async move { stop.notified().await }, move || asked.health())
            }
            Keys::Fetched(keys) => {
                let (ours, told, beside) = (Arc::clone(keys), Arc::clone(keys), self.0.beside.is_some());
                Task::spawn(|stop| refresh(ours, stop), move || health(&told, beside))
            }
        }
    }

    /// Waits until the keys are fetched, at most for `patience`. Failed fetches are retried. If the keys are fixed, or
    /// if there are none because an introspector is asked, the method returns at once.
    ///
    /// # Errors
    /// If the keys could not be fetched in time. The error contains the reason of the last failure.
    pub async fn ready(&self, patience: Duration) -> Result<(), BoxError> {
        let Keys::Fetched(keys) = &self.0.keys else { return Ok(()) };
        let clock = Clock::system();
        let there = async {
            let mut slept = Slept::default();
            while keys.current(clock.now()).0.is_none() {
                if keys.fetch(&clock, slept).await.is_some_and(|fetched| fetched.is_ok()) {
                    break;
                }
                // The sleep yields, so a source that fails at once cannot prevent the timeout.
                clock.sleep(LOOK).await;
                slept = slept.more(LOOK, keys.begun());
            }
        };
        clock.within(patience, there).await.map_err(|_| {
            let (issuer, why) = (self.issuer(), keys.failure());
            format!("no keys for the tokens of {issuer:?} within {patience:?}: {why}").into()
        })
    }

    /// Returns the health of the keys, or of the questions to an introspector. [`Task::health`] of the task from [`start`](Self::start) returns the same.
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.0.keys {
            Keys::Fixed(_) => Health::Good,
            Keys::Asked(asked) => asked.health(),
            Keys::Single(all) => all.trouble().map_or(Health::Good, Health::Degraded),
            Keys::Fetched(keys) => health(keys, self.0.beside.is_some()),
        }
    }
}

/// Fixed keys beside those of the source verify a part of the tokens.
fn health(keys: &Fetched, beside: bool) -> Health {
    match (keys.current(SystemTime::now()).0, keys.trouble()) {
        (Some(_), None) => Health::Good,
        (Some(_), Some(why)) => Health::Degraded(why),
        (None, _) if beside => Health::Degraded(keys.failure()),
        (None, _) => Health::Down(keys.failure()),
    }
}

/// The interval at which [`TokenVerifier::ready`] checks for keys that another caller may have fetched.
const LOOK: Duration = Duration::from_millis(20);

/// Fetches keys again at four fifths of the refresh age. After a failure, fetches them as soon as the cooldown allows.
async fn refresh(keys: Arc<Fetched>, stop: Arc<Notify>) {
    let clock = Clock::system();
    let mut slept = Slept::default();
    loop {
        tokio::select! {
            _ = keys.fetch(&clock, slept) => {}
            () = stop.notified() => return,
        }
        let ahead = keys.pace.fresh / 5 * 4;
        let cooldown = keys.retry_after(clock.now());
        let wait = if keys.trouble().is_some() { cooldown } else { ahead.max(cooldown) };
        let wait = wait.max(Duration::from_millis(10));
        let begun = keys.begun();
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = stop.notified() => return,
        }
        slept = Slept { since: begun, time: wait };
    }
}
