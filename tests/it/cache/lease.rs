//! When the cache is used: how the lease begins, is kept and ends.

use std::time::Duration;

use tower_auth::{CachedKeyStore, Health};

use super::{BEAT, BOUND, Process, World, backend::Backend, settle};
use crate::no_leak::Logs;

const LITTLE: Duration = Duration::from_millis(1);

#[tokio::test]
async fn without_its_task_a_leased_cache_asks_the_store_and_says_so_once() {
    let (world, logs) = (World::new(), Logs::capture());
    let process = world.unstarted(|keys| keys);
    let key = world.key("key_1").await;
    for _ in 0..3 {
        assert_eq!(process.cost(&key).await, 1);
    }
    let health = process.keys.health();
    assert!(!health.is_used && health.lease_age.is_none());
    assert_eq!((health.bypasses, health.hits, health.fills), (3, 0, 3));
    assert_eq!(logs.text().matches("CachedKeyStore::start").count(), 1, "{}", logs.text());
}

#[tokio::test]
async fn the_lease_begins_with_the_first_heartbeat_of_a_subscription() {
    let world = World::new();
    let mut process = world.unstarted(|keys| keys);
    let key = world.key("key_1").await;
    let line = process.line.clone();
    for gate in [line.subscribing(), line.bounds(), line.barriers()] {
        gate.hold();
    }
    process.lease = Some(process.keys.start());
    for (gate, log) in [
        (line.subscribing(), &["subscribe"][..]),
        (line.bounds(), &["subscribe", "bound"]),
        (line.barriers(), &["subscribe", "bound", "barrier"]),
    ] {
        settle().await;
        assert_eq!(line.log(), log);
        assert_eq!(process.cost(&key).await, 1, "the lease is not held before {log:?}");
        assert!(!process.keys.health().is_used);
        gate.open();
    }
    settle().await;
    assert!(process.keys.health().is_used);
    process.status(&key).await;
    assert_eq!(process.cost(&key).await, 0);
}

/// What was announced before the subscription was not heard.
#[tokio::test]
async fn what_was_cached_before_a_subscription_is_not_used_after_it() {
    let world = World::new();
    let (mut process, other) = (world.unstarted(|keys| keys), world.leased().await);
    let keys = [world.key("key_1").await, world.key("key_2").await];
    assert_eq!(process.status(&keys[0]).await, 200);
    // The other lookup goes on while the lease begins.
    process.backend.hold();
    let slow = tokio::spawn(process.asking(&keys[1]));
    settle().await;
    process.backend.call(0).read();
    settle().await;
    other.revoke("key_1").await;
    other.revoke("key_2").await;
    process.lease = Some(process.keys.start());
    settle().await;
    process.backend.answer();
    process.backend.call(0).answer();
    assert_eq!(slow.await.unwrap(), 200);
    assert!(process.keys.health().is_used);
    for key in &keys {
        assert_eq!(process.status(key).await, 401);
    }
}

#[tokio::test]
async fn a_lost_connection_ends_the_use_of_the_cache_at_once() {
    let world = World::new();
    let (process, other) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    assert_eq!((process.cost(&key).await, process.cost(&key).await), (1, 0));
    process.line.subscribing().hold();
    process.line.lose();
    assert_eq!((process.cost(&key).await, process.cost(&key).await), (1, 1));
    other.revoke("key_1").await;
    assert_eq!(process.status(&key).await, 401);
}

#[tokio::test]
async fn a_new_connection_begins_with_an_empty_cache() {
    let world = World::new();
    let (process, other) = (world.leased().await, world.leased().await);
    let keys = [world.key("key_1").await, world.key("key_2").await];
    for key in &keys {
        assert_eq!(process.status(key).await, 200);
    }
    process.line.subscribing().hold();
    process.line.lose();
    world.beat(1).await;
    assert_eq!(process.status(&keys[0]).await, 200, "this answer is kept");
    other.revoke("key_1").await;
    process.line.subscribing().open();
    world.pass(Duration::from_secs(1)).await;
    assert!(process.keys.health().is_used);
    assert_eq!(process.status(&keys[0]).await, 401);
    assert_eq!((process.cost(&keys[1]).await, process.cost(&keys[1]).await), (1, 0));
}

