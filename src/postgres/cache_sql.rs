//! The statements for caches in front of the store.

use tokio_postgres::types::Type;

use super::{query::Statement, session_sql::durable};

/// The channel of the announcements. The triggers of the schema name it too.
pub(super) const CHANNEL: &str = "tower_auth";

/// Which server this is, and whether it is a replica. A server that is started again is another one.
pub(super) const SERVER: &str = "SELECT pg_is_in_recovery()::text, \
     concat(extract(epoch FROM pg_postmaster_start_time()), ' ', \
     (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))";

/// Which session this is, whether it is one of a replica, and whether it listens.
pub(super) const BARRIER: &str = "SELECT pg_backend_pid(), pg_is_in_recovery(), \
     EXISTS (SELECT FROM pg_listening_channels() AS channel WHERE channel = 'tower_auth')";

/// Draws the name of a channel that nobody else listens to.
pub(super) const PROBE: &str = "SELECT 'tower_auth_' || gen_random_uuid()";

pub(super) struct CacheSql {
    pub(super) server: Statement,
    /// Notifies the channel of a probe.
    pub(super) probe: Statement,
    /// Announces what a repeated call has not changed.
    pub(super) announce: Statement,
    pub(super) bound: Statement,
    pub(super) set_bound: Statement,
    pub(super) remove_bound: Statement,
    table: String,
}

impl CacheSql {
    /// `s` is the quoted schema.
    pub(super) fn new(s: &str) -> Self {
        let table = format!("{s}.cache_bound");
        Self {
            server: Statement::new(SERVER.to_owned(), []),
            probe: Statement::new("SELECT pg_notify($1, '')::text".to_owned(), [Type::TEXT]),
            announce: Statement::new(
                format!("SELECT pg_notify('{CHANNEL}', mark)::text FROM unnest($1::text[]) AS mark"),
                [Type::TEXT_ARRAY],
            ),
            bound: Statement::new(format!("SELECT micros FROM {table}"), []),
            set_bound: Statement::new(
                durable(&format!(
                    "INSERT INTO {table} (micros) VALUES ($1) ON CONFLICT (one) DO UPDATE SET micros = excluded.micros \
                     RETURNING one"
                )),
                [Type::INT8],
            ),
            remove_bound: Statement::new(durable(&format!("DELETE FROM {table} RETURNING one")), []),
            table,
        }
    }

    /// Keeps the bound unless there is one. It is on disk when it is answered, whatever the default of the database is.
    pub(super) fn keep_bound(&self, micros: i64) -> String {
        format!(
            "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; \
             INSERT INTO {} (micros) VALUES ({micros}) ON CONFLICT (one) DO NOTHING",
            self.table
        )
    }

    pub(super) const fn all(&self) -> [&Statement; 6] {
        [&self.server, &self.probe, &self.announce, &self.bound, &self.set_bound, &self.remove_bound]
    }
}
