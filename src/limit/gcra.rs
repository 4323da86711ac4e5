//! The arithmetic of one quota: governor's GCRA on a fixed clock.
//!
//! GCRA needs only the backlog: the difference between a bucket's arrival time and now. So governor's limiter always
//! runs at time zero. It gets a backlog and returns the new one. This crate handles time, storage and refunds itself.

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    num::NonZeroU32,
    time::Duration,
};

use governor::{NotUntil, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos, state::StateStore};

/// A bucket that is refilled evenly.
pub(super) struct Gcra {
    limiter: RateLimiter<Backlog, Handed, Standstill, NoOpMiddleware<Nanos>>,
    /// The cost of one event, in nanoseconds.
    pub(super) interval: u64,
}

impl Gcra {
    /// Returns `None` if the interval or the size is zero.
    pub(super) fn new(interval: u64, size: u32) -> Option<Self> {
        let rate = governor::Quota::with_period(Duration::from_nanos(interval))?;
        let limiter = RateLimiter::new(rate.allow_burst(NonZeroU32::new(size)?), Handed, Standstill);
        Some(Self { limiter, interval })
    }

    /// Returns the backlog with these events added, or the time until they would fit.
    #[inline]
    pub(super) fn add(&self, backlog: u64, events: NonZeroU32) -> Result<u64, u64> {
        let backlog = Backlog(Cell::new(backlog));
        match self.limiter.check_key_n(&backlog, events) {
            Ok(Ok(())) => Ok(backlog.0.get()),
            Ok(Err(refused)) => Err(wait(&refused)),
            // The events exceed the burst. The caller has excluded this.
            Err(_) => Err(u64::MAX),
        }
    }
}

fn wait(refused: &NotUntil<Nanos>) -> u64 {
    u64::try_from(refused.wait_time_from(Nanos::from(0)).as_nanos()).unwrap_or(u64::MAX)
}

/// The backlog of a bucket: the time until its arrival time, in nanoseconds.
#[derive(Clone, PartialEq, Eq)]
struct Backlog(Cell<u64>);

impl Hash for Backlog {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.get().hash(state);
    }
}

/// A store without memory. The state is passed in as the key and updated in place.
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
