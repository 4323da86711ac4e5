//! The task of a limiter: it carries out charges and give-backs, and gives back leases that are over.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{runtime::Handle, sync::Notify};

use super::{backend::Backend, core::Core};
use crate::Task;

impl<B: Backend> Core<B> {
    /// Starts the task. It stops when it is dropped; [`Task::stop`] gives back all leases first, and empties the queue if the server answers.
    pub(crate) fn start(self: &Arc<Self>) -> Task {
        let started = Started::new(Arc::clone(self));
        let core = Arc::clone(self);
        Task::spawn(|stop| async move { started.keep(&stop).await }, move || core.backend.health())
    }

    /// Starts the limiter's own task, unless a task runs.
    pub(super) fn be_tended(self: &Arc<Self>) {
        if self.tasks.load(Ordering::Acquire) > 0 || self.is_tended.swap(true, Ordering::AcqRel) {
            return;
        }
        let (tending, queue) = (Tending(Arc::downgrade(self)), Arc::clone(&self.queue));
        let (clock, tick) = (self.clock.clone(), self.tick());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                while tending.tend().await {
                    tokio::select! {
                        () = queue.arrived.notified() => {}
                        () = clock.sleep(tick) => {}
                    }
                }
                // The task of the caller, if there is one, may not have heard what this one has.
                queue.arrived.notify_one();
            });
        }
    }

    async fn tend(self: &Arc<Self>) {
        let now = self.clock.elapsed();
        if now.saturating_sub(Duration::from_nanos(self.swept.load(Ordering::Relaxed))) >= self.tick() {
            self.swept.store(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            let owed = self.table.sweep(now, self.idle(), false);
            self.owe(owed);
        }
        self.work().await;
    }

    /// Carries out what waits. What cannot be asked now waits on.
    async fn work(&self) {
        loop {
            let chores = self.queue.take(B::CHORES);
            if chores.is_empty() {
                return;
            }
            let done = join_all(chores.into_iter().map(|chore| self.carry_out(chore))).await;
            let left: Vec<_> = done.into_iter().flatten().collect();
            if !left.is_empty() {
                return self.queue.put_back(left);
            }
        }
    }

    async fn settle(self: &Arc<Self>) {
        // A lease that is being taken would come after the sweep, and nobody would give it back.
        for flight in self.table.flights() {
            drop(flight.landed().await);
        }
        let owed = self.table.sweep(self.clock.elapsed(), self.idle(), true);
        self.owe(owed);
        self.work().await;
        let left = self.queue.len();
        if left > 0 {
            tracing::warn!(
                target: "tower_auth",
                left,
                "a limiter stops while its server does not answer: charges and give-backs are lost, so some buckets count too much or too little until \
                 they are full again"
            );
        }
    }
}

/// A task that the caller has started. While there is one, the limiter starts none itself.
struct Started<B: Backend>(Arc<Core<B>>);

impl<B: Backend> Started<B> {
    fn new(core: Arc<Core<B>>) -> Self {
        core.tasks.fetch_add(1, Ordering::AcqRel);
        Self(core)
    }

    async fn keep(self, stop: &Notify) {
        loop {
            tokio::select! {
                () = stop.notified() => break,
                () = self.0.queue.arrived.notified() => {}
                () = self.0.clock.sleep(self.0.tick()) => {}
            }
            self.0.tend().await;
        }
        self.0.settle().await;
    }
}

impl<B: Backend> Drop for Started<B> {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::AcqRel);
        if self.0.queue.len() > 0 || self.0.table.unused() > 0 {
            self.0.be_tended();
        }
    }
}

/// The limiter whose own task runs.
struct Tending<B: Backend>(Weak<Core<B>>);

impl<B: Backend> Tending<B> {
    /// Returns `false` if the limiter is dropped, or if the caller has started a task.
    async fn tend(&self) -> bool {
        let Some(core) = self.0.upgrade().filter(|core| core.tasks.load(Ordering::Acquire) == 0) else { return false };
        core.tend().await;
        true
    }
}

impl<B: Backend> Drop for Tending<B> {
    fn drop(&mut self) {
        // The next chore starts another task: the runtime of this one has stopped, or the caller has started one.
        if let Some(core) = self.0.upgrade() {
            core.is_tended.store(false, Ordering::Release);
        }
    }
}
