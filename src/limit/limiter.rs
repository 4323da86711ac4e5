use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use super::{
    bucket::BucketKey,
    limits::{Limits, MOST_WINDOWS},
};
use crate::{BoxError, MaybeReady};

/// Counts requests and decides: [`MemoryLimiter`](super::MemoryLimiter) in one process, or a custom implementation.
///
/// Each call passes all data that the limiter needs. A limiter may forget a bucket as soon as the bucket is full again.
/// A limiter must be exact: however many requests are concurrent, it admits no more than the limits allow. A request
/// that one window refuses must be counted in no window.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{limit::{BucketKey, LimitFuture, Limiter, Limits, MemoryLimiter, Reservation}};
///
/// /// Counts in memory, and updates a metric.
/// struct Counted(MemoryLimiter);
///
/// impl Limiter for Counted {
///     fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> LimitFuture {
///         // … count …
///         self.0.decide(bucket, limits, cost, now)
///     }
///
///     fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: Duration) {
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
    /// `now` is a monotonic time since an arbitrary start. A limiter with its own clock ignores `now`.
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> LimitFuture;

    /// Charges `cost` requests for an event that has happened already, as far as they fit. The caller does not wait. An
    /// asynchronous limiter does the work in the background. The default calls [`decide`](Self::decide), polls the
    /// future once, and drops the future if it is not ready.
    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) {
        let mut decision = self.decide(bucket, limits, cost, now);
        let _ = Pin::new(&mut decision).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Refunds the cost of a decision to the bucket, except the part that has been refilled already. Does nothing if
    /// other limits apply to the bucket now. The caller does not wait. Refunds may come late and in any order: requests
    /// that were admitted and not refunded must never exceed the limits.
    fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: Duration);
}

impl<T: Limiter + ?Sized> Limiter for Arc<T> {
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> LimitFuture {
        (**self).decide(bucket, limits, cost, now)
    }

    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) {
        (**self).charge(bucket, limits, cost, now);
    }

    fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: Duration) {
        (**self).refund(bucket, reservation, now);
    }
}

/// The record of an admitted request, needed to refund it: its cost, and the time at which each window would be full
/// again.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Quota, limit::{BucketKey, LimitDecision, Limiter, Limits, MemoryLimiter, Reservation}};
///
/// let (limiter, limits, alice) = (MemoryLimiter::new(), Limits::new([Quota::per_minute(1)])?, BucketKey::new(["alice"]));
/// let at = Duration::from_secs(5);
/// if let LimitDecision::Admitted(levels) = limiter.try_acquire(alice, &limits, 1, at) {
///     limiter.refund(alice, &Reservation::new(1, &limits, &levels, at), at); // the request failed
/// }
/// assert!(matches!(limiter.try_acquire(alice, &limits, 1, at), LimitDecision::Admitted(_)));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    pub(crate) cost: u32,
    /// In nanoseconds.
    pub(super) full: [u64; MOST_WINDOWS],
    /// The sequence number of the request, given by the limiter.
    pub(super) ticket: u64,
    /// Whether the request was counted in the bucket that new clients share.
    pub(super) shared: bool,
    /// Whether this process counted the request alone, because the limiter did not answer.
    pub(crate) local: bool,
    /// The id of the limits that counted the request.
    pub(super) limits: u64,
}

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
        for (full, level) in full.iter_mut().zip(levels.all()) {
            *full = nanos(at).saturating_add(nanos(level.reset));
        }
        Self { cost, full, ticket: levels.ticket, shared: levels.shared, local: false, limits: limits.id() }
    }

    /// Returns the number of requests taken.
    #[must_use]
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// Returns the time at which each window would be full again, since the same start as the time of the decision.
    pub fn full(&self) -> impl Iterator<Item = Duration> {
        self.full.into_iter().map(Duration::from_nanos)
    }

    /// Returns a reservation of zero requests.
    pub(crate) const fn nothing() -> Self {
        Self { cost: 0, full: [0; MOST_WINDOWS], ticket: 0, shared: false, local: false, limits: 0 }
    }

    pub(crate) const fn by_this_process(self, local: bool) -> Self {
        Self { local, ..self }
    }
}

/// Converts to nanoseconds, at most about 292 years.
#[inline]
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX >> 1)
}

/// The return type of [`Limiter::decide`]: a decision that is ready, or a boxed future.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Quota, limit::{BucketKey, LimitFuture, Limiter, Limits, MemoryLimiter}};
///
/// let limits = Limits::new([Quota::per_minute(1)])?;
/// let decision: LimitFuture = MemoryLimiter::new().decide(BucketKey::new(["alice"]), &limits, 1, Duration::ZERO);
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

/// The state of all windows of a bucket.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::limit::{WindowState, WindowStates};
///
/// let levels = WindowStates::new([WindowState::new(95, Duration::from_secs(3)), WindowState::new(9_995, Duration::from_secs(44))], 0);
/// assert_eq!(levels.tightest().remaining, 95);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WindowStates {
    all: [WindowState; MOST_WINDOWS],
    count: u8,
    tightest: u8,
    /// Whether this is the state of the bucket that new clients share when the limiter is full.
    pub(super) shared: bool,
    /// The sequence number of the admitted request.
    pub(super) ticket: u64,
}

impl WindowStates {
    /// Creates the value from one [`WindowState`] per window, in the order of the windows, and the index of the
    /// tightest window. Only the first four states are used.
    pub fn new(levels: impl IntoIterator<Item = WindowState>, tightest: usize) -> Self {
        let mut all = Self {
            all: [WindowState::new(0, Duration::ZERO); MOST_WINDOWS],
            count: 0,
            tightest: 0,
            shared: false,
            ticket: 0,
        };
        levels.into_iter().take(MOST_WINDOWS).for_each(|level| all.push(level));
        all.set_tightest(tightest);
        all
    }

    #[inline]
    pub(super) const fn none() -> Self {
        Self {
            all: [WindowState { remaining: 0, reset: Duration::ZERO }; MOST_WINDOWS],
            count: 0,
            tightest: 0,
            shared: false,
            ticket: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, level: WindowState) {
        if let Some(place) = self.all.get_mut(usize::from(self.count)) {
            *place = level;
            self.count += 1;
        }
    }

    #[inline]
    pub(crate) fn set_tightest(&mut self, place: usize) {
        self.tightest = u8::try_from(place).unwrap_or(0).min(self.count.saturating_sub(1));
    }

    /// Returns the state of each window, in the order of the windows.
    #[must_use]
    pub fn all(&self) -> &[WindowState] {
        &self.all[..usize::from(self.count)]
    }

    /// Returns the state of the window that refused the request, or that would refuse first. Response headers show this
    /// window.
    #[must_use]
    pub fn tightest(&self) -> WindowState {
        self.all[usize::from(self.tightest)]
    }

    /// Returns the index of the [`tightest`](Self::tightest) window.
    #[must_use]
    pub fn tightest_index(&self) -> usize {
        usize::from(self.tightest)
    }
}

/// The state of one window.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::limit::WindowState;
///
/// let level = WindowState::new(95, Duration::from_secs(3));
/// assert_eq!(level.remaining, 95);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowState {
    /// The number of requests that would be admitted now.
    pub remaining: u32,
    /// The time until the bucket is full, if no other request comes.
    pub reset: Duration,
}

impl WindowState {
    /// Creates the state of one window.
    #[must_use]
    pub const fn new(remaining: u32, reset: Duration) -> Self {
        Self { remaining, reset }
    }
}
