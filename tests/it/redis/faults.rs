//! Connections that are closed, networks that are silent, servers that stop, and data that are lost.

use std::time::Duration;

use tokio::time::timeout;
use tower_auth::{
    cache::Changes as _,
    redis::{RedisChanges, RedisConfig},
};

use super::{Log, again, key, listen, over, works};
use crate::support::{proxy::Proxy, redis, runs::Runs};

const BOUND: Duration = Duration::from_millis(250);
/// Far less than a test may take, and far more than an answer takes.
const SILENCE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_connection_is_told_and_replaced() {
    let Some(server) = redis::private(&[]) else { return };
    let (changes, _) = over(&server);
    let (mut subscription, log) = listen(&changes).await;
    changes.announce(&[key("key_1")]).await.unwrap();
    let _: u32 = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert!(log.is_lost());
    assert!(subscription.barrier().await.is_err());
    works(&changes, &mut listen(&changes).await).await;

    // The connection for announcements: the next one does not fail.
    let _: u32 = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    works(&changes, &mut listen(&changes).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_told() {
    let Some(server) = redis::server() else { return };
    let proxy = Proxy::to(server.address());
    let config = RedisConfig::url(&format!("redis://{}", proxy.address())).unwrap().prefix(&redis::prefix()).unwrap();
    let changes = RedisChanges::new(config);
    for _ in 0..3 {
        let (mut subscription, log) = listen(&changes).await;
        changes.announce(&[key("key_1")]).await.unwrap();
        proxy.cut();
        assert!(log.is_lost());
        assert!(subscription.barrier().await.is_err());
        works(&changes, &mut listen(&changes).await).await;
    }
}

/// A silent network: nothing completes, and nothing is counted that was announced meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_does_not_complete_in_a_black_hole() {
    let Some(server) = redis::server() else { return };
    let (near, prefix) = over(server);
    let proxy = Proxy::to(server.address());
    let config = RedisConfig::url(&format!("redis://{}", proxy.address())).unwrap().prefix(&prefix).unwrap();
    let far = RedisChanges::new(config.timeout(SILENCE).unwrap());
    let (mut subscription, log) = listen(&far).await;
    proxy.black_hole();
    near.announce(&[key("key_1")]).await.unwrap();
    assert!(timeout(SILENCE, subscription.barrier()).await.is_err(), "a barrier completed without an answer");
    assert!(log.all().is_empty());
    let error = far.announce(&[key("key_2")]).await.unwrap_err().to_string();
    assert!(error.contains("did not answer within 300 ms"), "{error}");
    assert!(far.subscribe(Log::default().sink()).await.is_err());

    // The answer to the barrier that was given up comes first, with what was announced before it.
    proxy.release();
    subscription.barrier().await.unwrap();
    assert!(log.has(&key("key_1").to_string()));
    works(&far, &mut (subscription, log)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_answers_nothing() {
    let Some(server) = redis::private(&[]) else { return };
    let config = RedisConfig::url(&server.url()).unwrap().timeout(SILENCE).unwrap();
    let changes = RedisChanges::new(config);
    let (mut subscription, log) = listen(&changes).await;
    server.freeze();
    assert!(timeout(SILENCE, subscription.barrier()).await.is_err());
    assert!(changes.announce(&[key("key_1")]).await.is_err());
    assert!(changes.subscribe(Log::default().sink()).await.is_err());
    server.thaw();
    works(&changes, &mut (subscription, log)).await;
}

/// The server has lost the bound, so it is stored again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_gets_the_bound_again() {
    let Some(mut server) = redis::private(&[]) else { return };
    let (changes, prefix) = over(&server);
    assert_eq!(changes.shared_bound(BOUND).await.unwrap(), BOUND);
    let (mut subscription, log) = listen(&changes).await;
    server.kill();
    assert!(log.is_lost());
    assert!(subscription.barrier().await.is_err());
    assert!(changes.announce(&[key("key_1")]).await.is_err());
    assert!(changes.shared_bound(BOUND).await.is_err());
    server.restart();
    works(&changes, &mut again(&changes).await).await;
    assert_eq!(server.ask::<u64>(&["GET", &format!("{{{prefix}}}:bound")]), 250_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_data_end_a_subscription() {
    let Some(server) = redis::private(&[]) else { return };
    let (changes, prefix) = over(&server);
    changes.shared_bound(BOUND).await.unwrap();
    for command in [&["FLUSHALL"][..], &["SET", &format!("{{{prefix}}}:bound"), "300000"]] {
        let (mut subscription, log) = listen(&changes).await;
        subscription.barrier().await.unwrap();
        let _: () = server.ask(command);
        let error = subscription.barrier().await.unwrap_err().to_string();
        assert!(error.contains("the subscription is lost"), "{error}");
        assert!(log.has("lost"));
        assert!(subscription.barrier().await.is_err(), "it is lost for ever");
        works(&changes, &mut listen(&changes).await).await;
    }
    // The larger bound of another process is taken over. One that is too small for this process is refused.
    let _: () = server.ask(&["SET", &format!("{{{prefix}}}:bound"), "249999"]);
    let error = changes.subscribe(Log::default().sink()).await.err().unwrap().to_string();
    assert!(error.contains("the shared bound is 249.999ms now, and a cache has 250ms"), "{error}");
}

#[tokio::test]
async fn nobody_listens_at_this_port() {
    let address = crate::support::process::free_address();
    let changes = RedisChanges::new(RedisConfig::url(&format!("redis://:hunter2@{address}")).unwrap());
    for error in [
        changes.announce(&[key("key_1")]).await.unwrap_err(),
        changes.shared_bound(BOUND).await.unwrap_err(),
        changes.subscribe(Log::default().sink()).await.err().unwrap(),
    ] {
        let text = error.to_string();
        assert!(text.starts_with(&format!("Redis at {address}: cannot connect: ")), "{text}");
        assert!(!format!("{error:?} {text}").contains("hunter2"));
    }
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let Some(server) = redis::server() else { return };
    let (changes, _) = over(server);
    let error = Runs::Thread.block_on(changes.announce(&[key("key_1")])).unwrap_err().to_string();
    assert!(error.contains("cannot connect outside of a tokio runtime"), "{error}");
}

/// Each runtime has the connection of its own call. One whose runtime has ended is replaced.
#[test]
fn a_runtime_that_has_ended_is_no_obstacle() {
    let Some(server) = redis::server() else { return };
    let (changes, _) = over(server);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async { changes.announce(&[key("key_1")]).await.unwrap() });
    }
}
