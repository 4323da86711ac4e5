//! A shard: a part of the buckets, under one lock.

use std::{collections::HashMap, time::Duration};

use hashbrown::HashTable;

use super::{
    decide::{decide, levels},
    layout::Layout,
    levels::WindowStates,
    limiter::{LimitDecision, Reservation},
    limits::Limits,
    returned::Returned,
    time::Moment,
    window::Window,
};

/// Buckets of up to `N` windows. Full buckets are removed, because a full bucket equals a new one.
pub(super) struct Shard<const N: usize> {
    buckets: HashTable<Entry<N>>,
    /// The layouts of the entries, by number.
    layouts: Vec<Layout<N>>,
    most: usize,
    /// The bucket that new clients share when the shard is full. Buckets that count requests are never evicted.
    shared: Option<Entry<N>>,
    /// The refunds of the buckets that have any.
    returned: HashMap<[u64; 2], Returned<N>>,
    /// The number of admissions and refunds. It is the source of their sequence numbers.
    events: u64,
    /// The time of the last sweep for full buckets.
    swept: u64,
    /// The time of day of the last decision that needed it, in nanoseconds since 1970.
    wall: u64,
}

struct Entry<const N: usize> {
    key: [u64; 2],
    /// What each window counts. For a window that is refilled evenly, this is the time at which it is full again (GCRA's
    /// theoretical arrival time), in nanoseconds; see `window.rs`.
    arrivals: [u64; N],
    /// The number of the entry's layout.
    layout: u32,
}

/// The key of a bucket and its hash.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) key: [u64; 2],
    pub(super) hash: u64,
}

/// The minimum time between two sweeps of a shard, in nanoseconds.
const PAUSE: u64 = 100_000_000;
/// How long a period of a calendar window must be over before its bucket is removed, in nanoseconds. If the time of day is
/// set back by less, no bucket is new in a period that it has used up.
const SETTLED: u64 = 3_600 * 1_000_000_000;
/// The key of the shared bucket. Another bucket has this key with a probability of 2^-128.
const SHARED: [u64; 2] = [0; 2];
/// The number of buckets with refunds above which outdated refunds are removed.
const MOST_RETURNED: usize = 1024;
/// The number of layouts above which unused layouts are removed.
const MOST_LAYOUTS: usize = 1024;

