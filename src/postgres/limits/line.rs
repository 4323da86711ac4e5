//! Questions about one bucket that come while it is counted. They wait in a line, and the next turn answers all of them.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::limit::{
    BucketKey, Reservation,
    shared::{Ask, Outage, Taken},
};

pub(super) enum Job {
    Take(Ask),
    GiveBack(Reservation),
}

pub(super) enum Done {
    Taken(Taken),
    GivenBack,
    /// The row has a form that this version cannot read.
    Unreadable,
}

pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) answer: oneshot::Sender<Result<Done, Outage>>,
}

/// The lines of all buckets that are counted now. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<HashMap<BucketKey, Vec<Waiting>>>>);

/// The right to serve the line of a bucket. Whoever has it answers until nobody waits.
pub(super) struct Turn {
    lines: Lines,
    bucket: BucketKey,
    is_over: bool,
}

impl Lines {
    /// Adds a question. Returns the right to serve the line, if nobody has it. If it is dropped, also before its task runs, the line ends.
    pub(super) fn join(&self, bucket: BucketKey, waiting: Waiting) -> Option<Turn> {
        match self.lock().entry(bucket) {
            Entry::Occupied(mut line) => {
                line.get_mut().push(waiting);
                None
            }
            Entry::Vacant(line) => {
                line.insert(vec![waiting]);
                Some(Turn { lines: self.clone(), bucket, is_over: false })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BucketKey, Vec<Waiting>>> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Returns all who wait now, except those who have given up; `None` ends the line.
    pub(super) fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut lines = self.lines.lock();
        let mut waiting = lines.get_mut(&self.bucket).map(mem::take).unwrap_or_default();
        waiting.retain(|waiting| !waiting.answer.is_closed());
        if waiting.is_empty() {
            lines.remove(&self.bucket);
            self.is_over = true;
            return None;
        }
        Some(waiting)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // The task was dropped with its runtime. Those who wait see that, and the next question starts another line.
        if !self.is_over {
            self.lines.lock().remove(&self.bucket);
        }
    }
}
