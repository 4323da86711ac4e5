//! The keys of a server: their scheme, their store and their registry.

use std::sync::Arc;

use tower_auth::{BoxError, KeyFormat, KeyRegistry, KeyScheme, KeyStore, Peppers, Task, registry::WatchedKeyStore};

use super::{database::Database, options::Storage};

pub(crate) struct Keys {
    pub(crate) scheme: KeyScheme,
    /// For the guards.
    pub(crate) store: WatchedKeyStore,
    /// The same keys for look-ups that are no use of a key.
    pub(crate) unwatched: Arc<dyn KeyStore>,
    pub(crate) registry: KeyRegistry,
    pub(crate) upkeep: Task,
    pub(super) database: Database,
    pub(super) peppers: Peppers,
    /// Whether the keys are there at the next start, and in other processes.
    pub(super) lasting: bool,
}

impl Storage {
    /// Opens the database and creates its tables.
    ///
    /// A service in production does not migrate when it starts. It calls `check_schema`, with a role that cannot change the
    /// tables, and `migrate` is a step of its deployment.
    pub(crate) async fn open(&self, format: KeyFormat) -> Result<Keys, BoxError> {
        let peppers = match &self.secrets {
            Some(file) => Peppers::from_file_or_create(file)?,
            None => Peppers::ephemeral()?,
        };
        let database = Database::open(self.database.as_deref())?;
        let migrated = database.migrate().await;
        migrated.map_err(|error| format!("{error}, or name another database with --database"))?;
        let scheme = KeyScheme::new(format, peppers.clone());
        let registry = KeyRegistry::new(scheme.clone(), database.registry());
        Ok(Keys {
            store: registry.watch(database.keys()),
            unwatched: database.keys(),
            upkeep: registry.start(),
            lasting: self.database.is_some(),
            database,
            peppers,
            scheme,
            registry,
        })
    }
}
