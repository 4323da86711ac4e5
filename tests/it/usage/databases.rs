//! The stores that keep the usage across restarts.

use tower_auth::{
    KeyRegistry, NewKey, PostgresKeyStore, SqliteKeyStore,
    registry::RegistryStore,
    testing::conformance,
    usage::{By, UsageCount, UsageQuery, UsageStore},
};

use super::*;
use crate::support::{folder::Folder, postgres};

#[tokio::test]
async fn the_store_in_sqlite_passes_all_checks() {
    let folder = Folder::new("sqlite-usage");
    let count = std::sync::atomic::AtomicUsize::new(0);
    conformance::check_usage(async || {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let store = SqliteKeyStore::open(folder.path().join(format!("{number}.db"))).unwrap();
        store.migrate().await.unwrap();
        store
    })
    .await;
}

#[tokio::test]
async fn the_store_in_postgres_passes_all_checks() {
    if postgres::database().await.is_none() {
        return;
    }
    // A database is dropped with its value.
    let databases = std::sync::Mutex::new(Vec::new());
    conformance::check_usage(async || {
        let database = postgres::database().await.unwrap();
        let store = PostgresKeyStore::from_pool(database.pool(8));
        store.migrate().await.unwrap();
        databases.lock().unwrap().push(database);
        store
    })
    .await;
}

