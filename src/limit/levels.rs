use std::{cmp::Reverse, time::Duration};

/// The maximum number of windows. More windows are hard to understand for users of a plan.
pub(super) const MOST_WINDOWS: usize = 4;

/// The state of all windows of a bucket.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::limit::{WindowState, WindowStates};
///
/// let levels = WindowStates::new([WindowState::new(95, Duration::from_secs(3)), WindowState::new(9_995, Duration::from_secs(44))], 0);
/// assert_eq!(levels.tightest().remaining, 95);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WindowStates {
    all: [WindowState; MOST_WINDOWS],
    count: u8,
    tightest: u8,
    /// Whether this is the state of the bucket that new clients share when the limiter is full.
    pub(super) shared: bool,
    /// The sequence number of the admitted request.
    pub(super) ticket: u64,
    /// The time of the clock of a limiter with its own clock, in nanoseconds; zero for the clock of the layer.
    pub(super) origin: u64,
}

impl WindowStates {
    /// Creates the value from one [`WindowState`] per window, in the order of the windows, and the index of the
    /// tightest window. Only the first four states are used.
    pub fn new(levels: impl IntoIterator<Item = WindowState>, tightest: usize) -> Self {
        let mut all = Self {
            all: [WindowState::new(0, Duration::ZERO); MOST_WINDOWS],
            count: 0,
            tightest: 0,
            shared: false,
            ticket: 0,
            origin: 0,
        };
        levels.into_iter().take(MOST_WINDOWS).for_each(|level| all.push(level));
        all.set_tightest(tightest);
        all
    }

    #[inline]
    pub(super) const fn none() -> Self {
        Self {
            all: [WindowState::new(0, Duration::ZERO); MOST_WINDOWS],
            count: 0,
            tightest: 0,
            shared: false,
            ticket: 0,
            origin: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, level: WindowState) {
        if let Some(place) = self.all.get_mut(usize::from(self.count)) {
            *place = level;
            self.count += 1;
        }
    }

    #[inline]
    pub(crate) fn set_tightest(&mut self, place: usize) {
        self.tightest = u8::try_from(place).unwrap_or(0).min(self.count.saturating_sub(1));
    }

    /// Makes the window with the fewest remaining requests the tightest, and of several the one with the longest reset.
    #[cfg(feature = "tokio")]
    pub(super) fn find_tightest(&mut self) {
        let place = |(place, level): (usize, &WindowState)| (level.room(), place);
        let least = self.all().iter().enumerate().map(place).min();
        self.set_tightest(least.map_or(0, |(_, place)| place));
    }

    /// Shows fewer requests than a refused one needs.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(super) fn cap(&mut self, cost: u32) {
        let place = usize::from(self.tightest);
        self.all[place].remaining = self.all[place].remaining.min(cost.saturating_sub(1));
    }

    /// Adds requests that this process may admit on its own.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(super) fn add(&mut self, left: u32, sizes: impl Iterator<Item = u32>) {
        for (level, size) in self.all.iter_mut().take(usize::from(self.count)).zip(sizes) {
            level.remaining = level.remaining.saturating_add(left).min(size);
        }
    }

    /// Returns the state of each window, in the order of the windows.
    #[must_use]
    pub fn all(&self) -> &[WindowState] {
        &self.all[..usize::from(self.count)]
    }

    /// Returns the state of the window that refused the request, or that would refuse first. Response headers show this
    /// window.
    #[must_use]
    pub fn tightest(&self) -> WindowState {
        self.all[usize::from(self.tightest)]
    }

    /// Returns the index of the [`tightest`](Self::tightest) window.
    #[must_use]
    pub fn tightest_index(&self) -> usize {
        usize::from(self.tightest)
    }
}

/// The state of one window.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::limit::WindowState;
///
/// let level = WindowState::new(95, Duration::from_secs(3));
/// assert_eq!(level.remaining, 95);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowState {
    /// The number of requests that would be admitted now.
    pub remaining: u32,
    /// The time until the bucket is full, if no other request comes. For a calendar window, the time until the period
    /// ends.
    pub reset: Duration,
    /// Zero for a window that is refilled evenly.
    period: u32,
}

impl WindowState {
    /// Creates the state of one window.
    #[must_use]
    pub const fn new(remaining: u32, reset: Duration) -> Self {
        Self { remaining, reset, period: 0 }
    }

    /// Sets the number of the period in which a calendar window counts
    /// ([`CalendarPeriod::number`](super::CalendarPeriod::number)). A refund needs it.
    #[must_use]
    pub const fn in_period(self, number: u32) -> Self {
        Self { period: number, ..self }
    }

    /// Returns what orders windows: the smallest is the tightest.
    pub(super) const fn room(&self) -> (u32, Reverse<Duration>) {
        (self.remaining, Reverse(self.reset))
    }

    /// Returns the number of the period in which a calendar window counts.
    #[must_use]
    pub const fn period(&self) -> Option<u32> {
        if self.period == 0 { None } else { Some(self.period) }
    }
}
