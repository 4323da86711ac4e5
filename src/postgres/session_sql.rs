//! The statements of sessions.

use tokio_postgres::types::Type;

use super::{
    query::{Query, Statement, insert, selected},
    values::{GUARD_COLUMNS, Param},
};

/// The columns of [`SessionRow`](crate::session::SessionRow), in its order.
const COLUMNS: [(&str, Type); 14] = [
    ("id", Type::TEXT),
    ("subject", Type::TEXT),
    ("account", Type::TEXT),
    ("key_id", Type::TEXT),
    ("granted", Type::JSON),
    ("created_at", Type::TIMESTAMPTZ),
    ("used_at", Type::TIMESTAMPTZ),
    ("expires_at", Type::TIMESTAMPTZ),
    ("ends_at", Type::TIMESTAMPTZ),
    ("generation", Type::INT8),
    ("digest", Type::BYTEA),
    ("replaced", Type::JSON),
    ("ended_at", Type::TIMESTAMPTZ),
    ("ended_because", Type::TEXT),
];

/// A change is on disk when it is answered, whatever the default of the database is. The setting ends with the statement.
const DURABLE: &str = "CASE WHEN current_setting('synchronous_commit') = 'off' \
                       THEN set_config('synchronous_commit', 'on', true) END";

/// The first three and the two cut-offs return a row if they have changed something.
pub(super) struct SessionSql {
    pub(super) create: Statement,
    pub(super) rotate: Statement,
    pub(super) end: Statement,
    pub(super) deny: Statement,
    pub(super) cut_off: Statement,
    pub(super) cut_off_everyone: Statement,
    pub(super) find: Statement,
    pub(super) look: Statement,
    /// Each removes some rows, and returns a row for each of them. The last parameter is the number.
    pub(super) forget_sessions: [Statement; 3],
    pub(super) forget_cut_offs: Statement,
    select: String,
}

impl SessionSql {
    /// `s` is the quoted schema.
    pub(super) fn new(s: &str) -> Self {
        let select = selected(&COLUMNS);
        let select = format!("SELECT {select} FROM {s}.sessions");
        let (time, text) = (Type::TIMESTAMPTZ, Type::TEXT);
        let old = |table, which| Statement::new(remove_old(s, table, which), [Type::TIMESTAMPTZ, Type::INT8]);
        Self {
            create: create(s),
            rotate: rotate(s),
            end: Statement::new(
                durable(&format!(
                    "UPDATE {s}.sessions SET ended_at = $2, ended_because = $3 WHERE id = $1 AND ended_at IS NULL \
                     RETURNING id"
                )),
                [text.clone(), time.clone(), text.clone()],
            ),
            deny: Statement::new(deny(s), [text.clone(), time.clone()]),
            cut_off: Statement::new(cut_off(s), [time.clone(), text.clone(), text.clone()]),
            cut_off_everyone: Statement::new(
                format!("WITH {} SELECT {DURABLE} FROM kept", keep_cut_off(s, "'everyone', ''", "true")),
                [time],
            ),
            find: Statement::new(format!("{select} WHERE id = $1"), [text]),
            look: look(s),
            forget_sessions: [
                old("sessions", "expires_at < $1"),
                old("sessions", "ended_at < $1"),
                old("denied_tokens", "until < $1"),
            ],
            forget_cut_offs: old(
                "session_cut_offs",
                &format!(
                    "at < $1 AND kind = 'subject' AND NOT EXISTS (SELECT FROM {s}.sessions AS live \
                     WHERE live.subject = session_cut_offs.id AND live.created_at <= session_cut_offs.at \
                     AND live.ended_at IS NULL)"
                ),
            ),
            select,
        }
    }

    /// Selects the first sessions of a subject, an account and a key, the newest first.
    pub(super) fn list(&self, [subject, account, key]: [Option<String>; 3], limit: usize) -> (Statement, Vec<Param>) {
        let mut query = Query::new(self.select.clone());
        query.maybe("subject = $", Type::TEXT, subject);
        query.maybe("account = $", Type::TEXT, account);
        query.maybe("key_id = $", Type::TEXT, key);
        query.limited("created_at DESC, id DESC", limit)
    }

    /// Returns the texts of all statements, and of each list.
    pub(super) fn texts(&self) -> impl Iterator<Item = String> {
        let changes =
            [&self.create, &self.rotate, &self.end, &self.deny, &self.cut_off, &self.cut_off_everyone, &self.find];
        let fixed = changes.into_iter().chain([&self.look]).chain(&self.forget_sessions).chain([&self.forget_cut_offs]);
        let name = || Some(String::new());
        let lists = [[None, None, None], [name(), None, None], [None, name(), None], [None, None, name()]];
        let lists = lists.map(|names| self.list(names, 1).0.text);
        fixed.map(|statement| statement.text.clone()).chain(lists)
    }
}

