use std::{sync::Arc, time::SystemTime};

use tokio_postgres::{Row, types::ToSql};

use super::{
    PostgresKeyStore,
    failure::Failure,
    query::Statement,
    values::{self, At, Param, is_impossible},
};
use crate::{
    BoxError,
    usage::{
        By, Forget, KeyUse, RefusedRequest, UsageBatch, UsageCount, UsageFuture, UsageOf, UsageQuery, UsageStore,
        stored, unsupported,
    },
};

/// A batch is one statement, and a second one if requests were refused. The commit does not wait for the disk: if the server
/// crashes, the last batches may be lost.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off; \
                     SET LOCAL idle_in_transaction_session_timeout = '3s'; SET LOCAL lock_timeout = '4s'";

impl UsageStore for PostgresKeyStore {
    fn add(&self, batch: Arc<UsageBatch>) -> UsageFuture<()> {
        let store = self.clone();
        UsageFuture::boxed(async move {
            store.add_batch(&batch).await.map_err(|failure| failure.boxed("adding counts of the usage"))
        })
    }

    fn counts(&self, query: &UsageQuery) -> UsageFuture<Vec<UsageCount>> {
        if is_impossible(query.of.id()) {
            return UsageFuture::ready(Ok(Vec::new()));
        }
        let (store, query) = (self.clone(), query.clone());
        UsageFuture::boxed(async move {
            let read = async {
                let rows = store.read(store.sql.usage.of(query.by), &of_query(&query)).await?;
                rows.iter().map(|row| count(&query, row)).collect::<Result<_, Failure>>()
            };
            read.await.map_err(|failure| failure.boxed("reading the usage"))
        })
    }

    fn last_uses(&self, keys: &[String]) -> UsageFuture<Vec<KeyUse>> {
        let keys: Vec<String> = keys.iter().filter(|key| !is_impossible(key)).cloned().collect();
        let store = self.clone();
        UsageFuture::boxed(async move {
            let read = async {
                let values: [Param; 1] = [Box::new(keys)];
                let rows = store.read(&store.sql.usage.last_uses, &values).await?;
                rows.iter().map(key_use).collect::<Result<_, Failure>>()
            };
            read.await.map_err(|failure| failure.boxed("reading when keys were used"))
        })
    }

    fn refusals(&self, key: &str, limit: usize) -> UsageFuture<Vec<RefusedRequest>> {
        if is_impossible(key) {
            return UsageFuture::ready(Ok(Vec::new()));
        }
        let (store, key) = (self.clone(), key.to_owned());
        UsageFuture::boxed(async move {
            let read = async {
                let values: [Param; 2] = [Box::new(key), Box::new(i64::try_from(limit).unwrap_or(i64::MAX))];
                let rows = store.read(&store.sql.usage.refusals, &values).await?;
                rows.iter().map(refusal).collect::<Result<_, Failure>>()
            };
            read.await.map_err(|failure| failure.boxed("reading refused requests"))
        })
    }

    fn forget(&self, what: &Forget, limit: usize) -> UsageFuture<usize> {
        let (store, what) = (self.clone(), what.clone());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        UsageFuture::boxed(async move {
            let Some(statements) = store.forgetting(&what) else { return Err(unsupported(&what)) };
            let mut removed = 0;
            for (statement, mut values) in statements {
                values.push(Box::new(limit));
                let rows = store.read(statement, &values).await;
                removed += rows.map_err(|failure| failure.boxed("removing old usage"))?.len();
            }
            Ok(removed)
        })
    }
}

impl super::usage_sql::UsageSql {
    const fn of(&self, by: By) -> &Statement {
        match by {
            By::Hour => &self.hours,
            By::Day => &self.days,
        }
    }
}

impl PostgresKeyStore {
    /// Returns the statements that remove this, with their values.
    fn forgetting(&self, what: &Forget) -> Option<Vec<(&Statement, Vec<Param>)>> {
        let sql = &self.sql.usage;
        let at = |time: &SystemTime| -> Vec<Param> { vec![Box::new(At::of(*time))] };
        let text = |text: &str| -> Param { Box::new(text.to_owned()) };
        Some(match what {
            Forget::Hours { before } => each(&sql.forget_hours, || at(before)),
            Forget::Days { before } => each(&sql.forget_days, || at(before)),
            Forget::Traces { before } => each(&sql.forget_traces, || at(before)),
            Forget::Of(of) if is_impossible(of.id()) => Vec::new(),
            Forget::Of(of) => {
                let mut all = each(&sql.forget_counts, || vec![text(of.kind()), text(of.id())]);
                if let UsageOf::Key(key) = of {
                    all.extend(each(&sql.forget_key, || vec![text(key)]));
                }
                all
            }
            #[allow(unreachable_patterns, reason = "as a store of another crate, this one answers for later kinds")]
            _ => return None,
        })
    }

