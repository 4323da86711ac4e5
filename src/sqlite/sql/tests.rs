//! Whether each statement is valid, and which indexes it reads.

use rusqlite::Connection;

use super::*;

const STATEMENTS: [&str; 32] = [
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

fn migrated() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(EVERY_CONNECTION).unwrap();
    for text in MIGRATIONS {
        connection.execute_batch(text).unwrap();
    }
    connection
}

/// What SQLite does for a statement, one step a line.
fn plan(connection: &Connection, text: &str) -> String {
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
    for text in STATEMENTS {
        connection.prepare(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    connection.execute_batch(READER).unwrap();
    connection.execute_batch(WRITER).unwrap();
    // Every constant is in the list: those that are not have names of batches or of parts.
    let constants = include_str!("../sql.rs").matches("pub(super) const ").count();
    assert_eq!(constants, STATEMENTS.len() - 2 + ["MIGRATIONS", "EVERY_CONNECTION", "READER", "WRITER"].len());
}

#[test]
fn a_statement_names_every_column_of_its_table() {
    let connection = migrated();
    let columns = |table: &str| -> Vec<String> {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1) WHERE name <> 'seq'").unwrap();
        statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(columns("keys").join(", "), columns!());
    assert_eq!(columns("audit").join(", "), audit_columns!());
    assert_eq!(columns("verify").join(", "), concat!("digest, ", guard_columns!()));
    let kept = ["id", "created_at", "created_by", "last_used_at"];
    for column in columns("keys") {
        assert_eq!(UPDATE.contains(&format!(" {column} = ?")), !kept.contains(&&*column) || column == "id", "{column}");
    }
}
