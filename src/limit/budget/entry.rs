//! The budgets of one bucket, and the decision of all its windows.

use std::{cmp::Reverse, time::Duration};

use super::{
    flight::Flight,
    period::BudgetPeriod,
    policy::BudgetPolicy,
    purse::{Need, Order, Purse, Standing},
    take::{BudgetReturn, BudgetTaken},
};
use crate::limit::{
    BucketKey, LimitDecision, LimitTime, Limits, MemoryLimiter, Reservation, WindowStates,
    levels::MOST_WINDOWS,
    time::Moment,
    window::{Kind, Window, left},
};

/// A bucket that holds leases, or that asks for them.
pub(super) struct Entry {
    pub(super) bucket: BucketKey,
    /// The limits of the last decision. They remember the current periods; those of a request may be new.
    limits: Limits,
    purses: Vec<Purse>,
}

/// Which leases are given back.
#[derive(Clone, Copy)]
pub(super) struct Sweep {
    /// The number of the last sweep: purses that were not used since are idle.
    pub(super) number: u64,
    /// Whether all leases are given back, also those that are in use.
    pub(super) all: bool,
    /// The largest number of leases that are taken out at once.
    pub(super) limit: usize,
}

/// A request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) bucket: BucketKey,
    pub(super) limits: &'a Limits,
    pub(super) cost: u32,
    pub(super) now: LimitTime,
}

/// What a decision needs beside the bucket.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    /// Counts the windows that are refilled evenly.
    pub(super) memory: &'a MemoryLimiter,
    pub(super) policy: &'a BudgetPolicy,
    /// The number of the last sweep.
    pub(super) sweep: u64,
    /// Whether the caller can make calls of the store.
    pub(super) may_order: bool,
}

/// The outcome of one attempt to decide.
pub(super) enum Attempt {
    Decided(LimitDecision),
    /// The store is to be asked, and then the request is to be decided again.
    Short {
        orders: Vec<Order>,
        flights: Vec<Flight>,
    },
}

impl Attempt {
    pub(super) const fn short() -> Self {
        Self::Short { orders: Vec::new(), flights: Vec::new() }
    }
}

/// The purse of each window; `None` for a window that is refilled evenly.
type Places = [Option<usize>; MOST_WINDOWS];

impl Entry {
    pub(super) fn new(bucket: BucketKey, limits: &Limits) -> Self {
        Self { bucket, limits: limits.clone(), purses: Vec::new() }
    }

    /// Takes the cost out of all windows or out of none. The caller holds the lock of the bucket from beginning to end.
    pub(super) fn attempt(&mut self, asked: &Asked<'_>, means: Means<'_>, owed: &mut Vec<BudgetReturn>) -> Attempt {
        if self.limits.id() != asked.limits.id() {
            self.limits = asked.limits.clone();
        }
        let moment = self.limits.moment(asked.now);
        let places = self.places(moment, owed);
        let standings = self.standings(&places, asked, means);
        let all_ready = standings.iter().all(|standing| *standing == Standing::Ready);
        let even = even(&self.limits, asked, means.memory, all_ready);
        match even {
            Some(LimitDecision::TooCostly { most }) => return Attempt::Decided(LimitDecision::TooCostly { most }),
            Some(LimitDecision::Refused { .. }) => {}
            _ if standings.contains(&Standing::Spent) => {}
            _ if all_ready => {
                self.spend(&places, asked.cost, means.sweep);
                let levels = self.levels(&places, even.as_ref(), moment);
                return Attempt::Decided(LimitDecision::Admitted(levels));
            }
            _ => return self.short(&places, standings, asked, means),
        }
        Attempt::Decided(self.refused(&places, standings, even.as_ref(), moment))
    }

