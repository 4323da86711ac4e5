//! One quota as arithmetic: governor's GCRA, on a clock that stands still.
//!
//! GCRA does not care when it is: what counts is how far the arrival time that a bucket keeps lies ahead of now, its
//! backlog. So governor's limiter is asked at time nought about a backlog, and gives the new one; time, the store and what
//! is taken back are ours.

use std::{
    cell::Cell,
    fmt,
    hash::{Hash, Hasher},
    num::NonZeroU32,
};

use governor::{NotUntil, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos, state::StateStore};

use super::quota::Quota;
use crate::ConfigError;

/// A quota that can be kept.
pub(super) struct Window {
    limiter: RateLimiter<Backlog, Handed, Standstill, NoOpMiddleware<Nanos>>,
    /// What one event costs, in nanoseconds.
    pub(super) interval: u64,
    /// How many events fit at once.
    pub(super) size: u32,
    pub(super) quota: Quota,
}

impl Window {
    pub(super) fn new(quota: Quota) -> Result<Self, ConfigError> {
        let (interval, size) = (quota.interval()?, quota.size());
        // Neither is nought: `interval` has looked.
        let rate = governor::Quota::with_period(std::time::Duration::from_nanos(interval));
        let (Some(rate), Some(burst)) = (rate, NonZeroU32::new(size)) else {
            return Err(ConfigError::new(format!("the quota {quota} cannot be kept"), "let something through"));
        };
        let limiter = RateLimiter::new(rate.allow_burst(burst), Handed, Standstill);
        Ok(Self { limiter, interval, size, quota })
    }

    /// The backlog with these events added, or how long it takes until they would fit.
    #[inline]
    pub(super) fn add(&self, backlog: u64, events: NonZeroU32) -> Result<u64, u64> {
        let backlog = Backlog(Cell::new(backlog));
        match self.limiter.check_key_n(&backlog, events) {
            Ok(Ok(())) => Ok(backlog.0.get()),
            Ok(Err(refused)) => Err(wait(&refused)),
            // More than fit at once: whoever asks has looked before.
            Err(_) => Err(u64::MAX),
        }
    }

    /// The backlog of a full bucket.
    pub(super) const fn capacity(&self) -> u64 {
        self.interval * self.size as u64
    }

    /// How many events fit on top of a backlog.
    #[inline]
    pub(super) fn room(&self, backlog: u64) -> u32 {
        let free = self.capacity().saturating_sub(backlog) / self.interval;
        u32::try_from(free).unwrap_or(u32::MAX)
    }
}

fn wait(refused: &NotUntil<Nanos>) -> u64 {
    u64::try_from(refused.wait_time_from(Nanos::from(0)).as_nanos()).unwrap_or(u64::MAX)
}

/// What is asked about: how far the bucket's arrival time lies ahead, in nanoseconds.
#[derive(Clone, PartialEq, Eq)]
struct Backlog(Cell<u64>);

impl Hash for Backlog {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.get().hash(state);
    }
}

/// A store that keeps nothing: the state comes with the question, and leaves with the answer.
struct Handed;

impl StateStore for Handed {
    type Key = Backlog;

    #[inline]
    fn measure_and_replace<T, F, E>(&self, backlog: &Backlog, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (answer, next) = decide(Some(Nanos::from(backlog.0.get())))?;
        backlog.0.set(next.into());
        Ok(answer)
    }
}

#[derive(Clone, Copy)]
struct Standstill;

impl Clock for Standstill {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::from(0)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.quota, f)
    }
}
