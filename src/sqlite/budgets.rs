use rusqlite::{OptionalExtension as _, ToSql, params};

use super::{SqliteKeyStore, budget_sql as sql, failure::Failure, lane::Lane, session::Session, write::begin};
use crate::{
    BoxError,
    limit::{
        CalendarUnit,
        budget::{BudgetFuture, BudgetPeriod, BudgetReturn, BudgetStore, BudgetTake, BudgetTaken},
    },
};

/// A lease is on disk before it is answered.
impl BudgetStore for SqliteKeyStore {
    fn take(&self, period: &BudgetPeriod, asked: BudgetTake) -> BudgetFuture<BudgetTaken> {
        let period = period.clone();
        self.count(writer, move |session| take(session, &period, asked))
    }

    fn used(&self, period: &BudgetPeriod) -> BudgetFuture<u64> {
        let period = period.clone();
        self.count(|store| &store.0.lists, move |session| used(session, &period))
    }

    fn give_back(&self, unused: &[BudgetReturn]) -> BudgetFuture<()> {
        let unused = unused.to_vec();
        self.count(writer, move |session| give_back(session, &unused))
    }

    fn forget(&self, unit: CalendarUnit, before: u32, limit: usize) -> BudgetFuture<usize> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.count(writer, move |session| execute(session, sql::FORGET, params![unit.as_str(), before, limit]))
    }
}

fn writer(store: &SqliteKeyStore) -> &Lane {
    &store.0.writer
}

impl SqliteKeyStore {
    fn count<T: Send + 'static>(
        &self,
        lane: fn(&Self) -> &Lane,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> BudgetFuture<T> {
        let store = self.clone();
        BudgetFuture::boxed(async move { lane(&store).run(work).await.map_err(BoxError::from) })
    }
}

/// Writers of all processes wait for each other from the beginning of the transaction, so the count that is read is still true when
/// it is changed.
fn take(session: &mut Session<'_>, period: &BudgetPeriod, asked: BudgetTake) -> Result<BudgetTaken, Failure> {
    let transaction = begin(session)?;
    let before = used(session, period)?;
    let granted = asked.granted(before);
    if granted > 0 {
        with(period, granted, |arguments| execute(session, sql::ADD, arguments))?;
    }
    transaction.commit().map_err(Failure::to("commit a lease of a budget"))?;
    Ok(BudgetTaken::new(granted, before + u64::from(granted)))
}

fn used(session: &mut Session<'_>, period: &BudgetPeriod) -> Result<u64, Failure> {
    let to = || Failure::to("read a budget");
    let statement = session.prepared(sql::USED).map_err(to())?;
    let bucket = period.bucket.to_bytes();
    let arguments = params![bucket, period.unit.as_str(), &*period.time_zone, period.number];
    let used: Option<i64> = statement.query_row(arguments, |row| row.get(0)).optional().map_err(to())?;
    Ok(u64::try_from(used.unwrap_or(0)).map_err(BoxError::from)?)
}

fn give_back(session: &mut Session<'_>, unused: &[BudgetReturn]) -> Result<(), Failure> {
    let transaction = begin(session)?;
    for BudgetReturn { period, count, .. } in unused {
        with(period, *count, |arguments| execute(session, sql::SUBTRACT, arguments))?;
    }
    transaction.commit().map_err(Failure::to("commit what is given back to budgets"))
}

/// Calls with the period and the number as arguments of a statement.
fn with<T>(period: &BudgetPeriod, count: u32, run: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
    run(params![period.bucket.to_bytes(), period.unit.as_str(), &*period.time_zone, period.number, count])
}

fn execute(session: &mut Session<'_>, text: &str, arguments: &[&dyn ToSql]) -> Result<usize, Failure> {
    let to = || Failure::to("change a budget");
    session.prepared(text).map_err(to())?.execute(arguments).map_err(to())
}
