//! The cache in front of PostgreSQL.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio_postgres::NoTls;
use tower_auth::{
    BoxError, CachedKeyStore, Changes, KeyStore, PostgresKeyStore, Task,
    cache::CacheHealth,
    redis::{RedisChanges, RedisConfig},
    registry::RegistryStore,
    session::SessionStore,
};

use super::database::{self, Database};

/// How long a key that was revoked by another process may still be used, at the most.
const BOUND: Duration = Duration::from_millis(250);

/// What the guards ask, what a registry changes, and where sessions are kept: a database, or the cache in front of it.
#[derive(Clone)]
pub(crate) enum Front {
    Plain(Database),
    Cached(CachedKeyStore<PostgresKeyStore>),
}

impl Front {
    /// Puts a cache in front of PostgreSQL, which announces its changes, unless the processes do so over Redis. The other databases answer from this machine.
    pub(super) async fn of(
        database: &Database,
        url: Option<&str>,
        redis: Option<&str>,
    ) -> Result<(Self, Option<Task>), BoxError> {
        let (Database::Postgres(store), Some(url)) = (database, url) else {
            return Ok((Self::Plain(database.clone()), None));
        };
        let changes: Arc<dyn Changes> = match redis {
            Some(redis) => Arc::new(RedisChanges::new(RedisConfig::url(redis)?)),
            None => Arc::new(store.changes_with(database::postgres(url)?, NoTls)?),
        };
        let keys = CachedKeyStore::leased(store.clone(), changes, BOUND);
        keys.check().await?;
        let lease = keys.start();
        Ok((Self::Cached(keys), Some(lease)))
    }

    /// What the guards ask.
    pub(super) fn keys(&self) -> Arc<dyn KeyStore> {
        match self {
            Self::Plain(database) => database.keys(),
            Self::Cached(keys) => Arc::new(keys.clone()),
        }
    }

    /// What a registry changes.
    pub(super) fn registry(&self) -> Arc<dyn RegistryStore> {
        match self {
            Self::Plain(database) => database.registry(),
            Self::Cached(keys) => Arc::new(keys.clone()),
        }
    }

    /// Where sessions are kept.
    pub(super) fn sessions(&self) -> Arc<dyn SessionStore> {
        match self {
            Self::Plain(database) => database.sessions(),
            Self::Cached(keys) => Arc::new(keys.clone()),
        }
    }

    /// How the server is. Without a lease it works too, but every request asks the database.
    pub(crate) fn health(&self) -> Value {
        match self {
            Self::Plain(_) => json!({ "status": "ok" }),
            Self::Cached(keys) => json!({ "status": "ok", "cache": cache(&keys.health()) }),
        }
    }
}

fn cache(health: &CacheHealth) -> Value {
    let millis = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 1e6).round() / 1e3);
    json!({
        "lease": if health.is_used { "held" } else { "lost" },
        "bound_ms": millis(Some(health.bound)),
        "lease_age_ms": millis(health.lease_age),
        "lag_ms": millis(health.lag),
        "losses": health.losses,
        "hit_rate": health.hit_rate(),
        "hits": health.hits,
        "lookups": health.fills,
        "bypasses": health.bypasses,
        "failures": health.failures,
        // No secret is in it, but the address of the database may be: it stands in the log.
        "trouble": health.trouble.is_some(),
    })
}
