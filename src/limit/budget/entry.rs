//! The budgets of one bucket, and the decision of all its windows.

use super::{
    policy::BudgetPolicy,
    purse::{Need, Order, Purse, Standing},
    take::BudgetReturn,
};
use crate::limit::{
    BucketKey, LimitDecision, LimitTime, Limits, MemoryLimiter, WindowStates,
    flight::Flight,
    levels::MOST_WINDOWS,
    time::Moment,
    window::{Kind, Window},
};

/// A bucket that holds leases, or that asks for them.
pub(super) struct Entry {
    pub(super) bucket: BucketKey,
    /// The limits of the last decision. They remember the current periods; those of a request may be new.
    pub(super) limits: Limits,
    pub(super) purses: Vec<Purse>,
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
pub(super) type Places = [Option<usize>; MOST_WINDOWS];

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
            owed.extend(purse.turn(self.bucket, number));
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
    pub(super) fn windows(&self, places: &Places) -> impl Iterator<Item = (&Window, Option<&Purse>)> {
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
