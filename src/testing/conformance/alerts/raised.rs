use serde_json::{Map, json};

use super::parts::{HOUR, acme, alert, alert_of, all, at, claim, fresh_records, ids, list, noon, raise};
use crate::{
    alerts::{Alert, AlertStore, Settled, StoredRules},
    registry::Holder,
};

pub(super) async fn an_alert_is_raised_once(store: &impl AlertStore) {
    assert_eq!(raise(store, []).await, 0);
    assert_eq!(raise(store, [alert(2), alert(1)]).await, 2);
    assert_eq!(list(store, &acme()).await, fresh_records([alert(2), alert(1)]), "every field comes back");
    let other_text = Alert { kind: "refusals".to_owned(), at: at(9), ..alert(1) };
    assert_eq!(raise(store, [other_text, alert(3), alert(3)]).await, 1, "by the id alone");
    assert_eq!(list(store, &acme()).await, fresh_records([alert(3), alert(2), alert(1)]), "the first one stays");
    let claimed = claim(store, at(1), at(1) + HOUR, 1).await;
    assert_eq!(raise(store, [alert(1)]).await, 0);
    assert_eq!(list(store, &acme()).await[2], claimed[0], "an alert that is under way stays");
    store.settle(vec![(alert(1).id, Settled::Delivered { at: at(2) })]).await.expect("settled");
    assert_eq!(raise(store, [alert(1)]).await, 0);
    assert!(!ids(&claim(store, at(10), at(20), 10).await).contains(&&*alert(1).id), "a delivered alert stays");
}

/// Several processes watch the same keys.
pub(super) async fn alerts_that_several_raise_at_once_are_raised_once(store: &impl AlertStore) {
    const TASKS: u64 = 16;
    const ALERTS: u64 = 20;
    let some = |task: u64| {
        let mut alerts: Vec<Alert> = (0..ALERTS).map(|number| alert((task + number) % ALERTS)).collect();
        if task.is_multiple_of(2) {
            alerts.reverse();
        }
        alerts
    };
    let added: Vec<usize> = all((0..TASKS).map(|task| raise(store, some(task)))).await;
    assert_eq!(added.iter().sum::<usize>(), some(0).len(), "one call adds an alert: {added:?}");
    assert_eq!(list(store, &acme()).await, fresh_records((0..ALERTS).rev().map(alert)));
}

pub(super) async fn the_latest_alerts_of_a_holder_are_listed(store: &impl AlertStore) {
    let organization = Holder::organization("acme");
    let shared = Alert { key: None, ..alert_of(&organization, "", 9) };
    raise(store, [alert(2), alert(4), alert(1), alert(3), shared.clone()]).await;
    for (limit, expected) in [(3, [4, 3, 2].map(alert).to_vec()), (1, vec![alert(4)]), (0, vec![])] {
        let found = store.list(&acme(), limit).await.expect("alerts are listed");
        assert_eq!(found, fresh_records(expected), "the last {limit}");
    }
    assert_eq!(list(store, &organization).await, fresh_records([shared]), "an organisation of the same name");
    assert!(list(store, &Holder::account("key_1")).await.is_empty(), "the name of a key");
}

/// Texts that end a literal, turn the direction, or need four bytes.
const HOSTILE: [&str; 5] =
    ["O'Brien\"; DROP TABLE alerts; --", "\u{202e}שלום\u{200f}", "𝕏\u{1f512}\u{10ffff}", "%_\\ $1 ?1", " "];

pub(super) async fn any_text_comes_back(store: &impl AlertStore) {
    for (text, second) in HOSTILE.into_iter().zip(1..) {
        let holder = Holder::organization(text);
        let rules = StoredRules::of_text(holder.clone(), json!([{ "type": text }]).to_string(), at(second), text);
        store.set_rules(rules.clone()).await.expect("rules are set");
        assert_eq!(store.rules(std::slice::from_ref(&holder)).await.expect("rules are read"), [rules]);
        let details = Map::from_iter([
            (text.to_owned(), json!([text, { "nested": [null, true, -0.5, u64::MAX] }])),
            ("long".to_owned(), json!(text.repeat(10 * 1024 / text.len()))),
            // No database keeps the character itself, but all keep its escape.
            ("control".to_owned(), json!("\0\u{1}\u{7f}\n")),
        ]);
        let raised = Alert::new(text, holder.clone(), text, Some(text.to_owned()), at(second), details);
        assert_eq!(raise(store, [raised.clone()]).await, 1);
        assert_eq!(list(store, &holder).await, fresh_records([raised]), "{text:?}");
    }
    let claimed = claim(store, noon() + HOUR, noon() + 2 * HOUR, 10).await;
    assert_eq!(ids(&claimed), HOSTILE);
    store
        .settle(claimed.into_iter().map(|record| (record.alert.id, Settled::GivenUp)).collect())
        .await
        .expect("settled");
    assert!(claim(store, noon() + 3 * HOUR, noon() + 4 * HOUR, 10).await.is_empty());
}
