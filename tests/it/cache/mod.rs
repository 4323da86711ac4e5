//! The cache in front of a store: what it promises, and that it keeps it whatever fails. No test sleeps: the clock is a manual one.

mod backend;
mod bus;
mod gate;

mod announcements;
mod flights;
mod keys;
mod lease;
mod model;
mod others;
mod outage;
mod sqlite;
mod tokens;

use std::{future::Future, time::Duration};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, CachedKeyStore, KeyFormat, KeyRecord, KeyRegistry, KeyScheme, KeyStore as _, MemoryKeyStore, NewKey,
    Secret, Task,
    registry::{Actor, IssuedKey},
    testing::ManualClock,
};

use self::{
    backend::Backend,
    bus::{Bus, Line},
};
use crate::support::{get, ok};

/// The bound of the tests. A heartbeat is due each quarter of it.
const BOUND: Duration = Duration::from_millis(400);
const BEAT: Duration = Duration::from_millis(100);

/// A store, and the processes that use it.
struct World {
    clock: ManualClock,
    store: MemoryKeyStore,
    bus: Bus,
    scheme: KeyScheme,
    /// Changes keys and announces nothing.
    silent: KeyRegistry,
}

/// A process with a cache.
struct Process {
    keys: CachedKeyStore<Backend>,
    backend: Backend,
    line: Line,
    registry: KeyRegistry,
    scheme: KeyScheme,
    lease: Option<Task>,
}

impl World {
    fn new() -> Self {
        let (clock, store) = (ManualClock::at("2027-01-15T08:00:00Z"), MemoryKeyStore::new());
        clock.advance(Duration::from_secs(1));
        let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
        let silent = KeyRegistry::with_clock(scheme.clone(), store.clone(), &clock);
        Self { clock, store, bus: Bus::default(), scheme, silent }
    }

    /// A process that holds its lease.
    async fn leased(&self) -> Process {
        self.started(|keys| keys).await
    }

    async fn started(&self, set: impl FnOnce(CachedKeyStore<Backend>) -> CachedKeyStore<Backend>) -> Process {
        let mut process = self.unstarted(set);
        process.lease = Some(process.keys.start());
        settle().await;
        assert!(process.keys.health().is_used, "{:?}", process.keys.health());
        process
    }

    fn unstarted(&self, set: impl FnOnce(CachedKeyStore<Backend>) -> CachedKeyStore<Backend>) -> Process {
        self.process(|backend, line| set(CachedKeyStore::leased(backend, line, BOUND)))
    }

    fn process(&self, cache: impl FnOnce(Backend, Line) -> CachedKeyStore<Backend>) -> Process {
        let (backend, line) = (Backend::new(&self.store), self.bus.line());
        let keys = cache(backend.clone(), line.clone()).clock(&self.clock);
        let registry = KeyRegistry::with_clock(self.scheme.clone(), keys.clone(), &self.clock);
        Process { keys, backend, line, registry, scheme: self.scheme.clone(), lease: None }
    }

    /// A key of account `acme` and organisation `org`, of which no cache was told.
    async fn key(&self, id: &str) -> Secret {
        self.silent.create(ops(), new(id)).await.unwrap().secret
    }

    /// Lets the time pass, and what is due.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        settle().await;
    }

    /// Lets so many heartbeats pass.
    async fn beat(&self, beats: u32) {
        for _ in 0..beats {
            self.pass(BEAT).await;
        }
    }
}

impl Process {
    /// The status with which a request with this key is answered.
    async fn status(&self, key: &Secret) -> u16 {
        self.asking(key).await
    }

    /// [`Self::status`], for a task of its own.
    fn asking(&self, key: &Secret) -> impl Future<Output = u16> + Send + 'static + use<> {
        let service = ApiKeyLayer::new(self.scheme.clone(), self.keys.clone()).layer(ok());
        let request = get("/", &[("x-api-key", key.expose())]);
        async move { service.oneshot(request).await.unwrap().status().as_u16() }
    }

    /// What the cache finds, in a task of its own.
    fn finding(&self, key: &Secret) -> impl Future<Output = Found> + Send + 'static + use<> {
        let (keys, key) = (self.keys.clone(), self.scheme.digests(key.expose().as_bytes()).unwrap());
        async move { keys.find(&key).await.map_err(|error| error.to_string()) }
    }

    async fn create(&self, id: &str) -> IssuedKey {
        self.registry.create(ops(), new(id)).await.unwrap()
    }

    async fn revoke(&self, id: &str) {
        self.registry.revoke(ops(), id).await.unwrap();
    }

    /// Asks for a key, and returns how many times the store was asked for it.
    async fn cost(&self, key: &Secret) -> usize {
        let before = self.backend.asked();
        self.status(key).await;
        self.backend.asked() - before
    }
}

type Found = Result<Option<KeyRecord>, String>;

fn ops() -> Actor {
    Actor::named("ops")
}

fn new(id: &str) -> NewKey {
    NewKey::named("ci").id(id).account("acme").organizations(["org"])
}

/// Lets all tasks go on until they wait.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
