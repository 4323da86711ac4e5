//! Look-ups of keys in each store, compared with the bare driver's prepared statement, and a store of a million keys.
//!
//! `cargo bench --all-features --bench store` takes some minutes, `-- --quick` half a minute with fewer keys. It starts a
//! PostgreSQL server of its own if there is one on the machine, and says so if there is none. It reports times and asserts
//! none: only ratios within one run are meaningful.
//!
//! A floor does what a store cannot do without: SQLite blocks, so its floor crosses to another thread and back; the floor of
//! PostgreSQL borrows a connection from the same pool. Both run the statement of the store, already prepared, and copy out the
//! same columns. All rows run on one thread of tokio. `benches/peers` compares the cache with others.

#[path = "support/harness.rs"]
#[allow(dead_code, reason = "no row stands in front of another")]
mod harness;
#[path = "support/store/mod.rs"]
mod stores;
/// The servers of the tests.
#[path = "../tests/it/support"]
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "the tests use all of it, as tests do")]
mod support {
    pub(crate) mod postgres;
    pub(crate) mod process;
    pub(crate) mod server;
}

use std::time::Duration;

use tower_auth::{CachedKeyStore, MemoryKeyStore, PostgresKeyStore};

use self::{
    harness::{Bench, Effort, target},
    stores::{
        Keys,
        floor::{postgres_floor, sqlite_floor},
        many, runtime,
    },
};

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let effort = Effort::from_args();
    // `cargo test --benches` runs each row once, with few keys.
    let few = if effort.is_some() { 1_000 } else { 10 };
    let most = match (effort.is_some(), quick) {
        (false, _) => 100,
        (true, true) => 50_000,
        (true, false) => 1_000_000,
    };

    let mut bench = Bench::default();
    let memory = Keys::new(MemoryKeyStore::new(), few);
    memory.rows(&mut bench, "memory");

    let folder = stores::folder();
    let sqlite = Keys::new(stores::sqlite(&folder.join("few.db")), few);
    bench.without_floor();
    let floor = sqlite_floor(&mut bench, &folder.join("few.db"), &sqlite);
    let sqlite_rows = sqlite.rows_against(&mut bench, "sqlite", floor);
    bench.without_floor();
    let cache = CachedKeyStore::local(sqlite.store.clone()).unknown_for(Duration::from_secs(60));
    sqlite.behind(cache).rows(&mut bench, "sqlite behind a cache");

    let database = runtime().block_on(support::postgres::database());
    let postgres = database.as_ref().map(|database| {
        let pool = database.pool(4);
        let store = PostgresKeyStore::from_pool(pool.clone());
        runtime().block_on(store.migrate()).expect("an empty database is migrated");
        let keys = Keys::new(store.clone(), few);
        bench.without_floor();
        let floor = postgres_floor(&mut bench, &pool, &keys);
        let rows = keys.rows_against(&mut bench, "postgres", floor);
        let pooler = Keys { store: store.clone().behind_transaction_pooler(), ..keys.clone() };
        bench.without_floor();
        pooler.rows(&mut bench, "postgres behind a transaction pooler");
        let cache = CachedKeyStore::ttl(store.clone(), Duration::from_secs(3_600)).unknown_for(Duration::from_secs(60));
        keys.behind(cache).rows(&mut bench, "postgres behind a cache");
        (store, rows, floor)
    });

    let Some(effort) = effort else {
        many::all(&folder, database.as_ref().zip(postgres.map(|(store, ..)| store)), most, None);
        return;
    };
    let report = bench.report(effort);
    for (ours, bare, what) in [(sqlite_rows.0, floor.0, "hit"), (sqlite_rows.1, floor.1, "miss")] {
        target(&format!("SQLite, {what}"), report.ratio(ours, bare), 1.3, "x the bare statement");
    }
    if let Some((_, rows, floor)) = &postgres {
        for (ours, bare, what) in [(rows.0, floor.0, "hit"), (rows.1, floor.1, "miss")] {
            target(&format!("PostgreSQL, {what}"), report.ratio(ours, bare), 1.1, "x the bare statement");
        }
    }
    println!();
    many::all(&folder, database.as_ref().zip(postgres.map(|(store, ..)| store)), most, Some(effort));
    let _ = std::fs::remove_dir_all(folder);
}
