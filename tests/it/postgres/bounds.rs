//! The bound that all caches share.

use std::time::Duration;

use tower_auth::{PostgresKeyStore, cache::Changes as _, registry::RegistryStore as _};

use super::{Tables, pool};

#[tokio::test]
async fn the_first_cache_stores_its_bound_and_an_administrator_changes_it() {
    let Some(tables) = Tables::new().await else { return };
    let (store, second) = (&tables.store, Duration::from_secs(1));
    let changes = store.changes(&tables.database.url()).unwrap();
    assert_eq!(store.staleness().await.unwrap(), Duration::ZERO);
    let precise = Duration::from_nanos(2_000_001);
    assert_eq!(changes.shared_bound(precise).await.unwrap(), Duration::from_micros(2_001), "it is rounded up");
    for wanted in [second, Duration::from_millis(1)] {
        assert_eq!(changes.shared_bound(wanted).await.unwrap(), Duration::from_micros(2_001));
    }
    for bound in [second * 5, Duration::MAX, second] {
        store.set_cache_bound(bound).await.unwrap();
        let stored = bound.min(Duration::from_micros(i64::MAX.unsigned_abs()));
        assert_eq!(store.staleness().await.unwrap(), stored);
        assert_eq!(changes.shared_bound(second).await.unwrap(), stored);
    }
    store.set_cache_bound(Duration::ZERO).await.unwrap();
    assert_eq!(store.staleness().await.unwrap(), Duration::ZERO);
    assert_eq!(changes.shared_bound(second).await.unwrap(), second);
}

#[tokio::test]
async fn caches_that_start_at_once_share_one_bound() {
    let Some(tables) = Tables::new().await else { return };
    let starts = (1..9).map(|number| {
        let changes = tables.store.changes(&tables.database.url()).unwrap();
        async move { changes.shared_bound(Duration::from_secs(number)).await.unwrap() }
    });
    let bounds = futures_util::future::join_all(starts).await;
    assert!(bounds.iter().all(|bound| *bound == bounds[0]), "{bounds:?}");
}

#[tokio::test]
async fn a_role_without_the_privilege_is_told() {
    let Some(tables) = Tables::new().await else { return };
    let nobody = tables.database.role("nobody");
    let store = PostgresKeyStore::from_pool(pool(&nobody.url, 1, ""));
    let bound = Duration::from_secs(1);
    let denied = [
        store.changes(&nobody.url).unwrap().shared_bound(bound).await.unwrap_err().to_string(),
        store.set_cache_bound(bound).await.unwrap_err().to_string(),
        store.staleness().await.unwrap_err().to_string(),
    ];
    for denied in denied {
        assert!(denied.contains("permission denied") && denied.contains("help: grant"), "{denied}");
    }
}
