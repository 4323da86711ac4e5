//! Servers that stop, networks that fail, and locks of others: the store works again when the cause is gone.

use std::time::Duration;

use deadpool_postgres::{Manager, Pool, Runtime};
use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;
use tower_auth::{
    KeyStore as _, PostgresKeyStore,
    registry::{Change, Forget, RegistryStore as _},
};

use super::{Tables, at, change, create, digests, entry, find, key, pool};
use crate::support::{postgres, proxy::Proxy};

#[tokio::test]
async fn a_restarted_server_is_found_by_the_first_call() {
    let Some(mut server) = postgres::private(&[]) else { return };
    let tables = Tables::over(server.database());
    tables.store.migrate().await.unwrap();
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    for crash in [false, true] {
        assert!(find(&tables.store, 1).await.is_some());
        if crash {
            server.kill();
        } else {
            server.stop();
        }
        let down = tables.store.find(&digests(1)).await.unwrap_err().to_string();
        assert!(down.starts_with("PostgreSQL: looking up a key: "), "{down}");
        assert!(change(&tables.store, vec![create(key("key_2", "acme"), 2)]).await.is_err());
        server.start();
        assert!(find(&tables.store, 1).await.is_some());
        change(&tables.store, vec![Change::Update(entry(key("key_1", "acme"), 1))]).await.unwrap();
    }
}

#[tokio::test]
async fn connections_that_were_cut_are_replaced() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    let proxy = Proxy::to(tables.database.address());
    let store = PostgresKeyStore::from_pool(pool(&tables.database.url_at(proxy.address()), 2, ""));
    for _ in 0..5 {
        assert!(find(&store, 1).await.is_some());
        proxy.cut();
        // Whether the pool knows already or not.
        assert!(find(&store, 1).await.is_some());
        proxy.cut();
        change(&store, vec![Change::Update(entry(key("key_1", "acme"), 1))]).await.unwrap();
    }
}

#[tokio::test]
async fn a_lookup_that_was_given_up_leaves_a_connection_that_works() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    let proxy = Proxy::to(tables.database.address());
    let one = pool(&tables.database.url_at(proxy.address()), 1, "");
    let store = PostgresKeyStore::from_pool(one.clone());
    assert!(find(&store, 1).await.is_some());
    proxy.black_hole();
    for _ in 0..3 {
        let lost = timeout(Duration::from_millis(20), find(&store, 1)).await;
        assert!(lost.is_err(), "nothing answers");
    }
    proxy.release();
    assert!(find(&store, 1).await.is_some());
    assert_eq!(one.status().size, 1, "the same connection");
}

#[tokio::test]
async fn a_connection_that_never_answers_again_is_closed() {
    let Some(tables) = Tables::new().await else { return };
    let proxy = Proxy::to(tables.database.address());
    let one = pool(&tables.database.url_at(proxy.address()), 1, "");
    let store = PostgresKeyStore::from_pool(one.clone());
    assert!(find(&store, 1).await.is_none());
    proxy.black_hole();
    assert!(timeout(Duration::from_millis(20), find(&store, 1)).await.is_err());
    assert_eq!(one.status().size, 1);
    // The time in which the connection may answer passes at once.
    tokio::time::pause();
    sleep(Duration::from_secs(6)).await;
    tokio::time::resume();
    assert_eq!(one.status().size, 0);
    proxy.release();
    assert!(find(&store, 1).await.is_none());
}

#[tokio::test]
async fn a_lock_of_another_program_is_waited_for_and_then_named() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    let other = tables.pool.get().await.unwrap();
    other.batch_execute("BEGIN; UPDATE tower_auth.keys SET name = 'theirs' WHERE id = 'key_1'").await.unwrap();
    let mine = async || {
        let mine = tables.store.transact(
            vec!["key_1".to_owned()],
            Box::new(|entries| {
                let key = entries[0].key().clone();
                let name = format!("{}, mine", key.name());
                Ok(vec![Change::Update(entry(key.named(name), 1))])
            }),
        );
        mine.await
    };
    let (waited, ()) = tokio::join!(mine(), async {
        sleep(Duration::from_millis(100)).await;
        assert!(find(&tables.store, 1).await.is_some(), "lookups wait for nobody");
        other.batch_execute("COMMIT").await.unwrap();
    });
    waited.unwrap();
    let key = tables.store.get("key_1").await.unwrap().unwrap();
    assert_eq!(key.key().name(), "theirs, mine");
    other.batch_execute("BEGIN; UPDATE tower_auth.keys SET name = 'theirs' WHERE id = 'key_1'").await.unwrap();
    let named = mine().await.unwrap_err().to_string();
    assert!(named.contains("lock timeout") && named.contains("pg_stat_activity"), "{named}");
    other.batch_execute("COMMIT").await.unwrap();
    mine().await.unwrap();
}

