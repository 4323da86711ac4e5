//! Whether the checks of a store of budgets see a store that does not conform.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tower_auth::testing::conformance;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// A part is granted where too few remain.
    Partial,
    /// The share is not looked at.
    Greedy,
    /// A share of the budget is granted, and not of what remains.
    ShareOfAll,
    /// Another size is another count.
    Sizes,
    Zones,
    Units,
    Buckets,
    Numbers,
    /// A question counts.
    Counts,
    /// Nothing is given back.
    Keeps,
    /// Of a period that comes twice, the last counts.
    Once,
    /// A period without a count gets a credit.
    Credits,
    /// Nothing is forgotten.
    Remembers,
    /// The first period to keep is forgotten too.
    Early,
    /// The other unit is forgotten.
    OtherUnit,
    /// It reads, lets others run, and writes.
    Racy,
    /// Counts have 31 bits.
    Narrow,
}

#[derive(Clone)]
struct Broken {
    store: MemoryKeyStore,
    fault: Fault,
}

impl Broken {
    fn period(&self, period: &BudgetPeriod) -> BudgetPeriod {
        let mut period = period.clone();
        match self.fault {
            Fault::Zones => period.time_zone = "UTC".into(),
            Fault::Units => period.unit = CalendarUnit::Day,
            Fault::Buckets => period.bucket = acme(),
            Fault::Numbers => period.number = 0,
            _ => {}
        }
        period
    }
}

impl BudgetStore for Broken {
    fn take(&self, period: &BudgetPeriod, mut take: BudgetTake) -> BudgetFuture<BudgetTaken> {
        let (mut period, store) = (self.period(period), self.store.clone());
        let used = store.used(&period).now_or_never().unwrap().unwrap();
        match self.fault {
            Fault::Partial => {
                let left = u64::from(take.size).saturating_sub(used);
                take.least = take.least.min(u32::try_from(left).unwrap());
            }
            Fault::Greedy => take.share = 1,
            Fault::ShareOfAll => take = take.up_to(take.most.min(take.size / take.share), 1),
            Fault::Sizes => period.time_zone = take.size.to_string().into(),
            Fault::Narrow => take.size = take.size.min(u32::MAX >> 1),
            Fault::Racy => {
                return BudgetFuture::boxed(async move {
                    tokio::task::yield_now().await;
                    let granted = take.granted(used);
                    let now = store.used(&period).await?;
                    let rest = u32::try_from(now - used).unwrap().min(granted);
                    store.take(&period, BudgetTake::new(u32::MAX, granted - rest)).await?;
                    Ok(BudgetTaken::new(granted, used + u64::from(granted)))
                });
            }
            _ => {}
        }
        store.take(&period, take)
    }

    fn used(&self, period: &BudgetPeriod) -> BudgetFuture<u64> {
        let period = self.period(period);
        if self.fault == Fault::Counts {
            let taken = self.store.take(&period, BudgetTake::new(u32::MAX, 1)).now_or_never().unwrap().unwrap();
            return BudgetFuture::ready(Ok(taken.used - 1));
        }
        self.store.used(&period)
    }

    fn give_back(&self, unused: &[BudgetReturn]) -> BudgetFuture<()> {
        let mut unused = unused.to_vec();
        for unused in &mut unused {
            unused.period = self.period(&unused.period);
        }
        match self.fault {
            Fault::Keeps => unused.clear(),
            Fault::Once => {
                unused.reverse();
                let mut seen = std::collections::HashSet::new();
                unused.retain(|unused| seen.insert(unused.period.clone()));
            }
            Fault::Credits => {
                for unused in &unused {
                    let before = self.store.used(&unused.period).now_or_never().unwrap().unwrap();
                    if before == 0 {
                        // As good as a credit: the count of a full budget, of which more is given back.
                        let all = BudgetTake::new(u32::MAX, unused.count + 1);
                        drop(self.store.take(&unused.period, all).now_or_never());
                    }
                }
            }
            _ => {}
        }
        self.store.give_back(&unused)
    }

    fn forget(&self, unit: CalendarUnit, before: u32, limit: usize) -> BudgetFuture<usize> {
        match self.fault {
            Fault::Remembers => BudgetFuture::ready(Ok(0)),
            Fault::Early => BudgetStore::forget(&self.store, unit, before + 1, limit),
            Fault::OtherUnit if unit == CalendarUnit::Month => {
                drop(BudgetStore::forget(&self.store, CalendarUnit::Day, u32::MAX, limit));
                BudgetStore::forget(&self.store, unit, before, limit)
            }
            _ => BudgetStore::forget(&self.store, unit, before, limit),
        }
    }
}

async fn conforms(fault: Fault) -> bool {
    let fresh = async || Broken { store: MemoryKeyStore::new(), fault };
    AssertUnwindSafe(conformance::check_budgets(fresh)).catch_unwind().await.is_ok()
}

#[tokio::test]
async fn the_checks_find_each_fault() {
    assert!(conforms(Fault::None).await);
    for fault in [
        Fault::Partial,
        Fault::Greedy,
        Fault::ShareOfAll,
        Fault::Sizes,
        Fault::Zones,
        Fault::Units,
        Fault::Buckets,
        Fault::Numbers,
        Fault::Counts,
        Fault::Keeps,
        Fault::Once,
        Fault::Credits,
        Fault::Remembers,
        Fault::Early,
        Fault::OtherUnit,
        Fault::Racy,
        Fault::Narrow,
    ] {
        assert!(!conforms(fault).await, "{fault:?} is not noticed");
    }
}
