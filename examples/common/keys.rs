//! The keys of a server: their scheme, their store and their registry.

use std::sync::Arc;

use tower_auth::{BoxError, KeyFormat, KeyRegistry, KeyScheme, KeyStore, Peppers, Task, registry::WatchedKeyStore};

use super::{cache::Front, database::Database, options::Storage, sharing::Sharing};

pub(crate) struct Keys {
    pub(crate) scheme: KeyScheme,
    /// For the guards.
    pub(crate) store: WatchedKeyStore,
    /// The same keys for look-ups that are no use of a key.
    pub(crate) unwatched: Arc<dyn KeyStore>,
    pub(crate) registry: KeyRegistry,
    /// The upkeep of the keys, the lease of the cache, and the task of shared limits.
    pub(crate) upkeep: Vec<Task>,
    pub(crate) front: Front,
    pub(crate) sharing: Sharing,
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
        let (sharing, limits) = self.sharing().await?;
        let (front, lease) = Front::of(&database, self.database.as_deref(), self.redis.as_deref()).await?;
        let registry = KeyRegistry::new(scheme.clone(), front.registry());
        Ok(Keys {
            store: registry.watch(front.keys()),
            unwatched: front.keys(),
            upkeep: [registry.start()].into_iter().chain(lease).chain(limits).collect(),
            lasting: self.database.is_some(),
            front,
            sharing,
            database,
            peppers,
            scheme,
            registry,
        })
    }
}
