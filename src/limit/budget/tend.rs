//! Unused leases are given back, and old periods are forgotten.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{kept::Sweep, shared::Shared, take::BudgetReturn};
use crate::{BoxError, limit::CalendarUnit};

/// The number of leases that are given back in one call.
const AT_ONCE: usize = 100;
/// The number of counts that are removed at once.
const FORGET: usize = 5_000;
/// How often old counts are removed, and how soon it is tried again after a failure.
const HOUSEKEEPING: Duration = Duration::from_secs(3600);
const AGAIN: Duration = Duration::from_secs(60);

/// When old counts are to be removed next.
#[derive(Default)]
pub(super) struct Due(Duration);

impl Shared {
    /// Starts the limiter's own task, unless a task runs. It ends with the limiter, or when the caller starts one.
    pub(super) fn be_tended(self: &Arc<Self>, runtime: &Handle) {
        if self.tasks.load(Ordering::Acquire) == 0 && !self.is_tended.swap(true, Ordering::AcqRel) {
            runtime.spawn(tend(Tending(Arc::downgrade(self))));
        }
    }

    /// Gives back idle leases, and removes old counts from time to time.
    pub(super) async fn tend(&self, due: &mut Due) {
        let outcome = match self.give_back(false).await {
            Ok(()) => self.forget_if_due(due).await,
            failed => failed,
        };
        self.trouble.note(outcome);
    }

    /// Gives back all leases. Requests that come meanwhile take new ones.
    pub(super) async fn settle(&self) {
        for flight in self.table.flights() {
            // Its failure is that of the requests that wait for it.
            let _ = flight.landed().await;
        }
        self.trouble.note(self.give_back(true).await);
    }

    async fn give_back(&self, all: bool) -> Result<(), BoxError> {
        let number = self.table.begin_sweep();
        for (unused, landing) in self.table.swept(Sweep { number, all, limit: AT_ONCE }, self.policy.max_lease) {
            let outcome = self.give_back_batch(unused).await;
            landing.land(Ok(()));
            outcome?;
        }
        Ok(())
    }

    /// Requests that are given back twice would be a second budget, so a call whose outcome is unknown is not repeated: what it was
    /// to give back is lost. A store that does not answer is found by a question first, and nothing is lost.
    async fn give_back_batch(&self, unused: Vec<BudgetReturn>) -> Result<(), BoxError> {
        let Some(first) = unused.first() else { return Ok(()) };
        if let Err(error) = self.answer(self.store.used(&first.period)).await {
            self.table.put_back(unused);
            return Err(error);
        }
        let given_back = self.answer(self.store.give_back(&unused)).await;
        given_back.map_err(|error| format!("{} leases of budgets may be lost: {error}", unused.len()).into())
    }

    async fn forget_if_due(&self, due: &mut Due) -> Result<(), BoxError> {
        let clock = self.limit.clock();
        if clock.elapsed() < due.0 {
            return Ok(());
        }
        let outcome = self.forget().await;
        due.0 = clock.elapsed().saturating_add(if outcome.is_ok() { HOUSEKEEPING } else { AGAIN });
        outcome
    }

    async fn forget(&self) -> Result<(), BoxError> {
        for unit in [CalendarUnit::Day, CalendarUnit::Month] {
            let before = self.policy.first_kept(unit, self.limit.clock().now());
            while self.answer(self.store.forget(unit, before, FORGET)).await? > 0 {}
        }
        Ok(())
    }

    /// Waits for the store, but not for ever.
    async fn answer<T>(&self, call: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
        match self.limit.wait(call).await {
            Ok(answer) => answer,
            Err(late) => Err(format!("the store of budgets {late}").into()),
        }
    }
}

/// The limiter whose own task runs.
struct Tending(Weak<Shared>);

impl Drop for Tending {
    fn drop(&mut self) {
        // The next request starts another task: the runtime of this one has stopped.
        if let Some(shared) = self.0.upgrade() {
            shared.is_tended.store(false, Ordering::Release);
        }
    }
}

async fn tend(tending: Tending) {
    let mut due = Due::default();
    loop {
        let Some(pause) = tending.0.upgrade().map(|shared| shared.limit.clock().sleep(shared.policy.give_back_after))
        else {
            return;
        };
        pause.await;
        match tending.0.upgrade() {
            Some(shared) if shared.tasks.load(Ordering::Acquire) == 0 => shared.tend(&mut due).await,
            _ => return,
        }
    }
}
