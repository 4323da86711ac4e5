//! Caches of keys that are compared: ours, two by hand, and the least that a cache must do.

pub(crate) mod by_hand;
pub(crate) mod least;
pub(crate) mod ours;

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};
use tower_auth::{KeyFormat, KeyRecord, KeyScheme, KeyStore, MemoryKeyStore, Peppers};

/// Nothing becomes too old while it is measured.
pub(crate) const LIFE: Duration = Duration::from_hours(24);
/// Room for all keys. The parts of a cache are filled unevenly.
pub(crate) const ROOM: usize = 250_000;

/// A runtime that works beside the benchmark: it keeps the lease of a cache.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts"));
    &RUNTIME
}

/// The keys that are looked up, in an order without a pattern, and the store behind the caches.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) scheme: KeyScheme,
    pub(crate) store: MemoryKeyStore,
    pub(crate) texts: Arc<[String]>,
}

impl Keys {
    pub(crate) fn new(count: usize) -> Self {
        let format = KeyFormat::prefixed("bench", 40).expect("the format is valid");
        let scheme = KeyScheme::new(format, Peppers::new(1, [7; 32]).expect("the pepper is valid"));
        let store = MemoryKeyStore::new();
        let key = |n| store.create(&scheme, record(n)).expect("a key is created").expose().to_owned();
        let texts = (0..count).map(key).collect();
        Self { scheme, store, texts }
    }

    /// Asks a cache for all keys, so that it has them.
    pub(crate) fn fill(&self, cache: &impl KeyStore) {
        for text in &*self.texts {
            let digests = self.scheme.digests(text.as_bytes()).expect("a minted key has the format");
            let found = runtime().block_on(cache.find(&digests)).expect("the store answers");
            assert!(found.is_some(), "the store has the key");
        }
    }

    /// Looks a key up in a cache that has it.
    #[inline]
    pub(crate) fn look_up(&self, cache: &impl KeyStore, text: &str) -> KeyRecord {
        let digests = self.scheme.digests(text.as_bytes()).expect("a minted key has the format");
        match now(cache.find(&digests)) {
            Ok(Some(record)) => record,
            _ => panic!("the store has the key"),
        }
    }
}

fn record(n: usize) -> KeyRecord {
    KeyRecord::new(format!("key_{n}"), "acme").organizations(["org_1"]).scopes(["read", "write"]).plan("standard")
}

/// Returns what is ready: a cache that has the key does not wait.
#[inline]
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the key is not in the cache"),
    }
}
