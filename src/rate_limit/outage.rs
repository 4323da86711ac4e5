//! What a layer does while its limiter does not answer, and what this process counts in that time.

use std::num::NonZeroU32;

use crate::{
    BoxError, Rejection,
    limit::{BucketKey, LimitDecision, LimitTime, Limiter as _, Limits, MemoryLimiter, Reservation, Shares},
};

/// What happens when the limiter returns an error or exceeds the
/// [`decision_timeout`](crate::RateLimitLayer::decision_timeout).
///
/// While this process counts alone, no response has `X-RateLimit-*`, `RateLimit` or `RateLimit-Policy`: what remains of the
/// limit is known to the limiter only. A 429 has `Retry-After`, for this process. As soon as the limiter answers, it decides
/// again, by its own counts: what the processes have counted alone is not added to them.
/// [`outage_count`](crate::RateLimitLayer::outage_count) counts the requests that a policy has decided.
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
    /// Answers 503, so that no request is admitted uncounted.
    #[default]
    FailClosed,
    /// Admits every request uncounted, without rate limit headers.
    FailOpen,
    /// Counts in the memory of this process by the same limits. If several processes serve requests, each process
    /// admits up to the whole limit: for a calendar quota, the budget of the whole day or month.
    FallBackToLocal,
}

impl OutagePolicy {
    /// Returns how many processes divide the limits; `None` if this process does not count.
    pub(super) const fn parts(self) -> Option<NonZeroU32> {
        match self {
            Self::FailClosed | Self::FailOpen => None,
            Self::FallBackToLocal => Some(NonZeroU32::MIN),
        }
    }
}

/// What this process counts while the limiter does not answer.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    counts: MemoryLimiter,
    shares: Shares,
}

impl Reserve {
    /// Decides by one of so many parts of the limits, and returns this part. A cost above the part and not above the limits is
    /// a 503: the limiter may admit it later, and this process never will.
    pub(super) fn decide(
        &self,
        bucket: BucketKey,
        limits: &Limits,
        cost: u32,
        now: LimitTime,
        parts: NonZeroU32,
        outage: &BoxError,
    ) -> Result<(LimitDecision, Limits), Rejection> {
        let share = self.shares.of(limits, parts).map_err(Rejection::internal)?;
        let most = limits.max_cost();
        if cost > most {
            return Ok((LimitDecision::TooCostly { most }, share));
        }
        match self.counts.try_acquire(bucket, &share, cost, now) {
            LimitDecision::TooCostly { most } => Err(Rejection::unavailable(format!(
                "the limiter does not answer, and the cost {cost} is above the {most} that one of {parts} processes admits alone: {outage}"
            ))),
            decided => Ok((decided, share)),
        }
    }

    pub(super) fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: LimitTime) {
        self.counts.refund(bucket, reservation, now);
    }
}
