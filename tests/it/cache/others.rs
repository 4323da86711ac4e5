//! Caches without a lease: by time, and by the version of a store. And what is kept for a shorter time than the rest.

use std::time::{Duration, SystemTime};

use tower_auth::{
    CachedKeyStore, KeyRecord, KeyRegistry, KeyScheme, KeyStore as _, Peppers, Restrictions, Secret, Task,
    cache::Changed,
};

use super::{BOUND, Process, World, new, ops, settle};

const LITTLE: Duration = Duration::from_millis(1);

fn by_time(world: &World) -> Process {
    world.process(|backend, _| CachedKeyStore::ttl(backend, BOUND))
}

fn by_version(world: &World) -> Process {
    world.process(|backend, _| CachedKeyStore::local(backend))
}

#[tokio::test]
async fn r085_without_announcements_a_lookup_is_repeated_when_the_bound_has_passed_since_it_began() {
    let world = World::new();
    let process = by_time(&world);
    let key = world.key("key_1").await;
    process.backend.hold();
    let slow = tokio::spawn(process.asking(&key));
    settle().await;
    process.backend.call(0).read();
    settle().await;
    world.silent.revoke(ops(), "key_1").await.unwrap();
    world.pass(BOUND.checked_sub(LITTLE).unwrap()).await;
    process.backend.answer();
    process.backend.call(0).answer();
    assert_eq!(slow.await.unwrap(), 200);
    assert_eq!(process.status(&key).await, 200);
    world.pass(LITTLE).await;
    assert_eq!(process.status(&key).await, 401);
}

#[tokio::test]
async fn r085_a_change_through_a_cache_by_time_counts_at_once() {
    let world = World::new();
    let process = by_time(&world);
    let key = world.key("key_1").await;
    assert_eq!((process.status(&key).await, process.cost(&key).await), (200, 0));
    process.revoke("key_1").await;
    assert_eq!(process.status(&key).await, 401);
    assert!(process.line.log().is_empty());
}

/// A caller joins a lookup that began before a change.
#[tokio::test]
async fn r085_who_joins_an_older_lookup_does_not_get_what_was_before_a_change() {
    let world = World::new();
    for (number, process) in [by_time(&world), by_version(&world), world.leased().await].into_iter().enumerate() {
        let id = format!("key_{number}");
        let key = world.key(&id).await;
        process.backend.hold();
        let first = tokio::spawn(process.asking(&key));
        settle().await;
        process.backend.call(0).read();
        settle().await;
        process.revoke(&id).await;
        let joined = tokio::spawn(process.asking(&key));
        settle().await;
        process.backend.answer();
        process.backend.call(0).answer();
        assert_eq!((first.await.unwrap(), joined.await.unwrap()), (200, 401), "{id}");
    }
}

#[tokio::test]
async fn a_bound_of_nothing_asks_the_store_each_time() {
    let world = World::new();
    let process = world.process(|backend, _| CachedKeyStore::ttl(backend, Duration::ZERO));
    let key = world.key("key_1").await;
    assert_eq!((process.cost(&key).await, process.cost(&key).await), (1, 1));
    assert!(!process.keys.health().is_used);
}

#[tokio::test]
async fn a_long_bound_is_not_cut_short() {
    let world = World::new();
    let process = world.process(|backend, _| CachedKeyStore::ttl(backend, Duration::from_secs(600)));
    let key = world.key("key_1").await;
    process.status(&key).await;
    world.pass(Duration::from_secs(599)).await;
    assert_eq!(process.cost(&key).await, 0);
}

#[tokio::test]
async fn r085_another_version_of_the_store_ends_all_answers() {
    let world = World::new();
    let process = by_version(&world);
    let key = world.key("key_1").await;
    assert_eq!((process.status(&key).await, process.cost(&key).await), (200, 0));
    world.silent.revoke(ops(), "key_1").await.unwrap();
    process.backend.set_version(2);
    assert_eq!(process.status(&key).await, 401);
    assert_eq!(process.cost(&key).await, 0);
    process.backend.set_version(0);
    assert_eq!((process.cost(&key).await, process.cost(&key).await), (1, 1), "while the version is unknown");
    assert_eq!(process.keys.health().bound, Duration::ZERO);
}

/// The version is read before the lookup: a change between the two is another version.
#[tokio::test]
async fn r085_the_version_of_an_answer_is_the_one_before_its_lookup() {
    let world = World::new();
    let process = by_version(&world);
    let key = world.key("key_1").await;
    process.backend.hold();
    let before = tokio::spawn(process.asking(&key));
    settle().await;
    process.backend.call(0).read();
    settle().await;
    world.silent.revoke(ops(), "key_1").await.unwrap();
    process.backend.set_version(2);
    process.backend.answer();
    process.backend.call(0).answer();
    assert_eq!(before.await.unwrap(), 200);
    assert_eq!(process.status(&key).await, 401);
}

