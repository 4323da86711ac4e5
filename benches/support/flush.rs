//! The flush of many keys into a database, next to the bare statements, and how long a change of a key waits meanwhile.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::Pool;
use rusqlite::{Connection, params};
use tower_auth::{
    AuthMethod, AuthStack, KeyFormat, KeyRegistry, KeyScheme, NewKey, PostgresKeyStore, Principal, SqliteKeyStore,
    Usage,
    registry::{Actor, KeyUpdate, RegistryStore},
    testing::FakeAuth,
    usage::UsageStore,
};

use super::{count_of, support::postgres};

/// A batch of the library: the statements of the floor are cut into transactions of this many keys.
const BATCH: usize = 1_000;
const HOUR_START: i64 = 1_800_000_000_000_000;

/// Prints the rows of SQLite, and those of PostgreSQL if there is a server.
pub(crate) fn all(keys: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-usage-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder is created");
    runtime.block_on(sqlite(&folder, keys));
    runtime.block_on(in_postgres(keys));
    let _ = std::fs::remove_dir_all(folder);
}

async fn sqlite(folder: &Path, keys: usize) {
    let floor_path = folder.join("floor.db");
    SqliteKeyStore::open(&floor_path).expect("the file is opened").migrate().await.expect("it is migrated");
    let floor = [(); 2].map(|()| sqlite_floor(&floor_path, keys));
    let store = SqliteKeyStore::open(folder.join("usage.db")).expect("the file is opened");
    store.migrate().await.expect("it is migrated");
    flushes("SQLite", &store, keys, floor).await;
}

async fn in_postgres(keys: usize) {
    let Some(database) = postgres::database().await else { return };
    let pool = database.pool(4);
    let store = PostgresKeyStore::from_pool(pool.clone());
    store.migrate().await.expect("an empty database is migrated");
    let floor = [postgres_floor(&pool, keys).await, postgres_floor(&pool, keys).await];
    flushes("PostgreSQL", &store, keys, floor).await;
}

/// Writes each key once into empty tables, and once more into full ones.
async fn flushes<S: UsageStore + RegistryStore + Clone>(name: &str, store: &S, keys: usize, floor: [Duration; 2]) {
    let usage = Usage::new(store.clone());
    for (what, floor) in ["new rows", "rows that are there"].into_iter().zip(floor) {
        count(&usage, keys);
        let started = Instant::now();
        usage.flush().await.expect("the store answers");
        let took = started.elapsed();
        println!(
            "- {name}, {keys} keys, {what}: {:.2} s; the bare statements {:.2} s: {:.2} x",
            took.as_secs_f64(),
            floor.as_secs_f64(),
            took.as_secs_f64() / floor.as_secs_f64()
        );
    }
    let (idle, busy) = waits(&usage, store, keys).await;
    println!(
        "- {name}: a change of a key takes {idle:.1?} at most when idle, and {busy:.1?} at most while counts are written"
    );
}

/// Counts one request of each key.
fn count(usage: &Usage, keys: usize) {
    let auth = FakeAuth::from_fn(|request| {
        let number: usize = request.path().trim_start_matches('/').parse().ok()?;
        let key = Principal::builder("ci").method(AuthMethod::ApiKey).credential_id(format!("key_{number}"));
        Some(key.account(format!("account_{}", number / 100)).organizations(["org_1"]).build())
    });
    let stack = AuthStack::builder().auth(auth).on_decision(usage.observer()).build().expect("the stack is right");
    count_of(&stack, keys);
}

/// Returns the longest time of a change without and with a flush next to it.
async fn waits<S: UsageStore + RegistryStore + Clone>(usage: &Usage, store: &S, keys: usize) -> (Duration, Duration) {
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("bench", 40).expect("the format is valid"));
    let registry = KeyRegistry::new(scheme, store.clone());
    let actor = Actor::named("bench");
    let key = registry.create(&actor, NewKey::named("bench").account("acme")).await.expect("a key is created");
    let change = async |number: usize| {
        let started = Instant::now();
        let update = KeyUpdate::new().name(format!("name {number}"));
        registry.update(&actor, key.key.id(), update).await.expect("the key is changed");
        started.elapsed()
    };
    let mut idle = Duration::ZERO;
    for number in 0..50 {
        idle = idle.max(change(number).await);
    }
    count(usage, keys);
    let is_over = Arc::new(AtomicBool::new(false));
    let flush = tokio::spawn({
        let (usage, is_over) = (usage.clone(), is_over.clone());
        async move {
            usage.flush().await.expect("the store answers");
            is_over.store(true, Ordering::SeqCst);
        }
    });
    let (mut busy, mut number) = (Duration::ZERO, 0);
    while !is_over.load(Ordering::SeqCst) {
        number += 1;
        busy = busy.max(change(number).await);
    }
    flush.await.expect("the flush ends");
    (idle, busy)
}

