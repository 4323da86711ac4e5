//! A part of the buckets, under one lock.

use std::{num::NonZeroU32, time::Duration};

use hashbrown::HashTable;

use super::{
    limiter::{Decided, Level, Levels},
    limits::Limits,
    window::Window,
};

/// Buckets of up to `N` windows. Only those are kept that are not full: a full one is as good as none.
pub(super) struct Shard<const N: usize> {
    buckets: HashTable<Entry<N>>,
    /// The limits that entries were last counted by.
    layouts: Vec<Limits>,
    most: usize,
    /// What is left for newcomers to share when there is room for no more: no bucket that counts something is given up.
    shared: Option<Entry<N>>,
    /// When buckets were last looked through for full ones.
    swept: u64,
}

struct Entry<const N: usize> {
    key: [u64; 2],
    /// When the bucket is full again, window by window (GCRA's theoretical arrival times), in nanoseconds.
    arrivals: [u64; N],
    /// The limits that it was last counted by.
    layout: u32,
}

/// Where a bucket is looked for.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) key: [u64; 2],
    pub(super) hash: u64,
}

/// Between two looks through all buckets of a shard.
const PAUSE: u64 = 100_000_000;
/// So many sets of limits are remembered before those that nobody uses are forgotten.
const MOST_LAYOUTS: usize = 1024;

