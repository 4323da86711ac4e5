//! Where time comes from.

use std::{fmt, sync::Arc, time::SystemTime};

/// The clock of a stack: what "expired" is measured against.
///
/// One clock serves a whole stack ([`AuthStackBuilder::clock`](crate::stack::AuthStackBuilder::clock)), so that a
/// test that turns it turns everything. The default is the system's clock.
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
pub struct Clock(Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>);

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock of one's own.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |now| now())
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
