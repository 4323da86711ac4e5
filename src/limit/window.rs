//! A window: a valid quota, and the arithmetic of its slot in a bucket.
//!
//! A slot is one `u64`. In a window that is refilled evenly, it is the time at which the window is full again, in
//! nanoseconds. In a calendar window, the high half is the number of the period, and the low half is the number of
//! requests counted in it. A slot of zero is that of a new bucket.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use super::{
    calendar::{Calendar, CalendarUnit, Period},
    gcra::Gcra,
    levels::WindowState,
    quota::{MOST_NANOS, Quota, Span},
    time::Moment,
};
use crate::ConfigError;

/// A valid quota.
pub(super) struct Window {
    pub(super) kind: Kind,
    /// The number of events that fit at once.
    pub(super) size: u32,
    pub(super) quota: Arc<Quota>,
}

pub(super) enum Kind {
    Even(Gcra),
    Calendar(Arc<Calendar>),
}

impl Window {
    pub(super) fn new(quota: Quota) -> Result<Self, ConfigError> {
        quota.check()?;
        let size = quota.size();
        match quota.span() {
            Span::Even(period) => match Gcra::new(quota.interval(period)?, size) {
                Some(gcra) => Ok(Self { kind: Kind::Even(gcra), size, quota: Arc::new(quota) }),
                None => quota.wrong("it admits no request"),
            },
            Span::Calendar(unit) => {
                let calendar = Calendar::new(unit, quota.zone())?;
                let quota = quota.with_zone(&calendar.zone);
                Ok(Self { kind: Kind::Calendar(Arc::new(calendar)), size, quota: Arc::new(quota) })
            }
        }
    }

    /// Returns one of so many equal parts of the window. A calendar remembers the current period for the window and its parts.
    pub(super) fn share(&self, parts: NonZeroU32) -> Result<Self, ConfigError> {
        let quota = self.quota.share(parts);
        let size = quota.size();
        let kind = match &self.kind {
            // Only a window of one event can reach the bound: the other parts are full as soon as the whole window.
            Kind::Even(gcra) => {
                match Gcra::new(gcra.interval.saturating_mul(parts.get().into()).min(MOST_NANOS - 1), size) {
                    Some(gcra) => Kind::Even(gcra),
                    None => return quota.wrong("it admits no request"),
                }
            }
            Kind::Calendar(calendar) => Kind::Calendar(Arc::clone(calendar)),
        };
        Ok(Self { kind, size, quota: quota.into() })
    }

    /// Returns the slot after these events, or the time until they would fit, in nanoseconds.
    #[inline]
    pub(super) fn take(&self, slot: u64, events: NonZeroU32, now: Moment) -> Result<u64, u64> {
        match &self.kind {
            Kind::Even(gcra) => {
                gcra.add(slot.saturating_sub(now.elapsed), events).map(|backlog| now.elapsed.saturating_add(backlog))
            }
            Kind::Calendar(calendar) => {
                let (number, count) = current(slot, calendar.at(now.wall));
                let next = count.checked_add(events.get()).filter(|next| *next <= self.size);
                next.map(|next| of_count(number, next)).ok_or_else(|| left(calendar, number, now))
            }
        }
    }

    /// Returns the state of the window.
    #[inline]
    pub(super) fn state(&self, slot: u64, now: Moment) -> WindowState {
        match &self.kind {
            Kind::Even(gcra) => {
                let backlog = slot.saturating_sub(now.elapsed);
                let free = self.capacity().saturating_sub(backlog) / gcra.interval;
                WindowState::new(u32::try_from(free).unwrap_or(u32::MAX), Duration::from_nanos(backlog))
            }
            Kind::Calendar(calendar) => {
                let (number, count) = current(slot, calendar.at(now.wall));
                let reset = Duration::from_nanos(left(calendar, number, now));
                WindowState::new(self.size.saturating_sub(count), reset).in_period(number)
            }
        }
    }

    /// Returns the nanoseconds in which one event is refilled; `None` for a calendar window.
    #[inline]
    pub(super) const fn interval(&self) -> Option<u64> {
        match &self.kind {
            Kind::Even(gcra) => Some(gcra.interval),
            Kind::Calendar(_) => None,
        }
    }

    /// Returns what one event uses: nanoseconds of the backlog, or one of the count.
    pub(super) fn unit(&self) -> u64 {
        self.interval().unwrap_or(1)
    }

    /// Returns the maximum that can be used: the cost of a whole burst.
    pub(super) fn capacity(&self) -> u64 {
        self.unit().saturating_mul(u64::from(self.size))
    }

    /// Returns what is used now, in [units](Self::unit).
    pub(super) fn used(&self, slot: u64, now: Moment) -> u64 {
        match &self.kind {
            Kind::Even(_) => slot.saturating_sub(now.elapsed),
            Kind::Calendar(calendar) => u64::from(current(slot, calendar.at(now.wall)).1),
        }
    }

    pub(super) const fn is_even(&self) -> bool {
        matches!(self.kind, Kind::Even(_))
    }

    /// Returns what a calendar window takes over from another calendar: requests that were surely counted in its own present
    /// period. Otherwise a used-up month would close the first day of a new daily budget.
    pub(super) fn inherited(&self, slot: u64, from: &Calendar, now: Moment) -> u64 {
        let Kind::Calendar(calendar) = &self.kind else { return 0 };
        let (number, count) = current(slot, from.at(now.wall));
        let here = calendar.at(now.wall).number;
        let is_here = match (from.unit, calendar.unit) {
            (CalendarUnit::Day, CalendarUnit::Month) => number / 100 == here,
            (CalendarUnit::Month, CalendarUnit::Day) => false,
            (CalendarUnit::Day, CalendarUnit::Day) | (CalendarUnit::Month, CalendarUnit::Month) => number == here,
        };
        if is_here { u64::from(count) } else { 0 }
    }

    /// Returns the slot in which so much is used now.
    pub(super) fn slot(&self, used: u64, now: Moment) -> u64 {
        match &self.kind {
            Kind::Even(_) => now.elapsed.saturating_add(used),
            Kind::Calendar(calendar) => of_count(calendar.at(now.wall).number, u32::try_from(used).unwrap_or(u32::MAX)),
        }
    }
}

/// The slot of a calendar window after so many requests in the period of this number.
pub(super) fn of_count(number: u32, count: u32) -> u64 {
    u64::from(number) << 32 | u64::from(count)
}

/// Returns the period that counts, and its count. It is the current period, or a later one if the time of day was set
/// back: otherwise, that would give a second budget for the later period.
#[inline]
fn current(slot: u64, now: Period) -> (u32, u32) {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the slot")]
    let (number, count) = ((slot >> 32) as u32, slot as u32);
    if number >= now.number { (number, count) } else { (now.number, 0) }
}

/// Returns the nanoseconds until the period ends.
#[inline]
pub(super) fn left(calendar: &Calendar, number: u32, now: Moment) -> u64 {
    let period = calendar.at(now.wall);
    let end = if period.number == number { period.end_nanos() } else { calendar.end_of(number) };
    end.saturating_sub(now.wall)
}

/// Returns the slot of a calendar window after a refund. Only requests of the period of this number are refunded.
pub(super) fn refunded(slot: u64, number: u32, cost: u32) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the slot")]
    let (counted_in, count) = ((slot >> 32) as u32, slot as u32);
    if counted_in == number { of_count(number, count.saturating_sub(cost)) } else { slot }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.quota, f)
    }
}
