//! The statements of the usage.

use tokio_postgres::types::Type;

use super::query::Statement;

pub(super) struct UsageSql {
    /// Adds a batch; nothing if it was added before.
    pub(super) add: Statement,
    /// Removes all but the last refusals of some keys.
    pub(super) trim: Statement,
    pub(super) hours: Statement,
    pub(super) days: Statement,
    pub(super) last_uses: Statement,
    pub(super) refusals: Statement,
    /// Each removes some rows, and returns a row for each of them. The last parameter is the number.
    pub(super) forget_hours: [Statement; 1],
    pub(super) forget_days: [Statement; 1],
    pub(super) forget_traces: [Statement; 3],
    /// By the kind and the id.
    pub(super) forget_counts: [Statement; 2],
    /// By the id of a key.
    pub(super) forget_key: [Statement; 2],
}

impl UsageSql {
    pub(super) fn new(s: &str) -> Self {
        Self {
            add: add(s),
            trim: trim(s),
            hours: counts(s, "usage_hours"),
            days: counts(s, "usage_days"),
            last_uses: Statement::new(
                format!("SELECT key, at, address, client FROM {s}.usage_last WHERE key = ANY($1)"),
                [Type::TEXT_ARRAY],
            ),
            refusals: Statement::new(
                format!(
                    "SELECT key, at, outcome, status, reason, method, path, request_id, address \
                     FROM {s}.usage_refusals WHERE key = $1 ORDER BY at DESC, seq DESC LIMIT $2"
                ),
                [Type::TEXT, Type::INT8],
            ),
            forget_hours: [forget(s, "usage_hours", "start < $1", &[Type::TIMESTAMPTZ])],
            forget_days: [forget(s, "usage_days", "start < $1", &[Type::TIMESTAMPTZ])],
            forget_traces: [
                forget(s, "usage_refusals", "at < $1", &[Type::TIMESTAMPTZ]),
                forget(s, "usage_writers", "at < $1", &[Type::TIMESTAMPTZ]),
                forget_addresses(s),
            ],
            forget_counts: ["usage_hours", "usage_days"]
                .map(|table| forget(s, table, "kind = $1 AND id = $2", &[Type::TEXT, Type::TEXT])),
            forget_key: ["usage_last", "usage_refusals"].map(|table| forget(s, table, "key = $1", &[Type::TEXT])),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Statement> {
        let fixed = [&self.add, &self.trim, &self.hours, &self.days, &self.last_uses, &self.refusals];
        let old = self.forget_hours.iter().chain(&self.forget_days).chain(&self.forget_traces);
        fixed.into_iter().chain(old).chain(&self.forget_counts).chain(&self.forget_key)
    }
}

/// One statement adds the whole batch. If the row of the writer says that the batch was added before, nothing is selected from
/// it, and so nothing is written. Sums of the same row come from one place of the lists, because a statement cannot change a
/// row twice.
fn add(s: &str) -> Statement {
    let text = format!(
        "WITH fresh AS (\
           INSERT INTO {s}.usage_writers AS w (writer, sequence, at) VALUES ($1, $2, $3) \
           ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, at = excluded.at \
           WHERE w.sequence < excluded.sequence RETURNING true), \
         counts AS (\
           SELECT c.* FROM unnest($4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::bigint[]) \
           AS c(kind, id, start, outcome, count) WHERE EXISTS (SELECT FROM fresh)), \
         hours AS (\
           INSERT INTO {s}.usage_hours AS u (kind, id, start, outcome, count) SELECT * FROM counts \
           ON CONFLICT (kind, id, start, outcome) DO UPDATE SET count = u.count + excluded.count), \
         days AS (\
           INSERT INTO {s}.usage_days AS u (kind, id, start, outcome, count) \
           SELECT kind, id, date_trunc('day', start, 'UTC') AS day, outcome, sum(count)::bigint FROM counts \
           GROUP BY kind, id, day, outcome ORDER BY kind, id, day, outcome \
           ON CONFLICT (kind, id, start, outcome) DO UPDATE SET count = u.count + excluded.count), \
         uses AS (\
           INSERT INTO {s}.usage_last AS u (key, at, address, client) \
           SELECT c.* FROM unnest($9::text[], $10::timestamptz[], $11::inet[], $12::text[]) AS c \
           WHERE EXISTS (SELECT FROM fresh) \
           ON CONFLICT (key) DO UPDATE SET at = excluded.at, address = excluded.address, client = excluded.client \
           WHERE u.at < excluded.at), \
         refusals AS (\
           INSERT INTO {s}.usage_refusals (key, at, outcome, status, reason, method, path, request_id, address) \
           SELECT c.* FROM unnest($13::text[], $14::timestamptz[], $15::text[], $16::smallint[], $17::text[], $18::text[], \
           $19::text[], $20::text[], $21::inet[]) AS c WHERE EXISTS (SELECT FROM fresh)) \
         SELECT EXISTS (SELECT FROM fresh)"
    );
    let (texts, times, addresses) = (Type::TEXT_ARRAY, Type::TIMESTAMPTZ_ARRAY, Type::INET_ARRAY);
    let mut types = vec![Type::TEXT, Type::INT8, Type::TIMESTAMPTZ];
    types.extend([texts.clone(), texts.clone(), times.clone(), texts.clone(), Type::INT8_ARRAY]);
    types.extend([texts.clone(), times.clone(), addresses.clone(), texts.clone()]);
    types.extend([texts.clone(), times, texts.clone(), Type::INT2_ARRAY, texts.clone(), texts.clone()]);
    types.extend([texts.clone(), texts, addresses]);
    Statement::new(text, types)
}

fn trim(s: &str) -> Statement {
    let text = format!(
        "DELETE FROM {s}.usage_refusals WHERE seq IN (SELECT seq FROM (\
           SELECT seq, row_number() OVER (PARTITION BY key ORDER BY at DESC, seq DESC) AS place \
           FROM {s}.usage_refusals WHERE key = ANY($1)) AS all_of_them WHERE place > $2)"
    );
    Statement::new(text, [Type::TEXT_ARRAY, Type::INT8])
}

fn counts(s: &str, table: &str) -> Statement {
    let text = format!(
        "SELECT start, outcome, count FROM {s}.{table} WHERE kind = $1 AND id = $2 AND start >= $3 AND start < $4 \
         ORDER BY start, outcome"
    );
    Statement::new(text, [Type::TEXT, Type::TEXT, Type::TIMESTAMPTZ, Type::TIMESTAMPTZ])
}

/// `ctid` is where a row lies: the rows of a table without a short key are removed by it.
fn forget(s: &str, table: &str, condition: &str, types: &[Type]) -> Statement {
    let limit = types.len() + 1;
    let text = format!(
        "DELETE FROM {s}.{table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {s}.{table} WHERE {condition} LIMIT ${limit})) \
         RETURNING true"
    );
    Statement::new(text, [types, &[Type::INT8]].concat())
}

fn forget_addresses(s: &str) -> Statement {
    let text = format!(
        "UPDATE {s}.usage_last SET address = NULL, client = NULL WHERE ctid = ANY(ARRAY(\
         SELECT ctid FROM {s}.usage_last WHERE at < $1 AND (address IS NOT NULL OR client IS NOT NULL) LIMIT $2)) \
         RETURNING true"
    );
    Statement::new(text, [Type::TIMESTAMPTZ, Type::INT8])
}
