//! Lookups that are under way: several callers wait for one.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{Shared, WeakShared},
};

use crate::base::maybe_ready::BoxFuture;

/// A lookup that several callers poll. It ends when the last of them is dropped, so that no connection waits for nobody.
pub(super) type Flight<T> = Shared<BoxFuture<T>>;

/// The lookups that are under way, by what is looked up. Clones share them.
pub(super) struct Flights<K, T>(Arc<Mutex<Under<K, T>>>);

struct Under<K, T> {
    ways: HashMap<K, Way<T>>,
    /// The number of flights so far.
    flights: u64,
}

/// At most two lookups of one thing: the one that runs, and the one that begins after it.
struct Way<T> {
    running: Option<(u64, WeakShared<BoxFuture<T>>)>,
    next: Option<(u64, WeakShared<BoxFuture<T>>)>,
}

impl<K, T> Clone for Flights<K, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Under { ways: HashMap::new(), flights: 0 })))
    }

    /// Joins the lookup that runs, or begins one. What a lookup that runs will answer may be older than this call.
    pub(super) fn join(&self, key: &K, look: impl FnOnce() -> BoxFuture<T>) -> (Flight<T>, Began) {
        let mut under = self.lock();
        let way = under.ways.get(key);
        match way.and_then(|way| alive(way.running.as_ref())) {
            Some(flight) if flight.peek().is_none() => (flight, Began::Before),
            finished => {
                // One that waited for the finished one is about to begin. Another one would be a lookup too many.
                if let Some(next) = way.and_then(|way| alive(way.next.as_ref())) {
                    drop((under, finished));
                    return (next, Began::Now);
                }
                let begun = self.begin(&mut under, key, None, look);
                // A finished flight must not be dropped under the lock.
                drop((under, finished));
                (begun, Began::Now)
            }
        }
    }

    /// Returns a lookup that begins after this call: a new one if none runs, and otherwise the one that begins when the one
    /// that runs has ended. It is shared by all who wait for it.
    pub(super) fn follow(&self, key: &K, look: impl FnOnce() -> BoxFuture<T>) -> Flight<T> {
        let mut under = self.lock();
        let way = under.ways.get(key);
        if let Some(next) = way.and_then(|way| alive(way.next.as_ref())) {
            return next;
        }
        let running = way.and_then(|way| alive(way.running.as_ref()));
        let (running, finished) = match running {
            Some(flight) if flight.peek().is_none() => (Some(flight), None),
            finished => (None, finished),
        };
        let begun = self.begin(&mut under, key, running, look);
        drop((under, finished));
        begun
    }

    /// Begins a lookup, or one that waits for another.
    fn begin(
        &self,
        under: &mut Under<K, T>,
        key: &K,
        after: Option<Flight<T>>,
        look: impl FnOnce() -> BoxFuture<T>,
    ) -> Flight<T> {
        under.flights += 1;
        let landing = Landing { flights: self.clone(), key: key.clone(), number: under.flights };
        let (number, waits, look) = (under.flights, after.is_some(), look());
        let flight: BoxFuture<T> = Box::pin(async move {
            if let Some(running) = after {
                drop(running.await);
                landing.take_off();
            }
            let answer = look.await;
            drop(landing);
            answer
        });
        let flight = flight.shared();
        let way = under.ways.entry(key.clone()).or_insert(Way { running: None, next: None });
        let place = if waits { &mut way.next } else { &mut way.running };
        *place = flight.downgrade().map(|weak| (number, weak));
        flight
    }

    fn lock(&self) -> MutexGuard<'_, Under<K, T>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T> Flights<K, T> {
    /// Returns how many things are looked up.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ways.len()
    }
}

/// Whether a lookup began before it was joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Began {
    Before,
    Now,
}

fn alive<T>(flight: Option<&(u64, WeakShared<BoxFuture<T>>)>) -> Option<Flight<T>> {
    flight?.1.upgrade()
}

