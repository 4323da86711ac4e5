//! The statements of alerts.

use tokio_postgres::types::Type;

use super::query::Statement;

/// The columns of an alert, as they are read.
const COLUMNS: &str = "id, holder_kind, holder_id, kind, key, at, details::text, attempts, due_at, delivered_at";
/// The columns of the rules of a holder.
const RULES: &str = "kind, id, rules::text, changed_at, changed_by";

pub(super) struct AlertSql {
    pub(super) set_rules: Statement,
    pub(super) rules: Statement,
    pub(super) all_rules: Statement,
    /// Returns a row for each alert that was not known.
    pub(super) raise: Statement,
    pub(super) claim: Statement,
    pub(super) settle: Statement,
    pub(super) list: Statement,
    pub(super) networks: Statement,
    pub(super) note_networks: Statement,
    /// Each removes some rows, and returns a row for each of them. The last parameter is the number.
    pub(super) forget_raised: [Statement; 1],
    pub(super) forget_networks: [Statement; 1],
    /// By the kind and the id of a holder.
    pub(super) forget_holder: [Statement; 2],
    /// By the id of a key.
    pub(super) forget_key: [Statement; 2],
}

impl AlertSql {
    pub(super) fn new(s: &str) -> Self {
        let (text, texts) = (Type::TEXT, Type::TEXT_ARRAY);
        let time = Type::TIMESTAMPTZ;
        let by_holder = [text.clone(), text.clone(), Type::INT8];
        Self {
            set_rules: Statement::new(
                set_rules(s),
                [text.clone(), text.clone(), text.clone(), time.clone(), text.clone()],
            ),
            rules: Statement::new(
                format!(
                    "SELECT {RULES} FROM {s}.alert_rules \
                     WHERE (kind, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))"
                ),
                [texts.clone(), texts.clone()],
            ),
            all_rules: Statement::new(
                format!("SELECT {RULES} FROM {s}.alert_rules WHERE (kind, id) > ($1, $2) ORDER BY kind, id LIMIT 1000"),
                [text.clone(), text.clone()],
            ),
            raise: raise(s),
            claim: Statement::new(claim(s), [time.clone(), time.clone(), Type::INT8]),
            settle: Statement::new(settle(s), [texts.clone(), Type::TIMESTAMPTZ_ARRAY, Type::TIMESTAMPTZ_ARRAY]),
            list: Statement::new(
                format!(
                    "SELECT {COLUMNS} FROM {s}.alerts WHERE holder_kind = $1 AND holder_id = $2 \
                     ORDER BY at DESC, id DESC LIMIT $3"
                ),
                by_holder.clone(),
            ),
            networks: Statement::new(
                format!("SELECT key, network, last_used_at FROM {s}.alert_networks WHERE key = ANY($1)"),
                [texts.clone()],
            ),
            note_networks: Statement::new(note_networks(s), [texts.clone(), texts, Type::TIMESTAMPTZ_ARRAY]),
            forget_raised: [Statement::new(remove_alerts(s, "at < $1", "$2"), [time.clone(), Type::INT8])],
            forget_networks: [Statement::new(remove_old_networks(s), [time, Type::INT8])],
            forget_holder: [
                Statement::new(remove_rules(s, "kind = $1 AND id = $2", "$3"), by_holder.clone()),
                Statement::new(remove_alerts(s, "holder_kind = $1 AND holder_id = $2", "$3"), by_holder),
            ],
            forget_key: [
                Statement::new(remove_networks(s, "key = $1", "$2"), [text.clone(), Type::INT8]),
                Statement::new(remove_alerts(s, "key = $1", "$2"), [text, Type::INT8]),
            ],
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Statement> {
        let rules = [&self.set_rules, &self.rules, &self.all_rules];
        let alerts = [&self.raise, &self.claim, &self.settle, &self.list];
        let networks = [&self.networks, &self.note_networks];
        let old = self.forget_raised.iter().chain(&self.forget_networks);
        rules.into_iter().chain(alerts).chain(networks).chain(old).chain(&self.forget_holder).chain(&self.forget_key)
    }
}

fn set_rules(s: &str) -> String {
    format!(
        "INSERT INTO {s}.alert_rules (kind, id, rules, changed_at, changed_by) VALUES ($1, $2, $3::json, $4, $5) \
         ON CONFLICT (kind, id) DO UPDATE \
         SET rules = excluded.rules, changed_at = excluded.changed_at, changed_by = excluded.changed_by"
    )
}

/// Rows are locked in the order of their ids wherever several are changed, so that two calls cannot wait for each other.
fn raise(s: &str) -> Statement {
    let text = format!(
        "INSERT INTO {s}.alerts (id, holder_kind, holder_id, kind, key, at, details, attempts, due_at) \
         SELECT id, holder_kind, holder_id, kind, key, at, details::json, 0, at \
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[]) \
         AS a(id, holder_kind, holder_id, kind, key, at, details) ORDER BY id \
         ON CONFLICT (id) DO NOTHING RETURNING true"
    );
    let texts = Type::TEXT_ARRAY;
    let of_rule = [texts.clone(), texts.clone(), texts.clone(), texts.clone()];
    Statement::new(text, [&of_rule[..], &[texts.clone(), Type::TIMESTAMPTZ_ARRAY, texts]].concat())
}

/// A row that another call claims at the same moment is passed over. An update returns its rows in no order.
fn claim(s: &str) -> String {
    format!(
        "WITH due AS MATERIALIZED (\
           SELECT id, due_at FROM {s}.alerts WHERE due_at <= $1 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED), \
         claimed AS (\
           UPDATE {s}.alerts SET due_at = $2, attempts = attempts + 1 \
           WHERE id = ANY(ARRAY(SELECT id FROM due)) RETURNING {COLUMNS}) \
         SELECT claimed.* FROM claimed JOIN due USING (id) ORDER BY due.due_at, id"
    )
}

fn settle(s: &str) -> String {
    format!(
        "WITH waiting AS MATERIALIZED (\
           SELECT id FROM {s}.alerts WHERE id = ANY($1) AND delivered_at IS NULL ORDER BY id FOR UPDATE) \
         UPDATE {s}.alerts AS a SET due_at = c.due_at, delivered_at = c.delivered_at \
         FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS c(id, due_at, delivered_at) \
         WHERE a.id = c.id AND a.id = ANY(ARRAY(SELECT id FROM waiting))"
    )
}

/// A statement cannot change a row twice, so the last use of each network is chosen first.
fn note_networks(s: &str) -> String {
    format!(
        "INSERT INTO {s}.alert_networks AS known (key, network, last_used_at) \
         SELECT key, network, max(at) FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS u(key, network, at) \
         GROUP BY key, network ORDER BY key, network \
         ON CONFLICT (key, network) DO UPDATE SET last_used_at = excluded.last_used_at \
         WHERE known.last_used_at < excluded.last_used_at"
    )
}

pub(super) fn remove_rules(s: &str, which: &str, limit: &str) -> String {
    format!(
        "DELETE FROM {s}.alert_rules WHERE (kind, id) IN (\
         SELECT kind, id FROM {s}.alert_rules WHERE {which} LIMIT {limit}) RETURNING true"
    )
}

/// Selects the rows by their index, and locks them in the order of their ids.
pub(super) fn remove_alerts(s: &str, which: &str, limit: &str) -> String {
    format!(
        "DELETE FROM {s}.alerts WHERE id = ANY(ARRAY(SELECT id FROM {s}.alerts WHERE id = ANY(ARRAY(\
         SELECT id FROM {s}.alerts WHERE {which} LIMIT {limit})) ORDER BY id FOR UPDATE)) RETURNING true"
    )
}

pub(super) fn remove_networks(s: &str, which: &str, limit: &str) -> String {
    format!(
        "DELETE FROM {s}.alert_networks AS n USING (\
         SELECT key, network FROM {s}.alert_networks WHERE {which} ORDER BY key, network LIMIT {limit} FOR UPDATE) AS gone \
         WHERE n.key = gone.key AND n.network = gone.network RETURNING true"
    )
}

/// A network whose row is locked is used at this moment, and so not old. `ctid` is where a row lies.
fn remove_old_networks(s: &str) -> String {
    format!(
        "DELETE FROM {s}.alert_networks WHERE ctid = ANY(ARRAY(\
         SELECT ctid FROM {s}.alert_networks WHERE last_used_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING true"
    )
}
