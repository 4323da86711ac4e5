//! One connection to one server.

use std::{fmt::Display, io, sync::Arc};

use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, ProtocolVersion, PushInfo, RedisError, RedisResult, Value,
    aio::{MultiplexedConnection, SendError},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Handle,
};

use super::{config::RedisConfig, failure::Failure, node::Node, primary::Primary};
use crate::base::task::{Owned, spawn_owned};

/// Who gets what the server sends without being asked.
pub(super) type Hears = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A connection. Clones share it, and it is closed with the last one.
#[derive(Clone)]
pub(super) struct Connection {
    inner: MultiplexedConnection,
    server: Arc<str>,
    /// The task that reads and writes.
    driver: Arc<Owned>,
}

impl Connection {
    /// Connects within the time limit of the configuration.
    pub(super) async fn open(config: &RedisConfig, node: &Node, hears: Option<Hears>) -> Result<Self, Failure> {
        config.within(connect(config, node, hears)).await
    }

    /// Runs a command.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Failure> {
        command.query_async(&mut self.inner).await.map_err(|error| Failure::answered(&self.server, &error))
    }

    /// Runs a command whose errors the caller tells apart.
    pub(super) async fn run(&mut self, command: &Cmd) -> RedisResult<Value> {
        command.query_async(&mut self.inner).await
    }

    /// Runs a command on a server that is taking over the slot of its key.
    pub(super) async fn run_asking(&mut self, command: Cmd) -> RedisResult<Value> {
        let mut both = redis::pipe();
        // They are sent together: ASKING is for the next command of the connection.
        both.ignore_errors().cmd("ASKING").add_command(command);
        let mut answers: Vec<RedisResult<Value>> = both.query_async(&mut self.inner).await?;
        answers.pop().unwrap_or(Ok(Value::Nil))
    }

    /// What an error of [`run`](Self::run) is for a log.
    pub(super) fn refused(&self, error: &RedisError) -> Failure {
        Failure::answered(&self.server, error)
    }

    /// Runs commands in a transaction that also asks for the role of the server, and fails unless the server was a primary when
    /// the commands ran. Returns the answer to the last one.
    pub(super) async fn ask_primary<T: FromRedisValue>(&mut self, commands: &[Cmd]) -> Result<(Primary, T), Failure> {
        let mut all = redis::pipe();
        // Spelled out: where MULTI itself is refused, `Pipeline::atomic` of redis-rs 1.8 subtracts below zero, and panics.
        all.cmd("MULTI").cmd("INFO").arg("replication");
        for command in commands {
            all.add_command(command.clone());
        }
        let answers: RedisResult<Vec<Value>> = all.cmd("EXEC").query_async(&mut self.inner).await;
        let answered = answers.and_then(|mut answers| first_and_last(answers.pop()));
        let (info, answer) = answered.map_err(|error| Failure::answered(&self.server, &error))?;
        let primary = Primary::read(&info).map_err(|why| Failure::at(&self.server, why))?;
        Ok((primary, answer))
    }

    pub(super) fn failed(&self, what: impl Display) -> Failure {
        Failure::at(&self.server, what)
    }

    /// Whether the connection has ended, as far as is known.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.driver, &other.driver)
    }
}

/// Takes the answers of a transaction apart.
fn first_and_last<T: FromRedisValue>(answers: Option<Value>) -> RedisResult<(String, T)> {
    let mut answers: Vec<Value> = redis::from_redis_value(answers.unwrap_or(Value::Nil))?;
    let last = answers.pop().unwrap_or(Value::Nil);
    let first = answers.into_iter().next().unwrap_or(Value::Nil);
    Ok((redis::from_redis_value(first)?, redis::from_redis_value(last)?))
}

async fn connect(config: &RedisConfig, node: &Node, hears: Option<Hears>) -> Result<Connection, Failure> {
    // Without it, tokio panics.
    Handle::try_current().map_err(|_| no_runtime(node))?;
    let stream = tcp(node).await.map_err(|error| Failure::at(node, format_args!("cannot connect: {error}")))?;
    if !node.tls {
        return log_in(node, stream, hears).await;
    }
    #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
    if let Some(tls) = &config.tls {
        let tls = tls.as_ref().map_err(|error| Failure::at(node, error))?;
        let stream = tls.connect(&node.host, stream).await;
        let stream = stream.map_err(|error| Failure::at(node, format_args!("cannot connect with TLS: {error}")))?;
        return log_in(node, stream, hears).await;
    }
    let _ = config;
    Err(Failure::at(node, "no TLS is configured"))
}

fn no_runtime(node: &Node) -> Failure {
    Failure::at(node, "cannot connect outside of a tokio runtime")
}

async fn tcp(node: &Node) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((&*node.host, node.port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How many commands may wait for the task that sends them. Whoever finds no room waits in another queue first, which costs more.
const WAITING: usize = 1_024;

async fn log_in(
    node: &Node,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    hears: Option<Hears>,
) -> Result<Connection, Failure> {
    // Each caller has a time limit of its own.
    let mut config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_pipeline_buffer_size(WAITING);
    if let Some(hears) = hears {
        config = config.set_push_sender(move |push| {
            hears(push);
            Ok::<_, SendError>(())
        });
    }
    let login = node.login.clone().set_protocol(ProtocolVersion::RESP3);
    let opened = MultiplexedConnection::new_with_config(&login, stream, config).await;
    let (inner, driver) = opened.map_err(|error| Failure::login(node, &error))?;
    let driver = spawn_owned(driver).ok_or_else(|| no_runtime(node))?;
    Ok(Connection { inner, server: node.to_string().into(), driver: Arc::new(driver) })
}
