use std::{fmt, sync::Arc};

use deadpool_postgres::Pool;
use tokio_postgres::{Row, types::ToSql};

use super::{
    connection::Connection,
    failure::Failure,
    query::Statement,
    sql::Sql,
    values::{self, Hidden, Param},
};
use crate::{BoxError, ConfigError, KeyDigests, KeyRecord, KeyStore, StoreFuture};

/// The schema, unless another is set.
const SCHEMA: &str = "tower_auth";
/// The longest name of PostgreSQL; the rest would be cut off.
const LONGEST_NAME: usize = 63;

type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// Keys in PostgreSQL. The [module page](crate::postgres) has the set-up and the permissions.
///
/// Clones share the pool. Nothing is cached: a change takes effect for the next lookup of every process that reads the
/// same server.
///
/// ```no_run
/// use deadpool_postgres::{Manager, Pool};
/// use tokio_postgres::NoTls;
/// use tower_auth::{BoxError, PostgresKeyStore};
///
/// async fn store(url: &str) -> Result<PostgresKeyStore, BoxError> {
///     let pool = Pool::builder(Manager::new(url.parse()?, NoTls)).max_size(16).build()?;
///     let store = PostgresKeyStore::from_pool(pool).schema("auth")?;
///     store.check_schema().await?;
///     Ok(store)
/// }
/// ```
#[derive(Clone)]
pub struct PostgresKeyStore {
    lookups: Pool,
    writer: Option<Pool>,
    pub(super) schema: Arc<str>,
    pub(super) sql: Arc<Sql>,
    unnamed: bool,
}

impl PostgresKeyStore {
    /// Creates a store over a pool of the caller, which decides about roles, TLS, timeouts and the number of connections.
    /// It connects to nothing yet. The schema is `tower_auth`.
    ///
    /// ```
    /// use deadpool_postgres::Pool;
    /// use tower_auth::PostgresKeyStore;
    ///
    /// fn store(pool: &Pool) -> PostgresKeyStore {
    ///     PostgresKeyStore::from_pool(pool.clone())
    /// }
    /// ```
    #[must_use]
    pub fn from_pool(pool: Pool) -> Self {
        Self { lookups: pool, writer: None, schema: SCHEMA.into(), sql: Arc::new(Sql::new(SCHEMA)), unnamed: false }
    }

    /// Sets the schema of the tables. The name is quoted, so upper and lower case differ.
    ///
    /// # Errors
    /// If PostgreSQL accepts no schema of this name.
    ///
    /// ```
    /// use deadpool_postgres::Pool;
    /// use tower_auth::{ConfigError, PostgresKeyStore};
    ///
    /// fn store(pool: Pool) -> Result<PostgresKeyStore, ConfigError> {
    ///     PostgresKeyStore::from_pool(pool).schema("auth")
    /// }
    /// ```
    pub fn schema(self, name: &str) -> Result<Self, ConfigError> {
        let wrong = match name {
            "" => "is empty",
            name if name.len() > LONGEST_NAME => "is longer than 63 bytes",
            name if name.contains('\0') => "has the character U+0000",
            name if name.starts_with("pg_") || name == "information_schema" => "is reserved by PostgreSQL",
            _ => return Ok(Self { schema: name.into(), sql: Arc::new(Sql::new(name)), ..self }),
        };
        Err(ConfigError::new(
            format!("PostgresKeyStore::schema was given {name:?}, which {wrong}"),
            "use a name such as auth",
        ))
    }

    /// Sends all statements without a name, for a pooler that gives every transaction another session, such as PgBouncer
    /// with `pool_mode = transaction`. The server then plans every lookup anew; a lookup is still one round trip.
    ///
    /// ```
    /// use deadpool_postgres::Pool;
    /// use tower_auth::PostgresKeyStore;
    ///
    /// fn store(pool: Pool) -> PostgresKeyStore {
    ///     PostgresKeyStore::from_pool(pool).behind_transaction_pooler()
    /// }
    /// ```
    #[must_use]
    pub fn behind_transaction_pooler(self) -> Self {
        Self { unnamed: true, ..self }
    }

    /// Uses another pool for everything except the lookups of guards. Lookups then need no privilege but the one of a
    /// verifier, or go to a replica.
    ///
    /// A replica lags: after a key is revoked, a lookup there finds it valid until the change has arrived.
    ///
    /// ```
    /// use deadpool_postgres::Pool;
    /// use tower_auth::PostgresKeyStore;
    ///
    /// fn store(verifier: Pool, administrator: Pool) -> PostgresKeyStore {
    ///     PostgresKeyStore::from_pool(verifier).writer(administrator)
    /// }
    /// ```
    #[must_use]
    pub fn writer(self, pool: Pool) -> Self {
        Self { writer: Some(pool), ..self }
    }

