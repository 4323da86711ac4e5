use std::{sync::Arc, time::Duration};

use super::{CachedKeyStore, core::Core, freshness::Bound};
use crate::Health;

/// How a cache does: for a health endpoint, and for metrics. Counts begin when the cache is created.
///
/// ```
/// use tower_auth::{CachedKeyStore, MemoryKeyStore};
/// use std::time::Duration;
///
/// let keys = CachedKeyStore::ttl(MemoryKeyStore::new(), Duration::from_secs(5));
/// let health = keys.health();
/// assert!(health.is_used && health.hit_rate().is_none());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheHealth {
    /// Whether cached answers are used now. Otherwise, the store is asked.
    pub is_used: bool,
    /// The longest time for which a cached answer is used after a change has returned.
    pub bound: Duration,
    /// The time since the start of the heartbeat to which the lease goes back, if the cache is leased and has one: less
    /// than the bound.
    pub lease_age: Option<Duration>,
    /// How long the last heartbeat took: about how much later announcements arrive.
    pub lag: Option<Duration>,
    /// How often the lease was lost.
    pub losses: u64,
    /// Lookups that were answered from the cache with a key or with what is known of a token.
    pub hits: u64,
    /// Lookups that were answered from the cache: the key is unknown.
    pub unknown: u64,
    /// Lookups that the store was asked for.
    pub fills: u64,
    /// Lookups that waited for another one of the same key.
    pub shared: u64,
    /// Lookups past the cache: fresh ones, and those without a lease.
    pub bypasses: u64,
    /// Lookups that have failed.
    pub failures: u64,
    /// Failed lookups that were answered with what was known before.
    pub stale: u64,
    /// The keys in the cache. Some may not be usable any more.
    pub keys: usize,
    /// What prevents the use of the cache.
    pub trouble: Option<Arc<str>>,
}

impl CacheHealth {
    pub(super) fn of(core: &Core) -> Self {
        let (counts, link) = (&core.counts, &core.link);
        let load = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
        let is_used = core.freshness.is_open();
        let beaten = load(&link.beaten_at);
        let leased = matches!(core.freshness.bound, Bound::Leased { .. }) && beaten > 0;
        let trouble = match link.trouble.health() {
            Health::Degraded(why) | Health::Down(why) => Some(why),
            Health::Good => core.is_idle().then(|| "the task of the cache is not started, or was dropped".into()),
        };
        Self {
            is_used,
            bound: core.freshness.promise(),
            lease_age: (leased && is_used).then(|| Duration::from_nanos(core.freshness.now().saturating_sub(beaten))),
            lag: leased.then(|| Duration::from_nanos(load(&link.round_trip))),
            losses: load(&link.losses),
            hits: counts.hits.sum(),
            unknown: counts.known_unknown.sum(),
            fills: counts.fills.sum(),
            shared: counts.shared.sum(),
            bypasses: counts.bypasses.sum(),
            failures: counts.failures.sum(),
            stale: counts.stale.sum(),
            keys: core.keys.len(),
            trouble,
        }
    }

    /// Returns the part of the lookups that were answered from the cache; `None` before the first lookup.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let hits = self.hits + self.unknown;
        let all = hits + self.fills + self.shared;
        #[allow(clippy::cast_precision_loss, reason = "a rate needs no more precision")]
        (all > 0).then(|| hits as f64 / all as f64)
    }
}

impl<S> CachedKeyStore<S> {
    /// Returns how the cache does.
    #[must_use]
    pub fn health(&self) -> CacheHealth {
        CacheHealth::of(&self.core)
    }
}
