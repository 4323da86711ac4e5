//! The buckets of a cluster: each is counted by the server that has its slot.

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{ClientIp, PeerAddr, RateLimitLayer, rate_limit::OutagePolicy};

use super::{
    load::{DEADLINE, Load, bucket, eventually},
    *,
};
use crate::support::{
    get, ok,
    process::free_address,
    redis::{self, Cluster},
};

const BUCKETS: u64 = 48;

fn over(cluster: &Cluster, prefix: &str) -> RedisLimiter {
    with(cluster, prefix, PATIENT)
}

fn with(cluster: &Cluster, prefix: &str, deadline: Duration) -> RedisLimiter {
    // One that does not answer does not matter.
    let dead = format!("redis://{}", free_address());
    let urls = [vec![dead], cluster.urls()].concat();
    let config = RedisConfig::cluster(urls).unwrap().prefix(prefix).unwrap();
    RedisLimiter::with(config, SharedPolicy::exact().deadline(deadline))
}

/// The buckets whose slots this server has: one request is counted in each bucket.
async fn buckets_of(api: &NamedLimiter, limits: &Limits, server: &Server, prefix: &str) -> (Vec<u64>, Vec<u64>) {
    let (mut its, mut others) = (Vec::new(), Vec::new());
    for number in 0..BUCKETS {
        let before = keys(server, prefix).len();
        admitted(ask(api, bucket(number), limits, 1).await);
        if keys(server, prefix).len() > before { its.push(number) } else { others.push(number) }
    }
    assert!(its.len() > 2 && others.len() > 2, "{its:?} {others:?}");
    (its, others)
}

