//! Rules, alerts and networks in memory.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    time::SystemTime,
};

use crate::{
    alerts::{Alert, AlertRecord, ForgetAlerts, NetworkUse, Settled, StoredRules},
    registry::Holder,
};

#[derive(Default)]
pub(super) struct AlertBook {
    rules: BTreeMap<Holder, StoredRules>,
    /// By their ids.
    alerts: HashMap<String, AlertRecord>,
    /// When each network of a key was used last.
    networks: HashMap<String, HashMap<String, SystemTime>>,
}

/// The length of a list of rules.
const PAGE: usize = 1000;

impl AlertBook {
    pub(super) fn set_rules(&mut self, rules: StoredRules) {
        self.rules.insert(rules.holder.clone(), rules);
    }

    pub(super) fn rules(&self, holders: &[Holder]) -> Vec<StoredRules> {
        holders.iter().filter_map(|holder| self.rules.get(holder).cloned()).collect()
    }

    pub(super) fn all_rules(&self, after: Option<&Holder>) -> Vec<StoredRules> {
        let rest = self.rules.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        rest.take(PAGE).map(|(_, rules)| rules.clone()).collect()
    }

    pub(super) fn raise(&mut self, alerts: Vec<Alert>) -> usize {
        let before = self.alerts.len();
        for alert in alerts {
            let due = alert.at;
            self.alerts.entry(alert.id.clone()).or_insert_with(|| AlertRecord::new(alert, due));
        }
        self.alerts.len() - before
    }

    pub(super) fn claim(&mut self, now: SystemTime, until: SystemTime, limit: usize) -> Vec<AlertRecord> {
        let mut due: Vec<&mut AlertRecord> =
            self.alerts.values_mut().filter(|record| record.due_at.is_some_and(|due| due <= now)).collect();
        due.sort_by_key(|record| record.due_at);
        due.truncate(limit);
        let claim = |record: &mut AlertRecord| {
            (record.due_at, record.attempts) = (Some(until), record.attempts.saturating_add(1));
            record.clone()
        };
        due.into_iter().map(claim).collect()
    }

    pub(super) fn settle(&mut self, settled: Vec<(String, Settled)>) {
        for (id, settled) in settled {
            let known = self.alerts.get_mut(&id).filter(|record| record.delivered_at.is_none());
            let Some(record) = known else { continue };
            match settled {
                Settled::Delivered { at } => (record.due_at, record.delivered_at) = (None, Some(at)),
                Settled::Again { at } => record.due_at = Some(at),
                Settled::GivenUp => record.due_at = None,
            }
        }
    }

    pub(super) fn list(&self, holder: &Holder, limit: usize) -> Vec<AlertRecord> {
        let mut own: Vec<&AlertRecord> = self.alerts.values().filter(|record| record.alert.holder == *holder).collect();
        own.sort_by(|one, other| (one.alert.at, &one.alert.id).cmp(&(other.alert.at, &other.alert.id)));
        own.into_iter().rev().take(limit).cloned().collect()
    }

    pub(super) fn networks(&self, keys: &[String]) -> Vec<NetworkUse> {
        let known = keys.iter().filter_map(|key| self.networks.get_key_value(key));
        let all = known.flat_map(|(key, networks)| networks.iter().map(move |(network, at)| (key, network, at)));
        all.map(|(key, network, at)| NetworkUse::new(key, network, *at)).collect()
    }

    pub(super) fn note_networks(&mut self, uses: Vec<NetworkUse>) {
        for NetworkUse { key, network, at, .. } in uses {
            let last = self.networks.entry(key).or_default().entry(network).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// Removes everything at once, and returns how many rows that were; `None` if this is not known.
    pub(super) fn forget(&mut self, what: &ForgetAlerts) -> Option<usize> {
        Some(match what {
            ForgetAlerts::Raised { before } => self.forget_alerts(|record| record.alert.at < *before),
            ForgetAlerts::Networks { before } => self.forget_networks(*before),
            ForgetAlerts::Of(holder) => {
                let rules = usize::from(self.rules.remove(holder).is_some());
                rules + self.forget_alerts(|record| record.alert.holder == *holder)
            }
            ForgetAlerts::Key(key) => {
                let networks = self.networks.remove(key).map_or(0, |networks| networks.len());
                networks + self.forget_alerts(|record| record.alert.key.as_ref() == Some(key))
            }
            #[allow(unreachable_patterns, reason = "as a store of another crate, this one answers for later kinds")]
            _ => return None,
        })
    }

    /// Removes everything about an account and its keys. The networks of a key are those of the first key of its line.
    pub(super) fn forget_account<'a>(&mut self, account: &str, keys: impl Iterator<Item = &'a str>) {
        for key in keys {
            self.forget(&ForgetAlerts::Key(key.to_owned()));
        }
        self.forget(&ForgetAlerts::Of(Holder::account(account)));
    }

    fn forget_alerts(&mut self, wanted: impl Fn(&AlertRecord) -> bool) -> usize {
        let before = self.alerts.len();
        self.alerts.retain(|_, record| !wanted(record));
        before - self.alerts.len()
    }

    fn forget_networks(&mut self, before: SystemTime) -> usize {
        let mut count = 0;
        self.networks.retain(|_, networks| {
            let all = networks.len();
            networks.retain(|_, last| *last >= before);
            count += all - networks.len();
            !networks.is_empty()
        });
        count
    }
}
