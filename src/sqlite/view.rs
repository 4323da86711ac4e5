//! A connection that remembers what it has seen.

use std::{fs, io, path::Path};

use rusqlite::Connection;

use super::{
    change_sql as sql,
    failure::{Failure, is_busy},
    session::{Purpose, Setup},
};

/// A connection, and the version that it has seen last.
#[derive(Debug)]
pub(super) struct View {
    connection: Connection,
    file: FileId,
    /// What SQLite returned before the version was read.
    data_version: i64,
    version: i64,
}

impl View {
    pub(super) fn open(setup: &Setup) -> Result<Self, Failure> {
        let file = FileId::of(&setup.path).map_err(|error| missing(&error))?;
        let connection = setup.connect(Purpose::Read)?;
        let data_version = ask(&connection, sql::DATA_VERSION).map_err(to())?;
        let version = ask(&connection, sql::VERSION).map_err(to())?;
        let view = Self { connection, file, data_version, version };
        // The connection may be one to a file that has replaced the first.
        view.is_current(&setup.path)?;
        Ok(view)
    }

    /// Returns the version of the file at this path, or `None` if it is locked.
    ///
    /// # Errors
    /// If another connection is needed.
    pub(super) fn look(&mut self, path: &Path) -> Result<Option<u64>, Failure> {
        self.is_current(path)?;
        match self.seen() {
            Ok(version) => Ok(Some(version.cast_unsigned())),
            Err(error) if is_busy(&error) => Ok(None),
            Err(error) => Err(to()(error)),
        }
    }

    fn seen(&mut self) -> rusqlite::Result<i64> {
        let data_version = ask(&self.connection, sql::DATA_VERSION)?;
        if data_version != self.data_version {
            // In this order: a commit between the two is seen twice, and none is missed.
            self.version = ask(&self.connection, sql::VERSION)?;
            self.data_version = data_version;
        }
        Ok(self.version)
    }

    fn is_current(&self, path: &Path) -> Result<(), Failure> {
        if FileId::of(path).map_err(|error| missing(&error))? == self.file {
            return Ok(());
        }
        Err(Failure::Other("another file has its place".into()))
    }
}

/// Tells a file from another one that gets its name. A file that is open keeps its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    number: u64,
}

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let file = fs::metadata(path)?;
        Ok(Self { device: file.dev(), number: file.ino() })
    }

    /// Elsewhere, SQLite opens the file so that it cannot be replaced or removed.
    #[cfg(not(unix))]
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self {})
    }
}

// A statement is bound to its connection, so none is kept. To prepare this one takes a third of the time.
fn ask(connection: &Connection, text: &str) -> rusqlite::Result<i64> {
    connection.query_row(text, [], |row| row.get(0))
}

fn to() -> impl Fn(rusqlite::Error) -> Failure {
    Failure::to("read the version of the file")
}

fn missing(error: &io::Error) -> Failure {
    Failure::Other(format!("the file cannot be found: {error}").into())
}