/// The lease goes back to when the heartbeat was sent, and not to when it was answered.
#[tokio::test]
async fn r085_a_late_answer_to_a_heartbeat_extends_the_lease_from_when_it_was_sent() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.key("key_1").await;
    process.status(&key).await;
    process.line.barriers().hold();
    world.pass(BEAT).await;
    world.pass(BOUND.checked_sub(LITTLE).unwrap()).await;
    assert!(!process.keys.health().is_used, "the lease of the heartbeat before has ended");
    process.line.barriers().open_once();
    settle().await;
    let health = process.keys.health();
    assert_eq!(
        (health.lease_age, health.lag),
        (Some(BOUND.checked_sub(LITTLE).unwrap()), Some(BOUND.checked_sub(LITTLE).unwrap()))
    );
    assert_eq!(process.cost(&key).await, 0);
    world.pass(LITTLE).await;
    assert_eq!(process.cost(&key).await, 1);
}

/// A heartbeat that is answered after more than the bound brings no lease.
#[tokio::test]
async fn a_heartbeat_that_takes_longer_than_the_bound_brings_no_lease() {
    let world = World::new();
    let process = world.leased().await;
    process.line.barriers().hold();
    world.pass(BEAT).await;
    world.pass(BOUND).await;
    process.line.barriers().open();
    // The next one is sent at once, and is answered in time.
    settle().await;
    let health = process.keys.health();
    assert!(health.is_used);
    assert_eq!((health.lease_age, health.losses, health.trouble), (Some(Duration::ZERO), 1, None));
}

#[tokio::test]
async fn a_heartbeat_without_an_answer_ends_the_connection() {
    let world = World::new();
    let process = world.leased().await;
    process.line.barriers().hold();
    world.pass(BEAT).await;
    world.pass(BOUND).await;
    let health = process.keys.health();
    assert_eq!(health.losses, 1);
    assert!(health.trouble.unwrap().contains("a heartbeat takes longer than the bound of 400ms"));
    world.pass(Duration::from_secs(1)).await;
    let health = process.keys.health();
    assert_eq!(health.losses, 1);
    assert!(health.trouble.unwrap().contains("the connection for changes did not answer within"));
    process.line.barriers().open();
    world.beat(1).await;
    assert!(process.keys.health().is_used);
    assert_eq!(process.line.log().iter().filter(|line| *line == "subscribe").count(), 2);
}

#[tokio::test]
async fn failures_of_all_kinds_are_tried_again_and_told_once() {
    let (world, logs) = (World::new(), Logs::capture());
    let process = world.leased().await;
    let line = process.line.clone();
    for gate in [line.subscribing(), line.bounds(), line.barriers()] {
        let before = logs.text();
        gate.fail();
        line.lose();
        world.pass(Duration::from_secs(10)).await;
        world.beat(100).await;
        assert!(!process.keys.health().is_used);
        assert!(matches!(process.lease.as_ref().unwrap().health(), Health::Degraded(_)));
        gate.hold();
        world.beat(100).await;
        assert!(!process.keys.health().is_used);
        gate.open();
        world.beat(100).await;
        assert!(process.keys.health().is_used);
        assert_eq!(process.lease.as_ref().unwrap().health(), Health::Good);
        let text = logs.text();
        let new = &text[before.len()..];
        // Once for each cause, however often it was tried.
        assert!((1..=4).contains(&new.matches("does not hear what changes").count()), "{new}");
        assert_eq!(new.matches("hears what changes: it is used again").count(), 1, "{new}");
    }
}

fn with_bound(world: &World, bound: Duration) -> Process {
    world.process(|backend, line| CachedKeyStore::leased(backend, line, bound))
}

