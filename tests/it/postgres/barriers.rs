//! What a subscription promises, whatever fails meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_postgres::{Config, NoTls};
use tower_auth::{
    PostgresKeyStore,
    cache::{Announcement, ChangeSink, Changed, Changes as _},
};

use super::{Tables, change, create, key, listening::Listening, pool};
use crate::support::{postgres, proxy::Proxy, runs::Runs};

/// The sessions that listen.
const SESSIONS: &str =
    "FROM pg_stat_activity WHERE application_name = 'tower_auth changes' AND datname = current_database()";

impl Tables {
    async fn sessions(&self) -> i64 {
        let client = self.pool.get().await.unwrap();
        client.query_one(&format!("SELECT count(*) {SESSIONS}"), &[]).await.unwrap().get(0)
    }

    /// Waits until the server has closed all of them.
    async fn no_sessions(&self) {
        while self.sessions().await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Announces without an end.
async fn shout(url: String, writer: usize, stop: Arc<AtomicBool>) {
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let told = format!(
            "INSERT INTO tower_auth.denied_tokens VALUES ('{writer} {number}', now()); \
             UPDATE tower_auth.holders SET suspended_at = now() WHERE id = 'account_{writer}'"
        );
        client.batch_execute(&told).await.unwrap();
    }
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_comes_after_every_earlier_change() {
    let Some(tables) = Tables::new().await else { return };
    tables.execute(
        "INSERT INTO tower_auth.holders SELECT 'account', 'account_' || n, now() FROM generate_series(0, 5) AS n",
    );
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    let mut listening = Listening::to(&tables.store, &tables.database.url()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let shouts: Vec<_> =
        (0..6).map(|writer| tokio::spawn(shout(tables.database.url(), writer, Arc::clone(&stop)))).collect();
    let (client, told) = (tables.pool.get().await.unwrap(), Announcement::from(Changed::Key("key_1")));
    let mut others = 0;
    for round in 0..2_000 {
        client.batch_execute("UPDATE tower_auth.keys SET paused = NOT paused").await.unwrap();
        let heard = listening.drain().await;
        assert!(heard.contains(&told), "round {round}");
        others += heard.len() - 1;
    }
    assert!(others > 2_000, "the others have announced {others} changes");
    stop.store(true, Ordering::Relaxed);
    for shout in shouts {
        shout.await.unwrap();
    }
}

#[tokio::test]
async fn a_session_that_is_killed_is_lost_and_another_one_works() {
    let Some(tables) = Tables::new().await else { return };
    let changes = tables.store.changes(&tables.database.url()).unwrap();
    let mut listening = Listening::over(&changes).await.unwrap();
    tables.execute(&format!("SELECT pg_terminate_backend(pid) {SESSIONS}"));
    let why = listening.lost().await;
    assert!(why.contains("listening for changes") && why.contains("terminating connection"), "{why}");
    listening.barrier().await.unwrap_err();
    let mut again = Listening::over(&changes).await.unwrap();
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    again.exactly(&[Changed::NewKey]).await;
}

#[tokio::test]
async fn a_subscription_ends_when_it_is_dropped() {
    let Some(tables) = Tables::new().await else { return };
    let changes = tables.store.changes(&tables.database.url()).unwrap();
    let listening = Listening::over(&changes).await.unwrap();
    assert_eq!(tables.sessions().await, 1);
    drop(listening);
    tables.no_sessions().await;
    // Also in the middle.
    let mut subscribing = Box::pin(Listening::over(&changes));
    tokio::select! {
        biased;
        _ = &mut subscribing => panic!("it takes several round trips"),
        () = async { while tables.sessions().await == 0 { tokio::task::yield_now().await; } } => {}
    }
    drop(subscribing);
    tables.no_sessions().await;
}

#[tokio::test]
async fn a_connection_that_is_cut_is_lost() {
    let Some(tables) = Tables::new().await else { return };
    let proxy = Proxy::to(tables.database.address());
    let mut listening = Listening::to(&tables.store, &tables.database.url_at(proxy.address())).await.unwrap();
    listening.barrier().await.unwrap();
    proxy.cut();
    listening.lost().await;
    listening.barrier().await.unwrap_err();
    Listening::to(&tables.store, &tables.database.url_at(proxy.address())).await.unwrap();
}

#[tokio::test]
async fn a_network_without_answers_passes_no_barrier() {
    let Some(tables) = Tables::new().await else { return };
    let proxy = Proxy::to(tables.database.address());
    let changes = tables.store.changes(&tables.database.url_at(proxy.address())).unwrap();
    let mut listening = Listening::over(&changes).await.unwrap();
    proxy.black_hole();
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    {
        let barrier = listening.barrier();
        let waited = tokio::time::timeout(Duration::from_millis(200), barrier).await;
        assert!(waited.is_err(), "there was no answer");
    }
    assert!(listening.take().is_empty());
    // Nothing waits for ever. The time limits follow the time of tokio, which jumps.
    tokio::time::pause();
    let late = listening.barrier().await.unwrap_err().to_string();
    assert!(late.contains("the server did not answer within 10 s"), "{late}");
    let late = Listening::over(&changes).await.err().unwrap().to_string();
    assert!(late.contains("connecting for changes") || late.contains("did not answer within 10 s"), "{late}");
    changes.shared_bound(Duration::from_secs(1)).await.unwrap_err();
    tokio::time::resume();
    // What was held back arrives before the next barrier.
    proxy.release();
    listening.exactly(&[Changed::NewKey]).await;
    assert!(!listening.is_lost());
}

#[tokio::test]
async fn a_server_that_starts_again_is_listened_to_again() {
    let Some(mut server) = postgres::private(&[]) else { return };
    let tables = Tables::over(server.database());
    tables.store.migrate().await.unwrap();
    let changes = tables.store.changes(&tables.database.url()).unwrap();
    for killed in [false, true] {
        let mut listening = Listening::over(&changes).await.unwrap();
        if killed {
            server.kill();
        } else {
            server.stop();
        }
        listening.lost().await;
        listening.barrier().await.unwrap_err();
        let refused = Listening::over(&changes).await.err().unwrap().to_string();
        assert!(refused.contains("connecting for changes"), "{refused}");
        server.start();
    }
    let mut listening = Listening::over(&changes).await.unwrap();
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    listening.exactly(&[Changed::NewKey]).await;
}

#[tokio::test]
async fn another_database_is_refused() {
    let Some(tables) = Tables::new().await else { return };
    let Some(other) = postgres::database().await else { return };
    let refused = Listening::to(&tables.store, &other.url()).await.err().unwrap().to_string();
    assert!(refused.contains("different databases") && refused.contains("help: give"), "{refused}");
    // So is a pool for changes that leads elsewhere.
    let split = tables.store.clone().writer(pool(&other.url(), 1, ""));
    let refused = Listening::to(&split, &tables.database.url()).await.err().unwrap().to_string();
    assert!(refused.contains("different databases"), "{refused}");
}

#[tokio::test]
async fn a_replica_is_refused() {
    let Some(server) = postgres::private(&[]) else { return };
    let tables = Tables::over(server.database());
    tables.store.migrate().await.unwrap();
    let replica = server.replica();
    let behind = tables.database.url_at(replica.address());
    let refused = Listening::to(&tables.store, &behind).await.err().unwrap().to_string();
    assert!(refused.contains("the URL for changes leads to a replica"), "{refused}");
    let reads = PostgresKeyStore::from_pool(pool(&behind, 1, "")).writer(tables.pool.clone());
    let refused = Listening::to(&reads, &tables.database.url()).await.err().unwrap().to_string();
    assert!(refused.contains("a pool of the store leads to a replica") && refused.contains("help:"), "{refused}");
    // Of several servers, the primary is found.
    let both =
        format!("postgresql://{},{}/{}", replica.address(), server.address(), behind.rsplit('/').next().unwrap());
    let mut config: Config = both.parse().unwrap();
    config.user("postgres");
    let mut listening = Listening::over(&tables.store.changes_with(config, NoTls).unwrap()).await.unwrap();
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    listening.exactly(&[Changed::NewKey]).await;
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let store = PostgresKeyStore::from_pool(pool("postgresql://nobody@192.0.2.1/none", 1, ""));
    let changes = store.changes("postgresql://nobody@192.0.2.1/none").unwrap();
    let sink = ChangeSink::new(|heard| panic!("{heard:?}"));
    let error = Runs::Thread.block_on(changes.subscribe(sink)).err().unwrap().to_string();
    assert!(error.contains("tokio runtime"), "{error}");
    let error = Runs::Thread.block_on(changes.shared_bound(Duration::from_secs(1))).unwrap_err().to_string();
    assert!(error.contains("tokio runtime"), "{error}");
}

#[tokio::test]
async fn urls_that_cannot_work_are_refused_without_a_secret() {
    let store = PostgresKeyStore::from_pool(pool("postgresql://nobody@192.0.2.1/none", 1, ""));
    for (url, part) in [
        ("postgresql://a:hunter2@h:port/x", "no URL"),
        ("password=hunter2 host", "no URL"),
        ("password=hunter2", "names no host"),
        ("postgresql://a:hunter2@h/x?sslmode=require", "changes_with"),
    ] {
        let error = store.changes(url).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("help: use") && !error.contains("hunter2"), "{error}");
    }
    let changes = store.changes("postgresql://a:hunter2@h/x").unwrap();
    assert!(!format!("{changes:?}").contains("hunter2"), "{changes:?}");
}
