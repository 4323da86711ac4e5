//! Keys that change while they are looked up, and keys that are unknown.

use std::time::Duration;

use tower_auth::{KeyRecord, KeyScheme, KeyStore as _};

use super::{BOUND, World, ops, settle};

/// A lookup reads the key as it was, and answers after the change.
#[tokio::test]
async fn r085_an_answer_from_before_a_revocation_is_not_put_back() {
    let world = World::new();
    let (here, there) = (world.leased().await, world.leased().await);
    for (id, revoking) in [("key_1", &here), ("key_2", &there)] {
        let key = world.key(id).await;
        here.backend.hold();
        let before = tokio::spawn(here.asking(&key));
        settle().await;
        let call = here.backend.calls().pop().unwrap();
        call.read();
        settle().await;
        revoking.revoke(id).await;
        let after = tokio::spawn(here.asking(&key));
        settle().await;
        here.backend.answer();
        call.answer();
        assert_eq!(before.await.unwrap(), 200, "its lookup was before the revocation");
        assert_eq!(after.await.unwrap(), 401, "{id}: a request that comes after the revocation");
        assert_eq!(here.status(&key).await, 401, "{id}: the old answer is not in the cache");
    }
}

#[tokio::test]
async fn r085_a_revoked_key_is_refused_by_the_next_request_of_its_process_and_of_another() {
    let world = World::new();
    let (here, there) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    for process in [&here, &there] {
        assert_eq!(process.status(&key).await, 200);
    }
    there.line.slow_down();
    here.revoke("key_1").await;
    assert_eq!(here.status(&key).await, 401);
    assert_eq!(there.status(&key).await, 200, "it has not heard of it yet");
    // The key, and that a digest may be known now.
    there.line.deliver(2);
    assert_eq!(there.status(&key).await, 401);
}

/// A heartbeat brings what was announced before it.
#[tokio::test]
async fn r085_a_revocation_that_is_not_heard_of_ends_the_use_of_the_cache_within_the_bound() {
    let world = World::new();
    let (here, there) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    there.line.slow_down();
    assert_eq!(there.status(&key).await, 200);
    here.revoke("key_1").await;
    world.beat(1).await;
    assert_eq!(there.status(&key).await, 401, "the heartbeat has brought it");

    let key = world.key("key_2").await;
    assert_eq!(there.status(&key).await, 200);
    there.line.barriers().hold();
    world.pass(BOUND / 4).await;
    here.revoke("key_2").await;
    world.pass((BOUND / 4 * 3).checked_sub(Duration::from_millis(1)).unwrap()).await;
    assert_eq!(there.status(&key).await, 200, "the lease is held");
    world.pass(Duration::from_millis(1)).await;
    assert_eq!(there.status(&key).await, 401, "the bound has passed since the last heartbeat");
}

#[tokio::test]
async fn p12_a_hit_does_not_reach_the_store() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.key("key_1").await;
    for _ in 0..100 {
        assert_eq!(process.status(&key).await, 200);
        world.pass(BOUND / 4).await;
    }
    assert_eq!(process.backend.asked(), 1);
    world.pass(Duration::from_secs(50)).await;
    world.beat(1).await;
    assert_eq!(process.cost(&key).await, 1, "a lookup is repeated after a minute");
    assert_eq!(process.keys.health().hits, 99);
}

#[tokio::test]
async fn p12_other_keys_stay_in_the_cache_when_one_changes() {
    let world = World::new();
    let process = world.leased().await;
    let (mut keys, names) = (Vec::new(), ["key_1", "key_2", "key_3"]);
    for id in names {
        keys.push(world.key(id).await);
    }
    for key in &keys {
        process.status(key).await;
    }
    process.revoke("key_2").await;
    for (key, cost) in keys.iter().zip([0, 1, 0]) {
        assert_eq!(process.cost(key).await, cost);
    }
}

#[tokio::test]
async fn p13_r093_an_unknown_key_is_found_as_soon_as_it_is_created() {
    let world = World::new();
    let (here, there) = (world.leased().await, world.leased().await);
    let key = world.scheme.generate().unwrap();
    for process in [&here, &there] {
        assert_eq!((process.cost(&key).await, process.cost(&key).await), (1, 0), "it is known to be unknown");
        assert_eq!(process.status(&key).await, 401);
    }
    let record = KeyRecord::new("key_1", "acme");
    here.registry.import(ops(), "ci", &key, record).await.unwrap();
    for process in [&here, &there] {
        assert_eq!(process.status(&key).await, 200);
    }
}

/// A lookup reads that the key is unknown, and answers after it was created.
#[tokio::test]
async fn p13_an_answer_from_before_a_creation_is_not_put_back() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.scheme.generate().unwrap();
    process.backend.hold();
    let before = tokio::spawn(process.asking(&key));
    settle().await;
    process.backend.call(0).read();
    settle().await;
    let record = KeyRecord::new("key_1", "acme");
    process.registry.import(ops(), "ci", &key, record).await.unwrap();
    let after = tokio::spawn(process.asking(&key));
    settle().await;
    process.backend.answer();
    process.backend.call(0).answer();
    assert_eq!((before.await.unwrap(), after.await.unwrap()), (401, 200));
    assert_eq!(process.status(&key).await, 200);
}

#[tokio::test]
async fn p13_that_a_key_is_unknown_is_known_for_two_seconds() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.scheme.generate().unwrap();
    assert_eq!(process.cost(&key).await, 1);
    // Nobody announces that the key is created.
    let record = KeyRecord::new("key_1", "acme");
    world.silent.import(ops(), "ci", &key, record).await.unwrap();
    for _ in 0..19 {
        world.beat(1).await;
        assert_eq!(process.status(&key).await, 401);
    }
    world.beat(1).await;
    assert_eq!(process.status(&key).await, 200);

    let other = world.started(|keys| keys.unknown_for(Duration::ZERO)).await;
    let key = world.scheme.generate().unwrap();
    assert_eq!((other.cost(&key).await, other.cost(&key).await), (1, 1), "not at all");
}

/// Random keys are looked up, and displace none that exist.
#[tokio::test]
async fn p13_random_keys_do_not_displace_good_ones() {
    let world = World::new();
    let process = world.leased().await;
    let mut good = Vec::new();
    for number in 0..1_000 {
        good.push(world.key(&format!("key_{number}")).await);
    }
    for key in &good {
        assert!(process.finding(key).await.unwrap().is_some());
    }
    // Five times as many as are remembered.
    let scheme = KeyScheme::ephemeral(crate::support::halfred());
    for number in 0..50_000 {
        let key = scheme.digests(format!("halfred_{number:028}").as_bytes()).unwrap();
        assert!(process.keys.find(&key).await.unwrap().is_none());
    }
    let asked = process.backend.asked();
    for key in &good {
        assert!(process.finding(key).await.unwrap().is_some());
    }
    assert_eq!(process.backend.asked(), asked);
    assert_eq!(process.keys.health().keys, 1_000);
}
