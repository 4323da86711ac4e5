use std::time::Duration;

/// How often [`Alerts`](super::Alerts) look, and how long alerts are kept and delivered.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::alerts::AlertPolicy;
///
/// let policy = AlertPolicy::new().check_every(Duration::from_secs(60)).give_up_after(Duration::from_secs(86_400));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until it is given to Alerts::policy"]
pub struct AlertPolicy {
    pub(super) check_every: Duration,
    pub(super) scan_every: Duration,
    pub(super) delivery_timeout: Duration,
    pub(super) give_up_after: Duration,
    pub(super) keep: Duration,
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl AlertPolicy {
    /// Creates the default: keys that were used are looked at every ten seconds, all keys every hour; a delivery may take ten
    /// seconds and is given up after three days; alerts and networks are kept for 90 days.
    pub const fn new() -> Self {
        Self {
            check_every: Duration::from_secs(10),
            scan_every: HOUR,
            delivery_timeout: Duration::from_secs(10),
            give_up_after: DAY.saturating_mul(3),
            keep: DAY.saturating_mul(90),
        }
    }

    /// Sets how often the keys that were used meanwhile are looked at, and due alerts are delivered; ten seconds by default.
    pub const fn check_every(mut self, time: Duration) -> Self {
        self.check_every = time;
        self
    }

    /// Sets how often all keys of holders with rules are looked at, for keys that expire, are idle, or were rotated; an hour by
    /// default.
    pub const fn scan_every(mut self, time: Duration) -> Self {
        self.scan_every = time;
        self
    }

    /// Sets how long one delivery may take; ten seconds by default, and at most 45. One that takes longer has failed.
    pub const fn delivery_timeout(mut self, time: Duration) -> Self {
        // Longer than that, another process would deliver the alert as well.
        const MOST: Duration = Duration::from_secs(45);
        self.delivery_timeout = if time.as_nanos() > MOST.as_nanos() { MOST } else { time };
        self
    }

    /// Sets how long after it was raised an alert is delivered again and again; three days by default.
    pub const fn give_up_after(mut self, time: Duration) -> Self {
        self.give_up_after = time;
        self
    }

    /// Sets how long alerts are kept, and networks after their last use; 90 days by default. An alert that was removed may be
    /// raised again if its reason still holds.
    pub const fn keep(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self::new()
    }
}
