//! Least privilege, and servers that only read.

use std::time::Duration;

use tower_auth::{
    KeyRegistry, KeyStore as _, NewKey, PostgresKeyStore, RegistryError,
    alerts::{Alert, ForgetAlerts, NetworkUse, Settled, StoredRules},
    limit::{
        BucketKey, CalendarUnit,
        budget::{BudgetPeriod, BudgetReturn, BudgetStore, BudgetTake},
    },
    registry::{AuditFilter, Change, Forget, Holder, KeyFilter, RegistryStore as _},
};

use super::{Tables, admin, at, change, create, digests, find, forget, key, pool, scheme};

/// The statements of the page of the module, for these roles.
fn grants(verifier: &str, administrator: &str) -> String {
    let page = include_str!("../../../src/postgres/mod.rs");
    let block = page.split("```sql\n").nth(1).unwrap().split("//! ```").next().unwrap();
    let lines = block.lines().map(|line| line.trim_start_matches("//!"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.replace("TO verifier", &format!("TO {verifier}")).replace("TO administrator", &format!("TO {administrator}"))
}

#[tokio::test]
async fn the_documented_privileges_are_enough_and_no_more() {
    let Some(tables) = Tables::new().await else { return };
    let (verifier, administrator) = (tables.database.role("verifier"), tables.database.role("administrator"));
    tables.execute(&grants(&verifier.name, &administrator.name));
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();

    let verify = PostgresKeyStore::from_pool(pool(&verifier.url, 2, ""));
    verify.check_schema().await.unwrap();
    assert_eq!(find(&verify, 1).await.unwrap().id(), "key_1");
    for denied in [
        change(&verify, vec![create(key("key_2", "acme"), 2)]).await.unwrap_err(),
        verify.transact(vec!["key_1".to_owned()], Box::new(|_| Ok(Vec::new()))).await.unwrap_err(),
        verify.get("key_1").await.unwrap_err(),
        verify.list(&KeyFilter::all()).await.unwrap_err(),
        verify.audit(&AuditFilter::all()).await.unwrap_err(),
        verify.suspended(&[Holder::account("acme")]).await.unwrap_err(),
        verify.count_by_pepper().await.unwrap_err(),
    ] {
        let denied = denied.to_string();
        let parts = ["permission denied", "42501", "help: grant the role", "PostgresKeyStore::writer"];
        assert!(parts.iter().all(|part| denied.contains(part)), "{denied}");
    }

    let both = verify.writer(pool(&administrator.url, 2, ""));
    both.check_schema().await.unwrap();
    manage_everything(&both).await;
    count_budgets(&both).await;
    let owner = both.migrate().await;
    assert!(owner.is_ok(), "there is nothing to do");
    let client = pool(&administrator.url, 1, "").get().await.unwrap();
    for forbidden in ["TRUNCATE tower_auth.tombstones", "DROP TABLE tower_auth.keys"] {
        assert_eq!(client.batch_execute(forbidden).await.unwrap_err().code().unwrap().code(), "42501");
    }
}

/// Every call of a store of budgets.
async fn count_budgets(store: &PostgresKeyStore) {
    let june = BudgetPeriod::new(BucketKey::new(["acme"]), CalendarUnit::Month, "UTC", 202_606);
    assert_eq!(store.take(&june, BudgetTake::new(10, 3)).await.unwrap().used, 3);
    store.give_back(&[BudgetReturn::new(june.clone(), 1)]).await.unwrap();
    assert_eq!(store.used(&june).await.unwrap(), 2);
    assert_eq!(BudgetStore::forget(store, CalendarUnit::Month, 202_607, 10).await.unwrap(), 1);
}

/// Every kind of change.
async fn manage_everything(store: &PostgresKeyStore) {
    let (keys, admin) = (KeyRegistry::new(scheme(), store.clone()), admin());
    let issued = keys.create(&admin, NewKey::named("ci").account("other")).await.unwrap();
    let id = keys.rotate(&admin, issued.key.id(), Duration::ZERO).await.unwrap().key.id().to_owned();
    keys.suspend(&admin, Holder::account("other")).await.unwrap();
    keys.reinstate(&admin, Holder::account("other")).await.unwrap();
    keys.delete(&admin, &id).await.unwrap();
    let used = Change::Used(vec![("key_1".to_owned(), at(9_000))]);
    change(store, vec![used]).await.unwrap();
    assert_eq!(forget(store, Forget::Audit { before: at(0) }, 10).await, 0);
    forget(store, Forget::Addresses { before: at(9_999_999_999) }, 10).await;
    change(store, vec![Change::Remove { id }]).await.unwrap();
    keys.erase_account(&admin, "other").await.unwrap();
    assert_eq!(keys.list(&admin, &KeyFilter::all()).await.unwrap().items.len(), 1);
    store.count_by_pepper().await.unwrap();
    alert_of_everything(store).await;
}

/// Every kind of change of alerts.
async fn alert_of_everything(store: &impl tower_auth::alerts::AlertStore) {
    let holder = Holder::account("acme");
    store.set_rules(StoredRules::new(holder.clone(), &[], at(1), "alice")).await.unwrap();
    let alert = Alert::new("alert_1", holder.clone(), "idle", Some("key_1".to_owned()), at(1), serde_json::Map::new());
    assert_eq!(store.raise(vec![alert]).await.unwrap(), 1);
    assert_eq!(store.claim(at(2), at(3), 1).await.unwrap().len(), 1);
    store.settle(vec![("alert_1".to_owned(), Settled::GivenUp)]).await.unwrap();
    store.note_networks(vec![NetworkUse::new("key_1", "192.0.2.0/24", at(1))]).await.unwrap();
    let (raised, used) = (ForgetAlerts::Raised { before: at(1) }, ForgetAlerts::Networks { before: at(1) });
    for (what, count) in [(raised, 0), (used, 0), (ForgetAlerts::Of(holder), 2), (ForgetAlerts::Key("key_1".into()), 1)]
    {
        assert_eq!(store.forget(&what, 9).await.unwrap(), count, "{what:?}");
    }
}

#[tokio::test]
async fn a_server_that_only_reads_answers_lookups_and_says_why_it_changes_nothing() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    let reader = pool(&tables.database.url(), 2, "-c default_transaction_read_only=on");
    let reads = PostgresKeyStore::from_pool(reader);
    reads.check_schema().await.unwrap();
    assert!(find(&reads, 1).await.is_some() && reads.get("key_1").await.unwrap().is_some());
    let locked = reads.transact(vec!["key_1".to_owned()], Box::new(|_| Ok(Vec::new()))).await;
    for refused in [locked, change(&reads, vec![create(key("key_2", "acme"), 2)]).await] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("read-only transaction") && refused.contains("of the primary"), "{refused}");
    }
    // With a writer, the same store changes.
    let both = reads.writer(tables.pool.clone());
    change(&both, vec![create(key("key_2", "acme"), 2)]).await.unwrap();
    assert!(find(&both, 2).await.is_some());
}

