//! Keys in one SQLite file.
mod failure;
mod lane;
mod options;
mod read;
mod registry;
mod rows;
mod schema;
mod session;
mod sql;
mod store;
mod write;

pub use self::{options::SqliteOptions, schema::MIGRATIONS, store::SqliteKeyStore};