/// Returns the change, which returns a row for each that it changes, with one row for all of them.
pub(super) fn durable(change: &str) -> String {
    format!("WITH changed AS ({change}) SELECT {DURABLE} FROM changed LIMIT 1")
}

fn create(s: &str) -> Statement {
    let added = insert(&format!("{s}.sessions"), &COLUMNS);
    Statement::new(durable(&format!("{} ON CONFLICT (id) DO NOTHING RETURNING id", added.text)), added.types)
}

fn rotate(s: &str) -> Statement {
    let text = format!(
        "UPDATE {s}.sessions SET generation = $2, used_at = $3, expires_at = $4, digest = $5, replaced = $6::json \
         WHERE id = $1 AND generation = $2 - 1 AND ended_at IS NULL RETURNING id"
    );
    let (text, time) = (durable(&text), Type::TIMESTAMPTZ);
    Statement::new(text, [Type::TEXT, Type::INT8, time.clone(), time, Type::BYTEA, Type::TEXT])
}

fn deny(s: &str) -> String {
    durable(&format!(
        "INSERT INTO {s}.denied_tokens AS known (id, until) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE \
         SET until = excluded.until WHERE known.until < excluded.until RETURNING id"
    ))
}

/// Rows are locked in the order of their ids wherever several are changed, so that two calls cannot wait for each other.
fn cut_off(s: &str) -> String {
    let kept = keep_cut_off(s, "'subject', $3", "subject = $3");
    format!(
        "WITH live AS MATERIALIZED (\
           SELECT id FROM {s}.sessions WHERE subject = $3 AND ended_at IS NULL ORDER BY id FOR UPDATE), \
         ended AS (\
           UPDATE {s}.sessions SET ended_at = $1, ended_because = $2 WHERE id = ANY(ARRAY(SELECT id FROM live))), \
         {kept} SELECT {DURABLE} FROM kept"
    )
}

/// The later of a time and of the newest creation is kept, unless a later one is.
fn keep_cut_off(s: &str, name: &str, which: &str) -> String {
    format!(
        "kept AS (\
           INSERT INTO {s}.session_cut_offs AS known (kind, id, at) \
           SELECT {name}, GREATEST($1, (SELECT max(created_at) FROM {s}.sessions WHERE {which})) \
           ON CONFLICT (kind, id) DO UPDATE SET at = GREATEST(known.at, excluded.at) RETURNING id)"
    )
}

/// Returns one row. The parameters are the subject, the account, the organisations, the session, the token, and the key.
fn look(s: &str) -> Statement {
    let text = format!(
        "SELECT {GUARD_COLUMNS}, began_at, has_ended, \
         EXISTS (SELECT FROM {s}.denied_tokens AS denied WHERE denied.id = $5), \
         (SELECT cut.at FROM {s}.session_cut_offs AS cut WHERE cut.kind = 'subject' AND cut.id = $1), \
         (SELECT cut.at FROM {s}.session_cut_offs AS cut WHERE cut.kind = 'everyone' AND cut.id = ''), \
         EXISTS (SELECT FROM {s}.holders AS h WHERE h.kind = 'account' AND h.id = $2) \
           OR EXISTS (SELECT FROM {s}.holders AS h WHERE h.kind = 'organization' AND h.id = ANY($3)) \
         FROM (SELECT 1) AS one LEFT JOIN (\
           SELECT id AS session, created_at AS began_at, ended_at IS NOT NULL AS has_ended FROM {s}.sessions) AS known \
         ON known.session = $4 LEFT JOIN {s}.verify ON verify.id = $6"
    );
    let text_type = Type::TEXT;
    let others = [text_type.clone(), text_type.clone(), text_type.clone()];
    Statement::new(text, [&[text_type.clone(), text_type, Type::TEXT_ARRAY][..], &others].concat())
}

/// A row that is locked is changed or removed at this moment. `ctid` is where a row lies.
fn remove_old(s: &str, table: &str, which: &str) -> String {
    format!(
        "DELETE FROM {s}.{table} WHERE ctid = ANY(ARRAY(\
         SELECT ctid FROM {s}.{table} WHERE {which} LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING true"
    )
}

/// Removes some sessions of an account. Selects the rows by their index, and locks them in the order of their ids.
pub(super) fn remove_of_account(s: &str) -> String {
    format!(
        "DELETE FROM {s}.sessions WHERE id = ANY(ARRAY(SELECT id FROM {s}.sessions WHERE id = ANY(ARRAY(\
         SELECT id FROM {s}.sessions WHERE account = $1 LIMIT $2)) ORDER BY id FOR UPDATE)) RETURNING true"
    )
}
