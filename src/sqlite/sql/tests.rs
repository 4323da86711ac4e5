//! Whether each statement is valid, and which indexes it reads.

use std::time::SystemTime;

use rusqlite::Connection;

use super::*;
use crate::{
    registry::{AuditFilter, Cursor, KeyFilter},
    sqlite::read::{audit_query, keys_query},
};

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

/// Statements that read a whole table, and why they may.
const WHOLE: [(&str, &str); 1] = [
    // An operator asks for it before a pepper goes. Readers wait for nobody, and an index on the pepper would cost every
    // write.
    ("the count by pepper", COUNT_BY_PEPPER),
];

/// The steps of a plan that read a table from one end to the other, or from a place of a page on.
fn whole(plan: &str) -> Vec<&str> {
    let tables = ["keys", "members", "key_organizations", "tombstones", "audit"];
    let of_table = |step: &&str| step.split(' ').nth(1).is_some_and(|table| tables.contains(&table));
    let is_whole = |step: &&str| step.starts_with("SCAN") || step.contains("INTEGER PRIMARY KEY (rowid");
    // A key that is found by another table is found by its number.
    let one_row = |step: &&str| step.contains("(rowid=?)");
    plan.lines().filter(of_table).filter(|step| is_whole(step) && !one_row(step)).collect()
}

#[test]
fn no_statement_reads_a_whole_table() {
    let connection = migrated();
    let listed = [find(1), find(3)];
    for text in STATEMENTS.into_iter().chain(listed.iter().map(String::as_str)) {
        let plan = plan(&connection, text);
        let may = WHOLE.iter().any(|(_, whole)| *whole == text);
        assert_eq!(whole(&plan).is_empty(), !may, "{text}:\n{plan}");
    }
    for text in [FIND_ONE, &listed[1]] {
        let plan = plan(&connection, text);
        assert!(plan.contains("SEARCH keys USING INDEX sqlite_autoindex_keys_2 (digest=?)"), "{plan}");
    }
}

/// A filter that selects by nothing but the state or the pepper reads keys in their order, from the place of the page on,
/// and ends when the page is full.
#[test]
fn lists_of_keys_follow_indexes() {
    let connection = migrated();
    let at = SystemTime::UNIX_EPOCH;
    let mut all = vec![KeyFilter::all(), KeyFilter::account("acme"), KeyFilter::organization("org")];
    let with = |all: &mut Vec<KeyFilter>, with: &dyn Fn(KeyFilter) -> KeyFilter| {
        all.extend(all.clone().into_iter().map(with));
    };
    with(&mut all, &KeyFilter::with_deleted);
    with(&mut all, &|filter| filter.deleted_before(at));
    with(&mut all, &|filter| filter.expires_between(at, at));
    with(&mut all, &|filter| filter.not_under(Some(1)));
    with(&mut all, &|filter| filter.after(Cursor::after(7)));
    for filter in all {
        let plan = plan(&connection, keys_query(&filter).text());
        let index = match &filter {
            filter if filter.of_organization().is_some() => "keys_of_organization (organization=? AND seq>?)",
            filter if filter.of_account().is_some() => "keys_of_account (account=? AND seq>?)",
            filter if filter.deletion_before().is_some() => "keys_by_",
            filter if filter.expiry_between().is_some() => "keys_by_expiry (expires_at>? AND expires_at<?)",
            _ => "PRIMARY KEY (rowid>?)",
        };
        assert!(plan.contains(index), "{filter:?}: {plan}");
        let by_order = index.starts_with("PRIMARY");
        assert_eq!(whole(&plan).is_empty(), !by_order, "{filter:?}: {plan}");
        assert_eq!(plan.contains("TEMP B-TREE"), index.starts_with("keys_by_"), "{filter:?}: {plan}");
    }
}

/// Without a name, rows are read in their order, from the place of the page on. The first page of a time is found by time.
#[test]
fn lists_of_the_audit_log_follow_indexes() {
    let connection = migrated();
    let at = SystemTime::UNIX_EPOCH;
    let all = [AuditFilter::all(), AuditFilter::key("k"), AuditFilter::account("a"), AuditFilter::organization("o")];
    let mut all = all.to_vec();
    let with = |all: &mut Vec<AuditFilter>, with: &dyn Fn(AuditFilter) -> AuditFilter| {
        all.extend(all.clone().into_iter().map(with));
    };
    with(&mut all, &|filter| filter.by("alice"));
    with(&mut all, &|filter| filter.since(at));
    with(&mut all, &|filter| filter.until(at));
    with(&mut all, &AuditFilter::newest_first);
    with(&mut all, &|filter| filter.after(Cursor::after(7)));
    for filter in all {
        let plan = plan(&connection, audit_query(&filter).text());
        let named = filter.names().iter().any(Option::is_some);
        let of_time = !named && filter.times() != (None, None) && filter.place().is_none();
        let index = if named { "audit_of_" } else { "audit_by_time" };
        assert_eq!(plan.contains(index), named || of_time, "{filter:?}: {plan}");
        assert_eq!(whole(&plan).is_empty(), named || of_time, "{filter:?}: {plan}");
        assert_eq!(plan.contains("TEMP B-TREE"), of_time, "{filter:?}: {plan}");
    }
}
