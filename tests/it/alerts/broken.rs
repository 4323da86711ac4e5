//! Whether the checks of a store of alerts see a store that does not conform.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use futures_util::FutureExt as _;
use tower_auth::{
    MemoryKeyStore,
    alerts::{Alert, AlertFuture, AlertRecord, AlertStore, ForgetAlerts, NetworkUse, Settled, StoredRules},
    registry::Holder,
    testing::conformance,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Rules that are set again are those of the first time.
    FirstRules,
    /// Who has set the rules is lost.
    Author,
    /// Rules of an organisation are those of the account with the same name.
    Kinds,
    /// A page of rules begins with the last one of the page before.
    Inclusive,
    /// Rules are listed by their names alone.
    ByName,
    /// The list of rules ends after the first page.
    OnePage,
    /// Alerts that were known are counted as new.
    Counts,
    /// An alert that is raised again is due again.
    Revives,
    /// Details are lost.
    Details,
    /// Only the letters of English are kept.
    English,
    /// Texts have at most 255 bytes.
    Short,
    /// An alert is claimed before it is due.
    Early,
    /// An alert that is due at this moment is not claimed.
    Late,
    /// A claim does not put an alert off.
    Twice,
    /// Attempts are not counted.
    Attempts,
    /// The alert that is due longest comes last.
    Order,
    /// A claim takes one more than it may.
    Greed,
    /// What is tried again is given up.
    NotAgain,
    /// What is given up is tried again.
    Endless,
    /// The time of a delivery is lost.
    Undated,
    /// An alert that was delivered may wait again.
    Undone,
    /// An unknown id is an error.
    Unknown,
    /// Alerts are listed the oldest first.
    Oldest,
    /// All alerts are listed.
    Whole,
    /// The first use of a network is kept.
    FirstUse,
    /// The last call decides about the use of a network.
    LastCall,
    /// Networks of other keys are returned too.
    AllNetworks,
    /// Nothing is forgotten.
    Keeps,
    /// The first moment to keep is forgotten.
    Moment,
    /// An alert that was not delivered is not forgotten.
    Waits,
    /// The rules of a holder are not forgotten.
    Rules,
    /// With a holder goes the other kind of the same name.
    BothKinds,
    /// With a key goes the account of the same name.
    KeyAndAccount,
    /// With a holder go the networks of the key of the same name.
    HolderAndKey,
    /// The alerts about a key stay.
    KeyAlerts,
}

#[derive(Clone)]
struct Broken {
    store: MemoryKeyStore,
    fault: Fault,
    kept: Arc<Mutex<Kept>>,
}

/// What some of the faults need to know.
#[derive(Default)]
struct Kept {
    rules: HashMap<Holder, StoredRules>,
    settled: HashMap<String, Settled>,
    networks: HashMap<(String, String), SystemTime>,
}

const MICRO: Duration = Duration::from_micros(1);

/// The memory answers at once.
fn now<T>(future: AlertFuture<T>) -> T {
    future.now_or_never().unwrap().unwrap()
}

fn done<T>(value: T) -> AlertFuture<T> {
    AlertFuture::ready(Ok(value))
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn alert(&self, mut alert: Alert) -> Alert {
        match self.fault {
            Fault::English => alert.kind.retain(|letter| letter.is_ascii()),
            Fault::Details => alert.details.clear(),
            Fault::Short => alert.details.retain(|_, value| value.to_string().len() < 255),
            _ => {}
        }
        alert
    }

    /// All ids that a holder of the checks has.
    fn is_known(&self, id: &str) -> bool {
        let all = now(self.store.list(&Holder::account("acme"), 1_000));
        all.iter().any(|record| record.alert.id == id)
    }
}

impl AlertStore for Broken {
    fn set_rules(&self, mut rules: StoredRules) -> AlertFuture<()> {
        match self.fault {
            Fault::Author => rules.changed_by.clear(),
            Fault::Kinds => rules.holder = Holder::account(rules.holder.id()),
            Fault::FirstRules => {
                rules = self.kept.lock().unwrap().rules.entry(rules.holder.clone()).or_insert(rules).clone();
            }
            _ => {}
        }
        self.store.set_rules(rules)
    }

