//! The stores of the crate: all checks, and what is exact over tasks, processes and restarts.

#[cfg(feature = "postgres")]
use tower_auth::PostgresKeyStore;
#[cfg(feature = "sqlite")]
use tower_auth::SqliteKeyStore;
use tower_auth::testing::conformance;

use super::{
    exact::{crashed, stopped},
    *,
};
#[cfg(feature = "sqlite")]
use crate::support::folder::Folder;
#[cfg(feature = "postgres")]
use crate::support::postgres;

#[tokio::test]
async fn the_store_in_memory_passes_all_checks() {
    conformance::check_budgets(async || MemoryKeyStore::new()).await;
}

/// A store on a database of its own, which is dropped with it.
#[cfg(feature = "postgres")]
async fn server() -> Option<(PostgresKeyStore, postgres::Database)> {
    let database = postgres::database().await?;
    let store = PostgresKeyStore::from_pool(database.pool(8));
    store.migrate().await.unwrap();
    Some((store, database))
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn the_store_in_postgres_passes_all_checks() {
    if postgres::database().await.is_none() {
        return;
    }
    let databases = Mutex::new(Vec::new());
    conformance::check_budgets(async || {
        let (store, database) = server().await.unwrap();
        databases.lock().unwrap().push(database);
        store
    })
    .await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exact_in_postgres() {
    let Some((store, _database)) = server().await else { return };
    stopped(async || store.clone()).await;
    let Some((store, _database)) = server().await else { return };
    crashed(async || store.clone()).await;
}

/// Leases are on disk before they are used, also where the default of the server is not to wait for the disk.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_server_that_is_killed_has_lost_no_lease() {
    let Some(mut server) = postgres::private(&["synchronous_commit=off", "wal_writer_delay=10s"]) else { return };
    let database = server.database();
    let pool = database.pool(1);
    let store = PostgresKeyStore::from_pool(pool.clone());
    store.migrate().await.unwrap();
    for round in 1..=3 {
        let taken = store.take(&june(), BudgetTake::new(1_000, 7)).await.unwrap();
        assert_eq!((taken.granted, taken.used), (7, 7 * round));
        let client = pool.get().await.unwrap();
        let setting: String = client.query_one("SHOW synchronous_commit", &[]).await.unwrap().get(0);
        assert_eq!(setting, "off", "the setting has ended with the statement");
        drop(client);
        server.kill();
        server.start();
    }
    assert_eq!(store.used(&june()).await.unwrap(), 21);
}

#[cfg(feature = "sqlite")]
async fn open(folder: &Folder, name: &str) -> SqliteKeyStore {
    let store = SqliteKeyStore::open(folder.path().join(name)).unwrap();
    store.migrate().await.unwrap();
    store
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn the_store_in_sqlite_passes_all_checks() {
    let (folder, count) = (Folder::new("sqlite-budgets"), AtomicUsize::new(0));
    let fresh = async || open(&folder, &format!("{}.db", count.fetch_add(1, Ordering::Relaxed))).await;
    conformance::check_budgets(fresh).await;
}

/// The file is opened anew in each round.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exact_in_sqlite() {
    let folder = Folder::new("sqlite-budgets-exact");
    stopped(async || open(&folder, "stopped.db").await).await;
    crashed(async || open(&folder, "crashed.db").await).await;
}
