//! The versions of the schema.

use super::{
    PostgresKeyStore,
    connection::Connection,
    failure::Failure,
    sql::{MIGRATIONS, Sql},
};
use crate::ConfigError;

/// PostgreSQL 15, as the server numbers it.
const OLDEST_SERVER: i64 = 150_000;

/// What was found.
#[derive(Clone, Copy)]
struct Found {
    has_schema: bool,
    version: i64,
    /// The lowest version that a program must know.
    compatible_with: i64,
}

/// The version that this crate needs.
const fn needed() -> i64 {
    // The array is shorter than an `i64` can count.
    #[expect(clippy::cast_possible_wrap, reason = "a handful of migrations")]
    let needed = MIGRATIONS.len() as i64;
    needed
}

impl PostgresKeyStore {
    /// Creates the tables, or brings them to the version that this crate needs. Call it when a new version is deployed, with
    /// a pool of a role that owns the schema. It does nothing if the tables are of this version or a newer one.
    ///
    /// Each version is one transaction. Services that migrate at the same time wait for each other. Lookups go on; a
    /// version that would stop them for long says so in the changelog.
    ///
    /// # Errors
    /// If the server does not answer or refuses a statement, or if the tables were made by a version of this crate with
    /// which this one is not compatible. A version whose transaction fails is not applied at all.
    ///
    /// ```no_run
    /// use deadpool_postgres::Pool;
    /// use tower_auth::{ConfigError, PostgresKeyStore};
    ///
    /// async fn deploy(owner: Pool) -> Result<(), ConfigError> {
    ///     PostgresKeyStore::from_pool(owner).migrate().await
    /// }
    /// ```
    pub async fn migrate(&self) -> Result<(), ConfigError> {
        for (script, version) in MIGRATIONS.into_iter().zip(1..) {
            let doing = || format!("migrating the schema {:?} to version {version}", self.schema);
            let mut connection = self.connection().await.map_err(|failure| failure.config(&doing()))?;
            let migrated = self.migrate_one(&mut connection, script, version).await;
            match migrated.map_err(|failure| failure.config(&doing()))? {
                Step::Refused(error) => return Err(error),
                Step::Unneeded => {}
                Step::Applied => {
                    connection.commit("COMMIT").await.map_err(|failure| failure.config(&doing()))?;
                    tracing::info!(target: "tower_auth", schema = &*self.schema, version, "the tables of keys were migrated");
                }
            }
        }
        Ok(())
    }

    /// Applies one version in a transaction that the caller ends, unless the version is there.
    async fn migrate_one(&self, connection: &mut Connection, script: &str, version: i64) -> Result<Step, Failure> {
        connection.begin(&self.sql.begin_migration()).await?;
        let found = match self.inspect(connection).await? {
            Ok(found) => found,
            Err(error) => return Ok(Step::Refused(error)),
        };
        if let Err(error) = self.check_compatible(found) {
            return Ok(Step::Refused(error));
        }
        if found.version >= version {
            return Ok(Step::Unneeded);
        }
        if !found.has_schema {
            connection.batch(&self.sql.create_schema()).await?;
        }
        connection.batch(&self.sql.migration(script)).await?;
        Ok(Step::Applied)
    }

    /// Checks that the tables are there and of a version that this crate can use. Call it when a service starts, so that it
    /// does not start without its tables.
    ///
    /// A lookup of no key is part of it. For a role that may not read the table `schema_version`, such as a verifier, it is all.
    ///
    /// # Errors
    /// If there are no tables, if they are of another version, or if the server does not answer. The error says which
    /// version was found, and what to do.
    ///
    /// ```no_run
    /// use tower_auth::{ConfigError, PostgresKeyStore};
    ///
    /// async fn start(keys: &PostgresKeyStore) -> Result<(), ConfigError> {
    ///     keys.check_schema().await
    /// }
    /// ```
    pub async fn check_schema(&self) -> Result<(), ConfigError> {
        let doing = format!("checking the schema {:?}", self.schema);
        let checked = async {
            let mut connection = self.connection().await?;
            let found = match self.inspect(&mut connection).await {
                Err(failure) if failure.is_denied() => None,
                found => Some(found?),
            };
            // The pool may have no other.
            drop(connection);
            match found.transpose().and_then(|found| found.map_or(Ok(()), |found| self.check_version(found))) {
                Ok(()) => self.try_lookup().await.map(Ok),
                wrong => Ok(wrong),
            }
        };
        checked.await.map_err(|failure: Failure| failure.config(&doing))?
    }