    /// Returns the text of every statement that the store sends, for a review by a database administrator. Lists are shown
    /// without the conditions of a filter.
    ///
    /// ```
    /// use deadpool_postgres::Pool;
    /// use tower_auth::PostgresKeyStore;
    ///
    /// fn print(pool: Pool) {
    ///     for statement in PostgresKeyStore::from_pool(pool).statements() {
    ///         println!("{statement};");
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        self.sql.texts()
    }

    /// A connection for everything except lookups.
    pub(super) async fn connection(&self) -> Result<Connection, Failure> {
        Connection::of(self.managing(), self.unnamed).await
    }

    fn managing(&self) -> &Pool {
        self.writer.as_ref().unwrap_or(&self.lookups)
    }

    /// Reads for a registry.
    pub(super) async fn read(&self, statement: &Statement, values: &[Param]) -> Result<Vec<Row>, Failure> {
        let values: Vec<_> = values.iter().map(|value| &**value as _).collect();
        self.query(self.managing(), statement, &values).await
    }

    /// Looks up keys by their digests, as a guard does.
    pub(super) async fn look_up(&self, digests: &[&[u8]]) -> Result<Vec<Row>, Failure> {
        let Some(statement) = self.sql.find(digests.len()) else {
            return self.query(&self.lookups, self.sql.find_any(), &[&Hidden(digests)]).await;
        };
        let digests: Vec<_> = digests.iter().copied().map(Hidden).collect();
        let values: Vec<_> = digests.iter().map(|digest| digest as _).collect();
        self.query(&self.lookups, statement, &values).await
    }

    /// Asks each pool whether its server is a replica, and which one it is.
    pub(super) async fn servers(&self) -> Result<Vec<(bool, String)>, BoxError> {
        let mut servers = Vec::new();
        for pool in [Some(&self.lookups), self.writer.as_ref()].into_iter().flatten() {
            let read = async {
                let rows = self.query(pool, &self.sql.cache.server, &[]).await?;
                let Some(row) = rows.first() else { return Err(Failure::Row("there is no row".into())) };
                Ok((row.try_get::<_, &str>(0)? == "true", row.try_get(1)?))
            };
            servers.push(read.await.map_err(|failure: Failure| failure.boxed("asking which server a pool leads to"))?);
        }
        Ok(servers)
    }

    /// Notifies a channel, over the pool for lookups.
    pub(super) async fn notify(&self, channel: &str) -> Result<(), BoxError> {
        let notified = self.query(&self.lookups, &self.sql.cache.probe, &[&channel]).await;
        notified.map(drop).map_err(|failure| failure.boxed("trying whether a notification arrives"))
    }

    /// Asks once more if that may help.
    async fn query(&self, pool: &Pool, statement: &Statement, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let answer = self.query_once(pool, statement, values).await;
        if answer.as_ref().is_err_and(Failure::is_transient) {
            return self.query_once(pool, statement, values).await;
        }
        answer
    }

    /// The connection is given back before the answer is looked at: the pool may have no other.
    async fn query_once(&self, pool: &Pool, statement: &Statement, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        Connection::of(pool, self.unnamed).await?.query(statement, values).await
    }

    async fn find_record(&self, key: &KeyDigests) -> Result<Option<KeyRecord>, Failure> {
        let digests = key.as_slices();
        let rows = self.look_up(&digests).await?;
        // No two keys share a digest. If a table was filled by hand and they do, the order of the digests decides.
        let place =
            |row: &&Row| digests.iter().position(|digest| row.try_get(0).is_ok_and(|found: &[u8]| found == *digest));
        let first = if rows.len() > 1 { rows.iter().min_by_key(place) } else { rows.first() };
        Ok(first.map(values::record).transpose()?)
    }
}

impl KeyStore for PostgresKeyStore {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (store, key) = (self.clone(), key.clone());
        StoreFuture::boxed(
            async move { store.find_record(&key).await.map_err(|failure| failure.boxed("looking up a key")) },
        )
    }
}

impl fmt::Debug for PostgresKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresKeyStore")
            .field("schema", &self.schema)
            .field("writer", &self.writer.is_some())
            .field("behind_transaction_pooler", &self.unnamed)
            .finish_non_exhaustive()
    }
}