impl<const N: usize> Shard<N> {
    pub(super) fn new(most: usize) -> Self {
        let (buckets, layouts) = (HashTable::new(), Vec::new());
        Self { buckets, layouts, most, shared: None, returned: HashMap::new(), events: 0, swept: 0, wall: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Returns the memory of the buckets, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.allocation_size()
    }

    /// Decides, and returns whether the shared bucket was used.
    #[inline]
    pub(super) fn decide(
        &mut self,
        place: Place,
        limits: &Limits,
        cost: u32,
        now: Moment,
        rehash: impl Fn([u64; 2]) -> u64,
    ) -> (LimitDecision, bool) {
        if limits.has_calendar() {
            self.wall = now.wall;
        }
        if let Some(entry) = self.buckets.find_mut(place.hash, |entry| entry.key == place.key) {
            if let Some(layout) = self.layouts.get(entry.layout as usize)
                && layout.limits.id() == limits.id()
            {
                // The windows of the layout remember the current period. Those of a record may be new in each request.
                let decided = decide(&mut entry.arrivals, layout.at, layout.limits.all(), cost, now);
                return (ticket(&mut self.events, decided), false);
            }
            return (self.recount(place, limits, cost, now), false);
        }
        self.newcomer(place, limits, cost, now, rehash)
    }

    /// Decides for a bucket that other limits counted before.
    #[cold]
    fn recount(&mut self, place: Place, limits: &Limits, cost: u32, now: Moment) -> LimitDecision {
        let known =
            self.buckets.find(place.hash, |entry| entry.key == place.key).map(|entry| (entry.layout, entry.arrivals));
        let Some((layout, arrivals)) = known else {
            return LimitDecision::Refused { levels: WindowStates::none(), wait: Duration::ZERO };
        };
        let (layout, mut arrivals) = self.carry_over(layout, arrivals, limits, now);
        let at = self.layouts.get(layout as usize).map_or([0; N], |layout| layout.at);
        let decided = decide(&mut arrivals, at, limits.all(), cost, now);
        let decided = ticket(&mut self.events, decided);
        if let Some(entry) = self.buckets.find_mut(place.hash, |entry| entry.key == place.key) {
            (entry.layout, entry.arrivals) = (layout, arrivals);
        }
        decided
    }

    /// Converts the times of a bucket to other limits.
    fn carry_over(&mut self, layout: u32, arrivals: [u64; N], limits: &Limits, now: Moment) -> (u32, [u64; N]) {
        let Some(old) = self.layouts.get(layout as usize) else { return (self.first_layout(limits), arrivals) };
        // Without the time of day, the counts of calendar windows are those of the last time that the shard has seen.
        let now = Moment { wall: if limits.has_calendar() { now.wall } else { self.wall }, ..now };
        let (new, carried) = old.carry_over(arrivals, limits, now);
        (self.remember(new), carried)
    }

    #[cold]
    fn newcomer(
        &mut self,
        place: Place,
        limits: &Limits,
        cost: u32,
        now: Moment,
        rehash: impl Fn([u64; 2]) -> u64,
    ) -> (LimitDecision, bool) {
        let mut arrivals = [0; N];
        let at = std::array::from_fn(|number| u8::try_from(number).unwrap_or(0));
        let decided = decide(&mut arrivals, at, limits.all(), cost, now);
        // A bucket that counts no request is not stored.
        if cost == 0 || !matches!(decided, LimitDecision::Admitted(_)) {
            return (decided, false);
        }
        let layout = self.first_layout(limits);
        if self.make_room(now, &rehash) {
            let entry = Entry { key: place.key, arrivals, layout };
            self.buckets.insert_unique(place.hash, entry, |entry| rehash(entry.key));
            return (ticket(&mut self.events, decided), false);
        }
        let (mut layout, mut arrivals) = match &self.shared {
            Some(shared) => (shared.layout, shared.arrivals),
            None => (layout, [0; N]),
        };
        if self.layouts.get(layout as usize).is_none_or(|layout| layout.limits.id() != limits.id()) {
            (layout, arrivals) = self.carry_over(layout, arrivals, limits, now);
        }
        let at = self.layouts.get(layout as usize).map_or(at, |layout| layout.at);
        let decided = decide(&mut arrivals, at, limits.all(), cost, now);
        let mut decided = ticket(&mut self.events, decided);
        if let LimitDecision::Admitted(levels) = &mut decided {
            levels.shared = true;
        }
        self.shared = Some(Entry { key: SHARED, arrivals, layout });
        (decided, true)
    }

    /// Returns the state of a bucket and takes nothing. If the bucket is new and the shard is full, returns the state
    /// of the shared bucket.
    pub(super) fn ask(&self, place: Place, limits: &Limits, now: Moment) -> Option<WindowStates> {
        let own = self.buckets.find(place.hash, |entry| entry.key == place.key);
        let shared = || self.shared.as_ref().filter(|_| self.buckets.len() >= self.most);
        let entry = own.or_else(shared)?;
        let layout = self.layouts.get(entry.layout as usize).filter(|layout| layout.limits.id() == limits.id())?;
        Some(levels(&entry.arrivals, layout.at, layout.limits.all(), now))
    }

    /// Returns whether another bucket fits. Full buckets are removed before the table grows and before the shared
    /// bucket is used.
    fn make_room(&mut self, now: Moment, rehash: impl Fn([u64; 2]) -> u64) -> bool {
        let grows = self.buckets.len() == self.buckets.capacity();
        if (grows || self.buckets.len() >= self.most) && now.elapsed.saturating_sub(self.swept) >= PAUSE {
            self.swept = now.elapsed;
            let over = self.wall.saturating_sub(SETTLED) / 1_000_000_000;
            let outdated: Vec<[u64; N]> =
                self.layouts.iter().map(|layout| layout.outdated(now.elapsed, over)).collect();
            self.buckets.retain(|entry| {
                let outdated = outdated.get(entry.layout as usize).unwrap_or(&[0; N]);
                entry.arrivals.iter().zip(outdated).any(|(slot, outdated)| slot > outdated)
            });
            self.forget_returned(now.elapsed);
            if self.buckets.len() < self.buckets.capacity() / 8 {
                self.buckets.shrink_to(self.buckets.len() * 2, |entry| rehash(entry.key));
            }
        }
        let room = self.buckets.len() < self.most;
        if room && self.buckets.len() == self.buckets.capacity() && self.buckets.len() >= self.most / 2 {
            // The table would double its size, although the occupied slots may be tombstones of removed buckets.
            let mut table = HashTable::with_capacity(self.most);
            for entry in self.buckets.drain() {
                table.insert_unique(rehash(entry.key), entry, |entry| rehash(entry.key));
            }
            self.buckets = table;
        }
        room
    }

    /// Refunds a reservation, except the part that has been refilled already.
    pub(super) fn refund(&mut self, place: Place, reservation: &Reservation, now: u64) {
        let own = |buckets| HashTable::find_mut(buckets, place.hash, |entry: &Entry<N>| entry.key == place.key);
        let entry = if reservation.shared { self.shared.as_mut() } else { own(&mut self.buckets) };
        let Some(entry) = entry else { return };
        let layout = self.layouts.get(entry.layout as usize);
        let Some(layout) = layout.filter(|layout| layout.limits.id() == reservation.limits) else { return };
        let returned = self.returned.entry(entry.key).or_insert_with(Returned::nothing);
        let intervals = layout.limits.all().iter().map(Window::interval);
        let put_back = returned.put_back(&mut entry.arrivals, layout.at.into_iter().zip(intervals), reservation, now);
        self.events += 1;
        returned.add(reservation, self.events, &put_back, now);
        if self.returned.len() >= MOST_RETURNED && now.saturating_sub(self.swept) >= PAUSE {
            self.swept = now;
            self.forget_returned(now);
        }
    }

    /// Removes refunds that no longer affect any request in a queue.
    fn forget_returned(&mut self, now: u64) {
        self.returned.retain(|_, returned| returned.forget(now));
        self.returned.shrink_to(self.returned.len() * 2);
    }

    fn first_layout(&mut self, limits: &Limits) -> u32 {
        match self.layouts.iter().position(|known| known.is_first_of(limits)) {
            Some(place) => u32::try_from(place).unwrap_or(u32::MAX),
            None => self.remember(Layout::first(limits)),
        }
    }

    /// Stores a layout and returns its number.
    fn remember(&mut self, layout: Layout<N>) -> u32 {
        if self.layouts.len() >= MOST_LAYOUTS {
            self.forget_layouts();
        }
        let known = self.layouts.iter().position(|known| known.is(&layout));
        let place = known.unwrap_or_else(|| {
            self.layouts.push(layout);
            self.layouts.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// Removes the layouts that no bucket has, and renumbers the others.
    fn forget_layouts(&mut self) {
        let mut numbers: Vec<Option<u32>> = vec![None; self.layouts.len()];
        let mut kept = 0;
        for entry in self.buckets.iter_mut().chain(&mut self.shared) {
            let Some(number) = numbers.get_mut(entry.layout as usize) else { continue };
            entry.layout = *number.get_or_insert_with(|| {
                kept += 1;
                kept - 1
            });
        }
        let mut layouts: Vec<(u32, Layout<N>)> = Vec::new();
        for (number, layout) in numbers.into_iter().zip(self.layouts.drain(..)) {
            layouts.extend(number.map(|number| (number, layout)));
        }
        layouts.sort_by_key(|(number, _)| *number);
        self.layouts = layouts.into_iter().map(|(_, layout)| layout).collect();
    }
}

/// Gives an admitted request its sequence number.
#[inline]
fn ticket(events: &mut u64, mut decided: LimitDecision) -> LimitDecision {
    if let LimitDecision::Admitted(levels) = &mut decided {
        *events += 1;
        levels.ticket = *events;
    }
    decided
}
