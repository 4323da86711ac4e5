use std::time::{Duration, SystemTime};

use super::{By, Forget};

/// How much is kept of the usage, and for how long.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::usage::UsagePolicy;
///
/// let policy = UsagePolicy::new().flush_every(Duration::from_secs(1)).keep_refusals(100);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until it is given to Usage::with"]
pub struct UsagePolicy {
    pub(super) flush_every: Duration,
    pub(super) keep_hours: Duration,
    pub(super) keep_days: Duration,
    pub(super) keep_traces: Duration,
    pub(super) keep_refusals: usize,
    pub(super) max_waiting: usize,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl UsagePolicy {
    /// Creates the default: written every five seconds; hours kept for two days and days for 400; the last 20 refusals of each
    /// key, addresses and programs for 30 days.
    pub const fn new() -> Self {
        Self {
            flush_every: Duration::from_secs(5),
            keep_hours: DAY.saturating_mul(2),
            keep_days: DAY.saturating_mul(400),
            keep_traces: DAY.saturating_mul(30),
            keep_refusals: 20,
            max_waiting: 200_000,
        }
    }

    /// Sets how often counts are written; five seconds by default. This is what a crash of the process loses at most.
    pub const fn flush_every(mut self, time: Duration) -> Self {
        self.flush_every = time;
        self
    }

    /// Sets how long counts by the hour are kept; two days by default.
    pub const fn keep_hours(mut self, time: Duration) -> Self {
        self.keep_hours = time;
        self
    }

    /// Sets how long counts by the day are kept; 400 days by default.
    pub const fn keep_days(mut self, time: Duration) -> Self {
        self.keep_days = time;
        self
    }

    /// Sets how long personal data is kept: refused requests, and the address and the program of the last use of a key; 30
    /// days by default. The time of the last use stays.
    pub const fn keep_traces(mut self, time: Duration) -> Self {
        self.keep_traces = time;
        self
    }

    /// Sets how many refused requests are kept for each key; 20 by default. Zero keeps none.
    pub const fn keep_refusals(mut self, count: usize) -> Self {
        self.keep_refusals = count;
        self
    }

    /// Sets how many callers this process counts in an hour while nothing can be written, 200,000 by default. An entry takes
    /// about 300 bytes. As many again may wait in batches that the store has not taken. Requests of further callers are
    /// [lost](super::Usage::lost_count).
    pub const fn max_waiting(mut self, entries: usize) -> Self {
        self.max_waiting = entries;
        self
    }

    /// Returns what is too old now.
    pub(super) fn too_old(&self, now: SystemTime) -> [Forget; 3] {
        let before = |age| now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        [
            // A period goes when all of it is too old.
            Forget::Hours { before: By::Hour.start_of(before(self.keep_hours)) },
            Forget::Days { before: By::Day.start_of(before(self.keep_days)) },
            Forget::Traces { before: before(self.keep_traces) },
        ]
    }
}

impl Default for UsagePolicy {
    fn default() -> Self {
        Self::new()
    }
}
