//! From the counts of the threads to a batch.

use std::{
    collections::{HashMap, hash_map},
    time::SystemTime,
};

use super::{
    KeyUse, Outcome, RefusedRequest, UsageBatch, UsageCount, UsageOf,
    batch::start_of,
    entry::{Entry, key_of},
};

/// The sums of some entries.
#[derive(Default)]
pub(super) struct Sums {
    counts: HashMap<(UsageOf, u32, Outcome), u64>,
    uses: HashMap<String, KeyUse>,
    refusals: Vec<RefusedRequest>,
}

impl Sums {
    pub(super) fn add(&mut self, entry: &Entry) {
        for of in subjects(entry) {
            if entry.admitted > 0 {
                *self.counts.entry((of.clone(), entry.hour, Outcome::Admitted)).or_default() += entry.admitted;
            }
            for (outcome, count) in &entry.refused {
                *self.counts.entry((of.clone(), entry.hour, *outcome)).or_default() += count;
            }
        }
        if let Some(last) = entry.last_use() {
            self.note(last);
        }
        self.refusals.extend(entry.refusals());
    }

    fn note(&mut self, last: KeyUse) {
        match self.uses.entry(last.key.clone()) {
            hash_map::Entry::Vacant(place) => drop(place.insert(last)),
            hash_map::Entry::Occupied(mut known) if known.get().at < last.at => drop(known.insert(last)),
            hash_map::Entry::Occupied(_) => {}
        }
    }

    /// Returns the sums as a batch without a number; `None` if there are none. The order is the same in every process, so that
    /// two that write at once do not wait for each other in a circle.
    pub(super) fn into_batch(self, writer: &str, at: SystemTime, keep_refusals: usize) -> Option<UsageBatch> {
        if self.counts.is_empty() {
            return None;
        }
        let count = |((of, hour, outcome), count)| UsageCount::new(of, start_of(hour), outcome, count);
        let mut counts: Vec<UsageCount> = self.counts.into_iter().map(count).collect();
        let place = |count: &UsageCount| (count.start, count.outcome.rank());
        counts.sort_unstable_by(|one, other| one.of.cmp(&other.of).then_with(|| place(one).cmp(&place(other))));
        let mut uses: Vec<KeyUse> = self.uses.into_values().collect();
        uses.sort_by(|one, other| one.key.cmp(&other.key));
        let refusals = last_of_each(self.refusals, keep_refusals);
        Some(UsageBatch { writer: writer.to_owned(), sequence: 0, at, counts, uses, refusals, keep_refusals })
    }
}

/// Returns the last refusals of each key, in the order in which they came.
fn last_of_each(mut refusals: Vec<RefusedRequest>, keep: usize) -> Vec<RefusedRequest> {
    refusals.sort_by_key(|refusal| refusal.at);
    let mut kept: HashMap<String, usize> = HashMap::new();
    let mut last: Vec<RefusedRequest> = Vec::new();
    for refusal in refusals.into_iter().rev() {
        let count = kept.entry(refusal.key.clone()).or_default();
        *count += 1;
        if *count <= keep {
            last.push(refusal);
        }
    }
    last.reverse();
    last
}

/// Returns all whose requests the entry counts.
fn subjects(entry: &Entry) -> impl Iterator<Item = UsageOf> {
    let Some(who) = &entry.who else { return [Some(UsageOf::Strangers), None, None].into_iter().flatten() };
    let organization = who.organizations().first().map(String::as_str);
    let key = key_of(who).filter(is_name).map(UsageOf::key);
    let account = who.account().filter(is_name).map(UsageOf::account);
    [key, account, organization.filter(is_name).map(UsageOf::organization)].into_iter().flatten()
}

/// The longest name that is counted, in bytes: longer than those of any registry.
const LONGEST_NAME: usize = 1024;

/// Tokens may name accounts that no database can keep.
fn is_name(name: &&str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains('\0')
}
