//! What the process has counted.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::SystemTime,
};

use crate::usage::{By, Forget, KeyUse, Outcome, RefusedRequest, UsageBatch, UsageCount, UsageOf, UsageQuery};

/// The sums of the usage, the last use and the last refusals of each key.
#[derive(Default)]
pub(super) struct UsageBook {
    hours: HashMap<UsageOf, Sums>,
    days: HashMap<UsageOf, Sums>,
    uses: HashMap<String, KeyUse>,
    refusals: HashMap<String, VecDeque<RefusedRequest>>,
    /// The last batch of each writer, and when it was made.
    writers: HashMap<String, (i64, SystemTime)>,
}

/// By the start of the period.
type Sums = BTreeMap<SystemTime, Vec<(Outcome, u64)>>;

impl UsageBook {
    pub(super) fn add(&mut self, batch: &UsageBatch) {
        let (last, at) = self.writers.entry(batch.writer.clone()).or_insert((0, batch.at));
        if batch.sequence <= *last {
            return;
        }
        (*last, *at) = (batch.sequence, batch.at);
        for count in &batch.counts {
            add(&mut self.hours, count, count.start);
            add(&mut self.days, count, By::Day.start_of(count.start));
        }
        for last in &batch.uses {
            let known = self.uses.entry(last.key.clone()).or_insert_with(|| last.clone());
            if known.at < last.at {
                *known = last.clone();
            }
        }
        for refusal in &batch.refusals {
            let kept = self.refusals.entry(refusal.key.clone()).or_default();
            let place = kept.partition_point(|known| known.at <= refusal.at);
            kept.insert(place, refusal.clone());
            kept.drain(..kept.len().saturating_sub(batch.keep_refusals));
        }
    }

    pub(super) fn counts(&self, query: &UsageQuery) -> Vec<UsageCount> {
        let sums = match query.by {
            By::Hour => &self.hours,
            By::Day => &self.days,
        };
        let range = query.first_start()..query.until.max(query.first_start());
        let periods = sums.get(&query.of).into_iter().flat_map(|sums| sums.range(range.clone()));
        let all = periods.flat_map(|(start, sums)| sums.iter().map(|(outcome, count)| (*start, *outcome, *count)));
        all.map(|(start, outcome, count)| UsageCount::new(query.of.clone(), start, outcome, count)).collect()
    }

    pub(super) fn last_uses(&self, keys: &[String]) -> Vec<KeyUse> {
        keys.iter().filter_map(|key| self.uses.get(key).cloned()).collect()
    }

    /// Returns the last refusals of a key, the latest first.
    pub(super) fn refusals(&self, key: &str, limit: usize) -> Vec<RefusedRequest> {
        self.refusals.get(key).into_iter().flat_map(|kept| kept.iter().rev().take(limit)).cloned().collect()
    }

    /// Removes everything at once, and returns how many rows that were.
    pub(super) fn forget(&mut self, what: &Forget) -> Option<usize> {
        Some(match what {
            Forget::Hours { before } => forget_sums(&mut self.hours, *before),
            Forget::Days { before } => forget_sums(&mut self.days, *before),
            Forget::Traces { before } => self.forget_traces(*before),
            Forget::Of(of) => self.forget_of(of),
            #[allow(unreachable_patterns, reason = "as a store of another crate, this one answers for later kinds")]
            _ => return None,
        })
    }

    fn forget_traces(&mut self, before: SystemTime) -> usize {
        let is_old = |last: &&mut KeyUse| last.at < before && (last.address.is_some() || last.client.is_some());
        let mut count = 0;
        for last in self.uses.values_mut().filter(is_old) {
            (last.address, last.client) = (None, None);
            count += 1;
        }
        self.refusals.retain(|_, kept| {
            let all = kept.len();
            kept.retain(|refusal| refusal.at >= before);
            count += all - kept.len();
            !kept.is_empty()
        });
        self.writers.retain(|_, (_, at)| *at >= before);
        count
    }

    pub(super) fn forget_of(&mut self, of: &UsageOf) -> usize {
        let sums = [self.hours.remove(of), self.days.remove(of)];
        let count = sums.into_iter().flatten().count();
        let UsageOf::Key(key) = of else { return count };
        count + usize::from(self.uses.remove(key).is_some()) + usize::from(self.refusals.remove(key).is_some())
    }
}

fn forget_sums(all: &mut HashMap<UsageOf, Sums>, before: SystemTime) -> usize {
    let mut count = 0;
    all.retain(|_, sums| {
        let kept = sums.split_off(&before);
        count += sums.len();
        *sums = kept;
        !sums.is_empty()
    });
    count
}

fn add(sums: &mut HashMap<UsageOf, Sums>, count: &UsageCount, start: SystemTime) {
    let by_outcome = sums.entry(count.of.clone()).or_default().entry(start).or_default();
    match by_outcome.iter_mut().find(|(outcome, _)| *outcome == count.outcome) {
        Some((_, sum)) => *sum += count.count,
        None => by_outcome.push((count.outcome, count.count)),
    }
    by_outcome.sort_by_cached_key(|(outcome, _)| outcome.as_str());
}
