//! A connection that is borrowed from the pool for one call.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio_postgres::{Error, Row, Statement as Prepared, types::ToSql};

use super::{failure::Failure, query::Statement, values::Param};
use crate::Clock;

/// How long an interrupted connection may take to become idle again.
const SETTLE: Duration = Duration::from_secs(5);
/// The number of statements that are sent before the first answer is read. `join_all` polls up to 30 futures in their order.
const PIPELINE: usize = 16;

/// A connection for one call. If the call is interrupted, the connection goes back to the pool only after the server has
/// answered everything, and is closed if it does not: the next lookup must not wait behind what nobody wants any more.
pub(super) struct Connection {
    /// `None` only in `Drop`.
    object: Option<Object>,
    /// Whether statements have no name, for poolers.
    unnamed: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Busy,
    InTransaction,
}

/// A statement that is ready to be sent.
enum Ready<'s> {
    Named(Prepared),
    Unnamed(&'s Statement),
}

impl Connection {
    pub(super) async fn of(pool: &Pool, unnamed: bool) -> Result<Self, Failure> {
        Ok(Self { object: Some(pool.get().await?), unnamed, state: State::Idle })
    }

    /// Runs one statement, outside of a transaction.
    pub(super) async fn query(
        &mut self,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        self.state = State::Busy;
        let answer = self.run(statement, values).await;
        self.state = State::Idle;
        answer
    }

    /// Begins a transaction, with several statements in one round trip. It is rolled back unless it is committed.
    pub(super) async fn begin(&mut self, statements: &str) -> Result<(), Failure> {
        self.state = State::InTransaction;
        self.batch(statements).await
    }

    /// Runs statements without parameters in one round trip.
    pub(super) async fn batch(&self, statements: &str) -> Result<(), Failure> {
        Ok(self.object()?.batch_execute(statements).await?)
    }

    /// Commits the transaction, with the statements that end it.
    pub(super) async fn commit(mut self, statements: &str) -> Result<(), Failure> {
        self.batch(statements).await?;
        self.state = State::Idle;
        Ok(())
    }

    /// Runs one statement.
    pub(super) async fn run(&self, statement: &Statement, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let ready = self.ready(statement).await?;
        let answer = self.send(&ready, values).await;
        self.forget_if_stale(&answer)?;
        answer
    }

    /// Prepares all statements anew the next time, if the server does not know one of them any more: the cause was a
    /// migration or a pooler, so it does not know the others either.
    fn forget_if_stale<T>(&self, answer: &Result<T, Failure>) -> Result<(), Failure> {
        if answer.as_ref().is_err_and(Failure::is_stale) {
            self.object()?.statement_cache.clear();
        }
        Ok(())
    }

    /// Runs several statements in their order. Many are sent before the first is answered. If one fails, the transaction
    /// is lost.
    pub(super) async fn run_all(&self, statements: &[(&Statement, Vec<Param>)]) -> Result<Vec<Vec<Row>>, Failure> {
        let mut answers = Vec::with_capacity(statements.len());
        for some in statements.chunks(PIPELINE) {
            let mut ready = Vec::with_capacity(some.len());
            for (statement, _) in some {
                ready.push(self.ready(statement).await?);
            }
            let sent = some.iter().zip(&ready).map(async |((_, values), ready)| {
                let values: Vec<_> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
                self.send(ready, &values).await
            });
            // The first error is the cause of the others.
            for answer in join_all(sent).await {
                self.forget_if_stale(&answer)?;
                answers.push(answer?);
            }
        }
        Ok(answers)
    }

    async fn ready<'s>(&self, statement: &'s Statement) -> Result<Ready<'s>, Failure> {
        if self.unnamed {
            return Ok(Ready::Unnamed(statement));
        }
        let prepared = self.object()?.prepare_typed_cached(&statement.text, &statement.types).await?;
        Ok(Ready::Named(prepared))
    }

    async fn send(&self, ready: &Ready<'_>, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let client = self.object()?;
        Ok(match ready {
            Ready::Named(prepared) => client.query(prepared, values).await?,
            Ready::Unnamed(statement) => {
                let typed: Vec<_> = values.iter().copied().zip(statement.types.iter().cloned()).collect();
                client.query_typed(&statement.text, &typed).await?
            }
        })
    }

    fn object(&self) -> Result<&Object, Failure> {
        self.object.as_ref().ok_or_else(|| Failure::Row("the connection was given back".into()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if self.state == State::Idle {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(settle(object, self.state))),
            // The server rolls a transaction back when its connection is closed.
            Err(_) => drop(Object::take(object)),
        }
    }
}

async fn settle(object: Object, state: State) {
    let idle = async {
        match state {
            State::InTransaction => object.batch_execute("ROLLBACK").await,
            _ => object.check_connection().await,
        }
    };
    let settled: Option<Result<(), Error>> = Clock::system().within(SETTLE, idle).await.ok();
    if !matches!(settled, Some(Ok(()))) {
        drop(Object::take(object));
    }
}
