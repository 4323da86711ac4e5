//! Every statement of this backend.

use tokio_postgres::types::Type;

use crate::registry::{AuditFilter, Cursor, KeyFilter};

use super::{
    alert_sql::AlertSql,
    budget_sql::BudgetSql,
    cache_sql::CacheSql,
    forgetting::Forgetting,
    limit_sql::LimitSql,
    moving::Moving,
    query::{Query, Statement, insert, parameter, selected, types},
    session_sql::SessionSql,
    signing_sql::SigningSql,
    usage_sql::UsageSql,
    values::{At, GUARD_COLUMNS, Param},
};

/// The scripts of all versions, in their order. `{schema}` stands for the quoted name of the schema.
pub(super) const MIGRATIONS: [&str; 3] =
    [include_str!("migrations/0001.sql"), include_str!("migrations/0002.sql"), include_str!("migrations/0003.sql")];

/// The columns of a key, in the order of [`KeyRow`](crate::registry::KeyRow).
const COLUMNS: [(&str, Type); 28] = [
    ("id", Type::TEXT),
    ("digest", Type::BYTEA),
    ("pepper", Type::INT8),
    ("name", Type::TEXT),
    ("hint", Type::TEXT),
    ("account", Type::TEXT),
    ("subject", Type::TEXT),
    ("organizations", Type::TEXT_ARRAY),
    ("scopes", Type::TEXT_ARRAY),
    ("roles", Type::TEXT_ARRAY),
    ("plan", Type::TEXT),
    ("limits", Type::JSON),
    ("environment", Type::TEXT),
    ("restrictions", Type::JSON),
    ("metadata", Type::JSON),
    ("active", Type::BOOL),
    ("paused", Type::BOOL),
    ("created_at", Type::TIMESTAMPTZ),
    ("created_by", Type::TEXT),
    ("not_before", Type::TIMESTAMPTZ),
    ("expires_at", Type::TIMESTAMPTZ),
    ("lifetime", Type::INT8),
    ("last_used_at", Type::TIMESTAMPTZ),
    ("revoked_at", Type::TIMESTAMPTZ),
    ("deleted_at", Type::TIMESTAMPTZ),
    ("first_id", Type::TEXT),
    ("predecessor", Type::TEXT),
    ("successor", Type::TEXT),
];

/// What [`Change::Update`](crate::registry::Change::Update) leaves alone.
const KEPT: [&str; 4] = ["id", "created_at", "created_by", "last_used_at"];

/// The columns of an audit row.
const AUDIT_COLUMNS: [(&str, Type); 10] = [
    ("at", Type::TIMESTAMPTZ),
    ("actor", Type::TEXT),
    ("action", Type::TEXT),
    ("key", Type::TEXT),
    ("account", Type::TEXT),
    ("organization", Type::TEXT),
    ("address", Type::INET),
    ("request_id", Type::TEXT),
    ("before", Type::JSON),
    ("after", Type::JSON),
];

/// The statements for one schema.
pub(super) struct Sql {
    schema: String,
    find: [Statement; FIND],
    find_any: Statement,
    pub(super) get: Statement,
    pub(super) lock: Statement,
    pub(super) insert: Statement,
    pub(super) check_new: Statement,
    pub(super) update: Statement,
    pub(super) used: Statement,
    pub(super) remove: Statement,
    pub(super) suspend: Statement,
    pub(super) reinstate: Statement,
    pub(super) insert_audit: Statement,
    pub(super) suspended: Statement,
    pub(super) count_by_pepper: Statement,
    pub(super) moving: Moving,
    pub(super) usage: UsageSql,
    pub(super) budgets: BudgetSql,
    pub(super) limits: LimitSql,
    pub(super) alerts: AlertSql,
    pub(super) sessions: SessionSql,
    pub(super) signing: SigningSql,
    pub(super) forgetting: Forgetting,
    pub(super) cache: CacheSql,
}

