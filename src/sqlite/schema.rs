//! The version of the schema, and how it is moved forward.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{failure::Failure, session::Session, sql};
use crate::ConfigError;

/// The statements of each version of the schema, for people who apply them with a tool of their own. The first text makes
/// version 1 of an empty file. Apply each text in one transaction.
///
/// ```
/// use tower_auth::sqlite::MIGRATIONS;
///
/// assert!(MIGRATIONS[0].contains("CREATE TABLE keys"));
/// ```
pub const MIGRATIONS: &[&str] = sql::MIGRATIONS;

/// What a file has.
#[derive(Clone, Copy, Debug, Default)]
struct Version {
    /// Zero if there is no schema.
    found: i64,
    /// The lowest version that a program must know to use the file.
    compatible_with: i64,
}

impl Version {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        if !connection.query_row(sql::HAS_VERSION, [], |row| row.get(0))? {
            return Ok(Self::default());
        }
        let read =
            connection.query_row(sql::VERSION, [], |row| Ok(Self { found: row.get(0)?, compatible_with: row.get(1)? }));
        match read {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(Self::default()),
            other => other,
        }
    }

    /// Returns how many of the migrations the file has, or why this program cannot use the file.
    fn applied(self) -> Result<usize, ConfigError> {
        let known = known();
        if self.compatible_with > known {
            return Err(ConfigError::new(
                format!(
                    "the schema of the SQLite file has version {}, which needs a program that knows version {}; this one \
                     knows version {known}",
                    self.found, self.compatible_with
                ),
                "update tower-auth, or use the file of the old version",
            ));
        }
        Ok(usize::try_from(self.found.clamp(0, known)).unwrap_or_default())
    }
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Applies the versions that are missing, each in a transaction of its own.
pub(super) fn migrate(session: &mut Session<'_>) -> Result<Result<(), ConfigError>, Failure> {
    let to = || Failure::to("migrate the schema");
    loop {
        // The lock comes first: of two processes that start at once, the second one sees what the first one did.
        let transaction =
            Transaction::new_unchecked(session.connection(), TransactionBehavior::Immediate).map_err(to())?;
        let applied = match Version::read(&transaction).map_err(to())?.applied() {
            Ok(applied) => applied,
            Err(error) => return Ok(Err(error)),
        };
        let Some(next) = MIGRATIONS.get(applied) else { return Ok(Ok(())) };
        transaction.execute_batch(next).map_err(to())?;
        transaction.commit().map_err(to())?;
    }
}

/// Says whether this program can use the file.
pub(super) fn check(session: &mut Session<'_>) -> Result<Result<(), ConfigError>, Failure> {
    let version = Version::read(session.connection()).map_err(Failure::to("read the version of the schema"))?;
    Ok(version.applied().and_then(|applied| {
        if applied == MIGRATIONS.len() {
            return Ok(());
        }
        let found = match applied {
            0 => "the SQLite file has no schema".to_owned(),
            _ => format!("the schema of the SQLite file has version {applied}"),
        };
        Err(ConfigError::new(
            format!("{found}, and version {} is needed", MIGRATIONS.len()),
            "call SqliteKeyStore::migrate, or apply the statements of sqlite::MIGRATIONS",
        ))
    }))
}
