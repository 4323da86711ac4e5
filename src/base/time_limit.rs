//! How long a request waits for what somebody else has to answer: a store, a policy, a limiter.

use std::{future::Future, time::Duration};

use crate::{Clock, ConfigError, MaybeReady, base::clock::TimedOut};

/// How long is waited for an answer, and by which clock.
#[derive(Clone, Debug)]
pub(crate) struct TimeLimit {
    clock: Clock,
    after: Duration,
}

/// A client gives up after a few times as long.
pub(crate) const DEFAULT: Duration = Duration::from_secs(5);

impl TimeLimit {
    pub(crate) const fn new(clock: Clock, after: Duration) -> Self {
        Self { clock, after }
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) const fn after(&self) -> Duration {
        self.after
    }

    /// What the future gives, unless it takes too long: then it is dropped. What is ready at the first poll reads no clock.
    pub(crate) async fn wait<F: Future>(&self, future: F) -> Result<F::Output, TimedOut> {
        self.clock.within(self.after, future).await
    }

    /// The same answer, or another one where it has to be waited for too long. An answer that is ready costs nothing; one
    /// that has a limit of its own keeps that.
    pub(crate) fn bound<T: Send + 'static>(
        &self,
        answer: MaybeReady<T>,
        late: impl FnOnce(TimedOut) -> T + Send + 'static,
    ) -> MaybeReady<T> {
        if answer.is_bounded() {
            return answer;
        }
        match answer.now() {
            Ok(value) => MaybeReady::ready(value),
            Err(future) => {
                let limit = self.clone();
                MaybeReady::bounded(async move { limit.wait(future).await.unwrap_or_else(late) })
            }
        }
    }
}

impl Default for TimeLimit {
    fn default() -> Self {
        Self::new(Clock::system(), DEFAULT)
    }
}

/// Refuses a limit of zero, which nothing that has to be waited for could keep.
pub(crate) fn check(after: Option<Duration>, of: &'static str) -> Result<(), ConfigError> {
    if after != Some(Duration::ZERO) {
        return Ok(());
    }
    Err(ConfigError::new(
        format!(
            "{of}::decision_timeout was given zero, so that every answer that is not ready at once would be too late"
        ),
        "give the longest time that a request may wait, such as Duration::from_secs(5); Duration::MAX is no limit",
    ))
}
