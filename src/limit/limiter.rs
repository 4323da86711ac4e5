use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use super::{
    bucket::BucketKey,
    levels::{MOST_WINDOWS, WindowStates},
    limits::Limits,
    time::{LimitTime, nanos},
};
use crate::{BoxError, MaybeReady};

/// Counts requests and decides: [`MemoryLimiter`](super::MemoryLimiter) in one process, or a custom implementation.
///
/// Each call passes all data that the limiter needs. A limiter may forget a bucket as soon as the bucket is full again.
/// A limiter must be exact: however many requests are concurrent, it admits no more than the limits allow. A request
/// that one window refuses must be counted in no window.
///
/// ```
/// use tower_auth::{limit::{BucketKey, LimitFuture, LimitTime, Limiter, Limits, MemoryLimiter, Reservation}};
///
/// /// Counts in memory, and updates a metric.
/// struct Counted(MemoryLimiter);
///
/// impl Limiter for Counted {
///     fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture {
///         // … count …
///         self.0.decide(bucket, limits, cost, now)
///     }
///
///     fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: LimitTime) {
///         self.0.refund(bucket, reservation, now);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a limiter: it does not implement `Limiter`",
    note = "implement `decide` and `refund` for it; the page of the trait shows a whole one"
)]
pub trait Limiter: Send + Sync + 'static {
    /// Takes `cost` requests out of every window of the bucket, or out of none. For a cost of zero, takes nothing and
    /// returns the state of the windows. For a cost above the burst, returns [`LimitDecision::TooCostly`].
    ///
    /// A decision that takes longer than [`RateLimitLayer::decision_timeout`](crate::RateLimitLayer::decision_timeout),
    /// 5 s by default, is dropped, and [`OutagePolicy`](crate::rate_limit::OutagePolicy) decides about the request.
    ///
    /// `now` has a monotonic time since an arbitrary start, and for limits with a calendar window a time of day. A limiter
    /// with its own clock ignores `now`, and asks [`Limits::periods`] for the periods at its own time of day. It sets
    /// the number of the period in each state ([`WindowState::in_period`](super::WindowState::in_period)).
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture;

    /// Returns the state of the windows of a bucket, and takes nothing. The default calls [`decide`](Self::decide) with a cost
    /// of zero.
    fn peek(&self, bucket: BucketKey, limits: &Limits, now: LimitTime) -> LimitFuture {
        self.decide(bucket, limits, 0, now)
    }

    /// Charges `cost` requests for an event that has happened already, as far as they fit. The caller does not wait. An
    /// asynchronous limiter does the work in the background. The default calls [`decide`](Self::decide), polls the
    /// future once, and drops the future if it is not ready.
    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) {
        let mut decision = self.decide(bucket, limits, cost, now);
        let _ = Pin::new(&mut decision).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Refunds the cost of a decision to the bucket, except the part that has been refilled already. A calendar window gets
    /// it back only within the same period ([`Reservation::periods`]). Does nothing if other limits apply to the bucket now. The caller does not wait. Refunds may come late and in any order: requests
    /// that were admitted and not refunded must never exceed the limits.
    fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: LimitTime);
}

impl<T: Limiter + ?Sized> Limiter for Arc<T> {
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture {
        (**self).decide(bucket, limits, cost, now)
    }

    fn peek(&self, bucket: BucketKey, limits: &Limits, now: LimitTime) -> LimitFuture {
        (**self).peek(bucket, limits, now)
    }

    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) {
        (**self).charge(bucket, limits, cost, now);
    }

    fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: LimitTime) {
        (**self).refund(bucket, reservation, now);
    }
}

/// The record of an admitted request, needed to refund it: its cost, the time at which each window would be full again,
/// and the period in which a calendar window counted it.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Quota, limit::{BucketKey, LimitDecision, Limiter, Limits, MemoryLimiter, Reservation}};
///
/// let (limiter, limits, alice) = (MemoryLimiter::new(), Limits::new([Quota::per_minute(1)])?, BucketKey::new(["alice"]));
/// let at = Duration::from_secs(5);
/// if let LimitDecision::Admitted(levels) = limiter.try_acquire(alice, &limits, 1, at) {
///     limiter.refund(alice, &Reservation::new(1, &limits, &levels, at), at.into()); // the request failed
/// }
/// assert!(matches!(limiter.try_acquire(alice, &limits, 1, at), LimitDecision::Admitted(_)));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    pub(crate) cost: u32,
    /// The time in nanoseconds, or with the bit [`PERIOD`] the number of a period.
    full: [u64; MOST_WINDOWS],
    /// The sequence number of the request, given by the limiter.
    pub(super) ticket: u64,
    /// Whether the request was counted in the bucket that new clients share.
    pub(super) shared: bool,
    /// Whether this process counted the request alone, because the limiter did not answer.
    pub(crate) local: bool,
    /// The id of the limits that counted the request.
    pub(super) limits: u64,
}

