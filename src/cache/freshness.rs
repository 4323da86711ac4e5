//! Whether a cached answer may be used now.

use std::{sync::Arc, time::Duration};

use super::{Versioned, changed::Mark, epochs::Epochs, lease::Lease};
use crate::Clock;

/// The number of stripes of [`Epochs`]. An invalidation removes one answer in so many that have nothing to do with it.
const STRIPES: u16 = 4096;

/// What is known about when answers end.
pub(super) struct Freshness {
    pub(super) epochs: Epochs,
    pub(super) bound: Bound,
    clock: Clock,
    /// The longest life of an answer in nanoseconds, whatever else holds.
    longest: u64,
}

/// What bounds the age of answers.
pub(super) enum Bound {
    /// Announcements, and the lease that proves that they arrive.
    Leased { lease: Lease, bound: Duration },
    /// Time alone.
    Age(Duration),
    /// The version of a store on this machine.
    Version(Arc<dyn Versioned>),
}

/// When a lookup began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    number: u64,
    /// Nanoseconds of the monotonic clock.
    at: u64,
    version: Option<u64>,
}

impl Freshness {
    pub(super) fn new(bound: Bound, longest: Duration, clock: Clock) -> Self {
        Self { epochs: Epochs::new(STRIPES), bound, clock, longest: nanos(longest) }
    }

    /// Returns the clock for time limits and pauses: that of the system, if the own one has no timer.
    pub(super) fn timer(&self) -> Clock {
        if self.clock.has_timer() { self.clock.clone() } else { Clock::system() }
    }

    /// Returns the longest time for which an answer is used after a change has returned.
    pub(super) const fn promise(&self) -> Duration {
        match &self.bound {
            Bound::Leased { bound, .. } => *bound,
            Bound::Age(age) => *age,
            Bound::Version(_) => Duration::ZERO,
        }
    }

    /// Marks the beginning of a lookup. Call it before the store is asked.
    pub(super) fn begin(&self) -> Begun {
        let version = match &self.bound {
            Bound::Version(store) => store.version(),
            _ => None,
        };
        Begun { number: self.epochs.begin(), at: self.now(), version }
    }

    /// Returns whether what a lookup finds can be used again. Without a version, it would only displace what can be.
    pub(super) const fn can_keep(&self, begun: &Begun) -> bool {
        !matches!(self.bound, Bound::Version(_)) || begun.version.is_some()
    }

    /// Returns whether an answer with these marks may be used: what it depends on has not changed, or not for longer than the
    /// bound. `longest` bounds its age in nanoseconds.
    #[inline]
    pub(super) fn is_good(&self, begun: &Begun, marks: &[Mark], longest: u64) -> bool {
        let end = self.end(begun, longest);
        self.epochs.is_valid(begun.number, marks.iter().map(|mark| mark.number())) && self.is_before(end)
    }

    /// Returns whether an answer that a key is unknown may be used.
    #[inline]
    pub(super) fn is_still_unknown(&self, begun: &Begun, longest: u64) -> bool {
        let end = self.end(begun, longest);
        self.epochs.is_still_unknown(begun.number) && self.is_before(end)
    }

    /// Returns whether nothing is known to have changed since, and the answer is younger than this: what an outage of the store
    /// may be bridged with. An unknown version says nothing.
    pub(super) fn is_known(&self, begun: &Begun, marks: &[Mark], longest: Duration) -> bool {
        let version = match &self.bound {
            Bound::Version(store) => store.version(),
            _ => None,
        };
        (version.is_none() || version == begun.version)
            && self.epochs.is_valid(begun.number, marks.iter().map(|mark| mark.number()))
            && self.is_before(begun.at.saturating_add(nanos(longest)))
    }

    /// Returns whether cached answers may be used at all.
    pub(super) fn is_open(&self) -> bool {
        match &self.bound {
            Bound::Leased { lease, .. } => self.is_before(lease.until()),
            Bound::Age(age) => !age.is_zero(),
            Bound::Version(_) => true,
        }
    }

    /// Returns until when the answer may be used if its epochs are valid. It is read before the epochs, and the clock after them:
    /// see [`Lease`].
    #[inline]
    fn end(&self, begun: &Begun, longest: u64) -> u64 {
        let oldest = begun.at.saturating_add(longest.min(self.longest));
        match &self.bound {
            Bound::Leased { lease, .. } => lease.until().min(oldest),
            Bound::Age(age) => begun.at.saturating_add(nanos(*age)).min(oldest),
            Bound::Version(store) if begun.version.is_some() && store.version() == begun.version => oldest,
            Bound::Version(_) => 0,
        }
    }

    #[inline]
    fn is_before(&self, end: u64) -> bool {
        end > 0 && self.now() < end
    }

    /// Returns the nanoseconds of the monotonic clock.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        nanos(self.clock.elapsed())
    }
}

/// Returns whole nanoseconds.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
