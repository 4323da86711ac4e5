//! The SQL of signing keys, of which there are a few.

pub(super) const ALL: &str = "SELECT id, algorithm, public, sealed, signs_from, after FROM signing_keys ORDER BY seq";
/// Changes one row, or none if `after` is not the newest key.
pub(super) const ADD: &str = "INSERT INTO signing_keys (seq, id, algorithm, public, sealed, signs_from, after) \
    SELECT coalesce((SELECT max(seq) FROM signing_keys), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6 \
    WHERE (SELECT id FROM signing_keys ORDER BY seq DESC LIMIT 1) IS ?6 \
    AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE id = ?1)";
pub(super) const RESEAL: &str = "UPDATE signing_keys SET sealed = ?2 WHERE id = ?1";
pub(super) const REMOVE: &str = "DELETE FROM signing_keys WHERE id = ?1 AND seq < (SELECT max(seq) FROM signing_keys)";

#[cfg(test)]
mod tests {
    use super::{
        super::sql::tests::{migrated, plan, whole},
        *,
    };

    /// The newest key is the first one from the end.
    #[test]
    fn every_statement_is_valid_and_sorts_nothing() {
        let connection = migrated();
        for text in [ALL, ADD, RESEAL, REMOVE] {
            let plan = plan(&connection, text);
            assert!(!plan.contains("TEMP"), "{text}: {plan}");
            let scans = whole(&plan).len();
            assert_eq!(scans, usize::from([ALL, ADD].contains(&text)), "{text}: {plan}");
        }
    }
}