/// Marks a number of a period. [`nanos`] never sets this bit.
const PERIOD: u64 = 1 << 63;

/// Two reservations are equal if they took the same cost from the same windows.
impl PartialEq for Reservation {
    fn eq(&self, other: &Self) -> bool {
        let facts = |reservation: &Self| (reservation.cost, reservation.full, reservation.local, reservation.limits);
        facts(self) == facts(other)
    }
}

impl Eq for Reservation {}

impl Reservation {
    /// Creates the record of a decision at the time `at` that took `cost` requests and left the windows in the state
    /// `levels`.
    #[must_use]
    pub fn new(cost: u32, limits: &Limits, levels: &WindowStates, at: Duration) -> Self {
        let mut full = [0; MOST_WINDOWS];
        let origin = if levels.origin == 0 { nanos(at) } else { levels.origin };
        for (full, level) in full.iter_mut().zip(levels.all()) {
            *full = match level.period() {
                Some(number) => PERIOD | u64::from(number),
                None => origin.saturating_add(nanos(level.reset)).min(!PERIOD),
            };
        }
        Self { cost, full, ticket: levels.ticket, shared: levels.shared, local: false, limits: limits.id() }
    }

    /// Returns the number of requests taken.
    #[must_use]
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// Returns the time at which each window would be full again, since the same start as the time of the decision; `None`
    /// for a calendar window.
    pub fn full(&self) -> impl Iterator<Item = Option<Duration>> {
        self.marks().map(|mark| mark.ok().map(Duration::from_nanos))
    }

    /// Returns the number of the period in which each calendar window counted the request; `None` for a window that is
    /// refilled evenly.
    pub fn periods(&self) -> impl Iterator<Item = Option<u32>> {
        self.marks().map(Result::err)
    }

    /// Returns the time in nanoseconds at which each window would be full again, or the number of its period.
    pub(super) fn marks(&self) -> impl Iterator<Item = Result<u64, u32>> {
        #[expect(clippy::cast_possible_truncation, reason = "the number is the low half")]
        self.full.into_iter().map(|full| if full & PERIOD == 0 { Ok(full) } else { Err(full as u32) })
    }

    /// Returns what a server that counts in microseconds needs: when each window would be full again, or the number of its period.
    #[cfg(feature = "redis")]
    pub(crate) fn marks_in_micros(&self) -> impl Iterator<Item = u64> {
        // Rounded down, so that not too much is given back.
        self.marks().map(|mark| mark.map_or_else(u64::from, |full| full / 1_000))
    }

    #[cfg(feature = "redis")]
    pub(crate) const fn limits_id(&self) -> u64 {
        self.limits
    }

    #[cfg(feature = "redis")]
    pub(crate) const fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Returns the part of the windows that are refilled evenly.
    #[cfg(feature = "tokio")]
    pub(super) fn even(&self) -> Self {
        let mut even = Self { full: [0; MOST_WINDOWS], ..*self };
        let marks = self.full.iter().filter(|full| **full & PERIOD == 0);
        even.full.iter_mut().zip(marks).for_each(|(place, full)| *place = *full);
        even
    }

    /// Returns a reservation of zero requests.
    pub(crate) const fn nothing() -> Self {
        Self { cost: 0, full: [0; MOST_WINDOWS], ticket: 0, shared: false, local: false, limits: 0 }
    }

    pub(crate) const fn by_this_process(self) -> Self {
        Self { local: true, ..self }
    }
}

/// The return type of [`Limiter::decide`]: a decision that is ready, or a boxed future.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Quota, limit::{BucketKey, LimitFuture, Limiter, Limits, MemoryLimiter}};
///
/// let limits = Limits::new([Quota::per_minute(1)])?;
/// let decision: LimitFuture = MemoryLimiter::new().decide(BucketKey::new(["alice"]), &limits, 1, Duration::ZERO.into());
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
pub type LimitFuture = MaybeReady<Result<LimitDecision, BoxError>>;

/// The decision of a limiter.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Quota, limit::{BucketKey, LimitDecision, Limits, MemoryLimiter}};
///
/// let (limiter, limits) = (MemoryLimiter::new(), Limits::new([Quota::per_minute(1)])?);
/// let ask = || limiter.try_acquire(BucketKey::new(["alice"]), &limits, 1, Duration::ZERO);
/// assert!(matches!(ask(), LimitDecision::Admitted(levels) if levels.tightest().remaining == 0));
/// assert!(matches!(ask(), LimitDecision::Refused { wait, .. } if wait == Duration::from_secs(60)));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LimitDecision {
    /// The request is admitted and counted. The value is the state of the windows after the request.
    Admitted(WindowStates),
    /// The request is refused and not counted.
    Refused {
        /// The state of the windows. The tightest is the window with the longest wait.
        levels: WindowStates,
        /// The time until the request would be admitted, if no other request comes.
        wait: Duration,
    },
    /// The cost is above the burst, so the request can never be admitted.
    TooCostly {
        /// The largest cost that fits.
        most: u32,
    },
}
