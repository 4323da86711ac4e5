//! Connections that only look whether the file has changed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use super::{failure::Failure, lane::Lane, session::Setup, view::View};

/// The number of threads that can look at once. A connection is opened when all before it are in use.
const MOST: usize = 4;
/// How soon it is tried again after a connection could not be opened.
const AGAIN: Duration = Duration::from_millis(100);

/// The connections of one store.
#[derive(Debug)]
pub(super) struct Watch {
    setup: Setup,
    eyes: [Mutex<Eye>; MOST],
}

#[derive(Debug)]
enum Eye {
    /// There is no connection, and none is opened before this time.
    Closed(Instant),
    Opening,
    Open(View),
}

/// A connection that is being opened. If that panics, it is tried again later.
struct Opening<'w> {
    place: &'w Mutex<Eye>,
    eye: Eye,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *place, &mut self.eye);
    }
}

impl Watch {
    pub(super) fn new(setup: &Setup) -> Self {
        let now = Instant::now();
        // Whoever looks never waits for another connection.
        let setup = Setup { busy_timeout: Duration::ZERO, ..setup.clone() };
        Self { setup, eyes: [(); MOST].map(|()| Mutex::new(Eye::Closed(now))) }
    }

    /// Returns the version of the file, or `None` if it cannot be known at once. To open and to close a connection takes long,
    /// so this lane does it.
    pub(super) fn version(self: &Arc<Self>, opener: &Lane) -> Option<u64> {
        let (at, mut eye) = self.eyes.iter().enumerate().find_map(|(at, eye)| Some((at, free(eye)?)))?;
        match &mut *eye {
            Eye::Open(view) => match view.look(&self.setup.path) {
                Ok(version) => return version,
                Err(failure) => say(&failure),
            },
            Eye::Closed(until) if *until <= Instant::now() => {}
            Eye::Closed(_) | Eye::Opening => return None,
        }
        let (old, watch) = (std::mem::replace(&mut *eye, Eye::Opening), Arc::clone(self));
        opener.start_soon(move || {
            drop(old);
            watch.open(at);
        });
        None
    }

    fn open(&self, at: usize) {
        let mut opening = Opening { place: &self.eyes[at], eye: Eye::Closed(Instant::now() + AGAIN) };
        if let Ok(view) = View::open(&self.setup).inspect_err(say) {
            opening.eye = Eye::Open(view);
        }
    }
}

/// Returns the connection unless another thread uses it.
fn free(eye: &Mutex<Eye>) -> Option<MutexGuard<'_, Eye>> {
    match eye.try_lock() {
        Ok(eye) => Some(eye),
        // Nothing panics while it holds the lock.
        Err(TryLockError::Poisoned(eye)) => Some(eye.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn say(failure: &Failure) {
    tracing::debug!(target: "tower_auth", %failure, "it is not known whether the SQLite file has changed");
}