#[tokio::test]
async fn a_bound_that_is_larger_than_the_shared_one_is_refused() {
    let world = World::new();
    world.bus.store_bound(Duration::from_millis(250));
    let mut process = with_bound(&world, BOUND);
    let error = process.keys.check().await.unwrap_err().to_string();
    for part in ["its bound is 400ms", "250ms", "help"] {
        assert!(error.contains(part), "{error}");
    }
    process.lease = Some(process.keys.start());
    world.beat(50).await;
    assert!(!process.keys.health().is_used);
    let Health::Degraded(why) = process.lease.as_ref().unwrap().health() else { panic!("it is good") };
    assert!(why.contains("its bound is 400ms"), "{why}");

    for bound in [250, 100].map(Duration::from_millis) {
        let mut process = with_bound(&world, bound);
        process.keys.check().await.unwrap();
        process.lease = Some(process.keys.start());
        settle().await;
        assert!(process.keys.health().is_used);
        assert_eq!(process.keys.health().bound, bound);
    }
}

/// A bound of nothing would be a heartbeat without end.
#[tokio::test]
async fn a_bound_that_is_too_short_is_refused() {
    let world = World::new();
    for bound in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(9)] {
        let mut process = with_bound(&world, bound);
        match process.keys.check().await {
            Ok(()) => assert_eq!(bound, Duration::ZERO, "it caches nothing, and says so"),
            Err(error) => assert!(error.to_string().contains("at least 10ms"), "{error}"),
        }
        process.lease = Some(process.keys.start());
        settle().await;
        assert!(process.line.beats() < 2, "{:?}", process.line.log());
        assert!(!process.keys.health().is_used);
    }
}

#[tokio::test]
async fn a_check_fails_if_changes_cannot_be_heard() {
    let world = World::new();
    let process = world.unstarted(|keys| keys);
    let line = &process.line;
    for gate in [line.subscribing(), line.barriers(), line.bounds()] {
        gate.fail();
        let error = process.keys.check().await.unwrap_err().to_string();
        assert!(error.contains("cannot hear what changes") && error.contains("it is set to fail"), "{error}");
        gate.hold();
        let keys = process.keys.clone();
        let hangs = tokio::spawn(async move { keys.check().await });
        settle().await;
        world.pass(Duration::from_secs(15)).await;
        let error = hangs.await.unwrap().unwrap_err().to_string();
        assert!(error.contains("did not answer within"), "{error}");
        gate.open();
    }
    process.keys.check().await.unwrap();
    for other in
        [CachedKeyStore::ttl(Backend::new(&world.store), BOUND), CachedKeyStore::local(Backend::new(&world.store))]
    {
        other.check().await.unwrap();
        assert_eq!(other.start().health(), Health::Good, "nothing to do");
    }
}

#[tokio::test]
async fn when_the_task_is_dropped_the_lease_ends_at_once() {
    let world = World::new();
    let mut process = world.leased().await;
    let key = world.key("key_1").await;
    process.status(&key).await;
    drop(process.lease.take());
    settle().await;
    let health = process.keys.health();
    assert!(!health.is_used && health.trouble.unwrap().contains("was dropped"));
    assert_eq!(process.cost(&key).await, 1);
}

#[tokio::test]
async fn when_the_task_is_stopped_the_lease_ends_at_once() {
    let world = World::new();
    let mut process = world.leased().await;
    let key = world.key("key_1").await;
    process.status(&key).await;
    process.lease.take().unwrap().stop().await;
    assert_eq!(process.cost(&key).await, 1);
    assert_eq!(process.line.log().len(), 3);
}

/// Each task has a connection of its own. What one of them hears is enough.
#[tokio::test]
async fn a_second_start_does_no_harm() {
    let world = World::new();
    let (process, other) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    let second = process.keys.start();
    settle().await;
    assert_eq!(process.status(&key).await, 200);
    drop(second);
    settle().await;
    world.beat(10).await;
    assert_eq!(process.cost(&key).await, 0, "the first one goes on");
    other.revoke("key_1").await;
    assert_eq!(process.status(&key).await, 401);
}

#[test]
fn outside_of_a_runtime_the_task_is_down() {
    let world = World::new();
    let process = with_bound(&world, BOUND);
    assert!(matches!(process.keys.start().health(), Health::Down(_)));
}
