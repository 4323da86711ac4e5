//! The used requests of calendar budgets.

use std::collections::HashMap;

use crate::limit::{
    CalendarUnit,
    budget::{BudgetPeriod, BudgetReturn, BudgetTake, BudgetTaken},
};

/// The number of used requests of each period.
#[derive(Default)]
pub(super) struct BudgetBook(HashMap<BudgetPeriod, u64>);

impl BudgetBook {
    pub(super) fn take(&mut self, period: &BudgetPeriod, take: BudgetTake) -> BudgetTaken {
        let before = self.used(period);
        let granted = take.granted(before);
        let used = before.saturating_add(granted.into());
        if granted > 0 {
            self.0.insert(period.clone(), used);
        }
        BudgetTaken::new(granted, used)
    }

    pub(super) fn used(&self, period: &BudgetPeriod) -> u64 {
        self.0.get(period).copied().unwrap_or(0)
    }

    pub(super) fn give_back(&mut self, unused: &[BudgetReturn]) {
        for unused in unused {
            if let Some(used) = self.0.get_mut(&unused.period) {
                *used = used.saturating_sub(unused.count.into());
            }
        }
    }

    /// Removes one batch, and returns its size.
    pub(super) fn forget(&mut self, unit: CalendarUnit, before: u32, limit: usize) -> usize {
        let mut gone = 0;
        self.0.retain(|period, _| {
            let is_old = gone < limit && period.unit == unit && period.number < before;
            gone += usize::from(is_old);
            !is_old
        });
        gone
    }
}
