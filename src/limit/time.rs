use std::time::{Duration, SystemTime};

/// The time of a decision: the monotonic time for windows that are refilled evenly, and the time of day for calendar
/// windows.
///
/// A `Duration` converts into it, without a time of day. The system's time of day then counts where it is needed.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_auth::{Clock, limit::LimitTime};
///
/// let clock = Clock::system();
/// let now = LimitTime::new(clock.elapsed(), clock.now());
/// assert_eq!(LimitTime::from(now.elapsed()).elapsed(), now.elapsed());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitTime {
    elapsed: Duration,
    wall: Option<SystemTime>,
}

impl LimitTime {
    /// Creates the time from a monotonic time since an arbitrary start ([`Clock::elapsed`](crate::Clock::elapsed)) and the
    /// time of day ([`Clock::now`](crate::Clock::now)).
    #[must_use]
    pub const fn new(elapsed: Duration, wall: SystemTime) -> Self {
        Self { elapsed, wall: Some(wall) }
    }

    /// Returns the monotonic time since an arbitrary start.
    #[must_use]
    pub const fn elapsed(self) -> Duration {
        self.elapsed
    }

    /// Returns the time of day. Without one, reads the system's clock. [`RateLimitLayer`](crate::RateLimitLayer) sets
    /// it in [`decide`](super::Limiter::decide) and [`charge`](super::Limiter::charge) for limits with a calendar window
    /// ([`Limits::has_calendar`](super::Limits::has_calendar)), and never in [`refund`](super::Limiter::refund): a
    /// [`Reservation`](super::Reservation) names its periods itself.
    #[must_use]
    pub fn wall(self) -> SystemTime {
        self.wall.unwrap_or_else(SystemTime::now)
    }

    pub(crate) const fn given_wall(self) -> Option<SystemTime> {
        self.wall
    }
}

impl From<Duration> for LimitTime {
    fn from(elapsed: Duration) -> Self {
        Self { elapsed, wall: None }
    }
}

/// A time in nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Since the start of the monotonic clock.
    pub(super) elapsed: u64,
    /// Since 1970. Zero if no window needs it.
    pub(super) wall: u64,
}

/// Converts to nanoseconds, at most about 292 years.
#[inline]
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX >> 1)
}

/// Returns the nanoseconds since 1970. Times before 1970 are 1970.
pub(super) fn wall_nanos(wall: SystemTime) -> u64 {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
