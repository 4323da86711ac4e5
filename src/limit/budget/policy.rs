use std::time::{Duration, SystemTime};

use crate::limit::CalendarUnit;

/// How a [`BudgetLimiter`](super::BudgetLimiter) leases budgets.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::limit::budget::BudgetPolicy;
///
/// let policy = BudgetPolicy::new().max_lease(100).give_back_after(Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until it is given to BudgetLimiter::with"]
pub struct BudgetPolicy {
    pub(super) max_lease: u32,
    pub(super) share: u32,
    pub(super) give_back_after: Duration,
    pub(super) ask_again_after: Duration,
    pub(super) keep_for: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Periods of the same number end up to 26 hours apart in the time zones of the world.
const SURELY_OVER: Duration = DAY.saturating_mul(2);

impl BudgetPolicy {
    /// Creates the default: leases of at most 1,000 requests and a sixteenth of what remains, given back when they were not used
    /// for 30 seconds; counts kept until 35 days after their period.
    pub const fn new() -> Self {
        Self {
            max_lease: 1_000,
            share: 16,
            give_back_after: Duration::from_secs(30),
            ask_again_after: Duration::from_secs(1),
            keep_for: DAY.saturating_mul(35),
        }
    }

    /// Sets the largest lease; 1,000 requests by default. A crash loses at most one lease for each bucket. A smaller lease loses less
    /// and asks the store more often. A request with a higher cost leases exactly its cost. Zero is one.
    pub const fn max_lease(mut self, requests: u32) -> Self {
        self.max_lease = if requests == 0 { 1 } else { requests };
        self
    }

    /// Sets the part of the remaining requests that a lease has at most: 16, the default, means a sixteenth. Choose a few times the
    /// number of processes. Zero is one.
    pub const fn share(mut self, parts: u32) -> Self {
        self.share = if parts == 0 { 1 } else { parts };
        self
    }

    /// Sets how long a lease may be unused before it is given back; 30 seconds by default. It is given back at the latest after
    /// twice the time.
    pub const fn give_back_after(mut self, time: Duration) -> Self {
        self.give_back_after = time;
        self
    }

    /// Sets for how long requests are refused without asking the store, after the store had too few left; one second by default. In
    /// this time, requests that another process gives back are not seen. Less than a millisecond is a millisecond.
    pub const fn ask_again_after(mut self, time: Duration) -> Self {
        // Without a pause, a request that was told no would ask again and again.
        const LEAST: Duration = Duration::from_millis(1);
        self.ask_again_after = if time.as_nanos() < LEAST.as_nanos() { LEAST } else { time };
        self
    }

    /// Sets how long counts are kept after the end of their period; 35 days by default, and at least two days. If the clock of a
    /// process runs ahead by more than this time, counts that are still needed are removed.
    pub const fn keep_for(mut self, time: Duration) -> Self {
        self.keep_for = time;
        self
    }

    /// Returns the number of the first period that is kept.
    pub(super) fn first_kept(&self, unit: CalendarUnit, now: SystemTime) -> u32 {
        let kept = now.checked_sub(self.keep_for.max(SURELY_OVER)).unwrap_or(SystemTime::UNIX_EPOCH);
        unit.number_in_utc(kept)
    }
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self::new()
    }
}
