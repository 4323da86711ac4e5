//! What the user of the URL must be allowed to do.

use super::*;
use crate::support::{process::until, redis};

/// The rules of the module page.
const RULES: [&str; 8] = ["+hello", "+select", "+info", "+script|load", "+evalsha", "+eval", "+get", "+set"];
const TIME: &str = "+time";
const CLUSTER_RULES: [&str; 2] = ["+cluster|slots", "+asking"];

/// Counts, gives back, and counts again after the server has forgotten the scripts.
async fn works(redis: &RedisLimiter, forget: impl Fn()) -> Result<(), tower_auth::BoxError> {
    redis.check().await?;
    let (api, limits) = (redis.named("api"), limits(Quota::per_day(10)));
    let one = || api.decide(alice(), &limits, 1, Duration::ZERO.into());
    let levels = admitted(one().await?);
    let taken = tower_auth::limit::Reservation::new(1, &limits, &levels, Duration::ZERO);
    api.refund(alice(), &taken, Duration::ZERO.into());
    assert!(until(|| redis.health().queued == 0));
    forget();
    one().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_permissions_are_enough_and_all_needed() {
    let Some(server) = redis::private(&[]) else { return };
    let all: Vec<_> = RULES.into_iter().chain([TIME]).collect();
    let user = |rules: &[&str]| {
        let own = ["ACL", "SETUSER", "limits", "reset", "on", ">secret", "resetchannels", "~tower_auth:limit:*"];
        let _: () = server.ask(&[&own, rules].concat());
    };
    let forget = || {
        let _: () = server.ask(&["SCRIPT", "FLUSH"]);
    };
    let limiter = |database: &str| {
        let config = RedisConfig::url(&format!("redis://limits:secret@{}{database}", server.address())).unwrap();
        RedisLimiter::with(config, SharedPolicy::exact().deadline(PATIENT))
    };
    user(&all);
    works(&limiter(""), forget).await.unwrap();
    works(&limiter("/1"), forget).await.unwrap();
    // HELLO is how a client logs in: it is never refused.
    for missing in all.iter().filter(|rule| **rule != "+hello") {
        user(&all.iter().copied().filter(|rule| rule != missing).collect::<Vec<_>>());
        let error = works(&limiter("/1"), forget).await.expect_err(missing).to_string();
        let said = if *missing == "+select" { "may use SELECT" } else { "the page of the module `redis` lists" };
        assert!(error.contains(said), "{missing}: {error}");
    }
    // Keys of others are not written.
    let config = RedisConfig::url(&format!("redis://limits:secret@{}", server.address())).unwrap();
    user(&all);
    let other = RedisLimiter::new(config.prefix("other").unwrap());
    assert!(other.check().await.unwrap_err().to_string().contains("the page of the module `redis` lists"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_permissions_are_enough_in_a_cluster() {
    let Some(cluster) = redis::private_cluster() else { return };
    for server in cluster.servers() {
        let own = ["ACL", "SETUSER", "limits", "reset", "on", ">secret", "resetchannels", "~tower_auth:limit:*"];
        let _: () = server.ask(&[&own[..], &RULES, &[TIME], &CLUSTER_RULES].concat());
    }
    let urls = cluster.servers().iter().map(|server| format!("redis://limits:secret@{}", server.address()));
    let redis = RedisLimiter::with(RedisConfig::cluster(urls).unwrap(), SharedPolicy::exact().deadline(PATIENT));
    redis.check().await.unwrap();
    let forget = || {
        for server in cluster.servers() {
            let _: () = server.ask(&["SCRIPT", "FLUSH"]);
        }
    };
    works(&redis, forget).await.unwrap();
    // While a slot moves, its bucket is asked for with ASKING.
    let key = cluster.servers().iter().find_map(|server| keys(server, "tower_auth").pop()).unwrap();
    let (from, to) = cluster.owner_and_other(&key);
    let slot = cluster.slot(&key).to_string();
    let (from_id, to_id): (String, String) = (from.ask(&["CLUSTER", "MYID"]), to.ask(&["CLUSTER", "MYID"]));
    let _: () = to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    let _: () = from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    let _: String = from.ask(&["MIGRATE", "127.0.0.1", &to.address().port().to_string(), &key, "0", "5000"]);
    assert_eq!(
        remaining(&admitted(ask(&redis.named("api"), alice(), &limits(Quota::per_day(10)), 1).await)),
        [8],
        "one was given back"
    );
}
