//! Servers that stop, networks that fail, locks of others, and pools without a connection.

use std::time::Instant;

use futures_util::future::join_all;
use tower_auth::limit::shared::SharedHealth;

use super::*;
use crate::support::{process::until, proxy::Proxy};

/// Short enough for a test, and long enough for a busy machine.
const DEADLINE: Duration = Duration::from_millis(1500);
/// A request that takes longer hangs.
const HANGS: Duration = Duration::from_secs(60);
const AT_ONCE: u64 = 20;

fn exact() -> SharedPolicy {
    SharedPolicy::exact().deadline(DEADLINE)
}

/// Requests of several clients at once, again and again, until one fails at once because the server is known not to answer.
/// Returns how many have failed.
async fn fail(shared: &PostgresLimiter, limits: &Limits) -> u64 {
    let (api, begun) = (shared.named("api"), Instant::now());
    let mut failed = 0;
    while shared.health().skipped < AT_ONCE {
        assert!(begun.elapsed() < HANGS, "{:?}", shared.health());
        let all = (0..AT_ONCE).map(|client| {
            let (api, bucket) = (api.clone(), BucketKey::new([&*client.to_string()]));
            async move { api.decide(bucket, limits, 1, Duration::ZERO.into()).await }
        });
        let all = tokio::time::timeout(HANGS, join_all(all)).await.expect("no request hangs");
        failed += all.iter().filter(|outcome| outcome.is_err()).count() as u64;
    }
    failed
}

