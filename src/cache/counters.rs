//! Counts that many threads add to.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// The number of places over which threads are spread.
const PLACES: usize = 16;

/// A count with a place for each of a few threads, so that they do not wait for each other's cache line.
#[derive(Debug, Default)]
pub(super) struct Counter([Place; PLACES]);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Place(AtomicU64);

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PLACE: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) % PLACES);
}

impl Counter {
    #[inline]
    pub(super) fn add(&self) {
        // A thread that is about to end has no place any more.
        let place = PLACE.try_with(Cell::get).unwrap_or_default();
        if let Some(Place(count)) = self.0.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|Place(count)| count.load(Ordering::Relaxed)).sum()
    }
}

/// What a cache counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: Counter,
    pub(super) known_unknown: Counter,
    pub(super) fills: Counter,
    pub(super) shared: Counter,
    pub(super) bypasses: Counter,
    pub(super) failures: Counter,
    pub(super) stale: Counter,
}
