use super::MemoryKeyStore;
use crate::limit::{
    CalendarUnit,
    budget::{BudgetFuture, BudgetPeriod, BudgetReturn, BudgetStore, BudgetTake, BudgetTaken},
};

/// All calls answer at once. The counts are lost when the process ends.
impl BudgetStore for MemoryKeyStore {
    fn take(&self, period: &BudgetPeriod, take: BudgetTake) -> BudgetFuture<BudgetTaken> {
        BudgetFuture::ready(Ok(self.budgets().take(period, take)))
    }

    fn used(&self, period: &BudgetPeriod) -> BudgetFuture<u64> {
        BudgetFuture::ready(Ok(self.budgets().used(period)))
    }

    fn give_back(&self, unused: &[BudgetReturn]) -> BudgetFuture<()> {
        self.budgets().give_back(unused);
        BudgetFuture::ready(Ok(()))
    }

    fn forget(&self, unit: CalendarUnit, before: u32, limit: usize) -> BudgetFuture<usize> {
        BudgetFuture::ready(Ok(self.budgets().forget(unit, before, limit)))
    }
}
