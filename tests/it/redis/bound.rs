//! The bound that all processes share.

use std::time::Duration;

use tower_auth::{
    cache::Changes as _,
    redis::{RedisChanges, RedisConfig},
};

use super::{over, over_cluster};
use crate::support::redis;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_millis(250);

#[tokio::test]
async fn the_first_bound_is_stored_and_the_others_get_it() {
    let Some(server) = redis::server() else { return };
    let (first, prefix) = over(server);
    let second = RedisChanges::new(RedisConfig::url(&server.url()).unwrap().prefix(&prefix).unwrap());
    assert_eq!(first.shared_bound(LONG).await.unwrap(), LONG);
    assert_eq!(second.shared_bound(SHORT).await.unwrap(), LONG);
    assert_eq!(second.shared_bound(LONG * 2).await.unwrap(), LONG);
    let key = format!("{{{prefix}}}:bound");
    assert_eq!(server.ask::<String>(&["GET", &key]), "250000");
    assert_eq!(server.ask::<i64>(&["TTL", &key]), -1, "it does not expire");
}

#[tokio::test]
async fn a_cluster_stores_it_with_the_channel() {
    let Some(cluster) = redis::cluster() else { return };
    let (changes, prefix) = over_cluster(cluster);
    assert_eq!(changes.shared_bound(SHORT).await.unwrap(), SHORT);
    let (key, channel) = (format!("{{{prefix}}}:bound"), format!("{{{prefix}}}:changes"));
    assert_eq!(cluster.slot(&key), cluster.slot(&channel));
    assert_eq!(cluster.owner_and_other(&key).0.ask::<u64>(&["GET", &key]), 100_000);
}

#[tokio::test]
async fn a_process_that_wants_more_keeps_its_subscription() {
    let Some(server) = redis::server() else { return };
    let (changes, prefix) = over(server);
    let other = RedisChanges::new(RedisConfig::url(&server.url()).unwrap().prefix(&prefix).unwrap());
    assert_eq!(other.shared_bound(SHORT).await.unwrap(), SHORT);
    // Its cache of the longer bound refuses to work. Another one of the same process may have a shorter bound.
    assert_eq!(changes.shared_bound(LONG).await.unwrap(), SHORT);
    assert_eq!(changes.shared_bound(SHORT).await.unwrap(), SHORT);
    super::works(&changes, &mut super::listen(&changes).await).await;
}

#[tokio::test]
async fn what_is_no_bound_is_refused() {
    let Some(server) = redis::server() else { return };
    let (changes, prefix) = over(server);
    let _: () = server.ask(&["SET", &format!("{{{prefix}}}:bound"), "a while"]);
    let error = changes.shared_bound(SHORT).await.unwrap_err().to_string();
    assert!(error.contains("delete the key whose name ends with :bound"), "{error}");
}