/// Writes the same rows with nothing but the statements, prepared, in transactions as long as those of the library.
fn sqlite_floor(path: &Path, keys: usize) -> Duration {
    let connection = Connection::open(path).expect("the file is opened");
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;").expect("it is set");
    let add = |table: &str| {
        format!(
            "INSERT INTO {table} (kind, id, start, outcome, count) VALUES (?1, ?2, ?3, 'admitted', 1) \
             ON CONFLICT DO UPDATE SET count = count + excluded.count"
        )
    };
    let mut tables =
        ["usage_hours", "usage_days"].map(|table| connection.prepare(&add(table)).expect("the statement is right"));
    let mut last = connection
        .prepare(
            "INSERT INTO usage_last (key, at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET at = excluded.at \
             WHERE at <= excluded.at",
        )
        .expect("the statement is right");
    let started = Instant::now();
    for first in (0..keys).step_by(BATCH) {
        connection.execute_batch("BEGIN IMMEDIATE").expect("it begins");
        let numbers = first..(first + BATCH).min(keys);
        for (kind, id) in rows(numbers.clone()) {
            for table in &mut tables {
                table.execute(params![kind, id, HOUR_START]).expect("the statement runs");
            }
        }
        for number in numbers {
            last.execute(params![format!("key_{number}"), HOUR_START]).expect("the statement runs");
        }
        connection.execute_batch("COMMIT").expect("it is written");
    }
    started.elapsed()
}

/// Whom the requests of these keys are counted for.
fn rows(numbers: std::ops::Range<usize>) -> impl Iterator<Item = (&'static str, String)> {
    let accounts = numbers.clone().step_by(100).map(|number| ("account", format!("account_{}", number / 100)));
    let keys = numbers.map(|number| ("key", format!("key_{number}")));
    accounts.chain(keys).chain([("organization", "org_1".to_owned())])
}

async fn postgres_floor(pool: &Pool, keys: usize) -> Duration {
    let mut client = pool.get().await.expect("there is a connection");
    client.batch_execute("CREATE SCHEMA IF NOT EXISTS floor").await.expect("a schema is created");
    for table in ["usage_hours", "usage_days", "usage_last"] {
        let text = format!("CREATE TABLE IF NOT EXISTS floor.{table} (LIKE tower_auth.{table} INCLUDING ALL)");
        client.batch_execute(&text).await.expect("a table is created");
    }
    let add = |table: &str| {
        format!(
            "INSERT INTO floor.{table} AS u (kind, id, start, outcome, count) \
             SELECT kind, id, '2027-01-15T00:00:00Z'::timestamptz, 'admitted', 1 \
             FROM unnest($1::text[], $2::text[]) AS c(kind, id) \
             ON CONFLICT (kind, id, start, outcome) DO UPDATE SET count = u.count + excluded.count"
        )
    };
    let last = "INSERT INTO floor.usage_last (key, at) SELECT key, now() FROM unnest($1::text[]) AS c(key) \
                ON CONFLICT (key) DO UPDATE SET at = excluded.at";
    let mut statements = Vec::new();
    for text in [add("usage_hours"), add("usage_days"), last.to_owned()] {
        statements.push(client.prepare(&text).await.expect("the statement is right"));
    }
    let started = Instant::now();
    for first in (0..keys).step_by(BATCH) {
        let numbers = first..(first + BATCH).min(keys);
        let (kinds, ids): (Vec<&str>, Vec<String>) = rows(numbers.clone()).unzip();
        let names: Vec<String> = numbers.map(|number| format!("key_{number}")).collect();
        let transaction = client.transaction().await.expect("it begins");
        transaction.batch_execute("SET LOCAL synchronous_commit = off").await.expect("it is set");
        for statement in &statements[..2] {
            transaction.execute(statement, &[&kinds, &ids]).await.expect("the statement runs");
        }
        transaction.execute(&statements[2], &[&names]).await.expect("the statement runs");
        transaction.commit().await.expect("it is written");
    }
    started.elapsed()
}
