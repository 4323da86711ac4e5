//! A server process: a service with a cache, and requests to it.

use std::{
    io::{BufRead as _, stdin},
    sync::Arc,
    thread,
    time::Duration,
};

use deadpool_postgres::{Manager, Pool};
use tokio::{runtime::Builder, time::sleep};
use tokio_postgres::NoTls;
use tower_auth::{
    CachedKeyStore, PostgresKeyStore,
    cache::Changes,
    redis::{RedisChanges, RedisConfig},
};

use crate::{
    bad::{Bad, Deaf, Forgetful},
    load::{Cache, Load},
    order::{BOUND, Bus, Order, Report},
};

/// The argument that starts this program as a server process. Its order follows.
pub(crate) const WORD: &str = "serve";
/// What it prints when the lease is held.
pub(crate) const READY: &str = "ready";
/// What it is told at the end. Before, it is told two numbers: of the first key that is asked for all the time, and of the first
/// that is not asked for yet. Those before are asked for in turn.
pub(crate) const END: &str = "end";
/// Tasks that send requests.
const LOADS: u32 = 2;

pub(crate) fn run(order: &Order) {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(serve(order));
}

async fn serve(order: &Order) {
    let cache = cache(order);
    let lease = cache.start();
    while !cache.health().is_used {
        sleep(Duration::from_millis(2)).await;
    }
    println!("{READY}");
    let load = Arc::new(Load::new(cache.clone(), order));
    listen(Arc::clone(&load));
    let loads = (0..LOADS).map(|_| tokio::spawn(Arc::clone(&load).work()));
    for load in loads.collect::<Vec<_>>() {
        load.await.unwrap();
    }
    load.ask_all().await;
    let health = cache.health();
    let report = Report {
        keys: load.seen(),
        lapses: load.lapses(),
        losses: health.losses,
        hits: health.hits,
        fills: health.fills,
        failures: health.failures,
    };
    println!("{}", serde_json::to_string(&report).unwrap());
    lease.stop().await;
}

fn cache(order: &Order) -> Cache {
    let store = store(&order.store, 4);
    let changes: Arc<dyn Changes> = match order.bus {
        Bus::Postgres => Arc::new(store.changes(&order.changes).unwrap()),
        Bus::Redis => Arc::new(redis_changes(&order.changes)),
    };
    let cache: Cache = match order.bad {
        None => CachedKeyStore::leased(Arc::new(store), changes, BOUND),
        Some(Bad::Deaf) => CachedKeyStore::leased(Arc::new(store), Deaf(changes), BOUND),
        Some(Bad::Forgetful) => CachedKeyStore::leased(Arc::new(Forgetful::new(store)), changes, BOUND),
    };
    cache.capacity(order.capacity)
}

pub(crate) fn store(url: &str, connections: usize) -> PostgresKeyStore {
    let manager = Manager::new(url.parse().unwrap(), NoTls);
    let runtime = deadpool_postgres::Runtime::Tokio1;
    PostgresKeyStore::from_pool(Pool::builder(manager).max_size(connections).runtime(runtime).build().unwrap())
}

pub(crate) fn redis_changes(url: &str) -> RedisChanges {
    RedisChanges::new(RedisConfig::url(url).unwrap())
}

/// Reads what the parent says. When it is gone, this process ends.
fn listen(load: Arc<Load>) {
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some((hot, unborn)) => load.slide(hot.parse().unwrap(), unborn.parse().unwrap()),
                None => load.end(),
            }
        }
        std::process::exit(0);
    });
}
