//! Charges and give-backs that wait for the task of the limiter. Nobody waits for their outcome.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{ask::Ask, held::Return};

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Chore>>,
    pub(super) arrived: Notify,
}

/// What the server is told, and not asked for.
#[derive(Clone)]
pub(super) enum Chore {
    /// With the time of the event.
    Charge(Ask, Duration),
    GiveBack(Return),
}

/// How many wait at most: those of an outage of some seconds. Each has about 200 bytes.
const MOST: usize = 16 * 1024;

impl Queue {
    /// Adds a chore. Returns `false` if another one was dropped for it.
    pub(super) fn push(&self, chore: Chore) -> bool {
        let mut waiting = self.lock();
        let is_full = waiting.len() >= MOST;
        if is_full {
            waiting.pop_front();
        }
        waiting.push_back(chore);
        drop(waiting);
        self.arrived.notify_one();
        !is_full
    }

    /// Puts chores back that were not begun.
    pub(super) fn put_back(&self, chores: Vec<Chore>) {
        let mut waiting = self.lock();
        for chore in chores.into_iter().rev() {
            waiting.push_front(chore);
        }
    }

    pub(super) fn take(&self, most: usize) -> Vec<Chore> {
        let mut waiting = self.lock();
        let count = most.min(waiting.len());
        waiting.drain(..count).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Chore>> {
        // Nothing panics under the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
