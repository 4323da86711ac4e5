//! The rules that this process has read lately.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::AlertRule;
use crate::registry::Holder;

#[derive(Default)]
pub(super) struct KnownRules {
    known: Mutex<Known>,
    /// How often rules were set in this process.
    set: AtomicU64,
}

/// By holder, with the time at which they were read. A holder without rules is known too.
type Known = HashMap<Holder, (Arc<[AlertRule]>, Duration)>;

/// How long rules are used before they are read again.
const FRESH: Duration = Duration::from_secs(30);

impl KnownRules {
    pub(super) fn forget(&self, holder: &Holder) {
        let mut known = self.lock();
        self.set.fetch_add(1, Ordering::Relaxed);
        known.remove(holder);
    }

    /// Returns a number that changes when rules are set in this process.
    pub(super) fn version(&self) -> u64 {
        self.set.load(Ordering::Relaxed)
    }

    /// Returns those holders whose rules have to be read now.
    pub(super) fn unknown(&self, holders: impl Iterator<Item = Holder>, now: Duration) -> Vec<Holder> {
        let mut known = self.lock();
        known.retain(|_, (_, read)| now.saturating_sub(*read) < FRESH);
        let mut unknown: Vec<Holder> = holders.filter(|holder| !known.contains_key(holder)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Remembers rules that were read, unless rules were set since this version.
    pub(super) fn learn(&self, read: &[(Holder, Arc<[AlertRule]>)], now: Duration, version: u64) {
        let mut known = self.lock();
        if self.version() == version {
            known.extend(read.iter().map(|(holder, rules)| (holder.clone(), (Arc::clone(rules), now))));
        }
    }

    /// Returns the rules of a holder, if they are known.
    pub(super) fn of(&self, holder: &Holder) -> Option<Arc<[AlertRule]>> {
        self.lock().get(holder).map(|(rules, _)| Arc::clone(rules))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics under the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