/// Two processes, each with several tasks, on one store: the sums are exact, and a year is one query.
async fn sums_of_two_writers(store: impl UsageStore + Clone) {
    let hand = ManualClock::at(NOW);
    let writers = [0, 1].map(|_| Usage::with(store.clone(), UsagePolicy::new(), &hand));
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
    let keys = MemoryKeyStore::new();
    let ids: Vec<String> = (0..8).map(|number| format!("key_{number}")).collect();
    let secrets: Vec<String> = ids
        .iter()
        .map(|id| {
            keys.create(&scheme, KeyRecord::new(id, "acme").organizations(["org_1"])).unwrap().expose().to_owned()
        })
        .collect();
    for _ in 0..3 {
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let usage = writers[task % 2].clone();
                let builder = AuthStack::builder().auth(ApiKeyLayer::new(scheme.clone(), keys.clone()));
                let stack = builder.on_decision(usage.observer()).clock(&hand).build().unwrap();
                let secrets = secrets.clone();
                tokio::spawn(async move {
                    for number in 0..100 {
                        assert_eq!(ask(&stack, request(&secrets[(task + number) % 8], &[])).await, 200);
                        if number % 25 == 0 {
                            usage.flush().await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        for writer in &writers {
            writer.flush().await.unwrap();
        }
        hand.advance(DAY);
    }
    let year = SystemTime::UNIX_EPOCH..hand.now();
    let of = async |of| -> Vec<u64> {
        let counts: Vec<UsageCount> = store.counts(&UsageQuery::new(of, By::Day, year.clone())).await.unwrap();
        counts.iter().map(|count| count.count).collect()
    };
    for id in ids {
        assert_eq!(of(UsageOf::key(id)).await, [200; 3]);
    }
    assert_eq!(of(UsageOf::account("acme")).await, [1_600; 3]);
    assert_eq!(of(UsageOf::organization("org_1")).await, [1_600; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_writers_of_one_sqlite_file_lose_nothing() {
    let folder = Folder::new("sqlite-usage-writers");
    let store = SqliteKeyStore::open(folder.path().join("keys.db")).unwrap();
    store.migrate().await.unwrap();
    sums_of_two_writers(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_writers_of_one_postgres_lose_nothing() {
    let Some(database) = postgres::database().await else { return };
    let store = PostgresKeyStore::from_pool(database.pool(8));
    store.migrate().await.unwrap();
    sums_of_two_writers(store).await;
}

/// A token may name an account that no database can keep. It must not stop the counts of the others.
#[tokio::test]
async fn a_name_that_no_database_keeps_is_not_counted() {
    let Some(database) = postgres::database().await else { return };
    let store = PostgresKeyStore::from_pool(database.pool(2));
    store.migrate().await.unwrap();
    let hand = ManualClock::at(NOW);
    let usage = Usage::with(store, UsagePolicy::new(), &hand);
    let auth = tower_auth::testing::FakeAuth::from_fn(|request| {
        let account = if request.path() == "/odd" { "ac\0me" } else { "acme" };
        Some(Principal::builder("alice").account(account).build())
    });
    let stack = AuthStack::builder().auth(auth).on_decision(usage.observer()).clock(&hand).build().unwrap();
    for path in ["/odd", "/"] {
        assert_eq!(ask(&stack, get(path, &[])).await, 200);
    }
    usage.flush().await.unwrap();
    assert_eq!(usage.totals(UsageOf::account("acme"), 1).await.unwrap().answered(), 1);
    assert!(usage.totals(UsageOf::account("ac\0me"), 1).await.unwrap().is_empty());
}

/// An erased account and its keys leave no counts, addresses or paths. Others stay.
async fn an_erased_account_leaves_no_usage(store: impl UsageStore + tower_auth::KeyStore + RegistryStore + Clone) {
    let hand = ManualClock::at(NOW);
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
    let registry = KeyRegistry::with_clock(scheme.clone(), store.clone(), &hand);
    let usage = Usage::with(store.clone(), UsagePolicy::new(), &hand);
    let builder = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store).disclose(Disclosure::All));
    let stack = builder.on_decision(usage.observer()).clock(&hand).build().unwrap();
    let admin = Principal::builder("alice").build();
    let mut ids = Vec::new();
    for account in ["acme", "acme", "other"] {
        let issued = registry.create(&admin, NewKey::named("ci").account(account)).await.unwrap();
        assert_eq!(ask(&stack, request(issued.secret.expose(), &[])).await, 200);
        registry.pause(&admin, issued.key.id()).await.unwrap();
        assert_eq!(ask(&stack, request(issued.secret.expose(), &[])).await, 401);
        ids.push(issued.key.id().to_owned());
    }
    usage.flush().await.unwrap();
    assert_eq!(usage.last_uses(&ids).await.unwrap().len(), 3);
    registry.erase_account(&admin, "acme").await.unwrap();
    for (of, left) in [
        (UsageOf::account("acme"), 0),
        (UsageOf::key(&ids[0]), 0),
        (UsageOf::key(&ids[1]), 0),
        (UsageOf::key(&ids[2]), 2),
        (UsageOf::account("other"), 2),
    ] {
        assert_eq!(usage.totals(of.clone(), 1).await.unwrap().all(), left, "{of}");
        let hours = usage.hours(of.clone(), hand.now() - HOUR..hand.now() + HOUR).await.unwrap();
        assert_eq!(hours.is_empty(), left == 0, "{of}");
    }
    let last = usage.last_uses(&ids).await.unwrap();
    assert_eq!(last.iter().map(|last| &last.key).collect::<Vec<_>>(), [&ids[2]]);
    for (id, left) in [(&ids[0], 0), (&ids[2], 1)] {
        assert_eq!(usage.refusals(id).await.unwrap().len(), left, "{id}");
    }
}

#[tokio::test]
async fn an_erased_account_leaves_no_usage_anywhere() {
    an_erased_account_leaves_no_usage(MemoryKeyStore::new()).await;
    let folder = Folder::new("sqlite-usage-erased");
    let store = SqliteKeyStore::open(folder.path().join("keys.db")).unwrap();
    store.migrate().await.unwrap();
    an_erased_account_leaves_no_usage(store).await;
    let Some(database) = postgres::database().await else { return };
    let store = PostgresKeyStore::from_pool(database.pool(4));
    store.migrate().await.unwrap();
    an_erased_account_leaves_no_usage(store).await;
}
