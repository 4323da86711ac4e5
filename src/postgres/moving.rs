//! The statements by which everything moves to another store, beside lists of keys and of the audit log.

use deadpool_postgres::tokio_postgres::types::Type;

use super::query::Statement;

pub(super) struct Moving {
    pub(super) bury: Statement,
    pub(super) holders: Statement,
    pub(super) removed: Statement,
}

impl Moving {
    /// `s` is the quoted schema.
    pub(super) fn new(s: &str) -> Self {
        Self {
            bury: Statement::new(
                format!(
                    "INSERT INTO {s}.tombstones AS known (digest, pepper, moved) VALUES ($1, $2, $3) \
                     ON CONFLICT (digest) DO UPDATE SET moved = known.moved AND excluded.moved"
                ),
                [Type::BYTEA, Type::INT8, Type::BOOL],
            ),
            holders: Statement::new(
                format!(
                    "SELECT kind, id, suspended_at FROM {s}.holders WHERE (kind, id) > ($1, $2) ORDER BY kind, id \
                     LIMIT 1000"
                ),
                [Type::TEXT, Type::TEXT],
            ),
            removed: Statement::new(
                format!(
                    "SELECT digest, pepper, moved FROM {s}.tombstones WHERE digest > $1 ORDER BY digest LIMIT 1000"
                ),
                [Type::BYTEA],
            ),
        }
    }

    pub(super) const fn all(&self) -> [&Statement; 3] {
        [&self.bury, &self.holders, &self.removed]
    }
}
