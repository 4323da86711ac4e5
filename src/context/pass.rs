//! What one pass of a request through a gate finds out once.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use super::client_ip::ClientIp;
use crate::Clock;

/// The readings and results that the guards of one gate share while they look at one request. A guard that had to be waited
/// for starts a new pass, so that no reading is older than the wait.
#[derive(Debug)]
pub(crate) struct Pass<'g> {
    /// How the stack finds the address of the client.
    pub(crate) client_ip: Option<&'g ClientIp>,
    /// Nanoseconds since the start of the system's clock, and since 1970.
    elapsed: AtomicU64,
    now: AtomicU64,
    /// What the table of rules said, in its own terms.
    pub(crate) rule: AtomicUsize,
}

const UNREAD: u64 = u64::MAX;
/// The table of rules was not asked.
pub(crate) const UNASKED: usize = usize::MAX;

impl<'g> Pass<'g> {
    pub(crate) const fn new(client_ip: Option<&'g ClientIp>) -> Self {
        Self {
            client_ip,
            elapsed: AtomicU64::new(UNREAD),
            now: AtomicU64::new(UNREAD),
            rule: AtomicUsize::new(UNASKED),
        }
    }

    /// The monotonic time. The system's clock is read once; a clock of the service's own is its own business.
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

    /// The time of day.
    #[inline]
    pub(crate) fn now(&self, clock: &Clock) -> SystemTime {
        if !clock.is_system() {
            return clock.now();
        }
        match self.now.load(Ordering::Relaxed) {
            UNREAD => {
                let now = clock.now();
                // A time before 1970 is read again.
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
