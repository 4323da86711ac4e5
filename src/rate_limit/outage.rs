//! What a layer does while its limiter does not answer, and what this process counts in that time.

use std::num::NonZeroU32;

use crate::{
    BoxError, Rejection,
    limit::{BucketKey, LimitDecision, LimitTime, Limiter as _, Limits, MemoryLimiter, Reservation, Shares},
};

/// What happens when the limiter returns an error or exceeds the
/// [`decision_timeout`](crate::RateLimitLayer::decision_timeout).
///
/// | the limit | policy | why |
/// |---|---|---|
/// | plans and addresses in general | [`LocalShare`](Self::LocalShare) | the service goes on, and all processes together admit about the limit |
/// | a login, a refresh, a budget of failed attempts ([`RateLimitLayer::failures`](crate::RateLimitLayer::failures)) | [`FailClosed`](Self::FailClosed) | who can disturb the limiter must not get more guesses |
/// | a paid budget, such as a calendar month | [`FailClosed`](Self::FailClosed) | what is admitted and not counted is not paid |
/// | a limit that the service can do without for a while | [`FailOpen`](Self::FailOpen) | an outage of the limiter refuses nobody |
/// | a service of one process | [`FallBackToLocal`](Self::FallBackToLocal) | its count is the whole count |
///
/// While this process counts alone, no response has `X-RateLimit-*`, `RateLimit` or `RateLimit-Policy`: what remains of the
/// limit is known to the limiter only. A 429 has `Retry-After`, for this process. As soon as the limiter answers, it decides
/// again, by its own counts: what the processes have counted alone is not added to them.
/// [`outage_count`](crate::RateLimitLayer::outage_count) counts the requests that a policy has decided.
///
/// ```
/// use tower_auth::{ClientIp, Limiter, Plans, Quota, RateLimitLayer, rate_limit::OutagePolicy};
///
/// fn layers(plans: &Plans, shared: impl Limiter + Clone, processes: u32) -> [RateLimitLayer; 2] {
///     let general = RateLimitLayer::by_plan(plans).limiter(shared.clone());
///     let failures = RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer()).limiter(shared);
///     [general.on_outage(OutagePolicy::LocalShare { processes }), failures.on_outage(OutagePolicy::FailClosed)]
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
    /// Counts in the memory of this process by an equal part of the limits, so that all processes together admit about the
    /// limit. The burst of a quota and the budget of a calendar quota are divided by the number of processes, and rounded
    /// down to at least one request. The rate is divided exactly: 100 requests a minute are, in each of 8 processes, 12
    /// at once and then one every 4.8 s.
    ///
    /// More than the limit is admitted in these cases:
    ///
    /// - **The buckets of the processes are full when an outage starts**, because no process knows the shared count. So at most
    ///   one burst, or one calendar budget, is admitted in addition to what the limiter has counted. A process keeps its
    ///   count after an outage until the bucket is full again, or its day or month is over. So several short outages give no
    ///   more than one long outage, unless processes are restarted.
    /// - **The limiter refills its buckets during an outage**, and does not count what the processes admit. So at most one
    ///   burst is admitted again after the outage. A calendar budget is not refilled.
    /// - **A process admits at least one request.** A burst or a calendar budget that is smaller than the number of processes
    ///   becomes one for each process. The rate of a quota is not exceeded by this.
    /// - **More processes run than `processes` says.** Give the largest number that the deployment can reach. With fewer
    ///   processes, or if a caller's requests reach only some of them, less than the limit is admitted.
    ///
    /// A request that costs more than the part of this process, and no more than the limit, is answered 503 with
    /// `Retry-After`, and nothing is charged. It is not 400, because the limiter may admit it after the outage, and not
    /// 429, because the caller has not sent too much, and waiting for this process does not help.
    LocalShare {
        /// The largest number of processes that share the limiter. Zero means one.
        processes: u32,
    },
}

impl OutagePolicy {
    /// Returns how many processes divide the limits; `None` if this process does not count.
    pub(super) const fn parts(self) -> Option<NonZeroU32> {
        match self {
            Self::FailClosed | Self::FailOpen => None,
            Self::FallBackToLocal => Some(NonZeroU32::MIN),
            Self::LocalShare { processes } => match NonZeroU32::new(processes) {
                None => Some(NonZeroU32::MIN),
                parts => parts,
            },
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

    /// Charges an event that has happened already, as far as it fits.
    pub(super) fn charge(&self, bucket: BucketKey, limits: &Limits, now: LimitTime, parts: NonZeroU32) {
        if let Ok(share) = self.shares.of(limits, parts) {
            let _ = self.counts.try_acquire(bucket, &share, 1, now);
        }
    }

    pub(super) fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: LimitTime) {
        self.counts.refund(bucket, reservation, now);
    }
}
