//! The statements of signing keys, of which there are a few.

use tokio_postgres::types::Type;

use super::{query::Statement, session_sql::durable};

pub(super) struct SigningSql {
    pub(super) all: Statement,
    /// In a transaction that changes one after the other. Returns a row if `after` is the newest key.
    pub(super) add: Statement,
    pub(super) reseal: Statement,
    pub(super) remove: Statement,
    pub(super) time: Statement,
}

impl SigningSql {
    /// `s` is the quoted schema.
    pub(super) fn new(s: &str) -> Self {
        let reseal = format!("UPDATE {s}.signing_keys SET sealed = $2 WHERE id = $1 RETURNING id");
        let remove = format!(
            "DELETE FROM {s}.signing_keys WHERE id = $1 AND seq < (SELECT max(seq) FROM {s}.signing_keys) RETURNING id"
        );
        Self {
            all: Statement::new(
                format!("SELECT id, algorithm, public, sealed, signs_from, after FROM {s}.signing_keys ORDER BY seq"),
                [],
            ),
            add: add(s),
            reseal: Statement::new(durable(&reseal), [Type::TEXT, Type::BYTEA]),
            remove: Statement::new(durable(&remove), [Type::TEXT]),
            time: Statement::new("SELECT clock_timestamp()".to_owned(), []),
        }
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = String> {
        [&self.all, &self.add, &self.reseal, &self.remove, &self.time]
            .into_iter()
            .map(|statement| statement.text.clone())
    }
}

fn add(s: &str) -> Statement {
    let text = format!(
        "INSERT INTO {s}.signing_keys (seq, id, algorithm, public, sealed, signs_from, after) \
         SELECT coalesce((SELECT max(seq) FROM {s}.signing_keys), 0) + 1, $1, $2, $3, $4, $5, $6 \
         WHERE (SELECT id FROM {s}.signing_keys ORDER BY seq DESC LIMIT 1) IS NOT DISTINCT FROM $6 \
         ON CONFLICT DO NOTHING RETURNING id"
    );
    let text_type = Type::TEXT;
    let of_key = [text_type.clone(), text_type.clone(), text_type.clone(), Type::BYTEA, Type::TIMESTAMPTZ, text_type];
    Statement::new(text, of_key)
}