/// Waits until requests are admitted again.
async fn recover(shared: &PostgresLimiter, limits: &Limits) {
    let begun = Instant::now();
    while shared.named("api").decide(alice(), limits, 1, Duration::ZERO.into()).await.is_err() {
        assert!(begun.elapsed() < HANGS, "{:?}", shared.health());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(until(|| shared.health().trouble.is_none()));
}

/// An outage costs one deadline: only the requests that were under way when it began have waited for it.
fn assert_bounded(health: &SharedHealth) {
    assert!(health.failed - health.lost <= AT_ONCE, "lost are give-backs of the task: {health:?}");
    assert!(health.skipped >= AT_ONCE && health.trouble.is_some(), "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_or_frozen_costs_one_deadline_and_is_found_again() {
    let Some(mut server) = postgres::private(&[]) else { return };
    let tables = Tables::over(server.database()).await;
    let limits = limits(Quota::per_day(1_000_000));
    for is_frozen in [true, false] {
        let store = PostgresKeyStore::from_pool(tables.database.pool(4));
        let shared = PostgresLimiter::with(&store, exact());
        recover(&shared, &limits).await;
        if is_frozen {
            server.freeze();
        } else {
            server.kill();
        }
        assert!(fail(&shared, &limits).await >= AT_ONCE);
        assert_bounded(&shared.health());
        if is_frozen {
            server.thaw();
        } else {
            server.start();
        }
        recover(&shared, &limits).await;
    }
    assert_eq!(tables.rows().await, 1 + 1, "a crash empties the table; the probe wrote a row too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_everything_costs_one_deadline() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_day(1_000_000));
    let proxy = Proxy::to(tables.database.address());
    let store = PostgresKeyStore::from_pool(pool(&tables.database.url_at(proxy.address()), 4, ""));
    for policy in [exact(), SharedPolicy::leased(2).deadline(DEADLINE).lease_for(Duration::from_millis(1))] {
        let shared = PostgresLimiter::with(&store, policy);
        recover(&shared, &limits).await;
        proxy.black_hole();
        fail(&shared, &limits).await;
        assert_bounded(&shared.health());
        proxy.release();
        recover(&shared, &limits).await;
    }
    assert!(until_closed(&tables).await, "no transaction is left open");
}

/// Waits until the server has no open transaction.
async fn until_closed(tables: &Tables) -> bool {
    for _ in 0..600 {
        if tables.open_transactions().await == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_reads_is_an_outage_until_it_writes() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_day(1_000_000));
    let one = pool(&tables.database.url(), 1, "");
    let shared =
        PostgresLimiter::with(&PostgresKeyStore::from_pool(one.clone()), SharedPolicy::exact().deadline(PATIENT));
    shared.check().await.unwrap();
    let set = async |value: &str| {
        let setting = format!("SET default_transaction_read_only = {value}");
        one.get().await.unwrap().batch_execute(&setting).await.unwrap();
    };
    set("on").await;
    let api = shared.named("api");
    let refused = api.decide(alice(), &limits, 1, Duration::ZERO.into()).await.unwrap_err().to_string();
    assert!(refused.contains("SQLSTATE 25006") && refused.contains("of the primary"), "{refused}");
    assert!(shared.check().await.is_err() && shared.health().trouble.is_some());
    // Reading works, and a probe that only reads would let requests through to fail.
    for _ in 0..10 {
        assert!(api.decide(alice(), &limits, 1, Duration::ZERO.into()).await.is_err());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(shared.health().failed < 3, "{:?}", shared.health());
    set("off").await;
    recover(&shared, &limits).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_says_that_it_is_one() {
    let Some(server) = postgres::private(&["wal_level=replica", "max_wal_senders=4"]) else { return };
    let tables = Tables::over(server.database()).await;
    let replica = server.replica();
    let url = tables.database.url_at(replica.address());
    let shared = PostgresLimiter::new(&PostgresKeyStore::from_pool(pool(&url, 2, "")), 1);
    let refused = shared.check().await.unwrap_err().to_string();
    assert!(refused.contains("unlogged relations during recovery") && refused.contains("::writer"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_a_connection_is_an_outage() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_day(10));
    let one = tables.database.pool(1);
    let shared = PostgresLimiter::with(&PostgresKeyStore::from_pool(one.clone()), exact());
    let taken = one.get().await.unwrap();
    fail(&shared, &limits).await;
    assert_bounded(&shared.health());
    drop(taken);
    recover(&shared, &limits).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_a_table_is_an_outage_and_a_lock_of_a_row_concerns_one_bucket() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_day(10));
    let shared = tables.limiter(SharedPolicy::exact());
    let bob = BucketKey::new(["bob"]);
    admitted(ask(&shared.named("api"), alice(), &limits, 1).await);
    let other = pool(&tables.database.superuser(), 1, "").get().await.unwrap();
    other.batch_execute("BEGIN; SELECT * FROM tower_auth.limit_buckets FOR UPDATE").await.unwrap();
    let (waited, ()) = tokio::join!(ask_of(&shared, alice(), &limits), async {
        admitted(ask(&shared.named("api"), bob, &limits, 1).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.batch_execute("COMMIT").await.unwrap();
    });
    admitted(waited);
    let quick = PostgresLimiter::with(&tables.store, exact());
    admitted(ask(&quick.named("api"), alice(), &limits, 1).await);
    other.batch_execute("BEGIN; LOCK tower_auth.limit_buckets").await.unwrap();
    fail(&quick, &limits).await;
    assert_bounded(&quick.health());
    other.batch_execute("COMMIT").await.unwrap();
    recover(&quick, &limits).await;
}

async fn ask_of(shared: &PostgresLimiter, bucket: BucketKey, limits: &Limits) -> LimitDecision {
    ask(&shared.named("api"), bucket, limits, 1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_that_are_dropped_leave_nothing_open_and_admit_nothing_twice() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_calendar_month(100_000));
    let store = PostgresKeyStore::from_pool(tables.database.pool(2));
    let shared = PostgresLimiter::with(&store, SharedPolicy::exact().deadline(PATIENT));
    let mut count = 0;
    for number in 0..300_u64 {
        let limit = Duration::from_micros(100 * (number % 20));
        let decided = tokio::time::timeout(limit, ask_of(&shared, alice(), &limits)).await;
        count += u32::from(decided.is_ok());
    }
    let left = remaining(&admitted(ask(&shared.named("api"), alice(), &limits, 0).await))[0];
    assert!(100_000 - left >= count && 100_000 - left <= 300, "{count} were admitted, and {left} are left");
    assert!(until_closed(&tables).await);
    assert_eq!(shared.health().trouble, None, "who gives up is no outage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_another_version_is_an_error_of_one_bucket() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_day(10));
    let shared = tables.limiter(SharedPolicy::exact());
    admitted(ask(&shared.named("api"), alice(), &limits, 1).await);
    tables.execute("UPDATE tower_auth.limit_buckets SET state = '[2]'");
    let refused = shared.named("api").decide(alice(), &limits, 1, Duration::ZERO.into()).await.unwrap_err();
    assert!(refused.to_string().contains("form that this version cannot read"), "{refused}");
    admitted(ask(&shared.named("api"), BucketKey::new(["bob"]), &limits, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_isolation_and_a_pooler_change_nothing() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_calendar_month(1000));
    let isolation = "-c default_transaction_isolation=serializable";
    let limiters: Vec<_> = (0..4)
        .map(|_| {
            let store = PostgresKeyStore::from_pool(pool(&tables.database.url(), 2, isolation));
            PostgresLimiter::with(&store.behind_transaction_pooler(), SharedPolicy::exact().deadline(PATIENT))
        })
        .collect();
    let asked = (0..80).map(|number| ask_of(&limiters[number % 4], alice(), &limits));
    for decision in join_all(asked).await {
        admitted(decision);
    }
    let left = remaining(&admitted(ask(&limiters[0].named("api"), alice(), &limits, 0).await));
    assert_eq!(left, [920]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_named_with_what_to_do() {
    let Some(tables) = Tables::new().await else { return };
    let elsewhere = tables.store.clone().schema("elsewhere").unwrap();
    let missing = PostgresLimiter::new(&elsewhere, 2).check().await.unwrap_err().to_string();
    assert!(missing.contains("elsewhere.limit_buckets") && missing.contains("PostgresKeyStore::migrate"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_opens_no_breaker() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_day(1_000));
    let shared = PostgresLimiter::with(&tables.store, SharedPolicy::exact().deadline(Duration::from_millis(400)));
    let (api, bob) = (shared.named("api"), BucketKey::new(["bob"]));
    shared.check().await.unwrap();
    admitted(ask(&api, alice(), &limits, 1).await);
    let other = pool(&tables.database.superuser(), 1, "").get().await.unwrap();
    other.batch_execute("BEGIN; SELECT * FROM tower_auth.limit_buckets FOR UPDATE").await.unwrap();
    for _ in 0..3 {
        let error = api.decide(alice(), &limits, 1, Duration::ZERO.into()).await.unwrap_err().to_string();
        assert!(error.contains("its row is locked") || error.contains("behind other questions"), "{error}");
        admitted(ask(&api, bob, &limits, 1).await);
    }
    assert_eq!((shared.health().trouble, shared.health().skipped), (None, 0));
    other.batch_execute("COMMIT").await.unwrap();
    admitted(ask(&api, alice(), &limits, 1).await);
}

#[test]
fn a_runtime_that_ends_leaves_no_line_behind() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let last = runtime();
    let Some(tables) = last.block_on(Tables::new()) else { return };
    let limits = limits(Quota::per_day(1_000));
    let shared = PostgresLimiter::with(&PostgresKeyStore::from_pool(tables.database.pool(2)), exact());
    let api = shared.named("api");
    let first = runtime();
    let mut decision = Box::pin(api.decide(alice(), &limits, 1, Duration::ZERO.into()));
    first.block_on(std::future::poll_fn(|context| {
        // The task that counts is spawned, and never polled.
        assert!(decision.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    }));
    drop((decision, first));
    admitted(last.block_on(ask(&api, alice(), &limits, 1)));
}
