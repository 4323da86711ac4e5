//! The SQL of the usage. Times are microseconds since the Unix epoch.

use super::{alert_sql, budget_sql, change_sql, session_tables};

/// Version 2 of the schema.
pub(super) const MIGRATION: &str = concat!(
    "
CREATE TABLE usage_hours (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    start INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, id, start, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_hours_by_time ON usage_hours (start);

CREATE TABLE usage_days (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    start INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, id, start, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_days_by_time ON usage_days (start);

CREATE TABLE usage_last (
    key TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    address TEXT,
    client TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_last_by_time ON usage_last (at) WHERE address IS NOT NULL OR client IS NOT NULL;

CREATE TABLE usage_refusals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    reason TEXT,
    method TEXT,
    path TEXT,
    request_id TEXT,
    address TEXT
) STRICT;
CREATE INDEX usage_refusals_of_key ON usage_refusals (key, at, seq);
CREATE INDEX usage_refusals_by_time ON usage_refusals (at);

CREATE TABLE usage_writers (
    writer TEXT PRIMARY KEY NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
    budget_sql::tables!(),
    alert_sql::tables!(),
    session_tables::tables!(),
    change_sql::tables!(),
    "
INSERT INTO schema_version (version, compatible_with, applied_at)
    VALUES (2, 1, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
"
);

/// Changes one row, or none if the batch was added before.
pub(super) const BEGIN_BATCH: &str = "INSERT INTO usage_writers (writer, sequence, at) VALUES (?1, ?2, ?3) \
    ON CONFLICT DO UPDATE SET sequence = excluded.sequence, at = excluded.at WHERE sequence < excluded.sequence";
pub(super) const ADD_HOUR: &str = "INSERT INTO usage_hours (kind, id, start, outcome, count) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET count = count + excluded.count";
pub(super) const ADD_DAY: &str = "INSERT INTO usage_days (kind, id, start, outcome, count) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET count = count + excluded.count";
pub(super) const NOTE_USE: &str = "INSERT INTO usage_last (key, at, address, client) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT DO UPDATE SET at = excluded.at, address = excluded.address, client = excluded.client \
    WHERE at < excluded.at";
pub(super) const NOTE_REFUSAL: &str = "INSERT INTO usage_refusals \
    (key, at, outcome, status, reason, method, path, request_id, address) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
pub(super) const TRIM_REFUSALS: &str = "DELETE FROM usage_refusals WHERE seq IN \
    (SELECT seq FROM usage_refusals WHERE key = ?1 ORDER BY at DESC, seq DESC LIMIT -1 OFFSET ?2)";
pub(super) const HOURS: &str = "SELECT start, outcome, count FROM usage_hours \
    WHERE kind = ?1 AND id = ?2 AND start >= ?3 AND start < ?4 ORDER BY start, outcome";
pub(super) const DAYS: &str = "SELECT start, outcome, count FROM usage_days \
    WHERE kind = ?1 AND id = ?2 AND start >= ?3 AND start < ?4 ORDER BY start, outcome";
pub(super) const LAST_USE: &str = "SELECT key, at, address, client FROM usage_last WHERE key = ?1";
pub(super) const REFUSALS: &str = "SELECT key, at, outcome, status, reason, method, path, request_id, address \
    FROM usage_refusals WHERE key = ?1 ORDER BY at DESC, seq DESC LIMIT ?2";
/// Each removes some rows. The last argument is the number.
pub(super) const FORGET_HOURS: [&str; 1] = ["DELETE FROM usage_hours WHERE (kind, id, start, outcome) IN \
    (SELECT kind, id, start, outcome FROM usage_hours WHERE start < ?1 LIMIT ?2)"];
pub(super) const FORGET_DAYS: [&str; 1] = ["DELETE FROM usage_days WHERE (kind, id, start, outcome) IN \
    (SELECT kind, id, start, outcome FROM usage_days WHERE start < ?1 LIMIT ?2)"];
pub(super) const FORGET_TRACES: [&str; 3] = [
    "DELETE FROM usage_refusals WHERE seq IN (SELECT seq FROM usage_refusals WHERE at < ?1 LIMIT ?2)",
    "DELETE FROM usage_writers WHERE writer IN (SELECT writer FROM usage_writers WHERE at < ?1 LIMIT ?2)",
    "UPDATE usage_last SET address = NULL, client = NULL WHERE key IN (SELECT key FROM usage_last \
        WHERE at < ?1 AND (address IS NOT NULL OR client IS NOT NULL) LIMIT ?2)",
];
/// By the kind and the id.
pub(super) const FORGET_COUNTS: [&str; 2] = [
    "DELETE FROM usage_hours WHERE (kind, id, start, outcome) IN \
        (SELECT kind, id, start, outcome FROM usage_hours WHERE kind = ?1 AND id = ?2 LIMIT ?3)",
    "DELETE FROM usage_days WHERE (kind, id, start, outcome) IN \
        (SELECT kind, id, start, outcome FROM usage_days WHERE kind = ?1 AND id = ?2 LIMIT ?3)",
];
/// By the id of a key.
pub(super) const FORGET_KEY: [&str; 2] = [
    "DELETE FROM usage_last WHERE key IN (SELECT key FROM usage_last WHERE key = ?1 LIMIT ?2)",
    "DELETE FROM usage_refusals WHERE seq IN (SELECT seq FROM usage_refusals WHERE key = ?1 LIMIT ?2)",
];

#[cfg(test)]
mod tests {
    use super::{
        super::sql::tests::{migrated, plan},
        *,
    };

    #[test]
    fn every_statement_is_valid_and_scans_no_table() {
        let connection = migrated();
        let fixed =
            [BEGIN_BATCH, ADD_HOUR, ADD_DAY, NOTE_USE, NOTE_REFUSAL, TRIM_REFUSALS, HOURS, DAYS, LAST_USE, REFUSALS];
        let old = FORGET_HOURS.into_iter().chain(FORGET_DAYS).chain(FORGET_TRACES);
        for text in fixed.into_iter().chain(old).chain(FORGET_COUNTS).chain(FORGET_KEY) {
            let plan = plan(&connection, text);
            // One row for each process.
            let is_small = text.contains("usage_writers");
            assert!(is_small || !plan.contains("SCAN") && !plan.contains("TEMP"), "{text}: {plan}");
        }
    }
}
