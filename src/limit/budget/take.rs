use super::period::BudgetPeriod;

/// How many requests a process takes out of a budget; see [`BudgetStore::take`](super::BudgetStore::take).
///
/// ```
/// use tower_auth::limit::budget::BudgetTake;
///
/// // Of a budget of 1,000,000: at least 5 requests, at most 1,000, and at most a sixteenth of what remains.
/// let take = BudgetTake::new(1_000_000, 5).up_to(1_000, 16);
/// assert_eq!(take.granted(0), 1_000);
/// assert_eq!(take.granted(999_000), 62);
/// assert_eq!(take.granted(999_995), 5);
/// assert_eq!(take.granted(999_996), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetTake {
    /// The size of the budget.
    pub size: u32,
    /// The number of requests that are needed. If fewer remain, nothing is taken.
    pub least: u32,
    /// The largest number of requests that are wanted.
    pub most: u32,
    /// The part of the remaining requests that is wanted: 16 means a sixteenth. It is not zero.
    pub share: u32,
}

impl BudgetTake {
    /// Takes this number of requests of a budget of this size, or nothing.
    #[must_use]
    pub const fn new(size: u32, least: u32) -> Self {
        Self { size, least, most: least, share: 1 }
    }

    /// Takes more: one part of so many of what remains, and at most this number.
    #[must_use]
    pub const fn up_to(self, most: u32, share: u32) -> Self {
        Self { most, share: if share == 0 { 1 } else { share }, ..self }
    }

    /// Returns how many requests are granted if so many are used: the larger of `least` and the smaller of `most` and the share;
    /// zero if fewer than `least` remain.
    #[must_use]
    pub fn granted(&self, used: u64) -> u32 {
        let left = u32::try_from(u64::from(self.size).saturating_sub(used)).unwrap_or(u32::MAX);
        if left < self.least {
            return 0;
        }
        (left / self.share.max(1)).min(self.most).max(self.least)
    }
}

/// The answer to a [`BudgetTake`].
///
/// ```
/// use tower_auth::limit::budget::BudgetTaken;
///
/// assert_eq!(BudgetTaken::new(100, 1_100).granted, 100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetTaken {
    /// The number of requests that were taken.
    pub granted: u32,
    /// The number of requests that are used in this period, with those that were taken now. It is above the size of the budget if
    /// the budget was lowered.
    pub used: u64,
}

impl BudgetTaken {
    /// Creates the answer.
    #[must_use]
    pub const fn new(granted: u32, used: u64) -> Self {
        Self { granted, used }
    }
}

/// Requests that were taken and not used; see [`BudgetStore::give_back`](super::BudgetStore::give_back).
///
/// ```
/// use tower_auth::limit::{BucketKey, CalendarUnit, budget::{BudgetPeriod, BudgetReturn}};
///
/// let june = BudgetPeriod::new(BucketKey::new(["acme"]), CalendarUnit::Month, "UTC", 202_606);
/// assert_eq!(BudgetReturn::new(june, 12).count, 12);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetReturn {
    /// The period of which they were taken.
    pub period: BudgetPeriod,
    /// The number of requests.
    pub count: u32,
}

impl BudgetReturn {
    /// Creates the value.
    #[must_use]
    pub const fn new(period: BudgetPeriod, count: u32) -> Self {
        Self { period, count }
    }
}
