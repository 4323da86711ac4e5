use std::fmt;

use super::{
    bucket::BucketKey,
    levels::MOST_WINDOWS,
    limiter::{LimitDecision, LimitFuture, Limiter, Reservation},
    limits::Limits,
    lock::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError, seeds},
    shard::{Place, Shard},
    time::{LimitTime, nanos},
};
use crate::MaybeReady;

/// Counts requests in memory. The limiter is exact, its memory is bounded, and it needs no background task.
///
/// A bucket is kept until it is full again. A bucket with a calendar window is kept until an hour after the period. It takes 57 bytes, or 33 bytes if a layer's limits have one window and
/// never change. Empty slots of the hash table add at most 1.3 times as much. At most 1.8 million buckets are kept.
/// Full buckets are removed at most ten times a second.
///
/// Buckets that count requests are never evicted, because eviction would reset a client's used-up limit. If the limiter
/// is full of such buckets, new clients share one bucket in each of its 64 shards, and a warning is logged.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Quota, limit::{BucketKey, LimitDecision, Limits, MemoryLimiter}};
///
/// let limiter = MemoryLimiter::new().max_buckets(10_000);
/// let limits = Limits::new([Quota::per_second(1)])?;
/// let decided = limiter.try_acquire(BucketKey::new(["alice"]), &limits, 1, Duration::ZERO);
/// assert!(matches!(decided, LimitDecision::Admitted(_)));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
pub struct MemoryLimiter {
    shards: Shards,
    /// Random seeds of the hash. Without them, a client could choose names that collide.
    seeds: [u64; 2],
    shared: AtomicU64,
}

/// Buckets of one window or of four. Most limits have one window, and four would waste memory.
enum Shards {
    Narrow(Box<[Padded<Shard<1>>]>),
    Wide(Box<[Padded<Shard<MOST_WINDOWS>>]>),
}

/// A lock on its own cache line.
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) Mutex<T>);

/// The number of shards. A shard is locked for about a hundred nanoseconds, so contention is rare.
const SHARDS: usize = 64;
/// The default capacity. It fills the hash tables of all shards exactly, so no table is doubled for a few buckets.
const MOST: usize = SHARDS * (32 * 1024 / 8 * 7);

impl MemoryLimiter {
    /// Creates a limiter with room for 1,835,008 buckets.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Shards::Wide(shards(MOST)))
    }

    /// Creates a limiter for limits of one window. It keeps the same number of buckets in half the memory.
    pub(crate) fn narrow() -> Self {
        Self::of(Shards::Narrow(shards(MOST)))
    }

    /// Sets the maximum number of buckets, rounded up to a multiple of 64. All counts so far are lost.
    #[must_use]
    pub fn max_buckets(self, buckets: usize) -> Self {
        Self::of(match self.shards {
            Shards::Narrow(_) => Shards::Narrow(shards(buckets)),
            Shards::Wide(_) => Shards::Wide(shards(buckets)),
        })
    }

    fn of(shards: Shards) -> Self {
        Self { shards, seeds: seeds(), shared: AtomicU64::new(0) }
    }

    /// Decides at once; see [`Limiter::decide`].
    #[inline]
    pub fn try_acquire(
        &self,
        bucket: BucketKey,
        limits: &Limits,
        cost: u32,
        now: impl Into<LimitTime>,
    ) -> LimitDecision {
        let most = limits.max_cost();
        if cost > most {
            return LimitDecision::TooCostly { most };
        }
        let (place, now) = (self.place(bucket), limits.moment(now.into()));
        let rehash = |key| self.hash(key);
        let (decided, shared) = match &self.shards {
            Shards::Narrow(shards) => lock(shards, place).decide(place, limits, cost, now, rehash),
            Shards::Wide(shards) => lock(shards, place).decide(place, limits, cost, now, rehash),
        };
        if shared {
            self.tell();
        }
        decided
    }

    /// Returns the state of a bucket without counting. If the limiter is full and the bucket is new, returns the state
    /// of the shared bucket.
    pub(crate) fn ask(&self, bucket: BucketKey, limits: &Limits, now: LimitTime) -> LimitDecision {
        let (place, at) = (self.place(bucket), limits.moment(now));
        let levels = match &self.shards {
            Shards::Narrow(shards) => lock(shards, place).ask(place, limits, at),
            Shards::Wide(shards) => lock(shards, place).ask(place, limits, at),
        };
        levels.map_or_else(|| self.try_acquire(bucket, limits, 0, now), LimitDecision::Admitted)
    }

    /// Returns the number of buckets in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sum(Shard::len, Shard::len)
    }

    /// Returns whether no bucket is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the memory of all buckets, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.sum(Shard::bytes, Shard::bytes)
    }

    /// Returns the number of requests that were counted in a shared bucket because the limiter was full. Alert on an
    /// increase of this number.
    #[must_use]
    pub fn shared_bucket_count(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }

    fn sum(&self, narrow: impl Fn(&Shard<1>) -> usize, wide: impl Fn(&Shard<MOST_WINDOWS>) -> usize) -> usize {
        match &self.shards {
            Shards::Narrow(shards) => shards.iter().map(|shard| narrow(&shard.lock())).sum(),
            Shards::Wide(shards) => shards.iter().map(|shard| wide(&shard.lock())).sum(),
        }
    }

    /// Counts a request in a shared bucket. Logs the first one, and each time the count doubles.
    #[cold]
    fn tell(&self) {
        let before = self.shared.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_power_of_two() {
            tracing::warn!(
                target: "tower_auth",
                requests = before + 1,
                "a limiter is full and new clients share one bucket: an attacker may be sending from very many \
                 addresses; help: raise the number of buckets with MemoryLimiter::max_buckets"
            );
        }
    }

    #[inline]
    fn place(&self, bucket: BucketKey) -> Place {
        let key = bucket.halves();
        Place { key, hash: self.hash(key) }
    }

    #[inline]
    fn hash(&self, [low, high]: [u64; 2]) -> u64 {
        // Two rounds, because consecutive addresses differ in few bits.
        let once = fold(low ^ self.seeds[0], high ^ self.seeds[1]);
        fold(once ^ self.seeds[1], self.seeds[0] | 1)
    }
}

#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    #[expect(clippy::cast_possible_truncation, reason = "both halves count")]
    let folded = (product >> 64) as u64 ^ product as u64;
    folded
}

fn shards<const N: usize>(buckets: usize) -> Box<[Padded<Shard<N>>]> {
    let most = buckets.div_ceil(SHARDS).max(1);
    (0..SHARDS).map(|_| Padded(Mutex::new(Shard::new(most)))).collect()
}

#[inline]
fn lock<const N: usize>(shards: &[Padded<Shard<N>>], place: Place) -> MutexGuard<'_, Shard<N>> {
    // The hash table uses the highest and the lowest bits, so the shard is selected by others.
    let number = (place.hash >> 32) as usize % SHARDS;
    shards[number].lock()
}

impl<T> Padded<T> {
    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        // No code under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiter for MemoryLimiter {
    #[inline]
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture {
        // If the limiter is full, a query for a new client shows the shared bucket.
        MaybeReady::ready(Ok(if cost == 0 {
            self.ask(bucket, limits, now)
        } else {
            self.try_acquire(bucket, limits, cost, now)
        }))
    }

    fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: LimitTime) {
        let (place, now) = (self.place(bucket), nanos(now.elapsed()));
        match &self.shards {
            Shards::Narrow(shards) => lock(shards, place).refund(place, reservation, now),
            Shards::Wide(shards) => lock(shards, place).refund(place, reservation, now),
        }
    }
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimiter").finish_non_exhaustive()
    }
}
