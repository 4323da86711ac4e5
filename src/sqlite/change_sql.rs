//! The SQL that tells whether anything has changed that lookups depend on.

/// A part of version 2 of the schema. Each change gives the file a version that it never had. It is random, so that a file that
/// is restored from a copy and then changed in another way does not get an old one.
///
/// What is not counted happens all the time and changes no lookup: last uses, sessions that begin or are refreshed, usage,
/// budgets. A session that has ended is refused also when it is no longer stored.
macro_rules! tables {
    () => {
        "
CREATE TABLE changes (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO changes (one, version) VALUES (1, random());
CREATE TRIGGER keys_created AFTER INSERT ON keys BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER keys_removed AFTER DELETE ON keys BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER keys_changed AFTER UPDATE OF
    seq, id, digest, pepper, name, hint, account, subject, organizations, scopes, roles, plan, limits, environment,
    restrictions, metadata, active, paused, created_at, created_by, not_before, expires_at, lifetime, revoked_at, deleted_at,
    first_id, predecessor, successor
ON keys BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER holders_created AFTER INSERT ON holders BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER holders_removed AFTER DELETE ON holders BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER holders_changed AFTER UPDATE ON holders BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER denied_tokens_created AFTER INSERT ON denied_tokens BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER denied_tokens_removed AFTER DELETE ON denied_tokens BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER denied_tokens_changed AFTER UPDATE ON denied_tokens BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER session_cut_offs_created AFTER INSERT ON session_cut_offs BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER session_cut_offs_removed AFTER DELETE ON session_cut_offs BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER session_cut_offs_changed AFTER UPDATE ON session_cut_offs BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER sessions_changed AFTER UPDATE OF id, created_at, ended_at ON sessions BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
CREATE TRIGGER sessions_removed AFTER DELETE ON sessions WHEN old.ended_at IS NULL BEGIN
    UPDATE changes SET version = random() WHERE one = 1;
END;
"
    };
}

pub(super) use tables;

/// A number that differs when any other connection has committed anything since. SQLite reads it in the memory that connections
/// share.
pub(super) const DATA_VERSION: &str = "PRAGMA data_version";
pub(super) const VERSION: &str = "SELECT version FROM changes WHERE one = 1";

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{super::sql::tests::migrated, *};

    fn version(connection: &Connection) -> i64 {
        connection.query_row(VERSION, [], |row| row.get(0)).unwrap()
    }

    /// A file with a key, a holder, two sessions, a denied token and a cut-off.
    fn filled() -> Connection {
        let connection = migrated();
        let rows = "
            INSERT INTO keys (id, digest, name, hint, account, subject, created_at, created_by)
                VALUES ('key_1', zeroblob(32), '', '', 'acme', 'alice', 0, 'bob');
            INSERT INTO holders VALUES ('account', 'acme', 0);
            INSERT INTO sessions (id, subject, granted, created_at, used_at, expires_at, ends_at, generation, digest, replaced)
                VALUES ('s', 'alice', '', 0, 0, 0, 0, 0, zeroblob(32), ''), ('t', 'alice', '', 0, 0, 0, 0, 0, zeroblob(32), '');
            UPDATE sessions SET ended_at = 1 WHERE id = 't';
            INSERT INTO denied_tokens VALUES ('token', 0);
            INSERT INTO session_cut_offs VALUES ('subject', 'alice', 0);";
        connection.execute_batch(rows).unwrap();
        connection
    }

    #[test]
    fn what_lookups_depend_on_is_counted() {
        for text in [
            "INSERT INTO keys (id, digest, name, hint, account, subject, created_at, created_by) \
             VALUES ('key_2', randomblob(32), '', '', 'acme', 'alice', 0, 'bob')",
            "UPDATE keys SET last_used_at = 1, paused = 1",
            "DELETE FROM keys",
            "INSERT INTO holders VALUES ('account', 'globex', 0)",
            "UPDATE holders SET id = 'globex'",
            "DELETE FROM holders",
            "UPDATE sessions SET ended_at = 1 WHERE id = 's'",
            "DELETE FROM sessions WHERE id = 's'",
            "INSERT INTO denied_tokens VALUES ('another', 0)",
            "UPDATE denied_tokens SET id = 'another'",
            "DELETE FROM denied_tokens",
            "INSERT INTO session_cut_offs VALUES ('everyone', '', 0)",
            "UPDATE session_cut_offs SET at = 1",
            "DELETE FROM session_cut_offs",
        ] {
            let connection = filled();
            let before = version(&connection);
            assert!(connection.execute(text, []).unwrap() > 0, "{text}");
            assert_ne!(version(&connection), before, "{text}");
        }
    }

    #[test]
    fn what_happens_all_the_time_is_not_counted() {
        let connection = filled();
        let before = version(&connection);
        for text in [
            "UPDATE keys SET last_used_at = 1",
            "INSERT INTO sessions SELECT 'u', subject, account, key_id, granted, created_at, used_at, expires_at, ends_at, \
             generation, digest, replaced, NULL, NULL FROM sessions WHERE id = 's'",
            "UPDATE sessions SET used_at = 1, expires_at = 1, generation = 1, digest = randomblob(32), replaced = 'x'",
            "DELETE FROM sessions WHERE id = 't'",
            "INSERT INTO usage_last (key, at) VALUES ('key_1', 0)",
            "INSERT INTO budgets VALUES (zeroblob(16), 'day', 'UTC', 0, 1)",
        ] {
            assert!(connection.execute(text, []).unwrap() > 0, "{text}");
            assert_eq!(version(&connection), before, "{text}");
        }
    }

    #[test]
    fn every_column_of_a_key_but_its_last_use_is_counted() {
        let connection = filled();
        let mut columns = connection.prepare("SELECT name FROM pragma_table_info('keys')").unwrap();
        for column in columns.query_map([], |row| row.get::<_, String>(0)).unwrap() {
            let (column, before) = (column.unwrap(), version(&connection));
            connection.execute(&format!("UPDATE keys SET {column} = {column}"), []).unwrap();
            assert_eq!(version(&connection) == before, column == "last_used_at", "{column}");
        }
    }
}
