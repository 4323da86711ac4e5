//! Keys in an SQLite file: the schema, the rules of a store, faults, and other processes.

mod crash;
mod faults;
mod full_disk;
mod keys;
mod model;
mod processes;
mod schema;
mod threads;
mod versions;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rusqlite::Connection;
use tower_auth::{
    BoxError, KeyFormat, KeyRecord, KeyRegistry, KeyScheme, KeyStore as _, NewKey, Peppers, Principal, Secret,
    SqliteKeyStore, sqlite::SqliteOptions, testing::conformance,
};

/// A folder for one test, which is removed with everything in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("sqlite-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("keys.db")
    }

    /// Another connection to the file, as another program has it.
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    fn open(&self) -> SqliteKeyStore {
        open(&self.file())
    }

    pub(crate) async fn office(&self) -> Office {
        let store = self.open();
        store.migrate().await.unwrap();
        Office::of(store)
    }

    /// All bytes of the files and their companions. A log may be removed meanwhile, because its file was closed.
    fn bytes(&self) -> Vec<u8> {
        fs::read_dir(&self.0).unwrap().filter_map(|entry| fs::read(entry.unwrap().path()).ok()).flatten().collect()
    }

    fn contains(&self, text: &str) -> bool {
        self.bytes().windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn open(file: &Path) -> SqliteKeyStore {
    SqliteOptions::new().busy_timeout(Duration::from_secs(5)).open(file).unwrap()
}

/// The scheme of every process of these tests.
pub(crate) fn scheme() -> KeyScheme {
    let peppers = Peppers::new(2, [7; 32]).unwrap().accept(1, [9; 32]).unwrap();
    KeyScheme::new(KeyFormat::prefixed("ak", 40).unwrap(), peppers)
}

/// A store with its registry.
pub(crate) struct Office {
    pub(crate) store: SqliteKeyStore,
    pub(crate) keys: KeyRegistry,
    pub(crate) admin: Principal,
}

impl Office {
    pub(crate) fn of(store: SqliteKeyStore) -> Self {
        Self { keys: KeyRegistry::new(scheme(), store.clone()), store, admin: Principal::builder("alice").build() }
    }

    pub(crate) async fn create(&self, id: &str) -> Secret {
        self.keys.create(&self.admin, NewKey::named("ci").id(id).account("acme")).await.unwrap().secret
    }

    async fn find(&self, key: &Secret) -> Result<Option<KeyRecord>, BoxError> {
        self.store.find(&scheme().digests(key.expose().as_bytes()).unwrap()).await
    }

    async fn state(&self, key: &Secret) -> Option<String> {
        let record = self.find(key).await.unwrap()?;
        Some(format!("{:?}", record.status(std::time::SystemTime::now())))
    }
}

#[tokio::test]
async fn an_sqlite_file_conforms() {
    let folder = Folder::new();
    let number = AtomicUsize::new(0);
    let secrets = conformance::check(async || {
        let store = open(&folder.0.join(format!("{}.db", number.fetch_add(1, Ordering::Relaxed))));
        store.migrate().await.unwrap();
        store
    })
    .await;
    secrets.assert_absent_from(&folder.bytes());
}

/// Runs one test of this binary in another process: the test does something only if the variable is set.
pub(crate) fn child(test: &str, variable: &str, value: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(variable, value);
    command
}
