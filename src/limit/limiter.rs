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

/// What counts, and decides: [`MemoryLimiter`](super::MemoryLimiter) on one machine, or one of your own.
///
/// A limiter is asked with everything that it needs, and may forget a bucket as soon as it is full again. It must be exact:
/// of any number of requests at once no more get through than the limits say, and one that is refused by one window is
/// counted in none.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{limit::{BucketKey, LimitFuture, Limiter, Limits, MemoryLimiter, Reservation}};
///
/// /// Counts in memory, and tells a metric.
/// struct Counted(MemoryLimiter);
///
/// impl Limiter for Counted {
///     fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> LimitFuture {
///         // … count …
///         self.0.decide(bucket, limits, cost, now)
///     }
///
///     fn refund(&self, bucket: BucketKey, taken: &Reservation, now: Duration) {
///         self.0.refund(bucket, taken, now);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no limiter: it does not implement `Limiter`",
    note = "implement `decide` and `refund` for it; the page of the trait shows a whole one"
)]
pub trait Limiter: Send + Sync + 'static {
    /// Takes so many requests out of every window of the bucket, or out of none. A cost of nought takes nothing and tells how
    /// things stand; one that never fits is [`LimitDecision::TooCostly`].
    ///
    /// A decision that takes longer than [`RateLimitLayer::decision_timeout`](crate::RateLimitLayer::decision_timeout), 5 s by
    /// default, is dropped, and [`OutagePolicy`](crate::rate_limit::OutagePolicy) says what is done.
    ///
    /// `now` is the time since any start, on a clock that is never set back; a limiter with a clock of its own takes no notice.
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> LimitFuture;

    /// Takes so many requests of something that has happened already, as far as they fit. Nobody waits for it: a limiter that
    /// has to be waited for does it in its own time. By default it is decided, and what is not ready is given up.
    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) {
        let mut decision = self.decide(bucket, limits, cost, now);
        let _ = Pin::new(&mut decision).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Puts back what a decision took, as far as it is not refilled already; nothing where other limits hold for the bucket
    /// by now. Nobody waits for it. However late it comes and in whatever order: what was let through and not put back must
    /// never be more than the limits say.
    fn refund(&self, bucket: BucketKey, taken: &Reservation, now: Duration);
}

impl<T: Limiter + ?Sized> Limiter for Arc<T> {
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> LimitFuture {
        (**self).decide(bucket, limits, cost, now)
    }

    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) {
        (**self).charge(bucket, limits, cost, now);
    }

    fn refund(&self, bucket: BucketKey, taken: &Reservation, now: Duration) {
        (**self).refund(bucket, taken, now);
    }
}

/// What a decision took, and when each window would be full again after it: to put back what is not refilled by then.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Quota, limit::{BucketKey, LimitDecision, Limiter, Limits, MemoryLimiter, Reservation}};
///
/// let (limiter, limits, alice) = (MemoryLimiter::new(), Limits::new([Quota::per_minute(1)])?, BucketKey::new(["alice"]));
/// let at = Duration::from_secs(5);
/// if let LimitDecision::Admitted(levels) = limiter.try_acquire(alice, &limits, 1, at) {
///     limiter.refund(alice, &Reservation::new(1, &limits, &levels, at), at); // it came to nothing
/// }
/// assert!(matches!(limiter.try_acquire(alice, &limits, 1, at), LimitDecision::Admitted(_)));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    pub(crate) cost: u32,
    /// In nanoseconds.
    pub(super) full: [u64; MOST_WINDOWS],
    /// Its number among all that the limiter has let through.
    pub(super) ticket: u64,
    /// Whether it was counted in the bucket that newcomers share.
    pub(super) shared: bool,
    /// By this process alone, while the limiter did not answer.
    pub(crate) local: bool,
    /// The limits that it was counted by.
    pub(super) limits: u64,
}

