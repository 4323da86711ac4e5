//! How a cache is set up.

use std::time::Duration;

use crate::Clock;

/// What has a default.
#[derive(Clone)]
pub(super) struct Settings {
    /// The most keys, and the most tokens.
    pub(super) capacity: usize,
    /// The most unknown keys.
    pub(super) unknown: usize,
    pub(super) unknown_for: Duration,
    pub(super) longest: Duration,
    pub(super) stale: Duration,
    pub(super) lookup_timeout: Duration,
    pub(super) clock: Clock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capacity: 100_000,
            unknown: 10_000,
            unknown_for: Duration::from_secs(2),
            longest: Duration::from_secs(60),
            stale: Duration::ZERO,
            // Somebody who waits for a lookup that runs, and then for one of their own, waits less than the five seconds of a stack.
            lookup_timeout: Duration::from_secs(2),
            clock: Clock::system(),
        }
    }
}
