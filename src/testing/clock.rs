use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::{Duration, SystemTime},
};

use crate::{
    Clock,
    base::timer::{Dial, Place, Sleepers, Wait, wake_all},
};

/// A clock that stands still until the test turns it.
///
/// Time limits go by it too: a store that does not answer is waited for until [`advance`](Self::advance) has moved the clock
/// past the limit, whatever time really passes.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Clock, testing::ManualClock};
///
/// let hand = ManualClock::at("2026-01-01T00:00:00Z");
/// let clock = Clock::from(&hand);
/// let before = clock.now();
/// hand.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), before + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Hands>);

/// Both in milliseconds: since 1970, and since the start.
#[derive(Debug)]
struct Hands {
    now: AtomicU64,
    elapsed: AtomicU64,
    sleepers: Mutex<Sleepers<Duration>>,
}

impl ManualClock {
    /// A clock that shows the given RFC 3339 time.
    ///
    /// # Panics
    /// When the text is no such time, or before 1970: a test that misspells its own clock should stop.
    #[must_use]
    pub fn at(time: &str) -> Self {
        let at: jiff::Timestamp = time.parse().expect("the test gives an RFC 3339 time");
        let millis = u64::try_from(at.as_millisecond()).expect("the test gives a time after 1970");
        let hands =
            Hands { now: AtomicU64::new(millis), elapsed: AtomicU64::new(0), sleepers: Mutex::new(Sleepers::new()) };
        Self(Arc::new(hands))
    }

    /// Lets time pass, and wakes what has waited for it; parts of a millisecond are dropped.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.now.fetch_add(millis, Ordering::SeqCst);
        self.0.elapsed.fetch_add(millis, Ordering::SeqCst);
        // A sleeper that registers reads the clock under the same lock, and cannot miss this.
        let due = self.0.sleepers.lock().unwrap_or_else(PoisonError::into_inner).due(self.elapsed());
        wake_all(due);
    }

    /// Sets the time of day, forward or back, as an operator would: no time passes.
    ///
    /// # Panics
    /// As [`at`](Self::at) does.
    pub fn set(&self, time: &str) {
        self.0.now.store(Self::at(time).0.now.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// The time that it shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.now.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.elapsed.load(Ordering::SeqCst))
    }
}

impl From<&ManualClock> for Clock {
    fn from(hand: &ManualClock) -> Self {
        let (hand, passed, timer) = (hand.clone(), hand.clone(), hand.clone());
        let sleep = move |duration| Wait::until(timer.elapsed().saturating_add(duration), timer.clone());
        Self::from_fns(move || hand.now(), move || passed.elapsed()).timer(sleep)
    }
}

impl Dial for ManualClock {
    type Time = Duration;

    fn put(&self, place: Place<Duration>, waker: &Waker) -> Poll<()> {
        let waker = waker.clone();
        let mut sleepers = self.0.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        let come = place.0 <= self.elapsed();
        let replaced = if come { sleepers.remove(place) } else { sleepers.put(place, waker) };
        drop(sleepers);
        drop(replaced);
        if come { Poll::Ready(()) } else { Poll::Pending }
    }

    fn remove(&self, place: Place<Duration>) {
        let removed = self.0.sleepers.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
        drop(removed);
    }
}
