use super::{
    period::BudgetPeriod,
    take::{BudgetReturn, BudgetTake, BudgetTaken},
};
use crate::{BoxError, MaybeReady, limit::CalendarUnit};

/// The result of a [`BudgetStore`]: ready, or a boxed future.
///
/// ```
/// use tower_auth::limit::budget::BudgetFuture;
///
/// let unused: BudgetFuture<u64> = BudgetFuture::ready(Ok(0));
/// ```
pub type BudgetFuture<T> = MaybeReady<Result<T, BoxError>>;

/// Where a `BudgetLimiter` keeps its counts, such as a table of a database.
///
/// The store keeps the number of used requests of each [`BudgetPeriod`], and nothing else: sizes of budgets come with each call.
/// `testing::conformance` checks an implementation.
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}};
/// use tower_auth::limit::{CalendarUnit, budget::{BudgetFuture, BudgetPeriod, BudgetReturn, BudgetStore, BudgetTake, BudgetTaken}};
///
/// /// Counts in a map. A real store writes to a disk, and answers after that.
/// #[derive(Clone, Default)]
/// struct Map(Arc<Mutex<HashMap<BudgetPeriod, u64>>>);
///
/// impl BudgetStore for Map {
///     fn take(&self, period: &BudgetPeriod, take: BudgetTake) -> BudgetFuture<BudgetTaken> {
///         let mut map = self.0.lock().unwrap();
///         let used = map.entry(period.clone()).or_default();
///         let granted = take.granted(*used);
///         *used += u64::from(granted);
///         BudgetFuture::ready(Ok(BudgetTaken::new(granted, *used)))
///     }
///
///     fn used(&self, period: &BudgetPeriod) -> BudgetFuture<u64> {
///         BudgetFuture::ready(Ok(self.0.lock().unwrap().get(period).copied().unwrap_or(0)))
///     }
///
///     fn give_back(&self, unused: &[BudgetReturn]) -> BudgetFuture<()> {
///         let mut map = self.0.lock().unwrap();
///         for unused in unused {
///             if let Some(used) = map.get_mut(&unused.period) {
///                 *used = used.saturating_sub(unused.count.into());
///             }
///         }
///         BudgetFuture::ready(Ok(()))
///     }
///
///     fn forget(&self, unit: CalendarUnit, before: u32, limit: usize) -> BudgetFuture<usize> {
///         let mut map = self.0.lock().unwrap();
///         let old = map.keys().filter(|period| period.unit == unit && period.number < before).take(limit).cloned();
///         let old: Vec<_> = old.collect();
///         old.iter().for_each(|period| drop(map.remove(period)));
///         BudgetFuture::ready(Ok(old.len()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of budgets: it does not implement `BudgetStore`",
    note = "`MemoryKeyStore`, `SqliteKeyStore` and `PostgresKeyStore` do"
)]
pub trait BudgetStore: Send + Sync + 'static {
    /// Takes requests out of a budget: [`BudgetTake::granted`] of what is used so far. It reads and counts atomically, and answers
    /// when the count is durable: a count that a crash of the store loses would be a second budget. A period without a count starts
    /// at zero.
    ///
    /// # Errors
    /// If the store does not answer. If it has counted nevertheless, those requests are lost.
    fn take(&self, period: &BudgetPeriod, take: BudgetTake) -> BudgetFuture<BudgetTaken>;

    /// Returns the number of used requests. It changes nothing.
    ///
    /// # Errors
    /// If the store does not answer.
    fn used(&self, period: &BudgetPeriod) -> BudgetFuture<u64>;

    /// Subtracts unused requests from the counts, all or none of them. A period may come several times. A period without a count
    /// stays without one, and no count falls below zero.
    ///
    /// A store must not repeat this call itself when it is unknown whether the first attempt was carried out: requests that are given
    /// back twice would be a second budget.
    ///
    /// # Errors
    /// If the store does not answer. The call is not repeated.
    fn give_back(&self, unused: &[BudgetReturn]) -> BudgetFuture<()>;

    /// Removes one batch of counts of this unit, at most about `limit`, and returns how many: of the periods with a smaller number
    /// than `before`, in every time zone. Zero means that none is left.
    ///
    /// # Errors
    /// If the store does not answer.
    fn forget(&self, unit: CalendarUnit, before: u32, limit: usize) -> BudgetFuture<usize>;
}
