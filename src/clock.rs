//! Where time comes from.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

/// The clock of a stack: what "expired" is measured against, and how long ago something was.
///
/// One clock serves a whole stack ([`AuthStackBuilder::clock`](crate::stack::AuthStackBuilder::clock)), so that a
/// test that turns it turns everything. The default is the system's clock.
///
/// It has two hands. [`now`](Self::now) is the time of day, by which credentials expire; somebody may set it. Limits go by
/// [`elapsed`](Self::elapsed), which nobody sets: a time of day that jumps refills nothing.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::Clock;
///
/// assert!(Clock::system().now() <= SystemTime::now());
/// let fixed = Clock::from_fn(|| SystemTime::UNIX_EPOCH);
/// assert_eq!(fixed.now(), SystemTime::UNIX_EPOCH);
/// ```
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Hands>>);

struct Hands {
    now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// The start of all times that have passed; the first that asks sets it.
static START: OnceLock<Instant> = OnceLock::new();

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// A time of day of one's own; the time that has passed is the system's.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self::from_fns(now, || Self::system().elapsed())
    }

    /// A time of day of one's own, and a time that has passed since any start, which must never go back.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_auth::Clock;
    ///
    /// let clock = Clock::from_fns(SystemTime::now, || Duration::from_secs(7));
    /// assert_eq!(clock.elapsed(), Duration::from_secs(7));
    /// ```
    pub fn from_fns(
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(Hands { now: Box::new(now), elapsed: Box::new(elapsed) })))
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |hands| (hands.now)())
    }

    /// The time that has passed since some start: it never goes back, whoever sets the time of day.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            None => START.get_or_init(Instant::now).elapsed(),
            Some(hands) => (hands.elapsed)(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_none() { "Clock::system" } else { "Clock::from_fn" })
    }
}

/// A time as RFC 3339 writes it, UTC in whole seconds; a time outside the years -9999 to 9999 shows the epoch.
pub(crate) fn rfc3339(time: SystemTime) -> jiff::Timestamp {
    jiff::Timestamp::try_from(time)
        .and_then(|t| jiff::Timestamp::from_second(t.as_second()))
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
