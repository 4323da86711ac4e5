//! Keys in one SQLite file.
//!
//! [`SqliteKeyStore`] keeps keys, suspended holders and the audit log in a file, for a service on one machine that has no
//! database server. SQLite is compiled in. Several processes of the machine may use the file at once, such as the service
//! and a command line that administers its keys.
//!
//! ```no_run
//! use tower_auth::*;
//!
//! # async fn start(peppers: Peppers) -> Result<(), BoxError> {
//! let store = SqliteKeyStore::open("/var/lib/api/keys.db")?;
//! store.migrate().await?; // when you deploy; a service that only starts calls `check_schema`
//!
//! let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40)?, peppers);
//! let keys = KeyRegistry::new(scheme.clone(), store.clone()); // creates, rotates and revokes
//! let layer = ApiKeyLayer::new(scheme, store); // admits requests
//! # Ok(())
//! # }
//! ```
//!
//! A lookup is one prepared statement, and nothing is cached, so a key that any process revokes is refused by the next
//! request.
//! [`CachedKeyStore::local`](crate::CachedKeyStore::local) answers from memory in front of it, and keeps that promise.
//!
//! # When not to use it
//!
//! - Several machines need a server: a network file system breaks the locks of SQLite. Use `PostgresKeyStore`.
//! - Keys that may be lost when the process ends need no file: see [`MemoryKeyStore`](crate::MemoryKeyStore).
//! - A table of keys that exists already needs only a [`KeyStore`](crate::KeyStore) of ten lines.
//!
//! # Threads
//!
//! SQLite blocks, so it runs on threads of the store: two for lookups ([`SqliteOptions::readers`]), one for lists, and one
//! for changes. They need no runtime, and end when the last clone of the store is dropped. Lookups wait neither for lists
//! nor for changes. A call whose caller has gone away before a thread began it is skipped; a transaction that has begun is
//! carried out as a whole or not at all. At most 1024 calls wait for each kind of thread, and further callers wait for room.
//! Only [`Versioned`](crate::cache::Versioned), which tells a cache whether anything has changed, is answered on the thread of the
//! caller; for it, the store opens up to four more connections.
//!
//! # Migrations
//!
//! [`migrate`](SqliteKeyStore::migrate) is the only call that creates or changes tables. [`MIGRATIONS`] has the SQL for a
//! tool of your own. Migrate first, and update the services afterwards: a service runs on a newer schema as long as
//! `compatible_with` in the table `schema_version` is not higher than the version that it knows, and
//! [`check_schema`](SqliteKeyStore::check_schema) says so when it is.
//!
//! # Permissions
//!
//! On Unix, a new file can be read and written by its owner only (mode 0600), and so can `keys.db-wal` and `keys.db-shm`, which
//! SQLite keeps next to it. Every process needs the right to write to the file and to its folder, even one that only looks up
//! keys: readers take part in the locking. Processes of other users get it by a group: change the mode of the file and of the
//! folder.
//!
//! # What is durable
//!
//! The file has a write-ahead log. A change is answered when it is on disk (`synchronous = FULL`), so a revoked key stays
//! revoked after a power failure. Times of last use alone are written without waiting for the disk: a power failure may lose
//! them, the end of the process does not. Changes of all processes run one at a time; a change that waits for another process
//! for longer than the [busy timeout](SqliteOptions::busy_timeout) fails, and can be repeated.
//!
//! What is erased is overwritten in the file, and the log is truncated; copies of the file are not touched.
//!
//! # Backup
//!
//! Use SQLite's own: `sqlite3 keys.db ".backup copy.db"` or `VACUUM INTO 'copy.db'`, while the service runs. Do not copy the
//! file alone: the latest changes are in the log. To restore a copy, stop all processes, remove `keys.db-wal` and `keys.db-shm`,
//! and replace the file. A restored copy knows nothing of what was revoked after it was made: revoke those keys again before the
//! service uses it. The file holds no secret. Without the peppers, which are not in the file, a digest cannot be compared with
//! guesses.
//!
//! # For your own queries
//!
//! Times are microseconds since the Unix epoch, and lists and other values are JSON texts, as in `scopes ->> 0`. Do not write
//! to the tables: the audit log would not show it.

mod alert_sql;
mod alerts;
mod budget_sql;
mod budgets;
mod change_sql;
mod failure;
mod forget;
mod inner;
mod lane;
mod options;
mod query;
mod read;
mod registry;
mod rows;
mod schema;
mod session;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod session_sql;
mod session_tables;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod sessions;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod signing;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod signing_sql;
mod sql;
mod store;
mod usage;
mod usage_sql;
mod version;
mod view;
mod watch;
mod write;

pub use self::{options::SqliteOptions, schema::MIGRATIONS, store::SqliteKeyStore};
