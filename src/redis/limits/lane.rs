//! One server that counts, with its connection and its breaker.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arc_swap::ArcSwapOption;
use redis::{RedisError, Value, cmd};

use super::script::{Arguments, Call, SCRIPTS};
use crate::{
    Health,
    limit::{
        BucketKey, Limits, Quota,
        shared::{Ask, Breaker, Guarded, Outage},
    },
    redis::{config::RedisConfig, connection::Connection, failure::Failure, locate::connect},
};

pub(super) struct Lane {
    config: RedisConfig,
    breaker: Breaker,
    open: ArcSwapOption<Open>,
    /// Held by who connects.
    connecting: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
    /// The key of a bucket that only probes count in.
    probe: String,
}

/// A connection to a server that knows the scripts.
struct Open {
    connection: Connection,
    digests: Vec<String>,
}

impl Lane {
    pub(super) fn new(config: &RedisConfig, probe: String, breaker: Breaker) -> Arc<Self> {
        Arc::new(Self {
            config: config.clone(),
            breaker,
            open: ArcSwapOption::empty(),
            connecting: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(0),
            probe,
        })
    }

    /// Runs a script. Connects first if there is no connection.
    pub(super) async fn run(&self, call: &Call<'_>) -> Result<Value, Outage> {
        let open = self.open.load_full();
        let open = match open {
            Some(open) => open,
            // To connect takes many steps, and a decision would have room for all of them.
            None => Box::pin(self.connect()).await?,
        };
        let mut connection = open.connection.clone();
        let digest = open.digests.get(call.script().number).map_or("", |digest| digest);
        let answer = match connection.run(&call.by_digest(digest)).await {
            Err(error) if error.code() == Some("NOSCRIPT") => connection.run(&call.by_text()).await,
            answer => answer,
        };
        answer.map_err(|error| {
            if needs_another_connection(&error) {
                self.close(&open);
            }
            Outage::asked(connection.refused(&error))
        })
    }

    async fn connect(&self) -> Result<Arc<Open>, Outage> {
        let connecting = self.connecting.lock().await;
        if let Some(open) = self.open.load_full() {
            return Ok(open);
        }
        let open = Arc::new(self.opened().await.map_err(|failure| Outage::not_asked(failure.to_string()))?);
        self.open.store(Some(Arc::clone(&open)));
        drop(connecting);
        Ok(open)
    }

    async fn opened(&self) -> Result<Open, Failure> {
        let mut connection = connect(&self.config, self.turn.fetch_add(1, Ordering::Relaxed), None).await?;
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

    /// Asks over the open connection, which may only have been slow, and otherwise over a new one.
    async fn try_out(&self, call: &Call<'_>) -> Result<Value, Outage> {
        if let Some(open) = self.open.load_full() {
            match self.within(self.run(call)).await {
                Ok(answer) => return Ok(answer),
                Err(_) => self.close(&open),
            }
        }
        // To connect takes several answers, and each has the time limit.
        Box::pin(self.connect()).await?;
        self.within(self.run(call)).await
    }

    /// Counts a request that nobody has made: it shows that scripts run, and that they may write.
    pub(super) async fn check(&self) -> Result<(), Outage> {
        let limits = Limits::new(Quota::per_second(u32::MAX)).map_err(|error| Outage::not_asked(error.to_string()))?;
        let ask = Ask { bucket: BucketKey::new(["probe"]), limits, want: 1, least: 1 };
        let arguments = Arguments::Take { ask: &ask, now: None, other: None };
        self.try_out(&Call { key: &self.probe, arguments }).await.map(drop)
    }

    async fn within<T>(&self, asked: impl Future<Output = Result<T, Outage>>) -> Result<T, Outage> {
        let asked = async { asked.await.map_err(Failure::new) };
        self.config.within(asked).await.map_err(Outage::asked)
    }

    pub(super) fn health(&self) -> Health {
        self.breaker.health()
    }
}

impl Guarded for Lane {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    async fn probe(&self) -> Result<(), Outage> {
        self.check().await
    }
}

/// Whether the answer shows that this connection leads to the wrong server, or to none.
fn needs_another_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "MOVED"))
}