    fn rules(&self, holders: &[Holder]) -> AlertFuture<Vec<StoredRules>> {
        self.store.rules(holders)
    }

    fn all_rules(&self, after: Option<&Holder>) -> AlertFuture<Vec<StoredRules>> {
        let mut page = now(self.store.all_rules(after));
        match (self.fault, after) {
            (Fault::Inclusive, Some(last)) => {
                page = [now(self.store.rules(std::slice::from_ref(last))), page].concat();
            }
            (Fault::OnePage, Some(_)) => page.clear(),
            (Fault::ByName, _) => page.sort_by(|one, other| one.holder.id().cmp(other.holder.id())),
            _ => {}
        }
        done(page)
    }

    fn raise(&self, alerts: Vec<Alert>) -> AlertFuture<usize> {
        let (all, again) =
            (alerts.len(), alerts.iter().map(|alert| (alert.id.clone(), Settled::Again { at: alert.at })));
        let again: Vec<_> = again.collect();
        let added = now(self.store.raise(alerts.into_iter().map(|alert| self.alert(alert)).collect()));
        if self.is(Fault::Revives) {
            now(self.store.settle(again));
        }
        done(if self.is(Fault::Counts) { all } else { added })
    }

    fn claim(&self, time: SystemTime, until: SystemTime, limit: usize) -> AlertFuture<Vec<AlertRecord>> {
        let time = match self.fault {
            Fault::Early => time + MICRO * 1_000_000,
            Fault::Late => time - MICRO,
            _ => time,
        };
        let mut claimed = now(self.store.claim(time, until, limit + usize::from(self.is(Fault::Greed))));
        match self.fault {
            Fault::Twice => {
                let again =
                    claimed.iter().map(|record| (record.alert.id.clone(), Settled::Again { at: record.alert.at }));
                now(self.store.settle(again.collect()));
            }
            Fault::Attempts => claimed.iter_mut().for_each(|record| record.attempts = 0),
            Fault::Order => claimed.reverse(),
            _ => {}
        }
        done(claimed)
    }

    fn settle(&self, settled: Vec<(String, Settled)>) -> AlertFuture<()> {
        if self.is(Fault::Unknown) && settled.iter().any(|(id, _)| id.contains("acme") && !self.is_known(id)) {
            return AlertFuture::ready(Err("there is no such alert".into()));
        }
        if self.is(Fault::Undone) {
            self.kept.lock().unwrap().settled.extend(settled.iter().cloned());
        }
        let change = |(id, settled)| match (self.fault, settled) {
            (Fault::NotAgain, Settled::Again { .. }) => (id, Settled::GivenUp),
            (Fault::Endless, Settled::GivenUp) => (id, Settled::Again { at: SystemTime::UNIX_EPOCH }),
            (Fault::Undated, Settled::Delivered { .. }) => (id, Settled::Delivered { at: SystemTime::UNIX_EPOCH }),
            _ => (id, settled),
        };
        self.store.settle(settled.into_iter().map(change).collect())
    }

    fn list(&self, holder: &Holder, limit: usize) -> AlertFuture<Vec<AlertRecord>> {
        let limit = if self.is(Fault::Whole) { usize::MAX } else { limit };
        let mut listed = now(self.store.list(holder, limit));
        if self.is(Fault::Oldest) {
            listed.reverse();
        }
        for record in &mut listed {
            if let Some(Settled::Again { at }) = self.kept.lock().unwrap().settled.get(&record.alert.id) {
                (record.due_at, record.delivered_at) = (Some(*at), None);
            }
        }
        done(listed)
    }

    fn networks(&self, keys: &[String]) -> AlertFuture<Vec<NetworkUse>> {
        let mut keys = keys.to_vec();
        if self.is(Fault::AllNetworks) && !keys.is_empty() {
            keys = (0..100).map(|number| format!("key_{number}")).collect();
        }
        let mut found = now(self.store.networks(&keys));
        if matches!(self.fault, Fault::FirstUse | Fault::LastCall) {
            let kept = self.kept.lock().unwrap();
            for seen in &mut found {
                seen.at = kept.networks[&(seen.key.clone(), seen.network.clone())];
            }
        }
        done(found)
    }

