//! What changes through the cache count for: here at once, elsewhere when they are announced.

use std::{future::Future, pin::Pin, time::Duration};

use tower_auth::{
    KeyRecord, KeyRegistry, RegistryError, Secret,
    cache::{Announcement, Changed},
    registry::{Holder, KeyUpdate},
};

use super::{BEAT, BOUND, Process, World, ops, settle};

type Change<'a> = Pin<Box<dyn Future<Output = Result<(), RegistryError>> + 'a>>;

fn text(changed: Changed<'_>) -> String {
    Announcement::from(changed).to_string()
}

/// Calls this, and returns what was announced meanwhile.
async fn announced(process: &Process, change: impl Future<Output = Result<(), RegistryError>>) -> Vec<String> {
    let before = process.line.log().len();
    change.await.unwrap();
    let new = process.line.log().split_off(before);
    let lists = new.iter().filter_map(|line| line.strip_prefix("announce "));
    lists.flat_map(|list| list.split(' ')).map(str::to_owned).collect()
}

fn of_key<'a>(process: &'a Process, name: &str) -> Change<'a> {
    let (it, id, day) = (&process.registry, "key_1", Duration::from_secs(24 * 3600));
    match name {
        "update" => Box::pin(async move { it.update(ops(), id, KeyUpdate::new().name("other")).await.map(drop) }),
        "pause" => Box::pin(async move { it.pause(ops(), id).await.map(drop) }),
        "resume" => Box::pin(async move { it.resume(ops(), id).await.map(drop) }),
        "deactivate" => Box::pin(async move { it.deactivate(ops(), id).await.map(drop) }),
        "activate" => Box::pin(async move { it.activate(ops(), id).await.map(drop) }),
        "rotate" => Box::pin(async move { it.rotate(ops(), id, day).await.map(drop) }),
        "replace" => Box::pin(async move { it.replace(ops(), id).await.map(drop) }),
        "revoke" => Box::pin(async move { it.revoke(ops(), id).await.map(drop) }),
        "revoke_all" => Box::pin(async move { it.revoke_all(ops(), "acme").await.map(drop) }),
        _ => Box::pin(async move { it.delete(ops(), id).await.map(drop) }),
    }
}

#[tokio::test]
async fn r085_each_change_of_a_key_counts_here_before_it_returns_and_is_announced() {
    let (mark, new) = (text(Changed::Key("key_1")), text(Changed::NewKey));
    for name in ["update", "pause", "deactivate", "rotate", "replace", "revoke", "revoke_all", "delete"] {
        let world = World::new();
        let (here, there) = (world.leased().await, world.leased().await);
        let key = world.key("key_1").await;
        for process in [&here, &there] {
            process.status(&key).await;
            assert_eq!(process.cost(&key).await, 0);
        }
        let told = announced(&here, of_key(&here, name)).await;
        assert!(told.contains(&mark), "{name}: {told:?}");
        // There is a new key, or the key may have another digest.
        assert!(told.contains(&new), "{name}: {told:?}");
        for process in [&here, &there] {
            assert_eq!(process.cost(&key).await, 1, "{name}");
        }
        let back = match name {
            "pause" => "resume",
            "deactivate" => "activate",
            _ => continue,
        };
        assert!(announced(&here, of_key(&here, back)).await.contains(&mark));
        assert_eq!((here.status(&key).await, there.status(&key).await), (200, 200), "{back}");
    }
}

#[tokio::test]
async fn r085_a_suspension_counts_here_before_it_returns_and_is_announced() {
    let world = World::new();
    let (here, there) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    let holders = [
        (Holder::account("acme"), text(Changed::Account("acme"))),
        (Holder::organization("org"), text(Changed::Organization("org"))),
    ];
    for (holder, mark) in holders {
        assert_eq!((here.status(&key).await, there.status(&key).await), (200, 200));
        let told = announced(&here, here.registry.suspend(ops(), holder.clone())).await;
        assert_eq!((told, here.status(&key).await, there.status(&key).await), (vec![mark.clone()], 401, 401));
        let told = announced(&here, here.registry.reinstate(ops(), holder)).await;
        assert_eq!(told, [mark]);
    }
}

