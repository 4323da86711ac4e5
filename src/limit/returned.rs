//! How much of a request that is given back late is still in its bucket.
//!
//! A bucket is a queue that is worked off at a steady rate, first come, first served. What is given back is the part of a
//! request that has not been worked off; the rest is gone, and giving it back would let through more than the limits say.
//! A request knows when it would have been worked off. That is earlier by everything in front of it that was given back
//! since, which is kept here for as long as any request of that time may be in the queue.

use super::limiter::Reservation;

/// What was given back out of one bucket.
pub(super) struct Returned<const N: usize> {
    all: Vec<One<N>>,
}

struct One<const N: usize> {
    /// When the request was taken, and when it was given back, in the order of events of the shard.
    taken: u64,
    given_back: u64,
    /// In nanoseconds, for each of the places of the bucket.
    amounts: [u64; N],
    /// Everything that was in the queue when this was given back is worked off by then.
    until: u64,
}

/// Of one bucket so many are kept. Of more, the oldest are put together, as if each had stood in front of everything that
/// one of them stood in front of.
const MOST: usize = 256;

impl<const N: usize> Returned<N> {
    pub(super) const fn nothing() -> Self {
        Self { all: Vec::new() }
    }

    /// How much earlier a request is worked off in each place than was known when it was taken.
    pub(super) fn in_front_of(&self, taken: &Reservation) -> [u64; N] {
        let mut sums = [0_u64; N];
        for one in self.all.iter().filter(|one| one.taken < taken.ticket && taken.ticket < one.given_back) {
            for (sum, amount) in sums.iter_mut().zip(one.amounts) {
                *sum = sum.saturating_add(amount);
            }
        }
        sums
    }

    pub(super) fn add(&mut self, taken: &Reservation, given_back: u64, amounts: [u64; N], until: u64, now: u64) {
        // Nothing came behind it meanwhile, or nothing of it was left.
        if given_back <= taken.ticket + 1 || amounts.iter().all(|amount| *amount == 0) {
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
        self.all.push(One { taken: taken.ticket, given_back, amounts, until });
    }

    /// Whether anything is left that has to be kept.
    pub(super) fn forget(&mut self, now: u64) -> bool {
        self.all.retain(|one| one.until > now);
        !self.all.is_empty()
    }
}
