//! The slot of the changes belongs to one server of a cluster at a time.

use std::time::Duration;

use tower_auth::{
    cache::Changes as _,
    redis::{RedisChanges, RedisConfig},
};

use super::{Log, again, key, listen, over_cluster, works};
use crate::support::redis;

const BOUND: Duration = Duration::from_millis(250);

#[tokio::test]
async fn any_one_server_leads_to_the_others() {
    let Some(cluster) = redis::cluster() else { return };
    let prefix = redis::prefix();
    let mut listening = listen(&over_cluster(cluster).0).await;
    listening.1 = Log::default();
    for url in cluster.urls() {
        let changes = RedisChanges::new(RedisConfig::cluster([&url]).unwrap().prefix(&prefix).unwrap());
        works(&changes, &mut listen(&changes).await).await;
    }
    // One that does not answer does not matter.
    let dead = format!("redis://{}", crate::support::process::free_address());
    let urls = [dead.clone(), cluster.urls().remove(0), dead];
    let changes = RedisChanges::new(RedisConfig::cluster(urls).unwrap().prefix(&prefix).unwrap());
    works(&changes, &mut listen(&changes).await).await;
}

/// While a slot moves, the key is gone before the slot is: from that moment on, the old server holds no lease, and the new one may
/// be announced to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_ends_before_its_slot_has_moved() {
    let Some(cluster) = redis::private_cluster() else { return };
    let (changes, prefix) = over_cluster(&cluster);
    changes.shared_bound(BOUND).await.unwrap();
    let (mut subscription, log) = listen(&changes).await;
    let bound = format!("{{{prefix}}}:bound");
    let slot = cluster.slot(&bound).to_string();
    let (from, to) = cluster.owner_and_other(&bound);
    let (from_id, to_id): (String, String) = (from.ask(&["CLUSTER", "MYID"]), to.ask(&["CLUSTER", "MYID"]));
    let _: () = to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    let _: () = from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    subscription.barrier().await.expect("nothing has moved yet");
    let port = to.address().port().to_string();
    let _: String = from.ask(&["MIGRATE", "127.0.0.1", &port, &bound, "0", "5000"]);
    let error = subscription.barrier().await.unwrap_err().to_string();
    assert!(error.contains("Ask: "), "{error}");
    assert!(!log.has("lost"), "the old server still owns the slot");

    for server in [to, from] {
        let _: () = server.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    assert!(log.is_lost(), "the server says that the channel has moved");
    assert!(subscription.barrier().await.is_err());
    works(&changes, &mut again(&changes).await).await;
    assert_eq!(to.ask::<u64>(&["GET", &bound]), 250_000);
}

/// Without a majority, a server answers nothing: neither for who listens nor for who announces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_others_is_no_primary() {
    let Some(cluster) = redis::private_cluster() else { return };
    let (changes, prefix) = over_cluster(&cluster);
    changes.shared_bound(BOUND).await.unwrap();
    let (mut subscription, _) = listen(&changes).await;
    let owner = cluster.owner_and_other(&format!("{{{prefix}}}:bound")).0.address();
    let others = || cluster.servers().iter().filter(|server| server.address() != owner);
    others().for_each(redis::Server::freeze);
    let mut error = None;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Err(failed) = subscription.barrier().await {
            error = Some(failed.to_string());
            break;
        }
    }
    let error = error.expect("a barrier fails");
    assert!(error.contains("ClusterDown"), "{error}");
    assert!(changes.announce(&[key("key_1")]).await.is_err());
    others().for_each(redis::Server::thaw);
    works(&changes, &mut again(&changes).await).await;
}

#[tokio::test]
async fn the_kind_of_servers_must_be_configured() {
    let (Some(server), Some(cluster)) = (redis::server(), redis::cluster()) else { return };
    let one = RedisChanges::new(RedisConfig::url(&cluster.urls()[0]).unwrap());
    let error = one.subscribe(Log::default().sink()).await.err().unwrap().to_string();
    assert!(error.contains("this server is in a cluster; help: use RedisConfig::cluster"), "{error}");
    assert!(one.announce(&[key("key_1")]).await.is_err());

    let many = RedisChanges::new(RedisConfig::cluster([server.url()]).unwrap());
    let error = many.subscribe(Log::default().sink()).await.err().unwrap().to_string();
    assert!(error.contains("use RedisConfig::url"), "{error}");
    assert!(many.announce(&[key("key_1")]).await.is_err());
}