#[tokio::test]
async fn r093_creations_and_imports_are_announced_as_new_keys() {
    let world = World::new();
    let process = world.leased().await;
    let new = [text(Changed::NewKey)];
    let created = announced(&process, async {
        process.create("key_1").await;
        Ok(())
    });
    assert_eq!(created.await, new);
    let (key, record) = (world.scheme.generate().unwrap(), |id| KeyRecord::new(id, "acme"));
    let imported =
        announced(&process, async { process.registry.import(ops(), "ci", &key, record("key_2")).await.map(drop) });
    assert_eq!(imported.await, new);
    let scheme = world.scheme.clone().accept_sha256();
    let digests = scheme.digests(world.scheme.generate().unwrap().expose().as_bytes()).unwrap();
    let digest = *digests.iter().last().unwrap();
    let registry = KeyRegistry::with_clock(scheme, process.keys.clone(), &world.clock);
    let imported = announced(&process, async {
        registry.import_digest(ops(), "ci", digest, None, record("key_3")).await.map(drop)
    });
    assert_eq!(imported.await, new);
}

/// Keys and sessions of an erased account are removed in batches, without a transaction of the registry.
#[tokio::test]
async fn r085_the_keys_of_an_erased_account_are_refused_at_once() {
    let world = World::new();
    let (here, there) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    assert_eq!((here.status(&key).await, there.status(&key).await), (200, 200));
    here.registry.erase_account(ops(), "acme").await.unwrap();
    assert_eq!((here.status(&key).await, there.status(&key).await), (401, 401));
}

#[tokio::test]
async fn what_no_lookup_depends_on_is_not_announced() {
    let world = World::new();
    let process = world.leased().await;
    let key = world.key("key_1").await;
    process.status(&key).await;
    let filter = tower_auth::registry::KeyFilter::all();
    let told = announced(&process, async { process.registry.list(ops(), &filter).await.map(drop) }).await;
    assert!(told.is_empty());
    let refused = process.registry.pause(ops(), "key_9").await;
    assert!(refused.is_err());
    assert_eq!((process.cost(&key).await, process.line.log().len()), (0, 3));
}

/// Two processes, of which the second hears nothing of what the first one changes.
async fn unheard(world: &World) -> (Process, Process, Secret) {
    let (here, there) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    assert_eq!((here.status(&key).await, there.status(&key).await), (200, 200));
    here.line.announcing().fail();
    (here, there, key)
}

#[tokio::test]
async fn a_change_that_cannot_be_announced_fails_and_is_announced_later() {
    let world = World::new();
    let (here, there, key) = unheard(&world).await;
    let error = here.registry.revoke(ops(), "key_1").await.unwrap_err();
    let RegistryError::Store(why) = &error else { panic!("{error:?}") };
    let why = why.to_string();
    for part in ["the change was made", "it is set to fail", "repeat the call"] {
        assert!(why.contains(part), "{why}");
    }
    assert_eq!((here.status(&key).await, there.status(&key).await), (401, 200));
    world.beat(8).await;
    assert_eq!(there.status(&key).await, 200, "it still fails");
    here.line.announcing().open();
    world.pass(BOUND).await;
    assert_eq!(there.status(&key).await, 401);
    let announced = here.line.log().iter().filter(|line| line.starts_with("announce")).count();
    world.beat(20).await;
    assert_eq!(here.line.log().iter().filter(|line| line.starts_with("announce")).count(), announced, "once is enough");
}

/// The call changes nothing any more, and must not return before the others are told.
#[tokio::test]
async fn r085_a_call_that_is_repeated_announces_its_change_again() {
    type Call = fn(&Process) -> Change<'_>;
    let calls: [Call; 4] = [
        |process| of_key(process, "revoke"),
        |process| of_key(process, "revoke_all"),
        |process| of_key(process, "delete"),
        |process| Box::pin(process.registry.suspend(ops(), Holder::account("acme"))),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        for elsewhere in [false, true] {
            let world = World::new();
            let (here, there, key) = unheard(&world).await;
            let other = world.leased().await;
            call(&here).await.unwrap_err();
            assert_eq!(there.status(&key).await, 200);
            call(&here).await.expect_err("it still cannot be announced");
            // The first process may have ended.
            let again = if elsewhere { &other } else { &here };
            again.line.announcing().open();
            call(again).await.unwrap();
            assert_ne!(there.status(&key).await, 200, "call {number}, elsewhere: {elsewhere}");
        }
    }
}

/// While an earlier attempt still hangs.
#[tokio::test]
async fn r085_a_repeated_call_does_not_rely_on_announcements_that_are_under_way() {
    let world = World::new();
    let (here, there, key) = unheard(&world).await;
    here.registry.revoke(ops(), "key_1").await.unwrap_err();
    here.line.announcing().hold();
    // The task has begun to announce it again.
    world.pass(BOUND).await;
    let registry = here.registry.clone();
    let again = tokio::spawn(async move { registry.revoke(ops(), "key_1").await.is_ok() });
    settle().await;
    assert!(!again.is_finished(), "nobody was told");
    here.line.announcing().open();
    assert!(again.await.unwrap());
    assert_eq!(there.status(&key).await, 401);
}

