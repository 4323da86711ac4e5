//! Where an example keeps its keys: in memory, in an SQLite file, or in PostgreSQL.

#[path = "passfile.rs"]
mod passfile;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::Config;
use tower_auth::{
    BoxError, KeyStore, MemoryKeyStore, PostgresKeyStore, SqliteKeyStore, registry::RegistryStore,
    session::SessionStore,
};

/// An open database. Clones share it.
#[derive(Clone)]
pub(crate) enum Database {
    Memory(MemoryKeyStore),
    Sqlite(SqliteKeyStore),
    Postgres(PostgresKeyStore),
}

/// How a database is named on a command line.
pub(crate) const FORM: &str = "sqlite:PATH, or postgres://USER@HOST:PORT/DATABASE";

/// The most connections to PostgreSQL.
const CONNECTIONS: usize = 8;

/// How long a connection may take. A guard waits five seconds for a lookup.
const PATIENCE: Duration = Duration::from_secs(4);

impl Database {
    /// Opens a database: `sqlite:PATH`, `postgres://…`, or memory if none is named. Its schema is not touched.
    pub(crate) fn open(url: Option<&str>) -> Result<Self, BoxError> {
        let Some(url) = url else { return Ok(Self::Memory(MemoryKeyStore::new())) };
        if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(SqliteKeyStore::open(path)?));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(PostgresKeyStore::from_pool(pool(url)?)));
        }
        Err(format!("the database is not named as {FORM}; help: a file needs sqlite: before its path").into())
    }

    /// Creates the tables, or brings them up to date.
    pub(crate) async fn migrate(&self) -> Result<(), BoxError> {
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(store) => store.migrate().await?,
            Self::Postgres(store) => store.migrate().await?,
        }
        Ok(())
    }

    /// Fails if the tables are missing or of another version.
    pub(crate) async fn check(&self) -> Result<(), BoxError> {
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(store) => store.check_schema().await?,
            Self::Postgres(store) => store.check_schema().await?,
        }
        Ok(())
    }

    /// What the guards ask.
    pub(crate) fn keys(&self) -> Arc<dyn KeyStore> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }

    /// What a registry changes.
    pub(crate) fn registry(&self) -> Arc<dyn RegistryStore> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }

    /// Where sessions are kept.
    pub(crate) fn sessions(&self) -> Arc<dyn SessionStore> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }
}

/// Reads a URL of PostgreSQL, and finds its password.
pub(crate) fn postgres(url: &str) -> Result<Config, BoxError> {
    // The error of the driver may quote the password.
    let wrong =
        |_| format!("the database is not named as {FORM}; help: in a name or password, write %40 for @, %3A for :");
    let mut config: Config = url.parse().map_err(wrong)?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    passfile::complete(&mut config);
    Ok(config)
}

/// A pool without TLS. Over a network, use a TLS connector, such as that of `tokio-postgres-rustls`.
fn pool(url: &str) -> Result<Pool, BoxError> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(postgres(url)?, tokio_postgres::NoTls, recycling);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1);
    Ok(pool.wait_timeout(Some(PATIENCE)).create_timeout(Some(PATIENCE)).build()?)
}
