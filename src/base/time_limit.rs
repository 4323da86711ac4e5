//! The time limit for the answer of a store, a policy or a limiter.

use std::{future::Future, time::Duration};

use crate::{Clock, ConfigError, MaybeReady, base::clock::TimedOut};

/// The maximum time to wait for an answer, and the clock that measures it.
#[derive(Clone, Debug)]
pub(crate) struct TimeLimit {
    clock: Clock,
    after: Duration,
}

/// The default limit. Typical client timeouts are a few times longer.
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

    /// Returns the output of the future, or drops the future and fails after the limit. A future that is ready at the
    /// first poll reads no clock.
    pub(crate) async fn wait<F: Future>(&self, future: F) -> Result<F::Output, TimedOut> {
        self.clock.within(self.after, future).await
    }

    /// Replaces the answer by `late` if it takes longer than the limit. An answer that is ready is returned unchanged.
    /// An answer that enforces its own limit keeps it.
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

/// Rejects a limit of zero, because no answer that is not ready at once could meet it.
pub(crate) fn check(after: Option<Duration>, of: &'static str) -> Result<(), ConfigError> {
    if after != Some(Duration::ZERO) {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("{of}::decision_timeout is zero, and every answer that is not ready at once would be too late"),
        "set the longest time that a request may wait, such as Duration::from_secs(5); Duration::MAX means no limit",
    ))
}
