//! Changes behind a real `PgBouncer`.

use tower_auth::{PostgresKeyStore, cache::Changed};

use super::{Tables, change, create, find, key, listening::Listening, pool};
use crate::support::postgres::pgbouncer::PgBouncer;

#[tokio::test]
async fn a_pooler_that_shares_sessions_is_refused() {
    let Some(tables) = Tables::new().await else { return };
    let Some(pooler) = PgBouncer::before(&tables.database, "transaction") else { return };
    let shared = tables.database.url_at(pooler.address());
    let behind = PostgresKeyStore::from_pool(pool(&shared, 2, "")).behind_transaction_pooler();
    // The first one finds no session behind the pooler, and the second one finds several.
    for store in [&tables.store, &behind] {
        let refused = Listening::to(store, &shared).await.err().unwrap().to_string();
        let parts = ["pool_mode = transaction", "LISTEN does not work", "help: give PostgresKeyStore::changes the URL"];
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
        let busy: Vec<_> = (0..3).map(|_| pool(&shared, 1, "")).collect();
        for pool in &busy {
            assert!(pool.get().await.unwrap().simple_query("BEGIN; SELECT 1; COMMIT").await.is_ok());
        }
    }
    // The lookups may stay behind the pooler.
    let mut listening = Listening::to(&behind, &tables.database.url()).await.unwrap();
    change(&behind, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    listening.exactly(&[Changed::NewKey]).await;
    assert!(find(&behind, 1).await.is_some());
}

#[tokio::test]
async fn a_pooler_that_keeps_sessions_is_used() {
    let Some(tables) = Tables::new().await else { return };
    let Some(pooler) = PgBouncer::before(&tables.database, "session") else { return };
    let mut listening = Listening::to(&tables.store, &tables.database.url_at(pooler.address())).await.unwrap();
    for number in 1..9 {
        change(&tables.store, vec![create(key(&format!("key_{number}"), "acme"), number)]).await.unwrap();
        listening.exactly(&[Changed::NewKey]).await;
    }
    drop(pooler);
    listening.lost().await;
    listening.barrier().await.unwrap_err();
}