#[tokio::test]
async fn tables_that_are_not_there_are_named_with_what_to_do() {
    let Some(tables) = Tables::new().await else { return };
    let store = tables.store.clone().schema("elsewhere").unwrap();
    let looked_up = store.find(&digests(1)).await.unwrap_err().to_string();
    let changed = change(&store, vec![create(key("key_1", "acme"), 1)]).await.unwrap_err().to_string();
    for error in [looked_up, changed, store.get("key_1").await.unwrap_err().to_string()] {
        assert!(error.contains("\"elsewhere.") && error.contains("PostgresKeyStore::migrate"), "{error}");
    }
    let checked = store.check_schema().await.unwrap_err().to_string();
    assert!(checked.contains("\"elsewhere\" has no tables of keys, and version 2 is needed"), "{checked}");
}

#[tokio::test]
async fn no_error_shows_a_row() {
    let Some(tables) = Tables::new().await else { return };
    // The server adds the failing row, with the digest, to what it says.
    tables.execute("ALTER TABLE tower_auth.keys ADD CONSTRAINT small CHECK (length(id) < 3)");
    let error = change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Store(text) if text.contains("\"small\"")), "{error}");
    let digest = digests(1).iter().next().unwrap().to_hex();
    for shown in [error.to_string(), format!("{error:?}"), format!("{:?}", tables.store)] {
        assert!(!shown.contains(&digest[..8]) && !shown.contains("acme"), "{shown}");
    }
}
