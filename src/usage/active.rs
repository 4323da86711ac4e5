//! The keys whose requests were counted since alerts have looked.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::entry::{Entry, key_of};
use crate::Principal;

/// A key that was used.
pub(crate) struct ActiveKey {
    /// As it was at its last request.
    pub(crate) who: Principal,
    /// Whether a request of it was refused.
    pub(crate) is_refused: bool,
}

/// By the id of the key. Nothing is noted until somebody has asked for the first time.
#[derive(Default)]
pub(super) struct ActiveKeys {
    is_wanted: AtomicBool,
    keys: Mutex<HashMap<String, ActiveKey>>,
}

/// More keys are noted when they are used again.
const MOST: usize = 200_000;

impl ActiveKeys {
    pub(super) fn note(&self, entries: &[Entry]) {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut keys = self.lock();
        for entry in entries {
            let Some((who, id)) = entry.who.as_ref().and_then(|who| Some((who, key_of(who)?))) else { continue };
            let is_refused = !entry.refused.is_empty();
            let is_full = keys.len() >= MOST;
            match keys.get_mut(id) {
                Some(known) => {
                    known.is_refused |= is_refused;
                    known.who = who.clone();
                }
                None if !is_full => drop(keys.insert(id.to_owned(), ActiveKey { who: who.clone(), is_refused })),
                None => {}
            }
        }
    }

    /// Takes all keys, in any order.
    pub(super) fn take(&self) -> Vec<ActiveKey> {
        self.is_wanted.store(true, Ordering::Relaxed);
        std::mem::take(&mut *self.lock()).into_values().collect()
    }

    /// Notes keys again that could not be looked at.
    pub(super) fn put_back(&self, active: Vec<ActiveKey>) {
        let mut keys = self.lock();
        for key in active {
            let Some(id) = key_of(&key.who).map(str::to_owned) else { continue };
            let known = keys.entry(id).or_insert_with(|| ActiveKey { who: key.who, is_refused: false });
            known.is_refused |= key.is_refused;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ActiveKey>> {
        // Nothing panics under the lock.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
