//! The counts of a process until they are written. A thread counts in a stripe of its own, so no two threads wait for each
//! other, and the task that writes takes one stripe after the other.

use std::{
    cell::Cell,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::SystemTime,
};

use hashbrown::{HashTable, hash_table::Entry as Place};

use super::{Outcome, batch::hour_of, entry::Entry};
use crate::{Decision, Principal};

pub(super) struct Table {
    stripes: Box<[Stripe]>,
    room: Room,
    keep_refusals: usize,
    /// The number of requests that were not counted, because the table was full.
    lost: AtomicU64,
}

/// How many entries there may be. All stripes share it: how many threads count is not known, and one may see all callers.
struct Room {
    most: usize,
    used: AtomicUsize,
}

/// A stripe on a cache line of its own.
#[repr(align(128))]
struct Stripe(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    /// By caller and hour.
    callers: HashTable<Entry>,
    /// By hour. There is one, or two when an hour begins.
    strangers: Vec<Entry>,
}

/// More threads share stripes.
const MOST_STRIPES: usize = 64;

impl Table {
    pub(super) fn new(most: usize, keep_refusals: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let stripes = threads.next_power_of_two().saturating_mul(2).min(MOST_STRIPES);
        Self {
            stripes: (0..stripes).map(|_| Stripe(Mutex::default())).collect(),
            room: Room { most, used: AtomicUsize::new(0) },
            keep_refusals,
            lost: AtomicU64::new(0),
        }
    }

    /// Counts a decision. A report of a guard that only reports is not counted: the decision follows.
    #[inline]
    pub(super) fn count(&self, decision: &Decision<'_>, now: SystemTime) {
        let outcome = match decision.kind() {
            _ if !decision.is_enforced() => return,
            None => Outcome::Admitted,
            Some(kind) if decision.supersedes_admission() => Outcome::RefusedLater(kind),
            Some(kind) => Outcome::Refused(kind),
        };
        let hour = hour_of(now);
        let mut counts = self.mine();
        let entry = match decision.principal() {
            Some(who) => counts.caller(who, hour, &self.room),
            None => Some(counts.stranger(hour)),
        };
        match (entry, outcome) {
            (Some(entry), Outcome::Admitted) => entry.admit(decision, now),
            (Some(entry), outcome) => entry.refuse(decision, outcome, now, self.keep_refusals),
            (None, _) => self.lose(),
        }
    }

    /// Takes all counts.
    pub(super) fn take(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        for stripe in &self.stripes {
            let Counts { callers, strangers } = mem::take(&mut *stripe.lock());
            self.room.free(callers.len());
            all.extend(callers);
            all.extend(strangers);
        }
        all
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    #[inline]
    fn mine(&self) -> MutexGuard<'_, Counts> {
        self.stripes[number() & (self.stripes.len() - 1)].lock()
    }

    /// Logs the first request that is not counted, and each time their number has doubled.
    #[cold]
    fn lose(&self) {
        let before = self.lost.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_power_of_two() {
            tracing::warn!(
                target: "tower_auth",
                requests = before + 1,
                "requests are not counted, because the counts cannot be written and their room is used up; help: repair \
                 the store of the usage, or raise the room with UsagePolicy::max_waiting"
            );
        }
    }
}

impl Room {
    /// Takes room for one entry. Returns whether there was any.
    fn take(&self) -> bool {
        let more = |used: usize| (used < self.most).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn free(&self, entries: usize) {
        self.used.fetch_sub(entries, Ordering::Relaxed);
    }
}

impl Counts {
    #[inline]
    fn caller(&mut self, who: &Principal, hour: u32, room: &Room) -> Option<&mut Entry> {
        let rehash = |entry: &Entry| entry.who.as_ref().map_or(0, |who| hash(who, entry.hour));
        match self.callers.entry(hash(who, hour), |entry| entry.is_of(who, hour), rehash) {
            Place::Occupied(entry) => Some(entry.into_mut()),
            Place::Vacant(_) if !room.take() => None,
            Place::Vacant(place) => Some(place.insert(Entry::new(Some(who.clone()), hour)).into_mut()),
        }
    }

    fn stranger(&mut self, hour: u32) -> &mut Entry {
        let place = self.strangers.iter().position(|entry| entry.hour == hour).unwrap_or_else(|| {
            self.strangers.push(Entry::new(None, hour));
            self.strangers.len() - 1
        });
        &mut self.strangers[place]
    }
}

impl Stripe {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bucket of a credential is a digest that the principal remembers. Keys of one line share it, and are told apart by
/// comparison.
#[inline]
fn hash(who: &Principal, hour: u32) -> u64 {
    who.bucket().low() ^ u64::from(hour).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Returns the number of this thread.
#[inline]
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let known = NUMBER.try_with(|number| {
        number.get().unwrap_or_else(|| {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        })
    });
    // While a thread ends, it shares the stripe of another.
    known.unwrap_or(0)
}
