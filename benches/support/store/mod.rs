//! The stores that are measured, and the keys in them.

pub(crate) mod floor;
pub(crate) mod many;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use tokio::runtime::{Builder, Runtime};
use tower_auth::{
    KeyDigests, KeyFormat, KeyRegistry, KeyScheme, KeyStore, NewKey, Peppers, SqliteKeyStore,
    registry::{Actor, RegistryStore},
};

use super::harness::{Bench, Row};

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime starts"));
    &RUNTIME
}

pub(crate) fn scheme() -> KeyScheme {
    let format = KeyFormat::prefixed("bench", 40).expect("the format is valid");
    KeyScheme::new(format, Peppers::new(1, [7; 32]).expect("the pepper is valid"))
}

pub(crate) fn new_key() -> NewKey {
    NewKey::named("bench").account("acme").organizations(["org_1"]).scopes(["read", "write"]).plan("standard")
}

pub(crate) fn actor() -> Actor {
    Actor::named("bench")
}

/// An empty folder on the disk of the target folder.
pub(crate) fn folder() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-store-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder is created");
    path
}

pub(crate) fn sqlite(path: &Path) -> SqliteKeyStore {
    let store = SqliteKeyStore::open(path).expect("the file is opened");
    runtime().block_on(store.migrate()).expect("an empty file is migrated");
    store
}

/// The number of keys that are looked up.
pub(crate) const SOME: usize = 500;

/// A store, and the digests of some keys that are in it and of some that are not.
#[derive(Clone)]
pub(crate) struct Keys<S> {
    pub(crate) store: S,
    pub(crate) known: Vec<KeyDigests>,
    pub(crate) unknown: Vec<KeyDigests>,
}

impl<S: KeyStore + RegistryStore + Clone> Keys<S> {
    /// Creates so many keys, and remembers the first of them.
    pub(crate) fn new(store: S, count: usize) -> Self {
        let scheme = scheme();
        let registry = KeyRegistry::new(scheme.clone(), store.clone());
        let digests = |key: &str| scheme.digests(key.as_bytes()).expect("a minted key has the format");
        let mut known = Vec::new();
        for _ in 0..count {
            let issued = runtime().block_on(registry.create(actor(), new_key())).expect("a key is created");
            if known.len() < SOME {
                known.push(digests(issued.secret.expose()));
            }
        }
        let unknown =
            (0..count.min(SOME)).map(|_| digests(scheme.generate().expect("random bytes").expose())).collect();
        Self { store, known, unknown }
    }

    /// The same keys behind a cache, which has been asked for all of them.
    pub(crate) fn behind<C: KeyStore>(&self, cache: C) -> Keys<C> {
        let keys = Keys { store: cache, known: self.known.clone(), unknown: self.unknown.clone() };
        for key in keys.known.iter().chain(&keys.unknown) {
            runtime().block_on(keys.store.find(key)).expect("the store answers");
        }
        keys
    }

    /// Adds the rows of a hit and a miss.
    pub(crate) fn rows(&self, bench: &mut Bench, name: &str) -> (Row, Row) {
        let hit = self.row(bench, &format!("{name}: hit"), self.known.clone(), true);
        (hit, self.row(bench, &format!("{name}: miss"), self.unknown.clone(), false))
    }

    /// Adds the rows, each compared with its floor.
    pub(crate) fn rows_against(&self, bench: &mut Bench, name: &str, floor: (Row, Row)) -> (Row, Row) {
        bench.against(floor.0);
        let hit = self.row(bench, &format!("{name}: hit"), self.known.clone(), true);
        bench.against(floor.1);
        (hit, self.row(bench, &format!("{name}: miss"), self.unknown.clone(), false))
    }

    fn row(&self, bench: &mut Bench, name: &str, keys: Vec<KeyDigests>, found: bool) -> Row {
        let (store, mut next) = (self.store.clone(), 0);
        bench.work(name, move || {
            next = (next + 1) % keys.len();
            let record = runtime().block_on(store.find(&keys[next])).expect("the store answers");
            assert_eq!(record.is_some(), found);
            record
        })
    }
}
