//! Alerts about keys that are used from a network for the first time.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    Alert, AlertError, AlertRule, Alerts, NetworkUse,
    activity::{AT_ONCE, hinted},
    alert::About,
    learning::Rules,
    networks::Seen,
};
use crate::Principal;

/// The number of networks that are kept for a line of keys. Further ones are of no use to anybody, and raise no alert.
const MOST_NETWORKS: usize = 100;

impl Alerts {
    pub(super) async fn check_networks(&self) -> Result<(), AlertError> {
        let mut seen = self.networks.take();
        while !seen.is_empty() {
            let some = seen.split_off(seen.len().saturating_sub(AT_ONCE));
            if let Err(error) = self.check_some_networks(&some).await {
                seen.extend(some);
                self.networks.put_back(seen);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn check_some_networks(&self, seen: &[Seen]) -> Result<(), AlertError> {
        let rules = self.rules_of(seen.iter().map(|seen| &seen.who)).await?;
        let has_rule = |seen: &&Seen| rules.about(&seen.who).any(|(_, rules)| rules.contains(&AlertRule::NewNetwork));
        let (wanted, unwanted): (Vec<&Seen>, Vec<&Seen>) = seen.iter().partition(has_rule);
        self.networks.forget(unwanted);
        if wanted.is_empty() {
            return Ok(());
        }
        let lines: BTreeSet<&str> = wanted.iter().filter_map(|seen| line_of(&seen.who)).collect();
        let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
        let known = self.answer(self.store.networks(&lines)).await?;
        let mut known = Known::of(known);
        let (mut alerts, mut kept) = (Vec::new(), Vec::new());
        for seen in wanted {
            match known.note(seen) {
                Some(true) => judge_network(seen, &rules, &mut alerts),
                Some(false) => {}
                None => continue,
            }
            kept.push(seen);
        }
        // A crash in between raises the same alerts again, which changes nothing.
        self.raise(alerts).await?;
        let noted = |seen: &Seen| Some(NetworkUse::new(line_of(&seen.who)?, seen.network.to_string(), seen.at));
        self.answer(self.store.note_networks(kept.into_iter().filter_map(noted).collect())).await
    }
}

/// The known networks of some lines of keys.
struct Known {
    networks: HashMap<String, HashSet<String>>,
    /// The lines that had a network before: the first ones are what later ones are compared with.
    compared: HashSet<String>,
}

impl Known {
    fn of(uses: Vec<NetworkUse>) -> Self {
        let mut networks: HashMap<String, HashSet<String>> = HashMap::new();
        for NetworkUse { key, network, .. } in uses {
            networks.entry(key).or_default().insert(network);
        }
        Self { compared: networks.keys().cloned().collect(), networks }
    }

    /// Notes the network, and returns whether it is new; `None` if there is no room for it.
    fn note(&mut self, seen: &Seen) -> Option<bool> {
        let line = line_of(&seen.who)?;
        let networks = self.networks.entry(line.to_owned()).or_default();
        let network = seen.network.to_string();
        if networks.contains(&network) {
            return Some(false);
        }
        let has_room = networks.len() < MOST_NETWORKS;
        (has_room && networks.insert(network)).then(|| self.compared.contains(line))
    }
}

fn judge_network(seen: &Seen, rules: &Rules, alerts: &mut Vec<Alert>) {
    let (Some(key), Some(line)) = (seen.who.credential_id(), line_of(&seen.who)) else { return };
    let network = seen.network.to_string();
    for (holder, rules) in rules.about(&seen.who) {
        if rules.contains(&AlertRule::NewNetwork) {
            let what = format!("{line} {network}");
            let about = About { key: Some(key), what: &what, period: "" };
            let alert = Alert::of(holder, AlertRule::NewNetwork, &about, seen.at);
            alerts.push(hinted(alert, &seen.who).with("network", network.as_str()));
        }
    }
}

/// Returns the id of the first key in the line of successors that led to the key of a caller: a new key of the line is used
/// from the networks of the old one.
fn line_of(who: &Principal) -> Option<&str> {
    who.first_id().or_else(|| who.credential_id())
}
