//! What is granted while the store or the connection for changes is down: rule 094.

use std::time::Duration;

use tower_auth::{CachedKeyStore, KeyStore as _};

use super::{BEAT, BOUND, Process, World, ops, settle};

/// As long as the lease is held, a hit needs no store. After it, nothing is granted.
#[tokio::test]
async fn r094_without_a_lease_and_a_store_a_request_is_refused_with_503() {
    let world = World::new();
    let process = world.leased().await;
    let (key, cold) = (world.key("key_1").await, world.key("key_2").await);
    assert_eq!(process.status(&key).await, 200);
    process.backend.fail();
    process.line.barriers().hold();
    assert_eq!((process.status(&key).await, process.status(&cold).await), (200, 503));
    world.pass(BOUND.checked_sub(Duration::from_millis(1)).unwrap()).await;
    assert_eq!(process.status(&key).await, 200);
    world.pass(Duration::from_millis(1)).await;
    assert_eq!((process.status(&key).await, process.status(&cold).await), (503, 503));
    process.backend.answer();
    assert_eq!(process.status(&key).await, 200);
    assert_eq!(process.keys.health().failures, 3);
}

#[tokio::test]
async fn r094_a_store_that_hangs_gets_nothing_granted_after_the_deadline() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.key("key_1").await;
    assert_eq!(process.status(&key).await, 200);
    process.line.barriers().hold();
    process.backend.hold();
    world.pass(BOUND).await;
    let asking = tokio::spawn(process.asking(&key));
    settle().await;
    assert!(!asking.is_finished());
    world.silent.revoke(ops(), "key_1").await.unwrap();
    process.backend.call(0).answer();
    assert_eq!(asking.await.unwrap(), 401);
}

/// A process without a connection for changes, whose store fails, and which may bridge that for 10 s.
async fn cut_off(world: &World) -> Process {
    let process = world.started(|keys| keys.admit_stale_in_outage(Duration::from_secs(10))).await;
    process.line.subscribing().hold();
    process
}

fn cut(process: &Process) {
    process.line.lose();
    process.backend.fail();
}

#[tokio::test]
async fn r094_an_outage_may_be_bridged_for_a_time() {
    let world = World::new();
    let process = cut_off(&world).await;
    let (key, cold) = (world.key("key_1").await, world.key("key_2").await);
    assert_eq!(process.status(&key).await, 200);
    cut(&process);
    assert_eq!((process.status(&key).await, process.status(&cold).await), (200, 503));
    world.pass(Duration::from_millis(9_999)).await;
    assert_eq!(process.status(&key).await, 200);
    world.pass(Duration::from_millis(1)).await;
    assert_eq!(process.status(&key).await, 503);
    assert_eq!(process.keys.health().stale, 2);
}

#[tokio::test]
async fn r094_an_outage_is_not_bridged_for_fresh_lookups() {
    let world = World::new();
    let process = cut_off(&world).await;
    let key = world.key("key_1").await;
    assert_eq!(process.status(&key).await, 200);
    cut(&process);
    let digests = process.scheme.digests(key.expose().as_bytes()).unwrap();
    assert!(process.keys.find_fresh(&digests).await.is_err());
    assert!(process.keys.find(&digests).await.is_ok());
}

#[tokio::test]
async fn r094_an_outage_is_not_bridged_with_what_is_known_to_have_changed() {
    let world = World::new();
    let (process, other) = (cut_off(&world).await, world.leased().await);
    let (changed, same) = (world.key("key_1").await, world.key("key_2").await);
    for key in [&changed, &same] {
        assert_eq!(process.status(key).await, 200);
    }
    other.revoke("key_1").await;
    cut(&process);
    assert_eq!((process.status(&changed).await, process.status(&same).await), (503, 200));
    // A new connection says nothing of what has changed before.
    process.line.subscribing().open();
    world.beat(10).await;
    assert!(process.keys.health().is_used);
    assert_eq!(process.status(&same).await, 503);
}

/// A revocation by this process counts, although the store fails afterwards.
#[tokio::test]
async fn r094_an_outage_is_not_bridged_with_a_key_that_this_process_has_revoked() {
    let world = World::new();
    let process =
        world.process(|backend, _| CachedKeyStore::ttl(backend, BOUND).admit_stale_in_outage(Duration::from_secs(10)));
    let key = world.key("key_1").await;
    assert_eq!(process.status(&key).await, 200);
    process.backend.fail();
    world.pass(BEAT * 10).await;
    assert_eq!(process.status(&key).await, 200);
    process.revoke("key_1").await;
    assert_eq!(process.status(&key).await, 503);
}

/// The version says that something has changed.
#[tokio::test]
async fn r094_an_outage_is_not_bridged_with_another_version() {
    let world = World::new();
    let process =
        world.process(|backend, _| CachedKeyStore::local(backend).admit_stale_in_outage(Duration::from_secs(10)));
    let key = world.key("key_1").await;
    assert_eq!(process.status(&key).await, 200);
    process.backend.fail();
    process.backend.set_version(0);
    assert_eq!(process.status(&key).await, 200, "nothing is known");
    process.backend.set_version(2);
    assert_eq!(process.status(&key).await, 503, "something has changed");
    process.backend.set_version(1);
    assert_eq!(process.status(&key).await, 200, "nothing has changed");
}