/// Removes a flight when it has ended or nobody waits for it.
struct Landing<K: Eq + Hash, T> {
    flights: Flights<K, T>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, T> Landing<K, T> {
    /// The flight that waited runs now.
    fn take_off(&self) {
        self.change(|way| {
            if way.next.as_ref().is_some_and(|(number, _)| *number == self.number) {
                way.running = way.next.take();
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Way<T>)) {
        let mut under = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = under.ways.get_mut(&self.key) {
            change(way);
            if way.running.is_none() && way.next.is_none() {
                under.ways.remove(&self.key);
            }
        }
    }
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        self.change(|way| {
            for place in [&mut way.running, &mut way.next] {
                if place.as_ref().is_some_and(|(number, _)| *number == self.number) {
                    *place = None;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    /// Lookups that answer with their number when they are told to.
    #[derive(Default)]
    struct Lookups {
        begun: Arc<AtomicUsize>,
        ends: Mutex<Vec<oneshot::Sender<()>>>,
    }

    impl Lookups {
        fn next(&self) -> BoxFuture<usize> {
            let (end, ended) = oneshot::channel();
            self.ends.lock().unwrap().push(end);
            let begun = Arc::clone(&self.begun);
            Box::pin(async move {
                let number = begun.fetch_add(1, SeqCst);
                ended.await.unwrap();
                number
            })
        }

        fn end(&self, place: usize) {
            self.ends.lock().unwrap().remove(place).send(()).unwrap();
        }

        fn begun(&self) -> usize {
            self.begun.load(SeqCst)
        }
    }

    fn is_waiting<T: Clone>(flight: &Flight<T>) -> bool {
        flight.clone().now_or_never().is_none()
    }

    #[test]
    fn what_has_ended_leaves_nothing_behind() {
        let (flights, lookups) = (Flights::new(), Lookups::default());
        let (first, began) = flights.join(&"key", || lookups.next());
        assert_eq!((began, is_waiting(&first)), (Began::Now, true));
        let (joined, began) = flights.join(&"key", || unreachable!());
        assert_eq!((began, flights.len()), (Began::Before, 1));
        lookups.end(0);
        assert_eq!((first.now_or_never(), joined.now_or_never(), flights.len()), (Some(0), Some(0), 0));
        let next = lookups.next();
        let gone = flights.follow(&"key", || next);
        assert!(is_waiting(&gone));
        drop(gone);
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn who_follows_gets_a_lookup_that_begins_after_the_call() {
        let (flights, lookups) = (Flights::new(), Arc::new(Lookups::default()));
        let follow = || {
            let lookups = Arc::clone(&lookups);
            flights.follow(&"key", move || lookups.next())
        };
        let first = follow();
        assert!(is_waiting(&first));
        let second = follow();
        assert!(is_waiting(&second) && lookups.begun() == 1);
        let third = follow();
        lookups.end(0);
        assert_eq!(first.now_or_never(), Some(0));
        assert!(is_waiting(&third) && lookups.begun() == 2);
        // The second lookup has begun, so this call needs a third one.
        let fourth = follow();
        lookups.end(0);
        assert_eq!((second.now_or_never(), third.now_or_never()), (Some(1), Some(1)));
        assert!(is_waiting(&fourth));
        lookups.end(0);
        assert_eq!((fourth.now_or_never(), flights.len()), (Some(2), 0));
    }

    /// The lookup that waited has not been polled since the one before it has ended.
    #[test]
    fn between_two_lookups_nobody_begins_a_third() {
        let (flights, lookups) = (Flights::new(), Arc::new(Lookups::default()));
        let follow = || {
            let lookups = Arc::clone(&lookups);
            flights.follow(&"key", move || lookups.next())
        };
        let first = follow();
        assert!(is_waiting(&first));
        let second = follow();
        lookups.end(0);
        assert_eq!(first.now_or_never(), Some(0));
        let (joined, began) = flights.join(&"key", || unreachable!());
        assert_eq!((began, is_waiting(&joined), lookups.begun()), (Began::Now, true, 2));
        lookups.end(0);
        assert_eq!((second.now_or_never(), joined.now_or_never(), flights.len()), (Some(1), Some(1), 0));
    }
}
