//! The statements of calendar budgets.

use tokio_postgres::types::Type;

use super::query::Statement;

pub(super) struct BudgetSql {
    /// Takes requests out of a budget, and returns the count and what was taken.
    pub(super) take: Statement,
    pub(super) used: Statement,
    pub(super) give_back: Statement,
    /// Removes some rows, and returns a row for each of them.
    pub(super) forget: Statement,
}

/// The key of the table.
const KEY: &str = "bucket, unit, time_zone, period";

impl BudgetSql {
    pub(super) fn new(s: &str) -> Self {
        Self {
            take: take(s),
            used: Statement::new(
                format!(
                    "SELECT used FROM {s}.budgets WHERE bucket = $1 AND unit = $2 AND time_zone = $3 AND period = $4"
                ),
                key_types(),
            ),
            give_back: give_back(s),
            forget: Statement::new(
                format!(
                    "DELETE FROM {s}.budgets WHERE ctid = ANY(ARRAY(\
                     SELECT ctid FROM {s}.budgets WHERE unit = $1 AND period < $2 LIMIT $3)) RETURNING true"
                ),
                [Type::TEXT, Type::INT4, Type::INT8],
            ),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Statement> {
        [&self.take, &self.used, &self.give_back, &self.forget].into_iter()
    }
}

fn key_types() -> Vec<Type> {
    vec![Type::BYTEA, Type::TEXT, Type::TEXT, Type::INT4]
}

/// One statement reads, decides and counts: a session that waits for the row sees what the other one has counted. The row keeps
/// what was taken last, because a statement returns only the new values. A lease must be on disk before it is used, whatever the
/// default of the database is; the setting ends with the statement.
fn take(s: &str) -> Statement {
    let (first, next) = (granted("0"), granted("b.used"));
    let text = format!(
        "WITH taken AS (\
           INSERT INTO {s}.budgets AS b ({KEY}, used, granted) VALUES ($1, $2, $3, $4, {first}, {first}) \
           ON CONFLICT ({KEY}) DO UPDATE SET used = b.used + {next}, granted = {next} RETURNING used, granted) \
         SELECT used, granted, CASE WHEN current_setting('synchronous_commit') = 'off' \
           THEN set_config('synchronous_commit', 'on', true) END FROM taken"
    );
    Statement::new(text, [key_types(), vec![Type::INT8; 4]].concat())
}

/// As `BudgetTake::granted` does: `$5` is the size, `$6` the least, `$7` the most, and `$8` the share.
fn granted(used: &str) -> String {
    format!("CASE WHEN {used} + $6 <= $5 THEN GREATEST($6, LEAST($7, ($5 - {used}) / $8)) ELSE 0 END")
}

/// Rows are locked in the order of the key, so that two batches cannot block each other.
fn give_back(s: &str) -> Statement {
    let text = format!(
        "WITH unused AS (\
           SELECT {KEY}, sum(count)::bigint AS count FROM unnest($1::bytea[], $2::text[], $3::text[], $4::integer[], \
           $5::bigint[]) AS all_of_them({KEY}, count) GROUP BY {KEY}), \
         locked AS MATERIALIZED (\
           SELECT {KEY}, unused.count FROM {s}.budgets AS b JOIN unused USING ({KEY}) ORDER BY {KEY} FOR UPDATE OF b) \
         UPDATE {s}.budgets AS b SET used = GREATEST(b.used - locked.count, 0) FROM locked \
         WHERE b.bucket = locked.bucket AND b.unit = locked.unit AND b.time_zone = locked.time_zone \
         AND b.period = locked.period"
    );
    let (texts, numbers) = (Type::TEXT_ARRAY, Type::INT8_ARRAY);
    Statement::new(text, [Type::BYTEA_ARRAY, texts.clone(), texts, Type::INT4_ARRAY, numbers])
}
