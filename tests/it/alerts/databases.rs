//! The stores that keep rules and alerts across restarts.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use serde_json::{Map, json};
use tower_auth::{
    KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, NewKey, PostgresKeyStore, Principal, SqliteKeyStore,
    alerts::{Alert, AlertRecord, AlertRule, AlertStore, ForgetAlerts, NetworkUse, Settled, StoredRules},
    registry::Holder,
    testing::{ManualClock, conformance},
};

use crate::support::{folder::Folder, postgres};

const HOUR: Duration = Duration::from_secs(3600);
const NETWORK: &str = "192.0.2.0/24";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_401_600 + seconds)
}

fn alert(id: &str, holder: &Holder, key: &str) -> Alert {
    let details = Map::from_iter([("days".to_owned(), json!(90))]);
    Alert::new(id, holder.clone(), "idle", Some(key.to_owned()), at(1), details)
}

async fn sqlite(folder: &Folder, name: &str) -> SqliteKeyStore {
    let store = SqliteKeyStore::open(folder.path().join(name)).unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test]
async fn the_store_in_sqlite_passes_all_checks() {
    let folder = Folder::new("sqlite-alerts");
    let count = AtomicUsize::new(0);
    conformance::check_alerts(async || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        sqlite(&folder, &format!("{number}.db")).await
    })
    .await;
}

#[tokio::test]
async fn the_store_in_postgres_passes_all_checks() {
    if postgres::database().await.is_none() {
        return;
    }
    // A database is dropped with its value.
    let databases = Mutex::new(Vec::new());
    conformance::check_alerts(async || {
        let database = postgres::database().await.unwrap();
        let store = PostgresKeyStore::from_pool(database.pool(8));
        store.migrate().await.unwrap();
        databases.lock().unwrap().push(database);
        store
    })
    .await;
}

/// Everything that a store keeps, read as a process does that starts.
type Everything = (Vec<StoredRules>, Vec<AlertRecord>, Vec<NetworkUse>);

async fn list(store: &impl AlertStore, holder: &Holder) -> Vec<AlertRecord> {
    store.list(holder, 10).await.unwrap()
}

async fn everything(store: &impl AlertStore) -> Everything {
    let rules = store.all_rules(None).await.unwrap();
    let alerts = list(store, &Holder::account("acme")).await;
    (rules, alerts, store.networks(&["key_1".to_owned()]).await.unwrap())
}

/// Keeps rules, a network, and an alert in each of its states.
async fn fill(store: &impl AlertStore) -> Everything {
    let acme = Holder::account("acme");
    store.set_rules(StoredRules::new(acme.clone(), &AlertRule::recommended(), at(0), "alice")).await.unwrap();
    let alerts = ["1", "2", "3", "4"].map(|id| alert(id, &acme, "key_1"));
    assert_eq!(store.raise(alerts.into()).await.unwrap(), 4);
    assert_eq!(store.claim(at(2), at(9), 3).await.unwrap().len(), 3);
    let settled = [("1", Settled::Delivered { at: at(3) }), ("2", Settled::GivenUp)];
    store.settle(settled.map(|(id, settled)| (id.to_owned(), settled)).into()).await.unwrap();
    store.note_networks(vec![NetworkUse::new("key_1", NETWORK, at(4))]).await.unwrap();
    everything(store).await
}

fn assert_filled((rules, alerts, networks): &Everything) {
    assert_eq!((rules.len(), alerts.len(), networks.len()), (1, 4, 1));
    assert_eq!(rules[0].known(), AlertRule::recommended());
    let count = |is: fn(&AlertRecord) -> bool| alerts.iter().filter(|record| is(record)).count();
    assert_eq!(count(|record| record.delivered_at == Some(at(3))), 1);
    assert_eq!(count(|record| record.due_at.is_none()), 2);
    assert_eq!(count(|record| record.attempts == 1), 3);
}

#[tokio::test]
async fn rules_and_alerts_survive_a_reopen() {
    let folder = Folder::new("sqlite-alerts-reopened");
    let before = fill(&sqlite(&folder, "keys.db").await).await;
    assert_filled(&before);
    assert_eq!(everything(&sqlite(&folder, "keys.db").await).await, before);
    let Some(database) = postgres::database().await else { return };
    let store = || PostgresKeyStore::from_pool(database.pool(2));
    store().migrate().await.unwrap();
    let before = fill(&store()).await;
    assert_filled(&before);
    assert_eq!(everything(&store()).await, before);
}

