//! The SQL of sessions. Times are microseconds since the Unix epoch.

use super::sql::guard_columns;

/// The columns of [`SessionRow`](crate::session::SessionRow), in the order in which rows are read and written.
macro_rules! columns {
    () => {
        "id, subject, account, key_id, granted, created_at, used_at, expires_at, ends_at, generation, digest, replaced, \
         ended_at, ended_because"
    };
}

pub(super) const CREATE: &str = concat!(
    "INSERT INTO sessions (",
    columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
);
pub(super) const FIND: &str = concat!("SELECT ", columns!(), " FROM sessions WHERE id = ?1");
pub(super) const ROTATE: &str = "UPDATE sessions \
    SET used_at = ?3, expires_at = ?4, generation = ?2, digest = ?5, replaced = ?6 \
    WHERE id = ?1 AND generation = ?2 - 1 AND ended_at IS NULL";
pub(super) const END: &str = "UPDATE sessions SET ended_at = ?2, ended_because = ?3 WHERE id = ?1 AND ended_at IS NULL";
/// The later of a time and of the newest creation is kept as the cut-off of a subject, or of everyone. The arguments are the
/// time and the name.
pub(super) const CUT_OFF: &str = "INSERT INTO session_cut_offs (kind, id, at) VALUES ('subject', ?2, \
    max(?1, coalesce((SELECT max(created_at) FROM sessions WHERE subject = ?2), ?1))) \
    ON CONFLICT DO UPDATE SET at = excluded.at WHERE at < excluded.at";
pub(super) const CUT_OFF_EVERYONE: &str = "INSERT INTO session_cut_offs (kind, id, at) VALUES ('everyone', '', \
    max(?1, coalesce((SELECT max(created_at) FROM sessions), ?1))) \
    ON CONFLICT DO UPDATE SET at = excluded.at WHERE at < excluded.at";
/// The arguments are the time, the reason, and the subject.
pub(super) const END_OF_SUBJECT: &str =
    "UPDATE sessions SET ended_at = ?1, ended_because = ?2 WHERE subject = ?3 AND ended_at IS NULL";
pub(super) const DENY: &str = "INSERT INTO denied_tokens (id, until) VALUES (?1, ?2) \
    ON CONFLICT DO UPDATE SET until = excluded.until WHERE until < excluded.until";
/// One row. It is one statement, so it sees one state of the file. The arguments are the subject, the account, a JSON list of
/// organisations, the session, the token, and the key.
pub(super) const LOOK: &str = concat!(
    "SELECT ",
    guard_columns!(),
    ", began_at, has_ended, \
     EXISTS (SELECT 1 FROM denied_tokens WHERE denied_tokens.id = ?5), \
     (SELECT at FROM session_cut_offs WHERE kind = 'subject' AND session_cut_offs.id = ?1), \
     (SELECT at FROM session_cut_offs WHERE kind = 'everyone' AND session_cut_offs.id = ''), \
     EXISTS (SELECT 1 FROM holders WHERE holders.kind = 'account' AND holders.id = ?2) \
       OR EXISTS (SELECT 1 FROM json_each(?3) AS names CROSS JOIN holders \
                  ON holders.kind = 'organization' AND holders.id = names.value) \
     FROM (SELECT 1) LEFT JOIN \
       (SELECT id AS session, created_at AS began_at, ended_at IS NOT NULL AS has_ended FROM sessions) ON session = ?4 \
     LEFT JOIN verify ON verify.id = ?6"
);
/// The columns of [`LOOK`] that a guard does not read come after those that it reads.
pub(super) const GUARD_COLUMNS: usize = 22;
/// Each removes some rows. The arguments are the times, and the number.
pub(super) const FORGET: [&str; 4] = [
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ?1 LIMIT ?3)",
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at < ?1 LIMIT ?3)",
    "DELETE FROM denied_tokens WHERE id IN (SELECT id FROM denied_tokens WHERE until < ?1 LIMIT ?3)",
    "DELETE FROM session_cut_offs WHERE (kind, id) IN (SELECT kind, id FROM session_cut_offs AS old WHERE at < ?2 \
     AND +kind = 'subject' AND NOT EXISTS (SELECT 1 FROM sessions WHERE subject = old.id AND created_at <= old.at \
     AND ended_at IS NULL) LIMIT ?3)",
];

/// Returns the list of sessions with these conditions, the newest first.
pub(super) fn list(conditions: &str) -> String {
    let text = concat!("SELECT ", columns!(), " FROM sessions WHERE TRUE{} ORDER BY created_at DESC, id DESC LIMIT ?");
    text.replace("{}", conditions)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            session_tables::ERASE,
            sql::tests::{migrated, plan, whole},
        },
        *,
    };

    #[test]
    fn every_statement_is_valid_and_reads_no_whole_table() {
        let connection = migrated();
        let fixed = [CREATE, FIND, ROTATE, END, CUT_OFF, CUT_OFF_EVERYONE, END_OF_SUBJECT, DENY, LOOK];
        let texts: Vec<&str> = fixed.into_iter().chain(FORGET).chain(ERASE).collect();
        for text in &texts {
            let plan = plan(&connection, text);
            assert!(whole(&plan).is_empty() && !plan.contains("TEMP"), "{text}: {plan}");
        }
        assert_eq!(texts.len(), 14);
    }

    #[test]
    fn lists_follow_their_indexes() {
        let connection = migrated();
        for (conditions, index) in [
            (" AND subject = ?", "sessions_of_subject (subject=?)"),
            (" AND account = ?", "sessions_of_account (account=?)"),
            (" AND key_id = ?", "sessions_of_key (key_id=?)"),
            ("", "sessions_by_creation"),
        ] {
            let plan = plan(&connection, &list(conditions));
            assert!(plan.contains(index) && !plan.contains("TEMP"), "{plan}");
        }
        for (text, index) in [
            (CUT_OFF_EVERYONE, "sessions_by_creation"),
            (LOOK, "session_cut_offs USING PRIMARY KEY (kind=? AND id=?)"),
            (FORGET[0], "sessions_by_expiry (expires_at<?)"),
            (FORGET[1], "sessions_by_end (ended_at<?)"),
            (FORGET[2], "denied_tokens_by_time (until<?)"),
            (FORGET[3], "session_cut_offs_by_time (at<?)"),
            (ERASE[0], "sessions_of_account (account=?)"),
        ] {
            let plan = plan(&connection, text);
            assert!(plan.contains(index), "{text}: {plan}");
        }
    }

    #[test]
    fn the_statements_name_every_column() {
        let connection = migrated();
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info('sessions')").unwrap();
        let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(names.join(", "), columns!());
        let look = connection.prepare(LOOK).unwrap();
        assert_eq!((look.column_name(0).unwrap(), look.column_name(GUARD_COLUMNS).unwrap()), ("id", "began_at"));
    }
}
