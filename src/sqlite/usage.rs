use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use rusqlite::{Row, Statement, ToSql, params};

use super::{
    SqliteKeyStore,
    failure::Failure,
    lane::Lane,
    session::Session,
    usage_sql as sql,
    write::{begin, relaxed},
};
use crate::{
    BoxError,
    registry::{micros, time},
    usage::{
        By, Forget, KeyUse, RefusedRequest, UsageBatch, UsageCount, UsageFuture, UsageOf, UsageQuery, UsageStore,
        stored, unsupported,
    },
};

/// A batch survives the end of the process, but perhaps not a power failure.
impl UsageStore for SqliteKeyStore {
    fn add(&self, batch: Arc<UsageBatch>) -> UsageFuture<()> {
        self.work(|store| &store.0.writer, move |session| relaxed(session, |session| add(session, &batch)))
    }

    fn counts(&self, query: &UsageQuery) -> UsageFuture<Vec<UsageCount>> {
        let query = query.clone();
        self.work(lists, move |session| counts(session, &query))
    }

    fn last_uses(&self, keys: &[String]) -> UsageFuture<Vec<KeyUse>> {
        let keys = keys.to_vec();
        self.work(lists, move |session| last_uses(session, &keys))
    }

    fn refusals(&self, key: &str, limit: usize) -> UsageFuture<Vec<RefusedRequest>> {
        let key = key.to_owned();
        self.work(lists, move |session| refusals(session, &key, limit))
    }

    fn forget(&self, what: &Forget, limit: usize) -> UsageFuture<usize> {
        let what = what.clone();
        self.work(|store| &store.0.writer, move |session| forget(session, &what, limit))
    }
}

pub(super) fn lists(store: &SqliteKeyStore) -> &Lane {
    &store.0.lists
}

impl SqliteKeyStore {
    pub(super) fn work<T: Send + 'static>(
        &self,
        lane: fn(&Self) -> &Lane,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> UsageFuture<T> {
        let store = self.clone();
        UsageFuture::boxed(async move { lane(&store).run(work).await.map_err(BoxError::from) })
    }
}

fn add(session: &mut Session<'_>, batch: &UsageBatch) -> Result<(), Failure> {
    let to = || Failure::to("add counts of the usage");
    let transaction = begin(session)?;
    let new = execute(session, sql::BEGIN_BATCH, params![batch.writer, batch.sequence, micros(batch.at)])?;
    // It was added before.
    if new == 0 {
        return Ok(());
    }
    for count in &batch.counts {
        add_count(session, sql::ADD_HOUR, count, count.start)?;
        add_count(session, sql::ADD_DAY, count, By::Day.start_of(count.start))?;
    }
    for last in &batch.uses {
        let address = last.address.map(|address| address.to_string());
        execute(session, sql::NOTE_USE, params![last.key, micros(last.at), address, last.client])?;
    }
    for refusal in &batch.refusals {
        note_refusal(session.prepared(sql::NOTE_REFUSAL).map_err(to())?, refusal).map_err(to())?;
    }
    let keep = i64::try_from(batch.keep_refusals).unwrap_or(i64::MAX);
    for key in batch.refusals.iter().map(|refusal| &refusal.key).collect::<BTreeSet<_>>() {
        execute(session, sql::TRIM_REFUSALS, params![key, keep])?;
    }
    transaction.commit().map_err(to())
}

fn add_count(session: &mut Session<'_>, text: &str, count: &UsageCount, start: SystemTime) -> Result<(), Failure> {
    let number = i64::try_from(count.count).unwrap_or(i64::MAX);
    let arguments = params![count.of.kind(), count.of.id(), micros(start), count.outcome.as_str(), number];
    execute(session, text, arguments).map(drop)
}

fn execute(session: &mut Session<'_>, text: &str, arguments: &[&dyn ToSql]) -> Result<usize, Failure> {
    let to = || Failure::to("change the usage");
    session.prepared(text).map_err(to())?.execute(arguments).map_err(to())
}