impl Sql {
    pub(super) fn new(schema: &str) -> Self {
        let s = quoted(schema);
        let key = selected(&COLUMNS);
        Self {
            find: std::array::from_fn(|place| find(&s, place + 1)),
            find_any: Statement::new(find_where(&s, "digest = ANY($1)"), [Type::BYTEA_ARRAY]),
            get: Statement::new(format!("SELECT {key} FROM {s}.keys WHERE id = $1"), [Type::TEXT]),
            lock: Statement::new(
                format!("SELECT {key} FROM {s}.keys WHERE id = ANY($1) ORDER BY id FOR UPDATE"),
                [Type::TEXT_ARRAY],
            ),
            insert: insert(&format!("{s}.keys"), &COLUMNS),
            check_new: Statement::new(check_new(&s), [Type::BYTEA_ARRAY, Type::TEXT]),
            update: update(&s),
            used: Statement::new(used(&s), [Type::TEXT_ARRAY, Type::TIMESTAMPTZ_ARRAY]),
            remove: Statement::new(remove(&s), [Type::TEXT]),
            suspend: Statement::new(
                format!("INSERT INTO {s}.holders (kind, id, suspended_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"),
                [Type::TEXT, Type::TEXT, Type::TIMESTAMPTZ],
            ),
            reinstate: Statement::new(
                format!("DELETE FROM {s}.holders WHERE kind = $1 AND id = $2"),
                [Type::TEXT, Type::TEXT],
            ),
            insert_audit: insert(&format!("{s}.audit"), &AUDIT_COLUMNS),
            suspended: Statement::new(
                format!(
                    "SELECT kind, id, suspended_at FROM {s}.holders \
                     WHERE (kind, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))"
                ),
                [Type::TEXT_ARRAY, Type::TEXT_ARRAY],
            ),
            count_by_pepper: Statement::new(
                format!(
                    "SELECT pepper, sum(keys)::bigint, sum(removed)::bigint FROM ( \
                     SELECT pepper, count(*) AS keys, 0 AS removed FROM {s}.keys GROUP BY pepper \
                     UNION ALL SELECT pepper, 0, count(*) FROM {s}.tombstones WHERE NOT moved GROUP BY pepper \
                     ) AS counts GROUP BY pepper ORDER BY pepper NULLS FIRST"
                ),
                [],
            ),
            moving: Moving::new(&s),
            usage: UsageSql::new(&s),
            budgets: BudgetSql::new(&s),
            limits: LimitSql::new(&s),
            alerts: AlertSql::new(&s),
            sessions: SessionSql::new(&s),
            signing: SigningSql::new(&s),
            forgetting: Forgetting::new(&s),
            cache: CacheSql::new(&s),
            schema: s,
        }
    }

    /// Begins a transaction for changes. One transaction at a time changes keys, so none of them can meet a deadlock, and
    /// rows become visible in the order of `seq`. If a process stops in the middle, the server ends its session before the
    /// others stop waiting. A change is on disk when it is answered, whatever the default of the database is.
    pub(super) fn begin(&self) -> String {
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
             SET LOCAL idle_in_transaction_session_timeout = '3s'; \
             SET LOCAL lock_timeout = '4s'; \
             SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; \
             {}",
            self.advisory_lock()
        )
    }

    /// Begins a transaction for one version of the schema. It waits for changes that are under way. If a process stops in the
    /// middle, the server ends its session before another one stops waiting.
    pub(super) fn begin_migration(&self) -> String {
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s'; \
             SET LOCAL idle_in_transaction_session_timeout = '30s'; \
             SET LOCAL client_min_messages = 'warning'; {}",
            self.advisory_lock()
        )
    }

    fn advisory_lock(&self) -> String {
        let name = format!("tower-auth {}", self.schema).replace('\'', "''");
        format!("SELECT pg_advisory_xact_lock(hashtextextended('{name}', 0))")
    }

    pub(super) fn create_schema(&self) -> String {
        format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema)
    }

    /// Returns the script that leads to this version.
    pub(super) fn migration(&self, script: &str) -> String {
        script.replace("{schema}", &self.schema)
    }

    /// Selects what the schema is like: whether it exists, its table of versions, and the server itself.
    pub(super) fn state() -> Statement {
        let text = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1), \
                    EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                    WHERE n.nspname = $1 AND c.relname = 'schema_version'), \
                    current_setting('server_version_num')::bigint, current_setting('server_encoding')";
        Statement::new(text.to_owned(), [Type::TEXT])
    }

    pub(super) fn version(&self) -> Statement {
        let text = "SELECT version::bigint, compatible_with::bigint FROM {schema}.schema_version \
                    ORDER BY version DESC LIMIT 1";
        Statement::new(self.migration(text), [])
    }

    /// Selects a page of keys. `seq` is the first column.
    pub(super) fn list(&self, filter: &KeyFilter) -> (Statement, Vec<Param>) {
        let key = selected(&COLUMNS);
        let mut query = Query::new(format!("SELECT seq, {key} FROM {}.keys", self.schema));
        query.maybe("account = $", Type::TEXT, filter.of_account().map(str::to_owned));
        query.maybe("organizations @> ARRAY[$]", Type::TEXT, filter.of_organization().map(str::to_owned));
        if !filter.includes_deleted() {
            query.always("deleted_at IS NULL");
        }
        query.maybe("deleted_at < $", Type::TIMESTAMPTZ, filter.deletion_before().map(At::of));
        let (after, until) = filter.expiry_between().unzip();
        query.maybe("expires_at > $", Type::TIMESTAMPTZ, after.map(At::of));
        query.maybe("expires_at <= $", Type::TIMESTAMPTZ, until.map(At::of));
        let other = filter.other_pepper().map(|version| version.map(i64::from));
        query.maybe("pepper IS DISTINCT FROM $", Type::INT8, other);
        query.maybe("seq > $", Type::INT8, filter.place().map(Cursor::row));
        query.page("seq", filter.size())
    }

    /// Selects a page of the audit log. `seq` is the first column.
    pub(super) fn audit(&self, filter: &AuditFilter) -> (Statement, Vec<Param>) {
        let row = selected(&AUDIT_COLUMNS);
        let mut query = Query::new(format!("SELECT seq, {row} FROM {}.audit", self.schema));
        let conditions = ["key = $", "account = $", "organization = $", "actor = $"];
        for (condition, name) in conditions.into_iter().zip(filter.names()) {
            query.maybe(condition, Type::TEXT, name.map(str::to_owned));
        }
        let (since, until) = filter.times();
        query.maybe("at >= $", Type::TIMESTAMPTZ, since.map(At::of));
        query.maybe("at < $", Type::TIMESTAMPTZ, until.map(At::of));
        let place = filter.place().map(Cursor::row);
        if filter.is_newest_first() {
            query.maybe("seq < $", Type::INT8, place);
            query.page("seq DESC", filter.size())
        } else {
            query.maybe("seq > $", Type::INT8, place);
            query.page("seq", filter.size())
        }
    }

    /// Returns the lookup by so many digests, one parameter each; `None` if there are more than usual.
    pub(super) fn find(&self, digests: usize) -> Option<&Statement> {
        self.find.get(digests.checked_sub(1)?)
    }

    /// Returns the lookup by a list of digests.
    pub(super) const fn find_any(&self) -> &Statement {
        &self.find_any
    }

    /// Returns all statements with parameters, and of lists one without conditions.
    pub(super) fn texts(&self) -> Vec<String> {
        let fixed = [
            &self.find_any,
            &self.get,
            &self.lock,
            &self.insert,
            &self.check_new,
            &self.update,
            &self.used,
            &self.remove,
            &self.suspend,
            &self.reinstate,
            &self.insert_audit,
            &self.suspended,
            &self.count_by_pepper,
        ];
        let lists = [self.list(&KeyFilter::all()).0, self.audit(&AuditFilter::all()).0, Self::state(), self.version()];
        let fixed = self
            .find
            .iter()
            .chain(fixed)
            .chain(self.moving.all())
            .chain(self.usage.all())
            .chain(self.budgets.all())
            .chain(self.limits.all())
            .chain(self.alerts.all())
            .chain(self.forgetting.all())
            .chain(self.cache.all())
            .map(|statement| statement.text.clone());
        fixed
            .chain(self.sessions.texts())
            .chain(self.signing.texts())
            .chain(lists.into_iter().map(|statement| statement.text))
            .collect()
    }
}