    /// Returns the scripts that [`migrate`](Self::migrate) runs, one for each version in their order, for a migration tool
    /// of your own. Run each one once, in a transaction. The scripts write their version to `schema_version` themselves.
    ///
    /// ```
    /// use deadpool_postgres::Pool;
    /// use tower_auth::PostgresKeyStore;
    ///
    /// fn print(pool: Pool) {
    ///     for script in PostgresKeyStore::from_pool(pool).migrations() {
    ///         println!("BEGIN;\n{script}COMMIT;\n");
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn migrations(&self) -> Vec<String> {
        let create = format!("{};\n", self.sql.create_schema());
        let prefixes = [create].into_iter().chain(std::iter::repeat_with(String::new));
        MIGRATIONS.into_iter().zip(prefixes).map(|(script, prefix)| prefix + &self.sql.migration(script)).collect()
    }

    /// Reads the version of the tables: 0 without tables. The inner error is a server that cannot be used.
    async fn inspect(&self, connection: &mut Connection) -> Result<Result<Found, ConfigError>, Failure> {
        let rows = connection.run(&Sql::state(), &[&&*self.schema]).await?;
        let Some(row) = rows.first() else { return Err(Failure::Row("the server has answered without a row".into())) };
        let (server, encoding): (i64, &str) = (row.try_get(2)?, row.try_get(3)?);
        if let Err(error) = check_server(server, encoding) {
            return Ok(Err(error));
        }
        let (has_schema, has_table): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        let rows = if has_table { connection.run(&self.sql.version(), &[]).await? } else { Vec::new() };
        let (version, compatible_with) = match rows.first() {
            Some(row) => (row.try_get(0)?, row.try_get(1)?),
            None => (0, 0),
        };
        Ok(Ok(Found { has_schema, version, compatible_with }))
    }

    fn check_version(&self, found: Found) -> Result<(), ConfigError> {
        self.check_compatible(found)?;
        if found.version >= needed() {
            return Ok(());
        }
        let what = match found.version {
            0 => format!("the schema {:?} has no tables of keys", self.schema),
            old => format!("the tables of keys in the schema {:?} are of version {old}", self.schema),
        };
        Err(ConfigError::new(
            format!("PostgreSQL: {what}, and version {} is needed", needed()),
            "call PostgresKeyStore::migrate with a pool of the owner, and check the name of the schema",
        ))
    }

    fn check_compatible(&self, found: Found) -> Result<(), ConfigError> {
        if found.compatible_with <= needed() {
            return Ok(());
        }
        let Found { version, compatible_with, .. } = found;
        Err(ConfigError::new(
            format!(
                "PostgreSQL: the tables of keys in the schema {:?} are of version {version}, which needs a program that knows \
                 version {compatible_with}, and this one knows version {}",
                self.schema,
                needed()
            ),
            "update tower-auth in this service",
        ))
    }

    /// Proves that lookups work, with a lookup of no key.
    async fn try_lookup(&self) -> Result<(), Failure> {
        self.look_up(&[]).await.map(drop)
    }
}

/// What became of one version.
enum Step {
    Applied,
    Unneeded,
    Refused(ConfigError),
}

fn check_server(version: i64, encoding: &str) -> Result<(), ConfigError> {
    if version < OLDEST_SERVER {
        let what = format!("PostgreSQL: the server is of version {}, which is too old", version / 10_000);
        return Err(ConfigError::new(what, "use PostgreSQL 15 or later"));
    }
    if encoding != "UTF8" {
        let what = format!("PostgreSQL: the encoding of the database is {encoding}, which has no place for every name");
        return Err(ConfigError::new(what, "use a database with the encoding UTF8"));
    }
    Ok(())
}
