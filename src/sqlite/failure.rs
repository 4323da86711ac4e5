//! What can go wrong, as text for the log.

use rusqlite::{Error, ErrorCode, ffi};

use crate::{BoxError, RegistryError};

/// Why a call failed. The texts name what was being done, and never a value.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite has failed.
    Sqlite { doing: &'static str, cause: Error },
    /// The decision of the registry, or a key that exists.
    Refused(RegistryError),
    /// A row cannot be read, or a file cannot be used.
    Other(BoxError),
}

impl Failure {
    /// Returns an error of SQLite as a failure to do this.
    pub(super) fn to(doing: &'static str) -> impl Fn(Error) -> Self {
        move |cause| Self::Sqlite { doing, cause }
    }

    /// The answer of a thread that stopped.
    pub(super) fn stopped() -> Self {
        Self::Other("the database thread stopped while it worked on the call; the next call starts afresh".into())
    }

    /// Returns whether the connection is as good as before. After any other error, the next call opens another, because
    /// the file may have been replaced or repaired.
    pub(super) fn spares_connection(&self) -> bool {
        match self {
            Self::Sqlite { cause, .. } => {
                matches!(cause.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::DatabaseBusy))
            }
            Self::Refused(_) | Self::Other(_) => true,
        }
    }
}

/// Returns whether the file is locked by another connection.
pub(super) fn is_busy(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Returns whether two keys would have the same id or digest.
pub(super) fn is_duplicate(error: &Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY))
}

/// What an administrator can do about an error.
fn help(error: &Error) -> Option<&'static str> {
    let text = error.to_string();
    if text.contains("no such table") || text.contains("no such column") {
        return Some("call SqliteKeyStore::migrate");
    }
    Some(match error.sqlite_error_code()? {
        ErrorCode::DatabaseBusy => "another connection has locked the file for longer than the busy timeout",
        ErrorCode::DiskFull => "the disk is full",
        ErrorCode::ReadOnly => "the process may not write to the file and its folder",
        ErrorCode::CannotOpen => "the file does not exist, or the process may not open it and write to its folder",
        ErrorCode::NotADatabase => "the file is not an SQLite file",
        ErrorCode::DatabaseCorrupt => "the file is damaged; restore a backup",
        _ => return None,
    })
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite { doing, cause } => {
                write!(f, "SQLite could not {doing}: {cause}")?;
                help(cause).map_or(Ok(()), |help| write!(f, " ({help})"))
            }
            Self::Refused(error) => error.fmt(f),
            Self::Other(error) => error.fmt(f),
        }
    }
}

// Without a source: the log of a guard shows one text only, so the text has the cause already.
impl std::error::Error for Failure {}

impl From<Failure> for RegistryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            other => Self::from(BoxError::from(other)),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Refused(error)
    }
}

impl From<BoxError> for Failure {
    fn from(error: BoxError) -> Self {
        Self::Other(error)
    }
}
