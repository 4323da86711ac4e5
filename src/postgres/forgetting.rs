//! What is removed in batches.

use deadpool_postgres::tokio_postgres::types::{ToSql, Type};

use super::{
    PostgresKeyStore,
    connection::Connection,
    failure::Failure,
    query::Statement,
    transact::begin_again,
    values::{At, is_impossible},
};
use crate::{BoxError, registry::Forget};

/// The statements of one batch. The last parameter is the largest number of rows. Each answers how many rows it has changed.
pub(super) struct Forgetting {
    audit: Statement,
    addresses: Statement,
    /// In this order: the keys tell which rows are theirs, so they are removed when their rows are erased.
    account: [Statement; 3],
}

impl Forgetting {
    /// `s` is the quoted schema.
    pub(super) fn new(s: &str) -> Self {
        let old = |text: String| Statement::new(text, [Type::TIMESTAMPTZ, Type::INT8]);
        let of_account = |text: String| Statement::new(text, [Type::TEXT, Type::INT8]);
        Self {
            audit: old(counted(&format!(
                "DELETE FROM {s}.audit WHERE seq IN (SELECT seq FROM {s}.audit WHERE at < $1 ORDER BY at LIMIT $2)"
            ))),
            addresses: old(counted(&format!(
                "UPDATE {s}.audit SET address = NULL WHERE seq IN \
                 (SELECT seq FROM {s}.audit WHERE at < $1 AND address IS NOT NULL ORDER BY at LIMIT $2)"
            ))),
            account: [
                of_account(erase_audit(s, "account = $1 ORDER BY seq")),
                of_account(erase_audit(s, &rows_of_keys(s))),
                of_account(remove_keys(s)),
            ],
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Statement> {
        [&self.audit, &self.addresses].into_iter().chain(&self.account)
    }
}

/// Returns the statement with a count of its rows as the answer.
fn counted(change: &str) -> String {
    format!("WITH changed AS ({change} RETURNING 1) SELECT count(*) FROM changed")
}

/// As `AuditRow::erased` does.
fn erase_audit(s: &str, which: &str) -> String {
    counted(&format!(
        "UPDATE {s}.audit SET actor = 'erased', account = NULL, organization = NULL, address = NULL, \
         request_id = NULL, before = NULL, after = NULL \
         WHERE seq IN (SELECT seq FROM {s}.audit WHERE {which} LIMIT $2)"
    ))
}

/// The first keys of the account. Few, because a batch passes over all of their audit rows.
const SOME_KEYS: &str = "account = $1 ORDER BY seq LIMIT least($2, 100)";

/// Rows that are erased already are passed over. With an array, the index is read for each key.
fn rows_of_keys(s: &str) -> String {
    let named = ["account", "organization", "address", "request_id", "before", "after"]
        .map(|column| format!("{column} IS NOT NULL"))
        .join(" OR ");
    format!("key = ANY(ARRAY(SELECT id FROM {s}.keys WHERE {SOME_KEYS})) AND (actor <> 'erased' OR {named})")
}

fn remove_keys(s: &str) -> String {
    format!(
        "WITH removed AS (DELETE FROM {s}.keys WHERE seq IN (SELECT seq FROM {s}.keys WHERE {SOME_KEYS}) \
         RETURNING digest, pepper), \
         kept AS (INSERT INTO {s}.tombstones (digest, pepper) SELECT digest, pepper FROM removed \
         ON CONFLICT DO NOTHING) \
         SELECT count(*) FROM removed"
    )
}

/// Removes one batch in a transaction, and returns its size.
pub(super) async fn forget(store: PostgresKeyStore, what: Forget, limit: usize) -> Result<usize, Failure> {
    let all = &store.sql.forgetting;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (statements, of): (_, &(dyn ToSql + Sync)) = match &what {
        Forget::Audit { before } => (std::slice::from_ref(&all.audit), &At::of(*before)),
        Forget::Addresses { before } => (std::slice::from_ref(&all.addresses), &At::of(*before)),
        Forget::Account { account } if is_impossible(account) => return Ok(0),
        Forget::Account { account } => (&all.account[..], account),
    };
    let (connection, _) = begin_again(&store, &[]).await?;
    let mut forgotten = 0;
    for statement in statements {
        forgotten = count(&connection, statement, &[of, &limit]).await?;
        if forgotten > 0 {
            break;
        }
    }
    connection.commit("COMMIT").await?;
    Ok(forgotten)
}

async fn count(
    connection: &Connection,
    statement: &Statement,
    values: &[&(dyn ToSql + Sync)],
) -> Result<usize, Failure> {
    let rows = connection.run(statement, values).await?;
    let count = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose()?.unwrap_or_default();
    Ok(usize::try_from(count).map_err(BoxError::from)?)
}
