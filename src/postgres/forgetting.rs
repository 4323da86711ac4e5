//! The statements by which much is removed in batches.

use deadpool_postgres::tokio_postgres::types::Type;

use super::{
    alert_sql::{remove_alerts, remove_networks, remove_rules},
    query::Statement,
    session_sql::remove_of_account,
};

/// The statements of one batch. The last parameter is the largest number of rows. Each answers how many rows it has changed.
pub(super) struct Forgetting {
    pub(super) audit: Statement,
    pub(super) addresses: Statement,
    /// In this order: the keys tell which rows are theirs, so they are removed when their rows are erased.
    pub(super) account: [Statement; 14],
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
                of_account(erase_usage(s, "usage_hours", "kind = 'account' AND id = $1")),
                of_account(erase_usage(s, "usage_days", "kind = 'account' AND id = $1")),
                of_account(erase_usage(s, "usage_hours", &format!("kind = 'key' AND {}", of_keys(s, "id")))),
                of_account(erase_usage(s, "usage_days", &format!("kind = 'key' AND {}", of_keys(s, "id")))),
                of_account(erase_usage(s, "usage_last", &of_keys(s, "key"))),
                of_account(erase_usage(s, "usage_refusals", &of_keys(s, "key"))),
                of_account(counted_rows(&remove_rules(s, "kind = 'account' AND id = $1", "$2"))),
                of_account(counted_rows(&remove_alerts(s, "holder_kind = 'account' AND holder_id = $1", "$2"))),
                of_account(counted_rows(&remove_alerts(s, &of_lines(s, "key"), "$2"))),
                of_account(counted_rows(&remove_networks(s, &of_lines(s, "key"), "$2"))),
                of_account(counted_rows(&remove_of_account(s))),
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
    counted_rows(&format!("{change} RETURNING 1"))
}

/// Returns the statement, which returns a row for each that it changes, with a count of them as the answer.
fn counted_rows(change: &str) -> String {
    format!("WITH changed AS ({change}) SELECT count(*) FROM changed")
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

/// Rows that are erased already are passed over.
fn rows_of_keys(s: &str) -> String {
    let named = ["account", "organization", "address", "request_id", "before", "after"]
        .map(|column| format!("{column} IS NOT NULL"))
        .join(" OR ");
    format!("{} AND (actor <> 'erased' OR {named})", of_keys(s, "key"))
}

/// With an array, the index is read for each key.
fn of_keys(s: &str, column: &str) -> String {
    format!("{column} = ANY(ARRAY(SELECT id FROM {s}.keys WHERE {SOME_KEYS}))")
}

/// Rows of the keys, and of those with which their lines of successors begin. The latter may be removed already.
fn of_lines(s: &str, column: &str) -> String {
    let some = format!("FROM {s}.keys WHERE {SOME_KEYS}");
    format!("{column} = ANY(ARRAY(SELECT id {some}) || ARRAY(SELECT first_id {some}))")
}

fn erase_usage(s: &str, table: &str, which: &str) -> String {
    counted(&format!(
        "DELETE FROM {s}.{table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {s}.{table} WHERE {which} LIMIT $2))"
    ))
}

fn remove_keys(s: &str) -> String {
    format!(
        "WITH removed AS (DELETE FROM {s}.keys WHERE seq IN (SELECT seq FROM {s}.keys WHERE {SOME_KEYS}) \
         RETURNING digest, pepper), \
         kept AS (INSERT INTO {s}.tombstones (digest, pepper) SELECT digest, pepper FROM removed \
         ON CONFLICT (digest) DO UPDATE SET moved = false) \
         SELECT count(*) FROM removed"
    )
}