/// How often a server has named another one for a slot.
fn redirects(server: &Server) -> u64 {
    let errors: String = server.ask(&["INFO", "errorstats"]);
    let count = errors.lines().find_map(|line| line.strip_prefix("errorstat_MOVED:count="));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_are_spread_and_counted_for_all_processes() {
    let Some(cluster) = redis::cluster() else { return };
    let (prefix, limits) = (prefix(), limits(Quota::per_hour(3)));
    let all = [(); 3].map(|()| over(cluster, &prefix));
    all[0].check().await.unwrap();
    for number in 0..BUCKETS {
        for redis in &all {
            admitted(ask(&redis.named("api"), bucket(number), &limits, 1).await);
        }
        for redis in &all {
            refused(ask(&redis.named("api"), bucket(number), &limits, 1).await);
        }
    }
    let spread: Vec<_> = cluster.servers().iter().map(|server| keys(server, &prefix).len()).collect();
    assert!(spread.iter().all(|count| *count > 0) && spread.iter().sum::<usize>() == 48, "{spread:?}");
    for key in cluster.servers().iter().flat_map(|server| keys(server, &prefix)) {
        let left: i64 = cluster.owner_and_other(&key).0.ask(&["PTTL", &key]);
        assert!(left > 0, "a bucket that is full again is removed");
    }
    assert!(all.iter().all(|redis| redis.health().trouble.is_none() && redis.health().failed == 0));
}

/// While a slot moves, and after it has moved, each bucket is counted in one place, and nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() {
    let Some(cluster) = redis::private_cluster() else { return };
    let (prefix, budget) = (prefix(), limits(Quota::per_day(100)));
    let redis = over(&cluster, &prefix);
    let api = redis.named("api");
    let load = Load::start(&redis.named("load"));
    load.goes_on(50).await;
    let all = || cluster.servers().iter().flat_map(|server| keys(server, &prefix)).collect::<Vec<_>>();
    let (before, bob) = (all(), BucketKey::new(["bob"]));
    assert_eq!(remaining(&admitted(ask(&api, bob, &budget, 1).await)), [99]);
    let key = all().into_iter().find(|key| !before.contains(key)).unwrap();
    let moved = || cluster.servers().iter().map(redirects).sum::<u64>();
    assert_eq!(moved(), 0, "each server is asked for its own slots");
    let (from, to) = cluster.owner_and_other(&key);
    let slot = cluster.slot(&key).to_string();
    let (from_id, to_id): (String, String) = (from.ask(&["CLUSTER", "MYID"]), to.ask(&["CLUSTER", "MYID"]));
    let _: () = to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    let _: () = from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    assert_eq!(remaining(&admitted(ask(&api, bob, &budget, 1).await)), [98], "the key has not moved");
    let port = to.address().port().to_string();
    let _: String = from.ask(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
    assert_eq!(remaining(&admitted(ask(&api, bob, &budget, 1).await)), [97], "the key has moved, and the slot has not");
    let _: () = to.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(remaining(&admitted(ask(&api, bob, &budget, 1).await)), [96], "it brings the script too");
    for server in [to, from] {
        let _: () = server.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    for left in (75..=95).rev() {
        assert_eq!(remaining(&admitted(ask(&api, bob, &budget, 1).await)), [left], "the slot has moved");
    }
    assert_eq!(moved(), 1, "it was remembered");
    assert_eq!(keys(to, &prefix).iter().filter(|one| **one == key).count(), 1);
    load.goes_on(50).await;
    load.is_unharmed();
    load.stop().await;
    let health = redis.health();
    assert_eq!((health.trouble, health.failed, health.skipped), (None, 0, 0));
}

/// A replica takes over on request. The old primary says where the slots are, and is let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_costs_nothing() {
    let Some(mut cluster) = redis::cluster_with_replica() else { return };
    for server in cluster.servers().iter().chain([cluster.replica()]) {
        // On a busy machine, a server may be silent for a second, and the others answer nothing then.
        let _: () = server.ask(&["CONFIG", "SET", "cluster-node-timeout", "15000"]);
    }
    let (prefix, budget) = (prefix(), limits(Quota::per_day(100)));
    let redis = over(&cluster, &prefix);
    let api = redis.named("api");
    let (its, _) = buckets_of(&api, &budget, &cluster.servers()[0], &prefix).await;
    let load = Load::start(&redis.named("load"));
    load.goes_on(50).await;
    let _: () = cluster.replica().ask(&["CLUSTER", "FAILOVER"]);
    let role = |server: &Server, role: &str| server.ask::<String>(&["INFO", "replication"]).contains(role);
    assert!(eventually(|| role(cluster.replica(), "role:master")).await);
    assert!(eventually(|| role(&cluster.servers()[0], "role:slave")).await);
    for number in &its {
        let left = remaining(&admitted(ask(&api, bucket(*number), &budget, 1).await));
        assert_eq!(left, [98], "the replica has every count");
    }
    load.goes_on(50).await;
    load.is_unharmed();
    let health = redis.health();
    assert_eq!((health.trouble, health.failed, health.skipped), (None, 0, 0));
    // Nobody misses it: its lane is gone.
    cluster.servers_mut()[0].kill();
    load.goes_on(200).await;
    load.is_unharmed();
    load.stop().await;
    assert_eq!(redis.health().trouble, None);
}

/// A primary that is killed, or frozen, costs its own buckets one deadline, until its replica has its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_primary_costs_its_own_buckets_only() {
    for is_frozen in [false, true] {
        let Some(mut cluster) = redis::cluster_with_replica() else { return };
        for server in cluster.servers() {
            // Otherwise the others answer nothing while a slot has no server.
            let _: () = server.ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
        }
        let (prefix, budget) = (prefix(), limits(Quota::per_day(100)));
        let redis = with(&cluster, &prefix, DEADLINE);
        redis.check().await.unwrap();
        let api = redis.named("api");
        let (its, others) = buckets_of(&api, &budget, &cluster.servers()[0], &prefix).await;
        let address = cluster.servers()[0].address();
        if is_frozen {
            cluster.servers()[0].freeze();
        } else {
            cluster.servers_mut()[0].kill();
        }
        let waiting = its.iter().map(|number| api.decide(bucket(*number), &budget, 1, Duration::ZERO.into()));
        let waiting: Vec<_> = waiting.map(tokio::spawn).collect();
        let mut failed = 0;
        for one in waiting {
            failed += u64::from(one.await.unwrap().is_err());
        }
        let health = redis.health();
        assert!(failed > 0 && health.failed <= its.len() as u64, "{health:?}");
        // A failover may have come before.
        if let Some(trouble) = &health.trouble {
            assert!(trouble.contains(&address.to_string()), "{trouble}");
        }
        for number in &others {
            assert_eq!(remaining(&admitted(ask(&api, bucket(*number), &budget, 1).await)), [98]);
        }
        assert!(eventually(|| redis.health().trouble.is_none()).await, "{:?}", redis.health());
        for number in &its {
            admitted(ask(&api, bucket(*number), &budget, 1).await);
        }
        let after = redis.health();
        assert_eq!((after.failed, after.trouble), (health.failed, None), "nothing has failed since");
        if is_frozen {
            cluster.servers()[0].thaw();
        }
    }
}

