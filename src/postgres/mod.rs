//! Keys in PostgreSQL 15 and later.
//!
//! [`PostgresKeyStore`] keeps keys, suspended holders and the audit log in tables of a schema of its own, over a pool of the
//! caller. Several services can share them.
//!
//! ```no_run
//! use deadpool_postgres::{Manager, Pool};
//! use tokio_postgres::NoTls;
//! use tower_auth::*;
//!
//! # async fn start(peppers: Peppers) -> Result<(), BoxError> {
//! let manager = Manager::new("postgresql://admin@db.example.com/app".parse()?, NoTls); // or a TLS connector of yours
//! let store = PostgresKeyStore::from_pool(Pool::builder(manager).max_size(16).build()?);
//! store.migrate().await?; // when you deploy; a service that only starts calls `check_schema`
//!
//! let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40)?, peppers);
//! let keys = KeyRegistry::new(scheme.clone(), store.clone()); // creates, rotates and revokes
//! let layer = ApiKeyLayer::new(scheme, store); // admits requests
//! # Ok(())
//! # }
//! ```
//!
//! A lookup is one round trip with a prepared statement, and nothing is cached, so a revoked key is refused by the next request.
//! A [cache](#how-to-cache) saves the round trip.
//!
//! # When not to use it
//!
//! A service of one process needs no server: use a file, or a [`MemoryKeyStore`](crate::MemoryKeyStore). A table of keys that
//! exists already needs only a [`KeyStore`](crate::KeyStore) of ten lines.
//!
//! # The pool
//!
//! The caller makes the pool, and so decides about the role, TLS and timeouts. Set a `connect_timeout`, `tcp_user_timeout` and
//! keepalives in the [`Config`](tokio_postgres::Config), and a `wait` timeout of the pool below the
//! [`decision_timeout`](crate::AuthLayer::decision_timeout), 5 s by default. A lookup that is interrupted gives its connection
//! back when the server has answered; if that takes longer than 5 s, the connection is closed.
//!
//! Behind a pooler that shares sessions between transactions, call
//! [`behind_transaction_pooler`](PostgresKeyStore::behind_transaction_pooler).
//!
//! # How to cache
//!
//! [`changes`](PostgresKeyStore::changes) is what [`CachedKeyStore::leased`](crate::cache::CachedKeyStore::leased) needs to put a
//! cache in front of the store: no request is admitted from the cache later than the bound after a change has returned.
//!
//! ```no_run
//! use std::time::Duration;
//! use tower_auth::{BoxError, PostgresKeyStore, cache::Changes};
//!
//! # async fn start(store: PostgresKeyStore) -> Result<(), BoxError> {
//! let changes = store.changes("postgresql://listener@db.example.com/app")?; // past a pooler that shares sessions
//! let bound = changes.shared_bound(Duration::from_secs(1)).await?; // the one of all processes
//! # Ok(())
//! # }
//! ```
//!
//! Triggers of the tables announce each change on the channel `tower_auth` when it is committed, so a change by hand is noticed
//! too. An announcement shows two bytes of a digest, and no id. What is written for each request announces nothing. Each process
//! that caches has one more connection, on which it listens.
//!
//! - The connection must not lead through a pooler that gives each transaction another session, such as `PgBouncer` with
//!   `pool_mode = transaction`; the pools may. With `pool_mode = session` both may.
//! - The pools and the connection must lead to the primary. If a pool has several hosts, set
//!   `target_session_attrs=read-write` in its configuration, because only one of its connections is checked.
//! - When a replica takes over, the old primary must have stopped before, as with any use of such a server. The old connections
//!   end with it, and the cache is empty until it listens to the new one.
//! - Do not disable the triggers: `DISABLE TRIGGER ALL`, or `pg_restore --disable-triggers`, hides changes from caches.
//!   Restart the services afterwards.
//! - The bound is the same for all processes: the first one stores its own in the table `cache_bound`, and
//!   [`set_cache_bound`](PostgresKeyStore::set_cache_bound) changes it.
//!
//! # Limits
//!
//! [`PostgresLimiter`] counts requests for all processes together, where there is no Redis. It needs no extension and no other
//! connection than those of the pool.
//!
//! ```no_run
//! use tower_auth::{BoxError, PostgresKeyStore, PostgresLimiter};
//!
//! # async fn start(store: PostgresKeyStore) -> Result<(), BoxError> {
//! let shared = PostgresLimiter::new(&store, 4); // for at most four processes
//! shared.check().await?;
//! let upkeep = shared.start();
//! let plans = shared.named("plans"); // for RateLimitLayer::limiter
//! # Ok(())
//! # }
//! ```
//!
//! A bucket is a row of the table `limit_buckets`. A question reads the row, decides in this process by the clock of the server,
//! and replaces the row if no other process has replaced it since: two round trips, two statements, and no lock that outlives a
//! statement. Questions of one process about one bucket are answered together, so a bucket occupies at most one connection of
//! each process. With leases, a question is asked for many requests.
//!
//! - The table is `UNLOGGED`. After a crash of the server it is empty, and so are all counts: each client has its whole burst
//!   again. After a regular restart, the counts are there. Replicas and base backups do not have them, so a replica that takes over
//!   begins with full buckets too.
//! - The clock is that of the server. If it is set back, nothing is refilled twice, and refilling goes on from there.
//! - A question has the deadline of the [policy](crate::limit::shared::SharedPolicy::deadline), and the wait for a connection of
//!   the pool is part of it. If it passes, or if the server refuses to write,
//!   [`on_outage`](crate::RateLimitLayer::on_outage) decides, and nothing else is asked until a task has written a row in the
//!   background. Lookups of keys that wait for the same pool can make limits late: give the store a pool of its own for limits
//!   where that matters.
//! - Rows are removed in batches some minutes after their buckets are full again, and those with calendar windows an hour after the period: once a
//!   minute by each process that asks. While no process asks, they stay.
//! - Each question replaces a row, and the server cleans up behind it. A transaction that stays open for hours, anywhere in the
//!   database, hinders that: the table grows, and questions become slow. Set `idle_in_transaction_session_timeout`.
//! - Nothing is announced: this path does not use `NOTIFY`.
//!
//! | failure | what a limit does |
//! |---|---|
//! | the server is frozen, unreachable, killed, restarted, or writes nothing (read-only, a replica) | after one deadline, the outage policy decides, and at once from then on, until a row can be written again |
//! | the server has crashed, or a replica has taken its place | the same, and all buckets are full: one more burst each |
//! | the pool has no connection within the deadline | the same. What was not written is not counted, and charges wait |
//! | a table lock, such as that of `VACUUM FULL` | the same |
//! | a row is locked, or so many processes change it that this one is never first | decisions about this bucket are for the outage policy; the others go on |
//! | a role lacks a grant, or a table is missing | the outage policy decides until it is mended; the log says what to do |
//! | a charge or give-back was being written when the outage began | it is not repeated, because it may be counted: `health().lost` |
//!
//! Do not use it if you have Redis for other reasons: `RedisLimiter` answers in one round trip, and disturbs no other work of the
//! database. Do not use an exact policy for buckets that several processes ask for hundreds of times a second: the row is replaced
//! one time after the other. Do not use it for budgets that must survive a crash, such as a paid budget a month: use
//! [`BudgetLimiter`](crate::BudgetLimiter). A service of one process needs only the default
//! [`MemoryLimiter`](crate::limit::MemoryLimiter).
//!
//! # Migrations
//!
//! [`migrate`](PostgresKeyStore::migrate) is the only call that creates or changes tables. Two services may call it at the same
//! time. [`migrations`](PostgresKeyStore::migrations) returns the SQL for a tool of your own. Migrate first, and update the
//! services afterwards: a service runs on newer tables as long as `compatible_with` in the table `schema_version` is not higher
//! than the version that it knows, and [`check_schema`](PostgresKeyStore::check_schema) says so when it is.
//!
//! # Permissions
//!
//! The role that migrates owns the tables: give it `CREATE` on the database, or on a schema that exists. The other two need
//! less. A service that only checks keys has a pool of the verifier; one that also manages keys adds a pool of the administrator
//! with [`writer`](PostgresKeyStore::writer).
//!
//! ```sql
//! -- The verifier reads one view, and none of the tables.
//! GRANT USAGE ON SCHEMA tower_auth TO verifier;
//! GRANT SELECT ON tower_auth.verify TO verifier;
//!
//! -- The administrator creates, changes and removes keys. It deletes tombstones of keys that moved to another pepper and back.
//! GRANT USAGE ON SCHEMA tower_auth TO administrator;
//! GRANT SELECT ON tower_auth.verify, tower_auth.schema_version TO administrator;
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.keys, tower_auth.holders, tower_auth.audit TO administrator;
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.tombstones TO administrator;
//! -- It reads how long caches may be stale, and changes it.
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.cache_bound TO administrator;
//!
//! -- The role of the connection on which a cache listens. INSERT is not needed where the administrator has set the bound.
//! GRANT USAGE ON SCHEMA tower_auth TO listener;
//! GRANT SELECT, INSERT ON tower_auth.cache_bound TO listener;
//!
//! -- The usage: also for the role of a service that counts. An administrator needs it to erase an account.
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.usage_hours, tower_auth.usage_days, tower_auth.usage_last,
//!     tower_auth.usage_refusals, tower_auth.usage_writers TO administrator;
//!
//! -- Calendar budgets: for the role of a service that counts in them.
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.budgets TO administrator;
//!
//! -- Limits that several processes share: for the role of a service that counts in them.
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.limit_buckets TO administrator;
//!
//! -- Alerts: also for the role of a service that raises or delivers them. An administrator needs it to erase an account.
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.alert_rules, tower_auth.alerts, tower_auth.alert_networks
//!     TO administrator;
//!
//! -- Sessions: for the role of a service that issues tokens. An administrator needs it to erase an account.
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.sessions, tower_auth.denied_tokens, tower_auth.session_cut_offs
//!     TO administrator;
//!
//! -- Signing keys, encrypted: for the role of a service that issues tokens.
//! GRANT SELECT, INSERT, UPDATE, DELETE ON tower_auth.signing_keys TO administrator;
//!
//! -- A service that only checks tokens reads what was revoked, and no digest of a refresh token.
//! GRANT USAGE ON SCHEMA tower_auth TO token_verifier;
//! GRANT SELECT ON tower_auth.verify, tower_auth.holders, tower_auth.denied_tokens, tower_auth.session_cut_offs
//!     TO token_verifier;
//! GRANT SELECT (id, created_at, ended_at) ON tower_auth.sessions TO token_verifier;
//! ```
//!
//! # What is durable
//!
//! A change is answered when it is on disk, even where `synchronous_commit` is off, and so are a lease of a calendar budget and a
//! change of a session. Times of last use are written without waiting. Changes run one at a time, in the order of the column `seq`, so none of them meets a deadlock; a transaction whose
//! client stops answering is ended after 3 s. Lookups wait for no change.
//!
//! On a replica, or where `default_transaction_read_only` is on, lookups work and changes fail. A replica lags: a key that was
//! revoked on the primary is valid on the replica until the change has arrived there.
//!
//! Backups are those of the database. A restored backup knows nothing of what was revoked after it was made: revoke those keys
//! again before services use it. The tables hold no secret. Without the peppers, which are not in the database, a digest
//! cannot be compared with guesses.
//!
//! # For your own queries
//!
//! Times are `timestamptz`, lists are `text[]`, and `limits`, `restrictions`, `metadata`, `before`, `after`, `rules` and
//! `details` are `json`: unlike `jsonb`, it keeps every character. Cast it, as in `metadata::jsonb ->> 'team'`. Do not write to
//! the tables: the audit log would not show it.

mod alert_sql;
mod alerts;
mod apply;
mod bound;
mod budget_sql;
mod budgets;
mod cache_sql;
mod changes;
mod connection;
mod failure;
mod forget;
mod forgetting;
mod limit_sql;
mod limits;
mod listener;
mod migrate;
mod moving;
mod query;
mod registry;
mod session_sql;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod sessions;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod signing;
mod signing_sql;
mod sql;
mod store;
mod transact;
mod usage;
mod usage_sql;
mod values;

pub use self::{changes::PostgresChanges, limits::PostgresLimiter, store::PostgresKeyStore};