/// Quotes an identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns which columns of a key an update writes, in their order.
pub(super) fn updated() -> impl Iterator<Item = bool> {
    COLUMNS.iter().map(|(name, _)| !KEPT.contains(name))
}

/// The last parameter is the id. A row is returned if there is such a key.
fn update(s: &str) -> Statement {
    let written: Vec<_> = COLUMNS.into_iter().zip(updated()).filter_map(|(column, is)| is.then_some(column)).collect();
    let set: Vec<_> =
        written.iter().zip(1..).map(|((name, kind), number)| format!("{name} = {}", parameter(number, kind))).collect();
    let id = written.len() + 1;
    // The digest is the first parameter. A key that moves back to another pepper has its digest again.
    let text = format!(
        "WITH unburied AS (DELETE FROM {s}.tombstones WHERE digest = $1 AND moved) \
         UPDATE {s}.keys SET {} WHERE id = ${id} RETURNING true",
        set.join(", ")
    );
    Statement::new(text, [types(&written), vec![Type::TEXT]].concat())
}

/// The number of digests, and so of peppers, for which there is a statement of its own. The server keeps the plan of such a
/// statement. It plans a lookup by a list of digests anew each time, because it does not know how long the list is.
const FIND: usize = 4;

fn find(s: &str, digests: usize) -> Statement {
    let places: Vec<_> = (1..=digests).map(|number| format!("${number}")).collect();
    Statement::new(find_where(s, &format!("digest IN ({})", places.join(", "))), vec![Type::BYTEA; digests])
}

fn find_where(s: &str, condition: &str) -> String {
    format!("SELECT {GUARD_COLUMNS} FROM {s}.verify WHERE {condition}")
}

/// Selects whether another key than this one has one of the digests, and whether a removed key had one.
fn check_new(s: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM {s}.keys WHERE digest = ANY($1) AND id <> $2), \
         EXISTS (SELECT FROM {s}.tombstones WHERE digest = ANY($1))"
    )
}

/// A use before the creation of the key, or before the last known use, changes nothing.
fn used(s: &str) -> String {
    format!(
        "UPDATE {s}.keys k SET last_used_at = u.at \
         FROM (SELECT id, max(at) AS at FROM unnest($1::text[], $2::timestamptz[]) AS one(id, at) GROUP BY id) u \
         WHERE k.id = u.id AND u.at > coalesce(k.last_used_at, k.created_at)"
    )
}

/// Removes a key, and keeps its digest.
fn remove(s: &str) -> String {
    format!(
        "WITH removed AS (DELETE FROM {s}.keys WHERE id = $1 RETURNING digest, pepper) \
         INSERT INTO {s}.tombstones (digest, pepper) SELECT digest, pepper FROM removed \
         ON CONFLICT (digest) DO UPDATE SET moved = false"
    )
}