    /// Finds the purse of each window, and turns it to the present period.
    fn places(&mut self, moment: Moment, owed: &mut Vec<BudgetReturn>) -> Places {
        let mut places = [None; MOST_WINDOWS];
        for (place, window) in places.iter_mut().zip(self.limits.all()) {
            let Kind::Calendar(calendar) = &window.kind else { continue };
            let number = calendar.at(moment.wall).number;
            let found = self.purses.iter().position(|purse| purse.is_of(calendar));
            let at = found.unwrap_or_else(|| {
                self.purses.push(Purse::new(calendar, number));
                self.purses.len() - 1
            });
            let Some(purse) = self.purses.get_mut(at) else { continue };
            let old = purse.period(self.bucket);
            match purse.turn(number) {
                0 => {}
                unused => owed.push(BudgetReturn::new(old, unused)),
            }
            *place = Some(at);
        }
        places
    }

    fn standings(&self, places: &Places, asked: &Asked<'_>, means: Means<'_>) -> [Standing; MOST_WINDOWS] {
        let mut standings = [Standing::Ready; MOST_WINDOWS];
        for (standing, (window, purse)) in standings.iter_mut().zip(self.windows(places)) {
            if let Some(purse) = purse {
                *standing = purse.standing(asked.cost, window.size, asked.now.elapsed(), means.policy);
            }
        }
        standings
    }

    /// Returns each window with its purse.
    fn windows(&self, places: &Places) -> impl Iterator<Item = (&Window, Option<&Purse>)> {
        let purse = |place: Option<usize>| self.purses.get(place?);
        self.limits.all().iter().zip(places.map(purse))
    }

    fn spend(&mut self, places: &Places, cost: u32, sweep: u64) {
        if cost == 0 {
            return;
        }
        for (at, purse) in self.purses.iter_mut().enumerate() {
            // Two windows may share a purse.
            if places.contains(&Some(at)) {
                purse.spend(cost);
                purse.touch(sweep);
            }
        }
    }

    /// Returns the calls that the request waits for: those that others have begun, and the orders of new ones.
    fn short(
        &mut self,
        places: &Places,
        standings: [Standing; MOST_WINDOWS],
        asked: &Asked<'_>,
        means: Means<'_>,
    ) -> Attempt {
        if !means.may_order {
            return Attempt::short();
        }
        let (mut orders, mut flights) = (Vec::new(), Vec::new());
        for ((window, place), standing) in self.limits.all().iter().zip(places).zip(standings) {
            let purse = place.and_then(|at| self.purses.get_mut(at));
            let Some(purse) = purse.filter(|_| standing == Standing::Unknown) else { continue };
            if let Some(flight) = purse.flight() {
                flights.push(flight.clone());
                continue;
            }
            let need = Need { cost: asked.cost, size: window.size, now: asked.now.elapsed() };
            let (order, flight) = purse.order(asked.bucket, need, means.policy);
            purse.touch(means.sweep);
            orders.push(order);
            flights.push(flight);
        }
        Attempt::Short { orders, flights }
    }

    /// Returns the state of all windows.
    fn levels(&self, places: &Places, even: Option<&LimitDecision>, moment: Moment) -> WindowStates {
        let counted = match even {
            Some(LimitDecision::Admitted(levels) | LimitDecision::Refused { levels, .. }) => *levels,
            _ => WindowStates::none(),
        };
        let (mut levels, mut even) = (WindowStates::none(), counted.all().iter());
        for (window, purse) in self.windows(places) {
            match purse {
                Some(purse) => levels.push(purse.state(window.size, moment)),
                None => even.next().into_iter().for_each(|level| levels.push(*level)),
            }
        }
        (levels.ticket, levels.shared) = (counted.ticket, counted.shared);
        levels.find_tightest();
        levels
    }

    /// Returns the refusal of the window with the longest wait.
    fn refused(
        &self,
        places: &Places,
        standings: [Standing; MOST_WINDOWS],
        even: Option<&LimitDecision>,
        moment: Moment,
    ) -> LimitDecision {
        let (mut longest, mut evens) = (None, 0);
        for (place, ((_, purse), standing)) in self.windows(places).zip(standings).enumerate() {
            let wait = match (purse, even) {
                (Some(purse), _) => {
                    let wait = left(&purse.calendar, purse.number(), moment);
                    (standing == Standing::Spent).then(|| Duration::from_nanos(wait))
                }
                (None, Some(LimitDecision::Refused { levels, wait })) => {
                    evens += 1;
                    (levels.tightest_index() + 1 == evens).then_some(*wait)
                }
                (None, _) => None,
            };
            longest = longest.max(wait.map(|wait| (wait, Reverse(place))));
        }
        let mut levels = self.levels(places, even, moment);
        let (wait, Reverse(place)) = longest.unwrap_or((Duration::ZERO, Reverse(0)));
        levels.set_tightest(place);
        LimitDecision::Refused { levels, wait }
    }

