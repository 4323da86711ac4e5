//! The queue of sleepers, ordered by the time at which they are due.

use std::{
    collections::BTreeMap,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
};

/// A time, and an id that distinguishes sleepers with the same time.
pub(crate) type Place<T> = (T, u64);

/// Wakers in the order of the times at which they are due.
#[derive(Debug)]
pub(crate) struct Sleepers<T>(BTreeMap<Place<T>, Waker>);

impl<T: Copy + Ord> Sleepers<T> {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a sleeper or replaces its waker. Returns the old waker, so the caller can drop it outside of any lock.
    pub(crate) fn put(&mut self, place: Place<T>, waker: Waker) -> Option<Waker> {
        self.0.insert(place, waker)
    }

    pub(crate) fn remove(&mut self, place: Place<T>) -> Option<Waker> {
        self.0.remove(&place)
    }

    /// Returns the earliest time that a sleeper waits for.
    pub(super) fn first(&self) -> Option<T> {
        self.0.first_key_value().map(|((time, _), _)| *time)
    }

    /// Removes and returns all sleepers that are due.
    pub(crate) fn due(&mut self, now: T) -> BTreeMap<Place<T>, Waker> {
        if self.first().is_none_or(|first| first > now) {
            return BTreeMap::new();
        }
        // No sleeper has the highest id, so all sleepers with the time `now` are due.
        let later = self.0.split_off(&(now, u64::MAX));
        mem::replace(&mut self.0, later)
    }
}

/// Wakes all sleepers, even if a waker panics. A waker is code of the runtime that polls the sleeper.
pub(crate) fn wake_all<T>(due: BTreeMap<Place<T>, Waker>) {
    for waker in due.into_values() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            // Dropping the panic payload could panic too.
            mem::forget(panic);
        }
    }
}

/// A clock, and the sleepers that wait for it.
pub(crate) trait Dial: Unpin {
    type Time: Copy + Ord + Unpin;

    /// Registers a sleeper. If its time has come, removes it instead and returns ready.
    fn put(&self, place: Place<Self::Time>, waker: &Waker) -> Poll<()>;

    /// Removes a sleeper.
    fn remove(&self, place: Place<Self::Time>);
}

/// Completes when the clock reaches a time. On drop, the sleeper is removed from the clock.
pub(crate) struct Wait<D: Dial> {
    dial: D,
    place: Place<D::Time>,
    registered: bool,
}

/// The number of sleepers created so far. It is the next id.
static SLEEPERS: AtomicU64 = AtomicU64::new(0);

impl<D: Dial> Wait<D> {
    pub(crate) fn until(time: D::Time, dial: D) -> Self {
        Self { dial, place: (time, SLEEPERS.fetch_add(1, Ordering::Relaxed)), registered: false }
    }
}

impl<D: Dial> Future for Wait<D> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.dial.put(self.place, cx.waker());
        self.registered = polled.is_pending();
        polled
    }
}

impl<D: Dial> Drop for Wait<D> {
    fn drop(&mut self) {
        if self.registered {
            self.dial.remove(self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_are_due_come_out_and_no_others() {
        let mut sleepers = Sleepers::new();
        for place in [(3, 0), (1, 7), (2, 1), (2, 0), (9, 4)] {
            assert!(sleepers.put(place, Waker::noop().clone()).is_none());
        }
        assert!(sleepers.put((3, 0), Waker::noop().clone()).is_some(), "the waker that is replaced");
        assert!(sleepers.due(0).is_empty());
        assert!(sleepers.due(2).into_keys().eq([(1, 7), (2, 0), (2, 1)]));
        assert!(sleepers.remove((3, 0)).is_some() && sleepers.remove((3, 0)).is_none());
        assert_eq!(sleepers.first(), Some(9));
        assert_eq!(sleepers.due(u64::MAX).len(), 1);
        assert_eq!(sleepers.first(), None);
    }
}
