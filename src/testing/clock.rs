use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::Clock;

/// A clock that stands still until the test turns it.
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
        Self(Arc::new(Hands { now: AtomicU64::new(millis), elapsed: AtomicU64::new(0) }))
    }

    /// Lets time pass; parts of a millisecond are dropped.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.now.fetch_add(millis, Ordering::SeqCst);
        self.0.elapsed.fetch_add(millis, Ordering::SeqCst);
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
        let (hand, passed) = (hand.clone(), hand.clone());
        Self::from_fns(move || hand.now(), move || passed.elapsed())
    }
}