/// Two processes with several tasks each, none of which knows of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_postgres_stores_claim_each_alert_once() {
    const ALERTS: usize = 1_000;
    let Some(database) = postgres::database().await else { return };
    let stores = [0, 1].map(|_| PostgresKeyStore::from_pool(database.pool(4)));
    stores[0].migrate().await.unwrap();
    let acme = Holder::account("acme");
    let alerts = (0..ALERTS).map(|number| alert(&format!("alert_{number}"), &acme, "key_1")).collect();
    assert_eq!(stores[0].raise(alerts).await.unwrap(), ALERTS);
    let claims = (0..8).map(|task| {
        let store = stores[task % 2].clone();
        tokio::spawn(async move {
            let mut own = Vec::new();
            loop {
                let some = store.claim(at(2), at(2) + HOUR, 10).await.unwrap();
                if some.is_empty() {
                    return own;
                }
                own.extend(some.into_iter().map(|record| record.alert.id));
            }
        })
    });
    let claimed: Vec<Vec<String>> = join_all(claims).await.into_iter().map(Result::unwrap).collect();
    assert!(claimed.iter().filter(|own| !own.is_empty()).count() > 1, "they claim at once");
    let claimed = claimed.concat();
    assert_eq!(claimed.len(), ALERTS);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), ALERTS);
}

/// Processes settle, forget and raise the same alerts in other orders. None of them meets a deadlock.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_change_the_same_rows_of_postgres_do_not_stop_each_other() {
    const ROUNDS: usize = 30;
    let Some(database) = postgres::database().await else { return };
    let store = PostgresKeyStore::from_pool(database.pool(8));
    store.migrate().await.unwrap();
    let tasks = (0..8_usize).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            let acme = Holder::account("acme");
            for round in 0..ROUNDS {
                let mut ids: Vec<String> = (0..60).map(|number| format!("alert_{number:02}")).collect();
                ids.rotate_left((task + round) % 60);
                if task % 2 == 0 {
                    ids.reverse();
                }
                store.raise(ids.iter().map(|id| alert(id, &acme, "key_1")).collect()).await.unwrap();
                store.claim(at(9), at(9), 20).await.unwrap();
                let uses = ids.iter().map(|id| NetworkUse::new(id, NETWORK, at(round as u64))).collect();
                store.note_networks(uses).await.unwrap();
                store.settle(ids.into_iter().map(|id| (id, Settled::Again { at: at(5) })).collect()).await.unwrap();
                let what = match task {
                    0 => ForgetAlerts::Key("key_1".to_owned()),
                    1 => ForgetAlerts::Of(acme.clone()),
                    2 => ForgetAlerts::Networks { before: at(round as u64) },
                    _ => continue,
                };
                store.forget(&what, 40).await.unwrap();
            }
        })
    });
    for ended in join_all(tasks).await {
        ended.unwrap();
    }
}

