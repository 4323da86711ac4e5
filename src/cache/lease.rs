//! Until when cached answers may be used.

use super::sync::{AtomicU64, Ordering};

/// A time of the monotonic clock, in nanoseconds, up to which all announcements are known that matter.
///
/// Whoever extends the lease has applied every announcement from before the start of a heartbeat, and extends it to that
/// start plus the bound. So a reader must read the lease first, then the epochs, then the clock: with the lease it sees all
/// that was applied before, and if the clock is still before its end, every change that returned more than the bound ago is among them.
#[derive(Debug)]
pub(super) struct Lease {
    until: AtomicU64,
}

impl Lease {
    /// Creates a lease that is not held.
    pub(super) fn new() -> Self {
        Self { until: AtomicU64::new(0) }
    }

    /// Extends the lease, after announcements have been applied.
    pub(super) fn extend(&self, until: u64) {
        self.until.store(until, Ordering::Release);
    }

    /// Ends the lease at once.
    pub(super) fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Returns the end. All announcements are visible that had been applied when it was set.
    #[inline]
    pub(super) fn until(&self) -> u64 {
        self.until.load(Ordering::Acquire)
    }
}
