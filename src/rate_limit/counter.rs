//! The limiter of a layer, with its clock, its timeout and its outage policy.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::outage::{OutagePolicy, Reserve};
use crate::{
    BoxError, Clock, ConfigError, MaybeReady, Rejection,
    base::time_limit::{self, TimeLimit},
    limit::{BucketKey, LimitDecision, LimitFuture, LimitTime, Limiter, Limits, MemoryLimiter, Reservation},
};

/// The limiter's decision; `None` if the request passes uncounted; or the refusal.
pub(super) type Ruling = Result<Option<Counted>, Rejection>;

/// A decision, and when it was asked for.
pub(super) struct Counted {
    pub(super) decided: LimitDecision,
    pub(super) at: LimitTime,
    /// The limits by which this process decided alone; `None` if the limiter decided.
    pub(super) alone: Option<Limits>,
}

/// The limiter of a layer, with its clock, its timeout and its outage policy.
#[derive(Clone)]
pub(super) struct Counter {
    pub(super) limiter: Engine,
    /// Shared by all clones of a layer: a clone on another route uses the clock of the stack.
    pub(super) clock: Arc<OnceLock<Clock>>,
    /// The limiter's timeout; `None` means that of the stack, or the default.
    pub(super) decision_timeout: Option<Duration>,
    pub(super) on_outage: OutagePolicy,
    pub(super) outages: Arc<AtomicU64>,
    /// Counts while the limiter is unavailable.
    pub(super) reserve: Arc<OnceLock<Reserve>>,
}

/// The limiter in memory, the most frequent one, is called without dynamic dispatch.
#[derive(Clone)]
pub(super) enum Engine {
    Memory(Arc<MemoryLimiter>),
    Other(Arc<dyn Limiter>),
}

impl Engine {
    /// Replaces the limiter in memory by one for limits with several windows.
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
            reserve: Arc::default(),
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        self.clock.get_or_init(Clock::system)
    }

    /// Returns the present time. The time of day is read for calendar windows only.
    #[inline]
    fn now(&self, limits: &Limits) -> LimitTime {
        let (clock, elapsed) = (self.clock(), self.clock().elapsed());
        if limits.has_calendar() { LimitTime::new(elapsed, clock.now()) } else { elapsed.into() }
    }

    /// Returns the state of a bucket without charging it.
    pub(super) fn ask(&self, bucket: BucketKey, limits: &Limits) -> MaybeReady<Ruling> {
        match &self.limiter {
            Engine::Memory(limiter) => {
                let at = self.now(limits);
                MaybeReady::ready(Ok(Some(Counted { decided: limiter.ask(bucket, limits, at), at, alone: None })))
            }
            Engine::Other(limiter) => {
                let at = self.now(limits);
                self.rule(limiter.peek(bucket, limits, at), bucket, limits, 0, at)
            }
        }
    }

    /// Calls [`decide`](Self::decide) at the present time.
    #[inline]
    pub(super) fn decide_now(&self, bucket: BucketKey, limits: &Limits, cost: u32) -> MaybeReady<Ruling> {
        self.decide(bucket, limits, cost, self.now(limits))
    }

    /// Returns the limiter in memory, if the layer uses it.
    #[inline]
    pub(super) fn memory(&self) -> Option<&MemoryLimiter> {
        match &self.limiter {
            Engine::Memory(limiter) => Some(limiter),
            Engine::Other(_) => None,
        }
    }

    /// Asks the limiter to charge a bucket, and applies the outage policy if it does not answer.
    pub(super) fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> MaybeReady<Ruling> {
        let limiter = match &self.limiter {
            Engine::Memory(limiter) => {
                let decided = limiter.try_acquire(bucket, limits, cost, now);
                return MaybeReady::ready(Ok(Some(Counted { decided, at: now, alone: None })));
            }
            Engine::Other(limiter) => limiter,
        };
        self.rule(limiter.decide(bucket, limits, cost, now), bucket, limits, cost, now)
    }

    /// Waits for a decision, and applies the outage policy if it does not come.
    fn rule(
        &self,
        decision: LimitFuture,
        bucket: BucketKey,
        limits: &Limits,
        cost: u32,
        now: LimitTime,
    ) -> MaybeReady<Ruling> {
        match decision.now() {
            Ok(Ok(decided)) => MaybeReady::ready(Ok(Some(Counted { decided, at: now, alone: None }))),
            Ok(Err(error)) => MaybeReady::ready(self.out(error, bucket, limits, cost, now)),
            Err(future) => {
                let (this, limits) = (self.clone(), limits.clone());
                let limit = TimeLimit::new(self.clock().clone(), self.decision_timeout.unwrap_or(time_limit::DEFAULT));
                MaybeReady::bounded(async move {
                    let decided = limit.wait(future).await;
                    decided.unwrap_or_else(|late| Err(format!("the limiter {late}").into())).map_or_else(
                        |error| this.out(error, bucket, &limits, cost, now),
                        |decided| Ok(Some(Counted { decided, at: now, alone: None })),
                    )
                })
            }
        }
    }

    pub(super) fn check_config(&self) -> Result<(), ConfigError> {
        time_limit::check(self.decision_timeout, "RateLimitLayer")
    }

    pub(super) fn warn_without_timer(&self) {
        // An unset clock stays unset here: a stack that is built later may still set it.
        if let (Engine::Other(_), Some(clock)) = (&self.limiter, self.clock.get()) {
            clock.warn_without_timer();
        }
    }

    pub(super) fn refund(&self, bucket: BucketKey, reservation: &Reservation) {
        let now = LimitTime::from(self.clock().elapsed());
        match self.reserve.get().filter(|_| reservation.local) {
            Some(reserve) => reserve.refund(bucket, reservation, now),
            None if reservation.cost > 0 && !reservation.local => {
                self.limiter.limiter().refund(bucket, reservation, now);
            }
            None => {}
        }
    }

    /// Charges a failure that has happened already.
    pub(super) fn charge(&self, bucket: BucketKey, limits: &Limits) {
        let now = self.now(limits);
        self.limiter.limiter().charge(bucket, limits, 1, now);
        // A limiter does not tell whether it has charged. Without this, a client that disconnects in an outage would try for
        // nothing. Between outages, this process counts too much in its reserve, and never too little.
        if let (Some(reserve), Some(parts)) = (self.reserve.get(), self.on_outage.parts()) {
            reserve.charge(bucket, limits, now, parts);
        }
    }

    /// Applies the outage policy. Logs the first outage, and each time the number has doubled; a refusal is also logged
    /// by the gate.
    #[cold]
    fn out(&self, error: BoxError, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> Ruling {
        let before = self.outages.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_power_of_two() {
            let error = error.to_string().escape_debug().to_string();
            tracing::error!(
                target: "tower_auth",
                error,
                requests = before + 1,
                policy = ?self.on_outage,
                "the limiter does not answer: check that its server runs and is reachable"
            );
        }
        match self.on_outage.parts() {
            Some(parts) => {
                let reserve = self.reserve.get_or_init(Reserve::default);
                let (decided, share) = reserve.decide(bucket, limits, cost, now, parts, &error)?;
                Ok(Some(Counted { decided, at: now, alone: Some(share) }))
            }
            None if self.on_outage == OutagePolicy::FailOpen => Ok(None),
            None => Err(Rejection::unavailable(error)),
        }
    }
}
