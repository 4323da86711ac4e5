//! How long the caches of all processes may use what they know.

use std::time::Duration;

use super::{
    PostgresKeyStore,
    changes::PostgresChanges,
    failure::Failure,
    listener::{Listener, ask},
    values::Param,
};
use crate::{BoxError, ConfigError};

impl PostgresKeyStore {
    /// Sets how long the caches of all processes may use what they know: the bound of
    /// [`CachedKeyStore::leased`](crate::cache::CachedKeyStore::leased). The first cache stores its own if there is none. Call
    /// this with a pool of the administrator to change it.
    ///
    /// The order matters, because a running cache keeps its bound. To raise it, set it first, and start the services with the
    /// larger bound afterwards. To lower it, restart all services with the smaller bound first. Zero removes the bound: use it
    /// when no service has a cache any more.
    ///
    /// # Errors
    /// If the server does not answer, or the role may not do it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{ConfigError, PostgresKeyStore};
    ///
    /// async fn raise(keys: &PostgresKeyStore) -> Result<(), ConfigError> {
    ///     keys.set_cache_bound(Duration::from_secs(5)).await
    /// }
    /// ```
    pub async fn set_cache_bound(&self, bound: Duration) -> Result<(), ConfigError> {
        let sql = &self.sql.cache;
        let set = async {
            if bound.is_zero() {
                return self.read(&sql.remove_bound, &[]).await;
            }
            let values: [Param; 1] = [Box::new(micros(bound))];
            self.read(&sql.set_bound, &values).await
        };
        set.await.map(drop).map_err(|failure| failure.config("setting the bound of caches"))
    }

    /// Returns the stored bound; zero if there is none.
    pub(super) async fn cache_bound(&self) -> Result<Duration, Failure> {
        let rows = self.read(&self.sql.cache.bound, &[]).await?;
        let micros: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?;
        Ok(micros.map_or(Duration::ZERO, duration))
    }
}

impl PostgresChanges {
    pub(super) async fn stored(&self) -> Result<Option<Duration>, BoxError> {
        let connection = self.connector.connect(None).await?;
        self.read(&connection).await
    }

    async fn read(&self, connection: &Listener) -> Result<Option<Duration>, BoxError> {
        let rows = ask(&connection.client, &self.store.sql.cache.bound.text, "reading the bound of caches").await?;
        let stored = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
        Ok(stored.map(str::parse::<i64>).transpose()?.map(duration))
    }

    /// Returns the stored bound, and stores this one if there is none. It goes over the URL for changes, so that the role of the
    /// lookups needs nothing else.
    pub(super) async fn bound(&self, wanted: Duration) -> Result<Duration, BoxError> {
        let connection = self.connector.connect(None).await?;
        // Where the administrator has set the bound, the privilege to read it is enough.
        if let Some(stored) = self.read(&connection).await? {
            return Ok(stored);
        }
        let keep = self.store.sql.cache.keep_bound(micros(wanted));
        ask(&connection.client, &keep, "storing the bound of caches").await?;
        self.read(&connection)
            .await?
            .ok_or_else(|| "PostgreSQL: the bound of caches was removed while it was stored".into())
    }
}

/// Rounds up, so that the stored bound is not below the one of the cache that stores it.
fn micros(bound: Duration) -> i64 {
    let micros = bound.as_nanos().div_ceil(1_000);
    i64::try_from(micros).unwrap_or(i64::MAX)
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