/// The layers of each policy, over many addresses: those of a dead primary are for the policy, and the others are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_decides_for_the_buckets_of_a_dead_primary() {
    let Some(mut cluster) = redis::private_cluster() else { return };
    for server in cluster.servers() {
        let _: () = server.ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let prefix = prefix();
    let redis = with(&cluster, &prefix, DEADLINE);
    let policies = [OutagePolicy::FailClosed, OutagePolicy::FailOpen, OutagePolicy::FallBackToLocal];
    let layers = policies.map(|policy| {
        let layer = RateLimitLayer::by_address(Quota::per_hour(3), ClientIp::peer()).on_outage(policy);
        // The buckets are the same for all, so that they have the same server.
        layer.limiter(redis.named("addresses"))
    });
    let mut its = Vec::new();
    for address in 0..BUCKETS {
        let before = keys(&cluster.servers()[0], &prefix).len();
        assert_eq!(from(&layers[0], address).await, (200, Some(2)));
        its.push(keys(&cluster.servers()[0], &prefix).len() > before);
    }
    assert!(its.contains(&true) && its.contains(&false));
    cluster.servers_mut()[0].kill();
    for (address, is_its) in (0..).zip(its) {
        // Where Redis counts, the layers count together.
        let [closed, open, local] = if is_its {
            [(503, None), (200, None), (200, None)]
        } else {
            [(200, Some(1)), (200, Some(0)), (429, Some(0))]
        };
        assert_eq!(from(&layers[0], address).await, closed, "{address}");
        assert_eq!(from(&layers[1], address).await, open, "{address}");
        assert_eq!(from(&layers[2], address).await, local, "{address}");
    }
    let health = redis.health();
    assert_eq!(health.failed, 1, "{health:?}");
    assert!(health.trouble.unwrap().contains(&cluster.servers()[0].address().to_string()));
}

/// The status of a request from an address, and what remains of its limit.
async fn from(layer: &RateLimitLayer, address: u64) -> (u16, Option<u32>) {
    let mut request = get("/", &[]);
    request.extensions_mut().insert(PeerAddr(format!("192.0.2.{address}").parse().unwrap()));
    let answer = layer.layer(ok()).oneshot(request).await.unwrap();
    let left = answer.headers().get("x-ratelimit-remaining").map(|left| left.to_str().unwrap().parse().unwrap());
    (answer.status().as_u16(), left)
}

/// Without any server, requests fail at once. When they are back, they are found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_nobody_can_reach() {
    let Some(cluster) = redis::private_cluster() else { return };
    cluster.servers().iter().for_each(Server::freeze);
    let (prefix, budget) = (prefix(), limits(Quota::per_day(100)));
    let redis = with(&cluster, &prefix, Duration::from_millis(200));
    let api = redis.named("api");
    let first = api.decide(alice(), &budget, 1, Duration::ZERO.into()).await.unwrap_err();
    assert!(first.to_string().contains("the cluster did not answer within 200 ms"), "{first}");
    for _ in 0..100 {
        api.decide(alice(), &budget, 1, Duration::ZERO.into()).await.unwrap_err();
    }
    let health = redis.health();
    assert_eq!((health.failed, health.skipped, health.asked), (1, 100, 0));
    assert!(health.trouble.is_some() && redis.check().await.is_err());
    cluster.servers().iter().for_each(Server::thaw);
    assert!(eventually(|| redis.health().trouble.is_none()).await, "{:?}", redis.health());
    redis.check().await.unwrap();
    assert_eq!(remaining(&admitted(ask(&api, alice(), &budget, 1).await)), [99]);
}

#[tokio::test]
async fn the_kind_of_servers_must_be_configured() {
    let (Some(server), Some(cluster)) = (redis::server(), redis::cluster()) else { return };
    let one = RedisLimiter::new(RedisConfig::url(&cluster.urls()[0]).unwrap());
    let error = one.check().await.unwrap_err().to_string();
    assert!(error.contains("this server is in a cluster; help: use RedisConfig::cluster"), "{error}");
    let many = RedisLimiter::new(RedisConfig::cluster([server.url()]).unwrap());
    let error = many.check().await.unwrap_err().to_string();
    assert!(error.contains("use RedisConfig::url"), "{error}");
}