    async fn add_batch(&self, batch: &UsageBatch) -> Result<(), Failure> {
        let sql = &self.sql.usage;
        let mut connection = self.connection().await?;
        connection.begin(BEGIN).await?;
        let mut statements = vec![(&sql.add, of_batch(batch))];
        if !batch.refusals.is_empty() {
            let mut keys: Vec<String> = batch.refusals.iter().map(|refusal| refusal.key.clone()).collect();
            keys.dedup();
            let keep = i64::try_from(batch.keep_refusals).unwrap_or(i64::MAX);
            statements.push((&sql.trim, vec![Box::new(keys) as Param, Box::new(keep)]));
        }
        connection.run_all(&statements).await?;
        connection.commit("COMMIT").await
    }
}

/// Returns each statement with values of its own.
pub(super) fn each(statements: &[Statement], values: impl Fn() -> Vec<Param>) -> Vec<(&Statement, Vec<Param>)> {
    statements.iter().map(|statement| (statement, values())).collect()
}

fn of_batch(batch: &UsageBatch) -> Vec<Param> {
    let (counts, uses, refusals) = (&batch.counts, &batch.uses, &batch.refusals);
    let mut values: Vec<Param> =
        vec![Box::new(batch.writer.clone()), Box::new(batch.sequence), Box::new(At::of(batch.at))];
    values.extend([
        list(counts, |count| count.of.kind()),
        list(counts, |count| count.of.id().to_owned()),
        list(counts, |count| At::of(count.start)),
        list(counts, |count| count.outcome.as_str().into_owned()),
        list(counts, |count| i64::try_from(count.count).unwrap_or(i64::MAX)),
    ]);
    values.extend([
        list(uses, |last| last.key.clone()),
        list(uses, |last| At::of(last.at)),
        list(uses, |last| last.address),
        list(uses, |last| last.client.clone()),
    ]);
    values.extend([
        list(refusals, |refusal| refusal.key.clone()),
        list(refusals, |refusal| At::of(refusal.at)),
        list(refusals, |refusal| refusal.outcome.as_str().into_owned()),
        list(refusals, |refusal| i16::try_from(refusal.status).unwrap_or_default()),
        list(refusals, |refusal| refusal.reason.clone()),
        list(refusals, |refusal| refusal.method.clone()),
        list(refusals, |refusal| refusal.path.clone()),
        list(refusals, |refusal| refusal.request_id.clone()),
        list(refusals, |refusal| refusal.address),
    ]);
    values
}

/// One column of all items.
pub(super) fn list<T, V>(items: &[T], of: impl Fn(&T) -> V) -> Param
where
    Vec<V>: ToSql + Send + Sync + 'static,
{
    Box::new(items.iter().map(of).collect::<Vec<V>>())
}

fn of_query(query: &UsageQuery) -> [Param; 4] {
    [
        Box::new(query.of.kind()),
        Box::new(query.of.id().to_owned()),
        Box::new(At::of(query.first_start())),
        Box::new(At::of(query.until)),
    ]
}

fn count(query: &UsageQuery, row: &Row) -> Result<UsageCount, Failure> {
    let (outcome, count): (&str, i64) = (row.try_get(1)?, row.try_get(2)?);
    let count = u64::try_from(count).map_err(BoxError::from)?;
    Ok(UsageCount::new(query.of.clone(), values::time_of(row, 0)?, stored(outcome), count))
}

fn key_use(row: &Row) -> Result<KeyUse, Failure> {
    let (address, client) = (row.try_get(2)?, row.try_get(3)?);
    Ok(KeyUse { address, client, ..KeyUse::new(row.try_get::<_, String>(0)?, values::time_of(row, 1)?) })
}

fn refusal(row: &Row) -> Result<RefusedRequest, Failure> {
    let (outcome, status): (&str, i16) = (row.try_get(2)?, row.try_get(3)?);
    let (at, status): (SystemTime, u16) = (values::time_of(row, 1)?, u16::try_from(status).map_err(BoxError::from)?);
    Ok(RefusedRequest {
        reason: row.try_get(4)?,
        method: row.try_get(5)?,
        path: row.try_get(6)?,
        request_id: row.try_get(7)?,
        address: row.try_get(8)?,
        ..RefusedRequest::new(row.try_get::<_, String>(0)?, at, stored(outcome), status)
    })
}
