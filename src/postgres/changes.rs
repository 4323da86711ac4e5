//! The announcements of the schema, for caches.

use std::{fmt, sync::Arc, time::Duration};

use tokio_postgres::{
    Client, Config, NoTls, SimpleQueryRow, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{
    PostgresKeyStore,
    cache_sql::{BARRIER, CHANNEL, PROBE, SERVER},
    listener::{Connector, Listener, ask, checked},
};
use crate::{
    BoxError, Clock, ConfigError,
    cache::{ChangeSink, Changes, ChangesFuture, Subscription},
};

/// How long a notification may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(2);

/// What changes in the tables of a [`PostgresKeyStore`], for
/// [`CachedKeyStore::leased`](crate::cache::CachedKeyStore::leased). Created by [`PostgresKeyStore::changes`].
///
/// Each subscription has a connection of its own, on which it listens to the channel `tower_auth`. Clones share nothing but the
/// settings.
///
/// ```no_run
/// use tower_auth::{PostgresChanges, PostgresKeyStore, ConfigError};
///
/// fn changes(store: &PostgresKeyStore) -> Result<PostgresChanges, ConfigError> {
///     store.changes("postgresql://verifier@db.example.com/app")
/// }
/// ```
#[derive(Clone)]
pub struct PostgresChanges {
    pub(super) store: PostgresKeyStore,
    pub(super) connector: Connector,
}

impl PostgresKeyStore {
    /// Returns the source of changes for a cache in front of this store, over connections without TLS.
    ///
    /// The URL must lead to the same database on the primary, and past any pooler that gives each transaction another session:
    /// LISTEN does not work behind one. The lookups of the store must lead to the primary too. A subscription checks all of it,
    /// and fails with what to do. The role needs the privileges that the [module page](crate::postgres) lists for a listener.
    ///
    /// # Errors
    /// If the URL is none of PostgreSQL, names no host, or needs TLS.
    ///
    /// ```
    /// use tower_auth::PostgresKeyStore;
    ///
    /// fn check(store: &PostgresKeyStore) {
    ///     assert!(store.changes("postgresql://verifier@db.example.com/app").is_ok());
    ///     assert!(store.changes("postgresql://db.example.com/app?sslmode=require").is_err());
    /// }
    /// ```
    pub fn changes(&self, direct_url: &str) -> Result<PostgresChanges, ConfigError> {
        // The cause is left out: it may show a part of the password.
        let config = direct_url.parse::<Config>().map_err(|_| {
            ConfigError::new(
                "PostgreSQL: PostgresKeyStore::changes was given a text that is no URL of PostgreSQL",
                "use a URL such as postgresql://verifier@db.example.com/app",
            )
        })?;
        Ok(self.changes_over(Connector::new(checked(config, false)?, NoTls)))
    }

    /// Returns the source of changes for a cache in front of this store, like [`changes`](Self::changes), over connections with
    /// these settings and this TLS connector.
    ///
    /// Timeouts that the settings leave open are set: the connection is given up when the server is silent for some seconds.
    ///
    /// # Errors
    /// If the settings name no host.
    ///
    /// ```
    /// use tokio_postgres::{Config, NoTls};
    /// use tower_auth::{BoxError, PostgresChanges, PostgresKeyStore};
    ///
    /// fn changes(store: &PostgresKeyStore) -> Result<PostgresChanges, BoxError> {
    ///     let config: Config = "postgresql://verifier@db.example.com/app".parse()?;
    ///     Ok(store.changes_with(config, NoTls)?) // or a TLS connector of yours
    /// }
    /// ```
    pub fn changes_with<T>(&self, config: Config, tls: T) -> Result<PostgresChanges, ConfigError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Ok(self.changes_over(Connector::new(checked(config, true)?, tls)))
    }

    fn changes_over(&self, connector: Connector) -> PostgresChanges {
        PostgresChanges { store: self.clone(), connector }
    }
}

impl Changes for PostgresChanges {
    fn subscribe(&self, sink: ChangeSink) -> ChangesFuture<Box<dyn Subscription>> {
        let changes = self.clone();
        ChangesFuture::boxed(async move {
            let subscribed = changes.listen(sink).await?;
            Ok(Box::new(subscribed) as Box<dyn Subscription>)
        })
    }

    fn shared_bound(&self, wanted: Duration) -> ChangesFuture<Duration> {
        let changes = self.clone();
        ChangesFuture::boxed(async move { changes.bound(wanted).await })
    }

    fn stored_bound(&self) -> ChangesFuture<Option<Duration>> {
        let changes = self.clone();
        ChangesFuture::boxed(async move { changes.stored().await })
    }
}

