//! Stores of sessions: the checks of the suite, whether they find a fault, and processes that are killed.

mod broken;
mod cut;
mod databases;
mod killed;
mod memory;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use tower_auth::{
    MemoryKeyStore, PostgresKeyStore, Principal, SqliteKeyStore,
    session::{Grant, Session, SessionRow, SessionStore},
};

use crate::support::{folder::Folder, postgres};

/// A session of alice with this id, and so many generations.
fn session(id: &str, generation: i64) -> Session {
    let micros = 1_780_401_600_000_000;
    let mut row = SessionRow::default();
    row.id = id.into();
    row.grant = Grant::of(&Principal::builder("alice").account("acme").build()).to_json().to_string();
    (row.created_at, row.used_at) = (micros, micros + generation);
    (row.expires_at, row.ends_at) = (micros + 3_600_000_000 + generation, micros * 2);
    row.generation = generation;
    row.digest = vec![u8::try_from(generation % 251).unwrap(); 32];
    row.replaced = format!("[{generation}]");
    row.into_session().unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_401_600 + seconds)
}

/// Opens a file, with its schema.
async fn sqlite(folder: &Folder, name: &str) -> SqliteKeyStore {
    let store = SqliteKeyStore::open(folder.path().join(name)).unwrap();
    store.migrate().await.unwrap();
    store
}

/// Opens files of a folder, one after the other.
struct Files(Folder, AtomicUsize);

impl Files {
    fn new(name: &str) -> Self {
        Self(Folder::new(name), AtomicUsize::new(0))
    }

    async fn fresh(&self) -> SqliteKeyStore {
        sqlite(&self.0, &format!("{}.db", self.1.fetch_add(1, Ordering::Relaxed))).await
    }
}

/// Databases, which are dropped with this value.
#[derive(Default)]
struct Databases(Mutex<Vec<postgres::Database>>);

impl Databases {
    /// `None` without a server.
    async fn fresh(&self) -> Option<PostgresKeyStore> {
        let database = postgres::database().await?;
        let store = PostgresKeyStore::from_pool(database.pool(8));
        store.migrate().await.unwrap();
        self.0.lock().unwrap().push(database);
        Some(store)
    }
}
