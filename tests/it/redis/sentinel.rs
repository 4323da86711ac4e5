//! A primary that Redis Sentinel watches.

use std::time::Duration;

use tower_auth::{
    cache::Changes as _,
    redis::{RedisChanges, RedisConfig},
};

use super::{Log, again, key, listen, works};
use crate::support::redis::{Watched, watched};

const BOUND: Duration = Duration::from_millis(250);

fn config(watched: &Watched) -> RedisConfig {
    let dead = format!("redis://{}", crate::support::process::free_address());
    RedisConfig::sentinel("redis://main", [dead, watched.sentinel.url()]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_primary_is_found() {
    let Some(mut watched) = watched() else { return };
    let changes = RedisChanges::new(config(&watched));
    changes.shared_bound(BOUND).await.unwrap();
    let (mut subscription, log) = listen(&changes).await;
    works(&changes, &mut listen(&changes).await).await;
    watched.primary.kill();
    assert!(log.is_lost());
    assert!(subscription.barrier().await.is_err());
    works(&changes, &mut again(&changes).await).await;
    assert!(watched.replica.ask::<String>(&["INFO", "replication"]).contains("role:master"));
    assert_eq!(changes.shared_bound(BOUND).await.unwrap(), BOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_has_a_login_of_its_own() {
    let Some(watched) = watched() else { return };
    let rules = ["ACL", "SETUSER", "looker", "reset", "on", ">secret", "+hello", "+sentinel|get-master-addr-by-name"];
    let _: () = watched.sentinel.ask(&rules);
    let sentinel = format!("redis://looker:secret@{}", watched.sentinel.address());
    let changes = RedisChanges::new(RedisConfig::sentinel("redis://main/2", [sentinel]).unwrap());
    changes.shared_bound(BOUND).await.unwrap();
    works(&changes, &mut listen(&changes).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_name_is_said() {
    let Some(watched) = watched() else { return };
    let config = RedisConfig::sentinel("redis://other", [watched.sentinel.url()]).unwrap();
    let changes = RedisChanges::new(config);
    for error in [
        changes.announce(&[key("key_1")]).await.unwrap_err(),
        changes.subscribe(Log::default().sink()).await.err().unwrap(),
    ] {
        assert!(error.to_string().contains("the sentinel does not know this name of a primary"), "{error}");
    }
}
