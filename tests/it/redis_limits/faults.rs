//! One server that fails in each way in which a server fails.

use tokio::time::sleep;

use super::{
    load::{DEADLINE, Data, Load, TASKS, eventually, outage},
    *,
};
use crate::{
    no_leak::Logs,
    support::{
        process::{free_address, until},
        proxy::Proxy,
        redis,
    },
};

/// A limiter at an address, with a deadline that a frozen server costs.
fn deadline(url: &str) -> RedisLimiter {
    let config = RedisConfig::url(url).unwrap().prefix(&prefix()).unwrap();
    RedisLimiter::with(config, SharedPolicy::exact().deadline(DEADLINE))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_restarted_empty() {
    let Some(server) = redis::private(&[]) else { return };
    let redis = deadline(&server.url());
    let server = std::sync::Mutex::new(server);
    outage(&redis, Data::Lost, || server.lock().unwrap().kill(), || server.lock().unwrap().restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server() {
    let Some(server) = redis::private(&[]) else { return };
    outage(&deadline(&server.url()), Data::Kept, || server.freeze(), || server.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_silent() {
    let Some(server) = redis::server() else { return };
    let proxy = Proxy::to(server.address());
    let redis = deadline(&format!("redis://{}", proxy.address()));
    outage(&redis, Data::Kept, || proxy.black_hole(), || proxy.release()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_out_of_memory() {
    let Some(server) = redis::private(&["--maxmemory-policy", "noeviction"]) else { return };
    let set = |bytes| {
        let _: () = server.ask(&["CONFIG", "SET", "maxmemory", bytes]);
    };
    outage(&deadline(&server.url()), Data::Kept, || set("1"), || set("0")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_made_a_replica_for_a_while() {
    let Some(server) = redis::private(&[]) else { return };
    let nobody = free_address().port().to_string();
    let fail = || {
        let _: () = server.ask(&["REPLICAOF", "127.0.0.1", &nobody]);
    };
    let mend = || {
        let _: () = server.ask(&["REPLICAOF", "NO", "ONE"]);
    };
    outage(&deadline(&server.url()), Data::Kept, fail, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_misses_its_replicas() {
    let Some(server) = redis::private(&[]) else { return };
    let set = |least| {
        let _: () = server.ask(&["CONFIG", "SET", "min-replicas-to-write", least]);
    };
    outage(&deadline(&server.url()), Data::Kept, || set("1"), || set("0")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_clients_are_paused() {
    let Some(server) = redis::private(&[]) else { return };
    let fail = || {
        let _: () = server.ask(&["CLIENT", "PAUSE", "600000", "WRITE"]);
    };
    let mend = || {
        let _: () = server.ask(&["CLIENT", "UNPAUSE"]);
    };
    outage(&deadline(&server.url()), Data::Kept, fail, mend).await;
}

/// A charge that begins the outage is refused for the moment, so it is known that it was not counted, and it waits as the others do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_is_refused_for_the_moment_is_carried_out_later() {
    let Some(server) = redis::private(&["--maxmemory-policy", "noeviction"]) else { return };
    let redis = deadline(&server.url());
    redis.check().await.unwrap();
    let (api, budget) = (redis.named("api"), limits(Quota::per_day(20)));
    let _: () = server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    api.charge(alice(), &budget, 3, Duration::ZERO.into());
    assert!(until(|| redis.health().trouble.is_some()));
    assert_eq!((redis.health().failed, redis.health().lost), (1, 0));
    let _: () = server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(eventually(|| redis.health().trouble.is_none() && redis.health().queued == 0).await);
    assert!(until(|| redis.health().asked == 1));
    assert_eq!(remaining(&admitted(ask(&api, alice(), &budget, 0).await)), [17]);
}

/// What a process has leased, it can use while the server is silent, and not more than that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leased_requests_are_admitted_in_an_outage() {
    let Some(server) = redis::private(&[]) else { return };
    let config = RedisConfig::url(&server.url()).unwrap();
    let policy = SharedPolicy::leased(1).lease_for(Duration::from_secs(600)).deadline(Duration::from_millis(500));
    let redis = RedisLimiter::with(config, policy);
    let (api, budget) = (redis.named("api"), limits(Quota::per_day(1000)));
    for _ in 0..100 {
        admitted(ask(&api, alice(), &budget, 1).await);
    }
    // A lease that is under way is taken before the server is frozen.
    assert!(until(|| redis.health().unused > 2));
    sleep(Duration::from_millis(500)).await;
    let unused = redis.health().unused;
    server.freeze();
    let (mut leased, mut failed) = (0, 0);
    while failed < 20 {
        if let Ok(decided) = api.decide(alice(), &budget, 1, Duration::ZERO.into()).await {
            admitted(decided);
            leased += 1;
        } else {
            failed += 1;
        }
    }
    assert_eq!((leased, redis.health().unused), (unused, 0));
    server.thaw();
    assert!(eventually(|| redis.health().trouble.is_none()).await);
    admitted(ask(&api, alice(), &budget, 1).await);
}

/// Those under way get an error, and the next ones find a new connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut() {
    let Some(server) = redis::server() else { return };
    let proxy = Proxy::to(server.address());
    let redis = deadline(&format!("redis://{}", proxy.address()));
    let load = Load::start(&redis.named("load"));
    for round in 1..=3 {
        load.goes_on(50).await;
        proxy.cut();
        load.goes_on(50).await;
        let health = redis.health();
        assert!(health.failed <= round * TASKS, "{health:?}");
    }
    load.stop().await;
    assert!(eventually(|| redis.health().trouble.is_none()).await);
}

/// Nobody notices: a script that the server has forgotten is sent with the request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_the_server_forgets() {
    let Some(server) = redis::private(&[]) else { return };
    let redis = deadline(&server.url());
    let (load, api, budget) = (Load::start(&redis.named("load")), redis.named("api"), limits(Quota::per_day(100)));
    for round in 1..=20_u32 {
        let _: () = server.ask(&["SCRIPT", "FLUSH"]);
        assert_eq!(remaining(&admitted(ask(&api, alice(), &budget, 1).await)), [100 - round], "counted once");
        load.goes_on(20).await;
    }
    load.is_unharmed();
    let admitted = load.stop().await;
    let health = redis.health();
    assert_eq!((health.failed, health.skipped, health.asked), (0, 0, admitted + 20));
}

/// The log says once that it begins and once that it ends, and what is wrong where.
#[tokio::test]
async fn an_outage_is_told_twice() {
    let Some(mut server) = redis::private(&[]) else { return };
    let (redis, logs) = (deadline(&server.url()), Logs::capture());
    let (api, limits) = (redis.named("api"), limits(Quota::per_day(100)));
    redis.check().await.unwrap();
    admitted(ask(&api, alice(), &limits, 1).await);
    let upkeep = redis.start();
    server.kill();
    for _ in 0..50 {
        api.decide(alice(), &limits, 1, Duration::ZERO.into()).await.unwrap_err();
        sleep(Duration::from_millis(2)).await;
    }
    let address = format!("Redis at {}", server.address());
    assert!(redis.health().trouble.unwrap().contains(&address));
    assert!(format!("{:?}", upkeep.health()).contains("Degraded"));
    server.restart();
    assert!(eventually(|| redis.health().trouble.is_none()).await);
    for _ in 0..50 {
        admitted(ask(&api, alice(), &limits, 1).await);
    }
    let logged = logs.text();
    let lines = |part: &str| logged.lines().filter(|line| line.contains(part)).collect::<Vec<_>>();
    let (begun, ended) =
        (lines("a server of shared limits does not answer"), lines("the server of shared limits answers again"));
    assert_eq!((begun.len(), ended.len()), (1, 1), "{logged}");
    assert!(begun[0].contains("WARN") && begun[0].contains(&address) && ended[0].contains("INFO"), "{logged}");
}

/// A bucket that is lost begins anew: one more burst, and not more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_data_admit_one_more_burst() {
    let Some(server) = redis::private(&[]) else { return };
    let (prefix, budget) = (prefix(), limits(Quota::per_day(20)));
    let spend = async |api: &NamedLimiter| {
        let mut spent = 0;
        while let LimitDecision::Admitted(_) = ask(api, alice(), &budget, 1).await {
            spent += 1;
        }
        spent
    };
    let [one, other, third] = [(); 3].map(|()| at(&server, &prefix, SharedPolicy::exact()).named("api"));
    assert_eq!((spend(&one).await, spend(&other).await), (20, 0));
    let _: () = server.ask(&["FLUSHALL"]);
    // The others know that the bucket is empty, and do not ask.
    assert_eq!((spend(&other).await, spend(&third).await, spend(&one).await), (0, 20, 0));
}

/// Replication is asynchronous: what the replica has not heard is admitted once more, and not twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_admits_what_the_replica_has_not_heard() {
    let (Some(mut primary), Some(replica)) = (redis::private(&[]), redis::private(&[])) else { return };
    let (proxy, prefix, budget) = (Proxy::to(primary.address()), prefix(), limits(Quota::per_day(20)));
    let _: () = replica.ask(&["REPLICAOF", "127.0.0.1", &proxy.address().port().to_string()]);
    assert!(until(|| replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")));
    let api = at(&primary, &prefix, SharedPolicy::exact()).named("api");
    admitted(ask(&api, alice(), &budget, 4).await);
    assert!(until(|| replica.ask::<i64>(&["DBSIZE"]) == 1), "the replica has the first count");
    proxy.black_hole();
    admitted(ask(&api, alice(), &budget, 16).await);
    refused(ask(&api, alice(), &budget, 1).await);
    primary.kill();
    let _: () = replica.ask(&["REPLICAOF", "NO", "ONE"]);
    let api = at(&replica, &prefix, SharedPolicy::exact()).named("api");
    admitted(ask(&api, alice(), &budget, 16).await);
    refused(ask(&api, alice(), &budget, 1).await);
}