    fn note_networks(&self, uses: Vec<NetworkUse>) -> AlertFuture<()> {
        for seen in &uses {
            let mut kept = self.kept.lock().unwrap();
            let at = kept.networks.entry((seen.key.clone(), seen.network.clone())).or_insert(seen.at);
            if self.is(Fault::LastCall) {
                *at = seen.at;
            }
        }
        self.store.note_networks(uses)
    }

    fn forget(&self, what: &ForgetAlerts, limit: usize) -> AlertFuture<usize> {
        let also = |other| {
            let sum = now(self.store.forget(what, limit)) + now(self.store.forget(&other, limit));
            done(sum)
        };
        match (self.fault, what) {
            (Fault::Keeps, _) => done(0),
            (Fault::Moment, ForgetAlerts::Raised { before }) => {
                self.store.forget(&ForgetAlerts::Raised { before: *before + MICRO }, limit)
            }
            (Fault::Waits, ForgetAlerts::Raised { before }) => {
                let listed = now(self.store.list(&Holder::account("acme"), 1_000));
                let waits = listed.into_iter().filter(|record| record.due_at.is_some() && record.alert.at < *before);
                let waits = waits.map(|record| record.alert).collect();
                let gone = now(self.store.forget(what, limit));
                let back = now(self.store.raise(waits));
                done(gone - back)
            }
            (Fault::Rules, ForgetAlerts::Of(holder)) => {
                let rules = now(self.store.rules(std::slice::from_ref(holder)));
                let gone = now(self.store.forget(what, limit)) - rules.len();
                for rules in rules {
                    now(self.store.set_rules(rules));
                }
                done(gone)
            }
            (Fault::BothKinds, ForgetAlerts::Of(holder)) => also(ForgetAlerts::Of(Holder::organization(holder.id()))),
            (Fault::KeyAndAccount, ForgetAlerts::Key(key)) => also(ForgetAlerts::Of(Holder::account(key))),
            (Fault::HolderAndKey, ForgetAlerts::Of(holder)) => also(ForgetAlerts::Key(holder.id().to_owned())),
            (Fault::KeyAlerts, ForgetAlerts::Key(_)) => {
                let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
                self.store.forget(&ForgetAlerts::Networks { before: far }, limit)
            }
            _ => self.store.forget(what, limit),
        }
    }
}

async fn conforms(fault: Fault) -> bool {
    let fresh = async || Broken { store: MemoryKeyStore::new(), fault, kept: Arc::default() };
    AssertUnwindSafe(conformance::check_alerts(fresh)).catch_unwind().await.is_ok()
}

#[tokio::test]
async fn the_store_in_memory_passes_all_checks() {
    conformance::check_alerts(async || MemoryKeyStore::new()).await;
}

#[tokio::test]
async fn the_checks_find_each_fault() {
    assert!(conforms(Fault::None).await);
    for fault in [
        Fault::FirstRules,
        Fault::Author,
        Fault::Kinds,
        Fault::Inclusive,
        Fault::ByName,
        Fault::OnePage,
        Fault::Counts,
        Fault::Revives,
        Fault::Details,
        Fault::English,
        Fault::Short,
        Fault::Early,
        Fault::Late,
        Fault::Twice,
        Fault::Attempts,
        Fault::Order,
        Fault::Greed,
        Fault::NotAgain,
        Fault::Endless,
        Fault::Undated,
        Fault::Undone,
        Fault::Unknown,
        Fault::Oldest,
        Fault::Whole,
        Fault::FirstUse,
        Fault::LastCall,
        Fault::AllNetworks,
        Fault::Keeps,
        Fault::Moment,
        Fault::Waits,
        Fault::Rules,
        Fault::BothKinds,
        Fault::KeyAndAccount,
        Fault::HolderAndKey,
        Fault::KeyAlerts,
    ] {
        assert!(!conforms(fault).await, "{fault:?} is not noticed");
    }
}
