use super::{
    networks::{networks, note},
    parts::{acme, alert, alert_of, at, fresh_records, ids, list, raise},
};
use crate::{
    alerts::{Alert, AlertRule, AlertStore, ForgetAlerts, Settled, StoredRules},
    registry::Holder,
};

const NETWORK: &str = "192.0.2.0/24";

/// Forgets in batches of one, and returns how many rows that were.
async fn forget(store: &impl AlertStore, what: ForgetAlerts) -> usize {
    let mut sum = 0;
    // A store that never says zero is stopped.
    for _ in 0..100 {
        match store.forget(&what, 1).await.expect("rows are removed") {
            0 => return sum,
            some => sum += some,
        }
    }
    panic!("{what:?} never ends");
}

async fn set_rules(store: &impl AlertStore, holder: &Holder) {
    let rules = StoredRules::new(holder.clone(), &[AlertRule::NewNetwork], at(0), "alice");
    store.set_rules(rules).await.expect("rules are set");
}

async fn has_rules(store: &impl AlertStore, holder: &Holder) -> bool {
    !store.rules(std::slice::from_ref(holder)).await.expect("rules are read").is_empty()
}

pub(super) async fn what_is_old_is_forgotten(store: &impl AlertStore) {
    set_rules(store, &acme()).await;
    raise(store, (1..=6).map(alert)).await;
    note(store, [("key_1", NETWORK, at(1)), ("key_2", NETWORK, at(9))]).await;
    let settled = [(alert(1).id, Settled::Delivered { at: at(9) }), (alert(2).id, Settled::GivenUp)];
    store.settle(settled.into()).await.expect("settled");
    assert_eq!(forget(store, ForgetAlerts::Raised { before: at(1) }).await, 0, "this is the first moment to keep");
    assert_eq!(forget(store, ForgetAlerts::Raised { before: at(5) }).await, 4, "also what waits to be delivered");
    assert_eq!(list(store, &acme()).await, fresh_records([alert(6), alert(5)]));
    assert!(has_rules(store, &acme()).await);
    assert_eq!(networks(store, &["key_1"]).await.len(), 1, "networks are kept");
    assert_eq!(raise(store, [alert(1)]).await, 1, "an alert that is forgotten is new");
    assert_eq!(forget(store, ForgetAlerts::Networks { before: at(1) }).await, 0, "this is the first moment to keep");
    assert_eq!(forget(store, ForgetAlerts::Networks { before: at(9) }).await, 1);
    assert_eq!(networks(store, &["key_1", "key_2"]).await, [("key_2".to_owned(), NETWORK.to_owned(), at(9))]);
    assert_eq!(list(store, &acme()).await.len(), 3, "alerts are kept");
}

/// The names of a key, an account and an organisation are the same.
pub(super) async fn what_is_of_a_holder_is_forgotten(store: &impl AlertStore) {
    let (account, organization) = (Holder::account("key_1"), Holder::organization("key_1"));
    for holder in [&account, &organization] {
        set_rules(store, holder).await;
        raise(store, (1..=3).map(|second| alert_of(holder, "key_2", second))).await;
    }
    let of_acme = [alert(2), alert(1)];
    raise(store, of_acme.clone()).await;
    note(store, [("key_1", NETWORK, at(1))]).await;
    assert_eq!(forget(store, ForgetAlerts::Of(account.clone())).await, 4, "the rules, and three alerts");
    assert!(list(store, &account).await.is_empty() && !has_rules(store, &account).await);
    assert_eq!(list(store, &organization).await.len(), 3, "another kind of holder");
    assert!(has_rules(store, &organization).await);
    assert_eq!(list(store, &acme()).await, fresh_records(of_acme), "alerts about a key of this name");
    assert_eq!(networks(store, &["key_1"]).await.len(), 1, "its networks");
    assert_eq!(forget(store, ForgetAlerts::Of(organization.clone())).await, 4);
    assert!(list(store, &organization).await.is_empty() && !has_rules(store, &organization).await);
}

pub(super) async fn what_is_of_a_key_is_forgotten(store: &impl AlertStore) {
    let named_like_it = Holder::account("key_1");
    set_rules(store, &named_like_it).await;
    let of_another = alert_of(&acme(), "key_2", 4);
    let of_none = Alert { key: None, ..alert_of(&acme(), "", 5) };
    let of_its_holder = alert_of(&named_like_it, "key_2", 6);
    raise(store, [alert(1), alert(2), of_another.clone(), of_none.clone(), of_its_holder.clone()]).await;
    raise(store, [alert_of(&Holder::organization("org_1"), "key_1", 3)]).await;
    note(store, [("key_1", NETWORK, at(1)), ("key_1", "198.51.100.0/24", at(1)), ("key_2", NETWORK, at(1))]).await;
    assert_eq!(forget(store, ForgetAlerts::Key("key_1".to_owned())).await, 5, "three alerts, and two networks");
    let left = list(store, &acme()).await;
    assert_eq!(ids(&left), [of_none.id, of_another.id]);
    assert!(list(store, &Holder::organization("org_1")).await.is_empty(), "whoever has asked for them");
    assert_eq!(list(store, &named_like_it).await, fresh_records([of_its_holder]), "a holder of this name");
    assert!(has_rules(store, &named_like_it).await);
    assert_eq!(networks(store, &["key_1", "key_2"]).await, [("key_2".to_owned(), NETWORK.to_owned(), at(1))]);
}