fn note_refusal(statement: &mut Statement<'_>, refusal: &RefusedRequest) -> rusqlite::Result<usize> {
    statement.execute(params![
        refusal.key,
        micros(refusal.at),
        refusal.outcome.as_str(),
        refusal.status,
        refusal.reason,
        refusal.method,
        refusal.path,
        refusal.request_id,
        refusal.address.map(|address| address.to_string()),
    ])
}

fn counts(session: &mut Session<'_>, query: &UsageQuery) -> Result<Vec<UsageCount>, Failure> {
    let text = match query.by {
        By::Hour => sql::HOURS,
        By::Day => sql::DAYS,
    };
    let (from, until) = (micros(query.first_start()), micros(query.until));
    let rows: Vec<(i64, String, i64)> =
        all(session, text, params![query.of.kind(), query.of.id(), from, until], |row| row.try_into())?;
    let count = |(start, outcome, count): (i64, String, i64)| {
        let count = u64::try_from(count).map_err(BoxError::from)?;
        Ok(UsageCount::new(query.of.clone(), time(start)?, stored(&outcome), count))
    };
    rows.into_iter().map(count).collect::<Result<_, BoxError>>().map_err(Failure::from)
}

fn last_uses(session: &mut Session<'_>, keys: &[String]) -> Result<Vec<KeyUse>, Failure> {
    let mut uses = Vec::new();
    for key in keys {
        type Columns = (String, i64, Option<String>, Option<String>);
        let rows: Vec<Columns> = all(session, sql::LAST_USE, params![key], |row| row.try_into())?;
        for (key, at, address, client) in rows {
            uses.push(KeyUse { address: address_of(address)?, client, ..KeyUse::new(key, time(at)?) });
        }
    }
    Ok(uses)
}

fn refusals(session: &mut Session<'_>, key: &str, limit: usize) -> Result<Vec<RefusedRequest>, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    all(session, sql::REFUSALS, params![key, limit], |row| Ok(refusal(row)))?.into_iter().collect()
}

fn refusal(row: &Row<'_>) -> Result<RefusedRequest, Failure> {
    let to = || Failure::to("read refused requests");
    let read =
        || Ok::<_, rusqlite::Error>((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?));
    let (key, at, outcome, status) = read().map_err(to())?;
    let text = |column: usize| row.get::<_, Option<String>>(column).map_err(to());
    Ok(RefusedRequest {
        reason: text(4)?,
        method: text(5)?,
        path: text(6)?,
        request_id: text(7)?,
        address: address_of(text(8)?)?,
        ..RefusedRequest::new(key, time(at)?, stored(&outcome), status)
    })
}

fn all<T>(
    session: &mut Session<'_>,
    text: &str,
    arguments: &[&dyn ToSql],
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Failure> {
    let to = || Failure::to("read the usage");
    let statement = session.prepared(text).map_err(to())?;
    let rows = statement.query_map(arguments, row).map_err(to())?;
    rows.collect::<Result<_, _>>().map_err(to())
}

fn forget(session: &mut Session<'_>, what: &Forget, limit: usize) -> Result<usize, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut each = |texts: &[&str], arguments: &[&dyn ToSql]| {
        texts.iter().try_fold(0, |sum, text| Ok::<_, Failure>(sum + execute(session, text, arguments)?))
    };
    match what {
        Forget::Hours { before } => each(&sql::FORGET_HOURS, params![micros(*before), limit]),
        Forget::Days { before } => each(&sql::FORGET_DAYS, params![micros(*before), limit]),
        Forget::Traces { before } => each(&sql::FORGET_TRACES, params![micros(*before), limit]),
        Forget::Of(of) => {
            let counts = each(&sql::FORGET_COUNTS, params![of.kind(), of.id(), limit])?;
            let UsageOf::Key(key) = of else { return Ok(counts) };
            Ok(counts + each(&sql::FORGET_KEY, params![key, limit])?)
        }
        #[allow(unreachable_patterns, reason = "as a store of another crate, this one answers for later kinds")]
        _ => Err(unsupported(what).into()),
    }
}

fn address_of(text: Option<String>) -> Result<Option<std::net::IpAddr>, BoxError> {
    text.map(|text| text.parse()).transpose().map_err(|_| "an address of the usage is none".into())
}
