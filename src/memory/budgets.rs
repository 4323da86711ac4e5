use std::collections::HashMap;

use super::MemoryKeyStore;
use crate::limit::{
    CalendarUnit,
    budget::{BudgetFuture, BudgetPeriod, BudgetReturn, BudgetStore, BudgetTake, BudgetTaken},
};

/// The number of used requests of each period.
pub(super) type Budgets = HashMap<BudgetPeriod, u64>;

/// All calls answer at once. The counts are lost when the process ends.
impl BudgetStore for MemoryKeyStore {
    fn take(&self, period: &BudgetPeriod, take: BudgetTake) -> BudgetFuture<BudgetTaken> {
        let mut budgets = self.budgets();
        let before = budgets.get(period).copied().unwrap_or(0);
        let granted = take.granted(before);
        let used = before.saturating_add(granted.into());
        if granted > 0 {
            budgets.insert(period.clone(), used);
        }
        BudgetFuture::ready(Ok(BudgetTaken::new(granted, used)))
    }

    fn used(&self, period: &BudgetPeriod) -> BudgetFuture<u64> {
        BudgetFuture::ready(Ok(self.budgets().get(period).copied().unwrap_or(0)))
    }

    fn give_back(&self, unused: &[BudgetReturn]) -> BudgetFuture<()> {
        let mut budgets = self.budgets();
        for unused in unused {
            if let Some(used) = budgets.get_mut(&unused.period) {
                *used = used.saturating_sub(unused.count.into());
            }
        }
        BudgetFuture::ready(Ok(()))
    }

    fn forget(&self, unit: CalendarUnit, before: u32, limit: usize) -> BudgetFuture<usize> {
        let mut gone = 0;
        self.budgets().retain(|period, _| {
            let is_old = gone < limit && period.unit == unit && period.number < before;
            gone += usize::from(is_old);
            !is_old
        });
        BudgetFuture::ready(Ok(gone))
    }
}
