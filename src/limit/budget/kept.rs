//! What a bucket keeps between decisions: refunds, answers of the store, and what is given back.

use std::time::Duration;

use super::{
    entry::Entry,
    period::BudgetPeriod,
    purse::Purse,
    take::{BudgetReturn, BudgetTaken},
};
use crate::limit::{Reservation, flight::Flight, levels::MOST_WINDOWS, window::Kind};

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

impl Entry {
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