impl<const N: usize> Shard<N> {
    pub(super) const fn new(most: usize) -> Self {
        Self { buckets: HashTable::new(), layouts: Vec::new(), most, shared: None, swept: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// The memory that the buckets take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.allocation_size()
    }

    /// Decides, and tells whether the bucket had to be shared.
    #[inline]
    pub(super) fn decide(
        &mut self,
        place: Place,
        limits: &Limits,
        cost: u32,
        now: u64,
        rehash: impl Fn([u64; 2]) -> u64,
    ) -> (Decided, bool) {
        if let Some(entry) = self.buckets.find_mut(place.hash, |entry| entry.key == place.key) {
            let current = self.layouts.get(entry.layout as usize);
            if current.is_some_and(|current| current.id() == limits.id()) {
                return (decide(&mut entry.arrivals, limits.all(), cost, now), false);
            }
            return (self.recount(place, limits, cost, now), false);
        }
        self.newcomer(place, limits, cost, now, rehash)
    }

    /// A bucket that other limits hold for now.
    #[cold]
    fn recount(&mut self, place: Place, limits: &Limits, cost: u32, now: u64) -> Decided {
        let layout = self.layout(limits);
        let Some(entry) = self.buckets.find_mut(place.hash, |entry| entry.key == place.key) else {
            return Decided::Refused { levels: Levels::none(), wait: Duration::ZERO };
        };
        if let Some(old) = self.layouts.get(entry.layout as usize) {
            entry.arrivals = carry_over(&entry.arrivals, old.all(), limits.all(), now);
        }
        entry.layout = layout;
        decide(&mut entry.arrivals, limits.all(), cost, now)
    }

    #[cold]
    fn newcomer(
        &mut self,
        place: Place,
        limits: &Limits,
        cost: u32,
        now: u64,
        rehash: impl Fn([u64; 2]) -> u64,
    ) -> (Decided, bool) {
        let mut arrivals = [0; N];
        let decided = decide(&mut arrivals, limits.all(), cost, now);
        // What counts nothing is not kept.
        if cost == 0 || !matches!(decided, Decided::Admitted(_)) {
            return (decided, false);
        }
        let layout = self.layout(limits);
        if self.make_room(now, &rehash) {
            let entry = Entry { key: place.key, arrivals, layout };
            self.buckets.insert_unique(place.hash, entry, |entry| rehash(entry.key));
            return (decided, false);
        }
        let shared = self.shared.get_or_insert(Entry { key: [0; 2], arrivals: [0; N], layout });
        if shared.layout != layout {
            if let Some(old) = self.layouts.get(shared.layout as usize) {
                shared.arrivals = carry_over(&shared.arrivals, old.all(), limits.all(), now);
            }
            shared.layout = layout;
        }
        (decide(&mut shared.arrivals, limits.all(), cost, now), true)
    }

    /// Whether another bucket may be put in. Full ones are forgotten before the table grows, and before anybody is sent
    /// away.
    fn make_room(&mut self, now: u64, rehash: impl Fn([u64; 2]) -> u64) -> bool {
        let grows = self.buckets.len() == self.buckets.capacity();
        if (grows || self.buckets.len() >= self.most) && now.saturating_sub(self.swept) >= PAUSE {
            self.swept = now;
            self.buckets.retain(|entry| entry.arrivals.iter().any(|arrival| *arrival > now));
            if self.buckets.len() < self.buckets.capacity() / 8 {
                self.buckets.shrink_to(self.buckets.len() * 2, |entry| rehash(entry.key));
            }
        }
        self.buckets.len() < self.most
    }

    pub(super) fn give_back(&mut self, place: Place, cost: u32) {
        let Some(entry) = self.buckets.find_mut(place.hash, |entry| entry.key == place.key) else { return };
        let Some(limits) = self.layouts.get(entry.layout as usize) else { return };
        for (arrival, window) in entry.arrivals.iter_mut().zip(limits.all()) {
            *arrival = arrival.saturating_sub(window.interval * u64::from(cost));
        }
    }

    /// The number under which these limits are remembered.
    fn layout(&mut self, limits: &Limits) -> u32 {
        if self.layouts.len() >= MOST_LAYOUTS && !self.layouts.iter().any(|known| known.id() == limits.id()) {
            self.forget_layouts();
        }
        let known = self.layouts.iter().position(|known| known.id() == limits.id());
        let place = known.unwrap_or_else(|| {
            self.layouts.push(limits.clone());
            self.layouts.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// Forgets the limits that no bucket was counted by, and numbers the others anew.
    fn forget_layouts(&mut self) {
        let mut numbers: Vec<Option<u32>> = vec![None; self.layouts.len()];
        let mut kept = Vec::new();
        for entry in self.buckets.iter_mut().chain(&mut self.shared) {
            let Some(number) = numbers.get_mut(entry.layout as usize) else { continue };
            entry.layout = *number.get_or_insert_with(|| {
                kept.push(self.layouts[entry.layout as usize].clone());
                u32::try_from(kept.len() - 1).unwrap_or(u32::MAX)
            });
        }
        self.layouts = kept;
    }
}

/// All windows or none.
#[inline]
fn decide<const N: usize>(arrivals: &mut [u64; N], windows: &[Window], cost: u32, now: u64) -> Decided {
    let Some(events) = NonZeroU32::new(cost) else { return Decided::Admitted(levels(arrivals, windows, now)) };
    let (mut next, mut longest) = ([0; N], None);
    for (place, (arrival, window)) in arrivals.iter().zip(windows).enumerate() {
        match window.add(arrival.saturating_sub(now), events) {
            Ok(backlog) => next[place] = now.saturating_add(backlog),
            Err(wait) => longest = longest.max(Some((wait, std::cmp::Reverse(place)))),
        }
    }
    if let Some((wait, std::cmp::Reverse(place))) = longest {
        let mut levels = levels(arrivals, windows, now);
        levels.speak(place);
        return Decided::Refused { levels, wait: Duration::from_nanos(wait) };
    }
    *arrivals = next;
    Decided::Admitted(levels(arrivals, windows, now))
}

/// How the windows stand; the one with the least room speaks.
#[inline]
fn levels(arrivals: &[u64], windows: &[Window], now: u64) -> Levels {
    let (mut levels, mut least) = (Levels::none(), None);
    for (place, (arrival, window)) in arrivals.iter().zip(windows).enumerate() {
        let backlog = arrival.saturating_sub(now);
        let remaining = window.room(backlog);
        levels.push(Level::new(remaining, Duration::from_nanos(backlog)));
        let room = (remaining, std::cmp::Reverse(backlog));
        if least.is_none_or(|(known, _)| room < known) {
            least = Some((room, place));
        }
    }
    levels.speak(least.map_or(0, |(_, place)| place));
    levels
}

/// What other limits have counted, under these. A window takes over the requests that the one of its period counted, and
/// where there was none, the most that any counted; never more than fit.
fn carry_over<const N: usize>(arrivals: &[u64; N], old: &[Window], new: &[Window], now: u64) -> [u64; N] {
    let scaled = |arrival: u64, from: &Window, to: &Window| {
        let backlog = u128::from(arrival.saturating_sub(now)) * u128::from(to.interval);
        u64::try_from(backlog.div_ceil(u128::from(from.interval))).unwrap_or(u64::MAX)
    };
    let mut carried = [0; N];
    for (place, window) in carried.iter_mut().zip(new) {
        let counted = || arrivals.iter().zip(old);
        let same = counted().find(|(_, from)| from.quota.period() == window.quota.period());
        let backlog = match same {
            Some((arrival, from)) => scaled(*arrival, from, window),
            None => counted().map(|(arrival, from)| scaled(*arrival, from, window)).max().unwrap_or(0),
        };
        *place = now.saturating_add(backlog.min(window.capacity()));
    }
    carried
}
