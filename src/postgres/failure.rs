//! What PostgreSQL said, as text for a log, with advice.

use std::{borrow::Cow, error::Error as StdError};

use deadpool_postgres::PoolError;
use tokio_postgres::{Error, error::SqlState};

use crate::{BoxError, ConfigError, RegistryError};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The pool has no connection.
    Pool(PoolError),
    /// The connection or the server failed.
    Driver(Error),
    /// A row cannot be read.
    Row(BoxError),
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<BoxError> for Failure {
    fn from(error: BoxError) -> Self {
        Self::Row(error)
    }
}

/// For a change.
impl From<Failure> for RegistryError {
    fn from(failure: Failure) -> Self {
        failure.registry("changing keys")
    }
}

impl Failure {
    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Driver(error) | Self::Pool(PoolError::Backend(error)) => error.code(),
            _ => None,
        }
    }

    /// Whether the statement must be prepared again: a migration has changed the columns, or the server has forgotten it.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED | &SqlState::INVALID_SQL_STATEMENT_NAME))
    }

    /// Whether another transaction has changed the row meanwhile, in an isolation that does not allow that.
    pub(super) fn is_conflict(&self) -> bool {
        self.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
    }

    pub(super) fn is_denied(&self) -> bool {
        self.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// Whether a query may answer if it is asked once more: the connection was closed while it was idle, or the plan of
    /// the statement was made before a migration.
    pub(super) fn is_transient(&self) -> bool {
        let closed = matches!(self, Self::Driver(error) if error.is_closed() || is_io(error));
        let ended = [SqlState::ADMIN_SHUTDOWN, SqlState::IDLE_SESSION_TIMEOUT, SqlState::FEATURE_NOT_SUPPORTED];
        closed || self.code().is_some_and(|code| ended.contains(code))
    }

    /// What was done when it failed, the cause, and what to do. The server's `DETAIL` is left out: it shows rows.
    fn text(&self, doing: &str) -> String {
        format!("PostgreSQL: {doing}: {}", self.cause())
    }

    fn cause(&self) -> String {
        match self {
            Self::Driver(error) | Self::Pool(PoolError::Backend(error)) => match error.as_db_error() {
                Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
                None => chain(error),
            },
            Self::Pool(error) => chain(error),
            Self::Row(error) => chain(&**error),
        }
    }

    fn advice(&self) -> Option<&'static str> {
        let code = self.code()?;
        let advice = [
            (SqlState::UNDEFINED_TABLE, MIGRATE),
            (SqlState::UNDEFINED_COLUMN, MIGRATE),
            (SqlState::INVALID_SCHEMA_NAME, MIGRATE),
            (
                SqlState::INSUFFICIENT_PRIVILEGE,
                "grant the role of this pool what the page of the module `postgres` lists for a verifier, for an \
                 administrator or for a listener, or give the store a pool of another role with PostgresKeyStore::writer",
            ),
            (
                SqlState::READ_ONLY_SQL_TRANSACTION,
                "this pool leads to a replica, or default_transaction_read_only is on: give the store a pool of the \
                 primary with PostgresKeyStore::writer",
            ),
            (
                SqlState::FEATURE_NOT_SUPPORTED,
                "if this pool leads to a replica, which has no shared limits, give the store a pool of the primary with \
                 PostgresKeyStore::writer",
            ),
            (SqlState::INVALID_SQL_STATEMENT_NAME, POOLER),
            (SqlState::DUPLICATE_PSTATEMENT, POOLER),
            (
                SqlState::LOCK_NOT_AVAILABLE,
                "another session holds a lock: look for long transactions in pg_stat_activity, and repeat the call",
            ),
        ];
        advice.into_iter().find(|(known, _)| known == code).map(|(_, advice)| advice)
    }

    /// The error for a guard.
    pub(super) fn boxed(self, doing: &str) -> BoxError {
        match self.advice() {
            Some(advice) => format!("{}; help: {advice}", self.text(doing)).into(),
            None => self.text(doing).into(),
        }
    }

    /// The error for a registry.
    pub(super) fn registry(self, doing: &str) -> RegistryError {
        match self.code() {
            Some(&SqlState::UNIQUE_VIOLATION) => RegistryError::AlreadyExists,
            Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE) => {
                let reason = "has a text with the character U+0000, which PostgreSQL cannot store";
                RegistryError::Invalid { field: "", reason: Cow::Borrowed(reason) }
            }
            _ => self.boxed(doing).into(),
        }
    }

    /// The error at the start of a service.
    pub(super) fn config(self, doing: &str) -> ConfigError {
        let advice = self.advice().unwrap_or("check the configuration of the pool, and that the server answers");
        ConfigError::new(self.text(doing), advice)
    }
}

const MIGRATE: &str = "create or update the tables with PostgresKeyStore::migrate, and check the name that was given to \
                       PostgresKeyStore::schema";
const POOLER: &str = "between this service and the server is a pooler that shares sessions: call \
                      PostgresKeyStore::behind_transaction_pooler";

fn is_io(error: &Error) -> bool {
    error.source().is_some_and(<dyn StdError>::is::<std::io::Error>)
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        // Some errors show their cause already.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    text
}