    /// Takes the cost of a request back, except in windows that are refilled evenly.
    pub(super) fn refund(&mut self, reservation: &Reservation) {
        // The marks are in the order of the windows that have counted the request.
        if self.limits.id() != reservation.limits {
            return;
        }
        let mut seen = [None; MOST_WINDOWS];
        for ((window, mark), seen_at) in self.limits.all().iter().zip(reservation.marks()).zip(0..) {
            let (Kind::Calendar(calendar), Err(number)) = (&window.kind, mark) else { continue };
            let at = self.purses.iter().position(|purse| purse.is_of(calendar));
            let Some(found) = at.filter(|_| !seen.contains(&at)) else { continue };
            seen[seen_at] = at;
            if let Some(purse) = self.purses.get_mut(found) {
                purse.refund(number, reservation.cost);
            }
        }
    }

    /// Returns the purse that counts in this period.
    pub(super) fn purse_of(&mut self, period: &BudgetPeriod) -> Option<&mut Purse> {
        self.purses.iter_mut().find(|purse| {
            purse.number() == period.number
                && purse.calendar.unit == period.unit
                && purse.calendar.zone == period.time_zone
        })
    }

    /// Notes the answer of the store. Returns whether this bucket still counts in the period.
    pub(super) fn note(&mut self, period: &BudgetPeriod, taken: BudgetTaken, asked: Duration, is_late: bool) -> bool {
        let purse = self.purse_of(period);
        purse.map(|purse| purse.note(taken, asked, is_late)).is_some()
    }

    /// Takes out what is to be given back, and removes idle purses that hold nothing. A request that needs what is given back waits
    /// for the flight. A purse in use keeps no more than a lease: refunds may have added to it.
    pub(super) fn sweep(&mut self, sweep: Sweep, max_lease: u32, flight: &Flight, out: &mut Vec<BudgetReturn>) {
        let bucket = self.bucket;
        self.purses.retain_mut(|purse| {
            let is_over = sweep.all || purse.is_idle(sweep.number);
            if purse.flight().is_some() || out.len() >= sweep.limit {
                return true;
            }
            let count = purse.empty(if is_over { 0 } else { max_lease });
            if count > 0 {
                out.push(BudgetReturn::new(purse.period(bucket), count));
                purse.wait_for(flight);
            }
            count > 0 || !is_over
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.purses.is_empty()
    }

    /// Returns the calls that are under way.
    pub(super) fn flights(&self) -> impl Iterator<Item = Flight> {
        self.purses.iter().filter_map(|purse| purse.flight().cloned())
    }

    /// Returns the number of leased requests that are not used.
    pub(super) fn unused(&self) -> u64 {
        self.purses.iter().map(|purse| u64::from(purse.unused())).sum()
    }
}

/// Decides the windows that are refilled evenly, and counts the request in them if all other windows are ready.
fn even(limits: &Limits, asked: &Asked<'_>, memory: &MemoryLimiter, all_ready: bool) -> Option<LimitDecision> {
    let even = limits.even()?;
    let Asked { bucket, cost, now, .. } = *asked;
    if !all_ready || cost == 0 {
        let asked = memory.ask(bucket, even, now);
        let fits = |levels: &WindowStates| levels.all().iter().all(|level| level.remaining >= cost);
        if matches!(&asked, LimitDecision::Admitted(levels) if fits(levels)) {
            return Some(asked);
        }
    }
    // A request that does not fit is counted nowhere, and is told how long to wait.
    Some(memory.try_acquire(bucket, even, cost, now))
}