/// A token may name an account that PostgreSQL cannot keep. It must not stop the alerts of the others.
#[tokio::test]
async fn names_that_postgres_cannot_keep_are_left_out() {
    let Some(database) = postgres::database().await else { return };
    let store = PostgresKeyStore::from_pool(database.pool(2));
    store.migrate().await.unwrap();
    let (odd, acme) = (Holder::account("ac\0me"), Holder::account("acme"));
    for rules in
        [StoredRules::new(odd.clone(), &[], at(0), "alice"), StoredRules::new(acme.clone(), &[], at(0), "al\0ice")]
    {
        let error = store.set_rules(rules).await.unwrap_err().to_string();
        assert!(error.contains("U+0000"), "{error}");
    }
    store.set_rules(StoredRules::new(acme.clone(), &[], at(0), "alice")).await.unwrap();
    assert_eq!(store.rules(&[odd.clone(), acme.clone()]).await.unwrap().len(), 1);
    for (after, count) in [("ac\0me", 1), ("acme\0", 0)] {
        assert_eq!(store.all_rules(Some(&Holder::account(after))).await.unwrap().len(), count, "{after:?}");
    }
    let alerts =
        vec![alert("1", &odd, "key_1"), alert("2", &acme, "key\0"), alert("3\0", &acme, ""), alert("4", &acme, "")];
    assert_eq!(store.raise(alerts).await.unwrap(), 1);
    store.settle(["3\0", "4"].map(|id| (id.to_owned(), Settled::GivenUp)).into()).await.unwrap();
    assert_eq!(store.list(&acme, 9).await.unwrap()[0].due_at, None);
    assert!(store.list(&odd, 9).await.unwrap().is_empty());
    let uses = [("key\0", NETWORK), ("key_1", "\0"), ("key_1", NETWORK)];
    store.note_networks(uses.map(|(key, network)| NetworkUse::new(key, network, at(0))).into()).await.unwrap();
    let found = store.networks(&["key\0".to_owned(), "key_1".to_owned()]).await.unwrap();
    assert_eq!(found, [NetworkUse::new("key_1", NETWORK, at(0))]);
    for what in [ForgetAlerts::Of(odd), ForgetAlerts::Key("key\0".to_owned())] {
        assert_eq!(store.forget(&what, 9).await.unwrap(), 0);
    }
}

/// Alerts about these keys, of these holders.
async fn raise_about(store: &impl AlertStore, holders: &[Holder], keys: &[String]) {
    for holder in holders {
        store.set_rules(StoredRules::new(holder.clone(), &[AlertRule::NewNetwork], at(0), "alice")).await.unwrap();
        let about = keys.iter().map(|key| alert(&format!("{holder} {key}"), holder, key));
        assert_eq!(store.raise(about.collect()).await.unwrap(), keys.len());
    }
    store.note_networks(keys.iter().map(|key| NetworkUse::new(key, NETWORK, at(0))).collect()).await.unwrap();
}

/// An erased account leaves no rules and no alerts, and its keys leave neither alerts nor networks. Others stay.
async fn an_erased_account_leaves_no_alerts(store: impl AlertStore + tower_auth::registry::RegistryStore + Clone) {
    let hand = ManualClock::at("2027-01-15T08:59:30Z");
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
    let (keys, admin) = (KeyRegistry::with_clock(scheme, store.clone(), &hand), Principal::builder("alice").build());
    let create = async |account: &str| {
        keys.create(&admin, NewKey::named("ci").account(account)).await.unwrap().key.id().to_owned()
    };
    let (first, other, gone) = (create("acme").await, create("other").await, create("acme").await);
    let next = keys.rotate(&admin, &gone, Duration::ZERO).await.unwrap().key.id().to_owned();
    // The first key of a line is removed. Its successors still name it.
    keys.delete(&admin, &gone).await.unwrap();
    hand.advance(HOUR);
    assert_eq!(keys.purge(&admin, hand.now()).await.unwrap(), 1);
    let holders = [Holder::account("acme"), Holder::account("other"), Holder::organization("acme")];
    let ids = [first, gone, next, other.clone()];
    raise_about(&store, &holders, &ids).await;
    keys.erase_account(&admin, "acme").await.unwrap();
    assert!(list(&store, &holders[0]).await.is_empty());
    let rules: Vec<Holder> = store.all_rules(None).await.unwrap().into_iter().map(|rules| rules.holder).collect();
    assert_eq!(rules, holders[1..]);
    for holder in &holders[1..] {
        let left = list(&store, holder).await;
        let about: Vec<_> = left.iter().map(|record| record.alert.key.clone()).collect();
        assert_eq!(about, [Some(other.clone())], "{holder}");
    }
    let networks = store.networks(&ids).await.unwrap();
    assert_eq!(networks, [NetworkUse::new(other, NETWORK, at(0))]);
}

#[tokio::test]
async fn an_erased_account_leaves_no_alerts_anywhere() {
    an_erased_account_leaves_no_alerts(MemoryKeyStore::new()).await;
    let folder = Folder::new("sqlite-alerts-erased");
    an_erased_account_leaves_no_alerts(sqlite(&folder, "keys.db").await).await;
    let Some(database) = postgres::database().await else { return };
    let store = PostgresKeyStore::from_pool(database.pool(4));
    store.migrate().await.unwrap();
    an_erased_account_leaves_no_alerts(store).await;
}
