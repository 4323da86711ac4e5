use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use super::replay::{Replay, ReplayStore, UsedProof};
use crate::{BoxError, MaybeReady};

/// Remembers the proofs that this process has seen, up to a bound.
///
/// An entry lives until its proof is too old, and is never removed earlier: whoever could push entries out could use their
/// proofs again. At the bound, new proofs are answered 503 with `Retry-After`. One key may have a quarter of the entries, so
/// that one client cannot take all of them. The default has room for 500 000 proofs, about 50 MB, which are allocated as they
/// are needed: 7000 requests a second with the default [`max_age`](super::Dpop::max_age), a quarter of them by one key.
///
/// ```
/// use tower_auth::{Dpop, dpop::MemoryReplayStore};
///
/// let dpop = Dpop::new("https://api.example.com").replay_store(MemoryReplayStore::new(50_000).per_key(50_000));
/// ```
#[derive(Clone)]
pub struct MemoryReplayStore {
    memory: Arc<Memory>,
    most: usize,
    of_key: usize,
}

const SHARDS: usize = 16;

#[derive(Default)]
struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    /// The entries of all shards.
    entries: AtomicUsize,
}

/// The proofs of some keys. All proofs of a key are in the same shard.
#[derive(Default)]
struct Shard {
    /// The first half of the ids. Two proofs of one key with the same half are as hard to find as they are useless.
    seen: HashSet<u128>,
    due: BinaryHeap<Reverse<Entry>>,
    keys: HashMap<u64, usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// In milliseconds since 1970, rounded up.
    until: u64,
    key: u64,
    id: [u8; 16],
}

impl MemoryReplayStore {
    /// Creates a memory for this many proofs.
    ///
    /// ```
    /// use tower_auth::dpop::MemoryReplayStore;
    ///
    /// let store = MemoryReplayStore::new(1_000_000);
    /// ```
    #[must_use]
    pub fn new(proofs: usize) -> Self {
        Self { memory: Arc::default(), most: proofs, of_key: (proofs / 4).max(1) }
    }

    /// Sets how many proofs of one key are remembered at most. The default is a quarter of all.
    ///
    /// ```
    /// use tower_auth::dpop::MemoryReplayStore;
    ///
    /// // One gateway makes all requests.
    /// let store = MemoryReplayStore::new(100_000).per_key(100_000);
    /// ```
    #[must_use]
    pub fn per_key(self, proofs: usize) -> Self {
        Self { of_key: proofs, ..self }
    }

    fn answer(&self, proof: &UsedProof) -> Replay {
        let (now, id, key) = (milliseconds(proof.now), half(&proof.id), first(&proof.key));
        let mut shard = lock(&self.memory.shards[usize::from(proof.key[0]) % SHARDS]);
        self.forgot(shard.forget(now));
        if shard.seen.contains(&id) {
            return Replay::Seen;
        }
        if shard.keys.get(&key).is_some_and(|known| *known >= self.of_key) || self.of_key == 0 {
            return Replay::Full;
        }
        if !self.takes() {
            // No other thread waits for a second shard while it holds one: those that cannot be locked at once are skipped.
            let others = self.memory.shards.iter().filter_map(|other| other.try_lock().ok());
            others.for_each(|mut other| self.forgot(other.forget(now)));
            if !self.takes() {
                return Replay::Full;
            }
        }
        shard.seen.insert(id);
        *shard.keys.entry(key).or_default() += 1;
        shard.due.push(Reverse(Entry {
            until: milliseconds(proof.until).saturating_add(1),
            key,
            id: id.to_be_bytes(),
        }));
        Replay::New
    }

    /// Takes room for an entry.
    fn takes(&self) -> bool {
        let one_more = |entries| if entries < self.most { Some(entries + 1) } else { None };
        self.memory.entries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    fn forgot(&self, entries: usize) {
        if entries > 0 {
            self.memory.entries.fetch_sub(entries, Ordering::Relaxed);
        }
    }
}

impl Shard {
    /// Removes the entries whose proofs are too old, and returns their number.
    fn forget(&mut self, now: u64) -> usize {
        let mut forgotten = 0;
        while let Some(Reverse(entry)) = self.due.peek().copied().filter(|Reverse(entry)| entry.until < now) {
            self.due.pop();
            self.seen.remove(&u128::from_be_bytes(entry.id));
            if let Some(known) = self.keys.get_mut(&entry.key) {
                *known = known.saturating_sub(1);
                if *known == 0 {
                    self.keys.remove(&entry.key);
                }
            }
            forgotten += 1;
        }
        forgotten
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn half(id: &[u8; 32]) -> u128 {
    u128::from_be_bytes(id.first_chunk().copied().unwrap_or_default())
}

fn first(key: &[u8; 32]) -> u64 {
    u64::from_be_bytes(key.first_chunk().copied().unwrap_or_default())
}

impl Default for MemoryReplayStore {
    fn default() -> Self {
        Self::new(500_000)
    }
}

impl ReplayStore for MemoryReplayStore {
    fn record(&self, proof: &UsedProof) -> MaybeReady<Result<Replay, BoxError>> {
        MaybeReady::ready(Ok(self.answer(proof)))
    }
}

impl fmt::Debug for MemoryReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayStore")
            .field("proofs", &self.memory.entries.load(Ordering::Relaxed))
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn proof(key: u8, id: u8, now: u64) -> UsedProof {
        UsedProof { id: [id; 32], key: [key; 32], now: at(now), until: at(now + 60) }
    }

    #[test]
    fn a_proof_is_new_once_until_it_is_too_old() {
        let store = MemoryReplayStore::new(100);
        assert_eq!(store.answer(&proof(1, 1, 1000)), Replay::New);
        for now in [1000, 1001, 1060] {
            assert_eq!(store.answer(&proof(1, 1, now)), Replay::Seen, "{now}");
        }
        assert_eq!(store.answer(&proof(1, 1, 1061)), Replay::New);
    }

    #[test]
    fn at_the_bound_nothing_is_forgotten_before_its_time() {
        let store = MemoryReplayStore::new(8).per_key(8);
        for id in 0..8 {
            assert_eq!(store.answer(&proof(id, id, 1000)), Replay::New, "{id}");
        }
        for id in 8..100 {
            assert_eq!(store.answer(&proof(id, id, 1000)), Replay::Full, "{id}");
        }
        for id in 0..8 {
            assert_eq!(store.answer(&proof(id, id, 1060)), Replay::Seen, "{id}");
        }
        // The room of all shards is free again, whichever is asked.
        for id in 100..108 {
            assert_eq!(store.answer(&proof(id, id, 1061)), Replay::New, "{id}");
        }
        assert_eq!(store.memory.entries.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn one_key_takes_its_part() {
        let store = MemoryReplayStore::new(8);
        let answers: Vec<Replay> = (0..4).map(|id| store.answer(&proof(1, id, 1000))).collect();
        assert_eq!(answers, [Replay::New, Replay::New, Replay::Full, Replay::Full]);
        assert_eq!(store.answer(&proof(2, 9, 1000)), Replay::New);
        assert_eq!(store.answer(&proof(1, 3, 1061)), Replay::New);
    }

    #[test]
    fn of_many_threads_one_is_first() {
        let store = MemoryReplayStore::new(10_000).per_key(10_000);
        let new: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let store = store.clone();
                    scope.spawn(move || {
                        let ids = 0..=u8::MAX;
                        ids.filter(|id| store.answer(&proof(*id, *id, 1000)) == Replay::New).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(new, 256);
    }
}
