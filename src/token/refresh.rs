//! Keys that are fetched ahead of the requests that need them.

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
    /// Fetches the keys now, and again before they are old, for as long as the task is kept. Without it, the first request
    /// waits for the first fetch, and later ones begin the others without waiting. After a failure it tries again as requests
    /// would. A fetch that has begun belongs to the verifier, and may end after the task. Call it inside a tokio runtime.
    ///
    /// ```
    /// use tower_auth::{BoxError, TokenVerifier};
    ///
    /// async fn serve(tokens: TokenVerifier) -> Result<(), BoxError> {
    ///     let refresh = tokens.start();
    ///     tokens.ready(std::time::Duration::from_secs(10)).await?; // fail the deployment, not the first customer
    ///     // … serve …
    ///     refresh.stop().await;
    ///     Ok(())
    /// }
    /// ```
    pub fn start(&self) -> Task {
        match &self.0.keys {
            Keys::Fixed(_) => Task::idle(),
            Keys::Fetched(keys) => {
                let (ours, told) = (Arc::clone(keys), Arc::clone(keys));
                Task::spawn(|stop| refresh(ours, stop), move || health(&told))
            }
        }
    }

    /// Waits until there are keys, at most for this long, and tries again soon while the issuer does not answer. Fixed keys
    /// are always there.
    ///
    /// # Errors
    /// When they could not be had in time: the last reason.
    pub async fn ready(&self, patience: Duration) -> Result<(), BoxError> {
        let Keys::Fetched(keys) = &self.0.keys else { return Ok(()) };
        let clock = Clock::system();
        let there = async {
            let mut slept = Slept::default();
            while keys.current(clock.now()).0.is_none() {
                if keys.fetch(&clock, slept).await.is_some_and(|fetched| fetched.is_ok()) {
                    break;
                }
                // A source that fails at once does not keep the thread from the end of the patience.
                clock.sleep(LOOK).await;
                slept = slept.more(LOOK, keys.begun());
            }
        };
        clock.within(patience, there).await.map_err(|_| {
            let (issuer, why) = (self.issuer(), keys.failure());
            format!("no keys for the tokens of {issuer:?} within {patience:?}: {why}").into()
        })
    }

    /// How its keys are doing; those of a task are the same.
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.0.keys {
            Keys::Fixed(_) => Health::Good,
            Keys::Fetched(keys) => health(keys),
        }
    }
}

fn health(keys: &Fetched) -> Health {
    match (keys.current(SystemTime::now()).0, keys.trouble()) {
        (Some(_), None) => Health::Good,
        (Some(_), Some(why)) => Health::Degraded(why),
        (None, _) => Health::Down(keys.failure()),
    }
}

/// How often keys are looked for that others may have fetched.
const LOOK: Duration = Duration::from_millis(20);

/// Four fifths of the way to old keys are fetched again; after a failure, as soon as the cooldown allows.
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
