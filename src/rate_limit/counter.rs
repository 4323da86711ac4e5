//! What counts for a layer, by which clock, and what is done where it does not answer.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    BoxError, Clock, ConfigError, MaybeReady, Rejection,
    base::time_limit::{self, TimeLimit},
    limit::{BucketKey, LimitDecision, Limiter, Limits, MemoryLimiter, Reservation},
};

/// What is done where the limiter does not answer: it gives an error, or it takes longer than
/// [`decision_timeout`](crate::RateLimitLayer::decision_timeout).
///
/// ```
/// use tower_auth::{Limiter, Plans, RateLimitLayer, rate_limit::OutagePolicy};
///
/// fn layer(plans: &Plans, shared: impl Limiter) -> RateLimitLayer {
///     RateLimitLayer::by_plan(plans).limiter(shared).on_outage(OutagePolicy::FallBackToLocal)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutagePolicy {
    /// 503: nobody is let in whom nobody counts.
    #[default]
    FailClosed,
    /// Everybody is let in, and nothing is said of limits.
    FailOpen,
    /// This process counts alone, by the same limits: as many processes, as many times the limit.
    FallBackToLocal,
}

/// What a limiter decided and when it was asked, if it did; or why the request goes no further.
pub(super) type Ruling = Result<Option<Counted>, Rejection>;

/// A decision, when it was asked for, and whether this process decided alone.
pub(super) struct Counted {
    pub(super) decided: LimitDecision,
    pub(super) at: Duration,
    pub(super) local: bool,
}

/// What counts, by which clock, and what is done where it does not answer.
#[derive(Clone)]
pub(super) struct Counter {
    pub(super) limiter: Engine,
    /// Of all clones of a layer, so that a stack's is that of the layer on another route.
    pub(super) clock: Arc<OnceLock<Clock>>,
    /// How long the limiter may take, where that is not the stack's or the default.
    pub(super) decision_timeout: Option<Duration>,
    pub(super) on_outage: OutagePolicy,
    pub(super) outages: Arc<AtomicU64>,
    /// Counts while the limiter does not.
    pub(super) local: Arc<OnceLock<MemoryLimiter>>,
}

/// The limiter in memory is asked without a detour, as most are.
#[derive(Clone)]
pub(super) enum Engine {
    Memory(Arc<MemoryLimiter>),
    Other(Arc<dyn Limiter>),
}

impl Engine {
    /// Has room for limits of several windows.
    pub(super) fn widen(&mut self) {
        if let Self::Memory(limiter) = self {
            *limiter = Arc::new(MemoryLimiter::new());
        }
    }

    fn limiter(&self) -> &dyn Limiter {
        match self {
            Self::Memory(limiter) => limiter,
            Self::Other(limiter) => limiter,
        }
    }
}

impl Counter {
    pub(super) fn new(limiter: MemoryLimiter) -> Self {
        Self {
            limiter: Engine::Memory(Arc::new(limiter)),
            clock: Arc::default(),
            decision_timeout: None,
            on_outage: OutagePolicy::FailClosed,
            outages: Arc::default(),
            local: Arc::default(),
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        self.clock.get_or_init(Clock::system)
    }

    /// How a bucket stands, without taking anything.
    pub(super) fn ask(&self, bucket: BucketKey, limits: &Limits) -> MaybeReady<Ruling> {
        match &self.limiter {
            Engine::Memory(limiter) => {
                let at = self.clock().elapsed();
                MaybeReady::ready(Ok(Some(Counted { decided: limiter.ask(bucket, limits, at), at, local: false })))
            }
            Engine::Other(_) => self.decide_now(bucket, limits, 0),
        }
    }

    /// What the limiter says, and when it was asked; nothing where it says nothing and the request goes on all the same.
    #[inline]
    pub(super) fn decide_now(&self, bucket: BucketKey, limits: &Limits, cost: u32) -> MaybeReady<Ruling> {
        self.decide(bucket, limits, cost, self.clock().elapsed())
    }

    /// The limiter in memory, if it is the one that counts.
    #[inline]
    pub(super) fn memory(&self) -> Option<&MemoryLimiter> {
        match &self.limiter {
            Engine::Memory(limiter) => Some(limiter),
            Engine::Other(_) => None,
        }
    }

    /// The same, at this time.
    pub(super) fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> MaybeReady<Ruling> {
        let limiter = match &self.limiter {
            Engine::Memory(limiter) => {
                let decided = limiter.try_acquire(bucket, limits, cost, now);
                return MaybeReady::ready(Ok(Some(Counted { decided, at: now, local: false })));
            }
            Engine::Other(limiter) => limiter,
        };
        match limiter.decide(bucket, limits, cost, now).now() {
            Ok(Ok(decided)) => MaybeReady::ready(Ok(Some(Counted { decided, at: now, local: false }))),
            Ok(Err(error)) => MaybeReady::ready(self.out(error, bucket, limits, cost, now)),
            Err(future) => {
                let (this, limits) = (self.clone(), limits.clone());
                let limit = TimeLimit::new(self.clock().clone(), self.decision_timeout.unwrap_or(time_limit::DEFAULT));
                MaybeReady::bounded(async move {
                    let decided = limit.wait(future).await;
                    decided.unwrap_or_else(|late| Err(format!("the limiter {late}").into())).map_or_else(
                        |error| this.out(error, bucket, &limits, cost, now),
                        |decided| Ok(Some(Counted { decided, at: now, local: false })),
                    )
                })
            }
        }
    }

    pub(super) fn check_config(&self) -> Result<(), ConfigError> {
        time_limit::check(self.decision_timeout, "RateLimitLayer")
    }

    pub(super) fn warn_without_timer(&self) {
        // A clock that was not set yet is not settled here: a stack that is built later may still set it.
        if let (Engine::Other(_), Some(clock)) = (&self.limiter, self.clock.get()) {
            clock.warn_without_timer();
        }
    }

    pub(super) fn refund(&self, bucket: BucketKey, reservation: &Reservation) {
        let now = self.clock().elapsed();
        match self.local.get().filter(|_| reservation.local) {
            Some(local) => local.refund(bucket, reservation, now),
            None if reservation.cost > 0 && !reservation.local => {
                self.limiter.limiter().refund(bucket, reservation, now);
            }
            None => {}
        }
    }

    /// Counts one that has happened already.
    pub(super) fn charge(&self, bucket: BucketKey, limits: &Limits) {
        self.limiter.limiter().charge(bucket, limits, 1, self.clock().elapsed());
    }

    /// The log is told of the first outage, and of every doubling; a refusal tells of itself.
    #[cold]
    fn out(&self, error: BoxError, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> Ruling {
        let before = self.outages.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_power_of_two() {
            let error = error.to_string().escape_debug().to_string();
            tracing::error!(
                target: "tower_auth",
                error,
                requests = before + 1,
                policy = ?self.on_outage,
                "a limiter does not answer: see whether its server runs and can be reached"
            );
        }
        match self.on_outage {
            OutagePolicy::FailClosed => Err(Rejection::unavailable(error)),
            OutagePolicy::FailOpen => Ok(None),
            OutagePolicy::FallBackToLocal => {
                let decided = self.local.get_or_init(MemoryLimiter::new).try_acquire(bucket, limits, cost, now);
                Ok(Some(Counted { decided, at: now, local: true }))
            }
        }
    }
}
