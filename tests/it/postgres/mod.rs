//! Keys in PostgreSQL, on real servers.

mod announced;
mod barriers;
mod bounds;
mod changes;
mod faults;
mod interrupted;
mod killed;
mod listening;
mod model;
mod plans;
mod pooler;
mod poolers;
mod registry;
mod roles;
mod round_trip;
mod schema;

use std::time::{Duration, SystemTime};

use deadpool_postgres::{Manager, Pool};
use tokio_postgres::{Config, NoTls};
use tower_auth::{
    KeyDigests, KeyFormat, KeyRecord, KeyScheme, KeyStore as _, Peppers, PostgresKeyStore, Principal, RegistryError,
    registry::{Change, Decide, Entry, Forget, KeyInfo, RegistryStore},
};

use crate::support::postgres::{self, Database};

/// A database with tables in it, and a store over them.
struct Tables {
    database: Database,
    pool: Pool,
    store: PostgresKeyStore,
}

impl Tables {
    async fn new() -> Option<Self> {
        let tables = Self::over(postgres::database().await?);
        tables.store.migrate().await.unwrap();
        Some(tables)
    }

    fn over(database: Database) -> Self {
        let pool = database.pool(4);
        Self { store: PostgresKeyStore::from_pool(pool.clone()), database, pool }
    }

    /// Runs statements as the superuser.
    fn execute(&self, statements: &str) {
        postgres::execute(&self.database.superuser(), statements).unwrap();
    }

    async fn count(&self, from: &str) -> i64 {
        let client = self.pool.get().await.unwrap();
        client.query_one(&format!("SELECT count(*) FROM tower_auth.{from}"), &[]).await.unwrap().get(0)
    }
}

/// A pool of this role, with one setting of its sessions.
fn pool(url: &str, size: usize, options: &str) -> Pool {
    let mut config: Config = url.parse().unwrap();
    config.options(options);
    Pool::builder(Manager::new(config, NoTls)).max_size(size).build().unwrap()
}

/// A time in whole microseconds, as stores keep it.
fn at(seconds: i64) -> SystemTime {
    let span = Duration::from_micros(seconds.unsigned_abs() * 1_000_000 + 7);
    if seconds < 0 { SystemTime::UNIX_EPOCH - span } else { SystemTime::UNIX_EPOCH + span }
}

fn scheme() -> KeyScheme {
    KeyScheme::new(KeyFormat::opaque(20), Peppers::new(2, [7; 32]).unwrap().accept(1, [9; 32]).unwrap())
}

/// The digests of the key with this number.
fn digests(number: u8) -> KeyDigests {
    scheme().digests(format!("the-key-with-the-number-{number:03}").as_bytes()).unwrap()
}

fn admin() -> Principal {
    Principal::builder("alice").build()
}

/// A key as a registry would create it.
fn key(id: &str, account: &str) -> KeyInfo {
    let record = KeyRecord::new(id, account).hint("ak_…1234").last_used_at(at(1_000));
    KeyInfo::of(record).named("ci").created(at(1_000), "alice")
}

fn entry(key: KeyInfo, number: u8) -> Entry {
    let digests = digests(number);
    let (pepper, digest) = digests.versions().next().unwrap();
    Entry::new(key, *digest, pepper)
}

fn create(key: KeyInfo, number: u8) -> Change {
    Change::Create { entry: entry(key, number), digests: Some(digests(number)) }
}

/// Decides that these changes are made.
fn decided(changes: Vec<Change>) -> Decide {
    Box::new(move |_| Ok(changes))
}

async fn change(store: &impl RegistryStore, changes: Vec<Change>) -> Result<Vec<Change>, RegistryError> {
    store.transact(Vec::new(), decided(changes)).await
}

/// Forgets everything, in batches of this size.
async fn forget(store: &impl RegistryStore, what: Forget, limit: usize) -> usize {
    let mut all = 0;
    loop {
        match store.forget(&what, limit).await.unwrap() {
            0 => return all,
            size => all += size,
        }
    }
}

async fn find(store: &PostgresKeyStore, number: u8) -> Option<KeyRecord> {
    store.find(&digests(number)).await.unwrap()
}
