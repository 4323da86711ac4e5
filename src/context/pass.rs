//! The values that are read once in each pass of a request through a gate.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use super::client_ip::ClientIp;
use crate::Clock;

/// The clock readings and results that the guards of one gate share while they check one request. After a guard has
/// waited, a new pass starts, so that no reading is stale.
#[derive(Debug)]
pub(crate) struct Pass<'g> {
    /// The clock of the gate.
    pub(crate) clock: &'g Clock,
    /// How the stack finds the client's address.
    pub(crate) client_ip: Option<&'g ClientIp>,
    /// Nanoseconds since the start of the system's clock.
    elapsed: AtomicU64,
    /// Nanoseconds since 1970.
    now: AtomicU64,
    /// The result of the table of rules, encoded by that table.
    pub(crate) rule: AtomicUsize,
    /// Whether the request is authenticated by fresh answers.
    pub(crate) fresh: bool,
}

const UNREAD: u64 = u64::MAX;
/// The table of rules was not evaluated.
pub(crate) const UNASKED: usize = usize::MAX;

impl<'g> Pass<'g> {
    pub(crate) const fn new(clock: &'g Clock, client_ip: Option<&'g ClientIp>) -> Self {
        Self {
            clock,
            client_ip,
            elapsed: AtomicU64::new(UNREAD),
            now: AtomicU64::new(UNREAD),
            rule: AtomicUsize::new(UNASKED),
            fresh: false,
        }
    }

    pub(crate) fn fresh(self, fresh: bool) -> Self {
        Self { fresh, ..self }
    }

    /// Returns the monotonic time. The system's clock is read once per pass; any other clock is read on every call.
    #[inline]
    pub(crate) fn elapsed(&self, clock: &Clock) -> Duration {
        if !clock.is_system() {
            return clock.elapsed();
        }
        match self.elapsed.load(Ordering::Relaxed) {
            UNREAD => {
                let elapsed = clock.elapsed();
                self.elapsed.store(nanos(elapsed), Ordering::Relaxed);
                elapsed
            }
            elapsed => Duration::from_nanos(elapsed),
        }
    }

    /// Returns the time of day. The system's clock is read once per pass; any other clock is read on every call.
    #[inline]
    pub(crate) fn now(&self, clock: &Clock) -> SystemTime {
        if !clock.is_system() {
            return clock.now();
        }
        match self.now.load(Ordering::Relaxed) {
            UNREAD => {
                let now = clock.now();
                // A time before 1970 is not stored: the next call reads the clock again.
                let since = now.duration_since(SystemTime::UNIX_EPOCH).map_or(UNREAD, nanos);
                self.now.store(since, Ordering::Relaxed);
                now
            }
            since => SystemTime::UNIX_EPOCH + Duration::from_nanos(since),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(UNREAD)
}
