//! The statements of limits that several processes share.

use tokio_postgres::types::Type;

use super::query::Statement;

pub(super) struct LimitSql {
    /// The clock of the server, and the state of a bucket.
    pub(super) read: Statement,
    /// Writes a bucket that nobody has written since it was found to be new.
    pub(super) create: Statement,
    /// Writes a bucket that nobody has written since it was read.
    pub(super) replace: Statement,
    /// Removes some buckets that are full again, and returns a row for each of them.
    pub(super) tidy: Statement,
}

impl LimitSql {
    pub(super) fn new(s: &str) -> Self {
        let read = format!("SELECT clock_timestamp(), (SELECT state FROM {s}.limit_buckets WHERE bucket = $1)");
        let create = format!(
            "INSERT INTO {s}.limit_buckets (bucket, state, expires) VALUES ($1, $2, $3) ON CONFLICT (bucket) DO NOTHING \
             RETURNING true"
        );
        Self {
            read: Statement::new(read, [Type::BYTEA]),
            create: Statement::new(create, [Type::BYTEA, Type::TEXT, Type::TIMESTAMPTZ]),
            replace: Statement::new(replace(s), [Type::BYTEA, Type::TEXT, Type::TIMESTAMPTZ, Type::TEXT]),
            tidy: Statement::new(
                format!(
                    "DELETE FROM {s}.limit_buckets WHERE ctid = ANY(ARRAY(\
                     SELECT ctid FROM {s}.limit_buckets WHERE expires < now() LIMIT $1 FOR UPDATE SKIP LOCKED)) \
                     RETURNING true"
                ),
                [Type::INT8],
            ),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Statement> {
        [&self.read, &self.create, &self.replace, &self.tidy].into_iter()
    }
}

/// A row that another session has locked is about to change: it is read again instead of waited for, so no lock of a row holds up
/// a decision.
fn replace(s: &str) -> String {
    format!(
        "UPDATE {s}.limit_buckets SET state = $2, expires = $3 WHERE bucket = (\
         SELECT bucket FROM {s}.limit_buckets WHERE bucket = $1 AND state = $4 FOR UPDATE SKIP LOCKED) RETURNING true"
    )
}
