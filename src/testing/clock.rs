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

/// A clock that stands still until the test advances it.
///
/// Timeouts use this clock too: the wait for a store that does not answer ends only when [`advance`](Self::advance)
/// moves the clock past the timeout, and not when real time passes.
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

/// `now` is in milliseconds since 1970, `elapsed` in milliseconds since the start.
#[derive(Debug)]
struct Hands {
    now: AtomicU64,
    elapsed: AtomicU64,
    sleepers: Mutex<Sleepers<Duration>>,
}

impl ManualClock {
    /// Creates a clock that shows the given RFC 3339 time.
    ///
    /// # Panics
    /// If the text is not an RFC 3339 time, or the time is before 1970.
    #[must_use]
    pub fn at(time: &str) -> Self {
        let at: jiff::Timestamp = time.parse().expect("the time of a ManualClock is in RFC 3339");
        let millis = u64::try_from(at.as_millisecond()).expect("the time of a ManualClock is after 1970");
        let hands =
            Hands { now: AtomicU64::new(millis), elapsed: AtomicU64::new(0), sleepers: Mutex::new(Sleepers::new()) };
        Self(Arc::new(hands))
    }

    /// Advances the time of day and the monotonic time, and wakes the tasks that are due. Fractions of a millisecond
    /// are ignored.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.now.fetch_add(millis, Ordering::SeqCst);
        self.0.elapsed.fetch_add(millis, Ordering::SeqCst);
        // A sleeper reads the clock under the same lock when it registers, so it cannot miss this.
        let due = self.0.sleepers.lock().unwrap_or_else(PoisonError::into_inner).due(self.elapsed());
        wake_all(due);
    }

    /// Sets the time of day, forward or back, as an operator does. The monotonic time stays the same.
    ///
    /// # Panics
    /// If the text is not an RFC 3339 time, or the time is before 1970.
    pub fn set(&self, time: &str) {
        self.0.now.store(Self::at(time).0.now.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Returns the time that the clock shows.
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
