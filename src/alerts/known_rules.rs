//! The rules that this process has read lately.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::AlertRule;
use crate::registry::Holder;

#[derive(Default)]
pub(super) struct KnownRules(Mutex<Known>);

/// By holder, with the time at which they were read. A holder without rules is known too.
type Known = HashMap<Holder, (Arc<[AlertRule]>, Duration)>;

/// How long rules are used before they are read again.
const FRESH: Duration = Duration::from_secs(30);

impl KnownRules {
    pub(super) fn forget(&self, holder: &Holder) {
        self.lock().remove(holder);
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

    pub(super) fn learn(&self, read: impl IntoIterator<Item = (Holder, Vec<AlertRule>)>, now: Duration) {
        self.lock().extend(read.into_iter().map(|(holder, rules)| (holder, (Arc::from(rules), now))));
    }

    /// Returns the rules of a holder, if there are any.
    pub(super) fn of(&self, holder: &Holder) -> Option<Arc<[AlertRule]>> {
        self.lock().get(holder).map(|(rules, _)| Arc::clone(rules)).filter(|rules| !rules.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
