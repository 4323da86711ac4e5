//! All buckets of a limiter, in shards with a lock each.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hashbrown::HashTable;

use super::{
    entry::{Asked, Attempt, Entry, Means},
    kept::Sweep,
    period::BudgetPeriod,
    policy::BudgetPolicy,
    take::{BudgetReturn, BudgetTaken},
};
use crate::limit::{
    BucketKey, LimitTime, Limiter as _, MemoryLimiter, Reservation,
    flight::{Flight, Landing},
    memory::Padded,
};

pub(super) struct Table {
    shards: Box<[Padded<Shard>]>,
    hasher: RandomState,
    /// Counts the windows that are refilled evenly. All calls for a bucket are made under the lock of its shard.
    memory: MemoryLimiter,
    /// The number of sweeps so far.
    sweeps: AtomicU64,
}

#[derive(Default)]
struct Shard {
    entries: HashTable<Entry>,
    /// Leased requests that no bucket can use any more.
    owed: Vec<BudgetReturn>,
}

const SHARDS: usize = 64;

impl Table {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Padded(Mutex::default())).collect(),
            hasher: RandomState::new(),
            memory: MemoryLimiter::new(),
            sweeps: AtomicU64::new(0),
        }
    }

    pub(super) const fn memory(&self) -> &MemoryLimiter {
        &self.memory
    }

    /// Tries to decide. `may_order` is true if the caller can make the calls of the store that are missing.
    pub(super) fn attempt(&self, asked: &Asked<'_>, policy: &BudgetPolicy, may_order: bool) -> Attempt {
        let hash = self.hasher.hash_one(asked.bucket);
        let mut shard = self.lock(hash);
        let Shard { entries, owed } = &mut *shard;
        let sweep = self.sweeps.load(Ordering::Relaxed);
        let means = Means { memory: &self.memory, policy, sweep, may_order };
        if let Some(entry) = entries.find_mut(hash, |entry| entry.bucket == asked.bucket) {
            return entry.attempt(asked, means, owed);
        }
        if !may_order {
            return Attempt::short();
        }
        let entry = Entry::new(asked.bucket, asked.limits);
        let mut entry = entries.insert_unique(hash, entry, |entry| self.hasher.hash_one(entry.bucket));
        entry.get_mut().attempt(asked, means, owed)
    }

    pub(super) fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: LimitTime) {
        let hash = self.hasher.hash_one(bucket);
        let mut shard = self.lock(hash);
        self.memory.refund(bucket, &reservation.even(), now);
        if let Some(entry) = shard.entries.find_mut(hash, |entry| entry.bucket == bucket) {
            entry.refund(reservation);
        }
    }

    /// Notes what the store has granted. If no bucket counts in the period any more, it is given back.
    pub(super) fn note(&self, period: &BudgetPeriod, taken: BudgetTaken, asked: Duration, is_late: bool) {
        let hash = self.hasher.hash_one(period.bucket);
        let mut shard = self.lock(hash);
        let entry = shard.entries.find_mut(hash, |entry| entry.bucket == period.bucket);
        let is_noted = entry.is_some_and(|entry| entry.note(period, taken, asked, is_late));
        if !is_noted && taken.granted > 0 {
            shard.owed.push(BudgetReturn::new(period.clone(), taken.granted));
        }
    }

    /// Begins a sweep, and returns the number of the last one.
    pub(super) fn begin_sweep(&self) -> u64 {
        self.sweeps.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes leases that are to be given back out of each shard in turn. The landing ends the wait of requests for them.
    pub(super) fn swept(&self, sweep: Sweep, max_lease: u32) -> impl Iterator<Item = (Vec<BudgetReturn>, Landing)> {
        let mut shards = self.shards.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                let (landing, flight) = Flight::begin();
                let out = self.sweep(*shards.peek()?, sweep, max_lease, &flight);
                // A full batch may not be all of this shard.
                if out.len() < sweep.limit {
                    shards.next();
                }
                if !out.is_empty() {
                    return Some((out, landing));
                }
            }
        })
    }

    fn sweep(&self, shard: &Padded<Shard>, sweep: Sweep, max_lease: u32, flight: &Flight) -> Vec<BudgetReturn> {
        let mut shard = shard.lock();
        let Shard { entries, owed } = &mut *shard;
        let rest = owed.len().saturating_sub(sweep.limit);
        let mut out = owed.split_off(rest);
        entries.retain(|entry| {
            entry.sweep(sweep, max_lease, flight, &mut out);
            !entry.is_empty()
        });
        if entries.len() < entries.capacity() / 8 {
            entries.shrink_to(entries.len() * 2, |entry| self.hasher.hash_one(entry.bucket));
        }
        out
    }

    /// Puts leases back that were taken out and not given back.
    pub(super) fn put_back(&self, all: Vec<BudgetReturn>) {
        for unused in all {
            let hash = self.hasher.hash_one(unused.period.bucket);
            let mut shard = self.lock(hash);
            let entry = shard.entries.find_mut(hash, |entry| entry.bucket == unused.period.bucket);
            match entry.and_then(|entry| entry.purse_of(&unused.period)) {
                Some(purse) => purse.put_back(unused.count),
                None => shard.owed.push(unused),
            }
        }
    }

    /// Returns the calls of the store that are under way.
    pub(super) fn flights(&self) -> Vec<Flight> {
        let of = |shard: &Padded<Shard>| shard.lock().entries.iter().flat_map(Entry::flights).collect::<Vec<_>>();
        self.shards.iter().flat_map(of).collect()
    }

    pub(super) fn buckets(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().entries.len()).sum()
    }

    pub(super) fn unused(&self) -> u64 {
        let of = |shard: &Padded<Shard>| {
            let shard = shard.lock();
            let owed = shard.owed.iter().map(|unused| u64::from(unused.count));
            shard.entries.iter().map(Entry::unused).chain(owed).sum::<u64>()
        };
        self.shards.iter().map(of).sum()
    }

    fn lock(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The hash table uses the highest and the lowest bits, so the shard is selected by others.
        self.shards[(hash >> 32) as usize % SHARDS].lock()
    }
}