impl PostgresChanges {
    async fn listen(&self, sink: ChangeSink) -> Result<Listening, BoxError> {
        let listener = self.connector.connect(Some(sink)).await?;
        self.check_servers(&listener.client).await?;
        let probe = text(&ask(&listener.client, PROBE, "listening for changes").await?, 0)?;
        let listen = format!("LISTEN {CHANNEL}; LISTEN \"{probe}\"; SELECT pg_backend_pid()");
        let session = text(&ask(&listener.client, &listen, "listening for changes").await?, 0)?;
        self.check_arrival(&listener, &probe).await?;
        ask(&listener.client, &format!("UNLISTEN \"{probe}\""), "listening for changes").await?;
        let listening = Listening { session: session.into(), listener };
        check_session(&listening.listener.client, &listening.session).await?;
        Ok(listening)
    }

    /// Checks that the connection and all pools lead to one primary.
    async fn check_servers(&self, client: &Client) -> Result<(), BoxError> {
        let rows = ask(client, SERVER, "listening for changes").await?;
        let (replica, server) = (text(&rows, 0)?, text(&rows, 1)?);
        if replica == "true" {
            return Err(replica_of("the URL for changes"));
        }
        for (is_replica, other) in self.store.servers().await? {
            if is_replica {
                return Err(replica_of("a pool of the store"));
            }
            if other != server {
                return Err(another_server());
            }
        }
        Ok(())
    }

    /// Checks that a notification from the pool for lookups arrives while the connection does nothing. Behind a pooler that
    /// shares sessions, the session belongs to nobody at this moment, and what it is told is lost.
    async fn check_arrival(&self, listener: &Listener, probe: &str) -> Result<(), BoxError> {
        self.store.notify(probe).await?;
        match Clock::system().within(ARRIVAL, listener.probed.notified()).await {
            Ok(()) => Ok(()),
            Err(_) if listener.client.is_closed() => Err("PostgreSQL: the connection for changes was closed".into()),
            Err(_) => Err(shared_sessions()),
        }
    }
}

/// A connection that listens.
struct Listening {
    listener: Listener,
    /// The process id of the session.
    session: Arc<str>,
}

impl Subscription for Listening {
    fn barrier(&mut self) -> ChangesFuture<()> {
        let (client, session) = (Arc::clone(&self.listener.client), Arc::clone(&self.session));
        ChangesFuture::boxed(async move { check_session(&client, &session).await })
    }
}

/// Asks, over the session that listens, whether it is still that session, and still one of a primary. How it is a barrier:
/// see `drive`.
async fn check_session(client: &Client, session: &str) -> Result<(), BoxError> {
    let rows = ask(client, BARRIER, "asking whether all changes have arrived").await?;
    if text(&rows, 1)? != "f" {
        return Err(replica_of("the URL for changes"));
    }
    // A pooler with an implementation of LISTEN of its own keeps no order between it and queries.
    if text(&rows, 0)? != session || text(&rows, 2)? != "t" {
        return Err(shared_sessions());
    }
    Ok(())
}

fn text(rows: &[SimpleQueryRow], column: usize) -> Result<String, BoxError> {
    let value = rows.first().map(|row| row.try_get(column)).transpose()?.flatten();
    Ok(value.ok_or("PostgreSQL: the server has answered without a row")?.to_owned())
}

fn replica_of(what: &str) -> BoxError {
    ConfigError::new(
        format!("PostgreSQL: {what} leads to a replica, which learns of a change later than the primary"),
        "cache only what is read from the primary: give PostgresKeyStore::from_pool and PostgresKeyStore::changes the \
         address of the primary, or set target_session_attrs=read-write",
    )
    .into()
}

fn another_server() -> BoxError {
    ConfigError::new(
        "PostgreSQL: the URL for changes and the pools of the store lead to different databases, or to different servers",
        "give PostgresKeyStore::changes the URL of the server and database that the pools use",
    )
    .into()
}

fn shared_sessions() -> BoxError {
    ConfigError::new(
        "PostgreSQL: between this service and the server of the URL for changes is a pooler that gives each transaction \
         another session, such as PgBouncer with pool_mode = transaction: LISTEN does not work there",
        "give PostgresKeyStore::changes the URL of the server itself, or of a pooler with pool_mode = session; the pool for \
         lookups may stay behind the pooler",
    )
    .into()
}

impl fmt::Debug for PostgresChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresChanges").field("store", &self.store).finish_non_exhaustive()
    }
}
