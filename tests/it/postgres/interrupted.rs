//! Futures that are dropped before they are ready: everything or nothing.

use std::{future::Future, pin::Pin, task::Poll, time::Duration};

use futures_util::future::poll_fn;
use tower_auth::{
    PostgresKeyStore,
    registry::{AuditRow, Change, KeyAction, RegistryStore as _},
};

use super::{Tables, at, create, decided, find, key, pool};

/// Polls a future at most so many times, and drops it.
async fn polled<F: Future + Unpin>(mut future: F, times: usize) -> Option<F::Output> {
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        Pin::new(&mut future).poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_dropped_transaction_leaves_everything_or_nothing() {
    let Some(tables) = Tables::new().await else { return };
    let one = pool(&tables.database.url(), 1, "");
    let store = PostgresKeyStore::from_pool(one.clone());
    let mut finished = 0;
    for times in 0..40_u8 {
        let id = format!("key_{times}");
        let row = |actor: &str| Change::Audit(AuditRow::new(at(1), actor, KeyAction::Created));
        let changes = vec![row(&id), create(key(&id, "acme"), times), row(&id)];
        let outcome = polled(store.transact(Vec::new(), decided(changes)), times.into()).await;
        finished += usize::from(outcome.is_some());
        // The only connection serves the next call, which sees all or nothing.
        let created = find(&store, times).await.is_some();
        let rows = tables.count(&format!("audit WHERE actor = '{id}'")).await;
        let keys = tables.count(&format!("keys WHERE id = '{id}'")).await;
        assert!([(true, 2, 1), (false, 0, 0)].contains(&(created, rows, keys)), "{times}: {created} {rows} {keys}");
        assert!(outcome.is_none_or(|outcome| outcome.is_ok()) && (finished == 0 || created));
    }
    assert!((1..40).contains(&finished), "some were dropped and some were not: {finished}");
    assert!(one.status().size <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_dropped_at_any_time_hold_up_nobody() {
    let Some(tables) = Tables::new().await else { return };
    let store = PostgresKeyStore::from_pool(pool(&tables.database.url(), 2, ""));
    let tasks: Vec<_> = (0..4_u64)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..40_u64 {
                    let limit = Duration::from_micros(150 * (number % 10) + task);
                    let (id, digest) = (format!("key_{task}_{number}"), u8::try_from(task * 40 + number).unwrap());
                    let changes = vec![create(key(&id, "acme"), digest)];
                    let _ = tokio::time::timeout(limit, store.transact(vec![id], decided(changes))).await;
                    let _ = tokio::time::timeout(limit, find(&store, digest)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // Whatever is there is whole, and nothing is locked.
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < now()";
    let last = store.transact(Vec::new(), decided(vec![create(key("last", "acme"), 200)]));
    tokio::time::timeout(Duration::from_secs(60), last).await.unwrap().unwrap();
    let client = tables.pool.get().await.unwrap();
    assert_eq!(client.query_one(open, &[]).await.unwrap().get::<_, i64>(0), 0);
}
