//! Limits at a primary that Redis Sentinel watches.

use std::collections::HashMap;

use super::{
    load::{DEADLINE, Data, Load, TASKS, bucket, eventually, outage},
    *,
};
use crate::support::{
    process::{free_address, until},
    redis::{Watched, watched},
};

fn limiter(watched: &Watched, prefix: &str) -> RedisLimiter {
    let dead = format!("redis://{}", free_address());
    let config = RedisConfig::sentinel("redis://main", [dead, watched.sentinel.url()]).unwrap().prefix(prefix).unwrap();
    RedisLimiter::with(config, SharedPolicy::exact().deadline(DEADLINE))
}

fn is(server: &Server, role: &str) -> bool {
    server.try_ask::<String>(&["INFO", "replication"]).is_ok_and(|info| info.contains(role))
}

/// The primary dies. Its replica takes over, with the counts that have reached it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_primary_is_found() {
    let Some(mut watched) = watched() else { return };
    let prefix = prefix();
    let redis = limiter(&watched, &prefix);
    redis.check().await.unwrap();
    let (api, budget) = (redis.named("api"), limits(Quota::per_day(20)));
    admitted(ask(&api, alice(), &budget, 15).await);
    assert!(until(|| keys(&watched.replica, &prefix).len() == 1), "the replica has the count");
    let load = Load::start(&redis.named("load"));
    load.goes_on(50).await;
    watched.primary.kill();
    assert!(eventually(|| redis.health().trouble.is_some()).await);
    api.charge(alice(), &budget, 2, Duration::ZERO.into());
    assert!(eventually(|| redis.health().trouble.is_none()).await, "{:?}", redis.health());
    load.goes_on(50).await;
    assert!(is(&watched.replica, "role:master"));
    assert!(eventually(|| redis.health().queued == 0).await);
    assert_eq!(remaining(&admitted(ask(&api, alice(), &budget, 0).await)), [3], "the charge of the outage counts too");
    load.stop().await;
    let health = redis.health();
    assert!(health.failed <= TASKS && health.lost == 0, "{health:?}");
}

/// While there is no primary, the policies decide. The new one has what was written before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policies_decide_until_there_is_a_new_primary() {
    let Some(watched) = watched() else { return };
    let redis = limiter(&watched, &prefix());
    let patience = |millis| {
        let _: () = watched.sentinel.ask(&["SENTINEL", "SET", "main", "down-after-milliseconds", millis]);
    };
    patience("600000");
    let fail = || {
        let _: () = watched.primary.ask(&["SET", "marker", "1"]);
        assert!(until(|| watched.replica.ask::<Option<u32>>(&["GET", "marker"]).is_some()));
        watched.primary.freeze();
    };
    outage(&redis, Data::Kept, fail, || patience("500")).await;
    assert!(is(&watched.replica, "role:master"));
    watched.primary.thaw();
}

/// A primary that is demoted answers READONLY. Then the sentinel is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_primary_is_left() {
    let Some(watched) = watched() else { return };
    let prefix = prefix();
    let redis = limiter(&watched, &prefix);
    let (api, budget) = (redis.named("api"), limits(Quota::per_day(20)));
    for number in 0..20 {
        admitted(ask(&api, bucket(number), &budget, 15).await);
    }
    assert!(until(|| keys(&watched.replica, &prefix).len() == 20));
    let load = Load::start(&redis.named("load"));
    load.goes_on(50).await;
    let replicas = || watched.sentinel.ask::<Vec<HashMap<String, String>>>(&["SENTINEL", "REPLICAS", "main"]);
    let is_good = || replicas().iter().any(|one| one["flags"] == "slave" && one["master-link-status"] == "ok");
    assert!(until(is_good), "the sentinel has not seen the replica");
    let _: () = watched.sentinel.ask(&["SENTINEL", "FAILOVER", "main"]);
    assert!(eventually(|| is(&watched.replica, "role:master") && is(&watched.primary, "role:slave")).await);
    assert!(eventually(|| redis.health().trouble.is_none()).await, "{:?}", redis.health());
    load.goes_on(50).await;
    load.stop().await;
    for number in 0..20 {
        assert_eq!(remaining(&admitted(ask(&api, bucket(number), &budget, 0).await)), [5]);
    }
}
