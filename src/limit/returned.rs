//! Computes how much of a request can be refunded after some time.
//!
//! A bucket is a queue (first in, first out) that drains at a steady rate. Only the part of a request that has not
//! drained can be refunded. Refunding more would exceed the limits. A reservation stores the time at which its request
//! drains completely. Each later refund of a request in front of it makes this time earlier. This module stores these
//! refunds for as long as a request of that time may be in the queue.

use super::limiter::Reservation;

/// The refunds of one bucket.
pub(super) struct Returned<const N: usize> {
    all: Vec<One<N>>,
}

struct One<const N: usize> {
    /// The sequence numbers of the admission and of the refund, in the order of events of the shard.
    taken: u64,
    given_back: u64,
    /// The refunded amount in each place of the bucket, in nanoseconds.
    amounts: [u64; N],
    /// The time at which all requests in the queue at the refund have drained.
    until: u64,
}

/// The maximum number of refunds per bucket. Above it, the two oldest are merged. The merged refund counts as in front
/// of every request that either of them was in front of.
const MOST: usize = 256;

impl<const N: usize> Returned<N> {
    pub(super) const fn nothing() -> Self {
        Self { all: Vec::new() }
    }

    /// Returns, for each place, how much earlier a request drains than was computed when it was admitted.
    pub(super) fn in_front_of(&self, reservation: &Reservation) -> [u64; N] {
        let mut sums = [0_u64; N];
        for one in self.all.iter().filter(|one| one.taken < reservation.ticket && reservation.ticket < one.given_back) {
            for (sum, amount) in sums.iter_mut().zip(one.amounts) {
                *sum = sum.saturating_add(amount);
            }
        }
        sums
    }

    pub(super) fn add(&mut self, reservation: &Reservation, given_back: u64, amounts: [u64; N], until: u64, now: u64) {
        // Nothing to store: no request came after this one, or nothing of it was refunded.
        if given_back <= reservation.ticket + 1 || amounts.iter().all(|amount| *amount == 0) {
            return;
        }
        if self.all.len() >= MOST {
            self.forget(now);
        }
        if self.all.len() >= MOST {
            let oldest = self.all.remove(0);
            let next = &mut self.all[0];
            next.taken = next.taken.min(oldest.taken);
            next.until = next.until.max(oldest.until);
            for (amount, more) in next.amounts.iter_mut().zip(oldest.amounts) {
                *amount = amount.saturating_add(more);
            }
        }
        self.all.push(One { taken: reservation.ticket, given_back, amounts, until });
    }

    /// Removes refunds that no longer matter. Returns whether any remain.
    pub(super) fn forget(&mut self, now: u64) -> bool {
        self.all.retain(|one| one.until > now);
        !self.all.is_empty()
    }
}
