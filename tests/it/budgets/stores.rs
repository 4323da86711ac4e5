//! The stores of the crate: all checks, and what is exact over tasks, processes and restarts.

#[cfg(feature = "sqlite")]
use tower_auth::SqliteKeyStore;
use tower_auth::testing::conformance;

use super::{
    exact::{crashed, stopped},
    *,
};
#[cfg(feature = "sqlite")]
use crate::support::folder::Folder;

#[tokio::test]
async fn the_store_in_memory_passes_all_checks() {
    conformance::check_budgets(async || MemoryKeyStore::new()).await;
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
