//! What this process holds of all buckets, in shards with a lock each.

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
    ask::{Ask, Taken},
    held::{Held, Return},
    policy::Leases,
};
use crate::limit::{
    BucketKey, LimitDecision, Limits, Reservation,
    flight::{Flight, Landing},
    memory::Padded,
};

pub(super) struct Table {
    shards: Box<[Padded<HashTable<Held>>]>,
    hasher: RandomState,
    /// How many give-backs the server has carried out, by hash of the bucket. An answer from before one of them may be too strict.
    given_back: Box<[AtomicU64]>,
}

const SHARDS: usize = 64;
/// Buckets that share a number of give-backs only ask once too often.
const STRIPES: u64 = 1024;
/// How many buckets a shard holds at most. Others are asked for each time.
const MOST: usize = 16 * 1024;

/// A request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) bucket: BucketKey,
    pub(super) limits: &'a Limits,
    pub(super) cost: u32,
    /// The time of this process.
    pub(super) at: Duration,
}

/// The outcome of one attempt to decide without asking the server.
pub(super) enum Attempt {
    Decided(LimitDecision),
    /// It is decided, and the next lease is to be taken.
    Refill(LimitDecision, Order),
    /// The next lease is to be taken first, or is taken already.
    Wait(Option<Order>, Flight),
    /// This request alone is to be asked for, after this was given back.
    Alone(Vec<Return>),
}

/// A lease to take.
pub(super) struct Order {
    pub(super) ask: Ask,
    pub(super) landing: Landing,
    /// See [`Table::mark`].
    pub(super) mark: u64,
}