#[tokio::test]
async fn changes_wait_for_no_program_that_stopped_in_the_middle() {
    let Some(tables) = Tables::new().await else { return };
    let proxy = Proxy::to(tables.database.address());
    let store = PostgresKeyStore::from_pool(pool(&tables.database.url_at(proxy.address()), 1, ""));
    // The decision is made while the lock is held. Then the network is gone.
    let proxy = std::sync::Arc::new(proxy);
    let hole = std::sync::Arc::clone(&proxy);
    let (decided, is_decided) = tokio::sync::oneshot::channel();
    let stopped = store.transact(
        Vec::new(),
        Box::new(move |_| {
            hole.black_hole();
            decided.send(()).unwrap();
            Ok(vec![create(key("key_1", "acme"), 1)])
        }),
    );
    tokio::select! {
        biased;
        outcome = stopped => panic!("nothing answers: {outcome:?}"),
        () = is_decided.map(Result::unwrap) => {}
    }
    let limits =
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()";
    let client = tables.pool.get().await.unwrap();
    assert_eq!(client.query_one(limits, &[]).await.unwrap().get::<_, i64>(0), 1, "it holds the lock");
    // The server ends the session before this change stops waiting for the lock.
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
}

#[tokio::test]
async fn the_time_limits_hold_in_the_transaction_and_not_after_it() {
    let Some(tables) = Tables::new().await else { return };
    let one = pool(&tables.database.url(), 1, "-c synchronous_commit=off");
    let store = PostgresKeyStore::from_pool(one.clone());
    change(&store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    let client = one.get().await.unwrap();
    for (setting, own) in
        [("idle_in_transaction_session_timeout", "0"), ("lock_timeout", "0"), ("synchronous_commit", "off")]
    {
        let shown: String = client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap().get(0);
        assert_eq!(shown, own, "{setting} of the caller's session");
    }
}

#[tokio::test]
async fn a_pool_without_a_connection_says_so() {
    let Some(tables) = Tables::new().await else { return };
    let manager = Manager::new(tables.database.url().parse().unwrap(), NoTls);
    let wait = Some(Duration::from_millis(10));
    let one = Pool::builder(manager).max_size(1).wait_timeout(wait).runtime(Runtime::Tokio1).build().unwrap();
    let store = PostgresKeyStore::from_pool(one.clone());
    let taken = one.get().await.unwrap();
    let error = store.find(&digests(1)).await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("timeout"), "{error}");
    drop(taken);
    assert!(find(&store, 1).await.is_none());
    let wrong = pool(&tables.database.url().replace("test_", "nobody_"), 1, "");
    let error = PostgresKeyStore::from_pool(wrong).check_schema().await.unwrap_err().to_string();
    assert!(error.contains("does not exist") && error.contains("help: "), "{error}");
}

#[tokio::test]
async fn a_server_that_turned_read_only_refuses_changes_until_it_writes_again() {
    let Some(tables) = Tables::new().await else { return };
    let one = pool(&tables.database.url(), 1, "");
    let store = PostgresKeyStore::from_pool(one.clone());
    change(&store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    let set = async |value: &str| {
        let setting = format!("SET default_transaction_read_only = {value}");
        one.get().await.unwrap().batch_execute(&setting).await.unwrap();
    };
    set("on").await;
    let old = Forget::Audit { before: at(9_000) };
    for refused in
        [change(&store, vec![create(key("key_2", "acme"), 2)]).await.map(drop), store.forget(&old, 10).await.map(drop)]
    {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("SQLSTATE 25006") && refused.contains("of the primary"), "{refused}");
    }
    assert!(find(&store, 1).await.is_some() && find(&store, 2).await.is_none(), "lookups go on");
    set("off").await;
    change(&store, vec![create(key("key_2", "acme"), 2)]).await.unwrap();
    assert_eq!(store.forget(&old, 10).await.unwrap(), 0);
    assert!(find(&store, 2).await.is_some());
}

/// A folder that is full: the server refuses to write, and the store works when there is room.
#[tokio::test]
async fn a_full_disk_refuses_changes_until_there_is_room() {
    let Some(tables) = Tables::new().await else { return };
    // PostgreSQL reports a full disk as 53100, and so does this trigger.
    tables.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON tower_auth.audit EXECUTE FUNCTION full_disk()",
    );
    let row = tower_auth::registry::AuditRow::new(at(1), "alice", tower_auth::registry::KeyAction::Created);
    let both = || vec![create(key("key_1", "acme"), 1), Change::Audit(row.clone())];
    let full = change(&tables.store, both()).await.unwrap_err().to_string();
    assert!(full.contains("No space left on device (SQLSTATE 53100)"), "{full}");
    assert!(find(&tables.store, 1).await.is_none());
    tables.execute("DROP TRIGGER full_disk ON tower_auth.audit");
    change(&tables.store, both()).await.unwrap();
    assert!(find(&tables.store, 1).await.is_some());
}
