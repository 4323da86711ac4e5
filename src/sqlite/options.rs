use std::{io, path::Path, sync::Arc, time::Duration};

use super::{
    inner::Inner,
    lane::Lane,
    session::{Purpose, Setup, absolute},
    watch::Watch,
};
use crate::ConfigError;

/// How a key file is opened. Each setter replaces an earlier value.
///
/// ```no_run
/// use std::time::Duration;
/// use tower_auth::sqlite::SqliteOptions;
///
/// let store = SqliteOptions::new().readers(4).busy_timeout(Duration::from_secs(2)).open("/var/lib/api/keys.db")?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a file is opened"]
pub struct SqliteOptions {
    readers: usize,
    busy_timeout: Duration,
}

/// As long as a guard waits for a store.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl SqliteOptions {
    /// Creates the options of [`SqliteKeyStore::open`](super::SqliteKeyStore::open).
    pub const fn new() -> Self {
        Self { readers: 2, busy_timeout: BUSY_TIMEOUT }
    }

    /// Sets how many threads look up keys: two by default, at least one and at most 64.
    ///
    /// ```
    /// use tower_auth::sqlite::SqliteOptions;
    ///
    /// let options = SqliteOptions::new().readers(4);
    /// ```
    pub fn readers(self, threads: usize) -> Self {
        Self { readers: threads.clamp(1, 64), ..self }
    }

    /// Sets how long a change waits for another process that is writing: five seconds by default. Lookups do not wait for
    /// writers.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::sqlite::SqliteOptions;
    ///
    /// let options = SqliteOptions::new().busy_timeout(Duration::from_secs(1));
    /// ```
    pub const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens the file and starts the threads.
    pub(super) fn start(&self, path: &Path) -> Result<Inner, ConfigError> {
        let absolute = absolute(path).map_err(|error| unusable(path, &error, "name a file"))?;
        let setup = Setup { path: absolute, busy_timeout: self.busy_timeout };
        setup.create_file().map_err(|error| not_created(path, &error))?;
        check(path, &setup)?;
        let lane = |name, threads, purpose| {
            Lane::start(name, threads, purpose, &setup)
                .map_err(|error| unusable(path, &error, "allow the process more threads, or set fewer readers"))
        };
        Ok(Inner {
            watch: Arc::new(Watch::new(&setup)),
            lookups: lane("auth-sqlite-get", self.readers, Purpose::Read)?,
            lists: lane("auth-sqlite-lst", 1, Purpose::Read)?,
            writer: lane("auth-sqlite-put", 1, Purpose::Write)?,
            setup,
        })
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Opens the file once, so that a wrong file is reported when the service starts.
fn check(path: &Path, setup: &Setup) -> Result<(), ConfigError> {
    let help = "name a file that this process may write, on a local disk, which SqliteKeyStore has created";
    setup.connect(Purpose::Write).map(drop).map_err(|failure| unusable(path, &failure, help))
}

fn not_created(path: &Path, error: &io::Error) -> ConfigError {
    match error.kind() {
        io::ErrorKind::NotFound => unusable(path, &"its folder does not exist", "create the folder, or name another"),
        _ => unusable(path, error, "name a file in a folder that this process may write to"),
    }
}

fn unusable(path: &Path, error: &dyn std::fmt::Display, help: &'static str) -> ConfigError {
    ConfigError::new(format!("the key file {} cannot be used: {error}", path.display()), help)
}
