//! Only a primary counts, and only as long as it was one without a break.

use std::time::Duration;

use tower_auth::cache::Changes as _;

use super::{Log, key, listen, over, works};
use crate::support::{
    process::until,
    redis::{self, Server},
};

const BOUND: Duration = Duration::from_millis(250);

fn follow(server: &Server, primary: &Server) {
    let port = primary.address().port().to_string();
    let _: () = server.ask(&["REPLICAOF", "127.0.0.1", &port]);
    assert!(until(|| server.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")));
}

fn promote(server: &Server) {
    let _: () = server.ask(&["REPLICAOF", "NO", "ONE"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_a_replica_is_left() {
    let (Some(server), Some(other)) = (redis::private(&[]), redis::private(&[])) else { return };
    let (changes, prefix) = over(&server);
    changes.shared_bound(BOUND).await.unwrap();
    let (mut subscription, log) = listen(&changes).await;
    // The other one has the same bound, so that only the role differs.
    let _: () = other.ask(&["SET", &format!("{{{prefix}}}:bound"), "250000"]);
    follow(&server, &other);
    for error in [
        subscription.barrier().await.unwrap_err(),
        changes.announce(&[key("key_1")]).await.unwrap_err(),
        changes.subscribe(Log::default().sink()).await.err().unwrap(),
    ] {
        let error = error.to_string();
        assert!(error.contains("this server is not a primary") || error.contains("ReadOnly"), "{error}");
    }
    assert!(!log.has(&key("key_1").to_string()) || !log.has("lost"));
    promote(&server);
    works(&changes, &mut listen(&changes).await).await;
}

/// Between two barriers, the changes were announced to another server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_a_replica_in_the_meantime_is_lost() {
    let (Some(server), Some(other)) = (redis::private(&[]), redis::private(&[])) else { return };
    let (changes, prefix) = over(&server);
    changes.shared_bound(BOUND).await.unwrap();
    let (mut subscription, log) = listen(&changes).await;
    let _: () = other.ask(&["SET", &format!("{{{prefix}}}:bound"), "250000"]);
    follow(&server, &other);
    promote(&server);
    let error = subscription.barrier().await.unwrap_err().to_string();
    assert!(error.contains("the subscription is lost"), "{error}");
    assert!(log.has("lost"));
    works(&changes, &mut listen(&changes).await).await;
}
