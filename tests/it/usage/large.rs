//! An organisation with 100,000 keys, each of which has asked.

use tower_auth::{
    AuthMethod, PostgresKeyStore, SqliteKeyStore,
    testing::FakeAuth,
    usage::{By, UsageStore},
};

use super::*;
use crate::support::{folder::Folder, postgres};

const KEYS: usize = 100_000;
/// The keys of one account.
const OF_ACCOUNT: usize = 100;

/// A stack that admits a key by its number in the path.
fn stack(usage: &Usage, clock: &ManualClock) -> AuthStack {
    let auth = FakeAuth::from_fn(|request| {
        let number: usize = request.path().trim_start_matches('/').parse().ok()?;
        let key = Principal::builder("ci").method(AuthMethod::ApiKey).credential_id(format!("key_{number}"));
        Some(key.account(format!("account_{}", number / OF_ACCOUNT)).organizations(["org_1"]).build())
    });
    AuthStack::builder().auth(auth).on_decision(usage.observer()).clock(clock).build().unwrap()
}

async fn a_hundred_thousand_keys(store: impl UsageStore + Clone) {
    let clock = ManualClock::at(NOW);
    let usage = Usage::with(store.clone(), UsagePolicy::new(), &clock);
    let stack = stack(&usage, &clock);
    for number in 0..KEYS {
        let request = Request::get(format!("/{number}")).body(Body::default()).unwrap();
        assert_eq!(ask(&stack, request).await, 200);
    }
    usage.flush().await.unwrap();
    assert_eq!(usage.lost_count(), 0);
    sums(&usage, KEYS as u64).await;
    let page: Vec<String> = (0..1_000).map(|number| format!("key_{}", number * 97)).collect();
    let mut uses = usage.last_uses(&page).await.unwrap();
    uses.sort_by_key(|last| page.iter().position(|key| *key == last.key));
    assert!(uses.iter().map(|last| &last.key).eq(&page));
    assert!(uses.iter().all(|last| last.at == clock.now()));
    forgotten(&usage, &clock).await;
}

async fn sums(usage: &Usage, all: u64) {
    for (of, count) in [
        (UsageOf::organization("org_1"), all),
        (UsageOf::account("account_0"), OF_ACCOUNT as u64),
        (UsageOf::account("account_999"), OF_ACCOUNT as u64),
        (UsageOf::key("key_99999"), 1),
    ] {
        assert_eq!(usage.totals(of.clone(), 1).await.unwrap().all(), count, "{of}");
    }
}

/// The organisation goes by itself, the hours of all keys after two days, and the days after 400.
async fn forgotten(usage: &Usage, clock: &ManualClock) {
    let times = SystemTime::UNIX_EPOCH..clock.now() + DAY;
    let rows = async |by: By, number: usize| {
        let of = UsageOf::key(format!("key_{number}"));
        let rows = match by {
            By::Hour => usage.hours(of, times.clone()).await,
            _ => usage.days(of, times.clone()).await,
        };
        rows.unwrap().len()
    };
    usage.erase(UsageOf::organization("org_1")).await.unwrap();
    assert!(usage.totals(UsageOf::organization("org_1"), 1).await.unwrap().is_empty());
    usage.erase(UsageOf::key("key_0")).await.unwrap();
    assert!(usage.last_uses(&["key_0".to_owned()]).await.unwrap().is_empty());
    clock.advance(3 * DAY);
    usage.forget().await.unwrap();
    for number in (1..KEYS).step_by(9_999) {
        assert_eq!((rows(By::Hour, number).await, rows(By::Day, number).await), (0, 1), "key_{number}");
    }
    clock.advance(400 * DAY);
    usage.forget().await.unwrap();
    for number in (1..KEYS).step_by(9_999) {
        assert_eq!(rows(By::Day, number).await, 0, "key_{number}");
    }
    let last = usage.last_uses(&["key_1".to_owned()]).await.unwrap();
    assert_eq!(last.len(), 1, "the time of the last use stays");
}

#[tokio::test]
async fn an_organisation_of_100_000_keys_is_counted_in_sqlite() {
    let folder = Folder::new("sqlite-usage-large");
    let store = SqliteKeyStore::open(folder.path().join("keys.db")).unwrap();
    store.migrate().await.unwrap();
    a_hundred_thousand_keys(store).await;
}

#[tokio::test]
async fn an_organisation_of_100_000_keys_is_counted_in_postgres() {
    let Some(database) = postgres::database().await else { return };
    let store = PostgresKeyStore::from_pool(database.pool(4));
    store.migrate().await.unwrap();
    a_hundred_thousand_keys(store).await;
}
