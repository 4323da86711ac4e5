use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::Health;

/// What a limiter has done since it was created.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) asked: AtomicU64,
    pub(super) known_spent: AtomicU64,
    pub(super) from_leases: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) lost: AtomicU64,
}

pub(super) fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// How a limiter does that several processes share: for a health endpoint, and for metrics. Counts begin when the limiter is created, and are those
/// of this process.
///
/// ```
/// use tower_auth::limit::shared::SharedHealth;
///
/// fn is_worth_an_alert(health: &SharedHealth) -> bool {
///     health.trouble.is_some() || health.lost > 0
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedHealth {
    /// Why the server, or one of them, does not answer now. The outage policy of each limit decides meanwhile.
    pub trouble: Option<Arc<str>>,
    /// Questions that the server has answered: decisions, leases, charges and give-backs. A question after a change of limits takes several round trips.
    pub asked: u64,
    /// Requests that were refused without a question, because the bucket was known to be empty.
    pub known_spent: u64,
    /// Requests that were admitted out of a lease.
    pub from_leases: u64,
    /// Questions that the server has not answered within the deadline, or has answered with an error, and those for which it could not be connected.
    pub failed: u64,
    /// Questions that failed at once, because the server was known not to answer: decisions, leases, and each attempt to empty the queue.
    pub skipped: u64,
    /// Charges and give-backs that wait for the server.
    pub queued: usize,
    /// Charges and give-backs that are lost: the queue was full, or it is unknown whether the server has carried them out.
    pub lost: u64,
    /// Leased requests that no request has used yet.
    pub unused: u64,
    /// Buckets that this process remembers, because they are empty, or because it holds leases of them.
    pub buckets: usize,
}

impl SharedHealth {
    pub(super) fn of(counts: &Counts, health: Health, queued: usize, unused: u64, buckets: usize) -> Self {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let trouble = match health {
            Health::Good => None,
            Health::Degraded(why) | Health::Down(why) => Some(why),
        };
        Self {
            trouble,
            asked: load(&counts.asked),
            known_spent: load(&counts.known_spent),
            from_leases: load(&counts.from_leases),
            failed: load(&counts.failed),
            skipped: load(&counts.skipped),
            queued,
            lost: load(&counts.lost),
            unused,
            buckets,
        }
    }
}