impl Table {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Padded(Mutex::default())).collect();
        let given_back = (0..STRIPES).map(|_| AtomicU64::new(0)).collect();
        Self { shards, hasher: RandomState::new(), given_back }
    }

    /// Returns the number that [`note`](Self::note) compares.
    pub(super) fn mark(&self, bucket: BucketKey) -> u64 {
        self.mark_of(self.hasher.hash_one(bucket))
    }

    fn mark_of(&self, hash: u64) -> u64 {
        self.stripe(hash).load(Ordering::Acquire)
    }

    fn stripe(&self, hash: u64) -> &AtomicU64 {
        // The number of a stripe fits.
        &self.given_back[usize::try_from(hash % STRIPES).unwrap_or(0)]
    }

    /// Refuses what the server would refuse too.
    pub(super) fn refusal(&self, asked: &Asked<'_>) -> Option<LimitDecision> {
        let hash = self.hasher.hash_one(asked.bucket);
        let shard = self.lock(hash);
        let held = shard.find(hash, |held| held.bucket == asked.bucket)?;
        let is_same = held.limits.id() == asked.limits.id();
        if is_same { held.refusal(asked.cost, asked.at) } else { None }
    }

    /// Notes an answer that leaves no room. `owed` gets leases by other limits.
    pub(super) fn note(&self, asked: &Asked<'_>, taken: Taken, mark: u64, owed: &mut Vec<Return>) {
        let hash = self.hasher.hash_one(asked.bucket);
        let mut shard = self.lock(hash);
        // Under the lock, which whoever gives back takes after it has counted.
        if self.mark_of(hash) == mark
            && let Some(held) = self.held(&mut shard, hash, asked)
        {
            held.adopt(asked.limits, owed);
            held.note(taken, asked.at);
        }
    }

    /// Tries to decide out of leases. `owed` gets what is to be given back.
    pub(super) fn attempt(&self, asked: &Asked<'_>, leases: Leases, owed: &mut Vec<Return>, is_first: bool) -> Attempt {
        let hash = self.hasher.hash_one(asked.bucket);
        let mut shard = self.lock(hash);
        let Some(held) = self.held(&mut shard, hash, asked) else { return Attempt::Alone(Vec::new()) };
        held.adopt(asked.limits, owed);
        if is_first {
            held.count(asked.cost, asked.at, leases);
        }
        if let Some(decided) = held.spend(asked.cost, asked.at, owed) {
            let may_ask = held.runs_low() && held.flight().is_none() && held.refusal_or_pause(1, asked.at).is_none();
            let wanted = if may_ask { held.wanted(asked.at, leases) } else { 0 };
            return if wanted > 1 {
                Attempt::Refill(decided, order(held, asked, wanted, 1, self.mark_of(hash)).0)
            } else {
                Attempt::Decided(decided)
            };
        }
        let under_way = held.flight().filter(|_| is_first).cloned();
        if held.unused() > 0 {
            if let Some(flight) = under_way {
                return Attempt::Wait(None, flight);
            }
            // The lease has too few for this cost. The server may have enough with what is left of it.
            let mut first = Vec::new();
            held.give_back_all(&mut first);
            held.forget();
            return Attempt::Alone(first);
        }
        if let Some(refused) = held.refusal_or_pause(asked.cost, asked.at) {
            return Attempt::Decided(refused);
        }
        match (under_way, held.wanted(asked.at, leases)) {
            _ if !is_first => Attempt::Alone(Vec::new()),
            (Some(flight), _) => Attempt::Wait(None, flight),
            (None, wanted) if wanted > asked.cost => {
                let (order, flight) = order(held, asked, wanted, asked.cost, self.mark_of(hash));
                Attempt::Wait(Some(order), flight)
            }
            _ => Attempt::Alone(Vec::new()),
        }
    }

    /// Notes what was leased. What no bucket can use is given back.
    pub(super) fn leased(&self, order: &Order, taken: Taken, sent: Duration, leases: Leases, owed: &mut Vec<Return>) {
        let ask = &order.ask;
        let asked = Asked { bucket: ask.bucket, limits: &ask.limits, cost: 0, at: sent };
        let hash = self.hasher.hash_one(ask.bucket);
        let mut shard = self.lock(hash);
        match self.held(&mut shard, hash, &asked).filter(|held| held.limits.id() == ask.limits.id()) {
            Some(held) => {
                if self.mark_of(hash) == order.mark {
                    held.note(taken, sent);
                    if taken.granted < ask.want {
                        held.pause(sent, leases);
                    }
                }
                if taken.granted > 0 {
                    held.lease(taken, sent, leases, owed);
                }
            }
            None if taken.granted > 0 => {
                let reservation = taken.reservation(&ask.limits, taken.granted);
                owed.push(Return { bucket: ask.bucket, reservation });
            }
            None => {}
        }
    }

    /// Puts requests back into the lease that they came from. Returns `false` if it is over.
    pub(super) fn put_back(&self, bucket: BucketKey, reservation: &Reservation, at: Duration) -> bool {
        let hash = self.hasher.hash_one(bucket);
        let mut shard = self.lock(hash);
        let held = shard.find_mut(hash, |held| held.bucket == bucket);
        held.is_some_and(|held| held.put_back(reservation, at))
    }

    /// Adds what is leased to a decision of the server.
    pub(super) fn with_leased(&self, bucket: BucketKey, decision: LimitDecision) -> LimitDecision {
        let hash = self.hasher.hash_one(bucket);
        let shard = self.lock(hash);
        shard.find(hash, |held| held.bucket == bucket).map_or(decision, |held| held.with_leased(decision))
    }

    /// Forgets the last answer for a bucket, after requests were given back.
    pub(super) fn forget(&self, bucket: BucketKey) {
        let hash = self.hasher.hash_one(bucket);
        self.stripe(hash).fetch_add(1, Ordering::AcqRel);
        let mut shard = self.lock(hash);
        if let Some(held) = shard.find_mut(hash, |held| held.bucket == bucket) {
            held.forget();
        }
    }

    /// Removes what does not matter any more, and returns the leases that are over, or all of them.
    pub(super) fn sweep(&self, at: Duration, idle: Duration, all: bool) -> Vec<Return> {
        let mut owed = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.retain(|held| {
                if all {
                    held.give_back_all(&mut owed);
                } else {
                    held.give_back_expired(at, &mut owed);
                }
                !held.is_over(at, idle)
            });
            if shard.len() < shard.capacity() / 8 {
                let size = shard.len() * 2;
                shard.shrink_to(size, |held| self.hasher.hash_one(held.bucket));
            }
        }
        owed
    }

    /// Returns the leases that are being taken. Each ends within the deadline of the server.
    pub(super) fn flights(&self) -> Vec<Flight> {
        let flights = |shard: &Padded<HashTable<Held>>| -> Vec<Flight> {
            shard.lock().iter().filter_map(|held| held.flight.clone()).filter(Flight::is_under_way).collect()
        };
        self.shards.iter().flat_map(flights).collect()
    }

    pub(super) fn buckets(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    pub(super) fn unused(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().iter().map(Held::unused).sum::<u64>()).sum()
    }

    fn held<'a>(&self, shard: &'a mut HashTable<Held>, hash: u64, asked: &Asked<'_>) -> Option<&'a mut Held> {
        let is_full = shard.len() >= MOST;
        if is_full && shard.find(hash, |held| held.bucket == asked.bucket).is_none() {
            return None;
        }
        let entry = shard.entry(hash, |held| held.bucket == asked.bucket, |held| self.hasher.hash_one(held.bucket));
        Some(entry.or_insert_with(|| Held::new(asked.bucket, asked.limits)).into_mut())
    }

    fn lock(&self, hash: u64) -> MutexGuard<'_, HashTable<Held>> {
        // The hash table uses the highest and the lowest bits, so the shard is selected by others.
        self.shards[(hash >> 32) as usize % SHARDS].lock()
    }
}

fn order(held: &mut Held, asked: &Asked<'_>, want: u32, least: u32, mark: u64) -> (Order, Flight) {
    let (landing, flight) = Flight::begin();
    held.flight = Some(flight.clone());
    let ask = Ask { bucket: asked.bucket, limits: asked.limits.clone(), want, least };
    (Order { ask, landing, mark }, flight)
}