#[tokio::test]
async fn a_key_is_created_although_it_cannot_be_announced() {
    let world = World::new();
    let (here, there, _) = unheard(&world).await;
    let key = here.create("key_2").await;
    assert_eq!((here.status(&key.secret).await, there.status(&key.secret).await), (200, 200));
    let announced = |process: &Process| process.line.log().iter().filter(|line| *line == "announce +").count();
    assert_eq!(announced(&here), 1);
    here.line.announcing().open();
    world.pass(BOUND).await;
    assert_eq!(announced(&here), 2, "it is announced again");
}

/// Where a call is dropped, its change may have been made.
#[tokio::test]
async fn r085_a_call_that_is_dropped_after_its_commit_counts_here_and_is_announced_later() {
    for place in ["before", "after", "announcing"] {
        let world = World::new();
        let (here, there) = (world.leased().await, world.leased().await);
        let key = world.key("key_1").await;
        assert_eq!((here.status(&key).await, there.status(&key).await), (200, 200));
        let gate = match place {
            "before" => here.backend.committing(),
            "after" => here.backend.committed(),
            _ => here.line.announcing(),
        };
        gate.hold();
        let registry = here.registry.clone();
        let call = tokio::spawn(async move { registry.revoke(ops(), "key_1").await.map(drop) });
        settle().await;
        assert!(!call.is_finished(), "{place}");
        call.abort();
        settle().await;
        gate.open();
        let status = if place == "before" { 200 } else { 401 };
        assert_eq!((here.status(&key).await, there.status(&key).await), (status, 200), "{place}");
        world.pass(BOUND).await;
        assert_eq!((here.status(&key).await, there.status(&key).await), (status, status), "{place}");
    }
}

/// The store may have committed before it failed.
#[tokio::test]
async fn r085_a_change_that_fails_after_its_commit_is_announced() {
    let world = World::new();
    let (here, there) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    assert_eq!((here.status(&key).await, there.status(&key).await), (200, 200));
    here.backend.committed().fail();
    here.registry.revoke(ops(), "key_1").await.unwrap_err();
    assert_eq!((here.status(&key).await, there.status(&key).await), (401, 401));
}

#[tokio::test]
async fn more_announcements_than_can_wait_are_one_for_everything() {
    let world = World::new();
    let (here, there, key) = unheard(&world).await;
    let others = world.key("key_2").await;
    assert_eq!((there.status(&others).await, there.cost(&others).await), (200, 0));
    here.registry.revoke(ops(), "key_1").await.unwrap_err();
    for number in 0..1_000 {
        let id = format!("other_{number}");
        assert!(here.keys.changed([Changed::Key(&id)]).await.is_err());
    }
    here.line.announcing().open();
    world.pass(BOUND).await;
    assert_eq!(here.line.log().iter().filter(|line| *line == "announce *").count(), 1, "{:?}", here.line.log().last());
    assert_eq!((there.status(&key).await, there.cost(&others).await), (401, 1));
}

/// A service says what it has changed past the cache.
#[tokio::test]
async fn a_change_past_the_cache_counts_when_it_is_told() {
    let world = World::new();
    let (here, there) = (world.leased().await, world.leased().await);
    let key = world.key("key_1").await;
    for changed in [Changed::Key("key_1"), Changed::Account("acme"), Changed::Organization("org"), Changed::Everything]
    {
        for process in [&here, &there] {
            process.status(&key).await;
            assert_eq!(process.cost(&key).await, 0);
        }
        here.keys.changed([changed]).await.unwrap();
        assert_eq!((here.cost(&key).await, there.cost(&key).await), (1, 1), "{changed:?}");
        for other in [Changed::Key("key_2"), Changed::Account("org"), Changed::Subject("acme"), Changed::NewKey] {
            here.keys.changed([other]).await.unwrap();
            assert_eq!((here.cost(&key).await, there.cost(&key).await), (0, 0), "{other:?}");
        }
    }
    here.keys.changed([]).await.unwrap();
    assert_eq!(here.line.log().last().unwrap(), "announce +", "nothing is not announced");
}

/// Announcements that are sent again hang, and heartbeats go on.
#[tokio::test]
async fn an_announcement_that_hangs_does_not_stop_the_heartbeat() {
    let world = World::new();
    let (here, ..) = unheard(&world).await;
    here.registry.revoke(ops(), "key_1").await.unwrap_err();
    here.line.announcing().hold();
    world.beat(40).await;
    let before = here.line.beats();
    for _ in 0..20 {
        world.pass(BEAT).await;
        assert!(here.keys.health().is_used);
    }
    assert_eq!(here.line.beats() - before, 20);
}
