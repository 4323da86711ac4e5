//! A purse: what this process holds of the budget of a bucket in one calendar.

use std::{sync::Arc, time::Duration};

use super::{
    period::BudgetPeriod,
    policy::BudgetPolicy,
    take::{BudgetReturn, BudgetTake, BudgetTaken},
};
use crate::limit::{
    BucketKey, WindowState,
    calendar::Calendar,
    flight::{Flight, Landing},
    time::Moment,
    window::left,
};

pub(super) struct Purse {
    pub(super) calendar: Arc<Calendar>,
    /// The number of the period. It never goes back.
    number: u32,
    /// Requests that the store has counted as used, and that were not admitted yet.
    unused: u32,
    /// What the store had counted at its last answer, less what was given back since.
    used: u64,
    /// When the store was asked last, on the clock of the layer; `None` if it has not answered in this period.
    asked: Option<Duration>,
    /// The last call of the store.
    flight: Option<Flight>,
    /// The sweep after which the purse was used last.
    sweep: u64,
}

/// What a purse says to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It holds enough.
    Ready,
    /// The budget has too few left.
    Spent,
    /// The store must be asked.
    Unknown,
}

/// A call of the store, to be made by a task.
pub(super) struct Order {
    pub(super) period: BudgetPeriod,
    /// `None` reads the count.
    pub(super) take: Option<BudgetTake>,
    pub(super) asked: Duration,
    pub(super) landing: Landing,
}

impl Purse {
    pub(super) fn new(calendar: &Arc<Calendar>, number: u32) -> Self {
        let calendar = Arc::clone(calendar);
        Self { calendar, number, unused: 0, used: 0, asked: None, flight: None, sweep: 0 }
    }

    pub(super) fn is_of(&self, calendar: &Arc<Calendar>) -> bool {
        Arc::ptr_eq(&self.calendar, calendar) || self.calendar.is(calendar)
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn period(&self, bucket: BucketKey) -> BudgetPeriod {
        BudgetPeriod::new(bucket, self.calendar.unit, Arc::clone(&self.calendar.zone), self.number)
    }

    /// Begins a later period, and returns what is unused of the earlier one. An earlier number changes nothing: a clock that is set
    /// back must not give a second budget.
    pub(super) fn turn(&mut self, bucket: BucketKey, number: u32) -> Option<BudgetReturn> {
        if number <= self.number {
            return None;
        }
        let unused = (self.unused > 0).then(|| BudgetReturn::new(self.period(bucket), self.unused));
        *self = Self { sweep: self.sweep, ..Self::new(&self.calendar, number) };
        unused
    }

    /// Returns how many requests of a budget of this size are left, as far as this process knows.
    pub(super) fn room(&self, size: u32) -> u32 {
        let left = (u64::from(size) + u64::from(self.unused)).saturating_sub(self.used);
        u32::try_from(left).unwrap_or(u32::MAX).min(size)
    }

    /// Returns the state of a window of this size.
    pub(super) fn state(&self, size: u32, now: Moment) -> WindowState {
        let reset = Duration::from_nanos(left(&self.calendar, self.number, now));
        WindowState::new(self.room(size), reset).in_period(self.number)
    }

    pub(super) fn standing(&self, cost: u32, size: u32, now: Duration, policy: &BudgetPolicy) -> Standing {
        let Some(asked) = self.asked else { return Standing::Unknown };
        if cost == 0 {
            return Standing::Ready;
        }
        match self.room(size) >= cost {
            true if self.unused >= cost => Standing::Ready,
            // Layers with different clocks may share a limiter.
            false if now.abs_diff(asked) < policy.ask_again_after => Standing::Spent,
            _ => Standing::Unknown,
        }
    }

    pub(super) const fn spend(&mut self, cost: u32) {
        self.unused = self.unused.saturating_sub(cost);
    }

    /// Takes a request back, within its period only.
    pub(super) const fn refund(&mut self, number: u32, cost: u32) {
        if self.number == number {
            self.unused = self.unused.saturating_add(cost);
        }
    }

    /// Returns the call that is under way.
    pub(super) fn flight(&self) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.is_under_way())
    }

    /// Sets the call for which requests wait.
    pub(super) fn wait_for(&mut self, flight: &Flight) {
        self.flight = Some(flight.clone());
    }

    /// Returns a call of the store that gets what a request needs.
    pub(super) fn order(&mut self, bucket: BucketKey, need: Need, policy: &BudgetPolicy) -> (Order, Flight) {
        let (landing, flight) = Flight::begin();
        self.flight = Some(flight.clone());
        let take = (need.cost > 0).then(|| {
            // The lease fills the purse up, so that a crash never loses more than one.
            let most = policy.max_lease.saturating_sub(self.unused);
            BudgetTake::new(need.size, need.cost.saturating_sub(self.unused)).up_to(most, policy.share)
        });
        (Order { period: self.period(bucket), take, asked: need.now, landing }, flight)
    }

    /// Notes an answer of the store. A late one comes after a later call may have been answered.
    pub(super) fn note(&mut self, taken: BudgetTaken, asked: Duration, is_late: bool) {
        self.unused = self.unused.saturating_add(taken.granted);
        self.used = if is_late { self.used.max(taken.used) } else { taken.used };
        self.asked = Some(asked);
    }

    pub(super) const fn touch(&mut self, sweep: u64) {
        self.sweep = sweep;
    }

    /// Returns whether the purse was not used since the sweep before this one.
    pub(super) const fn is_idle(&self, sweep: u64) -> bool {
        self.sweep < sweep
    }

    pub(super) const fn unused(&self) -> u32 {
        self.unused
    }

    /// Takes unused requests out, to give them back. At most `kept` stay.
    pub(super) fn empty(&mut self, kept: u32) -> u32 {
        let count = self.unused.saturating_sub(kept);
        self.unused -= count;
        self.used = self.used.saturating_sub(count.into());
        count
    }

    /// Puts requests back that were taken out and not given back.
    pub(super) fn put_back(&mut self, count: u32) {
        self.unused = self.unused.saturating_add(count);
        self.used = self.used.saturating_add(count.into());
    }
}

/// What a request needs of a purse.
#[derive(Clone, Copy)]
pub(super) struct Need {
    pub(super) cost: u32,
    pub(super) size: u32,
    pub(super) now: Duration,
}
