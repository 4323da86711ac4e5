//! A bucket as a table keeps it: a text that is read and replaced as a whole.

use std::time::Duration;

use super::{
    ask::{Ask, IN_ORDER, Taken},
    quotas::{layout_of, text_of},
};
use crate::limit::{
    LimitDecision, Limits, Reservation,
    decide::{decide, levels},
    levels::MOST_WINDOWS,
    returned::Returned,
    time::{Moment, nanos},
    window::Window,
};

/// The windows of a bucket, on a time of its own.
pub(crate) struct Kept {
    /// The limits that counted last: their id, and the quota of each place.
    pub(super) id: u64,
    form: String,
    /// The place of each window.
    at: [u8; MOST_WINDOWS],
    /// Of each window, in nanoseconds; zero for a calendar window.
    intervals: Vec<u64>,
    /// What each place counts; see `window.rs`.
    slots: [u64; MOST_WINDOWS],
    /// The time of the last event.
    last: u64,
    /// What is added to the clock of the server, which was set back by so much. So the time of the bucket never goes back: nothing is refilled
    /// twice, and refunds compare times that were measured in the same way.
    ahead: u64,
    /// The number of the last event, and the one before the first event that can be given back.
    pub(super) ticket: u64,
    start: u64,
    /// When the bucket is full again, on the clock of the server.
    expires: u64,
    returned: Returned<MOST_WINDOWS>,
}

/// The text: a version, and the fields. Another version of this crate that keeps something else writes another version.
type Text = (u8, u64, String, [u8; MOST_WINDOWS], Vec<u64>, [u64; MOST_WINDOWS], [u64; 5], Vec<([u64; 3], Numbers)>);
type Numbers = [u64; MOST_WINDOWS];

const VERSION: u8 = 1;
const MICRO: u64 = 1_000;
/// How long a period of a calendar window must be over before its bucket is removed: if the clock is set back by less, the bucket is not new in a
/// period that it has used up.
const SETTLED: Duration = Duration::from_secs(3_600);
/// How many refunds a bucket keeps, at most. Each adds about 100 bytes to the text.
const MOST_RETURNED: usize = 64;

impl Kept {
    pub(super) fn new(limits: &Limits, clock: u64) -> Self {
        // Numbers of a bucket that was lost are smaller.
        let start = clock / MICRO;
        Self {
            id: limits.id(),
            form: limits.form().to_owned(),
            at: IN_ORDER,
            intervals: intervals(limits),
            slots: [0; MOST_WINDOWS],
            last: clock,
            ahead: 0,
            ticket: start,
            start,
            expires: 0,
            returned: Returned::nothing(),
        }
    }

    /// Reads a text. Returns `None` if this version cannot read it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let read: Text = serde_json::from_str(text).ok()?;
        let (version, id, form, at, intervals, slots, [last, ahead, ticket, start, expires], returned) = read;
        let fits = version == VERSION
            && (1..=MOST_WINDOWS).contains(&intervals.len())
            && at.iter().all(|place| usize::from(*place) < MOST_WINDOWS);
        let returned = Returned::read(returned.into_iter());
        fits.then_some(Self { id, form, at, intervals, slots, last, ahead, ticket, start, expires, returned })
    }

    /// Returns the text.
    ///
    /// # Errors
    /// Never: all of it are numbers and strings.
    pub(crate) fn text(&self) -> Result<String, serde_json::Error> {
        let Self { id, form, at, intervals, slots, last, ahead, ticket, start, expires, returned } = self;
        let returned: Vec<_> = returned.stored().collect();
        serde_json::to_string(&(
            VERSION,
            id,
            form,
            at,
            intervals,
            slots,
            [last, ahead, ticket, start, expires],
            returned,
        ))
    }

    /// Returns when the bucket is full again on the clock of the server, in nanoseconds since 1970.
    pub(crate) const fn expires(&self) -> u64 {
        self.expires
    }

    /// Moves on to the present time. Returns whether the clock was set back.
    pub(super) fn advance(&mut self, clock: u64) -> bool {
        let behind = self.last.saturating_sub(clock);
        let is_set_back = behind > self.ahead;
        self.ahead = self.ahead.max(behind);
        self.last = clock.saturating_add(self.ahead);
        self.returned.forget(self.last);
        is_set_back
    }

    const fn moment(&self, clock: u64) -> Moment {
        Moment { elapsed: self.last, wall: clock }
    }

    /// Converts the bucket to other limits. What the old ones have counted cannot be given back any more.
    pub(super) fn adopt(&mut self, limits: &Limits, clock: u64) -> Option<()> {
        let layout = layout_of(&self.form, self.at.into_iter().take(self.intervals.len()).collect())?;
        let (layout, slots) = layout.carry_over(self.slots, limits, self.moment(clock));
        (self.id, self.form, self.at) = (limits.id(), text_of(&layout), layout.at);
        (self.intervals, self.slots) = (intervals(limits), slots);
        self.ticket += 1;
        (self.start, self.returned) = (self.ticket, Returned::nothing());
        Some(())
    }

    /// Takes as many as are wanted, or as many as fit. Returns how many.
    pub(super) fn grant(&mut self, ask: &Ask, clock: u64) -> u32 {
        let (windows, now) = (ask.limits.all(), self.moment(clock));
        let room = levels(&self.slots, self.at, windows, now).tightest().remaining;
        let granted = if room >= ask.want {
            ask.want
        } else if room >= ask.least {
            room
        } else {
            0
        };
        let decided = decide(&mut self.slots, self.at, windows, granted, now);
        if matches!(decided, LimitDecision::Admitted(_)) { granted } else { 0 }
    }

    pub(super) fn expire(&mut self, limits: &Limits, clock: u64) {
        let now = self.moment(clock);
        for (window, at) in limits.all().iter().zip(self.at) {
            let left = window.state(self.slots[usize::from(at)], now).reset;
            let left = if window.is_even() { left } else { left.saturating_add(SETTLED) };
            self.expires = self.expires.max(clock.saturating_add(nanos(left)));
        }
    }

    pub(super) fn taken(&self, granted: u32) -> Taken {
        let mut slots = [0; MOST_WINDOWS];
        for (slot, at) in slots.iter_mut().zip(self.at).take(self.intervals.len()) {
            *slot = self.slots[usize::from(at)];
        }
        let wall = self.last.saturating_sub(self.ahead);
        Taken { granted, slots, now: self.last, wall, ticket: self.ticket }
    }

    /// Returns whether anything was given back.
    pub(super) fn give_back(&mut self, reservation: &Reservation) -> bool {
        let (ticket, before) = (reservation.ticket, self.slots);
        if self.id != reservation.limits || ticket <= self.start || ticket > self.ticket {
            return false;
        }
        let intervals = self.intervals.iter().map(|interval| (*interval > 0).then_some(*interval));
        let windows = self.at.into_iter().zip(intervals);
        let put_back = self.returned.put_back(&mut self.slots, windows, reservation, self.last);
        if self.slots == before {
            return false;
        }
        self.ticket += 1;
        // Parts of one lease share a number: what was given back first was the last to drain, and shortens the others.
        self.returned.note(ticket - 1, self.ticket, &put_back, self.last, MOST_RETURNED);
        true
    }
}

fn intervals(limits: &Limits) -> Vec<u64> {
    limits.all().iter().map(|window| Window::interval(window).unwrap_or(0)).collect()
}
