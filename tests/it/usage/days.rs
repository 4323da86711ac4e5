//! Days and hours are those of UTC, in every database and every time zone; and keys that go while they are counted.

use tower_auth::{
    KeyRegistry, NewKey, PostgresKeyStore, SqliteKeyStore,
    registry::RegistryStore,
    usage::{UsageCount, UsageStore},
};

use super::*;
use crate::support::{
    folder::Folder,
    postgres::{self, Database},
};

async fn sqlite(folder: &Folder) -> SqliteKeyStore {
    let store = SqliteKeyStore::open(folder.path().join("keys.db")).unwrap();
    store.migrate().await.unwrap();
    store
}

/// A store whose sessions have this time zone.
async fn postgres_in(database: &Database, zone: &str) -> PostgresKeyStore {
    let mut config: tokio_postgres::Config = database.url().parse().unwrap();
    config.options(format!("-c timezone={zone}"));
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    let store = PostgresKeyStore::from_pool(deadpool_postgres::Pool::builder(manager).max_size(2).build().unwrap());
    store.migrate().await.unwrap();
    store
}

fn numbers(counts: &[UsageCount]) -> Vec<u64> {
    counts.iter().map(|count| count.count).collect()
}

/// A request an hour, for four days around a change of the clocks of that zone, in one batch.
async fn nothing_shifts(store: impl UsageStore, changes: &[&str]) {
    let clock = ManualClock::at(NOW);
    let usage = Usage::with(store, UsagePolicy::new(), &clock);
    let eight = child::Eight::new(&usage, &clock);
    for change in changes {
        clock.set(change);
        let start = clock.now();
        for _ in 0..4 * 24 {
            assert_eq!(ask(&eight.stack, request(&eight.secrets[0], &[])).await, 200);
            clock.advance(HOUR);
        }
        usage.flush().await.unwrap();
        let hours = usage.hours(UsageOf::key("key_0"), start..clock.now()).await.unwrap();
        assert_eq!(numbers(&hours), [1; 4 * 24], "{change}");
        let days = usage.days(UsageOf::key("key_0"), start..clock.now()).await.unwrap();
        assert_eq!(numbers(&days), [24; 4], "{change}");
        let first = start - Duration::from_secs(30 * 60);
        assert!(days.iter().zip(0..).all(|(day, number)| day.start == first + DAY * number), "{change}: {days:?}");
        assert!(hours.iter().zip(0..).all(|(hour, number)| hour.start == first + HOUR * number), "{change}");
    }
}

#[tokio::test]
async fn nothing_shifts_in_any_time_zone() {
    let folder = Folder::new("sqlite-usage-days");
    nothing_shifts(sqlite(&folder).await, &["2027-03-26T00:30:00Z", "2027-10-29T00:30:00Z"]).await;
    for (zone, changes) in [
        ("Europe/Zurich", ["2027-03-26T00:30:00Z", "2027-10-29T00:30:00Z"]),
        ("America/New_York", ["2027-03-12T00:30:00Z", "2027-11-05T00:30:00Z"]),
        ("Australia/Lord_Howe", ["2027-04-02T00:30:00Z", "2027-10-01T00:30:00Z"]),
        ("Pacific/Kiritimati", ["2027-02-26T00:30:00Z", "2027-12-30T00:30:00Z"]),
    ] {
        let Some(database) = postgres::database().await else { return };
        nothing_shifts(postgres_in(&database, zone).await, &changes).await;
    }
}

/// A batch with requests of two days, the later ones first, and another batch for the day before.
async fn a_clock_is_set_back(store: impl UsageStore) {
    let clock = ManualClock::at("2027-01-15T23:59:59Z");
    let usage = Usage::with(store, UsagePolicy::new(), &clock);
    let eight = child::Eight::new(&usage, &clock);
    let times = clock.now() - 2 * DAY..clock.now() + 2 * DAY;
    let (key, of) = (&eight.secrets[0], UsageOf::key("key_0"));
    for (time, is_written) in [
        ("2027-01-15T23:59:59Z", false),
        ("2027-01-16T00:00:01Z", false),
        ("2027-01-15T23:59:58Z", true),
        ("2027-01-16T00:00:00Z", false),
        ("2027-01-14T12:00:00Z", true),
    ] {
        clock.set(time);
        assert_eq!(ask(&eight.stack, request(key, &[])).await, 200);
        if is_written {
            usage.flush().await.unwrap();
        }
    }
    assert_eq!(numbers(&usage.days(of.clone(), times.clone()).await.unwrap()), [1, 2, 2]);
    assert_eq!(numbers(&usage.hours(of, times).await.unwrap()), [1, 2, 2]);
    clock.set("2027-01-16T00:00:01Z");
    let last = usage.last_uses(&["key_0".to_owned()]).await.unwrap();
    assert_eq!(last[0].at, clock.now(), "the last use does not go back");
}

#[tokio::test]
async fn a_clock_that_is_set_back_in_a_batch_counts_each_day() {
    a_clock_is_set_back(MemoryKeyStore::new()).await;
    let folder = Folder::new("sqlite-usage-back");
    a_clock_is_set_back(sqlite(&folder).await).await;
    let Some(database) = postgres::database().await else { return };
    a_clock_is_set_back(postgres_in(&database, "UTC").await).await;
}

/// The counts of a key that was deleted and purged are written, and so are those of the others.
async fn a_key_goes(store: impl UsageStore + tower_auth::KeyStore + RegistryStore + Clone) {
    let clock = ManualClock::at(NOW);
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
    let registry = KeyRegistry::with_clock(scheme.clone(), store.clone(), &clock);
    let usage = Usage::with(store.clone(), UsagePolicy::new(), &clock);
    let builder = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store));
    let stack = builder.on_decision(usage.observer()).clock(&clock).build().unwrap();
    let admin = Principal::builder("alice").build();
    let mut keys = Vec::new();
    for _ in 0..2 {
        keys.push(registry.create(&admin, NewKey::named("ci").account("acme")).await.unwrap());
    }
    for is_purged in [false, true] {
        for key in &keys {
            ask(&stack, request(key.secret.expose(), &[])).await;
        }
        if is_purged {
            clock.advance(HOUR);
            assert_eq!(registry.purge(&admin, clock.now()).await.unwrap(), 1);
        } else {
            registry.delete(&admin, keys[0].key.id()).await.unwrap();
        }
        usage.flush().await.unwrap();
    }
    let totals = async |of| usage.totals(of, 1).await.unwrap();
    let gone = totals(UsageOf::key(keys[0].key.id())).await;
    assert_eq!(gone.answered(), 1, "what was under way is written");
    assert_eq!(totals(UsageOf::key(keys[1].key.id())).await.answered(), 2);
    assert_eq!(totals(UsageOf::account("acme")).await.answered(), 3);
    assert_eq!(totals(UsageOf::account("acme")).await.refused(), gone.refused());
}

#[tokio::test]
async fn a_key_that_is_deleted_while_it_is_counted() {
    a_key_goes(MemoryKeyStore::new()).await;
    let folder = Folder::new("sqlite-usage-deleted");
    a_key_goes(sqlite(&folder).await).await;
    let Some(database) = postgres::database().await else { return };
    a_key_goes(postgres_in(&database, "UTC").await).await;
}
