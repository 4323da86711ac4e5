//! A connection of its own, which a task of its own reads.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify};
use tokio_postgres::{
    AsyncMessage, Client, Config, Error, SimpleQueryMessage, SimpleQueryRow, Socket,
    config::{SslMode, TargetSessionAttrs},
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{cache_sql::CHANNEL, failure::Failure};
use crate::{
    BoxError, Clock, ConfigError,
    base::{
        maybe_ready::BoxFuture,
        task::{Owned, spawn_owned},
    },
    cache::{Announcement, ChangeSink},
};

/// The time limit of one answer, and of a new connection.
const LIMIT: Duration = Duration::from_secs(10);
/// After how much silence the system asks whether the other side is there, how often, and how many questions may be lost.
const SILENCE: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_secs(5);
const QUESTIONS: u32 = 3;
/// What the driver sets itself.
const SILENCE_OF_DRIVER: Duration = Duration::from_secs(2 * 60 * 60);

/// Reads the next message. Without the type of the TLS stream.
type Messages = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> + Send>;
type Connect = dyn Fn() -> BoxFuture<Result<(Client, Messages), Error>> + Send + Sync;

/// How to connect.
#[derive(Clone)]
pub(super) struct Connector(Arc<Connect>);

impl Connector {
    pub(super) fn new<T>(config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let config = Arc::new(config);
        Self(Arc::new(move || {
            let (config, tls) = (Arc::clone(&config), tls.clone());
            Box::pin(async move {
                let (client, mut connection) = config.connect(tls).await?;
                let messages: Messages = Box::new(move |cx| connection.poll_message(cx));
                Ok((client, messages))
            })
        }))
    }

    /// Connects. What is announced is given to the sink.
    pub(super) async fn connect(&self, sink: Option<ChangeSink>) -> Result<Listener, BoxError> {
        // The driver panics outside of a runtime.
        if Handle::try_current().is_err() {
            return Err("PostgreSQL: a connection for changes needs a tokio runtime".into());
        }
        let connected = Clock::system().within(LIMIT, (self.0)()).await;
        let (client, messages) = connected
            .map_err(|late| format!("PostgreSQL: the server of the changes {late}"))?
            .map_err(|error| Failure::from(error).boxed("connecting for changes"))?;
        let probed = Arc::new(Notify::new());
        let driver = spawn_owned(drive(messages, sink, Arc::clone(&probed)))
            .ok_or("PostgreSQL: the tokio runtime of the changes has stopped")?;
        Ok(Listener { client: Arc::new(client), probed, _driver: driver })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector(..)")
    }
}

/// Adds what the configuration leaves open.
///
/// # Errors
/// If it names no server, or needs TLS and there is none.
pub(super) fn checked(mut config: Config, has_tls: bool) -> Result<Config, ConfigError> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(ConfigError::new(
            "PostgreSQL: the URL for changes names no host",
            "use a URL such as postgresql://verifier@db.example.com/app",
        ));
    }
    if !has_tls && config.get_ssl_mode() == SslMode::Require {
        return Err(ConfigError::new(
            "PostgreSQL: the URL for changes needs TLS, and PostgresKeyStore::changes has none",
            "use PostgresKeyStore::changes_with with a TLS connector",
        ));
    }
    // Of several servers, only the primary announces anything.
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    set_timeouts(&mut config);
    Ok(config)
}

/// A connection whose other side is gone is closed after some seconds.
fn set_timeouts(config: &mut Config) {
    if config.get_application_name().is_none() {
        config.application_name("tower_auth changes");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(LIMIT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(LIMIT);
    }
    if config.get_keepalives_idle() == SILENCE_OF_DRIVER {
        config.keepalives_idle(SILENCE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(AGAIN);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(QUESTIONS);
    }
}

/// A connection. It is closed when this value is dropped.
pub(super) struct Listener {
    pub(super) client: Arc<Client>,
    /// Is notified by any channel except the one of the announcements.
    pub(super) probed: Arc<Notify>,
    _driver: Owned,
}

/// Gives each announcement to the sink, and reads on only then.
///
/// The promise of the cache depends on the order, which is that of tokio-postgres 0.7: `poll_message` returns a notification
/// before it reads what follows it, and hands the messages of an answer over to the query in the order in which the server
/// has sent them. The server sends what was committed before a query arrived before the `ReadyForQuery` that ends the
/// answer, and [`ask`] waits for that. So all of it was given to the sink when `ask` returns.
async fn drive(mut messages: Messages, sink: Option<ChangeSink>, probed: Arc<Notify>) {
    let lost = loop {
        match poll_fn(|cx| messages(cx)).await {
            Some(Ok(AsyncMessage::Notification(told))) if told.channel() == CHANNEL => {
                let announced = told.payload().parse::<Announcement>().unwrap_or_else(|never| match never {});
                if let Some(sink) = &sink {
                    sink.announced(announced);
                }
            }
            Some(Ok(AsyncMessage::Notification(_))) => probed.notify_one(),
            Some(Ok(_)) => {}
            Some(Err(error)) => break Failure::from(error).boxed("listening for changes"),
            None => break "PostgreSQL: the connection for changes was closed".into(),
        }
    };
    if let Some(sink) = sink {
        sink.lost(lost);
    }
}

/// Runs statements in one round trip, and returns all rows when the server is ready for the next query.
pub(super) async fn ask(client: &Client, statements: &str, doing: &str) -> Result<Vec<SimpleQueryRow>, BoxError> {
    let answer = Clock::system().within(LIMIT, client.simple_query(statements)).await;
    let messages = answer
        .map_err(|late| format!("PostgreSQL: {doing}: the server {late}"))?
        .map_err(|error| Failure::from(error).boxed(doing))?;
    let row = |message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None };
    Ok(messages.into_iter().filter_map(row).collect())
}