/// Equal are those that took the same of the same windows.
impl PartialEq for Reservation {
    fn eq(&self, other: &Self) -> bool {
        let facts = |taken: &Self| (taken.cost, taken.full, taken.local, taken.limits);
        facts(self) == facts(other)
    }
}

impl Eq for Reservation {}

impl Reservation {
    /// So many requests, by a decision at this time that left the windows of these limits so.
    #[must_use]
    pub fn new(cost: u32, limits: &Limits, levels: &WindowStates, at: Duration) -> Self {
        let mut full = [0; MOST_WINDOWS];
        for (full, level) in full.iter_mut().zip(levels.all()) {
            *full = nanos(at).saturating_add(nanos(level.reset));
        }
        Self { cost, full, ticket: levels.ticket, shared: levels.shared, local: false, limits: limits.id() }
    }

    /// How many.
    #[must_use]
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// When each window would be full again, since the same start as the time of the decision.
    pub fn full(&self) -> impl Iterator<Item = Duration> {
        self.full.into_iter().map(Duration::from_nanos)
    }

    /// Nothing.
    pub(crate) const fn nothing() -> Self {
        Self { cost: 0, full: [0; MOST_WINDOWS], ticket: 0, shared: false, local: false, limits: 0 }
    }

    pub(crate) const fn by_this_process(self, local: bool) -> Self {
        Self { local, ..self }
    }
}

/// A process runs for less than two hundred years.
#[inline]
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX >> 1)
}

/// What [`Limiter::decide`] returns: a decision that is ready, or a boxed future.
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

/// What a limiter decided.
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
    /// The request is counted; this is how the windows stand after it.
    Admitted(WindowStates),
    /// The request is not counted; this is how the windows stand.
    Refused {
        /// How the windows stand; the one that has to be waited for longest speaks.
        levels: WindowStates,
        /// How long until it would get through, if nothing else came.
        wait: Duration,
    },
    /// It never gets through: it costs more than fits at once.
    TooCostly {
        /// What fits at once.
        most: u32,
    },
}

/// How the windows of a bucket stand.
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
    speaking: u8,
    /// Whether they are those of the bucket that newcomers share, for want of room.
    pub(super) shared: bool,
    /// The number of the request that was let through.
    pub(super) ticket: u64,
}

impl WindowStates {
    /// The levels in the order of the windows, of which the first four count, and which of them speaks for all.
    pub fn new(levels: impl IntoIterator<Item = WindowState>, speaking: usize) -> Self {
        let mut all = Self {
            all: [WindowState::new(0, Duration::ZERO); MOST_WINDOWS],
            count: 0,
            speaking: 0,
            shared: false,
            ticket: 0,
        };
        levels.into_iter().take(MOST_WINDOWS).for_each(|level| all.push(level));
        all.speak(speaking);
        all
    }

    #[inline]
    pub(super) const fn none() -> Self {
        Self {
            all: [WindowState { remaining: 0, reset: Duration::ZERO }; MOST_WINDOWS],
            count: 0,
            speaking: 0,
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
    pub(crate) fn speak(&mut self, place: usize) {
        self.speaking = u8::try_from(place).unwrap_or(0).min(self.count.saturating_sub(1));
    }

    /// The windows, in their order.
    #[must_use]
    pub fn all(&self) -> &[WindowState] {
        &self.all[..usize::from(self.count)]
    }

    /// The window that would refuse first, or that has refused: what headers tell of.
    #[must_use]
    pub fn tightest(&self) -> WindowState {
        self.all[usize::from(self.speaking)]
    }

    /// Its place among the windows.
    #[must_use]
    pub fn tightest_index(&self) -> usize {
        usize::from(self.speaking)
    }
}

/// How one window stands.
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
    /// How many requests would get through now.
    pub remaining: u32,
    /// How long until the bucket is full, if nothing else comes.
    pub reset: Duration,
}

impl WindowState {
    /// A level.
    #[must_use]
    pub const fn new(remaining: u32, reset: Duration) -> Self {
        Self { remaining, reset }
    }
}
