//! A connection to one server that counts, with its breaker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use redis::{Cmd, RedisError, RedisResult, Value, cmd};

use super::script::{Arguments, Call, SCRIPTS};
use crate::{
    Clock,
    base::clock::TimedOut,
    limit::{
        BucketKey, Limits, Quota,
        shared::{Ask, Breaker, Outage},
    },
    redis::{config::RedisConfig, connection::Connection, failure::Failure, locate::connect, node::Node},
};

pub(super) struct Lane {
    config: RedisConfig,
    /// The server of a cluster. Otherwise the configuration says where the server is.
    node: Option<Node>,
    pub(super) breaker: Breaker,
    open: ArcSwapOption<Open>,
    /// Held by who connects.
    connecting: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
}

/// A connection to a server that knows the scripts.
struct Open {
    connection: Connection,
    digests: Vec<String>,
}

/// What a server answers to a script.
pub(super) enum Reply {
    Answer(Value),
    /// Another server of the cluster has the key. It has not run the script.
    Elsewhere(Elsewhere),
}

pub(super) struct Elsewhere {
    /// Empty if it is the host of the server that has answered.
    pub(super) host: String,
    pub(super) port: u16,
    /// The slot has moved. Otherwise it is moving, and the other server has this key only.
    pub(super) is_settled: bool,
}

impl Lane {
    pub(super) fn new(config: &RedisConfig, node: Option<Node>, breaker: Breaker) -> Self {
        Self {
            config: config.clone(),
            node,
            breaker,
            open: ArcSwapOption::empty(),
            connecting: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Runs a script. Connects first if there is no connection. `is_moving` is for a server that is taking over the slot of the key.
    pub(super) async fn run(&self, call: &Call<'_>, is_moving: bool) -> Result<Reply, Outage> {
        // A connection that was not in use may have been closed by the server, or by something on the way.
        let open = match self.open.load_full().filter(|open| !open.connection.is_closed()) {
            Some(open) => open,
            // To connect takes many steps, and a decision would have room for all of them.
            None => Box::pin(self.connect()).await?,
        };
        let mut connection = open.connection.clone();
        let digest = open.digests.get(call.script().number).map_or("", |digest| digest);
        let answer = match send(&mut connection, call.by_digest(digest), is_moving).await {
            Err(error) if error.code() == Some("NOSCRIPT") => send(&mut connection, call.by_text(), is_moving).await,
            answer => answer,
        };
        let error = match answer {
            Ok(answer) => return Ok(Reply::Answer(answer)),
            Err(error) => error,
        };
        if let Some(elsewhere) = self.node.as_ref().and_then(|_| elsewhere(&error)) {
            return Ok(Reply::Elsewhere(elsewhere));
        }
        if needs_another_connection(&error) {
            self.close(&open);
        }
        let refused = connection.refused(&error);
        if is_of_bucket(&error) {
            return Err(Outage::of_bucket(format_args!("{refused} (the key is {})", call.key)));
        }
        Err(if is_for_the_moment(&error) { Outage::not_asked(refused.to_string()) } else { Outage::asked(refused) })
    }

    /// The open connection, if there is one.
    pub(super) fn connection(&self) -> Option<Connection> {
        self.open.load().as_ref().map(|open| open.connection.clone())
    }

    async fn connect(&self) -> Result<Arc<Open>, Outage> {
        let connecting = self.connecting.lock().await;
        if let Some(open) = self.open.load_full().filter(|open| !open.connection.is_closed()) {
            return Ok(open);
        }
        let open = Arc::new(self.opened().await.map_err(|failure| Outage::not_asked(failure.to_string()))?);
        self.open.store(Some(Arc::clone(&open)));
        drop(connecting);
        Ok(open)
    }

    async fn opened(&self) -> Result<Open, Failure> {
        let mut connection = match &self.node {
            Some(node) => Connection::open(&self.config, node, None).await?,
            None => connect(&self.config, self.turn.fetch_add(1, Ordering::Relaxed), None).await?,
        };
        let mut digests = Vec::with_capacity(SCRIPTS.len());
        for script in SCRIPTS {
            let load = cmd("SCRIPT").arg("LOAD").arg(script.text).take();
            digests.push(self.config.within(connection.ask(&load)).await?);
        }
        Ok(Open { connection, digests })
    }

    /// Drops a connection, unless another one has replaced it.
    fn close(&self, open: &Arc<Open>) {
        self.open.compare_and_swap(open, None);
    }

    /// How long one answer may take where no request waits.
    pub(super) const fn patience(&self) -> Duration {
        self.config.timeout
    }

    /// Asks over the open connection, which may only have been slow, and otherwise over a new one.
    async fn try_out(&self, call: &Call<'_>, limit: Duration) -> Result<Reply, Outage> {
        if let Some(open) = self.open.load_full() {
            match self.within(limit, self.run(call, false)).await {
                Ok(answer) => return Ok(answer),
                Err(_) => self.close(&open),
            }
        }
        // To connect takes several answers, and each has its own time limit.
        Box::pin(self.connect()).await?;
        self.within(limit, self.run(call, false)).await
    }

    /// Counts a request that nobody has made, in a bucket of this name: it shows that scripts run, that they
    /// may write, and that the answer comes within the limit.
    pub(super) async fn check(&self, key: &str, limit: Duration) -> Result<Reply, Outage> {
        let limits = Limits::new(Quota::per_second(1_000_000)).map_err(|error| Outage::not_asked(error.to_string()))?;
        let ask = Ask { bucket: BucketKey::new(["probe"]), limits, want: 1, least: 1 };
        let arguments = Arguments::Take { ask: &ask, now: None, other: None };
        self.try_out(&Call { key, arguments }, limit).await
    }

    async fn within<T>(&self, limit: Duration, asked: impl Future<Output = Result<T, Outage>>) -> Result<T, Outage> {
        Clock::system().within(limit, asked).await.map_err(|late| self.late(late))?
    }

    /// What an answer that is late is for a log.
    pub(super) fn late(&self, late: TimedOut) -> Outage {
        Outage::asked(match (self.open.load().as_ref(), &self.node) {
            (Some(open), _) => open.connection.failed(late),
            (None, Some(node)) => Failure::at(node, late),
            (None, None) => Failure::at(self.config.servers.name(), late),
        })
    }
}

async fn send(connection: &mut Connection, command: Cmd, is_moving: bool) -> RedisResult<Value> {
    if is_moving { connection.run_asking(command).await } else { connection.run(&command).await }
}

/// Whether the answer shows that this connection leads to the wrong server, or to none.
fn needs_another_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "MOVED"))
}

/// Whether the script has failed with this bucket, and the server is well.
fn is_of_bucket(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE") || error.detail().is_some_and(|detail| detail.starts_with("user_script:"))
}

/// Whether the server does not write now. The scripts have one write, which is their last command: nothing has happened.
fn is_for_the_moment(error: &RedisError) -> bool {
    const CODES: [&str; 9] =
        ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN"];
    error.code().is_some_and(|code| CODES.contains(&code))
}

/// Reads `MOVED 12182 10.0.0.7:6379` and `ASK` with the same. A server writes `?` for a host name that it should know and does not.
fn elsewhere(error: &RedisError) -> Option<Elsewhere> {
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':').filter(|(host, _)| *host != "?")?;
    Some(Elsewhere { host: host.to_owned(), port: port.parse().ok()?, is_settled: error.code() == Some("MOVED") })
}
