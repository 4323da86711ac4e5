//! Least privilege, and servers that only read.

use std::time::Duration;

use tower_auth::{
    KeyRegistry, KeyStore, NewKey, PostgresKeyStore, PostgresLimiter, RegistryError,
    alerts::{Alert, ForgetAlerts, NetworkUse, Settled, StoredRules},
    cache::{Changed, Changes as _},
    limit::{
        BucketKey, CalendarUnit,
        budget::{BudgetPeriod, BudgetReturn, BudgetStore, BudgetTake},
    },
    registry::{AuditFilter, Change, Forget, Holder, KeyFilter, RegistryStore},
    session::{
        CutOff, Outdated, SessionEnd, SessionFilter, SessionRow, SessionStore, TokenFacts,
        signing::{SigningKeyStore as _, StoredSigningKey},
    },
    token::Algorithm,
};

use super::{Tables, admin, at, change, create, digests, find, forget, key, listening::Listening, pool, scheme};

/// The statements of the page of the module, for these roles.
fn grants([verifier, administrator, tokens, listener]: [&str; 4]) -> String {
    let page = include_str!("../../../src/postgres/mod.rs");
    let block = page.split("```sql\n").nth(1).unwrap().split("//! ```").next().unwrap();
    let lines = block.lines().map(|line| line.trim_start_matches("//!"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let roles =
        [("verifier", verifier), ("administrator", administrator), ("token_verifier", tokens), ("listener", listener)];
    roles.iter().fold(text, |text, (role, name)| text.replace(&format!("TO {role};"), &format!("TO {name};")))
}

#[tokio::test]
async fn the_documented_privileges_are_enough_and_no_more() {
    let Some(tables) = Tables::new().await else { return };
    let (verifier, administrator) = (tables.database.role("verifier"), tables.database.role("administrator"));
    let (tokens, listener) = (tables.database.role("tokens"), tables.database.role("listener"));
    tables.execute(&grants([&verifier.name, &administrator.name, &tokens.name, &listener.name]));
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();

    let verify = PostgresKeyStore::from_pool(pool(&verifier.url, 2, ""));
    verify.check_schema().await.unwrap();
    assert_eq!(find(&verify, 1).await.unwrap().id(), "key_1");
    let denied = PostgresLimiter::new(&verify, 1).check().await.unwrap_err().to_string();
    assert!(denied.contains("permission denied for table limit_buckets") && denied.contains("::writer"), "{denied}");
    for denied in [
        change(&verify, vec![create(key("key_2", "acme"), 2)]).await.unwrap_err(),
        verify.transact(vec!["key_1".to_owned()], Box::new(|_| Ok(Vec::new()))).await.unwrap_err(),
        verify.get("key_1").await.unwrap_err(),
        RegistryStore::list(&verify, &KeyFilter::all()).await.unwrap_err(),
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
    cache(&both, &listener.url).await;
    manage_everything(&both).await;
    count_budgets(&both).await;
    PostgresLimiter::new(&both, 1).check().await.unwrap();
    issue_tokens(&both).await;
    check_tokens(&PostgresKeyStore::from_pool(pool(&tokens.url, 2, ""))).await;
    let owner = both.migrate().await;
    assert!(owner.is_ok(), "there is nothing to do");
    let client = pool(&administrator.url, 1, "").get().await.unwrap();
    for forbidden in ["TRUNCATE tower_auth.tombstones", "DROP TABLE tower_auth.keys"] {
        assert_eq!(client.batch_execute(forbidden).await.unwrap_err().code().unwrap().code(), "42501");
    }
}

/// Every call for a cache.
async fn cache(both: &PostgresKeyStore, url: &str) {
    let (second, changes) = (Duration::from_secs(1), both.changes(url).unwrap());
    assert_eq!(changes.shared_bound(second).await.unwrap(), second);
    let mut listening = Listening::over(&changes).await.unwrap();
    both.set_cache_bound(second * 2).await.unwrap();
    assert_eq!(both.staleness().await.unwrap(), second * 2);
    both.set_cache_bound(Duration::ZERO).await.unwrap();
    change(both, vec![Change::Suspend { holder: Holder::account("acme"), at: at(1) }]).await.unwrap();
    change(both, vec![Change::Reinstate { holder: Holder::account("acme") }]).await.unwrap();
    let heard = listening.drain().await;
    assert_eq!(heard, [Changed::Account("acme").into(); 2]);
    let listener = PostgresKeyStore::from_pool(pool(url, 1, ""));
    let denied =
        [listener.set_cache_bound(second).await.is_err(), KeyStore::find(&listener, &digests(1)).await.is_err()];
    assert_eq!(denied, [true, true]);
}

/// Every call of a store of budgets.
async fn count_budgets(store: &PostgresKeyStore) {
    let june = BudgetPeriod::new(BucketKey::new(["acme"]), CalendarUnit::Month, "UTC", 202_606);
    assert_eq!(store.take(&june, BudgetTake::new(10, 3)).await.unwrap().used, 3);
    store.give_back(&[BudgetReturn::new(june.clone(), 1)]).await.unwrap();
    assert_eq!(store.used(&june).await.unwrap(), 2);
    assert_eq!(BudgetStore::forget(store, CalendarUnit::Month, 202_607, 10).await.unwrap(), 1);
}

/// Every call of a service that issues tokens.
async fn issue_tokens(store: &PostgresKeyStore) {
    let mut row = SessionRow::default();
    (row.id, row.replaced, row.digest) = ("one".to_owned(), "[]".to_owned(), vec![1; 32]);
    row.grant = r#"{"subject":"alice","account":"acme"}"#.into();
    SessionStore::create(store, &row.clone().into_session().unwrap()).await.unwrap();
    row.generation = 1;
    assert!(SessionStore::rotate(store, &row.into_session().unwrap()).await.unwrap());
    assert!(store.end("one", at(1), SessionEnd::LoggedOut).await.unwrap());
    for whose in [CutOff::subject("alice"), CutOff::Everyone] {
        store.cut_off(&whose, at(1)).await.unwrap();
    }
    store.deny("token", at(1)).await.unwrap();
    assert!(SessionStore::find(store, "one").await.unwrap().is_some());
    assert_eq!(SessionStore::list(store, &SessionFilter::subject("alice")).await.unwrap().len(), 1);
    assert_eq!(SessionStore::forget(store, &Outdated::new(at(0), at(0)), 9).await.unwrap(), 1);
    let key = |id: &str| StoredSigningKey::new(id, Algorithm::Es256, "{}", vec![1], at(1));
    assert!(
        store.add_signing_key(key("1")).await.unwrap() && store.add_signing_key(key("2").after("1")).await.unwrap()
    );
    store.reseal_signing_key("2", vec![2]).await.unwrap();
    store.remove_signing_key("1").await.unwrap();
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
}

/// What a service may do that only checks tokens.
async fn check_tokens(store: &PostgresKeyStore) {
    let mut facts = TokenFacts::default();
    (facts.subject, facts.account, facts.token, facts.key) = ("alice", Some("acme"), Some("token"), Some("key_1"));
    let found = store.look(&facts).await.unwrap();
    assert!(found.is_denied && found.key.is_some() && found.cut_off == Some(at(1)));
    let filter = SessionFilter::subject("alice");
    for denied in [
        SessionStore::find(store, "one").await.map(drop),
        SessionStore::list(store, &filter).await.map(drop),
        store.end("one", at(1), SessionEnd::LoggedOut).await.map(drop),
        store.deny("token", at(1)).await,
        store.cut_off(&CutOff::Everyone, at(1)).await,
        SessionStore::forget(store, &Outdated::new(at(0), at(0)), 9).await.map(drop),
        store.signing_keys().await.map(drop),
    ] {
        let denied = denied.unwrap_err().to_string();
        assert!(denied.contains("permission denied") && denied.contains("help: grant the role"), "{denied}");
    }
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
    let looked_up = KeyStore::find(&store, &digests(1)).await.unwrap_err().to_string();
    let changed = change(&store, vec![create(key("key_1", "acme"), 1)]).await.unwrap_err().to_string();
    for error in [looked_up, changed, store.get("key_1").await.unwrap_err().to_string()] {
        assert!(error.contains("\"elsewhere.") && error.contains("PostgresKeyStore::migrate"), "{error}");
    }
    let checked = store.check_schema().await.unwrap_err().to_string();
    assert!(checked.contains("\"elsewhere\" has no tables of keys, and version 3 is needed"), "{checked}");
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
