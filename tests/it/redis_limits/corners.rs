//! What is easily forgotten: a bucket that cannot be read, a connection that was idle, a server that is slow, a task that was dropped, a mixed deployment.

use std::time::Instant;

use tower_auth::limit::Reservation;

use super::{clock::Standing, *};
use crate::support::{process::until, proxy::Proxy, redis};

fn bob() -> BucketKey {
    BucketKey::new(["bob"])
}

async fn try_ask(limiter: &NamedLimiter, bucket: BucketKey, limits: &Limits) -> Result<LimitDecision, String> {
    limiter.decide(bucket, limits, 1, Duration::ZERO.into()).await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_cannot_be_read_concerns_nobody_else() {
    let Some(server) = redis::private(&[]) else { return };
    let redis = limiter(&server, SharedPolicy::exact());
    redis.check().await.unwrap();
    let (api, limits) = (redis.named("api"), limits(Quota::per_hour(1_000)));
    let before: Vec<String> = server.ask(&["KEYS", "*"]);
    admitted(ask(&api, alice(), &limits, 1).await);
    let keys: Vec<String> = server.ask(&["KEYS", "*"]);
    let key = keys.iter().find(|key| !before.contains(key)).unwrap();
    for spoil in [
        &["SET", key, "garbage"][..],
        &["SET", key, ""],
        &["SET", key, "\u{1}"],
        &["DEL", key],
        &["RPUSH", key, "a list"],
    ] {
        let _: ::redis::Value = server.ask(spoil);
        if spoil[0] == "DEL" {
            continue;
        }
        let error = try_ask(&api, alice(), &limits).await.unwrap_err();
        assert!(error.contains(key.as_str()), "{error}");
        admitted(ask(&api, bob(), &limits, 1).await);
    }
    assert!(redis.health().trouble.is_none());
    let _: i64 = server.ask(&["DEL", key]);
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 1).await)), [999]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_has_closed_costs_no_decision() {
    let Some(server) = redis::private(&[]) else { return };
    let redis = limiter(&server, SharedPolicy::exact());
    let (api, limits) = (redis.named("api"), limits(Quota::per_hour(100)));
    admitted(ask(&api, alice(), &limits, 1).await);
    let clients = || server.ask::<String>(&["CLIENT", "LIST", "TYPE", "NORMAL"]).lines().count();
    let _: i64 = server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert!(until(|| clients() == 1), "the one that asks");
    // The end of a connection is under way for some moments.
    tokio::time::sleep(Duration::from_millis(200)).await;
    admitted(ask(&api, alice(), &limits, 1).await);
    assert_eq!(redis.health().failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p49_a_server_that_is_slow_is_waited_for_less_and_less() {
    let Some(server) = redis::private(&[]) else { return };
    let proxy = Proxy::to(server.address());
    let config = RedisConfig::url(&format!("redis://{}", proxy.address())).unwrap();
    let redis = RedisLimiter::with(config, SharedPolicy::exact().deadline(Duration::from_millis(250)));
    redis.check().await.unwrap();
    let (api, limits) = (redis.named("api"), limits(Quota::per_hour(100_000)));
    proxy.delay(Duration::from_millis(200));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        let _ = try_ask(&api, alice(), &limits).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let health = redis.health();
    assert!(health.failed <= 2 && health.skipped > 100, "every answer is late, and so is that to a probe: {health:?}");
    proxy.delay(Duration::ZERO);
    assert!(until(|| redis.health().trouble.is_none()), "{:?}", redis.health());
}

#[tokio::test(flavor = "multi_thread")]
async fn r138_processes_with_different_limits_do_not_fail_under_load() {
    let Some(server) = redis::server() else { return };
    let (prefix, start) = (prefix(), Instant::now());
    let versions = [1_000_000, 1_000_001]
        .map(|events| (at(server, &prefix, SharedPolicy::exact()), limits(Quota::per_hour(events))));
    let mut tasks = tokio::task::JoinSet::new();
    for (redis, limits) in versions.iter().flat_map(|version| std::iter::repeat_n(version, 8)) {
        let (api, limits) = (redis.named("api"), limits.clone());
        tasks.spawn(async move {
            let mut count = 0_u32;
            while start.elapsed() < Duration::from_millis(1500) {
                admitted(ask(&api, alice(), &limits, 1).await);
                count += 1;
            }
            count
        });
    }
    let all: u32 = tasks.join_all().await.into_iter().sum();
    let left = remaining(&admitted(ask(&versions[1].0.named("api"), alice(), &versions[1].1, 0).await))[0];
    // A second refills 278 of them.
    assert!(1_000_001 - left <= all && 1_000_001 - left + 10_000 > all, "{all} were admitted, and {left} are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_are_full_again_are_forgotten_without_a_task() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::exact());
    let (api, limits) = (redis.named("api"), limits(Quota::per_second(1)));
    for number in 0..20 {
        ask(&api, BucketKey::new([&*number.to_string()]), &limits, 1).await;
    }
    assert!(redis.health().buckets > 0);
    assert!(until(|| redis.health().buckets == 0), "{:?}", redis.health());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_task_leaves_no_charge_behind() {
    let Some(server) = redis::private(&[]) else { return };
    let proxy = Proxy::to(server.address());
    let config = RedisConfig::url(&format!("redis://{}", proxy.address())).unwrap();
    let redis = RedisLimiter::with(config, SharedPolicy::exact().deadline(Duration::from_millis(300)));
    let (api, limits) = (redis.named("api"), limits(Quota::per_hour(100)));
    redis.check().await.unwrap();
    let task = redis.start();
    proxy.black_hole();
    assert!(try_ask(&api, alice(), &limits).await.is_err());
    api.charge(alice(), &limits, 1, Duration::ZERO.into());
    drop(task);
    assert_eq!(redis.health().queued, 1);
    proxy.release();
    assert!(until(|| redis.health().queued == 0), "{:?}", redis.health());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_started_later_hears_of_each_charge() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::leased(1).lease_for(Duration::from_secs(600)));
    let (api, limits) = (redis.named("api"), limits(Quota::per_day(1_000)));
    api.charge(alice(), &limits, 1, Duration::ZERO.into());
    assert!(until(|| redis.health().queued == 0), "by the limiter's own task");
    for _ in 0..3 {
        let task = redis.start();
        api.charge(alice(), &limits, 1, Duration::ZERO.into());
        assert!(until(|| redis.health().queued == 0), "{:?}", redis.health());
        drop(task);
        api.charge(alice(), &limits, 1, Duration::ZERO.into());
        assert!(until(|| redis.health().queued == 0), "{:?}", redis.health());
    }
    assert_eq!(redis.health().lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_a_server_ends() {
    let Some(mut server) = redis::private(&[]) else { return };
    let redis = RedisLimiter::new(RedisConfig::url(&server.url()).unwrap());
    redis.check().await.unwrap();
    let task = redis.start();
    server.kill();
    let limits = limits(Quota::per_hour(100));
    assert!(try_ask(&redis.named("api"), alice(), &limits).await.is_err());
    redis.named("api").charge(alice(), &limits, 1, Duration::ZERO.into());
    tokio::time::timeout(PATIENT, task.stop()).await.expect("it hangs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_costly_request_may_need_what_is_leased() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::leased(1).lease_for(Duration::from_secs(600)));
    let (api, limits) = (redis.named("api"), limits(Quota::per_day(100)));
    let mut count = 0;
    while redis.health().unused == 0 {
        admitted(ask(&api, alice(), &limits, 1).await);
        count += 1;
    }
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 100 - count).await)), [0], "{count}");
    refused(ask(&api, alice(), &limits, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_cost_no_more_questions_than_exact_decisions() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::leased(1));
    let (api, limits) = (redis.named("api"), limits(Quota::per_day(1_000)));
    for number in 0..50 {
        admitted(ask(&api, BucketKey::new([&*number.to_string()]), &limits, 1).await);
    }
    assert_eq!((redis.health().asked, redis.health().unused), (50, 0), "nobody asks often enough for a lease");
}

#[tokio::test(flavor = "multi_thread")]
async fn r136_a_clock_that_was_set_back_gives_nothing_back_of_before() {
    let Some(standing) = Standing::get() else { return };
    let _alone = standing.alone().await;
    let (prefix, limits, now) = (prefix(), limits(Quota::new(5, Duration::from_secs(10))), 1_795_817_600_000_000);
    let new = || {
        let config = RedisConfig::url(&standing.url).unwrap().timeout(PATIENT).unwrap().prefix(&prefix).unwrap();
        RedisLimiter::with(config, SharedPolicy::exact().deadline(PATIENT))
    };
    standing.set(now);
    let levels = admitted(ask(&new().named("api"), alice(), &limits, 5).await);
    standing.set(now + 20_000_000);
    admitted(ask(&new().named("api"), alice(), &limits, 5).await);
    standing.set(now);
    let (redis, reservation) = (new(), Reservation::new(5, &limits, &levels, Duration::ZERO));
    let upkeep = redis.start();
    redis.named("api").refund(alice(), &reservation, Duration::ZERO.into());
    upkeep.stop().await;
    refused(ask(&new().named("api"), alice(), &limits, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_ends_no_local_refusal() {
    let Some(standing) = Standing::get() else { return };
    let _alone = standing.alone().await;
    let (prefix, limits, now) = (prefix(), limits(Quota::per_hour(2)), 1_795_817_600_000_000);
    let config = RedisConfig::url(&standing.url).unwrap().timeout(PATIENT).unwrap().prefix(&prefix).unwrap();
    let redis = RedisLimiter::with(config, SharedPolicy::exact().deadline(PATIENT));
    let (api, upkeep) = (redis.named("api"), redis.start());
    standing.set(now);
    let levels = admitted(ask(&api, alice(), &limits, 2).await);
    standing.set(now - 60_000_000);
    api.refund(alice(), &Reservation::new(1, &limits, &levels, Duration::ZERO), Duration::ZERO.into());
    assert!(until(|| redis.health().asked == 2));
    refused(ask(&api, alice(), &limits, 1).await);
    let asked = redis.health().asked;
    for _ in 0..20 {
        refused(ask(&api, alice(), &limits, 1).await);
    }
    assert_eq!(redis.health().asked, asked);
    drop(upkeep);
}

#[tokio::test]
async fn a_decision_has_no_room_for_a_connection() {
    let redis = RedisLimiter::new(RedisConfig::url("redis://127.0.0.1:1").unwrap());
    let size = size_of_val(&redis.check());
    assert!(size < 8 * 1024, "{size} bytes: a worker thread has a small stack without optimisation");
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_cannot_be_given_back_for_a_costly_request_wait() {
    let Some(mut server) = redis::private(&[]) else { return };
    let redis = limiter(&server, SharedPolicy::leased(1).lease_for(Duration::from_secs(600)));
    let (api, limits) = (redis.named("api"), limits(Quota::per_day(1_000)));
    let upkeep = redis.start();
    while redis.health().unused == 0 {
        admitted(ask(&api, alice(), &limits, 1).await);
    }
    server.kill();
    assert!(try_ask(&api, bob(), &limits).await.is_err());
    assert!(api.decide(alice(), &limits, 900, Duration::ZERO.into()).await.is_err());
    let health = redis.health();
    assert_eq!((health.unused, health.queued, health.lost), (0, 1, 0), "{health:?}");
    server.restart();
    assert!(until(|| redis.health().queued == 0), "{:?}", redis.health());
    upkeep.stop().await;
}
