use super::SqliteKeyStore;
use crate::cache::Versioned;

/// Every committed change of any process is seen at the next call. Last uses, usage, budgets, and sessions that begin or are
/// refreshed are no changes: the number stays.
///
/// It may run on the threads of an async runtime: it waits for no lock of a writer or a checkpoint, and nothing is read from
/// the file unless another connection has committed something. Otherwise it only asks the system which file has the name,
/// and looks into the memory that SQLite shares between processes, which takes about two microseconds.
///
/// It returns `None` while a thread of the store opens a connection for it, at the first call and after an error; while more
/// than four threads ask at once; and while the schema or the file is missing. If another file has the place of the first, the
/// number is that of the new one. Lookups still use the first until a connection fails, so stop all processes before you
/// replace a file.
///
/// ```
/// use tower_auth::{SqliteKeyStore, cache::Versioned as _};
///
/// /// Whether what was read at this version may still be used.
/// fn is_current(store: &SqliteKeyStore, read_at: u64) -> bool {
///     store.version() == Some(read_at)
/// }
/// ```
impl Versioned for SqliteKeyStore {
    fn version(&self) -> Option<u64> {
        self.0.watch.version(&self.0.lookups)
    }
}
