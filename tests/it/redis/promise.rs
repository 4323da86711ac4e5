//! Caches over Redis: what one process revokes, another one refuses after the bound, whatever fails meanwhile.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use tower_auth::{
    CachedKeyStore, Health, KeyDigests, KeyFormat, KeyRegistry, KeyScheme, KeyStatus, KeyStore as _, MemoryKeyStore,
    NewKey, Task,
    redis::{RedisChanges, RedisConfig},
    registry::Actor,
};

use crate::support::{
    process::until,
    proxy::Proxy,
    redis::{self, Cluster, Server},
};

const BOUND: Duration = Duration::from_millis(400);

/// A process: its cache, and the task that keeps the lease.
struct Process {
    cache: CachedKeyStore<MemoryKeyStore>,
    lease: Task,
}

impl Process {
    fn start(store: &MemoryKeyStore, config: RedisConfig) -> Self {
        let cache = CachedKeyStore::leased(store.clone(), RedisChanges::new(config), BOUND);
        let lease = cache.start();
        Self { cache, lease }
    }

    async fn status(&self, digests: &KeyDigests) -> Option<KeyStatus> {
        Some(self.cache.find(digests).await.unwrap()?.status(SystemTime::now()))
    }

    /// Waits until the key is found in the cache.
    async fn holds(&self, digests: &KeyDigests) {
        assert!(until(|| self.lease.health() == Health::Good), "{:?}", self.lease.health());
        for _ in 0..1_000 {
            let hits = self.cache.health().hits;
            assert_eq!(self.status(digests).await, Some(KeyStatus::Active));
            if self.cache.health().hits > hits {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("never in the cache: {:?}", self.cache.health());
    }
}

/// Revokes keys in one process, and asks the other one when the bound has passed.
async fn revoke(one: RedisConfig, other: RedisConfig, before: impl Fn(), after: impl Fn()) {
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
    let store = MemoryKeyStore::new();
    let (one, other) = (Process::start(&store, one), Process::start(&store, other));
    let registry = KeyRegistry::new(scheme.clone(), one.cache.clone());
    for round in 0..3 {
        let issued = registry.create(Actor::named("tests"), NewKey::named("ci").account("acme")).await.unwrap();
        let digests = scheme.digests(issued.secret.expose().as_bytes()).unwrap();
        one.holds(&digests).await;
        other.holds(&digests).await;
        before();
        registry.revoke(Actor::named("tests"), issued.key.id()).await.unwrap();
        assert_eq!(one.status(&digests).await, Some(KeyStatus::Revoked), "in this process, at once");
        sleep(BOUND).await;
        assert_eq!(other.status(&digests).await, Some(KeyStatus::Revoked), "round {round}");
        after();
    }
}

fn config(server: &Server, prefix: &str) -> RedisConfig {
    RedisConfig::url(&server.url()).unwrap().prefix(prefix).unwrap()
}

fn cluster_config(cluster: &Cluster, prefix: &str) -> RedisConfig {
    RedisConfig::cluster(cluster.urls()).unwrap().prefix(prefix).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused_by_the_other_process() {
    let Some(server) = redis::server() else { return };
    let prefix = redis::prefix();
    revoke(config(server, &prefix), config(server, &prefix), || {}, || {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused_over_a_cluster() {
    let Some(cluster) = redis::cluster() else { return };
    let prefix = redis::prefix();
    revoke(cluster_config(cluster, &prefix), cluster_config(cluster, &prefix), || {}, || {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_hears_nothing_asks_the_store() {
    let Some(server) = redis::server() else { return };
    let prefix = redis::prefix();
    let proxy = Proxy::to(server.address());
    let far = RedisConfig::url(&format!("redis://{}", proxy.address())).unwrap().prefix(&prefix).unwrap();
    revoke(config(server, &prefix), far, || proxy.black_hole(), || proxy.release()).await;
}
