//! All SQL of this backend. Values are always bound, so no text of a caller becomes part of a statement.

use super::usage_sql;

/// The columns of [`KeyRow`](crate::registry::KeyRow), in the order in which rows are read and written.
macro_rules! columns {
    () => {
        "id, digest, pepper, name, hint, account, subject, organizations, scopes, roles, plan, limits, environment, \
         restrictions, metadata, active, paused, created_at, created_by, not_before, expires_at, lifetime, \
         last_used_at, revoked_at, deleted_at, first_id, predecessor, successor"
    };
}

/// The columns of an audit row.
macro_rules! audit_columns {
    () => {
        "at, actor, action, key, account, organization, address, request_id, before, after"
    };
}

/// The columns that a guard needs. A binary of an older version must be able to read them from a newer view.
macro_rules! guard_columns {
    () => {
        "id, pepper, hint, account, subject, organizations, scopes, roles, plan, limits, environment, restrictions, \
         active, paused, created_at, not_before, expires_at, last_used_at, revoked_at, first_id, account_suspended, \
         organization_suspended"
    };
}

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(super) use guard_columns;
pub(super) use {audit_columns, columns};

/// Erases rows of the audit log as `AuditRow::erased` does.
macro_rules! erase {
    () => {
        "UPDATE audit SET actor = 'erased', account = NULL, organization = NULL, address = NULL, request_id = NULL, \
         before = '{}', after = '{}' WHERE seq IN "
    };
}

/// The first keys of an account. Few, because a batch passes over all of their audit rows.
macro_rules! some_keys {
    () => {
        "account = ?1 ORDER BY seq LIMIT min(?2, 100)"
    };
}

/// The schema, one text for each version. Each text is one transaction and ends with its row of `schema_version`.
pub(super) const MIGRATIONS: &[&str] = &[FIRST, usage_sql::MIGRATION];

