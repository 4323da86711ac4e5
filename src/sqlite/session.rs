//! Connections to the file, and their prepared statements.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, Statement};

use super::{
    failure::{Failure, is_busy},
    sql,
};
use crate::BoxError;

/// How often a file that is locked while it is opened is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// How connections to the file are opened.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

impl Setup {
    /// Creates the file if there is none. Only its owner may read it, and SQLite gives its companions the same mode.
    pub(super) fn create_file(&self) -> io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map(drop),
        }
    }

    /// Opens a connection. A file that has vanished is not created again, because it would have no keys.
    pub(super) fn connect(&self, purpose: Purpose) -> Result<Connection, Failure> {
        let to = Failure::to;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(to("open the file"))?;
        connection.busy_timeout(self.busy_timeout).map_err(to("set the busy timeout"))?;
        connection.execute_batch(sql::EVERY_CONNECTION).map_err(to("set up a connection"))?;
        match purpose {
            Purpose::Read => connection.execute_batch(sql::READER).map_err(to("set up a connection"))?,
            Purpose::Write => {
                if connection.is_readonly("main").map_err(to("set up a connection"))? {
                    return Err(read_only().into());
                }
                self.use_wal(&connection)?;
                connection.execute_batch(sql::WRITER).map_err(to("set up a connection"))?;
                connection.execute_batch(sql::DURABLE).map_err(to("set up a connection"))?;
            }
        }
        Ok(connection)
    }

    /// Turns on write-ahead logging, with which readers and the writer do not wait for each other.
    fn use_wal(&self, connection: &Connection) -> Result<(), Failure> {
        let deadline = Instant::now() + self.busy_timeout;
        let ask = |text| connection.query_row(text, [], |row| row.get::<_, String>(0));
        loop {
            // SQLite does not wait for a lock here, so that two processes that start at once cannot block each other.
            match ask(sql::JOURNAL_MODE).and_then(|mode| if mode == "wal" { Ok(mode) } else { ask(sql::USE_WAL) }) {
                Ok(mode) if mode == "wal" => return Ok(()),
                Ok(_) => return Err(unable_to_log().into()),
                Err(error) if is_busy(&error) && Instant::now() < deadline => thread::sleep(RETRY),
                Err(error) => return Err(Failure::to("turn on write-ahead logging")(error)),
            }
        }
    }
}

fn read_only() -> BoxError {
    "the file is read-only, or its file system is; let the process write to the file and to its folder".into()
}

fn unable_to_log() -> BoxError {
    "the file system cannot share memory between processes, which write-ahead logging needs; use a local disk".into()
}

/// Returns the path from the root, so that no text has a meaning of its own for SQLite.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// A connection with the statements that were prepared on it.
pub(super) struct Session<'c> {
    connection: &'c Connection,
    prepared: Vec<(String, Statement<'c>)>,
    broken: bool,
}

/// The most statements that are kept: all constant ones, and lookups by a few numbers of digests.
const MOST_PREPARED: usize = 96;

impl<'c> Session<'c> {
    pub(super) const fn new(connection: &'c Connection) -> Self {
        Self { connection, prepared: Vec::new(), broken: false }
    }

    pub(super) const fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// Returns a statement that is prepared once.
    pub(super) fn prepared(&mut self, text: &str) -> rusqlite::Result<&mut Statement<'c>> {
        let known = self.prepared.iter().position(|(kept, _)| kept == text);
        let at = if let Some(at) = known {
            at
        } else {
            if self.prepared.len() == MOST_PREPARED {
                self.prepared.clear();
            }
            self.prepared.push((text.to_owned(), self.connection.prepare(text)?));
            self.prepared.len() - 1
        };
        Ok(&mut self.prepared[at].1)
    }

    /// Replaces the connection after this call.
    pub(super) const fn break_off(&mut self) {
        self.broken = true;
    }

    /// Returns whether the next call needs another connection.
    pub(super) fn is_broken(&self) -> bool {
        self.broken || !self.connection.is_autocommit()
    }
}
