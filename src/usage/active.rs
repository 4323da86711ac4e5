//! The keys whose requests were counted since alerts have looked.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use super::{
    batch::start_of,
    entry::{Entry, key_of},
};
use crate::Principal;

/// A key whose requests are written.
pub(crate) struct ActiveKey {
    /// As it was at its last request.
    pub(crate) who: Principal,
    /// The hours, since 1970, in which requests of it were refused: few.
    refused_in: Vec<u32>,
    /// The names of the windows whose limits have refused some of them, such as `day`.
    pub(crate) limited_by: Vec<String>,
}

impl ActiveKey {
    fn of(entry: &Entry) -> Option<Self> {
        let who = entry.who.as_ref().filter(|who| key_of(who).is_some())?;
        let refused_in = if entry.refused.is_empty() { Vec::new() } else { vec![entry.hour] };
        let mut key = Self { who: who.clone(), refused_in, limited_by: Vec::new() };
        entry.limits().for_each(|name| add(&mut key.limited_by, name.to_owned()));
        Some(key)
    }

    /// Returns the starts of the hours in which requests were refused.
    pub(crate) fn refused_hours(&self) -> impl Iterator<Item = SystemTime> {
        self.refused_in.iter().map(|hour| start_of(*hour))
    }

    /// Adds what is known of the same key.
    fn merge(&mut self, other: Self) {
        self.who = other.who;
        other.refused_in.into_iter().for_each(|hour| add(&mut self.refused_in, hour));
        other.limited_by.into_iter().for_each(|name| add(&mut self.limited_by, name));
    }
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
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
    /// Returns the keys of entries, if somebody wants to know.
    pub(super) fn of(&self, entries: &[Entry]) -> Vec<ActiveKey> {
        let is_wanted = self.is_wanted.load(Ordering::Relaxed);
        let entries = if is_wanted { entries } else { &[] };
        entries.iter().filter_map(ActiveKey::of).collect()
    }

    /// Notes keys whose requests are written now, or could not be looked at.
    pub(super) fn note(&self, active: Vec<ActiveKey>) {
        let mut keys = self.lock();
        for key in active {
            let Some(id) = key_of(&key.who) else { continue };
            let is_full = keys.len() >= MOST;
            match keys.get_mut(id) {
                Some(known) => known.merge(key),
                None if !is_full => drop(keys.insert(id.to_owned(), key)),
                None => {}
            }
        }
    }

    /// Takes all keys, in any order.
    pub(super) fn take(&self) -> Vec<ActiveKey> {
        self.is_wanted.store(true, Ordering::Relaxed);
        std::mem::take(&mut *self.lock()).into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ActiveKey>> {
        // Nothing panics under the lock.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