const FIRST: &str = "
CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    compatible_with INTEGER NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    pepper INTEGER,
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    account TEXT NOT NULL,
    subject TEXT NOT NULL,
    organizations TEXT NOT NULL DEFAULT '[]',
    scopes TEXT NOT NULL DEFAULT '[]',
    roles TEXT NOT NULL DEFAULT '[]',
    plan TEXT,
    limits TEXT,
    environment TEXT,
    restrictions TEXT,
    metadata TEXT,
    active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    not_before INTEGER,
    expires_at INTEGER,
    lifetime INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    deleted_at INTEGER,
    first_id TEXT,
    predecessor TEXT,
    successor TEXT
) STRICT;
CREATE INDEX keys_of_account ON keys (account, seq);
CREATE INDEX keys_by_expiry ON keys (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX keys_by_deletion ON keys (seq) WHERE deleted_at IS NOT NULL;

CREATE TABLE key_organizations (
    seq INTEGER NOT NULL REFERENCES keys (seq) ON DELETE CASCADE,
    organization TEXT NOT NULL,
    PRIMARY KEY (seq, organization)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_of_organization ON key_organizations (organization, seq);
CREATE TRIGGER keys_join_organizations AFTER INSERT ON keys BEGIN
    INSERT OR IGNORE INTO key_organizations (seq, organization)
        SELECT new.seq, value FROM json_each(new.organizations);
END;
CREATE TRIGGER keys_change_organizations AFTER UPDATE OF organizations ON keys
WHEN new.organizations IS NOT old.organizations BEGIN
    DELETE FROM key_organizations WHERE seq = new.seq;
    INSERT OR IGNORE INTO key_organizations (seq, organization)
        SELECT new.seq, value FROM json_each(new.organizations);
END;

CREATE TABLE holders (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    suspended_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
    digest BLOB PRIMARY KEY NOT NULL,
    pepper INTEGER,
    moved INTEGER NOT NULL DEFAULT 0 CHECK (moved IN (0, 1)),
    removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    key TEXT,
    account TEXT,
    organization TEXT,
    address TEXT,
    request_id TEXT,
    before TEXT NOT NULL DEFAULT '{}',
    after TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX audit_of_key ON audit (key, seq);
CREATE INDEX audit_of_account ON audit (account, seq);
CREATE INDEX audit_of_organization ON audit (organization, seq);
CREATE INDEX audit_of_actor ON audit (actor, seq);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_with_address ON audit (at) WHERE address IS NOT NULL;

CREATE VIEW verify AS SELECT
    digest, id, pepper, hint, account, subject, organizations, scopes, roles, plan, limits, environment, restrictions,
    active, paused, created_at, not_before, expires_at, last_used_at, revoked_at, first_id,
    EXISTS (SELECT 1 FROM holders WHERE holders.kind = 'account' AND holders.id = keys.account)
        AS account_suspended,
    EXISTS (SELECT 1 FROM holders WHERE holders.kind = 'organization' AND holders.id = keys.organizations ->> 0)
        AS organization_suspended
FROM keys;

INSERT INTO schema_version (version, compatible_with, applied_at)
    VALUES (1, 1, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
";

pub(super) const HAS_VERSION: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_version')";
pub(super) const VERSION: &str = "SELECT version, compatible_with FROM schema_version ORDER BY version DESC LIMIT 1";

pub(super) const SUSPENDED: &str = "SELECT suspended_at FROM holders WHERE kind = ?1 AND id = ?2";
pub(super) const HOLDERS: &str =
    "SELECT kind, id, suspended_at FROM holders WHERE (kind, id) > (?1, ?2) ORDER BY kind, id LIMIT 1000";
pub(super) const REMOVED: &str =
    "SELECT digest, pepper, moved FROM tombstones WHERE digest > ?1 ORDER BY digest LIMIT 1000";
pub(super) const COUNT_BY_PEPPER: &str = "SELECT pepper, sum(keys), sum(removed) FROM ( \
    SELECT pepper, count(*) AS keys, 0 AS removed FROM keys GROUP BY pepper \
    UNION ALL SELECT pepper, 0, count(*) FROM tombstones WHERE NOT moved GROUP BY pepper) GROUP BY pepper";
pub(super) const GET: &str = concat!("SELECT ", columns!(), " FROM keys WHERE id = ?1");

pub(super) const INSERT: &str = concat!(
    "INSERT INTO keys (",
    columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, \
     ?23, ?24, ?25, ?26, ?27, ?28)"
);
pub(super) const DIGEST_IN_USE: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE digest = ?1)";
pub(super) const DIGEST_REMOVED: &str = "SELECT EXISTS (SELECT 1 FROM tombstones WHERE digest = ?1)";
/// Every column but `seq`, `id`, `created_at`, `created_by` and `last_used_at`.
pub(super) const UPDATE: &str = "UPDATE keys SET digest = ?2, pepper = ?3, name = ?4, hint = ?5, account = ?6, \
    subject = ?7, organizations = ?8, scopes = ?9, roles = ?10, plan = ?11, limits = ?12, environment = ?13, \
    restrictions = ?14, metadata = ?15, active = ?16, paused = ?17, not_before = ?18, expires_at = ?19, \
    lifetime = ?20, revoked_at = ?21, deleted_at = ?22, first_id = ?23, predecessor = ?24, successor = ?25 \
    WHERE id = ?1";
/// The argument is a JSON list of pairs: an id, and a time.
pub(super) const USED: &str = "UPDATE keys SET last_used_at = uses.at \
    FROM (SELECT value ->> 0 AS id, max(value ->> 1) AS at FROM json_each(?1) GROUP BY 1) AS uses \
    WHERE keys.id = uses.id AND coalesce(keys.last_used_at, keys.created_at) < uses.at";
pub(super) const BURY: &str = "INSERT INTO tombstones (digest, pepper, removed_at) \
    SELECT digest, pepper, ?2 FROM keys WHERE id = ?1 ON CONFLICT DO UPDATE SET moved = 0";
pub(super) const BURY_DIGEST: &str = "INSERT INTO tombstones (digest, pepper, moved, removed_at) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT DO UPDATE SET moved = moved AND excluded.moved";
/// A key that moves back has its digest again.
pub(super) const UNBURY_MOVED: &str = "DELETE FROM tombstones WHERE digest = ?1 AND moved";
pub(super) const REMOVE: &str = "DELETE FROM keys WHERE id = ?1";
pub(super) const SUSPEND: &str =
    "INSERT INTO holders (kind, id, suspended_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
pub(super) const REINSTATE: &str = "DELETE FROM holders WHERE kind = ?1 AND id = ?2";
pub(super) const APPEND_AUDIT: &str =
    concat!("INSERT INTO audit (", audit_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
/// Statements of one batch: the last argument is the largest number of rows.
pub(super) const FORGET_AUDIT: &str =
    "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)";
pub(super) const FORGET_ADDRESSES: &str = "UPDATE audit SET address = NULL WHERE seq IN \
    (SELECT seq FROM audit WHERE at < ?1 AND address IS NOT NULL ORDER BY at LIMIT ?2)";
pub(super) const ERASE_AUDIT_OF_ACCOUNT: &str =
    concat!(erase!(), "(SELECT seq FROM audit WHERE account = ?1 ORDER BY seq LIMIT ?2)");
/// Rows that are erased already are passed over. `CROSS JOIN` keeps the order: the keys first.
pub(super) const ERASE_AUDIT_OF_KEYS: &str = concat!(
    erase!(),
    "(SELECT audit.seq FROM (SELECT id FROM keys WHERE ",
    some_keys!(),
    ") AS some CROSS JOIN audit ON audit.key = some.id \
     WHERE (actor, account, organization, address, request_id, before, after) \
     IS NOT ('erased', NULL, NULL, NULL, NULL, '{}', '{}') LIMIT ?2)"
);
/// What was counted for the account and for its keys.
pub(super) const ERASE_USAGE: [&str; 6] = [
    "DELETE FROM usage_hours WHERE (kind, id, start, outcome) IN \
     (SELECT kind, id, start, outcome FROM usage_hours WHERE kind = 'account' AND id = ?1 LIMIT ?2)",
    "DELETE FROM usage_days WHERE (kind, id, start, outcome) IN \
     (SELECT kind, id, start, outcome FROM usage_days WHERE kind = 'account' AND id = ?1 LIMIT ?2)",
    concat!("DELETE FROM usage_hours WHERE kind = 'key' AND id IN (SELECT id FROM keys WHERE ", some_keys!(), ")"),
    concat!("DELETE FROM usage_days WHERE kind = 'key' AND id IN (SELECT id FROM keys WHERE ", some_keys!(), ")"),
    concat!("DELETE FROM usage_last WHERE key IN (SELECT id FROM keys WHERE ", some_keys!(), ")"),
    concat!("DELETE FROM usage_refusals WHERE key IN (SELECT id FROM keys WHERE ", some_keys!(), ")"),
];
pub(super) const BURY_ACCOUNT: &str = concat!(
    "INSERT INTO tombstones (digest, pepper, removed_at) SELECT digest, pepper, ?3 FROM keys WHERE ",
    some_keys!(),
    " ON CONFLICT DO UPDATE SET moved = 0"
);
pub(super) const REMOVE_ACCOUNT: &str =
    concat!("DELETE FROM keys WHERE seq IN (SELECT seq FROM keys WHERE ", some_keys!(), ")");

/// Overwrites what was deleted, also in the log that SQLite writes ahead.
pub(super) const TRUNCATE_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
/// A commit waits for the disk, so that it survives a power failure.
pub(super) const DURABLE: &str = "PRAGMA synchronous = FULL";
/// A commit survives the end of the process, but perhaps not a power failure.
pub(super) const RELAXED: &str = "PRAGMA synchronous = NORMAL";
pub(super) const JOURNAL_MODE: &str = "PRAGMA journal_mode";
pub(super) const USE_WAL: &str = "PRAGMA journal_mode = WAL";
/// Views and triggers of a manipulated file may call harmless functions only.
pub(super) const EVERY_CONNECTION: &str = "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;";
pub(super) const READER: &str = "PRAGMA query_only = ON;";
/// What is deleted is overwritten with zeros. A log that has grown for some reason shrinks again.
pub(super) const WRITER: &str = "PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 67108864;";

/// The lookup of a key by its only digest.
pub(super) const FIND_ONE: &str = concat!("SELECT ", guard_columns!(), " FROM verify WHERE digest = ?1");

/// Returns the lookup of a key by any of so many digests. It is one statement, so that a digest that moves to another
/// pepper meanwhile is found.
pub(super) fn find(digests: usize) -> String {
    let places = vec!["?"; digests].join(", ");
    format!(concat!("SELECT ", guard_columns!(), " FROM verify WHERE digest IN ({}) LIMIT 1"), places)
}

#[cfg(test)]
pub(super) mod tests {
    use rusqlite::Connection;

    use super::*;

    const STATEMENTS: [&str; 33] = [
        HAS_VERSION,
        VERSION,
        SUSPENDED,
        HOLDERS,
        REMOVED,
        COUNT_BY_PEPPER,
        GET,
        INSERT,
        DIGEST_IN_USE,
        DIGEST_REMOVED,
        UPDATE,
        USED,
        BURY,
        BURY_DIGEST,
        UNBURY_MOVED,
        REMOVE,
        BURY_ACCOUNT,
        REMOVE_ACCOUNT,
        ERASE_AUDIT_OF_ACCOUNT,
        ERASE_AUDIT_OF_KEYS,
        SUSPEND,
        REINSTATE,
        APPEND_AUDIT,
        FORGET_AUDIT,
        FORGET_ADDRESSES,
        TRUNCATE_LOG,
        DURABLE,
        RELAXED,
        JOURNAL_MODE,
        USE_WAL,
        FIND_ONE,
        "PRAGMA query_only = ON",
        "PRAGMA secure_delete = ON",
    ];

    pub(in crate::sqlite) fn migrated() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(EVERY_CONNECTION).unwrap();
        for text in MIGRATIONS {
            connection.execute_batch(text).unwrap();
        }
        connection
    }

    /// What SQLite does for a statement, one step a line.
    pub(in crate::sqlite) fn plan(connection: &Connection, text: &str) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let (mut steps, mut plan) = (statement.raw_query(), String::new());
        while let Some(step) = steps.next().unwrap() {
            plan += &step.get::<_, String>(3).unwrap();
            plan += "\n";
        }
        plan
    }

    #[test]
    fn every_statement_is_valid() {
        let connection = migrated();
        for text in STATEMENTS.into_iter().chain(ERASE_USAGE) {
            connection.prepare(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        connection.execute_batch(READER).unwrap();
        connection.execute_batch(WRITER).unwrap();
        // Every constant is in the list: those that are not have names of batches or of parts.
        let constants = include_str!("sql.rs").matches("pub(super) const ").count() - 1;
        assert_eq!(
            constants,
            STATEMENTS.len() - 2 + ["MIGRATIONS", "EVERY_CONNECTION", "READER", "WRITER", "ERASE_USAGE"].len()
        );
    }

    #[test]
    fn a_statement_names_every_column_of_its_table() {
        let connection = migrated();
        let columns = |table: &str| -> Vec<String> {
            let mut statement =
                connection.prepare("SELECT name FROM pragma_table_info(?1) WHERE name <> 'seq'").unwrap();
            statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(columns("keys").join(", "), columns!());
        assert_eq!(columns("audit").join(", "), audit_columns!());
        assert_eq!(columns("verify").join(", "), concat!("digest, ", guard_columns!()));
        let kept = ["id", "created_at", "created_by", "last_used_at"];
        for column in columns("keys") {
            assert_eq!(
                UPDATE.contains(&format!(" {column} = ?")),
                !kept.contains(&&*column) || column == "id",
                "{column}"
            );
        }
    }

    /// Statements that read a whole table, and why they may.
    const WHOLE: [(&str, &str); 1] = [
        // An operator asks for it before a pepper goes. Readers wait for nobody, and an index on the pepper would cost every
        // write.
        ("the count by pepper", COUNT_BY_PEPPER),
    ];

    /// The steps of a plan that read a table from one end to the other, or from a place of a page on.
    pub(in crate::sqlite) fn whole(plan: &str) -> Vec<&str> {
        let tables = "keys members key_organizations tombstones audit usage_hours usage_days usage_last usage_refusals \
                      budgets sessions denied_tokens session_cut_offs signing_keys";
        let of_table =
            |step: &&str| step.split(' ').nth(1).is_some_and(|table| tables.split(' ').any(|known| known == table));
        let is_whole = |step: &&str| step.starts_with("SCAN") || step.contains("INTEGER PRIMARY KEY (rowid");
        // A key that is found by another table is found by its number.
        let one_row = |step: &&str| step.contains("(rowid=?)");
        plan.lines().filter(of_table).filter(|step| is_whole(step) && !one_row(step)).collect()
    }

    #[test]
    fn no_statement_reads_a_whole_table() {
        let connection = migrated();
        let listed = [find(1), find(3)];
        for text in STATEMENTS.into_iter().chain(ERASE_USAGE).chain(listed.iter().map(String::as_str)) {
            let plan = plan(&connection, text);
            let may = WHOLE.iter().any(|(_, whole)| *whole == text);
            assert_eq!(whole(&plan).is_empty(), !may, "{text}:\n{plan}");
        }
        for text in [FIND_ONE, &listed[1]] {
            let plan = plan(&connection, text);
            assert!(plan.contains("SEARCH keys USING INDEX sqlite_autoindex_keys_2 (digest=?)"), "{plan}");
        }
    }
}
