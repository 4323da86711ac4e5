//! Behind a pooler that gives every transaction another session.

use tower_auth::{
    KeyStore as _, PostgresKeyStore,
    registry::{AuditFilter, Change, Holder, KeyFilter, PepperCount, RegistryStore as _},
};

use super::{Tables, at, change, create, digests, entry, find, key, pool};

/// What a session knows after another client had it.
async fn forget(pool: &deadpool_postgres::Pool) {
    pool.get().await.unwrap().batch_execute("DEALLOCATE ALL").await.unwrap();
}

#[tokio::test]
async fn no_statement_has_a_name() {
    let Some(tables) = Tables::new().await else { return };
    let one = pool(&tables.database.url(), 1, "");
    let store = PostgresKeyStore::from_pool(one.clone()).behind_transaction_pooler();
    store.check_schema().await.unwrap();
    for number in 1..4 {
        change(&store, vec![create(key(&format!("key_{number}"), "acme"), number)]).await.unwrap();
        forget(&one).await;
        assert!(find(&store, number).await.is_some());
        assert!(store.get("key_1").await.unwrap().is_some());
        assert_eq!(store.list(&KeyFilter::account("acme")).await.unwrap().items.len(), usize::from(number));
        assert!(store.audit(&AuditFilter::all()).await.unwrap().items.is_empty());
        assert_eq!(store.count_by_pepper().await.unwrap(), [PepperCount::new(Some(2)).keys(number.into())]);
        change(
            &store,
            vec![
                Change::Suspend { holder: Holder::account("acme"), at: at(1) },
                Change::Update(entry(key("key_1", "acme").named("web"), 1)),
                Change::Used(vec![("key_1".to_owned(), at(2_000))]),
            ],
        )
        .await
        .unwrap();
        assert_eq!(store.suspended(&[Holder::account("acme")]).await.unwrap().len(), 1);
    }
    let named = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%tower_auth%'";
    let client = one.get().await.unwrap();
    let rows = client.query_typed(named, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 0);
}

#[tokio::test]
async fn without_the_setting_the_error_names_it_and_the_connection_recovers() {
    let Some(tables) = Tables::new().await else { return };
    let one = pool(&tables.database.url(), 1, "");
    let store = PostgresKeyStore::from_pool(one.clone());
    assert!(find(&store, 1).await.is_none());
    forget(&one).await;
    let error = store.find(&digests(1)).await.unwrap_err().to_string();
    assert!(error.contains("behind_transaction_pooler"), "{error}");
    assert!(find(&store, 1).await.is_none());
}

/// A migration of a later version changes the type of a column, while statements of this version are prepared.
#[tokio::test]
async fn a_change_whose_statement_is_forgotten_works_when_it_is_repeated() {
    let Some(tables) = Tables::new().await else { return };
    let one = tables.database.pool(1);
    let store = PostgresKeyStore::from_pool(one.clone());
    change(&store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    forget(&one).await;
    // The transaction is lost: what was decided in it may be wrong in another one.
    let lost = change(&store, vec![create(key("key_2", "acme"), 2)]).await.unwrap_err().to_string();
    assert!(lost.contains("SQLSTATE 26000"), "{lost}");
    change(&store, vec![create(key("key_2", "acme"), 2)]).await.unwrap();
    assert!(find(&store, 2).await.is_some());
}

#[tokio::test]
async fn a_statement_that_a_migration_made_stale_is_prepared_again() {
    let Some(tables) = Tables::new().await else { return };
    let one = pool(&tables.database.url(), 1, "");
    let store = PostgresKeyStore::from_pool(one);
    change(&store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    let read = async || {
        let entries = store.transact(
            vec!["key_1".to_owned()],
            Box::new(|entries| {
                assert_eq!(entries.len(), 1);
                Ok(vec![Change::Update(entries[0].clone())])
            }),
        );
        (find(&store, 1).await.is_some(), store.get("key_1").await.unwrap().is_some(), entries.await.unwrap().len())
    };
    assert_eq!(read().await, (true, true, 1));
    for kind in ["varchar(300)", "text"] {
        let client = tables.pool.get().await.unwrap();
        let view = "SELECT pg_get_viewdef('tower_auth.verify'::regclass)";
        let view: String = client.query_one(view, &[]).await.unwrap().get(0);
        let migration = format!(
            "BEGIN; DROP VIEW tower_auth.verify; ALTER TABLE tower_auth.keys ALTER COLUMN hint TYPE {kind}; \
             CREATE VIEW tower_auth.verify AS {view}; COMMIT"
        );
        client.batch_execute(&migration).await.unwrap();
        assert_eq!(read().await, (true, true, 1));
    }
}
