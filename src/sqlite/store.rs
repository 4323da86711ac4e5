use std::{fmt, path::Path, sync::Arc};

use super::{inner::Inner, options::SqliteOptions, read, schema};
use crate::{BoxError, ConfigError, KeyDigests, KeyRecord, KeyStore, StoreFuture};

/// Keys in one SQLite file. A [`KeyRegistry`](crate::KeyRegistry) manages them; other processes may use the file too.
///
/// The [module page](crate::sqlite) says how to set it up. Clones share the threads, which end when the last clone is
/// dropped.
///
/// ```no_run
/// use tower_auth::{ApiKeyLayer, BoxError, KeyRegistry, KeyScheme, SqliteKeyStore};
///
/// async fn guarded(scheme: KeyScheme) -> Result<(ApiKeyLayer, KeyRegistry), BoxError> {
///     let store = SqliteKeyStore::open("/var/lib/api/keys.db")?;
///     store.check_schema().await?;
///     Ok((ApiKeyLayer::new(scheme.clone(), store.clone()), KeyRegistry::new(scheme, store)))
/// }
/// ```
#[derive(Clone)]
pub struct SqliteKeyStore(pub(super) Arc<Inner>);

impl SqliteKeyStore {
    /// Opens the file, or creates an empty one that only its owner may read. It blocks for a moment, needs no runtime and
    /// creates no schema: [`migrate`](Self::migrate) does.
    ///
    /// # Errors
    /// If the folder does not exist, the file is not an SQLite file or is read-only, the file system has no shared memory
    /// (many network file systems), another process keeps the file locked, or no thread can be started.
    ///
    /// ```
    /// use tower_auth::SqliteKeyStore;
    ///
    /// let error = SqliteKeyStore::open("/no/such/folder/keys.db").unwrap_err();
    /// assert!(error.to_string().contains("its folder does not exist"), "{error}");
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        SqliteOptions::new().open(path)
    }

    /// Creates the tables of an empty file, or moves those of an older version forward. If the schema is up to date, or
    /// newer, nothing is changed. Several processes may call it at once. It needs no runtime.
    ///
    /// # Errors
    /// If SQLite fails, or the schema is of a newer version that this one cannot use.
    ///
    /// ```
    /// use tower_auth::{ConfigError, SqliteKeyStore};
    ///
    /// async fn set_up(store: &SqliteKeyStore) -> Result<(), ConfigError> {
    ///     store.migrate().await
    /// }
    /// ```
    pub async fn migrate(&self) -> Result<(), ConfigError> {
        let migrated = self.0.writer.run(schema::migrate).await;
        migrated.unwrap_or_else(|failure| Err(self.unusable(&failure)))
    }

    /// Checks that the schema is there and that this version of the crate can use it. Call it when the service starts.
    ///
    /// # Errors
    /// If the schema is missing, older, or too new. The error says which version was found and what to do.
    ///
    /// ```
    /// use tower_auth::{ConfigError, SqliteKeyStore};
    ///
    /// async fn start(store: &SqliteKeyStore) -> Result<(), ConfigError> {
    ///     store.check_schema().await
    /// }
    /// ```
    pub async fn check_schema(&self) -> Result<(), ConfigError> {
        let checked = self.0.lists.run(schema::check).await;
        checked.unwrap_or_else(|failure| Err(self.unusable(&failure)))
    }

    fn unusable(&self, failure: &dyn fmt::Display) -> ConfigError {
        ConfigError::new(
            format!("the key file {} cannot be used: {failure}", self.0.setup.path.display()),
            "correct the cause, then call it again",
        )
    }
}

impl SqliteOptions {
    /// Opens a file as [`SqliteKeyStore::open`] does, with these options.
    ///
    /// # Errors
    /// As [`SqliteKeyStore::open`].
    ///
    /// ```no_run
    /// use tower_auth::sqlite::SqliteOptions;
    ///
    /// let store = SqliteOptions::new().open("/var/lib/api/keys.db")?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn open(&self, path: impl AsRef<Path>) -> Result<SqliteKeyStore, ConfigError> {
        Ok(SqliteKeyStore(Arc::new(self.start(path.as_ref())?)))
    }
}

/// A key that was revoked by any process is refused from the next lookup on: nothing is cached.
impl KeyStore for SqliteKeyStore {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (store, key) = (self.clone(), key.clone());
        StoreFuture::boxed(async move {
            let found = store.0.lookups.run(move |session| read::find(session, &key)).await;
            found.map_err(BoxError::from)
        })
    }
}

impl fmt::Debug for SqliteKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteKeyStore").field("path", &self.0.setup.path).finish_non_exhaustive()
    }
}
