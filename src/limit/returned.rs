//! Computes how much of a request can be refunded after some time.
//!
//! A bucket is a queue (first in, first out) that drains at a steady rate. Only the part of a request that has not
//! drained can be refunded. Refunding more would exceed the limits. A reservation stores the time at which its request
//! drains completely. Each later refund of a request in front of it makes this time earlier. This module stores these
//! refunds for as long as a request of that time may be in the queue.

use super::{limiter::Reservation, window::refunded};

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

/// What a refund has put back.
pub(super) struct PutBack<const N: usize> {
    /// In each place of the bucket, in nanoseconds.
    pub(super) amounts: [u64; N],
    /// The time at which all requests in the queue before the refund have drained.
    pub(super) until: u64,
}

/// The maximum number of refunds per bucket. Above it, the two oldest are merged. The merged refund counts as in front
/// of every request that either of them was in front of.
const MOST: usize = 256;

impl<const N: usize> Returned<N> {
    pub(super) const fn nothing() -> Self {
        Self { all: Vec::new() }
    }

    /// Puts the part of a reservation back into the slots that has not drained. Each window is its place, and the nanoseconds in
    /// which it is refilled by one request, or `None` for a calendar window.
    pub(super) fn put_back(
        &self,
        slots: &mut [u64; N],
        windows: impl Iterator<Item = (u8, Option<u64>)>,
        reservation: &Reservation,
        now: u64,
    ) -> PutBack<N> {
        let (in_front, mut amounts, mut until) = (self.in_front_of(reservation), [0; N], now);
        for ((at, interval), mark) in windows.zip(reservation.marks()) {
            let place = usize::from(at);
            let slot = &mut slots[place];
            match (mark, interval) {
                (Ok(full), Some(interval)) => {
                    let cost = interval.saturating_mul(u64::from(reservation.cost));
                    let left = full.saturating_sub(in_front[place]).saturating_sub(now).min(cost);
                    let left = left.min(slot.saturating_sub(now));
                    until = until.max(*slot);
                    *slot -= left;
                    amounts[place] = left;
                }
                (Err(number), None) => *slot = refunded(*slot, number, reservation.cost),
                _ => {}
            }
        }
        PutBack { amounts, until }
    }

    /// Returns, for each place, how much earlier a request drains than was computed when it was admitted.
    fn in_front_of(&self, reservation: &Reservation) -> [u64; N] {
        let mut sums = [0_u64; N];
        for one in self.all.iter().filter(|one| one.taken < reservation.ticket && reservation.ticket < one.given_back) {
            for (sum, amount) in sums.iter_mut().zip(one.amounts) {
                *sum = sum.saturating_add(amount);
            }
        }
        sums
    }

    pub(super) fn add(&mut self, reservation: &Reservation, given_back: u64, put_back: &PutBack<N>, now: u64) {
        // Nothing to store: no request came after this one.
        if given_back > reservation.ticket + 1 {
            self.note(reservation.ticket, given_back, put_back, now, MOST);
        }
    }

    /// Stores a refund that is in front of all requests with a larger number than `taken`, and stores at most so many.
    pub(super) fn note(&mut self, taken: u64, given_back: u64, put_back: &PutBack<N>, now: u64, most: usize) {
        if put_back.amounts.iter().all(|amount| *amount == 0) {
            return;
        }
        if self.all.len() >= most {
            self.forget(now);
        }
        if self.all.len() >= most {
            let oldest = self.all.remove(0);
            let next = &mut self.all[0];
            next.taken = next.taken.min(oldest.taken);
            next.until = next.until.max(oldest.until);
            for (amount, more) in next.amounts.iter_mut().zip(oldest.amounts) {
                *amount = amount.saturating_add(more);
            }
        }
        let (amounts, until) = (put_back.amounts, put_back.until);
        self.all.push(One { taken, given_back, amounts, until });
    }

    /// Returns what a table keeps of each refund: two sequence numbers, a time, and the amounts.
    #[cfg(feature = "postgres")]
    pub(super) fn stored(&self) -> impl Iterator<Item = ([u64; 3], [u64; N])> {
        self.all.iter().map(|one| ([one.taken, one.given_back, one.until], one.amounts))
    }

    /// Reads what a table keeps.
    #[cfg(feature = "postgres")]
    pub(super) fn read(stored: impl Iterator<Item = ([u64; 3], [u64; N])>) -> Self {
        let one =
            |([taken, given_back, until], amounts): ([u64; 3], [u64; N])| One { taken, given_back, amounts, until };
        Self { all: stored.map(one).collect() }
    }

    /// Removes refunds that no longer matter. Returns whether any remain.
    pub(super) fn forget(&mut self, now: u64) -> bool {
        self.all.retain(|one| one.until > now);
        !self.all.is_empty()
    }
}
