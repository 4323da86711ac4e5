//! The SQL of calendar budgets.

/// A part of version 2 of the schema.
macro_rules! tables {
    () => {
        "
CREATE TABLE budgets (
    bucket BLOB NOT NULL CHECK (length(bucket) = 16),
    unit TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    period INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (bucket, unit, time_zone, period)
) STRICT, WITHOUT ROWID;
CREATE INDEX budgets_by_period ON budgets (unit, period);
"
    };
}

pub(super) use tables;

pub(super) const USED: &str =
    "SELECT used FROM budgets WHERE bucket = ?1 AND unit = ?2 AND time_zone = ?3 AND period = ?4";
pub(super) const ADD: &str = "INSERT INTO budgets (bucket, unit, time_zone, period, used) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET used = used + excluded.used";
pub(super) const SUBTRACT: &str = "UPDATE budgets SET used = max(used - ?5, 0) \
    WHERE bucket = ?1 AND unit = ?2 AND time_zone = ?3 AND period = ?4";
pub(super) const FORGET: &str = "DELETE FROM budgets WHERE (bucket, unit, time_zone, period) IN \
    (SELECT bucket, unit, time_zone, period FROM budgets WHERE unit = ?1 AND period < ?2 LIMIT ?3)";

#[cfg(test)]
mod tests {
    use super::{
        super::sql::tests::{migrated, plan},
        *,
    };

    #[test]
    fn every_statement_is_valid_and_scans_no_table() {
        let connection = migrated();
        for text in [USED, ADD, SUBTRACT, FORGET] {
            let plan = plan(&connection, text);
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP"), "{text}: {plan}");
        }
    }
}
