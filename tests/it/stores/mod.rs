//! The conformance suite on every store, and whether it sees a store that does not conform.

mod broken;
mod switched;

pub(crate) use self::switched::{Bound, Switched};
use tower_auth::{MemoryKeyStore, PostgresKeyStore, SqliteKeyStore, testing::conformance};

use crate::support::{folder::Folder, postgres};

#[tokio::test]
async fn the_memory_store_conforms() {
    let secrets = conformance::check(async || MemoryKeyStore::new()).await;
    assert!(secrets.len() > 50, "{secrets:?}");
    secrets.assert_absent_from(format!("{secrets:?}").as_bytes());
}

#[tokio::test]
async fn the_sqlite_store_conforms() {
    let folder = Folder::new("sqlite-conformance");
    let count = std::sync::atomic::AtomicUsize::new(0);
    let secrets = conformance::check(async || {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let store = SqliteKeyStore::open(folder.path().join(format!("{number}.db"))).unwrap();
        store.migrate().await.unwrap();
        store
    })
    .await;
    let mut bytes = 0;
    for file in folder.files() {
        // The last connection to a file removes its log.
        let Ok(raw) = std::fs::read(file) else { continue };
        bytes += raw.len();
        secrets.assert_absent_from(&raw);
    }
    assert!(bytes > 100_000, "{bytes} bytes were searched");
}

#[tokio::test]
async fn the_postgres_store_conforms() {
    if postgres::database().await.is_none() {
        return;
    }
    // A database is dropped with its value.
    let databases = std::sync::Mutex::new(Vec::new());
    conformance::check(async || {
        let database = postgres::database().await.unwrap();
        let store = PostgresKeyStore::from_pool(database.pool(8));
        store.migrate().await.unwrap();
        databases.lock().unwrap().push(database);
        store
    })
    .await;
}
