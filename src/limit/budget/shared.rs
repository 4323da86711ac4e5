//! What the clones of a limiter share, and its calls of the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use super::{
    period::BudgetPeriod,
    policy::BudgetPolicy,
    purse::Order,
    store::{BudgetFuture, BudgetStore},
    table::Table,
    take::{BudgetTake, BudgetTaken},
};
use crate::{
    BoxError, Clock,
    base::{time_limit::TimeLimit, trouble::Trouble},
};

pub(super) struct Shared {
    pub(super) store: Box<dyn BudgetStore>,
    pub(super) table: Table,
    pub(super) policy: BudgetPolicy,
    /// How long a call of the store may take.
    pub(super) limit: TimeLimit,
    pub(super) trouble: Trouble,
    /// The number of tasks that the caller has started.
    pub(super) tasks: AtomicUsize,
    /// Whether the limiter's own task runs.
    pub(super) is_tended: AtomicBool,
}

/// How long requests wait for a call of the store. After that, another call may be made.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Shared {
    pub(super) fn new(store: impl BudgetStore, policy: BudgetPolicy, clock: Clock) -> Self {
        Self {
            store: Box::new(store),
            table: Table::new(),
            policy,
            limit: TimeLimit::new(clock, TIMEOUT),
            trouble: Trouble::new(
                "unused requests of calendar budgets are not given back to the store; it is tried again",
                "unused requests of calendar budgets are given back again",
            ),
            tasks: AtomicUsize::new(0),
            is_tended: AtomicBool::new(false),
        }
    }

    /// Asks the store. The call is finished even if no request waits any more: the store may have counted requests.
    pub(super) async fn carry_out(self: Arc<Self>, order: Order) {
        let Order { period, take, asked, landing } = order;
        let mut call = self.call(&period, take);
        match self.limit.wait(&mut call).await {
            Ok(answer) => landing.land(self.note(&period, take, asked, answer)),
            Err(late) => {
                landing.land(Err(format!("the store of budgets {late}").into()));
                if let Ok(taken) = call.await {
                    self.table.note(&period, taken, asked, true);
                }
            }
        }
    }

    fn call(&self, period: &BudgetPeriod, take: Option<BudgetTake>) -> BudgetFuture<BudgetTaken> {
        match take {
            Some(take) => self.store.take(period, take),
            None => self.store.used(period).map(|used| used.map(|used| BudgetTaken::new(0, used))),
        }
    }

    fn note(
        &self,
        period: &BudgetPeriod,
        take: Option<BudgetTake>,
        asked: Duration,
        answer: Result<BudgetTaken, BoxError>,
    ) -> Result<(), Arc<str>> {
        let taken = answer.map_err(|error| Arc::from(error.to_string()))?;
        self.table.note(period, taken, asked, false);
        // The request would ask again, for ever.
        match take {
            Some(take) if taken.granted == 0 && take.least > 0 && take.granted(taken.used) > 0 => {
                Err("the store of budgets grants nothing, although requests are left".into())
            }
            _ => Ok(()),
        }
    }
}