/// The last use is known only as of the lookup.
#[tokio::test]
async fn a_key_that_may_not_be_idle_is_looked_up_more_often() {
    let world = World::new();
    let process = world.leased().await;
    let restrictions = Restrictions::new().idle_after(Duration::from_secs(80));
    let key = world.silent.create(ops(), new("key_1").restrictions(restrictions)).await.unwrap().secret;
    let other = world.key("key_2").await;
    for key in [&key, &other] {
        process.status(key).await;
    }
    world.pass(Duration::from_millis(9_999)).await;
    world.beat(0).await;
    assert_eq!((process.cost(&key).await, process.cost(&other).await), (0, 0));
    world.pass(LITTLE).await;
    assert_eq!((process.cost(&key).await, process.cost(&other).await), (1, 0));
}

/// Who may not be idle, and what is written of it.
async fn of_used_key(world: &World) -> (Process, Secret, Task) {
    let process = world.leased().await;
    let restrictions = Restrictions::new().idle_after(Duration::from_secs(86_400));
    let key = world.silent.create(ops(), new("key_1").restrictions(restrictions)).await.unwrap().secret;
    let upkeep = process.registry.start();
    // A use soon after the creation makes no difference, and is not written.
    world.pass(Duration::from_secs(7_200)).await;
    world.beat(4).await;
    (process, key, upkeep)
}

async fn last_use(process: &Process) -> Option<SystemTime> {
    process.registry.get(ops(), "key_1").await.unwrap().last_used_at()
}

/// A request that is answered from the cache is a use, which is written later, and not on its way.
#[tokio::test]
async fn p18_a_use_is_not_written_on_the_way_of_the_request() {
    let world = World::new();
    let (process, key, upkeep) = of_used_key(&world).await;
    let watched = process.registry.watch(process.keys.clone());
    let digests = process.scheme.digests(key.expose().as_bytes()).unwrap();
    process.backend.committing().hold();
    for _ in 0..3 {
        assert!(watched.find(&digests).await.unwrap().is_some());
    }
    assert_eq!((process.backend.asked(), last_use(&process).await), (1, None));
    process.backend.committing().open();
    world.pass(Duration::from_secs(1)).await;
    assert!(last_use(&process).await.is_some(), "it is written in the next second");
    upkeep.stop().await;
}

#[tokio::test]
async fn r092_a_use_that_cannot_be_written_refuses_nothing_and_is_written_later() {
    let world = World::new();
    let (process, key, upkeep) = of_used_key(&world).await;
    let watched = process.registry.watch(process.keys.clone());
    let digests = process.scheme.digests(key.expose().as_bytes()).unwrap();
    process.backend.committing().fail();
    for _ in 0..3 {
        assert!(watched.find(&digests).await.unwrap().is_some());
        world.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(last_use(&process).await, None);
    process.backend.committing().open();
    world.pass(Duration::from_secs(1)).await;
    assert!(last_use(&process).await.is_some());
    upkeep.stop().await;
}

/// A key is known under one scheme, and a stranger to another one.
#[tokio::test]
async fn p30_two_schemes_over_one_cache_share_no_answer() {
    let world = World::new();
    let process = world.leased().await;
    let text = world.scheme.generate().unwrap();
    let [ours, other] =
        [1, 2].map(|byte| KeyScheme::new(world.scheme.format().clone(), Peppers::new(1, [byte; 32]).unwrap()));
    let registry = KeyRegistry::with_clock(ours.clone(), process.keys.clone(), &world.clock);
    let digest = *ours.digests(text.expose().as_bytes()).unwrap().iter().next().unwrap();
    let record = KeyRecord::new("key_1", "acme");
    registry.import_digest(ops(), "ci", digest, Some(1), record).await.unwrap();
    for _ in 0..2 {
        for (scheme, is_known) in [(&ours, true), (&other, false)] {
            let digests = scheme.digests(text.expose().as_bytes()).unwrap();
            assert_eq!(process.keys.find(&digests).await.unwrap().is_some(), is_known);
        }
    }
    assert_eq!(process.backend.asked(), 2);
}

/// More schemes than a service has. They work, but only the first ones are cached.
#[tokio::test]
async fn p30_too_many_schemes_are_not_cached_and_not_mixed_up() {
    let world = World::new();
    let process = by_time(&world);
    let text = world.scheme.generate().unwrap();
    for number in 0..100 {
        let scheme = KeyScheme::ephemeral(world.scheme.format().clone());
        let digests = scheme.digests(text.expose().as_bytes()).unwrap();
        let before = process.backend.asked();
        for _ in 0..2 {
            assert!(process.keys.find(&digests).await.unwrap().is_none());
        }
        assert_eq!(process.backend.asked() - before, if number < 64 { 1 } else { 2 }, "scheme {number}");
    }
}

#[tokio::test]
async fn extreme_settings_do_no_harm() {
    let world = World::new();
    for capacity in [0, 1, 1_000_000] {
        let process = world.process(|backend, _| CachedKeyStore::ttl(backend, Duration::MAX).capacity(capacity));
        let key = world.key(&format!("key_{capacity}")).await;
        let most = Duration::MAX;
        let keys = process.keys.clone().longest(most).unknown_for(most).admit_stale_in_outage(most);
        let digests = process.scheme.digests(key.expose().as_bytes()).unwrap();
        for _ in 0..3 {
            assert!(keys.find(&digests).await.unwrap().is_some());
        }
        keys.changed([Changed::Everything]).await.unwrap();
        assert!(keys.health().keys <= capacity);
    }
}
