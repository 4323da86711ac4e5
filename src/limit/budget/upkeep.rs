use std::sync::{Arc, atomic::Ordering};

use tokio::sync::Notify;

use super::{limiter::BudgetLimiter, shared::Shared, tend::Due};
use crate::Task;

impl BudgetLimiter {
    /// Starts to give back idle leases ([`BudgetPolicy::give_back_after`](super::BudgetPolicy::give_back_after)), and to remove old
    /// counts every hour. The task stops when the returned [`Task`] is dropped. [`Task::stop`] gives back all leases before it stops:
    /// call it after the server has answered its last request.
    ///
    /// Without this call, the limiter starts such a task itself with the first lease. Nothing shows its health then, and the leases of
    /// the process are lost when it ends. While the store fails, the health is [`Health::Degraded`](crate::Health::Degraded). Call
    /// this method inside a tokio runtime.
    ///
    /// ```
    /// use tower_auth::BudgetLimiter;
    ///
    /// async fn serve(budgets: BudgetLimiter) {
    ///     let upkeep = budgets.start();
    ///     // … serve …
    ///     upkeep.stop().await;
    /// }
    /// ```
    pub fn start(&self) -> Task {
        let (shared, told) = (Arc::clone(self.shared()), self.shared().trouble.clone());
        let started = Started::new(shared);
        Task::spawn(|stop| async move { started.keep(&stop).await }, move || told.health())
    }
}

/// A task that the caller has started. While there is one, the limiter starts none itself.
struct Started(Arc<Shared>);

impl Started {
    fn new(shared: Arc<Shared>) -> Self {
        shared.tasks.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }

    async fn keep(self, stop: &Notify) {
        let mut due = Due::default();
        loop {
            tokio::select! {
                () = stop.notified() => break,
                () = self.0.limit.clock().sleep(self.0.policy.give_back_after) => {}
            }
            self.0.tend(&mut due).await;
        }
        self.0.settle().await;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::AcqRel);
    }
}
