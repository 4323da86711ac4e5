//! Several callers ask for one key at once.

use std::time::Duration;

use tokio::task::JoinHandle;
use tower_auth::Secret;

use super::{Process, World, ops, settle};

fn crowd(process: &Process, key: &Secret, count: usize) -> Vec<JoinHandle<u16>> {
    (0..count).map(|_| tokio::spawn(process.asking(key))).collect()
}

async fn all_get(crowd: Vec<JoinHandle<u16>>, status: u16) {
    for caller in crowd {
        assert_eq!(caller.await.unwrap(), status);
    }
}

/// Awaits what must not wait for anything.
async fn at_once<T>(task: JoinHandle<T>) -> T {
    settle().await;
    assert!(task.is_finished(), "it hangs");
    task.await.unwrap()
}

#[tokio::test]
async fn p12_fifty_callers_with_a_cold_key_ask_the_store_once() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.key("key_1").await;
    process.backend.hold();
    let callers = crowd(&process, &key, 50);
    settle().await;
    assert_eq!(process.backend.asked(), 1);
    process.backend.call(0).answer();
    all_get(callers, 200).await;
    let health = process.keys.health();
    assert_eq!((process.backend.asked(), health.fills, health.shared), (1, 1, 49));
}

#[tokio::test]
async fn a_store_that_fails_is_asked_once_for_all_who_wait() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.key("key_1").await;
    process.backend.hold();
    let callers = crowd(&process, &key, 50);
    settle().await;
    process.backend.call(0).fail();
    all_get(callers, 503).await;
    assert_eq!(process.backend.asked(), 1);
    process.backend.answer();
    assert_eq!(process.status(&key).await, 200, "the failure is not kept");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_lookup_of_the_others() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.key("key_1").await;
    process.backend.hold();
    let mut callers = crowd(&process, &key, 3);
    settle().await;
    // The first one has begun the lookup.
    for gone in [0, 1] {
        callers.remove(gone).abort();
        settle().await;
    }
    assert!(process.backend.call(0).is_under_way());
    process.backend.call(0).answer();
    all_get(callers, 200).await;
    assert_eq!(process.backend.asked(), 1);
}

#[tokio::test]
async fn a_lookup_ends_when_all_callers_are_gone() {
    let world = World::new();
    for process in [world.leased().await, world.unstarted(|keys| keys)] {
        let key = world.key(&format!("key_{}", process.line.beats())).await;
        process.backend.hold();
        let callers = crowd(&process, &key, 3);
        settle().await;
        callers.iter().for_each(JoinHandle::abort);
        settle().await;
        assert_eq!((process.backend.asked(), process.backend.under_way()), (1, 0));
        let next = tokio::spawn(process.asking(&key));
        settle().await;
        assert_eq!(process.backend.asked(), 2, "the next caller begins anew");
        process.backend.call(1).answer();
        assert_eq!(next.await.unwrap(), 200);
    }
}

/// Without a lease, no answer is older than the call, and still the store is not asked by each caller.
#[tokio::test]
async fn r085_without_a_lease_callers_share_a_lookup_that_begins_after_their_call() {
    let world = World::new();
    let process = world.unstarted(|keys| keys);
    let key = world.key("key_1").await;
    process.backend.hold();
    let before = crowd(&process, &key, 1);
    settle().await;
    process.backend.call(0).read();
    settle().await;
    world.silent.revoke(ops(), "key_1").await.unwrap();
    let after = crowd(&process, &key, 20);
    settle().await;
    assert_eq!(process.backend.asked(), 1, "they wait for the one that is under way");
    process.backend.call(0).answer();
    settle().await;
    assert_eq!(process.backend.asked(), 2);
    process.backend.call(1).read();
    settle().await;
    let last = crowd(&process, &key, 20);
    settle().await;
    assert_eq!(process.backend.under_way(), 1);
    process.backend.call(1).answer();
    settle().await;
    process.backend.call(2).answer();
    all_get(before, 200).await;
    all_get(after, 401).await;
    all_get(last, 401).await;
    assert_eq!(process.backend.asked(), 3);
}

/// Nobody waits for an answer that never comes.
#[tokio::test]
async fn a_store_that_panics_keeps_nobody_waiting() {
    let world = World::new();
    // Without a lease, the others wait for another lookup.
    for (process, others) in [(world.leased().await, 503), (world.unstarted(|keys| keys), 200)] {
        let key = world.key(&format!("key_{}", process.line.beats())).await;
        process.backend.hold();
        let callers = crowd(&process, &key, 5);
        settle().await;
        process.backend.answer();
        process.backend.call(0).panic();
        for (number, caller) in callers.into_iter().enumerate() {
            assert_eq!(at_once(caller).await, if number == 0 { 503 } else { others });
        }
        assert_eq!(at_once(tokio::spawn(process.asking(&key))).await, 200);
    }
}

/// New callers come before the old ones are gone, so that the lookup which never ends always has somebody who waits.
#[tokio::test]
async fn a_lookup_that_never_ends_does_not_block_its_key() {
    let world = World::new();
    for process in [world.leased().await, world.unstarted(|keys| keys)] {
        let key = world.key(&format!("key_{}", process.line.beats())).await;
        process.backend.hold();
        let mut waiting = crowd(&process, &key, 1);
        settle().await;
        process.backend.answer();
        for _ in 0..20 {
            waiting.extend(crowd(&process, &key, 1));
            world.pass(Duration::from_secs(1)).await;
            waiting.retain(|caller| !caller.is_finished());
        }
        assert!(waiting.is_empty(), "{} callers wait", waiting.len());
        assert_eq!(process.status(&key).await, 200);
    }
}
