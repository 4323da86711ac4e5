//! The SQL of alerts. Times are microseconds since the Unix epoch.

/// A part of version 2 of the schema.
macro_rules! tables {
    () => {
        "
CREATE TABLE alert_rules (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    rules TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    id TEXT PRIMARY KEY NOT NULL,
    holder_kind TEXT NOT NULL,
    holder_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT,
    at INTEGER NOT NULL,
    details TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER,
    delivered_at INTEGER
) STRICT;
CREATE INDEX alerts_by_due_time ON alerts (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX alerts_of_holder ON alerts (holder_kind, holder_id, at, id);
CREATE INDEX alerts_of_key ON alerts (key) WHERE key IS NOT NULL;
CREATE INDEX alerts_by_time ON alerts (at);

CREATE TABLE alert_networks (
    key TEXT NOT NULL,
    network TEXT NOT NULL,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (key, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_networks_by_time ON alert_networks (last_used_at);
"
    };
}

pub(super) use tables;

/// The columns of an alert.
macro_rules! alert_columns {
    () => {
        "id, holder_kind, holder_id, kind, key, at, details, attempts, due_at, delivered_at"
    };
}

pub(super) const SET_RULES: &str = "INSERT INTO alert_rules (kind, id, rules, changed_at, changed_by) \
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE \
    SET rules = excluded.rules, changed_at = excluded.changed_at, changed_by = excluded.changed_by";
pub(super) const RULES: &str =
    "SELECT kind, id, rules, changed_at, changed_by FROM alert_rules WHERE kind = ?1 AND id = ?2";
pub(super) const ALL_RULES: &str = "SELECT kind, id, rules, changed_at, changed_by FROM alert_rules \
    WHERE (kind, id) > (?1, ?2) ORDER BY kind, id LIMIT 1000";
/// Changes one row, or none if the alert is known. It is due when it was raised.
pub(super) const RAISE: &str = concat!(
    "INSERT INTO alerts (",
    alert_columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?6, NULL) ON CONFLICT DO NOTHING"
);
pub(super) const DUE: &str =
    concat!("SELECT ", alert_columns!(), " FROM alerts WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2");
pub(super) const CLAIM: &str = "UPDATE alerts SET due_at = ?2, attempts = attempts + 1 WHERE id = ?1";
pub(super) const SETTLE: &str =
    "UPDATE alerts SET due_at = ?2, delivered_at = ?3 WHERE id = ?1 AND delivered_at IS NULL";
pub(super) const LIST: &str = concat!(
    "SELECT ",
    alert_columns!(),
    " FROM alerts WHERE holder_kind = ?1 AND holder_id = ?2 ORDER BY at DESC, id DESC LIMIT ?3"
);
pub(super) const NETWORKS: &str = "SELECT key, network, last_used_at FROM alert_networks WHERE key = ?1";
pub(super) const NOTE_NETWORK: &str = "INSERT INTO alert_networks (key, network, last_used_at) VALUES (?1, ?2, ?3) \
    ON CONFLICT DO UPDATE SET last_used_at = excluded.last_used_at WHERE last_used_at < excluded.last_used_at";
/// Each removes some rows. The last argument is the number.
pub(super) const FORGET_RAISED: [&str; 1] =
    ["DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE at < ?1 LIMIT ?2)"];
pub(super) const FORGET_NETWORKS: [&str; 1] = ["DELETE FROM alert_networks WHERE (key, network) IN \
    (SELECT key, network FROM alert_networks WHERE last_used_at < ?1 LIMIT ?2)"];
/// By the kind and the id of a holder.
pub(super) const FORGET_HOLDER: [&str; 2] = [
    "DELETE FROM alert_rules WHERE (kind, id) IN \
        (SELECT kind, id FROM alert_rules WHERE kind = ?1 AND id = ?2 LIMIT ?3)",
    "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE holder_kind = ?1 AND holder_id = ?2 LIMIT ?3)",
];
/// By the id of a key.
pub(super) const FORGET_KEY: [&str; 2] = [
    "DELETE FROM alert_networks WHERE (key, network) IN \
        (SELECT key, network FROM alert_networks WHERE key = ?1 LIMIT ?2)",
    "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE key = ?1 LIMIT ?2)",
];

/// The ids of the first keys of an account, and of the keys with which their lines of successors begin.
macro_rules! some_lines {
    () => {
        "(WITH some AS (SELECT id, first_id FROM keys WHERE account = ?1 ORDER BY seq LIMIT min(?2, 100)) \
         SELECT id FROM some UNION ALL SELECT first_id FROM some WHERE first_id IS NOT NULL)"
    };
}

/// What is kept of an account and its keys. The arguments are the account and the largest number of rows.
pub(super) const ERASE: [&str; 4] = [
    "DELETE FROM alert_rules WHERE (kind, id) IN \
        (SELECT kind, id FROM alert_rules WHERE kind = 'account' AND id = ?1 LIMIT ?2)",
    "DELETE FROM alerts WHERE id IN \
        (SELECT id FROM alerts WHERE holder_kind = 'account' AND holder_id = ?1 LIMIT ?2)",
    concat!("DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE key IN ", some_lines!(), " LIMIT ?2)"),
    concat!(
        "DELETE FROM alert_networks WHERE (key, network) IN \
         (SELECT key, network FROM alert_networks WHERE key IN ",
        some_lines!(),
        " LIMIT ?2)"
    ),
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
        let fixed = [SET_RULES, RULES, ALL_RULES, RAISE, DUE, CLAIM, SETTLE, LIST, NETWORKS, NOTE_NETWORK];
        let old = FORGET_RAISED.into_iter().chain(FORGET_NETWORKS);
        let texts: Vec<&str> =
            fixed.into_iter().chain(old).chain(FORGET_HOLDER).chain(FORGET_KEY).chain(ERASE).collect();
        for text in &texts {
            let plan = plan(&connection, text);
            // Some ids of keys are a list, not a table.
            let steps = plan.lines().filter(|step| !step.ends_with("SCAN some"));
            let whole: Vec<_> = steps.filter(|step| step.contains("SCAN") || step.contains("TEMP")).collect();
            assert!(whole.is_empty(), "{text}: {plan}");
        }
        assert_eq!(texts.len(), 20);
    }

    #[test]
    fn each_list_follows_its_index() {
        let connection = migrated();
        for (text, index) in [
            (ALL_RULES, "USING PRIMARY KEY ((kind,id)>(?,?))"),
            (DUE, "alerts_by_due_time (due_at<?)"),
            (LIST, "alerts_of_holder (holder_kind=? AND holder_id=?)"),
            (FORGET_RAISED[0], "alerts_by_time (at<?)"),
            (FORGET_NETWORKS[0], "alert_networks_by_time (last_used_at<?)"),
            (FORGET_HOLDER[1], "alerts_of_holder (holder_kind=? AND holder_id=?)"),
            (FORGET_KEY[1], "alerts_of_key (key=?)"),
            (ERASE[2], "alerts_of_key (key=?)"),
            (ERASE[2], "keys_of_account (account=?)"),
        ] {
            let plan = plan(&connection, text);
            assert!(plan.contains(index), "{text}: {plan}");
        }
    }
}
