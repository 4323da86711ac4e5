use std::{fmt, time::Duration};

use super::{
    bucket::BucketKey,
    limiter::{LimitDecision, LimitFuture, Limiter, Reservation, nanos},
    limits::{Limits, MOST_WINDOWS},
    lock::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError, seeds},
    shard::{Place, Shard},
};
use crate::MaybeReady;

/// Counts in memory: exact, bounded, and without a task in the background.
///
/// A bucket is kept until it is full again, and takes 57 bytes (33 where a layer's limits have one window and never change) and
/// what a hash table leaves empty: 1.3 times as much again at the most. At most 1.8 million are kept. When all of them count
/// something, none is given up, for whoever has used up a limit would be let in again: newcomers then share, in each of 64
/// parts of the limiter, what one of them would have, and the log says so. Full buckets are looked for ten times a second.
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
    /// What nobody outside knows: without it, names could be chosen that all stand in one place.
    seeds: [u64; 2],
    shared: AtomicU64,
}

/// Most limits have one window, and then four would be a waste.
enum Shards {
    Narrow(Box<[Padded<Shard<1>>]>),
    Wide(Box<[Padded<Shard<MOST_WINDOWS>>]>),
}

/// Locks that share no line of the processor's cache.
#[repr(align(128))]
struct Padded<T>(Mutex<T>);

/// A shard is locked for about a hundred nanoseconds, so that few threads meet in one.
const SHARDS: usize = 64;
/// What fills the tables of all shards, so that none of them is made larger for a few.
const MOST: usize = SHARDS * (32 * 1024 / 8 * 7);

impl MemoryLimiter {
    /// A limiter for any limits, with room for 1,835,008 buckets.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Shards::Wide(shards(MOST)))
    }

    /// A limiter for limits of one window, of which it keeps as many in half the memory.
    pub(crate) fn narrow() -> Self {
        Self::of(Shards::Narrow(shards(MOST)))
    }

    /// Keeps so many buckets at the most, rounded up to a multiple of 64; what was counted before is forgotten.
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
    pub fn try_acquire(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> LimitDecision {
        let most = limits.max_cost();
        if cost > most {
            return LimitDecision::TooCostly { most };
        }
        let (place, now) = (self.place(bucket), nanos(now));
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

    /// How a bucket stands, as a newcomer to a limiter without room finds it.
    pub(crate) fn ask(&self, bucket: BucketKey, limits: &Limits, now: Duration) -> LimitDecision {
        let (place, at) = (self.place(bucket), nanos(now));
        let levels = match &self.shards {
            Shards::Narrow(shards) => lock(shards, place).ask(place, limits, at),
            Shards::Wide(shards) => lock(shards, place).ask(place, limits, at),
        };
        levels.map_or_else(|| self.try_acquire(bucket, limits, 0, now), LimitDecision::Admitted)
    }

    /// How many buckets it keeps now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sum(Shard::len, Shard::len)
    }

    /// Whether it keeps none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that its buckets take, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.sum(Shard::bytes, Shard::bytes)
    }

    /// How many requests met a bucket that newcomers share, for want of room: a reason for an alarm.
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

    /// The log is told of the first, and of every doubling.
    #[cold]
    fn tell(&self) {
        let before = self.shared.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_power_of_two() {
            tracing::warn!(
                target: "tower_auth",
                requests = before + 1,
                "a limiter has no room for more buckets that count something, and newcomers share one: somebody may be \
                 sending from very many addresses; give it more room with MemoryLimiter::max_buckets"
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
        // Twice, for addresses one after the other differ in few bits.
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
    // The table reads the highest and the lowest bits.
    let number = (place.hash >> 32) as usize % SHARDS;
    shards[number].lock()
}

impl<T> Padded<T> {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, T> {
        // What is done under the lock does not panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiter for MemoryLimiter {
    #[inline]
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> LimitFuture {
        // A newcomer to a limiter without room is told of the bucket that newcomers share.
        MaybeReady::ready(Ok(if cost == 0 {
            self.ask(bucket, limits, now)
        } else {
            self.try_acquire(bucket, limits, cost, now)
        }))
    }

    fn refund(&self, bucket: BucketKey, taken: &Reservation, now: Duration) {
        let (place, now) = (self.place(bucket), nanos(now));
        match &self.shards {
            Shards::Narrow(shards) => lock(shards, place).refund(place, taken, now),
            Shards::Wide(shards) => lock(shards, place).refund(place, taken, now),
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
