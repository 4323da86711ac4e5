//! A registry and a guard over the tables.

use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::future::join_all;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, Disclosure, KeyRegistry, NewKey, PostgresKeyStore, RegistryError, Rejection, RejectionKind, Secret,
    registry::{Actor, AuditFilter, Holder, IssuedKey, KeyFilter},
};

use super::{Tables, admin, scheme};
use crate::support::{get, ok, postgres};

const HOUR: Duration = Duration::from_secs(3600);

fn new(name: &str) -> NewKey {
    NewKey::named(name).account("acme").organizations(["org_1"]).scopes(["read"])
}

async fn present(store: &PostgresKeyStore, key: &Secret) -> Option<RejectionKind> {
    let layer = ApiKeyLayer::new(scheme(), store.clone()).disclose(Disclosure::All);
    let response = layer.layer(ok()).oneshot(get("/", &[("x-api-key", key.expose())])).await.unwrap();
    Rejection::of(&response).map(Rejection::kind)
}

#[tokio::test]
async fn the_life_of_a_key() {
    let Some(tables) = Tables::new().await else { return };
    let (store, keys, admin) = (&tables.store, KeyRegistry::new(scheme(), tables.store.clone()), admin());
    let first = keys.create(&admin, new("ci")).await.unwrap();
    assert_eq!(present(store, &first.secret).await, None);
    keys.pause(&admin, first.key.id()).await.unwrap();
    assert_eq!(present(store, &first.secret).await, Some(RejectionKind::PausedKey));
    keys.resume(&admin, first.key.id()).await.unwrap();
    let second = keys.rotate(&admin, first.key.id(), HOUR).await.unwrap();
    let third = keys.replace(&admin, second.key.id()).await.unwrap();
    assert_eq!(present(store, &first.secret).await, Some(RejectionKind::RevokedKey));
    assert_eq!(present(store, &second.secret).await, Some(RejectionKind::RevokedKey));
    assert_eq!(present(store, &third.secret).await, None);
    keys.suspend(&admin, Holder::organization("org_1")).await.unwrap();
    assert_eq!(present(store, &third.secret).await, Some(RejectionKind::Suspended));
    keys.reinstate(&admin, Holder::organization("org_1")).await.unwrap();
    assert_eq!(keys.revoke_all(&admin, "acme").await.unwrap(), 1);
    assert_eq!(present(store, &third.secret).await, Some(RejectionKind::RevokedKey));
    keys.erase_account(&admin, "acme").await.unwrap();
    assert_eq!(present(store, &third.secret).await, Some(RejectionKind::InvalidKey));
    assert!(keys.list(&admin, &KeyFilter::all().with_deleted()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn one_of_many_rotations_at_the_same_time_wins() {
    let Some(tables) = Tables::new().await else { return };
    let registries: Vec<_> = (0..4).map(|_| KeyRegistry::new(scheme(), tables.store.clone())).collect();
    let admin = admin();
    let issued = registries[0].create(&admin, new("ci")).await.unwrap();
    let rotations = registries.iter().map(|keys| keys.rotate(&admin, issued.key.id(), HOUR));
    let outcomes = join_all(rotations).await;
    let winners: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(*lost, RegistryError::Rotated { successor: winners[0].key.id().to_owned() });
    }
}

/// Changes that would meet a deadlock, if each took its locks in its own order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_changes_of_the_same_keys_meet_no_deadlock() {
    let Some(tables) = Tables::new().await else { return };
    let keys = KeyRegistry::new(scheme(), tables.store.clone());
    let ids: Vec<String> = {
        let created = join_all((0..6).map(|n| keys.create(Actor::named("alice"), new(&n.to_string())))).await;
        created.into_iter().map(|issued| issued.unwrap().key.id().to_owned()).collect()
    };
    let work = (0..8).map(|task| {
        let (keys, mut ids) = (keys.clone(), ids.clone());
        tokio::spawn(async move {
            let actor = Actor::named("alice");
            if task % 2 == 0 {
                ids.reverse();
            }
            for id in &ids {
                keys.pause(&actor, id).await.unwrap();
                keys.resume(&actor, id).await.unwrap();
            }
            keys.suspend(&actor, Holder::account(if task % 2 == 0 { "a" } else { "b" })).await.unwrap();
            keys.erase_account(&actor, "nobody").await.unwrap();
        })
    });
    for done in join_all(work).await {
        done.unwrap();
    }
    let filter = AuditFilter::key(&*ids[0]).limit(1000);
    let paused = keys.audit(&admin(), &filter).await.unwrap().items;
    assert!(paused.len() >= 3 && paused.len() % 2 == 1, "created, and then paused and resumed in turn");
}

/// The numbers of rows become visible in their order, so that somebody who follows the log misses none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_the_log_misses_no_row() {
    let Some(tables) = Tables::new().await else { return };
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let keys = KeyRegistry::new(scheme(), PostgresKeyStore::from_pool(tables.database.pool(1)));
            tokio::spawn(async move {
                for number in 0..20 {
                    keys.create(Actor::named("alice"), new(&number.to_string())).await.unwrap();
                }
            })
        })
        .collect();
    let keys = KeyRegistry::new(scheme(), tables.store.clone());
    // Each page is one row, and the place behind it as soon as there is another.
    let (mut passed, mut filter) = (0, AuditFilter::all().limit(1));
    while passed < 79 {
        let finished = writers.iter().all(tokio::task::JoinHandle::is_finished);
        match keys.audit(&admin(), &filter).await.unwrap().next {
            Some(next) => (passed, filter) = (passed + 1, filter.after(next)),
            None => assert!(!finished, "only {passed} rows were passed"),
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

/// The raw files of the server never have a secret.
#[tokio::test]
async fn r083_no_file_of_the_server_has_a_secret() {
    let Some(mut server) = postgres::private(&["log_statement=all", "log_min_messages=debug1"]) else { return };
    let tables = Tables::over(server.database());
    tables.store.migrate().await.unwrap();
    let keys = KeyRegistry::new(scheme(), tables.store.clone());
    let IssuedKey { secret, key, .. } = keys.create(&admin(), new("findable")).await.unwrap();
    let successor = keys.rotate(&admin(), key.id(), HOUR).await.unwrap();
    assert_eq!(present(&tables.store, &secret).await, None);
    Pool::close(&tables.pool);
    server.stop();
    let (mut folders, mut bytes) = (vec![server.data_folder()], server.log().into_bytes());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { bytes.extend(std::fs::read(path).unwrap()) }
        }
    }
    let finder = |text: &str| memchr_find(&bytes, text.as_bytes());
    assert!(finder("findable") && finder(key.id()), "the search finds what is there");
    for secret in [&secret, &successor.secret] {
        assert!(!finder(&secret.expose()[..16]), "a secret is in a file of the server");
    }
}

fn memchr_find(bytes: &[u8], text: &[u8]) -> bool {
    let first = text[0];
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts.map(|(at, _)| at).any(|at| bytes[at..].starts_with(text))
}
